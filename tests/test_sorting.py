"""The page on sorting and deepening: its readings, sentences and what it says where nothing can be told."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_renewal import REGULAR, cohort

from analysis import hypotheses, planted, sorting
from analysis.estimates import Estimate, NotTestable
from analysis.exhibits import Figure

HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]


@pytest.fixture(scope="module")
def segments():
    rows = [cohort(survivors).assign(segment=name) for name, survivors in (("a", REGULAR), ("b", HIGH_END))]
    return sorting.changes(pd.concat(rows), by="segment", unit="year")


def test_groups_are_read_together_apart_and_as_one(segments):
    together = "all, each group with its own risks"
    assert list(segments) == [together, "segment: a", "segment: b", "all as if they were one group"]
    # Golden: the exponents of 2018 with seven renewals, by direct search over all three parameters.
    found = [segments[f"segment: {name}"].value for name in "ab"]
    assert found == pytest.approx([1.28345, 1.72356], abs=2e-5)
    assert found[0] < segments[together].value < found[1]


def test_the_first_reading_is_told_and_drawn(segments):
    said = sorting.told_changes(segments).text
    assert said.startswith("A customer's own risk of leaving rises as they stay")
    assert said.endswith("The exponent of time is 1.58 (95% interval 1.21 to 2.17).")
    figure = sorting.exponents(segments)
    assert isinstance(figure, Figure)
    assert figure.title in said
    assert figure.caption.startswith("2,000 contracts at their first renewal, 1,268 ended.")
    assert "chi-squared 12.06, 1 degree of freedom, p below 0.001" in figure.caption


def test_behaviour_alone_refutes_but_does_not_support(segments):
    rule, evidence = hypotheses.get("G05").rule, sorting.readings(segments)
    assert rule.judge(next(iter(evidence.values()))).word == "contradicted"
    falling = Estimate.log_normal(0.7, 0.05, unit="elasticity", n=900)
    verdict = rule.judge({"attachment": sorting.ATTACHMENT, "behaviour": falling})
    assert (verdict.word, verdict.parts["behaviour"].word) == ("not testable", "supported")


def test_a_falling_risk_and_an_open_question_have_their_sentences():
    rows = np.round(4000 * 0.75 ** (np.arange(9) ** 0.6)).astype(int)
    falls = sorting.changes(cohort(rows), by=None, unit="year")
    assert list(falls) == ["all"]
    assert "own risk of leaving falls" in sorting.told_changes(falls).text
    assert "cannot be told" in sorting.told_changes(sorting.changes(cohort(REGULAR), by=None, unit="year")).text


def test_months_are_taken_where_years_are_too_few():
    table = cohort([5000, 4000, 3300, 2800, 2450, 2200])
    assert isinstance(sorting.changes(table, by=None, unit="day")["all"], NotTestable)
    assert sorting.changes(table, by=None, unit="month")["all"].n == 5000


@pytest.mark.parametrize("survivors", [[1, 0], [500, 500, 500, 500, 500], [500, 0]])
def test_customers_who_tell_nothing_are_answered_in_words(survivors):
    found = sorting.changes(cohort(survivors), by=None, unit="year")
    assert "renewals" in sorting.told_changes(found).text
    assert "no exponent to draw" in sorting.exponents(found).text
    assert hypotheses.get("G05").rule.judge(sorting.readings(found)["all"]).word == "not testable"


def bonded(people=120, growth=0.5, asked=3, **left_out):
    """Customer c orders c mod 3 times before each of the half-yearly questions; the bond grows with each order."""
    rng, days = np.random.default_rng(7), pd.date_range("2021-01-01", periods=asked, freq="182D")
    who = np.repeat(np.arange(people), asked)
    told = np.tile(np.arange(1, asked + 1), people) * (who % 3) * growth + who + 0.01 * rng.standard_normal(len(who))
    surveys = pd.DataFrame({"customer_id": who.astype(str), "answered_at": np.tile(days, people), "b": told})
    orders = [
        (str(person), day - pd.Timedelta(days=5))
        for person in range(people) for day in days for _ in range(person % 3)
    ]  # fmt: skip
    tables = {"surveys": surveys, "orders": pd.DataFrame(orders, columns=["customer_id", "ordered_at"])}
    kept = {name: table for name, table in tables.items() if name not in left_out}
    made = planted.study(facts={"surveys": {"scales": {"b": (-1000, 1000)}}}, **kept)
    constructs = {"loyalty" if "bond" in left_out else "bond": ["b"]}
    return SimpleNamespace(has=made.has, table=made.table, constructs=constructs, pairs=())


def test_orders_before_each_answer_are_counted_and_set_against_the_own_bond():
    rows = sorting.encounters(bonded())
    by = rows.sort_values(["customer_id", "answered_at"]).groupby("customer_id")["orders"].apply(list)
    assert (by["0"], by["1"], by["2"]) == ([0, 0, 0], [1, 2, 3], [2, 4, 6])
    found = sorting.attachment(rows)
    # Half a point an order, in standard deviations of all bonds told; the noise of .01 leaves a thousandth of that.
    assert found.value == pytest.approx(0.5 / rows["bond"].std(), rel=0.01)
    assert found.low < found.value < found.high
    assert found.n == 120


@pytest.mark.parametrize(
    ("missing", "told"),
    [({"surveys": 1}, "three times"), ({"orders": 1}, "three times"), ({"bond": 1}, "no construct bond"),
     ({"asked": 2}, "0 customers told their bond"), ({"people": 99}, "99 customers")],
)  # fmt: skip
def test_bonds_that_cannot_be_followed_say_what_is_missing(missing, told):
    rows = sorting.encounters(bonded(**missing))
    assert told in rows.reason
    assert sorting.attachment(rows).reason == rows.reason
