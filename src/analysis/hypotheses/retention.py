"""Retention economics: what keeping customers is worth, what it costs, and how it is counted (R01 to R15)."""

from __future__ import annotations

from analysis.hypotheses.phrases import (
    BY_DEFINITION,
    COST_SPLIT,
    EVENTS,
    IMMORTAL_TIME,
    LATE_ENTRY,
    REGRESSION,
    REVERSED,
    SORTING,
    SURVIVORS,
    UNITS,
    UNITS_NOT_CUSTOMERS,
)
from analysis.hypotheses.register import Hypothesis
from analysis.hypotheses.rules import Directional, Identity, NoEffect, Part, Range, Threshold, all_of

_GROWTH_OF_CONTRIBUTION = (
    "Relative change of a year's contribution at a fixed yearly intake of customers, when every yearly retention rate "
    "of the study's own curve rises by five percentage points (capped at 99.9%), over ten years, the first margin "
    "earned at once, undiscounted. Other readings of five per cent, outcomes and timings stand beside it."
)
_CURVE_DESIGN = (
    "Arithmetic on the observed retention curve, continued by a fitted renewal model beyond the last year seen; "
    "without contracts, on the curve that buying models read from silence. Intervals come from resampled customers."
)
_COHORT_GATE = "A true cohort: tenures without the day on which watching began cannot get beyond inconclusive. "
_SILENCE_GATE = (
    "Orders alone: a year of them, and only buying models that foretell a hold-out better than everybody's own pace; "
    "where they come to different verdicts, inconclusive. "
)
_COST_GIVEN = "Outcomes that need a cost nobody has given are not testable. "

_COST_RATIO = (
    "Ratio of what one more customer won costs to what one customer costs who was kept by the effort and would have "
    "left without it, in the same year"
)
_COST_DESIGN = (
    "Spending divided by the uplift that a hold-out group shows, on both sides; interval of the ratio by Fieller or "
    "by resampling."
)
_COST_GATE = (
    "A hold-out group for the retention effort. Money over heads averages: unless acquisition too has a hold-out or a "
    "response curve, the verdict stops at association supported. Where the uplift may be zero, it is inconclusive. "
)

_REPEATERS = (
    "Mean margin (revenue where margin is unknown) of small repeat buyers divided by that of heavy one-time buyers, "
    "over a follow-up that is the same for all (by default the longest that half of the customers have in full); small "
    "is two orders or more of a mean value up to the median first order, heavy is a single order at or above the {cut} "
    "of first orders"
)

