"""Opens a table where it lives: in files here or in an object store, in a lake, or in a database that Ibis reaches.

Files are opened on one DuckDB connection a study. How each kind is opened stands in `formats`, lakes in `lakes`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from glob import escape, glob, has_magic
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from analysis import engines, lakes
from analysis.formats import Files, Labels, needed, open_files
from analysis.tables import LoyaltyError, SettingsError, TableError, nearest

if TYPE_CHECKING:
    import ibis

_URL = re.compile(r"^[a-z][a-z0-9+.-]*://")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
# Where a password stands, a variable may hold any character, so it is quoted; elsewhere it may be a part of the URL.
_PASSWORD_VARIABLE = re.compile(r"(?<=:)\$\{(\w+)\}(?=@)")
_PLAIN_PASSWORD = re.compile(
    r"://[^/@]*:(?!\$\{\w+\}@)[^/@]+@|[?&]([\w-]*(password|pwd|token|secret|signature|credential|_key)|sig)=(?!\$\{)",
    re.IGNORECASE,
)
# Names of what is given through the environment alone, since reports print settings and parameters.
SECRET = re.compile(r"token|password|passwd|secret|api_?key", re.IGNORECASE)
READ = "loyalty.read"  # the audit event of a file that the engine opens, which Python does not see
# Object stores and the like, which fsspec reads; any other address is a database.
STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hdfs", "http", "https", "memory"}
# What a store says of a file that is another one whenever its content is.
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "Content-MD5")
_BETWEEN, _NONE = "\x1f", "\x1e"  # cells of a row that is hashed, and a cell without a value


@dataclass(frozen=True)
class Source:
    """A table where it lives, not yet checked.

    Attributes:
        shown: the place as the settings write it, so that no secret of the environment is ever printed.
        rows: the table, in its engine.
        files: those on this machine that it is read from.
        state: what its store, lake or database says of its content, another one whenever that changes; None if nothing.
        labels: what the codes of columns stand for, by column.
    """

    shown: str
    rows: ibis.Table
    files: tuple[Path, ...] = ()
    state: str | None = None
    labels: Labels = field(default_factory=dict)

    def digest(self, columns: Iterable[str] = ()) -> str | None:
        """SHA-256 over what the table holds.

        Of files it is that of their digests in order of name; else that of the state, where there is one; else that of
        the number of rows and the sum of their hashes, which the engine works out in one pass. That sum is the same in
        whatever order rows come, and is the engine's own: another engine has another one for the same rows.

        Args:
            columns: those that count, for the last of these ways; without any there is no digest.
        """
        if len(self.files) == 1:
            return file_digest(self.files[0])
        said = "".join(map(file_digest, self.files)) or self.state or _sum_of_hashes(self, sorted(columns))
        return said and hashlib.sha256(said.encode()).hexdigest()


def _sum_of_hashes(source: Source, columns: Sequence[str]) -> str | None:
    """The engine, the number of rows and the sum of their hashes, as text; None where the engine has no hash."""
    import ibis
    from ibis.common.exceptions import OperationNotDefinedError

    if not columns:
        return None
    engine = source.rows.get_backend().name
    row = ibis.literal(_BETWEEN).join([source.rows[name].cast("string").fill_null(_NONE) for name in columns])
    hashed = engines.hashed(row).cast("decimal(38, 0)")
    try:
        told = source.rows.aggregate(rows=source.rows.count(), hashes=hashed.sum()).to_pyarrow().to_pylist()[0]
    except OperationNotDefinedError:
        return None
    except Exception as error:  # each engine has its own errors, and their text may quote whole rows
        raise TableError(f'"{source.shown}" could not be read ({type(error).__name__}).') from None
    return f"{engine} {told['rows']} {told['hashes']}"


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
    except ImportError as error:  # Ibis wraps what is lacking
        lacking = getattr(error.__cause__ or error.__context__ or error, "name", None) or "of its driver"
        raise SettingsError(f'"{engine}" needs the package {lacking}: pip install "loyalty-lab[{extra}]".') from None
    except Exception as error:  # each engine has its own errors, and their text may hold the address
        raise TableError(
            f'The engine "{engine}" could not be reached ({type(error).__name__}). Check the address, the user and '
            "the password, and that it runs."
        ) from None


def open_source(
    source: str,
    *,
    folder: Path,
    engine: Any,
    table: str | None = None,
    encoding: str | None = None,
    separator: str | None = None,
    freshness: str | None = None,
) -> Source:
    """Open a table without reading its rows.

    Args:
        source: a path, a pattern or a folder, relative to `folder` or in an object store; or a database's address.
        folder: where the settings file stands.
        engine: the study's DuckDB engine, from `connect`.
        table: the table's name, in a database or a catalog; the sheet of a spreadsheet.
        encoding: of text, where it is not found out.
        separator: of text, where it is not the commonest one of the first line.
        freshness: a query for a database that answers otherwise whenever the table has changed.

    Raises:
        SettingsError: the kind of file is unknown, a variable is not set, a package is missing, or a database or a
            spreadsheet of several sheets gives no table.
        TableError: there is no such file, or it cannot be read.
    """
    address = expand(source)
    scheme = address.partition("://")[0] if _URL.match(address) else ""
    given = {"engine": engine, "table": table}
    if scheme in ("delta", "iceberg"):
        rest = address.removeprefix(f"{scheme}://")
        here = folder / rest
        if scheme == "iceberg" and not here.exists():
            return _lake(scheme, rest, source, **given)  # a catalog's name
        return _lake(scheme, rest if "://" in rest else str(here), source, **given)
    if freshness and (scheme in STORES or not scheme):
        raise SettingsError(f'freshness asks a database; "{source}" is none.')
    given |= {"encoding": encoding, "separator": separator}
    if scheme in STORES:
        return _stored(address, source, **given)
    if scheme:
        return _from_database(address, source, folder=folder, engine=engine, table=table, query=freshness)
    place = folder / address
    if kind := _lake_in(place):
        return _lake(kind, str(place), source, engine=engine, table=table)
    found = _find(source, address, folder)
    for path in found:
        sys.audit(READ, str(path))
    parts = _parts([os.path.relpath(path, folder) for path in found])
    rows, labels = open_files(Files(source, tuple(map(str, found)), parts=parts), **given)
    return Source(source, rows, found, labels=labels)


def pattern(source: str, folder: Path) -> str | None:
    """A glob pattern for the files that a source is; None where it is elsewhere, or its own log tells its state.

    Args:
        source: as in `open_source`.
        folder: where the settings file stands.
    """
    try:
        address = expand(source)
    except SettingsError:
        return None
    if address.startswith("duckdb://"):
        return escape(str(folder / address.removeprefix("duckdb://")))
    place = folder / address
    if _URL.match(address) or _lake_in(place):
        return None
    if place.is_dir():
        return str(Path(escape(str(place))) / "**/*")
    return (
        str(Path(escape(str(folder))) / address) if has_magic(address) and not place.is_file() else escape(str(place))
    )


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


def _lake_in(place: Path) -> str | None:
    return lakes.kind_of(lambda name: (place / name).is_dir()) if place.is_dir() else None


def _lake(kind: str, place: str, source: str, *, engine: Any, table: str | None) -> Source:
    """A table of a lake; of a folder of Iceberg on this machine the newest state."""
    if kind == "iceberg" and os.path.isdir(place):
        place = lakes.latest(glob(f"{escape(place)}/metadata/*")) or place
    rows, state = lakes.open_lake(kind, place, shown=source, engine=engine, table=table)
    return Source(source, rows, state=state)


def _stored(address: str, source: str, **given: Any) -> Source:
    """Files, or a table of a lake, in an object store. Its credentials are what the environment gives to fsspec."""
    scheme = address.partition("://")[0]
    try:
        store = needed("fsspec", "objects", source).filesystem(scheme)
    except (ImportError, ValueError) as error:
        raise SettingsError(f'"{source}" needs a package that is not installed: {error}.') from None
    try:
        store.invalidate_cache()
        kind_there = _type_in(store, address)
        found = (
            [address] if kind_there == "file" else store.glob(address) if not kind_there and has_magic(address) else []
        )
        if kind_there == "directory":
            if kind := lakes.kind_of(lambda name: store.isdir(f"{address}/{name}")):
                newest = lakes.latest(store.ls(f"{address}/metadata", detail=False)) if kind == "iceberg" else None
                lake = store.unstrip_protocol(newest) if newest else address
                return _lake(kind, lake, source, engine=given["engine"], table=given["table"])
            found = store.find(address)
        known = {store.unstrip_protocol(name): store.info(name) for name in sorted(found) if not _hidden(name)}
    except LoyaltyError:
        raise
    except Exception as error:  # of any store; its text may hold what was given to it in secret
        what = "may not be read" if isinstance(error, PermissionError) else "could not be reached"
        raise TableError(
            f'"{source}" {what} ({type(error).__name__}). Check the address, and the credentials that stand in the '
            "environment or in the file it names."
        ) from None
    if not known:
        raise TableError(f'There is nothing at "{source}".')
    tags = {name: next((info[tag] for tag in _TAGS if info.get(tag)), "W/") for name, info in known.items()}
    weak = any(tag.startswith("W/") for tag in tags.values())
    rows, labels = open_files(Files(source, tuple(known), store, _parts(known)), **given)
    return Source(source, rows, state=None if weak else json.dumps(tags), labels=labels)


def _type_in(store: Any, address: str) -> str | None:
    """Whether an address is a "file" or a "directory" in a store; None where it is nothing."""
    try:
        return str(store.info(address)["type"])
    except FileNotFoundError:
        return None


def _hidden(path: str) -> bool:
    """Whether a file is none of the data, as what engines write beside them."""
    return PurePath(path).name.startswith((".", "_"))


def _parts(paths: Iterable[str]) -> tuple[str, ...]:
    """The columns that the names of folders give, as year in year=2024/a.parquet."""
    folders = PurePath(next(iter(paths))).parts[:-1]
    return tuple(folder.partition("=")[0] for folder in folders if "=" in folder)


def _find(source: str, address: str, folder: Path) -> tuple[Path, ...]:
    """The files that a path, a pattern or a folder names, in order of name."""
    found = sorted(map(Path, glob(pattern(address, folder) or "", recursive=True)))
    files = tuple(path for path in found if path.is_file() and (path == folder / address or not _hidden(str(path))))
    if not files:
        what = "No file matches the source" if has_magic(address) else "There is no file"
        raise TableError(f'{what} "{source}". Paths are relative to the studies file.{_hint(folder, address)}')
    return files


def _hint(place: Path, address: str) -> str:
    """What stands where the first part of a path does not."""
    for part in Path(address).parts:
        if not (place / part).exists():
            beside = [path.name for path in place.iterdir()] if place.is_dir() and not has_magic(part) else []
            return f' The nearest name beside it is "{nearest(part, beside)}".' if beside else ""
        place /= part
    return ""


def _from_database(address: str, source: str, *, folder: Path, query: str | None, **given: Any) -> Source:
    """A table of a database, with what it says of its freshness."""
    rows = _database_table(address, source, folder=folder, **given)
    if not address.startswith("duckdb://"):
        return Source(source, rows, state=freshness(rows.get_backend(), query, source))
    file = folder / address.removeprefix("duckdb://")
    return Source(source, rows, tuple(path for path in (file, Path(f"{file}.wal")) if path.exists()))


def freshness(engine: Any, query: str | None, source: str) -> str | None:
    """What a database answers to the user's own question, which can only select; None where there is none.

    Raises:
        TableError: it cannot be answered.
    """
    try:
        return query and json.dumps([query, engine.sql(query).to_pyarrow().to_pylist()], default=str)
    except Exception as error:  # as in `_database_table`
        raise TableError(
            f'The freshness query of "{source}" did not work ({type(error).__name__}). It should be one SELECT.'
        ) from None


def _database_table(address: str, source: str, *, folder: Path, engine: Any, table: str | None) -> ibis.Table:
    """Open one table of a database, for reading only where the engine allows to say so."""
    if not table:
        raise SettingsError(f'The source "{source}" is a database: name the table with table = "…".')
    beside: Callable[[], list[str]] = list
    try:
        if address.startswith("duckdb://"):
            place = _attached(engine, folder / address.removeprefix("duckdb://"))
            beside = partial(_tables_in, engine, place)
            *schema, name = table.split(".")
            return engine.table(name, database=(place, ".".join(schema) or "main"))
        there = connect(engine.timezone, source)
        beside = partial(engines.beside, there, table)
        return engines.table(there, table)
    except LoyaltyError:
        raise
    except Exception as error:  # each engine has its own errors, and their text may hold the address
        raise TableError(
            f'The table "{table}" of "{source}" could not be opened ({type(error).__name__}). Check the address, the '
            f"permission, the table's name, and that Ibis has the driver.{_nearest_there(table, beside())}"
        ) from None


def _nearest_there(name: str, tables: list[str]) -> str:
    near = nearest(name, tables)
    return f' The nearest name there is "{near}".' if near else ""


def own_table(engine: Any, name: str, *, shown: str) -> ibis.Table:
    """A table of a study's own engine, by its name.

    Raises:
        TableError: the engine has no such table, or does not let it be read.
    """
    try:
        return engines.table(engine, name)
    except Exception as error:  # each engine has its own errors, and their text may hold the address
        hint = _nearest_there(name, engines.beside(engine, name))
        raise TableError(
            f'The source "{name}" is no file beside the studies file, and as a table of the engine "{shown}" it could '
            f"not be opened ({type(error).__name__}). Check its name, with its schema before it, and the "
            f"permission.{hint}"
        ) from None


def _attached(engine: Any, file: Path) -> str:
    """The name under which a DuckDB file is on the study's own engine, so that its tables can be joined with others."""
    name = f"file_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    sys.audit(READ, str(file))
    path = str(file).replace("'", "''")
    engine.con.execute(f"ATTACH IF NOT EXISTS '{path}' AS {name} (READ_ONLY)")
    return name


def _tables_in(engine: Any, place: str) -> list[str]:
    """The tables of a DuckDB file that is attached, with their schema unless it is the file's own."""
    asked = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = ?"
    found = engine.con.execute(asked, [place]).fetchall()
    return [name if schema == "main" else f"{schema}.{name}" for schema, name in found]
