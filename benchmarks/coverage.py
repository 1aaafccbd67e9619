"""How often do our 95% intervals hold the truth? In simulated worlds, every kind of interval that a page shows.

    make coverage                                       # all kinds
    .venv/bin/python benchmarks/coverage.py cox growth  # some of them

Each kind draws 500 worlds, in blocks of 25 with seeds of their own, on all cores. Finished blocks are kept in
build/coverage.csv, so that a run goes on where it was stopped; --fresh begins again, as one should after a change of
the code. A kind fails when the 99% Monte Carlo interval of its coverage lies wholly outside 93 to 97% (of a kind that
promises 95% or more: below 93%). The table goes to benchmarks/coverage.csv and benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import ibis
import numpy as np
import pandas as pd
from scipy.special import betaln, gammainc
from scipy.special import gamma as gamma_function
from scipy.stats import gamma as gamma_law
from scipy.stats import norm

from analysis import (
    buying,
    cohorts,
    customers,
    drivers,
    durations,
    economics,
    fits,
    foresight,
    gaps,
    hazards,
    holdout,
    indicators,
    necessity,
    order_values,
    paths,
    periods,
    prospects,
    reasons,
    renewal,
    repeaters,
    retention,
    scales,
    simpler,
    spending,
    steadiness,
    surfaces,
    tolerance,
    traits,
    value,
    worlds,
    worth,
)
from analysis import customer_value as valuations
from analysis.buying import BGBB, BGNBD, MBGNBD, ParetoNBD
from analysis.checks import CheckedTable
from analysis.estimates import Estimate, NotTestable
from analysis.order_values import GammaGamma
from analysis.worlds import COVERED

ROOT = Path(__file__).parents[1]
DONE, TABLE, PAGE = ROOT / "build/coverage.csv", ROOT / "benchmarks/coverage.csv", ROOT / "benchmarks/README.md"
BLOCK, FEWEST, DRAWS = 25, 500, 199
AT_LEAST = (COVERED[0], 1.0)
MARK = "<!-- coverage: {} -->"

# What a world yields: which interval, the interval (an estimate, or its two ends), and the truth.
World = Iterator[tuple[str, Any, Any]]
KINDS: dict[str, SimpleNamespace] = {}


def kind(sample: str, *, within: tuple[float, float] = COVERED, blocks: int = 20) -> Callable:
    """Enter a kind of interval: what a world holds, between which bounds its coverage should lie."""

    def enter(draw: Callable[[np.random.Generator], World]) -> Callable:
        KINDS[draw.__name__] = SimpleNamespace(draw=draw, sample=sample, within=within, blocks=blocks)
        return draw

    return enter


# --- Contracts --------------------------------------------------------------------------------------------------

SCALE, SHAPE = 30.0, 0.8


def left_at(age: float, hazard: float = 1.0) -> float:
    return math.exp(-hazard * (age / SCALE) ** SHAPE)


def mean_until(age: float, hazard: float = 1.0) -> float:
    """The area under `left_at`: an incomplete gamma function."""
    scale = SCALE * hazard ** (-1 / SHAPE)
    return scale * gamma_function(1 + 1 / SHAPE) * gammainc(1 / SHAPE, (age / scale) ** SHAPE)


def months(random: np.random.Generator, n: int, *, late: bool = False, hazard: Any = 1.0, **more: Any) -> pd.DataFrame:
    lives = worlds.wearing(random, n, scale=SCALE, shape=SHAPE, hazard=hazard)
    # Half of those who come late were there from the start: with nobody at young ages there would be no curve.
    entered = random.uniform(0, 6, n) * random.integers(0, 2, n) * late
    return worlds.contracts(lives, watched=random.uniform(12, 48, n), entered=entered, **more)


@kind("300 contracts, Weibull, seen for 12 to 48 months")
def kaplan_meier(random: np.random.Generator) -> World:
    for late in (False, True):
        curve, told = retention.survival_curve(months(random, 300, late=late), unit="month"), ", late entry" * late
        yield f"survival at 12 months{told}", curve[curve["time"] <= 12].iloc[-1], left_at(12)
    yield "median stay", retention.medians(curve).iloc[0], SCALE * math.log(2) ** (1 / SHAPE)


@kind("300 contracts, two plans of hazard ratio 2, seen for 12 to 48 months")
def restricted_mean(random: np.random.Generator) -> World:
    yield "mean stay to 24 months", retention.rmst(months(random, 300), until=24, unit="month"), mean_until(24)
    plan = np.where(np.arange(300) < 200, "a", "b")
    rows = months(random, 300, late=True, hazard=np.where(plan == "b", 2.0, 1.0), plan=plan)
    differences = retention.mean_differences(rows, by="plan", until=24, unit="month")
    yield "difference of mean stays, late entry", differences.iloc[0], mean_until(24, 2.0) - mean_until(24)


@kind("400 contracts, a plan (hazard ratio 2) and a quantity, seen for 12 to 48 months")
def cox(random: np.random.Generator) -> World:
    plan, size = np.where(random.random(400) < 0.4, "b", "a"), random.normal(50, 10, 400)
    hazard = np.exp(math.log(2) * (plan == "b") - 0.03 * (size - 50))
    rows = months(random, 400, late=True, hazard=hazard, plan=plan, size=size)
    table = hazards.cox(rows, covariates=["plan", "size"]).table.set_index("covariate")
    yield "hazard ratio of a word", table.loc["plan"], 2.0
    yield "hazard ratio of a quantity", table.loc["size"], math.exp(-0.03 * table.loc["size", "step"])


@kind("600 contracts of equal follow-up, 36 months, mixed chances")
def stay_of_a_rate(random: np.random.Generator) -> World:
    alpha, beta, t = 0.9, 20.0, np.arange(37)
    left = np.exp(betaln(alpha, beta + t) - betaln(alpha, beta))
    lived = left[:-1].sum()
    truth = ((1 - (1 - left[-1]) / lived) ** t[:-1]).sum() / lived
    rows = worlds.contracts(worlds.renewing(random, 600, alpha=alpha, beta=beta), watched=36.0)
    seed = int(random.integers(2**31))
    yield (
        "stay told by an average rate (R09)",
        retention.tenure_from_rate(rows, unit="month", seed=seed, draws=DRAWS),
        truth,
    )


@kind("600 contracts, two reasons of Weibull hazards, a plan with ratio 2 for one of them, half seen late")
def reasons_of_leaving(random: np.random.Generator) -> World:
    plan = np.where(random.random(600) < 0.4, "b", "a")
    lives = {
        "price": worlds.wearing(random, 600, scale=40, shape=0.8, hazard=np.where(plan == "b", 2.0, 1.0)),
        "moved": worlds.wearing(random, 600, scale=50, shape=1.3),
    }
    entered = random.uniform(0, 6, 600) * random.integers(0, 2, 600)
    rows = worlds.contracts(lives, watched=random.uniform(12, 48, 600), entered=entered, plan=plan)
    curve = reasons.incidence(rows).query("reason == 'price' and time <= 24").iloc[-1]
    yield "share gone for a reason by 24 months (Aalen–Johansen)", curve, price_share(24.0)
    table = reasons.by_reason(rows, covariates=["plan"])["price"].table
    yield "hazard ratio for a reason", table.iloc[0], 2.0


@cache
def price_share(age: float) -> float:
    """Gone for the price by an age, in the world of two reasons: the hazard times those still there, summed."""
    t = (np.arange(100_000) + 0.5) * age / 100_000
    shares = []
    for ratio in (1.0, 2.0):
        price = ratio * (t / 40) ** 0.8
        shares.append((0.8 * price / t * np.exp(-price - (t / 50) ** 1.3)).mean() * age)
    return 0.6 * shares[0] + 0.4 * shares[1]


@kind("800 contracts in whole months, two plans of hazard ratio 2, seen for 12 to 48 months")
def billing_periods(random: np.random.Generator) -> World:
    plan = np.where(random.random(800) < 0.4, "b", "a")
    hazard = np.where(plan == "b", 2.0, 1.0)
    lives = np.ceil(worlds.wearing(random, 800, scale=SCALE, shape=SHAPE, hazard=hazard))
    rows = worlds.contracts(lives, watched=random.integers(12, 48, 800), plan=plan)
    yield "hazard ratio in billing periods (cloglog)", periods.fit_periods(rows, covariates=["plan"]).iloc[0], 2.0


@kind("400 contracts, Weibull, a plan that shortens stays, half of those seen late")
def accelerated(random: np.random.Generator) -> World:
    plan = np.where(random.random(400) < 0.4, "b", "a")
    rows = months(random, 400, late=True, hazard=np.where(plan == "b", 2.0, 1.0), plan=plan)
    yield "ratio of stays (AFT)", durations.accelerated(rows, covariates=["plan"]).table.iloc[0], 2 ** (-1 / SHAPE)


@kind("1,000 contracts, 30% of which never end, seen for 36 to 60 months")
def never_leaving(random: np.random.Generator) -> World:
    lives = worlds.wearing(random, 1000, scale=6.0, never=0.3)
    cure = durations.never_leavers(worlds.contracts(lives, watched=random.uniform(36, 60, 1000)), unit="month")
    yield "share who never leave", getattr(cure, "share", cure), 0.3


# --- Renewals, and what five per cent of them is worth -----------------------------------------------------------


def renewed(random: np.random.Generator, n: int, model: Any, *, years: int, until: int = 10) -> renewal.RetentionCurve:
    rows = worlds.contracts(worlds.renewing(random, n, alpha=model.alpha, beta=model.beta), watched=float(years))
    return renewal.retention_curve(rows, unit="year", years=until, draws=DRAWS, seed=int(random.integers(2**31)))


@kind("1,000 contracts, shifted-beta-geometric, five years seen")
def renewals(random: np.random.Generator) -> World:
    model = renewal.RenewalModel(0.8, 3.2)
    curve, rates = renewed(random, 1000, model, years=5), model.retention(np.arange(1, 11))
    table = worth.retention_table(curve, years=10)
    for line, year in (("observed", 2), ("projected", 9)):
        row = table[(table["line"] == line) & (table["x"] == year)].iloc[0]
        yield f"retention of year {year}, {line}", row, rates[year - 1]
    yield "average retention, ten years", value.average(curve, years=10), value.average_retention(rates)
    truth = value.duration(rates, convention="A", discount_rate=0.1)
    yield "elasticity, ten years", value.elasticity_along(curve, years=10, discount_rate=0.1), truth


@kind("1,000 contracts, shifted-beta-geometric, five years seen; 10% discount")
def residual(random: np.random.Generator) -> World:
    model = renewal.RenewalModel(2.0, 8.0)
    curve, rates = (
        renewed(random, 1000, model, years=5, until=renewal.LONG),
        model.retention(np.arange(1, renewal.LONG + 1)),
    )
    for year in (1, 5):
        truth = value.residual_years(rates, year=year, discount_rate=0.1)
        found = value.still_to_come(curve, year=year, discount_rate=0.1)
        yield f"residual value in year {year} (DERL)", found, float(truth)


@kind("two cohorts of 2,000 contracts, beta-discrete-Weibull, ten renewals seen")
def exponent(random: np.random.Generator) -> World:
    for c in (0.8, 1.0):
        counts = []
        for alpha, beta in ((0.8, 3.2), (1.0, 3.0)):
            lives = worlds.renewing(random, 2000, alpha=alpha, beta=beta, c=c)
            counts.append(renewal.yearly_counts(worlds.contracts(lives, watched=10.0), unit="year"))
        found = renewal.deepening(counts)
        yield f"exponent c of time, truth {c:g} (G05)", getattr(found, "exponent", found), c


@kind("1,000 contracts, shifted-beta-geometric with alpha + beta = 4, five years seen")
def growth(random: np.random.Generator) -> World:
    for first in (0.5, 0.7, 0.8, 0.9):
        model = renewal.RenewalModel(4 * (1 - first), 4 * first)
        curve, rates = renewed(random, 1000, model, years=5), model.retention(np.arange(1, 11))
        for reading in value.readings(0.05):
            better = value.improve(rates, reading, change=0.05)
            truth = value.customer_years(better, convention="B") / value.customer_years(rates, convention="B") - 1
            found = value.growth(curve, reading, change=0.05, years=10)
            yield f"growth (R01), {reading}, first year {first:.0%}", found, truth


# --- Shares and cohorts -----------------------------------------------------------------------------------------


@kind("a share anywhere from 5 to 95%, of 100", blocks=80)
def shares(random: np.random.Generator) -> World:
    truth = random.uniform(0.05, 0.95)
    seen = int(random.binomial(100, truth))
    yield "share, Wilson", Estimate.proportion(seen, 100), truth
    yield "cohort cell of customers, Jeffreys", [float(end) for end in cohorts.jeffreys(seen, 100)], truth


def cells(active: np.ndarray, n: np.ndarray) -> pd.DataFrame:
    """Cohorts (rows) at ages (columns) as `cohorts.follow` gives them, for customers alone."""
    at, age = np.indices(active.shape)
    n = np.broadcast_to(np.reshape(n, (-1, 1)), active.shape)
    sums = {"base": n, "kept": active, "base_squares": n, "cross": active, "kept_squares": active}
    columns = {"position": at, "age": age + 1, "customers": n, "active": active, **sums}
    table = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
    return table.assign(definition=cohorts.N_DAY, counted=cohorts.CUSTOMERS, state=cohorts.SEEN, cohort="")


@kind("five cohorts of 400 at 12 ages, customers of their own readiness", within=AT_LEAST)
def pooled_band(random: np.random.Generator) -> World:
    fade, ready = np.linspace(1, 0.5, 12), random.beta(2, 4, (5, 400, 1))
    active = (random.random((5, 400, 12)) < ready * fade).sum(axis=1)
    band = cohorts.pooled(cells(active, np.full(5, 400)), until=12).head(12)
    yield "pooled curve, all ages at once", (band["low"].to_numpy(), band["high"].to_numpy()), fade / 3


def trend(random: np.random.Generator, scatter: float) -> Any:
    n, rates = random.integers(200, 900, 12), 0.3 + 0.004 * np.arange(12)
    active = random.binomial(n, np.clip(rates + scatter * random.standard_normal(12), 0.01, 0.99))
    return cohorts.trends(cells(active[:, None], n)).iloc[0]


@kind("12 cohorts of 200 to 900, months that differ by chance (3 points)")
def cohort_trend(random: np.random.Generator) -> World:
    yield "trend of newer cohorts, months differ", trend(random, 0.03), 0.004


# The error never falls below that of customers alone, so that months which happen to be alike do not narrow it.
@kind("12 cohorts of 200 to 900, months that are alike", within=AT_LEAST)
def cohort_trend_alike(random: np.random.Generator) -> World:
    yield "trend of newer cohorts, months alike", trend(random, 0.0), 0.004


@kind("20 cohorts of 400 a world, a third of whom come back and spend anew, log-normal", blocks=1)
def cohort_money(random: np.random.Generator) -> World:
    came = random.random((20, 400, 21)) < 1 / 3
    came[..., 0] = True
    cohort, who, age = np.nonzero(came & (np.arange(20)[:, None, None] + np.arange(21) <= 21))
    log = pd.DataFrame({"customer_id": cohort * 1000 + who, "amount": random.lognormal(3, 0.8, len(who)).round(2)})
    log["ordered_at"] = (np.datetime64("2020-01") + cohort + age).astype("M8[us]")
    table = CheckedTable("orders", ibis.memtable(log), (), (), {"observed_until": date(2021, 10, 31)})
    found = cohorts.follow(customers.purchases(table), ages=[1], grain="month", definitions=[cohorts.N_DAY])
    # Of two alike log-normal amounts the smaller one is expected to be this share of either.
    truths = {cohorts.GROSS: 2 * norm.cdf(-0.8 / 2**0.5) / 3, cohorts.NET_REVENUE: 1 / 3}
    for counted, truth in truths.items():
        for cell in found[found["counted"] == counted].itertuples():
            yield f"cohort cell of {counted}", cell, truth


# --- Free buying ------------------------------------------------------------------------------------------------

MODELS = [
    BGNBD(0.6, 6.0, 0.8, 2.5),
    MBGNBD(0.6, 6.0, 0.8, 2.5),
    ParetoNBD(0.6, 10.0, 0.7, 12.0),
    BGBB(1.2, 0.75, 0.65, 2.8),
]


def shop(random: np.random.Generator, n: int, model: Any, *, ahead: float = 0.0) -> pd.DataFrame:
    end = np.full(n, 8.0) if isinstance(model, BGBB) else np.round(random.uniform(30, 60, n))
    return worlds.histories(worlds.orders(random, model, end + ahead), end, ahead=ahead)


def buying_models(random: np.random.Generator, model: Any) -> World:
    rows, t = shop(random, 2000, model), 4.0 if isinstance(model, BGBB) else 26.0
    fit = fits.fit_buying(rows, type(model))
    if isinstance(fit, NotTestable):
        yield f"{model.NAME}: fit", fit, 0.0
        return
    for line, truth in zip(fit.table.itertuples(), vars(model).values(), strict=True):
        yield f"{model.NAME}: {line.parameter}", line, truth
    counted = buying.recounted(rows.round({"last": 1, "observed": 1}))
    weight = counted["weight"].to_numpy()

    def total(model: Any) -> float:
        return float(weight @ model.expected(counted, t))

    yield f"{model.NAME}: all orders expected", fit.estimate(total, unit="count"), total(model)
    one = counted.iloc[[-1]]
    chance = fit.estimate(lambda model: float(model.silent(one, t)[0]), unit="probability")
    yield f"{model.NAME}: chance of silence, one customer", chance, float(model.silent(one, t)[0])


for each in MODELS:

    def draw(random: np.random.Generator, model: Any = each) -> World:
        return buying_models(random, model)

    draw.__name__ = re.sub(r"\W", "", each.NAME).lower()
    kind("2,000 customers, " + ("8 opportunities" if isinstance(each, BGBB) else "30 to 60 weeks"))(draw)


@kind(f"1,000 customers, 30 to 60 weeks, {DRAWS} resamples")
def bootstrap(random: np.random.Generator) -> World:
    for model in (MODELS[0], MODELS[3]):
        rows = shop(random, 1000, model)
        fit = fits.fit_buying(rows, type(model))
        if isinstance(fit, NotTestable):
            yield f"{model.NAME}, resampled: fit", fit, 0.0
            continue
        drawn = fits.bootstrap(fit, rows, draws=DRAWS, seed=int(random.integers(2**31)))
        t = np.array([4.0 if isinstance(model, BGBB) else 52.0])
        expected = np.array([type(model)(*line).newcomer(t)[0] for line in drawn])
        truths = {**vars(model), "orders of a newcomer": float(model.newcomer(t)[0])}
        for (name, truth), found in zip(truths.items(), [*drawn.T, expected], strict=True):
            told = Estimate.from_draws(float(np.median(found)), found, unit="count", n=1000)
            yield f"{model.NAME}, resampled: {name}", told, truth


@kind("2,000 customers, 30 to 60 weeks; two fifths buy 1.5 times and leave twice as quickly")
def buyers_with_traits(random: np.random.Generator) -> World:
    end, plan = np.round(random.uniform(30, 60, 2000)), np.where(random.random(2000) < 0.4, "b", "a")
    faster = {"rate": np.where(plan == "b", 1.5, 1.0), "leaving": np.where(plan == "b", 2.0, 1.0)}
    rows = worlds.histories(worlds.orders(random, MODELS[2], end, **faster), end)
    attrs = dict(rows.attrs)
    rows = rows.assign(plan=plan)
    rows.attrs = attrs
    found = traits.fit_traits(rows, ["plan"], ParetoNBD)
    for told, leaving, truth in (("buying", False, 1.5), ("leaving", True, 2.0)):
        answer = found if isinstance(found, NotTestable) else found.effect(0, leaving=leaving)
        yield f"ratio of rates of {told} (Pareto/NBD)", answer, truth


def ahead(random: np.random.Generator) -> tuple[fits.Fit, pd.DataFrame, int]:
    rows = shop(random, 1000, MODELS[2], ahead=26.0)
    return fits.fit_buying(rows, ParetoNBD), rows, int(random.integers(2**31))


@kind("1,000 customers, 30 to 60 weeks, foretold for 26")
def orders_of_all(random: np.random.Generator) -> World:
    fit, rows, seed = ahead(random)
    yield "orders that all will place", foresight.all_ahead(fit, rows, 26.0, seed=seed), rows["later"].sum()


@kind("1,000 customers, 30 to 60 weeks, ten of them foretold for 26", within=AT_LEAST, blocks=4)
def orders_of_one(random: np.random.Generator) -> World:
    fit, rows, seed = ahead(random)
    some = rows.iloc[:10]
    for line in foresight.orders_ahead(fit, some, 26.0, draws=400, seed=seed).join(some["later"]).itertuples():
        yield "orders that one customer will place", (line.least, line.most), line.later


@kind("about 600 customers with repeat orders")
def order_value(random: np.random.Generator) -> World:
    for model in (GammaGamma(6.0, 4.0, 15.0), GammaGamma(6.0, 4.0, 15.0, 1.2)):
        bought = worlds.orders(random, MODELS[2], np.full(1000, 52.0))
        bought["amount"] = worlds.amounts(random, model, bought)
        fit = order_values.fit_spend(worlds.spending(bought), by_frequency=model.per_doubling != 1)
        told = ", spending depends on frequency" * (model.per_doubling != 1)
        mean = fit.estimate(lambda model: float(model.mean_order(0, 0)), unit="money")
        yield f"mean value of an order{told}", mean, float(model.mean_order(0, 0))
        for line in fit.table.itertuples():
            if line.error:
                yield f"gamma-gamma: {line.parameter}{told}", line, getattr(model, line.parameter)


@kind("1,000 customers, 30 to 60 weeks, valued over a year at 10% discount")
def customer_value(random: np.random.Generator) -> World:
    model, spent = MODELS[2], GammaGamma(6.0, 4.0, 15.0)
    end = np.round(random.uniform(30, 60, 1000))
    bought = worlds.orders(random, model, end)
    bought["amount"] = worlds.amounts(random, spent, bought)
    later = bought[bought["age"] > 0].groupby("customer")["amount"]
    means = {"mean": later.mean(), "squares": later.var(ddof=0) * later.size()}
    rows = worlds.histories(bought, end).join(pd.DataFrame(means)).fillna(0.0)
    days = rows.assign(last=rows["last"] * 7, observed=rows["observed"] * 7)
    terms = valuations.terms(horizon_months=12, annual_discount_rate=0.1)
    # In place of the engine, which would only count these rows.
    with patch.multiple(valuations, ledger=lambda bought, until: days, counted=lambda rows: rows):
        found = valuations.appraise(None, ParetoNBD, terms)
    if isinstance(found, NotTestable):
        yield from ((f"value of {whom}", found, 0.0) for whom in ("all customers", "a customer", "a newcomer"))
        return
    to_come = model.discounted(rows, rate=terms.rate, until=terms.weeks)
    truth = to_come * spent.mean_order(rows["repeats"].to_numpy(), rows["mean"].to_numpy())
    yield "value of all customers", found.total, truth.sum()
    ends_ = found.between(found.values)
    yield "value of a customer", (ends_["low"][0], ends_["high"][0]), truth[0]
    new = model.discounted(valuations.NEWCOMER, rate=terms.rate, until=terms.weeks) * spent.mean_order([0], [0.0])
    yield "value of a newcomer", found.newcomer, float(new[0])
    yield "inequality of values (Gini)", found.unequal, spending.gini(truth)


# --- Claims about orders ----------------------------------------------------------------------------------------


def shoppers(random: np.random.Generator, n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Customers as `customers.totals` and `customers.half_way` give them, all followed for 52 weeks."""
    bought = worlds.orders(random, MODELS[2], np.full(n, 52.0))
    bought["amount"] = worlds.amounts(random, GammaGamma(2.0, 4.0, 60.0), bought)

    def sums(rows: pd.DataFrame, name: str) -> pd.Series:
        return rows.groupby("customer")["amount"].agg(name).reindex(range(n), fill_value=0.0).astype(float)

    early, late = bought[bought["age"] <= 26], bought[bought["age"] > 26]
    first, value_ = sums(bought, "first"), sums(bought, "sum")
    whole = {"orders": sums(bought, "size"), "revenue": value_, "value": value_}
    half = {
        "orders": sums(early, "size"),
        "revenue": sums(early, "sum"),
        "value": value_,
        "later_value": sums(late, "sum"),
    }
    told = pd.DataFrame({"first_amount": first, "followed_days": 364.0})
    return told.assign(**whole), told.assign(**half)


