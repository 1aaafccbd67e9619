"""Worlds of what customers get for what they give (V01 to V08)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis import bargains, journeys
from analysis.calibration import Case
from analysis.cases.expectations import CMV
from analysis.estimates import NotTestable
from analysis.planted import TIMES, alike, answers, boundary, caused, study
from analysis.scales import Answers

DRAWS, REFITS = 199, 49
GAINED = 0.02  # of R squared, twice what matters


def triad(random: np.random.Generator, world: str) -> Answers:
    """Three slopes, at their true size large enough for a quarter of all differences."""
    slopes = dict.fromkeys(bargains.TRIAD, 0.15 * TIMES[world])
    return answers(random, caused(random, 500, "value", slopes, shared=0.5, method=0.3 * (world == "artefact")))


def sided(random: np.random.Generator, world: str) -> Answers:
    """Six questions about quality, of two kinds or of one."""
    two = alike(random, 500, ["one", "other"], 0.3 if world == "true" else 1.0)
    held = {f"q{number}": two["one" if number < 3 else "other"] for number in range(6)}
    made = answers(random, held, reliability=0.65)
    items = tuple(map(str, made.items))
    return Answers(made.items, made.who, made.weight, {"quality": items}, {}, made.scale)


def named(random: np.random.Generator, world: str) -> Answers:
    image = math.sqrt(GAINED / 0.85) * np.sign(TIMES[world])
    slopes = {"quality": 0.3, "price": 0.3, "image": image}
    if world == "artefact":
        slopes = dict.fromkeys(slopes, 0.0)
    return answers(random, caused(random, 1000, "value", slopes, shared=0.3, method=0.3 * (world == "artefact")))


def close(random: np.random.Generator, world: str) -> Answers:
    method = 0.6 if world == "artefact" else 0.0
    shared = 0.1 if world == "artefact" else boundary(0.5, 0.14)[world]
    way, held = math.sqrt(method) * random.standard_normal(500), alike(random, 500, ["value", "satisfaction"], shared)
    both = {name: way + math.sqrt(1 - method) * score for name, score in held.items()}
    return answers(random, both, items=3, reliability=0.85)


def linked(random: np.random.Generator, world: str) -> Answers:
    """Four attributes judged by their mean and, twice what matters, by the lowest; the artefact: unequal weights."""
    held = alike(random, 500, ["a", "b", "c", "d"], 0.3)
    rated = np.array([*held.values()])
    weights = np.array([0.7, 0.2, 0.1, 0.0]) if world == "artefact" else np.full(4, 0.25)
    lowest = {"true": 0.5, "reversed": -0.5}.get(world, 0.0) * (rated.min(axis=0) - rated.mean(axis=0))
    judged = weights @ rated + lowest + 0.5 * random.standard_normal(500)
    made = answers(random, held | {"satisfaction": judged})
    asked = {**made.constructs, "quality": tuple(map(str, made.items))[:4]}
    return Answers(made.items, made.who, made.weight, asked, {}, made.scale)


def link_asked(found: Answers, seed: int) -> Any:
    readings = bargains.weak_link(found, draws=DRAWS, seed=seed)
    return NotTestable(limit) if (limit := bargains.artefact(readings)) else readings["as answered"]


def weighed(random: np.random.Generator, world: str) -> Answers:
    """Value is the difference of what is got and given; neither; or, reversed, their ratio."""
    n = 500
    got, given = np.clip(random.normal(6, 2, n), 1, 10), np.clip(random.normal(4, 2, n), 1, 10)
    ratio = got / given
    shapes = {"true": (got - given) / 2.8, "reversed": (ratio - ratio.mean()) / ratio.std()}
    value = shapes.get(world, np.zeros(n)) + 0.6 * random.standard_normal(n)
    held = {"quality": got, "price": 11 - given, "effort": given, "value": value}
    return answers(random, held, scale=dict.fromkeys(("quality", "price", "effort"), (1.0, 10.0)))


def waited(random: np.random.Generator, world: str) -> tuple[Any, Answers]:
    """A fault logged the day before each answer; the artefact: severe cases take longer and are worth less."""
    n = 1000
    severity, own = random.standard_normal((2, n))
    shared = 0.6 if world == "artefact" else 0.0
    fault = shared * severity + math.sqrt(1 - shared**2) * own
    slope = -0.1 * TIMES[world]
    value = slope * fault - 0.4 * shared * severity
    value = value + math.sqrt(1 - value.var()) * random.standard_normal(n)
    day = pd.Timestamp("2024-03-01")
    log = pd.DataFrame({"customer_id": np.arange(n), "measured_at": day, "fault": fault, "severity": severity})
    who: dict[str, Any] = {"customer_id": np.arange(n), "answered_at": day + pd.Timedelta(days=1)}
    return study(operations=log), answers(random, {"value": value}, **who)


def ranked(random: np.random.Generator, world: str) -> Answers:
    """Share of wallet by level and, twice what matters, by rank; reversed, those ranked first get less."""
    n = 1000
    held = alike(random, n, ["satisfaction", "rival_north", "rival_south"])
    above = (held["rival_north"] > held["satisfaction"]).astype(float) + (held["rival_south"] > held["satisfaction"])
    wallet = 0.4 * held["satisfaction"] - 0.15 * TIMES[world] * (above - 1) + random.standard_normal(n)
    return answers(random, held | {"wallet_share": wallet})


def level_alone(claim: str) -> Any:
    asks = {"V03": bargains.good_name, "V08": bargains.ahead}
    return lambda found, seed: asks[claim](found, draws=DRAWS, seed=seed)


def triad_asked(found: Answers, seed: int) -> Any:
    return bargains.triad(found, draws=DRAWS, refits=1, seed=seed)["as answered"]


CASES = (
    Case("V01", triad, triad_asked, "500 answers", "B", artefact=CMV, removable=False, part="product",
         truth={"true": 0.3, "null": 0.0, "reversed": -0.3}),
    Case("V02", sided, lambda found, seed: bargains.sides(found, refits=REFITS, seed=seed)[bargains.GROUPED],
         "500 answers", "B", few=True, reversible=False),
    Case("V03", named, level_alone("V03"), "1,000 answers", "C", artefact=CMV, removable=False),
    Case("V04", close, lambda found, seed: bargains.closeness(found, refits=REFITS, seed=seed), "500 answers", "B",
         artefact=CMV, removable=False, few=True, truth={"true": 0.64, "null": 0.5, "reversed": 0.36},
         association=journeys.MOOD),
    Case("V05", linked, link_asked, "500 answers", "B", artefact="some parts weigh more than others", dear=True),
    Case("V06", weighed, lambda found, seed: bargains.difference_over_ratio(bargains.weighing(found), seed=seed),
         "500 answers", "B", dear=True),
    Case("V07", waited, lambda drawn, seed: bargains.waiting(*drawn, ["fault"], ["severity"], days=30), "1,000 answers",
         "C", dear=True, artefact="severe cases take longer and leave less, whatever was done",
         truth={"true": -0.2, "null": 0.0, "reversed": 0.2, "artefact": 0.0}),
    Case("V08", ranked, level_alone("V08"), "1,000 answers", "B"),
)  # fmt: skip
