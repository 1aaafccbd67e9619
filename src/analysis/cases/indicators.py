"""Worlds of the six indicators of satisfaction (I01 to I08)."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from analysis import economics, gauges, promoters
from analysis.calibration import Case
from analysis.planted import WIDE, alike, answers, around, boundary, branches, study
from analysis.scales import Answers

DRAWS = 199
UNTIL = date(2024, 12, 31)
RELIABLE = boundary(0.7, 0.07, below=0.1)


def spearman(rank: float) -> float:
    """The correlation of normal scores whose ranks correlate so (Pearson 1907)."""
    return 2 * math.sin(math.pi * rank / 6)


def written(random: np.random.Generator, world: str) -> Answers:
    """A third write feedback; the artefact: those at either end do, which stretches the correlation."""
    held = alike(random, 1500, ["satisfaction", "feedback"], boundary(0.3, 0.14)[world])
    away = np.abs(held["satisfaction"])
    chance = np.clip(0.1 + 0.3 * away, 0, 1) if world == "artefact" else 1 / 3
    held["feedback"] = np.where(random.random(1500) < chance, held["feedback"], np.nan)
    return answers(random, held)


def loyal(random: np.random.Generator, world: str) -> tuple[Any, Any]:
    names = ["satisfaction", "repeat", "tenure", "praise"]
    held = alike(random, 500, names, spearman(boundary(0.3, 0.17)[world]))
    found = answers(random, {"satisfaction": held["satisfaction"]})
    return around(found, held["repeat"], age=held["tenure"]), around(found, held["praise"])


def praised(random: np.random.Generator, world: str) -> Any:
    """Who stays is told by recommending beyond satisfaction; by nothing; or, reversed, by satisfaction alone."""
    n = 1000
    content, own = random.standard_normal((2, n))
    told = 0.6 * content + 0.8 * own
    recommend = np.clip(np.rint(7.8 + 1.8 * told), 0, 10)
    odds = {"true": 0.8 * own + 0.2 * content, "reversed": 1.0 * content}.get(world, np.zeros(n))
    found = answers(random, {"satisfaction": content}, items=2, reliability=0.95)
    asked = {**found.constructs, "recommend": ("nps",)}
    found = Answers(
        found.items.assign(nps=recommend), found.who, found.weight, asked, {}, {**found.scale, "nps": (0.0, 10.0)}
    )
    return around(found, random.binomial(1, 1 / (1 + np.exp(-odds))))


def complained(random: np.random.Generator, world: str) -> Any:
    """Contracts of up to two years, and complaints at a constant rate: who stays longer had more time for one."""
    n, ratio = 10_000, {"true": 1.1**2, "reversed": 1.1**-2}.get(world, 1.0)
    first, free, after = random.exponential(1.0, (3, n)) * np.array([[150.0], [400.0], [400.0 / ratio]])
    life = np.ceil(np.where(free < first, free, first + after))
    begun = pd.Timestamp(UNTIL) - pd.to_timedelta(watched := random.integers(200, 730, n), unit="D")
    spells = {"customer_id": np.arange(n).astype(str), "started_at": begun, "entered": 0.0, "left": life <= watched}
    spells["time"] = np.minimum(life, watched).astype(float)
    there = np.floor(first) < spells["time"]
    said = (begun + pd.to_timedelta(np.floor(first), unit="D"))[there]
    contacts = {"customer_id": spells["customer_id"][there], "contacted_at": said, "kind": "complaint"}
    facts = {"subscriptions": {"unit": "day", "late": False}}
    return study(subscriptions=pd.DataFrame(spells), contacts=pd.DataFrame(contacts), facts=facts)


def answered(random: np.random.Generator, world: str) -> tuple[Any, Answers]:
    """Four questions put to customers of whom half answer; the artefact: those who buy much, and are content, do."""
    n, day = 1000, pd.Timestamp("2024-06-01")
    content, times = random.standard_normal(n), 1 + random.poisson(3, n)
    often = (times - 4) / math.sqrt(3)
    if world == "artefact":
        content = 0.8 * often + 0.6 * content
    chosen = np.flatnonzero(random.random(n) < (1 / (1 + np.exp(-0.9 * often)) if world == "artefact" else 0.5))
    who: dict[str, Any] = {"customer_id": chosen.astype(str), "answered_at": day, "wave": "1"}
    sure = {"artefact": 0.85}.get(world, RELIABLE[world])
    found = answers(random, {"satisfaction": content[chosen]}, items=4, reliability=sure, **who)
    bought = np.repeat(np.arange(n), times)
    when = day - pd.to_timedelta(random.integers(1, 300, len(bought)), unit="D")
    log = pd.DataFrame({"customer_id": bought.astype(str), "ordered_at": when, "amount": 10.0})
    return study(orders=log, facts={"orders": {"observed_until": UNTIL}}), found


def asked_in_two(random: np.random.Generator, world: str) -> Answers:
    """Two firms of 250; reversed, one loads differently and answers higher on half of the questions."""
    n = 500
    firm = np.arange(n) % 2
    content = random.standard_normal(n)
    off = {"true": 0.0, "null": 0.28, "reversed": 0.9}[world]
    load = np.where(firm == 1, 1 - 0.75 * off, 1.0)
    heard = [content * load, content * load, content + off * firm, content]
    table = pd.DataFrame({f"s{k}": score + 0.5 * random.standard_normal(n) for k, score in enumerate(heard)})
    asked = {"satisfaction": tuple(map(str, table))}
    who = pd.DataFrame({"unit": np.where(firm == 1, "one", "other")})
    return Answers(table, who, np.ones(n), asked, {}, dict.fromkeys(asked["satisfaction"], WIDE))


def gauged(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Five indicators of one thing; of one thing that they barely show; or of two things."""
    names = ["satisfaction", "recommend", "orders", "referrals", "contacts"]
    shared = {"true": 0.64, "null": 0.318, "reversed": 0.55}[world]
    held = alike(random, 500, names, shared)
    if world == "reversed":
        held |= alike(random, 500, names[2:], shared)
    return pd.DataFrame(held)


