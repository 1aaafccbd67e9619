"""Engagement, attachment and trust (G01 to G09)."""

from __future__ import annotations

from analysis.hypotheses.phrases import (
    ANSWERS,
    BY_DEFINITION,
    EVENTS,
    NECESSITY,
    ONE_SOURCE,
    REVERSED,
    SELF_SELECTION,
    SORTING,
    UNITS,
)
from analysis.hypotheses.register import Hypothesis
from analysis.hypotheses.rules import Directional, ModelComparison, Part, Range, Threshold, all_of

_ENGAGEMENT_ON = "standardised slope of engagement on {source}, the other three held fixed"
_DOES_MORE = "share who {do} in the period after the survey, top third by engagement minus bottom third"

ROWS = (
    Hypothesis(
        id="G01",
        claim="Satisfaction opens the door; the deeper relation with a customer is engagement.",
        estimand="What engagement adds to satisfaction in foretelling loyalty, and whether it can do without it.",
        unit="gain",
        rule=all_of(
            adds=Part(
                ModelComparison(),
                "gain",
                "gain in out-of-sample R squared of loyalty, engagement and satisfaction over satisfaction alone",
            ),
            entrance=Part(
                Directional(at_least=0.10), "effect size", f"necessity of satisfaction for engagement: {NECESSITY}"
            ),
        ),
        causal=True,
        needs={"surveys": ("customer_id", "satisfaction", "engagement", "loyalty")},
        rung="C",
        design="Repeated cross-validation for the gain; necessary condition analysis for the door.",
        gates=ANSWERS,
        pitfalls=(ONE_SOURCE, BY_DEFINITION + " when engagement items mention buying"),
        origin="Brodie and others 2011; Hollebeek, Glynn & Brodie 2014; Pansari & Kumar 2017",
        article=("A4",),
        notebook="41_emotion_and_engagement",
    ),
    Hypothesis(
        id="G02",
        claim="Where customers are engaged, profit is certain to keep growing.",
        estimand="How branches' profit growth follows customers' engagement, and whether engaged branches ever shrink.",
        unit="slope",
        rule=all_of(
            growth=Part(
                Directional(at_least=0.10),
                "slope",
                "standardised slope of profit growth on engagement one period before, branch and period held fixed",
            ),
            exceptions=Part(
                Threshold(at_least=0.0, below=True),
                "count",
                "branches in the top third by engagement whose profit did not grow; counted, so one is enough (the "
                "exact binomial interval of their share is shown)",
            ),
        ),
        causal=True,
        needs={"units": ("profit",), "surveys": ("unit", "wave", "engagement")},
        rung="C",
        design="Panel regression with a lag; exceptions counted, their share with Clopper-Pearson limits.",
        gates=UNITS + " At least three periods.",
        pitfalls=("one exception refutes what is called certain", REVERSED),
        origin="Kumar & Pansari 2016",
        notebook="62_from_staff_to_profit",
        article=("A4",),
    ),
    Hypothesis(
        id="G03",
        claim="Engaged customers recommend us more often.",
        estimand="Ratio of referrals per customer-year after the survey for one standard deviation more engagement.",
        unit="ratio",
        rule=Directional(at_least=1.05, null=1.0),
        causal=False,
        needs={"surveys": ("customer_id", "answered_at", "engagement"), "referrals": ()},
        rung="C",
        design=(
            "Log-linear mean with time at risk as exposure, earlier referrals held fixed; negative binomial beside it."
        ),
        gates=ANSWERS + " At least 30 referrals.",
        pitfalls=(BY_DEFINITION + " when engagement items ask about recommending",),
        origin="van Doorn and others 2010",
        article=("A4",),
        notebook="42_who_recommends",
    ),
    Hypothesis(
        id="G04",
        claim="Satisfaction, loyalty, influence and excitement together produce engagement.",
        estimand="Slopes of engagement on each of its four supposed sources, over all who answered.",
        unit="slope",
        rule=all_of(
            **{
                source: Part(Directional(at_least=0.10), "slope", _ENGAGEMENT_ON.format(source=source))
                for source in ("satisfaction", "loyalty", "influence", "excitement")
            }
        ),
        causal=True,
        needs={"surveys": ("engagement", "satisfaction", "loyalty")},
        rung="B",
        design="Path model over constructs, one path a source.",
        gates=ANSWERS + " Drivers named influence and excitement.",
        pitfalls=("loyalty is cause and consequence at once, which one moment cannot tell apart", ONE_SOURCE),
        origin="A practitioners' model; no single source",
        article=("A4",),
        notebook="41_emotion_and_engagement",
    ),
    Hypothesis(
        id="G05",
        claim="A customer's attachment deepens with every encounter that goes well.",
        estimand="Whether the same customer's attachment grows with encounters, and whether the risk of leaving falls.",
        unit="sd",
        rule=all_of(
            attachment=Part(
                Directional(at_least=0.05),
                "sd",
                "change of a customer's own attachment with one more encounter, in all customers' standard deviations",
            ),
            behaviour=Part(
                Threshold(at_least=1.0, below=True),
                "elasticity",
                "exponent of time in a renewal model where every customer's risk may change (beta-discrete-Weibull): "
                "below one, it falls",
            ),
        ),
        causal=True,
        needs={"surveys": ("customer_id", "wave", "bond"), "subscriptions": ()},
        rung="C",
        design="Growth curves within customers; renewal model with and without changing risk, compared by likelihood.",
        gates=ANSWERS + " At least three waves for each. " + EVENTS,
        pitfalls=(SORTING + ": retention of a cohort rises by itself",),
        origin="Literature on attachment; sorting is the rival account of Fader & Hardie 2010",
        article=("A4",),
        notebook="20_how_long_customers_stay",
    ),
    Hypothesis(
        id="G06",
        claim="Engaged customers come by more often, talk about us, tell us their mind, buy more and renew.",
        estimand="How five later behaviours differ with engagement, earlier behaviour held fixed.",
        unit="points",
        rule=all_of(
            visits=Part(Directional(at_least=0.02), "points", _DOES_MORE.format(do="visit")),
            talk=Part(Directional(at_least=0.02), "points", _DOES_MORE.format(do="refer somebody")),
            feedback=Part(Directional(at_least=0.02), "points", _DOES_MORE.format(do="give feedback")),
            purchases=Part(Directional(at_least=0.02), "points", _DOES_MORE.format(do="buy")),
            renewal=Part(
                Directional(at_least=1 / 1.10, null=1.0),
                "hazard ratio",
                "hazard ratio of leaving for one standard deviation more engagement",
            ),
        ),
        causal=False,
        needs={
            "surveys": ("customer_id", "answered_at", "engagement"),
            "touchpoints": (),
            "referrals": (),
            "contacts": (),
            "orders": (),
            "subscriptions": (),
        },
        rung="C",
        design="Generalised linear models and a Cox model, engagement asked before the behaviour.",
        gates=ANSWERS + " " + EVENTS,
        pitfalls=(REVERSED, BY_DEFINITION + " when engagement items ask about the behaviour"),
        origin="van Doorn and others 2010",
        article=("A4",),
        notebook="42_who_recommends",
    ),
    Hypothesis(
        id="G07",
        claim="Nothing helps a firm to lead its market more than being trusted.",
        estimand=(
            "Share of the explained variance of loyalty that falls to trust, minus the largest share of any other "
            "driver, over all who answered."
        ),
        unit="points",
        rule=Range(low=0.0, high=1.0, support_level=0.90),
        causal=True,
        needs={"surveys": ("trust", "loyalty", "satisfaction", "value", "image")},
        rung="C",
        design=(
            "Shapley shares of R squared, resampled pair by pair: a 90% interval above zero says that trust ranks "
            "first in at least 95 resamples of 100."
        ),
        gates=ANSWERS,
        pitfalls=(ONE_SOURCE, "a driver left out leaves its share to the others"),
        origin="Morgan & Hunt 1994",
        article=("A4",),
        notebook="41_emotion_and_engagement",
    ),
    Hypothesis(
        id="G08",
        claim="Customers who know more look harder at prices and care less about advertising.",
        estimand="How information changes the response of demand to price and to advertising.",
        unit="slope",
        rule=all_of(
            price=Part(
                Directional(at_least=-0.10),
                "slope",
                "change of the standardised slope of purchases on price for one standard deviation more knowledge",
            ),
            advertising=Part(
                Directional(at_least=-0.10),
                "slope",
                "change of the standardised slope of orders on a promotion by lot for one standard deviation more "
                "knowledge",
            ),
        ),
        causal=True,
        needs={
            "surveys": ("customer_id", "answered_at", "knowledge"),
            "orders": ("unit_price", "quantity"),
            "promotions": ("assigned",),
        },
        rung="C",
        design="Knowledge told beforehand, times prices (effects of customer and product) and promotions by lot.",
        gates=ANSWERS,
        pitfalls=("prices are set with demand in mind", SELF_SELECTION + ": bargain hunters inform themselves"),
        origin="The economics of information; no single source",
        notebook="61_touchpoints",
        article=("A4",),
    ),
    Hypothesis(
        id="G09",
        claim="What customers contribute, by advice, content, answers and ideas, is a firm's chief advantage.",
        estimand=(
            "Share of new customers, or of solved questions, that can be traced to other customers; what their content "
            "adds to conversion in a randomised trial is shown beside it."
        ),
        unit="share",
        rule=Threshold(at_least=0.50),
        causal=False,
        needs={"customers": ("acquired_at", "channel", "referred_by")},
        rung="B",
        design="Counting of sources, checked against a hold-out where there is one.",
        gates="At least 100 new customers whose source is known.",
        pitfalls=(SELF_SELECTION, "crediting the last contact gives customers too much"),
        origin="van Doorn and others 2010; Schmitt, Skiera & Van den Bulte 2011",
        article=("A4",),
        notebook="42_who_recommends",
    ),
)
