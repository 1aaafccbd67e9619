"""Numbers as people read them: one place decides digits, signs and units."""

from __future__ import annotations

import math
from collections.abc import Iterable

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


# Unit -> factor to what is shown, usual decimals (None: three significant digits), sign shown, what follows.
_SHOWN: dict[str, tuple[float, int | None, str, str]] = {
    "share": (100, 1, "", "%"),
    "probability": (100, 1, "", "%"),
    "points": (100, 1, "+", " points"),
    "growth": (100, 0, "+", "%"),
    "count": (1, 0, "", ""),
    "violations": (1, 0, "", ""),
    "gain": (1, 3, "", ""),
} | {unit: (1, None, "", f" {unit}") for unit in ("days", "weeks", "months", "years")}
_OTHER = (1.0, 2, "", "")
# Nobody reads the cents of an amount that is known no better than this.
WIDE = 100
MOST = 4  # decimals
NEGLIGIBLE = 1000  # what is so many times less than the largest beside it may be shown as nothing
MULTIPLES = ("hazard ratio", "odds ratio")  # drawn on a logarithmic scale, where .02 is as far from 1 as 50
WHOLE = ("count", "violations", "money")  # and what is less than the usual last digit of these


def _decimals(value: float, usual: int | None, narrow: float = math.inf) -> int:
    """Enough decimals for the usual look, for small numbers, and to show two digits of a width."""
    needed = 0 if usual is None else usual
    size = abs(value)
    if usual is None or 0 < size < 0.1:
        digits = 2 if usual is None else 1
        needed = max(needed, digits - math.floor(math.log10(size))) if size else needed
    if 0 < narrow < math.inf:
        needed = max(needed, math.floor(1 - math.log10(narrow)))
    return min(needed, MOST)


def deciding(values: Iterable[float | None]) -> tuple[float, float] | tuple[()]:
    """Of numbers that are read together, the sizes that decide how many decimals all have; nothing if there are none.

    Returns:
        The largest, and the least that must not look like zero beside it.
    """
    sizes = [abs(one) for one in values if one is not None and math.isfinite(one)]
    most = max(sizes, default=0.0)
    return (most, min((one for one in sizes if one * NEGLIGIBLE > most), default=0.0)) if sizes else ()


def quantity(
    value: float | None,
    unit: str,
    currency: str | None = None,
    *,
    narrow: float = math.inf,
    beside: Iterable[float | None] = (),
) -> str:
    """A value as people read it in its unit.

    Args:
        value: the number in the unit's own scale (a share is 0 to 1); None or not finite shows a dash.
        unit: a key of `UNITS`.
        currency: shown with amounts of money.
        narrow: a width, in the unit's own scale, of which two digits should show; a wide one hides cents.
        beside: all numbers that are read together with this one, itself among them: the largest decides how many
            decimals they all have, with some more where one that is not zero would look like zero.

    Raises:
        KeyError: the unit is not in `UNITS`.
    """
    if unit not in UNITS:
        raise KeyError(f"unknown unit {unit!r}; known: {', '.join(UNITS)}")
    if value is None or not math.isfinite(value):
        return MISSING
    factor, usual, sign, tail = _SHOWN.get(unit, _OTHER)
    most, least = deciding(beside) or (abs(value), 0.0)
    if unit == "growth" and most < 0.1:
        usual = 1
    if unit == "money" and WIDE < narrow < math.inf:
        usual = 0
    if most == 0 and usual != 2:
        return f"0{tail}"
    places = _decimals(factor * most, usual, factor * narrow)
    if least and unit not in WHOLE and places < (needed := math.ceil(-math.log10(2 * factor * least))) <= MOST:
        places = needed
    tail = f" {currency}" if unit == "money" and currency else tail
    return f"{factor * value:{sign if value else ''}z,.{places}f}{tail}"


def setting(share: float) -> str:
    """A share that somebody has set, in per cent and as it was set: .05 is "5%", .125 is "12.5%"."""
    return f"{100 * share:.6g}%"


def interval(
    low: float | None,
    high: float | None,
    unit: str,
    currency: str | None = None,
    *,
    beside: Iterable[float | None] = (),
) -> str:
    """Two ends as one phrase, alike in their decimals and the unit named once: "12.0 to 14.5 months".

    A narrow one has digits enough to show its width. `beside` as for `quantity`: what else is read with it.
    """
    width = abs(high - low) if low is not None and high is not None else math.inf
    ends = [low, high, *beside]
    left, right = (quantity(end, unit, currency, narrow=width, beside=ends) for end in (low, high))
    tail = f" {currency}" if unit == "money" else _SHOWN.get(unit, _OTHER)[3]
    if tail and left.endswith(tail) and right.endswith(tail):
        left = left.removesuffix(tail)
    return f"{left} to {right}"


def with_interval(
    value: float,
    low: float,
    high: float,
    unit: str,
    currency: str | None = None,
    *,
    level: str = "",
    beside: Iterable[float | None] = (),
) -> str:
    """An estimate with its interval, all with the same decimals: "+18.7% (+18.4 to +18.9%)"; `level` names the latter.

    `beside` as for `quantity`: what else is read with them.
    """
    ends = [value, *beside]
    shown = quantity(value, unit, currency, narrow=abs(high - low), beside=[low, high, *ends])
    return f"{shown} ({level}{interval(low, high, unit, currency, beside=ends)})"


def listing(items: list[str], joint: str = "and") -> str:
    """Words in a row: "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {joint} {items[-1]}" if items else ""


def spoken(name: object) -> str:
    """A name from a setting or a column as people say it: "complaint_handling" becomes "complaint handling"."""
    return str(name).replace("_", " ")
