"""Exhibits: what a notebook shows. A figure, a table, a paragraph or a finding, each ready for any reader.

An exhibit displays itself in JupyterLab, and carries what the published page needs besides the picture: title,
caption, text for those who cannot see it, the data behind it, and for figures a second drawing for phones.
Everything that comes from data is shown as text and never interpreted.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import html
import io
import numbers
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import disclosure, hypotheses, languages, words
from analysis.calibrated import CAUTIONS
from analysis.checks import Step
from analysis.estimates import Lack, needed
from analysis.hypotheses.register import RUNGS
from analysis.hypotheses.rules import VERDICTS, Compound

EXHIBIT_MIME = "application/vnd.loyalty.exhibit+json"
FINDING_MIME = "application/vnd.loyalty.finding+json"

LONGEST_LABEL = 40  # characters; longer category names end in an ellipsis
# Inches on a page and on a phone: at 100 and 92 CSS pixels an inch both keep 9 point type readable.
WIDTHS, HEIGHTS = (6.6, 3.9), (3.7, 4.0)
PAPER = "#fdfcf9"  # the page's own colour, so that a figure has no edge
INK, QUIET = "#22262b", "#5c636b"
DOTS_PER_INCH = 200  # two device pixels for each CSS pixel

INTERVAL = ("value", "estimate", "low", "high")  # columns of a table that are read as one

HIDDEN = {"Cc", "Cs", "Zl", "Zp"}  # categories of characters that nobody sees
REORDERING = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
# Words of right-to-left scripts, with the blanks, joiners, digits and hyphens between them.
RIGHT_TO_LEFT = "[{0}](?:[ \u200c\u200d\\d-]*[{0}])*".format("\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc")

TEMPLATES = Path(__file__).parent / "templates"

Bundle = tuple[dict[str, Any], dict[str, Any]]


# --- Text from data -------------------------------------------------------------------------------------------------


def visible(text: object) -> str:
    """A text with control characters, bidirectional overrides and lone surrogates written out as `\\u202e`.

    Joiners stay as they are, because Persian words need them, and so do the marks that `isolated` sets.
    """
    pieces = re.split(f"(\u2068{RIGHT_TO_LEFT}\u2069)", str(text))
    return "".join(piece if place % 2 else _written_out(piece) for place, piece in enumerate(pieces))


def _written_out(text: str) -> str:
    hidden = {c for c in text if unicodedata.category(c) in HIDDEN or c in REORDERING}
    return "".join(f"\\u{ord(c):04x}" if c in hidden else c for c in text)


def isolated(text: object) -> str:
    """A visible text in which right-to-left words among left-to-right ones keep to themselves.

    Otherwise the direction of the first word would turn the whole label round, and say of A against B that it is B
    against A.
    """
    shown = visible(text)
    if not re.search("[A-Za-z]", shown):
        return shown
    return re.sub(f"\u2068?({RIGHT_TO_LEFT})\u2069?", "\u2068\\1\u2069", shown)


def escaped(text: object) -> str:
    """A text safe to stand in HTML, in an element or a quoted attribute."""
    return html.escape(isolated(text))


def shortened(text: object, longest: int = LONGEST_LABEL) -> str:
    """A label of at most `longest` characters, in the figures' language; a cut one ends in an ellipsis."""
    label = languages.in_words(visible(text))
    return isolated(label if len(label) <= longest else label[: longest - 1].rstrip() + "…")


