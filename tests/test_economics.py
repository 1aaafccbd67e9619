"""Costs, churn and branches: by hand on small tables, and in invented worlds whose truth is known."""

import math
from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest
from invented import orders
from judging import judge_again
from scipy import stats

from analysis import customers, economics, findings, hypotheses, steadiness
from analysis.checks import CheckedTable
from analysis.estimates import Estimate, NotTestable

BOOKS = {
    "period": pd.date_range("2024-01-01", periods=4, freq="QS"),
    "revenue": 100.0,
    "acquisition_spend": 1000.0,
    "retention_spend": 500.0,
    "acquisition_hours": 10.0,
    "retention_hours": 40.0,
    "n_new": 20.0,
    "n_lost": 10.0,
    "n_active": [100.0, 110.0, 120.0, 130.0],
}
ONE_ORDER = [("ann", "2024-03-01", 5.0)]


def study(**tables):
    """A study that has these tables."""
    checked = {name: CheckedTable(name, ibis.memtable(rows), (), (), {}) for name, rows in tables.items()}
    return SimpleNamespace(
        name="shop",
        title="a shop",
        currency="EUR",
        smallest_effects={},
        simulated=False,
        has=checked.__contains__,
        table=checked.get,
    )


def books(**other):
    return pd.DataFrame({**BOOKS, **other})


def an_experiment(treated, control, n=1000, outcome="retained"):
    """So many of n with the outcome in either arm."""
    rows = [("offer", i < treated) for i in range(n)] + [("control", i < control) for i in range(n)]
    return pd.DataFrame(rows, columns=["arm", outcome])


def verdict(claim, readings, **more):
    told = {"headline": next(iter(readings)), "design": "invented", **more}
    entry = findings.record(claim, study=study(), readings=readings, **told).headline
    assert judge_again(entry) == entry["verdict"]
    return entry["verdict"]


# --- what is missing is named -------------------------------------------------------------------------------------

NEEDS = {
    "finances": books(),
    "experiments": an_experiment(500, 400),
    "costs": pd.DataFrame({"customer_id": ["ann"], "period": [pd.Timestamp("2024-01-01")], "serving_cost": [1.0]}),
    "units": pd.DataFrame({"unit": ["a"], "period": [pd.Timestamp("2024-01-01")], "profit": [1.0]}),
    "promotions": pd.DataFrame({"customer_id": ["ann"], "assigned": [True], "kind": ["retention"]}),
}


def all_readings(shop):
    bought = customers.purchases(orders(ONE_ORDER, until="2024-12-31"))
    saved, gained = economics.trial(shop, "retained"), economics.trial(shop, "acquired")
    people = steadiness.three_periods(bought, days=steadiness.period_length(bought))
    return economics.readings(shop, bought, saved=saved, gained=gained, people=people, draws=20, seed=1)


@pytest.mark.parametrize("brought", [[], ["finances"], ["costs", "units"], [*NEEDS]])
def test_every_claim_has_an_answer_whatever_is_missing(brought):
    found = all_readings(study(**{name: NEEDS[name] for name in brought}))
    assert sorted(found) == ["R03", "R04", "R08", "R11", "R12", "R13", "R14", "R15"]
    for claim, readings in found.items():
        told = {"headline": next(iter(readings)), "design": "none", "rung": "A"}
        for row in findings.record(claim, study=study(), readings=readings, **told).entries:
            # Four quarters of costs and hours, with a trial, are all that is ever complete here.
            assert row["verdict"] == "not testable" or (claim in ("R03", "R04", "R12") and brought)
            assert len(row["reason"]) > 30


def test_the_missing_table_or_column_is_named():
    nothing, half = all_readings(study()), all_readings(study(costs=NEEDS["costs"], units=NEEDS["units"]))
    assert "no finances table" in nothing["R03"]["money"].reason
    assert "no costs table" in nothing["R08"][economics.WITHIN].reason
    assert "no column marketing_cost" in half["R08"][economics.WITHIN].reason
    across = half["R13"][economics.ACROSS]
    assert "no column satisfaction or retention" in across["satisfaction_retention"].reason
    assert "Response curves" in nothing["R14"]["the split as it is"].reason


# --- winning against keeping --------------------------------------------------------------------------------------


