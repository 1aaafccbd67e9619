"""Editions in other languages: finished English text is looked up in a catalogue, and numbers and dates follow suit.

English is the source. Whatever a page says is first written in English and translated as a whole afterwards, so that
no other module needs to know of languages. A catalogue is a folder of TOML files that hold `"English" = "Persian"`;
`{}` stands for anything and `{n}` for a quantity, either translated by itself, and `{c}` for code, which is kept. Text
that no catalogue knows, such as names from data, stays as it is.
"""

from __future__ import annotations

import hashlib
import html
import re
import textwrap
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

ENGLISH, PERSIAN = "en", "fa"
LANGUAGES = (ENGLISH, PERSIAN)
FOLDER = Path(__file__).parent / "translations"

# A number, a day, or a quantity with its unit; anything else that a sentence may hold.
QUANTITY = (
    r"[<+−-]?\d(?:[\d,]*\d)?(?:\.\d+)?%?(?:-\d\d-\d\d)?(?: (?:points|pts|(?:day|week|month|year)s?|(?-i:[A-Z]{3})))?|–"
)
# Anything within a sentence; what is in brackets goes as one, or "from 5 (1 to 8) to 3" would end at the first "to".
ANYTHING = r"((?:(?>\((?:[^()]|\([^()]*\))*\)|(?![.!?]\s).))+?)"
HOLES = {"{}": ANYTHING, "{c}": r"((?:(?![.!?]\s)[^;])+?)", "{n}": f"({QUANTITY})"}
SENTENCE = re.compile(r"(?<=[.!?])\s+")
# What a template must have of its own to be used although a part stays unknown: so many letters, or such a mark.
WEIGHTY, FRAME = 8, frozenset(";:()·")
# What is set apart in a right-to-left text: Latin words, whose digits are theirs; then dates, months and numbers.
LATIN = r"[A-Za-z](?a:[\w.'’&/@+-]*\w)?(?: [A-Za-z&](?a:[\w.'’&/@+-]*\w)?)*"
LOCAL = re.compile(
    rf"(?P<latin>{LATIN})|(?P<day>\b\d{{4}}-\d\d-\d\d\b)|(?P<month>\b[12]\d{{3}}-[01]\d\b)"
    r"|(?P<number>(?<![\d.,])[+−-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?%?(?![\d.,]*\d))|(?P<point>[,;?])"
)
# Words that stay as they are in every language: codes, names of columns and files, capitals.
WORD, NAME = re.compile(r"[A-Za-z](?:[\w./'’-]*\w)?", re.ASCII), re.compile(r"[A-Z]+|.*[\d_./].*", re.ASCII)
POINTS = str.maketrans(",;?", "،؛؟")
DIGITS = str.maketrans("0123456789.,%-", "۰۱۲۳۴۵۶۷۸۹٫٬٪−")
MONTHS = ["ژانویهٔ", "فوریهٔ", "مارس", "آوریل", "مهٔ", "ژوئن", "ژوئیهٔ", "اوت", "سپتامبر", "اکتبر", "نوامبر", "دسامبر"]
PERSIAN_LETTER = "[\u0621-\u064a\u066e-\u06d3]"  # no digit, no sign
APART, END = "\u2066", "\u2069"  # left-to-right isolate
# A range of bare numbers, or the first line of one, has no letter to tell its direction by.
RANGE, TO_THE_LEFT = re.compile(r"[+−]?\d[\d.,]*%?–([+−]?\d[\d.,]*%?)?"), "\u200f"
MARKS = dict.fromkeys(map(ord, "\u2066\u2067\u2068\u2069"))
# Markup, and elements whose content is not ours to translate.
MARKUP = re.compile(r"""<!--.*?-->|<(style|pre|code)\b.*?</\1>|<(?:[^<>"']|"[^"]*"|'[^']*')*>""", re.DOTALL)
SAID = re.compile(r'\b(alt|aria-label|title|data-heading)="([^"]*)"')


