"""Renewals beyond what was observed: a model of customers who differ in their readiness to leave, and may change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.estimates import NORMAL, Answer, Estimate, NotTestable
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
# Exponents of time among which the likelihood is searched, and the fewest renewals that tell one: three fit anything.
EXPONENTS = np.geomspace(0.1, 5, 161)
FEWEST_RENEWALS = 4
TINY = 1e-15


@dataclass(frozen=True)
class RenewalModel:
    """Beta-discrete-Weibull: everyone has their own chance of leaving, which may fall or rise as they stay.

    A customer whose chance at the first renewal is p is still there after t renewals with chance (1 - p)^(t^c), and p
    differs between customers as Beta(alpha, beta). With c = 1, the shifted-beta-geometric model, nobody ever changes,
    and yet a cohort's retention rate rises with age, because those who are ready to leave go first. Below 1 each
    customer's own risk falls, above 1 it rises. alpha + beta is at most 1e6, which stands for customers who are all
    alike. A stay has no expected end where alpha c is at most 1.

    Source: Fader & Hardie (2007), Journal of Interactive Marketing 21(1); for c, Fader, Hardie, Liu, Davin &
    Steenburgh (2018), Journal of Interactive Marketing 43.
    """

    alpha: float
    beta: float
    c: float = 1.0

    def retention(self, year: np.ndarray | float) -> np.ndarray:
        """Share of those who began a period (1 is the first, a year in this project) that renew at its end."""
        end = np.asarray(year, dtype=float)
        return _staying(self.alpha, self.beta, end**self.c, (end - 1) ** self.c)

    def log_likelihood(self, years: pd.DataFrame) -> float:
        """Of yearly counts at_risk and lost (year 1 first)."""
        at_risk, lost = years["at_risk"].to_numpy(float), years["lost"].to_numpy(float)
        renewed = self.retention(np.arange(1, len(years) + 1))
        return float(lost @ np.log1p(-renewed) + (at_risk - lost) @ np.log(renewed))


def _staying(alpha: np.ndarray | float, beta: np.ndarray | float, end: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Share that stays while renewals^c goes from `begin` to `end`; never quite 0 or 1, where logarithms end."""
    from scipy.special import betaln

    return np.clip(np.exp(betaln(alpha, beta + end) - betaln(alpha, beta + begin)), TINY, 1 - TINY)


