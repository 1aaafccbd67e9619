"""What follows when something goes wrong: pieces of time cut by hand, worlds whose truth is known, and bad input."""

import numpy as np
import pandas as pd
import pytest

from analysis import afterwards, findings, forgiveness, rates, studies
from analysis.afterwards import Watched
from analysis.calibration import draw
from analysis.cases import CASES
from analysis.estimates import Estimate, NotTestable
from analysis.exhibits import Figure, Text
from analysis.forgiveness import FREE, SERIOUS, SMALL

FIRM = """
[study.firm]
title = "A firm"
[study.firm.tables]
subscriptions = { source = "subscriptions.csv", observed_until = 2025-12-31 }
contacts = { source = "contacts.csv" }
surveys = { source = "surveys.csv", scale = [1, 7] }
[study.firm.constructs]
bond = ["bond_1"]
satisfaction = ["satisfaction_1"]
"""
SPELLS = "customer_id,started_at,ended_at\nann,2025-01-01,2025-06-30\nben,2025-01-01,\ncarl,2025-01-01,2025-02-01\n"
CONTACTS = """customer_id,contacted_at,kind,severity,first_reply_minutes,recovery_rating
ann,2025-06-10 12:00,failure,4,60,3
ben,2025-06-10 12:00,complaint,2,2880,5
carl,2025-01-31 12:00,failure,5,2880,1
ben,2025-12-30 12:00,failure,5,,
"""
SURVEYS = """customer_id,answered_at,bond_1,satisfaction_1
ann,2025-05-01,6,6
ben,2025-05-01,2,3
ben,2025-08-01,5,4
"""


@pytest.fixture
def firm(tmp_path):
    def make(*, spells=SPELLS, contacts=CONTACTS, surveys=SURVEYS, firm=FIRM):
        for name, text in {"subscriptions": spells, "contacts": contacts, "surveys": surveys}.items():
            (tmp_path / f"{name}.csv").write_text(text)
        (tmp_path / "studies.toml").write_text(firm)
        return studies.open_study("firm", tmp_path / "studies.toml")

    return make


def reason(answer):
    assert isinstance(answer, NotTestable)
    return answer.reason


# --- Replies --------------------------------------------------------------------------------------------------------


def test_the_clock_starts_with_the_reply_and_stops_at_ninety_days(firm):
    watched = forgiveness.replies(firm(), days=90)
    # Carl left on February 1st, before the reply of February 2nd; the last contact was never answered.
    assert [(step.kept, step.dropped) for step in watched.steps] == [(3, 1), (2, 1)]
    rows = watched.rows.set_index("customer_id")
    assert rows.loc["ann", ["time", "left", "severity"]].to_list() == [20.0, True, "4"]  # June 10th to 30th
    assert rows.loc["ben", ["time", "left", "doublings"]].to_list() == [90.0, False, pytest.approx(np.log2(2880))]
    assert rows.loc["ann", "tenure"] == pytest.approx(160 / 365.25)


def test_contacts_without_reply_times_are_not_testable(firm):
    without = "\n".join(",".join(line.split(",")[:4]) for line in CONTACTS.strip().splitlines()) + "\n"
    lacking = forgiveness.replies(firm(contacts=without), days=90)
    assert "no column first_reply_minutes" in reason(lacking)
    assert reason(forgiveness.slow(lacking)) == lacking.reason
    assert isinstance(forgiveness.by_speed(lacking, days=90), Text)
    empty = CONTACTS.replace(",60,", ",,").replace(",2880,", ",,")
    assert "minutes until the first reply" in reason(forgiveness.replies(firm(contacts=empty), days=90))


def test_too_few_leavers_and_no_dates(firm):
    assert "Fewer than 30" in reason(forgiveness.slow(forgiveness.replies(firm(), days=90)))
    tenures, unit = "customer_id,tenure,churned\nann,5,1\nben,7,0\n", 'tenure_unit = "month"'
    undated = firm(spells=tenures, firm=FIRM.replace("observed_until = 2025-12-31", unit))
    assert "contracts with dates" in reason(forgiveness.replies(undated, days=90))


# --- Time cut by failures -------------------------------------------------------------------------------------------


