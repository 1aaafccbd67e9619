"""Survival against other programs: R's survival package, and lifelines' own printed examples.

r_survival.csv holds R's answers on the lung cancer data (228 patients, 165 deaths), which lifelines carries too;
r_survival.R made them. Both programs read the same rows, so only arithmetic differs.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import hazards, retention
from analysis.lifetimes import recount

HERE = Path(__file__).parent
R = pd.read_csv(HERE / "r_survival.csv").set_index("quantity")["value"]
TELCO = HERE.parents[1] / "data" / "raw" / "telco.csv"
# Closed-form sums: both programs round at the sixteenth digit, the file at the twelfth.
EXACT = {"rel": 1e-9}
# Iterated fits: both stop when the likelihood changes by less than about 1e-9.
FITTED = {"rel": 1e-5, "abs": 1e-7}


def distinct(rows: pd.DataFrame, time: str, left: str, *by: str, entered: object = 0.0) -> pd.DataFrame:
    named = rows.rename(columns={time: "time", left: "left"}).assign(entered=entered, weight=1)
    named = named.astype({"time": float, "left": bool})
    return recount(named, ["time", "left", "entered", *by])


@pytest.fixture(scope="module")
def lung() -> pd.DataFrame:
    from lifelines.datasets import load_lung

    return load_lung()


@pytest.fixture(scope="module")
def late(lung) -> np.ndarray:
    """The rule of r_survival.R: even ages enter after 60 days."""
    return np.where((lung["age"] % 2 == 0) & (lung["time"] > 60), 60.0, 0.0)


def at(curve: pd.DataFrame, time: float) -> pd.Series:
    return curve[curve["time"] <= time].iloc[-1]


@pytest.mark.parametrize("day", [100, 365, 730])
def test_curve_and_log_log_interval_are_rs(lung, day):
    row = at(retention.survival_curve(distinct(lung, "time", "status"), unit="day"), day)
    for name in ("survival", "low", "high"):
        assert row[name] == pytest.approx(R[f"{name} {day}"], **EXACT)


def test_median_and_its_interval_are_rs(lung):
    found = retention.medians(retention.survival_curve(distinct(lung, "time", "status"), unit="day")).iloc[0]
    assert list(found[["median", "low", "high"]]) == [R["median"], R["median low"], R["median high"]]


@pytest.mark.parametrize("day", [365, 730])
def test_restricted_mean_and_its_error_are_rs(lung, day):
    found = retention.rmst(distinct(lung, "time", "status"), until=day, unit="day")
    assert found.value == pytest.approx(R[f"mean {day}"], **EXACT)
    assert found.high - found.value == pytest.approx(1.959963984540054 * R[f"mean error {day}"], **EXACT)


def test_late_entry_is_counted_as_r_counts_it(lung, late):
    rows = distinct(lung, "time", "status", entered=late)
    row = at(retention.survival_curve(rows, unit="day"), 365)
    for name in ("survival", "low", "high"):
        assert row[name] == pytest.approx(R[f"late {name} 365"], **EXACT)
    after = retention.risk_table(rows)
    assert after.at_risk[np.searchsorted(after.times, 365)] == R["late at risk 365"]
    mean = retention.rmst(rows, until=365, unit="day")
    assert mean.value == pytest.approx(R["late mean 365"], **EXACT)
    assert mean.high - mean.value == pytest.approx(1.959963984540054 * R["late mean error 365"], **EXACT)


def test_log_rank_is_rs(lung, late):
    plain = retention.log_rank(distinct(lung, "time", "status", "sex"), by="sex")
    entering = retention.log_rank(distinct(lung, "time", "status", "sex", entered=late), by="sex")
    assert plain.statistic == pytest.approx(R["log-rank sex"], **EXACT)
    assert plain.df == 1
    assert entering.statistic == pytest.approx(R["late log-rank sex"], **EXACT)


@pytest.mark.parametrize("kind", ["plain", "late", "strata"])
def test_hazard_ratios_and_their_test_are_rs(lung, late, kind):
    rows = lung.assign(late=late if kind == "late" else 0.0).dropna(subset="ph.ecog")
    rows = distinct(rows, "time", "status", "age", "sex", "ph.ecog", entered=rows["late"])
    strata = ["sex"] if kind == "strata" else []
    model = hazards.cox(rows, covariates=["age", "sex", "ph.ecog"], strata=strata)
    # R tests coefficient by coefficient; every covariate here has one.
    drift = model.assumption.set_index("covariate")["statistic"]
    for _, term in model.table.iterrows():
        expected = f"{kind} {term['covariate']}"
        assert term["coefficient"] / term["step"] == pytest.approx(R[expected], **FITTED)
        assert term["error"] / term["step"] == pytest.approx(R[f"{expected} error"], **FITTED)
        assert drift[term["covariate"]] == pytest.approx(R[f"{expected} drift"], rel=1e-4)
    assert model.log_likelihood == pytest.approx(R[f"{kind} log-likelihood"], rel=1e-8)
    if kind == "plain":
        # Pairs that leave on one day: R leaves them out, lifelines counts them as ties.
        assert model.concordance == pytest.approx(R["plain concordance"], abs=5e-5)


def several(rows: pd.DataFrame) -> pd.DataFrame:
    """The rule of r_survival.R: two rows of every three are spells of one customer; 0 is a customer with one spell."""
    place = np.arange(len(rows))
    return rows.assign(customer=np.where(place % 3 == 2, 0, 1 + place // 3))


@pytest.mark.parametrize("kind", ["late", "strata"])
def test_errors_by_customer_are_rs(lung, late, kind):
    rows = several(lung).assign(late=late if kind == "late" else 0.0).dropna(subset="ph.ecog")
    rows = distinct(rows, "time", "status", "age", "sex", "ph.ecog", entered=rows["late"])
    model = hazards.cox(rows, covariates=["age", "sex", "ph.ecog"], strata=["sex"] if kind == "strata" else [])
    assert "76 customers had several spells" in model.notes[-1]
    for _, term in model.table.iterrows():
        expected = R[f"several {kind} {term['covariate']} error"]
        assert term["error"] / term["step"] == pytest.approx(expected, **FITTED)


def test_curves_and_means_of_customers_with_several_spells_spread_as_rs(lung, late):
    rows = distinct(several(lung), "time", "status", entered=late)
    curve = retention.risk_table(rows)
    error = retention.error_by_customer(rows, lambda table: table.survival_at(np.array([365])))
    mean = retention.rmst(rows, until=365, unit="day")
    # R's error is the infinitesimal jackknife's; 400 resamples know theirs to 3.5%.
    assert error[0] == pytest.approx(R["several survival 365 error"], rel=0.1)
    assert (mean.high - mean.value) / 1.959964 == pytest.approx(R["several mean 365 error"], rel=0.1)
    assert curve.survival_at(np.array([365]))[0] == pytest.approx(R["late survival 365"], **EXACT)


# Rossi's recidivism data (432 men, 114 arrests) by R and lifelines 0.30.3, printed to the sixth digit.
def test_recidivism():
    from lifelines.datasets import load_rossi

    men = load_rossi()
    curve = retention.survival_curve(distinct(men, "week", "arrest"), unit="week")
    known = {10: 0.965278, 20: 0.907407, 30: 0.861111, 40: 0.803241, 52: 0.736111}
    assert [at(curve, week)["survival"] for week in known] == pytest.approx(list(known.values()), abs=5e-7)
    assert list(at(curve, 52)[["low", "high"]]) == pytest.approx([0.691860, 0.775063], abs=5e-7)
    aided = distinct(men, "week", "arrest", "fin")
    assert retention.log_rank(aided, by="fin").statistic == pytest.approx(3.837570, abs=5e-7)
    means = retention.mean_by_group(aided, by="fin", until=52, unit="week").set_index("label")["value"]
    assert means["0"] == pytest.approx(44.83333, abs=5e-6)
    assert means["1"] == pytest.approx(46.87500, abs=5e-6)
    names = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
    model = hazards.cox(distinct(men, "week", "arrest", *names), covariates=names, min_events=1)
    assert model.log_likelihood == pytest.approx(-658.7477, abs=5e-5)
    assert model.concordance == pytest.approx(0.64033, abs=5e-6)
    table = model.table.set_index("covariate")
    # The commoner word is the base, so a sign turns where the men with a 1 are the majority.
    sizes = {name: -1 if men[name].mean() > 0.5 else 1 for name in ("fin", "race", "wexp", "mar", "paro")}
    expected = {"fin": -0.379422, "race": 0.313900, "wexp": -0.149796, "mar": -0.433704, "paro": -0.084871}
    for name, value in expected.items():
        assert table.loc[name, "coefficient"] == pytest.approx(sizes[name] * value, abs=5e-7)
    assert table.loc["prio", "coefficient"] / table.loc["prio", "step"] == pytest.approx(0.091497, abs=5e-7)


# The IBM telephone sample (7,043 rows, 1,869 left) by R survival 3.5-3 and lifelines 0.30.3.
@pytest.fixture(scope="module")
def telco() -> pd.DataFrame:
    rows = pd.read_csv(TELCO)
    return rows.assign(left=rows["churn"].astype(str).isin(["Yes", "yes", "1", "True"]))


def test_telco_curve(telco):
    curve = retention.survival_curve(distinct(telco, "tenure", "left"), unit="month")
    known = {1: 0.945961, 6: 0.884826, 12: 0.843200, 24: 0.788736, 36: 0.748545, 48: 0.708840, 60: 0.664404}
    assert [at(curve, month)["survival"] for month in known] == pytest.approx(list(known.values()), abs=1e-6)
    assert at(curve, 72)["survival"] == pytest.approx(0.592790, abs=1e-6)
    assert list(at(curve, 12)[["low", "high"]]) == pytest.approx([0.834169, 0.851783], abs=1e-6)


def test_telco_by_contract(telco):
    rows = distinct(telco, "tenure", "left", "contract")
    curves = retention.survival_curve(rows, unit="month", by="contract")
    means = retention.mean_by_group(rows, by="contract", until=72, unit="month")
    assert list(means["n"]) == [3875, 1695, 1473]
    assert list(means["leavers"]) == [1655, 48, 166]
    assert list(means["value"]) == pytest.approx([36.2979, 71.5403, 66.4175], abs=5e-5)
    two_years = [at(group, 24)["survival"] for _, group in curves.groupby("group", sort=False)]
    assert two_years == pytest.approx([0.585915, 1.0, 0.978272], abs=5e-7)
    assert retention.medians(curves)["median"].iloc[0] == 35
    assert retention.log_rank(rows, by="contract").statistic == pytest.approx(2352.872538, abs=5e-7)


def test_telco_hazard_ratios(telco):
    rows = distinct(telco, "tenure", "left", "contract", "monthly_charges")
    model = hazards.cox(rows, covariates=["contract", "monthly_charges"])
    # R: the likelihood is flat enough that R and lifelines stop 5e-5 apart.
    per_unit = model.table["coefficient"] / model.table["step"]
    assert list(per_unit) == pytest.approx([-2.18989, -4.22209, 0.000210], abs=1e-4)
    assert model.log_likelihood == pytest.approx(-14343.5419, abs=5e-4)