def test_the_cost_of_one_won_over_one_kept_by_hand():
    """4,000 spent on 80 new customers: 50 each. 2,000 spent on 1,000 of whom 100 stayed for it: 20 each."""
    shop = study(finances=books(), experiments=an_experiment(500, 400))
    saved = economics.trial(shop, "retained")
    assert saved.value == pytest.approx(100)
    money = economics.cost_ratio(shop, saved, NotTestable(""))
    assert money.value == pytest.approx(2.5)
    # 40 hours for 80, and 160 for 100: half an hour against 1.6.
    assert economics.cost_ratio(shop, saved, NotTestable(""), what="hours").value == pytest.approx(0.5 / 1.6)
    # With the number won known, the ratio is the uplift times a constant, and so are its ends.
    spread = 1.96 * math.sqrt(0.5 * 0.5 / 999 + 0.4 * 0.6 / 999)
    assert (money.low, money.high) == pytest.approx((25 * (0.1 - spread), 25 * (0.1 + spread)), rel=1e-4)


def test_both_sides_from_trials_and_an_average_only_where_it_must():
    both = pd.concat([an_experiment(500, 400), an_experiment(200, 120, outcome="acquired")])
    shop = study(finances=books(), experiments=both)
    saved, gained = economics.trial(shop, "retained"), economics.trial(shop, "acquired")
    assert (saved.value, gained.value) == pytest.approx((100, 80))
    assert economics.cost_limits(saved, gained) == {"limit": None, "association": None}
    assert economics.cost_limits(saved, NotTestable(""))["association"]
    ratio = economics.cost_ratio(shop, saved, gained)
    assert ratio.value == pytest.approx(2.5)
    average = economics.cost_ratio(shop, saved, NotTestable(""))
    assert ratio.low < average.low < average.high < ratio.high, "the number won has an error of its own"


def test_an_uplift_that_may_be_zero_decides_nothing():
    """Keeping is so dear here that even the best case costs more than winning; still the uplift may be nothing."""
    shop = study(finances=books(retention_spend=1e6), experiments=an_experiment(405, 400))
    saved, gained = economics.trial(shop, "retained"), economics.trial(shop, "acquired")
    ratio, limits = economics.cost_ratio(shop, saved, gained), economics.cost_limits(saved, gained)
    assert ratio.low < 0 < ratio.high
    assert verdict("R03", {"money": ratio}, **limits) == "inconclusive"


def test_fieller_is_the_line_of_the_textbook():
    """The ends are the ratios at which top - ratio x below is as far from 0 as its error allows."""
    top, below = (Estimate.normal(value, se, unit="count", n=9) for value, se in ((30, 5), (20, 4)))
    for end in (ratio := economics.fieller(top, below)).interval(0.95):
        assert abs(30 - end * 20) / math.hypot(5, end * 4) == pytest.approx(1.959964, rel=1e-6)
    assert ratio.low < 1.5 < ratio.high
    may_be_zero = Estimate.normal(20, 15, unit="count", n=9)
    assert economics.fieller(top, may_be_zero).interval(0.95) == (-math.inf, math.inf)
    assert verdict("R03", {"money": economics.fieller(top, may_be_zero)}) == "inconclusive"


def test_few_cases_are_no_trial():
    assert "needs 30 cases" in economics.trial(study(experiments=an_experiment(20, 15)), "retained").reason
    one_arm = an_experiment(500, 400).query("arm == 'offer'")
    assert "is in the control arm" in economics.trial(study(experiments=one_arm), "retained").reason


def test_the_control_arm_may_have_a_name_and_the_outcome_be_written_as_yes():
    table = an_experiment(500, 400).replace({"arm": {"control": "nothing"}, "retained": {True: "Yes", False: "no"}})
    assert economics.trial(study(experiments=table.assign(control_arm="nothing")), "retained").value == pytest.approx(
        100
    )


