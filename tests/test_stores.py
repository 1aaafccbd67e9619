"""Tables in object stores and lakes: what opens, how a change is told unread, and that no secret is printed."""

import traceback
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from analysis.sources import connect, open_source
from analysis.tables import LoyaltyError, SettingsError, TableError

fsspec = pytest.importorskip("fsspec", reason="the extra objects is not installed")

SECRET = "hunter2-in-the-environment"
ORDERS = pd.DataFrame({"who": ["ann", "bob", "cid"], "paid": [5.0, 7.0, 9.0], "day": ["2024-01-01"] * 3})


@pytest.fixture
def engine():
    return connect("UTC")


def opened(engine, source, **options):
    return open_source(source, folder=options.pop("folder", Path()), engine=engine, **options)


def values(source):
    return sorted(source.rows.to_pyarrow().to_pylist(), key=str)


# --- fsspec's memory ----------------------------------------------------------------------------------------------


@pytest.fixture
def memory():
    store = fsspec.filesystem("memory")
    yield store
    store.rm("/", recursive=True)


def put(store, place, frame):
    with store.open(place, "wb") as file:
        if place.endswith("parquet"):
            frame.to_parquet(file, index=False)
        else:
            file.write(frame.to_csv(index=False).encode("utf-16" if "utf-16" in place else "utf-8"))


@pytest.mark.parametrize("ending", ["parquet", "csv", "utf-16.csv"])
def test_files_of_a_store_by_name_by_pattern_and_by_folder(engine, memory, tmp_path, ending):
    for year, part in ((2024, ORDERS[:2]), (2025, ORDERS[2:])):
        put(memory, f"/shop/year={year}/{year}.{ending}", part)
    memory.touch("/shop/_SUCCESS")
    for source, rows in (("memory://shop", 3), ("memory://shop/*/*5." + ending, 1), ("memory://shop/**/2*", 3)):
        told = values(opened(engine, source, folder=tmp_path))
        assert [row["who"] for row in told] == list(ORDERS.who[-rows:])
        assert told[-1]["year"] == "2025"
    with pytest.raises(TableError, match='There is nothing at "memory://shop/year=2026"'):
        opened(engine, "memory://shop/year=2026", folder=tmp_path)


def digest(engine, memory, frame, columns=("who", "paid")):
    put(memory, "/shop/orders.parquet", frame)
    return opened(engine, "memory://shop/orders.parquet").digest(columns)


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        (ORDERS, True),
        (ORDERS[::-1], True),
        (ORDERS.assign(day="2025-01-01"), True),
        (ORDERS.assign(paid=[5.0, 7.0, 9.5]), False),
        (ORDERS.assign(paid=[7.0, 5.0, 9.0]), False),
        (ORDERS.assign(who=["ann", "bob", None]), False),
        (ORDERS.assign(who=["ann5", "bob", "cid"], paid=[".0", "7.0", "9.0"]), False),
        (ORDERS[:2], False),
        (pd.concat([ORDERS, ORDERS[:1]]), False),
        (pd.concat([ORDERS, ORDERS[:1], ORDERS[:1]]), False),
    ],
    ids=["same", "order", "unread", "cell", "swap", "none", "edge", "fewer", "more", "twice"],
)
def test_a_sum_of_hashes_tells_every_change_but_the_order_and_what_nobody_reads(engine, memory, changed, same):
    assert (digest(engine, memory, changed) == digest(engine, memory, ORDERS)) is same


def test_without_columns_there_is_no_digest(engine, memory):
    assert digest(engine, memory, ORDERS, columns=()) is None


class Refusing(fsspec.AbstractFileSystem):
    """A store that says no, and quotes what it was given."""

    protocol = "adl"
    error: type[Exception] = PermissionError

    def info(self, path, **_):
        raise self.error(f"the key {SECRET} may not read {path}")


