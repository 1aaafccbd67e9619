"""Opens files by their kind: text, Parquet, spreadsheets and SPSS, from a folder or an object store.

Text and the cells of a spreadsheet are opened as text: parsing, and saying what could not be parsed, belongs to
`checks`. A file is read where it is; only spreadsheets and SPSS, which are small, are read as a whole.
"""

from __future__ import annotations

import codecs
import csv
import importlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from analysis.tables import SettingsError, TableError, nearest

if TYPE_CHECKING:
    import ibis

TEXT, PARQUET = {".csv", ".tsv", ".txt"}, {".parquet", ".pq"}
SHEETS, SPSS = {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}, {".sav", ".zsav"}
KINDS = (TEXT, PARQUET, SHEETS, SPSS)
UTF8 = ("utf-8", "utf-8-sig", "ascii")  # what the engine reads by itself
# What tables are written in that are not in UTF-8, most of them by spreadsheets that save "CSV".
ENCODINGS = {"cp1252": "Western Europe", "cp1256": "Persian, Arabic", "cp1250": "Central Europe", "cp1251": "Cyrillic"}
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_DELIMITERS = (",", ";", "\t", "|")
_SHOWN = 60  # characters of a line

Labels = Mapping[str, Mapping[float, str]]


@dataclass(frozen=True)
class Files:
    """Files of one kind that are one table.

    Attributes:
        shown: the place as the settings write it.
        paths: as the engine reads them.
        store: the object store they are in, from fsspec; None where they are here.
        parts: the columns that the names of their folders give, as year in year=2024.
    """

    shown: str
    paths: tuple[str, ...]
    store: Any = None
    parts: tuple[str, ...] = ()

    @contextmanager
    def reading(self, path: str) -> Iterator[Any]:
        """One of the files, as bytes.

        Raises:
            TableError: it cannot be opened.
        """
        try:
            with self.store.open(path, "rb") if self.store else open(path, "rb") as file:
                yield file
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise TableError(f"{PurePath(path).name} cannot be opened: {why}.") from None


@dataclass(frozen=True)
class _Head:
    """How a text file is written, and its column names; `skip` counts the lines before these."""

    encoding: str
    skip: int
    delimiter: str
    names: tuple[str, ...]


def needed(module: str, extra: str, shown: str) -> Any:
    """A package that only some sources need.

    Raises:
        SettingsError: it is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        what = f'"{shown}" needs {module.partition(".")[0]}, which is not installed'
        raise SettingsError(f'{what}. It comes with the extra "{extra}": pip install "loyalty-lab[{extra}]".') from None


def register(engine: Any, data: Any) -> ibis.Table:
    """Data that Arrow hands over, as a table of the engine."""
    from ibis.util import gen_name

    engine.con.register(name := gen_name("loyalty"), data)
    return engine.table(name)


def open_files(
    files: Files, *, engine: Any, table: str | None = None, encoding: str | None = None, separator: str | None = None
) -> tuple[ibis.Table, Labels]:
    """Open files as one table.

    Args:
        files: of one kind, by the endings of their names.
        engine: a DuckDB engine.
        table: the sheet of a spreadsheet.
        encoding: of text, where it is not found out; a mark at the beginning of a file says it first.
        separator: of text; else the commonest of , ; tab and | in its first line.

    Returns:
        The table, and what the codes of its columns stand for.

    Raises:
        SettingsError: the kind is unknown, no sheet is named, or a package is missing.
        TableError: a file cannot be read, or they differ.
    """
    endings = {PurePath(path).suffix.lower() for path in files.paths}
    kind = next((kind for kind in KINDS if endings <= kind), None)
    if kind is None:
        raise SettingsError(
            f'The source "{files.shown}" is neither .csv, .tsv, .txt, .parquet, .xlsx nor .sav, nor a folder of such '
            "files, nor the address of a database."
        )
    if kind is TEXT:
        return _open_text(files, engine, encoding, separator), {}
    if kind is PARQUET:
        return _open_parquet(files, engine), {}
    if kind is SHEETS:
        return _open_sheets(files, engine, table), {}
    return _open_spss(files, engine)


def _scan(engine: Any, function: str, files: Files, **options: Any) -> ibis.Table:
    """Files as a view. Ibis would load an extension from the network for an object store, so it is made by hand."""
    from ibis.util import gen_name

    if files.store and not {*engine.con.list_filesystems()} & {*_protocols(files.store)}:
        engine.con.register_filesystem(files.store)
    if files.parts:
        options |= {"hive_partitioning": True, "hive_types_autocast": False}
    told = ", ".join([_literal(list(files.paths)), *(f"{key} = {_literal(value)}" for key, value in options.items())])
    engine.con.execute(f"CREATE TEMP VIEW {(name := gen_name('loyalty'))} AS SELECT * FROM {function}({told})")
    return engine.table(name)


def _protocols(store: Any) -> tuple[str, ...]:
    return (store.protocol,) if isinstance(store.protocol, str) else tuple(store.protocol)


def _literal(value: Any) -> str:
    """A value as DuckDB writes it; a mapping is a struct."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(key)}: {_literal(held)}' for key, held in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def _open_parquet(files: Files, engine: Any) -> ibis.Table:
    import duckdb

    try:
        return _scan(engine, "read_parquet", files)
    except duckdb.Error as error:
        raise TableError(f'"{files.shown}" is not a Parquet file that can be read, or its files differ.') from error


