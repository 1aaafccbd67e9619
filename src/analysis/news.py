"""What changed between two reports: data that arrived, new verdicts, figures that moved beyond their noise.

A figure has moved when the 95% interval of its difference leaves out nought. That interval is reckoned from the two
intervals as if the samples shared no customer (Zou & Donner 2008, Statistics in Medicine 27); reports that follow each
other share most, so they wiggle less. Only headlines make news; other readings of a claim are counted with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from analysis.exhibits import estimate_text
from analysis.studies import Study
from analysis.words import count, listing, plural

FILE, FEED = "news.json", "feed.xml"
KEPT = 50  # reports with news that are remembered; older ones leave the feed

Entries = Sequence[Mapping[str, Any]]
Tables = Mapping[str, Mapping[str, Any]]  # study -> table -> rows kept, and the last day seen


@dataclass(frozen=True)
class Item:
    """One piece of news.

    Attributes:
        kind: "data", "claim" (judged for the first time, or no longer), "verdict" or "figure".
        study, hypothesis: what it is about; no hypothesis for data.
        text: a sentence for readers.
        href: the page, relative to the site; "" where there is none.
    """

    kind: str
    study: str
    text: str
    hypothesis: str = ""
    href: str = ""


def tables_of(study: Study) -> dict[str, Any]:
    """Table -> rows kept and the last day seen (None where the table has none), for the study's checked tables."""
    return {
        table.name: {"rows": table.steps[-1].kept, "until": str(until) if until else None}
        for table in study.check().tables
        for until in [table.facts.get("observed_until")]
    }


# --- Comparing ----------------------------------------------------------------------------------------------------


def compare(before: Entries, after: Entries, *, tables: tuple[Tables, Tables] = ({}, {})) -> list[Item]:
    """What is new in the findings after a report, against those before; nothing where there were none before.

    Args:
        before, after: as in findings.json; studies that are on one side only make no news.
        tables: before and after, for each study what `tables_of` gives.
    """
    known = {entry["study"] for entry in before} & {entry["study"] for entry in after}
    then, now = ({(e["study"], e["hypothesis"]): e for e in es if e["headline"]} for es in (before, after))
    judged = [key for key in {**now, **then} if key[0] in known]
    return [
        *(item for study in sorted(known) for item in _arrived(study, *(side.get(study, {}) for side in tables))),
        *(item for key in judged for item in _judged(then.get(key), now.get(key), _others(before, after, key))),
    ]


def _arrived(study: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Item]:
    for name, now in after.items():
        then = before.get(name)
        if then is None or then == now:
            continue
        more = now["rows"] - then["rows"]
        fewer = plural(-more, "row fewer", "rows fewer") if more else "as many rows"
        rows = plural(more, "more row") if more > 0 else fewer
        until = f", seen until {now['until']} instead of {then['until']}" if now["until"] != then["until"] else ""
        yield Item("data", study, f"{name}: {rows} ({count(now['rows'])} now){until}.")


def _judged(then: Mapping[str, Any] | None, now: Mapping[str, Any] | None, others: int) -> Iterable[Item]:
    """The news about one claim in one study, at most one."""
    entry = now or then
    assert entry is not None
    about = {"study": entry["study"], "hypothesis": entry["hypothesis"]}
    place = f"{entry['study']}/{entry.get('run', entry['notebook'])}.html"
    more = f" So {'does' if others == 1 else 'do'} {plural(others, 'further reading')}." if others else ""
    if then is None or now is None:
        word = "is judged for the first time: " + entry["verdict"] if now else "is no longer judged"
        yield Item("claim", text=f"{entry['claim']} This {word}.", href=place if now else "", **about)
    elif then["verdict"] != now["verdict"]:
        text = f"{now['claim']} Was {then['verdict']}, is {now['verdict']}{_from_to(then, now)}.{more}"
        yield Item("verdict", text=text, href=place, **about)
    elif moved(then, now):
        yield Item("figure", text=f"{now['claim']} Still {now['verdict']}{_from_to(then, now)}.", href=place, **about)