class _Template(NamedTuple):
    """A catalogue's English text with holes.

    Attributes:
        piece: its longest stretch without a hole, in small letters.
        pattern: what it matches.
        weight: the letters it brings of its own.
        answer: the text in the other language.
        enough: whether it may be used although a part stays unknown.
        kept: for each hole whether what it holds is left alone.
    """

    piece: str
    pattern: re.Pattern[str]
    weight: int
    answer: str
    enough: bool
    kept: tuple[bool, ...]

    @classmethod
    def of(cls, english: str, answer: str) -> _Template:
        pieces = re.split(r"(\{[nc]?\})", english)
        pattern = "".join(HOLES.get(piece) or re.escape(piece) for piece in pieces)
        kept = tuple(piece == "{c}" for piece in pieces if piece in HOLES)
        own = [piece.lower() for piece in pieces if piece not in HOLES]
        weight, compiled = sum(map(str.isalpha, "".join(own))), re.compile(pattern, re.DOTALL | re.IGNORECASE)
        enough = weight >= WEIGHTY or not FRAME.isdisjoint("".join(own))
        return cls(max(own, key=len), compiled, weight, answer, enough, kept)


class Edition:
    """All that turns English text into one other language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.exact: dict[str, str] = {}
        templates = []
        for file in sorted((FOLDER / language).glob("*.toml")):
            for english, answer in tomllib.loads(file.read_text("utf-8")).items():
                if re.search(r"\{[nc]?\}", english):
                    templates.append(_Template.of(english, answer))
                else:
                    self.exact[english] = answer
        self.templates = sorted(templates, key=lambda template: -template.weight)
        self.known = lru_cache(maxsize=20_000)(self._known)

    def words(self, text: str) -> str:
        """The text in this language, as far as the catalogue knows it; its numbers are still written as in English."""
        return self.known(" ".join(text.split()))[0]

    def text(self, text: str) -> str:
        """The text in this language, with its digits, dates and directions."""
        said = self.words(text)
        local = LOCAL.sub(self._localised, said.translate(MARKS))
        known = re.search(PERSIAN_LETTER, local) or not re.search("[A-Za-z]", said)
        return local if known else said  # a name, or nothing that is known

    def page(self, page: str) -> str:
        """A page of HTML in this language: its text, what it says to those who cannot see, its direction."""
        pieces, end = [], 0
        for found in MARKUP.finditer(page):
            pieces += [self._between(page[end : found.start()]), SAID.sub(self._attribute, found[0])]
            end = found.end()
        # dir="auto" would go by a Latin name at the start of a Persian sentence.
        turned = "".join([*pieces, self._between(page[end:])]).replace(' dir="auto"', "")
        return turned.replace('<html lang="en">', f'<html lang="{self.language}" dir="rtl">', 1)

    def _localised(self, found: re.Match[str]) -> str:
        """One Latin word, date, number or mark as a right-to-left text needs it."""
        kind, text = found.lastgroup, found[0]
        if kind == "latin":
            currency = self.exact.get(text) if text.isupper() else None
            return currency or f"{APART}{text}{END}"
        if kind == "point":
            return text.translate(POINTS)
        if kind == "day":
            return _persian_day(text)
        if kind == "month" and 1 <= int(text[5:]) <= 12:
            return f"{MONTHS[int(text[5:]) - 1]} {text[:4].translate(DIGITS)}"
        local = text.translate(DIGITS)
        return f"{APART}{local}{END}" if re.search(r"[+−٪]", local) else local

    def _between(self, text: str) -> str:
        if not (said := text.strip()):
            return text
        return text.replace(said, html.escape(self.text(html.unescape(said)), quote=False), 1)

    def _attribute(self, found: re.Match[str]) -> str:
        return f'{found[1]}="{html.escape(self.text(html.unescape(found[2])))}"'

    def _known(self, text: str) -> tuple[str, int]:
        """The words in this language, and how many letters of the text, less its names, were not understood."""
        exact = self._exact(text)
        if exact is not None:
            return exact, 0
        best = text, sum(len(word) for word in WORD.findall(text) if not NAME.fullmatch(word))
        if not best[1]:
            return best
        lowered = text.lower()
        for template in self.templates:
            if template.piece not in lowered or not (found := template.pattern.fullmatch(text)):
                continue
            parts = [
                (self._named(part), 0) if kept else self.known(part)
                for part, kept in zip(found.groups(), template.kept, strict=True)
            ]
            left = sum(part[1] for part in parts)
            if left < best[1] and (not left or template.enough):
                best = template.answer.format(*(part[0] for part in parts)), left
            if not left:
                return best
        sentences = SENTENCE.split(text)
        if len(sentences) > 1:
            parts = [self.known(sentence) for sentence in sentences]
            if (left := sum(part[1] for part in parts)) < best[1]:
                best = " ".join(part[0] for part in parts), left
        return best

    def _named(self, code: str) -> str:
        """Code as it is; where several are named, what joins them is no code."""
        return re.sub(r"(?<= )(and|or)(?= )", lambda found: self.exact.get(found[0], found[0]), code)

    def _exact(self, text: str) -> str | None:
        swapped = (text[:1].upper() if text[:1].islower() else text[:1].lower()) + text[1:]
        return self.exact.get(text, self.exact.get(swapped))


@cache
def edition(language: str) -> Edition:
    """The edition in a language.

    Raises:
        KeyError: there is no catalogue for it.
    """
    if not (FOLDER / language).is_dir():
        raise KeyError(f"no catalogue for language {language!r}")
    return Edition(language)


def _persian_day(iso: str) -> str:
    """A day in the Persian calendar, as it is written there: 1997-01-31 is ۱۳۷۵/۱۱/۱۲."""
    import jdatetime

    try:
        return f"{jdatetime.date.fromgregorian(date=date.fromisoformat(iso)):%Y/%m/%d}".translate(DIGITS)
    except ValueError:
        return iso


# --- The language of the figures of this process ----------------------------------------------------------------------

_spoken = ENGLISH


def speak(language: str) -> None:
    """Draw the figures of this process in a language, from now on."""
    global _spoken
    _spoken = language


def in_words(text: str) -> str:
    """A label in the language of this process, its numbers still as in English."""
    return text if _spoken == ENGLISH else edition(_spoken).words(text)


def relabel(canvas: Any) -> None:
    """Turn every text of a drawn figure, and every tick to come, into the language of this process."""
    if _spoken == ENGLISH:
        return
    from matplotlib.text import Text
    from matplotlib.ticker import ScalarFormatter

    told = edition(_spoken).text
    for axis in [axis for axes in canvas.axes for axis in (axes.xaxis, axes.yaxis)]:
        inner = axis.get_major_formatter()
        ticks = (lambda value, _: f"{value:g}") if isinstance(inner, ScalarFormatter) else inner
        axis.set_major_formatter(lambda value, place, ticks=ticks: told(ticks(value, place)))
    for text in canvas.findobj(Text):
        text.set_text(_rewrapped(text.get_text(), edition(_spoken)))


def _rewrapped(text: str, spoken: Edition) -> str:
    """A label in other words, line by line, or, where one sentence was broken, broken again to about its width."""
    lines = text.split("\n")
    if all(spoken.known(line)[1] == 0 for line in lines):
        return "\n".join(f"{TO_THE_LEFT if RANGE.fullmatch(line) else ''}{spoken.text(line)}" for line in lines)
    return textwrap.fill(spoken.text(" ".join(lines)), max(map(len, lines)))


# --- The narrative of notebooks ---------------------------------------------------------------------------------------

SECTION = re.compile(r"^<!-- (\S+) ([0-9a-f]{12}) -->\n", re.MULTILINE)


def fingerprint(source: str) -> str:
    """What a translation of a cell remembers of the English text that it was made from."""
    return hashlib.sha256(source.strip().encode()).hexdigest()[:12]


def narrative(file: Path) -> Mapping[str, str]:
    """The translated cells of a notebook, by the fingerprint of their English text; empty without a file."""
    if not file.exists():
        return {}
    _, *pieces = SECTION.split(file.read_text("utf-8"))
    return {mark: text.strip() for mark, text in zip(pieces[1::3], pieces[2::3], strict=True)}
