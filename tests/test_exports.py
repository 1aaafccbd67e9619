"""The schedules in the words of other clocks: each file is read by what would read it, as far as that is here."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
import types
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from test_schedule import written

from analysis import exports, operating, studies
from analysis.tables import LoyaltyError, SettingsError

TODAY = datetime(2026, 11, 22, 9, tzinfo=UTC)
TWO = written(zone="Asia/Tehran", cron="0 6 * * 1", more='retries = 3\nback_off = "1m"') + written(
    "corner-shop", cron="30 2 1 * *", zone="Europe/Berlin", more='catch_up = "all"'
)


@pytest.fixture
def export(tmp_path):
    """Writes the file for another clock, from a folder whose name is hard to quote."""
    folder = tmp_path / "50% off's"
    folder.mkdir()

    def export(kind, text=TWO, options=()):
        (folder / "studies.toml").write_text(text)
        return exports.text(kind, studies.load(folder / "studies.toml"), options=options, today=TODAY)

    return export


def test_the_line_for_cron_has_five_fields_and_a_command_that_a_shell_reads(export):
    (line,) = [line for line in export("cron", options=["--state", "/var/a b"]).splitlines() if line[0] != "#"]
    *fields, command = line.split(" ", 5)
    assert fields == ["*/10", "*", "*", "*", "*"]
    assert re.search(r"(?<!\\)%", command) is None  # cron would end the command there
    words = shlex.split(command.replace(r"\%", "%"))
    assert words[0] == "cd"
    assert Path(words[1]).name == "50% off's"
    assert words[4:6] == ["schedule", "--once"]
    assert words[-2:] == ["--state", "/var/a b"]


def test_cron_tells_when_each_report_is_due(export):
    told = export("cron")
    assert "#   shop: 0 6 * * 1 (Asia/Tehran)" in told
    assert "#   corner-shop: 30 2 1 * * (Europe/Berlin)" in told


def units(text):
    """The two files in the text, by name."""
    parts = re.split(r"^# --- (loyalty\.\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_systemd_is_given_a_service_and_a_timer(export):
    found = units(export("systemd"))
    assert list(found) == ["loyalty.service", "loyalty.timer"]
    assert "50%% off's" in found["loyalty.service"]
    assert "OnCalendar=*:0/10" in found["loyalty.timer"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_finds_nothing_wrong_with_them(export, tmp_path):
    for name, text in units(export("systemd")).items():
        (tmp_path / name).write_text(text)
        command = ["systemd-analyze", "verify", "--user", str(tmp_path / name)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"XDG_RUNTIME_DIR": str(tmp_path)}
        )
        assert [line for line in done.stderr.splitlines() if name in line] == []
    subprocess.run(["systemd-analyze", "calendar", "*:0/10"], capture_output=True, check=True)


def test_github_gets_each_schedule_in_its_time_zone(export):
    told = yaml.safe_load(export("github"))
    assert told[True]["schedule"] == [  # YAML 1.1 reads the key "on" as true
        {"cron": "0 6 * * 1", "timezone": "Asia/Tehran"},
        {"cron": "30 2 1 * *", "timezone": "Europe/Berlin"},
    ]
    steps = told["jobs"]["report"]["steps"]
    (report,) = [step["run"] for step in steps if "loyalty report" in step.get("run", "")]
    assert shlex.split(report)[:2] == [".venv/bin/loyalty", "report"]
    assert told["permissions"] == {"contents": "read"}
    (kept,) = [step["with"] for step in steps if "actions/cache" in step.get("uses", "")]
    assert kept["key"] == "loyalty-${{ github.run_id }}"


@pytest.mark.parametrize("cron", ["0 6 * * 7", "0 6 L * *", "0 6 * * 1#2"])
def test_what_github_does_not_know_is_refused(export, cron):
    with pytest.raises(SettingsError, match=r"study\.shop\.schedule: GitHub knows no"):
        export("github", written(cron=cron))
    assert export("github", written(cron="0 6 1 JUL *"))


class Recorder:
    """Stands for any class of another clock's library: remembers what it was called with."""

    calls: list

    def __init__(self, *args, **more):
        self.args, self.more = args, more
        self.dag_id = more.get("dag_id")
        type(self).calls.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def stand_ins(monkeypatch, **modules):
    """Puts modules with recording classes where imports find them."""
    made = {}
    for path, names in modules.items():
        module = types.ModuleType(path)
        for name in names.split():
            made[name] = type(name, (Recorder,), {"calls": []})
            setattr(module, name, made[name])
        monkeypatch.setitem(sys.modules, path.replace("__", "."), module)
    return made


