"""Emotion, bond, trust and engagement on worlds whose truth is known, and what is said where the data cannot tell."""

import numpy as np
import pandas as pd
import pytest

from analysis import afterwards, attachment, hypotheses, planted
from analysis.cases import loyalty
from analysis.estimates import Estimate, NotTestable, part, told
from analysis.exhibits import Figure, Text

DRAWS = {"draws": 99, "seed": 1}


def verdict(claim, evidence):
    return hypotheses.get(claim).rule.judge(evidence).word


def drawn(world, of, seed=1):
    return of(np.random.default_rng(seed), world)


def answered(held, *, times=1, days=182):
    """Questionnaires of the same customers, some days apart, on a scale from -10 to 10."""
    n = len(next(iter(held.values()))) // times
    when = np.repeat(pd.date_range("2022-01-01", periods=times, freq=f"{days}D"), n)
    who = np.tile([f"c{number}" for number in range(n)], times)
    wave = np.repeat([str(wave) for wave in range(times)], n)
    rng = np.random.default_rng(0)
    return planted.answers(rng, held, scale=(-10.0, 10.0), customer_id=who, answered_at=when, wave=wave)


# --- L01 and L07 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "word"), [("true", "supported"), ("null", "contradicted"), ("reversed", "contradicted")]
)
def test_l01_tells_three_blocks_from_none(world, word):
    assert verdict("L01", attachment.three_blocks(drawn(world, loyalty.blocks), **DRAWS)) == word


def test_what_follows_from_earlier_buying_vanishes_beside_it():
    table = drawn("artefact", loyalty.blocks)
    assert attachment.three_blocks(table, **DRAWS)["emotion"].value > 0.1
    assert abs(attachment.three_blocks(table, how=attachment.PAST, **DRAWS)["emotion"].value) < 0.06
    assert attachment.alone(table, **DRAWS)["emotion"].value > attachment.three_blocks(table, **DRAWS)["emotion"].value


def test_a_block_that_only_repeats_the_others_tells_nothing():
    """Value is emotion and attributes with noise: it correlates with buying, and not beyond these two."""
    rng = np.random.default_rng(4)
    emotion, attributes = rng.standard_normal((2, 2000))
    value = (emotion + attributes + 0.7 * rng.standard_normal(2000)) / 1.6
    held = {"emotion": emotion, "satisfaction": attributes, "value": value, "unsteady": np.zeros(2000)}
    held["later buying"] = 0.4 * (emotion + attributes) + rng.standard_normal(2000)
    table = pd.DataFrame(held).assign(weight=1.0)
    assert attachment.alone(table, **DRAWS)["value"].low > 0.2
    assert abs(attachment.three_blocks(table, **DRAWS)["value"].value) < 0.06


def test_steady_feelings_take_three_waves():
    rng = np.random.default_rng(5)
    held = {name: rng.standard_normal(360) for name in attachment.BLOCKS}
    found = answered(held, times=3)
    around = planted.around(found, np.arange(360.0), before=np.ones(360))
    table = attachment.over_waves(around, least=3)
    assert len(table) == 120
    by = pd.Series(held["emotion"]).groupby(found.who["customer_id"].to_numpy())
    assert sorted(table["emotion"]) == pytest.approx(sorted(by.mean()))
    assert sorted(table["unsteady"]) == pytest.approx(sorted(by.std(ddof=0)))
    assert sorted(table["later buying"]) == pytest.approx(np.log1p(np.arange(240.0, 360)))  # of the last answer alone
    twice = answered({name: score[:240] for name, score in held.items()}, times=2)
    few = attachment.over_waves(planted.around(twice, np.zeros(240)), least=3)
    assert "Ask the same customers at more waves" in few.reason
    for ask in (attachment.three_blocks, attachment.alone, attachment.together):
        assert ask(few, **DRAWS) == few
    lacking = answered({"emotion": np.zeros(200)})
    assert "value" in attachment.over_waves(planted.around(lacking, np.zeros(200)), least=1).reason


