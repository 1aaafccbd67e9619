"""Slopes within units and between them: against regressions with dummies, and on worlds that are known."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from analysis import within
from analysis.estimates import NotTestable, gated


def panel_of(slope=0.3, *, units=40, periods=8, levels=1.0, gaps=0.0, seed=1):
    """A unit's level lifts cause and outcome alike; within units the outcome follows the cause of before."""
    rng = np.random.default_rng(seed)
    level, season = rng.normal(0, levels, (units, 1)), rng.normal(0, 1, periods)
    cause = level + season + rng.normal(0, 1, (units, periods))
    outcome = level + season + rng.normal(0, 1, (units, periods))
    outcome[:, 1:] += slope * (cause - level)[:, :-1]
    names = [(f"b{unit:02d}", period) for unit in range(units) for period in range(periods)]
    table = pd.DataFrame(names, columns=["unit", "period"]).assign(cause=cause.ravel(), outcome=outcome.ravel())
    return table[rng.random(len(table)) >= gaps]


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_the_slope_within_is_what_dummies_give(gaps):
    rows = within.lagged(panel_of(gaps=gaps), ["cause", "outcome"]).rename(columns=lambda name: name.replace(" ", "_"))
    found = within.slope(rows, "outcome", "cause_before", held=["outcome_before"])
    known = rows.dropna()
    fit = smf.ols("outcome ~ cause_before + outcome_before + C(unit) + C(period)", known).fit(
        cov_type="cluster", cov_kwds={"groups": pd.factorize(known["unit"])[0], "use_correction": False}
    )
    assert found.value == pytest.approx(fit.params["cause_before"], rel=1e-9)
    n = known["unit"].nunique()
    assert found.error == pytest.approx(fit.bse["cause_before"] * np.sqrt(n / (n - 1)), rel=1e-9)
    assert (found.units, found.rows, found.df) == (n, len(known), n - 1)


def test_a_lag_looks_back_one_period_and_not_across_a_gap():
    rows = pd.DataFrame({"unit": list("aaab"), "period": [1, 2, 4, 3], "cause": [1.0, 2.0, 3.0, 4.0]})
    assert list(within.lagged(rows, ["cause"])["cause before"].fillna(-1)) == [-1, 1, -1, -1]


def test_levels_that_units_share_lift_the_slope_between_and_not_within():
    """Nothing moves within; the good branches are good at both, so the slope between them is one."""
    rows = panel_of(slope=0.0, levels=3.0)
    inside, across = within.slope(rows, "outcome", "cause"), within.between(rows, "outcome", "cause")
    told = {"method": "invented"}
    assert inside.estimate(**told).low < 0 < inside.estimate(**told).high
    assert 0.8 < across.estimate(**told).low < across.estimate(**told).high < 1.2
    # Mundlak: with the units' means beside it, the cause has the slope within.
    rows = rows.assign(own=rows.groupby("unit")["cause"].transform("mean"))
    fit = smf.ols("outcome ~ cause + own + C(period)", rows).fit()
    assert inside.value == pytest.approx(fit.params["cause"], rel=1e-9)
    assert across.value == pytest.approx(fit.params["cause"] + fit.params["own"], rel=1e-9)


def test_intervals_hold_the_truth_as_often_as_they_say():
    estimates = (
        within.slope(within.lagged(panel_of(seed=seed), ["cause"]), "outcome", "cause before").estimate(method="")
        for seed in range(200)
    )
    # 95% of 200 give or take 2.6 standard errors of 1.5 points.
    assert 182 <= sum(each.low < 0.3 < each.high for each in estimates) <= 198


@pytest.mark.parametrize(("table", "told"), [("one", "Fewer than two units"), ("still", "does not vary")])
def test_what_cannot_be_asked_is_said(table, told):
    rows = {"one": panel_of(units=1), "still": panel_of().assign(cause=lambda t: t["period"] * 1.0)}[table]
    answer = gated(within.slope)(rows, "outcome", "cause")
    assert isinstance(answer, NotTestable)
    assert told in answer.reason
    assert isinstance(gated(within.between)(rows, "outcome", "cause"), NotTestable)
