"""The claims about expectations on firms whose truth is known: when true, when nothing is there, when reversed."""

import tomllib
from dataclasses import replace
from pathlib import Path

import ibis
import numpy as np
import opinions
import pandas as pd
import pytest

from analysis import antecedents, bargains, gaps, hypotheses
from analysis.estimates import NotTestable
from analysis.exhibits import Figure, Table, Text
from analysis.scales import Answers

ROOT = Path(__file__).parents[1]
MANY = {"draws": 199, "seed": 3}


def survey(truth=None, customers=800):
    """A simulated firm's answers, with the constructs of the study that is bundled, and its other tables."""
    tables = opinions.simulate(truth=truth, customers=customers)
    stated = tomllib.loads((ROOT / "studies.toml").read_text("utf-8"))["study"]["service"]
    constructs = {name: tuple(items) for name, items in stated["constructs"].items()}
    dimensions = {
        pair["dimension"]: {level: tuple(items) for level, items in pair.items() if level != "dimension"}
        for pair in stated["pairs"]
    }
    for level in ("expectation", "desired", "adequate", "predicted", "perception"):
        constructs[level] = tuple(item for each in dimensions.values() for item in each.get(level, ()))
    asked = tables["surveys"]
    who = asked[["customer_id", "answered_at", "wave"]]
    scale = {item: (1, 7) for items in constructs.values() for item in items}
    return Answers(asked[list(scale)], who, np.ones(len(who)), constructs, dimensions, scale), tables


@pytest.fixture(scope="module")
def firm():
    return survey()


class Lab:
    """As much of a study as the pages ask for."""

    def __init__(self, **tables):
        self.tables = tables

    def has(self, name):
        return name in self.tables

    def table(self, name):
        rows = self.tables[name]
        checked = type("Checked", (), {})()
        checked.rows = ibis.memtable(rows)
        checked.facts = {"covariates": tuple(rows.select_dtypes("number").columns)}
        return checked


def verdict(hypothesis, evidence):
    return hypotheses.get(hypothesis).rule.judge(evidence).word


def learnt(found):
    three = antecedents.occasions(found)
    return three, antecedents.updating(found, three, experience="experience_here", **MANY)


@pytest.mark.parametrize(("learning", "word"), [(0.35, "supported"), (0.0, "contradicted"), (-0.2, "contradicted")])
def test_e01_tells_learning_from_drifting_back(learning, word):
    found, _ = survey(opinions.Truth(learning=learning))
    _, of = learnt(found)
    assert verdict("E01", of[antecedents.FREE]) == word
    assert of[antecedents.FREE].low - 0.02 < learning < of[antecedents.FREE].high + 0.02  # scales end, weights do not


def test_errors_of_measurement_alone_look_like_learning():
    """Without learning, an expectation asked with error drifts back towards the experience, until that is corrected."""
    found, _ = survey(opinions.Truth(learning=0.0))
    rough = found.items + np.random.default_rng(4).normal(0, 2, found.items.shape)
    _, of = learnt(Answers(rough, found.who, found.weight, found.constructs, found.dimensions, found.scale))
    assert of["the same, with measurement error left in"].low > 0.05
    assert of[antecedents.BOUND].low < 0.05
    assert verdict("E01", of[antecedents.FREE]) != "supported"


def test_e01_needs_two_waves_and_two_items(firm):
    found, _ = firm
    once = found.latest()
    assert "two waves" in antecedents.occasions(once).reason
    one = {"all": {"expectation": ("will_1",), "perception": ("found_product_1",)}}
    single = Answers(found.items, found.who, found.weight, found.constructs, one, found.scale)
    assert "one item" in antecedents.occasions(single).reason
    bare = Answers(found.items, found.who, found.weight, {}, {}, found.scale)
    assert "no construct" in antecedents.occasions(bare).reason


def test_pairs_are_of_waves_that_follow_one_another():
    who = pd.DataFrame({"customer_id": list("aaabbc"), "wave": ["1", "2", "3", "1", "3", "2"]})
    found = Answers(pd.DataFrame({"q": range(6)}), who, np.ones(6), {}, {}, {})
    assert antecedents.pairs(found)[["before", "after"]].to_numpy().tolist() == [[0, 1], [1, 2]]


