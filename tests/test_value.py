"""What better retention is worth: properties that hold for any curve, and small cases worked in the head."""

from dataclasses import replace

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis import value, worth
from analysis.checks import CheckedTable
from analysis.estimates import Estimate, NotTestable
from analysis.renewal import LONG, RetentionCurve, retention_curve
from analysis.tables import SettingsError
from analysis.value import CONTRIBUTION, ENDLESS, NET_VALUE, OUTCOMES, PROFIT, VALUE, Case, Costs

POINTS, RELATIVE, CHURN = value.readings(0.05)
KNOWN = Costs(margin=0.3, annual_revenue=100.0, acquisition_cost=40.0, annual_fixed_cost=500.0, yearly_intake=50)

COUNTED = ["time", "left", "entered", "weight"]

rates_between = st.floats(0.3, 0.94)
curves = arrays(float, st.integers(2, 15), elements=rates_between)
conventions = st.sampled_from(value.CONVENTIONS)
discounts = st.floats(0.0, 0.3)


def curve(rates, *, observed=6, draws=None, events=400):
    """A curve whose every resample is the curve itself, unless told otherwise."""
    rates = np.asarray(rates, dtype=float)
    draws = np.tile(rates, (20, 1)) if draws is None else draws
    return RetentionCurve(rates, np.arange(len(rates)) < observed, draws, 1000, events)


def growths(of, **changes):
    asked = {"change": 0.05, "horizon_years": 10, "annual_discount_rate": 0.10, "costs": KNOWN} | changes
    return value.growths(of, **asked)


def grown(rates, reading, *, convention="B", discount_rate=0.0):
    rates = np.asarray(rates)
    before = value.customer_years(rates, convention=convention, discount_rate=discount_rate)
    better = value.improve(rates, reading, change=0.05)
    return value.customer_years(better, convention=convention, discount_rate=discount_rate) / before - 1


# --- the number of margins -----------------------------------------------------------------------------------------


def test_three_years_at_one_half_by_hand():
    half = np.array([0.5, 0.5, 0.5])
    # A: 1/2 + 1/4 + 1/8. B: 1 + 1/2 + 1/4.
    assert value.customer_years(half, convention="A") == 0.875
    assert value.customer_years(half, convention="B") == 1.75


def test_discounting_halves_each_later_year_at_one_hundred_per_cent():
    sure = np.ones(3)
    assert value.customer_years(sure, convention="A", discount_rate=1.0) == 0.875
    assert value.customer_years(sure, convention="B", discount_rate=1.0) == 1.75


@given(rates_between, st.sampled_from(value.readings(0.05)), discounts)
def test_a_long_curve_of_one_rate_grows_as_the_closed_form_says(retention, reading, discount_rate):
    change = value.improve(np.array([retention]), reading, change=0.05)[0] - retention
    closed = value.constant_growth(retention, change, discount_rate=discount_rate)
    # What 2,500 years leave out is of the order of 0.99 to that power, 1e-11.
    assert grown(np.full(2500, retention), reading, discount_rate=discount_rate) == pytest.approx(closed, rel=1e-9)


@given(curves, conventions, discounts)
def test_the_elasticity_is_the_slope_for_a_tiny_relative_rise(rates, convention, discount_rate):
    tiny = 1e-6
    before, after = (
        value.customer_years(r, convention=convention, discount_rate=discount_rate) for r in (rates, rates * (1 + tiny))
    )
    # A forward difference errs by about tiny times the curvature, here below 15 squared.
    slope = (after / before - 1) / tiny
    assert value.duration(rates, convention=convention, discount_rate=discount_rate) == pytest.approx(slope, abs=1e-3)


@given(curves)
def test_curves_are_taken_one_a_row(rates):
    stack = np.vstack([rates, rates / 2])
    for convention in value.CONVENTIONS:
        together = value.customer_years(stack, convention=convention, discount_rate=0.1)
        alone = [value.customer_years(row, convention=convention, discount_rate=0.1) for row in stack]
        assert together == pytest.approx(alone)


