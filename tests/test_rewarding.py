"""Tiers and schemes: sums by hand, worlds whose truth is known, and what cannot be tested."""

from datetime import date
from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from analysis import customers, rewarding
from analysis.cases import rewards
from analysis.checks import CheckedTable
from analysis.estimates import Estimate, NotTestable

UNTIL = date(2022, 12, 31)


def study(**tables):
    checked = {
        name: CheckedTable(name, ibis.memtable(rows), (), (), {"observed_until": UNTIL})
        for name, rows in tables.items()
    }
    return SimpleNamespace(has=checked.__contains__, table=checked.get)


def orders(*rows):
    table = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount", "margin"])
    return table.assign(ordered_at=pd.to_datetime(table["ordered_at"]))


def members(n=8, *, tier_at="2021-01-01"):
    """Half of them gold, from 100 on; the value rises by ten a head from 65."""
    value = 65.0 + 10 * np.arange(n)
    table = pd.DataFrame({"customer_id": [f"m{i}" for i in range(n)], "running_value": value})
    table["tier"] = np.where(value >= 100, "gold", "basic")
    return table.assign(joined_at=pd.Timestamp("2020-01-01"), tier_at=pd.Timestamp(tier_at))


def bought(lab):
    return customers.purchases(lab.table("orders"))


BOUGHT = orders(
    ("m0", "2020-12-31", 10, 4.0),  # before the decision
    ("m0", "2021-01-01", 10, 5.0),
    ("m0", "2021-12-31", 20, 6.0),
    ("m0", "2022-01-01", 10, 7.0),  # a year after it
    ("m5", "2021-06-01", 50, 30.0),
)
COSTS = pd.DataFrame(
    {
        "customer_id": ["m0", "m0", "m5"],
        "period": pd.to_datetime(["2020-12-01", "2021-03-01", "2021-03-01"]),
        "serving_cost": [9.0, 1.5, 2.0],
        "marketing_cost": [0.0, 0.5, np.nan],
    }
)


class TestDecided:
    def test_the_year_after_is_added_up(self):
        lab = study(memberships=members(), orders=BOUGHT, costs=COSTS)
        line = rewarding.decided(lab, bought(lab))
        assert (line.at, line.upper, line.lower) == (100.0, "gold", "basic")
        rows = line.rows.set_index("x")
        assert rows.loc[-35.0, ["margin", "cost", "profit"]].tolist() == [11.0, 2.0, 9.0]
        assert rows.loc[15.0, ["margin", "cost", "profit"]].tolist() == [30.0, 2.0, 28.0]
        assert rows.loc[25.0, "profit"] == 0  # bought nothing, and counts
        assert [(step.kept, step.dropped) for step in line.steps] == [(8, 0), (8, 0), (8, 0)]

    def test_a_first_decision_is_the_earliest_whatever_order_a_database_gives(self):
        again = members().assign(
            tier_at=lambda t: t["tier_at"] + pd.Timedelta(days=7), running_value=lambda t: t["running_value"] + 1
        )
        twice = pd.concat([members(), again], ignore_index=True)
        lines = [
            rewarding.decided(made, bought(made))
            for rows in (twice, twice[::-1])
            for made in (study(memberships=rows, orders=BOUGHT, costs=COSTS),)
        ]
        assert len(lines[0].rows) == 2 * len(members())
        pd.testing.assert_frame_equal(lines[0].rows, lines[1].rows)
        firsts = lines[0].rows.drop_duplicates("customer")
        assert sorted(firsts["x"] + lines[0].at) == sorted(members()["running_value"])

    def test_rewards_cost_too(self):
        given = members().assign(reward_at=pd.Timestamp("2021-02-01"), reward_value=3.0)
        lab = study(memberships=given, orders=BOUGHT, costs=COSTS)
        assert rewarding.decided(lab, bought(lab)).rows["cost"].sum() == pytest.approx(4.0 + 8 * 3)

    def test_one_pair_of_three_tiers(self):
        three = members(12).assign(tier=lambda t: t["tier"].where(t["running_value"] < 140, "platinum"))
        lab = study(memberships=three, orders=BOUGHT, costs=COSTS)
        assert rewarding.decided(lab, bought(lab)).at == 140.0
        line = rewarding.decided(lab, bought(lab), tier="gold")
        assert (line.at, line.lower, len(line.rows)) == (100.0, "basic", 8)
        assert line.steps[1].dropped == 4
        assert "No tier silver" in rewarding.decided(lab, bought(lab), tier="silver").reason

    @pytest.mark.parametrize(
        ("tables", "reason"),
        [
            ({"memberships": members().assign(tier="gold")}, "hold one tier"),
            ({"memberships": members().drop(columns="running_value")}, "no column running_value"),
            ({"memberships": members(tier_at="2022-06-01")}, "followed by a year"),
            ({"orders": BOUGHT.assign(margin=np.nan)}, "no margin"),
            ({"costs": COSTS.drop(columns="serving_cost")}, "no column serving_cost"),
            ({"memberships": members().assign(tier=["gold", "basic"] * 4)}, "something else decides"),
        ],
    )
    def test_not_testable(self, tables, reason):
        lab = study(**{"memberships": members(), "orders": BOUGHT, "costs": COSTS} | tables)
        line = rewarding.decided(lab, bought(lab))
        assert reason in line.reason
        assert set(rewarding.best_rewarded(line).values()) == {line}
        shown = [
            rewarding.at_the_threshold(line, currency=None),
            rewarding.elsewhere(line, currency=None),
            rewarding.crowded(line),
        ]
        assert all(reason in one.text for one in shown)
        assert rewarding.what_jumps(line, currency=None) == []

    def test_no_costs(self):
        lab = study(memberships=members(), orders=BOUGHT)
        assert "no costs table" in rewarding.decided(lab, bought(lab)).reason


