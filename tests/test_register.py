"""The register: complete, in order, frozen, readable, and true to what the data contracts can hold.

Lists that the register must match are written out here once more, so that a slip in a row cannot pass unseen.
"""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from judging import rule_from_dict

from analysis.estimates import Estimate, NotTestable
from analysis.hypotheses import FAMILIES, REGISTER, digest, register
from analysis.hypotheses.register import ARTICLES, RUNGS
from analysis.hypotheses.rules import (
    CONTRADICTED,
    NOT_TESTABLE,
    SUPPORTED,
    Compound,
    Directional,
    Identity,
    NoEffect,
    Range,
    SimpleRule,
    Threshold,
)
from analysis.tables import TABLES
from analysis.words import UNITS

ROWS = list(REGISTER.values())
EACH = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


def listed(names):
    """The names in a text, which is easier to read than a list of quoted ones."""
    return names.split()


FAMILY_SIZES = {"R": 15, "S": 18, "L": 14, "G": 9, "P": 15, "E": 14, "V": 8, "I": 8}

# Says that one thing produces, raises, lowers, builds, protects or hurts another.
CAUSAL = listed("""
    R11
    S02 S03 S05 S06 S08 S09 S11 S12 S13 S14 S17
    L01 L02 L03 L04 L07 L08 L13
    G01 G02 G04 G05 G07 G08
    P01 P02 P03 P04 P05 P06 P07 P08 P09 P10 P11 P13 P15
    E01 E02 E08 E09 E11 E12 E13 E14
    V01 V03 V07
""")

# A trial, a hold-out, an instrument, a tier's threshold, or a change whose date the firm set.
RANDOMISED_OR_NATURAL = listed("R03 R04 S09 S11 S13 P01 P04 P05 P06 P07 P09 P10 P12 P13 P15 E02")