@pytest.mark.parametrize(
    ("world", "word"), [("true", "supported"), ("null", "contradicted"), ("artefact", "contradicted")]
)
def test_l07_tells_products_from_sums(world, word):
    assert verdict("L07", attachment.together(drawn(world, loyalty.product), **DRAWS)) == word


# --- L02 and G01 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", ["L02", "G01"])
@pytest.mark.parametrize(
    ("world", "word"), [("true", "supported"), ("null", "contradicted"), ("artefact", "contradicted")]
)
def test_must_needs_an_empty_corner_and_not_only_a_gain(claim, world, word):
    case = next(case for case in loyalty.CASES if case.claim == claim)
    assert verdict(claim, case.ask(drawn(world, case.world), 1)) == word


def test_what_counts_as_loyalty():
    rng = np.random.default_rng(6)
    held = {name: rng.standard_normal(400) for name in ("bond", "satisfaction", "loyalty")}
    found, names = answered(held, times=2), ["bond", "satisfaction"]
    orders = planted.around(found.latest(), np.full(200, 3.0))
    tables = {how: attachment.told_by(found, names, how, orders) for how in attachment.RUNGS}
    assert tables[attachment.LATER]["outcome"].to_numpy() == pytest.approx(held["loyalty"][200:])
    assert tables[attachment.LATER]["bond"].to_numpy() == pytest.approx(held["bond"][:200])
    assert tables[attachment.SAME_DAY]["outcome"].to_numpy() == pytest.approx(held["loyalty"][200:])
    assert tables[attachment.SAME_DAY]["bond"].to_numpy() == pytest.approx(held["bond"][200:])
    assert set(tables[attachment.BOUGHT]["outcome"]) == {np.log1p(3)}
    bought = attachment.indispensable(tables[attachment.BOUGHT], "bond", condition="bond", of="outcome", **DRAWS)
    assert all(isinstance(part, NotTestable) for part in attachment.in_parts(bought, "necessary").values())
    once = attachment.told_by(found.latest(), names, attachment.LATER, orders)
    assert "Nobody answered on two days" in once.reason
    assert attachment.in_parts(once, "necessary") == once
    without = attachment.told_by(answered({"loyalty": np.zeros(9)}), names, attachment.SAME_DAY, orders)
    assert "no construct bond" in without.reason


# --- L08 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "word"), [("true", "supported"), ("null", "contradicted"), ("reversed", "contradicted")]
)
def test_l08_tells_leads_that_work_from_others(world, word):
    assert verdict("L08", loyalty.ahead(drawn(world, loyalty.rivals), 1)) == word


def test_the_half_life_is_that_of_the_lead_and_not_of_its_noise():
    """A lead that halves in 18 months, told with as much noise."""
    rng, stays, waves = np.random.default_rng(7), 0.5 ** (182 / (18 * 365.25 / 12)), []
    lead = rng.standard_normal(3000)
    for _ in range(5):
        waves.append(lead + rng.standard_normal(3000))
        lead = stays * lead + np.sqrt(1 - stays**2) * rng.standard_normal(3000)
    held = {"satisfaction": np.concatenate(waves), "rival_a": np.zeros(15000), "loyalty": np.zeros(15000)}
    found = answered(held, times=5)
    answer, course = attachment.lasting(found, attachment.leads(found), **DRAWS)
    assert answer.low < 18 < answer.high
    # Four pairs of neighbours to three of next but one; half of what is told is noise.
    assert course["left"][0] == pytest.approx((4 * stays + 3 * stays**2) / 7 / 2, abs=0.03)
    assert isinstance(attachment.course((answer, course)), Figure)


