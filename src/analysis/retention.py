"""How long customers stay: survival curves, restricted means, comparisons, and what follows for retention rates.

All functions take the distinct rows of `lifetimes` (time, left, entered, weight), so their cost depends on the
number of distinct rows and not on the number of customers. A customer is at risk of leaving at age t when observation
began before t and the spell lasted at least until t.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.estimates import NORMAL, Answer, Estimate, NotTestable, columns, resample
from analysis.lifetimes import ALL, CUSTOMER, customers, grouped, groups_of, leavers, ungrouped
from analysis.words import listing, plural

# A year is 365.25 days.
PER_YEAR = {"day": 365.25, "week": 365.25 / 7, "month": 12.0, "year": 1.0}
MIN_EVENTS = 30
MIN_AT_RISK = 50
ERROR_DRAWS = 400  # resamples for a standard error: known to 4%
BLOCK = 20_000_000  # numbers held at once while resampling: 160 MB


@dataclass(frozen=True)
class RiskTable:
    """How many were at risk and how many left at each distinct time; the last axis is time.

    With weights of shape (draws, rows) every count has shape (draws, times).
    """

    times: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray

    @cached_property
    def survival(self) -> np.ndarray:
        """The Kaplan–Meier share still customers after each time."""
        return np.cumprod(1 - self.events / np.maximum(self.at_risk, 1), axis=-1)

    @cached_property
    def log_error(self) -> np.ndarray:
        """Standard error of the logarithm of `survival`, by Greenwood's sum (where all leave, as before)."""
        at_risk, left = self.at_risk, self.events
        terms = np.divide(left, at_risk * (at_risk - left), out=np.zeros(left.shape), where=at_risk > left)
        return np.sqrt(np.cumsum(terms, axis=-1))

    @cached_property
    def _from_birth(self) -> tuple[np.ndarray, np.ndarray]:
        start = np.ones((*self.survival.shape[:-1], 1))
        return np.concatenate([[0.0], self.times]), np.concatenate([start, self.survival], axis=-1)

    def survival_at(self, ages: np.ndarray) -> np.ndarray:
        """The share still customers after each age, 1 before the first time."""
        times, survival = self._from_birth
        return survival[..., np.searchsorted(times, ages, side="right") - 1]

    def mean_until(self, ages: np.ndarray | float) -> np.ndarray:
        """The area under the curve from 0 to each age: the restricted mean."""
        times, survival = self._from_birth
        areas = np.cumsum(survival[..., :-1] * np.diff(times), axis=-1)
        areas = np.concatenate([np.zeros_like(survival[..., :1]), areas], axis=-1)
        last = np.searchsorted(times, ages, side="right") - 1
        return areas[..., last] + survival[..., last] * (ages - times[last])