NOTEBOOKS = {
    "L14": "61_touchpoints",
    "S12": "61_touchpoints",
    "S14": "61_touchpoints",
    "S15": "61_touchpoints",
    "S16": "61_touchpoints",
    "G08": "61_touchpoints",
    "S13": "62_from_staff_to_profit",
    "S17": "62_from_staff_to_profit",
    "G02": "62_from_staff_to_profit",
    "P05": "51_what_promotions_leave_behind",
    "P06": "51_what_promotions_leave_behind",
    "P07": "51_what_promotions_leave_behind",
    "P08": "51_what_promotions_leave_behind",
    "P09": "52_who_should_be_rewarded",
    "P10": "52_who_should_be_rewarded",
    "P12": "53_does_personal_treatment_pay",
    "P13": "53_does_personal_treatment_pay",
    "P15": "53_does_personal_treatment_pay",
    "S11": "53_does_personal_treatment_pay",
    "R01": "23_what_five_percent_is_worth",
    "R02": "23_what_five_percent_is_worth",
    "R03": "26_what_keeping_and_winning_cost",
    "R04": "26_what_keeping_and_winning_cost",
    "R05": "24_small_repeaters_or_big_spenders",
    "R06": "24_small_repeaters_or_big_spenders",
    "R07": "21_who_will_buy_again",
    "R08": "26_what_keeping_and_winning_cost",
    "R09": "20_how_long_customers_stay",
    "R10": "20_how_long_customers_stay",
    "R11": "26_what_keeping_and_winning_cost",
    "R12": "26_what_keeping_and_winning_cost",
    "R13": "26_what_keeping_and_winning_cost",
    "R14": "26_what_keeping_and_winning_cost",
    "R15": "26_what_keeping_and_winning_cost",
    "S07": "32_what_drives_satisfaction",
    "S08": "32_what_drives_satisfaction",
    "S10": "32_what_drives_satisfaction",
    "G09": "42_who_recommends",
    "G06": "42_who_recommends",
    "G03": "42_who_recommends",
    "L06": "42_who_recommends",
    "L05": "42_who_recommends",
    "L04": "60_complaints_and_forgiveness",
    "L03": "60_complaints_and_forgiveness",
    "S09": "60_complaints_and_forgiveness",
    "G05": "20_how_long_customers_stay",
    "E01": "36_where_expectations_come_from",
    "E02": "36_where_expectations_come_from",
    "E03": "36_where_expectations_come_from",
    "E04": "36_where_expectations_come_from",
    "E08": "36_where_expectations_come_from",
    "E10": "36_where_expectations_come_from",
    "E11": "36_where_expectations_come_from",
    "E12": "36_where_expectations_come_from",
    "E13": "36_where_expectations_come_from",
    "E14": "36_where_expectations_come_from",
    "V01": "35_what_makes_value",
    "V02": "35_what_makes_value",
    "V03": "35_what_makes_value",
    "V04": "35_what_makes_value",
    "V05": "35_what_makes_value",
    "V06": "35_what_makes_value",
    "V07": "35_what_makes_value",
    "V08": "35_what_makes_value",
    "S01": "30_does_satisfaction_pay",
    "S02": "30_does_satisfaction_pay",
    "S03": "30_does_satisfaction_pay",
    "S06": "30_does_satisfaction_pay",
    "S18": "30_does_satisfaction_pay",
    "I01": "34_is_the_net_promoter_score_enough",
    "I02": "34_is_the_net_promoter_score_enough",
    "I03": "33_one_index_or_many",
    "I04": "34_is_the_net_promoter_score_enough",
    "I05": "33_one_index_or_many",
    "I06": "33_one_index_or_many",
    "I07": "33_one_index_or_many",
    "I08": "33_one_index_or_many",
    "S04": "31_expectations_and_satisfaction",
    "S05": "31_expectations_and_satisfaction",
    "E05": "31_expectations_and_satisfaction",
    "E06": "31_expectations_and_satisfaction",
    "E07": "31_expectations_and_satisfaction",
    "E09": "31_expectations_and_satisfaction",
    "P01": "50_does_the_club_work",
    "P02": "50_does_the_club_work",
    "P03": "50_does_the_club_work",
    "P04": "50_does_the_club_work",
    "P11": "50_does_the_club_work",
    "P14": "50_does_the_club_work",
    "L09": "40_kinds_of_loyalty",
    "L10": "40_kinds_of_loyalty",
    "L11": "40_kinds_of_loyalty",
    "L12": "40_kinds_of_loyalty",
    "L13": "40_kinds_of_loyalty",
    "L01": "41_emotion_and_engagement",
    "L02": "41_emotion_and_engagement",
    "L07": "41_emotion_and_engagement",
    "L08": "41_emotion_and_engagement",
    "G01": "41_emotion_and_engagement",
    "G04": "41_emotion_and_engagement",
    "G07": "41_emotion_and_engagement",
}

# Names of constructs that tests look for, and the levels that a pair of items may ask for.
CONSTRUCTS = listed("""
    satisfaction quality expectation value image price trust bond engagement emotion repurchase recommend effort
    switching_cost needs care valued should will can_be knowledge complaint_handling loyalty wallet_share
    staff_satisfaction rival_NAME feedback desired adequate predicted perception
""")

# The usual smallest effects; a fall is the mirror image of a rise.
USUAL = {
    "correlation": 0.10,
    "slope": 0.10,
    "points": 0.02,
    "hazard ratio": 1.10,
    "ratio": 1.05,
    "gain": 0.01,
    "sd": 0.2,
    "effect size": 0.10,
}
UNUSUAL = {
    "R06.share_gap": 0.05,  # a gap between two shares of a whole
    "R08": -0.05,  # per year of tenure
    "R11": -0.005,  # of revenue, for one point of churn
    "R15.steadiness": 0.95,  # five per cent less variation
    "S10": 0.05,
    "S12": 0.02,  # an indirect effect: a product of two slopes
    "S13.level": 0.1,
    "S13.slope": 0.1,
    "S18.share_gap": 0.05,
    "G05.attachment": 0.05,  # per encounter
    "P02": 0.02,
    "P04.long_term": 0.05,
    "P11": 0.01,  # one point for ten points more members
}

