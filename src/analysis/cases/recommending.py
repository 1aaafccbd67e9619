"""Worlds of those who recommend, and of those who forgive: periods of customers, and time after answers."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis import forgiveness, recommending
from analysis.afterwards import Watched
from analysis.calibrated import WORLDS
from analysis.calibration import Case
from analysis.forgiveness import SERIOUS, SMALL
from analysis.planted import TIMES
from analysis.recommending import DEEDS, TRACED

MANY, RATIO, HAZARD = 10_000, np.log(1.05), np.log(1.10)


def lasting(random: np.random.Generator, log_rate: np.ndarray, *, days: int = 90) -> pd.DataFrame:
    """Who left within so many days, at rates a day whose logarithms are given."""
    left_on = np.ceil(random.exponential(np.exp(-log_rate)))
    return pd.DataFrame({"time": np.minimum(left_on, days), "left": left_on <= days, "entered": 0.0, "weight": 1})


def replies(random: np.random.Generator, world: str) -> Watched:
    harder, slope = random.integers(1, 6, MANY) - 3, TIMES[world] * HAZARD
    away = (0.6 if world == "artefact" else 0.1) * harder + 1.3 * random.standard_normal(MANY)
    rows = lasting(random, np.log(0.001) + slope * away + (0.4 if world == "artefact" else 0.1) * harder)
    return Watched(rows.assign(customer=0, severity=(harder + 3).astype(str), doublings=6 + away), ())


def failing(
    random: np.random.Generator, kind: str, grade: int, said: str, score: np.ndarray, free: np.ndarray, harm: np.ndarray
) -> Watched:
    """Answers followed by a failure on some later day; rates of leaving a day without it, and by how much it adds."""
    day, spent = random.integers(60, 121, len(score)), random.exponential(size=len(score))
    after = np.where(spent < free * day, spent / free, day + (spent - free * day) / (free + harm))
    until = np.minimum(np.ceil(after), day + 90)
    whole = {"answer": range(len(score)), "customer_id": range(len(score))}
    asked = pd.DataFrame({**whole, "day": 0, "until": until, "left": after <= day + 90, said: score})
    failures = pd.DataFrame({"customer_id": whole["customer_id"], "day": day, "grade": grade, "kind": kind})
    return Watched(forgiveness.cut(asked, failures, days=90), ())


def bonded(random: np.random.Generator, world: str) -> Watched:
    bond = random.standard_normal(MANY)
    free = 0.0014 * np.exp((-0.5 if world == "artefact" else -0.15) * bond)
    times = np.exp(0.9 - TIMES[world] * HAZARD * bond)
    return failing(random, SERIOUS, 4, "bond", bond, free, free * (times - 1))


def rated(random: np.random.Generator, world: str) -> Watched:
    rating = random.standard_normal(MANY)
    third = np.digitize(rating, np.quantile(rating, (1 / 3, 2 / 3)))  # 0 the lowest
    shares = np.array([0.10, 0.03, 0.01] if world == "artefact" else [0.02, 0.015, 0.01])[third]
    costs = (0.03 - 0.01 * TIMES[world] * (third - 1)) * np.ones(MANY)
    free, both = -np.log(1 - shares) / 90, -np.log(1 - shares - costs) / 90
    return failing(random, SMALL, 1, "satisfaction", rating, free, both - free)


def talking(random: np.random.Generator, world: str, cause: str) -> Watched:
    before, felt = random.poisson(0.5, MANY), random.standard_normal(MANY)
    felt = (felt > 0).astype(float) if cause == DEEDS else felt
    years = np.clip(0.7 + 0.2 * felt * (world == "artefact"), 0.1, 1.0)
    rate = 2 * years * np.exp(TIMES[world] * RATIO * felt + 0.3 * np.log1p(before))
    rows = pd.DataFrame(
        {"customer": range(MANY), "start": "1", cause: felt, "years": years, "earlier": np.log1p(before)}
    )
    return Watched(rows.assign(happened=random.poisson(rate)), ())


def crossing(random: np.random.Generator, world: str) -> Watched:
    loyal = (random.random(MANY) < 0.5).astype(float)
    lines = 3 + random.poisson(1 + 4 * loyal * (world == "artefact"), MANY)
    chance = 1 - (1 - 0.1426 - 0.02 * TIMES[world] * loyal) ** (1 / 3)
    rows = {"customer": range(MANY), "start": "1", DEEDS: loyal, "lines": lines, "new": random.binomial(lines, chance)}
    tried = random.choice(["1", "2"], MANY)
    return Watched(pd.DataFrame({**rows, "tried": tried, "margin": random.normal(20, 30, MANY)}), ())


def active(random: np.random.Generator, world: str) -> tuple[dict[str, pd.DataFrame], Watched]:
    engaged, did, own = random.standard_normal(MANY), {}, world == "artefact"
    for part in recommending.DOES:
        before = random.poisson(0.3 * np.exp(0.5 * engaged * own), MANY)
        chance = 0.06 + 0.0092 * TIMES[world] * engaged + 0.05 * own * (before > 0)
        after = (random.random(MANY) < np.clip(chance, 0.01, 1)).astype(int)
        table = {"score": engaged, "before": before, "before_worth": before, "after": after, "customer": range(MANY)}
        did[part] = pd.DataFrame({**table, "wave": "", "weight": 1.0})
    tenure = random.exponential(2, MANY) * np.exp(0.3 * engaged * own)
    rows = lasting(random, np.log(0.0013) - TIMES[world] * HAZARD * engaged - 0.1 * tenure)
    rows = rows.assign(answer=range(MANY), day=0, until=rows["time"], tenure=tenure, engagement=engaged)
    return did, Watched(rows, ())


def traced(random: np.random.Generator, world: str) -> pd.DataFrame:
    share = 0.5 + 1.5 * TIMES[world] * 0.5 / np.sqrt(1000)
    return pd.DataFrame({TRACED: random.random(1000) < share})


def case(claim: str, world: Any, ask: Any, artefact: str, step: float, *, scale: Any = np.exp, **more: Any) -> Case:
    """A case of this family; the truth is twice a step, nothing, or that turned round."""
    truth = {name: float(scale(TIMES[name] * step)) for name in WORLDS}
    usual = {"size": "10,000 customers", "rung": "C", "artefact": artefact, "truth": truth}
    return Case(claim, world, lambda drawn, seed: ask(drawn), **(usual | more))


TIME, HARD = "who stays longer has more time", "hard cases take longer and anger more"
AT_ALL_TIMES, CHANCES = "who feels little leaves more often anyhow", "who orders more has more chances"
BUSY, CROSSING = "who does much becomes engaged, and goes on doing much", partial(recommending.crossing, lines=3)
CASES: tuple[Case, ...] = (
    case("S09", replies, forgiveness.slow, HARD, HAZARD, size="10,000 contacts", dear=True),
    case("L03", bonded, forgiveness.buffered, AT_ALL_TIMES, -HAZARD, dear=True),
    case("L04", rated, lambda drawn: forgiveness.forgiven(forgiveness.falls(drawn, days=90)), AT_ALL_TIMES, 0.02,
         scale=float),
    case("L05", partial(talking, cause=DEEDS), recommending.referring, TIME, RATIO),
    case("L06", crossing, CROSSING, CHANCES, 0.02, scale=float, part="uptake"),
    case("G03", partial(talking, cause="engagement"), lambda drawn: recommending.praising(drawn.rows), TIME, RATIO),
    case("G06", active, lambda drawn: recommending.active(*drawn), BUSY, -HAZARD, part="renewal", dear=True),
    Case("G09", traced, lambda rows, seed: recommending.contributed(rows), "1,000 new customers", "B"),
)  # fmt: skip
