"""Who recommends and who enters new categories: periods counted by hand, worlds whose truth is known, and bad input."""

import numpy as np
import pandas as pd
import pytest

from analysis import afterwards, findings, rates, recommending, studies
from analysis.afterwards import Watched
from analysis.calibration import draw
from analysis.cases import CASES
from analysis.estimates import Estimate, NotTestable
from analysis.exhibits import Figure, Table, Text
from analysis.recommending import DEEDS, DISPERSED, HELD, NAMED, PLAIN, TRACED, WORDS

FIRM = """
[study.firm]
title = "A firm"
[study.firm.tables]
orders = { source = "orders.csv", observed_until = 2025-01-10 }
subscriptions = { source = "subscriptions.csv", observed_until = 2025-01-10 }
referrals = { source = "referrals.csv" }
costs = { source = "costs.csv" }
surveys = { source = "surveys.csv", scale = [1, 7] }
[study.firm.constructs]
loyalty = ["loyal_1"]
"""
# Periods of three days, counted back from January 10th: 8th to 10th, 5th to 7th, 2nd to 4th.
TABLES = {
    "orders": """customer_id,ordered_at,amount,margin,category,returned
ann,2025-01-01,9,1,bread,no
ann,2025-01-05,9,2,bread,no
ann,2025-01-06,9,2,wine,no
ann,2025-01-08,9,3,wine,no
ann,2025-01-08,9,4,books,no
ann,2025-01-09,-9,-4,books,yes
ben,2025-01-02,9,5,bread,no
ben,2025-01-06,9,6,bread,no
carl,2025-01-05,9,7,bread,no
""",
    "subscriptions": """customer_id,started_at,ended_at
ann,2025-01-01,
ben,2025-01-01,2025-01-09
carl,2025-01-01,2025-01-07
""",
    "referrals": "referrer_id,referred_id,referred_at\nann,x,2025-01-09\nann,y,2025-01-10\nann,z,2025-01-06\n",
    "costs": "customer_id,period,serving_cost\nann,2025-01-08,2.5\n",
    "surveys": "customer_id,answered_at,loyal_1\nann,2025-01-05,2\nann,2025-01-07,6\nben,2025-01-04,1\n",
}


@pytest.fixture
def firm(tmp_path):
    def make(settings=FIRM, **changed):
        for name, text in (TABLES | changed).items():
            (tmp_path / f"{name}.csv").write_text(text)
        (tmp_path / "studies.toml").write_text(settings)
        return studies.open_study("firm", tmp_path / "studies.toml")

    return make


def without(settings, table):
    return "\n".join(line for line in settings.splitlines() if not line.startswith(table))


def reason(answer):
    assert isinstance(answer, NotTestable)
    return answer.reason


# --- Periods --------------------------------------------------------------------------------------------------------


def test_what_was_done_in_one_period_and_the_next(firm):
    lab = firm()
    watched = recommending.periods(lab, afterwards.asked(lab), days=3, top=0.5)
    # Ordered in a whole period but the last: Ann, Ben and Carl from the 5th, Ben from the 2nd. Carl left on the 7th.
    assert [(step.kept, step.dropped) for step in watched.steps] == [(4, 0), (3, 1)]
    rows = watched.rows.set_index(["customer", "start"])
    ann, ben = rows.loc[("ann", "1")], rows.loc[("ben", "1")]
    # After the 7th: wine again, books for the first time; the return is no order.
    assert ann[["lines", "new", "tried", "margin", "served", "happened"]].to_list() == [2, 1, "2", 7.0, 2.5, 2]
    assert ben[["lines", "new", "tried", "happened"]].to_list() == [0, 0, "1", 0]
    assert [ann["years"], ben["years"]] == pytest.approx([3 / 365.25, 2 / 365.25])
    assert [ann[DEEDS], ben[DEEDS]] == [1, 0]  # two days with orders against one
    assert ann[WORDS] == 1
    assert np.isnan(ben[WORDS])  # asked in the period before
    assert rows.loc[("ben", "2"), ["lines", "new", "happened"]].to_list() == [1, 0, 0]


