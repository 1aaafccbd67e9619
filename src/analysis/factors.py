"""What items have in common: confirmatory factor models by maximum likelihood, in one group or in several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy  # its parts load when they are first used

from analysis.estimates import NotTestable
from analysis.scales import Moments, correlation, one_factor

Equal = Literal["form", "loadings", "intercepts"]
TRIES = 1000  # steps of the search
SMALLEST = 1e-3  # a unique variance below it, of an item's variance of 1, is a boundary (Heywood) case


@dataclass(frozen=True)
class FactorModel:
    """A fitted model of g groups, items and factors; on items divided by their pooled standard deviations.

    Attributes:
        loadings: shape (g, items, factors).
        covariances: of the factors, shape (g, factors, factors); unit variances unless loadings are shared.
        unique: variances of the items' own parts, shape (g, items).
        means: of the factors, shape (g, factors); zero in the first group and wherever intercepts are not shared.
        chi_squared, df: of the fit, against unrestricted moments.
        cfi: comparative fit index, against unrelated items (Bentler 1990, Psychological Bulletin 107).
        rmsea: root mean square error of approximation, per degree of freedom (Steiger 1998 for several groups).
        n: respondents.
    """

    loadings: np.ndarray
    covariances: np.ndarray
    unique: np.ndarray
    means: np.ndarray
    chi_squared: float
    df: int
    cfi: float
    rmsea: float
    n: float


@dataclass(frozen=True)
class _Layout:
    """Where each free number of a model stands in one vector."""

    pattern: np.ndarray
    groups: int
    equal: Equal

    def read(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Loadings, factor covariances, unique variances, intercepts (of items) and factor means, by group."""
        (items, factors), g, take = self.pattern.shape, self.groups, _Taker(vector)
        loadings = np.zeros((g, items, factors))
        loadings[:, self.pattern] = self._shared(take, int(self.pattern.sum()), self.equal != "form")
        covariances = np.zeros((g, factors, factors))
        rows, cols = np.triu_indices(factors, 1)
        covariances[:, rows, cols] = covariances[:, cols, rows] = take(g, len(rows))
        each = np.arange(factors)
        covariances[0, each, each] = 1
        covariances[1:, each, each] = 1 if self.equal == "form" else np.exp(take(g - 1, factors))
        unique = SMALLEST + np.exp(take(g, items))
        intercepts, means = np.zeros((g, items)), np.zeros((g, factors))
        if self.equal == "intercepts":
            intercepts[:] = take(1, items)
            means[1:] = take(g - 1, factors)
        return loadings, covariances, unique, intercepts, means

    def _shared(self, take: _Taker, size: int, shared: bool) -> np.ndarray:
        return np.broadcast_to(take(1, size), (self.groups, size)) if shared else take(self.groups, size)

    def slopes(self, of: tuple[np.ndarray, ...], read: tuple[np.ndarray, ...]) -> np.ndarray:
        """The slope in each free number, from the slopes in loadings, covariances, unique, intercepts and means."""
        (by_loading, by_covariance, by_unique, by_intercept, by_mean), (_, covariances, unique, _, _) = of, read
        free, factors = by_loading[:, self.pattern], self.pattern.shape[1]
        rows, cols = np.triu_indices(factors, 1)
        each = np.arange(factors)
        parts = [free if self.equal == "form" else free.sum(axis=0), 2 * by_covariance[:, rows, cols]]
        if self.equal != "form":
            parts.append((by_covariance * covariances)[1:, each, each])
        parts.append(by_unique * (unique - SMALLEST))
        if self.equal == "intercepts":
            parts += [by_intercept.sum(axis=0), by_mean[1:]]
        return np.concatenate([part.ravel() for part in parts])

    def start(self, covariances: np.ndarray) -> np.ndarray:
        """Loadings of .7 in the direction of each item's first companion; the rest as it would follow."""
        (items, factors), g = self.pattern.shape, self.groups
        free = np.full(int(self.pattern.sum()) * (g if self.equal == "form" else 1), 0.7)
        parts = [free, np.full(g * factors * (factors - 1) // 2, 0.3)]
        if self.equal != "form":
            parts.append(np.zeros((g - 1) * factors))
        parts.append(np.log(0.5 * np.einsum("gii->gi", covariances)).ravel())
        if self.equal == "intercepts":
            parts += [np.zeros(items), np.zeros((g - 1) * factors)]
        return np.concatenate(parts)


class _Taker:
    """Cuts a vector into pieces, from its front on."""

    def __init__(self, vector: np.ndarray) -> None:
        self.vector, self.place = vector, 0

    def __call__(self, *shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        self.place += size
        return self.vector[self.place - size : self.place].reshape(shape)


def fit_factors(
    covariances: np.ndarray,
    pattern: np.ndarray,
    *,
    n: Sequence[float],
    means: np.ndarray | None = None,
    equal: Equal = "form",
) -> FactorModel | NotTestable:
    """Fit a factor model whose items load where `pattern` says.

    Args:
        covariances: of the items (divided by n), shape (groups, items, items); one group may come without its axis.
        pattern: which item loads on which factor, booleans of shape (items, factors).
        n: respondents in each group.
        means: of the items, shape (groups, items); needed with `equal="intercepts"` only.
        equal: what groups share: only the form, the loadings too, or loadings and intercepts.

    Returns:
        The model, or that it cannot be told or was not found.
    Source: Jöreskog (1971), Psychometrika 36.
    """
    matrices = np.atleast_3d(covariances.T).T if covariances.ndim == 2 else covariances
    groups, items = matrices.shape[:2]
    share = np.asarray(n, float) / np.sum(n)
    spread = np.sqrt(np.einsum("g,gii->i", share, matrices))
    matrices = matrices / np.outer(spread, spread)
    centres = np.zeros((groups, items)) if means is None else (means - share @ means) / spread
    if np.linalg.eigvalsh(matrices).min() < 1e-6:
        return NotTestable("Some items are copies of each other, or sums of others.")
    layout = _Layout(pattern, groups, equal)
    moments = items * (items + 1) // 2 * groups + (groups * items if equal == "intercepts" else 0)
    start = layout.start(matrices)
    if (df := moments - len(start)) < 0:
        return NotTestable(f"{items} items are too few for {pattern.shape[1]} factors.")
    known = float(share @ np.linalg.slogdet(matrices)[1]) + items

    def away(vector: np.ndarray) -> tuple[float, np.ndarray]:
        read = layout.read(vector)
        loadings, between, unique, intercepts, centre = read
        implied = loadings @ between @ loadings.transpose(0, 2, 1) + unique[:, :, None] * np.eye(items)
        sign, logs = np.linalg.slogdet(implied)
        if (sign <= 0).any() or np.linalg.eigvalsh(implied).min() <= 0:
            return 1e6, np.zeros_like(vector)
        inverse = np.linalg.inv(implied)
        off = centres - intercepts - np.einsum("gif,gf->gi", loadings, centre) if equal == "intercepts" else 0 * centres
        seen = matrices + off[:, :, None] * off[:, None, :]
        fitted = inverse @ seen
        value = float(share @ (logs + np.einsum("gii->g", fitted))) - known
        slope = (inverse - fitted @ inverse) * share[:, None, None]
        pull = -2 * np.einsum("gij,gj->gi", inverse, off) * share[:, None]
        by_loading = 2 * slope @ loadings @ between + pull[:, :, None] * centre[:, None, :]
        found = (
            by_loading,
            loadings.transpose(0, 2, 1) @ slope @ loadings,
            np.einsum("gii->gi", slope),
            pull,
            np.einsum("gif,gi->gf", loadings, pull),
        )
        return value, layout.slopes(found, read)

    done = scipy.optimize.minimize(away, start, jac=True, method="BFGS", options={"maxiter": TRIES, "gtol": 1e-7})
    if np.abs(done.jac).max() > 1e-4 or done.fun >= 1e6:
        return NotTestable("The search for the best factor model did not come to an end.")
    loadings, between, unique, _, centre = layout.read(done.x)
    total = float(np.sum(n))
    chi_squared, apart = total * max(done.fun, 0.0), -total * float(share @ np.linalg.slogdet(correlation(matrices))[1])
    excess, worst = max(chi_squared - df, 0), apart - groups * items * (items - 1) / 2
    return FactorModel(
        loadings,
        between,
        unique,
        centre,
        chi_squared,
        df,
        1 - excess / max(worst, excess, 1e-12),
        float(np.sqrt(groups * excess / (df * total))) if df else 0.0,
        total,
    )


def pattern_of(sizes: Sequence[int]) -> np.ndarray:
    """Which item loads where, for constructs whose items stand one after the other."""
    return np.repeat(np.eye(len(sizes), dtype=bool), sizes, axis=0)


def general(model: FactorModel) -> float:
    """Hierarchical omega: the share of the sum's variance that one factor above all factors carries (first group).

    Source: McDonald (1999), Test Theory; the general factor is the one that the factors have in common.
    """
    loadings, between = model.loadings[0], model.covariances[0]
    above = np.ones(1) if len(between) == 1 else one_factor(between)[0]
    implied = loadings @ between @ loadings.T + np.diag(model.unique[0])
    return float((loadings @ above).sum() ** 2 / implied.sum())


def parallel(found: Moments, *, effective: float | None = None, draws: int = 200, seed: int = 0) -> dict[str, Any]:
    """Horn's parallel analysis: how many components stand out from unrelated items of the same number.

    Args:
        found: of the items.
        effective: respondents, where weights make them count for fewer; None takes all.
        draws, seed: of the unrelated items.

    Returns:
        count, seen (eigenvalues of the correlations, largest first) and chance (their 95th percentiles by chance).
    Source: Horn (1965), Psychometrika 30; Glorfeld (1995) for the percentile.
    """
    items, n = len(found.names), int(effective or found.n)
    rng, by_chance = np.random.default_rng(seed), np.empty((draws, items))
    for place in range(draws):
        # The covariance of n unrelated items has a Wishart law, which need not be drawn row by row.
        half = np.tril(rng.standard_normal((items, items)), -1)
        half[np.diag_indices(items)] = np.sqrt(rng.chisquare(n - 1 - np.arange(items)))
        by_chance[place] = np.linalg.eigvalsh(correlation(half @ half.T))[::-1]
    seen = np.linalg.eigvalsh(correlation(found.covariance))[::-1]
    chance = np.quantile(by_chance, 0.95, axis=0)
    return {"count": int(np.argmin(np.append(seen > chance, False))), "seen": seen, "chance": chance}
