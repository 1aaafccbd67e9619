"""Reasons, laws of time, periods, never-leavers and dated changes against R, which reads the same rows.

r_leaving.csv holds R's answers (survival 3.5-3, glm, optim) and r_leaving.R made them. The lung data (228 patients)
and the Stanford heart data (103 patients) come with lifelines too; what the rows lack (reasons, late entry) is made by
rules that stand in both files.
"""

from datetime import date, timedelta
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from analysis import durations, hazards, milestones, periods, reasons
from analysis.checks import CheckedTable
from analysis.lifetimes import SPELL, recount

R = pd.read_csv(Path(__file__).parent / "r_leaving.csv").set_index("quantity")["value"]
# Closed-form sums: both programs round at the sixteenth digit, the file at the twelfth.
EXACT = {"rel": 1e-9}
# Iterated fits: both stop when the likelihood changes by less than about 1e-9.
FITTED = {"rel": 2e-5, "abs": 1e-6}
NAMES = ["age", "sex", "ph.ecog"]


@pytest.fixture(scope="module")
def lung() -> pd.DataFrame:
    from lifelines.datasets import load_lung

    rows = load_lung().rename(columns={"status": "left"}).astype({"time": float, "left": bool})
    why = np.where(rows["ph.ecog"] == 0, "a", np.where(rows["age"] % 3 == 0, "b", "c"))
    late = np.where((rows["age"] % 2 == 0) & (rows["time"] > 60), 60.0, 0.0)
    return rows.assign(end_reason=why, late=late, entered=0.0, weight=1)


@pytest.mark.parametrize("kind", ["plain", "late"])
@pytest.mark.parametrize("day", [365, 730])
def test_shares_by_reason_are_rs(lung, kind, day):
    rows = lung.assign(entered=lung["late"] if kind == "late" else 0.0)
    curves = reasons.incidence(recount(rows, [*SPELL, "end_reason"]))
    for reason, curve in curves[curves["time"] <= day].groupby("reason", observed=True):
        found, name = curve.iloc[-1], f"{kind} {reason} {day}"
        assert found["share"] == pytest.approx(R[name], **EXACT)
        # Where some enter late, R's error counts how each patient pulls the curve and ours is the sum over ages, as
        # Greenwood's: the two agree on average, and here to half a per cent.
        near = EXACT if kind == "plain" else {"rel": 5e-3}
        for end in ("error", "low", "high"):
            assert found[end] == pytest.approx(R[f"{name} {end}"], **near)


def test_ratios_for_one_reason_are_rs(lung):
    rows = lung.assign(entered=lung["late"], age=lung["age"].astype(float))
    found = reasons.by_reason(recount(rows, [*SPELL, "end_reason", "age", "sex"]), covariates=["age", "sex"])
    assert {reason: len(found[reason].table) for reason in ("b", "c")} == {"b": 1, "c": 2}
    for reason in ("b", "c"):
        for _, term in found[reason].table.iterrows():
            name = f"cause {reason} {term['covariate']}"
            # The commoner sex is R's lower one, so the sign is R's.
            assert term["coefficient"] / term["step"] == pytest.approx(R[name], **FITTED)
            assert term["error"] / term["step"] == pytest.approx(R[f"{name} error"], **FITTED)


@pytest.mark.parametrize("law", ["Weibull", "log-normal", "log-logistic"])
def test_laws_of_time_are_rs(lung, law, monkeypatch):
    monkeypatch.setattr(durations, "FAMILIES", {law: durations.FAMILIES[law]})
    found = durations.accelerated(lung.dropna(subset="ph.ecog"), covariates=NAMES)
    theirs = law.lower().replace("-", "")
    assert found.fits["log_likelihood"].iloc[0] == pytest.approx(R[f"{theirs} log-likelihood"], rel=1e-7)
    for _, term in found.table.iterrows():
        name = f"{theirs} {term['covariate']}"
        # The optimisers stop at slopes of 1e-6, which moves coefficients in their fifth digit.
        assert term["coefficient"] / term["step"] == pytest.approx(R[name], rel=1e-3, abs=5e-5)
        assert term["error"] / term["step"] == pytest.approx(R[f"{name} error"], rel=1e-3)


