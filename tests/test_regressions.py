"""Slopes over scores against statsmodels and known truths; gains against the arithmetic of the model drawn from."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from analysis import regressions, scales
from analysis.estimates import NotTestable


def drawn(n=2000, seed=1, noise=1.0):
    """y = .5 a + .3 b + noise, where a and b correlate .5."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(n)
    b = 0.5 * a + np.sqrt(0.75) * rng.standard_normal(n)
    return pd.DataFrame({"a": a, "b": b, "y": 0.5 * a + 0.3 * b + noise * rng.standard_normal(n)})


def standardised(table):
    return (table - table.mean()) / table.std(ddof=0)


def test_slopes_are_those_of_least_squares():
    table, weight = drawn(), np.random.default_rng(2).uniform(0.5, 2, 2000)
    found = regressions.slopes(scales.moments(table, weight=weight, draws=10), "y", ["a", "b"])
    centred = table - np.average(table, axis=0, weights=weight)
    scaled = centred / np.sqrt(np.average(centred**2, axis=0, weights=weight))
    expected = sm.WLS(scaled["y"], sm.add_constant(scaled[["a", "b"]]), weights=weight).fit()
    assert [found[name].value for name in "ab"] == pytest.approx(list(expected.params[["a", "b"]]), abs=1e-10)
    assert regressions.explained(scales.moments(table, weight=weight, draws=2), "y", ["a", "b"]).value == pytest.approx(
        expected.rsquared, abs=1e-10
    )


def test_intervals_are_as_wide_as_theory_says():
    """With normal errors the bootstrap and the classical standard error agree; 2,000 draws tell it to 3%."""
    table = drawn()
    answer = regressions.slopes(scales.moments(table, draws=2000), "y", ["a", "b"])["a"]
    scaled = standardised(table)
    fit = sm.OLS(scaled["y"], scaled[["a", "b"]]).fit()
    assert (answer.high - answer.low) / 3.92 == pytest.approx(fit.bse["a"], rel=0.12)


def test_measurement_error_can_be_taken_out():
    """A noisy a lends its slope to b; its known reliability gives both back (n = 20,000: errors below .02)."""
    table = drawn(20_000, noise=0.5)
    true = standardised(table)
    slopes = sm.OLS(true["y"], true[["a", "b"]]).fit().params
    noisy = table.assign(a=table["a"] + np.random.default_rng(3).standard_normal(20_000) * np.sqrt(0.5))
    made = scales.moments(noisy, draws=2)
    raw = regressions.slopes(made, "y", ["a", "b"])
    freed = regressions.slopes(made, "y", ["a", "b"], reliabilities={"a": 1 / 1.5})
    assert raw["a"].value < slopes["a"] - 0.1
    assert raw["b"].value > slopes["b"] + 0.05
    assert [freed[name].value for name in "ab"] == pytest.approx(list(slopes), abs=0.02)


def test_drivers_that_say_the_same_thing():
    table = drawn().assign(c=lambda t: t["a"] + 1e-6 * t["b"])
    answers = regressions.slopes(scales.moments(table, draws=2), "y", ["a", "b", "c"])
    assert all(isinstance(answer, NotTestable) for answer in answers.values())


def test_correlations():
    table = drawn()
    found = regressions.correlations(scales.moments(table, draws=100), "y", ["a", "b"])
    assert found["b"].value == pytest.approx(np.corrcoef(table["y"], table["b"])[0, 1])


# --- Out of sample ------------------------------------------------------------------------------------------------


def test_what_a_driver_adds_out_of_sample():
    """Var(y) = .25 + .09 + .15 + 1 = 1.49; a alone explains (.5 + .15)² = .4225, both .49: a gain of .0453."""
    table = drawn(20_000)
    found = regressions.gains(
        table["y"].to_numpy(), {"a": table[["a"]].to_numpy(), "both": table[["a", "b"]].to_numpy()}, draws=300
    )
    assert found["a"].value == pytest.approx(0.4225 / 1.49, abs=0.012)
    assert found["both"].value == pytest.approx(0.0675 / 1.49, abs=0.006)
    assert found["both"].low > 0


