"""Expectations, the zone of tolerance and service quality (E01 to E14)."""

from __future__ import annotations

from analysis.hypotheses.phrases import (
    ANSWERS,
    ARMS,
    BY_DEFINITION,
    CEILING,
    DIFFERENCE_SCORE,
    MANY_TESTS,
    ONE_SOURCE,
    REGRESSION,
)
from analysis.hypotheses.register import Hypothesis
from analysis.hypotheses.rules import (
    Directional,
    ModelComparison,
    NoEffect,
    Part,
    Range,
    Threshold,
    all_of,
    at_least,
)

_ON_DESIRED = "standardised slope of the desired level on {cause}, the other {others} held fixed"
_CORRECTED = "standardised slope of quality on expectation, perception held fixed, corrected for unreliability"

_ANTECEDENTS = {
    "experience_here": "experience with this firm",
    "experience_elsewhere": "experience with rivals",
    "recommendations": "formal and informal recommendations",
    "price": "price",
    "striving": "the firm's visible striving for excellence",
    "needs": "personal needs",
    "image": "a good image",
}

ROWS = (
    Hypothesis(
        id="E01",
        claim="What customers expect shifts with what they learn.",
        estimand=(
            "Weight of the new experience in the next expectation, the earlier expectation having the rest of the "
            "weight, for the same customer over three occasions."
        ),
        unit="share",
        rule=Range(low=0.05, high=1.0),
        causal=True,
        needs={"surveys": ("customer_id", "wave", "expectation", "perception")},
        rung="C",
        design=(
            "Later expectation on earlier expectation and experience, first without constraint (do the weights add up "
            "to one?), corrected for unreliability; whether the weight falls with experience is reported."
        ),
        gates=ANSWERS
        + " A second item, or the known reliability of the one; the uncorrected fit alone does not count.",
        pitfalls=(REGRESSION + ", which looks like learning", "gap and regressor share the earlier expectation"),
        origin="Boulding and others 1993; Johnson, Anderson & Fornell 1995; Rust and others 1999",
        article=("A4",),
        notebook="36_where_expectations_come_from",
    ),
    Hypothesis(
        id="E02",
        claim="A provider can raise or lower what customers expect.",
        estimand="Mean predicted service with a changed promise minus without, in control-arm standard deviations.",
        unit="sd",
        rule=Directional(at_least=0.2),
        causal=True,
        needs={"experiments": ("arm", "customer_id"), "surveys": ("customer_id", "answered_at", "will")},
        rung="D",
        design="Promises assigned by lot; before and after with a control group reaches rung C.",
        gates=ARMS,
        pitfalls=("people guess what the survey wants to hear",),
        origin="Zeithaml, Berry & Parasuraman 1993: explicit and implicit promises",
        article=("A4",),
        notebook="36_where_expectations_come_from",
    ),
    Hypothesis(
        id="E03",
        claim="Expecting means wanting what any good provider should give, not foreseeing what this one will.",
        estimand="Whether what providers should give and what this one will give are two things in customers' minds.",
        unit="fit index",
        rule=all_of(
            fit=Part(
                Threshold(at_least=0.01), "fit index", "gain in the comparative fit index of two factors over one"
            ),
            distinct=Part(
                Threshold(at_least=0.90, below=True),
                "correlation",
                "heterotrait-monotrait ratio of the should items and the will items",
            ),
        ),
        causal=False,
        needs={"surveys": ("should", "will", "perception")},
        rung="B",
        design="Confirmatory factor analysis with resampled intervals; signs of both slopes on perception reported.",
        gates=ANSWERS + " At least two items for each of the two.",
        pitfalls=("one good impression colours all ratings",),
        origin="Boulding and others 1993: should and will act in opposite directions",
        article=("A4",),
        notebook="36_where_expectations_come_from",
    ),
    Hypothesis(
        id="E04",
        claim="How customers feel about a service measures objectively how well it was performed.",
        estimand="Correlation of customers' ratings with the performance logged for the same event, over all events.",
        unit="correlation",
        rule=Threshold(at_least=0.50),
        causal=False,
        needs={"operations": ("customer_id",), "surveys": ("customer_id", "answered_at", "quality")},
        rung="C",
        design="Multilevel correlation with customers as groups; agreement between raters of one event beside it.",
        gates=ANSWERS,
        pitfalls=("logged performance varies too little", "mood and language colour ratings"),
        origin="Contested; no single source",
        article=("A4",),
        notebook="36_where_expectations_come_from",
    ),
    Hypothesis(
        id="E05",
        claim="Service quality is what customers perceive less what they expect.",
        estimand="Whether perception and expectation enter quality with equal and opposite weights, and nothing else.",
        unit="slope",
        rule=all_of(
            perception=Part(
                Directional(at_least=0.10),
                "slope",
                "standardised slope of quality on perception, expectation held fixed",
            ),
            expectation=Part(
                Directional(at_least=-0.10),
                "slope",
                "standardised slope of quality on expectation, perception held fixed",
            ),
            opposite=Part(NoEffect(within=0.10), "slope", "sum of the two slopes, zero when equal and opposite"),
            lost=Part(
                NoEffect(within=0.01, against="above"),
                "gain",
                "R squared lost when weights are forced equal and opposite without higher terms",
            ),
        ),
        causal=False,
        needs={"surveys": ("expectation", "perception", "quality|satisfaction")},
        rung="B",
        design=(
            "Edwards' tests on scores centred at mid-scale and put on one standard deviation; where no "
            "overall quality was asked, satisfaction stands in and the page says so."
        ),
        gates=ANSWERS,
        pitfalls=(DIFFERENCE_SCORE, "in a small sample that a constraint survives says little"),
        origin="Parasuraman, Zeithaml & Berry 1988; against it Cronin & Taylor 1992, Teas 1993, Brown and others 1993",
        article=("A4",),
        notebook="31_expectations_and_satisfaction",
    ),
    Hypothesis(
        id="E06",
        claim="Whoever measures service quality must ask for expectations as well.",
        estimand="What expectation adds to perception in foretelling quality, and whether with the right sign.",
        unit="gain",
        rule=all_of(
            gain=Part(
                ModelComparison(), "gain", "gain in out-of-sample R squared of quality as expectation joins perception"
            ),
            expectation=Part(Directional(at_least=-0.10), "slope", _CORRECTED),
        ),
        causal=False,
        needs={"surveys": ("expectation", "perception", "quality|satisfaction")},
        rung="C",
        design="Repeated cross-validation; expectations asked beforehand reach rung C. Satisfaction may stand in.",
        gates=ANSWERS + " A second item of perception, or its known reliability.",
        pitfalls=("an unreliable perception alone makes expectation look useful", CEILING),
        origin="Parasuraman, Zeithaml & Berry 1994 against Cronin & Taylor 1992",
        article=("A4",),
        notebook="31_expectations_and_satisfaction",
    ),
    Hypothesis(
        id="E07",
        claim="Customers hold a desired and an adequate level of service, the first at least as high as the second.",
        estimand="How many customers rank the two levels as said, and how wide the zone between them is.",
        unit="share",
        rule=all_of(
            ordered=Part(
                Threshold(at_least=0.90), "share", "share of customers whose desired level is not below the adequate"
            ),
            width=Part(
                Threshold(at_least=0.2), "sd", "mean of desired minus adequate level, in standard deviations of the two"
            ),
        ),
        causal=False,
        needs={"surveys": ("desired", "adequate", "predicted")},
        rung="B",
        design="Exact binomial interval and paired differences; a model with three factors is fitted beside it.",
        gates=ANSWERS,
        pitfalls=(BY_DEFINITION + ": two columns side by side force the order, so the layout must vary",),
        origin="Parasuraman, Berry & Zeithaml 1991; Zeithaml, Berry & Parasuraman 1993",
        article=("A4",),
        notebook="31_expectations_and_satisfaction",
    ),
    Hypothesis(
        id="E08",
        claim="When customers foresee better service, less than that will no longer do for them.",
        estimand="Standardised slope of the adequate level on predicted service, desired level and needs held fixed.",
        unit="slope",
        rule=Directional(at_least=0.10),
        causal=True,
        needs={"surveys": ("predicted", "adequate", "desired", "needs")},
        rung="C",
        design="Regression; the prediction from an earlier wave reaches rung C.",
        gates=ANSWERS,
        pitfalls=(ONE_SOURCE + ", on one page and one scale",),
        origin="Zeithaml, Berry & Parasuraman 1993",
        article=("A4",),
        notebook="36_where_expectations_come_from",
    ),
    Hypothesis(
        id="E09",
        claim="Inside the zone of tolerance ups and downs do not matter; outside it customers react.",
        estimand="How satisfaction follows perception inside and outside each customer's own zone.",
        unit="slope",
        rule=all_of(
            inside=Part(
                NoEffect(within=0.10),
                "slope",
                "standardised slope of satisfaction on perception between the customer's adequate and desired level",
            ),
            outside=Part(
                Directional(at_least=0.10),
                "slope",
                "the steeper of the slopes below the adequate and above the desired level; the interval is adjusted "
                "for taking the better of two",
            ),
            kinks=Part(
                ModelComparison(), "gain", "gain in out-of-sample R squared of the three slopes over one straight line"
            ),
        ),
        causal=True,
        needs={"surveys": ("perception", "adequate", "desired", "satisfaction")},
        rung="C",
        design="Piecewise regression with each customer's own two levels as known kinks; a cubic curve beside it.",
        gates=ANSWERS + " At least 30 customers below the zone or above it.",
        pitfalls=("levels and perception share the respondent's error", "few answers lie outside", REGRESSION),
        origin="Berry & Parasuraman 1991; Johnston 1995",
        article=("A4",),
        notebook="31_expectations_and_satisfaction",
    ),
    Hypothesis(
        id="E10",
        claim="Service varies with the person and the day, and customers put up with it.",
        estimand="How much of the ratings' variance staff and days hold, and whether variation costs loyalty.",
        unit="share",
        rule=all_of(
            staff=Part(Threshold(at_least=0.02), "share", "share of the variance of ratings between members of staff"),
            days=Part(Threshold(at_least=0.02), "share", "share of the variance of ratings between days"),
            tolerated=Part(
                NoEffect(within=0.10),
                "slope",
                "standardised slope of loyalty on the variance of a customer's own ratings, their mean held fixed",
            ),
        ),
        causal=False,
        needs={
            "operations": ("staff_id", "customer_id"),
            "surveys": ("customer_id", "answered_at", "quality", "loyalty"),
        },
        rung="B",
        design="Mixed model with staff and days as random effects; regression of loyalty on mean and variance.",
        gates=ANSWERS + " At least 20 members of staff and 20 days.",
        pitfalls=("many combinations of staff and day hold a single rating",),
        origin="The literature on services marketing; no single source",
        article=("A4",),
        notebook="36_where_expectations_come_from",
    ),
    Hypothesis(
        id="E11",
        claim="Bodily, social, psychological and practical needs set the level customers hope for.",
        estimand="Slopes of the desired level on each of four kinds of need, over all who answered.",
        unit="slope",
        rule=all_of(
            **{
                need: Part(
                    Directional(at_least=0.10), "slope", _ON_DESIRED.format(cause=f"{need} needs", others="three")
                )
                for need in ("physical", "social", "psychological", "functional")
            }
        ),
        causal=True,
        needs={"surveys": ("needs", "desired")},
        rung="B",
        design="Regression on four scores; the adjusted intervals of Holm are shown beside the plain ones.",
        gates=ANSWERS + " Drivers named for each of the four kinds of need.",
        pitfalls=(ONE_SOURCE,),
        origin="Zeithaml, Berry & Parasuraman 1993",
        article=("A4",),
        notebook="36_where_expectations_come_from",
    ),
    Hypothesis(
        id="E12",
        claim="Customers who know a service well expect more of it.",
        estimand=(
            "Standardised slope of the desired level on tested knowledge of the service (or time as a user of it); the "
            "adequate and the predicted level are further readings."
        ),
        unit="slope",
        rule=Directional(at_least=0.10),
        causal=True,
        needs={"surveys": ("knowledge", "desired", "adequate")},
        rung="C",
        design="Regression with a curve in knowledge, which is tested or counted, not self-rated, and comes first.",
        gates=ANSWERS,
        pitfalls=("experts may foresee less and want more", ONE_SOURCE),
        origin="Zeithaml, Berry & Parasuraman 1993",
        article=("A4",),
        notebook="36_where_expectations_come_from",
    ),
    Hypothesis(
        id="E13",
        claim="Experience, word from others, price, visible effort, needs and image shape what customers expect.",
        estimand=(
            "Seven slopes on the possible sources of an expectation, others held fixed, in two readings: the predicted "
            "and the desired level. The headline is the reading in which fewer sources hold."
        ),
        unit="slope",
        rule=at_least(
            5,
            **{
                name: Part(
                    Directional(at_least=0.10),
                    "slope",
                    f"standardised slope of the level in question on {cause}, the other six held fixed",
                )
                for name, cause in _ANTECEDENTS.items()
            },
        ),
        causal=True,
        needs={"surveys": ("predicted", "desired", "price", "needs", "image")},
        rung="B",
        design="Regression with Shapley shares, once for each level.",
        gates=ANSWERS + " Drivers for own and rival experience, recommendations and striving.",
        pitfalls=(MANY_TESTS, "price works by what it seems to say about quality", ONE_SOURCE),
        origin="Zeithaml, Berry & Parasuraman 1993: seventeen propositions",
        article=("A4",),
        notebook="36_where_expectations_come_from",
    ),
    Hypothesis(
        id="E14",
        claim="What customers desire mixes what they think possible and what they think right.",
        estimand="Weights of what can be and of what should be in the desired level, over all who answered.",
        unit="slope",
        rule=all_of(
            can_be=Part(
                Directional(at_least=0.10), "slope", _ON_DESIRED.format(cause="what is thought possible", others="one")
            ),
            should_be=Part(
                Directional(at_least=0.10), "slope", _ON_DESIRED.format(cause="what is thought right", others="one")
            ),
        ),
        causal=True,
        needs={"surveys": ("can_be", "should", "desired")},
        rung="B",
        design="Regression; the joint region of both weights and their collinearity are reported.",
        gates=ANSWERS,
        pitfalls=(ONE_SOURCE, "the two sources nearly coincide"),
        origin="Zeithaml, Berry & Parasuraman 1993",
        article=("A4",),
        notebook="36_where_expectations_come_from",
    ),
)
