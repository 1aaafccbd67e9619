"""Customers who just stop buying: nobody gives notice, so who has left is read from the silence.

What such models need of a customer is three numbers: repeat orders, time from the first order to the last one, and
time from the first order to the last day seen. The engine counts identical customers once; every fit, gradient and
resample here works on those distinct rows with weights. Time is in weeks, unless a table was made in other periods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first used

from analysis.customers import DECIMALS, Purchases
from analysis.estimates import Estimate, NotTestable
from analysis.retention import MIN_EVENTS, resamples
from analysis.tables import TableError
from analysis.words import plural

WEEK, WEEKS = 7, "weeks"
HISTORY = ["repeats", "last", "observed"]
# A parameter a million times its start, or a millionth of it, stands for infinity or nothing.
LIMIT = math.log(1e6)
STEP, TINY = 1e-6, 1e-300
# A search begins on so many rows.
SAMPLE = 1500
# So many places give nine digits; the tests compare with other formulas.
NODES, BETA_NODES, COUNT_NODES, TIME_NODES = 24, 200, 120, 160
Parts = tuple[np.ndarray, np.ndarray, list[np.ndarray]]


# --- From orders to distinct histories --------------------------------------------------------------------------


def summarise(bought: Purchases, *, until: date | None = None, every: int = 0) -> pd.DataFrame:
    """Count the distinct buying histories, as known on a day, with what the same customers bought afterwards.

    Args:
        bought: the orders.
        until: last day of the histories; customers who first ordered later are left out. None is the last day seen.
        every: days of a buying opportunity, for BG/BB: time is then counted in whole periods from a customer's first
            order, and a period holds an order or none. 0 keeps time in weeks and counts every order.

    Returns:
        One row a distinct history: repeats (orders after the first, or periods with one), last (first to last order,
        weeks or periods), observed (first order to `until`, weeks or periods), later (orders after `until`), ahead
        (weeks seen after `until`), weight (customers). attrs["unit"] names the unit of time.
    """
    end, length = until or bought.observed_until, every or 1
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
    keys = [*HISTORY, "later"]
    table = people.group_by(keys).agg(weight=people.count()).order_by(keys).to_pandas().astype("float64")
    table[["last", "observed"]] /= 1 if every else WEEK
    table.insert(4, "ahead", ahead / WEEK)
    table.attrs["unit"] = f"periods of {plural(every, 'day')}" if every else WEEKS
    return table


def recounted(rows: pd.DataFrame) -> pd.DataFrame:
    """Put rows with the same history together and add up their weights."""
    table = rows.groupby(HISTORY, sort=False)["weight"].sum().reset_index()
    table.attrs["unit"] = rows.attrs.get("unit", WEEKS)
    return table


def _history(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


class BuyingModel:
    """What the four models share: a customer is still there or gone, and each has its likelihood.

    A model says in `_parts` how likely a history is, and how much of that falls to customers who are gone; all else
    follows. The chance that no order comes in the next t, for instance, is the likelihood of the same history seen
    for t longer, over the likelihood of the history.
    """

    NAME: ClassVar[str]
    TIMED: ClassVar[tuple[int, ...]]

    def _parts(self, x: np.ndarray, last: np.ndarray, end: np.ndarray) -> Parts:
        """Log-likelihood, log odds of gone against there, and the slopes of the first in each parameter."""
        raise NotImplementedError

    def _if_there(self, x: np.ndarray, end: np.ndarray, t: Any) -> np.ndarray:
        """Expected orders in the next t of a customer who is still there."""
        raise NotImplementedError

    def log_likelihood(self, rows: pd.DataFrame) -> float:
        """Of distinct histories with their weights."""
        return float(rows["weight"].to_numpy(float) @ self._parts(*_history(rows))[0])

    def alive(self, rows: pd.DataFrame) -> np.ndarray:
        """Chance, 0 to 1, that a customer with each history is still a customer."""
        return scipy.special.expit(-self._parts(*_history(rows))[1])

    def silent(self, rows: pd.DataFrame, t: float) -> np.ndarray:
        """Chance, 0 to 1, of no order in the next t, for each history."""
        x, last, end = _history(rows)
        return np.minimum(np.exp(self._parts(x, last, end + t)[0] - self._parts(x, last, end)[0]), 1)

    def expected(self, rows: pd.DataFrame, t: float) -> np.ndarray:
        """Expected orders in the next t, for each history."""
        x, _, end = _history(rows)
        return self.alive(rows) * self._if_there(x, end, t)

    def newcomer(self, t: np.ndarray) -> np.ndarray:
        """Expected repeat orders within each t of the first order, for customers of whom nothing is known."""
        new = np.zeros_like(t, dtype=float)
        return scipy.special.expit(-self._parts(new, new, new)[1]) * self._if_there(new, new, t)

    def counts(self, t: float, most: int) -> np.ndarray:
        """Chance of 0, 1, … `most` repeat orders within t of the first one; not for BG/BB.

        The likelihood of so many orders, over every time at which the last of them may have come.
        """
        places, shares = _between_0_and_1(COUNT_NODES)
        n, last = (grid.ravel() for grid in np.meshgrid(np.arange(1.0, most + 1), t * places, indexing="ij"))
        earlier = (n - 1) * np.log(last) - scipy.special.gammaln(n)
        some = np.exp(self._parts(n, last, np.full(len(n), t))[0] + earlier).reshape(most, -1) @ (t * shares)
        return np.append(np.exp(self._parts(*np.array([[0.0], [0.0], [t]]))[0]), some)

    def discounted(self, rows: pd.DataFrame, *, rate: float) -> np.ndarray:
        """Expected later orders without end, one after t counting e^(-rate t); rate is above 0, per unit of time.

        Summed by parts: the expected orders within t, over t spread as e^(-rate t).
        """
        logs, width = np.linspace(math.log(1e-9), math.log(40), TIME_NODES, retstep=True)
        (x, _, end), times = _history(rows), np.exp(logs)
        within = [self._if_there(x, end, t / rate) * t * math.exp(-t) * width for t in times]
        return self.alive(rows) * np.sum(within, axis=0)


def _between_0_and_1(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Legendre places and shares."""
    places, shares = np.polynomial.legendre.leggauss(n)
    return (places + 1) / 2, shares / 2


