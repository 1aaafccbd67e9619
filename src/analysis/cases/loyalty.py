"""Worlds of loyalty: its kinds, what holds customers, and what feelings tell (L01, L02, L07 to L13, G01, G04, G07)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis import allegiance, attachment
from analysis.attachment import OF_LOYALTY, SOURCES
from analysis.calibration import Case
from analysis.planted import TIMES, alike, answers, boundary, caused
from analysis.scales import Answers

DRAWS, SLOPE, SIZE = 199, 0.1, "1,000 customers"
CMV = "everybody ticks high or low throughout, and nothing causes anything"
HELD = {world: SLOPE * times for world, times in TIMES.items()}
RATIO = {world: 1.1**times for world, times in TIMES.items()}
KNOWN = {world: slope for world, slope in HELD.items() if world != "artefact"}  # where the artefact cannot be removed
FREE = 0.86  # variance of one of three causes that correlate .3 which the other two leave


def table(scores: Any, **more: Any) -> pd.DataFrame:
    rows = pd.DataFrame(scores)
    return rows.assign(who=np.arange(len(rows)), weight=1.0, **more)


# --- Kinds, and what holds customers --------------------------------------------------------------------------------


def crowd(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Four kinds; one kind; or one lopsided kind, with answers that crowd at the end of the scale."""
    size, normal = 600, random.standard_normal
    if world == "true":
        kind = random.choice(4, size, p=(0.35, 0.2, 0.2, 0.25))
        attitude, pace = np.where(kind < 2, 1.3, -1.3) + 0.45 * normal(size), np.where(kind % 2, -1.0, 1.0)
        return pd.DataFrame({"attitude": attitude, "often": np.log1p(random.poisson(np.exp(2 + pace)))})
    one = alike(random, size, ["attitude", "often"], 0.3)
    if world == "null":
        return pd.DataFrame(one)
    seen = np.clip(np.rint(2 * (5.5 + 1.2 * one["attitude"])) / 2, 1, 7)
    return pd.DataFrame({"attitude": seen, "often": np.log1p(random.poisson(np.exp(0.8 + 0.8 * one["often"])))})


def several(rows: pd.DataFrame, seed: int) -> Any:
    return allegiance.parts(allegiance.sorted_out(rows, draws=19, halves=12, seed=seed))


