"""Choices that a careful analyst might have made otherwise: how answers are prepared, which days count; and by chance.

What `specifications.specify` asks in every way comes from here where the choice is not the test's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import afterwards, customers
from analysis.afterwards import Afterwards
from analysis.estimates import NotTestable
from analysis.scales import HALF, Answers
from analysis.tables import TableError

if TYPE_CHECKING:
    from analysis.studies import Study

LAST, FIRST = "last of each customer", "first of each customer"
MEAN, SINGLE = "mean of its questions", "its first question"
PARTLY, WHOLE = "half answered", "all answered"
NUMBERS, RANKS = "as numbers", "as ranks"
WAYS = {"answer": (LAST, FIRST), "score": (MEAN, SINGLE), "gaps": (PARTLY, WHOLE), "scale": (NUMBERS, RANKS)}


def grid(found: Answers, *names: str, **others: Any) -> dict[str, Any]:
    """Choice -> its options, the headline's first: others, and those of `WAYS` that change anything in this survey."""
    asked = found.constructs.values()
    changes = {
        "answer": len(found.latest().items) < len(found.items),
        "score": any(len(own) > 1 for own in asked),
        "gaps": any(found.items[list(own)].isna().mean(axis=1).between(0.01, HALF).any() for own in asked),
        "scale": True,
    }
    return others | {name: WAYS[name] for name in names if changes[name]}


def prepared(
    found: Answers, *, answer: str = "", score: str = MEAN, gaps: str = PARTLY, scale: str = NUMBERS
) -> Answers:
    """The survey as somebody else might have prepared it.

    Args:
        found: the answers.
        answer: which questionnaire of a customer counts; all of them if empty.
        score: a construct is the mean of its questions, or the first of them.
        gaps: whether a construct may have unanswered questions.
        scale: answers as numbers, or only their order: mean ranks, stretched over the question's scale.
    """
    if answer == LAST:
        found = found.latest()
    elif answer and "customer_id" in found.who:
        order = found.who.sort_values([n for n in ("answered_at", "wave") if n in found.who], kind="stable")
        found = found.only(~order.duplicated("customer_id").sort_index())
    if score == SINGLE:
        levels = {name: _first(level) for name, level in found.dimensions.items()}
        found = replace(found, constructs=_first(found.constructs), dimensions=levels)
    items = found.items
    if gaps == WHOLE:
        items = items.copy()
        for own in map(list, found.constructs.values()):
            items.loc[found.items[own].isna().any(axis=1), own] = np.nan
    if scale == RANKS:
        low, high = np.array([found.scale[item] or (0.0, 1.0) for item in map(str, items)]).T
        items = low + items.rank(pct=True) * (high - low)
    return replace(found, items=items)


def _first(named: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {name: items[:1] for name, items in named.items()}


def _over(frame: Any, change: Callable[[Answers], Answers]) -> Any:
    """A frame with all its answers changed, however it holds them."""
    if isinstance(frame, Mapping):
        return {name: _over(each, change) for name, each in frame.items()}
    if isinstance(frame, Afterwards):
        return replace(frame, answers=change(frame.answers))
    return change(frame) if isinstance(frame, Answers) else frame


def asking(
    test: Callable[..., Any],
    *first: Any,
    pick: str = "window",
    at: int | None = None,
    reading: str = "",
    called: Mapping[str, str] | None = None,
    **fixed: Any,
) -> Callable[..., Any]:
    """A page's test as `specifications.specify` asks it.

    Args:
        test: takes `first`, a frame (by the names in it where it is a mapping) and `fixed`.
        pick: the choice that picks one of several frames.
        at: which of several things that the test says is meant.
        reading: which of several readings; also a choice.
        called: choice -> the test's name for it, where readers need another.
        first, fixed: what no choice changes.

    Returns:
        A function of a frame (Answers, Afterwards, or mappings of such) and of choices: `pick`, those of `WAYS`, which
        prepare the answers, `reading`, and arguments of the test.
    """

    def ask(frame: Any, **choices: Any) -> Any:
        read = choices.pop("reading", reading)
        ways = {name: choices.pop(name) for name in WAYS if name in choices}
        there = frame[choices.pop(pick)] if pick in choices else frame
        there = _over(there, lambda found: prepared(found, **ways))
        if isinstance(there, NotTestable):
            return there
        named, unnamed = (there, ()) if isinstance(there, Mapping) else ({}, (there,))
        own = {(called or {}).get(name, name): option for name, option in choices.items()}
        said = test(*first, *unnamed, **named, **fixed, **own)
        said = said if at is None else said[at]
        none = NotTestable(f"There is no reading {read} here.")
        return said.get(read, none) if read and isinstance(said, Mapping) else said

    return ask


def dealing(*causes: str) -> Callable[[Any, np.random.Generator], Any]:
    """What deals the answers about some constructs out anew among all questionnaires, so that nothing follows them.

    Each questionnaire gets those of its neighbour in a random order. The order hangs on who and what was asked and not
    on the row, so that windows of different length are dealt alike.
    """

    def deal(frame: Any, random: np.random.Generator) -> Any:
        salt = random.integers(2**62, dtype=np.uint64) * np.uint64(2) + np.uint64(1)

        def dealt(found: Answers) -> Answers:
            names = list(dict.fromkeys(item for cause in causes for item in found.constructs.get(cause, ())))
            order = np.argsort(pd.util.hash_pandas_object(found.items.join(found.who), index=False).to_numpy() * salt)
            before = found.items[names].iloc[np.roll(order, 1)].set_axis(order, axis=0).sort_index()
            items = found.items.assign(**{name: before[name].to_numpy() for name in names})
            return replace(found, items=items)

        return _over(frame, dealt)

    return deal


def dated_back(
    lab: Study, found: Answers, *, days: int, once: bool = False, returns: str, order: str
) -> Afterwards | NotTestable:
    """Orders around each answer as if it had come `days` earlier: what then counts as later lies before the answer.

    For a negative control: what an answer cannot have moved. The arguments are those of `afterwards.in_study`.
    """
    if not (lab.has("orders") and lab.has("surveys")):
        return NotTestable("The study has no orders beside its surveys.")
    bought = customers.purchases(lab.table("orders"), returns=returns, order=order)
    later, days_on = afterwards.happenings(bought), pd.Timedelta(days=days)
    later = later.mutate(day=later.day.cast("timestamp") + days_on).mutate(day=lambda t: t.day.date())
    first = bought.rows.ordered_on.min().to_pyarrow().as_py()
    span = {"since": first + days_on, "until": bought.observed_until + days_on}
    try:
        return afterwards.afterwards(found, lab.table("surveys"), later, **span, days=days, once=once)
    except TableError as error:
        return NotTestable(str(error))
