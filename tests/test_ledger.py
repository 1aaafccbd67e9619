"""The ledger: each slot is written down once, claimed by one runner, and claimed again when that runner dies."""

import multiprocessing
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from analysis.ledger import DUE, FAILED, GOOD, LEASE, RETRY, RUNNING, SKIPPED, Ledger
from analysis.settings import ScheduleSettings

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
DAILY = ScheduleSettings(cron="0 6 * * *")
APART = multiprocessing.get_context("spawn")  # a process of its own, as another `loyalty` would be


@pytest.fixture
def book(tmp_path):
    """A ledger that began to watch one study at START."""
    book = Ledger(tmp_path / "ledger.sqlite")
    book.look({"shop": DAILY}, now=START)
    return book


def states(book, study=None):
    return [row["state"] for row in book.rows(study)]


def test_the_first_look_only_begins_the_watch(book):
    assert book.rows() == []
    assert book.claim({"shop": DAILY}, now=START) is None


def test_a_slot_is_written_down_once_however_often_one_looks(book):
    for _ in range(3):
        book.look({"shop": DAILY}, now=START + DAY)
    (row,) = book.rows()
    assert row["slot"] == datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert row["state"] == DUE


def test_a_clock_that_is_put_back_brings_no_slot_again(book):
    book.look({"shop": DAILY}, now=START + DAY)
    book.look({"shop": DAILY}, now=START)
    book.look({"shop": DAILY}, now=START + DAY)
    assert len(book.rows()) == 1


@pytest.mark.parametrize(
    ("catch_up", "expected"), [("latest", [SKIPPED, SKIPPED, DUE]), ("all", [DUE] * 3), ("none", [SKIPPED] * 3)]
)
def test_after_three_days_away(book, catch_up, expected):
    book.look({"shop": DAILY.model_copy(update={"catch_up": catch_up})}, now=START + 3 * DAY)
    assert states(book) == expected


def test_what_still_waits_gives_way_to_the_latest(book):
    book.look({"shop": DAILY}, now=START + DAY)
    book.look({"shop": DAILY}, now=START + 2 * DAY)
    assert states(book) == [SKIPPED, DUE]
    assert book.rows()[0]["message"] == "a later one stands for it"


def test_a_changed_schedule_holds_from_now_on(book):
    hourly = ScheduleSettings(cron="0 * * * *", catch_up="all")
    book.look({"shop": hourly}, now=START + DAY)
    assert [row["slot"].hour for row in book.rows()] == [6]  # by the old schedule, until now
    book.look({"shop": hourly}, now=START + DAY + timedelta(hours=2))
    assert [row["slot"].hour for row in book.rows()] == [6, 13, 14]


def test_a_claimed_slot_is_nobody_elses_and_is_settled_once(book):
    book.look({"shop": DAILY}, now=START + DAY)
    claim = book.claim({"shop": DAILY}, now=START + DAY)
    assert claim.attempt == 1
    assert book.claim({"shop": DAILY}, now=START + DAY) is None
    assert book.settle(claim, GOOD, message="", now=START + DAY + MINUTE)
    assert not book.settle(claim, FAILED, message="", now=START + DAY + MINUTE)
    assert book.claim({"shop": DAILY}, now=START + 2 * DAY) is None
    (row,) = book.rows()
    assert (row["state"], row["attempts"], row["started"], row["ended"]) == (
        GOOD, 1, START + DAY, START + DAY + MINUTE,
    )  # fmt: skip


def test_one_report_at_a_time_the_oldest_first(book):
    book.look({"abc": ScheduleSettings(cron="0 5 * * *")}, now=START)
    both = {"shop": DAILY, "abc": DAILY}
    for name, cron in (("shop", "0 6 * * *"), ("abc", "0 5 * * *")):
        book.look({name: ScheduleSettings(cron=cron)}, now=START + DAY)
    first = book.claim(both, now=START + DAY)
    assert first.study == "abc"
    assert book.claim(both, now=START + DAY) is None
    book.settle(first, GOOD, message="", now=START + DAY)
    assert book.claim(both, now=START + DAY).study == "shop"


def test_a_study_that_left_the_file_is_not_claimed(book):
    book.look({"shop": DAILY}, now=START + DAY)
    assert book.claim({"other": DAILY}, now=START + DAY) is None