def repeat_answers(random: np.random.Generator, n: int, draws: int) -> dict[str, Any]:
    whole, half = shoppers(random, n)
    found = spending.compare(whole, draws=draws, seed=int(random.integers(2**31)))
    later = repeaters.later_value(half, draws=draws, seed=int(random.integers(2**31)))
    named = {f"ratio (R05), {part}": answer for part, answer in found.ratio.items()}
    named |= {f"chance (R05), {part}": answer for part, answer in found.chance.items()}
    return named | {f"{part} (R06)": answer for part, answer in later.items()}


@cache
def truth_of(ask: Callable[..., dict[str, Any]], n: int) -> dict[str, float]:
    """The answers in worlds so large that their own error hardly counts, or four of them where tails are heavy."""
    answers = [ask(np.random.default_rng([2, place]), n, 3) for place in range(4)]
    return {name: float(np.mean([one[name].value for one in answers])) for name in answers[0]}


@kind(f"1,000 customers, 52 weeks, {DRAWS} resamples")
def repeat_buyers(random: np.random.Generator) -> World:
    for name, answer in repeat_answers(random, 1000, DRAWS).items():
        yield name, answer, truth_of(repeat_answers, 500_000)[name]


def steady_answers(random: np.random.Generator, n: int, draws: int, *, q: float = 12.0) -> dict[str, Any]:
    """Customers who came at some time in the first of three periods of 52 weeks."""
    end = random.uniform(104, 156, n)
    bought = worlds.orders(random, MODELS[2], end)
    bought["amount"] = worlds.amounts(random, GammaGamma(2.0, q, 15 * q), bought)
    period = ((156 - end)[bought["customer"]] + bought["age"]) // 52
    sums = [bought[period == at].groupby("customer")["amount"].agg(["size", "sum"]) for at in range(3)]
    people = pd.concat(sums, axis=1, keys=["before", "following", "later"]).reindex(range(n)).fillna(0.0)
    table = people.xs("sum", axis=1, level=1).assign(loyal=people["before", "size"] >= 2)
    found = steadiness.compare(table, draws=draws, seed=int(random.integers(2**31)))
    ratios = {f"steadiness (R15), against {name}": parts["steadiness"] for name, parts in found.items()}
    return ratios | {"guarantee (R15)": found[steadiness.ALL_OTHERS]["guarantee"]}


