"""Is a condition necessary? How empty the corner of low condition and high outcome is, beyond what correlation brings.

Single cases draw a ceiling, so survey weights play no part here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.estimates import Estimate, NotTestable
from analysis.words import listing, plural

Kind = Literal["CE-FDH", "CR-FDH"]
Scope = tuple[float, float, float, float]  # lowest and highest condition, lowest and highest outcome
FEWEST = 20  # cases, as the register asks
POWER = 0.7  # a subsample holds the number of cases to this power
TRIED = 20  # simulated samples that set the correlation of the additive model
SAME = 1e-9  # closer than that, two values are one


@dataclass(frozen=True)
class Ceiling:
    """The upper bound that a condition sets on an outcome.

    Attributes:
        peers: condition and outcome of the corners of the steps through the highest outcomes so far (CE-FDH), and the
            cases on each corner.
        line: slope and start of the straight line of least squares through these corners, each counted once (CR-FDH);
            None where the steps are the ceiling.
        scope: the possible area: the lowest and highest condition and outcome seen.
        effect_size: share of the scope above the ceiling.
        accuracy: share of cases on or below it.
    Source: Dul (2016), Organizational Research Methods 19.
    """

    peers: pd.DataFrame
    line: np.ndarray | None
    scope: Scope
    effect_size: float
    accuracy: float

    def bottlenecks(self, steps: int = 10) -> pd.DataFrame:
        """How much of the condition each level of the outcome takes at least, both in shares of their range.

        Returns:
            outcome (0 to 1) and needed: NaN where the condition is not needed, infinite where none of it suffices.
        """
        (left, right, bottom, top), level = self.scope, np.linspace(0, 1, steps + 1)
        wanted = bottom + level * (top - bottom)
        least = self.peers["condition"].to_numpy()[np.searchsorted(self.peers["outcome"] + SAME, wanted)]
        if self.line is not None:
            least = (wanted - self.line[1]) / self.line[0]
        needed = np.where(least > right + SAME, np.inf, (least - left) / (right - left))
        return pd.DataFrame({"outcome": level, "needed": np.where(needed <= 0, np.nan, needed)})


def ceiling(condition: np.ndarray, outcome: np.ndarray, *, kind: Kind = "CE-FDH") -> Ceiling:
    """The ceiling over some cases; the possible area reaches as far as they do."""
    x, y = condition[order := np.argsort(condition)], outcome[order]
    scope = (x[0], x[-1], y.min(), y.max())
    at, highest, line = _bound(x, y, kind)
    below = 1.0 if line is None else float((y <= np.polyval(line, x) + SAME).mean())
    cases = [int(((x == left) & (y == top)).sum()) for left, top in zip(at, highest, strict=True)]
    peers = pd.DataFrame({"condition": at, "outcome": highest, "cases": cases})
    return Ceiling(peers, line, scope, _empty(x, y, kind, scope), below)


def _bound(x: np.ndarray, y: np.ndarray, kind: Kind) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Condition and outcome where the highest outcome so far rises, of cases sorted by condition; slope and start."""
    so_far = np.maximum.accumulate(y)
    last = np.append(np.flatnonzero(np.diff(x) > SAME), len(x) - 1)  # of the cases that share a condition
    rises = last[np.diff(so_far[last], prepend=-np.inf) > SAME]
    straight = kind == "CR-FDH" and len(rises) > 1
    return x[rises], so_far[rises], np.polyfit(x[rises], so_far[rises], 1) if straight else None


def _empty(x: np.ndarray, y: np.ndarray, kind: Kind, scope: Scope) -> float:
    """Share of the scope above the ceiling, of cases sorted by condition."""
    left, right, bottom, top = scope
    at, highest, line = _bound(x, y, kind)
    if line is None:
        area = np.diff([left, *at, right]) @ (top - np.array([bottom, *highest]))
    else:
        turns = np.sort(np.clip([left, *((np.array([bottom, top]) - line[1]) / line[0]), right], left, right))
        above = top - np.clip(np.polyval(line, turns), bottom, top)
        area = np.diff(turns) @ (above[1:] + above[:-1]) / 2
    possible = (right - left) * (top - bottom)
    return float(area / possible) if possible > 0 else np.nan


