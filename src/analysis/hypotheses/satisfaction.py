"""Satisfaction: where it comes from and what it brings (S01 to S18)."""

from __future__ import annotations

from analysis.hypotheses.phrases import (
    ANSWERS,
    ARMS,
    BY_DEFINITION,
    CEILING,
    DIFFERENCE_SCORE,
    EVENTS,
    MANY_TESTS,
    NECESSITY,
    NON_RESPONSE,
    ONE_SOURCE,
    REGRESSION,
    REVERSED,
    SELF_SELECTION,
    SURVIVORS,
    UNITS,
    UNITS_NOT_CUSTOMERS,
)
from analysis.hypotheses.register import Hypothesis
from analysis.hypotheses.rules import Directional, ModelComparison, NoEffect, Part, Threshold, all_of, any_of

_SLOPE = "standardised slope of satisfaction on "


def _discrepancy_parts(attribute: str) -> dict[str, Part]:
    """The four parts that one attribute adds to S05: both halves of the surface, and both sides of the match."""
    of = f"perceived {attribute}"
    return {
        f"{attribute}_perception": Part(Directional(at_least=0.10), "slope", f"{_SLOPE}{of}, expectation held fixed"),
        f"{attribute}_expectation": Part(
            Directional(at_least=-0.10), "slope", f"{_SLOPE}expected {attribute}, perception held fixed"
        ),
        f"{attribute}_exceeded": Part(
            Directional(at_least=0.10), "slope", f"{_SLOPE}the surplus where {of} lies above expectation"
        ),
        f"{attribute}_missed": Part(
            Directional(at_least=-0.10), "slope", f"{_SLOPE}the shortfall where {of} lies below expectation"
        ),
    }


_QUALITY_DRIVERS = ("reliability", "durability", "performance", "conformance")

