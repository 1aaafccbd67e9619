"""Proposals: files nobody described become studies that pass their check, and what cannot be told is asked for."""

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from analysis import cli
from analysis.proposals import Told, look, propose, write
from analysis.studies import load
from analysis.tables import SettingsError, TableError

SALES = "Customer ID;Order Date;Total;Store\n" + "".join(
    f"{1000 + n % 40};{13 + n % 15:02d}/{1 + n % 12:02d}/2024;{10 + n % 7}.50;S{n % 3}\n" for n in range(200)
)
CONTRACTS = "client,signup_date,cancellation_date,tariff,age\n" + "".join(
    f"c{n},2023-0{1 + n % 9}-11,{'2024-02-0' + str(1 + n % 9) if n % 3 else ''},{'AB'[n % 2]},{20 + n}\n"
    for n in range(60)
)
ANSWERS = "respondent_gender,sat1,sat2,nps,expected_staff,perceived_staff,comment\n" + "".join(
    f"{1 + n % 2},{1 + n % 5},{1 + n * 7 % 5},{99 if n % 20 == 0 else n % 11},{1 + n % 5},{1 + (n + 2) % 5},free {n}\n"
    for n in range(120)
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {"sales.csv": SALES, "contracts.csv": CONTRACTS, "answers.csv": ANSWERS}.items():
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_orders_are_known_by_their_columns_whatever_they_are_called(folder: Path) -> None:
    made = propose("sales.csv", folder=folder)
    assert made.table == "orders"
    assert made.columns == {"customer_id": "Customer ID", "ordered_at": "Order Date", "amount": "Total"}
    assert made.settings["date_format"][0] == "%d/%m/%Y"
    assert made.unused == ["Store"]


def test_dates_that_read_in_two_ways_are_asked_for_and_never_guessed(folder: Path) -> None:
    text = "customer,date,amount\n" + "".join(f"{n % 9},0{1 + n % 9}/0{1 + n % 8}/2024,5\n" for n in range(90))
    (folder / "two.csv").write_text(text)
    with pytest.raises(
        SettingsError, match=r'two\.csv: its dates .* "%d/%m/%Y" and "%m/%d/%Y"\. Say which: --date-format'
    ):
        propose("two.csv", folder=folder)
    assert propose("two.csv", folder=folder, told=Told(date_format="%d/%m/%Y")).settings["date_format"][1] == "as told"


def test_contracts_with_dates_get_the_last_day_seen(folder: Path) -> None:
    made = propose("contracts.csv", folder=folder)
    assert made.table == "subscriptions"
    assert made.columns == {
        "customer_id": "client", "started_at": "signup_date", "ended_at": "cancellation_date", "plan": "tariff",
    }  # fmt: skip
    assert made.settings["observed_until"][0] == "2024-02-09"
    assert "age" in made.unused  # 60 different values tell no groups apart


def test_the_unit_of_a_tenure_is_asked_for_unless_the_column_says_it(folder: Path) -> None:
    rows = "".join(f"{n % 30},{'Yes' if n % 4 else 'No'}\n" for n in range(80))
    (folder / "plain.csv").write_text("tenure,churn\n" + rows)
    (folder / "clear.csv").write_text("months active,churn\n" + rows)
    with pytest.raises(SettingsError, match='in what is "tenure" counted'):
        propose("plain.csv", folder=folder)
    made = propose("clear.csv", folder=folder)
    assert made.columns == {"customer_id": "row", "tenure": "months active", "churned": "churn"}
    assert made.settings["tenure_unit"] == ("month", "from the column's name")


def test_a_survey_gets_scales_constructs_pairs_and_codes(folder: Path) -> None:
    made = propose("answers.csv", folder=folder)
    assert made.table == "surveys"
    assert made.settings["scale"][0] == [1, 5]
    assert made.settings["missing"][0] == [99]
    assert made.unused == ["respondent_gender", "comment"]
    study = tomllib.loads("\n".join(made.study).replace("{study}", "x"))["study"]["x"]
    assert study["constructs"] == {"satisfaction": ["sat1", "sat2"], "recommend": ["nps"]}
    assert study["scales"] == {"recommend": [0, 10]}
    assert study["pairs"] == [
        {"dimension": "staff", "expectation": ["expected_staff"], "perception": ["perceived_staff"]}
    ]


def test_three_files_become_a_study_that_passes_its_check(folder: Path) -> None:
    write(
        "mine", ["sales.csv", "contracts.csv", "answers.csv"], into=folder / "studies.toml", currency="EUR", told=Told()
    )
    study = load(folder / "studies.toml")["mine"]
    assert sorted(study.settings.tables) == ["orders", "subscriptions", "surveys"]
    assert study.check().problems == ()


def test_a_second_study_is_added_and_the_first_stays_letter_by_letter(folder: Path) -> None:
    into = folder / "studies.toml"
    write("one", ["sales.csv"], into=into, told=Told())
    before = into.read_text()
    write("two", ["orders=sales.csv"], into=into, told=Told())
    assert into.read_text().startswith(before.rstrip())
    assert list(load(into)) == ["one", "two"]
    with pytest.raises(SettingsError, match='has a study "two" already'):
        write("two", ["sales.csv"], into=into, told=Told())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["sales.csv", "orders=sales.csv"], "both look like orders|sales.csv"),
        (["order=sales.csv"], 'no table "order"; the nearest is "orders"'),
        (["nothing.csv"], "none of the tables fits its columns"),
        (["empty.csv"], "has no rows yet"),
    ],
)
def test_what_cannot_be_proposed_leaves_the_file_as_it_was(folder: Path, files: list[str], message: str) -> None:
    (folder / "nothing.csv").write_text("colour,shape\nred,round\nblue,square\n")
    (folder / "empty.csv").write_text("customer,date,amount\n")
    with pytest.raises(SettingsError, match=message):
        write("mine", files, into=folder / "studies.toml", told=Told())
    assert sorted(path.name for path in folder.iterdir() if "studies" in path.name) == []