def _settled(paths: np.ndarray, slopes: Sequence[np.ndarray], extra: Sequence[Any]) -> Parts:
    """`_parts` from the log-likelihood and slopes of each path (rows) of each customer (columns); path 0 is to stay.

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
    FIRST_MAY_BE_LAST: ClassVar[int] = 0
    r: float
    alpha: float
    a: float
    b: float

    def _parts(self, x: np.ndarray, last: np.ndarray, end: np.ndarray) -> Parts:
        # Two paths only, and gamma functions once for each number of orders: this is what a bootstrap repeats.
        (r, alpha, a, b), digamma, gammaln = vars(self).values(), scipy.special.digamma, scipy.special.gammaln
        each, place = np.arange(x.max() + 1), x.astype(int)
        k = each + self.FIRST_MAY_BE_LAST
        before, together = np.maximum(b + k - 1, TINY), digamma(a + b) - digamma(a + b + k)
        known = gammaln(r + each) - gammaln(r) + scipy.special.betaln(a, b + k) - scipy.special.betaln(a, b)
        leaving = np.where(k > 0, math.log(a) - np.log(before), -np.inf)
        buys, to_end, to_last = r + x, np.log(alpha + end), np.log(alpha + last)
        odds = leaving[place] + buys * (to_end - to_last)
        small = np.exp(-np.abs(odds))
        gone = np.where(odds > 0, 1, small) / (1 + small)
        value = (known + r * math.log(alpha))[place] - buys * to_end + np.maximum(odds, 0) + np.log(1 + small)
        slopes = [
            (digamma(r + each) - digamma(r) + math.log(alpha))[place] - to_end + gone * (to_end - to_last),
            r / alpha - buys * ((1 - gone) / (alpha + end) + gone / (alpha + last)),
            together[place] + gone / a,
            (together + digamma(b + k) - digamma(b))[place] - gone * ((k > 0) / before)[place],
        ]
        return value, odds, slopes

    def _if_there(self, x: np.ndarray, end: np.ndarray, t: Any) -> np.ndarray:
        """The mean, over who is left, of (1 - e^(-rate p t)) / p, where p is the chance of leaving.

        Printed with 2F1, which loses its digits near a = 1 and for many orders.
        """
        reach, stayed = t / (self.alpha + end), self.b + x + self.FIRST_MAY_BE_LAST
        return _beta_mean(self.a, stayed, lambda p: -np.expm1(-(self.r + x) * np.log1p(p * reach)) / p)


def _beta_mean(a: float, b: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Mean of a smooth function of p ~ Beta(a, b), for each b: equal steps on a stretched scale of log odds."""
    middle, width = np.log(a / b), np.sqrt((a + b) / (a * b))
    reach = math.asinh(max(10, 45 / (min(a, b.min()) * width.min())))
    total, weight = np.zeros_like(b), np.zeros_like(b)
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
    r: float
    alpha: float
    s: float
    beta: float

    def _parts(self, x: np.ndarray, last: np.ndarray, end: np.ndarray) -> Parts:
        """The moment of leaving is integrated out, on a log scale: the printed 2F1 has no closed slopes."""
        (r, alpha, s, beta), digamma, gammaln = astuple(self), scipy.special.digamma, scipy.special.gammaln
        buys, least = r + x, min(alpha, beta)
        # The chance of the same history falls at least this fast from the last order on, so it may be over early.
        fall = np.maximum((buys / (alpha + last) + (s + 1) / (beta + last)) * (least + last) - 1, 1e-9)
        width = np.minimum(np.log((least + end) / (least + last)), 40 / fall)
        places, shares = (found[:, None] for found in _between_0_and_1(NODES))
        left = (least + last) * np.exp(width * places)
        gone, moment = np.arange(NODES + 1)[:, None] > 0, np.vstack([end, left - least])
        weight = np.vstack([np.zeros_like(x), np.log(s * shares * width * left + TINY)])
        to_a, to_b = np.log(alpha + moment), np.log(beta + moment)
        known = gammaln(buys) - gammaln(r) + r * math.log(alpha) + s * math.log(beta)
        return _settled(
            known - buys * to_a - (s + gone) * to_b + weight,
            [-to_a, -buys / (alpha + moment), gone / s - to_b, -(s + gone) / (beta + moment)],
            [digamma(buys) - digamma(r) + math.log(alpha), r / alpha, math.log(beta), s / beta],
        )

    def _if_there(self, x: np.ndarray, end: np.ndarray, t: Any) -> np.ndarray:
        longer = np.log1p(t / (self.beta + end))
        left = (self.beta + end) * longer * scipy.special.exprel((1 - self.s) * longer)
        return (self.r + x) / (self.alpha + end) * left


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

    def _parts(self, x: np.ndarray, last: np.ndarray, end: np.ndarray) -> Parts:
        (alpha, beta, gamma, delta), digamma, betaln = astuple(self), scipy.special.digamma, scipy.special.betaln
        if np.any(last % 1) or np.any(end % 1) or np.any(x > last):
            raise TableError("BG/BB counts opportunities: make the table with summarise(..., every=days).")
        later = np.arange(-1.0, (end - last).max() + 1)[:, None]
        gone, lived = later >= 0, np.where(later < 0, end, np.minimum(last + later, end))
        paths = betaln(alpha + x, beta + lived - x) + betaln(gamma + gone, delta + lived + ~gone)
        paths, buys, leaves = (
            paths - betaln(alpha, beta) - betaln(gamma, delta),
            digamma(alpha + beta),
            digamma(gamma + delta),
        )
        both, stays = digamma(alpha + beta + lived), digamma(gamma + delta + lived + 1)
        return _settled(
            np.where(last + later <= end, paths, -np.inf),
            [-both, digamma(beta + lived - x) - both, gone / gamma - stays, digamma(delta + lived + ~gone) - stays],
            [digamma(alpha + x) - digamma(alpha) + buys, buys - digamma(beta), leaves, leaves - digamma(delta)],
        )

    def _if_there(self, x: np.ndarray, end: np.ndarray, t: Any) -> np.ndarray:
        ahead, stays = np.arange(np.max(t))[:, None], self.delta + end + 1
        still = np.exp(scipy.special.betaln(self.gamma, stays + ahead) - scipy.special.betaln(self.gamma, stays))
        # Of an opportunity that t ends in, its part counts.
        return (self.alpha + x) / (self.alpha + self.beta + end) * (still * np.clip(t - ahead, 0, 1)).sum(axis=0)


