"""Reports from end to end through the command line, with small notebooks in real kernels."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from books import write_book
from judging import judge_again

from analysis import cli, notebooks

STUDIES = """
[report]
min_cell = 1
[study.tiny]
title = "A tiny shop"
currency = "EUR"
[study.tiny.tables.orders]
source = "tiny.csv"
columns = {{ customer_id = "id", ordered_at = "day", amount = "total" }}
{tiny}
"""
OTHER = """
[study.other]
title = "Another shop"
[study.other.tables.orders]
source = "other.csv"
columns = { customer_id = "id", ordered_at = "day", amount = "total" }
"""
ORDERS = "id,day,total\nann,2024-01-01,5\nbob,2024-02-01,7\n"
BROKEN = "id,day,total\nann,2024-01-01,5\nbob,sometime,7\n"

RECORD = """
from types import SimpleNamespace
from analysis import findings, studies
from analysis.estimates import Estimate
lab = studies.open_study(study)
found = findings.record(
    "R01", study=lab, headline="all", design="a test",
    readings={"all": Estimate.normal(n / 10, 0.01, unit="growth", n=9)},
)
found
"""
LAST = "from analysis import findings\nprint(sorted(e['study'] for e in findings.latest()))"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with one study and one small notebook, where `loyalty` is called."""
    books = tmp_path / "books"
    books.mkdir()
    write_book(
        books, "20_finds", RECORD, parameters='study: str = "tiny"  # a study\nn: int = 5  # tenths', needs=["orders"]
    )
    (tmp_path / "tiny.csv").write_text(ORDERS)
    write_studies(tmp_path)
    monkeypatch.setattr(notebooks, "FOLDER", books)
    notebooks._read_all.cache_clear()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def two(place):
    """The same with a second study, and a notebook that reads what the others found."""
    write_book(place / "books", "90_last", LAST, needs=["findings"])
    notebooks._read_all.cache_clear()
    (place / "other.csv").write_text(ORDERS)
    with (place / "studies.toml").open("a") as file:
        file.write(OTHER)
    return place


def write_studies(folder, tiny=""):
    (folder / "studies.toml").write_text(STUDIES.format(tiny=tiny))


def change_book(folder, *cells, **more):
    write_book(folder / "books", "20_finds", *cells, needs=["orders"], **more)
    notebooks._read_all.cache_clear()


def found(folder):
    return json.loads((folder / "reports/site/findings.json").read_text())


def site_files(folder):
    site = folder / "reports/site"
    return {str(p.relative_to(site)): p.read_bytes() for p in site.rglob("*") if p.is_file()}


def unmarked(page):
    """A page without the note that it is out of date, which it must have."""
    clean = re.sub(b"<!--stale-->.*This page is out of date.*<!--stale-->", b"", page, flags=re.DOTALL)
    assert clean != page
    return clean


