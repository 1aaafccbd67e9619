"""Turns a raw table into a checked one, or says everything that is wrong with it at once.

Every rule is a yes/no expression on the table. One query counts the rows that break each rule; only when something
is wrong a second one finds the first case. Rows never leave the engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

from analysis import words
from analysis.sources import Source
from analysis.tables import TABLES, Column, Table, TableError, nearest

if TYPE_CHECKING:
    import ibis

ROW = "row"  # as the place of customer_id: one row is one customer
_NUMBER_OF_ROW = "row?"

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# Leading zeros mean a code (a postcode), not a quantity.
_QUANTITY = r"^-?(0|[1-9]\d*)(\.\d+)?$"
_DAY = r"^\d{4}-\d{2}-\d{2}"
_OFFSET = r"(Z|z|[+-]\d{2}(:?\d{2})?)"
_ISO = _DAY + r"([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$"
_ISO_WITH_OFFSET = _DAY + r"[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)? ?" + _OFFSET + "$"
_YES = ("yes", "y", "true", "t", "1", "1.0")
_NO = ("no", "n", "false", "f", "0", "0.0")
# The largest amount a float64 still holds to the cent.
_LARGEST = 2**53 / 100
_YEARS = (1900, 2199)

_SHOWN = 40


@dataclass(frozen=True)
class FlagRule:
    """A yes/no column read from another one: yes where the text begins with, or equals, something."""

    column: str
    starts_with: str | None = None
    equals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """A survey question: its column, the ends of its scale, and the codes that mean no answer."""

    name: str
    scale: tuple[float, float] | None = None
    missing: tuple[float | str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How a user's table is to be read: which of their columns is which, and what the file cannot say itself."""

    columns: Mapping[str, str | FlagRule] = field(default_factory=dict)
    date_format: str | None = None
    observed_until: date | None = None
    tenure_unit: str | None = None
    covariates: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Step:
    """What one rule did: rows left after it and rows it dropped."""

    rule: str
    kept: int
    dropped: int


@dataclass(frozen=True)
class CheckedTable:
    """A table under contract: `rows` (in the engine) has contract names and types.

    `steps` count the rows kept and dropped, `notes` say what a reader should know, `facts` what the table is:
    rows and customers (counts), first and observed_until (days), unit, cohort, covariates, items where they apply.
    """

    name: str
    rows: ibis.Table
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    facts: dict[str, Any]

    def has(self, *columns: str) -> bool:
        """Whether the table has all of these columns."""
        return set(columns) <= set(self.rows.columns)


@dataclass(frozen=True)
class _Rule:
    """Something rows must not be: refused, dropped and counted, or only noted."""

    column: str
    bad: Callable[[Any], Any]
    says: str
    advice: str = ""
    then: Literal["refuse", "drop", "note"] = "refuse"
    shows: bool = False


def check(name: str, source: Source, reading: Reading) -> CheckedTable:
    """Check one table against its contract.

    Args:
        name: the contract, a key of `tables.TABLES`.
        source: the opened table.
        reading: which column is which.

    Returns:
        The rows that may be used, with contract names and types.

    Raises:
        TableError: the table breaks its contract; the message lists every problem with its first row.
    """
    contract = TABLES[name]
    places = _places(contract, source, reading)
    read = _read(contract, source, reading, places)
    rules = _rules(contract, reading, places)
    tally = _tally(read, rules, source=source, contract=contract, places=places)
    if not tally["rows"]:
        raise TableError(f"{name} ({source.shown}) is empty: it has column names but no rows.")
    broken = [rule for number, rule in enumerate(rules) if rule.then == "refuse" and tally[f"broken {number}"]]
    if broken:
        raise TableError(
            _problems(broken, rules, tally, contract=contract, source=source, reading=reading, places=places)
        )
    steps = _steps(rules, tally)
    if not steps[-1].kept:
        dropped = "; ".join(f"{words.count(step.dropped)} {step.rule}" for step in steps if step.dropped)
        raise TableError(f"{name} ({source.shown}) has no row left to use. Dropped: {dropped}.")
    kept = read.filter(~_dropped(read, rules))
    rows, facts = _FINISH.get(name, _finish)(kept, contract, reading, places, tally)
    facts = {"rows": steps[-1].kept, "customers": tally["customers"], **facts}
    notes = _notes(rules, tally, name=name, source=source, reading=reading, places=places, facts=facts)
    return CheckedTable(name, rows, steps, notes, facts)


