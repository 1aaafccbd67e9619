"""Reads studies.toml: which tables a study has, which of their columns is which, and with which parameters it runs.

Everything is checked before anything runs, and everything that is wrong is said at once.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from analysis import disclosure, engines, languages, mistakes, segments, words
from analysis.checks import CheckedTable, check
from analysis.datasets import Biography, biography
from analysis.mistakes import Notebooks
from analysis.readings import DYSFUNCTIONAL, FUNCTIONAL, KANO_SCALE, KANO_WORDS, Item, Reading, match
from analysis.settings import (
    NotifySettings,
    PairSettings,
    ReportSettings,
    RunSettings,
    ScheduleSettings,
    StudiesFile,
    StudySettings,
    seconds,
    size,
)
from analysis.sources import Source, connect, freshness, open_source, own_table, pattern
from analysis.tables import TABLES, LoyaltyError, SettingsError, TableError, nearest

FILE = "studies.toml"
_NAME = re.compile(r"^\w+(\.\w+){0,2}$")  # of a table, perhaps with its schema
T = TypeVar("T")


@dataclass(frozen=True)
class Studies:
    """The studies of one file, all settings checked."""

    path: Path
    studies: Mapping[str, Study]
    notify: Mapping[str, NotifySettings]

    def __getitem__(self, name: str) -> Study:
        if name not in self.studies:
            raise SettingsError(
                f'There is no study "{name}" in {self.path.name}. The nearest name is "{nearest(name, self.studies)}"; '
                f"it has: {', '.join(self.studies)}. Another file is read when LOYALTY_STUDIES names it."
            )
        return self.studies[name]

    def named(self, name: str) -> list[Study]:
        """The study of that name, or all for which one entry of the file stands.

        Raises:
            SettingsError: there is none.
        """
        return [study for study in self.studies.values() if study.entry == name] or [self[name]]

    @property
    def names(self) -> list[str]:
        """Every name that `named` knows."""
        return [*dict.fromkeys(study.entry or name for name, study in self.studies.items()), *self.studies]

    def __iter__(self) -> Iterator[str]:
        return iter(self.studies)

    def __len__(self) -> int:
        return len(self.studies)


@dataclass(frozen=True)
class StudyCheck:
    """What checking every table of a study found: tables that may be used, and messages about those that may not."""

    study: Study
    tables: tuple[CheckedTable, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.study.name}: {self.study.title}"]
        for table in self.tables:
            lines += ["", f"{table.name} ({self.study.settings.tables[table.name].source})"]
            lines += [
                f"  {words.count(step.kept):>12} kept"
                + (f", {words.count(step.dropped)} dropped: " if number else ": ")
                + step.rule
                for number, step in enumerate(table.steps)
            ]
            lines += [f"  note: {note}" for note in (*_kinds_of_lines(table.facts), *table.notes)]
        return "\n".join([*lines, *(f"\n{problem}" for problem in self.problems)])


def _kinds_of_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """What order lines are, where not all are sales: a notebook's `returns` decides what is done with the others."""
    if "sold" not in facts or facts["sold"] == facts["rows"]:
        return
    other = facts["rows"] - facts["sold"] - facts["returns"]
    yield (
        f"{words.count(facts['sold'])} of {words.plural(facts['rows'], 'row')} bring money in, "
        f"{words.count(facts['returns'])} are below zero (returns), {words.count(other)} are worth nothing or marked "
        "as returned."
    )


class _Setting(Generic[T]):
    """A setting under its own name: the study's, else the report's; read by a function, where that is given."""

    def __init__(self, read: Callable[[Any], T] | None = None) -> None:
        self.read = read

    def __set_name__(self, _: type, name: str) -> None:
        self.name = name

    def __get__(self, study: Study, _: type) -> T:
        own = getattr(study.settings, self.name)
        told = own or getattr(study.report, self.name, own)
        return self.read(told) if self.read else told


