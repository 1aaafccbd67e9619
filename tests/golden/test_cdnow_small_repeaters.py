"""Small repeaters against heavy one-timers on CDNOW.

The expected numbers were worked out with plain pandas from the public log of 69,659 lines (packaged with Lifetimes
0.11.3), apart from this project's code. They count a day of zero dollars as an order, which is the policy "net".
Tolerances are half a unit of the last digit given.
"""

from pathlib import Path

import pytest

from analysis import customers, repeaters, spending, studies

CENT, MILL, TENTH_OF_A_PER_CENT = 5e-3, 5e-4, 5e-5


@pytest.fixture(scope="module")
def bought():
    lab = studies.open_study("cdnow", Path(__file__).parents[2] / "studies.toml")
    return customers.purchases(lab.table("orders"), returns="net")


@pytest.fixture(scope="module")
def everything(bought):
    return spending.compare(customers.totals(bought), draws=0)


def test_orders_and_customers(bought):
    table = customers.totals(bought)
    assert len(table) == 23_570
    assert table["orders"].sum() == 67_591
    assert (table["orders"] == 1).sum() == 12_054
    assert table["revenue"].sum() == pytest.approx(2_500_315.63, abs=CENT)


def test_repeaters_hold_most_of_the_money(everything):
    groups = everything.groups.set_index("group")
    assert groups.loc["two orders or more", "customers"] == 11_516
    assert groups.loc["two orders or more", "share_of_value"] == pytest.approx(0.8530, abs=TENTH_OF_A_PER_CENT)
    assert groups.loc["two orders or more", "mean_value"] == pytest.approx(185.196, abs=MILL)
    assert groups.loc["one order", "mean_value"] == pytest.approx(30.496, abs=MILL)


def test_cut_offs_and_groups_without_equal_follow_up(everything):
    assert everything.small_up_to == pytest.approx(23.97, abs=CENT)
    assert everything.heavy_from == pytest.approx({"p75": 40.53, "p90": 66.23}, abs=CENT)
    found = everything.groups.set_index("group")[["customers", "mean_value", "median_value"]]
    expected = {
        "small repeaters": (4_464, 70.280, 46.435),
        "heavy one-timers (P75)": (2_544, 72.029, 58.485),
        "heavy one-timers (P90)": (987, 105.883, 86.520),
    }
    for group, numbers in expected.items():
        assert tuple(found.loc[group]) == pytest.approx(numbers, abs=MILL)


@pytest.mark.parametrize(("share", "chance"), [(0.75, 0.3709), (0.90, 0.2051)])
def test_chance_that_a_small_repeater_outdoes_a_heavy_one_timer(bought, share, chance):
    found = spending.compare(customers.totals(bought), heavy={"part": share}, draws=20, seed=1).chance["part"]
    assert found.value == pytest.approx(chance, abs=5e-5)


def test_equal_follow_up_of_462_days(bought):
    """All customers were followed that long, so the cut-offs are those of the full log."""
    found = spending.compare(customers.totals(bought, within=462), draws=20, seed=1)
    sizes = found.groups.set_index("group")["customers"]
    assert sizes["small repeaters"] == 4_407
    assert (sizes["heavy one-timers (P75)"], sizes["heavy one-timers (P90)"]) == (2_576, 998)
    assert found.ratio["p75"].value == pytest.approx(0.9417, abs=5e-5)
    assert found.ratio["p90"].value == pytest.approx(0.6410, abs=5e-5)


def test_orders_and_value_of_one_window_go_together_by_construction(bought):
    """Within one window the rank correlation is .79; counted in one half and earned in the other it is far lower."""
    within = customers.longest_follow_up(customers.totals(bought))
    shown = repeaters.whole_against_halves(
        customers.totals(bought, within=within), customers.half_way(bought, within=within)
    )
    assert within == 502
    same, across = shown["rank_correlation"]
    assert same == pytest.approx(0.79, abs=5e-3)
    assert across < 0.6
