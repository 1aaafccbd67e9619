"""Where a study's tables are worked on: DuckDB in this process, or a user's own PostgreSQL or Spark.

What is asked of tables are Ibis expressions that know no engine. What has to be told to one in its own way stands
here. In a user's engine nothing is ever made but temporary tables and views, which end with the session.
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, wraps
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from analysis.tables import SettingsError

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

DUCKDB, POSTGRES, SPARK = "duckdb", "postgres", "pyspark"
LONGEST = 63  # bytes of a name, behind which PostgreSQL cuts it off
REPORT = "LOYALTY_SPARK"  # names the report whose notebooks share a Spark
_CONFIGURED = {"SPARK_CONF_DIR", "SPARK_HOME", "PYSPARK_SUBMIT_ARGS", "SPARK_SUBMIT_OPTS"}
_OURS: list[Any] = []  # the Spark session that this process has started, if it has


# --- opening --------------------------------------------------------------------------------------------------------


def connect(address: str, timezone: str) -> Any:
    """Open an engine whose days are those of a time zone.

    Args:
        address: "duckdb", "pyspark", or the address of a database that Ibis reaches.
        timezone: of the study.
    """
    import ibis
    from ibis.util import gen_name

    # Every engine fuses selects itself; Ibis would go through each query once more for every pair of them.
    ibis.options.sql.fuse_selects = False
    if address == DUCKDB:
        # It never loads anything from the network.
        engine = _stoppable()().connect(autoinstall_known_extensions=False, autoload_known_extensions=False)
        engine.con.execute(f"SET TimeZone = '{timezone}'")
    elif address == SPARK:
        engine = ibis.pyspark.connect(_spark())
        engine.reader = os.environ.get(REPORT) or gen_name("loyalty")
        engine.compiler = _with_doubles(type(engine.compiler))()
        _register_memory_tables(engine)
    else:
        engine = ibis.connect(address)
        if engine.name == POSTGRES:
            engine.raw_sql(f"SET TIME ZONE '{timezone}'; SET jit = off").close()
            engine.con.read_only = True
            weakref.finalize(engine, engine.con.close)
            _register_memory_tables(engine)
    engine.timezone = timezone
    return engine


@cache
def _stoppable() -> Any:
    """DuckDB, which answers Ctrl-C with an error of its own where it is reading, made to answer as Python does."""
    from ibis.backends.duckdb import Backend

    def heard(ask: Any) -> Any:
        @wraps(ask)
        def asked(*given: Any, **more: Any) -> Any:
            try:
                return ask(*given, **more)
            except RuntimeError as error:
                if str(error) == "Query interrupted":
                    raise KeyboardInterrupt from None
                raise

        return asked

    asking = ("raw_sql", "execute", "to_pyarrow", "to_pyarrow_batches")
    return type("Backend", (Backend,), {name: heard(getattr(Backend, name)) for name in asking})


def _spark() -> Any:
    """A session of our own beside the user's, with their configuration, so that theirs is left as it is."""
    import logging

    from pyspark.sql import SparkSession
    from pyspark.sql.utils import is_remote

    logging.getLogger("SQLQueryContextLogger").disabled = True  # it would write out the rows of a failed query
    told = SparkSession.getActiveSession() or (_joined() if REPORT in os.environ else None)
    user = told or _started()
    if is_remote():
        return user
    session = user.newSession()
    session.conf.set("spark.sql.ansi.enabled", True)
    session.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", False)
    if told is None:
        _OURS[:] = [user]
        user.sparkContext.setLogLevel("ERROR")
    configured = user.sparkContext.getConf()
    if str(user.sparkContext.master).startswith("local") and not configured.contains("spark.sql.shuffle.partitions"):
        session.conf.set("spark.sql.shuffle.partitions", user.sparkContext.defaultParallelism)  # of 200
    return session


