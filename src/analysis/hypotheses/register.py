"""What a hypothesis is: complete before anyone looks at the data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.hypotheses.rules import Rule

RUNGS = {
    "A": "true by arithmetic or definition",
    "B": "an association: two things go together in these data",
    "C": "ordered in time and adjusted for what was known before",
    "D": "randomised, or a credible natural experiment",
}

ARTICLES = {
    "A1": "loyalty basics and the emotional bond",
    "A2": "programmes, retention and churn rates, promotions",
    "A3": "satisfaction: steps, indicators, tips",
    "A4": "engagement, expectations and the zone of tolerance",
    "A5": "customer clubs and the value of satisfaction",
}


@dataclass(frozen=True)
class Hypothesis:
    """A claim about customers, with everything that decides its verdict.

    Attributes:
        id: family letter and number, for instance R05.
        claim: what is said, in one sentence of our own.
        estimand: the quantity, contrast, population and horizon that the claim is about.
        unit: of the estimate, a key of `words.UNITS`.
        rule: how an estimate becomes a verdict, with the smallest effect that matters.
        causal: whether the claim says that one thing brings about another; then an association alone reaches
            "association supported" and no more.
        needs: table name -> columns (or reserved construct names for surveys) that must exist; "one|other" is met by
            either.
        rung: the highest rung its best design can reach, a key of `RUNGS`.
        design: how it is estimated, in a sentence or two.
        origin: where the claim or its evidence was published.
        article: the source article or articles, keys of `ARTICLES`.
        gates: what the data must have before any verdict is given.
        pitfalls: what fools a naive reading.
        notebook: the notebook that tests it; None while the test is not written.
    """

    id: str
    claim: str
    estimand: str
    unit: str
    rule: Rule
    causal: bool
    needs: Mapping[str, tuple[str, ...]]
    rung: str
    design: str
    origin: str
    article: tuple[str, ...]
    gates: str = ""
    pitfalls: tuple[str, ...] = field(default=())
    notebook: str | None = None

    @property
    def status(self) -> str:
        """`tested`, or `test not written`."""
        return "tested" if self.notebook else "test not written"

    def as_dict(self) -> dict[str, Any]:
        """The row as plain data, for `loyalty claims --json` and the index."""
        return {
            "id": self.id,
            "claim": self.claim,
            "estimand": self.estimand,
            "unit": self.unit,
            "needs": {table: list(columns) for table, columns in self.needs.items()},
            "rule": self.rule.as_dict() | {"text": self.rule.text(self.unit)},
            "smallest_effect": self.rule.smallest_effect,
            "causal": self.causal,
            "rung": self.rung,
            "design": self.design,
            "gates": self.gates,
            "pitfalls": list(self.pitfalls),
            "origin": self.origin,
            "article": list(self.article),
            "notebook": self.notebook,
            "status": self.status,
        }


def digest(hypotheses: Iterable[Hypothesis]) -> str:
    """A fingerprint of what decides verdicts: ids, estimands, units, rules and whether the claim is causal."""
    frozen = [[h.id, h.estimand, h.unit, h.rule.as_dict(), h.causal, h.rung] for h in hypotheses]
    return hashlib.sha256(json.dumps(frozen, sort_keys=True).encode()).hexdigest()[:16]