class TestTier:
    def test_nobody_near_the_threshold(self):
        """100 on either side, but only 40 of them near; the cure is named."""
        x = np.r_[np.linspace(-1000, -900, 960), np.linspace(-40, 40, 80), np.linspace(900, 1000, 960)]
        rows = pd.DataFrame({"customer": range(2000), "x": x, "profit": 100 + 0.01 * x + np.sin(np.arange(2000))})
        assert "more must come close to it" in rewarding.rewarded(rows, distance=0.05).reason

    def test_pushing_over_the_line_is_refused(self):
        rows = rewards.tier(np.random.default_rng(1), "artefact")
        assert "members place themselves" in rewarding.rewarded(rows).reason

    def test_the_exhibits(self):
        rows = rewards.tier(np.random.default_rng(2), "true")
        rows = rows.assign(margin=rows["profit"] + 10, cost=10.0 + (rows["x"] >= 0), above=rows["x"] >= 0)
        line = rewarding.Line(rows, 900.0, "gold", "basic", ())
        figure = rewarding.at_the_threshold(line, currency="EUR")
        assert "just below 900" in figure.alt
        assert figure.data["n"].min() > 50
        assert figure.png(phone=True)
        told = {what: said for what, *said in rewarding.what_jumps(line, currency="EUR")}
        assert told["cost of serving and rewards"][:3] == ["10.00 EUR", "11.00 EUR", "1.10"]
        assert told["profit"][3].startswith("1.1")
        places = rewarding.elsewhere(line, currency="EUR")
        assert len(places.data) == 11
        assert "of 10 places" in places.title
        assert "no tier begins" in set(places.data["section"])
        assert "found at 900. Just above it" in rewarding.crowded(line).text

    def test_readings_by_other_choices(self):
        rows = rewards.tier(np.random.default_rng(4), "true")
        twice = pd.concat([rows, rows.assign(profit=0.0)])
        assert rewarding.rewarded(twice, decisions="first").value == rewarding.rewarded(rows).value
        great = rows.assign(profit=rows["profit"].where(rows.index != 7, 1e6))
        assert rewarding.rewarded(great, counted_up_to=0.99).value == pytest.approx(1.1, abs=0.05)
        flat = rewarding.without_jump(rows, np.random.default_rng(5))
        assert rewarding.rewarded(flat).low < 1 < rewarding.rewarded(flat).high
        assert rewarding.without_jump(NotTestable("no"), np.random.default_rng(5)) == NotTestable("no")

    def test_near_and_far_readings_agree_where_the_truth_is_a_line(self):
        line = rewarding.Line(rewards.tier(np.random.default_rng(3), "true"), 0.0, "gold", "basic", ())
        found = rewarding.best_rewarded(line)
        assert list(found) == list(rewarding.DISTANCES)
        assert all(one.low < 1.1025 < one.high for one in found.values())