def _started() -> Any:
    """A Spark as its own files configure it; else one on this machine, which compiles quickly rather than well."""
    from pyspark.sql import SparkSession
    from pyspark.sql.utils import is_remote

    if not _CONFIGURED & os.environ.keys():  # short questions are over before a second compiler has paid for itself
        os.environ["SPARK_SUBMIT_OPTS"] = "-XX:TieredStopAtLevel=1"
    ours = SparkSession.builder.appName("loyalty")
    return (ours if is_remote() else ours.config("spark.ui.showConsoleProgress", False)).getOrCreate()


def _joined() -> Any:
    """The Spark that the process has started to which this notebook belongs."""
    import signal

    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    gateway, heard = launch_gateway(), signal.getsignal(signal.SIGINT)
    context = gateway.jvm.JavaSparkContext.fromSparkContext(gateway.jvm.org.apache.spark.SparkContext.getOrCreate())
    joined = SparkContext(gateway=gateway, jsc=context, conf=SparkConf(_jconf=context.getConf()))
    signal.signal(signal.SIGINT, heard)  # PySpark's own answer to an interrupt ends the work of all other notebooks too
    return SparkSession(joined)


def shared() -> dict[str, str]:
    """Variables by which the notebooks of one report join the Spark that this process has started, if it has.

    Java starts and warms up once for all of them, and rows that several of them keep are kept once.
    """
    from ibis.util import gen_name

    if not _OURS:
        return {}
    given = _OURS[0].sparkContext._gateway.gateway_parameters
    found = {"PYSPARK_GATEWAY_PORT": str(given.port), "PYSPARK_GATEWAY_SECRET": given.auth_token}
    return found | {REPORT: gen_name("report")}


def forget() -> None:
    """End what notebooks have left running in that Spark, and let go of what they keep there."""
    for session in _OURS:
        session.sparkContext.cancelAllJobs()
        session.catalog.clearCache()


def _with_doubles(compiler: Any) -> Any:
    """Ibis writes a float as 0.5, which Spark takes for a decimal and divides to six digits."""

    class Doubles(compiler):
        __slots__ = ()

        def visit_NonNullLiteral(self, op: Any, *, value: Any, dtype: Any) -> Any:
            if dtype.is_floating():
                return self.cast(self.visit_DefaultLiteral(op, value=value, dtype=dtype), dtype)
            return super().visit_NonNullLiteral(op, value=value, dtype=dtype)

    return Doubles


def _register_memory_tables(engine: Any) -> None:
    """Hand small tables over as everything else is handed over."""
    engine._register_in_memory_table = lambda op: _put(engine, op.name, op.schema, op.data.to_pyarrow(op.schema))


# --- tables ---------------------------------------------------------------------------------------------------------


def table(engine: Any, name: str) -> ibis.Table:
    """A table of the engine's own by its name, which may begin with its schema.

    In Spark, time stamps are instants and come as times of the study's zone. In PostgreSQL, words are ordered by
    their bytes, as everywhere else; and what is neither number, text, truth nor time is text.
    """
    *place, last = name.split(".")
    if engine.name == SPARK:
        return _in_zone(engine, engine._session.table(name))
    found = engine.table(last, database=tuple(place) or None)
    if engine.name != POSTGRES:
        return found
    schema, quoted = _plain(found.schema()), {column: _quoted(column) for column in found.columns}
    columns = (f'{q}::text COLLATE "C" AS {q}' if schema[n].is_string() else q for n, q in quoted.items())
    where = ".".join(map(_quoted, [*place, last]))
    return engine.sql(f"SELECT {', '.join(columns)} FROM {where}", schema=schema)


def beside(engine: Any, name: str) -> list[str]:
    """The tables of the schema in which a name looks for one; none where the engine does not tell."""
    *place, _ = name.split(".")
    with suppress(Exception):  # each engine has its own errors
        found = engine.list_tables(database=tuple(place) or None)
        return [".".join([*place, other]) for other in found if not other.startswith("ibis_")]
    return []


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(schema: Any) -> Any:
    """The schema with text for whatever is neither number, text, truth nor time."""
    import ibis

    def known(kind: Any) -> bool:
        return kind.is_numeric() or kind.is_boolean() or kind.is_date() or kind.is_timestamp()

    return ibis.schema({name: kind if known(kind) else "string" for name, kind in schema.items()})