# --- text ---------------------------------------------------------------------------------------------------------


def _open_text(files: Files, engine: Any, encoding: str | None, separator: str | None) -> ibis.Table:
    """Open CSV files as text columns named by their header."""
    head = _header(files, files.paths[0], encoding, separator)
    for other in files.paths[1:]:
        if (differs := _header(files, other, encoding, separator)) != head:
            what = "have the same columns" if differs.names != head.names else "are not written in the same way"
            first, second = PurePath(files.paths[0]).name, PurePath(other).name
            raise TableError(f'The files of "{files.shown}" do not {what}: {second} differs from {first}.')
    if head.encoding in UTF8:
        return _scan(
            engine, "read_csv", files, columns=dict.fromkeys(head.names, "varchar"), auto_detect=False, header=True,
            skip=head.skip, delim=head.delimiter, quote='"', escape='"',
        )  # fmt: skip
    return register(engine, _recoded(files, head))


def _recoded(files: Files, head: _Head) -> Any:
    """Text in another encoding than UTF-8, which Arrow recodes while it is read."""
    import pyarrow as pa
    from pyarrow import csv as text
    from pyarrow import dataset

    kinds = {name: pa.string() for name in head.names}
    form = dataset.CsvFileFormat(
        text.ParseOptions(delimiter=head.delimiter, newlines_in_values=True),
        convert_options=text.ConvertOptions(column_types=kinds, strings_can_be_null=False),
        read_options=text.ReadOptions(
            encoding=head.encoding, column_names=list(head.names), skip_rows=head.skip, skip_rows_after_names=1
        ),
    )
    parts = {name: pa.string() for name in files.parts}
    return dataset.dataset(
        list(files.paths),
        schema=pa.schema(kinds | parts),
        format=form,
        filesystem=files.store,
        partitioning=dataset.partitioning(pa.schema(parts), flavor="hive"),
    )


def _header(files: Files, path: str, encoding: str | None, separator: str | None) -> _Head:
    """What the first lines of a text file tell; blank lines and a spreadsheet's "sep=;" come before the names."""
    name = PurePath(path).name
    with files.reading(path) as file:
        start = file.read(3)
        told = next((one for mark, one in _MARKS.items() if start.startswith(mark)), encoding or "utf-8")
        file.seek(0)
        try:
            text = io.TextIOWrapper(file, encoding=told, newline="")
            lines = iter(text.readline, "")
            skip, line = next(((n, line) for n, line in enumerate(lines) if line.strip()), (0, ""))
            if said := re.match(r'"?sep=(.)', line, re.IGNORECASE):
                separator, skip, line = separator or said[1], skip + 1, next(lines, "")
            if not line.strip():
                raise TableError(f"{name} is empty: it has not even a line of column names.")
            delimiter = separator or max(_DELIMITERS, key=line.count)
            names = next(csv.reader(chain([line], lines), delimiter=delimiter))
        except UnicodeDecodeError:
            file.seek(0)
            raise _undecoded(name, file, encoding) from None
    return _Head(codecs.lookup(told).name, skip, delimiter, _named(names, name))


def _named(names: list[str], where: str) -> tuple[str, ...]:
    """Column names on one line each; the engine needs them there, and different."""
    names = [re.sub(r"\s*[\r\n]+\s*", " ", name.strip()) for name in names]
    alike = [name.casefold() for name in names]  # the engine does not tell Date from date
    twice = [name for name in names if alike.count(name.casefold()) > 1]
    if "" in names or twice:
        what = "a column without a name" if "" in names else f'the column "{twice[0]}" more than once'
        raise TableError(f"{where} has {what} in its first line. Give every column its own name.")
    return tuple(names)


