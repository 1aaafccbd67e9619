"""A claim asked in every way: what flips, what cannot be asked, and what all ways say under the null."""

from types import SimpleNamespace

import numpy as np
import pytest

from analysis import specifications
from analysis.estimates import Estimate, NotTestable

STUDY = SimpleNamespace(smallest_effects={})
GRID = {"window": (90, 180), "returns": ("purchases", "net")}


def ask(frame, *, window, returns):
    """The ratio of two means: twice the effect in the longer window, and nothing is known there of net sales."""
    if window == 180 and returns == "net":
        return NotTestable("Nothing was sent back.")
    cause, outcome = frame
    effect = outcome[cause].mean() - outcome[~cause].mean()
    return Estimate.log_normal(float(np.exp(effect * window / 90)), 0.02, unit="ratio", n=len(outcome))


def dealt(frame, rng):
    return rng.permutation(frame[0]), frame[1]


def frame(effect):
    rng = np.random.default_rng(3)
    cause = rng.random(4000) < 0.5
    return cause, effect * cause + 0.03 * rng.standard_normal(4000)


@pytest.fixture(scope="module")
def found():
    return specifications.specify("P05", ask, frame(0.04), GRID, study=STUDY, shuffle=dealt, draws=49)


def test_every_way_is_asked_once(found):
    assert found.table[["window", "returns"]].to_numpy().tolist() == [
        ["90", "purchases"], ["90", "net"], ["180", "purchases"]]  # fmt: skip
    assert list(found.table["headline"]) == [True, False, False]
    assert found.refused["note"].tolist() == ["Nothing was sent back."]
    assert (found.unit, found.null) == ("ratio", 1.0)


def test_the_choice_that_flips_the_verdict_is_named(found):
    # e^.04 = 1.041 falls short of 1.05, and twice as much on the logarithm, 1.083, does not.
    assert found.table["verdict"].tolist() == ["inconclusive", "inconclusive", "supported"]
    assert "flips with window 180 (supported)" in specifications.flips(found).text


def test_a_true_effect_is_rare_under_the_null_and_no_effect_is_not(found):
    assert found.p["median"] == 0.02  # one in fifty: never in 49 draws, and the data themselves
    nothing = specifications.specify("P05", ask, frame(0.0), GRID, study=STUDY, shuffle=dealt, draws=49)
    assert nothing.p["median"] > 0.05
    assert specifications.specify("P06", ask, frame(0.0), GRID, study=STUDY, shuffle=dealt).p == {}


def test_the_curve_shows_all_and_one_way_is_no_curve(found):
    figure = specifications.curve(found, name="ways", y_label="Ratio")
    assert "2 inconclusive" in figure.title
    assert "cannot be tested: Nothing was sent back." in figure.caption
    one = specifications.specify("P05", ask, frame(0.1), {"window": (90,), "returns": ("net",)}, study=STUDY)
    assert "one way only" in specifications.curve(one, name="ways", y_label="Ratio").text
