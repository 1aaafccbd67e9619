"""Customers who just stop buying: nobody gives notice, so who has left is read from the silence.

What such models need of a customer is three numbers: repeat orders, time from the first order to the last one, and
time from the first order to the last day seen. The engine counts identical customers once; every fit, gradient and
resample here works on those distinct rows with weights. Time is in weeks, unless a table was made in other periods.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first used

from analysis.customers import Purchases
from analysis.tables import TableError
from analysis.words import listing, plural

WEEK, WEEKS = 7, "weeks"
HISTORY = ["repeats", "last", "observed"]
TINY, RARE = 1e-300, 1e-15
# So many places give nine digits; the tests compare with other formulas.
NODES, BETA_NODES, COUNT_NODES, TIME_NODES = 24, 200, 120, 24
PIECE = 2048  # rows whose places a processor keeps at hand
FAR = 40  # later orders count less than e^-40
Parts = tuple[np.ndarray, np.ndarray, list[np.ndarray]]


# --- From orders to distinct histories --------------------------------------------------------------------------


def summarise(
    bought: Purchases, *, until: date | None = None, every: int = 0, described: Any = None, by: Sequence[str] = ()
) -> pd.DataFrame:
    """Count the distinct buying histories, as known on a day, with what the same customers bought afterwards.

    Args:
        bought: the orders.
        until: last day of the histories; customers who first ordered later are left out. None is the last day seen.
        every: days of a buying opportunity, for BG/BB: time is then counted in whole periods from a customer's first
            order, and a period holds an order or none. 0 keeps time in weeks and counts every order.
        described: the checked table of customers, whose columns `by` are kept: rows are distinct in them as well.
        by: names of such columns.

    Returns:
        One row a distinct history: repeats (orders after the first, or periods with one), last (first to last order,
        weeks or periods), observed (first order to `until`, weeks or periods), later (orders after `until`), ahead
        (weeks seen after `until`), weight (customers), and `by`. attrs["unit"] names the unit of time.

    Raises:
        TableError: the table of customers has no such column, or its name is used here.
    """
    end, length, keys = until or bought.observed_until, every or 1, [*HISTORY, "later"]
    ahead = (bought.observed_until - end).days
    rows = bought.rows.filter(bought.rows.opens == 1, bought.rows.first_on <= end)
    past, days = rows.ordered_on <= end, rows.followed_days - ahead
    period = (rows.age + length - 1) // length
    whole = past & (period * length <= days)
    people = rows.group_by("customer_id").agg(
        repeats=(period.nunique(where=whole) if every else rows.opens.sum(where=past)) - 1,
        last=period.max(where=whole),
        observed=days.max() // length,
        later=rows.opens.sum(where=~past).fill_null(0),
    )
    if by:
        if wrong := [name for name in by if name not in described.rows.columns or name in (*keys, "ahead", "weight")]:
            raise TableError(f"customers: {listing(wrong)} cannot be used: not a column, or a name that is taken.")
        people = people.left_join(described.rows.select("customer_id", *by), "customer_id")
    counted = people.group_by(*keys, *by).agg(weight=people.count()).order_by(*keys, *by).to_pandas()
    table = counted.astype(dict.fromkeys([*keys, "weight"], "float64"))
    table[["last", "observed"]] /= 1 if every else WEEK
    table.insert(4, "ahead", ahead / WEEK)
    table.attrs["unit"] = f"periods of {plural(every, 'day')}" if every else WEEKS
    return table


def recounted(rows: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Put rows with the same history, and the same in `by`, together and add up their weights."""
    table = rows.groupby([*HISTORY, *by], sort=False)["weight"].sum().reset_index()
    table.attrs["unit"] = rows.attrs.get("unit", WEEKS)
    return table


