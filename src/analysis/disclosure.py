"""Hides what stands on so few customers that one of them could be recognised, and whatever would give it away.

A group too small is hidden together with the next larger ones, until nobody who subtracts what is shown from a total
can tell whether any one of the hidden groups is small. Which of them was hidden for its size is never said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis import words

FEWEST = 5  # customers, unless a study says otherwise
# Columns that count people, under the names that they have in the project's tables.
COUNTS = ("customers", "n", "count", "answers", "cases", "at_risk", "active", "buyers", "leavers", "events")
HIDDEN = "hidden"

_chosen = {"least": FEWEST}


def protect(least: int) -> None:
    """Sets the smallest group that may be shown from now on; opening a study does this with its min_cell."""
    _chosen["least"] = least


def smallest(asked: int | None = None) -> int:
    """The smallest group that may be shown: as asked for here, else as the study that was opened last says."""
    return asked or _chosen["least"]


def few(
    rows: pd.DataFrame, least: int | None = None, *, columns: tuple[str, ...] = COUNTS, by: str | None = None
) -> pd.Series:
    """Which rows must not be shown: those on too few customers, and those that would give them away.

    Args:
        rows: one row a group; those of `columns` that it has count people, where missing means that none is counted.
        least: the smallest count that may be shown; else the study's.
        columns: what to look at.
        by: a column whose values have totals of their own, such as the age in a table of cohorts by age.

    Returns:
        True for rows to hide, indexed as `rows`.
    """
    keys = rows[by].to_numpy() if by else np.zeros(len(rows))
    hide = np.zeros(len(rows), dtype=bool)
    for column in rows.columns.intersection(list(columns)):
        sizes = pd.to_numeric(rows[column], errors="coerce").fillna(0).to_numpy(float)
        for key in pd.unique(keys):
            hide[keys == key] |= _hidden(sizes[keys == key], smallest(least))
    return pd.Series(hide, index=rows.index)


def _hidden(sizes: np.ndarray, least: int) -> np.ndarray:
    """The small ones, and the next larger ones until each hidden one could be as large as one that may be shown."""
    hide = _small(sizes, least)
    if hide.any():
        for place in np.argsort(sizes, kind="stable")[np.sort(sizes) >= least]:
            if hide.sum() > 1 and sizes[hide].sum() - hide.sum() + 1 >= least:
                break
            hide[place] = True
    return hide


def _small(counts: np.ndarray, least: int) -> np.ndarray:
    return (counts > 0) & (counts < least)


def released(rows: pd.DataFrame, least: int | None = None, *, columns: tuple[str, ...] = COUNTS) -> pd.DataFrame:
    """The rows as they may be published: of hidden ones only the name in the first column stays.

    Groups of one `section`, where there is such a column, are taken to have a total of their own.
    """
    hide = few(rows, least, columns=columns, by="section" if "section" in rows else None)
    if not hide.any():
        return rows
    shown = rows.astype(object)
    shown.loc[hide, rows.columns[1:]] = None
    shown.loc[hide, [name for name in rows.columns[1:] if name in columns]] = HIDDEN
    return shown


def note(hidden: int, least: int | None = None, *, what: str = "row", several: str | None = None) -> str:
    """What a caption says of that many hidden parts: nothing where there is none."""
    if not hidden:
        return ""
    their = "its group has" if hidden == 1 else "their groups have"
    because = f"{their} fewer than {smallest(least)} customers, or would give away one that has"
    return f"Hidden: {words.plural(hidden, what, several)}, because {because}."


def steps(curves: pd.DataFrame, least: int | None = None) -> pd.DataFrame:
    """The points of survival curves between which nobody stands alone.

    From one point to the next, in each group, either nobody leaves or enough do, and either nobody drops out of sight
    or enough do; otherwise the step waits for more.

    Args:
        curves: one row a group and time: group, time, at_risk (just before), events (at that time), and more.
        least: the smallest count that may be shown; else the study's.

    Returns:
        Some of the rows, the same times for all groups, with the events since the point before.
    """
    least = smallest(least)
    if least == 1:
        return curves
    wide = curves.pivot(index="time", columns="group", values=["events", "at_risk"])
    now, risk = wide["events"].fillna(0).to_numpy(float), wide["at_risk"].bfill().fillna(0).to_numpy(float)
    left = now.cumsum(axis=0)
    unseen = -(risk + left - now)  # grows by one with everybody who drops out of sight

    def alone(first: int, last: int) -> bool:
        changes = (left[last] - left[first], unseen[last] - unseen[first])
        return any(_small(change, least).any() for change in changes)

    enough = [place for place in range(len(risk)) if not _small(risk[place], least).any()]
    kept = enough[:1]
    for place in enough:
        # What would remain must be enough as well, or no later step could take it in.
        news = (left[place] != left[kept[-1]]).any() or place == enough[-1]
        if place > kept[-1] and news and not alone(kept[-1], place) and not alone(place, enough[-1]):
            kept.append(place)
    found = curves.assign(events=curves.groupby("group", sort=False)["events"].cumsum())
    found = found[found["time"].isin(wide.index[kept])]
    before = found.groupby("group", sort=False)["events"].shift(fill_value=0)
    return found.assign(events=found["events"] - before)


def at_ticks(at_risk: pd.DataFrame, ticks: Sequence[float], least: int) -> pd.DataFrame:
    """How many of each group are at risk at given times; missing where the number would give somebody away.

    Args:
        at_risk: one row a group and time: group, time, at_risk.
        ticks: times, in order.
        least: the smallest count that may be shown, and the smallest difference from the one shown before.
    """
    wide = at_risk.pivot(index="time", columns="group", values="at_risk").bfill().fillna(0)
    wide = wide.reindex(np.union1d(wide.index, ticks)).bfill().fillna(0).loc[list(ticks)].astype(float)
    last = wide.iloc[0].copy()
    for tick, counts in wide.iterrows():
        hide = _hidden(counts.to_numpy(), least) | _small((last - counts).abs().to_numpy(), least)
        wide.loc[tick] = counts.mask(hide)
        last = last.where(hide, counts)
    return wide
