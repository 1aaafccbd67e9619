"""What an order is worth: how much customers spend on one, and whether those who order often spend more."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first used

from analysis.customers import DECIMALS, Purchases, ordered, returned, rounded, since_first
from analysis.engines import first_by, keep
from analysis.estimates import Estimate, NotTestable, told
from analysis.fits import Fit, maximise
from analysis.retention import MIN_EVENTS
from analysis.words import plural

TINY = 1e-300
LEDGER = ["repeats", "last", "observed", "mean", "squares"]


def ledger(bought: Purchases, *, until: date | None = None) -> Any:
    """One row a customer known on a day, kept in the engine, so that a later question meets the same digits.

    Returns:
        An expression with customer_id; repeats, last and observed (both days), which make a buying history; first
        (money of the first order), mean (money a repeat order; 0 without one) and squares (squared distances of the
        repeat orders from their mean, added up); later (money that came after the day).
    """
    import ibis

    end = until or bought.observed_until
    people = _first_and_later(bought, end)
    spent, later = people.ordered, people.later
    if (alone := returned(bought)) is not None:
        people = keep(people)  # they are asked twice, and are a fraction of the orders
        people = people.left_join(_given_back(people, alone, end), "customer_id")
        spent, later = (people[name] + people[f"{name}_back"].fill_null(0.0) for name in ("ordered", "later"))
    first, each = people["first"].round(DECIMALS), people.repeats.nullif(0)
    spent, bought_for, square = (sums.round(DECIMALS) for sums in (spent, people.ordered, people.square))
    squares = square - first**2 - (bought_for - first) ** 2 / each
    kept = keep(
        people.select(
            customer_id=people.customer_id,
            repeats=people.repeats,
            last=people.last_on.delta(people.first_on, unit="day"),
            observed=ibis.literal(end).delta(people.first_on, unit="day"),
            mean=rounded(((spent - first) / each).fill_null(0.0)),
            squares=rounded(ibis.greatest(squares.fill_null(0.0), 0.0)),
            first=first,
            later=later.round(DECIMALS),
        )
    )
    return kept.mutate(customer_id=kept.customer_id.cast("string"))  # which few ask for, and a number is shorter


def _first_and_later(bought: Purchases, end: date) -> Any:
    """One row a customer known on a day, from one pass over the orders; without returns on their own."""
    orders = ordered(bought)
    past = orders.ordered_on <= end if end < bought.observed_until else None
    value = orders.value.cast("float64")
    people = orders.group_by("customer_id").agg(
        first_on=orders.ordered_on.min(),
        **({"first_at": orders["at"].min()} if bought.returned else {}),
        last_on=orders.ordered_on.max(where=past),
        repeats=orders.count(where=past) - 1,
        # The first order is left out of the mean: what opens a history must not explain what follows.
        first=first_by(value, orders.key),
        ordered=value.sum(where=past),
        square=(value * value).sum(where=past),
        **({} if past is None else {"later": value.sum(where=~past)}),
    )
    if past is None:
        return people.mutate(later=0.0)
    return people.filter(people.first_on <= end).mutate(later=people.later.fill_null(0.0))


def _given_back(people: Any, alone: Any, end: date) -> Any:
    """Money of returns on their own that came after a customer's first order, up to a day and after it."""
    rows = since_first(alone, people.select("customer_id", "first_at"))
    value, past = rows.value.cast("float64"), rows.ordered_on <= end
    back = {"ordered_back": value.sum(where=past), "later_back": value.sum(where=~past)}
    return rows.group_by("customer_id").agg(**back)


def counted(people: Any) -> pd.DataFrame:
    """The distinct rows of a `ledger` without names: its numbers but the first order, and weight (customers)."""
    keys = [*LEDGER, "later"]
    return people.group_by(keys).agg(weight=people.count()).order_by(keys).to_pandas().astype("float64")


def spend(bought: Purchases, *, until: date | None = None) -> pd.DataFrame:
    """Count distinct pairs of repeat orders and what one of them brought in on average, as known on a day.

    Returns:
        One row a pair: repeats (1 or more), mean (money a repeat order, to the cent's thousandth), weight (customers).
    """
    rows = counted(ledger(bought, until=until)).query("repeats > 0")
    return rows.groupby(["repeats", "mean"])["weight"].sum().reset_index()


