"""The renewal model beyond print: many fits at once, the ends of the parameter space, and the curve it continues."""

import numpy as np
import pandas as pd
import pytest

from analysis import hypotheses, renewal
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


BEHAVIOUR = hypotheses.get("G05").rule.parts["behaviour"].rule
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]


def test_counts_of_a_cohort_are_the_cohort():
    found = renewal.yearly_counts(cohort(REGULAR), unit="year")
    assert list(found["at_risk"]) == REGULAR[:-1]
    assert list(found["lost"]) == pytest.approx(list(-np.diff(REGULAR)), abs=1e-9)


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


def curve(rows, *, unit="year", years=10, draws=2):
    return renewal.retention_curve(rows, unit=unit, years=years, draws=draws, seed=1)


def test_the_curve_is_observed_first_and_foretold_after():
    found = curve(cohort(REGULAR))
    assert list(found.observed) == [True] * 7 + [False] * 3
    assert found.observed_years == 7
    assert np.cumprod(found.rates[:7]) == pytest.approx(np.array(REGULAR[1:]) / 1000)
    assert found.rates[7:] == pytest.approx(renewal.fit_renewals(years(REGULAR)).retention(np.arange(8, 11)))
    assert curve(cohort(REGULAR), years=5).observed.all()


def test_a_curve_is_the_same_in_years_months_and_days():
    rows = cohort(REGULAR)
    expected = curve(rows, years=12).rates
    for unit, length in {"month": 12, "day": 365}.items():
        other = rows.assign(time=rows["time"] * length + (rows["time"] >= 2) * (unit == "day"))
        found = curve(other, unit=unit, years=12)
        assert found.rates[found.observed] == pytest.approx(expected[found.observed])


def test_resampled_curves_spread_as_binomial_rates_do():
    found = curve(cohort(REGULAR), draws=2000)
    assert found.draws.shape == (2000, 10)
    assert (found.customers, found.events) == (1000, 759)
    rates, faced = found.rates[:7], np.array(REGULAR[:-1])
    # The spread of 2,000 draws is known to 1.6%.
    assert found.draws[:, :7].std(axis=0) == pytest.approx(np.sqrt(rates * (1 - rates) / faced), rel=0.08)
    assert found.draws.mean(axis=0) == pytest.approx(found.rates, abs=0.004)
    assert np.array_equal(found.draws, curve(cohort(REGULAR), draws=2000).draws)


def test_counts_drawn_from_the_model_fit_it_and_a_dip_does_not():
    counts = renewal.yearly_counts(cohort(REGULAR), unit="year")
    fit = renewal.goodness(renewal.fit_renewals(counts), counts)
    assert (fit.df, fit.p > 0.05) == (5, True)
    # Year 4 loses a third of its customers where a tenth is usual.
    dip = pd.DataFrame({"year": [1, 2, 3, 4], "at_risk": [900.0] * 4, "lost": [180.0, 120, 100, 300]})
    fit = renewal.goodness(renewal.fit_renewals(dip), dip)
    assert (fit.year, fit.observed, fit.p < 0.001) == (4, pytest.approx(2 / 3), True)
    assert fit.fitted > fit.observed
    assert renewal.goodness(renewal.fit_renewals(dip[:2]), dip[:2]) is None


@pytest.mark.parametrize(
    ("rows", "unit", "reason"),
    [
        (cohort([1000, 1000, 1000]), "year", "Nobody has left"),
        (cohort([40, 5, 2]), "year", "Fewer than 50"),
        (cohort([1000, 600]), "year", "two years"),
        (cohort([1, 0]), "year", "Only 1 customer has left"),
        (cohort([1000, 0]), "month", "Fewer than 50"),
    ],
)
def test_a_curve_that_cannot_be_drawn_says_why(rows, unit, reason):
    found = curve(rows, unit=unit)
    assert isinstance(found, NotTestable)
    assert reason in found.reason


# --- do customers change, or only differ? -----------------------------------------------------------------------------