# Satisfaction gains as much from a point of experience wherever it lies, and expectations do not move.
STEADY = {"below": 0.6, "inside": 0.6, "above": 0.6, "learning": 0.0}


@pytest.mark.parametrize(("expected", "customers", "word"), [(-0.28, 20000, "supported"), (0.26, 2500, "contradicted")])
def test_s04_takes_what_was_expected_a_wave_before(expected, customers, word):
    """A difference, and a world in which expectation does nothing (adequate service rises with it and takes as much).

    So many customers for support, because the rule asks six narrow intervals at once.
    """
    found, _ = survey(opinions.Truth(**STEADY, expected=expected), customers=customers)
    before = antecedents.earlier(gaps.compared(found), "expectation")
    assert verdict("S04", gaps.disconfirmed(before.latest(), draws=49, seed=3)) == word


def test_what_is_remembered_in_the_light_of_the_experience_deceives_only_on_the_same_page():
    """Where expectation does nothing, but the disappointed say afterwards that they had expected more."""
    found, _ = survey(opinions.Truth(**STEADY, expected=0.26), customers=2500)
    felt = found.score(found.constructs["satisfaction"]) - 5
    items = found.items.copy()
    for item in found.constructs["expectation"]:
        items[item] = np.clip(np.rint(items[item] - 0.7 * felt), 1, 7)
    asked = gaps.compared(replace(found, items=items))
    readings = antecedents.by_wave(asked, gaps.disconfirmed, "expectation", draws=49, seed=3)
    assert list(readings) == [antecedents.EARLIER, antecedents.TOGETHER]
    assert readings[antecedents.TOGETHER]["expectation"].high < -0.2
    assert readings[antecedents.EARLIER]["expectation"].low > -0.2


@pytest.mark.parametrize(("weight", "word"), [(0.5, "supported"), (0.0, "contradicted")])
def test_v03_takes_what_was_thought_of_the_name_a_wave_before(weight, word):
    """Mood lifts name and value on each page; a standing good name is worth something, or nothing, beyond it."""
    found, _ = survey(customers=2500)
    rng, (first, second) = np.random.default_rng(4), found.constructs["value"]
    mood, standing = rng.standard_normal(len(found.items)), found.score(found.constructs["image"]) - 4.5
    value = found.score(["product_1", "price_1"] if "product_1" in found.items else found.constructs["price"])
    items = found.items.copy()
    for item in found.constructs["image"]:
        items[item] = items[item] + mood
    for item in (first, second):
        items[item] = value + weight * standing + mood + 0.4 * rng.standard_normal(len(value))
    readings = antecedents.by_wave(
        replace(found, items=items), bargains.good_name, "image", beside={bargains.BEFORE: "value"}, draws=199, seed=5
    )
    assert verdict("V03", readings[antecedents.EARLIER]) == word
    assert verdict("V03", readings[antecedents.TOGETHER]) == "supported"  # mood alone does it


def test_earlier_answers_join_the_next_questionnaire_of_the_same_customer():
    """By hand: A answered three times and B twice, on dates without waves; C once."""
    who = pd.DataFrame(
        {
            "customer_id": ["A", "B", "A", "C", "A", "B"],
            "answered_at": pd.to_datetime(
                ["2024-01-01", "2024-01-02", "2024-03-01", "2024-03-01", "2024-05-01"] * 1 + ["2024-04-01"]
            ),
        }
    )
    items = pd.DataFrame({"e": [1.0, 2, 3, 4, 5, 6], "s": [10.0, 20, 30, 40, 50, 60]})
    sides = {"expectation": ("e",), "satisfaction": ("s",)}
    found = Answers(items, who, np.ones(6), sides, {"all": {"expectation": ("e",)}}, {"e": (1, 7), "s": (0, 100)})
    before = antecedents.earlier(found, "expectation", beside={"once": "satisfaction"})
    got = before.items.assign(who=before.who["customer_id"]).sort_values(["who", "s"])
    assert got[["who", "e", "s", "s before"]].to_numpy().tolist() == [
        ["A", 1, 30, 10],
        ["A", 3, 50, 30],
        ["B", 2, 60, 20],
    ]
    assert before.scale["s before"] == (0, 100)
    nobody = antecedents.earlier(replace(found, who=who[["answered_at"]]), "expectation")
    assert "two waves that follow one another" in nobody.reason
    assert "no construct image" in antecedents.earlier(found, "image").reason


