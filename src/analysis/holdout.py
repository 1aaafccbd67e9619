"""Models of buying beside a naive rule, on what came after the day up to which they knew the log."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis.buying import WEEK, WEEKS, summarise
from analysis.customers import Purchases
from analysis.estimates import Estimate, NotTestable, resampled
from analysis.fits import Fit
from analysis.retention import MIN_EVENTS, resamples
from analysis.tables import TableError
from analysis.words import plural


def cut(bought: Purchases, *, share: float) -> date:
    """The last day before the hold-out: a share (0 to 1) of the log's days, to the nearest week, at least one."""
    days = (bought.observed_until - bought.rows.ordered_on.min().to_pyarrow().as_py()).days
    return bought.observed_until - timedelta(weeks=max(1, round(share * days / WEEK)))


def own_pace(rows: pd.DataFrame, t: Any) -> np.ndarray:
    """The naive rule: every customer goes on buying at their own past rate; orders in the next t."""
    return t * (rows["repeats"] / rows["observed"].clip(lower=1 / WEEK)).to_numpy(float)


def forecasts(fit: Fit, rows: pd.DataFrame, *, most: int = 7) -> pd.DataFrame:
    """Orders after `until` by repeat orders before it: what came, what the model expected, what the naive rule said.

    Args:
        fit: to the same rows, in weeks.
        rows: as `summarise(..., until=...)` makes them.
        most: from so many repeats on, customers stand in one row.

    Returns:
        As `by_repeats`.
    """
    return by_repeats(rows, *_rules(fit, rows), most=most)


def by_repeats(rows: pd.DataFrame, model: np.ndarray, naive: np.ndarray, *, most: int = 7) -> pd.DataFrame:
    """What came later beside what two rules foretold for each row.

    Returns:
        One row a number of repeats: repeats, customers, actual, error (standard, of actual), model, naive; the last
        four a customer.
    """
    later, rules = rows["later"], {"model": model, "naive": naive}
    columns = pd.DataFrame({"customers": 1.0, "actual": later, "error": later**2, **rules}).mul(rows["weight"], axis=0)
    sums = columns.groupby(rows["repeats"].clip(upper=most)).sum()
    table = sums.div(sums["customers"], axis=0).assign(customers=sums["customers"])
    table["error"] = np.sqrt((table["error"] - table["actual"] ** 2).clip(lower=0) / table["customers"])
    return table.reset_index()


def _rules(fit: Fit, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return fit.model.expected(rows, _ahead(fit, rows)), own_pace(rows, _ahead(fit, rows))


def _ahead(fit: Fit, rows: pd.DataFrame) -> float:
    if rows.attrs.get("unit", WEEKS) != fit.unit or fit.unit != WEEKS or not rows["ahead"].iloc[0] > 0:
        raise TableError("buying histories: a hold-out needs summarise(..., until=an earlier day), in weeks.")
    return float(rows["ahead"].iloc[0])


def gain(fit: Fit, rows: pd.DataFrame, *, draws: int = 1000, seed: int) -> Estimate | NotTestable:
    """`gain_over` for orders: what a model fitted to the same rows, in weeks, gains over everybody's own pace."""
    return gain_over(rows, *_rules(fit, rows), draws=draws, seed=seed)


def gain_over(
    rows: pd.DataFrame, model: np.ndarray, naive: np.ndarray, *, draws: int = 1000, seed: int
) -> Estimate | NotTestable:
    """The share of the naive rule's squared error, customer by customer, that the model removes on the hold-out.

    Squared error, because a mean is foretold: absolute error would favour foretelling nothing for everybody. The
    interval is over which customers there were, with the fit as it is.

    Args:
        rows: with what came later, and weight.
        model, naive: what each rule foretold for each row.
        draws: of the bootstrap over customers.
        seed: of the random numbers.
    """
    weight = rows["weight"].to_numpy(float)
    if (came := int(weight @ (rows["later"] > 0))) < MIN_EVENTS:
        return NotTestable(f"{plural(came, 'customer')} came back on the hold-out; at least {MIN_EVENTS} are needed.")
    missed = {name: (rows["later"] - rule) ** 2 for name, rule in (("model", model), ("naive", naive))}
    sums = resampled(pd.DataFrame(missed).assign(weight=weight), partial(added, seed=seed), draws=draws)
    gains = 1 - sums[:, 0] / sums[:, 1]
    return Estimate.from_draws(float(gains[0]), gains[1:], unit="gain", n=int(weight.sum()))


def added(rows: pd.DataFrame, draws: int, *, seed: int) -> np.ndarray:
    """The mean of each column but weight over the customers, then that in each resample; shape (1 + draws, columns)."""
    each, weight = rows.drop(columns="weight").to_numpy(float), rows["weight"].to_numpy(float)
    sums = [block @ each for block in (weight[None], *resamples(rows, draws=draws, seed=seed))]
    return np.concatenate(sums) / weight.sum()


def tracking(fit: Fit, bought: Purchases, *, until: date) -> pd.DataFrame:
    """Repeat orders of all customers known on a day, added up week by week: actual, expected, and by the naive rule.

    Args:
        fit: to the histories on `until`, in weeks.
        bought: the orders.
        until: last day that the fit knew.

    Returns:
        One row a week since the first order of all: week, actual, model, naive (the customers' own pace from `until`
        on; before it nothing is foretold, so it is missing).
    """
    known = summarise(bought, until=until)
    rows = bought.rows.filter(bought.rows.opens == 1, bought.rows.first_on <= until)
    days = rows.group_by(back=rows.followed_days - rows.age).agg(
        orders=rows.count(), new=rows.customer_id.nunique(where=rows.age == 0)
    )
    table = days.to_pandas().astype("int64")
    length, ahead = int(table["back"].max()) + 1, round(_ahead(fit, known) * WEEK)
    orders, new = (np.bincount(length - 1 - table["back"], table[name], length) for name in ("orders", "new"))
    actual = np.cumsum(orders - new)
    model = np.convolve(new, fit.model.newcomer(np.arange(length) / WEEK))[:length]
    pace = own_pace(known, np.arange(1, ahead + 1)[:, None] / WEEK) @ known["weight"]
    naive = np.append(np.full(length - ahead, np.nan), actual[-ahead - 1] + pace)
    ends = np.arange(WEEK - 1, length, WEEK)
    return pd.DataFrame(
        {"week": (ends + 1) // WEEK, "actual": actual[ends], "model": model[ends], "naive": naive[ends]}
    )
