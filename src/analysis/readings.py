"""Reads a user's table under contract names: which of their columns is which, and each one as its kind.

What cannot be read becomes empty, and keeps its text beside it, so that `checks` can count it and show the first case.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from analysis import engines
from analysis.sources import Source
from analysis.tables import Column, SettingsError, Table, TableError, nearest

if TYPE_CHECKING:
    import ibis

ROW = "row"  # as the place of customer_id: one row is one customer
ROW_NUMBER = "row?"
STORED_ID = "stored id?"
_SHOWN_COLUMNS = 40

_WHOLE = 2**53  # up to which a float64 knows every whole number
# Not every engine can be told to pass over an exponent that is too large.
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE]([+-]?\d{1,2}|\+?([12]\d\d|30[0-7])|-([12]\d\d|3[01]\d|32[0-4])))?$"
# Persian and Arabic digits, with their decimal mark and a typographer's minus, and what they are here.
_FOREIGN, _OURS = "۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩٫−", "01234567890123456789.-"
_MARKS = {" ": " \u00a0\u202f", "'": "'’"}  # other characters that print as the same thousands mark
_YES = ("yes", "y", "true", "t", "1", "1.0")
_NO = ("no", "n", "false", "f", "0", "0.0")

# A feature asked about with it and without it (Kano): how the names of the two constructs end, and what the answers
# are worth in the wordings in use, whatever their case, with or without "that way" or a full stop at the end.
FUNCTIONAL, DYSFUNCTIONAL = "_functional", "_dysfunctional"
KANO_SCALE = (1.0, 5.0)
KANO_WORDS: Mapping[int, tuple[str, ...]] = {
    1: ("like", "like it", "i like it", "i enjoy it", "i would like it", "i like it very much"),
    2: ("expect", "expect it", "i expect it", "must be", "it must be", "i would expect it"),
    3: ("neutral", "i am neutral", "i'm neutral", "i feel neutral", "i do not care", "i don't care"),
    4: ("tolerate", "tolerate it", "i can tolerate it", "live with it", "i can live with it", "i can accept it"),
    5: ("dislike", "dislike it", "i dislike it", "i do not like it", "i don't like it", "i would dislike it"),
}


@dataclass(frozen=True)
class FlagRule:
    """A yes/no column read from another one: yes where the text begins with, or equals, something."""

    column: str
    starts_with: str | None = None
    equals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """A survey question: its column, the ends of its scale, codes that mean no answer, and wordings of answers."""

    name: str
    scale: tuple[float, float] | None = None
    missing: tuple[float | str, ...] = ()
    words: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Segment:
    """Rows that a study is about, where it is about a part of its customers only.

    Attributes:
        says: what is so of the rows that are left out, a clause.
        column: of the user's, which holds `value` as text in the rows that are kept; or else
        members: one row a customer of the segment (member, as text), looked up by the contract's column `key`.
    """

    says: str
    column: str = ""
    value: str = ""
    members: ibis.Table | None = None
    key: str = "customer_id"


@dataclass(frozen=True)
class Reading:
    """How a user's table is to be read: which of their columns is which, and what the file cannot say itself.

    Without `columns`, every column that already has a contract name is taken.
    """

    columns: Mapping[str, str | FlagRule] = field(default_factory=dict)
    date_format: str | None = None
    observed_until: date | None = None
    tenure_unit: str | None = None
    covariates: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    decimal: str = "."
    thousands: str = ""
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class Matched:
    """A source whose columns are matched to a contract; `places` maps our name to their column."""

    contract: Table
    source: Source
    reading: Reading
    places: Mapping[str, str | FlagRule]

    @property
    def items(self) -> dict[str, Item]:
        """The survey questions by name."""
        return {item.name: item for item in self.reading.items}

    @property
    def own(self) -> list[str]:
        """The columns the user brings beside the contract: covariates, or the answers of a survey."""
        return [name for name in self.places if name not in self.contract.names]

    @property
    def one_row_is_one_customer(self) -> bool:
        """Whether there is no customer id because nobody has two rows."""
        return self.places.get("customer_id") == ROW

    def theirs(self, name: str) -> str:
        """The user's name of a column."""
        place = self.places[name]
        return place.column if isinstance(place, FlagRule) else place

    def column(self, name: str) -> Column:
        """What the contract says about a column; a user's own is a number in a survey, else text or number."""
        if name in self.items:
            return Column(name, "number", False, "an answer")
        if name not in self.contract.names:
            return Column(name, "text", False, "a covariate")
        if name == "observed_from" and "tenure" in self.places:
            return replace(self.contract[name], kind="number")
        return self.contract[name]

    def rows(self, *, numbered: bool = False, tidy: Collection[str] = ()) -> ibis.Table:
        """Each column as its kind and, under its name with "?", as it was given; empty where it cannot be read.

        Where customers of orders are whole numbers, these stay beside the text that all tables have in common. Columns
        of text also say whether each value has blanks around it or is nothing else, and floats whether each is no
        number; those that are known to be `tidy` are taken as they are, because to take blanks away is by far the
        dearest part of reading.

        `numbered` adds the number of the row, from 1, in the order of the source, and gives numbers and times as text,
        to be shown.
        """
        import ibis

        number, plain = ibis.row_number() + 1, self.as_they_are
        columns: dict[str, Any] = {ROW_NUMBER: number} if numbered else {}
        for name in self.places:
            if name == "customer_id" and self.one_row_is_one_customer:
                columns[name] = number.cast("string")
                continue
            raw = self.source.rows[self.theirs(name)]
            if labels := self._labels(name):
                raw = ibis.cases(*((raw == code, label) for code, label in labels.items()))
            if name in tidy:
                columns |= {text_of(name): raw, name: raw}
                continue
            key = self.column(name).kind == "key" and not raw.type().is_integer()
            written = numbered or raw.type().is_string() or key
            columns[text_of(name)] = as_text(raw) if written else _given(raw)
            columns[name] = self._value(name, raw)
            if name in self.items and self.items[name].missing:
                unanswered = _is_code(raw, self.items[name].missing, self.reading)
                columns |= {of: unanswered.ifelse(None, columns[of]) for of in (text_of(name), name)}
            if name in plain:
                is_float = raw.type().is_floating()
                odd = raw.isnan() | raw.isinf() if is_float else (raw != as_text(raw)).fill_null(True)
                columns[untidy(name)] = raw.notnull() & odd
            if name == "customer_id" and self.contract.name == "orders" and raw.type().is_integer():
                columns[STORED_ID] = raw  # millions of lines are grouped by a number in two thirds of the time
        for segment in self.reading.segments:
            if segment.column:
                inside = as_text(self.source.rows[segment.column]) == segment.value
                columns[segment.says] = inside.fill_null(False)
        rows = self.source.rows.select(**columns)
        for segment in self.reading.segments:
            if segment.members is not None:  # numbered before, since a join keeps no order
                both = rows.left_join(segment.members, rows[text_of(segment.key)] == segment.members.member)
                rows = both.mutate(**{segment.says: both.member.notnull()}).drop("member")
        if self.contract.name == "orders" and "amount" not in self.places:
            rows = rows.mutate(amount=rows.unit_price * rows.quantity)
        return engines.settle(rows) if self.settles else rows

    @property
    def settles(self) -> bool:
        """Whether times or numbers are written as text, which is dear to read, or rows have only their place."""
        texts = {name for name, kind in self.source.rows.schema().items() if kind.is_string()}
        parsed = {self.theirs(name) for name in self.places if self.column(name).kind not in ("text", "key")}
        return self.one_row_is_one_customer or not parsed.isdisjoint(texts)

    @property
    def as_they_are(self) -> list[str]:
        """Columns of the contract that are text, or floats, in the source too: they can be used as they are if tidy."""
        kinds = {name: self.source.rows[self.theirs(name)].type() for name in self.places if self.places[name] != ROW}
        named = [name for name in kinds if name in self.contract.names and name not in self.items]
        words = [name for name in named if self.column(name).kind in ("text", "key") and not self._labels(name)]
        numbers = [name for name in named if self.column(name).kind in ("money", "number", "integer")]
        return [*(n for n in words if kinds[n].is_string()), *(n for n in numbers if kinds[n].is_float64())]

    def _labels(self, name: str) -> Mapping[float, str]:
        """What the codes of a column stand for, where the words count and not the codes: in text and in rules."""
        worded = isinstance(self.places[name], FlagRule) or self.column(name).kind == "text"
        return self.source.labels.get(self.theirs(name), {}) if worded else {}

    def _value(self, name: str, raw: Any) -> Any:
        place, kind = self.places[name], self.column(name).kind
        if isinstance(place, FlagRule):
            return _as_ruled_flag(raw, place)
        if name in self.items and self.items[name].words:
            return _as_worded(raw, self.items[name].words, self.reading)
        if kind == "time":
            return _as_time(raw, self.reading.date_format)
        if kind == "flag":
            return _as_flag(raw)
        if kind in ("number", "money", "integer") or (name in self.own and raw.type().is_numeric()):
            return _as_number(raw, self.reading)
        return as_text(raw) if name not in self.own else _plain(as_text(raw), self.reading).coalesce(as_text(raw))

    def refusal(self, problems: list[str]) -> TableError:
        """One error for all problems of the table."""
        return TableError("\n  ".join([f"{self.contract.name} ({self.source.shown}) cannot be used:", *problems]))


