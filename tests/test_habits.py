"""Habits: the ladder by hand and in a world whose truth is known, the negative binomial against print."""

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from analysis import cohorts, customers, habits
from analysis.checks import CheckedTable
from analysis.estimates import NotTestable

# Until 10 April: Ann waited 10 days, then 20, then is still waiting; Bob waited 30 and waits; Cy waits from the start.
START = pd.Timestamp("2023-12-31")
LOG = [("ann", 1), ("ann", 11), ("ann", 31), ("bob", 1), ("bob", 31), ("cy", 1)]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(habits, "FEWEST", 1)


def days(log, *, until=100):
    """Orders on days after New Year 2024."""
    rows = pd.DataFrame(log, columns=["customer_id", "day"]).astype({"customer_id": str})
    rows["ordered_at"] = START + pd.to_timedelta(rows.pop("day"), unit="D")
    return customers.purchases(table(rows.assign(amount=1.0), (START + pd.Timedelta(days=until)).date()))


def table(frame, until):
    return CheckedTable("orders", ibis.memtable(frame), (), (), {"observed_until": until})


def pairs(first, second):
    counted = pd.DataFrame({"first": first, "second": second}).value_counts(sort=False)
    return counted.rename("weight").reset_index()


# --- the ladder -----------------------------------------------------------------------------------------------------


def test_waits_by_eye(few):
    found = habits.waits(days(LOG))
    assert found[["rung", "time", "left", "weight"]].to_numpy().tolist() == [
        ["1st to 2nd", 10, True, 1],
        ["1st to 2nd", 30, True, 1],
        ["1st to 2nd", 99, False, 1],
        ["2nd to 3rd", 20, True, 1],
        ["2nd to 3rd", 69, False, 1],
        ["3rd to 4th", 69, False, 1],
    ]


def test_the_ladder_by_eye(few):
    rungs = habits.ladder(habits.waits(days(LOG)), within=60).set_index("rung")
    assert rungs["customers"].tolist() == [3, 2, 1]
    assert rungs["value"].tolist() == pytest.approx([2 / 3, 1 / 2, 0])
    assert rungs["quarter"].tolist() == [10, 20, np.inf]
    assert rungs["half"].tolist() == [30, 20, np.inf]
    assert habits.climbed(rungs.reset_index(), within=60) == (
        "Within 60 days 66.7% went on from the 1st order and 0% went on from the 3rd order"
    )
    assert habits.ladder(habits.waits(days(LOG)), within=90)["value"].isna().tolist() == [False, True, True]


def test_who_still_waits_is_not_taken_for_lost():
    """1,000 customers won over a year, half of whom come again within 69 days: the naive share falls short of it."""
    random = np.random.default_rng(4)
    start, wait = random.integers(1, 366, 1000), np.ceil(random.exponential(100, 1000)).astype(int)
    log = [(f"c{n}", int(day)) for n, first in enumerate(start) for day in (first, first + wait[n]) if day <= 366]
    steps = habits.waits(days(log, until=366))
    found = habits.ladder(steps, within=180).iloc[0]
    truth = 1 - np.exp(-1.8)
    naive = steps.loc[(steps["rung"] == "1st to 2nd") & steps["left"] & (steps["time"] <= 180), "weight"].sum() / 1000
    assert found["low"] <= truth <= found["high"]
    assert naive < found["low"]
    assert found["half_low"] <= 70 <= found["half_high"]


def test_few_customers_have_no_ladder():
    steps = habits.waits(days(LOG))
    rungs = habits.ladder(steps, within=60)
    assert (len(steps), len(rungs), len(habits.comebacks(steps, until=60))) == (0, 0, 0)
    assert habits.climbed(rungs, within=60) == "Within 60 days nothing can be told"


# --- the negative binomial ------------------------------------------------------------------------------------------


