"""A simulated service firm: what its customers expect, find, say and do, by laws that are known.

One world holds a survey in three waves, the orders, referrals and complaints of the same customers, branches, logged
service events and one experiment. Its truth is a handful of numbers that a test can set to nothing or turn round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

WAVES, WAVE_DAYS, FIRST_WAVE = 3, 182, date(2024, 3, 15)
BEGIN, END = date(2023, 1, 1), date(2025, 12, 31)
LOW, HIGH = 1, 7
NEEDS = ("physical", "social", "psychological", "functional")
SOURCES = ("experience_here", "experience_elsewhere", "recommendations", "price", "striving", "image")
OFFERS = ("product", "service", "price")  # rated as expected and as found
LEVELLED = ("reliability", "responsiveness", "assurance", "empathy", "tangibles")  # desired, adequate, predicted, found
KINDS = ("reliability", "durability", "performance", "conformance")  # of quality
SERVICE = ("communication", "empathy", "problem_solving", "courtesy", "opening_hours")
BRANCHES, STAFF = 40, 60
USUAL = "usual promise"
ASKED = 26  # days from the first event of a wave to its last questionnaire


@dataclass(frozen=True)
class Truth:
    """What is so in a simulated firm.

    Attributes:
        below, inside, above: satisfaction gained by one point of perception under the adequate level, between the
            two levels, and over the desired one.
        expected: satisfaction gained by one point of expectation, at equal perception.
        learning: weight of an experience in the next expectation.
        spending: log of mean later spending gained by one standard deviation of satisfaction.
        recommending: the same of later referrals.
        complaining: the same of complaints.
        weakest: satisfaction gained by one point of the lowest rated attribute, beyond their mean.
        rank: log odds of our share of wallet when we are rated above both rivals.
        promise: points of predicted service that a larger promise adds.
        needed: how much of a branch's retention is out of reach without satisfaction, 0 to 1.
    """

    below: float = 0.8
    inside: float = 0.05
    above: float = 0.45
    expected: float = -0.15
    learning: float = 0.35
    spending: float = 0.12
    recommending: float = 0.5
    complaining: float = -0.4
    weakest: float = 0.0
    rank: float = 0.8
    promise: float = 0.4
    needed: float = 0.8


def _rated(
    random: np.random.Generator, held: np.ndarray, *, noise: float = 0.55, ends: tuple = (LOW, HIGH)
) -> np.ndarray:
    """An answer on the scale, for what somebody holds."""
    return np.clip(np.rint(held + noise * random.standard_normal(held.shape)), *ends)


def _alike(random: np.random.Generator, size: int, names: tuple[str, ...], shared: float) -> dict[str, np.ndarray]:
    """Standard normal traits that correlate `shared`."""
    common = random.standard_normal(size)
    own = {name: random.standard_normal(size) for name in names}
    return {name: np.sqrt(shared) * common + np.sqrt(1 - shared) * each for name, each in own.items()}


def simulate(*, customers: int = 800, truth: Truth | None = None, seed: int = 1) -> dict[str, pd.DataFrame]:
    """Draw a firm.

    Args:
        customers: how many; not all of them answer each questionnaire, and those who are content do more often.
        truth: what is so; None for the defaults.
        seed: decides all.

    Returns:
        Tables under contract names: surveys, orders, referrals, contacts, units, operations and experiments.
    """
    truth, random = truth or Truth(), np.random.default_rng(seed)
    who = np.array([f"C{number:04d}" for number in range(1, customers + 1)])
    people, promised = _people(random, customers), random.permutation(customers) % 2 == 1
    waves, events, feeling = _waves(random, who, people, promised, truth)
    surveys, operations = pd.concat(waves, ignore_index=True), pd.concat(events, ignore_index=True)
    answered = random.random(len(surveys)) < 0.75 + 0.08 * np.clip(np.concatenate(feeling), -2, 2)
    arm = np.where(promised, "larger promise", USUAL)
    return {
        "surveys": surveys[answered].reset_index(drop=True),
        "orders": _orders(random, who, feeling, truth),
        "referrals": _referrals(random, who, feeling, truth),
        "contacts": _contacts(random, who, feeling, truth),
        "units": _units(random, truth),
        "operations": operations,
        "experiments": pd.DataFrame(
            {"customer_id": who, "arm": arm, "control_arm": USUAL, "assigned_at": "2023-12-01"}
        ),
    }


def _people(random: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """What stays the same in each customer."""
    needs, sources = _alike(random, size, NEEDS, 0.2), _alike(random, size, SOURCES, 0.25)
    thought = _alike(random, size, ("can_be", "should"), 0.4)
    knowledge = random.standard_normal(size)
    wanting = sum(needs.values()) * 0.2 + 0.4 * thought["can_be"] + 0.5 * thought["should"] + 0.2 * knowledge
    foreseen = sum(sources[name] for name in SOURCES) * 0.22 + 0.1 * sum(needs.values())
    own = random.standard_normal((4, size))
    desired = 6.0 + 0.5 * (wanting + 0.25 * foreseen + 0.4 * own[0])
    predicted = 5.2 + 0.6 * (foreseen + 0.4 * own[1])
    width = 1.5 * np.exp(0.3 * own[2]) - 0.3 * (predicted - 5.2)
    return {
        **needs,
        **sources,
        **thought,
        "knowledge": knowledge,
        "desired": desired,
        "predicted": predicted,
        "adequate": desired - np.maximum(width, 0.1),
        "treated": own[3],
    }


def _waves(
    random: np.random.Generator, who: np.ndarray, people: Mapping[str, np.ndarray], promised: np.ndarray, truth: Truth
) -> tuple[list[pd.DataFrame], list[pd.DataFrame], list[np.ndarray]]:
    """Each wave's questionnaires, the service they are about, and everybody's satisfaction in standard deviations."""
    size, tables, events, feelings = len(who), [], [], []
    expectation = people["predicted"] + truth.promise * (promised - 0.5)
    for wave in range(WAVES):
        event = _served(random, who, people, wave)
        found = event.pop("found").to_numpy()
        parts = {
            name: found + 0.7 * random.standard_normal(size) for name in sorted({*OFFERS, *LEVELLED, *KINDS, *SERVICE})
        }
        levels = found - people["adequate"], found - people["desired"]
        zone = people["desired"] - people["adequate"]
        quality = np.array([parts[kind] for kind in KINDS])
        felt = (
            truth.below * np.minimum(levels[0], 0)
            + truth.inside * np.clip(levels[0], 0, zone)
            + truth.above * np.maximum(levels[1], 0)
            + truth.expected * (expectation - 5.2)
            + 0.15 * (quality.mean(axis=0) - found)
            + 0.12 * (parts["communication"] + parts["empathy"] + parts["problem_solving"] - 3 * found)
            + truth.weakest * (quality.min(axis=0) - quality.mean(axis=0))
            + 0.45 * random.standard_normal(size)
        )
        satisfaction = 5.0 + felt - felt.mean()
        feeling = (felt - felt.mean()) / felt.std()
        value = 4.8 + 0.35 * (parts["product"] - 5.2) + 0.3 * (parts["service"] - 5.2) + 0.35 * people["price"]
        value += 0.15 * people["image"] + 0.15 * feeling + 0.4 * random.standard_normal(size)
        rivals = 4.9 + 0.8 * random.standard_normal((2, size))
        ahead = (satisfaction > rivals.max(axis=0)) - 0.35
        odds = 0.2 + 0.15 * feeling + truth.rank * ahead + 0.5 * random.standard_normal(size)
        loyalty = 4.8 + 0.7 * feeling + 0.6 * random.standard_normal(size)
        writes = random.random(size) < 0.15 + 0.15 * np.abs(feeling)
        row: dict[str, np.ndarray] = {
            "customer_id": who,
            "answered_at": (event["measured_at"] + pd.to_timedelta(random.integers(1, 6, size), unit="D")).to_numpy(),
            "wave": np.full(size, str(wave + 1)),
            "unit": np.array([f"B{number % BRANCHES + 1:02d}" for number in range(size)]),
        }
        row |= {f"satisfaction_{i}": _rated(random, satisfaction) for i in (1, 2, 3)}
        row |= {f"loyalty_{i}": _rated(random, loyalty) for i in (1, 2)}
        row |= {f"value_{i}": _rated(random, value) for i in (1, 2)}
        row["nps"] = _rated(random, 7.6 + 1.4 * feeling, noise=0.9, ends=(0, 10))
        row["feedback"] = np.where(writes, _rated(random, 3.4 + 0.9 * feeling, ends=(1, 5)), np.nan)
        row["wallet_share"] = np.rint(100 / (1 + np.exp(-odds)))
        row |= {f"rival_{name}": _rated(random, rivals[i]) for i, name in enumerate(("north", "south"))}
        row["effort"] = _rated(random, 3.5 - 0.3 * feeling + 0.8 * random.standard_normal(size))
        for name in OFFERS:
            row |= {f"expected_{name}_{i}": _rated(random, expectation) for i in (1, 2)}
            row |= {f"found_{name}_{i}": _rated(random, parts[name]) for i in (1, 2)}
        for level in ("desired", "adequate", "predicted"):
            row |= {f"{level}_{name}": _rated(random, people[level]) for name in LEVELLED}
        row |= {f"found_{name}": _rated(random, parts[name]) for name in LEVELLED}
        row |= {f"{name}_{i}": _rated(random, parts[name]) for name in KINDS for i in (1, 2)}
        row |= {f"rated_{name}": _rated(random, parts[name]) for name in SERVICE}
        row |= {f"{name}_{i}": _rated(random, 4.5 + 1.1 * people[name]) for name in (*NEEDS, *SOURCES) for i in (1, 2)}
        row |= {
            f"{name}_{i}": _rated(random, 5.0 + 0.9 * people[name]) for name in ("can_be", "should") for i in (1, 2)
        }
        row |= {f"will_{i}": _rated(random, expectation) for i in (1, 2)}
        row["knowledge"] = np.clip(np.rint(5 + 2 * people["knowledge"]), 0, 10)
        tables.append(pd.DataFrame(row))
        events.append(event)
        feelings.append(feeling)
        expectation = expectation + truth.learning * (found - expectation) + 0.25 * random.standard_normal(size)
    return tables, events, feelings


def _days(random: np.random.Generator, wave: int, size: int) -> np.ndarray:
    """Days of the half-year that follows a wave's last questionnaire; wave -1 is all before the first one."""
    if wave < 0:
        return np.datetime64(BEGIN) + random.integers(0, (FIRST_WAVE - BEGIN).days, size)
    start = np.datetime64(FIRST_WAVE) + wave * WAVE_DAYS + ASKED
    last = (END - FIRST_WAVE).days - wave * WAVE_DAYS - ASKED if wave == WAVES - 1 else WAVE_DAYS - ASKED
    return start + random.integers(0, last, size)


