"""What a customer is worth, as exhibits: each shows the model with its gain on a hold-out, or says why it cannot."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures
from analysis.buying import WEEK
from analysis.checks import CheckedTable
from analysis.customer_value import YEAR_WEEKS, Terms, Trial, Valuation, appraise, by_formula, terms, trial
from analysis.customers import NET, PURCHASES, Purchases, purchases
from analysis.estimates import Answer, NotTestable, columns, in_brief, told
from analysis.exhibits import Figure, Table, Text, say
from analysis.holdout import by_repeats
from analysis.order_values import LEDGER
from analysis.prospects import FAMILIES, by_frequency_and_silence
from analysis.renewal import RetentionCurve
from analysis.scores import named, offer
from analysis.spending import concentration
from analysis.value import Payers, expected_from, from_newcomer, payers
from analysis.words import count, listing, plural, quantity, setting

if TYPE_CHECKING:
    from analysis.studies import Study

HELD = 0.8
MONTHS = (3, 6, 12, 24, 36, 60)
NO_END = "all to come"
ENDS = {"low": "from (95%)", "high": "to (95%)"}
HEADINGS = {"actual": "came", "error": "standard error", "naive": "naive rule"}
MISSED = (
    "The table is no cohort followed from its first day: where earlier leavers are missing from it, fewer seem to "
    "leave than do, and every value here is too high."
)


@dataclass(frozen=True)
class Equity:
    """The customers of a study, valued, and what the model gains on a hold-out; or why it cannot be said.

    `instead` says which buying models were asked for and could not be had.
    """

    bought: Purchases
    family: str
    terms: Terms
    valuation: Valuation | NotTestable
    trial: Trial | NotTestable
    currency: str | None
    instead: str = ""

    @property
    def refused(self) -> str:
        """Why the model is not shown; empty when it is."""
        gain = self.trial if isinstance(self.trial, NotTestable) else self.trial.gain
        return next((part.reason for part in (self.valuation, gain) if isinstance(part, NotTestable)), "")

    @property
    def told(self) -> str:
        """What the model gains, in a sentence."""
        gain = "" if isinstance(self.trial, NotTestable) else in_brief(self.trial.gain)
        return (
            f"{self.family}; share of the naive rule's squared error in money on the hold-out that it removes: {gain}."
        )

    def table(self, **made: Any) -> Table:
        """A table of amounts whose caption tells the gain."""
        return _table(self.told, self.currency, **made)

    @property
    def horizon(self) -> str:
        """The time that counts, in words."""
        weeks = self.terms.weeks
        return NO_END if np.isinf(weeks) else f"within {plural(round(12 * weeks / YEAR_WEEKS), 'month')}"

    @property
    def measure(self) -> str:
        """What is counted, in words."""
        return "margin" if self.bought.measure == "margin" or self.terms.margin < 1 else "revenue"

    def amount(self, value: float) -> str:
        """A large amount in words: nobody reads the cents of a total."""
        return f"{count(value)} {self.currency or ''}".strip() if np.isfinite(value) else "an unknown amount"


def look(
    bought: Purchases,
    *,
    family: str,
    horizon_months: int | None,
    annual_discount_rate: float,
    margin: float | None,
    hold_out_share: float,
    currency: str | None,
    draws: int,
    seed: int,
) -> Equity:
    """Value the customers of a study, and try the model on a hold-out.

    Args:
        bought: the orders.
        family: a key of `prospects.FAMILIES`. Where it cannot be fitted or tried, the next one that can is taken.
        horizon_months, annual_discount_rate, margin: as in `customer_value.terms`.
        hold_out_share: of the log's days.
        currency: shown with amounts.
        draws, seed: of the resamples of customers for the gain.
    """
    asked = terms(
        horizon_months=horizon_months, annual_discount_rate=annual_discount_rate, margin=margin, measure=bought.measure
    )
    found: list[Equity] = []
    # After the one that was asked for, those first in which whoever ordered once may have gone.
    for name in dict.fromkeys((family, *reversed(FAMILIES))):
        instead = " ".join(f"{each.family} cannot be used here: {each.refused}" for each in found)
        told = f"{instead} So {name} takes its place." if found else ""
        tried = trial(bought, FAMILIES[name], share=hold_out_share, draws=draws, seed=seed)
        found.append(Equity(bought, name, asked, appraise(bought, FAMILIES[name], asked), tried, currency, told))
        if not found[-1].refused:
            return found[-1]
    return found[0]


def shown(make: Callable[..., Any], equity: Equity, **telling: Any) -> Figure | Table | Text:
    """An exhibit of this module whose caption holds the model's gain; without a model, why there is none."""
    return say("{}", equity.refused) if equity.refused else make(equity, equity.valuation, **telling)