@pytest.mark.parametrize(("error", "says"), [(PermissionError, "may not be read"), (TimeoutError, "be reached")])
def test_a_store_that_refuses_is_told_in_one_message_without_its_words(engine, monkeypatch, error, says):
    fsspec.register_implementation("adl", Refusing, clobber=True)
    monkeypatch.setattr(Refusing, "error", error)
    with pytest.raises(TableError, match=f"{says} .{error.__name__}.") as refused:
        opened(engine, "adl://shop/orders.csv")
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_a_store_has_no_freshness_query(engine):
    with pytest.raises(SettingsError, match="freshness asks a database"):
        opened(engine, "memory://shop/orders.csv", freshness="select 1")


def test_a_freshness_query_answers_for_a_database(tmp_path, engine):
    pytest.importorskip("regex", reason="what Ibis needs for SQLite is not installed")
    import sqlite3

    place = tmp_path / "shop.db"
    with sqlite3.connect(place) as shop:
        shop.execute("create table orders (who text, paid real, at int)")
        shop.execute("insert into orders values ('ann', 5, 1)")
    options = {"table": "orders", "freshness": "select max(at) as last from orders"}
    first = opened(engine, f"sqlite://{place}", **options).digest()
    assert first == opened(engine, f"sqlite://{place}", **options).digest()
    with sqlite3.connect(place) as shop:
        shop.execute("update orders set paid = 6")
    assert first == opened(engine, f"sqlite://{place}", **options).digest(), "the user's own query is believed"
    with sqlite3.connect(place) as shop:
        shop.execute("update orders set at = 2")
    assert first != opened(engine, f"sqlite://{place}", **options).digest()
    for wrong in ("select nothing from orders", "delete from orders", "drop table orders"):
        with pytest.raises(TableError, match="It should be one SELECT"):
            opened(engine, f"sqlite://{place}", table="orders", freshness=wrong)
    assert opened(engine, f"sqlite://{place}", table="orders").rows.count().execute() == 1


# --- a store that speaks S3 ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3():
    pytest.importorskip("s3fs", reason="the extra objects is not installed")
    server = pytest.importorskip("moto.server", reason="the group engines is not installed")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    address = "http://{}:{}".format(*running.get_host_and_port())
    given = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYICEBERG_CATALOG__SHOP__TYPE": "glue",
        "PYICEBERG_CATALOG__SHOP__GLUE__ENDPOINT": address,
        "PYICEBERG_CATALOG__SHOP__S3__ENDPOINT": address,
        "PYICEBERG_CATALOG__SHOP__WAREHOUSE": "s3://shop/ice",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("shop", create_bucket=True)
        yield fsspec.filesystem("s3")
    fsspec.filesystem("s3").clear_instance_cache()
    running.stop()


def test_files_of_s3_and_their_tags(engine, s3):
    place = "s3://shop/orders/year=2024/a.parquet"
    put(s3, place, ORDERS)
    for source in (place, "s3://shop/orders", "s3://shop/orders/*/*.parquet"):
        assert [row["who"] for row in values(opened(engine, source))] == ["ann", "bob", "cid"]
    before = opened(engine, place).digest()
    put(s3, place, ORDERS)
    assert opened(engine, place).digest() == before, "the same bytes"
    put(s3, place, ORDERS.assign(paid=[5.0, 7.0, 9.5]))
    assert opened(engine, place).digest() != before


def test_nothing_told_of_s3_holds_a_secret(engine, s3, monkeypatch, caplog):
    for source in ("s3://nowhere/a.csv", "s3://shop/none.csv", "s3://shop/*.csv"):
        with pytest.raises(TableError, match="There is nothing at") as refused:
            opened(engine, source)
        assert SECRET not in "".join(traceback.format_exception(refused.value))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://someone:{SECRET}@127.0.0.1:9")
    monkeypatch.setattr(fsspec.get_filesystem_class("s3"), "retries", 1)
    s3.clear_instance_cache()
    with pytest.raises(TableError, match="could not be reached") as refused:
        opened(engine, "s3://shop/a.csv")
    s3.clear_instance_cache()
    assert SECRET not in "".join(traceback.format_exception(refused.value)) + caplog.text