def test_a_promotion_with_people_held_out_is_a_trial():
    """60 of 100 who got it ordered within 30 days, 40 of 100 held out; orders before it or too late do not count."""
    offered = pd.DataFrame({"customer_id": [str(i) for i in range(200)], "assigned": [i < 100 for i in range(200)]})
    offered = offered.assign(kind="Retention", starts_at=pd.Timestamp("2024-06-01"), ends_at=pd.Timestamp("2024-06-09"))
    buyers = [*range(60), *range(100, 140)]
    log = [(str(i), "2024-06-20" if i in buyers else "2024-08-01", 1.0) for i in range(200)]
    log += [(str(i), "2024-05-31", 1.0) for i in range(200)]
    bought = customers.purchases(orders(log, until="2024-12-31"))
    found = economics.held_out(study(promotions=offered), bought, within=30)
    assert (found.value, found.n) == (pytest.approx(20), 200)
    either = economics.kept_customers(study(promotions=offered), bought, outcome="retained", within=30)
    assert either.value == pytest.approx(20), "there are no experiments"
    short = customers.purchases(orders(log, until="2024-06-29"))
    assert isinstance(economics.held_out(study(promotions=offered), short, within=30), NotTestable)


def cost_world(rng, *, saving, n=2000, acquisition=True):
    """Keeping one costs 1, winning one `saving`; both from trials with a base rate."""
    kept, stayed = rng.binomial(n, 0.6), rng.binomial(n, 0.5)
    won, came = rng.binomial(n, 0.3), rng.binomial(n, 0.2)
    rows = [an_experiment(kept, stayed, n), an_experiment(won, came, n, "acquired")]
    shop = study(finances=books(acquisition_spend=saving * 500.0), experiments=pd.concat(rows))
    saved, gained = economics.trial(shop, "retained"), economics.trial(shop, "acquired")
    return verdict("R03", {"money": economics.cost_ratio(shop, saved, gained)}, rung="D",
                   **economics.cost_limits(saved, gained))  # fmt: skip


@pytest.mark.parametrize(("saving", "wrong"), [(2.5, "contradicted"), (1.0, "supported"), (0.4, "supported")])
def test_costs_in_worlds_with_a_known_ratio(saving, wrong):
    """True, null and reversed; a wrong verdict at most once in twenty: four of 20 come once in 60 by chance."""
    rng = np.random.default_rng(5)
    words = [cost_world(rng, saving=saving) for _ in range(20)]
    right = {2.5: "supported", 0.4: "contradicted"}.get(saving)
    assert words.count(wrong) <= 3
    assert right is None or words.count(right) >= 16


# --- cost per order as tenure grows -------------------------------------------------------------------------------


def costs_of(rows):
    return pd.DataFrame(rows, columns=["customer_id", "period", "serving_cost", "marketing_cost"])


def test_a_panel_by_hand():
    """Ann orders twice in the first quarter and once in the second, for 10 + 2 and 3 + 3."""
    log = [
        ("ann", "2024-01-11", 9.0),
        ("ann", "2024-03-31", 9.0),
        ("ann", "2024-04-01", 9.0),
        ("bob", "2024-08-01", 9.0),
    ]
    quarters = pd.to_datetime(["2024-01-01", "2024-04-01", "2024-07-01"])
    costs = costs_of([("ann", quarters[0], 10.0, 2.0), ("ann", quarters[1], 3.0, 3.0), ("bob", quarters[2], 1.0, None)])
    bought = customers.purchases(orders(log, until="2024-08-31"))
    panel = economics.cost_panel(study(costs=costs), bought)
    # The third quarter was not seen to its end, so bob is not there.
    assert panel["customer"].tolist() == [0, 0]
    assert np.exp(panel["log_cost"]).tolist() == pytest.approx([6, 6])
    assert (panel["tenure"] * 365.25).tolist() == pytest.approx([-10, 81])
    assert "one period" in economics.cost_panel(study(costs=costs[:1]), bought).reason


def panel_world(rng, *, slope, inflation=0.08, n=600, survivors=0.0):
    """Quarterly costs over four years. `survivors`: how much sooner the costly leave."""
    level, begins = rng.normal(0, 0.2, n), rng.uniform(0, 3.5, n)
    stays = rng.exponential(1.5 * np.exp(-survivors * level))
    rows = [
        (i, period, period / 4 - begins[i], level[i] + inflation * period / 4)
        for i in range(n)
        for period in range(16)
        if begins[i] - 0.25 < period / 4 < begins[i] + stays[i]
    ]
    panel = pd.DataFrame(rows, columns=["customer", "period", "tenure", "log_cost"])
    return panel.assign(log_cost=panel["log_cost"] + slope * panel["tenure"] + rng.normal(0, 0.15, len(panel)))


