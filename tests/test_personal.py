"""Does personal treatment pay: by hand, in worlds whose truth is known, and on the simulated club."""

from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest
from invented import orders

from analysis import customers, hypotheses, personal, promoting, scales
from analysis.checks import CheckedTable
from analysis.estimates import Estimate, NotTestable
from analysis.exhibits import Figure, Text
from analysis.laws import Laws

NOTHING = NotTestable("There is nothing.")
DAY = pd.Timestamp("2024-06-01")


def study(**tables):
    """A study that has these tables."""
    checked = {name: CheckedTable(name, ibis.memtable(rows), (), (), {}) for name, rows in tables.items()}
    return SimpleNamespace(has=checked.__contains__, table=checked.get)


def verdict(claim, answer):
    return hypotheses.get(claim).rule.judge(answer).word


def lots(arms, **more):
    return pd.DataFrame({"customer_id": [f"c{i}" for i in range(len(arms))], "arm": arms, "assigned_at": DAY, **more})


# --- the club, whose laws are known -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def club(bundled):
    return bundled["club"], promoting.orders_of(bundled["club"])


def test_consent_of_the_club(club):
    """Its law: log odds .35, and .6 more where something is offered: 58.7% and 72.1%."""
    agreed = personal.consenting(club[0], "consent")
    found = personal.willing(agreed)
    assert verdict("P12", found) == "supported"
    assert found.low < 1 / (1 + np.exp(-0.95)) < found.high
    assert "changed the share who agree by +" in personal.moved_consent(agreed).text


def test_offers_of_the_club_sell(club):
    """Its law: log rate of orders +.2, so a ratio of 1.221 in all that follows."""
    offers = personal.offers(*club, "offers from history", days=365)
    found = personal.offered(offers)[personal.SHARPER]
    assert found.low < np.exp(Laws().history_offers) < found.high
    assert verdict("P13", found) != "contradicted"
    drawn = promoting.course(offers, currency="EUR", min_cell=5, what="margin", names=personal.OFFERS)
    assert drawn.title.startswith("After it, margin")
    assert set(drawn.data["section"]) == {"before", "after"}


def test_personal_rewards_of_the_club_keep_customers(club):
    """Its law: log hazard -.25, so of 18% who leave within the year some 3.5 points stay."""
    rewards = personal.kept(*club, "personal reward", days=365)
    found = personal.retained(rewards, [5, 5])
    assert found.low < 0.035 < found.high
    assert verdict("P15", found) != "contradicted"
    agreed = personal.consenting(club[0], "consent")
    assert isinstance(personal.shares(agreed, rewards, min_cell=5), Figure)


def test_personal_service_of_the_club_pleases(club):
    """Its law: .4, where satisfaction as it is held is .67 wide in the club (the mean of its 60 months)."""
    lab, _ = club
    said = personal.answered(lab, "personal service")
    found = personal.pleased(lab, "personal service")
    assert [verdict("S11", answer) for answer in found.values()] == ["supported", "supported"]
    assert found[personal.FIRST].low < Laws().personal_satisfaction / 0.67 < found[personal.FIRST].high
    assert isinstance(personal.moods(said, min_cell=5), Figure)
    assert "differs from the share among the others by" in personal.who_answered(said, lab, "personal service").text


# --- what is not there --------------------------------------------------------------------------------------------


def test_trials_that_nobody_named_are_asked_for(club):
    lab, bought = club
    assert "its treated arm is not named (offer_arm)" in personal.offers(lab, bought, "", days=9).reason
    assert "its treated arm is not named (reward_arm)" in personal.kept(lab, bought, "", days=9).reason
    assert "its treated arm is not named (service_arm)" in personal.answered(lab, "").reason
    assert "was treated with tea" in personal.offers(lab, bought, "tea", days=9).reason
    assert "no surveys table" in personal.answered(study(), "tea").reason
    assert "none is said to fit" in personal.matched(lab, past=[], fits=[], outcome="", control="").reason


def test_where_nothing_is_known_every_answer_says_so():
    for answer in (
        personal.willing(NOTHING),
        personal.offered(NOTHING)[personal.SHARPER],
        personal.fitting(NOTHING),
        personal.retained(NOTHING, [1, 1]),
        personal.happier(NOTHING),
    ):
        assert answer.reason == "There is nothing."
    for made in (
        personal.moods(NOTHING, min_cell=5),
        personal.moved_consent(NOTHING),
        personal.who_answered(NOTHING, study(), ""),
        personal.shares(NOTHING, NOTHING, min_cell=5),
    ):
        assert isinstance(made, Text)
    sizes = personal.sizes({"P12": NOTHING, "P13": pd.DataFrame({"a": [1, 2]})}).rows
    assert sizes["customers"].tolist() == [0, 2]
    assert personal.leading({"a": NOTHING, "b": Estimate.exact(1, unit="ratio", n=1)}) == "b"
    assert personal.leading({"a": NOTHING}) == "a"


# --- by hand ------------------------------------------------------------------------------------------------------


def test_consent_is_the_share_of_the_arm_that_was_offered_something():
    arms = ["offer"] * 200 + ["control"] * 100
    agreed = personal.consenting(study(experiments=lots(arms, consent=["Yes"] * 150 + ["no"] * 150)), "consent")
    assert personal.willing(agreed).value == 0.75
    few = personal.consenting(study(experiments=lots(arms[:250], consent=1.0)), "consent")
    assert "the smaller one has 50" in personal.willing(few).reason


@pytest.mark.parametrize(
    ("costs", "reason"), [([], "State reward_costs"), ([5, 9], "is another claim"), ([5], "State reward_costs")]
)
def test_rewards_of_unknown_or_unequal_cost_are_not_compared(costs, reason):
    table = pd.DataFrame({"treated": [True, False] * 200, "stayed": [True] * 400})
    assert reason in personal.retained(table, costs).reason
    assert isinstance(personal.retained(table.assign(stayed=[True, True, False, False] * 100), [5, 5.1]), Estimate)


