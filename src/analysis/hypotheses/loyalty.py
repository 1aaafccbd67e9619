"""Loyalty: its kinds, the bond behind it, and what loyal customers do (L01 to L14)."""

from __future__ import annotations

from analysis.hypotheses.phrases import (
    ANSWERS,
    BY_DEFINITION,
    CEILING,
    EVENTS,
    NECESSITY,
    ONE_SOURCE,
    REGRESSION,
    SELF_SELECTION,
    SURVIVORS,
)
from analysis.hypotheses.register import Hypothesis
from analysis.hypotheses.rules import Directional, ModelComparison, Part, Threshold, all_of

_OWN_SHARE = (
    "semipartial correlation of later repeat buying with {block}, the other two blocks held fixed (its square is the "
    "variance that this block alone explains)"
)

ROWS = (
    Hypothesis(
        id="L01",
        claim="Steady good feelings, good marks for the details and value for money make customers loyal, all three.",
        estimand="What each of three blocks of answers explains of later repeat buying that the other two do not.",
        unit="correlation",
        rule=all_of(
            emotion=Part(
                Directional(at_least=0.10), "correlation", _OWN_SHARE.format(block="the mean of emotion over waves")
            ),
            attributes=Part(
                Directional(at_least=0.10), "correlation", _OWN_SHARE.format(block="satisfaction with attributes")
            ),
            value=Part(Directional(at_least=0.10), "correlation", _OWN_SHARE.format(block="perceived value")),
        ),
        causal=True,
        needs={"surveys": ("customer_id", "wave", "emotion", "satisfaction", "value"), "orders": ()},
        rung="C",
        design=(
            "Nested regressions of buying after the last wave, with Shapley shares; how much a customer's emotion "
            "varies between waves enters beside its mean."
        ),
        gates=ANSWERS + " At least three waves for each of them.",
        pitfalls=(ONE_SOURCE, "the three blocks go together"),
        origin="Oliver 1999; Brakus, Schmitt & Zarantonello 2009; the practice of experience consultants",
        article=("A1",),
        notebook="41_emotion_and_engagement",
    ),
    Hypothesis(
        id="L02",
        claim="Without an emotional bond there is no loyalty.",
        estimand="What the bond adds to satisfaction in foretelling loyalty, and whether loyalty can do without it.",
        unit="gain",
        rule=all_of(
            adds=Part(
                ModelComparison(), "gain", "gain in out-of-sample R squared of loyalty as the bond joins satisfaction"
            ),
            necessary=Part(
                Directional(at_least=0.10), "effect size", f"necessity of the bond for loyalty: {NECESSITY}"
            ),
        ),
        causal=True,
        needs={"surveys": ("customer_id", "bond", "satisfaction", "loyalty")},
        rung="C",
        design="Repeated cross-validation for the gain; necessary condition analysis for what cannot be missed.",
        gates=ANSWERS,
        pitfalls=("habit and lock-in make people come back without any bond", ONE_SOURCE),
        origin="Thomson, MacInnis & Park 2005 on attachment; figures by vendors in Harvard Business Review 2015",
        article=("A1",),
        notebook="41_emotion_and_engagement",
    ),
    Hypothesis(
        id="L03",
        claim="Customers with a bond stay even when something goes wrong.",
        estimand=(
            "Hazard ratio of leaving after a failure over before it, for one standard deviation more bond felt before "
            "the failure: the factor by which the bond changes the harm, severity held fixed."
        ),
        unit="hazard ratio",
        rule=Directional(at_least=1 / 1.10, null=1.0),
        causal=True,
        needs={
            "surveys": ("customer_id", "answered_at", "bond"),
            "contacts": ("severity",),
            "subscriptions": (),
        },
        rung="C",
        design="Cox model with the failure as a value that changes in time, times the bond; also read as added risk.",
        gates=EVENTS,
        pitfalls=(
            "a bond asked after the failure already carries it",
            SURVIVORS,
            "an interaction on one scale may vanish on another",
        ),
        origin="Hess, Ganesan & Klein 2003; Grégoire, Tripp & Legoux 2009: best customers bear the longest grudge",
        article=("A1",),
        notebook="60_complaints_and_forgiveness",
    ),
    Hypothesis(
        id="L04",
        claim="Those who have had good experiences forgive small mistakes.",
        estimand=(
            "Fall in the share who stay after a minor failure, bottom third by earlier rating minus top third, each "
            "beyond the fall among like customers without a failure, over the horizon after it."
        ),
        unit="points",
        rule=Directional(at_least=0.02),
        causal=True,
        needs={
            "surveys": ("customer_id", "answered_at", "satisfaction"),
            "contacts": ("severity",),
            "subscriptions": (),
        },
        rung="C",
        design="Difference in differences around the failure by third of earlier rating; major failures for contrast.",
        gates=EVENTS,
        pitfalls=(REGRESSION + ": high raters fall anyway", CEILING),
        origin="Figures by Forrester and Temkin, both vendors",
        article=("A2",),
        notebook="60_complaints_and_forgiveness",
    ),
    Hypothesis(
        id="L05",
        claim="Loyal customers bring in others without being paid for it.",
        estimand=(
            "Referrals per customer-year, customers loyal in the period before over the others, referrals that earn a "
            "reward left out; the worth of those referred stands beside it."
        ),
        unit="ratio",
        rule=Directional(at_least=1.05, null=1.0),
        causal=False,
        needs={"referrals": (), "orders": ()},
        rung="C",
        design="Log-linear mean with time at risk as exposure, errors by customer; a negative binomial beside it.",
        gates="At least 30 referrals in each group.",
        pitfalls=("a reward for referrals makes them anything but free", SELF_SELECTION, "the unhappy talk as well"),
        origin="Reichheld 1996; Anderson 1998 finds both extremes talking; little evidence in Reinartz & Kumar 2002",
        article=("A1",),
        notebook="42_who_recommends",
    ),
    Hypothesis(
        id="L06",
        claim="Loyal customers are more inclined to buy profitable extras beside the main product.",
        estimand="How much more often loyal customers enter a new category next, and whether that leaves a profit.",
        unit="points",
        rule=all_of(
            uptake=Part(
                Directional(at_least=0.02),
                "points",
                "share who buy in a category new to them in the next period, customers loyal before minus others, at "
                "the same number of orders",
            ),
            profit=Part(
                Threshold(at_least=0.0), "money", "mean margin in that period of customers who entered a new category"
            ),
        ),
        causal=False,
        needs={"orders": ("amount", "category", "margin")},
        rung="C",
        design="Hazard of a first purchase in discrete time; the share of unprofitable cross-buyers is reported.",
        gates=EVENTS,
        pitfalls=(
            BY_DEFINITION + ": more orders touch more categories",
            "loyal customers are shown more offers",
            "returns eat the margin",
        ),
        origin="Shah & Kumar 2012: one cross-buyer in five loses money, and these make most of the loss",
        article=("A1",),
        notebook="42_who_recommends",
    ),
    Hypothesis(
        id="L07",
        claim="Product, feeling and value that fit together do more for loyalty than the sum of the three.",
        estimand=(
            "Gain in out-of-sample R squared of later repeat buying when products of the three blocks (attributes, "
            "emotion, value) are added to the blocks themselves."
        ),
        unit="gain",
        rule=ModelComparison(),
        causal=True,
        needs={"surveys": ("customer_id", "emotion", "satisfaction", "value"), "orders": ()},
        rung="C",
        design="Repeated cross-validation of the model with interactions against the additive one.",
        gates=ANSWERS,
        pitfalls=("interactions need large samples", ONE_SOURCE),
        origin="The practice of experience management; no single source",
        article=("A1",),
        notebook="41_emotion_and_engagement",
    ),
    Hypothesis(
        id="L08",
        claim="An experience unlike that of rivals makes customers loyal, and the lead lasts.",
        estimand="How a perceived lead over rivals works on loyalty one wave later, and how long the lead lasts.",
        unit="slope",
        rule=all_of(
            effect=Part(
                Directional(at_least=0.10),
                "slope",
                "standardised slope of loyalty on the lead over the best rival one wave before, earlier loyalty fixed",
            ),
            half_life=Part(Threshold(at_least=12.0), "months", "time in which half of a perceived lead is lost"),
        ),
        causal=True,
        needs={"surveys": ("customer_id", "wave", "satisfaction", "rival_NAME", "loyalty")},
        rung="C",
        design="Panel regression with lags; half-life from the autoregression of the lead.",
        gates=ANSWERS + " At least three waves, with ratings of rivals.",
        pitfalls=("without rivals there is no lead to measure", SELF_SELECTION),
        origin="Pine & Gilmore 1998; figures by vendors in Harvard Business Review",
        article=("A1",),
        notebook="41_emotion_and_engagement",
    ),
    Hypothesis(
        id="L09",
        claim="There are several kinds of loyalty, so loyal customers differ among themselves.",
        estimand="Whether customers fall into two groups or more by attitude and behaviour, and always the same ones.",
        unit="BIC points",
        rule=all_of(
            groups=Part(
                Threshold(at_least=10.0),
                "BIC points",
                "Bayesian information criterion of one group minus that of the best number of groups above one",
            ),
            stability=Part(
                Threshold(at_least=0.6), "agreement", "adjusted Rand index of the groups found in two random halves"
            ),
            beyond_skew=Part(
                Threshold(at_least=0.0),
                "BIC points",
                "twice the log-likelihood gain of the groups over one skewed distribution, minus the 95th percentile "
                "of that gain in data simulated from the skewed distribution",
            ),
        ),
        causal=False,
        needs={"surveys": ("customer_id", "loyalty"), "orders": ()},
        rung="B",
        design="Gaussian mixtures on attitude and purchase frequency; intervals by resampling customers.",
        gates=ANSWERS,
        pitfalls=("mixtures cut every skewed distribution into groups",),
        origin="Dick & Basu 1994; Jones & Sasser 1995",
        article=("A2",),
        notebook="40_kinds_of_loyalty",
    ),
    Hypothesis(
        id="L10",
        claim="Some customers stay because they want to, others because they cannot get away.",
        estimand="How many keep buying without liking it, and whether the cost of leaving dulls dissatisfaction.",
        unit="share",
        rule=all_of(
            stuck=Part(
                Threshold(at_least=0.05),
                "share",
                "share of all who answered who stay for a year, with attitude below and switching cost above mid-scale",
            ),
            dulled=Part(
                Directional(at_least=1.10, null=1.0),
                "hazard ratio",
                "factor by which one standard deviation more switching cost moves the hazard ratio of leaving for one "
                "standard deviation more satisfaction (towards no effect: above one)",
            ),
        ),
        causal=False,
        needs={
            "surveys": ("customer_id", "answered_at", "satisfaction", "loyalty", "switching_cost"),
            "subscriptions": (),
        },
        rung="C",
        design="Shares of the four fields cut at mid-scale; Cox interaction; the jump when a contract's lock ends.",
        gates=ANSWERS + " " + EVENTS,
        pitfalls=("cut-points chosen after a look at the data", ONE_SOURCE),
        origin="Jones & Sasser 1995; Burnham, Frels & Mahajan 2003; Bansal, Irving & Taylor 2004",
        article=("A2",),
        notebook="40_kinds_of_loyalty",
    ),
    Hypothesis(
        id="L11",
        claim="Neither points nor tier reveal what kind of loyalty lies behind them.",
        estimand=(
            "Gain in out-of-sample area under the curve for staying next year, when attitude and behaviour are added "
            "to the tier, over all members."
        ),
        unit="gain",
        rule=ModelComparison(),
        causal=False,
        needs={"memberships": ("tier",), "surveys": ("customer_id", "loyalty"), "orders": ()},
        rung="C",
        design="Nested logistic models under repeated cross-validation.",
        gates=ANSWERS + " " + EVENTS,
        pitfalls=(BY_DEFINITION + ": the tier is made of past spending",),
        origin="Dick & Basu 1994: spurious loyalty",
        article=("A2",),
        notebook="40_kinds_of_loyalty",
    ),
    Hypothesis(
        id="L12",
        claim="The more loyal the customer, the higher the demands.",
        estimand="Standardised slope of the desired level of service on loyalty one wave before, usage held fixed.",
        unit="slope",
        rule=Directional(at_least=0.10),
        causal=False,
        needs={"surveys": ("customer_id", "wave", "loyalty", "desired")},
        rung="C",
        design="Regression with loyalty from the earlier wave.",
        gates=ANSWERS,
        pitfalls=(ONE_SOURCE, "heavy use alone raises demands"),
        origin="Zeithaml, Berry & Parasuraman 1993; Wetzel, Hammerschmidt & Zablah 2014 on entitlement",
        article=("A2",),
        notebook="40_kinds_of_loyalty",
    ),
    Hypothesis(
        id="L13",
        claim="Of all that makes customers loyal, their experience comes first.",
        estimand=(
            "Share of the explained variance of later loyalty that falls to experience, minus the largest share of any "
            "rival cause: price, habit, availability, switching cost."
        ),
        unit="points",
        rule=Threshold(at_least=0.0),
        causal=True,
        needs={"surveys": ("customer_id", "loyalty", "emotion", "effort", "quality", "price", "switching_cost")},
        rung="C",
        design="Shapley shares of R squared, one score a block; interval by resampling the difference, pair by pair.",
        gates=ANSWERS + " Drivers named habit and availability.",
        pitfalls=("a rival cause left out leaves its share to the others", ONE_SOURCE),
        origin="The literature on customer experience; no single source",
        article=("A2",),
        notebook="40_kinds_of_loyalty",
    ),
    Hypothesis(
        id="L14",
        claim="Different contacts along a customer's way count differently towards staying.",
        estimand="How unequal the touchpoints' shares in retention are, and whether two of them or more have a share.",
        unit="points",
        rule=all_of(
            unequal=Part(
                Threshold(at_least=0.0),
                "points",
                "spread of the touchpoints' shares, beyond that where every contact counts alike wherever it was; "
                "the interval turns a permutation test round",
            ),
            two_or_more=Part(
                Threshold(at_least=0.0),
                "points",
                "second largest of the touchpoints' shares, each beyond its own share when staying is dealt out anew; "
                "the interval is adjusted for the number of touchpoints",
            ),
        ),
        causal=False,
        needs={"touchpoints": (), "subscriptions": ()},
        rung="C",
        design="Who left beside others who were customers on that day, contacts of equal windows; Shapley regression.",
        gates="At least 30 customers at each touchpoint. " + EVENTS,
        notebook="61_touchpoints",
        pitfalls=(SURVIVORS + ": longer journeys touch more", "place in the journey and exposure go together"),
        origin="The practice of journey attribution; no single source",
        article=("A2",),
    ),
)
