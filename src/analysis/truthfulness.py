"""Do the tests tell the truth? The calibration of every test, as exhibits: how often each is right, and which fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis import calibrated, figures, hypotheses, laws
from analysis.boards import headlines
from analysis.calibrated import EXEMPT, FAILS, HOLDS, MISSING, NOTHING
from analysis.exhibits import Figure, Table, Text, say, tabulated
from analysis.hypotheses import FAMILIES
from analysis.hypotheses.rules import CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE
from analysis.studies import Study
from analysis.words import count, interval, listing, plural, quantity, spoken
from analysis.worlds import judged

NONE_YET = "No test has been tried out yet. The command: make calibrate."


class Kind(NamedTuple):
    """A rate that is asked for: which rows and columns hold it, its bound, and how it is told."""

    name: str
    chosen: Callable[[pd.DataFrame], Any]
    column: str
    bound: tuple[float, str]
    label: str
    title: str


def _in(world: str, removable: bool | None = None) -> Callable[[pd.DataFrame], Any]:
    def chosen(rows: pd.DataFrame) -> Any:
        there = rows["world"] == world
        return there if removable is None else there & (rows["removable"] == str(removable))

    return chosen


RIGHT, WRONG = (0.8, "at least so often"), (0.05, "at most so often")
KINDS = (
    Kind("true", _in("true"), "right", RIGHT, "Worlds in which it is true, and the test says so",
         "tests find a truth often enough"),
    Kind("nothing", _in("null"), "positive", WRONG, "Worlds in which there is nothing, and the test says yes",
         "tests seldom see what is not there"),
    Kind("reversed", _in("reversed"), "positive", WRONG, "Worlds in which the opposite is true, and the test says yes",
         "tests are not taken in by the opposite"),
    Kind("seeming", _in("artefact", True), "positive", WRONG, "Worlds in which it only seems so, and the test says yes",
         "tests see through what fools a naive reading"),
    Kind("coverage", lambda rows: rows["intervals"] > 0, "covered", (0.95, "as often as they say"),
         "95% intervals that hold the truth", "sets of intervals hold the truth about as often as they say"),
)  # fmt: skip
UNSEEN = _in("artefact", False)


def summary() -> Text:
    """How many tests were tried out, hold and fail."""
    each = [calibrated.standing(claim) for claim in hypotheses.REGISTER]
    rows: Any = calibrated.kept()
    if rows.empty:
        return say(NONE_YET)
    return say(
        "{} worlds were drawn for {}. Tests that hold: {}; that fail: {}. {} have not been tried, and for {} there is "
        "nothing to try ({}).",
        count(rows["n"].sum()), plural(rows["claim"].nunique(), "test"), each.count(HOLDS), each.count(FAILS),
        each.count(MISSING), each.count(EXEMPT), listing(list(NOTHING)),
    )  # fmt: skip


def rate(kind: Kind) -> Figure | Text:
    """One kind of rate for every claim, with its 99% Monte Carlo interval."""
    rows: Any = calibrated.kept()
    rows = rows[kind.chosen(rows)] if len(rows) else rows
    if rows.empty:
        return say("{}: nothing is known yet.", kind.label)
    shown = rows.assign(off=_off(rows, kind)).sort_values("off").drop_duplicates("claim", keep="last")
    good = shown["covered_holds" if kind.column == "covered" else "holds"] == "True"
    ends = {"value": kind.column, "low": f"{kind.column}_low", "high": f"{kind.column}_high"}
    return figures.dots(
        pd.DataFrame({"section": shown["claim"].str[0].map(FAMILIES), "label": shown["claim"]})
        .assign(**{name: shown[column].astype(float) for name, column in ends.items()})
        .sort_values("label"),
        name=f"rate-{kind.name}",
        title=f"{good.sum()} of {len(good)} {kind.title}",
        unit="share",
        x_label=kind.label,
        reference=kind.bound[0],
        reference_label=kind.bound[1],
        caption=f"{count(shown['n'].sum())} worlds; 99% intervals for having drawn no more of them.",
    )


def _off(rows: Any, kind: Kind) -> Any:
    """How far each rate lies on the wrong side of its bound; of intervals, on either side."""
    apart = rows[kind.column].astype(float) - kind.bound[0]
    return abs(apart) if kind.column == "covered" else -apart if kind.bound == RIGHT else apart


def _seen(rows: Any, kind: Kind) -> str:
    found = rows[kind.chosen(rows)]
    if found.empty:
        return "–"
    line = found.iloc[int(np.argmax(_off(found, kind)))]
    value, low, high = (f"{100 * float(line[kind.column + end]):.0f}" for end in ("", "_low", "_high"))
    return f"{value} ({low}–{high})"


def every_test() -> Table | Text:
    """Every claim with its rates, its sample and whether it holds."""
    heads = ["claim", "true", "nothing", "opposite", "seeming", "intervals", "sample", "calibration"]
    rows: Any = calibrated.kept()
    if rows.empty:
        return say(NONE_YET)
    lines = [
        (claim, *(_seen(own, kind) for kind in KINDS), own["size"].iloc[0], calibrated.standing(claim))
        for claim, own in rows.groupby("claim", sort=False)
    ]
    return Table(
        name="every-test",
        title="How often each test says yes, in per cent of worlds",
        rows=pd.DataFrame(lines, columns=heads),
        caption="Where the claim is true, the share of worlds with the verdict that is right there; elsewhere, with a "
        "wrong yes. Intervals: how often those of 95% hold the truth, in the kind of world where they do worst. In "
        "brackets 99% intervals for the number of worlds drawn; – where a claim has no such world.",
    )


def failures() -> Table | Text:
    """The tests that fail, and what goes wrong with each."""
    rows: Any = calibrated.kept()
    lines = [
        (row["claim"], hypotheses.get(row["claim"]).claim, _wrong(row))
        for row in rows[~calibrated.passed(rows)].to_dict("records")
    ]
    nothing = "No test fails." if len(rows) else NONE_YET
    return tabulated(
        "failures", "Tests whose verdict needs caution", ["row", "claim", "what goes wrong"], lines, nothing=nothing
    )


def _wrong(row: dict[str, Any]) -> str:
    where = {
        "true": "where the claim is true", "null": "where there is nothing", "reversed": "where the opposite is true",
        "artefact": f"where {row['artefact']}",
    }[row["world"]]  # fmt: skip
    said = []
    if row["holds"] != "True":
        rates = {"it is right in {} of worlds": row["right"], "it says yes in {} of worlds": row["positive"]}
        known = [told.format(quantity(float(rate), "share")) for told, rate in rates.items() if rate == rate]
        said.append(" and ".join(known))
    if row["covered_holds"] == "False":
        said.append(f"{quantity(float(row['covered']), 'share')} of its 95% intervals hold the truth")
    return f"{where[:1].upper()}{where[1:]}, {'; '.join(said)}."


def unseen() -> Table | Text:
    """What no design on the rung of a claim can see through, and how often its test then says yes to an association."""
    rows: Any = calibrated.kept()
    rows = rows[UNSEEN(rows)] if len(rows) else rows
    lines = [
        (row.claim, row.artefact, quantity(row.association_supported / row.n, "share"), row.supported)
        for row in rows.itertuples()
    ]
    heads = ["row", "what only seems so", "association supported", "supported (must be never)"]
    return tabulated(
        "unseen", "What these tests cannot see through", heads, lines, nothing="There is nothing of the kind."
    )


def made() -> Text:
    """How the table was made: seed, versions, cost, and the rows that are out of date."""
    from analysis.calibration import stale

    rows: Any = calibrated.kept()
    if rows.empty:
        return say(NONE_YET)
    old = sorted({claim for claim, bad in zip(rows["claim"], stale(rows), strict=True) if bad})
    return say(
        "Made by: make calibrate. Seed {}; {}. {} CPU hours in all. {}",
        int(rows["seed"].iloc[0]), listing(sorted(set(rows["versions"]))),
        quantity(float((rows["n"] * rows["cpu_seconds"]).sum()) / 3600, "ratio"),
        f"The tests of {listing(old)} have changed since: their rows speak of what they were." if old
        else "No test has changed since.",
    )  # fmt: skip


# --- One business whose truth is known ------------------------------------------------------------------------------

DECLARED = {"club": laws}  # simulated studies, each with the module that declares what is true in it
DISAGREES, OPEN, AGREES, UNAIMED = "disagrees", "open", "agrees", "nobody aimed"
NOT_DECLARED = "No truth is declared behind this study, or no verdict is recorded yet: there is nothing to compare."


def against_truth(entries: Iterable[Mapping[str, Any]], *, study: Study) -> pd.DataFrame:
    """The headline verdicts of a simulated study beside what was planted; empty where no truth is declared.

    Returns:
        One row a claim, disagreements first: row, claim, planted, laws, verdict, rung, and how the two agree.
    """
    known: Any = DECLARED.get(study.name) if study.simulated else None
    heads = ["row", "claim", "planted", "laws", "verdict", "rung", "agreement"]
    rows = [
        (claim, e["claim"], truth or UNAIMED, known.CLAIMS[claim], word, e["rung"], _agreement(truth, word))
        for e in (headlines(e for e in entries if e["study"] == study.name) if known else ())
        for claim, word, truth in [(e["hypothesis"], e["verdict"], known.planted(e["hypothesis"]))]
    ]
    order = [DISAGREES, OPEN, NOT_TESTABLE, AGREES, UNAIMED]
    return pd.DataFrame(rows, columns=heads).sort_values(
        "agreement", key=lambda each: each.map(order.index), kind="stable", ignore_index=True
    )


def _agreement(truth: str, verdict: str) -> str:
    """An association counts as the yes that a reader takes it for; where nothing is decided, a truth stays open."""
    if verdict == NOT_TESTABLE or not truth:
        return NOT_TESTABLE if verdict == NOT_TESTABLE else UNAIMED
    if verdict == INCONCLUSIVE:
        return OPEN
    return AGREES if (verdict == CONTRADICTED) == (truth != "true") else DISAGREES


def truth_table(entries: Iterable[Mapping[str, Any]], *, study: Study) -> Table | Text:
    """`against_truth`, for people."""
    rows = against_truth(entries, study=study)
    named = ([law for law in each.split() if law not in ("true", "null")] for each in rows["laws"])
    shown = rows.assign(laws=[spoken(", ".join(laws)).replace("-", "\N{MINUS SIGN}") for laws in named])
    note = (
        "A minus stands before a law that must lower, an exclamation mark before one that must do nothing; after a "
        "slash stands the size from which on it matters to the claim."
    )
    if rows.empty:
        return say(NOT_DECLARED)
    return Table(name="planted", title="What was planted, and what the tests say", rows=shown, caption=note)


def how_often_wrong(entries: Iterable[Mapping[str, Any]], *, study: Study) -> Text:
    """How many decided verdicts are wrong, against the one in twenty that every rule risks."""
    each = against_truth(entries, study=study)["agreement"].value_counts()
    wrong, decided = int(each.get(DISAGREES, 0)), int(each.get(DISAGREES, 0) + each.get(AGREES, 0))
    if not decided:
        return say(NOT_DECLARED)
    found = judged(wrong, decided, within=(0.0, WRONG[0]))
    return say(
        "{} of {} decided verdicts disagree with what was planted: {} (99% interval {}). Each test may go wrong once "
        "in twenty times, and {}. {} more are open, {} cannot be tested, and at {} nobody aimed.",
        wrong, decided, quantity(found.share, "share"), interval(round(found.low, 3), round(found.high, 3), "share"),
        "these are no more than that allows" if found.holds else "these are more than that allows",
        int(each.get(OPEN, 0)), int(each.get(NOT_TESTABLE, 0)), int(each.get(UNAIMED, 0)),
    )  # fmt: skip