def test_a_name_that_is_none_writes_nothing(folder: Path) -> None:
    with pytest.raises(SettingsError):
        write("Mine!", ["sales.csv"], into=folder / "studies.toml", told=Told())
    assert not (folder / "studies.toml").exists()


@pytest.mark.parametrize(
    ("values", "share", "formats"),
    [
        (["1", "2", "x"], 2 / 3, ()),
        (["2024-01-31", "2024-02-01"], 0, ("",)),
        (["31.12.2024 10:05", "01.01.2025 23:59"], 0, ("%d.%m.%Y %H:%M",)),
        (["19970101", "19971231"], 1, ("%Y%m%d",)),
        ([None, None], 0, ()),
    ],
)
def test_a_column_tells_what_it_could_be(values: list[str], share: float, formats: tuple[str, ...]) -> None:
    seen = look("x", pd.Series(values))
    assert (seen.numbers, seen.formats) == (share, formats)


def test_the_command_writes_checks_and_says_what_comes_next(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["new", "mine", "sales.csv", "--currency", "EUR"]) == 0
    told = capsys.readouterr().out
    assert "200 kept" in told
    assert "loyalty report mine --studies studies.toml" in told


def test_text_in_another_encoding_with_persian_digits_and_stated_marks(folder: Path) -> None:
    rows = "".join(
        f"۱{n % 40};2024-0{1 + n % 9}-1{n % 9};1.0{n % 7}0,50;{'شب' if n % 2 else 'روز'}\n" for n in range(200)
    )
    text = f"customer;date;total;shift\n{rows}".translate(str.maketrans("۱", "1"))
    (folder / "odd.csv").write_bytes(text.encode("cp1256"))
    with pytest.raises(TableError, match="name it with encoding"):
        propose("odd.csv", folder=folder)
    written = {"encoding": "cp1256", "decimal": ",", "thousands": "."}
    assert cli.main(["new", "mine", "odd.csv", *(f"--{key}={value}" for key, value in written.items())]) == 0
    made = tomllib.loads(Path("studies.toml").read_text("utf-8"))["study"]["mine"]["tables"]["orders"]
    assert made["columns"] == {"customer_id": "customer", "ordered_at": "date", "amount": "total"}
    assert {key: made[key] for key in written} == written
    checked = load("studies.toml")["mine"].table("orders")
    assert 1000.5 <= checked.rows.amount.min().execute() <= checked.rows.amount.max().execute() <= 1060.5


def test_german_headings_are_known_and_decimal_commas_are_asked_for(folder: Path) -> None:
    rows = "".join(
        f"{13 + n % 15:02d}.{1 + n % 12:02d}.2024;{n};K{n % 40};{1 + n % 3};{n % 7},50\n" for n in range(200)
    )
    (folder / "german.csv").write_text(f"Bestelldatum;Rechnungsnr;Kundennummer;Menge;Einzelpreis\n{rows}")
    with pytest.raises(SettingsError, match=r'none of the tables fits .* --decimal ","'):
        propose("german.csv", folder=folder)
    made = propose("german.csv", folder=folder, told=Told(written={"decimal": ","}))
    assert made.columns == {
        "customer_id": "Kundennummer", "ordered_at": "Bestelldatum", "unit_price": "Einzelpreis", "quantity": "Menge",
        "order_id": "Rechnungsnr",
    }  # fmt: skip
    assert made.settings["date_format"][0] == "%d.%m.%Y"


def test_a_partitioned_folder_is_proposed_with_its_parts(folder: Path) -> None:
    for year in (2023, 2024):
        (folder / f"sales/year={year}").mkdir(parents=True)
        (folder / f"sales/year={year}/a.csv").write_text(SALES.replace("2024", str(year)), "utf-8")
    assert propose("sales", folder=folder).unused == ["Store", "year"]
    write("mine", [f"sales/year={year}/*" for year in (2024,)], into=folder / "my.toml", told=Told())
    assert load(folder / "my.toml")["mine"].table("orders").facts["rows"] == 200