def _in_zone(engine: Any, frame: Any) -> ibis.Table:
    """A frame of Spark as a temporary view whose instants are times of the study's zone.

    Spark takes what was kept before for the rows of any table with the same plan, also when its files are other ones by
    now. A condition that names the reader, and costs nothing, makes plans of two readers differ.
    """
    from ibis.util import gen_name
    from pyspark.sql import functions as F
    from pyspark.sql.types import TimestampType

    instants = [field.name for field in frame.schema.fields if isinstance(field.dataType, TimestampType)]
    name = gen_name("loyalty")
    local = {name: F.from_utc_timestamp(frame[f"`{name}`"], engine.timezone) for name in instants}
    frame = frame.where(F.lit(engine.reader).isNotNull())
    (frame.withColumns(local) if local else frame).createOrReplaceTempView(name)
    return engine.table(name)


def parquet(engine: Any, files: Iterable[Path]) -> ibis.Table:
    """Parquet files as Spark itself reads them; the names of folders give columns of text (year=2024), as elsewhere."""
    places = [path.absolute() for path in files]
    above = list(takewhile(lambda part: "=" not in part, places[0].parent.parts))
    frame = engine._session.read.option("basePath", str(Path(*above))).parquet(*map(str, places))
    return _in_zone(engine, _with_letters(frame, {part for place in places for part in place.parent.parts}))


def _with_letters(frame: Any, folders: Iterable[str]) -> Any:
    """Values from names of folders as others write them: C%C3%B4te is two bytes of one letter, not two letters."""
    wrong: dict[str, dict[str, str]] = {}
    for column, _, value in (part.partition("=") for part in folders):
        read = re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), value)
        if read != unquote(value) and column in frame.columns:
            wrong.setdefault(column, {})[read] = unquote(value)
    for column, values in wrong.items():
        frame = frame.replace(values, subset=[column])
    return frame


def keep(rows: ibis.Table) -> ibis.Table:
    """The rows, worked out once because more than one question reads them; they go with the connection."""
    from ibis.util import gen_name

    engine, name = rows.get_backend(), gen_name("loyalty")
    if engine.name == SPARK:
        kept = engine.create_view(name, rows)
        engine._session.catalog.cacheTable(name)
        return kept
    engine._run_pre_execute_hooks(rows)
    _make(engine, name, rows.schema(), query=engine.compile(rows))
    return engine.table(name)


def bring(rows: ibis.Table, engine: Any) -> ibis.Table:
    """Rows where the other tables of their study are: as they are, or read once and put there as a temporary table."""
    import ibis
    from ibis.util import gen_name

    if rows.get_backend() is engine:
        return rows
    name, schema = gen_name("loyalty"), rows.schema()
    data = rows.to_pyarrow()
    if engine.name not in (POSTGRES, SPARK):
        return engine.create_table(name, ibis.memtable(data, schema=schema), temp=True)
    _put(engine, name, schema, data)
    return engine.table(name)


def settle(rows: ibis.Table) -> ibis.Table:
    """Rows whose reading DuckDB alone does anew for every question in no time, and always in the same order."""
    return rows if rows.get_backend().name == DUCKDB else keep(rows)


def give_back(engine: Any) -> None:
    """Return to the machine what DuckDB's allocator keeps of freed memory: hundreds of bytes a customer after checks.

    It does so at once when its limit is set, and only then. A limit is told with one digit behind the point, the rest
    cut off; a 5 behind it is told alike, so that the limit does not shrink from one time to the next.
    """
    if engine.name != DUCKDB:
        return
    import duckdb

    (limit,) = engine.con.execute("SELECT current_setting('memory_limit')").fetchone()
    with suppress(duckdb.Error):  # none at all is told in a unit that cannot be set, and what is full cannot shrink
        engine.con.execute(f"SET memory_limit = '{limit.replace(' ', '5 ')}'")