def test_the_negative_binomial_of_the_nbd_program():
    """A fifth buy in 12 weeks, 2.1 times each; printed by the NBD program in R that goes with East, Wright & Vanhuele
    (2013), Consumer Behaviour: buyers and their frequency in 24 and 48 weeks, buyers in both halves of 24 weeks, and
    shares who buy 0 to 5 times in 12 weeks. Three decimals are printed; the last may be cut or rounded.
    """
    k = habits.spread(0.42, 0.8)
    assert habits._model(np.array([0.42, 0.84, 1.68]), k) == (
        pytest.approx([0.2, 0.277, 0.355], abs=6e-4),
        pytest.approx([2.1, 3.036, 4.729], abs=6e-4),
    )
    both = 2 * 0.2 - habits._model(np.array([0.84]), k)[0][0]
    assert both / 0.2 == pytest.approx(0.61646, abs=6e-4)
    world = pairs(np.repeat(np.arange(6), [8000, 1060, 430, 220, 130, 160]), 0)
    _, expected, *_ = habits._reckoned(world, np.array([[8000.0, 1060, 430, 220, 130, 160]]))
    mean = (world["first"] @ world["weight"]) / 10_000  # not quite .42: those with 6 or more are not printed
    assert mean == pytest.approx(0.39, abs=0.01)
    assert expected[0, 0] == pytest.approx(8000)
    assert expected[0, :6].sum() == pytest.approx(10_000)


def test_orders_to_come_by_hand():
    """The mean and the share without an order give k; x orders are followed by (k + x) mean / (k + mean)."""
    first = np.repeat([0, 1, 2, 5], [50, 60, 20, 10])
    found = habits.foretold(pairs(np.tile(first, 20), np.tile(first, 20)), draws=20)
    mean, none = first.mean(), 50 / 140
    k = float(habits.spread(mean, none))
    assert (1 + mean / k) ** -k == pytest.approx(none)
    ahead = found.set_index("label")["foretold"]
    assert ahead["after 0"] == pytest.approx(k * mean / (k + mean))
    assert ahead["after 2"] == pytest.approx((k + 2) * mean / (k + mean))


def world(*, leave=0.0, n=4000, seed=8):
    """Customers whose paces differ (gamma, mean 1) and stay; a share of them leaves for good half-way."""
    random = np.random.default_rng(seed)
    pace = random.gamma(0.5, 2, n)
    return pairs(random.poisson(pace), random.poisson(pace * (random.random(n) >= leave)))


def test_paces_that_are_kept_come_as_foretold():
    """95% intervals in 20 worlds: each of the ten rows holds 1 in most; two in twenty may miss by chance."""
    held = []
    for seed in range(20):
        found = habits.foretold(world(seed=seed), draws=200, seed=1)
        held.append(((found["low"] <= 1) & (found["high"] >= 1)).to_numpy())
    assert len(held[0]) == 10
    assert np.mean(held) >= 0.9


def test_leavers_show_below_what_was_foretold():
    found = habits.foretold(world(leave=0.3), draws=200).set_index("label")
    assert found.loc["share who order, next period", "high"] < 0.85
    assert found.loc["after 5 or more", "value"] == pytest.approx(0.7, abs=0.1)
    assert habits.kept_pace(found.reset_index()).endswith("of the buyers foretold came")


def test_customers_who_are_all_alike_are_poisson():
    random = np.random.default_rng(1)
    found = habits.foretold(pairs(random.poisson(1, 5000), random.poisson(1, 5000)), draws=100).set_index("label")
    assert found.loc["after 0", "foretold"] == pytest.approx(1, abs=0.1)
    assert found.loc["after 3", "foretold"] == pytest.approx(1, abs=0.2)
    assert habits.spread(1.0, 0.3) > 1e6  # chance alone leaves .37 without an order


@pytest.mark.parametrize("log", [[("ann", 1)], [("ann", 1), ("bob", 1)], [(f"c{n}", 1) for n in range(99)]])
def test_without_orders_in_both_periods_there_is_no_yardstick(log):
    found = habits.foretold(habits.halves(days(log), days=30))
    assert isinstance(found, NotTestable)
    assert "are 30" in found.reason


def test_if_everybody_orders_there_is_no_yardstick():
    assert isinstance(habits.foretold(pairs(np.ones(99, int), np.ones(99, int))), NotTestable)