# --- Exhibits ---------------------------------------------------------------------------------------------------


def summary(equity: Equity, found: Valuation) -> Table:
    """The present customers, one of them, a newcomer, and the naive formula."""
    total, n = found.total, found.customers
    lines: dict[str, Answer] = {
        "all of them": total,
        "one, on average": found.answer(lambda values: float(values @ found.rows["weight"]) / n),
        "a newcomer": found.newcomer,
        "naive formula": by_formula(equity.bought, margin=equity.terms.margin),
    }
    return equity.table(
        name="worth",
        title=f"{count(n)} present customers are expected to bring in {equity.amount(columns(total)['value'])} of "
        f"{equity.measure}, {equity.horizon}",
        rows=_lines(lines),
        headings={"who": ""},
        caption="The newcomer's first order is not counted. The naive formula, money a period over churn, knows no "
        "horizon and no discount.",
    )


def _table(told: str, currency: str | None, *, value: str = "value", unit: str = "money", **made: Any) -> Table:
    """Amounts without their currency, which stands in the heading: a telephone has no room for it in every cell."""
    headings = {"value": f"{value}, {currency}" if currency and unit == "money" else value, **ENDS}
    headings = {name: heading for name, heading in headings.items() if name in made["rows"]} | made.pop("headings", {})
    amounts = [name for name in ("value", *ENDS, *HEADINGS, "model") if name in made["rows"]]
    units, caption = dict.fromkeys(amounts, unit) | made.pop("units", {}), f"{told} {made.pop('caption', '')}".strip()
    return Table(units=units, headings=headings, caption=caption, **made)


def _lines(answers: Mapping[str, Answer]) -> pd.DataFrame:
    rows = pd.DataFrame([{"who": name} | columns(answer) for name, answer in answers.items()])
    return rows[["who", "value", "low", "high"]]


def tried(equity: Equity, found: Valuation, *, min_cell: int) -> Table:
    """Money on the hold-out by repeat orders before it: what came, the model, the naive rule."""
    assert isinstance(equity.trial, Trial)
    rows = by_repeats(equity.trial.rows, equity.trial.model, equity.trial.naive)
    n, weeks = rows["customers"], (equity.bought.observed_until - equity.trial.until).days // WEEK
    came, model, naive = (equity.amount(float(np.dot(rows[name], n))) for name in ("actual", "model", "naive"))
    return equity.table(
        name="hold-out",
        title=f"In the {plural(weeks, 'week')} held out {came} came; {equity.family} foretold {model}, the naive rule "
        f"{naive}",
        rows=rows[["repeats", "actual", "error", "model", "naive", "customers"]],
        headings={"repeats": "repeats (7: or more)"} | HEADINGS,
        size_column="customers",
        min_cell=min_cell,
        caption=f"Amounts: {equity.currency or 'money'} a customer.",
    )


def groups(equity: Equity, found: Valuation, *, min_cell: int) -> Table:
    """Who holds the value: customers by repeat orders and by silence."""
    weight = found.rows["weight"].to_numpy()
    grouped = found.rows.groupby(by_frequency_and_silence(found.rows), observed=True)
    code, n = grouped.ngroup().to_numpy(), grouped["weight"].sum()
    sums = np.array([np.bincount(code, line * weight) for line in found.values])
    value = found.between(sums / n.to_numpy())
    table = pd.DataFrame(value, n.index).assign(share_of_value=sums[0] / sums[0].sum(), customers=n)
    top = table.reset_index().iloc[int(table["share_of_value"].to_numpy().argmax())]
    return equity.table(
        name="groups",
        title=f"{quantity(top['share_of_value'], 'share')} of the value is expected from "
        f"{quantity(top['customers'] / n.sum(), 'share')} of the customers (repeat orders: {top['repeats']}; weeks of "
        f"silence: {top['weeks_of_silence']})",
        rows=table.reset_index(),
        value="value of one",
        units={"share_of_value": "share"},
        size_column="customers",
        min_cell=min_cell,
    )


def spread_out(equity: Equity, found: Valuation, *, min_cell: int) -> Figure:
    """How unequally the expected value is spread."""
    share = found.holding(HELD)
    return figures.lorenz(
        concentration(found.spelt_out(found.values[0]), min_cell=min_cell),
        name="spread",
        title=f"{setting(HELD)} of the value is expected from "
        f"{'some' if isinstance(share, NotTestable) else quantity(share.value, 'share')} of the customers",
        y_label=f"Share of the expected {equity.measure}",
        caption=f"{plural(found.customers, 'customer')}. {equity.told} Share who hold {setting(HELD)}: "
        f"{in_brief(share)}. Gini coefficient: {in_brief(found.unequal)}.",
    )


