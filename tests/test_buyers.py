"""Further questions about who will buy again: one-time buyers, seasons, even times, traits, and money by frequency."""

from datetime import date, timedelta
from functools import cache
from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest
from invented import orders

from analysis import buyers, customers, prospects
from analysis.exhibits import Table, Text
from analysis.prospects import Outlook

START, END = date(2023, 1, 2), date(2024, 12, 30)


@cache
def looked_ahead(*, christmas: float = 1.0, people: int = 600) -> Outlook:
    """Customers who order at their own rate, `christmas` times as often in December, and stop one day, or never."""
    rng, rows = np.random.default_rng(3), []
    december = np.array([(START + timedelta(day)).month == 12 for day in range(728)])
    for person in range(people):
        first, stop = rng.integers(0, 200), rng.exponential(500)
        rate = rng.gamma(1, 0.01) * np.where(december, christmas, 1)
        again = np.flatnonzero((rng.random(728) < rate) & (np.arange(728) > first) & (np.arange(728) < first + stop))
        rows += [(f"p{person}", START + timedelta(int(day)), 10.0 + len(again)) for day in (first, *again)]
    bought = customers.purchases(orders(rows, until=str(END)))
    return prospects.look_ahead(bought, families=["BG/NBD", "MBG/NBD"], share=0.5, draws=50, seed=1)


def study(**columns) -> SimpleNamespace:
    """A study whose customers p0 to p599 are described by these columns."""
    table = pd.DataFrame({"customer_id": [f"p{person}" for person in range(600)], **columns})
    known = SimpleNamespace(rows=ibis.memtable(table), facts={"covariates": tuple(columns)})
    return SimpleNamespace(has=lambda name: name == "customers", table=lambda _: known)


def test_one_time_buyers_by_model_and_as_they_came():
    ahead = looked_ahead()
    table, once = buyers.one_time(ahead).set_index("model"), ahead.rows.query("repeats == 0")
    assert table.loc["BG/NBD", "struck_off"] == 0
    assert np.isnan(table.loc["BG/NBD", "came_back"])
    assert table.loc["MBG/NBD", "struck_off"] > 0
    n = once["weight"].sum()
    assert (table["customers"] == n).all()
    assert table.loc["what came", "came_back"] == pytest.approx(once.query("later > 0")["weight"].sum() / n)
    assert table.loc["what came", "expected"] == pytest.approx(once["later"] @ once["weight"] / n)


def test_a_season_is_seen_and_none_is_invented():
    text = buyers.season(looked_ahead(christmas=4.0)).text
    assert "December 202" in text
    assert "moves all customers at once" in text
    assert "no sign of a season" in buyers.season(looked_ahead()).text


def test_single_customers_are_told_their_limits():
    assert "of the customers they did" in buyers.singly(looked_ahead()).text


def test_orders_at_random_times_need_no_clock():
    assert "the first is the likeliest, so no model here needs one" in buyers.regular(looked_ahead()).text


def test_what_is_known_of_customers_is_shown_with_its_effects():
    ahead, half = looked_ahead(), ["left", "right"] * 300
    told, table = buyers.traits(ahead, study(side=half), [])
    assert isinstance(table, Table)
    assert list(table.rows.columns) == ["covariate", "term", "buying", "leaving"]
    assert len(table.rows) == 1
    # Sides were dealt out without regard to anything, so at one in twenty such tests this would fail.
    assert "tells no more of buying and leaving than chance" in told.text


@pytest.mark.parametrize("lab", [SimpleNamespace(has=lambda _: False), study()])
def test_without_covariates_one_sentence_says_so(lab):
    (told,) = buyers.traits(looked_ahead(), lab, [])
    assert isinstance(told, Text)
    assert "Nothing but their orders" in told.text


def test_a_covariate_that_is_the_same_for_all_is_refused():
    (told,) = buyers.traits(looked_ahead(), study(side=["left"] * 600), [])
    assert "could not be used" in told.text


def test_money_of_a_repeat_order_by_hand():
    """Each customer's orders bring in ten and one for every repeat order of the whole log."""
    ahead = looked_ahead()
    table = buyers.order_money(ahead).set_index("repeats")
    assert table["customers"].sum() == ahead.rows.query("repeats > 0")["weight"].sum()
    assert (table["low"] < table["value"]).all()
    assert table.loc["7 or more", "value"] > 17
    assert table.loc["7 or more", "low"] > table.loc["1", "high"]


def test_where_everybody_came_again_there_is_nothing_to_decide():
    ahead = looked_ahead()
    loyal = Outlook(**vars(ahead) | {"rows": ahead.rows.query("repeats > 0")})
    assert "Every customer had a repeat order" in buyers.one_time(loyal).text


def test_a_log_of_a_few_months_tells_no_season():
    rows = [(f"p{person}", START + timedelta(day), 5.0) for person in range(60) for day in (0, 20 + person, 100)]
    bought = customers.purchases(orders(rows, until="2023-04-14"))
    ahead = prospects.look_ahead(bought, families=["BG/NBD"], share=0.2, draws=9, seed=1)
    assert prospects.shown(buyers.season, ahead).text in ("The log is too short to tell a season.", ahead.told)


def test_without_a_model_the_reason_stands_in_place_of_covariates():
    bought = customers.purchases(orders([("ann", START, 5.0)], until="2023-01-02"))
    alone = prospects.look_ahead(bought, families=["BG/NBD"], share=0.5, draws=9, seed=1)
    (told,) = buyers.traits(alone, study(side=["left"] * 600), [])
    assert "0 customers bought again" in told.text
