"""Yearly renewals beyond what was observed: a model of customers who differ in their readiness to leave."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.estimates import NotTestable
from analysis.lifetimes import leavers
from analysis.retention import MIN_AT_RISK, MIN_EVENTS, by_year, resamples, yearly_retention
from analysis.words import plural

# Beyond this alpha + beta customers are alike to six digits, and the likelihood is flat.
ALIKE = 1e6
LEAST = -math.log(ALIKE)
STEPS, LONGEST_STEP = 100, 2.0


@dataclass(frozen=True)
class RenewalModel:
    """Shifted-beta-geometric: everyone has their own, constant chance of leaving at each renewal.

    The chances differ between customers as Beta(alpha, beta), so a cohort's retention rate rises with age though no
    single customer grows more loyal. A renewal period is a year throughout the project. alpha + beta is at most 1e6,
    which stands for customers who are all alike (a constant rate).

    Source: Fader & Hardie (2007), Journal of Interactive Marketing 21(1); values of a customer: Fader & Hardie (2010),
    Marketing Science 29(1).
    """

    alpha: float
    beta: float

    def survival(self, renewals: np.ndarray | float) -> np.ndarray:
        """Share of the starting cohort still customers after each count of renewals; S(0) = 1."""
        from scipy.special import betaln

        return np.exp(betaln(self.alpha, self.beta + np.asarray(renewals)) - betaln(self.alpha, self.beta))

    def retention(self, year: np.ndarray | float) -> np.ndarray:
        """Share of those who began a year (1 is the first) that renew at its end."""
        return (self.beta + np.asarray(year) - 1) / (self.alpha + self.beta + np.asarray(year) - 1)

    def expected_lifetime(self, discount_rate: float) -> float:
        """Discounted expected lifetime of a new customer, in periods: the first counts in full, at its start.

        The sum of S(t) / (1 + d)^t over t = 0, 1, …, printed as 2F1(1, beta; alpha + beta; 1 / (1 + d)). Infinite
        without discounting when alpha <= 1.

        Args:
            discount_rate: d, per renewal period.
        """
        if discount_rate == 0:
            return (self.alpha + self.beta - 1) / (self.alpha - 1) if self.alpha > 1 else math.inf
        # Summed, because scipy's 2F1 gives NaN from alpha + beta of about 1,000; what is cut off is below e^-40.
        periods = np.arange(math.ceil(40 / math.log1p(discount_rate)))
        return float(np.sum(self.survival(periods) * (1 + discount_rate) ** -periods.astype(float)))

    def residual_lifetime(self, period: int, discount_rate: float) -> float:
        """Discounted expected lifetime still to come of a customer in their n-th period, whose renewal is near.

        The present period is paid and not counted; a period renewed at the next date counts in full. A customer in
        period n has renewed n - 1 times.

        Args:
            period: n, from 1.
            discount_rate: d, per renewal period.
        """
        older = RenewalModel(self.alpha, self.beta + period)
        return float(self.retention(period)) * older.expected_lifetime(discount_rate)

    def log_likelihood(self, years: pd.DataFrame) -> float:
        """Of yearly counts at_risk and lost (year 1 first)."""
        at_risk, lost = years["at_risk"].to_numpy(float), years["lost"].to_numpy(float)
        renewed = self.retention(np.arange(1, len(years) + 1))
        return float(lost @ np.log1p(-renewed) + (at_risk - lost) @ np.log(renewed))


def yearly_counts(lifetimes: pd.DataFrame, *, unit: str, min_at_risk: int = MIN_AT_RISK) -> pd.DataFrame:
    """Spells as whole years: how many faced each renewal, and how many were lost at it.

    A customer whose observation begins or ends inside a year counts half in it, and the loss is read from the
    Kaplan–Meier curve; without such customers both are plain counts.

    Returns:
        One row an observed year: year, at_risk, lost (both may be fractions).
    """
    years = int(yearly_retention(lifetimes, unit=unit, min_at_risk=min_at_risk)["observed"].sum())
    found = by_year(lifetimes, unit=unit, years=years)
    lost = found.exposure * (1 - found.retention)
    return pd.DataFrame({"year": np.arange(1, years + 1), "at_risk": found.exposure, "lost": lost})


def fit_renewals(years: pd.DataFrame) -> RenewalModel | NotTestable:
    """Fit the model to yearly counts by maximum likelihood.

    Args:
        years: one row a year from the first, with at_risk and lost.

    Returns:
        The model, or why the counts do not determine it: fewer than two years, nobody lost, or everybody lost at the
        first renewal. When the rate does not rise with age the customers come out alike (alpha + beta = 1e6).
    """
    at_risk, lost = years["at_risk"].to_numpy(float), years["lost"].to_numpy(float)
    if len(years) < 2:
        seen = plural(len(years), "year")
        return NotTestable(f"A renewal model needs two years watched to their end by enough customers, and has {seen}.")
    if lost.sum() <= 0 or lost[0] >= at_risk[0]:
        who = "nobody left" if lost.sum() <= 0 else "everybody left at the first renewal"
        return NotTestable(f"A renewal model needs customers who leave and customers who stay, and {who}.")
    mean, spread = fit_hazards(lost, at_risk)
    return RenewalModel(float(mean / spread), float((1 - mean) / spread))


def fit_hazards(lost: np.ndarray, at_risk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood for many sets of yearly counts at once, by damped Fisher scoring.

    In year k a share mean / (1 + spread (k-1)) is lost; mean = alpha / (alpha + beta) and spread = 1 / (alpha + beta),
    so that spread 0, a constant rate, is an ordinary point and not at infinity.

    Args:
        lost: shape (..., years); sets in which nobody leaves give a mean near 0.
        at_risk: the same shape.

    Returns:
        mean and spread, each of shape (...).
    """
    age = np.arange(lost.shape[-1])
    first = np.clip(lost.sum(-1) / at_risk.sum(-1), 1e-9, 1 - 1e-9)
    # Logits and logs keep the share inside 0 and 1 and the spread above 0.
    place = np.stack([np.log(first / (1 - first)), np.full_like(first, np.log(0.3))], axis=-1)
    damping = np.full(first.shape, 1e-3)
    value, score, information = _likelihood(place, age, lost, at_risk)
    for _ in range(STEPS):
        # Where the likelihood pulls the spread below its least value, only the mean is still free.
        stuck = (place[..., 1] <= LEAST) & (score[..., 1] < 0)
        score[stuck, 1] = information[stuck, 0, 1] = information[stuck, 1, 0] = 0
        diagonal = np.einsum("...ii->...i", information)
        damped = information + np.eye(2) * (damping[..., None] * diagonal + 1e-12)[..., None]
        step = np.linalg.solve(damped, score[..., None])[..., 0]
        step /= np.maximum(1, np.abs(step).max(-1, keepdims=True) / LONGEST_STEP)
        tried = np.clip(place + step, [-25, LEAST], [25, -LEAST])
        new = _likelihood(tried, age, lost, at_risk)
        better = new[0] >= value
        moved = np.abs(tried - place).max(-1) * better
        place = np.where(better[..., None], tried, place)
        value = np.where(better, new[0], value)
        score = np.where(better[..., None], new[1], score)
        information = np.where(better[..., None, None], new[2], information)
        damping = np.where(better, damping / 10, damping * 10)
        if np.all((moved < 1e-9) & (better | (damping > 1e6))):
            break
    return 1 / (1 + np.exp(-place[..., 0])), np.exp(place[..., 1])


