"""How long each customer stayed: subscriptions counted as distinct rows.

Survival estimates depend on a table only through how often each row occurs. The engine counts identical rows once,
and everything after works on that small table with weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.tables import TableError
from analysis.words import listing

if TYPE_CHECKING:
    from analysis.checks import CheckedTable

SPELL = ["time", "left", "entered"]
OTHER = "other"
UNKNOWN = "not known"


def lifetimes(subscriptions: CheckedTable, *, by: Sequence[str] = (), min_cell: int = 5) -> pd.DataFrame:
    """Count the identical rows among spells.

    Args:
        subscriptions: checked; its fact `unit` is the unit of `time` and `entered`.
        by: covariates to keep. Missing words become "not known"; words held by fewer than `min_cell` customers
            become "other".
        min_cell: smallest number of customers a word may stand for.

    Returns:
        One row for each distinct combination: time (how long the spell was seen to last, in the table's unit), left
        (whether it ended in leaving), entered (its age when observation began), the `by` columns, and weight, the
        number of spells.

    Raises:
        TableError: a column is not in the table, or would be confused with one made here.
    """
    rows, keys = subscriptions.rows, [*SPELL, *by]
    if unknown := [column for column in by if column not in rows.columns]:
        raise TableError(f"subscriptions: no column {listing(unknown)}; there are {listing(sorted(rows.columns))}.")
    if clash := [column for column in by if column in (*SPELL, "weight")]:
        raise TableError(f"subscriptions: a covariate cannot be called {listing(clash)}; rename it in studies.toml.")
    counted = rows.group_by(keys).agg(weight=rows.count()).order_by(keys).execute()
    for column in by:
        if not measured(counted[column]):
            counted[column] = counted[column].astype(object).where(counted[column].notna(), UNKNOWN).astype(str)
            counted[column] = merge_small(counted, column, least=min_cell)
    return _recount(counted, keys)


def _recount(counted: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return counted.groupby(keys, dropna=False, sort=True)["weight"].sum().reset_index()


def measured(values: pd.Series) -> bool:
    """Whether a covariate is a quantity (numbers) and not a set of words or a yes/no."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def merge_small(counted: pd.DataFrame, column: str, *, least: int, events: bool = False) -> pd.Series:
    """The column with its smallest groups put together as "other" until every group is large enough.

    Args:
        counted: distinct rows with weight (and left).
        column: the words to merge.
        least: smallest size of a group.
        events: measure size by customers who left rather than by customers.
    """
    size = counted["weight"].where(counted["left"], 0) if events else counted["weight"]
    groups = size.groupby(counted[column]).sum().sort_values(kind="stable")
    small = set(groups.index[groups < least])
    for name in groups.index:
        if small and groups[list(small)].sum() < least:
            small.add(name)
    return counted[column].where(~counted[column].isin(small), OTHER)


def in_bands(counted: pd.DataFrame, column: str, *, bands: int = 4) -> pd.Series:
    """A quantity as words: quarters of the customers, named by their range; a few distinct values stay as they are.

    Missing values become "not known".
    """
    values, weight = counted[column], counted["weight"]
    known = values.notna()
    if values[known].nunique() <= bands:
        words = values.map("{:g}".format)
    else:
        order = values[known].sort_values().index
        share = weight[order].cumsum() / weight[order].sum()
        cuts = [values[order][share >= part / bands].iloc[0] for part in range(1, bands)]
        edges = np.unique([values[known].min(), *cuts, values[known].max()])
        names = [f"{low:,.6g} to {high:,.6g}" for low, high in pairwise(edges)]
        place = np.clip(np.searchsorted(edges, values.fillna(edges[0]), side="left") - 1, 0, len(names) - 1)
        words = pd.Series(np.array(names, dtype=object)[place], index=values.index)
    return words.where(known, UNKNOWN).astype(str)


def grouped(counted: pd.DataFrame, column: str, *, min_events: int = 0) -> pd.DataFrame:
    """Distinct rows by one column as words: quantities in bands, groups with too few leavers merged.

    Args:
        counted: distinct rows as `lifetimes` gives them.
        column: becomes the groups.
        min_events: groups with fewer leavers are merged into "other" (0 merges nothing).

    Returns:
        One row for each distinct time, left, entered and `column`, with weight.
    """
    words = in_bands(counted, column) if measured(counted[column]) else counted[column].astype(str)
    table = counted[[*SPELL, "weight"]].assign(**{column: words})
    if min_events:
        table[column] = merge_small(table, column, least=min_events, events=True)
    return _recount(table, [*SPELL, column])


def ungrouped(counted: pd.DataFrame) -> pd.DataFrame:
    """Distinct rows of time, left and entered alone."""
    return _recount(counted, SPELL)


def cohort_limit(subscriptions: CheckedTable) -> str | None:
    """Why the table cannot stand for customers followed from their start, or None when it can."""
    if subscriptions.facts.get("cohort", True):
        return None
    return (
        "The table shows how long present customers and the latest leavers have stayed, not customers followed "
        "from their first day, so the estimate holds only if it is read as if it were such a cohort."
    )
