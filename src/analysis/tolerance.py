"""The zone of tolerance: what service does to an outcome below, inside and above each customer's own levels (E09)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
import pandas as pd

from analysis.estimates import Answer, Estimate, NotTestable
from analysis.simpler import gains_of
from analysis.surfaces import Settings, distinct, fit_of, share_of, solve, spread_of, sums_of
from analysis.unreliability import Noise, simulated
from analysis.words import plural

OUTSIDE = 30  # answers in a part of the zone
SHARED = 3  # columns before the slopes: constant, adequate and desired level


def zones(
    table: pd.DataFrame,
    *,
    outcome: str,
    perception: str,
    adequate: str,
    desired: str,
    seed: int,
    reliability: tuple[float, float, float] | None = None,
    draws: int = 199,
    **settings: Unpack[Settings],
) -> dict[str, Answer] | NotTestable:
    """Slopes of an outcome on perception below, inside and above each customer's own zone of tolerance.

    The kinks are measured, never searched for; both levels are held fixed. Customers whose desired level lies below
    their adequate one have no zone and are left out.

    Args:
        table, outcome, perception, settings: as in `surfaces.fit_surface`.
        adequate, desired: columns with the two levels, on the scale of perception.
        seed: of the cross-validation, and of the noise and resamples.
        reliability: of perception, adequate and desired level. Noise in them rounds off kinks, so that the slopes of a
            true zone come closer to each other; with it, it is taken out by simulation (see `unreliability`).
        draws: resamples behind slopes without noise.

    Returns:
        below, inside, above: slopes, standard deviations of the outcome for one of perception; outside: the steeper of
        the outer two, its interval adjusted for the choice; kinks and cubic: gain of three slopes, and of a cubic
        curve, over one straight line, on answers left out. The upper ends of kinks reach as far as what they explain
        without noise, where reliability is known: a gain too small to matter may be one that noise has hidden.

    Raises:
        TableError: as `surfaces.fit_surface`.
    """
    cells = distinct(table, {"p": perception, "a": adequate, "d": desired, "z": outcome}, **settings)
    if isinstance(cells, NotTestable):
        return cells
    (mean, deviation), (_, spread) = (spread_of(cells[name], share_of(cells)) for name in "zp")
    scores = (cells[["p", "a", "d"]].to_numpy(float) - sum(settings["scale"]) / 2) / spread
    (p, a, d), three = scores.T, _three(*scores.T)
    cells["z"] = (cells["z"] - mean) / deviation
    fit, found = fit_of(three, cells), dict[str, Answer]()
    lines = {"straight": [p], "kinks": [three[:, SHARED:]], "cubic": [p, p**2, p**3]}
    designs = {name: np.column_stack([three[:, :SHARED], *line]) for name, line in lines.items()}
    added = gains_of(cells, designs, "mean", seed)
    if reliability and not isinstance(fit, NotTestable):
        noise = Noise(reliability, simulated=True)
        slopes, hidden = _without(noise, cells, scores, draws=draws, seed=seed)
        fit = fit.freed(slopes, noise)
        added["kinks"] = fit if isinstance(fit, NotTestable) else _reaching(added["kinks"], hidden)
    there = {"below": p < a, "inside": (a <= p) & (p <= d) & (a < d), "above": p > d}
    for place, (name, side) in enumerate(there.items(), SHARED):
        few = f"{plural(n := int(cells['weight'] @ side), 'customer')} with perception {name} the zone"
        enough = fit if isinstance(fit, NotTestable) else fit.mix(np.eye(6)[place])
        found[name] = enough if n >= OUTSIDE else NotTestable(f"{few}; at least {OUTSIDE} are needed.")
    outer = [slope for name in ("below", "above") if isinstance(slope := found[name], Estimate)]
    found["outside"] = _steeper(outer) if outer else found["below"]
    return found | {name: added[name] for name in ("kinks", "cubic")}


def _three(p: Any, a: Any, d: Any) -> np.ndarray:
    """A constant, both levels, and perception in three pieces; where noise turns the levels round, they meet."""
    d = np.maximum(a, d)
    pieces = np.minimum(p - a, 0), np.clip(p - a, 0, d - a), np.maximum(p - d, 0)
    return np.column_stack([np.ones_like(p), a, d, *pieces])


def _without(
    noise: Noise, cells: pd.DataFrame, scores: np.ndarray, *, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes without noise, and what they explain beyond one straight line; of the answers, and then of resamples."""
    errors = noise.covariance(np.cov(scores.T, aweights=share_of(cells), ddof=0))
    sums = sums_of(simulated(_three, scores, cells["z"].to_numpy(float), errors, seed), cells, draws=draws, seed=seed)
    # Perception is the adequate level and the three pieces added up, so one line is three equal slopes.
    alike = np.zeros((7, 5))
    alike[range(7), [0, 1, 2, 3, 3, 3, 4]] = 1
    both = sums, alike.T @ sums @ alike
    slopes = [solve(each) for each in both]
    free, line = ((told * each[:, :-1, -1]).sum(axis=1) for told, each in zip(slopes, both, strict=True))
    return slopes[0], (free - line) / sums[:, -1, -1]


def _reaching(gain: Answer, hidden: np.ndarray) -> Answer:
    """A gain whose upper ends reach as far as one that noise may have hidden."""
    if isinstance(gain, NotTestable):
        return gain
    # Pieces explain something by chance alone: once in the answers, and once more in their resamples.
    drawn = hidden[1:] - 2 * (np.nanmean(hidden[1:]) - hidden[0])
    told, most = gain.quantile, Estimate.from_draws(float(hidden[0]), drawn, unit=gain.unit, n=gain.n).quantile
    return replace(gain, quantile=lambda p: told(p) if p < 0.5 else max(told(p), most(p)))


def _steeper(slopes: Sequence[Estimate]) -> Estimate:
    """The largest of several slopes, its lower ends at Bonferroni's level: the best of several looks good by chance."""
    best, many = max(slopes, key=lambda slope: slope.value), len(slopes)
    return replace(
        best,
        quantile=lambda p: max(slope.quantile(p / many if p < 0.5 else p) for slope in slopes),
        method="Bonferroni",
    )
