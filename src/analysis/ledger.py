"""The ledger of the schedule: what was due, who is at it, and what became of it, in one SQLite file.

A slot is a study and a moment at which its report was due; each is written down once. It is claimed in one
transaction, with a lease that its runner renews. A runner that dies cannot renew it, and the slot is claimed again.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from analysis import timetable
from analysis.settings import ScheduleSettings

DUE, RUNNING, RETRY, GOOD, FAILED, SKIPPED = "due", "running", "retry", "good", "failed", "skipped"
LEASE = timedelta(minutes=2)

_TABLES = (
    "watched (study TEXT PRIMARY KEY, cron TEXT, timezone TEXT, looked INTEGER)",
    "slots (study TEXT, slot INTEGER, state TEXT, attempts INTEGER DEFAULT 0, until INTEGER DEFAULT 0, claim TEXT,"
    " started INTEGER, ended INTEGER, message TEXT DEFAULT '', UNIQUE (study, slot))",
)


@dataclass(frozen=True)
class Claim:
    """A slot in the hands of one runner."""

    study: str
    slot: datetime
    attempt: int
    name: str


class Ledger:
    """The slots of one state folder; safe for several processes at once. Moments are kept in whole seconds."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with self._book() as book:
            for table in _TABLES:
                book.execute(f"CREATE TABLE IF NOT EXISTS {table}")

    @contextmanager
    def _book(self) -> Iterator[sqlite3.Connection]:
        """The ledger, for as long as one change takes; others wait."""
        book = sqlite3.connect(self.file, timeout=60, isolation_level=None)
        book.row_factory = sqlite3.Row
        try:
            book.execute("BEGIN IMMEDIATE")
            yield book
            book.execute("COMMIT")
        finally:
            book.close()  # what was not committed never happened

    def look(self, studies: Mapping[str, ScheduleSettings], *, now: datetime) -> None:
        """Writes down what has become due since the last look; the first look at a study only begins the watch.

        A schedule that was changed holds from now on: until now, the old one did.
        """
        with self._book() as book:
            for study, told in studies.items():
                self._look(book, study, told, now)

    def _look(self, book: sqlite3.Connection, study: str, told: ScheduleSettings, now: datetime) -> None:
        watch = [study, told.cron, told.timezone or "UTC"]
        if seen := book.execute("SELECT * FROM watched WHERE study = ?", [study]).fetchone():
            old, after = (seen["cron"], seen["timezone"]), _moment(seen["looked"])
            found = timetable.due(*old, catch_up=told.catch_up, after=after, now=now)
            if not found and watch == list(seen)[:3]:
                return  # and nothing is written: most looks are such
            for slot, wanted in found.items():
                fresh = [study, _seconds(slot), DUE if wanted else SKIPPED]
                book.execute("INSERT OR IGNORE INTO slots (study, slot, state) VALUES (?, ?, ?)", fresh)
            now = max(after, now)
        if told.catch_up != "all":
            which = "study = ? AND (state IN (?, ?) OR state = ? AND until <= ?)"
            waiting = [study, DUE, RETRY, RUNNING, _seconds(now)]
            last, tried = book.execute(f"SELECT max(slot), max(attempts) FROM slots WHERE {which}", waiting).fetchone()
            replaced = "UPDATE slots SET state = ?, message = 'a later one stands for it' WHERE slot < ? AND "
            book.execute(replaced + which, [SKIPPED, last, *waiting])
            # It goes on counting: else slots that follow each other closely would never use up their retries.
            book.execute("UPDATE slots SET attempts = ? WHERE study = ? AND slot = ?", [tried, study, last])
        book.execute("INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?)", [*watch, _seconds(now)])

    def claim(self, studies: Mapping[str, Any], *, now: datetime) -> Claim | None:
        """The oldest slot that waits to be run of the study that waited longest, if nobody is at another."""
        moment, name = _seconds(now), uuid.uuid4().hex
        with self._book() as book:
            if book.execute("SELECT 1 FROM slots WHERE state = ? AND until > ?", [RUNNING, moment]).fetchone():
                return None
            waiting = book.execute(
                "SELECT * FROM slots WHERE state IN (?, ?, ?) AND until <= ? ORDER BY"
                " (SELECT max(started) FROM slots others WHERE others.study = slots.study), slot, study",
                [DUE, RETRY, RUNNING, moment],
            )
            row = next((row for row in waiting if row["study"] in studies), None)
            if row is None:
                return None
            book.execute(
                "UPDATE slots SET state = ?, attempts = attempts + 1, until = ?, claim = ?, started = ?, ended = NULL"
                " WHERE study = ? AND slot = ?",
                [RUNNING, _seconds(now + LEASE), name, moment, row["study"], row["slot"]],
            )
        return Claim(row["study"], _moment(row["slot"]), row["attempts"] + 1, name)

    def renew(self, claim: Claim, *, now: datetime) -> None:
        """Says that the runner still lives."""
        self._change(claim, "until = ?", _seconds(now + LEASE))

    def release(self, claim: Claim) -> None:
        """Gives a slot back that was not run to its end, as if it had not been claimed."""
        self._change(claim, "state = ?, attempts = attempts - 1, until = 0", DUE)

    def settle(self, claim: Claim, state: str, *, message: str, now: datetime, until: datetime | None = None) -> bool:
        """Writes down what became of a slot; False when another runner has taken it over meanwhile.

        Args:
            claim: the slot.
            state: good, failed, or retry.
            message: why it failed; nothing that names a person.
            now: when it ended.
            until: for a retry, not before.
        """
        what = [state, message, _seconds(now), _seconds(until or now)]
        return self._change(claim, "state = ?, message = ?, ended = ?, until = ?", *what)

    def _change(self, claim: Claim, change: str, *values: Any) -> bool:
        with self._book() as book:
            mine = [*values, claim.study, _seconds(claim.slot), claim.name, RUNNING]
            sql = f"UPDATE slots SET {change} WHERE study = ? AND slot = ? AND claim = ? AND state = ?"
            return book.execute(sql, mine).rowcount == 1

    def earlier(self, claim: Claim) -> str | None:
        """How the last slot before this one ended, of those that were run."""
        with self._book() as book:
            asked = [claim.study, _seconds(claim.slot), GOOD, FAILED]
            sql = "SELECT state FROM slots WHERE study = ? AND slot < ? AND state IN (?, ?) ORDER BY slot DESC"
            row = book.execute(sql, asked).fetchone()
        return row and row["state"]

    def rows(self, study: str | None = None) -> list[dict[str, Any]]:
        """Every slot, or those of a study, oldest first; moments as datetime."""
        with self._book() as book:
            found = [dict(row) for row in book.execute("SELECT * FROM slots ORDER BY slot, study")]
        moments = ("slot", "until", "started", "ended")
        read = [row | {key: _moment(row[key]) for key in moments if row[key] is not None} for row in found]
        return [row for row in read if study in (None, row["study"])]

    def forget(self, study: str) -> int:
        """Takes out every slot of a study; returns how many."""
        with self._book() as book:
            book.execute("DELETE FROM watched WHERE study = ?", [study])
            return book.execute("DELETE FROM slots WHERE study = ?", [study]).rowcount

    def prune(self, *, before: datetime) -> int:
        """Takes out what was settled before a moment; returns how many slots."""
        with self._book() as book:
            settled = [_seconds(before), GOOD, FAILED, SKIPPED]
            return book.execute("DELETE FROM slots WHERE slot < ? AND state IN (?, ?, ?)", settled).rowcount


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
