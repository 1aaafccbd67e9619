"""The same rows from DuckDB, a PostgreSQL that is started here, and a Spark in local mode, table by table.

Counts, words and days are equal; sums of money agree to 1e-12 of themselves, because PostgreSQL reads the 15 digits of
a float that are sure when it adds it up as a decimal, and the others all 17.
"""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from books import page_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyarrow import csv as text
from servers import BINARIES, Postgres, Spark, cells, differing, numbers

from analysis import cohorts, customers, engines, exhibits, findings, habits, order_values, regularity, studies
from analysis.afterwards import in_study
from analysis.lifetimes import lifetimes
from analysis.milestones import AFTER, split
from analysis.notebooks import catalogue
from analysis.scales import answers
from analysis.tables import SettingsError, TableError

ROOT = Path(__file__).parents[1]
REQUIRED = "LOYALTY_REQUIRE_ENGINES" in os.environ
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


def need(*modules, program):
    """Skip where something is not installed; in the checks of the project it must be."""
    lacking = [name for name in modules if importlib.util.find_spec(name) is None]
    lacking += [] if Path(program).is_file() or shutil.which(program) else [program]
    if lacking and REQUIRED:
        pytest.fail(f"not installed: {', '.join(lacking)}")
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")


@pytest.fixture(scope="session")
def postgres():
    need("psycopg", program=f"{BINARIES[-1]}/initdb")
    with Postgres.started() as server:
        yield server


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    need("pyspark", program="java")
    started = Spark(tmp_path_factory.mktemp("warehouse"))
    yield started
    started.session.stop()


@pytest.fixture(scope="session", params=["postgres", "spark"])
def engine(request):
    return request.getfixturevalue(request.param)


# --- invented tables ------------------------------------------------------------------------------------------------

WHO = st.sampled_from(["Ann", "ann", "Zoë", "zoe", "Ünal", "-1", "007", "7", "a b", "مریم", None])
# Both sides of midnight in Berlin, of the clock being put on and back, of a month, of a leap day.
MOMENTS = ["2023-03-25 23:30", "2023-03-26 01:30", "2023-10-29 00:30", "2023-10-29 01:30", "2023-12-31 22:59:59"]
MOMENTS += ["2023-12-31 23:00", "2024-02-28 23:30", "2024-02-29 22:59:59.999999", "2024-02-29 23:00"]
AT = st.sampled_from([datetime.fromisoformat(at).replace(tzinfo=UTC) for at in MOMENTS]) | st.datetimes(
    datetime(2023, 1, 1), datetime(2024, 3, 31), timezones=st.just(UTC)
)
MONEY = st.sampled_from(["0.10", "0.20", "0.30", "19.99", "-19.99", "0.00"]) | st.decimals(
    -999, 9999, places=2, allow_nan=False
).map(str)
LINE = st.tuples(WHO, AT, MONEY, st.sampled_from(["a", "B", "ä", None]), st.booleans() | st.none(),
                 st.floats(-5, 50, width=16) | st.none(), st.sampled_from(["web", "Shop", None]))  # fmt: skip
SCHEMA = pa.schema(
    {"id": pa.string(), "at": pa.timestamp("us", "UTC"), "total": pa.decimal128(12, 2), "invoice": pa.string(),
     "back": pa.bool_(), "gain": pa.float64(), "place": pa.string(), "day": pa.string(), "iso": pa.string()}
)  # fmt: skip


def lines():
    """One large table out of many small invented ones, each with customers of its own."""
    found = []

    @settings(max_examples=60, derandomize=True, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.lists(LINE, min_size=8, max_size=25), st.integers(0, 1))
    def collect(rows, together):
        batch = "" if together else f"{len(found)} "
        found.extend((who and batch + who, at, Decimal(money), *rest) for who, at, money, *rest in rows)

    collect()
    zones = [timedelta(hours=h) for h in (0, 2, -5)]
    written = []
    for number, (who, at, *rest) in enumerate(found):
        there = (at + zones[number % 3]).replace(tzinfo=None)
        offset = ("Z", "+02:00", "-0500")[number % 3]
        day = f"{there.day}.{there.month:02d}.{there.year} {there:%H:%M}"
        written.append((who, at, *rest, day, f"{there.isoformat()}{offset}"))
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in written], SCHEMA)


