"""What customers did before and after they answered: surveys joined to dated behaviour, in that order of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.checks import Step
from analysis.customers import Purchases
from analysis.scales import Answers
from analysis.tables import TableError
from analysis.words import plural

if TYPE_CHECKING:
    import ibis

    from analysis.checks import CheckedTable

FOUND = ["before", "before_worth", "after", "after_worth"]


@dataclass(frozen=True)
class Afterwards:
    """Questionnaires whose customers were watched for some days before and after the answer.

    Attributes:
        answers: those questionnaires.
        did: row by row beside them: before, after (times within `days` up to and with the day of the answer, and
            within `days` from the next day on), before_worth, after_worth (money; as often as times where none is
            known) and age (days since the first time in the table; NaN for those who never were there).
        days: the length of both windows.
        steps: questionnaires kept and dropped.
    """

    answers: Answers
    did: pd.DataFrame
    days: int
    steps: tuple[Step, ...]


def happenings(table: CheckedTable | Purchases, *, when: str = "", who: str = "customer_id") -> ibis.Table:
    """Dated events as customer_id, day and worth: orders, or the rows of another table under its own names.

    Args:
        table: orders after `customers.purchases`, or a checked table.
        when, who: columns of a checked table that tell the day and the customer.
    """
    if isinstance(table, Purchases):
        rows = table.rows.filter(table.rows.opens == 1)
        return rows.select("customer_id", day=rows.ordered_on, worth=rows.value.cast("float64"))
    return table.rows.select(customer_id=table.rows[who], day=table.rows[when].date(), worth=1.0)


def afterwards(
    found: Answers, surveys: CheckedTable, events: ibis.Table, *, since: date, until: date, days: int
) -> Afterwards:
    """Count what the customer of each questionnaire did in the days before and after it.

    Args:
        found: the answers; each needs a customer and a day.
        surveys: the checked table they come from, in the same engine as the events.
        events: from `happenings`.
        since, until: first and last day on which events were recorded.
        days: length of the window on either side.

    Raises:
        TableError: the survey has no customer_id or answered_at, or no questionnaire was watched long enough.
    """
    if missing := [name for name in ("customer_id", "answered_at") if name not in found.who]:
        raise TableError(f"surveys: without {' and '.join(missing)} nobody's answers can be joined to what they did.")
    asked = surveys.rows.filter(surveys.rows.customer_id.notnull(), surveys.rows.answered_at.notnull())
    asked = asked.select("customer_id", asked_on=asked.answered_at.date()).distinct()
    pairs = asked.left_join(events, asked.customer_id == events.customer_id)
    apart = pairs.day.delta(pairs.asked_on, unit="day")
    before, after = (apart <= 0) & (apart > -days), (apart > 0) & (apart <= days)
    counted = pairs.group_by(["customer_id", "asked_on"]).agg(
        before=before.sum().fill_null(0),
        before_worth=pairs.worth.sum(where=before).fill_null(0.0),
        after=after.sum().fill_null(0),
        after_worth=pairs.worth.sum(where=after).fill_null(0.0),
        age=(-apart).max(),
    )
    table = counted.to_pandas().assign(asked_on=lambda t: pd.to_datetime(t["asked_on"]))
    keys = found.who[["customer_id"]].assign(asked_on=pd.to_datetime(found.who["answered_at"]).dt.normalize())
    did = keys.merge(table, how="left", on=["customer_id", "asked_on"])
    did["age"] = did["age"].where(did["age"] >= 0)
    span = pd.Timedelta(days=days)
    known = did["before"].notna()
    early = did["asked_on"] - span >= pd.Timestamp(since) - pd.Timedelta(days=1)
    late = did["asked_on"] + span <= pd.Timestamp(until)
    keep, steps = known, [_step("questionnaires with a customer and a day", known, known | True)]
    for rule, part in ((f"{plural(days, 'day')} on record before the answer", early), ("as many after it", late)):
        steps.append(_step(rule, keep & part, keep))
        keep = keep & part
    if not keep.any():
        raise TableError(
            f"surveys: no questionnaire has {plural(days, 'day')} of behaviour on record on either side of it "
            f"({since} to {until}). Choose a shorter window."
        )
    return Afterwards(found.only(keep), did.loc[keep, [*FOUND, "age"]].reset_index(drop=True), days, tuple(steps))


def _step(rule: str, kept: Any, of: Any) -> Step:
    return Step(rule, int(kept.sum()), int(of.sum()) - int(kept.sum()))
