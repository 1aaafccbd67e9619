"""What drives an outcome when its causes go together: shares of what is explained, and how attributes count.

Standardised slopes of correlated causes are never ranked: each share here is an average over all ways of taking the
causes into account one after another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, columns, effective_size, resample
from analysis.scales import Moments, correlation
from analysis.words import listing, plural

MOST = 12  # drivers whose every subset is gone through; of more, orders are sampled
ORDERS = 1000  # at least that many
REDUNDANT = 1e-6  # smallest eigenvalue, of a mean of 1, under which variables repeat one another


def stacked(found: Moments, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of some columns in the sample and after it in its resamples, and which of these can be used.

    Where a column is constant in a resample, the sample's covariances stand in.
    """
    at = [found.names.index(name) for name in names]
    stack = np.concatenate([found.covariance[None], found.drawn])[:, at][:, :, at]
    variances = np.einsum("dii->di", stack)
    vary = (variances > REDUNDANT * variances[0]).all(axis=1)
    stack[~vary] = stack[0]
    return stack, vary


def repeated(correlations: np.ndarray, names: Sequence[str]) -> str:
    """Which variables follow from one another, in words; empty where none do."""
    values, vectors = np.linalg.eigh(correlations)
    named = [name for name, part in zip(names, vectors[:, 0], strict=True) if abs(part) > 0.1]
    return listing(named) if values[0] < REDUNDANT else ""


def spread(what: str, answer: Answer) -> dict[str, Any]:
    """An answer as three columns named after what it is: "reward", "reward low" and "reward high"."""
    told = columns(answer)
    return {what: told["value"], f"{what} low": told["low"], f"{what} high": told["high"]}


@dataclass(frozen=True)
class Importance:
    """How an outcome's explained variance falls to its drivers; first rows are the sample, later ones its resamples.

    Attributes:
        drivers: single drivers, or blocks of them.
        n: complete questionnaires.
        parts: variance that falls to each, adding up to R squared; shape (1 + draws, drivers).
        own: variance that each explains beyond all others (last in), of the same shape; NaN where not gone through.
        method: how, in words.
    """

    drivers: tuple[str, ...]
    n: int
    parts: np.ndarray
    own: np.ndarray
    method: str

    @property
    def shares(self) -> np.ndarray:
        """Shares of R squared, adding up to 1."""
        return self.parts / self.parts.sum(axis=1, keepdims=True)

    def _answer(self, values: np.ndarray, unit: str) -> Answer:
        how = f"{self.method}; percentile bootstrap, {len(values) - 1:,} draws"
        return bootstrapped(Estimate.from_draws, float(values[0]), values[1:], unit=unit, n=self.n, method=how)

    def _of(self, *names: str) -> np.ndarray:
        return self.shares[:, [self.drivers.index(name) for name in names]].sum(axis=1)

    def explained(self) -> Answer:
        """R squared of all drivers together."""
        return self._answer(self.parts.sum(axis=1), "share")

    def share(self, *names: str) -> Answer:
        """Share of R squared that falls to one driver, or to several together."""
        return self._answer(self._of(*names), "share")

    def beyond_even(self, *names: str) -> Answer:
        """Joint share of some drivers, minus what they would have if all had the same."""
        return self._answer(self._of(*names) - len(names) / len(self.drivers), "points")

    def lead(self, name: str) -> Answer:
        """Share of one driver minus the largest share of any other, found anew in each resample."""
        rivals = np.delete(self.shares, self.drivers.index(name), axis=1)
        return self._answer(self._of(name) - rivals.max(axis=1, initial=0), "points")

    def alone(self, name: str) -> Answer:
        """Semipartial correlation, without its sign: the root of what a driver explains beyond all others."""
        return self._answer(np.sqrt(self.own[:, self.drivers.index(name)].clip(0)), "correlation")

    def table(self) -> pd.DataFrame:
        """Largest share first: driver, value, low, high (share of R squared), note, part (of the variance), top_ranked.

        top_ranked is the share of resamples in which the driver's part is the largest.
        """
        drawn = self.parts[1:][np.isfinite(self.parts[1:]).all(axis=1)]
        first = np.bincount(drawn.argmax(axis=1), minlength=len(self.drivers)) / len(drawn)
        table = pd.DataFrame([{"driver": name, **columns(self.share(name))} for name in self.drivers])
        table = table.assign(part=self.parts[0], top_ranked=first)
        return table.sort_values("value", ascending=False, ignore_index=True)