@dataclass(frozen=True, eq=False)
class Study:
    """A study: its settings, and its tables, which are opened and checked when first asked for.

    `settings` holds everything as written; the other attributes give what most callers need.
    """

    name: str
    settings: StudySettings
    report: ReportSettings
    folder: Path
    only: Mapping[str, Any] = field(default_factory=dict)  # column to value, where it is about one segment
    entry: str = ""  # of the file that stands for this study and others, where it does
    opened: dict[str, Any] = field(default_factory=dict)  # engines; the studies of an entry share them

    title = _Setting[str]()
    currency = _Setting[str | None]()  # shown with every amount
    timezone = _Setting[str]()  # decides the day of a time stamp
    engine = _Setting[str]()  # in which the tables are joined and counted: "duckdb", "pyspark" or a database's address
    parameters = _Setting[dict[str, Any]](dict)  # defaults for every notebook of this study
    smallest_effects = _Setting[dict[str, Any]](dict)  # in place of the register's: a number, or one a part
    constructs = _Setting[dict[str, list[str]]](dict)  # to their survey items; reversed ones start with "-"
    pairs = _Setting[tuple[PairSettings, ...]](tuple)  # items of an expectation level, beside those for the perception
    min_cell = _Setting[int]()  # the smallest group that is shown
    audience = _Setting[str]()  # "full", or "public" (pages without code)
    language = _Setting[str]()  # one of `languages.LANGUAGES`
    cell_timeout = _Setting[int](seconds)  # that a notebook cell may take
    report_timeout = _Setting[int](seconds)  # that a whole notebook may take
    memory_limit = _Setting[int](size)  # bytes that a notebook's kernel and its children may hold together
    owner = _Setting[str | None]()  # who answers for the report
    contact = _Setting[str | None]()  # where readers reach the owner

    @property
    def runs(self) -> tuple[RunSettings, ...]:
        """The runs the study asks for; empty means every notebook whose tables exist, once."""
        return tuple(segments.runs(self.settings.run))

    @property
    def schedule(self) -> ScheduleSettings | None:
        """When its report is made by itself; in the study's own time zone unless it names another."""
        told = self.settings.schedule
        return told and told.model_copy(update={"timezone": told.timezone or self.timezone})

    def has(self, table: str) -> bool:
        """Whether the study brings this table."""
        return table in self.settings.tables

    @property
    def _engine(self) -> Any:
        """Where everything is joined and counted."""
        return self._opened(self.engine)

    @property
    def _files(self) -> Any:
        """What opens files and other databases. Each table is checked where it lies, then brought to the engine."""
        return self._opened(engines.DUCKDB)

    def _opened(self, engine: str) -> Any:
        if engine not in self.opened:
            self.opened[engine] = connect(self.timezone, engine)
        return self.opened[engine]

    @cached_property
    def _checked(self) -> dict[str, CheckedTable]:
        return {}

    def _source(self, table: str) -> Source:
        settings = self.settings.tables[table]
        if self._holds(settings.source):
            name = settings.table or settings.source
            rows = own_table(self._engine, name, shown=self.engine)
            return Source(settings.source, rows, state=freshness(self._engine, settings.freshness, settings.source))
        keys = {"table", "encoding", "separator", "freshness"}
        given = settings.model_dump(include=keys)
        return open_source(settings.source, folder=self.folder, engine=self._files, **given)

    def _holds(self, source: str) -> bool:
        """Whether a source is the engine itself, or the name of one of its tables and no file."""
        if self.engine == engines.DUCKDB or source == self.engine:
            return self.engine != engines.DUCKDB
        return _NAME.match(source) is not None and not (self.folder / source).exists()

    def table(self, name: str) -> CheckedTable:
        """One table of the study, checked against its contract.

        Raises:
            SettingsError: the study has no such table.
            TableError: the table breaks its contract.
        """
        if not self.has(name):
            raise SettingsError(
                f'The study "{self.name}" has no table {name}; it has: {", ".join(self.settings.tables)}.'
            )
        if name not in self._checked:
            source, engine = self._source(name), self._engine
            for told in _biographies(source):
                told.check_digest()
            if engine.name == engines.SPARK and {path.suffix.lower() for path in source.files} == {".parquet"}:
                source = replace(source, rows=engines.parquet(engine, source.files))
            parts = segments.segments(name, source, self.only, self.settings.tables, self._source)
            checked = check(name, source, replace(_reading(self.settings, name), segments=tuple(parts.values())))
            if whole := [column for column in self.only if column not in parts]:
                same = f"the same for every {' and '.join(whole)}, since its rows are no customer's"
                checked = replace(checked, notes=(*checked.notes, same))
            self._checked[name] = replace(checked, rows=engines.bring(checked.rows, engine))
        return self._checked[name]

    @cached_property
    def biographies(self) -> list[Biography]:
        """What is known about the study's files, where it is written beside them; nothing where they are gone."""
        found = []
        for table in self.settings.tables:
            with suppress(LoyaltyError):  # checking the table tells it; the pages made before still need their labels
                found += _biographies(self._source(table))
        return found

    @property
    def caveats(self) -> list[str]:
        """Sentences that every page of the study shows: its own, then those of its files."""
        of_files = (caveat for told in self.biographies for caveat in told.caveats)
        return list(dict.fromkeys([*self.settings.caveats, *of_files]))

    @property
    def simulated(self) -> bool:
        """Whether any of its data were made up, as the study itself or the description of a file says."""
        return self.settings.simulated or any(told.simulated for told in self.biographies)

    def pattern(self, table: str) -> str | None:
        """A glob pattern for the files of a table; None where it is none, or its own log tells its state."""
        source = self.settings.tables[table].source
        return None if self._holds(source) else pattern(source, self.folder)

    def digest(self, table: str) -> str | None:
        """SHA-256 over what a table holds now, or what its place says of that; None where neither can be told.

        Raises:
            LoyaltyError: it cannot be opened or read.
        """
        source = self._source(table)
        if source.files:
            return source.digest()
        matched = match(TABLES[table], source, _reading(self.settings, table))
        return source.digest({matched.theirs(name) for name in matched.places} & {*source.rows.columns})

    @cached_property
    def digests(self) -> dict[str, str | None]:
        """Table to its digest."""
        return {table: self.digest(table) for table in self.settings.tables}

    def _publishable(self, name: str) -> CheckedTable:
        """A checked table; one about a handful of customers is refused, for every figure would be about somebody."""
        table = self.table(name)
        customers = table.facts.get("customers")
        if customers is not None and customers < self.min_cell:
            raise TableError(
                f"{name} holds {words.plural(customers, 'customer')}. Pages about fewer than {self.min_cell} would "
                "show what single people did: bring more customers, or set min_cell lower for a report of your own."
            )
        return table

    def check(self) -> StudyCheck:
        """Check every table; one that fails does not stop the others."""
        tables, problems = [], []
        for name in self.settings.tables:
            try:
                tables.append(self._publishable(name))
            except LoyaltyError as error:
                problems.append(f"{self.name}: {error}")
        return StudyCheck(self, tuple(tables), tuple(problems))


