"""A simulated business with a customer club: what its customers say, do, get and cost, by laws that are known.

Customers are won by channels and promotions, differ in taste and in readiness to leave, have moods that pass, are
served by branches, answer surveys, complain, join a club when they are buying much anyway, rise in tiers, are sent
promotions and treatments by lot, recommend, and leave. The laws say what causes what; each can be set to nothing or
turned round, and the selection that fools a naive comparison stays when they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

BEGIN, MONTHS = np.datetime64("2020-01-01"), 60
BRANCHES, RUN_IN = 40, 6  # branches; months before anybody can join, so that each member has a past
WAVES = tuple(range(12, MONTHS, 6))  # months in which questionnaires go out
CHANNELS, TOUCHPOINTS = ("search", "friend", "promotion"), ("shop", "site", "app", "letter", "call")
CATEGORIES = ("bread", "coffee", "cheese", "wine", "flowers", "books")
ACTIONS = ("ask and mend", "greet by name", "shorter queues", "clear prices")  # of the rolled-out tips
PROMOTIONS, DEPTH = (20, 32, 44), 0.2  # months in which a promotion ran, by lot; what it took off a price
ONE_ITEM = ("knowledge", "effort", "rival_north", "habit", "availability", "influence", "excitement")
TIER_AT = 900.0  # money of twelve months from which a member is gold for the next twelve
EXPERIMENTS = {  # arm -> its control, and the month in which the lot was drawn
    "personal service": ("usual service", 30), "offers from history": ("random offers", 36),
    "personal reward": ("same reward for all", 42), "asked with a benefit": ("asked without", 48),
}  # fmt: skip


@dataclass(frozen=True)
class Laws:
    """What is so in the business; rates and hazards change by exp of what stands here. 0 is no effect.

    Attributes:
        satisfaction_buying, satisfaction_leaving: of one standard deviation of satisfaction.
        emotion_buying, value_buying, together_buying: of emotion, of perceived value, and of the three at once.
        bond_leaving, bond_buffers: of bond on leaving, and of bond on what a failure does to leaving.
        failure_leaving, forgiving: of a failure on leaving in the next quarter; of past satisfaction on a minor one.
        slow_reply: of each doubling of the minutes to a first reply, on leaving in the next quarter.
        service_leaving, valued_leaving: of rated service and of feeling valued.
        locked: of switching cost on what satisfaction does to leaving.
        care_wallet, trust_loyalty, contact_trust: slopes among what customers hold, in standard deviations.
        loyalty_desires: of loyalty on the desired level, in standard deviations.
        bond_growth: of the bond with each ten orders, in standard deviations.
        staff, mending, tips: of staff satisfaction, of "ask and mend" and of the other tips on a branch's satisfaction.
        excitement_engagement: of excitement on engagement; influence has none.
        engaged_refers, loyal_refers, engaged_buying, engaged_leaving: of engagement and loyalty.
        loyal_crosses: of loyalty on buying from a category for the first time.
        knowledge_price, knowledge_adverts: of knowledge on price elasticity and on what adverts do.
        touching: of each touchpoint on leaving.
        joining, joining_leaving, joining_bond: of membership on buying, leaving and bond.
        lasting, passing: of long-term and short-term benefits on members' buying after a year.
        gold, gold_cost: of the tier on buying, and what serving a gold member costs more in a month.
        uniform_top, uniform_rest: of the reward that all got alike on leaving, for profitable customers and the others.
        promotion_now, promotion_after, promotion_end: while it runs and later on buying; at its end on leaving.
        personal_satisfaction: of personal service, in standard deviations of satisfaction.
        history_offers, personal_reward, benefit_consent: of the other treatments on money, leaving and consent.
        share_retention: of a branch's share of members on its customers' leaving.
        join_at_peaks, join_loyal: of mood and of loyalty on joining; what makes members look better than they are.
        lured: of winning by promotion on taste: the promotion draws those who buy less.
        kinds: whether loyalty comes in kinds, rather than by degrees.
    """

    satisfaction_buying: float = 0.10
    satisfaction_leaving: float = -0.25
    emotion_buying: float = 0.12
    value_buying: float = 0.12
    together_buying: float = 0.0
    bond_leaving: float = -0.15
    bond_buffers: float = -0.45
    failure_leaving: float = 0.9
    forgiving: float = -0.6
    slow_reply: float = 0.2
    service_leaving: float = -0.2
    valued_leaving: float = -0.25
    locked: float = 0.15
    care_wallet: float = 0.3
    trust_loyalty: float = 1.0
    contact_trust: float = 1.2
    loyalty_desires: float = 0.25
    bond_growth: float = 0.15
    staff: float = 0.55
    mending: float = 0.8
    tips: float = 0.0
    excitement_engagement: float = 0.3
    engaged_refers: float = 0.4
    loyal_refers: float = 0.3
    engaged_buying: float = 0.1
    engaged_leaving: float = -0.1
    loyal_crosses: float = 0.15
    knowledge_price: float = 0.6
    knowledge_adverts: float = -0.4
    touching: tuple[float, ...] = (-0.3, -0.2, 0.0, 0.0, 0.15)
    joining: float = 0.0
    joining_leaving: float = 0.0
    joining_bond: float = 0.3
    lasting: float = 0.15
    passing: float = 0.0
    gold: float = 0.12
    gold_cost: float = 1.0
    uniform_top: float = 0.25
    uniform_rest: float = 0.0
    promotion_now: float = 0.3
    promotion_after: float = 0.0
    promotion_end: float = 0.0
    personal_satisfaction: float = 0.4
    history_offers: float = 0.1
    personal_reward: float = -0.25
    benefit_consent: float = 0.6
    share_retention: float = 0.0
    join_at_peaks: float = 2.0
    join_loyal: float = 0.5
    lured: float = -0.4
    kinds: bool = True


@dataclass
class _Life:
    """What has happened so far, gathered month by month."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    contacts: list[dict[str, Any]] = field(default_factory=list)
    touched: list[dict[str, Any]] = field(default_factory=list)
    referrals: list[dict[str, Any]] = field(default_factory=list)
    surveys: list[pd.DataFrame] = field(default_factory=list)
    costs: list[dict[str, Any]] = field(default_factory=list)
    tiers: list[dict[str, Any]] = field(default_factory=list)
    branches: list[pd.DataFrame] = field(default_factory=list)