# Which of their columns is which


def _places(contract: Table, source: Source, reading: Reading) -> dict[str, str | FlagRule]:
    """Contract name to the user's column, for every column that will be read."""
    known = source.rows.columns
    places: dict[str, str | FlagRule] = dict(reading.columns) or {n: n for n in contract.names if n in known}
    _refuse_missing_columns(contract, source, reading, places)
    _refuse_wrong_alternative(contract, source, places)
    taken = set(places)
    places |= {name: name for name in reading.covariates if name not in taken}
    return places | {item.name: item.name for item in reading.items}


def _refuse_missing_columns(contract: Table, source: Source, reading: Reading, places: Mapping[str, Any]) -> None:
    """Raise when the table lacks a column the settings name, or the settings lack one the contract needs."""
    known = source.rows.columns
    wanted = {name: place.column if isinstance(place, FlagRule) else place for name, place in places.items()}
    wanted |= {name: name for name in reading.covariates if name not in places}
    wanted |= {item.name: item.name for item in reading.items}
    problems = [
        f'{name}: there is no column "{theirs}". The nearest name is "{nearest(theirs, known)}".'
        for name, theirs in wanted.items()
        if theirs not in known and not _is_row(name, theirs)
    ]
    problems += [
        f'{column.name}: no column is given for it ({column.meaning}). Add columns = {{ {column.name} = "…" }}.'
        for column in contract.columns
        if column.required and column.name not in places
    ]
    if problems:
        columns = ", ".join(map(str, known[:_SHOWN])) + (" …" if len(known) > _SHOWN else "")
        raise TableError(_listed(contract.name, source, [*problems, f"Its columns are: {columns}."]))


def _refuse_wrong_alternative(contract: Table, source: Source, places: Mapping[str, Any]) -> None:
    """Raise unless exactly one of the contract's alternatives is given whole."""
    if not contract.alternatives:
        return
    choices = " or ".join(" with ".join(group) for group in contract.alternatives)
    firsts = [group[0] for group in contract.alternatives if group[0] in places]
    whole = [group for group in contract.alternatives if set(group) <= set(places)]
    if len(firsts) > 1:
        problem = f"both {' and '.join(firsts)} are given. Give either {choices}, so that it is clear which one counts."
        raise TableError(_listed(contract.name, source, [problem]))
    if not whole:
        raise TableError(_listed(contract.name, source, [f"neither is given: {choices}."]))


# Reading each column as its kind


def _read(
    contract: Table, source: Source, reading: Reading, places: Mapping[str, Any], *, numbered: bool = False
) -> Any:
    """One row a row of the source: each column as its kind, and beside it (name + "?") its text as written."""
    import ibis

    raw = source.rows
    number = ibis.row_number() + 1
    columns: dict[str, Any] = {_NUMBER_OF_ROW: number} if numbered else {}
    for name, place in places.items():
        if _is_row(name, place):
            columns[name] = number.cast("string")
            continue
        theirs = raw[place.column if isinstance(place, FlagRule) else place]
        columns[_text_of(name)] = _text(theirs)
        columns[name] = _value(_column(contract, reading, name, places), theirs, place, reading)
    read = raw.select(**columns)
    if "amount" not in columns and {"unit_price", "quantity"} <= set(columns):
        read = read.mutate(amount=read.unit_price * read.quantity)
    return read


def _is_row(name: str, place: Any) -> bool:
    return name == "customer_id" and place == ROW


def _text_of(name: str) -> str:
    return f"{name}?"


def _column(contract: Table, reading: Reading, name: str, places: Mapping[str, Any]) -> Column:
    """The contract of a column, also of those a user brings themselves."""
    if any(item.name == name for item in reading.items):
        return Column(name, "number", False, "an answer")
    if name not in contract.names:
        return Column(name, "text", False, "a covariate")
    column = contract[name]
    if name == "observed_from" and "tenure" in places:
        return replace(column, kind="number")
    return column


