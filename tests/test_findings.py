"""A finding can be judged again from its entry alone, and never says more than its design allows."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from judging import judge_again

from analysis import boards, findings, hypotheses
from analysis.estimates import Estimate, NotTestable
from analysis.findings import MIME, record, waits_for
from analysis.hypotheses.rules import Compound, Directional, NoEffect, Range, Threshold


def study(**effects):
    return SimpleNamespace(name="tiny", title="a tiny study", currency="EUR", smallest_effects=effects, simulated=False)


def entries(found):
    """The entries as another program would read them."""
    return json.loads(json.dumps(found._repr_mimebundle_()[MIME]["entries"], allow_nan=False))


def record_one(hypothesis="R01", estimate=None, *, effects=None, **more):
    estimate = estimate or Estimate.normal(0.5, 0.05, unit="growth", n=100)
    readings = more.pop("readings", {"all": estimate})
    options = {"headline": next(iter(readings)), "design": "arithmetic on a curve", "rung": "B"} | more
    return entries(record(hypothesis, study=study(**(effects or {})), readings=readings, **options))


REQUIRED = """
    hypothesis claim study reading headline estimand estimate low high low90 high90 level unit n smallest_effect rule
    parts verdict rung reason design seed changed schema_version calibration
"""


def test_an_entry_holds_what_the_contract_promises():
    (entry,) = record_one(seed=3)
    assert not [name for name in REQUIRED.split() if name not in entry]
    assert entry["level"] == 0.95
    assert (entry["estimate"], entry["n"], entry["seed"]) == (0.5, 100, 3)
    # 1.959964 standard errors of 0.05
    assert (entry["low"], entry["high"]) == pytest.approx((0.402002, 0.597998), abs=1e-6)


def evidence_for(rule, unit, rng):
    """Random evidence around what the rule asks, some of it missing."""
    if isinstance(rule, Compound):
        return {name: evidence_for(part.rule, part.unit, rng) for name, part in rule.parts.items()}
    if rng.random() < 0.1:
        return NotTestable("a column is missing")
    centre = getattr(rule, "at_least", getattr(rule, "within", getattr(rule, "low", 0.0)))
    value, se = centre * rng.choice([-1, 0, 0.5, 1, 2]), abs(centre or 1) * rng.choice([0.05, 0.3, 2])
    if isinstance(rule, Directional) and rule.null == 1:
        return Estimate.log_normal(max(abs(value), 0.1), se, unit=unit, n=50)
    return Estimate.normal(value, se, unit=unit, n=50)


@pytest.mark.parametrize("hypothesis", list(hypotheses.REGISTER.values()), ids=lambda h: h.id)
def test_every_row_can_be_judged_and_judged_again_from_json(hypothesis):
    """Every rule of the register, on twenty random estimates: the entry alone gives the same verdict."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        evidence = evidence_for(hypothesis.rule, hypothesis.unit, rng)
        (entry,) = record_one(hypothesis.id, readings={"one": evidence}, rung=hypothesis.rung)
        assert judge_again(entry) == entry["verdict"]
        assert entry["reason"]


def test_a_cause_is_never_supported_without_an_experiment():
    causal = next(h for h in hypotheses.REGISTER.values() if h.causal and h.rung == "D" and type(h.rule) is Directional)
    rule = causal.rule
    strong = 2 * rule.at_least if rule.null == 0 else rule.at_least**3
    estimate = Estimate.normal(strong, abs(strong - rule.null) / 50, unit=causal.unit, n=99)
    verdict = {rung: record_one(causal.id, estimate, rung=rung)[0]["verdict"] for rung in "BCD"}
    assert verdict == {"B": "association supported", "C": "association supported", "D": "supported"}


def test_a_limit_leaves_every_verdict_open_and_says_what_it_would_have_been():
    for value in (0.5, 5.0):
        estimate = Estimate.normal(value, 0.01, unit="growth", n=9)
        (entry,) = record_one(estimate=estimate, limit="these data hold no cohort.")
        assert entry["verdict"] == "inconclusive"
        assert "Taken at face value" in entry["reason"]
        assert judge_again(entry) == "inconclusive"


def test_an_average_in_place_of_a_trial_supports_an_association_and_still_contradicts():
    for value, word in ((0.5, "association supported"), (5.0, "contradicted")):
        estimate = Estimate.normal(value, 0.01, unit="growth", n=9)
        (entry,) = record_one(estimate=estimate, association="one side is an average.")
        assert entry["verdict"] == judge_again(entry) == word
    assert "one side is an average" in record_one(association="one side is an average.")[0]["reason"]


