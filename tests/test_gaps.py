"""Claims about expectations on worlds whose truth is known, the levels by hand, and the public kiosk questionnaire."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from analysis import gaps, hypotheses, scales, studies, surfaces
from analysis.estimates import Estimate, NotTestable
from analysis.exhibits import Figure, Table, Text
from analysis.scales import Answers

ATTRIBUTES, LEVELS = ("product", "service", "price"), ("desired", "adequate", "predicted", "perception")


def answers(columns, constructs, dimensions, *, scale=(1, 7), weight=None):
    items = pd.DataFrame(columns)
    over = {
        level: tuple(item for each in dimensions.values() for item in each.get(level, ()))
        for level in scales.LEVELS
        if any(level in each for each in dimensions.values())
    }
    weight = np.ones(len(items)) if weight is None else weight
    ends = dict.fromkeys(items, scale)
    return Answers(items, pd.DataFrame(index=items.index), weight, {**constructs, **over}, dimensions, ends)


def met(found=0.6, expected=0.0, *, n=1500, noise=0.3, kink=0.0, seed=1):
    """Customers who rate three attributes as expected and as found, with two items each.

    Satisfaction gains `found` points for a point found and `expected` for a point expected, and loses `kink` more for a
    point of shortfall.
    """
    rng = np.random.default_rng(seed)
    e, p = 4 + 0.9 * rng.standard_normal((2, n))
    felt = 4 + found * (p - 4) + expected * (e - 4) + kink * np.minimum(p - e, 0)

    def rated(held):
        return np.clip(held + noise * rng.standard_normal(n), 1, 7)

    columns, dimensions = {f"s{i}": rated(felt) for i in (1, 2)}, {}
    for name in ATTRIBUTES:
        sides = {"expectation": e, "perception": p}
        columns |= {f"{name}_{side}_{i}": rated(held) for side, held in sides.items() for i in (1, 2)}
        dimensions[name] = {side: (f"{name}_{side}_1", f"{name}_{side}_2") for side in sides}
    return answers(columns, {"satisfaction": ("s1", "s2")}, dimensions)


def zoned(below=0.8, inside=0.0, above=0.6, *, width=1.5, n=2000, seed=2):
    """Customers with a desired and an adequate level on two dimensions, and slopes of satisfaction around them."""
    rng = np.random.default_rng(seed)
    desired = 5 + 0.6 * rng.standard_normal(n)
    adequate, found = desired - width + 0.3 * rng.standard_normal(n), 4.3 + 1.1 * rng.standard_normal(n)
    zone = np.maximum(desired - adequate, 0)
    felt = below * np.minimum(found - adequate, 0) + inside * np.clip(found - adequate, 0, zone)
    felt = 4 + felt + above * np.maximum(found - np.maximum(desired, adequate), 0)
    held = {
        "desired": desired,
        "adequate": adequate,
        "predicted": 4.5 + 0.7 * rng.standard_normal(n),
        "perception": found,
    }
    columns = {"s": np.clip(felt + 0.3 * rng.standard_normal(n), 1, 7)}
    columns |= {
        f"{name}{i}": np.clip(level + 0.1 * rng.standard_normal(n), 1, 7)
        for name, level in held.items()
        for i in (1, 2)
    }
    dimensions = {f"d{i}": {level: (f"{level}{i}",) for level in LEVELS} for i in (1, 2)}
    return answers(columns, {"satisfaction": ("s",)}, dimensions)


def verdict(hypothesis, evidence):
    return hypotheses.get(hypothesis).rule.judge(evidence).word


def verdicts(found):
    equal, more = (readings["satisfaction"] for readings in gaps.explained(found, draws=199, seed=3))
    return {
        "S04": verdict("S04", gaps.disconfirmed(found, draws=199, seed=3)),
        "S05": verdict("S05", gaps.beaten(found)),
        "E05": verdict("E05", equal),
        "E06": verdict("E06", more),
    }


# --- Worlds ---------------------------------------------------------------------------------------------------------


def test_where_only_the_difference_counts_all_four_claims_hold():
    """Noise in the answers is small, so that slopes on them are as good as equal and opposite."""
    assert set(verdicts(met(0.5, -0.5, noise=0.15, n=3000)).values()) == {"supported"}


def test_where_experience_alone_counts_none_holds():
    """The gap still goes along with satisfaction, the signature that deceives a correlation."""
    found = met(0.6, 0.0)
    _, gap, satisfaction, _ = gaps._scored(found)
    assert np.corrcoef(gap.mean(axis=1), satisfaction)[0, 1] > 0.5
    assert set(verdicts(found).values()) == {"contradicted"}


def test_where_expectation_lifts_satisfaction_none_holds():
    assert set(verdicts(met(0.5, 0.3)).values()) == {"contradicted"}


def test_a_shortfall_that_costs_more_than_a_surplus_brings_is_told():
    text = gaps.conclusion(gaps.met(met(0.4, -0.4, kink=0.4))).text
    assert "a shortfall costs more than a surplus brings" in text
    assert "neither clearly more" in gaps.conclusion(gaps.met(met(0.4, -0.4, n=400))).text


@pytest.mark.parametrize(("width", "word"), [(1.5, "supported"), (0.0, "contradicted"), (-1.0, "contradicted")])
def test_e07_tells_two_levels_from_one(width, word):
    assert verdict("E07", gaps.two_levels(zoned(width=width), draws=199, seed=4)) == word


@pytest.mark.parametrize(
    ("slopes", "word"), [((0.8, 0.0, 0.6), "supported"), ((0.5, 0.5, 0.5), "contradicted"), ((0, 0, 0), "contradicted")]
)
def test_e09_tells_a_zone_of_tolerance_from_a_straight_line(slopes, word):
    parts, sentence, _ = gaps.tolerated(zoned(*slopes), draws=199, seed=5)
    assert verdict("E09", parts) == word
    assert "inside the zone of tolerance" in sentence.text


def test_a_zone_of_single_answers_that_does_not_show_is_undecided_with_the_reason():
    """Nobody knows how noisy one answer is, so a straight line may be a zone that noise has hidden."""
    found = zoned(0.5, 0.5, 0.5)
    one = {"d1": found.dimensions["d1"]}
    parts, sentence, limit = gaps.tolerated(Answers(**vars(found) | {"dimensions": one}), draws=199, seed=5)
    assert verdict("E09", parts) == "contradicted"
    assert limit == (
        "Noise in the answers would hide a true zone just so, and how large it is cannot be told. perception has one "
        "item, so its reliability cannot be told."
    )
    assert "taken out" not in sentence.text


def test_the_map_without_noise_stands_beside_the_map_as_answered():
    found = met(0.5, -0.4, n=600)
    text = gaps.both_ways(found, gaps.met(found), draws=99, seed=1).text
    assert "by calibration, the way that verdicts use" in text
    alone = {name: {side: items[:1] for side, items in each.items()} for name, each in found.dimensions.items()}
    single = Answers(**vars(found) | {"dimensions": {"product": alone["product"]}})
    assert "has one item" in gaps.both_ways(single, gaps.met(single), draws=99, seed=1).text


def test_levels_that_are_three_things_fit_better_as_three():
    text = gaps.three_factors(zoned()).text
    assert "an index of 1.00" not in text.split("taken as one")[1]


# --- Levels, by hand ------------------------------------------------------------------------------------------------


def small():
    """Two dimensions, one with an expectation, one with levels; answers whose means can be seen."""
    rng = np.random.default_rng(6)
    columns = {"p": [5.0, 3.0] * 60, "e": [6.0, 6.0] * 60, "f": [4.0, 5.0] * 60, "a": [3.0] * 120, "d": [6.0] * 120}
    columns["s"] = rng.integers(1, 8, 120).astype(float)
    dimensions = {
        "wait": {"expectation": ("e",), "perception": ("p",)},
        "care": {"desired": ("d",), "adequate": ("a",), "perception": ("f",)},
    }
    return answers(columns, {"satisfaction": ("s",)}, dimensions)


def test_levels_and_gaps_are_means_and_mean_differences():
    rows = gaps.levels(small()).set_index("label")
    assert rows.loc["wait", ["value", "expected"]].tolist() == [4.0, 6.0]
    assert rows.loc["wait", "less expected"].value == -2.0
    assert rows.loc["care", "less adequate"].value == 1.5
    assert rows.loc["care", "less desired"].value == -1.5
    title = gaps.zone_chart(small(), min_cell=5).title
    assert title == (
        "Customers find less than expected in 1 and more in 0 of 1, less than adequate in 0 of 1 and less than desired "
        "in 1 of 1 dimensions of service"
    )


def test_scores_take_the_desired_level_where_no_expectation_was_asked():
    perceived, gap, _, _ = gaps._scored(small())
    assert perceived.mean().tolist() == [4.0, 4.5]
    assert gap.mean().tolist() == [-2.0, -1.5]


@pytest.mark.parametrize(("k", "n"), [(0, 40), (37, 40), (40, 40)])
def test_the_exact_share_is_clopper_and_pearsons(k, n):
    share = gaps.exact_share(pd.Series([True] * k + [False] * (n - k)), pd.Series(np.ones(n)))
    expected = binomtest(k, n).proportion_ci(method="exact")
    assert share.interval() == pytest.approx((expected.low, expected.high), abs=1e-9)  # both invert the same beta law


def test_unequal_weights_tell_less():
    yes, even = pd.Series([True, False] * 50), pd.Series(np.ones(100))
    uneven = pd.Series([1.8, 1.8, 0.2, 0.2] * 25)
    wide, narrow = (np.ptp(gaps.exact_share(yes, weight).interval()) for weight in (uneven, even))
    assert wide > 1.2 * narrow


# --- What is missing ------------------------------------------------------------------------------------------------


def test_quality_stands_in_for_perception_and_the_page_says_so():
    found = met(0.6, 0.0, n=400)
    constructs = {"satisfaction": found.constructs["satisfaction"]}
    constructs |= {"expectation": found.constructs["expectation"], "quality": found.constructs["perception"][:3]}
    plain = Answers(found.items, found.who, found.weight, constructs, {}, found.scale)
    beside = gaps.compared(plain)
    assert gaps.stands_in(beside)
    assert "rated quality stands in" in beside.notes[-1]
    assert isinstance(gaps.met(beside), surfaces.Surface)
    assert list(gaps.explained(beside, draws=20, seed=7)[0]) == ["satisfaction"]
    assert len(gaps.levels(beside, items=True)) == 1


def test_what_was_not_asked_is_named():
    nothing = answers({"s": np.arange(200.0) % 7 + 1}, {"satisfaction": ("s",)}, {})
    assert gaps.compared(nothing) is nothing
    evidence = {
        "S04": gaps.disconfirmed(nothing, draws=20, seed=8),
        "E07": gaps.two_levels(nothing, draws=20, seed=8),
        "E09": gaps.tolerated(nothing, draws=20, seed=8)[0],
        "E05": gaps.explained(nothing, draws=20, seed=8)[0]["satisfaction"],
    }
    for name, answer in evidence.items():
        assert isinstance(answer, NotTestable)
        assert "no construct" in answer.reason
        assert verdict(name, answer) == "not testable"
    assert "product" in gaps.beaten(nothing).reason
    surface = gaps.met(nothing)
    for exhibit in (
        gaps.zone_chart(nothing, min_cell=5),
        gaps.level_table(nothing, min_cell=5),
        gaps.score_table(nothing, draws=20, seed=8),
        gaps.foretold(nothing, draws=20, seed=8),
        gaps.surface_map(surface, min_cell=5),
        gaps.special_cases(surface, seed=8),
        gaps.three_factors(nothing),
        gaps.conclusion(surface),
    ):
        assert isinstance(exhibit, Text)


def test_scores_of_a_handful_are_not_shown():
    few = met(n=200).only(np.arange(200) < 4)
    assert isinstance(gaps.score_table(few, draws=20, seed=8), Text)
    assert isinstance(gaps.zone_chart(few, min_cell=5), Text)
    assert set(gaps.level_table(few, min_cell=5).released()["answers"]) == {"hidden"}


def test_sides_on_different_scales_are_not_compared():
    found = met(n=200)
    scale = found.scale | {"price_perception_1": (1, 5)}
    mixed = Answers(found.items, found.who, found.weight, found.constructs, found.dimensions, scale)
    assert "one stated answer scale" in gaps.met(mixed).reason


def test_exhibits():
    for found in (met(n=300), zoned(n=300)):
        assert isinstance(gaps.zone_chart(found, min_cell=5), Figure)
        assert isinstance(gaps.level_table(found, min_cell=5), Table)
        assert isinstance(gaps.score_table(found, draws=20, seed=9), Table)
        assert isinstance(gaps.foretold(found, draws=20, seed=9), Figure)
    surface = gaps.met(met(0.5, -0.4, n=300))
    told = gaps.surface_map(surface, min_cell=1)
    assert told.title == "Satisfaction rises with what customers find, and falls with what they expect"
    rows = gaps.special_cases(surface, seed=9).rows.set_index("explanation")
    assert rows.loc["What was found, along a straight line", "enough"] == "no"
    assert rows["explained"].notna().all()


# --- The kiosk questionnaire ----------------------------------------------------------------------------------------


EXAMPLE = Path(__file__).parents[1] / "data/examples/kiosk_servqual.toml"


def test_the_example_file_pairs_24_statements_in_eight_dimensions():
    pairs = studies.open_study("kiosk", EXAMPLE).pairs
    asked = [(each.expectation, each.perception) for each in pairs]
    assert [len(side) for both in asked for side in both] == [3] * 16
    assert [e.replace("_1", "_2") for expected, _ in asked for e in expected] == [
        p for _, found in asked for p in found
    ]


@pytest.mark.skipif("LOYALTY_EXTRA_DATA" not in os.environ, reason="LOYALTY_EXTRA_DATA names no folder of further data")
def test_kiosk_questionnaire_as_its_example_file_reads_it(tmp_path):
    """194 users. Means and correlations reckoned from the file itself, to the last digit given (three decimals)."""
    shutil.copy(EXAMPLE, tmp_path)
    shutil.copy(Path(os.environ["LOYALTY_EXTRA_DATA"]) / "kiosk_servqual.csv", tmp_path)
    found = gaps.compared(scales.answers(studies.open_study("kiosk", tmp_path / EXAMPLE.name)))
    perceived, gap, satisfaction, _ = gaps._scored(found)
    means = perceived.to_numpy().mean(), gap.to_numpy().mean()
    assert (means[0], means[0] - means[1]) == pytest.approx((4.839, 5.998), abs=0.0005)
    assert means[1] == pytest.approx(-1.159, abs=0.0005)
    together = [np.corrcoef(side.mean(axis=1), satisfaction)[0, 1] for side in (gap, perceived)]
    assert together == pytest.approx([0.418, 0.522], abs=0.0005)
    assert "less than expected in 7 and more in 0 of 8" in gaps.zone_chart(found, min_cell=5).title
    assert "better than the gap" in gaps.foretold(found, draws=199, seed=10).title
    equal, more = gaps.explained(found, draws=199, seed=10)
    assert {verdict("E05", parts) for parts in equal.values()} == {"contradicted"}
    assert verdict("E06", more["satisfaction"]) == "contradicted"
    assert "4.6% of the answers" in gaps.disconfirmed(found, draws=20, seed=10).reason
    assert isinstance(equal["quality"]["lost"], Estimate)