def test_slopes_are_those_of_statsmodels_with_a_dummy_for_each_customer():
    panel = panel_world(np.random.default_rng(3), slope=-0.1, n=150)
    again = panel[panel.groupby("customer")["period"].transform("size") >= 2]
    from statsmodels.formula.api import ols

    fit = ols("log_cost ~ tenure + C(customer)", again).fit()
    assert economics.cost_slope(panel, by="customer").value == pytest.approx(math.expm1(fit.params["tenure"]), rel=1e-9)
    old_and_new = ols("log_cost ~ tenure + C(period)", again).fit().params["tenure"]
    assert economics.cost_slope(panel, by="period").value == pytest.approx(math.expm1(old_and_new), rel=1e-9)


def test_the_interval_against_newcomers_is_that_of_resampled_customers():
    panel = panel_world(np.random.default_rng(4), slope=-0.1, n=200)
    found = economics.tenure_slopes(panel)[economics.WITHIN]
    rng, groups = np.random.default_rng(1), dict(list(panel.groupby("customer")))
    ids, drawn = list(groups), []
    for _ in range(100):
        picked = [groups[i].assign(customer=at) for at, i in enumerate(rng.choice(ids, len(ids)))]
        drawn.append(math.log1p(economics.tenure_slopes(pd.concat(picked))[economics.WITHIN].value))
    se = math.log((1 + found.high) / (1 + found.low)) / (2 * 1.96)
    assert se == pytest.approx(np.std(drawn), rel=0.25), "a hundred draws leave 7% of noise; thrice that"


@pytest.mark.parametrize(("slope", "word"), [(-0.10, "supported"), (0.0, "contradicted"), (0.10, "contradicted")])
def test_the_calendar_does_not_pass_for_tenure(slope, word):
    """Costs rise by 8% a year for everybody, newcomers included."""
    rng = np.random.default_rng(8)
    words = [verdict("R08", economics.tenure_slopes(panel_world(rng, slope=slope)), rung="C") for _ in range(12)]
    assert words.count(word) >= 10


def test_survivors_are_cheaper_though_nobody_became_so():
    """The costly leave sooner: old customers look cheap beside new ones, and the claim is not supported by it."""
    rng = np.random.default_rng(9)
    worlds = [panel_world(rng, slope=0.0, survivors=5.0) for _ in range(12)]
    assert sum(economics.cost_slope(world, by="period").high < -0.03 for world in worlds) >= 10, "the artefact is there"
    words = [verdict("R08", economics.tenure_slopes(world), rung="C") for world in worlds]
    assert words.count("supported") == 0
    assert words.count("contradicted") >= 10


# --- churn and revenue --------------------------------------------------------------------------------------------


def months(revenue, churn, **more):
    n, active = len(churn), 10_000.0
    table = {"period": pd.date_range("2020-01-01", periods=n, freq="MS"), "revenue": revenue, "n_active": active}
    return pd.DataFrame({**table, "n_lost": active * churn, "n_new": active * 0.05, "acquisition_spend": 0.0, **more})


def churn_world(rng, *, effect, n=48):
    """Each point of churn changes next month's revenue by `effect`; revenue also remembers itself."""
    churn, money = 0.05 + 0.015 * rng.normal(size=n).clip(-3, 3), [math.log(1000)]
    for point in churn[:-1]:
        money.append(3.5 + 0.5 * money[-1] + effect * 100 * (point - 0.05) + rng.normal(0, 0.004))
    return months(np.exp(money), churn, n_new=10_000 * rng.uniform(0.04, 0.06, n))


def test_a_slope_is_that_of_statsmodels():
    table = churn_world(np.random.default_rng(1), effect=-0.01)
    rows = pd.DataFrame(
        {"y": np.log(table["revenue"]).shift(-1), "x": table["n_lost"] / 100, "z": table["n_new"] / 100}
    )
    rows = rows.assign(before=np.log(table["revenue"]), t=range(48))[1:-1]
    from statsmodels.formula.api import ols

    fit = ols("y ~ x + z + before + t", rows).fit()
    found = economics.churn_slope(study(finances=table))
    assert found.value == pytest.approx(math.expm1(fit.params["x"]), rel=1e-6)
    # By hand: 46 periods, so 0.41 * 46^(2/3) = 5 cosines; each period adds what leaving it out would take away.
    adds = -fit.get_influence().dfbeta[:, 1]
    waves = [
        math.sqrt(2 / 46) * sum(math.cos(math.pi * j * (t + 0.5) / 46) * adds[t] for t in range(46))
        for j in range(1, 6)
    ]
    half = stats.t.ppf(0.975, 5) * math.sqrt(46 / 5 * sum(wave**2 for wave in waves))
    assert math.log1p(found.high) == pytest.approx(fit.params["x"] + half, rel=1e-6)