def text_of(name: str) -> str:
    """The column that holds a column as it was written."""
    return f"{name}?"


def untidy(name: str) -> str:
    """The column that tells where a text or a float cannot be used as it was given."""
    return f"{name} untidy?"


def match(contract: Table, source: Source, reading: Reading) -> Matched:
    """Find the user's column for every contract column.

    Raises:
        TableError: a column is not there, or none is given for one that is required.
        SettingsError: the settings lack what these columns need (tenure_unit, observed_until).
    """
    known = source.rows.columns
    named = dict(reading.columns) or {name: name for name in contract.names if name in known}
    own = [*reading.covariates, *(item.name for item in reading.items)]
    matched = Matched(contract, source, reading, named | {name: name for name in own if name not in named})
    problems = [*_missing_columns(matched), *_missing_contract_columns(matched)]
    if problems:
        shown = ", ".join(map(str, known[:_SHOWN_COLUMNS])) + (" …" if len(known) > _SHOWN_COLUMNS else "")
        raise matched.refusal([*problems, f"Its columns are: {shown}."])
    if "tenure" in matched.places and not reading.tenure_unit:
        raise SettingsError(
            f'{contract.name} ({source.shown}) gives tenure: add tenure_unit = "month" (or day, week, year).'
        )
    if contract.name == "subscriptions" and "ended_at" in matched.places and not reading.observed_until:
        raise SettingsError(f"{contract.name} ({source.shown}) gives ended_at: add observed_until, the last day seen.")
    return matched