# Every rule other than a directional one, written out.
NEGLIGIBLE_SLOPE = NoEffect(within=0.10)
EXACT = {
    "R01": Range(low=0.25, high=1.00),
    "R02": Range(low=0.25, high=0.95),
    "R04": Threshold(at_least=2.0),
    "R07": NoEffect(within=0.01, against="above"),
    "R09": Range(low=0.95, high=1.05, support_level=0.90),
    "R10": Identity(),
    "R12": Identity(),
    "R13.satisfaction_retention": Threshold(at_least=0.30),
    "R13.retention_profit": Threshold(at_least=0.30),
    "R13.satisfaction_profit": Threshold(at_least=0.30),
    "R15.guarantee": Threshold(at_least=0.90),
    "S02.reversals": Threshold(at_least=0.0, below=True),
    "S04.match_slope": NEGLIGIBLE_SLOPE,
    "S04.match_curve": NEGLIGIBLE_SLOPE,
    "S04.mismatch_curve": NEGLIGIBLE_SLOPE,
    "L06.profit": Threshold(at_least=0.0),
    "L08.half_life": Threshold(at_least=12.0),
    "L09.groups": Threshold(at_least=10.0),
    "L09.stability": Threshold(at_least=0.6),
    "L09.beyond_skew": Threshold(at_least=0.0),
    "L10.stuck": Threshold(at_least=0.05),
    "L13": Threshold(at_least=0.0),
    "L14.unequal": Threshold(at_least=0.0),
    "L14.two_or_more": Threshold(at_least=0.0),
    "G02.exceptions": Threshold(at_least=0.0, below=True),
    "G05.behaviour": Threshold(at_least=1.0, below=True),
    "G07": Range(low=0.0, high=1.0, support_level=0.90),
    "G09": Threshold(at_least=0.50),
    "P04.short_term": NoEffect(within=1.05, null=1.0),
    "P06": NoEffect(within=0.02, against="above"),
    "P08": Threshold(at_least=0.0, below=True),
    "P09.unprofitable": NoEffect(within=1.10, null=1.0),
    "P12": Threshold(at_least=0.50),
    "E01": Range(low=0.05, high=1.0),
    "E03.fit": Threshold(at_least=0.01),
    "E03.distinct": Threshold(at_least=0.90, below=True),
    "E04": Threshold(at_least=0.50),
    "E05.opposite": NEGLIGIBLE_SLOPE,
    "E05.lost": NoEffect(within=0.01, against="above"),
    "E07.ordered": Threshold(at_least=0.90),
    "E07.width": Threshold(at_least=0.2),
    "E09.inside": NEGLIGIBLE_SLOPE,
    "E10.staff": Threshold(at_least=0.02),
    "E10.days": Threshold(at_least=0.02),
    "E10.tolerated": NEGLIGIBLE_SLOPE,
    "V01.together": Threshold(at_least=0.25),
    "V02.dimensions": Threshold(at_least=2.0),
    "V02.fit": Threshold(at_least=0.01),
    "V02.general": Threshold(at_least=0.80, below=True),
    "V04": Threshold(at_least=0.50),
    "I01": Threshold(at_least=0.30),
    "I02.repeat": Threshold(at_least=0.30),
    "I02.tenure": Threshold(at_least=0.30),
    "I02.praise": Threshold(at_least=0.30),
    "I03": Threshold(at_least=0.30),
    "I04.validity": Threshold(at_least=0.30),
    "I06.reliability": Threshold(at_least=0.70),
    "I06.response": NoEffect(within=0.2),
    "I07.loadings": Threshold(at_least=0.01, below=True),
    "I07.intercepts": Threshold(at_least=0.01, below=True),
    "I08.fit": Threshold(at_least=0.95),
    "I08.general": Threshold(at_least=0.70),
    "I08.dimensions": Threshold(at_least=1.0, below=True),
}


def simple_rules(row):
    """Every rule about a single estimate in a row, by a name such as R05.p75, with its unit."""
    if isinstance(row.rule, Compound):
        return {f"{row.id}.{name}": (part.rule, part.unit) for name, part in row.rule.parts.items()}
    return {row.id: (row.rule, row.unit)}


ALL_RULES = {name: rule for row in ROWS for name, rule in simple_rules(row).items()}


# --- complete and in order ----------------------------------------------------------------------------------------


def test_every_row_stands_once_and_in_order():
    expected = [f"{family}{number:02d}" for family, size in FAMILY_SIZES.items() for number in range(1, size + 1)]
    assert list(REGISTER) == expected
    assert len(expected) == 101
    assert list(FAMILIES) == list(FAMILY_SIZES)


def test_the_causal_claims_are_the_listed_ones():
    assert [row.id for row in ROWS if row.causal] == CAUSAL


