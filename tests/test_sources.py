"""A table opens where it lives, or a message says why it does not; a secret is never printed."""

import hashlib
import re
import sys
import zipfile
from datetime import date, datetime

import duckdb
import pandas as pd
import pytest

from analysis.checks import check
from analysis.readings import FlagRule, Item, Reading
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
    assert source.digest() == file_digest(tmp_path / "shop.duckdb")


def test_a_table_of_a_duckdb_file_may_stand_in_a_schema_and_a_misspelt_one_is_answered(engine, tmp_path):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as shop:
        shop.sql("CREATE SCHEMA marts")
        shop.sql("CREATE TABLE marts.sales AS SELECT 2 AS id")
        shop.sql("CREATE TABLE clients AS SELECT 1 AS id")
    assert values(opened(engine, tmp_path, "duckdb://shop.duckdb", table="marts.sales")) == [{"id": 2}]
    for wrong, near in (("marts.sails", "marts.sales"), ("client", "clients")):
        with pytest.raises(TableError, match=f'The nearest name there is "{near}"'):
            opened(engine, tmp_path, "duckdb://shop.duckdb", table=wrong)


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
        ("https://shop.example/orders.csv?X-Amz-Signature=0123", True),
        ("az://box/orders.csv?sig=0123", True),
        ("https://shop.example/orders.csv?aws_secret_access_key=${KEY}&year=2024", False),
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
    (tmp_path / "orders.docx").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"neither \.csv"):
        opened(engine, tmp_path, "orders.docx")


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


# --- text as it comes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp1256", "utf-16", "utf-16-le", "cp1252", "iso-8859-1", "gb18030", "utf-8"])
def test_text_in_any_encoding_that_is_named(engine, tmp_path, encoding):
    word = {"cp1256": "سلام", "gb18030": "你好"}.get(encoding, "Käse")
    rows = "".join(f'"{word}\n{number}",00{number}\n' for number in range(3000))
    (tmp_path / "a.csv").write_bytes(f"{word},id\n{rows}".encode(encoding))
    told = values(opened(engine, tmp_path, "a.csv", encoding=encoding))
    assert told == [{word: f"{word}\n{number}", "id": f"00{number}"} for number in range(3000)], "and in order"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_mark_at_the_beginning_says_the_encoding_whatever_the_settings_do(engine, tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("نام,b\nسارا,2\n".encode(encoding))
    for given in (None, "cp1256"):
        assert values(opened(engine, tmp_path, "a.csv", encoding=given)) == [{"نام": "سارا", "b": "2"}]


@pytest.mark.parametrize(("text", "line"), [("شهر,مبلغ\n1,2\n", 1), ("id,city\n1,Bonn\n2,شهر,مبلغ\n", 3)])
def test_an_encoding_that_cannot_be_known_is_asked_for_with_what_would_stand_there(engine, tmp_path, text, line):
    (tmp_path / "a.csv").write_bytes(text.encode("cp1256"))
    with pytest.raises(TableError) as refused:
        opened(engine, tmp_path, "a.csv")
    assert "encoding = …" in str(refused.value)
    assert re.search(f'"cp1256" \\(.*in line {line} then stands .*شهر,مبلغ', str(refused.value))
    with pytest.raises(TableError, match="not in utf-8, as the settings say"):
        opened(engine, tmp_path, "a.csv", encoding="utf-8")


def test_two_encodings_in_one_file_are_told_with_the_line_and_without_its_text(engine, tmp_path):
    head = b"customer_id,ordered_at,amount\n" + b"a,2024-01-05,1\n" * 5000
    (tmp_path / "a.csv").write_bytes(head + "سارا,2024-01-05,1\n".encode("cp1256"))
    with pytest.raises(TableError, match=r"UTF-8 up to line 5002") as refused:
        check("orders", opened(engine, tmp_path, "a.csv"), Reading())
    assert "2024-01-05" not in str(refused.value)
    (tmp_path / "b.csv").write_bytes(head + b"\x81,2024-01-05,1\n")
    with pytest.raises(TableError, match="not written in one encoding"):
        check("orders", opened(engine, tmp_path, "b.csv", encoding="cp1252"), Reading())
    (tmp_path / "c.csv").write_bytes(head + b"\xe9,2024-01-05\n")
    with pytest.raises(TableError, match="has 2 fields where 3 are expected, in line 5002"):
        check("orders", opened(engine, tmp_path, "c.csv", encoding="cp1252"), Reading())


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("id;a name\n1;2,5\n", None),
        ("id؛a name\n1؛2,5\n", "؛"),
        ("sep=;\r\nid;a name\r\n1;2,5\r\n", None),
        ("\n  \nid; a name \n1;2,5\n", None),
        ('id;"a\nname"\n1;2,5\n', None),
        ("id~a name\n1~2,5\n", "~"),
    ],
)
def test_separators_and_what_stands_before_the_names(engine, tmp_path, text, separator):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    assert values(opened(engine, tmp_path, "a.csv", separator=separator)) == [{"id": "1", "a name": "2,5"}]