def _likelihood(
    place: np.ndarray, age: np.ndarray, lost: np.ndarray, at_risk: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood, its gradient and expected information in (logit of mean, log of spread)."""
    mean, spread = 1 / (1 + np.exp(-place[..., :1])), np.exp(place[..., 1:])
    grown = 1 + spread * age
    leave, stay = mean / grown, (1 - mean + spread * age) / grown
    slopes = np.stack([leave * (1 - mean), -leave * spread * age / grown], axis=-2)
    value = (lost * np.log(leave) + (at_risk - lost) * np.log(stay)).sum(-1)
    score = (slopes * ((lost - at_risk * leave) / (leave * stay))[..., None, :]).sum(-1)
    information = np.einsum("...ik,...jk,...k->...ij", slopes, slopes, at_risk / (leave * stay))
    return value, score, information


@dataclass(frozen=True)
class RetentionPath:
    """A study's own yearly retention rates, observed first and foretold after.

    Attributes:
        rates: r_k for year k = 1 … horizon: the share of those who began the year that ended it as customers.
        observed: whether r_k was observed (Kaplan–Meier) or comes from the model; bools, the true ones first.
        at_risk: how many were watched to the end of each year.
        model: the renewal model that continues the curve; None when the whole horizon is observed.
    """

    rates: np.ndarray
    observed: np.ndarray
    at_risk: np.ndarray
    model: RenewalModel | None

    @property
    def survival(self) -> np.ndarray:
        """Share of the start still customers after year 0, 1, … horizon."""
        return np.concatenate([[1.0], np.cumprod(self.rates)])


def retention_path(
    lifetimes: pd.DataFrame,
    *,
    unit: str,
    horizon_years: int = 10,
    min_at_risk: int = MIN_AT_RISK,
    min_events: int = MIN_EVENTS,
) -> RetentionPath | NotTestable:
    """Yearly retention to a horizon: the observed curve, continued by the renewal model fitted to it.

    The model's rates, not its level, continue the curve, so the two join at the last observed year.

    Args:
        lifetimes: distinct rows.
        unit: of time: day, week, month or year.
        horizon_years: years of the path.
        min_at_risk: customers that must be watched to the end of a year for it to count as observed.
        min_events: leavers below which nothing is said.
    """
    if leavers(lifetimes) < min_events:
        return NotTestable(
            f"{plural(leavers(lifetimes), 'customer')} left; a retention curve needs at least {min_events} leavers."
        )
    known = min(int(yearly_retention(lifetimes, unit=unit, min_at_risk=min_at_risk)["observed"].sum()), horizon_years)
    if not known:
        return NotTestable(f"Fewer than {min_at_risk} customers were watched for a whole year.")
    model = None
    if known < horizon_years:
        fitted = fit_renewals(yearly_counts(lifetimes, unit=unit, min_at_risk=min_at_risk))
        if isinstance(fitted, NotTestable):
            return NotTestable(f"The horizon of {horizon_years} years reaches beyond the data. {fitted.reason}")
        model = fitted
    found, years = by_year(lifetimes, unit=unit, years=horizon_years), np.arange(1, horizon_years + 1)
    rates = found.retention if model is None else np.where(years <= known, found.retention, model.retention(years))
    return RetentionPath(rates, years <= known, found.at_risk.astype(int), model)


def bootstrap_paths(
    lifetimes: pd.DataFrame,
    *,
    unit: str,
    horizon_years: int = 10,
    min_at_risk: int = MIN_AT_RISK,
    draws: int = 1000,
    seed: int,
) -> np.ndarray:
    """Yearly retention rates in resamples of the customers, the renewal model fitted anew in each.

    The observed years are those of `retention_path`, which must have found a path for the same arguments.

    Returns:
        Shape (draws, horizon_years). A rate is not finite in a resample that has lost everybody before.
    """
    counts = yearly_counts(lifetimes, unit=unit, min_at_risk=min_at_risk)
    known, years = min(len(counts), horizon_years), np.arange(1, horizon_years + 1)
    paths = []
    for weights in resamples(lifetimes, draws=draws, seed=seed):
        found = by_year(lifetimes, unit=unit, years=horizon_years, weights=weights)
        rates = found.retention
        if known < horizon_years:
            at_risk, kept = found.exposure[:, :known], np.nan_to_num(found.retention[:, :known])
            mean, spread = fit_hazards(at_risk * (1 - kept), at_risk)
            grown = 1 + spread[:, None] * (years - 1)
            rates = np.where(years <= known, rates, 1 - mean[:, None] / grown)
        paths.append(rates)
    return np.concatenate(paths)
