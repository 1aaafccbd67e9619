"""How long each customer stayed: subscriptions counted as distinct rows.

Survival estimates depend on a table only through how often each row occurs. The engine counts identical rows once,
and everything after works on that small table with weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.tables import TableError
from analysis.words import listing

if TYPE_CHECKING:
    from analysis.checks import CheckedTable

SPELL = ["time", "left", "entered"]
CUSTOMER = "customer"  # the number of a customer with several spells, 0 of one with a single spell
OTHER = "other"
UNKNOWN = "not known"
ALL = "all customers"


def several(who: pd.Series) -> np.ndarray:
    """A number for each customer with several rows, 0 for one with a single row: what `CUSTOMER` holds."""
    return (pd.factorize(who)[0] + 1) * who.duplicated(keep=False).to_numpy()


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
        number of spells. Where some customers have several spells, also `customer`, so that theirs can be kept
        together; everybody else's are counted as ever.

    Raises:
        TableError: a column is not in the table, or would be confused with one made here.
    """
    rows = subscriptions.rows
    if unknown := [column for column in by if column not in rows.columns]:
        raise TableError(f"subscriptions: no column {listing(unknown)}; there are {listing(sorted(rows.columns))}.")
    if clash := [column for column in by if column in (*SPELL, CUSTOMER, "weight")]:
        raise TableError(f"subscriptions: a covariate cannot be called {listing(clash)}; rename it in studies.toml.")
    # The engine is quickest with few keys: leavers are a count beside all, and the age at entry a key where it differs.
    rows = _numbered(rows) if subscriptions.has("started_at") else rows
    names = [*by, *({CUSTOMER} & {*rows.columns})]
    keys, entered = [*SPELL, *names], ["entered"] if subscriptions.facts.get("late", True) else []
    counted: Any = rows.group_by(["time", *entered, *names]).agg(weight=rows.count(), gone=rows.left.sum())
    counted = counted.to_pyarrow().to_pandas()
    gone = counted.pop("gone").to_numpy(int)
    both = counted.loc[counted.index.repeat(2)].assign(left=np.tile([True, False], len(gone)))
    both["weight"] = np.column_stack([gone, counted["weight"] - gone]).ravel()
    if not entered:
        both["entered"] = 0.0
    seen = (both["entered"] == 0) | (both["time"] > both["entered"])  # else never under observation
    both = both.loc[seen & (both["weight"] > 0), [*keys, "weight"]]
    if not by:
        return both.sort_values(keys, ignore_index=True)
    return recount(worded(both, by, min_cell=min_cell), keys)


def _numbered(rows: Any) -> Any:
    """The rows with the numbers of customers who have several spells; as they are where nobody has."""
    import ibis

    seen = rows.filter((rows.entered == 0) | (rows.time > rows.entered)).group_by("customer_id")
    several = seen.agg(first=rows.started_at.min(), last=rows.started_at.max()).filter(lambda t: t.first < t.last)
    if not several.count().execute():
        return rows
    number = (ibis.row_number() + 1).over(order_by="customer_id")
    joined = rows.left_join(several.select("customer_id", **{CUSTOMER: number}), "customer_id")
    return joined.select(*rows.columns, **{CUSTOMER: joined[CUSTOMER].fill_null(0)})


def worded(counted: pd.DataFrame, by: Sequence[str], *, min_cell: int) -> pd.DataFrame:
    """Distinct rows whose covariates are quantities or words that stand for enough customers."""
    table = counted.copy()
    for column in by:
        if not measured(table[column]):
            words = table[column].astype(object).where(table[column].notna(), UNKNOWN)
            table[column] = words.map(_word)
            table[column] = merge_small(table, column, least=min_cell)
    return table


def recount(counted: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Put rows together that agree in `keys`, and in `customer` where it is there, and add up their weights."""
    keys = [*keys, *({CUSTOMER} & {*counted.columns} - {*keys})]
    return counted.groupby(keys, dropna=False, sort=True)["weight"].sum().reset_index()


def measured(values: pd.Series) -> bool:
    """Whether a covariate is a quantity: numbers of more than two kinds."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values) and values.nunique() > 2


def _word(value: object) -> str:
    """A value as a word: yes and no for a flag in any form."""
    if isinstance(value, (bool, int, float)):
        return {0.0: "no", 1.0: "yes"}.get(float(value), f"{value:g}")
    return str(value)


def merge_small(counted: pd.DataFrame, column: str, *, least: int, events: bool = False) -> pd.Series:
    """The column with its smallest groups put together as "other" until every group is large enough.

    Where all would have to be, they are called "all customers".

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
    if len(small) == len(groups):
        return pd.Series(ALL, index=counted.index)
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


def in_words(counted: pd.DataFrame, column: str, *, min_events: int = 0) -> pd.Series:
    """A covariate as words: quantities in quarters, words with fewer than `min_events` leavers as "other"."""
    words = in_bands(counted, column) if measured(counted[column]) else counted[column].astype(str)
    return (
        merge_small(counted.assign(**{column: words}), column, least=min_events, events=True) if min_events else words
    )


def grouped(counted: pd.DataFrame, column: str | None, *, min_events: int = 0) -> pd.DataFrame:
    """Distinct rows by one column as words (see `in_words`), or by none.

    Returns:
        One row for each distinct time, left, entered and `column`, with weight.
    """
    if column is None:
        return ungrouped(counted)
    words = in_words(counted, column, min_events=min_events)
    return recount(counted.assign(**{column: words}), [*SPELL, column])


def ungrouped(counted: pd.DataFrame) -> pd.DataFrame:
    """Distinct rows of time, left and entered alone."""
    return recount(counted, SPELL)


def customers(lifetimes: pd.DataFrame) -> int:
    """Number of spells in the table."""
    return int(lifetimes["weight"].sum())


def leavers(lifetimes: pd.DataFrame) -> int:
    """Number of spells that ended in leaving."""
    return int(lifetimes.loc[lifetimes["left"], "weight"].sum())


def groups_of(lifetimes: pd.DataFrame, by: str | None) -> list[tuple[str, pd.DataFrame]]:
    """Each group's name and distinct rows, the largest group first; without `by` one group of all."""
    if by is None:
        return [(ALL, lifetimes)]
    groups = [(str(name), rows) for name, rows in lifetimes.groupby(by, sort=True)]
    return sorted(groups, key=lambda group: -customers(group[1]))


def chosen(subscriptions: CheckedTable, covariates: Sequence[str], *, group: str = "") -> list[str]:
    """The covariates to use: those named, else all declared; `group` always among them."""
    names = [*(covariates or subscriptions.facts.get("covariates", ())), *([group] if group else [])]
    return list(dict.fromkeys(names))


def grouping(subscriptions: CheckedTable, group: str) -> str | None:
    """The covariate that tells groups apart: the one named, else the first declared; None where there is none."""
    return group or next(iter(subscriptions.facts.get("covariates", ())), None)


def cohort_limit(subscriptions: CheckedTable) -> str | None:
    """Why the table cannot stand for customers followed from their start, or None when it can."""
    if subscriptions.facts.get("cohort", True):
        return None
    return (
        "the table shows how long present customers and the latest leavers have stayed, not customers followed "
        "from their first day, so the estimate holds only if it is read as if it were such a cohort."
    )