Method = Literal["shapley", "relative weights"]


def importance(
    found: Moments, *, outcome: str, drivers: Sequence[str] | Mapping[str, Sequence[str]], method: Method = "shapley"
) -> Importance | NotTestable:
    """How the explained variance of an outcome falls to drivers that go together.

    Args:
        found: moments of the outcome and all drivers, from `scales.moments`: weighted, and of complete rows only.
            (Correlations from all pairs at hand would each speak of other people, and may contradict one another.)
        drivers: names of columns, or block -> its columns: a block is then taken in as a whole.
        method: "shapley" averages the gain in R squared over all orders of taking the drivers in, by way of every
            subset up to `MOST` drivers and over sampled orders beyond; "relative weights" goes by way of the closest
            uncorrelated variables (single drivers only).

    Returns:
        The parts, in the sample and in each resample; or which drivers repeat one another.
    Source: Lindeman, Merenda & Gold (1980); Grömping (2007), The American Statistician 61; Johnson (2000),
        Multivariate Behavioral Research 35.
    """
    blocks = dict(drivers) if isinstance(drivers, Mapping) else {name: [name] for name in drivers}
    names, sizes = [name for block in blocks.values() for name in block], [len(block) for block in blocks.values()]
    if found.n <= len(names) + 1:
        return NotTestable(f"{plural(found.n, 'questionnaire')} complete cannot tell {len(names)} drivers apart.")
    covariances, usable = stacked(found, [*names, outcome])
    stack = correlation(covariances)
    if same := repeated(stack[0, :-1, :-1], names):
        return NotTestable(f"Over {plural(found.n, 'row')}, {same} repeat one another; leave one out.")
    usable &= np.linalg.eigvalsh(stack[:, :-1, :-1])[:, 0] > REDUNDANT
    stack[~usable] = stack[0]
    how, own = "average over all orders (Shapley, LMG)", np.full((len(stack), len(sizes)), np.nan)
    if method == "relative weights":
        how, parts = "relative weights (Johnson)", relative_weights(stack)
    elif len(sizes) <= MOST:
        parts, own = _every_subset(stack, sizes)
    else:
        how, parts = "average over sampled orders (Shapley, LMG)", _some_orders(stack, sizes)
    parts[~usable] = own[~usable] = np.nan
    return Importance(tuple(blocks), found.n, parts, own, how)