def _day(random: np.random.Generator, month: int, size: int) -> np.ndarray:
    """Days of a month."""
    first = BEGIN.astype("datetime64[M]") + month
    length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(int)
    return first.astype("datetime64[D]") + random.integers(0, length, size)


def _scaled(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def simulate(*, customers: int = 3000, laws: Laws | None = None, seed: int = 1) -> dict[str, pd.DataFrame]:
    """Draw a business of five years.

    Args:
        customers: how many are won in all.
        laws: what is so; None for the defaults.
        seed: decides all.

    Returns:
        Tables under contract names: orders, subscriptions, customers, surveys, memberships, promotions, experiments,
        contacts, referrals, costs, finances, units, rollouts, touchpoints.
    """
    random = np.random.default_rng(seed)
    world = _World(random, customers, laws or Laws())
    for month in range(MONTHS):
        world.live(month)
    return world.tables()


class _World:
    """The customers, what they hold at present, and what has happened."""

    def __init__(self, random: np.random.Generator, size: int, laws: Laws) -> None:
        self.random, self.size, self.laws, self.life = random, size, laws, _Life()
        normal = random.standard_normal
        self.names = np.array([f"K{number:06d}" for number in range(1, size + 1)])
        self.branch = random.integers(0, BRANCHES, size)
        self.won = np.where(random.random(size) < 0.4, 0, random.integers(0, MONTHS - 12, size))
        self.channel = random.choice(3, size, p=(0.45, 0.25, 0.30))
        self.friend = random.integers(0, size, size)
        promoted = self.channel == CHANNELS.index("promotion")
        kind = random.choice(4, size, p=(0.35, 0.2, 0.2, 0.25))  # true, latent, spurious, none
        self.loyal = np.where(np.isin(kind, (0, 1)), 1.0, -1.0) + 0.15 * normal(size) if laws.kinds else normal(size)
        habit = np.where(np.isin(kind, (0, 2)), 0.5, -0.5) if laws.kinds else 0.3 * normal(size)
        self.taste = -0.6 + habit + 0.4 * normal(size) + laws.lured * promoted
        self.readiness = np.log(0.022) + 0.5 * normal(size) - 0.2 * self.loyal
        self.traits = {name: normal(size) for name in ("satisfaction", "emotion", "value", "trust", "care", "quality")}
        others = "bond", "engagement", "switching_cost", "knowledge", "price", "availability", "influence", "excitement"
        self.traits |= {name: normal(size) for name in others}
        self.traits["habit"] = 0.8 * np.sign(habit) + 0.5 * normal(size)
        self.prone = normal(size)  # to contacts of all kinds
        self.mood, self.level, self.staff = np.zeros(size), 0.5 * normal(BRANCHES), normal(BRANCHES)
        self.left, self.joined = np.full(size, MONTHS), np.full(size, MONTHS)
        self.benefit = random.integers(0, 2, size)  # of members: 0 short-term, 1 long-term, by lot
        self.invited = random.random(size) < 0.5
        self.gold_until, self.year = np.full(size, -1), np.zeros((12, size))
        self.bought, self.tried = np.zeros(size), np.zeros((size, len(CATEGORIES)), bool)
        self.margin, self.trouble, self.minor = np.zeros(size), np.zeros(size), np.zeros(size)
        self.slow, self.talked = np.zeros(size), np.zeros(size)
        self.arm = {name: random.random(size) < 0.5 for name in EXPERIMENTS}
        self.promoted = random.random((3, size)) < 0.5  # of three promotions, by lot
        self.rolled = random.integers(12, MONTHS, (len(ACTIONS), BRANCHES))  # some never, within what is seen
        self.rolled[random.random(self.rolled.shape) < 0.25] = MONTHS

    # --- what holds in a month ------------------------------------------------------------------------------------

    def live(self, month: int) -> None:
        """One month of everybody: branches, feelings, joining, buying, contacts, leaving."""
        here = (self.won <= month) & (self.left > month)
        self._branches(month)
        self.mood = 0.7 * self.mood + 0.4 * self.random.standard_normal(self.size)
        feel = self._feelings(month)
        if month in WAVES:
            self._ask(month, np.flatnonzero(here & (self.won < month)), feel)
        self._join(month, here)
        spent = self._buy(month, np.flatnonzero(here), feel)
        self._tier(month, spent)
        self._contact(month, here, feel)
        self._leave(month, here, feel)

    def member(self, month: int) -> np.ndarray:
        """Who is in the club."""
        return self.joined <= month

    def _treated(self, name: str, month: int) -> np.ndarray:
        return self.arm[name] & (month >= EXPERIMENTS[name][1])

    def _branches(self, month: int) -> None:
        done = self.rolled <= month
        self.level = (
            0.8 * self.level + 0.25 * self.random.standard_normal(BRANCHES) + 0.2 * self.laws.staff * self.staff
        )
        self.staff = 0.8 * self.staff + 0.5 * self.random.standard_normal(BRANCHES)
        self.served = self.level + self.laws.mending * done[0] + self.laws.tips * done[1:].sum(axis=0)

    def _feelings(self, month: int) -> dict[str, np.ndarray]:
        """What everybody holds now, each about one standard deviation wide."""
        laws, traits, noise = self.laws, self.traits, self.random.standard_normal
        quality = 0.6 * traits["quality"] + 0.6 * self.served[self.branch] + 0.4 * noise(self.size)
        satisfaction = 0.5 * quality + 0.5 * traits["satisfaction"] + 0.3 * self.loyal - 0.5 * self.trouble
        satisfaction += laws.personal_satisfaction * self._treated("personal service", month)
        bond = 0.6 * self.loyal + 0.6 * traits["bond"] + laws.bond_growth * self.bought / 10
        bond += laws.joining_bond * self.member(month)
        trust = 0.7 * traits["trust"] + 0.3 * satisfaction + laws.contact_trust * self.talked
        loyalty = 0.6 * self.loyal + 0.3 * satisfaction + 0.2 * bond + laws.trust_loyalty * 0.5 * trust
        engagement = 0.7 * traits["engagement"] + 0.3 * satisfaction + 0.3 * self.loyal
        engagement += laws.excitement_engagement * traits["excitement"]
        singles = {name: traits[name] for name in ("habit", "availability", "influence", "excitement")}
        return singles | {
            "satisfaction": satisfaction + 0.3 * noise(self.size), "quality": quality, "bond": bond, "trust": trust,
            "emotion": 0.7 * traits["emotion"] + 0.4 * satisfaction + 0.4 * noise(self.size),
            "value": 0.7 * traits["value"] + 0.4 * quality + 0.3 * traits["price"], "loyalty": loyalty,
            "engagement": engagement,
            "care": 0.7 * traits["care"] + 0.4 * quality, "valued": 0.6 * traits["care"] + 0.5 * quality,
            "desired": 0.5 * traits["quality"] + laws.loyalty_desires * loyalty + 0.7 * noise(self.size),
            "price": traits["price"], "switching_cost": traits["switching_cost"], "knowledge": traits["knowledge"],
            "effort": -0.4 * satisfaction + 0.8 * noise(self.size),
            "image": 0.5 * self.loyal + 0.7 * noise(self.size),
            "rival_north": 0.8 * noise(self.size) - 0.3,
        }  # fmt: skip

    # --- what is done ---------------------------------------------------------------------------------------------

    def _join(self, month: int, here: np.ndarray) -> None:
        laws = self.laws
        odds = -4.8 + laws.join_at_peaks * self.mood + laws.join_loyal * self.loyal + 2.0 * self.invited
        able = here & ~self.member(month) & (month - self.won >= RUN_IN)
        joins = able & (self.random.random(self.size) < 1 / (1 + np.exp(-odds)))
        self.joined[joins] = month + 1

    def _pull(self, month: int, who: np.ndarray, feel: Mapping[str, np.ndarray]) -> np.ndarray:
        """Log of the rate at which customers order this month."""
        laws, random = self.laws, self.random
        member, since = self.member(month)[who], month - self.joined[who]
        three = feel["satisfaction"][who], feel["emotion"][who], feel["value"][who]
        weights = laws.satisfaction_buying, laws.emotion_buying, laws.value_buying
        pull = self.taste[who] + 0.9 * self.mood[who] + 0.05 * random.standard_normal(len(who))
        pull += sum(weight * part for weight, part in zip(weights, three, strict=True))
        pull += laws.together_buying * three[0] * three[1] * three[2] + laws.engaged_buying * feel["engagement"][who]
        pull += member * (
            laws.joining + np.where(since < 12, 0, np.where(self.benefit[who], laws.lasting, laws.passing))
        )
        pull += laws.gold * (self.gold_until[who] >= month)
        pull += laws.history_offers * self._treated("offers from history", month)[who]
        heeds = laws.promotion_now + laws.knowledge_adverts * self.traits["knowledge"][who]
        for number, start in enumerate(PROMOTIONS):
            now, after = month == start, start < month <= start + 6
            pull += self.promoted[number, who] * (heeds * now + laws.promotion_after * after)
        return pull

    def _buy(self, month: int, who: np.ndarray, feel: Mapping[str, np.ndarray]) -> np.ndarray:
        """Orders of the month; returns what each customer spent."""
        laws, random = self.laws, self.random
        times = random.poisson(np.exp(self._pull(month, who, feel))) + (self.won[who] == month)
        buyer = np.repeat(who, times)
        new = random.random(len(buyer)) < 0.12 * np.exp(laws.loyal_crosses * feel["loyalty"][buyer])
        category = np.where(new, random.integers(0, len(CATEGORIES), len(buyer)), self.branch[buyer] % 2)
        price = np.round((12 + 6 * category) * np.exp(0.30 * random.standard_normal(len(buyer))), 2)
        dear = np.log(price / (12 + 6 * category))
        wanted = 0.4 - (1.0 + laws.knowledge_price * self.traits["knowledge"][buyer]) * dear
        quantity = 1 + random.poisson(np.exp(wanted))
        money = price * quantity
        margin = money * np.clip(0.3 + 0.08 * random.standard_normal(len(buyer)), -0.2, 0.7)
        np.add.at(self.bought, buyer, 1)
        np.add.at(self.margin, buyer, margin)
        self.tried[buyer, category] = True
        cheaper = self.promoted[PROMOTIONS.index(month), buyer] if month in PROMOTIONS else np.zeros(len(buyer))
        self.life.orders.append(
            {
                "customer": buyer,
                "ordered_at": _day(random, month, len(buyer)),
                "unit_price": price,
                "quantity": quantity,
                "category": category,
                "margin": margin.round(2),
                "discount": (DEPTH * money * cheaper).round(2),
            }
        )
        return np.bincount(buyer, money, self.size)

    def _tier(self, month: int, spent: np.ndarray) -> None:
        """Each January the money of the year decides on gold for the next."""
        self.year[month % 12] = spent
        if month % 12 != 11:
            return
        total, member = self.year.sum(axis=0), self.member(month) & (self.left > month)
        gold = member & (total >= TIER_AT)
        self.gold_until[gold] = month + 12
        who = np.flatnonzero(member)
        tier = np.where(gold[who], "gold", "basic")
        self.life.tiers.append(
            {"customer": who, "month": month + 1, "tier": tier, "running_value": total[who].round(2)}
        )

    def _contact(self, month: int, here: np.ndarray, feel: Mapping[str, np.ndarray]) -> None:
        """Failures, questions and complaints; points of contact; referrals; the cost of serving."""
        laws, random = self.laws, self.random
        who = np.flatnonzero(here & (random.random(self.size) < 0.05 * np.exp(0.3 * self.prone)))
        severity = random.integers(1, 6, len(who))
        minutes = np.exp(np.log(60) + 0.15 * (severity - 3) + 0.9 * random.standard_normal(len(who)))
        self.trouble *= 0.7
        self.minor, self.slow = 0.7 * self.minor, 0.7 * self.slow
        self.trouble[who] += severity >= 4
        self.minor[who] += severity <= 2
        self.slow[who] += np.log2(minutes / 60)
        wait = (minutes / 1440 + random.exponential(3, len(who)) + 1).astype(int)
        day = _day(random, month, len(who))
        rating = np.clip(np.rint(4 - 0.5 * np.log2(minutes / 60) + random.standard_normal(len(who))), 1, 7)
        kind = np.where(severity >= 4, "failure", np.where(severity == 3, "complaint", "question"))
        self.life.contacts.append(
            {
                "customer": who,
                "contacted_at": day,
                "kind": kind,
                "severity": severity,
                "first_reply_minutes": minutes.round(1),
                "resolved_at": day + wait,
                "recovery_rating": rating,
            }
        )
        self.touches = np.zeros((len(TOUCHPOINTS), self.size))
        for place, base in enumerate((0.30, 0.35, 0.25, 0.20, 0.08)):
            times = random.poisson(base * np.exp(0.4 * self.prone) * here)
            self.touches[place] = times
            toucher = np.repeat(np.arange(self.size), times)
            touched = {"customer": toucher, "touched_at": _day(random, month, len(toucher)), "touchpoint": place}
            self.life.touched.append(touched)
        self.talked = 0.8 * self.talked + 0.2 * (self.touches[[1, 2]].sum(axis=0) - 0.7)
        refers = np.exp(np.log(0.008) + laws.engaged_refers * feel["engagement"] + laws.loyal_refers * self.loyal)
        giver = np.repeat(np.arange(self.size), random.poisson(refers * here))
        self.life.referrals.append({"customer": giver, "referred_at": _day(random, month, len(giver))})
        cost = 1.5 + 0.6 * np.exp(0.3 * self.prone) + laws.gold_cost * (self.gold_until >= month)
        if month % 3 == 2:
            served = np.flatnonzero(here)
            noise = np.exp(0.2 * random.standard_normal(len(served)))
            self.life.costs.append({"customer": served, "month": month - 2, "serving_cost": 3 * cost[served] * noise})

    def _leave(self, month: int, here: np.ndarray, feel: Mapping[str, np.ndarray]) -> None:
        laws, top = self.laws, self._profitable()
        steep = laws.satisfaction_leaving + laws.locked * feel["switching_cost"]
        hazard = self.readiness + steep * feel["satisfaction"] + laws.bond_leaving * feel["bond"]
        hazard += laws.failure_leaving * self.trouble + laws.bond_buffers * feel["bond"] * self.trouble
        hazard += (0.3 + laws.forgiving * feel["satisfaction"]) * self.minor + laws.slow_reply * self.slow
        hazard += laws.service_leaving * feel["quality"] + laws.valued_leaving * feel["valued"]
        hazard += laws.engaged_leaving * feel["engagement"] + laws.joining_leaving * self.member(month)
        hazard += laws.personal_reward * self._treated("personal reward", month)
        hazard += np.asarray(laws.touching) @ (self.touches - self.touches.mean(axis=1, keepdims=True))
        if month >= 40:  # from then on every member got the same middling reward
            hazard += self.member(month) * np.where(top, laws.uniform_top, laws.uniform_rest)
        for number, start in enumerate(PROMOTIONS):
            hazard += laws.promotion_end * self.promoted[number] * (start < month <= start + 3)
        shares = np.bincount(self.branch, self.member(month) & here, BRANCHES) / np.maximum(
            np.bincount(self.branch, here, BRANCHES), 1
        )
        hazard += laws.share_retention * (shares - shares.mean())[self.branch]
        gone = here & (self.random.random(self.size) < 1 - np.exp(-np.exp(np.minimum(hazard, 0.0))))
        gone &= self.won < month
        self.left[gone] = month
        mean = np.bincount(self.branch, feel["satisfaction"] * here, BRANCHES) / np.maximum(
            np.bincount(self.branch, here, BRANCHES), 1
        )
        kept = 1 - np.bincount(self.branch, gone, BRANCHES) / np.maximum(np.bincount(self.branch, here, BRANCHES), 1)
        self.life.branches.append(
            pd.DataFrame(
                {
                    "unit": np.arange(BRANCHES),
                    "month": month,
                    "satisfaction": 5 + 0.8 * mean,
                    "kept": kept,
                    "staff_satisfaction": 5 + 0.6 * self.staff,
                    "members_share": shares,
                }
            )
        )

    def _profitable(self) -> np.ndarray:
        """Who has brought more margin a month than three in four."""
        return self.margin > np.quantile(self.margin, 0.75)

    def _ask(self, month: int, who: np.ndarray, feel: Mapping[str, np.ndarray]) -> None:
        """A questionnaire: those who are content answer a little more often."""
        random = self.random
        who = who[random.random(len(who)) < 0.35 + 0.04 * np.clip(feel["satisfaction"][who], -2, 2)]
        table = {"customer": who, "answered_at": _day(random, month, len(who)), "wave": str(WAVES.index(month) + 1)}
        table["unit"] = self.branch[who]
        for name, held in feel.items():
            low, high = (0, 10) if name == "knowledge" else (1, 7)
            for item in (1,) if name in ONE_ITEM else (1, 2):
                seen = (low + high) / 2 + 0.5 + (high - low) / 5.5 * held[who] + 0.5 * random.standard_normal(len(who))
                table[name if name in ONE_ITEM else f"{name}_{item}"] = np.clip(np.rint(seen), low, high).astype(int)
        odds = 0.3 + self.laws.care_wallet * feel["care"][who] + 0.3 * feel["loyalty"][who]
        table["wallet_share"] = np.rint(100 / (1 + np.exp(-odds - 0.6 * random.standard_normal(len(who))))).astype(int)
        self.life.surveys.append(pd.DataFrame(table))

    # --- as tables ------------------------------------------------------------------------------------------------

    def tables(self) -> dict[str, pd.DataFrame]:
        """What the business has on file."""
        life, names = self.life, self.names
        orders = self._dated(life.orders, "ordered_at").assign(category=lambda t: np.array(CATEGORIES)[t["category"]])
        contacts, referrals = self._dated(life.contacts, "contacted_at"), self._dated(life.referrals, "referred_at")
        contacts["resolved_at"] = contacts["resolved_at"].where(contacts["resolved_at"] <= _first(MONTHS))
        touched = self._dated(life.touched, "touched_at")
        surveys = pd.concat(life.surveys, ignore_index=True)
        surveys["unit"] = _unit(surveys["unit"])
        new = np.array([f"N{number:06d}" for number in range(1, len(referrals) + 1)], dtype=object)
        units = self._units()
        return {
            "orders": orders,
            "subscriptions": pd.DataFrame(
                {"customer_id": names, "started_at": _first(self.won), "ended_at": _last(self.left)}
            ),
            "customers": self._customers(),
            "surveys": surveys.assign(customer_id=names[surveys.pop("customer")]),
            "memberships": self._memberships(),
            "promotions": self._promotions(),
            "experiments": self._experiments(),
            "contacts": contacts,
            "referrals": referrals.rename(columns={"customer_id": "referrer_id"}).assign(referred_id=new),
            "costs": self._costs(),
            "finances": self._finances(orders, units),
            "units": units,
            "rollouts": self._rollouts(),
            "touchpoints": touched.assign(touchpoint=np.array(TOUCHPOINTS)[touched["touchpoint"]]),
        }

    def _dated(self, parts: Iterable[Mapping[str, Any]], day: str) -> pd.DataFrame:
        """Monthly parts as one table by day, customers under their names."""
        table = pd.concat([pd.DataFrame(dict(part)) for part in parts], ignore_index=True)
        table.insert(0, "customer_id", self.names[table.pop("customer").to_numpy(int)])
        return table.sort_values([day, "customer_id"], kind="stable", ignore_index=True)

    def _customers(self) -> pd.DataFrame:
        promoted = self.channel == CHANNELS.index("promotion")
        known = (self.channel == CHANNELS.index("friend")) & (self.won[self.friend] < self.won)
        return pd.DataFrame(
            {
                "customer_id": self.names,
                "acquired_at": _first(self.won),
                "channel": np.array(CHANNELS)[self.channel],
                "acquisition_cost": np.array([25.0, 5.0, 18.0])[self.channel],
                "acquisition_discount": np.where(promoted, 20.0, 0.0),
                "referred_by": pd.Series(self.names[self.friend]).where(pd.Series(known)),
                "invited": self.invited,
                "branch": _unit(self.branch),
            }
        )

    def _memberships(self) -> pd.DataFrame:
        tiers = pd.concat([pd.DataFrame(part) for part in self.life.tiers], ignore_index=True)
        members = pd.DataFrame({"customer": np.flatnonzero((self.joined < MONTHS) & (self.joined <= self.left))})
        table = members.merge(tiers, how="left", on="customer")
        who = table.pop("customer").to_numpy()
        benefit = np.where(self.benefit[who] == 1, "long-term", "short-term")
        table = table.assign(
            customer_id=self.names[who], joined_at=_first(self.joined[who]), left_at=_last(self.left[who]),
            benefit=benefit, invited=self.invited[who],
        )  # fmt: skip
        month = table.pop("month")
        table["tier_at"] = pd.Series(_first(month.fillna(0).to_numpy(int))).where(month.notna() & (month < MONTHS))
        return table

    def _promotions(self) -> pd.DataFrame:
        rows = []
        for number, start in enumerate(PROMOTIONS):
            who = np.flatnonzero((self.won < start) & (self.left > start))
            day = _first(np.full(len(who), start))
            rows.append(
                pd.DataFrame(
                    {
                        "customer_id": self.names[who],
                        "promotion_id": f"P{number + 1}",
                        "starts_at": day,
                        "ends_at": _last(np.full(len(who), start)),
                        "assigned": self.promoted[number, who],
                        "depth": DEPTH,
                        "kind": "discount",
                    }
                )
            )
        return pd.concat(rows, ignore_index=True)

    def _experiments(self) -> pd.DataFrame:
        rows = []
        for arm, (control, month) in EXPERIMENTS.items():
            who = np.flatnonzero((self.won < month) & (self.left >= month))
            treated = self.arm[arm][who]
            table = pd.DataFrame({"customer_id": self.names[who], "arm": np.where(treated, arm, control)})
            table = table.assign(control_arm=control, assigned_at=_first(np.full(len(who), month)))
            if arm == "asked with a benefit":
                odds = 0.35 + self.laws.benefit_consent * treated
                table["consent"] = (self.random.random(len(who)) < 1 / (1 + np.exp(-odds))).astype(float)
            rows.append(table)
        return pd.concat(rows, ignore_index=True)

    def _costs(self) -> pd.DataFrame:
        table = pd.concat([pd.DataFrame(part) for part in self.life.costs], ignore_index=True)
        table["period"] = _first(table.pop("month").to_numpy(int))
        table["customer_id"] = self.names[table.pop("customer").to_numpy(int)]
        return table.assign(serving_cost=table["serving_cost"].round(2))

    def _units(self) -> pd.DataFrame:
        months = pd.concat(self.life.branches, ignore_index=True)
        months["quarter"] = months["month"] // 3 * 3
        by = months.groupby(["unit", "quarter"])
        table = by[["satisfaction", "staff_satisfaction", "members_share"]].mean()
        table["retention"] = by["kept"].prod()
        noise = self.random.standard_normal(len(table))
        table = table.reset_index()
        table["profit"] = 100 + 15 * (table["satisfaction"] - 5) + 60 * (table["retention"] - 0.9) + 6 * noise
        table["period"] = _first(table.pop("quarter").to_numpy(int))
        return table.round(4).assign(unit=_unit(table["unit"]))

    def _finances(self, orders: pd.DataFrame, units: pd.DataFrame) -> pd.DataFrame:
        day = orders["ordered_at"].to_numpy("datetime64[D]").astype("datetime64[M]") - BEGIN.astype("datetime64[M]")
        quarter = day.astype(int) // 3
        money = (orders["unit_price"] * orders["quantity"]).to_numpy()
        length = MONTHS // 3
        new, lost = np.bincount(self.won // 3, minlength=length), np.bincount(self.left // 3, minlength=length + 1)
        revenue, margin = (np.bincount(quarter, what, length).round(2) for what in (money, orders["margin"].to_numpy()))
        return pd.DataFrame(
            {
                "period": np.sort(units["period"].unique()),
                "revenue": revenue,
                "variable_cost": (revenue - margin).round(2),
                "fixed_cost": 2.0 * self.size,
                "acquisition_spend": 20.0 * new,
                "retention_spend": np.round(0.02 * revenue, 2),
                "n_new": new,
                "n_lost": lost[:length],
                "n_active": np.cumsum(new - lost[:length]),
            }
        )

    def _rollouts(self) -> pd.DataFrame:
        action, branch = np.nonzero(self.rolled < MONTHS)
        started = _first(self.rolled[action, branch])
        return pd.DataFrame({"unit": _unit(branch), "action": np.array(ACTIONS)[action], "started_at": started})


def _first(month: Any) -> np.ndarray:
    """The first day of a month, counted from the beginning."""
    return (BEGIN.astype("datetime64[M]") + np.asarray(month)).astype("datetime64[D]")


def _last(month: np.ndarray) -> np.ndarray:
    """The last day of a month; empty for what has not come by the end."""
    return np.where(month < MONTHS, _first(month + 1) - 1, np.datetime64("NaT"))


def _unit(branch: Any) -> np.ndarray:
    return np.array([f"B{number + 1:02d}" for number in np.asarray(branch)], dtype=object)