@given(rates_between, st.integers(1, 12))
def test_the_average_of_a_constant_curve_is_its_rate(retention, years):
    assert value.average_retention(np.full(years, retention)) == pytest.approx(retention)


# --- the three readings --------------------------------------------------------------------------------------------


@given(rates_between)
def test_five_per_cent_fewer_departures_always_give_5_263_per_cent_without_discount(retention):
    # Lifetimes are one over churn, so churn times 0.95 makes them 1/0.95 times as long, wherever one starts.
    assert grown(np.full(4000, retention), CHURN) == pytest.approx(1 / 0.95 - 1, rel=1e-9)


@given(st.tuples(rates_between, rates_between).map(sorted).filter(lambda two: two[1] - two[0] > 1e-3))
def test_five_points_are_worth_more_where_more_customers_stay(two):
    lower, higher = two
    assert grown(np.full(10, lower), POINTS) < grown(np.full(10, higher), POINTS)


@given(curves, conventions, discounts)
def test_five_points_beat_a_relative_rise_and_both_beat_fewer_departures_above_one_half(
    rates, convention, discount_rate
):
    rates = np.maximum(rates, 0.51)
    points, relative, churn = (
        grown(rates, reading, convention=convention, discount_rate=discount_rate) for reading in value.readings(0.05)
    )
    assert points > relative > churn > 0


@given(arrays(float, st.integers(1, 15), elements=st.floats(0.0, 1.0)), st.sampled_from(value.readings(0.05)))
def test_a_change_never_lowers_a_rate_and_never_passes_the_cap(rates, reading):
    better = value.improve(rates, reading, change=0.05)
    assert (better >= rates).all()
    assert (better <= np.maximum(rates, value.CAP)).all()


def test_readings_are_named_after_the_change():
    assert value.readings(0.02) == ("plus 2 points", "times 1.02", "churn times 0.98")


@pytest.mark.parametrize("change", [0, -0.05, 1, 5])
def test_a_change_that_is_no_share_is_refused(change):
    with pytest.raises(SettingsError, match="between 0 and 1"):
        value.readings(change)


# --- costs ---------------------------------------------------------------------------------------------------------


def test_absent_costs_are_named_and_nothing_is_assumed():
    answers = growths(curve(np.full(100, 0.8)), costs=Costs(margin=0.3))
    net = answers[Case(POINTS, NET_VALUE, "B", "10 years")]
    profit = answers[Case(POINTS, PROFIT, "B", "10 years")]
    assert net.reason == "Needs annual_revenue and acquisition_cost: set them for the study."
    assert "Needs annual_revenue, acquisition_cost, annual_fixed_cost and yearly_intake" in profit.reason
    assert isinstance(answers[Case(POINTS, VALUE, "B", "10 years")], Estimate)
    assert isinstance(answers[Case(POINTS, CONTRIBUTION, "B", "10 years")], Estimate)


@given(st.floats(0.01, 1.0), st.floats(1.0, 1e5))
@settings(max_examples=20)
def test_the_headline_does_not_depend_on_the_margin(margin, revenue):
    headline = Case(POINTS, CONTRIBUTION, "B", "10 years")
    of = curve(np.full(100, 0.8))
    assert (
        growths(of, costs=Costs(margin=margin, annual_revenue=revenue))[headline].value
        == growths(of, costs=Costs())[headline].value
    )


def test_the_headline_does_not_depend_on_the_discount_rate():
    headline = Case(POINTS, CONTRIBUTION, "B", "10 years")
    of = curve(np.full(100, 0.8))
    assert (
        growths(of, annual_discount_rate=0.0)[headline].value == growths(of, annual_discount_rate=0.2)[headline].value
    )


def test_acquisition_cost_multiplies_growth_by_value_over_value_less_cost():
    of = curve(np.full(100, 0.8))
    answers = growths(of)
    worth = 30 * value.customer_years(of.rates[:10], convention="B", discount_rate=0.10)
    gross, net = (answers[Case(POINTS, outcome, "B", "10 years")].value for outcome in (VALUE, NET_VALUE))
    assert net == pytest.approx(gross * worth / (worth - 40))
    assert net == pytest.approx(gross * value.cost_multiplier(40 / worth))


