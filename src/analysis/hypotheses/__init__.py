"""The register: every claim, its estimand and its rule, declared as data before any data are read."""

from __future__ import annotations

from analysis.hypotheses import (
    engagement,
    expectations,
    indicators,
    loyalty,
    perceived_value,
    programmes,
    register,
    retention,
    satisfaction,
)
from analysis.hypotheses.register import Hypothesis
from analysis.tables import nearest

FAMILIES = {
    "R": "Keeping customers, and what it is worth",
    "S": "Satisfaction and what follows from it",
    "L": "Loyalty, emotion and recommendation",
    "G": "Engagement",
    "P": "Programmes, clubs and promotions",
    "E": "Expectations and service quality",
    "V": "Value and image",
    "I": "Indicators of satisfaction",
}

REGISTER: dict[str, Hypothesis] = {
    row.id: row
    for family in (retention, satisfaction, loyalty, engagement, programmes, expectations, perceived_value, indicators)
    for row in family.ROWS
}


def get(hypothesis_id: str) -> Hypothesis:
    """The row of the register with this id.

    Raises:
        KeyError: there is none; the message names the nearest.
    """
    if hypothesis_id not in REGISTER:
        raise KeyError(
            f"no hypothesis {hypothesis_id!r} in the register; the nearest is {nearest(hypothesis_id, REGISTER)}"
        )
    return REGISTER[hypothesis_id]


def digest() -> str:
    """A fingerprint of all that decides verdicts in the register."""
    return register.digest(REGISTER.values())
