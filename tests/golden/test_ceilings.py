"""Ceilings over a published survey, against another program for necessary condition analysis.

nca_ceilings.csv holds the answers of ncapackage, a port of R's package NCA; nca_ceilings.py made them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.necessity import ceiling

HERE = Path(__file__).parent
PRINTED = pd.read_csv(HERE / "nca_ceilings.csv")
STARTS = {"satisfaction": "CUSA", "image": "IMAG", "quality": "PERQ", "loyalty": "CUSL"}


@pytest.fixture(scope="module")
def mobile() -> pd.DataFrame:
    answers = pd.read_csv(HERE.parents[1] / "data" / "raw" / "mobile.csv")
    return pd.DataFrame({name: answers.filter(regex=f"^{start}").mean(axis=1) for name, start in STARTS.items()})


@pytest.mark.parametrize("kind", ["CE-FDH", "CR-FDH"])
@pytest.mark.parametrize("condition", ["satisfaction", "image", "quality"])
def test_effect_size_accuracy_and_bottlenecks(mobile, condition, kind):
    expected = PRINTED[(PRINTED["condition"] == condition) & (PRINTED["kind"] == kind)]
    expected = expected.set_index("quantity")["value"]
    found = ceiling(mobile[condition].to_numpy(), mobile["loyalty"].to_numpy(), kind=kind)
    # Closed forms; the file holds nine decimals.
    assert found.effect_size == pytest.approx(expected["effect size"], abs=1e-9)
    assert found.accuracy == pytest.approx(expected["accuracy"], abs=1e-9)
    needed = 100 * found.bottlenecks()["needed"].fillna(-0.01).to_numpy()
    # The program rounds to one decimal; half of it either way, and a hair for the rounding itself.
    assert needed == pytest.approx([expected[f"needed {level}"] for level in np.arange(0, 101, 10)], abs=0.0501)
