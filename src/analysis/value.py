"""What better retention is worth: arithmetic on a curve of yearly retention rates, with its uncertainty.

A customer who pays one margin a year is worth a number of margins, here called customer-years. Everything in this
module is that number before and after a change of every yearly rate, less what has to be paid out of it. The margin
itself cancels from growth unless a cost in money stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, gated, need, needed
from analysis.lifetimes import ALL, grouped, grouping, in_words, lifetimes, worded
from analysis.renewal import LONG, RetentionCurve, retention_curve
from analysis.retention import MIN_EVENTS, PER_YEAR
from analysis.tables import SettingsError
from analysis.words import listing

if TYPE_CHECKING:
    from analysis.checks import CheckedTable

# The highest yearly rate a change may reach: at 1 nobody ever leaves, and the value of a customer has no end.
CAP = 0.999
# A sum "without end" counts as settled when the last quarter of those years adds less than this share of it.
UNSETTLED = 0.01

VALUE = "value of a customer"
NET_VALUE = "value net of acquisition cost"
CONTRIBUTION = "yearly contribution"
PROFIT = "operating profit"
OUTCOMES = (VALUE, NET_VALUE, CONTRIBUTION, PROFIT)
CONVENTIONS = ("A", "B")
ENDLESS = "without end"

Rates = np.ndarray | float


# --- one constant rate, for ever: the closed forms ---------------------------------------------------------------


def constant_growth(retention: Rates, change: Rates, *, discount_rate: float) -> Rates:
    """Relative growth of a customer's value, first margin at once, when a constant rate rises by `change`.

    Not a number where the changed rate would pass one. 0.05 is five points.
    """
    room = 1 + discount_rate - retention - change
    return (change / np.where((np.asarray(retention) + change <= 1) & (room > 0), room, np.nan))[()]


def baseline_needed(growth: float, *, change: float, discount_rate: float) -> float:
    """The constant rate at which a rise by `change` gives a growth: the inverse of `constant_growth`."""
    return 1 + discount_rate - change - change / growth


def cost_multiplier(share: Rates) -> Rates:
    """What costs that do not change do to growth: 1 / (1 - their share of what they are paid from).

    The same leverage makes the growth net of acquisition cost (a share of a customer's value) and that of operating
    profit (fixed cost as a share of contribution). Not a number where the costs eat everything.
    """
    left = 1 - np.asarray(share, dtype=float)
    return (1 / np.where(left > 0, left, np.nan))[()]


# --- a curve of yearly rates -------------------------------------------------------------------------------------


def curves_by(
    subscriptions: CheckedTable, by: str, *, draws: int, seed: int, min_cell: int = 5
) -> dict[str, RetentionCurve | NotTestable]:
    """The curve of each segment, small segments put together.

    Args:
        subscriptions: checked.
        by: column that tells the segments apart; empty takes the first covariate, and none gives no segments.
        draws, seed: as in `retention_curve`; each segment has random numbers of its own, so that sums over them may
            take their resamples together.
        min_cell: smallest number of customers a segment may hold.
    """
    if not (column := grouping(subscriptions, by)):
        return {}
    table = grouped(lifetimes(subscriptions, by=(column,), min_cell=min_cell), column, min_events=MIN_EVENTS)
    unit = subscriptions.facts["unit"]
    return {
        str(segment): retention_curve(rows.drop(columns=column), unit=unit, draws=draws, seed=seed + place)
        for place, (segment, rows) in enumerate(table.groupby(column), start=1)
    }


def _later_margins(rates: np.ndarray, convention: str, discount_rate: float) -> np.ndarray:
    """Expected margins after each renewal that counts, the k-th discounted over k years."""
    worth = np.cumprod(rates, axis=-1) / (1 + discount_rate) ** np.arange(1, rates.shape[-1] + 1)
    return worth if convention == "A" else worth[..., :-1]


def customer_years(rates: np.ndarray, *, convention: str, discount_rate: float = 0.0) -> np.ndarray:
    """Margins a new customer is expected to pay within the years of the curve, each counted as one.

    Args:
        rates: yearly retention on the last axis; any number of curves before it.
        convention: A, margins at the end of years 1 to H from those who stayed the year out; B, margins at the
            start of years 1 to H, so the first is certain and the rate of year H decides nothing.
        discount_rate: a year.

    Returns:
        One number a curve. Times a yearly intake it is also how many customers pay in a year of the steady state.
    """
    return (convention == "B") + _later_margins(rates, convention, discount_rate).sum(axis=-1)


def duration(rates: np.ndarray, *, convention: str, discount_rate: float = 0.0) -> np.ndarray:
    """Elasticity of a customer's value to retention: per cent gained when every yearly rate rises by one per cent.

    It is how far ahead, in retained years, the discounted margins lie on average.

    Source: Pfeifer & Farris (2004), Journal of Interactive Marketing 18(2).
    """
    later = _later_margins(rates, convention, discount_rate)
    ahead = (later * np.arange(1, later.shape[-1] + 1)).sum(axis=-1)
    return ahead / customer_years(rates, convention=convention, discount_rate=discount_rate)


def residual_years(rates: np.ndarray, *, year: int, discount_rate: float, years: int = LONG) -> np.ndarray:
    """Discounted margins still to come from a customer in a year of their life, whose renewal is near (DERL).

    The present year is paid and not counted; the next one, if they renew, counts in full, and later ones less. A
    customer in year n has renewed n - 1 times; some programs count those renewals instead, a shift of one.

    Args:
        rates: yearly retention on the last axis.
        year: n, from 1.
        discount_rate: a year.
        years: that count after the present one.

    Source: Fader & Hardie (2010), Marketing Science 29(1).
    """
    later = rates[..., year - 1 : year - 1 + years]
    return (1 + discount_rate) * customer_years(later, convention="A", discount_rate=discount_rate)


def average_retention(rates: np.ndarray) -> np.ndarray:
    """The one yearly rate that loses as many of the customer-years lived: 1 - departures per customer-year."""
    survival = np.cumprod(rates, axis=-1)
    return 1 - (1 - survival[..., -1]) / customer_years(rates, convention="B")


# --- the three readings of "5%" ----------------------------------------------------------------------------------


def readings(change: float) -> tuple[str, str, str]:
    """The three things that "5%" can mean, named: more points, a relative rise, fewer departures.

    Raises:
        SettingsError: the change is not between 0 and 1.
    """
    if not 0 < change < 1:
        raise SettingsError(f"change is {change:g}; it must lie between 0 and 1, where 0.05 stands for 5%.")
    return f"plus {100 * change:g} points", f"times {1 + change:g}", f"churn times {1 - change:g}"


def improve(rates: np.ndarray, reading: str, *, change: float) -> np.ndarray:
    """Every yearly rate after the change, at most `CAP`, and never below what it was.

    Raises:
        KeyError: the reading is not one of `readings(change)`.
    """
    points, relative, churn = readings(change)
    raised = {points: rates + change, relative: rates * (1 + change), churn: 1 - (1 - rates) * (1 - change)}[reading]
    return np.maximum(rates, np.minimum(raised, CAP))


# --- what has to be paid out of it -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Costs:
    """Money beside the retention curve. None means unknown: nothing is assumed in its place.

    Attributes:
        margin: share of revenue left after variable cost, above 0 and at most 1.
        annual_revenue: of one customer, in the study's currency.
        acquisition_cost: to win one customer, in the study's currency.
        annual_fixed_cost: of the whole business, in the study's currency, without acquisition.
        yearly_intake: new customers a year.
    """

    margin: float | None = None
    annual_revenue: float | None = None
    acquisition_cost: float | None = None
    annual_fixed_cost: float | None = None
    yearly_intake: float | None = None

    def __post_init__(self) -> None:
        """Refuse amounts that no business has."""
        for name, amount in asdict(self).items():
            may_be_nothing = name in ("acquisition_cost", "annual_fixed_cost")
            if amount is not None and (amount < 0 or (amount == 0 and not may_be_nothing)):
                raise SettingsError(f"{name} is {amount:g}; it must be {'at least' if may_be_nothing else 'above'} 0.")
        if self.margin is not None and self.margin > 1:
            raise SettingsError(f"margin is {self.margin:g}; it is a share of revenue, so 0.3 stands for 30%.")

    @property
    def annual_margin(self) -> float | None:
        """Margin of one customer in a year, in the study's currency; None while unknown."""
        if self.margin is None or self.annual_revenue is None:
            return None
        return self.margin * self.annual_revenue

    def burden(self, outcome: str) -> float | NotTestable:
        """What one customer must first pay for, counted in yearly margins, before the outcome begins to count."""
        if outcome in (VALUE, CONTRIBUTION):
            return 0.0
        needed = ["margin", "annual_revenue", "acquisition_cost"]
        needed += ["annual_fixed_cost", "yearly_intake"] if outcome == PROFIT else []
        known = {name: getattr(self, name) for name in needed}
        if missing := [name for name, amount in known.items() if amount is None]:
            return NotTestable(f"Needs {listing(missing)}: set {'it' if len(missing) == 1 else 'them'} for the study.")
        overhead = known["annual_fixed_cost"] / known["yearly_intake"] if outcome == PROFIT else 0.0
        return (known["acquisition_cost"] + overhead) / (known["margin"] * known["annual_revenue"])


def annual_revenue(subscriptions: CheckedTable, *, stated: float | None) -> float | None:
    """Yearly revenue of a customer: as stated, else the mean price where the table has one for each tenure period.

    Dated subscriptions do not say what span their price is for, so nothing is taken from them.
    """
    unit = subscriptions.facts["unit"]
    if stated is not None or unit == "day" or not subscriptions.has("price"):
        return stated
    mean = subscriptions.rows.aggregate(mean=subscriptions.rows.price.mean()).execute()["mean"].iloc[0]
    return float(mean) * PER_YEAR[unit] if mean and mean > 0 else None


# --- growth, with its uncertainty --------------------------------------------------------------------------------


class Case(NamedTuple):
    """One way to read the claim."""

    reading: str
    outcome: str
    convention: str
    horizon: str


def horizons(curve: RetentionCurve | NotTestable, *, horizon_years: int) -> dict[str, int]:
    """Years that count, by name: to the chosen year, over the years observed, and without end (all of the curve).

    Raises:
        SettingsError: the chosen year lies outside the curve.
    """
    seen, last = (0, horizon_years + 1) if isinstance(curve, NotTestable) else (curve.observed_years, len(curve.rates))
    if not 1 <= horizon_years < last:
        raise SettingsError(f"horizon_years is {horizon_years}; it must lie between 1 and {last - 1}.")
    return {f"{horizon_years} years": horizon_years, "observed years": seen, ENDLESS: last}


def growths(
    curve: RetentionCurve | NotTestable, *, change: float, horizon_years: int, annual_discount_rate: float, costs: Costs
) -> dict[Case, Answer]:
    """Relative growth of every outcome under every reading, timing convention and horizon.

    Values of a customer are discounted; the yearly contribution and the operating profit are what a business with
    the same intake every year earns in one year, so nothing is discounted there and customers are counted until
    the horizon's age.

    Args:
        curve: yearly retention, long enough for the sums without end (`LONG` years), or why there is none.
        change: 0.05 reads the claim's 5%.
        horizon_years: years that count.
        annual_discount_rate: a year.
        costs: what is known of margins and costs.

    Returns:
        An estimate in unit "growth", or the reason why there is none, for each `Case`.
    """
    if not 0 <= annual_discount_rate < 1:
        raise SettingsError(f"annual_discount_rate is {annual_discount_rate:g}; 0.1 stands for 10% a year.")
    return {
        Case(reading, outcome, convention, name): growth(
            curve,
            reading,
            change=change,
            years=years,
            convention=convention,
            discount_rate=annual_discount_rate if outcome in (VALUE, NET_VALUE) else 0.0,
            burden=costs.burden(outcome),
            endless=name == ENDLESS,
        )
        for name, years in horizons(curve, horizon_years=horizon_years).items()
        for reading in readings(change)
        for outcome in OUTCOMES
        for convention in CONVENTIONS
    }


@gated
def growth(
    curve: RetentionCurve | NotTestable,
    reading: str,
    *,
    change: float,
    years: int,
    convention: str = "B",
    discount_rate: float = 0.0,
    burden: float | NotTestable = 0.0,
    endless: bool = False,
) -> Any:
    """Relative growth of one outcome; as it stands, of the headline: yearly contribution at a fixed intake.

    Args:
        curve: yearly retention, or why there is none.
        reading: one of `readings(change)`.
        change: of every yearly rate.
        years: that count.
        convention: when margins are paid, see `customer_years`.
        discount_rate: a year.
        burden: yearly margins that a customer must first pay for, see `Costs.burden`.
        endless: whether the years stand for all to come, so that the sum must settle.
    """
    known: RetentionCurve = needed(curve)
    need(years, "Retention was not observed in one whole year with enough customers at risk.")
    owed, yearly = needed(burden), known.first is None or convention == "B"
    need(yearly, "Orders are paid as they come, so a first margin after a year is no question here.")
    if endless:
        _settled(improve(known.rates, reading, change=change), discount_rate)

    def grown(rates: np.ndarray) -> np.ndarray:
        better = improve(rates, reading, change=change)
        before, after = (customer_years(r, convention=convention, discount_rate=discount_rate) for r in (rates, better))
        certain = 0.0 if known.first is None else known.first[0] if rates.ndim == 1 else known.first[1:]
        left = before + certain - owed
        return (after - before) / np.where(left > 0, left, np.nan)

    gain = np.isfinite(grown(known.rates[:years]))
    need(gain, "The costs exceed what customers bring to begin with, and a loss has no growth rate.")
    return _along(known, grown, "growth", years)


def _settled(rates: np.ndarray, discount_rate: float) -> None:
    """The gate of a sum without end. If it settles at some rates, so it does at all lower ones."""
    worth = _later_margins(rates, "A", discount_rate)
    need(
        worth[-len(worth) // 4 :].sum() < UNSETTLED * (1 + worth.sum()),
        f"Without end the sum does not settle within {len(rates)} years at {100 * discount_rate:g}% discount: where "
        "retention keeps rising with age it may not be finite at all.",
    )


def break_even_spend(curve: RetentionCurve | NotTestable, reading: str, *, change: float, years: int) -> Answer:
    """The most that may be spent on retention in each customer-year, as a share of its margin.

    Spent whenever a margin comes in (convention B, undiscounted), it leaves the business earning what it earned
    without the change. Costs that stay as they are, for acquisition or fixed, cancel.
    """

    def share(rates: np.ndarray) -> np.ndarray:
        before, after = (customer_years(r, convention="B") for r in (rates, improve(rates, reading, change=change)))
        return 1 - before / after

    return _along(curve, share, "share", years)


def departures_avoided(curve: RetentionCurve | NotTestable, reading: str, *, change: float, years: int) -> Answer:
    """Share of today's departures that the change prevents, each year of life weighted by today's customers in it.

    Of the years whose rate decides in convention B: all but the last.
    """

    def avoided(rates: np.ndarray) -> np.ndarray:
        present = np.insert(np.cumprod(rates[..., :-1], axis=-1), 0, 1.0, axis=-1)
        gained = improve(rates, reading, change=change) - rates
        with np.errstate(invalid="ignore"):  # a horizon of one year has no rate that decides
            return (present * gained).sum(axis=-1) / (present * (1 - rates)).sum(axis=-1)

    return _along(curve, avoided, "share", years - 1)


def still_to_come(curve: RetentionCurve | NotTestable, *, year: int, discount_rate: float) -> Answer:
    """`residual_years` without end along a curve, as an estimate."""
    one = pd.DataFrame({"year": [year], "group": ALL, "customers": 1.0, "pays": 1.0, "ahead": 0.0})
    return expected_from(curve, Payers(one, "years", "margins"), discount_rate=discount_rate)


@dataclass(frozen=True)
class Payers:
    """Customers who have not left, and what they bring in.

    Attributes:
        table: one row a year of life (1 is the first) and word of a covariate: year, group (the segment, as
            `curves_by` calls it), customers, pays (what one of them brings in a year), ahead (the mean share of the
            running year that is still ahead of them; 0 where ages are whole years, so that nobody knows).
        unit: of pays: "money", or "years" where it is not known and everybody counts 1.
        measure: what is counted, in words.
    """

    table: pd.DataFrame
    unit: str
    measure: str


def payers(
    subscriptions: CheckedTable,
    *,
    described: CheckedTable | None,
    stated: float | None,
    margin: float | None,
    by: str = "",
    min_cell: int = 5,
) -> Payers | NotTestable:
    """Count the customers who are still there, with what they bring in.

    Args:
        subscriptions: checked; the price is taken where there is one for each tenure period.
        described: the table of customers; a yearly margin there, which may be a loss, goes before the price.
        stated: yearly revenue of one customer, in place of both.
        margin: share of revenue kept; None counts revenue.
        by, min_cell: as in `curves_by`.
    """
    import ibis

    rows, unit = subscriptions.rows, subscriptions.facts["unit"]
    measure = "revenue" if margin is None else "margin"
    if stated is None and described is not None and described.has("margin"):
        rows, measure = rows.left_join(described.rows.select("customer_id", own="margin"), "customer_id"), "margin"
        pays = rows.own
    elif stated is None and unit != "day" and subscriptions.has("price"):
        pays = rows.price * (PER_YEAR[unit] * (margin or 1))
    else:
        pays, measure = ibis.literal((stated or 1.0) * (margin or 1)), measure if stated else "yearly payments"
    age, column = rows.time / PER_YEAR[unit], grouping(subscriptions, by)
    keys, words = ["year", "left", *([column] if column else [])], [column] if column else []
    rows = rows.mutate(pays=pays, age=age, year=age.floor().cast("int64") + 1)
    counted = rows.group_by(keys).agg(weight=rows.count(), pays=rows.pays.mean(), age=rows.age.mean())
    # Leavers are counted too: they decide which words are a group of their own.
    counted = worded(counted.order_by(keys).to_pandas(), words, min_cell=min_cell)
    group = in_words(counted, column, min_events=MIN_EVENTS) if column else ALL
    table = counted.assign(group=group, ahead=(counted["year"] - counted["age"]) * (unit != "year"))
    table = table[~table["left"].astype(bool)].rename(columns={"weight": "customers"})
    table = table[["year", "group", "customers", "pays", "ahead"]].astype({"customers": float, "pays": float})
    if table.empty or table["pays"].isna().all():
        return NotTestable("Nobody is left to be valued, or of none of them is it known what they pay.")
    known = table.dropna()
    table["pays"] = table["pays"].fillna(np.average(known["pays"], weights=known["customers"]))
    return Payers(table, "years" if measure == "yearly payments" else "money", measure)


@gated
def expected_from(
    curve: RetentionCurve | NotTestable,
    who: Payers,
    *,
    discount_rate: float,
    years: int | None = None,
    each: bool = False,
    own: Mapping[str, RetentionCurve] | None = None,
    today: bool = False,
) -> Any:
    """What customers are expected to bring in after their present year: `residual_years` times what they pay.

    The interval is that of the curves; who is there and what they pay is taken as it is.

    Args:
        curve: yearly retention.
        who: the customers.
        discount_rate: a year.
        years: that count after the present one; None is without end.
        each: the mean, in place of the sum.
        own: curves of segments, in place of `curve`.
        today: count what is left of the present year too, as paid while it lasts, and discount later years from
            today. Who leaves in the present year does so at any day of it alike.
    """
    groups = who.table.groupby("group")
    parts = [(_ending((own or {}).get(str(group), curve), discount_rate, years), rows) for group, rows in groups]
    people = who.table["customers"].sum() if each else 1
    money = partial(_left, discount_rate=discount_rate, years=years, today=today)
    value = sum(float(money(of.rates, rows)) for of, rows in parts) / people
    draws = np.sum([money(of.draws, rows) for of, rows in parts], axis=0) / people
    curves = {id(of): of for of, _ in parts}.values()
    seen = {"n": sum(of.customers for of in curves), "events": sum(of.events for of in curves)}
    return bootstrapped(Estimate.from_spread, value, draws, unit=who.unit, **seen)


def _left(rates: np.ndarray, rows: pd.DataFrame, *, discount_rate: float, years: int | None, today: bool) -> np.ndarray:
    """What the customers of these rows bring in along one curve, or each of many."""
    total = np.zeros(rates.shape[:-1])
    for year, customers, pays, ahead in rows[["year", "customers", "pays", "ahead"]].to_numpy(float):
        worth = residual_years(rates, year=int(year), discount_rate=discount_rate, years=years or LONG)
        if today:
            rate = rates[..., int(year) - 1]
            still = 1 / (1 - (1 - rate) * (1 - ahead))  # whoever has come so far is likelier to see the year end
            worth = ahead * (1 + rate * still) / 2 + worth * still / (1 + discount_rate) ** ahead
        total = total + pays * customers * worth
    return total


@gated
def from_newcomer(
    curve: RetentionCurve | NotTestable, who: Payers, *, discount_rate: float, years: int | None = None
) -> Any:
    """What a new customer who pays as the others do brings in, the first year at once; else as `expected_from`."""
    pays, span = np.average(who.table["pays"], weights=who.table["customers"]), years or LONG
    margins = partial(customer_years, convention="B", discount_rate=discount_rate)
    return _along(_ending(curve, discount_rate, years), lambda r: pays * margins(r), who.unit, span)


def _ending(curve: RetentionCurve | NotTestable, discount_rate: float, years: int | None) -> RetentionCurve:
    """The curve, where there is one along which a sum comes to an end."""
    known: RetentionCurve = needed(curve)
    if not years:
        _settled(known.rates, discount_rate)
    return known


def average(curve: RetentionCurve | NotTestable, *, years: int) -> Answer:
    """`average_retention` over a horizon, as an estimate."""
    return _along(curve, average_retention, "share", years)


def elasticity_along(curve: RetentionCurve | NotTestable, *, years: int, discount_rate: float) -> Answer:
    """`duration` over a horizon in convention A, the one of the published elasticities, as an estimate."""
    return _along(curve, lambda r: duration(r, convention="A", discount_rate=discount_rate), "elasticity", years)


@gated
def _along(
    curve: RetentionCurve | NotTestable, function: Callable[[np.ndarray], np.ndarray], unit: str, years: int
) -> Any:
    span = needed(curve).until(years)
    seen = {"n": span.customers, "events": span.events}
    return bootstrapped(Estimate.from_spread, float(function(span.rates)), function(span.draws), unit=unit, **seen)
