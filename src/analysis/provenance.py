"""Provenance: what a page says of where it comes from, and the one command that makes it again."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analysis import hypotheses
from analysis.checks import CheckedTable
from analysis.runs import Job
from analysis.studies import FILE, Study

PACKAGES = (
    "loyalty-lab", "pandas", "numpy", "scipy", "statsmodels", "lifelines", "duckdb", "ibis-framework", "matplotlib",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
MADE_FROM = ("src", "notebooks", "requirements.lock")


def versions() -> dict[str, str]:
    """The version of each package that a number may depend on."""
    return {name: version(name) for name in PACKAGES}


def told(job: Job, study: Study, entries: Iterable[Mapping[str, Any]], *, studies: Path) -> dict[str, str]:
    """Where a page comes from, as label -> text; nothing in it changes while the inputs do not.

    Args:
        job: the run.
        study: its study.
        entries: the findings that it recorded.
        studies: the studies file.
    """
    tables = study.check().tables
    until = {table.name: table.facts["observed_until"] for table in tables if table.facts.get("observed_until")}
    seeds = {str(entry["seed"]) for entry in entries if entry["seed"] is not None}
    digests: dict[bool, list[str]] = {True: [], False: []}
    for table, digest in study.digests.items():
        told = f"sha256 {digest[:16]}" if digest else "read anew in every run"
        digests[study.pattern(table) is not None].append(f"{table} {told}")
    lines = {
        "Data as of": "; ".join(f"{name} {day}" for name, day in until.items()),
        "Files": "; ".join(digests[True]),
        "Stores and databases": "; ".join(digests[False]),
        "Rows kept": "; ".join(map(_kept, tables)),
        "Parameters": ", ".join(f"{name} = {value!r}" for name, value in job.effective.items()),
        "Seed": ", ".join(sorted(seeds)),
        "Register": f"sha256 {hypotheses.digest()}",
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "Commit": commit(),
        "Made again by": _command(job, studies),
    }
    return {label: text for label, text in lines.items() if text}


def _kept(table: CheckedTable) -> str:
    """The rows that are left after each rule that took some."""
    read, *rules = table.steps
    told = [f"{step.kept:,} without {step.rule.removeprefix('rows where ')}" for step in rules if step.dropped]
    return f"{table.name} {', '.join([f'{read.kept:,} read', *told])}"


def _command(job: Job, studies: Path) -> str:
    """The command that makes a page again, in the folder of its studies file."""
    changed = {n: v for n, v in job.effective.items() if n != "study" and v != job.notebook.parameters[n].default}
    texts = (f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in changed.items())
    options = [word for text in texts for word in ("-p", text)]
    file = [] if studies.name == FILE else ["--studies", studies.name]
    return " ".join(map(_quoted, ["loyalty", "run", job.notebook.name, "--study", job.study, *file, *options]))


def _quoted(word: str) -> str:
    """A word for a shell, in which characters that steer a terminal or the direction of text are shown escaped."""
    if word.isprintable():
        return shlex.quote(word)
    plain = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in plain) + "'"


@cache
def commit() -> str:
    """The last commit of what pages are made from, and whether it was changed since; "" outside of a checkout."""
    last = _git("log", "-1", "--format=%h", "--", *MADE_FROM)
    return last and last + (", with changes since" if _git("status", "--porcelain", "--", *MADE_FROM) else "")


def heads() -> list[Path]:
    """The files that change with every commit."""
    named = _git("rev-parse", "--git-path", "HEAD", "--git-path", "logs/HEAD")
    return [ROOT / line for line in named.splitlines()]


def _git(*arguments: str) -> str:
    try:
        asked = ["git", "-C", str(ROOT), "--no-optional-locks", *arguments]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
