"""The rules: both sides of every boundary, their wrong verdicts under the null, and the way through JSON."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import rule_from_dict

from analysis.estimates import Estimate, NotTestable
from analysis.hypotheses import rules
from analysis.hypotheses.rules import (
    ALPHA,
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_TESTABLE,
    SUPPORTED,
    Directional,
    Identity,
    ModelComparison,
    NoEffect,
    Part,
    Range,
    Threshold,
    all_of,
    any_of,
    at_least,
)

Z90, Z95 = 1.6448536269514722, 1.959963984540054
TINY = 1e-9


def estimate(value, se, unit="points"):
    return Estimate.normal(value, se, unit=unit, n=100)


def ratio(value, se_log):
    return Estimate.log_normal(value, se_log, unit="ratio", n=100)


# --- directional --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "se", "word"),
    [
        (0.02, 0.02 / Z95 - TINY, SUPPORTED),  # reaches the smallest effect, lower end just above zero
        (0.02, 0.02 / Z95 + TINY, INCONCLUSIVE),  # lower end just below zero
        (0.02 - TINY, 0.001, INCONCLUSIVE),  # certain, but just short of the smallest effect
        (0.01, 0.01 / Z90 - TINY, CONTRADICTED),  # 90% end just below the smallest effect
        (0.01, 0.01 / Z90 + TINY, INCONCLUSIVE),
    ],
)
def test_directional_on_both_sides_of_each_boundary(value, se, word):
    assert Directional(at_least=0.02).judge(estimate(value, se)).word == word
    assert Directional(at_least=-0.02).judge(estimate(-value, se)).word == word, "the mirror image must agree"


@pytest.mark.parametrize(
    ("value", "se_log", "word"),
    [
        (1.05, math.log(1.05) / Z95 - TINY, SUPPORTED),
        (1.05, math.log(1.05) / Z95 + TINY, INCONCLUSIVE),
        (0.94, 0.02, CONTRADICTED),
    ],
)
def test_a_ratio_is_judged_against_one(value, se_log, word):
    assert Directional(at_least=1.05, null=1).judge(ratio(value, se_log)).word == word
    assert Directional(at_least=1 / 1.05, null=1).judge(ratio(1 / value, se_log)).word == word


def test_a_contradicted_direction_says_how():
    rule = Directional(at_least=0.02)
    assert rule.judge(estimate(-0.05, 0.01)).reason.startswith("Reversed")
    assert rule.judge(estimate(0.0, 0.005)).reason.startswith("Negligible")
    # 90% interval from -0.026 to 0.006: neither wholly below zero at 95% nor wholly above minus the smallest effect
    assert rule.judge(estimate(-0.01, 0.01)).reason.startswith("Smaller than claimed")


def test_model_comparison_asks_for_a_hundredth_by_default():
    assert ModelComparison().judge(estimate(0.012, 0.004, "gain")).word == SUPPORTED
    assert ModelComparison().judge(estimate(0.002, 0.004, "gain")).word == CONTRADICTED
    assert ModelComparison().judge(estimate(0.012, 0.02, "gain")).word == INCONCLUSIVE


# --- no effect ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "se", "against", "word"),
    [
        (0.0, 0.02 / Z90 - TINY, "both", SUPPORTED),
        (0.0, 0.02 / Z90 + TINY, "both", INCONCLUSIVE),
        (0.02, 0.02 / Z95 - TINY, "both", CONTRADICTED),
        (-0.02, 0.02 / Z95 - TINY, "both", CONTRADICTED),
        (0.02 - TINY, 0.005, "both", INCONCLUSIVE),  # real, but just short of mattering
        (-0.05, 0.01, "above", SUPPORTED),  # harm does not speak against "creates no loyalty"
        (0.05, 0.01, "above", CONTRADICTED),
        (0.05, 0.01, "below", SUPPORTED),
        (-0.05, 0.01, "below", CONTRADICTED),
    ],
)
def test_no_effect_on_both_sides_of_each_boundary(value, se, against, word):
    assert NoEffect(within=0.02, against=against).judge(estimate(value, se)).word == word


@pytest.mark.parametrize(
    ("value", "se_log", "word"),
    [
        (1.0, math.log(1.10) / Z90 - TINY, SUPPORTED),
        (1.0, math.log(1.10) / Z90 + TINY, INCONCLUSIVE),
        (1 / 1.10 - TINY, 0.04, CONTRADICTED),
        (1 / 1.10 + TINY, 0.04, INCONCLUSIVE),
    ],
)
def test_no_effect_on_a_ratio_is_even_on_logs(value, se_log, word):
    assert NoEffect(within=1.10, null=1).judge(ratio(value, se_log)).word == word
    assert NoEffect(within=1.10, null=1).judge(ratio(1 / value, se_log)).word == word


def test_an_estimate_too_rough_to_tell_is_never_support_for_no_effect():
    assert NoEffect(within=0.02).judge(estimate(0, 10)).word == INCONCLUSIVE


# --- threshold, range, identity -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (2 + Z95 + TINY, SUPPORTED),
        (2 + Z95 - TINY, INCONCLUSIVE),
        (2 - Z95 - TINY, CONTRADICTED),
        (2 - Z95 + TINY, INCONCLUSIVE),
    ],
)
def test_threshold_on_both_sides_of_each_boundary(value, word):
    assert Threshold(at_least=2).judge(estimate(value, 1, "ratio")).word == word
    assert Threshold(at_least=-2, below=True).judge(estimate(-value, 1, "ratio")).word == word


@pytest.mark.parametrize(
    ("value", "se", "word"),
    [
        (0.625, 0.375 / Z95 - TINY, SUPPORTED),
        (0.625, 0.375 / Z95 + TINY, INCONCLUSIVE),
        (1.0 + Z95 * 0.1 + TINY, 0.1, CONTRADICTED),
        (1.0 + Z95 * 0.1 - TINY, 0.1, INCONCLUSIVE),
        (0.25 - Z95 * 0.1 - TINY, 0.1, CONTRADICTED),
    ],
)
def test_range_on_both_sides_of_each_boundary(value, se, word):
    assert Range(0.25, 1.0).judge(estimate(value, se, "growth")).word == word


def test_a_range_can_be_supported_at_ninety_per_cent():
    rule = Range(0.95, 1.05, support_level=0.90)
    assert rule.judge(estimate(1.0, 0.05 / Z90 - TINY, "ratio")).word == SUPPORTED
    assert rule.judge(estimate(1.0, 0.05 / Z90 + TINY, "ratio")).word == INCONCLUSIVE
    # contradiction still needs the 95% interval
    assert rule.judge(estimate(1.05 + 0.05 * Z95 + TINY, 0.05, "ratio")).word == CONTRADICTED
    assert rule.judge(estimate(1.05 + 0.05 * Z95 - TINY, 0.05, "ratio")).word == INCONCLUSIVE


def test_one_violation_breaks_an_identity():
    assert Identity().judge(Estimate.exact(0, unit="violations", n=12)).word == SUPPORTED
    assert Identity().judge(Estimate.exact(1, unit="violations", n=12)).word == CONTRADICTED


@pytest.mark.parametrize(
    "rule", [Directional(0.1), NoEffect(0.1), Threshold(2), Range(0, 1), Identity(), ModelComparison()]
)
def test_without_an_estimate_nothing_is_testable(rule):
    assert rule.judge(NotTestable("no orders")) == rules.Verdict(NOT_TESTABLE, "no orders")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Directional(0),
        lambda: Directional(-1, null=1),
        lambda: NoEffect(0),
        lambda: NoEffect(0.1, against="left"),
        lambda: Range(1, 1),
        lambda: all_of(),
        lambda: at_least(3, a=Part(Directional(1), "ratio"), b=Part(Directional(1), "ratio")),
    ],
)
def test_a_rule_that_claims_nothing_is_refused(make):
    with pytest.raises(ValueError, match=r"nothing|margin|empty|cannot be asked"):
        make()


# --- compound -----------------------------------------------------------------------------------------------------

PART = Part(Directional(at_least=0.02), "points")
GOOD, BAD, OPEN = estimate(0.05, 0.01), estimate(-0.05, 0.01), estimate(0.02, 0.05)


@pytest.mark.parametrize(
    ("given_parts", "word"),
    [
        ((GOOD, GOOD), SUPPORTED),
        ((GOOD, OPEN), INCONCLUSIVE),
        ((GOOD, BAD), CONTRADICTED),
        ((OPEN, BAD), CONTRADICTED),
        ((OPEN, OPEN), INCONCLUSIVE),
        ((GOOD, NotTestable("none")), NOT_TESTABLE),
        ((BAD, NotTestable("none")), CONTRADICTED),
    ],
)
def test_all_of(given_parts, word):
    assert all_of(a=PART, b=PART).judge(dict(zip("ab", given_parts, strict=True))).word == word


@pytest.mark.parametrize(
    ("given_parts", "word"),
    [
        ((GOOD, BAD), SUPPORTED),
        ((OPEN, BAD), INCONCLUSIVE),
        ((BAD, BAD), CONTRADICTED),
        ((GOOD, NotTestable("none")), SUPPORTED),
        ((NotTestable("none"), NotTestable("none")), NOT_TESTABLE),
    ],
)
def test_any_of(given_parts, word):
    assert any_of(a=PART, b=PART).judge(dict(zip("ab", given_parts, strict=True))).word == word


def test_two_of_three_is_contradicted_once_it_can_no_longer_be_reached():
    rule = at_least(2, a=PART, b=PART, c=PART)
    assert rule.judge({"a": GOOD, "b": GOOD, "c": BAD}).word == SUPPORTED
    assert rule.judge({"a": GOOD, "b": BAD, "c": OPEN}).word == INCONCLUSIVE
    assert rule.judge({"a": GOOD, "b": BAD, "c": BAD}).word == CONTRADICTED


def test_all_of_is_contradicted_only_at_the_bonferroni_level():
    # One-sided 5% over two parts is 2.5% each: the upper end must be read at 1.96 standard errors, not 1.645.
    between = estimate(0.02 - 1.8 * 0.01, 0.01)
    beyond = estimate(0.02 - 2.0 * 0.01, 0.01)
    rule = all_of(a=PART, b=PART)
    assert PART.rule.judge(between).word == CONTRADICTED
    assert rule.judge({"a": GOOD, "b": between}).word == INCONCLUSIVE
    assert rule.judge({"a": GOOD, "b": beyond}).word == CONTRADICTED


def test_any_of_supports_by_holms_steps():
    # Two-sided 5% over two parts: the first needs z above 2.2414, and only then the second is read at 1.96.
    def at(z):
        return estimate(0.05, 0.05 / z)

    rule = at_least(2, a=PART, b=PART, c=PART)
    assert rule.judge({"a": at(2.30), "b": at(2.30), "c": OPEN}).word == INCONCLUSIVE  # needs 2.394 for the first
    assert rule.judge({"a": at(2.45), "b": at(2.30), "c": OPEN}).word == SUPPORTED
    assert rule.judge({"a": at(2.45), "b": at(2.10), "c": OPEN}).word == INCONCLUSIVE


def test_clauses_for_both_sides_leave_it_open():
    rule = at_least(1, a=Part(Threshold(0), "ratio"), b=PART)
    both = rules.Compound({"a": Part(NoEffect(0.1), "ratio"), "b": Part(Directional(0.5), "ratio")}, k=1)
    assert rule.judge({"a": estimate(1, 0.1), "b": BAD}).word == SUPPORTED
    assert both.judge({"a": estimate(0, 0.01), "b": estimate(0, 0.01)}).word == SUPPORTED
    contradictory = rules.Compound({"a": Part(_Both(), "ratio")})
    assert contradictory.judge({"a": GOOD}).word == INCONCLUSIVE


class _Both(Directional):
    """A rule that says yes and no at once, to reach the branch that leaves it open."""

    def __init__(self):
        super().__init__(at_least=1)

    def supports(self, estimate, alpha=ALPHA):
        return True

    def contradicts(self, estimate, alpha=ALPHA):
        return True


def test_evidence_must_name_exactly_the_parts():
    with pytest.raises(KeyError, match="parts"):
        all_of(a=PART).judge({"b": GOOD})


def test_part_verdicts_stand_beside_the_whole():
    verdict = all_of(a=PART, b=PART).judge({"a": GOOD, "b": BAD})
    assert {name: part.word for name, part in verdict.parts.items()} == {"a": SUPPORTED, "b": CONTRADICTED}


# --- changing the smallest effect, and the way through JSON ---------------------------------------------------------


def test_another_smallest_effect_changes_the_verdict():
    rule = Directional(at_least=0.02)
    assert rule.judge(estimate(0.05, 0.01)).word == SUPPORTED
    assert rule.with_smallest_effect(0.2).judge(estimate(0.05, 0.01)).word == CONTRADICTED
    compound = all_of(a=PART, b=PART).with_smallest_effect({"b": 0.2})
    assert compound.smallest_effect == {"a": 0.02, "b": 0.2}
    with pytest.raises(ValueError, match="no smallest effect"):
        Range(0, 1).with_smallest_effect(1)
    assert all_of(a=PART, b=PART).with_smallest_effect(0.3).smallest_effect == {"a": 0.3, "b": 0.3}
    with pytest.raises(ValueError, match="its parts differ; name them: a, b"):
        compound.with_smallest_effect(0.3)
    with pytest.raises(ValueError, match="no part"):
        compound.with_smallest_effect({"z": 1})
    with pytest.raises(ValueError, match="no parts; give it one number"):
        rule.with_smallest_effect({"a": 1})
    with pytest.raises(ValueError, match="no smallest effect"):
        Threshold(0.5).with_smallest_effect(0.4)  # another threshold would be another claim


@pytest.mark.parametrize(
    "rule",
    [
        Directional(1.05, null=1),
        ModelComparison(),
        NoEffect(0.02, against="above"),
        Threshold(0.3, below=True),
        Range(0.95, 1.05, support_level=0.9),
        Identity(),
        at_least(1, a=PART, b=Part(Range(0, 1), "share", "a share")),
    ],
)
def test_a_rule_survives_json(rule):
    assert rule_from_dict(json.loads(json.dumps(rule.as_dict()))) == rule


@pytest.mark.parametrize("rule", [Directional(-0.02), NoEffect(0.02), Threshold(0.3), Range(0.25, 1), Identity()])
def test_a_rule_reads_as_a_sentence_with_its_numbers(rule):
    text = rule.text("share")
    assert text.startswith("Supported when")
    assert "contradicted" in text


# --- wrong verdicts under the null ----------------------------------------------------------------------------------

NULLS = {
    "directional, no effect": (Directional(0.02), 0.0),
    "directional, reversed": (Directional(0.02), -0.02),
    "model comparison, no gain": (ModelComparison(), 0.0),
    "no effect, at the margin": (NoEffect(0.02), 0.02),
    "no effect one-sided, at the margin": (NoEffect(0.02, against="above"), 0.02),
    "threshold, on it": (Threshold(0.5), 0.5),
    "range, on its lower end": (Range(0.25, 1.0), 0.25),
    "range, on its upper end": (Range(0.25, 1.0), 1.0),
    "range at 90%, on its end": (Range(0.25, 1.0, support_level=0.90), 0.25),
}


@pytest.mark.parametrize("case", NULLS)
@pytest.mark.parametrize("se", [0.002, 0.007, 0.02, 0.1])
def test_wrong_support_is_at_most_five_per_cent_at_the_null(case, se):
    rule, truth = NULLS[case]
    values = np.random.default_rng(20261121).normal(truth, se, 4000)
    wrong = np.mean([rule.supports(estimate(v, se)) for v in values])
    # 5% plus 2.58 Monte Carlo standard errors of a 5% rate over 4,000 worlds.
    assert wrong <= 0.05 + 2.58 * math.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize("se", [0.002, 0.007, 0.02])
@pytest.mark.parametrize(
    ("rule", "truth"),
    [(Directional(0.02), 0.02), (NoEffect(0.02), 0.0), (Threshold(0.5), 0.5), (Range(0.25, 1.0), 0.25)],
)
def test_wrong_contradiction_is_at_most_five_per_cent_where_the_claim_just_holds(rule, truth, se):
    values = np.random.default_rng(20261122).normal(truth, se, 4000)
    wrong = np.mean([rule.contradicts(estimate(v, se)) for v in values])
    assert wrong <= 0.05 + 2.58 * math.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_wrong_support_of_compound_rules_is_at_most_five_per_cent(k):
    """All parts null for any-of; for k of three, k-1 parts true and the rest null."""
    rule = at_least(k, a=PART, b=PART, c=PART)
    truths = [0.06 if place < k - 1 else 0.0 for place in range(3)]
    draws = np.random.default_rng(20261123).normal(truths, 0.01, (4000, 3))
    wrong = np.mean(
        [rule.judge({n: estimate(v, 0.01) for n, v in zip("abc", row, strict=True)}).word == SUPPORTED for row in draws]
    )
    assert wrong <= 0.05 + 2.58 * math.sqrt(0.05 * 0.95 / 4000)


@given(st.floats(-0.2, 0.2), st.floats(0.001, 0.2))
def test_no_estimate_is_supported_and_contradicted_at_once(value, se):
    for rule in (Directional(0.02), Directional(-0.02), Threshold(0.02), Range(-0.02, 0.02)):
        assert not (rule.supports(estimate(value, se)) and rule.contradicts(estimate(value, se)))


# --- parts that speak one way only --------------------------------------------------------------------------------

ONE_WAY = all_of(
    fit=Part(Threshold(at_least=0.95), "share", speaks="for"),
    dimensions=Part(Threshold(at_least=1.0, below=True), "count", speaks="against"),
)


@pytest.mark.parametrize(
    ("fit", "dimensions", "word"),
    [
        (0.99, 1.0, SUPPORTED),
        (0.99, 2.0, INCONCLUSIVE),  # speaks for and against at once
        (0.50, 2.0, CONTRADICTED),
        (0.50, 1.0, INCONCLUSIVE),  # a missed condition does not refute
    ],
)
def test_parts_that_speak_one_way_only(fit, dimensions, word):
    evidence = {"fit": estimate(fit, 0.001, "share"), "dimensions": Estimate.exact(dimensions, unit="count", n=100)}
    assert ONE_WAY.judge(evidence).word == word
    assert rule_from_dict(json.loads(json.dumps(ONE_WAY.as_dict()))) == ONE_WAY


def test_one_way_parts_are_refused_where_fewer_than_all_are_asked_for():
    with pytest.raises(ValueError, match="cannot speak"):
        at_least(1, **ONE_WAY.parts)
