"""Branches before and after a start, staff and customers, engagement and growth: by hand and in known worlds."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import chain, findings, planted
from analysis.cases import chain as worlds
from analysis.estimates import NotTestable

WINDOW = {"before": 2, "after": 2}


def board(effect=0.0, *, units=40, rounds=10, noise=0.1, seed=1):
    """Branches that begin at any time, or never; from then on their level is so much higher."""
    random = np.random.default_rng(seed)
    begins = pd.date_range("2020-01-15", periods=rounds, freq="182D")
    start = random.integers(1, rounds + 3, units)
    values = (
        random.standard_normal((units, 1)) + 0.1 * np.arange(rounds) + noise * random.standard_normal((units, rounds))
    )
    values += effect * (np.arange(rounds) >= start[:, None])
    names = [f"b{unit:02d}" for unit in range(units)]
    known = start < rounds
    # A day before the round: the round is the first one after the start.
    dates = pd.DataFrame({"unit": np.array(names)[known], "started_at": begins[start[known]] - pd.Timedelta(days=1)})
    return pd.DataFrame(values, names, begins), dates.assign(action="mend")


# --- S13 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [0.0, 0.3, -0.3])
def test_a_step_is_found_where_there_is_one(effect):
    values, dates = board(effect)
    for found in (chain.stepped(values, dates, "mend", **WINDOW), chain.at_once(values, dates, "mend")):
        assert found["level"].low < effect < found["level"].high
        assert found["slope"].low < 0 < found["slope"].high
        assert found["level"].high - found["level"].low < 0.2


def test_a_turn_of_the_trend_is_found():
    values, dates = board()
    first = dates.set_index("unit")["started_at"].reindex(values.index)
    years = (values.columns.to_numpy()[None] - first.to_numpy()[:, None]) / np.timedelta64(365, "D")
    rising = values + 0.4 * np.where(years > 0, years, 0)
    found = chain.stepped(rising, dates, "mend", before=2, after=4)
    assert found["slope"].low < 0.4 < found["slope"].high
    assert chain.at_once(rising, dates, "mend")["slope"].low > 0.3
    assert findings.verdict("S13", found, rung="D").word == "supported"
    assert findings.verdict("S13", found, rung="C").word == "association supported"


def test_wrong_dates_find_nothing():
    """Placebo: the same starts, three rounds earlier, when nothing had happened yet."""
    values, dates = board(0.5, rounds=14)
    early = dates.assign(started_at=dates["started_at"] - pd.Timedelta(days=3 * 182))
    found = chain.stepped(values, early, "mend", **WINDOW)["level"]
    assert found.low < 0 < found.high


def test_the_unhappy_who_stop_answering_lift_the_mean_and_not_the_same_customers():
    found, dates = worlds.mended(np.random.default_rng(2), "artefact")
    boards = {chain.SAME: chain.answered(found, same=True), chain.ALL: chain.answered(found, same=False)}
    readings = chain.improved(boards, dates, "mend", **WINDOW)
    assert readings[chain.ALL]["level"].low > 0.1
    assert readings[chain.SAME]["level"].low < 0 < readings[chain.SAME]["level"].high
    assert readings[chain.SAME]["level"].high < 0.1
    assert "more than chance" in chain.panel_churn(boards, dates, "mend", **WINDOW).text
    assert chain.around_start(boards, dates, "mend", **WINDOW).data["line"].nunique() == 2


def test_means_of_whoever_answered_are_means():
    found, _ = worlds.mended(np.random.default_rng(3), "null")
    table = chain.answered(found, same=False)
    score = found.score(found.constructs["satisfaction"])
    rows = found.who.assign(score=(score - score.mean()) / score.std())
    rows = rows[(rows["unit"] == "7") & (rows["answered_at"] == table.columns[3])]
    assert table.loc["7", table.columns[3]] == pytest.approx(rows["score"].mean())


def one_branch(found, dates):
    from dataclasses import replace

    return replace(found, who=found.who.assign(unit="1")), dates


def no_unit(found, dates):
    from dataclasses import replace

    return replace(found, who=found.who.drop(columns="unit")), dates


BAD = {
    "20 branches are needed; there are 1.": one_branch,
    "no column unit": no_unit,
    "No branch started": lambda found, dates: (found, dates.assign(started_at=pd.Timestamp("2031-01-01"))),
    "so none is left to compare with": lambda found, dates: (
        found,
        pd.DataFrame({"unit": [str(u) for u in range(60)], "started_at": pd.Timestamp("2022-01-01"), "action": "mend"}),
    ),
}


@pytest.mark.parametrize("told", BAD)
def test_what_cannot_be_tested_says_why(told):
    found, dates = BAD[told](*worlds.mended(np.random.default_rng(4), "null"))
    boards = {chain.SAME: chain.answered(found, same=True), chain.ALL: chain.answered(found, same=False)}
    readings = chain.improved(boards, dates, "mend", **WINDOW)
    verdict = findings.verdict("S13", readings[chain.SAME], rung="C")
    assert verdict.word == "not testable"
    assert told in verdict.reason
    assert told in chain.around_start(boards, dates, "mend", **WINDOW).text
    assert told in chain.panel_churn(boards, dates, "mend", **WINDOW).text
    assert told in chain.tips_shown({"satisfaction": (boards[chain.SAME], WINDOW)}, dates, draws=9, seed=1).text


def test_without_roll_outs_the_table_is_named():
    dates = chain.starts(planted.study())
    assert "no rollouts table" in dates.reason
    assert "no rollouts table" in chain.improved({chain.SAME: board()[0]}, dates, "mend", **WINDOW)[chain.SAME].reason


# --- the tips -----------------------------------------------------------------------------------------------------


def test_dealt_dates_are_those_of_other_branches():
    values, dates = board(0.5)
    boards, other, _ = chain.dealt_out(({chain.SAME: values}, dates, "mend"), np.random.default_rng(1))
    assert sorted(other["started_at"]) == sorted(dates["started_at"])
    assert not (other["unit"].to_numpy() == dates["unit"].to_numpy()).all()
    found = chain.stepped_by((boards, other, "mend"), customers=chain.SAME, **WINDOW)["level"]
    assert found.low < 0 < found.high


def test_of_many_actions_the_one_that_works_stays():
    values, dates = board(0.4, noise=0.2)
    random, begins = np.random.default_rng(6), values.columns
    idle = [
        pd.DataFrame({"unit": values.index, "started_at": random.choice(begins[2:], 40), "action": f"idle {number}"})
        for number in range(5)
    ]
    shown = chain.tips_shown({"satisfaction": (values, WINDOW)}, pd.concat([dates, *idle]), draws=49, seed=1).rows
    assert next(iter(shown["action"])) == "mend"
    assert float(shown["Benjamini and Hochberg"][0].lstrip("<")) < 0.05
    assert (
        shown["Holm"].str.lstrip("<").astype(float) >= shown["Benjamini and Hochberg"].str.lstrip("<").astype(float)
    ).all()
    assert (shown["Benjamini and Hochberg"][1:].astype(float) > 0.05).all()


def test_chances_of_idle_actions_are_even():
    """Dealt dates do nothing, so one chance in ten lies below a tenth."""
    found = [chain.tried(*board(seed=seed), "mend", draws=19, seed=1, **WINDOW)[1] for seed in range(40)]
    # Of 40 chances 4 at or below .1, give or take 2.6 standard errors of 1.9.
    assert sum(chance <= 0.1 for chance in found) <= 9
    assert 0.35 < np.mean(found) < 0.65


def test_there_are_two_dozen_tips():
    assert sum(tips for tips, _, _ in chain.TIPS.values()) == 24


# --- S17, G02 -----------------------------------------------------------------------------------------------------


def units(**columns):
    table = worlds.panel(**columns)
    return table.assign(
        unit=table["unit"].astype(str), period=pd.Timestamp("2020-01-01") + 91 * pd.to_timedelta(table["period"], "D")
    )


def test_staff_go_before_customers():
    random = np.random.default_rng(7)
    staff, level = random.standard_normal((60, 16)), 2 * random.standard_normal((60, 1))
    customers = random.standard_normal((60, 16))
    customers[:, 1:] += 0.5 * staff[:, :-1]
    lab = planted.study(units=units(satisfaction=customers + level, staff_satisfaction=staff + level))
    found = chain.mirrored(chain.staffed(lab))
    # In standard deviations of columns that hold the levels of the branches too.
    expected = 0.5 * (staff + level).std() / (customers + level).std()
    assert found[chain.LATER].low < expected < found[chain.LATER].high
    assert found[chain.NOW].low < 0 < found[chain.NOW].high
    assert found[chain.BETWEEN].low > 0.8, "good branches are good at all things"
    assert found[chain.TURNED].low < 0 < found[chain.TURNED].high


def test_few_branches_or_periods_are_no_panel():
    few = planted.study(units=units(satisfaction=np.ones((5, 4)), staff_satisfaction=np.ones((5, 4))))
    short = planted.study(units=units(satisfaction=np.ones((30, 2)), staff_satisfaction=np.ones((30, 2))))
    assert "20 branches are needed" in chain.mirrored(chain.staffed(few))[chain.LATER].reason
    assert "3 periods are needed" in chain.mirrored(chain.staffed(short))[chain.BETWEEN].reason


def test_growth_follows_the_round_and_exceptions_are_counted():
    """Twenty-four branches, three rounds a year apart, a profit every quarter."""
    who = {
        "unit": np.tile([f"{unit:02d}" for unit in range(24)], 3),
        "answered_at": np.repeat(pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"]), 24),
    }
    engaged = np.tile(np.arange(24.0), 3)
    found = planted.answers(np.random.default_rng(8), {"engagement": engaged}, **who)
    periods = pd.date_range("2020-01-01", periods=12, freq="QS")
    profit = pd.DataFrame(
        [
            (f"{unit:02d}", day, 100.0 + 10 * (day.year - 2020) * (-1 if unit == 23 else 1))
            for unit in range(24)
            for day in periods
        ],
        columns=["unit", "period", "profit"],
    )
    panel = chain.growing(planted.study(units=profit), found)
    assert list(panel[panel["unit"] == "00"]["profit"]) == [100, 110, 120]
    assert list(panel[panel["unit"] == "00"]["growth"][:2]) == pytest.approx([10 / 110] * 2)
    assert list(panel[panel["unit"] == "23"]["growth"][:2]) == pytest.approx([-10 / 90] * 2)
    told = chain.exceptions_told(panel).text
    exact = stats.binomtest(1, 8).proportion_ci(method="exact")
    assert "8 branches" in told
    assert f"{100 * exact.low:.1f} to {100 * exact.high:.1f}%" in told


def test_one_exception_refutes_what_is_called_certain():
    rows = worlds.growing(np.random.default_rng(9), "true")
    assert findings.verdict("G02", chain.certain(rows), rung="C").word == "association supported"
    best = rows.groupby("unit")["engagement"].mean().idxmax()
    fallen = rows.assign(profit=rows["profit"].where(rows["unit"] != best, 1000 - rows["profit"]))
    verdict = findings.verdict("G02", chain.certain(fallen), rung="C")
    assert {name: part.word for name, part in verdict.parts.items()} == {
        "growth": "supported",
        "exceptions": "contradicted",
    }
    assert verdict.word == "contradicted"


def test_what_is_missing_is_named():
    found, _ = worlds.mended(np.random.default_rng(1), "null")
    lab = planted.study()
    assert "no construct engagement" in chain.certain(chain.growing(lab, found)).reason
    assert "no units table" in chain.on_file(lab, "churn").reason
    assert "no units table" in chain.mirrored(chain.staffed(lab))[chain.LATER].reason
    assert "no contacts table" in chain.complaints(lab, found).reason
    assert "nothing to count" in chain.exceptions_told(NotTestable("No.")).text


# --- S13 where all began on one day ------------------------------------------------------------------------------


def series(random, *, level=0.0, slope=0.0, tied=0.4, rounds=24, units=10):
    """Branches that all began half-way, in quarters, and share a mood that lasts."""
    begins, half = pd.date_range("2018-01-01", periods=rounds, freq="QS"), rounds // 2
    mood = random.standard_normal(rounds)
    for now in range(1, rounds):
        mood[now] = tied * mood[now - 1] + np.sqrt(1 - tied**2) * mood[now]
    years = np.asarray((begins - begins[half]).days) / 365.25
    mean = 0.06 * mood + 0.08 * years + level * (years >= 0) + slope * years.clip(min=0)
    board = pd.DataFrame(mean + 0.05 * random.standard_normal((units, rounds)), [f"b{i}" for i in range(units)], begins)
    return board, pd.DataFrame({"unit": board.index, "action": "mend", "started_at": begins[half]})


def test_a_step_and_a_turn_without_noise_are_exact():
    board, dates = series(np.random.default_rng(1))
    years = np.asarray((board.columns - dates["started_at"][0]).days) / 365.25
    smooth = 0 * board + 4 + 0.1 * years + 0.3 * (years >= 0) + 0.2 * years.clip(min=0)
    smooth += 1e-9 * np.sin(17.0 * np.arange(24))  # nothing at all would leave no error to go by
    found = chain.interrupted(smooth, dates, "mend")
    assert (found["level"].value, found["slope"].value) == (pytest.approx(0.3, abs=1e-7), pytest.approx(0.2, abs=1e-7))


def test_neighbours_that_resemble_each_other_mislead_seldom():
    """Wrong positives of the rule at most 5%; of 120 draws no more than 11 in 99 of 100 runs at that rate."""
    answers = [chain.interrupted(*series(random), "mend") for random in np.random.default_rng(11).spawn(120)]
    for part in ("level", "slope"):
        assert np.mean([each[part].low < 0 < each[part].high for each in answers]) > 0.87
    assert sum(findings.verdict("S13", each, rung="C").word == "association supported" for each in answers) <= 11
    true = [chain.interrupted(*series(r, level=0.3), "mend") for r in np.random.default_rng(4).spawn(30)]
    assert np.mean([findings.verdict("S13", each, rung="C").word == "association supported" for each in true]) > 0.8


def test_one_line_leads_only_where_nobody_is_left_to_compare_with():
    board, dates = series(np.random.default_rng(1), level=0.3, units=20)
    boards = {chain.SAME: board, chain.ALL: board}
    readings = chain.improved(boards, dates, "mend", **WINDOW)
    assert "so none is left to compare" in readings[chain.SAME].reason
    assert chain.leading(readings) == chain.ALONE
    some = dates.assign(started_at=[dates["started_at"][0], *dates["started_at"][1:] + pd.Timedelta(days=92)])
    assert "different days" in chain.interrupted(board, some, "mend").reason
    assert chain.leading(chain.improved(boards, dates[:12], "mend", **WINDOW)) == chain.SAME
    assert "7 rounds on one side" in chain.interrupted(board.iloc[:, 5:], dates, "mend").reason
    assert "No branch" in chain.interrupted(board, dates, "other").reason
    board.iloc[:, 3] = np.nan
    assert "asked in every round" in chain.interrupted(board, dates, "mend").reason