def test_airflow_gets_a_dag_a_study(export, monkeypatch):
    text = export("airflow")
    ast.parse(text)
    found = stand_ins(
        monkeypatch, airflow="", airflow__providers="", airflow__providers__standard="",
        airflow__providers__standard__operators="", airflow__providers__standard__operators__bash="BashOperator",
        airflow__sdk="DAG", airflow__timetables="", airflow__timetables__trigger="CronTriggerTimetable",
    )  # fmt: skip
    exec(compile(text, "dags.py", "exec"), there := {})
    assert {"loyalty_shop", "loyalty_corner-shop"} <= set(there)
    shop, corner = (dag.more for dag in found["DAG"].calls)
    assert (shop["catchup"], corner["catchup"]) == (False, True)
    assert shop["default_args"]["retries"] == 3
    assert shop["default_args"]["retry_delay"].total_seconds() == 60
    assert shop["start_date"] == datetime(2026, 11, 22, tzinfo=UTC)
    assert [(t.args, t.more) for t in found["CronTriggerTimetable"].calls] == [
        (("0 6 * * 1",), {"timezone": "Asia/Tehran"}),
        (("30 2 1 * *",), {"timezone": "Europe/Berlin"}),
    ]
    words = [shlex.split(call.more["bash_command"]) for call in found["BashOperator"].calls]
    assert [(w[1], w[-1]) for w in words] == [("report", "shop"), ("report", "corner-shop")]


def test_dagster_gets_a_job_and_a_schedule_a_study(export, monkeypatch):
    text = export("dagster")
    found = stand_ins(monkeypatch, dagster="Definitions RetryPolicy ScheduleDefinition")
    module, names, ran = sys.modules["dagster"], [], []
    module.Backoff = types.SimpleNamespace(EXPONENTIAL="exponential")

    def named(**more):
        names.append(more["name"])
        return lambda function: function

    module.op = module.job = named
    monkeypatch.setattr(subprocess, "run", lambda command, **more: ran.append((command, more)))
    exec(compile(text, "definitions.py", "exec"), {})
    assert names == ["report_shop", "loyalty_shop", "report_corner_shop", "loyalty_corner_shop"]
    schedules = found["ScheduleDefinition"].calls
    assert [(s.more["cron_schedule"], s.more["execution_timezone"]) for s in schedules] == [
        ("0 6 * * 1", "Asia/Tehran"),
        ("30 2 1 * *", "Europe/Berlin"),
    ]
    schedules[1].more["job"]()
    ((command, more),) = ran
    assert (command[1], command[-1]) == ("report", "corner-shop")
    assert more["check"]


@pytest.mark.parametrize("kind", operating.EXPORTS)
def test_without_a_schedule_there_is_nothing_to_write(export, kind):
    with pytest.raises(LoyaltyError, match="has a schedule"):
        export(kind, written().split("[study.shop.schedule]")[0])


@pytest.mark.parametrize("kind", operating.EXPORTS)
def test_no_secret_reaches_a_file(export, monkeypatch, kind):
    monkeypatch.setenv("HOOK", "https://chat.example/verysecret")
    told = export(kind, TWO + '[notify.ops]\nreader = "owner"\nwebhook = "${HOOK}"\n')
    assert "verysecret" not in told