@contextmanager
def _writing(engine: Any) -> Iterator[None]:
    """A while in which temporary tables may be made."""
    import psycopg

    engine.con.read_only = False
    try:
        yield
    except psycopg.errors.InsufficientPrivilege:
        raise SettingsError(
            "The database does not let this user make temporary tables, which are all that a study makes there. Ask "
            "for GRANT TEMPORARY ON DATABASE … TO …; or take engine out of the study and give the address as source "
            "of each table, which is then read once and worked on here."
        ) from None
    finally:
        engine.con.read_only = True


def _put(engine: Any, name: str, schema: Any, data: pa.Table) -> None:
    """Make a temporary table of data in memory."""
    if engine.name == SPARK:
        engine._session.createDataFrame(data).createOrReplaceTempView(name)
        return
    _make(engine, name, schema, rows=zip(*(column.to_pylist() for column in data.columns), strict=True))


def _make(engine: Any, name: str, schema: Any, *, query: str = "", rows: Any = ()) -> None:
    """Make a temporary table of a database from a query, or one of PostgreSQL from rows."""
    kinds = {column: engine.compiler.type_mapper.to_string(kind) for column, kind in schema.items()}
    text = {column: ' COLLATE "C"' * (kind.is_string() and engine.name == POSTGRES) for column, kind in schema.items()}
    columns = ", ".join(f"{_quoted(column)} {kind}{text[column]}" for column, kind in kinds.items())
    made, filled = f"CREATE TEMPORARY TABLE {_quoted(name)} ({columns})", f"INSERT INTO {_quoted(name)} {query}"
    if engine.name == DUCKDB:  # by its own words, because Ibis writes a query anew to put it into a table
        engine.raw_sql(made)
        engine.raw_sql(filled)
        return
    if long := [column for column in schema if len(column.encode()) > LONGEST]:
        raise SettingsError(
            f'The column name "{long[0]}" is longer than the {LONGEST} bytes that PostgreSQL tells apart. Shorten it '
            "in the file, or leave engine out so that the table is worked on here."
        )
    # Every other statement runs in a read-only transaction.
    with _writing(engine), engine.con.cursor() as cursor, engine.con.transaction():
        cursor.execute(made)
        if query:
            cursor.execute(filled)
        else:
            with cursor.copy(f"COPY {_quoted(name)} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        cursor.execute(f"ANALYZE {_quoted(name)}")


def hashed(text: Any) -> Any:
    """Text to a hash of 64 bits, the engine's own; the one that Ibis knows of Spark has 32."""
    import ibis

    if text.get_backend().name != SPARK:
        return text.hash()

    @ibis.udf.scalar.builtin(name="xxhash64", signature=((ibis.dtype("string"),), ibis.dtype("int64")))
    def xxhash64(text): ...  # type: ignore[no-untyped-def]

    return xxhash64(text)


def first_by(value: Any, key: Any) -> Any:
    """The value of the row whose key is the least of its group; Ibis has DuckDB sort each group for it."""
    import ibis

    if value.get_backend().name != DUCKDB:
        return value.argmin(key)

    @ibis.udf.agg.builtin(name="arg_min", signature=((value.type(), key.type()), value.type()))
    def arg_min(value, key): ...  # type: ignore[no-untyped-def]

    return arg_min(value, key)


def any_bit(number: Any) -> Any:
    """The bits that are set in any of the whole numbers of a group; Ibis knows it of some engines only."""
    import ibis

    whole = ibis.dtype("int64")

    @ibis.udf.agg.builtin(name="bit_or", signature=((whole,), whole))
    def bit_or(number): ...  # type: ignore[no-untyped-def]

    return bit_or(number)


# --- times ----------------------------------------------------------------------------------------------------------

_CLOCK = r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?"
_LEAP = r"([1-9]\d(0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)"
# Days that there are, because not every engine can be told to pass over the others.
_DAY = (
    r"^([1-9]\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))|"
    rf"{_LEAP}-02-29)"
)
_ISO, _ISO_WITH_OFFSET = rf"{_DAY}({_CLOCK})?$", rf"{_DAY}{_CLOCK} ?([Zz]|[+-](0\d|1[0-4])(:?[0-5]\d)?)$"
_PARTS = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{1,2}", "d": r"\d{1,2}", "b": "[A-Za-z]{3}", "B": "[A-Za-z]{3,9}",
    "H": r"\d{1,2}", "M": r"\d{1,2}", "S": r"\d{1,2}", "f": r"\d{1,6}", "z": r"[Zz]|[+-]\d{2}:?\d{2}|[+-]\d{2}",
}  # fmt: skip
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