LINES = lines()
TIMES = {"at": "", "iso": "", "day": 'date_format = "%d.%m.%Y %H:%M"'}
OTHER = 'amount = "total", order_id = "invoice", returned = "back", margin = "gain", channel = "place"'


def mapped(time):
    return f'columns = {{ customer_id = "id", ordered_at = "{time}", {OTHER} }}\nobserved_until = 2024-03-01'


def study(folder, source, address, tables, **more):
    """A study of these tables (their settings), each in a file beside it or in the engine under its name."""
    told = [f'[study.shop]\ntitle = "A shop"\ntimezone = "Europe/Berlin"\nengine = "{address}"', more.get("study", "")]
    told += [f'[study.shop.tables.{name}]\nsource = "{source.format(name)}"\n{text}' for name, text in tables.items()]
    path = folder / f"{address[:4]}.toml"
    path.write_text("\n".join([*told, more.get("below", "")]), "utf-8")
    return studies.open_study("shop", path)


@pytest.fixture(scope="session")
def loaded(engine):
    """Put tables into the engine once: loaded(name, table)."""
    known = set()

    def load(name, table):
        if name not in known:
            engine.load(f"crm.{name}", table)
            known.add(name)

    return load


@pytest.fixture
def pair(engine, loaded, tmp_path):
    """Two studies of the same tables: of files, and of tables that the engine has."""

    def make(tables, data, kind, **more):
        for name, table in data.items():
            pq.write_table(table, tmp_path / f"{kind}_{name}.parquet")
            loaded(f"{kind}_{name}", table)
        here = study(tmp_path, f"{kind}_{{}}.parquet", "duckdb", tables, **more)
        there = study(tmp_path, f"crm.{kind}_{{}}", engine.address, tables, **more)
        return here, there

    return make


def same(here, there):
    if isinstance(here, pd.DataFrame):
        pd.testing.assert_frame_equal(here, there, check_dtype=False, rtol=1e-12, atol=1e-12)
    else:
        assert here == there


def both(pair_of_studies, question):
    """The answers of two studies to one question are the same."""
    here, there = (question(each) for each in pair_of_studies)
    same(here, there)
    return here


def bare(rows):
    """All rows of a table in the engine, in an order that hangs on nothing but their values."""
    frame = rows.to_pandas()
    frame = frame.assign(**{n: frame[n].astype("datetime64[us]") for n in frame if "datetime" in str(frame[n].dtype)})
    return frame.sort_values(list(frame.columns), ignore_index=True, key=lambda c: c.astype(str))


# --- checks and customers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", TIMES)
def test_checks_keep_and_drop_the_same_rows(pair, time):
    """Instants, ISO text with an offset and text by a format all fall on the day of the study's zone."""
    told = f"{mapped(time)}\n{TIMES[time]}"
    two = pair({"orders": told}, {"orders": LINES}, "lines")
    facts = both(two, lambda s: vars(s.table("orders")) | {"rows": None})
    assert facts["steps"][1].dropped > 0  # rows without a customer
    assert facts["steps"][2].dropped > 0  # and after the last day seen
    rows = both(two, lambda s: bare(s.table("orders").rows))
    assert len(rows) == facts["steps"][-1].kept > 300


@pytest.mark.parametrize(("returns", "order"), [("purchases", "day"), ("net", "order_id")])
def test_customers_and_cohorts_are_the_same(pair, returns, order):
    told = mapped("at")
    two = pair({"orders": told}, {"orders": LINES}, "lines")
    bought = {s: customers.purchases(s.table("orders"), returns=returns, order=order) for s in two}
    both(two, lambda s: (bought[s].steps, bought[s].notes, bought[s].returned, bought[s].began, bought[s].measure))
    orders = both(two, lambda s: bare(bought[s].rows.drop("key")))
    assert orders["customer_id"].nunique() > 50
    both(two, lambda s: customers.totals(bought[s]))
    both(two, lambda s: customers.totals(bought[s], within=90, annual_discount_rate=0.1))
    both(two, lambda s: regularity.gaps(bought[s]))
    both(two, lambda s: habits.halves(bought[s], days=60))
    both(two, lambda s: order_values.counted(order_values.ledger(bought[s], until=date(2023, 12, 31))))
    for grain in ("week", "month", "quarter"):
        both(two, lambda s, grain=grain: cohorts.begun(bought[s], grain=grain))
    both(two, lambda s: cohorts.follow(bought[s], ages=[], grain="month"))
    both(two, lambda s: cohorts.together(bought[s], grain="quarter"))


