"""Importance of drivers against R: from the definition, and as the packages relaimpo, relativeImp and rwa print it.

r_drivers.csv holds R's correlations and its Shapley shares, averaged over all orders; r_drivers.R made them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.drivers import importance, relative_weights
from analysis.scales import Moments, moments

HERE = Path(__file__).parent
R = pd.read_csv(HERE / "r_drivers.csv", keep_default_na=False)
STARTS = {
    "image": "IMAG",
    "expectation": "CUEX",
    "quality": "PERQ",
    "value": "PERV",
    "satisfaction": "CUSA",
    "loyalty": "CUSL",
}
# Closed forms on both sides; the file rounds at the twelfth digit.
EXACT = {"abs": 1e-10}


def answers_of_r(of: str, quantity: str) -> dict[str, float]:
    rows = R[(R["set"] == of) & (R["quantity"] == quantity)]
    return dict(zip(rows["first"], rows["value"], strict=True))


def correlations(of: str) -> pd.DataFrame:
    rows = R[(R["set"] == of) & (R["quantity"] == "correlation")]
    return rows.pivot(index="first", columns="second", values="value")


def known(of: str, n: int) -> Moments:
    """R's correlations in place of answers."""
    r, names = correlations(of), tuple(correlations(of))
    return Moments(names, n, np.zeros(len(r)), r.to_numpy(), np.zeros((1, len(r))), r.to_numpy()[None])


@pytest.fixture(scope="module")
def mobile() -> pd.DataFrame:
    answers = pd.read_csv(HERE.parents[1] / "data" / "raw" / "mobile.csv")
    return pd.DataFrame({name: answers.filter(regex=f"^{start}").mean(axis=1) for name, start in STARTS.items()})


def test_shapley_shares_of_fertility_in_switzerland():
    """relaimpo prints .05709122 .17117303 .26013468 .10557015 .11276592 for its own example, R's swiss."""
    expected = answers_of_r("swiss", "shapley")
    found = importance(known("swiss", 47), outcome="Fertility", drivers=list(expected))
    assert found.parts[0] == pytest.approx(list(expected.values()), **EXACT)
    assert found.parts[0] == pytest.approx([0.05709122, 0.17117303, 0.26013468, 0.10557015, 0.11276592], abs=5e-9)


@pytest.mark.parametrize(
    ("of", "outcome", "printed", "digits"),
    [
        # relativeImp on swiss, and rwa on mtcars (the example of its help page), as those packages print them.
        (
            "swiss",
            "Fertility",
            {
                "Agriculture": 0.048416895812,
                "Examination": 0.154708249806,
                "Education": 0.271964104646,
                "Catholic": 0.114680029948,
                "Infant.Mortality": 0.116965721381,
            },
            5e-11,
        ),
        ("mtcars", "mpg", {"cyl": 0.2284797, "disp": 0.2221469, "hp": 0.2321744, "gear": 0.0963886}, 5e-8),
    ],
)
def test_relative_weights_as_printed(of, outcome, printed, digits):
    order = [*printed, outcome]
    stack = correlations(of).loc[order, order].to_numpy()[None]
    assert relative_weights(stack)[0] == pytest.approx(list(printed.values()), abs=digits)


@pytest.mark.parametrize("quantity", ["shapley", "weighted"])
def test_shapley_shares_with_and_without_survey_weights(mobile, quantity):
    """The rule of r_drivers.R: the k-th row weighs 1 + k modulo 3."""
    expected = answers_of_r("mobile", quantity)
    weight = 1 + np.arange(1, len(mobile) + 1) % 3 if quantity == "weighted" else None
    found = importance(moments(mobile, weight=weight, draws=10), outcome="loyalty", drivers=list(expected))
    assert found.parts[0] == pytest.approx(list(expected.values()), **EXACT)


def test_shapley_shares_of_blocks(mobile):
    blocks = {"before": ["image", "expectation"], "experience": ["quality", "value"], "satisfaction": ["satisfaction"]}
    weight = 1 + np.arange(1, len(mobile) + 1) % 3
    found = importance(moments(mobile, weight=weight, draws=10), outcome="loyalty", drivers=blocks)
    assert found.parts[0] == pytest.approx(list(answers_of_r("mobile", "blocks").values()), **EXACT)
