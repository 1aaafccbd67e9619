"""Do frequent buyers go on bringing in more? Orders counted in one half of the follow-up, money in the other."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from analysis.checks import CheckedTable
from analysis.customers import DAY, PURCHASES, half_way, purchases
from analysis.estimates import RESAMPLED, Answer, NotTestable, resample, resampled
from analysis.spending import FEWEST, HEADLINE, estimate, other_policies

FEWEST_FOLLOWED = 100  # customers seen in both halves of the window


def later_value(table: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> dict[str, Answer]:
    """What customers who ordered more than once in the first half of the window bring in during the second.

    Counting and earning in different halves matters: within one window whoever orders more often has spent more,
    even when all customers are alike.

    Args:
        table: one row a customer, from `customers.half_way`.
        draws, seed: of the resamples of customers.

    Returns:
        share_gap (repeaters' share of second-half value minus their share of customers, in points) and rate (rank
        correlation of first-half orders with second-half value; all are exposed for the same days, so value ranks
        as value a month does). Not testable with fewer than 100 customers, fewer than 30 with one order or with
        several, or no value in the second half.
    """
    seen = table.dropna()
    if reason := _missing_later(seen):
        return {"share_gap": NotTestable(reason), "rate": NotTestable(reason)}
    # Of very many customers hardly two are alike, so that counting them would cost more than it saves.
    pair, many = ["orders", "later_value"], len(seen) > RESAMPLED
    cells = seen[pair].assign(weight=1) if many else seen.groupby(pair).size().rename("weight").reset_index()

    def ask(rows: pd.DataFrame, draws: int) -> np.ndarray:
        gap_and_rank = _GapAndRank(rows["orders"].to_numpy(), rows["later_value"].to_numpy())
        counts, random = rows["weight"].to_numpy(), np.random.default_rng(seed)
        # One by one, because all at once do not fit into memory where nearly every customer is a row of their own.
        every = (resample(counts, draws=1, seed=random)[0] for _ in range(draws))
        return np.array([gap_and_rank(weights) for weights in itertools.chain([counts], every)])

    lines, units = resampled(cells, ask, draws=draws), {"share_gap": "points", "rate": "correlation"}
    return {
        part: estimate(lines[0, place], lines[1:, place], unit=unit, n=len(seen))
        for place, (part, unit) in enumerate(units.items())
    }


def _missing_later(seen: pd.DataFrame) -> str:
    repeaters = int((seen["orders"] >= 2).sum())
    if len(seen) < FEWEST_FOLLOWED:
        return f"Fewer than {FEWEST_FOLLOWED} customers were followed through both halves of the window."
    if min(repeaters, len(seen) - repeaters) < FEWEST:
        return f"Fewer than {FEWEST} customers had one order, or several, in the first half of the window."
    if seen["later_value"].sum() <= 0:
        return "The customers brought in nothing in the second half of the window."
    return ""


def _over(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


class _GapAndRank:
    """Share gap and rank correlation of distinct (orders, value) pairs, for any number of customers in each."""

    def __init__(self, orders: np.ndarray, value: np.ndarray) -> None:
        self.value, self.repeats = value, orders >= 2
        self.places = [np.unique(column, return_inverse=True)[1] for column in (orders, value)]

    def __call__(self, weights: np.ndarray) -> tuple[float, float]:
        """Share gap and rank correlation."""
        total = weights.sum()
        share = _over(float(weights[self.repeats] @ self.value[self.repeats]), float(weights @ self.value))
        orders, value = (self._centred_ranks(place, weights) for place in self.places)
        spread = math.sqrt(float(weights @ orders**2) * float(weights @ value**2))
        correlation = _over(float(weights @ (orders * value)), spread)
        return share - float(weights[self.repeats].sum() / total), correlation

    @staticmethod
    def _centred_ranks(place: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Ranks, the middle one for ties, minus their mean."""
        tied = np.bincount(place, weights)
        ranks = (np.cumsum(tied) - tied / 2)[place]
        return ranks - weights @ ranks / weights.sum()


def later_readings(
    orders: CheckedTable, *, within: int, returns: str = PURCHASES, order: str = DAY, draws: int = 1000, seed: int = 0
) -> dict[str, dict[str, Answer]]:
    """Every reading of R06 on an order log, the headline (`HEADLINE`) first; arguments as `small_against_heavy`.

    Returns:
        Name of the reading -> part -> estimate.
    """
    bought = purchases(orders, returns=returns, order=order)
    read = {HEADLINE: bought, **other_policies(orders, bought)}
    return {name: later_value(half_way(one, within=within), draws=draws, seed=seed) for name, one in read.items()}


def whole_against_halves(whole: pd.DataFrame, halves: pd.DataFrame) -> pd.DataFrame:
    """What is true by definition beside what is not: orders and value of one window, and of one half after another.

    Args:
        whole: from `customers.totals`, with equal follow-up.
        halves: from `customers.half_way`, with the same follow-up.

    Returns:
        One row a way of counting: counted, customers (count), repeaters and their value (shares), gap (points),
        rank_correlation.
    """
    rows = []
    for counted, table, column in (
        ("orders and value in the same window", whole, "value"),
        ("orders in the first half, value in the second", halves, "later_value"),
    ):
        seen = table.dropna()
        orders, value = seen["orders"].to_numpy(), seen[column].to_numpy()
        gap, rank = _GapAndRank(orders, value)(np.ones(len(seen))) if len(seen) else (math.nan, math.nan)
        repeaters = float((orders >= 2).mean()) if len(seen) else math.nan
        rows.append((counted, len(seen), repeaters, gap + repeaters, gap, rank))
    columns = ["counted", "customers", "repeaters", "share_of_value", "gap", "rank_correlation"]
    return pd.DataFrame(rows, columns=columns)
