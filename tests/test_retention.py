"""Curves, means and rates, against arithmetic in the head, lifelines, and worlds whose truth is known."""

from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest

from analysis import economics, retention, studies
from analysis.checks import CheckedTable
from analysis.estimates import NotTestable
from analysis.hypotheses.rules import CONTRADICTED, SUPPORTED, Range
from analysis.lifetimes import SPELL, recount


def spells(*rows) -> pd.DataFrame:
    """Each row: time, left, weight, and optionally the age at entry."""
    table = pd.DataFrame([(*row, 0.0)[:4] for row in rows], columns=["time", "left", "weight", "entered"])
    return table.astype({"time": float, "entered": float})


def random_spells(seed, *, late=False, customers=400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 25, customers).astype(float)
    entered = np.minimum(rng.integers(0, 6, customers), time - 1) if late else 0.0
    table = pd.DataFrame({"time": time, "left": rng.random(customers) < 0.6, "entered": entered, "weight": 1})
    return recount(table, SPELL)


FOUR = spells((1, True, 1), (2, False, 1), (3, True, 1), (4, False, 1))


def test_the_curve_by_hand():
    # Of four one leaves at 1 (3/4 stay); at 3 two are left and one leaves (3/8 stay).
    curve = retention.survival_curve(FOUR, unit="month")
    assert list(curve["time"]) == [0, 1, 2, 3, 4]
    assert list(curve["survival"]) == pytest.approx([1, 0.75, 0.75, 0.375, 0.375])
    assert list(curve["at_risk"]) == [4, 4, 3, 2, 1]
    assert list(curve["events"]) == [0, 1, 0, 1, 0]


def test_the_mean_by_hand():
    # Area to 4: 1 + 0.75 + 0.75 + 0.375. Greenwood: (1.875² x 1/(4x3) + 0.375² x 1/(2x1)) / 30 with thirty of each.
    mean = retention.rmst(FOUR.assign(weight=30), until=4, unit="month")
    assert mean.value == pytest.approx(2.875)
    assert (mean.high - mean.value) / 1.959964 == pytest.approx(((1.875**2 / 12 + 0.375**2 / 2) / 30) ** 0.5, rel=1e-6)


@pytest.mark.parametrize("late", [False, True])
def test_our_own_curve_is_lifelines(late):
    from lifelines import KaplanMeierFitter

    for seed in range(5):
        rows = random_spells(seed, late=late)
        entry = rows["entered"] if late else None
        theirs = KaplanMeierFitter().fit(rows["time"], rows["left"], entry=entry, weights=rows["weight"])
        ours = retention.risk_table(rows)
        # Both multiply the same fractions, so they may differ in the last binary digits only.
        assert ours.survival == pytest.approx(theirs.survival_function_.loc[ours.times].iloc[:, 0], abs=1e-12)
        curve = retention.survival_curve(rows, unit="month").set_index("time")
        curve = curve[curve["survival"] > 0]  # where all have left lifelines has no ends
        ends = theirs.confidence_interval_survival_function_.loc[curve.index].to_numpy()
        assert curve[["low", "high"]].to_numpy() == pytest.approx(ends, abs=1e-9)


def test_weights_stand_for_customers():
    one_by_one = spells(*[(1, True, 1)] * 5, *[(3, False, 1)] * 4, *[(2, True, 1)] * 3)
    together = spells((1, True, 5), (3, False, 4), (2, True, 3))
    for rows in (one_by_one, together):
        curve = retention.survival_curve(rows, unit="month").drop_duplicates("time")
        assert list(curve["survival"]) == pytest.approx([1, 7 / 12, 4 / 12, 4 / 12])


def test_resampled_counts_are_reckoned_like_single_ones():
    rows = random_spells(1, late=True)
    weights = np.vstack(list(retention.resamples(rows, draws=7, seed=1)))
    together = retention.risk_table(rows, weights)
    years = retention.by_year(rows, unit="month", years=2, weights=weights)
    for draw, counts in enumerate(weights):
        alone = rows.assign(weight=counts)
        assert together.survival[draw] == pytest.approx(retention.risk_table(alone).survival, abs=1e-12)
        assert together.mean_until(20)[draw] == pytest.approx(retention.risk_table(alone).mean_until(20), abs=1e-9)
        assert years.retention[draw] == pytest.approx(retention.by_year(alone, unit="month", years=2).retention)


