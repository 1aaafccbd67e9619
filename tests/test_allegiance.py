"""Kinds of loyalty on worlds whose truth is known, and what is said where the data cannot tell."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from analysis import afterwards, allegiance, hypotheses, planted
from analysis.cases import loyalty
from analysis.estimates import NotTestable
from analysis.exhibits import Figure, Table, Text
from analysis.motives import shares

DRAWS = {"draws": 99, "seed": 1}
TEN = (-10.0, 10.0)


def verdict(claim, evidence):
    return hypotheses.get(claim).rule.judge(evidence).word


def drawn(world, of, seed=1):
    return of(np.random.default_rng(seed), world)


def answered(n=400, *, times=2, seed=2, **held):
    """Customers who answered several times, half a year apart; scores on a scale from -10 to 10."""
    rng = np.random.default_rng(seed)
    names = ["loyalty", "satisfaction", "switching_cost", "desired", "emotion", "effort", "quality", "price"]
    scores = {name: rng.standard_normal(n * times) for name in [*names, "availability", "rival_other"]} | held
    days = np.repeat(pd.date_range("2023-01-01", periods=times, freq="182D"), n)
    who = np.tile([f"c{number}" for number in range(n)], times)
    return planted.answers(rng, scores, scale=TEN, customer_id=who, answered_at=days)


def contracts(found, stay, **more):
    """A study whose customers began on the first day of 2022 and stay for so many days; seen until the end of 2025."""
    who = pd.unique(found.who["customer_id"])
    seen = (date(2025, 12, 31) - date(2022, 1, 1)).days
    rows = pd.DataFrame({"customer_id": who, "started_at": pd.Timestamp("2022-01-01"), "entered": 0.0})
    rows = rows.assign(time=np.minimum(stay, seen).astype(float), left=np.asarray(stay) < seen)
    return planted.study(subscriptions=rows, facts={"subscriptions": {"observed_until": date(2025, 12, 31)}}, **more)


# --- L09 ------------------------------------------------------------------------------------------------------------


def test_customers_count_once_with_the_mean_of_their_answers():
    found = answered(150, times=3)
    around = planted.around(
        found, np.zeros(450), before=np.tile([3.0, 5.0, 4.0], 150), age=np.repeat([90, 300, 400], 150)
    )
    table = allegiance.measured(around)
    assert len(table) == 150
    by = pd.Series(found.score(found.constructs["loyalty"])).groupby(found.who["customer_id"]).mean()
    assert sorted(table["attitude"]) == pytest.approx(sorted(by))
    new = allegiance.measured(planted.around(found, np.zeros(450), age=100.0))
    assert "of 180 days" not in new.reason
    assert "100 are needed" in new.reason
    once = allegiance.measured(planted.around(answered(150, times=1), np.zeros(150)))
    assert isinstance(once, NotTestable)
    assert isinstance(allegiance.sorted_out(once, **DRAWS), NotTestable)
    assert allegiance.parts(once) == once


# --- L10 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "word"), [("true", "supported"), ("null", "contradicted"), ("reversed", "contradicted")]
)
def test_l10_tells_dulled_from_equal(world, word):
    assert verdict("L10", loyalty.willing(drawn(world, loyalty.contracts), 1)) == word


def test_an_answer_counts_until_the_next_one_and_only_while_the_contract_runs():
    """Answers on days 365 and 547 of the contract; who leaves on day 400 gave one of the two while a customer."""
    found = answered(200)
    stay = np.where(np.arange(200) < 50, 400, np.where(np.arange(200) < 60, 300, 5000))
    table = allegiance.in_contract(contracts(found, stay), found)
    first = table[table["who"] == "c0"]
    assert first[["time", "left"]].to_numpy().tolist() == [[35, True]]
    later = table[table["who"] == "c100"].sort_values("seen")
    assert later["time"].tolist() == [1460 - 547, 182]  # until the end of what is seen, and until the next answer
    assert not later["left"].any()
    assert set(table["who"]).isdisjoint({"c50", "c59"})  # they had left before they answered
    assert len(table) == 50 + 2 * 140


def test_the_stuck_are_counted_among_all_who_answered():
    n = 400
    found = answered(
        n,
        times=1,
        loyalty=np.where(np.arange(n) < 120, -1.0, 1.0),
        switching_cost=np.where(np.arange(n) % 2, 1.0, -1.0),
    )
    stay = np.where(np.arange(n) < 40, 500, 5000)
    answer = allegiance.stuck(allegiance.in_contract(contracts(found, stay), found), days=365)
    assert answer.value == pytest.approx((120 - 40) / 2 / n)


def test_answers_after_the_contract_ended_cannot_explain_leaving():
    found = answered(200)
    late = allegiance.in_contract(contracts(found, np.full(200, 100)), found)
    assert "No answer came while a contract ran" in late.reason
    for reading in allegiance.willing_or_stuck(late, days=365).values():
        assert verdict("L10", reading) == "not testable"
    nameless = planted.answers(
        np.random.default_rng(1), {name: np.zeros(5) for name in ("satisfaction", "loyalty", "switching_cost")}
    )
    assert "no customer_id" in allegiance.in_contract(planted.study(), nameless).reason
    assert "subscriptions" in allegiance.in_contract(planted.study(), found).reason


# --- L11 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "word"), [("true", "supported"), ("null", "contradicted"), ("artefact", "contradicted")]
)
def test_l11_tells_what_a_tier_hides_from_what_made_it(world, word):
    table = drawn(world, loyalty.members)
    assert verdict("L11", allegiance.beyond_tier(table, **DRAWS)) == word


def test_a_tier_reached_after_the_answer_is_not_known_yet():
    found = answered(150, times=1)
    who = found.who["customer_id"]
    rows = pd.DataFrame(
        {"customer_id": who, "joined_at": pd.Timestamp("2022-06-01"), "tier": "gold", "running_value": 9.0}
    )
    reached = np.where(np.arange(150) < 70, "2022-12-01", "2023-02-01")
    clubs = rows.assign(tier_at=pd.to_datetime(reached))
    lab = contracts(found, np.where(np.arange(150) < 40, 400, 5000), memberships=clubs)
    table = allegiance.members(lab, planted.around(found, np.ones(150)))
    assert table["tier"].value_counts().to_dict() == {"gold": 70, allegiance.NOT_YET: 80}
    assert set(table.loc[table["tier"] == allegiance.NOT_YET, "points"]) == {0.0}
    assert table["stayed"].sum() == 110
    undated = allegiance.members(
        contracts(found, np.full(150, 5000), memberships=rows), planted.around(found, np.ones(150))
    )
    assert "tier without its day" in undated.reason
    free = planted.study(memberships=clubs)
    ordered = allegiance.members(free, planted.around(found, np.arange(150) % 2))
    assert ordered["stayed"].sum() == 75  # without contracts, who ordered has stayed
    assert "no memberships table" in allegiance.members(planted.study(), planted.around(found, np.ones(150))).reason
    same = allegiance.beyond_tier(table.assign(tier="gold", stayed=np.arange(150) % 2 * 1.0), **DRAWS)
    assert "same tier" in same.reason


# --- L12 and L13 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "word"), [("true", "supported"), ("null", "contradicted"), ("reversed", "contradicted")]
)
def test_l12_tells_demands_from_noise(world, word):
    assert verdict("L12", allegiance.demands(drawn(world, loyalty.demanding), **DRAWS)) == word


def test_heavy_use_makes_the_naive_slope_of_demands():
    table = drawn("artefact", loyalty.demanding)
    assert allegiance.demands(table, how=allegiance.PLAIN, **DRAWS).value > 0.1
    assert allegiance.demands(table, **DRAWS).value < 0.1


@pytest.mark.parametrize(("world", "words"), [("true", {"supported"}), ("reversed", {"contradicted"})])
def test_l13_finds_who_is_first(world, words):
    of = allegiance.first_cause(None, drawn(world, loyalty.first), **DRAWS)
    assert verdict("L13", allegiance.lead(of)) in words
    assert isinstance(shares(of), Figure)


def test_one_wave_has_no_later_answer():
    found = answered(200, times=1)
    around = planted.around(found, np.zeros(200), before=np.ones(200))
    for of in ("demands", "causes"):
        assert "Ask the same customers again" in allegiance.asked_again(found, around, of=of).reason
    again = answered(200)
    unused = allegiance.asked_again(again, NotTestable("no orders"), of="demands", control="rival_other")
    assert "bring orders" in allegiance.demands(unused, **DRAWS).reason
    assert allegiance.demands(unused, how=allegiance.PLAIN, **DRAWS).n == 200
    assert allegiance.demands(unused.assign(usage=0.1 * np.arange(200)), outcome="rival_other", **DRAWS).n == 200
    # Habit is read from orders where nobody asked about it, and missed where there are none.
    known = allegiance.asked_again(again, planted.around(again, np.zeros(400), before=np.arange(400.0)), of="causes")
    assert {"habit", "experience", "later loyalty"} <= {*known}
    assert "no construct habit" in allegiance.asked_again(again, NotTestable("none"), of="causes").reason


def test_exhibits_and_their_refusals():
    rng = np.random.default_rng(3)
    found = answered(10)
    orders = rng.poisson(3.0, 400).astype(float)
    table = pd.DataFrame({"attitude": rng.integers(-3, 4, 400) / 1.0, "orders": orders})
    assert isinstance(allegiance.quarters(table, found, days=180), Figure)
    assert isinstance(allegiance.by_cost(drawn("true", loyalty.contracts)[:1500]), Figure)
    assert isinstance(allegiance.liking_by_tier(drawn("true", loyalty.members), found), Figure)
    kinds = allegiance.sorted_out(table.assign(often=np.log1p(orders)), draws=1, halves=1, seed=1)
    assert isinstance(allegiance.groups(kinds, days=180), Table)
    assert allegiance.size(table, "customers") == "400 customers"
    lack = NotTestable("Nobody was asked.")
    refused = [
        allegiance.quarters(lack, found, days=1), allegiance.groups(lack, days=1), allegiance.by_cost(lack),
        allegiance.liking_by_tier(lack, found),
    ]  # fmt: skip
    assert all(isinstance(each, Text) and "Nobody was asked" in each.text for each in refused)
    assert allegiance.size(lack, "customers") == "Nobody was asked"
    assert allegiance.leading({"a": lack, "b": 1}) == "b"
    assert allegiance.leading({"a": lack}) == "a"


def test_pairs_of_answers_may_be_chosen_and_dealt_out():
    table = drawn("true", loyalty.demanding).assign(months=np.where(np.arange(1000) < 400, 6.0, 18.0))
    assert allegiance.demands(table, pairs=allegiance.SOON, **DRAWS).n == 400
    twice = pd.concat([table, table], ignore_index=True)
    assert allegiance.demands(twice, **DRAWS).n == 2000
    assert allegiance.demands(twice, pairs=allegiance.ONE, **DRAWS).n == 1000
    dealt = afterwards.dealt_out("later desired")(table, np.random.default_rng(1))
    assert sorted(dealt["later desired"]) == sorted(table["later desired"])
    assert abs(allegiance.demands(dealt, **DRAWS).value) < 0.1


# --- L10: the day on which a contract ceases to bind ----------------------------------------------------------------


def unlocked(random, *, jump=1.0, dulled=1.0, n=4000, days=90):
    """Contracts before and after that day: leaving rises by `jump`, and satisfaction counts `dulled` times before."""
    mood = random.standard_normal(n)
    before = random.exponential(np.exp(0.3 * dulled * mood) / 8e-4)
    after = random.exponential(np.exp(0.3 * mood) / (8e-4 * jump))
    sides = {1: (before, before >= 0), 0: (after, before >= days)}
    rows = [
        pd.DataFrame({"who": np.arange(n), "binds": side, "time": until.clip(max=days), "left": until < days})[there]
        for side, (until, there) in sides.items()
    ]
    return pd.concat(rows).assign(entered=0.0, weight=1, satisfaction=lambda t: mood[t["who"]])


def test_the_two_sides_of_that_day_by_hand(make_study):
    """Ann leaves 10 days after it, ben 20 days before it, carl on it, dora never; eve's contract never bound."""
    rows = "customer_id,started_at,ended_at,lock_days\nann,2024-01-01,2025-01-10,365\nben,2024-01-01,2024-12-11,365\n"
    rows += "carl,2024-01-01,2024-12-31,365\ndora,2024-01-01,,365\neve,2024-01-01,2024-05-01,0\n"
    settings = 'observed_until = 2025-12-31\ncovariates = ["lock_days"]'
    many = rows + "".join(f"x{i},2023-01-01,,365\n" for i in range(100))
    lab = make_study(many, settings, table="subscriptions")
    table = allegiance.bound(lab, NotTestable("none"), lock="lock_days", days=30)
    here = table[table["who"].isin(["ann", "ben", "carl", "dora"])].sort_values(["who", "binds"])
    assert here["time"].to_list() == [11.0, 30.0, 11.0, 1.0, 30.0, 30.0, 30.0]  # whole days, the last one included
    assert here["left"].to_list() == [True, False, True, True, False, False, False]
    assert table["satisfaction"].isna().all()
    found = allegiance.freed(table, days=30)
    lost = [1 - np.exp(-30 * gone / days) for gone, days in ((2, 11 + 1 + 30 * 101), (1, 11 + 30 * 103))]
    assert found["stuck"].value == pytest.approx(lost[0] - lost[1])
    assert "0 customers who had told" in found["dulled"].reason
    few = make_study(rows, settings, table="subscriptions")
    assert "contracts lasted until" in allegiance.bound(few, NotTestable("none"), lock="lock_days", days=30).reason
    assert "No column" in allegiance.bound(few, NotTestable("none"), lock="", days=30).reason
    assert "no column weeks" in allegiance.bound(few, NotTestable("none"), lock="weeks", days=30).reason


@pytest.mark.parametrize(
    ("world", "word"),
    [
        ({}, "contradicted"), ({"jump": 2.5, "dulled": 0.2}, "supported"), ({"dulled": 0.2}, "contradicted"),
        ({"jump": 2.5, "dulled": 1.6}, "contradicted"),
    ],
)  # fmt: skip
def test_who_was_stuck_leaves_when_the_contract_ceases_to_bind(world, word):
    found = allegiance.freed(unlocked(np.random.default_rng(7), **world), days=90)
    assert verdict("L10", found) == word
    jump, dulled = world.get("jump", 1.0), world.get("dulled", 1.0)
    assert found["dulled"].low < np.exp(-0.3 * dulled + 0.3) < found["dulled"].high
    assert (found["stuck"].low > 0) == (jump > 1)