def test_orders_alone_are_enough_for_deeds(firm):
    bare = FIRM
    for table in ("subscriptions", "referrals", "costs", "surveys", "loyalty", "[study.firm.constructs]"):
        bare = without(bare, table)
    plain = [",".join(line.split(",")[:3]) for line in TABLES["orders"].splitlines() if not line.endswith("yes")]
    lab = firm(bare, orders="\n".join(plain))
    watched = recommending.periods(lab, afterwards.asked(lab), days=3, top=0.5)
    assert watched.rows[DEEDS].notna().all()
    assert recommending.told_by(watched) == DEEDS
    assert "no referrals table" in reason(recommending.referring(watched))
    assert "not asked" in reason(recommending.crossing(watched, WORDS, lines=1))
    assert "no categories" in reason(recommending.crossing(watched, lines=1))
    assert "no margin" in reason(recommending.losing(watched))
    assert isinstance(recommending.recommended(watched), Text)


def test_a_period_longer_than_the_table_and_no_orders(firm):
    assert "two are needed" in reason(recommending.periods(firm(), NotTestable(""), days=9, top=0.5))
    nothing = recommending.periods(firm(without(FIRM, "orders")), NotTestable(""), days=3, top=0.5)
    assert "no orders table" in reason(nothing)
    for answer in (
        recommending.referring(nothing),
        recommending.crossing(nothing, lines=3),
        recommending.losing(nothing),
    ):
        assert reason(answer) == nothing.reason
    for shown in (recommending.recommended(nothing), recommending.crossed(nothing, lines=3)):
        assert isinstance(shown, Text)


def test_few_referrals_and_one_category_are_not_testable():
    watched = CASES["L05"].world(np.random.default_rng(1), "null")
    few = watched.rows.assign(happened=watched.rows["happened"] * (watched.rows[DEEDS] == 1))
    assert "0 referrals in the smaller group" in reason(recommending.referring(Watched(few, ())))
    rows = CASES["L06"].world(np.random.default_rng(1), "null").rows
    assert "no categories" in reason(recommending.crossing(Watched(rows.assign(tried="1"), ()), lines=3))
    assert "entered a new category" in reason(recommending.crossing(Watched(rows.assign(new=0), ()), lines=3))
    unpriced = recommending.crossing(Watched(rows.drop(columns="margin"), ()), lines=3)
    assert isinstance(unpriced["uptake"], Estimate)
    assert "no margin" in reason(unpriced["profit"])
    alike = recommending.praising(pd.DataFrame({"happened": [40], "years": [1], "engagement": [0], "earlier": [0]}))
    assert "alike" in reason(alike)


# --- Worlds whose truth is known ------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", ["L05", "L06", "G03", "G06", "G09"])
@pytest.mark.parametrize(("world", "word"), [("true", "supported"), ("reversed", "contradicted")])
def test_verdicts_follow_the_truth(claim, world, word):
    assert findings.verdict(claim, draw(CASES[claim], world, 2), rung=CASES[claim].rung).word == word


def test_time_and_orders_fool_the_naive_readings():
    rows = CASES["L05"].world(np.random.default_rng(3), "artefact").rows
    loyal = rows[DEEDS] == 1
    assert rows.loc[loyal, "happened"].mean() > 1.2 * rows.loc[~loyal, "happened"].mean()
    assert recommending.referring(Watched(rows, ())).value == pytest.approx(1, abs=0.05)
    more = CASES["L06"].world(np.random.default_rng(3), "artefact")
    assert recommending.crossing(more, lines=3, held=False)["uptake"].low > 0.1
    assert recommending.crossing(more, lines=3)["uptake"].value == pytest.approx(0, abs=0.02)


def test_what_was_done_before_explains_what_the_busy_do():
    drawn = CASES["G06"].world(np.random.default_rng(4), "artefact")
    naive, fair = recommending.active(*drawn, held=False), recommending.active(*drawn)
    assert naive["visits"].low > 0
    assert abs(fair["visits"].value) < naive["visits"].value / 2
    assert isinstance(recommending.gaps(drawn[0]), Figure)


