"""What customers are worth: by hand, against resampled fits, with losses, and where nothing can be said."""

import math
from datetime import date, timedelta
from functools import cache
from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest
from invented import orders

from analysis import customer_value, customers, equity
from analysis.buying import WEEK, ParetoNBD
from analysis.checks import CheckedTable
from analysis.customer_value import Terms, appraise, by_formula, terms, trial
from analysis.estimates import NotTestable
from analysis.exhibits import Text
from analysis.fits import fit_buying
from analysis.order_values import Credibility, GammaGamma, counted, fit_credibility, ledger, price
from analysis.renewal import LONG, RetentionCurve

START, END = date(2024, 1, 1), date(2025, 12, 29)
TWO_YEARS = terms(horizon_months=24, annual_discount_rate=0.1)


def log(*, people: int = 500, tied: bool = False, losses: bool = False, seed: int = 3) -> list[tuple]:
    """Customers who live as a Pareto/NBD and spend as a gamma-gamma model has it, and all came in the first months."""
    rng, rows = np.random.default_rng(seed), []
    for person in range(people):
        came = int(rng.integers(0, 120))
        stays, rate, level = rng.exponential(1 / rng.gamma(0.8, 1 / 200)), rng.gamma(1, 0.015), 120 / rng.gamma(5)
        days = came + np.cumsum(rng.exponential(1 / rate, 200))
        for day in {came, *days[days < min(came + stays, 728)].astype(int)}:
            spent = rng.gamma(4, level / 4) * (1 + 100 * rate if tied else 1) - (40 if losses else 0)
            rows.append((f"p{person}", START + timedelta(int(day)), 60.0, round(spent, 2)))
    return rows


@cache
def bought(**how) -> customers.Purchases:
    table = orders(log(**how), until=str(END), columns="customer_id, ordered_at, amount, margin")
    return customers.purchases(table)


@cache
def valued(**how) -> customer_value.Valuation:
    return appraise(bought(**how), ParetoNBD, TWO_YEARS)


# --- The parts --------------------------------------------------------------------------------------------------


def test_the_ledger_by_hand():
    rows = [
        ("a", "2024-01-01", 9),
        ("a", "2024-01-08", 4),
        ("a", "2024-01-15", 8),
        ("a", "2024-02-01", 5),
        ("b", "2024-01-03", 7),
    ]
    people = ledger(customers.purchases(orders(rows, until="2024-02-05")), until=date(2024, 1, 31))
    table = people.order_by("customer_id").to_pandas()
    names = ["repeats", "last", "observed", "first", "mean", "squares", "later"]
    # Ann's repeats bring 4 and 8: a mean of 6, and squared distances of 4 and 4.
    assert table[names].to_numpy().tolist() == [[2, 14, 30, 9, 6, 8, 5], [0, 0, 28, 7, 0, 0, 0]]


def test_credibility_by_hand():
    """Two customers of two orders: variance within 2, means 10 apart around 5, of which chance makes 1."""
    rows = pd.DataFrame({"repeats": [2.0, 2], "mean": [0.0, 10], "squares": [2.0, 2], "weight": [1.0, 1]})
    model, _ = fit_credibility(rows, tied=False)
    assert (model.level, model.per_doubling, model.within, model.between) == pytest.approx((5, 0, 2, 24))
    # 2 x 24 parts of the own mean to 2 of the level.
    assert model.mean_order(np.array([0, 2]), np.array([0, 10])) == pytest.approx([5, 5 + 5 * 48 / 50])


def test_credibility_finds_what_was_planted_and_its_errors_are_those_of_resamples():
    rng = np.random.default_rng(5)
    x = rng.integers(1, 9, 4_000).astype(float)
    own = -3 + 2 * np.log2(x) + rng.normal(0, 6, len(x))
    table = pd.DataFrame({"repeats": x, "mean": own + rng.normal(0, 10 / np.sqrt(x)), "weight": 1.0})
    table["squares"] = 100 * rng.chisquare(np.maximum(x - 1, 1e-9))
    model, moves = fit_credibility(table, tied=True)
    found, error = np.array(list(vars(model).values())), np.sqrt((moves**2).sum(axis=1))
    assert (np.abs(found - [-3, 2, 100, 36]) < 3.5 * error).all()
    drawn = [
        list(
            vars(
                fit_credibility(table.assign(weight=rng.multinomial(4_000, np.full(4_000, 1 / 4_000))), tied=True)[0]
            ).values()
        )
        for _ in range(200)
    ]
    # 200 resamples know a standard deviation to 5%, which is three times as much here.
    assert np.std(drawn, axis=0) == pytest.approx(error, rel=0.15)