def test_noise_adds_less_than_nothing():
    table, rng = drawn(300), np.random.default_rng(5)
    more = np.column_stack([table[["a"]], rng.standard_normal((300, 20))])
    found = regressions.gains(table["y"].to_numpy(), {"a": table[["a"]].to_numpy(), "noise": more}, draws=100)
    assert found["noise"].value < 0


def test_chances_as_statsmodels_fits_them():
    table, rng = drawn(3000), np.random.default_rng(6)
    y = (rng.uniform(size=3000) < 1 / (1 + np.exp(-table["a"]))).astype(float)
    x = sm.add_constant(table[["a", "b"]]).to_numpy()
    told = regressions._foretold(x, y, np.ones(3000), x[:50], True)
    assert told == pytest.approx(sm.Logit(y, x).fit(disp=0).predict(x[:50]), abs=2e-4)  # the grain of shrinkage
    found = regressions.gains(y, {"b": x[:, 2:], "both": x[:, 1:]}, chance=True, draws=100)
    assert found["both"].low > 0


def test_a_parted_outcome_does_not_run_away():
    y = np.repeat([0.0, 1.0], 100)
    found = regressions.gains(y, {"itself": y[:, None]}, chance=True, draws=50)
    assert 0.9 < found["itself"].value <= 1


def test_nothing_to_foretell():
    found = regressions.gains(np.ones(200), {"a": np.arange(200.0)[:, None]}, draws=10)
    assert isinstance(found["a"], NotTestable)


def test_areas_are_those_of_ranks_and_the_gain_is_found():
    """The area is the Mann-Whitney share; two normal groups d apart have one of normal_cdf(d / root 2)."""
    from scipy.stats import norm

    rng = np.random.default_rng(8)
    left = rng.integers(0, 2, 4000).astype(float)
    sign, noise = left + rng.standard_normal(4000), rng.standard_normal(4000)
    found = regressions.areas(left, {"noise": noise, "sign": sign}, draws=199)
    assert found["sign"].value + found["noise"].value + 0.5 == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)
    assert found["noise"].low < 0.02
    assert found["sign"].low > 0.2
    # Scores 1, 2, 2, 3 of a 1, a 0, a 1 and a 0: of four pairs of a 1 and a 0 the 1 wins none and draws one.
    won, pairs = regressions._won(np.array([1, 2, 2, 3.0]), np.array([1, 0, 1, 0.0]), np.ones((1, 4)))
    assert (won, pairs) == (0.5, 4)
    same = regressions.areas(np.ones(200), {"a": sign[:200]})
    assert isinstance(same["a"], NotTestable)


def test_an_area_is_not_held_down_by_models_that_know_what_they_did_not_see():
    """A tenth with many ones was foretold by a fit with few; over all pairs a group alone would fall below one half."""
    rng = np.random.default_rng(9)
    group, noise = rng.integers(0, 2, 1500).astype(float), rng.standard_normal(1500)
    came = (rng.random(1500) < 0.7).astype(float)
    found = regressions.areas(came, {"group": group, "noise": np.column_stack([group, noise])}, draws=99)
    assert abs(found["noise"].value) < 0.02


def test_semipartial_correlations_are_roots_of_what_is_lost_without_a_driver():
    table = drawn()
    alone = regressions.slopes(scales.moments(table, draws=10), "y", ["a", "b"], alone=True)
    whole = sm.OLS(table["y"], sm.add_constant(table[["a", "b"]])).fit().rsquared
    for name, other in (("a", "b"), ("b", "a")):
        without = sm.OLS(table["y"], sm.add_constant(table[[other]])).fit().rsquared
        assert alone[name].value == pytest.approx(np.sqrt(whole - without), abs=1e-8)
        assert alone[name].unit == "correlation"
