"""The shape of studies.toml: every key that may stand in it, and the values each takes."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from analysis import timetable
from analysis.readings import FlagRule

_SECONDS = {"s": 1, "m": 60, "h": 3600}

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
    if type(value) is date:
        return value.isoformat()
    raise ValueError("should be a number, a text, a date, true or false, or a list of these")


def _effect(value: Any) -> float | dict[str, float]:
    """A smallest effect: a number, or one for each part of a compound rule."""
    numbers = value.values() if isinstance(value, dict) else [value]
    if numbers and all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        return value
    raise ValueError("should be a number, or a table of numbers by part")


def _written(pattern: str, what: str) -> AfterValidator:
    """Text of one form."""

    def checked(value: str) -> str:
        if re.match(pattern, value):
            return value
        raise ValueError(f"should be {what}")

    return AfterValidator(checked)


def _cron(value: str) -> str:
    """A cron expression of five fields that comes round at all."""
    if wrong := timetable.mistake(value):
        raise ValueError(f"{wrong}; Mondays at six in the morning are 0 6 * * 1")
    return value


def seconds(duration: str) -> int:
    """The seconds in a length of time that was checked: "5m" is 300."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def size(memory: str) -> int:
    """The bytes in an amount of memory that was checked: "4GB" is 4 · 1024³."""
    return int(memory[:-2]) * 1024 ** (2 if memory[-2] == "M" else 3)


# A time of none would mean no limit. A name can be a part of a web address.
Duration = Annotated[str, _written(r"^[1-9]\d*[smh]$", "a time such as 90s, 5m or 1h")]
Memory = Annotated[str, _written(r"^[1-9]\d*[MG]B$", "an amount of memory such as 500MB or 4GB")]
Name = Annotated[str, _written(r"^[a-z0-9][a-z0-9_-]*$", "made of small letters, digits, - and _")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TableSettings(_Strict):
    """Where a table is and how to read it."""

    source: str
    table: str | None = None
    encoding: str | None = None
    separator: Annotated[str, _written(r"^.$", "one character, such as ;")] | None = None
    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'"] | None = None
    freshness: str | None = None
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
    each: Annotated[dict[str, list[Annotated[Any, AfterValidator(_parameter)]]], Field(alias="for")] = {}

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters this run sets."""
        return dict(self.model_extra or {})


class ReportSettings(_Strict):
    """How reports are made; a study may override each of them, except how many are kept."""

    kept: Annotated[int, Field(ge=2)] = 5

    min_cell: Annotated[int, Field(ge=1)] = 5
    language: str = "en"
    audience: Literal["full", "public"] = "full"
    owner: str | None = None
    contact: str | None = None
    cell_timeout: Duration = "5m"
    report_timeout: Duration = "20m"
    memory_limit: Memory = "4GB"


class ScheduleSettings(_Strict):
    """When a study's report is made by itself, and who is told what came of it."""

    cron: Annotated[str, AfterValidator(_cron)]
    timezone: str | None = None
    catch_up: Literal["latest", "all", "none"] = "latest"
    retries: Annotated[int, Field(ge=0, le=20)] = 2
    back_off: Duration = "10m"
    notify: list[str] = []


class NotifySettings(_Strict):
    """A way to send notices: a web address, mail or a command. What the owner gets, the audience does not."""

    reader: Literal["owner", "audience"]
    webhook: str | None = None
    smtp: str | None = None
    sender: str | None = None
    to: list[str] = []
    command: list[str] = []


class StudySettings(_Strict):
    """One study: `[study.NAME]` and everything under it."""

    title: str
    currency: str | None = None
    timezone: str = "UTC"
    engine: str = "duckdb"
    simulated: bool = False
    caveats: list[str] = []
    tables: dict[str, TableSettings]
    scales: dict[str, Scale] = {}
    missing: dict[str, Codes] = {}
    constructs: dict[str, list[str]] = {}
    pairs: list[PairSettings] = []
    parameters: dict[str, Annotated[Any, AfterValidator(_parameter)]] = {}
    smallest_effects: dict[str, Annotated[Any, AfterValidator(_effect)]] = {}
    run: list[RunSettings] = []
    schedule: ScheduleSettings | None = None
    # One study for each of these values of a column; several keys stand for all their combinations.
    each: Annotated[dict[str, Annotated[list[str | int], Field(min_length=1)]], Field(alias="for")] = {}
    min_cell: Annotated[int, Field(ge=1)] | None = None
    language: str | None = None
    audience: Literal["full", "public"] | None = None
    owner: str | None = None
    contact: str | None = None
    cell_timeout: Duration | None = None
    report_timeout: Duration | None = None
    memory_limit: Memory | None = None

    @property
    def items(self) -> dict[str, str]:
        """Every survey item of the study, with a construct it belongs to ("" for items of pairs only)."""
        found = {item.removeprefix("-"): construct for construct, items in self.constructs.items() for item in items}
        for pair in self.pairs:
            for item in (*pair.perception, *pair.expectation, *pair.desired, *pair.adequate, *pair.predicted):
                found.setdefault(item.removeprefix("-"), "")
        return found


class StudiesFile(_Strict):
    """The whole of a studies.toml."""

    report: ReportSettings = ReportSettings()
    notify: dict[Name, NotifySettings] = {}
    study: dict[Name, StudySettings]
