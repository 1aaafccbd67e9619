"""Opens tables of lakes: Delta and Iceberg, as Arrow hands them over, at the state they have when they are opened.

Their own logs say which files are the table and which state it is in, so nothing has to be read to tell a change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from analysis.formats import needed, register
from analysis.tables import LoyaltyError, SettingsError, TableError

if TYPE_CHECKING:
    import ibis

_METADATA = ".metadata.json"


def kind_of(exists: Callable[[str], bool]) -> str | None:
    """The lake that a folder holds, by what is in it: "delta", "iceberg" or None.

    Args:
        exists: whether a path below the folder does.
    """
    return "delta" if exists("_delta_log") else "iceberg" if exists("metadata") else None


def latest(paths: Iterable[str]) -> str | None:
    """Of the files in an Iceberg table's folder of metadata, the newest state; None where there is none."""
    numbers = {path: re.search(r"(\d+)[^/]*$", path) for path in paths if path.endswith(_METADATA)}
    return max((path for path, found in numbers.items() if found), key=lambda p: int(numbers[p][1]), default=None)  # type: ignore[index]


def open_lake(kind: str, place: str, *, shown: str, engine: Any, table: str | None) -> tuple[ibis.Table, str]:
    """Open a table of a lake.

    Args:
        kind: "delta" or "iceberg".
        place: the folder of a Delta table; of an Iceberg table the file of its state, or the name of a catalog whose
            settings the environment gives (`PYICEBERG_CATALOG__NAME__…`).
        shown: the place as the settings write it.
        engine: a DuckDB engine.
        table: its name in the catalog.

    Returns:
        The table, and what names its state: never the same for two contents.

    Raises:
        SettingsError: a catalog is named without a table, or a package is missing.
        TableError: there is no such table, or it cannot be read.
    """
    try:
        data, state = _delta(place, shown) if kind == "delta" else _iceberg(place, shown, table)
    except LoyaltyError:
        raise
    except Exception as error:  # of a library, a store or a catalog; its text may hold what was given to it in secret
        raise TableError(
            f'"{shown}"{f", {table}," if table else ""} could not be opened as a table of {kind.title()} '
            f"({type(error).__name__}). Check that it is there, and that the environment's credentials may read it."
        ) from None
    return register(engine, data), state


def _delta(place: str, shown: str) -> tuple[Any, str]:
    lake = needed("deltalake", "lakes", shown).DeltaTable(place)
    return lake.to_pyarrow_dataset(), f"{lake.metadata().id} {lake.version()}"


def _iceberg(place: str, shown: str, table: str | None) -> tuple[Any, str]:
    needed("pyiceberg", "lakes", shown)
    from pyiceberg.catalog import load_catalog
    from pyiceberg.table import StaticTable

    if place.endswith(_METADATA):
        endpoint = os.environ.get("AWS_ENDPOINT_URL")  # which Arrow does not look for
        found: Any = StaticTable.from_metadata(place, {"s3.endpoint": endpoint} if endpoint else {})
    elif table:
        found = load_catalog(place).load_table(table)
    else:
        raise SettingsError(f'The source "{shown}" is a catalog: name the table with table = "SPACE.NAME".')
    snapshot = found.current_snapshot()
    return _Snapshot(found), f"{found.metadata.table_uuid} {snapshot and snapshot.snapshot_id}"


class _Snapshot:
    """An Iceberg table for DuckDB, which asks for the stream anew in every query."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """All rows, batch by batch."""
        return self.table.scan().to_arrow_batch_reader().__arrow_c_stream__(requested_schema)
