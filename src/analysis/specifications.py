"""Every defensible way of asking: one claim under a grid of choices, and what all of them say together.

A verdict that holds only for one length of window, or only with returns left out, is a verdict about the choice. So the
test of a claim is asked again under every combination of choices that a careful analyst might have made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from analysis import estimates, figures, findings, hypotheses
from analysis.exhibits import Figure, Table, Text, in_unit, say
from analysis.hypotheses.rules import NOT_TESTABLE, SUPPORTED, VERDICTS, Compound, Part
from analysis.studies import Study
from analysis.words import MISSING, count, interval, listing, plural, spoken

Ask = Callable[..., Any]
RULE_ALONE = "verdicts by the rule alone, whatever the design can carry."
NO_WAY = "{} cannot be tested on these data in any way; the cards say what is missing."
CELLS = ["claim", "headline", "ways by verdict", "lowest to highest", "joint p", "flips with"]


@dataclass(frozen=True)
class Specifications:
    """One claim under every combination of choices.

    Attributes:
        claim: its row in the register.
        choices: what was chosen, in order.
        table: one row a specification that can be tested: the choices (text), value, low, high (of the first part),
            verdict (of the whole, by the rule alone) and headline (true for one row).
        parts: the same with a row for each part: part (its label; empty where a rule has none), unit and own (its
            verdict).
        refused: one row a specification that cannot: the choices and note.
        unit, null: of the value, and where it says nothing.
        p: joint p-values under the null by name: "support" of the whole, "median" of the first part, and the same of
            each part by its label; empty where the null was not drawn.
        draws: how often it was.
    """

    claim: str
    choices: list[str]
    table: pd.DataFrame
    parts: pd.DataFrame
    refused: pd.DataFrame
    unit: str
    null: float
    p: Mapping[str, float]
    draws: int


def specify(
    claim: str,
    ask: Ask,
    frame: Any,
    grid: Mapping[str, Sequence[Any] | Mapping[str, Any]],
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
        ask: the page's test: `ask(frame, **choices)` gives an Estimate, NotTestable, or parts. Where a choice changes
            the frame itself, it takes what the frame is made of, and makes it.
        frame: what it is asked of.
        grid: choice -> its options, or their names with what `ask` is given for each; the first is the headline's,
            and options of one name are asked once.
        study: whose smallest effects count.
        part: of a compound rule, the only part that is shown; all of them if empty. A way that none of them can be
            read in is refused.
        shuffle: the frame as it could be if nothing had an effect, for joint inference: treatments or causes dealt
            out anew. None where there is no such null, as for claims of no effect.
        draws, seed: of that.

    Source: Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4: the median estimate over all specifications,
        and the number that support the claim, against the same under the null.
    """
    row = hypotheses.get(claim)
    rule: Any = findings.rule_of(row, study)[0]
    parts = rule.parts if isinstance(rule, Compound) else {"": Part(rule, row.unit)}
    parts = {part: parts[part]} if part else parts
    named = {c: o if isinstance(o, Mapping) else {str(each): each for each in o} for c, o in grid.items()}

    def asked(data: Any) -> pd.DataFrame:
        return pd.DataFrame(
            {**dict(zip(grid, names, strict=True)), "verdict": verdict.word, "why": verdict.reason, **told}
            for names in product(*named.values())
            for answer in [ask(data, **{c: named[c][name] for c, name in zip(grid, names, strict=True)})]
            for verdict in [rule.judge(answer)]
            for told in _parts(answer, rule, parts)
        )

    everything = asked(frame)
    everything["headline"] = everything.index < len(parts)
    tested = everything["value"].groupby(everything.index // len(parts)).transform("count") > 0
    once = everything["part"] == everything["part"].iloc[0]
    table = everything.loc[tested & once, [*grid, "value", "low", "high", "verdict", "headline"]]
    refused = everything.loc[~tested & once, [*grid, "why"]].rename(columns={"why": "note"})
    first = next(iter(parts.values()))
    null = next((getattr(first.rule, at) for at in ("null", "at_least", "low") if hasattr(first.rule, at)), 0.0)
    p: dict[str, float] = {}
    if shuffle and tested.any() and hasattr(first.rule, "at_least"):
        seen = _stand(everything)
        drawn = [_stand(asked(shuffle(frame, rng))) for rng in np.random.default_rng(seed).spawn(draws)]
        p = {name: (1 + sum(far.get(name, -np.inf) >= at for far in drawn)) / (1 + draws) for name, at in seen.items()}
        p["median"] = p.get(everything["part"].iloc[0], np.nan)
    table, tests, refused = (shown.reset_index(drop=True) for shown in (table, everything[tested], refused))
    return Specifications(claim, [*grid], table, tests, refused, first.unit, null, p, draws if p else 0)


def _parts(answer: Any, rule: Any, parts: Mapping[str, Part]) -> Iterator[dict[str, Any]]:
    """For each part its label, unit, verdict, value with interval, and value in the direction that it claims."""
    for name, one in parts.items():
        single = answer[name] if isinstance(answer, Mapping) else answer
        ends, least = estimates.columns(single), getattr(one.rule, "at_least", np.nan)  # without one, no direction
        side = -1 if getattr(one.rule, "below", least < getattr(one.rule, "null", 0.0)) else 1
        own = {"part": rule.label(name) if name else "", "unit": one.unit, "own": one.rule.judge(single).word}
        yield own | ends | {"claimed": side * ends["value"] if np.isfinite(least) else np.nan}


def _stand(asked: pd.DataFrame) -> dict[str, float]:
    """The share of ways that support the claim, and of each part the median in the direction that it claims."""
    words = asked.loc[asked["verdict"] != NOT_TESTABLE, "verdict"]
    medians = asked.groupby("part", sort=False)["claimed"].median()
    return dict(pd.concat([pd.Series({"support": (words == SUPPORTED).mean()}), medians]).dropna())


def read(answers: Any, **choices: Any) -> Any:
    """The `ask` for answers that a page has at hand, such as a claim's readings: by choice, from outside in.

    Several choices in a row may be one key, as a tuple.
    """
    left = tuple(choices.values())
    while left:
        keys = [left[:n] for n in range(len(left), 1, -1) if isinstance(answers, Mapping) and left[:n] in answers]
        answers, left = estimates.part(answers, (keys or left)[0]), left[len(keys[0]) if keys else 1 :]
    return answers


def framed(frames: Mapping[Any, pd.DataFrame], test: Ask, *, deal: str, **telling: Any) -> tuple[Any, Any]:
    """Answers to `read`, from frames that the choices made, and their `shuffle` for joint inference.

    Args:
        frames: by the choices that made them; customer tells who each row is, once a frame.
        test: `test(frame, **telling)` gives the answer, or answers by the choices that are left.
        deal: the column that is dealt out anew.
        telling: of the test.
    """

    def answers(asked: Mapping[Any, pd.DataFrame]) -> dict[Any, Any]:
        return {made: test(frame, **telling) for made, frame in asked.items()}

    seats = seated(frames)
    return answers(frames), lambda _, rng: answers(dealt(frames, deal, rng, seats))


def seated(frames: Mapping[Any, pd.DataFrame]) -> list[np.ndarray]:
    """For each frame the place of its customers among those of all frames."""
    everyone = np.unique(np.concatenate([frame["customer"] for frame in frames.values()]))
    return [np.searchsorted(everyone, frame["customer"]) for frame in frames.values()]


def dealt(
    frames: Mapping[Any, pd.DataFrame], column: str, rng: np.random.Generator, seats: Sequence[np.ndarray]
) -> dict[Any, pd.DataFrame]:
    """A column of each frame dealt out anew among its customers: to the same others in all, as far as they are there.

    Args:
        frames: by the choices that made them; customer tells who each row is, once a frame.
        column: of each of them.
        rng: decides who gets whose.
        seats: of the frames, as `seated` gives them.
    """
    giver = rng.permutation(1 + max(who.max(initial=-1) for who in seats))
    found = {}
    for (made, frame), who in zip(frames.items(), seats, strict=True):
        place = np.full(len(giver), -1)
        place[who] = np.arange(len(frame))
        given = giver[who]
        while (absent := place[given] < 0).any():  # who is not there passes on to the next
            given[absent] = giver[given[absent]]
        found[made] = frame.assign(**{column: frame[column].to_numpy()[place[given]]})
    return found


def summary(found: Sequence[Specifications], *, name: str = "every-way") -> Table | Text:
    """What every way of asking says of each claim of a page: a row a claim, and one a part of a compound rule."""
    asked = [each for each in found if len(each.table)]
    never = listing([each.claim for each in found if not len(each.table)])
    if not asked:
        return say(NO_WAY, never)
    said = [RULE_ALONE.capitalize()]
    said += [f"{each.claim}: {_further(each)}" for each in asked if len(each.refused)]
    if drawn := [f"{each.claim} {plural(each.draws, 'time')}" for each in asked if each.p]:
        said.append(
            f"Joint p, with causes dealt out anew ({listing(drawn)}): the probability that the middle estimate is as "
            "large; then, or in a row of its own above the parts, that as many ways support the claim."
        )
    if len(drawn) < len(asked):
        said.append("No joint p: a claim of no effect, of a range or an identity, or one without a cause to deal out.")
    said += [f"Not testable in any way: {never}."] * bool(never)
    rows = pd.DataFrame([row for each in asked for row in _rows(each)], columns=CELLS)
    rows = rows if drawn else rows.drop(columns="joint p")
    return Table(name=name, title="Each claim asked in every defensible way", rows=rows, caption=" ".join(said))


def _rows(found: Specifications) -> Iterator[dict[str, str]]:
    """What `summary` says of one claim, and below it of each of its parts."""
    p = {name: f"{p:.2f}" for name, p in found.p.items()}
    flat = found.parts["part"].eq("").all()
    if not flat:
        yield _cells(found, found.table) | {"claim": found.claim, "joint p": p.get("support", MISSING)}
    for label, rows in found.parts.groupby("part", sort=False):
        unit, one = rows["unit"].iloc[0], rows.drop(columns="verdict").rename(columns={"own": "verdict"})
        told, seen = _cells(found, one), rows["value"].dropna()
        first = next(iter(rows.loc[rows["headline"], "value"]), np.nan)
        yield told | {
            "claim": found.claim if flat else f"{found.claim}: {label}",
            "headline": f"{in_unit(first, unit)} ({told['headline']})",
            "lowest to highest": interval(seen.min(), seen.max(), unit) if len(seen) else MISSING,
            "joint p": "; ".join(filter(None, [p.get(str(label), MISSING), p.get("support") if flat else None])),
        }


def _cells(found: Specifications, rows: pd.DataFrame) -> dict[str, str]:
    """The headline's verdict, those of all ways, and what flips it: of a claim or of a part."""
    headline = next(iter(rows.loc[rows["headline"], "verdict"]), NOT_TESTABLE)
    turning = listing(_turning(rows, found.choices), "or") or "no choice alone"
    return {
        "headline": headline,
        "ways by verdict": _verdicts(rows["verdict"]),
        "lowest to highest": MISSING,
        "flips with": MISSING if headline == NOT_TESTABLE else turning,
    }


def curve(found: Specifications, *, name: str, y_label: str) -> Figure | Text:
    """All estimates in order of size, with the choices behind each."""
    if found.table.empty:
        return say(NO_WAY, found.claim)
    if len(found.table) < 2:
        return say("{} can be asked in one way only on these data, so there is nothing to compare.", found.claim)
    return figures.specification_curve(
        found.table.dropna(subset="value"),
        name=name,
        title=f"{found.claim} asked in {plural(len(found.table), 'way')}: {_verdicts(found.table['verdict'])}",
        unit=found.unit,
        choices=found.choices,
        y_label=y_label,
        reference=found.null,
        caption=_together(found),
    )


def _verdicts(words: pd.Series) -> str:
    """How verdicts fall: "2 supported and 1 inconclusive"."""
    seen = words.value_counts()
    return listing([f"{count(seen[word])} {word}" for word in VERDICTS if word in seen])


def _together(found: Specifications) -> str:
    """What the caption says: refused specifications and joint inference."""
    said = f"Lines: 95% intervals, each for itself; {RULE_ALONE} {_further(found)} "
    if "support" in found.p:
        said += (
            f"All together: with causes dealt out anew {count(found.draws)} times, a median estimate as large comes up "
            f"with probability {found.p['median']:.2f}, as much support with {found.p['support']:.2f}."
        )
    return " ".join(said.split())


def _further(found: Specifications) -> str:
    """How many ways cannot be tested, and why the first cannot."""
    notes = found.refused["note"]
    return f"{plural(len(notes), 'further way')} cannot be tested: {notes.iloc[0]}" if len(notes) else ""


def flips(found: Specifications) -> Text:
    """Which choice, changed alone from the headline's, changes the verdict, in a sentence."""
    if not found.table["headline"].any():
        return say("The headline of {} cannot be tested on these data.", found.claim)
    word, turning = (
        found.table.loc[found.table["headline"], "verdict"].iloc[0],
        listing(_turning(found.table, found.choices), "or"),
    )
    if not turning:
        return say("No choice, changed alone, changes the verdict on {}: {}.", found.claim, word)
    return say("The verdict on {} is {}; it flips with {}.", found.claim, word, turning)


def _turning(rows: pd.DataFrame, choices: Sequence[str]) -> list[str]:
    """The choices that, changed alone from the headline's, change the verdict."""
    turning = []
    for _, first in rows[rows["headline"]].iterrows():
        for choice in choices:
            rest = [other for other in choices if other != choice]
            alone = rows[(rows[rest] == first[rest]).all(axis=1) & (rows["verdict"] != first["verdict"])]
            turning += [f"{spoken(choice)} {row[choice]} ({row['verdict']})" for _, row in alone.iterrows()]
    return turning
