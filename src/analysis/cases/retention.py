"""Worlds of keeping customers, and of what it costs and brings (R01 to R09, R11, R13, R15, G05).

Identities (R10, R12) and the judgement of a budget (R14) have no worlds: unit tests try them.
"""

from __future__ import annotations

import functools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from analysis import economics, prospects, renewal, repeaters, retention, sorting, spending, steadiness, value, worlds
from analysis.buying import ParetoNBD
from analysis.calibration import Case
from analysis.planted import TIMES, boundary, branches, study

DRAWS, POINTS = 199, value.readings(0.05)[0]
YEARS = 20  # over ten, no retention rate lets five points bring a quarter more


# --- What five points are worth -------------------------------------------------------------------------------------

GROWN = boundary(0.25, 0.06)


def _rates(first: float) -> tuple[renewal.RenewalModel, np.ndarray]:
    model = renewal.RenewalModel(20 * (1 - first), 20 * first)
    return model, model.retention(np.arange(1, YEARS + 1))


def _grown(first: float) -> float:
    rates = _rates(first)[1]
    better = value.improve(rates, POINTS, change=0.05)
    return float(value.customer_years(better, convention="B") / value.customer_years(rates, convention="B")) - 1


@functools.cache
def _model(growth: float) -> renewal.RenewalModel:
    from scipy.optimize import brentq

    return _rates(brentq(lambda first: _grown(first) - growth, 0.4, 0.85))[0]


def renewing(random: np.random.Generator, world: str) -> pd.DataFrame:
    model = _model(GROWN[world])
    return worlds.contracts(worlds.renewing(random, 2000, alpha=model.alpha, beta=model.beta), watched=8.0)


def five_points(rows: pd.DataFrame, seed: int) -> Any:
    curve = renewal.retention_curve(rows, unit="year", years=YEARS, draws=DRAWS, seed=seed)
    return value.growth(curve, POINTS, change=0.05, years=YEARS)


# --- Winning and keeping ----------------------------------------------------------------------------------------------


def tried(random: np.random.Generator, world: str, *, ratio: dict[str, float]) -> tuple[Any, ...]:
    """Two trials; the artefact: most would have stayed anyway, so that keeping looks cheap by the head."""
    n = 11_000
    lot = np.repeat([True, False], n)
    chances = [(0.98, 0.48), (0.52, 0.02)] if world == "artefact" else [(0.75, 0.25)] * 2
    people = [
        pd.DataFrame({"treated": lot, "happened": random.random(2 * n) < np.where(lot, *chance)}) for chance in chances
    ]
    return *people, ratio[world]


def dearer(drawn: tuple[Any, ...], seed: int) -> Any:
    kept, won, scale = drawn
    return economics.fieller(economics.moved(kept, "kept"), economics.moved(won, "won"), scale=scale)


DEARER = {world: 1.05**times for world, times in TIMES.items()}
SEVERAL = {"true": 2 * 1.06, "null": 2.0, "reversed": 2 / 1.06}


# --- Orders -----------------------------------------------------------------------------------------------------------


def small_or_heavy(random: np.random.Generator, world: str) -> pd.DataFrame:
    """What customers bring does not hang on what they began with, only on whether they came back."""
    n = 10_000
    first, again = random.lognormal(3, 0.5, n), random.random(n) < 0.5
    orders = np.where(again, 2, 1)
    revenue = np.where(again, first + random.lognormal(3, 0.5, n), first)
    worth = random.gamma(9.0, 30 / 9, n) * np.where(again, 1.05 ** TIMES[world], 1.0)
    return pd.DataFrame({"first_amount": first, "orders": orders, "revenue": revenue, "value": worth})


