"""Rates, differences and rarefaction as R's glm, sandwich, MASS and hypergeometric law have them (r_rates.R)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import rates

R = pd.read_csv(Path(__file__).with_name("r_rates.csv"), index_col="name")


@pytest.fixture(scope="module")
def rows():
    i = np.arange(300)
    happened = (7 * i + 3 + i // 11) % 5 + 6 * (i % 37 == 0)
    known = {"happened": happened, "years": 0.5 + 0.5 * (i % 4), "cause": i % 2 + (i // 50) / 10, "customer": i // 2}
    return pd.DataFrame({**known, "word": (i % 3).astype(str)})


def error(answer, scale=float):
    return (scale(answer.high) - scale(answer.low)) / (2 * 1.959964)


@pytest.mark.parametrize(("name", "dispersed"), [("poisson", False), ("negative binomial", True)])
def test_a_ratio_of_rates(rows, name, dispersed):
    answer = rates.ratio(rows, "cause", held=["word"], dispersed=dispersed)
    # Both stop iterating at a relative change of 1e-8.
    assert np.log(answer.value) == pytest.approx(R.value[name], abs=1e-6)
    # sandwich's residuals and weights are of the iteration before the last.
    assert error(answer, np.log) == pytest.approx(R.error[name], rel=1e-5)


def test_a_difference(rows):
    answer = rates.difference(rows, "happened", "cause", held=["word"])
    assert answer.value == pytest.approx(R.value["difference"], rel=1e-9)
    assert error(answer) == pytest.approx(R.error["difference"], rel=1e-6)  # 1.959964 has seven digits


@pytest.mark.parametrize(("drawn", "of", "new"), [(3, 5, 2), (3, 12, 1), (2, 4, 4), (4, 4, 1)])
def test_rarefaction(drawn, of, new):
    assert rates.thinned(drawn, [of], [new])[0] == pytest.approx(R.value[f"{drawn} {of} {new}"], rel=1e-9)
