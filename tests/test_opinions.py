"""The simulated firm obeys the laws it states, and one seed decides all of it."""

from dataclasses import replace

import numpy as np
import opinions
import pandas as pd
import pytest
from opinions import Truth


@pytest.fixture(scope="module")
def firm():
    return opinions.simulate(customers=4000, seed=3)


def mean_of(table, stem):
    return table[[name for name in table if name.startswith(stem)]].mean(axis=1)


def test_a_seed_decides_all():
    one, same, other = (opinions.simulate(customers=50, seed=seed) for seed in (1, 1, 2))
    assert all(one[name].equals(same[name]) for name in one)
    assert not one["surveys"].equals(other["surveys"])


def test_answers_stay_on_their_scales(firm):
    survey = firm["surveys"]
    stated = {"nps": (0, 10), "knowledge": (0, 10), "wallet_share": (0, 100), "feedback": (1, 5)}
    for name in survey.select_dtypes("number"):
        low, high = stated.get(name, (opinions.LOW, opinions.HIGH))
        assert survey[name].dropna().between(low, high).all(), name
        assert (survey[name].dropna() % 1 == 0).all(), name


def test_nobody_is_asked_before_the_service_or_orders_outside_the_log(firm):
    asked = firm["surveys"].assign(wave=lambda t: t["wave"].astype(int))
    served = firm["operations"].assign(wave=lambda t: t.groupby("customer_id").cumcount() + 1)
    both = asked.merge(served, on=["customer_id", "wave"])
    assert len(both) == len(asked)
    assert (both["answered_at"] > both["measured_at"]).all()
    assert firm["orders"]["ordered_at"].between(pd.Timestamp(opinions.BEGIN), pd.Timestamp(opinions.END)).all()


def test_satisfaction_bends_at_both_levels(firm):
    """Steep below the adequate level, flat between, rising above the desired one, as Truth says."""
    survey = firm["surveys"]
    found, low, high = (mean_of(survey, stem) for stem in ("found_", "adequate_", "desired_"))
    felt = mean_of(survey, "satisfaction_")
    slopes = []
    for part in (found < low - 0.2, found.between(low + 0.2, high - 0.2), found > high + 0.2):
        slopes.append(np.polyfit(found[part], felt[part], 1)[0])
    assert slopes[0] > slopes[2] > slopes[1] + 0.1
    assert abs(slopes[1]) < 0.2


def spending_ratio(truth):
    firm = opinions.simulate(customers=4000, truth=truth, seed=4)
    survey = firm["surveys"].query("wave == '1'")
    felt = mean_of(survey, "satisfaction_").set_axis(survey["customer_id"])
    later = firm["orders"].query("ordered_at > '2024-05-01' and ordered_at < '2024-09-01'")
    spent = later.groupby("customer_id")["amount"].sum().reindex(felt.index, fill_value=0)
    high = felt > felt.median()
    return spent[high].mean() / spent[~high].mean()


def test_satisfaction_pays_just_as_much_as_stated():
    assert spending_ratio(Truth(spending=0)) == pytest.approx(1, abs=0.12)  # four standard errors of such a ratio
    assert spending_ratio(Truth(spending=0.4)) > 1.3
    assert spending_ratio(Truth(spending=-0.4)) < 0.8


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_expectations_move_towards_the_experience(weight):
    firm = opinions.simulate(customers=4000, truth=replace(Truth(), learning=weight), seed=5)
    wide = firm["surveys"].set_index(["customer_id", "wave"]).filter(regex="^(will|found)_")
    scores = pd.DataFrame({"will": mean_of(wide, "will_"), "found": mean_of(wide, "found_")}).unstack("wave").dropna()
    moved = scores["will"]["2"] - scores["will"]["1"]
    gap = scores["found"]["1"] - scores["will"]["1"]
    # The noise of an answer is in both differences and makes about .15 by itself: see E01's design.
    assert weight - 0.05 < np.polyfit(gap, moved, 1)[0] < weight + 0.2


def test_a_larger_promise_raises_what_is_foreseen(firm):
    first = firm["surveys"].query("wave == '1'").merge(firm["experiments"], on="customer_id")
    by_arm = mean_of(first, "will_").groupby(first["arm"]).mean()
    assert by_arm["larger promise"] - by_arm["usual promise"] == pytest.approx(Truth().promise, abs=0.12)
