"""Fader & Hardie (2007), Journal of Interactive Marketing 21(1): the shifted-beta-geometric model."""

import numpy as np
import pandas as pd
import pytest

from analysis import renewal

# Customers of 1,000 still there after year 0 to 12, as printed.
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173]
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394]

# Fitted to years 0 to 7: shapes and log-likelihood as printed (three and one decimals; more by independent code).
PUBLISHED = {
    "regular": (REGULAR, 0.704, 1.182, -1680.2652, [0.2201, 0.2044, 0.1912, 0.1799, 0.1700]),
    "high end": (HIGH_END, 0.668, 3.806, -1611.1581, [0.4604, 0.4358, 0.4142, 0.3951, 0.3780]),
}


def years(survivors: list[int]) -> pd.DataFrame:
    left = -np.diff(survivors)
    return pd.DataFrame({"year": np.arange(1, len(survivors)), "at_risk": survivors[:-1], "lost": left})


@pytest.mark.parametrize("segment", PUBLISHED)
def test_seven_years_give_the_published_shapes(segment):
    survivors, alpha, beta, likelihood, later = PUBLISHED[segment]
    model = renewal.fit_renewals(years(survivors[:8]))
    # Half a unit in the last printed digit: the paper can tell us no more.
    assert model.alpha == pytest.approx(alpha, abs=5e-4)
    assert model.beta == pytest.approx(beta, abs=5e-4)
    assert model.log_likelihood(years(survivors[:8])) == pytest.approx(likelihood, abs=5e-5)
    assert np.cumprod(model.retention(np.arange(1, 13)))[7:] == pytest.approx(later, abs=5e-5)


def test_four_years_of_the_regular_segment():
    model = renewal.fit_renewals(years(REGULAR[:5]))
    # Independent code, five decimals.
    assert (model.alpha, model.beta) == pytest.approx((0.76367, 1.29583), abs=5e-6)
    assert model.log_likelihood(years(REGULAR[:5])) == pytest.approx(-1401.5594, abs=5e-5)


def test_likelihood_of_a_customer_at_equal_shapes():
    counted = years(HIGH_END[:8])
    # Printed with three decimals for alpha = beta = 1; the fourth is a 5, cut off and not rounded.
    assert renewal.RenewalModel(1.0, 1.0).log_likelihood(counted) / 1000 == pytest.approx(-2.115, abs=1e-3)
