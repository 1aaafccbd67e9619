"""Every defensible way of asking: one claim under a grid of choices, and what all of them say together.

A verdict that holds only for one length of window, or only with returns left out, is a verdict about the choice. So the
test of a claim is asked again under every combination of choices that a careful analyst might have made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from analysis import figures, findings, hypotheses
from analysis.estimates import Estimate, NotTestable
from analysis.exhibits import Figure, Text, say
from analysis.hypotheses.rules import SUPPORTED, VERDICTS, Compound, Directional
from analysis.studies import Study
from analysis.words import count, listing, plural

Ask = Callable[..., Any]


@dataclass(frozen=True)
class Specifications:
    """One claim under every combination of choices.

    Attributes:
        claim: its row in the register.
        choices: what was chosen, in order.
        table: one row a specification that can be tested: the choices (text), value, low, high, verdict (by the rule
            alone) and headline (true for one row).
        refused: one row a specification that cannot: the choices and note.
        unit, null: of the value, and where it says nothing.
        p: joint p-values under the null by name ("median", "support"); empty where the null was not drawn.
        draws: how often it was.
    """

    claim: str
    choices: list[str]
    table: pd.DataFrame
    refused: pd.DataFrame
    unit: str
    null: float
    p: Mapping[str, float]
    draws: int


def specify(
    claim: str,
    ask: Ask,
    frame: Any,
    grid: Mapping[str, Sequence[Any]],
    *,
    study: Study,
    part: str = "",
    shuffle: Callable[[Any, np.random.Generator], Any] | None = None,
    draws: int = 99,
    seed: int = 0,
) -> Specifications:
    """Ask one claim in every way.

    Args:
        claim: a row of the register.
        ask: the page's test: `ask(frame, **choices)` gives an Estimate, NotTestable, or parts.
        frame: what it is asked of.
        grid: choice -> its options; the first of each is the headline's.
        study: whose smallest effects count.
        part: of a compound rule, the part that is drawn; the first one if empty.
        shuffle: the frame as it could be if nothing had an effect, for joint inference: treatments or causes dealt
            out anew. None where there is no such null, as for claims of no effect.
        draws, seed: of that.

    Source: Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4: the median estimate over all specifications,
        and the number that support the claim, against the same under the null.
    """
    rule: Any = findings.rule_of(hypotheses.get(claim), study)[0]
    inner = rule
    if isinstance(rule, Compound):
        part = part or next(iter(rule.parts))
        inner = rule.parts[part].rule
    ways = [dict(zip(grid, options, strict=True)) for options in product(*grid.values())]
    rows, refused = [], []
    for place, way in enumerate(ways):
        answer, shown = ask(frame, **way), {name: str(option) for name, option in way.items()}
        drawn = answer[part] if isinstance(answer, Mapping) else answer
        if isinstance(drawn, NotTestable):
            refused.append(shown | {"note": drawn.reason})
            continue
        verdict = rule.judge(answer).word
        ends = {"value": drawn.value, "low": drawn.low, "high": drawn.high}
        rows.append(shown | ends | {"verdict": verdict, "headline": place == 0, "unit": drawn.unit})
    table = pd.DataFrame(rows, columns=[*grid, "value", "low", "high", "verdict", "headline", "unit"])
    unit, null = (table.pop("unit").iloc[0] if rows else ""), getattr(inner, "null", getattr(inner, "at_least", 0.0))
    p: dict[str, float] = {}
    if shuffle and isinstance(inner, Directional) and rows:
        p = _joint(table, inner, lambda rng: _under_null(ask, shuffle(frame, rng), ways, part, inner), draws, seed)
    return Specifications(claim, [*grid], table, pd.DataFrame(refused), unit, null, p, draws if p else 0)


def _under_null(ask: Ask, frame: Any, ways: Sequence[Mapping[str, Any]], part: str, rule: Directional) -> Any:
    """Values and support of each specification on data without the effect."""
    answers = [ask(frame, **way) for way in ways]
    drawn = [answer[part] if isinstance(answer, Mapping) else answer for answer in answers]
    kept: list[Estimate] = [answer for answer in drawn if not isinstance(answer, NotTestable)]
    return _summary([answer.value for answer in kept], [rule.supports(answer) for answer in kept], rule)


def _summary(values: Sequence[float], supports: Sequence[bool], rule: Directional) -> tuple[float, float]:
    """The median in the direction of the claim, and the share of specifications that support it."""
    side = 1 if rule.at_least > rule.null else -1
    return (float(np.median(values)) * side, float(np.mean(supports))) if len(values) else (-np.inf, 0.0)


def _joint(table: pd.DataFrame, rule: Directional, null: Callable[..., Any], draws: int, seed: int) -> dict[str, float]:
    seen = _summary(list(table["value"]), list(table["verdict"] == SUPPORTED), rule)
    drawn = np.array([null(rng) for rng in np.random.default_rng(seed).spawn(draws)])
    as_far = (drawn >= np.array(seen)).sum(axis=0)
    return {name: float((1 + times) / (1 + draws)) for name, times in zip(("median", "support"), as_far, strict=True)}


def curve(found: Specifications, *, name: str, y_label: str) -> Figure | Text:
    """All estimates in order of size, with the choices behind each."""
    if len(found.table) < 2:
        return say("{} can be asked in one way only on these data, so there is nothing to compare.", found.claim)
    return figures.specification_curve(
        found.table,
        name=name,
        title=_tally(found),
        unit=found.unit,
        choices=found.choices,
        y_label=y_label,
        reference=found.null,
        caption=_together(found),
    )


def _tally(found: Specifications) -> str:
    """How the verdicts fall, without a full stop."""
    seen = found.table["verdict"].value_counts()
    told = listing([f"{count(seen[word])} {word}" for word in VERDICTS if word in seen])
    return f"{found.claim} asked in {plural(len(found.table), 'way')}: {told}"


def _together(found: Specifications) -> str:
    """What the caption says: refused specifications and joint inference."""
    said = "Lines: 95% intervals, each for itself; verdicts by the rule alone, whatever the design can carry. "
    if len(found.refused):
        said += f"{plural(len(found.refused), 'further way')} cannot be tested: {found.refused['note'].iloc[0]} "
    if found.p:
        said += (
            f"All together: with causes dealt out anew {count(found.draws)} times, a median estimate as large comes up "
            f"with probability {found.p['median']:.2f}, as much support with {found.p['support']:.2f}."
        )
    return said.strip()


def flips(found: Specifications) -> Text:
    """Which choice, changed alone from the headline's, changes the verdict, in a sentence."""
    table = found.table
    if not table["headline"].any():
        return say("The headline of {} cannot be tested on these data.", found.claim)
    first = table[table["headline"]].iloc[0]
    turning = []
    for choice in found.choices:
        rest = [other for other in found.choices if other != choice]
        alone = table[(table[rest] == first[rest]).all(axis=1) & (table["verdict"] != first["verdict"])]
        turning += [f"{choice.replace('_', ' ')} {row[choice]} ({row['verdict']})" for _, row in alone.iterrows()]
    if not turning:
        return say("No choice, changed alone, changes the verdict on {}: {}.", found.claim, first["verdict"])
    return say("The verdict on {} is {}; it flips with {}.", found.claim, first["verdict"], listing(turning, "or"))