@pytest.mark.parametrize(("promise", "word"), [(0.4, "supported"), (0.0, "contradicted"), (-0.4, "contradicted")])
def test_e02_tells_promises_that_work_from_those_that_do_not(promise, word):
    found, tables = survey(opinions.Truth(promise=promise), customers=2000)
    tables["experiments"]["assigned_at"] = pd.to_datetime(tables["experiments"]["assigned_at"])
    (answer,) = antecedents.promised(Lab(experiments=tables["experiments"]), found).values()
    assert verdict("E02", answer) == word


def test_e02_without_lots_says_so(firm):
    (answer,) = antecedents.promised(Lab(), firm[0]).values()
    assert "no experiments table" in answer.reason


def asked(columns, constructs):
    items = pd.DataFrame(columns)
    scale = dict.fromkeys(items, (1, 7))
    return Answers(items, pd.DataFrame(index=items.index), np.ones(len(items)), constructs, {}, scale)


def test_e03_tells_two_things_from_one(firm):
    assert verdict("E03", antecedents.two_kinds(firm[0].latest(), draws=39, seed=1)) == "supported"
    rng = np.random.default_rng(5)
    held = rng.standard_normal((600, 1)) + 0.6 * rng.standard_normal((600, 4))
    names = ("s1", "s2", "w1", "w2")
    same = asked(dict(zip(names, held.T, strict=True)), {"should": names[:2], "will": names[2:]})
    assert verdict("E03", antecedents.two_kinds(same, draws=39, seed=1)) == "contradicted"


def logged(slope, n=900, seed=6):
    rng = np.random.default_rng(seed)
    performance = rng.standard_normal(n)
    rated = slope * performance + np.sqrt(1 - slope**2) * rng.standard_normal(n)
    customer = np.arange(n) // 2
    return pd.DataFrame({"customer_id": customer, "quality": rated, "performance": performance, "weight": 1.0})


@pytest.mark.parametrize(("slope", "word"), [(0.7, "supported"), (0.2, "contradicted"), (-0.7, "contradicted")])
def test_e04_tells_a_yardstick_from_a_mood(slope, word):
    answers = antecedents.felt(logged(slope), draws=199, seed=7)
    assert {verdict("E04", answer) for answer in answers.values()} == {word}


def test_a_rating_belongs_to_the_event_before_it(firm):
    found, tables = firm
    events = antecedents.served(
        Lab(operations=tables["operations"]), found, measure="", more_is_better=False, within=14
    )
    assert len(events) == len(found.who)  # everybody is asked one to five days after an event
    assert (events["day"] > events["served"]).all()
    assert (events["performance"] == -events["wait_minutes"]).all()
    gone = antecedents.served(Lab(), found, measure="", more_is_better=False, within=14)
    assert isinstance(antecedents.felt(gone, **MANY)["by rank"], NotTestable)


def shifts(staff, days, n=3000, seed=8):
    """Ratings of variance 1 by 60 members of staff on 60 days, which hold these shares of it."""
    rng = np.random.default_rng(seed)
    who, when = rng.integers(0, 60, n), rng.integers(0, 60, n)
    rated = np.sqrt(staff) * rng.standard_normal(60)[who] + np.sqrt(days) * rng.standard_normal(60)[when]
    rated = rated + np.sqrt(1 - staff - days) * rng.standard_normal(n)
    return pd.DataFrame({"quality": rated, "staff_id": who, "served": when, "weight": 1.0})


