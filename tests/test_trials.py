"""Treatments by lot: by hand on small tables, against another program, and in worlds whose truth is known."""

from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest
from invented import orders
from statsmodels.api import OLS, add_constant

from analysis import customers, trials
from analysis.checks import CheckedTable
from analysis.estimates import NotTestable
from analysis.scales import Answers

DAY = pd.Timestamp("2024-06-10")


def study(**tables):
    """A study that has these tables."""
    checked = {name: CheckedTable(name, ibis.memtable(rows), (), (), {}) for name, rows in tables.items()}
    return SimpleNamespace(has=checked.__contains__, table=checked.get)


def lots(arms, **more):
    return pd.DataFrame({"customer_id": [f"c{i}" for i in range(len(arms))], "arm": arms, "assigned_at": DAY, **more})


# --- who got what -------------------------------------------------------------------------------------------------


def treated(rows):
    table = rows.to_pandas()
    return dict(zip(table["customer_id"], table["treated"], strict=True))


def test_one_trial_needs_no_name_and_the_first_lot_of_a_customer_counts():
    twice = pd.concat([lots(["new", "old"], control_arm="old"), lots(["old"], control_arm="old")])
    twice["assigned_at"] = [DAY, DAY, DAY + pd.Timedelta(days=1)]
    assert treated(trials.arms(study(experiments=twice))) == {"c0": True, "c1": False}


def test_of_several_trials_one_is_named_or_told_by_what_only_it_knows():
    table = lots(["gift", "none", "call", "silence"], control_arm=["none", "none", "silence", "silence"])
    table["consent"] = [1.0, 0.0, np.nan, np.nan]
    lab = study(experiments=table)
    assert "call and gift" in trials.arms(lab).reason
    assert treated(trials.arms(lab, "call")) == {"c2": True, "c3": False}
    assert treated(trials.arms(lab, known="consent")) == {"c0": True, "c1": False}
    assert treated(trials.arms(lab, "gift", control="call")) == {"c0": True, "c2": False}


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({}, "no experiments table"),
        ({"experiments": lots(["a"])[["customer_id"]]}, "no column arm"),
        ({"experiments": lots(["control"] * 3)}, "Nobody in the table experiments was treated"),
        ({"experiments": lots(["gift"] * 3)}, "is in the control arm, control"),
    ],
)
def test_no_trial_says_what_to_bring(tables, reason):
    assert reason in trials.arms(study(**tables)).reason


def offers(assigned, promotion="P1", **more):
    who = [f"c{i}" for i in range(len(assigned))]
    days = {"starts_at": DAY, "ends_at": DAY + pd.Timedelta(days=2)}
    return pd.DataFrame({"customer_id": who, "promotion_id": promotion, "assigned": assigned, **days, **more})


def test_promotions_without_anybody_held_out_are_left_out():
    both = pd.concat([offers([True, False]), offers([True, True], "P2"), offers([False, False], "P3")])
    rows = trials.promoted(study(promotions=both)).to_pandas()
    assert set(rows["promotion"]) == {"P1"}
    assert rows["length"].tolist() == [2, 2]
    assert "Hold some out by lot" in trials.promoted(study(promotions=offers([True, True]))).reason
    assert "no column assigned" in trials.promoted(study(promotions=offers([True]).drop(columns="assigned"))).reason


LOG = [
    ("c0", "2024-05-01", 7.0),  # before the window, and the first order
    ("c0", "2024-06-05", 1.0),  # before
    ("c0", "2024-06-10", 2.0),  # during
    ("c0", "2024-06-12", 4.0),  # during, the last day
    ("c0", "2024-06-13", 8.0),  # after
    ("c1", "2024-06-23", 16.0),  # too late
]


def test_what_they_bought_before_during_and_after_by_hand():
    bought = customers.purchases(orders(LOG, until="2024-07-30"))
    people = trials.promoted(study(promotions=offers([True, False])))
    table = trials.around(people, bought, days=10).set_index("customer").sort_values("treated", ascending=False)
    first = table.iloc[0]
    assert first[["before", "during", "after"]].tolist() == [1, 2, 1]
    assert first[["before_worth", "during_worth", "after_worth", "age"]].tolist() == [1, 6, 8, 40]
    assert table.iloc[1][["before", "during", "after", "age"]].tolist() == [0, 0, 0, 0]
    whole = trials.around(people, bought, days=10, from_start=True)
    assert whole[whole["treated"]][["during", "after"]].to_numpy().tolist() == [[0, 3]]


