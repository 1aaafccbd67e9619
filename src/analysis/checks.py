"""Turns a raw table into a checked one, or says everything that is wrong with it at once.

Every rule is a yes/no expression on the table. One query counts the rows that break each rule; only when something
is wrong a second one finds the first case. Rows never leave the engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

from analysis import words
from analysis.engines import give_back
from analysis.readings import ROW_NUMBER, STORED_ID, Matched, Reading, match, text_of, untidy
from analysis.sources import Source
from analysis.tables import TABLES, TableError

if TYPE_CHECKING:
    import ibis

# Leading zeros mean a code (a postcode), not a quantity.
_QUANTITY = r"^-?(0|[1-9]\d*)(\.\d+)?$"
# The largest amount that a float64 still holds to the cent.
_LARGEST = 2**53 / 100
_YEARS = (1900, 2199)
_SHOWN = 40


@dataclass(frozen=True)
class Step:
    """What one rule did: rows left after it and rows it dropped."""

    rule: str
    kept: int
    dropped: int


@dataclass(frozen=True, eq=False)  # a table is itself: two that hold the same may lie in two engines
class CheckedTable:
    """A table under contract: `rows` (in the engine) has contract names and types.

    `steps` count the rows kept and dropped, `notes` say what a reader should know, `facts` what the table is:
    rows and customers (counts), first, last and observed_until (days), sold and returns (lines of orders), unit,
    cohort, covariates, items and scales, each where it applies.
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
    """Something that must not be so: rows are refused, dropped and counted, or only noted. `says` is a clause."""

    column: str
    bad: Callable[[Any], Any]
    says: str
    advice: str = ""
    then: Literal["refuse", "drop", "note"] = "refuse"
    shows: bool = False
    clashes_with: Callable[[Any], Any] | None = None  # the number of the other row, where a rule is about two

    @property
    def key(self) -> str:
        """The rule's name in the tally."""
        return f"{self.column}: {self.says}"

    def hits(self, rows: Any) -> Any:
        """Whether each row breaks the rule; a row whose value is unknown does not."""
        return self.bad(rows).fill_null(False)


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
        SettingsError: the settings do not say what the table's columns need.
    """
    matched = match(TABLES[name], source, reading)
    rules = _rules(matched)
    rows = matched.rows()
    tally = _tally(matched, rows, rules)
    if not tally["rows"]:
        raise TableError(f"{name} ({source.shown}) is empty: it has column names but no rows.")
    if any(rule.then == "refuse" and tally[rule.key] for rule in rules):
        raise matched.refusal(_problems(matched, rules, tally))
    steps = _steps(rules, tally)
    if not steps[-1].kept:
        raise TableError(f"{name} ({source.shown}) has no row left to use. Dropped: {_dropped(steps)}")
    if not matched.settles and (tidy := [column for column in matched.as_they_are if not tally[untidy(column)]]):
        rows = matched.rows(tidy=tidy)
    kept = rows.filter(~_any_drop(rows, rules))
    checked, facts = _FINISH.get(name, _finish)(matched, kept, tally)
    facts = {"rows": steps[-1].kept, "customers": tally.get("customers"), **facts}
    notes = tuple(_notes(matched, rules, tally, facts))
    give_back(checked.get_backend())
    return CheckedTable(name, checked, steps, notes, facts)


# The rules


def _rules(matched: Matched) -> list[_Rule]:
    """Every rule of a table; what is dropped comes first, so that no problem is counted on rows nobody uses."""
    rules = [rule for name in matched.places for rule in _column_rules(matched, name)]
    rules += _ROW_RULES.get(matched.contract.name, lambda _: [])(matched)
    if matched.contract.unique and not matched.one_row_is_one_customer:
        rules.append(_unique_rule(matched.contract.unique))
    rules = sorted(rules, key=lambda rule: rule.then != "drop")
    first = sum(rule.then == "drop" for rule in rules)
    return rules[:first] + [_outside(segment.says) for segment in matched.reading.segments] + rules[first:]


def _outside(says: str) -> _Rule:
    """What another segment's rows are left out by."""
    return _Rule("", lambda t: ~t[says], says, then="drop")