def test_profit_is_contribution_less_acquisition_of_the_intake_less_fixed_cost():
    of = curve(np.full(100, 0.8))
    profit = growths(of)[Case(POINTS, PROFIT, "B", "10 years")].value
    before, after = (
        50 * 30 * value.customer_years(r[:10], convention="B") - 50 * 40 - 500
        for r in (of.rates, value.improve(of.rates, POINTS, change=0.05))
    )
    assert profit == pytest.approx(after / before - 1)


def test_a_loss_to_begin_with_has_no_growth_rate():
    dear = Costs(margin=0.3, annual_revenue=100, acquisition_cost=1000)
    answer = growths(curve(np.full(100, 0.8)), costs=dear)[Case(POINTS, NET_VALUE, "B", "10 years")]
    assert "a loss has no growth rate" in answer.reason


def test_a_loss_in_many_resamples_leaves_no_interval():
    rates = np.full(100, 0.5)
    worth = float(30 * value.customer_years(rates[:10], convention="B", discount_rate=0.1))
    draws = np.vstack([np.full((50, 100), 0.45), np.full((50, 100), 0.55)])
    close = Costs(margin=0.3, annual_revenue=100, acquisition_cost=worth - 0.5)
    answer = growths(curve(rates, draws=draws), costs=close)[Case(POINTS, NET_VALUE, "B", "10 years")]
    assert "exists in only 50 of 100" in answer.reason


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"margin": 30}, "share of revenue"),
        ({"margin": 0}, "above 0"),
        ({"annual_revenue": -1}, "above 0"),
        ({"acquisition_cost": -1}, "at least 0"),
        ({"yearly_intake": 0}, "above 0"),
    ],
)
def test_amounts_no_business_has_are_refused(wrong, said):
    with pytest.raises(SettingsError, match=said):
        Costs(**wrong)


# --- growth over all cases -----------------------------------------------------------------------------------------


def test_every_reading_outcome_convention_and_horizon_has_an_answer():
    answers = growths(curve(np.full(100, 0.8)))
    assert len(answers) == 3 * 4 * 2 * 3
    assert {case.outcome for case in answers} == set(OUTCOMES)
    assert all(isinstance(answer, Estimate) for answer in answers.values())


def test_without_end_agrees_with_the_closed_form():
    answer = growths(curve(np.full(LONG, 0.8)))[Case(POINTS, VALUE, "B", ENDLESS)]
    # Golden: 20% at i = 0.10 and r = 0.80.
    assert answer.value == pytest.approx(0.20)


def test_an_endless_sum_that_does_not_settle_is_not_testable_but_its_discounted_value_is():
    # Renewal rates that rise as in a shifted-beta-geometric curve with alpha 0.704: no finite mean lifetime.
    years = np.arange(1, LONG + 1)
    rising = (1.182 + years - 1) / (0.704 + 1.182 + years - 1)
    answers = growths(curve(rising))
    assert "may not be finite" in answers[Case(CHURN, CONTRIBUTION, "B", ENDLESS)].reason
    assert isinstance(answers[Case(CHURN, VALUE, "B", ENDLESS)], Estimate)


def test_the_observed_span_is_what_was_seen_without_a_gap():
    of = RetentionCurve(
        np.full(20, 0.8), np.array([True, True, False, True] + [False] * 16), np.full((5, 20), 0.8), 9, 9
    )
    assert of.observed_years == 2
    answer = growths(of)[Case(POINTS, CONTRIBUTION, "B", "observed years")]
    # Two starts of a year: 1 + 0.8 becomes 1 + 0.85.
    assert answer.value == pytest.approx(1.85 / 1.8 - 1)


def test_nothing_observed_leaves_the_observed_span_untestable():
    answer = growths(curve(np.full(50, 0.8), observed=0))[Case(POINTS, CONTRIBUTION, "B", "observed years")]
    assert "not observed in one whole year" in answer.reason