def test_after_a_lot_the_day_itself_counts_and_those_not_watched_are_left_out():
    bought = customers.purchases(orders(LOG, until="2024-07-30"))
    people = trials.arms(study(experiments=lots(["new", "control"])))
    table = trials.around(people, bought, days=4)
    assert table[table["treated"]]["after_worth"].tolist() == [14]  # the 10th to the 13th
    assert "nobody was watched for 60 days" in trials.around(people, bought, days=60).reason
    undated = study(experiments=lots(["new", "control"]).drop(columns="assigned_at"))
    assert "no column assigned_at" in trials.around(trials.arms(undated), bought, days=4).reason


def test_the_first_answer_after_the_lot_and_the_last_before_it():
    who = pd.DataFrame(
        {"customer_id": ["c0"] * 4 + ["c1"], "answered_at": DAY + pd.to_timedelta([-9, -1, 1, 9, -3], "D")}
    )
    found = Answers(pd.DataFrame({"q": [1.0, 2, 3, 4, 5]}), who, np.ones(5), {"joy": ("q",)}, {}, {"q": (1, 7)})
    lab = study(experiments=lots(["new", "control"]))
    table = trials.asked(lab, found, "joy")
    assert table[["customer_id", "said", "before", "treated"]].to_numpy().tolist() == [["c0", 3, 2, True]]
    assert trials.asked(lab, found, "joy", last=True)["said"].tolist() == [4]
    assert "no construct pain" in trials.asked(lab, found, "pain").reason


# --- what it changed ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    """600 cases whose outcome hangs on two known things, differently in either arm."""
    random = np.random.default_rng(5)
    x = pd.DataFrame({"a": random.normal(size=600), "b": random.exponential(size=600)})
    lot = random.random(600) < 0.4
    y = 3 + 0.5 * lot + x["a"] + (0.5 + lot) * x["b"] + random.normal(size=600) * (1 + lot)
    return y.to_numpy(), lot, x


def test_it_is_lins_regression_of_another_program(drawn):
    """statsmodels fits treatment x centred covariates with HC2; our variance adds that the centre is a sample's."""
    y, lot, x = drawn
    centred = (x - x.mean()).to_numpy()
    design = add_constant(np.column_stack([lot, centred, centred * lot[:, None]]))
    fit = OLS(y, design).fit(cov_type="HC2")
    found = trials.difference(y, lot, before=x, unit="money")
    assert found.value == pytest.approx(fit.params[1], rel=1e-9)
    extra = fit.params[4:] @ np.cov(centred.T, ddof=0) @ fit.params[4:] / len(y)
    variance = ((found.high - found.low) / (2 * 1.959964)) ** 2
    # Residuals and covariates are orthogonal without HC2's weights, so the cross term is small, not nil.
    assert variance == pytest.approx(fit.bse[1] ** 2 + extra, rel=0.01)


def test_without_covariates_it_is_welchs_comparison(drawn):
    y, lot, _ = drawn
    found = trials.difference(y, lot, unit="money")
    error = np.sqrt(y[lot].var(ddof=1) / lot.sum() + y[~lot].var(ddof=1) / (~lot).sum())
    assert found.value == pytest.approx(y[lot].mean() - y[~lot].mean())
    assert found.high - found.value == pytest.approx(1.959964 * error, rel=1e-6)
    glass = trials.difference(y, lot, in_sd=True, unit="sd")
    assert glass.value == pytest.approx(found.value / y[~lot].std(ddof=1))


def test_columns_that_say_nothing_or_the_same_change_nothing(drawn):
    y, lot, x = drawn
    more = x.assign(same=2 * x["a"], constant=1.0, arm=lot * 1.0, unknown=np.nan)
    one, other = (trials.difference(y, lot, before=given) for given in (x, more))
    assert (one.value, one.low) == pytest.approx((other.value, other.low))


def test_a_customer_who_counts_twice_tells_nothing_twice(drawn):
    y, lot, x = drawn
    once = trials.ratio(y + 9, lot, before=x)
    twice = trials.ratio(np.tile(y + 9, 2), np.tile(lot, 2), before=pd.concat([x, x]), cases=np.tile(np.arange(600), 2))
    assert twice.value == pytest.approx(once.value)
    assert twice.high - twice.low == pytest.approx(once.high - once.low, rel=0.01)  # HC2 counts 1,200 rows


