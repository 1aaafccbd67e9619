"""How far a report is: on a terminal in bars, elsewhere a line whenever a notebook begins or ends."""

import os
import pty
import subprocess
import sys
import termios

SHOW = """
from analysis.progress import Progress
jobs = [type("Job", (), {"study": "shop", "slug": slug}) for slug in ("10_first", "20_second")]
with Progress() as progress:
    for job in jobs:
        progress(job, "waiting", 0, 1)
    for cell in range(4):
        progress(jobs[0], "running", cell, 4)
    progress(jobs[0], "ok", 1, 1)
    progress(jobs[1], "running", 0, 4)
    progress(jobs[1], "failed", 1, 1)
"""


def test_away_from_a_terminal_each_change_is_a_line():
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True)
    assert done.stdout == "", "the answer's place stays free"
    assert [line.split(maxsplit=1) for line in done.stderr.splitlines()] == [
        ["running", "shop · 10_first"],
        ["done", "shop · 10_first (1 of 2)"],
        ["running", "shop · 20_second"],
        ["failed", "shop · 20_second (2 of 2)"],
    ]


def test_on_a_terminal_what_runs_has_a_bar_and_what_has_ended_a_line():
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (30, 110))
    with subprocess.Popen([sys.executable, "-c", SHOW], stderr=slave, stdout=slave) as shown:
        os.close(slave)
        text = b""
        try:
            while chunk := os.read(master, 65536):
                text += chunk
        except OSError:  # how a terminal says that nobody writes any more
            pass
    os.close(master)
    assert shown.returncode == 0
    for words in (
        "running   shop · 10_first",
        "done      shop · 10_first (1 of 2)",
        "failed    shop · 20_second (2 of 2)",
        "1 of 2",
    ):
        assert words in text.decode()
    assert "█" in text.decode()
