"""Simulated customers whose truth is known, and the judge of what a method says about them.

So far a world holds contracts that end and orders that stop. Every function draws from the generator it is given, so
one seed decides a whole world. Times have no unit of their own: they are in whatever unit the rates are given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.buying import BGBB, WEEK, WEEKS, ParetoNBD
from analysis.order_values import GammaGamma

CERTAIN = 1e-15  # chances stay so far from 0 and 1
COVERED, SURE = (0.93, 0.97), 0.99  # of 95% intervals; of the Monte Carlo interval that judges them


# --- Contracts --------------------------------------------------------------------------------------------------


def renewing(random: np.random.Generator, size: int, *, alpha: float, beta: float, c: float = 1.0) -> np.ndarray:
    """The renewal, 1 or later, at which each customer leaves.

    Their chances of leaving at the first one differ as Beta(alpha, beta); (1 - chance)^(t^c) is left of equal customers
    after t renewals. c = 1 makes each chance constant, and the cohort shifted-beta-geometric; above 1 customers tire,
    below 1 they settle. alpha + beta without end makes them alike.

    Source: Fader & Hardie (2007), Journal of Interactive Marketing 21(1); Fader, Hardie, Liu, Davin & Steenburgh
    (2018), Journal of Interactive Marketing 43.
    """
    chance = np.clip(random.beta(alpha, beta, size), CERTAIN, 1 - CERTAIN)
    return np.maximum(np.ceil((random.exponential(size=size) / -np.log1p(-chance)) ** (1 / c)), 1)


def wearing(
    random: np.random.Generator, size: int, *, scale: float, shape: float = 1.0, hazard: Any = 1.0, never: float = 0.0
) -> np.ndarray:
    """The age at which each customer leaves, at any moment: exp(-hazard (t / scale)^shape) is left at age t.

    Args:
        random: the generator.
        size: how many.
        scale, shape: of the Weibull law; shape 1 makes the hazard constant.
        hazard: the hazard ratio, a number or one a customer. Lives `k` times as long are a ratio of k^-shape.
        never: share of customers who do not leave at all (a cure model); their age is infinite.

    Source: Kalbfleisch & Prentice (2002), The Statistical Analysis of Failure Time Data, section 2.3.
    """
    age = scale * (random.exponential(size=size) / hazard) ** (1 / shape)
    return np.where(random.random(size) < never, np.inf, age)


def contracts(
    lives: np.ndarray | Mapping[str, np.ndarray], *, watched: Any, entered: Any = 0.0, **covariates: Any
) -> pd.DataFrame:
    """What is seen of contracts.

    Args:
        lives: the age at which each customer leaves; or, for several reasons, the age at which each would leave for
            that reason if no other came first.
        watched: the age of each customer on the last day seen.
        entered: their age when observation began. Who had left by then is not seen at all.
        covariates: columns to carry along.

    Returns:
        One row a customer seen: time, left, entered, weight (1), watched, end_reason (None while they stay) where
        there are several, and the covariates. `lifetimes.recount` makes distinct rows of them.
    """
    reasons = dict(lives) if isinstance(lives, Mapping) else {"": lives}
    ages = np.array([*reasons.values()])
    life = ages.min(axis=0)
    table = pd.DataFrame({"time": np.minimum(life, watched), "left": life <= watched, "entered": entered, "weight": 1})
    if len(reasons) > 1:
        table["end_reason"] = pd.Series([*reasons]).take(ages.argmin(axis=0)).array
        table["end_reason"] = table["end_reason"].where(table["left"], None)
    table = table.assign(watched=watched, **covariates)
    return table[(table["entered"] == 0) | (table["time"] > table["entered"])].reset_index(drop=True)


def subscriptions(seen: pd.DataFrame, *, until: date) -> pd.DataFrame:
    """Contracts, counted in whole days, as a table of subscriptions: a customer's number, days, reason, covariates."""
    start = pd.Timestamp(until) - pd.to_timedelta(seen["watched"], unit="D")
    end, first = (start + pd.to_timedelta(seen[age], unit="D") for age in ("time", "entered"))
    table = seen.drop(columns=["time", "left", "entered", "weight", "watched"])
    table.insert(0, "customer_id", np.arange(1, len(seen) + 1))
    return table.assign(started_at=start, observed_from=first, ended_at=end.where(seen["left"]))


# --- Free buying ------------------------------------------------------------------------------------------------


def orders(random: np.random.Generator, model: Any, until: Any, *, rate: Any = 1.0, leaving: Any = 1.0) -> pd.DataFrame:
    """Orders of customers who live as a buying model says.

    Args:
        random: the generator.
        model: a BGNBD, MBGNBD, ParetoNBD or BGBB of `buying`, where the laws and their sources stand.
        until: how long after the first order each customer is followed, in the model's unit of time.
        rate: what multiplies a customer's rate of buying, a number or one a customer; not for BG/BB.
        leaving: what multiplies a customer's rate of leaving; for Pareto/NBD alone.

    Returns:
        One row an order, the first ones included, by customer and age: customer (0 and up), age (since the first).
    """
    end = np.asarray(until, float)
    who, age = _taken(random, model, end) if isinstance(model, BGBB) else _timed(random, model, end, rate, leaving)
    first = np.arange(len(end))
    table = pd.DataFrame({"customer": np.append(first, who), "age": np.append(np.zeros(len(first)), age)})
    return table.sort_values("customer", kind="stable", ignore_index=True)