def test_a_report_holds_pages_findings_and_a_board(two, capsys):
    assert cli.main(["report"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].endswith("reports/site/index.html")
    files = site_files(two)
    assert {"index.html", "findings.json", "tiny/20_finds.html", "tiny/20_finds.ipynb", "other/90_last.html"} <= set(
        files
    )
    entries = found(two)
    assert [(e["study"], e["hypothesis"], e["headline"], e["verdict"]) for e in entries] == [
        ("tiny", "R01", True, "supported"),
        ("other", "R01", True, "supported"),
    ]
    assert all(judge_again(e) == e["verdict"] for e in entries)
    for promised in ("notebook", "parameters", "data_digest", "versions", "recorded_at", "changed"):
        assert all(promised in e for e in entries)
    last = json.loads(files["tiny/90_last.ipynb"])
    assert last["cells"][-1]["outputs"][0]["text"] == ["['other', 'tiny']\n"], "the last notebook sees all findings"
    assert cli.main(["findings"]) == 0
    assert "R01" in capsys.readouterr().out


def test_the_same_inputs_give_the_same_bytes(place):
    cli.main(["report"])
    first = site_files(place)
    cli.main(["report", "--fresh"])
    second = site_files(place)
    assert set(first) == set(second)
    timed = {"findings.json", "runs.json", "index.html"}
    assert [name for name in first if name not in timed and first[name] != second[name]] == []

    def timeless(text):
        return re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+\+00:00", b"", text)

    assert timeless(first["findings.json"]) == timeless(second["findings.json"])


def test_a_failed_notebook_gets_a_page_and_never_replaces_a_good_one(place, capsys):
    cli.main(["report"])
    good = site_files(place)["tiny/20_finds.html"]
    change_book(place, "raise ValueError('Ann Example owes 5')")
    assert cli.main(["report", "tiny"]) == 3
    files = site_files(place)
    assert unmarked(files["tiny/20_finds.html"]) == good
    assert b"since 20" in files["tiny/20_finds.html"]
    assert b"ValueError" in files["tiny/20_finds.failed.html"]
    assert b"Failed" in files["index.html"]
    assert "Ann Example owes 5" in capsys.readouterr().err
    assert not [name for name, text in files.items() if b"Ann Example" in text]
    assert len(found(place)) == 1, "the findings of the last good page stay"
    change_book(place, RECORD, parameters='study: str = "tiny"  # a study\nn: int = 5  # tenths')
    assert cli.main(["report", "tiny"]) == 0
    files = site_files(place)
    assert "tiny/20_finds.failed.html" not in files
    assert files["tiny/20_finds.html"] == good, "nothing is left of the mark"


def test_a_failure_on_the_first_run_is_a_page_of_its_own(place):
    change_book(place, "1 / 0")
    assert cli.main(["report"]) == 3
    assert b"ZeroDivisionError" in site_files(place)["tiny/20_finds.html"]
    assert found(place) == []


def test_wrong_data_stop_only_their_study(two, capsys):
    cli.main(["report"])
    good = site_files(two)
    (two / "tiny.csv").write_text(BROKEN)
    assert cli.main(["report"]) == 3
    assert "row 2" in capsys.readouterr().err
    files = site_files(two)
    assert unmarked(files["tiny/20_finds.html"]) == good["tiny/20_finds.html"]
    assert b"Refused" in files["index.html"]
    assert len(found(two)) == 2


def test_a_report_about_a_handful_of_people_is_refused(place, capsys):
    text = (place / "studies.toml").read_text().replace("min_cell = 1", "min_cell = 3")
    (place / "studies.toml").write_text(text)
    assert cli.main(["report"]) == 1
    assert "tiny: orders holds 2 customers. Pages about fewer than 3 would show" in capsys.readouterr().err


def test_nothing_runs_when_no_study_can(two, capsys):
    (two / "tiny.csv").write_text(BROKEN)
    (two / "other.csv").unlink()
    assert cli.main(["report"]) == 1
    error = capsys.readouterr().err
    assert "tiny.csv" in error
    assert "other.csv" in error
    assert "Traceback" not in error
    assert not (two / "reports/site").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["report", "tinny"], 2, "'tiny'"),
        (["report", "--studies", "none.toml"], 1, "none.toml"),
        (["run", "20_find", "--study", "tiny"], 2, "'20_finds'"),
        (["run", "20_finds", "--study", "tinny"], 2, "'tiny'"),
        (["run", "20_finds", "--study", "tiny", "-p", "m=1"], 2, "The nearest is n"),
        (["run", "20_finds", "--study", "tiny", "-p", "n=many"], 2, "n must be a whole number"),
        (["run", "20_finds", "--study", "tiny", "-p", "n"], 2, "name=value"),
        (["run", "20_finds", "--study", "tiny", "-p", "n=1;import os#=1"], 2, "must be a whole number"),
        (["check", "tinny"], 2, "'tiny'"),
        (["findings", "--out", "nowhere"], 1, "loyalty report"),
    ],
)
def test_a_wrong_word_is_one_message_with_the_nearest_right_one(place, capsys, arguments, code, says):
    assert cli.main(arguments) == code
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


