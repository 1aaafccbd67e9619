"""Satisfaction indices with their causes and consequences: partial least squares path models (ECSI, ACSI).

Everything is reckoned on correlation matrices, the sample's and those of its resamples in one stack: a resample costs
no more than a few small matrix products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from analysis.drivers import repeated, spread, stacked
from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, columns
from analysis.scales import correlation, moments
from analysis.tables import TableError
from analysis.words import listing, plural

Scheme = Literal["centroid", "factorial", "path"]
Kind = Literal["direct", "indirect", "total"]
KINDS: tuple[Kind, ...] = ("direct", "indirect", "total")
STEPS, SETTLED = 300, 1e-9  # rounds at most, and the largest move of a weight that counts as none
RIDGE = 1e-12  # far below what a digit shows; keeps one resample without full rank from stopping all others

# The twelve paths of the European index, in the order in which print lists them (Tenenhaus and others 2005).
ECSI = (
    ("image", "expectation"), ("expectation", "quality"), ("expectation", "value"), ("quality", "value"),
    ("image", "satisfaction"), ("expectation", "satisfaction"), ("quality", "satisfaction"), ("value", "satisfaction"),
    ("satisfaction", "complaint_handling"), ("image", "loyalty"), ("satisfaction", "loyalty"),
    ("complaint_handling", "loyalty"),
)  # fmt: skip


@dataclass(frozen=True)
class PathModel:
    """Which items ask for which construct, and which construct acts on which.

    Attributes:
        blocks: construct to its items.
        paths: (cause, effect).
        scale: item to the ends of its scale; the index needs them.
        formative: constructs that their items make up (mode B); the others show in their items (mode A).
        scheme: how neighbours count while the weights are sought: by the sign of their correlation (centroid), the
            correlation (factorial), or regression on causes and correlation with effects (path).
    """

    blocks: Mapping[str, Sequence[str]]
    paths: Sequence[tuple[str, str]]
    scale: Mapping[str, tuple[float, float] | None]
    formative: frozenset[str] = frozenset()
    scheme: Scheme = "centroid"

    def __post_init__(self) -> None:
        linked = {name for path in self.paths for name in path}
        wrong = {
            "no path leads to or from {}": sorted(set(self.blocks) - linked),
            "no item asks for {}": sorted(linked - {name for name, asked in self.blocks.items() if asked}),
            "more than one construct claims {}": sorted({item for item in self.items if self.items.count(item) > 1}),
            "the paths run in a circle through {}": sorted(linked) * bool(self.reach.diagonal().any()),
        }
        for what, which in wrong.items():
            if which:
                raise TableError(f"surveys: {what.format(listing(which))}, so the path model cannot weigh the items.")

    @property
    def items(self) -> list[str]:
        """All items, construct by construct."""
        return [item for items in self.blocks.values() for item in items]

    @property
    def links(self) -> np.ndarray:
        """Cause by effect: 1 where a path leads from one to the other."""
        return np.array([[int((cause, effect) in self.paths) for effect in self.blocks] for cause in self.blocks])

    @property
    def causes(self) -> list[tuple[int, np.ndarray]]:
        """The place of each construct that a path leads to, with those of its direct causes."""
        return [(at, np.flatnonzero(column)) for at, column in enumerate(self.links.T) if column.any()]

    @property
    def reach(self) -> np.ndarray:
        """Cause by effect: whether one acts on the other at all, be it by way of others."""
        ways = [np.linalg.matrix_power(self.links, steps) for steps in range(1, len(self.blocks) + 1)]
        return np.any(ways, axis=0)

    @property
    def members(self) -> np.ndarray:
        """Item by construct: whether the item asks for it."""
        return np.array([[item in items for items in self.blocks.values()] for item in self.items])


def satisfaction_index(mean: np.ndarray, weight: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The index of the American (ACSI) kind: 0 where all answer the low end of every item, 100 at the high end.

    Args:
        mean, weight: of the items in their own units, the items along the last axis.
        low, high: the ends of their scales.

    Source: Fornell, Johnson, Anderson, Cha & Bryant (1996), Journal of Marketing 60.
    """
    return 100 * (weight * (mean - low)).sum(axis=-1) / (weight * (high - low)).sum(axis=-1)