def test_blocks_do_not_change_the_resamples(monkeypatch):
    rows = random_spells(1)
    whole = np.vstack(list(retention.resamples(rows, draws=50, seed=3)))
    monkeypatch.setattr(retention, "BLOCK", 7 * len(rows))
    blocks = list(retention.resamples(rows, draws=50, seed=3))
    assert len(blocks) == 8
    assert np.array_equal(np.vstack(blocks), whole)


def test_a_customer_is_drawn_with_all_spells():
    rows = random_spells(1).head(6).assign(weight=[1, 1, 2, 5, 3, 1], customer=[1, 2, 1, 0, 0, 2])
    drawn = np.vstack(list(retention.resamples(rows, draws=200, seed=2)))
    assert np.array_equal(drawn[:, 0] * 2, drawn[:, 2])
    assert np.array_equal(drawn[:, 1], drawn[:, 5])
    # Two customers with several spells and eight with one: ten are drawn.
    assert set(drawn[:, 0] + drawn[:, 1] + drawn[:, 3] + drawn[:, 4]) == {10}


def test_spells_that_repeat_a_customer_tell_no_more_than_one():
    once = random_spells(4)
    alone = once.loc[once.index.repeat(once["weight"])].assign(weight=1).reset_index(drop=True)
    twice = pd.concat([alone.assign(customer=alone.index + 1)] * 2)
    single, double = (retention.rmst(rows, until=20, unit="month") for rows in (once, twice))
    assert double.value == pytest.approx(single.value)
    # Counted as independent the interval would be narrower by the root of two; 400 resamples know it to 3.5%.
    assert double.high - double.value == pytest.approx(single.high - single.value, rel=0.1)


def test_the_error_of_the_mean_is_the_spread_between_samples():
    rng = np.random.default_rng(5)
    means, errors = [], []
    for _ in range(300):
        life, watched = rng.exponential(10, 200), rng.uniform(2, 20, 200)
        rows = pd.DataFrame({"time": np.minimum(life, watched), "left": life <= watched, "entered": 0.0, "weight": 1})
        mean = retention.rmst(rows, until=15, unit="month")
        means.append(mean.value)
        errors.append((mean.high - mean.low) / (2 * 1.959964))
    # The spread of 300 samples is itself known to about 4%.
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.12)
    assert np.mean(means) == pytest.approx(10 * (1 - np.exp(-1.5)), abs=4 * np.std(means) / 300**0.5)


def test_a_median_that_is_not_reached_is_infinite():
    curve = retention.survival_curve(spells((1, True, 40), (5, False, 60)), unit="month")
    assert retention.medians(curve)["median"].iloc[0] == float("inf")


def test_the_band_of_an_emptied_curve_stays_finite():
    curve = retention.survival_curve(spells((1, True, 40), (2, True, 60)), unit="month")
    assert curve.notna().all(axis=None)
    assert curve["survival"].iloc[-1] == curve["low"].iloc[-1] == 0


@pytest.mark.parametrize(
    ("rows", "until", "reason"),
    [
        (spells((5, False, 100)), 4, "Nobody has left"),
        (spells((5, True, 1)), 5, "Only 1 customer has left"),
        (spells((5, True, 100)), 6, "not inside the 5 months"),
        (spells((5, True, 100)), 0, "not inside"),
        (spells((2, True, 40, 1), (9, True, 100, 5)), 8, "falls to zero before older customers enter"),
    ],
)
def test_a_mean_that_cannot_be_told_says_why(rows, until, reason):
    found = retention.rmst(rows, until=until, unit="month")
    assert isinstance(found, NotTestable)
    assert reason in found.reason


def test_differences_are_against_the_largest_group():
    rows = pd.concat(
        [random_spells(1, customers=300).assign(plan="a"), random_spells(2, customers=200).assign(plan="b")]
    )
    found = retention.mean_differences(rows, by="plan", until=12, unit="month").iloc[0]
    single = {name: retention.rmst(group, until=12, unit="month") for name, group in rows.groupby("plan")}
    assert found["label"] == "b against a"
    assert found["value"] == pytest.approx(single["b"].value - single["a"].value)
    width = np.hypot(*[estimate.high - estimate.value for estimate in single.values()])
    assert found["high"] - found["value"] == pytest.approx(width)


def test_groups_are_compared_only_with_enough_leavers():
    rows = pd.concat([random_spells(1).assign(plan="a"), spells((1, True, 29)).assign(plan="b")])
    assert "fewer than 30 leavers cannot be compared: b" in retention.log_rank(rows, by="plan").reason
    assert "no two groups" in retention.log_rank(rows[rows["plan"] == "a"], by="plan").reason
    assert "no covariate" in retention.log_rank(rows, by=None).reason


