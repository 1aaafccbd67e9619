"""One function a kind of figure: takes a finished table, returns an `exhibits.Figure`, decides nothing.

Every kind is drawn twice, for a page and for a phone; names its lines and dots directly instead of in a legend;
puts units on its axes; and, where no alternative text is given, says in words what it shows.

All kinds take `title` (the finding as a sentence) and, as `Telling`, name, caption and alternative text. Units are
keys of `words.UNITS`; a `currency` is shown with amounts of money. A `Band` is a claimed range: low, high (either may
be infinite) and its words; of several, give the widest first.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import numpy as np
import pandas as pd

from analysis import words
from analysis.exhibits import DESKTOP, PAPER, PHONE, Figure, Text, in_unit, say, shortened

INK, QUIET = "#22262b", "#5c636b"
BANDS, BAND_INK = ("#f8f2de", "#f2e6c3"), "#75590f"
# Told apart by people who do not see red or green as well; each is dark enough to write in.
COLOURS = ("#1d5f93", "#b8482a", "#3f7f6f", "#7a4f8e", "#8a6a12", "#4a4f57")
ABOVE, BELOW, PALE = COLOURS[0], COLOURS[1], "#a9c3d8"
LOG_UNITS = ("hazard ratio", "odds ratio")
FEWEST = 5  # customers; what stands on fewer is left out, unless the study says otherwise

Band = tuple[float, float, str]


class Telling(TypedDict, total=False):
    """What every figure says of itself: name (unique on the page), caption (n, what the interval is), alt."""

    name: str
    caption: str
    alt: str


# --- Customers over time --------------------------------------------------------------------------------------------


def survival(
    curves: pd.DataFrame,
    *,
    title: str,
    y_label: str = "Share still customers",
    x_label: str | None = None,
    min_cell: int = FEWEST,
    **telling: Unpack[Telling],
) -> Figure | Text:
    """Survival curves with their intervals, each named at its end, and the customers at risk below.

    Args:
        curves: one row a group and time: group, time, survival, low, high (0 to 1), at_risk (count), unit (day,
            week, month or year, one for all).
        title, telling: see the module.
        y_label: what the curves count.
        x_label: else months (or other units) since becoming a customer.
        min_cell: curves end where fewer than this many are at risk.
    """
    few = curves["at_risk"] < min_cell
    if few.all():
        return _too_few(min_cell)
    telling = _noting(f"Curves end where fewer than {min_cell} are at risk." if few.any() else "", telling)
    curves = curves.loc[~few].reset_index(drop=True)
    groups = _groups(curves, "group")
    unit = str(curves["unit"].iloc[0])
    longest = float(curves["time"].max())

    def draw(fig: Any, phone: bool) -> None:
        top, below = fig.subplots(2, 1, sharex=True, height_ratios=[8, 0.8 + (1.25 if phone else 0.95) * len(groups)])
        for colour, rows in zip(_colours(len(groups)), groups.values(), strict=True):
            top.fill_between(rows["time"], rows["low"], rows["high"], step="post", color=colour, alpha=0.14, lw=0)
            top.step(rows["time"], rows["survival"], where="post", color=colour)
        _scale(top, "y", "share", limits=(0, 1.02))
        _above(top, y_label, phone=phone)
        ticks = _time_ticks(longest, unit, 4 if phone else 7)
        top.set_xlim(0, max(longest, ticks[-1]))
        top.set_xticks(ticks)
        top.tick_params(labelbottom=True)
        top.set_xlabel(x_label or f"{unit.capitalize()}s since becoming a customer")
        if len(groups) > 1:
            _name_ends(top, [(g, r["time"].iloc[-1], r["survival"].iloc[-1]) for g, r in groups.items()], phone=phone)
        _at_risk(below, groups, ticks[:: 2 if phone and len(ticks) > 5 else 1])

    said = _listed(
        f"{shortened(g)} ends at {in_unit(r['survival'].iloc[-1], 'share')} after {r['time'].iloc[-1]:g} {unit}s"
        for g, r in groups.items()
    )
    told = f"{y_label} over time, {words.plural(len(groups), 'curve')}: {said}."
    extra = 0.3 + 0.37 * len(groups)
    sizes = (DESKTOP[0], DESKTOP[1] + extra), (PHONE[0], PHONE[1] + 1.1 * extra)
    return _figure("survival", title, told, curves, draw, telling, sizes)


def _at_risk(ax: Any, groups: Mapping[str, pd.DataFrame], ticks: Sequence[float]) -> None:
    """Under the curves, a row a group: its name in its colour and its customers at risk at each tick."""
    sides = ax.get_yaxis_transform()
    ax.set_ylim(len(groups), -0.75)
    ax.axis("off")
    ax.text(0, -0.45, "Customers at risk", transform=sides, color=QUIET, fontsize=8, va="center")
    for place, (colour, (group, rows)) in enumerate(zip(_colours(len(groups)), groups.items(), strict=True)):
        if len(groups) > 1:
            ax.text(0, place + 0.18, shortened(group), transform=sides, color=colour, fontsize=8, va="center")
        for tick in ticks:
            left = rows.loc[rows["time"] <= tick, "at_risk"]
            if tick <= rows["time"].max() and len(left):
                side = "left" if tick == ticks[0] else "center"
                ax.text(
                    tick,
                    place + (0.62 if len(groups) > 1 else 0.1),
                    words.count(left.iloc[-1]),
                    fontsize=8,
                    ha=side,
                    va="center",
                    color=QUIET,
                )


def _time_ticks(longest: float, unit: str, most: int) -> list[float]:
    """Round places on a time axis: whole years for months, whole weeks for days."""
    steps = {"month": (1, 3, 6, 12, 24, 36, 60, 120), "day": (1, 7, 14, 28, 91, 182, 364, 728, 1820)}
    usual = steps.get(unit, (1, 2, 4, 5, 10, 13, 26, 52, 104, 260, 520))
    step = next((s for s in usual if longest / s <= most), usual[-1])
    return [float(tick) for tick in np.arange(0, longest + 1e-9, step)]


def timeline(
    counts: pd.DataFrame,
    *,
    title: str,
    y_label: str,
    unit: str = "count",
    currency: str | None = None,
    partial_last: bool = False,
    **telling: Unpack[Telling],
) -> Figure:
    """A quantity a month (or another period) as columns.

    Args:
        counts: period (the first day of each, in order), value.
        title, telling: see the module.
        y_label: what is counted.
        unit, currency: of the value.
        partial_last: draws the last period lighter because it is not complete.
    """
    periods = pd.to_datetime(counts["period"])
    values = counts["value"].to_numpy(float)

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        colours = [ABOVE] * (len(values) - 1) + [PALE if partial_last else ABOVE]
        ax.bar(np.arange(len(values)), values, color=colours, width=0.82)
        every = max(1, int(np.ceil(len(values) / (4 if phone else 8))))
        ax.set_xticks(np.arange(len(values))[::every], [f"{p:%b %Y}" for p in periods[::every]])
        _scale(ax, "y", unit, currency, from_zero=True)
        _above(ax, y_label, phone=phone)

    most = int(np.argmax(values))
    told = (
        f"{y_label}, {periods.iloc[0]:%B %Y} to {periods.iloc[-1]:%B %Y}; highest in {periods.iloc[most]:%B %Y} "
        f"with {in_unit(values[most], unit, currency)}."
    )
    data = counts.assign(period=periods.dt.strftime("%Y-%m-%d"))
    return _figure("timeline", title, told, data, draw, telling, ((DESKTOP[0], 3.0), (PHONE[0], 3.0)))


# --- Estimates ------------------------------------------------------------------------------------------------------


def dots(
    estimates: pd.DataFrame,
    *,
    title: str,
    unit: str,
    x_label: str = "",
    reference: float | None = None,
    reference_label: str = "",
    bands: Sequence[Band] = (),
    currency: str | None = None,
    min_cell: int = FEWEST,
    **telling: Unpack[Telling],
) -> Figure | Text:
    """Estimates as dots with their intervals, one row each, the numbers written beside them.

    Args:
        estimates: label, value, low, high; optional section (rows of one section stand under its heading), note
            (shown instead of a dot where the value is missing) and n (rows on fewer than `min_cell` are left out).
        title, telling: see the module.
        unit, currency: of the values; hazard and odds ratios get a logarithmic axis.
        x_label: what the values are.
        reference, reference_label: a line, for instance at no effect, and its words.
        bands: claimed ranges, shaded.
        min_cell: see `estimates`.
    """
    few = estimates["n"] < min_cell if "n" in estimates else pd.Series(False, index=estimates.index)
    if few.all():
        return _too_few(min_cell)
    left_out = f"Left out: {words.plural(few.sum(), 'row')} on fewer than {min_cell} cases."
    telling = _noting(left_out if few.any() else "", telling)
    estimates = estimates.loc[~few].reset_index(drop=True)
    lines = _dot_lines(estimates)
    ends = [end for low, high, _ in bands for end in (low, high)] + ([] if reference is None else [reference])
    label = "  ·  ".join(filter(None, [x_label, reference_label and f"line: {reference_label}"]))

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        for place, (low, high, words_of_band) in enumerate(bands):
            _shade(ax.axvspan, low, high, place)
            at = low if high == np.inf else high if low == -np.inf else (low + high) / 2
            _write(ax, words_of_band, (at, 1), (0, 4 + (len(bands) - 1 - place) * 12), "x", BAND_INK, ha="center")
        if reference is not None:
            ax.axvline(reference, color=INK, lw=1, zorder=1)
        for place, line in enumerate(lines):
            _dot_row(ax, place, line, unit, currency, phone=phone)
        ax.set_ylim(len(lines) - 0.4, -0.7)
        ax.set_yticks([])
        _scale(ax, "x", unit, currency, span=_span(estimates[["value", "low", "high"]], ends), few=phone)
        ax.grid(axis="x")
        ax.set_xlabel("\n".join(textwrap.wrap(label, 48 if phone else 90)))

    said = _listed(f"{shortened(r['label'])} {_numbers(r, unit, currency)}" for _, r in estimates.iterrows())
    claimed = "".join(f" Shaded: {label}." for _, _, label in bands)
    told = f"{x_label or 'Estimates'}, with intervals: {said}.{claimed}"
    wide, narrow = (1.0 + row * len(lines) + 0.18 * len(bands) for row in (0.27, 0.42))
    return _figure("estimates", title, told, estimates, draw, telling, ((DESKTOP[0], wide), (PHONE[0], narrow)))


def range_chart(
    readings: pd.DataFrame,
    *,
    title: str,
    bands: Sequence[Band],
    unit: str = "growth",
    x_label: str = "",
    currency: str | None = None,
    **telling: Unpack[Telling],
) -> Figure | Text:
    """Estimates by reading and outcome against the ranges that were claimed.

    Args:
        readings: reading, outcome, value, low, high; optional note for a missing value ("needs acquisition cost").
        title, telling: see the module.
        bands, unit, x_label, currency: as in `dots`.
    """
    rows = readings.rename(columns={"reading": "section", "outcome": "label"})
    change = {"reference": 0.0, "reference_label": "no change"} if unit in ("growth", "points") else {}
    named: Telling = {"name": "range", **telling}
    return dots(rows, title=title, unit=unit, bands=bands, x_label=x_label, currency=currency, **change, **named)  # type: ignore[arg-type]


def _dot_lines(estimates: pd.DataFrame) -> list[pd.Series | str]:
    """The rows of a dot chart from the top, with a heading before each section."""
    lines: list[pd.Series | str] = []
    section = None
    for _, row in estimates.iterrows():
        if "section" in row and row["section"] != section:
            section = row["section"]
            lines.append(str(section))
        lines.append(row)
    return lines


def _dot_row(ax: Any, place: int, row: pd.Series | str, unit: str, currency: str | None, *, phone: bool) -> None:
    """One estimate: label and numbers at the sides, on a phone above the dot."""
    left, right, above = ((0, "left"), (1, "right"), 0.3) if phone else ((-0.02, "right"), (1.02, "left"), 0.0)
    look = {"transform": ax.get_yaxis_transform(), "va": "center", "path_effects": _halo()}
    if isinstance(row, str):
        ax.text(left[0], place + 0.1, shortened(row), ha=left[1], weight="bold", fontsize=8.5, **look)
        return
    label = shortened(row["label"], 34 if phone else 40)
    ax.text(left[0], place - above, label, ha=left[1], fontsize=8.2 if phone else 9, **look)
    ax.text(right[0], place - above, _numbers(row, unit, currency), ha=right[1], fontsize=8.2, color=QUIET, **look)
    middle = place + above / 2
    if np.isfinite(row["value"]):
        ax.plot([row["low"], row["high"]], [middle] * 2, color=ABOVE, lw=2.2, solid_capstyle="butt", alpha=0.55)
        ax.plot(row["value"], middle, "o", color=ABOVE, ms=6.5, mec=PAPER, mew=1)


def specification_curve(
    specifications: pd.DataFrame,
    *,
    title: str,
    unit: str,
    choices: Sequence[str],
    y_label: str,
    reference: float | None = None,
    reference_label: str = "",
    currency: str | None = None,
    **telling: Unpack[Telling],
) -> Figure:
    """Every defensible way of asking, sorted by its answer, with the choices behind each below.

    On a phone the matrix of choices becomes one line an option: the range and the middle of its answers.

    Args:
        specifications: value, low, high, one column for each of `choices`; optional headline (true for one row).
        title, telling: see the module.
        unit, currency: of the value.
        choices: the columns that hold the choices.
        y_label: what the values are.
        reference, reference_label: the value that separates the answers, and its words.
    """
    table = specifications.sort_values("value", kind="stable").reset_index(drop=True)
    options = [(choice, option) for choice in choices for option in pd.unique(specifications[choice])]
    rows = len(options) + len(choices)
    colours = np.where(table["value"] < (-np.inf if reference is None else reference), BELOW, ABOVE)

    def draw(fig: Any, phone: bool) -> None:
        top, below = fig.subplots(2, 1, height_ratios=[9, rows * (1.0 if phone else 0.72)])
        span = _span(table[["value", "low", "high"]], [] if reference is None else [reference])
        _curve(top, table, colours)
        _scale(top, "y", unit, currency, span=span)
        _above(top, y_label, phone=phone)
        if reference is not None:
            top.axhline(reference, color=INK, lw=1, zorder=1)
            _write(top, reference_label, (1, reference), (0, 3), "y", INK, ha="right")
        if not phone:
            _option_rows(below, options, lambda at, option: _chosen(below, at, table, option, colours))
            below.set_xlim(top.get_xlim())
            below.set_xticks([])
            below.spines["bottom"].set_visible(False)
            return
        _option_rows(below, options, lambda at, option: _spread(below, at, table, option))
        _scale(below, "x", unit, currency, span=_span(table[["value"]]), few=True)
        if reference is not None:
            below.axvline(reference, color=INK, lw=1)
        below.grid(axis="x")
        below.set_xlabel("lowest, middle and highest estimate")

    told = _told_specifications(table, unit, currency, reference)
    sizes = (DESKTOP[0], 2.6 + 0.17 * rows), (PHONE[0], 2.6 + 0.25 * rows)
    return _figure("specifications", title, told, table, draw, telling, sizes)


def _told_specifications(table: pd.DataFrame, unit: str, currency: str | None, reference: float | None) -> str:
    least, most = (in_unit(value, unit, currency) for value in (table["value"].min(), table["value"].max()))
    told = f"{words.plural(len(table), 'specification')} sorted by estimate, from {least} to {most}"
    if reference is None:
        return f"{told}."
    over, sure, sure_not = (
        words.count(side.sum())
        for side in (table["value"] > reference, table["low"] > reference, table["high"] < reference)
    )
    return (
        f"{told}; {over} lie above {in_unit(reference, unit, currency)}. The whole interval lies above it in {sure} "
        f"and below it in {sure_not}."
    )


def _curve(ax: Any, table: pd.DataFrame, colours: np.ndarray) -> None:
    """The sorted estimates with their intervals; the headline is ringed."""
    places = np.arange(len(table))
    ax.vlines(places, table["low"], table["high"], color=colours, alpha=0.45, lw=1.6)
    ax.scatter(places, table["value"], c=colours, s=14, zorder=3, lw=0)
    for place in places[table["headline"].astype(bool)] if "headline" in table else ():
        late = place > len(table) / 2
        ax.plot(place, table["value"].iloc[place], "o", ms=9, mfc="none", mec=INK, mew=1.2, zorder=4)
        _write(
            ax,
            "headline",
            (place, table["high"].iloc[place]),
            (-4 if late else 4, 6),
            "data",
            INK,
            ha="right" if late else "left",
        )
    ax.set_xlim(-1, len(table))
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)


def _chosen(ax: Any, place: float, table: pd.DataFrame, option: tuple[str, Any], colours: np.ndarray) -> None:
    """A dot for each specification that made this choice."""
    chosen = np.flatnonzero(table[option[0]] == option[1])
    ax.scatter(chosen, [place] * len(chosen), c=colours[chosen], s=7, lw=0)


def _spread(ax: Any, place: float, table: pd.DataFrame, option: tuple[str, Any]) -> None:
    """The lowest, middle and highest answer under this choice."""
    values = table.loc[table[option[0]] == option[1], "value"]
    ax.plot([values.min(), values.max()], [place] * 2, color=ABOVE, lw=2, alpha=0.5, solid_capstyle="butt")
    ax.plot(values.median(), place, "o", color=ABOVE, ms=5)


def _option_rows(ax: Any, options: Sequence[tuple[str, Any]], row: Callable[[float, tuple[str, Any]], None]) -> None:
    """Options under the heading of their choice, each drawn by `row`."""
    look = {"transform": ax.get_yaxis_transform(), "ha": "right", "va": "center", "fontsize": 8}
    place, before = 0.0, None
    for choice, option in options:
        if choice != before:
            ax.text(-0.02, place, shortened(choice.replace("_", " ").capitalize(), 26), weight="bold", **look)
            place, before = place + 1, choice
        ax.text(-0.02, place, shortened(option, 26), color=QUIET, **look)
        row(place, (choice, option))
        place += 1
    ax.set_ylim(place - 0.4, -0.6)
    ax.set_yticks([])


# --- Shapes ---------------------------------------------------------------------------------------------------------


def sweep(
    lines: pd.DataFrame,
    *,
    title: str,
    x_label: str,
    x_unit: str,
    y_label: str,
    y_unit: str,
    bands: Sequence[Band] = (),
    mark: float | None = None,
    mark_label: str = "",
    currency: str | None = None,
    **telling: Unpack[Telling],
) -> Figure:
    """How an answer moves with an assumption: one named line for each value of a second one.

    Args:
        lines: line (its name), x, y; optional low, high (a band around the line).
        title, telling: see the module.
        x_label, x_unit: the assumption.
        y_label, y_unit: the answer.
        bands: claimed ranges of the answer, shaded.
        mark, mark_label: where the study stands on x, and its words.
        currency: of amounts of money.
    """
    groups = {line: rows.sort_values("x") for line, rows in _groups(lines, "line").items()}
    ends = [end for low, high, _ in bands for end in (low, high)]

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        _scale(ax, "y", y_unit, currency, span=_span(lines[lines.columns.intersection(["y", "low", "high"])], ends))
        _scale(ax, "x", x_unit, currency, span=_span(lines[["x"]]), few=phone, margin=0)
        for place, (low, high, label) in enumerate(bands):
            _shade(ax.axhspan, low, high, place)
            _write(ax, label, (0, min(high, ax.get_ylim()[1])), (4, -4), "y", BAND_INK, va="top")
        for colour, rows in zip(_colours(len(groups)), groups.values(), strict=True):
            if "low" in rows:
                ax.fill_between(rows["x"], rows["low"], rows["high"], color=colour, alpha=0.13, lw=0)
            ax.plot(rows["x"], rows["y"], color=colour)
        if mark is not None and groups:
            ax.axvline(mark, color=INK, lw=1, ls=(0, (3, 2)))
            _write(ax, mark_label, (mark, 0), (4, 5), "x", INK)
        _name_ends(ax, [(line, rows["x"].iloc[-1], rows["y"].iloc[-1]) for line, rows in groups.items()], phone=phone)
        _above(ax, y_label, phone=phone)
        ax.set_xlabel(x_label)

    said = _listed(
        f"{shortened(line)} from {in_unit(y.iloc[0], y_unit, currency)} to {in_unit(y.iloc[-1], y_unit, currency)}"
        for line, y in ((line, rows["y"]) for line, rows in groups.items())
    )
    first, last = (in_unit(end, x_unit, currency) for end in _span(lines[["x"]]))
    told = f"{y_label}, as {x_label[:1].lower()}{x_label[1:]} goes from {first} to {last}: {said}."
    return _figure("sweep", title, told, lines, draw, telling)


def distribution(
    bins: pd.DataFrame,
    *,
    title: str,
    unit: str,
    x_label: str,
    y_label: str = "Customers",
    marks: Mapping[str, float] | None = None,
    currency: str | None = None,
    min_cell: int = FEWEST,
    **telling: Unpack[Telling],
) -> Figure:
    """A histogram of ready-made bins.

    Args:
        bins: left, right, count; adjoining, in order. Bins of 1 to `min_cell` - 1 are shown as empty.
        title, telling: see the module.
        unit, currency: of left and right.
        x_label, y_label: what is measured, and what is counted.
        marks: words -> place, for instance the median.
        min_cell: see `bins`.
    """
    few = bins["count"].between(1, min_cell - 1)
    telling = _noting(f"Bins of fewer than {min_cell} are shown as empty." if few.any() else "", telling)
    bins = bins.assign(count=bins["count"].mask(few, 0))
    left, right = bins["left"].iloc[0], bins["right"].iloc[-1]
    lines = {words_: f"{words_} {in_unit(place, unit, currency)}" for words_, place in (marks or {}).items()}

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        ax.stairs(bins["count"], [*bins["left"], right], fill=True, color="#7ea6c4")
        _scale(ax, "y", "count", from_zero=True)
        _scale(ax, "x", unit, currency, span=(left, right), few=phone, margin=0)
        for row, (place, label) in enumerate(zip((marks or {}).values(), lines.values(), strict=True)):
            ax.axvline(place, color=INK, lw=1)
            _write(ax, label, (place, 1), (4, -10 - 13 * row), "x", INK)
        _above(ax, y_label, phone=phone)
        ax.set_xlabel(x_label)

    fullest = bins.iloc[int(np.argmax(bins["count"]))]
    told = (
        f"{y_label} by {x_label}, {words.count(bins['count'].sum())} in all; the fullest bin, "
        f"{words.interval(fullest['left'], fullest['right'], unit, currency)}, holds {words.count(fullest['count'])}. "
        f"{_listed(lines.values())}"
    )
    return _figure("distribution", title, told, bins, draw, telling, ((DESKTOP[0], 3.1), (PHONE[0], 3.2)))


def lorenz(
    curve: pd.DataFrame,
    *,
    title: str,
    x_label: str = "Share of customers, biggest spenders first",
    y_label: str = "Share of revenue",
    mark: float = 0.2,
    **telling: Unpack[Telling],
) -> Figure:
    """How concentrated a total is: the share of it that the biggest so-many per cent hold.

    Args:
        curve: customers, total (both cumulative shares, 0 to 1, biggest first).
        title, telling: see the module.
        x_label, y_label: what the axes count.
        mark: the share of customers whose share of the total is written on the curve.
    """
    held = float(np.interp(mark, curve["customers"], curve["total"]))

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        ax.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=(0, (3, 2)))
        ax.fill_between(curve["customers"], curve["customers"], curve["total"], color=ABOVE, alpha=0.12, lw=0)
        ax.plot(curve["customers"], curve["total"], color=ABOVE)
        ax.plot(mark, held, "o", color=ABOVE, ms=7, mec=PAPER, mew=1)
        _write(ax, f"{100 * mark:.0f}% hold {in_unit(held, 'share')}", (mark, held), (9, -11), "data", INK)
        _write(ax, "if all held the same", (0.7, 0.7), (8, -10), "data", QUIET)
        _scale(ax, "y", "share", limits=(0, 1.01))
        _scale(ax, "x", "share", limits=(0, 1), few=phone)
        _above(ax, y_label, phone=phone)
        ax.set_xlabel(x_label)

    told = f"{y_label} held by the biggest customers: the top {100 * mark:.0f}% hold {in_unit(held, 'share')}."
    return _figure("lorenz", title, told, curve, draw, telling)


# --- What the kinds share -------------------------------------------------------------------------------------------


def _figure(
    name: str,
    title: str,
    told: str,
    data: pd.DataFrame,
    draw: Callable[[Any, bool], None],
    telling: Telling,
    sizes: tuple[tuple[float, float], tuple[float, float]] = (DESKTOP, PHONE),
) -> Figure:
    """A figure of a kind: what the notebook says of it wins over what the kind would say."""
    said: Telling = {"name": name, "alt": told, **telling}
    return Figure(title=title, data=data.reset_index(drop=True), draw=draw, size=sizes[0], phone_size=sizes[1], **said)


def _noting(note: str, telling: Telling) -> Telling:
    """The caption with a note about what was left out: nothing disappears in silence."""
    return {**telling, "caption": " ".join(filter(None, [telling.get("caption", ""), note]))}


def _too_few(min_cell: int) -> Text:
    return say("There is no figure here: nothing stands on at least {} customers.", min_cell)


def _groups(table: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    return {str(name): rows for name, rows in table.groupby(column, sort=False)}


def _colours(groups: int) -> list[str]:
    """A colour a group; beyond the palette everything is grey, because more colours than that cannot be told apart."""
    return [*COLOURS, *["#9aa0a6"] * groups][:groups]


def _listed(items: Iterable[str], most: int = 12) -> str:
    """Items for an alternative text, which nobody wants to hear without end."""
    items = list(items)
    rest = f"; and {len(items) - most} more" if len(items) > most else ""
    return "; ".join(items[:most]) + rest


def _numbers(row: pd.Series, unit: str, currency: str | None) -> str:
    if not np.isfinite(row["value"]):
        return shortened(row.get("note") or words.MISSING)
    return f"{in_unit(row['value'], unit, currency)} ({words.interval(row['low'], row['high'], unit, currency)})"


def _above(ax: Any, label: str, *, phone: bool) -> None:
    """The words of the vertical axis, level above it: sideways type is slow to read."""
    ax.set_title("\n".join(textwrap.wrap(label, 44 if phone else 90)), loc="left", fontsize=8.5, color=QUIET, pad=8)


def _write(
    ax: Any, text: str, at: tuple[float, float], by: tuple[float, float], frame: str, colour: str, **how: str
) -> None:
    """Small words beside a place: `frame` says which coordinate is in the data's own units ("x", "y" or "data")."""
    frames = {"x": ax.get_xaxis_transform(), "y": ax.get_yaxis_transform(), "data": ax.transData}
    ax.annotate(
        shortened(text),
        at,
        by,
        xycoords=frames[frame],
        textcoords="offset points",
        fontsize=8,
        color=colour,
        annotation_clip=False,
        path_effects=_halo(),
        **how,
    )