def heavy_answers(random: np.random.Generator, n: int, draws: int) -> dict[str, Any]:
    return {f"{name}, heavy tails": of for name, of in steady_answers(random, n, draws, q=4.0).items()}


@kind(f"2,000 customers, three periods, mean orders differ by a third, {DRAWS} resamples")
def steady(random: np.random.Generator) -> World:
    for name, answer in steady_answers(random, 2000, DRAWS).items():
        yield name, answer, truth_of(steady_answers, 500_000)[name]


@kind(f"2,000 customers, three periods, some spend many times the mean, {DRAWS} resamples")
def steady_heavy(random: np.random.Generator) -> World:
    for name, answer in heavy_answers(random, 2000, DRAWS).items():
        yield name, answer, truth_of(heavy_answers, 500_000)[name]


@cache
def usual(ask: Callable[..., dict[str, Any]], n: int, times: int = 200) -> dict[str, float]:
    """The mean answer of worlds of the same size: what is learnt from few is foretold less well than from many."""
    answers = [ask(np.random.default_rng([1, place]), n, 2) for place in range(times)]
    return {name: float(np.mean([one[name].value for one in answers])) for name in answers[0]}


def gain_answers(random: np.random.Generator, n: int, draws: int) -> dict[str, Any]:
    rows, seed = shop(random, n, MODELS[2], ahead=26.0), int(random.integers(2**31))
    fit = fits.fit_buying(rows, ParetoNBD)
    outlook = prospects.Outlook(None, None, 0.4, 26.0, rows.astype({"weight": int}), {fit.model.NAME: fit}, {})
    race = prospects.race(outlook, draws=draws, seed=seed)
    named = {f"gain in deviance (R07), {name}": answer for name, answer in race.items()}
    return named | {"gain over the naive rule": holdout.gain(fit, rows, draws=draws, seed=seed)}