ROWS = (
    Hypothesis(
        id="S01",
        claim="Content customers go on to spend more than discontented ones.",
        estimand=(
            "Ratio of mean spending in the period after the survey for one standard deviation more satisfaction, "
            "spending before the survey held fixed, over all who answered."
        ),
        unit="ratio",
        rule=Directional(at_least=1.05, null=1.0),
        causal=False,
        needs={"surveys": ("customer_id", "answered_at", "satisfaction"), "orders": ("amount",)},
        rung="C",
        design=(
            "Log-linear mean over all who answered, and in two parts (buys at all, how much), earlier spending held "
            "fixed; within persons where waves repeat."
        ),
        gates=ANSWERS,
        pitfalls=(NON_RESPONSE, REVERSED + ": big spenders are served better", REGRESSION, CEILING),
        origin="Anderson & Sullivan 1993; Seiders and others 2005 find it for intentions, hardly for behaviour",
        notebook="30_does_satisfaction_pay",
        article=("A1",),
    ),
    Hypothesis(
        id="S02",
        claim="The less satisfied customers are, the less likely they come back to buy.",
        estimand="How the share who buy again within the horizon changes with satisfaction, over all who answered.",
        unit="points",
        rule=all_of(
            gap=Part(
                Directional(at_least=0.02),
                "points",
                "share who buy again within the horizon after the survey, top third by satisfaction minus bottom third",
            ),
            reversals=Part(
                Threshold(at_least=0.0, below=True),
                "count",
                "pairs of neighbouring satisfaction levels where the upper one buys again less often, by a 95% "
                "interval adjusted for the number of pairs; counted, so without an interval of its own",
            ),
        ),
        causal=True,
        needs={"surveys": ("customer_id", "answered_at", "satisfaction"), "orders": ()},
        rung="C",
        design="Logistic and monotone fits of buying again on satisfaction, earlier buying held fixed.",
        gates=ANSWERS + " " + EVENTS,
        pitfalls=(CEILING, NON_RESPONSE, "groups of customers use the answer scale differently"),
        origin="Oliver 1980; Mittal & Kamakura 2001 find curves, and no link at all in one group",
        notebook="30_does_satisfaction_pay",
        article=("A5",),
    ),
    Hypothesis(
        id="S03",
        claim="Satisfaction brings loyalty, repeat purchases, recommendation and a thriving firm.",
        estimand="Four slopes on satisfaction, each for a later outcome, observed behaviour before stated intentions.",
        unit="slope",
        rule=all_of(
            loyalty=Part(Directional(at_least=0.10), "slope", "standardised slope of later loyalty on satisfaction"),
            repeat=Part(Directional(at_least=0.10), "slope", "standardised slope of later orders on satisfaction"),
            word_of_mouth=Part(
                Directional(at_least=0.10), "slope", "standardised slope of later referrals on satisfaction"
            ),
            success=Part(
                Directional(at_least=0.10), "slope", "standardised slope of next period's profit on mean satisfaction"
            ),
        ),
        causal=True,
        needs={
            "surveys": ("customer_id", "answered_at", "satisfaction", "loyalty"),
            "orders": (),
            "referrals": (),
            "units": ("satisfaction", "profit"),
        },
        rung="C",
        design="Four regressions, the outcome later than the survey and its earlier value held fixed.",
        gates=ANSWERS + " " + UNITS,
        pitfalls=(ONE_SOURCE, MANY_TESTS, NON_RESPONSE),
        origin="Szymanski & Henard 2001; Kumar and others 2013 find that little variance is explained",
        notebook="30_does_satisfaction_pay",
        article=("A3",),
    ),
    Hypothesis(
        id="S04",
        claim="How satisfied people are is a matter of how far their experience met or beat what they expected.",
        estimand="Whether expectations add to experience in foretelling satisfaction, in the shape of a difference.",
        unit="gain",
        rule=all_of(
            gain=Part(
                ModelComparison(),
                "gain",
                "gain in out-of-sample R squared of satisfaction, second-order surface of experience and expectation "
                "over experience alone (with its square)",
            ),
            expectation=Part(
                Directional(at_least=-0.10),
                "slope",
                "standardised slope of satisfaction on expectation, experience held fixed, corrected for unreliability",
            ),
            mismatch=Part(
                Directional(at_least=0.10), "slope", "slope of the surface where experience replaces expectation"
            ),
            match_slope=Part(
                NoEffect(within=0.10), "slope", "slope of the surface where experience equals expectation"
            ),
            match_curve=Part(
                NoEffect(within=0.10), "slope", "curvature of the surface where experience equals expectation"
            ),
            mismatch_curve=Part(
                NoEffect(within=0.10), "slope", "curvature of the surface where experience replaces expectation"
            ),
        ),
        causal=False,
        needs={"surveys": ("expectation", "perception", "satisfaction")},
        rung="C",
        design=(
            "Polynomial regression on scores centred at mid-scale and put on one standard deviation; "
            "expectations asked before the experience reach rung C."
        ),
        gates=ANSWERS + " At least one in ten on either side of expectations.",
        pitfalls=(DIFFERENCE_SCORE, "expectations remembered afterwards are coloured by the experience", CEILING),
        origin="Oliver 1980; experience alone in Churchill & Surprenant 1982 and Cronin & Taylor 1992",
        article=("A3",),
        notebook="31_expectations_and_satisfaction",
    ),
    Hypothesis(
        id="S05",
        claim="Beating expectations of product, service and price pleases customers; falling short displeases them.",
        estimand=(
            "For each of product, service and price: slopes of satisfaction on perception and on expectation, and on "
            "the surplus and the shortfall between them, among customers who rated both."
        ),
        unit="slope",
        rule=all_of(
            **{
                name: part
                for attribute in ("product", "service", "price")
                for name, part in _discrepancy_parts(attribute).items()
            }
        ),
        causal=True,
        needs={"surveys": ("expectation", "perception", "satisfaction")},
        rung="C",
        design="Response surface for each attribute; slopes on either side of a match; their asymmetry is reported.",
        gates=ANSWERS + " Pairs for product, service and price, with at least one in ten on either side.",
        pitfalls=(DIFFERENCE_SCORE, "a kink fitted to a difference forces equal and opposite weights", REGRESSION),
        origin="Mittal, Ross & Baldasare 1998; Anderson & Mittal 2000; Venkatesh & Goyal 2010: both directions hurt",
        article=("A5",),
        notebook="31_expectations_and_satisfaction",
    ),
    Hypothesis(
        id="S06",
        claim="Being satisfied does not suffice: it takes delight to make customers return.",
        estimand=(
            "Extra share who buy again within the horizon among those at the top of the satisfaction scale, beyond "
            "the straight line through the lower answers."
        ),
        unit="points",
        rule=Directional(at_least=0.02),
        causal=True,
        needs={"surveys": ("customer_id", "answered_at", "satisfaction"), "orders": ()},
        rung="C",
        design="Logistic regression with a straight line and a step at the top answer, read as a difference of shares.",
        gates=ANSWERS + " " + EVENTS,
        pitfalls=("some people tick the top box of everything", CEILING),
        origin="Oliver, Rust & Varki 1997; Jones & Sasser 1995",
        notebook="30_does_satisfaction_pay",
        article=("A5",),
    ),
    Hypothesis(
        id="S07",
        claim="No business keeps its customers without high satisfaction.",
        estimand=f"Necessity of satisfaction for retention across branches: {NECESSITY}.",
        unit="effect size",
        rule=Directional(at_least=0.10),
        causal=False,
        needs={"units": ("satisfaction", "retention")},
        rung="C",
        design="Necessary condition analysis with stepwise and straight ceilings, each peer left out in turn.",
        gates=UNITS,
        pitfalls=("single outliers draw the ceiling", "a slope cannot show that something is necessary"),
        origin="Dul 2016 for the logic of necessary conditions",
        article=("A5",),
        notebook="32_what_drives_satisfaction",
    ),
    Hypothesis(
        id="S08",
        claim="Customers can only be satisfied when quality is right again and again.",
        estimand="What four kinds of quality add to satisfaction, and whether satisfaction can do without any of them.",
        unit="slope",
        rule=all_of(
            **{
                f"{driver}_slope": Part(
                    Directional(at_least=0.10), "slope", f"{_SLOPE}{driver}, the other three kinds held fixed"
                )
                for driver in _QUALITY_DRIVERS
            },
            **{
                f"{driver}_necessary": Part(
                    Directional(at_least=0.10), "effect size", f"necessity of {driver} for satisfaction: {NECESSITY}"
                )
                for driver in _QUALITY_DRIVERS
            },
        ),
        causal=True,
        needs={"surveys": ("satisfaction", "quality")},
        rung="C",
        design="Regression with Shapley shares beside it, and necessary condition analysis; defect logs reach rung C.",
        gates=ANSWERS + " Drivers named reliability, durability, performance and conformance.",
        pitfalls=(ONE_SOURCE, "the four go together", "one good impression colours all ratings"),
        origin="Garvin 1987: dimensions of quality",
        article=("A3",),
        notebook="32_what_drives_satisfaction",
    ),
    Hypothesis(
        id="S09",
        claim="Slow answers to questions and complaints drive customers away.",
        estimand=(
            "Hazard ratio of leaving within 90 days of a question or complaint for a doubling of the minutes to the "
            "first reply, severity held fixed; satisfaction afterwards is a second reading."
        ),
        unit="hazard ratio",
        rule=Directional(at_least=1.10, null=1.0),
        causal=True,
        needs={"contacts": ("first_reply_minutes", "severity"), "subscriptions": ()},
        rung="D",
        design=(
            "Cox model with a curve in log minutes; where the length of the queue on arrival is known it serves as "
            "an instrument, a natural experiment."
        ),
        gates=EVENTS,
        pitfalls=("hard cases take longer and anger more", NON_RESPONSE),
        origin="Parasuraman, Zeithaml & Berry 1988; attributed also to Orsingher and others 2010",
        article=("A3",),
        notebook="60_complaints_and_forgiveness",
    ),
    Hypothesis(
        id="S10",
        claim="What matters most in service is to inform, to feel with the customer and to solve the problem.",
        estimand=(
            "Share of the explained variance of satisfaction that falls to communication, empathy and problem solving "
            "together, minus three over the number of service attributes rated."
        ),
        unit="points",
        rule=Directional(at_least=0.05),
        causal=False,
        needs={"surveys": ("satisfaction",)},
        rung="B",
        design="Shapley shares of R squared, each attribute one score; interval by resampling customers.",
        gates=ANSWERS + " Drivers named communication, empathy and problem_solving beside at least two others.",
        pitfalls=("attributes asked with more items gain more weight", ONE_SOURCE),
        origin="Parasuraman, Zeithaml & Berry 1988",
        article=("A3",),
        notebook="32_what_drives_satisfaction",
    ),
    Hypothesis(
        id="S11",
        claim="Treating each customer personally makes customers more satisfied.",
        estimand="Mean satisfaction with personal treatment minus without, in standard deviations of the control arm.",
        unit="sd",
        rule=Directional(at_least=0.2),
        causal=True,
        needs={"experiments": ("arm", "customer_id"), "surveys": ("customer_id", "answered_at", "satisfaction")},
        rung="D",
        design=(
            "A randomised trial, first answer after the lot, adjusted for the last one before it; without one, "
            "customers alike with and without personal contacts, weighed both ways (AIPW)."
        ),
        gates=ARMS,
        pitfalls=(SELF_SELECTION, "novelty wears off"),
        origin="Fornell and others 1996: customisation counts for more than reliability",
        article=("A3",),
        notebook="53_does_personal_treatment_pay",
    ),
    Hypothesis(
        id="S12",
        claim="Keeping in touch, social media, programmes and special offers earn trust, and trust earns loyalty.",
        estimand=(
            "Indirect effect of the number of such contacts on later loyalty by way of trust: product of the two "
            "standardised slopes, earlier trust and loyalty held fixed."
        ),
        unit="slope",
        rule=Directional(at_least=0.02),
        causal=True,
        needs={"touchpoints": (), "surveys": ("customer_id", "wave", "trust", "loyalty")},
        rung="C",
        design="Mediation over three points in time, interval by resampling, sensitivity to an unseen common cause.",
        gates=ANSWERS,
        pitfalls=("mediation at one moment says nothing about causes", ONE_SOURCE, SELF_SELECTION),
        origin="Morgan & Hunt 1994",
        notebook="61_touchpoints",
        article=("A3",),
    ),
    Hypothesis(
        id="S13",
        claim="Asking customers regularly and mending what they name keeps satisfaction up.",
        estimand="Change of satisfaction in a branch after a dated improvement, against branches without one so far.",
        unit="sd",
        rule=any_of(
            level=Part(Directional(at_least=0.1), "sd", "step in mean satisfaction at the start of the improvement"),
            slope=Part(Directional(at_least=0.1), "sd", "change of the yearly trend of satisfaction from then on"),
        ),
        causal=True,
        needs={"rollouts": (), "surveys": ("unit", "answered_at", "satisfaction")},
        rung="D",
        design=(
            "Staggered difference in differences over branches, the same customers compared with themselves; a natural "
            "experiment where the dates followed a plan, else rung C; where all began on one day, one series."
        ),
        gates=UNITS,
        pitfalls=(SURVIVORS + ": when the unhappy go, the average rises", REGRESSION),
        origin="The doctrine of continuous improvement; no single source",
        notebook="62_from_staff_to_profit",
        article=("A3",),
    ),
    Hypothesis(
        id="S14",
        claim="Friendly and attentive service makes customers more likely to stay.",
        estimand="Hazard ratio of leaving for one standard deviation more in the rating of service, plan held fixed.",
        unit="hazard ratio",
        rule=Directional(at_least=1 / 1.10, null=1.0),
        causal=True,
        needs={"surveys": ("customer_id", "answered_at", "quality"), "subscriptions": ()},
        rung="C",
        design="Cox model with the latest rating as a value that changes in time, ratings just before leaving unused.",
        gates=EVENTS,
        pitfalls=(NON_RESPONSE, REVERSED + ": the last contact is the cancellation"),
        origin="Zeithaml, Berry & Parasuraman 1996",
        notebook="61_touchpoints",
        article=("A2",),
    ),
    Hypothesis(
        id="S15",
        claim="Customers who feel neither valued nor respected leave more often.",
        estimand=(
            "Hazard ratio of leaving after the survey, customers in the lower half of feeling valued over those in "
            "the upper half, tenure and plan held fixed."
        ),
        unit="hazard ratio",
        rule=Directional(at_least=1.10, null=1.0),
        causal=False,
        needs={"surveys": ("customer_id", "answered_at", "valued"), "subscriptions": ()},
        rung="C",
        design="Cox model from the day of the answer on.",
        gates=EVENTS,
        pitfalls=(ONE_SOURCE + " when the wish to leave stands in for leaving", NON_RESPONSE),
        origin="The literature on relationship marketing; no single source",
        notebook="61_touchpoints",
        article=("A2",),
    ),
    Hypothesis(
        id="S16",
        claim="Where customers feel cared for, they give less of their business to competitors.",
        estimand=(
            "Standardised slope of our share of the customer's wallet on perceived care, size of the brands held "
            "fixed; the number of brands considered is a second reading."
        ),
        unit="slope",
        rule=Directional(at_least=0.10),
        causal=False,
        needs={"surveys": ("care", "wallet_share")},
        rung="B",
        design="Care told in one questionnaire, the share of the wallet in a later one; brands considered where asked.",
        gates=ANSWERS,
        pitfalls=("customers of big brands look at fewer rivals anyway", ONE_SOURCE),
        origin="The literature on customer orientation; no single source",
        notebook="61_touchpoints",
        article=("A2",),
    ),
    Hypothesis(
        id="S17",
        claim="Contented staff are what makes customers content.",
        estimand=(
            "Standardised slope of a branch's customer satisfaction on its staff satisfaction one period before, "
            "earlier customer satisfaction held fixed."
        ),
        unit="slope",
        rule=Directional(at_least=0.10),
        causal=True,
        needs={"units": ("satisfaction", "staff_satisfaction")},
        rung="C",
        design="Regression with a lag: branches against themselves, periods against their mean.",
        gates=UNITS + " At least three periods.",
        pitfalls=(UNITS_NOT_CUSTOMERS, REVERSED + ": pleasant customers please the staff", "few branches"),
        origin="Heskett and others 1994: the service-profit chain",
        notebook="62_from_staff_to_profit",
        article=("A5",),
    ),
    Hypothesis(
        id="S18",
        claim="The customers who are satisfied are worth the most.",
        estimand="How much more of all later value satisfied customers hold than heads, and whether both rank alike.",
        unit="points",
        rule=all_of(
            share_gap=Part(
                Directional(at_least=0.05),
                "points",
                "share of all customers' value held by the top third by satisfaction, minus their share of heads",
            ),
            rank=Part(Directional(at_least=0.10), "correlation", "rank correlation of satisfaction and customer value"),
        ),
        causal=False,
        needs={"surveys": ("customer_id", "answered_at", "satisfaction"), "orders": ("amount",)},
        rung="C",
        design="Spending on record after the survey, and for comparison before it; resampled customers.",
        gates=ANSWERS,
        pitfalls=(NON_RESPONSE, "some are pleased at our expense", BY_DEFINITION + " if past value is meant"),
        origin="Heskett and others 1994; profit and satisfaction need not rank customers alike",
        notebook="30_does_satisfaction_pay",
        article=("A4",),
    ),
)
