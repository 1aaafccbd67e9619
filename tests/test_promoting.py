"""What promotions leave behind: by hand, in worlds whose truth is known, and on the simulated club."""

from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest
from invented import orders

from analysis import customers, findings, hypotheses, promoting, trials
from analysis.checks import CheckedTable
from analysis.estimates import NotTestable
from analysis.exhibits import Figure, Table, Text

NOTHING = NotTestable("There is nothing.")
START = pd.Timestamp("2024-06-01")


def study(**tables):
    """A study that has these tables."""
    checked = {name: CheckedTable(name, ibis.memtable(rows), (), (), {}) for name, rows in tables.items()}
    return SimpleNamespace(has=checked.__contains__, table=checked.get)


def verdict(claim, answer):
    return hypotheses.get(claim).rule.judge(answer).word


# --- the club, whose laws are known -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def club(bundled):
    lab = bundled["club"]
    bought = promoting.orders_of(lab)
    return lab, bought, promoting.exposed(lab, bought, days=180)


def test_promotions_of_the_club_sell_and_leave_nothing(club):
    """Its law: log rate +.3 while they run, less .4 for each standard deviation of knowledge; nothing afterwards.

    Over customers the mean of exp(.3 - .4 z) is exp(.3 + .08) = 1.46.
    """
    lab, bought, cases = club
    sold = promoting.sold_more(cases)
    assert {verdict("P05", answer) for answer in sold.values()} == {"supported"}
    assert sold[promoting.SHARPER].low < 1.46 < sold[promoting.SHARPER].high
    left = promoting.left_behind(promoting.at_full_price(lab, bought, cases, days=180))
    assert left[promoting.ALL].low < 0 < left[promoting.ALL].high < 0.03  # nothing that matters
    assert left[promoting.NEW].n + left[promoting.OLD].n == left[promoting.ALL].n
    assert "Nothing was sold at a discount" in left[promoting.FULL].reason


def test_nobody_leaves_the_club_because_a_promotion_ended(club):
    """The law is a hazard ratio of 1. From 300 leavers its error is .12 on logs: luck decides whether it is refuted."""
    lab, _, _ = club
    stays = promoting.staying(lab, trials.promoted(lab), days=92)
    found = promoting.leaving(stays)
    assert found.low < 1 < found.high
    assert verdict("P07", found) != "supported"
    assert isinstance(promoting.rates(stays, days=92, min_cell=5), Figure)


def test_customers_whom_a_promotion_won_pay_in_the_club(club):
    lab, bought, _ = club
    won = promoting.won(lab, bought, days=730, margin=1.0)
    seen, model = promoting.worth_less(won), promoting.foretold(lab, bought, won, days=730, family="BG/NBD", margin=1.0)
    assert verdict("P08", seen) == verdict("P08", model) == "contradicted"
    assert seen.value == pytest.approx(model.value, rel=0.1)
    table = promoting.by_channel(won, currency="EUR", days=730).rows.set_index("channel")
    assert table["left_over"].idxmin() == "promotion"  # the law `lured`: it draws those who buy less


def test_the_exhibits_of_the_club(club):
    _, _, cases = club
    alike, rung = promoting.alike(cases)
    assert rung == "D"
    assert alike.title.endswith("no more than a lot makes them")
    assert promoting.course(cases, currency="EUR", min_cell=5).title.startswith("During it, spending")
    assert "got it, " in alike.caption
    assert "1 would mean that all was borrowed" in promoting.checked(cases).text


def test_the_club_asked_with_other_windows(club):
    cases = club[2]
    found = promoting.again({180: cases, 60: NOTHING}, days=180)
    assert found.value == promoting.left_behind(cases)[promoting.ALL].value
    assert promoting.again({60: NOTHING}, days=60).reason == "There is nothing."
    plain = promoting.again(cases, past=trials.LEFT_OUT)
    assert plain.high - plain.low > found.high - found.low


def test_where_nothing_is_known_every_exhibit_says_so():
    for made in (
        promoting.course(NOTHING, currency=None, min_cell=5),
        promoting.alike(NOTHING)[0],
        promoting.checked(NOTHING),
        promoting.rates(NOTHING, days=9, min_cell=5),
        promoting.by_channel(NOTHING, currency=None, days=9),
    ):
        assert isinstance(made, Text)
        assert made.text == "There is nothing."
    for answer in (
        promoting.sold_more(NOTHING)[promoting.SHARPER],
        promoting.left_behind(NOTHING)[promoting.ALL],
        promoting.leaving(NOTHING),
        promoting.worth_less(NOTHING),
    ):
        assert answer.reason == "There is nothing."


# --- the trap -----------------------------------------------------------------------------------------------------


def test_selection_alone_makes_buyers_under_a_promotion_come_back_less():
    """Neslin & Shoemaker's argument in numbers of our own: (200 x .8 x .8 + 800 x .1 x .1) / (160 + 80) = .566667,
    and (200 x .9 x .8 + 800 x .5 x .1) / (180 + 400) = .317241."""
    share = promoting.selected([(200, 0.8, 0.9), (800, 0.1, 0.5)])
    assert share[False] == pytest.approx(0.566667, abs=5e-7)
    assert share[True] == pytest.approx(0.317241, abs=5e-7)
    table = promoting.naive(NOTHING)
    assert isinstance(table, Table)
    assert table.rows["got it"].tolist() == pytest.approx([0.317241], abs=5e-7)