WRONG = pa.table(
    {
        "id": ["a", "b", "b", None, "c", "d", "e" * 50, "f"],
        "day": [
            "2024-02-29",
            "2023-02-29",
            "2024-02-29T24:00",
            "x",
            "31.1.2024",
            "2024-04-31",
            "1024-01-01",
            "2024-1-1",
        ],
        "total": ["1e3", "1,5", "12.50 ", "-", ".5", "1e400", "nan", "99999999999999999"],
        "back": ["yes", "NO", " t ", "0.0", "maybe", "", None, "1"],
    }
)


def test_what_is_wrong_is_said_alike(pair):
    """Days that there are not, numbers that are none and are too large: the same counts, first rows and words."""
    told = 'columns = { customer_id = "id", ordered_at = "day", amount = "total", returned = "back" }'
    said = []
    for each in pair({"orders": told}, {"orders": WRONG}, "wrong"):
        with pytest.raises(TableError) as refused:
            each.table("orders")
        said.append(str(refused.value).partition(" cannot be used:")[2])
    assert said[0] == said[1]
    assert "In 5 of 8 rows ordered_at" in said[0]
    assert "In 3 of 8 rows amount" in said[0]
    assert "First: row 5, " in said[0]


def test_long_names_are_told_apart(pair):
    """PostgreSQL cuts a name off behind 63 bytes; what is counted of a question with a long name is not mixed up."""
    name = "how_satisfied_are_you_with_the_delivery_of_2024"
    table = pa.table({"who": ["a", "b", "c", "d"], name: ["9", "x", "3", ""]})
    told = 'columns = { customer_id = "who" }\nscale = [1, 7]'
    more = {"below": f'[study.shop.constructs]\nsatisfaction = ["{name}"]'}
    said = []
    for each in pair({"surveys": told}, {"surveys": table}, "names", **more):
        with pytest.raises(TableError) as refused:
            each.table("surveys")
        said.append(str(refused.value).partition(" cannot be used:")[2])
    assert said[0] == said[1]
    assert f"In 1 of 4 rows {name} is not a plain number. First: row 2" in said[0]
    assert f"In 1 of 4 rows {name} lies outside 1 to 7. First: row 1" in said[0]


# --- contracts, answers and what came before and after them ---------------------------------------------------------


def contracts():
    """Contracts of 120 customers, some with a second one; who joined, and when; and what they answered."""
    random = np.random.default_rng(3)
    rows, joined, said = [], [], []
    for who in range(120):
        begun = date(2023, 1, 1) + timedelta(days=int(random.integers(0, 300)))
        for number in range(1 + (who % 5 == 0)):
            lasted = int(random.integers(0, 200))
            end = begun + timedelta(days=lasted) if random.random() < 0.6 or (number == 0 and who % 5 == 0) else None
            rows.append(
                {
                    "id": f"Kunde {who}",
                    "from": begun,
                    "to": end,
                    "plan": ["Ä", "b", None][who % 3],
                    "fee": Decimal(who) / 4,
                }
            )
            begun = (end or begun) + timedelta(days=3)
        joined.append(
            {"id": f"Kunde {who}", "on": datetime(2023, 1, 1) + timedelta(hours=int(random.integers(0, 9000)))}
        )
        at = datetime(2023, 6, 1, 22, 30, tzinfo=UTC) + timedelta(days=int(random.integers(0, 200)))
        said.append(
            {"who": f"Kunde {who}", "when": at, "s1": who % 7 + 1.0, "s2": float(who % 5 + 1) if who % 11 else None}
        )
    return {
        "subscriptions": pa.Table.from_pylist(rows),
        "memberships": pa.Table.from_pylist(joined),
        "surveys": pa.Table.from_pylist(said),
    }