def _value(column: Column, theirs: Any, place: Any, reading: Reading) -> Any:
    if isinstance(place, FlagRule):
        return _as_ruled_flag(theirs, place)
    if column.kind == "time":
        return _as_time(theirs, reading.date_format)
    if column.kind in ("number", "money", "integer"):
        codes = next((item.missing for item in reading.items if item.name == column.name), ())
        return _as_number(theirs, codes)
    if column.kind == "flag":
        return _as_flag(theirs)
    return _as_covariate(theirs) if column.meaning == "a covariate" else _text(theirs)


def _text(theirs: Any) -> Any:
    """The value as text; null when there is nothing in it. Whole numbers kept as decimals (17850.0) lose the point."""
    if theirs.type().is_floating():
        whole = (theirs == theirs.floor()) & (theirs.abs() < 2**53)
        text = whole.ifelse(theirs.cast("int64").cast("string"), theirs.cast("string"))
        return theirs.isnan().ifelse(None, text)
    return theirs.cast("string").strip().nullif("")


def _as_number(theirs: Any, codes: tuple[float | str, ...] = ()) -> Any:
    kind = theirs.type()
    if kind.is_numeric():
        value = theirs.cast("float64")
        value = (value.isnan() | value.isinf()).ifelse(None, value)
    else:
        text = _text(theirs)
        value = text.re_search(_NUMBER).ifelse(text.try_cast("float64"), None)
    numbers = [float(code) for code in codes if not isinstance(code, str)]
    return value.isin(numbers).ifelse(None, value) if numbers else value


def _as_time(theirs: Any, date_format: str | None) -> Any:
    """A time stamp in the study's zone: ISO or the stated format, never a guess."""
    kind = theirs.type()
    if kind.is_timestamp() or kind.is_date():
        return theirs.cast("timestamp")  # the engine's zone is the study's
    text = _text(theirs)
    if date_format:
        return _parse(text, date_format)
    with_zone = text.try_cast("timestamp('UTC')").cast("timestamp")
    plain = text.re_search(_ISO).ifelse(text.try_cast("timestamp"), None)
    return text.re_search(_ISO_WITH_OFFSET).ifelse(with_zone, plain)


def _parse(text: Any, date_format: str) -> Any:
    """Text to time by a format; null where it does not fit (an engine function Ibis does not know)."""
    import ibis

    zoned = "%z" in date_format
    returns = ibis.dtype("timestamp('UTC')" if zoned else "timestamp")

    @ibis.udf.scalar.builtin(name="try_strptime", signature=((ibis.dtype("string"), ibis.dtype("string")), returns))
    def try_strptime(value, form):  # type: ignore[no-untyped-def]
        ...

    return try_strptime(text, date_format).cast("timestamp")


def _as_flag(theirs: Any) -> Any:
    if theirs.type().is_boolean():
        return theirs
    import ibis

    text = _text(theirs).lower()
    return ibis.cases((text.isin(_YES), True), (text.isin(_NO), False))


def _as_ruled_flag(theirs: Any, rule: FlagRule) -> Any:
    text = _text(theirs).fill_null("")
    return text.startswith(rule.starts_with) if rule.starts_with is not None else text.isin(rule.equals)


def _as_covariate(theirs: Any) -> Any:
    return theirs.cast("float64") if theirs.type().is_numeric() else _text(theirs)


# The rules


def _rules(contract: Table, reading: Reading, places: Mapping[str, Any]) -> list[_Rule]:
    """Every rule of a table; what is dropped comes first, so that no problem is counted on rows nobody uses."""
    rules: list[_Rule] = []
    for name, place in places.items():
        if not (_is_row(name, place) or isinstance(place, FlagRule)):
            rules += _column_rules(_column(contract, reading, name, places), contract, reading, places)
    rules += _ROW_RULES.get(contract.name, lambda *_: [])(reading, places)
    if contract.unique and places.get("customer_id") != ROW:
        rules += _unique_rule(contract.unique)
    return sorted(rules, key=lambda rule: rule.then != "drop")