def test_the_lot_sees_through_the_trap():
    """The toy as customers: buyers under the promotion come back less often, all whom the lot chose do not."""
    random, n = np.random.default_rng(2), 20_000
    often, lot = random.random(n) < 0.2, random.random(n) < 0.5
    usual, lured = np.where(often, 0.8, 0.1), np.where(often, 0.9, 0.5)
    during, after = random.random(n) < np.where(lot, lured, usual), random.random(n) < usual
    table = pd.DataFrame({"treated": lot, "during": during * 1, "after": after * 1, "age": 0, "customer": range(n)})
    rows = promoting.naive(table).rows.set_index("counted")
    misled = rows.loc["here: buyers while it ran"]
    # Standard errors of about .007: 4 of them.
    assert (misled["got it"], misled["held out"]) == pytest.approx((0.317, 0.567), abs=0.03)
    assert verdict("P06", promoting.left_behind(table)[promoting.ALL]) == "supported"
    assert verdict("P06", promoting.left_behind(table.assign(after=after | (lot & (during > 0))))[promoting.ALL]) == (
        "contradicted"
    )


# --- promotions that teach nothing, and trials without promotions -------------------------------------------------


def offered(assigned, **more):
    days = {"starts_at": START, "ends_at": START + pd.Timedelta(days=9), "promotion_id": "P1"}
    return pd.DataFrame({"customer_id": [f"c{i}" for i in range(len(assigned))], "assigned": assigned, **days, **more})


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"promotions": offered([True] * 300)}, "Hold some out by lot"),
        ({"promotions": offered([True] * 150 + [False] * 9)}, "the smaller one has 9"),
        ({"promotions": offered([True, False]).drop(columns="assigned")}, "no column assigned"),
        ({}, "no promotions table, and no outcome"),
    ],
)
def test_promotions_without_a_control_group_are_not_testable(tables, reason):
    bought = customers.purchases(orders([("c0", "2024-05-01", 1.0)], until="2024-12-31"))
    cases = promoting.exposed(study(**tables), bought, days=60)
    sold = next(iter(promoting.sold_more(cases).values()))
    assert reason in sold.reason
    assert verdict("P05", sold) == "not testable"


def test_an_experiment_with_outcomes_answers_p05_and_cannot_answer_p06():
    random = np.random.default_rng(8)
    arm = np.tile(["men", "women", "none"], 1000)
    rows = pd.DataFrame({"arm": arm, "spend": random.exponential(np.where(arm == "none", 1.0, 2.0))})
    rows = rows.assign(recency=random.integers(1, 12, 3000))
    lab = study(experiments=rows)
    cases = promoting.exposed(lab, NOTHING, days=9, control="none", outcome="spend", before=["recency"])
    sold = promoting.sold_more(cases)
    assert list(sold) == [promoting.SHARPER, "men", "women", promoting.PLAIN]
    assert all(answer.low < 2 < answer.high for answer in sold.values())
    assert "ends with the promotion" in promoting.left_behind(cases)[promoting.ALL].reason
    assert promoting.alike(cases)[0].rows["label"].tolist() == ["recency"]
    blind = promoting.exposed(lab, NOTHING, days=9, control="none", outcome="spend")
    assert isinstance(promoting.alike(blind)[0], Text)


def test_orders_at_full_price_by_hand():
    """Treated: 100 of 200 orders at full price; held out: 150 of 200."""
    table = pd.DataFrame({"treated": [True] * 200 + [False] * 200, "after": 1, "age": 0, "customer": range(400)})
    table["full"] = [1, 0] * 100 + [1, 1, 1, 0] * 50
    found = promoting.left_behind(table)[promoting.FULL]
    assert found.value == pytest.approx(0.5 - 0.75)
    # Two independent shares of 200.
    error = np.sqrt(0.25 / 199 + 0.1875 / 199)
    assert found.high - found.value == pytest.approx(1.959964 * error, rel=1e-6)


# --- leaving ------------------------------------------------------------------------------------------------------


def contracts(time, left):
    names = [f"c{i}" for i in range(len(time))]
    begun = START - pd.Timedelta(days=100)
    return pd.DataFrame({"customer_id": names, "started_at": begun, "time": time, "left": left, "entered": 0.0})


def test_who_was_there_from_the_start_on_by_hand():
    """The promotion runs for 10 days from day 100 on; c3 had left before, c1 leaves within the 30 days after."""
    promotions = offered([True, False, True, False])
    lab = study(promotions=promotions, subscriptions=contracts([200.0, 120, 105, 90], [False, True, True, True]))
    table = promoting.staying(lab, trials.promoted(lab), days=30).set_index("treated")
    assert table.loc[False, ["ran", "time", "left", "n"]].tolist() == [10, 20, True, 1]
    assert sorted(table.loc[True, "time"]) == [5, 40]
    assert (
        "no subscriptions table" in promoting.staying(study(promotions=promotions), trials.promoted(lab), days=3).reason
    )


