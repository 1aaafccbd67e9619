"""Customer clubs, loyalty programmes and promotions (P01 to P15)."""

from __future__ import annotations

from analysis.hypotheses.phrases import (
    ANSWERS,
    ARMS,
    EVENTS,
    IMMORTAL_TIME,
    ONE_SOURCE,
    REGRESSION,
    SELF_SELECTION,
    SORTING,
    SURVIVORS,
    UNITS,
)
from analysis.hypotheses.register import Hypothesis
from analysis.hypotheses.rules import Directional, ModelComparison, NoEffect, Part, Threshold, all_of

_EXPOSED = "customers drawn by lot to receive the promotion, over those held out"

ROWS = (
    Hypothesis(
        id="P01",
        claim="Joining a customer club makes people buy more and stay longer.",
        estimand="What joining changes in spending, frequency and leaving, for those who join, over the year after.",
        unit="ratio",
        rule=all_of(
            spending=Part(
                Directional(at_least=1.05, null=1.0),
                "ratio",
                "mean spending of members in the year after joining, over what it would have been without joining",
            ),
            frequency=Part(
                Directional(at_least=1.05, null=1.0),
                "ratio",
                "mean number of orders of members in the year after joining, over what it would have been",
            ),
            leaving=Part(
                Directional(at_least=1 / 1.10, null=1.0),
                "hazard ratio",
                "hazard ratio of leaving (without a contract: of a silence longer than the customer's habit) after "
                "joining over before",
            ),
        ),
        causal=True,
        needs={"memberships": (), "orders": ("amount",)},
        rung="D",
        design=(
            "Invitations given by lot; without them, staggered difference in differences against customers not yet "
            "in the club and a Cox model with joining as a change in time, which reach rung C."
        ),
        gates=EVENTS + " Orders from before joining.",
        pitfalls=(SELF_SELECTION, IMMORTAL_TIME, REGRESSION + ": people join at a peak of spending"),
        origin="Bolton, Kannan & Bramlett 2000; Verhoef 2003; Leenheer and others 2007: mostly self-selection",
        article=("A5",),
        notebook="50_does_the_club_work",
    ),
    Hypothesis(
        id="P02",
        claim="A club works because it ties an emotional relation.",
        estimand=(
            "Indirect effect of joining on later orders by way of the bond: product of the two standardised slopes, "
            "bond and orders before joining held fixed."
        ),
        unit="slope",
        rule=Directional(at_least=0.02),
        causal=True,
        needs={"memberships": (), "surveys": ("customer_id", "wave", "bond"), "orders": ()},
        rung="C",
        design="Mediation with the bond asked before and after joining; interval by resampling; sensitivity analysis.",
        gates=ANSWERS + " A wave before joining and one after.",
        pitfalls=("mediation at one moment says nothing about causes", ONE_SOURCE, SELF_SELECTION),
        origin="Attributed to the literature on customer clubs of Butscher and Diller",
        article=("A5",),
        notebook="50_does_the_club_work",
    ),
    Hypothesis(
        id="P03",
        claim="Running a club teaches the firm more about what its customers do and like.",
        estimand=(
            "Gain in out-of-sample R squared of members' purchases in the next period, when data that only the club "
            "gives are added to what is known of everybody."
        ),
        unit="gain",
        rule=ModelComparison(),
        causal=True,
        needs={"memberships": ("tier", "benefit"), "orders": ("amount",)},
        rung="C",
        design="Nested models under repeated cross-validation, members only, next period as the outcome.",
        gates="At least 100 members and 100 other customers.",
        pitfalls=("members are regular customers, who are easier to foretell anyway",),
        origin="The case for customer relationship management; no single source",
        article=("A5",),
        notebook="50_does_the_club_work",
    ),
    Hypothesis(
        id="P04",
        claim="A programme changes habits for good only when its rewards are long-term.",
        estimand="What a programme still changes in its second year, by whether its benefits are long- or short-term.",
        unit="growth",
        rule=all_of(
            long_term=Part(
                Directional(at_least=0.05),
                "growth",
                "relative change of spending in months 12 to 24 after joining with long-term benefits, against what "
                "it would have been",
            ),
            short_term=Part(
                NoEffect(within=1.05, null=1.0),
                "ratio",
                "spending in months 12 to 24 after joining with short-term benefits only, over what it would have been",
            ),
        ),
        causal=True,
        needs={"memberships": ("benefit", "invited"), "orders": ("amount",)},
        rung="D",
        design="Invitations given by lot; else an event study over two years by earlier usage, which reaches rung C.",
        gates="At least 100 customers with each kind of benefit, seen for 24 months after joining.",
        pitfalls=("buying ahead to reach a reward", REGRESSION, "heavy users have no room to grow"),
        origin="Liu 2007: light and moderate buyers grow, heavy buyers collect",
        article=("A2",),
        notebook="50_does_the_club_work",
    ),
    Hypothesis(
        id="P05",
        claim="A single promotion or prize draw raises sales while it runs.",
        estimand=f"Mean spending during the promotion of {_EXPOSED}.",
        unit="ratio",
        rule=Directional(at_least=1.05, null=1.0),
        causal=True,
        needs={"promotions|experiments": ("assigned|arm",), "orders|experiments": ("amount|arm",)},
        rung="D",
        design=(
            "Randomised hold-out, adjusted for what was known before the lot; where a few branches had it, a mixture "
            "of the others (synthetic control), with each of them as a placebo."
        ),
        gates=ARMS,
        pitfalls=("customers stock up and buy less later",),
        origin="The literature on sales promotion; no single source",
        article=("A2",),
        notebook="51_what_promotions_leave_behind",
    ),
    Hypothesis(
        id="P06",
        claim="A single promotion or prize draw leaves no loyalty behind.",
        estimand=(
            "Share who buy again in the window after the promotion, minus that of customers held out by lot; the "
            "share of orders at full price is a second reading, and new and old customers are shown apart."
        ),
        unit="points",
        rule=NoEffect(within=0.02, against="above"),
        causal=True,
        needs={"promotions": ("assigned",), "orders": ("amount",)},
        rung="D",
        design="Randomised hold-out with a test of equivalence: harm after the promotion speaks for the claim as well.",
        gates=ARMS,
        pitfalls=(
            "that nothing was found does not show that nothing is there",
            "purchases brought forward leave a dip, so the window must be long",
        ),
        origin="DelVecchio, Henard & Freling 2006: nil on average; Anderson & Simester 2004: new and old differ",
        article=("A2",),
        notebook="51_what_promotions_leave_behind",
    ),
    Hypothesis(
        id="P07",
        claim="Once a promotion is over, the customers it drew begin to leave.",
        estimand=(
            "Hazard ratio of leaving after the promotion's end, customers who had it by lot over those held out, in "
            "the same weeks. Both were there when the lot was drawn, so neither had left before."
        ),
        unit="hazard ratio",
        rule=Directional(at_least=1.10, null=1.0),
        causal=True,
        needs={"promotions": ("assigned",), "subscriptions": ()},
        rung="D",
        design="Randomised hold-out; Cox model, the clock started at the promotion's end, each promotion a stratum.",
        gates=EVENTS,
        pitfalls=("a promotion draws customers who would have left soon anyway", SORTING),
        origin="Lewis 2006; Neslin & Shoemaker 1989: selection alone lowers repeat buying",
        article=("A2",),
        notebook="51_what_promotions_leave_behind",
    ),
    Hypothesis(
        id="P08",
        claim="Winning customers by promotion costs more than they ever bring in.",
        estimand=(
            "Mean value of the margins of a customer won by promotion, over the stated horizon, minus the discount and "
            "the other costs of winning that customer."
        ),
        unit="money",
        rule=Threshold(at_least=0.0, below=True),
        causal=True,
        needs={
            "customers": ("acquired_at", "channel", "acquisition_cost", "acquisition_discount"),
            "orders": ("amount",),
        },
        rung="C",
        design="Customer value by way of acquisition, from a renewal or repeat-buying model; resampled customers.",
        gates=EVENTS,
        pitfalls=("a short horizon cuts the benefit off", "the customers they bring along are not counted"),
        origin="Lewis 2006: deep discounts halve the long-run value",
        article=("A2",),
        notebook="51_what_promotions_leave_behind",
    ),
    Hypothesis(
        id="P09",
        claim="Middling rewards for all drive profitable customers away, while the unprofitable ones stay.",
        estimand="What a uniform reward scheme changes in leaving, for profitable and for unprofitable customers.",
        unit="hazard ratio",
        rule=all_of(
            profitable=Part(
                Directional(at_least=1.10, null=1.0),
                "hazard ratio",
                "hazard ratio of leaving under the scheme over before it, top third by profit before the scheme "
                "divided by the bottom third",
            ),
            unprofitable=Part(
                NoEffect(within=1.10, null=1.0),
                "hazard ratio",
                "hazard ratio of leaving under the scheme over before it, bottom third by profit before the scheme, "
                "divided by the same outside the club",
            ),
        ),
        causal=True,
        needs={"memberships": ("benefit",), "orders": ("amount", "margin"), "subscriptions": ()},
        rung="D",
        design="Difference in differences where the firm changed the scheme, a natural experiment; Cox interaction.",
        gates=EVENTS,
        pitfalls=(REGRESSION + ": the best customers always fall", SURVIVORS),
        origin="Lal & Bell 2003; equity theory",
        article=("A2",),
        notebook="52_who_should_be_rewarded",
    ),
    Hypothesis(
        id="P10",
        claim="Giving the best customers the best rewards binds them more closely.",
        estimand=(
            "Profit after the cost of service and rewards in the year after the tier was decided, customers just above "
            "the threshold of the higher tier over those just below it."
        ),
        unit="ratio",
        rule=Directional(at_least=1.05, null=1.0),
        causal=True,
        needs={
            "memberships": ("tier", "tier_at", "running_value"),
            "orders": ("amount", "margin"),
            "costs": ("serving_cost",),
        },
        rung="D",
        design="Regression discontinuity at the tier's threshold, with a test for bunching: a natural experiment.",
        gates="At least 100 customers on either side of the threshold, within the bandwidth.",
        pitfalls=("customers push themselves just over the line", "a spoilt customer costs more to serve"),
        origin="Drèze & Nunes 2009; Wetzel, Hammerschmidt & Zablah 2014: gratitude and entitlement both rise",
        article=("A2",),
        notebook="52_who_should_be_rewarded",
    ),
    Hypothesis(
        id="P11",
        claim="The more customers belong to the programme, the more customers a branch retains.",
        estimand=(
            "Change of a branch's retention for ten percentage points more of its customers in the programme, branch "
            "and period held fixed."
        ),
        unit="points",
        rule=Directional(at_least=0.01),
        causal=True,
        needs={"units": ("retention", "members_share")},
        rung="C",
        design="Panel regression; the change split into who the members are and what membership does.",
        gates=UNITS + " At least three periods.",
        pitfalls=(SELF_SELECTION + ": loyal people join", SORTING),
        origin="A common target of programme managers; no single source",
        article=("A2",),
        notebook="50_does_the_club_work",
    ),
    Hypothesis(
        id="P12",
        claim="Most customers hand over their data willingly when service becomes personal in return.",
        estimand=(
            "Share who consent to the use of their data when a personal experience is offered for it and the box is "
            "not ticked beforehand; the change against no offer is shown beside it."
        ),
        unit="share",
        rule=Threshold(at_least=0.50),
        causal=False,
        needs={"experiments": ("arm", "customer_id")},
        rung="D",
        design="Proportion with Wilson's interval in the arm that got the offer; randomised offers for the change.",
        gates=ARMS,
        pitfalls=("a ticked box is not consent", "people say one thing and do another"),
        origin="The literature on the privacy calculus; no single source",
        article=("A2",),
        notebook="53_does_personal_treatment_pay",
    ),
    Hypothesis(
        id="P13",
        claim="Knowing what a customer bought before helps to sell more, and dearer, things.",
        estimand=(
            "Mean margin per customer in the weeks after offers chosen from the purchase history, over offers chosen "
            "at random."
        ),
        unit="ratio",
        rule=Directional(at_least=1.05, null=1.0),
        causal=True,
        needs={"experiments": ("arm",), "orders|experiments": ("amount|arm",)},
        rung="D",
        design=(
            "Offers assigned by lot; all later margin counts, whether or not an offer was used. Where the lot gave "
            "several offers, what each customer's past would choose is weighted by the chance of assignment."
        ),
        gates=ARMS,
        pitfalls=("what would have been bought anyway is credited to the offer",),
        origin="The literature on recommendation; no single source",
        article=("A2",),
        notebook="53_does_personal_treatment_pay",
    ),
    Hypothesis(
        id="P14",
        claim="Customers see through a programme as a way to sell, and stay in it when it gives enough.",
        estimand=(
            "Change in the share of active members for one standard deviation more perceived generosity, among "
            "customers one standard deviation above the mean in knowing the programme's purpose."
        ),
        unit="points",
        rule=Directional(at_least=0.02),
        causal=False,
        needs={"surveys": ("customer_id", "knowledge", "value"), "memberships": ()},
        rung="B",
        design="Difference of shares by a regression with an interaction, time as a customer held fixed.",
        gates=ANSWERS + " Knowledge asks about the programme's purpose, value about its generosity.",
        pitfalls=(ONE_SOURCE,),
        origin="The literature on persuasion knowledge; no single source",
        article=("A2",),
        notebook="50_does_the_club_work",
    ),
    Hypothesis(
        id="P15",
        claim="Rewards made for one person show regard and make that person more loyal.",
        estimand=(
            "Share retained over the horizon with a personal reward, minus with a standard reward of the same cost."
        ),
        unit="points",
        rule=Directional(at_least=0.02),
        causal=True,
        needs={"experiments": ("arm", "customer_id", "assigned_at"), "subscriptions|orders": ()},
        rung="D",
        design="Randomised trial with rewards of equal cost.",
        gates=ARMS + " The cost of either reward.",
        pitfalls=("personal rewards are often dearer ones",),
        origin="Palmatier and others 2009: gratitude",
        article=("A2",),
        notebook="53_does_personal_treatment_pay",
    ),
)