def _events(
    random: np.random.Generator, who: np.ndarray, rate: np.ndarray, feeling: list[np.ndarray], slope: float
) -> tuple[np.ndarray, np.ndarray]:
    """Places of customers and days of what they did, at `rate` in half a year before and after each wave."""
    places, days = [], []
    for wave in range(-1, WAVES):
        length = 2.4 if wave < 0 else 1.6 if wave == WAVES - 1 else 0.9  # half-years
        effect = np.ones(len(who)) if wave < 0 else np.exp(slope * feeling[wave] - slope**2 / 2)
        times = random.poisson(rate * length * effect)
        places.append(np.repeat(np.arange(len(who)), times))
        days.append(_days(random, wave, int(times.sum())))
    return np.concatenate(places), np.concatenate(days).astype("datetime64[D]")


def _orders(random: np.random.Generator, who: np.ndarray, feeling: list[np.ndarray], truth: Truth) -> pd.DataFrame:
    rate, basket = random.gamma(2.0, 1.0, len(who)), np.exp(3.4 + 0.35 * random.standard_normal(len(who)))
    place, day = _events(random, who, rate, feeling, truth.spending)
    amount = np.round(basket[place] * np.exp(0.4 * random.standard_normal(len(place))), 2)
    table = pd.DataFrame({"customer_id": who[place], "ordered_at": day, "amount": amount})
    return table.sort_values(["ordered_at", "customer_id"], kind="stable").reset_index(drop=True)


