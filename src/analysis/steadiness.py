"""Do loyal customers make sales dependable? Loyalty is fixed in one period, revenue read in the next two (R15)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.customers import DECIMALS, YEAR, Purchases, numbered
from analysis.estimates import Estimate, NotTestable, bootstrapped, resampled
from analysis.words import plural

FEWEST = 100  # loyal customers, and others
BANDS = 10  # of equal money, in which loyal customers are set beside others

CAP = 0.99  # of the customers bring no more in a period; money above counts as that much

SAME_MONEY, ALL_OTHERS, SAME_TOTAL = "others who had spent as much", "all others", "as many others as bring as much"
UNCAPPED = "others who had spent as much, the largest spenders in full"
READINGS = (SAME_MONEY, ALL_OTHERS, SAME_TOTAL, UNCAPPED)


def period_length(bought: Purchases, *, wanted: int = 0) -> int:
    """Days of each of three equal periods that end with the last day seen: at most a year, unless more is wanted."""
    first = bought.rows.ordered_on.min().to_pyarrow().as_py()
    return wanted or max(1, min(round(YEAR), ((bought.observed_until - first).days + 1) // 3))


def three_periods(bought: Purchases, *, days: int, loyal_orders: int = 2, known: bool = False) -> pd.DataFrame:
    """One row a customer who ordered in the first of three equal periods of so many days, without their names.

    Returns:
        loyal (whether they placed `loyal_orders` or more in the first period), before, following and later (money of
        the three periods), sorted; where they are to be `known`, also customer, as `customers.numbered`.
    """
    import ibis

    rows = bought.rows
    ago = ibis.literal(bought.observed_until).delta(rows.ordered_on, unit="day") // days
    sums = {name: rows.amount.sum(where=ago == at) for name, at in {"before": 2, "following": 1, "later": 0}.items()}
    each = rows.group_by("customer_id").agg(loyal=rows.opens.sum(where=ago == 2), **sums)
    people = numbered(each.filter(each.loyal > 0), known).round(DECIMALS)
    people["loyal"] = people["loyal"] >= loyal_orders
    return people.sort_values(list(people.columns), ignore_index=True)


def compare(people: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> dict[str, Any]:
    """How the next period's revenue of loyal customers varies, against that of others, and how much comes again.

    `SAME_MONEY` sets them beside equally many others who had spent as much in the period of the flag, `ALL_OTHERS`
    beside the average other customer, and `SAME_TOTAL` beside as many others as it takes to bring the same money.

    A variation hangs on the few largest spenders, whom most samples miss: intervals of its plain ratio held the truth
    in 76 to 93 of 100 invented worlds. So money counts up to the `CAP` quantile of the next period; `UNCAPPED` is the
    first reading without that.

    Args:
        people: from `three_periods`.
        draws, seed: of the resamples of customers.

    Returns:
        Name of the reading -> part -> answer, or what stands in the way.
    """
    loyal, n = people["loyal"].to_numpy(), len(people)
    few = f"there are {plural(int(loyal.sum()), 'loyal customer')} and {plural(int(n - loyal.sum()), 'other')}"
    said = f"{FEWEST} of each are needed in the first of three periods; {few}."
    if min(loyal.sum(), n - loyal.sum()) < FEWEST:
        return {SAME_MONEY: NotTestable(said)}
    lines = resampled(people, lambda rows, size: _variations(rows, draws=size, seed=seed), draws=draws).T
    if not np.isfinite(lines[:, 0]).all():
        nothing = "The loyal or the others brought nothing in the next period, or all the same."
        return {SAME_MONEY: NotTestable(nothing)}
    units, how = ["ratio", "ratio", "ratio", "ratio", "share"], "percentile bootstrap over customers"
    *ratios, again = (
        bootstrapped(Estimate.from_draws, line[0], line[1:], unit=unit, n=n, method=how)
        for line, unit in zip(lines, units, strict=True)
    )
    return {name: {"steadiness": ratio, "guarantee": again} for name, ratio in zip(READINGS, ratios, strict=True)}


def _variations(people: pd.DataFrame, *, draws: int, seed: int) -> np.ndarray:
    """The four ratios of `compare` and the share that comes again, as they are and in each resample of customers."""
    loyal, n = people["loyal"].to_numpy(), len(people)
    # A cell for each customer: their band by what the loyal had spent before, and whether they are loyal.
    cuts = np.quantile(people.loc[loyal, "before"], np.arange(1, BANDS) / BANDS)
    cells = np.searchsorted(cuts, people["before"], side="right") + BANDS * loyal
    capped = people.assign(following=people["following"].clip(upper=float(people["following"].quantile(CAP))))
    random = np.random.default_rng(seed)
    picks = (np.bincount(random.integers(0, n, n), minlength=n).astype("float64") for _ in range(draws))
    return np.array(
        [
            (*_steady(capped, cells, weights)[:3], *_steady(people, cells, weights)[::3])
            for weights in (np.ones(n), *picks)
        ]
    )


def every_reading(people: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> dict[str, Any]:
    """All `READINGS` of `compare`; where it cannot be made, each says why."""
    found = compare(people, draws=draws, seed=seed)
    return {name: found.get(name, found[SAME_MONEY]) for name in READINGS}


def _steady(people: pd.DataFrame, cells: np.ndarray, weights: np.ndarray) -> tuple[float, ...]:
    """The three ratios of `compare` and the share that comes again, each customer counted `weights` times."""
    money, chosen = people["following"].to_numpy(), weights * people["loyal"].to_numpy()
    sums = [np.bincount(cells, weights * money**power, 2 * BANDS).reshape(2, BANDS) for power in range(3)]
    others, loyal = np.stack(sums, axis=1)
    both = (others[0] > 0) & (loyal[0] > 0)
    alike = others[:, both] * loyal[0, both] / others[0, both]
    same = _over(_variation(loyal[:, both]), _variation(alike))
    every = _over(_variation(loyal), _variation(others))
    per_head = _over(loyal[1].sum() / loyal[0].sum(), others[1].sum() / others[0].sum())
    again = _over(chosen @ people["later"].to_numpy(), chosen @ money)
    return same, every, every * math.sqrt(max(per_head, 0)), again


def _variation(sums: np.ndarray) -> float:
    """Standard deviation over mean, from counts, totals and sums of squares by band."""
    n, total, squares = sums.sum(axis=1)
    return math.sqrt(max(0.0, _over(squares * n, total**2) - 1)) if total > 0 else math.nan


def _over(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else math.nan


def group_table(people: pd.DataFrame) -> pd.DataFrame:
    """The loyal and the others of `three_periods`.

    Returns:
        group, before, following, later (mean money), customers (count), variation_before and variation (coefficients
        of variation of before and following), forecast_error (how far `following` missed `later`, as a share of it).
    """
    named = people.assign(
        group=np.where(people["loyal"], "loyal", "others"), missed=(people["later"] - people["following"]).abs()
    )
    groups = named.groupby("group")[["before", "following", "later", "missed"]]
    mean, varied = groups.mean(), groups.std(ddof=0) / groups.mean()
    table = mean.assign(customers=groups.size(), variation_before=varied["before"], variation=varied["following"])
    return table.assign(forecast_error=table.pop("missed") / mean["later"]).reset_index()
