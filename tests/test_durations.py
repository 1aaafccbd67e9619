"""Laws of time find what was planted, and the share of never-leavers is told only from a level curve."""

import numpy as np
import pandas as pd
import pytest

from analysis import durations
from analysis.estimates import NotTestable
from analysis.lifetimes import SPELL, recount


def stays(customers=2000, *, never=0.0, shape=1.3, watched=(40, 60), seed=1, stretch=1.0) -> pd.DataFrame:
    """Whole-period stays after a Weibull law of scale 10; plan b stretches them; a share never leaves."""
    rng = np.random.default_rng(seed)
    plan = rng.choice(["a", "b"], customers, p=[0.6, 0.4])
    life = 10 * rng.weibull(shape, customers) * np.where(plan == "b", stretch, 1)
    life = np.where(rng.random(customers) < never, np.inf, np.ceil(life))
    seen = rng.integers(*watched, customers)
    table = pd.DataFrame({"time": np.minimum(life, seen), "left": life <= seen, "entered": 0.0, "weight": 1})
    return table.assign(plan=plan)


def test_a_planted_stretch_is_found():
    found = durations.accelerated(stays(stretch=1.5), covariates=["plan"])
    term = found.table.iloc[0]
    assert term["term"] == "b against a"
    assert term["low"] < 1.5 < term["high"]
    assert found.fits["family"].iloc[0] == "Weibull"
    assert found.fits["aic"].is_monotonic_increasing
    assert len(found.fits) == 3


def test_weights_and_late_entry_stand_for_customers():
    rows = stays(600, stretch=1.5)
    cut = rows[rows["time"] > 7]
    halves = [rows[rows["time"] <= 7], cut.assign(time=7.0, left=False), cut.assign(entered=7.0)]
    split = recount(pd.concat(halves), [*SPELL, "plan"])
    both = [durations.accelerated(table, covariates=["plan"]) for table in (rows, split)]
    # Iterated fits: the optimiser stops at slopes of 1e-6.
    assert both[0].table["coefficient"].iloc[0] == pytest.approx(both[1].table["coefficient"].iloc[0], abs=1e-4)
    assert both[0].fits["log_likelihood"].tolist() == pytest.approx(both[1].fits["log_likelihood"].tolist(), rel=1e-7)


def test_stays_of_no_time_are_kept_where_somebody_left():
    rows = stays(500)
    none = pd.DataFrame({"time": 0.0, "left": [True, False], "entered": 0.0, "weight": [3, 40], "plan": "a"})
    with_none = durations.accelerated(pd.concat([rows, none]), covariates=["plan"])
    assert with_none.leavers == rows["left"].sum() + 3


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (stays(1), "no covariate"),
        (stays(200).assign(left=False), "no covariate"),
        (stays(200).assign(time=5.0, left=True), "longer than a customer who left"),
        (stays(40), "no covariate|needs 30"),
    ],
)
def test_tables_without_an_answer_say_why(rows, reason):
    found = durations.accelerated(rows, covariates=["plan"])
    assert isinstance(found, NotTestable)
    assert any(part in found.reason for part in reason.split("|"))


def test_planted_never_leavers_are_found():
    scales, held = [], 0
    for seed in range(100):
        found = durations.never_leavers(stays(600, never=0.3, seed=seed), unit="month")
        held += found.share.low < 0.3 < found.share.high
        scales.append(found.scale)
    # 100 at 95%: 95 expected, standard deviation 2.2; three of them.
    assert held >= 88
    # One scale has a standard error of 0.45, their mean one of 0.045; whole periods must not lengthen it to 10.5.
    assert np.mean(scales) == pytest.approx(10, abs=0.15)


def test_never_leavers_who_enter_late_and_are_counted():
    rows = stays(1500, never=0.3)
    late = rows[rows["time"] > 4].assign(entered=lambda t: np.where(t.index % 2, 4.0, 0.0))
    counted = recount(late, SPELL)
    # Whoever is watched from the fourth period on stands for those who had not left by then: the share of all.
    watched = durations.never_leavers(pd.concat([rows[rows["time"] <= 4].iloc[::2], counted]), unit="month")
    assert watched.share.low < 0.3 < watched.share.high


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (stays(1), "Only 1 customer has left"),
        (stays(300).assign(left=False), "Nobody has left"),
        (stays(2000, watched=(8, 12)), "before the curve is level"),
        (stays(2000, never=0.3, watched=(8, 12)), "before the curve is level"),
        (stays(300).assign(time=5.0, left=True), "before the curve is level"),
        (stays(45), "Nobody left at an age at which fifty"),
        (stays(3000, watched=(20, 60)), "before the curve is level"),
        (stays(3000, shape=0.2, watched=(50, 60)), "as well"),
    ],
)
def test_never_leavers_are_refused_without_a_level_curve(rows, reason):
    found = durations.never_leavers(rows, unit="month")
    assert isinstance(found, NotTestable), found
    assert reason in found.reason
