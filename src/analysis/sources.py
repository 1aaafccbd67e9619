"""Opens a table where it lives: CSV or Parquet files, or a database that Ibis can reach.

Files are opened on one DuckDB connection a study. Text files are read as text: parsing, and saying what could
not be parsed, belongs to `checks`.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import sys
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from analysis import engines
from analysis.tables import LoyaltyError, SettingsError, TableError, nearest

if TYPE_CHECKING:
    import ibis

_URL = re.compile(r"^[a-z][a-z0-9+.-]*://")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
# Where a password stands, a variable may hold any character, so it is quoted; elsewhere it may be a part of the URL.
_PASSWORD_VARIABLE = re.compile(r"(?<=:)\$\{(\w+)\}(?=@)")
_PLAIN_PASSWORD = re.compile(r"://[^/@]*:(?!\$\{\w+\}@)[^/@]+@|[?&](password|pwd|token|secret)=(?!\$\{)", re.IGNORECASE)
# Names of what is given through the environment alone, since reports print settings and parameters.
SECRET = re.compile(r"token|password|passwd|secret|api_?key", re.IGNORECASE)
READ = "loyalty.read"  # the audit event of a file that the engine opens, which Python does not see
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Source:
    """A table where it lives, not yet checked.

    `shown` is the place as the settings write it, so that no secret of the environment is ever printed.
    """

    shown: str
    rows: ibis.Table
    files: tuple[Path, ...]

    def digest(self) -> str | None:
        """SHA-256 over the digests of the files in order of name; None for a database, which has no fixed content."""
        if not self.files:
            return None
        if len(self.files) == 1:
            return file_digest(self.files[0])
        return hashlib.sha256("".join(map(file_digest, self.files)).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_url(source: str) -> bool:
    """Whether a source is a database address rather than a path."""
    return bool(_URL.match(source) or source.startswith("${"))


def holds_secret(source: str) -> bool:
    """Whether a database address has a password or token written out instead of `${NAME}`."""
    return bool(_PLAIN_PASSWORD.search(source))


def connect(timezone: str, engine: str = engines.DUCKDB) -> Any:
    """Open an engine whose days are those of `timezone`: DuckDB in this process, Spark, or a database by its address.

    Raises:
        SettingsError: a variable of the address is not set, or a package is missing.
        TableError: the engine cannot be reached.
    """
    extra = {engines.DUCKDB: "", engines.SPARK: "spark"}.get(engine, "postgres")
    try:
        return engines.connect(expand(engine), timezone)
    except SettingsError:
        raise
    except ModuleNotFoundError as error:
        raise SettingsError(f'"{engine}" needs the package {error.name}: pip install "loyalty-lab[{extra}]".') from None
    except Exception as error:  # each engine has its own errors, and their text may hold the address
        raise TableError(
            f'The engine "{engine}" could not be reached ({type(error).__name__}). Check the address, the user and '
            "the password, and that it runs."
        ) from None


def open_source(source: str, *, folder: Path, engine: Any, table: str | None = None) -> Source:
    """Open a table without reading its rows.

    Args:
        source: a path or a pattern relative to `folder` (.csv, .txt, .tsv or .parquet), or a database address.
        folder: where the settings file stands.
        engine: the study's DuckDB engine, from `connect`.
        table: the table's name, for a database.

    Raises:
        SettingsError: the kind of file is unknown, a variable is not set, a database gives no table name.
        TableError: there is no such file, or it cannot be read.
    """
    if is_url(source):
        return Source(source, _database_table(source, folder=folder, engine=engine, table=table), ())
    files = _find(source, folder)
    for path in files:
        sys.audit(READ, str(path))
    endings = {path.suffix.lower() for path in files}
    if endings == {".parquet"}:
        return Source(source, _open_parquet(files, shown=source, engine=engine), files)
    if endings <= {".csv", ".tsv", ".txt"}:
        return Source(source, _open_csv(files, shown=source, engine=engine), files)
    raise SettingsError(f'The source "{source}" is neither .csv, .tsv, .txt nor .parquet, nor a database address.')


def expand(source: str) -> str:
    """Put the environment's values where an address says `${NAME}`.

    Raises:
        SettingsError: a variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise SettingsError(f'"{source}" needs the environment variable {name}, which is not set.')
        return os.environ[name]

    quoted = _PASSWORD_VARIABLE.sub(lambda match: quote(value(match), safe=""), source)
    return _VARIABLE.sub(value, quoted)


