"""How long customers stay: survival curves, restricted means, comparisons, and what follows for retention rates.

All functions take the distinct rows of `lifetimes` (time, left, entered, weight), so their cost depends on the
number of distinct rows and not on the number of customers. A customer is at risk of leaving at age t when observation
began before t and the spell lasted at least until t.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.estimates import resample

# A year is 365.25 days.
PER_YEAR = {"day": 365.25, "week": 365.25 / 7, "month": 12.0, "year": 1.0}
MIN_EVENTS = 30
MIN_AT_RISK = 50
BLOCK = 20_000_000  # numbers held at once while resampling: 160 MB


@dataclass(frozen=True)
class RiskTable:
    """How many were at risk and how many left at each distinct time; the last axis is time.

    With weights of shape (draws, rows) every count has shape (draws, times).
    """

    times: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray

    @property
    def survival(self) -> np.ndarray:
        """The Kaplan–Meier share still customers after each time."""
        return np.cumprod(1 - self.events / np.maximum(self.at_risk, 1), axis=-1)

    def survival_at(self, ages: np.ndarray) -> np.ndarray:
        """The share still customers after each age, 1 before the first time."""
        start = np.ones((*self.survival.shape[:-1], 1))
        return np.concatenate([start, self.survival], axis=-1)[..., np.searchsorted(self.times, ages, side="right")]

    def mean_until(self, until: float) -> np.ndarray:
        """The area under the curve from 0 to `until`: the restricted mean."""
        inside = self.times[(self.times > 0) & (self.times < until)]
        edges = np.concatenate([[0.0], inside, [until]])
        return self.survival_at(edges[:-1]) @ np.diff(edges)


def risk_table(lifetimes: pd.DataFrame, weights: np.ndarray | None = None) -> RiskTable:
    """Count who is at risk and who leaves at each distinct time.

    Args:
        lifetimes: distinct rows.
        weights: in place of the table's own, shape (rows,) or (draws, rows): resampled counts.
    """
    from scipy.sparse import csr_array

    weight = np.asarray(lifetimes["weight"] if weights is None else weights, dtype=float)
    time, entered = lifetimes["time"].to_numpy(float), lifetimes["entered"].to_numpy(float)
    left = lifetimes["left"].to_numpy(bool)
    times, place = np.unique(time, return_inverse=True)

    def counted(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        shape = (len(time), len(times))
        return weight @ csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)

    everyone = np.arange(len(time))
    # At age t nobody is at risk whose observation began at t or later.
    late = np.flatnonzero((entered > 0) & (entered >= times[0]))
    not_yet = counted(late, np.searchsorted(times, entered[late], side="right") - 1)
    at_risk = _from_the_end(counted(everyone, place)) - _from_the_end(not_yet)
    return RiskTable(times, at_risk, counted(everyone[left], place[left]))


def _from_the_end(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]


def resamples(lifetimes: pd.DataFrame, *, draws: int, seed: int) -> Iterator[np.ndarray]:
    """The exact bootstrap over customers in blocks that fit in memory: counts of shape (some draws, rows)."""
    rng, size = np.random.default_rng(seed), max(1, BLOCK // len(lifetimes))
    for done in range(0, draws, size):
        yield resample(lifetimes["weight"].to_numpy(), draws=min(size, draws - done), seed=rng)


def customers(lifetimes: pd.DataFrame) -> int:
    """Number of spells in the table."""
    return int(lifetimes["weight"].sum())


def leavers(lifetimes: pd.DataFrame) -> int:
    """Number of spells that ended in leaving."""
    return int(lifetimes.loc[lifetimes["left"], "weight"].sum())


# --- Years ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Years:
    """Retention by year of a customer's life; the last axis is the year, 1 first.

    `retention` is the share of those who began the year that ended it as customers, `at_risk` how many were watched
    to the end of the year, `exposure` how many customer-years stand behind the rate (a customer whose observation
    began or ended inside the year counts half).
    """

    retention: np.ndarray
    at_risk: np.ndarray
    exposure: np.ndarray


def year_ends(unit: str, years: int) -> np.ndarray:
    """The ages at which year 0, 1, 2 … end, in the unit of the table.

    In days an anniversary is day 365 or 366, so the end is rounded up: a contract of one calendar year that is not
    renewed ends inside its year.
    """
    ends = PER_YEAR[unit] * np.arange(years + 1)
    return np.ceil(ends) if unit == "day" else ends


def by_year(lifetimes: pd.DataFrame, *, unit: str, years: int, weights: np.ndarray | None = None) -> Years:
    """Retention in each of the first `years` years, from the Kaplan–Meier curve.

    Args:
        lifetimes: distinct rows.
        unit: of time: day, week, month or year.
        years: how many years.
        weights: resampled counts, shape (draws, rows).
    """
    ends = year_ends(unit, years)
    survival = risk_table(lifetimes, weights).survival_at(ends)
    weight = np.asarray(lifetimes["weight"] if weights is None else weights, dtype=float)
    time, entered = (lifetimes[name].to_numpy(float)[:, None] for name in ("time", "entered"))
    stayed = ~lifetimes["left"].to_numpy(bool)[:, None]
    begin, end = ends[:-1], ends[1:]
    in_view = ((time > begin) | ((begin == 0) & (time == 0))) & (entered < end)
    exposure = in_view * (1 - (stayed & (time < end)) / 2 - (entered > begin) / 2)
    watched_through = (time >= end) & (entered < end)
    with np.errstate(invalid="ignore", divide="ignore"):
        retention = survival[..., 1:] / survival[..., :-1]
    return Years(retention, weight @ watched_through, weight @ exposure)


def yearly_retention(lifetimes: pd.DataFrame, *, unit: str, min_at_risk: int = MIN_AT_RISK) -> pd.DataFrame:
    """Retention in each whole year that the table spans.

    Args:
        lifetimes: distinct rows.
        unit: of time; a year is 12 months or 365.25 days.
        min_at_risk: a year counts as observed when so many were watched to its end.

    Returns:
        One row a year: year (from 1), retention (share of those who began the year), survival (share of the start),
        at_risk (watched to the end of the year), observed (bool; false from the first year with too few).
    """
    longest = float(lifetimes["time"].max()) if len(lifetimes) else 0.0
    years = int(np.searchsorted(year_ends(unit, int(longest / PER_YEAR[unit]) + 1)[1:], longest, side="right"))
    found = by_year(lifetimes, unit=unit, years=years)
    observed = np.cumprod(found.at_risk >= min_at_risk).astype(bool)
    table = pd.DataFrame({"year": np.arange(1, years + 1), "retention": found.retention})
    table["survival"] = np.cumprod(found.retention)
    return table.assign(at_risk=found.at_risk.astype(int), observed=observed).dropna().reset_index(drop=True)