def _column_rules(column: Column, contract: Table, reading: Reading, places: Mapping[str, Any]) -> list[_Rule]:
    """A value is there where it must be, can be read as its kind, and lies in a range that makes sense."""
    name, text = column.name, _text_of(column.name)
    rules = []
    if column.required or any(name in group and name in places for group in contract.alternatives):
        rules += _missing_rule(name, contract.name)
    codes = next((item.missing for item in reading.items if item.name == name), ())
    unreadable = _UNREADABLE.get(column.kind)
    if unreadable:
        says, advice = unreadable
        if column.kind == "time" and reading.date_format:
            says = f"do not fit the date_format {reading.date_format}"
            advice = "Correct them, or the date_format."
        listed = [str(code) for code in codes]

        def bad(t: Any) -> Any:
            return t[text].notnull() & t[name].isnull() & ~t[text].isin([*listed, *(f"{c}.0" for c in listed)])

        rules.append(_Rule(name, bad, says, advice, shows=True))
    return rules + _range_rules(column, reading)


def _missing_rule(name: str, table: str) -> list[_Rule]:
    if name == "ended_at":
        return []
    drop = table == "orders" and name == "customer_id"
    text = _text_of(name)
    return [
        _Rule(
            name,
            lambda t: t[text].isnull(),
            f"have no {name}",
            "Fill it in, or leave the rows out of the export.",
            then="drop" if drop else "refuse",
        )
    ]


_UNREADABLE = {
    "time": (
        "are not dates in ISO form (2024-01-31, 2024-01-31 18:30)",
        'Say how dates are written, for example date_format = "%d/%m/%Y"; dates are never guessed.',
    ),
    "money": (
        "are not plain numbers",
        "Write amounts with a point and no separators or currency signs: 1234.50, not 1,234.50 or 1.234,50.",
    ),
    "number": ("are not plain numbers", "Write numbers with a point and no separators: 1234.5."),
    "integer": ("are not plain numbers", "Write whole numbers without separators."),
    "flag": ("are neither yes nor no", "Use Yes/No, true/false or 1/0."),
}


def _range_rules(column: Column, reading: Reading) -> list[_Rule]:
    name = column.name
    if column.kind == "money":
        return [
            _Rule(
                name, lambda t: t[name].abs() > _LARGEST, "are too large to be an amount", "Correct them.", shows=True
            )
        ]
    if column.kind == "integer":
        return [_Rule(name, lambda t: t[name] != t[name].floor(), "are not whole", "Correct them.", shows=True)]
    if column.kind == "time":
        low, high = _YEARS
        return [
            _Rule(
                name,
                lambda t: ~t[name].year().between(low, high),
                f"lie outside the years {low} to {high}",
                "Correct them; dates of another calendar must be converted first.",
                shows=True,
            )
        ]
    item = next((item for item in reading.items if item.name == name and item.scale), None)
    if item is None or item.scale is None:
        return []
    least, most = item.scale
    advice = "Correct the scale, or list codes that mean no answer under missing."
    return [
        _Rule(name, lambda t: ~t[name].between(least, most), f"lie outside {least:g} to {most:g}", advice, shows=True)
    ]


def _order_rules(reading: Reading, places: Mapping[str, Any]) -> list[_Rule]:
    if reading.observed_until:
        until = reading.observed_until
        return [_Rule("ordered_at", lambda t: _day(t.ordered_at) > until, f"lie after {until}", then="drop")]
    today = date.today()
    advice = "Correct them, or set observed_until to the last day seen."
    return [_Rule("ordered_at", lambda t: _day(t.ordered_at) > today, "lie in the future", advice, shows=True)]


def _subscription_rules(reading: Reading, places: Mapping[str, Any]) -> list[_Rule]:
    return _tenure_rules(places) if "tenure" in places else _dated_rules(reading, places)


def _tenure_rules(places: Mapping[str, Any]) -> list[_Rule]:
    rules = [_Rule("tenure", lambda t: t.tenure < 0, "are negative", "Correct them; 0 is allowed.", shows=True)]
    if "observed_from" in places:
        rules += [
            _Rule("observed_from", lambda t: t.observed_from < 0, "are negative", "Correct them.", shows=True),
            _Rule(
                "observed_from",
                lambda t: (t.observed_from > 0) & (t.observed_from >= t.tenure),
                "were over before watching began",
                then="drop",
            ),
        ]
    if places["customer_id"] != ROW:
        rules += _unique_rule(("customer_id",), "A customer with several spells needs started_at and ended_at.")
    return rules


