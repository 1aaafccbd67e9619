"""Worlds of expectations: where they come from, what meeting them does, and what is put up with (E01 to E14, S04, S05).

Slopes are twice .10 of a standard deviation where a claim is true.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis import antecedents, gaps, tolerance, trials
from analysis.antecedents import NEEDS, SOURCES
from analysis.calibration import Case
from analysis.planted import TIMES, WIDE, alike, answers, boundary, caused
from analysis.scales import Answers

DRAWS, SLOPE = 199, 0.1
CMV = "everybody ticks high or low throughout, and nothing causes anything"
HELD = {"true": 2 * SLOPE, "null": 0.0, "reversed": -2 * SLOPE}


def level(random: np.random.Generator, world: str, *, outcome: str, causes: Any, n: int, beside: Any = ()) -> Answers:
    slopes = dict.fromkeys(causes, SLOPE * TIMES[world]) | dict.fromkeys(beside, 0.0 if world == "artefact" else 0.2)
    return answers(random, caused(random, n, outcome, slopes, shared=0.3, method=0.3 * (world == "artefact")))


def of_a_level(claim: str, outcome: str, causes: Any, n: int, ask: Any, *, beside: Any = (), **more: Any) -> Case:
    drawn = partial(level, outcome=outcome, causes=causes, n=n, beside=beside)
    return Case(claim, drawn, ask, f"{n:,} answers", artefact=CMV, removable=False, truth=HELD, **more)


def shaped(key: str) -> Any:
    return lambda found, seed: antecedents.shaped(found, key, draws=DRAWS, seed=seed)


def single(key: str, cause: str) -> Any:
    return lambda found, seed: antecedents.single(found, key, cause, draws=DRAWS, seed=seed)


def all_sources(random: np.random.Generator, world: str) -> Answers:
    slopes = dict.fromkeys(SOURCES, SLOPE * TIMES[world])
    held = caused(random, 1000, "predicted", slopes, shared=0.2, method=0.3 * (world == "artefact"))
    return answers(random, held | {"desired": held["predicted"] + 0.3 * random.standard_normal(1000)})


def first_source(found: Answers, seed: int) -> Any:
    return next(iter(antecedents.sources(found, draws=DRAWS, seed=seed).values()))


# --- Experience against expectation ---------------------------------------------------------------------------------


def both(
    random: np.random.Generator, world: str, *, n: int, perception: float = 1.0, dimensions: Any = ("all",)
) -> Answers:
    """Slopes of one size on experience and against expectation; at null on experience alone.

    The artefact: what was experienced is measured badly and goes with low expectations, which then seem to matter.
    """
    times = {"true": 2, "null": 0, "reversed": -2, "artefact": 0}[world]
    found, total = dict[str, np.ndarray](), np.zeros(n)
    shared = -0.5 if world == "artefact" else 0.0
    for name in dimensions:
        e, own = random.standard_normal((2, n))
        p = shared * e + math.sqrt(1 - shared**2) * own
        found |= {f"{name} found": p, f"{name} expected": e}
        total += (SLOPE * times or 0.4 * perception) * p - SLOPE * times * e
    left = math.sqrt(1 - total.var())
    levels = {name: {"expectation": f"{name} expected", "perception": f"{name} found"} for name in dimensions}
    held = found | {"satisfaction": total + left * random.standard_normal(n)}
    sure = {f"{name} found": 0.7 for name in dimensions} if world == "artefact" else {}
    made = answers(random, held, items=2, reliability=sure | {} if sure else 0.999, levels=levels)
    sides = {
        side: tuple(item for each in made.dimensions.values() for item in each[side])
        for side in ("expectation", "perception")
    }
    return Answers(made.items, made.who, made.weight, {**made.constructs, **sides}, made.dimensions, made.scale)


def equal(random: np.random.Generator, world: str) -> Answers:
    return both(random, world, n=1500, perception=0.0 if world == "null" else 1.0)


def explained(which: int) -> Any:
    return lambda found, seed: gaps.explained(found, draws=DRAWS, seed=seed)[which]["satisfaction"]


DIFF = "experience is measured badly and goes with low expectations, which alone make a difference"


# --- Levels and zones -----------------------------------------------------------------------------------------------


def ordered(random: np.random.Generator, world: str) -> Answers:
    from scipy.special import ndtri

    apart = float(ndtri(boundary(0.9, 0.04, below=0.06)[world]))
    held = alike(random, 500, ["adequate", "perception"])
    held["desired"] = held["adequate"] + apart + random.standard_normal(500)
    return answers(random, held, levels={"all": {side: side for side in held}})


def zone(random: np.random.Generator, world: str) -> pd.DataFrame:
    """At null one more standard deviation inside the zone moves as much as matters; reversed, one straight line."""
    n = 3000
    p, a = random.standard_normal((2, n)) * np.array([[1.0], [0.4]]) - np.array([[0.0], [1.0]])
    d = a + random.uniform(1.6, 2.4, n)
    below, inside, above = {"true": (0.8, 0.0, 0.5), "null": (0.8, 0.058, 0.5)}.get(world, (0.35, 0.35, 0.35))
    z = below * np.minimum(p - a, 0) + inside * np.clip(p - a, 0, d - a) + above * np.maximum(p - d, 0)
    return pd.DataFrame({"p": p, "a": a, "d": d, "z": z + 0.45 * random.standard_normal(n)})


def zone_asked(table: pd.DataFrame, seed: int) -> Any:
    asked: dict[str, Any] = {"outcome": "z", "perception": "p", "adequate": "a", "desired": "d", "scale": WIDE}
    found: Any = tolerance.zones(table, **asked, seed=seed)
    return found if not isinstance(found, dict) else {part: found[part] for part in ("inside", "outside", "kinks")}


# --- Learning, promises, kinds and logs -------------------------------------------------------------------------------


def learning(random: np.random.Generator, world: str) -> pd.DataFrame:
    """The artefact: nobody learns; what is expected is measured badly and goes with what is found."""
    n, share = 500, {"true": 0.35, "null": 0.05, "reversed": -0.1, "artefact": 0.0}[world]
    before, found = alike(random, n, ["before", "found"], 0.5).values()
    after = (1 - share) * before + share * found + 0.3 * random.standard_normal(n)
    noise = 1.0 if world == "artefact" else 0.4
    said = {
        f"{side} {number}": score + noise * random.standard_normal(n)
        for side, score in (("before", before), ("found", found), ("after", after))
        for number in range(4)
    }
    return pd.DataFrame({"customer_id": np.arange(n), "row": np.arange(n), **said})


def learnt(three: pd.DataFrame, seed: int) -> Any:
    people = Answers(three, pd.DataFrame(), np.ones(len(three)), {}, {}, {})
    return antecedents.updating(people, three, experience="", draws=DRAWS, seed=seed)[antecedents.FREE]


def promised(random: np.random.Generator, world: str) -> pd.DataFrame:
    lot = random.permutation(1000) % 2 == 0
    return pd.DataFrame({"treated": lot, "said": 0.2 * TIMES[world] * lot + random.standard_normal(1000)})


def kinds(random: np.random.Generator, world: str) -> Answers:
    shared = {"true": 0.6, "null": 0.9, "reversed": 1.0}[world]
    return answers(random, alike(random, 500, ["should", "will"], shared), items=3, reliability=0.85)


def rated(random: np.random.Generator, world: str) -> pd.DataFrame:
    rank = boundary(0.5, 0.11)[world]
    pair = alike(random, 500, ["quality", "performance"], 2 * math.sin(math.pi * rank / 6))
    return pd.DataFrame({**pair, "weight": 1.0, "customer_id": np.arange(500)})


def tolerated(random: np.random.Generator, world: str) -> tuple[Answers, pd.DataFrame]:
    """Three ratings each of a thousand customers, by sixty members of staff on sixty days."""
    people, times = 1000, 3
    size, share = people * times, {"true": 0.15, "null": 0.02}.get(world, 0.02)
    staff, day = random.integers(0, 60, (2, size))
    by_staff, by_day = math.sqrt(share) * random.standard_normal((2, 60))
    rating = by_staff[staff] + by_day[day] + math.sqrt(1 - 2 * share) * random.standard_normal(size)
    who, wave = np.repeat(np.arange(people), times), np.tile(np.arange(times), people)
    own = rating.reshape(people, times)
    unsteady = own.var(axis=1, ddof=1)
    slope = {"true": 0.0, "null": -SLOPE, "reversed": -3 * SLOPE}[world]
    loyalty = slope * (unsteady - unsteady.mean()) / unsteady.std() + math.sqrt(1 - slope**2) * random.standard_normal(
        people
    )
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(180 * wave, unit="D")
    found = answers(random, {"quality": rating, "loyalty": loyalty[who]}, customer_id=who, answered_at=when)
    events = pd.DataFrame({"quality": rating, "staff_id": staff, "served": day, "weight": 1.0})
    return found, events


CASES = (
    Case("E01", learning, learnt, "500 customers asked twice", "C", artefact="answers are noisy and nobody learns",
         truth={"true": 0.35, "null": 0.05, "reversed": -0.1, "artefact": 0.0}),
    Case("E02", promised, lambda t, seed: trials.difference(t["said"], t["treated"], in_sd=True, unit="sd"),
         "1,000 customers", "D", truth={"true": 0.4, "null": 0.0, "reversed": -0.4}),
    Case("E03", kinds, lambda found, seed: antecedents.two_kinds(found, draws=49, seed=seed), "500 answers", "B",
         few=True, part="distinct", truth={"true": 0.6, "null": 0.9}),
    Case("E04", rated, lambda events, seed: antecedents.felt(events, draws=DRAWS, seed=seed)["by rank"],
         "500 answers", "C", truth=boundary(0.5, 0.11)),
    Case("E05", equal, explained(0),
         "1,500 answers", "B", artefact=DIFF, dear=True, part="expectation",
         truth={"true": -0.2, "null": 0.0, "reversed": 0.2}),
    Case("E06", partial(both, n=1500), explained(1),
         "1,500 answers", "C", artefact=DIFF, dear=True, part="expectation",
         truth={"true": -0.2, "null": 0.0, "reversed": 0.2, "artefact": 0.0}),
    Case("E07", ordered, lambda found, seed: gaps.two_levels(found, draws=DRAWS, seed=seed), "500 answers", "B",
         part="ordered", truth=boundary(0.9, 0.04, below=0.06)),
    of_a_level("E08", "adequate", ["predicted"], 1000,
               single("E08", "predicted"),
               beside=("desired", "needs"), rung="C"),
    Case("E09", zone, zone_asked, "3,000 answers", "C", dear=True, edge=True),
    Case("E10", tolerated, lambda drawn, seed: antecedents.put_up_with(*drawn, draws=DRAWS, seed=seed),
         "1,000 customers who rated three times", "B", part="staff", truth={"true": 0.15, "null": 0.02}, dear=True),
    of_a_level("E11", "desired", NEEDS, 500,
               shaped("E11"), rung="B", part="social"),
    of_a_level("E12", "desired", ["knowledge"], 1000,
               single("E12 desired", "knowledge"), rung="C"),
    Case("E13", all_sources, first_source, "1,000 answers", "B", artefact=CMV, removable=False),
    of_a_level("E14", "desired", ["can_be", "should"], 1000,
               shaped("E14"), rung="B", part="can_be"),
    Case("S04", partial(both, n=3000), lambda found, seed: gaps.disconfirmed(found, draws=DRAWS, seed=seed),
         "3,000 answers", "C", artefact=DIFF, dear=True, part="mismatch", truth={"true": 0.4}),
    Case("S05", partial(both, n=3000, dimensions=("product", "service", "price")),
         lambda found, seed: gaps.beaten(found),
         "3,000 answers", "C", artefact=DIFF, part="price_perception", truth={"true": 0.2}),
)  # fmt: skip
