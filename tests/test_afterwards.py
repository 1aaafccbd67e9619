"""Surveys joined to behaviour: each window holds what its days hold, and nothing from before counts as later."""

from datetime import date

import pytest

from analysis import afterwards, customers, scales, studies
from analysis.tables import TableError

TOML = """
[study.shop]
title = "A shop"
[study.shop.tables.surveys]
source = "surveys.csv"
columns = { customer_id = "who", answered_at = "day" }
scale = [1, 5]
[study.shop.tables.orders]
source = "orders.csv"
columns = { customer_id = "who", ordered_at = "day", amount = "sum" }
observed_until = 2024-12-31
[study.shop.tables.referrals]
source = "referrals.csv"
[study.shop.constructs]
satisfaction = ["q"]
"""
FILES = {
    # Ann answers twice, Bob never ordered, Cy answers too late for a window of 30 days, the last row has no customer.
    "surveys.csv": "who,day,q\nann,2024-03-10,5\nann,2024-06-10,3\nbob,2024-03-10,4\ncy,2024-12-15,2\n,2024-03-10,1\n",
    "orders.csv": "who,day,sum\n"
    "ann,2024-01-01,7\nann,2024-02-10,10\nann,2024-03-01,20\nann,2024-03-10,30\nann,2024-03-11,40\nann,2024-04-09,50\n"
    "ann,2024-04-10,60\ncy,2024-12-01,5\n",
    "referrals.csv": "referrer_id,referred_id,referred_at\nbob,dan,2024-03-20\nbob,eve,2024-02-20\n",
}


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "studies.toml").write_text(TOML)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return studies.open_study("shop", tmp_path / "studies.toml")


def joined(shop, days=30, once=False, **window):
    orders = customers.purchases(shop.table("orders"))
    window = {"since": date(2024, 1, 1), "until": orders.observed_until} | window
    events = afterwards.happenings(orders)
    return afterwards.afterwards(scales.answers(shop), shop.table("surveys"), events, days=days, once=once, **window)


def test_windows_hold_their_days(shop):
    """Counted by hand: 30 days up to 10 March begin on 10 February (2024 leaps); the next 30 end on 9 April."""
    found = joined(shop)
    ann, later, bob = found.did.to_dict("records")
    assert (ann["before"], ann["before_worth"]) == (3, 60)
    assert (ann["after"], ann["after_worth"]) == (2, 90)
    assert ann["age"] == 69  # since 1 January
    assert (later["before"], later["after"]) == (0, 0)
    assert (bob["before"], bob["after_worth"], bob["age"] != bob["age"]) == (0, 0, True)


def test_rows_stay_beside_their_answers(shop):
    found = joined(shop)
    assert list(found.answers.items["q"]) == [5, 3, 4]
    assert len(found.did) == len(found.answers.who) == len(found.answers.weight)


def test_what_was_not_watched_long_enough_is_counted_and_left_out(shop):
    assert [(step.kept, step.dropped) for step in joined(shop).steps] == [(4, 1), (4, 0), (3, 1)]
    assert [(step.kept, step.dropped) for step in joined(shop, days=90).steps] == [(4, 1), (2, 2), (1, 1)]


def test_each_customer_can_count_once(shop):
    found = joined(shop, once=True)
    assert list(found.answers.items["q"]) == [3, 4]
    assert (found.steps[-1].kept, found.steps[-1].dropped) == (2, 1)


def test_other_tables_have_their_own_names(shop):
    events = afterwards.happenings(shop.table("referrals"), when="referred_at", who="referrer_id")
    window = {"since": date(2024, 1, 1), "until": date(2024, 12, 31)}
    found = afterwards.afterwards(scales.answers(shop), shop.table("surveys"), events, days=30, once=False, **window)
    assert found.did.loc[2, ["before", "after"]].tolist() == [1, 1]


def test_a_window_that_nobody_fills_is_refused(shop):
    with pytest.raises(TableError, match="no questionnaire has 300 days of behaviour on record"):
        joined(shop, days=300)


def test_answers_without_a_day_cannot_be_joined(make_study):
    study = make_study("q\n1\n2\n", 'scale = [1, 5]\n[study.shop.constructs]\nsatisfaction = ["q"]', table="surveys")
    window = {"since": date(2024, 1, 1), "until": date(2024, 12, 31)}
    with pytest.raises(TableError, match="without customer_id and answered_at"):
        afterwards.afterwards(scales.answers(study), study.table("surveys"), None, days=30, **window)