def test_files_written_in_two_ways_are_not_one_table(engine, tmp_path):
    (tmp_path / "a.csv").write_text("id,x\n")
    (tmp_path / "b.csv").write_text("\nid,x\n")
    with pytest.raises(TableError, match=r"not written in the same way: b\.csv"):
        opened(engine, tmp_path, "*.csv")


# --- numbers and days as they are written -------------------------------------------------------------------------


def amounts(engine, folder, written, **reading):
    rows = "".join(f'{number},2024-01-05,"{one}"\n' for number, one in enumerate(written))
    (folder / "a.csv").write_text(f"customer_id,ordered_at,amount\n{rows}", encoding="utf-8")
    source = opened(engine, folder, "a.csv")
    return check("orders", source, Reading(**reading)).rows.order_by("customer_id").amount.to_pyarrow().to_pylist()


@pytest.mark.parametrize(
    ("written", "reading"),
    [
        (["1234.5", "1e3", "۱۲۳۴٫۵", "١٢٣٤٫٥", "۱٬۲۳۴٫۵", "−1"], {}),
        (["1234,5", "1000", "۱۲۳۴,۵", "1234,50", "1234,5", "-1,0"], {"decimal": ","}),
        (["1.234,5", "1.000", "1234,5", "1.234,5", "1.234,50", "-1"], {"decimal": ",", "thousands": "."}),
        (["1\u202f234,5", "1\u00a0000", "1 234,5", "1234,5", "1 234,50", "-1"], {"decimal": ",", "thousands": " "}),
        (["1,234.5", "1,000", "1234.5", "1,234.50", "1,234.5", "-1"], {"thousands": ","}),
        (["1’234.5", "1'000", "1234.5", "1'234.50", "1'234.5", "-1"], {"thousands": "'"}),
    ],
)
def test_numbers_in_the_marks_that_the_settings_state(engine, tmp_path, written, reading):
    assert amounts(engine, tmp_path, written, **reading) == [1234.5, 1000, 1234.5, 1234.5, 1234.5, -1]


@pytest.mark.parametrize(
    ("written", "reading"),
    [
        ("1,234", {}),
        ("1.234,5", {}),
        ("1.5", {"decimal": ","}),
        ("1.5", {"decimal": ",", "thousands": "."}),
        ("12.34,5", {"decimal": ",", "thousands": "."}),
        ("1,2,345.5", {"thousands": "'"}),
    ],
)
def test_a_mark_that_nobody_stated_is_not_guessed(engine, tmp_path, written, reading):
    with pytest.raises(TableError, match=f'amount is not a plain number.*"{written}".*decimal = ","'):
        amounts(engine, tmp_path, ["1", written], **reading)


