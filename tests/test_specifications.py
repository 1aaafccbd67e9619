"""A claim asked in every way: what flips, what cannot be asked, and what all ways say under the null."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis import specifications
from analysis.estimates import Estimate, NotTestable

STUDY = SimpleNamespace(smallest_effects={})
GRID = {"window": (90, 180), "returns": ("purchases", "net")}


def ask(frame, *, window, returns):
    """The ratio of two means: twice the effect in the longer window, and nothing is known there of net sales."""
    if window == 180 and returns == "net":
        return NotTestable("Nothing was sent back.")
    cause, outcome = frame
    effect = outcome[cause].mean() - outcome[~cause].mean()
    return Estimate.log_normal(float(np.exp(effect * window / 90)), 0.02, unit="ratio", n=len(outcome))


def dealt(frame, rng):
    return rng.permutation(frame[0]), frame[1]


def frame(effect):
    rng = np.random.default_rng(3)
    cause = rng.random(4000) < 0.5
    return cause, effect * cause + 0.03 * rng.standard_normal(4000)


@pytest.fixture(scope="module")
def found():
    return specifications.specify("P05", ask, frame(0.04), GRID, study=STUDY, shuffle=dealt, draws=49)


def test_every_way_is_asked_once(found):
    assert found.table[["window", "returns"]].to_numpy().tolist() == [
        ["90", "purchases"], ["90", "net"], ["180", "purchases"]]  # fmt: skip
    assert list(found.table["headline"]) == [True, False, False]
    assert found.refused["note"].tolist() == ["Nothing was sent back."]
    assert (found.unit, found.null) == ("ratio", 1.0)


def test_the_choice_that_flips_the_verdict_is_named(found):
    # e^.04 = 1.041 falls short of 1.05, and twice as much on the logarithm, 1.083, does not.
    assert found.table["verdict"].tolist() == ["inconclusive", "inconclusive", "supported"]
    assert "flips with window 180 (supported)" in specifications.flips(found).text


def test_a_true_effect_is_rare_under_the_null_and_no_effect_is_not(found):
    assert found.p["median"] == 0.02  # one in fifty: never in 49 draws, and the data themselves
    nothing = specifications.specify("P05", ask, frame(0.0), GRID, study=STUDY, shuffle=dealt, draws=49)
    assert nothing.p["median"] > 0.05
    assert specifications.specify("P06", ask, frame(0.0), GRID, study=STUDY, shuffle=dealt).p == {}


@pytest.fixture(scope="module")
def compound():
    """R05 asks for both parts; the second lies short of 1.05 unless returns are netted, which the first forbids."""

    def parts(values, *, returns):
        if returns is None:
            return NotTestable("Nobody came back.")
        return {name: Estimate.log_normal(value, 0.01, unit="ratio", n=500) for name, value in returns.items()}

    grid = {"returns": {"left out": {"p75": 1.2, "p90": 1.0}, "net": {"p75": 1.3, "p90": 1.2}, "unknown": None}}
    return specifications.specify("R05", parts, None, grid, study=STUDY)


def test_a_summary_has_a_row_a_claim_and_one_a_part(found, compound):
    shown = specifications.summary([found, compound])
    cells = shown.rows.set_index("claim")
    assert list(cells.index) == ["P05", "R05", "R05: against the top quarter", "R05: against the top tenth"]
    assert cells.loc["P05"].tolist() == [
        "1.04 (inconclusive)", "1 supported and 2 inconclusive", "1.04 to 1.08", "0.02; 0.02", "window 180 (supported)"
    ]  # fmt: skip
    assert cells.loc["R05"].tolist() == [
        "contradicted", "1 supported and 1 contradicted", "–", "–", "returns net (supported)"]  # fmt: skip
    assert cells.loc["R05: against the top tenth"].tolist() == [
        "1.00 (contradicted)", "1 supported and 1 contradicted", "1.00 to 1.20", "–", "returns net (supported)"
    ]  # fmt: skip
    assert cells.loc["R05: against the top quarter", "flips with"] == "no choice alone"
    assert "R05: 1 further way cannot be tested: Nobody came back." in shown.caption
    assert "P05 49 times" in shown.caption
    assert "No joint p" in shown.caption


def test_a_part_that_is_named_is_the_only_one_shown_and_the_whole_is_still_judged():
    readings = {way: {"p75": Estimate.log_normal(1.2, 0.01, unit="ratio", n=500), "p90": NotTestable("Too few.")}
                for way in ("a", "b")}  # fmt: skip
    one = specifications.specify("R05", specifications.read, readings, {"reading": ["a", "b"]}, study=STUDY, part="p75")
    cells = specifications.summary([one]).rows.set_index("claim")
    assert cells["ways by verdict"].to_dict() == {
        "R05": "2 not testable",
        "R05: against the top quarter": "2 supported",
    }
    other = specifications.specify("R05", specifications.read, readings, {"reading": ["a"]}, study=STUDY, part="p90")
    assert other.refused["note"].tolist() == ["Too few. The rule asks for every part."]
    said = specifications.summary([other]).text
    assert said == "R05 cannot be tested on these data in any way; the cards say what is missing."


def test_answers_at_hand_are_read_from_outside_in_and_several_choices_may_be_one_key():
    answers = {("net", 90): {"all": 1, "some": 2}, "plain": 3}
    assert specifications.read(answers, returns="net", days=90, who="some") == 2
    assert specifications.read(answers, reading="plain") == 3
    assert specifications.read(NotTestable("Nobody came."), reading="plain").reason == "Nobody came."


def test_frames_of_other_choices_are_dealt_alike_and_nobody_gets_what_is_not_there():
    """Whoever is in both gets the same one's in both, unless the giver is missing from one; nothing is lost."""
    whole = pd.DataFrame({"customer": np.arange(40), "loyal": np.arange(40)})
    part = whole[whole["customer"] % 10 > 0].sample(frac=1, random_state=1)
    given = {"all": whole, "some": part}
    frames = specifications.dealt(given, "loyal", np.random.default_rng(2), specifications.seated(given))
    every, some = (frames[name].set_index("customer")["loyal"] for name in ("all", "some"))
    assert sorted(every) == list(range(40))
    assert sorted(some) == sorted(part["loyal"])
    same = every.loc[some.index] % 10 > 0
    assert 20 < same.sum() < 36
    assert (some == every.loc[some.index])[same].all()


