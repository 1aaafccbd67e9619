"""Numbers as people read them."""

import math

import pytest

from analysis.words import UNITS, count, interval, listing, plural, quantity, setting, with_interval


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


def test_nobody_reads_the_cents_of_an_amount_known_to_the_hundred():
    assert (
        with_interval(1468660.32, 1440745.31, 1497116.19, "money", "USD")
        == "1,468,660 USD (1,440,745 to 1,497,116 USD)"
    )
    assert with_interval(262.49, 212.49, 312.49, "money", "USD") == "262.49 USD (212.49 to 312.49 USD)"


def test_a_narrow_interval_of_growth_shows_its_tenths():
    assert interval(0.2353, 0.2405, "growth") == "+23.5 to +24.1%"
    assert interval(0.18, 0.25, "growth") == "+18 to +25%"


@pytest.mark.parametrize(
    ("value", "low", "high", "unit", "shown"),
    [
        (0.18695, 0.1838, 0.1894, "growth", "+18.7% (+18.4 to +18.9%)"),
        (1.000977, 0.9989, 1.0031, "ratio", "1.001 (0.999 to 1.003)"),
        (0.9512, 0.9475, 0.9561, "ratio", "0.951 (0.948 to 0.956)"),
        (1.00443, 0.9514, 1.0627, "ratio", "1.00 (0.95 to 1.06)"),
        (0.4336, 0.415, 0.451, "points", "+43.4 points (+41.5 to +45.1 points)"),
        (54.4924, 53.8, 55.2, "months", "54.5 months (53.8 to 55.2 months)"),
        (0.39, 0.2, 0.6, "growth", "+39% (+20 to +60%)"),
    ],
)
def test_an_estimate_shows_the_digits_that_its_interval_needs(value, low, high, unit, shown):
    assert with_interval(value, low, high, unit) == shown


@pytest.mark.parametrize(
    ("low", "high", "unit", "shown"),
    [
        (0.034, 0.12, "growth", "+3 to +12%"),
        (0.0064, 0.0102, "ratio", "0.006 to 0.010"),
        (0.05, 1.37, "ratio", "0.05 to 1.37"),
        (0.0, 0.034, "share", "0.0 to 3.4%"),
        (0.0, 0.0, "points", "0 to 0 points"),
        (0.4, 36.3, "days", "0.4 to 36.3 days"),
        # What lies above nothing does not seem to reach it, unless it is next to nothing beside the other end.
        (0.00047, 0.042, "points", "+0.05 to +4.20 points"),
        (-0.0004, 0.053, "slope", "-0.0004 to 0.0530"),
        (0.0003, 1.37, "ratio", "0.00 to 1.37"),
        (0.2, 3, "count", "0 to 3"),
        (-120, 0.3, "money", "-120 to 0"),
    ],
)
def test_both_ends_of_an_interval_have_the_same_decimals(low, high, unit, shown):
    assert interval(low, high, unit) == shown


def test_an_estimate_has_the_decimals_of_its_interval():
    assert with_interval(0.0766, 0.034, 0.12, "growth") == "+8% (+3 to +12%)"
    assert with_interval(0.062, -0.05, 0.17, "sd", level="95% interval ") == "0.06 (95% interval -0.05 to 0.17)"
    assert with_interval(0.5, 0.4, 0.6, "sd", beside=[0.0041, 0.0052]) == "0.500 (0.400 to 0.600)"


def test_a_setting_is_shown_as_it_was_set():
    assert [setting(share) for share in (0.05, 0.125, 0.1, 0, 1 / 3)] == ["5%", "12.5%", "10%", "0%", "33.3333%"]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0, "growth", "0%"),
        (0, "points", "0 points"),
        (0, "ratio", "0.00"),
        (0.00042, "gain", "0.0004"),
        (0.0123, "ratio", "0.012"),
        (0.0005, "share", "0.050%"),
        (1234.5, "ratio", "1,234.50"),
        (0.4, "years", "0.400 years"),
        (0, "days", "0 days"),
    ],
)
def test_small_large_and_no_quantities(value, unit, shown):
    assert quantity(value, unit) == shown


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


def test_what_rounds_to_nothing_has_no_sign_before_it():
    assert quantity(-0.00001, "ratio") == "0.0000"
    assert interval(-0.00001, 0.0021, "fit index") == "0.0000 to 0.0021"
