"""A simulated business with a customer club: what its customers say, do, get and cost, by laws that are known.

Customers are won by channels and promotions, differ in taste and in readiness to leave, have moods that pass, are
served by branches, answer surveys, complain, join a club when they are buying much anyway, rise in tiers, are sent
promotions and treatments by lot, recommend, and leave. The laws say what causes what; each can be set to nothing or
turned round, and the selection that fools a naive comparison stays when they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import questionnaires

from analysis.laws import EXPERIMENTS, KEEPING, KEPT_FROM, KEPT_UNTIL, WINNING, Laws

BEGIN, MONTHS = np.datetime64("2020-01-01"), 60
BRANCHES, RUN_IN = 40, 6  # branches; months before anybody can join, so that each member has a past
WAVES = tuple(range(12, MONTHS, 6))  # months in which questionnaires go out
CHANNELS, TOUCHPOINTS = ("search", "friend", "promotion"), ("shop", "site", "app", "letter", "call")
CATEGORIES = ("bread", "coffee", "cheese", "wine", "flowers", "books")
ACTIONS = ("ask and mend", "greet by name", "shorter queues", "clear prices")  # of the rolled-out tips
PROMOTIONS, DEPTH = (20, 32, 44), 0.2  # months in which a promotion ran, by lot; what it took off a price
LOCAL, LOCAL_FROM, LOCAL_UNTIL = (2, 3, 4), 42, 45  # branches of a promotion that nobody else had, and its months
TIER_AT = 900.0  # money of twelve months from which a member is gold for the next twelve


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
    events: list[dict[str, Any]] = field(default_factory=list)


def _day(random: np.random.Generator, month: int, size: int) -> np.ndarray:
    """Days of a month."""
    first = BEGIN.astype("datetime64[M]") + month
    length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(int)
    return first.astype("datetime64[D]") + random.integers(0, length, size)


def simulate(*, customers: int = 3000, laws: Laws | None = None, seed: int = 1) -> dict[str, pd.DataFrame]:
    """Draw a business of five years.

    Args:
        customers: how many are won in all.
        laws: what is so; None for the defaults.
        seed: decides all.

    Returns:
        Tables under contract names: orders, subscriptions, customers, surveys, memberships, promotions, experiments,
        contacts, referrals, costs, finances, units, rollouts, operations, touchpoints.
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
        self.names = np.array([f"K{number:06d}" for number in range(1, size + 1)], object)
        shares = 1 / np.sqrt(np.arange(1, BRANCHES + 1))  # a few branches are large
        self.branch = random.choice(BRANCHES, size, p=shares / shares.sum())
        self.won = np.where(random.random(size) < 0.4, 0, random.integers(0, MONTHS, size))
        self.channel = random.choice(3, size, p=(0.45, 0.25, 0.30))
        self.friend = random.integers(0, size, size)
        promoted = self.channel == CHANNELS.index("promotion")
        kind = random.choice(4, size, p=(0.35, 0.2, 0.2, 0.25))  # true, latent, spurious, none
        self.loyal = np.where(np.isin(kind, (0, 1)), 1.0, -1.0) + 0.15 * normal(size) if laws.kinds else normal(size)
        habit = np.where(np.isin(kind, (0, 2)), 0.5, -0.5) if laws.kinds else 0.3 * normal(size)
        self.taste = -0.7 + habit + 0.4 * normal(size) + laws.lured * promoted
        self.readiness = np.log(0.022) + 0.5 * normal(size) - 0.2 * self.loyal
        self.traits = questionnaires.traits(random, size)
        self.traits["habit"] = 0.8 * np.sign(habit) + 0.5 * normal(size)
        self.prone = normal(size)  # to contacts of all kinds
        self.mood, self.level, self.staff = np.zeros(size), 0.5 * normal(BRANCHES), normal(BRANCHES)
        self.aside = random.spawn(1)[0]  # for what is expected of all the firm does: it moves answers and nothing else
        self.overall = 0.5 * self.aside.standard_normal(size)
        self.foreseen, self.name = 0.6 * normal((3, size)), 0.5 * self.loyal + 0.7 * normal(size)
        self.left, self.joined = np.full(size, MONTHS), np.full(size, MONTHS)
        self.benefit = random.integers(0, 2, size)  # of members: 0 short-term, 1 long-term, by lot
        self.invited = random.random(size) < 0.5
        self.gold_until, self.year = np.full(size, -1), np.zeros((12, size))
        self.bought, self.tried = np.zeros(size), np.zeros((size, len(CATEGORIES)), bool)
        self.margin, self.trouble, self.minor = np.zeros(size), np.zeros(size), np.zeros(size)
        self.slow, self.talked = np.zeros(size), np.zeros(size)
        self.spent_on = random.choice(KEEPING, size)
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
        gaps = laws.found * sum(traits[offer] for offer in questionnaires.OFFERS)
        gaps = gaps + laws.expected * self.foreseen.sum(axis=0)
        satisfaction = 0.5 * quality + gaps + 0.3 * self.loyal - 0.5 * self.trouble
        satisfaction += laws.personal_satisfaction * self._treated("personal service", month)
        bond = 0.6 * self.loyal + 0.6 * traits["bond"] + laws.bond_growth * self.bought / 10
        bond += laws.joining_bond * self.member(month)
        trust = 0.7 * traits["trust"] + 0.3 * satisfaction + laws.contact_trust * self.talked
        loyalty = 0.6 * self.loyal + 0.3 * satisfaction + 0.2 * bond + laws.trust_loyalty * 0.5 * trust
        engagement = 0.7 * traits["engagement"] + 0.3 * satisfaction + 0.3 * self.loyal
        engagement += laws.excitement_engagement * traits["excitement"]
        effort, image = -0.4 * satisfaction + 0.8 * noise(self.size), 0.5 * self.loyal + 0.7 * noise(self.size)
        value = 0.6 * traits["value"] + laws.offer_value * (traits["product"] + traits["service"])
        value += laws.quality_value * quality + laws.price_value * traits["price"]
        value += laws.image_value * self.name + laws.effort_value * effort
        singles = {name: traits[name] for name in ("habit", "availability", "influence", "excitement")}
        return singles | {
            "satisfaction": satisfaction + 0.3 * noise(self.size), "quality": quality, "bond": bond, "trust": trust,
            "emotion": 0.7 * traits["emotion"] + 0.4 * satisfaction + 0.4 * noise(self.size),
            "value": value, "loyalty": loyalty, "engagement": engagement, "effort": effort, "image": image,
            "care": 0.7 * traits["care"] + 0.4 * quality, "valued": 0.6 * traits["care"] + 0.5 * quality,
            "price": traits["price"], "switching_cost": traits["switching_cost"], "knowledge": traits["knowledge"],
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
        if LOCAL_FROM <= month < LOCAL_UNTIL:
            pull += laws.local_promotion * np.isin(self.branch[who], LOCAL)
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
                "customer": buyer, "ordered_at": _day(random, month, len(buyer)), "unit_price": price,
                "quantity": quantity, "category": category, "margin": margin.round(2),
                "discount": (DEPTH * money * cheaper).round(2),
            }
        )  # fmt: skip
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
        queue = random.geometric(1 / 7, len(who)) - 1  # it makes replies slow, and does nothing else
        minutes = 60 * ((1 + queue) / 4) ** 0.8 * np.exp(0.15 * (severity - 3) + 0.5 * random.standard_normal(len(who)))
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
                "customer": who, "contacted_at": day, "kind": kind, "severity": severity,
                "first_reply_minutes": minutes.round(1), "resolved_at": day + wait, "recovery_rating": rating,
                "queue": queue,
            }
        )  # fmt: skip
        self.touches = np.zeros((len(TOUCHPOINTS), self.size))
        for place, base in enumerate((0.30, 0.35, 0.25, 0.20, 0.08)):
            times = random.poisson(base * np.exp(0.4 * self.prone) * here)
            self.touches[place] = times
            toucher = np.repeat(np.arange(self.size), times)
            touched = {"customer": toucher, "touched_at": _day(random, month, len(toucher))}
            touched["touchpoint"] = np.full(len(toucher), place)
            self.life.touched.append(touched)
        self.talked = 0.8 * self.talked + 0.2 * (self.touches[[1, 2]].sum(axis=0) - 0.7)
        refers = np.exp(np.log(0.008) + laws.engaged_refers * feel["engagement"] + laws.loyal_refers * self.loyal)
        giver = np.repeat(np.arange(self.size), random.poisson(refers * here))
        self.life.referrals.append({"customer": giver, "referred_at": _day(random, month, len(giver))})
        cost = 1.5 + 0.6 * np.exp(0.3 * self.prone) + laws.gold_cost * (self.gold_until >= month)
        if month % 3 == 2:
            served = np.flatnonzero(here)
            years = (month - self.won[served]) / 12
            cost = 3 * cost[served] * np.exp(laws.tenure_cost * years + 0.2 * random.standard_normal(len(served)))
            money = {"serving_cost": cost.round(2), "marketing_cost": (0.3 * cost).round(2)}
            self.life.costs.append({"customer": served, "month": month - 2} | money)

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
        if KEPT_FROM <= month < KEPT_UNTIL:
            hazard -= laws.kept_by_spending * -np.expm1(-self.spent_on / 8)
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
        table = {"unit": np.arange(BRANCHES), "month": month, "satisfaction": 5 + 0.8 * mean, "kept": kept}
        table |= {"staff_satisfaction": 5 + 0.6 * self.staff, "members_share": shares}
        self.life.branches.append(pd.DataFrame(table))

    def _profitable(self) -> np.ndarray:
        """Who has brought more margin a month than three in four."""
        return self.margin > np.quantile(self.margin, 0.75)

    def _ask(self, month: int, who: np.ndarray, feel: Mapping[str, np.ndarray]) -> None:
        """A questionnaire: those who are content answer a little more often."""
        random = self.random
        who = who[random.random(len(who)) < 0.35 + 0.04 * np.clip(feel["satisfaction"][who], -2, 2)]
        day, wave = _day(random, month, len(who)), str(WAVES.index(month) + 1)
        told = {"customer": who, "answered_at": day, "wave": wave, "unit": self.branch[who]}
        held, traits = ({name: each[who] for name, each in of.items()} for of in (feel, self.traits))
        foreseen = (
            self.foreseen[:, who] + self.overall[who] + self.laws.promise * self._treated("larger promise", month)[who]
        )
        answers, event = questionnaires.asked(random, held, traits, foreseen, day, self.laws)
        answers["satisfaction_3"] = questionnaires.answered(self.aside, held["satisfaction"])
        self.life.events.append({"customer": who, **event})
        self.life.surveys.append(pd.DataFrame(told | answers))
        self.name = feel["image"]  # shows in value half a year later, as what was found does in what is expected
        learned = questionnaires.found(self.traits, feel["quality"]) - self.foreseen
        self.foreseen += self.laws.learning * learned + 0.4 * random.standard_normal(learned.shape)
        self.overall += self.laws.learning * (0.5 * feel["quality"] - self.overall)
        self.overall += 0.35 * self.aside.standard_normal(self.size)

    # --- as tables ------------------------------------------------------------------------------------------------

    def tables(self) -> dict[str, pd.DataFrame]:
        """What the business has on file."""
        life, names = self.life, self.names
        orders = self._dated(life.orders, "ordered_at").assign(
            category=lambda t: np.array(CATEGORIES, object)[t["category"]]
        )
        contacts, referrals = self._dated(life.contacts, "contacted_at"), self._dated(life.referrals, "referred_at")
        contacts["resolved_at"] = contacts["resolved_at"].where(contacts["resolved_at"] <= _first(MONTHS))
        touched = self._dated(life.touched, "touched_at")
        surveys = pd.concat(life.surveys, ignore_index=True)
        surveys["unit"] = _unit(surveys["unit"])
        new = np.array([f"N{number:06d}" for number in range(1, len(referrals) + 1)], dtype=object)
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
            "finances": self._finances(orders),
            "units": self._units(),
            "rollouts": self._rollouts(),
            "operations": self._dated(life.events, "measured_at"),
            "touchpoints": touched.assign(touchpoint=np.array(TOUCHPOINTS, object)[touched["touchpoint"]]),
        }

    def _dated(self, parts: Sequence[Mapping[str, Any]], day: str) -> pd.DataFrame:
        """Monthly parts as one table by day, customers under their names."""
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.lexsort((whole["customer"], whole[day]))
        names = {"customer_id": self.names[whole.pop("customer")[order].astype(int)]}
        return pd.DataFrame(names | {name: column[order] for name, column in whole.items()})

    def _customers(self) -> pd.DataFrame:
        promoted = self.channel == CHANNELS.index("promotion")
        known = (self.channel == CHANNELS.index("friend")) & (self.won[self.friend] < self.won)
        return pd.DataFrame(
            {
                "customer_id": self.names, "acquired_at": _first(self.won), "channel": np.array(CHANNELS)[self.channel],
                "acquisition_cost": np.array([25.0, 5.0, 18.0])[self.channel],
                "acquisition_discount": np.where(promoted, 20.0, 0.0),
                "referred_by": pd.Series(self.names[self.friend]).where(pd.Series(known)),
                "invited": self.invited, "branch": _unit(self.branch),
            }
        )  # fmt: skip

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
                        "customer_id": self.names[who], "promotion_id": f"P{number + 1}", "starts_at": day,
                        "ends_at": _last(np.full(len(who), start)), "assigned": self.promoted[number, who],
                        "depth": DEPTH, "kind": "discount",
                    }
                )
            )  # fmt: skip
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
        who = np.flatnonzero((self.won < KEPT_FROM) & (self.left >= KEPT_FROM))
        retained = (self.left[who] >= KEPT_UNTIL).astype(float)
        kept = self._spent("kept", self.spent_on[who], KEPT_FROM, retention_spend=self.spent_on[who], retained=retained)
        prospects = np.repeat(WINNING, self.size // 10)
        chance = 0.04 + self.laws.won_by_spending * -np.expm1(-prospects / 15)
        acquired = (self.random.random(len(chance)) < chance).astype(float)
        won = self._spent("won", prospects, KEPT_UNTIL, acquisition_spend=prospects, acquired=acquired)
        return pd.concat([*rows, kept.assign(customer_id=self.names[who]), won], ignore_index=True)

    def _spent(self, name: str, money: np.ndarray, month: int, **columns: np.ndarray) -> pd.DataFrame:
        """A trial in which the lot decided on the money spent on each head."""
        arms, day = np.array([f"{name} with {one}" for one in money]), _first(np.full(len(money), month))
        return pd.DataFrame({"arm": arms, "control_arm": f"{name} with 0", "assigned_at": day, **columns})

    def _costs(self) -> pd.DataFrame:
        table = pd.concat([pd.DataFrame(part) for part in self.life.costs], ignore_index=True)
        table["period"] = _first(table.pop("month").to_numpy(int))
        table["customer_id"] = self.names[table.pop("customer").to_numpy(int)]
        return table

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

    def _finances(self, orders: pd.DataFrame) -> pd.DataFrame:
        day = orders["ordered_at"].to_numpy("datetime64[D]").astype("datetime64[M]") - BEGIN.astype("datetime64[M]")
        month, money = day.astype(int), (orders["unit_price"] * orders["quantity"]).to_numpy()
        new, lost = np.bincount(self.won, minlength=MONTHS), np.bincount(self.left, minlength=MONTHS + 1)
        revenue, margin = (np.bincount(month, what, MONTHS).round(2) for what in (money, orders["margin"].to_numpy()))
        winning, keeping = 20.0 * new, (0.0004 * revenue).round(2)
        return pd.DataFrame(
            {
                "period": _first(np.arange(MONTHS)), "revenue": revenue,
                "variable_cost": (revenue - margin).round(2), "fixed_cost": 0.7 * self.size,
                "acquisition_spend": winning, "retention_spend": keeping,
                "acquisition_hours": winning / 20, "retention_hours": (keeping / 20).round(1),
                "n_new": new, "n_lost": lost[:MONTHS], "n_active": np.cumsum(new - lost[:MONTHS]),
            }
        )  # fmt: skip

    def _rollouts(self) -> pd.DataFrame:
        action, branch = np.nonzero(self.rolled < MONTHS)
        table = {"unit": _unit(branch), "action": np.array(ACTIONS)[action], "month": self.rolled[action, branch]}
        local = {"unit": _unit(LOCAL), "action": "local promotion", "month": LOCAL_FROM}
        rows = pd.concat([pd.DataFrame(table), pd.DataFrame(local)], ignore_index=True)
        return rows.assign(started_at=_first(rows.pop("month").to_numpy()))


def _first(month: Any) -> np.ndarray:
    """The first day of a month, counted from the beginning."""
    return (BEGIN.astype("datetime64[M]") + np.asarray(month)).astype("datetime64[D]")


def _last(month: np.ndarray) -> np.ndarray:
    """The last day of a month; empty for what has not come by the end."""
    return np.where(month < MONTHS, _first(month + 1) - 1, np.datetime64("NaT"))


def _unit(branch: Any) -> np.ndarray:
    return np.array([f"B{number + 1:02d}" for number in range(BRANCHES)], object)[np.asarray(branch, int)]
