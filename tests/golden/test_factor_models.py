"""Factor models and reliability as lavaan and psych answer (r_factors.R, r_factors.csv).

The items are the nine of Holzinger & Swineford (1939), known from every text on factor models; their fit is printed in
lavaan's tutorial too: 85.306 on 24 degrees of freedom with an index of .931, and 115.851, 124.044 and 164.103 for
groups that share form, loadings and intercepts.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import factors, scales

ANSWERS = pd.read_csv(Path(__file__).parent / "r_factors.csv").set_index(["kind", "name"])["value"]
ITEMS = [f"x{i}" for i in range(1, 10)]
SCHOOLS = ["Pasteur", "Grant-White"]
FIT = {"chisq": "chi_squared", "df": "df", "cfi": "cfi", "rmsea": "rmsea"}
THREE = factors.pattern_of([3, 3, 3])
# Both programs stop when a further step changes nothing to seven digits.
CLOSE = 1e-5


def of_school(school):
    told = ANSWERS[f"moments {school}"]
    s = np.zeros((9, 9))
    for i, one in enumerate(ITEMS):
        for j, other in enumerate(ITEMS[: i + 1]):
            s[i, j] = s[j, i] = told[f"{one} {other}"]
    return told["n"], np.array([told[f"mean {item}"] for item in ITEMS]), s


@pytest.fixture(scope="module")
def groups():
    n, means, matrices = zip(*(of_school(school) for school in SCHOOLS), strict=True)
    return np.array(n), np.array(means), np.array(matrices)


@pytest.fixture(scope="module")
def everybody(groups):
    n, means, matrices = groups
    share, centre = n / n.sum(), n @ means / n.sum()
    square = np.einsum("g,gij->ij", share, matrices + means[:, :, None] * means[:, None, :])
    return square - np.outer(centre, centre), n.sum()


def same_fit(model, kind):
    for theirs, ours in FIT.items():
        assert getattr(model, ours) == pytest.approx(ANSWERS[kind, theirs], rel=CLOSE), (kind, theirs)


def test_three_factors(everybody):
    model = factors.fit_factors(everybody[0], THREE, n=[everybody[1]])
    same_fit(model, "three factors")
    for one, other in ((0, 1), (0, 2), (1, 2)):
        expected = ANSWERS["three factors", f"r {one + 1} {other + 1}"]
        assert model.covariances[0, one, other] == pytest.approx(expected, abs=CLOSE)
    loadings = model.loadings[0].sum(axis=1)
    assert loadings == pytest.approx([ANSWERS["three factors", f"loading {item}"] for item in ITEMS], abs=CLOSE)


def test_one_factor(everybody):
    same_fit(factors.fit_factors(everybody[0], factors.pattern_of([9]), n=[everybody[1]]), "one factor")


@pytest.mark.parametrize("equal", ["form", "loadings", "intercepts"])
def test_what_two_schools_share(groups, equal):
    n, means, matrices = groups
    model = factors.fit_factors(matrices, THREE, n=n, means=means, equal=equal)
    same_fit(model, f"invariance {equal}")
    if equal == "intercepts":
        expected = [ANSWERS["invariance intercepts", f"mean {factor}"] for factor in (1, 2, 3)]
        assert model.means[1] == pytest.approx(expected, abs=1e-4)  # they follow the fit with its square root


def test_alpha(everybody):
    r = scales.correlation(everybody[0])[3:6, 3:6]
    assert scales.alpha(r) == pytest.approx(ANSWERS["reliability", "alpha x4 x5 x6"], abs=1e-10)


def test_loadings_of_one_factor(everybody):
    r = scales.correlation(everybody[0])[:6, :6]
    expected = [ANSWERS["one factor of six", item] for item in ITEMS[:6]]
    assert scales.one_factor(r)[0] == pytest.approx(expected, abs=1e-4)  # psych stops after four digits


def test_alpha_of_the_attitude_survey():
    """R's data set `attitude` (Chatterjee & Price): psych prints .84 raw, .84 standardised; recomputed .8431, .8391."""
    rows = [
        [148.17126, 133.77931, 63.46437, 89.10460, 74.68851, 18.84253, 19.42299],
        [133.77931, 177.28276, 90.95172, 93.25517, 92.64138, 24.73103, 30.76552],
        [63.46437, 90.95172, 149.70575, 70.84598, 56.67126, 17.82529, 43.21609],
        [89.10460, 93.25517, 70.84598, 137.75747, 78.13908, 13.46782, 64.19770],
        [74.68851, 92.64138, 56.67126, 78.13908, 108.10230, 38.77356, 61.42299],
        [18.84253, 24.73103, 17.82529, 13.46782, 38.77356, 97.90920, 28.84598],
        [19.42299, 30.76552, 43.21609, 64.19770, 61.42299, 28.84598, 105.85747],
    ]
    covariance = np.array(rows)
    assert scales.alpha(covariance) == pytest.approx(0.8431428, abs=1e-6)
    assert scales.alpha(scales.correlation(covariance)) == pytest.approx(0.8390838, abs=1e-6)
