"""How the reports are, what is kept of them and for how long, and how all of a study is forgotten."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from analysis import report, timetable
from analysis.ledger import FAILED, GOOD, RETRY, Ledger
from analysis.making import Published
from analysis.notebooks import catalogue
from analysis.runs import OK
from analysis.settings import ScheduleSettings
from analysis.state import State
from analysis.studies import Studies, Study
from analysis.words import count, plural

WELL = "well"
# How long what is not needed any more is kept. The newest result of a run stays, and so does what waits to be run.
RESULTS, LINES, SLOTS = timedelta(days=30), timedelta(days=365), timedelta(days=365)


def status(studies: Studies, book: Ledger, *, out: Path, now: datetime) -> list[dict[str, Any]]:
    """How the report of each study is, a row a study; moments in UTC, in ISO form.

    In a row: study; state (well, overdue, retry, failed, stale: the worst of it); last_good (None: never); stale (a
    page shows an earlier report than it should); last attempt, its verdict and why; next_due; overdue (an hour after a
    slot there is no good report of since).
    """
    pages = Published.read(out).runs
    shown = {name: [row for row in pages if row["study"] == name] for name in studies}
    return [_status(studies[name], book.rows(name), shown[name], now) for name in studies]


def _status(study: Study, slots: list[dict[str, Any]], pages: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    since = [datetime.fromisoformat(row["good_since"]) for row in pages if row["good_since"]]
    whole = [min(since)] if pages and len(since) == len(pages) else []  # as old as the oldest of its pages
    good = max([*whole, *(row["ended"] for row in slots if row["state"] == GOOD)], default=None)
    last = max((row for row in slots if row["started"]), key=lambda row: row["started"], default=None)
    overdue = (told := study.schedule) is not None and (good is None or _next(told, good) <= now - timetable.ON_TIME)
    failed = last is not None and last["state"] in (FAILED, RETRY) and (good is None or last["started"] > good)
    stale = any(row["state"] != OK for row in pages)
    state = "overdue" if overdue else last["state"] if failed and last else "stale" if stale else WELL
    return {
        "study": study.name,
        "state": state,
        "last_good": good and good.isoformat(),
        "stale": stale,
        "last_attempt": last and last["started"].isoformat(),
        "verdict": last["state"] if last else "",
        "why": last["message"] if last else "",
        "next_due": told and _next(told, now).isoformat(),
        "overdue": overdue,
    }


def _next(told: ScheduleSettings, after: datetime) -> datetime:
    return next(timetable.slots(told.cron, told.timezone or "UTC", after=after))


def prune(state: State, book: Ledger, *, now: datetime) -> list[str]:
    """Takes away what is older than its time; returns what went, a sentence each."""
    results = [path for folder in state.cache.glob("*/*") for path in _by_age(folder)[1:]]
    kept = [path for path in (*results, *state.folder("manifests").glob("*.json")) if _age(path, now) > RESULTS]
    freed = sum(path.stat().st_size for path in kept)
    for path in kept:
        path.unlink()
    lines = _drop_lines(state, lambda line: now - datetime.fromisoformat(line["at"]) > LINES)
    slots = book.prune(before=now - SLOTS)
    return [
        f"{plural(len(kept), 'kept result')} older than {RESULTS.days} days: {count(freed / 1024)} KiB.",
        f"{plural(lines, 'log line')} older than {LINES.days} days.",
        f"{plural(slots, 'settled slot')} older than {SLOTS.days} days.",
    ]


def _by_age(folder: Path) -> list[Path]:
    """The results of one run, the newest first."""
    found = [path for path in folder.glob("*.json") if path.name != "last.json"]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _age(path: Path, now: datetime) -> timedelta:
    return now - datetime.fromtimestamp(path.stat().st_mtime, now.tzinfo)


def _drop_lines(state: State, goes: Callable[[dict[str, Any]], bool]) -> int:
    """Writes the log again without some of its lines; returns how many went."""
    if not state.log.exists():
        return 0
    lines = state.log.read_text("utf-8").splitlines(keepends=True)
    left = [line for line in lines if not goes(json.loads(line))]
    if len(left) < len(lines):
        fresh = state.log.with_suffix(".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.writelines(left)
        fresh.replace(state.log)
    return len(lines) - len(left)


def known(studies: Studies, state: State, book: Ledger, *, out: Path) -> set[str]:
    """Every study of which something is kept, or that the file names."""
    pages = {row["study"] for row in Published.read(out).runs}
    return {*studies, *pages, *(row["study"] for row in book.rows()), *(path.name for path in state.cache.iterdir())}


def forget(name: str, studies: Studies, state: State, book: Ledger, *, out: Path, runs: Path) -> list[str]:
    """Takes away everything that is kept of a study; returns what went, a sentence each.

    Args:
        name: the study.
        studies: the studies file, which is left as it is.
        state: loses its results, its log lines and all notes of which report is unchanged.
        book: loses its slots.
        out: the site; its earlier builds go too, because they show the study.
        runs: the folder of single runs.

    Raises:
        LoyaltyError: the site cannot be written; nothing was taken away.
    """
    told = []
    if (out / "index.html").exists():
        report.take_out(name, studies, out=out)
        quoted = "summaries that quote it, and the earlier builds of the site"
        told.append(f"its pages, findings and news in {out}, {quoted}")
    quoting = tuple(name for name, notebook in catalogue().items() if notebook.runs_last)
    summaries = [path for path in state.cache.glob("*/*") if path.name.startswith(quoting)]
    for what, folder in (
        ("its kept results", state.cache / name),
        ("its single runs", runs / name),
        *(("a kept summary that may quote it", path) for path in summaries),
    ):
        if folder.exists():
            shutil.rmtree(folder)
            told.append(f"{what}, {folder.parent.name}/{folder.name}")
    for manifest in state.folder("manifests").glob("*.json"):
        manifest.unlink()
    told.append(plural(_drop_lines(state, lambda line: line.get("study") == name), "log line"))
    told.append(plural(book.forget(name), "slot") + " of the ledger")
    return told
