"""What customers of a shop without contracts are worth: the orders they will place, times what one brings in.

Every number has an interval, and nothing is simulated for it. Both models' parameters are moved together, as other
customers in place of these would move them, and all that follows from the parameters is worked out at each place.
What a single customer does by chance is not in the interval of their value: it is one of what is expected of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from analysis.buying import HISTORY, WEEK, BuyingModel, distinct, history
from analysis.customers import DECIMALS, YEAR, Purchases
from analysis.estimates import Answer, Estimate, NotTestable, gated, needed
from analysis.fits import Fit, around, fit_buying, spread
from analysis.holdout import cut, gain_over
from analysis.order_values import GammaGamma, OrderValue, counted, ledger, price
from analysis.spending import concentration, gini
from analysis.tables import SettingsError

YEAR_WEEKS = YEAR / WEEK
# Moves of the parameters, in standard errors: small enough that everything is straight.
STEP = 1e-3
REVENUE, MARGIN = "revenue", "margin"
NEWCOMER = pd.DataFrame({name: [0.0] for name in (*HISTORY, "mean")})


@dataclass(frozen=True)
class Terms:
    """What counts as value.

    Attributes:
        weeks: that count, from the last day seen; infinite for all to come.
        rate: by which later money counts less, continuous, a week.
        margin: share of the money of an order that is kept.
    """

    weeks: float
    rate: float = 0.0
    margin: float = 1.0


def terms(
    *, horizon_months: int | None, annual_discount_rate: float, margin: float | None = None, measure: str = REVENUE
) -> Terms:
    """What counts, from parameters as a business states them.

    Args:
        horizon_months: a month is a twelfth of 365.25 days; None counts all to come.
        annual_discount_rate: 0.1 makes money a year later count 1/1.1.
        margin: share of revenue kept, above 0 to 1; None counts all. Not used where orders hold their own margins.
        measure: what the orders hold, "revenue" or "margin".

    Raises:
        SettingsError: a horizon, rate or margin that no business has, or a sum without end and discount.
    """
    if horizon_months is not None and horizon_months < 1:
        raise SettingsError(f"horizon_months is {horizon_months}; it must be 1 or more, or none for no end.")
    if not 0 <= annual_discount_rate < 1:
        raise SettingsError(f"annual_discount_rate is {annual_discount_rate:g}; 0.1 stands for 10% a year.")
    if horizon_months is None and not annual_discount_rate:
        raise SettingsError("horizon_months is none and annual_discount_rate is 0: a sum without end needs a rate.")
    if margin is not None and not 0 < margin <= 1:
        raise SettingsError(f"margin is {margin:g}; it is a share of revenue, so 0.3 stands for 30%.")
    weeks = math.inf if horizon_months is None else horizon_months / 12 * YEAR_WEEKS
    kept = 1.0 if margin is None or measure == MARGIN else margin
    return Terms(weeks, math.log1p(annual_discount_rate) / YEAR_WEEKS, kept)


@dataclass(frozen=True)
class Valuation:
    """The customers of a shop and what is expected of them.

    Attributes:
        people: one row a customer, in the engine, as `order_values.ledger`.
        rows: the distinct ones, time in weeks.
        fit: of the buying model.
        order: what an order is worth.
        terms: what counts.
        directions: independent moves of all parameters by a standard error, one a column.
        values: discounted money within the terms, a column for each of the rows: the first line as expected, each
            other one with the parameters moved by `STEP` in a direction.
    """

    people: Any = field(repr=False)
    rows: pd.DataFrame = field(repr=False)
    fit: Fit
    order: OrderValue = field(repr=False)
    terms: Terms
    directions: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)

    @property
    def customers(self) -> int:
        """Behind it all."""
        return int(self.rows["weight"].sum())

    @property
    def alive(self) -> np.ndarray:
        """Chance that a customer still is one, for each row."""
        return self.fit.model.alive(self.rows)

    @property
    def orders(self) -> np.ndarray:
        """As `values` for orders, without their money; discounted only where the terms have no end."""
        return _lines(self.rows, self.fit, None, self.terms, self.directions)

    def totals(self, asked: Sequence[Terms]) -> list[Answer]:
        """`total` on each of some other terms.

        What customers who are still there will order depends on their orders and time alone, whatever they spend; so
        they are added up by these, and terms then cost as much as there are such pairs.
        """
        pair, weight = [HISTORY[0], HISTORY[2]], self.rows["weight"].to_numpy()
        pairs, (_, place) = self.rows[HISTORY].drop_duplicates(pair), distinct(self.rows[pair])
        sums: list[list[float]] = [[] for _ in asked]
        for model, money in _moved(self.rows, self.fit, self.order, self.directions):
            held = np.bincount(place, weight * model.alive(self.rows) * money)
            for line, terms in zip(sums, asked, strict=True):
                line.append(float(held @ model.to_come(pairs, rate=terms.rate, until=terms.weeks)) * terms.margin)
        return [_answer(line, "money", self.customers, self.always_positive) for line in sums]

    def answer(self, of: Callable[[np.ndarray], float], *, unit: str = "money") -> Answer:
        """A quantity of the rows' values as an estimate: `lambda values: values @ weight` is the total."""
        return _answer([of(line) for line in self.values], unit, self.customers, self.always_positive)

    @property
    def always_positive(self) -> bool:
        """Whether no order can bring a loss."""
        return isinstance(self.order.model, GammaGamma)

    @property
    def total(self) -> Answer:
        """What all present customers are worth: orders they have yet to place."""
        weight = self.rows["weight"].to_numpy()
        return self.answer(lambda values: float(values @ weight))

    @property
    def newcomer(self) -> Answer:
        """What somebody who just placed a first order will bring in after it."""
        return _answer(
            [float(line[0]) for line in self.on_rows(NEWCOMER)], "money", self.customers, self.always_positive
        )

    def on_rows(self, rows: pd.DataFrame) -> np.ndarray:
        """`values` for other rows of histories with mean."""
        return _lines(rows, self.fit, self.order, self.terms, self.directions)

    @property
    def unequal(self) -> Answer:
        """Gini coefficient of the customers' values; above 1 where many are losses."""
        return self.answer(lambda values: gini(self.spelt_out(values)), unit="ratio")

    def holding(self, share: float) -> Answer:
        """The smallest share of the customers who hold a share of the whole value."""
        return self.answer(lambda values: _reach(concentration(self.spelt_out(values)), share), unit="share")

    def spelt_out(self, values: np.ndarray) -> np.ndarray:
        """One number a customer in place of one a row."""
        return np.repeat(values, self.rows["weight"].astype(int))

    def between(self, lines: np.ndarray) -> dict[str, np.ndarray]:
        """`orders`, `values` or sums of them as columns: value, low, high (95%)."""
        value, error = lines[0], _error(lines)
        if (lines >= 0).all():
            return around(value, error)
        return {"value": value, "low": value - 1.96 * error, "high": value + 1.96 * error}


