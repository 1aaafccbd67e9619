"""Worlds of contacts, service and trust, and of branches: staff, actions, engagement (notebooks 61 and 62)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis import chain, journeys, within
from analysis.calibration import Case
from analysis.estimates import part
from analysis.planted import TIMES, answers

UNITS, ROUNDS, PEOPLE, DRAWS = 60, 10, 50, 199
HAZARD = np.log(1.10)
GAP = 30


def contacts(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Sets of one who left and five who stayed; contacts of some places keep people, of others drive them away."""
    rate, sets = np.array([0.4, 0.6, 0.5, 0.4, 0.3]), 400
    tenure = random.exponential(600, (sets, 30))
    # Those who stay long are in touch more, and at some places more so than at others.
    grown = 1 + np.array([2, 1, 0, 0, 0]) * np.minimum(tenure[..., None], 2000) / 1000 * (world == "artefact")
    touched = random.poisson(rate * grown)
    does = {"true": np.array([-1.0, 0.8, 0, 0, 0]), "null": np.full(5, -0.3), "reversed": np.full(5, 0.3)}
    pull = touched @ does.get(world, np.zeros(5)) - 0.001 * tenure * (world == "artefact")
    gone = np.argmax(pull + random.gumbel(size=pull.shape), axis=1)[:, None]
    others = (gone + 1 + np.arange(journeys.BESIDE)) % 30
    place = np.hstack([gone, others])
    rows = pd.DataFrame({"set": np.repeat(np.arange(sets), 6), "stayed": np.tile([0.0] + [1.0] * 5, sets)})
    rows = rows.assign(customer=range(len(rows)), tenure=np.take_along_axis(tenure, place, 1).ravel())
    return rows.join(pd.DataFrame(np.take_along_axis(touched, place[..., None], 1).reshape(-1, 5), columns=[*"abcde"]))