def world(c, *, customers=4000, renewals=8, seed=0, alpha=0.8, beta=2.4, entered=0):
    """Yearly counts of simulated customers with their own risk, falling (c below 1) or rising (above) as they stay."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(alpha, beta, customers)
    life = np.maximum(np.ceil((np.log(rng.uniform(size=customers)) / np.log1p(-risk)) ** (1 / c)), 1)
    watched = rng.integers(0, entered + 1, customers).astype(float)  # whole years before watching began
    table = pd.DataFrame({"time": np.minimum(life, renewals), "left": life <= renewals, "entered": watched})
    seen = recount(table[table["time"] > table["entered"]].assign(weight=1), SPELL)
    return renewal.yearly_counts(seen, unit="year")


@pytest.mark.parametrize(
    ("c", "right", "wrong"), [(0.7, "supported", "contradicted"), (1.4, "contradicted", "supported")]
)
def test_a_risk_that_changes_is_found(c, right, wrong):
    words = [BEHAVIOUR.judge(renewal.deepening([world(c, seed=seed)])).word for seed in range(8)]
    # About three standard errors from 1: nearly always right, never wrong.
    assert words.count(right) >= 6
    assert wrong not in words


def test_a_world_that_only_sorts_is_not_taken_for_deepening():
    found = [renewal.deepening([world(1.0, seed=seed)]) for seed in range(24)]
    words = [BEHAVIOUR.judge(one).word for one in found]
    # Each side at 2.5%: more than three of 24 have less than 1 chance in 300 on either.
    assert words.count("supported") <= 3
    assert words.count("contradicted") <= 3
    # The interval is the likelihood-ratio test turned round.
    p = [one.method.rsplit(" ", 1)[1] for one in found]
    assert [float(each) < 0.05 for each in p] == [not one.low < 1 < one.high for one in found]
    assert np.mean([one.value for one in found]) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("c", [0.7, 1.4])
def test_parameters_are_found_again_also_among_customers_seen_late(c):
    counts = world(c, customers=200_000, seed=3, entered=2)
    found = renewal.deepening([counts])
    assert found.low < c < found.high
    (model,) = renewal.best_models(counts, np.array([found.value]))
    # Standard errors at this size are about 3%.
    assert (model.alpha, model.beta) == pytest.approx((0.8, 2.4), rel=0.12)


def test_an_exponent_of_one_is_the_older_model():
    ages = np.arange(1, 30)
    assert RenewalModel(0.7, 1.2).retention(ages) == pytest.approx((1.2 + ages - 1) / (1.9 + ages - 1), rel=1e-12)
    assert RenewalModel(0.7, 1.2) == RenewalModel(0.7, 1.2, 1.0)
    mean, spread = renewal.fit_hazards(
        *(np.array([years(REGULAR)[name]], float) for name in ("lost", "at_risk")), c=1.0
    )
    assert mean / spread == pytest.approx(renewal.fit_renewals(years(REGULAR)).alpha, rel=1e-8)


def test_months_and_years_tell_the_same_exponent():
    """A year is twelve months to the same power; only the spread of the risks is told in other terms."""
    rng = np.random.default_rng(8)
    life = np.ceil(12 * rng.weibull(0.7, 20_000) * 4)
    table = pd.DataFrame({"time": np.minimum(life, 96), "left": life <= 96, "entered": 0.0, "weight": 1})
    monthly = renewal.deepening([renewal.yearly_counts(recount(table, SPELL), unit="year")])
    yearly = renewal.deepening([renewal.yearly_counts(recount(table, SPELL), unit="month")])
    assert monthly.value == pytest.approx(0.7, abs=0.03)
    assert yearly.value == pytest.approx(monthly.value, abs=0.06)


@pytest.mark.parametrize(
    "survivors",
    [
        [1000] * 6,
        [1000, 0],
        [1000, 0, 0, 0, 0],
        [1000, 700, 500],
        [1, 0],
        [40, 30, 25, 20, 18],
        [1000, 995, 990, 985, 980],
    ],
)
def test_counts_that_do_not_tell_change_from_difference(survivors):
    assert "renewals" in renewal.deepening([years(survivors).astype(float)]).reason


def test_everybody_leaving_in_the_end_is_no_obstacle():
    found = renewal.deepening([years([1000, 600, 350, 150, 0]).astype(float)])
    assert 1 < found.value < 5
    assert np.isfinite(found.interval()).all()


def test_risks_that_jump_beyond_any_power_of_time_are_refused():
    assert "do not tell" in renewal.deepening([years([1000, 999, 998, 997, 1]).astype(float)]).reason