def horizons(equity: Equity, found: Valuation, *, annual_discount_rates: Iterable[float]) -> Figure | Text:
    """The value of all present customers against the time that counts, for some discount rates."""
    ways = list(itertools.product(sorted(set(annual_discount_rates)), MONTHS))
    asked = [terms(horizon_months=m, annual_discount_rate=rate, margin=equity.terms.margin) for rate, m in ways]
    rows: list[dict[str, Any]] = [
        {"line": f"{setting(rate)} a year", "x": months} | columns(total)
        for (rate, months), total in zip(ways, found.totals(asked), strict=True)
    ]
    finite = np.isfinite(equity.terms.weeks)
    ends = [equity.amount(end([row["value"] for row in rows])) for end in (min, max)]
    return figures.sweep(
        pd.DataFrame(rows).rename(columns={"value": "y"}),
        name="horizon",
        title=f"The present customers are worth {' to '.join(ends)}, as months and discount rate are chosen",
        x_label="months that count",
        x_unit="count",
        y_label=f"Expected {equity.measure} of all present customers"
        + (f", {equity.currency}" if equity.currency else ""),
        y_unit="money",
        mark=12 * equity.terms.weeks / YEAR_WEEKS if finite else None,
        mark_label="headline" if finite else "",
        caption=f"{equity.told} Bands: 95% intervals. Lines: discount rates.",
    )


def otherwise(equity: Equity, found: Valuation, *, orders: CheckedTable) -> Table:
    """The total under every other choice, one at a time; `horizons` shows the others of time and discount."""
    other = NET if equity.bought.returns == PURCHASES else PURCHASES
    lines = {"as above": found.total}
    for family, model in FAMILIES.items():
        if family != equity.family:
            lines[f"buying model {family}"] = _total(appraise(equity.bought, model, equity.terms))
    policy = purchases(orders, returns=other, order=equity.bought.order)
    lines[f'returns "{other}"'] = _total(appraise(policy, FAMILIES[equity.family], equity.terms))
    if equity.terms.rate:
        endless = Terms(np.inf, equity.terms.rate, equity.terms.margin)
        lines["no end to the horizon"] = found.totals([endless])[0]
    return equity.table(
        name="otherwise",
        title=f"Expected {equity.measure} of all present customers, one choice changed at a time",
        rows=_lines(lines),
        headings={"who": "choice"},
    )


def _total(found: Valuation | NotTestable) -> Answer:
    return found if isinstance(found, NotTestable) else found.total


# --- Sentences ---------------------------------------------------------------------------------------------------


def way(equity: Equity, found: Valuation) -> Text:
    """Which model of an order's money was taken, and why."""
    return say("{}", found.order.why)


def conclusion(equity: Equity, found: Valuation) -> Text:
    """The answer in two sentences."""
    assert isinstance(equity.trial, Trial)
    return say(
        "{} present customers are expected to bring in this much {}, {}: {}. Somebody who has just placed a first "
        "order: {}. {} of the customers hold {} of it. On the hold-out the model took away this share of the "
        "naive rule's error: {}.",
        found.customers,
        equity.measure,
        equity.horizon,
        told(found.total, equity.currency),
        told(found.newcomer, equity.currency),
        told(found.holding(HELD)),
        setting(HELD),
        told(equity.trial.gain),
    )


def scores(equity: Equity) -> Text:
    """Offer presence, orders and value of each customer."""
    found = equity.valuation
    if isinstance(found, NotTestable):
        return offer(None, found, keys=LEDGER)
    days = (found.rows[["last", "observed"]] * WEEK).round()
    keys = found.rows[LEDGER].assign(**days)
    orders = "discounted_orders" if np.isinf(found.terms.weeks) else "orders"
    columns = named(orders, found.between(found.orders)) | named("value", found.between(found.values))
    told = {"model": equity.family, "as_of": str(equity.bought.observed_until), "weeks": equity.terms.weeks}
    rows = keys.assign(alive=found.alive, **columns)
    return offer(found.people, rows, keys=LEDGER, **told, value_of=equity.measure)


# --- Contracts ---------------------------------------------------------------------------------------------------