def test_contracts_changes_and_answers_are_the_same(pair):
    """Stays with ties and several contracts, stays cut where a customer joined, and orders around each answer."""
    told = {
        "subscriptions": 'columns = { customer_id = "id", started_at = "from", ended_at = "to", price = "fee" }\n'
        'covariates = ["plan"]\nobserved_until = 2024-03-01',
        "memberships": 'columns = { customer_id = "id", joined_at = "on" }',
        "surveys": 'columns = { customer_id = "who", answered_at = "when" }\nscale = [1, 7]',
        "orders": 'columns = { customer_id = "id", ordered_at = "on", amount = "paid" }',
    }
    data = contracts()
    random = np.random.default_rng(4)
    begin = datetime(2023, 1, 1)
    paid = [
        {"id": f"Kunde {random.integers(120)}", "on": begin + timedelta(hours=hour), "paid": hour / 8}
        for hour in random.integers(0, 10000, 900).tolist()
    ]
    more = {"below": '[study.shop.constructs]\nsatisfaction = ["s1", "s2"]'}
    two = pair(told, data | {"orders": pa.Table.from_pylist(paid)}, "people", **more)
    for name in told:
        both(two, lambda s, name=name: vars(s.table(name)) | {"rows": None})
        both(two, lambda s, name=name: bare(s.table(name).rows))
    stays = both(two, lambda s: lifetimes(s.table("subscriptions"), by=["plan"]))
    assert stays["customer"].nunique() > 5
    assert (stays["weight"] > 1).any()

    def cut(each):
        joined = each.table("memberships").rows
        events = joined.select(
            "customer_id", at=joined.joined_at.date(), state=joined.customer_id.notnull().ifelse(AFTER, "")
        )
        return lifetimes(split(each.table("subscriptions"), events, name="member"), by=["member"])

    assert {"no", "yes"} <= {*both(two, cut)["member"]}
    did = both(two, lambda s: in_study(s, answers(s), "orders", days=30).did)
    assert did["after"].sum() > 50


# --- nothing is left behind, and what is lacking is said ------------------------------------------------------------


def test_nothing_is_made_in_the_users_engine(engine, pair):
    told = mapped("at")
    _, there = pair({"orders": told}, {"orders": LINES}, "lines")
    before = engine.everything()
    bought = customers.purchases(there.table("orders"))
    cohorts.follow(bought, ages=[1], grain="month")
    assert engine.everything() == before
    assert len(before[0]) > 1


def test_a_digest_tells_other_rows_and_not_another_order(engine, loaded, tmp_path):
    """The engine adds up hashes of the mapped columns: one mapped cell more or less counts, one of another does not."""
    held = {"lines": LINES, "turned": LINES.take(list(reversed(range(len(LINES))))), "fewer": LINES.slice(1)}
    held["beside"] = LINES.set_column(LINES.schema.get_field_index("iso"), "iso", LINES["day"])
    digests = {}
    for name, table in held.items():
        loaded(f"{name}_orders", table)
        there = study(tmp_path, f"crm.{name}_{{}}", engine.address, {"orders": mapped("at")})
        digests[name] = there.digest("orders")
    assert None not in digests.values()
    assert digests["lines"] == digests["turned"] == digests["beside"] != digests["fewer"]


def test_files_and_tables_are_joined_in_the_engine(engine, loaded, tmp_path):
    """A small file beside a table of the engine; the file is handed over for the session."""
    loaded("lines_orders", LINES)
    pd.DataFrame({"customer_id": ["Ann", "7", "nobody"], "channel": ["ä", "b", "c"]}).to_csv(
        tmp_path / "who.csv", index=False
    )
    told = mapped("at")
    there = study(tmp_path, "crm.lines_{}", engine.address, {"orders": told})
    text = (tmp_path / f"{engine.address[:4]}.toml").read_text(
        "utf-8"
    ) + '[study.shop.tables.customers]\nsource = "who.csv"\n'
    (tmp_path / "two.toml").write_text(text, "utf-8")
    there = studies.open_study("shop", tmp_path / "two.toml")
    orders, who = there.table("orders").rows, there.table("customers").rows
    joined = orders.select("customer_id", "amount").inner_join(who, "customer_id")
    counted = joined.group_by("channel").agg(n=joined.count()).order_by("channel").to_pandas()
    known = pd.Series(
        [row["id"] for row in LINES.to_pylist() if row["at"] < datetime(2024, 3, 1, 23, tzinfo=UTC)]
    ).value_counts()
    assert counted["n"].tolist() == [known["7"], known["Ann"]] or counted["n"].tolist() == [known["Ann"], known["7"]]


