"""Publishing happens in one step, and whatever goes wrong leaves the last good site as it was."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from analysis.publishing import publishing, write
from analysis.tables import LoyaltyError


def publish(out, **files):
    with publishing(out) as site:
        for name, text in files.items():
            write(site / f"{name}.html", text)


def test_a_site_appears_whole_and_can_be_replaced(tmp_path):
    out = tmp_path / "site"
    publish(out, index="one", page="one")
    publish(out, index="two")
    assert (out / "index.html").read_text() == "two"
    assert (out / "page.html").read_text() == "one", "pages that are not made again stay"


def test_an_empty_folder_may_be_named(tmp_path):
    out = tmp_path / "empty"
    out.mkdir()
    publish(out, index="one")
    assert (out / "index.html").read_text() == "one"


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(LoyaltyError, match="not a report"):
        publish(tmp_path, index="one")
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"


def test_an_error_midway_leaves_the_last_good_site(tmp_path):
    out = tmp_path / "site"
    publish(out, index="good")

    def fail():
        with publishing(out) as site:
            write(site / "index.html", "half")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert (out / "index.html").read_text() == "good"
    assert not list((tmp_path / ".site.builds").glob("staging*"))


def test_a_full_disk_is_one_message_and_leaves_the_last_good_site(tmp_path, monkeypatch):
    out = tmp_path / "site"
    publish(out, index="good")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LoyaltyError, match=r"No space left on device.*untouched"):
        publish(out, index="half")
    assert (out / "index.html").read_text() == "good"


def test_two_runs_at_once_do_not_mix(tmp_path):
    out = tmp_path / "site"
    with publishing(out) as site:
        write(site / "index.html", "first")
        with pytest.raises(LoyaltyError, match="Another run"):
            publish(out, index="second")
    assert (out / "index.html").read_text() == "first"


def test_old_builds_are_swept(tmp_path):
    out = tmp_path / "site"
    for number in range(5):
        publish(out, index=str(number))
    assert len([b for b in (tmp_path / ".site.builds").iterdir() if b.name.isdigit()]) == 2


KILLED = """
    import sys, time
    from pathlib import Path
    from analysis.publishing import publishing, write
    out = Path(sys.argv[1])
    for number in range(1000):
        with publishing(out) as site:
            for page in range(20):
                write(site / f"{page}.html", str(number) * 200)
        print(number, flush=True)
"""


def test_a_reader_always_sees_a_whole_site_however_the_writer_is_killed(tmp_path):
    """kill -9 at varied instants; after each, all pages of the live site come from one publish."""
    out = tmp_path / "site"
    seen = 0
    for attempt in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(out)], stdout=subprocess.PIPE, text=True
        )
        writer.stdout.readline()  # the first publish of this writer is done
        time.sleep(0.003 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        assert len({(out / f"{page}.html").read_text() for page in range(20)}) == 1
        seen += 1
    assert seen == 12
    publish(out, index="after")
    assert (out / "index.html").read_text() == "after"
