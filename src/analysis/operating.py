"""The commands for running reports unattended: schedule, status, prune, forget.

Only the standard library is imported before a command is known, so that help and mistakes answer at once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.ledger import Ledger
    from analysis.state import State
    from analysis.studies import Studies, Study

DONE, SOME_FAILED = 0, 3
RUNS = Path("reports/runs")
EXPORTS = ("cron", "systemd", "github", "airflow", "dagster")


def add(command: Callable[..., Any], shared: Callable[[argparse.ArgumentParser], None], number: Any) -> None:
    """Adds the commands.

    Args:
        command: makes a parser from a name, a function and a text.
        shared: adds --studies, --out and --state, and says how the studies are loaded.
        number: reads a whole number above 0.
    """
    schedule = command("schedule", _schedule, "make the reports that studies.toml schedules when they are due")
    shared(schedule)
    schedule.add_argument("--jobs", type=number, default=os.cpu_count() or 1, metavar="N", help="default: the cores")
    how = schedule.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="make what is due now, then end; may be called at any time")
    how.add_argument("--list", action="store_true", help="say when each is due next")
    how.add_argument("--export", choices=EXPORTS, help="print the file that makes another clock keep the schedules")
    status = command("status", _status, "say how the report of each study is; exit code 3 when one is not well")
    shared(status)
    status.add_argument("--json", action="store_true")
    shared(command("prune", _prune, "take away results, log lines and slots that are older than their time"))
    forget = command("forget", _forget, "take away everything that is kept of a study")
    forget.add_argument("name", metavar="STUDY")
    forget.add_argument("--yes", action="store_true", help="do not ask")
    shared(forget)


def _now() -> datetime:
    return datetime.now(UTC)


def _kept(options: argparse.Namespace) -> tuple[Studies, State, Ledger]:
    from analysis import state
    from analysis.ledger import Ledger

    place = state.at(options.state)
    return options.load(options.studies), place, Ledger(place.ledger)


def _schedule(options: argparse.Namespace) -> int:
    from analysis import exports, report
    from analysis.schedule import Scheduler, scheduled, shown, upcoming

    if options.export:
        given = [["--out", options.out], ["--state", options.state]]
        more = [part for flag, value in given if value for part in (str(flag), str(Path(value).absolute()))]
        print(exports.text(options.export, options.load(options.studies), options=more, today=_now()))
        return DONE
    settings, state, book = _kept(options)
    if options.list:
        told = scheduled(settings)
        for name, moments in upcoming(settings, after=_now(), count=3).items():
            print(f"{name:12}  {told[name].cron:14}  {'   '.join(shown(moment, told[name]) for moment in moments)}")
        return DONE

    out = options.out or options.site

    def make(study: Study) -> report.Result:
        fresh = options.load(options.studies)  # data may have arrived since the last one
        more: dict[str, Any] = {"workers": options.jobs, "progress": _quiet, "state": state, "wait": _say}
        return report.make(fresh, [fresh[study.name]], out=out, **more)

    scheduler = Scheduler(state, book, make, out, _now, _say)
    signal.signal(signal.SIGTERM, scheduler.stop)
    if options.once:
        return DONE if scheduler.once(settings) else SOME_FAILED
    scheduler.keep(lambda: options.load(options.studies), time.sleep)
    return DONE


def _say(line: str) -> None:
    print(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {line}", flush=True)


def _quiet(*_: object) -> None:
    """Of a scheduled report, the outcome is told and not each step."""


def _status(options: argparse.Namespace) -> int:
    from analysis import housekeeping

    settings, _, book = _kept(options)
    rows = housekeeping.status(settings, book, out=options.out or options.site, now=_now())
    if options.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        for row in rows:
            print(
                f"{row['study']:12}  {row['state']:8}  last good {row['last_good'] or 'never':25}  "
                f"next {row['next_due'] or 'not scheduled'}" + (f"\n  {row['why']}" if row["why"] else "")
            )
    return DONE if all(row["state"] == housekeeping.WELL for row in rows) else SOME_FAILED


def _prune(options: argparse.Namespace) -> int:
    from analysis import housekeeping

    _, state, book = _kept(options)
    print("\n".join(housekeeping.prune(state, book, now=_now())))
    return DONE


def _forget(options: argparse.Namespace) -> int:
    from analysis import housekeeping
    from analysis.tables import LoyaltyError, nearest

    settings, state, book = _kept(options)
    out = options.out or options.site
    known = housekeeping.known(settings, state, book, out=out)
    if options.name not in known:
        raise LoyaltyError(
            f'Nothing is kept of "{options.name}". The nearest name is "{nearest(options.name, known)}".'
        )
    asked = f"Take away everything that is kept of {options.name}? [y/N] "
    if not options.yes and not (sys.stdin.isatty() and input(asked).strip().lower() == "y"):
        raise LoyaltyError("Nothing was taken away. --yes does it without asking.")
    for line in housekeeping.forget(options.name, settings, state, book, out=out, runs=RUNS):
        print(f"gone: {line}")
    if options.name in settings.studies:
        print(f"{options.studies} still names {options.name}: the next report makes it again.")
    return DONE
