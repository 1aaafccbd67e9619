"""Who will buy again: the race between the count of orders and fuller knowledge, and the tables beside it."""

from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest
from invented import orders

from analysis import customers, prospects
from analysis.estimates import NotTestable
from analysis.exhibits import Text
from analysis.prospects import COUNT, FULLER, Outlook

START, CUT, END = date(2024, 1, 1), date(2024, 12, 30), date(2025, 12, 29)  # 52 weeks and 52 weeks


def log(*, fading: bool, people: int = 400) -> list[tuple]:
    """Customers who buy at their own rate all year, or half of whom stop for good somewhere in the first year."""
    rng, rows = np.random.default_rng(8), []
    for person in range(people):
        stop = rng.integers(1, 366) if fading and person % 2 else 729
        for day in {0, *np.flatnonzero(rng.random(stop) < rng.gamma(1, 0.015))}:
            rows.append((f"p{person}", START + timedelta(int(day)), 10.0 + person % 7))
    return rows


@cache
def looked_ahead(*, fading: bool) -> Outlook:
    bought = customers.purchases(orders(log(fading=fading), until=str(END)))
    return prospects.look_ahead(bought, families=["BG/NBD", "Pareto/NBD"], share=0.5, draws=99, seed=1)


@pytest.fixture
def fading():
    return looked_ahead(fading=True)


def test_the_log_is_cut_in_whole_weeks(fading):
    assert (fading.until, fading.weeks) == (CUT, 52)
    assert fading.rows["weight"].sum() == 400


@pytest.mark.parametrize("stopping", [False, True])
def test_recency_adds_much_where_customers_stop_and_nothing_where_they_do_not(stopping):
    answers = prospects.race(looked_ahead(fading=stopping), draws=199, seed=1)
    low, high = answers[FULLER].interval(0.90)
    # Half of the customers stop, and only their silence tells: above the margin of .01. Where nobody stops,
    # customers with the same count are alike but for chance, so the fuller model can only lose a little.
    assert (low > 0.01) if stopping else (high < 0.01)
    assert set(answers) == {COUNT, FULLER, "BG/NBD", "Pareto/NBD"}
    assert answers[COUNT].low > 0


def test_the_race_repeats_itself_with_its_seed(fading):
    first, second = (prospects.race(fading, draws=50, seed=3)[FULLER] for _ in range(2))
    assert (first.value, first.interval()) == (second.value, second.interval())


def test_the_headline_of_another_cut_needs_no_buying_model(fading):
    same = prospects.enough(fading.bought, share=0.5, seed=3, draws=50)
    first = prospects.race(fading, draws=50, seed=3)[FULLER]
    # The same numbers, added up beside fewer columns: the last digits may differ.
    assert [same.value, *same.interval()] == pytest.approx([first.value, *first.interval()], rel=1e-9)
    assert prospects.enough(fading.bought, share=0.35, seed=3, draws=50).value != same.value


def test_too_few_or_too_short_is_not_testable(fading):
    few = Outlook(**vars(fading) | {"rows": fading.rows.head(60)})
    silent = Outlook(**vars(fading) | {"rows": fading.rows.assign(later=0.0)})
    short = Outlook(**vars(fading) | {"share": 0.2})
    for case in (few, silent, short):
        answers = prospects.race(case, draws=9, seed=1)
        assert all(isinstance(answer, NotTestable) for answer in answers.values())
    assert "20" in answers[FULLER].reason


def test_tables_count_every_customer_once_and_hold_chances(fading):
    for table in (prospects.alive(fading), prospects.silent(fading)):
        assert table["customers"].sum() == 400
        assert table[list(fading.fits)].apply(lambda column: column.between(0, 1).all()).all()
    assert prospects.by_frequency(fading)["customers"].sum() == 400


def test_one_time_buyers_are_all_there_for_bg_nbd_and_not_for_pareto_nbd(fading):
    once = prospects.alive(fading).query("repeats == '0'")
    assert (once["BG/NBD"] == 1).all()
    assert (once["Pareto/NBD"] < 1).all()


def test_shares_without_an_order_are_those_of_the_log(fading):
    table, rows = prospects.silent(fading), fading.rows
    none = float(rows.loc[rows["later"] == 0, "weight"].sum())
    # Counted in two ways, so equal but for rounding.
    assert table["had_none"] @ table["customers"] == pytest.approx(none, abs=1e-6)


def test_the_total_stands_between_what_came_and_the_naive_rule(fading):
    table = prospects.in_total(fading).set_index("who")
    assert table.loc["what came", "value"] == fading.rows["later"] @ fading.rows["weight"]
    # Half of the customers stop, which the naive rule cannot know.
    assert table.loc["naive rule", "value"] > table.loc["Pareto/NBD", "high"]


def test_an_exhibit_without_a_model_says_why():
    bought = customers.purchases(orders([("ann", date(2024, 1, 1), 5.0)], until="2024-01-01"))
    alone = prospects.look_ahead(bought, families=["BG/NBD"], share=0.5, draws=9, seed=1)
    shown = prospects.shown(prospects.tracking, alone, name="tracking", min_cell=5)
    assert isinstance(shown, Text)
    assert "0 customers bought again" in shown.text
    assert isinstance(prospects.race(alone, draws=9, seed=1)[FULLER], NotTestable)
    assert isinstance(prospects.spending(alone), NotTestable)


def test_the_figure_leaves_out_weeks_with_fewer_orders_than_a_cell(fading):
    told = {"x_label": "week", "y_label": "orders", "x_unit": "weeks", "y_unit": "count", "mark_label": "hold-out"}
    figure = prospects.shown(prospects.tracking, fading, name="tracking", min_cell=50, **told)
    assert figure.data.query("line == 'what came'")["y"].min() >= 50
    assert figure.caption == fading.told


def test_a_gain_is_even_on_the_scale_of_its_root():
    """(√v ± z s / (2 √v))², with the draws' ends in place of v ± z s; 20,000 of them miss those by under 2%."""
    drawn = np.random.default_rng(1).normal(0.01, 0.003, 20_000)
    found = prospects._gain(0.01, drawn, unit="gain", n=9)
    ends = [(0.1 + z * 0.003 / (2 * 0.1)) ** 2 for z in (-1.959964, 1.959964)]
    assert found.interval() == pytest.approx(ends, rel=0.02)
    assert prospects._gain(0.0, np.zeros(9), unit="gain", n=9).interval() == (0, 0)
