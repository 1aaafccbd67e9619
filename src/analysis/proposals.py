"""Looks at a user's files and proposes a study: which table each is, which column is which, and what it could not tell.

A proposal is a text for studies.toml with its reasons as comments: it is meant to be read and mended. Dates that can
be read in two ways and the unit of a tenure are never guessed; they are asked for.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.readings import ROW
from analysis.sources import connect, is_url, open_source
from analysis.studies import load
from analysis.tables import TABLES, Column, SettingsError, Table, nearest
from analysis.words import count, listing, spoken

LOOKED_AT = 20_000  # rows of a file: enough for a proposal, which the check then tries on all of them
LIKE = 0.95  # share of values that must read as a kind
FEW = 12  # distinct values of a column that can tell groups of customers apart
DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d", "%d/%m/%y", "%m/%d/%y")
FORMATS = [day + clock for day in DAYS for clock in ("", " %H:%M", " %H:%M:%S")]
SCALES = ((1.0, 5.0), (1.0, 7.0), (1.0, 10.0), (0.0, 10.0))
NO_ANSWER = (-99.0, -9.0, -1.0, 98.0, 99.0, 998.0, 999.0)

# Names under which the columns of the contracts are met, without spaces and signs; the likeliest first.
ALSO_CALLED = {
    "customer_id": "customer customerno customernumber custid client clientid userid user memberid account id "
    "kundennummer kundennr kundenid kunde",
    "ordered_at": "orderdate invoicedate date purchasedate transactiondate orderedon orderts timestamp time day "
    "bestelldatum rechnungsdatum kaufdatum datum",
    "amount": "total ordertotal revenue sales value dollarvalue totalprice netamount gross turnover spend price "
    "gesamtbetrag betrag umsatz",
    "unit_price": "unitprice price priceperunit itemprice einzelpreis preis",
    "quantity": "qty units pieces count numberofitems menge anzahl",
    "order_id": "orderno ordernumber invoice invoiceno invoiceid transactionid basketid "
    "bestellnummer bestellnr rechnungsnummer rechnungsnr",
    "category": "productcategory department", "product_id": "product sku stockcode itemid article",
    "channel": "saleschannel source medium acquisitionchannel", "discount": "rebate discountamount",
    "returned": "return isreturn cancelled refunded", "promotion_id": "promotion campaign coupon",
    "started_at": "start startdate begin signupdate contractstart subscribedat joindate from",
    "ended_at": "end enddate cancelledat cancellationdate contractend churndate leftat to",
    "tenure": "tenuremonths tenureyears tenuredays months monthsactive lifetime duration",
    "churned": "churn left ischurned exited attrition churnvalue churnlabel cancelled status",
    "observed_from": "entered entry seenfrom", "plan": "contract subscription package product tariff",
    "price": "monthlycharges fee charge monthlyfee", "end_reason": "reason churnreason cancellationreason",
    "acquired_at": "acquireddate firstseen registered registeredat signup joined",
    "acquisition_cost": "cac", "referred_by": "referrer", "margin": "profit contribution",
    "answered_at": "date answeredon responsedate surveydate submittedat", "wave": "round period year",
    "weight": "weights surveyweight finalweight", "unit": "branch store team location site",
    "joined_at": "joindate enrolled enrolledat memberfrom", "tier": "level", "starts_at": "start startdate",
    "ends_at": "end enddate", "assigned": "treated treatment group", "contacted_at": "date contactdate createdat",
    "kind": "type reason", "severity": "priority", "resolved_at": "closedat solvedat",
    "referrer_id": "referrer", "referred_id": "referred friend", "referred_at": "date", "period": "month date year",
    "arm": "group segment variant treatment", "measured_at": "date time", "staff_id": "staff employee agent",
    "touched_at": "date time", "touchpoint": "channel contact",
}  # fmt: skip
# How questions are called that ask for a construct the tests look for.
CONSTRUCTS = {
    "satisfaction": "sat satis satisf cusa csat satisfaction", "expectation": "exp expect cuex expectation",
    "quality": "qual perq quality", "value": "val perv value", "image": "imag image", "price": "price",
    "loyalty": "loy cusl loyalty", "trust": "trust", "recommend": "nps recommend wom ltr",
    "repurchase": "repurchase repur rebuy intention", "complaint_handling": "cusco complaint", "effort": "effort ces",
    "engagement": "engage engagement", "emotion": "emotion", "bond": "bond", "needs": "needs",
    "switching_cost": "switch switchingcost",
}  # fmt: skip
LEVELS = {
    "perception": "perceived perception found received percept p", "desired": "desired ideal",
    "adequate": "adequate minimum", "predicted": "predicted", "expectation": "expected expectation expect exp e",
}  # fmt: skip
# Numbers about the person or the interview, which look like answers on a scale and are none.
ABOUT_THE_PERSON = re.compile(r"gender|sex|age|income|educ\w*|lang\w*|strat\w+|method|day|month|hour|region|zip\w*")
MEANS = {name: construct for construct, names in CONSTRUCTS.items() for name in names.split()}
LEVEL_OF = {name: level for level, names in LEVELS.items() for name in names.split()}


@dataclass(frozen=True)
class Look:
    """What the first rows of one column are like.

    Attributes:
        name: as the file has it.
        numbers: share of the values that are numbers.
        flags: whether it holds just two values that say yes and no.
        formats: the ways in which all values read as dates; "" is ISO.
        distinct: different values.
        unique: whether no value stands twice.
        answers: the numbers, when they look like answers to a question, without the codes for none; else empty.
        codes: of no answer.
    """

    name: str
    numbers: float
    flags: bool
    formats: tuple[str, ...]
    distinct: int
    unique: bool
    answers: tuple[float, ...] = ()
    codes: tuple[float, ...] = ()

    def fits(self, kind: str) -> bool:
        """Whether the column could be a contract's column of this kind."""
        like = {"time": bool(self.formats), "flag": self.flags}
        return (like | dict.fromkeys(["number", "money", "integer"], self.numbers >= LIKE)).get(kind, True)


