"""The board: findings of one or many studies as tables for people, and the rows of the register that stay open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import pandas as pd

from analysis import hypotheses, words
from analysis.calibrated import CAUTIONS, FAILS
from analysis.estimates import in_brief
from analysis.exhibits import Table, Text, estimate_text, say, tabulated
from analysis.findings import available, waits_for
from analysis.hypotheses.anchors import ANCHORS
from analysis.hypotheses.multiplicity import survivors
from analysis.hypotheses.rules import ALPHA, ASSOCIATION, SUPPORTED, VERDICTS
from analysis.pooling import pools
from analysis.studies import Study

Entries = Iterable[Mapping[str, Any]]

ESTIMATE = "estimate (95% interval)"
# What a column of the board shows of an entry, by its heading.
COLUMNS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "row": itemgetter("hypothesis"),
    "claim": itemgetter("claim"),
    "reading": lambda entry: entry["reading"] + (" (headline)" if entry["headline"] else ""),
    "verdict": itemgetter("verdict"),
    ESTIMATE: estimate_text,
    "why": lambda entry: " ".join([entry["reason"], *([CAUTIONS[FAILS]] * (entry.get("calibration") == FAILS))]),
    "cases": itemgetter("n"),
    "events": itemgetter("events"),
    "rung": itemgetter("rung"),
    "design": itemgetter("design"),
}
CAN, UNWRITTEN, MISSING = "can be tested", "test not written", "data missing"  # the states of a claim in a study


def headlines(entries: Entries) -> list[Mapping[str, Any]]:
    """The entries that the board shows, in the order of the register."""
    order = {h: place for place, h in enumerate(hypotheses.REGISTER)}
    return sorted((e for e in entries if e["headline"]), key=lambda e: (order[e["hypothesis"]], e["study"]))


def _of(entries: Entries, study: Study) -> list[Mapping[str, Any]]:
    return [e for e in entries if e["study"] == study.name]


def _columns(entries: Entries, headings: Sequence[str]) -> list[tuple[Any, ...]]:
    return [tuple(COLUMNS[heading](entry) for heading in headings) for entry in entries]


def summary(entries: Entries, *, study: Study) -> Text:
    """How many claims ended in each verdict."""
    words_of = [e["verdict"] for e in headlines(_of(entries, study))]
    if not words_of:
        return say("No finding is recorded for this study yet. Make a report first: loyalty report.")
    counted = words.listing([f"{words.count(words_of.count(v))} {v}" for v in VERDICTS if v in words_of])
    told = "Of {} claims in the register, {} were asked of {}: {}."
    return say(told, len(hypotheses.REGISTER), len(words_of), study.title, counted)


def verdicts(entries: Entries, *, study: Study) -> Table | Text:
    """One row a claim: verdict, estimate with its interval, and why."""
    heads = ["row", "claim", "verdict", ESTIMATE, "why"]
    rows = _columns(headlines(_of(entries, study)), heads)
    return tabulated("board", "The verdicts", heads, rows, nothing="There is no verdict yet.")


def designs(entries: Entries, *, study: Study) -> Table | Text:
    """One row a claim: on how many cases it rests, and how they were used."""
    heads = ["row", "cases", "events", "rung", "design"]
    frame = pd.DataFrame(_columns(headlines(_of(entries, study)), heads), columns=heads)
    if frame.empty:
        return say("There is no finding yet.")
    note = "Rungs: " + "; ".join(f"{rung} {meaning}" for rung, meaning in hypotheses.register.RUNGS.items()) + "."
    rows = frame.astype({"cases": "Int64", "events": "Int64"})
    return Table(name="designs", title="What each verdict rests on", rows=rows, caption=note)


def readings(entries: Entries, *, study: Study) -> Table | Text:
    """Every reading of every claim."""
    heads = ["row", "reading", "verdict", ESTIMATE]
    rows = _columns(_of(entries, study), heads)
    return tabulated("readings", "Every reading of every claim", heads, rows, nothing="There is no reading yet.")


def disagreements(entries: Entries, *, study: Study) -> Text:
    """Which claims change their verdict with the reading."""
    seen: dict[str, set[str]] = {}
    for e in _of(entries, study):
        seen.setdefault(e["hypothesis"], set()).add(e["verdict"])
    split = [f"{h} ({words.listing(sorted(v))})" for h, v in seen.items() if len(v) > 1]
    if not split:
        return say("No verdict depends on the reading.")
    return say("The verdict depends on the reading for {}.", words.listing(split))


def changes(entries: Entries, *, study: Study) -> Table | Text:
    """Smallest effects and parameters that differ from their defaults."""
    heads = ["row", "what", "name", "default", "here", "when"]
    rows = {
        (e["hypothesis"], c["what"], c["name"], str(c["default"]), str(c["value"]), _when(c))
        for e in _of(entries, study)
        for c in e["changed"]
    }
    nothing = "Every smallest effect and every parameter has the value that the register and the notebooks declare."
    return tabulated("changes", "What was changed", heads, sorted(rows), nothing=nothing)


def _when(change: Mapping[str, Any]) -> str:
    return "changed after the first run" if change.get("after_first_run") else "set before the first run"


def _counted(entries: Entries, study: Study) -> list[tuple[Mapping[str, Any], float]]:
    """Headlines that rest on a sample, each with its p-value adjusted for all of them."""
    asked = [e for e in headlines(_of(entries, study)) if e.get("p_support") is not None]
    return list(zip(asked, survivors([e["p_support"] for e in asked]), strict=True))


def together(entries: Entries, *, study: Study) -> Table | Text:
    """Every supported claim, and whether it still is when all claims of the study are counted together."""
    heads = ["row", "claim", "verdict", "p alone", "p among all"]
    rows = [
        (e["hypothesis"], e["claim"], e["verdict"], *map(_p, (e["p_support"], p)))
        for e, p in _counted(entries, study)
        if e["verdict"] in (SUPPORTED, ASSOCIATION)
    ]
    return tabulated(
        "together", "Counted together", heads, rows, nothing="No claim that rests on a sample is supported."
    )


def _p(value: float) -> str:
    return "below 0.0001" if value < 0.0001 else f"{value:.4f}"


def together_told(entries: Entries, *, study: Study) -> Text:
    """How many supported claims survive Benjamini and Hochberg's correction."""
    counted = _counted(entries, study)
    held = [p for e, p in counted if e["verdict"] in (SUPPORTED, ASSOCIATION)]
    return say(
        "{} of this study rest on a sample. Counted together, so that of those named one in twenty is named by chance, "
        "{} of {} supported ones stay.",
        words.plural(len(counted), "claim"),
        sum(p <= ALPHA for p in held),
        len(held),
    )


