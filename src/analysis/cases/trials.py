"""Worlds of promotions and of personal treatment, given by lot (P05 to P08, P12, P13, P15, S11)."""

from __future__ import annotations

import datetime as dt
import math
from functools import partial
from types import SimpleNamespace
from typing import Any

import ibis
import numpy as np
import pandas as pd

from analysis import personal, promoting
from analysis.calibration import Case
from analysis.estimates import Answer
from analysis.planted import TIMES, boundary, study

AGAIN = {"true": 0.0, "null": 0.02, "reversed": 0.04, "artefact": 0.02}  # share more who order again
CONSENT, LEFT_OVER = boundary(0.5, 0.05), boundary(0.0, -6.0)  # three standard errors to either side
HORIZON, UNTIL = 400, dt.date(2024, 12, 31)
CUSTOMERS = "10,000 customers"


def drawn(random: np.random.Generator, size: int, promotions: bool) -> tuple[np.ndarray, np.ndarray]:
    """Who is treated, and whether in a second promotion, which four in five get instead of one in five."""
    second = (random.random(size) < 0.5) & promotions
    return random.random(size) < (np.where(second, 0.8, 0.2) if promotions else 0.5), second


def spending(random: np.random.Generator, world: str, *, span: str) -> pd.DataFrame:
    """Money before and in a span; the artefact: the second promotion fell into a better month, or all buy more."""
    own = random.gamma(2.0, 0.5, 10_000)
    lot, second = drawn(random, 10_000, world == "artefact" and span == "during")
    better = (second if span == "during" else True) & np.array(world == "artefact")
    spent = own * random.gamma(3.0, 1 / 3, 10_000) * 1.05 ** (TIMES[world] * lot) * np.where(better, 1.5, 1.0)
    table = pd.DataFrame({"treated": lot, "promotion": np.where(second, "P2", "P1"), "customer": np.arange(10_000)})
    return table.assign(**{f"{span}_worth": spent}, before_worth=own * random.gamma(5.0, 0.2, 10_000))


def returning(random: np.random.Generator, world: str) -> pd.DataFrame:
    """One in five buys often; the artefact: the promotion draws those who seldom buy, who then come back less."""
    often, (lot, _) = random.random(10_000) < 0.2, drawn(random, 10_000, False)
    usual = np.where(often, 0.8, 0.1)
    bought = random.random(10_000) < np.where(lot & (world == "artefact"), np.where(often, 0.9, 0.5), usual)
    after = random.random(10_000) < usual + AGAIN[world] * lot
    known = {"before": random.poisson(np.where(often, 8.0, 1.0)), "age": random.integers(0, 1000, 10_000)}
    table = pd.DataFrame({"treated": lot, "during": bought * 1, "after": after * 1, **known})
    return table.assign(promotion="P1", customer=np.arange(10_000))


