"""What customers did before and after they answered: surveys joined to dated behaviour, in that order of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.checks import Step
from analysis.customers import DAY, DECIMALS, PURCHASES, YEAR, Purchases, purchases
from analysis.estimates import NotTestable, gated, need, needed
from analysis.scales import Answers, answers
from analysis.tables import TableError
from analysis.words import listing, plural

if TYPE_CHECKING:
    import ibis

    from analysis.checks import CheckedTable
    from analysis.studies import Study

FOUND = ["before", "before_worth", "after", "after_worth"]


@dataclass(frozen=True)
class Watched:
    """Rows of customers who were watched for leaving, and which rows were kept and dropped on the way."""

    rows: pd.DataFrame
    steps: tuple[Step, ...]


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


def happenings(table: CheckedTable | Purchases, when: str = "", who: str = "customer_id") -> ibis.Table:
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
    found: Answers, surveys: CheckedTable, events: ibis.Table, *, since: date, until: date, days: int, once: bool = True
) -> Afterwards:
    """Count what the customer of each questionnaire did in the days before and after it.

    Args:
        found: the answers; each needs a customer and a day.
        surveys: the checked table they come from, in the same engine as the events.
        events: from `happenings`.
        since, until: first and last day on which events were recorded.
        days: length of the window on either side.
        once: keep the last questionnaire of each customer that was watched so long, so that rows are independent.

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
        before_worth=pairs.worth.sum(where=before).fill_null(0.0).round(DECIMALS),
        after=after.sum().fill_null(0),
        after_worth=pairs.worth.sum(where=after).fill_null(0.0).round(DECIMALS),
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
    keep, steps = known, [step("questionnaires with a customer and a day", known)]
    for rule, part in ((f"{plural(days, 'day')} on record before the answer", early), ("as many after it", late)):
        steps.append(step(rule, keep & part, keep))
        keep = keep & part
    if once and keep.any():
        last = did[keep].sort_values("asked_on", kind="stable").duplicated("customer_id", keep="last")
        again = last.reindex(did.index, fill_value=False)
        steps.append(step("the last such answer of each customer", keep & ~again, keep))
        keep = keep & ~again
    if not keep.any():
        raise TableError(
            f"surveys: no questionnaire has {plural(days, 'day')} of behaviour on record on either side of it "
            f"({since} to {until}). Choose a shorter window."
        )
    return Afterwards(found.only(keep), did.loc[keep, [*FOUND, "age"]].reset_index(drop=True), days, tuple(steps))


def step(rule: str, kept: Any, of: Any = None) -> Step:
    """What a rule kept and dropped of some rows; of all where none are named."""
    return Step(rule, int(kept.sum()), int(len(kept) if of is None else of.sum()) - int(kept.sum()))


# Table to its columns of time and of the customer.
DATED = {
    "referrals": ("referred_at", "referrer_id"),
    "contacts": ("contacted_at", "customer_id"),
    "operations": ("measured_at", "customer_id"),
    "touchpoints": ("touched_at", "customer_id"),
}


def in_study(
    lab: Study,
    found: Answers,
    table: str,
    *,
    days: int,
    once: bool = True,
    returns: str = PURCHASES,
    order: str = DAY,
) -> Afterwards | NotTestable:
    """What the customers of a study did around their answers, or why it is not known.

    Args:
        lab: the study.
        found: its answers.
        table: orders, or a key of `DATED`; those are taken as recorded for as long as the orders are, if there are any.
        days, once, returns, order: as in `afterwards` and `customers.purchases`.
    """
    if missing := [name for name in ("surveys", table) if not lab.has(name)]:
        return NotTestable(f"The study has no {listing(missing, 'or')} table.")
    try:
        spans = []
        if lab.has("orders"):
            bought = purchases(lab.table("orders"), returns=returns, order=order)
            spans.append((bought.rows.ordered_on.min().to_pyarrow().as_py(), bought.observed_until))
        events = happenings(bought) if table == "orders" else happenings(lab.table(table), *DATED[table])
        if table != "orders":
            spans.append(tuple(day.to_pyarrow().as_py() for day in (events.day.min(), events.day.max())))
        since, until = min(span[0] for span in spans), max(span[1] for span in spans)
        return afterwards(found, lab.table("surveys"), events, since=since, until=until, days=days, once=once)
    except TableError as error:
        return NotTestable(str(error))


