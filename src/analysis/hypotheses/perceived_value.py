"""Perceived value, image, and the judgement of the whole (V01 to V08)."""

from __future__ import annotations

from analysis.hypotheses.phrases import ANSWERS, ONE_SOURCE
from analysis.hypotheses.register import Hypothesis
from analysis.hypotheses.rules import Directional, ModelComparison, Part, Threshold, all_of

_VALUE_ON = "standardised slope of perceived value on {cause}, the other two held fixed"

ROWS = (
    Hypothesis(
        id="V01",
        claim="Value in the customer's eyes is built from good products, good service and a fair price.",
        estimand="What product quality, service quality and fairness of price add to perceived value, and in sum.",
        unit="slope",
        rule=all_of(
            product=Part(Directional(at_least=0.10), "slope", _VALUE_ON.format(cause="product quality")),
            service=Part(Directional(at_least=0.10), "slope", _VALUE_ON.format(cause="service quality")),
            price=Part(Directional(at_least=0.10), "slope", _VALUE_ON.format(cause="fairness of price")),
            together=Part(Threshold(at_least=0.25), "share", "share of the variance of value that the three explain"),
        ),
        causal=True,
        needs={"surveys": ("value", "quality", "price")},
        rung="B",
        design="Regression on three scores, and the same paths between constructs.",
        gates=ANSWERS + " Drivers named product and service; a high price score means a fair price.",
        pitfalls=(ONE_SOURCE, "price items may point either way"),
        origin="Zeithaml 1988; Fornell and others 1996; the triad of value is attributed to Naumann 1995",
        article=("A5",),
        notebook="35_what_makes_value",
    ),
    Hypothesis(
        id="V02",
        claim="Quality has several sides and cannot be put on one line from bad to good.",
        estimand="How many dimensions the quality items span, and how much of them one general factor takes.",
        unit="count",
        rule=all_of(
            dimensions=Part(
                Threshold(at_least=2.0),
                "count",
                "dimensions of the quality items that exceed those of random data",
                "for",
            ),
            fit=Part(
                Threshold(at_least=0.01),
                "fit index",
                "gain in the comparative fit index of that many factors over one",
                "for",
            ),
            general=Part(
                Threshold(at_least=0.80, below=True),
                "share",
                "share of the variance of the summed score that one general factor holds (hierarchical omega)",
                "against",
            ),
        ),
        causal=False,
        needs={"surveys": ("quality",)},
        rung="B",
        design="Parallel analysis, confirmatory factor analysis and a bifactor model; intervals by resampling.",
        gates=ANSWERS + " At least six quality items.",
        pitfalls=("items worded in reverse form a factor of their own",),
        origin="Garvin 1987; Kano and others 1984",
        article=("A5",),
        notebook="35_what_makes_value",
    ),
    Hypothesis(
        id="V03",
        claim="A good name, for the environment, for citizenship, for popularity, adds to the value customers receive.",
        estimand="Gain in out-of-sample R squared of perceived value when image joins quality and price.",
        unit="gain",
        rule=ModelComparison(),
        causal=True,
        needs={"surveys": ("image", "value", "quality", "price")},
        rung="C",
        design="Repeated cross-validation of nested models; an image asked in an earlier wave reaches rung C.",
        gates=ANSWERS,
        pitfalls=("image asked after value repeats it", ONE_SOURCE),
        origin="The European satisfaction index (ECSI)",
        article=("A5",),
        notebook="35_what_makes_value",
    ),
    Hypothesis(
        id="V04",
        claim="Customers who see good value are nearly always satisfied ones, too.",
        estimand="Correlation of perceived value and satisfaction, freed of measurement error, over all who answered.",
        unit="correlation",
        rule=Threshold(at_least=0.50),
        causal=False,
        needs={"surveys": ("value", "satisfaction")},
        rung="B",
        design="Correlation of two factors; a heterotrait-monotrait ratio that may reach 0.90 is flagged.",
        gates=ANSWERS + " At least two items for each.",
        pitfalls=(ONE_SOURCE,),
        origin="Cronin, Brady & Hult 2000",
        article=("A5",),
        notebook="35_what_makes_value",
    ),
    Hypothesis(
        id="V05",
        claim="One weak part ruins the whole, because customers judge everything together.",
        estimand=(
            "Gain in out-of-sample R squared of the overall judgement when a customer's lowest attribute rating joins "
            "the mean of all of them."
        ),
        unit="gain",
        rule=ModelComparison(),
        causal=False,
        needs={"surveys": ("satisfaction", "quality")},
        rung="B",
        design="Repeated cross-validation against the mean, and the same in data simulated without a weak link.",
        gates=ANSWERS + " At least three rated attributes.",
        pitfalls=("noise makes the lowest rating extreme", ONE_SOURCE),
        origin="The idea of the weakest link in judgement; no single source",
        article=("A5",),
        notebook="35_what_makes_value",
    ),
    Hypothesis(
        id="V06",
        claim="Customers weigh value as benefit less sacrifice, where the seller divides one by the other.",
        estimand=(
            "Gain in out-of-sample R squared of perceived value for benefit minus sacrifice over benefit divided by "
            "sacrifice, among customers; a free surface of both is shown."
        ),
        unit="gain",
        rule=ModelComparison(),
        causal=False,
        needs={"surveys": ("value", "quality", "price", "effort")},
        rung="B",
        design="Repeated cross-validation of difference, ratio and free surface; sellers are outside these data.",
        gates=ANSWERS,
        pitfalls=("a ratio explodes near zero", "neither form may win against a free surface"),
        origin="Zeithaml 1988: get against give",
        article=("A5",),
        notebook="35_what_makes_value",
    ),
    Hypothesis(
        id="V07",
        claim="Waiting, delays and faults are a price too, and they make the offer worth less.",
        estimand=(
            "Standardised slope of perceived value on logged delays and defects together, severity and what was done "
            "about them held fixed."
        ),
        unit="slope",
        rule=Directional(at_least=-0.10),
        causal=True,
        needs={"operations": ("customer_id",), "surveys": ("customer_id", "answered_at", "value")},
        rung="C",
        design="Mixed model of value asked after the logged events, customers as groups.",
        gates=ANSWERS,
        pitfalls=("severity goes with delay", "a good recovery may outweigh the fault"),
        origin="Zeithaml 1988: sacrifices other than money",
        article=("A5",),
        notebook="35_what_makes_value",
    ),
    Hypothesis(
        id="V08",
        claim="Being rated above rivals may be what decides where customers buy.",
        estimand=(
            "Gain in out-of-sample R squared of share of wallet when our rank among the brands a customer uses joins "
            "the level of satisfaction."
        ),
        unit="gain",
        rule=ModelComparison(),
        causal=False,
        needs={"surveys": ("satisfaction", "rival_NAME", "wallet_share")},
        rung="B",
        design="Repeated cross-validation of rank and level against level alone.",
        gates=ANSWERS + " Ratings of at least one rival.",
        pitfalls=("without rivals' ratings there is no rank", "big brands get larger shares at any rank"),
        origin="Attributed to Keiningham and others 2011: rank foretells share of wallet better than level",
        article=("A4",),
        notebook="35_what_makes_value",
    ),
)