def open_study(name: str, path: str | Path | None = None) -> Study:
    """Open a study by name, as a notebook does: from now on figures speak its language and hide its small groups.

    Args:
        name: a study of the file.
        path: the studies file; else the environment's LOYALTY_STUDIES, else the nearest studies.toml upwards.

    Raises:
        SettingsError: there is no such file or study, or the file is wrong.
    """
    study = load(find(path))[name]
    languages.speak(study.language)
    disclosure.protect(study.min_cell)
    return study


def find(path: str | Path | None = None) -> Path:
    """The studies file: as given, else from LOYALTY_STUDIES, else the nearest studies.toml upwards.

    Raises:
        SettingsError: there is none.
    """
    given = path or os.environ.get("LOYALTY_STUDIES")
    if given:
        if not Path(given).is_file():
            raise SettingsError(f'There is no studies file "{given}".')
        return Path(given)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder / FILE
    raise SettingsError(f"There is no {FILE} here or in any folder above. Name one with --studies FILE.")


def load(path: str | Path, *, notebooks: Notebooks | None = None, hypotheses: set[str] | None = None) -> Studies:
    """Read and check a studies file.

    Args:
        path: the file; sources in it are relative to its folder.
        notebooks: notebook name to its parameters, to check runs and parameters against; None leaves them unchecked.
        hypotheses: the known ids, to check smallest_effects against; None leaves them unchecked.

    Raises:
        SettingsError: anything is wrong; the message lists all of it.
    """
    path = Path(path)
    if not path.is_file():
        raise SettingsError(
            f"There is no {path} here. Start in the project's folder, or name a file with --studies FILE."
        )
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path.name} cannot be read: {error}.") from error
    try:
        file = StudiesFile.model_validate(told)
    except ValidationError as error:
        raise SettingsError(_listed(path, mistakes.misfits(error))) from None
    problems = [*mistakes.in_file(file), *mistakes.in_names(file, notebooks, hypotheses)]
    if problems:
        raise SettingsError(_listed(path, problems))
    folder = path.resolve().parent
    opened: dict[str, Study] = {}
    for entry, study in file.study.items():
        shared: dict[str, Any] = {}
        for name, settings, only in segments.variants(entry, study):
            if name in opened:
                raise SettingsError(_listed(path, [f'study.{entry}.for: there is another study "{name}".']))
            opened[name] = Study(name, settings, file.report, folder, only, entry if only else "", shared)
    return Studies(path, opened, file.notify)


def _listed(path: Path, problems: list[str]) -> str:
    return "\n  ".join([f"{path.name} has {words.plural(len(problems), 'mistake')}:", *problems])


def _biographies(source: Source) -> list[Biography]:
    return [told for told in map(biography, source.files) if told is not None]


def _reading(study: StudySettings, name: str) -> Reading:
    """What `checks` needs to know to read one table."""
    table = study.tables[name]
    return Reading(
        columns=table.columns,
        date_format=table.date_format,
        observed_until=table.observed_until,
        tenure_unit=table.tenure_unit,
        decimal=table.decimal,
        thousands=table.thousands or "",
        covariates=tuple(table.covariates),
        items=_items(study) if name == "surveys" else (),
    )


def _items(study: StudySettings) -> tuple[Item, ...]:
    """The survey items with their scales and codes: the item's own, else its construct's, else the table's."""
    table = study.tables["surveys"]

    def item(name: str, construct: str) -> Item:
        kano = construct.endswith((FUNCTIONAL, DYSFUNCTIONAL))
        scale = study.scales.get(name) or study.scales.get(construct) or (KANO_SCALE if kano else table.scale)
        missing = study.missing.get(name) or study.missing.get(construct) or table.missing
        return Item(name, (scale[0], scale[1]) if scale else None, tuple(missing), KANO_WORDS if kano else {})

    return tuple(item(name, construct) for name, construct in study.items.items())