def _every_subset(stack: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Shapley parts, and what each block explains beyond all others, for each matrix (the outcome comes last)."""
    blocks, starts = len(sizes), np.cumsum([0, *sizes])
    explained, subsets = np.zeros((2**blocks, len(stack))), np.arange(2**blocks)

    def go_on(left: np.ndarray, first: int, taken: int) -> None:
        explained[taken] = 1 - left[:, -1, -1]
        for block in range(first, blocks):
            rest = left[:, starts[block] - starts[first] :, starts[block] - starts[first] :]
            for _ in range(sizes[block]):
                rest = rest[:, 1:, 1:] - rest[:, 1:, :1] * rest[:, :1, 1:] / rest[:, :1, :1]
            go_on(rest, block + 1, taken | 1 << block)

    go_on(stack, 0, 0)
    parts, own = np.empty((2, len(stack), blocks))
    for block in range(blocks):
        without = subsets[subsets >> block & 1 == 0]
        gains = explained[without | 1 << block] - explained[without]
        chance = [1 / (blocks * math.comb(blocks - 1, int(subset).bit_count())) for subset in without]
        parts[:, block], own[:, block] = chance @ gains, gains[-1]
    return parts, own


def _some_orders(stack: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Shapley parts over sampled orders: in a Cholesky factor the outcome's squares are the gains, one by one.

    Each sampled order is turned round like a wheel, so that every block stands equally often in every place.
    """
    blocks, rng, within = len(sizes), np.random.default_rng(0), np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    parts, wheels = np.zeros((len(stack), blocks)), [rng.permutation(blocks) for _ in range(-(-ORDERS // blocks))]
    for order in (np.roll(wheel, turn) for wheel in wheels for turn in range(blocks)):
        places = np.concatenate([*(within[block] for block in order), [sum(sizes)]])
        gains = np.linalg.cholesky(stack[:, places[:, None], places])[:, -1, :-1] ** 2
        parts[:, order] += np.add.reduceat(gains, np.cumsum([0, *np.array(sizes)[order][:-1]]), axis=1)
    return parts / (blocks * len(wheels))


def relative_weights(stack: np.ndarray) -> np.ndarray:
    """Johnson's relative weights for each correlation matrix, the outcome last; they add up to R squared."""
    values, vectors = np.linalg.eigh(stack[:, :-1, :-1])
    root = (vectors * np.sqrt(values)[:, None, :]) @ vectors.swapaxes(1, 2)
    return (root**2 @ np.linalg.solve(root, stack[:, :-1, -1:]) ** 2)[..., 0]


# --- How attributes count -----------------------------------------------------------------------------------------


def thirds(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """How far each answer belongs to the lowest and to the highest third, shape (answers, 2).

    The thirds hold exactly the same weight: answers that tie across a border belong to both sides in the proportion
    that fills the third. So no knot is chosen.
    """
    levels, place = np.unique(values, return_inverse=True)
    held = np.bincount(place, weight, len(levels)) / weight.sum()
    below = np.cumsum(held) - held
    return np.clip([(1 / 3 - below) / held, (below + held - 2 / 3) / held], 0, 1).T[place]


def penalty_reward(
    answers: pd.DataFrame, *, outcome: str, weight: np.ndarray | None = None, draws: int = 1000, seed: int = 0
) -> pd.DataFrame | NotTestable:
    """Does an attribute please when good, displease when bad, or both?

    The outcome, in standard deviations, is regressed on membership in each attribute's lowest and highest third (see
    `thirds`), reckoned anew in each resample of respondents.

    Args:
        answers: one row a respondent: the outcome, and an attribute in each other column; rows with a gap go out.
        weight: how many people each row stands for.
        draws, seed: of the resamples.

    Returns:
        One row an attribute: attribute, penalty and reward (against the middle third, with "low" and "high" ends),
        asymmetry (penalty's size minus reward, with ends), and kind: "basic" where the penalty is surely larger,
        "excitement" where the reward is, "performance" where both are sure and neither is surely larger, else
        "unclear". Or that an attribute has fewer than three different answers.
    Source: Brandt (1988); Matzler & Sauerwein (2002), International Journal of Service Industry Management 13.
    """
    complete = answers.assign(weight=1.0 if weight is None else weight).dropna()
    weighing, to = complete.pop("weight").to_numpy(float), complete.pop(outcome).to_numpy(float)
    names, rows = [str(name) for name in complete], complete.to_numpy(float)
    few = [name for name in names if complete[name].nunique() < 3]
    if few or len(rows) <= 2 * len(names) + 1 or np.ptp(to) == 0:
        why = f"fewer than three different answers in {listing(few)}" if few else "too few, or all of one outcome"
        return NotTestable(f"{plural(len(rows), 'complete row')} cannot tell penalties from rewards: {why}.")

    def slopes(held: np.ndarray) -> np.ndarray:
        kept, root = held > 0, np.sqrt(held[held > 0])[:, None]
        design = np.hstack([np.ones_like(root), *(thirds(column, held[kept]) for column in rows[kept].T)])
        size = np.sqrt(np.cov(to[kept], aweights=held[kept], ddof=0)) or np.nan
        found = np.linalg.lstsq(design * root, to[kept] * root[:, 0] / size, rcond=None)[0][1:].reshape(-1, 2)
        return np.column_stack([found, -found.sum(axis=1)])

    random = np.random.default_rng(seed)
    counts = (resample(np.ones(len(rows)), draws=1, seed=random)[0] for _ in range(draws))
    every = np.array([slopes(weighing), *(slopes(count * weighing) for count in counts)])
    table = []
    for at, name in enumerate(names):
        row: dict[str, Any] = {"attribute": name}
        for what, values in zip(("penalty", "reward", "asymmetry"), every[:, at].T, strict=True):
            row |= spread(what, Estimate.from_draws(values[0], values[1:], unit="sd", n=len(rows)))
        kind = "performance" if row["penalty high"] < 0 < row["reward low"] else "unclear"
        row["kind"] = "basic" if row["asymmetry low"] > 0 else "excitement" if row["asymmetry high"] < 0 else kind
        table.append(row)
    return pd.DataFrame(table)


# How one would feel with the feature (row) and without it (column): like, expect, neutral, accept, dislike.
KANO = ("QAAAO", "RIIIM", "RIIIM", "RIIIM", "RRRRQ")
KANO_KINDS = {"A": "excitement", "O": "performance", "M": "basic", "I": "indifferent", "R": "reverse", "Q": "unclear"}


def kano(pairs: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame | NotTestable:
    """What kind of feature people take one for, from how they would feel with it and without it.

    Args:
        pairs: one row a respondent: functional and dysfunctional (1 like, 2 expect, 3 neutral, 4 accept, 5 dislike)
            and weight; rows with a gap are left out.
        draws, seed: of the resamples of respondents.

    Returns:
        reading, value, low, high and note: a row for each of `KANO_KINDS` (Wilson intervals, at the weights' effective
        number of answers), then "better" and "worse", Berger's coefficients among those whose answer is neither
        reverse nor unclear.
    Source: Kano and others (1984); Berger and others (1993), Center for Quality of Management Journal 2.
    """
    pairs = pairs[["functional", "dysfunctional", "weight"]].dropna()
    outside = int((~pairs[["functional", "dysfunctional"]].isin(range(1, 6))).any(axis=1).sum())
    if outside or pairs.empty:
        return NotTestable(f"Of {plural(len(pairs), 'pair')} of answers, {outside} are not 1, 2, 3, 4 or 5.")
    letters = [KANO[int(there) - 1][int(gone) - 1] for there, gone, _ in pairs.itertuples(index=False)]
    cells = pairs.assign(kind=letters).groupby(["kind", "weight"]).size().reset_index(name="count")
    counts = np.vstack([cells["count"], resample(cells["count"].to_numpy(), draws=draws, seed=seed)])
    held = (counts * cells["weight"].to_numpy()) @ (cells["kind"].to_numpy()[:, None] == np.array(list(KANO_KINDS)))
    n = round(effective_size(pairs["weight"].to_numpy(float)))
    kinds = zip(KANO_KINDS.values(), held[0] / held[0].sum(), strict=True)
    wilson = {name: columns(Estimate.proportion(round(part * n), n)) | {"value": part} for name, part in kinds}
    rows = [{"reading": name, **told} for name, told in wilson.items()]
    left = np.where(held[:, :4].any(axis=1), held[:, :4].sum(axis=1), np.nan)
    for name, part in {"better": held[:, :2].sum(axis=1) / left, "worse": -held[:, 1:3].sum(axis=1) / left}.items():
        answer = bootstrapped(Estimate.from_draws, part[0], part[1:], unit="share", n=len(pairs))
        rows.append({"reading": name, **columns(answer)})
    return pd.DataFrame(rows)


# By whether importance, then performance, is above the mean: no no, no yes, yes no, yes yes.
QUADRANTS = ("low priority", "possible overkill", "concentrate here", "keep up the good work")


def quadrants(names: Sequence[str], importance: np.ndarray, performance: np.ndarray, *, n: int) -> pd.DataFrame:
    """Where each attribute stands on a map of importance and performance, and how sure its quadrant is.

    The lines that part the quadrants are the means over the attributes, drawn anew in each resample.

    Args:
        names: of the attributes.
        importance, performance: shape (1 + draws, attributes), the sample first and the same resamples in both.
        n: respondents.

    Returns:
        attribute; importance and performance, each with "low" and "high"; for each of `QUADRANTS` the share of
        resamples in it; and the quadrant that holds most of them, with its share as chance.
    """
    usable = np.isfinite(importance + performance).all(axis=1)
    both = {"importance": importance[usable], "performance": performance[usable]}
    above = [values > values.mean(axis=1, keepdims=True) for values in both.values()]
    place, table = 2 * above[0] + above[1], []
    for at, name in enumerate(names):
        row: dict[str, Any] = {"attribute": name}
        for what, values in both.items():
            row |= spread(what, Estimate.from_draws(values[0, at], values[1:, at], unit="ratio", n=n))
        chances = {which: (place[1:, at] == number).mean() for number, which in enumerate(QUADRANTS)}
        likeliest = max(QUADRANTS, key=chances.__getitem__)
        table.append(row | chances | {"quadrant": likeliest, "chance": chances[likeliest]})
    return pd.DataFrame(table)
