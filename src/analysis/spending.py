"""Who brings in more: customers who buy little but come back, or those who buy a lot once?

Groups are formed from the first order and the average order, inside a follow-up of equal length. Intervals come from
resampling customers, with the cut-offs found again in every resample.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.checks import CheckedTable
from analysis.customers import DAY, DECIMALS, NET, ORDER_ID, PURCHASES, Purchases, half_way, purchases, totals
from analysis.estimates import NORMAL, Answer, Estimate, NotTestable, bootstrapped, columns, in_brief, resampled
from analysis.tables import SettingsError
from analysis.words import count, listing, plural

# What the claim means by small and heavy, as shares of all customers ordered by their first order.
SMALL = 0.50
HEAVY = {"p75": 0.75, "p90": 0.90}
FEWEST = 30  # customers in each compared group

HEADLINE = "equal follow-up"
UNEQUAL = "everything seen, unequal follow-up"
DISCOUNTED = "later money counts less"
HALF_WAY = "groups formed half-way"
_POLICY = {PURCHASES: "purchases only", NET: "net of returns"}
_ORDER = {DAY: "an order is a day", ORDER_ID: "an order is an invoice"}
ALL_SEEN = "all seen"


# --- small repeaters and heavy one-timers --------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Small repeaters against heavy one-timers.

    Attributes:
        small_up_to: money; the largest average order of a small repeater (the median first order).
        heavy_from: part -> money; the smallest first order of a heavy one-timer.
        groups: group, customers (count), share_of_customers, share_of_value (0 to 1), mean_value, median_value
            (money).
        ratio: part -> mean value of small repeaters over that of heavy one-timers.
        chance: part -> chance that a random small repeater brings in more than a random heavy one-timer, ties half.
    """

    small_up_to: float
    heavy_from: dict[str, float]
    groups: pd.DataFrame
    ratio: dict[str, Answer]
    chance: dict[str, Answer]


