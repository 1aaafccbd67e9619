"""Keys: what a run is made from, and so whether its result is at hand, or must be made, and why.

A run's key is the digest of all that its result depends on. Executed notebooks are kept under it, so nothing is
executed twice. A manifest of every file that a whole report rests on answers "has anything changed?" from their sizes
and times alone. Only the standard library is imported here, so that this answer comes at once.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.state import State

if TYPE_CHECKING:
    from analysis.runs import Job
    from analysis.studies import Study

SCHEMA = 1  # of what is kept; another one makes everything run again
PACKAGE = Path(__file__).parent
# Settings of a study that no notebook sees, and parameters, of which a run knows its own.
UNSEEN = {
    "each", "parameters", "run", "schedule", "audience", "owner", "contact", "cell_timeout", "report_timeout",
    "memory_limit",
}  # fmt: skip
# Variables that change what Python and the libraries do; the rest of a shell does not enter a key.
HEARD, UNHEARD = ("PYTHON", "MPL"), ("PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP", "PYTHONHASHSEED", "PYTHONUNBUFFERED")
SHOWN = 6  # names a reason gives before it says that there are more
JUST_NOW = 2_000_000_000  # nanoseconds: a change this soon after the last look may not show in a file's time

Ingredients = Mapping[str, Mapping[str, str]]


def digest(content: Any) -> str:
    """SHA-256 of JSON in one fixed form."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# --- files, as they were at one moment ----------------------------------------------------------------------------


@dataclass
class Watch:
    """Files and patterns of files as they were when they were first looked at.

    Attributes:
        began: nanoseconds; a file changed about then is read again before it counts as unchanged.
        files: path -> size, time and inode, and the SHA-256 of the content; None for a file that is not there.
        patterns: pattern -> the files it matched.
        tables: study -> table that is no file here -> its digest.
    """

    began: int = field(default_factory=time.time_ns)
    files: dict[str, list[Any]] = field(default_factory=dict)
    patterns: dict[str, list[str]] = field(default_factory=dict)
    tables: dict[str, dict[str, str]] = field(default_factory=dict)

    def file(self, path: Path | str) -> str | None:
        """The digest of a file, which is watched from now on; None where there is none."""
        if str(path) not in self.files:
            self.files[str(path)] = [_stamp(path), _content(path)]
        return self.files[str(path)][1]

    def found(self, pattern: str) -> list[str]:
        """The files that match a pattern, which is watched from now on."""
        return self.patterns.setdefault(pattern, _matches(pattern))

    def tree(self, folder: Path, ending: str = "") -> dict[str, str]:
        """Path in the folder -> digest, for every file below it; all of it is watched from now on."""
        files = self.found(f"{glob.escape(str(folder))}/**/*{ending}")
        return {os.path.relpath(path, folder): self.file(path) or "" for path in files if "__pycache__" not in path}

    def table(self, study: Study, table: str) -> str:
        """The digest of a table that is no file here, which is watched from now on; "" where it has none."""
        known = self.tables.setdefault(study.name, {})
        if table not in known:
            known[table] = _asked(study, table)
        return known[table]

    def moved(self, study: Study) -> bool:
        """Whether a table of a study that is no file here is not as it was."""
        return any(_asked(study, table) != known for table, known in self.tables.get(study.name, {}).items())

    def changed(self) -> str | None:
        """A file or pattern that is not as it was; None when all is."""
        now = time.time_ns()
        for pattern, found in self.patterns.items():
            if _matches(pattern) != found:
                return pattern
        for path, (stamp, content) in self.files.items():
            current = _stamp(path)
            if current != stamp or (current and current[1] > self.began - JUST_NOW):
                if _content(path) != content:
                    return path
                self.files[path] = [current, content]
        self.began = now
        return None


def _stamp(path: Path | str) -> list[int] | None:
    try:
        told = os.stat(path)
    except OSError:
        return None
    return [told.st_size, told.st_mtime_ns, told.st_ino]


def _asked(study: Study, table: str) -> str:
    from analysis.tables import LoyaltyError

    try:
        return study.digest(table) or ""
    except LoyaltyError:  # checking the table tells it
        return ""


