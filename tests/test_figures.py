"""Every kind of figure draws both its versions, tells what it shows, and leaves out what stands on too few."""

import io
import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from analysis import exhibits, figures, maps, strokes

HOSTILE = ["<script>alert(1)</script>", "مشتریان وفادار", "Two $10 & $20", "a" * 300, "\u202egnp.exe"]


def curves(at_risk=(100, 60, 20, 4)):
    """Two groups seen for three months; few are left at the end."""
    rows = [
        {
            "group": group,
            "time": t,
            "survival": s,
            "low": s - 0.05,
            "high": min(1, s + 0.05),
            "at_risk": n,
            "events": 6 * (t > 0),
            "unit": "month",
        }
        for group, left in (("One year", (1.0, 0.9, 0.8, 0.7)), ("Monthly", (1.0, 0.6, 0.4, 0.3)))
        for t, (s, n) in enumerate(zip(left, at_risk, strict=True))
    ]
    return pd.DataFrame(rows)


ESTIMATES = pd.DataFrame(
    {
        "label": HOSTILE,
        "value": [1.2, 2.9, 1.45, 0.8, 1.0],
        "low": [1.1, 2.5, 1.3, 0.7, 0.9],
        "high": [1.3, 3.4, 1.6, 0.9, 1.1],
    }
)
LEVELS = pd.DataFrame(
    {
        "label": ["wait", "care"],
        "value": [5.0, 4.0],
        "low": [4.8, 3.8],
        "high": [5.2, 4.2],
        "adequate": [4.0, np.nan],
        "desired": [6.0, np.nan],
        "predicted": [5.5, np.nan],
        "expected": [np.nan, 6.2],
    }
)
SIDES = pd.DataFrame({"x": [850.0, 880, 920, 960], "value": [60.0, 66, 88, 90], "error": 5.0, "n": [40, 30, 20, 3]})
READINGS = pd.DataFrame(
    {
        "section": ["five points", "five points", "times 1.05"],
        "label": ["contribution", "profit", "contribution"],
        "value": [0.52, np.nan, 0.33],
        "low": [0.44, np.nan, 0.25],
        "high": [0.61, np.nan, 0.41],
        "note": [None, "needs fixed_cost", None],
    }
)
CLAIMED = [(0.25, 1.0, "claimed 25% to 100%"), (0.25, np.inf, "at least 25%")]
SPECIFICATIONS = pd.DataFrame(
    {
        "value": [1.1, 0.9, 0.7, 1.3],
        "low": [1.05, 0.8, 0.6, 1.2],
        "high": [1.2, 1.02, 0.8, 1.4],
        "cut_off": ["quarter", "quarter", "tenth", "tenth"],
        "returns": ["net", "left out", "net", HOSTILE[0]],
        "headline": [False, True, False, False],
    }
)
LINES = pd.DataFrame({"line": ["0%", "0%", "10%", "10%"], "x": [0.5, 0.9, 0.5, 0.9], "y": [0.1, 0.8, 0.08, 0.3]})
BINS = pd.DataFrame({"left": [0, 10, 20, 30], "right": [10, 20, 30, 40], "count": [120, 40, 3, 6]})
MONTHS = pd.DataFrame({"period": pd.to_datetime(["1997-01-01", "1997-02-01", "1997-03-01"]), "value": [10, 30, 20]})
CURVE = pd.DataFrame({"customers": [0.0, 0.2, 1.0], "total": [0.0, 0.65, 1.0]})

PAIRS = pd.DataFrame({"perception": [2.0, 4.9, 3.2, 1.0], "expectation": [4.0, 4.0, 1.6, 5.0], "n": [20, 9, 6, 4]})


def lattice(slope=1.0):
    """Liking that is what was found, whatever was expected; both from 1 to 5."""
    p, e = (side.ravel() for side in np.meshgrid(*[np.linspace(1, 5, 41)] * 2))
    return pd.DataFrame({"perception": p, "expectation": e, "value": slope * p})


BOXES = pd.DataFrame(
    {"name": ["image", "quality", "trust"], "x": [0, 1, 0], "y": [2.0, 1.0, 0.0], "note": ["", "index 70\nR² 31%", ""]}
)
PATHS = pd.DataFrame(
    {
        "cause": ["image", "quality", "image"],
        "effect": ["quality", "trust", "trust"],
        "value": [0.56, -0.3, 0.05],
        "low": [0.4, -0.4, -0.1],
        "high": [0.7, -0.2, 0.2],
    }
)
PLACED = pd.DataFrame(
    {
        "attribute": [HOSTILE[0], "wait", "care"],
        "importance": [0.5, 0.5, 0.1],
        "importance low": [0.4, 0.4, 0.0],
        "importance high": [0.6, 0.6, 0.2],
        "performance": [80.0, 60.0, 70.0],
        "performance low": [75.0, 50.0, 60.0],
        "performance high": [85.0, 70.0, 75.0],
        "quadrant": ["keep up the good work", "concentrate here", "low priority"],
        "chance": [1.0, 0.95, 0.5],
    }
)