def spell(name, begun, gone=None):
    end = pd.Timestamp(gone or UNTIL)
    return {
        "customer_id": name,
        "started_at": pd.Timestamp(begun),
        "time": float((end - pd.Timestamp(begun)).days),
        "left": gone is not None,
        "entered": 0.0,
    }


class TestScheme:
    """The scheme changed on 2022-01-01; everybody is followed for half a year from then and from 2021-07-05."""

    spells = pd.DataFrame(
        [
            spell("a", "2020-01-01", "2021-08-02"),  # left four weeks after the earlier day
            spell("b", "2020-01-01"),
            spell("c", "2021-04-06"),  # 90 days a customer on the earlier day
            spell("d", "2021-09-01", "2022-01-08"),  # seen from the later day only
            spell("e", "2020-01-01", "2021-07-01"),  # left before the earlier day
        ]
    )
    joined = pd.DataFrame(
        {"customer_id": ["a", "b", "c", "d"], "joined_at": pd.to_datetime(["2021-01-01"] * 2 + ["2021-10-01"] * 2)}
    )
    bought = orders(
        ("z", "2020-01-01", 1, 1.0),
        ("a", "2021-06-01", 10, 4.0),
        ("b", "2021-07-05", 10, 5.0),  # on the earlier day, so after it
        ("c", "2021-05-01", 10, 2.0),
        ("d", "2021-12-31", 10, 3.0),
    )

    def made(self, **how):
        lab = study(subscriptions=self.spells, memberships=self.joined, orders=self.bought)
        return rewarding.scheme(lab, bought(lab), **{"since": "2022-01-01", "days": 180} | how)

    def test_who_is_followed_and_how_long(self):
        rows = self.made()
        early, late = rows[~rows["after"]], rows[rows["after"]]
        assert len(early) == 3  # a, b, c
        assert early["member"].tolist() == [True, True, False]
        assert early["time"].tolist() == [5.0, 26.0, 13.0]  # weeks begun; c joined on day 88 and was outside until then
        assert early["left"].tolist() == [True, False, False]
        assert late["left"].tolist() == [False, False, True]  # b, c, d
        assert late["member"].all()

    def test_profit_before_and_after(self):
        """c bought for 2 within 90 days: 8.11 a year. b's order counts after the earlier day and before the later."""
        early = self.made().query("not after")
        assert early["profit"].tolist() == pytest.approx([4.0, 0.0, 2.0 * 365 / 90])
        assert early["later"].tolist() == [0.0, 5.0, 0.0]
        assert self.made(hindsight=True)["profit"].tolist()[:3] == [4.0, 5.0, 2.0]

    def test_thirds_are_made_anew_on_either_day_and_apart_for_members(self):
        rows = self.made()
        assert rows[~rows["after"] & rows["member"]]["rank"].tolist() == [1.0, 0.5]
        assert rows[rows["after"]]["rank"].tolist() == pytest.approx([2 / 3, 1 / 3, 1.0])

    def test_not_testable(self):
        assert "uniform_since says never" in self.made(since="never").reason
        assert "says nothing" in self.made(since="").reason
        assert "Orders from 2019" in self.made(days=600).reason
        assert "watched until 2023-06-29" in self.made(since="2023-01-01").reason
        refused = self.made(since="never")
        assert set(rewarding.all_alike(refused).values()) == {refused}
        assert rewarding.falling(refused, currency=None) == []
        assert rewarding.who_left({"as it is": refused}).empty
        few = rewarding.alike(self.made())
        assert isinstance(few, NotTestable)
        assert "30 must have left" in few.reason


