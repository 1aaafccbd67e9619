"""From survey answers to constructs: items turned the same way, scores by a stated rule, and how good the scale is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, columns, resample
from analysis.tables import TableError
from analysis.words import listing, plural

if TYPE_CHECKING:
    from analysis.studies import Study

LEVELS = ("expectation", "desired", "adequate", "predicted", "perception")
WHO = ["customer_id", "answered_at", "wave", "unit"]
FEWEST = 100  # answers; the register's gate
HALF, ALL = 0.5, 1.0  # share of a construct's items that must be answered
BLOCK = 20_000_000  # numbers held at once by the resamples


@dataclass(frozen=True)
class Answers:
    """Answered questionnaires.

    Attributes:
        items: one row a questionnaire, a column an item as constructs and pairs name it ("-q3" is q3 turned round);
            NaN is no answer.
        who: the rows' customer_id, answered_at, wave and unit, as far as the survey has them.
        weight: how many people each row stands for, on average 1.
        constructs: construct to its items; the levels of `pairs`, where stated, are constructs too.
        dimensions: dimension of `pairs` to level to items.
        scale: item to the ends of its scale.
        notes: what was set aside, as sentences.
    """

    items: pd.DataFrame
    who: pd.DataFrame
    weight: np.ndarray
    constructs: Mapping[str, tuple[str, ...]]
    dimensions: Mapping[str, Mapping[str, tuple[str, ...]]]
    scale: Mapping[str, tuple[float, float] | None]
    notes: tuple[str, ...] = ()

    def ends(self, construct: str) -> tuple[float, float]:
        """The ends of a construct's scale.

        Raises:
            TableError: its items state no scale.
        """
        ends = self.scale[self.constructs[construct][0]]
        if ends is None:
            raise TableError(f"surveys: {construct} has no scale; state scale = [low, high] in studies.toml.")
        return ends

    def lacks(self, *constructs: str) -> NotTestable | None:
        """Why a claim cannot be tested: the constructs that this survey does not ask about; None when all are there."""
        if not (missing := [name for name in constructs if name not in self.constructs]):
            return None
        return NotTestable(
            f"The survey has no construct {listing(missing)}. Name the items that ask for it under constructs in "
            "studies.toml, if they were asked."
        )

    def latest(self) -> Answers:
        """One questionnaire a customer, the last one: rows that do not depend on each other."""
        if "customer_id" not in self.who:
            return self
        order = self.who.sort_values([name for name in ("answered_at", "wave") if name in self.who], kind="stable")
        keep = np.sort(order["customer_id"].drop_duplicates(keep="last").index)
        if len(keep) == len(self.who):
            return self
        told = f"Of {plural(len(self.who), 'questionnaire')} the last of each of {len(keep):,} customers is used."
        return replace(self.only(self.items.index.isin(keep)), notes=(*self.notes, told))

    def only(self, keep: Any) -> Answers:
        """Some of the questionnaires, by a truth value each."""
        chosen = np.asarray(keep, bool)
        weight = self.weight[chosen]
        return replace(
            self,
            items=self.items[chosen].reset_index(drop=True),
            who=self.who[chosen].reset_index(drop=True),
            weight=weight / weight.mean() if len(weight) else weight,
        )

    def score(self, items: Sequence[str], *, answered: float = HALF) -> pd.Series:
        """Mean of the answered items; NaN where less than the share `answered` of them is there."""
        chosen = self.items[list(items)]
        return chosen.mean(axis=1).where(chosen.notna().mean(axis=1) >= answered)

    def table(self, constructs: Sequence[str], *, answered: float = HALF) -> pd.DataFrame:
        """One row a questionnaire in which each construct has a score: the scores, and weight."""
        scores = {name: self.score(self.constructs[name], answered=answered) for name in constructs}
        return pd.DataFrame({**scores, "weight": self.weight}).dropna()


def answers(study: Study) -> Answers:
    """The survey of a study, item by item.

    Rows without a positive weight are set aside where the survey has weights, and rows without any answer always.

    Raises:
        TableError: the items of a construct have scales of different length, or an item to be turned round has none.
    """
    checked = study.table("surveys")
    rows, ends = _in_order(checked.rows.to_pandas()), dict(checked.facts["scales"])
    dimensions = {
        pair.dimension: {level: tuple(named) for level in LEVELS if (named := getattr(pair, level))}
        for pair in study.pairs
    }
    constructs = {name: tuple(items) for name, items in study.constructs.items()}
    for level in LEVELS:
        items = tuple(item for levels in dimensions.values() for item in levels.get(level, ()))
        if items and level not in constructs:
            constructs[level] = items
    # A construct of the level's name may hold other items than the pairs do.
    asked = [*constructs.values(), *(items for levels in dimensions.values() for items in levels.values())]
    scale = {item: ends[item.removeprefix("-")] for items in asked for item in items}
    for name, items in constructs.items():
        if len({scale[item] for item in items}) > 1:
            each = listing([f"{item} {scale[item] or 'without a scale'}" for item in items])
            raise TableError(
                f"surveys: the items of {name} have different scales: {each}. Give each its own construct."
            )
    weight = rows["weight"].to_numpy(float) if "weight" in rows else np.ones(len(rows))
    given = pd.DataFrame({item: _turned(rows, item, ends) for item in scale})
    there, weighed = given.notna().any(axis=1).to_numpy(), weight > 0
    notes = [
        f"Left out: {plural(int(bad.sum()), 'questionnaire')} {why}."
        for bad, why in ((~there, "without an answer"), (there & ~weighed, "without a weight"))
        if bad.any()
    ]
    keep = there & weighed
    if not keep.any():
        raise TableError("surveys: no questionnaire holds an answer with a weight.")
    who = rows.loc[keep, [name for name in WHO if name in rows]].reset_index(drop=True)
    return Answers(
        given[keep].reset_index(drop=True),
        who,
        weight[keep] / weight[keep].mean(),
        constructs,
        dimensions,
        scale,
        tuple(notes),
    )


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Questionnaires in one order and their times in one unit: engines give both as they like, and resamples draw."""
    by = [name for name in ("wave", "customer_id", "answered_at", "unit") if name in rows]
    by += sorted(rows.columns.difference(by))
    if "answered_at" in rows:
        rows = rows.assign(answered_at=rows["answered_at"].dt.as_unit("us"))
    if {"wave", "answered_at"} <= {*rows}:  # waves as they began, whatever they are called
        begun = rows.groupby("wave", dropna=False)["answered_at"].transform("min")
        return rows.assign(**{"begun?": begun}).sort_values(["begun?", *by], ignore_index=True).drop(columns="begun?")
    return rows.sort_values(by, ignore_index=True)


