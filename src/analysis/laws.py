"""The laws of the simulated club, and what each claim of the register should find where they hold."""

from __future__ import annotations

from dataclasses import dataclass

EXPERIMENTS = {  # arm -> its control, and the month in which the lot was drawn
    "larger promise": ("usual promise", 10), "personal service": ("usual service", 30),
    "offers from history": ("random offers", 36), "personal reward": ("same reward for all", 42),
    "asked with a benefit": ("asked without", 48),
}  # fmt: skip
KEEPING, WINNING, KEPT_FROM, KEPT_UNTIL = (0, 5, 10, 20), (0, 10, 20, 40), 24, 36  # money a head, by lot; months


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
        found, expected: of product, service and price as found, and as expected, on satisfaction.
        foretold, learning: of what foretells service on its predicted level; of an experience in the next expectation.
        needed, thought, known_desires: of needs, of what can and should be, and of knowledge on the desired level.
        foreseen_desires, foreseen_adequate: of the predicted level on the desired and the adequate one.
        promise: of a larger promise on what is expected.
        offer_value, quality_value, price_value, image_value, effort_value: on perceived value.
        recommending, commenting: of satisfaction on what is recommended and written.
        ahead: of being rated above the rival on the share of wallet, in log odds.
        staff_rating, day_rating: of who served and of the day on what is rated.
        sides: of what each side of quality has of its own on its rating.
        waiting: of the service found on minutes waited.
        tenure_cost: of a year as a customer on the cost of serving.
        kept_by_spending, won_by_spending: the most that money a head does to leaving, and to winning a prospect.
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
        local_promotion: on buying, of one that a few branches had.
        personal_satisfaction: of personal service, in standard deviations of satisfaction.
        history_offers, personal_reward, benefit_consent: of the other treatments on money, leaving and consent.
        share_retention: of a branch's share of members on its customers' leaving.
        join_at_peaks, join_loyal: of mood and of loyalty on joining; what makes members look better than they are.
        lured: of winning by promotion on taste: the promotion draws those who buy less.
        kinds: whether loyalty comes in kinds, rather than by degrees.
    """

    satisfaction_buying: float = 0.2
    satisfaction_leaving: float = -0.25
    emotion_buying: float = 0.2
    value_buying: float = 0.25
    together_buying: float = 0.0
    bond_leaving: float = -0.15
    bond_buffers: float = -0.45
    failure_leaving: float = 0.9
    forgiving: float = -0.6
    slow_reply: float = 0.3
    service_leaving: float = -0.2
    valued_leaving: float = -0.25
    locked: float = 0.15
    found: float = 0.3
    expected: float = -0.3
    foretold: float = 0.3
    learning: float = 0.35
    needed: float = 0.3
    thought: float = 0.35
    known_desires: float = 0.3
    foreseen_desires: float = 0.5
    foreseen_adequate: float = 0.3
    promise: float = 0.4
    offer_value: float = 0.25
    quality_value: float = 0.4
    price_value: float = 0.3
    image_value: float = 0.3
    effort_value: float = -0.2
    recommending: float = 0.8
    commenting: float = 0.9
    ahead: float = 0.8
    staff_rating: float = 0.3
    day_rating: float = 0.25
    sides: float = 0.0
    waiting: float = -0.35
    tenure_cost: float = -0.15
    kept_by_spending: float = 1.6
    won_by_spending: float = 0.16
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
    local_promotion: float = 0.3
    promotion_after: float = 0.0
    promotion_end: float = 0.0
    personal_satisfaction: float = 0.4
    history_offers: float = 0.2
    personal_reward: float = -0.25
    benefit_consent: float = 0.6
    share_retention: float = 0.0
    join_at_peaks: float = 2.0
    join_loyal: float = 0.5
    lured: float = -0.4
    kinds: bool = True


# What each claim asks of the laws: one that must raise, with - one that must lower, with ! one that must do nothing;
# after / the size from which on it reaches the claim's smallest effect, where the default is below it: in 60,000
# customers the path of P02 is .014 and asks for .020, and an order adds .01 to the bond where G05 asks for .05.
# "true" and "null" where no single law decides; empty where the answer follows from everything at once.
CLAIMS = {
    "R01": "", "R02": "", "R03": "true", "R04": "true", "R05": "", "R06": "", "R07": "null", "R08": "-tenure_cost",
    "R09": "", "R10": "true", "R11": "true", "R12": "true", "R13": "", "R14": "", "R15": "",
    "S01": "satisfaction_buying", "S02": "satisfaction_buying", "S03": "null", "S04": "null",
    "S05": "found -expected", "S06": "null", "S07": "null", "S08": "null", "S09": "slow_reply", "S10": "found",
    "S11": "personal_satisfaction", "S12": "contact_trust trust_loyalty", "S13": "mending",
    "S14": "-service_leaving", "S15": "-valued_leaving", "S16": "care_wallet", "S17": "staff",
    "S18": "satisfaction_buying",
    "L01": "satisfaction_buying emotion_buying value_buying", "L02": "null", "L03": "-bond_buffers",
    "L04": "-forgiving", "L05": "loyal_refers", "L06": "loyal_crosses", "L07": "together_buying", "L08": "null",
    "L09": "kinds", "L10": "locked", "L11": "", "L12": "loyalty_desires", "L13": "", "L14": "touching",
    "G01": "", "G02": "null", "G03": "engaged_refers", "G04": "null", "G05": "bond_growth/0.5 -bond_leaving",
    "G06": "null",
    "G07": "", "G08": "knowledge_price -knowledge_adverts", "G09": "null",
    "P01": "joining", "P02": "joining_bond/0.45 -bond_leaving", "P03": "", "P04": "lasting !passing",
    "P05": "promotion_now",
    "P06": "!promotion_after", "P07": "promotion_end", "P08": "", "P09": "uniform_top !uniform_rest", "P10": "gold",
    "P11": "share_retention", "P12": "benefit_consent", "P13": "history_offers", "P14": "null",
    "P15": "-personal_reward", "E01": "learning", "E02": "promise", "E03": "true", "E04": "-waiting",
    "E05": "null", "E06": "null", "E07": "true", "E08": "foreseen_adequate", "E09": "null",
    "E10": "staff_rating day_rating", "E11": "needed", "E12": "known_desires", "E13": "foretold", "E14": "thought",
    "V01": "offer_value price_value", "V02": "sides", "V03": "image_value", "V04": "", "V05": "null",
    "V06": "quality_value price_value -effort_value", "V07": "-waiting quality_value", "V08": "ahead",
    "I01": "commenting", "I02": "", "I03": "", "I04": "null", "I05": "null", "I06": "true", "I07": "true",
    "I08": "null",
}  # fmt: skip


def planted(claim: str, laws: Laws | None = None) -> str:
    """What the laws make of a claim: "true", "null", "reversed", or "" where nobody aimed at it.

    It is null as soon as one law that it asks for is off, and reversed when all of them are turned round.

    Raises:
        KeyError: no such claim.
    """
    held, signs = laws or Laws(), list[int]()
    for asked in CLAIMS[claim].split():
        if asked in ("true", "null"):
            return asked
        name, _, least = asked.strip("-!").partition("/")
        size = getattr(held, name)
        size = max(abs(each) for each in size) if isinstance(size, tuple) else float(size)
        sign = ((size > 0) - (size < 0)) * (abs(size) >= float(least or 0))
        signs.append(1 - abs(sign) if asked[0] == "!" else -sign if asked[0] == "-" else sign)
    return "" if not signs else "true" if min(signs) > 0 else "reversed" if max(signs) < 0 else "null"
