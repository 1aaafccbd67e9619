"""What the tables of a study hold: rows, columns, period and gaps, reckoned in the engine and safe to publish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import figures, words
from analysis.checks import CheckedTable
from analysis.exhibits import Figure, Table, Text, say
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
    numbers = checked.rows.aggregate(
        [checked.rows.count().name("rows")] + [part for name in described for part in _questions(checked, name)]
    )
    answer = numbers.to_pandas().iloc[0]
    rows = [_described(checked, name, answer, min_cell) for name in described]
    return pd.DataFrame(rows, columns=["column", "meaning", "filled", "distinct", "lowest", "highest", "most_common"])


def _questions(checked: CheckedTable, name: str) -> list[Any]:
    column = checked.rows[name]
    asked = [column.count().name(f"{name}|filled"), column.nunique().name(f"{name}|distinct")]
    if _ordered(checked, name):
        asked += [column.min().name(f"{name}|lowest"), column.max().name(f"{name}|highest")]
    return asked


def _ordered(checked: CheckedTable, name: str) -> bool:
    kind = checked.rows[name].type()
    return kind.is_numeric() or kind.is_temporal()


def _described(checked: CheckedTable, name: str, answer: pd.Series, min_cell: int) -> tuple[Any, ...]:
    known = {c.name: c.meaning for c in TABLES[checked.name].columns}
    filled, distinct = int(answer[f"{name}|filled"]), int(answer[f"{name}|distinct"])
    lowest = highest = ""
    if _ordered(checked, name) and filled >= min_cell:
        lowest, highest = _plain(answer[f"{name}|lowest"]), _plain(answer[f"{name}|highest"])
    common = _most_common(checked, name, filled, min_cell) if distinct <= FEW and not lowest else ""
    return (name, known.get(name, ""), filled / max(int(answer["rows"]), 1), distinct, lowest, highest, common)


def _plain(value: Any) -> str:
    if pd.isna(value):
        return ""
    if isinstance(value, pd.Timestamp | str) or hasattr(value, "isoformat"):
        return str(value)[:10]
    return f"{float(value):,.10g}"


def _most_common(checked: CheckedTable, name: str, filled: int, min_cell: int) -> str:
    if name.endswith("_id") or not filled:
        return ""
    top = checked.rows[name].topk(1).to_pandas().iloc[0]
    value, rows = top.iloc[0], int(top.iloc[1])
    shown = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
    return f"{shown} ({100 * rows / filled:.0f}%)" if rows >= min_cell and not pd.isna(value) else ""


def per_month(checked: CheckedTable, column: str) -> pd.DataFrame:
    """Rows in each calendar month, months without any included.

    Returns:
        One row a month: month (first day), rows (count).
    """
    month = checked.rows.mutate(month=checked.rows[column].truncate("M").cast("date"))
    counted = month.group_by("month").aggregate(rows=month.count()).to_pandas().dropna()
    if counted.empty:
        return pd.DataFrame({"month": pd.Series(dtype="datetime64[ns]"), "rows": pd.Series(dtype=int)})
    series = counted.assign(month=pd.to_datetime(counted["month"])).set_index("month")["rows"].sort_index()
    whole = pd.date_range(series.index[0], series.index[-1], freq="MS")
    return series.reindex(whole, fill_value=0).rename_axis("month").reset_index()


def longest_gap(checked: CheckedTable, column: str) -> tuple[int, str, str]:
    """The longest run of days without a row: its length in days, the last day before it, the first day after it.

    (0, "", "") when there are fewer than two days with rows.
    """
    import ibis

    days = checked.rows.select(day=checked.rows[column].cast("date")).distinct()
    nights = days.mutate(before=days["day"].lag().over(order_by=days["day"]))
    gaps = nights.filter(nights["before"].notnull())
    gaps = gaps.mutate(length=gaps["day"].delta(gaps["before"], unit="day")).order_by(ibis.desc("length")).limit(1)
    found = gaps.to_pandas()
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


def kept(tables: Sequence[CheckedTable]) -> Table:
    """Every rule of every table with the rows it kept and dropped."""
    rows = [(t.name, step.rule, step.kept, step.dropped) for t in tables for step in t.steps]
    return Table(
        name="rows-kept",
        title="Rows kept and dropped, rule by rule",
        rows=pd.DataFrame(rows, columns=["table", "rule", "kept", "dropped"]),
    )


def notes(tables: Sequence[CheckedTable]) -> Table | Text:
    """What a reader should know about each table."""
    rows = [(t.name, note) for t in tables for note in t.notes]
    if not rows:
        return say("There is nothing to note.")
    return Table(name="notes", title="What to know", rows=pd.DataFrame(rows, columns=["table", "note"]))


def origins(study: Study) -> Table:
    """Where each file comes from, and under which licence."""
    told = {b.file: b for b in study.biographies}
    rows: list[tuple[Any, ...]] = [
        (b.file.name, b.one_row, b.rows, b.source, b.licence, "simulated" if b.simulated else "observed")
        for b in told.values()
    ] or [(", ".join(study.settings.tables), "", None, "No description lies beside the files.", "", "")]
    heads = ["file", "one row is", "rows", "source", "licence", "nature"]
    return Table(name="origins", title="Where the data come from", rows=pd.DataFrame(rows, columns=heads))


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
    shown: list[Figure | Text] = []
    for checked in study.check().tables:
        for column in time_columns(checked)[:1]:
            counted = per_month(checked, column)
            if len(counted) > 1:
                shown.append(_month_figure(checked, column, counted))
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
    rows = []
    for checked in study.check().tables:
        for column in time_columns(checked):
            length, before, after = longest_gap(checked, column)
            rows.append((checked.name, column, length, before, after))
    if not rows:
        return say("Without dates there are no gaps in the calendar to look for.")
    heads = ["table", "column", "days without a row", "last day before", "first day after"]
    return Table(name="gaps", title="The longest silence in the calendar", rows=pd.DataFrame(rows, columns=heads))


def cautions(study: Study) -> Text | Table:
    """What the data's owners say that these data cannot carry."""
    if not study.caveats:
        return say("Nobody wrote down a caution about these files.")
    rows = pd.DataFrame({"number": range(1, len(study.caveats) + 1), "caution": study.caveats})
    return Table(name="cautions", title="What to keep in mind when reading these data", rows=rows)
