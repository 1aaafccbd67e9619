"""What a real run publishes: no customer by name, no secret in any file, and no code for the public."""

import json
import os

import pytest
from small_business import identity
from test_report import change_book, found, place, site_files, write_studies  # noqa: F401  (a fixture)

from analysis import cli

LEAKY = {
    "printed": "print(lab.table('orders').rows.execute())",
    "a table": "lab.table('orders').rows.execute()",
    "a category": "exhibits.Table('t', 'Spend', pd.DataFrame({'who': [person], 'mean': [2.0]}))",
    "a caption": "exhibits.Figure('f', 'T', 'An alt.', pd.DataFrame({'x': [1]}), lambda *a: None, caption=person)",
    "the data behind a figure": "exhibits.Figure('f', 'T', 'An alt.', pd.DataFrame({'x': [person]}), lambda *a: None)",
    "a sentence": "exhibits.say('Mostly {}.', person)",
    "a warning": "import warnings; warnings.warn(f'{person} looks odd')",
}
START = """import pandas as pd
from analysis import exhibits, studies
lab = studies.open_study(study)
person = lab.table('orders').rows.execute()['customer_id'].min()
"""


@pytest.fixture
def shop(place):  # noqa: F811
    rows = [f"{identity(n)},2024-01-0{1 + n % 9},{5 + n}" for n in range(12)]
    (place / "tiny.csv").write_text("\n".join(["id,day,total", *rows]) + "\n")
    return place


def assert_nobody_is_named(folder, capsys):
    said = capsys.readouterr()
    texts = {name: text.decode("utf-8", "ignore") for name, text in site_files(folder).items()}
    assert [name for name, text in texts.items() if "ZQ-" in text.upper()] == []
    assert "ZQ-" not in said.out
    return said.err, texts


@pytest.mark.parametrize("how", LEAKY)
def test_a_page_that_names_a_customer_is_refused_and_says_where(shop, capsys, how):
    change_book(shop, START + LEAKY[how])
    assert cli.main(["report"]) == 3
    _, texts = assert_nobody_is_named(shop, capsys)
    (row,) = [r for r in json.loads(texts["runs.json"]) if r["slug"]]
    assert row["state"] == "refused"
    assert "by their identifier, so it was not published" in row["message"]
    assert "refused" in texts["index.html"].lower()
    assert "tiny/20_finds.ipynb" not in texts


def test_the_last_good_page_stays_when_the_next_would_name_somebody(shop, capsys):
    assert cli.main(["report"]) == 0
    before = found(shop)
    change_book(shop, START + LEAKY["a sentence"])
    assert cli.main(["report"]) == 3
    _, texts = assert_nobody_is_named(shop, capsys)
    assert "This page is out of date" in texts["tiny/20_finds.html"]
    assert found(shop) == before


def test_a_message_that_names_somebody_stays_in_the_terminal(shop, capsys):
    change_book(shop, START + "raise ValueError(f'{person} has no total')")
    assert cli.main(["report"]) == 3
    err, texts = assert_nobody_is_named(shop, capsys)
    assert "ValueError in cell" in texts["tiny/20_finds.html"]
    assert "has no total" in err


@pytest.mark.parametrize("name", ["SHOP_PASSWORD", "PLACE"])
def test_a_secret_on_a_page_stops_the_whole_publication(place, capsys, monkeypatch, name):  # noqa: F811
    """One variable is known by its name, the other by its use in the studies file."""
    monkeypatch.setenv(name, "hunter2-hunter2")
    assert cli.main(["report"]) == 0
    before = site_files(place)
    write_studies(place, tiny="# ${PLACE}")
    change_book(place, f"import os; print('as:', os.environ['{name}'])")
    capsys.readouterr()
    assert cli.main(["report"]) == 1
    said = capsys.readouterr().err
    assert f"holds the value of the variable {name}, so nothing was published." in said
    assert len([line for line in said.splitlines() if line.startswith("loyalty:")]) == 1
    assert "hunter2" not in said
    assert site_files(place) == before
    assert "hunter2" not in str(site_files(place))


def test_a_run_of_one_notebook_is_searched_as_well(shop, capsys, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "hunter2-hunter2")
    change_book(shop, "import os; print(os.environ['API_TOKEN'])")
    assert cli.main(["run", "20_finds", "--study", "tiny", "--out", "one"]) == 1
    assert "variable API_TOKEN" in capsys.readouterr().err
    assert not (shop / "one").exists()
    monkeypatch.delenv("API_TOKEN")
    change_book(shop, START + LEAKY["printed"])
    assert cli.main(["run", "20_finds", "--study", "tiny", "--out", "one"]) == 3
    written = "".join(p.read_text("utf-8", errors="ignore") for p in (shop / "one").rglob("*") if p.is_file())
    assert "by their identifier" in written
    assert "ZQ-" not in written


def test_the_public_gets_pages_and_numbers_but_no_code_no_notebook_and_no_path(shop):
    text = (shop / "studies.toml").read_text().replace("min_cell = 1", 'min_cell = 1\naudience = "public"')
    (shop / "studies.toml").write_text(text)
    change_book(shop, START + "exhibits.Table('t', 'Spend', pd.DataFrame({'plan': ['a'], 'mean': [2.0]}))")
    assert cli.main(["report"]) == 0
    texts = {name: content.decode("utf-8", "ignore") for name, content in site_files(shop).items()}
    assert "tiny/20_finds-data/t.csv" in texts
    assert [name for name in texts if name.endswith(".ipynb")] == []
    for name, content in texts.items():
        for hidden in ("open_study", "tiny.csv", str(shop), os.fspath(shop.parent), "site-packages"):
            assert hidden not in content, (name, hidden)
