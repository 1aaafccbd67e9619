"""The indicators by which firms read satisfaction, and whether they measure it (I01 to I08)."""

from __future__ import annotations

from analysis.hypotheses.phrases import ANSWERS, CEILING, EVENTS, NON_RESPONSE, SELF_SELECTION, UNITS
from analysis.hypotheses.register import Hypothesis
from analysis.hypotheses.rules import Directional, ModelComparison, NoEffect, Part, Threshold, all_of

_WITH_SATISFACTION = "correlation with the satisfaction that the same customer states in a survey"

ROWS = (
    Hypothesis(
        id="I01",
        claim="Reviews, comments and other feedback mirror how satisfied customers are.",
        estimand=f"Mean rating or tone of a customer's feedback: {_WITH_SATISFACTION}.",
        unit="correlation",
        rule=Threshold(at_least=0.30),
        causal=False,
        needs={"surveys": ("customer_id", "feedback", "satisfaction")},
        rung="B",
        design="Correlation over customers who did both, weighted for who writes.",
        gates=ANSWERS + " A driver named feedback: the rating or tone of reviews and comments.",
        pitfalls=("mostly the delighted and the furious write", SELF_SELECTION),
        origin="A common indicator; no single source",
        notebook="34_is_the_net_promoter_score_enough",
        article=("A3",),
    ),
    Hypothesis(
        id="I02",
        claim="Customers who come back, stay long and praise us are satisfied customers.",
        estimand="How three signs of loyalty go with stated satisfaction, over customers who answered.",
        unit="correlation",
        rule=all_of(
            repeat=Part(Threshold(at_least=0.30), "correlation", f"orders per year: {_WITH_SATISFACTION}"),
            tenure=Part(Threshold(at_least=0.30), "correlation", f"time since the first order: {_WITH_SATISFACTION}"),
            praise=Part(Threshold(at_least=0.30), "correlation", f"referrals per year: {_WITH_SATISFACTION}"),
        ),
        causal=False,
        needs={"surveys": ("customer_id", "satisfaction"), "orders": (), "referrals": ()},
        rung="B",
        design="Rank correlations with resampled intervals.",
        gates=ANSWERS,
        pitfalls=("customers who cannot get away come back as well", NON_RESPONSE),
        origin="A common indicator; no single source",
        notebook="34_is_the_net_promoter_score_enough",
        article=("A3",),
    ),
    Hypothesis(
        id="I03",
        claim="A high retention rate is a sign of satisfied customers.",
        estimand="Correlation of retention and mean satisfaction across branches in the same period.",
        unit="correlation",
        rule=Threshold(at_least=0.30),
        causal=False,
        needs={"units": ("satisfaction", "retention")},
        rung="B",
        design="Rank correlation, interval by resampling whole branches.",
        gates=UNITS,
        pitfalls=("contracts and inertia hold customers too",),
        origin="A common indicator; no single source",
        notebook="33_one_index_or_many",
        article=("A3",),
    ),
    Hypothesis(
        id="I04",
        claim="The net promoter score rises with satisfaction, and foretells better than its mean who will stay.",
        estimand="How the score goes with satisfaction, and what it adds in foretelling who stays.",
        unit="correlation",
        rule=all_of(
            validity=Part(
                Threshold(at_least=0.30),
                "correlation",
                "correlation of the promoter classes (detractor, passive, promoter) with satisfaction in several items",
            ),
            superiority=Part(
                ModelComparison(),
                "gain",
                "out-of-sample share of deviance of staying explained by the promoter classes, minus that explained by "
                "mean satisfaction",
            ),
        ),
        causal=False,
        needs={"surveys": ("customer_id", "answered_at", "recommend", "satisfaction"), "orders": ()},
        rung="C",
        design="Correlation, and repeated cross-validation of two models of equal size on behaviour after the survey.",
        gates=ANSWERS + " " + EVENTS,
        pitfalls=("eleven answers are cut down to three", "cultures use the scale differently"),
        origin="Reichheld 2003; Morgan & Rego 2006 and Keiningham and others 2007 find no superiority",
        notebook="34_is_the_net_promoter_score_enough",
        article=("A3",),
    ),
    Hypothesis(
        id="I05",
        claim="Many complaints are a warning of dissatisfied customers.",
        estimand=(
            "Hazard ratio of leaving after a complaint over without one, per customer exposed, customers with easy and "
            "with hard ways to complain apart."
        ),
        unit="hazard ratio",
        rule=Directional(at_least=1.10, null=1.0),
        causal=False,
        needs={"contacts": (), "subscriptions": ()},
        rung="C",
        design="Cox model with the complaint as a value that changes in time.",
        gates=EVENTS,
        pitfalls=("most of the dissatisfied leave without a word", "easier ways to complain raise complaints"),
        origin="de Matos, Henrique & Rossi 2007 on recovery: it mends satisfaction, not repurchase",
        notebook="33_one_index_or_many",
        article=("A3",),
    ),
    Hypothesis(
        id="I06",
        claim="Regular surveys put a trustworthy figure on the parts of the customer's experience.",
        estimand="How reliable the satisfaction score is, and how far those who answer differ from those who do not.",
        unit="share",
        rule=all_of(
            reliability=Part(
                Threshold(at_least=0.70), "share", "share of the score's variance that is not noise (omega)"
            ),
            response=Part(
                NoEffect(within=0.2),
                "sd",
                "mean of the score weighted for who answers minus unweighted, in standard deviations",
            ),
        ),
        causal=False,
        needs={"surveys": ("customer_id", "wave", "satisfaction"), "orders": ()},
        rung="B",
        design="Omega with a resampled interval, agreement over waves beside it; weights from past orders.",
        gates=ANSWERS + " At least three items.",
        pitfalls=(NON_RESPONSE, CEILING, "asking by telephone and on paper gives different answers"),
        origin="Psychometric practice: McDonald 1999 on omega",
        notebook="33_one_index_or_many",
        article=("A3",),
    ),
    Hypothesis(
        id="I07",
        claim="A satisfaction index makes firms and industries comparable.",
        estimand="How much worse a common measurement model fits when groups must share loadings, and then intercepts.",
        unit="fit index",
        rule=all_of(
            loadings=Part(
                Threshold(at_least=0.01, below=True),
                "fit index",
                "loss in the comparative fit index when all groups share their loadings",
            ),
            intercepts=Part(
                Threshold(at_least=0.01, below=True),
                "fit index",
                "further loss in the comparative fit index when all groups share their intercepts too",
            ),
        ),
        causal=False,
        needs={"surveys": ("unit", "satisfaction")},
        rung="B",
        design="Confirmatory factor analysis over groups, three steps of equal measurement; intervals by resampling.",
        gates="At least 100 answers in each group.",
        pitfalls=("industries weigh the parts differently", "a mean differs by how the scale is used"),
        origin="Fornell and others 1996; Cheung & Rensvold 2002 for the limit of 0.01",
        notebook="33_one_index_or_many",
        article=("A3",),
    ),
    Hypothesis(
        id="I08",
        claim="Feedback, loyalty, retention, recommendation, complaints and surveys all measure the same thing.",
        estimand="How well one factor accounts for the indicators of the same customers, and whether more are needed.",
        unit="fit index",
        rule=all_of(
            fit=Part(
                Threshold(at_least=0.95), "fit index", "comparative fit index of one factor for all indicators", "for"
            ),
            general=Part(
                Threshold(at_least=0.70),
                "share",
                "share of the variance of the summed score that one general factor holds (hierarchical omega)",
                "for",
            ),
            dimensions=Part(
                Threshold(at_least=1.0, below=True),
                "count",
                "dimensions of the indicators that exceed those of random data",
                "against",
            ),
        ),
        causal=False,
        needs={
            "surveys": ("customer_id", "satisfaction", "recommend"),
            "orders": (),
            "referrals": (),
            "contacts": (),
        },
        rung="B",
        design="Factor analysis of the correlation matrix of the indicators, parallel analysis, resampled intervals.",
        gates=ANSWERS + " At least four of the indicators for the same customers.",
        pitfalls=("indicators of customers and of branches do not mix",),
        origin="No single source",
        notebook="33_one_index_or_many",
        article=("A3",),
    ),
)