def _reach(curve: pd.DataFrame, share: float) -> float:
    """Where the biggest customers' part of the total first reaches a share."""
    place = int(np.argmax(curve["total"] >= share))
    return float(np.interp(share, curve["total"][place - 1 : place + 1], curve["customers"][place - 1 : place + 1]))


def _error(lines: Any) -> Any:
    lines = np.asarray(lines)
    return np.sqrt((((lines[1:] - lines[0]) / STEP) ** 2).sum(axis=0))


def _answer(lines: list[float], unit: str, n: int, positive: bool) -> Answer:
    value, error = lines[0], float(_error(lines))
    if not math.isfinite(value + error):
        return NotTestable("The sum cannot be had: these customers bring in nothing, or there is no end to it.")
    if positive and value > 0:
        return Estimate.log_normal(value, error / value, unit=unit, n=n, method="both models' errors together, on logs")
    return Estimate.normal(value, error, unit=unit, n=n, method="both models' errors together")


@gated
def appraise(bought: Purchases, family: type[BuyingModel], terms: Terms, *, until: date | None = None) -> Any:
    """Value the customers known on a day.

    Args:
        bought: the orders; under "net" returns are taken off, and an order's margin counts where every row has one.
        family: of `buying`, in weeks.
        terms: what counts.
        until: the day; None is the last day seen.

    Returns:
        The valuation, or why these customers do not determine it.
    """
    people = ledger(bought, until=until)
    rows = counted(people)
    rows[["last", "observed"]] /= WEEK
    fit, order = needed(fit_buying(rows, family)), needed(price(rows))
    known, place = distinct(rows[HISTORY])
    moves = np.vstack([fit.influence(*history(known))[:, place], order.influence])
    directions = spread((moves * rows["weight"].to_numpy()) @ moves.T)
    directions = directions[:, directions.any(axis=0)]
    return Valuation(people, rows, fit, order, terms, directions, _lines(rows, fit, order, terms, directions))


