"""Numbers as people read them: one place decides digits, signs and units."""

from __future__ import annotations

import math

UNITS = {
    "share": "share of a whole, 0 to 1, shown in per cent",
    "points": "difference of two shares, shown in percentage points",
    "growth": "relative change, shown in per cent with its sign",
    "ratio": "one quantity divided by another",
    "hazard ratio": "chance of leaving in the next moment, one group over another",
    "odds ratio": "odds in one group over the odds in another",
    "correlation": "from -1 to 1",
    "slope": "standard deviations of the outcome for one standard deviation of the cause",
    "sd": "standard deviations",
    "gain": "gain in out-of-sample R squared or share of deviance, 0 to 1",
    "probability": "from 0 to 1, shown in per cent",
    "days": "days",
    "weeks": "weeks",
    "months": "months",
    "years": "years",
    "money": "amount in the study's currency",
    "count": "a count",
    "violations": "cases that break an identity",
    "effect size": "share of the possible area that stays empty, 0 to 1",
    "score points": "points of a score on a scale of 100",
    "elasticity": "per cent of change for one per cent of change",
    "fit index": "comparative fit of a measurement model, 0 to 1, or a difference of two",
    "agreement": "of two groupings beyond chance, at most 1",
    "BIC points": "difference of the Bayesian information criterion",
}

MISSING = "–"


def count(n: float) -> str:
    """A whole number with thousands separators: 23570 becomes "23,570"."""
    return f"{n:,.0f}"


def plural(n: int, noun: str, many: str | None = None) -> str:
    """A count with its noun: "1 row", "11 rows"."""
    return f"{count(n)} {noun if n == 1 else many or noun + 's'}"


def _significant(value: float, digits: int = 3) -> str:
    """A plain number with about `digits` significant digits and at least two decimals below ten."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 4)}f}"


def quantity(value: float | None, unit: str, currency: str | None = None) -> str:
    """A value as people read it in its unit.

    Args:
        value: the number in the unit's own scale (a share is 0 to 1); None or not finite shows a dash.
        unit: a key of `UNITS`.
        currency: shown with amounts of money.

    Raises:
        KeyError: the unit is not in `UNITS`.
    """
    if unit not in UNITS:
        raise KeyError(f"unknown unit {unit!r}; known: {', '.join(UNITS)}")
    if value is None or not math.isfinite(value):
        return MISSING
    if unit in ("share", "probability"):
        return f"{100 * value:.1f}%"
    if unit == "points":
        return f"{100 * value:+.1f} points" if value else "0 points"
    if unit == "growth":
        if value == 0:
            return "0%"
        return f"{100 * value:+.0f}%" if abs(value) >= 0.1 else f"{100 * value:+.1f}%"
    if unit == "money":
        return f"{value:,.2f} {currency}".strip() if currency else f"{value:,.2f}"
    if unit in ("count", "violations"):
        return count(value)
    if unit in ("days", "weeks", "months", "years"):
        return f"{_significant(value)} {unit}"
    if unit in ("correlation", "slope", "gain", "effect size", "sd"):
        return f"{value:.3f}" if unit == "gain" else f"{value:.2f}"
    return f"{value:.2f}" if 0.1 <= abs(value) < 1000 else _significant(value)


def interval(low: float | None, high: float | None, unit: str, currency: str | None = None) -> str:
    """Two ends as one phrase, the unit named once: "12.0 to 14.5 months"."""
    left, right = quantity(low, unit, currency), quantity(high, unit, currency)
    if unit == "growth" and low is not None and high is not None and abs(high - low) < 0.05:
        # Whole per cents would hide most of a narrow interval, or show both ends as one.
        left, right = f"{100 * low:+.1f}%", f"{100 * high:+.1f}%"
    for tail in ("%", " points", f" {unit}", f" {currency}"):
        if left.endswith(tail) and right.endswith(tail):
            return f"{left.removesuffix(tail)} to {right}"
    return f"{left} to {right}"


def listing(items: list[str], joint: str = "and") -> str:
    """Words in a row: "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {joint} {items[-1]}" if items else ""
