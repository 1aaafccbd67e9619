"""A threshold in the open: transfers to poor families in Uruguay, given below a line of predicted income.

Manacorda, Miguel & Vigorito (2011), American Economic Journal: Applied Economics 3, asked what they did for the support
of the government. gov_transfers.csv holds the families within .0105 of the line, from the Python package causaldata
(MIT licence); Huntington-Klein (2021), The Effect, chapter 20, prints for the bandwidth of .01 and triangular weights
that the transfers raise support by .033. The line is crossed downwards here, so the sign is the other way round.
"""

from pathlib import Path

import pandas as pd
import pytest

from analysis import thresholds

NEAR = 0.01


@pytest.fixture(scope="module")
def families():
    return pd.read_csv(Path(__file__).parent / "gov_transfers.csv").to_numpy().T


def test_the_printed_jump(families):
    below, above = thresholds.jump(*families, fixed=(NEAR, NEAR, NEAR)).lines
    assert round(below[0] - above[0], 3) == 0.033


def test_rdrobust_on_the_same_families(families):
    """rdrobust 2.1.1 with h = b = .01, kernel "tri", vce "hc2"; eight digits of its answer."""
    made = thresholds.jump(*families, fixed=(NEAR, NEAR, NEAR))
    below, above = made.lines
    assert above[0] - below[0] == pytest.approx(-0.03348174, abs=5e-9)
    assert made.difference.value == pytest.approx(0.04160498, abs=5e-9)
    assert (made.difference.high - made.difference.low) / (2 * 1.959964) == pytest.approx(0.07534563, abs=5e-8)
    assert made.difference.n == 537 + 400
