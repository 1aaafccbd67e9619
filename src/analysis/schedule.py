"""Makes reports when they are due, a study at a time, and tells who wants to know what came of it.

What is due, claimed and done stands in the ledger, so it does not matter how often anybody looks, or who.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from analysis import findings, news, notices, timetable
from analysis.ledger import FAILED, GOOD, LEASE, RETRY, Claim, Ledger
from analysis.notices import Notice
from analysis.report import Result
from analysis.runs import OK
from analysis.settings import ScheduleSettings, seconds
from analysis.state import State
from analysis.studies import Studies, Study
from analysis.tables import LoyaltyError

CRASHES = 3  # times that a slot whose runner was killed is tried beyond its retries
LONGEST_SLEEP = 60.0  # seconds; then the loop looks for new settings and for what others left


@dataclass
class Scheduler:
    """Runs what is due.

    Attributes:
        state: where the log lies.
        ledger: what was due and what became of it.
        make: makes and publishes the report of one study.
        out: the folder that readers open.
        now: the clock.
        say: told in one line what happens.
        stopped: whether somebody asked to stop.
    """

    state: State
    ledger: Ledger
    make: Callable[[Study], Result]
    out: Path
    now: Callable[[], datetime]
    say: Callable[[str], None]
    stopped: bool = False

    def stop(self, *_: object) -> None:
        """Ends the process; what was being made is given back. A signal's handler."""
        self.stopped = True
        self.say("stopped; what was not finished begins anew next time")
        sys.exit(0)

    def once(self, studies: Studies) -> bool:
        """Runs all that is due now, study by study in turn; returns whether all of it went well.

        Raises:
            LoyaltyError: no study has a schedule.
        """
        told, well = scheduled(studies), True
        self.ledger.look(told, now=self.now())
        while claim := self.ledger.claim(told, now=self.now()):
            well &= self._run(claim, studies, told[claim.study])
            self.ledger.look(told, now=self.now())
        return well

    def keep(self, load: Callable[[], Studies], wait: Callable[[float], object]) -> None:
        """Runs what is due, sleeps until the next is, and so on until it is stopped from outside.

        Args:
            load: reads the studies anew; settings may change and data arrive while this sleeps.
            wait: sleeps so many seconds.
        """
        last = ""
        while True:
            pause = LONGEST_SLEEP
            try:
                studies = load()
                self.once(studies)
                soonest, name = min((when, name) for name, (when, *_) in upcoming(studies, after=self.now()).items())
                said = f"next: {name} at {shown(soonest, scheduled(studies)[name])}"
                pause = min(pause, max(1.0, (soonest - self.now()).total_seconds()))
            except LoyaltyError as error:
                said = str(error)
            if said != last:
                self.say(last := said)
            wait(pause)

    def _run(self, claim: Claim, studies: Studies, told: ScheduleSettings) -> bool:
        """Makes the report that a slot is for, writes down what became of it, and tells."""
        label = f"{claim.study}, due {shown(claim.slot, told)}"
        self.say(f"{label}: begins" + (f", attempt {claim.attempt}" if claim.attempt > 1 else ""))
        before = self._found(claim.study)
        problems = self._made(claim, studies, told)
        if self.stopped:  # an engine that was reading took the stop for an error of its own
            self.ledger.release(claim)
            sys.exit(0)
        pause = timedelta(seconds=seconds(told.back_off)) * 2 ** (claim.attempt - 1)
        state = RETRY if problems and claim.attempt <= told.retries else FAILED if problems else GOOD
        earlier = self.ledger.earlier(claim)
        now = self.now()
        if not self.ledger.settle(claim, state, message="\n".join(problems), now=now, until=now + pause):
            self.say(f"{label}: another runner took it over")
            return True
        again = f", again at {shown(now + pause, told)}" if state == RETRY else ""
        self.say(f"{label}: {state}{again}" + "".join(f"\n  {problem}" for problem in problems))
        if state == FAILED:
            self._tell(notices.FAILURE, [*problems, "Readers still see the last good report."], claim, studies)
        if state == GOOD and earlier == FAILED:
            self._tell(notices.RECOVERY, ["The report is made again."], claim, studies)
        if state == GOOD and (items := news.compare(before, self._found(claim.study))):
            self._tell(notices.CHANGE, [item.text for item in items], claim, studies)
        return not problems

    def _made(self, claim: Claim, studies: Studies, told: ScheduleSettings) -> list[str]:
        """Makes the report; returns what went wrong, in words that may be told."""
        if claim.attempt > told.retries + 1 + CRASHES:
            return [f"Its runner was killed {claim.attempt - 1} times, as happens when memory runs out."]
        try:
            with self._alive(claim, studies):
                result = self.make(studies[claim.study])
        except LoyaltyError as error:
            return [str(error)]
        except Exception as error:
            traceback.print_exc()  # may name values of the data, so it stays in the terminal
            return [f"{type(error).__name__}. The terminal that ran the schedule shows the message."]
        except BaseException:  # stopped from outside: whoever comes next begins anew
            self.ledger.release(claim)
            if self.stopped:
                sys.exit(0)
            raise
        print(*result.problems, sep="\n", end="\n" if result.problems else "", file=sys.stderr)
        return [f"{o.job.slug} {o.verdict}. {o.message}" for o in result.outcomes if o.verdict != OK]

    @contextmanager
    def _alive(self, claim: Claim, studies: Studies) -> Iterator[None]:
        """Renews the lease while a report is made, and writes down what becomes due meanwhile."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(LEASE.total_seconds() / 4):
                with suppress(sqlite3.Error):
                    self.ledger.renew(claim, now=self.now())
                    self.ledger.look(scheduled(studies), now=self.now())

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _found(self, study: str) -> list[dict[str, Any]]:
        """The findings of a study as readers see them now."""
        return [entry for entry in findings.read(self.out / "findings.json") if entry["study"] == study]

    def _tell(self, event: str, lines: Sequence[str], claim: Claim, studies: Studies) -> None:
        """Sends a notice to those whom it is for; one that cannot be sent is logged and no more."""
        study = studies[claim.study]
        notice = Notice(study.name, event, f"{study.title}: {notices.SUBJECTS[event]}", tuple(lines))
        for name in study.schedule.notify if study.schedule else ():
            if event not in notices.READS[studies.notify[name].reader]:
                continue
            outcome = "sent"
            try:
                notices.send(notice, studies.notify[name])
            except Exception as error:
                outcome = f"not sent ({type(error).__name__})"  # its message may hold the address, and so a secret
            self.say(f"{study.name}: notice of {event} to {name} {outcome}")
            self.state.write_log(study=study.name, notice=event, to=name, outcome=outcome)


def scheduled(studies: Studies) -> dict[str, ScheduleSettings]:
    """The studies that have a schedule, with it.

    Raises:
        LoyaltyError: none has.
    """
    told = {name: schedule for name in studies if (schedule := studies[name].schedule)}
    if not told:
        raise LoyaltyError(
            f"No study in {studies.path.name} has a schedule. Write for instance, under [study.NAME.schedule]: "
            'cron = "0 6 * * 1"'
        )
    return told


def upcoming(studies: Studies, *, after: datetime, count: int = 1) -> dict[str, list[datetime]]:
    """The next slots of every scheduled study, in UTC."""
    told = scheduled(studies)
    return {
        name: list(islice(timetable.slots(s.cron, s.timezone or "UTC", after=after), count)) for name, s in told.items()
    }


def shown(moment: datetime, told: ScheduleSettings) -> str:
    """A moment by the clock of a schedule."""
    return f"{moment.astimezone(ZoneInfo(told.timezone or 'UTC')):%a %Y-%m-%d %H:%M %Z}"