def _turned(rows: pd.DataFrame, item: str, ends: Mapping[str, Any]) -> pd.Series:
    name = item.removeprefix("-")
    if name == item:
        return rows[name].astype(float)
    if ends[name] is None:
        raise TableError(f"surveys: {name} is to be turned round and has no scale; state scale = [low, high].")
    return sum(ends[name]) - rows[name].astype(float)


# --- Moments and their resamples ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moments:
    """Weighted means and covariances of some columns over complete rows, and the same in resamples of the rows.

    Attributes:
        names: of the columns.
        n: complete rows.
        mean: shape (columns,).
        covariance: shape (columns, columns), divided by the weight.
        drawn_means: shape (draws, columns).
        drawn: covariances in each resample, shape (draws, columns, columns).
    """

    names: tuple[str, ...]
    n: int
    mean: np.ndarray
    covariance: np.ndarray
    drawn_means: np.ndarray
    drawn: np.ndarray


def moments(
    table: pd.DataFrame, *, weight: np.ndarray | None = None, cases: Any = None, draws: int = 1000, seed: int = 0
) -> Moments | NotTestable:
    """Means and covariances over complete rows, with a bootstrap over respondents.

    Args:
        table: one row a respondent, numbers only; rows with a gap are left out.
        weight: of each row; None weighs all alike.
        cases: whose each row is, where somebody may have several: they are then drawn together; None takes rows apart.
        draws, seed: of the resamples.

    Returns:
        The moments, or which column is constant, or that too few rows are complete (at least `FEWEST`).
    """
    weighing = np.ones(len(table)) if weight is None else np.asarray(weight, float)
    complete = table.notna().all(axis=1).to_numpy()
    values, weighing = table.to_numpy(float)[complete], weighing[complete]
    whose = np.arange(len(values)) if cases is None else pd.factorize(np.asarray(cases)[complete])[0]
    if (people := len(np.unique(whose))) < FEWEST:
        empty = [str(name) for name in table.columns if table[name].notna().sum() < FEWEST]
        where = f" Too few answers in: {listing(empty)}." if empty else ""
        return NotTestable(f"{plural(people, 'questionnaire')} complete, and at least {FEWEST} are needed.{where}")
    constant = [str(name) for name, spread in zip(table.columns, np.ptp(values, axis=0), strict=True) if not spread]
    if constant:
        return NotTestable(f"All {len(values):,} answers are the same in {listing(constant)}.")
    upper = np.triu_indices(values.shape[1])
    values = values - (centre := values.mean(axis=0))
    products = np.column_stack([values, values[:, upper[0]] * values[:, upper[1]]])

    def of(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sums = weights @ products / weights.sum(axis=-1, keepdims=True)
        mean, square = sums[..., : values.shape[1]], np.empty((*sums.shape[:-1], *[values.shape[1]] * 2))
        square[..., upper[0], upper[1]] = square[..., upper[1], upper[0]] = sums[..., values.shape[1] :]
        return mean, square - mean[..., :, None] * mean[..., None, :]

    again = [of(counts[:, whose] * weighing) for counts in resampled(people, draws, seed)]
    mean, covariance = of(weighing)
    means, covariances = (np.concatenate(each) for each in zip(*again, strict=True))
    return Moments(tuple(map(str, table.columns)), len(values), mean + centre, covariance, means + centre, covariances)


def resampled(rows: int, draws: int, seed: int | np.random.Generator) -> Iterator[np.ndarray]:
    """How often each row occurs in each resample, in blocks that fit into memory."""
    rng, size = np.random.default_rng(seed), max(1, BLOCK // rows)
    for done in range(0, draws, size):
        yield resample(np.ones(rows), draws=min(size, draws - done), seed=rng)


def correlation(covariance: np.ndarray) -> np.ndarray:
    """Correlations of a covariance matrix, or of a stack of them."""
    spread = np.sqrt(np.einsum("...ii->...i", covariance))
    return covariance / (spread[..., :, None] * spread[..., None, :])


# --- How good a scale is ------------------------------------------------------------------------------------------


def alpha(covariance: np.ndarray) -> np.ndarray:
    """Cronbach's alpha: on a correlation matrix the standardised one.

    Source: Cronbach (1951), Psychometrika 16.
    """
    k = covariance.shape[-1]
    return k / (k - 1) * (1 - np.einsum("...ii->...", covariance) / covariance.sum(axis=(-2, -1)))


def one_factor(covariance: np.ndarray, *, steps: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Loadings and own variances of one common factor, by maximum likelihood (EM on the moments, many at once).

    Source: Rubin & Thayer (1982), Psychometrika 47.

    Args:
        covariance: shape (…, items, items), three items or more; two items are given equal standardised loadings.
        steps: at most.

    Returns:
        Loadings and unique variances, each of shape (…, items).
    """
    variance = np.einsum("...ii->...i", covariance)
    if covariance.shape[-1] == 2:
        shared = np.clip(correlation(covariance)[..., :1, 1], 0, 1)
        return np.sqrt(variance * shared), variance * (1 - shared)
    values, vectors = np.linalg.eigh(correlation(covariance))
    first = vectors[..., -1] * np.sign(vectors[..., -1].sum(axis=-1, keepdims=True)) * np.sqrt(values[..., -1:])
    loading, own = first * 0.8 * np.sqrt(variance), variance * 0.4
    for _ in range(steps):
        precision = loading / own
        beta = precision / (1 + (precision * loading).sum(axis=-1, keepdims=True))
        shared = np.einsum("...ij,...j->...i", covariance, beta)
        fresh = shared / (1 - (beta * loading).sum(-1) + (beta * shared).sum(-1))[..., None]
        moved, loading = np.abs(fresh - loading).max(), fresh
        own = np.maximum(variance - loading * shared, 1e-4 * variance)
        if moved < 1e-9 * np.sqrt(variance.max()):
            break
    return loading, own


def omega(covariance: np.ndarray) -> np.ndarray:
    """McDonald's omega: the share of the sum's variance that one common factor carries."""
    loading, own = one_factor(covariance)
    return (common := loading.sum(axis=-1) ** 2) / (common + own.sum(axis=-1))


def variance_extracted(covariance: np.ndarray) -> np.ndarray:
    """Average variance extracted: the mean share of an item's variance that the common factor explains.

    Source: Fornell & Larcker (1981), Journal of Marketing Research 18.
    """
    loading, own = one_factor(covariance)
    return (loading**2 / (loading**2 + own)).mean(axis=-1)


def heterotrait(covariance: np.ndarray, first: Sequence[int], second: Sequence[int]) -> np.ndarray:
    """Heterotrait-monotrait ratio of two sets of items: near one where both measure the same.

    A construct of one item counts as measured without error.

    Source: Henseler, Ringle & Sarstedt (2015), Journal of the Academy of Marketing Science 43.
    """
    r = np.abs(correlation(covariance))

    def within(items: Sequence[int]) -> Any:
        pairs = r[..., np.asarray(items)[:, None], items]
        k = len(items)
        return (pairs.sum(axis=(-2, -1)) - k) / (k * (k - 1)) if k > 1 else 1.0

    between = r[..., np.asarray(first)[:, None], second].mean(axis=(-2, -1))
    return between / np.sqrt(within(first) * within(second))


QUALITIES = {"alpha": alpha, "omega": omega, "variance extracted": variance_extracted}


def reliability(found: Answers, construct: str, *, draws: int = 1000, seed: int = 0) -> dict[str, Answer]:
    """Alpha, omega and the average variance extracted of a construct, on standardised items, with intervals."""
    items = list(found.constructs[construct])
    if len(items) < 2:
        return dict.fromkeys(QUALITIES, NotTestable(f"{construct} has one item, so its reliability cannot be told."))
    made = moments(found.items[items], weight=found.weight, draws=draws, seed=seed)
    if isinstance(made, NotTestable):
        return dict.fromkeys(QUALITIES, made)
    value, drawn = correlation(made.covariance), correlation(made.drawn)
    return {
        name: bootstrapped(Estimate.from_draws, float(of(value)), of(drawn), unit="correlation", n=made.n)
        for name, of in QUALITIES.items()
    }


def quality_table(found: Answers, constructs: Sequence[str], *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Each construct with its items, mean, share of answers at the top end, and reliability.

    Returns:
        construct, items (count), n (questionnaires with a score), mean, at_the_top (share of answers), then for each
        of `QUALITIES` its value, low and high under "NAME", "NAME low", "NAME high", and note.
    """
    rows = []
    for name in constructs:
        items = list(found.constructs[name])
        score, given = found.score(items), found.items[items]
        known = score.notna().to_numpy()
        top = (given == found.ends(name)[1]).where(given.notna())
        row: dict[str, Any] = {
            "construct": name,
            "items": len(items),
            "n": int(known.sum()),
            "mean": np.average(score[known], weights=found.weight[known]) if known.any() else np.nan,
            "at_the_top": float(np.nansum(top.to_numpy(float) * found.weight[:, None]))
            / max(float((given.notna().to_numpy() * found.weight[:, None]).sum()), 1e-9),
        }
        for quality, answer in reliability(found, name, draws=draws, seed=seed).items():
            told = columns(answer)
            row |= {quality: told["value"], f"{quality} low": told["low"], f"{quality} high": told["high"]}
            row["note"] = told["note"]
        rows.append(row)
    return pd.DataFrame(rows)


def distinctness(found: Answers, constructs: Sequence[str], *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Whether each two constructs measure different things: heterotrait-monotrait ratios with intervals.

    Returns:
        first, second, value, low, high, note, n; one row a pair. Over .90 with the high end the two may be one.
    """
    rows = []
    for place, first in enumerate(constructs):
        for second in constructs[place + 1 :]:
            one, two = list(found.constructs[first]), list(found.constructs[second])
            answer = ratio(found, one, two, draws=draws, seed=seed)
            rows.append({"first": first, "second": second, **columns(answer), "n": getattr(answer, "n", 0)})
    return pd.DataFrame(rows)


def ratio(found: Answers, one: Sequence[str], two: Sequence[str], *, draws: int = 1000, seed: int = 0) -> Answer:
    """The heterotrait-monotrait ratio of two sets of items."""
    made = moments(found.items[[*one, *two]], weight=found.weight, draws=draws, seed=seed)
    if isinstance(made, NotTestable):
        return made
    first, second = range(len(one)), range(len(one), len(one) + len(two))
    value, drawn = (heterotrait(of, list(first), list(second)) for of in (made.covariance, made.drawn))
    return bootstrapped(Estimate.from_draws, float(value), drawn, unit="correlation", n=made.n)