@dataclass(frozen=True)
class Necessity:
    """Whether an outcome can do without a condition.

    Attributes:
        ceiling: over all cases.
        expected: mean effect size in data simulated from an additive model of equal margins and correlation.
        excess: effect size beyond the expected one, with its interval.
        p_additive, p_permutation: chance of an effect size so large under that model, and if outcomes were shuffled.
        outliers: for each corner of the ceiling its condition, outcome and cases, and the effect_size without them.
    """

    ceiling: Ceiling
    expected: float
    excess: Estimate
    p_additive: float
    p_permutation: float
    outliers: pd.DataFrame


def necessity(
    condition: pd.Series, outcome: pd.Series, *, kind: Kind = "CE-FDH", draws: int = 1000, seed: int = 0
) -> Necessity | NotTestable:
    """The empty area above the ceiling beyond what plain correlation would leave empty.

    Normal scores with a correlation, put in the order of the cases' own conditions and outcomes, make an additive
    model of exactly equal margins; the correlation is set so that the simulated data correlate as the cases do. The
    interval is the wider, on each side, of two: the spread of the simulated effect sizes, and that of subsamples
    without replacement, brought to the size of the sample by the square root of their size.

    Args:
        condition, outcome: of the same cases; cases with a gap are left out.
        draws, seed: of simulated data, shuffles and subsamples.

    Source: Dul (2016), Organizational Research Methods 19; Politis & Romano (1994), Annals of Statistics 22, for
        subsampling.
    """
    from scipy.optimize import brentq

    told = pd.concat([condition, outcome], axis=1).dropna().sort_values(str(condition.name))
    same = [str(name) for name in told if told[name].nunique() < 2]
    if same or len(told) < FEWEST:
        why = f"all the same in {listing(same)}" if same else f"at least {FEWEST} are needed"
        return NotTestable(f"{plural(len(told), 'case')} with {condition.name} and {outcome.name}: {why}.")
    (x, y), n, random = told.to_numpy(float).T, len(told), np.random.default_rng(seed)
    whole, ordered, tried = ceiling(x, y, kind=kind), np.sort(y), random.standard_normal((TRIED, 2, n))

    def additive(scores: np.ndarray, correlation: float) -> np.ndarray:
        drawn = correlation * np.sort(scores[0]) + np.sqrt(1 - correlation**2) * scores[1]
        return ordered[drawn.argsort().argsort()]

    def off(correlation: float) -> float:
        made = [np.corrcoef(x, additive(scores, correlation))[0, 1] for scores in tried]
        return float(np.mean(made) - np.corrcoef(x, y)[0, 1])

    tight = -1.0 if off(-1.0) >= 0 else 1.0 if off(1.0) <= 0 else brentq(off, -1.0, 1.0, xtol=1e-4)
    drawn = (additive(random.standard_normal((2, n)), tight) for _ in range(draws))
    simulated = np.array([_empty(x, made, kind, whole.scope) for made in drawn])
    shuffled = np.array([_empty(x, random.permutation(y), kind, whole.scope) for _ in range(draws)])
    size = round(n**POWER)
    picks = (np.sort(random.choice(n, size, replace=False)) for _ in range(draws))
    parts = np.array([_empty(x[pick], y[pick], kind, whole.scope) for pick in picks])
    # Subsamples overlap, which hides the part size / n of their spread.
    errors = [simulated - simulated.mean(), (parts - parts.mean()) * np.sqrt(size / (n - size))]
    value, method = whole.effect_size - simulated.mean(), f"wider of subsampling ({size} cases) and simulation"

    def quantile(p: float) -> float:
        return float((min if p < 0.5 else max)(value - np.quantile(error, 1 - p) for error in errors))

    larger = [float((1 + (null >= whole.effect_size).sum()) / (1 + draws)) for null in (simulated, shuffled)]
    kept = [(x != left) | (y != top) for left, top in whole.peers[["condition", "outcome"]].to_numpy()]
    outliers = whole.peers.assign(effect_size=[ceiling(x[some], y[some], kind=kind).effect_size for some in kept])
    excess = Estimate(float(value), "effect size", n, quantile, method)
    return Necessity(whole, float(simulated.mean()), excess, larger[0], larger[1], outliers)