def test_the_money_of_an_order_depends_on_frequency_only_where_it_does():
    alone, together = (price(counted(ledger(bought(tied=tied)))) for tied in (False, True))
    assert isinstance(alone.model, GammaGamma)
    assert alone.model.per_doubling == 1
    assert "independent" in alone.why
    assert together.model.per_doubling > 1.05
    assert "depend" in together.why


# --- Values -----------------------------------------------------------------------------------------------------


def test_without_discount_value_is_orders_times_money():
    found = appraise(bought(), ParetoNBD, Terms(30.0, margin=0.25))
    money = found.order.model.mean_order(found.rows["repeats"], found.rows["mean"])
    assert found.values[0] == pytest.approx(found.fit.model.expected(found.rows, 30.0) * money * 0.25)
    assert found.orders[0] == pytest.approx(found.fit.model.expected(found.rows, 30.0))


def test_the_error_of_the_total_is_that_of_both_models_fitted_again_together():
    """Customers drawn anew, both models refitted, the same present customers valued."""
    found, rng = valued(), np.random.default_rng(1)
    rows, weight = found.rows, found.rows["weight"].to_numpy()
    totals = []
    for _ in range(60):
        drawn = rows.assign(weight=rng.multinomial(int(weight.sum()), weight / weight.sum()))
        drawn = drawn[drawn["weight"] > 0]
        model, order = fit_buying(drawn, ParetoNBD).model, price(drawn).model
        to_come = model.discounted(rows, rate=TWO_YEARS.rate, until=TWO_YEARS.weeks)
        totals.append(to_come * order.mean_order(rows["repeats"], rows["mean"]) @ weight)
    error = math.log(found.total.high / found.total.low) / 2 / 1.96
    # 60 resamples know a standard deviation to 9%; the rest is curvature at 500 customers.
    assert np.std(np.log(totals)) == pytest.approx(error, rel=0.25)


def test_totals_on_other_terms_are_those_of_values_on_them():
    """Adding up by orders and time first changes the order of sums and nothing else."""
    asked = Terms(30.0, 0.002, 0.25)
    alone, together = appraise(bought(), ParetoNBD, asked).total, valued().totals([TWO_YEARS, asked])
    for total, same in zip((valued().total, alone), together, strict=True):
        assert [same.value, same.low, same.high] == pytest.approx([total.value, total.low, total.high], rel=1e-9)


def test_more_time_and_less_discount_are_worth_more_and_no_end_is_the_limit():
    found = valued()
    ways = ((12, 0.1), (1200, 0.1), (None, 0.1), (12, 0.0))
    others = found.totals([terms(horizon_months=months, annual_discount_rate=rate) for months, rate in ways])
    short, long, endless, cheap = (total.value for total in others)
    assert short < found.total.value < long
    assert short < cheap
    assert long == pytest.approx(endless, rel=1e-4)


def test_a_newcomer_is_a_customer_seen_for_no_time():
    found = valued()
    new = pd.DataFrame({"repeats": [0.0], "last": [0.0], "observed": [0.0], "mean": [0.0]})
    assert found.newcomer.value == found.on_rows(new)[0, 0]
    assert found.newcomer.low < found.newcomer.value < found.newcomer.high


def test_all_alike_is_spread_evenly():
    found = valued()
    even = customer_value.Valuation(**vars(found) | {"values": np.ones_like(found.values)})
    assert even.unequal.value == pytest.approx(0, abs=1e-9)
    assert even.holding(0.8).value == pytest.approx(0.8)
    assert found.unequal.low > 0.3
    assert found.holding(0.8).high < 0.7


def test_customers_who_lose_money_have_a_value_below_zero():
    found = valued(losses=True)
    assert isinstance(found.order.model, Credibility)
    assert "credibility" in found.order.why
    assert found.values[0].min() < 0 < found.values[0].max()
    ends = found.between(found.values)
    assert (ends["low"] <= ends["value"]).all()
    assert np.isfinite(ends["high"]).all()
    assert (found.between(found.orders)["low"] >= 0).all()
    low, high = found.total.interval()
    assert low < found.total.value < high