def test_frames_are_asked_and_dealt_by_the_same_test():
    frames = {90: pd.DataFrame({"customer": [1, 2, 3], "cause": [0, 0, 1], "money": [1, 2, 3]})}
    answers, shuffle = specifications.framed(
        frames, lambda frame, by: frame["cause"] @ frame[by], deal="cause", by="money"
    )
    assert answers == {90: 3}
    seen = {shuffle(answers, np.random.default_rng(seed))[90] for seed in range(20)}
    assert seen == {1, 2, 3}


def test_under_the_null_the_whole_rule_is_asked():
    """With both parts above 1.05 in the data and about 1 when dealt out, no draw supports as many ways."""

    def both(rows, *, window):
        ratio = Estimate.log_normal(float(np.exp(rows[0][rows[1]].mean())), 0.01, unit="ratio", n=len(rows))
        return {"p75": ratio, "p90": ratio}

    rng = np.random.default_rng(5)
    cause = rng.random(2000) < 0.5
    rows = 0.2 * (cause - 0.5) + 0.05 * rng.standard_normal(2000), cause
    asked = specifications.specify(
        "R05", both, rows, {"window": (1, 2)}, study=STUDY, draws=19,
        shuffle=lambda rows, rng: (rows[0], rng.permutation(rows[1])))  # fmt: skip
    assert asked.p["support"] == asked.p["median"] == asked.p["against the top tenth"] == 1 / 20


def test_the_curve_shows_all_and_one_way_is_no_curve(found):
    figure = specifications.curve(found, name="ways", y_label="Ratio")
    assert "2 inconclusive" in figure.title
    assert "cannot be tested: Nothing was sent back." in figure.caption
    one = specifications.specify("P05", ask, frame(0.1), {"window": (90,), "returns": ("net",)}, study=STUDY)
    assert "one way only" in specifications.curve(one, name="ways", y_label="Ratio").text


def test_where_nothing_can_be_tested_neither_a_curve_nor_a_range_is_shown():
    def gap_alone(_, **choices):
        return {"gap": Estimate.exact(0.06, unit="points", n=100), "reversals": NotTestable("There is one level.")}

    none = specifications.specify("P05", lambda *_, **__: NotTestable("No orders."), None, {"days": (90,)}, study=STUDY)
    assert "in any way" in specifications.curve(none, name="ways", y_label="Ratio").text
    half = specifications.specify("S02", gap_alone, None, {"days": (90, 180)}, study=STUDY)
    cells = specifications.summary([half]).rows.set_index("claim")["lowest to highest"]
    assert cells.to_dict() == {"S02": "–", "S02: gap": "+6.0 to +6.0 points", "S02: reversals": "–"}