def _missing_columns(matched: Matched) -> list[str]:
    """Columns that the settings name and the source does not have."""
    known = matched.source.rows.columns
    wanted = {name: matched.theirs(name) for name in matched.places}
    if matched.one_row_is_one_customer:
        del wanted["customer_id"]
    return [
        f'{name}: there is no column "{theirs}". The nearest name is "{nearest(theirs, known)}".'
        for name, theirs in wanted.items()
        if theirs not in known
    ]


def _missing_contract_columns(matched: Matched) -> list[str]:
    """Columns that the contract requires and the settings do not name."""
    contract, places = matched.contract, matched.places
    problems = [
        f'{column.name}: no column is given for it ({column.meaning}). Add columns = {{ {column.name} = "…" }}.'
        for column in contract.columns
        if column.required and column.name not in places
    ]
    choices = " or ".join(" with ".join(group) for group in contract.alternatives)
    begun = [group[0] for group in contract.alternatives if group[0] in places]
    if len(begun) > 1:
        problems.append(f"{' and '.join(begun)} are both given. Give either {choices}, so that one of them counts.")
    elif contract.alternatives and not any(set(group) <= set(places) for group in contract.alternatives):
        problems.append(f"no column is given for {choices}. One of these is required.")
    return problems


# A column as its kind


