"""Hazard ratios find what was planted, refuse what has no answer, and know when one ratio is not enough."""

import re

import numpy as np
import pandas as pd
import pytest

from analysis import hazards
from analysis.estimates import NotTestable
from analysis.lifetimes import SPELL, recount


def people(customers=3000, *, seed=1, fades=False) -> pd.DataFrame:
    """Twice the hazard with plan b (only in the first months when it fades), none by region, less with age."""
    rng = np.random.default_rng(seed)
    plan, region = rng.choice(["a", "b"], customers, p=[0.6, 0.4]), rng.choice(["n", "s"], customers)
    age = rng.integers(20, 80, customers).astype(float)
    base = 0.05 * np.exp(-0.02 * (age - 50))
    early = rng.exponential(1 / (base * np.where(plan == "b", 4.0 if fades else 2.0, 1.0)))
    late = 6 + rng.exponential(1 / base) if fades else early
    life = np.ceil(np.where(early < 6, early, late))
    watched = rng.integers(6, 36, customers)
    rows = pd.DataFrame({"time": np.minimum(life, watched), "left": life <= watched, "entered": 0.0, "weight": 1})
    return rows.assign(plan=plan, region=region, age=age)


NAMES = ["plan", "region", "age"]


def test_planted_ratios_are_found():
    model = hazards.cox(people(), covariates=NAMES)
    table = model.table.set_index("covariate")
    assert table.loc["plan", "term"] == "b against a"
    assert table.loc["plan", "low"] < 2 < table.loc["plan", "high"]
    assert table.loc["region", "low"] < 1 < table.loc["region", "high"]
    assert table.loc["age", "coefficient"] / table.loc["age", "step"] == pytest.approx(-0.02, abs=0.005)
    assert model.offenders == []


def test_distinct_rows_give_what_single_rows_give():
    # Efron's ties depend on how many left at once, so weights must not hide them.
    single = people(800)[[*SPELL, "weight", "plan"]]
    models = [hazards.cox(rows, covariates=["plan"]) for rows in (single, recount(single, [*SPELL, "plan"]))]
    for name in ("log_likelihood", "concordance", "customers", "leavers"):
        assert getattr(models[0], name) == pytest.approx(getattr(models[1], name), rel=1e-12)
    assert models[0].table["error"].iloc[0] == pytest.approx(models[1].table["error"].iloc[0], rel=1e-9)


def test_a_ratio_that_fades_is_told_and_stratified():
    rows = people(fades=True)
    model = hazards.cox(rows, covariates=NAMES)
    assert model.offenders == ["plan"]
    refit = hazards.stratified(rows, model, covariates=NAMES)
    assert refit.strata == ("plan",)
    assert set(refit.table["covariate"]) == {"region", "age"}
    alone = hazards.cox(rows, covariates=["plan"])
    assert "restricted means" in hazards.stratified(rows, alone, covariates=["plan"]).reason


def test_nothing_is_stratified_without_need():
    rows = people()
    assert "not refuted" in hazards.stratified(rows, hazards.cox(rows, covariates=NAMES), covariates=NAMES).reason
    refused = NotTestable("because")
    assert hazards.stratified(rows, refused, covariates=NAMES) is refused


def test_the_assumption_test_keeps_its_level():
    found = [hazards.cox(people(300, seed=seed), covariates=["plan"]).assumption["p"].iloc[0] for seed in range(120)]
    # 120 trials at 5%: 6 expected, standard deviation 2.4.
    assert np.sum(np.array(found) < 0.05) <= 14


def test_columns_that_follow_from_others_are_left_out_and_named():
    rows = people().assign(twin=lambda t: t["plan"] + "!", same="x", double=lambda t: 2 * t["age"])
    model = hazards.cox(rows, covariates=["plan", "twin", "same", "age", "double"])
    assert list(model.table["covariate"]) == ["plan", "age"]
    assert any("double, same and twin" in note for note in model.notes)


def test_missing_quantities_are_counted():
    rows = people()
    rows.loc[:9, "age"] = np.nan
    model = hazards.cox(rows, covariates=NAMES)
    assert model.customers == 2990
    assert any(note.startswith("10 customers without a value of age") for note in model.notes)


def test_quantities_as_strata_are_cut_in_quarters():
    model = hazards.cox(people(), covariates=NAMES, strata=["age"])
    assert model.strata == ("age",)
    assert set(model.table["covariate"]) == {"plan", "region"}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (people(1), "no covariate by which"),
        (people().assign(left=False), "no covariate by which"),
        (people(60), "needs 30|no covariate by which"),
        (people().assign(time=5.0, left=True), "longer than a customer who left"),
    ],
)
def test_data_without_an_answer_say_why(rows, reason):
    found = hazards.cox(rows, covariates=["plan"])
    assert isinstance(found, NotTestable)
    assert re.search(reason, found.reason)


def test_perfect_separation_is_refused_without_a_warning(recwarn):
    rows = people(400).assign(time=lambda t: np.arange(400) % 20 + 1.0, left=True, sign=lambda t: -(t["time"] ** 9))
    found = hazards.cox(rows, covariates=["sign"])
    assert isinstance(found, NotTestable) or np.isfinite(found.table["error"]).all()
    assert [str(w.message) for w in recwarn if "onverge" in str(w.message)] == []


def test_splitting_spells_changes_nothing():
    rows = people(900)[[*SPELL, "weight", *NAMES]]
    cut = rows[rows["time"] > 7]
    halves = [rows[rows["time"] <= 7], cut.assign(time=7.0, left=False), cut.assign(entered=7.0)]
    whole, split = (hazards.cox(table, covariates=NAMES) for table in (rows, pd.concat(halves, ignore_index=True)))
    for column in ("coefficient", "error"):
        # A step is one standard deviation over the rows, and there are more rows: per unit nothing changes.
        both = [model.table[column] / model.table["step"] for model in (whole, split)]
        assert both[0].to_numpy() == pytest.approx(both[1].to_numpy(), rel=1e-6)
    assert whole.log_likelihood == pytest.approx(split.log_likelihood, rel=1e-9)
    assert whole.concordance == pytest.approx(split.concordance, rel=1e-9)
    assert whole.assumption["statistic"].to_numpy() == pytest.approx(split.assumption["statistic"].to_numpy(), rel=1e-6)


def test_more_customers_than_lifelines_takes_in_good_time_are_sampled_and_it_is_said(monkeypatch):
    rows = people(3000)
    everyone = hazards.cox(rows, covariates=["plan"])
    monkeypatch.setattr(hazards, "MOST_ROWS", 1500)
    sample = hazards.cox(rows, covariates=["plan"])
    assert sample.customers == 1500
    assert sample.notes[0] == "Fitted to 1,500 of 3,000 spells, drawn at random."
    gap = sample.table["coefficient"].iloc[0] - everyone.table["coefficient"].iloc[0]
    # A half of the customers differs from all by about one standard error of all; four of them.
    assert abs(gap) < 4 * everyone.table["error"].iloc[0]
    assert everyone.notes == ()