@kind(f"1,500 customers, 26 weeks held out, {DRAWS} resamples")
def gains(random: np.random.Generator) -> World:
    for name, answer in gain_answers(random, 1500, DRAWS).items():
        yield name, answer, usual(gain_answers, 1500)[name]


# --- Claims about costs, churn and branches -----------------------------------------------------------------------


def study(**tables: pd.DataFrame) -> Any:
    checked = {name: CheckedTable(name, ibis.memtable(rows), (), (), {}) for name, rows in tables.items()}
    return SimpleNamespace(has=checked.__contains__, table=checked.get)


@kind("two trials with 2,000 in each arm")
def cost_ratio(random: np.random.Generator) -> World:
    def moved(treated: float, control: float) -> Estimate:
        shares = np.array([random.binomial(2000, chance) for chance in (treated, control)]) / 2000
        error = math.sqrt((shares * (1 - shares) / 2000).sum())
        return Estimate.normal(2000 * (shares[0] - shares[1]), 2000 * error, unit="count", n=4000)

    yield "cost of winning over keeping (R03), Fieller", economics.fieller(moved(0.6, 0.5), moved(0.3, 0.25)), 2.0


@kind("300 customers, quarterly costs over four years")
def cost_slope(random: np.random.Generator) -> World:
    n, quarters = 300, np.arange(16) / 4
    level, begins, stays = random.normal(0, 0.2, n), random.uniform(0, 3.5, n), random.exponential(1.5, n)
    there = (begins[:, None] - 0.25 < quarters) & (quarters < (begins + stays)[:, None])
    who, period = np.nonzero(there)
    tenure = quarters[period] - begins[who]
    cost = level[who] + 0.08 * quarters[period] - 0.1 * tenure + random.normal(0, 0.15, len(who))
    panel = pd.DataFrame({"customer": who, "period": period, "tenure": tenure, "log_cost": cost})
    slopes, truths = economics.tenure_slopes(panel), (-0.1, -0.02)
    for (name, answer), truth in zip(slopes.items(), truths, strict=True):
        yield f"cost for a year of tenure (R08), {name}", answer, math.expm1(truth)


