"""The rules by which a claim is judged: fixed before the data are read, each an object with one verb, `judge`.

A simple rule answers two questions about an estimate at a level of error alpha: does it support the claim, does
it contradict it? At the default alpha of 0.05, support is read off the 95% interval and contradiction mostly off
the 90% one (a one-sided test at 5%). Compound rules ask the same questions at stricter levels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol

from analysis.estimates import NotTestable
from analysis.words import quantity, spoken

SUPPORTED = "supported"
ASSOCIATION = "association supported"
CONTRADICTED = "contradicted"
INCONCLUSIVE = "inconclusive"
NOT_TESTABLE = "not testable"
VERDICTS = (SUPPORTED, ASSOCIATION, CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE)

ALPHA = 0.05


class Judgeable(Protocol):
    """What a rule needs of an estimate: an `Estimate`, or one read back from findings.json."""

    @property
    def value(self) -> float:
        """The point estimate."""

    @property
    def unit(self) -> str:
        """A key of `words.UNITS`."""

    def interval(self, level: float) -> tuple[float, float]:
        """The equal-tailed interval at a confidence level."""


Evidence = Judgeable | NotTestable


@dataclass(frozen=True)
class Verdict:
    """One of `VERDICTS`, the reason in a sentence, and for compound rules the verdict of each part."""

    word: str
    reason: str
    parts: Mapping[str, Verdict] | None = None


@dataclass(frozen=True)
class SimpleRule(ABC):
    """What the rules about a single estimate share: how two answers become one verdict."""

    kind: ClassVar[str] = ""
    effect: ClassVar[str | None] = None  # the field a study may change; another threshold would be another claim

    @abstractmethod
    def supports(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """Whether the estimate supports the claim at error level alpha."""

    @abstractmethod
    def contradicts(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """Whether the estimate speaks against the claim at error level alpha."""

    @abstractmethod
    def why(self, estimate: Judgeable, word: str) -> str:
        """The reason for a verdict, as a sentence without numbers of its own."""

    @abstractmethod
    def text(self, unit: str) -> str:
        """The rule as a sentence."""

    @property
    def smallest_effect(self) -> float | None:
        """The smallest effect that matters, or the threshold; None where the rule has neither."""
        return getattr(self, "at_least", getattr(self, "within", None))

    def judge(self, estimate: Evidence) -> Verdict:
        """Supported, contradicted, inconclusive, or not testable when there is no estimate."""
        if isinstance(estimate, NotTestable):
            return Verdict(NOT_TESTABLE, estimate.reason)
        held, failed = self.supports(estimate), self.contradicts(estimate)
        word = INCONCLUSIVE if held == failed else SUPPORTED if held else CONTRADICTED
        return Verdict(word, self.why(estimate, word))

    def with_smallest_effect(self, value: Any) -> SimpleRule:
        """The same rule with another smallest effect.

        Raises:
            ValueError: the rule has none, or is given one for parts it does not have.
        """
        if isinstance(value, Mapping):
            raise ValueError("the rule has no parts; give it one number")
        if not self.effect:
            raise ValueError(f"a {self.kind} rule has no smallest effect that could be changed")
        return replace(self, **{self.effect: value})

    def as_dict(self) -> dict[str, Any]:
        """The rule as plain data, enough to judge again."""
        return {"kind": self.kind} | {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Directional(SimpleRule):
    """The effect has the claimed sign and is at least the smallest that matters.

    `at_least` carries the sign: 1.05 against a null of 1 claims "more", 1/1.10 claims "less". With `null` = 1 the
    quantity is a ratio and its mirror image is 1/at_least; with `null` = 0 it is a difference.
    """

    at_least: float
    null: float = 0.0
    kind: ClassVar[str] = "directional"
    effect: ClassVar[str | None] = "at_least"

    def __post_init__(self) -> None:
        """Refuse a smallest effect that claims nothing."""
        if self.at_least == self.null or (self.null == 1 and self.at_least <= 0):
            raise ValueError(f"a smallest effect of {self.at_least} against a null of {self.null} claims nothing")

    @property
    def _up(self) -> bool:
        return self.at_least > self.null

    @property
    def _mirror(self) -> float:
        return 1 / self.at_least if self.null == 1 else 2 * self.null - self.at_least

    def supports(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """The (1-alpha) interval excludes the null on the claimed side and the estimate reaches the smallest effect."""
        low, high = estimate.interval(1 - alpha)
        if self._up:
            return low > self.null and estimate.value >= self.at_least
        return high < self.null and estimate.value <= self.at_least

    def contradicts(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """The (1-2 alpha) interval stays short of the smallest effect."""
        low, high = estimate.interval(1 - 2 * alpha)
        return high < self.at_least if self._up else low > self.at_least

    def why(self, estimate: Judgeable, word: str) -> str:
        """Tells a reversed effect from a negligible and from a merely smaller one."""
        if word == SUPPORTED:
            return "The interval lies on the claimed side and the estimate reaches the smallest effect that matters."
        if word == INCONCLUSIVE:
            return "The interval leaves open whether the smallest effect that matters is reached."
        low, high = estimate.interval(1 - ALPHA)
        low90, high90 = estimate.interval(1 - 2 * ALPHA)
        if (low90 > self._mirror) if self._up else (high90 < self._mirror):
            return "Negligible: whatever effect there is lies below the smallest one that matters."
        if (high < self.null) if self._up else (low > self.null):
            return "Reversed: the effect goes the other way."
        return "Smaller than claimed: the interval stays short of the smallest effect that matters."

    def text(self, unit: str) -> str:
        """The rule as a sentence."""
        side, reach, short = ("above", "at least", "below") if self._up else ("below", "at most", "above")
        null, least = quantity(self.null, unit), quantity(self.at_least, unit)
        return (
            f"Supported when the 95% interval lies {side} {null} and the estimate is {reach} {least}; "
            f"contradicted when the 90% interval lies {short} {least}."
        )


@dataclass(frozen=True)
class ModelComparison(Directional):
    """A fuller model foretells unseen customers better by at least a stated gain."""

    at_least: float = 0.01
    null: float = 0.0
    kind: ClassVar[str] = "model comparison"


@dataclass(frozen=True)
class NoEffect(SimpleRule):
    """There is no effect worth speaking of: absence of significance is never enough, equivalence must be shown.

    `against` names the side that would refute the claim: "both", "above" or "below"; with one side, an effect on
    the other side does not count against it. With `null` = 1 the quantity is a ratio, `within` = 1.10 means 1/1.10
    to 1.10.
    """

    within: float
    against: str = "both"
    null: float = 0.0
    kind: ClassVar[str] = "no-effect"
    effect: ClassVar[str | None] = "within"

    def __post_init__(self) -> None:
        """Refuse a margin or side that means nothing."""
        if self.within <= self.null or self.against not in ("both", "above", "below"):
            raise ValueError(f"a no-effect rule needs a margin and a known side, not {self.within}, {self.against}")

    @property
    def _margin(self) -> tuple[float, float]:
        return (1 / self.within if self.null == 1 else -self.within), self.within

    def supports(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """The (1-2 alpha) interval lies inside the margin (on the side or sides that count)."""
        (low, high), (least, most) = estimate.interval(1 - 2 * alpha), self._margin
        return (self.against == "below" or high < most) and (self.against == "above" or low > least)

    def contradicts(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """The (1-alpha) interval excludes the null on a side that counts and the estimate reaches the margin."""
        (low, high), (least, most) = estimate.interval(1 - alpha), self._margin
        above = low > self.null and estimate.value >= most
        below = high < self.null and estimate.value <= least
        return (above and self.against != "below") or (below and self.against != "above")

    def why(self, estimate: Judgeable, word: str) -> str:
        """The reason in words."""
        return {
            SUPPORTED: "The whole 90% interval is smaller than anything that matters.",
            CONTRADICTED: "The effect that the claim denies is there, and it is large enough to matter.",
            INCONCLUSIVE: "The interval reaches beyond what is negligible without showing an effect that matters.",
        }[word]

    def text(self, unit: str) -> str:
        """The rule as a sentence."""
        least, most = (quantity(end, unit) for end in self._margin)
        sides = {"both": f"inside {least} to {most}", "above": f"below {most}", "below": f"above {least}"}
        return (
            f"Supported when the 90% interval lies {sides[self.against]}; contradicted when the 95% interval excludes "
            f"{quantity(self.null, unit)} and the estimate lies beyond that"
            f"{'' if self.against == 'both' else ' on the side that counts'}."
        )


@dataclass(frozen=True)
class Threshold(SimpleRule):
    """The quantity is at least (or, with `below`, at most) a stated value."""

    at_least: float
    below: bool = False
    kind: ClassVar[str] = "threshold"

    def supports(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """The (1-alpha) interval lies wholly on the claimed side, its end included."""
        low, high = estimate.interval(1 - alpha)
        return high <= self.at_least if self.below else low >= self.at_least

    def contradicts(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """The (1-alpha) interval lies wholly on the other side."""
        low, high = estimate.interval(1 - alpha)
        return low > self.at_least if self.below else high < self.at_least

    def why(self, estimate: Judgeable, word: str) -> str:
        """The reason in words."""
        return {
            SUPPORTED: "The whole interval lies on the claimed side of the threshold.",
            CONTRADICTED: "The whole interval lies on the other side of the threshold.",
            INCONCLUSIVE: "The interval straddles the threshold.",
        }[word]

    def text(self, unit: str) -> str:
        """The rule as a sentence."""
        value = quantity(self.at_least, unit)
        here, there = ("at or below", "above") if self.below else ("at or above", "below")
        return f"Supported when the whole 95% interval lies {here} {value}; contradicted when all of it lies {there}."


@dataclass(frozen=True)
class Range(SimpleRule):
    """The quantity lies in the claimed range. `support_level` is the interval that must fit inside."""

    low: float
    high: float
    support_level: float = 0.95
    kind: ClassVar[str] = "range"

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if not self.low < self.high:
            raise ValueError(f"the range {self.low} to {self.high} is empty")

    def supports(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """The interval lies inside the range; at the default alpha the one of `support_level`."""
        low, high = estimate.interval(1 - alpha * (1 - self.support_level) / ALPHA)
        return self.low <= low and high <= self.high

    def contradicts(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """The (1-alpha) interval and the range have no point in common."""
        low, high = estimate.interval(1 - alpha)
        return high < self.low or low > self.high

    def why(self, estimate: Judgeable, word: str) -> str:
        """The reason in words, with the side on which the range is missed."""
        if word == SUPPORTED:
            return "The whole interval lies inside the claimed range."
        if word == INCONCLUSIVE:
            return "The interval lies partly inside and partly outside the claimed range."
        return f"The whole interval lies {'below' if estimate.value < self.low else 'above'} the claimed range."

    def text(self, unit: str) -> str:
        """The rule as a sentence."""
        low, high = quantity(self.low, unit), quantity(self.high, unit)
        return (
            f"Supported when the {100 * self.support_level:.0f}% interval lies inside {low} to {high}; "
            "contradicted when the 95% interval and that range have no point in common."
        )


@dataclass(frozen=True)
class Identity(SimpleRule):
    """A book-keeping identity: the estimate counts its violations, and one is too many."""

    kind: ClassVar[str] = "identity"

    def supports(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """No violation."""
        return estimate.value == 0

    def contradicts(self, estimate: Judgeable, alpha: float = ALPHA) -> bool:
        """Any violation."""
        return estimate.value != 0

    def why(self, estimate: Judgeable, word: str) -> str:
        """The reason in words."""
        return "The books close in every period." if word == SUPPORTED else "The books do not close in every period."

    def text(self, unit: str) -> str:
        """The rule as a sentence."""
        return "Supported when the identity holds in every period up to rounding; contradicted by any violation."


@dataclass(frozen=True)
class Part:
    """One part of a compound rule: its rule, its unit, and what it measures.

    A part `speaks` "both" ways; only "for" the claim, when missing it does not refute; or only "against" it, when
    reaching it does not support.
    """

    rule: SimpleRule
    unit: str
    estimand: str = ""
    speaks: str = "both"
    label: str = field(default="", compare=False)  # for readers; decides nothing


@dataclass(frozen=True)
class Compound:
    """At least `k` of the named parts hold; `k` = None asks for all of them.

    All: supported when every part is, each at 95%. Fewer than all: support of the parts is read at Holm-adjusted
    levels. Contradicted when so many parts are, each at the Bonferroni level, that `k` can no longer be reached.
    Parts that speak one way only count on that side alone, and only where all are asked for. When the claim holds
    and fails at once, the verdict is inconclusive.

    Source: Holm (1979), Scandinavian Journal of Statistics 6.
    """

    parts: Mapping[str, Part]
    k: int | None = None
    kind: ClassVar[str] = "compound"

    def __post_init__(self) -> None:
        """Refuse a rule without parts or with an impossible number of them."""
        if not self.parts or not 1 <= self._needed <= len(self.parts):
            raise ValueError(f"{self._needed} of {len(self.parts)} parts cannot be asked for")
        spoken = {part.speaks for part in self.parts.values()}
        if not spoken <= {"both", "for", "against"} or (self.k is not None and spoken != {"both"}):
            raise ValueError(f"parts cannot speak {sorted(spoken)} here")

    def _voices(self, silent: str) -> dict[str, Part]:
        return {name: part for name, part in self.parts.items() if part.speaks != silent}

    @property
    def _needed(self) -> int:
        return len(self._voices("against")) if self.k is None else self.k

    @property
    def smallest_effect(self) -> dict[str, float | None]:
        """The smallest effect of each part."""
        return {name: part.rule.smallest_effect for name, part in self.parts.items()}

    def supported_parts(self, estimates: Mapping[str, Judgeable]) -> set[str]:
        """The parts that hold: at 95% each when all are asked for, else by Holm's steps over all parts."""
        if self.k is None or self._needed == len(self.parts):
            for_it = self._voices("against")
            return {name for name, e in estimates.items() if name in for_it and for_it[name].rule.supports(e)}
        held: set[str] = set()
        while len(held) < len(self.parts):
            alpha = ALPHA / (len(self.parts) - len(held))
            more = {n for n, e in estimates.items() if n not in held and self.parts[n].rule.supports(e, alpha)}
            if not more:
                return held
            held |= more
        return held

    def contradicted_parts(self, estimates: Mapping[str, Judgeable]) -> set[str]:
        """The parts that are contradicted, each at the Bonferroni level."""
        against = self._voices("for")
        alpha = ALPHA / max(1, len(against))
        return {name for name, e in estimates.items() if name in against and against[name].rule.contradicts(e, alpha)}

    def judge(self, evidence: Mapping[str, Evidence] | NotTestable) -> Verdict:
        """The verdict over all parts, with each part's own verdict beside it.

        Raises:
            KeyError: the evidence does not name exactly the parts of the rule.
        """
        if isinstance(evidence, NotTestable):
            return Verdict(NOT_TESTABLE, evidence.reason)
        if set(evidence) != set(self.parts):
            raise KeyError(f"the rule has parts {sorted(self.parts)}, the evidence {sorted(evidence)}")
        single = {name: part.rule.judge(evidence[name]) for name, part in self.parts.items()}
        known = {name: e for name, e in evidence.items() if not isinstance(e, NotTestable)}
        missing = [name for name in self.parts if name not in known]
        held = len(self.supported_parts(known)) >= self._needed
        failed = len(self.contradicted_parts(known)) > (0 if self.k is None else len(self.parts) - self.k)
        if held and failed:
            return Verdict(INCONCLUSIVE, "The parts speak for and against the claim at once.", single)
        if held or failed:
            word = SUPPORTED if held else CONTRADICTED
            return Verdict(word, self._reason(single, word), single)
        if missing and (self.k is None or len(known) < self._needed):
            reasons = dict.fromkeys(single[name].reason.rstrip(".") for name in missing)
            return Verdict(NOT_TESTABLE, f"{'. '.join(reasons)}. The rule asks for {self._ask}.", single)
        return Verdict(INCONCLUSIVE, self._reason(single, INCONCLUSIVE), single)

    @property
    def _ask(self) -> str:
        if self.k is None or self._needed == len(self.parts):
            return "every part" if len(self.parts) > 1 else "the part"
        return f"at least {self._needed} of {len(self.parts)} parts"

    def label(self, name: str) -> str:
        """A part's name as people read it."""
        return self.parts[name].label or spoken(name)

    def _reason(self, single: Mapping[str, Verdict], word: str) -> str:
        said = "; ".join(f"{self.label(name)}: {verdict.word}" for name, verdict in single.items())
        return f"{said[:1].upper()}{said[1:]}. The rule asks for {self._ask}."

    def text(self, unit: str) -> str:
        """The rule as a sentence a part."""
        way = {"both": "", "for": " (can only support)", "against": " (can only refute)"}
        parts = " ".join(f"{self.label(name)}{way[p.speaks]}: {p.rule.text(p.unit)}" for name, p in self.parts.items())
        return f"The claim needs {self._ask}. {parts}{self._strictness()}"

    def _strictness(self) -> str:
        """How the parts are read together, where that differs from reading each alone."""
        voices = len(self._voices("for"))
        if voices < 2:
            return ""
        holm = self.k is not None and self._needed < len(self.parts)
        support = " Support is read at Holm's stricter levels." if holm else ""
        return (
            f" Because {voices} parts can refute, the whole counts one as contradicted only at an error of "
            f"{100 * ALPHA / voices:.2g}%, not 5%.{support}"
        )

    def with_smallest_effect(self, value: float | Mapping[str, float]) -> Compound:
        """The same rule with other smallest effects: one number for parts that share theirs, or one a named part.

        Raises:
            ValueError: one number, but the parts have different smallest effects; or a name is not a part.
        """
        if not isinstance(value, Mapping):
            if len(set(self.smallest_effect.values())) > 1:
                raise ValueError(f"its parts differ; name them: {', '.join(self.parts)}")
            value = dict.fromkeys(self.parts, value)
        if unknown := set(value) - set(self.parts):
            raise ValueError(f"no part {sorted(unknown)}; the parts are {sorted(self.parts)}")
        changed = {
            n: replace(p, rule=p.rule.with_smallest_effect(value[n])) for n, p in self.parts.items() if n in value
        }
        return replace(self, parts={**self.parts, **changed})

    def as_dict(self) -> dict[str, Any]:
        """The rule as plain data, enough to judge again."""
        parts = {
            n: {"rule": p.rule.as_dict(), "unit": p.unit, "estimand": p.estimand, "speaks": p.speaks}
            for n, p in self.parts.items()
        }
        return {"kind": self.kind, "k": self.k, "parts": parts}


Rule = SimpleRule | Compound


def all_of(**parts: Part) -> Compound:
    """A claim that needs every part."""
    return Compound(parts)


def any_of(**parts: Part) -> Compound:
    """A claim that needs one part."""
    return Compound(parts, k=1)


def at_least(k: int, **parts: Part) -> Compound:
    """A claim that needs `k` of its parts."""
    return Compound(parts, k=k)
