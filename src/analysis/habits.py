"""How buying repeats: from the first order to the second and on, and what would be seen if no habit ever changed.

The ladder counts days from each order to the next, and knows that some are still to come. The negative binomial is
the yardstick beside it: customers who differ, each with a pace that stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.checks import CheckedTable
from analysis.customers import Purchases
from analysis.estimates import NotTestable, resample
from analysis.lifetimes import customers, groups_of
from analysis.retention import medians, survival_curve
from analysis.words import count, quantity, with_interval

RUNGS = {0: "1st to 2nd", 1: "2nd to 3rd", 2: "3rd to 4th", 3: "4th to 5th"}
FEWEST, FEWEST_KINDS, LEVEL = 30, 3, 0.95  # customers on a rung, in a class of orders, of a kind; kinds; of intervals
CLASSES = 6  # 0, 1, 2, 3, 4, and 5 or more orders


# --- From one order to the next -------------------------------------------------------------------------------------


def waits(bought: Purchases) -> pd.DataFrame:
    """Days from each of a customer's first four orders to the next one, or to the last day seen, counted.

    Returns:
        Distinct rows as `lifetimes` makes them: rung ("1st to 2nd" and so on; only those on which 30 customers
        stood), time (days), left (whether the next order came), entered (0) and weight (customers).
    """
    import ibis

    rows = bought.rows.filter(bought.rows.opens == 1)
    life = ibis.window(group_by="customer_id", order_by="key")
    order = {"rung": ibis.row_number().over(life), "next_age": rows.age.lead().over(life)}
    each = rows.select("followed_days", "age", **order).filter(lambda order: order.rung < len(RUNGS))
    keys = {"time": ibis.coalesce(each.next_age, each.followed_days) - each.age, "left": each.next_age.notnull()}
    counted = each.group_by("rung", **keys).agg(weight=each.count()).order_by("rung", *keys).to_pandas()
    counted = counted[counted.groupby("rung")["weight"].transform("sum") >= FEWEST].reset_index(drop=True)
    return counted.assign(rung=counted["rung"].map(RUNGS), time=counted["time"].astype(float), entered=0.0)


def ladder(steps: pd.DataFrame, *, within: int) -> pd.DataFrame:
    """How many of those who got so far go on to the next order, and how soon.

    Who is still waiting on the last day has not refused: shares and times are read from Kaplan–Meier curves.

    Args:
        steps: from `waits`.
        within: days.

    Returns:
        One row a rung: rung, customers (who stood on it), value, low, high (share who went on within so many days;
        missing where nobody was watched so long), quarter, half, half_low and half_high (days by which a
        quarter and half of all had gone on; infinite where the curve stays below).

    Source: Kaplan & Meier (1958), Journal of the American Statistical Association 53; Brookmeyer & Crowley (1982),
    Biometrics 38 (the interval of the median).
    """
    if steps.empty:
        names = ["rung", "customers", "value", "low", "high", "quarter", "half", "half_low", "half_high"]
        return pd.DataFrame(columns=names)
    curves, rows = survival_curve(steps, unit="day", by="rung"), []
    for rung, group in groups_of(steps, "rung"):
        at = curves[(curves["group"] == rung) & (curves["time"] <= within)].iloc[-1]
        watched = group["time"].max() >= within
        shares = {"value": 1 - at["survival"], "low": 1 - at["high"], "high": 1 - at["low"]}
        rows.append({"rung": rung, "customers": customers(group)} | (shares if watched else dict.fromkeys(shares)))
    days = medians(curves).set_axis(["rung", "half", "half_low", "half_high"], axis=1)
    return pd.DataFrame(rows).assign(quarter=medians(curves, left=0.25)["median"]).merge(days, on="rung")


def comebacks(steps: pd.DataFrame, *, until: int) -> pd.DataFrame:
    """The share who had gone on by each day since the last order; line (the rung), x (days), y, low, high.

    Each line ends where fewer than 30 are still waiting.
    """
    if steps.empty:
        return pd.DataFrame(columns=["line", "x", "y", "low", "high"], dtype=float)
    curves = survival_curve(steps, unit="day", by="rung")
    shown = curves[(curves["at_risk"] >= FEWEST) & (curves["time"] <= until)]
    gone_on = 1 - shown[["survival", "high", "low"]].set_axis(["y", "low", "high"], axis=1)
    return shown[["group", "time"]].set_axis(["line", "x"], axis=1).join(gone_on)


def climbed(rungs: pd.DataFrame, *, within: int) -> str:
    """The first and the last rung of `ladder`, as a sentence without its full stop."""
    known = rungs.dropna(subset="value")[["rung", "value"]].to_numpy().tolist()
    said = [f"{quantity(share, 'share')} went on from the {rung.split()[0]} order" for rung, share in known]
    return f"Within {count(within)} days {' and '.join(said[:1] + said[1:][-1:]) or 'nothing can be told'}"


# --- What would be seen if no habit changed -------------------------------------------------------------------------


def halves(bought: Purchases, *, days: int) -> pd.DataFrame:
    """Orders of customers in two periods of equal length, the second of which ends on the last day seen.

    Returns:
        Distinct rows: first and second (orders in each) and weight (customers). Counted is whoever had ordered
        before both began, so that nobody is new in either, and those who ordered in neither are there.
    """
    import ibis

    rows = bought.rows.filter(bought.rows.followed_days >= 2 * days)
    ago = ibis.literal(bought.observed_until).delta(rows.ordered_on, unit="day")
    periods = {"first": ago.between(days, 2 * days - 1), "second": ago < days}
    orders = {name: rows.opens.sum(where=now).fill_null(0) for name, now in periods.items()}
    each = rows.group_by("customer_id").agg(**orders)
    return each.group_by(*periods).agg(weight=each.count()).order_by(*periods).to_pandas().astype("int64")


def spread(mean: Any, none: Any) -> np.ndarray:
    """The exponent k of the negative binomial with this mean whose share of customers without an order is `none`.

    Where there are as many without an order as chance alone leaves, or fewer, customers do not differ: k is huge.

    Source: Ehrenberg (1959), Applied Statistics 8 ("means and zeros").
    """
    mean, none = np.asarray(mean, float), np.asarray(none, float)
    low, high = np.full(mean.shape, -18.0), np.full(mean.shape, 18.0)
    for _ in range(60):  # halves the range of log k each time
        middle = (low + high) / 2
        short = np.exp(middle) * np.log1p(mean / np.exp(middle)) < -np.log(none)
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.exp((low + high) / 2)


def foretold(pairs: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame | NotTestable:
    """What the first period foretells of the second if every customer keeps their pace, beside what came.

    In a negative binomial world the share who order in a period and their orders a head fix both for a period of any
    length, and the orders to come of those who had so many.

    Args:
        pairs: from `halves`.
        draws, seed: of the resamples of customers, in each of which all is reckoned anew.

    Returns:
        One row a class of customers by their orders in the first period (5 stands for more too; those of fewer than
        30 customers fall away), then one a measure of all: section and label (text), n (customers), expected (how
        many the negative binomial puts into the class), foretold and came (in the second period, or in both
        together), value, low, high (came over foretold; percentiles at 95%). Not testable with fewer than 30
        customers who ordered in a period, or if all did.

    Source: Goodhardt & Ehrenberg (1967), Journal of Marketing Research 4 (conditional trend analysis); Ehrenberg
    (1988), Repeat-Buying.
    """
    weight = pairs["weight"].to_numpy()
    first, second, none = (
        weight[place].sum() for place in (pairs["first"] > 0, pairs["second"] > 0, pairs["first"] == 0)
    )
    if min(first, second) < FEWEST or not none:
        return NotTestable(
            f"Of {count(weight.sum())} customers from before, {count(first)} and {count(second)} ordered in the two "
            f"periods. Needed are {FEWEST}, and some who did not."
        )
    n, expected, ahead, came = (found[0] for found in _reckoned(pairs, weight[None]))
    table = pd.DataFrame({"n": n, "expected": expected, "foretold": ahead, "came": came, "value": came / ahead})
    table = table.assign(section=[BY_ORDERS] * CLASSES + [OF_ALL] * len(MEASURES), label=[*LABELS, *MEASURES])
    _, _, ahead, came = _reckoned(pairs, resample(weight, draws=draws, seed=seed))
    kept = n >= FEWEST
    low, high = np.nanquantile((came / ahead)[:, kept], ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    return table[kept].assign(low=low, high=high).reset_index(drop=True)


BY_ORDERS, OF_ALL = "Orders to come, by orders before", "All customers"
LABELS = [*(f"after {orders}" for orders in range(CLASSES - 1)), f"after {CLASSES - 1} or more"]
MEASURES = [
    f"{what}, {when}" for when in ("next period", "both periods") for what in ("share who order", "orders a buyer")
]


def kept_pace(table: pd.DataFrame) -> str:
    """How many buyers came for those whom `foretold` foretells, as a sentence without its full stop."""
    buyers = table[table["label"] == MEASURES[0]].iloc[0]
    return f"{with_interval(buyers['value'], buyers['low'], buyers['high'], 'share')} of the buyers foretold came"


def _reckoned(pairs: pd.DataFrame, weights: np.ndarray) -> list[np.ndarray]:
    """Customers, expected, foretold and came for each line of weights; the last axis is the row of `foretold`."""
    from scipy.stats import nbinom

    first, second = (pairs[name].to_numpy(float) for name in ("first", "second"))
    n, inside = weights.sum(axis=1), first.clip(max=CLASSES - 1)[:, None] == np.arange(CLASSES)
    mean, size = weights @ first / n, weights @ inside
    k = spread(mean, weights @ (first == 0) / n)
    odds, share = mean / k, nbinom.cdf(np.arange(CLASSES - 1), k[:, None], (k / (k + mean))[:, None])
    with np.errstate(invalid="ignore"):  # a class that nobody fell into in a resample
        before, later = (weights @ (inside * x[:, None]) / size for x in (first, second))
    ahead = ((k[:, None] + before).T * odds / (1 + odds)).T
    model = [part for t in (1, 2) for part in _model(t * mean, k)]
    actual = [part for x in (second, first + second) for part in _bought(weights, x)]
    expected = (np.diff(share, prepend=0, append=1).T * n).T
    columns = [[size, *[n] * 4], [expected, *[n * np.nan] * 4], [ahead, *model], [later, *actual]]
    return [np.column_stack(parts) for parts in columns]


def _model(mean: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of customers with an order, and the orders of each who has one, if the counts are negative binomial."""
    share = -np.expm1(-k * np.log1p(mean / k))
    return share, mean / share