def trusting(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Contacts, then trust, then loyalty, of 500 people; who likes the firm anyhow may seek contact and be loyal."""
    liking, noise = random.standard_normal(500), random.standard_normal((5, 500))
    fond = 0.6 * (world == "artefact")
    first = {"true": 0.25, "reversed": -0.25}.get(world, 0.0)
    given = noise[:2] + fond * liking
    reached = noise[2] + fond * liking
    trust = first * reached + 0.5 * given[0] + fond * liking + 0.8 * noise[3]
    loyalty = 0.15 * trust + 0.5 * given[1] + fond * liking + 0.8 * noise[4]
    table = pd.DataFrame({"contacts": reached, "trust": trust, "loyalty": loyalty, "weight": 1.0})
    return table.assign(customer_id=range(500), **{"trust before": given[0], "loyalty before": given[1]})


def ratings(
    random: np.random.Generator, slope: float, n: int, *, fading: float = 0.0, growing: float = 0.0
) -> pd.DataFrame:
    """Spells of customers of up to three years, rated every half year; ratings may fall shortly before leaving.

    Args:
        random: the generator.
        slope: of a rating on the logarithm of the hazard.
        n: how many customers.
        fading: how far the ratings of the last `GAP` days lie lower.
        growing: by how much ratings rise in each year of tenure.
    """
    held = random.standard_normal(n)
    life = random.exponential(900 / np.exp(slope * held))
    time, asked = np.minimum(life, 1095).round() + 1, random.uniform(0, 180, n)[:, None] + 182.0 * np.arange(6)
    who, place = np.nonzero(asked < time[:, None])
    age = asked[who, place].round()
    late = (life[who] - age < GAP) & (life[who] < 1095)
    rating = held[who] - fading * late + growing * age / 365
    rows = {"customer_id": who, "started_at": 0, "time": time[who], "left": life[who] < 1095, "entered": 0.0}
    return pd.DataFrame(rows | {"age": age, "rating": rating})


def caring(random: np.random.Generator, world: str) -> Any:
    """Two questionnaires of 900 people; the mood of the day may colour all that is said on it."""
    mood = random.standard_normal(1800) * (world == "artefact")
    care = np.tile(random.standard_normal(900), 2)
    slope = 0.1 * TIMES[world]
    wallet = slope * care + np.sqrt(1 - slope**2) * random.standard_normal(1800)
    days = np.repeat(pd.to_datetime(["2024-01-10", "2024-07-10"]), 900)
    said, who = {"care": care + mood, "wallet_share": wallet + mood}, np.tile(np.arange(900), 2)
    return answers(random, said, customer_id=who, answered_at=days)


def knowing(random: np.random.Generator, world: str) -> list[pd.DataFrame]:
    """Order lines and promotions of 1,000 people; who knows more may be one who buys much at low prices."""
    knows = np.repeat(random.standard_normal(1000), 8)
    hunts = 0.5 * knows * (world == "artefact")
    table = pd.DataFrame({"customer_id": np.repeat(np.arange(1000), 8), "knowledge": knows, "product": "all"})
    table = table.assign(quarter="1", promotion=np.tile(np.arange(8), 1000))
    frames = []
    for cause, outcome, lot in (
        ("price", "quantity", random.standard_normal(8000) - hunts),
        ("treated", "orders", random.choice([-1.0, 1.0], 8000)),
    ):
        told = (-0.1 * TIMES[world] * knows - 0.2) * lot + hunts + random.standard_normal(8000)
        rows = within.in_deviations(table.assign(**{cause: lot, outcome: told}), [cause, outcome])
        frames.append(rows.assign(both=rows[cause] * knows))
    return frames


def mended(random: np.random.Generator, world: str) -> tuple[Any, pd.DataFrame]:
    """Branches whose customers answer each half year; after a start the unhappy may stop, or satisfaction may rise."""
    days = pd.date_range("2020-01-15", periods=ROUNDS, freq="182D")
    start = random.integers(2, ROUNDS + 2, UNITS)
    unit, round_ = np.repeat(np.arange(UNITS), PEOPLE * ROUNDS), np.tile(np.arange(ROUNDS), UNITS * PEOPLE)
    person = np.repeat(random.standard_normal(UNITS * PEOPLE), ROUNDS)
    on = round_ >= start[unit]
    level = np.repeat(0.03 * random.standard_normal((UNITS, 1, ROUNDS)), PEOPLE, axis=1).ravel()
    said = 0.8 * person + level + 0.1 * TIMES[world] * on + 0.6 * random.standard_normal(len(person))
    there = random.random(len(person)) < np.where((world == "artefact") & on & (person < -0.5), 0.2, 0.8)
    who = pd.DataFrame({"unit": unit.astype(str), "answered_at": days[round_]})[there].reset_index(drop=True)
    names = np.repeat(np.arange(UNITS * PEOPLE), ROUNDS)[there]
    found = answers(random, {"satisfaction": said[there]}, customer_id=names, **who)
    known = start < ROUNDS
    dates = pd.DataFrame({"unit": np.arange(UNITS)[known].astype(str), "started_at": days[start[known]]})
    return found, dates.assign(action="mend")


def branches(random: np.random.Generator, world: str, *, periods: int) -> tuple[np.ndarray, ...]:
    """Levels of branches that are good, or not, at all things (the artefact), and noise: units × periods."""
    level = random.standard_normal((UNITS, 1)) * (world == "artefact")
    return level, random.standard_normal((UNITS, periods)), random.standard_normal((UNITS, periods))


def panel(**columns: np.ndarray) -> pd.DataFrame:
    units, periods = next(iter(columns.values())).shape
    rows = {"unit": np.repeat(np.arange(units), periods), "period": np.tile(np.arange(periods), units)}
    return pd.DataFrame(rows | {name: column.ravel() for name, column in columns.items()})


def staffed(random: np.random.Generator, world: str) -> pd.DataFrame:
    level, staff, customers = branches(random, world, periods=16)
    customers *= np.sqrt(1 - (slope := 0.1 * TIMES[world]) ** 2)
    customers[:, 1:] += slope * staff[:, :-1]
    names = ["satisfaction", "staff_satisfaction"]
    rows = panel(satisfaction=customers + level, staff_satisfaction=staff + level)
    return within.lagged(within.in_deviations(rows, names), names)


def growing(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Profit that grows by itself where the claim is true, so that no engaged branch is an exception."""
    level, engaged, luck = branches(random, world, periods=16)
    growth = (slope := 0.1 * TIMES[world]) * engaged + np.sqrt(1 - slope**2) * luck + level + 2.0 * (world == "true")
    profit = 100 + np.cumsum(growth, axis=1) - growth
    return panel(engagement=engaged + level, growth=growth, profit=profit)


def by_trust(rows: pd.DataFrame, seed: int) -> Any:
    return part(journeys.through_trust(rows, draws=DRAWS, seed=seed), "indirect")


def after_start(drawn: tuple[Any, pd.DataFrame], seed: int) -> Any:
    return chain.stepped(chain.answered(drawn[0], same=True), drawn[1], "mend", before=2, after=3)


def paired(frames: Any, seed: int) -> Any:
    return dict(zip(("price", "advertising"), map(journeys.changed_by_knowledge, frames), strict=True))


SLOPES = {"null": 0.0, "reversed": -0.2}
CASES: tuple[Case, ...] = (
    Case("L14", contacts, lambda rows, seed: journeys.touchpoint_shares(rows, draws=DRAWS, seed=seed), rung="C",
         size="400 who left, each beside 5 others", dear=True, reversible=False,
         artefact="long journeys touch more, at some places above all"),
    Case("S12", trusting, by_trust, rung="C", size="500 answers", truth={"true": 0.25 * 0.15}, removable=False,
         artefact="who likes the firm seeks contact, trusts it and stays loyal anyhow"),
    Case("S13", mended, after_start, rung="D", size=f"{UNITS} branches", part="level",
         artefact="the unhappy stop answering", truth={"true": 0.2, "artefact": 0.0} | SLOPES, dear=True),
    Case("S14", lambda random, world: ratings(random, -HAZARD * TIMES[world], 2500, fading=1.5 * (world == "artefact")),
         lambda rows, seed: journeys.leaving(rows, gap=GAP), size="2,500 customers", rung="C",
         artefact="ratings fall on the way out", dear=True, truth={"true": 1.1**-2, "null": 1.0, "reversed": 1.1**2}),
    Case("S15", lambda random, world: ratings(random, -0.625 * HAZARD * TIMES[world], 7000,
         growing=-(world == "artefact") / 2),
         lambda rows, seed: journeys.leaving(rows, gap=GAP, halves=True), size="7,000 customers",
         rung="C", artefact="whoever has stayed long rates lower", dear=True),
    Case("S16", caring, lambda found, seed: journeys.wallet(found, draws=DRAWS, seed=seed)[journeys.EARLIER], rung="B",
         size="900 people, two questionnaires", artefact="the mood of the day colours all answers",
         truth={"true": 0.2} | SLOPES),
    Case("S17", staffed, lambda rows, seed: chain.mirrored(rows)[chain.LATER], size=f"{UNITS} branches, 16 periods",
         rung="C", artefact="good branches are good at all things", truth={"true": 0.2} | SLOPES),
    Case("G02", growing, lambda rows, seed: chain.certain(rows), size=f"{UNITS} branches, 16 periods", rung="C",
         part="growth", artefact="thriving branches engage their customers", truth=SLOPES),
    Case("G08", knowing, paired, size="1,000 customers, 8,000 order lines", rung="C",
         artefact="who knows more buys more, at lower prices"),
)  # fmt: skip