def leaving(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Days until customers leave; the artefact: a promotion that most got drew customers who stay shortly."""
    lot, second = drawn(random, 8000, world == "artefact")
    hazard = 0.015 * 1.1 ** (TIMES[world] * lot) * np.where(second, 2.0, 1.0)
    stay = np.ceil(random.exponential(1 / hazard))
    rows = {"promotion": np.where(second, "P2", "P1"), "treated": lot, "ran": 30, "time": 30 + np.minimum(stay, 92)}
    table = pd.DataFrame(rows).assign(left=stay <= 92)
    return table.groupby([*table]).size().rename("n").reset_index()


def winning(random: np.random.Generator, world: str) -> tuple[Any, Any]:
    """Customers won at 40 who bring about as much; the artefact: half came so late that they brought little yet."""
    n, end = 1000, pd.Timestamp(UNTIL)
    late = (random.random(n) < 0.5) & (world == "artefact")
    begun = end - pd.to_timedelta(np.where(late, 60, HORIZON + random.integers(0, 90, n)), unit="D")
    who = np.repeat(np.arange(n), times := random.poisson(4.0, n))
    worth = random.gamma(1.0, (40.0 + LEFT_OVER[world]) / 4, times.sum())
    day = begun[who] + pd.to_timedelta(random.integers(0, HORIZON, len(who)), unit="D")
    names = np.array([f"c{number}" for number in range(n)])
    orders = pd.DataFrame({"customer_id": names[who], "ordered_on": day.date, "value": worth})[day <= end]
    people = pd.DataFrame({"customer_id": names, "acquired_at": begun, "channel": "flyer"})
    people = people.assign(acquisition_cost=20.0, acquisition_discount=20.0)
    return study(customers=people), SimpleNamespace(rows=ibis.memtable(orders), observed_until=UNTIL, measure="margin")


def won(made: tuple[Any, Any], seed: int) -> Answer:
    return promoting.worth_less(promoting.won(*made, days=HORIZON, margin=1.0))


def agreeing(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Consent in either arm; the artefact: where nothing was offered, the box was ticked beforehand."""
    lot = np.arange(2000) % 2 == 0
    chance = np.where(lot, CONSENT[world], 0.9 if world == "artefact" else 0.4)
    return pd.DataFrame({"treated": lot, "yes": random.random(2000) < chance})


def staying(random: np.random.Generator, world: str) -> tuple[pd.DataFrame, list[float]]:
    """Who is still there; the artefact: the personal reward keeps more of them because it costs twice as much."""
    lot, dearer = random.random(10_000) < 0.5, world == "artefact"
    stayed = random.random(10_000) < 0.9 + lot * (0.04 if dearer else 0.02 * TIMES[world])
    return pd.DataFrame({"treated": lot, "stayed": stayed}), [10.0 if dearer else 5.0, 5.0]


def answering(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Satisfaction before and after; the artefact: it rises by half a standard deviation for all."""
    lot, before = np.arange(500) % 2 == 0, random.standard_normal(500)
    rise = 0.5 * (world == "artefact") + 0.2 * TIMES[world] * lot
    said = 0.7 * before + math.sqrt(0.51) * random.standard_normal(500) + rise
    return pd.DataFrame({"treated": lot, "said": said, "before": before})


def powers(of: float, by: float = 0.0) -> dict[str, float]:
    """What a quantity is in each world: so many times a step, or a step to the power of it."""
    return {world: by * times if by else of**times for world, times in TIMES.items()}


MONEY, MONTH, ALL_MORE = powers(1.05), "more got the promotion in a better month", "everybody comes to buy more"
CASES = (
    Case("P05", partial(spending, span="during"), lambda table, seed: promoting.sold_more(table)[promoting.SHARPER],
         CUSTOMERS, "D", MONTH, truth=MONEY),
    Case("P06", returning, lambda table, seed: promoting.left_behind(table)[promoting.ALL], CUSTOMERS, "D",
         "a promotion draws those who seldom buy", truth=AGAIN),
    Case("P07", leaving, lambda table, seed: promoting.leaving(table), "8,000 customers", "D",
         "more got the promotion that drew customers who stay shortly", truth=powers(1.1), dear=True),
    Case("P08", winning, won, "1,000 customers", "C", "the latest customers have not had time to bring much",
         truth=LEFT_OVER),
    Case("P12", agreeing, lambda table, seed: personal.willing(table), "2,000 customers", "D",
         "a box that was ticked beforehand", truth=CONSENT),
    Case("P13", partial(spending, span="after"), lambda table, seed: personal.offered(table)[personal.SHARPER],
         CUSTOMERS, "D", ALL_MORE, truth=MONEY),
    Case("P15", staying, lambda made, seed: personal.retained(*made), CUSTOMERS, "D", "a dearer reward",
         truth={**powers(0, by=0.02), "artefact": math.nan}),
    Case("S11", answering, lambda said, seed: personal.happier(said), "500 answers", "D",
         "satisfaction rises for everybody", truth=powers(0, by=0.2)),
)  # fmt: skip
