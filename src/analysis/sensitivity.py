"""How strong a hidden cause would have to be to explain an estimate away, in numbers and in a sentence."""

from __future__ import annotations

import math

from analysis.estimates import Answer, Estimate, NotTestable, told
from analysis.exhibits import Text, say
from analysis.words import quantity

RATIOS = ("ratio", "hazard ratio", "odds ratio")
RARE = 0.15  # share of customers with the event, up to which a hazard or odds ratio is nearly a risk ratio


def e_value(ratio: float) -> float:
    """How often more a hidden cause would have to go along with cause and outcome to make a risk ratio alone.

    Source: VanderWeele & Ding (2017), Annals of Internal Medicine 167.
    """
    away = max(ratio, 1 / ratio)
    return away + math.sqrt(away * (away - 1))


def risk_ratio(ratio: float, unit: str, *, common: bool) -> float:
    """What a hazard or odds ratio is as a ratio of risks, where the event is common (VanderWeele 2017)."""
    if not common or unit == "ratio":
        return ratio
    if unit == "odds ratio":
        return math.sqrt(ratio)
    return (1 - 0.5 ** math.sqrt(ratio)) / (1 - 0.5 ** math.sqrt(1 / ratio))


def robustness(t: float, dof: float, *, level: float | None = None) -> float:
    """Share of what is left of cause and outcome that a hidden cause must explain to take an estimate away.

    Args:
        t: the estimate over its standard error.
        dof: degrees of freedom that the regression leaves.
        level: of the interval that the hidden cause has to bring to nothing; None for the estimate itself.
    Source: Cinelli & Hazlett (2020), Journal of the Royal Statistical Society B 82.
    """
    from scipy.special import stdtrit

    critical = abs(stdtrit(dof - 1, (1 - level) / 2)) / math.sqrt(dof - 1) if level else 0.0
    f = abs(t) / math.sqrt(dof) - critical
    return (math.sqrt(f**4 + 4 * f**2) - f**2) / 2 if f > 0 else 0.0


def needed(answer: Estimate, *, dof: float | None = None, common: bool | None = None) -> tuple[float, float]:
    """The strength of a hidden cause that explains away the estimate, and the one that brings its interval to nothing.

    Args:
        answer: a ratio (the strength is then an E-value, at least 1) or a difference or slope (then a share, 0 to 1).
        dof: degrees of freedom of a slope; else its number of cases less two.
        common: whether more than `RARE` have the event; None reads it from the answer's events where they are known.
    """
    if answer.unit not in RATIOS:
        left, (low, high) = dof or answer.n - 2, answer.interval()
        t = answer.value * 2 * 1.959964 / (high - low) if high > low else math.inf * (answer.value or 0.0)
        return (robustness(t, left), robustness(t, left, level=0.95)) if math.isfinite(t) else (1.0, 1.0)
    often = answer.events is not None and answer.events > RARE * answer.n if common is None else common
    value, *ends = (risk_ratio(one, answer.unit, common=often) for one in (answer.value, *answer.interval()))
    nearest = 1.0 if ends[0] <= 1 <= ends[1] else min(ends, key=lambda end: abs(math.log(end)))
    return e_value(value), e_value(nearest)


def hidden_cause(
    answer: Answer, *, cause: str, outcome: str, dof: float | None = None, common: bool | None = None
) -> Text:
    """What a hidden cause would have to be like, in a sentence.

    Args:
        answer: the corrected estimate.
        cause, outcome: their names in the sentence, such as "joining the club" and "leaving".
        dof, common: see `needed`.
    """
    if isinstance(answer, NotTestable):
        return say("There is no estimate that a hidden cause could explain away. {}", answer.reason)
    whole, end = needed(answer, dof=dof, common=common)
    if end <= (answer.unit in RATIOS):
        return say(
            "The interval of {} holds no effect, so it takes no hidden cause of {} and {} to explain it.",
            told(answer), cause, outcome,
        )  # fmt: skip
    if answer.unit in RATIOS:
        return say(
            "To make {} out of nothing, something that is not in these data would have to change the chance of {} and "
            "the chance of {} by a factor of {} or more each, beyond all that is taken into account. A factor of {} "
            "would do to bring the interval to no effect.",
            told(answer), cause, outcome, quantity(whole, "ratio"), quantity(end, "ratio"),
        )  # fmt: skip
    return say(
        "To make {} out of nothing, something that is not in these data would have to go along with both {} and {} so "
        "closely that it explains {} of what is still unexplained in each. {} of each would do to bring the interval "
        "to no effect.",
        told(answer), cause, outcome, quantity(whole, "share"), quantity(end, "share"),
    )  # fmt: skip


def untouched(answer: Answer, *, what: str, cause: str) -> Text:
    """What the very same test says of something that its cause cannot have moved, in a sentence.

    Args:
        answer: to the test with that outcome in place of its own.
        what: the outcome, such as "orders in the year before".
        cause: as in `hidden_cause`.

    Source: Lipsitch, Tchetgen Tchetgen & Cohen (2010), Epidemiology 21 (negative controls).
    """
    if isinstance(answer, NotTestable):
        return say("No outcome is on record that {} cannot have moved. {}", cause, answer.reason)
    none, asked = float(answer.unit in RATIOS), "The same test on something that {} cannot have moved, {}: {}. "
    if answer.low <= none <= answer.high:
        return say(asked + "It finds nothing there, as it should.", cause, what, told(answer))
    return say(
        asked + "It moves all the same, so those compared differ by more than {}; of the figure above, that much is no "
        "effect, and the verdict is to be read with that doubt.",
        cause, what, told(answer), cause,
    )  # fmt: skip
