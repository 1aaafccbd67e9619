"""Response surfaces against print and other programs.

Shanock and others (2010), Table 2, and a second set of slopes with errors and covariances: what RSA.ST of R's package
RSA returns for them. r_surfaces.csv holds the answers of R's lm, glm, sandwich and MASS on the bundled mobile-phone
survey (250 answers); r_surfaces.R made them. statsmodels joins in on the same rows.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtr

from analysis.simpler import compare, lost
from analysis.surfaces import DIFFERENCE, SURFACE, Fit, Surface, fit_surface, shape

HERE = Path(__file__).parent
R = pd.read_csv(HERE / "r_surfaces.csv").set_index("quantity")["value"]
MOBILE = pd.read_csv(HERE.parents[1] / "data" / "raw" / "mobile.csv")
# Closed-form sums: the file is written to 13 digits.
EXACT = {"rel": 1e-9, "abs": 1e-11}
# Iterated fits: R stops when the deviance changes by 1e-14 or 1e-15 of itself, so slopes agree to about its root.
FITTED = {"rel": 2e-6, "abs": 1e-7}
# R takes the curvature of an ordered fit by differences, good to about four digits.
DIFFERENCED = {"rel": 5e-5}
LATENT = ["p", "e", "ip2", "ipe", "ie2"]
ALL = ["intercept", *LATENT]


def given(slopes, covariance=None, n=187):
    fit = Fit(np.array(slopes), np.zeros((6, 6)) if covariance is None else covariance, 0.0, 0.0, n, n - 6)
    return Surface(pd.DataFrame(), "mean", (1, 7), 1.0, (0.0, 1.0), fit, fit)


class TestShanock2010:
    SLOPES = (0, -0.23, 0.77, -0.07, 0.27, -0.10)

    def test_surface_values_as_printed(self):
        found = given(self.SLOPES).along
        assert {name: round(a.value, 2) for name, a in found.items()} == {
            "a1": 0.54, "a2": 0.10, "a3": -1.00, "a4": -0.44, "a5": 0.03,
        }  # fmt: skip

    def test_stationary_point_and_principal_axes(self):
        """RSA.ST on the same slopes, to half of the last of its seven digits."""
        printed = {
            "x0": -3.605791,
            "y0": -1.017817,
            "p11": 0.8950428,
            "p10": 2.209520,
            "p21": -1.117265,
            "p20": -5.046441,
        }
        found = shape(self.SLOPES)
        for name, value in printed.items():
            assert float(found[name]) == pytest.approx(value, rel=5e-7), name


def test_errors_t_and_p_of_the_surface_values():
    """RSA.ST given slopes, errors, covariances and 181 degrees of freedom; errors to its eight digits, p to three."""
    covariance = np.zeros((6, 6))
    covariance[range(1, 6), range(1, 6)] = np.array([0.09, 0.09, 0.07, 0.11, 0.07]) ** 2
    for (i, j), value in {(1, 2): 0.0, (3, 5): 0.001, (3, 4): -0.003, (4, 5): -0.004}.items():
        covariance[i, j] = covariance[j, i] = value
    printed = {
        "a1": (0.513, 0.12727922, 4.0305, 8.19e-5),
        "a2": (0.115, 0.09949874, 1.1558, None),
        "a3": (-0.251, 0.12727922, -1.9720, 0.050128),
        "a4": (0.111, 0.19467922, 0.5702, None),
        "a5": (0.035, 0.08831761, 0.3963, None),
    }
    found = given([0, 0.131, 0.382, 0.074, 0.002, 0.039], covariance).along
    for name, (value, error, t, p) in printed.items():
        answer = found[name]
        assert answer.value == pytest.approx(value, abs=1e-12)
        # An estimate carries its error in its quantiles: that of t = 1 lies one error above the value.
        one_error = answer.quantile(stdtr(181, 1.0)) - answer.value
        assert one_error == pytest.approx(error, abs=6e-9)
        assert answer.value / one_error == pytest.approx(t, abs=6e-5)
        if p:
            assert answer.quantile(p / 2 if value > 0 else 1 - p / 2) == pytest.approx(0, abs=1e-3 * error)


def surface(outcome="CUSA1", **how):
    told = {"outcome": outcome, "expectation": "CUEX1", "perception": "PERQ1", "scale": (1, 10), "sides": 0} | how
    rows = MOBILE.assign(high=MOBILE["CUSA1"] >= 9, answer=MOBILE["CUSA1"].clip(lower=5), three=1 + MOBILE["IMAG2"] % 3)
    found = fit_surface(rows, **told)
    assert isinstance(found, Surface)
    return found


def in_points(found):
    """Slopes and errors by point of the scales, which R was given: the middle is the same, the unit is not."""
    fit = found.full.moved(np.diag(found.outcome[1] / found.spread ** np.array([0, 1, 1, 2, 2, 2])))
    return fit.slopes + np.eye(6)[0] * found.outcome[0], np.sqrt(np.diag(fit.covariance))


class TestOtherPrograms:
    @pytest.mark.parametrize(
        ("kind", "how", "names", "close", "errors_close"),
        [
            ("plain", {}, ALL, EXACT, EXACT),
            ("weights", {"weight": "three"}, ALL, EXACT, EXACT),
            ("clusters", {"cluster": "IMAG1"}, ALL, EXACT, EXACT),
            ("binary", {"outcome": "high", "kind": "binary"}, ALL, FITTED, FITTED),
            ("ordered", {"outcome": "answer", "kind": "ordered"}, LATENT, FITTED, DIFFERENCED),
        ],
    )
    def test_slopes_and_robust_errors_are_those_of_r(self, kind, how, names, close, errors_close):
        slopes, errors = (dict(zip(ALL, part, strict=True)) for part in in_points(surface(**how)))
        for name in names:
            assert slopes[name] == pytest.approx(R[f"{kind} {name}"], **close), name
            assert errors[name] == pytest.approx(R[f"{kind} {name} error"], **errors_close), name

    def test_explained_variance_and_deviance(self):
        assert surface().full.explained == pytest.approx(R["explained"], **EXACT)
        assert surface("answer", kind="ordered").full.explained == pytest.approx(R["deviance"], **FITTED)

    def test_special_cases_wald_test_and_criterion(self):
        table = compare(surface(), seed=1).set_index("model")
        assert table.loc[DIFFERENCE, "f"] == pytest.approx(R["wald"], **EXACT)
        assert table.loc[DIFFERENCE, "df"] == 4
        assert table.loc[DIFFERENCE, "aic"] - table.loc[SURFACE, "aic"] == pytest.approx(R["aic"], **EXACT)
        assert table.loc["two planes", "r_squared"] == pytest.approx(R["two planes"], **EXACT)
        assert table.loc["absolute difference", "r_squared"] == pytest.approx(R["absolute"], **EXACT)
        # What four free slopes explain by chance is taken off: as much as the test statistic has degrees of freedom.
        assert lost(surface()).value == pytest.approx(R["lost"] * (1 - 1 / R["wald"]), **EXACT)

    def test_least_squares_equals_statsmodels_to_ten_digits(self):
        import statsmodels.formula.api as smf

        rows = MOBILE.assign(p=MOBILE["PERQ1"] - 5.5, e=MOBILE["CUEX1"] - 5.5)
        other = smf.ols("CUSA1 ~ p + e + I(p**2) + I(p*e) + I(e**2)", rows).fit(cov_type="HC3")
        slopes, errors = in_points(surface())
        np.testing.assert_allclose(slopes, other.params, atol=1e-10)
        np.testing.assert_allclose(errors, other.bse, atol=1e-10)

    def test_ordered_outcome_agrees_with_statsmodels(self):
        """Its optimiser stops at a slope of 1e-5, hence four digits."""
        from statsmodels.miscmodels.ordinal_model import OrderedModel

        found = surface("answer", kind="ordered")
        x = np.array([[p, e, p * p, p * e, e * e] for p, e in (MOBILE[["PERQ1", "CUEX1"]] - 5.5).to_numpy()])
        other = OrderedModel(MOBILE["CUSA1"].clip(lower=5), x, distr="logit").fit(method="bfgs", disp=False, gtol=1e-8)
        np.testing.assert_allclose(in_points(found)[0][1:], other.params[:5], atol=1e-4)
