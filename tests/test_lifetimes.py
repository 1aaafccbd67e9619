"""Spells become distinct rows without losing anybody, and small groups lose their name."""

import ibis
import pandas as pd
import pytest

from analysis import lifetimes, retention
from analysis.checks import CheckedTable
from analysis.tables import SettingsError, TableError


def subscriptions(*rows, columns=("time", "left", "entered", "plan"), **facts) -> CheckedTable:
    table = pd.DataFrame(rows, columns=list(columns)).assign(customer_id=[f"c{i}" for i in range(len(rows))])
    table = table.astype({"time": float, "left": bool, "entered": float})
    return CheckedTable("subscriptions", ibis.memtable(table), (), (), {"unit": "month", **facts})


def counted(*rows, columns=("time", "left", "weight", "plan")) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns)).assign(entered=0.0)


def test_identical_rows_are_counted_once():
    found = lifetimes.lifetimes(subscriptions((3, True, 0, "a"), (3, True, 0, "b"), (3, False, 0, "a")))
    assert found.to_dict("list") == {"time": [3.0, 3.0], "left": [False, True], "entered": [0.0, 0.0], "weight": [1, 2]}


def test_covariates_keep_rows_apart_and_missing_words_are_named():
    table = subscriptions((3, True, 0, "a"), (3, True, 0, None), (3, True, 0, "a"))
    found = lifetimes.lifetimes(table, by=["plan"], min_cell=1)
    assert dict(zip(found["plan"], found["weight"], strict=True)) == {"a": 2, "not known": 1}


def test_a_spell_that_was_over_before_watching_began_is_nobodys():
    found = lifetimes.lifetimes(subscriptions((5, True, 5, "a"), (5, True, 4, "a"), (0, False, 0, "a")))
    assert found["weight"].sum() == 2


@pytest.mark.parametrize("by", [[], ["plan"]])
def test_tables_in_which_nobody_enters_late_are_counted_alike(by):
    rows = [(3, True, 0, "a"), (3, False, 0, "b"), (3, True, 0, "b"), (0, False, 0, "a"), (7, False, 0, "a")]
    with_ages, without = (lifetimes.lifetimes(subscriptions(*rows, late=late), by=by) for late in (True, False))
    pd.testing.assert_frame_equal(with_ages, without)
    assert list(with_ages.columns) == ["time", "left", "entered", *by, "weight"]


def test_customers_with_several_spells_keep_a_number(make_study):
    rows = "who,from,to\n" + "".join(
        f"{who},2024-0{month}-01,{'' if month == 5 else '2024-03-01'}\n"
        for who, month in [("a", 1), ("a", 5), ("b", 1), ("c", 1), ("c", 5), ("d", 5)]
    )
    columns = 'columns = { customer_id = "who", started_at = "from", ended_at = "to" }\nobserved_until = 2024-12-31'
    counted = lifetimes.lifetimes(make_study(rows, columns, table="subscriptions").table("subscriptions"))
    assert counted["weight"].sum() == 6
    assert list(counted[counted["left"]].sort_values("customer")["customer"]) == [0, 1, 2]
    # Who has one spell is counted as ever; dropping the number gives back the plain counts.
    assert len(lifetimes.ungrouped(counted.drop(columns="customer"))) == 2


def test_words_of_a_handful_are_merged():
    table = subscriptions(*[(1, True, 0, "big")] * 9, *[(1, True, 0, "rare")] * 3, *[(1, True, 0, "rarer")] * 2)
    found = lifetimes.lifetimes(table, by=["plan"], min_cell=5)
    assert dict(zip(found["plan"], found["weight"], strict=True)) == {"big": 9, "other": 5}


def test_one_small_word_takes_the_next_smallest_with_it():
    rows = counted((1, True, 20, "a"), (1, True, 8, "b"), (1, True, 2, "c"))
    assert list(lifetimes.merge_small(rows, "plan", least=5)) == ["a", "other", "other"]