@pytest.mark.parametrize(
    ("effect", "word"), [(-0.01, "association supported"), (0.0, "contradicted"), (0.01, "contradicted")]
)
def test_churn_and_revenue_in_worlds_with_a_known_slope(effect, word):
    rng = np.random.default_rng(11)
    worlds = [study(finances=churn_world(rng, effect=effect)) for _ in range(25)]
    words = [verdict("R11", {"net": economics.churn_slope(world)}, rung="C") for world in worlds]
    assert words.count(word) >= 20


def test_two_series_that_drift_are_no_support():
    """Churn rises and revenue falls over the years, and neither knows of the other."""
    rng, n = np.random.default_rng(12), 48
    words = []
    for _ in range(25):
        churn = 0.03 + 0.001 * np.arange(n) + 0.004 * rng.normal(size=n).clip(-3, 3)
        money = np.exp(8 - 0.01 * np.arange(n) + 0.01 * rng.normal(size=n))
        words.append(verdict("R11", {"net": economics.churn_slope(study(finances=months(money, churn)))}, rung="C"))
    assert sum("supported" in word for word in words) <= 3  # 5% of 25, with room for chance


def test_short_or_flat_books_say_so():
    flat = months(np.full(30, 9.0), np.full(30, 0.05))
    assert "24 periods" in economics.churn_slope(study(finances=flat[:23])).reason
    assert "the same" in economics.churn_slope(study(finances=flat)).reason
    assert "beyond" in economics.churn_slope(study(finances=flat.assign(acquisition_spend=9.0))).reason


def test_a_base_is_foretold_by_hand():
    """From 100 to 110 with 10 lost, a tenth, and 20 won: foretold 110 x 0.9 + 20 = 119 against 120."""
    told = economics.forecast_error(study(finances=books()))
    misses = [119 / 120 - 1, (120 * (1 - 10 / 110) + 20) / 130 - 1]
    assert told.value == pytest.approx(np.median(np.abs(misses)))
    assert "three periods" in economics.forecast_error(study(finances=books()[:2])).reason


# --- branches -----------------------------------------------------------------------------------------------------


def branch_world(rng, *, rho, units=60, periods=4, trend=0.0):
    """Three measures that share a part of each branch (correlation rho across branches) and a trend of all."""
    common = rng.normal(size=(units, 1))
    names = [(f"b{unit:02d}", pd.Timestamp(2020 + at, 1, 1)) for unit in range(units) for at in range(periods)]
    table = pd.DataFrame(names, columns=["unit", "period"])
    for name in ("satisfaction", "retention", "profit"):
        own = math.sqrt(abs(rho)) * common + math.sqrt(1 - abs(rho)) * rng.normal(size=(units, 1))
        table[name] = (own + trend * np.arange(periods)).ravel()
    if rho < 0:
        table["retention"] *= -1
    return table


def test_one_period_gives_spearman_and_many_their_mean():
    table = branch_world(np.random.default_rng(1), rho=0.5, periods=1)
    found = economics.correlations(study(units=table), draws=50)
    expected = stats.spearmanr(table["satisfaction"], table["profit"]).statistic
    assert found["satisfaction_profit"].value == pytest.approx(expected)
    rng = np.random.default_rng(2)
    many = branch_world(rng, rho=0.5, periods=3).assign(profit=rng.normal(size=180))
    each = [stats.spearmanr(rows["satisfaction"], rows["profit"]).statistic for _, rows in many.groupby("period")]
    assert economics.correlations(study(units=many), draws=20)["satisfaction_profit"].value == pytest.approx(
        np.mean(each)
    )


@pytest.mark.parametrize(("rho", "word"), [(0.8, "supported"), (0.0, "contradicted"), (-0.8, "contradicted")])
def test_branches_in_worlds_with_a_known_correlation(rho, word):
    rng = np.random.default_rng(13)
    shops = [study(units=branch_world(rng, rho=rho, periods=2)) for _ in range(5)]
    readings = [{economics.ACROSS: economics.correlations(shop, draws=99)} for shop in shops]
    assert [verdict("R13", reading) for reading in readings].count(word) >= 4


