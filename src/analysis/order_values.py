"""What an order is worth: how much customers spend on one, and whether those who order often spend more."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first used

from analysis.customers import DECIMALS, Purchases, kept_in_engine
from analysis.estimates import NotTestable
from analysis.fits import Fit, maximise
from analysis.retention import MIN_EVENTS
from analysis.words import plural

LEDGER = ["repeats", "last", "observed", "mean", "squares"]


def ledger(bought: Purchases, *, until: date | None = None) -> Any:
    """One row a customer known on a day, kept in the engine, so that a later question meets the same digits.

    Returns:
        An expression with customer_id; repeats, last and observed (both days), which make a buying history; first
        (money of the first order), mean (money a repeat order; 0 without one) and squares (squared distances of the
        repeat orders from their mean, added up); later (money that came after the day).
    """
    end = until or bought.observed_until
    rows = bought.rows.filter(bought.rows.first_on <= end)
    past, value = rows.ordered_on <= end, rows.value.cast("float64")
    order = past & (rows.opens == 1)
    people = rows.group_by("customer_id").agg(
        repeats=rows.opens.sum(where=past) - 1,
        last=rows.age.max(where=order),
        observed=rows.followed_days.max() - (bought.observed_until - end).days,
        # The first order is left out of the mean: what opens a history must not explain what follows.
        first=value.argmin(rows.key, where=order & (rows["at"] == rows.first_at)),
        spent=value.sum(where=past),
        ordered=value.sum(where=order),
        square=(value * value).sum(where=order),
        later=value.sum(where=~past).fill_null(0.0).round(DECIMALS),
    )
    each = people.repeats.nullif(0)
    people = people.mutate(
        mean=((people.spent - people.first) / each).fill_null(0.0).round(DECIMALS),
        squares=(people.square - people["first"] ** 2 - (people.ordered - people["first"]) ** 2 / each),
    )
    people = people.mutate(squares=people.squares.fill_null(0.0).clip(lower=0.0).round(DECIMALS))
    return kept_in_engine(people.select("customer_id", *LEDGER, "first", "later"))


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