def test_the_intervals_hold_the_truth():
    """400 worlds with a skewed outcome; 95% of the intervals of a ratio should hold it, give or take 3.2 points."""
    random, held = np.random.default_rng(7), 0
    for _ in range(400):
        lot, x = random.random(600) < 0.5, random.normal(size=600)
        spent = random.gamma(1.0, np.exp(0.3 * lot + 0.5 * x))
        found = trials.ratio(spent, lot, before=pd.DataFrame({"x": x}))
        held += found.low <= np.exp(0.3) <= found.high
    assert 0.918 <= held / 400 <= 0.982  # 95% plus or minus 3 Monte Carlo errors of 1.1 points


def test_few_cases_or_none_above_zero_decide_nothing(drawn):
    y, lot, _ = drawn
    assert "100 cases" in trials.difference(y[:150], lot[:150]).reason
    assert "100 cases" in trials.difference(y, np.ones(600, bool)).reason
    assert "30 cases above zero" in trials.ratio(np.where(np.arange(600) < 20, 5.0, 0.0), lot).reason
    assert "same outcome" in trials.difference(np.ones(600), lot, in_sd=True).reason


def test_a_rule_that_gives_everybody_the_better_arm_by_hand():
    """Half of the customers like A (8 against 2), half B: obeying taste gets 8, a coin 5."""
    taste, arm = np.tile(["A", "A", "B", "B"], 100), np.tile(["A", "B"], 200)
    spent = np.where(taste == arm, 8.0, 2.0)
    rule = pd.DataFrame({name: (taste == name).astype(float) for name in "AB"})
    found = trials.by_policy(spent, arm, rule, pd.DataFrame({"A": np.full(400, 0.5), "B": 0.5}))
    assert found.value == pytest.approx(8 / 5)
    same = trials.by_policy(spent, arm, rule, rule)
    assert (same.low, same.high) == (1, 1)


def test_other_choices_and_a_lot_drawn_anew():
    """All spend 10, half of the treated 20: a ratio of 1.5, and of 1 where more than what nine in ten spend is cut."""
    lot = np.tile([True, False], 200)
    spent = np.where(lot & (np.arange(400) % 4 == 0), 20.0, 10.0)
    table = pd.DataFrame({"treated": lot, "after_worth": spent, "promotion": "P1", "customer": range(400), "age": 1.0})
    assert trials.otherwise(table, money="after_worth").value == pytest.approx(1.5)
    assert trials.otherwise(table, money="after_worth", past=trials.LEFT_OUT).value == pytest.approx(1.5)
    assert trials.otherwise(table, money="after_worth", counted_up_to=0.5).value == pytest.approx(1.0)
    assert trials.otherwise(NotTestable("none"), money="after_worth").reason == "none"
    anew = trials.dealt_anew(table.assign(promotion=np.where(lot, "P1", "P2")), np.random.default_rng(1))
    assert anew["treated"].tolist() == table["treated"].tolist(), "within a promotion, where all are alike here"
    assert trials.dealt_anew(table, np.random.default_rng(1))["treated"].sum() == 200


# --- whether it was a lot -----------------------------------------------------------------------------------------


def test_a_lot_is_told_from_a_choice():
    random = np.random.default_rng(3)
    table = pd.DataFrame({"before": random.normal(size=2000), "age": random.normal(size=2000)})
    by_lot, by_choice = random.random(2000) < 0.5, table["before"] + random.normal(size=2000) > 0
    rungs = [trials.balance(table.assign(treated=by)) for by in (by_lot, by_choice)]
    assert [rung for _, rung in rungs] == ["D", "C"]
    assert abs(rungs[0][0]["apart"]).max() < 0.15 < rungs[1][0]["apart"].iloc[0]


def test_what_was_known_includes_which_promotion_it_was():
    table = pd.DataFrame({"before": [0, 3], "before_worth": [0.0, 5.0], "age": [0, 9], "promotion": ["P1", "P2"]})
    assert list(trials.known_before(table)) == ["before", "before_worth", "age", "P2"]


def test_a_reason_is_passed_on():
    assert isinstance(trials.around(NotTestable("none"), None, days=1), NotTestable)
