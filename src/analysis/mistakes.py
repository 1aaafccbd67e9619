"""Everything that can be wrong with studies.toml, each with its place, what was expected and the nearest right name."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from analysis.engines import DUCKDB, SPARK
from analysis.languages import LANGUAGES
from analysis.readings import FlagRule
from analysis.settings import NotifySettings, RunSettings, StudiesFile, StudySettings, TableSettings
from analysis.sources import SECRET, holds_secret, is_url
from analysis.tables import TABLES, nearest

# As in the addresses that chats give out: a long mixture of letters and digits, behind the name of the host.
_KEY = re.compile(r"(?:(?<=[^/]/)|(?<=.=))(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}")

Notebooks = Mapping[str, Any]  # notebook name to its parameter names (or to their defaults by name)


def misfits(error: ValidationError) -> list[str]:
    """What does not fit the shape of the file: unknown keys, missing keys, values of the wrong type."""
    return [f"{_place(fault['loc'])}: {_misfit(fault)}" for fault in error.errors()]


def _misfit(fault: Any) -> str:
    key = str(fault["loc"][-1])
    if fault["type"] == "extra_forbidden" and SECRET.search(key):
        return "a secret does not belong here. Set it in the environment, or name there the file that holds it."
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
        elif get_origin(annotation) is UnionType:  # a part that may be left out
            annotation = get_args(annotation)[0]
        assert isinstance(annotation, type)  # unknown keys are found in models only
        model = annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f'there is no {what} "{name}". Did you mean "{nearest(name, known)}"?'


def in_file(file: StudiesFile) -> Iterator[str]:
    """What has the right shape but names something that does not exist, or does not go together."""
    yield from _language_problems("report", file.report.language)
    for name, channel in file.notify.items():
        yield from _notify_problems(f"notify.{name}", channel)
    for name, study in file.study.items():
        place = f"study.{name}"
        yield from _zone_problems(f"{place}.timezone", study.timezone)
        yield from _engine_problems(f"{place}.engine", study.engine)
        if study.schedule:
            yield from _zone_problems(f"{place}.schedule.timezone", study.schedule.timezone or study.timezone)
            unknown = [told for told in study.schedule.notify if told not in file.notify]
            yield from (f"{place}.schedule.notify: {_unknown('[notify.NAME]', told, file.notify)}" for told in unknown)
        yield from _language_problems(place, study.language or "en")
        for table in study.tables:
            yield from _table_problems(f"{place}.tables.{table}", table, study)
        yield from _survey_problems(place, study)


def _zone_problems(place: str, zone: str) -> Iterator[str]:
    if zone not in zoneinfo.available_timezones():
        yield f"{place}: {_unknown('time zone', zone, zoneinfo.available_timezones())}"


def _engine_problems(place: str, engine: str) -> Iterator[str]:
    if holds_secret(engine):
        yield f"{place}: a password stands in the address. Write ${{NAME}} and set NAME in the environment."
    elif engine not in (DUCKDB, SPARK) and not is_url(engine):
        address = "a PostgreSQL database, as postgres://USER:${PASSWORD}@HOST/DATABASE"
        yield f"{place}: {_unknown('engine', engine, (DUCKDB, SPARK))} Or give the address of {address}."


def _notify_problems(place: str, told: NotifySettings) -> Iterator[str]:
    """What is wrong with a way to send notices."""
    ways = {"webhook": told.webhook, "smtp": told.smtp, "command": told.command}
    if sum(map(bool, ways.values())) != 1:
        yield f"{place}: give one of webhook, smtp or command."
    if bool(told.smtp) != bool(told.sender and told.to) or bool(told.sender) != bool(told.to):
        yield f"{place}: smtp, sender and to belong together."
    for way, starts in (("webhook", ("https://", "http://", "${")), ("smtp", ("smtp://", "smtps://", "${"))):
        address = str(ways[way] or "")
        if address and not address.startswith(starts):
            yield f"{place}.{way}: the address should start with {' or '.join(starts[:2])}."
        if holds_secret(address) or _KEY.search(address):
            yield f"{place}.{way}: a secret stands in the address. Write ${{NAME}} and set NAME in the environment."
    if any("=" in argument and SECRET.search(argument) for argument in told.command):
        yield f"{place}.command: a secret stands in it. The command is given the environment and can read it there."


def _language_problems(place: str, language: str) -> Iterator[str]:
    if language not in LANGUAGES:
        yield f"{place}.language: {_unknown('language', language, LANGUAGES)}"


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
    try:
        "".encode(settings.encoding or "utf-8")
    except LookupError:
        yield f'{place}.encoding: there is no encoding "{settings.encoding}"; for example cp1256 or utf-16.'
    if settings.decimal == settings.thousands:
        yield f"{place}.thousands: it is the decimal mark as well; give decimal and thousands different marks."
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
    items = study.items
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


def in_names(file: StudiesFile, notebooks: Notebooks | None, hypotheses: set[str] | None) -> Iterator[str]:
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
    known = None if notebooks is None else notebooks[run.notebook]
    yield from _parameter_problems(place, run.parameters, known)
    for name, values in run.each.items():
        for value in values:
            yield from _parameter_problems(f"{place}.for", {name: value}, known)


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
        if SECRET.search(name):
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