# --- Fitting, for every model here ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """A fitted model and how sure the data make us of it.

    Attributes:
        model: at the highest likelihood.
        log_likelihood: there.
        covariance: of the logarithms of the parameters, from the curvature; 0 for one that is given or rests.
        customers: behind the fit.
        unit: of time.
        resting: parameters that ran to the end of their range and stand for infinity or nothing: customers do not
            differ in what they describe, or nobody does it.
    """

    model: Any
    log_likelihood: float
    covariance: np.ndarray
    customers: int
    unit: str
    resting: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """One row a parameter: parameter, value, error (standard), low, high (95%, symmetric on the log scale)."""
        value, error = np.array(astuple(self.model)), np.minimum(np.sqrt(np.diag(self.covariance)), LIMIT)
        low, high = value * np.exp(-1.96 * error), value * np.exp(1.96 * error)
        names = [field.name for field in fields(self.model)]
        return pd.DataFrame({"parameter": names, "value": value, "error": value * error, "low": low, "high": high})

    def errors(self, of: Callable[[Any], Any]) -> tuple[np.ndarray, np.ndarray]:
        """A quantity of the model with its standard error: the parameters' errors carried on (delta method).

        What customers do by chance when the parameters are known is not in it.

        Args:
            of: the quantity, a number or one number a history: `lambda model: model.expected(rows, 52)`.
        """
        slopes = _slopes(lambda logs: np.asarray(of(type(self.model)(*np.exp(logs)))), np.log(astuple(self.model)))
        variance = np.einsum("i...,ij,j...->...", slopes, self.covariance, slopes)
        return np.asarray(of(self.model)), np.sqrt(np.maximum(variance, 0))

    def estimate(self, of: Callable[[Any], float], *, unit: str) -> Estimate:
        """A positive quantity of the model, such as all orders expected, as an estimate."""
        value, error = (float(part) for part in self.errors(of))
        return Estimate.log_normal(value, error / value, unit=unit, n=self.customers, method="curvature, on logs")


def _slopes(of: Callable[[np.ndarray], np.ndarray], logs: np.ndarray) -> np.ndarray:
    here = of(logs)
    return np.array([(of(logs + move) - here) / STEP for move in np.eye(len(logs)) * STEP])


def fit_buying(rows: pd.DataFrame, family: Any, *, min_repeaters: int = MIN_EVENTS) -> Fit | NotTestable:
    """Fit a model to distinct histories by maximum likelihood.

    Args:
        rows: as `summarise` makes them.
        family: BGNBD, MBGNBD, ParetoNBD or BGBB.
        min_repeaters: customers with a repeat order, below which nothing is said.

    Returns:
        The fit, or why the histories do not determine the model.

    Raises:
        TableError: a history that cannot be.
    """
    table = recounted(rows)
    x, last, end = _history(table)
    weight = table["weight"].to_numpy(float)
    repeaters = int(weight @ (x > 0))
    if repeaters < max(1, min_repeaters):
        return NotTestable(f"{plural(repeaters, 'customer')} bought again; at least {min_repeaters} are needed.")
    start = np.log((weight @ end) / (weight @ x)) * np.array(family.TIMED)
    return _fit(family, start, np.eye(4), (x, last, end), weight, table.attrs["unit"])


def _likelihood(family: Any, columns: Sequence[np.ndarray], weight: np.ndarray) -> Callable[[np.ndarray], tuple]:
    """The mean log-likelihood and its slopes, as a function of the logarithms of the parameters."""
    share = weight / weight.sum()

    def at(logs: np.ndarray) -> tuple[float, np.ndarray]:
        found, _, slopes = family(*np.exp(logs))._parts(*columns)
        # Not through BLAS, whose threads would cost many times the work.
        value, *mean = (np.einsum("i,i", share, column) for column in (found, *slopes))
        return float(value), np.array(mean) * np.exp(logs)

    return at


def _fit(
    family: Any, start: np.ndarray, basis: np.ndarray, columns: Sequence[np.ndarray], weight: np.ndarray, unit: str
) -> Fit | NotTestable:
    logs, directions, n, names = start, basis, weight.sum(), [field.name for field in fields(family)]
    # The allocator then keeps what columns leave; else each is fetched from the system anew, at thrice the cost.
    np.empty(2_000_000)
    # First on a few rows, then from there on all, along directions in which the likelihood falls alike.
    for step in (len(weight) // SAMPLE + 1, 1):
        likelihood = _likelihood(family, [column[::step] for column in columns], weight[::step])
        logs = _climb(likelihood, logs, directions)
        resting = np.abs(logs - start) >= LIMIT
        free = np.flatnonzero(basis.any(axis=1) & ~resting)
        curvature, covariance = _curvature(likelihood, logs)[np.ix_(free, free)], np.zeros(basis.shape)
        flat = len(weight) <= len(names) or np.linalg.eigvalsh(curvature).min(initial=len(free)) <= 1e-9
        if flat or (step > 1 and resting.any()):
            logs, directions = start, basis
            continue
        covariance[np.ix_(free, free)] = np.linalg.inv(curvature) / n
        directions = _spread(covariance * n)
    if flat:
        return NotTestable("Customers are too few or too much alike: very different models fit them equally well.")
    model = family(*(float(value) for value in np.exp(logs)))
    stuck = tuple(name for name, rests in zip(names, resting, strict=True) if rests)
    return Fit(model, float(n * likelihood(logs)[0]), covariance, int(n), unit, stuck)


def _curvature(likelihood: Callable[[np.ndarray], tuple], logs: np.ndarray) -> np.ndarray:
    found = -_slopes(lambda place: likelihood(place)[1], logs)
    return (found + found.T) / 2


def _spread(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0))


def _climb(likelihood: Callable[[np.ndarray], tuple], start: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """L-BFGS along the columns of the basis, on logs, which keep the parameters above 0."""

    def downhill(z: np.ndarray) -> tuple[float, np.ndarray]:
        move = basis @ z
        value, slopes = likelihood(start + np.clip(move, -LIMIT, LIMIT))
        return -value, -(slopes * (np.abs(move) < LIMIT)) @ basis

    exact = {"ftol": 1e-14, "gtol": 1e-7}
    found = scipy.optimize.minimize(downhill, np.zeros(len(start)), jac=True, method="L-BFGS-B", options=exact)
    return start + np.clip(basis @ found.x, -LIMIT, LIMIT)


def bootstrap(fit: Fit, rows: pd.DataFrame, *, draws: int = 1000, seed: int) -> np.ndarray:
    """The parameters fitted anew in resamples of the customers; each search begins at the fit.

    Args:
        fit: of a buying model.
        rows: the histories it was fitted to.
        draws: number of resamples.
        seed: of the random numbers.

    Returns:
        Shape (draws, parameters); `type(fit.model)(*line)` is the model of a draw.
    """
    table, family, centre = recounted(rows), type(fit.model), np.log(astuple(fit.model))
    columns, basis = _history(table), _spread(fit.covariance * fit.customers)
    blocks = resamples(table, draws=draws, seed=seed)
    return np.exp([_climb(_likelihood(family, columns, weight), centre, basis) for block in blocks for weight in block])


# --- What an order is worth -------------------------------------------------------------------------------------


def spend(bought: Purchases, *, until: date | None = None) -> pd.DataFrame:
    """Count distinct pairs of repeat orders and what one of them brought in on average, as known on a day.

    The first order is left out: what opens a history must not explain what follows.

    Returns:
        One row a pair: repeats (1 or more), mean (money a repeat order, to the cent's thousandth), weight (customers).
    """
    rows = bought.rows.filter(bought.rows.ordered_on <= (until or bought.observed_until))
    opening = (rows.opens == 1) & (rows["at"] == rows.first_at)
    people = rows.group_by("customer_id").agg(
        repeats=rows.opens.sum() - 1, later=rows.value.sum() - rows.value.argmin(rows.key, where=opening)
    )
    table = people.filter(people.repeats > 0).select("repeats", "later").to_pandas().astype("float64")
    table["mean"] = (table["later"] / table["repeats"]).round(DECIMALS)
    return table.groupby(["repeats", "mean"]).size().rename("weight").reset_index()


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

    def _parts(self, x: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, None, list[np.ndarray]]:
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
    return _fit(GammaGamma, start, np.diag([1.0, 1, 1, by_frequency]), (x, mean), weight, "orders")


# --- Beside a naive rule, on what came afterwards ---------------------------------------------------------------


def own_pace(rows: pd.DataFrame, t: Any) -> np.ndarray:
    """The naive rule: every customer goes on buying at their own past rate; orders in the next t."""
    return t * (rows["repeats"] / rows["observed"].clip(lower=1 / WEEK)).to_numpy(float)


def forecasts(fit: Fit, rows: pd.DataFrame, *, most: int = 7) -> pd.DataFrame:
    """Orders after `until` by repeat orders before it: what came, what the model expected, what the naive rule said.

    Args:
        fit: to the same rows, in weeks.
        rows: as `summarise(..., until=...)` makes them.
        most: from so many repeats on, customers stand in one row.

    Returns:
        One row a number of repeats: repeats, customers, actual, error (standard, of actual), model, naive; the last
        four a customer.
    """
    later, weight, t = rows["later"], rows["weight"], _ahead(fit, rows)
    rules = {"model": fit.model.expected(rows, t), "naive": own_pace(rows, t)}
    columns = pd.DataFrame({"customers": 1.0, "actual": later, "error": later**2, **rules}).mul(weight, axis=0)
    sums = columns.groupby(rows["repeats"].clip(upper=most)).sum()
    table = sums.div(sums["customers"], axis=0).assign(customers=sums["customers"])
    table["error"] = np.sqrt((table["error"] - table["actual"] ** 2).clip(lower=0) / table["customers"])
    return table.reset_index()


def _ahead(fit: Fit, rows: pd.DataFrame) -> float:
    if rows.attrs.get("unit", WEEKS) != fit.unit or fit.unit != WEEKS or not rows["ahead"].iloc[0] > 0:
        raise TableError("buying histories: a hold-out needs summarise(..., until=an earlier day), in weeks.")
    return float(rows["ahead"].iloc[0])


def gain(fit: Fit, rows: pd.DataFrame, *, draws: int = 1000, seed: int) -> Estimate | NotTestable:
    """The share of the naive rule's squared error, customer by customer, that the model removes on the hold-out.

    Squared error, because a mean is foretold: absolute error would favour foretelling nothing for everybody. The
    interval is over which customers there were, with the fit as it is.

    Args:
        fit: to the same rows, in weeks.
        rows: as `summarise(..., until=...)` makes them.
        draws: of the bootstrap over customers.
        seed: of the random numbers.
    """
    rules = fit.model.expected(rows, _ahead(fit, rows)), own_pace(rows, _ahead(fit, rows))
    missed = np.array([(rows["later"].to_numpy(float) - rule) ** 2 for rule in rules])
    weight = rows["weight"].to_numpy(float)
    if (came := int(weight @ (rows["later"] > 0))) < MIN_EVENTS:
        return NotTestable(f"{plural(came, 'customer')} came back on the hold-out; at least {MIN_EVENTS} are needed.")
    drawn = np.concatenate([block @ missed.T for block in resamples(rows, draws=draws, seed=seed)])
    value, *found = (1 - pair[..., 0] / pair[..., 1] for pair in (missed @ weight, drawn))
    return Estimate.from_draws(float(value), *found, unit="gain", n=int(weight.sum()))


def tracking(fit: Fit, bought: Purchases, *, until: date) -> pd.DataFrame:
    """Repeat orders of all customers known on a day, added up week by week: actual, expected, and by the naive rule.

    Args:
        fit: to the histories on `until`, in weeks.
        bought: the orders.
        until: last day that the fit knew.

    Returns:
        One row a week since the first order of all: week, actual, model, naive (the customers' own pace from `until`
        on; before it nothing is foretold, so it is missing).
    """
    known = summarise(bought, until=until)
    rows = bought.rows.filter(bought.rows.opens == 1, bought.rows.first_on <= until)
    days = rows.group_by(back=rows.followed_days - rows.age).agg(
        orders=rows.count(), new=rows.customer_id.nunique(where=rows.age == 0)
    )
    table = days.to_pandas().astype("int64")
    length, ahead = int(table["back"].max()) + 1, round(_ahead(fit, known) * WEEK)
    orders, new = (np.bincount(length - 1 - table["back"], table[name], length) for name in ("orders", "new"))
    actual = np.cumsum(orders - new)
    model = np.convolve(new, fit.model.newcomer(np.arange(length) / WEEK))[:length]
    pace = own_pace(known, np.arange(1, ahead + 1)[:, None] / WEEK) @ known["weight"]
    naive = np.append(np.full(length - ahead, np.nan), actual[-ahead - 1] + pace)
    ends = np.arange(WEEK - 1, length, WEEK)
    return pd.DataFrame(
        {"week": (ends + 1) // WEEK, "actual": actual[ends], "model": model[ends], "naive": naive[ends]}
    )