def test_a_single_table_of_a_database_is_brought_here(postgres, tmp_path):
    """Without `engine` the table is checked in the database and then joined with the others in this process."""
    postgres.load("crm.alone", LINES)
    told = f'table = "crm.alone"\n{mapped("iso")}'
    pq.write_table(LINES, tmp_path / "orders.parquet")
    here = study(tmp_path, "{}.parquet", "duckdb", {"orders": told.partition("\n")[2]})
    there = study(tmp_path, postgres.address, "duckdb", {"orders": told})
    orders = both((here, there), lambda s: bare(s.table("orders").rows))
    assert len(orders) > 300
    assert there.table("orders").rows.get_backend().name == "duckdb"


def test_who_may_not_make_temporary_tables_is_told_what_to_ask_for(postgres, tmp_path):
    postgres.load("crm.bare", LINES)
    told = {"orders": mapped("at")}
    there = study(tmp_path, "crm.bare", postgres.address.replace("reader", "nothing"), told)
    with pytest.raises(SettingsError, match="GRANT TEMPORARY ON DATABASE"):
        _ = customers.purchases(there.table("orders")).rows


@pytest.mark.parametrize(
    ("source", "says"),
    [("crm.nowhere", "is no file beside the studies file, and as a table of the engine"), ("gone.csv", "no file")],
)
def test_a_table_that_is_nowhere_is_told(postgres, tmp_path, source, says):
    there = study(tmp_path, source, postgres.address, {"orders": ""})
    with pytest.raises(TableError, match=says):
        there.table("orders")


def test_a_misspelt_table_is_answered_with_the_nearest(engine, loaded, tmp_path):
    loaded("lines_orders", LINES)
    there = study(tmp_path, "crm.lines_ordres", engine.address, {"orders": ""})
    with pytest.raises(TableError, match=r'nearest name there is "crm\.lines_orders"'):
        there.table("orders")


def test_an_engine_that_does_not_run_is_told_without_its_address(tmp_path, monkeypatch):
    need("psycopg", program=f"{BINARIES[-1]}/initdb")
    monkeypatch.setenv("SHOP_PASSWORD", "se:cret@")
    there = study(tmp_path, "orders", "postgres://me:${SHOP_PASSWORD}@127.0.0.1:1/shop", {"orders": ""})
    with pytest.raises(TableError, match="could not be reached") as refused:
        there.table("orders")
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("engine", "says"), [("spark", 'Did you mean "pyspark"'), ("postgres://me:secret@host/db", "a password")]
)
def test_an_engine_that_is_none_is_refused(tmp_path, engine, says):
    with pytest.raises(SettingsError, match=says):
        study(tmp_path, "orders.csv", engine, {"orders": ""})


def test_a_date_format_that_only_duckdb_understands_is_told(postgres, tmp_path):
    postgres.load("crm.formats", LINES)
    there = study(tmp_path, "crm.formats", postgres.address, {
        "orders": f'columns = {{ customer_id = "id", ordered_at = "day", {OTHER} }}\ndate_format = "%j.%Y"'
    })  # fmt: skip
    with pytest.raises(SettingsError, match="%j is understood in the engine duckdb alone"):
        there.table("orders")


# --- one Spark for a report, and files as they are now -------------------------------------------------------------

ASKS = """
from analysis import studies
there = studies.open_study("shop")
print(there.table("orders").steps[0].kept, there._engine._session.sparkContext.applicationId)
"""


def test_the_notebooks_of_a_report_share_a_spark(spark, tmp_path, monkeypatch):
    """Other processes ask the Spark of this one, and what they keep there is kept once, until the report is over."""
    pq.write_table(LINES, tmp_path / "orders.parquet")
    study(tmp_path, "orders.parquet", spark.address, {"orders": f"{mapped('day')}\n{TIMES['day']}"})
    assert not engines.shared()
    monkeypatch.setattr(engines, "_OURS", [spark.session])
    spark.session.catalog.clearCache()
    told = {**os.environ, **engines.shared(), "LOYALTY_STUDIES": str(tmp_path / "pysp.toml")}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", ASKS], env=told, capture_output=True, text=True, timeout=300)
        assert done.stdout.split() == [str(len(LINES)), spark.session.sparkContext.applicationId], done.stderr[-2000:]
    kept = spark.session.sparkContext._jsc.getPersistentRDDs
    assert len(kept()) == 1
    engines.forget()
    assert not kept()


