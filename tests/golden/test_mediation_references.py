"""The path through something between, as lavaan has it (r_mediation.R, r_mediation.csv), and as statsmodels has it.

The rows are the lung data (228 patients, 181 with all four columns), which come with lifelines and with R's survival.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from lifelines.datasets import load_lung
from statsmodels.stats.mediation import Mediation

from analysis import mediation, scales

R = pd.read_csv(Path(__file__).parent / "r_mediation.csv").set_index("name")
PATHS = ["first", "second", "direct", "indirect", "total"]


@pytest.fixture(scope="module")
def rows():
    lung = load_lung()[["age", "ph.karno", "meal.cal", "sex"]].dropna()
    return lung.set_axis(["age", "karno", "meal", "sex"], axis=1).astype(float)


@pytest.fixture(scope="module")
def found(rows):
    made = scales.moments(rows, draws=4000, seed=1)
    return mediation.paths(made, "age", "karno", "meal", given=["sex"])


def test_paths_are_those_of_lavaan(rows, found):
    """Least squares on both sides; lavaan stops at about seven digits."""
    assert len(rows) == R.loc["n", "value"] == found.indirect.n
    for name in PATHS:
        assert getattr(found, name).value == pytest.approx(R.loc[name, "value"], abs=2e-6), name


def test_errors_are_near_those_of_lavaan(found):
    """lavaan's robust errors hold for many rows; resamples of these 181 spread up to 8% wider."""
    for name in PATHS:
        answer = getattr(found, name)
        assert (answer.high - answer.low) / 3.92 == pytest.approx(R.loc[name, "error"], rel=0.08), name


def test_what_a_hidden_cause_leaves(found):
    """R finds the slope by searching for the one whose errors go together by rho; here it is a closed form."""
    assert found.tie.value == pytest.approx(R.loc["tie", "value"], abs=1e-9)
    for rho in (-0.1, 0.1, 0.3):
        value = found.under(np.array([rho]))["value"][0]
        assert value == pytest.approx(R.loc[f"under {rho}", "value"], abs=1e-9)


def test_the_path_is_that_of_statsmodels(rows, found):
    """statsmodels draws 4,000 slopes from their normal law, and their mean is off by 2% of an error."""
    design = sm.add_constant(rows[["karno", "age", "sex"]])
    outcome = sm.OLS(rows["meal"], design)
    between = sm.OLS(rows["karno"], sm.add_constant(rows[["age", "sex"]]))
    step = rows["age"].std(ddof=0)
    np.random.seed(1)  # statsmodels draws from the old generator
    fit = Mediation(outcome, between, [1 + 1, 1], mediator=1).fit(n_rep=4000)
    told = fit.summary()
    scaled = step / rows["meal"].std(ddof=0)
    assert told.loc["ACME (average)", "Estimate"] * scaled == pytest.approx(found.indirect.value, abs=0.003)
    assert told.loc["Total effect", "Estimate"] * scaled == pytest.approx(found.total.value, abs=0.006)
