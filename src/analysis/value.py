"""What better retention is worth: arithmetic on a curve of yearly retention rates, with its uncertainty.

A customer who pays one margin a year is worth a number of margins, here called customer-years. Everything in this
module is that number before and after a change of every yearly rate, less what has to be paid out of it. The margin
itself cancels from growth unless a cost in money stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from analysis.estimates import Estimate, NotTestable
from analysis.lifetimes import cohort_limit, grouped, lifetimes
from analysis.renewal import bootstrap_paths, retention_path
from analysis.retention import MIN_EVENTS, PER_YEAR, customers, leavers
from analysis.tables import SettingsError
from analysis.words import MISSING, count, interval, listing, plural, quantity

if TYPE_CHECKING:
    from analysis.checks import CheckedTable

# The change that the claims speak of.
CLAIMED = 0.05
# The highest yearly rate a change may reach: at 1 nobody ever leaves, and the value of a customer has no end.
CAP = 0.999
# Long enough that at a discount rate of 2% the years left out weigh nothing.
LONG = 400
# A sum "without end" counts as settled when the last quarter of those years adds less than this share of it.
UNSETTLED = 0.01

VALUE = "value of a customer"
NET_VALUE = "value net of acquisition cost"
CONTRIBUTION = "yearly contribution"
PROFIT = "operating profit"
OUTCOMES = (VALUE, NET_VALUE, CONTRIBUTION, PROFIT)
CONVENTIONS = ("A", "B")
ENDLESS = "without end"

# Columns of a table for `figures.sweep`.
LINES = ["line", "x", "y", "low", "high"]

Rates = np.ndarray | float


# --- one constant rate, for ever: the closed forms ---------------------------------------------------------------


def margin_multiple(retention: Rates, *, discount_rate: float, convention: str = "A") -> Rates:
    """How many yearly margins a customer is worth at a constant rate, for ever.

    A: the first margin comes a year from now, from those who stayed: r / (1 + i - r). B: the first margin comes
    now: one more.

    Source: Gupta & Lehmann (2003), Journal of Interactive Marketing 17(1).
    """
    later = retention / (1 + discount_rate - retention)
    return later if convention == "A" else 1 + later


def elasticity(retention: Rates, *, discount_rate: float, convention: str = "A") -> Rates:
    """Per cent of value gained for one per cent (not point) of retention, at a constant rate for ever.

    Source: Gupta, Lehmann & Stuart (2004), Journal of Marketing Research 41(1), for convention A.
    """
    earned = 1 + discount_rate if convention == "A" else retention
    return earned / (1 + discount_rate - retention)


def constant_growth(retention: Rates, change: Rates, *, discount_rate: float, convention: str = "B") -> Rates:
    """Relative growth of a customer's value when a constant rate rises by `change` (0.05 is five points).

    Not a number where the changed rate would pass one.
    """
    room = 1 + discount_rate - retention - change
    possible = np.where((np.asarray(retention) + change <= 1) & (room > 0), room, np.nan)
    growth = change / possible
    return (growth if convention == "B" else growth * (1 + discount_rate) / retention)[()]


def baseline_needed(growth: Rates, *, change: float, discount_rate: float, convention: str = "B") -> Rates:
    """The constant rate at which a rise by `change` gives a growth: the inverse of `constant_growth`.

    Convention A grows without bound at both ends, so the higher of two such rates is given; not a number where
    every rate grows more than asked.
    """
    room = 1 + discount_rate - change
    if convention == "B":
        return room - change / growth
    with np.errstate(invalid="ignore"):
        return (room + np.sqrt(room**2 - 4 * change * (1 + discount_rate) / growth)) / 2


def cost_multiplier(share: Rates) -> Rates:
    """What costs that do not change do to growth: 1 / (1 - their share of what they are paid from).

    The same leverage makes the growth net of acquisition cost (a share of a customer's value) and that of operating
    profit (fixed cost as a share of contribution). Not a number where the costs eat everything.
    """
    left = 1 - np.asarray(share, dtype=float)
    return (1 / np.where(left > 0, left, np.nan))[()]


# --- a curve of yearly rates -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RetentionCurve:
    """Yearly retention of a cohort: the share of the customers present at the start of year k who stay it out.

    Attributes:
        rates: one rate a year, observed years first, then projected ones; shape (years,).
        observed: whether the year was seen; shape (years,).
        draws: the rates in each resample of customers; shape (draws, years).
        customers: people behind the curve.
        events: departures seen among them.
    """

    rates: np.ndarray
    observed: np.ndarray
    draws: np.ndarray
    customers: int
    events: int

    @property
    def observed_years(self) -> int:
        """Whole years seen from the start without a gap."""
        return len(self.rates) if self.observed.all() else int(np.argmin(self.observed))

    def until(self, years: int) -> RetentionCurve:
        """The same curve, cut after some years."""
        return RetentionCurve(
            self.rates[:years], self.observed[:years], self.draws[:, :years], self.customers, self.events
        )


def retention_curve(spells: pd.DataFrame, *, unit: str, draws: int, seed: int) -> RetentionCurve | NotTestable:
    """The yearly curve of a set of customers: observed as far as it goes, then foretold by the renewal model.

    Args:
        spells: distinct rows as `lifetimes` gives them.
        unit: of time: day, week, month or year.
        draws: resamples of the customers.
        seed: of the random numbers.

    Returns:
        `LONG` years, or the reason why these customers do not show a curve.
    """
    path = retention_path(spells, unit=unit, horizon_years=LONG)
    if isinstance(path, NotTestable):
        return path
    resampled = bootstrap_paths(spells, unit=unit, horizon_years=LONG, draws=draws, seed=seed)
    return RetentionCurve(path.rates, path.observed, resampled, customers(spells), leavers(spells))


def curves_by(
    subscriptions: CheckedTable, by: str, *, draws: int, seed: int, min_cell: int = 5
) -> dict[str, RetentionCurve | NotTestable]:
    """The curve of each segment, small segments put together.

    Args:
        subscriptions: checked.
        by: column that tells the segments apart; empty takes the first covariate, and none gives no segments.
        draws, seed: as in `retention_curve`.
        min_cell: smallest number of customers a segment may hold.
    """
    column = by or next(iter(subscriptions.facts.get("covariates", ())), "")
    if not column:
        return {}
    table = grouped(lifetimes(subscriptions, by=(column,), min_cell=min_cell), column, min_events=MIN_EVENTS)
    unit = subscriptions.facts["unit"]
    return {
        str(segment): retention_curve(rows.drop(columns=column), unit=unit, draws=draws, seed=seed)
        for segment, rows in table.groupby(column)
    }


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
    worth = np.cumprod(rates, axis=-1) / (1 + discount_rate) ** np.arange(1, rates.shape[-1] + 1)
    return worth.sum(axis=-1) if convention == "A" else 1 + worth[..., :-1].sum(axis=-1)


def duration(rates: np.ndarray, *, convention: str, discount_rate: float = 0.0) -> np.ndarray:
    """Elasticity of a customer's value to retention: per cent gained when every yearly rate rises by one per cent.

    It is how far ahead, in retained years, the discounted margins lie on average.

    Source: Pfeifer & Farris (2004), Journal of Interactive Marketing 18(2).
    """
    years = np.arange(1, rates.shape[-1] + 1)
    worth = np.cumprod(rates, axis=-1) / (1 + discount_rate) ** years
    kept = worth if convention == "A" else worth[..., :-1]
    ahead = (kept * years[: kept.shape[-1]]).sum(axis=-1)
    return ahead / customer_years(rates, convention=convention, discount_rate=discount_rate)


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


def capped_share(rates: np.ndarray, reading: str, *, change: float) -> float:
    """Share of the years in which the change had to stop at `CAP`: there the reading asks for the impossible."""
    return float(np.mean(improve(rates, reading, change=change) >= CAP))


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
        for field in fields(self):
            amount = getattr(self, field.name)
            floor_allowed = field.name in ("acquisition_cost", "annual_fixed_cost")
            if amount is not None and (amount < 0 or (amount == 0 and not floor_allowed)):
                raise SettingsError(
                    f"{field.name} is {amount:g}; it must be {'at least' if floor_allowed else 'above'} 0."
                )
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


Answer = Estimate | NotTestable


def horizons(curve: RetentionCurve, *, horizon_years: int) -> dict[str, RetentionCurve | NotTestable]:
    """The curve to the chosen year, over the years observed, and without end (as long as the curve is)."""
    if not 1 <= horizon_years < len(curve.rates):
        raise SettingsError(f"horizon_years is {horizon_years}; it must lie between 1 and {len(curve.rates) - 1}.")
    seen = curve.observed_years
    span = curve.until(seen) if seen else NotTestable("Not one whole year was observed with enough customers at risk.")
    return {f"{horizon_years} years": curve.until(horizon_years), "observed years": span, ENDLESS: curve}


def growths(
    curve: RetentionCurve | NotTestable,
    *,
    change: float,
    horizon_years: int,
    annual_discount_rate: float,
    costs: Costs,
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
    if isinstance(curve, NotTestable):
        names = (f"{horizon_years} years", "observed years", ENDLESS)
        spans: Mapping[str, RetentionCurve | NotTestable] = dict.fromkeys(names, curve)
    else:
        spans = horizons(curve, horizon_years=horizon_years)
    return {
        Case(reading, outcome, convention, name): _growth(
            span,
            reading,
            change=change,
            convention=convention,
            discount_rate=annual_discount_rate if outcome in (VALUE, NET_VALUE) else 0.0,
            burden=costs.burden(outcome),
            endless=name == ENDLESS,
        )
        for name, span in spans.items()
        for reading in readings(change)
        for outcome in OUTCOMES
        for convention in CONVENTIONS
    }


def _growth(
    curve: RetentionCurve | NotTestable,
    reading: str,
    *,
    change: float,
    convention: str,
    discount_rate: float,
    burden: float | NotTestable,
    endless: bool,
) -> Answer:
    if isinstance(curve, NotTestable):
        return curve
    if isinstance(burden, NotTestable):
        return burden
    if endless and not _settles(improve(curve.rates, reading, change=change), discount_rate):
        return NotTestable(
            f"Without end the sum does not settle within {len(curve.rates)} years at {100 * discount_rate:g}% "
            "discount: where retention keeps rising with age it may not be finite at all."
        )

    def growth(rates: np.ndarray) -> np.ndarray:
        better = improve(rates, reading, change=change)
        before, after = (customer_years(r, convention=convention, discount_rate=discount_rate) for r in (rates, better))
        return (after - before) / np.where(before > burden, before - burden, np.nan)

    value = float(growth(curve.rates))
    if not np.isfinite(value):
        return NotTestable("The costs exceed what customers bring to begin with, and a loss has no growth rate.")
    return _bootstrapped(value, growth(curve.draws), "growth", curve)


def _settles(rates: np.ndarray, discount_rate: float) -> bool:
    """Asked of the changed rates: if they settle, so do the lower ones they come from."""
    worth = np.cumprod(rates) / (1 + discount_rate) ** np.arange(1, len(rates) + 1)
    return bool(worth[-len(worth) // 4 :].sum() < UNSETTLED * (1 + worth.sum()))


def _bootstrapped(value: float, draws: np.ndarray, unit: str, curve: RetentionCurve) -> Answer:
    try:
        return Estimate.reflected(value, draws, unit=unit, n=curve.customers, events=curve.events)
    except ValueError as error:
        return NotTestable(f"The interval cannot be had: {error}.")


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
    """Share of today's departures that the change prevents, each year of life weighted by today's customers in it."""

    def avoided(rates: np.ndarray) -> np.ndarray:
        present = np.concatenate([np.ones_like(rates[..., :1]), np.cumprod(rates, axis=-1)[..., :-1]], axis=-1)
        gained = improve(rates, reading, change=change) - rates
        return (present * gained).sum(axis=-1) / (present * (1 - rates)).sum(axis=-1)

    return _along(curve, avoided, "share", years)


def average(curve: RetentionCurve | NotTestable, *, years: int) -> Answer:
    """`average_retention` over a horizon, as an estimate."""
    return _along(curve, average_retention, "share", years)


def elasticity_along(curve: RetentionCurve | NotTestable, *, years: int, discount_rate: float) -> Answer:
    """`duration` over a horizon in convention A, the one of the published elasticities, as an estimate."""
    return _along(curve, lambda r: duration(r, convention="A", discount_rate=discount_rate), "elasticity", years)


def _along(
    curve: RetentionCurve | NotTestable, function: Callable[[np.ndarray], np.ndarray], unit: str, years: int
) -> Answer:
    if isinstance(curve, NotTestable):
        return curve
    span = curve.until(years)
    return _bootstrapped(float(function(span.rates)), function(span.draws), unit, span)


def told(answer: Answer, currency: str | None = None) -> str:
    """An answer in a sentence: the estimate with its 95% interval, or that there is none."""
    if isinstance(answer, NotTestable):
        return "not testable here"
    ends = interval(answer.low, answer.high, answer.unit, currency)
    return f"{quantity(answer.value, answer.unit, currency)} (95% interval {ends})"


def brief(answer: Answer) -> str:
    """An answer without its interval, for a title."""
    return "an unknown amount" if isinstance(answer, NotTestable) else quantity(answer.value, answer.unit)


def told_size(curve: RetentionCurve | NotTestable) -> str:
    """How many customers a curve stands on, as a sentence; or why there is none."""
    if isinstance(curve, NotTestable):
        return curve.reason
    return f"{plural(curve.customers, 'customer')}, of whom {count(curve.events)} were seen to leave."


def told_span(curve: RetentionCurve | NotTestable) -> str:
    """How far a curve was observed, as a sentence; empty where there is none."""
    if isinstance(curve, NotTestable):
        return ""
    return f"Retention was observed for {plural(curve.observed_years, 'whole year')}; later years are foretold."


def told_share(answer: Answer, growth: float) -> str:
    """The share that unchanging costs must take for a growth to be reached, in words."""
    if isinstance(answer, NotTestable):
        return "at a share of costs that cannot be told"
    share = cost_share_needed(answer, growth)
    return f"when costs take {quantity(share, 'share')}" if share > 0 else "without any such costs"


def place(answer: Answer, low: float, high: float) -> str:
    """Where an answer's 95% interval lies against a claimed range, in words."""
    if isinstance(answer, NotTestable):
        return "not to be compared with the claimed range"
    if answer.high < low or answer.low > high:
        return f"{'below' if answer.high < low else 'above'} the claimed range"
    return f"{'inside' if low <= answer.low and answer.high <= high else 'partly inside'} the claimed range"


def told_baseline(growth: float, *, change: float, discount_rate: float) -> str:
    """The constant rate that a growth needs, in words; `baseline_needed` in convention B."""
    needed = float(baseline_needed(growth, change=change, discount_rate=discount_rate))
    if needed < 0:
        return "any rate at all"
    return quantity(needed, "share") + (", which leaves no room for the change" if needed > 1 - change else "")


# --- finished tables and readings --------------------------------------------------------------------------------


def claim_limit(subscriptions: CheckedTable, *, change: float) -> str | None:
    """Why a verdict on the claim cannot go beyond inconclusive here; None when it can."""
    if not np.isclose(change, CLAIMED):
        return f"The claim speaks of {100 * CLAIMED:g}%, and this run asks about {100 * change:g}%."
    return cohort_limit(subscriptions)


def claim_readings(
    answers: Mapping[Case, Answer], segments: Mapping[str, Answer], *, change: float, horizon_years: int
) -> dict[str, Answer]:
    """What is judged, by name and the headline first: growth to the horizon in convention B.

    Every reading with every outcome; the headline over the observed years, without end and in convention A; and the
    headline in each segment.
    """
    points, to = readings(change)[0], f"{horizon_years} years"
    headline = f"{points}, {CONTRIBUTION}"
    judged = {headline: answers[Case(points, CONTRIBUTION, "B", to)]}
    for case, answer in answers.items():
        if case.convention == "B" and case.horizon == to:
            judged[f"{case.reading}, {case.outcome}"] = answer
        elif case[:3] == (points, CONTRIBUTION, "B"):
            judged[f"{headline}, {case.horizon}"] = answer
        elif case == Case(points, CONTRIBUTION, "A", to):
            judged[f"{headline}, first margin after a year"] = answer
    return judged | {f"{headline}, {segment}": answer for segment, answer in segments.items()}


def segment_growths(
    segments: Mapping[str, RetentionCurve | NotTestable], *, change: float, years: int
) -> dict[str, Answer]:
    """The headline reading of the headline quantity in each segment."""
    points = readings(change)[0]
    return {name: contribution_growth(c, points, change=change, years=years) for name, c in segments.items()}


def contribution_growth(curve: RetentionCurve | NotTestable, reading: str, *, change: float, years: int) -> Answer:
    """The headline quantity: growth of the yearly contribution at fixed intake, convention B, to a horizon."""
    span = curve if isinstance(curve, NotTestable) else curve.until(years)
    return _growth(span, reading, change=change, convention="B", discount_rate=0.0, burden=0.0, endless=False)


def case_table(answers: Mapping[Case, Answer]) -> pd.DataFrame:
    """One row a reading, outcome and timing (convention), one column a horizon: growth with its interval, in words."""
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for case, answer in answers.items():
        row = rows.setdefault(case[:3], dict(zip(("reading", "outcome", "timing"), case[:3], strict=True)))
        row[case.horizon] = (
            f"{brief(answer)} ({interval(answer.low, answer.high, answer.unit)})"
            if isinstance(answer, Estimate)
            else MISSING
        )
    return pd.DataFrame(list(rows.values()))


def reasons(answers: Mapping[Case, Answer]) -> str:
    """Why some cases have no answer, each reason once."""
    return " ".join(dict.fromkeys(answer.reason for answer in answers.values() if isinstance(answer, NotTestable)))


def range_table(answers: Mapping[Case, Answer], *, horizon_years: int) -> pd.DataFrame:
    """Growth to the horizon in convention B: section (the reading), label (outcome), value, low, high (95%), note."""
    rows = [
        {"section": case.reading, "label": case.outcome, **_columns(answer)}
        for case, answer in answers.items()
        if (case.convention, case.horizon) == ("B", f"{horizon_years} years")
    ]
    return pd.DataFrame(rows)


def answer_table(answers: Mapping[str, Answer]) -> pd.DataFrame:
    """One row an answer: label, value, low, high (95%), note where there is no number."""
    return pd.DataFrame([{"label": key, **_columns(answer)} for key, answer in answers.items()])


def reading_table(
    curve: RetentionCurve | NotTestable, *, change: float, years: int, annual_margin: float | None
) -> pd.DataFrame:
    """What each reading asks for and what it may cost.

    Returns:
        One row a reading: reading, departures_avoided, capped_years (both shares), break_even (share of the margin
        of each customer-year), low, high (95%), break_even_amount (money; missing while the margin is unknown).
    """
    rows = []
    for reading in readings(change):
        avoided = departures_avoided(curve, reading, change=change, years=years)
        spend = break_even_spend(curve, reading, change=change, years=years)
        capped = (
            np.nan if isinstance(curve, NotTestable) else capped_share(curve.until(years).rates, reading, change=change)
        )
        rows.append(
            {"reading": reading, "departures_avoided": _columns(avoided)["value"], "capped_years": capped}
            | _columns(spend)
        )
    table = pd.DataFrame(rows).drop(columns="note").rename(columns={"value": "break_even"})
    return table.assign(break_even_amount=table["break_even"] * (np.nan if annual_margin is None else annual_margin))


def _columns(answer: Answer) -> dict[str, float | str]:
    if isinstance(answer, NotTestable):
        return {"value": np.nan, "low": np.nan, "high": np.nan, "note": "not testable here"}
    return {"value": answer.value, "low": answer.low, "high": answer.high, "note": ""}


def retention_table(curve: RetentionCurve | NotTestable, *, years: int) -> pd.DataFrame:
    """Yearly retention for drawing: line ("observed", "projected"), x (year), y, low, high (95%)."""
    if isinstance(curve, NotTestable):
        return pd.DataFrame(columns=LINES)
    span, seen = curve.until(years), curve.observed_years
    low, high = np.nanquantile(span.draws, [0.025, 0.975], axis=0)
    table = pd.DataFrame({"x": np.arange(1, years + 1), "y": span.rates, "low": low, "high": high})
    # The projected line starts at the last observed year, so that the two meet.
    parts = {"observed": table[:seen], "projected": table[max(seen - 1, 0) :] if seen < years else table[:0]}
    return pd.concat([rows.assign(line=line) for line, rows in parts.items()], ignore_index=True)[LINES]


def sweep_horizon(curve: RetentionCurve | NotTestable, *, change: float, longest: int) -> pd.DataFrame:
    """Growth of the yearly contribution against the years that count: line (reading), x (years), y, low, high."""
    rows = [
        {"line": reading, "x": years, "y": answer.value, "low": answer.low, "high": answer.high}
        for reading in readings(change)
        for years in range(1, longest + 1)
        if isinstance(answer := contribution_growth(curve, reading, change=change, years=years), Estimate)
    ]
    return pd.DataFrame(rows, columns=LINES)


def first_year(sweep: pd.DataFrame, reading: str, growth: float) -> str:
    """From which horizon on a reading reaches a growth, in words, read off `sweep_horizon`."""
    reached = sweep.loc[(sweep["line"] == reading) & (sweep["y"] >= growth), "x"]
    if reached.empty:
        return "at none of the horizons drawn"
    return f"once {plural(int(reached.min()), 'year')} or more are counted"


def sweep_baseline(
    *, change: float, discount_rates: Iterable[float], convention: str = "B", lowest: float = 0.5, highest: float = 1.5
) -> pd.DataFrame:
    """Growth of a customer's value against the rate one starts from, each rate constant for ever.

    Returns:
        line (discount rate in words), x (starting rate, in half points), y (growth, to the `highest` shown).
    """
    grid = np.round(np.arange(lowest, CAP - change, 0.005), 3)
    lines = [
        pd.DataFrame(
            {
                "line": f"{100 * rate:g}% discount",
                "x": grid,
                "y": constant_growth(grid, change, discount_rate=rate, convention=convention),
            }
        )
        for rate in sorted(set(discount_rates))
    ]
    return pd.concat(lines, ignore_index=True).query("y <= @highest")


def sweep_costs(answers: Mapping[str, Answer], *, highest: float = 1.5) -> pd.DataFrame:
    """Growth after costs that stay as they are, against the share they take of what they are paid from.

    Args:
        answers: growth before these costs, by reading.
        highest: growth at which the lines end.

    Returns:
        line (reading), x (share, in hundredths), y, low, high.
    """
    shares = np.round(np.arange(0, 0.96, 0.01), 2)
    lines = [
        pd.DataFrame({"line": reading, "x": shares, "y": answer.value, "low": answer.low, "high": answer.high})
        for reading, answer in answers.items()
        if isinstance(answer, Estimate)
    ]
    if not lines:
        return pd.DataFrame(columns=LINES)
    table = pd.concat(lines, ignore_index=True)
    ends = ["y", "low", "high"]
    table[ends] = table[ends].mul(cost_multiplier(table["x"].to_numpy()), axis=0)
    return table.query("y <= @highest")


def cost_share_needed(answer: Estimate, growth: float) -> float:
    """The share that unchanging costs must take for a growth to reach another; below 0 when it already does."""
    return 1 - answer.value / growth


def by_reading(answers: Mapping[Case, Answer], outcome: str, *, horizon_years: int) -> dict[str, Answer]:
    """One outcome under each reading, to the horizon, in convention B."""
    wanted = (outcome, "B", f"{horizon_years} years")
    return {case.reading: answer for case, answer in answers.items() if case[1:] == wanted}
