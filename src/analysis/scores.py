"""Scores: one row a customer, written where their owner asked for them and nowhere else.

A notebook offers its scores in its last cell and knows no path. Only under `loyalty scores` is there a file to write
to; in every other run, and on the page in any case, there is a sentence with the number of customers.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.estimates import NotTestable
from analysis.exhibits import Text, say
from analysis.tables import LoyaltyError, TableError
from analysis.words import listing, plural, spoken

# The environment variable that names the file.
PLACE = "LOYALTY_SCORES"


def offer(people: Any, rows: pd.DataFrame | NotTestable, *, keys: list[str], **alike: object) -> Text:
    """Say who can be scored, and write the scores if this run was asked for them.

    Args:
        people: in the engine, one row a customer: customer_id and the keys.
        rows: one row for all customers with the same keys: the keys and their scores; or why there are none.
        keys: columns that tell whose scores a row holds.
        alike: further columns, the same for every customer: model, horizon.

    Raises:
        TableError: the run was asked for scores, and there are none.
    """
    place = os.environ.get(PLACE)
    if isinstance(rows, NotTestable):
        if place:
            raise TableError(f"No customer can be scored. {rows.reason}")
        return say("No customer can be scored. {}", rows.reason)
    if place:
        _write(people, rows, keys, alike, place)
    named = listing([spoken(name) for name in rows.columns if name not in keys])
    return say(
        "{} can be scored: {}. The command loyalty scores writes them, one row a customer, into a file that its owner "
        "alone can read. They are never part of a page.",
        plural(int(people.count().to_pyarrow().as_py()), "customer"),
        named,
    )


def named(name: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    """value, low and high as columns that say of what: orders, orders_low, orders_high."""
    return {name if each == "value" else f"{name}_{each}": column for each, column in columns.items()}


def _write(people: Any, rows: pd.DataFrame, keys: list[str], alike: Mapping[str, object], place: str) -> None:
    """Joined in the engine: the only table here that is as long as there are customers is the one that is written."""
    import ibis
    from pyarrow.parquet import write_table

    scored = people.select("customer_id", *keys).inner_join(ibis.memtable(rows), keys)
    names = ["customer_id", *(name for name in rows.columns if name not in keys)]
    scored = scored.select(*names, **{name: ibis.literal(value) for name, value in alike.items()})
    write_table(scored.order_by("customer_id").to_pyarrow(), place)


@contextmanager
def unfinished(to: Path) -> Iterator[Path]:
    """A file in the same folder that its owner alone can read; gone at the end of the block, unless it was finished.

    Raises:
        LoyaltyError: scores may not lie there, or nothing can be written there.
    """
    if reason := _refusal(to):
        raise LoyaltyError(f"--to {to}: {reason} Nothing was run.")
    try:
        handle, name = tempfile.mkstemp(dir=to.parent, prefix=f".{to.name}.")
    except OSError as error:
        raise LoyaltyError(f"--to {to}: nothing can be written there ({error.strerror}). Nothing was run.") from None
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def finish(file: Path, to: Path) -> None:
    """Give a file its name in one step: whoever looks sees the old one or the new one, whole."""
    with file.open("rb") as written:
        os.fsync(written.fileno())
    file.replace(to)


def _refusal(to: Path) -> str:
    """Why scores may not lie there: what is in a report folder is meant for readers."""
    folders = {*to.absolute().parents, *to.resolve().parents}
    if Path("reports").resolve() in folders or any(
        (folder / "findings.json").exists() or folder.name.endswith(".builds") for folder in folders
    ):
        return "that is a report folder, and scores name people. Choose a place outside of it."
    if to.suffix != ".parquet":
        return "the file must be called something.parquet."
    if not to.parent.is_dir():
        return "there is no such folder."
    return "that is a folder." if to.is_dir() else ""