@dataclass(frozen=True)
class Told:
    """What the user says of files that cannot say it themselves; empty where nothing was said."""

    date_format: str = ""
    tenure_unit: str = ""
    observed_until: str = ""
    written: Mapping[str, str] = field(default_factory=dict)  # further keys of the table: sheet, encoding, marks


@dataclass
class Proposal:
    """One file as a table of a study.

    Attributes:
        table: the contract's name.
        columns: contract name -> the file's name.
        settings: further keys of the table, with the reason for each.
        study: further keys of the study (scales, constructs), as lines.
        unused: columns of the file that nothing takes.
        rows: looked at.
    """

    table: str
    columns: dict[str, str]
    settings: dict[str, tuple[Any, str]] = field(default_factory=dict)
    study: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    rows: int = 0


# --- Looking at columns -------------------------------------------------------------------------------------------


def look(name: str, values: pd.Series) -> Look:
    """Tell what a column is like from its values (text or typed; empty ones do not count)."""
    held = values.dropna()
    text = held.astype("string").str.strip()
    text = text[text != ""]
    numbers = pd.to_numeric(text, errors="coerce")
    told = {one.casefold() for one in text.unique()[:3]}
    flags = len(told) in (1, 2) and told <= {"yes", "no", "y", "n", "true", "false", "t", "f", "1", "0", "1.0", "0.0"}
    answers, codes = _answers(numbers)
    share = float(numbers.notna().mean()) if len(text) else 0.0
    formats = () if held.empty else ("",) if pd.api.types.is_datetime64_any_dtype(values) else _formats(text)
    return Look(name, share, flags, formats, text.nunique(), text.is_unique and len(text) > 1, answers, codes)