# --- lakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["{folder}/lake", "s3://shop/lake"])
def test_a_delta_table_and_its_versions(engine, tmp_path, request, place):
    deltalake = pytest.importorskip("deltalake", reason="the extra lakes is not installed")
    if place.startswith("s3"):
        request.getfixturevalue("s3")
    place, source = place.format(folder=tmp_path), place.format(folder="").lstrip("/")
    deltalake.write_deltalake(place, ORDERS, partition_by=["who"])

    def now():
        return opened(engine, source, folder=tmp_path)

    first = now()
    assert values(first) == ORDERS[["paid", "day", "who"]].to_dict("records") or values(first) == values(now())
    assert {row["who"]: row["paid"] for row in values(first)} == dict(zip(ORDERS.who, ORDERS.paid, strict=True))
    assert first.digest() == now().digest()
    deltalake.DeltaTable(place).delete("who = 'ann'")
    assert [row["who"] for row in values(now())] == ["bob", "cid"]
    assert first.digest() != now().digest()
    assert len(values(first)) == 3, "a table stays as it was when it was opened"
    if not place.startswith("s3"):
        assert len(values(opened(engine, "delta://lake", folder=tmp_path))) == 2


def test_what_is_no_delta_table(engine, tmp_path):
    pytest.importorskip("deltalake", reason="the extra lakes is not installed")
    (tmp_path / "lake/_delta_log").mkdir(parents=True)
    with pytest.raises(TableError, match=r'"lake" could not be opened as a table of Delta'):
        opened(engine, "lake", folder=tmp_path)


def test_an_iceberg_table_by_its_catalog_its_folder_and_its_state(engine, s3):
    pytest.importorskip("pyiceberg", reason="the extra lakes is not installed")
    import pyarrow as pa
    from pyiceberg import catalog
    from pyiceberg.utils.config import Config

    catalog._ENV_CONFIG = Config()  # read once, when the module is first imported
    rows = pa.Table.from_pandas(ORDERS, preserve_index=False)
    shop = catalog.load_catalog("shop")
    shop.create_namespace("sales")
    table = shop.create_table("sales.orders", schema=rows.schema)
    table.append(rows)
    told = ORDERS.to_dict("records")
    by_catalog = {"source": "iceberg://shop", "table": "sales.orders"}
    folder = {"source": table.location()}
    for given in (by_catalog, folder, {"source": f"iceberg://{table.metadata_location}"}):
        assert values(opened(engine, **given)) == told
    first = opened(engine, **by_catalog)
    assert first.rows.paid.sum().execute() == first.rows.paid.sum().execute() == 21, "it can be asked again"
    assert first.digest() == opened(engine, **folder).digest()
    with table.update_schema() as update:
        update.rename_column("paid", "amount")
    table.append(rows.rename_columns(["who", "amount", "day"]))
    assert opened(engine, **folder).rows.amount.sum().execute() == 42, "older files have the older name"
    assert first.digest() != opened(engine, **folder).digest()
    assert len(values(first)) == 3
    with pytest.raises(SettingsError, match="is a catalog: name the table"):
        opened(engine, "iceberg://shop")
    with pytest.raises(TableError, match=r"sales\.none, could not be opened as a table of Iceberg .NoSuchTableError."):
        opened(engine, "iceberg://shop", table="sales.none")


def test_a_duckdb_file_with_what_is_written_beside_it(engine, tmp_path):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as shop:
        shop.sql("CREATE TABLE sales AS SELECT 1 AS id")
    first = opened(engine, "duckdb://shop.duckdb", folder=tmp_path, table="sales").digest()
    with pytest.raises(LoyaltyError, match="could not be opened"):
        opened(engine, "duckdb://shop.duckdb", folder=tmp_path, table="sails")
    with duckdb.connect(str(tmp_path / "other.duckdb")) as shop:
        shop.sql("CREATE TABLE sales AS SELECT 2 AS id")
    assert first != opened(engine, "duckdb://other.duckdb", folder=tmp_path, table="sales").digest()