ROWS = (
    Hypothesis(
        id="R01",
        claim="Holding on to five per cent more customers adds between a quarter and the whole of today's profit.",
        estimand=_GROWTH_OF_CONTRIBUTION,
        unit="growth",
        rule=Range(low=0.25, high=1.00),
        causal=False,
        needs={"subscriptions|orders": ()},
        rung="B",
        design=_CURVE_DESIGN,
        gates=_COHORT_GATE + _SILENCE_GATE + _COST_GIVEN + EVENTS,
        pitfalls=(
            "nobody says whether five per cent means points or a proportion",
            "retention is taken to be free and margins to stay as they are",
            "fixed costs alone turn a small gain into a large one",
            SORTING,
            REVERSED,
        ),
        origin="Reichheld & Sasser 1990; Sharp, East and others 2006 call it arithmetic",
        article=("A1",),
        notebook="23_what_five_percent_is_worth",
    ),
    Hypothesis(
        id="R02",
        claim="Holding on to five per cent more customers raises profit by 25 to 95 per cent.",
        estimand=_GROWTH_OF_CONTRIBUTION,
        unit="growth",
        rule=Range(low=0.25, high=0.95),
        causal=False,
        needs={"subscriptions|orders": ()},
        rung="B",
        design=_CURVE_DESIGN,
        gates=_COHORT_GATE + _SILENCE_GATE + _COST_GIVEN + EVENTS,
        pitfalls=(
            "the book behind the range speaks of the value of a customer, not of a firm's profit",
            "nobody says whether five per cent means points or a proportion",
            "retention is taken to be free and margins to stay as they are",
            SORTING,
        ),
        origin="Reichheld 1996; the wording about profit is attributed to Reichheld & Schefter 2000",
        article=("A2",),
        notebook="23_what_five_percent_is_worth",
    ),
    Hypothesis(
        id="R03",
        claim="Winning a customer costs more than keeping one.",
        estimand=_COST_RATIO + ".",
        unit="ratio",
        rule=Directional(at_least=1.05, null=1.0),
        causal=False,
        needs={"finances": ("acquisition_spend", "retention_spend", "n_new"), "experiments": ("arm",)},
        rung="D",
        design=_COST_DESIGN,
        gates=_COST_GATE + EVENTS,
        pitfalls=(
            "an average cost is not the cost of the next customer",
            "most of those who were kept would have stayed anyway",
            COST_SPLIT,
            "the cheaper customer need not be the more valuable one",
        ),
        origin="Fornell & Wernerfelt 1987; Hart, Heskett & Sasser 1990; disputed by Keiningham and others 2005",
        article=("A1",),
        notebook="26_what_keeping_and_winning_cost",
    ),
    Hypothesis(
        id="R04",
        claim="Winning a customer takes at least twice the money and the working time that keeping one takes.",
        estimand=_COST_RATIO + "; the headline counts money, a second reading hours worked.",
        unit="ratio",
        rule=Threshold(at_least=2.0),
        causal=False,
        needs={
            "finances": ("acquisition_spend", "retention_spend", "acquisition_hours", "retention_hours", "n_new"),
            "experiments": ("arm",),
        },
        rung="D",
        design=_COST_DESIGN + " The popular factor of five is shown on the same picture.",
        gates=_COST_GATE + EVENTS,
        pitfalls=(
            "an average cost is not the cost of the next customer",
            "most of those who were kept would have stayed anyway",
            COST_SPLIT,
        ),
        origin="Consumer studies of the 1980s, retold ever since; Hart, Heskett & Sasser 1990",
        article=("A5",),
        notebook="26_what_keeping_and_winning_cost",
    ),
    Hypothesis(
        id="R05",
        claim="Over time, people who buy little but come back bring in more than people who buy a lot once.",
        estimand=(
            "Mean margin (else revenue) of small repeat buyers divided by that of heavy one-time buyers, equal "
            "follow-up for all; the chance that a random one of the former outdoes one of the latter stands beside it."
        ),
        unit="ratio",
        rule=all_of(
            p75=Part(
                Directional(at_least=1.05, null=1.0),
                "ratio",
                _REPEATERS.format(cut="75th percentile"),
                label="against the top quarter",
            ),
            p90=Part(
                Directional(at_least=1.05, null=1.0),
                "ratio",
                _REPEATERS.format(cut="90th percentile"),
                label="against the top tenth",
            ),
        ),
        causal=False,
        needs={"orders": ("amount",)},
        rung="B",
        design=(
            "Two groups of one log with the same follow-up; interval by resampling customers. Both definitions of an "
            "order, both treatments of returns, totals without equal follow-up and other cut-offs are shown."
        ),
        gates="At least 30 customers in each group.",
        pitfalls=(
            SURVIVORS,
            "the answer flips with the cut-off, so one cut-off proves nothing",
            "late customers had less time to come back",
            "prices rise over the years",
        ),
        origin="Reichheld 1996; Reinartz & Kumar 2000 found that long-lived customers need not be profitable",
        article=("A1",),
        notebook="24_small_repeaters_or_big_spenders",
    ),
    Hypothesis(
        id="R06",
        claim="The most valuable customers are those who order more than once.",
        estimand="How much more margin repeat buyers hold than heads, and whether frequent buyers later earn us more.",
        unit="points",
        rule=all_of(
            share_gap=Part(
                Directional(at_least=0.05),
                "points",
                "share of the second half-window's margin (else revenue) that comes from customers who ordered twice "
                "or more in the first half, minus their share among all customers",
                label="share of money beyond share of heads",
            ),
            rate=Part(
                Directional(at_least=0.10),
                "correlation",
                "rank correlation of a customer's number of orders in one half of the window with the margin per month "
                "in the next half, all customers exposed for the same time",
                label="rank correlation with later money",
            ),
        ),
        causal=False,
        needs={"orders": ("amount",)},
        rung="C",
        design="Shares of the total and a rank correlation across the two halves; intervals by resampling customers.",
        gates="At least 100 customers seen in both halves of the window.",
        pitfalls=(
            BY_DEFINITION + ": whoever buys more often has spent more",
            "counted in one window, even identical customers show a high correlation",
            "customers are watched for unequal times",
        ),
        origin="A rule of thumb of direct marketing; no single source",
        article=("A1",),
        notebook="24_small_repeaters_or_big_spenders",
    ),
    Hypothesis(
        id="R07",
        claim="To know how loyal a customer is, counting the orders so far is enough.",
        estimand=(
            "Gain in out-of-sample share of explained deviance of orders in the hold-out period, when recency and "
            "time since the first order are added to the count of orders, over all customers of the calibration period."
        ),
        unit="gain",
        rule=NoEffect(within=0.01, against="above"),
        causal=False,
        needs={"orders": ()},
        rung="C",
        design=(
            "Count models (negative binomial, and a repeat-buying model) fitted on the first part of the log and "
            "scored on the rest; interval by resampling customers' out-of-fold losses."
        ),
        gates="A hold-out period of at least a quarter of the log, with at least 30 repeat orders in it.",
        pitfalls=(
            "many orders followed by a long silence mean a customer who has gone",
            "customers are watched for unequal times",
        ),
        origin="The recency, frequency and money tradition; Schmittlein, Morrison & Colombo 1987 ask for recency too",
        article=("A1",),
        notebook="21_who_will_buy_again",
    ),
    Hypothesis(
        id="R08",
        claim="The longer customers stay, the less it costs to serve them and to market to them.",
        estimand=(
            "Relative change of serving plus marketing cost per order for one more year of tenure, within the same "
            "customer, calendar period held fixed."
        ),
        unit="growth",
        rule=Directional(at_least=-0.05),
        causal=False,
        needs={"costs": ("serving_cost", "marketing_cost"), "orders": ()},
        rung="C",
        design="Regression of the log of cost per order on tenure, customer and period held fixed; errors by customer.",
        gates="At least 100 customers with costs in two periods or more.",
        pitfalls=(SORTING, SURVIVORS, COST_SPLIT),
        origin="Reichheld & Sasser 1990; Reinartz & Kumar 2002 found no such saving",
        article=("A1",),
        notebook="26_what_keeping_and_winning_cost",
    ),
    Hypothesis(
        id="R09",
        claim="The average retention rate tells how long customers stay.",
        estimand=(
            "Expected time as a customer up to the last time with 50 customers at risk, as the average retention rate "
            "implies it (one minus leavings over customer-periods, taken as constant), divided by the restricted mean "
            "of the observed curve up to the same time."
        ),
        unit="ratio",
        rule=Range(low=0.95, high=1.05, support_level=0.90),
        causal=False,
        needs={"subscriptions": ()},
        rung="B",
        design="Kaplan-Meier restricted mean against the constant-rate formula; interval by resampling customers.",
        gates=_COHORT_GATE + EVENTS,
        pitfalls=(SORTING, LATE_ENTRY, "without a limit in time the mean may not exist at all"),
        origin="A textbook formula; Fader & Hardie 2007 show where it fails",
        article=("A2",),
        notebook="20_how_long_customers_stay",
    ),
    Hypothesis(
        id="R10",
        claim="Retention and churn add up to the whole, and each customer who leaves raises churn.",
        estimand=(
            "Number of periods in which customers at the start, plus joined, minus lost, differ from customers at the "
            "end, each counted from its own source, or in which kept and lost do not add up to those at the start."
        ),
        unit="violations",
        rule=Identity(),
        causal=False,
        needs={"subscriptions": ("started_at", "ended_at"), "finances": ("n_new", "n_lost", "n_active")},
        rung="A",
        design="Counting in each period; customers who come back and who join within the period are listed apart.",
        gates="Two independent sources of the counts; with one source alone the claim is true by definition.",
        pitfalls=(
            BY_DEFINITION,
            "rates on different bases do not add up",
            "churn as a rate can fall while more customers leave, when the base grows",
        ),
        origin="Book-keeping",
        article=("A2",),
        notebook="20_how_long_customers_stay",
    ),
    Hypothesis(
        id="R11",
        claim="Losing customers lowers the revenue of the next period.",
        estimand=(
            "Relative change of next period's revenue, net of the spending on new customers, for one percentage point "
            "more churn in this period, with earlier revenue and acquisition held fixed."
        ),
        unit="growth",
        rule=Directional(at_least=-0.005),
        causal=True,
        needs={"finances": ("revenue", "acquisition_spend", "n_new", "n_lost", "n_active")},
        rung="C",
        design="Regression with lags over periods, or over branches with branch and period effects.",
        gates="At least 24 periods; read across branches instead, at least 20 of them.",
        pitfalls=(REVERSED, "losing customers of little value can raise profit", "two series may share a trend"),
        origin="Reichheld & Sasser 1990; otherwise plain accounting",
        article=("A2",),
        notebook="26_what_keeping_and_winning_cost",
    ),
    Hypothesis(
        id="R12",
        claim="When fewer customers leave, the base of customers is larger.",
        estimand=(
            "Number of periods in which the customers at the end differ from those at the start, plus joined, minus "
            "lost, each counted from its own source; the error of a one-period forecast, expected below 5%, is shown."
        ),
        unit="violations",
        rule=Identity(),
        causal=False,
        needs={"subscriptions": ("started_at", "ended_at"), "finances": ("n_new", "n_lost", "n_active")},
        rung="A",
        design="Stocks and flows counted in each period and compared with the recorded stock.",
        gates="Two independent sources of the counts; with one source alone the claim is true by definition.",
        pitfalls=(BY_DEFINITION, "the intake of new customers may fall at the same time"),
        origin="Book-keeping",
        article=("A2",),
        notebook="26_what_keeping_and_winning_cost",
    ),
    Hypothesis(
        id="R13",
        claim="Satisfied customers, customers who stay and profit go strongly together.",
        estimand="Correlations between mean satisfaction, retention and profit across branches in the same period.",
        unit="correlation",
        rule=all_of(
            satisfaction_retention=Part(
                Threshold(at_least=0.30), "correlation", "rank correlation of satisfaction and retention over units"
            ),
            retention_profit=Part(
                Threshold(at_least=0.30), "correlation", "rank correlation of retention and profit over units"
            ),
            satisfaction_profit=Part(
                Threshold(at_least=0.30), "correlation", "rank correlation of satisfaction and profit over units"
            ),
        ),
        causal=False,
        needs={"units": ("satisfaction", "retention", "profit")},
        rung="B",
        design="Rank correlations, resampled by whole branches; the same within branches over time beside it.",
        gates=UNITS,
        pitfalls=(UNITS_NOT_CUSTOMERS, "all three may share a trend", "profit is noisy", REVERSED),
        origin="Heskett and others 1994; Anderson, Fornell & Lehmann 1994; weak on average in Otto and others 2020",
        article=("A5",),
        notebook="26_what_keeping_and_winning_cost",
    ),
    Hypothesis(
        id="R14",
        claim="Firms spend more on quick sales than the balance with lasting loyalty would advise.",
        estimand=(
            "Share of the year's marketing budget that goes into acquisition, minus the share that would make the "
            "value of all customers largest, given the measured response to either kind of spending."
        ),
        unit="points",
        rule=Directional(at_least=0.02),
        causal=False,
        needs={"finances": ("acquisition_spend", "retention_spend"), "experiments": ("arm",)},
        rung="B",
        design="The best split by the response curves of Blattberg & Deighton; interval from the curves' own error.",
        gates="Response curves for both kinds of spending, from trials at several levels; else only a picture.",
        pitfalls=("response curves are often judgements, not measurements",),
        origin="Blattberg & Deighton 1996, Harvard Business Review",
        article=("A2",),
        notebook="26_what_keeping_and_winning_cost",
    ),
    Hypothesis(
        id="R15",
        claim="Loyal customers make sales dependable.",
        estimand="How steady the later revenue of customers is who were loyal before, and how much of it stays.",
        unit="ratio",
        rule=all_of(
            steadiness=Part(
                Directional(at_least=0.95, null=1.0),
                "ratio",
                "coefficient of variation of next-period revenue of customers loyal in the period before, divided by "
                "that of equally many others with the same mean, revenue counting up to what one in a hundred exceeds",
            ),
            guarantee=Part(
                Threshold(at_least=0.90),
                "share",
                "share of the loyal customers' revenue of one period that they bring again in the next",
            ),
        ),
        causal=False,
        needs={"orders": ("amount",)},
        rung="C",
        design=(
            "Loyalty is fixed in one period, revenue read in the next; forecast errors beside it; resampled customers."
        ),
        gates="At least 100 loyal and 100 other customers, and two full periods after the flag.",
        pitfalls=(IMMORTAL_TIME, REGRESSION, "larger groups are steadier by averaging alone"),
        origin="Reichheld 1996: customers as an annuity",
        article=("A1",),
        notebook="26_what_keeping_and_winning_cost",
    ),
)
