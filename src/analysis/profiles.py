"""What the tables of a study hold: rows, columns, period and gaps, reckoned in the engine and safe to publish."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pandas as pd

from analysis import figures, words
from analysis.checks import CheckedTable
from analysis.exhibits import Figure, Table, Text, say, tabulated
from analysis.studies import Study
from analysis.tables import TABLES

FEW = 30  # a text column with more values than this is a name or a remark, and none of its values is shown


def describe(checked: CheckedTable, *, min_cell: int) -> pd.DataFrame:
    """Describe each column of a table.

    Identifiers and free text show how many values they have and none of them; a category is named only when at
    least `min_cell` rows carry it.

    Args:
        checked: any checked table.
        min_cell: the smallest group that may be shown.

    Returns:
        One row a column: column, meaning, filled (share of rows), distinct (count of values), lowest, highest (of
        numbers and days, as text) and most_common (a category with its share of the filled rows, as text).
    """
    described = [name for name in checked.rows.columns if not name.endswith("?")]
    asked = [part for name in described for part in _questions(checked, name)]
    answers = checked.rows.aggregate([checked.rows.count().name("rows"), *asked]).to_pandas().iloc[0]
    rows = [_described(checked, name, answers, min_cell) for name in described]
    return pd.DataFrame(rows, columns=["column", "meaning", "filled", "distinct", "lowest", "highest", "most_common"])


def _questions(checked: CheckedTable, name: str) -> list[Any]:
    column = checked.rows[name]
    asked = [column.count().name(f"{name}|filled"), column.nunique().name(f"{name}|distinct")]
    if column.type().is_numeric() or column.type().is_temporal():
        asked += [column.min().name(f"{name}|lowest"), column.max().name(f"{name}|highest")]
    return asked


def _described(checked: CheckedTable, name: str, answers: pd.Series, min_cell: int) -> tuple[Any, ...]:
    meaning = {c.name: c.meaning for c in TABLES[checked.name].columns}.get(name, "")
    filled, distinct = int(answers[f"{name}|filled"]), int(answers[f"{name}|distinct"])
    ends = [_plain(answers.get(f"{name}|{end}")) if filled >= min_cell else "" for end in ("lowest", "highest")]
    common = _most_common(checked, name, filled, min_cell) if distinct <= FEW and not ends[0] else ""
    return (name, meaning, filled / max(int(answers["rows"]), 1), distinct, *ends, common)


def _plain(value: Any) -> str:
    if pd.isna(value):
        return ""
    return str(value)[:10] if isinstance(value, str | date) else f"{float(value):,.10g}"


def _most_common(checked: CheckedTable, name: str, filled: int, min_cell: int) -> str:
    if name.endswith("_id") or not filled:
        return ""
    each = checked.rows.group_by(value=checked.rows[name]).agg(n=lambda t: t.count())
    # Of two that are as common, every engine would take another one.
    value, rows = each.order_by(each.n.desc(), each.value.asc(nulls_first=True)).limit(1).to_pandas().iloc[0]
    if rows < min_cell or pd.isna(value):
        return ""
    shown = ("yes" if value else "no") if isinstance(value, bool) else value
    return f"{shown} ({100 * rows / filled:.0f}%)"


def per_month(checked: CheckedTable, column: str) -> pd.DataFrame:
    """Rows in each calendar month, months without any included.

    Returns:
        One row a month: month (first day), rows (count).
    """
    month = checked.rows.mutate(month=checked.rows[column].truncate("M").cast("date"))
    counted = month.group_by("month").aggregate(rows=month.count()).to_pandas().dropna()
    counts = counted["rows"].set_axis(pd.DatetimeIndex(counted["month"], name="month"))
    return counts.sort_index().asfreq("MS", fill_value=0).reset_index()


def longest_gap(checked: CheckedTable, column: str) -> tuple[int, str, str]:
    """The longest run of days without a row: its length in days, the last day before it, the first day after it.

    (0, "", "") when there are fewer than two days with rows.
    """
    import ibis

    days = checked.rows.select(day=checked.rows[column].cast("date")).distinct()
    gaps = days.mutate(before=days["day"].lag().over(order_by=days["day"])).filter(ibis._["before"].notnull())
    gaps = gaps.mutate(length=gaps["day"].delta(gaps["before"], unit="day"))
    found = gaps.order_by(ibis.desc("length")).limit(1).to_pandas()
    if found.empty:
        return 0, "", ""
    gap = found.iloc[0]
    return int(gap["length"]) - 1, str(gap["before"])[:10], str(gap["day"])[:10]


def time_columns(checked: CheckedTable) -> list[str]:
    """The columns that hold a day or a moment, in the table's order."""
    return [name for name in checked.rows.columns if checked.rows[name].type().is_temporal()]


