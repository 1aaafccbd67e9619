"""Yearly renewals beyond what was observed: a model of customers who differ in their readiness to leave."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.estimates import NotTestable
from analysis.lifetimes import customers, leavers
from analysis.retention import (
    MIN_AT_RISK,
    MIN_EVENTS,
    average_yearly_rate,
    by_year,
    resamples,
    too_few,
    yearly_retention,
)
from analysis.words import plural

# Years of a curve: long enough that at a discount rate of 2% those left out weigh nothing.
LONG = 400
# Beyond this alpha + beta customers are alike to six digits, and the likelihood is flat.
ALIKE = 1e6
LEAST = -math.log(ALIKE)
STEPS, LONGEST_STEP = 100, 2.0
MISFIT = 0.05  # p of `goodness` below which the model does not describe the years observed


@dataclass(frozen=True)
class RenewalModel:
    """Shifted-beta-geometric: everyone has their own, constant chance of leaving at each renewal.

    The chances differ between customers as Beta(alpha, beta), so a cohort's retention rate rises with age though no
    single customer grows more loyal. A renewal period is a year throughout the project. alpha + beta is at most 1e6,
    which stands for customers who are all alike (a constant rate).

    Source: Fader & Hardie (2007), Journal of Interactive Marketing 21(1).
    """

    alpha: float
    beta: float

    def retention(self, year: np.ndarray | float) -> np.ndarray:
        """Share of those who began a year (1 is the first) that renew at its end."""
        return (self.beta + np.asarray(year) - 1) / (self.alpha + self.beta + np.asarray(year) - 1)

    def log_likelihood(self, years: pd.DataFrame) -> float:
        """Of yearly counts at_risk and lost (year 1 first)."""
        at_risk, lost = years["at_risk"].to_numpy(float), years["lost"].to_numpy(float)
        renewed = self.retention(np.arange(1, len(years) + 1))
        return float(lost @ np.log1p(-renewed) + (at_risk - lost) @ np.log(renewed))


def yearly_counts(lifetimes: pd.DataFrame, *, unit: str) -> pd.DataFrame:
    """Spells as whole years: how many faced each renewal, and how many were lost at it.

    A customer whose observation begins or ends inside a year counts half in it, and the loss is read from the
    Kaplan–Meier curve; without such customers both are plain counts.

    Returns:
        One row an observed year: year, at_risk, lost (both may be fractions).
    """
    years = int(yearly_retention(lifetimes, unit=unit)["observed"].sum())
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


class Fit(NamedTuple):
    """How well a model gives back the yearly rates it was fitted to.

    `statistic` is Pearson's chi-squared on `df` degrees of freedom, with probability `p` if the model were true;
    `year` is the one where observed and fitted rates part most, for the number of customers behind them.
    """

    statistic: float
    df: int
    p: float
    year: int
    observed: float
    fitted: float


def goodness(model: RenewalModel, years: pd.DataFrame) -> Fit | None:
    """Compare fitted with observed yearly rates; None with two years or fewer, which leave nothing to compare.

    Args:
        model: fitted to these years.
        years: as `yearly_counts` gives them.
    """
    from scipy.stats import chi2

    fitted, at_risk = model.retention(years["year"].to_numpy()), years["at_risk"].to_numpy()
    observed = 1 - years["lost"].to_numpy() / at_risk
    squares, df = (observed - fitted) ** 2 * at_risk / (fitted * (1 - fitted)), len(years) - 2
    if df < 1:
        return None
    worst, statistic = int(np.argmax(squares)), float(squares.sum())
    p = float(chi2.sf(statistic, df))
    return Fit(statistic, df, p, int(years["year"].iloc[worst]), float(observed[worst]), float(fitted[worst]))


@dataclass(frozen=True)
class RetentionCurve:
    """Yearly retention of a cohort: the share of the customers present at the start of year k who stay it out.

    Attributes:
        rates: one rate a year, observed years (Kaplan–Meier) first, then foretold ones; shape (years,).
        observed: whether the year was seen; shape (years,).
        draws: the rates in each resample of customers, the model fitted anew; shape (draws, years). Not finite in a
            resample that has lost everybody before.
        customers: people behind the curve.
        events: departures seen among them.
    """

    rates: np.ndarray
    observed: np.ndarray
    draws: np.ndarray
    customers: int
    events: int

    @property
    def observed_years(self) -> int:
        """Whole years seen from the start without a gap."""
        return len(self.rates) if self.observed.all() else int(np.argmin(self.observed))

    def until(self, years: int) -> RetentionCurve:
        """The same curve, cut after some years."""
        return replace(self, rates=self.rates[:years], observed=self.observed[:years], draws=self.draws[:, :years])


def retention_curve(
    lifetimes: pd.DataFrame, *, unit: str, years: int = LONG, draws: int, seed: int
) -> RetentionCurve | NotTestable:
    """The yearly curve of a set of customers: observed as far as it goes, then foretold by the renewal model.

    The model's rates, not its level, continue the curve, so the two join at the last observed year.

    Args:
        lifetimes: distinct rows.
        unit: of time: day, week, month or year.
        years: how many, beyond those observed.
        draws: resamples of the customers.
        seed: of the random numbers.

    Returns:
        The curve, or the reason why these customers do not show one.
    """
    if (left := leavers(lifetimes)) < MIN_EVENTS:
        return NotTestable(too_few(left, "a retention curve"))
    counts, year = yearly_counts(lifetimes, unit=unit), np.arange(1, years + 1)
    if counts.empty:
        return NotTestable(f"Fewer than {MIN_AT_RISK} customers were watched for a whole year.")
    if isinstance(refused := fit_renewals(counts), NotTestable):
        return NotTestable(f"The horizon of {years} years reaches beyond the data. {refused.reason}")
    seen = year <= len(counts)

    def path(weights: np.ndarray) -> np.ndarray:
        found = by_year(lifetimes, unit=unit, years=years, weights=weights)
        at_risk = found.exposure[..., seen]
        mean, spread = fit_hazards(at_risk * (1 - np.nan_to_num(found.retention[..., seen])), at_risk)
        return np.where(seen, found.retention, 1 - mean[..., None] / (1 + spread[..., None] * (year - 1)))

    resampled = np.concatenate([path(weights) for weights in resamples(lifetimes, draws=draws, seed=seed)])
    return RetentionCurve(path(lifetimes["weight"].to_numpy()), seen, resampled, customers(lifetimes), left)


def stay_ratio_beyond(lifetimes: pd.DataFrame, *, unit: str, years: int) -> float | NotTestable:
    """The stay that the average rate promises over the stay foretold, to a horizon beyond the years observed.

    Counted in whole years, and only where the renewal model gives back the years that were observed.
    """
    counts = yearly_counts(lifetimes, unit=unit)
    model = fit_renewals(counts)
    if isinstance(model, NotTestable):
        return model
    fit = goodness(model, counts)
    if fit is None or fit.p < MISFIT:
        return NotTestable("The renewal model does not give back the years observed, so it is not asked about others.")
    rates = np.append(1 - counts["lost"] / counts["at_risk"], model.retention(np.arange(len(counts) + 1, years)))
    promised = average_yearly_rate(lifetimes, unit=unit) ** np.arange(years)
    return float(promised.sum() / (1 + np.cumprod(rates).sum()))