def halves(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Orders of one half and money of the next; the artefact: customers are all alike."""
    n = 3000
    orders = 1 + random.poisson(np.ones(n) if world == "artefact" else random.gamma(1.0, 1.0, n))
    more = {"true": 1.5, "reversed": 0.67}.get(world, 1.0)
    later = random.lognormal(3, 0.8, n) * np.where(orders >= 2, more, 1.0)
    return pd.DataFrame({"orders": orders, "later_value": later})


def counted(random: np.random.Generator, world: str) -> Any:
    """Nobody leaves; or so many do that silence tells just as much as matters, or twice that."""
    end = np.full(1500, 40.0)
    leaving = {"true": 1e-9, "null": 0.285, "reversed": 0.6}[world]
    log = worlds.orders(random, ParetoNBD(1.5, 6.0, 1.0, 100.0), end + 30, leaving=leaving)
    rows = worlds.histories(log, end, ahead=30.0).astype({"weight": int})
    return SimpleNamespace(rows=rows, weeks=30.0, share=0.43, fits={})


def steady(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Loyal customers vary less next year; the artefact: they spent more, and who spends more varies less."""
    n = 10_000
    before = random.lognormal(3, 0.3, n)
    loyal = random.random(n) < (np.clip((before / 20) ** 2 / 2, 0.05, 0.95) if world == "artefact" else 0.5)
    spread = 0.4 * (20 / before) ** 0.5 if world == "artefact" else 0.4 * np.where(loyal, 0.95 ** TIMES[world], 1.0)
    following = random.gamma(1 / spread**2, 30 * spread**2)
    return pd.DataFrame({"loyal": loyal, "before": before, "following": following, "later": 0.97 * following})


# --- Stays, costs, churn and branches ---------------------------------------------------------------------------------

QUICK = {"true": 0.0, "null": 0.17, "reversed": 0.4, "artefact": 0.3}


def stays(random: np.random.Generator, world: str) -> pd.DataFrame:
    """A constant risk, or a share of customers who leave twelve times as fast, half of whom nobody saw come."""
    n = 3000
    quick = np.where(random.random(n) < QUICK[world], 12.0, 1.0)
    entered = random.uniform(0, 12, n) * random.integers(0, 2, n)
    lives = worlds.wearing(random, n, scale=40.0, hazard=quick)
    return worlds.contracts(lives, watched=random.uniform(24, 60, n), entered=entered)


def serving(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Costs per order over four years of quarters, all rising; the artefact: the costly leave early."""
    n, quarters = 600, np.arange(16) / 4
    level, begins = random.normal(0, 0.2, n), random.uniform(0, 3.5, n)
    stay = random.exponential(1.5, n) * np.exp(-2 * level * (world == "artefact"))
    who, period = np.nonzero((begins[:, None] - 0.25 < quarters) & (quarters < (begins + stay)[:, None]))
    tenure = quarters[period] - begins[who]
    slope = math.log1p(-0.05 * TIMES[world])
    cost = level[who] + 0.08 * quarters[period] + slope * tenure + random.normal(0, 0.15, len(who))
    return pd.DataFrame({"customer": who, "period": period, "tenure": tenure, "log_cost": cost})


def churning(random: np.random.Generator, world: str) -> Any:
    """Four years of months; the artefact: churn rises and revenue falls all the while, each by itself."""
    months = np.arange(48)
    drift = (months - 24) * (world == "artefact")
    lost, money = 0.05 + 0.015 * random.normal(size=48).clip(-3, 3) + 0.0004 * drift, [7.0]
    for share, fall in zip(lost[:-1], drift, strict=False):
        effect = -0.5 * TIMES[world] * (share - 0.05) - 0.004 * fall
        money.append(3.5 + 0.5 * money[-1] + effect + random.normal(0, 0.004))
    table = {"period": pd.date_range("2020-01-01", periods=48, freq="MS"), "revenue": np.exp(money), "n_active": 1e4}
    table |= {"n_lost": 1e4 * lost, "n_new": 1e4 * random.uniform(0.04, 0.06, 48), "acquisition_spend": 0.0}
    return study(finances=pd.DataFrame(table))


def hand_in_hand(random: np.random.Generator, world: str) -> Any:
    shared = {"true": 0.72, "null": 2 * math.sin(math.pi * 0.3 / 6), "reversed": 0.0, "artefact": 0.0}[world]
    names, trend = ["satisfaction", "retention", "profit"], 0.7 * (world == "artefact")
    return branches(random, 60, names, shared, periods=2, trend=trend)


def settling(random: np.random.Generator, world: str) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Bonds at four waves, and two cohorts of renewals; the artefact: nobody changes, but customers differ.

    Who feels bound orders more, and who is likely to leave is gone soon.
    """
    n, waves = 500, 4
    own = random.standard_normal(n)
    pace = 3 * np.exp(0.4 * own * (world == "artefact"))
    orders = np.cumsum(random.poisson(pace[:, None], (n, waves)), axis=1)
    bond = own[:, None] + 0.15 * TIMES[world] * orders + 0.5 * random.standard_normal((n, waves))
    day = pd.date_range("2020-01-15", periods=waves, freq="182D")
    asked = pd.DataFrame({"customer_id": np.repeat(np.arange(n), waves), "answered_at": np.tile(day, n)})
    asked = asked.assign(bond=bond.ravel(), orders=orders.ravel().astype(float))
    power = {"true": 0.7, "reversed": 1.4}.get(world, 1.0)
    mixed = [(0.3, 1.2), (0.4, 1.2)] if world == "artefact" else [(0.8, 3.2), (1.0, 3.0)]
    lives = [worlds.renewing(random, 2500, alpha=a, beta=b, c=power) for a, b in mixed]
    return asked, [renewal.yearly_counts(worlds.contracts(each, watched=10.0), unit="year") for each in lives]


def deepened(drawn: tuple[pd.DataFrame, list[pd.DataFrame]], seed: int) -> Any:
    return sorting.readings({"all": renewal.deepening(drawn[1])}, sorting.attachment(drawn[0]))["all"]


def ask_r15(people: pd.DataFrame, seed: int) -> Any:
    return steadiness.compare(people, draws=99, seed=seed)[steadiness.SAME_MONEY]


CASES = (
    *(Case(claim, renewing, five_points, f"2,000 contracts, counted over {YEARS} years", "B", dear=True, truth=GROWN)
      for claim in ("R01", "R02")),
    Case("R03", functools.partial(tried, ratio=DEARER), dearer, "two trials of 22,000", "D",
         artefact="most would have stayed anyway", truth=DEARER),
    Case("R04", functools.partial(tried, ratio=SEVERAL), dearer, "two trials of 22,000", "D", truth=SEVERAL),
    Case("R05", small_or_heavy, lambda table, seed: spending.compare(table, draws=DRAWS, seed=seed).ratio,
         "10,000 customers", "B", dear=True, part="p75", truth=DEARER),
    Case("R06", halves, lambda table, seed: repeaters.later_value(table, draws=DRAWS, seed=seed),
         "3,000 customers", "C", artefact="customers are all alike, and who orders more has spent more",
         dear=True, part="rate", truth={"null": 0.0, "artefact": 0.0}),
    Case("R07", counted, lambda ahead, seed: prospects.race(ahead, draws=DRAWS, seed=seed)[prospects.FULLER],
         "1,500 customers", "C"),
    Case("R08", serving, lambda panel, seed: economics.tenure_slopes(panel)[economics.WITHIN], "600 customers", "C",
         artefact="the costly leave early", truth={"true": -0.1, "null": 0.0, "reversed": 0.1, "artefact": 0.0}),
    Case("R09", stays, lambda rows, seed: retention.tenure_from_rate(rows, unit="month", seed=seed, draws=DRAWS),
         "3,000 contracts, half of them seen from some age on", "B",
         artefact="early leavers were gone before anybody looked", dear=True, truth={"true": 1.0}),
    Case("R11", churning, lambda lab, seed: economics.churn_slope(lab), "48 months", "C",
         artefact="churn and revenue drift apart, each by itself",
         truth={"true": math.expm1(-0.01), "null": 0.0, "reversed": math.expm1(0.01), "artefact": 0.0}),
    Case("R13", hand_in_hand, lambda lab, seed: economics.correlations(lab, draws=DRAWS, seed=seed),
         "60 branches over two years", "B",
         artefact="all of them rise from year to year", dear=True, part="retention_profit", truth={"null": 0.3}),
    Case("R15", steady, ask_r15, "10,000 customers", "C", dear=True,
         artefact="the loyal spent more, and who spends more varies less", part="steadiness"),
    Case("G05", settling, deepened, "500 customers asked four times, two cohorts of 2,500 contracts", "C",
         artefact="customers differ: the bound order more, and those likely to leave are gone soon",
         dear=True, part="behaviour", truth={"true": 0.7, "null": 1.0, "artefact": 1.0}),
)  # fmt: skip