@dataclass(frozen=True)
class GammaGamma:
    """What one order of a customer brings in: Gamma(p, a scale of their own), the scales differing as Gamma(q, v).

    `per_doubling` multiplies what customers spend an order for every doubling of their repeat orders; 1 in the
    published model, which takes spending and frequency to be independent.

    Source: Fader, Hardie & Lee (2005), Journal of Marketing Research 42(4); Fader & Hardie (2013), a note on the
    gamma-gamma model.
    """

    p: float
    q: float
    v: float
    per_doubling: float = 1.0

    def parts(self, x: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, None, list[np.ndarray]]:
        """Log-likelihood, nothing, and the slopes of the first in each parameter."""
        (p, q, _, per), digamma, gammaln = astuple(self), scipy.special.digamma, scipy.special.gammaln
        v, orders = self._scale(x), p * x
        share = np.log(x * mean) - np.log(x * mean + v)
        known = gammaln(orders + q) - gammaln(orders) - gammaln(q) - np.log(mean)
        rest, both = np.log(v) - np.log(x * mean + v), digamma(orders + q)
        of_v = q - (orders + q) * np.exp(rest)
        slopes = [
            x * (both - digamma(orders) + share),
            both - digamma(q) + rest,
            of_v / self.v,
            of_v * np.log2(x) / per,
        ]
        return known + orders * share + q * rest, None, slopes

    def _scale(self, x: np.ndarray) -> np.ndarray:
        return self.v * self.per_doubling ** np.log2(np.maximum(x, 1))

    def mean_order(self, repeats: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Expected money an order of customers with so many repeat orders of such a mean; infinite for q up to 1."""
        repeats, spent = np.asarray(repeats, float), np.where(np.asarray(repeats) > 0, repeats * np.asarray(mean), 0)
        weight = self.p * repeats + self.q - 1
        return np.where(weight > 0, self.p * (self._scale(repeats) + spent) / np.where(weight > 0, weight, 1), np.inf)


def fit_spend(rows: pd.DataFrame, *, by_frequency: bool = False, min_repeaters: int = MIN_EVENTS) -> Fit | NotTestable:
    """Fit the spending model by maximum likelihood to customers whose repeat orders brought in more than 0.

    Args:
        rows: as `spend` makes them.
        by_frequency: whether spending may depend on the number of repeat orders. Where the interval of `per_doubling`
            leaves out 1, it does, and this is the model to go on with.
        min_repeaters: customers below which nothing is said.
    """
    rows = rows[rows["mean"] > 0]
    x, mean, weight = (rows[name].to_numpy(float) for name in ("repeats", "mean", "weight"))
    if weight.sum() < max(1, min_repeaters):
        return NotTestable(f"{plural(int(weight.sum()), 'customer')} spent on repeats; {min_repeaters} are needed.")
    start = np.array([0.0, math.log(2), math.log(weight @ mean / weight.sum()), 0.0])
    return maximise(GammaGamma, start, np.diag([1.0, 1, 1, by_frequency]), (x, mean), weight, "orders")


# --- Orders that may lose money ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Credibility:
    """What one order of a customer brings in, gains and losses alike: between their own mean and that of their like.

    The own mean counts repeats / (repeats + within / between): the more, the more orders stand behind it and the more
    customers differ. No distribution is assumed.

    Attributes:
        level: money an order that is usual for customers with one repeat order or none.
        per_doubling: added for every doubling of the repeat orders.
        within, between: variance of one customer's orders, and of customers' true means.

    Source: Bühlmann (1967), ASTIN Bulletin 4(3); variances by the method of moments.
    """

    level: float
    per_doubling: float
    within: float
    between: float

    def mean_order(self, repeats: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Expected money an order of customers with so many repeat orders of such a mean."""
        repeats = np.asarray(repeats, float)
        usual = self.level + self.per_doubling * np.log2(np.maximum(repeats, 1))
        known = repeats * self.between
        return usual + known / np.maximum(known + self.within, TINY) * (np.asarray(mean) - usual)


def _credible(sums: np.ndarray, tied: bool) -> np.ndarray:
    """The parameters from sums over customers with g = log2(x): 1, g, g², m, gm, m², 1/x, squares, x - 1."""
    n, g, gg, m, gm, mm, inverse, squares, spare = sums
    bend = gg - g * g / n
    slope = (gm - g * m / n) / bend if tied and bend > TINY else 0.0
    level = (m - slope * g) / n
    apart = max(mm - level * m - slope * gm, 0) / n
    within = squares / spare if spare > 0 else apart
    return np.array([level, slope, within, max(apart - within * inverse / n, 0)])


def fit_credibility(rows: pd.DataFrame, *, tied: bool) -> tuple[Credibility, np.ndarray]:
    """Fit by moments to customers with repeat orders.

    Args:
        rows: repeats, mean, squares, weight, as `counted` makes them.
        tied: whether the usual order may grow or shrink with the number of repeat orders.

    Returns:
        The model, and how far one more customer like each row moves its parameters; shape (4, rows).
    """
    x, m, squares, weight = (rows[name].to_numpy(float) for name in ("repeats", "mean", "squares", "weight"))
    # In the customers' own units, so that gigantic amounts keep their digits.
    middle = np.average(m, weights=weight)
    unit = math.sqrt(np.average((m - middle) ** 2, weights=weight)) or 1.0
    m, squares, g = (m - middle) / unit, squares / unit**2, np.log2(x)
    features = np.array([np.ones_like(x), g, g * g, m, g * m, m * m, 1 / x, squares, x - 1])
    sums = features @ weight
    found, steps = _credible(sums, tied), 1e-6 * np.maximum(np.abs(sums), 1)
    slopes = np.array([_credible(sums + move, tied) - found for move in np.diag(steps)]) / steps[:, None]
    scale = np.array([unit, unit, unit**2, unit**2])
    model = Credibility(*(float(part) for part in found * scale + np.array([middle, 0, 0, 0])))
    return model, (slopes * scale).T @ features


# --- Which model --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OrderValue:
    """The model of what an order is worth that these customers call for.

    Attributes:
        model: of the two above.
        influence: how far one more customer like each row moves its parameters (gamma-gamma: their logarithms).
        why: which model it is, and what decided, in sentences.
    """

    model: GammaGamma | Credibility
    influence: np.ndarray
    why: str

    def moved(self, by: np.ndarray) -> GammaGamma | Credibility:
        """The model with its parameters moved."""
        now = np.array(astuple(self.model))
        return type(self.model)(*(now + by if isinstance(self.model, Credibility) else now * np.exp(by)))


_WAY = {
    True: "so what an order brings in is made to depend on their number",
    False: "which leaves room for no difference, so frequency and the money of an order are taken as independent",
}


def price(rows: pd.DataFrame, *, min_repeaters: int = MIN_EVENTS) -> OrderValue | NotTestable:
    """Choose and fit the model: gamma-gamma where every customer's mean is above 0, else credibility.

    Either lets the money of an order depend on how often customers order where a 95% interval says that it does.

    Args:
        rows: as `counted` makes them.
        min_repeaters: customers with a repeat order, below which nothing is said.
    """
    again = rows["repeats"].to_numpy() > 0
    some = rows[again]
    if (n := int(some["weight"].sum())) < max(1, min_repeaters):
        return NotTestable(f"{plural(n, 'customer')} bought again; at least {min_repeaters} are needed.")
    influence = np.zeros((4, len(rows)))
    if (some["mean"] > 0).all() and isinstance(free := fit_spend(some, by_frequency=True), Fit):
        growth = free.estimate(lambda model: model.per_doubling, unit="ratio")
        tied = not growth.low <= 1 <= growth.high
        fit = free if tied else fit_spend(some)
        if isinstance(fit, Fit) and fit.model.q > 1:
            influence[:, again] = fit.influence(*(some[name].to_numpy(float) for name in ("repeats", "mean")))
            why = f"Money of an order: gamma-gamma model. With twice the repeat orders it is times {told(growth)}, "
            return OrderValue(fit.model, influence, f"{why}{_WAY[tied]}.")
    model, moves = fit_credibility(some, tied=True)
    error = math.sqrt(some["weight"].to_numpy(float) @ moves[1] ** 2)
    slope = Estimate.normal(model.per_doubling, error, unit="money", n=n)
    if not (tied := not slope.low <= 0 <= slope.high):
        model, moves = fit_credibility(some, tied=False)
    influence[:, again] = moves
    losses = (some["mean"] <= 0).any()
    why = "some customers' orders brought in nothing or a loss" if losses else "the gamma-gamma model does not fit"
    why = f"Money of an order: credibility model, because {why}. With twice the repeat orders it changes by"
    return OrderValue(model, influence, f"{why} {told(slope)}, {_WAY[tied]}.")
