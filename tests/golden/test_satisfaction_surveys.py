"""Two public surveys that a user may bring, read by the study files that come with the project.

The data are not bundled: LOYALTY_EXTRA_DATA names a folder that holds acsi2015.parquet and sfo_survey_2017.parquet.
All expected numbers were counted in the same files by other means (pandas and formulas written out), to the digits
given here; half a unit of the last digit is the tolerance.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import gauges, indicators, scales, studies
from analysis.promoters import classes, score

EXAMPLES = Path(__file__).parents[2] / "data/examples"
pytestmark = pytest.mark.skipif(
    "LOYALTY_EXTRA_DATA" not in os.environ, reason="LOYALTY_EXTRA_DATA names no folder of further data"
)


def opened(folder, name, study):
    """The study of an example file, with the data as a CSV beside it."""
    pd.read_parquet(Path(os.environ["LOYALTY_EXTRA_DATA"]) / f"{name}.parquet").to_csv(
        folder / f"{name}.csv", index=False
    )
    shutil.copy(EXAMPLES / f"{name}.toml", folder)
    return studies.open_study(study, folder / f"{name}.toml")


@pytest.fixture(scope="module")
def acsi(tmp_path_factory):
    return scales.answers(opened(tmp_path_factory.mktemp("acsi"), "acsi2015", "acsi2015"))


@pytest.fixture(scope="module")
def complete(acsi):
    return acsi.only(acsi.items.notna().all(axis=1))


def test_acsi_complete_cases(complete):
    assert len(complete.items) == 7422


@pytest.mark.parametrize(
    ("construct", "alpha"), [("expectation", 0.767), ("quality", 0.873), ("value", 0.945), ("satisfaction", 0.915)]
)
def test_acsi_reliability(complete, construct, alpha):
    assert scales.reliability(complete, construct, draws=20)["alpha"].value == pytest.approx(alpha, abs=5e-4)


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        ("expectation", "quality", 0.8197),
        ("quality", "satisfaction", 0.9535),
        ("expectation", "satisfaction", 0.7189),
    ],
)
def test_acsi_distinctness(complete, first, second, ratio):
    found = scales.ratio(complete, complete.constructs[first], complete.constructs[second], draws=20)
    assert found.value == pytest.approx(ratio, abs=5e-5)


def test_acsi_has_an_index_of_all_five_constructs(complete):
    fit = gauges.fitted(complete, scheme="centroid", draws=50, seed=1)
    assert list(fit.model.blocks) == ["expectation", "quality", "value", "satisfaction", "loyalty"]
    assert fit.n == 7422
    # Between the index of the worst and of the best item, each reckoned from its mean on 1 to 10.
    means = 100 * (complete.items[["SATIS", "CONFIRM", "IDEAL"]].mean() - 1) / 9
    assert means.min() < fit.index("satisfaction").value < means.max()


@pytest.fixture(scope="module")
def sfo(tmp_path_factory):
    return scales.answers(opened(tmp_path_factory.mktemp("sfo"), "sfo_survey_2017", "sfo2017"))


def test_airport(sfo):
    """Net promoters 39.8 as they come and 40.4 weighted; the airport as a whole is rated 4.064 on average."""
    assert 100 * score(sfo).value == pytest.approx(40.4, abs=0.05)
    plain = indicators.net_promoter_score(classes(sfo))
    assert 100 * plain.value == pytest.approx(39.8, abs=0.05)
    assert np.mean(sfo.items["Q7ALL"].dropna()) == pytest.approx(4.064, abs=5e-4)