def _find(source: str, folder: Path) -> tuple[Path, ...]:
    """The files a path or pattern names, in order of name."""
    place = folder / source
    if has_magic(source):
        files = tuple(sorted(folder / found for found in glob(source, root_dir=folder, recursive=True)))
        if not files:
            raise TableError(f'No file matches the source "{source}". The pattern is relative to the studies file.')
        return files
    if not place.is_file():
        beside = [path.name for path in place.parent.iterdir() if path.is_file()] if place.parent.is_dir() else []
        hint = f' The nearest name beside it is "{nearest(place.name, beside)}".' if beside else ""
        raise TableError(f'There is no file "{source}". Paths are relative to the studies file.{hint}')
    return (place,)


def _open_parquet(files: tuple[Path, ...], *, shown: str, engine: Any) -> ibis.Table:
    import duckdb

    try:
        return engine.read_parquet([str(path) for path in files])
    except duckdb.Error as error:
        raise TableError(f'"{shown}" is not a Parquet file that can be read, or its files differ.') from error


def _open_csv(files: tuple[Path, ...], *, shown: str, engine: Any) -> ibis.Table:
    """Open CSV files as text columns named by their header."""
    delimiter, names = _header(files[0])
    for other in files[1:]:
        if _header(other) != (delimiter, names):
            raise TableError(
                f'The files of "{shown}" do not have the same columns: {other.name} differs from {files[0].name}.'
            )
    return engine.read_csv(
        [str(path) for path in files],
        columns=dict.fromkeys(names, "varchar"),
        auto_detect=False,
        delim=delimiter,
        quote='"',
        escape='"',
    )


def _header(path: Path) -> tuple[str, tuple[str, ...]]:
    """The delimiter and the column names in the first line of a text file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline()
    except OSError as error:
        raise TableError(f"{path.name} cannot be opened: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path.name} is not in UTF-8. Save it as UTF-8 (in a spreadsheet: CSV UTF-8).") from error
    if not line.strip():
        raise TableError(f"{path.name} is empty: it has not even a line of column names.")
    delimiter = max(_DELIMITERS, key=line.count)
    names = tuple(next(csv.reader([line], delimiter=delimiter)))
    alike = [name.casefold() for name in names]  # the engine does not tell Date from date
    twice = [name for name in names if alike.count(name.casefold()) > 1]
    if "" in names or twice:
        what = "a column without a name" if "" in names else f'the column "{twice[0]}" more than once'
        raise TableError(f"{path.name} has {what} in its first line. Give every column its own name.")
    return delimiter, names


def _database_table(source: str, *, folder: Path, engine: Any, table: str | None) -> ibis.Table:
    """Open one table of a database, for reading only where the engine allows to say so."""
    if not table:
        raise SettingsError(f'The source "{source}" is a database: name the table with table = "…".')
    address = expand(source)
    try:
        if address.startswith("duckdb://"):
            return _attached(engine, folder / address.removeprefix("duckdb://"), table)
        return engines.table(connect(engine.timezone, source), table)
    except LoyaltyError:
        raise
    except Exception as error:  # each engine has its own errors, and their text may hold the address
        raise TableError(
            f'The table "{table}" of "{source}" could not be opened ({type(error).__name__}). '
            "Check the address, the permission, the table's name, and that Ibis has the driver."
        ) from None


def own_table(engine: Any, name: str, *, shown: str) -> ibis.Table:
    """A table of a study's own engine, by its name.

    Raises:
        TableError: the engine has no such table, or does not let it be read.
    """
    try:
        return engines.table(engine, name)
    except Exception as error:  # each engine has its own errors, and their text may hold the address
        raise TableError(
            f'The source "{name}" is no file beside the studies file, and as a table of the engine "{shown}" it could '
            f"not be opened ({type(error).__name__}). Check its name, with its schema before it, and the permission."
        ) from None


def _attached(engine: Any, file: Path, table: str) -> ibis.Table:
    """A table of a DuckDB file, on the study's own engine, so that it can be joined with the others."""
    name = f"file_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    sys.audit(READ, str(file))
    path = str(file).replace("'", "''")
    engine.con.execute(f"ATTACH IF NOT EXISTS '{path}' AS {name} (READ_ONLY)")
    return engine.table(table, database=(name, "main"))
