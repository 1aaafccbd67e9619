"""What all kinds of figure share: captions, colours, axes, and labels that keep out of each other's way."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import numpy as np
import pandas as pd

from analysis import disclosure, words
from analysis.exhibits import INK, PAPER, QUIET, WIDTHS, Text, say, shortened

BANDS, BAND_INK = ("#f8f2de", "#f2e6c3"), "#75590f"
# Told apart by people who do not see red or green as well; each is dark enough to write in.
COLOURS = ("#1d5f93", "#b8482a", "#3f7f6f", "#7a4f8e", "#8a6a12", "#4a4f57")
ABOVE, BELOW, GREY = COLOURS[0], COLOURS[1], "#9aa0a6"
LONGEST = 80  # letters of a label that may be broken into lines

Group = tuple[str, str, pd.DataFrame]  # colour, name, rows


class Telling(TypedDict):
    """What every figure says of itself: name (unique on the page), title, caption (n, interval), how much is hidden."""

    name: str
    title: str
    caption: NotRequired[str]
    hidden: NotRequired[int]


def noting(there: object, note: str, telling: Telling) -> Telling:
    """The caption with a note where there is something to note: nothing disappears in silence."""
    return {**telling, "caption": f"{telling.get('caption', '')} {note}".strip()} if there else telling


def hiding(few: pd.Series, what: str, min_cell: int | None, telling: Telling, several: str | None = None) -> Telling:
    """The caption, and the count, of what is hidden."""
    hidden = int(few.sum())
    noted = noting(hidden, disclosure.note(hidden, min_cell, what=what, several=several), telling)
    return {**noted, "hidden": hidden + telling.get("hidden", 0)}


def too_few(min_cell: int | None) -> Text:
    """What stands where every group was too small to be drawn."""
    return say("There is no figure here: nothing stands on at least {} customers.", disclosure.smallest(min_cell))


def groups(table: pd.DataFrame, column: str) -> list[Group]:
    """Groups with a colour each; beyond the palette all are grey, because more colours cannot be told apart."""
    found = table.groupby(column, sort=False)
    colours = [*COLOURS, *[GREY] * found.ngroups][: found.ngroups]
    return [(colour, str(name), rows) for colour, (name, rows) in zip(colours, found, strict=True)]


def listed(items: Iterable[str], most: int = 12) -> str:
    """Items for an alternative text, which nobody wants to hear without end."""
    items = list(items)
    rest = f"; and {len(items) - most} more" if len(items) > most else ""
    return "; ".join(items[:most]) + rest


def numbers(row: Mapping[Any, Any], unit: str, beside: Iterable[float | None] = ()) -> str:
    """A value with its interval, or why there is none; `beside` as for `words.quantity`: what stands around it."""
    if not np.isfinite(row["value"]):
        return shortened(row.get("note") or words.MISSING)
    return words.with_interval(row["value"], row["low"], row["high"], unit, beside=beside)


def beside(names: Iterable[object], told: Sequence[str], *, phone: bool) -> tuple[list[str], list[float], list[float]]:
    """Labels of rows, broken where the numbers told beside them would not leave them room.

    Returns:
        The labels, the place of each row, and how much more than one row each takes: below its place and above, on a
        phone above only.
    """
    wide = int(np.clip(55 - max(map(len, told)), 16, 34)) if phone else 40
    rows = zip(names, told, strict=True)
    labels = [textwrap.fill(shortened(name, LONGEST), wide if numbers else 40) for name, numbers in rows]
    more = np.array([(0.34 if phone else 0.55) * label.count("\n") for label in labels])
    ends = np.arange(len(labels)) + np.cumsum(more)
    return labels, (ends if phone else ends - more / 2).tolist(), more.tolist()


def above(ax: Any, label: str, *, phone: bool) -> None:
    """The words of the vertical axis, level above it: sideways type is slow to read."""
    ax.set_title(textwrap.fill(label, 44 if phone else 90), loc="left", fontsize=8.5, color=QUIET, pad=8)


def write(
    ax: Any,
    text: str,
    at: tuple[Any, Any],
    by: tuple[float, float],
    frame: Any,
    colour: str,
    wide: int = 99,
    **how: str,
) -> None:
    """Small words `by` points beside a place, lines at most `wide`, with an edge of paper where they cross a line."""
    from matplotlib.patheffects import withStroke

    edge = [withStroke(linewidth=2.4, foreground=PAPER, alpha=0.85)]
    look = {"fontsize": 8, "color": colour, "annotation_clip": False, "path_effects": edge}
    ax.annotate(textwrap.fill(shortened(text), wide), at, by, xycoords=frame, textcoords="offset points", **look, **how)


def limits(*drawn: Any, unit: str, margin: float = 0.05) -> tuple[float, float]:
    """The least and the most of what will be drawn, with some room, which on a logarithmic scale is a factor."""
    values = np.concatenate([np.asarray(part, float).ravel() for part in drawn])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    least, most = float(values.min()), float(values.max())
    margin = margin or 0.1 * (most == least)  # one value alone needs room around it
    if unit in words.MULTIPLES and least > 0:
        room = (most / least if most > least else 2.0) ** margin
        return least / room, most * room
    room = margin * ((most - least) or 1)
    return least - room, most + room


def scale(ax: Any, which: str, unit: str, limits: tuple[float, float | None], *, few: bool = False) -> None:
    """Range, ticks and their words for one axis; a vertical one gets a light grid."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    axis = getattr(ax, f"{which}axis")
    low, high = limits
    if unit in words.MULTIPLES and high is not None and low > 0:
        ax.set(**{f"{which}scale": "log"})
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low > 5 else (1, 1.5, 2, 3, 5, 8), numticks=20))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(4 if few else 6, steps=[1, 2, 2.5, 5, 10], integer=unit == "count"))
    ax.set(**{f"{which}lim": limits})
    axis.set_major_formatter(lambda value, _: tick(value, unit))
    if which == "y":
        ax.grid(axis="y")