@cache
def templates() -> Any:
    """The Jinja templates of cards and pages: whatever is filled in is made visible and escaped, without exception."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else visible("" if value is None else value),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        verdicts=VERDICTS, rungs=RUNGS, cautions=CAUTIONS, count=words.count, plural=words.plural, in_unit=in_unit
    )
    filters = {"estimate": estimate_text, "interval": interval_text, "anchor": anchor, "strip": strip}
    environment.filters.update(filters, taken_apart=taken_apart, part_name=part_name, own=Markup)
    return environment


def in_unit(value: float | None, unit: str, currency: str | None = None, **look: Any) -> str:
    """`words.quantity`, which also shows a number whose unit is unknown here (an entry written by a later version)."""
    if unit in words.UNITS or value is None:
        return words.quantity(value, unit if unit in words.UNITS else "ratio", currency, **look)
    return f"{words.quantity(value, 'ratio')} {unit}".strip()


def csv_text(rows: pd.DataFrame) -> str:
    """A table as CSV that a spreadsheet reads as data: text that would start a formula gets an apostrophe."""
    texts = rows.select_dtypes(include=["object", "string", "category"]).columns
    guarded = rows.assign(**{str(name): rows[name].map(_no_formula) for name in texts})
    return guarded.to_csv(index=False, header=[_no_formula(str(name)) for name in rows.columns], lineterminator="\n")


def _no_formula(value: Any) -> Any:
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _check(name: str, **texts: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ValueError(f"an exhibit's name becomes a file name: small letters, digits and hyphens, not {name!r}")
    if missing := [what for what, text in texts.items() if not text.strip()]:
        raise ValueError(f"exhibit {name} has no {' and no '.join(missing)}: some readers would get nothing")


def _bundle(shown: str, plain: str, **exhibit: str | int) -> dict[str, Any]:
    return {EXHIBIT_MIME: exhibit, "text/html": shown, "text/plain": plain.strip()}


# --- Figures --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """A picture with its finding as title, its words for those who cannot see it, and its data.

    Attributes:
        name: small letters, digits and hyphens; unique in its notebook, names the data file.
        title: the finding as a sentence.
        alt: what the picture shows, in words.
        data: the numbers drawn.
        draw: draws on an empty matplotlib figure; its second argument is true for the phone's version.
        caption: source, n, what the interval is.
        heights: inches, on a page and on a phone.
        hidden: how many rows, cells or bins are not shown, because they stand on too few customers.

    Raises:
        ValueError: no alternative text or title, or a name that cannot be a file name.
    """

    name: str
    title: str
    alt: str
    data: pd.DataFrame = field(repr=False)
    draw: Callable[[Any, bool], None] = field(repr=False)
    caption: str = ""
    heights: tuple[float, float] = HEIGHTS
    hidden: int = 0

    def __post_init__(self) -> None:
        """Refuse a figure that some readers could not read."""
        _check(self.name, title=self.title, **{"alternative text": self.alt})

    def png(self, *, phone: bool = False) -> bytes:
        """The picture as PNG: the same data give the same bytes."""
        import matplotlib as mpl
        from matplotlib.figure import Figure as Canvas

        with mpl.rc_context(theme()), warnings.catch_warnings():
            # A sign that the font lacks, such as an emoji, is drawn as a box; alt and data hold it as it is.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            canvas = Canvas(figsize=(WIDTHS[phone], self.heights[phone]), layout="constrained")
            self.draw(canvas, phone)
            languages.relabel(canvas)
            return _small_png(canvas)

    def csv(self) -> str:
        """The data behind the picture, as far as they may be published."""
        return csv_text(disclosure.released(self.data))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        wide, narrow = (base64.b64encode(self.png(phone=phone)).decode() for phone in (False, True))
        title, caption, alt = map(isolated, (self.title, self.caption, self.alt))
        shown = (
            f"<figure><p><strong>{escaped(title)}</strong></p>"
            f'<img alt="{escaped(alt)}" style="max-width:660px" src="data:image/png;base64,{wide}">'
            f"<figcaption>{escaped(caption)}</figcaption></figure>"
        )
        named: dict[str, Any] = {"kind": "figure", "name": self.name, "title": title, "caption": caption, "alt": alt}
        named["hidden"] = self.hidden
        bundle = _bundle(shown, f"{title}\n{alt}", csv=self.csv(), png_phone=narrow, **named)
        return bundle | {"image/png": wide}, {"image/png": {"alt": alt}}


def theme() -> Any:
    """The one look of all figures, as matplotlib settings: quiet grid, no frame, type that a phone can show."""
    import seaborn as sns

    looks = {
        "font.family": ["DejaVu Sans"],  # comes with matplotlib and holds Persian, so every machine draws the same
        "text.color": INK,
        "text.parse_math": False,  # a dollar sign in a category name is a dollar sign
        "axes.edgecolor": "#9aa0a6",
        "grid.color": "#e3e1dc",
        "xtick.bottom": True,
        "xtick.major.size": 3,
        "xtick.major.width": 0.8,
        "lines.linewidth": 1.9,
        "font.size": 9,
        **dict.fromkeys(["axes.labelsize", "xtick.labelsize", "ytick.labelsize"], 8.5),
        **dict.fromkeys(["axes.labelcolor", "xtick.color", "ytick.color"], QUIET),
        **dict.fromkeys(["axes.spines.left", "axes.spines.right", "axes.spines.top"], False),
        **dict.fromkeys(["figure.facecolor", "axes.facecolor", "savefig.facecolor"], PAPER),
        **dict.fromkeys(["figure.dpi", "savefig.dpi"], DOTS_PER_INCH),
    }
    return {**sns.axes_style("white"), **sns.plotting_context("paper"), **looks}


def _small_png(canvas: Any) -> bytes:
    """Draws a figure into a palette of 128 colours: a third of the bytes, no difference to the eye."""
    from PIL import Image

    raw, small = io.BytesIO(), io.BytesIO()
    canvas.savefig(raw, format="png", metadata={"Software": None})
    picture = Image.open(raw).convert("RGB").quantize(colors=128, dither=Image.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


# --- Tables ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A table for people, whose first column names the rows.

    Attributes:
        name: as for `Figure`.
        title: what the table shows, as a sentence or phrase.
        rows: the numbers in their own scale (a share is 0 to 1).
        caption: a note below.
        units: column -> key of `words.UNITS`; whole numbers without one are shown as counts.
        headings: column -> heading; else the column's name with blanks for underscores.
        currency: shown with amounts of money.
        size_column: the column that says how many customers a row stands on, where `disclosure.COUNTS` does not
            name it.
        min_cell: rows that stand on fewer are hidden, here and in the CSV, as `disclosure` says; else the study's.

    Raises:
        ValueError: a name that cannot be a file name, no title, or a column that is not there.
    """

    name: str
    title: str
    rows: pd.DataFrame = field(repr=False)
    caption: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)
    currency: str | None = None
    size_column: str | None = None
    min_cell: int | None = None

    def __post_init__(self) -> None:
        """Refuse a table that could not be read or does not hold what is said about it."""
        _check(self.name, title=self.title)
        named = {*self.units, *self.headings, *filter(None, [self.size_column])}
        if strange := sorted(named - set(map(str, self.rows.columns))):
            raise ValueError(f"table {self.name} has no column {', '.join(strange)}")

    def released(self) -> pd.DataFrame:
        """The rows as they may be published: small groups hidden."""
        return disclosure.released(self.rows, self.min_cell, columns=self._counts)

    @property
    def hidden(self) -> int:
        """How many rows are not shown, because they stand on too few customers or would give such a row away."""
        return int(disclosure.few(self.rows, self.min_cell, columns=self._counts).sum())

    @property
    def _counts(self) -> tuple[str, ...]:
        return (*disclosure.COUNTS, *filter(None, [self.size_column]))

    def csv(self) -> str:
        """The published rows in their own scale."""
        return csv_text(self.released())

    def html(self) -> str:
        """The table as accessible HTML: a caption, headings that name their scope, numbers marked as numbers."""
        rows = self.released()
        columns = [(self._heading(str(name)), _look(self.rows[name])) for name in rows.columns]
        cells = zip(*(self._cells(rows, str(name)) for name in rows.columns), strict=True)
        return str(
            templates().get_template("exhibits.html.j2").module.table(isolated(self.title), columns, list(cells))
        )

    def _cells(self, rows: pd.DataFrame, name: str) -> list[str]:
        """A column as text; its numbers, and those of an interval's columns together, have the same decimals."""
        column, unit = rows[name], self.units.get(name)
        if not (unit or _is_number(column)):
            return [_shown(value, self.currency) for value in column]
        kin = [other for other in INTERVAL if name in INTERVAL and self.units.get(other) == unit and other in rows]
        together = rows[kin or [name]].apply(pd.to_numeric, errors="coerce").to_numpy(float)
        unit = unit or ("ratio" if (together[np.isfinite(together)] % 1).any() else "count")
        alike = words.deciding(together.ravel().tolist())
        beside = together if unit in words.MULTIPLES else [alike] * len(rows)
        narrow = self._narrow(rows) if unit == "money" else np.nan
        return [
            _shown(value, self.currency, unit, narrow=narrow, beside=row)
            for value, row in zip(column, beside, strict=True)
        ]

    def _narrow(self, rows: pd.DataFrame) -> float:
        """How exactly its amounts of money are known: the widest of their intervals, unless one would be nothing."""
        if not self.units.get("low") == self.units.get("high") == "money":
            return np.nan
        widths = (pd.to_numeric(rows["high"], errors="coerce") - pd.to_numeric(rows["low"], errors="coerce")).dropna()
        return float(widths.max() if (widths >= 2).all() else widths.min())

    def _heading(self, column: str) -> str:
        heading = isolated(self.headings.get(column, words.spoken(column)))
        return heading[:1].upper() + heading[1:]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        title, shown = isolated(self.title), self.html()
        caption = isolated(f"{self.caption} {disclosure.note(self.hidden, self.min_cell)}".strip())
        named: dict[str, Any] = {"kind": "table", "name": self.name, "title": title, "caption": caption}
        named["hidden"] = self.hidden
        note = f"<p>{escaped(caption)}</p>" if caption else ""
        return _bundle(shown + note, f"{title}\n{caption}", csv=self.csv(), html=shown, **named), {}


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _look(column: pd.Series) -> str:
    """How a column is set: numbers to the right, words and dates unbroken, intervals and sentences with room."""
    if _is_number(column):
        return "number"
    texts = column.astype(str)
    longest = texts.str.len().max()
    if longest <= 16:
        return "short"
    told = longest <= 60 and texts.str.contains(r"^[+-]?\d.* to .*\d").any()
    return "told" if told else "long" if longest > LONGEST_LABEL else ""


