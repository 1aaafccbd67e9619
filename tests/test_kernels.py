"""Warm kernels: what they give is what fresh ones give, and nothing of them stays."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest
from books import make_book

from analysis import kernels, making, runs
from analysis.runs import Job, Runner

linux = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")

# What a preloaded library could get wrong: figures of pyplot, the width of tables, figures of our own, late imports.
TRAPS = {
    "20_figure": ("import matplotlib.pyplot as plt\nplt.plot([1, 2])", "plt.plot([3, 4])\nplt.gca().get_title()"),
    "21_table": (
        "import pandas as pd\npd.DataFrame([range(30)])",
        "import os, sys, warnings\nwarnings.warn('mind')\nprint(sys.argv[0][-18:], os.getcwd())",
        "sorted(m for m in sys.modules if m.startswith('analysis'))",
    ),
    "22_numbers": (
        "import numpy as np, pandas as pd, matplotlib as mpl\nprint(np.random.default_rng(1).normal(size=3))",
        "print(mpl.get_backend(), pd.get_option('display.max_columns'), pd.get_option('display.width'))",
        "import seaborn as sns\nsns.histplot([1, 2, 2])",
        "import threading\nthreading.current_thread() is threading.main_thread()",
    ),
}  # fmt: skip
RANDOM = "import random\nimport numpy as np\nprint(np.random.rand(), random.random())"


@pytest.fixture
def run(tmp_path):
    """Runs notebooks one after the other; the outcomes."""
    (tmp_path / "books").mkdir()

    def go(books, *, cell_timeout=300):
        jobs = [
            Job("tiny", make_book(tmp_path / "books", name, *cells), {}, "", cell_timeout)
            for name, cells in books.items()
        ]
        with Runner(workers=1, folder=tmp_path / "out", environment={}, told=lambda *_: None) as runner:
            return runner.run(jobs)

    return go


def text_of(outcome):
    return making.as_text(making.read(outcome.executed))


@linux
def test_a_warm_kernel_gives_what_a_fresh_one_gives(run, monkeypatch):
    monkeypatch.delenv(kernels.FRESH, raising=False)
    warm = [(o.verdict, o.kernel, text_of(o)) for o in run(TRAPS)]
    monkeypatch.setenv(kernels.FRESH, "yes")
    fresh = [(o.verdict, o.kernel, text_of(o)) for o in run(TRAPS)]
    assert {w[:2] for w in warm} == {("ok", "warm")}
    assert {f[:2] for f in fresh} == {("ok", "fresh")}
    for name, one, other in zip(TRAPS, warm, fresh, strict=True):
        assert one[2] == other[2], name
    assert "image/png" in fresh[0][2]


@linux
def test_forks_draw_numbers_of_their_own_and_a_bad_end_spoils_no_later_run(run):
    books = {"20_a": (RANDOM,), "21_dies": ("import os\nos._exit(9)",), "22_hangs": ("while True: pass",)}
    first, died, hung, last = run(books | {"23_b": (RANDOM,)}, cell_timeout=4)
    assert (first.verdict, died.verdict, hung.verdict, last.verdict) == ("ok", "kernel died", "timed out", "ok")
    assert {o.kernel for o in (first, died, hung, last)} == {"warm"}
    drawn = [json.loads(text_of(o))["cells"][-1]["outputs"][0]["text"][0].split() for o in (first, last)]
    assert not set(drawn[0]) & set(drawn[1])


@pytest.mark.parametrize("said", ['print(\'{"cold": "no library"}\')', "raise SystemExit(1)"])
def test_where_nothing_can_be_forked_kernels_are_started_anew(run, monkeypatch, said):
    started = Counter()

    def take(self):
        started["nursery"] += 1
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-c", said], stderr=subprocess.DEVNULL, **pipes)

    monkeypatch.setattr(kernels.Nurseries, "take", take)
    monkeypatch.setattr(kernels.sys, "platform", "linux")
    outcomes = run({"20_a": ("1",), "21_b": ("2",)})
    assert [(o.verdict, o.kernel) for o in outcomes] == [("ok", "fresh")] * 2
    assert started["nursery"] == 1, "it is not tried again"


RUNNER = """
import signal
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
from analysis.notebooks import read_notebook
from analysis.runs import Job, Runner
book = read_notebook(Path("20_sleeps.ipynb").absolute())
with Runner(workers=1, folder=Path("out").absolute(), environment={}, told=lambda *_: None) as runner:
    runner.run([Job("tiny", book, {}), Job("tiny", book, {})])
"""


@linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_warm_outlives_the_runner(tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(kernels.FRESH, raising=False)
    make_book(tmp_path, "20_sleeps", "import time\nopen('started', 'w')\ntime.sleep(600)")
    runner = subprocess.Popen([sys.executable, "-c", RUNNER], stderr=subprocess.PIPE)
    end = time.monotonic() + 90
    while not (tmp_path / "started").exists():
        assert time.monotonic() < end, "the notebook did not start"
        time.sleep(0.1)
    family = psutil.Process(runner.pid).children(recursive=True)
    assert len(family) == 3, "a nursery, a worker, a kernel"
    os.kill(runner.pid, how)
    runner.communicate(timeout=30)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


def test_few_runs_are_not_worth_a_nursery(monkeypatch):
    monkeypatch.delenv(kernels.FRESH, raising=False)
    nurseries = kernels.Nurseries({})
    nurseries.expect(2, workers=2)
    assert not nurseries.warm
    nurseries.expect(3, workers=2)
    assert nurseries.warm == (sys.platform == "linux")
    assert runs.KERNEL["OPENBLAS_NUM_THREADS"] == "1", "a fork has no threads of another process"