def stays(lab: Study, who: pd.Series, day: pd.Series) -> pd.DataFrame | NotTestable:
    """How long the customer of each row stayed after a day, by the contract that ran on it.

    Returns:
        time (days until leaving, or until last seen; NaN where no contract ran), left, and tenure (years since the
        contract began), row by row.
    """
    if not lab.has("subscriptions") or not lab.table("subscriptions").has("started_at"):
        return NotTestable(
            "Who leaves is told by contracts with dates: bring subscriptions with started_at and ended_at."
        )
    spells = lab.table("subscriptions").rows.select("customer_id", "started_at", "time", "left").to_pandas()
    asked = pd.DataFrame({"customer_id": who.to_numpy(), "day": pd.to_datetime(day).dt.normalize().to_numpy()})
    both = asked.reset_index(names="row").merge(spells, on="customer_id")
    gone = (both["day"] - pd.to_datetime(both["started_at"])).dt.days
    both = both.assign(time=(both["time"] - gone).where(gone >= 0), tenure=gone / YEAR)
    running = both[both["time"] > 0].drop_duplicates("row").set_index("row").reindex(range(len(asked)))
    return running[["time", "left", "tenure"]].assign(left=lambda t: t["left"].eq(True)).set_index(who.index)


@gated
def in_turn(found: Answers, scores: pd.DataFrame) -> Any:
    """Each questionnaire beside the next one of the same customer, if that came on a later day.

    Args:
        found: the questionnaires.
        scores: of these questionnaires, row by row.

    Returns:
        The scores, each again as "later NAME", months (between the two days), who and weight; rows with a gap in any
        score are left out.
    """
    known = {"customer_id", "answered_at"} <= {*found.who}
    need(known, "The survey has no customer_id or no answered_at, so nobody's next answer can be found.")
    day = pd.to_datetime(found.who["answered_at"]).dt.normalize()
    table = scores.assign(who=found.who["customer_id"], day=day, weight=found.weight).sort_values("day", kind="stable")
    later = table.groupby("who")[[*scores, "day"]].shift(-1)
    months = (later.pop("day") - table.pop("day")).dt.days / (YEAR / 12)
    table = table.join(later.add_prefix("later ")).assign(months=months)[months > 0].dropna()
    need(len(table), "Nobody answered on two days, so no answer comes before another. Ask the same customers again.")
    return table.sort_index()


def dealt_out(*causes: str) -> Callable[[Any, np.random.Generator], Any]:
    """A table, `Watched` or `Afterwards`, as it could be by chance: these columns dealt out anew among its rows."""

    def shuffle(table: Any, random: np.random.Generator) -> Any:
        if isinstance(table, NotTestable):
            return table
        inside = {Watched: "rows", Afterwards: "did"}.get(type(table))
        rows = getattr(table, inside) if inside else table
        mixed = rows.assign(**dict(rows[[*causes]].iloc[random.permutation(len(rows))].set_axis(rows.index)))
        return replace(table, **{inside: mixed}) if inside else mixed

    return shuffle


def asked(lab: Study) -> Answers | NotTestable:
    """The answers of a study, or that it has none."""
    return answers(lab) if lab.has("surveys") else NotTestable("The study has no surveys table.")


@gated
def answers_until(lab: Study, found: Any, *said: str, reach: int) -> Any:
    """The time from each answer to the customer's next one, to leaving, or to the end of its reach.

    Args:
        lab: the study.
        found: from `asked`.
        said: constructs whose scores must be there.
        reach: days for which an answer counts at most.

    Returns:
        `Watched`, a row an answer: answer (a number), customer_id, day and until (days on one calendar), left (at
        `until`), tenure (years since the contract began) and the scores in standard deviations.
    """
    found = needed(found)
    needed(found.lacks(*said))
    lacking = [name for name in ("customer_id", "answered_at") if name not in found.who]
    need(not lacking, f"The survey has no {listing(lacking)}, so nobody knows what came after an answer.")
    scores = {name: found.score(found.constructs[name]) for name in said}
    rows = found.who[["customer_id", "answered_at"]].assign(**{n: (s - s.mean()) / s.std() for n, s in scores.items()})
    known = rows.notna().all(axis=1)
    steps = [step(f"questionnaires with a customer, a day and {listing(list(said))}", known)]
    rows = rows[known]
    after = needed(stays(lab, rows["customer_id"], rows["answered_at"]))
    there = after["time"].notna()
    steps.append(step("from customers with a contract on that day", there))
    rows = rows[there].assign(**after[there], day=calendar(rows["answered_at"]))
    rows = rows.sort_values(["customer_id", "day"]).drop_duplicates(["customer_id", "day"], ignore_index=True)
    again = rows.groupby("customer_id")["day"].shift(-1) - rows["day"]
    span = np.fmin(np.fmin(rows["time"], again), reach)
    rows = rows.assign(answer=rows.index, left=rows["left"] & (rows["time"] == span), until=rows["day"] + span)
    return Watched(rows.drop(columns=["time", "answered_at"]), tuple(steps))


def calendar(when: pd.Series) -> pd.Series:
    """Dates as whole days on one calendar."""
    return (pd.to_datetime(when).dt.normalize() - pd.Timestamp("1970-01-01")).dt.days