def test_a_share_of_revenue_is_not_taken_of_margins():
    assert terms(horizon_months=12, annual_discount_rate=0.1, margin=0.3, measure="margin").margin == 1
    assert terms(horizon_months=12, annual_discount_rate=0.1, margin=0.3).margin == 0.3


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"horizon_months": 0}, "1 or more"),
        ({"annual_discount_rate": 10.0}, "10% a year"),
        ({"horizon_months": None, "annual_discount_rate": 0.0}, "needs a rate"),
        ({"margin": 30.0}, "0.3 stands for 30%"),
    ],
)
def test_terms_that_no_business_has(wrong, told):
    with pytest.raises(customers.SettingsError, match=told):
        terms(**{"horizon_months": 12, "annual_discount_rate": 0.1, **wrong})


# --- Beside naive rules -------------------------------------------------------------------------------------------


def test_the_naive_formula_by_hand():
    """Of three active in the first half two come back, for 10 and 30; a third of them left."""
    rows = [
        ("a", "2024-01-03", 9),
        ("a", "2024-02-20", 10),
        ("b", "2024-01-04", 9),
        ("b", "2024-02-21", 30),
        ("c", "2024-01-31", 9),
    ]
    found = by_formula(customers.purchases(orders(rows, until="2024-02-29")), margin=0.5)
    assert found.value == pytest.approx(20 * 0.5 / (1 / 3))
    assert found.low < found.value < found.high


def test_the_naive_formula_is_silent_when_nobody_leaves():
    rows = [(who, day, 9) for who in "abc" for day in ("2024-01-01", "2024-02-20")]
    assert isinstance(by_formula(customers.purchases(orders(rows, until="2024-02-29"))), NotTestable)


def test_the_hold_out_knows_what_came():
    found = trial(bought(), ParetoNBD, share=0.5, draws=99, seed=1)
    rows = bought().rows
    came = rows.filter(rows.ordered_on > found.until, rows.first_on <= found.until).value.sum().to_pyarrow().as_py()
    assert found.rows["later"] @ found.rows["weight"] == pytest.approx(came)
    # Most customers stop: whoever lets all go on for ever is far off.
    assert found.gain.low > 0


# --- Where little or nothing can be said -------------------------------------------------------------------------


def days(n: int) -> str:
    return str(START + timedelta(n))


@pytest.mark.parametrize(
    "rows",
    [
        [("only", days(0), 5.0)],
        [(f"p{n}", days(n % 9), 5.0) for n in range(200)],
        [(f"p{n}", days(at), 5.0) for n in range(200) for at in (0, 70)],
    ],
    ids=["one customer", "no repeat order", "all identical"],
)
def test_nothing_is_said_of_customers_who_show_nothing(rows):
    bought = customers.purchases(orders(rows, until=days(200)))
    found = appraise(bought, ParetoNBD, TWO_YEARS)
    assert isinstance(found, NotTestable)
    told = {"family": "Pareto/NBD", "horizon_months": 24, "annual_discount_rate": 0.1, "margin": None, "currency": None}
    page = equity.look(bought, **told, hold_out_share=0.5, draws=9, seed=1)
    for make in (equity.summary, equity.conclusion, equity.way):
        assert isinstance(shown := equity.shown(make, page), Text)
        assert shown.text == page.refused
    assert "No customer can be scored" in equity.scores(page).text


@pytest.mark.parametrize("times", [1e-6, 1e12])
def test_gigantic_and_tiny_amounts_only_change_the_unit(times):
    """To seven digits: a cent's thousandth is lost at the lower end."""
    rows = [(*row[:2], row[3] * times) for row in log(people=300)]
    found = appraise(customers.purchases(orders(rows, until=str(END))), ParetoNBD, TWO_YEARS)
    plain = [(*row[:2], row[3]) for row in log(people=300)]
    same = appraise(customers.purchases(orders(plain, until=str(END))), ParetoNBD, TWO_YEARS)
    assert found.total.value == pytest.approx(same.total.value * times, rel=2e-2 if times < 1 else 1e-5)


def test_every_order_of_the_same_money_is_no_obstacle():
    rows = [(*row[:2], 20.0) for row in log()]
    found = appraise(customers.purchases(orders(rows, until=str(END))), ParetoNBD, TWO_YEARS)
    money = found.order.model.mean_order(found.rows["repeats"], found.rows["mean"])
    assert money == pytest.approx(20)
    assert found.rows["last"].max() < (END - START).days / WEEK