def _halo() -> list[Any]:
    """A thin white edge that keeps type readable where it crosses a line."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.4, foreground=PAPER, alpha=0.85)]


def _shade(span: Callable[..., Any], low: float, high: float, place: int) -> None:
    """A claimed range; one inside another is darker. An open end runs far out of sight."""
    span(max(low, -1e12), min(high, 1e12), color=BANDS[min(place, 1)], lw=0, zorder=0)


def _span(table: pd.DataFrame, more: Sequence[float] = ()) -> tuple[float, float]:
    """The least and the most of what will be drawn."""
    drawn = np.concatenate([table.to_numpy(float).ravel(), np.asarray(more, float)])
    drawn = drawn[np.isfinite(drawn)]
    return (float(drawn.min()), float(drawn.max())) if drawn.size else (0.0, 1.0)


def _scale(
    ax: Any,
    which: str,
    unit: str,
    currency: str | None = None,
    *,
    limits: tuple[float, float] | None = None,
    span: tuple[float, float] | None = None,
    from_zero: bool = False,
    few: bool = False,
    margin: float = 0.05,
) -> None:
    """Range, ticks and their words for one axis; a vertical one gets a light grid."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axis = ax.xaxis if which == "x" else ax.yaxis
    set_limits = ax.set_xlim if which == "x" else ax.set_ylim
    if span is not None:
        room = margin * ((span[1] - span[0]) or 1)
        limits = span[0] - room, span[1] + room
    axis.set_major_locator(MaxNLocator(4 if few else 6, steps=[1, 2, 2.5, 5, 10]))
    if unit in LOG_UNITS and span is not None and span[0] > 0:
        (ax.set_xscale if which == "x" else ax.set_yscale)("log")
        limits = span[0] * (span[0] / span[1]) ** margin, span[1] * (span[1] / span[0]) ** margin
        axis.set_major_locator(
            LogLocator(subs=(1, 2, 5) if span[1] / span[0] > 5 else (1, 1.5, 2, 3, 5, 8), numticks=20)
        )
        axis.set_minor_locator(NullLocator())
    if limits is not None:
        set_limits(*limits)
    if from_zero:
        set_limits(0)
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, unit)))
    if which == "y":
        ax.grid(axis="y")