def test_what_comes_for_certain_makes_growth_smaller():
    """A first order worth half a year: 1.8 years become 1.85 of 2.3 in all."""
    of = replace(curve(np.full(50, 0.8), observed=0), first=np.full(21, 0.5))
    answer = value.growth(of, POINTS, change=0.05, years=2)
    assert answer.value == pytest.approx(0.05 / 2.3)
    assert answer.interval() == pytest.approx((0.05 / 2.3, 0.05 / 2.3))
    assert "paid as they come" in value.growth(of, POINTS, change=0.05, years=2, convention="A").reason
    # Costs of half a year take just what is certain.
    assert value.growth(of, POINTS, change=0.05, years=2, burden=0.5).value == pytest.approx(0.05 / 1.8)


def test_what_is_still_to_come_grows_with_the_rate():
    of = curve(np.append([0.5], np.full(399, 0.8)))
    # A year at 80% for ever is worth 0.8 / (1 - 0.8 / 1.1) of the year at hand, to six decimals after 400 years.
    old = value.still_to_come(of, year=2, discount_rate=0.10)
    assert (old.unit, old.value) == ("years", pytest.approx(0.8 / (1 - 0.8 / 1.1)))
    young = value.still_to_come(of, year=1, discount_rate=0.10)
    assert young.value == pytest.approx(0.5 * (1 + old.value / 1.1))
    rising = curve(1 - 0.5 / np.arange(1, 401))
    assert "may not be finite" in value.still_to_come(rising, year=1, discount_rate=0.0).reason
    assert value.still_to_come(NotTestable("no"), year=1, discount_rate=0.1).reason == "no"


def test_no_curve_passes_its_reason_on():
    answers = growths(NotTestable("only 3 customers left"))
    assert len(answers) == 72
    assert {answer.reason for answer in answers.values()} == {"only 3 customers left"}


def test_the_interval_is_as_wide_as_the_resamples_spread():
    low, high = np.full((1, 50), 0.7), np.full((1, 50), 0.9)
    draws = np.repeat(np.vstack([low, high]), 500, axis=0)
    answer = growths(curve(np.full(50, 0.8), draws=draws))[Case(POINTS, CONTRIBUTION, "B", "10 years")]
    # Two values, equally often: their standard deviation is half of what lies between them.
    spread = abs(grown(high[0, :10], POINTS) - grown(low[0, :10], POINTS)) / 2
    assert answer.interval() == pytest.approx((answer.value - 1.959964 * spread, answer.value + 1.959964 * spread))


def test_intervals_hold_the_truth_as_often_as_they_say_even_where_rates_reach_the_cap():
    """200 cohorts of 1,000 whose later rates can hardly take five points in full, 199 resamples each."""
    truth = np.array([0.75, 0.81, 0.86, 0.89, 0.91, 0.93, 0.94, 0.94, 0.94, 0.95])
    survival = np.cumprod(truth)
    leaving = np.append(-np.diff(survival, prepend=1), survival[-1])
    random, covered = np.random.default_rng(5), 0
    for cohort in random.multinomial(1000, leaving, size=200):
        counts = np.vstack([cohort, random.multinomial(1000, cohort / 1000, size=199)])
        at_risk = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
        seen, *draws = at_risk[:, 1:] / at_risk[:, :-1]
        answer = value.growth(curve(seen, draws=np.array(draws)), POINTS, change=0.05, years=10)
        covered += answer.low <= grown(truth, POINTS) <= answer.high
    # At 95% 190 of 200 are expected, standard deviation 3.1; percentile intervals hold the truth in 82%.
    assert covered >= 190 - 3 * 3.1


@pytest.mark.parametrize("years", [0, 100])
def test_a_horizon_outside_the_curve_is_refused(years):
    with pytest.raises(SettingsError, match="between 1 and 99"):
        growths(curve(np.full(100, 0.8)), horizon_years=years)