def cut(failures, *, until=200, left=True):
    asked = pd.DataFrame({"answer": [0], "customer_id": ["ann"], "day": [0], "until": [until], "left": [left]})
    told = pd.DataFrame(failures, columns=["day", "grade", "kind"]).assign(customer_id="ann")
    rows = forgiveness.cut(asked, told, days=90)
    return [tuple(row) for row in rows[["entered", "time", "state", "grade", "left"]].itertuples(index=False)]


def test_a_failure_counts_for_ninety_days_and_the_worst_one_wins():
    assert cut([(50, 1, SMALL), (100, 4, SERIOUS)]) == [
        (0, 50, FREE, 0, False),
        (50, 100, SMALL, 1, False),
        (100, 140, SERIOUS, 4, False),
        (140, 190, SERIOUS, 4, False),
        (190, 200, FREE, 0, True),
    ]


def test_what_the_answer_already_carries_is_left_out():
    assert cut([(-30, 4, SERIOUS)]) == [(60, 200, FREE, 0, True)]
    assert cut([(0, 4, SERIOUS)], left=False) == [(90, 200, FREE, 0, False)]  # on the day of the answer itself


def test_a_failure_after_leaving_is_none():
    assert cut([(200, 4, SERIOUS)]) == [(0, 200, FREE, 0, True)]


def test_answers_last_until_the_next_one(firm):
    lab = firm()
    watched = afterwards.answers_until(lab, afterwards.asked(lab), "bond", reach=365)
    rows = watched.rows
    assert rows["customer_id"].to_list() == ["ann", "ben", "ben"]
    assert (rows["until"] - rows["day"]).to_list() == [60, 92, 152]  # left June 30th; asked again; last day seen
    assert rows["left"].to_list() == [True, False, False]


def test_surveys_after_the_failure_are_not_testable(firm):
    late = SURVEYS.replace("2025-05-01", "2025-06-20").replace("2025-08-01", "2025-12-31")
    lab = firm(surveys=late)
    kinds = {"days": 90, "reach": 100, "small": 2, "serious": 4}
    found = forgiveness.failures_after(lab, afterwards.asked(lab), "bond", **kinds)
    assert "before something goes wrong" in reason(found)
    for answer in (forgiveness.buffered(found), forgiveness.forgiven(forgiveness.falls(found, days=90))):
        assert reason(answer) == found.reason
    assert isinstance(forgiveness.drawn(found, days=90, name="none", said="bond"), Text)


def test_kinds_choose_what_a_failure_is(firm):
    lab = firm()
    kinds = {"days": 90, "reach": 365, "small": 2, "serious": 4}
    every = forgiveness.failures_after(lab, afterwards.asked(lab), "bond", **kinds)
    some = forgiveness.failures_after(lab, afterwards.asked(lab), "bond", **kinds, kinds="failure, outage")
    assert SMALL in set(every.rows["state"])
    assert SMALL not in set(some.rows["state"])


# --- Worlds whose truth is known ------------------------------------------------------------------------------------


def test_without_failure_free_customers_nothing_can_be_compared():
    watched = CASES["L04"].world(np.random.default_rng(1), "true")
    only = Watched(watched.rows[watched.rows["state"] == SMALL], ())
    assert "without a failure to compare" in reason(forgiveness.falls(only, days=90))
    assert "after a serious failure" in reason(forgiveness.buffered(watched, said="satisfaction"))


@pytest.mark.parametrize("claim", ["S09", "L03", "L04"])
@pytest.mark.parametrize(("world", "word"), [("true", "association supported"), ("reversed", "contradicted")])
def test_verdicts_follow_the_truth(claim, world, word):
    assert findings.verdict(claim, draw(CASES[claim], world, 1), rung="C").word == word


def test_severity_fools_the_naive_reading_of_slow_replies():
    watched = CASES["S09"].world(np.random.default_rng(2), "artefact")
    naive, fair = forgiveness.slow(watched, held=False), forgiveness.slow(watched)
    assert naive.low > 1.1 > 1.03 > fair.value