def _content(path: Path | str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _matches(pattern: str) -> list[str]:
    return sorted(path for path in glob.iglob(pattern, recursive=True) if not os.path.isdir(path))


# --- what a run is made from --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """All that the result of a run depends on: kind -> name -> digest. `key` is None where not all can be known."""

    job: Job
    ingredients: Ingredients
    key: str | None


class Recipes:
    """Tells what the runs of one report are made from; what they share is read once.

    Attributes:
        watch: every file that was looked at.
        rendering: the digest of what turns results into pages.
    """

    def __init__(self, kernel: Mapping[str, str], *, also: Iterable[Path] = ()) -> None:
        self.watch = Watch()
        for path in also:
            self.watch.file(path)
        self.translations = self.watch.tree(PACKAGE / "translations")
        self.shared = {
            "our source": self.watch.tree(PACKAGE, ".py") | self.watch.tree(PACKAGE, ".csv"),
            "versions": dict.fromkeys(_installed(), "") | {f"Python {platform.python_version()}": sys.platform},
            "environment": _environment() | dict(kernel),
        }
        self.rendering = digest([self.watch.tree(PACKAGE / "templates"), self.translations, self.shared["our source"]])

    def of(self, job: Job, study: Study, findings: Sequence[Mapping[str, Any]] = ()) -> Recipe:
        """The recipe of a run.

        Args:
            job: the run.
            study: its study.
            findings: those of the other runs, where the notebook reads them.
        """
        told = json.loads(job.notebook.path.read_text("utf-8"))
        self.watch.file(job.notebook.path)
        self.watch.file(job.notebook.path.parent / study.language / f"{job.notebook.name}.md")  # its narrative
        settings = study.settings.model_dump(mode="json", exclude=UNSEEN)
        settings |= {"min_cell": study.min_cell, "language": study.language, "segment": study.only}
        ingredients: dict[str, dict[str, str]] = {
            "data": {table: self._data(study, table) for table in study.settings.tables},
            "code": {"cells": digest([c["source"] for c in told["cells"] if c["cell_type"] == "code"])},
            "parameters": {name: json.dumps(value) for name, value in job.effective.items()},
            "settings": {name: digest(value) for name, value in settings.items()},
            "findings": {"of other runs": digest([_timeless(entry) for entry in findings])},
            "translations": self.translations if study.language != "en" else {},
            **self.shared,
        }
        key = None if "" in ingredients["data"].values() else digest([SCHEMA, ingredients])
        return Recipe(job, ingredients, key)

    def _data(self, study: Study, table: str) -> str:
        """The digest of a table's files and of the biographies beside them, or of what it holds elsewhere, or ""."""
        pattern = study.pattern(table)
        if pattern is None:
            return self.watch.table(study, table)
        files = [Path(path) for path in self.watch.found(pattern)]
        beside = [file.with_suffix(".toml") for file in files] + [Path(f"{file}.wal") for file in files]
        return digest([[file.name, self.watch.file(file)] for file in files + beside])

    def undeclared(self, job: Job, study: Study, opened: Path) -> list[str]:
        """Files of the project or of the study that a run read although its key does not know them.

        Args:
            job: the run.
            study: its study.
            opened: the file in which the kernel listed what it read; all that lies beside it is the runner's own.
        """
        roots = [study.folder.resolve(), job.notebook.path.resolve().parents[1]]
        ours = [opened.resolve().parents[1], PACKAGE.resolve()]
        listed = {Path(line) for line in (opened.read_text("utf-8").splitlines() if opened.exists() else [])}
        known = {os.path.realpath(path) for path in self.watch.files}
        found = []
        for path in sorted({Path(os.path.realpath(path)) for path in listed} - {Path(path) for path in known}):
            inside = next((path.relative_to(root) for root in roots if path.is_relative_to(root)), None)
            hidden = inside and any(part.startswith(".") for part in inside.parent.parts)
            if inside and not hidden and not any(path.is_relative_to(place) for place in ours):
                found.append(str(inside))
        return found


def _installed() -> list[str]:
    """Every distribution that can be imported, by the name of its folder, which holds its version."""
    folders = [glob.escape(place) for place in sys.path if os.path.isdir(place)]
    return sorted({os.path.basename(path) for place in folders for path in glob.iglob(f"{place}/*.dist-info")})


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(HEARD) and name not in UNHEARD}