def _taken(random: np.random.Generator, model: BGBB, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    buys, leaves = (
        random.beta(*shapes, len(end)) for shapes in ((model.alpha, model.beta), (model.gamma, model.delta))
    )
    lived = np.minimum(end, random.geometric(np.maximum(leaves, CERTAIN)) - 1)
    chances = np.arange(1, end.max() + 1)
    who, place = np.nonzero((random.random((len(end), len(chances))) < buys[:, None]) & (chances <= lived[:, None]))
    return who, chances[place]


def _timed(
    random: np.random.Generator, model: Any, end: np.ndarray, rate: Any, leaving: Any
) -> tuple[np.ndarray, np.ndarray]:
    pace, most = rate * random.gamma(model.r, 1 / model.alpha, len(end)), np.full(len(end), np.inf)
    if isinstance(model, ParetoNBD):
        stay = random.exponential(size=len(end)) / random.gamma(model.s, 1 / model.beta, len(end))
        end = np.minimum(end, stay / leaving)
    else:
        last = np.maximum(random.beta(model.a, model.b, len(end)), CERTAIN)
        most = random.geometric(last) - model.FIRST_MAY_BE_LAST
    number = random.poisson(pace * end)
    who = np.repeat(np.arange(len(end)), number)
    age = random.random(len(who)) * end[who]
    age = age[np.lexsort((age, who))]
    # What would come after a customer's last order does not come.
    kept = np.arange(len(who)) - np.repeat(np.cumsum(number) - number, number) < most[who]
    return who[kept], age[kept]


def histories(bought: pd.DataFrame, observed: np.ndarray, *, ahead: float = 0.0, unit: str = WEEKS) -> pd.DataFrame:
    """Orders as `buying.summarise` gives them, one row a customer: known up to `observed`, and `ahead` more to come."""
    who, age, size = bought["customer"].to_numpy(), bought["age"].to_numpy(), len(observed)
    known, last = age <= observed[who], np.zeros(size)
    np.maximum.at(last, who[known], age[known])
    later = np.bincount(who[~known & (age <= observed[who] + ahead)], minlength=size)
    table = pd.DataFrame({"repeats": np.bincount(who[known], minlength=size) - 1, "last": last, "observed": observed})
    table = table.assign(later=later, ahead=ahead, weight=1).astype(float)
    table.attrs["unit"] = unit
    return table


def amounts(random: np.random.Generator, model: GammaGamma, bought: pd.DataFrame) -> np.ndarray:
    """Money of each order, the first ones included, by the gamma-gamma law; `per_doubling` ties it to frequency."""
    repeats = np.bincount(bought["customer"]) - 1
    scale = random.gamma(model.q, 1 / (model.v * model.per_doubling ** np.log2(np.maximum(repeats, 1))))
    return random.gamma(model.p, 1 / scale[bought["customer"]])


def spending(bought: pd.DataFrame) -> pd.DataFrame:
    """Orders with their amount as `buying.spend` gives them, one row a customer who bought again."""
    later = bought[bought["age"] > 0].groupby("customer")["amount"].agg(["size", "mean"])
    return later.rename(columns={"size": "repeats"}).reset_index(drop=True).assign(weight=1).astype(float)


def order_log(bought: pd.DataFrame, observed: np.ndarray, *, until: date) -> pd.DataFrame:
    """Orders in weeks as a table of orders: customer_id, ordered_at (the day), and amount where there is one."""
    days = np.floor((bought["age"] - observed[bought["customer"]]) * WEEK)
    table = bought.drop(columns=["customer", "age"])
    table.insert(0, "ordered_at", pd.Timestamp(until) + pd.to_timedelta(days, unit="D"))
    table.insert(0, "customer_id", bought["customer"] + 1)
    return table


# --- The judge --------------------------------------------------------------------------------------------------


class Judged(NamedTuple):
    """How often something came out among `n` worlds, with its 99% Monte Carlo interval, and whether that is right."""

    share: float
    low: float
    high: float
    holds: bool


def judged(hits: int, n: int, *, within: tuple[float, float] = COVERED) -> Judged:
    """Whether a rate can lie within bounds: it fails when its Monte Carlo interval lies wholly outside of them.

    Source: Clopper & Pearson (1934), Biometrika 26.
    """
    from scipy.stats import beta

    tail = (1 - SURE) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return Judged(hits / n if n else math.nan, low, high, low <= within[1] and high >= within[0])


# --- Surveys and what follows ------------------------------------------------------------------------------------


def after_a_survey(
    random: np.random.Generator,
    size: int,
    *,
    slope: float = 0.0,
    through_the_past: float = 0.0,
    luck: float = 0.0,
    usual: float = 2.0,
) -> pd.DataFrame:
    """Customers who answered once, with what they did before and after, as `payoff.answered` gives them.

    Args:
        random: the generator.
        size: how many.
        slope: log of mean later orders for one standard deviation of satisfaction.
        through_the_past: correlation of satisfaction with how much a customer has bought.
        luck: its correlation with having bought more than usual, which does not come again.
        usual: mean number of orders.
    """
    pace = random.gamma(2.0, usual / 2, size)
    before, own = random.poisson(pace), random.standard_normal(size)
    bought, chance = (before - usual) / math.sqrt(usual + usual**2 / 2), (before - pace) / math.sqrt(usual)
    content = through_the_past * bought + luck * chance + math.sqrt(1 - through_the_past**2 - luck**2) * own
    level = np.clip(np.rint(5 + 1.2 * content), 1, 7)
    after = random.poisson(pace * np.exp(slope * content - slope**2 / 2))
    basket = 30 * np.exp(0.3 * random.standard_normal(size))
    table = pd.DataFrame({"before": before, "before_worth": before * basket, "after": after})
    return table.assign(
        after_worth=after * basket,
        age=365.0,
        score=level,
        satisfaction=(level - level.mean()) / level.std(),
        level=level,
        customer=np.arange(size),
        wave="1",
        weight=1.0,
    )