def _dated_rules(reading: Reading, places: Mapping[str, Any]) -> list[_Rule]:
    until = reading.observed_until
    rules = [
        _Rule("started_at", lambda t: _day(t.started_at) > until, f"start after {until}", then="drop"),
        _Rule(
            "ended_at", lambda t: t.ended_at < t.started_at, "ended before they started", "Correct them.", shows=True
        ),
        _Rule(
            "ended_at",
            lambda t: _day(t.ended_at) > until,
            f"end after {until}",
            "they count as still a customer",
            then="note",
        ),
    ]
    if "observed_from" in places:
        rules += [_Rule("observed_from", _over_before_watching, "were over before watching began", then="drop")]
    if places["customer_id"] != ROW:
        advice = "One customer has one spell at a time: merge them, or end the earlier one first."
        rules += [_Rule("started_at", _overlaps, "begin before the customer's earlier spell ended", advice)]
    return rules


def _over_before_watching(t: Any) -> Any:
    return (t.observed_from > t.started_at) & (t.observed_from >= t.ended_at)


def _overlaps(t: Any) -> Any:
    import ibis

    # Sorted by start, any overlap shows between neighbours.
    by_start = ibis.window(group_by=t.customer_id, order_by=[t.started_at, t.ended_at])
    start, end = t.started_at.lag().over(by_start), t.ended_at.lag().over(by_start)
    again = start.notnull() & (start == t.started_at) & end.identical_to(t.ended_at)
    return again | (start.notnull() & (end.isnull() | (t.started_at < end)))


def _unique_rule(keys: tuple[str, ...], advice: str = "") -> list[_Rule]:
    import ibis

    what = " and ".join(keys)

    def again(t: Any) -> Any:
        # Which of two equal rows is the second matters only where rows are numbered, to name the first case.
        order = t[_NUMBER_OF_ROW] if _NUMBER_OF_ROW in t.columns else None
        return ibis.row_number().over(ibis.window(group_by=[t[key] for key in keys], order_by=order)) > 0

    return [_Rule(keys[0], again, f"repeat the {what} of an earlier row", advice or f"Give one row for each {what}.")]


_ROW_RULES: dict[str, Callable[[Reading, Mapping[str, Any]], list[_Rule]]] = {
    "orders": _order_rules,
    "subscriptions": _subscription_rules,
}


def _day(time: Any) -> Any:
    return time.date()


# Counting, and saying what is wrong


def _marked(read: Any, rules: list[_Rule]) -> Any:
    """The table with one yes/no column a rule: "broken 0", "broken 1" and so on."""
    return read.mutate(**{f"broken {number}": rule.bad(read).fill_null(False) for number, rule in enumerate(rules)})


def _dropped(t: Any, rules: list[_Rule]) -> Any:
    """Whether any rule drops the row."""
    import ibis

    return reduce(
        lambda before, rule: before | rule.bad(t).fill_null(False),
        (rule for rule in rules if rule.then == "drop"),
        ibis.literal(False),
    )


def _tally(
    read: Any, rules: list[_Rule], *, source: Source, contract: Table, places: Mapping[str, Any]
) -> dict[str, Any]:
    """Count the rows each rule hits (a row is counted for the first rule that drops it), in one query."""
    import ibis

    marked = _marked(read, rules)
    kept: Any = ibis.literal(True)
    wanted: dict[str, Any] = {"rows": marked.count()}
    for number, rule in enumerate(rules):
        hit = kept & marked[f"broken {number}"]
        wanted[f"broken {number}"] = hit.sum()
        if rule.then == "drop":
            kept = kept & ~marked[f"broken {number}"]
    if "customer_id" in places:
        wanted["customers"] = marked.customer_id.nunique(where=kept)
    if contract.name == "orders":
        wanted |= {"first": marked.ordered_at.min(where=kept), "last": marked.ordered_at.max(where=kept)}
    for name in _optional(contract, places):
        wanted[f"missing {name}"] = (kept & marked[name].isnull()).sum()
    for name in _own(contract, places):
        if marked[name].type().is_string():
            wanted[f"words {name}"] = (kept & ~marked[name].re_search(_QUANTITY)).sum()
    return {"customers": None, **_fetch(marked.aggregate(**wanted), contract.name, source)}


def _own(contract: Table, places: Mapping[str, Any]) -> list[str]:
    """The columns a user brings beside the contract (of a survey: the answers)."""
    return [name for name in places if name not in contract.names]


