"""How often something happens, for each year in which it could: rates, and ratios of rates, with time at risk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimates import Estimate, gated, need
from analysis.retention import MIN_EVENTS
from analysis.words import plural


def clustered(pulls: np.ndarray, who: Any) -> np.ndarray:
    """The variance of coefficients, from how far each row moves each of them; rows of one customer go together."""
    sums = pd.DataFrame(pulls).groupby(pd.factorize(who)[0]).sum().to_numpy()
    return sums.T @ sums * len(sums) / (len(sums) - 1)


@gated
def ratio(rows: pd.DataFrame, cause: str, *, held: Sequence[str] = (), dispersed: bool = False) -> Any:
    """By what factor a rate is higher for one unit more of a cause.

    Args:
        rows: happened (count), years (at risk, above zero), customer, the cause and what is held fixed.
        cause: a column of numbers.
        held: columns of numbers, or of words (a level each).
        dispersed: fit a negative binomial with the spread that these counts show, in place of a Poisson. Both need the
            mean alone to be right, since errors go by customer.

    Source: Gourieroux, Monfort & Trognon (1984), Econometrica 52; Cameron & Trivedi (2013), Regression Analysis of
        Count Data, section 3.3.
    """
    from statsmodels.api import GLM, families

    events = int(rows["happened"].sum())
    need(events >= MIN_EVENTS, f"{plural(events, 'event')} in all, and {MIN_EVENTS} are needed.")
    x = _design(rows, cause, held)
    y, years = rows["happened"].to_numpy(float), rows["years"].to_numpy(float)
    fit = GLM(y, x, family=families.Poisson(), exposure=years).fit()
    if dispersed:
        mean = fit.fittedvalues
        spread = max(float((((y - mean) ** 2 - mean).sum()) / (mean**2).sum()), 1e-6)
        fit = GLM(y, x, family=families.NegativeBinomial(alpha=spread), exposure=years).fit()
    mean = fit.fittedvalues
    weight = mean / (1 + mean * spread) if dispersed else mean
    bread = np.linalg.pinv((x * weight[:, None]).T @ x, hermitian=True)
    error = np.sqrt(clustered(x * (weight / mean * (y - mean))[:, None] @ bread, rows["customer"])[0, 0])
    value, n = float(np.exp(fit.params[0])), int(rows["customer"].nunique())
    how = f"{'negative binomial' if dispersed else 'Poisson mean'}, errors by customer"
    return Estimate.log_normal(value, float(error), unit="ratio", n=n, method=how, events=events)


def _design(rows: pd.DataFrame, cause: str, held: Sequence[str]) -> np.ndarray:
    """The cause, a constant, and what is held fixed: numbers as they are, words with a column for each but one."""
    need(np.ptp(rows[cause]) > 0, "All are alike in what is to be compared.")
    other = pd.get_dummies(rows[[*held, cause]], drop_first=True).drop(columns=cause).to_numpy(float)
    return np.column_stack([rows[cause], np.ones(len(rows)), other[:, np.ptp(other, axis=0) > 0]]).astype(float)


@gated
def mean(values: pd.Series, who: Any, *, years: Any = 1.0, unit: str) -> Any:
    """A mean over rows, or a sum for each year at risk; rows of one customer go together."""
    need(len(values), "There is nobody to take a mean of.")
    weight = np.broadcast_to(np.asarray(years, float), len(values))
    value = float(values.sum() / weight.sum())
    pull = (values.to_numpy(float) - value * weight) / weight.sum()
    error = float(np.sqrt(clustered(pull[:, None], who)[0, 0])) if len(set(who)) > 1 else float("inf")
    return Estimate.normal(value, error, unit=unit, n=len(set(who)), method="errors by customer")


@gated
def difference(rows: pd.DataFrame, outcome: str, cause: str, *, held: Sequence[str] = (), unit: str = "points") -> Any:
    """By how much the mean of an outcome differs for one unit more of a cause; errors by customer.

    Args:
        rows: the outcome, customer, the cause and what is held fixed (numbers, or words with a level each).
        outcome, cause, held: names of columns.
        unit: of the outcome's differences.
    """
    x = _design(rows, cause, held)
    y, bread = rows[outcome].to_numpy(float), np.linalg.pinv(x.T @ x, hermitian=True)
    slope = bread @ (x.T @ y)
    error = np.sqrt(clustered(x * (y - x @ slope)[:, None] @ bread, rows["customer"])[0, 0])
    n = int(rows["customer"].nunique())
    return Estimate.normal(float(slope[0]), float(error), unit=unit, n=n, method="least squares, errors by customer")


def chance(rows: pd.DataFrame, days: int, weight: Any = 1.0) -> tuple[float, float]:
    """Chance to leave within so many days at the rate of these rows, and its variance.

    A rate of leaving over all the days watched makes use of those who were not watched to the end.
    """
    time = (weight * (rows["time"] - rows["entered"])).sum()
    rate, variance = (weight * rows["left"]).sum() / time, (weight**2 * rows["left"]).sum() / time**2
    return 1 - np.exp(-rate * days), (days * np.exp(-rate * days)) ** 2 * variance


def thinned(drawn: int, of: Any, new: Any) -> np.ndarray:
    """Chance that at least one of some things drawn at random is new: rarefaction to equal numbers.

    Args:
        drawn: how many are drawn.
        of: how many there are in each row, at least `drawn`.
        new: how many of them are new.
    Source: Hurlbert (1971), Ecology 52.
    """
    from scipy.special import gammaln

    of, old = np.asarray(of, float), np.asarray(of, float) - np.asarray(new, float)
    enough = np.maximum(old, drawn)
    none = gammaln(enough + 1) - gammaln(enough - drawn + 1) - gammaln(of + 1) + gammaln(of - drawn + 1)
    return 1 - np.where(old >= drawn, np.exp(none), 0.0)