class _Groups:
    """Customers put in order once, so that a resample needs sums but no sorting; and the groups they form.

    Small repeaters ordered at least twice, for at most the median first order on average; heavy one-timers ordered
    once, for at least a higher quantile of first orders. Quantiles are over all customers: those not followed long
    enough have missing orders, set the cut-offs and belong to no group.
    """

    def __init__(self, table: pd.DataFrame, shares: Sequence[float]) -> None:
        table = table.sort_values("first_amount", kind="stable", ignore_index=True)
        self.shares = shares
        self.first, self.value = table["first_amount"].to_numpy(), table["value"].fillna(0).to_numpy()
        average = (table["revenue"] / table["orders"]).round(DECIMALS)[table["orders"] >= 2].sort_values(kind="stable")
        self.repeaters, self.average = average.index.to_numpy(), average.to_numpy()
        self.one_timers = np.flatnonzero(table["orders"] == 1)
        self.followed = np.flatnonzero(table["orders"].notna())
        self.level = np.unique(self.value, return_inverse=True)[1]
        self.everyone = np.ones(len(table))
        self.cuts = self.cut_offs(self.everyone)
        self.small, *self.heavy = self.chosen(self.cuts)

    def cut_offs(self, weights: np.ndarray) -> np.ndarray:
        """For one half and each share the smallest first order that this share of the customers did not exceed."""
        so_far = np.cumsum(weights)
        wanted = np.round(np.multiply([SMALL, *self.shares], so_far[-1]), DECIMALS)
        return self.first[np.searchsorted(so_far, wanted)]

    def chosen(self, cuts: np.ndarray) -> list[np.ndarray]:
        """Places of the small repeaters, and of the heavy one-timers at each higher cut-off."""
        firsts = self.first[self.one_timers]
        heavy = [self.one_timers[np.searchsorted(firsts, cut, side="left") :] for cut in cuts[1:]]
        return [self.repeaters[: np.searchsorted(self.average, cuts[0], side="right")], *heavy]

    def contrasts(self, weights: np.ndarray) -> np.ndarray:
        """For each share ratio and chance, in a sample where each customer occurs `weights` times; NaN without."""
        small, *groups = self.chosen(self.cut_offs(weights))
        w_small = weights[small]
        n_small, total = w_small.sum(), w_small @ self.value[small]
        found = np.full((len(groups), 2), np.nan)
        for row, heavy in zip(found, groups, strict=True):
            w_heavy = weights[heavy]
            n_heavy, heavy_total = w_heavy.sum(), w_heavy @ self.value[heavy]
            if n_small and n_heavy and heavy_total > 0:
                at = np.bincount(self.level[heavy], w_heavy, minlength=self.level.max() + 1)
                wins = w_small @ (np.cumsum(at) - at / 2)[self.level[small]]
                row[:] = (total / n_small) / (heavy_total / n_heavy), wins / (n_small * n_heavy)
        return found

    def resampled(self, *, draws: int, seed: int) -> np.ndarray:
        """The contrasts, then those in resamples of the customers; shape (1 + draws, shares, 2)."""
        # Nearly every customer is a row of their own, so counting random picks is faster than `estimates.resample`.
        random, n = np.random.default_rng(seed), len(self.value)
        picks = (np.bincount(random.integers(0, n, n), minlength=n).astype("float64") for _ in range(draws))
        return np.array([self.contrasts(weights) for weights in itertools.chain([self.everyone], picks)])

    def missing(self, place: int) -> NotTestable | None:
        """Why the groups cannot be compared at a cut-off; None when they can."""
        heavy = self.heavy[place]
        sizes = {"small repeaters": len(self.small), "heavy one-timers": len(heavy)}
        if short := [name for name, size in sizes.items() if size < FEWEST]:
            return NotTestable(f"There are fewer than {FEWEST} {listing(short)}.")
        # At the median itself both groups begin at the same amount, and mean it.
        if self.shares[place] > SMALL and self.cuts[place + 1] <= self.cuts[0]:
            return NotTestable("A heavy first order is no larger here than the middle one, so the groups mean nothing.")
        if self.value[heavy].mean() <= 0:
            return NotTestable("Heavy one-timers bring in nothing on average, so a ratio to them means nothing.")
        return None

    def described(self, parts: Sequence[str]) -> pd.DataFrame:
        """The groups of `Comparison`, one row each."""
        named = {
            "all followed": self.followed,
            "two orders or more": np.sort(self.repeaters),
            "one order": self.one_timers,
            "small repeaters": self.small,
        } | {f"heavy one-timers ({part.upper()})": group for part, group in zip(parts, self.heavy, strict=True)}
        sums = {name: pd.Series(self.value[who]).agg(["size", "sum", "mean", "median"]) for name, who in named.items()}
        table = pd.DataFrame(sums).T.set_axis(["customers", "value", "mean_value", "median_value"], axis=1)
        whole = table.iloc[0].where(table.iloc[0] > 0)
        table[["share_of_customers", "share_of_value"]] = table[["customers", "value"]] / whole[["customers", "value"]]
        order = ["customers", "share_of_customers", "share_of_value", "mean_value", "median_value"]
        return table[order].astype({"customers": int}).rename_axis("group").reset_index()


def compare(table: pd.DataFrame, *, heavy: Mapping[str, float] = HEAVY, draws: int = 4000, seed: int = 0) -> Comparison:
    """Compare small repeaters with heavy one-timers at each cut-off.

    Args:
        table: one row a customer, from `customers.totals` or `customers.half_way`.
        heavy: part -> share of all customers whose first order lies below a heavy one.
        draws: resamples of customers; each finds the cut-offs again.
        seed: of the random numbers.

    Returns:
        The comparison; a part is not testable with fewer than 30 customers on a side, where heavy one-timers bring in
        nothing, or where the cut-off for heavy is no higher than the median.
    """
    groups, lines = _contrasts(table, [*heavy.values()], draws=draws, seed=seed)
    values, drawn = lines[0], lines[1:]
    found: dict[str, dict[str, Answer]] = {"ratio": {}, "probability": {}}
    for place, part in enumerate(heavy):
        n = len(groups.small) + len(groups.heavy[place])
        for column, unit in enumerate(found):
            found[unit][part] = groups.missing(place) or estimate(
                values[place, column], drawn[:, place, column], unit=unit, n=n
            )
    small_up_to, *cuts = map(float, groups.cuts)
    heavy_from = dict(zip(heavy, cuts, strict=True))
    return Comparison(small_up_to, heavy_from, groups.described([*heavy]), found["ratio"], found["probability"])