def tick(value: float, unit: str) -> str:
    """A tick's words: as `words.quantity`, without decimals that only repeat zeros."""
    value = 0.0 if abs(value) < 1e-12 else value
    sign = "+" if unit in ("growth", "points") and value > 0 else ""
    if unit in ("share", "probability", "growth", "points"):
        return f"{sign}{100 * value:.4g}{' pts' if unit == 'points' else '%'}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def name_ends(ax: Any, groups: Sequence[Group], x: str, y: str, *, phone: bool) -> None:
    """Names at the ends of their lines; at the right edge they are pushed apart where they would overlap.

    A line that ends early has its name beside its end, or below it where that is far from the edge, so that it is not
    taken for a line that runs on.
    """
    first, last = ax.get_xlim()
    edge = []
    for colour, name, rows in groups:
        end, short = (rows[x].iloc[-1], rows[y].iloc[-1]), 1 - (rows[x].iloc[-1] - first) / (last - first)
        if short > 0.25:
            write(ax, shortened(name, 26), end, (-3, -5), "data", colour, ha="right", va="top")
        else:
            start = (1, "axes fraction") if short <= 0.1 else (end[0], "data")
            edge.append((end[1], textwrap.fill(shortened(name, 26), 13 if phone else 18), colour, start))
    heights = [(0.052 if phone else 0.058) * (1 + label.count("\n")) for _, label, *_ in edge]
    places = apart(ax, [place for place, *_ in edge], heights)
    for place, (_, label, colour, (at, frame)) in zip(places, edge, strict=True):
        look = {"va": "center", "fontsize": 8.5, "color": colour, "annotation_clip": False}
        ax.annotate(label, (at, place), (6, 0), xycoords=(frame, "data"), textcoords="offset points", **look)


def apart(ax: Any, places: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Middles for labels as near as can be to `places`, on the axis and none over another; heights: shares of it."""
    from scipy.optimize import isotonic_regression

    if not len(places):
        return []
    (low, high), order = ax.get_ylim(), np.argsort(places)
    tall = (high - low) * np.asarray(heights)[order]
    stacked = np.cumsum(tall) - tall / 2  # above the foot of the pile, which may only rise from label to label
    foot = isotonic_regression(np.asarray(places)[order] - stacked).x
    moved = np.empty(len(order))
    moved[order] = np.clip(foot, low, max(low, high - tall.sum())) + stacked
    return moved.tolist()


def time_ticks(longest: float, unit: str, most: int) -> list[float]:
    """Round places on a time axis: whole years for months, whole weeks for days."""
    steps = {"month": (1, 3, 6, 12, 24, 36, 60, 120), "day": (1, 7, 14, 28, 91, 182, 364, 728, 1820)}
    usual = steps.get(unit, (1, 2, 4, 5, 10, 13, 26, 52, 104, 260, 520))
    step = next((s for s in usual if longest / s <= most), usual[-1])
    return [float(tick) for tick in np.arange(0, longest + 1e-9, step)]


TOLD = 8.0, {False: 5.8, True: 6.8}  # points: the type of a cell's value, and of its interval on a page and a phone


def columns(values: Iterable[str], ends: Iterable[str], *, phone: bool) -> tuple[int, int]:
    """How many columns of cells fit beside the names of their rows: their intervals on one line, and on two."""
    value, interval = (max(map(len, texts)) * 0.6 / 72 for texts in (values, ends))  # inches a point of type
    needed = [max(TOLD[0] * value, TOLD[1][phone] * part * interval) + 0.05 for part in (1, 0.6)]
    one, two = (max(1, int((WIDTHS[phone] - 1.0) / inches)) for inches in needed)
    return one, two


def cell(ax: Any, at: tuple[int, int], row: Mapping[Any, Any], *, stacked: bool, phone: bool) -> None:
    """A value with its interval below; slanted and in a dashed edge where its period has not ended."""
    from matplotlib.patches import Rectangle

    (x, y), running, sure = at, row["state"] == "running", np.isfinite(row["low"])
    look = {"ha": "center", "color": INK, "style": "italic" if running else "normal"}
    up = 0.14 * stacked * sure
    ax.text(x, y - up, row["told"], va="bottom" if sure else "center", fontsize=TOLD[0], **look)
    if sure:
        ends = row["ends"].replace("–", "–\n") if stacked else row["ends"]
        ax.text(x, y + 0.06 - up, ends, va="top", fontsize=TOLD[1][phone], linespacing=1.05, **look)
    if running:
        corner = (x - 0.47, y - 0.47)
        ax.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, ec=QUIET, lw=0.8, ls=(0, (3, 2))))
