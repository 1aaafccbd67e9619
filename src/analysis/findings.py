"""A finding is a hypothesis, an estimate, a verdict, the rung it stands on, and where all that came from.

A notebook records findings by showing them: the entry travels in the cell's output, so that the executed notebook
is the record and JupyterLab shows the same card as the report. The runner collects the entries and adds what only
it knows: notebook, parameters, digests, versions, time.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis import calibrated, exhibits, hypotheses
from analysis.estimates import NORMAL, Estimate, NotTestable
from analysis.hypotheses.multiplicity import smallest_error
from analysis.hypotheses.register import RUNGS, Hypothesis
from analysis.hypotheses.rules import (
    ASSOCIATION,
    CONTRADICTED,
    INCONCLUSIVE,
    SUPPORTED,
    Compound,
    Directional,
    NoEffect,
    Range,
    Rule,
    SimpleRule,
    Threshold,
    Verdict,
)
from analysis.studies import Study
from analysis.tables import SettingsError
from analysis.words import quantity

SCHEMA_VERSION = 1
MIME = "application/vnd.loyalty.finding+json"
LEVEL = 0.95

Evidence = Estimate | NotTestable | Mapping[str, Estimate | NotTestable]


# --- an estimate that remembers which intervals the rule asked for -------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    """Wraps an estimate and notes each interval a rule looks at, so that the entry holds what the verdict used."""

    estimate: Estimate
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def value(self) -> float:
        return self.estimate.value

    @property
    def unit(self) -> str:
        return self.estimate.unit

    def interval(self, level: float) -> tuple[float, float]:
        ends = self.estimate.interval(level)
        self.intervals[_key(level)] = ends
        return ends


def _key(level: float) -> str:
    return f"{level:.6f}"


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


# --- from evidence to an entry ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Findings:
    """The readings of one hypothesis on one study; shows itself as cards, the headline first."""

    entries: tuple[dict[str, Any], ...]

    @property
    def headline(self) -> dict[str, Any]:
        """The entry that the board shows."""
        return next(entry for entry in self.entries if entry["headline"])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        text = "\n".join(f"{e['hypothesis']} ({e['reading']}): {e['verdict']}. {e['reason']}" for e in self.entries)
        return {
            MIME: {"entries": list(self.entries)},
            "text/html": exhibits.findings_html(self.entries),
            "text/plain": text,
        }


def record(
    hypothesis_id: str,
    *,
    study: Study,
    readings: Mapping[str, Evidence],
    headline: str,
    design: str,
    rung: str | Mapping[str, str] = "B",
    seed: int | None = None,
    limit: str | None = None,
    association: str | None = None,
) -> Findings:
    """Judge every reading of a claim by its frozen rule and show the result.

    Args:
        hypothesis_id: a row of the register.
        study: whose data gave the estimates.
        readings: name -> estimate (for a compound rule: part -> estimate), or `NotTestable`.
        headline: the reading that the board shows.
        design: how these data were used, in a sentence.
        rung: the rung reached, a key of `RUNGS`; or reading -> rung, where they differ.
        seed: of the random numbers behind the intervals.
        limit: why these data cannot carry more than *inconclusive*; None when they can.
        association: why support is an association and no more, though the claim is not causal; None when it is more.

    Raises:
        KeyError: the hypothesis, or the headline, is not there.
        ValueError: the rung is unknown or higher than the claim can reach.
    """
    hypothesis = hypotheses.get(hypothesis_id)
    if headline not in readings:
        raise KeyError(f"{hypothesis_id}: the headline {headline!r} is not among the readings {list(readings)}")
    rungs = dict.fromkeys(readings, rung) if isinstance(rung, str) else rung
    for reached in (rungs[name] for name in readings):
        if reached not in RUNGS or reached > hypothesis.rung:
            raise ValueError(f"{hypothesis_id} can reach rung {hypothesis.rung}, not {reached}")
    rule, changed = rule_of(hypothesis, study)
    shared = {
        "hypothesis": hypothesis.id,
        "claim": hypothesis.claim,
        "study": study.name,
        "simulated": study.simulated,
        "estimand": hypothesis.estimand,
        "level": LEVEL,
        "smallest_effect": rule.smallest_effect,
        "rule": rule.as_dict() | {"text": rule.text(hypothesis.unit)},
        "causal": hypothesis.causal,
        "design": design,
        "limit": limit,
        "association": association,
        "calibration": calibrated.standing(hypothesis.id),
        "seed": seed,
        "currency": study.currency,
        "changed": changed,
        "register_digest": hypotheses.digest(),
        "schema_version": SCHEMA_VERSION,
    }
    ordered = [headline, *(name for name in readings if name != headline)]
    entries = [
        whole | _judged(hypothesis, rule, readings[name], whole)
        for name in ordered
        for whole in [shared | {"reading": name, "headline": name == headline, "rung": rungs[name]}]
    ]
    return Findings(tuple(entries))


def check_effects(study: Study) -> None:
    """Make sure that every smallest effect a study sets fits its rule.

    Raises:
        SettingsError: one does not; the message says what the rule takes.
    """
    for name, value in study.smallest_effects.items():
        try:
            hypotheses.get(name).rule.with_smallest_effect(value)
        except ValueError as error:
            raise SettingsError(f"study {study.name}, smallest_effects.{name} = {value}: {error}.") from None


def rule_of(hypothesis: Hypothesis, study: Study) -> tuple[Rule, list[dict[str, Any]]]:
    """The rule with the study's own smallest effect, and what was changed against the register."""
    chosen = study.smallest_effects.get(hypothesis.id)
    if chosen is None:
        return hypothesis.rule, []
    rule = hypothesis.rule.with_smallest_effect(chosen)
    change = {
        "what": "smallest effect",
        "name": hypothesis.id,
        "default": hypothesis.rule.smallest_effect,
        "value": rule.smallest_effect,
    }
    return rule, [] if change["default"] == change["value"] else [change]


