"""Small worlds as pages see them: questionnaires, behaviour around them, branches, and tables of a study.

They are drawn by hundreds for the calibration, so they hold no more than a test asks for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import ibis
import numpy as np
import pandas as pd

from analysis.afterwards import Afterwards
from analysis.checks import CheckedTable
from analysis.scales import Answers

# How many times the smallest effect that matters there is of what a claim with a direction says.
TIMES = {"true": 2, "null": 0, "reversed": -2, "artefact": 0}
WIDE = (-20.0, 20.0)  # ends of an answer scale that nobody comes near


def boundary(at: float, away: float, *, below: float = 0.0) -> dict[str, float]:
    """What a threshold's quantity is in each world: on it at null, `away` (or `below`) from it on either side."""
    return {"true": at + away, "null": at, "reversed": at - (below or away), "artefact": at}


def alike(random: np.random.Generator, size: int, names: Sequence[str], shared: float = 0.0) -> dict[str, np.ndarray]:
    """Standard normal scores that correlate `shared`."""
    common = math.sqrt(shared) * random.standard_normal(size)
    return {name: common + math.sqrt(1 - shared) * random.standard_normal(size) for name in names}


def caused(
    random: np.random.Generator,
    size: int,
    outcome: str,
    slopes: Mapping[str, float],
    *,
    shared: float = 0.0,
    method: float = 0.0,
) -> dict[str, np.ndarray]:
    """An outcome with these standardised slopes on causes that correlate `shared`; all of variance one.

    Args:
        random: the generator.
        size: how many answer.
        outcome: its name.
        slopes: cause -> slope.
        shared: correlation of the causes.
        method: share of the variance of every score that is the way somebody answers, and nothing else.
    """
    found, weights = alike(random, size, [*slopes], shared), np.array([*slopes.values()])
    explained = (1 - shared) * (weights**2).sum() + shared * weights.sum() ** 2
    found[outcome] = weights @ np.array([*found.values()]) + math.sqrt(1 - explained) * random.standard_normal(size)
    way = math.sqrt(method) * random.standard_normal(size)
    return {name: way + math.sqrt(1 - method) * score for name, score in found.items()} if method else found


def answers(
    random: np.random.Generator,
    held: Mapping[str, np.ndarray],
    *,
    items: int = 1,
    reliability: float | Mapping[str, float] = 1.0,
    levels: Mapping[str, Mapping[str, str]] | None = None,
    scale: tuple[float, float] | Mapping[str, tuple[float, float]] = WIDE,
    **who: Any,
) -> Answers:
    """Questionnaires that measure what people hold, with independent errors.

    Args:
        random: the generator.
        held: construct -> scores.
        items: of each construct.
        reliability: of the mean of a construct's items: one for all, or by construct (else 1).
        levels: dimension -> level -> construct, for `Answers.dimensions`.
        scale: ends of the scale: one for all, or by construct (else `WIDE`).
        who: columns of `Answers.who`.
    """
    asked = {name: tuple(f"{name} {number}" for number in range(items)) for name in held}
    said, ends = dict[str, Any](), dict[str, Any]()
    for name, score in held.items():
        sure = reliability.get(name, 1.0) if isinstance(reliability, Mapping) else reliability
        noise = math.sqrt(items * (1 - sure) / sure) * np.nanstd(score)
        ends |= dict.fromkeys(asked[name], scale.get(name, WIDE) if isinstance(scale, Mapping) else scale)
        said |= {item: score + noise * random.standard_normal(len(score)) if noise else score for item in asked[name]}
    table = pd.DataFrame(said)
    sides = {name: {level: asked[of] for level, of in each.items()} for name, each in (levels or {}).items()}
    return Answers(table, pd.DataFrame(who, index=table.index), np.ones(len(table)), asked, sides, ends)


def around(found: Answers, after: np.ndarray, *, before: np.ndarray | None = None, age: Any = 365.0) -> Afterwards:
    """What those who answered did in 180 days after, and before, as `afterwards.afterwards` counts it."""
    earlier = np.zeros(len(after)) if before is None else before
    did = {"before": earlier, "before_worth": earlier, "after": after, "after_worth": after, "age": age}
    return Afterwards(found, pd.DataFrame(did), 180, ())


def study(*, facts: Mapping[str, Mapping[str, Any]] | None = None, **tables: pd.DataFrame) -> Any:
    """Checked tables that stand in for a study; `facts` are theirs, by table."""
    known = facts or {}
    checked = {
        name: CheckedTable(name, ibis.memtable(rows), (), (), dict(known.get(name, {})))
        for name, rows in tables.items()
    }
    return SimpleNamespace(has=checked.__contains__, table=checked.get)


def branches(
    random: np.random.Generator, size: int, names: Sequence[str], shared: float, *, periods: int = 1, trend: float = 0.0
) -> Any:
    """A study whose table units holds so many branches; their columns correlate `shared`.

    Args:
        random: the generator.
        size: how many.
        names: of the columns.
        shared: correlation over branches.
        periods: years, anew each.
        trend: standard deviations by which all columns rise a year, in all branches together.
    """
    years = pd.date_range("2015-01-01", periods=periods, freq="YS")
    rows = pd.DataFrame(alike(random, size * periods, names, shared)).add(
        trend * np.repeat(np.arange(periods), size), axis=0
    )
    return study(units=rows.assign(unit=np.tile(np.arange(size), periods).astype(str), period=np.repeat(years, size)))