def test_not_testable_has_no_numbers():
    (entry,) = record_one(readings={"all": NotTestable("no contracts")})
    assert (entry["verdict"], entry["reason"]) == ("not testable", "no contracts")
    assert [entry[k] for k in ("estimate", "low", "high", "n")] == [None] * 4


def test_an_infinite_end_is_null_and_still_judged_the_same():
    wild = Estimate(0.5, "growth", 9, lambda p: -math.inf if p < 0.5 else math.inf)
    (entry,) = record_one(estimate=wild)
    assert (entry["low"], entry["high"], entry["verdict"]) == (None, None, "inconclusive")
    assert judge_again(entry) == "inconclusive"


def test_the_headline_comes_first_and_is_one():
    estimate = Estimate.normal(0.5, 0.05, unit="growth", n=9)
    found = record_one(readings={"a": estimate, "b": estimate}, headline="b")
    assert [(e["reading"], e["headline"]) for e in found] == [("b", True), ("a", False)]


def test_a_changed_smallest_effect_stands_beside_its_default():
    simple = next(h for h in hypotheses.REGISTER.values() if type(h.rule) is Directional and h.rule.null == 0)
    estimate = Estimate.normal(simple.rule.at_least * 1.5, abs(simple.rule.at_least) / 100, unit=simple.unit, n=9)
    (plain,) = record_one(simple.id, estimate)
    (stricter,) = record_one(simple.id, estimate, effects={simple.id: simple.rule.at_least * 2})
    assert plain["changed"] == []
    assert stricter["changed"][0]["default"] == simple.rule.at_least
    assert stricter["smallest_effect"] == simple.rule.at_least * 2
    assert stricter["verdict"] == "contradicted" != plain["verdict"]


def test_misuse_is_refused_by_name():
    estimate = Estimate.normal(0.5, 0.05, unit="growth", n=9)
    with pytest.raises(KeyError, match="the nearest is"):
        record_one("R99")
    with pytest.raises(KeyError, match="headline"):
        record_one(readings={"a": estimate}, headline="z")
    low = next(h for h in hypotheses.REGISTER.values() if h.rung < "D")
    for rung in ("D", {"a": "D"}):
        with pytest.raises(ValueError, match="can reach rung"):
            record_one(low.id, readings={"a": NotTestable("x")}, rung=rung)


def test_each_reading_stands_on_its_own_rung():
    readings = dict.fromkeys(("before", "together"), NotTestable("x"))
    entries = record_one("S04", readings=readings, rung={"before": "C", "together": "B", "never": "A"})
    assert {entry["reading"]: entry["rung"] for entry in entries} == {"before": "C", "together": "B"}


# --- what the data could have shown -------------------------------------------------------------------------------


def test_reach_names_the_effect_that_is_found_four_times_in_five():
    # se .01, d .02: max(2.80 x .01, .02 + .84 x .01) = .0284; needed (.01/.0068)^2 = 2.16 times as many.
    said = findings.reach(Directional(0.02), Estimate.normal(0.01, 0.01, unit="points", n=100))
    assert said == (
        "Data like these find an effect of +2.8 points four times in five. "
        "About 2.2 times as many cases would settle it."
    )
    less = findings.reach(Directional(-0.02), Estimate.normal(-0.01, 0.01, unit="points", n=100))
    assert "an effect of -2.8 points" in less


def test_where_a_limit_holds_no_number_of_cases_settles_anything():
    said = findings.reach(Directional(0.02), Estimate.normal(0.01, 0.01, unit="points", n=100), limit="no cohort")
    assert said.endswith("More cases of this kind would not settle it.")


def test_a_settled_verdict_asks_for_no_more_cases():
    said = findings.reach(Directional(0.02), Estimate.normal(-0.05, 0.01, unit="points", n=100))
    assert said == "Data like these find an effect of +2.8 points four times in five."


def test_reach_of_a_ratio_is_reckoned_on_logs():
    # se .01 on logs, d log 1.05 = .04879: exp(max(.028, .04879 + .0084)) = 1.0589, and its inverse .944.
    more = findings.reach(Directional(1.05, null=1), Estimate.log_normal(1.03, 0.01, unit="ratio", n=100))
    less = findings.reach(Directional(1 / 1.05, null=1), Estimate.log_normal(0.97, 0.01, unit="ratio", n=100))
    assert more == "Data like these find an effect of 1.06 four times in five."
    assert less == "Data like these find an effect of 0.94 four times in five."


