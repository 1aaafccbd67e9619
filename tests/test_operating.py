"""Reports with nobody watching, from the command line: schedule, status, prune, forget, and stops from outside."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from books import write_book

from analysis import cli, housekeeping, ledger, notebooks, operating, state
from analysis.ledger import GOOD, RUNNING, Ledger
from analysis.settings import ScheduleSettings

STUDIES = """
[report]
min_cell = 1
[study.{name}]
title = "The {name}"
currency = "EUR"
[study.{name}.tables.orders]
source = "{name}.csv"
columns = {{ customer_id = "id", ordered_at = "day", amount = "total" }}
[study.{name}.schedule]
cron = "0 6 * * *"
back_off = "5m"
"""
ORDERS = "id,day,total\nann,2024-01-01,5\nbob,2024-02-01,7\n"
FINDS = """
from pathlib import Path
import time
while Path("hang").exists():
    time.sleep(0.1)
from analysis import findings, studies
from analysis.estimates import Estimate
lab = studies.open_study(study)
found = findings.record(
    "R01", study=lab, headline="all", design="a test",
    readings={"all": Estimate.normal(n / 10, 0.01, unit="growth", n=9)},
)
found
"""
PARAMETERS = 'study: str = "any"  # a study\nn: int = 1  # a number'
QUOTES = "from analysis import findings\nprint(sorted(e['study'] for e in findings.latest()))"
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a scheduled study and a small notebook, where `loyalty` is called at a time that tests set."""
    books = tmp_path / "books"
    books.mkdir()
    write_book(books, "20_finds", FINDS, parameters=PARAMETERS, needs=["orders"])
    (tmp_path / "kiosk.csv").write_text(ORDERS)
    (tmp_path / "studies.toml").write_text(STUDIES.format(name="kiosk"))
    monkeypatch.setattr(notebooks, "FOLDER", books)
    notebooks._read_all.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOYALTY_STATE", raising=False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return tmp_path


@pytest.fixture
def at(monkeypatch):
    return lambda moment: monkeypatch.setattr(operating, "_now", lambda: moment)


def book():
    return Ledger(state.at().ledger)


def told(capsys, *command):
    """The exit code of a command and what it printed."""
    code = cli.main(list(command))
    return code, capsys.readouterr().out


def rows(capsys):
    code, text = told(capsys, "status", "--json")
    (row,) = json.loads(text)
    return code, row


def test_a_day_in_the_life_of_a_scheduled_report(place, at, capsys):
    at(START)
    assert rows(capsys)[1]["last_good"] is None
    assert told(capsys, "schedule", "--once") == (0, "")  # the watch begins
    at(START + DAY)
    code, row = rows(capsys)
    assert (code, row["overdue"]) == (3, True)
    code, text = told(capsys, "schedule", "--once")
    assert code == 0
    assert text.endswith("kiosk, due Mon 2026-11-23 06:00 UTC: good\n")
    assert "The kiosk" in (place / "reports/site/index.html").read_text()
    assert told(capsys, "schedule", "--once") == (0, "")
    code, row = rows(capsys)
    assert code == 0
    assert (row["state"], row["stale"], row["overdue"], row["verdict"]) == ("well", False, False, GOOD)
    assert row["next_due"] == "2026-11-24T06:00:00+00:00"
    at(START + 2 * DAY)
    assert rows(capsys)[1]["overdue"]
    (place / "kiosk.csv").unlink()
    code, text = told(capsys, "schedule", "--once")
    assert code == 3
    assert "retry, again at Tue 2026-11-24 12:05 UTC" in text
    code, row = rows(capsys)
    assert (code, row["verdict"]) == (3, "retry")
    assert "kiosk.csv" in row["why"]
    assert row["stale"]
    page = (place / "reports/site/kiosk/20_finds.html").read_text()
    assert "This page is out of date" in page  # the last good one stays, and says so
    (place / "kiosk.csv").write_text(ORDERS)
    at(START + 2 * DAY + timedelta(minutes=6))
    assert told(capsys, "schedule", "--once")[0] == 0
    assert rows(capsys)[0] == 0
    assert "out of date" not in (place / "reports/site/kiosk/20_finds.html").read_text()
    assert [row["attempts"] for row in book().rows()] == [1, 2]


def test_what_is_due_next_is_listed_in_the_study_s_own_time(place, at, capsys):
    at(START)
    code, text = told(capsys, "schedule", "--list")
    assert code == 0
    assert "Mon 2026-11-23 06:00 UTC   Tue 2026-11-24 06:00 UTC   Wed 2026-11-25 06:00 UTC" in text