def contracts(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Contracts of a year and more: switching cost dulls, or does nothing to, what satisfaction does to leaving."""
    size, method, share = 3000, 0.4 * (world == "artefact"), boundary(0.05, 0.02)[world]
    held = alike(random, size, ["satisfaction", "attitude", "switching_cost"], method)
    steep = math.log(1.1) * TIMES[world] * held["switching_cost"] - 0.3
    life = random.exponential(500 / np.exp(steep * held["satisfaction"]))
    stuck = (life >= 365) & (held["switching_cost"] > 0)
    held["attitude"] -= np.quantile(held["attitude"][stuck], share / stuck.mean())  # so many stay without liking it
    time = np.minimum(life, 400)
    return table(held, time=time, left=life < 400, stay=time, gone=life < 400, seen=400)


def willing(rows: pd.DataFrame, seed: int) -> Any:
    return allegiance.willing_or_stuck(rows, days=365)[allegiance.NEXT]


def members(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Members who stay for what they feel, or for what their tier says of them already."""
    held = alike(random, 4000, ["attitude", "often"])
    tier = np.digitize(held["often"], (-0.7, 0.0, 0.8))
    odds = 0.5 * tier - 0.25 + 0.28 * (world == "true") * held["attitude"]
    stayed = random.random(4000) < 1 / (1 + np.exp(-odds))
    held["attitude"] += (world == "artefact") * tier
    return table(held, tier=np.array(["none", "bronze", "silver", "gold"])[tier], points=0.0, stayed=1.0 * stayed)


def demanding(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Loyalty that raises later demands, or heavy use that raises both."""
    use = 0.5 * (world == "artefact")
    held = caused(random, 1000, "later desired", {"loyalty": HELD[world], "usage": use}, shared=use)
    return table(held)


def first(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Experience counts more than habit, as much, or less; or it only has the steadier score."""
    slopes = dict.fromkeys(["experience", *allegiance.RIVALS], 0.0)
    if world != "artefact":
        slopes |= {"experience": {"true": 0.45, "null": 0.3, "reversed": 0.1}[world], "habit": 0.3}
    held = caused(random, 1000, "later loyalty", slopes, shared=0.2, method=0.3 * (world == "artefact"))
    blurred = 0.8 * (world == "artefact")
    for rival in allegiance.RIVALS:
        held[rival] = held[rival] + blurred * random.standard_normal(1000)
    return table(held)


def experience(rows: pd.DataFrame, seed: int) -> Any:
    return allegiance.lead(allegiance.first_cause(None, rows, draws=DRAWS, seed=seed))


# --- What feelings tell ---------------------------------------------------------------------------------------------


def blocks(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Three feelings that move later buying, or that follow from what was bought before."""
    slopes = dict.fromkeys(attachment.BLOCKS, HELD[world] / math.sqrt(FREE))
    held = caused(random, 1500, "later buying", slopes, shared=0.3)
    past = random.standard_normal(1500)
    if world == "artefact":
        held = {name: math.sqrt(0.6) * score + math.sqrt(0.4) * past for name, score in held.items()}
    return table(held, unsteady=random.gamma(2.0, 0.3, 1500), past=past)


def product(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Feelings that strengthen each other, or that add up on the scale on which orders multiply."""
    held = alike(random, 2500, list(attachment.BLOCKS), 0.3)
    a, b, c = held.values()
    sums, extra = 0.3 * (a + b + c), 0.16 * (world == "true") * a * b * c
    held["later buying"] = sums + extra + random.standard_normal(2500)
    if world == "artefact":
        held["later buying"] = np.log1p(random.poisson(8 * np.exp(sums)))
    return table(held)


def without(random: np.random.Generator, world: str, *, added: str, condition: str, of: str) -> pd.DataFrame:
    """A feeling without which nothing goes; one that does nothing; or one that merely adds up."""
    size = 1000
    held = caused(random, size, "outcome", {"satisfaction": 0.4, added: 0.5 if world != "null" else 0.0}, shared=0.2)
    if world == "true":
        level = random.random(size)
        held[condition], held[of] = level, random.random(size) * np.minimum(1, level + 0.1)
        other = ({"satisfaction", added, "outcome"} - {condition, of}).pop()
        held[other] = held[of] + random.standard_normal(size) if other == "outcome" else random.standard_normal(size)
    return pd.DataFrame(held)


def must(rows: pd.DataFrame, seed: int, *, added: str, condition: str, of: str, second: str) -> Any:
    found = attachment.indispensable(rows, added, condition=condition, of=of, draws=DRAWS, seed=seed)
    return attachment.in_parts(found, second)


def necessary(claim: str, second: str, **asked: Any) -> Case:
    drawn, ask = partial(without, **asked), partial(must, second=second, **asked)
    artefact = "a plain correlation, which leaves the corner thin"
    return Case(claim, drawn, ask, "1,000 customers", "C", artefact=artefact, few=True, reversible=False)


def rivals(random: np.random.Generator, world: str) -> Answers:
    """Four waves, half a year apart: leads that last and work, do not, or are what loyal customers say."""
    size, does, months = 800, HELD[world], {"null": 12.0, "artefact": 12.0}.get(world, 90.0)
    stays, normal = 0.5 ** (6 / months), random.standard_normal
    trait, lead, loyalty, seen = normal(size), normal(size), normal(size), []
    for wave in range(4):
        held = 0.7 * trait + 0.7 * lead if world == "artefact" else lead
        loyalty = trait if world == "artefact" else loyalty
        ours, day = held + 0.3 * normal(size), pd.Timestamp("2020-01-15") + pd.Timedelta(days=183 * wave)
        said = {"satisfaction": ours, "rival_other": 0.5 * normal(size), "loyalty": loyalty + 0.5 * normal(size)}
        seen.append(pd.DataFrame(said).assign(customer_id=np.arange(size), answered_at=day, wave=str(wave)))
        loyalty = 0.5 * loyalty + does * 1.25 * lead + math.sqrt(0.7) * normal(size)
        lead = stays * lead + math.sqrt(1 - stays**2) * normal(size)
    rows = pd.concat(seen, ignore_index=True)
    who: Any = {name: rows.pop(name).to_numpy() for name in ("customer_id", "answered_at", "wave")}
    return answers(random, {str(name): rows[name].to_numpy() for name in rows}, **who)


def ahead(found: Answers, seed: int) -> Any:
    return attachment.durable(found, attachment.leads(found), draws=DRAWS, seed=seed)[attachment.FIXED]


def engaged(random: np.random.Generator, world: str) -> Answers:
    slopes, method = dict.fromkeys(SOURCES, HELD[world]), 0.4 * (world == "artefact")
    return answers(random, caused(random, 1200, "engagement", slopes, shared=0.2, method=method))


def trusting(random: np.random.Generator, world: str) -> Answers:
    """Trust counts more than the next best, as much, or less; or all is one way of ticking boxes."""
    size, trust = 1200, {"true": 0.45, "null": 0.3, "reversed": 0.12, "artefact": 0.0}[world]
    slopes = dict(zip(OF_LOYALTY, (trust, 0.3 * (world != "artefact"), 0.0, 0.0), strict=True))
    held = caused(random, size, "loyalty", slopes, shared=0.2, method=0.4 * (world == "artefact"))
    # The first questionnaire holds the drivers, the second one the loyalty.
    days = np.repeat(pd.to_datetime(["2021-01-01", "2021-07-01"]), size)
    twice = {name: np.tile(score, 2) for name, score in held.items()}
    return answers(random, twice, customer_id=np.tile(np.arange(size), 2), answered_at=days)


def trust_first(found: Answers, seed: int) -> Any:
    return attachment.trust_first(attachment.of_loyalty(found, draws=DRAWS, seed=seed))


def asks(test: Any) -> Any:
    return lambda rows, seed: test(rows, draws=DRAWS, seed=seed)


CASES: tuple[Case, ...] = (
    Case("L09", crowd, several, "600 customers", "B", "one kind of customer, lopsided, whose answers crowd at the end",
         few=True, reversible=False),
    Case("L10", contracts, willing, "3,000 customers", "C", CMV, dear=True, part="dulled", truth=RATIO),
    Case("L11", members, asks(allegiance.beyond_tier), "4,000 members", "C",
         "attitude and orders say what made the tier, and no more", dear=True, reversible=False),
    Case("L12", demanding, asks(allegiance.demands), SIZE, "C", "heavy use makes loyal and demanding", truth=HELD),
    Case("L13", first, experience, SIZE, "C", f"{CMV}; experience has the steadier score", removable=False),
    Case("L01", blocks, asks(attachment.three_blocks), "1,500 customers", "C",
         "those who buy much come to like us, which moves nothing", removable=False, truth=KNOWN, part="emotion"),
    Case("L07", product, asks(attachment.together), "2,500 customers", "C",
         "feelings add up on the scale on which orders multiply", reversible=False),
    necessary("L02", "necessary", added="bond", condition="bond", of="outcome"),
    necessary("G01", "entrance", added="engagement", condition="satisfaction", of="engagement"),
    Case("L08", rivals, ahead, "800 customers at four waves", "C",
         "loyal customers rate us higher, which moves nothing", removable=False),
    Case("G04", engaged, asks(attachment.sources), "1,200 answers", "B", CMV, removable=False, truth=KNOWN,
         part="satisfaction"),
    Case("G07", trusting, trust_first, "1,200 customers", "C", CMV, removable=False),
)  # fmt: skip
