"""The contracts say what design fixed, and the nearest name is the one a person would have meant."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.tables import TABLES, LoyaltyError, SettingsError, TableError, nearest

# Required columns and alternatives, as the contract with other people's scripts fixes them.
REQUIRED = {
    "orders": "customer_id ordered_at",
    "subscriptions": "customer_id",
    "customers": "customer_id",
    "surveys": "",
    "memberships": "customer_id joined_at",
    "promotions": "customer_id starts_at ends_at",
    "experiments": "arm",
    "contacts": "customer_id contacted_at kind",
    "referrals": "referrer_id referred_id referred_at",
    "costs": "customer_id period",
    "finances": "period revenue",
    "units": "unit period",
    "rollouts": "unit action started_at",
    "operations": "measured_at",
    "touchpoints": "customer_id touched_at touchpoint",
}


def test_every_table_requires_what_was_agreed():
    assert {name: " ".join(c.name for c in t.columns if c.required) for name, t in TABLES.items()} == REQUIRED


def test_orders_and_subscriptions_can_be_given_in_two_ways():
    assert TABLES["orders"].alternatives == (("amount",), ("unit_price", "quantity"))
    assert TABLES["subscriptions"].alternatives == (("started_at", "ended_at"), ("tenure", "churned"))


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_contract_names_each_column_once_and_says_what_it_means(table):
    assert len(set(table.names)) == len(table.names)
    assert all(column.meaning for column in table.columns)
    assert {name for group in (*table.alternatives, table.unique) for name in group} <= set(table.names)
    assert all(table[column.name] is column for column in table.columns)


def test_both_errors_can_be_caught_as_one():
    assert issubclass(SettingsError, LoyaltyError)
    assert issubclass(TableError, LoyaltyError)


@pytest.mark.parametrize(
    ("written", "meant"), [("CustomerID", "customer_id"), ("orderd_at", "ordered_at"), ("AMOUNT", "amount")]
)
def test_nearest_finds_what_was_meant(written, meant):
    assert nearest(written, TABLES["orders"].names) == meant


@given(st.text(string.printable, max_size=20))
def test_nearest_always_answers_with_a_known_name(written):
    assert nearest(written, TABLES) in TABLES
    assert nearest(written, []) == ""
