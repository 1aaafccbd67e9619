"""Figures of two directions at once: an outcome over its causes or beside levels, arrows, quarters of a plane, jumps.

As in `figures`, a kind takes a finished table, is drawn for a page and for a phone, and says in words what it shows.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
import pandas as pd

from analysis import disclosure, strokes, words
from analysis.drivers import QUADRANTS
from analysis.exhibits import INK, PAPER, QUIET, Figure, Text, in_unit, shortened
from analysis.figures import dots
from analysis.strokes import ABOVE, BAND_INK, BANDS, BELOW, GREY, Telling

LEVELS = ("adequate", "desired", "predicted", "expected")  # held against what is perceived
SURE = 0.9  # chance of a quarter from which a place on a map counts as sure


def surface(
    grid: pd.DataFrame,
    pairs: pd.DataFrame,
    *,
    x_label: str,
    y_label: str,
    z_label: str,
    unit: str,
    min_cell: int | None = None,
    **telling: Unpack[Telling],
) -> Figure | Text:
    """An outcome over experience and expectation as a map: lines of equal outcome, darker for more.

    The solid line is where customers found what they expected; to its lower right they found more, to its upper left
    less. Dots are the answers, larger for more; where nobody answered the map stays blank.

    Args:
        grid: perception, expectation (a square lattice), value.
        pairs: perception, expectation, n; put together by whole points.
        x_label, y_label, z_label: perception, expectation and outcome in words.
        unit: of the value.
        min_cell: pairs that fewer gave are left out; else the study's.
        telling: see the module.
    """
    places = pairs.assign(**pairs[["perception", "expectation"]].round())
    dots = places.groupby(["perception", "expectation"], as_index=False)[["n"]].sum()
    few = disclosure.few(dots, min_cell)
    if few.all():
        return strokes.too_few(min_cell)
    dots, side = dots[~few], round(len(grid) ** 0.5)
    turns = np.linspace(0, 2 * np.pi, 72)
    ways = np.array([np.cos(turns), np.sin(turns)])
    reached = (dots[["perception", "expectation"]].to_numpy() @ ways).max(axis=0) + 0.5
    seen = grid[(grid[["perception", "expectation"]].to_numpy() @ ways <= reached).all(axis=1)]
    low, high = grid["perception"].min(), grid["perception"].max()

    def draw(fig: Any, phone: bool) -> None:
        from matplotlib.ticker import MaxNLocator

        ax = fig.subplots()
        x, y, z = (grid[name].to_numpy().reshape(side, side) for name in ("perception", "expectation", "value"))
        z = np.where(grid.index.isin(seen.index).reshape(side, side), z, np.nan)
        steps = MaxNLocator(7).tick_values(seen["value"].min(), seen["value"].max())
        # The darkest blue stands for more than there is, so that dark type can be read on all.
        ax.contourf(x, y, z, steps, cmap="Blues", vmin=steps[0], vmax=steps[0] + 2.2 * (steps[-1] - steps[0]))
        lines = ax.contour(x, y, z, steps, colors=ABOVE, linewidths=0.9)
        ax.clabel(lines, fmt=lambda value: strokes.tick(value, unit), fontsize=8, colors=INK)
        ax.plot([low, high], [low, high], color=INK, lw=1.4)
        ax.plot([low, high], [high, low], color=QUIET, lw=1, ls=(0, (3, 2)))
        areas = dots["n"] * (130 if phone else 220) / dots["n"].max()
        ax.scatter(dots["perception"], dots["expectation"], s=areas, color=BELOW, alpha=0.45, lw=0, zorder=3)
        strokes.write(ax, "as expected", (high, high), (-10, -3), "data", INK, ha="right")
        strokes.write(ax, "worse than expected", (low, high), (3, -3), "data", INK)
        strokes.write(ax, "better than expected", (high, low), (-5, 6), "data", INK, ha="right")
        for which in "xy":
            strokes.scale(ax, which, "ratio", (low - 0.3, high + 0.3), few=phone)
            getattr(ax, f"{which}axis").get_major_locator().set_params(integer=True)
        ax.set(aspect="equal", xlabel=x_label)
        ax.grid(visible=False)
        strokes.above(ax, f"{z_label}, by {x_label} and {y_label} (upwards)", phone=phone)

    def told(row: Any) -> str:
        return (
            f"{in_unit(row['value'], unit)} at {row['perception']:.3g} perceived and {row['expectation']:.3g} expected"
        )

    ends = (seen.loc[seen["value"].agg(end)] for end in ("idxmax", "idxmin"))
    alt = f"{z_label}: highest with {{}}, lowest with {{}}, among answers that were given.".format(*map(told, ends))
    return Figure(
        alt=alt,
        data=dots,
        draw=draw,
        heights=(5.6, 4.0),
        **strokes.hiding(few, "pair of answers", min_cell, telling, "pairs of answers"),
    )


def arrows(boxes: pd.DataFrame, paths: pd.DataFrame, *, x_label: str, **telling: Unpack[Telling]) -> Figure:
    """What is thought to act on what: a box for each construct, an arrow with its estimate for each path.

    An arrow is as thick as its estimate is large, red for less than nothing, and dashed and grey where the interval
    holds nothing at all.

    Args:
        boxes: name, x, y (the place: columns from the left, rows from below), note (small words under the name).
        paths: cause, effect (names of boxes), value, low, high (slopes).
        x_label: what the numbers are.
        telling: see the module.
    """
    at = boxes.set_index("name")[["x", "y"]]
    ends, told_of = at.agg(["min", "max"]), paths.to_dict("records")

    def draw(fig: Any, phone: bool) -> None:
        from matplotlib.patches import FancyBboxPatch

        ax, drawn, wide, high = fig.subplots(), {}, 0.68 if phone else 0.56, 0.58
        shape: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.07", "fc": BANDS[0], "ec": BAND_INK, "lw": 1}
        words_in_box: dict[str, Any] = {"ha": "center", "va": "top", "linespacing": 1.05, "zorder": 4}
        for name, x, y, note in boxes[["name", "x", "y", "note"]].itertuples(index=False):
            drawn[name] = FancyBboxPatch((x - wide / 2, y - high / 2), wide, high, zorder=2, **shape)
            ax.add_patch(drawn[name])
            label = textwrap.fill(shortened(name, 26), 13)
            # Both texts together stand in the middle of the box; a line is about an eighth of the rows' distance high.
            top = y + 0.062 * (label.count("\n") + 1 + len(note.splitlines()))
            below = top - 0.128 * (label.count("\n") + 1)
            ax.text(x, top, label, weight="bold", fontsize=8.5, **words_in_box)
            ax.text(x, below, note, fontsize=7.8, color=QUIET, **words_in_box)
        for row in told_of:
            ways, unsure = at.loc[[row["cause"], row["effect"]]].to_numpy(float), row["low"] <= 0 <= row["high"]
            colour = GREY if unsure else ABOVE if row["value"] > 0 else BELOW
            look = {"arrowstyle": "-|>,head_length=5,head_width=2.6", "color": colour, "shrinkA": 0, "shrinkB": 1}
            look |= {"lw": 0.9 + 3 * abs(row["value"]), "ls": (0, (3, 2)) if unsure else "-", "mutation_scale": 1}
            look |= {"patchA": drawn[row["cause"]], "patchB": drawn[row["effect"]]}
            ax.annotate("", ways[1], ways[0], arrowprops=look, zorder=1)
            told = strokes.numbers(row, "slope").replace(" (", "\n").removesuffix(")")
            paper = {"boxstyle": "square,pad=0.12", "fc": PAPER, "ec": "none"}
            ax.text(*ways.mean(axis=0), told, fontsize=7.6, bbox=paper, **words_in_box | {"va": "center", "zorder": 3})
        ax.set(xlim=ends["x"] + np.array([-0.42, 0.42]), ylim=ends["y"] + np.array([-0.3, 0.3]))
        ax.axis("off")
        strokes.above(ax, x_label, phone=phone)

    said = strokes.listed((f"{row['cause']} to {row['effect']} {strokes.numbers(row, 'slope')}" for row in told_of), 20)
    noted = strokes.listed(
        f"{name}: {' '.join(note.split())}" for name, note in boxes[["name", "note"]].to_numpy() if note
    )
    tall = 0.6 + 1.06 * float(np.ptp(ends["y"]) + 0.6)
    return Figure(alt=f"{x_label}: {said}. {noted}.", data=paths, draw=draw, heights=(tall, 1.1 * tall), **telling)


def quarters(
    placed: pd.DataFrame, *, x_label: str, x_unit: str, y_label: str, y_unit: str, **telling: Unpack[Telling]
) -> Figure:
    """A map of importance and performance, parted into quarters at the means; both intervals of each dot.

    The chance of the quarter in which a dot lies most often stands beside its name; below `SURE` the dot is hollow.

    Args:
        placed: from `drivers.quadrants`.
        x_label, x_unit: performance.
        y_label, y_unit: importance.
        telling: see the module.
    """
    placed = placed.sort_values("importance", ascending=False)
    axes = {"x": ("performance", x_unit), "y": ("importance", y_unit)}
    labels = [f"{shortened(name)} {chance:.0%}" for name, chance in placed[["attribute", "chance"]].to_numpy()]
    named = [[textwrap.fill(label, wide) for label in labels] for wide in (26, 17)]  # on a page and on a phone
    tall = [max(3.2, 1.1 + 0.19 * (1 + "\n".join(lines).count("\n"))) for lines in named]

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        for which, (what, unit) in axes.items():
            strokes.scale(ax, which, unit, strokes.limits(placed.filter(like=what), unit=unit, margin=0.13), few=phone)
            getattr(ax, {"x": "axvline", "y": "axhline"}[which])(placed[what].mean(), color=INK, lw=1, ls=(0, (3, 2)))
        ax.grid(visible=False)
        for place, name in enumerate(QUADRANTS):
            high, right = divmod(place, 2)
            by, how = (3 - 6 * right, 3 - 6 * high), {"ha": ("left", "right")[right], "va": ("bottom", "top")[high]}
            strokes.write(ax, name, (right, high), by, "axes fraction", QUIET, wide=12 if phone else 30, **how)
        room = [0.18 * (1 + label.count("\n")) / (tall[phone] - 0.95) for label in named[phone]]
        heights = strokes.apart(ax, placed["importance"].tolist(), room)
        for row, label, height in zip(placed.to_dict("records"), named[phone], heights, strict=True):
            x, y = row["performance"], row["importance"]
            ax.hlines(y, row["performance low"], row["performance high"], color=ABOVE, lw=1.6, alpha=0.45)
            ax.vlines(x, row["importance low"], row["importance high"], color=ABOVE, lw=1.6, alpha=0.45)
            ax.plot(x, y, "o", mfc=ABOVE if row["chance"] >= SURE else PAPER, mec=ABOVE, mew=1.5, ms=7, zorder=3)
            lead = {"arrowstyle": "-", "color": GREY, "lw": 0.6, "shrinkB": 4, "shrinkA": 0, "relpos": (0, 0.5)}
            frame = {"xycoords": "data", "textcoords": ("axes fraction", "data"), "annotation_clip": False}
            ax.annotate(label, (x, y), (1.03, height), va="center", fontsize=8.2, arrowprops=lead, zorder=1, **frame)
        strokes.above(ax, y_label, phone=phone)
        ax.set_xlabel(textwrap.fill(x_label, 30 if phone else 80))

    said = strokes.listed(
        f"{row['attribute']}: {row['quadrant']} in {row['chance']:.0%} of the resamples, "
        + " and ".join(
            f"{what} {words.with_interval(row[what], row[f'{what} low'], row[f'{what} high'], unit)}"
            for what, unit in axes.values()
        )
        for row in placed.to_dict("records")
    )
    alt = f"{y_label}, by {x_label}. {said}."
    return Figure(alt=alt, data=placed, draw=draw, heights=(tall[0], tall[1]), **telling)


def crowd(
    cells: pd.DataFrame,
    *,
    x_label: str,
    y_label: str,
    cuts: tuple[float, float] | None = None,
    corners: Sequence[str] = (),
    ceiling: bool = False,
    **telling: Unpack[Telling],
) -> Figure | Text:
    """How many customers stand where on two measures: a dot for each pair of steps, larger for more.

    Args:
        cells: x, y, n; cells on too few customers are left out.
        x_label, y_label: the measures; y upwards.
        cuts: where x and y are parted into quarters.
        corners: words in the quarters, from the lower left to the right, then above.
        ceiling: draw the steps through the highest y so far, among the cells shown.
        telling: see the module.
    """
    few = disclosure.few(cells)
    if few.all():
        return strokes.too_few(None)
    shown = cells[~few].sort_values("x")
    highest = shown.groupby("x")["y"].max().cummax()

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        for which in "xy":
            strokes.scale(ax, which, "ratio", strokes.limits(shown[which], unit="ratio", margin=0.1), few=phone)
        areas = shown["n"] * (150 if phone else 260) / shown["n"].max()
        ax.scatter(shown["x"], shown["y"], s=areas, color=ABOVE, alpha=0.5, lw=0, zorder=3)
        if ceiling:
            ax.step([*highest.index, shown["x"].max()], [*highest, highest.iloc[-1]], where="post", color=BELOW, lw=1.8)
        for cut, line in zip(cuts or (), (ax.axvline, ax.axhline), strict=False):
            line(cut, color=INK, lw=1, ls=(0, (3, 2)))
        for place, name in enumerate(corners):
            high, right = divmod(place, 2)
            by, how = (3 - 6 * right, 3 - 6 * high), {"ha": ("left", "right")[right], "va": ("bottom", "top")[high]}
            strokes.write(ax, name, (right, high), by, "axes fraction", INK, wide=16 if phone else 34, **how)
        ax.grid(visible=False)
        strokes.above(ax, y_label, phone=phone)
        ax.set_xlabel(textwrap.fill(x_label, 34 if phone else 80))

    fullest = shown.iloc[int(shown["n"].argmax())]
    most = f"most at {fullest['x']:.3g} and {fullest['y']:.3g} ({words.count(fullest['n'])})"
    reach = strokes.listed((f"up to {top:.3g} at {at:.3g}" for at, top in highest.items()), 8) if ceiling else ""
    alt = ". ".join(filter(None, [f"{y_label} by {x_label}: {most}", reach, "; ".join(corners)])) + "."
    return Figure(alt=alt, data=shown, draw=draw, heights=(4.2, 4.0), **strokes.hiding(few, "cell", None, telling))


def zones(
    levels: pd.DataFrame, *, x_label: str, min_cell: int | None = None, **telling: Unpack[Telling]
) -> Figure | Text:
    """Perceived service as dots with intervals, against the levels that customers hold against it.

    A band goes from the adequate to the desired level, a tick marks the predicted one, and a ring what was expected,
    with a line to the dot.

    Args:
        levels: one row a dimension: label, value, low, high (what was perceived); adequate and desired, predicted,
            expected as far as they were asked; n (rows on fewer than `min_cell` are left out).
        x_label: what the values are.
        min_cell: see `levels`.
        telling: see the module.
    """
    plain = dots(levels, unit="ratio", x_label=x_label, min_cell=min_cell, **telling)
    if isinstance(plain, Text):
        return plain
    levels, look = plain.data.reindex(columns=["value", "low", "high", *LEVELS]), {"ls": "", "zorder": 2.2}
    key = {"desired": "band: adequate to desired", "predicted": "tick: predicted", "expected": "ring: expected"}
    there = [words for level, words in key.items() if levels[level].notna().any()]

    def draw(fig: Any, phone: bool) -> None:
        plain.draw(fig, phone)
        (ax,) = fig.axes
        strokes.scale(ax, "x", "ratio", strokes.limits(levels, unit="ratio"), few=phone)
        middle = np.arange(len(levels)) + (0.15 if phone else 0)
        wide = levels["desired"] - levels["adequate"]
        ax.barh(middle, wide, 0.36 if phone else 0.6, levels["adequate"], color=BANDS[1], lw=0, zorder=1.6)
        ax.hlines(middle, levels["value"], levels["expected"], color=GREY, lw=1, zorder=1.7)
        ax.plot(levels["expected"], middle, "o", mfc=PAPER, mec=BELOW, mew=1.6, ms=6, **look)
        ax.plot(levels["predicted"], middle, "|", color=BAND_INK, mew=2, ms=9 if phone else 13, **look)
        strokes.above(ax, ", ".join(["Dot: perceived", *there]), phone=phone)

    held = plain.data.set_index("label")[[level for level in LEVELS if level in plain.data]]
    said = strokes.listed(
        f"{shortened(name)} {listed}"
        for name, row in held.iterrows()
        if (listed := words.listing([f"{level} {in_unit(mean, 'ratio')}" for level, mean in row.dropna().items()]))
    )
    return replace(plain, alt=f"{plain.alt} Held against it: {said}.", draw=draw)


# --- A rule that cuts -----------------------------------------------------------------------------------------------


def jump(
    bins: pd.DataFrame,
    *,
    lines: Sequence[tuple[float, float]],
    at: float,
    x_label: str,
    y_label: str,
    unit: str = "money",
    **telling: Unpack[Telling],
) -> Figure | Text:
    """Means on either side of a threshold, and the lines fitted to those near it.

    Args:
        bins: x (where the bin lies), value, error (half of the interval), n.
        lines: level at the threshold and slope, below and above.
        at: the threshold.
        x_label, y_label: what decides, and what comes of it.
        unit: of the values.
        telling: see the module.
    """
    few = disclosure.few(bins)
    bins, telling = bins[~few], strokes.hiding(few, "dot", None, telling)
    if bins.empty:
        return strokes.too_few(None)
    ends = [(bins["x"].min(), at), (at, bins["x"].max())]

    def draw(fig: Any, phone: bool) -> None:
        ax = fig.subplots()
        for colour, side, (level, slope), span in zip(
            (BELOW, ABOVE), (bins["x"] < at, bins["x"] >= at), lines, ends, strict=True
        ):
            ax.errorbar(
                *bins.loc[side, ["x", "value", "error"]].to_numpy().T, fmt="o", color=colour, ms=4, elinewidth=1
            )
            ax.plot(span, [level + slope * (end - at) for end in span], color=colour)
        ax.axvline(at, color=INK, lw=1, ls=(0, (3, 2)))
        spread = [bins["value"] - bins["error"], bins["value"] + bins["error"]]
        strokes.scale(ax, "y", unit, strokes.limits(*spread, unit=unit))
        strokes.scale(ax, "x", unit, strokes.limits(bins["x"], unit=unit), few=phone)
        strokes.above(ax, y_label, phone=phone)
        ax.set_xlabel(textwrap.fill(x_label, 44 if phone else 90))

    (below, _), (above, _) = lines
    told = f"{in_unit(below, unit)} just below {at:,.6g} and {in_unit(above, unit)} just above it"
    return Figure(alt=f"{y_label}: the lines meet the threshold at {told}.", data=bins, draw=draw, **telling)