def test_low_raters_leave_anyway_and_that_is_no_forgiveness():
    watched = CASES["L04"].world(np.random.default_rng(3), "artefact")
    table = forgiveness.falls(watched, days=90)
    naive, fair = forgiveness.forgiven(table, compared=False), forgiveness.forgiven(table)
    assert naive.value > 0.05
    assert fair.low < 0 < fair.high
    bonded = CASES["L03"].world(np.random.default_rng(4), "artefact")
    assert forgiveness.buffered(bonded, forgiveness.AFTER_ONLY).high < 0.8


def test_a_rate_becomes_a_chance():
    rows = pd.DataFrame({"time": [50.0, 100.0], "entered": [0.0, 50.0], "left": [True, False]})
    value, variance = rates.chance(rows, 90)
    assert value == pytest.approx(1 - np.exp(-0.9))  # one left in a hundred days
    assert variance == pytest.approx((90 * np.exp(-0.9) / 100) ** 2)


def test_exhibits():
    replies = CASES["S09"].world(np.random.default_rng(5), "true")
    shown = forgiveness.by_speed(replies, days=90)
    assert isinstance(shown, Figure)
    assert shown.data["value"].iloc[-1] > 1.3 * shown.data["value"].iloc[0]
    watched = CASES["L04"].world(np.random.default_rng(5), "true")
    figure = forgiveness.drawn(forgiveness.falls(watched, days=90), days=90, name="falls", said="satisfaction")
    assert isinstance(figure, Figure)


# --- Designs for data that have more, or less, than contacts and contracts ------------------------------------------


def hidden(random, *, effect, n=8000):
    """Contacts whose hidden hardness slows the reply and drives customers away; the queue only slows it."""
    severity, hard, queue = random.integers(1, 6, n), random.standard_normal(n), random.poisson(6, n)
    doublings = 6 + 0.2 * severity + 0.7 * np.log2(1 + queue) + 0.5 * hard + random.standard_normal(n)
    until = random.exponential(np.exp(6 - 0.25 * severity - effect * (doublings - 8) - 0.5 * hard))
    rows = {"time": np.minimum(np.ceil(until), 90), "left": until <= 90, "entered": 0.0, "weight": 1, "customer": 0}
    known = {"customer_id": np.arange(n), "severity": severity.astype(str), "doublings": doublings, "queue": queue}
    return Watched(pd.DataFrame(rows | known), ())


def test_the_queue_tells_what_severity_hides():
    """Nothing at all is found as harm at equal severity; the queue finds nothing, and something where it is."""
    nothing, harm = (hidden(np.random.default_rng(3), effect=effect) for effect in (0.0, 2 * np.log(1.1)))
    assert forgiveness.slow(nothing).low > 1.1
    found = {name: forgiveness.by_queue(each) for name, each in (("nothing", nothing), ("harm", harm))}
    assert found["nothing"].low < 1 < found["nothing"].high
    assert found["harm"].low < 1.21 < found["harm"].high
    assert found["harm"].low > 1
    # By hand: the one ratio over the other, on logs.
    direct = forgiveness.hazard_ratio(harm.rows.assign(queue=np.log2(1 + harm.rows["queue"])), "queue", ["severity"])
    x = np.column_stack([np.log2(1 + harm.rows["queue"]), pd.get_dummies(harm.rows["severity"])]).astype(float)
    costs = np.linalg.lstsq(x, harm.rows["doublings"], rcond=None)[0][0]
    assert np.log(found["harm"].value) == pytest.approx(np.log(direct.value) / costs)


def test_without_a_queue_that_slows_replies_nothing_is_told_by_it():
    rows = hidden(np.random.default_rng(3), effect=0.2).rows
    idle = rows.assign(queue=np.random.default_rng(1).poisson(6, len(rows)))
    assert "too little to tell" in reason(forgiveness.by_queue(Watched(idle, ())))
    assert "column queue of contacts" in reason(forgiveness.by_queue(Watched(rows.drop(columns="queue"), ())))
    readings = {forgiveness.HELD: NotTestable("x"), forgiveness.QUEUED: NotTestable("y")}
    assert forgiveness.leading(readings) == forgiveness.HELD
    sharp = Estimate.log_normal(1.2, 0.03, unit="hazard ratio", n=9)
    assert forgiveness.leading(readings | {forgiveness.QUEUED: sharp}) == forgiveness.QUEUED