@dataclass(frozen=True)
class PathFit:
    """A fitted path model; every array's first row is the sample, the rows after it are its resamples.

    Attributes:
        model, n: what was fitted, on how many complete questionnaires.
        weights: for standardised items, shape (1 + draws, items, constructs); scores have mean 0 and variance 1.
        loadings: correlations of all items with all scores, of the same shape (other constructs: cross-loadings).
        between: correlations of the scores, shape (1 + draws, constructs, constructs).
        direct: path coefficients, cause by effect, of the same shape.
        means, spreads: of the items as answered, shape (1 + draws, items).
    """

    model: PathModel
    n: int
    weights: np.ndarray
    loadings: np.ndarray
    between: np.ndarray
    direct: np.ndarray
    means: np.ndarray
    spreads: np.ndarray

    def _answer(self, values: np.ndarray, unit: str) -> Answer:
        return bootstrapped(Estimate.from_draws, float(values[0]), values[1:], unit=unit, n=self.n)

    def _at(self, *constructs: str) -> tuple[int, ...]:
        return tuple(list(self.model.blocks).index(name) for name in constructs)

    @cached_property
    def total(self) -> np.ndarray:
        """Total effects, cause by effect: the path itself and all ways round."""
        same = np.eye(len(self.model.blocks))
        return np.linalg.inv(same - self.direct) - same

    def effect(self, cause: str, effect: str, kind: Kind = "total") -> Answer:
        """What one standard deviation of a construct goes with in another, in standard deviations."""
        of = {"direct": self.direct, "total": self.total, "indirect": self.total - self.direct}[kind]
        first, second = self._at(cause, effect)
        return self._answer(of[:, first, second], "slope")

    def explained(self, construct: str) -> Answer:
        """Share of a construct's variance that its direct causes explain together (R squared)."""
        (at,) = self._at(construct)
        return self._answer((self.direct[:, :, at] * self.between[:, :, at]).sum(axis=1), "share")

    def _scaled(self, construct: str) -> tuple[np.ndarray, np.ndarray] | NotTestable:
        """The index of a construct, and how many points of it are one standard deviation of the score."""
        at = self._at(construct)[0]
        mine = self.model.members[:, at]
        ends = [self.model.scale.get(item) or (np.nan, np.nan) for item in self.model.blocks[construct]]
        low, high = np.array(ends, float).T
        if np.isnan(low).any():
            return NotTestable(f"The index of {construct} needs the ends of the scale of each of its items.")
        weight = self.weights[:, mine, at] * (high - low) / self.spreads[:, mine]  # of items that run from 0 to 1
        if against := [item for item, w in zip(self.model.blocks[construct], weight[0], strict=True) if w < 0]:
            count = "counts" if len(against) == 1 else "count"
            return NotTestable(f"{listing(against)} {count} against {construct}, so its index has no 0 to 100.")
        index = satisfaction_index(self.means[:, mine], weight / (high - low), low, high)
        return index, 100 / weight.sum(axis=1)

    def index(self, construct: str) -> Answer:
        """The construct's index from 0 to 100, by unstandardised weights."""
        found = self._scaled(construct)
        return found if isinstance(found, NotTestable) else self._answer(found[0], "score points")

    def measures(self) -> pd.DataFrame:
        """Each item with its construct: construct, item, weight, loading, low, high (of the loading), note."""
        names, each = list(self.model.blocks), zip(self.model.items, *np.nonzero(self.model.members), strict=True)
        rows = [
            {"construct": names[at], "item": name, "weight": self.weights[0, item, at]}
            | columns(self._answer(self.loadings[:, item, at], "correlation"))
            for name, item, at in each
        ]
        return pd.DataFrame(rows).rename(columns={"value": "loading"})

    def effects(self) -> pd.DataFrame:
        """Each construct that acts on another: cause, effect, and value, low, high of direct, indirect and total."""
        names, rows = list(self.model.blocks), []
        for cause, effect in zip(*np.nonzero(self.model.reach), strict=True):
            row: dict[str, object] = {"cause": names[cause], "effect": names[effect]}
            for kind in KINDS:
                row |= spread(kind, self.effect(names[cause], names[effect], kind))
            rows.append(row)
        return pd.DataFrame(rows)

    def priorities(self, target: str) -> tuple[list[str], np.ndarray, np.ndarray] | NotTestable:
        """What an importance-performance map shows of the constructs that act on `target`.

        Returns:
            Their names; how many points of the target's index one point of theirs goes with, in all; and their index:
            the last two of shape (1 + draws, constructs), for `drivers.quadrants`.
        """
        (at,) = self._at(target)
        names = [name for name, acts in zip(self.model.blocks, self.model.reach[:, at], strict=True) if acts]
        scaled = [self._scaled(name) for name in [*names, target]]
        if refused := [found for found in scaled if isinstance(found, NotTestable)]:
            return refused[0]
        index, points = np.array(scaled).transpose(1, 2, 0)
        return names, self.total[:, self._at(*names), at] * points[:, -1:] / points[:, :-1], index[:, :-1]

    def scores(self, answers: pd.DataFrame) -> pd.DataFrame:
        """Standardised scores, one row a respondent and one column a construct; NaN where an item is unanswered."""
        standard = (answers[self.model.items].to_numpy(float) - self.means[0]) / self.spreads[0]
        return pd.DataFrame(standard @ self.weights[0], index=answers.index, columns=list(self.model.blocks))