@pytest.fixture(scope="module")
def rows():
    return rewards.uniform(np.random.default_rng(1), "true")


class TestAlike:
    def test_coefficients_are_those_of_lifelines(self, rows):
        """The same Cox model fitted directly, with its robust errors; lifelines takes ties alike and errors by row."""
        found = rewarding.alike(rows)
        flat = rows[rows["member"] & ~rows["rank"].between(1 / 3, 2 / 3, inclusive="right")]
        design = pd.DataFrame({"time": flat["time"], "left": flat["left"], "after": flat["after"].astype(float)})
        design["top"] = (flat["rank"] > 2 / 3).astype(float)
        design["both"] = design["after"] * design["top"]
        design["age"] = pd.qcut(flat["age"], 4, labels=False)
        fit = CoxPHFitter().fit(design, "time", "left", strata=["age"])
        # Quarters are cut at other places where ages tie, so the slopes agree to a hundredth.
        assert np.log(found["profitable"].value) == pytest.approx(fit.params_["both"], abs=0.01)
        assert np.log(found["unprofitable"].value) == pytest.approx(fit.params_["after"], abs=0.01)
        spread = np.log(found["profitable"].high / found["profitable"].low) / 3.92
        assert spread == pytest.approx(fit.standard_errors_["both"], rel=0.1)

    def test_the_headline_takes_each_part_from_where_it_is_fair(self, rows):
        found = rewarding.all_alike(rows)
        head = found[rewarding.OUTSIDERS]
        assert head["profitable"] == found[rewarding.MEMBERS]["profitable"]
        assert head["unprofitable"] == found[rewarding.THROUGHOUT]["unprofitable"]
        assert head["profitable"].low < 1.21 < head["profitable"].high
        assert head["unprofitable"].low < 1 < head["unprofitable"].high

    def test_years_that_make_all_leave_more_rarely_are_not_the_scheme(self):
        """Nothing was done; the fickle have gone first. Alone the unprofitable seem to stay for the rewards."""
        found = rewarding.all_alike(rewards.uniform(np.random.default_rng(2), "artefact"))
        assert found[rewarding.MEMBERS]["unprofitable"].high < 1
        head = found[rewarding.OUTSIDERS]["unprofitable"]
        assert head.low < 1 < head.high

    def test_other_shares(self, rows):
        found = rewarding.all_alike(rows, share="half")[rewarding.OUTSIDERS]
        assert found["profitable"].n == rows["member"].sum()
        assert 1 < found["profitable"].value < 1.21  # a part of the upper half was not touched

    def test_without_outsiders(self, rows):
        found = rewarding.all_alike(rows[rows["member"]])
        assert isinstance(found[rewarding.THROUGHOUT], NotTestable)
        assert isinstance(found[rewarding.OUTSIDERS]["unprofitable"], NotTestable)
        assert isinstance(found[rewarding.OUTSIDERS]["profitable"], Estimate)

    def test_who_left_and_who_fell(self, rows):
        shares = rewarding.who_left({"as it is": rows})
        assert shares["label"].iloc[0] == "top third, before"
        assert len(shares) == 6
        first = rows[rows["member"] & (rows["rank"] > 2 / 3) & ~rows["after"]]
        assert shares["value"].iloc[0] == pytest.approx(first["left"].mean())
        fell = rewarding.falling(rows.assign(profit=10.0, later=8.0), currency="EUR")
        assert [row[0] for row in fell] == list(rewarding.THIRDS)
        assert fell[0][2:] == ("10.00 EUR", "8.00 EUR", "-2.00 EUR")
        assert sum(row[1] for row in fell) == (rows["member"] & ~rows["after"]).sum()