def test_a_file_that_has_changed_is_read_anew(spark, tmp_path):
    """Although rows of the same path are kept: by a reader who is still there."""
    readers = []
    for rows in (LINES, LINES.slice(0, 100)):
        pq.write_table(rows, tmp_path / "orders.parquet")
        told = f"{mapped('day')}\n{TIMES['day']}"
        readers.append(study(tmp_path, "orders.parquet", spark.address, {"orders": told}).table("orders"))
    assert [reader.steps[0].kept for reader in readers] == [len(LINES), 100]


def test_names_of_folders_are_the_same_columns_everywhere(spark, tmp_path):
    """Text with its leading zeros and letters of two bytes, also where Spark would take it for a number or for two."""
    parts = ["region=01/opened=2024-01-05", "region=2/opened=2024-02-06", "region=C%C3%B4te d%27Or/opened=2024-02-06"]
    for number, part in enumerate(parts):
        (folder := tmp_path / "lake" / part).mkdir(parents=True)
        pq.write_table(pa.table({"id": [f"{number} {n}" for n in range(6)]}), folder / "a.parquet")
    told = {"customers": 'columns = { customer_id = "id" }\ncovariates = ["region", "opened"]'}
    two = [study(tmp_path, "lake", address, told) for address in ("duckdb", spark.address)]
    rows = both(two, lambda s: bare(s.table("customers").rows))
    known = {("01", "2024-01-05"): 6, ("2", "2024-02-06"): 6, ("Côte d'Or", "2024-02-06"): 6}
    assert rows.groupby(["region", "opened"]).size().to_dict() == known


@pytest.mark.parametrize(("says", "then"), [("Query interrupted", KeyboardInterrupt), ("bad file", TableError)])
def test_a_stop_while_duckdb_reads_is_a_stop(tmp_path, monkeypatch, says, then):
    """What DuckDB says where Ctrl-C reaches it is no error of a table, which a report would tell and go on."""

    def answer(*_, **__):
        raise RuntimeError(says)

    pq.write_table(LINES, tmp_path / "orders.parquet")
    here = study(tmp_path, "orders.parquet", "duckdb", {"orders": mapped("at")})
    monkeypatch.setattr("ibis.backends.duckdb.Backend.to_pyarrow", answer)
    engines._stoppable.cache_clear()
    with pytest.raises(then):
        here.table("orders")
    engines._stoppable.cache_clear()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc, which tells a process's memory")