def _column_rules(matched: Matched, name: str) -> list[_Rule]:
    """A value is there where it must be, can be read as its kind, and lies in a range that makes sense."""
    column, text = matched.column(name), text_of(name)
    if name == "customer_id" and matched.one_row_is_one_customer:
        return []
    rules = []
    if column.required or any(name in group for group in matched.contract.alternatives if name != "ended_at"):
        drop = (matched.contract.name, name) == ("orders", "customer_id")
        advice = "Fill it in, or leave these rows out of the table."
        says = f"{name} is missing"
        rules.append(_Rule(name, lambda t: t[text].isnull(), says, advice, then="drop" if drop else "refuse"))
    if column.kind in _UNREADABLE:
        what, advice = _UNREADABLE[column.kind]
        if column.kind == "time" and matched.reading.date_format:
            what, advice = f"does not fit date_format {matched.reading.date_format}", "Correct it, or the format."
        if name in matched.items and (words := matched.items[name].words):
            known = "; ".join(f"{code}: {', '.join(same)}" for code, same in words.items())
            advice = f"Write the number, or what it says: {known}."
            what = "is neither a number nor a wording that is known"
        rules.append(_Rule(name, lambda t: t[text].notnull() & t[name].isnull(), f"{name} {what}", advice, shows=True))
    return rules + _range_rules(matched, name)


_UNREADABLE = {
    "time": (
        "is not an ISO date such as 2024-01-31 or 2024-01-31 18:30",
        'Say how dates are written, for example date_format = "%d/%m/%Y"; they are never guessed.',
    ),
    "money": (
        "is not a plain number",
        'Write amounts as 1234.50, without a currency; or say which marks they have: decimal = ",", thousands = ".".',
    ),
    "number": ("is not a plain number", 'Write numbers as 1234.5, or say which marks they have: decimal = ",".'),
    "integer": ("is not a plain number", "Write whole numbers without separators: 1234."),
    "flag": ("is neither yes nor no", "Write Yes or No, true or false, 1 or 0."),
}


def _range_rules(matched: Matched, name: str) -> list[_Rule]:
    kind, item = matched.column(name).kind, matched.items.get(name)
    if kind == "money":
        return [_Rule(name, lambda t: t[name].abs() > _LARGEST, f"{name} is too large", "Correct it.", shows=True)]
    if kind == "integer":
        return [_Rule(name, lambda t: t[name] != t[name].floor(), f"{name} is not whole", "Correct it.", shows=True)]
    if kind == "time":
        says = f"{name} lies outside the years {_YEARS[0]} to {_YEARS[1]}"
        advice = "Correct it; dates of another calendar have to be converted first."
        return [_Rule(name, lambda t: ~t[name].year().between(*_YEARS), says, advice, shows=True)]
    if item and item.scale:
        low, high = item.scale
        advice = "Correct the scale, or list codes that mean no answer under missing."
        says = f"{name} lies outside {low:g} to {high:g}"
        return [_Rule(name, lambda t: ~t[name].between(low, high), says, advice, shows=True)]
    return []


def _order_rules(matched: Matched) -> list[_Rule]:
    if matched.reading.observed_until:
        return [_later("ordered_at", matched.reading.observed_until, then="drop")]
    today, says = date.today(), "ordered_at lies in the future"
    advice = "Correct it, or set observed_until to the last day seen."
    return [_Rule("ordered_at", lambda t: t.ordered_at.date() > today, says, advice, shows=True)]


def _later(name: str, until: date, advice: str = "", **then: Any) -> _Rule:
    """What lies after the last day seen."""
    return _Rule(name, lambda t: t[name].date() > until, f"{name} lies after {until}", advice, **then)


def _subscription_rules(matched: Matched) -> list[_Rule]:
    by_tenure, one_each = "tenure" in matched.places, matched.one_row_is_one_customer
    rules = _tenure_rules() if by_tenure else _dated_rules(matched.reading.observed_until)
    if not one_each and by_tenure:
        rules.append(_unique_rule(("customer_id",), "A customer with several spells needs started_at and ended_at."))
    if not one_each and not by_tenure:
        advice = "A customer has one spell at a time: take the double away, merge them, or end the earlier one first."
        says = "a spell begins before the same customer's earlier one ended"
        rules.append(_Rule("started_at", _overlaps, says, advice, clashes_with=_earlier_row))
    return [rule for rule in rules if rule.column in matched.places]


def _over(begin: Callable[[Any], Any], end: str) -> _Rule:
    """A spell of which nobody saw anything."""
    over = "it was over before watching began"
    return _Rule(
        "observed_from", lambda t: (t.observed_from > begin(t)) & (t.observed_from >= t[end]), over, then="drop"
    )


def _tenure_rules() -> list[_Rule]:
    return [
        _Rule("tenure", lambda t: t.tenure < 0, "tenure is negative", "Correct it; 0 is allowed.", shows=True),
        _Rule("observed_from", lambda t: t.observed_from < 0, "observed_from is negative", "Correct it.", shows=True),
        _over(lambda t: 0, "tenure"),
    ]


