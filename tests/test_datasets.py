"""Every bundled file is the one its biography describes, and the table of contents says the same."""

import csv
import dataclasses
import runpy
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from analysis import datasets
from analysis.tables import TableError

DATA = Path(__file__).parents[1] / "data"
BUNDLED = datasets.bundled(DATA / "raw")


def rows_of(name):
    if (stored := DATA / "raw" / f"{name}.parquet").exists():
        return pd.read_parquet(stored).to_dict("records")
    with (DATA / "raw" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_raw_file_has_a_biography():
    assert [told.file.name for told in BUNDLED] == sorted(
        path.name for path in (DATA / "raw").iterdir() if path.suffix != ".toml"
    )


@pytest.mark.parametrize("told", BUNDLED, ids=lambda told: told.file.stem)
def test_the_file_is_the_one_described(told):
    told.check_digest()
    rows = rows_of(told.file.stem)
    assert len(rows) == told.rows
    assert list(told.columns) == list(rows[0])
    assert told.caveats
    assert not told.licence_file or (DATA / "licences" / told.licence_file).is_file()


def test_the_table_of_contents_is_in_step():
    assert (DATA / "README.md").read_text(encoding="utf-8") == datasets.table_of_contents(BUNDLED)


def test_renewals_say_what_was_published():
    """Survival at each yearly renewal equals the printed percentage (Fader & Hardie 2007), exactly."""
    published = runpy.run_path(str(DATA / "fetch.py"))["STILL_CUSTOMERS"]
    assert published["Regular"][1] == 63.1
    assert published["High End"][12] == 39.4
    rows = rows_of("renewals")
    for segment, shares in published.items():
        left = Counter(int(row["tenure"]) for row in rows if row["segment"] == segment and row["churned"] == "Yes")
        still = [1000 - sum(count for year, count in left.items() if year <= k) for k in range(13)]
        assert still == [round(share * 10) for share in shares]


def test_telco_keeps_the_customers_who_have_not_been_billed_yet():
    """11 rows have tenure 0 and no total; 1,869 of 7,043 left (counts of the published sample)."""
    rows = rows_of("telco")
    assert sum(row["tenure"] == "0" and row["total_charges"] == "" for row in rows) == 11
    assert sum(row["total_charges"] == "" for row in rows) == 11
    assert sum(row["churn"] == "Yes" for row in rows) == 1869


def test_a_users_file_has_no_biography(tmp_path):
    (tmp_path / "orders.csv").write_text("id\n")
    assert datasets.biography(tmp_path / "orders.csv") is None
    (tmp_path / "orders.toml").write_text('[study.mine]\ntitle = "settings of the same name"\n')
    assert datasets.biography(tmp_path / "orders.csv") is None


def test_a_misspelt_biography_is_told(tmp_path):
    (tmp_path / "orders.toml").write_text('sha256 = ""\ntitel = "x"\n')
    with pytest.raises(TableError, match=r"orders\.toml.*titel"):
        datasets.biography(tmp_path / "orders.csv")


def test_a_changed_file_is_refused(tmp_path):
    copy = tmp_path / "mobile.csv"
    copy.write_bytes((DATA / "raw/mobile.csv").read_bytes() + b"\n")
    told = next(told for told in BUNDLED if told.file.stem == "mobile")
    with pytest.raises(TableError, match="its digest differs"):
        dataclasses.replace(told, file=copy).check_digest()
