"""The runner's verdict can be believed: every way in which a notebook can end, with a real kernel."""

import signal
import subprocess
import sys
import threading
import time

import nbformat
import psutil
import pytest
from books import make_book

from analysis.runs import Job, Runner, clean

SECRET = "customer 4711-Ann-Example"

CELLS = {
    "fine": ["print(n + 1)"],
    "raises": [f"raise ValueError({SECRET!r})", "print('never')"],
    "our_message": ["from analysis.tables import TableError\nraise TableError('orders: 3 rows are wrong.')"],
    "never_ends": ["while True: pass"],
    "swallows_interrupts": [
        "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass"
    ],
    "dies": ["import os\nos._exit(1)"],
    "exits": ["import sys\nsys.exit(0)", "print('after')"],
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """All endings at once; the two that hang share one short limit."""
    folder = tmp_path_factory.mktemp("books")
    jobs = [
        Job("tiny", make_book(folder, name, *cells), {"study": "tiny", "n": 2}, cell_timeout=4)
        for name, cells in CELLS.items()
    ]
    told = []
    with Runner(workers=3, folder=folder / "executed", environment={}, told=lambda *a: told.append(a)) as runner:
        done = {o.job.notebook.name: o for o in runner.run(jobs)}
    done["told"] = told
    return done


@pytest.mark.parametrize(
    ("name", "verdict", "message"),
    [
        ("fine", "ok", ""),
        ("raises", "failed", "ValueError in cell 3. The terminal"),
        ("our_message", "failed", "orders: 3 rows are wrong."),
        ("never_ends", "timed out", "Stopped in cell 3: it ran longer than the limit (4 seconds a cell"),
        ("swallows_interrupts", "timed out", "Stopped in cell 3"),
        ("dies", "kernel died", "The kernel died in cell 3"),
        ("exits", "failed", "SystemExit in cell 3"),
    ],
)
def test_every_ending_has_its_verdict(outcomes, name, verdict, message):
    assert outcomes[name].verdict == verdict
    assert outcomes[name].message.startswith(message)


def test_what_a_library_says_of_the_data_is_not_published(outcomes):
    assert SECRET not in outcomes["raises"].message
    assert SECRET in outcomes["raises"].detail


def test_parameters_reach_the_notebook(outcomes):
    executed = nbformat.read(outcomes["fine"].executed, as_version=4)
    assert executed.cells[-1].outputs[0].text == "3\n"


def test_peak_memory_and_time_are_told(outcomes):
    assert outcomes["fine"].peak_mib > 20
    assert outcomes["fine"].seconds > 0


def test_progress_is_told_cell_by_cell(outcomes):
    fine = [(state, done) for job, state, done, _ in outcomes["told"] if job.notebook.name == "fine"]
    assert fine[0] == ("running", 0)
    assert fine[-1][0] == "ok"
    assert len(fine) >= 4


def test_a_cleaned_notebook_holds_no_time_and_no_path(outcomes):
    executed = outcomes["fine"].executed
    text = nbformat.writes(clean(nbformat.read(executed, as_version=4)))
    assert "papermill" not in text
    assert str(executed.parent) not in text
    assert "T0" not in text


def alive(marker):
    return [p for p in psutil.process_iter(["cmdline"]) if marker in " ".join(p.info["cmdline"] or [])]


def test_a_notebook_that_takes_too_long_in_all_is_ended_with_its_kernel(tmp_path):
    book = make_book(tmp_path, "slow", "import time\ntime.sleep(60)")
    job = Job("tiny", book, {"study": "tiny"}, report_timeout=4)
    before = set(psutil.Process().children(recursive=True))
    with Runner(workers=1, folder=tmp_path / "x", environment={}, told=lambda *_: None) as runner:
        (outcome,) = runner.run([job])
    assert outcome.verdict == "timed out"
    assert outcome.seconds < 30
    assert set(psutil.Process().children(recursive=True)) <= before


KILLED = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
sys.path.insert(0, {tests!r})
from books import make_book
from analysis.runs import Job, Runner
folder = Path({folder!r})
job = Job("tiny", make_book(folder, "slow", "import time; open('started', 'w'); time.sleep(600)"), {{"study": "tiny"}})
Runner(workers=1, folder=folder / "x", environment={{}}, told=lambda *a: None).run([job])
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_a_runner_that_is_killed_or_interrupted(tmp_path, how):
    code = KILLED.format(tests=str(__import__("pathlib").Path(__file__).parent), folder=str(tmp_path))
    runner = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    wait_for(lambda: (tmp_path / "started").exists(), seconds=60)
    family = psutil.Process(runner.pid).children(recursive=True)
    assert len(family) >= 2, "a worker and its kernel"
    runner.send_signal(how)
    runner.wait(30)
    wait_for(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family), seconds=20)


def wait_for(condition, *, seconds):
    """Waits until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.1)
