"""Engines of their own for tests and measurements: a PostgreSQL that is started here, and a Spark in local mode."""

import csv
import io
import math
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from glob import glob
from pathlib import Path

import pyarrow as pa

BINARIES = sorted(glob("/usr/lib/postgresql/*/bin")) or [str(Path(shutil.which("initdb") or "none").parent)]


class Postgres:
    """A server of its own, whose words are ordered as in a dictionary, and a reader who may select and no more."""

    def __init__(self, folder):
        self.folder, self.bin = folder, Path(BINARIES[-1])
        self.as_user = {}
        if os.geteuid() == 0:  # the server refuses to be root
            self.as_user = {"user": "postgres", "group": "postgres"}
            shutil.chown(folder, "postgres", "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.run("initdb", "-D", folder / "data", "-A", "trust", "-U", "owner", "-E", "UTF8", "--locale=C.UTF-8",
                 "--locale-provider=icu", "--icu-locale=en-US")  # fmt: skip
        options = f"-k {folder} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", "-D", folder / "data", "-o", options, "-l", folder / "log", "-w", "start")
        self.ask("CREATE ROLE reader LOGIN", "CREATE ROLE nothing LOGIN", "CREATE DATABASE shop")
        self.ask("REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC", "GRANT TEMPORARY ON DATABASE shop TO reader")
        self.ask(
            "REVOKE ALL ON SCHEMA public FROM PUBLIC", "CREATE SCHEMA crm",
            "GRANT USAGE ON SCHEMA public, crm TO reader, nothing",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader, nothing",
            database="shop",
        )  # fmt: skip
        self.address = f"postgres://reader@127.0.0.1:{self.port}/shop"

    @classmethod
    @contextmanager
    def started(cls):
        """A server until the block ends, in a folder that its own user may enter."""
        folder = Path(tempfile.mkdtemp(prefix="loyalty-"))
        try:
            server = cls(folder)
            yield server
            server.run("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def run(self, program, *arguments):
        command = [self.bin / program, *arguments]
        done = subprocess.run(command, **self.as_user, cwd=self.folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    def ask(self, *questions, database="postgres"):
        import psycopg

        answer = []
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=owner dbname={database}", autocommit=True) as con:
            for question in questions:
                cursor = con.execute(question)
                answer = cursor.fetchall() if cursor.description else []
        return answer

    def load(self, name, table):
        import psycopg

        kinds = {"string": "text", "double": "float8", "bool": "boolean", "date32[day]": "date", "int64": "bigint"}
        kinds |= {"timestamp[us]": "timestamp", "timestamp[ms]": "timestamp", "timestamp[us, tz=UTC]": "timestamptz"}
        columns = ", ".join(f'"{f.name}" {kinds.get(str(f.type), "numeric(12, 2)")}' for f in table.schema)
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=owner dbname=shop", autocommit=True) as con:
            con.execute(f"CREATE TABLE {name} ({columns})")
            with con.cursor().copy(f"COPY {name} FROM STDIN") as copy:
                for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                    copy.write_row(row)

    def everything(self):
        """All tables, views, schemas and functions that last."""
        return self.ask(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg_toast%' ORDER BY 1, 2",
            database="shop",
        ), self.ask("SELECT count(*) FROM pg_proc", database="shop")


class Spark:
    """The user's session, with a warehouse of its own."""

    address = "pyspark"

    def __init__(self, folder):
        from pyspark.sql import SparkSession

        told = {"spark.sql.warehouse.dir": str(folder), "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": 2}
        builder = SparkSession.builder.master("local[2]").config(map=told | {"spark.ui.showConsoleProgress": "false"})
        self.session = builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
        self.session.sparkContext.setLogLevel("OFF")
        self.session.sql("CREATE DATABASE crm")

    def load(self, name, table):
        self.session.conf.set("spark.sql.session.timeZone", "UTC")
        plain = [field.name for field in table.schema if field.type == pa.timestamp("us")]
        frame = self.session.createDataFrame(table).coalesce(1)
        frame = frame.withColumns({name: frame[name].cast("timestamp_ntz") for name in plain}) if plain else frame
        frame.write.saveAsTable(name)

    def everything(self):
        catalog = self.session.catalog
        return [(d.name, t.name) for d in catalog.listDatabases() for t in catalog.listTables(d.name)]


def numbers(told, place=""):
    """Every value of a nested finding, by its place."""
    if isinstance(told, dict):
        return {k: v for name, each in told.items() for k, v in numbers(each, f"{place}.{name}").items()}
    if isinstance(told, list):
        return {k: v for n, each in enumerate(told) for k, v in numbers(each, f"{place}[{n}]").items()}
    return {place: told}


def cells(name, table):
    """Every cell of a table that is written as CSV, by its place; numbers as such."""
    rows = list(csv.reader(io.StringIO(table, newline="")))
    return {f"{name}, row {r}, {rows[0][c]}": _value(cell) for r, row in enumerate(rows) for c, cell in enumerate(row)}


def _value(cell):
    try:
        return float(cell)
    except ValueError:
        return cell


def differing(here, there, *, within):
    """Where two mappings of values differ, and what stands there: floats by more than a share of themselves."""

    def alike(one, other):
        if isinstance(one, float) and isinstance(other, float):
            return math.isclose(one, other, rel_tol=within, abs_tol=1e-12) or (one != one and other != other)
        return one == other

    places = dict.fromkeys([*here, *there])
    return {p: (here.get(p, "–"), there.get(p, "–")) for p in places if not alike(here.get(p, "–"), there.get(p, "–"))}
