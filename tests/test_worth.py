"""The readings, tables and sentences of the page on what five per cent is worth."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_silence import shop
from test_value import CHURN, POINTS, curve, growths

from analysis import hypotheses, studies, value, worth
from analysis.estimates import Estimate, NotTestable
from analysis.lifetimes import ALL
from analysis.value import CONTRIBUTION, ENDLESS, NET_VALUE, PROFIT, VALUE, Costs


@pytest.fixture
def bundled():
    return {"renewals": studies.open_study("renewals")}


@pytest.fixture
def make_shop(monkeypatch):
    """A study of invented orders alone, of a kind that `test_silence.shop` knows."""

    def make(kind):
        monkeypatch.setattr(worth, "purchases", lambda orders, **_: orders)
        return SimpleNamespace(has=lambda table: table == "orders", table=lambda _: shop(kind))

    return make


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.1, 0.2, "below"), (0.3, 0.4, "inside"), (0.2, 0.3, "partly inside"), (1.1, 1.2, "above")],
)
def test_an_interval_has_its_place_against_the_claimed_range(low, high, said):
    answer = Estimate.from_draws((low + high) / 2, np.array([low, high]), unit="growth", n=9)
    assert worth.place(answer, 0.25, 1.0) == f"{said} the claimed range"


def test_the_judged_readings_begin_with_the_headline():
    of = curve(np.full(100, 0.8))
    segments = {"north": value.growth(of, POINTS, change=0.05, years=10)}
    judged = worth.claim_readings(growths(of), segments, change=0.05, horizon_years=10)
    assert next(iter(judged)) == "plus 5 points, yearly contribution"
    # Three readings of four outcomes, two more horizons and the other timing of the headline, one segment.
    assert len(judged) == 12 + 2 + 1 + 1
    assert judged["plus 5 points, yearly contribution, north"].value == judged[next(iter(judged))].value


def based(lead=ALL, limit=None):
    return worth.Basis((), "customers", lead, NotTestable("none"), {}, ("", "", ""), limit, None)


def grown(*values):
    return [Estimate.normal(each, 0.01, unit="growth", n=9) for each in values]


def test_only_a_true_cohort_and_the_claims_own_change_reach_a_verdict():
    claim = hypotheses.get("R01").rule
    assert worth.claim_limit(based(), claim, grown(0.5, 0.1), change=0.05) is None
    assert worth.claim_limit(based(limit="A cross-section."), claim, grown(0.5), change=0.05) == "A cross-section."
    said = worth.claim_limit(based(), claim, grown(0.5), change=0.02)
    assert said == "The claim speaks of 5%, and this run asks about 2%."


def test_buying_models_must_agree_on_the_verdict():
    claim, shop = hypotheses.get("R01").rule, based("Pareto/NBD")
    assert worth.claim_limit(shop, claim, grown(0.1, 0.15, 0.2), change=0.05) is None
    said = worth.claim_limit(shop, claim, grown(0.1, 0.15, 0.5), change=0.05)
    assert said.endswith("their verdicts are contradicted, contradicted and supported.")
    # The leading model with and without first orders is one model.
    alone = worth.claim_limit(shop, claim, [*grown(0.1, 0.15), NotTestable("no gain")], change=0.05)
    assert alone.endswith("only one has anything to say.")


TAKEN = {"by": "", "returns": "purchases", "order": "day", "draws": 20, "seed": 1}


def test_contracts_are_the_basis_where_there_are_any(bundled):
    base = worth.basis(bundled["renewals"], stated=None, **TAKEN)
    assert (base.noun, base.lead, base.limit, base.annual_revenue) == ("customers", ALL, None, None)
    assert list(base.others) == ["High End", "Regular"]
    size, span, note = base.told
    assert size == "2,000 customers, of whom 1,433 were seen to leave."
    assert "a true cohort" in span
    # Both segments' shapes lie below 1, and so does the shape of the two together.
    assert note.startswith("In the renewal model a stay has no expected end (its alpha is 0.567")
    lines = worth.retention_lines(base, years=20)
    assert list(lines["line"].unique()) == ["observed", "projected"]


def test_orders_are_the_basis_else_with_a_line_a_model(make_shop):
    base = worth.basis(make_shop("leaving"), stated=None, **TAKEN)
    assert (base.noun, base.lead) == ("repeat orders", "Pareto/NBD")
    assert list(base.others) == ["BG/NBD", "MBG/NBD", worth.REPEATS]
    assert "inferred from silence" in base.told[1]
    # Ten an order, and so many repeat orders in the first year of a customer.
    assert base.annual_revenue == pytest.approx(10 / base.curve.first[0])
    assert set(worth.retention_lines(base, years=3)["line"]) == {"Pareto/NBD", "BG/NBD", "MBG/NBD"}
    refused = replace(base, others=base.others | {"BG/NBD": NotTestable("It does not fit.")})
    drawn = worth.retention_lines(refused, years=3)
    assert set(drawn["line"]) == {"Pareto/NBD", "MBG/NBD"}
    assert all(pd.api.types.is_numeric_dtype(drawn[name]) for name in ("x", "y", "low", "high")), "or no chart"
    with_first, without = (
        value.growth(of, POINTS, change=0.05, years=10) for of in (base.curve, base.others[worth.REPEATS])
    )
    assert with_first.value < without.value


def test_a_shop_where_nobody_comes_again_says_so_all_the_way(make_shop):
    base = worth.basis(make_shop("once"), stated=None, **TAKEN)
    assert base.told[0] == "0 customers bought again; at least 30 are needed."
    assert value.growth(base.curve, POINTS, change=0.05, years=10).reason == base.told[0]
    assert worth.retention_lines(base, years=3).empty
    still = worth.still_table(base.curve, years=5, discount_rate=0.1)
    assert worth.told_still(still) == "Nothing can be told of what is still to come"


def test_what_is_still_to_come_is_drawn_by_year_of_life():
    still = worth.still_table(curve(np.append([0.5], np.full(399, 0.8))), years=3, discount_rate=0.10)
    assert list(still["x"]) == [1, 2, 3]
    assert (
        worth.told_still(still)
        == "Still to come from a new customer: 1.83 years of margin; from one in year 3: 2.93 years"
    )


def test_the_case_table_has_a_row_a_timing_and_a_column_a_horizon():
    table = worth.case_table(growths(curve(np.full(100, 0.8)), costs=Costs()))
    assert list(table.columns) == ["reading", "outcome", "timing", "10 years", "observed years", ENDLESS]
    # Two of four outcomes need no cost; the others have no answer, and no row.
    assert len(table) == 3 * 2 * 2
    assert not table["outcome"].isin([NET_VALUE, PROFIT]).any()
    assert len(worth.case_table(growths(NotTestable("No curve."), costs=Costs()))) == 3 * 4 * 2
    # Golden: 20% at i = 0.10 and r = 0.80, value of a customer, first margin at once, plus 5 points.
    row = table.set_index(["reading", "outcome", "timing"]).loc[(POINTS, VALUE, "B")]
    assert row[ENDLESS] == "+20% (+20 to +20%)"


def test_each_reason_is_given_once():
    told = worth.reasons(growths(curve(np.full(100, 0.8)), costs=Costs()))
    assert told.count("Needs margin, annual_revenue and acquisition_cost:") == 1


def test_the_range_table_holds_one_convention_and_the_horizon():
    table = worth.range_table(growths(curve(np.full(100, 0.8)), costs=Costs()), horizon_years=10)
    assert len(table) == 6
    assert set(table["label"]) == {VALUE, CONTRIBUTION}
    nothing = worth.range_table(growths(NotTestable("No curve."), costs=Costs()), horizon_years=10)
    assert (len(nothing), set(nothing["note"])) == (12, {"not testable here"})


def test_the_reading_table_prices_the_break_even_where_the_margin_is_known():
    of = curve(np.full(100, 0.9))
    known, unknown = (
        worth.reading_table(of, change=0.05, years=10, annual_margin=margin).set_index("reading")
        for margin in (200.0, None)
    )
    assert known["break_even_amount"].to_list() == pytest.approx(200 * known["break_even"])
    assert unknown["break_even_amount"].isna().all()
    assert known.loc[POINTS, "departures_avoided"] == pytest.approx(0.5)
    assert known.loc[POINTS, "capped_years"] == 0


def test_the_rate_of_the_last_year_is_neither_counted_as_capped_nor_as_a_departure():
    # Years 3 and 4 cannot take five points; 1.05 times 0.96 is 1.008; the fourth rate decides nothing.
    of = curve(np.array([0.80, 0.90, 0.96, 0.97]))
    table = worth.reading_table(of, change=0.05, years=4, annual_margin=None).set_index("reading")
    assert list(table["capped_years"]) == pytest.approx([1 / 3, 1 / 3, 0])
    # Of 100, 20, 8 and 2.88 leave; five points keep 5, 4 and, stopped at 99.9%, 0.72 x 3.9.
    assert table.loc[POINTS, "departures_avoided"] == pytest.approx((5 + 4 + 72 * 0.039) / (20 + 8 + 2.88))
    assert worth.reading_table(of, change=0.05, years=1, annual_margin=None)["departures_avoided"].isna().all()


def test_the_drawn_curve_joins_observed_and_projected_years():
    table = worth.retention_table(curve(np.full(100, 0.8), observed=6), years=10)
    years = {line: list(rows["x"]) for line, rows in table.groupby("line")}
    assert years == {"observed": [1, 2, 3, 4, 5, 6], "projected": [6, 7, 8, 9, 10]}


def test_a_curve_observed_to_the_end_has_no_projected_line():
    assert set(worth.retention_table(curve(np.full(100, 0.8), observed=50), years=10)["line"]) == {"observed"}


def test_in_one_year_nothing_grows_because_the_first_margin_is_certain():
    sweep = worth.sweep_horizon(curve(np.full(100, 0.8)), change=0.05, longest=3)
    points = sweep[sweep["line"] == POINTS].set_index("x")["y"]
    # Starts of a year: 1, 1 + 0.8, 1 + 0.8 + 0.64 become 1, 1.85, 2.5725.
    assert list(points) == pytest.approx([0, 1.85 / 1.8 - 1, 2.5725 / 2.44 - 1])


def test_the_first_horizon_that_reaches_a_growth_is_named():
    sweep = worth.sweep_horizon(curve(np.full(100, 0.8)), change=0.05, longest=10)
    # 2.5725 / 2.44 - 1 is 5.4%, and 1.85 / 1.8 - 1 only 2.8%.
    assert worth.first_year(sweep, POINTS, 0.05) == "once 3 years or more are counted"
    assert worth.first_year(sweep, POINTS, 1.0) == "at none of the horizons drawn"


def test_the_sweep_of_baselines_passes_through_the_golden_numbers():
    at = worth.sweep_baseline(change=0.05, discount_rates=(0.10, 0.0, 0.0)).set_index(["line", "x"])["y"]
    free, dear = "0% discount", "10% discount"
    assert (at[free, 0.75], at[free, 0.9], at[dear, 0.9]) == pytest.approx((0.25, 1.0, 1 / 3))
    assert at.index.is_unique


def test_costs_that_take_half_double_the_growth():
    answers = {POINTS: Estimate.exact(0.2, unit="growth", n=10), CHURN: NotTestable("no")}
    sweep = worth.sweep_costs(answers)
    assert set(sweep["line"]) == {POINTS}
    at = sweep.set_index("x")[["y", "low"]]
    assert (at["y"][0.0], at["y"][0.5], at["low"][0.75]) == pytest.approx((0.2, 0.4, 0.8))
    assert worth.told_share(answers[POINTS], 0.4) == "when costs take 50.0%"


def test_a_sweep_of_nothing_is_an_empty_table_with_its_columns():
    assert list(worth.sweep_costs({}).columns) == worth.LINES
