"""What repeaters bring in later: against arithmetic one can do in the head, scipy, and a world without an effect."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import repeaters
from analysis.estimates import Estimate, NotTestable


def halves(orders_, later):
    return pd.DataFrame({"orders": np.asarray(orders_, float), "later_value": np.asarray(later, float)})


def test_share_gap_by_hand():
    """30 of 120 customers are repeaters and bring in 60 of the 90: two thirds less a quarter."""
    found = repeaters.later_value(halves([2] * 30 + [1] * 90, [2] * 30 + [1] * 30 + [0] * 60), draws=50, seed=1)
    assert found["share_gap"].value == pytest.approx(2 / 3 - 1 / 4)


def test_rank_correlation_is_scipys():
    random = np.random.default_rng(3)
    often = random.geometric(0.4, 500)
    later = np.round(random.gamma(0.5, often), 1)
    found = repeaters.later_value(halves(often, later), draws=50, seed=1)
    assert found["rate"].value == pytest.approx(stats.spearmanr(often, later).statistic, abs=1e-12)


def test_alike_customers_show_nothing_across_halves_and_much_within_one_window():
    """The planted null of R06: everybody buys at the same rate, so earlier orders say nothing about later value."""
    random = np.random.default_rng(5)
    early, late = (random.poisson(1.0, 4000) for _ in range(2))
    found = repeaters.later_value(halves(1 + early, 10 * late), draws=200, seed=1)
    for part in ("share_gap", "rate"):
        low, high = found[part].interval(0.999)  # a truth of 0 falls outside once in a thousand seeds
        assert low < 0 < high
    whole = halves(1 + early + late, 0).drop(columns="later_value").assign(value=10 * (1 + early + late))
    shown = repeaters.whole_against_halves(whole, halves(1 + early, 10 * late))
    assert shown["rank_correlation"].tolist() == pytest.approx([1, 0], abs=0.06)  # 0: se is 1/sqrt(4000) = .016


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (halves([2, 1], [1, 0]), "Fewer than 100 customers were followed"),
        (halves([1] * 200, [1] * 200), "had one order, or several"),
        (halves([2] * 100 + [1] * 100, [0] * 200), "brought in nothing"),
    ],
)
def test_halves_that_cannot_be_compared_say_why(table, says):
    assert all(says in answer.reason for answer in repeaters.later_value(table, draws=10, seed=1).values())


def test_the_same_value_for_all_has_a_share_and_no_rank():
    found = repeaters.later_value(halves([2] * 100 + [1] * 100, [5] * 200), draws=50, seed=1)
    assert isinstance(found["share_gap"], Estimate)
    assert isinstance(found["rate"], NotTestable)