def mapped(placed=PLACED, **say):
    units = {"x_unit": "score points", "y_unit": "ratio"}
    return maps.quarters(placed, x_label="index", y_label="Importance", **units, **SAID | say)


SAID = {"name": "kind", "title": "It moves"}

KINDS = {
    "survival": (lambda **say: figures.survival(curves(), **say), "Monthly ends at 40.0% after 2 months"),
    "timeline": (
        lambda **say: figures.timeline(MONTHS, y_label="Orders", **say),
        "highest in February 1997 with 30",
    ),
    "dots": (
        lambda **say: figures.dots(ESTIMATES, unit="hazard ratio", x_label="Chance", reference=1, **say),
        "Two $10 & $20 1.45 (1.30 to 1.60)",
    ),
    "dots in sections": (
        lambda **say: figures.dots(READINGS, unit="growth", x_label="Growth", bands=CLAIMED, reference=0, **say),
        "profit needs fixed_cost",
    ),
    "specification_curve": (
        lambda **say: figures.specification_curve(
            SPECIFICATIONS, unit="ratio", choices=["cut_off", "returns"], y_label="Ratio", reference=1, **say
        ),
        "4 specifications sorted by estimate, from 0.70 to 1.30; 2 lie above 1.00. "
        "The whole interval lies above it in 2 and below it in 1",
    ),
    "sweep": (
        lambda **say: figures.sweep(
            LINES,
            x_label="Retention",
            x_unit="share",
            y_label="Growth",
            y_unit="growth",
            bands=CLAIMED,
            mark=0.7,
            **say,
        ),
        "as retention goes from 50.0% to 90.0%: 0% from +10% to +80%",
    ),
    "distribution": (
        lambda **say: figures.distribution(
            BINS, unit="money", currency="EUR", x_label="first order", **{"marks": {"P90": 9.5, "median": 8.0}} | say
        ),
        "160 in all; the fullest bin, 0.00 to 10.00 EUR, holds 120. median 8.00 EUR; P90 9.50 EUR",
    ),
    "zones": (
        lambda **say: maps.zones(LEVELS, x_label="Mean answer", **say),
        "Held against it: wait adequate 4.00, desired 6.00 and predicted 5.50; care expected 6.20",
    ),
    "lorenz": (lambda **say: figures.lorenz(CURVE, **say), "the top 20% hold 65.0%"),
    "jump": (
        lambda **say: maps.jump(
            SIDES, lines=[(70, 0.2), (85, 0.1)], at=900, x_label="What decides", y_label="Profit", **say
        ),
        "the lines meet the threshold at 70.00 just below 900 and 85.00 just above it",
    ),
    "surface": (
        lambda **say: maps.surface(
            lattice(),
            PAIRS,
            **{"x_label": "found", "y_label": "expected", "z_label": "Liking", "unit": "ratio"} | say,
        ),
        "lowest with 1.50 at 1.5 perceived",
    ),
    "arrows": (
        lambda **say: maps.arrows(BOXES, PATHS, x_label="Slopes", **say),
        "image to trust 0.05 (-0.10 to 0.20). quality: index 70 R² 31%.",
    ),
    "quarters": (mapped, "wait: concentrate here in 95% of the resamples, performance 60.00 (50.00 to 70.00) and"),
}


def make(kind, **say):
    return KINDS[kind][0](**SAID | say)