def test_the_next_buying_model_takes_the_place_of_one_that_cannot_be_fitted(monkeypatch):
    told = {
        "family": "Pareto/NBD",
        "horizon_months": 24,
        "annual_discount_rate": 0.1,
        "margin": None,
        "currency": "EUR",
    }
    fitted = equity.appraise

    def unfit(bought, family, *rest, **how):
        return NotTestable("Too much alike.") if family is ParetoNBD else fitted(bought, family, *rest, **how)

    monkeypatch.setattr(equity, "appraise", unfit)
    page = equity.look(bought(), **told, hold_out_share=0.5, draws=99, seed=1)
    assert page.family == "MBG/NBD"
    assert page.instead == "Pareto/NBD cannot be used here: Too much alike. So MBG/NBD takes its place."
    assert "MBG/NBD" in equity.shown(equity.summary, page).caption
    assert "can be scored" in equity.scores(page).text


# --- Contracts ---------------------------------------------------------------------------------------------------


ASKED = {"horizon_years": 5, "annual_discount_rate": 0.1, "annual_revenue": None, "margin": None}


def lab(*, left=(), **tables) -> SimpleNamespace:
    """A study of eight contracts in the second and the ninth year of their life."""
    rows = pd.DataFrame({"customer_id": list("abcdefgh"), "time": [13.0] * 4 + [99.0] * 4, "price": 2.0})
    rows["left"] = rows["customer_id"].isin(list(left))
    here = {"subscriptions": CheckedTable("subscriptions", ibis.memtable(rows), (), (), {"unit": "month"})} | tables
    return SimpleNamespace(has=here.__contains__, table=here.__getitem__, currency="EUR", min_cell=1)


def held(study, **given):
    rates = np.full(LONG, 0.5)
    found = RetentionCurve(rates, np.arange(LONG) < 9, np.tile(rates, (20, 1)), 8, 4)
    return equity.contracts(study, found, **ASKED | given)


def test_contracts_are_valued_together_and_by_age():
    together, by_age = held(lab(), limit="No cohort.")
    left = sum(0.5**k / 1.1 ** (k - 1) for k in range(1, 6))
    # One month of the second year is over, and three of the ninth: 1 - 0.5 / 12 and 1 - 0.5 / 4 of those are here.
    here = {11 / 12: 24 / 23, 9 / 12: 8 / 7}
    now = [rest * (1 + 0.5 * still) / 2 + left * still / 1.1**rest for rest, still in here.items()]
    rows = together.rows.set_index("who")["value"]
    assert rows.iloc[:3].tolist() == pytest.approx(
        [4 * 24 * sum(now), 12 * sum(now), 24 * (1 + left / 1.1 - 0.5**5 / 1.1**5)]
    )
    assert rows["all, from their next year on"] == pytest.approx(8 * 24 * left)
    assert together.title == (
        f"8 present customers are expected to bring in {96 * sum(now):.0f} EUR of revenue within 5 years and the rest "
        "of the running one"
    )
    assert "too high" in together.caption
    assert "One curve of retention for all." in together.caption
    assert by_age.rows[["who", "customers"]].to_numpy().tolist() == [["2", 4], ["5 or later", 4]]


def test_contracts_are_valued_by_segment_where_it_has_a_curve():
    study = lab()
    rows = study.table("subscriptions").rows.to_pandas().assign(plan=["a", "b"] * 4)
    rows = pd.concat([rows, rows.assign(left=True)] * 20)  # thirty leavers make a group
    facts = {"unit": "year", "covariates": ("plan",)}
    study = lab(subscriptions=CheckedTable("subscriptions", ibis.memtable(rows.assign(time=2.0)), (), (), facts))
    rates = np.full(LONG, 0.9)
    own = RetentionCurve(rates, np.arange(LONG) < 9, np.tile(rates, (20, 1)), 8, 4)
    together, by_group = held(study, segments={"a": own, "b": NotTestable("Too few.")})
    left = {rate: sum(rate**k / 1.1 ** (k - 1) for k in range(1, 6)) for rate in (0.5, 0.9)}
    values = together.rows.set_index("who")["value"]
    assert values["all of them"] == pytest.approx(80 * 2 * (left[0.5] + left[0.9]))
    assert values["all, by one curve"] == pytest.approx(160 * 2 * left[0.5])
    assert "a newcomer, a" in values
    assert "a newcomer, b" not in values
    assert "so by the curve of all: b." in together.caption
    assert by_group.rows["value"].tolist() == pytest.approx([2 * left[0.9], 2 * left[0.5]])
    assert "running year is left out" in together.caption


def test_contracts_without_value_say_why():
    (nobody,) = held(lab(left="abcdefgh"))
    assert "Nobody is left" in nobody.text
    assert "orders" in held(SimpleNamespace(has=lambda _: False))[0].text
    assert equity.contracts(lab(), NotTestable("Too few."), **ASKED)[0].text == "Too few."
    assert len(held(lab(left="abcd"))) == 1
