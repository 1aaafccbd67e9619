"""Reports made when they are due: with retries, through crashes, once each, and told to those who want to know."""

import contextlib
import json
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from analysis import ledger, schedule, state, studies, timetable
from analysis.ledger import FAILED, GOOD, RETRY, SKIPPED, Ledger
from analysis.report import Result
from analysis.runs import FAILED as RUN_FAILED
from analysis.runs import OK, Outcome
from analysis.schedule import Scheduler
from analysis.tables import LoyaltyError, TableError

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday

STUDY = """
[study.{name}]
title = "The {name}"
timezone = "{zone}"
[study.{name}.tables.orders]
source = "orders.csv"
[study.{name}.schedule]
cron = "{cron}"
{more}
"""


def written(name="shop", cron="0 6 * * *", zone="UTC", more=""):
    return STUDY.format(name=name, cron=cron, zone=zone, more=more)


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs, not even the clearing up."""


class World:
    """A clock that tests move, a report that does what they say, and a terminal that remembers."""

    def __init__(self, folder, text, begin=START):
        self.folder, self.time, self.said = folder, begin, []
        self.state = state.at(folder / "state")
        self.ledger = Ledger(self.state.ledger)
        self.made, self.fate = [], lambda study: None
        self.write(text)
        self.look()

    def write(self, text):
        (self.folder / "studies.toml").write_text(text)
        self.studies = studies.load(self.folder / "studies.toml")

    def look(self):
        return self.scheduler.once(self.studies)

    def rows(self, *keys):
        return [tuple(row[key] for key in keys) for row in self.ledger.rows()]

    def make(self, study):
        self.made.append((study.name, self.time))
        result = self.fate(study)
        return result or Result([])

    @property
    def scheduler(self):
        return Scheduler(self.state, self.ledger, self.make, self.folder / "site", lambda: self.time, self.said.append)

    def log(self):
        file = self.state.log
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def world(tmp_path, monkeypatch):
    connect = sqlite3.connect

    def quick(*args, **more):
        """Does not wait for the disk: no test here cuts the power."""
        book = connect(*args, **more)
        book.execute("PRAGMA synchronous = OFF")
        return book

    monkeypatch.setattr(sqlite3, "connect", quick)
    return lambda text=None, begin=START: World(tmp_path, text or written(), begin)


def failing(study):
    raise TableError("orders: no such file.")


def findings(world, verdict, estimate=0.1):
    site = world.folder / "site"
    site.mkdir(exist_ok=True)
    entry = {
        "study": "shop", "hypothesis": "R01", "headline": True, "claim": "Loyal customers stay.", "verdict": verdict,
        "reading": "all", "estimate": estimate, "low": estimate - 0.01, "high": estimate + 0.01, "unit": "ratio",
        "notebook": "20_stay", "parts": None,
    }  # fmt: skip
    (site / "findings.json").write_text(json.dumps([entry]))


# --- one look -----------------------------------------------------------------------------------------------------


def test_what_is_due_is_made_and_a_second_look_makes_nothing(world):
    shop = world()
    shop.time += DAY
    assert shop.look()
    assert shop.look()
    assert shop.made == [("shop", START + DAY)]
    assert shop.rows("state", "attempts") == [(GOOD, 1)]


def test_each_event_is_told_in_a_line(world):
    shop = world()
    shop.time += DAY
    shop.look()
    assert shop.said == [
        "shop, due Mon 2026-11-23 06:00 UTC: begins",
        "shop, due Mon 2026-11-23 06:00 UTC: good",
    ]


def test_a_failure_is_tried_again_later_and_later(world):
    shop = world(written(more='retries = 2\nback_off = "10m"'))
    shop.time += DAY
    shop.fate = failing
    assert not shop.look()
    assert shop.rows("state", "message") == [(RETRY, "orders: no such file.")]
    for minutes, attempts in ((9, 1), (1, 2), (19, 2), (1, 3), (600, 3)):  # 10 minutes, then 20, then no more
        shop.time += minutes * MINUTE
        shop.look()
        assert len(shop.made) == attempts
    assert shop.rows("state", "attempts") == [(FAILED, 3)]


def test_a_failure_that_passes_ends_well(world):
    shop = world()
    shop.time += DAY
    shop.fate = failing
    shop.look()
    shop.fate = lambda study: None
    shop.time += 10 * MINUTE
    assert shop.look()
    assert shop.rows("state", "attempts", "message") == [(GOOD, 2, "")]


def test_retries_are_used_up_although_the_next_slot_comes_before(world):
    shop = world(written(cron="*/15 * * * *", more='retries = 2\nback_off = "10m"'))
    shop.fate = failing
    for _ in range(9):  # at 12:15, again at 12:25, and at 12:30 for the next slot
        shop.time += 5 * MINUTE
        shop.look()
    assert [row[0] for row in shop.rows("state")][:2] == [SKIPPED, FAILED]
    assert [made.minute for _, made in shop.made] == [15, 25, 30, 45]


def test_a_failed_notebook_and_a_defect_of_ours_are_failures_whose_details_stay_here(world, capsys):
    shop = world(written(more="retries = 0"))
    job = SimpleNamespace(slug="20_stay", study="shop")
    bad = Outcome(job, RUN_FAILED, message="KeyError in cell 3.", detail="KeyError: 'ann'")
    shop.fate = lambda study: Result([bad, Outcome(job, OK)], ["20_stay failed. KeyError: 'ann'"])
    shop.time += DAY
    assert not shop.look()
    assert shop.rows("message") == [("20_stay failed. KeyError in cell 3.",)]
    shop.fate = lambda study: {}["ann"]
    shop.time += DAY
    assert not shop.look()
    assert shop.rows("state", "message")[1] == (
        FAILED, "KeyError. The terminal that ran the schedule shows the message.",
    )  # fmt: skip
    assert "ann" in capsys.readouterr().err  # the terminal
    assert "ann" not in "".join(shop.said)


def test_one_study_that_fails_does_not_stop_the_next(world):
    both = world(written() + written("cafe", cron="0 7 * * *"))
    both.fate = lambda study: failing(study) if study.name == "shop" else None
    both.time += DAY
    assert not both.look()
    assert both.rows("study", "state") == [("shop", RETRY), ("cafe", GOOD)]


def test_a_stop_from_outside_gives_the_slot_back(world):
    shop = world()
    shop.time += DAY

    def stop(study):
        raise SystemExit(0)

    shop.fate = stop
    with pytest.raises(SystemExit):
        shop.look()
    shop.fate = lambda study: None
    assert shop.look()
    assert shop.rows("state", "attempts") == [(GOOD, 1)]


def test_a_stop_that_an_engine_takes_for_its_own_error_gives_the_slot_back(world):
    """DuckDB answers a stop in the middle of a query with an error, which a report tells as one of a file."""
    shop = world()
    shop.time += DAY
    scheduler = shop.scheduler

    def swallowed(study):
        with pytest.raises(SystemExit):
            scheduler.stop()
        return Result([], problems=["orders could not be read (RuntimeError)."])

    shop.fate = swallowed
    with pytest.raises(SystemExit):
        scheduler.once(shop.studies)
    assert len(shop.made) == 1
    shop.fate = lambda study: None
    assert shop.look()
    assert shop.rows("state", "attempts") == [(GOOD, 1)]


def test_a_runner_that_is_killed_again_and_again_is_given_up_at_last(world):
    shop = world(written(more="retries = 1"))
    shop.time += DAY
    shop.ledger.look({"shop": shop.studies["shop"].schedule}, now=shop.time)
    for _ in range(1 + 1 + schedule.CRASHES):
        assert shop.ledger.claim({"shop": None}, now=shop.time)  # and never heard of again
        shop.time += ledger.LEASE
    assert not shop.look()
    assert shop.made == []
    assert shop.rows("state", "message") == [
        (FAILED, "Its runner was killed 5 times, as happens when memory runs out.")
    ]


def test_a_report_that_was_taken_over_is_not_settled_twice(world):
    shop = world()
    shop.time += DAY

    def slow(study):  # asleep for so long that another takes the slot over and ends it
        shop.time += HOUR
        heir = shop.ledger.claim({"shop": None}, now=shop.time)
        shop.ledger.settle(heir, GOOD, message="", now=shop.time)

    shop.fate = slow
    assert shop.look()
    assert shop.rows("state", "attempts") == [(GOOD, 2)]
    assert shop.said[-1].endswith("another runner took it over")


def test_the_lease_is_renewed_while_a_report_is_made(world, monkeypatch):
    monkeypatch.setattr(schedule, "LEASE", timedelta(milliseconds=20))
    shop = world()
    shop.time += DAY
    renewed = threading.Event()
    monkeypatch.setattr(ledger.Ledger, "renew", lambda book, claim, *, now: renewed.set())

    def wait(study):
        assert renewed.wait(timeout=10)

    shop.fate = wait
    assert shop.look()


def test_without_any_schedule_it_says_how_to_write_one(world, tmp_path):
    with pytest.raises(LoyaltyError, match=r"No study in studies\.toml has a schedule.*cron"):
        World(tmp_path, written().split("[study.shop.schedule]")[0])


# --- the loop -----------------------------------------------------------------------------------------------------


class EnoughError(Exception):
    """Ends the loop of a test."""


def sleeping(world, moves):
    """A sleep that moves the clock, and ends the loop after some."""
    slept = []

    def wait(seconds):
        slept.append(seconds)
        if len(slept) > moves:
            raise EnoughError
        world.time += timedelta(seconds=seconds)

    return wait, slept


def test_the_loop_sleeps_until_the_next_is_due_and_makes_it_then(world):
    shop = world()
    shop.time = datetime(2026, 11, 23, 5, 57, 30, tzinfo=UTC)
    wait, slept = sleeping(shop, 4)
    with pytest.raises(EnoughError):
        shop.scheduler.keep(lambda: shop.studies, wait)
    assert slept == [60, 60, 30, 60, 60]
    assert shop.made == [("shop", datetime(2026, 11, 23, 6, tzinfo=UTC))]
    assert shop.said[0] == "next: shop at Mon 2026-11-23 06:00 UTC"
    assert shop.said[-1] == "next: shop at Tue 2026-11-24 06:00 UTC"
    assert len(shop.said) == 4  # what is next is told when it changes


def test_the_loop_outlives_settings_that_are_wrong_for_a_while(world):
    shop = world()
    tries = []

    def load():
        tries.append(1)
        if len(tries) < 3:
            raise LoyaltyError("studies.toml has 1 mistake")
        return shop.studies

    wait, _ = sleeping(shop, 3)
    with pytest.raises(EnoughError):
        shop.scheduler.keep(load, wait)
    assert shop.said == ["studies.toml has 1 mistake", "next: shop at Mon 2026-11-23 06:00 UTC"]


# --- a month ------------------------------------------------------------------------------------------------------


class Machine:
    """A month of a machine: `loyalty schedule --once` every half hour, and all that can go wrong with it."""

    TICK = 30 * MINUTE

    def __init__(self, world):
        self.world, self.tries, self.kills = world, 0, 0
        self.dry = world.time + 7 * DAY  # on this day the data of one study do not come
        world.fate = self.fate

    def fate(self, study):
        """Every fifth report raises, and every seventh is killed between the claim and the record."""
        self.tries += 1
        self.world.time += 3 * MINUTE
        if study.name == "daily" and self.dry <= self.world.time < self.dry + DAY:
            raise TableError("orders: no such file.")
        if self.tries % 5 == 0:
            raise RuntimeError("out of luck") if self.tries % 2 else TableError("orders: no such file.")
        if self.tries % 7 == 0:
            self.kills += 1
            raise Killed
        return None

    def run(self, until, off):
        while self.world.time < until:
            down = next((end for start, end in off if start <= self.world.time < end), None)
            if down:
                self.world.time = down
            with contextlib.suppress(Killed):
                self.world.look()
            self.world.time += self.TICK


@pytest.mark.parametrize(
    ("zone", "start", "days"), [("Europe/Berlin", (2026, 10, 5), 30), ("America/New_York", (2027, 3, 8), 10)]
)
def test_a_month_with_nobody_watching(world, monkeypatch, zone, start, days):
    """Nothing is lost or doubled in a month (or ten days of spring) with a night when clocks are moved, two days
    without power, a day without data, failures and kills.
    """
    monkeypatch.setattr(ledger.Ledger, "release", lambda book, claim: None)  # a killed process gives nothing back
    monkeypatch.setattr("traceback.print_exc", lambda: None)
    studies_told = (
        written("daily", "30 2 * * *", zone)
        + written("hourly", "0 * * * *", zone, 'catch_up = "all"\nretries = 3\nback_off = "5m"')
        + written("weekly", "0 6 * * 1", zone)
        + written("monthly", "0 6 1 * *", zone)
        + written("careful", "15 */6 * * *", zone, 'catch_up = "none"')
    )
    begin = datetime(*start, tzinfo=UTC)
    shop = world(studies_told, begin)
    machine = Machine(shop)
    end = begin + days * DAY
    off = [(begin + 3 * DAY + 5 * HOUR, begin + 5 * DAY + 5 * HOUR)]
    machine.run(end, off)
    shop.fate = lambda study: None
    for _ in range(40):  # what still waits for its retry at midnight of the last day
        shop.time += 10 * MINUTE
        shop.look()

    rows = shop.ledger.rows()
    due = {
        (name, slot)
        for name in shop.studies
        for slot in timetable.due(
            shop.studies[name].schedule.cron, zone, catch_up="all", after=begin, now=shop.time
        )
    }  # fmt: skip
    known = {(row["study"], row["slot"]) for row in rows}
    settled = [row for row in rows if row["state"] in (GOOD, FAILED, SKIPPED)]
    counts = {
        "due": len(due),
        "run": sum(row["state"] in (GOOD, FAILED) for row in rows),
        "made well": sum(row["state"] == GOOD for row in rows),
        "given up after retries": sum(row["state"] == FAILED for row in rows),
        "skipped by catch_up": sum(row["state"] == SKIPPED for row in rows),
        "attempts": len(shop.made),
        "retried": sum(row["attempts"] > 1 for row in rows),
        "killed": machine.kills,
        "lost": len(due - known) + len(rows) - len(settled),
        "doubled": len(rows) - len(known) + sum(line.endswith(": good") for line in shop.said) - sum(
            row["state"] == GOOD for row in rows
        ),
    }  # fmt: skip
    print(zone, counts)  # pytest -s shows it
    assert known == due
    assert counts["lost"] == 0
    assert counts["doubled"] == 0
    assert counts["given up after retries"] == 1
    assert counts["retried"] > days
    assert counts["killed"] > days
    # The hourly study catches up on all, so each hour of the month has its report or was given up after retries.
    hourly = [row["state"] for row in rows if row["study"] == "hourly"]
    assert SKIPPED not in hourly
    assert len(hourly) >= days * 24
    # The one that does not catch up lost no slot but those of the two days off.
    skipped = [row["slot"] for row in rows if row["study"] == "careful" and row["state"] == SKIPPED]
    assert all(off[0][0] - HOUR <= slot <= off[0][1] for slot in skipped)
    # On the night when the clock is moved the daily report was due once.
    nights = [row["slot"].astimezone(ZoneInfo(zone)).date() for row in rows if row["study"] == "daily"]
    assert len(nights) == len(set(nights))
    first, last = begin.astimezone(ZoneInfo(zone)).date(), end.astimezone(ZoneInfo(zone)).date()
    assert {first + n * DAY for n in range(1, (last - first).days)} <= set(nights)