def test_the_next_promotion_ends_the_watch():
    first, second = offered([True, False]), offered([False, True])
    second = second.assign(starts_at=START + pd.Timedelta(days=20), ends_at=START + pd.Timedelta(days=25))
    lab = study(
        promotions=pd.concat([first, second.assign(promotion_id="P2")]),
        subscriptions=contracts([400.0, 400], [False, False]),
    )
    table = promoting.staying(lab, trials.promoted(lab), days=60)
    assert table.groupby("promotion")["time"].max().to_dict() == {"P1": 20, "P2": 66}


@pytest.mark.parametrize(("ratio", "word"), [(1.6, "supported"), (0.7, "contradicted")])
def test_p07_tells_a_promotion_whose_end_drives_away(ratio, word):
    random, n = np.random.default_rng(4), 4000
    had = random.random(n) < 0.5
    stay = np.ceil(random.exponential(60 / np.where(had, ratio, 1.0)))
    table = pd.DataFrame({"promotion": "P1", "treated": had, "ran": 5, "time": 5 + np.minimum(stay, 60), "n": 1})
    found = promoting.leaving(table.assign(left=stay <= 60))
    assert found.low < ratio < found.high
    assert verdict("P07", found) == word
    few = promoting.leaving(table.assign(left=np.arange(n) < 20))
    assert "needs 30 who left" in few.reason


# --- customers won by promotion -----------------------------------------------------------------------------------


def test_what_customers_won_by_promotion_bring_by_hand():
    """Each of 120 brings 40 within 100 days and cost 25 + 20: 5 too much. One who came too late is left out."""
    log = [(f"c{i}", day, 20.0) for i in range(120) for day in ("2024-02-01", "2024-03-01", "2024-12-01")]
    bought = customers.purchases(orders(log, until="2024-12-31"))
    people = pd.DataFrame({"customer_id": [f"c{i}" for i in range(121)], "acquired_at": pd.Timestamp("2024-02-01")})
    people = people.assign(channel="flyer", acquisition_cost=25.0, acquisition_discount=20.0)
    people.loc[120, "acquired_at"] = pd.Timestamp("2024-12-01")
    won = promoting.won(study(customers=people), bought, days=100, margin=0.5)
    assert won[["cost", "brought"]].drop_duplicates().to_numpy().tolist() == [[45, 20]]
    assert promoting.worth_less(won).value == pytest.approx(20 - 45)
    undated = promoting.won(study(customers=people.drop(columns="acquired_at")), bought, days=100, margin=1.0)
    assert "no column acquired_at" in undated.reason
    nobody = promoting.won(study(customers=people.assign(acquisition_discount=0.0)), bought, days=100, margin=1.0)
    assert "No customer on record was won by a discount" in nobody.reason
    assert "100 customers won by promotion" in promoting.worth_less(won.head(50)).reason


def test_the_claims_can_be_recorded(club):
    """As the page records them, so that rungs and units fit the register."""
    lab, _, cases = club
    entry = findings.record(
        "P05", study=lab, readings=promoting.sold_more(cases), headline=promoting.SHARPER, design="by lot", rung="D"
    ).headline
    assert entry["verdict"] == "supported"


# --- a promotion of a few branches --------------------------------------------------------------------------------


def test_a_promotion_of_one_branch_beside_the_others():
    """Twenty branches with one customer each who buys for 10 a day, in waves; one sells half as much again."""
    random, days = np.random.default_rng(3), pd.date_range("2023-01-01", "2024-06-28")
    rows = [
        (f"c{unit}", day, 10 * (2 + np.sin(day.dayofyear / 58)) * random.uniform(0.8, 1.2) * (1.5 if late else 1))
        for unit in range(20)
        for day in days[::5]
        for late in [unit == 0 and day >= START]
    ]
    bought = customers.purchases(orders(rows, until="2024-06-28"))
    homes = pd.DataFrame({"customer_id": [f"c{i}" for i in range(20)], "branch": [f"b{i}" for i in range(20)]})
    dates = pd.DataFrame({"unit": ["b0"], "action": ["loud"], "started_at": [START]})
    lab, how = study(rollouts=dates, customers=homes), {"action": "loud", "branch": "branch", "days": 28}
    found = promoting.few_had_it(lab, bought, **how)
    assert found.low < 1.5 < found.high
    assert verdict("P05", found) == "supported"
    assert "19 placebo units" in found.method

    def refused(lab=lab, **other):
        return promoting.few_had_it(lab, bought, **how | other).reason

    assert "No promotion of a few branches is named" in refused(action="")
    assert "began on 0 days" in refused(action="quiet")
    assert "no column home" in refused(branch="home")
    assert "The orders end 28 days after" in refused(days=60)
    assert "no rollouts table" in refused(lab=study(customers=homes))
    two = pd.DataFrame({"unit": ["b0", "b1"], "action": "loud", "started_at": [START, START + pd.Timedelta(days=9)]})
    assert "began on 2 days" in refused(lab=study(rollouts=two, customers=homes))