def _dated_rules(until: Any) -> list[_Rule]:
    turned = "the end lies before the start"
    return [
        _later("started_at", until, then="drop"),
        _over(lambda t: t.started_at, "ended_at"),
        _Rule("ended_at", lambda t: t.ended_at < t.started_at, turned, "Correct it.", shows=True),
        _later("ended_at", until, "still a customer on that day", then="note"),
    ]


def _by_start(t: Any) -> Any:
    import ibis

    # Sorted by start, any overlap shows between neighbours.
    return ibis.window(group_by=t.customer_id, order_by=[t.started_at, t.ended_at])


def _overlaps(t: Any) -> Any:
    start, end = t.started_at.lag().over(_by_start(t)), t.ended_at.lag().over(_by_start(t))
    same = (start == t.started_at) & end.identical_to(t.ended_at)
    return start.notnull() & (same | end.isnull() | (t.started_at < end))


def _earlier_row(t: Any) -> Any:
    return t[ROW_NUMBER].lag().over(_by_start(t))


def _unique_rule(keys: tuple[str, ...], advice: str = "") -> _Rule:
    what = " and ".join(keys)

    def again(t: Any) -> Any:
        import ibis

        # Which of two equal rows is the second matters only where rows are numbered, to name the first case.
        order = t[ROW_NUMBER] if ROW_NUMBER in t.columns else None
        return ibis.row_number().over(ibis.window(group_by=[t[key] for key in keys], order_by=order)) > 0

    says = f"the {what} of an earlier row comes again"
    return _Rule(keys[0], again, says, advice or f"Give one row for each {what}.")


_ROW_RULES: dict[str, Callable[[Matched], list[_Rule]]]
_ROW_RULES = {"orders": _order_rules, "subscriptions": _subscription_rules}


# Counting, and saying what is wrong


def _any_drop(rows: Any, rules: list[_Rule]) -> Any:
    """Whether any rule drops the row."""
    import ibis

    hits = (rule.hits(rows) for rule in rules if rule.then == "drop")
    return reduce(lambda one, other: one | other, hits, ibis.literal(False))


def _tally(matched: Matched, rows: Any, rules: list[_Rule]) -> dict[str, Any]:
    """Count the rows each rule hits (a row counts for the first rule that drops it), in one query."""
    import ibis

    # By number, since some engines cut long names off.
    marked = rows.mutate(**{f"rule {number}": rule.hits(rows) for number, rule in enumerate(rules)})
    kept: Any = ibis.literal(True)
    seen = kept  # a segment is observed as long as all are, else one that died would end with its last order
    wanted: dict[str, Any] = {"rows": marked.count()}
    for number, rule in enumerate(rules):
        hit = marked[f"rule {number}"]
        wanted[rule.key] = (kept & hit).sum()
        if rule.then == "drop":
            kept = kept & ~hit
            seen = kept if rule.column else seen
    if "customer_id" in matched.places:
        wanted["customers"] = marked.customer_id.nunique(where=kept)
    if matched.contract.name == "orders":
        days = marked.ordered_at.date()
        wanted |= {"first": days.min(where=seen), "last": days.max(where=seen), **kinds_of_lines(marked, kept)}
    for name in _may_be_empty(matched):
        wanted[_empty(name)] = (kept & marked[name].isnull()).sum()
    wanted |= {untidy(name): marked[untidy(name)].sum() for name in matched.as_they_are}
    for name in matched.own:
        if marked[name].type().is_string():
            wanted[_words(name)] = (kept & ~marked[name].re_search(_QUANTITY)).sum()
    return _fetch(marked.aggregate(**wanted), matched)


def kinds_of_lines(orders: Any, where: Any) -> dict[str, Any]:
    """Of order lines: how many are sold (money came in, and is not marked returned) and how many are returns."""
    sold = orders.amount > 0
    sold = sold & ~orders.returned.fill_null(False) if "returned" in orders.columns else sold
    return {"sold": sold.sum(where=where), "returns": (orders.amount < 0).sum(where=where)}


def _empty(name: str) -> str:
    return f"{name} is empty"


def _words(name: str) -> str:
    return f"{name} is no number"


def _may_be_empty(matched: Matched) -> list[str]:
    """Columns whose gaps a reader should know."""
    contract = matched.contract
    optional = [c.name for c in contract.columns if not c.required and c.kind in ("money", "number", "integer", "text")]
    return [name for name in matched.places if name in optional or name in matched.own]


