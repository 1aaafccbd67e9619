"""Kinds of customers: do they fall into groups, always the same ones, or are they of one skewed kind?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimates import Estimate, gated, need
from analysis.scales import FEWEST
from analysis.words import listing, plural

MOST = 5  # groups tried
FLOOR = 0.02  # least variance within a group, where all customers have 1: a single answer is no group
STARTS = 6  # of each fit
SURE = 0.95  # of the gain that one skewed kind brings by chance

Shape = tuple[np.ndarray, np.ndarray]  # of a skewed distribution


@dataclass(frozen=True)
class Kinds:
    """What a mixture finds.

    Attributes:
        table: one row a group, the largest first: n, share, and the mean of each measure in its own unit.
        fits: one row a number of groups: groups, bic (Bayesian information criterion; less is better).
        groups, stability, beyond_skew: as the claim about kinds asks for them.
    """

    table: pd.DataFrame
    fits: pd.DataFrame
    groups: Estimate
    stability: Estimate
    beyond_skew: Estimate


@gated
def kinds(measures: pd.DataFrame, *, most: int = MOST, draws: int = 199, halves: int = 50, seed: int = 0) -> Any:
    """Gaussian mixtures of one group and more, on measures in standard deviations.

    Answers and counts stand on steps, and a mixture would take each step for a group; so every value is moved at random
    within its own step first. The rival is one skewed distribution: sinh-arcsinh margins, which lean and have heavy or
    light tails, joined as a normal distribution is.

    Args:
        measures: one row a customer, a column a measure; rows with a gap are left out.
        most: groups tried.
        draws: data sets simulated from the skewed distribution, on the same steps and between the same ends.
        halves: times that customers are parted at random into two halves, each fitted anew.
        seed: of the random numbers.

    Source: Fraley & Raftery (2002), Journal of the American Statistical Association 97; Vuong (1989), Econometrica 57,
        for the error of a difference of likelihoods; McLachlan (1987), Applied Statistics 36, for the simulation; Jones
        & Pewsey (2009), Biometrika 96; Hubert & Arabie (1985), Journal of Classification 2.
    """
    from sklearn.metrics import adjusted_rand_score

    told = measures.dropna()
    need(len(told) >= FEWEST, f"{plural(len(told), 'customer')} with all measures, and {FEWEST} are needed.")
    flat = [str(name) for name in told if told[name].nunique() < 3]
    need(not flat, f"Fewer than three different values in {listing(flat)}, so there is nothing to group by.")
    random, n = np.random.default_rng(seed), len(told)
    scaled = ((told - told.mean()) / told.std(ddof=0)).to_numpy()
    edges = [_edges(column) for column in scaled.T]
    values = _moved(scaled, edges, random)
    fits = [_mixed(values, number, seed) for number in range(1, most + 1)]
    bic = np.array([fit.bic(values) for fit in fits])
    number = 2 + int(np.argmin(bic[1:]))
    best, shape = fits[number - 1], _skewed(values)
    density = best.score_samples(values)
    by_chance = []
    for _ in range(draws):
        made = _moved(_drawn(shape, n, random), edges, random)
        gain = _mixed(made, number, seed).score_samples(made) - _density(made, _skewed(made, shape))
        by_chance.append(2 * gain.sum())
    agreement = []
    for _ in range(halves):
        order = random.permutation(n)
        parts = (_mixed(values[half], number, seed) for half in (order[: n // 2], order[n // 2 :]))
        agreement.append(adjusted_rand_score(*(part.predict(values) for part in parts)))
    label = pd.Series(best.predict(values), told.index)
    table = told.groupby(label).mean().assign(n=label.value_counts()).assign(share=lambda t: t["n"] / n)
    beyond = float(np.quantile(by_chance, SURE, method="higher"))
    return Kinds(
        table[["n", "share", *told.columns]].sort_values("n", ascending=False, ignore_index=True),
        pd.DataFrame({"groups": range(1, most + 1), "bic": bic}),
        _points(density - fits[0].score_samples(values), float(bic[0] - bic[number - 1])),
        Estimate.from_draws(
            float(np.mean(agreement)), np.array(agreement), unit="agreement", n=n, method=f"{halves} pairs of halves"
        ),
        _points(gain := density - _density(values, shape), 2 * float(gain.sum()) - beyond),
    )


def _points(gain: np.ndarray, value: float) -> Estimate:
    """Twice a gain in likelihood, less something fixed, with the spread of what customers add to it."""
    error = 2 * float(gain.std()) * np.sqrt(len(gain))
    return Estimate.normal(value, error, unit="BIC points", n=len(gain), method="spread of customers' likelihoods")


def _edges(column: np.ndarray) -> np.ndarray:
    """The borders of the steps on which values stand: half-way to the next one."""
    levels = np.unique(column)
    middle = (levels[1:] + levels[:-1]) / 2
    return np.array([2 * levels[0] - middle[0], *middle, 2 * levels[-1] - middle[-1]])


def _moved(values: np.ndarray, edges: Sequence[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Each value anywhere within its step; what lies beyond the last step, within the last."""
    steps = [
        np.clip(np.searchsorted(ends, column, side="right") - 1, 0, len(ends) - 2)
        for column, ends in zip(values.T, edges, strict=True)
    ]
    return np.column_stack([random.uniform(ends[at], ends[at + 1]) for ends, at in zip(edges, steps, strict=True)])


def _mixed(values: np.ndarray, number: int, seed: int) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    how: Any = {"n_init": STARTS, "init_params": "k-means++", "reg_covar": FLOOR, "max_iter": 300}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a fit that still creeps is as good as one that stands
        return GaussianMixture(number, random_state=seed, **how).fit(values)


def _skewed(values: np.ndarray, start: Shape | None = None) -> Shape:
    """One skewed distribution: place, log width, lean and log lightness of tails of each margin; their correlation."""
    from scipy.optimize import minimize

    begin = np.zeros((values.shape[1], 4)) if start is None else start[0]
    fits = (
        minimize(lambda margin, x=x: -_bent(x, margin)[1].mean(), first, method="L-BFGS-B", tol=1e-6)
        for x, first in zip(values.T, begin, strict=True)
    )
    margins = np.array([fit.x for fit in fits])
    return margins, np.corrcoef(_bent(values, margins)[0].T)


def _bent(x: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values made normal, and their log densities; a margin a column."""
    place, width, lean, light = margin.T
    away = (x - place) / np.exp(width)
    turned = np.exp(light) * np.arcsinh(away) - lean
    slope = light - width + np.logaddexp(turned, -turned) - np.log(2) - np.log1p(away**2) / 2
    normal = np.sinh(np.clip(turned, -20, 20))
    return normal, slope - normal**2 / 2 - np.log(2 * np.pi) / 2


def _density(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Log density of each row under one skewed distribution."""
    (normal, own), between = _bent(values, shape[0]), shape[1]
    joint = np.einsum("ni,ij,nj->n", normal, np.linalg.inv(between) - np.eye(len(between)), normal)
    return own.sum(axis=1) - joint / 2 - np.linalg.slogdet(between)[1] / 2


def _drawn(shape: Shape, n: int, random: np.random.Generator) -> np.ndarray:
    place, width, lean, light = shape[0].T
    normal = random.multivariate_normal(np.zeros(len(place)), shape[1], n)
    return place + np.exp(width) * np.sinh((np.arcsinh(normal) + lean) / np.exp(light))
