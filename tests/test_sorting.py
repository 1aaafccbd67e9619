"""The page on sorting and deepening: its readings, sentences and what it says where nothing can be told."""

import numpy as np
import pandas as pd
import pytest
from test_renewal import REGULAR, cohort

from analysis import hypotheses, sorting
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