def _shown(value: Any, currency: str | None, unit: str | None = None, **look: Any) -> str:
    if pd.isna(value):
        return words.MISSING
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, dt.date):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, numbers.Real):
        return in_unit(float(value), unit or ("count" if float(value).is_integer() else "ratio"), currency, **look)
    return isolated(value)


def kept(steps: Iterable[Step]) -> Table:
    """The table under "Who is in the table": each rule with the rows it kept and dropped."""
    rows = pd.DataFrame([(s.rule, s.kept, s.dropped) for s in steps], columns=["rule", "kept", "dropped"])
    return Table(name="kept", title="Rows kept and dropped, rule by rule", rows=rows)


def tabulated(name: str, title: str, headings: Sequence[str], rows: Iterable[Any], *, nothing: str) -> Table | Text:
    """Rows under their headings, or words that say why there are none."""
    frame = pd.DataFrame(list(rows), columns=list(headings))
    return say(nothing) if frame.empty else Table(name=name, title=title, rows=frame)


# --- Sentences ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A paragraph with numbers in it; where there are any, named points below it, and a last paragraph."""

    text: str
    points: Sequence[tuple[str, str]] = ()
    after: str = ""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle:
        told: dict[str, Any] = {"text": isolated(self.text), "points": [*self.points], "after": self.after}
        plain = [told["text"], *(f"- {name}: {point}" for name, point in self.points), self.after]
        shown = templates().get_template("exhibits.html.j2").module.paragraphs(*told.values())
        return _bundle(str(shown).strip(), "\n".join(plain), kind="text", **told), {}


