"""Fader, Hardie, Liu, Davin & Steenburgh (2018), Journal of Interactive Marketing 43: risks that change with time.

The cohorts are those of 2007, known for five years, so four renewals. Digits: the example of the R package foretell
0.2.0 (CRAN), High End, as its Python port retenmod prints it; the paper's own text for the polarisation of both models.
"""

import numpy as np
import pandas as pd
import pytest
from test_fader_hardie_2007 import HIGH_END, REGULAR, years

from analysis import renewal


def at_exponent(survivors):
    counts = years(survivors[:5]).astype(float)
    found = renewal.deepening([counts])
    return found, renewal.best_models(counts, np.array([found.value]))[0]


def test_the_high_end_segment():
    found, model = at_exponent(HIGH_END)
    # The port stops where its search gains less than 1e-8 of the likelihood; another start moves it by 2e-5.
    assert (model.alpha, model.beta, model.c) == pytest.approx((0.25933745, 1.72255566, 1.58435482), rel=5e-5)
    # Printed for a hundred customers.
    assert model.log_likelihood(years(HIGH_END[:5])) / 10 == pytest.approx(-122.27493182, abs=5e-8)
    later = 100 * np.cumprod(model.retention(np.arange(1, 11)))[4:]
    printed = [54.66104739, 51.03690317, 48.10443553, 45.66884023, 43.60368795, 41.82319022]
    assert later == pytest.approx(printed, rel=2e-6)
    assert found.value == model.c


def test_changing_risks_leave_room_for_more_difference():
    """Polarisation 1 / (1 + alpha + beta), printed as .099 without and .335 with a changing risk."""
    without = renewal.fit_renewals(years(HIGH_END[:5]))
    assert 1 / (1 + without.alpha + without.beta) == pytest.approx(0.099, abs=5e-4)
    model = at_exponent(HIGH_END)[1]
    assert 1 / (1 + model.alpha + model.beta) == pytest.approx(0.335, abs=5e-4)


def test_the_regular_segment():
    found, model = at_exponent(REGULAR)
    # Direct search over all three parameters by the simplex method, an independent few lines on S(t).
    assert (model.alpha, model.beta, model.c) == pytest.approx((0.52302947, 0.89428291, 1.19639851), rel=2e-6)
    assert model.log_likelihood(years(REGULAR[:5])) == pytest.approx(-1401.3830516786, abs=1e-8)
    # 2 (1401.5594 - 1401.3831), with the likelihood of 2007.
    assert found.method.endswith("chi-squared 0.35, 1 degree of freedom, p 0.553")


def test_survival_is_the_printed_form():
    """S(t) = B(alpha, beta + t^c) / B(alpha, beta)."""
    from scipy.special import beta

    model, t = renewal.RenewalModel(0.5, 1.5, 1.25), np.arange(1, 20)
    assert np.cumprod(model.retention(t)) == pytest.approx(beta(0.5, 1.5 + t**1.25) / beta(0.5, 1.5), rel=1e-12)


def test_several_cohorts_share_the_exponent_alone():
    """The joint likelihood has no higher point nearby, and splitting a cohort in two equal ones changes nothing."""
    both = [years(REGULAR).astype(float), years(HIGH_END).astype(float)]
    found = renewal.deepening(both)
    models = [renewal.best_models(counts, np.array([found.value]))[0] for counts in both]
    best = sum(model.log_likelihood(counts) for model, counts in zip(models, both, strict=True))
    for moved in np.random.default_rng(1).normal(1, 0.003, (200, 5)):
        tried = [
            renewal.RenewalModel(model.alpha * a, model.beta * b, model.c * moved[4])
            for model, a, b in zip(models, moved[:2], moved[2:4], strict=True)
        ]
        assert sum(model.log_likelihood(counts) for model, counts in zip(tried, both, strict=True)) < best
    half = pd.DataFrame(both[0]).assign(at_risk=both[0]["at_risk"] / 2, lost=both[0]["lost"] / 2)
    assert renewal.deepening([half, half]).interval() == pytest.approx(renewal.deepening(both[:1]).interval(), rel=1e-6)