def _given(raw: Any) -> Any:
    """The value, empty where it is no number."""
    return raw.isnan().ifelse(None, raw) if raw.type().is_floating() else raw


def as_text(raw: Any) -> Any:
    """The value as text, empty when there is nothing in it; whole numbers kept as decimals (17850.0) lose the point."""
    if raw.type().is_integer():
        return raw.cast("string")
    if raw.type().is_floating():
        whole = (raw.abs() < _WHOLE) & (raw == raw.floor())
        raw = raw.isnan().ifelse(None, whole.ifelse(raw.cast("int64").cast("string"), raw.cast("string")))
    text = raw.cast("string").strip()
    return (text.re_replace(r"\.0+$", "") if raw.type().is_decimal() else text).nullif("")


def _our_digits(text: Any) -> Any:
    return text.re_search("[۰-۹٠-٩−]").ifelse(text.translate(_FOREIGN, _OURS).replace("٬", ""), text)


def _plain(text: Any, reading: Reading) -> Any:
    """The numbers of a text in our digits, with a point and without marks; empty where there is none."""
    text, mark = _our_digits(text), _MARKS.get(reading.thousands, reading.thousands)
    if not mark and reading.decimal == ".":
        return text.re_search(_NUMBER).ifelse(text, None)
    whole = rf"(\d{{1,3}}([{mark}]\d{{2,3}})*[{mark}]\d{{3}}|\d+)" if mark else r"\d+"
    text_is_one = text.re_search(rf"^[+-]?({whole}([{reading.decimal}]\d*)?|[{reading.decimal}]\d+)$")
    without = text.re_replace(f"[{mark}]", "") if mark else text
    return text_is_one.ifelse(without.replace(reading.decimal, "."), None)


def _is_code(raw: Any, codes: tuple[float | str, ...], reading: Reading) -> Any:
    """Whether it is a code that means no answer."""
    numbers = [float(code) for code in codes if not isinstance(code, str)]
    texts = [code for code in codes if isinstance(code, str)]
    return _as_number(raw, reading).isin(numbers) | as_text(raw).isin(texts)


def _as_number(raw: Any, reading: Reading) -> Any:
    if raw.type().is_numeric():
        value = raw.cast("float64")
        return (value.isnan() | value.isinf()).ifelse(None, value)
    text = as_text(raw)
    if reading.decimal != "." or reading.thousands:
        return _plain(text, reading).try_cast("float64")
    # The rest is looked at only where the first does not hold.
    return text.re_search(_NUMBER).ifelse(text, _plain(text, reading)).try_cast("float64")


def _as_worded(raw: Any, words: Mapping[int, tuple[str, ...]], reading: Reading) -> Any:
    """A number, or the one that a wording stands for."""
    import ibis

    text = as_text(raw).lower().replace("’", "'").re_replace(r"( that way)?[.! ]*$", "")
    return ibis.cases(*((text.isin(same), float(code)) for code, same in words.items()), else_=_as_number(raw, reading))


def _as_time(raw: Any, date_format: str | None) -> Any:
    """A time in the study's zone: ISO or the stated format, never a guess."""
    if raw.type().is_timestamp() or raw.type().is_date():
        return raw.cast("timestamp")  # the engine's zone is the study's
    return engines.time(_our_digits(as_text(raw)), date_format)


def _as_flag(raw: Any) -> Any:
    import ibis

    if raw.type().is_boolean():
        return raw
    text = _our_digits(as_text(raw)).lower()
    return ibis.cases((text.isin(_YES), True), (text.isin(_NO), False))


def _as_ruled_flag(raw: Any, rule: FlagRule) -> Any:
    text = as_text(raw).fill_null("")
    return text.isin(rule.equals) if rule.starts_with is None else text.startswith(rule.starts_with)