def test_shares_of_staff_and_days_are_found():
    """Over 20 worlds the means are those that were put in, to three standard errors of a mean of 20."""
    found = [antecedents.by_staff_and_day(shifts(0.10, 0.05, n=1200, seed=seed)) for seed in range(20)]
    for name, truth in (("staff", 0.10), ("days", 0.05)):
        values = np.array([answers[name].value for answers in found])
        assert abs(values.mean() - truth) < 3 * values.std() / np.sqrt(20)
        covered = np.mean([answers[name].low <= truth <= answers[name].high for answers in found])
        assert covered >= 0.8  # fewer than 16 of 20 would hold the truth once in 380, if 95 of 100 do


def test_e10_tells_shares_from_none():
    parts = hypotheses.get("E10").rule.parts
    for share, word in ((0.12, "supported"), (0.0, "contradicted")):
        answers = antecedents.by_staff_and_day(shifts(share, share))
        assert {parts[name].rule.judge(answer).word for name, answer in answers.items()} == {word}
    few = shifts(0.1, 0.1).query("staff_id < 10")
    assert "20 members" in antecedents.by_staff_and_day(few).reason


def test_slopes_of_the_simulated_firm_are_those_of_its_laws(firm):
    once = firm[0].latest()
    assert verdict("E08", antecedents.single(once, "E08", "predicted", **MANY)) == "supported"
    by_wave = antecedents.by_wave(firm[0], antecedents.single, "predicted", key="E08", cause="predicted", **MANY)
    assert {name: verdict("E08", answer) for name, answer in by_wave.items()} == {
        antecedents.EARLIER: "supported",
        antecedents.TOGETHER: "supported",
    }
    assert verdict("E11", antecedents.shaped(once, "E11", **MANY)) == "supported"
    assert verdict("E14", antecedents.shaped(once, "E14", **MANY)) == "supported"
    known = {level: verdict("E12", answer) for level, answer in antecedents.well_known(once, **MANY).items()}
    assert (known["desired"], known["predicted"]) == ("supported", "contradicted")
    each = antecedents.sources(once, **MANY)
    assert list(each) == ["desired", "predicted"]  # fewer sources shape what is desired, so that is the headline
    assert verdict("E13", each["predicted"]) == "supported"
    assert verdict("E13", each["desired"]) != "supported"


def levels(slope, seed=9, n=900):
    """A level on causes that all have the same slope; the causes hardly go together."""
    rng = np.random.default_rng(seed)
    names = sorted({cause for _, causes in antecedents.SLOPES.values() for cause in causes if cause != "curve"})
    table = {name: rng.standard_normal(n) for name in names}
    for level, causes in antecedents.SLOPES.values():
        table[f"on {level} {causes[0]}"] = slope * sum(
            table[cause] for cause in causes if cause != "curve"
        ) + rng.standard_normal(n)
    return table


@pytest.mark.parametrize(("slope", "word"), [(0.3, "supported"), (0.0, "contradicted"), (-0.3, "contradicted")])
@pytest.mark.parametrize("key", ["E08", "E11", "E12 desired", "E13 desired", "E14"])
def test_slopes_tell_causes_from_noise(key, slope, word):
    level, causes = antecedents.SLOPES[key]
    table = {cause: column for cause, column in levels(slope).items() if cause in causes}
    table[level] = levels(slope)[f"on {level} {causes[0]}"]
    found = asked(table, {name: (name,) for name in table})
    evidence = antecedents.shaped(found, key, **MANY)
    assert verdict(key[:3], evidence.get({"E08": "predicted", "E12": "knowledge"}.get(key[:3]), evidence)) == word


def test_exhibits(firm):
    found, _ = firm
    once = found.latest()
    three, of = learnt(found)
    assert isinstance(antecedents.stricter(once, draws=20, seed=1), Table)
    assert isinstance(antecedents.learning_chart(found, three, min_cell=5), Figure)
    assert isinstance(antecedents.learning_table(of), Table)
    bare = Answers(found.items, found.who[[]], found.weight, {"image": ("image_1", "image_2")}, {}, found.scale)
    nothing, none = learnt(bare)
    for exhibit in (
        antecedents.stricter(bare, draws=20, seed=1),
        antecedents.learning_chart(bare, nothing, min_cell=5),
        antecedents.learning_table(none),
    ):
        assert isinstance(exhibit, Text)