def _fetch(question: Any, matched: Matched) -> dict[str, Any]:
    """The one row that answers an aggregate."""
    try:
        return question.to_pyarrow().to_pylist()[0]
    except Exception as error:  # each engine has its own errors, and their text may quote whole rows
        raise TableError(f"{matched.contract.name} ({matched.source.shown}) {_unreadable(error)}") from error


def _unreadable(error: Exception) -> str:
    """What an engine's error says about the file, without the rows it quotes."""
    text = str(error)
    line = re.search(r"(?:Error on Line: |Row #)(\d+)", text)
    fields = re.search(r"Expected (?:Number of Columns: )?(\d+)(?: columns, got| Found:) (\d+)", text)
    if line and fields:
        return f"has {fields[2]} fields where {fields[1]} are expected, in line {line[1]}. Correct the line."
    if "unicode" in text and line:
        return f"is in UTF-8 up to line {line[1]}, which is not. It was put together of two encodings: save it in one."
    if "codec can't decode" in text:
        return "is not written in one encoding, or not in that of the settings. Save it as UTF-8."
    return f"could not be read ({type(error).__name__}{f', near line {line[1]}' if line else ''})."


def _problems(matched: Matched, rules: list[_Rule], tally: dict[str, Any]) -> list[str]:
    """Every broken rule with its count and its first case, which a second query finds."""
    broken = [rule for rule in rules if rule.then == "refuse" and tally[rule.key]]
    rows = matched.rows(numbered=True)
    marked = rows.mutate(
        **{f"rule {n}": rule.hits(rows) & ~_any_drop(rows, rules) for n, rule in enumerate(broken)},
        **{f"other {n}": rule.clashes_with(rows) for n, rule in enumerate(broken) if rule.clashes_with},
    )
    wanted: dict[str, Any] = {}
    for n, rule in enumerate(broken):
        hit = marked[f"rule {n}"]
        wanted[f"row {rule.key}"] = marked[ROW_NUMBER].min(where=hit)
        if rule.clashes_with:
            wanted[f"other {rule.key}"] = marked[f"other {n}"].argmin(marked[ROW_NUMBER], where=hit)
        if rule.shows and not _is_key(matched, rule.column):
            text = marked[text_of(rule.column)]
            wanted[f"value {rule.key}"] = text.argmin(marked[ROW_NUMBER], where=hit)
    first = _fetch(marked.aggregate(**wanted), matched)
    return [_problem(matched, rule, tally, first) for rule in broken]


def _is_key(matched: Matched, name: str) -> bool:
    """Whether the column also says who the customer is; its values are never shown, for pages are published."""
    keys = [key for key in matched.places if key in matched.contract.names and matched.contract[key].kind == "key"]
    return matched.theirs(name) in [matched.theirs(key) for key in keys]


def _problem(matched: Matched, rule: _Rule, tally: dict[str, Any], first: dict[str, Any]) -> str:
    theirs = matched.theirs(rule.column)
    named = "" if theirs == rule.column else f' ({rule.column} is their column "{theirs}")'
    value = first.get(f"value {rule.key}")
    quoted = "" if value is None else f', "{value[:_SHOWN]}{"…" if len(value) > _SHOWN else ""}"'
    rows = sorted(int(first[at]) for at in (f"row {rule.key}", f"other {rule.key}") if at in first)
    case = f"{'row' if len(rows) == 1 else 'rows'} {' and '.join(map(words.count, rows))}{quoted}"
    share = f"{words.count(tally[rule.key])} of {words.plural(tally['rows'], 'row')}"
    return f"In {share} {rule.says}{named}. First: {case}. {rule.advice}"


def _steps(rules: list[_Rule], tally: dict[str, Any]) -> tuple[Step, ...]:
    kept = tally["rows"]
    steps = [Step("rows read", kept, 0)]
    for rule in rules:
        if rule.then == "drop":
            kept -= tally[rule.key]
            steps.append(Step(f"rows where {rule.says}", kept, tally[rule.key]))
    return tuple(steps)


def _dropped(steps: tuple[Step, ...]) -> str:
    return "; ".join(f"{step.rule} ({words.count(step.dropped)})" for step in steps if step.dropped) + "."