@kind("48 months")
def churn(random: np.random.Generator) -> World:
    lost, money = 0.05 + 0.015 * random.normal(size=48).clip(-3, 3), [math.log(1000)]
    for share in lost[:-1]:
        money.append(3.5 + 0.5 * money[-1] - (share - 0.05) + random.normal(0, 0.004))
    table = {"period": pd.date_range("2020-01-01", periods=48, freq="MS"), "revenue": np.exp(money), "n_active": 1e4}
    table |= {"n_lost": 1e4 * lost, "n_new": 1e4 * random.uniform(0.04, 0.06, 48), "acquisition_spend": 0.0}
    found = economics.churn_slope(study(finances=pd.DataFrame(table)))
    yield "revenue for a point of churn (R11)", found, math.expm1(-0.01)


@kind(f"40 branches, one period, {DRAWS} resamples")
def branches(random: np.random.Generator) -> World:
    shape = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    rows = pd.DataFrame(
        random.multivariate_normal(np.zeros(3), shape, 40), columns=["satisfaction", "retention", "profit"]
    )
    table = rows.assign(unit=np.arange(40), period=pd.Timestamp("2024-01-01"))
    found = economics.correlations(study(units=table), draws=DRAWS, seed=int(random.integers(2**31)))
    # Spearman's correlation of normal variables; the population's, which a sample of 40 misses by less than .01.
    for part, answer in found.items():
        yield f"rank correlation (R13), {part.replace('_', ' and ')}", answer, 6 / math.pi * math.asin(0.25)


# --- Surveys ----------------------------------------------------------------------------------------------------


def population(names: Sequence[str], covariance: np.ndarray) -> scales.Moments:
    """Moments as a survey of everybody would have them."""
    return scales.Moments(
        tuple(names), 10**6, np.zeros(len(names)), covariance, np.zeros((1, len(names))), covariance[None]
    )


def questionnaire(items: np.ndarray, **constructs: Sequence[int]) -> scales.Answers:
    """Answers to unnamed items as a survey holds them."""
    table = pd.DataFrame(items, columns=[f"i{place}" for place in range(items.shape[1])])
    asked = {name: tuple(f"i{place}" for place in places) for name, places in constructs.items()}
    return scales.Answers(table, pd.DataFrame(index=table.index), np.ones(len(table)), asked, {}, {})


LOADINGS = np.array([0.8, 0.7, 0.6, 0.75, 0.8, 0.7, 0.65])
ITEMS = np.outer(LOADINGS, LOADINGS) * np.where(np.add.outer(np.arange(7) < 4, np.arange(7) < 4) == 1, 0.6, 1.0)
np.fill_diagonal(ITEMS, 1.0)


@kind(f"400 questionnaires, two constructs of four and three items that correlate .6, {DRAWS} resamples")
def scale_quality(random: np.random.Generator) -> World:
    found = questionnaire(random.multivariate_normal(np.zeros(7), ITEMS, 400), one=range(4), two=range(4, 7))
    asked: dict[str, int] = {"draws": DRAWS, "seed": int(random.integers(2**31))}
    for name, answer in scales.reliability(found, "one", **asked).items():
        yield f"{name} of four items", answer, float(scales.QUALITIES[name](ITEMS[:4, :4]))
    ratio = scales.ratio(found, found.constructs["one"], found.constructs["two"], **asked)
    yield "heterotrait-monotrait ratio", ratio, float(scales.heterotrait(ITEMS, range(4), range(4, 7)))


