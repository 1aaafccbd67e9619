"""Customers' periods by hand, and regressions over them beside Cox's model."""

import numpy as np
import pandas as pd
import pytest

from analysis import hazards, periods
from analysis.estimates import NotTestable
from analysis.lifetimes import SPELL, recount


def people(customers=3000, *, seed=1) -> pd.DataFrame:
    """Twice the hazard with plan b, in whole months."""
    rng = np.random.default_rng(seed)
    plan = rng.choice(["a", "b"], customers, p=[0.6, 0.4])
    life = np.ceil(rng.exponential(20 / np.where(plan == "b", 2, 1)))
    watched = rng.integers(6, 36, customers)
    table = pd.DataFrame({"time": np.minimum(life, watched), "left": life <= watched, "entered": 0.0, "weight": 1})
    return table.astype({"time": float}).assign(plan=plan)


def test_periods_by_hand():
    rows = pd.DataFrame(
        [(45, True, 0, 2), (45, False, 0, 3), (90, True, 30, 1), (90, True, 31, 1), (0, True, 0, 1), (0, False, 0, 9)],
        columns=["time", "left", "entered", "weight"],
    ).astype({"time": float, "entered": float})
    cells = periods.person_periods(rows, by=[], length=30)
    # Two leave in the second period; three are watched through the first alone; one is watched from the second on and
    # one, who came a day into it, from the third on; who left at once left in the first.
    assert cells.to_dict("list") == {"period": [1, 2, 3], "at_risk": [6, 3, 2], "left": [1, 2, 2]}


def test_a_planted_ratio_is_found_and_is_coxs():
    rows = people()
    chance = periods.fit_periods(rows, covariates=["plan"]).iloc[0]
    odds = periods.fit_periods(rows, covariates=["plan"], ratio=periods.ODDS).iloc[0]
    cox = hazards.cox(rows, covariates=["plan"]).table.iloc[0]
    assert chance["low"] < 2 < chance["high"]
    # The same hazards in steps: one tenth of a standard error apart at most.
    assert chance["coefficient"] == pytest.approx(cox["coefficient"], abs=0.1 * cox["error"])
    assert odds["odds_ratio"] > chance["hazard_ratio"]


def test_splitting_spells_and_adding_weights_changes_nothing():
    rows = people(800)
    cut = rows[rows["time"] > 7]
    halves = [rows[rows["time"] <= 7], cut.assign(time=7.0, left=False), cut.assign(entered=7.0)]
    tables = [rows, recount(rows, [*SPELL, "plan"]), recount(pd.concat(halves), [*SPELL, "plan"])]
    found = [periods.fit_periods(table, covariates=["plan"])["coefficient"].iloc[0] for table in tables]
    assert found[1:] == pytest.approx([found[0]] * 2, rel=1e-9)


def test_many_ages_get_a_smooth_path(monkeypatch):
    rows = people()
    each = periods.fit_periods(rows, covariates=["plan"]).iloc[0]
    monkeypatch.setattr(periods, "MOST_RATES", 10)
    smooth = periods.fit_periods(rows, covariates=["plan"]).iloc[0]
    assert smooth["coefficient"] == pytest.approx(each["coefficient"], abs=0.2 * each["error"])
    assert smooth["coefficient"] != each["coefficient"]


def test_a_period_is_a_month_where_days_are_counted():
    assert periods.length_of("day") == pytest.approx(30.4375)
    assert {periods.length_of(unit) for unit in ("week", "month", "year")} == {1.0}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (people(1), "no covariate"),
        (people(300).assign(left=False), "no covariate"),
        (people(300).assign(time=5.0, left=True), "longer than a customer who left"),
        (people(300).assign(time=lambda t: t["time"] * 1e6), "give quantities as words"),
        (people(100).assign(time=lambda t: np.where(t["left"], 3.0, 4.0), plan=lambda t: t["left"].map(str)), "no cov"),
    ],
)
def test_tables_without_an_answer_say_why(rows, reason):
    found = periods.fit_periods(rows, covariates=["plan"])
    assert isinstance(found, NotTestable)
    assert reason in found.reason


def test_where_all_leave_in_the_end_their_last_period_compares_nobody():
    rows = people(900).assign(left=True)
    end = pd.DataFrame({"time": [60.0, 60.0], "left": True, "entered": 0.0, "weight": [4, 3], "plan": ["a", "b"]})
    with_end, without = (
        periods.fit_periods(table, covariates=["plan"]).iloc[0]
        for table in (pd.concat([rows, end]), pd.concat([rows, end.assign(left=False)]))
    )
    assert with_end["coefficient"] == pytest.approx(without["coefficient"], rel=1e-9)
    assert with_end["error"] == pytest.approx(without["error"], rel=1e-9)


def test_periods_in_which_nobody_can_be_compared_are_said():
    early = people(300).assign(time=0.5, left=True)
    rows = pd.concat([early, people(300).assign(time=0.7, left=False)])
    assert periods.fit_periods(rows, covariates=["plan"]).reason.startswith("In every period either nobody left or all")


def test_separation_is_refused_without_a_warning():
    rows = people(400).assign(time=lambda t: np.arange(400) % 20 + 1.0, left=True, sign=lambda t: -(t["time"] ** 9))
    found = periods.fit_periods(rows, covariates=["sign"])
    assert isinstance(found, NotTestable) or np.isfinite(found["error"]).all()