def _bought(weights: np.ndarray, orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of customers with an order, and the orders of each who had one."""
    buyers = weights @ (orders > 0)
    each = np.divide(weights @ orders, buyers, out=np.full(buyers.shape, np.nan), where=buyers > 0)
    return buyers / weights.sum(axis=1), each


# --- Small brands have fewer buyers, who buy a little less ----------------------------------------------------------


def jeopardy(orders: CheckedTable, *, by: str) -> pd.DataFrame | NotTestable:
    """How many customers buy each kind, and how often: beside what its size alone would make of it.

    Foretold is what the Dirichlet model makes of customers with so many orders each, whose tastes differ by as much
    as they do here over all kinds together, where kinds differ in size alone. In it small kinds have fewer buyers,
    who also buy them a little less often.

    Args:
        orders: checked; rows with an amount above zero count.
        by: a column of words, such as category or channel.

    Returns:
        One row a kind with at least 30 buyers, the largest first: kind, buyers, share (of all customers), value, low,
        high (orders, that is days, of each who bought it) and foretold. Not testable without the column or with
        fewer than three such kinds.

    Source: Goodhardt, Ehrenberg & Chatfield (1984), Journal of the Royal Statistical Society A 147; Ehrenberg,
    Goodhardt & Barwise (1990), Journal of Marketing 54.
    """
    if not orders.has(by):
        return NotTestable(f"The orders have no column {by}, so there is nothing between which customers could choose.")
    rows = orders.rows.filter(orders.rows.amount > 0, orders.rows[by].notnull())
    rows = rows.filter(~rows.returned.fill_null(False)) if orders.has("returned") else rows
    each = rows.group_by("customer_id", kind=rows[by]).agg(n=rows.ordered_at.date().nunique())
    sums = {"buyers": each.count(), "orders": each.n.sum(), "squares": (each.n * each.n).sum()}
    found = each.group_by("kind").agg(**sums).order_by("kind").to_pandas()
    whole = each.group_by("customer_id").agg(n=each.n.sum())
    heads = whole.group_by("n").agg(customers=whole.count()).order_by("n").to_pandas().to_numpy(float)
    found = found.assign(share=found["buyers"] / heads[:, 1].sum(), foretold=_by_size(found, heads))
    found = found[found["buyers"] >= FEWEST].sort_values("buyers", ascending=False, kind="stable", ignore_index=True)
    if len(found) < FEWEST_KINDS:
        return NotTestable(f"Only {len(found)} kinds of {by} have {FEWEST} buyers; {FEWEST_KINDS} are needed.")
    often = found["orders"] / found["buyers"]
    away = 1.96 * np.sqrt((found["squares"] / found["buyers"] - often**2).clip(lower=0) / found["buyers"])
    table = found.assign(value=often, low=(often - away).clip(lower=1.0), high=often + away)
    return table[["kind", "buyers", "share", "value", "low", "high", "foretold"]]


def _by_size(kinds: pd.DataFrame, heads: np.ndarray) -> Any:
    """Orders a buyer if kinds differed in size alone; tastes differ so that buyers add up over the kinds."""
    from scipy.special import gammaln

    orders, customers_ = heads.T
    other = (1 - kinds["orders"] / kinds["orders"].sum()).to_numpy()[:, None]

    def without(s: float) -> np.ndarray:
        """Customers who never choose each kind, if the strengths of the tastes add up to s."""
        return np.exp(gammaln(s * other + orders) - gammaln(s * other) - gammaln(s + orders) + gammaln(s)) @ customers_

    grid = np.linspace(14, -7, 211)
    lacking = [without(np.exp(at)).sum() for at in grid]  # rises: the stronger tastes are, the fewer kinds each buys
    s = np.exp(np.interp((customers_.sum() - kinds["buyers"]).sum(), lacking, grid))
    return kinds["orders"] / (customers_.sum() - without(s))


def jeopardised(kinds: pd.DataFrame) -> str:
    """Whether small kinds in `jeopardy` are bought less often, as a sentence."""
    rank = quantity(kinds["share"].rank().corr(kinds["value"].rank()), "correlation")
    inside = count(kinds["foretold"].between(kinds["low"], kinds["high"]).sum())
    return (
        f"Rank correlation of buyers and orders a buyer: {rank}. Size alone foretells {inside} of {len(kinds)} kinds."
    )