def fit_paths(
    model: PathModel, answers: pd.DataFrame, *, weight: np.ndarray | None = None, draws: int = 5000, seed: int = 0
) -> PathFit | NotTestable:
    """Weights of the items and paths between the constructs, in the sample and in each resample.

    A score's sign is turned so that its loadings add up to more than 0 in the sample, and in a resample so that they
    agree with the sample's (their products add up to more than 0).

    Args:
        answers: one row a respondent, a column an item; rows with a gap are left out.
        weight: how many people each row stands for.
        draws, seed: of the resamples of respondents.

    Returns:
        The fit; or that answers are too few, items repeat one another or the weights do not settle. Resamples without
        a solution are NaN.
    Source: Lohmöller (1989), Latent Variable Path Modeling with Partial Least Squares, chapter 2.
    """
    found = moments(answers[model.items], weight=weight, draws=draws, seed=seed)
    if isinstance(found, NotTestable):
        return found
    if found.n <= (sought := len(model.items) + len(model.paths)):
        return NotTestable(f"{plural(found.n, 'questionnaire')} complete cannot tell {sought} weights and paths.")
    names, (covariances, usable) = list(model.blocks), stacked(found, model.items)
    stack = correlation(covariances)
    for name in model.formative:
        mine = model.members[:, names.index(name)]
        if same := repeated(stack[0][np.ix_(mine, mine)], model.blocks[name]):
            return NotTestable(f"Over {found.n:,} rows, {same} of {name} repeat one another; leave one out.")
    weights, unsettled = _weights(model, stack)
    if unsettled[0]:
        return NotTestable(f"The items' weights had not settled after {plural(STEPS, 'round')}, or do not exist.")
    loadings = stack @ weights
    own = np.where(model.members, loadings, 0)
    turn = np.sign((own * own[0] * np.sign(own[0].sum(axis=0))).sum(axis=1, keepdims=True))
    weights, loadings = weights * turn, loadings * turn
    between, direct = weights.swapaxes(1, 2) @ loadings, np.zeros((len(stack), *model.links.shape))
    for effect, causes in model.causes:
        if same := repeated(between[0][np.ix_(causes, causes)], [names[cause] for cause in causes]):
            return NotTestable(f"Over {found.n:,} rows, {same} repeat one another as causes of {names[effect]}.")
        direct[:, causes, effect] = _regress(between, causes, effect)
    for array in (weights, loadings, between, direct):
        array[~usable | unsettled] = np.nan
    means, spreads = np.vstack([found.mean, found.drawn_means]), np.sqrt(np.einsum("dii->di", covariances))
    return PathFit(model, found.n, weights, loadings, between, direct, means, spreads)


def _weights(model: PathModel, stack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outer weights for each correlation matrix, and in which they had not settled."""
    weights = _unit(stack, np.broadcast_to(model.members, (len(stack), *model.members.shape)).astype(float))
    formative = [at for at, name in enumerate(model.blocks) if name in model.formative]
    going = np.arange(len(stack))
    for _ in range(STEPS):
        some, before = stack[going], weights[going]
        between = before.swapaxes(1, 2) @ some @ before
        proxies = np.where(model.members, some @ (before @ _neighbours(model, between)), 0)
        for at in formative:
            items = np.flatnonzero(model.members[:, at])
            proxies[:, items, at] = _solve(some[:, items[:, None], items], proxies[:, items, at])
        weights[going] = _unit(some, proxies)
        going = going[
            np.abs(np.abs(weights[going]) - np.abs(before)).max(axis=(1, 2)) >= SETTLED
        ]  # NaN goes no further
        if not len(going):
            break
    return weights, np.isin(np.arange(len(stack)), going) | np.isnan(weights).any(axis=(1, 2))


def _neighbours(model: PathModel, between: np.ndarray) -> np.ndarray:
    """How much each construct (row) counts in the proxy of each other (column)."""
    linked = model.links + model.links.T
    if model.scheme == "centroid":
        return np.sign(between) * linked
    counted = between * linked
    if model.scheme == "path":
        for effect, causes in model.causes:
            counted[:, causes, effect] = _regress(between, causes, effect)
    return counted


def _regress(between: np.ndarray, causes: np.ndarray, effect: int) -> np.ndarray:
    return _solve(between[:, causes[:, None], causes], between[:, causes, effect])


def _solve(inside: np.ndarray, to: np.ndarray) -> np.ndarray:
    return np.linalg.solve(inside + RIDGE * np.eye(inside.shape[-1]), to[..., None])[..., 0]


def _unit(stack: np.ndarray, weights: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # a construct that has nothing to do with any other has no weights
        return weights / np.sqrt((weights * (stack @ weights)).sum(axis=1, keepdims=True))