@kind("100 questionnaires, any share of promoters and detractors; a second sample of 150", blocks=80)
def net_promoters(random: np.random.Generator) -> World:
    scores, truths = [], []
    for n in (100, 150):
        chances = random.dirichlet([2.0, 2.0, 3.0])
        scores.append(indicators.net_promoter_score(pd.Series(random.choice([-1.0, 0.0, 1.0], n, p=chances))))
        truths.append(chances[2] - chances[0])
    yield "net promoter score", scores[0], truths[0]
    yield "change of the net promoter score", indicators.change(*scores), truths[1] - truths[0]


@kind("400 questionnaires of unequal weight, those of more weight happier", blocks=80)
def weighted_indicators(random: np.random.Generator) -> World:
    heavy, weight = random.random(400) < 0.3, np.ones(400)
    weight[heavy] = 3.0
    # Weights stand for whom each answer speaks: 90 of the heavy for each 70 of the others.
    shares, chances = np.array([0.7, 0.9]) / 1.6, np.array([0.3, 0.5])
    answer = pd.Series(np.where(random.random(400) < chances[heavy.astype(int)], 10.0, random.integers(0, 9, 400)))
    classes = indicators.promoter_classes(answer, (0, 10))
    detractors, passives = shares @ ((1 - chances) * 7 / 9), shares @ ((1 - chances) * 2 / 9)
    promoters = 1 - detractors - passives
    yield "net promoter score, weighted", indicators.net_promoter_score(classes, weight), promoters - detractors
    yield "satisfied customers, weighted", indicators.satisfied(answer, (0, 10), weight), promoters
    yield "mean answer, weighted", indicators.mean_score(answer, "ratio", weight), 10 * promoters + 4 * (1 - promoters)


@kind("200 questionnaires of unequal weight, a share from 5 to 95%", within=AT_LEAST, blocks=80)
def exact_shares(random: np.random.Generator) -> World:
    truth, weight = random.uniform(0.05, 0.95), pd.Series(random.lognormal(0, 0.5, 200))
    yield (
        "share, exact at the effective sample (E07)",
        gaps.exact_share(pd.Series(random.random(200) < truth), weight),
        truth,
    )


DRIVEN = np.array([[1, 0.6, 0.3, 0.2], [0.6, 1, 0.4, 0.2], [0.3, 0.4, 1, 0.1], [0.2, 0.2, 0.1, 1]])
WEIGHED = np.array([0.4, 0.25, 0.2, 0.1])


@kind(f"500 questionnaires, four drivers that go together (R squared .49), {DRAWS} resamples")
def driver_shares(random: np.random.Generator) -> World:
    names = [*"abcd", "y"]
    to = DRIVEN @ WEIGHED
    shape = np.block([[DRIVEN, to[:, None]], [to, np.ones((1, 1))]])
    rows = pd.DataFrame(random.multivariate_normal(np.zeros(5), shape, 500), columns=names)
    found: Any = scales.moments(rows, draws=DRAWS, seed=int(random.integers(2**31)))
    for method in ("shapley", "relative weights"):
        told, known = (
            drivers.importance(each, outcome="y", drivers=names[:-1], method=method)
            for each in (found, population(names, shape))
        )
        for name, truth in zip(names, known.shares[0], strict=False):
            yield f"share of driver {name} ({method})", told.share(name), float(truth)
        yield f"all drivers' R squared ({method})", told.explained(), float(WEIGHED @ to)


def path_answers(random: np.random.Generator, n: int, draws: int) -> dict[str, Any]:
    """Quality moves satisfaction, and both move loyalty; three items each, answered from 1 to 10."""
    quality = random.normal(size=n)
    satisfaction = 0.7 * quality + math.sqrt(1 - 0.49) * random.normal(size=n)
    loyalty = 0.5 * satisfaction + 0.2 * quality + 0.7 * random.normal(size=n)
    held = {"quality": quality, "satisfaction": satisfaction, "loyalty": loyalty}
    blocks = {name: [f"{name}{i}" for i in (1, 2, 3)] for name in held}
    table = {
        item: np.clip(np.rint(7 + 1.6 * (share * held[name] + math.sqrt(1 - share**2) * random.normal(size=n))), 1, 10)
        for name, items in blocks.items()
        for item, share in zip(items, (0.9, 0.8, 0.75), strict=True)
    }
    arrows = [("quality", "satisfaction"), ("quality", "loyalty"), ("satisfaction", "loyalty")]
    model = paths.PathModel(blocks, arrows, dict.fromkeys(table, (1, 10)))
    fit: Any = paths.fit_paths(model, pd.DataFrame(table), draws=draws, seed=int(random.integers(2**31)))
    answers = {f"path from {a} to {b}": fit.effect(a, b, "direct") for a, b in arrows}
    answers |= {
        f"{kind_} effect of quality on loyalty": fit.effect("quality", "loyalty", kind_)
        for kind_ in ("indirect", "total")
    }
    answers["R squared of loyalty"] = fit.explained("loyalty")
    return answers | {f"index of {name}": fit.index(name) for name in held}


@kind(f"300 questionnaires, three constructs of three items, {DRAWS} resamples")
def path_model(random: np.random.Generator) -> World:
    for name, answer in path_answers(random, 300, DRAWS).items():
        yield f"{name} (PLS)", answer, truth_of(path_answers, 400_000)[name]


def necessary(random: np.random.Generator, n: int, draws: int) -> dict[str, Any]:
    condition = random.random(n)
    outcome = (0.15 + 0.85 * condition) * random.random(n) ** 0.5
    asked: dict[str, Any] = {"draws": draws, "seed": int(random.integers(2**31))}
    told = pd.Series(condition, name="condition"), pd.Series(outcome, name="outcome")
    return {
        f"empty corner beyond correlation ({of})": necessity.necessity(*told, kind=of, **asked).excess
        for of in ("CE-FDH", "CR-FDH")
    }


@kind(f"200 cases, a condition that bounds the outcome, {DRAWS} resamples", within=AT_LEAST)
def necessary_condition(random: np.random.Generator) -> World:
    for name, answer in necessary(random, 200, DRAWS).items():
        yield name, answer, usual(necessary, 200)[name]


BENT, DOMED = np.array([0, 0.5, -0.4, -0.12, 0.10, -0.08]), np.array([0, 0.2, -0.2, -0.2, 0.05, -0.2])
POINT, MIDDLE = 1.1, 4.0  # of the answer scale a standard deviation of true scores; wide ends, so that none is cut off


def surveyed(
    random: np.random.Generator, n: int, slopes: np.ndarray, *, reliability: float = 1.0, skewed: bool = False
) -> pd.DataFrame:
    """Answers that measure true scores, which correlate .4, with independent errors; an outcome of the true ones."""
    true = random.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], n)
    if skewed:
        true = (gamma_law.ppf(norm.cdf(-true), 4) - 4) / -2
    true[:, 1] += 0.3
    said = true + random.normal(size=(n, 2)) * math.sqrt(1 / reliability - 1)
    outcome = surfaces.terms(*true.T) @ slopes + 0.8 * random.normal(size=n)
    return pd.DataFrame(MIDDLE + POINT * said, columns=[*"pe"]).assign(z=outcome)


