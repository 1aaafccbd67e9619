"""The claims about promoters on worlds whose truth is known: when true, when nothing is there, when reversed."""

import numpy as np
import pandas as pd
import pytest

from analysis import hypotheses, promoters
from analysis.afterwards import Afterwards
from analysis.estimates import NotTestable
from analysis.exhibits import Figure, Table, Text
from analysis.scales import Answers

SCALES = {"s1": (1, 7), "s2": (1, 7), "n": (0, 10), "f": (1, 5)}


def asked(mood, willing, *, feedback=None):
    """Answers of people in a mood (satisfaction) who are willing to recommend; both in standard deviations."""
    rng = np.random.default_rng(1)

    def rated(held, low, high, middle, spread):
        noisy = middle + spread * held + 0.3 * rng.standard_normal(len(held))
        return np.clip(np.rint(noisy), low, high)

    items = pd.DataFrame(
        {
            "s1": rated(mood, 1, 7, 4.5, 1.1),
            "s2": rated(mood, 1, 7, 4.5, 1.1),
            "n": rated(willing, 0, 10, 7.0, 2.0),
            "f": np.nan if feedback is None else feedback,
        }
    )
    constructs = {"satisfaction": ("s1", "s2"), "recommend": ("n",), "feedback": ("f",)}
    who = pd.DataFrame({"wave": np.where(np.arange(len(mood)) % 2, "a", "b")})
    return Answers(items, who, np.ones(len(mood)), constructs, {}, SCALES)


def watched(found, after, before=None, age=None):
    did = pd.DataFrame({"before": before if before is not None else np.zeros(len(after)), "after": after})
    did["age"] = age if age is not None else np.nan
    return Afterwards(found, did, 180, ())


def people(n=2000, seed=2):
    rng = np.random.default_rng(seed)
    mood = rng.standard_normal(n)
    return rng, mood, 0.6 * mood + 0.8 * rng.standard_normal(n)


def verdict(hypothesis, evidence):
    return hypotheses.get(hypothesis).rule.judge(evidence).word


def judged_i04(driver):
    rng, mood, willing = people()
    chance = 1 / (1 + np.exp(-1.5 * {"willing": willing, "mood": mood, "both": (mood + willing) / 1.8}[driver]))
    later = watched(asked(mood, willing), (rng.random(len(mood)) < chance).astype(float))
    readings = promoters.better_than_satisfaction(later, draws=199, seed=3)
    return {name: verdict("I04", parts) for name, parts in readings.items()}


def test_i04_holds_where_willingness_alone_keeps_customers():
    assert judged_i04("willing") == {promoters.CLASSES: "supported", promoters.ANSWER: "supported"}


@pytest.mark.parametrize("driver", ["mood", "both"])
def test_i04_fails_where_satisfaction_keeps_them_as_well_or_better(driver):
    assert judged_i04(driver)[promoters.CLASSES] == "contradicted"


def test_i04_says_what_is_missing():
    rng, mood, willing = people(300)
    found = asked(mood, willing)
    short = Answers(found.items, found.who, found.weight, found.constructs, {}, SCALES | {"n": (1, 7)})
    nobody = watched(found, np.zeros(300))
    for later, reason in ((watched(short, rng.random(300) < 0.5), "from 1 to 7"), (nobody, "stayed, or left")):
        readings = promoters.better_than_satisfaction(later, draws=10, seed=1)
        assert all(isinstance(answer, NotTestable) and reason in answer.reason for answer in readings.values())


def judged_i01(slope):
    rng, mood, willing = people()
    stars = np.clip(np.rint(3 + slope * mood + 0.7 * rng.standard_normal(len(mood))), 1, 5)
    writes = rng.random(len(mood)) < np.clip(0.1 + 0.25 * np.abs(mood), 0, 1)
    found = asked(mood, willing, feedback=np.where(writes, stars, np.nan))
    return {name: verdict("I01", answer) for name, answer in promoters.mirrored(found, draws=199, seed=4).items()}


@pytest.mark.parametrize(("slope", "word"), [(0.8, "supported"), (0.0, "contradicted"), (-0.8, "contradicted")])
def test_i01_tells_mirrors_from_noise(slope, word):
    assert set(judged_i01(slope).values()) == {word}


def test_writers_from_both_ends_make_stars_look_better_than_they_are():
    """Extreme people write, which stretches satisfaction among writers and with it the correlation."""
    rng, mood, willing = people(6000)
    stars = np.clip(np.rint(3 + 0.5 * mood + rng.standard_normal(6000)), 1, 5)
    writes = rng.random(6000) < np.clip(0.02 + 0.2 * mood**2, 0, 1)
    answers = promoters.mirrored(asked(mood, willing, feedback=np.where(writes, stars, np.nan)), draws=50, seed=5)
    assert answers["weighted for who writes"].value < answers["as it comes"].value - 0.05


def judged_i02(slope):
    rng, mood, willing = people()
    times = rng.poisson(np.exp(0.5 + slope * mood))
    later = watched(asked(mood, willing), times, age=500 + 300 * slope * mood + 100 * rng.standard_normal(len(mood)))
    return verdict("I02", promoters.signs_of_loyalty(later, later, draws=199, seed=6))


@pytest.mark.parametrize(("slope", "word"), [(0.8, "supported"), (0.0, "contradicted"), (-0.8, "contradicted")])
def test_i02_tells_signs_from_noise(slope, word):
    assert judged_i02(slope) == word


def test_i02_without_referrals_names_them():
    rng, mood, willing = people(300)
    later = watched(asked(mood, willing), rng.poisson(1.0, 300), age=rng.random(300))
    parts = promoters.signs_of_loyalty(later, NotTestable("The study has no referrals table."), draws=20, seed=7)
    assert isinstance(parts["praise"], NotTestable)
    assert not isinstance(parts["repeat"], NotTestable)


def test_exhibits():
    rng, mood, willing = people(600)
    found, after = asked(mood, willing), (rng.random(600) < 0.6).astype(float)
    later = watched(found, after, before=rng.poisson(1.0, 600))
    assert isinstance(promoters.side_by_side(found, later), Table)
    assert isinstance(promoters.waves(found, min_cell=5), Figure)
    assert isinstance(promoters.foretold(later, draws=20, seed=8), Figure)
    assert isinstance(promoters.what_it_shows(found, points=0.05), Text)
    empty = Answers(found.items, found.who, found.weight, {"satisfaction": ("s1", "s2")}, {}, SCALES)
    for exhibit in (promoters.waves(empty, min_cell=5), promoters.what_it_shows(empty, points=0.05)):
        assert "no construct recommend" in exhibit._repr_mimebundle_()[0]["text/plain"]
