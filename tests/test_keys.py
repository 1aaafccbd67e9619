"""Keys, kept results and the manifest: what changed is run, what did not is not, and a failure is never kept."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from books import write_book

from analysis import cli, keys, notebooks, state

STUDIES = """
[report]
min_cell = 1
[study.one]
title = "One shop"
[study.one.tables.orders]
source = "one.csv"
[study.two]
title = "Two shops"
[study.two.tables.orders]
source = "two*.csv"
"""
ORDERS = "customer_id,ordered_at,amount\nann,2024-01-01,5\nbob,2024-02-01,7\n"
FIND = """
from analysis import findings, studies
from analysis.estimates import Estimate
lab = studies.open_study(study)
rows = lab.table("orders").rows.count().execute()
findings.record(
    "R01", study=lab, headline="all", design="a test",
    readings={"all": Estimate.normal(rows / 10, 0.01, unit="growth", n=9)},
)
"""
LAST = "from analysis import findings\nprint([(e['study'], e['estimate']) for e in findings.latest()])"
EVERYTHING = {"one 20_finds", "one 21_asks", "one 90_last", "two 20_finds", "two 21_asks", "two 90_last"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with two studies, three notebooks, a source of its own, and a report of it."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "books").mkdir()
    write_book(folder / "books", "20_finds", FIND, needs=["orders"])
    write_book(folder / "books", "21_asks", "n + 1", needs=["orders"])
    write_book(folder / "books", "90_last", LAST, needs=["findings"])
    (folder / "package/templates").mkdir(parents=True)
    (folder / "package/customers.py").write_text("one = 1\n")
    (folder / "package/templates/page.css").write_text("p {}\n")
    (folder / "studies.toml").write_text(STUDIES)
    for name in ("one.csv", "two-a.csv"):
        (folder / name).write_text(ORDERS)
    with pytest.MonkeyPatch.context() as patch:
        inside(folder, patch)
        assert cli.main(["report"]) == 0
    return folder


def inside(folder, patch):
    patch.chdir(folder)
    patch.delenv(state.VARIABLE, raising=False)
    patch.setattr(notebooks, "FOLDER", folder / "books")
    patch.setattr(keys, "PACKAGE", folder / "package")
    notebooks._read_all.cache_clear()


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """A copy of that folder, its paths and times the same but for the folder itself."""
    shutil.rmtree(made.parent / "work", ignore_errors=True)
    before = made.rename(made.parent / "before")
    shutil.copytree(before, made, symlinks=True, copy_function=shutil.copy2)
    inside(made, monkeypatch)
    yield made
    shutil.rmtree(made)
    before.rename(made)


def change(folder, name, old, new):
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    notebooks._read_all.cache_clear()


def due(capsys, *options):
    """The runs that `--explain` calls due, with its reasons."""
    capsys.readouterr()
    assert cli.main(["report", "--explain", *options]) == 0
    lines = [line.partition(": ") for line in capsys.readouterr().out.splitlines()]
    return {run.replace(" · ", " "): said.removeprefix("due: ") for run, _, said in lines if said != "at hand"}


def log():
    return [json.loads(line) for line in state.at().log.read_text().splitlines()]


def test_everything_is_at_hand_after_a_report(place, capsys):
    assert due(capsys) == {}


WAITS = "of the runs whose findings it reads"


ONE, TWO, ASKS = (
    {"one 20_finds", "one 21_asks"},
    {"two 20_finds", "two 21_asks"},
    {"one 21_asks", "two 21_asks"},
)
TITLE = 'title = "One shop"'


@pytest.mark.parametrize(
    ("file", "old", "new", "direct", "reason"),
    [
        ("one.csv", "bob,2024-02-01,7", "bob,2024-02-01,8", ONE, "data: orders"),
        ("two-a.csv", "bob,2024-02-01,7", "bob,2024-02-01,8", TWO, "data: orders"),
        ("books/21_asks.ipynb", "n + 1", "n + 2", ASKS, "code: cells"),
        ("books/21_asks.ipynb", "n: int = 1", "n: int = 3", ASKS, "code: cells; parameters: n"),
        ("package/customers.py", "one = 1", "one = 2", EVERYTHING, "our source: customers.py"),
        ("studies.toml", TITLE, 'title = "Shop"', ONE, "settings: title"),
        ("studies.toml", TITLE, TITLE + '\ncurrency = "EUR"', ONE, "settings: currency"),
        ("studies.toml", "min_cell = 1", "min_cell = 2", EVERYTHING, "settings: min_cell"),
        ("studies.toml", TITLE, TITLE + "\nparameters = { n = 4 }", ONE, "parameters: n"),
    ],
)
def test_touching_an_ingredient_makes_exactly_its_runs_due(place, capsys, file, old, new, direct, reason):
    change(place, file, old, new)
    told = due(capsys)
    last = {run for run in told if run.endswith("90_last")}
    assert last == {"one 90_last", "two 90_last"}, "they read the findings of the others"
    assert set(told) - last == direct - last
    assert {told[run] for run in direct - last} == {reason}
    assert all(WAITS in told[run] for run in last)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("books/21_asks.ipynb", "# 21_asks?", "# What does it ask?"),
        ("package/templates/page.css", "p {}", "p { margin: 0 }"),
        ("studies.toml", "[report]", '[report]\naudience = "public"'),
        ("studies.toml", "[report]", '[report]\ncell_timeout = "3m"'),
    ],
)
def test_prose_templates_and_audience_make_nothing_due(place, capsys, file, old, new):
    change(place, file, old, new)
    assert due(capsys) == {}


def test_a_new_file_of_a_pattern_and_a_biography_are_data(place, capsys):
    (place / "two-b.csv").write_text("customer_id,ordered_at,amount\ncid,2024-01-05,5\n")
    assert set(due(capsys)) - {"one 90_last", "two 90_last"} == {"two 20_finds", "two 21_asks"}
    (place / "two-b.csv").unlink()
    assert due(capsys) == {}
    (place / "one.toml").write_text("x = 1")
    assert set(due(capsys)) - {"one 90_last", "two 90_last"} == {"one 20_finds", "one 21_asks"}


def test_another_version_or_setting_of_the_shell_makes_all_due(place, capsys, monkeypatch):
    there = keys._installed()
    monkeypatch.setattr(keys, "_installed", lambda: [*there, "pandas-9.9.dist-info"])
    told = due(capsys)
    assert set(told) == EVERYTHING
    assert told["one 21_asks"] == "versions: pandas-9.9.dist-info"
    monkeypatch.undo()
    inside(place, monkeypatch)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    assert due(capsys)["one 21_asks"] == "environment: PYTHONWARNINGS"


def test_a_changed_prose_is_rendered_and_a_changed_file_runs_what_reads_it(place, capsys):
    before = (place / "reports/site/one/21_asks.html").read_text()
    runs = len(log())
    change(place, "books/21_asks.ipynb", "# 21_asks?", "# What does it ask?")
    assert cli.main(["report"]) == 0
    after = (place / "reports/site/one/21_asks.html").read_text()
    assert "What does it ask?" in after
    assert "What does it ask?" not in before
    assert len(log()) == runs, "nothing was executed"
    listed = json.loads((place / "reports/site/runs.json").read_text())
    change(place, "one.csv", "ann,2024-01-01,5", "ann,2024-01-01,9\ncid,2024-01-01,9")
    assert cli.main(["report"]) == 0
    ran = log()[runs:]
    assert {f"{line['study']} {line['slug']}" for line in ran} == {
        "one 20_finds", "one 21_asks", "one 90_last", "two 90_last",
    }  # fmt: skip
    assert {line["study"]: line["why"] for line in ran if line["slug"] == "20_finds"} == {"one": ["data: orders"]}
    assert all(line["seconds"] > 0 and line["peak_mib"] > 0 and len(line["key"]) == 64 for line in ran)
    found = {e["study"]: e for e in json.loads((place / "reports/site/findings.json").read_text())}
    assert (found["one"]["estimate"], found["two"]["estimate"]) == (0.3, 0.2)
    when = {(row["study"], row["slug"]): row["recorded_at"] for row in listed}
    assert found["two"]["recorded_at"] == when["two", "20_finds"], "a finding at hand keeps its time"


HEAVY = ["pandas", "numpy", "nbformat", "pydantic", "jinja2", "papermill", "duckdb", "ibis"]
AGAIN = f"""
import sys
from analysis import cli
code = cli.main(["report", *sys.argv[1:]])
print(code, [name for name in {HEAVY} if name in sys.modules])
"""


def again(*options):
    done = subprocess.run([sys.executable, "-c", AGAIN, *options], capture_output=True, text=True)
    return done.stdout.splitlines(), done.stderr


def test_with_nothing_changed_nothing_is_run_and_nothing_heavy_imported(place):
    assert again()[0][-1] == "0 []", "copied files have other times, so this one looks at what they hold"
    before = {p: p.stat().st_mtime_ns for p in place.rglob("*") if p.is_file() and ".loyalty" not in p.parts}
    lines, error = again()
    assert lines == ["Nothing has changed, and nothing was run.", "Report: reports/site/index.html", "0 []"]
    assert error == ""
    assert before == {p: p.stat().st_mtime_ns for p in before}


@pytest.mark.parametrize("path", ["one.csv", "books/21_asks.ipynb", "reports/site/index.html", "package/customers.py"])
def test_a_touched_file_is_no_change_and_a_changed_one_is_even_at_the_same_size_and_time(place, path):
    assert cli.main(["report"]) == 0
    asked = keys.asked(Path("studies.toml"), [], Path("reports/site"))
    assert keys.unchanged(state.at(), asked)
    os.utime(path)
    assert keys.unchanged(state.at(), asked)
    told, text = os.stat(path), Path(path).read_bytes()
    Path(path).write_bytes(text[:-2] + b"~\n")
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert not keys.unchanged(state.at(), asked)


@pytest.mark.parametrize("path", ["books/22_new.md", "two-c.csv", "reports/site/more.html", "package/more.py"])
def test_a_file_that_appears_or_goes_is_a_change(place, path):
    assert cli.main(["report"]) == 0
    asked = keys.asked(Path("studies.toml"), [], Path("reports/site"))
    Path(path).write_text("x")
    assert not keys.unchanged(state.at(), asked)
    Path(path).unlink()
    assert keys.unchanged(state.at(), asked)
    assert not keys.unchanged(state.at(), keys.asked(Path("studies.toml"), ["one"], Path("reports/site")))


def test_fresh_runs_everything_again(place, capsys):
    runs = len(log())
    assert cli.main(["report", "one", "--fresh"]) == 0
    assert {line["slug"] for line in log()[runs:]} == {"20_finds", "21_asks", "90_last"}
    assert log()[-1]["why"] == ["it was asked for"]


def test_a_failure_is_never_kept_and_never_unchanged(place, capsys):
    write_book(place / "books", "21_asks", "1 / 0", needs=["orders"])
    notebooks._read_all.cache_clear()
    assert cli.main(["report", "one"]) == 3
    runs = len(log())
    assert due(capsys, "one")["one 21_asks"] == "it did not end well last time"
    assert cli.main(["report", "one"]) == 3
    assert [line["slug"] for line in log()[runs:]] == ["21_asks"], "the others are at hand"


def test_a_file_that_no_table_names_is_told_and_the_run_repeated(place, capsys):
    (place / "secret.txt").write_text("4")
    write_book(place / "books", "21_asks", "int(open('../secret.txt').read())", needs=["orders"])
    notebooks._read_all.cache_clear()
    for _ in range(2):
        assert cli.main(["report", "one"]) == 0
        assert "one · 21_asks read secret.txt, which no table of the study names" in capsys.readouterr().err
        assert log()[-1]["undeclared"] == ["secret.txt"] or log()[-2]["undeclared"] == ["secret.txt"]
    assert due(capsys, "one")["one 21_asks"] == "its result is no longer at hand"


def test_a_study_that_is_read_through_the_engine_alone_is_seen_too(place, capsys):
    read = "from analysis import studies\nstudies.open_study('two').table('orders').steps[0].kept"
    write_book(place / "books", "21_asks", read, needs=["orders"])
    notebooks._read_all.cache_clear()
    assert cli.main(["report", "one"]) == 0
    assert "one · 21_asks read two-a.csv" in capsys.readouterr().err


def test_data_that_change_while_a_notebook_runs_are_not_taken_for_the_old_ones(place, capsys):
    write_book(place / "books", "21_asks", "open('../one.csv', 'a').write('cid,2024-03-01,4\\n')", needs=["orders"])
    notebooks._read_all.cache_clear()
    assert cli.main(["report", "one"]) == 0
    assert "one 20_finds" in due(capsys, "one")
    assert "one 21_asks" in due(capsys, "one")


def test_a_damaged_result_is_made_again_and_only_its_owner_reads_it(place, capsys):
    (kept,) = [p for p in (place / ".loyalty/cache/one/21_asks").glob("*.json") if p.name != "last.json"]
    for path in (place / ".loyalty").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    kept.write_text(kept.read_text().replace('"seconds"', '"second"')[:-10])
    assert due(capsys, "one")["one 21_asks"] == "its result is no longer at hand"


def test_a_database_without_a_digest_is_read_every_time_and_said_so(place, capsys):
    change(place, "studies.toml", 'source = "one.csv"', 'source = "sqlite://shop.db"\ntable = "orders"')
    import sqlite3

    with sqlite3.connect("shop.db") as shop:
        shop.execute("create table orders (customer_id text, ordered_at timestamp, amount real)")
        shop.executemany("insert into orders values (?, ?, ?)", [("ann", "2024-01-01", 5.0), ("bob", "2024-02-01", 7)])
    study = cli._settings(Path("studies.toml"))["one"]
    job = next(job for job in cli_jobs(study) if job.slug == "21_asks")
    recipe = keys.Recipes({}).of(job, study)
    assert recipe.key is None
    assert "the data of orders may change unseen" in keys.why(state.at(), recipe)


def cli_jobs(study):
    from analysis import runs

    return runs.plan(study)


def test_a_lake_is_run_again_only_when_its_version_is_another(place, capsys):
    deltalake = pytest.importorskip("deltalake", reason="the extra lakes is not installed")
    import pandas as pd

    orders = pd.read_csv("one.csv", parse_dates=["ordered_at"], dtype={"customer_id": str})
    deltalake.write_deltalake("lake", orders)
    change(place, "studies.toml", 'source = "one.csv"', 'source = "lake"')
    assert cli.main(["report", "one"]) == 0
    digests = {entry["data_digest"] for entry in json.loads(Path("reports/site/findings.json").read_text())}
    assert due(capsys, "one") == {}
    asked = keys.asked(Path("studies.toml"), ["one"], Path("reports/site"))
    assert keys.unchanged(state.at(), asked)
    deltalake.DeltaTable("lake").update({"amount": "9.0"}, predicate="customer_id = 'ann'")
    assert not keys.unchanged(state.at(), asked)
    assert due(capsys, "one")["one 20_finds"] == "data: orders"
    assert None not in digests
