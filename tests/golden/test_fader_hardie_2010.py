"""Fader & Hardie (2010), Marketing Science 29(1): what a customer is worth where customers differ."""

import numpy as np
import pytest
from scipy.special import hyp2f1

from analysis.renewal import LONG, RenewalModel
from analysis.value import customer_years, duration, residual_years

PRINTED = [(3.80, 15.20), (0.067, 0.267)]


def rates(alpha, beta, years=LONG):
    return RenewalModel(alpha, beta).retention(np.arange(1, years + 1))


# Table 3, 10% a year, customers in their first to fifth period. Half a unit in the last printed digit; the second case
# is printed for shapes rounded to three decimals, hence its wider tolerance.
@pytest.mark.parametrize(
    ("shapes", "printed", "tolerance"),
    [(PRINTED[0], [3.31, 3.45, 3.59, 3.72, 3.84], 0.005), (PRINTED[1], [7.68, 9.46, 9.86, 10.06, 10.19], 0.0105)],
)
def test_residual_lifetimes_are_the_printed_ones(shapes, printed, tolerance):
    found = [float(residual_years(rates(*shapes), year=year, discount_rate=0.10)) for year in range(1, 6)]
    assert found == pytest.approx(printed, abs=tolerance)


@pytest.mark.parametrize(("alpha", "beta"), [*PRINTED, (0.704, 1.182), (0.668, 3.806)])
def test_the_sums_are_the_printed_formulas(alpha, beta):
    """DEL, DERL and the elasticity of DEL; what 400 years at 10% leave out weighs less than 1e-15."""
    z, along = 1 / 1.1, rates(alpha, beta)
    lifetime = hyp2f1(1, beta, alpha + beta, z)
    assert customer_years(along, convention="B", discount_rate=0.10) == pytest.approx(lifetime, rel=1e-9)
    for n in (1, 4, 9):
        residual = (beta + n - 1) / (alpha + beta + n - 1) * hyp2f1(1, beta + n, alpha + beta + n, z)
        assert residual_years(along, year=n, discount_rate=0.10) == pytest.approx(residual, rel=1e-9)
    elasticity = beta / (alpha + beta) * z * hyp2f1(2, beta + 1, alpha + beta + 1, z) / lifetime
    assert duration(along, convention="B", discount_rate=0.10) == pytest.approx(elasticity, rel=1e-9)