def _tick(value: float, unit: str) -> str:
    """A tick's words: as `words.quantity`, without decimals that only repeat zeros."""
    value = 0.0 if abs(value) < 1e-12 else value
    sign = "+" if unit in ("growth", "points") and value > 0 else ""
    if unit in ("share", "probability", "growth", "points"):
        return f"{sign}{100 * value:.4g}{' pts' if unit == 'points' else '%'}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _name_ends(ax: Any, ends: Sequence[tuple[str, float, float]], *, phone: bool) -> None:
    """Names at the ends of their lines; at the right edge they are pushed apart where they would overlap.

    A line that ends early has its name below its end, so that it is not taken for a line that runs on.
    """
    colours = dict(zip((name for name, _, _ in ends), _colours(len(ends)), strict=True))
    first, last = ax.get_xlim()
    edge = [end for end in ends if end[1] >= last - 0.1 * (last - first)]
    for name, x, y in (end for end in ends if end not in edge):
        _write(ax, shortened(name, 26), (x, y), (-3, -5), "data", colours[name], ha="right", va="top")
    labels = ["\n".join(textwrap.wrap(shortened(name, 26), 13 if phone else 18)) for name, _, _ in edge]
    for label, (name, _, _), y in zip(
        labels, edge, _apart(ax, [y for *_, y in edge], labels, phone=phone), strict=True
    ):
        ax.annotate(
            label,
            (1, y),
            (6, 0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=colours[name],
            annotation_clip=False,
        )


def _apart(ax: Any, places: Sequence[float], labels: Sequence[str], *, phone: bool) -> list[float]:
    """Heights for labels near `places`: neighbours give way in small steps, so that a bunch spreads to both sides."""
    low, high = ax.get_ylim()
    heights = [(high - low) * (0.052 if phone else 0.058) * (1 + label.count("\n")) for label in labels]
    moved = list(places)
    order = sorted(range(len(moved)), key=moved.__getitem__)
    for _ in range(60):
        for lower, upper in itertools.pairwise(order):
            overlap = (heights[lower] + heights[upper]) / 2 - (moved[upper] - moved[lower])
            moved[lower] -= max(0, overlap / 2)
            moved[upper] += max(0, overlap / 2)
    return moved