def time(text: Any, date_format: str | None) -> Any:
    """Text to a time in the study's zone: by ISO or the stated format, never by a guess; else empty.

    Raises:
        SettingsError: the format has a part that DuckDB alone understands.
    """
    engine = text.get_backend()
    if date_format and engine.name == DUCKDB:
        return _strptime(text, date_format).cast("timestamp")
    iso = _in_iso(text, date_format, back="$" if engine.name == SPARK else "\\") if date_format else text
    plain = iso.re_search(_ISO).ifelse(iso, None).try_cast("timestamp")
    if date_format and "%z" not in date_format:
        return plain
    instant = iso.re_search(_ISO_WITH_OFFSET).ifelse(iso, None).try_cast("timestamp('UTC')")
    if engine.name == SPARK:
        instant = _from_utc(instant, engine.timezone)
    return instant.cast("timestamp").coalesce(plain)


def _strptime(text: Any, date_format: str) -> Any:
    """A function of DuckDB that Ibis does not wrap."""
    import ibis

    string = ibis.dtype("string")
    returns = ibis.dtype("timestamp('UTC')" if "%z" in date_format else "timestamp")

    @ibis.udf.scalar.builtin(name="try_strptime", signature=((string, string), returns))
    def parse(text, date_format): ...  # type: ignore[no-untyped-def]

    return parse(text, date_format)


def _from_utc(instant: Any, timezone: str) -> Any:
    """A function of Spark that Ibis does not wrap."""
    import ibis

    kind = ibis.dtype("timestamp")

    @ibis.udf.scalar.builtin(name="from_utc_timestamp", signature=((kind, ibis.dtype("string")), kind))
    def local(instant, timezone): ...  # type: ignore[no-untyped-def]

    return local(instant.cast("timestamp"), timezone)


def _in_iso(text: Any, date_format: str, *, back: str) -> Any:
    """Text that fits a format, written as ISO as far as it goes; what does not fit is empty.

    Args:
        text, date_format: see `time`.
        back: what stands before the number of a group in a replacement.
    """
    codes = re.findall("%(.)", date_format)
    if unknown := [code for code in codes if code not in _PARTS]:
        raise SettingsError(f"date_format {date_format}: %{unknown[0]} is understood in the engine duckdb alone.")
    pieces = [re.escape(piece) for piece in re.split("%.", date_format)]
    fits = f"^{pieces[0]}{''.join(f'({_PARTS[code]}){piece}' for code, piece in zip(codes, pieces[1:], strict=True))}$"
    group = {{"y": "Y", "b": "m", "B": "m"}.get(code, code): f"{back}{n}" for n, code in enumerate(codes, start=1)}
    written = "-".join(group.get(code, "?") for code in "Ymd")
    if "H" in group:
        written += f" {group['H']}:{group.get('M', '00')}:{group.get('S', '00')}"
        written += (f".{group['f']}" if "f" in group else "") + group.get("z", "")
    iso = text.re_search(fits).ifelse(text.re_replace(fits, written), None)
    if {"b", "B"} & {*codes}:
        iso = iso.lower()
        for number, month in enumerate(_MONTHS, start=1):
            iso = iso.re_replace(f"-{month}-|-{month[:3]}-", f"-{number:02d}-")
    if "y" in codes:
        iso = iso.re_replace(r"^([0-5]\d|6[0-8])-", f"20{back}1-").re_replace(r"^(\d\d)-", f"19{back}1-")
    return iso.re_replace(r"([- :])(\d)(?!\d)", f"{back}10{back}2")
