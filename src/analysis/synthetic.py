"""What something did that came to one unit, or a few: beside a mixture of other units that had run alike before it.

With one branch there is no average to speak of and no lot. But other branches have seen the same years; weighed so that
together they ran as this one did until the day, they show how it would have gone on. How far such mixtures stray by
themselves is seen where nothing was done: each of the others is asked in its turn.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis import within
from analysis.estimates import gated, need
from analysis.words import plural

FEWEST_PERIODS = 8  # before it, to weigh the others by
FEWEST_OTHERS = 19  # units without it; a chance of one in twenty is the smallest that they can show


def weights(target: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Shares of the other units, none below 0 and 1 in all, that come nearest to a unit in the time before.

    Args:
        target: shape (periods,).
        others: shape (units, periods).
    """
    from scipy.optimize import nnls

    heavy = 1e3 * max(1.0, float(np.abs(others).max()))  # so that the shares add up to one
    found: np.ndarray = nnls(np.vstack([others.T, np.full(len(others), heavy)]), np.append(target, heavy))[0]
    return found / found.sum()


def _away(series: np.ndarray, before: int, group: np.ndarray, others: np.ndarray) -> float:
    """Mean log of some units over their mixtures of others afterwards, each as it was before."""
    level = series / series[:, :before].mean(axis=1, keepdims=True)
    mixed = np.array([weights(level[one, :before], level[others, :before]) @ level[others] for one in group])
    return float(np.log(level[group, before:].mean(axis=1) / mixed[:, before:].mean(axis=1)).mean())


@gated
def beside(outcome: np.ndarray, treated: np.ndarray, *, before: int) -> Any:
    """By what factor an outcome lies above what a mixture of untouched units leads one to expect.

    Args:
        outcome: units × periods, above zero on average; the periods after `before` are those that are asked about.
        treated: units, whether it came to them; all at once.
        before: periods before it.

    Returns:
        The mean over the treated, on logs. Its error is how far the same reckoning strays for as many of the others at
        a time, beside all that are left; degrees of freedom count the groups that do not overlap, less one.

    Source: Abadie, Diamond & Hainmueller (2010), Journal of the American Statistical Association 105, for the mixture
        and the placebo units; with levels of their own as in Ferman & Pinto (2021), Quantitative Economics 12.
    """
    series, others = np.asarray(outcome, float), np.flatnonzero(~treated)
    seen = f"{plural(before, 'period')} before it"
    need(before >= FEWEST_PERIODS, f"{seen}; {FEWEST_PERIODS} are needed to find others that ran alike.")
    there = f"{plural(len(others), 'unit')} without it"
    fewest = max(FEWEST_OTHERS, 4 * int(treated.sum()))
    need(len(others) >= fewest, f"{there}; {fewest} are needed to tell an effect from chance.")
    sold = min(series[:, :before].mean(axis=1).min(), series[:, before:].mean(axis=1).min())
    need(treated.any() and sold > 0, "No unit had it, or one of the units has nothing in the time before or after it.")
    size = int(treated.sum())
    groups = [np.roll(others, -place)[:size] for place in range(len(others))]
    placebo = [_away(series, before, group, np.setdiff1d(others, group)) for group in groups]
    error = float(np.sqrt(np.mean(np.square(placebo))))
    value = _away(series, before, np.flatnonzero(treated), others)
    return within.Slope(value, error, size, series.size, len(others) // size - 1).estimate(
        "ratio", method=f"synthetic control, {len(others)} placebo units", as_told=lambda away: float(np.exp(away))
    )
