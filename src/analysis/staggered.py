"""What a change does that reaches customers, or branches, at different times: difference in differences.

Whoever changed is compared with others who had not yet changed then, each against their own past. The past is read
away from the day of the change, because people change when something is up: they join at a peak of their buying, and
what follows a peak looks like a fall, what follows the climb to it like a rise. So periods next to the change are left
out on both sides, equally many, and a peak that rises and fades alike leaves no trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimates import Estimate, gated, need
from analysis.words import plural

NEVER = 10**6  # a first period that does not come
FEWEST = 30  # changed, and unchanged beside them
METHOD = "staggered differences"
OPEN, NOT_YET, NEVERS = "not changed by then", "not changed until the end", "never changed"


@dataclass(frozen=True)
class Course:
    """What came, and what would have come without the change, period by period around it.

    Attributes:
        events: periods since the change, from `-before` to `after`.
        came: mean outcome of those who changed.
        otherwise: what it would have been: their own past, moved as that of the others moved.
        pulls: how each unit moves the two: shape (2, units, events); their sums of squares are variances.
        changed: how many changed, in all groups.
        later: of the others, the share that had changed too by then; half of those who changed in that period.
    """

    events: np.ndarray
    came: np.ndarray
    otherwise: np.ndarray
    pulls: np.ndarray
    changed: int
    later: np.ndarray

    def ratio(self, periods: Sequence[int], cluster: np.ndarray | None = None) -> Estimate:
        """What came over what would have come, in the mean of some periods; errors by unit, or by these clusters."""
        (came, otherwise), pulls = self._over(periods)
        error = _error(pulls[0] / came - pulls[1] / otherwise, cluster)
        return Estimate.log_normal(came / otherwise, error, unit="ratio", n=self.changed, method=METHOD)

    def difference(self, periods: Sequence[int], cluster: np.ndarray | None = None, *, unit: str = "slope") -> Estimate:
        """What came less what would have come, in the mean of some periods; errors by unit, or by these clusters."""
        (came, otherwise), pulls = self._over(periods)
        error = _error(pulls[0] - pulls[1], cluster)
        return Estimate.normal(came - otherwise, error, unit=unit, n=self.changed, method=METHOD)

    @property
    def peak(self) -> float:
        """What came over what would have come in the period when most came."""
        at = int(np.argmax(self.came))
        return float(self.came[at] / self.otherwise[at])

    def _over(self, periods: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        at = np.isin(self.events, list(periods))
        return np.array([self.came[at].mean(), self.otherwise[at].mean()]), self.pulls[:, :, at].mean(axis=2)

    def table(self) -> pd.DataFrame:
        """One row an event: event, came, otherwise, value, low, high (ratio with its 95% interval)."""
        each = [self.ratio([event]) for event in self.events]
        ends = pd.DataFrame([{"value": e.value, "low": e.low, "high": e.high} for e in each])
        return ends.assign(event=self.events, came=self.came, otherwise=self.otherwise)


def _error(pull: np.ndarray, cluster: np.ndarray | None) -> float:
    sums = pull if cluster is None else np.bincount(np.unique(cluster, return_inverse=True)[1], pull)
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)))


@gated
def course(
    outcome: np.ndarray,
    first: np.ndarray,
    *,
    before: int,
    after: int,
    aside: int = 1,
    others: str = OPEN,
    scaled: bool = True,
    there: np.ndarray | None = None,
    followed: np.ndarray | None = None,
    alike: np.ndarray | None = None,
    fewest: int = FEWEST,
) -> Any:
    """Follow all groups that changed in the same period, each beside others who had not changed by then.

    Args:
        outcome: units × periods; NaN where a unit was not watched. A unit serves in a comparison only when it was
            watched in all its periods.
        first: period of each unit's change, `NEVER` where it did not come.
        before, after: periods on either side of that of the change.
        aside: periods next to it that are no part of the past it is compared with.
        others: whom to compare with. OPEN: all who had not changed by then; some change later, which is allowed for.
            NOT_YET: those who did not change until the end of the comparison either, and NEVERS: those who never did.
            Where units change because their outcome is high, the latter two leave out whoever was about to have a
            high time, and make any change look good.
        scaled: the past moves by the same factor as that of the others; else by the same amount.
        there: units × periods, whether a unit could change then (a customer who had left could not); None for all.
        alike: of each unit, a word; only units of the same are compared. None takes all for alike. Who is quick
            to change and has not yet had no high time so far; so eager units should stand beside eager ones.
        followed: units whose change is asked about; None for all. The others keep the dates of theirs.
        fewest: how many must have changed, and how many others must stand beside each group.

    Returns:
        A `Course`.

    Source: Callaway & Sant'Anna (2021), Journal of Econometrics 225 (groups by time, summed by time since the
    change, errors by influence); García-Albéniz, Hsu & Hernán (2017), European Journal of Epidemiology 32 (a trial
    in each period); Chabé-Ferret (2017), Toulouse School of Economics working paper (symmetric differences).
    """
    units, periods = outcome.shape
    events = np.arange(-before, after + 1)
    base = events < -aside
    groups = [g for g in np.unique(first[first < NEVER]) if before <= g < periods - after]
    asked = np.ones(units, bool) if followed is None else followed
    kinds = np.zeros(units, int) if alike is None else np.unique(alike, return_inverse=True)[1]
    compared = []
    for g in groups:
        one, other = _sides(outcome, first, g, events, aside, others, there)
        both = ((g, one & asked & (kinds == kind), other & (kinds == kind)) for kind in range(kinds.max() + 1))
        compared += [(g, mine, theirs) for g, mine, theirs in both if mine.any() and theirs.sum() >= fewest]
    changed = sum(int(one.sum()) for _, one, _ in compared)
    need(
        changed >= fewest,
        f"{plural(changed, 'unit')} changed with {plural(before, 'period')} watched before and {after} after it, "
        f"beside {fewest} others who had not; {fewest} are needed.",
    )
    size = len(events)
    sums, pulls, mixed = np.zeros((2, size)), np.zeros((2, units, size)), np.zeros((size, size))
    for g, one, other in compared:
        mine, theirs = outcome[one][:, g + events], outcome[other][:, g + events]
        past, their_past = mine[:, base].mean(axis=1), theirs[:, base].mean(axis=1)
        need(not scaled or their_past.mean() > 0, "The others had an outcome of zero in all of the past.")
        moved = theirs.mean(axis=0) / their_past.mean() if scaled else theirs.mean(axis=0) - their_past.mean()
        expected = np.outer(past, moved) if scaled else past[:, None] + moved
        away = theirs - np.outer(their_past, moved) if scaled else theirs - their_past[:, None] - moved
        sums += mine.sum(axis=0), expected.sum(axis=0)
        pulls[0, one] += mine
        pulls[1, one] += expected
        pulls[1, other] += (past.sum() / their_past.mean() if scaled else one.sum()) * away / other.sum()
        age = (g + events)[:, None] - first[other]  # of the others' own changes
        for old in range(aside + 1, after + 1):
            as_old = (age > 0) & (age <= old) if old == aside + 1 else age == old
            fresh = 0.5 * (age == 0) * (old == aside + 1)  # changed half-way through that period, on average
            mixed[:, before + old] += one.sum() * (as_old + fresh).mean(axis=1)
    mean, who = sums / changed, np.logical_or.reduce([one for _, one, _ in compared])
    need(
        not scaled or (mean > 0).all(),
        "In some period nobody had any of it, so there is no ratio. Take longer periods.",
    )
    pulls[:, who] -= mean[:, None]
    otherwise, pulls[1] = _unmixed(mean, pulls / changed, mixed / changed, scaled)
    below = "What would have come is not known to be more than nothing, so there is no ratio. Take longer periods."
    need(not scaled or (otherwise > 0).all(), below)
    pulls[0] /= changed
    return Course(events, mean[0], otherwise, pulls, changed, mixed.sum(axis=1) / changed)


def _unmixed(mean: np.ndarray, pulls: np.ndarray, mixed: np.ndarray, scaled: bool) -> tuple[np.ndarray, np.ndarray]:
    """What would have come, and its pulls, if none of the others had changed later.

    Of the others some changed later and so have the effect too, as old as their change is; taken to be that of those
    who changed before them. So the effects of all ages solve linear equations.
    """
    if scaled:
        seen, pull = mean[0] / mean[1], pulls[0] / mean[0] - pulls[1] / mean[1]
        system = np.eye(len(seen)) - seen[:, None] * mixed
        effect = np.linalg.solve(system, seen * (1 - mixed.sum(axis=1)))
        own = np.linalg.solve(system, (effect * pull).T).T / effect
        return mean[0] / effect, mean[0] / effect * (pulls[0] / mean[0] - own)
    effect, own = (np.linalg.solve(np.eye(len(mixed)) - mixed, (a - b).T).T for a, b in (mean, pulls))
    return mean[0] - effect, pulls[0] - own


def _sides(
    outcome: np.ndarray, first: np.ndarray, g: int, events: np.ndarray, aside: int, others: str, there: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Who changed in a period, and who had not, among those watched in all of the periods around it."""
    watched = np.isfinite(outcome[:, g + events]).all(axis=1)
    if there is not None:
        watched &= there[:, g]
    since = {OPEN: g, NOT_YET: g + events[-1] + aside, NEVERS: NEVER - 1}[others]
    return watched & (first == g), watched & (first > since)