def _optional(contract: Table, places: Mapping[str, Any]) -> list[str]:
    """Columns that may be empty and whose gaps a reader should know."""
    telling = [
        name
        for name in places
        if name in contract.names
        and contract[name].kind in ("money", "number", "integer", "text")
        and not contract[name].required
    ]
    return [*telling, *_own(contract, places)]


def _fetch(question: Any, name: str, source: Source) -> dict[str, Any]:
    """The one row that answers an aggregate."""
    try:
        return question.to_pyarrow().to_pylist()[0]
    except Exception as error:  # each engine has its own errors, and their text may quote whole rows
        raise TableError(f"{name} ({source.shown}) {_unreadable(error)}") from error


def _unreadable(error: Exception) -> str:
    text = str(error)
    line = re.search(r"Error on Line: (\d+)", text)
    fields = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if line and fields:
        expected, found = fields.groups()
        return f"has {found} fields where {expected} are expected, in line {line[1]}. Correct the line."
    if "unicode" in text or "utf-8" in text:
        return "is not in UTF-8. Save it as UTF-8 (in a spreadsheet: CSV UTF-8)."
    where = f", near line {line[1]}" if line else ""
    return f"could not be read ({type(error).__name__}{where})."


def _problems(
    broken: list[_Rule],
    rules: list[_Rule],
    tally: dict[str, Any],
    *,
    contract: Table,
    source: Source,
    reading: Reading,
    places: Mapping[str, Any],
) -> str:
    """Every broken rule with its count and its first case, which a second query finds."""
    read = _read(contract, source, reading, places, numbered=True)
    marked = _marked(read, rules)
    wanted: dict[str, Any] = {}
    for rule in broken:
        number = rules.index(rule)
        hit = marked[f"broken {number}"] & ~_dropped(marked, rules)
        wanted[f"row {number}"] = marked[_NUMBER_OF_ROW].min(where=hit)
        if _may_show(rule, contract, places):
            wanted[f"value {number}"] = marked[_text_of(rule.column)].argmin(marked[_NUMBER_OF_ROW], where=hit)
    first = _fetch(marked.aggregate(**wanted), contract.name, source)
    return _listed(
        contract.name,
        source,
        [_problem(rule, rules.index(rule), tally=tally, first=first, places=places) for rule in broken],
    )


def _may_show(rule: _Rule, contract: Table, places: Mapping[str, Any]) -> bool:
    """Values are shown, but never those of a column that also says who the customer is."""
    keys = {places[name] for name in places if name in contract.names and contract[name].kind == "key"}
    return rule.shows and places[rule.column] not in keys


def _problem(
    rule: _Rule, number: int, *, tally: dict[str, Any], first: dict[str, Any], places: Mapping[str, Any]
) -> str:
    theirs = places[rule.column]
    column = rule.column if theirs == rule.column else f'{rule.column} (their "{theirs}")'
    value = first.get(f"value {number}")
    case = f"row {words.count(first[f'row {number}'])}" + ("" if value is None else f', "{_short(value)}"')
    share = f"{words.count(tally[f'broken {number}'])} of {words.count(tally['rows'])} rows"
    return f"{column}: {share} {rule.says}. First: {case}. {rule.advice}"


def _short(value: str) -> str:
    return value if len(value) <= _SHOWN else value[:_SHOWN] + "…"


def _listed(name: str, source: Source, problems: list[str]) -> str:
    """One message for all problems of a table."""
    return "\n  ".join([f"{name} ({source.shown}) cannot be used:", *problems])


def _steps(rules: list[_Rule], tally: dict[str, Any]) -> tuple[Step, ...]:
    kept = tally["rows"]
    steps = [Step("rows read", kept, 0)]
    for number, rule in enumerate(rules):
        if rule.then == "drop":
            kept -= tally[f"broken {number}"]
            steps.append(Step(f"rows that {rule.says}", kept, tally[f"broken {number}"]))
    return tuple(steps)