def test_a_trend_that_all_share_is_no_correlation():
    """Pooled over branches and years the three run together; inside a year, and against its mean, they do not."""
    rng = np.random.default_rng(14)
    table = branch_world(rng, rho=0.0, periods=10, trend=3.0)
    assert stats.spearmanr(table["satisfaction"], table["profit"]).statistic > 0.8, "the artefact is there"
    table[["satisfaction", "retention", "profit"]] += rng.normal(size=(600, 3))
    for over_time in (False, True):
        found = economics.correlations(study(units=table), over_time=over_time, draws=99)
        assert verdict("R13", {"all": found}) == "contradicted"
        assert abs(found["satisfaction_profit"].value) < 0.3


def test_few_branches_or_none_that_vary():
    table = branch_world(np.random.default_rng(1), rho=0.5, units=25, periods=2)
    few = economics.correlations(study(units=table[table["unit"] < "b19"]), draws=9)
    assert "20 are needed" in few["retention_profit"].reason
    assert "8 periods" in economics.correlations(study(units=table), over_time=True, draws=9)["retention_profit"].reason
    flat = economics.correlations(study(units=table.assign(profit=1.0)), draws=9)
    assert "do not both vary" in flat["retention_profit"].reason
    assert isinstance(flat["satisfaction_retention"], Estimate)


# --- tables -------------------------------------------------------------------------------------------------------


def test_a_table_of_answers_names_parts_and_reasons():
    one = Estimate.normal(2.0, 0.1, unit="ratio", n=9)
    table = economics.answer_table({"money": one, "across": {"a_b": one, "c": NotTestable("Bring it.")}})
    assert table["label"].tolist() == ["money", "across", "across"]
    assert table["section"].tolist() == ["", "a_b", "c"]
    assert table["note"].tolist() == ["", "", "Bring it."]


def test_the_claims_know_their_parts():
    assert set(hypotheses.get("R13").rule.parts) == {"_".join(pair) for pair in economics.PAIRS}


# --- Profit of branches on retention a period before (R01's panel) ---


def branches(growth, *, units=80, periods=6, seed=1):
    """Profit about 100, 100 times `growth` more for five points of retention the period before."""
    rng = np.random.default_rng(seed)
    level, season = rng.normal(0, 0.05, units), rng.normal(0, 5, periods)
    kept = 0.8 + level[:, None] + rng.normal(0, 0.03, (units, periods))
    profit = 100 + 200 * level[:, None] + season + rng.normal(0, 4, (units, periods))
    profit[:, 1:] += growth / 0.05 * 100 * (kept[:, :-1] - 0.8)
    names = [(f"b{unit:03d}", pd.Timestamp(2015 + at, 1, 1)) for unit in range(units) for at in range(periods)]
    table = pd.DataFrame(names, columns=["unit", "period"])
    return study(units=table.assign(retention=kept.ravel(), profit=profit.ravel()))


@pytest.mark.parametrize("growth", [0.0, 0.4, -0.2])
def test_the_panel_finds_what_was_planted(growth):
    """Branches that are better at all things would lend profit 10% for five points; compared with themselves, none."""
    shop = branches(growth)
    answer, rows = economics.panel_growth(shop, change=0.05), shop.table("units").rows.to_pandas()
    later = rows.loc[rows["period"] > rows["period"].min(), "profit"].mean()
    assert answer.low < growth * 100 / later < answer.high
    assert (answer.high - answer.low) / 2 < 0.05


def test_the_panel_is_what_dummies_give():
    import statsmodels.formula.api as smf

    shop = branches(0.3, units=25)
    rows = shop.table("units").rows.to_pandas().sort_values(["unit", "period"])
    rows["before"] = rows.groupby("unit")["retention"].shift()
    fit = smf.ols("profit ~ before + C(unit) + C(period)", rows.dropna()).fit()
    expected = fit.params["before"] * 0.05 / rows.dropna()["profit"].mean()
    assert economics.panel_growth(shop, change=0.05).value == pytest.approx(expected, rel=1e-9)


def test_the_panel_needs_branches():
    assert "20 are needed" in economics.panel_growth(branches(0.3, units=10), change=0.05).reason
