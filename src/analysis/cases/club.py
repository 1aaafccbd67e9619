"""Worlds of a customer club: people join at peaks of buying, the loyal join, and branches with loyal customers fill."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr

from analysis import membership, milestones
from analysis.calibration import Case
from analysis.hazards import cox
from analysis.lifetimes import recount
from analysis.planted import TIMES
from analysis.staggered import NEVER
from analysis.within import lagged

PERIODS, SIZE = 20, 10_000


def crowd(random: np.random.Generator, *, rate: float, peaks: float, effect: float = 0, lasting: float = 0) -> Any:
    """Customers whose moods pass and who may join when theirs is high; effects at once, and on half after a year."""
    mood, first, pulls = np.zeros(SIZE), np.full(SIZE, NEVER), []
    taste, long = 0.4 * random.standard_normal(SIZE), random.random(SIZE) < 0.5
    for period in range(-5, PERIODS):
        mood = 0.35 * mood + 0.2 * random.standard_normal(SIZE)
        pulls.append(taste + mood)
        chance = 1 / (1 + np.exp(3.2 - peaks * mood))
        first[(first == NEVER) & (random.random(SIZE) < chance) & (period >= 2)] = period
    since = np.arange(PERIODS) - first[:, None]
    pull = np.array(pulls[5:]).T + effect * ((since > 0) + 0.5 * (since == 0)) + lasting * (long[:, None] & (since > 3))
    orders = random.poisson(rate * np.exp(pull)).astype(float)
    known = pd.DataFrame({"benefit": np.where(long, "long", "short"), "left": NEVER, "invited": np.nan})
    spent = orders * random.gamma(20, 1, orders.shape)
    return membership.People(spent, orders, np.isfinite(orders), first, known, 91, date(2024, 12, 31), True)


def joining(random: np.random.Generator, world: str) -> tuple[membership.People, pd.DataFrame]:
    """What customers buy, and how others stay: nobody joins who has left, and staying is seen for 80 months."""
    found = crowd(random, rate=4, peaks=3.0 * (world == "artefact"), effect=TIMES[world] * np.log(1.05))
    time, joined, more = np.ceil(random.exponential(np.array([[40], [60], [40 * 1.1 ** TIMES[world]]]), (3, SIZE // 2)))
    whole = np.where(joined < time, joined + more, time)
    before = {"time": np.minimum(time, joined), "entered": 0.0, "left": time <= joined, milestones.JOINED: "no"}
    after = {"time": whole, "entered": joined, "left": True, milestones.JOINED: "yes"}
    spells = (
        pd.concat([pd.DataFrame(before), pd.DataFrame(after)[joined < time]]).query("entered < 80").assign(weight=1)
    )
    spells = spells.assign(left=spells["left"] & (spells["time"] <= 80), time=spells["time"].clip(upper=80))
    return found, recount(spells, ["time", "left", "entered", milestones.JOINED])


def lasting(random: np.random.Generator, world: str) -> membership.People:
    return crowd(random, rate=20, peaks=3.0 * (world == "artefact"), lasting=np.log1p(TIMES[world] * 0.05))


def bound(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Joining raises the bond, and the bond raises orders or not; at worst a lasting taste raises both."""
    joining, taste, before, old, since, own, later = random.standard_normal((7, 2000))
    joining, taste = (joining > 0.3).astype(float), taste * (world == "artefact")
    bond = 0.2 * joining / joining.std() + 0.6 * before + 0.4 * taste + 0.6 * own
    table = {
        "joining": joining,
        "bond": bond,
        "later orders": 0.1 * TIMES[world] * bond / bond.std() + 0.4 * taste + later,
    }
    return pd.DataFrame(table | dict(zip(membership.HELD, (before, taste + old, taste + since), strict=True)))


def telling(random: np.random.Generator, world: str) -> dict[str, np.ndarray]:
    """What the club knows explains .02 of next year's spending, or nothing; at worst members are steadier."""
    (one, *known, club), member = random.standard_normal((4, SIZE)), np.arange(SIZE) % 2 == 0
    spent = known[0] + 0.2 * (world == "true") * club + np.where(member & (world == "artefact"), 0.5, 1.0) * one
    return {"spent": spent, "member": member, "known": np.array(known).T, "club": club[:, None]}


def branches(random: np.random.Generator, world: str) -> pd.DataFrame:
    own, (share, kept) = random.standard_normal((60, 1)), random.standard_normal((2, 60, PERIODS))
    share, kept = 0.3 + 0.05 * (own + share), 0.9 + 0.02 * (kept + own * (world == "artefact"))
    kept[:, 1:] += 0.1 * TIMES[world] * share[:, :-1]
    unit, period = np.divmod(np.arange(60 * PERIODS), PERIODS)
    table = {"unit": unit, "period": period, "members_share": share.ravel(), "retention": kept.ravel()}
    return lagged(pd.DataFrame(table), ["members_share"])


def generous(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Generosity keeps members or not; at worst who is served well stays, and who stays has longer to join."""
    value, knowledge, time, chance = random.standard_normal((4, SIZE))
    value = (value + (world == "artefact") * time) / np.sqrt(1 + (world == "artefact"))
    member = ndtr(chance) < expit(0.08 * TIMES[world] * value + 0.8 * time)
    table = {"value": value, "knowledge": knowledge, "time": time, "member": 1.0 * member}
    return pd.DataFrame(table | {"customer": np.arange(SIZE)})


def asked(drawn: tuple[membership.People, pd.DataFrame], seed: int) -> Any:
    return membership.dated(drawn[0], membership.hazard_ratio(cox(drawn[1], covariates=[milestones.JOINED])))


CASES: tuple[Case, ...] = (
    Case("P01", joining, asked, "10,000 customers", "C", dear=True, part="spending",
         artefact="customers join at peaks of their buying, and must have stayed to join",
         truth={"true": 1.05**2, "null": 1.0, "reversed": 1.05**-2, "artefact": 1.0}),
    Case("P02", bound, lambda table, seed: membership.by_way_of_bond(table, draws=199, seed=seed).indirect,
         "2,000 customers asked twice", "C", artefact="a lasting taste raises both the bond and later orders",
         removable=False, truth={"true": 0.04, "null": 0.0, "reversed": -0.04}),
    Case("P03", telling, lambda rows, seed: membership.taught(rows, draws=199, seed=seed)["gain"], "10,000 customers",
         "C", dear=True, reversible=False, artefact="members are easier to foretell than others, club or no club"),
    Case("P04", lasting, lambda found, seed: membership.second_year(found, long_term="long", short_term="short"),
         "10,000 customers", "C", dear=True, part="long_term", artefact="customers join at peaks of their buying",
         truth={"true": 0.1, "null": 0.0, "reversed": -0.1, "artefact": 0.0}),
    Case("P11", branches, lambda panel, seed: membership.share_and_retention(panel), "60 branches", "C",
         artefact="branches with loyal customers have more members, and more who stay",
         truth={"true": 0.02, "null": 0.0, "reversed": -0.02, "artefact": 0.0}),
    Case("P14", generous, lambda table, seed: membership.kept_by_generosity(table), "10,000 answers", "B",
         artefact="who is served well stays, and who stays has longer to join", truth={"null": 0.0, "artefact": 0.0}),
)  # fmt: skip
