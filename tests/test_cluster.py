"""Reports on a Dask cluster: two real workers on loopback, one of them killed in the middle."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from books import make_book, write_book

from analysis import cli, cluster, keys, notebooks
from analysis.runs import Job

if not os.environ.get("LOYALTY_REQUIRE_ENGINES"):
    pytest.importorskip("distributed", reason="dask's distributed is not installed (make engines)")

STUDIES = """
[report]
min_cell = 1
[study.tiny]
title = "A tiny shop"
currency = "EUR"
[study.tiny.tables.orders]
source = "tiny.csv"
columns = { customer_id = "id", ordered_at = "day", amount = "total" }
"""
RECORD = """
from analysis import findings, studies
from analysis.estimates import Estimate
lab = studies.open_study(study)
findings.record(
    "R01", study=lab, headline="all", design="a test",
    readings={"all": Estimate.normal(n / 10, 0.01, unit="growth", n=9)},
)
"""
LAST = "from analysis import findings\nprint([e['estimate'] for e in findings.latest()])"


@pytest.fixture(scope="module")
def workers():
    """A scheduler and two workers, each a process of its own behind a port of loopback."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=0) as found:
        yield found


@pytest.fixture
def place(tmp_path, monkeypatch):
    books = tmp_path / "books"
    books.mkdir()
    write_book(books, "20_finds", RECORD, needs=["orders"])
    write_book(books, "90_board", LAST, needs=["findings"])
    (tmp_path / "tiny.csv").write_text("id,day,total\nann,2024-01-01,5\nbob,2024-02-01,7\n")
    (tmp_path / "studies.toml").write_text(STUDIES)
    monkeypatch.setattr(notebooks, "FOLDER", books)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def site(folder):
    """Every file of a site less what tells the time."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {
        name: text
        for name, text in found.items()
        if not name.endswith(("run.json", "runs.json", "findings.json", "news.json"))
    }


def estimates(folder):
    return [(e["hypothesis"], e["estimate"]) for e in json.loads((folder / "findings.json").read_text())]


def test_a_report_on_a_cluster_is_the_report_of_this_machine(workers, place, capsys):
    assert cli.main(["report", "--out", "here", "--state", "one"]) == 0
    assert cli.main(["report", "--out", "there", "--state", "two", "--cluster", workers.scheduler_address]) == 0
    here, there = site(place / "here"), site(place / "there")
    assert len(here) > 4
    assert {name for name in here | there if here.get(name) != there.get(name)} == set()
    assert estimates(place / "here") == estimates(place / "there") == [("R01", 0.1)]
    assert "[0.1]" in (place / "there" / "tiny" / "90_board.ipynb").read_text(), "the board read what the others found"


def test_what_a_cluster_made_is_at_hand_for_this_machine(workers, place, capsys):
    assert cli.main(["report", "--out", "site", "--cluster", workers.scheduler_address]) == 0
    capsys.readouterr()
    assert cli.main(["report", "--out", "site"]) == 0
    assert "Nothing has changed" in capsys.readouterr().out


SLOW = """
import os, time
from pathlib import Path
with Path("begun").open("a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(2 if Path("killed").exists() else 120)
"""


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(workers, tmp_path):
    jobs = [Job("tiny", make_book(tmp_path, "slow", SLOW), {"study": "tiny"})]
    jobs += [Job("tiny", make_book(tmp_path, f"quick{n}", "print(n)"), {"study": "tiny", "n": n}) for n in range(4)]
    folder = tmp_path / "x"
    folder.mkdir()
    (studies := tmp_path / "studies.toml").write_text(STUDIES)
    given = {"folder": folder, "environment": {"LOYALTY_STUDIES": str(studies)}, "told": lambda *_: None}
    ended = []

    def kill_once(*_):
        deadline = time.monotonic() + 90
        while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        kernel = psutil.Process(int((tmp_path / "begun").read_text().split()[0]))
        worker = next(one for one in kernel.parents() if "spawn_main" in " ".join(one.cmdline()))
        (tmp_path / "killed").touch()
        os.kill(worker.pid, signal.SIGKILL)
        return kernel

    with ThreadPoolExecutor(1) as beside, cluster.ClusterRunner(workers.scheduler_address, **given) as runner:
        killing = beside.submit(kill_once)
        runner.ended = ended.append
        outcomes = runner.run(jobs)
        kernel = killing.result()
    assert [outcome.verdict for outcome in outcomes] == ["ok"] * 5
    assert len(ended) == 5, "each was told, and so kept, once"
    assert len((tmp_path / "begun").read_text().split()) == 2, "begun, lost with its worker, and begun again"
    assert not kernel.is_running(), "the kernel of the killed worker ended with it"


def test_a_cluster_that_differs_or_does_not_answer_is_refused_in_one_message(workers, place, capsys, monkeypatch):
    assert cli.main(["report", "--out", "site", "--cluster", "tcp://127.0.0.1:9"]) == 1
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err
    monkeypatch.setattr(keys, "_installed", lambda: ["another-version"])  # here, not at the workers
    assert cli.main(["report", "--out", "site", "--cluster", workers.scheduler_address]) == 1
    assert "is not as this machine: versions differ" in capsys.readouterr().err
    assert not (place / "site").exists()
