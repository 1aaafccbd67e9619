"""One function a kind of figure: takes a finished table, returns an `exhibits.Figure`, decides nothing.

Every kind is drawn twice, for a page and for a phone; names its lines and dots directly instead of in a legend;
puts units on its axes; and says in words what it shows, for those who do not see it.

All kinds take, as `Telling`, the name, the title (the finding as a sentence) and the caption. Units are keys of
`words.UNITS`. A `Band` is a claimed range: low, high (either may be infinite) and its words; of several, give the
widest first.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np
import pandas as pd

from analysis import disclosure, strokes, words
from analysis.exhibits import HEIGHTS, INK, PAPER, QUIET, Figure, Text, in_unit, say, shortened
from analysis.strokes import ABOVE, BAND_INK, BANDS, BELOW, LONGEST, Group, Telling

BIGGEST = 0.2  # the share of customers whose share of the total is written on a Lorenz curve

CROWDED = 58  # letters beside the dots of a page, which leave their axis room for few ticks

Band = tuple[float, float, str]


# --- Customers over time --------------------------------------------------------------------------------------------


def survival(curves: pd.DataFrame, *, min_cell: int | None = None, **telling: Unpack[Telling]) -> Figure | Text:
    """Survival curves with their intervals, each named at its end, and the customers at risk below.

    Args:
        curves: one row a group and time: group, time, survival, low, high (0 to 1), at_risk (count), events (count
            at that time), unit (day, week, month or year, one for all).
        min_cell: curves end where fewer than this many are at risk, and their steps wait until so many left; else
            the study's.
        telling: see the module.
    """
    whole = curves.groupby("group", sort=False)[["events"]].sum()
    curves = curves[~curves["group"].map(disclosure.few(whole, min_cell))]
    at_risk = curves[["group", "time", "at_risk"]]
    seen = [disclosure.steps(rows, min_cell) for _, rows in curves.groupby("group", sort=False)]
    if not any(len(rows) > 1 for rows in seen):
        return strokes.too_few(min_cell)
    released, curves = disclosure.steps(curves, min_cell), pd.concat(seen)
    least = disclosure.smallest(min_cell)
    waits = f"So that nobody stands alone, steps wait until {least} left, and curves end where fewer are at risk."
    groups, unit, longest = strokes.groups(curves, "group"), str(curves["unit"].iloc[0]), float(curves["time"].max())

    def draw(fig: Any, phone: bool) -> None:
        top, below = fig.subplots(2, 1, sharex=True, height_ratios=[8, 0.8 + (1.25 if phone else 0.95) * len(groups)])
        for colour, _, rows in groups:
            top.fill_between(rows["time"], rows["low"], rows["high"], step="post", color=colour, alpha=0.14, lw=0)
            top.step(rows["time"], rows["survival"], where="post", color=colour)
        ticks = strokes.time_ticks(longest, unit, 4 if phone else 7)
        strokes.scale(top, "y", "share", (0, 1.02))
        strokes.above(top, "Share still customers", phone=phone)
        top.set(
            xlim=(0, max(longest, ticks[-1])), xticks=ticks, xlabel=f"{unit.capitalize()}s since becoming a customer"
        )
        top.tick_params(labelbottom=True)
        if len(groups) > 1:
            strokes.name_ends(top, groups, "time", "survival", phone=phone)
        _at_risk(below, groups, at_risk, ticks[:: 2 if phone and len(ticks) > 5 else 1], min_cell)

    ends = {group: rows[["survival", "time"]].iloc[-1] for _, group, rows in groups}
    said = strokes.listed(
        f"{shortened(group)} ends at {in_unit(end['survival'], 'share')} after {end['time']:g} {unit}s"
        for group, end in ends.items()
    )
    extra = 0.3 + 0.37 * len(groups)
    return Figure(
        alt=f"Share still customers over time, {words.plural(len(groups), 'curve')}: {said}.",
        data=released,
        draw=draw,
        heights=(HEIGHTS[0] + extra, HEIGHTS[1] + 1.1 * extra),
        **strokes.noting(len(at_risk) - len(released), waits, telling)
        | {"hidden": len(whole) - at_risk["group"].nunique()},
    )


def _at_risk(
    ax: Any, groups: Sequence[Group], counts: pd.DataFrame, ticks: Sequence[float], min_cell: int | None
) -> None:
    """Under the curves, a row a group: its name in its colour and its customers at risk at each tick."""
    many, least = len(groups) > 1, disclosure.smallest(min_cell)
    beside, under = {"transform": ax.get_yaxis_transform(), "fontsize": 8}, {"color": QUIET, "fontsize": 8}
    ax.set_ylim(len(groups), -0.75)
    ax.axis("off")
    ax.text(0, -0.45, "Customers at risk", color=QUIET, va="center", **beside)
    numbers = disclosure.at_ticks(counts, ticks, least)
    for place, (colour, group, rows) in enumerate(groups):
        if many:
            ax.text(0, place + 0.18, shortened(group), color=colour, va="center", **beside)
        for tick in (tick for tick in ticks if rows["time"].iloc[0] <= tick <= rows["time"].iloc[-1]):
            left = numbers[group][tick]
            side = "left" if tick == ticks[0] else "center"
            shown = words.count(left) if np.isfinite(left) else ""
            ax.text(tick, place + (0.62 if many else 0.1), shown, ha=side, va="center", **under)


def timeline(counts: pd.DataFrame, *, y_label: str, **telling: Unpack[Telling]) -> Figure:
    """Counts a month as columns.

    Args:
        counts: period (the first day of a month, in order), value.
        y_label: what is counted.
        telling: see the module.
    """
    months = [f"{month:%b %Y}" for month in counts["period"]]
    values = counts["value"].to_numpy(float)

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        ax.bar(np.arange(len(values)), values, color=ABOVE, width=0.82)
        every = max(1, int(np.ceil(len(values) / (4 if phone else 8))))
        ax.set_xticks(np.arange(len(values))[::every], months[::every])
        strokes.scale(ax, "y", "count", (0, None))
        strokes.above(ax, y_label, phone=phone)

    most = int(np.argmax(values))
    first, best, last = (f"{counts['period'].iloc[place]:%B %Y}" for place in (0, most, -1))
    alt = f"{y_label}, {first} to {last}; highest in {best} with {words.count(values[most])}."
    return Figure(alt=alt, data=counts, draw=draw, heights=(3.0, 3.0), **telling)


def triangle(cells: pd.DataFrame, *, min_cell: int | None = None, **telling: Unpack[Telling]) -> Figure | Text:
    """Cohorts down, ages across: each cell its share in per cent, darker for more, with its interval below.

    Cells not lived through stay blank; one whose period still runs is slanted and framed. Where there are more ages
    than fit, every second or third is drawn, and the data behind the figure hold all. On a phone few cohorts stand
    across, with all their ages down.

    Args:
        cells: one row a cohort and age, cohorts in order: cohort, customers (its size), age, value, low, high (0 to
            1, missing where there is none), state ("running" is marked) and, where known, active (how many of the
            cohort the value stands on).
        min_cell: cohorts of fewer customers are left out, and cells blank that so few are in, or so few are not;
            else the study's.
        telling: see the module.
    """
    least = disclosure.smallest(min_cell)
    few = cells["customers"] < least
    left_out = words.plural(cells.loc[few, "cohort"].nunique(), "cohort")
    cells = cells[~few]
    if "active" in cells:
        counted = cells.assign(gone=cells["customers"] - cells["active"])
        alone = disclosure.few(counted, least, columns=("active", "gone"), by="age") & cells["value"].notna()
        cells = cells.assign(**cells[["value", "low", "high"]].mask(alone))
        telling = strokes.hiding(alone, "cell", least, telling)
    cells = cells[["cohort", "customers", "age", "value", "low", "high", "state"]].copy()
    sizes = cells.drop_duplicates("cohort").set_index("cohort")["customers"]
    ages, most = sorted(cells.loc[cells["value"].notna(), "age"].unique()), cells["value"].max()
    if not most > 0:
        return strokes.too_few(min_cell)
    cells["told"] = [f"{100 * value:.{int(most < 0.2)}f}" for value in cells["value"]]
    ends = [[f"{100 * end:.{int(most < 0.2)}f}" for end in cells[which]] for which in ("low", "high")]
    cells["ends"] = [f"{low}–{high}" for low, high in zip(*ends, strict=True)]
    known = cells.dropna(subset="low" if cells["low"].notna().any() else "value")
    fit = [strokes.columns(known["told"], known["ends"], phone=phone) for phone in (False, True)]
    stacked = fit[False][0] < len(ages) <= fit[False][1]  # on a page, where that makes room for all of them
    turned = len(sizes) <= fit[True][0] < len(ages)  # on a phone: few cohorts across, their many ages down
    rows = {cohort: place for place, cohort in enumerate(sizes.index)}
    names = [(shortened(name, 12), f"({words.count(n)})") for name, n in sizes.items()]

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        flat = not (phone and turned)
        shown = ages if (turned if phone else stacked) else ages[:: int(np.ceil(len(ages) / fit[phone][0]))]
        grid = cells.pivot(index="cohort", columns="age", values="value").reindex(index=sizes.index, columns=shown)
        drawn = cells[cells["age"].isin(shown) & cells["value"].notna()]
        places = [(shown.index(age), rows[cohort]) for age, cohort in zip(drawn["age"], drawn["cohort"], strict=True)]
        if flat:
            ax.set(xticks=range(len(shown)), xticklabels=[str(age) for age in shown])
            ax.set(yticks=range(len(sizes)), yticklabels=[" ".join(name) for name in names])
        else:
            grid, places = grid.T, [at[::-1] for at in places]
            ax.set(yticks=range(len(shown)), yticklabels=[str(age) for age in shown])
            ax.set(xticks=range(len(sizes)), xticklabels=["\n".join(name) for name in names])
        # The darkest blue stands for more than there is, so that dark type can be read on all.
        ax.imshow(grid.to_numpy(float), cmap="Blues", vmin=0, vmax=1.8 * most, aspect="auto")
        for at, cell in zip(places, drawn.to_dict("records"), strict=True):
            strokes.cell(ax, at, cell, stacked=stacked and not phone, phone=phone)
        ax.tick_params(length=0, labeltop=len(grid) > 12)  # a tall one names its columns above too
        ax.spines[:].set_visible(False)
        laid = "Cohort (customers) by age in periods" if flat else "Age in periods, by cohort (customers)"
        strokes.above(ax, f"{laid}; per cent, with 95% intervals", phone=phone)

    seen = cells.dropna(subset="low").groupby("cohort", sort=False)
    said = strokes.listed(
        f"{shortened(name)} {in_unit(rows['value'].iloc[0], 'share')} at age {rows['age'].iloc[0]} and "
        f"{in_unit(rows['value'].iloc[-1], 'share')} at age {rows['age'].iloc[-1]}"
        for name, rows in seen
    )
    return Figure(
        alt=f"{words.plural(len(sizes), 'cohort')} by age: {said}.",
        data=cells.drop(columns=["told", "ends"]),
        draw=draw,
        heights=(0.7 + 0.36 * len(sizes), 0.9 + 0.36 * (len(ages) if turned else len(sizes))),
        **strokes.noting(few.any(), f"Left out: {left_out} of fewer than {least} customers.", telling),
    )


# --- Estimates ------------------------------------------------------------------------------------------------------


def dots(
    estimates: pd.DataFrame,
    *,
    unit: str,
    x_label: str,
    reference: float | None = None,
    reference_label: str = "",
    bands: Sequence[Band] = (),
    min_cell: int | None = None,
    **telling: Unpack[Telling],
) -> Figure | Text:
    """Estimates as dots with their intervals, one row each, the numbers written beside them.

    Args:
        estimates: label, value, low, high; optional section (rows of one section stand under its heading), note
            (shown instead of a dot where the value is missing) and counts (see `disclosure.COUNTS`).
        unit: of the values; hazard and odds ratios get a logarithmic axis.
        x_label: what the values are.
        reference, reference_label: a line, for instance at no effect, and its words.
        bands: claimed ranges, shaded.
        min_cell: rows on fewer customers are left out; else the study's.
        telling: see the module.
    """
    few = disclosure.few(estimates, min_cell, by="section" if "section" in estimates else None)
    if few.all():
        return strokes.too_few(min_cell)
    estimates = estimates[~few]
    sections = estimates.groupby("section", sort=False) if "section" in estimates else [("", estimates)]
    lines: list[Any] = [line for name, rows in sections for line in (*filter(None, [name]), *rows.to_dict("records"))]
    numbers = [] if unit in words.MULTIPLES else ["value", "low", "high"]  # of multiples each row has its own decimals
    alike = words.deciding(estimates[numbers].to_numpy(float).ravel().tolist())
    told = ["" if isinstance(line, str) else strokes.numbers(line, unit, alike) for line in lines]
    names = [line if isinstance(line, str) else line["label"] for line in lines]
    rows = [strokes.beside(names, told, phone=phone) for phone in (False, True)]
    tall = [len(lines) + sum(more) for _, _, more in rows]
    crowded = max(map(len, told)) + max(len(part) for name in rows[False][0] for part in name.split("\n")) > CROWDED
    label = "  ·  ".join(filter(None, [x_label, reference_label and f"line: {reference_label}"]))

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        drawn = [estimates[["value", "low", "high"]], [low_high[:2] for low_high in bands], [reference]]
        strokes.scale(ax, "x", unit, strokes.limits(*drawn, unit=unit), few=phone or crowded)
        for place, (low, high, claim) in enumerate(bands):
            seen = np.clip((low, high), *ax.get_xlim())
            ax.axvspan(*seen, color=BANDS[min(place, 1)], lw=0, zorder=0)
            at = low if high == np.inf else high if low == -np.inf else (low + high) / 2
            above = (0, 4 + (len(bands) - 1 - place) * 12)
            strokes.write(ax, claim, (at, 1), above, ("data", "axes fraction"), BAND_INK, ha="center")
        if reference is not None:
            ax.axvline(reference, color=INK, lw=1, zorder=1)
        for row in zip(lines, *rows[phone], told, strict=True):
            _dot_row(ax, *row, phone=phone)
        ax.grid(axis="x")
        ax.set(ylim=(tall[phone] - 0.4, -0.6), yticks=[], xlabel=textwrap.fill(label, 48 if phone else 90))

    said = strokes.listed(
        f"{shortened(row['label'], LONGEST)} {strokes.numbers(row, unit, alike)}"
        for row in estimates.to_dict("records")
    )
    claimed = "".join(f" Shaded: {claim}." for _, _, claim in bands)
    fixed = 1.0 + 0.18 * len(bands)
    return Figure(
        alt=f"{x_label}, with intervals: {said}.{claimed}",
        data=estimates,
        draw=draw,
        heights=(fixed + 0.27 * tall[False], fixed + 0.42 * tall[True]),
        **strokes.hiding(few, "row", min_cell, telling),
    )


def _dot_row(
    ax: Any, row: Mapping[Any, Any] | str, label: str, place: float, more: float, told: str, *, phone: bool
) -> None:
    """One estimate: its words at the sides; on a phone above the dot, on paper of their own that no line crosses.

    `more` is the room that a label of several lines takes beyond one.
    """
    left, right, above = ((0, "left"), (1, "right"), 0.3) if phone else ((-0.02, "right"), (1.02, "left"), 0.0)
    look = {"transform": ax.get_yaxis_transform(), "va": "center"}
    if phone:
        ax.axhspan(place - 0.6 - more, place + (0.45 if isinstance(row, str) else -0.05), color=PAPER, lw=0, zorder=1.5)
    if isinstance(row, str):
        ax.text(left[0], place + 0.1 - phone * more / 2, label, ha=left[1], weight="bold", fontsize=8.5, **look)
        return
    ax.text(left[0], place - above - phone * more / 2, label, ha=left[1], fontsize=8.2 if phone else 9, **look)
    ax.text(right[0], place - above, told, ha=right[1], fontsize=8.2, color=QUIET, **look)
    middle = place + above / 2
    if np.isfinite(row["value"]):
        ax.plot([row["low"], row["high"]], [middle] * 2, color=ABOVE, lw=2.2, solid_capstyle="butt", alpha=0.55)
        ax.plot(row["value"], middle, "o", color=ABOVE, ms=6.5, mec=PAPER, mew=1)


def specification_curve(
    specifications: pd.DataFrame,
    *,
    unit: str,
    choices: Sequence[str],
    y_label: str,
    reference: float,
    **telling: Unpack[Telling],
) -> Figure:
    """Every defensible way of asking, sorted by its answer, with the choices behind each below.

    On a phone the matrix of choices becomes one line an option: the range and the middle of its answers.

    Args:
        specifications: value, low, high, headline (true for one row), one column for each of `choices`.
        unit: of the value.
        choices: the columns that hold the choices.
        y_label: what the values are.
        reference: the value that separates the answers.
        telling: see the module.
    """
    table = specifications.sort_values("value", kind="stable").reset_index(drop=True)
    options = [(choice, option) for choice in choices for option in [None, *pd.unique(specifications[choice]).tolist()]]
    colours = np.where(table["value"] < reference, BELOW, ABOVE)

    def draw(fig: Any, phone: bool) -> None:
        top, below = fig.subplots(2, 1, height_ratios=[9, len(options) * (1.0 if phone else 0.72)])
        _curve(top, table, colours)
        strokes.scale(top, "y", unit, strokes.limits(table[["value", "low", "high"]], [reference], unit=unit))
        strokes.above(top, y_label, phone=phone)
        top.axhline(reference, color=INK, lw=1, zorder=1)
        _options(below, options)
        for place, (choice, option) in enumerate(options):
            chosen = table.index[table[choice] == option]
            values = table.loc[chosen, "value"]
            if phone and len(values):
                ends = [values.min(), values.max()]
                below.plot(ends, [place] * 2, color=ABOVE, lw=2, alpha=0.5, solid_capstyle="butt")
                below.plot(values.median(), place, "o", color=ABOVE, ms=5)
            elif not phone:
                below.scatter(chosen, [place] * len(chosen), c=colours[chosen], s=7, lw=0)
        if phone:
            strokes.scale(below, "x", unit, strokes.limits(table["value"], unit=unit), few=True)
            below.axvline(reference, color=INK, lw=1)
            below.grid(axis="x")
            below.set_xlabel("lowest, middle and highest estimate")
        else:
            below.set(xlim=top.get_xlim(), xticks=[])
            below.spines["bottom"].set_visible(False)

    least, most = (in_unit(value, unit) for value in (table["value"].min(), table["value"].max()))
    over, sure, sure_not = (
        words.count(side.sum())
        for side in (table["value"] > reference, table["low"] > reference, table["high"] < reference)
    )
    alt = (
        f"{words.plural(len(table), 'specification')} sorted by estimate, from {least} to {most}; {over} lie above "
        f"{in_unit(reference, unit)}. The whole interval lies above it in {sure} and below it in {sure_not}."
    )
    heights = 2.6 + 0.17 * len(options), 2.6 + 0.25 * len(options)
    return Figure(alt=alt, data=table, draw=draw, heights=heights, **telling)


def _curve(ax: Any, table: pd.DataFrame, colours: np.ndarray) -> None:
    """The sorted estimates with their intervals; the headline is ringed."""
    ax.vlines(table.index, table["low"], table["high"], color=colours, alpha=0.45, lw=1.6)
    ax.scatter(table.index, table["value"], c=colours, s=14, zorder=3, lw=0)
    for place in np.flatnonzero(table["headline"]):
        side, by = ("right", -4) if place > len(table) / 2 else ("left", 4)
        ax.plot(place, table["value"][place], "o", ms=9, mfc="none", mec=INK, mew=1.2, zorder=4)
        strokes.write(ax, "headline", (place, table["high"][place]), (by, 6), "data", INK, ha=side)
    ax.set(xlim=(-1, len(table)), xticks=[])
    ax.spines["bottom"].set_visible(False)


def _options(ax: Any, options: Sequence[tuple[str, Any]]) -> None:
    """A row an option from the top, those of one choice under its name."""
    told = {True: "yes", False: "no"}
    names = [
        words.spoken(choice).capitalize() if option is None else told[option] if isinstance(option, bool) else option
        for choice, option in options
    ]
    ax.set_yticks(range(len(options)), [shortened(name, 26) for name in names], fontsize=8)
    for label, (_, option) in zip(ax.get_yticklabels(), options, strict=True):
        label.set(**({"weight": "bold", "color": INK} if option is None else {}))
    ax.set_ylim(len(options) - 0.4, -0.6)


# --- Shapes ---------------------------------------------------------------------------------------------------------


def sweep(
    lines: pd.DataFrame,
    *,
    x_label: str,
    x_unit: str,
    y_label: str,
    y_unit: str,
    bands: Sequence[Band] = (),
    mark: float | None = None,
    mark_label: str = "",
    **telling: Unpack[Telling],
) -> Figure | Text:
    """How an answer moves with an assumption: one named line for each value of a second one.

    Args:
        lines: line (its name), x, y; optional low, high (a band around the line).
        x_label, x_unit: the assumption.
        y_label, y_unit: the answer.
        bands: claimed ranges of the answer, shaded.
        mark, mark_label: where the study stands on x, and its words.
        telling: see the module.
    """
    few = disclosure.few(lines, by="x")
    lines, telling = lines[~few], strokes.hiding(few, "point", None, telling)
    if lines["y"].notna().sum() == 0:
        return say("There is nothing to draw here. {}", telling.get("caption", ""))
    groups = [(colour, line, rows.sort_values("x")) for colour, line, rows in strokes.groups(lines, "line")]
    within = strokes.limits(lines["x"], unit=x_unit, margin=0)

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        drawn = [lines[lines.columns.intersection(["y", "low", "high"])], [low_high[:2] for low_high in bands]]
        strokes.scale(ax, "y", y_unit, strokes.limits(*drawn, unit=y_unit))
        strokes.scale(ax, "x", x_unit, within, few=phone)
        for place, (low, high, claim) in enumerate(bands):
            bottom, top = np.clip((low, high), *ax.get_ylim())
            ax.axhspan(bottom, top, color=BANDS[min(place, 1)], lw=0, zorder=0)
            strokes.write(ax, claim, (0, top), (4, -4), ("axes fraction", "data"), BAND_INK, va="top")
        for colour, _, rows in groups:
            if "low" in rows:
                ax.fill_between(rows["x"], rows["low"], rows["high"], color=colour, alpha=0.13, lw=0)
            ax.plot(rows["x"], rows["y"], color=colour)
        if mark is not None and groups and within[0] <= mark <= within[1]:
            ax.axvline(mark, color=INK, lw=1, ls=(0, (3, 2)))
            strokes.write(ax, mark_label, (mark, 0), (4, 5), ("data", "axes fraction"), INK)
        strokes.name_ends(ax, groups, "x", "y", phone=phone)
        strokes.above(ax, y_label, phone=phone)
        ax.set_xlabel(x_label)

    said = strokes.listed(
        f"{shortened(line)} from {in_unit(rows['y'].iloc[0], y_unit)} to {in_unit(rows['y'].iloc[-1], y_unit)}"
        for _, line, rows in groups
    )
    first, last = (in_unit(end, x_unit) for end in within)
    alt = f"{y_label}, as {x_label[:1].lower()}{x_label[1:]} goes from {first} to {last}: {said}."
    return Figure(alt=alt, data=lines, draw=draw, **telling)


def distribution(
    bins: pd.DataFrame,
    *,
    unit: str,
    x_label: str,
    marks: Mapping[str, float],
    currency: str | None = None,
    min_cell: int | None = None,
    **telling: Unpack[Telling],
) -> Figure:
    """A histogram of customers in ready-made bins.

    Args:
        bins: left, right, count; adjoining, in order.
        unit, currency: of left and right.
        x_label: what is measured.
        marks: words -> place, for instance the median.
        min_cell: bins of fewer are shown as empty; else the study's.
        telling: see the module.
    """
    few = disclosure.few(bins, min_cell)
    bins = bins.assign(count=bins["count"].mask(few, 0))
    left, right = bins["left"].iloc[0], bins["right"].iloc[-1]
    places = sorted((place, f"{name} {in_unit(place, unit, currency)}") for name, place in marks.items())

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        ax.stairs(bins["count"], [*bins["left"], right], fill=True, color="#7ea6c4")
        strokes.scale(ax, "y", "count", (0, None))
        strokes.scale(ax, "x", unit, (left, right), few=phone)
        for row, (place, label) in enumerate(places):
            top = 1 - 0.085 * row  # each line ends below the words of those to its left, so that it crosses none
            ax.axvline(place, ymax=top, color=INK, lw=1)
            strokes.write(ax, label, (place, top), (4, -10), ("data", "axes fraction"), INK)
        strokes.above(ax, "Customers", phone=phone)
        ax.set_xlabel(f"{x_label}, {currency}" if currency and unit == "money" else x_label)

    fullest = bins.iloc[int(np.argmax(bins["count"]))]
    alt = (
        f"Customers by {x_label}, {words.count(bins['count'].sum())} in all; the fullest bin, "
        f"{words.interval(fullest['left'], fullest['right'], unit, currency)}, holds {words.count(fullest['count'])}. "
        f"{strokes.listed(label for _, label in places)}"
    )
    told = strokes.hiding(few, "bin", min_cell, telling)
    return Figure(alt=alt, data=bins, draw=draw, heights=(3.1, 3.2), **told)


def lorenz(curve: pd.DataFrame, *, y_label: str = "Share of revenue", **telling: Unpack[Telling]) -> Figure:
    """How concentrated a total is: the share of it that the biggest so-many per cent of the customers hold.

    Args:
        curve: customers, total (both cumulative shares, 0 to 1, biggest first).
        y_label: what the total is.
        telling: see the module.
    """
    held = float(np.interp(BIGGEST, curve["customers"], curve["total"]))
    told = f"{100 * BIGGEST:.0f}% hold {in_unit(held, 'share')}"

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        ax.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=(0, (3, 2)))
        ax.fill_between(curve["customers"], curve["customers"], curve["total"], color=ABOVE, alpha=0.12, lw=0)
        ax.plot(curve["customers"], curve["total"], color=ABOVE)
        ax.plot(BIGGEST, held, "o", color=ABOVE, ms=7, mec=PAPER, mew=1)
        strokes.write(ax, told, (BIGGEST, held), (9, -11), "data", INK)
        strokes.write(ax, "if all held the same", (0.7, 0.7), (8, -10), "data", QUIET)
        strokes.scale(ax, "y", "share", (0, 1.01))
        strokes.scale(ax, "x", "share", (0, 1), few=phone)
        strokes.above(ax, y_label, phone=phone)
        ax.set_xlabel("Share of customers, biggest spenders first")

    alt = f"{y_label} held by the biggest customers: the top {told}."
    return Figure(alt=alt, data=curve, draw=draw, **telling)
