"""Judges findings again from what findings.json holds of them, and nothing else."""

import math
from dataclasses import dataclass, fields

from analysis.estimates import NotTestable
from analysis.findings import _capped, _key
from analysis.hypotheses import rules
from analysis.hypotheses.rules import Compound, Part

SIMPLE = (rules.Directional, rules.ModelComparison, rules.NoEffect, rules.Threshold, rules.Range, rules.Identity)


@dataclass(frozen=True)
class Recorded:
    """An estimate as an entry of findings.json holds it."""

    value: float
    unit: str
    intervals: dict

    def interval(self, level):
        low, high = self.intervals[_key(level)]
        return (-math.inf if low is None else low), (math.inf if high is None else high)


def rule_from_dict(data):
    """The rule that `as_dict` wrote."""
    if data["kind"] == Compound.kind:
        parts = {
            name: Part(rule_from_dict(part["rule"]), part["unit"], part["estimand"], part["speaks"])
            for name, part in data["parts"].items()
        }
        return Compound(parts, data["k"])
    known = {rule.kind: rule for rule in SIMPLE}[data["kind"]]
    return known(**{field.name: data[field.name] for field in fields(known)})


def read_back(figures):
    if figures["estimate"] is None:
        return NotTestable(figures["reason"])
    return Recorded(figures["estimate"], figures["unit"], figures["intervals"])


def judge_again(entry):
    """The verdict of an entry of findings.json, derived from the entry alone."""
    rule = rule_from_dict(entry["rule"])
    several = {part["name"]: read_back(part) for part in entry["parts"]}
    return _capped(rule.judge(several if isinstance(rule, Compound) else read_back(entry)), entry).word
