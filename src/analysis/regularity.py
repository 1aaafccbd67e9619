"""Do customers order at more even times than chance would have it? Where they do, a silence tells sooner."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from analysis.buying import BGNBD, MBGNBD, WEEK
from analysis.customers import Purchases
from analysis.estimates import NORMAL, Estimate, NotTestable
from analysis.fits import Fit, fit_buying
from analysis.retention import MIN_EVENTS
from analysis.words import plural

SAME_DAY = 0.5  # days between two orders of one day


@cache
def every_step(family: type[BGNBD], steps: int) -> type[BGNBD]:
    """BG/CNBD-k or MBG/CNBD-k: as BG/NBD or MBG/NBD, but an order is every k-th step of the customer's even clock.

    Times between orders are then Erlang-k. k = 1 is the model itself.

    Args:
        family: BGNBD or MBGNBD.
        steps: k, 1 or more.

    Source: Platzer & Reutterer (2016), Marketing Science 35(5); Reutterer, Platzer & Schröder (2021), International
    Journal of Research in Marketing 38(1).
    """
    name = f"{family.NAME.removesuffix('NBD')}CNBD-{steps}" if steps > 1 else family.NAME
    return type(f"{family.__name__}{steps}", (family,), {"STEPS": steps, "NAME": name})


def gaps(bought: Purchases, *, until: date | None = None) -> pd.DataFrame:
    """Times between one order of a customer and the next, counted.

    Returns:
        One row a distinct gap: gap (weeks; two orders of a day are half a day apart), before (for a customer's second
        gap the first one, else missing), weight (gaps).
    """
    import ibis

    rows = bought.rows.filter(bought.rows.opens == 1, bought.rows.ordered_on <= (until or bought.observed_until))
    life = ibis.window(group_by="customer_id", order_by=["age", "key"])
    each = rows.mutate(gap=ibis.greatest(rows.age - rows.age.lag().over(life), SAME_DAY) / WEEK)
    each = each.mutate(place=ibis.row_number().over(life), before=each.gap.lag().over(life))
    each = each.filter(each.place > 0).mutate(before=(each.place == 2).ifelse(each.before, None))
    return each.group_by("gap", "before").agg(weight=each.count()).order_by("gap", "before").to_pandas()


def evenness(gaps: pd.DataFrame) -> Estimate | NotTestable:
    """How even the times between orders are: 1 as by chance, above 1 more regular, below 1 in bursts.

    From customers' first two gaps: which part of the two the first one takes differs as Beta(k, k), whatever the
    customer's own rate. The value is k, so it may be held against the k of `every_step`.

    Source: Wheat & Morrison (1990), Journal of Marketing Research 27(1).
    """
    two = gaps.dropna()
    if (n := int(two["weight"].sum())) < MIN_EVENTS:
        return NotTestable(f"{plural(n, 'customer')} ordered three times or more; at least {MIN_EVENTS} are needed.")
    away = (two["before"] / (two["before"] + two["gap"]) - 0.5) ** 2
    mean = float(np.average(away, weights=two["weight"]))
    error = math.sqrt(np.average((away - mean) ** 2, weights=two["weight"]) / n)

    def quantile(p: float) -> float:
        return 1 / (8 * max(mean - NORMAL.inv_cdf(p) * error, 1e-9)) - 0.5

    return Estimate(quantile(0.5), "ratio", n, quantile, "two gaps a customer, normal for their spread")


def fit_regular(
    rows: pd.DataFrame, gaps: pd.DataFrame, family: Any = MBGNBD, *, most: int = 4
) -> dict[int, Fit] | NotTestable:
    """Fit BG/CNBD-k or MBG/CNBD-k for each k up to `most`; their log-likelihoods are of the times of all orders.

    Args:
        rows: as `buying.summarise` makes them.
        gaps: of the same customers up to the same day.
        family: BGNBD or MBGNBD.
        most: the highest k.
    """
    logs, found = gaps["weight"] @ np.log(gaps["gap"]), {}
    for k in range(1, most + 1):
        fit = fit_buying(rows, every_step(family, k))
        if isinstance(fit, NotTestable):
            return fit
        beyond = (k - 1) * logs - gaps["weight"].sum() * math.lgamma(k)
        found[k] = replace(fit, log_likelihood=fit.log_likelihood + float(beyond))
    return found