# --- what it may cost ----------------------------------------------------------------------------------------------


@given(curves)
@settings(max_examples=30)
def test_spending_the_break_even_share_leaves_customers_worth_what_they_were(rates):
    for reading in value.readings(0.05):
        answer = value.break_even_spend(curve(rates), reading, change=0.05, years=len(rates))
        after = (1 - answer.value) * value.customer_years(value.improve(rates, reading, change=0.05), convention="B")
        assert after == pytest.approx(value.customer_years(rates, convention="B"))


def test_doubled_lifetimes_are_worth_half_the_margin():
    # 90% to 95% without end and without discount: ten years become twenty, so half of each margin may be spent.
    spend = value.break_even_spend(curve(np.full(4000, 0.9)), POINTS, change=0.05, years=4000)
    assert spend.value == pytest.approx(0.5)


def test_five_points_on_ninety_per_cent_halve_the_departures():
    avoided = value.departures_avoided(curve(np.full(50, 0.9)), POINTS, change=0.05, years=10)
    assert avoided.value == pytest.approx(0.5)


@given(curves)
@settings(max_examples=30)
def test_five_per_cent_fewer_departures_are_five_per_cent_fewer_on_any_curve(rates):
    avoided = value.departures_avoided(curve(rates), CHURN, change=0.05, years=len(rates))
    assert avoided.value == pytest.approx(0.05)


# --- from spells to a curve ----------------------------------------------------------------------------------------


def spells(lost_each_year, stay, **columns):
    """A cohort in years: so many leave at the end of each year, the rest stay to the last."""
    years = range(1, len(lost_each_year) + 1)
    rows = [(float(year), True, 0.0, lost) for year, lost in zip(years, lost_each_year, strict=True)]
    table = pd.DataFrame([*rows, (float(len(lost_each_year)), False, 0.0, stay)], columns=COUNTED)
    return table.assign(**columns)


def test_a_curve_is_observed_then_foretold():
    found = retention_curve(spells([200, 120, 80, 60], 540), unit="year", draws=50, seed=1)
    assert found.rates[:4] == pytest.approx([0.8, 680 / 800, 600 / 680, 540 / 600])
    assert found.observed_years == 4
    assert found.draws.shape == (50, LONG)
    assert (found.customers, found.events) == (1000, 460)
    # The model's customers differ, so those who are left leave less and less.
    assert (np.diff(found.rates[4:]) > 0).all()


@pytest.mark.parametrize(
    ("lost", "stay", "said"),
    [([0, 0], 500, "Nobody has left"), ([10, 5], 3, "at least 30"), ([40, 0], 0, "customers")],
)
def test_customers_that_show_no_curve_say_why_all_the_way(lost, stay, said):
    found = retention_curve(spells(lost, stay), unit="year", draws=20, seed=1)
    assert said in found.reason
    assert {answer.reason for answer in growths(found).values()} == {found.reason}
    assert value.average(found, years=10) == found
    assert worth.retention_table(found, years=20).empty
    assert worth.sweep_horizon(found, change=0.05, longest=20).empty
    assert worth.reading_table(found, change=0.05, years=10, annual_margin=30)["break_even"].isna().all()
    assert worth.told_curve(found) == (found.reason, "")


def contracts(rows, **facts):
    """A checked table of spells as the engine holds it."""
    return CheckedTable("subscriptions", ibis.memtable(rows), (), (), {"unit": "year", "covariates": ("plan",)} | facts)


@pytest.fixture(scope="module")
def three_plans():
    """Two plans of 300 and 200, of whom 90 and 60 leave, and 20 on a third of whom 5 do; a year costs 40 or 60."""
    sizes = {"basic": (300, 90), "full": (200, 60), "trial": (20, 5)}
    return pd.DataFrame(
        [
            {"time": 1.0 + (i % 2) if i < lost else 3.0, "left": i < lost, "entered": 0.0, "plan": plan}
            for plan, (size, lost) in sizes.items()
            for i in range(size)
        ]
    ).assign(price=lambda t: np.where(t["plan"] == "basic", 40.0, 60.0))