def test_periods_end_on_the_last_day_seen():
    """Of 100 days with halves of 30: days 41 to 70 and 71 to 100; who came first on day 40 was there, on 41 not."""
    log = [("a", 40), ("a", 41), ("a", 70), ("a", 71), ("a", 100), ("late", 41), ("late", 80), ("quiet", 1)]
    assert habits.halves(days(log), days=30).to_numpy().tolist() == [[0, 0, 1], [2, 2, 1]]


# --- large and small kinds ------------------------------------------------------------------------------------------


def kinds(sizes, *, tastes=None, n=3000, seed=2):
    """Customers differ in pace and, with `tastes`, in taste (Dirichlet); kinds differ in nothing but their size."""
    random, sizes = np.random.default_rng(seed), np.array(sizes)
    bought = random.poisson(
        random.gamma(0.7, 12, n)[:, None] * (random.dirichlet(tastes * sizes, n) if tastes else sizes)
    )
    who, kind = np.nonzero(bought)
    times = bought[who, kind]
    frame = pd.DataFrame({"customer_id": np.repeat(who, times).astype(str), "category": np.repeat(kind, times)})
    frame["category"] = frame["category"].map("abcdefgh".__getitem__)
    frame["ordered_at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(len(frame)) % 360, unit="D")
    return table(frame.assign(amount=5.0), pd.Timestamp("2024-12-31").date())


@pytest.mark.parametrize("tastes", [None, 1.2])
def test_small_kinds_have_fewer_buyers_who_buy_less_often(tastes):
    """The model that made the log foretells it: orders a buyer to 8%, four standard errors of the least."""
    found = habits.jeopardy(kinds([0.4, 0.25, 0.15, 0.1, 0.06, 0.04], tastes=tastes), by="category")
    assert found["kind"].tolist() == list("abcdef")
    assert (found["foretold"] / found["value"]).tolist() == pytest.approx([1] * 6, abs=0.08)
    assert found["share"].rank().corr(found["value"].rank()) > 0.7
    assert "Size alone foretells 6 of 6 kinds." in habits.jeopardised(found)


def test_a_kind_with_loyal_buyers_stands_out():
    log = kinds([0.4, 0.3, 0.2, 0.1])
    rows = log.rows.to_pandas()
    more = rows[rows["category"] == "d"].assign(ordered_at=lambda t: t["ordered_at"] + pd.Timedelta(days=1))
    found = habits.jeopardy(table(pd.concat([rows, more]), log.facts["observed_until"]), by="category")
    loyal = found[found["kind"] == "d"].iloc[0]
    assert loyal["low"] > loyal["foretold"]


def test_without_kinds_there_is_no_jeopardy():
    log = kinds([0.5, 0.5])
    assert "no column channel" in habits.jeopardy(log, by="channel").reason
    assert "Only 2 kinds" in habits.jeopardy(log, by="category").reason


# --- what must not matter -------------------------------------------------------------------------------------------

LOGS = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 99)), min_size=2, max_size=25)


def counted(log):
    """Everything that is counted of a log: cells of cohorts, waits, and two periods, each as a series of sums."""
    if not log:
        return [pd.Series(dtype=float)] * 3
    one = days(log)
    cells = cohorts.follow(one, ages=[1, 2], grain="month", definitions=["n-day", "window"], window=2)
    sums = cells.groupby(["began", "definition", "age", "counted"])[["active", "base", "kept", "kept_squares"]].sum()
    waits = habits.waits(one).groupby(["rung", "time", "left"])["weight"].sum()
    return [sums.stack(), waits, habits.halves(one, days=20).set_index(["first", "second"])["weight"]]


@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking would take minutes
@given(LOGS, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_halves_of_the_customers_matter(log, random):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(habits, "FEWEST", 0)
        whole = counted(log)
        shuffled = counted(random.sample(log, len(log)))
        parts = [counted([row for row in log if row[0] % 2 == side]) for side in (0, 1)]
    for mine, again, left, right in zip(whole, shuffled, *parts, strict=True):
        pd.testing.assert_series_equal(mine, again)
        added = left.add(right, fill_value=0).reindex(mine.index) if len(left) and len(right) else left
        added = added if len(added) else right
        assert added.to_numpy(float) == pytest.approx(mine.to_numpy(float))
