"""The page's exhibits: their titles say what the numbers say, and where there are no numbers, why."""

import ibis
import numpy as np
import pandas as pd
import pytest

from analysis import hazards, milestones, retention, stays
from analysis.checks import CheckedTable
from analysis.estimates import Estimate
from analysis.exhibits import Figure, Table, Text


def spells(*rows) -> pd.DataFrame:
    table = pd.DataFrame([(*row, "a")[:4] for row in rows], columns=["time", "left", "weight", "plan"])
    return table.astype({"time": float}).assign(entered=0.0)


TWO = spells((12, True, 60, "a"), (24, False, 40, "a"), (12, True, 30, "b"), (24, False, 120, "b"))
ONE = spells((5, False, 1))


def test_titles_state_the_finding():
    assert stays.survival(spells((12, True, 60), (24, False, 40)), unit="month").title == (
        "Half of the customers had left after 12 months"
    )
    assert stays.survival(spells((12, True, 40), (24, False, 60)), unit="month").title == (
        "After 24 months, 60.0% were still customers"
    )
    assert (
        stays.survival(TWO, unit="month", by="plan").title == "After 12 months, 80.0% were left of b, 40.0% of a"
    )  # at 24 months 40 of a are at risk, and 50 are asked for
    assert stays.means(TWO, unit="month", by="plan", until=24).title == (
        "Of the first 24 months, b stayed 21.6 months on average"
    )


def test_why_there_is_no_comparison_is_said_once():
    model = hazards.cox(TWO, covariates=[])
    shown = (
        stays.ratios(model),
        stays.assumption(model),
        stays.stretched(TWO, covariates=[]),
        stays.size(TWO, unit="day"),
    )
    assert "no covariate" in shown[0].text
    said = Text(shown[3])
    assert stays.anew(*shown[:3], said, unless=model) == [said]
    found = hazards.cox(TWO, covariates=["plan"])
    assert stays.anew(*shown[:3], unless=found) == [*shown[:3]]


def test_who_came_later_is_counted():
    late = TWO.assign(entered=np.where(TWO["time"] == 24, 3.0, 0.0))
    assert stays.size(late, unit="month") == (
        "250 contracts, of which 90 ended. The longest was seen for 24 months. "
        "160 of them came under observation later and count from then on."
    )


def test_customers_with_several_contracts_are_told():
    assert "No customer has more than one contract" in stays.several(TWO).text
    rows = pd.concat([TWO.assign(customer=0), TWO.head(2).assign(customer=7, weight=1)])
    assert stays.several(rows).text.startswith("Customers with several contracts: 1, who hold 2 of them.")


def test_the_median_of_a_handful_is_not_shown():
    assert isinstance(stays.medians(spells((5, True, 4)), unit="week", by=None), Text)
    shown = stays.medians(TWO, unit="month", by="plan").rows.set_index("group")["median"]
    assert shown["a"] == 12
    assert np.isnan(shown["b"])


def test_words_of_a_comparison():
    assert "1 degree of freedom, p below 0.001." in stays.compared(TWO, by="plan").text
    assert "not compared" in stays.compared(ONE, by="plan").text


def test_hazard_ratios_and_what_follows():
    rows = TWO.assign(time=TWO["time"] - TWO["left"] * 3, pay_by="x")
    model = hazards.cox(rows, covariates=["plan", "pay_by"])
    figure = stays.ratios(model)
    assert figure.title.startswith("Others equal, the widest gap is in plan: a against b")
    assert "left out: pay_by" in figure.caption
    assert isinstance(stays.assumption(model), Table)


def test_renewals_are_set_beside_two_worlds():
    rows = spells((1, True, 369), (2, True, 163), (3, True, 86), (3, False, 382))
    figure = stays.renewals(rows, unit="year")
    assert figure.title == "From year 1 to year 3, yearly retention went from 63.1% to 81.6%"
    assert set(figure.data["line"]) == {"observed", "customers who differ", "one rate for all"}
    assert "no more than chance explains" in figure.caption


def test_a_rate_that_rises_and_falls_is_not_told_as_its_ends():
    rows = spells((1, True, 200), (2, True, 48), (3, True, 30), (4, True, 180), (4, False, 542))
    figure = stays.renewals(rows, unit="year")
    assert figure.title.endswith("went from 80.0% to 75.1%, by way of 96.0% in year 3")
    assert "Observed and fitted part most in year 4, 75.1% observed" in figure.caption
    assert "so the model does not describe these years" in figure.caption


def test_the_promise_of_a_rate_is_told_by_how_far_one_looks():
    quick_and_slow = [(year, True, round(500 * (0.5**year + 0.02 * 0.98 ** (year - 1)))) for year in range(1, 9)]
    mixed = stays.by_horizon(spells(*quick_and_slow, (8, False, 425)), unit="year", low=0.95, high=1.05).text
    assert "promises too long a stay within the time observed" in mixed
    alike = stays.by_horizon(
        spells(*[(year, True, 200 * 0.8 ** (year - 1)) for year in range(1, 6)], (5, False, 1000 * 0.8**5)),
        unit="year", low=0.95, high=1.05,
    ).text  # fmt: skip
    assert alike == (
        "The rate promises, as a multiple of the stay that was seen, over the first 2.5 years 1.00 times and over the "
        "first 5 years 1.00 times. To 10 years, foretold by the renewal model, it is 1.00 times. So it promises about "
        "the stay that was seen."
    )
    assert "cannot be put to the test" in stays.by_horizon(ONE, unit="year", low=0.95, high=1.05).text


