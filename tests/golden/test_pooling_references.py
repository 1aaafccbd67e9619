"""Random effects over studies: the same as metafor in R (Paule-Mandel, Knapp-Hartung), on five invented studies."""

import csv
from pathlib import Path

import pytest

from analysis.pooling import pool

VALUES, ERRORS = (0.10, 0.35, 0.22, 0.05, 0.41), (0.05, 0.08, 0.06, 0.04, 0.10)
ROWS = list(csv.reader((Path(__file__).parent / "r_pooling.csv").read_text().splitlines()))


def entry(value, error):
    low, high = value - 1.959963984540054 * error, value + 1.959963984540054 * error
    about = {"hypothesis": "R13", "claim": "a claim", "unit": "correlation", "headline": True, "n": 100}
    return about | {"estimate": value, "low": low, "high": high}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} studies")
def test_pooled_as_metafor_does(row):
    size, mean, low, high, _, ahead_low, ahead_high = map(float, row)
    found = pool([entry(*study) for study in list(zip(VALUES, ERRORS, strict=True))[: int(size)]])
    # Both iterate until the spread between studies stands to ten digits.
    assert (found.together.value, found.together.low, found.together.high) == pytest.approx((mean, low, high), abs=1e-7)
    assert found.expected == pytest.approx((ahead_low, ahead_high), abs=1e-7)