def in_our_marks(values: pd.Series, written: Mapping[str, str]) -> pd.Series:
    """Texts with our digits and, where marks are told, with numbers as we write them; other values as they are."""
    if not pd.api.types.is_string_dtype(values.dropna()):
        return values
    text = values.str.translate(str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩٫", "01234567890123456789."))
    mark, point = re.escape(written.get("thousands", "")), written.get("decimal", ".")
    number = text.str.fullmatch(rf"\s*[+-]?\d[\d{mark}]*([{point}]\d*)?\s*", na=False)
    plain = (text.str.replace(mark, "", regex=True) if mark else text).str.replace(point, ".", regex=False)
    return text.where(~number, plain)


def _formats(text: pd.Series) -> tuple[str, ...]:
    """The ways in which all of these texts read as dates of a plausible year."""
    different = pd.Series(text.unique())
    if different.str.fullmatch(r"\d{4}-\d{2}-\d{2}([T ].*)?").all():
        return ("",)

    def reads(way: str) -> bool:
        if not different.head(50).str.len().between(6, 19).all():
            return False
        days = pd.to_datetime(different, format=way, errors="coerce")
        return bool(days.notna().all() and days.dt.year.between(1950, 2100).all())

    return tuple(way for way in FORMATS if reads(way))


def _answers(numbers: pd.Series) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The different answers of a question with a scale and the codes of no answer; nothing where it is none."""
    if numbers.notna().mean() < LIKE or numbers.empty:
        return (), ()
    values = sorted(numbers.dropna().unique())
    real = [value for value in values if value not in NO_ANSWER]
    if not 3 <= len(real) <= 11 or any(value % 1 for value in real) or real[0] < 0 or real[-1] > 10:
        return (), ()
    return tuple(real), tuple(value for value in values if value in NO_ANSWER)


def plain(name: str) -> str:
    """A column's name without spaces, signs and capitals."""
    return re.sub(r"[^0-9a-z]", "", name.casefold())


# --- Which table, which columns -----------------------------------------------------------------------------------


def matching(table: Table, looks: Sequence[Look]) -> dict[str, str]:
    """Contract column -> column of the file whose name means it and whose values fit; each is used once."""
    free, found = {plain(one.name): one for one in looks}, dict[str, str]()
    for exact in (True, False):  # a column with the contract's own name is not taken for another
        for column in table.columns:
            called = [plain(column.name), *([] if exact else ALSO_CALLED.get(column.name, "").split())]
            if column.name in found or (column.name == "amount" and "unit_price" in found):
                continue
            if theirs := next((name for name in called if name in free and _may_be(free[name], column)), None):
                found[column.name] = free.pop(theirs).name
    return _one_alternative(table, found)


def _may_be(one: Look, column: Column) -> bool:
    """Whether a column could be a contract's: its values are of the kind; an optional text is not always the same."""
    return one.fits(column.kind) and (column.required or column.kind != "text" or one.distinct > 1)


def _one_alternative(table: Table, found: dict[str, str]) -> dict[str, str]:
    """Leaves only one of the groups of columns of which one is to be given: the one that is there whole."""
    whole = [group for group in table.alternatives if set(group) <= set(found)]
    if table.name == "orders" and len(whole) == 2:
        whole = whole[:1]
    out = {name for group in table.alternatives if group not in whole[:1] for name in group}
    return {name: theirs for name, theirs in found.items() if name not in out}


def _complete(table: Table, found: Mapping[str, str]) -> bool:
    needed = {column.name for column in table.columns if column.required and column.name != "customer_id"}
    one = not table.alternatives or any(set(group) <= set(found) for group in table.alternatives)
    return needed <= set(found) and one and bool(needed or table.alternatives)


def _which(looks: Sequence[Look]) -> str:
    """The table that a file most likely is: the one most of whose columns it names; a survey by its answers."""
    found = {name: matching(table, looks) for name, table in TABLES.items()}
    fitting = {name: len(one) + ("customer_id" in one) for name, one in found.items() if _complete(TABLES[name], one)}
    answers = sum(bool(one.answers) for one in looks)
    if answers >= max(3, len(looks) / 3) and not fitting.keys() & {"orders", "subscriptions"}:
        return "surveys"
    if not fitting:
        raise SettingsError(
            f"none of the tables fits its columns ({', '.join(one.name for one in looks[:20])}). Say which it is by "
            "writing TABLE=FILE, for example orders=FILE, or give the columns their names in studies.toml. Amounts "
            'such as 1.234,50 are numbers only with --decimal "," and --thousands ".".'
        )
    return max(fitting, key=lambda name: fitting[name])


# --- A file as a table --------------------------------------------------------------------------------------------


def propose(source: str, *, folder: Path, table: str | None = None, told: Told | None = None) -> Proposal:
    """Propose how a file is to be read.

    Args:
        source: a path or pattern, relative to `folder`.
        folder: where the studies file stands.
        table: the contract's name; found out when not given.
        told: what the file cannot say itself.

    Raises:
        SettingsError: no table fits, or something has to be said that the file does not tell.
        TableError: the file cannot be read.
    """
    told = told or Told()
    how = {key: value for key, value in told.written.items() if key in ("table", "encoding", "separator")}
    rows = open_source(source, folder=folder, engine=connect("UTC"), **how).rows.limit(LOOKED_AT).to_pandas()
    if rows.empty:
        raise SettingsError(f"{source} has no rows yet, so nothing can be proposed.")
    looks = [look(str(name), in_our_marks(rows[name], told.written)) for name in rows.columns]
    try:
        name = table or _which(looks)
        made = Proposal(name, matching(TABLES[name], looks), rows=len(rows))
        made.settings |= {key: (value, "as told") for key, value in told.written.items()}
        by_name = {one.name: one for one in looks}
        _identify(made, by_name)
        _date(made, by_name, told)
        _duration(made, rows, told)
        _own_columns(made, looks)
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from None
    return made


def _identify(made: Proposal, looks: Mapping[str, Look]) -> None:
    """Who a row is about: a column that says so, or each row somebody else."""
    theirs = made.columns.get("customer_id")
    if theirs is None and made.table in ("subscriptions", "surveys", "customers"):
        made.columns = {"customer_id": ROW, **made.columns}
    elif theirs is not None and made.table in ("orders", "costs") and looks[theirs].unique and made.rows > FEW:
        made.settings["#"] = (theirs, "is different in every row: is it the customer, or the order?")
    if any(column.required and column.name not in made.columns for column in TABLES[made.table].columns):
        raise SettingsError(
            f'no column looks like the customer. Rename it "customer_id", or write {made.table} by hand.'
        )


def _date(made: Proposal, looks: Mapping[str, Look], told: Told) -> None:
    """The format of the table's dates, if one reads them all."""
    dated = [c.name for c in TABLES[made.table].columns if c.kind == "time" and c.name in made.columns]
    ways = [set(looks[made.columns[name]].formats) for name in dated]
    if told.date_format and ways:
        made.settings["date_format"] = (told.date_format, "as told")
    if told.date_format or not ways:
        return
    common = sorted(set.intersection(*ways), key=FORMATS.index if "" not in set.union(*ways) else None)
    if len(common) != 1:
        can = listing([json.dumps(way) for way in common]) if common else "no one format"
        raise SettingsError(f'its dates ({", ".join(dated)}) can be read by {can}. Say which: --date-format "…".')
    if common[0]:
        made.settings["date_format"] = (common[0], "reads every date that was looked at")


def _duration(made: Proposal, rows: pd.DataFrame, told: Told) -> None:
    """The unit of a tenure, and the last day seen of contracts with dates."""
    if made.table != "subscriptions":
        return
    if "tenure" in made.columns:
        called = [unit for unit in ("day", "week", "month", "year") if unit in made.columns["tenure"].casefold()]
        unit = told.tenure_unit or (called[0] if len(called) == 1 else "")
        if not unit:
            asked = f'in what is "{made.columns["tenure"]}" counted?'
            raise SettingsError(f"{asked} Say: --tenure-unit day|week|month|year.")
        made.settings["tenure_unit"] = (unit, "as told" if told.tenure_unit else "from the column's name")
    elif "ended_at" in made.columns:
        form = made.settings.get("date_format", (None,))[0]
        days = pd.concat([pd.to_datetime(rows[made.columns[c]], format=form) for c in ("started_at", "ended_at")])
        last = "the last day in the rows looked at: who has no end then is a customer"
        until = told.observed_until or str(days.max().date())
        made.settings["observed_until"] = (_Bare(until), "as told" if told.observed_until else last)


class _Bare(str):
    """A value that toml writes without quotes."""


def _own_columns(made: Proposal, looks: Sequence[Look]) -> None:
    """What the user brings beside the contract: answers of a survey, or columns that tell groups apart."""
    left = [one for one in looks if one.name not in made.columns.values()]
    if made.table == "surveys":
        left = _survey(made, left)
    elif TABLES[made.table].free:
        numbers = made.table != "subscriptions"  # of a contract a sum such as all that was paid would tell its length
        able = [one for one in left if 2 <= one.distinct <= FEW or (numbers and one.numbers >= LIKE)]
        if able:
            why = f"columns of 2 to {FEW} different values" + " and numbers" * numbers
            made.settings["covariates"] = ([one.name for one in able], why)
        left = [one for one in left if one not in able]
    made.unused = [one.name for one in left]


# --- Surveys ------------------------------------------------------------------------------------------------------


def _survey(made: Proposal, looks: Sequence[Look]) -> list[Look]:
    """Scales, constructs and pairs of the columns that hold answers; returns the columns that hold none."""
    items = [one for one in looks if one.answers and not ABOUT_THE_PERSON.fullmatch(one.name.casefold())]
    if not items:
        raise SettingsError("no column looks like answers on a scale (whole numbers from 0 to 10).")
    grouped, paired = _groups(items)
    by_name = {one.name: one for one in items}
    scales = {name: _scale([by_name[item] for item in group]) for name, group in grouped.items()}
    in_pairs = {item for levels in paired.values() for names in levels.values() for item in names}
    every = [scales[name] for name, group in grouped.items() for _ in group]
    every += [_scale([by_name[item]]) for item in in_pairs]
    usual = max(set(every), key=every.count)
    made.settings["scale"] = (list(map(int, usual)), "the ends between which the answers lie")
    if codes := sorted({code for one in items for code in one.codes}):
        made.settings["missing"] = (list(map(int, codes)), "stand apart from the answers: codes that mean no answer?")
    odd = {name: scale for name, scale in scales.items() if scale != usual}
    if odd:
        ends = (f"{name} = {list(map(int, scale))}" for name, scale in odd.items())
        made.study += ["[study.{study}.scales]", *ends, ""]
    if grouped:
        head = '[study.{study}.constructs]  # questions that ask for one thing; "-q3" turns one round'
        made.study += [head, *_keys(grouped), ""]
    for dimension, levels in paired.items():
        made.study += ["[[study.{study}.pairs]]", f"dimension = {_text(dimension)}", *_keys(levels), ""]
    return [one for one in looks if one not in items]


def _text(value: Any) -> str:
    """A value as toml writes it."""
    return value if isinstance(value, _Bare) else json.dumps(value, ensure_ascii=False)


def _keys(values: Mapping[str, Any]) -> list[str]:
    """Keys with their values, a line each."""
    return [f"{key} = {_text(value)}" for key, value in values.items()]


def _scale(items: Iterable[Look]) -> tuple[float, float]:
    """The shortest usual scale that holds the answers of all."""
    values = [value for one in items for value in one.answers]
    return next(ends for ends in SCALES if ends[0] <= min(values) and max(values) <= ends[1])


def _groups(items: Sequence[Look]) -> tuple[dict[str, list[str]], dict[str, dict[str, list[str]]]]:
    """Construct -> items with one stem, and dimension -> level of service -> items, from the names alone."""
    parts = {one.name: _parts(one.name) for one in items}
    asked: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, (stem, rest) in parts.items():
        if stem in LEVEL_OF:
            asked[rest][LEVEL_OF[stem]].append(name)
    pairs = {
        spoken(rest or "service"): dict(levels)
        for rest, levels in asked.items()
        if "perception" in levels and len(levels) > 1 and len(set(map(len, levels.values()))) == 1
    }
    taken = {item for levels in pairs.values() for names in levels.values() for item in names}
    grouped: dict[str, list[str]] = defaultdict(list)
    for name in parts:
        if name not in taken:
            stem = re.sub(r"[\W_]*\d+$", "", name).casefold()
            grouped[MEANS.get(plain(stem), re.sub(r"\W+", "_", stem) or "question")].append(name)
    return dict(grouped), pairs


def _parts(name: str) -> tuple[str, str]:
    """A question's first word, and what follows without its number: expected_staff_2 is expected, staff."""
    first = re.match(r"([a-z]+)[\W_]*(.*?)[\W_]*\d*$", name.casefold())
    return (first[1], first[2]) if first else (name.casefold(), "")


# --- As text ------------------------------------------------------------------------------------------------------


def write(
    study: str, files: Sequence[str], *, into: Path, title: str | None = None, currency: str | None = None, told: Told
) -> str:
    """Add a study to a studies file; nothing is written when the file would not be valid with it.

    Args:
        study: its name.
        files: paths or patterns from the current folder, with "TABLE=" before them where the table is to be that one.
        into: the studies file; made when it is not there.
        title, currency: as in `as_toml`; the name stands in for a title.
        told: what the files cannot say.

    Returns:
        The text that was added.

    Raises:
        SettingsError: the study is there already, a file fits no table, or two files are the same table.
        TableError: a file cannot be read.
    """
    known = load(into).studies if into.exists() else {}
    if study in known:
        raise SettingsError(f'{into} has a study "{study}" already. Choose another name, or edit it there.')
    folder, proposals = into.absolute().parent, dict[str, Proposal]()
    for given in files:
        table, equals, file = given.partition("=")
        if not equals or "/" in table:  # as in a path such as year=2024/orders.csv
            table, file = "", given
        elif table not in TABLES:
            raise SettingsError(f'there is no table "{table}"; the nearest is "{nearest(table, TABLES)}".')
        source = file if is_url(file) else os.path.relpath(file, folder)
        made = propose(source, folder=folder, table=table or None, told=told)
        if twin := next((name for name, one in proposals.items() if one.table == made.table), None):
            raise SettingsError(f"{twin} and {source} both look like {made.table}. Say which is what: TABLE=FILE.")
        proposals[source] = made
    text = as_toml(study, proposals, title=title or study, currency=currency)
    before = into.read_text("utf-8").rstrip() + "\n\n\n" if into.exists() else ""
    trial = into.with_name(f".{into.name}.new")
    try:
        trial.write_text(before + text, "utf-8")
        load(trial)
        trial.replace(into)
    finally:
        trial.unlink(missing_ok=True)
    return text


def as_toml(study: str, proposals: Mapping[str, Proposal], *, title: str, currency: str | None) -> str:
    """The study as it is written into studies.toml, with the reasons as comments.

    Args:
        study: its name.
        proposals: source, as the file will name it -> its proposal.
        title: for readers.
        currency: shown with amounts; None where there is none.
    """
    lines = [f"[study.{study}]", *_keys({"title": title} | ({"currency": currency} if currency else {}))]
    after: list[str] = []
    for source, made in proposals.items():
        lines += ["", f"[study.{study}.tables.{made.table}]", f"source = {_text(source)}"]
        lines += [f"columns = {{ {', '.join(_keys(made.columns))} }}  # proposed from {count(made.rows)} rows"]
        for key, (value, why) in made.settings.items():
            lines.append(f"# {_text(value)} {why}" if key == "#" else f"{key} = {_text(value)}  # {why}")
        lines += [f"# not used: {', '.join(made.unused)}"] if made.unused else []
        after += [line.replace("{study}", study) for line in made.study]
    return "\n".join([*lines, "", *after]).rstrip() + "\n"