def test_readings_of_engagement_agree_where_nothing_else_is_going_on():
    rows = CASES["G03"].world(np.random.default_rng(5), "true").rows
    found = [recommending.praising(rows, how).value for how in (HELD, PLAIN, DISPERSED)]
    assert found == pytest.approx([1.05**2] * 3, abs=0.05)


# --- Where new customers come from ----------------------------------------------------------------------------------


def newcomers(n=200):
    rng = np.random.default_rng(6)
    brought = np.arange(n) % 4 == 0
    known = {"customer": range(n), "source": np.where(brought, "friend", "search"), TRACED: brought}
    known |= {NAMED: np.arange(n) % 8 == 0, "month": np.where(np.arange(n) % 3, "2025-01", "2025-02")}
    return pd.DataFrame({**known, "value": 50 + 10 * brought + rng.standard_normal(n), "again": 1.0 * brought})


def test_shares_and_worth_of_those_whom_customers_brought():
    rows = newcomers()
    assert [recommending.contributed(rows, how).value for how in (TRACED, NAMED)] == [0.25, 0.125]
    assert recommending.premium(rows, "value").value == pytest.approx(10, abs=1)
    assert recommending.premium(rows, "again").value == pytest.approx(1)
    assert isinstance(recommending.sources(rows), Figure)
    assert "no orders table" in reason(recommending.premium(rows.drop(columns="value"), "value"))


def test_sources_that_are_not_known(firm):
    lab = firm()
    lacking = recommending.newcomers(lab, channel="friend", days=3)
    assert "no customers table" in reason(lacking)
    assert isinstance(recommending.sources(lacking), Text)
    told = FIRM.replace("costs =", 'customers = { source = "customers.csv" }\ncosts =')
    few = "customer_id,acquired_at,channel,referred_by\nann,2025-01-01,friend,\nben,2025-01-01,search,\n"
    assert "2 new customers" in reason(recommending.newcomers(firm(told, customers=few), channel="friend", days=3))
    many = "customer_id,acquired_at,channel,referred_by\n" + "ann,2025-01-01,friend,\nben,2025-01-01,,ann\n"
    many += "".join(f"k{place},2025-02-01,search,\n" for place in range(98)) + "x,2025-02-01,,\n"
    rows = recommending.newcomers(firm(told, customers=many), channel="friend", days=3)
    assert len(rows) == 100  # nobody knows where the last one came from
    assert rows.set_index("customer").loc[["ann", "ben", "k0"], TRACED].to_list() == [True, True, False]
    assert rows.set_index("customer").loc["ann", ["value", "again"]].to_list() == [1.0, 0.0]  # days 0 to 3 of January


# --- Rates ----------------------------------------------------------------------------------------------------------


def test_a_ratio_of_rates_is_events_by_years_over_the_same():
    rows = pd.DataFrame({"happened": [30, 10, 10, 10], "years": [10.0, 10.0, 20.0, 20.0], "loyal": [1, 1, 0, 0]})
    rows["customer"] = range(4)
    assert rates.ratio(rows, "loyal").value == pytest.approx((40 / 20) / (20 / 40))
    assert rates.mean(rows["happened"], rows["customer"], years=rows["years"], unit="ratio").value == 1.0
    assert "needed" in reason(rates.ratio(rows.assign(happened=1), "loyal"))
    assert "nobody" in reason(rates.mean(rows["happened"][:0], rows["customer"][:0], unit="ratio"))


def test_exhibits():
    watched = CASES["L06"].world(np.random.default_rng(7), "true")
    rows = watched.rows.assign(**{WORDS: watched.rows[DEEDS]}, happened=1, years=0.9)
    assert isinstance(recommending.crossed(Watched(rows, ()), lines=3), Table)
    assert isinstance(recommending.recommended(Watched(rows, ())), Figure)
    lost = recommending.losing(Watched(rows, ()))
    assert lost.value == pytest.approx((rows.loc[rows["new"] > 0, "margin"] < 0).mean())
