"""The renewal model beyond print: many fits at once, the ends of the parameter space, and the path it continues."""

import numpy as np
import pandas as pd
import pytest

from analysis import renewal
from analysis.estimates import NotTestable
from analysis.lifetimes import SPELL, recount
from analysis.renewal import RenewalModel


def cohort(survivors) -> pd.DataFrame:
    """Distinct rows of a cohort followed to its last year."""
    left, years = -np.diff(survivors), len(survivors) - 1
    table = pd.DataFrame({"time": np.arange(1.0, years + 1), "left": True, "weight": left})
    stayed = pd.DataFrame({"time": [float(years)], "left": [False], "weight": [survivors[-1]]})
    return pd.concat([table, stayed], ignore_index=True).assign(entered=0.0)


def years(survivors) -> pd.DataFrame:
    return pd.DataFrame({"at_risk": survivors[:-1], "lost": -np.diff(survivors)})


REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]


def test_counts_of_a_cohort_are_the_cohort():
    found = renewal.yearly_counts(cohort(REGULAR), unit="year")
    assert list(found["at_risk"]) == REGULAR[:-1]
    assert list(found["lost"]) == pytest.approx(list(-np.diff(REGULAR)), abs=1e-9)


def test_retention_survival_and_value_agree():
    model = RenewalModel(0.7, 1.2)
    steps = np.arange(1, 30)
    assert model.survival(steps) == pytest.approx(np.cumprod(model.retention(steps)))
    # d = 0: the sum of survival is (alpha + beta - 1) / (alpha - 1), and has no end for alpha up to 1.
    assert RenewalModel(3.0, 4.0).expected_lifetime(0) == 3
    assert model.expected_lifetime(0) == float("inf")
    # A customer in period n has what a new customer has, given survival: sum of S(n + t) / S(n - 1).
    later = np.arange(2000)
    direct = np.sum(model.survival(3 + later) / model.survival(2) / 1.1**later)
    assert model.residual_lifetime(3, 0.10) == pytest.approx(direct, rel=1e-10)


def test_no_neighbour_fits_better():
    counts = years(REGULAR)
    best = renewal.fit_renewals(counts)
    for factor in (0.99, 1.01):
        for other in (RenewalModel(best.alpha * factor, best.beta), RenewalModel(best.alpha, best.beta * factor)):
            assert other.log_likelihood(counts) < best.log_likelihood(counts)


def test_many_fits_at_once_are_the_single_fits():
    rng = np.random.default_rng(4)
    at_risk = np.tile(np.array([1000.0, 700, 500, 400]), (40, 1))
    lost = rng.binomial(at_risk.astype(int), [0.3, 0.25, 0.2, 0.15]).astype(float)
    mean, spread = renewal.fit_hazards(lost, at_risk)
    for place in range(40):
        alone = renewal.fit_renewals(pd.DataFrame({"at_risk": at_risk[place], "lost": lost[place]}))
        # Both stop when no step moves them by 1e-9 on the log scale.
        assert alone.alpha == pytest.approx(mean[place] / spread[place], rel=1e-5)


def test_a_constant_rate_makes_customers_alike():
    model = renewal.fit_renewals(years([10000, 8000, 6400, 5120]))
    assert model.alpha + model.beta == pytest.approx(1e6, rel=1e-3)
    assert model.retention(np.arange(1, 50)) == pytest.approx(0.8, abs=1e-4)
    assert model.expected_lifetime(0.10) == pytest.approx(1.1 / 0.3, rel=1e-3)


def test_a_falling_rate_is_fitted_by_a_constant_one():
    model = renewal.fit_renewals(years([1000, 900, 780, 640, 480]))
    lost, faced = 520, 1000 + 900 + 780 + 640
    assert float(model.retention(1)) == pytest.approx(1 - lost / faced, abs=1e-4)


@pytest.mark.parametrize(
    ("survivors", "reason"),
    [([100, 50], "two years"), ([100, 100, 100], "nobody left"), ([100, 0, 0], "everybody left"), ([100], "0 years")],
)
def test_counts_that_say_nothing_are_refused(survivors, reason):
    assert reason in renewal.fit_renewals(years(survivors)).reason


def staggered(customers, *, seed) -> tuple[pd.DataFrame, RenewalModel]:
    """Monthly tenure of customers who joined at different times and have their own yearly chance of leaving."""
    rng, truth = np.random.default_rng(seed), RenewalModel(1.0, 3.0)
    life = 12.0 * rng.geometric(rng.beta(truth.alpha, truth.beta, customers))
    watched = rng.integers(1, 100, customers).astype(float)
    table = pd.DataFrame({"time": np.minimum(life, watched), "left": life <= watched})
    return recount(table.assign(entered=0.0, weight=1), SPELL), truth


def test_customers_who_joined_at_different_times_do_not_bias_the_fit():
    rows, truth = staggered(60_000, seed=6)
    model = renewal.fit_renewals(renewal.yearly_counts(rows, unit="month"))
    # 60,000 customers: the rates are known to about a third of a point.
    assert model.retention(np.arange(1, 9)) == pytest.approx(truth.retention(np.arange(1, 9)), abs=0.01)


def test_the_path_is_observed_first_and_foretold_after():
    rows = cohort(REGULAR)
    path = renewal.retention_path(rows, unit="year", horizon_years=10)
    assert list(path.observed) == [True] * 7 + [False] * 3
    assert path.survival[:8] == pytest.approx(np.array(REGULAR) / 1000)
    assert path.rates[7:] == pytest.approx(renewal.fit_renewals(years(REGULAR)).retention(np.arange(8, 11)))
    assert renewal.retention_path(rows, unit="year", horizon_years=5).model is None


def test_a_path_is_the_same_in_years_months_and_days():
    rows = cohort(REGULAR)
    expected = renewal.retention_path(rows, unit="year", horizon_years=12).rates
    for unit, length in {"month": 12, "day": 365}.items():
        other = rows.assign(time=rows["time"] * length + (rows["time"] >= 2) * (unit == "day"))
        found = renewal.retention_path(other, unit=unit, horizon_years=12, min_at_risk=50)
        known = found.observed
        assert found.rates[known] == pytest.approx(expected[known])


def test_resampled_paths_spread_as_binomial_rates_do():
    rows = cohort(REGULAR)
    paths = renewal.bootstrap_paths(rows, unit="year", horizon_years=10, draws=2000, seed=1)
    path = renewal.retention_path(rows, unit="year", horizon_years=10)
    assert paths.shape == (2000, 10)
    faced = np.array(REGULAR[:-1])
    # The spread of 2,000 draws is known to 1.6%.
    assert paths[:, :7].std(axis=0) == pytest.approx(np.sqrt(path.rates[:7] * (1 - path.rates[:7]) / faced), rel=0.08)
    assert paths.mean(axis=0) == pytest.approx(path.rates, abs=0.004)
    assert np.array_equal(paths, renewal.bootstrap_paths(rows, unit="year", horizon_years=10, draws=2000, seed=1))


@pytest.mark.parametrize(
    ("rows", "unit", "reason"),
    [
        (cohort([1000, 1000, 1000]), "year", "0 customers left"),
        (cohort([40, 5, 2]), "year", "Fewer than 50"),
        (cohort([1000, 600]), "year", "two years"),
        (cohort([1, 0]), "year", "1 customer left"),
        (cohort([1000, 0]), "month", "Fewer than 50"),
    ],
)
def test_a_path_that_cannot_be_drawn_says_why(rows, unit, reason):
    found = renewal.retention_path(rows, unit=unit)
    assert isinstance(found, NotTestable)
    assert reason in found.reason