def fitted(table: pd.DataFrame) -> Any:
    return surfaces.fit_surface(table, outcome="z", expectation="e", perception="p", scale=(-16, 24))


def slopes_in(surface: Any, slopes: np.ndarray) -> np.ndarray:
    """True slopes in the unit of a fit: one deviation of the answers, one of the outcome, both taken as known."""
    return slopes * (surface.spread / POINT) ** np.array([0, 1, 1, 2, 2, 2]) / surface.outcome[1]


@kind("500 questionnaires, a surface that bends, no error of measurement")
def surface(random: np.random.Generator) -> World:
    said = surveyed(random, 500, BENT)
    fit = fitted(said)
    truths = surfaces.shape(slopes_in(fit, BENT))
    for name, answer in fit.along.items():
        yield f"{name} of the surface", answer, float(truths[name])
    gap, edge = (1.2**0.5, -0.3), surfaces.MATCHED * fit.spread / POINT
    above, below = (norm.sf((edge - sign * gap[1]) / gap[0]) for sign in (1, -1))
    for (name, answer), truth in zip(
        surfaces.discrepancies(fit).items(), (above, below, 1 - above - below), strict=True
    ):
        yield f"share of discrepancies, {name}", answer, float(truth)


@kind(f"1,000 questionnaires, a dome, {DRAWS} resamples")
def turning(random: np.random.Generator) -> World:
    fit = fitted(surveyed(random, 1000, DOMED))
    truths = surfaces.shape(slopes_in(fit, DOMED))
    for name, answer in surfaces.turning_points(fit, draws=DRAWS, seed=int(random.integers(2**31))).items():
        yield f"stationary point and axes of the surface: {name}", answer, float(truths[name])


@kind("500 questionnaires, a shortfall of one costs .6 and a surplus brings .2")
def surplus(random: np.random.Generator) -> World:
    said = surveyed(random, 500, np.zeros(6))
    gap, level = said["p"] - said["e"], said["p"] + said["e"] - 2 * MIDDLE
    said["z"] += 0.1 * level + 0.2 * gap.clip(lower=0) + 0.6 * gap.clip(upper=0)
    fit = fitted(said)
    named, answers = (
        ("slope on a surplus", "slope on a shortfall", "asymmetry of the two"),
        surfaces.asymmetry(fit).values(),
    )
    for name, answer, truth in zip(named, answers, (0.2, -0.6, 0.4), strict=True):
        yield name, answer, truth * fit.spread / fit.outcome[1]
    bent = surveyed(random, 500, BENT)
    yield "R squared that a difference loses (E05)", simpler.lost(fitted(bent)), lost_by_difference()


@cache
def lost_by_difference() -> float:
    return simpler.lost(fitted(surveyed(np.random.default_rng(3), 1_000_000, BENT))).value


LEVELLED = {"below": 0.6, "inside": 0.05, "above": 0.3}


def noisy(random: np.random.Generator, told: str, *, skewed: bool = False) -> World:
    plain = fitted(surveyed(random, 500, BENT, reliability=0.8, skewed=skewed))
    true = slopes_in(plain, BENT)
    truths, seed = surfaces.shape(true), int(random.integers(2**31))
    for way, simulate in (("calibration", False), ("simulation", True)):
        asked: dict[str, Any] = {"simulate": simulate, "draws": DRAWS, "seed": seed}
        fit: Any = surfaces.corrected(plain, perception=0.8, expectation=0.8, **asked)
        for name in ("a1", "a2", "a3", "a4"):
            answer = fit if isinstance(fit, NotTestable) else fit.along[name]
            yield f"{name} of the surface without noise, by {way}{told}", answer, float(truths[name])


@kind(f"500 questionnaires, a surface that bends, reliability .8, {DRAWS} resamples")
def noisy_surface(random: np.random.Generator) -> World:
    yield from noisy(random, "")


@kind(f"500 questionnaires, a surface that bends, reliability .8, true scores skewed by 1, {DRAWS} resamples")
def noisy_skewed(random: np.random.Generator) -> World:
    yield from noisy(random, ", skewed", skewed=True)


@kind(f"500 questionnaires, straight slopes, reliability .8, {DRAWS} resamples")
def noisy_slopes(random: np.random.Generator) -> World:
    true = np.array([0, 0.5, -0.4, 0, 0, 0])
    plain = fitted(surveyed(random, 500, true, reliability=0.8))
    known, seed = slopes_in(plain, true), int(random.integers(2**31))
    for way, simulate in (("calibration", False), ("simulation", True)):
        asked: dict[str, Any] = {"simulate": simulate, "draws": DRAWS, "seed": seed}
        fit: Any = surfaces.corrected(plain, perception=0.8, expectation=0.8, **asked)
        for (name, answer), truth in zip(fit.straight.items(), (known[1], known[2], known[1] + known[2]), strict=True):
            yield f"slope without noise, by {way}: {name}", answer, truth


LEVELLED = {"below": 0.6, "inside": 0.05, "above": 0.3}


def zone_world(random: np.random.Generator, n: int, *, reliability: float = 1.0) -> pd.DataFrame:
    """Three slopes around levels of each customer's own, and answers that measure all three scores."""
    p, a = 4 + POINT * random.normal(size=n), 3.2 + 0.6 * random.normal(size=n)
    d = a + random.uniform(0.8, 2.5, n)
    parts = np.minimum(p - a, 0), np.clip(p - a, 0, d - a), np.maximum(p - d, 0)
    heard = sum(slope * part for slope, part in zip(LEVELLED.values(), parts, strict=True))
    held = {"p": (p, POINT), "a": (a, 0.6), "d": (d, math.sqrt(0.36 + 1.7**2 / 12))}
    said = {
        name: score + math.sqrt(1 / reliability - 1) * spread * random.normal(size=n)
        for name, (score, spread) in held.items()
    }
    return pd.DataFrame(said).assign(z=heard + 0.8 * random.normal(size=n))


def zone_answers(random: np.random.Generator, n: int, draws: int, **noise: Any) -> dict[str, Any]:
    """Slopes and gains, and what one point of the outcome for one of perception is in standard deviations."""
    table, seed = zone_world(random, n, reliability=noise.get("reliability", (1.0,))[0]), int(random.integers(2**31))
    asked: dict[str, Any] = {"outcome": "z", "perception": "p", "adequate": "a", "desired": "d", "scale": (-16, 24)}
    unit = Estimate.exact(table["p"].std(ddof=0) / table["z"].std(ddof=0), unit="slope", n=n)
    return {"unit": unit, **tolerance.zones(table, **asked, **noise, seed=seed)}


def zone_truths(found: dict[str, Any], told: str = "") -> World:
    unit = found.pop("unit").value
    for name in ("below", "inside", "above", "outside"):
        yield f"zone of tolerance, slope {name}{told} (E09)", found[name], unit * LEVELLED.get(name, 0.6)