def _undecoded(name: str, file: Iterable[bytes], encoding: str | None) -> TableError:
    """What to say of text that cannot be read as it should be, with how its first special letter reads elsewhere."""
    if encoding:
        return TableError(f"{name} is not in {encoding}, as the settings say, or not all of it.")
    number, line = next((at, line.strip()) for at, line in enumerate(file, 1) if not line.isascii())
    begin = max(re.search(rb"[^\x00-\x7f]", line).start() - _SHOWN // 2, 0)  # type: ignore[union-attr]
    seen = {code: line[begin:].decode(code, "replace")[:_SHOWN] for code in ENCODINGS}
    may = (f'"{code}" ({place}, in line {number} then stands {seen[code]})' for code, place in ENCODINGS.items())
    return TableError(
        f"{name} is not in UTF-8, and no file says which other encoding it is in. Save it as UTF-8 (in a spreadsheet: "
        f"CSV UTF-8), or name it with encoding = … (--encoding … of loyalty new): {'; '.join(may)}, or another one "
        "that Python knows."
    )


# --- spreadsheets and SPSS ----------------------------------------------------------------------------------------


def _open_sheets(files: Files, engine: Any, sheet: str | None) -> ibis.Table:
    """The sheets of one name of workbooks, as text columns named by the first row that is not empty."""
    import pyarrow as pa

    calamine = needed("python_calamine", "excel", files.shown)
    tables = [_sheet(calamine, files, path, sheet) for path in files.paths]
    if any(other.column_names != tables[0].column_names for other in tables):
        raise TableError(f'The files of "{files.shown}" do not have the same columns.')
    return register(engine, pa.concat_tables(tables))


def _sheet(calamine: Any, files: Files, path: str, sheet: str | None) -> Any:
    import pyarrow as pa

    name = PurePath(path).name
    with files.reading(path) as file:
        try:
            book = calamine.load_workbook(io.BytesIO(file.read()))
            sheets = book.sheet_names
            if sheet is None and len(sheets) == 1:
                (sheet,) = sheets
            if sheet not in sheets:
                hint = f'. The nearest to "{sheet}" is "{nearest(sheet, sheets)}"' if sheet else ""
                raise SettingsError(f'{name} has the sheets {", ".join(sheets)}: name one with table = "…"{hint}.')
            rows = book.get_sheet_by_name(sheet).to_python(skip_empty_area=True)
        except calamine.CalamineError as error:
            why = "is protected by a password; save it without" if "Password" in type(error).__name__ else "is damaged"
            raise TableError(f"{name} {why}, or it is no spreadsheet.") from None
    filled = [[_cell(cell) for cell in row] for row in rows if any(cell != "" for cell in row)]
    if not filled:
        raise TableError(f'{name} is empty: its sheet "{sheet}" has not even a line of column names.')
    names = _named([cell or "" for cell in filled[0]], f'{name}, sheet "{sheet}",')
    columns = zip(*filled[1:], strict=True) if filled[1:] else [()] * len(names)
    return pa.table([pa.array(column, pa.string()) for column in columns], names=list(names))


def _cell(value: Any) -> str | None:
    """A cell as text: whole numbers without a point, days as ISO writes them, nothing where it is empty."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value == "" else str(value)


def _open_spss(files: Files, engine: Any) -> tuple[ibis.Table, Labels]:
    """An SPSS file: codes as numbers, what the user declared missing as no answer, and the labels of the codes.

    Labels count where every code of a column has one; of a scale only the ends have, as a rule.
    """
    import pyarrow as pa

    pyreadstat = needed("pyreadstat", "spss", files.shown)
    if len(files.paths) > 1:
        raise SettingsError(f'"{files.shown}" names {len(files.paths)} files. An SPSS table is one file.')
    with files.reading(files.paths[0]) as file:
        try:
            rows, about = pyreadstat.read_sav(io.BytesIO(file.read()))
        except pyreadstat.ReadstatError:
            name = PurePath(files.paths[0]).name
            raise TableError(f"{name} is damaged, or it is no SPSS file.") from None
    coded = about.variable_value_labels
    labels = {name: codes for name, codes in coded.items() if rows[name].dropna().isin(codes).all()}
    return register(engine, pa.Table.from_pandas(rows, preserve_index=False)), labels