def test_log_rank_keeps_its_level():
    rng = np.random.default_rng(8)
    found = []
    for _ in range(400):
        rows = pd.DataFrame({"time": rng.integers(1, 30, 200).astype(float), "left": rng.random(200) < 0.7})
        rows = rows.assign(entered=0.0, weight=1, plan=rng.choice(["a", "b", "c"], 200))
        found.append(retention.log_rank(rows, by="plan").p)
    # 400 trials at 5%: 20 expected, standard deviation 4.4.
    assert 7 <= np.sum(np.array(found) < 0.05) <= 34


# --- Years ---


def test_yearly_rates_of_a_cohort_are_plain_fractions():
    rows = spells((1, True, 400), (2, True, 150), (2, False, 450))
    found = retention.yearly_retention(rows, unit="year")
    assert found.to_dict("list") == {
        "year": [1, 2],
        "retention": pytest.approx([0.6, 0.75]),
        "survival": pytest.approx([0.6, 0.45]),
        "at_risk": [1000, 600],
        "observed": [True, True],
    }


def test_a_year_counts_as_observed_while_enough_were_watched_to_its_end():
    rows = spells((12, True, 30), (12, False, 30), (24, False, 40))
    assert list(retention.yearly_retention(rows, unit="month")["observed"]) == [True, False]


@pytest.mark.parametrize(("unit", "ends"), [("month", [0, 12, 24]), ("year", [0, 1, 2]), ("day", [0, 366, 731])])
def test_years_end_where_an_anniversary_can_fall(unit, ends):
    assert list(retention.year_ends(unit, 2)) == ends


def test_weeks_are_years_of_365_days_and_a_quarter():
    assert retention.year_ends("week", 1)[1] * 7 == 365.25


def test_nobody_watched_for_a_year_gives_no_rates():
    assert retention.yearly_retention(spells((5, True, 50)), unit="month").empty
    assert retention.yearly_retention(spells((0, False, 50)), unit="day").empty


# --- A rate and a stay (R09) ---

R09 = Range(low=0.95, high=1.05, support_level=0.90)


def world(chances, *, years=8, seed=1) -> pd.DataFrame:
    """Customers with their own chance of leaving each year, watched for some years."""
    rng = np.random.default_rng(seed)
    life = rng.geometric(chances)
    table = pd.DataFrame({"time": np.minimum(life, years).astype(float), "left": life <= years})
    return recount(table.assign(entered=0.0, weight=1), SPELL)


def test_one_rate_for_all_tells_the_stay():
    found = retention.tenure_from_rate(world(np.full(20_000, 0.2)), unit="year", seed=1, draws=500)
    assert R09.judge(found).word == SUPPORTED


def test_a_mixture_breaks_the_rate():
    chances = np.where(np.arange(20_000) % 2, 0.6, 0.02)
    found = retention.tenure_from_rate(world(chances), unit="year", seed=1, draws=500)
    assert R09.judge(found).word == CONTRADICTED
    assert found.low > 1.05


def test_the_ratio_by_hand():
    # 1 - 100/300 = 2/3 a period; to 2 periods it promises 1 + 2/3, and 1 + 1/2 was seen... of 200, 100 left at 1.
    rows = spells((1, True, 100), (2, False, 100))
    found = retention.tenure_from_rate(rows, unit="year", seed=1, draws=200)
    assert found.value == pytest.approx((1 + 2 / 3) / 1.5)
    assert found.low < found.value < found.high


def test_the_ratio_at_other_horizons_ends_with_the_ratio_itself():
    rows = world(np.where(np.arange(20_000) % 2, 0.6, 0.02))
    found = retention.stay_ratios(rows, unit="year", parts=(0.5, 1))
    whole = retention.tenure_from_rate(rows, unit="year", seed=1, draws=2)
    half = retention.tenure_from_rate(rows, unit="year", seed=1, draws=2, share=0.5)
    assert found == pytest.approx({4.0: half.value, 8.0: whole.value})
    # In months that are no whole numbers periods are days, and the horizon stays in the table's unit.
    broken = rows.assign(time=12 * rows["time"] - 0.5)
    assert list(retention.stay_ratios(broken, unit="month", parts=(1,))) == pytest.approx([95.5])