def test_a_lead_that_no_second_answer_confirms_lasts_no_time():
    rng = np.random.default_rng(8)
    held = {name: rng.standard_normal(1600) for name in ("satisfaction", "rival_a", "rival_b", "loyalty")}
    found = answered(held, times=4)
    lead = attachment.leads(found)
    best = np.maximum(held["rival_a"], held["rival_b"])
    assert lead["lead"].to_numpy() == pytest.approx((held["satisfaction"] - best) / 20)  # of a scale 20 points long
    assert attachment.lasting(found, lead, **DRAWS)[0].high < 12


def test_without_rivals_or_a_third_wave_there_is_no_lasting_lead():
    rng = np.random.default_rng(9)
    held = {name: rng.standard_normal(400) for name in ("satisfaction", "loyalty", "rival_a")}
    assert "rates no rival" in attachment.leads(answered({"satisfaction": np.zeros(9)})).reason
    twice = answered(held, times=2)
    parts = attachment.durable(twice, attachment.leads(twice), **DRAWS)[attachment.FIXED]
    assert isinstance(parts["effect"], Estimate)
    assert "three waves" in parts["half_life"].reason
    assert verdict("L08", parts) in ("not testable", "contradicted")
    assert isinstance(attachment.course(parts["half_life"]), Text)


# --- G04 and G07 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "word"), [("true", "supported"), ("null", "contradicted"), ("reversed", "contradicted")]
)
def test_g04_needs_all_four_sources(world, word):
    found = drawn(world, loyalty.engaged)
    assert verdict("G04", attachment.sources(found, **DRAWS)) == word
    assert verdict("G04", attachment.sources(found, how=attachment.FREED, **DRAWS)) == word


@pytest.mark.parametrize(("world", "word"), [("true", "supported"), ("reversed", "contradicted")])
def test_g07_tells_whether_trust_is_first(world, word):
    assert verdict("G07", loyalty.trust_first(drawn(world, loyalty.trusting), 1)) == word


def test_sources_and_drivers_that_were_not_asked():
    found = answered({"engagement": np.zeros(150), "loyalty": np.zeros(150)})
    assert "influence" in attachment.sources(found, **DRAWS).reason
    assert "trust" in attachment.trust_first(attachment.of_loyalty(found, **DRAWS)).reason


def test_exhibits_and_their_refusals():
    case = next(case for case in loyalty.CASES if case.claim == "L02")
    table = (drawn("artefact", case.world) * 1.2).round()
    found = attachment.indispensable(table, "bond", condition="bond", of="outcome", **DRAWS)
    how = {"condition": "bond", "of": "outcome", "named": "loyalty", "name": "bond"}
    assert isinstance(attachment.bounded(table, found, **how), Figure)
    lack = NotTestable("Nobody was asked.")
    assert "Nobody was asked" in attachment.bounded(lack, lack, **how).text
    assert "Nobody was asked" in attachment.course(lack).text
    parts = attachment.three_blocks(drawn("true", loyalty.blocks), **DRAWS)
    telling = {"name": "blocks", "what": "Correlation", "title": "Blocks", "caption": "n"}
    assert isinstance(attachment.beside({"a": parts, "b": lack}, **telling), Figure)
    assert "Nobody was asked" in attachment.beside({"b": lack}, **telling).text
    assert attachment.strongest(parts)[1].value == max(part.value for part in parts.values())
    assert attachment.strongest(lack) == ("", lack)
    assert told(part(lack, "adds")) == "not testable here"


def test_l01_can_be_asked_in_other_ways_and_of_orders_dealt_out():
    rng = np.random.default_rng(11)
    held = {name: rng.standard_normal(1500) for name in attachment.BLOCKS}
    around = planted.around(answered(held, times=3), rng.poisson(np.exp(1 + sum(held.values()) / 2)) * 1.0)
    asked = attachment.in_ways(around, answers=1, past=attachment.PLAIN, draws=99)
    assert asked["emotion"].low > 0.1
    dealt = afterwards.dealt_out("after")(around, rng)
    assert attachment.in_ways(dealt, answers=1, past=attachment.PLAIN, draws=99)["emotion"].value < 0.12
    assert sorted(dealt.did["after"]) == sorted(around.did["after"])