def test_looking_backwards_finds_the_contact_before(firm):
    earlier = "ann,2025-05-01 12:00,question,1,30,5\n"
    watched = forgiveness.replies(firm(contacts=CONTACTS.replace("ann,", earlier + "ann,", 1)), days=90)
    rows = forgiveness.backwards(watched, days=60).rows.set_index(["customer_id", "doublings"])
    assert list(rows["left"]) == [False, True, False]
    assert rows.loc[("ann", np.log2(60)), "time"] == 40  # May 1st to June 10th
    assert rows.loc[("ben", np.log2(2880)), "time"] == 60  # none before
    assert reason(forgiveness.backwards(NotTestable("Nobody."), days=60)) == "Nobody."


def test_falls_between_two_answers_by_hand(firm):
    answers = ["ann,2025-05-01,6,6", "ann,2025-11-01,6,3", "ben,2025-05-01,2,3", "ben,2025-08-01,5,4"]
    answers += ["carl,2025-01-05,4,4", "carl,2025-05-05,4,7", "dora,2025-01-05,4,5", "dora,2025-05-05,4,5"]
    text = "\n".join(["customer_id,answered_at,bond_1,satisfaction_1", *answers]) + "\n"
    lab = firm(surveys=text)
    pairs = forgiveness.drops(lab, afterwards.asked(lab), days=95, small=2.0, serious=4.0)
    # Ann's failure came 144 days before her second answer, so she is left out; Carl's 94 days before his.
    assert pairs["state"].to_list() == [SMALL, SERIOUS, FREE]
    assert pairs["fell"].to_list() == pytest.approx([-1 / 6, -0.5, 0.0])  # of a scale from 1 to 7
    assert "pairs of answers" in reason(forgiveness.fell(pairs))
    other = forgiveness.drops(lab, afterwards.asked(lab), days=95, small=2.0, serious=4.0, kinds="failure")
    assert other["state"].to_list() == [FREE, SERIOUS, FREE]
    assert reason(forgiveness.drops(lab, NotTestable("Nobody."), days=9, small=1, serious=2)) == "Nobody."


def paired(random, *, low=0.3, high=0.3, n=6000):
    """Two answers of whole steps around a lasting mood, one in four with a failure that costs the unhappy `low`."""
    mood = 4.8 + 0.8 * random.standard_normal(n)
    before, failed = np.clip(np.rint(mood + 0.8 * random.standard_normal(n)), 1, 7), random.random(n) < 0.25
    after = mood - failed * np.where(before > 4.8, high, low) + 0.8 * random.standard_normal(n)
    fell = (before - np.clip(np.rint(after), 1, 7)) / 6
    known = {"who": np.arange(n), "before": before, "fell": fell, "state": np.where(failed, SMALL, FREE)}
    return pd.DataFrame(known | {"weight": 1.0})


def test_high_raters_who_fall_anyway_are_not_taken_for_the_unforgiving():
    """Regression to the mean makes high raters fall most; beside pairs without a failure nothing is left of that."""
    table = forgiveness.fell(paired(np.random.default_rng(2)))
    assert forgiveness.forgiven(table, compared=False).high < -0.1
    found = forgiveness.forgiven(table, told="answers")
    assert (found.low < 0 < found.high, found.method) == (True, "answers")
    cells = table.set_index(["third", "state"])["value"]
    (low, high), drop = forgiveness.THIRDS, lambda third: cells[third, SMALL] - cells[third, FREE]
    assert found.value == pytest.approx(drop(low) - drop(high))
    planted = forgiveness.forgiven(forgiveness.fell(paired(np.random.default_rng(2), low=0.6, high=0.1)))
    assert planted.low < 0.5 / 6 < planted.high
    assert findings.verdict("L04", planted, rung="C").word == "association supported"


def test_forgiveness_is_seldom_found_where_there_is_none():
    """Wrong positives at most 5%; of 60 draws no more than 5 come up in 99 of 100 runs at that rate or below."""
    drawn = [forgiveness.forgiven(forgiveness.fell(paired(r, n=3000))) for r in np.random.default_rng(6).spawn(60)]
    assert sum(findings.verdict("L04", each, rung="C").word == "association supported" for each in drawn) <= 5
