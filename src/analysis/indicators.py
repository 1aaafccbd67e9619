"""Satisfaction in one figure: net promoters, satisfied customers, effort, and how sure a sample makes us of each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimates import NORMAL, Answer, Estimate, NotTestable, columns, effective_size
from analysis.scales import FEWEST
from analysis.words import count, plural

PROMOTER, DETRACTOR = 9, 6  # at least, at most, on 0 to 10
SATISFIED = 2  # the highest so many answers of a scale count as satisfied
POWER = 0.80
ADDED = np.array([0.75, 1.5, 0.75])  # imagined detractors, passives and promoters (Rocks 2016)


def promoter_classes(answers: pd.Series, scale: tuple[float, float]) -> pd.Series | NotTestable:
    """-1 for detractors (0 to 6), 0 for passives (7, 8), 1 for promoters (9, 10); NaN stays.

    Refused on any other scale than 0 to 10: the classes are defined on that one only.
    """
    if scale != (0, 10):
        return NotTestable(
            f"Promoters are counted on a scale from 0 to 10, and this one runs from {scale[0]:g} to {scale[1]:g}."
        )
    classes = np.select([answers >= PROMOTER, answers <= DETRACTOR], [1.0, -1.0], default=0.0)
    return pd.Series(classes, index=answers.index).where(answers.notna())


def net_promoter_score(classes: pd.Series, weight: np.ndarray | None = None, *, adjusted: bool = True) -> Answer:
    """Share of promoters less share of detractors, in points.

    Args:
        classes: from `promoter_classes`; gaps are left out.
        weight: of each respondent; with unequal weights the interval is by linearisation.
        adjusted: the interval stands on three imagined respondents more, which keeps it right in small samples and
            near the ends; else the plain one, whose variance is (p + d - (p - d)²) / n.

    Source: Rocks (2016), The American Statistician 70(4); Reichheld (2003), Harvard Business Review 81(12).
    """
    known = classes.notna().to_numpy()
    values = classes.to_numpy(float)[known]
    weighing = np.ones(len(values)) if weight is None else np.asarray(weight, float)[known]
    if len(values) == 0:
        return NotTestable("Nobody answered the question on recommending.")
    score = float(np.average(values, weights=weighing))
    even = bool(np.ptp(weighing) == 0)
    if even and adjusted:
        shares = np.array([(values == kind).sum() for kind in (-1, 0, 1)]) + ADDED
        shares /= shares.sum()
        centre, se = shares[2] - shares[0], _error(shares[2], shares[0], len(values) + ADDED.sum())
        method = "adjusted Wald, three imagined answers"
    elif even:
        centre, se = score, _error((values == 1).mean(), (values == -1).mean(), len(values))
        method = "Wald"
    else:
        centre, se = score, math.sqrt(np.sum((weighing * (values - score)) ** 2)) / weighing.sum()
        method = "linearised for weights"

    def quantile(p: float) -> float:
        return min(1.0, max(-1.0, centre + NORMAL.inv_cdf(p) * se))

    return Estimate(score, "points", len(values), quantile, method, int((values == 1).sum()))


def _error(promoters: float, detractors: float, n: float) -> float:
    return math.sqrt((promoters + detractors - (promoters - detractors) ** 2) / n)


def change(first: Answer, second: Answer) -> Answer:
    """How much an indicator rose between two independent samples, with the normal interval of a difference."""
    if isinstance(first, NotTestable) or isinstance(second, NotTestable):
        return next(each for each in (first, second) if isinstance(each, NotTestable))
    width = [(each.high - each.low) / (2 * NORMAL.inv_cdf(0.975)) for each in (first, second)]
    return Estimate.normal(
        second.value - first.value, math.hypot(*width), unit=first.unit, n=first.n + second.n, method="two samples"
    )


def smallest_change(answer: Answer) -> float:
    """The change that two samples like this one would show in four of five cases, tested at 5%; NaN without one."""
    if isinstance(answer, NotTestable):
        return math.nan
    se = (answer.high - answer.low) / (2 * NORMAL.inv_cdf(0.975))
    return (NORMAL.inv_cdf(0.975) + NORMAL.inv_cdf(POWER)) * math.sqrt(2) * se


def needed_for(change_wanted: float, answer: Answer) -> float:
    """Respondents in each of two samples that would show a change in four of five cases; NaN without an answer."""
    if isinstance(answer, NotTestable):
        return math.nan
    return math.ceil(answer.n * (smallest_change(answer) / change_wanted) ** 2)


def satisfied(answers: pd.Series, scale: tuple[float, float], weight: np.ndarray | None = None) -> Answer:
    """Customer satisfaction score: the share whose answer is among the two highest of the scale."""
    known = answers.dropna()
    if known.empty:
        return NotTestable("Nobody answered the question on satisfaction.")
    yes = (known > scale[1] - SATISFIED).to_numpy(float)
    weighing = np.ones(len(yes)) if weight is None else np.asarray(weight, float)[answers.notna().to_numpy()]
    if np.ptp(weighing) == 0:
        return Estimate.proportion(int(yes.sum()), len(yes))
    share = float(np.average(yes, weights=weighing))
    effective: Any = effective_size(weighing)
    shown = Estimate.proportion(share * effective, effective)
    return Estimate(share, "share", len(yes), shown.quantile, "Wilson at the effective sample", int(yes.sum()))


def mean_score(answers: pd.Series, unit: str, weight: np.ndarray | None = None) -> Answer:
    """Weighted mean of answers with its linearised interval."""
    known = answers.notna().to_numpy()
    values = answers.to_numpy(float)[known]
    if len(values) < 2:
        return NotTestable(f"{plural(len(values), 'answer')} only.")
    weighing = np.ones(len(values)) if weight is None else np.asarray(weight, float)[known]
    mean = float(np.average(values, weights=weighing))
    se = math.sqrt(np.sum((weighing * (values - mean)) ** 2) * len(values) / (len(values) - 1)) / weighing.sum()
    return Estimate.normal(mean, se, unit=unit, n=len(values))


def over_time(classes: pd.Series, waves: pd.Series, weight: np.ndarray) -> pd.DataFrame:
    """The net promoter score of each wave with its interval, and the change from the wave before.

    Returns:
        wave, n, value, low, high, change, change low, change high, note; waves in order of their names.
    """
    rows, last = [], None
    for wave in sorted(waves.dropna().unique()):
        part = (waves == wave).to_numpy()
        answer = net_promoter_score(classes[part], weight[part])
        if isinstance(answer, Estimate) and answer.n < FEWEST:
            answer = NotTestable(f"{count(answer.n)} answers; at least {FEWEST} are needed.")
        moved = columns(change(last, answer)) if last is not None else dict.fromkeys(("value", "low", "high"), math.nan)
        rows.append(
            {"wave": wave, "n": getattr(answer, "n", 0), **columns(answer)}
            | {f"change {name}".replace(" value", ""): moved[name] for name in ("value", "low", "high")}
        )
        last = answer
    return pd.DataFrame(rows)