def too_few(left: int, what: str) -> str:
    """Why nothing can be said of so few departures."""
    seen = f"Only {plural(left, 'customer')} {'has' if left == 1 else 'have'} left" if left else "Nobody has left"
    return f"{seen}; {what} needs at least {MIN_EVENTS} leavers."


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
    """The exact bootstrap over customers in blocks that fit in memory: counts of shape (some draws, rows).

    A customer with several spells (`lifetimes.CUSTOMER`) is drawn with all of them.
    """
    rng, size, weight = np.random.default_rng(seed), max(1, BLOCK // len(lifetimes)), lifetimes["weight"].to_numpy()
    people, place, each = weight, np.arange(len(weight)), np.ones_like(weight)
    if CUSTOMER in lifetimes:
        number = lifetimes[CUSTOMER].to_numpy()
        _, first, place = np.unique(np.where(number > 0, number, -place), return_index=True, return_inverse=True)
        people, each = np.where(number > 0, 1, weight)[first], np.where(number > 0, weight, 1)
    for done in range(0, draws, size):
        yield resample(people, draws=min(size, draws - done), seed=rng)[:, place] * each


def error_by_customer(lifetimes: pd.DataFrame, of: Callable[[RiskTable], np.ndarray]) -> np.ndarray:
    """Standard errors where customers have several spells, which go together: the spread between resamples."""
    weights = resamples(lifetimes, draws=ERROR_DRAWS, seed=ERROR_DRAWS)
    return np.concatenate([of(risk_table(lifetimes, block)) for block in weights]).std(axis=0, ddof=1)


# --- Years ------------------------------------------------------------------------------------------------------


class Years(NamedTuple):
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


def yearly_retention(lifetimes: pd.DataFrame, *, unit: str) -> pd.DataFrame:
    """Retention in each whole year that the table spans.

    Args:
        lifetimes: distinct rows.
        unit: of time; a year is 12 months or 365.25 days.

    Returns:
        One row a year: year (from 1), retention (share of those who began the year), survival (share of the start),
        at_risk (watched to the end of the year), observed (bool; false from the first year with fewer than 50).
    """
    longest = float(lifetimes["time"].max()) if len(lifetimes) else 0.0
    years = int(np.searchsorted(year_ends(unit, int(longest / PER_YEAR[unit]) + 1)[1:], longest, side="right"))
    found = by_year(lifetimes, unit=unit, years=years)
    observed = np.cumprod(found.at_risk >= MIN_AT_RISK).astype(bool)
    table = pd.DataFrame({"year": np.arange(1, years + 1), "retention": found.retention})
    table["survival"] = np.cumprod(found.retention)
    return table.assign(at_risk=found.at_risk.astype(int), observed=observed).dropna().reset_index(drop=True)


# --- Curves -----------------------------------------------------------------------------------------------------


def survival_curve(lifetimes: pd.DataFrame, *, unit: str, by: str | None = None) -> pd.DataFrame:
    """Kaplan–Meier curves with 95% log–log intervals, equal to those of lifelines at a fraction of its time.

    Args:
        lifetimes: distinct rows.
        unit: of time; carried along for figures.
        by: a column of words whose groups get a curve each (see `lifetimes.grouped`).

    Returns:
        One row a group and distinct time, from 0: group, time, survival, low, high (0 to 1), at_risk, events, unit.
        Where the curve has reached 0 the lower end is 0 and the upper end the last one known.
    """
    curves = [_curve(rows, name) for name, rows in groups_of(lifetimes, by)]
    return pd.concat(curves, ignore_index=True).assign(unit=unit)


def _curve(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    table = risk_table(rows)
    several = CUSTOMER in rows
    error = error_by_customer(rows, lambda t: t.survival) if several else table.survival * table.log_error
    low, high = log_log(table.survival, error)
    last = np.argmax(np.append(table.survival <= 0, True))  # from there on nobody is left to tell the upper end
    high[last:] = high[last - 1] if last else 1.0
    columns = {"time": table.times, "survival": table.survival, "low": low, "high": high}
    columns |= {"at_risk": table.at_risk.astype(int), "events": table.events.astype(int)}
    if table.times[0] > 0:
        watched = int(rows.loc[rows["entered"] == 0, "weight"].sum())
        begin = dict.fromkeys(columns, 1.0) | {"time": 0.0, "at_risk": watched, "events": 0}
        columns = {key: np.append(begin[key], values) for key, values in columns.items()}
    return pd.DataFrame({"group": name, **columns})


def log_log(share: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the 95% log–log interval of shares with these standard errors; 0 and 1 are their own ends."""
    inside = (share > 0) & (share < 1)
    some = np.where(inside, share, 0.5)
    reach = np.where(inside, NORMAL.inv_cdf(0.975) * error / (some * np.log(some)), 0.0)
    return np.where(inside, some ** np.exp(-reach), share), np.where(inside, some ** np.exp(reach), share)


def medians(curves: pd.DataFrame, *, left: float = 0.5) -> pd.DataFrame:
    """The age by which half, or another share, have left, read from curves, with its interval (Brookmeyer–Crowley).

    Returns:
        One row a group: group, median, low, high; infinite where the curve (or an end of its band) stays above.
    """
    half = {
        end: curves[curves[column] <= 1 - left].groupby("group", sort=False)["time"].first()
        for column, end in (("survival", "median"), ("low", "low"), ("high", "high"))
    }
    return pd.DataFrame(half, index=curves["group"].unique()).fillna(np.inf).rename_axis("group").reset_index()


# --- Restricted means -------------------------------------------------------------------------------------------


def follow_up(lifetimes: pd.DataFrame, *, at_least: int = MIN_AT_RISK, by: str | None = None) -> float:
    """The last time at which so many are still at risk, in the unit of the table; 0 when there never were.

    With `by`, the earliest such time among the groups that have one.
    """
    tables = [risk_table(rows) for _, rows in groups_of(lifetimes, by)]
    ends = [float(table.times[table.at_risk >= at_least].max(initial=0.0)) for table in tables]
    return min([end for end in ends if end > 0], default=0.0)


def rmst(lifetimes: pd.DataFrame, *, until: float, unit: str) -> Answer:
    """The restricted mean: how long customers stay on average within the first `until` of their life.

    Its standard error is the Greenwood sum over leavings of (area under the rest of the curve)² d / (n (n - d)), or
    `error_by_customer` where customers have several spells.

    Args:
        lifetimes: distinct rows.
        until: the horizon, in the unit of the table.
        unit: of the table.

    Source: Klein & Moeschberger (2003), Survival Analysis, section 4.5.
    """
    left = leavers(lifetimes)
    if left < MIN_EVENTS:
        return NotTestable(too_few(left, "a mean"))
    table = risk_table(lifetimes)
    if until <= 0 or until > table.times[-1]:
        return NotTestable(f"The horizon of {until:g} {unit}s is not inside the {table.times[-1]:g} {unit}s observed.")
    if (table.survival[:-1][table.times[:-1] < until] <= 0).any():
        return NotTestable("Too few were watched at young ages: the curve falls to zero before older customers enter.")
    value, error, spread = float(table.mean_until(until)), _mean_error(table, until), "Greenwood"
    if CUSTOMER in lifetimes:
        error, spread = float(error_by_customer(lifetimes, lambda t: t.mean_until(until))), "customers resampled"
    method = f"Kaplan–Meier to {until:g} {unit}s, {spread}"
    return Estimate.normal(value, error, unit=f"{unit}s", n=customers(lifetimes), method=method, events=left)


def _mean_error(table: RiskTable, until: float) -> float:
    """Standard error of the restricted mean. (lifelines' own variance is that of a lifetime, not of the mean.)"""
    inside = (table.times <= until) & (table.events > 0) & (table.at_risk > table.events)
    rest = table.mean_until(until) - table.mean_until(table.times[inside])
    events, at_risk = table.events[inside], table.at_risk[inside]
    return math.sqrt(float(np.sum(rest**2 * events / (at_risk * (at_risk - events)))))


def mean_by_group(lifetimes: pd.DataFrame, *, by: str | None, until: float, unit: str) -> pd.DataFrame:
    """Restricted means of the groups to one horizon.

    Returns:
        One row a group, the largest first: label, n (customers), leavers, value, low, high (in the table's unit;
        missing where the mean cannot be told), note (why, or empty).
    """
    rows = [
        {"label": name, "n": customers(group), "leavers": leavers(group)} | columns(rmst(group, until=until, unit=unit))
        for name, group in groups_of(lifetimes, by)
    ]
    return pd.DataFrame(rows)


def mean_differences(lifetimes: pd.DataFrame, *, by: str | None, until: float, unit: str) -> pd.DataFrame:
    """How much longer each group stays than the largest one, within one horizon.

    Returns:
        One row a group but the largest: label, n (both groups), value, low, high, note as in `mean_by_group`. The
        intervals are for one comparison at a time.
    """
    (first, base), *others = groups_of(lifetimes, by)
    against = rmst(base, until=until, unit=unit)
    rows = [
        {"label": f"{name} against {first}", "n": customers(group) + customers(base)}
        | columns(_difference(rmst(group, until=until, unit=unit), against))
        for name, group in others
    ]
    return pd.DataFrame(rows, columns=["label", "n", "value", "low", "high", "note"])


def _difference(mean: Answer, base: Answer) -> Answer:
    if isinstance(mean, NotTestable):
        return mean
    if isinstance(base, NotTestable):
        return base
    # The standard error of a normal estimate, read off its confidence distribution.
    error = math.hypot(*(answer.quantile(NORMAL.cdf(1)) - answer.value for answer in (mean, base)))
    return Estimate.normal(mean.value - base.value, error, unit=mean.unit, n=mean.n + base.n, method=mean.method)


# --- Comparisons ------------------------------------------------------------------------------------------------


class LogRank(NamedTuple):
    """A test of equal curves: chi-squared statistic, degrees of freedom, and p."""

    statistic: float
    df: int
    p: float


def log_rank(lifetimes: pd.DataFrame, *, by: str | None) -> LogRank | NotTestable:
    """Test whether groups leave at the same rate at every age; customers may enter late.

    Source: Mantel (1966), Cancer Chemotherapy Reports 50; lifelines' own test knows no late entry.
    """
    from scipy.stats import chi2

    if by is None:
        return NotTestable("The table has no covariate by which customers could be told apart.")
    groups = groups_of(lifetimes, by)
    if len(groups) < 2:
        return NotTestable(f"There are no two groups with {MIN_EVENTS} leavers each, so there is nothing to compare.")
    if thin := [name for name, rows in groups if leavers(rows) < MIN_EVENTS]:
        return NotTestable(f"Groups with fewer than {MIN_EVENTS} leavers cannot be compared: {listing(thin)}.")
    mine = lifetimes[by].astype(str).to_numpy() == np.array([name for name, _ in groups])[:, None]
    table = risk_table(lifetimes, mine * lifetimes["weight"].to_numpy())
    at_risk, events = table.at_risk.sum(0), table.events.sum(0)
    share = table.at_risk / np.maximum(at_risk, 1)
    excess = (table.events - share * events).sum(1)[1:]
    spread = events * (at_risk - events) / np.maximum(at_risk - 1, 1)
    variance = (np.diag(share @ spread) - (share * spread) @ share.T)[1:, 1:]
    statistic = float(excess @ np.linalg.pinv(variance) @ excess)
    return LogRank(statistic, len(groups) - 1, float(chi2.sf(statistic, len(groups) - 1)))


# --- What a single rate says ------------------------------------------------------------------------------------


def tenure_from_rate(lifetimes: pd.DataFrame, *, unit: str, seed: int, draws: int = 1000, share: float = 1.0) -> Answer:
    """How far the average retention rate, taken as constant, misjudges how long customers stay.

    The rate is 1 - leavers / periods lived; its mean stay up to the last time with 50 at risk is divided by the
    restricted mean of the Kaplan–Meier curve to the same time. A period is the table's unit where all times are
    whole numbers of it, else a day.

    Args:
        lifetimes: distinct rows.
        unit: of time.
        seed: of the bootstrap over customers.
        draws: of the bootstrap.
        share: of the time with 50 at risk, to which is looked.

    Returns:
        The ratio: 1 when the rate tells the truth, above 1 when it promises a longer stay than was seen.
    """
    rows, _ = _in_whole_periods(lifetimes, unit)
    until, left = share * follow_up(rows), leavers(rows)
    if left < MIN_EVENTS:
        return NotTestable(too_few(left, "this comparison"))
    if until <= 0:
        return NotTestable(f"There is no time at which {MIN_AT_RISK} customers were still at risk.")
    found = [_stay_ratio(rows, weights, until) for weights in resamples(rows, draws=draws, seed=seed)]
    value = _stay_ratio(rows, rows["weight"].to_numpy(), until)
    return Estimate.from_draws(float(value), np.concatenate(found), unit="ratio", n=customers(rows), events=left)


def stay_ratios(lifetimes: pd.DataFrame, *, unit: str, parts: Sequence[float]) -> dict[float, float]:
    """The ratio of `tenure_from_rate` at other horizons, without intervals.

    Args:
        lifetimes: distinct rows, enough of them for `tenure_from_rate`.
        unit: of time.
        parts: horizons as shares of the last time with 50 at risk, up to 1.

    Returns:
        Horizon, in the unit of the table -> ratio.
    """
    rows, periods = _in_whole_periods(lifetimes, unit)
    longest, weights = follow_up(lifetimes), rows["weight"].to_numpy()
    ages = [part * longest for part in parts]
    return {age: float(_stay_ratio(rows, weights, age * periods / PER_YEAR[unit])) for age in ages}


def average_yearly_rate(lifetimes: pd.DataFrame, *, unit: str) -> float:
    """The rate of `tenure_from_rate`, raised to a year."""
    rows, periods = _in_whole_periods(lifetimes, unit)
    return float(_average_rate(rows, rows["weight"].to_numpy()) ** periods)


def _in_whole_periods(lifetimes: pd.DataFrame, unit: str) -> tuple[pd.DataFrame, float]:
    """Rows with times in the table's unit where all are whole numbers, else in days; and periods a year."""
    rows = ungrouped(lifetimes)
    if (rows[["time", "entered"]] % 1 == 0).all(axis=None):
        return rows, PER_YEAR[unit]
    days = PER_YEAR["day"] / PER_YEAR[unit]
    return rows.assign(time=rows["time"] * days, entered=rows["entered"] * days), PER_YEAR["day"]


def _average_rate(rows: pd.DataFrame, weights: np.ndarray) -> np.ndarray:
    """One less leavers over periods lived, for each resample (last axis: rows)."""
    left = weights[..., rows["left"].to_numpy(bool)].sum(-1)
    return np.clip(1 - left / (weights @ (rows["time"] - rows["entered"]).to_numpy(float)), 0, 1)


def _stay_ratio(rows: pd.DataFrame, weights: np.ndarray, until: float) -> np.ndarray:
    """Mean stay at the constant rate over the Kaplan–Meier mean, for each resample (last axis: rows)."""
    rate = _average_rate(rows, weights)
    whole = math.floor(until)
    periods = rate[..., None] ** np.arange(whole + 1)
    at_rate = periods[..., :whole].sum(-1) + (until - whole) * periods[..., whole]
    return at_rate / risk_table(rows, weights).mean_until(until)


def tenure_readings(lifetimes: pd.DataFrame, *, by: str | None, unit: str, **drawing: Any) -> dict[str, Answer]:
    """`tenure_from_rate` for all customers, and within each group of a covariate that has enough leavers."""
    groups = {ALL: lifetimes}
    if by is not None:
        merged = grouped(lifetimes, by, min_events=MIN_EVENTS)
        groups |= {f"{by}: {name}": rows for name, rows in groups_of(merged, by)}
    return {name: tenure_from_rate(rows, unit=unit, **drawing) for name, rows in groups.items()}