@pytest.mark.parametrize("arguments", [["report", "--job", "x"], ["report", "--jobs", "0"], ["nonsense"], []])
def test_a_wrong_option_is_code_two(place, arguments):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "line",
    [
        "[study.tiny.parameters]\nhorizn = 3",
        "[study.tiny.smallest_effects]\nR99 = 1.1",
        '[[study.tiny.run]]\nnotebook = "20_find"',
        '[[study.tiny.run]]\nnotebook = "20_finds"\nm = 3',
        '[[study.tiny.run]]\nnotebook = "20_finds"\nn = "many"',
    ],
)
def test_a_wrong_setting_stops_before_anything_runs(place, capsys, line):
    write_studies(place, line)
    assert cli.main(["report"]) == 1
    assert "tiny" in capsys.readouterr().err
    assert not (place / "reports/site").exists()


def test_a_site_shows_the_studies_of_one_file(two, capsys):
    cli.main(["report"])
    write_studies(two)  # the file now names one study only
    assert cli.main(["report"]) == 0
    assert "No longer in the report, because studies.toml does not name them: other." in capsys.readouterr().err
    files = site_files(two)
    assert not [name for name in files if name.startswith("other/")]
    assert {e["study"] for e in found(two)} == {"tiny"}
    assert b"Another shop" not in files["index.html"]


def test_studies_that_are_not_run_now_keep_their_pages_and_their_titles(two):
    cli.main(["report"])
    before = site_files(two)
    assert cli.main(["report", "tiny"]) == 0
    files = site_files(two)
    assert files["other/20_finds.html"] == before["other/20_finds.html"]
    assert b"Another shop" in files["index.html"]


def test_a_single_run_never_writes_among_other_things(place, capsys):
    (place / "docs").mkdir()
    (place / "docs/thesis.txt").write_text("mine")
    assert cli.main(["run", "20_finds", "--study", "tiny", "--out", "docs"]) == 1
    assert "holds something else" in capsys.readouterr().err
    assert [p.name for p in (place / "docs").iterdir()] == ["thesis.txt"]


def test_check_refuses_what_report_would_refuse(place, capsys):
    write_studies(place, '[study.tiny.parameters]\nn = "many"')
    assert cli.main(["check", "tiny"]) == 1
    assert "n must be a whole number" in capsys.readouterr().err


def test_one_notebook_with_parameters_of_ones_own(place, capsys):
    assert cli.main(["run", "20_finds", "--study", "tiny", "-p", "n=50", "--out", "single"]) == 0
    assert {p.name for p in (place / "single").iterdir()} >= {"20_finds.html", "20_finds.ipynb", "findings.json"}
    (entry,) = json.loads((place / "single/findings.json").read_text())
    assert (entry["estimate"], entry["verdict"], entry["parameters"]["n"]) == (5.0, "contradicted", 50)
    assert entry["changed"] == [{"what": "parameter", "name": "n", "default": 5, "value": 50, "after_first_run": False}]
    assert not (place / "reports/site").exists()


def test_one_notebook_takes_the_parameters_of_its_listed_run(place):
    one = '[[study.tiny.run]]\nnotebook = "20_finds"\nn = 6\n'
    two = one + one.replace("n = 6", 'name = "b"')
    for listed, given, n in ((one, [], 6), (one, ["-p", "n=50"], 50), (two, [], 5)):
        write_studies(place, listed)
        assert cli.main(["run", "20_finds", "--study", "tiny", *given, "--out", "single"]) == 0
        (entry,) = json.loads((place / "single/findings.json").read_text())
        assert entry["parameters"]["n"] == n


def test_a_change_after_the_first_run_is_logged_as_such(place):
    cli.main(["report", "tiny"])
    assert found(place)[0]["changed"] == []
    write_studies(place, "[study.tiny.parameters]\nn = 6")
    cli.main(["report", "tiny"])
    change = {"what": "parameter", "name": "n", "default": 5, "value": 6, "after_first_run": True}
    assert found(place)[0]["changed"] == [change]
    cli.main(["report", "tiny"])
    assert found(place)[0]["changed"] == [change], "the log survives further runs"
    assert b"after the first run" in site_files(place)["tiny/20_finds.html"]


