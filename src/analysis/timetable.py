"""When a schedule is due: the slots of a cron expression by the clock on the wall of a time zone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

ON_TIME = timedelta(hours=1)  # what begins within it was not missed
MOST = 1000  # slots written down after a long absence; what lies before them is left out


def mistake(cron: str) -> str | None:
    """What is wrong with a cron expression of five fields, or None."""
    from cronsim import CronSim, CronSimError

    if len(cron.split()) != 5:
        return "should have five fields: minute, hour, day of the month, month, day of the week"
    try:
        next(CronSim(cron, datetime(2000, 1, 1)))
    except CronSimError as error:
        return f"should be a cron expression ({error})".replace("Bad", "wrong")
    except StopIteration:
        return "should be a time that comes"
    return None


def slots(cron: str, timezone: str, *, after: datetime) -> Iterator[datetime]:
    """The moments after a moment at which a cron expression is due, in UTC, without end.

    A time that the clock leaves out comes when the clock goes on; one that it shows twice comes once. Only an
    expression for every hour (`*`) counts the hours that really pass.
    """
    from cronsim import CronSim

    last = after
    # A day earlier, and then sifted: on the night when clocks go back, one wall time stands for two moments.
    for slot in CronSim(_by_the_wall(cron), (after - timedelta(days=1)).astimezone(ZoneInfo(timezone))):
        if (moment := slot.astimezone(UTC)) > last:
            last = moment
            yield moment


def _by_the_wall(cron: str) -> str:
    """Writes steps such as `*/6` as ranges: cronsim reads a star as time that passes, and would skip or double them."""
    minute, hour, *days = cron.split()
    if hour == "*":
        return cron
    minute = f"0-59{minute[1:]}" if minute.startswith("*") else minute
    return " ".join([minute, f"0-23{hour[1:]}" if hour.startswith("*") else hour, *days])


def due(cron: str, timezone: str, *, catch_up: str, after: datetime, now: datetime) -> dict[datetime, bool]:
    """The slots that came since the last look, each with whether it is to be run.

    Args:
        cron: five fields.
        timezone: whose clock they mean.
        catch_up: "latest" runs one of several, "all" each, "none" the latest unless it was missed.
        after: the last look.
        now: this look.
    """
    passed = deque(takewhile(lambda slot: slot <= now, slots(cron, timezone, after=after)), maxlen=MOST)
    missed = {slot for slot in passed if catch_up == "none" and now - slot > ON_TIME}
    wanted = set(passed if catch_up == "all" else list(passed)[-1:]) - missed
    return {slot: slot in wanted for slot in passed}