@pytest.mark.parametrize("by", ["", "plan"])
def test_segments_are_the_first_covariate_with_small_ones_put_together(three_plans, by):
    curves = value.curves_by(contracts(three_plans), by, draws=10, seed=1)
    # Five leavers are too few for a curve, so the trial joins the next smallest plan.
    assert {name: c.customers for name, c in curves.items()} == {"basic": 300, "other": 220}


def test_a_table_without_covariates_has_no_segments(three_plans):
    assert value.curves_by(contracts(three_plans, covariates=()), "", draws=10, seed=1) == {}


def test_revenue_is_the_price_of_a_period_times_periods_unless_stated(three_plans):
    yearly = 40 * 300 / 520 + 60 * 220 / 520
    assert value.annual_revenue(contracts(three_plans), stated=None) == pytest.approx(yearly)
    assert value.annual_revenue(contracts(three_plans, unit="month"), stated=None) == pytest.approx(12 * yearly)
    assert value.annual_revenue(contracts(three_plans), stated=99.0) == 99.0


def test_dated_contracts_do_not_say_what_span_a_price_is_for(three_plans):
    assert value.annual_revenue(contracts(three_plans, unit="day"), stated=None) is None
    assert value.annual_revenue(contracts(three_plans.drop(columns="price")), stated=None) is None


@given(st.floats(0.1, 3.0), st.floats(0.0, 0.15))
def test_the_baseline_needed_gives_the_growth_asked(growth, discount_rate):
    baseline = value.baseline_needed(growth, change=0.05, discount_rate=discount_rate)
    if 0 < baseline <= 0.95:
        assert value.constant_growth(baseline, 0.05, discount_rate=discount_rate) == pytest.approx(growth)


# --- who is there, and what they are worth -------------------------------------------------------------------------

THERE = pd.DataFrame(
    {
        "customer_id": list("abcd"),
        "time": [3.0, 11.0, 12.0, 5.0],
        "left": [False, False, False, True],
        "entered": 0.0,
        "price": [1.0, None, -2.0, 9.0],
    }
)
# Half of the customers stay every year. A year later money counts 1 / 1.1: the next payment at once, then one more.
HALVES, TWO_MORE = curve(np.full(LONG, 0.5)), 0.5 + 0.25 / 1.1


def present(rows=THERE, unit="month", **given):
    return value.payers(
        contracts(rows, unit=unit, covariates=()), **{"described": None, "stated": None, "margin": None} | given
    )


def test_present_customers_are_worth_what_they_pay_times_what_is_left_by_hand():
    who = present()
    # d has left. a pays 12 a year and so, nobody knowing better, does b; c is in year two and costs 24.
    assert who.table[["year", "customers", "pays"]].to_numpy().tolist() == [[1, 2, 12], [2, 1, -24]]
    assert (who.unit, who.measure) == ("money", "revenue")
    asked = {"discount_rate": 0.1, "years": 2}
    assert value.expected_from(HALVES, who, **asked).value == pytest.approx((24 - 24) * TWO_MORE, abs=1e-12)
    loss = replace(who, table=who.table[1:])
    assert value.expected_from(HALVES, loss, **asked).value == pytest.approx(-24 * TWO_MORE)
    assert value.expected_from(HALVES, replace(who, table=who.table[:1]), each=True, **asked).value == pytest.approx(
        12 * TWO_MORE
    )


def test_what_is_left_of_the_running_year_counts_as_it_is_paid():
    # a is 3 months old and b 11, so on average 5 of 12 months lie ahead; c has just begun its second year.
    who = present()
    assert who.table["ahead"].tolist() == pytest.approx([5 / 12, 1])
    asked = {"discount_rate": 0.1, "years": 2, "today": True}
    second = value.expected_from(HALVES, replace(who, table=who.table[1:]), **asked)
    # Half of those who have a year ahead leave in it, at any day: it brings three quarters; what follows, a year later.
    assert second.value == pytest.approx(-24 * (0.75 + TWO_MORE / 1.1))
    first = value.expected_from(HALVES, replace(who, table=who.table[:1]), **asked)
    # Of those who began, 1 - 0.5 * 7/12 are here now, and half see the year end: 0.5 / (17/24) = 12/17 of the present.
    rest = 5 / 12 * (1 + 12 / 17) / 2 + TWO_MORE * 24 / 17 / 1.1 ** (5 / 12)
    assert first.value == pytest.approx(2 * 12 * rest)
    assert not present(unit="year").table["ahead"].any()