def test_runs_of_one_notebook_share_a_headline(place):
    runs = '[[study.tiny.run]]\nnotebook = "20_finds"\n[[study.tiny.run]]\nnotebook = "20_finds"\nname = "six"\nn = 6'
    write_studies(place, runs)
    assert cli.main(["report", "tiny"]) == 0
    assert [(e["run"], e["headline"]) for e in found(place)] == [("20_finds", True), ("20_finds-six", False)]
    write_studies(place)
    cli.main(["report", "tiny"])
    assert "tiny/20_finds-six.html" not in site_files(place), "a run that is no longer planned leaves the site"


def test_the_page_for_the_public_holds_no_code(place):
    write_studies(place, "")
    text = (
        (place / "studies.toml")
        .read_text()
        .replace('title = "A tiny shop"', 'title = "A tiny shop"\naudience = "public"')
    )
    (place / "studies.toml").write_text(text)
    assert cli.main(["report", "tiny"]) == 0
    files = site_files(place)
    assert b"findings.record" not in files["tiny/20_finds.html"]
    assert "tiny/20_finds.ipynb" not in files


COMMAND = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
from analysis import cli, notebooks
notebooks.FOLDER = Path("books").resolve()
sys.exit(cli.main(["report", "--jobs", "2"]))
"""


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_stopping_in_the_middle_leaves_the_last_good_report(place, how, code):
    cli.main(["report"])
    good = site_files(place)
    change_book(place, "import time; open('started', 'w'); time.sleep(600)")
    running = subprocess.Popen([sys.executable, "-c", COMMAND], stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not (place / "books/started").exists():
        assert time.monotonic() < end, "the notebook did not start"
        time.sleep(0.1)
    os.kill(running.pid, how)
    error = running.communicate(timeout=30)[1]
    assert running.returncode == code
    assert "Traceback" not in error
    assert site_files(place) == good
    change_book(place, RECORD, parameters='study: str = "tiny"  # a study\nn: int = 5  # tenths')
    assert cli.main(["report"]) == 0, "the next run clears what the killed one left"


def test_another_folder_can_be_named_and_is_never_overwritten(place, capsys):
    (place / "docs").mkdir()
    (place / "docs/thesis.txt").write_text("mine")
    assert cli.main(["report", "tiny", "--out", "docs"]) == 1
    assert "not a report" in capsys.readouterr().err
    assert cli.main(["report", "tiny", "--out", "public/site"]) == 0
    assert (Path("public/site/index.html")).exists()


def test_check_prints_every_step_and_every_problem(place, capsys):
    assert cli.main(["check", "tiny"]) == 0
    out = capsys.readouterr().out
    assert "2 kept" in out
    assert "1 run planned: 20_finds." in out
    (place / "tiny.csv").write_text(BROKEN)
    assert cli.main(["check", "tiny"]) == 1
    assert "row 2" in capsys.readouterr().out


def test_the_register_is_printed_whole(capsys):
    assert cli.main(["claims", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 101
    assert all({"id", "claim", "needs", "rule", "causal", "rung", "article", "status"} <= set(r) for r in rows)
    assert {r["status"] for r in rows} == {"tested"}


def test_what_changed_stands_on_top_of_the_board_and_in_the_feed_and_noise_does_not(place):
    assert cli.main(["report"]) == 0
    assert b'id="changed"' not in site_files(place)["index.html"]
    (place / "tiny.csv").write_text(ORDERS + "cee,2024-03-05,6\n")  # more data, the same finding
    write_studies(place, "[study.tiny.parameters]\nn = 6\n")  # +50% becomes +60%, each to 2 points
    assert cli.main(["report"]) == 0
    files = site_files(place)
    page = re.sub("</?span[^>]*>", "", files["index.html"].decode())
    assert "orders: 1 more row (3 now), seen until 2024-03-05 instead of 2024-02-01." in page
    assert "; from " in page
    assert page.index('id="changed"') < page.index("Claim by claim")
    assert files["feed.xml"].count(b"<entry>") == 1
    assert cli.main(["report", "--fresh"]) == 0  # nothing new: the last change stays, and no entry comes
    again = site_files(place)
    assert (again["feed.xml"], again["news.json"]) == (files["feed.xml"], files["news.json"])
