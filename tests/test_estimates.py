"""Estimates carry a whole confidence distribution."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import estimates
from analysis.estimates import (
    Estimate,
    NotTestable,
    bootstrapped,
    columns,
    in_brief,
    resample,
    resampled,
    sample,
    told,
    told_sample,
)


def test_a_normal_estimate_has_the_textbook_interval():
    # 1.959964 and 1.644854 are the normal quantiles for 95% and 90%.
    estimate = Estimate.normal(10, 2, unit="ratio", n=50)
    assert (estimate.low, estimate.high) == pytest.approx((10 - 3.919928, 10 + 3.919928))
    assert estimate.interval(0.90) == pytest.approx((10 - 3.289707, 10 + 3.289707))


def test_a_ratio_is_symmetric_on_logs():
    estimate = Estimate.log_normal(2, 0.1, unit="ratio", n=50)
    assert estimate.low * estimate.high == pytest.approx(4)


def test_wilson_interval_agrees_with_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    for k, n in [(0, 10), (3, 10), (50, 1000), (10, 10)]:
        # Same closed form: only rounding may differ.
        assert Estimate.proportion(k, n).interval() == pytest.approx(
            proportion_confint(k, n, method="wilson"), abs=1e-12
        )


def test_a_bootstrap_estimate_takes_its_ends_from_the_draws():
    # Of 999 draws the 50th from below and from above have 5% beyond them: 50 of 1,000 gaps.
    estimate = Estimate.from_draws(0.5, np.arange(1, 1000) / 1000, unit="share", n=9)
    assert estimate.interval(0.90) == pytest.approx((0.05, 0.95))


def test_an_interval_from_few_draws_is_missed_as_often_as_it_says():
    """Truth and draws alike: of 39 draws the smallest lies above a fortieth one once in 40."""
    numbers = np.random.default_rng(4).normal(size=(4000, 40))
    lows = np.array([Estimate.from_draws(0, draws, unit="share", n=9).low for draws in numbers[:, 1:]])
    # 4,000 times: expected 2.5%, standard deviation 0.25%. Without care for few draws it would be nearly 5%.
    assert (numbers[:, 0] < lows).mean() == pytest.approx(0.025, abs=0.0075)


def test_a_spread_makes_a_normal_interval_around_the_value():
    # 1.959964 standard deviations of 1 on either side, though all draws lie on one side of the value.
    draws = np.tile([1.0, 3.0], 500)
    estimate = Estimate.from_spread(0.5, draws, unit="growth", n=9)
    assert estimate.interval() == pytest.approx((0.5 - 1.959964, 0.5 + 1.959964))
    with pytest.raises(ValueError, match="only 1 of 2"):
        Estimate.from_spread(1, np.array([1, np.nan]), unit="growth", n=9)


def test_draws_in_which_the_quantity_does_not_exist_are_refused_when_many():
    rare = np.append(np.ones(99), np.nan)
    assert Estimate.from_draws(1, rare, unit="ratio", n=9).interval() == (1, 1)
    with pytest.raises(ValueError, match="only 90 of 100"):
        Estimate.from_draws(1, np.append(np.ones(90), [np.nan] * 10), unit="ratio", n=9)


@given(st.floats(-5, 5), st.floats(0.01, 3), st.floats(0.5, 0.98))
def test_a_wider_level_gives_a_wider_interval(value, se, level):
    estimate = Estimate.normal(value, se, unit="ratio", n=1)
    (low, high), (lower, higher) = estimate.interval(level), estimate.interval(level + 0.01)
    assert lower < low < high < higher


def test_resampling_cells_is_the_bootstrap_over_customers():
    counts = np.array([30, 50, 20])
    draws = resample(counts, draws=4000, seed=1)
    assert (draws.sum(axis=1) == 100).all()
    # Binomial mean 30 and variance 100 x .3 x .7 = 21; six Monte Carlo standard errors of each.
    assert draws[:, 0].mean() == pytest.approx(30, abs=6 * np.sqrt(21 / 4000))
    assert draws[:, 0].var() == pytest.approx(21, rel=6 * np.sqrt(2 / 4000))


def test_the_same_seed_gives_the_same_draws():
    counts = np.array([3, 4])
    assert (resample(counts, draws=5, seed=7) == resample(counts, draws=5, seed=7)).all()
    assert (resample(counts, draws=50, seed=7) != resample(counts, draws=50, seed=8)).any()


def test_an_answer_in_words():
    mean = Estimate.exact(3.0, unit="months", n=5)
    assert told(mean) == "3.00 months (95% interval 3.00 to 3.00 months)"
    assert in_brief(mean) == "3.00 months (3.00 to 3.00 months)"
    assert told(NotTestable("because")) == "not testable here"
    assert columns(NotTestable("because"))["note"] == "because"


def test_too_many_draws_without_the_quantity_leave_no_interval():
    lost = bootstrapped(Estimate.from_draws, 1.0, np.array([1, np.nan]), unit="ratio", n=9)
    assert "exists in only 1 of 2 resamples" in lost.reason


def means(rows, draws):
    """The mean of x, and that of each resample."""
    weight = rows["weight"].to_numpy()
    every = [weight, *resample(weight, draws=draws, seed=3)]
    return np.array(every) @ rows["x"].to_numpy() / weight.sum()


def test_a_sample_stands_for_all_with_their_spread(monkeypatch):
    """The mean of many is theirs to the last digit, and its resamples spread as all of them would have it."""
    monkeypatch.setattr(estimates, "RESAMPLED", 4000)
    rows = pd.DataFrame({"x": np.random.default_rng(7).gamma(2.0, size=40_000), "weight": 2})
    value, *drawn = resampled(rows, means, draws=2000)
    assert value == rows["x"].mean()
    assert np.mean(drawn) == pytest.approx(value, abs=4 * np.std(drawn) / np.sqrt(2000))
    # By arithmetic s / sqrt(n). A standard deviation from 4,000 gamma (kurtosis 6) and 2,000 draws errs by 2.4%.
    assert np.std(drawn) == pytest.approx(rows["x"].std() / np.sqrt(80_000), rel=4 * 0.024)


def test_few_rows_are_all_resampled():
    rows = pd.DataFrame({"x": [1.0, 2.0, 4.0], "weight": [900_000, 1, 99_999]})
    assert list(resampled(rows, means, draws=3)) == list(means(rows, 3))
    assert not told_sample(estimates.RESAMPLED)
    assert "50,000 of the 1,000,000" in told_sample(1_000_000)[0]


def test_a_sample_counts_nobody_twice():
    rows = pd.DataFrame({"x": [1.0, 2.0, 4.0], "weight": [30, 1, 2]})
    drawn = sample(rows, 32)
    assert drawn["weight"].sum() == 32
    assert (drawn["weight"] <= rows.loc[drawn.index, "weight"]).all()
    assert sample(rows, 33) is rows
    assert len(sample(rows[["x"]], 2)) == 2


def test_an_interval_holds_a_value_that_no_draw_reaches():
    """A perfect fit: every resample fits a little worse, and an interval that left the fit out would deny it."""
    found = Estimate.from_draws(1.0, np.linspace(0.9, 0.98, 99), unit="share", n=50)
    assert found.low == pytest.approx(0.9 + 0.08 * 1.5 / 98)  # draw number 100 × .025 = 2.5 in the order of size
    assert found.high == 1.0
