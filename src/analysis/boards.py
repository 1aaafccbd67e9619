"""The board: findings of one or many studies as tables for people, and the rows of the register that stay open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from analysis import hypotheses, words
from analysis.exhibits import Table, Text, estimate_text, say
from analysis.findings import available, waits_for
from analysis.hypotheses.rules import VERDICTS
from analysis.studies import Study

Entries = Iterable[Mapping[str, Any]]


def headlines(entries: Entries) -> list[Mapping[str, Any]]:
    """The entries that the board shows, in the order of the register."""
    order = {h: place for place, h in enumerate(hypotheses.REGISTER)}
    return sorted((e for e in entries if e["headline"]), key=lambda e: (order[e["hypothesis"]], e["study"]))


def _of(entries: Entries, study: Study) -> list[Mapping[str, Any]]:
    return [e for e in entries if e["study"] == study.name]


def _table(name: str, title: str, rows: list[tuple[Any, ...]], heads: list[str], nothing: str) -> Table | Text:
    return Table(name=name, title=title, rows=pd.DataFrame(rows, columns=heads)) if rows else say(nothing)


def summary(entries: Entries, *, study: Study) -> Text:
    """How many claims ended in each verdict."""
    words_of = [e["verdict"] for e in headlines(_of(entries, study))]
    if not words_of:
        return say("No finding is recorded for this study yet. Make a report first: loyalty report.")
    counted = words.listing([f"{words.count(words_of.count(v))} {v}" for v in VERDICTS if v in words_of])
    return say(
        "Of {} claims in the register, {} were tested on {}: {}.",
        len(hypotheses.REGISTER),
        len(words_of),
        study.title,
        counted,
    )


def verdicts(entries: Entries, *, study: Study) -> Table | Text:
    """One row a claim: verdict, estimate with its interval, and why."""
    rows = [
        (e["hypothesis"], e["claim"], e["verdict"], estimate_text(e), e["reason"])
        for e in headlines(_of(entries, study))
    ]
    heads = ["row", "claim", "verdict", "estimate (95% interval)", "why"]
    return _table("board", "The verdicts", rows, heads, "There is no verdict yet.")


def designs(entries: Entries, *, study: Study) -> Table | Text:
    """One row a claim: on how many cases it rests, and how they were used."""
    rows = [(e["hypothesis"], e["n"], e["events"], e["rung"], e["design"]) for e in headlines(_of(entries, study))]
    frame = pd.DataFrame(rows, columns=["row", "cases", "events", "rung", "design"]).astype(
        {"cases": "Int64", "events": "Int64"}
    )
    if frame.empty:
        return say("There is no finding yet.")
    note = "Rungs: " + "; ".join(f"{rung} {meaning}" for rung, meaning in hypotheses.register.RUNGS.items()) + "."
    return Table(name="designs", title="What each verdict rests on", rows=frame, caption=note)


def readings(entries: Entries, *, study: Study) -> Table | Text:
    """Every reading of every claim."""
    rows = [
        (e["hypothesis"], e["reading"] + (" (headline)" if e["headline"] else ""), e["verdict"], estimate_text(e))
        for e in _of(entries, study)
    ]
    heads = ["row", "reading", "verdict", "estimate (95% interval)"]
    return _table("readings", "Every reading of every claim", rows, heads, "There is no reading yet.")


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
    rows = {
        (e["hypothesis"], c["what"], c["name"], str(c["default"]), str(c["value"]), _when(c))
        for e in _of(entries, study)
        for c in e["changed"]
    }
    heads = ["row", "what", "name", "default", "here", "when"]
    nothing = "Every smallest effect and every parameter has the value that the register and the notebooks declare."
    return _table("changes", "What was changed", sorted(rows), heads, nothing)


def _when(change: Mapping[str, Any]) -> str:
    return "changed after the first run" if change.get("after_first_run") else "set before the first run"


def elsewhere(entries: Entries, *, study: Study) -> Table | Text:
    """The headline verdicts of other studies on the claims that this one tested."""
    entries = list(entries)
    mine = {e["hypothesis"]: e["verdict"] for e in headlines(_of(entries, study))}
    rows = [
        (e["hypothesis"], e["claim"], mine[e["hypothesis"]], e["study"], e["verdict"], estimate_text(e))
        for e in headlines(entries)
        if e["study"] != study.name and e["hypothesis"] in mine
    ]
    heads = ["row", "claim", "verdict here", "other study", "verdict there", "estimate there (95% interval)"]
    nothing = "No other study of this report tested the same claims."
    return _table("elsewhere", "The same claims in other studies", rows, heads, nothing)


def prospects(study: Study) -> Table:
    """For every row of the register: can these tables test it, and what is it waiting for?"""
    rows = [(h.id, h.claim, _state(h, missing), ", ".join(missing)) for h, missing in _missing(study)]
    frame = pd.DataFrame(rows, columns=["row", "claim", "state", "waits for"])
    order = {"can be tested": 0, "test not written": 1, "data missing": 2}
    return Table(
        name="prospects",
        title="What these tables can and cannot test",
        rows=frame.sort_values("state", key=lambda s: s.map(order), kind="stable"),
    )


def prospects_told(study: Study) -> Text:
    """How many claims these tables can test, how many wait for a test, how many for data."""
    states = [_state(h, missing) for h, missing in _missing(study)]
    return say(
        "These tables can test {} of {} claims today; {} more have the data and wait for their test to be written; "
        "{} wait for data that this study does not bring.",
        *(states.count("can be tested"), len(states), states.count("test not written"), states.count("data missing")),
    )


def open_rows(study: Study) -> Table:
    """The rows of the register without a verdict here, each with what it waits for."""
    rows = [
        (h.id, h.claim, ", ".join(missing) if missing else "its test is not written yet")
        for h, missing in _missing(study)
        if missing or not h.notebook
    ]
    return Table(
        name="open-rows",
        title="Open rows, and what each waits for",
        rows=pd.DataFrame(rows, columns=["row", "claim", "waits for"]),
    )


def _missing(study: Study) -> list[tuple[hypotheses.Hypothesis, list[str]]]:
    brought = available(study)
    return [(hypothesis, waits_for(hypothesis, brought)) for hypothesis in hypotheses.REGISTER.values()]


def _state(hypothesis: hypotheses.Hypothesis, missing: list[str]) -> str:
    return "data missing" if missing else "can be tested" if hypothesis.notebook else "test not written"