def test_groups_may_be_measured_by_their_leavers():
    rows = counted((1, True, 40, "a"), (1, True, 35, "b"), (9, False, 500, "c"), (9, True, 1, "c"))
    merged = lifetimes.grouped(rows, "plan", min_events=30)
    assert set(merged["plan"]) == {"a", "other"}
    assert merged["weight"].sum() == 576


def test_where_nobody_has_enough_leavers_there_is_one_group():
    assert set(lifetimes.grouped(counted((1, True, 4, "a"), (1, True, 4, "b")), "plan", min_events=30)["plan"]) == {
        lifetimes.ALL
    }


def test_quantities_become_quarters_of_the_customers():
    rows = counted(*[(1, True, 10, value) for value in range(8)])
    bands = lifetimes.in_bands(rows, "plan")
    assert list(bands) == ["0 to 1"] * 2 + ["1 to 3"] * 2 + ["3 to 5"] * 2 + ["5 to 7"] * 2


def test_flags_in_numbers_are_words():
    table = subscriptions((3, True, 0, 1), (3, True, 0, 0), (4, True, 0, 1))
    assert set(lifetimes.lifetimes(table, by=["plan"], min_cell=1)["plan"]) == {"yes", "no"}


def test_groups_come_largest_first():
    rows = counted((1, True, 3, "a"), (1, True, 7, "b"))
    assert [name for name, _ in lifetimes.groups_of(rows, "plan")] == ["b", "a"]


@pytest.mark.parametrize(("by", "message"), [("plam", "no column plam"), ("left", "cannot be called left")])
def test_a_column_that_cannot_be_used_is_refused(by, message):
    with pytest.raises(TableError, match=message):
        lifetimes.lifetimes(subscriptions((3, True, 0, "a")), by=[by])


def test_only_a_cross_section_has_a_limit():
    assert lifetimes.cohort_limit(subscriptions((3, True, 0, "a"), cohort=True)) is None
    assert "not customers followed" in lifetimes.cohort_limit(subscriptions((3, True, 0, "a"), cohort=False))


def test_the_covariates_named_win_over_those_declared():
    table = subscriptions((3, True, 0, "a"), covariates=("plan", "region"))
    assert lifetimes.chosen(table, []) == ["plan", "region"]
    assert lifetimes.chosen(table, ["region"], group="plan") == ["region", "plan"]
    assert (lifetimes.grouping(table, ""), lifetimes.grouping(table, "region")) == ("plan", "region")
    assert lifetimes.grouping(subscriptions((3, True, 0, "a")), "") is None


TENURE = 'columns = { customer_id = "row", tenure = "t", churned = "c" }'


def test_units_of_time_cannot_be_mixed(make_study):
    rows = "t,c\n" + "12,yes\n24,no\n" * 10
    with pytest.raises(SettingsError, match="tenure_unit: it is required with tenure"):
        make_study(rows, TENURE, table="subscriptions")
    # Twelve months and one year are one stay: everything that has a unit keeps it.
    found = {}
    for unit, divisor in (("month", 1), ("year", 12)):
        table = make_study(
            "t,c\n" + "".join(f"{age / divisor},{left}\n" for age, left in [(12, "yes"), (24, "no")] * 40),
            f'{TENURE}\ntenure_unit = "{unit}"', table="subscriptions",
        ).table("subscriptions")  # fmt: skip
        mean = retention.rmst(lifetimes.lifetimes(table), until=24 / divisor, unit=table.facts["unit"])
        found[mean.unit] = mean.value
    assert found == pytest.approx({"months": 18.0, "years": 1.5})


def test_dated_contracts_are_days_whatever_the_settings_say(make_study):
    rows = "who,from,to\na,2024-01-01,2024-03-01\nb,2024-01-01,\n"
    columns = 'columns = { customer_id = "who", started_at = "from", ended_at = "to" }\nobserved_until = 2024-12-31'
    assert make_study(rows, columns, table="subscriptions").table("subscriptions").facts["unit"] == "day"
