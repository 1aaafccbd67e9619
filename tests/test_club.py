"""The simulated club obeys the laws it states, fits the contracts, and one seed decides all of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import club
from analysis.club import Laws
from analysis.studies import load

Tables = dict[str, pd.DataFrame]
NOTHING = Laws(**{name: 0.0 for name, value in vars(Laws()).items() if isinstance(value, float)}, touching=(0.0,) * 5)


@pytest.fixture(scope="module")
def business() -> Tables:
    return club.simulate(customers=6000, seed=3)


@pytest.fixture(scope="module")
def null() -> Tables:
    """Nothing causes anything, and members are still picked: at their peaks, and among the loyal."""
    selected = replace(NOTHING, join_at_peaks=2.0, join_loyal=0.5)
    return club.simulate(customers=6000, laws=selected, seed=4)


def money(tables: Tables) -> pd.DataFrame:
    orders = tables["orders"]
    return orders.assign(amount=orders["unit_price"] * orders["quantity"], month=orders["ordered_at"].dt.to_period("M"))


def test_a_seed_decides_all() -> None:
    one, same, other = (club.simulate(customers=60, seed=seed) for seed in (1, 1, 2))
    for name in one:
        pd.testing.assert_frame_equal(one[name], same[name])
    assert not one["orders"].equals(other["orders"])


def test_every_table_passes_its_contract(business: Tables, tmp_path: Path) -> None:
    lines = ['[study.club]\ntitle = "Club"\ncurrency = "EUR"\n']
    free = {"customers": ["invited", "branch"], "experiments": ["consent"]}
    for name, table in business.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
        lines.append(f'[study.club.tables.{name}]\nsource = "{name}.parquet"')
        lines.append("observed_until = 2024-12-31" if name in ("orders", "subscriptions") else "")
        lines.append(f"covariates = {free[name]}".replace("'", '"') if name in free else "")
    lines.append('[study.club.constructs]\nsatisfaction = ["satisfaction_1", "satisfaction_2"]')
    (tmp_path / "studies.toml").write_text("\n".join(lines))
    checked = load(tmp_path / "studies.toml")["club"].check()
    assert checked.problems == ()
    assert {table.name: table.steps[-1].kept for table in checked.tables} == {n: len(t) for n, t in business.items()}


def test_nobody_acts_before_they_come_or_after_they_leave(business: Tables) -> None:
    spells = business["subscriptions"].set_index("customer_id")
    seen = 0
    for name, day in [("orders", "ordered_at"), ("contacts", "contacted_at"), ("surveys", "answered_at")]:
        table = business[name]
        start, end = (table["customer_id"].map(spells[side]) for side in ("started_at", "ended_at"))
        assert (table[day] >= start).all()
        assert ((table[day] <= end) | end.isna()).all()
        seen += len(table)
    assert seen > 50_000
    joined = business["memberships"].merge(spells, left_on="customer_id", right_index=True)
    assert (joined["joined_at"] > joined["started_at"]).all()


def test_the_books_close(business: Tables) -> None:
    book, spells = business["finances"], business["subscriptions"]
    assert (book["n_active"].diff().dropna() == (book["n_new"] - book["n_lost"])[1:]).all()
    assert book["n_active"].iloc[-1] == spells["ended_at"].isna().sum()
    assert book["revenue"].sum() == pytest.approx(money(business)["amount"].sum(), abs=1)  # cents of 20 quarters


def before_and_after(tables: Tables) -> tuple[float, float]:
    """Money of members in the three months before joining, and after it, as ratios to the months 9 to 4 before."""
    joined = tables["memberships"].drop_duplicates("customer_id").set_index("customer_id")["joined_at"]
    bought = money(tables)
    since = (bought["month"] - bought["customer_id"].map(joined).dt.to_period("M")).dropna().map(lambda gap: gap.n)
    rate = bought.loc[since.index].groupby(since)["amount"].sum()
    usual = rate.reindex(range(-9, -3)).mean()
    return rate.reindex(range(-3, 0)).mean() / usual, rate.reindex(range(6, 12)).mean() / usual


def test_members_join_at_their_peaks_and_fall_back_where_the_club_does_nothing(null: Tables) -> None:
    peak, later = before_and_after(null)
    assert peak > 1.10
    assert later < peak - 0.05


def treated(tables: Tables, arm: str) -> tuple[float, float]:
    """Log ratio of money in the year after the lot was drawn, and its standard error over customers."""
    drawn = tables["experiments"].query(
        "arm == @arm or arm == control_arm and control_arm == @club.EXPERIMENTS[@arm][0]"
    )
    start = drawn["assigned_at"].iloc[0]
    bought = money(tables)
    bought = bought[bought["ordered_at"].between(start, start + pd.Timedelta(364, "D"))]
    spent = drawn["customer_id"].map(bought.groupby("customer_id")["amount"].sum()).fillna(0.0)
    groups = [spent[drawn["arm"] == one] for one in (arm, club.EXPERIMENTS[arm][0])]
    errors = [group.std() / group.mean() / np.sqrt(len(group)) for group in groups]
    return float(np.log(groups[0].mean() / groups[1].mean())), float(np.hypot(*errors))


def test_offers_from_history_raise_money_as_stated_and_not_where_they_do_nothing(null: Tables) -> None:
    strong = club.simulate(customers=6000, laws=replace(Laws(), history_offers=0.5), seed=5)
    effect, error = treated(strong, "offers from history")
    assert effect == pytest.approx(0.5, abs=3 * error)
    nothing, error = treated(null, "offers from history")
    assert nothing == pytest.approx(0.0, abs=3 * error)


def test_a_promotion_drawn_by_lot_lifts_the_month_it_runs(business: Tables) -> None:
    lots = business["promotions"].query("promotion_id == 'P2'")
    bought = money(business)
    month = bought[bought["month"] == lots["starts_at"].iloc[0].to_period("M")].groupby("customer_id")["amount"].sum()
    spent = lots["customer_id"].map(month).fillna(0.0)
    a, b = spent[lots["assigned"]], spent[~lots["assigned"]]
    error = np.hypot(a.std() / a.mean() / len(a) ** 0.5, b.std() / b.mean() / len(b) ** 0.5)
    assert np.log(a.mean() / b.mean()) == pytest.approx(Laws().promotion_now, abs=3 * error)


def test_satisfaction_keeps_customers_unless_the_law_is_off(business: Tables, null: Tables) -> None:
    def left_within_a_year(tables: Tables) -> float:
        asked = tables["surveys"].query("wave in ['1', '2', '3']").drop_duplicates("customer_id")
        end = asked["customer_id"].map(tables["subscriptions"].set_index("customer_id")["ended_at"])
        gone = end - asked["answered_at"] < pd.Timedelta(365, "D")
        content = asked[["satisfaction_1", "satisfaction_2"]].mean(axis=1)
        return float(gone[content >= 6].mean() - gone[content <= 3].mean())

    assert left_within_a_year(business) < -0.15
    assert abs(left_within_a_year(null)) < 0.15  # loyal customers answer higher and stay longer, whatever causes it


def test_answers_stay_on_their_scales(business: Tables) -> None:
    survey = business["surveys"].drop(columns=["customer_id", "answered_at", "wave", "unit"])
    assert len(survey.columns) > 25
    for name, answers in survey.items():
        low, high = {"knowledge": (0, 10), "wallet_share": (0, 100)}.get(str(name), (1, 7))
        assert answers.between(low, high).all(), name
        assert answers.nunique() >= 6, name


def test_kinds_of_loyalty_come_in_clusters_or_by_degrees() -> None:
    kinds, degrees = (club._World(np.random.default_rng(1), 4000, replace(Laws(), kinds=one)) for one in (True, False))
    flat, round_ = (pd.Series(one.loyal).kurtosis() for one in (kinds, degrees))
    assert flat < -0.8  # two humps are flatter than a bell, whose excess kurtosis is 0
    assert round_ == pytest.approx(0.0, abs=0.25)  # three standard errors of sqrt(24 / n)