def yearly_counts(lifetimes: pd.DataFrame, *, unit: str) -> pd.DataFrame:
    """Spells as whole years: how many faced each renewal, and how many were lost at it.

    A customer whose observation begins or ends inside a year counts half in it, and the loss is read from the
    Kaplan–Meier curve; without such customers both are plain counts. Another billing period than the year is counted
    by giving times in it, and "year" as their unit.

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
    return best_models(years, np.ones(1))[0]


def fit_hazards(lost: np.ndarray, at_risk: np.ndarray, *, c: np.ndarray | float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood for many sets of counts at once, by damped Fisher scoring.

    The model is told by mean = alpha / (alpha + beta), the share lost at the first renewal, and spread =
    1 / (alpha + beta), so that customers who are all alike are an ordinary point and not at infinity.

    Args:
        lost: shape (..., periods); sets in which nobody leaves give a mean near 0.
        at_risk: the same shape.
        c: exponent of time, given; shape (...) or one for all.

    Returns:
        mean and spread, each of shape (...).
    """
    end = np.arange(1.0, lost.shape[-1] + 1)
    times = end ** np.asarray(c)[..., None], (end - 1) ** np.asarray(c)[..., None]
    first = np.clip(lost.sum(-1) / at_risk.sum(-1), 1e-9, 1 - 1e-9)
    # Logits and logs keep the share inside 0 and 1 and the spread above 0.
    place = np.stack([np.log(first / (1 - first)), np.full_like(first, np.log(0.3))], axis=-1)
    damping = np.full(first.shape, 1e-3)
    value, score, information = _likelihood(place, times, lost, at_risk)
    for _ in range(STEPS):
        # Where the likelihood pulls the spread below its least value, only the mean is still free.
        stuck = (place[..., 1] <= LEAST) & (score[..., 1] < 0)
        score[stuck, 1] = information[stuck, 0, 1] = information[stuck, 1, 0] = 0
        diagonal = np.einsum("...ii->...i", information)
        damped = information + np.eye(2) * (damping[..., None] * diagonal + 1e-12)[..., None]
        # Each by itself: near its least value the spread may ask for a huge step, which must not hold up the mean.
        step = np.clip(np.linalg.solve(damped, score[..., None])[..., 0], -LONGEST_STEP, LONGEST_STEP)
        tried = np.clip(place + step, [-25, LEAST], [25, -LEAST])
        new = _likelihood(tried, times, lost, at_risk)
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
    place: np.ndarray, times: tuple[np.ndarray, np.ndarray], lost: np.ndarray, at_risk: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood, its gradient and expected information in (logit of mean, log of spread)."""
    from scipy.special import digamma

    mean, spread = 1 / (1 + np.exp(-place[..., :1])), np.exp(place[..., 1:])
    alpha, beta, (end, begin) = mean / spread, (1 - mean) / spread, times
    stay = _staying(alpha, beta, end, begin)
    of_beta = digamma(beta + end) - digamma(beta + begin)
    of_both = digamma(alpha + beta + end) - digamma(alpha + beta + begin)
    slopes = stay[..., None, :] * np.stack(
        [alpha * (1 - mean) * of_beta, beta * of_beta - (alpha + beta) * of_both], axis=-2
    )
    value = (lost * np.log1p(-stay) + (at_risk - lost) * np.log(stay)).sum(-1)
    weight = 1 / (stay * (1 - stay))
    score = (slopes * ((lost - at_risk * (1 - stay)) * weight)[..., None, :]).sum(-1)
    information = np.einsum("...ik,...jk,...k->...ij", slopes, slopes, at_risk * weight)
    return value, score, information


def deepening(cohorts: Sequence[pd.DataFrame]) -> Answer:
    """Tell customers who change from customers who only differ, by the beta-discrete-Weibull model.

    Each cohort has an alpha and a beta of its own, and all have the same c.

    Args:
        cohorts: each as `yearly_counts` makes them, for one billing period; an exponent outside 0.1 to 5 is given as
            the nearer of the two.

    Returns:
        The exponent c, below 1 where each customer's own risk falls, with the interval of its profile likelihood; or
        why the counts do not tell. Its method ends with the likelihood-ratio test against c = 1.
    """
    from scipy.optimize import minimize_scalar
    from scipy.stats import chi2

    usable = [
        years for years in cohorts if len(years) >= FEWEST_RENEWALS and isinstance(fit_renewals(years), RenewalModel)
    ]
    left = round(sum(float(years["lost"].sum()) for years in usable))
    if left < MIN_EVENTS:
        return NotTestable(
            f"To tell whether customers change or only differ takes {FEWEST_RENEWALS} renewals, each faced by at least "
            f"{MIN_AT_RISK} customers, and {MIN_EVENTS} leavers; cohorts with so many renewals hold {left:,} leavers."
        )

    def profile(c: np.ndarray) -> np.ndarray:
        each = [[model.log_likelihood(years) for model in best_models(years, c)] for years in usable]
        return np.sum(each, axis=0)

    heights = profile(EXPONENTS)
    peak = int(np.argmax(heights))
    if peak in (0, len(EXPONENTS) - 1):
        return NotTestable("A risk that jumps fits best: these counts do not tell customers who change from others.")
    around = np.log(EXPONENTS[[peak - 1, peak + 1]])
    found = minimize_scalar(lambda log: -profile(np.exp([log]))[0], bounds=around, options={"xatol": 1e-9})
    best, gained = float(np.exp(found.x)), float(2 * max(-found.fun - profile(np.ones(1))[0], 0))
    # The square root of what is lost by moving away from the best one, which errs as a normal number does.
    logs, drop = np.log(EXPONENTS), np.sqrt(2 * np.maximum(-found.fun - heights, 0))
    roots = np.maximum.accumulate(np.where(logs < found.x, -drop, drop))

    def quantile(p: float) -> float:
        return float(np.exp(np.interp(NORMAL.inv_cdf(p), roots, logs)))

    faced, p = round(sum(float(years["at_risk"].iloc[0]) for years in usable)), float(chi2.sf(gained, 1))
    method = (
        "profile likelihood; against customers who never change: chi-squared "
        f"{gained:,.2f}, 1 degree of freedom, p {'below 0.001' if p < 0.001 else f'{p:.3f}'}"
    )
    return Estimate(best, "elasticity", faced, quantile, method, left)


def best_models(years: pd.DataFrame, c: np.ndarray) -> list[RenewalModel]:
    """The most likely model for each given exponent."""
    lost, at_risk = (np.tile(years[name].to_numpy(float), (len(c), 1)) for name in ("lost", "at_risk"))
    mean, spread = fit_hazards(lost, at_risk, c=c)
    return [RenewalModel(*found) for found in np.column_stack([mean / spread, (1 - mean) / spread, c]).tolist()]


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
        events: departures seen among them; where none can be seen, customers who came again.
        first: what a customer brings whatever the rates, such as a first order, in margins of a first year: of the
            curve, then of each draw; shape (1 + draws,). None is nothing.
    """

    rates: np.ndarray
    observed: np.ndarray
    draws: np.ndarray
    customers: int
    events: int
    first: np.ndarray | None = None

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
