"""Writes the schedules of studies.toml in the words of another clock: cron, systemd, GitHub, Airflow, Dagster."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from analysis.schedule import scheduled
from analysis.settings import seconds
from analysis.studies import Studies
from analysis.tables import SettingsError

TEMPLATES = Path(__file__).parent / "templates/schedule"
KINDS = ("cron", "systemd", "github", "airflow", "dagster")


def text(kind: str, studies: Studies, *, options: Sequence[str], today: datetime) -> str:
    """The file that makes another clock keep the schedules.

    Args:
        kind: one of KINDS.
        studies: the studies file.
        options: what each call of `loyalty` is given besides.
        today: Airflow counts from this day.

    Raises:
        LoyaltyError: no study has a schedule, or GitHub cannot say one.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    told = {
        name: schedule.model_dump() | {"name": name, "back_off": seconds(schedule.back_off)}
        for name, schedule in scheduled(studies).items()
    }
    for name, one in told.items():
        if kind == "github" and re.search(r"[L#]|\b7$", one["cron"].upper().replace("JUL", "")):
            raise SettingsError(f"study.{name}.schedule: GitHub knows no L, # or weekday 7 in {one['cron']}.")
    loyalty, file = str(Path(sys.executable).with_name("loyalty")), studies.path.resolve()
    given = ["--studies", str(file), *options]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # no markup is made here, so nothing is escaped for it
    environment.filters |= {
        "comment": lambda value: " ".join(str(value).split()),
        "cron": lambda value: value.replace("%", r"\%"),
        "exec": lambda value: " ".join(f'"{_unit(part, quoted=True)}"' for part in value),
        "py": repr,
        "shell": shlex.quote,
        "shells": shlex.join,
        "unit": _unit,
    }
    return environment.get_template(f"{kind}.j2").render(
        studies=list(told.values()),
        folder=str(file.parent),
        file=str(file),
        relative=os.path.relpath(file),
        once=[loyalty, "schedule", "--once", *given],
        report=[loyalty, "report", *given],
        today=f"{today:%Y-%m-%d}T00:00:00+00:00",
    )


def _unit(value: str, *, quoted: bool = False) -> str:
    """A value as systemd reads it: % stands for something else there, and inside quotes so do " and backslash."""
    value = value.replace("%", "%%")
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$") if quoted else value
