"""Orders become customers: first what counts as an order, then one row a customer.

Everything up to the customer table is an expression that runs where the orders lie. What comes to pandas is one row
of numbers a customer, never their name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.checks import CheckedTable, Step
from analysis.engines import keep
from analysis.estimates import told_sample
from analysis.tables import SettingsError, TableError
from analysis.words import count, listing, plural

if TYPE_CHECKING:
    import ibis

PURCHASES, NET = "purchases", "net"
DAY, ORDER_ID = "day", "order_id"
YEAR = 365.25
# Sums of floats depend on their order in the last digits; money does not reach this far.
DECIMALS = 6


@dataclass(frozen=True)
class Purchases:
    """The orders of each customer under one policy for returns and one meaning of "order".

    Attributes:
        rows: in the engine, one row an order: customer_id, ordered_on (day), amount, margin where known, value
            (margin where every row has one, else amount), age (days since the customer's first order) and
            followed_days (first order to the last day seen). opens is 1 for an order; under "net" a return that
            came on its own is a row too, with opens 0.
        steps: rows kept and dropped by each rule.
        notes: what a reader should know about how orders were counted.
        observed_until: last day seen.
        measure: what `value` holds, "margin" or "revenue".
        returns, order: the policies, as given.
    """

    rows: ibis.Table
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    observed_until: date
    measure: str
    returns: str
    order: str


@lru_cache(maxsize=8)  # a page asks for the same orders for each of its readings
def purchases(orders: CheckedTable, *, returns: str = PURCHASES, order: str = DAY) -> Purchases:
    """Orders from order lines, under one policy for returns.

    "purchases" leaves out rows whose amount is zero or negative or which are marked returned. "net" keeps every row.
    There, an order is what has at least one row of 0 or more, so a gift counts, and so does an order that the
    returns inside it bring to 0 or below; a row marked returned with a positive amount is a sale taken back and is
    worth 0; a return on its own is no order, and its money counts on the day it moved; a return before the
    customer's first order is left out, because what it returns was bought before the table begins.

    Args:
        orders: the checked orders.
        returns: "purchases" or "net".
        order: "day" (all rows of a customer on one day) or "order_id" (the invoice; rows without one go by day).

    Returns:
        The orders, in the engine, with the rows kept and dropped.

    Raises:
        SettingsError: an unknown policy, or "order_id" on a table without that column.
        TableError: no row is an order under this policy.
    """
    _refuse_unknown(orders, returns, order)
    until = orders.facts["observed_until"]
    groups = _told(keep(_placed(_grouped(orders, returns=returns, order=order))), until=until)
    tally = {name: int(value or 0) for name, value in _tally(groups).to_pandas().iloc[0].items()}
    if not tally["orders"]:
        raise TableError(
            f'orders: none of the {plural(tally["lines"], "row")} is an order under returns = "{returns}": '
            "their amounts are zero or negative, or they are marked returned. Check the column given for amount."
        )
    has_margin = orders.has("margin")
    measure = "margin" if has_margin and not tally["without_margin"] else "revenue"
    notes = [f"{plural(tally['kept'], 'row')} made {plural(tally['orders'], 'order')}: one {_ORDER_IS[order]}."]
    if has_margin and measure == "revenue":
        notes.append(f"The margin is missing on {plural(tally['without_margin'], 'row')}, so revenue is used.")
    notes += told_sample(orders.facts.get("customers") or 0)
    rows = groups.filter(groups.kept > 0, groups["at"] >= groups.first_at)
    return Purchases(
        rows=rows.mutate(value=rows.margin if measure == "margin" else rows.amount),
        steps=(Step(_RULE[returns], tally["kept"], tally["lines"] - tally["kept"]),),
        notes=tuple(notes),
        observed_until=until,
        measure=measure,
        returns=returns,
        order=order,
    )


_RULE = {
    PURCHASES: "purchases only: amount above zero and not marked returned",
    NET: "net of returns: a return has an order before it",
}
_ORDER_IS = {DAY: "for each customer and day", ORDER_ID: "for each order_id"}


def _refuse_unknown(orders: CheckedTable, returns: str, order: str) -> None:
    for name, given, known in (("returns", returns, _RULE), ("order", order, _ORDER_IS)):
        if given not in known:
            allowed = listing([f'"{one}"' for one in known], "or")
            raise SettingsError(f'{name} is "{given}"; it must be {allowed}.')
    if order == ORDER_ID and not orders.has(ORDER_ID):
        raise SettingsError('order is "order_id", but the orders have no such column. Add it, or use order = "day".')


def _grouped(orders: CheckedTable, *, returns: str, order: str) -> Any:
    """One row a customer and order, or lone return; groups without a kept row are there too, to be counted.

    It holds no more than it must, for there are nearly as many of them as lines.
    """
    import ibis

    rows = orders.rows
    marked = rows.returned.fill_null(False) if orders.has("returned") else ibis.literal(False)
    kept = ibis.literal(True) if returns == NET else (rows.amount > 0) & ~marked
    taken_back = ~kept | (marked & (rows.amount > 0))
    day = rows.ordered_at.date()
    invoice = (
        {"at": rows.ordered_at, "day": day, "key": rows.order_id.fill_null(day.cast("string"))}
        if order == ORDER_ID
        else {}
    )
    margin = {"margin": taken_back.ifelse(0.0, rows.margin)} if orders.has("margin") else {}
    lines = rows.select(
        customer_id=rows.customer_id,
        **(invoice or {"ordered_on": day}),
        amount=taken_back.ifelse(0.0, rows.amount),
        **margin,
        kept=kept.ifelse(1, 0),
        opens=(kept & (rows.amount >= 0)).ifelse(1, 0),
    )
    times = {"at": lines["at"].min(), "ordered_on": lines.day.min()} if invoice else {}
    # The engine adds in whatever order its threads come by; rounded sums come out alike every time.
    money = {name: lines[name].sum().round(DECIMALS) for name in ("amount", *margin)}
    counts = {"lines": lines.count(), "kept": lines.kept.sum()}
    counts |= {"without_margin": lines.margin.isnull().sum()} if margin else {}
    return lines.group_by("customer_id", "key" if invoice else "ordered_on").agg(
        **times, **money, opens=lines.opens.max(), **{name: number.cast("int32") for name, number in counts.items()}
    )


def _placed(groups: Any) -> Any:
    """Each order with its customer's first one; nothing there for customers without an order."""
    opening = groups.filter(groups.opens == 1)
    at = {"first_at": opening["at"].min()} if "at" in groups.columns else {}
    first = opening.group_by("customer_id").agg(first_on=opening.ordered_on.min(), **at)
    return groups.left_join(first, "customer_id").drop("customer_id_right")


def _told(groups: Any, *, until: date) -> Any:
    """With what follows from the columns that are kept."""
    import ibis

    if "at" not in groups.columns:  # a customer's day is one order
        groups = groups.mutate(key=groups.ordered_on, at=groups.ordered_on, first_at=groups.first_on)
    if "margin" not in groups.columns:
        groups = groups.mutate(margin=ibis.null("float64"), without_margin=groups.lines)
    return groups.mutate(
        age=groups.ordered_on.delta(groups.first_on, unit="day"),
        followed_days=ibis.literal(until).delta(groups.first_on, unit="day"),
    )


def rounded(value: Any) -> Any:
    """A quotient to the decimals of money; a half goes up, where engines that round have ways of their own."""
    # A float of this size has no such decimals, and no engine's whole numbers are long enough.
    return (value.abs() < 2**53 / 10**DECIMALS).ifelse((value * 10**DECIMALS + 0.5).floor() / 10**DECIMALS, value)


def _tally(groups: Any) -> Any:
    before = (groups["at"] < groups.first_at) | groups.first_at.isnull()
    return groups.aggregate(
        lines=groups.lines.sum(),
        kept=groups.kept.sum(where=~before),
        orders=groups.opens.sum(),
        without_margin=groups.without_margin.sum(),
    )


def totals(bought: Purchases, *, within: int | None = None, annual_discount_rate: float = 0.0) -> pd.DataFrame:
    """One row a customer, without their names: how often and for how much they bought.

    Args:
        bought: the orders.
        within: days of equal follow-up. Only what happened up to so many days after a customer's first order counts,
            and the numbers of a customer followed for fewer days are missing: unknown, not zero. None counts
            everything seen, however long each customer was followed.
        annual_discount_rate: makes later money count less, from the customer's first order on; only in `value`.

    Returns:
        Columns first_amount (money of the first order), orders (count), revenue (money), value (margin where known,
        else revenue) and followed_days (first order to the last day seen), sorted by all of them.

    Raises:
        SettingsError: equal follow-up of less than a day.
    """
    table = _per_customer(bought, grouped=within, within=within, annual_discount_rate=annual_discount_rate)
    return table.drop(columns="later_value")


def half_way(bought: Purchases, *, within: int, known: bool = False) -> pd.DataFrame:
    """One row a customer, as known half-way through equal follow-up, with what came afterwards.

    Args:
        bought: the orders.
        within: days of equal follow-up; the first half runs to day `within // 2` after the first order.
        known: whether a column customer tells, as a number, who is who in other tables.

    Returns:
        As `totals`, but orders and revenue count the first half only; value is that of the whole time and
        later_value (money) that of the second half. Missing where a customer was followed for fewer days.
    """
    return _per_customer(bought, grouped=within // 2, within=within, known=known)


def _per_customer(
    bought: Purchases,
    *,
    grouped: int | None,
    within: int | None,
    annual_discount_rate: float = 0.0,
    known: bool = False,
) -> pd.DataFrame:
    import ibis

    if within is not None and within < 1:
        raise SettingsError(f"A follow-up of {within} days is none; it must be 1 day or more.")
    rows = bought.rows
    early = ibis.literal(True) if grouped is None else rows.age <= grouped
    counted = ibis.literal(True) if within is None else rows.age <= within
    value = rows.value
    if annual_discount_rate:
        value = value * (-math.log1p(annual_discount_rate) / YEAR * rows.age).exp()
    table = rows.group_by("customer_id").agg(
        # Invoices of the same instant are told apart by their number, so that the first is always the same one.
        first_amount=rows.amount.argmin(rows.key, where=(rows.opens == 1) & (rows["at"] == rows.first_at)),
        orders=rows.opens.sum(where=early),
        revenue=rows.amount.sum(where=early),
        value=value.sum(where=counted),
        later_value=value.sum(where=counted & ~early),
        followed_days=rows.followed_days.max(),
    )
    frame = numbered(table, known).round(DECIMALS)
    if within is not None:
        frame.loc[frame.followed_days < within, ["orders", "revenue", "value", "later_value"]] = np.nan
    # A fixed order, so that the same seed draws the same customers on any engine.
    return frame.sort_values(list(frame.columns), ignore_index=True)


def numbered(table: Any, known: bool) -> pd.DataFrame:
    """One row a customer without their name, missing numbers as 0.

    Where they are to be `known`, a column customer holds a number: the same for the same customer in every table.
    """
    frame = (table if known else table.drop("customer_id")).to_pandas()
    who = pd.util.hash_array(frame.pop("customer_id").to_numpy(object)) if known else None
    numbers = frame.astype("float64").fillna(0.0)
    return numbers if who is None else numbers.assign(customer=who)


def longest_follow_up(table: pd.DataFrame, *, keep: float = 0.5) -> int:
    """The most days for which at least a share `keep` of the customers of `totals` were followed."""
    days = np.sort(table["followed_days"].to_numpy())[::-1]
    return int(days[max(0, math.ceil(keep * len(days)) - 1)])


def follow_up_text(table: pd.DataFrame, *, within: int) -> str:
    """How many customers of `totals` the equal follow-up keeps, as a sentence."""
    kept = int((table["followed_days"] >= within).sum())
    return f"Followed for {plural(within, 'day')} or more: {count(kept)} of {plural(len(table), 'customer')}."