@kind("1,000 questionnaires with levels of each customer's own, no error of measurement")
def zone_slopes(random: np.random.Generator) -> World:
    found = zone_answers(random, 1000, 0)
    for name in ("kinks", "cubic"):
        yield f"zone of tolerance, gain of {name} (E09)", found[name], usual(zone_answers, 1000, 100)[name]
    yield from zone_truths(found)


@kind(f"1,000 questionnaires with levels of each customer's own, reliability .8, {DRAWS} resamples")
def noisy_zones(random: np.random.Generator) -> World:
    yield from zone_truths(
        zone_answers(random, 1000, DRAWS, reliability=(0.8, 0.8, 0.8)), " without noise, by simulation"
    )


@kind(f"300 questionnaires with a desired and an adequate level, {DRAWS} resamples")
def two_levels(random: np.random.Generator) -> World:
    mean, shape = np.array([5.0, 3.8, 4.5]), np.array([[0.64, 0.36, 0], [0.36, 0.81, 0], [0, 0, 1]])
    levels = {"desired": [0], "adequate": [1], "perception": [2]}
    found = questionnaire(random.multivariate_normal(mean, shape, 300), **levels)
    found = replace(found, dimensions={"all": dict(found.constructs)}, scale=dict.fromkeys(found.items, (-9, 19)))
    answers: Any = gaps.two_levels(found, draws=DRAWS, seed=int(random.integers(2**31)))
    yield "width of the zone of tolerance (E07)", answers["width"], 1.2 / math.sqrt(0.725)
    yield "desired level at least the adequate one (E07)", answers["ordered"], norm.cdf(1.2 / math.sqrt(0.73))


# --- Running ----------------------------------------------------------------------------------------------------

COUNTS = ["n", "hits", "truth_below", "truth_above", "refused"]


def ends(answer: Any) -> tuple[Any, Any]:
    return (answer.low, answer.high) if hasattr(answer, "low") else tuple(answer)


def block(name: str, number: int) -> pd.DataFrame:
    """Counts over the worlds of a block: which, n (with an interval), hits, and on which side the others missed."""
    counts: dict[str, np.ndarray] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place in range(BLOCK):
            random = np.random.default_rng([zlib.crc32(name.encode()), number, place])
            for which, answer, truth in KINDS[name].draw(random):
                if isinstance(answer, NotTestable):
                    found = np.array([0, 0, 0, 0, 1])
                else:
                    low, high = ends(answer)
                    below, above = bool(np.any(truth < low)), bool(np.any(truth > high))
                    found = np.array([1, not (below or above), below, above, 0])
                counts[which] = counts.get(which, 0) + found
    table = pd.DataFrame(counts.values(), columns=COUNTS)
    return pd.concat([pd.DataFrame({"kind": name, "block": number, "which": [*counts]}), table], axis=1)


def finished() -> pd.DataFrame:
    return pd.read_csv(DONE) if DONE.exists() else pd.DataFrame(columns=["kind", "block", "which", *COUNTS])


def run(names: Sequence[str], *, jobs: int, blocks: int) -> None:
    """All blocks of these kinds that are not done yet; each is kept as soon as it is."""
    done = finished()
    before = set(zip(done["kind"], done["block"], strict=True))
    wanted = [(name, number) for name in names for number in range(blocks or KINDS[name].blocks)]
    # All kinds go on together, so that a run which is stopped has something of each.
    todo = sorted((task for task in wanted if task not in before), key=lambda task: task[1])
    DONE.parent.mkdir(exist_ok=True)
    started = time.monotonic()
    with ProcessPoolExecutor(jobs) as pool:
        tasks = {pool.submit(block, *task): task for task in todo}
        for place, task in enumerate(as_completed(tasks), 1):
            task.result().to_csv(DONE, mode="a", header=not DONE.exists(), index=False)
            print(f"{place} of {len(todo)} blocks, {time.monotonic() - started:.0f} s: {tasks[task]}", file=sys.stderr)


def verdict(found: worlds.Judged, within: tuple[float, float]) -> str:
    if found.holds:
        return "holds"
    return "too narrow" if found.high < within[0] else "too wide"


def coverage() -> pd.DataFrame:
    """One row an interval: what it is of, the worlds, the share that held the truth, its interval, and the verdict."""
    sums = finished().groupby(["kind", "which"], sort=False)[COUNTS].sum().reset_index()
    rows = []
    for name, one in KINDS.items():
        for line in sums[sums["kind"] == name].itertuples():
            found = worlds.judged(line.hits, line.n, within=one.within)
            told = (found.share, found.low, found.high, line.truth_below, line.truth_above, line.refused)
            rows.append((name, line.which, one.sample, line.n, *told, verdict(found, one.within)))
    heads = ["kind", "interval", "a_world", "worlds", "covered", "low99", "high99"]
    return pd.DataFrame(rows, columns=[*heads, "truth_below", "truth_above", "refused", "verdict"])


def written(table: pd.DataFrame) -> str:
    """The table as a section of the README."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas", "lifelines"))
    failed, short = (table["verdict"] != "holds").sum(), (table["worlds"] + table["refused"] < FEWEST).sum()
    unfinished = f" {short} have seen fewer than {FEWEST} worlds so far: the same command goes on." if short else ""
    lines = [
        f"{len(table)} intervals, {len(table) - failed} hold, {failed} fail.{unfinished}",
        f"Made on {time.strftime('%d %B %Y')} with Python {sys.version.split()[0]}, {packages}.",
        "",
        "| interval | a world | worlds | covered | 99% Monte Carlo interval | truth below, above | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in table.itertuples():
        worlds_ = f"{row.worlds:,}" + f" ({row.refused} refused)" * bool(row.refused)
        said = row.verdict if row.verdict == "holds" else f"**{row.verdict}**"
        rates = f"{row.covered:.1%} | {row.low99:.1%} to {row.high99:.1%}"
        lines.append(
            f"| {row.interval} | {row.a_world} | {worlds_} | {rates} | {row.truth_below}, {row.truth_above} | {said} |"
        )
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; all without")
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    options.add_argument("--blocks", type=int, default=0, help=f"of {BLOCK} worlds; for trying out")
    options.add_argument("--fresh", action="store_true", help="forget the finished blocks of these kinds")
    given = options.parse_args()
    if unknown := [name for name in given.kinds if name not in KINDS]:
        options.error(f"no kind {unknown[0]}")
    names = given.kinds or list(KINDS)
    if given.fresh and DONE.exists():
        done = finished()
        done[~done["kind"].isin(names)].to_csv(DONE, index=False)
    run(names, jobs=given.jobs, blocks=given.blocks)
    table = coverage()
    print(written(table[table["kind"].isin(names)]))
    if not given.blocks:
        table.to_csv(TABLE, index=False, float_format="%.4f")
        begin, end = MARK.format("begin"), MARK.format("end")
        before, rest = PAGE.read_text("utf-8").split(begin)
        PAGE.write_text(f"{before}{begin}\n{written(table)}\n{end}{rest.split(end)[1]}", "utf-8")


if __name__ == "__main__":
    main()
