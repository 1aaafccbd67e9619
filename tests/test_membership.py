"""What joining a club changes, on worlds whose truth is known: peaks, lots, silence, bonds, tiers and branches."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis import membership, milestones, studies
from analysis.customers import purchases
from analysis.estimates import Estimate, NotTestable
from analysis.membership import People
from analysis.staggered import NEVER


def crowd(*, customers=3000, periods=16, effect=0.0, peaks=2.0, lot=0.0, benefits=("long", "short"), late=0.0, seed=1):
    """Customers in quarters: moods pass, people join when theirs is high or because a lot invited them."""
    random = np.random.default_rng(seed)
    taste, mood = 0.4 * random.standard_normal(customers), np.zeros(customers)
    invited, kind = random.random(customers) < 0.5, random.integers(0, 2, customers)
    first, rates = np.full(customers, NEVER), []
    for period in range(-10, periods):
        mood = 0.35 * mood + 0.35 * random.standard_normal(customers)
        rates.append(taste + mood)
        joins = (first == NEVER) & (
            random.random(customers) < 1 / (1 + np.exp(3.5 - peaks * mood - taste - lot * invited))
        )
        first[joins & (period >= 2)] = period
    since = np.arange(periods) - first[:, None]
    pull = effect * ((since > 0) + 0.5 * (since == 0)) + late * ((since > 4) & (kind == 0)[:, None])
    orders = random.poisson(3 * np.exp(np.array(rates[10:]).T + pull)).astype(float)
    known = {"start": pd.Timestamp("2020-01-01"), "left": NEVER, "benefit": np.array(benefits)[kind]}
    known |= {"invited": invited.astype(float)}
    stays = np.ones(orders.shape, bool)
    frame = pd.DataFrame(known, index=[f"c{number}" for number in range(customers)])
    return People(20 * orders, orders, stays, first, frame, 91, pd.Timestamp("2024-01-01").date(), True)


class TestBuying:
    def test_a_club_that_changes_nothing_looks_good_only_to_the_naive(self):
        found = crowd()
        assert membership.naive(found, "spending").low > 1.02
        after = membership.after_joining(membership.buying(found, "frequency"))
        assert after.low < 1 < after.high

    def test_an_effect_is_found(self):
        after = membership.after_joining(membership.buying(crowd(effect=0.3), "spending"))
        assert after.low < math.exp(0.3) < after.high
        assert after.low > 1

    def test_dates_on_which_nothing_happened(self):
        placebo = membership.after_joining(membership.buying(crowd(effect=0.3), "frequency", back=6))
        assert placebo.low < 1 < placebo.high

    def test_who_left_is_set_aside_or_counts_as_nothing(self):
        found = crowd()
        found.stays[:, -1] = False
        found.known["left"] = 15
        assert membership.buying(found, "spending").changed < membership.buying(found, leavers=True).changed


class TestLot:
    def test_finds_the_effect_in_those_whom_it_moved(self):
        answer = membership.by_lot(crowd(effect=0.4, lot=2.5), "frequency")
        assert answer.low < math.exp(0.4) < answer.high
        assert answer.low > 1

    def test_peaks_do_not_fool_it(self):
        answer = membership.by_lot(crowd(lot=2.5), "spending")
        assert answer.low < 1 < answer.high

    def test_leaving(self):
        """Members leave at half the hazard: 4% against 8% a period."""
        found, random = crowd(customers=8000, lot=3.0), np.random.default_rng(2)
        member = np.arange(16) > found.first[:, None]
        gone = random.random(member.shape) < np.where(member, 0.04, 0.08)
        found.known["left"] = np.where(gone.any(axis=1), gone.argmax(axis=1), NEVER)
        answer = membership.by_lot(found, "leaving")
        assert answer.low < 0.5 < answer.high < 1

    def test_invitations_that_move_nobody(self):
        answer = membership.by_lot(crowd(lot=0.0), "spending")
        assert "moved too few" in answer.reason

    def test_is_a_lot_only_where_those_invited_are_like_the_rest(self):
        found = crowd(lot=2.0)
        assert membership.lot_rung(found) == "D"
        found.known["invited"] = (found.orders[:, 0] > 3).astype(float)
        assert membership.lot_rung(found) == "C"
        found.known["invited"] = np.nan
        assert membership.lot_rung(found) == "C"

    def test_leads_only_where_it_is_sharp(self):
        sharp = dict.fromkeys(membership.PARTS, Estimate.log_normal(1.0, 0.03, unit="ratio", n=9))
        blunt = sharp | {"leaving": Estimate.log_normal(1.0, 0.3, unit="hazard ratio", n=9)}
        assert membership.headline({membership.BY_LOT: sharp}) == membership.BY_LOT
        assert membership.headline({membership.BY_LOT: blunt}) == membership.DATED
        assert membership.headline({membership.BY_LOT: blunt | {"spending": NotTestable("")}}) == membership.DATED
        assert membership.headline({}) == membership.DATED


class TestSecondYear:
    def test_lasting_and_passing_benefits(self):
        parts = membership.second_year(crowd(customers=6000, late=0.4), long_term="long", short_term="short")
        assert parts["long_term"].unit == "growth"
        assert parts["long_term"].low < math.expm1(0.4) < parts["long_term"].high
        assert parts["long_term"].low > 0
        assert parts["short_term"].low < 1 < parts["short_term"].high

    def test_nobody_seen_for_two_years(self):
        parts = membership.second_year(crowd(periods=10), long_term="long", short_term="short")
        assert "0 units changed with 4 periods watched before and 8 after it" in parts["long_term"].reason

    def test_too_few_with_a_benefit(self):
        parts = membership.second_year(crowd(customers=700), long_term="long", short_term="prizes")
        assert "100 are needed" in parts["long_term"].reason
        assert "prizes" in parts["short_term"].reason


def answers_of(customers, *, seed=3, bond=0.0):
    random = np.random.default_rng(seed)
    joining, before = (random.random(customers) < 0.4).astype(float), random.standard_normal(customers)
    told = 0.6 * before + bond * joining + 0.6 * random.standard_normal(customers)
    held = {name: random.standard_normal(customers) for name in membership.HELD[1:]}
    later = 0.4 * told + random.standard_normal(customers)
    return pd.DataFrame({"joining": joining, "bond": told, "later orders": later, "bond before": before, **held})


class TestBond:
    def test_the_path_is_the_product_of_its_two_steps(self):
        table = answers_of(4000, bond=0.8)
        found = membership.by_way_of_bond(table, draws=199, seed=1)
        # The bond moves 0.8 on joining, orders 0.4 on the bond: 0.32, in standard deviations of joining and orders.
        expected = 0.32 * table["joining"].std() / table["later orders"].std()
        assert found.indirect.low < expected < found.indirect.high
        assert found.indirect.low > 0

    def test_none_where_joining_leaves_the_bond_alone(self):
        found = membership.by_way_of_bond(answers_of(4000), draws=199, seed=1)
        assert found.indirect.low < 0 < found.indirect.high


class TestKnowledge:
    @staticmethod
    def asked(telling):
        random = np.random.default_rng(4)
        known, club = random.standard_normal((900, 2)), random.standard_normal((900, 1))
        spent = known[:, 0] + telling * club[:, 0] + random.standard_normal(900)
        return {"spent": spent, "member": np.arange(900) % 2 == 0, "known": known, "club": club}

    def test_a_gain_and_none(self):
        assert membership.taught(self.asked(1.0), draws=199, seed=1)["gain"].low > 0.1
        assert membership.taught(self.asked(0.0), draws=199, seed=1)["gain"].high < 0.01

    def test_too_few_members(self):
        rows = self.asked(1.0)
        answer = membership.taught(rows | {"member": np.arange(900) < 50}, draws=9, seed=1)
        assert "50 customers in the club" in answer.reason


class TestBranches:
    @staticmethod
    def panel(slope, *, units=40, sorting=0.0):
        random = np.random.default_rng(5)
        own = random.standard_normal(units)[:, None]
        share = 0.3 + 0.05 * own + 0.05 * random.standard_normal((units, 12))
        before = np.column_stack([share[:, :1], share[:, :-1]])
        kept = 0.9 + sorting * 0.02 * own + slope * before + 0.005 * random.standard_normal((units, 12))
        unit, period = np.divmod(np.arange(units * 12), 12)
        frame = pd.DataFrame(
            {"unit": unit, "period": period, "members_share": share.ravel(), "retention": kept.ravel()}
        )
        from analysis.within import lagged

        return lagged(frame, ["members_share"])

    def test_ten_points_more_members(self):
        answer = membership.share_and_retention(self.panel(0.2))
        assert answer.low < 0.02 < answer.high
        assert answer.unit == "points"

    def test_loyal_branches_fool_only_the_league_table(self):
        panel = self.panel(0.0, sorting=1.0)
        assert membership.share_and_retention(panel, "between").low > 0.01
        assert membership.share_and_retention(panel).high < 0.01

    def test_one_branch_only(self):
        assert "1 branch; 20 are needed" in membership.share_and_retention(self.panel(0.1, units=1)).reason


class TestGenerosity:
    @staticmethod
    def rows(slope, twist=0.0, stays=0.0, size=6000):
        random = np.random.default_rng(8)
        value, knowledge, time = random.standard_normal((3, size))
        value += stays * time
        chance = 1 / (1 + np.exp(-(slope * value + twist * value * knowledge + stays * time)))
        told = {"value": value, "knowledge": knowledge, "time": time, "member": (random.random(size) < chance) * 1.0}
        return pd.DataFrame(told).assign(customer=range(size))

    def test_a_difference_of_shares(self):
        # At a half, a logit of 0.4 is nearly a tenth: a quarter of it, less the bend of the curve.
        answer = membership.kept_by_generosity(self.rows(0.4))
        assert answer.low < 0.096 < answer.high

    def test_only_the_aware(self):
        assert membership.kept_by_generosity(self.rows(0.3, twist=0.3)).value > 0.1
        assert abs(membership.kept_by_generosity(self.rows(0.3, twist=-0.3)).value) < 0.03

    def test_who_stays_has_longer_to_join(self):
        rows = self.rows(0.0, stays=0.8)
        assert membership.kept_by_generosity(rows, held=False).low > 0.02
        held = membership.kept_by_generosity(rows)
        assert held.low < 0 < held.high

    def test_no_member_among_those_who_answered(self):
        assert "of them 0" in membership.kept_by_generosity(self.rows(0.0).assign(member=0.0)).reason


@pytest.fixture
def shop(tmp_path):
    """A shop without contracts: forty customers, each ordering every ten days until they fall silent, or not."""

    def make(joined):
        days = pd.Timestamp("2023-01-01")
        orders = [
            (f"c{who}", days + pd.Timedelta(days=10 * turn + who % 7), 20)
            for who in range(40)
            for turn in range(20 if who % 2 else 70)
        ]
        pd.DataFrame(orders, columns=["customer_id", "ordered_at", "amount"]).to_csv(tmp_path / "o.csv", index=False)
        pd.DataFrame(joined, columns=["customer_id", "joined_at"]).to_csv(tmp_path / "m.csv", index=False)
        (tmp_path / "studies.toml").write_text(
            '[study.shop]\ntitle = "A shop"\n[study.shop.tables]\norders = { source = "o.csv" }\n'
            'memberships = { source = "m.csv" }\n',
            "utf-8",
        )
        lab = studies.open_study("shop", tmp_path / "studies.toml")
        return lab, purchases(lab.table("orders"))

    return make


class TestInAStudy:
    def test_who_joined_before_being_a_customer_is_left_out_and_counted(self, shop):
        lab, bought = shop([("c1", "2023-06-01"), ("c2", "2022-12-01"), ("c3", "2022-11-01")])
        found = membership.people(lab, bought, days=91)
        assert (found.steps[0].kept, found.steps[0].dropped, found.early) == (38, 2, 2)
        assert (found.first < NEVER).sum() == 1

    def test_periods_end_on_the_last_day(self, shop):
        lab, bought = shop([("c1", "2023-06-01")])
        found = membership.people(lab, bought, days=91)
        # From 2023-01-01 to 2024-11-26 there are 696 days: seven whole periods, the first of which begins on day 59.
        # The last begins on day 605: c0, who orders on each tenth day to 690, is there nine times (610 to 690).
        assert found.orders.shape == (40, 7)
        assert found.orders[found.known.index == "c0", 6] == 9
        assert found.orders[found.known.index == "c1", -1] == 0

    def test_few_members_are_not_testable(self, shop):
        lab, bought = shop([("c1", "2023-06-01")])
        found = membership.people(lab, bought, days=91)
        readings = membership.club(found, NotTestable("no"))
        assert "30 are needed" in readings[membership.DATED]["spending"].reason
        assert membership.ALL not in readings
        assert membership.BY_LOT not in readings
        assert membership.the_lot(found, readings, drawn=True).text.startswith("Invite half of those who could join")

    def test_silence_longer_than_the_habit_is_leaving(self, shop):
        lab, bought = shop([("c1", "2023-06-01")])
        spells = membership.quiet(bought, times=3.0).rows.to_pandas().set_index("customer_id")
        # Half of them stop after the twentieth order, on day 190, and wait ten days as a rule: silent from day 220 on.
        assert spells.loc["c1", ["left", "time", "entered"]].tolist() == [True, 220, 20]
        assert not spells.loc["c2", "left"]
        left = membership.leaving(lab, bought, times=3.0)
        assert isinstance(left[milestones.DATED], NotTestable)

    def test_no_table_of_memberships(self, make_study):
        lab = make_study("customer_id,ordered_at,amount\na,2024-01-01,3\n", "")
        assert "memberships" in membership.people(lab, purchases(lab.table("orders")), days=91).reason


class TestClub:
    """The bundled study, whose laws are known: joining moves neither buying nor, by itself, leaving."""

    def test_immortal_time_and_the_lot(self, bundled):
        lab = bundled["club"]
        bought = purchases(lab.table("orders"))
        found = membership.people(lab, bought, days=91)
        left = membership.leaving(lab, bought, times=3.0)
        assert left[milestones.FLAG].high < 0.4  # nothing but the days that members must have stayed to join
        assert left[milestones.DATED].value > 0.75
        readings = membership.club(found, left[milestones.DATED])
        dated = readings[membership.DATED]["spending"]
        assert dated.low < 1.05
        assert dated.value < membership.naive(found, "spending").value - 0.05  # selection alone makes most of the rest
        lot = readings[membership.BY_LOT]["spending"]
        assert lot.low < 1 < lot.high
        said = membership.the_lot(found, readings, drawn=True).text
        assert f"{(found.known['invited'] == 1).sum():,} were invited by lot" in said
        assert f"spent {lot.value:.2f} ({lot.low:.2f} to {lot.high:.2f}) times" in said
        assert "Invite half" in membership.the_lot(found, readings, drawn=False).text