def drawn(figure, *, phone=False):
    """The axes of a figure, laid out."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(exhibits.WIDTHS[phone], figure.heights[phone]), layout="constrained")
    figure.draw(canvas, phone)
    canvas.draw_without_rendering()
    return canvas.axes


def cells(cohorts, ages):
    """A triangle of cohorts of 1,000, each as old as the study less its place."""
    rows = [
        (f"cohort {c}", 1000, age, 0.148, 0.127, 0.171, "complete") for c in range(cohorts) for age in range(ages - c)
    ]
    return pd.DataFrame(rows, columns=["cohort", "customers", "age", "value", "low", "high", "state"])


@pytest.mark.parametrize(
    # Few cohorts show every age, on a phone down the page; of many, each shows as many ages as have room.
    ("cohorts", "ages", "across", "on_a_phone"),
    [(3, 10, 10, 3), (3, 17, 17, 3), (40, 40, 10, 5)],
)
def test_a_triangle_names_every_age_that_has_room_and_no_interval_meets_another(cohorts, ages, across, on_a_phone):
    figure = figures.triangle(cells(cohorts, ages), **SAID)
    for phone, columns in enumerate((across, on_a_phone)):
        (ax,) = drawn(figure, phone=bool(phone))
        assert len(ax.get_xticks()) == columns
        assert len(ax.get_yticks()) == (ages if phone and cohorts == 3 else cohorts)
        boxes = [text.get_window_extent() for text in ax.texts]
        rows = {}
        for box in sorted(boxes, key=lambda box: box.x0):
            rows.setdefault(round(box.y0), []).append(box)
        assert all(left.x1 <= right.x0 for row in rows.values() for left, right in itertools.pairwise(row))
    assert list(figure.data) == ["cohort", "customers", "age", "value", "low", "high", "state"]


def test_a_dot_on_too_few_is_not_drawn_at_a_threshold():
    """The bin of three goes, and the smallest other with it, so that nobody can subtract."""
    figure = make("jump")
    assert figure.data["n"].tolist() == [40, 30]
    assert figure.hidden == 2
    few = maps.jump(SIDES.assign(n=2), lines=[(0, 0), (0, 0)], at=900, x_label="x", y_label="y", **SAID)
    assert "nothing stands on at least" in few.text


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_tells_what_it_shows_and_draws_both_versions(kind):
    from PIL import Image

    figure = make(kind)
    assert KINDS[kind][1] in figure.alt
    wide, narrow = (Image.open(io.BytesIO(figure.png(phone=phone))) for phone in (False, True))
    assert wide.width > narrow.width
    assert len(wide.getcolors()) > 5  # something is drawn on the paper


@pytest.mark.parametrize("kind", ["survival", "specification_curve"])
def test_the_same_table_gives_the_same_bytes(kind):
    assert make(kind).png(phone=True) == make(kind).png(phone=True)


def test_curves_end_where_too_few_are_at_risk():
    figure = figures.survival(curves(), **SAID, caption="n = 100.")
    assert figure.data["at_risk"].min() == 20
    assert figure.caption.startswith("n = 100. So that nobody stands alone, steps wait until 5 left, and curves end")
    assert figures.survival(curves(), **SAID, min_cell=1).data["at_risk"].min() == 4


def test_estimates_on_too_few_are_left_out():
    few = ESTIMATES.assign(n=[100, 4, 100, 100, 100])
    figure = figures.dots(few, **SAID, unit="ratio", x_label="x")
    assert figure.data["n"].tolist() == [100] * 3  # with it goes one more, or a total would give it away
    assert HOSTILE[1] not in figure.alt
    assert "Hidden: 2 rows" in figure.caption


def test_a_sentence_stands_where_nothing_can_be_drawn():
    for nothing in (
        figures.survival(curves(at_risk=(4, 3, 2, 1)), **SAID),
        figures.dots(ESTIMATES.assign(n=3), **SAID, unit="ratio", x_label="x"),
    ):
        assert nothing.text == "There is no figure here: nothing stands on at least 5 customers."


def test_a_map_ends_where_too_few_answered():
    """The lone corner of four answers is neither drawn nor named, and the caption says so."""
    figure = maps.surface(lattice(), PAIRS, **SAID, x_label="found", y_label="expected", z_label="Liking", unit="ratio")
    assert figure.data["n"].tolist() == [20, 9]  # the six hide the four
    assert "Hidden: 2 pairs of answers" in figure.caption
    (ax,) = drawn(figure, phone=True)
    shaded = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    assert shaded[:, 0].min() >= 1.4  # half a point beyond the leftmost dot that is left
    flat = lattice(slope=0.0)
    drawn(maps.surface(flat, PAIRS, **SAID, x_label="found", y_label="expected", z_label="Liking", unit="ratio"))
    none = maps.surface(flat, PAIRS[3:], **SAID, x_label="", y_label="", z_label="", unit="ratio")
    assert "nothing stands on at least 5" in none.text


def test_marks_stand_where_the_levels_are_and_fit_on_the_axis():
    (ax,) = drawn(make("zones"), phone=True)
    (band,) = [bar for bar in ax.patches if bar.get_height() == 0.36 and np.isfinite(bar.get_width())]
    assert (band.get_x(), band.get_width()) == (4.0, 2.0)
    rings, ticks = ([line for line in ax.lines if line.get_marker() == mark][-1] for mark in "o|")
    np.testing.assert_array_equal(rings.get_xdata(), [np.nan, 6.2])
    np.testing.assert_array_equal(ticks.get_xdata(), [5.5, np.nan])
    low, high = ax.get_xlim()
    assert low < 3.8
    assert high > 6.2


def test_arrows_leave_and_reach_their_boxes_and_tell_sure_from_unsure():
    (ax,) = drawn(maps.arrows(BOXES, PATHS, x_label="Slopes", **SAID))
    arrows = [note.arrow_patch for note in ax.texts if getattr(note, "arrow_patch", None) is not None]
    assert [arrow.get_edgecolor() for arrow in arrows] == [*map(to_rgba, (figures.ABOVE, figures.BELOW, strokes.GREY))]
    assert [arrow.get_linestyle() == "-" for arrow in arrows] == [True, True, False]
    assert arrows[0].get_linewidth() > arrows[1].get_linewidth() > arrows[2].get_linewidth()
    # In their boxes lie the names and the small words.
    boxes = {patch.get_window_extent().get_points()[1, 1]: patch.get_window_extent() for patch in ax.patches}
    for note in (text for text in ax.texts if text.get_text() in {*BOXES["name"], BOXES["note"][1]}):
        assert any(contains(box, note.get_window_extent()) for box in boxes.values())


def contains(outer, inner):
    return (outer.min <= inner.min).all() and (inner.max <= outer.max).all()


@pytest.mark.parametrize("phone", [False, True])
def test_names_on_a_map_do_not_overlap_however_many_lie_in_one_place(phone):
    many = pd.concat([PLACED.assign(attribute=f"a rather long name {n}") for n in range(8)], ignore_index=True)
    (ax,) = drawn(mapped(many), phone=phone)
    named = [text for text in ax.texts if "%" in text.get_text()]
    boxes = sorted(map(Text.get_window_extent, named), key=lambda box: box.y0)  # without their leading lines
    assert len(boxes) == 24
    assert all(low.y1 <= high.y0 + 0.5 for low, high in itertools.pairwise(boxes))
    assert boxes[-1].y1 <= ax.bbox.y1 + 1
    assert boxes[0].y0 >= ax.bbox.y0 - 1


def test_a_place_that_is_not_sure_is_hollow():
    (ax,) = drawn(mapped())
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    by_height = {float(dot.get_xdata()[0]): dot.get_markerfacecolor() for dot in dots}
    assert by_height == {80: figures.ABOVE, 60: figures.ABOVE, 70: exhibits.PAPER}
    words = [text.get_text() for text in ax.texts]
    assert "care 50%" in words
    assert {"concentrate here", "keep up the good work", "low priority", "possible overkill"} <= set(words)


def test_bins_of_too_few_are_empty():
    figure = make("distribution")
    assert figure.data["count"].tolist() == [120, 40, 0, 0]


def test_the_data_of_a_figure_are_the_table_it_was_given():
    figure = make("sweep")
    assert pd.read_csv(io.StringIO(figure.csv())).equals(LINES)


@pytest.mark.parametrize("phone", [False, True])
def test_a_long_label_is_broken_and_meets_neither_numbers_nor_its_neighbours(phone):
    """Three texts a row: its label, whole, in as many lines as it needs; its numbers; and none on another."""
    rows = ESTIMATES.assign(label=[f"Bank transfer (automatic) against Electronic check {n}" for n in ESTIMATES.index])
    figure = figures.dots(rows.drop(columns="section", errors="ignore"), **SAID, unit="points", x_label="x")
    (ax,) = drawn(figure, phone=phone)
    said = [text for text in ax.texts if "against" in text.get_text()]
    assert [" ".join(text.get_text().split())[-7:] for text in said] == [f"check {n}" for n in ESTIMATES.index]
    assert all("\n" in text.get_text() for text in said)
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert not [1 for one, other in itertools.combinations(boxes, 2) if one.overlaps(other)]


def test_a_choice_of_true_or_false_is_told_as_yes_or_no():
    table = SPECIFICATIONS.assign(netted=[True, False, True, False])
    how = {"unit": "ratio", "choices": ["netted"], "y_label": "Ratio", "reference": 1}
    _, options = drawn(figures.specification_curve(table, **how, **SAID))
    assert [label.get_text() for label in options.get_yticklabels()] == ["Netted", "yes", "no"]
    assert [len(dots.get_offsets()) for dots in options.collections] == [0, 2, 2]


def test_labels_from_data_are_shortened_and_made_visible():
    alt = make("dots").alt
    assert "a" * 81 not in alt
    assert "…" in alt
    assert "\\u202egnp.exe" in alt


def ends(*lines):
    """Lines as `figures` groups them, each a straight one from (0, y) to (x, y)."""
    return [("red", name, pd.DataFrame({"x": [0, x], "y": [y, y]})) for name, x, y in lines]


def test_names_at_the_ends_of_lines_keep_apart():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    ax.set_ylim(0, 1)
    strokes.name_ends(ax, ends(("a", 1, 0.50), ("b", 1, 0.51), ("c", 1, 0.52)), "x", "y", phone=False)
    places = sorted(text.xy[1] for text in ax.texts)
    assert np.diff(places).min() == pytest.approx(0.058, abs=0.002)  # a line of type on this axis
    assert np.mean(places) == pytest.approx(0.51)  # pushed to both sides alike


def test_a_line_that_ends_early_is_named_at_its_end():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    ax.set_xlim(0, 10)
    strokes.name_ends(ax, ends(("observed", 5, 0.5), ("foretold", 10, 0.6)), "x", "y", phone=False)
    assert {text.get_text(): text.xy[0] for text in ax.texts} == {"observed": 5, "foretold": 1}  # 1: the right edge


@pytest.mark.parametrize("phone", [False, True])
def test_no_mark_of_a_distribution_crosses_the_words_of_another(phone):
    (ax,) = drawn(make("distribution", marks={"P50": 9.0, "P75": 9.5, "P90": 12.0}), phone=phone)
    lines = [line.get_window_extent() for line in ax.lines]
    words = [text.get_window_extent() for text in ax.texts]
    assert len(lines) == len(words) == 3
    assert ax.get_xlabel() == "first order, EUR"
    assert not [1 for line in lines for word in words if line.x0 > word.x0 and line.y1 > word.y0 and line.x0 < word.x1]


def test_on_a_phone_no_band_and_no_line_runs_through_words():
    (ax,) = drawn(make("dots in sections"), phone=True)
    paper = [patch for patch in ax.patches if patch.get_facecolor() == to_rgba(exhibits.PAPER)]
    heights = [(patch.get_y(), patch.get_y() + patch.get_height()) for patch in paper]
    words = [text.get_position()[1] for text in ax.texts if text.get_text() not in dict.fromkeys(c[2] for c in CLAIMED)]
    assert len(words) == 8  # two headings; label and numbers of three rows
    assert all(any(low < place < high for low, high in heights) for place in words)
    behind = [
        *(p for p in ax.patches if p not in paper),
        *(line for line in ax.lines if line.get_color() == figures.INK),
    ]
    assert all(artist.get_zorder() < paper[0].get_zorder() for artist in behind)


@pytest.mark.parametrize(
    ("longest", "unit", "ticks"),
    [
        (72, "month", [0, 12, 24, 36, 48, 60, 72]),
        (10, "year", [0, 2, 4, 6, 8, 10]),
        (364, "day", [0, 91, 182, 273, 364]),
    ],
)
def test_time_is_marked_at_round_places(longest, unit, ticks):
    assert strokes.time_ticks(longest, unit, 7) == ticks


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(0.25, "share", "25%"), (0.5, "growth", "+50%"), (-0.5, "growth", "-50%"), (0.0, "growth", "0%"),
     (0.025, "points", "+2.5 pts"), (12500, "count", "12,500"), (1.25, "hazard ratio", "1.25")],
)  # fmt: skip
def test_ticks_read_like_quantities_without_idle_zeros(value, unit, shown):
    assert strokes.tick(value, unit) == shown


@pytest.mark.parametrize("longest", [3, 15, 17, 57])
def test_what_is_counted_is_marked_at_whole_numbers(longest):
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    strokes.scale(ax, "x", "count", (1, longest))
    ticks = [tick for tick in ax.get_xticks() if 1 <= tick <= longest]
    plt.close(figure)
    assert len(ticks) >= 3
    assert all(float(tick).is_integer() for tick in ticks)


def test_a_figure_keeps_the_page_colour_behind_it():
    from PIL import Image

    picture = Image.open(io.BytesIO(make("lorenz").png(phone=True))).convert("RGB")
    assert "#{:02x}{:02x}{:02x}".format(*picture.getpixel((0, 0))) == exhibits.PAPER
