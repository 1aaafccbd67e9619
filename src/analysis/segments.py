"""One study a segment: `for = { country = ["DE", "FR"] }` stands for as many studies as there are combinations.

Each of them reads the same tables, of which a table that has the column keeps the rows of the segment, and any other
one the rows of the customers who are in the segment where it is told. What is no customer's stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from analysis import engines
from analysis.readings import Segment, as_text
from analysis.settings import RunSettings
from analysis.sources import Source
from analysis.tables import TABLES, SettingsError, nearest

if TYPE_CHECKING:
    from analysis.settings import StudySettings, TableSettings

CUSTOMER = ("customer_id", "referrer_id")
FIRST = ("customers", "subscriptions", "orders")  # where a segment is looked up before other tables


def slug(values: Sequence[str]) -> str:
    """A segment's part of a name: small letters, digits and hyphens; empty where no value has any."""
    return "-".join(filter(None, (re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-") for value in values)))


def combinations(given: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every combination of what is listed, with a name of its own: its values, or where these cannot stand in an
    address or are taken, its place.
    """
    taken = set()
    for place, values in enumerate(product(*given.values()), start=1):
        name = slug([str(value) for value in values])
        name = name if name and name not in taken else f"{name}-{place}".strip("-")
        taken.add(name)
        yield name, dict(zip(given, values, strict=True))


def variants(name: str, settings: StudySettings) -> Iterator[tuple[str, StudySettings, dict[str, Any]]]:
    """The studies that one entry of the file stands for: name, settings, and column -> value of its segment."""
    if not settings.each:
        yield name, settings, {}
        return
    for part, only in combinations(settings.each):
        told = ", ".join(f"{column} {value}" for column, value in only.items())
        yield f"{name}-{part}", settings.model_copy(update={"title": f"{settings.title}: {told}"}), only


def runs(listed: Sequence[RunSettings]) -> Iterator[RunSettings]:
    """The runs that are listed, each once for every combination of the parameters that it runs through."""
    for run in listed:
        if not run.each:
            yield run
            continue
        for part, values in combinations(run.each):
            name = "-".join(filter(None, (run.name, part)))
            yield RunSettings(notebook=run.notebook, name=name, **run.parameters | values)


def segments(
    table: str,
    source: Source,
    only: Mapping[str, Any],
    tables: Mapping[str, TableSettings],
    opened: Callable[[str], Source],
) -> dict[str, Segment]:
    """Column -> what keeps the rows of its segment in a table; none where the table's rows are no customer's.

    Args:
        table: of the study.
        source: the table as it lies there.
        only: column of the user's -> value.
        tables: the settings of all tables.
        opened: another table as it lies there.

    Raises:
        SettingsError: no table with customers has such a column.
    """
    found = dict[str, Segment]()
    for column, value in only.items():
        told = f"{column} is not {value}"
        if column in source.rows.columns:
            found[column] = Segment(told, column=column, value=str(value))
        elif own := _customer(table, tables[table], source):
            name, elsewhere, who = _where(column, tables, opened)
            inside = elsewhere.rows.filter(as_text(elsewhere.rows[column]) == str(value))
            members = inside.select(member=as_text(inside[who])).distinct()
            members = engines.bring(members, source.rows.get_backend())
            found[column] = Segment(f"{told} in {name}", members=members, key=own[0])
    return found


def _customer(name: str, settings: TableSettings, source: Source) -> tuple[str, str] | None:
    """The contract's and the user's column of customers in a table; None where it names none."""
    for known in CUSTOMER:
        theirs = settings.columns.get(known, known)
        if known in TABLES[name].names and theirs in source.rows.columns:
            return known, str(theirs)
    return None


def _where(
    column: str, tables: Mapping[str, TableSettings], opened: Callable[[str], Source]
) -> tuple[str, Source, str]:
    """The table in which a segment is told, with the column of its customers."""
    known: set[str] = set()
    for name in sorted(tables, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        source = opened(name)
        who = _customer(name, tables[name], source)
        if who and column in source.rows.columns:
            return name, source, who[1]
        known |= set(source.rows.columns)
    raise SettingsError(
        f'for: no table with customers has a column "{column}". The nearest column is "{nearest(column, known)}".'
    )