def _contrasts(table: pd.DataFrame, shares: Sequence[float], *, draws: int, seed: int) -> tuple[_Groups, np.ndarray]:
    """The groups at each share, and `_Groups.resampled` of them."""
    lines = resampled(table, lambda rows, n: _Groups(rows, shares).resampled(draws=n, seed=seed), draws=draws)
    return _Groups(table, shares), lines


def estimate(value: float, draws: np.ndarray, *, unit: str, n: int) -> Answer:
    """An answer of resampled customers; percentile interval."""
    method = f"percentile bootstrap over customers, {count(len(draws))} draws"
    return bootstrapped(Estimate.from_draws, float(value), draws, unit=unit, n=n, method=method)


def small_against_heavy(
    orders: CheckedTable,
    *,
    within: int,
    returns: str = PURCHASES,
    order: str = DAY,
    annual_discount_rate: float = 0.10,
    draws: int = 4000,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Every reading of R05 on an order log, the headline (`HEADLINE`) first.

    Args:
        orders: the checked orders.
        within: days of equal follow-up.
        returns, order: the headline's policies (see `customers.purchases`); the others become readings of their own.
        annual_discount_rate: how much less money counts for every year after the first order, in one reading.
        draws, seed: of the resamples.

    Returns:
        Name of the reading -> comparison.
    """
    bought = purchases(orders, returns=returns, order=order)
    tables = {HEADLINE: totals(bought, within=within), UNEQUAL: totals(bought)}
    tables |= {name: totals(other, within=within) for name, other in other_policies(orders, bought).items()}
    if annual_discount_rate:
        tables[DISCOUNTED] = totals(bought, within=within, annual_discount_rate=annual_discount_rate)
    tables[HALF_WAY] = half_way(bought, within=within)
    return {name: compare(table, draws=draws, seed=seed) for name, table in tables.items()}


def other_policies(orders: CheckedTable, bought: Purchases) -> dict[str, Purchases]:
    """The same log under the other policy for returns, and under the other meaning of an order where there is one."""
    returns = NET if bought.returns == PURCHASES else PURCHASES
    others = {_POLICY[returns]: purchases(orders, returns=returns, order=bought.order)}
    if orders.has(ORDER_ID):
        order = DAY if bought.order == ORDER_ID else ORDER_ID
        others[_ORDER[order]] = purchases(orders, returns=bought.returns, order=order)
    return others


def told_design(bought: Purchases, *, within: int) -> str:
    """How the headline was reckoned, as a sentence."""
    return (
        f"{bought.measure.capitalize()} of the first {plural(within, 'day')}, among customers followed that "
        f"long; {_POLICY[bought.returns]}; {_ORDER[bought.order]}; customers resampled, cut-offs found again."
    )


def cut_off_table(comparison: Comparison) -> pd.DataFrame:
    """The contrasts at each cut-off, as text with intervals.

    Returns:
        cut_off, heavy_from (money), ratio and chance (text), note (why a contrast is not testable; else empty).
    """
    rows = [
        (part.upper(), cut, in_brief(ratio), in_brief(comparison.chance[part]), columns(ratio)["note"])
        for (part, cut), ratio in zip(comparison.heavy_from.items(), comparison.ratio.values(), strict=True)
    ]
    return pd.DataFrame(rows, columns=["cut_off", "heavy_from", "ratio", "chance", "note"])


def answer_table(comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    """Every ratio of every reading, for a chart of dots.

    Returns:
        section (the cut-off), label (the reading), value, low, high (ratio; missing where not testable), note (why).
    """
    rows = [
        {"section": part.upper(), "label": name} | columns(comparison.ratio[part])
        for part, (name, comparison) in itertools.product(HEAVY, comparisons.items())
    ]
    return pd.DataFrame(rows)


# --- the same question asked in every defensible way ----------------------------------------------------------------


CHOICES = ("cut-off", "follow-up", "returns", "order")


def specifications(
    orders: CheckedTable,
    *,
    cut_offs: Sequence[float],
    horizons: Sequence[int],
    within: int,
    returns: str = PURCHASES,
    order: str = DAY,
    draws: int = 199,
    seed: int = 0,
) -> pd.DataFrame:
    """The ratio of R05 for every cut-off, follow-up, policy for returns and meaning of an order.

    Intervals are normal on the logarithm, with a standard error from few resamples that find the cut-offs again. (The
    delta method with the cut-offs taken as known is quicker and up to a third too narrow where prices are round.)

    Args:
        orders: the checked orders.
        cut_offs: shares of all customers whose first order lies below a heavy one.
        horizons: days of equal follow-up; 0 means everything seen, without equal follow-up.
        within, returns, order: of the headline, whose horizon is added.
        draws, seed: of the resamples.

    Returns:
        One row a specification that can be tested: the four `CHOICES` (text), small and heavy (customers), value,
        low, high (ratio), answer ("more", "less" or "open": the interval lies above 1, below 1, or holds it),
        claimed (whether heavy begins no lower than the claim's own lower cut-off) and headline (true for the
        headline's choices at that cut-off).

    Raises:
        SettingsError: a cut-off is not a share.
    """
    if strange := [share for share in cut_offs if not 0 < share < 1]:
        raise SettingsError(f"cut_offs holds {strange[0]}; a cut-off is a share of the customers, between 0 and 1.")
    rows = []
    meanings = (DAY, ORDER_ID) if orders.has(ORDER_ID) else (DAY,)
    for policy, meaning in itertools.product((PURCHASES, NET), meanings):
        bought = purchases(orders, returns=policy, order=meaning)
        for days in sorted({*horizons, within}, key=lambda days: days or math.inf):
            told = (f"{days} days" if days else ALL_SEEN, _POLICY[policy], _ORDER[meaning])
            found = _ratios(totals(bought, within=days or None), cut_offs, draws=draws, seed=seed)
            rows += [
                (f"P{100 * share:.0f}", *told, *row, share >= min(HEAVY.values()))
                for share, row in zip(cut_offs, found, strict=True)
            ]
    table = pd.DataFrame(rows, columns=[*CHOICES, "small", "heavy", "value", "low", "high", "claimed"])
    sides = [table["low"] > 1, table["high"] < 1]
    asked = (_claimed(), f"{within} days", _POLICY[returns], _ORDER[order])
    headline = (table[list(CHOICES)] == asked).all(axis=1)
    return table.assign(answer=np.select(sides, ["more", "less"], "open"), headline=headline).dropna(ignore_index=True)


def _ratios(table: pd.DataFrame, shares: Sequence[float], *, draws: int, seed: int) -> list[tuple[float, ...]]:
    """For each share the customers in both groups, the ratio and its interval; NaN where it cannot be tested."""
    groups, lines = _contrasts(table, shares, draws=draws, seed=seed)
    ratios = lines[0, :, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.log(lines[1:, :, 0]).std(axis=0, ddof=1)
    rows = []
    for place, (ratio, error) in enumerate(zip(ratios, errors, strict=True)):
        n = len(groups.small), len(groups.heavy[place])
        answer = groups.missing(place) or Estimate.log_normal(float(ratio), float(error), unit="ratio", n=sum(n))
        rows.append((*n, *list(columns(answer).values())[:3]))
    return rows


def ways(table: pd.DataFrame, *, within: int, returns: str, order: str) -> dict[str, list[str]]:
    """The choices of `specifications` but for the cut-off, the headline's option first: as a grid."""
    first = dict(zip(CHOICES[1:], (f"{within} days", _POLICY[returns], _ORDER[order]), strict=True))
    return {choice: [option, *table[choice]] for choice, option in first.items()}


def at_both(table: pd.DataFrame, **choices: str) -> dict[str, Answer]:
    """The ratios of `specifications` at the claim's own cut-offs, by part of R05, under the other choices."""
    chosen = table[(table[list(choices)] == list(choices.values())).all(axis=1)].set_index("cut-off")
    answers: dict[str, Answer] = dict.fromkeys(
        HEAVY, NotTestable("This cut-off cannot be asked here with that choice.")
    )
    for part, row in chosen[chosen.index.isin([name.upper() for name in HEAVY])].iterrows():
        error = math.log(row["high"] / row["value"]) / NORMAL.inv_cdf(0.975)
        n = int(row["small"] + row["heavy"])
        answers[str(part).lower()] = Estimate.log_normal(row["value"], error, unit="ratio", n=n)
    return answers


def varied(table: pd.DataFrame) -> list[str]:
    """The choices of `specifications` that were made in more than one way."""
    return [choice for choice in CHOICES if table[choice].nunique() != 1]


def tally(table: pd.DataFrame) -> str:
    """How often each answer comes out where heavy means what the claim says, as a sentence without its full stop."""
    return f"From {_claimed()} up, as the claim has it: {_answers(table[table['claimed']])}"


def looser(table: pd.DataFrame) -> str:
    """How often each answer comes out at cut-offs below the claim's own, as a sentence."""
    if (below := table[~table["claimed"]]).empty:
        return ""
    return f"Below {_claimed()} heavy is looser than the claim has it: {_answers(below)}."


def _claimed() -> str:
    return f"P{100 * min(HEAVY.values()):.0f}"


def _answers(table: pd.DataFrame) -> str:
    if table.empty:
        return "no way of asking has enough customers in both groups"
    more, less, left_open = (int((table["answer"] == answer).sum()) for answer in ("more", "less", "open"))
    return (
        f"of {plural(len(table), 'way')} of asking, small repeaters bring in more in {count(more)} and less in "
        f"{count(less)}; {count(left_open)} leave it open"
    )


def flips(table: pd.DataFrame) -> str:
    """Which single choice turns the answer round, as sentences: among the claim's own cut-offs, and among all."""
    claimed = table[table["claimed"]]
    told = [f"From {_claimed()} up, {_turned(claimed)}"]
    if len(claimed) < len(table):
        told.append(f"With the looser cut-offs too, {_turned(table)}")
    return " ".join(told)


def _turned(table: pd.DataFrame) -> str:
    turning = {choice: _turns(table, choice) for choice in varied(table) if not table.empty}
    named = [f"the {choice} in {100 * share:.0f}%" for choice, share in turning.items() if share]
    if not named:
        return "no single choice turns a less into a more."
    return f"one choice alone, all others held, takes the answer from less to more: {listing(named)} of cases."


def _turns(table: pd.DataFrame, choice: str) -> float:
    """Share of the settings of all other choices in which this one alone moves the answer from less to more."""
    answers = table.groupby([name for name in CHOICES if name != choice])["answer"].agg(set)
    return float(np.mean([{"more", "less"} <= seen for seen in answers]))


# --- how spending is spread -----------------------------------------------------------------------------------------


def gini(values: np.ndarray) -> float:
    """How unequally a total is held: 0 when all hold the same, near 1 when one holds everything; NaN without a total.

    Source: Gini (1914); computed from ranks.
    """
    held = np.sort(values[~np.isnan(values)])
    n, total = len(held), held.sum()
    return float(2 * (np.arange(1, n + 1) @ held) / (n * total) - (n + 1) / n) if total > 0 else math.nan


def concentration(values: np.ndarray, *, min_cell: int = 5) -> pd.DataFrame:
    """The Lorenz curve, the biggest first, in steps of one per cent or of `min_cell` customers if that is more.

    Returns:
        customers and total: cumulative shares, 0 to 1.
    """
    held = np.sort(values[~np.isnan(values)])[::-1]
    steps = max(1, min(100, len(held) // max(1, min_cell)))
    ends = np.round(np.linspace(0, len(held), steps + 1)).astype(int)
    so_far = np.concatenate([[0.0], np.cumsum(held)])[ends]
    if not len(held) or so_far[-1] <= 0:
        return pd.DataFrame({"customers": [0.0, 1.0], "total": [0.0, 1.0]})
    return pd.DataFrame({"customers": ends / len(held), "total": so_far / so_far[-1]})


def held_by_biggest(curve: pd.DataFrame, share: float) -> float:
    """The share of the total held by the biggest customers, a share of all, on a curve of `concentration`."""
    return float(np.interp(share, curve["customers"], curve["total"]))


def first_order_bins(table: pd.DataFrame, *, bins: int = 40, show: float = 0.98) -> pd.DataFrame:
    """How first orders spread, as bins of equal width up to the amount that a share `show` does not exceed.

    Returns:
        left, right (money), count (customers).
    """
    first = table["first_amount"].to_numpy()
    low, high = min(0.0, float(first.min())), float(np.quantile(first, show))
    number, edges = np.histogram(first, bins=bins, range=(low, high if high > low else low + 1))
    return pd.DataFrame({"left": edges[:-1], "right": edges[1:], "count": number})
