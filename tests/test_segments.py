"""One entry of the studies file stands for a study a segment, and one run for a run a value."""

import json
from datetime import date

import pytest
from books import write_book

from analysis import cli, keys, notebooks, runs, studies
from analysis.tables import SettingsError, TableError

ORDERS = [
    "id,day,total,land",
    "ann,2024-01-01,5,DE",
    "bob,2024-02-01,7,FR",
    "ann,2024-03-01,6,DE",
    "cy,2024-04-01,2,DE",
    "bob,2024-05-01,1,FR",
]
STUDY = """
[report]
min_cell = 1
[study.shop]
title = "A shop"
for = {each}
[study.shop.tables.orders]
source = "orders.csv"
columns = {{ customer_id = "id", ordered_at = "day", amount = "total" }}
{more}
"""


@pytest.fixture
def shop(tmp_path):
    """Writes the studies file and its tables, and reads it."""

    def make(each='{ land = ["DE", "FR"] }', more="", orders=ORDERS, **tables):
        (tmp_path / "orders.csv").write_text("\n".join(orders) + "\n", encoding="utf-8")
        for name, lines in tables.items():
            (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
        (tmp_path / "studies.toml").write_text(STUDY.format(each=each, more=more), encoding="utf-8")
        return studies.load(tmp_path / "studies.toml")

    return make


def rows(study, table="orders"):
    found = study.table(table).rows.to_pandas()
    return sorted(map(tuple, found.drop(columns="ordered_at", errors="ignore").itertuples(index=False)))


def test_one_entry_stands_for_a_study_a_segment(shop):
    found = shop()
    assert [(study.name, study.title) for study in found.studies.values()] == [
        ("shop-de", "A shop: land DE"),
        ("shop-fr", "A shop: land FR"),
    ]
    assert rows(found["shop-de"]) == [("ann", 5.0), ("ann", 6.0), ("cy", 2.0)]
    assert rows(found["shop-fr"]) == [("bob", 1.0), ("bob", 7.0)]


def test_what_is_left_out_is_counted_and_a_segment_is_observed_as_long_as_all_are(shop):
    checked = shop()["shop-de"].table("orders")
    assert [(step.rule, step.kept, step.dropped) for step in checked.steps][-1] == ("rows where land is not DE", 3, 2)
    assert checked.facts["customers"] == 2
    assert checked.facts["observed_until"] == date(2024, 5, 1), "its own last order was a month before"


def test_tables_without_the_column_follow_their_customers_and_others_stay_whole(shop):
    without = [line.rsplit(",", 1)[0] for line in ORDERS]
    people = ["id,land", "ann,DE", "bob,FR", "cy,DE"]
    more = """
[study.shop.tables.customers]
source = "people.csv"
columns = { customer_id = "id" }
covariates = ["land"]
[study.shop.tables.referrals]
source = "told.csv"
columns = { referrer_id = "from", referred_id = "to", referred_at = "day" }
[study.shop.tables.finances]
source = "books.csv"
"""
    told = ["from,to,day", "ann,bob,2024-02-01", "bob,cy,2024-03-01"]
    books = ["period,revenue", "2024-01-01,5", "2024-02-01,9"]
    found = shop(more=more, orders=without, people=people, told=told, books=books)["shop-de"]
    assert rows(found) == [("ann", 5.0), ("ann", 6.0), ("cy", 2.0)]
    assert found.table("orders").steps[-1].rule == "rows where land is not DE in customers"
    assert found.table("orders").facts["observed_until"] == date(2024, 5, 1)
    assert found.table("referrals").rows.referrer_id.to_pandas().tolist() == ["ann"]
    assert found.table("finances").facts["rows"] == 2
    assert "the same for every land" in " ".join(found.table("finances").notes)
    assert not any("the same" in note for note in found.table("orders").notes)


def test_a_bad_row_refuses_its_own_segment_alone_and_by_its_number_in_the_file(shop):
    bad = [*ORDERS[:4], "cy,sometime,2,DE", *ORDERS[5:]]
    found = shop(orders=bad)
    assert len(rows(found["shop-fr"])) == 2
    with pytest.raises(TableError, match=r"In 1 of .*First: row 4,"):
        found["shop-de"].table("orders")


def test_combinations_names_and_values_of_any_script(shop):
    lines = [
        "id,day,total,land,age",
        "ann,2024-01-01,5,تهران,30",
        "bob,2024-02-01,7,شیراز,30",
        "cy,2024-02-03,1,تهران,40",
    ]
    found = shop(each='{ land = ["تهران", "شیراز"], age = [30, 40] }', orders=lines)
    assert list(found) == ["shop-30", "shop-40", "shop-30-3", "shop-40-4"]
    assert rows(found["shop-40"]) == [("cy", 1.0)]
    with pytest.raises(TableError, match="no row left to use"):
        found["shop-40-4"].table("orders")


@pytest.mark.parametrize(
    ("each", "more", "says"),
    [
        ('{ land = "DE" }', "", r"study\.shop\.for\.land: .*list"),
        ("{ land = [] }", "", r"study\.shop\.for\.land: .*at least 1"),
        ('{ land = ["de"] }', '[study.shop-de]\ntitle = "Mine"\n[study.shop-de.tables.orders]\nsource = "orders.csv"',
         r'another study "shop-de"'),
    ],
)  # fmt: skip
def test_a_wrong_list_is_told_before_anything_runs(shop, each, more, says):
    with pytest.raises(SettingsError, match=says):
        shop(each=each, more=more)


def test_a_column_that_no_table_has_is_told_with_the_nearest(shop):
    found = shop(each='{ lnad = ["DE"] }')
    (problem,) = found["shop-de"].check().problems
    assert 'no table with customers has a column "lnad". The nearest column is "land"' in problem


def test_another_segment_leaves_what_is_made_of_the_others_at_hand(shop, tmp_path):
    book = write_book(tmp_path, "20_a", "n")

    def key(each):
        found = shop(each=each)["shop-de"]
        job = runs.Job(found.name, notebooks.read_notebook(book), {"study": found.name})
        return keys.Recipes(runs.KERNEL).of(job, found).key

    assert key('{ land = ["DE"] }') == key('{ land = ["DE", "FR"] }')
    found = shop(each='{ land = ["FR", "DE"] }')
    other = runs.Job("shop-fr", notebooks.read_notebook(book), {"study": "shop-de"})
    assert keys.Recipes(runs.KERNEL).of(other, found["shop-fr"]).key != key('{ land = ["DE"] }')


def test_the_command_takes_the_entry_or_one_of_its_segments(shop, tmp_path, monkeypatch, capsys):
    books = tmp_path / "books"
    books.mkdir()
    code = "from analysis import studies\nprint(studies.open_study(study).table('orders').facts['rows'])"
    write_book(books, "20_counts", code, needs=["orders"])
    monkeypatch.setattr(notebooks, "FOLDER", books)
    notebooks._read_all.cache_clear()
    monkeypatch.chdir(tmp_path)
    shop()
    assert cli.main(["report", "shop", "--out", "site"]) == 0
    told = {row["study"]: row["state"] for row in json.loads((tmp_path / "site/runs.json").read_text())}
    assert told == {"shop-de": "ok", "shop-fr": "ok"}
    assert '"3\\n"' in (tmp_path / "site/shop-de/20_counts.ipynb").read_text()
    assert '"2\\n"' in (tmp_path / "site/shop-fr/20_counts.ipynb").read_text()
    assert "A shop: land FR" in (tmp_path / "site/index.html").read_text()
    assert cli.main(["report", "shop-de", "--out", "site"]) == 0
    assert cli.main(["report", "shp", "--out", "site"]) == 2
    assert "'shop'" in capsys.readouterr().err
    notebooks._read_all.cache_clear()


def test_a_run_goes_through_the_values_of_its_parameters(shop):
    more = """
[[study.shop.run]]
notebook = "20_a"
name = "far"
for = { months = [12, 24], net = [true, false] }
[[study.shop.run]]
notebook = "20_a"
"""
    found = shop(each='{ land = ["DE"] }', more=more)["shop-de"].runs
    assert [(run.name, run.parameters) for run in found] == [
        ("far-12-true", {"months": 12, "net": True}),
        ("far-12-false", {"months": 12, "net": False}),
        ("far-24-true", {"months": 24, "net": True}),
        ("far-24-false", {"months": 24, "net": False}),
        (None, {}),
    ]


def test_a_parameter_of_such_a_run_that_is_unknown_is_told(shop, tmp_path):
    shop(more='[[study.shop.run]]\nnotebook = "20_a"\nfor = { mnths = [1] }\n')
    with pytest.raises(SettingsError, match=r'run\[1\]\.for.*"mnths".*"months"'):
        studies.load(tmp_path / "studies.toml", notebooks={"20_a": {"months"}})
