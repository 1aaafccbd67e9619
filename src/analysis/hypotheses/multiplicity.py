"""Many claims at once: the error at which each would still be supported, and which survive when all are counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from analysis.estimates import NotTestable
from analysis.hypotheses.rules import Compound, Evidence, Identity, Judgeable, Rule, SimpleRule

SMALLEST = 1e-9  # no error level below this is told apart


def smallest_error(rule: Rule, evidence: Evidence | Mapping[str, Evidence]) -> float | None:
    """The smallest level of error at which the rule would support the claim: its p-value.

    Args:
        rule: of the claim; for a compound one the evidence is one a part.
        evidence: what it judges.

    Returns:
        1 where no level would do, as when the estimate stays short of the smallest effect; None where nothing was
        estimated, or where the rule is an identity. Where all parts must hold, the largest of theirs; where k must,
        the k-th of theirs in Holm's steps.
    Source: Berger (1982), Technometrics 24 (all parts); Holm (1979), Scandinavian Journal of Statistics 6.
    """
    if isinstance(rule, Compound):
        if not isinstance(evidence, Mapping):
            return None
        asked = {name: part for name, part in rule.parts.items() if part.speaks != "against"}
        each = [smallest_error(part.rule, evidence[name]) for name, part in asked.items()]
        known = sorted(p for p in each if p is not None)
        needed, size = len(asked) if rule.k is None else rule.k, len(asked)
        if len(known) < needed:
            return None
        if needed == size:
            return known[-1]
        return min(1.0, max((size - place) * p for place, p in enumerate(known[:needed])))
    if isinstance(evidence, NotTestable | Mapping) or isinstance(rule, Identity):
        return None
    return _least(rule, evidence)


def _least(rule: SimpleRule, estimate: Judgeable) -> float:
    """By halving, on logarithms: support at one level means support at every larger one."""
    low, high = math.log(SMALLEST), math.log(0.999)
    if not rule.supports(estimate, math.exp(high)):
        return 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if rule.supports(estimate, math.exp(middle)) else (middle, high)
    return math.exp(high)


def survivors(errors: Sequence[float]) -> list[float]:
    """Each p-value as Benjamini and Hochberg adjust it: the rate of false findings at which it would still be named.

    Source: Benjamini & Hochberg (1995), Journal of the Royal Statistical Society B 57; theirs holds for claims that
        are independent or go together, as claims on the same customers mostly do.
    """
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(list(errors), method="fdr_bh")[1]] if len(errors) else []
