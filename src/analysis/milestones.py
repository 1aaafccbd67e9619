"""What changes while a customer stays: joining a programme, complaining, reaching a tier.

Somebody must stay long enough to join. So who joins is not known on the first day, and to compare those who ever
joined with those who never did lends the joiners all the days they stayed before it (immortal time). Here a spell is
cut on the day of the change, and each piece counts for the state the customer was in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analysis.estimates import NotTestable
from analysis.hazards import CoxModel, cox
from analysis.lifetimes import lifetimes, measured
from analysis.tables import TableError
from analysis.words import listing

if TYPE_CHECKING:
    from analysis.checks import CheckedTable
    from analysis.studies import Study

BEFORE, AFTER = "no", "yes"
FLAG, DATED = "as if known on the first day", "from the day it happened"
KEY = ["customer_id", "started_at", "time"]  # of a spell: a customer has one at a time
JOINED = "joined the programme"


def split(subscriptions: CheckedTable, events: Any, *, name: str) -> CheckedTable:
    """Cut each spell where its state changes, in the engine.

    Args:
        subscriptions: checked, with dates.
        events: rows in the engine: customer_id, at (a day), state (the word that holds from the next day on).
        name: of the new column, which says "no" before the first event.

    Returns:
        The subscriptions with one row a piece: `entered` is the age at which it begins, `time` at which it ends, and
        only the last piece of a spell may have `left`. Pieces enter late, so whatever allows for late entry takes
        them as customers.

    Raises:
        TableError: the subscriptions have no dates, or have a column of that name.
    """
    import ibis

    spells, happened = subscriptions.rows, _happened(subscriptions, events, name)
    # What came before watching began holds from there on.
    changed = happened.mutate(begins=ibis.greatest(happened.age, happened.entered))
    begun = spells.mutate(age=float("-inf"), begins=spells.entered, **{name: ibis.literal(BEFORE)})
    columns = [*spells.columns, "age", "begins", name]
    pieces = begun.select(columns).union(changed.select(columns))
    latest = ibis.window(group_by=[*KEY, "begins"], order_by=[ibis.desc("age"), name])
    pieces = pieces.mutate(later=ibis.row_number().over(latest)).filter(lambda t: t.later == 0)
    ends = pieces.begins.lead().over(ibis.window(group_by=KEY, order_by="begins"))
    pieces = pieces.mutate(ends=ends.fill_null(pieces.time))
    pieces = pieces.mutate(left=pieces.left & (pieces.ends == pieces.time), entered=pieces.begins, time=pieces.ends)
    return replace(subscriptions, rows=pieces.select(*spells.columns, name), facts=subscriptions.facts | {"late": True})


def _happened(subscriptions: CheckedTable, events: Any, name: str) -> Any:
    """Spells with each event that came before their end: its state as `name`, and the age at which it came."""
    if not subscriptions.has("started_at"):
        raise TableError("subscriptions: a change on a dated day needs started_at and ended_at instead of tenure.")
    if subscriptions.has(name):
        raise TableError(f"subscriptions: there is a column {name} already; rename it in studies.toml.")
    both = subscriptions.rows.inner_join(events, "customer_id")
    age = both["at"].cast("date").delta(both.started_at.cast("date"), unit="day").cast("float64")
    return both.mutate(age=age, **{name: both.state}).filter(lambda t: t.age < t.time)


def ever(subscriptions: CheckedTable, events: Any, *, name: str, covariates: Sequence[str] = ()) -> CheckedTable:
    """The subscriptions with the naive flag, whether the state ever changed, which is known only afterwards.

    Raises:
        TableError: see `split`; or one of the covariates says the same as the flag, so it was known only afterwards.
    """
    happened = _happened(subscriptions, events, name)
    flags = happened.group_by(KEY).agg(later=(happened.age > 0).any())
    rows = subscriptions.rows.left_join(flags, KEY)
    rows = rows.mutate(**{name: rows.later.notnull().ifelse(AFTER, BEFORE), "later": rows.later.fill_null(False)})
    if known := [column for column in covariates if _foretells(rows, column)]:
        raise TableError(
            f"subscriptions: {listing(known)} says on the first day of a contract what happened to the customer later "
            f"({name}), so those to whom it happened are lent the days they stayed before. Take it out of covariates: "
            "the dated events do the same rightly, each day counted for the state the customer was in."
        )
    return replace(subscriptions, rows=rows.select(*subscriptions.rows.columns, name))


def _foretells(rows: Any, column: str) -> bool:
    """Whether each word of a column belongs either to spells that changed later or to those that did not."""
    pairs = rows.select(column, "later").distinct().limit(10).execute()
    return 1 < len(pairs) < 10 and not (
        pairs["later"].nunique() < 2 or measured(pairs[column]) or pairs[column].astype(str).duplicated().any()
    )


def hazard(
    subscriptions: CheckedTable, events: Any, *, name: str, covariates: Sequence[str] = (), min_cell: int = 5
) -> dict[str, CoxModel | NotTestable]:
    """How a dated change goes with leaving: as the naive flag, which shows the error, and counted from its day.

    Args:
        subscriptions: checked.
        events: see `split`.
        name: of the change, which becomes the first covariate.
        covariates: others to hold equal.
        min_cell: as of `lifetimes.lifetimes`.

    Raises:
        TableError: see `ever`.
    """
    names = [name, *covariates]
    tables = {
        FLAG: ever(subscriptions, events, name=name, covariates=covariates),
        DATED: split(subscriptions, events, name=name),
    }
    return {how: cox(lifetimes(rows, by=names, min_cell=min_cell), covariates=names) for how, rows in tables.items()}


def joining(study: Study, *, covariates: Sequence[str] = ()) -> dict[str, CoxModel | NotTestable]:
    """`hazard` of joining a programme; once joined, a customer counts as a member to the end.

    Returns:
        Empty where the study has no memberships or its subscriptions no dates.

    Raises:
        TableError: see `ever`.
    """
    import ibis

    subscriptions = study.table("subscriptions")
    if not (study.has("memberships") and subscriptions.has("started_at")):
        return {}
    joined = study.table("memberships").rows
    events = joined.select("customer_id", at=joined.joined_at.date(), state=ibis.literal(AFTER))
    return hazard(subscriptions, events, name=JOINED, covariates=covariates, min_cell=study.min_cell)