def test_broken_units_are_counted_in_days():
    rng = np.random.default_rng(2)
    life = rng.exponential(2.0, 20_000)
    rows = pd.DataFrame({"time": np.minimum(life, 5.0).round(4), "left": life <= 5, "entered": 0.0, "weight": 1})
    found = retention.tenure_from_rate(recount(rows, SPELL), unit="year", seed=1, draws=20)
    # A constant hazard in continuous time: counted in whole years the ratio would be 1.07.
    assert found.value == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (spells((3, True, 29), (5, False, 500)), "at least 30 leavers"),
        (spells((3, True, 30), (3, False, 10)), "50 customers were still at risk"),
        (spells((0, True, 40), (0, False, 60)), "50 customers were still at risk"),
        (spells((4, False, 1)), "at least 30 leavers"),
    ],
)
def test_a_rate_that_cannot_be_tested_says_why(rows, reason):
    found = retention.tenure_from_rate(rows, unit="month", seed=1)
    assert isinstance(found, NotTestable)
    assert reason in found.reason


def test_the_rate_is_read_within_groups_too():
    rows = pd.concat([world(np.full(900, 0.2)).assign(plan="a"), world(np.full(900, 0.3), seed=2).assign(plan="b")])
    found = retention.tenure_readings(rows, by="plan", unit="year", seed=1, draws=50)
    assert list(found) == ["all customers", "plan: a", "plan: b"]


# --- The books (R10) ---


def books(*months) -> SimpleNamespace:
    rows = pd.DataFrame(months, columns=["period", "n_new", "n_lost", "n_active"])
    rows["period"] = [pd.Timestamp(2024, month, 1) for month in rows["period"]]
    table = CheckedTable("finances", ibis.memtable(rows), (), (), {})
    return SimpleNamespace(has=lambda name: name == "finances", table=lambda name: table)


def test_books_that_close():
    found = economics.stock_flow(books((2, 5, 3, 102), (1, 10, 0, 100), (3, 0, 2, 100)))
    assert (found.value, found.n) == (0, 2)


def test_a_customer_who_is_in_no_column_is_a_violation():
    found = economics.stock_flow(books((1, 10, 0, 100), (2, 5, 3, 101), (3, 0, 2, 99)))
    assert (found.value, found.unit) == (1, "violations")


@pytest.mark.parametrize("gap", [(), ((3, None, 2, 108),)])
def test_a_missing_month_is_no_violation_but_leaves_the_books_open(gap):
    found = economics.stock_flow(books((1, 10, 0, 100), (2, 5, 0, 105), *gap, (4, 1, 1, 110)))
    assert f"row {3 + len(gap)} in the order of time (2024-04-01)" in found.reason


def test_one_source_closes_by_definition():
    found = economics.stock_flow(SimpleNamespace(has=lambda name: False))
    assert found.reason.startswith("True by definition")
    assert "Fewer than two periods" in economics.stock_flow(books((1, 10, 0, 100))).reason


DATED = """
[study.club]
title = "A club"
[study.club.tables.subscriptions]
source = "contracts.csv"
columns = { customer_id = "who", started_at = "from", ended_at = "to" }
observed_until = 2024-05-31
[study.club.tables.finances]
source = "books.csv"
"""
# In January a and b join; in February c joins and a leaves; in March d joins; nothing happens in April.
CONTRACTS = "who,from,to\na,2024-01-05,2024-02-10\nb,2024-01-31,\nc,2024-02-29,\nd,2024-03-01,2024-05-01\n"


def club(folder, *months):
    (folder / "contracts.csv").write_text(CONTRACTS)
    rows = "".join(f"2024-{month:02d}-01,1,{new},{lost}\n" for month, new, lost in months)
    (folder / "books.csv").write_text("period,revenue,n_new,n_lost\n" + rows)
    (folder / "studies.toml").write_text(DATED)
    return studies.open_study("club", folder / "studies.toml")


def test_contracts_and_books_that_agree(tmp_path):
    """d ends on 1 May, so May loses it and April does not."""
    found = economics.balances(club(tmp_path, (1, 2, 0), (2, 1, 1), (3, 1, 0), (4, 0, 0)))
    first = found["contracts against the finances"]
    assert (first.value, first.n, next(iter(found))) == (0, 3, "contracts against the finances")
    assert isinstance(found["customer counts of the finances"], NotTestable)


def test_a_leaver_whom_the_books_forgot(tmp_path):
    found = economics.balances(club(tmp_path, (1, 2, 0), (2, 1, 0), (3, 1, 0), (4, 0, 0)))
    assert found["contracts against the finances"].value == 1


def test_books_outside_the_time_of_the_contracts(tmp_path):
    study = club(tmp_path, (10, 1, 0), (11, 1, 0))
    assert "lies within the time" in economics.balances(study)["contracts against the finances"].reason
