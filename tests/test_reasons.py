"""Shares by reason: against arithmetic in the head, planted reasons, and tables without an answer."""

import numpy as np
import pandas as pd
import pytest

from analysis import reasons
from analysis.estimates import NotTestable
from analysis.lifetimes import SPELL, recount
from analysis.retention import risk_table

KEYS = [*SPELL, "end_reason"]


def spells(*rows) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["time", "left", "end_reason", "weight"])
    return table.astype({"time": float}).assign(entered=0.0)


def random_spells(seed, customers=600) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    ages = np.ceil([rng.exponential(20, customers), rng.exponential(30, customers)])
    watched = rng.integers(5, 40, customers)
    life = ages.min(0)
    table = pd.DataFrame({"time": np.minimum(life, watched), "left": life <= watched, "entered": 0.0, "weight": 1})
    return table.assign(end_reason=np.where(table["left"], np.array(["rival", "moved"])[ages.argmin(0)], "not known"))


def ends(curves: pd.DataFrame, column: str) -> dict:
    return curves.groupby("reason", observed=True)[column].last().round(12).to_dict()


def test_shares_by_hand():
    # Of 100, 20 leave for a at 1; of the 80 left 40 leave for b at 2: shares 20% and 80% x 40/80 = 40%. Alone, b's
    # curve falls to 1/2 at 2, so it promises 50%.
    curves = reasons.incidence(spells((1, True, "a", 20), (2, True, "b", 40), (3, False, "b", 40)))
    assert list(curves["reason"].unique()) == ["b", "a"]
    assert ends(curves, "share") == {"a": 0.2, "b": 0.4}
    assert ends(curves, "naive") == {"a": 0.2, "b": 0.5}
    assert ends(curves, "leavers") == {"a": 20, "b": 40}


def test_shares_add_up_to_all_who_left_and_the_naive_ones_to_more():
    for seed in range(5):
        rows = random_spells(seed)
        curves = reasons.incidence(rows)
        together = curves[curves["time"] > 0].groupby("time")[["share", "naive"]].sum()
        # The same fractions in another order: they may differ in the last binary digits only.
        assert together["share"].to_numpy() == pytest.approx(1 - risk_table(rows).survival, abs=1e-12)
        assert (together["naive"] >= together["share"] - 1e-12).all()
        assert together["naive"].iloc[-1] > together["share"].iloc[-1] + 0.1


def test_with_one_share_left_the_error_is_greenwoods():
    rows = random_spells(3)
    rows["end_reason"] = "rival"
    rows.loc[rows.index[rows["left"]][:5], "end_reason"] = "moved"
    both = reasons.incidence(rows).groupby("time")["error"].max().iloc[-1]
    table = risk_table(rows)
    greenwood = np.sum(table.events / (table.at_risk * np.maximum(table.at_risk - table.events, 1)))
    # Five of some four hundred leave for the other reason, which moves the error by about one per cent.
    assert both == pytest.approx(table.survival[-1] * np.sqrt(greenwood), rel=0.05)


def test_splitting_spells_and_adding_weights_changes_nothing():
    rows = random_spells(4)
    plain = reasons.incidence(rows)
    counted = reasons.incidence(recount(rows, KEYS))
    cut = rows[rows["time"] > 7]
    halves = [rows[rows["time"] <= 7], cut.assign(time=7.0, left=False), cut.assign(entered=7.0)]
    split = reasons.incidence(recount(pd.concat(halves), KEYS))
    for other in (counted, split):
        for column in ("share", "error", "low", "high", "naive"):
            assert other[column].to_numpy() == pytest.approx(plain[column].to_numpy(), abs=1e-12)


def test_the_interval_holds_the_truth():
    # In every period 1 - exp(-1/20) leave for a rival; who would leave for both reasons at once does so too.
    stay, rival, moved = np.exp(-1 / 20 - 1 / 30), 1 - np.exp(-1 / 20), np.exp(-1 / 20) * (1 - np.exp(-1 / 30))
    truth = (1 - stay**20) * rival / (rival + moved)
    held = 0
    for seed in range(80):
        at = reasons.incidence(random_spells(seed, 300)).query("reason == 'rival' and time <= 20").iloc[-1]
        held += at["low"] < truth < at["high"]
    # 80 at 95%: 76 expected, standard deviation 1.9; three of them.
    assert held >= 70


def test_ratios_of_one_reason_are_not_those_of_another():
    rng = np.random.default_rng(1)
    plan = rng.choice(["a", "b"], 1500, p=[0.6, 0.4])
    ages = np.ceil([rng.exponential(20 / np.where(plan == "b", 2, 1)), rng.exponential(30, 1500)])
    rows = pd.DataFrame({"time": ages.min(0), "left": True, "entered": 0.0, "weight": 1, "plan": plan})
    rows["end_reason"] = np.array(["rival", "moved"])[ages.argmin(0)]
    found = reasons.by_reason(rows, covariates=["plan"])
    rival, moved = (found[name].table.iloc[0] for name in ("rival", "moved"))
    assert rival["low"] < 2 < rival["high"]
    assert moved["low"] < 1 < moved["high"]


def test_reasons_of_a_handful_are_put_together():
    rows = spells((1, True, "a", 60), (2, True, "b", 30), (3, True, "c", 4), (4, True, "d", 1), (9, False, "x", 50))
    assert set(reasons.reasons(rows, min_cell=5)) == {"a", "b", "other"}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (spells((5, False, "a", 1)), "Nobody has left"),
        (spells((5, True, "a", 1)), "Only 1 customer has left"),
        (spells((5, True, "a", 90), (7, False, "b", 10)), "one reason"),
        (spells((5, True, "a", 90), (7, True, "b", 1), (9, False, "", 9)), "one reason"),
        (spells((5, False, "a", 100)), "Nobody has left"),
        (spells((5, True, "a", 90), (9, False, "b", 90)).drop(columns="end_reason"), "does not say why"),
    ],
)
def test_tables_without_an_answer_say_why(rows, reason):
    found = reasons.incidence(rows)
    assert isinstance(found, NotTestable)
    assert reason in found.reason
    assert reasons.by_reason(rows, covariates=[]) == {}


def test_all_who_leave_on_one_day_leave_by_their_reasons():
    curves = reasons.incidence(spells((5, True, "a", 60), (5, True, "b", 40)))
    assert ends(curves, "share") == {"a": 0.6, "b": 0.4}
    assert curves[["share", "low", "high", "naive"]].notna().all(axis=None)
    # The error of a share: all of the variation is which reason came first.
    assert curves["error"].max() == pytest.approx(np.sqrt(0.6 * 0.4 / 100))


def test_late_entries_alone_are_refused():
    rows = spells((5, True, "a", 40), (5, True, "b", 40), (30, True, "a", 40), (40, False, "", 9))
    rows["entered"] = np.where(rows["time"] > 5, 10.0, 0.0)
    assert "falls to zero" in reasons.incidence(rows).reason
