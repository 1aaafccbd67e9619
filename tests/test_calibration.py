"""Tests on worlds whose truth is known: in the short form, with fixed seeds, and with tests that are broken on purpose.

Three worlds, one where they cost much, say little about a rate, and enough about a test that answers the wrong way
round: with right answers in 80% of worlds, three of three go wrong once in 125 tries. Seeds are fixed, so a test that
passes goes on passing until its function or its world changes.
"""

import csv
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis import calibrated, calibration, hypotheses, runs, truthfulness
from analysis.calibration import Case, draw, right, said, tried
from analysis.estimates import Estimate
from analysis.findings import record
from analysis.hypotheses.rules import ASSOCIATION, CONTRADICTED, SUPPORTED

CASES = calibration.cases()
POSITIVE = {SUPPORTED, ASSOCIATION}


def verdicts(case, world, times):
    return Counter(said(case, draw(case, world, n)) for n in range(times))


@pytest.mark.parametrize("claim", CASES)
def test_a_test_finds_what_is_there_and_not_what_is_turned_round(claim):
    case = CASES[claim]
    cheap = not (case.dear or case.few)
    found = verdicts(case, "true", 3 if cheap else 1)
    assert found[right(case, "true")] if cheap else CONTRADICTED not in found, found
    if "reversed" in case.worlds and not case.few:
        found = verdicts(case, "reversed", 3 if cheap else 1)
        assert not POSITIVE & set(found), found


def test_every_claim_with_a_test_has_its_worlds():
    tested = {row.id for row in hypotheses.REGISTER.values() if row.notebook}
    assert tested - set(CASES) <= set(calibrated.NOTHING)
    assert set(CASES) <= set(hypotheses.REGISTER)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_case_fits_its_row(case):
    row = hypotheses.get(case.claim)
    assert case.rung <= row.rung
    assert set(case.truth) <= set(calibrated.WORLDS)
    assert case.removable or case.artefact
    assert not case.part or case.part in row.rule.parts


def effect(random, world):
    """Two points of difference where it is true, from 1,000 customers an arm."""
    return random.normal({"true": 0.2, "reversed": -0.2}.get(world, 0.0), 0.03)


def honest(value, seed):
    return Estimate.normal(value, 0.03, unit="sd", n=2000)


GOOD = Case("E02", effect, honest, "2,000 customers", "D", truth={"true": 0.4, "null": 0.0, "reversed": -0.4})
GOOD = replace(GOOD, world=lambda random, world: 2 * effect(random, world))
GOOD = replace(GOOD, ask=lambda value, seed: Estimate.normal(value, 0.06, unit="sd", n=2000))
SMALL = replace(CASES["G09"], few=True)


def test_an_honest_test_holds_in_every_world():
    for world in GOOD.worlds:
        row = tried(GOOD, world, 200)
        assert row["holds"], world
        assert row["covered_holds"], world
        assert row["right_low"] <= row["right"] <= row["right_high"]
    assert tried(GOOD, "null", 50) | {"cpu_seconds": 0} == tried(GOOD, "null", 50) | {"cpu_seconds": 0}