# --- as exhibits --------------------------------------------------------------------------------------------------


def overview(study: Study) -> Text:
    """What the study is, in a sentence or two."""
    tables = study.check().tables
    held = words.listing([f"{words.plural(t.steps[-1].kept, 'row')} of {t.name}" for t in tables])
    made_up = " Its data are simulated: nobody real is in them." if study.simulated else ""
    return say(f"The study is {{}}. It holds {{}}.{made_up}", study.title, held or "no table that could be read")


def kept(tables: Sequence[CheckedTable]) -> Table | Text:
    """Every rule of every table with the rows it kept and dropped."""
    rows = [(t.name, step.rule, step.kept, step.dropped) for t in tables for step in t.steps]
    heads = ["table", "rule", "kept", "dropped"]
    return tabulated("rows-kept", "Rows kept and dropped, rule by rule", heads, rows, nothing="No table was read.")


def notes(tables: Sequence[CheckedTable]) -> Table | Text:
    """What a reader should know about each table."""
    rows = [(t.name, note) for t in tables for note in t.notes]
    return tabulated("notes", "What to know", ["table", "note"], rows, nothing="There is nothing to note.")


def origins(study: Study) -> Table | Text:
    """Where each file comes from, and under which licence."""
    told = {b.file: b for b in study.biographies}.values()
    rows: list[tuple[Any, ...]] = [
        (b.file.name, b.one_row, b.rows, b.source, b.licence, "simulated" if b.simulated else "observed") for b in told
    ] or [(", ".join(study.settings.tables), "", None, "No description lies beside the files.", "", "")]
    heads = ["file", "one row is", "rows", "source", "licence", "nature"]
    return tabulated("origins", "Where the data come from", heads, rows, nothing="This study has no table.")


def columns(study: Study) -> list[Table]:
    """The columns of each table, one exhibit a table."""
    return [
        Table(
            name=f"columns-of-{checked.name}",
            title=f"The columns of {checked.name}",
            rows=describe(checked, min_cell=study.min_cell),
            units={"filled": "share", "distinct": "count"},
        )
        for checked in study.check().tables
    ]


def calendar(study: Study) -> list[Figure | Text]:
    """Rows in each month, one figure for each table with a date."""
    shown: list[Figure | Text] = [
        _month_figure(checked, column, counted)
        for checked in study.check().tables
        for column in time_columns(checked)[:1]
        if len(counted := per_month(checked, column)) > 1
    ]
    return shown or [say("No table of this study holds a date, so there is no calendar to look at.")]


def _month_figure(checked: CheckedTable, column: str, counted: pd.DataFrame) -> Figure:
    best = counted.iloc[int(counted["rows"].argmax())]
    empty = int((counted["rows"] == 0).sum())
    hole = f", and {words.plural(empty, 'month')} without any" if empty else ""
    return figures.timeline(
        counted.rename(columns={"month": "period", "rows": "value"}),
        name=f"{checked.name}-a-month",
        title=f"{checked.name.capitalize()} peak in {best['month']:%B %Y}{hole}",
        caption=f"Rows of {checked.name} a calendar month, by {column}; {words.count(counted['rows'].sum())} rows.",
        y_label="rows a month",
    )


def gaps(study: Study) -> Table | Text:
    """The longest run of days without a row, for each column that holds a date."""
    rows = [
        (checked.name, column, *longest_gap(checked, column))
        for checked in study.check().tables
        for column in time_columns(checked)
    ]
    heads = ["table", "column", "days without a row", "last day before", "first day after"]
    nothing = "Without dates there are no gaps in the calendar to look for."
    return tabulated("gaps", "The longest silence in the calendar", heads, rows, nothing=nothing)


def cautions(study: Study) -> Text | Table:
    """What the data's owners say that these data cannot carry."""
    title, nothing = "What to keep in mind when reading these data", "Nobody wrote down a caution about these files."
    return tabulated("cautions", title, ["number", "caution"], enumerate(study.caveats, 1), nothing=nothing)
