"""What the customers of the simulated club are asked, and the service events that their answers are about."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from analysis.laws import Laws

NEEDS = ("physical", "social", "psychological", "functional")
SOURCES = ("experience_here", "experience_elsewhere", "recommendations", "striving", "price")
KINDS = ("reliability", "durability", "performance", "conformance")
NAMED = ("communication", "empathy", "problem_solving")  # of service: what customers go by
SERVICE, LEVELLED = (*NAMED, "courtesy", "opening_hours"), ("responsiveness", "assurance", "tangibles")
OFFERS, STAFF = ("product", "service", "price"), 60
HELD = (
    "emotion", "value", "trust", "care", "bond", "engagement", "switching_cost", "knowledge", "availability",
    "influence", "excitement", "product", "can_be", "should",
)  # fmt: skip
SCALES = {"knowledge": (0, 10), "recommend": (0, 10), "feedback": (1, 5)}  # the others: 1 to 7
TWICE = {  # asked with two items
    "satisfaction", "bond", "trust", "emotion", "value", "loyalty", "engagement", "care", "valued", "price",
    "switching_cost", "image", "should", "will", *KINDS,
    *(f"{side}_{offer}" for side in ("expected", "found") for offer in OFFERS),
}  # fmt: skip


def traits(random: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """What stays the same in each customer, in standard deviations."""
    found = {name: random.standard_normal(size) for name in (*HELD, *NEEDS, *SOURCES, *KINDS, *SERVICE)}
    for whole, parts in (("quality", KINDS), ("service", NAMED)):
        found[whole] = sum(found[part] for part in parts) / np.sqrt(len(parts))
    return found


def found(traits: Mapping[str, np.ndarray], quality: np.ndarray) -> np.ndarray:
    """What is found of product, service and price, a row each."""
    return np.array([0.5 * quality + 0.8 * traits[offer] for offer in OFFERS])


def answered(random: np.random.Generator, score: np.ndarray, low: int = 1, high: int = 7) -> np.ndarray:
    """Answers on a scale to one question, for what those who answer hold."""
    seen = (low + high) / 2 + 0.5 + (high - low) / 5.5 * score + 0.5 * random.standard_normal(len(score))
    return np.clip(np.rint(seen), low, high).astype(int)


def asked(
    random: np.random.Generator,
    feel: Mapping[str, np.ndarray],
    traits: Mapping[str, np.ndarray],
    foreseen: np.ndarray,
    day: np.ndarray,
    laws: Laws,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Answers to a questionnaire, and the event before it.

    Args:
        random: the generator.
        feel, traits: what those who answer hold now, and always; each about one standard deviation wide.
        foreseen: what they expect of product, service and price, a row each.
        day: on which each answers.
        laws: what is so.

    Returns:
        Items by name, whole numbers on their scales; and of the events: measured_at, staff_id, wait_minutes, defects.
    """
    noise, size = random.standard_normal, len(day)
    staff, before = random.integers(0, STAFF, size), day - random.integers(1, 8, size)
    days, on = np.unique(before, return_inverse=True)
    met = feel["quality"] + laws.staff_rating * np.random.default_rng(7).standard_normal(STAFF)[staff]
    met = met + laws.day_rating * noise(len(days))[on] + 0.2 * noise(size)
    event = {
        "measured_at": before,
        "staff_id": np.array([f"S{number + 1:02d}" for number in range(STAFF)], object)[staff],
    }
    event["wait_minutes"] = np.exp(2.2 + laws.waiting * met + 0.3 * noise(size)).round(1)
    event["defects"] = random.poisson(0.3 * np.exp(laws.waiting * met))
    needs, thought = sum(traits[name] for name in NEEDS), traits["can_be"] + traits["should"]
    predicted = laws.foretold * (sum(traits[name] for name in SOURCES) + feel["image"]) + 0.3 * noise(size)
    desired = laws.needed * needs + laws.thought * thought + laws.known_desires * traits["knowledge"]
    desired += laws.loyalty_desires * feel["loyalty"] + laws.foreseen_desires * predicted + 0.4 * noise(size)
    levels = {"desired": 0.8 * desired + 0.6, "adequate": 0.8 * desired + laws.foreseen_adequate * predicted - 0.6}
    levels |= {"predicted": predicted, "level": met}
    held = dict(feel) | {name: traits[name] for name in (*NEEDS, *SOURCES[:4], "can_be", "should")}
    held |= {f"{of}_{side}": score for side in LEVELLED for of, score in levels.items()}
    held |= {kind: met + laws.sides * traits[kind] for kind in KINDS}
    held |= {f"rated_{part}": 0.5 * met + 0.8 * traits[part] for part in SERVICE}
    held |= {f"found_{offer}": score for offer, score in zip(OFFERS, found(traits, met), strict=True)}
    held |= {f"expected_{offer}": score for offer, score in zip(OFFERS, foreseen, strict=True)}
    held["will"] = foreseen.mean(axis=0)
    held["recommend"] = laws.recommending * feel["satisfaction"] + 0.5 * noise(size)
    held["feedback"] = laws.commenting * feel["satisfaction"]
    del held["quality"]
    answers = dict[str, np.ndarray]()
    for name, score in held.items():
        low, high = SCALES.get(name, (1, 7))
        for item in (1, 2) if name in TWICE else ("",):
            answers[f"{name}_{item}" if item else name] = answered(random, score, low, high)
    writes = random.random(size) < 0.15 + 0.15 * np.abs(feel["satisfaction"])
    answers["feedback"] = np.where(writes, answers["feedback"], np.nan)
    ahead = np.sign(answers["satisfaction_1"] + answers["satisfaction_2"] - 2 * answers["rival_north"])
    odds = 0.3 + laws.care_wallet * feel["care"] + 0.3 * feel["loyalty"] + laws.ahead * ahead / 2
    answers["wallet_share"] = np.rint(100 / (1 + np.exp(-odds - 0.6 * noise(size)))).astype(int)
    return answers, event