def _timeless(entry: Mapping[str, Any]) -> dict[str, Any]:
    first = {name: value for name, value in (entry.get("first_run") or {}).items() if name != "recorded_at"}
    return {name: value for name, value in entry.items() if name != "recorded_at"} | {"first_run": first}


# --- results that are at hand -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """The result of an earlier run: the executed notebook, when it ran (UTC), how long (seconds), its memory (MiB)."""

    notebook: str
    recorded_at: str
    seconds: float
    peak_mib: int


def _folder(state: State, job: Job) -> Path:
    return state.cache / job.study / job.slug


def _write(path: Path, told: Any) -> None:
    """Writes JSON that its owner alone can read; a reader sees all of it or nothing."""
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(told, file, ensure_ascii=False)
    fresh.replace(path)


def _read(path: Path) -> dict[str, Any]:
    """What `_write` wrote; nothing where there is no such file or it is broken."""
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def keep(state: State, recipe: Recipe, kept: Kept) -> None:
    """Keeps a result under its key; one whose key is not known is not kept."""
    if recipe.key:
        told = asdict(kept) | {"digest": digest(kept.notebook)}
        _write(_folder(state, recipe.job) / f"{recipe.key}.json", told)


def find(state: State, recipe: Recipe) -> Kept | None:
    """The result that is kept under a key; None when there is none or it was damaged."""
    told = _read(_folder(state, recipe.job) / f"{recipe.key}.json")
    if not told or told.pop("digest") != digest(told["notebook"]):
        return None
    return Kept(**told)


def remember(state: State, recipe: Recipe, verdict: str) -> None:
    """Notes what a run was made from and how it ended, so that the next one can say what is different."""
    told = {"verdict": verdict, "ingredients": recipe.ingredients}
    _write(_folder(state, recipe.job) / "last.json", told)


def why(state: State, recipe: Recipe) -> list[str]:
    """Why a run is due, a reason a line: what changed since the last time, or that it failed or never ran."""
    last = _read(_folder(state, recipe.job) / "last.json")
    unknown = [f"the data of {table} may change unseen" for table, one in recipe.ingredients["data"].items() if not one]
    if not last:
        return ["it never ran", *unknown]
    failed = ["it did not end well last time"] if last["verdict"] != "ok" else []
    told = [_difference(kind, last["ingredients"].get(kind, {}), now) for kind, now in recipe.ingredients.items()]
    return [*failed, *unknown, *filter(None, told)] or ["its result is no longer at hand"]


def _difference(kind: str, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return f"{kind}: {', '.join(names[:SHOWN])}{' …' if len(names) > SHOWN else ''}" if names else ""


# --- a whole report -----------------------------------------------------------------------------------------------


def asked(studies: Path, names: Sequence[str], out: Path) -> list[object]:
    """What a report is asked for: the studies file, the studies (none: all), the folder of the site."""
    return [studies.resolve(), *names, out.absolute()]


def _manifest(state: State, what: Sequence[object]) -> Path:
    return state.folder("manifests") / f"{digest([SCHEMA, *map(str, what)])}.json"


def unchanged(state: State, what: Sequence[object]) -> bool:
    """Whether a report that was asked for in these words, and ended well, would come out as it is.

    Args:
        state: where the manifest lies.
        what: from `asked`.
    """
    place = _manifest(state, what)
    told = _read(place)
    if told.get("around") != _around():
        return False
    watch = Watch(**told["watch"])
    began = watch.began
    if watch.changed() is not None or (watch.tables and _moved(watch, *what[:1])):
        return False
    if any(stamp and stamp[1] > began - JUST_NOW for stamp, _ in watch.files.values()):
        _write(place, told | {"watch": asdict(watch)})  # so that next time no file needs to be read
    return True


def _moved(watch: Watch, studies: Any) -> bool:
    """Whether any table that is no file here is not as it was."""
    from analysis.studies import load
    from analysis.tables import LoyaltyError

    try:
        known = load(studies)
        return any(watch.moved(known[name]) for name in watch.tables)
    except LoyaltyError:
        return True


def settle(state: State, what: Sequence[object], watch: Watch | None) -> None:
    """Writes the manifest of a report that ended well; None takes the old one away."""
    if watch is None:
        _manifest(state, what).unlink(missing_ok=True)
    else:
        _write(_manifest(state, what), {"around": _around(), "watch": asdict(watch)})


def _around() -> str:
    return digest([sys.version, _installed(), _environment()])