def ask_i03(lab: Any, seed: int) -> Any:
    found: Any = economics.correlations(lab, draws=DRAWS, seed=seed)
    return found["satisfaction_retention"]


def all_rise(random: np.random.Generator, world: str) -> Any:
    names, rank = ["satisfaction", "retention", "profit"], boundary(0.3, 0.32, below=0.29)[world]
    return branches(random, 60, names, spearman(rank), periods=4, trend=0.7 * (world == "artefact"))


def better(later: Any, seed: int) -> Any:
    return promoters.better_than_satisfaction(later, draws=DRAWS, seed=seed)[promoters.CLASSES]


CASES = (
    Case("I01", written,
         lambda found, seed: promoters.mirrored(found, draws=DRAWS, seed=seed)["weighted for who writes"],
         "1,500 answers, a third with feedback", "B", artefact="those at either end write", truth=boundary(0.3, 0.14)),
    Case("I02", loyal, lambda drawn, seed: promoters.signs_of_loyalty(*drawn, draws=DRAWS, seed=seed), "500 answers",
         "B", part="repeat", truth=boundary(0.3, 0.17)),
    Case("I03", all_rise, ask_i03, "60 branches over four years", "B", artefact="all of them rise from year to year",
         dear=True, truth=boundary(0.3, 0.32, below=0.29)),
    Case("I04", praised, better, "1,000 answers", "C", dear=True),
    Case("I05", complained, lambda lab, seed: gauges.warned(lab, complaint="complaint")[gauges.FROM_THEN],
         "10,000 contracts", "C", artefact="who stays longer had more time to complain", dear=True,
         truth={"true": 1.21, "null": 1.0, "reversed": 1 / 1.21, "artefact": 1.0}),
    Case("I06", answered, lambda drawn, seed: gauges.trustworthy(*drawn, draws=DRAWS, seed=seed),
         "1,000 customers, half of whom answer", "B", artefact="those who buy much, and are content, answer", dear=True,
         part="reliability", truth={world: sure for world, sure in RELIABLE.items() if world != "artefact"}),
    Case("I07", asked_in_two, lambda found, seed: gauges.comparable(found, ["satisfaction"], refits=25, seed=seed),
         "500 answers about two firms", "B", few=True),
    Case("I08", gauged, lambda table, seed: gauges.one_thing(table, refits=49, seed=seed)[gauges.ALL],
         "500 customers", "B", few=True),
)  # fmt: skip