def test_days_and_covariates_in_persian_digits(engine, tmp_path):
    (tmp_path / "a.csv").write_text("id,day,age\n۷,۲۰۲۴-۰۱-۰۵,۴۰\n8,2024-02-01,41\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("id,day,age\n1,۰۵/۰۱/۲۰۲۴ ۱۸:۳۰,x ۱\n", encoding="utf-8")
    places = {"customer_id": "id", "acquired_at": "day"}
    source = opened(engine, tmp_path, "a.csv")
    rows = check("customers", source, Reading(columns=places, covariates=("age",))).rows.to_pyarrow().to_pylist()
    assert [(r["customer_id"], r["acquired_at"], r["age"]) for r in rows] == [
        ("۷", datetime(2024, 1, 5), 40.0),
        ("8", datetime(2024, 2, 1), 41.0),
    ]
    reading = Reading(columns=places, date_format="%d/%m/%Y %H:%M", covariates=("age",))
    (row,) = check("customers", opened(engine, tmp_path, "b.csv"), reading).rows.to_pyarrow().to_pylist()
    assert (row["acquired_at"], row["age"]) == (datetime(2024, 1, 5, 18, 30), "x ۱")


# --- folders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["parquet", "csv", "utf-16.csv"])
def test_the_folders_of_a_partitioned_table_are_columns_of_text(engine, tmp_path, ending):
    for shop, year, number in (("007", 2024, 1), ("008", 2025, 2)):
        folder = tmp_path / f"orders/shop={shop}/year={year}"
        folder.mkdir(parents=True)
        frame = pd.DataFrame({"id": [number]})
        if ending == "parquet":
            frame.to_parquet(folder / "part-0.parquet")
        else:
            frame.to_csv(
                folder / "part-0.csv", index=False, encoding=ending.removesuffix(".csv").replace("csv", "utf-8")
            )
    (tmp_path / "orders/_SUCCESS").touch()
    (tmp_path / "orders/.part-0.parquet.crc").touch()
    told = [{name: str(value) for name, value in row.items()} for row in values(opened(engine, tmp_path, "orders"))]
    assert told == [{"id": "1", "shop": "007", "year": "2024"}, {"id": "2", "shop": "008", "year": "2025"}]
    assert len(values(opened(engine, tmp_path, "orders/shop=007/**/*"))) == 1
    with pytest.raises(TableError, match=r'No file matches.*nearest name beside it is "year=2024"'):
        opened(engine, tmp_path, "orders/shop=007/year=2023/*")
    with pytest.raises(TableError, match=r'There is no file.*nearest name beside it is "shop=008"'):
        opened(engine, tmp_path, "orders/shop=009")


@pytest.mark.parametrize("ending", ["parquet", "csv", "utf-16.csv"])
def test_the_names_of_folders_may_be_written_with_percent_signs(engine, tmp_path, ending):
    # As pyarrow writes them, as Spark does, and none, which both write as the last one.
    lands = {"C%C3%B4te d%27Ivoire": "Côte d'Ivoire", "Köln%2FBonn": "Köln/Bonn", "%D9%82%D9%85": "قم", "5%": "5%"}
    lands["__HIVE_DEFAULT_PARTITION__"] = None
    for number, folder in enumerate(lands):
        (place := tmp_path / f"orders/land={folder}").mkdir(parents=True)
        frame = pd.DataFrame({"id": [number]})
        if ending == "parquet":
            frame.to_parquet(place / "a.parquet")
        else:
            frame.to_csv(place / "a.csv", index=False, encoding=ending.removesuffix("csv").strip(".") or "utf-8")
    told = {int(row["id"]): row["land"] for row in values(opened(engine, tmp_path, "orders"))}
    assert told == dict(enumerate(lands.values()))


def test_a_table_lies_in_a_folder_or_is_a_name_with_a_bracket(engine, tmp_path):
    (tmp_path / "orders[1].csv").write_text("id\n1\n")
    assert values(opened(engine, tmp_path, "orders[1].csv")) == [{"id": "1"}]


# --- spreadsheets -------------------------------------------------------------------------------------------------


def write_sheets(path, **sheets):
    """A spreadsheet as small as it can be; texts stand in the cells, numbers as they are, days as days."""
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": _relations({"1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, 1))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(
            {str(n): ("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)}
            | {"99": ("styles", "styles.xml")}
        ),
        "xl/styles.xml": '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs>'
        '<xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    for n, rows in enumerate(sheets.values(), 1):
        lines = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        parts[f"xl/worksheets/sheet{n}.xml"] = f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>'
    with zipfile.ZipFile(path, "w") as book:
        for name, text in parts.items():
            book.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')


def _relations(targets):
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    told = "".join(f'<Relationship Id="rId{n}" Type="{kind}/{k}" Target="{t}"/>' for n, (k, t) in targets.items())
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{told}</Relationships>'


def _cell(value):
    if value is None:
        return "<c/>"
    if isinstance(value, date):
        return f'<c s="1"><v>{(value - date(1899, 12, 30)).days}</v></c>'
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value}</v></c>"


SALES = [[None], ["کد", "day", "paid", "back"], ["007", date(2024, 1, 5), 12.5, True], [None], [8, "۲۰۲۴", 3, None]]


def test_a_sheet_is_text_with_iso_days_and_whole_numbers(engine, tmp_path):
    pytest.importorskip("python_calamine", reason="the extra excel is not installed")
    write_sheets(tmp_path / "a.xlsx", Sales=SALES)
    source = opened(engine, tmp_path, "a.xlsx")
    assert values(source) == [
        {"کد": "007", "day": "2024-01-05", "paid": "12.5", "back": "True"},
        {"کد": "8", "day": "۲۰۲۴", "paid": "3", "back": None},
    ]
    assert source.digest() == file_digest(tmp_path / "a.xlsx")


def test_a_sheet_is_named_where_there_are_several(engine, tmp_path):
    pytest.importorskip("python_calamine", reason="the extra excel is not installed")
    write_sheets(tmp_path / "a.xlsx", Notes=[["x"]], Sales=SALES, Empty=[[None]], Twice=[["a", "A"]])
    assert len(values(opened(engine, tmp_path, "a.xlsx", table="Sales"))) == 2
    assert values(opened(engine, tmp_path, "a.xlsx", table="Notes")) == []
    for sheet, says in (
        (None, "sheets Notes, Sales, Empty, Twice: name one with table"),
        ("Sails", 'nearest to "Sails" is "Sales"'),
        ("Empty", 'sheet "Empty" has not even a line of column names'),
        ("Twice", 'sheet "Twice", has the column "a" more than once'),
    ):
        with pytest.raises((SettingsError, TableError), match=says):
            opened(engine, tmp_path, "a.xlsx", table=sheet)
    (tmp_path / "b.xlsx").write_bytes(b"id\n")
    with pytest.raises(TableError, match=r"b\.xlsx is damaged, or it is no spreadsheet"):
        opened(engine, tmp_path, "b.xlsx")


# --- SPSS ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def answers(tmp_path):
    pyreadstat = pytest.importorskip("pyreadstat", reason="the extra spss is not installed")
    frame = pd.DataFrame(
        {
            "q1": [1.0, 7, 99, None],
            "sex": [1.0, 2, 1, 2],
            "left": [0.0, 1, 0, 1],
            "months": [1.0, 2, 3, 4],
            "day": [date(2024, 1, 5)] * 4,
        }
    )
    labels = {
        "q1": {1: "never", 7: "always", 99: "refused"},
        "sex": {1: "زن", 2: "مرد"},
        "left": {0: "Stayed", 1: "Left"},
    }
    missing = {"q1": [{"lo": 98, "hi": 99}]}
    pyreadstat.write_sav(frame, str(tmp_path / "a.sav"), variable_value_labels=labels, missing_ranges=missing)
    return tmp_path


def test_spss_codes_labels_and_missing_ranges(engine, answers):
    source = opened(engine, answers, "a.sav")
    reading = Reading(
        columns={"customer_id": "row", "answered_at": "day"}, covariates=("sex",), items=(Item("q1", scale=(1, 7)),)
    )
    rows = check("surveys", source, reading).rows.order_by("customer_id").to_pyarrow().to_pylist()
    assert [row["q1"] for row in rows] == [1, 7, None, None], "what is declared missing is no answer"
    assert [row["sex"] for row in rows] == ["زن", "مرد", "زن", "مرد"], "a label for every code: the label"
    assert rows[0]["answered_at"] == datetime(2024, 1, 5)


def test_a_rule_reads_the_labels_of_spss_codes(engine, answers):
    places = {"customer_id": "row", "tenure": "months", "churned": FlagRule("left", equals=("Left",))}
    told = check("subscriptions", opened(engine, answers, "a.sav"), Reading(columns=places, tenure_unit="month"))
    assert told.rows.order_by("time").left.to_pyarrow().to_pylist() == [False, True, False, True]


def test_what_is_no_spss_file(engine, answers):
    (answers / "b.sav").write_bytes(b"id\n")
    with pytest.raises(TableError, match=r"b\.sav is damaged, or it is no SPSS file"):
        opened(engine, answers, "b.sav")
    with pytest.raises(SettingsError, match="An SPSS table is one file"):
        opened(engine, answers, "*.sav")


@pytest.mark.parametrize(
    ("source", "package", "extra"),
    [
        ("a.xlsx", "python_calamine", "excel"),
        ("a.sav", "pyreadstat", "spss"),
        ("s3://shop/a.csv", "fsspec", "objects"),
        ("delta://lake", "deltalake", "lakes"),
        ("iceberg://shop", "pyiceberg", "lakes"),
    ],
)
def test_a_package_that_is_not_there_is_named_with_its_extra(engine, tmp_path, monkeypatch, source, package, extra):
    (tmp_path / source.rpartition("/")[2]).touch()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError, match=rf'needs {package}.*pip install "loyalty-lab\[{extra}\]"'):
        opened(engine, tmp_path, source)


@pytest.mark.parametrize(
    ("engine", "package"), [("postgres://nobody@localhost/shop", "psycopg"), ("pyspark", "pyspark")]
)
def test_a_driver_that_is_not_installed_is_named(monkeypatch, engine, package):
    """It was taken for a wrong password."""
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"ibis.backends.{engine.partition(':')[0]}", raising=False)
    with pytest.raises(SettingsError, match=rf'needs the package {package}.*: pip install "loyalty-lab\['):
        connect("UTC", engine)
