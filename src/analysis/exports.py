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


def text(kind: str, studies: Studies, *, options: Sequence[str], today: datetime) -> str:
    """The file that makes another clock keep the schedules.

    Args:
        kind: cron, systemd, github, airflow or dagster.
        studies: the studies file.
        options: what each call of `loyalty` is given besides.
        today: Airflow counts from this day.

    Raises:
        LoyaltyError: no study has a schedule, or GitHub cannot say one.
    """
    from jinja2 import Environment, FileSystemLoader

    told = {
        name: schedule.model_dump() | {"name": name, "back_off": seconds(schedule.back_off)}
        for name, schedule in scheduled(studies).items()
    }
    for name, one in told.items():
        if kind == "github" and re.search(r"[L#]|\b7$", one["cron"].upper().replace("JUL", "")):
            raise SettingsError(f"study.{name}.schedule: GitHub knows no L, # or weekday 7 in {one['cron']}.")
    loyalty, file = str(Path(sys.executable).with_name("loyalty")), studies.path.resolve()
    given = ["--studies", str(file), *options]
    environment = Environment(loader=FileSystemLoader(TEMPLATES), trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"py": repr, "shell": shlex.quote, "shells": shlex.join}
    return environment.get_template(f"{kind}.j2").render(
        studies=list(told.values()),
        folder=str(file.parent),
        file=str(file),
        relative=os.path.relpath(file),
        once=[loyalty, "schedule", "--once", *given],
        report=[loyalty, "report", *given],
        today=f"{today:%Y-%m-%d}T00:00:00+00:00",
    )
