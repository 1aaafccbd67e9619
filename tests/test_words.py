"""Numbers as people read them."""

import math

import pytest

from analysis.words import UNITS, count, interval, listing, plural, quantity


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.8432, "share", "84.3%"),
        (0.05, "points", "+5.0 points"),
        (-0.02, "points", "-2.0 points"),
        (0.3874, "growth", "+39%"),
        (0.0526, "growth", "+5.3%"),
        (0.9417, "ratio", "0.94"),
        (36.2979, "months", "36.3 months"),
        (23570, "count", "23,570"),
        (0.1139, "correlation", "0.11"),
        (None, "ratio", "–"),
        (math.nan, "share", "–"),
        (math.inf, "years", "–"),
    ],
)
def test_a_quantity_reads_in_its_unit(value, unit, shown):
    assert quantity(value, unit) == shown


def test_money_carries_its_currency():
    assert quantity(2500315.63, "money", "USD") == "2,500,315.63 USD"


def test_an_interval_names_its_unit_once():
    assert interval(0.834, 0.852, "share") == "83.4 to 85.2%"
    assert interval(12.0, 14.5, "months") == "12.0 to 14.5 months"
    assert interval(1.5, 2.25, "money", "EUR") == "1.50 to 2.25 EUR"


def test_a_narrow_interval_of_growth_shows_its_tenths():
    assert interval(0.2353, 0.2405, "growth") == "+23.5 to +24.1%"
    assert interval(0.18, 0.25, "growth") == "+18 to +25%"


def test_an_unknown_unit_is_refused_by_name():
    with pytest.raises(KeyError, match="furlongs"):
        quantity(1, "furlongs")


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_shows_a_number(unit):
    assert any(character.isdigit() for character in quantity(0.25, unit))


def test_plurals_and_lists():
    assert plural(1, "row") == "1 row"
    assert plural(1200, "row") == "1,200 rows"
    assert plural(2, "study", "studies") == "2 studies"
    assert count(67591) == "67,591"
    assert [listing(list(x)) for x in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