def test_the_highest_rung_needs_a_randomised_or_natural_experiment():
    assert sorted(row.id for row in ROWS if row.rung == "D") == sorted(RANDOMISED_OR_NATURAL)
    evidence = re.compile(r"random|by lot|hold-out|natural experiment", re.IGNORECASE)
    without = [row.id for row in ROWS if row.rung == "D" and not evidence.search(row.design + row.gates)]
    assert not without
    assert [row.id for row in ROWS if row.rung == "A"] == ["R10", "R12"], "identities are no evidence"


def test_the_written_tests_are_the_listed_notebooks():
    assert {row.id: row.notebook for row in ROWS if row.notebook} == NOTEBOOKS
    assert {row.status for row in ROWS} == {"tested"}


@pytest.mark.parametrize("name", sorted(set(NOTEBOOKS.values())))
def test_a_notebook_that_is_named_exists(name):
    assert (Path(__file__).parents[1] / "notebooks" / f"{name}.ipynb").is_file()


# --- what the data must hold --------------------------------------------------------------------------------------


@EACH
def test_needs_are_tables_and_columns_of_the_contracts(row):
    assert row.needs, "a claim that needs no data is not a claim about customers"
    for table, columns in row.needs.items():
        known = set().union(*(TABLES[one].names for one in table.split("|")))
        known |= set(CONSTRUCTS) if table == "surveys" else set()
        asked = {name for column in columns for name in column.split("|")}
        assert asked <= known, f"{table} has no {asked - known}"


def test_rates_across_units_ask_for_units():
    """A row that needs the table of branches says how many of them it takes."""
    silent = [row.id for row in ROWS if "units" in row.needs and "20" not in row.gates]
    assert not silent


# --- rules --------------------------------------------------------------------------------------------------------


@EACH
def test_units_are_known_and_a_ratio_is_compared_with_one(row):
    for name, (rule, unit) in simple_rules(row).items():
        assert unit in UNITS, name
        if isinstance(rule, Directional):
            assert rule.null == (1.0 if unit.endswith("ratio") else 0.0), name
        if isinstance(rule, NoEffect):
            assert rule.null == (1.0 if unit.endswith("ratio") else 0.0), name
    if isinstance(row.rule, Compound):
        assert row.unit == next(iter(row.rule.parts.values())).unit, "the board shows the first part"
        assert all(part.estimand for part in row.rule.parts.values())


@EACH
def test_every_rule_has_a_bound_of_its_own(row):
    for name, (rule, _) in simple_rules(row).items():
        if isinstance(rule, Identity):
            continue
        bounds = (rule.low, rule.high) if isinstance(rule, Range) else (rule.smallest_effect,)
        assert all(bound is not None and math.isfinite(bound) for bound in bounds), name


def test_smallest_effects_are_the_usual_ones_or_listed():
    found = {}
    for name, (rule, unit) in ALL_RULES.items():
        usual = USUAL.get(unit)
        mirror = 1 / usual if usual and getattr(rule, "null", 0) == 1 else -usual if usual else None
        if isinstance(rule, Directional) and rule.at_least not in (usual, mirror):
            found[name] = rule.at_least
    assert found == UNUSUAL


def test_all_other_rules_are_exactly_the_listed_ones():
    assert {name: rule for name, (rule, _) in ALL_RULES.items() if not isinstance(rule, Directional)} == EXACT


# A claim of "less": the smallest effect lies below the null.
FALLS = listed("""
    R08 R11 R15.steadiness S04.expectation S05.product_expectation S05.product_missed S05.service_expectation
    S05.service_missed S05.price_expectation S05.price_missed S14 L03 G06.renewal G08.price G08.advertising
    P01.leaving E05.expectation E06.expectation V07
""")


def test_the_claimed_direction_is_the_listed_one():
    falls = [n for n, (rule, _) in ALL_RULES.items() if isinstance(rule, Directional) and rule.at_least < rule.null]
    assert falls == FALLS


def test_all_parts_are_needed_but_for_two_rows():
    fewer = {row.id: row.rule.k for row in ROWS if isinstance(row.rule, Compound) and row.rule.k is not None}
    assert fewer == {"S13": 1, "E13": 5}  # level or slope; five of seven sources