def contracts(
    lab: Study,
    curve: RetentionCurve | NotTestable,
    *,
    segments: Mapping[str, RetentionCurve | NotTestable] | None = None,
    by: str = "",
    horizon_years: int,
    annual_discount_rate: float,
    annual_revenue: float | None,
    margin: float | None,
    limit: str | None = None,
) -> list[Table | Text]:
    """What those who have a contract are worth, together, by segment and by year of life; or why it cannot be said.

    Args:
        lab: the study.
        curve: yearly retention of all.
        segments: that of each segment, as `value.curves_by` gives it; one without a curve takes that of all.
        by: the covariate that tells segments apart; empty takes the first.
        horizon_years, annual_discount_rate: what counts.
        annual_revenue, margin: as in `value.payers`.
        limit: why the table cannot stand for customers followed from their start; None when it can.
    """
    if not lab.has("subscriptions"):
        return [say("Without contracts, what customers are worth is read from their orders, on a page of its own.")]
    table, described = lab.table("subscriptions"), lab.table("customers") if lab.has("customers") else None
    who = payers(table, described=described, stated=annual_revenue, margin=margin, by=by, min_cell=lab.min_cell)
    if isinstance(who, NotTestable):
        return [say("{}", who.reason)]
    here = sorted(who.table["group"].unique())
    own = {name: of for name, of in (segments or {}).items() if isinstance(of, RetentionCurve) and name in here}
    today = bool(who.table["ahead"].any())
    asked: dict[str, Any] = {"discount_rate": annual_discount_rate, "years": horizon_years}
    of: Callable[..., Answer] = partial(expected_from, curve, own=own, today=today, **asked)
    new: Callable[..., Answer] = partial(from_newcomer, **asked)
    if isinstance(total := of(who), NotTestable):
        return [say("{}", total.reason)]

    def parts(key: Any) -> dict[Any, Payers]:
        return {name: replace(who, table=rows) for name, rows in who.table.groupby(key)}

    groups, ages = parts("group"), parts(who.table["year"].clip(upper=horizon_years))
    lines = {"all of them": total, "one, on average": of(who, each=True), "a newcomer": new(curve, who)}
    lines |= {f"a newcomer, {name}": new(own[name], groups[name]) for name in own}
    lines |= {"all, from their next year on": of(who, today=False)} if today else {}
    lines |= {"all, by one curve": of(who, own=None)} if own else {}
    lines |= {"all, without end": of(who, years=None), "a newcomer, without end": new(curve, who, years=None)}
    what = "value" if who.unit == "money" else who.measure
    told = f"Counted: {who.measure}, discounted by {setting(annual_discount_rate)} a year. {_whose(own, here)}"
    make: Callable[..., Table] = partial(_table, told, lab.currency, unit="money" if who.unit == "money" else "ratio")
    amount = count(total.value) + (f" {lab.currency or ''} of" if who.unit == "money" else "")
    span = f"within {plural(horizon_years, 'year')}"
    left_out = "Of present customers the running year is left out, as paid; "
    if today:
        span += " and the rest of the running one"
        left_out = "Of present customers what is left of the running year counts as it is paid; where it has been paid "
        left_out += "already, read the line from their next year on. "
    together = make(
        value=what, name="contracts", rows=_lines(lines), headings={"who": ""},
        title=f"{count(who.table['customers'].sum())} present customers are expected to bring in {amount} "
        f"{who.measure} {span}",
        caption=f"{left_out}Of a newcomer the first year counts, and is paid at once. {MISSED if limit else ''}",
    )  # fmt: skip

    def each(of_whom: Mapping[str, Payers], **telling: Any) -> list[Table]:
        rows = _lines({label: of(group, each=True) for label, group in of_whom.items()})
        rows["customers"] = [group.table["customers"].sum() for group in of_whom.values()]
        telling |= {"size_column": "customers", "min_cell": lab.min_cell}
        return [make(value=f"{what} of one", rows=rows, **telling)] if len(rows) > 1 else []

    aged = {f"{year} or later" if year == horizon_years else f"{year}": group for year, group in ages.items()}
    title = f"What one is worth {span}, by"
    return [
        together,
        *each(groups, name="contracts-by-group", title=f"{title} group", headings={"who": "group"}),
        *each(aged, name="contracts-by-age", title=f"{title} the year of their life", headings={"who": "in year"}),
    ]


def _whose(own: Mapping[str, RetentionCurve], groups: Iterable[str]) -> str:
    """Whose retention is whose, in a sentence."""
    rest = [name for name in groups if name not in own]
    if not own:
        return "One curve of retention for all."
    told = f"Groups with a curve of retention of their own: {listing(sorted(own))}."
    return told + (f" With too few leavers, so by the curve of all: {listing(rest)}." if rest else "")
