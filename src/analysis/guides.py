"""What helps readers: the terms of the pages in plain words, links to them, and examples of every verdict."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from markupsafe import Markup

from analysis.estimates import Estimate
from analysis.exhibits import TEMPLATES
from analysis.hypotheses.rules import ASSOCIATION, NOT_TESTABLE, Directional

READING, GLOSSARY = "how-to-read.html", "glossary.html"
UNLINKED = "~"  # before a term that is also an everyday word
CLOSED = re.compile(r"<(a|code|pre|h\d)\b.*?</\1>|<[^>]*>", re.DOTALL)  # where no link may be put

RULE = Directional(at_least=0.02)
# What a rule of "at least two points" says to an estimate and its standard error.
EXAMPLES = (
    (0.054, 0.009, "The whole interval lies on the claimed side, and the estimate is large enough to matter."),
    (
        0.054,
        0.009,
        "The same numbers, but satisfied customers may differ in other ways too. Had the claim been that satisfaction "
        "brings them back, only an experiment could support it.",
    ),
    (0.004, 0.005, "Even the upper end is smaller than what matters: whatever there is, it is not worth acting on."),
    (0.024, 0.016, "The interval holds values that matter and values that do not. More data could decide."),
)
UNTESTED = "The table has no column for satisfaction, so there is nothing to compare."


class Term(NamedTuple):
    """A term, where the glossary explains it, its meaning, and the words of a page that are linked to it."""

    name: str
    id: str
    meaning: str
    forms: tuple[str, ...]


@cache
def terms() -> tuple[Term, ...]:
    """The glossary in the order of the alphabet."""
    listed = []
    for key, meaning in tomllib.loads((TEMPLATES / "glossary.toml").read_text("utf-8")).items():
        name, *others = re.split(r"\s*\|\s*", key.removeprefix(UNLINKED))
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        forms = () if key.startswith(UNLINKED) else (name.lower(), *map(str.lower, others))
        listed.append(Term(name, slug, meaning, forms))
    return tuple(sorted(listed, key=lambda term: term.name.lower()))


class Linker:
    """Turns the first use of each term on a page into a link to the glossary."""

    def __init__(self, root: str) -> None:
        self.places = {form: f"{root}{GLOSSARY}#{term.id}" for term in terms() for form in term.forms}
        forms = sorted(map(re.escape, self.places), key=len, reverse=True)
        self.pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(forms)})(?![\w-])", re.IGNORECASE)

    def linked(self, fragment: Markup) -> Markup:
        """The fragment of a page with its links."""
        pieces, end = [], 0
        for closed in CLOSED.finditer(fragment):
            pieces += [self.pattern.sub(self._link, fragment[end : closed.start()]), closed[0]]
            end = closed.end()
        return Markup("".join([*pieces, self.pattern.sub(self._link, fragment[end:])]))

    def _link(self, found: re.Match[str]) -> str:
        place = self.places.get(found[0].lower())
        if place is None:
            return found[0]
        self.places = {form: other for form, other in self.places.items() if other != place}
        return f'<a class="term" href="{place}">{found[0]}</a>'


def examples() -> Iterator[dict[str, Any]]:
    """A finding of each verdict, as the cards show them."""
    for place, (value, error, reason) in enumerate(EXAMPLES):
        estimate = Estimate.normal(value, error, unit="points", n=1000)
        verdict = ASSOCIATION if place == 1 else RULE.judge(estimate).word
        ends = {"low": estimate.low, "high": estimate.high}
        yield _example(verdict, reason) | {"estimate": value} | ends
    yield _example(NOT_TESTABLE, UNTESTED)


def _example(verdict: str, reason: str) -> dict[str, Any]:
    rule = RULE.as_dict() | {"text": RULE.text("points")}
    nothing = {"estimate": None, "low": None, "high": None}
    return {"verdict": verdict, "reason": reason, "unit": "points", "rule": rule, "level": 0.95, **nothing}
