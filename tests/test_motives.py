"""What drives satisfaction, on worlds whose truth is known: when a claim is true, when nothing is there, reversed."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis import hypotheses, motives, scales, studies
from analysis.estimates import NotTestable
from analysis.exhibits import Figure, Table, Text
from analysis.readings import KANO_WORDS
from analysis.scales import Answers
from analysis.tables import TableError


def asked(columns, constructs=None, scale=(1, 7)):
    """Answers of one questionnaire a customer; each column is a construct of its own unless constructs are given."""
    items = pd.DataFrame(columns)
    constructs = constructs or {name: (name,) for name in items}
    ends = {item: scale for own in constructs.values() for item in own}
    return Answers(items, pd.DataFrame(index=items.index), np.ones(len(items)), constructs, {}, ends)


def verdict(hypothesis, evidence):
    return hypotheses.get(hypothesis).rule.judge(evidence).word


def ratings(names, n=800, seed=1):
    """Ratings from 1 to 7 that go together, as those of one firm do."""
    rng = np.random.default_rng(seed)
    mood = rng.normal(size=n)
    return rng, {name: np.clip(4 + 0.7 * mood + rng.normal(size=n), 1, 7) for name in names}


CONSTRUCTS = {
    "satisfaction": ("s1", "s2"),
    "overall": ("s1",),
    "loyalty": ("l",),
    "should": ("e",),
    "rival_north": ("r",),
    "light_functional": ("f",),
    "quality": ("a1", "a2", "b1"),
    "kind": ("a1", "a2"),
    "speed": ("b1",),
    "price": ("p1", "p2"),
    "fairness": ("p1",),
}


class TestSuited:
    def found(self):
        items = {item: np.zeros(3) for own in CONSTRUCTS.values() for item in own}
        return asked(items, CONSTRUCTS)

    def test_only_causes_are_taken_and_each_other_construct_has_its_reason(self):
        names, why = motives.suited(self.found(), outcome="satisfaction")
        assert names == ["kind", "speed", "price"]
        assert set(names) | set(why) == set(CONSTRUCTS)
        assert why["quality"] == "stands in by its parts: kind and speed"
        assert why["fairness"] == "shares questions with price"
        assert why["overall"] == why["satisfaction"] == "the outcome itself"
        assert "fairness (shares questions with price)" in motives.left_out(why).text
        assert "Every construct" in motives.left_out({}).text

    def test_named_drivers_are_taken_at_their_word(self):
        names, why = motives.suited(self.found(), outcome="satisfaction", drivers=["quality", "loyalty", "colour"])
        assert names == ["loyalty", "quality"]
        assert why == {"colour": "not asked in this survey"}


def test_what_was_found_of_a_dimension_is_a_driver_unless_its_name_is_taken():
    found = asked({"satisfaction": np.zeros(3), "price": np.zeros(3), "found": np.zeros(3), "paid": np.zeros(3)})
    sides = {"speed": {"perception": ("found",), "expectation": ("e",)}, "price": {"perception": ("paid",)}}
    more = motives.rated(replace(found, dimensions=sides))
    assert more.constructs["speed"] == ("found",)
    assert more.constructs["price"] == ("price",)


def judged_s10(weights):
    names = [*motives.KEYS, "courtesy", "opening_hours"]
    rng, rated = ratings(names)
    felt = sum(weight * rated[name] for weight, name in zip(weights, names, strict=True)) + rng.normal(size=800)
    found = asked(rated | {"satisfaction": felt})
    return verdict("S10", motives.keys_of_service(found, names[3:], draws=199, seed=2))


@pytest.mark.parametrize(
    ("weights", "word"),
    [([0.6, 0.6, 0.6, 0, 0], "supported"), ([0.4] * 5, "contradicted"), ([0, 0, 0, 0.8, 0.8], "contradicted")],
)
def test_s10_tells_keys_from_equals(weights, word):
    assert judged_s10(weights) == word


def test_s10_needs_two_other_parts_of_service():
    _, rated = ratings([*motives.KEYS, "courtesy", "satisfaction"], n=120)
    few = motives.keys_of_service(asked(rated), ["courtesy"], draws=10, seed=1)
    none = motives.keys_of_service(asked(rated), ["courtesy", "tangibles"], draws=10, seed=1)
    assert "Fewer than two" in few.reason
    assert "no construct tangibles" in none.reason


def judged_s08(felt_of):
    rng = np.random.default_rng(4)
    rated = {kind: rng.uniform(1, 7, 600) for kind in motives.KINDS}
    felt = felt_of(np.array(list(rated.values())), rng)
    found = asked(rated | {"satisfaction": felt})
    readings = motives.right_again(found, motives.ceilings(found, draws=199, seed=5), draws=199, seed=5)
    return {verdict("S08", parts) for parts in readings.values()}


def test_s08_holds_where_the_weakest_kind_is_all_that_counts():
    assert judged_s08(lambda kinds, rng: kinds.min(axis=0)) == {"supported"}


def test_s08_fails_where_one_kind_makes_up_for_another():
    """Each kind adds, so all slopes are there; but nothing is out of reach without any of them."""
    assert judged_s08(lambda kinds, rng: kinds.mean(axis=0) + 0.5 * rng.normal(size=600)) == {"contradicted"}


def test_s08_fails_where_quality_does_nothing():
    assert judged_s08(lambda kinds, rng: rng.normal(size=600)) == {"contradicted"}


def branches(satisfaction, retention):
    names = [f"B{number}" for number in range(len(satisfaction))]
    now = pd.DataFrame({"unit": names, "period": "2025", "satisfaction": satisfaction, "retention": retention})
    before = now.assign(period="2024", retention=1.0)  # would empty the ceiling, if it were read
    rows = SimpleNamespace(to_pandas=lambda: pd.concat([now, before]))
    return SimpleNamespace(has=lambda name: name == "units", table=lambda name: SimpleNamespace(rows=rows))


def judged_s07(retained):
    rng = np.random.default_rng(6)
    satisfaction = rng.uniform(1, 7, 200)
    seen = branches(satisfaction, retained(satisfaction, rng))
    readings = motives.indispensable(motives.over_branches(seen, draws=199, seed=7))
    return {name: verdict("S07", answer) for name, answer in readings.items()}


def test_s07_holds_under_a_ceiling():
    """Up to the diagonal anything goes, above it nothing."""
    assert set(judged_s07(lambda s, rng: np.minimum((s - 1) / 6, rng.uniform(size=200))).values()) == {"supported"}


def test_s07_is_not_shown_by_a_slope():
    """The signature artefact: a strong correlation empties the corner by itself."""
    words = judged_s07(lambda s, rng: 0.1 * s + 0.12 * rng.normal(size=200))
    assert "supported" not in words.values()


def test_s07_fails_where_branches_keep_customers_anyway():
    assert set(judged_s07(lambda s, rng: rng.uniform(size=200)).values()) == {"contradicted"}


def test_s07_without_branches_says_so():
    empty = SimpleNamespace(has=lambda name: False)
    bounds = motives.over_branches(empty, draws=5, seed=1)
    assert "no units table" in motives.indispensable(bounds)["stepwise ceiling"].reason
    assert motives.bottlenecks(bounds, **RETENTION) is None


RETENTION = {"of": "retention", "title": "How much satisfaction retention takes", "name": "levels"}


def test_levels_are_told_of_what_is_needed_and_of_nothing_else():
    """Up to the diagonal anything goes: so much of the range of retention takes as much of that of satisfaction."""
    rng = np.random.default_rng(6)
    satisfaction = np.r_[1, 7, rng.uniform(1, 7, 400)]
    any_below = np.minimum((satisfaction - 1) / 6, np.r_[0, 1, rng.uniform(size=400)])
    bounds = motives.over_branches(branches(satisfaction, any_below), draws=199, seed=7)
    table = motives.bottlenecks(bounds, **RETENTION)
    assert list(table.rows.columns) == ["level", "stepwise ceiling", "straight ceiling"]
    told = table.rows["stepwise ceiling"].str.rstrip("%").astype(float) / 100
    # The nearest case to the diagonal, of 400, lies within a few hundredths of it.
    assert (told - np.linspace(0.1, 1, 10)).abs().max() < 0.05
    free = motives.over_branches(branches(satisfaction, rng.uniform(size=402)), draws=199, seed=7)
    assert "Nothing" in motives.bottlenecks(free, **RETENTION).text


def test_exhibits():
    rng, rated = ratings(["speed", "price", "effort"], n=300)
    rated["effort"] = 8 - rated["effort"]
    felt = rated["speed"] + rng.normal(size=300)
    of = motives.weighed(asked(rated | {"satisfaction": felt}), list(rated), outcome="satisfaction", draws=60, seed=8)
    assert isinstance(figure := motives.shares(of), Figure)
    assert figure.data["label"].iloc[0] == "speed"
    assert isinstance(found := motives.priorities(of), Figure)
    assert found.data["chance"].between(0.25, 1).all()
    assert "less satisfaction: effort" in found.caption
    assert isinstance(motives.asymmetries(of, draws=60, seed=9), Table)
    assert "falls to speed" in motives.answer(of).text
    assert "No other comes near" in motives.answer(of).text


def test_too_few_drivers_and_no_outcome_are_told():
    _, rated = ratings(["speed", "satisfaction"], n=200)
    for outcome, word in (("satisfaction", "1 driver"), ("delight", "no construct delight")):
        none = motives.weighed(asked(rated), ["speed"], outcome=outcome, draws=5, seed=1)
        assert isinstance(none, NotTestable)
        assert word in none.reason


def test_features_are_read_from_pairs_of_constructs():
    """All like a light (1) and half dislike its absence (5): that half takes it for a matter of performance."""
    pairs = {"light_functional": np.ones(200), "light_dysfunctional": np.repeat([3, 5], [90, 110])}
    table = motives.features(asked(pairs, scale=(1, 5)), draws=50, seed=1)
    assert isinstance(table, Table)
    row = table.rows.iloc[0]
    assert row["most take it for"] == "performance"
    assert row["share who do"].startswith("55.0%")
    assert row["better with it"].startswith("100")
    assert isinstance(motives.features(asked({"light_functional": np.ones(9)}), draws=5, seed=1), Text)


LIGHT = """
[study.shop]
title = "A shop"
[study.shop.tables.surveys]
source = "light.csv"
scale = [1, 7]
[study.shop.constructs]
satisfaction = ["s"]
light_functional = ["with"]
light_dysfunctional = ["without"]
"""


def shop(folder, there, gone):
    pd.DataFrame({"s": 4, "with": there, "without": gone}).to_csv(folder / "light.csv", index=False)
    (folder / "studies.toml").write_text(LIGHT)
    return scales.answers(studies.open_study("shop", folder / "studies.toml"))


def test_features_are_read_from_words_as_from_numbers(tmp_path):
    """Each wording that is in use, in any case, with "that way" and a full stop; a 7 is outside the five answers."""
    wordings = [(code, words) for code, same in KANO_WORDS.items() for words in same]
    read = shop(tmp_path, [words.capitalize() for _, words in wordings], "I can live with it that way.")
    assert read.items["with"].tolist() == [code for code, _ in wordings]
    assert set(read.items["without"]) == {4}
    mixed = shop(tmp_path, ["1", "I don’t like it!", ""], ["like", "2", "5.0"])
    assert mixed.items.fillna(-1).to_numpy().tolist() == [[4, 1, 1], [4, 5, 2], [4, -1, 5]]


@pytest.mark.parametrize(
    ("answer", "told"), [("it is fine", "neither a number nor a wording"), ("7", "outside 1 to 5")]
)
def test_words_that_nobody_stated_are_refused_with_those_that_are_known(tmp_path, answer, told):
    with pytest.raises(TableError, match=told) as refused:
        shop(tmp_path, ["like", answer], "dislike")
    assert "row 2" in str(refused.value)
    assert told.startswith("outside") or "5: dislike, dislike it, i dislike it" in str(refused.value)


# Like, expect, do not mind, cannot help it, dislike.
KOREAN = ["마음에 든다.", "당연하다.", "아무런 느낌이 없다.", "하는 수 없다.", "마음에 안 든다."]


@pytest.mark.skipif("LOYALTY_EXTRA_DATA" not in os.environ, reason="LOYALTY_EXTRA_DATA names no folder of further data")
def test_twenty_nine_pairs_about_kiosks():
    """A real survey: the first feature's largest share by counting, and no feature that people would rather miss."""
    told = pd.read_csv(Path(os.environ["LOYALTY_EXTRA_DATA"]) / "kiosk_servqual.csv").filter(like="kano")
    coded = told.apply(lambda column: column.map({answer: code for code, answer in enumerate(KOREAN, 1)}))
    ends = {"1": motives.FUNCTIONAL, "2": motives.DYSFUNCTIONAL}
    coded.columns = [name.split("_")[0] + ends[name.split("_")[1]] for name in coded]
    rows = motives.features(asked(coded, scale=(1, 5)), draws=99, seed=1).rows.set_index("feature")
    assert len(rows) == 29
    performance = ((coded["kano1_functional"] == 1) & (coded["kano1_dysfunctional"] == 5)).mean()
    basic = (coded["kano1_functional"].isin([2, 3, 4]) & (coded["kano1_dysfunctional"] == 5)).mean()
    assert rows.loc["kano1", "share who do"].startswith(f"{100 * max(basic, performance):.1f}%")
    assert set(rows["most take it for"]) <= {"basic", "performance", "excitement", "indifferent"}
