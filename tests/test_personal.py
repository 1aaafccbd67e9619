"""Does personal treatment pay: by hand, in worlds whose truth is known, and on the simulated club."""

from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest
from invented import orders

from analysis import customers, hypotheses, personal, promoting
from analysis.checks import CheckedTable
from analysis.estimates import Estimate, NotTestable
from analysis.exhibits import Figure, Text

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
    """Its law: log rate of orders +.1, so a ratio of 1.105 in all that follows."""
    offers = personal.offers(*club, "offers from history", days=365)
    found = personal.offered(offers)[personal.SHARPER]
    assert found.low < np.exp(0.1) < found.high
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
    """Its law: .4 of what is about a standard deviation of satisfaction."""
    lab, _ = club
    said = personal.answered(lab, "personal service")
    found = personal.pleased(lab, "personal service")
    assert [verdict("S11", answer) for answer in found.values()] == ["supported", "supported"]
    assert found[personal.FIRST].low < 0.4 < found[personal.FIRST].high
    assert isinstance(personal.moods(said, min_cell=5), Figure)
    assert "differs from the share among the others by" in personal.who_answered(said, lab, "personal service").text


# --- what is not there --------------------------------------------------------------------------------------------


def test_trials_that_nobody_named_are_asked_for(club):
    lab, bought = club
    assert "its treated arm is not named (offer_arm)" in personal.offers(lab, bought, "", days=9).reason
    assert "its treated arm is not named (reward_arm)" in personal.kept(lab, bought, "", days=9).reason
    assert "its treated arm is not named (service_arm)" in personal.answered(lab, "").reason
    assert "was treated with tea" in personal.offers(lab, bought, "tea", days=9).reason
    assert "no table surveys" in personal.answered(study(), "tea").reason
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