def _notes(
    rules: list[_Rule],
    tally: dict[str, Any],
    *,
    name: str,
    source: Source,
    reading: Reading,
    places: Mapping[str, Any],
    facts: dict[str, Any],
) -> tuple[str, ...]:
    """What a reader should know about a table that may be used."""
    notes = [
        f"{words.plural(tally[f'broken {number}'], 'row')} {rule.says}: {rule.advice}."
        for number, rule in enumerate(rules)
        if rule.then == "note" and tally[f"broken {number}"]
    ]
    for key, empty in tally.items():
        if key.startswith("missing ") and empty:
            notes.append(f"{key.removeprefix('missing ')} is empty in {words.plural(empty, 'row')}, which are kept.")
    if name == "orders" and not reading.observed_until:
        notes.append(
            f"observed_until is not given: the last order, {facts['observed_until']}, is taken as the last day seen."
        )
    if facts.get("cohort") is False:
        notes.append(
            "Tenure is given without observed_from: a cross-section of customers, not a cohort followed in time."
        )
    if tally["customers"] == 1:
        notes.append("All rows belong to one customer.")
    if "customer_id" in places and not _is_row("customer_id", places["customer_id"]):
        repeated = _fetch(source.rows.aggregate(n=lambda t: t.count()), name, source)["n"]
        repeated -= _fetch(source.rows.distinct().aggregate(n=lambda t: t.count()), name, source)["n"]
        if repeated:
            notes.append(f"{words.plural(repeated, 'row')} repeat another row in every column; they are kept.")
    return tuple(notes)


# The checked rows


def _finish(
    kept: Any, contract: Table, reading: Reading, places: Mapping[str, Any], tally: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Rows under contract names: numbers where a column of the user's holds nothing else, as it is otherwise."""
    own = _own(contract, places)
    numbers = {name: kept[name].cast("float64") for name in own if tally.get(f"words {name}") == 0}
    columns = [name for name in (*contract.names, *own) if name in kept.columns]
    facts: dict[str, Any] = {"covariates": reading.covariates}
    if reading.items:
        facts = {
            "items": tuple(item.name for item in reading.items),
            "scales": {i.name: i.scale for i in reading.items},
        }
    if reading.observed_until:
        facts["observed_until"] = reading.observed_until
    return kept.mutate(**numbers).select(*columns), facts


def _finish_orders(
    kept: Any, contract: Table, reading: Reading, places: Mapping[str, Any], tally: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    rows, _ = _finish(kept, contract, reading, places, tally)
    last = tally["last"].date()
    return rows, {"first": tally["first"].date(), "last": last, "observed_until": reading.observed_until or last}


def _finish_subscriptions(
    kept: Any, contract: Table, reading: Reading, places: Mapping[str, Any], tally: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    rows, facts = _finish(kept, contract, reading, places, tally)
    spell = _tenure_spell(rows) if "tenure" in places else _dated_spell(rows, reading.observed_until)
    described = [name for name in rows.columns if name in ("plan", "price", "end_reason") or name not in contract.names]
    facts |= {
        "unit": reading.tenure_unit if "tenure" in places else "day",
        "cohort": "tenure" not in places or "observed_from" in places,
        "observed_until": reading.observed_until,
    }
    return rows.select("customer_id", **spell, **{name: rows[name] for name in described}), facts


def _tenure_spell(rows: Any) -> dict[str, Any]:
    """Age at the end, whether it was a leaving, and age when watching began, all in the tenure's unit."""
    import ibis

    entered = rows.observed_from.fill_null(0.0) if "observed_from" in rows.columns else ibis.literal(0.0)
    return {"time": rows.tenure, "left": rows.churned, "entered": entered}


def _dated_spell(rows: Any, until: Any) -> dict[str, Any]:
    """The same in whole days, for spells given by their dates."""
    import ibis

    start, last = _day(rows.started_at), ibis.literal(until)
    left = (_day(rows.ended_at) <= last).fill_null(False)
    entered: Any = ibis.literal(0.0)
    if "observed_from" in rows.columns:
        entered = ibis.greatest(_days(start, _day(rows.observed_from)), 0.0).fill_null(0.0)
    return {"time": _days(start, left.ifelse(_day(rows.ended_at), last)), "left": left, "entered": entered}


def _days(start: Any, end: Any) -> Any:
    return end.delta(start, unit="day").cast("float64")


_FINISH: dict[str, Callable[..., tuple[Any, dict[str, Any]]]] = {
    "orders": _finish_orders,
    "subscriptions": _finish_subscriptions,
}