def won(rule: SimpleRule) -> float:
    """A value that the rule must take for the claim when it is all but certain."""
    if isinstance(rule, Range):
        return (rule.low + rule.high) / 2
    if isinstance(rule, Threshold):
        return rule.at_least + (-1 if rule.below else 1) * 0.1
    return 2 * rule.at_least - rule.null if isinstance(rule, Directional) else getattr(rule, "null", 0.0)


def lost(rule: SimpleRule) -> float:
    """A value that the rule must take against the claim when it is all but certain."""
    if isinstance(rule, Range):
        return rule.low - 0.1
    if isinstance(rule, Threshold):
        return rule.at_least - (-1 if rule.below else 1) * 0.1
    if isinstance(rule, Directional):
        return rule.null
    return -2 * rule.within if isinstance(rule, NoEffect) and rule.against == "below" else 2.0


@EACH
@pytest.mark.parametrize(("value_of", "word"), [(won, SUPPORTED), (lost, CONTRADICTED)])
def test_every_rule_can_be_won_and_lost(row, value_of, word):
    def certain(rule, unit):
        return Estimate.normal(value_of(rule), 0.0 if isinstance(rule, Identity) else 1e-9, unit=unit, n=1000)

    evidence = {name: certain(rule, unit) for name, (rule, unit) in simple_rules(row).items()}
    if isinstance(row.rule, Compound):
        verdict = row.rule.judge({name.split(".")[1]: estimate for name, estimate in evidence.items()})
    else:
        verdict = row.rule.judge(evidence[row.id])
    assert verdict.word == word
    assert row.rule.judge(NotTestable("The table is missing.")).word == NOT_TESTABLE


@EACH
def test_a_row_survives_the_way_through_json(row):
    told = json.loads(json.dumps(row.as_dict()))
    assert rule_from_dict(told["rule"]) == row.rule
    assert {"id", "claim", "needs", "rule", "causal", "rung", "article", "status"} <= set(told)


# --- words --------------------------------------------------------------------------------------------------------


def test_claims_are_different_sentences():
    assert len({row.claim for row in ROWS}) == len(ROWS)


@EACH
def test_a_claim_is_one_plain_sentence_of_our_own(row):
    assert re.fullmatch(r"[A-Z][^.?!]*\.", row.claim), "one sentence with one full stop"
    assert len(row.claim.split()) <= 25
    borrowed = re.compile(r"[\"“”‘«»…]|article|\bA[1-5]\b|\b[RSLGPEVI]\d\d\b|according to|%", re.IGNORECASE)
    assert not borrowed.search(row.claim)


@EACH
def test_a_row_tells_a_reader_all_it_must(row):
    assert row.rung in RUNGS
    assert row.article
    assert set(row.article) <= set(ARTICLES)
    for text in (row.estimand, row.design, row.gates):
        assert text.endswith("."), text
        assert "  " not in text
    assert row.pitfalls
    assert not any(re.search(r"\b[A-Z]{3,4}\b", pitfall) for pitfall in row.pitfalls), "words, not codes"
    dated = re.search(r"\b(19|20)\d\d\b", row.origin)
    assert dated or re.search(
        r"no single source|book-keeping|attributed to|of the \d{4}s|ECSI|vendors", row.origin, re.I
    )


# --- frozen -------------------------------------------------------------------------------------------------------


def test_the_fingerprint_follows_what_decides_verdicts_and_nothing_else():
    same = register.digest(replace(row) for row in ROWS)
    assert same == digest()
    reworded = [replace(row, claim=row.claim.upper(), pitfalls=("none",), notebook="x") for row in ROWS]
    assert register.digest(reworded) == digest()


@pytest.mark.parametrize("name", ["S06", "P06", "R08", "S05"])
def test_one_changed_smallest_effect_changes_the_fingerprint(name):
    row = REGISTER[name]
    if isinstance(row.rule, Compound):
        part = next(iter(row.rule.parts))
        changed = row.rule.with_smallest_effect({part: 1.01 * row.rule.parts[part].rule.smallest_effect})
    else:
        changed = row.rule.with_smallest_effect(1.01 * row.rule.smallest_effect)
    assert register.digest(replace(r, rule=changed) if r.id == name else r for r in ROWS) != digest()
