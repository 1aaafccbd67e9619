"""Publishing happens in one step, and whatever goes wrong leaves the last good site as it was."""

import errno
import os
import subprocess
import sys
import textwrap
import threading
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


def test_a_run_may_wait_for_another_one(tmp_path):
    out, heard = tmp_path / "site", []
    first = publishing(out)
    write(first.__enter__() / "index.html", "first")

    def second():
        with publishing(out, wait=heard.append) as site:
            write(site / "index.html", (site / "index.html").read_text() + ", then second")

    waiting = threading.Thread(target=second)
    waiting.start()
    while not heard:
        time.sleep(0.01)
    first.__exit__(None, None, None)
    waiting.join(10)
    assert "this one begins when it has ended" in heard[0]
    assert (out / "index.html").read_text() == "first, then second"


@pytest.mark.parametrize("kept", [2, 4])
def test_as_many_builds_are_kept_as_the_policy_says(tmp_path, kept):
    out = tmp_path / "site"
    for number in range(6):
        with publishing(out, kept=kept) as site:
            write(site / "index.html", str(number))
    builds = sorted(b for b in (tmp_path / ".site.builds").iterdir() if b.name.isdigit())
    assert [(b / "index.html").read_text() for b in builds] == [str(n) for n in range(6)][-kept:]


def test_what_killed_runs_leave_is_swept_by_the_next_one(tmp_path):
    out, builds = tmp_path / "site", tmp_path / ".site.builds"
    publish(out, index="good")
    for leftover in ("staging", "leaving", "000002"):  # the last: whole, but killed before the link was moved
        (builds / leftover).mkdir()
        (builds / leftover / "index.html").write_text("left")
    (builds / "staging-link").symlink_to("nowhere")
    publish(out, page="next")
    assert sorted(b.name for b in builds.iterdir() if b.name != ".lock") == ["000001", "000002"]
    assert ((out / "index.html").read_text(), (out / "page.html").read_text()) == ("good", "next")


WRITER = """
    import os, random, signal, sys, time
    from pathlib import Path
    import filelock
    from analysis.publishing import publishing, write

    out, chance, kills = Path(sys.argv[1]), random.Random(5), 0

    def version():
        return int((out / "0.html").read_text().split()[0]) if out.exists() else 0

    def publish_for_ever():
        while True:
            number = version() + 1
            with publishing(out, kept=20) as site:  # enough for a reader that waits its turn on a busy machine
                for page in range(6):
                    write(site / f"{page}.html", f"{number} " * 5_000 + "end")

    while version() < 200:
        if not (child := os.fork()):
            publish_for_ever()
        time.sleep(chance.uniform(0.001, 0.04))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
    print(version(), kills)
"""


def read_whole(out):
    """The version of the live site, read page by page as a browser that holds on to one build would."""
    folder = os.open(out, os.O_RDONLY)
    try:
        pages = []
        for page in range(6):
            with open(os.open(f"{page}.html", os.O_RDONLY, dir_fd=folder)) as file:
                *numbers, end = file.read().split()
            assert end == "end"
            assert len(numbers) == 5_000
            pages += numbers
    finally:
        os.close(folder)
    (version,) = set(pages)
    return int(version)


def test_a_reader_sees_a_whole_report_during_200_publishes_by_runners_killed_at_random(tmp_path):
    """Every read is of one publish, complete, and never of an earlier one than the read before."""
    out = tmp_path / "site"
    publish(out, **{str(page): "0 " * 5_000 + "end" for page in range(6)})
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(out)], stdout=subprocess.PIPE, text=True
    )
    seen = []
    while writer.poll() is None:
        seen.append(read_whole(out))
    published, kills = map(int, writer.communicate()[0].split())
    assert seen == sorted(seen)
    assert published >= 200
    assert kills >= 50
    assert len(seen) >= 100
    assert len(set(seen)) >= 50, "the reader saw many of the publishes, not a few"
    print(f"{published} publishes, {kills} runners killed, {len(seen)} reads, {len(set(seen))} versions seen")
