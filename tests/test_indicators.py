"""Indicators against print and arithmetic, and how often their intervals hold the truth."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis import indicators
from analysis.estimates import NotTestable


def classes(promoters, passives, detractors):
    return pd.Series([1.0] * promoters + [0.0] * passives + [-1.0] * detractors)


@pytest.mark.parametrize(
    ("n", "se", "low", "high"), [(100, 7.810250, 14.692, 45.308), (1000, 2.469818, 25.159, 34.841)]
)
def test_score_as_the_variance_identity_has_it(n, se, low, high):
    """50, 30 and 20 in a hundred: 30 points; standard error and interval to their last digit."""
    answer = indicators.net_promoter_score(classes(n // 2, 3 * n // 10, n // 5), adjusted=False)
    assert answer.value == pytest.approx(0.30)
    assert (answer.high - answer.low) / 2 / 1.959964 == pytest.approx(se / 100, abs=5e-9)
    assert (100 * answer.low, 100 * answer.high) == pytest.approx((low, high), abs=5e-4)


def test_classes():
    answers = pd.Series([0, 6, 7, 8, 9, 10, np.nan])
    assert list(indicators.promoter_classes(answers, (0, 10)))[:6] == [-1, -1, 0, 0, 1, 1]
    assert math.isnan(indicators.promoter_classes(answers, (0, 10)).iloc[6])


def test_another_scale_is_refused():
    refused = indicators.promoter_classes(pd.Series([1.0, 7.0]), (1, 7))
    assert isinstance(refused, NotTestable)
    assert "runs from 1 to 7" in refused.reason


def coverage(shares, n, adjusted, worlds=4000):
    rng, truth = np.random.default_rng(1), shares[2] - shares[0]
    held = 0
    for counts in rng.multinomial(n, shares, size=worlds):
        answer = indicators.net_promoter_score(classes(*counts[::-1]), adjusted=adjusted)
        held += answer.low <= truth <= answer.high
    return held / worlds


def test_the_adjusted_interval_holds_where_the_plain_one_fails():
    """20 respondents, nine in ten promoters: by chance alone 4,000 worlds tell a share to .007."""
    assert coverage([0.02, 0.08, 0.90], 20, adjusted=True) > 0.93
    assert coverage([0.02, 0.08, 0.90], 20, adjusted=False) < 0.91


def test_even_weights_change_nothing_and_others_widen():
    asked = classes(50, 30, 20)
    plain = indicators.net_promoter_score(asked, np.full(100, 3.0))
    assert plain.low == indicators.net_promoter_score(asked).low
    uneven = indicators.net_promoter_score(asked, np.random.default_rng(2).permutation(np.repeat([0.2, 1.8], 50)))
    assert uneven.high - uneven.low > 1.1 * (plain.high - plain.low)


def test_a_change_and_what_sample_would_show_it():
    first, second = (indicators.net_promoter_score(classes(*c), adjusted=False) for c in ((50, 30, 20), (60, 25, 15)))
    moved = indicators.change(first, second)
    assert moved.value == pytest.approx(0.15)
    se = math.hypot(0.0781025, math.sqrt((0.75 - 0.45**2) / 100))
    assert moved.high - moved.value == pytest.approx(1.959964 * se, abs=1e-6)
    smallest = indicators.smallest_change(first)
    assert smallest == pytest.approx((1.959964 + 0.841621) * math.sqrt(2) * 0.0781025, abs=1e-5)
    assert indicators.needed_for(smallest, first) == first.n
    assert indicators.needed_for(smallest / 2, first) == 4 * first.n


def test_satisfied_are_the_two_highest_answers():
    answer = indicators.satisfied(pd.Series([1, 5, 6, 7, 7, np.nan]), (1, 7))
    assert (answer.value, answer.n) == (0.6, 5)
    weighed = indicators.satisfied(pd.Series([1.0, 7.0, 7.0]), (1, 7), np.array([2.0, 1.0, 1.0]))
    assert weighed.value == 0.5


def test_a_mean_has_its_usual_interval():
    values = pd.Series(np.random.default_rng(3).normal(5, 1, 400))
    answer = indicators.mean_score(values, "count")
    assert answer.high - answer.value == pytest.approx(1.959964 * values.std() / 20, rel=1e-6)


def test_waves_beside_each_other():
    waves = pd.Series(["1"] * 200 + ["2"] * 200 + ["3"] * 40)
    table = indicators.over_time(
        pd.concat([classes(100, 60, 40), classes(120, 50, 30), classes(20, 10, 10)], ignore_index=True),
        waves,
        np.ones(440),
    )
    assert list(table["wave"]) == ["1", "2", "3"]
    assert table["change"].iloc[1] == pytest.approx(0.15)
    assert math.isnan(table["change"].iloc[0])
    assert "at least 100" in table["note"].iloc[2]


@pytest.mark.parametrize("empty", [pd.Series([np.nan, np.nan]), pd.Series([], dtype=float)])
def test_nobody_answered(empty):
    assert isinstance(indicators.net_promoter_score(empty), NotTestable)
    assert isinstance(indicators.satisfied(empty, (1, 7)), NotTestable)
    assert isinstance(indicators.mean_score(empty, "count"), NotTestable)
