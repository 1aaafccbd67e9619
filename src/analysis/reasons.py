"""Why customers leave: each reason beside the others, any of which may come first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.estimates import NotTestable
from analysis.hazards import CoxModel, cox
from analysis.lifetimes import leavers, merge_small
from analysis.retention import MIN_EVENTS, RiskTable, log_log, risk_table, too_few

REASON = "end_reason"


def reasons(lifetimes: pd.DataFrame, *, min_cell: int) -> pd.Series | NotTestable:
    """The reason of every leaver, the commonest first; those of fewer than `min_cell` leavers are put together.

    Args:
        lifetimes: distinct rows with `end_reason`.
        min_cell: smallest number of customers a reason may stand for.
    """
    if REASON not in lifetimes:
        return NotTestable(f"The table does not say why contracts ended (a column {REASON} would).")
    gone = lifetimes[lifetimes["left"]]
    if (left := leavers(lifetimes)) < MIN_EVENTS:
        return NotTestable(too_few(left, "an account of reasons"))
    words = merge_small(gone, REASON, least=min_cell)
    sizes = gone["weight"].groupby(words).sum().sort_values(ascending=False, kind="stable")
    if len(sizes) < 2:
        return NotTestable("All who left are put down to one reason, so there is nothing to tell apart.")
    return words.astype(pd.CategoricalDtype(sizes.index))


def incidence(lifetimes: pd.DataFrame, *, min_cell: int = 5) -> pd.DataFrame | NotTestable:
    """The share of customers that has left for each reason by each age (Aalen–Johansen).

    Ours, because lifelines' estimate moves tied times apart at random.

    Args:
        lifetimes: distinct rows with `end_reason`.
        min_cell: see `reasons`.

    Returns:
        One row a reason and distinct time, from 0: reason, time, share, error (its standard error), low, high (95%,
        log–log), naive (one minus the Kaplan–Meier curve that takes leaving for another reason as being lost from
        sight), at_risk, leavers (for the reason, so far). The shares of all reasons add up to all who have left.

    Source: Aalen & Johansen (1978), Scandinavian Journal of Statistics 5; Gaynor et al. (1993), Journal of the
    American Statistical Association 88, for the standard error.
    """
    found = reasons(lifetimes, min_cell=min_cell)
    if isinstance(found, NotTestable):
        return found
    table = risk_table(lifetimes)
    if (table.survival[:-1] <= 0).any():
        return NotTestable("Too few were watched at young ages: the curve falls to zero before older customers enter.")
    words = found.reindex(lifetimes.index)
    curves = []
    for reason in found.cat.categories:
        events = risk_table(lifetimes, lifetimes["weight"].to_numpy() * (words == reason).to_numpy()).events
        curves.append(_curve(table, events).assign(reason=reason))
    return pd.concat(curves, ignore_index=True)


def _curve(table: RiskTable, events: np.ndarray) -> pd.DataFrame:
    """One reason's share, its error and interval at every distinct time."""
    at_risk, left = np.maximum(table.at_risk, 1), table.events
    before = np.concatenate([[1.0], table.survival[:-1]])
    share = np.cumsum(before * events / at_risk)
    # At an age at which all leave, nothing is left to vary afterwards.
    spread = np.divide(left, at_risk * (at_risk - left), out=np.zeros_like(share), where=at_risk > left)
    with_share = before * events / at_risk**2
    own = before**2 * events * (at_risk - events) / at_risk**3
    linear = np.cumsum(spread * share + with_share)
    constant = np.cumsum(spread * share**2 + own + 2 * with_share * share)
    error = np.sqrt(np.maximum(share**2 * np.cumsum(spread) - 2 * share * linear + constant, 0))
    low, high = log_log(share, error)
    curve = pd.DataFrame({"time": table.times, "share": share, "error": error, "low": low, "high": high})
    curve = curve.assign(naive=1 - np.cumprod(1 - events / at_risk), at_risk=table.at_risk, leavers=np.cumsum(events))
    begin = pd.DataFrame(0.0, index=[0], columns=curve.columns).assign(at_risk=table.at_risk[0])
    return pd.concat([begin, curve], ignore_index=True).drop_duplicates("time", keep="last")


def by_reason(
    lifetimes: pd.DataFrame, *, covariates: Sequence[str], min_cell: int = 5
) -> dict[str, CoxModel | NotTestable]:
    """Hazard ratios for each reason alone: who is likelier to leave for it at any age, while still a customer.

    Args:
        lifetimes: distinct rows with `end_reason` and the covariates.
        covariates: as of `hazards.cox`.
        min_cell: see `reasons`.
    """
    found = reasons(lifetimes, min_cell=min_cell)
    if isinstance(found, NotTestable):
        return {}
    words = found.reindex(lifetimes.index)
    return {
        reason: cox(lifetimes.assign(left=lifetimes["left"] & (words == reason)), covariates=covariates)
        for reason in found.cat.categories
    }