def test_what_a_check_has_freed_goes_back_to_the_machine(tmp_path):
    """A million customers' ids are counted and forgotten; without the answer some hundred MB stay with DuckDB."""
    people = 1_000_000
    days = pa.array(["2024-01-05 10:00:00", "2024-02-06 10:00:00"] * (people // 2)).cast(pa.timestamp("us"))
    ids = pa.array(range(people)).cast("string")
    lines = pa.table({"customer_id": ids, "ordered_at": days, "amount": pa.array([1.0] * people)})
    pq.write_table(lines, tmp_path / "orders.parquet")
    study(tmp_path, "orders.parquet", "duckdb", {"orders": ""})
    told = """
from pathlib import Path
from analysis import engines, studies
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
def checked(give_back):
    here = studies.load(Path("duck.toml"))["shop"]
    before = resident()
    from analysis import checks
    checks.give_back = give_back
    here.table("orders")
    return resident() - before
checked(engines.give_back)
print(checked(engines.give_back), checked(lambda engine: None))
"""
    done = subprocess.run([sys.executable, "-c", told], cwd=tmp_path, capture_output=True, text=True, check=True)
    given, held = map(int, done.stdout.split())
    assert given < held / 10
    assert held > 30e6


@pytest.mark.parametrize("limit", ["300 MB", "12.34 GB", "1.2 TiB", "-1"])
def test_giving_memory_back_leaves_the_limit_as_it_is(limit):
    """A limit told with one digit would shrink by a tenth each time; and none at all stays none."""
    engine = engines.connect("duckdb", "UTC")
    engine.con.execute(f"SET memory_limit = '{limit}'")
    told = engine.con.execute("SELECT current_setting('memory_limit')").fetchone()
    for _ in range(20):
        engines.give_back(engine)
    assert engine.con.execute("SELECT current_setting('memory_limit')").fetchone() == told


# --- the data that come with the project ----------------------------------------------------------------------------

SAMPLE = """source = "{}"
columns = {{ customer_id = "customer_id", ordered_at = "date", amount = "dollar_value" }}
date_format = "%Y%m%d"
observed_until = 1998-06-30
"""
# Every page of orders, with few resamples and one model; two of them on Spark, which is slow where rows are few.
FEW = {"draws": 19, "curve_draws": 9, "dealt": 9, "families": ["BG/NBD"], "family": "BG/NBD"}
PAGES = [name for name in catalogue() if name[:2] in ("10", "21", "22", "23", "24", "25", "26")]
ON_SPARK = [name for name in PAGES if name[:2] in ("10", "21")]


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """CDNOW's orders of every tenth customer, as text; studies of them, by engine."""
    kinds = text.ConvertOptions(column_types=dict.fromkeys(["customer_id", "date", "dollar_value"], pa.string()))
    orders = text.read_csv(ROOT / "data/raw/cdnow.csv", convert_options=kinds)
    return orders.filter(pc.ends_with(orders["customer_id"], "1")), tmp_path_factory.mktemp("sample")


def page(notebook, source, address, folder):
    """All that a notebook finds and shows on the sample: every number of its findings and every cell of its tables."""
    folder.mkdir(exist_ok=True)
    told = f'[study.cdnow]\ntitle = "CDNOW"\ncurrency = "USD"\nengine = "{address}"\n[study.cdnow.tables.orders]\n'
    (folder / "studies.toml").write_text(told + SAMPLE.format(source), "utf-8")
    book = catalogue()[notebook]
    few = {name: value for name, value in FEW.items() if name in book.parameters}
    values = {}
    for shows in page_of(book, "cdnow", folder, **few):
        for entry in shows.get(findings.MIME, {}).get("entries", []):
            values |= numbers(
                {k: v for k, v in entry.items() if "digest" not in k}, f"{entry['hypothesis']} {entry['reading']}"
            )
        if "csv" in (exhibit := shows.get(exhibits.EXHIBIT_MIME, {})):
            values |= cells(exhibit["name"], exhibit["csv"])
    return values


@pytest.fixture(scope="session")
def found_here(sample):
    orders, folder = sample
    pq.write_table(orders, folder / "sample.parquet")
    return functools.cache(lambda notebook: page(notebook, folder / "sample.parquet", "duckdb", folder / "duckdb"))


@pytest.mark.parametrize("notebook", PAGES)
def test_whole_notebooks_find_the_same(engine, loaded, sample, found_here, notebook):
    """One line of studies.toml is changed; every number of findings.json and every cell is the same to 1e-9."""
    if engine.address == "pyspark" and notebook not in ON_SPARK:
        pytest.skip("on Spark two pages are enough here; benchmarks/engines.py compares all")
    orders, folder = sample
    loaded("sample", orders)
    here, there = found_here(notebook), page(notebook, "crm.sample", engine.address, folder / engine.address[:4])
    assert len(here) > 50
    assert not differing(here, there, within=1e-9)


@pytest.mark.skipif("LOYALTY_EXTRA_DATA" not in os.environ, reason="LOYALTY_EXTRA_DATA names no folder of further data")
def test_online_retail_is_the_same(pair):
    """Half a million lines with returns, codes that end in letters, and time stamps without a zone."""
    table = pq.read_table(Path(os.environ["LOYALTY_EXTRA_DATA"]) / "online_retail.parquet")
    plain = [pa.string() if pa.types.is_large_string(kind) else kind for kind in table.schema.types]
    table = table.cast(pa.schema(list(zip(table.column_names, plain, strict=True))))
    told = 'columns = { customer_id = "CustomerID", ordered_at = "InvoiceDate", unit_price = "UnitPrice", ' \
        'quantity = "Quantity", order_id = "InvoiceNo" }'  # fmt: skip
    two = pair({"orders": told}, {"orders": table}, "retail")
    both(two, lambda s: vars(s.table("orders")) | {"rows": None})
    bought = {s: customers.purchases(s.table("orders")) for s in two}
    assert len(both(two, lambda s: customers.totals(bought[s]))) > 4000
    both(two, lambda s: cohorts.follow(bought[s], ages=[1, 2, 3], grain="month"))
