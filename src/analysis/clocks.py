"""Three clocks and two hands: what can be known of a customer's age, the calendar, and when the cohort began.

A start and an age make a date. A steady trend of one clock can therefore always be told as trends of the other two,
and no method recovers it: the trend over the cohorts is known only for a given trend of the calendar. What departs
from steady trends is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.cohorts import CUSTOMERS, FEWEST, FEWEST_COHORTS, LEVEL, N_DAY, SEEN, follow, together
from analysis.customers import Purchases
from analysis.estimates import NotTestable
from analysis.words import count


def clocks(bought: Purchases, *, grain: str, until: int) -> dict[str, pd.DataFrame] | NotTestable:
    """Steady trends under stated assumptions, and the departures from them.

    A log-linear model of the customers who came back (n-day) has a level for each age, date and cohort. Its errors
    let all periods of one customer hang together, and grow with what the model leaves unexplained.

    Args:
        bought: the orders.
        grain: "week", "month" or "quarter".
        until: the last age, 1 or more.

    Returns:
        "trends": assumption (text), value, low, high (relative change of the share that came back, for a cohort that
        began a period later); "bends": clock, levels, bends (degrees of freedom), p (of nothing but a steady trend);
        "line": line, x (assumed change of the calendar a period), y, low, high (as value). Intervals at 95%. Not
        testable with fewer than three levels of a clock, or fewer than 30 active customers in one of them.

    Source: Holford (1983), Biometrics 39; Clayton & Schifflers (1987), Statistics in Medicine 6; Fosse & Winship
    (2019), Demography 56 (bounds); Liang & Zeger (1986), Biometrika 73 (errors).
    """
    from scipy.stats import f, t

    cells = follow(bought, ages=range(1, until + 1), grain=grain, definitions=[N_DAY], counted=[CUSTOMERS])
    used = (cells["state"] == SEEN) & (cells["customers"] >= FEWEST)
    cells = cells[used].reset_index(drop=True)
    at = {"age": cells["age"], "calendar": cells["position"] + cells["age"], "start of the cohort": cells["position"]}
    thinnest = min(cells["active"].groupby(level).sum().min() for level in at.values())
    if min(level.nunique() for level in at.values()) < FEWEST_COHORTS or not thinnest >= FEWEST:
        return NotTestable(
            f"A clock has fewer than {FEWEST_COHORTS} levels, or fewer than {FEWEST} customers came back at one."
        )
    blocks = {clock: _bends(level.to_numpy()) for clock, level in at.items()}
    found, spread, free = _fitted(bought, cells, np.hstack([*blocks.values()]), grain)
    if free < 1:
        return NotTestable(f"The {count(len(cells))} cells are too few to tell levels of all three clocks apart.")

    def change(contrast: np.ndarray, calendar: Any = 0.0) -> dict[str, Any]:
        away = t.ppf((1 + LEVEL) / 2, free) * np.sqrt(contrast @ spread[1:3, 1:3] @ contrast)
        middle = contrast @ found[1:3] - np.log1p(calendar)
        return {name: np.expm1(end) for name, end in zip(ENDS, (middle, middle - away, middle + away), strict=True)}

    trends = [{"assumption": said, **change(np.array(contrast))} for said, contrast in ASSUMED.items()]
    bends, place = [], 3
    for clock, block in blocks.items():
        mine = slice(place, place := place + block.shape[1])
        wald = found[mine] @ np.linalg.pinv(spread[mine, mine]) @ found[mine] / block.shape[1]
        bends.append((clock, at[clock].nunique(), block.shape[1], float(f.sf(wald, block.shape[1], free))))
    reach = 2 * max(abs(row["value"]) for row in trends)
    x = np.linspace(-min(reach, 0.5), reach, 41)
    line = pd.DataFrame({"line": "start of the cohort", "x": x, **change(np.array([0.0, 1.0]), x)})
    return {
        "trends": pd.DataFrame(trends),
        "bends": pd.DataFrame(bends, columns=["clock", "levels", "bends", "p"]),
        "line": line.rename(columns={"value": "y"}),
    }


ENDS = ["value", "low", "high"]
# The trends of age and calendar, and of cohort and calendar, are known only as sums; each line weighs the two sums.
ASSUMED = {"the calendar has no trend of its own": [0.0, 1.0], "age has no trend of its own": [-1.0, 1.0]}


def _bends(level: np.ndarray) -> np.ndarray:
    """Columns that together hold every path over the levels but a constant and a steady trend."""
    from scipy.linalg import null_space

    known, place = np.unique(level, return_inverse=True)
    return null_space(np.vstack([np.ones(len(known)), known]))[place]


def _fitted(
    bought: Purchases, cells: pd.DataFrame, bends: np.ndarray, grain: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """Coefficients (1, age, cohort, bends), their covariance, and degrees of freedom."""
    from statsmodels.api import GLM, families

    age, began, n, active = (cells[name].to_numpy(float) for name in ("age", "position", "customers", "active"))
    design = np.column_stack([np.ones(len(cells)), age - age.mean(), began - began.mean(), bends])
    fit = GLM(active, design, family=families.Poisson(), exposure=n).fit()
    rate, free = fit.fittedvalues / n, len(cells) - int(np.linalg.matrix_rank(design))
    # What the scores of one customer share, summed over customers, needs only how many came back at both of two ages.
    both = together(bought, grain=grain).set_index(["position", "age", "other"])["active"]
    pairs = pd.MultiIndex.from_arrays([np.repeat(began, len(age)), np.repeat(age, len(age)), np.tile(age, len(age))])
    same = began[:, None] == began
    mixed = both.reindex(pairs, fill_value=0).to_numpy(float).reshape(same.shape)
    meat = same * (mixed - np.outer(active, rate) - np.outer(rate, active) + n[:, None] * np.outer(rate, rate))
    bread = np.linalg.pinv(design.T @ (design * fit.fittedvalues[:, None]))
    unexplained = ((active - fit.fittedvalues) ** 2 / (n * rate * (1 - rate))).sum() / max(free, 1)
    return fit.params, max(1.0, unexplained) * bread @ design.T @ meat @ design @ bread, free
