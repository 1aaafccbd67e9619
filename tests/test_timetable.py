"""When schedules are due: by the wall clock of their zone, once each, on the nights when clocks are moved too."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import timetable

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Tehran", "Australia/Lord_Howe", "America/Havana",
    "Africa/Cairo", "Pacific/Apia", "Asia/Kolkata", "America/Sao_Paulo", "Asia/Beirut", "Europe/Dublin",
]  # fmt: skip
zones = st.sampled_from(ZONES)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
minutes, hours = st.integers(0, 59), st.integers(0, 23)


def at(*when):
    return datetime(*when, tzinfo=UTC)


def wall(cron, zone, after, count):
    moments = islice(timetable.slots(cron, zone, after=after), count)
    return [f"{moment.astimezone(zoneinfo.ZoneInfo(zone)):%a %Y-%m-%d %H:%M}" for moment in moments]


def between(cron, zone, start, end):
    return list(takewhile(lambda slot: slot <= end, timetable.slots(cron, zone, after=start)))


def test_monday_is_monday():
    # A well-known scheduler takes 1 for Tuesday. 22 November 2026 is a Sunday.
    assert wall("0 6 * * 1", "Asia/Tehran", at(2026, 11, 22), 2) == ["Mon 2026-11-23 06:00", "Mon 2026-11-30 06:00"]
    assert wall("0 6 * * MON", "UTC", at(2026, 11, 22), 1) == wall("0 6 * * 1", "UTC", at(2026, 11, 22), 1)
    assert wall("0 6 * * 7", "UTC", at(2026, 11, 22), 1) == wall("0 6 * * 0", "UTC", at(2026, 11, 22), 1)


def test_the_night_without_a_half_past_two_runs_when_the_clock_goes_on():
    # Berlin, 29 March 2026: 02:00 becomes 03:00.
    assert wall("30 2 * * *", "Europe/Berlin", at(2026, 3, 28), 3) == [
        "Sat 2026-03-28 02:30", "Sun 2026-03-29 03:00", "Mon 2026-03-30 02:30",
    ]  # fmt: skip


def test_the_night_with_two_half_past_twos_runs_once():
    # Berlin, 25 October 2026: 03:00 becomes 02:00.
    found = list(islice(timetable.slots("30 2 * * *", "Europe/Berlin", after=at(2026, 10, 24)), 3))
    assert found == [at(2026, 10, 24, 0, 30), at(2026, 10, 25, 0, 30), at(2026, 10, 26, 1, 30)]


def test_a_look_between_the_two_half_past_twos_finds_no_second_one():
    assert next(timetable.slots("30 2 * * *", "Europe/Berlin", after=at(2026, 10, 25, 0, 45))) == at(
        2026, 10, 26, 1, 30
    )


@pytest.mark.parametrize("cron", ["*/30 2 * * *", "0,30 2 * * *"])
def test_steps_on_such_a_night_come_once_each(cron):
    assert len(between(cron, "Europe/Berlin", at(2026, 10, 24, 12), at(2026, 10, 25, 12))) == 2
    # In spring both fall on the moment when the clock goes on.
    assert between(cron, "Europe/Berlin", at(2026, 3, 28, 12), at(2026, 3, 29, 12)) == [at(2026, 3, 29, 1)]


def test_every_six_hours_is_not_lost_where_midnight_is_left_out():
    # Cairo, 24 April 2026: midnight becomes one o'clock.
    assert wall("0 */6 * * *", "Africa/Cairo", at(2026, 4, 23, 18), 2) == [
        "Fri 2026-04-24 01:00",
        "Fri 2026-04-24 06:00",
    ]


def test_every_hour_counts_the_hours_that_pass():
    for start in (at(2026, 3, 28, 12), at(2026, 10, 24, 12)):
        found = between("0 * * * *", "Europe/Berlin", start, start + timedelta(days=1))
        assert found == [start + timedelta(hours=hour) for hour in range(1, 25)]


def test_leap_days():
    assert wall("0 6 29 2 *", "UTC", at(2026, 1, 1), 2) == ["Tue 2028-02-29 06:00", "Sun 2032-02-29 06:00"]
    assert [day[4:14] for day in wall("0 6 29 2 *", "UTC", at(2096, 3, 1), 1)] == ["2104-02-29"]
    assert wall("0 6 L * *", "UTC", at(2028, 2, 1), 1) == ["Tue 2028-02-29 06:00"]


@settings(max_examples=40, deadline=None)
@given(zones, moments, minutes, hours)
def test_a_daily_report_comes_once_on_every_day_of_every_zone(zone, start, minute, hour):
    place = zoneinfo.ZoneInfo(zone)
    found = between(f"{minute} {hour} * * *", zone, start, start + timedelta(days=400))
    days = [slot.astimezone(place).date() for slot in found]
    first, last = start.astimezone(place).date(), (start + timedelta(days=400)).astimezone(place).date()
    expected = {first + timedelta(days=n) for n in range(1, (last - first).days)}
    expected.discard(date(2011, 12, 30))  # Samoa had no such day: what was due on it comes with the next midnight
    doubled = [day for day in set(days) if days.count(day) > 1 and day != date(2011, 12, 31)]
    assert expected <= set(days)
    assert doubled == []


@settings(max_examples=60, deadline=None)
@given(zones, moments, st.sampled_from(["*", "*/7", "0", "10,40"]), st.sampled_from(["*", "*/5", "1-3", "0,12"]))
def test_slots_only_go_forward_and_do_not_depend_on_when_one_looks(zone, start, minute, hour):
    cron = f"{minute} {hour} * * *"
    end = start + timedelta(days=2)
    whole = between(cron, zone, start, end)
    assert all(a < b for a, b in pairwise(whole))
    middle = start + timedelta(hours=31, minutes=17)
    assert between(cron, zone, start, middle) + between(cron, zone, middle, end) == whole


@settings(max_examples=60, deadline=None)
@given(zones, moments, st.integers(1, 7), hours)
def test_a_weekly_report_always_comes_on_its_day(zone, start, day, hour):
    for slot in islice(timetable.slots(f"0 {hour} * * {day}", zone, after=start), 30):
        there = slot.astimezone(zoneinfo.ZoneInfo(zone))
        assert there.isoweekday() == day or there.date() == date(2011, 12, 31)


@settings(max_examples=60, deadline=None)
@given(
    moments, st.lists(st.integers(1, 60 * 24 * 9), max_size=6), st.sampled_from(["latest", "all", "none"]),
    st.sampled_from(["0 6 * * *", "*/20 * * * *", "0 0 1 * *", "30 2 * * 0"]), zones,
)  # fmt: skip
def test_looking_often_or_seldom_nothing_is_lost_and_nothing_doubled(start, waits, catch_up, cron, zone):
    told, seen = [], start
    for wait in waits:
        now = seen + timedelta(minutes=wait)
        found = timetable.due(cron, zone, catch_up=catch_up, after=seen, now=now)
        wanted = [slot for slot, run in found.items() if run]
        if catch_up == "all":
            assert wanted == list(found)
        if catch_up == "latest":
            assert wanted == list(found)[-1:]
        if catch_up == "none":
            assert wanted == [slot for slot in list(found)[-1:] if now - slot <= timetable.ON_TIME]
        told += found
        seen = now
    assert told == between(cron, zone, start, seen)


def test_after_years_away_only_so_many_slots_are_written_down():
    found = timetable.due("0 * * * *", "UTC", catch_up="all", after=at(2025, 1, 1), now=at(2026, 1, 1))
    assert len(found) == timetable.MOST
    assert max(found) == at(2026, 1, 1)


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("daily", "five fields"), ("0 0 6 * * 1", "five fields"), ("0 6 * *", "five fields"),
        ("61 6 * * *", "wrong minute"),
        ("0 24 * * *", "wrong hour"), ("0 6 * * 8", "wrong day-of-week"), ("0 6 30 2 *", "wrong day-of-month"),
        ("0 6 * 13 *", "wrong month"), ("*/0 6 * * *", "wrong minute"),
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_told(cron, told):
    assert told in timetable.mistake(cron)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("0123456789*/-,#LWJANMON", min_size=1, max_size=5), min_size=5, max_size=5))
def test_any_five_words_are_a_schedule_or_a_mistake(fields):
    cron = " ".join(fields)
    if timetable.mistake(cron) is None:
        assert next(timetable.slots(cron, "Europe/Berlin", after=at(2026, 1, 1)))