def test_a_retry_waits_for_its_time(book):
    book.look({"shop": DAILY}, now=START + DAY)
    claim = book.claim({"shop": DAILY}, now=START + DAY)
    later = START + DAY + 10 * MINUTE
    book.settle(claim, RETRY, message="no", now=START + DAY, until=later)
    assert book.claim({"shop": DAILY}, now=later - MINUTE) is None
    assert book.claim({"shop": DAILY}, now=later).attempt == 2


def test_a_lease_that_runs_out_gives_the_slot_to_the_next_and_the_late_one_cannot_settle(book):
    now = START + DAY
    book.look({"shop": DAILY}, now=now)
    dead = book.claim({"shop": DAILY}, now=now)
    assert book.claim({"shop": DAILY}, now=now + LEASE - MINUTE) is None
    heir = book.claim({"shop": DAILY}, now=now + LEASE)
    assert (heir.slot, heir.attempt) == (dead.slot, 2)
    assert not book.settle(dead, GOOD, message="", now=now + LEASE)
    assert book.settle(heir, GOOD, message="", now=now + LEASE)


def test_a_renewed_lease_lasts(book):
    now = START + DAY
    book.look({"shop": DAILY}, now=now)
    claim = book.claim({"shop": DAILY}, now=now)
    book.renew(claim, now=now + MINUTE)
    assert book.claim({"shop": DAILY}, now=now + LEASE) is None
    assert book.claim({"shop": DAILY}, now=now + LEASE + MINUTE).attempt == 2


def test_a_slot_given_back_counts_as_not_begun(book):
    book.look({"shop": DAILY}, now=START + DAY)
    book.release(book.claim({"shop": DAILY}, now=START + DAY))
    assert book.claim({"shop": DAILY}, now=START + DAY).attempt == 1


def test_forgetting_and_pruning(book):
    book.look({"other": DAILY}, now=START)
    for day in (1, 2):
        for name in ("shop", "other"):
            book.look({name: DAILY}, now=START + day * DAY)
    assert book.forget("other") == 2
    assert set(states(book)) == {SKIPPED, DUE}
    assert book.prune(before=START + 9 * DAY) == 1  # what still waits is kept
    assert states(book) == [DUE]


# --- processes ----------------------------------------------------------------------------------------------------


def claim_all(file, told, start):
    """Claims and settles until nothing is left, as fast as it can; tells what it had."""
    book, had = Ledger(file), []
    start.wait(timeout=60)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        claim = book.claim({"shop": None}, now=START + 40 * DAY)
        if claim:
            had.append(claim.slot)
            book.settle(claim, GOOD, message="", now=START + 40 * DAY)
        elif all(row["state"] != DUE for row in book.rows()) and all(row["state"] != RUNNING for row in book.rows()):
            break
    told.put(had)


def test_two_processes_at_once_share_the_slots_and_none_is_run_twice(book):
    book.look({"shop": DAILY.model_copy(update={"catch_up": "all"})}, now=START + 40 * DAY)
    told, start = APART.Queue(), APART.Barrier(2)
    runners = [APART.Process(target=claim_all, args=(book.file, told, start)) for _ in range(2)]
    for runner in runners:
        runner.start()
    had = [slot for _ in runners for slot in told.get(timeout=60)]
    for runner in runners:
        runner.join(timeout=30)
    assert sorted(had) == [row["slot"] for row in book.rows()]
    assert len(had) == 40
    assert states(book) == [GOOD] * 40


def claim_and_hang(file, told):
    claim = Ledger(file).claim({"shop": None}, now=START + DAY)
    told.put(claim.slot)
    time.sleep(60)


def begin_and_hang(file, told):
    with Ledger(file)._book() as book:
        book.execute("UPDATE slots SET state = 'good'")
        told.put("in the middle of a change")
        time.sleep(60)


@pytest.mark.parametrize(("stop_at", "left"), [(claim_and_hang, RUNNING), (begin_and_hang, DUE)])
def test_a_runner_killed_at_once_loses_nothing(book, stop_at, left):
    book.look({"shop": DAILY}, now=START + DAY)
    told = APART.Queue()
    runner = APART.Process(target=stop_at, args=(book.file, told))
    runner.start()
    assert told.get(timeout=60)
    os.kill(runner.pid, signal.SIGKILL)
    runner.join(timeout=30)
    assert states(book) == [left]
    claim = book.claim({"shop": None}, now=START + DAY + LEASE)
    assert claim.attempt == (2 if left == RUNNING else 1)
    assert book.settle(claim, GOOD, message="", now=START + DAY + LEASE)
    assert states(book) == [GOOD]
