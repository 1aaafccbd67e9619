"""Worlds of rewards: a tier that begins at a line, and a day from which all get the same (P09, P10)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.calibration import Case
from analysis.planted import TIMES
from analysis.rewarding import rewarded, same_for_all

RATIO, HAZARD = 1.05, 1.10  # the smallest effects that matter
WEEKS = 52  # followed after either day


def tier(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Members judged by a value. The artefact: the eager see how little they lack, and buy it."""
    n = 10_000
    x, eager = random.normal(-10, 60, n), random.standard_normal(n)
    if world == "artefact":
        pushed = (x < 0) & (x > -10) & (eager > 0)
        x = np.where(pushed, 8 * random.random(n), x)
    level = (200 + 0.8 * x + 0.001 * x**2) * np.exp(0.15 * eager)
    profit = level * RATIO ** (TIMES[world] * (x >= 0)) + 50 * random.standard_normal(n)
    return pd.DataFrame({"customer": np.arange(n), "x": x, "profit": profit})


def uniform(random: np.random.Generator, world: str) -> pd.DataFrame:
    """Customers in and outside a club, ranked by a profit that is half luck, followed from two days.

    The artefact: those in luck stay, luck passes, and the fickle go first, so that leaving gets rarer for all.
    """
    n, parts = 60_000, []
    worth, tenure, club = random.standard_normal(n), random.uniform(1, 5, n), random.random(n) < 0.6
    fickle = random.gamma(2, 0.5, n) if world == "artefact" else np.ones(n)
    here = random.random(n) < 0.6
    for after in (False, True):
        luck = random.standard_normal(n) if world == "artefact" else np.zeros(n)
        past = worth + (luck if world == "artefact" else random.standard_normal(n))
        rank = pd.Series(past).where(here).groupby([club]).rank(pct=True)
        raised = after & club & (rank > 2 / 3)
        hazard = 1.6 * fickle * np.exp(-0.1 * worth - 0.3 * luck) * HAZARD ** (TIMES[world] * raised)
        left = random.exponential(size=n) / hazard
        rows = pd.DataFrame({"customer": np.arange(n), "rank": rank, "member": club, "left": left < 1})
        rows = rows.assign(after=after, entered=0.0, time=np.ceil(WEEKS * np.minimum(left, 1)), age=tenure + after)
        parts.append(rows[here])
        here = ~here | (left >= 1)  # who was not yet there, and who is still
    return pd.concat(parts, ignore_index=True)


CASES = (
    Case("P10", tier, lambda rows, seed: rewarded(rows), "10,000 members", "D",
         artefact="members see how little they lack and push themselves over the line",
         truth={world: RATIO**times for world, times in TIMES.items() if world != "artefact"}),
    Case("P09", uniform, lambda rows, seed: same_for_all(rows), "60,000 customers, six in ten of them members", "D",
         artefact="the lucky are taken for the profitable, and the fickle go first",
         truth={world: HAZARD**times for world, times in TIMES.items()}, part="profitable", dear=True),
)  # fmt: skip
