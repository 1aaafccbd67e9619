"""A table opens where it lives, or a message says why it does not; a secret is never printed."""

import hashlib

import duckdb
import pytest

from analysis.sources import connect, expand, file_digest, holds_secret, open_source
from analysis.tables import SettingsError, TableError


@pytest.fixture(scope="module")
def engine():
    return connect("UTC")


def opened(engine, folder, source, **options):
    return open_source(source, folder=folder, engine=engine, **options)


def values(source):
    return source.rows.to_pyarrow().to_pylist()


def test_a_csv_is_read_as_text_so_that_ids_keep_their_zeros(engine, tmp_path):
    (tmp_path / "a.csv").write_text("id,day\n007,2024-01-05\n")
    assert values(opened(engine, tmp_path, "a.csv")) == [{"id": "007", "day": "2024-01-05"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_read_from_the_first_line(engine, tmp_path, delimiter):
    (tmp_path / "a.csv").write_text(f"\ufeffid{delimiter}what is it\n1{delimiter}#two\n")
    assert values(opened(engine, tmp_path, "a.csv")) == [{"id": "1", "what is it": "#two"}]


def test_quoted_text_may_hold_lines_delimiters_and_any_letters(engine, tmp_path):
    (tmp_path / "a.csv").write_text('نام,b\n"x,\n""y""",<script>\n', encoding="utf-8")
    assert values(opened(engine, tmp_path, "a.csv")) == [{"نام": 'x,\n"y"', "b": "<script>"}]


def test_a_pattern_opens_files_in_order_of_name(engine, tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.csv").write_text(f"id\n{name}\n")
    source = opened(engine, tmp_path, "*.csv")
    assert [row["id"] for row in values(source)] == ["a", "b"]
    assert [path.name for path in source.files] == ["a.csv", "b.csv"]


def test_files_of_a_pattern_must_have_the_same_columns(engine, tmp_path):
    (tmp_path / "a.csv").write_text("id,x\n")
    (tmp_path / "b.csv").write_text("id,y\n")
    with pytest.raises(TableError, match=r"b\.csv differs from a\.csv"):
        opened(engine, tmp_path, "*.csv")


def test_parquet_keeps_its_types(engine, tmp_path):
    duckdb.sql("SELECT 7 AS id, DATE '2024-01-05' AS day").write_parquet(str(tmp_path / "a.parquet"))
    schema = opened(engine, tmp_path, "a.parquet").rows.schema()
    assert schema["id"].is_integer()
    assert schema["day"].is_date()


def test_a_duckdb_file_is_opened_relative_to_the_studies_file(engine, tmp_path):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as shop:
        shop.sql("CREATE TABLE sales AS SELECT 1 AS id")
    source = opened(engine, tmp_path, "duckdb://shop.duckdb", table="sales")
    assert values(source) == [{"id": 1}]
    assert source.digest() is None


def test_a_database_needs_the_name_of_its_table(engine, tmp_path):
    with pytest.raises(SettingsError, match="name the table"):
        opened(engine, tmp_path, "duckdb://shop.duckdb")


def test_a_failing_database_does_not_tell_its_address(engine, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2")
    with pytest.raises(TableError) as failed:
        opened(engine, tmp_path, "duckdb://${SHOP_PASSWORD}/none.duckdb", table="sales")
    assert "${SHOP_PASSWORD}" in str(failed.value)
    assert "hunter2" not in str(failed.value)
    assert failed.value.__suppress_context__


def test_variables_come_from_the_environment_and_passwords_are_quoted(monkeypatch):
    monkeypatch.setenv("PASSWORD", "p@ss/word")
    monkeypatch.setenv("HOST", "db:5432")
    assert expand("postgres://me:${PASSWORD}@${HOST}/shop") == "postgres://me:p%40ss%2Fword@db:5432/shop"


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(SettingsError, match="NOT_SET_ANYWHERE"):
        expand("postgres://me:${NOT_SET_ANYWHERE}@host/shop")


@pytest.mark.parametrize(
    ("source", "secret"),
    [
        ("postgres://me:hunter2@host/shop", True),
        ("postgres://me:${PASSWORD}@host/shop", False),
        ("postgres://me@host:5432/shop", False),
        ("postgres://host/shop?password=hunter2", True),
        ("postgres://host/shop?password=${PASSWORD}", False),
        ("orders/2024.csv", False),
    ],
)
def test_written_out_secrets_are_seen(source, secret):
    assert holds_secret(source) is secret


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"id,id\n1,2\n", 'the column "id" more than once'),
        (b"id,Id\n1,2\n", "more than once"),
        (b"id,\n1,2\n", "a column without a name"),
        (b"caf\xe9\n1\n", "not in UTF-8"),
    ],
)
def test_a_first_line_that_cannot_be_used(engine, tmp_path, content, says):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(TableError, match=says):
        opened(engine, tmp_path, "a.csv")


def test_a_missing_file_is_answered_with_the_nearest_name(engine, tmp_path):
    (tmp_path / "orders.csv").write_text("id\n")
    with pytest.raises(TableError, match=r'no file "order\.csv".*nearest name beside it is "orders\.csv"'):
        opened(engine, tmp_path, "order.csv")
    with pytest.raises(TableError, match="No file matches"):
        opened(engine, tmp_path, "*.parquet")
    (tmp_path / "orders.xlsx").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"neither \.csv"):
        opened(engine, tmp_path, "orders.xlsx")


def test_a_file_that_is_no_parquet(engine, tmp_path):
    (tmp_path / "a.parquet").write_text("id\n")
    with pytest.raises(TableError, match="not a Parquet file"):
        opened(engine, tmp_path, "a.parquet")


def test_the_digest_is_that_of_the_bytes(engine, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"id\n1\n")
    one = hashlib.sha256(b"id\n1\n").hexdigest()
    assert file_digest(tmp_path / "a.csv") == one
    assert opened(engine, tmp_path, "a.csv").digest() == one
    (tmp_path / "b.csv").write_bytes(b"id\n2\n")
    assert opened(engine, tmp_path, "*.csv").digest() not in (one, file_digest(tmp_path / "b.csv"))
