"""Reads studies.toml: which tables a study has, which of their columns is which, and with which parameters it runs.

Everything is checked before anything runs, and everything that is wrong is said at once.
"""

from __future__ import annotations

import os
import re
import tomllib
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from analysis import words
from analysis.checks import CheckedTable, check
from analysis.datasets import Biography, biography
from analysis.readings import FlagRule, Item, Reading
from analysis.sources import Source, connect, holds_secret, open_source
from analysis.tables import TABLES, LoyaltyError, SettingsError, TableError, nearest

FILE = "studies.toml"
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]*$")
_SECRET = re.compile(r"token|password|passwd|secret|api_?key", re.IGNORECASE)
_DURATION = re.compile(r"^(\d+)(s|m|h)$")
_SECONDS = {"s": 1, "m": 60, "h": 3600}

Notebooks = Mapping[str, Any]  # notebook name to its parameter names (or to their defaults by name)
Scale = Annotated[list[float], Field(min_length=2, max_length=2)]
Codes = list[int | float | str]


def _theirs(value: Any) -> str | FlagRule:
    """A user's column, or a rule that reads a yes/no column from one: `{ column = "InvoiceNo", starts_with = "C" }`."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("column"), str) and len(value) == 2:
        start, equals = value.get("starts_with"), value.get("equals")
        if isinstance(start, str):
            return FlagRule(value["column"], starts_with=start)
        equals = [equals] if isinstance(equals, str) else equals
        if isinstance(equals, list) and all(isinstance(one, str) for one in equals):
            return FlagRule(value["column"], equals=tuple(equals))
    raise ValueError('should be the name of a column, or a rule such as { column = "InvoiceNo", starts_with = "C" }')


def _parameter(value: Any) -> Any:
    """A value a notebook can be given."""
    if all(isinstance(one, bool | int | float | str) for one in (value if isinstance(value, list) else [value])):
        return value
    raise ValueError("should be a number, a text, true or false, or a list of these")


def _effect(value: Any) -> float | dict[str, float]:
    """A smallest effect: a number, or one for each part of a compound rule."""
    numbers = value.values() if isinstance(value, dict) else [value]
    if numbers and all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        return value
    raise ValueError("should be a number, or a table of numbers by part")


def _duration(value: str) -> str:
    """A length of time."""
    if _DURATION.match(value):
        return value
    raise ValueError("should be a time such as 90s, 5m or 1h")


def _name(value: str) -> str:
    """A name that can be a part of a web address."""
    if _NAME.match(value):
        return value
    raise ValueError("should be made of small letters, digits, - and _")


Duration = Annotated[str, AfterValidator(_duration)]
Name = Annotated[str, AfterValidator(_name)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TableSettings(_Strict):
    """Where a table is and how to read it."""

    source: str
    table: str | None = None
    columns: dict[str, Annotated[Any, AfterValidator(_theirs)]] = {}
    date_format: str | None = None
    observed_until: date | None = None
    tenure_unit: Literal["day", "week", "month", "year"] | None = None
    covariates: list[str] = []
    scale: Scale | None = None
    missing: Codes = []


class PairSettings(_Strict):
    """Items that ask for an expectation level, beside those that ask for the perception."""

    dimension: str
    perception: list[str]
    expectation: list[str] = []
    desired: list[str] = []
    adequate: list[str] = []
    predicted: list[str] = []


class RunSettings(BaseModel):
    """One run of a notebook; every further key is a parameter of it."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(_parameter)]]

    notebook: str
    name: Name | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters this run sets."""
        return dict(self.model_extra or {})


class ReportSettings(_Strict):
    """How reports are made; a study may override each of them."""

    min_cell: Annotated[int, Field(ge=1)] = 5
    language: str = "en"
    audience: Literal["full", "public"] = "full"
    cell_timeout: Duration = "5m"
    report_timeout: Duration = "20m"


class StudySettings(_Strict):
    """One study: `[study.NAME]` and everything under it."""

    title: str
    currency: str | None = None
    timezone: str = "UTC"
    tables: dict[str, TableSettings]
    scales: dict[str, Scale] = {}
    missing: dict[str, Codes] = {}
    constructs: dict[str, list[str]] = {}
    pairs: list[PairSettings] = []
    parameters: dict[str, Annotated[Any, AfterValidator(_parameter)]] = {}
    smallest_effects: dict[str, Annotated[Any, AfterValidator(_effect)]] = {}
    run: list[RunSettings] = []
    min_cell: Annotated[int, Field(ge=1)] | None = None
    language: str | None = None
    audience: Literal["full", "public"] | None = None
    cell_timeout: Duration | None = None
    report_timeout: Duration | None = None


class StudiesFile(_Strict):
    """The whole of a studies.toml."""

    report: ReportSettings = ReportSettings()
    study: dict[Name, StudySettings]


@dataclass(frozen=True)
class Studies:
    """The studies of one file, all settings checked."""

    path: Path
    studies: Mapping[str, Study]

    def __getitem__(self, name: str) -> Study:
        if name not in self.studies:
            raise SettingsError(
                f'There is no study "{name}" in {self.path.name}. The nearest name is "{nearest(name, self.studies)}"; '
                f"it has: {', '.join(self.studies)}. Another file is read when LOYALTY_STUDIES names it."
            )
        return self.studies[name]

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
            lines += [f"  note: {note}" for note in table.notes]
        return "\n".join([*lines, *(f"\n{problem}" for problem in self.problems)])


@dataclass(frozen=True, eq=False)
class Study:
    """A study: its settings, and its tables, which are opened and checked when first asked for.

    `settings` holds everything as written; the properties give what most callers need.
    """

    name: str
    settings: StudySettings
    report: ReportSettings
    folder: Path

    @property
    def title(self) -> str:
        """The title for readers."""
        return self.settings.title

    @property
    def currency(self) -> str | None:
        """Shown with every amount."""
        return self.settings.currency

    @property
    def timezone(self) -> str:
        """Decides the day of a time stamp."""
        return self.settings.timezone

    @property
    def parameters(self) -> dict[str, Any]:
        """Defaults for every notebook of this study."""
        return dict(self.settings.parameters)

    @property
    def smallest_effects(self) -> dict[str, Any]:
        """Smallest effects that matter, where the study changes the register's: a number, or one a part."""
        return dict(self.settings.smallest_effects)

    @property
    def constructs(self) -> dict[str, list[str]]:
        """Construct to its survey items; reversed items start with "-"."""
        return dict(self.settings.constructs)

    @property
    def pairs(self) -> tuple[PairSettings, ...]:
        """The dimensions of service: items that ask for an expectation level, beside those for the perception."""
        return tuple(self.settings.pairs)

    @property
    def runs(self) -> tuple[RunSettings, ...]:
        """The runs the study asks for; empty means every notebook whose tables exist, once."""
        return tuple(self.settings.run)

    @property
    def min_cell(self) -> int:
        """The smallest group that is shown."""
        return self.settings.min_cell or self.report.min_cell

    @property
    def audience(self) -> str:
        """ "full", or "public" (pages without code)."""
        return self.settings.audience or self.report.audience

    @property
    def cell_timeout(self) -> int:
        """Seconds a notebook cell may take."""
        return _seconds(self.settings.cell_timeout or self.report.cell_timeout)

    @property
    def report_timeout(self) -> int:
        """Seconds a whole notebook may take."""
        return _seconds(self.settings.report_timeout or self.report.report_timeout)

    def has(self, table: str) -> bool:
        """Whether the study brings this table."""
        return table in self.settings.tables

    @cached_property
    def _engine(self) -> Any:
        return connect(self.timezone)

    @cached_property
    def _checked(self) -> dict[str, CheckedTable]:
        return {}

    def _source(self, table: str) -> Source:
        settings = self.settings.tables[table]
        return open_source(settings.source, folder=self.folder, engine=self._engine, table=settings.table)

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
            source = self._source(name)
            for told in _biographies(source):
                told.check_digest()
            self._checked[name] = check(name, source, _reading(self.settings, name))
        return self._checked[name]

    @cached_property
    def biographies(self) -> list[Biography]:
        """What is known about the study's files, where it is written beside them."""
        return [told for table in self.settings.tables for told in _biographies(self._source(table))]

    @property
    def caveats(self) -> list[str]:
        """Sentences that every page of the study shows."""
        return list(dict.fromkeys(caveat for told in self.biographies for caveat in told.caveats))

    @property
    def simulated(self) -> bool:
        """Whether any of its data were made up."""
        return any(told.simulated for told in self.biographies)

    @cached_property
    def digests(self) -> dict[str, str | None]:
        """Table to the SHA-256 of its files; None for a database."""
        return {table: self._source(table).digest() for table in self.settings.tables}

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
    """Open a study by name, as a notebook does.

    Args:
        name: a study of the file.
        path: the studies file; else the environment's LOYALTY_STUDIES, else the nearest studies.toml upwards.

    Raises:
        SettingsError: there is no such file or study, or the file is wrong.
    """
    return load(find(path))[name]


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
        raise SettingsError(_listed(path, _misfits(error))) from None
    problems = [*_file_problems(file), *_name_problems(file, notebooks, hypotheses)]
    if problems:
        raise SettingsError(_listed(path, problems))
    folder = path.resolve().parent
    return Studies(path, {name: Study(name, study, file.report, folder) for name, study in file.study.items()})