def pooled(entries: Entries, *, study: Study) -> Table | Text:
    """Claims that several studies answered, with what those say together and what a further one may expect."""
    entries = list(entries)
    mine = {e["hypothesis"] for e in headlines(_of(entries, study))}
    heads = [
        "row",
        "claim",
        "studies",
        "together (95% interval)",
        "expected of a further study",
        "apart by more than chance",
    ]
    rows = [
        (
            each.claim,
            each.text,
            ", ".join(e["study"] for e in each.entries),
            in_brief(each.together),
            words.interval(*each.expected, each.unit) if each.expected else "needs three studies",
            words.quantity(each.apart, "share"),
        )
        for each in pools(entries)
        if each.claim in mine
    ]
    nothing = "No claim of this study was answered by another one of its kind, so there is nothing to pool."
    return tabulated("pooled", "What studies say together", heads, rows, nothing=nothing)


def published(entries: Entries, *, study: Study) -> Table | Text:
    """What was published on the size of the effects that this study asked for."""
    rows = [
        (e["hypothesis"], estimate_text(e), found)
        for e in headlines(_of(entries, study))
        for found in ANCHORS.get(e["hypothesis"], ())
    ]
    heads = ["row", "estimate here", "published"]
    return tabulated("published", "For scale", heads, rows, nothing="No published size of these effects is on record.")


def elsewhere(entries: Entries, *, study: Study) -> Table | Text:
    """The headline verdicts of other studies on the claims that this one tested."""
    entries = list(entries)
    mine = {e["hypothesis"]: e["verdict"] for e in headlines(_of(entries, study))}
    heads = ["row", "claim", "verdict here", "other study", "verdict there", "estimate there (95% interval)"]
    rows = [
        (e["hypothesis"], e["claim"], mine[e["hypothesis"]], e["study"], e["verdict"], estimate_text(e))
        for e in headlines(entries)
        if e["study"] != study.name and e["hypothesis"] in mine
    ]
    nothing = "No other study of this report tested the same claims."
    return tabulated("elsewhere", "The same claims in other studies", heads, rows, nothing=nothing)


def prospects(study: Study) -> Table:
    """For every row of the register: can these tables test it, and what is it waiting for?"""
    states = _register(study)
    rows = pd.concat([states[states["state"] == state] for state in (CAN, UNWRITTEN, MISSING)])
    return Table(name="prospects", title="What these tables can and cannot test", rows=rows)


def prospects_told(study: Study) -> Text:
    """How many claims these tables can test, how many wait for a test, how many for data."""
    states = list(_register(study)["state"])
    return say(
        "These tables can test {} of {} claims today; {} more have the data and wait for their test to be written; "
        "{} wait for data that this study does not bring.",
        *(states.count(CAN), len(states), states.count(UNWRITTEN), states.count(MISSING)),
    )


def open_rows(study: Study) -> Table:
    """The rows of the register without a verdict here, each with what it waits for."""
    states = _register(study)
    rows = states[states["state"] != CAN].replace({"waits for": {"": "its test is not written yet"}})
    return Table(name="open-rows", title="Open rows, and what each waits for", rows=rows.drop(columns="state"))


def _register(study: Study) -> pd.DataFrame:
    """One row a claim of the register: row, claim, state here, and the data it waits for."""
    brought = available(study)
    rows = []
    for row in hypotheses.REGISTER.values():
        missing = ", ".join(waits_for(row, brought))
        rows.append((row.id, row.claim, MISSING if missing else CAN if row.notebook else UNWRITTEN, missing))
    return pd.DataFrame(rows, columns=["row", "claim", "state", "waits for"])