def _referrals(random: np.random.Generator, who: np.ndarray, feeling: list[np.ndarray], truth: Truth) -> pd.DataFrame:
    place, day = _events(random, who, np.full(len(who), 0.12), feeling, truth.recommending)
    new = [f"N{number:04d}" for number in range(1, len(place) + 1)]
    return pd.DataFrame({"referrer_id": who[place], "referred_id": new, "referred_at": day})


def _contacts(random: np.random.Generator, who: np.ndarray, feeling: list[np.ndarray], truth: Truth) -> pd.DataFrame:
    place, day = _events(random, who, np.full(len(who), 0.15), feeling, truth.complaining)
    severity = random.integers(1, 6, len(place))
    return pd.DataFrame({"customer_id": who[place], "contacted_at": day, "kind": "complaint", "severity": severity})


def _served(random: np.random.Generator, who: np.ndarray, people: Mapping[str, np.ndarray], wave: int) -> pd.DataFrame:
    """The service event that each customer is asked about: who served, on which day, how long it took, what failed."""
    size = len(who)
    staff, day = random.integers(0, STAFF, size), random.integers(0, 21, size)
    by_staff = np.random.default_rng(7).standard_normal(STAFF)  # the same people in each wave
    by_day = random.standard_normal(21)
    found = 5.2 + 0.55 * people["treated"] + 0.3 * by_staff[staff] + 0.25 * by_day[day]
    found = found + 0.65 * random.standard_normal(size)
    first = np.datetime64(FIRST_WAVE) + wave * WAVE_DAYS
    return pd.DataFrame(
        {
            "customer_id": who,
            "measured_at": first + day,
            "staff_id": [f"S{number + 1:02d}" for number in staff],
            "wait_minutes": np.exp(2.2 - 0.3 * (found - 5.2) + 0.3 * random.standard_normal(size)).round(1),
            "defects": random.poisson(0.3 * np.exp(-0.4 * (found - 5.2))),
            "found": found,
        }
    )


def _units(random: np.random.Generator, truth: Truth) -> pd.DataFrame:
    """Branches over four years; what satisfaction a branch has bounds the retention that it can reach."""
    level, periods = 5 + 0.6 * random.standard_normal(BRANCHES), []
    for year in range(2022, 2026):
        satisfaction = level + 0.25 * random.standard_normal(BRANCHES)
        reach = 1 - truth.needed * np.clip((6.4 - satisfaction) / 3.2, 0, 1)
        retention = reach * (0.55 + 0.45 * random.random(BRANCHES))
        profit = 100 + 20 * (level - 5) + 12 * random.standard_normal(BRANCHES)
        branch = [f"B{number + 1:02d}" for number in range(BRANCHES)]
        period = np.full(BRANCHES, f"{year}-01-01")
        periods.append(
            pd.DataFrame(
                {
                    "unit": branch,
                    "period": period,
                    "satisfaction": satisfaction.round(3),
                    "retention": retention.round(4),
                    "profit": profit.round(1),
                }
            )
        )
    return pd.concat(periods, ignore_index=True)