def say(sentence: str, *values: object, **named: object) -> Text:
    """A paragraph of one or more sentences, with `{}` filled in.

    Whole numbers get thousands separators; other numbers come formatted from `words`, because only the caller knows
    their unit.

    Raises:
        TypeError: a number with decimals was given as it is.
    """
    filled = sentence.format(*map(_said, values), **{key: _said(value) for key, value in named.items()})
    return Text(" ".join(filled.split()))


def claimed(hypothesis: str) -> Text:
    """A claim of the register and the rule that decides it.

    Raises:
        KeyError: the register has no such claim.
    """
    row = hypotheses.get(hypothesis)
    labels = [row.rule.label(part) for part in row.rule.parts] if isinstance(row.rule, Compound) else []
    asks, parts, together = taken_apart(row.rule.text(row.unit), labels)
    return Text(f"{row.id}. {row.claim} {asks}", parts, together)


def taken_apart(rule: str, labels: Iterable[str]) -> tuple[str, list[tuple[str, str]], str]:
    """A rule's text at its own marks: what it asks for, each labelled part's rule, how the parts are read together."""
    marks = "|".join(map(re.escape, labels)) or "(?!)"
    asks, *parts = re.split(rf"(?<=\.) ((?:{marks})(?: \(can only \w+\))?): ", rule)
    last, *together = re.split(r"(?<=\.) (?=Because \d)", parts[-1] if parts else "", maxsplit=1)
    return asks, list(zip(parts[::2], [*parts[1:-1:2], last], strict=False)), "".join(together)