def _notes(matched: Matched, rules: list[_Rule], tally: dict[str, Any], facts: dict[str, Any]) -> Iterator[str]:
    """What a reader should know about a table that may be used."""
    for rule in rules:
        if rule.then == "note" and tally[rule.key]:
            yield f"In {words.plural(tally[rule.key], 'row')} {rule.says}: {rule.advice}."
    if matched.items:
        empty, asked = sum(tally[_empty(name)] for name in matched.items), facts["rows"] * len(matched.items)
        yield f"{words.count(empty)} of {words.count(asked)} answers are missing."
    for name in _may_be_empty(matched):
        if name not in matched.items and tally[_empty(name)]:
            yield f"In {words.plural(tally[_empty(name)], 'row')} {name} is empty; kept."
    if matched.contract.name == "orders" and not matched.reading.observed_until:
        yield f"observed_until is not given: the last order, {facts['observed_until']}, is taken as the last day seen."
    if facts.get("cohort") is False:
        yield "Tenure is given without observed_from: a cross-section of customers, not a cohort followed in time."
    if facts["customers"] == 1:
        yield "All rows belong to one customer."
    repeated = _repeated_rows(matched, tally["rows"])
    if repeated:
        yield f"In {words.plural(repeated, 'row')} an earlier row comes again in every column; kept."


def _repeated_rows(matched: Matched, everything: int) -> int:
    """Rows that equal an earlier one in every column of the source; without a customer id that means nothing."""
    if matched.one_row_is_one_customer or "customer_id" not in matched.places:
        return 0
    return everything - _fetch(matched.source.rows.distinct().aggregate(n=lambda t: t.count()), matched)["n"]


# The checked rows


def _finish(matched: Matched, kept: Any, tally: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Rows under contract names; a column of the user's becomes numbers where it holds nothing else."""
    numbers = {name: kept[name].cast("float64") for name in matched.own if tally.get(_words(name)) == 0}
    columns = [name for name in (*matched.contract.names, *matched.own, STORED_ID) if name in kept.columns]
    facts: dict[str, Any] = {"covariates": matched.reading.covariates, "observed_until": matched.reading.observed_until}
    if matched.items:
        facts |= {"items": tuple(matched.items), "scales": {i.name: i.scale for i in matched.items.values()}}
    return kept.select(**{name: numbers.get(name, kept[name]) for name in columns}), facts


def _finish_orders(matched: Matched, kept: Any, tally: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    rows, facts = _finish(matched, kept, tally)
    if "returned" in rows.columns:
        rows = rows.mutate(returned=rows.returned.fill_null(False))
    first, last = tally["first"], tally["last"]
    kinds = {name: int(tally[name] or 0) for name in ("sold", "returns")}
    return rows, {"first": first, "last": last, "observed_until": facts["observed_until"] or last, **kinds}


def _finish_subscriptions(matched: Matched, kept: Any, tally: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    rows, facts = _finish(matched, kept, tally)
    by_tenure = "tenure" in matched.places
    spell = _tenure_spell(rows) if by_tenure else _dated_spell(rows, matched.reading.observed_until)
    described = [name for name in rows.columns if name in ("plan", "price", "end_reason") or name in matched.own]
    unit, cohort = (matched.reading.tenure_unit, "observed_from" in rows.columns) if by_tenure else ("day", True)
    begun = {} if by_tenure else {"started_at": rows.started_at.date()}
    facts |= {"unit": unit, "cohort": cohort, "late": "observed_from" in rows.columns}
    return rows.select("customer_id", **begun, **spell, **{n: rows[n] for n in described}), facts


def _tenure_spell(rows: Any) -> dict[str, Any]:
    """Age at the end, whether it was a leaving, and age when watching began, all in the tenure's unit."""
    import ibis

    entered = rows.observed_from.fill_null(0.0) if "observed_from" in rows.columns else ibis.literal(0.0)
    return {"time": rows.tenure, "left": rows.churned, "entered": entered}


def _dated_spell(rows: Any, until: Any) -> dict[str, Any]:
    """The same in whole days, for spells given by their dates."""
    import ibis

    start, last = rows.started_at.date(), ibis.literal(until)
    left = (rows.ended_at.date() <= last).fill_null(False)
    entered: Any = ibis.literal(0.0)
    if "observed_from" in rows.columns:
        entered = ibis.greatest(_days(start, rows.observed_from.date()), 0.0).fill_null(0.0)
    return {"time": _days(start, left.ifelse(rows.ended_at.date(), last)), "left": left, "entered": entered}


def _days(start: Any, end: Any) -> Any:
    return end.delta(start, unit="day").cast("float64")


_FINISH: dict[str, Callable[..., tuple[Any, dict[str, Any]]]]
_FINISH = {"orders": _finish_orders, "subscriptions": _finish_subscriptions}
