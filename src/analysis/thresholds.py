"""What changes where a rule cuts: those just above a threshold against those just below it.

Nobody can place themselves to the cent, so on both sides of the line stand people of one kind, and what jumps there
is what the rule does. Straight lines are fitted on either side to those near the threshold, the nearer the heavier,
and their bend is taken out again; how near is near follows from the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimates import Answer, Estimate, NotTestable, gated, need
from analysis.words import count

FEWEST = 100  # on either side, within the bandwidth
DIFFERENT = 10  # values on either side, within the bandwidth
MIXED = 0.01  # share on the wrong side of the best threshold, up to which it counts as one
TINY = 1e-300  # so that nothing is divided by nothing

Line = tuple[float, float]  # level at the threshold, slope


@dataclass(frozen=True)
class Jump:
    """What happens at a threshold.

    Attributes:
        difference: the level just above less the level just below.
        ratio: the one over the other.
        bandwidth: how far from the threshold people count.
        lines: the straight lines below and above.
    """

    difference: Answer
    ratio: Answer
    bandwidth: float
    lines: tuple[Line, Line]


def found(value: np.ndarray, above: np.ndarray) -> float | NotTestable:
    """The value that parts those whom a rule counted above from the others, half-way between them."""
    order = np.argsort(value, kind="stable")
    value, above = np.asarray(value, float)[order], np.asarray(above, bool)[order]
    if not 0 < above.sum() < len(above):
        return NotTestable("All are on the same side, so there is no threshold to be found.")
    # With the first k below, wrong are those above among them and those below among the rest.
    wrong = np.cumsum(np.r_[0, above]) + np.cumsum(np.r_[0, ~above[::-1]])[::-1]
    best = int(np.clip(np.argmin(wrong), 1, len(value) - 1))
    if wrong[best] <= MIXED * len(above):
        return float(value[best - 1] + value[best]) / 2
    return NotTestable(
        f"{count(wrong[best])} of {count(len(above))} are on the wrong side of whatever threshold is taken, so "
        "something else decides too. Bring the value that decided."
    )


def bandwidth(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """How near is near: where error from few cases and error from a bent line together are least.

    Returns:
        The bandwidth for the lines, and for telling the bend below and above the threshold.
    Source: Imbens & Kalyanaraman (2012), Review of Economic Studies 79, for the triangular kernel.
    """
    farthest = np.abs(x).max()  # powers of large numbers would swamp the rest
    x, n, sides = x / farthest, len(x), (x < 0, x >= 0)
    first = 1.84 * x.std(ddof=1) * n**-0.2
    close = np.abs(x) <= first
    density = max(close.sum(), 1) / (2 * n * first)
    spread = [y[close & side if (close & side).sum() > 1 else side].var(ddof=1) for side in sides]
    third = 6 * np.linalg.lstsq(np.column_stack([x >= 0, np.vander(x, 4)]), y, rcond=None)[0][1]
    bends, unsure, wide = np.zeros(2), 0.0, []
    for place, (side, variance) in enumerate(zip(sides, spread, strict=True)):
        asked = 3.56 * (variance / max(density * third**2, TINY)) ** (1 / 7) * side.sum() ** (-1 / 7)
        wide.append(min(asked, np.abs(x[side]).max()))
        use = side & (np.abs(x) <= wide[-1])
        bends[place] = 2 * np.polyfit(x[use], y[use], 2)[0]
        unsure += 2160 * variance / (use.sum() * wide[-1] ** 4)
    bent = max((bends[1] - bends[0]) ** 2 + unsure, TINY)
    narrow = 3.4375 * (sum(spread) / (density * bent)) ** 0.2 * n**-0.2
    return float(farthest * narrow), float(farthest * wide[0]), float(farthest * wide[1])


@gated
def jump(
    x: np.ndarray,
    y: np.ndarray,
    *,
    unit: str = "money",
    cases: Any = None,
    factor: float = 1.0,
    fixed: tuple[float, float, float] | None = None,
) -> Any:
    """How much an outcome jumps at the threshold, with robust errors that allow for the bend of the lines.

    Args:
        x: what the rule looked at, less the threshold; 0 is above.
        y: the outcome.
        unit: of the outcome.
        cases: whose each row is, where somebody has several; errors then go by case.
        factor: times the bandwidth that the data ask for; to see whether the answer hangs on it.
        fixed: bandwidths as `bandwidth` returns them, instead.
    Source: Calonico, Cattaneo & Titiunik (2014), Econometrica 82.
    """
    x, y, who = np.asarray(x, float), np.asarray(y, float), np.arange(len(x)) if cases is None else np.asarray(cases)
    _enough(x, y, "There")
    reach = min(-x.min(), x.max())  # as far on either side, or one long tail decides how near is near
    x, y, who = (each[np.abs(x) <= reach] for each in (x, y, who))
    narrow, *wide = fixed or bandwidth(x, y)
    narrow = min(factor * narrow, reach)
    inside = np.abs(x) < narrow
    n = _enough(x[inside], y[inside], "Nearby")
    levels, pulls, lines = np.zeros(2), np.zeros((2, len(x))), []
    for place, side in enumerate((x < 0, x >= 0)):
        share, left, line = _level(x[side], y[side], narrow, max(narrow, wide[place]))
        levels[place], pulls[place, side] = share @ y[side], share * left
        lines.append(line)
    apart = np.array([np.bincount(pd.factorize(who)[0], pull) for pull in pulls])
    spread = apart @ apart.T
    told = f"local lines within {narrow:,.3g}, bias corrected, {'by case' if cases is not None else 'robust'} errors"
    tell: dict[str, Any] = {"n": n, "method": told}
    step = np.array([-1.0, 1.0])
    difference = Estimate.normal(float(step @ levels), math.sqrt(step @ spread @ step), unit=unit, **tell)
    ratio: Answer = NotTestable("The level at the threshold is not above nothing, so there is no ratio to it.")
    if levels.min() > 0:
        step = step / levels
        ratio = Estimate.log_normal(levels[1] / levels[0], math.sqrt(step @ spread @ step), unit="ratio", **tell)
    return Jump(difference, ratio, narrow, (lines[0], lines[1]))


def _enough(x: np.ndarray, y: np.ndarray, where: str) -> int:
    """Inside a `gated` function: how many there are, where on either side are enough of them and they differ."""
    sides, few = (x < 0, x >= 0), f"{count(FEWEST)} are needed on either side, so more must come close to it."
    below, above = (int(side.sum()) for side in sides)
    need(
        min(below, above) >= FEWEST,
        f"{where} are {count(below)} below the threshold and {count(above)} above it. {few}",
    )
    varied = all(len(np.unique(x[side])) >= DIFFERENT and np.ptp(y[side]) > 0 for side in sides)
    need(varied, f"{where} are too few different values on one side of the threshold to lay a line through.")
    return len(x)


def _level(x: np.ndarray, y: np.ndarray, narrow: float, wide: float) -> tuple[np.ndarray, np.ndarray, Line]:
    """The share of each case in the level at the threshold, its robust residual, and the straight line."""
    u = x / wide
    weight = [np.maximum(1 - np.abs(x) / width, 0) for width in (narrow, wide)]
    design = [np.vander(u, 1 + order, increasing=True) for order in (1, 2)]
    pull = [np.linalg.inv((d.T * w) @ d) @ (d.T * w) for d, w in zip(design, weight, strict=True)]
    # A straight line is off by its bend; the bend is told by the wider parabola.
    share = pull[0][0] - (pull[0][0] @ u**2) * pull[1][2]
    lean = np.minimum(np.einsum("ij,ji->i", design[1], pull[1]), 1 - 1 / len(x))
    left = (y - design[1] @ (pull[1] @ y)) / np.sqrt(1 - lean)
    level, slope = pull[0] @ y
    return share, left, (float(level), float(slope / wide))


@gated
def crowding(x: np.ndarray) -> Any:
    """How many times as many stand just above the threshold as just below: 1 where nobody pushes over the line.

    Counts in narrow bins, by the same lines as `jump`; a count's variance is its mean.

    Source: McCrary (2008), Journal of Econometrics 142.
    """
    x = np.asarray(x, float)
    x = x[np.abs(x) <= min(-x.min(), x.max())]
    few = "Too few stand near the threshold to tell whether they crowd on one side."
    need(len(x) >= FEWEST, few)
    spread = x.std(ddof=1)
    near, width = 1.84 * spread * len(x) ** -0.2, 2 * spread / math.sqrt(len(x))
    middle, level, error = (np.arange(int(2 * near / width)) + 0.5) * width, [], 0.0
    for sign in (-1, 1):
        counts = np.histogram(sign * x, bins=np.append(middle - width / 2, middle[-1] + width / 2))[0].astype(float)
        share, _, _ = _level(middle, counts, near, 1.5 * near)
        level.append(share @ counts)
        error += share**2 @ counts / max(level[-1], 1e-9) ** 2
    need(min(level) > 0, few)
    told = f"counts in bins of {width:,.3g}, local lines"
    return Estimate.log_normal(level[1] / level[0], math.sqrt(error), unit="ratio", n=len(x), method=told)


def placebos(
    x: np.ndarray, y: np.ndarray, *, shares: tuple[float, ...] = (0.35, 0.5, 0.65), **how: Any
) -> pd.DataFrame:
    """Jumps where there is no threshold: at quantiles of those below and of those above, each among their own.

    Returns:
        One row a place that has enough cases: at (less the true threshold), difference, ratio.
    """
    x, y, cases = np.asarray(x, float), np.asarray(y, float), how.pop("cases", np.arange(len(x)))
    places = [(at, side) for side in (x < 0, x >= 0) for at in np.quantile(x[side], shares)]
    made = [(at, jump(x[side] - at, y[side], cases=np.asarray(cases)[side], **how)) for at, side in places]
    rows = [(at, each.difference, each.ratio) for at, each in made if isinstance(each, Jump)]
    return pd.DataFrame(rows, columns=["at", "difference", "ratio"])