def test_segments_are_valued_on_curves_of_their_own(three_plans):
    table = contracts(three_plans, unit="month")
    who = value.payers(table, described=None, stated=1.0, margin=None)
    assert set(who.table["group"]) == set(value.curves_by(table, "", draws=10, seed=1))
    rates = {name: np.full(LONG, rate) for name, rate in {"basic": 0.5, "all": 0.8}.items()}
    wobble = np.random.default_rng(1).normal(0, 0.01, (2, 400, 1))
    own, pooled = (curve(rate, draws=rate + drawn) for rate, drawn in zip(rates.values(), wobble, strict=True))
    found = value.expected_from(pooled, who, discount_rate=0.1, years=1, own={"basic": own})
    basic = who.table["group"] == "basic"
    mine, others = who.table.loc[basic, "customers"].sum(), who.table.loc[~basic, "customers"].sum()
    assert found.value == pytest.approx(0.5 * mine + 0.8 * others)
    # The curves err independently; 400 draws know a spread to 3.5%.
    assert found.high - found.value == pytest.approx(1.96 * 0.01 * np.hypot(mine, others), rel=0.1)


def test_a_newcomer_pays_the_first_year_at_once():
    who = present(stated=10.0, margin=0.5)
    assert (who.unit, who.measure) == ("money", "margin")
    assert value.from_newcomer(HALVES, who, discount_rate=0.1, years=2).value == pytest.approx(5 * (1 + 0.5 / 1.1))
    # Without end: a geometric series in 0.5 / 1.1.
    assert value.from_newcomer(HALVES, who, discount_rate=0.1).value == pytest.approx(5 / (1 - 0.5 / 1.1))


def test_a_margin_of_their_own_goes_before_the_price_and_may_be_a_loss():
    own = pd.DataFrame({"customer_id": list("abc"), "margin": [7.0, -9.0, None]})
    who = present(described=CheckedTable("customers", ibis.memtable(own), (), (), {}))
    # Of c, whose margin nobody knows, the mean of the others is supposed.
    assert who.table[["year", "customers", "pays"]].to_numpy().tolist() == [[1, 2, -1], [2, 1, -1]]
    assert who.measure == "margin"


def test_payments_are_counted_where_no_money_is_known():
    who = present(THERE.drop(columns="price"))
    assert (who.unit, set(who.table["pays"])) == ("years", {1.0})
    assert present(unit="day").unit == "years"


def test_the_interval_of_a_sum_is_that_of_the_curve():
    drawn = np.random.default_rng(1).normal(0.5, 0.02, (400, 1)) * np.ones(LONG)
    who, unsure = present(stated=1.0), curve(np.full(LONG, 0.5), draws=drawn)
    found = value.expected_from(unsure, who, discount_rate=0.1, years=1)
    # Three customers pay 1 each next year if they stay: 3 times the rate's own interval, whose spread has 400 draws.
    assert (found.value, found.high) == pytest.approx((1.5, 1.5 + 3 * 1.96 * 0.02), rel=0.02)


def test_there_is_no_value_without_customers_or_without_an_end():
    assert isinstance(present(THERE.assign(left=True)), NotTestable)
    assert isinstance(present(THERE.assign(price=np.nan)), NotTestable)
    certain = curve(np.full(LONG, 0.999))
    assert "does not settle" in value.expected_from(certain, present(), discount_rate=0.0).reason
    assert isinstance(value.expected_from(NotTestable("No."), present(), discount_rate=0.1), NotTestable)