def _from_to(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    told = [estimate_text(entry) for entry in (then, now)]
    if not all(told) or then["unit"] != now["unit"]:
        return ""
    return f"; the estimate stays {told[1]}" if told[0] == told[1] else f"; from {told[0]} to {told[1]}"


def moved(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a figure differs by more than two samples do; a compound finding moves when one of its parts does."""
    if then.get("parts") and now.get("parts"):
        known = {part["name"]: part for part in then["parts"]}
        return any(moved(known[part["name"]], part) for part in now["parts"] if part["name"] in known)
    if any(one.get(key) is None for one in (then, now) for key in ("estimate", "low", "high")):
        return False
    lower, upper = sorted((then, now), key=lambda one: one["estimate"])
    noise = math.hypot(lower["high"] - lower["estimate"], upper["estimate"] - upper["low"])
    return upper["estimate"] - lower["estimate"] > noise


def _others(before: Entries, after: Entries, key: tuple[str, str]) -> int:
    """How many further readings of a claim changed their verdict."""
    then, now = (
        {e["reading"]: e["verdict"] for e in es if (e["study"], e["hypothesis"]) == key and not e["headline"]}
        for es in (before, after)
    )
    return sum(then[reading] != word for reading, word in now.items() if reading in then)


# --- Remembering --------------------------------------------------------------------------------------------------


def read(site: Path) -> dict[str, Any]:
    """What a site remembers: tables (as last seen) and batches (at, items), the newest first."""
    file = site / FILE
    return json.loads(file.read_text("utf-8")) if file.exists() else {"tables": {}, "batches": []}


def remembered(before: Mapping[str, Any], items: Sequence[Item], *, tables: Tables, at: str) -> dict[str, Any]:
    """The memory after a report: a batch is added where there was news, and the oldest go."""
    batch = [{"at": at, "items": [asdict(item) for item in items]}] if items else []
    return {"tables": {**before["tables"], **tables}, "batches": [*batch, *before["batches"]][:KEPT]}


def without(memory: Mapping[str, Any], study: str) -> dict[str, Any]:
    """The memory less all that is about a study."""
    left = [batch | {"items": [i for i in batch["items"] if i["study"] != study]} for batch in memory["batches"]]
    tables = {name: seen for name, seen in memory["tables"].items() if name != study}
    return {"tables": tables, "batches": [batch for batch in left if batch["items"]]}


def feed(memory: Mapping[str, Any], *, titles: Mapping[str, str], url: str = "") -> str:
    """The news as an Atom feed (RFC 4287), one entry a report with news.

    Args:
        memory: from `remembered`.
        titles: of the studies.
        url: where the site is read; links are relative to it, and left out without it.
    """
    entries = "".join(_entry(batch, titles, url) for batch in memory["batches"])
    updated = memory["batches"][0]["at"] if memory["batches"] else "1970-01-01T00:00:00+00:00"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<title>Loyalty Lab: what changed</title><id>urn:loyalty-lab:news</id><updated>{updated}</updated>"
        f"<author><name>Loyalty Lab</name></author>{entries}</feed>\n"
    )


def _entry(batch: Mapping[str, Any], titles: Mapping[str, str], url: str) -> str:
    about = listing(list(dict.fromkeys(titles.get(item["study"], item["study"]) for item in batch["items"])))
    lines = "".join(f"<li>{escape(item['text'])}</li>" for item in batch["items"])
    link = f'<link href="{escape(url.rstrip("/") + "/index.html")}"/>' if url else ""
    return (
        f"<entry><title>{escape(plural(len(batch['items']), 'change') + ': ' + about)}</title>"
        f"<id>urn:loyalty-lab:news:{batch['at']}</id><updated>{batch['at']}</updated>{link}"
        f'<content type="html">{escape(f"<ul>{lines}</ul>")}</content></entry>'
    )