def _judged(hypothesis: Hypothesis, rule: Rule, evidence: Evidence, shared: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an entry that differs between readings; `shared` is the rest of it."""
    if isinstance(rule, Compound):
        return _judged_parts(hypothesis, rule, evidence, shared)
    assert not isinstance(evidence, Mapping), f"{hypothesis.id} has a simple rule: one estimate a reading"
    asked = evidence if isinstance(evidence, NotTestable) else _Asked(evidence)
    verdict = _capped(rule.judge(asked), shared)
    return _figures(asked, hypothesis.unit) | {
        "p_support": smallest_error(rule, evidence),
        "verdict": verdict.word,
        "reason": verdict.reason,
        "reach": reach(rule, evidence, limit=shared["limit"]),
        "parts": [],
    }


def _judged_parts(
    hypothesis: Hypothesis, rule: Compound, evidence: Evidence, shared: Mapping[str, Any]
) -> dict[str, Any]:
    given: Mapping[str, Any] = dict.fromkeys(rule.parts, evidence) if not isinstance(evidence, Mapping) else evidence
    asked = {name: e if isinstance(e, NotTestable) else _Asked(e) for name, e in given.items()}
    whole = evidence if isinstance(evidence, NotTestable) else asked
    raw = rule.judge(whole)
    verdict = _capped(raw, shared)
    parts = []
    for name, part in rule.parts.items():
        single = part.rule.judge(asked[name])
        parts.append(
            {"name": name, "label": rule.label(name), "estimand": part.estimand}
            | _figures(asked[name], part.unit)
            | {
                "smallest_effect": part.rule.smallest_effect,
                "rule": part.rule.as_dict() | {"text": part.rule.text(part.unit)},
                "verdict": single.word,
                "reason": single.reason,
                "reach": reach(part.rule, given[name], limit=shared["limit"]),
            }
        )
    leading = _leading(parts, verdict.word)
    top = {k: leading[k] for k in ("estimate", "low", "high", "low90", "high90", "unit", "n", "events", "method")}
    return top | {
        "estimate_of": leading["name"],
        "p_support": smallest_error(rule, given),
        "verdict": verdict.word,
        "reason": verdict.reason,
        "reach": leading["reach"] if verdict.word == INCONCLUSIVE else "",
        "parts": parts,
    }


def _leading(parts: list[dict[str, Any]], word: str) -> dict[str, Any]:
    """The part whose figures stand for the whole: the first that points where the verdict points."""
    known = [p for p in parts if p["estimate"] is not None] or parts
    wanted = SUPPORTED if word == ASSOCIATION else word
    return next((p for p in known if p["verdict"] == wanted), known[0])


def _figures(asked: _Asked | NotTestable, unit: str) -> dict[str, Any]:
    """The numbers of an estimate, finite or null."""
    names = ("estimate", "low", "high", "low90", "high90")
    if isinstance(asked, NotTestable):
        return dict.fromkeys(names) | {"unit": unit, "n": None, "events": None, "method": None, "intervals": {}}
    (low, high), (low90, high90) = asked.interval(LEVEL), asked.interval(0.90)
    figures = zip(names, (asked.value, low, high, low90, high90), strict=True)
    return {name: _finite(value) for name, value in figures} | {
        "unit": asked.unit,
        "n": asked.estimate.n,
        "events": asked.estimate.events,
        "method": asked.estimate.method,
        "intervals": {k: [_finite(a), _finite(b)] for k, (a, b) in sorted(asked.intervals.items())},
    }


def verdict(hypothesis_id: str, evidence: Evidence, *, rung: str, association: str | None = None) -> Verdict:
    """What evidence on a rung says of a claim, by its frozen rule and without a study; `association` as in `record`."""
    hypothesis = hypotheses.get(hypothesis_id)
    asked = {"causal": hypothesis.causal, "rung": rung, "limit": None, "association": association}
    return _capped(hypothesis.rule.judge(evidence), asked)  # type: ignore[arg-type]


def _capped(verdict: Verdict, entry: Mapping[str, Any]) -> Verdict:
    """The verdict after what the design allows: no cause below rung D, nothing decided where a limit holds."""
    limit, untested = entry["limit"], entry.get("association")
    if entry["causal"] and entry["rung"] < "D":
        untested = "These data cannot test the cause."
    if limit and verdict.word in (SUPPORTED, CONTRADICTED):
        return Verdict(
            INCONCLUSIVE, f"Taken at face value: {verdict.word}. {limit[:1].upper()}{limit[1:]}", verdict.parts
        )
    if verdict.word == SUPPORTED and untested:
        return Verdict(ASSOCIATION, f"{verdict.reason} {untested}", verdict.parts)
    return verdict


# --- what these data could have shown -----------------------------------------------------------------------------


def reach(rule: SimpleRule, evidence: Any, *, limit: str | None = None) -> str:
    """What effect these data could have shown, and for an open verdict how many more cases would settle it.

    With standard error s and smallest effect d (on logs for ratios), an effect of max(2.80 s, d + 0.84 s) is found
    four times in five; a sample with s at most 0.34 d decides between that effect and none. For a threshold or a
    range the sample is the one whose interval clears the nearest bound four times in five. Where a limit holds, no
    number of cases settles anything. Empty where the rule has no sampling error to speak of.
    """
    if isinstance(evidence, NotTestable):
        return ""
    low, high = evidence.interval(0.90)
    ratio = isinstance(rule, Directional | NoEffect) and rule.null == 1
    if (ratio and low <= 0) or not all(map(math.isfinite, (low, high))) or high <= low:
        return ""
    scale: Callable[[float], float] = math.log if ratio else float
    se = (scale(high) - scale(low)) / (2 * 1.6449)
    said, allowed = "", se
    if isinstance(rule, Directional | NoEffect):
        smallest = scale(rule.smallest_effect or 0.0) - scale(rule.null)
        found = math.copysign(max(2.80 * se, abs(smallest) + 0.84 * se), smallest)
        shown = quantity(math.exp(found) if ratio else found, evidence.unit)
        said, allowed = f"Data like these find an effect of {shown} four times in five.", 0.34 * abs(smallest)
    elif isinstance(rule, Threshold | Range):
        bounds = [rule.at_least] if isinstance(rule, Threshold) else [rule.low, rule.high]
        level = rule.support_level if isinstance(rule, Range) else LEVEL
        cleared = NORMAL.inv_cdf((1 + level) / 2) + 0.84
        allowed = min(abs(evidence.value - bound) for bound in bounds) / cleared
    if rule.judge(evidence).word != INCONCLUSIVE or not 0 < allowed < se:
        return said
    if limit:
        return f"{said} More cases of this kind would not settle it.".strip()
    times = float(f"{(se / allowed) ** 2:.2g}")
    return f"{said} About {times:,.{0 if times >= 10 else 1}f} times as many cases would settle it.".strip()


# --- reading findings back ----------------------------------------------------------------------------------------


def read(path: Path) -> list[dict[str, Any]]:
    """The entries of a findings.json; an empty list when there is none yet."""
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def latest() -> list[dict[str, Any]]:
    """The findings of the report that is being made, or, in JupyterLab, of the last one published.

    The runner names the file in the environment variable LOYALTY_FINDINGS; otherwise the nearest
    `reports/site/findings.json` upwards from the current folder is read.
    """
    if named := os.environ.get("LOYALTY_FINDINGS"):
        return read(Path(named))
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "reports/site/findings.json").exists():
            return read(folder / "reports/site/findings.json")
    return []


def waits_for(hypothesis: Hypothesis, available: Mapping[str, Iterable[str]]) -> list[str]:
    """The tables and columns that a claim needs and a study lacks, as "table.column" or "table"."""
    missing: list[str] = []
    for table, columns in hypothesis.needs.items():
        # "subscriptions|orders" and "quality|satisfaction" are met by either
        brought = [set(available[one]) for one in table.split("|") if one in available]
        if not brought:
            missing.append(table)
        else:
            missing += [f"{table}.{c}" for c in columns if not any(set(c.split("|")) & one for one in brought)]
    return missing


def available(study: Study) -> dict[str, set[str]]:
    """What a study brings: table -> its columns, as mapped and as checked; for surveys its constructs too.

    A table that breaks its contract counts as brought, with the columns it maps.
    """
    brought = {
        name: set(settings.columns) | set(settings.covariates) for name, settings in study.settings.tables.items()
    }
    for checked in study.check().tables:
        brought[checked.name] |= set(checked.rows.columns)
    if "surveys" in brought:
        levels = ("expectation", "perception", "desired", "adequate", "predicted")
        brought["surveys"] |= set(study.constructs)
        brought["surveys"] |= {level for level in levels for pair in study.settings.pairs if getattr(pair, level)}
        if any(construct.startswith("rival_") for construct in study.constructs):
            brought["surveys"].add("rival_NAME")  # as the register writes "a rival's rating, whatever their name"
    return brought