def distinct(rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """The distinct rows as they first come, and where each row finds its own."""
    return rows.drop_duplicates(), rows.groupby([*rows], sort=False, dropna=False).ngroup().to_numpy()


def history(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three columns of a table of histories, refused with the first row that cannot be."""
    x, last, end = (rows[name].to_numpy(float) for name in HISTORY)
    fine = (x >= 0) & (x % 1 == 0) & (last >= 0) & (end >= last) & np.isfinite(end) & ((x > 0) | (last == 0))
    if not fine.all():
        raise TableError(
            f"buying histories: {plural(int((~fine).sum()), 'row')} cannot be: repeats must be a whole number from 0, "
            "last must lie from 0 (0 without a repeat) to observed, and none may be missing. First: row "
            f"{int(fine.argmin()) + 1}. Make the table with summarise()."
        )
    return x, last, end


# --- The models -------------------------------------------------------------------------------------------------


class BuyingModel(ABC):
    """What the four models share: a customer is still there or gone, and each has its likelihood.

    A model says in `parts` how likely a history is, and how much of that falls to customers who are gone; all else
    follows. The chance that no order comes in the next t, for instance, is the likelihood of the same history seen
    for t longer, over the likelihood of the history.
    """

    NAME: ClassVar[str]
    TIMED: ClassVar[tuple[int, ...]]
    # Parameters that covariates may move, with the sign of more buying or more leaving, and the covariates' columns.
    MOVED: ClassVar[Mapping[str, int]] = {}
    TERMS: ClassVar[tuple[str, ...]] = ()
    # An order is every so manieth step of an even clock; above 1 customers buy at more regular times than by chance.
    STEPS: ClassVar[int] = 1

    @abstractmethod
    def parts(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, *terms: np.ndarray) -> Parts:
        """Log-likelihood, log odds of gone against there, and the slopes of the first in each parameter."""

    @abstractmethod
    def _if_there(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, t: Any) -> np.ndarray:
        """Expected orders in the next t of a customer who is still there."""

    def _by(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, times: np.ndarray) -> np.ndarray:
        """`_if_there`, one row for each of the times."""
        return np.array([self._if_there(x, last, end, t) for t in times])

    @abstractmethod
    def _drawn(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, t: float, random: Any) -> np.ndarray:
        """Orders in the next t of a customer who is still there, as chance has it."""

    @classmethod
    def columns(cls, rows: pd.DataFrame) -> list[np.ndarray]:
        """What `parts` takes."""
        return [*history(rows), *(rows[name].to_numpy(float) for name in cls.TERMS)]

    def at(self, *terms: np.ndarray) -> BuyingModel:
        """The model of customers with these covariates, whose parameters differ from row to row; itself without."""
        return self

    def log_likelihood(self, rows: pd.DataFrame) -> float:
        """Of distinct histories with their weights."""
        return float(rows["weight"].to_numpy(float) @ self.parts(*self.columns(rows))[0])

    def alive(self, rows: pd.DataFrame) -> np.ndarray:
        """Chance, 0 to 1, that a customer with each history is still a customer."""
        return scipy.special.expit(-self.parts(*self.columns(rows))[1])

    def silent(self, rows: pd.DataFrame, t: float) -> np.ndarray:
        """Chance, 0 to 1, of no order in the next t, for each history."""
        x, last, end, *terms = self.columns(rows)
        return np.minimum(np.exp(self.parts(x, last, end + t, *terms)[0] - self.parts(x, last, end, *terms)[0]), 1)

    def expected(self, rows: pd.DataFrame, t: float) -> np.ndarray:
        """Expected orders in the next t, for each history."""
        x, last, end, *terms = self.columns(rows)
        return self.alive(rows) * self.at(*terms)._if_there(x, last, end, t)

    def drawn(self, rows: pd.DataFrame, t: float, random: np.random.Generator) -> np.ndarray:
        """Orders in the next t of one customer with each history, as chance has it when the parameters are known."""
        x, last, end, *terms = self.columns(rows)
        return (random.random(len(x)) < self.alive(rows)) * self.at(*terms)._drawn(x, last, end, t, random)

    def newcomer(self, t: np.ndarray) -> np.ndarray:
        """Expected repeat orders within each t of the first order, for customers of whom nothing is known."""
        new = np.zeros_like(t, dtype=float)
        return scipy.special.expit(-self.parts(new, new, new)[1]) * self._if_there(new, new, new, t)

    def counts(self, t: float, most: int) -> np.ndarray:
        """Chance of 0, 1, … `most` repeat orders within t of the first one; not for BG/BB.

        The likelihood of so many orders, over every time at which the last of them may have come.
        """
        places, shares = _between_0_and_1(COUNT_NODES)
        n, last = (grid.ravel() for grid in np.meshgrid(np.arange(1.0, most + 1), t * places, indexing="ij"))
        steps = n * self.STEPS
        earlier = (steps - 1) * np.log(last) - scipy.special.gammaln(steps)
        some = np.exp(self.parts(n, last, np.full(len(n), t))[0] + earlier).reshape(most, -1) @ (t * shares)
        return np.append(np.exp(self.parts(*np.array([[0.0], [0.0], [t]]))[0]), some)

    def discounted(self, rows: pd.DataFrame, *, rate: float, until: float = math.inf) -> np.ndarray:
        """Expected later orders up to `until`, one after t counting e^(-rate t), for each history.

        Args:
            rows: the histories.
            rate: per unit of time; above 0 for a sum without end.
            until: from the end of the history.
        """
        return self.alive(rows) * self.to_come(rows, rate=rate, until=until)

    def to_come(self, rows: pd.DataFrame, *, rate: float, until: float = math.inf) -> np.ndarray:
        """As `discounted`, of customers who are still there at the end of their history.

        Summed by parts: all that come, as if at the end, and what the earlier ones count more. What a customer who is
        still there will do depends on orders and time alone, so it is worked out once for each pair of them.
        """
        far = min(until, FAR / rate) if rate else until
        x, last, end, *terms = self.columns(rows)
        alike, place = distinct(pd.DataFrame(np.transpose([x, last * (self.STEPS > 1), end, *terms])))
        x, last, end, *terms = alike.to_numpy().T
        model = self.at(*terms)
        # Places crowd near 0, where the number of orders bends most.
        places, shares = _between_0_and_1(TIME_NODES) if rate else (np.empty(0), np.empty(0))
        times = far * np.append(places, 1) ** 4
        counts = np.exp(-rate * times) * np.append(rate * 4 * far * places**3 * shares, 1)
        return (counts @ model._by(x, last, end, times))[place]


@cache
def _between_0_and_1(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Legendre places and shares."""
    places, shares = np.polynomial.legendre.leggauss(n)
    return (places + 1) / 2, shares / 2


def _settled(paths: np.ndarray, slopes: Sequence[np.ndarray], extra: Sequence[Any]) -> Parts:
    """`parts` from the log-likelihood and slopes of each path (rows) of each customer (columns); path 0 is to stay.

    `extra` are the slopes of what all paths have in common.
    """
    best = paths.max(axis=0)
    share = np.exp(paths - best)
    total = share.sum(axis=0)
    odds = np.log(share[1:].sum(axis=0) + TINY) - (paths[0] - best)
    mean = [(share * slope).sum(axis=0) / total + more for slope, more in zip(slopes, extra, strict=True)]
    return best + np.log(total), odds, mean


@dataclass(frozen=True)
class BGNBD(BuyingModel):
    """BG/NBD: customers buy at their own steady rate, and after each repeat order may leave, with their own chance.

    Rates differ as Gamma(r, alpha), chances of leaving as Beta(a, b). Nobody can leave before a repeat order, so a
    one-time buyer counts as there for ever, however long the silence: compare MBGNBD before acting on that.

    Source: Fader, Hardie & Lee (2005), Marketing Science 24(2).
    """

    NAME = "BG/NBD"
    TIMED = (0, 1, 0, 0)
    MOVED: ClassVar[Mapping[str, int]] = {"alpha": -1, "a": 1, "b": -1}
    FIRST_MAY_BE_LAST: ClassVar[int] = 0
    r: float
    alpha: float
    a: float
    b: float

    def parts(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, *_: np.ndarray) -> Parts:
        """See `BuyingModel`."""
        (r, alpha, a, b), digamma, gammaln = vars(self).values(), scipy.special.digamma, scipy.special.gammaln
        # Two paths only, and gamma functions once for each number of orders: this is what a bootstrap repeats.
        place: Any = ... if np.ndim(alpha) else x.astype(int)
        each = x if np.ndim(alpha) else np.arange(x.max() + 1)
        k, steps = each + self.FIRST_MAY_BE_LAST, each * self.STEPS
        before, together = np.maximum(b + k - 1, TINY), digamma(a + b) - digamma(a + b + k)
        known = gammaln(r + steps) - gammaln(r) + scipy.special.betaln(a, b + k) - scipy.special.betaln(a, b)
        leaving = np.where(k > 0, np.log(a) - np.log(before), -np.inf)
        buys, to_end, to_last = r + x * self.STEPS, np.log(alpha + end), np.log(alpha + last)
        odds = leaving[place] + buys * (to_end - to_last)
        if self.STEPS > 1:
            waiting = self._waiting(x, last, end)
            wait = np.log(waiting.sum(axis=0))
            odds -= wait
        small = np.exp(-np.abs(odds))
        gone = np.where(odds > 0, 1, small) / (1 + small)
        value = (known + r * np.log(alpha))[place] - buys * to_end + np.maximum(odds, 0) + np.log(1 + small)
        slopes = [
            (digamma(r + steps) - digamma(r) + np.log(alpha))[place] - to_end + gone * (to_end - to_last),
            r / alpha - buys * ((1 - gone) / (alpha + end) + gone / (alpha + last)),
            together[place] + gone / a,
            (together + digamma(b + k) - digamma(b))[place] - gone * ((k > 0) / before)[place],
        ]
        if self.STEPS > 1:
            step, still = np.arange(self.STEPS)[:, None], (1 - gone) / np.exp(wait)
            later = np.cumsum(1 / (buys + step), axis=0)[:-1]
            value += wait
            slopes[0] += still * (waiting[1:] * later).sum(axis=0)
            slopes[1] -= still * (waiting * step).sum(axis=0) / (alpha + end)
        return value, odds, slopes

    def _waiting(self, x: np.ndarray, last: np.ndarray, end: np.ndarray) -> np.ndarray:
        """How likely each number of steps since the last order is, up to one short of the next, against none."""
        step, since = np.arange(1, self.STEPS)[:, None], (end - last) / (self.alpha + end)
        ratios = (self.r + x * self.STEPS + step - 1) * since / step
        return np.cumprod(np.vstack([np.ones_like(x), ratios]), axis=0)

    def _if_there(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, t: Any) -> np.ndarray:
        """The mean, over who is left, of (1 - e^(-rate p t)) / p, where p is the chance of leaving.

        Printed with 2F1, which loses its digits near a = 1 and for many orders.
        """
        reach, stayed = t / (self.alpha + end), self.b + x + self.FIRST_MAY_BE_LAST
        if self.STEPS == 1:
            return _beta_mean(self.a, stayed, lambda p: -np.expm1(-(self.r + x) * np.log1p(p * reach)) / p)
        waiting, step = self._waiting(x, last, end), np.arange(self.STEPS)[:, None]
        roots, taken = np.exp(2j * np.pi * step / self.STEPS), waiting / waiting.sum(axis=0)

        def orders(p: np.ndarray) -> np.ndarray:
            # Only every so manieth step is an order: those are picked out by roots of unity.
            p = np.clip(p, 1e-8, 1 - 1e-6)
            root = (1 - p) ** (1 / self.STEPS) * roots
            slower = 1 + (1 - root) * reach
            picked = (1 / root[None] ** step[:, None]).mean(axis=0) * slower ** -(self.r + x * self.STEPS)
            begun = (taken[:, None] * (root / slower)[None] ** step[:, None]).sum(axis=0)
            return (1 - (picked * begun).sum(axis=0).real) / p

        return _beta_mean(self.a, stayed, orders)

    def _by(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, times: np.ndarray) -> np.ndarray:
        # All times at once: finding the places of the mean costs more than what is done at each.
        return super()._by(x, last, end, times) if self.STEPS > 1 else self._if_there(x, last, end, times[:, None])

    def _drawn(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, t: float, random: Any) -> np.ndarray:
        waiting = np.cumsum(self._waiting(x, last, end), axis=0)
        begun = (random.random(len(x)) * waiting[-1] > waiting[:-1]).sum(axis=0)
        rate = random.gamma(self.r + x * self.STEPS + begun) / (self.alpha + end)
        last_one = random.geometric(np.maximum(random.beta(self.a, self.b + x + self.FIRST_MAY_BE_LAST), RARE))
        return np.minimum((random.poisson(rate * t) + begun) // self.STEPS, last_one)


def _beta_mean(a: float, b: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Mean of a smooth function of p ~ Beta(a, b), for each b: equal steps on a stretched scale of log odds."""
    middle, width = np.log(a / b), np.sqrt((a + b) / (a * b))
    reach = math.asinh(max(10, 45 / (min(np.min(a), b.min()) * width.min())))
    total = weight = np.zeros(())
    highest = a * middle - (a + b) * np.logaddexp(0, middle)
    for step in np.linspace(-reach, reach, BETA_NODES):
        odds = middle + width * math.sinh(step)
        density = math.cosh(step) * np.exp(a * odds - (a + b) * np.logaddexp(0, odds) - highest)
        total, weight = total + density * of(scipy.special.expit(np.maximum(odds, -650))), weight + density
    return total / weight


@dataclass(frozen=True)
class MBGNBD(BGNBD):
    """MBG/NBD: as BG/NBD, but a customer may leave after the first order too, so one-time buyers may be gone.

    Source: Batislam, Denizel & Filiztekin (2007), International Journal of Research in Marketing 24(3).
    """

    NAME = "MBG/NBD"
    FIRST_MAY_BE_LAST = 1


@dataclass(frozen=True)
class ParetoNBD(BuyingModel):
    """Pareto/NBD: customers buy at their own steady rate and leave unseen, at any moment, at a rate of their own.

    Rates of buying differ as Gamma(r, alpha), rates of leaving as Gamma(s, beta).

    Source: Schmittlein, Morrison & Colombo (1987), Management Science 33(1); Fader & Hardie (2005), "A note on
    deriving the Pareto/NBD model and related expressions".
    """

    NAME = "Pareto/NBD"
    TIMED = (0, 1, 0, 1)
    MOVED: ClassVar[Mapping[str, int]] = {"alpha": -1, "beta": -1}
    r: float
    alpha: float
    s: float
    beta: float

    def parts(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, *_: np.ndarray) -> Parts:
        """The moment of leaving is integrated out, on a log scale: the printed 2F1 has no closed slopes."""
        columns = np.array(np.broadcast_arrays(x, last, end, *vars(self).values()))
        flat, shape = columns.reshape(7, -1), columns.shape[1:]
        pieces = [self._piece(*flat[:, start : start + PIECE]) for start in range(0, flat.shape[1] or 1, PIECE)]
        value, odds, slopes = zip(*pieces, strict=True)
        parts = (np.concatenate(part).reshape(shape) for part in (value, odds, *zip(*slopes, strict=True)))
        return next(parts), next(parts), [*parts]

    @staticmethod
    def _piece(x: Any, last: Any, end: Any, r: Any, alpha: Any, s: Any, beta: Any) -> Parts:
        digamma, gammaln = scipy.special.digamma, scipy.special.gammaln
        buys, least = r + x, np.minimum(alpha, beta)
        # The chance of the same history falls at least this fast from the last order on, so it may be over early.
        fall = np.maximum((buys / (alpha + last) + (s + 1) / (beta + last)) * (least + last) - 1, 1e-9)
        width = np.minimum(np.log((least + end) / (least + last)), 40 / fall)
        places, shares = (found[:, None] for found in _between_0_and_1(NODES))
        further, near = width * places, least + last
        gone, moment = np.arange(NODES + 1)[:, None] > 0, np.vstack([end, near * np.exp(further) - least])
        weight = np.vstack([np.zeros_like(x), np.log(s * width * near + TINY) + np.log(shares) + further])
        to_a, to_b = np.log(alpha + moment), np.log(beta + moment)
        known = gammaln(buys) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
        return _settled(
            known - buys * to_a - (s + gone) * to_b + weight,
            [-to_a, -buys / (alpha + moment), gone / s - to_b, -(s + gone) / (beta + moment)],
            [digamma(buys) - digamma(r) + np.log(alpha), r / alpha, np.log(beta), s / beta],
        )

    def _if_there(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, t: Any) -> np.ndarray:
        longer = np.log1p(t / (self.beta + end))
        left = (self.beta + end) * longer * scipy.special.exprel((1 - self.s) * longer)
        return (self.r + x) / (self.alpha + end) * left

    def _drawn(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, t: float, random: Any) -> np.ndarray:
        rate, leaving = random.gamma(self.r + x) / (self.alpha + end), random.gamma(self.s, size=len(x))
        stay = random.exponential(self.beta + end) / np.maximum(leaving, TINY)
        return random.poisson(rate * np.minimum(stay, t))


@dataclass(frozen=True)
class BGBB(BuyingModel):
    """BG/BB: at each opportunity a customer buys or not, with their own chance, unless they have left before it.

    Chances of buying differ as Beta(alpha, beta), of leaving before an opportunity as Beta(gamma, delta). Being there
    means being there at the next opportunity. Time is counted in opportunities.

    Source: Fader, Hardie & Shang (2010), Marketing Science 29(6).
    """

    NAME = "BG/BB"
    TIMED = (0, 0, 0, 0)
    alpha: float
    beta: float
    gamma: float
    delta: float

    def parts(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, *_: np.ndarray) -> Parts:
        """See `BuyingModel`."""
        (alpha, beta, gamma, delta), digamma, betaln = astuple(self), scipy.special.digamma, scipy.special.betaln
        if np.any(last % 1) or np.any(end % 1) or np.any(x > last):
            raise TableError("BG/BB counts opportunities: make the table with summarise(..., every=days).")
        later = np.arange(-1.0, (end - last).max() + 1)[:, None]
        gone, lived = later >= 0, np.where(later < 0, end, np.minimum(last + later, end))
        paths = betaln(alpha + x, beta + lived - x) + betaln(gamma + gone, delta + lived + ~gone)
        paths = paths - betaln(alpha, beta) - betaln(gamma, delta)
        buys, leaves = digamma(alpha + beta), digamma(gamma + delta)
        both, stays = digamma(alpha + beta + lived), digamma(gamma + delta + lived + 1)
        return _settled(
            np.where(last + later <= end, paths, -np.inf),
            [-both, digamma(beta + lived - x) - both, gone / gamma - stays, digamma(delta + lived + ~gone) - stays],
            [digamma(alpha + x) - digamma(alpha) + buys, buys - digamma(beta), leaves, leaves - digamma(delta)],
        )

    def _if_there(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, t: Any) -> np.ndarray:
        ahead, stays = np.arange(np.max(t))[:, None], self.delta + end + 1
        still = np.exp(scipy.special.betaln(self.gamma, stays + ahead) - scipy.special.betaln(self.gamma, stays))
        # Of an opportunity that t ends in, its part counts.
        return (self.alpha + x) / (self.alpha + self.beta + end) * (still * np.clip(t - ahead, 0, 1)).sum(axis=0)

    def _drawn(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, t: float, random: Any) -> np.ndarray:
        buys, leaves = random.beta(self.alpha + x, self.beta + end - x), random.beta(self.gamma, self.delta + end + 1)
        return random.binomial(np.minimum(random.geometric(np.maximum(leaves, RARE)), int(t)), buys)