def part_name(part: Mapping[str, Any]) -> str:
    """A part of a rule as people read it; entries of earlier versions have no label."""
    return part.get("label") or words.spoken(part["name"])


def instead(sentence: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function that shows something say this sentence and the reason instead, where it cannot show it.

    It cannot where a gate in it fails (`estimates.need`), or where something that it is given is not testable.
    """

    def around(show: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(show)
        def shown(*given: Any, **named: Any) -> Any:
            try:
                list(map(needed, (*given, *named.values())))
                return show(*given, **named)
            except Lack as lack:
                return say(sentence, str(lack))

        return shown

    return around


def _said(value: object) -> str:
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return words.count(int(value))
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        raise TypeError(f"{value} has a unit that only you know: pass words.quantity({value}, unit)")
    return visible(value)


# --- Findings -------------------------------------------------------------------------------------------------------


def anchor(entry: Mapping[str, Any]) -> str:
    """The place of a finding on its page, unique for each hypothesis and reading."""
    reading = "" if entry["headline"] else "-" + re.sub(r"[^a-z0-9]+", "-", str(entry["reading"]).lower()).strip("-")
    return f"finding-{entry['hypothesis']}{reading}"


def estimate_text(entry: Mapping[str, Any], *, interval: bool = True) -> str:
    """The estimate of an entry, or of one of its parts, with its interval: "0.94 (0.90 to 0.98)"; "" without one."""
    if entry["estimate"] is None:
        return ""
    ends = interval_text(entry)
    narrow = entry["high"] - entry["low"] if ends else np.inf
    together = [entry["estimate"], *([entry["low"], entry["high"]] if ends else [])]
    value = in_unit(entry["estimate"], entry["unit"], entry.get("currency"), narrow=narrow, beside=together)
    return f"{value} ({ends})" if interval and ends else value


def interval_text(entry: Mapping[str, Any]) -> str:
    """The interval of an entry, or of one of its parts: "0.90 to 0.98"; "" when an end is missing."""
    low, high, unit = entry["low"], entry["high"], entry["unit"]
    if low is None or high is None:
        return ""
    if unit not in words.UNITS:
        return f"{low:g} to {high:g}"
    return words.interval(low, high, unit, entry.get("currency"), beside=[entry["estimate"]])


def strip(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where the interval lies against what the claim says, in per cent of a line; None where no line can be drawn.

    Returns:
        zone, whisker: (left, right gap) of the claimed values and of the interval; dot: of the estimate; null: of
        "no effect", or None; marks: (place, text) for each bound of the claimed values.
    """
    zone, ends = _claimed(entry["rule"]), [entry["low"], entry["estimate"], entry["high"]]
    if zone is None or None in ends:
        return None
    low, high, null = zone
    drawn = [*ends, *filter(np.isfinite, zone)]
    least, most = min(drawn), max(drawn)
    margin = 0.1 * (most - least) or 1.0

    def at(place: float) -> float:
        return round(float(np.interp(place, [least - margin, most + margin], [0, 100])), 1)

    return {
        "zone": (at(low), round(100 - at(high), 1)),
        "whisker": (at(entry["low"]), round(100 - at(entry["high"]), 1)),
        "dot": at(entry["estimate"]),
        "null": at(null) if np.isfinite(null) else None,
        "marks": [(at(b), in_unit(b, entry["unit"], entry.get("currency"))) for b in (low, high) if np.isfinite(b)],
    }


def _claimed(rule: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Low end, high end and null of what a simple rule claims: infinite where it is open, NaN without a null."""
    match rule:
        case {"kind": "directional" | "model comparison", "at_least": least, "null": null}:
            return (least, np.inf, null) if least > null else (-np.inf, least, null)
        case {"kind": "threshold", "at_least": bound, "below": below}:
            return (-np.inf, bound, np.nan) if below else (bound, np.inf, np.nan)
        case {"kind": "range", "low": low, "high": high}:
            return low, high, np.nan
        case {"kind": "no-effect", "within": within, "against": against, "null": null}:
            least = 1 / within if null == 1 else -within
            return -np.inf if against == "above" else least, np.inf if against == "below" else within, null
    return None


def findings_html(entries: Sequence[Mapping[str, Any]]) -> str:
    """Findings with their look, for JupyterLab: headlines as cards, every other reading as a row below."""
    template = templates().get_template("findings.html.j2")
    return template.render(entries=entries, style=(TEMPLATES / "findings.css").read_text(encoding="utf-8"))