BROKEN = {
    "always says yes": (lambda value, seed: Estimate.normal(0.5, 0.01, unit="sd", n=9), "null", "holds"),
    "never says yes": (lambda value, seed: Estimate.normal(0.0, 9.0, unit="sd", n=9), "true", "holds"),
    "is the wrong way round": (lambda value, seed: Estimate.normal(-value, 0.06, unit="sd", n=9), "true", "holds"),
    "is too sure": (lambda value, seed: Estimate.normal(value, 0.02, unit="sd", n=9), "true", "covered_holds"),
    "is too timid": (lambda value, seed: Estimate.normal(value, 0.12, unit="sd", n=9), "null", "covered_holds"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_test_is_caught(broken):
    ask, world, column = BROKEN[broken]
    assert not tried(replace(GOOD, ask=ask), world, 400)[column]


def test_an_artefact_that_no_design_sees_through_may_only_be_called_an_association():
    fooled = Case("E11", lambda random, world: None, lambda drawn, seed: everything, "none", "B", "a halo", False)
    everything = {part: Estimate.normal(0.5, 0.01, unit="slope", n=9) for part in hypotheses.get("E11").rule.parts}
    row = tried(fooled, "artefact", 20)
    assert (row["association_supported"], row["supported"], row["holds"]) == (20, 0, True)
    assert not tried(replace(fooled, removable=True), "artefact", 100)["holds"]


def test_on_the_boundary_of_a_threshold_only_wrong_positives_count():
    assert right(CASES["V04"], "null") == ""
    assert right(CASES["E09"], "null") == ""  # a slope inside the zone that just matters
    assert right(CASES["S01"], "null") == CONTRADICTED
    assert right(CASES["S01"], "true") == SUPPORTED  # goes with, and does not claim to cause
    assert right(CASES["E08"], "true") == ASSOCIATION
    assert right(CASES["V04"], "true") == ASSOCIATION  # claims no cause, but asks for both on one page


def test_a_changed_test_makes_its_rows_stale_and_another_one_does_not():
    one, same = (calibration.digest(replace(CASES["S01"], size=size)) for size in "ab")
    assert one == same
    assert calibration.digest(replace(CASES["S01"], ask=honest)) != one
    assert calibration.digest(CASES["S02"]) != one


@pytest.fixture
def table(tmp_path, monkeypatch):
    path = tmp_path / "calibrated.csv"
    for module in (calibrated, calibration):
        monkeypatch.setattr(module, "TABLE", path)
    calibrated._standings.cache_clear()
    yield path
    calibrated._standings.cache_clear()


def test_the_table_is_kept_row_by_row_and_tells_each_claims_standing(table):
    assert calibrated.standing("S01") == calibrated.MISSING
    assert calibrated.standing("R10") == calibrated.EXEMPT
    few = {"covered_holds": "", "digest": "0", "plan": "true 20"}
    for claim, good in (("S02", True), ("S01", False), ("S01", True)):
        calibration.keep(tried(GOOD, "true", 20) | few | {"claim": claim, "holds": good})
    calibrated._standings.cache_clear()
    with table.open() as lines:
        assert [row["claim"] for row in csv.DictReader(lines)] == ["S01", "S02"]  # in the order of the register
    assert calibrated.standing("S01") == calibrated.HOLDS
    calibration.keep(tried(GOOD, "null", 20) | few | {"claim": "S01", "holds": False})
    calibrated._standings.cache_clear()
    assert calibrated.standing("S01") == calibrated.FAILS
    assert calibration.stale(calibrated.kept()) == [True] * 3


@pytest.mark.parametrize("plan", ["true 20, null 20", "true 21"])
def test_a_claim_of_which_worlds_are_missing_counts_as_not_tried(table, plan):
    calibration.keep(tried(GOOD, "true", 20) | {"plan": plan})
    calibrated._standings.cache_clear()
    assert calibrated.standing("E02") == calibrated.MISSING


@pytest.mark.parametrize(("shake", "same"), [(1e-12, True), (1e-6, False)])
def test_a_stale_row_is_carried_over_only_where_the_first_worlds_are_answered_as_before(shake, same):
    row = tried(GOOD, "true", 20) | {"digest": "0"}
    other = replace(GOOD, ask=lambda value, seed: GOOD.ask(value * (1 + shake), seed), size="half as many")
    found = calibration.carried(other, "true", row)
    assert (found is not None) == same
    if same:
        assert found["digest"] == calibration.digest(other)
        assert found["size"] == "half as many"
        assert found["supported"] == row["supported"]


@pytest.mark.parametrize("change", [{"rung": "B"}, {"truth": {"true": 0.3}}, {"part": "level"}])
def test_a_row_is_not_carried_over_when_something_else_is_asked_of_the_answers(change):
    assert calibration.carried(GOOD, "true", tried(GOOD, "true", 20))
    assert calibration.carried(replace(GOOD, **change), "true", tried(GOOD, "true", 20)) is None


def test_a_run_carries_over_what_answers_as_before_and_draws_the_rest(table, monkeypatch):
    """Run in this process: of two stale rows the one whose first worlds were answered otherwise is drawn anew."""
    monkeypatch.setattr(calibration, "cases", lambda: {"G09": SMALL})
    monkeypatch.setattr(calibration, "ProcessPoolExecutor", lambda jobs, mp_context: ThreadPoolExecutor(1))
    for world, told in (("true", {}), ("null", {"looks": "0"})):
        calibration.keep(tried(SMALL, world, SMALL.times(world)) | {"digest": "0", "supported": 77} | told)
    rows = calibration.run(["G09"], jobs=1).set_index("world", drop=False)
    assert list(rows["n"]) == [SMALL.times(world) for world in SMALL.worlds]
    assert rows.loc["true", "supported"] == 77
    assert rows.loc["null", "supported"] < 77
    assert calibration.stale(calibrated.kept()) == [False] * 3
    assert calibration.run(["G09"], jobs=1).equals(rows.reset_index(drop=True))


def test_the_page_says_what_fails_and_where(table):
    assert "No test has been tried" in truthfulness.summary().text
    for world in GOOD.worlds:
        calibration.keep(tried(GOOD, world, 40) | {"plan": f"{world} 40"})
    half_more = Estimate.normal(1.5, 0.01, unit="ratio", n=9)
    fooled = Case("S01", effect, lambda value, seed: half_more, "none", "C", "the happy answer")
    calibration.keep(tried(fooled, "artefact", 40) | {"plan": "artefact 40"})
    calibrated._standings.cache_clear()
    assert "Tests that hold: 1; that fail: 1." in truthfulness.summary().text
    rows = truthfulness.failures().rows
    assert list(rows["row"]) == ["S01"]
    assert rows["what goes wrong"][0] == "Where the happy answer, it says yes in 100.0% of worlds."
    assert len(truthfulness.every_test().rows) == 2
    for kind in truthfulness.KINDS:
        assert truthfulness.rate(kind).data["value"].between(0, 1).all()
    assert "have changed since" in truthfulness.made().text


@pytest.mark.parametrize(("word", "warned"), [(calibrated.FAILS, True), (calibrated.MISSING, True), ("holds", False)])
def test_a_card_says_in_words_that_its_test_failed_or_was_not_tried(monkeypatch, word, warned):
    monkeypatch.setattr(calibrated, "standing", lambda claim: word)
    study = SimpleNamespace(name="s", smallest_effects={}, simulated=False, currency=None)
    answer = {"all": Estimate.normal(1.2, 0.01, unit="ratio", n=100)}
    shown = record("S01", study=study, readings=answer, headline="all", design="none", rung="C")
    assert shown.headline["calibration"] == word
    assert ("simulated businesses" in shown._repr_mimebundle_()["text/html"]) == warned


def test_the_page_runs_only_where_it_is_listed():
    told = {"runs": [], "parameters": {}, "cell_timeout": 1, "report_timeout": 1, "memory_limit": None}
    planned = runs.plan(SimpleNamespace(name="any", has=lambda table: False, **told))
    names = {job.notebook.name for job in planned}
    assert "10_what_the_data_hold" in names
    assert "91_do_the_tests_tell_the_truth" not in names


def test_the_committed_table_is_whole_and_of_these_tests():
    rows = calibrated.kept()
    if rows.empty:
        pytest.skip("no calibration is kept yet: make calibrate")
    assert not rows.duplicated(["claim", "world"]).any()
    assert rows["digest"].str.fullmatch("[0-9a-f]{12}").all()
    assert (
        rows[["supported", "association_supported", "contradicted", "inconclusive", "not_testable"]].sum(axis=1)
        == rows["n"]
    ).all()
    assert np.isfinite(pd.to_numeric(rows["cpu_seconds"])).all()


def test_no_committed_row_is_of_a_test_that_now_answers_otherwise():
    """The first world of every row whose source has moved, but for the dearest; a run carries the others over."""
    rows = calibrated.kept()
    moved = []
    for row in rows[calibration.stale(rows)].to_dict("records"):
        case = CASES.get(row["claim"])
        if case is None or not case.few:
            now = case and calibration.look(case, row["world"], draw(case, row["world"], 0))
            moved += [f"{row['claim']} {row['world']}"] * (row["looks"].split()[0] != now)
    assert not moved, f"make calibrate: these rows are of tests that have changed since: {', '.join(moved)}"