def _lines(rows: pd.DataFrame, fit: Fit, order: OrderValue | None, terms: Terms, directions: np.ndarray) -> np.ndarray:
    known, place = distinct(rows[HISTORY])
    rate = terms.rate if order or math.isinf(terms.weeks) else 0.0
    return np.array(
        [
            model.discounted(known, rate=rate, until=terms.weeks)[place] * money * (terms.margin if order else 1.0)
            for model, money in _moved(rows, fit, order, directions)
        ]
    )


def _moved(rows: pd.DataFrame, fit: Fit, order: OrderValue | None, directions: np.ndarray) -> Iterator[tuple[Any, Any]]:
    """The buying model and the money of each row's orders (1 without `order`): as fitted, then by each direction."""
    own = len(fit.covariance)
    for move in (np.zeros(len(directions)), *STEP * directions.T):
        moved = order and order.moved(move[own:])
        money = moved.mean_order(rows["repeats"].to_numpy(), rows["mean"].to_numpy()) if moved else 1.0
        yield fit.moved(move[:own]), money


# --- Beside naive rules ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """Money foretold on a hold-out, beside what came and beside the naive rule.

    Attributes:
        until: the last day that was known.
        rows: with later (money after it).
        model, naive: foretold for each row; the naive rule lets everybody go on spending at their own past pace.
        gain: share of the naive rule's squared error that the model removes.
    """

    until: date
    rows: pd.DataFrame = field(repr=False)
    model: np.ndarray = field(repr=False)
    naive: np.ndarray = field(repr=False)
    gain: Answer


@gated
def trial(bought: Purchases, family: type[BuyingModel], *, share: float, draws: int, seed: int) -> Any:
    """Value the customers on an earlier day, and see what came.

    Args:
        bought: the orders.
        family: of `buying`.
        share: of the log's days that is held out.
        draws, seed: of the resamples of customers.
    """
    until = cut(bought, share=share)
    weeks = (bought.observed_until - until).days / WEEK
    found = needed(appraise(bought, family, Terms(weeks), until=until))
    rows, model = found.rows, found.values[0]
    naive = (weeks * rows["repeats"] * rows["mean"] / rows["observed"].clip(lower=1 / WEEK)).to_numpy()
    return Trial(until, rows, model, naive, gain_over(rows, model, naive, draws=draws, seed=seed))


def by_formula(bought: Purchases, *, margin: float = 1.0) -> Answer:
    """The naive formula for the value of a customer: money of an active customer in a period, over churn.

    The period is a year, or half of the log where that is less. Active means with an order in the period; churn is
    the share of those active in the period before who were not active in it.
    """
    first, until = bought.rows.ordered_on.min().to_pyarrow().as_py(), bought.observed_until
    days = min(round(YEAR), ((until - first).days + 1) // 2)
    rows = bought.rows.mutate(back=bought.rows.followed_days - bought.rows.age)
    now, before = rows.back < days, (rows.back >= days) & (rows.back < 2 * days)
    people = rows.group_by("customer_id").agg(
        now=(rows.opens.sum(where=now) > 0).ifelse(1, 0).cast("int64"),
        before=(rows.opens.sum(where=before) > 0).ifelse(1, 0).cast("int64"),
        money=rows.value.sum(where=now).fill_null(0.0).round(DECIMALS),
    )
    people = people.mutate(now=people.now.fill_null(0), before=people.before.fill_null(0))
    sums = people.aggregate(
        active=people.now.sum(), earlier=people.before.sum(), stayed=(people.now * people.before).sum(),
        money=people.money.mean(where=people.now == 1).round(DECIMALS),
        spread=people.money.std(where=people.now == 1).round(DECIMALS),
    )  # fmt: skip
    active, earlier, stayed, money, deviation = sums.to_pandas().astype("float64").iloc[0]
    if not (min(active, earlier) > 1 and stayed < earlier and money > 0):
        return NotTestable("By this formula nobody leaves, or nobody buys in both periods: it gives no number.")
    churn = 1 - stayed / earlier
    error = math.hypot(deviation / money / math.sqrt(active), math.sqrt((1 - churn) / churn / earlier))
    return Estimate.log_normal(money * margin / churn, error, unit="money", n=int(active))