def _listed(path: Path, problems: list[str]) -> str:
    return "\n  ".join([f"{path.name} has {words.plural(len(problems), 'mistake')}:", *problems])


def _seconds(duration: str) -> int:
    match = _DURATION.match(duration)
    assert match  # the settings are checked against the same pattern
    return int(match[1]) * _SECONDS[match[2]]


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
        covariates=tuple(table.covariates),
        items=_items(study) if name == "surveys" else (),
    )


def _constructs_of_items(study: StudySettings) -> dict[str, str]:
    """Every survey item of the study, with a construct it belongs to ("" for items of pairs only)."""
    found = {item.removeprefix("-"): construct for construct, items in study.constructs.items() for item in items}
    for pair in study.pairs:
        for item in (*pair.perception, *pair.expectation, *pair.desired, *pair.adequate, *pair.predicted):
            found.setdefault(item.removeprefix("-"), "")
    return found


def _items(study: StudySettings) -> tuple[Item, ...]:
    """The survey items with their scales and codes: the item's own, else its construct's, else the table's."""
    table = study.tables["surveys"]

    def item(name: str, construct: str) -> Item:
        scale = study.scales.get(name) or study.scales.get(construct) or table.scale
        missing = study.missing.get(name) or study.missing.get(construct) or table.missing
        return Item(name, (scale[0], scale[1]) if scale else None, tuple(missing))

    return tuple(item(name, construct) for name, construct in _constructs_of_items(study).items())