def test_reach_of_bounds_is_the_sample_that_clears_the_nearest_four_times_in_five():
    # gap .1, se .1: (1.96 + .84)^2 = 7.84; supported at 90%: (1.645 + .84)^2 = 6.18.
    estimate = Estimate.normal(0.6, 0.1, unit="share", n=100)
    assert findings.reach(Threshold(0.5), estimate) == "About 7.8 times as many cases would settle it."
    assert findings.reach(Range(0.5, 2), estimate) == "About 7.8 times as many cases would settle it."
    assert findings.reach(Range(0.5, 2, 0.90), estimate) == "About 6.2 times as many cases would settle it."
    assert findings.reach(NoEffect(0.1), NotTestable("x")) == ""
    assert findings.reach(Threshold(0.5), Estimate.exact(0.7, unit="share", n=3)) == ""


def test_the_part_that_decided_stands_for_the_whole():
    good, bad = (Estimate.log_normal(v, 0.01, unit="ratio", n=9) for v in (1.2, 0.7))
    (entry,) = record_one("R05", readings={"one": {"p75": good, "p90": bad}})
    assert (entry["verdict"], entry["estimate_of"], entry["estimate"]) == ("contradicted", "p90", 0.7)


# --- open rows ----------------------------------------------------------------------------------------------------


def test_a_claim_waits_for_the_tables_and_columns_it_lacks():
    claim = SimpleNamespace(needs={"orders": ("amount", "category"), "surveys": ("satisfaction",)})
    assert waits_for(claim, {"orders": {"amount"}}) == ["orders.category", "surveys"]
    assert waits_for(claim, {"orders": {"amount", "category"}, "surveys": {"satisfaction"}}) == []
    either = SimpleNamespace(needs={"surveys": ("quality|satisfaction",)})
    assert waits_for(either, {"surveys": {"satisfaction"}}) == []
    assert waits_for(either, {"surveys": {"value"}}) == ["surveys.quality|satisfaction"]
    one = SimpleNamespace(needs={"subscriptions|orders": ()})
    assert waits_for(one, {"orders": {"amount"}}) == waits_for(one, {"subscriptions": set()}) == []
    assert waits_for(one, {"surveys": {"value"}}) == ["subscriptions|orders"]


def test_the_board_counts_verdicts_and_shows_disagreement():
    good, bad = (Estimate.normal(v, 0.01, unit="growth", n=9) for v in (0.5, 5.0))
    found = record_one(readings={"a": good, "b": bad})
    tiny = study()
    assert "1 were tested" not in boards.summary(found, study=SimpleNamespace(name="other", title="x")).text
    assert boards.disagreements(found, study=tiny).text.startswith("The verdict depends on the reading for R01")
    assert len(boards.verdicts(found, study=tiny).rows) == 1
    assert len(boards.readings(found, study=tiny).rows) == 2


def test_the_board_counts_claims_together_and_changes_no_verdict():
    # One claim alone is adjusted by nothing; the register's R01 is a range, whose interval fits inside it here.
    found = record_one(readings={"a": Estimate.normal(0.5, 0.01, unit="growth", n=9)})
    (row,) = boards.together(found, study=study()).rows.to_dict("records")
    assert (row["row"], row["verdict"], row["p alone"]) == ("R01", "supported", row["p among all"])
    assert "1 of 1 supported ones stay" in boards.together_told(found, study=study()).text
    short = record_one(readings={"a": Estimate.normal(5.0, 0.01, unit="growth", n=9)})
    assert "0 of 0 supported ones stay" in boards.together_told(short, study=study()).text


def test_the_board_pools_what_two_real_studies_say_and_names_what_was_published():
    here = record_one(readings={"a": Estimate.normal(0.5, 0.01, unit="growth", n=9)})
    there = [entry | {"study": "other"} for entry in here]
    (row,) = boards.pooled([*here, *there], study=study()).rows.to_dict("records")
    assert (row["row"], row["studies"]) == ("R01", "tiny, other")
    assert row["expected of a further study"] == "needs three studies"
    assert "nothing to pool" in boards.pooled(here, study=study()).text
    assert "Gupta" in boards.published(here, study=study()).rows["published"].iloc[0]