def test_a_flag_is_named_with_its_question_and_a_mean_with_its_limit():
    rows = TWO.assign(time=TWO["time"] - TWO["left"] * 3, has_app=TWO["plan"].map({"a": "no", "b": "yes"}))
    assert list(stays.ratios(hazards.cox(rows, covariates=["has_app"])).data["label"]) == ["has app: no against yes"]
    mean = Estimate.exact(3.0, unit="months", n=5)
    assert (
        "12 months, if the table is read as a cohort, customers stayed"
        in stays.mean(mean, unit="month", until=12, limit="because").text
    )


def contracts(rows: pd.DataFrame, **facts) -> CheckedTable:
    each = rows.loc[rows.index.repeat(rows["weight"])].drop(columns="weight").reset_index(drop=True)
    return CheckedTable("subscriptions", ibis.memtable(each), (), (), {"unit": "month", **facts})


def test_reasons_are_told_beside_the_naive_share():
    reasons = np.where(TWO["left"], np.where(TWO["plan"] == "a", "a rival", "moved"), "not known")
    rows = TWO.assign(end_reason=reasons, time=TWO["time"] - 3 * (TWO["plan"] == "b") * TWO["left"])
    figure, apart = stays.why(contracts(rows), covariates=["plan"], until=24)
    # Of 250, 30 moved at 9 and 60 went at 12: 24%. Alone, the rival's curve falls to 160 of 220.
    assert figure.title == "Within 24 months, 24.0% had left for the commonest reason: a rival"
    assert apart.rows.set_index("reason")["naive"].to_dict() == pytest.approx({"a rival": 60 / 220, "moved": 0.12})
    # Each reason drove away customers of one plan only, so no ratio has thirty leavers on both sides.
    rows["end_reason"] = np.where(TWO["left"], np.where(TWO["weight"] > 50, "a rival", "moved"), "")
    more = pd.concat([rows, rows.assign(plan=rows["plan"].map({"a": "b", "b": "a"}))])
    ratios = stays.why(contracts(more), covariates=["plan"], until=24)[2]
    assert list(ratios.rows.columns) == ["group", "reason: a rival", "reason: moved"]


def test_a_table_without_reasons_says_what_is_missing():
    (only,) = stays.why(contracts(TWO), covariates=["plan"], until=24)
    assert only.text.endswith("The table does not say why contracts ended (a column end_reason would).")


def test_joining_is_told_with_its_error_beside_it():
    def model(term, ratio):
        table = pd.DataFrame({"term": [term], "hazard_ratio": [ratio], "low": [ratio / 2], "high": [ratio * 2]})
        return hazards.CoxModel(table, None, 0.0, 10, 10, (), ())

    models = {milestones.FLAG: model("no against yes", 4.0), milestones.DATED: model("yes against no", 0.9)}
    figure = stays.joined(models)
    assert "members were 0.90 times as likely to leave" in figure.title
    assert list(figure.data["value"]) == [0.25, 0.9]
    assert list(figure.data["low"]) == [0.125, 0.45]
    assert "The 0.25 is wrong" in figure.caption
    assert "it takes memberships" in stays.joined({}).text


def test_a_level_curve_tells_who_never_leaves():
    quick = [(age, True, round(2000 * (0.6 ** (age - 1) - 0.6**age))) for age in range(1, 12)]
    text = stays.never(spells(*quick, (40, False, 1000)), unit="month").text
    assert text.startswith("Customers who never leave: 33.")
    assert "Of the others half had left by 1." in text
    assert (
        "before the curve is level"
        in stays.never(spells((12, True, 60), (24, True, 60), (24, False, 80)), unit="month").text
    )


def test_ratios_of_stays_and_of_periods():
    rows = TWO.assign(time=TWO["time"] - TWO["left"] * 3)
    assert "a against b" in stays.stretched(rows, covariates=["plan"]).title
    model = hazards.cox(rows, covariates=["plan"])
    table = stays.in_periods(rows, model, covariates=["plan"], unit="month")
    assert list(table.rows.columns) == ["group", "Cox's model", "chance in a period", "odds in a period"]


@pytest.mark.parametrize("rows", [ONE, spells((5, True, 1)), spells((0, False, 100)), spells((9, False, 200))])
def test_a_table_without_an_answer_gets_words_and_no_nan(rows):
    until = retention.follow_up(rows)
    readings = retention.tenure_readings(rows, by=None, unit="month", seed=1, draws=10)
    model = hazards.cox(rows, covariates=["plan"])
    shown = [
        stays.survival(rows, unit="month"),
        stays.years(rows, unit="month"),
        stays.medians(rows, unit="month", by=None),
        stays.mean(retention.rmst(rows, until=until, unit="month"), unit="month", until=until),
        stays.means(rows, unit="month", by=None, until=until),
        stays.differences(rows, unit="month", by=None, until=until),
        stays.compared(rows, by=None),
        stays.rate_readings(readings, low=0.95, high=1.05),
        stays.ratios(model),
        stays.assumption(model),
        stays.ratios(hazards.stratified(rows, model, covariates=["plan"])),
        stays.renewals(rows, unit="month"),
        stays.stretched(rows, covariates=["plan"]),
        stays.in_periods(rows, model, covariates=["plan"], unit="month"),
        stays.never(rows, unit="month"),
        *stays.why(contracts(rows.assign(end_reason="x")), covariates=["plan"], until=until),
        stays.joined({milestones.FLAG: model, milestones.DATED: model}),
    ]
    texts = [exhibit.text if isinstance(exhibit, Text) else exhibit.title for exhibit in shown]
    assert not [text for text in texts if "nan" in text.split() or "not testable here" in text]
    assert isinstance(shown[5], Text)
    assert not [exhibit for exhibit in shown if isinstance(exhibit, Figure) and exhibit.data["survival"].isna().any()]