# Everything that can be wrong


def _misfits(error: ValidationError) -> list[str]:
    """What does not fit the shape of the file: unknown keys, missing keys, values of the wrong type."""
    return [f"{_place(fault['loc'])}: {_misfit(fault)}" for fault in error.errors()]


def _misfit(fault: Any) -> str:
    key = str(fault["loc"][-1])
    if fault["type"] == "extra_forbidden":
        known = _known_keys(fault["loc"])
        return f'there is no such key. Did you mean "{nearest(key, known)}"? Known keys: {", ".join(known)}.'
    if fault["type"] == "missing":
        return "this key is required."
    if fault["type"] in ("model_type", "dict_type"):
        return "should be a table of keys."
    expected = re.sub(r"^(Value error, |Input |String |List )", "", fault["msg"])
    given = repr(fault["input"])
    return f"{expected}." if "://" in given else f"{expected}, not {given}."  # an address may hold a password


def _place(loc: tuple[int | str, ...]) -> str:
    """A fault's place as the file writes it; the entries of a list count from 1."""
    parts = (f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]")
    return "".join(parts).removeprefix(".")


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand where a fault was found."""
    model: type[BaseModel] = StudiesFile
    parts = iter(loc[:-1])
    for part in parts:
        annotation = model.model_fields[str(part)].annotation
        if get_origin(annotation) in (dict, list):
            next(parts)  # a name the user chose, or a number in a list
            annotation = get_args(annotation)[-1]
        assert isinstance(annotation, type)  # unknown keys are found in models only
        model = annotation
    return list(model.model_fields)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f'there is no {what} "{name}". Did you mean "{nearest(name, known)}"?'


def _file_problems(file: StudiesFile) -> Iterator[str]:
    """What has the right shape but names something that does not exist, or does not go together."""
    yield from _language_problems("report", file.report.language)
    for name, study in file.study.items():
        place = f"study.{name}"
        if study.timezone not in zoneinfo.available_timezones():
            yield f"{place}.timezone: {_unknown('time zone', study.timezone, zoneinfo.available_timezones())}"
        yield from _language_problems(place, study.language or "en")
        for table in study.tables:
            yield from _table_problems(f"{place}.tables.{table}", table, study)
        yield from _survey_problems(place, study)


def _language_problems(place: str, language: str) -> Iterator[str]:
    if language == "fa":
        yield f'{place}.language: "fa" is not available in this edition yet. Use "en".'
    elif language != "en":
        yield f"{place}.language: {_unknown('language', language, ['en'])}"


def _table_problems(place: str, name: str, study: StudySettings) -> Iterator[str]:
    """What is wrong with the settings of one table."""
    if name not in TABLES:
        yield f"{place}: {_unknown('table', name, TABLES)} Tables: {', '.join(TABLES)}."
        return
    settings, contract = study.tables[name], TABLES[name]
    for column, theirs in settings.columns.items():
        if column not in contract.names:
            yield f"{place}.columns: {_unknown('column', column, contract.names)} Columns: {', '.join(contract.names)}."
        elif isinstance(theirs, FlagRule) and contract[column].kind != "flag":
            yield f"{place}.columns.{column}: a rule can only stand for a yes/no column; name a column."
    if holds_secret(settings.source):
        yield f"{place}.source: a password stands in the address. Write ${{NAME}} and set NAME in the environment."
    if settings.date_format is not None and "%" not in settings.date_format:
        yield f'{place}.date_format: "{settings.date_format}" holds no % code; for example "%d/%m/%Y".'
    yield from _fitting_problems(place, name, settings)


def _fitting_problems(place: str, name: str, settings: TableSettings) -> Iterator[str]:
    """Keys that need each other, or that this table has no use for."""
    if settings.covariates and not TABLES[name].free:
        yield f"{place}.covariates: {name} takes none."
    taken = {*(column.lower() for column in settings.columns), "time", "left", "entered"}
    for covariate in settings.covariates:
        if covariate.lower() in taken and covariate not in settings.columns:
            yield f'{place}.covariates: "{covariate}" is taken by a column of {name}. Rename it in the file.'
    if (settings.scale or settings.missing) and name != "surveys":
        yield f"{place}: scale and missing belong to surveys."
    if settings.tenure_unit and name != "subscriptions":
        yield f"{place}.tenure_unit: it belongs to subscriptions."
    if "tenure" in settings.columns and not settings.tenure_unit:
        yield f"{place}.tenure_unit: it is required with tenure: day, week, month or year."
    if "ended_at" in settings.columns and name == "subscriptions" and not settings.observed_until:
        yield f"{place}.observed_until: it is required with ended_at: an empty end means a customer on that day."
    if settings.scale and settings.scale[0] >= settings.scale[1]:
        yield f"{place}.scale: the low end comes first."


def _survey_problems(place: str, study: StudySettings) -> Iterator[str]:
    """What is wrong with constructs, pairs, scales and codes."""
    items = _constructs_of_items(study)
    if "surveys" in study.tables and not items:
        yield f'{place}: surveys need constructs (or pairs) that name their items, such as satisfaction = ["q1", "q2"].'
    known = {*items, *study.constructs}
    for key, named in (("scales", study.scales), ("missing", study.missing)):
        for name in named:
            if name not in known:
                yield f"{place}.{key}: {_unknown('item or construct', name, known)}"
    for name, (low, high) in study.scales.items():
        if low >= high:
            yield f"{place}.scales.{name}: the low end comes first."
    for number, pair in enumerate(study.pairs, start=1):
        lengths = {len(level) for level in (pair.expectation, pair.desired, pair.adequate, pair.predicted) if level}
        if lengths != {len(pair.perception)}:
            yield f"{place}.pairs[{number}]: each expectation level needs as many items as the perception, one by one."


def _name_problems(file: StudiesFile, notebooks: Notebooks | None, hypotheses: set[str] | None) -> Iterator[str]:
    """Notebooks, parameters and hypotheses that do not exist."""
    for name, study in file.study.items():
        place = f"study.{name}"
        yield from _parameter_problems(f"{place}.parameters", study.parameters, _all_parameters(notebooks))
        for hypothesis in study.smallest_effects:
            if hypotheses is not None and hypothesis not in hypotheses:
                yield f"{place}.smallest_effects: {_unknown('hypothesis', hypothesis, hypotheses)}"
        pages = [(run.notebook, run.name) for run in study.run]
        for number, run in enumerate(study.run, start=1):
            yield from _run_problems(f"{place}.run[{number}]", run, notebooks)
            if pages.index((run.notebook, run.name)) < number - 1:
                yield f"{place}.run[{number}].name: another run has the same notebook and name. Give each its own."


def _run_problems(place: str, run: RunSettings, notebooks: Notebooks | None) -> Iterator[str]:
    if notebooks is not None and run.notebook not in notebooks:
        yield f"{place}: {_unknown('notebook', run.notebook, notebooks)}"
        return
    yield from _parameter_problems(place, run.parameters, None if notebooks is None else notebooks[run.notebook])


def _all_parameters(notebooks: Notebooks | None) -> Any:
    """The parameters of all notebooks together, with their defaults where these are given."""
    if notebooks is None:
        return None
    together: dict[str, Any] = {}
    for parameters in notebooks.values():
        together |= dict(parameters) if isinstance(parameters, Mapping) else dict.fromkeys(parameters)
    return together


def _parameter_problems(place: str, given: Mapping[str, Any], known: Any) -> Iterator[str]:
    """Parameters that no notebook has, of another type than their default, or that would print a secret."""
    for name, value in given.items():
        if _SECRET.search(name):
            yield f"{place}.{name}: a secret is no parameter, since reports print those. Use the environment."
        elif name == "study":
            yield f"{place}.study: the run itself says which study it is."
        elif known is not None and name not in known:
            yield f"{place}: {_unknown('parameter', name, known)}"
        elif isinstance(known, Mapping) and not _same_type(value, known[name]):
            yield f"{place}.{name}: should be like its default {known[name]!r}, not {value!r}."


def _same_type(value: Any, default: Any) -> bool:
    """Whether a value may replace a default: the same type, or a whole number for a decimal one."""
    return default is None or type(value) is type(default) or (type(value) is int and type(default) is float)