def test_recidivism_by_a_weibull_law():
    """Rossi's data by lifelines 0.30.3 and R's survreg, printed to the fifth digit."""
    from lifelines.datasets import load_rossi

    men = load_rossi().rename(columns={"week": "time", "arrest": "left"}).astype({"time": float, "left": bool})
    names = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
    found = durations.accelerated(men.assign(entered=0.0, weight=1), covariates=names, min_events=1)
    assert found.fits["family"].iloc[0] == "Weibull"
    assert found.fits.iloc[0]["log_likelihood"] == pytest.approx(-679.9166, abs=5e-5)
    fin = found.table.set_index("covariate").loc["fin"]
    # Half of the men had aid, so either word may come first.
    assert abs(fin["coefficient"]) == pytest.approx(0.27217, abs=5e-5)
    assert fin["coefficient"] * (1 if fin["term"].startswith("1") else -1) > 0


@pytest.mark.parametrize(("link", "ratio"), [("cloglog", periods.HAZARD), ("logit", periods.ODDS)])
def test_regressions_over_periods_are_rs(lung, link, ratio):
    rows = lung.assign(entered=lung["late"]).dropna(subset="ph.ecog")
    found = periods.fit_periods(rows, covariates=NAMES, length=30, ratio=ratio)
    for _, term in found.iterrows():
        name = f"{link} {term['covariate']}"
        assert term["coefficient"] / term["step"] == pytest.approx(R[name], rel=1e-4)
        # statsmodels takes the observed information and R the expected one; they differ off the canonical link.
        assert term["error"] / term["step"] == pytest.approx(R[f"{name} error"], rel=1e-4)


def test_never_leavers_are_rs():
    quantiles = (np.arange(1, 701) - 0.5) / 700
    time = np.append(np.ceil(10 * (-np.log1p(-quantiles)) ** (1 / 1.3)), np.full(300, 60.0))
    rows = pd.DataFrame({"time": time, "left": np.arange(1000) < 700, "entered": 0.0, "weight": 1})
    found = durations.never_leavers(rows, unit="month")
    log_odds = np.log(found.share.value / (1 - found.share.value))
    # Both optimisers stop within a thousandth of a standard error (0.069) of the top.
    assert log_odds == pytest.approx(R["never share log odds"], abs=7e-5)
    low, high = (np.log(end / (1 - end)) for end in (found.share.low, found.share.high))
    assert (high - low) / (2 * 1.959964) == pytest.approx(R["never share log odds error"], rel=1e-3)
    assert (found.scale, found.shape) == pytest.approx((R["never scale"], R["never shape"]), rel=1e-4)
    assert found.log_likelihood == pytest.approx(R["never log-likelihood"], rel=1e-9)


def test_immortal_time():
    """Heart transplants: as a flag they seem to save three in four; counted from their day, they show nothing.

    R on its own data (heart): -1.32344 (0.24380) and 0.127141 (0.301141). One patient died on the day of the
    transplant, which the data put half a day earlier; so days are counted here in halves.
    """
    from lifelines.datasets import load_stanford_heart_transplants

    pieces = load_stanford_heart_transplants()
    people = pieces.groupby("id").agg(time=("stop", "max"), left=("event", "max")).reset_index()
    transplants = pieces[pieces["transplant"] == 1].groupby("id")["start"].min()
    accepted = date(2000, 1, 1)
    rows = people.assign(
        customer_id=people["id"].astype(str), started_at=accepted, entered=0.0, time=2 * people["time"].astype(float)
    ).astype({"left": bool})
    events = pd.DataFrame({"customer_id": transplants.index.astype(str), "state": "yes"})
    events["at"] = [accepted + timedelta(days=int(2 * day)) for day in transplants]
    table = CheckedTable("subscriptions", ibis.memtable(rows.drop(columns="id")), (), (), {"unit": "day"})
    found = milestones.hazard(table, ibis.memtable(events), name="transplant")
    flag, dated = (found[how].table.iloc[0] for how in (milestones.FLAG, milestones.DATED))
    assert flag["term"] == "no against yes"
    # Efron's ties: lifelines counts the patient who died on the first day a little otherwise than R.
    assert -flag["coefficient"] == pytest.approx(R["heart flag"], abs=1e-4)
    assert flag["error"] == pytest.approx(R["heart flag error"], abs=1e-5)
    assert dated["coefficient"] == pytest.approx(R["heart dated"], abs=5e-7)
    assert dated["error"] == pytest.approx(R["heart dated error"], abs=5e-7)
    assert isinstance(found[milestones.DATED], hazards.CoxModel)
