"""Orders become customers: first what counts as an order, then one row a customer.

Everything up to the customer table is an expression that runs where the orders lie. What comes to pandas is one row
of numbers a customer, never their name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.checks import CheckedTable, Step, kinds_of_lines
from analysis.engines import keep
from analysis.estimates import told_sample
from analysis.readings import STORED_ID
from analysis.tables import SettingsError, TableError
from analysis.words import count, listing, plural

if TYPE_CHECKING:
    import ibis

PURCHASES, NET = "purchases", "net"
DAY, ORDER_ID = "day", "order_id"
YEAR = 365.25
# Sums of floats depend on their order in the last digits; money does not reach this far.
DECIMALS = 6


@dataclass(frozen=True, eq=False)  # orders are themselves: two that hold the same may lie in two engines
class Purchases:
    """The orders of each customer under one policy for returns and one meaning of "order".

    Attributes:
        lines: in the engine, one row a line that counts: customer_id (as stored), ordered_on (day), amount; value
            where the measure is margin; ordered_at and key (invoice) where an order is an invoice. Under "net" a
            negative line is a return.
        lines_read, returned: lines before the policy, and returns among those that count.
        began, observed_until: first day of the table and last day seen.
        measure: what `value` holds, "margin" or "revenue".
        returns, order: the policies, as given.
        told: sentences on the measure and the sample.
        whole, members: of all customers, where these are the orders of some; and who they are (customer_id).
    """

    lines: ibis.Table
    lines_read: int
    returned: int
    began: date
    observed_until: date
    measure: str
    returns: str
    order: str
    told: tuple[str, ...]
    whole: Purchases | None = None
    members: ibis.Table | None = None

    @cached_property
    def rows(self) -> ibis.Table:
        """One row an order, kept in the engine.

        customer_id, ordered_on (day), key (in the order of a customer's orders), amount, value, lines (count), age
        (days since the customer's first order), first_on (its day) and followed_days (from there to the last day
        seen). opens is 1 for an order; under "net" a return that came on its own is a row too, with opens 0.
        """
        if self.whole:
            return self.whole.rows.semi_join(self.members, "customer_id")
        return _told(keep(_placed(self)), until=self.observed_until)

    @cached_property
    def _counts(self) -> tuple[int, int]:
        """Lines and orders."""
        rows = self.rows
        found = rows.aggregate(lines=rows.lines.sum(), orders=rows.opens.sum()).to_pandas().iloc[0]
        return int(found["lines"]), int(found["orders"])

    @property
    def steps(self) -> tuple[Step, ...]:
        """Lines kept and dropped, of all customers."""
        lines, _ = (self.whole or self)._counts
        return (Step(_RULE[self.returns], lines, self.lines_read - lines),)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know about how orders were counted."""
        lines, orders = (self.whole or self)._counts
        return (f"{plural(lines, 'row')} made {plural(orders, 'order')}: one {_ORDER_IS[self.order]}.", *self.told)

    def of(self, people: ibis.Table) -> Purchases:
        """The orders of some customers.

        Args:
            people: with customer_id, as text.
        """
        lines = self.lines
        return replace(
            self,
            lines=lines.semi_join(people, lines.customer_id.cast("string") == people.customer_id),
            whole=self.whole or self,
            members=people,
        )


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
    facts = _counted(orders)
    net = returns == NET
    if not (facts["rows"] - facts["returns"] if net else facts["sold"]):
        raise TableError(
            f'orders: none of the {plural(facts["rows"], "row")} is an order under returns = "{returns}": '
            "their amounts are zero or negative, or they are marked returned. Check the column given for amount."
        )
    lines = _lines(orders, returns=returns, order=order)
    has_margin = orders.has("margin")
    missing = int(lines.margin.isnull().sum().to_pyarrow().as_py()) if has_margin else 0
    by_margin = has_margin and not missing
    told = [f"The margin is missing on {plural(missing, 'row')}, so revenue is used."] if missing else []
    return Purchases(
        lines=lines.rename(value="margin") if by_margin else lines.drop("margin") if has_margin else lines,
        lines_read=facts["rows"],
        returned=facts["returns"] if net else 0,
        began=facts["first"],
        observed_until=facts["observed_until"],
        measure="margin" if by_margin else "revenue",
        returns=returns,
        order=order,
        told=(*told, *told_sample(facts.get("customers") or 0)),
    )


def _counted(orders: CheckedTable) -> dict[str, Any]:
    """What is known of all lines since they were checked; of a table that was made otherwise it is counted here."""
    if "sold" in orders.facts:
        return orders.facts
    rows = orders.rows
    counts = {"rows": rows.count(), **kinds_of_lines(rows, None)}
    found = rows.aggregate(first=rows.ordered_at.date().min(), **counts).to_pyarrow().to_pylist()[0]
    return orders.facts | found


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


def _lines(orders: CheckedTable, *, returns: str, order: str) -> Any:
    """The lines that count, with what they count for."""
    rows, by_invoice = orders.rows, order == ORDER_ID
    marked = rows.returned.fill_null(False) if orders.has("returned") else None
    taken_back = None if marked is None else marked & (rows.amount > 0)
    day = rows.ordered_at.date()
    invoice = {"ordered_at": rows.ordered_at, "key": rows.order_id.fill_null(day.cast("string"))} if by_invoice else {}
    money = [name for name in ("amount", "margin") if orders.has(name)]
    lines = rows.select(
        customer_id=rows[STORED_ID if orders.has(STORED_ID) else "customer_id"],
        ordered_on=day,
        **invoice,
        **{name: rows[name] if taken_back is None else taken_back.ifelse(0.0, rows[name]) for name in money},
    )
    return lines if returns == NET else lines.filter(lines.amount > 0)


def ordered(bought: Purchases, **also: Any) -> Any:
    """One row an order: customer_id, ordered_on, amount, value; at and key, by which a customer's orders go.

    `also` are columns of the lines to be added up beside the money.
    """
    return _gathered(bought.lines.mutate(**also) if also else bought.lines, opening=bought.returned > 0)


def returned(bought: Purchases, **also: Any) -> Any:
    """One row a day or invoice of a customer that holds returns alone, as `ordered` has them; None where there is none.

    They are few, so they are looked for by themselves.
    """
    if not bought.returned:
        return None
    lines = bought.lines.mutate(**also)
    by = ["customer_id", "key" if "key" in lines.columns else "ordered_on"]
    return _gathered(lines.filter(lines.amount < 0).anti_join(lines.filter(lines.amount >= 0), by))


def _gathered(lines: Any, *, opening: bool = False) -> Any:
    """Lines added up by customer and day or invoice; if asked, only those with a line of 0 or more."""
    sums = {name: lines[name].sum() for name in ("amount", "value", "lines") if name in lines.columns}
    sums |= {"highest": lines.amount.max()} if opening else {}
    by_invoice = "key" in lines.columns
    times = {"ordered_on": lines.ordered_on.min(), "at": lines["ordered_at"].min()} if by_invoice else {}
    found = lines.group_by("customer_id", "key" if by_invoice else "ordered_on").agg(**times, **sums)
    found = found.filter(found.highest >= 0).drop("highest") if opening else found
    value = {} if "value" in found.columns else {"value": found.amount}
    if by_invoice:
        # Invoices of one instant are told apart by their number; a tab comes before what makes an instant longer.
        return found.mutate(key=found["at"].cast("string") + "\t" + found.key, **value)
    return found.mutate(at=found.ordered_on, key=found.ordered_on, **value)


def since_first(rows: Any, first: Any) -> Any:
    """Rows from a customer's first order on, with what `first` holds of it: first_at, and customer_id."""
    both = rows.inner_join(first, "customer_id")
    return both.filter(both["at"] >= both.first_at)


def _placed(bought: Purchases) -> Any:
    """Each order, and each return on its own, with its customer's first order; without returns from before it."""
    import ibis

    one = ibis.literal(1, "int32")
    orders, alone = ordered(bought, lines=one), returned(bought, lines=one)
    first = orders.group_by("customer_id").agg(first_on=orders.ordered_on.min(), first_at=orders["at"].min())
    rows = orders.mutate(opens=ibis.literal(1, "int8"))
    if alone is not None:
        rows = rows.union(alone.select(orders.columns).mutate(opens=ibis.literal(0, "int8")))
    rows = since_first(rows, first)
    # The engine adds in whatever order its threads come by; rounded sums come out alike every time.
    money = ["amount", "value"] if bought.measure == "margin" else ["amount"]
    # No more than it must hold, for there are nearly as many orders as lines.
    return rows.select(
        *("ordered_on", "opens", "first_on"),
        *(["key"] if bought.order == ORDER_ID else []),
        customer_id=rows.customer_id.cast("string"),
        lines=rows.lines.cast("int32"),
        **{name: rows[name].round(DECIMALS) for name in money},
    )


def _told(rows: Any, *, until: date) -> Any:
    """With what follows from the columns that are kept."""
    import ibis

    return rows.mutate(
        key=rows.key if "key" in rows.columns else rows.ordered_on,
        value=rows.value if "value" in rows.columns else rows.amount,
        age=rows.ordered_on.delta(rows.first_on, unit="day"),
        followed_days=ibis.literal(until).delta(rows.first_on, unit="day"),
    )


def rounded(value: Any) -> Any:
    """A quotient to the decimals of money; a half goes up, where engines that round have ways of their own."""
    # A float of this size has no such decimals, and no engine's whole numbers are long enough.
    return (value.abs() < 2**53 / 10**DECIMALS).ifelse((value * 10**DECIMALS + 0.5).floor() / 10**DECIMALS, value)


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
        first_amount=rows.amount.argmin(rows.key, where=rows.opens == 1),
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