def test_without_contracts_an_order_within_the_days_counts_as_staying():
    log = [("c0", "2024-06-05", 1.0), ("c1", "2024-09-05", 1.0)]
    bought = customers.purchases(orders(log, until="2024-12-31"))
    table = personal.kept(study(experiments=lots(["gift", "control"])), bought, "gift", days=30)
    assert table.set_index("treated")["stayed"].to_dict() == {True: True, False: False}


def test_a_rule_that_follows_the_past_by_hand():
    """Who bought tea and drew tea spends 8, who bought coffee and drew coffee 8, all others 2: 8 against 5."""
    arm = np.tile(["tea", "coffee", "none"], 200)
    past = np.repeat(["tea", "coffee"], 300)
    rows = lots(arm, bought_tea=(past == "tea") * 1.0, bought_coffee=(past == "coffee") * 1.0)
    rows["spend"] = np.where(arm == past, 8.0, 2.0)
    lab = study(experiments=rows)
    told = {"past": ["bought_tea", "bought_coffee"], "fits": ["tea", "coffee"], "outcome": "spend", "control": "none"}
    matched = personal.matched(lab, **told)
    assert len(matched) == 400
    assert personal.fitting(matched).value == pytest.approx(8 / 5)
    unknown = matched.assign(tea=0.0, coffee=0.0)
    assert personal.fitting(unknown).value == 1, "where no past is known, the rule is a coin"
    assert "no column cups" in personal.matched(lab, **told | {"past": ["cups", "bought_tea"]}).reason


# --- S11 without a lot --------------------------------------------------------------------------------------------


def chosen(random, *, effect=0.0, hidden=0.0, n=2000):
    """Personal contacts go to the content, and to those who are in touch anyhow; contacts lower satisfaction."""
    before, calls, unseen = 4.8 + 1.2 * random.standard_normal(n), random.poisson(1.0, n), random.standard_normal(n)
    had = random.random(n) < 1 / (1 + np.exp(1 - 0.8 * (before - 4.8) - 0.5 * calls - hidden * unseen))
    said = 4.8 + 0.7 * (before - 4.8) - 0.2 * calls + hidden * unseen + effect * had + 0.8 * random.standard_normal(n)
    known = {"before": before.clip(0.1), "said": said, "months": random.uniform(4, 12, n), "call": calls * 1.0}
    return pd.DataFrame(known | {"treated": had})


def test_who_was_chosen_for_being_content_is_not_taken_for_made_content():
    table = chosen(np.random.default_rng(5))
    means = table.groupby("treated")["said"].mean()
    assert means[True] - means[False] > 0.2
    found = personal.likened(table)
    assert found.low < 0 < found.high
    moved = personal.likened(chosen(np.random.default_rng(5), effect=0.6))
    assert verdict("S11", moved) == "supported"  # by the rule alone; the rung allows an association
    hidden = personal.likened(chosen(np.random.default_rng(5), hidden=0.8))
    assert hidden.low > 0  # what no column tells stays in, which is why the rung is C


def test_intervals_without_a_lot_hold_the_truth():
    """95% coverage; of 200 draws 99% of runs lie between 90 and 98.5%."""
    drawn = [personal.likened(chosen(random, n=1000)) for random in np.random.default_rng(9).spawn(200)]
    assert 0.9 < np.mean([each.low < 0 < each.high for each in drawn]) < 0.99


def test_without_anything_known_it_is_the_plain_difference():
    """By hand: all alike before, so every chance is the same and the means are compared."""
    random = np.random.default_rng(2)
    known = {"before": 4.0, "months": 6.0, "treated": np.arange(400) < 150}
    table = pd.DataFrame(known | {"said": random.normal(5, 1, 400)})
    said = table.groupby("treated")["said"]
    by_hand = (said.mean()[True] - said.mean()[False]) / said.std()[False]
    assert personal.likened(table).value == pytest.approx(by_hand)


def test_contacts_between_two_answers_by_hand(make_study):
    surveys = "customer_id,answered_at,satisfaction_1,knowledge_1\n"
    surveys += "ann,2024-01-01,4,3\nann,2024-07-01,6,3\nben,2024-01-01,5,2\nben,2024-07-01,5,1\n"
    settings = 'scale = [1, 7]\n[study.shop.constructs]\nsatisfaction = ["satisfaction_1"]\nknowledge = ["knowledge_1"]'
    asked = scales.answers(make_study(surveys, settings, table="surveys"))
    found = personal.undrawn(study(), asked, "call", days=90)
    assert "no touchpoints table" in found.reason
    touched = pd.DataFrame({"customer_id": ["ben", *["ann"] * 3], "touchpoint": ["site", "call", "call", "site"]})
    touched["touched_at"] = pd.to_datetime(["2023-09-01", "2023-12-01", "2024-06-01", "2024-06-02"])
    both = study(touchpoints=touched)
    table = personal.undrawn(both, asked, "call", days=90, control="knowledge")
    assert table["treated"].to_list() == [True, False]
    assert table[["before", "said", personal.CONTROL, "call"]].to_numpy().tolist() == [[4, 6, 3, 1], [5, 5, 1, 0]]
    assert "No kind of contact is named" in personal.undrawn(both, asked, "", days=90).reason
    assert "Nobody had a contact of the kind letter" in personal.undrawn(both, asked, "letter", days=90).reason
    assert "100 are needed of each" in personal.likened(table).reason
    without = table.drop(columns=personal.CONTROL)
    assert "No question is named" in personal.likened(without, outcome=personal.CONTROL).reason