def test_an_export_names_the_folders_that_were_given(place, capsys):
    code, text = told(capsys, "schedule", "--export", "cron", "--out", "public", "--state", "kept")
    assert code == 0
    assert f"--out {place}/public --state {place}/kept" in text


def test_a_study_without_a_schedule_is_never_overdue(place, capsys):
    (place / "studies.toml").write_text(STUDIES.format(name="kiosk").split("[study.kiosk.schedule]")[0])
    code, row = rows(capsys)
    assert (code, row["state"], row["next_due"]) == (0, "well", None)
    code, text = told(capsys, "status")
    assert "not scheduled" in text


def test_state_lies_where_it_is_told_to(place, at, capsys):
    at(START)
    told(capsys, "schedule", "--once", "--state", "elsewhere")
    assert (place / "elsewhere/schedule/ledger.sqlite").exists()
    assert not (place / ".loyalty").exists()


# --- what is kept -------------------------------------------------------------------------------------------------


def aged(path, days, text="{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


def test_pruning_takes_what_is_old_and_not_the_newest_result(place, capsys):
    cache = state.at().cache / "kiosk/20_finds"
    old, older, last = aged(cache / "a.json", 40), aged(cache / "b.json", 50), aged(cache / "last.json", 50)
    only = aged(state.at().cache / "kiosk/21_other/c.json", 400)
    now = datetime.now(UTC).replace(hour=12)  # hours after the daily report, whenever the test runs
    for days in (400, 1):
        line = {"at": (now - timedelta(days=days)).isoformat(), "study": "kiosk"}
        with state.at().log.open("a") as log:
            log.write(json.dumps(line) + "\n")
    daily = ScheduleSettings(cron="0 6 * * *", catch_up="none")
    book().look({"kiosk": daily}, now=now - timedelta(days=368))
    book().look({"kiosk": daily}, now=now - timedelta(days=366))
    code, text = told(capsys, "prune")
    assert code == 0
    assert text.splitlines() == [
        "1 kept result older than 30 days: 0 KiB.",
        "1 log line older than 365 days.",
        "2 settled slots older than 365 days.",
    ]
    assert [path.exists() for path in (old, older, last, only)] == [True, False, True, True]
    assert state.at().log.stat().st_mode & 0o777 == 0o600


def everything(folder):
    """All that is written anywhere below a folder, but for the settings and the data of its owner."""
    own = {"studies.toml", "kiosk.csv", "other.csv", ".lock"}
    files = [
        path for path in folder.rglob("*") if path.is_file() and path.name not in own and "books" not in path.parts
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_forgotten_study_leaves_no_trace_and_the_others_stay(place, capsys):
    write_book(place / "books", "90_quotes", QUOTES, parameters=PARAMETERS, needs=["findings"])
    notebooks._read_all.cache_clear()
    shutil.copy(place / "kiosk.csv", place / "other.csv")
    with (place / "studies.toml").open("a") as file:
        file.write(STUDIES.format(name="other").split("min_cell = 1")[1])
    assert told(capsys, "report")[0] == 0
    for name in ("kiosk", "other"):
        for now in (START, START + DAY):
            book().look({name: ScheduleSettings(cron="0 6 * * *")}, now=now)
    single = place / "reports/runs/kiosk"
    single.mkdir(parents=True)
    (single / "20_finds.html").write_text("the kiosk shop")
    before = everything(place)
    assert any(b"kiosk" in content for content in before.values())

    assert told(capsys, "forget", "kiosk")[0] == 1  # nobody said yes
    assert {name for name in before if not name.endswith("sqlite")} <= set(everything(place))
    code, text = told(capsys, "forget", "kiosk", "--yes")
    assert code == 0
    assert "still names kiosk: the next report makes it again." in text
    left = {name for name, content in everything(place).items() if b"kiosk" in content or "kiosk" in name}
    assert left == set()
    assert (place / "reports/site/other/20_finds.html").exists()
    assert not (place / "reports/site/other/90_quotes.html").exists()  # it quoted the other's verdicts
    assert [row["study"] for row in book().rows()] == ["other"]


def test_a_name_of_which_nothing_is_kept_is_told_the_nearest(place, capsys):
    assert cli.main(["forget", "kiosc", "--yes"]) == 1
    assert 'Nothing is kept of "kiosc". The nearest name is "kiosk".' in capsys.readouterr().err


def test_what_is_kept_for_how_long_stands_in_the_choices():
    text = (Path(__file__).parents[1] / "CHOICES.md").read_text("utf-8")
    for kept in (housekeeping.RESULTS, housekeeping.LINES, housekeeping.SLOTS):
        assert f"{kept.days} days" in text


# --- stops from outside -------------------------------------------------------------------------------------------

CALL = (
    "import signal, sys; from pathlib import Path; from analysis import notebooks; notebooks.FOLDER = Path('books'); "
)
CALL += "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a shell's background job begins with it ignored
CALL += "from analysis import cli; sys.exit(cli.main(sys.argv[1:]))"


def started(place, *command):
    return subprocess.Popen(
        [sys.executable, "-c", CALL, *command], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(what, seconds=60):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def overdue(place):
    """A slot of this minute is due, the next comes tomorrow, and its report hangs until it is let go."""
    (place / "books/hang").touch()
    now = datetime.now(UTC)
    cron = f"{now.minute} {now.hour} * * *"
    (place / "studies.toml").write_text((place / "studies.toml").read_text().replace("0 6 * * *", cron))
    book().look({"kiosk": ScheduleSettings(cron=cron)}, now=now - timedelta(seconds=61))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_loop_ends_cleanly(place, number, code):
    loop = started(place, "schedule")
    assert "next: kiosk at" in loop.stdout.readline()
    loop.send_signal(number)
    out, err = loop.communicate(timeout=30)
    assert loop.returncode == code
    assert "stopped" in out + err
    assert "Traceback" not in err


def test_a_stop_in_the_middle_of_a_report_gives_the_slot_back(place):
    overdue(place)
    loop = started(place, "schedule")
    wait_for(lambda: RUNNING in [row["state"] for row in book().rows()])
    time.sleep(0.5)
    loop.send_signal(signal.SIGTERM)
    loop.communicate(timeout=60)
    assert loop.returncode == 0
    assert [(row["state"], row["attempts"]) for row in book().rows()] == [(ledger.DUE, 0)]


def test_a_scheduler_that_is_killed_is_followed_by_the_next_without_loss_or_double(place, at, capsys):
    overdue(place)
    first = started(place, "schedule", "--once")
    wait_for(lambda: RUNNING in [row["state"] for row in book().rows()])
    first.kill()
    first.communicate(timeout=30)
    (place / "books/hang").unlink()
    assert told(capsys, "schedule", "--once") == (0, "")  # the lease still holds, so this one leaves it alone
    at(datetime.now(UTC) + ledger.LEASE)
    assert told(capsys, "schedule", "--once")[0] == 0
    assert [(row["state"], row["attempts"]) for row in book().rows()] == [(GOOD, 2)]
    assert (place / "reports/site/kiosk/20_finds.html").exists()


# --- the page that tells how --------------------------------------------------------------------------------------

GUIDE = (Path(__file__).parents[1] / "docs/schedule.md").read_text("utf-8")
BLOCKS = dict.fromkeys(("sh", "toml", "yaml"), "") | {
    kind: "\n".join(re.findall(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL)) for kind in ("sh", "toml", "yaml")
}
COMMANDS = [shlex.split(found) for found in re.findall(r"(?:^|; )loyalty ([^#|>);\n]*)", BLOCKS["sh"], re.MULTILINE)]


def test_the_guide_shows_commands():
    assert len(COMMANDS) >= 9


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != ["schedule"]], ids=" ".join)
def test_a_command_of_the_guide_works_as_written(place, at, capsys, command):
    at(START)
    assert told(capsys, *command)[0] == (3 if command[0] == "status" else 0)  # no report was made here yet


def test_the_settings_of_the_guide_are_right(place, capsys, monkeypatch):
    text = STUDIES.format(name="cdnow").split("[study.cdnow.schedule]")[0].replace("cdnow.csv", "kiosk.csv")
    (place / "studies.toml").write_text(text + BLOCKS["toml"])
    code, text = told(capsys, "schedule", "--list")
    assert code == 0
    assert "+0330" in text


def test_the_cron_job_of_the_guide_calls_what_there_is(place, at, capsys):
    job = yaml.safe_load(BLOCKS["yaml"])["spec"]
    assert job["concurrencyPolicy"] == "Forbid"
    (container,) = job["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    at(START)
    moved = [
        str(place) + part.removeprefix("/lab").removeprefix("/kept") if part[0] == "/" else part
        for part in container["command"]
    ]
    assert told(capsys, *moved[1:])[0] == 0
    assert (place / "state/schedule/ledger.sqlite").exists()
