"""Response curves and the best split, on trials and books whose truth is known."""

from types import SimpleNamespace

import ibis
import numpy as np
import pandas as pd
import pytest

from analysis import hypotheses, responses
from analysis.checks import CheckedTable
from analysis.estimates import NotTestable

WIN, KEEP = (0.01, 0.20, 0.10), (0.60, 0.25, 0.20)  # floor, reach above it, rate for each unit of money a head
PROSPECTS, CUSTOMERS, BUDGET = 50_000, 20_000, 400_000.0


def share(truth, spend):
    floor, reach, rate = truth
    return floor + reach * -np.expm1(-rate * np.asarray(spend, float))


def best_share():
    """By trying every split of the budget."""
    splits = np.linspace(0.001, 0.999, 9999)
    left = PROSPECTS * share(WIN, splits * BUDGET / PROSPECTS)
    left = left + CUSTOMERS * share(KEEP, (1 - splits) * BUDGET / CUSTOMERS)
    return splits[left.argmax()]


def trials(truth, spend, came, rng, levels=(0, 5, 10, 20, 40), each=4000):
    money = np.repeat(np.array(levels, float), each)
    return pd.DataFrame({spend: money, came: (rng.random(len(money)) < share(truth, money)).astype(float)})


def firm(acquisition, *, seed=1, **more):
    rng = np.random.default_rng(seed)
    tried = pd.concat(
        [
            trials(WIN, "acquisition_spend", "acquired", rng, **more),
            trials(KEEP, "retention_spend", "retained", rng, **more),
        ],
        ignore_index=True,
    ).assign(arm="level")
    won = PROSPECTS * share(WIN, acquisition * BUDGET / PROSPECTS)
    books = pd.DataFrame(
        {
            "period": pd.to_datetime(["2024-01-01", "2025-01-01"]),
            "acquisition_spend": [0.0, acquisition * BUDGET],
            "retention_spend": [0.0, (1 - acquisition) * BUDGET],
            "n_new": [0.0, won],
            "n_active": [CUSTOMERS, CUSTOMERS],
        }
    )
    tables = {name: CheckedTable(name, ibis.memtable(rows), (), (), {}) for name, rows in
              {"experiments": tried, "finances": books}.items()}  # fmt: skip
    return SimpleNamespace(has=tables.__contains__, table=tables.__getitem__)


def test_a_curve_is_found_again():
    rng = np.random.default_rng(3)
    rows = trials(KEEP, "retention_spend", "retained", rng, each=50_000)
    found = responses.curve(rows["retention_spend"], rows["retained"])
    assert found.at([0, 5, 30])[0] == pytest.approx(share(KEEP, [0, 5, 30]), abs=0.01)  # three standard errors


@pytest.mark.parametrize(("excess", "word"), [(0.25, "supported"), (-0.25, "contradicted")])
def test_the_verdict_follows_the_split(excess, word):
    answer = responses.overspent(firm(best_share() + excess), draws=300, seed=2)
    assert hypotheses.get("R14").rule.judge(answer).word == word


def test_intervals_hold_the_truth():
    """20 firms: with 95% intervals three misses or more come once in thirteen times, six once in three thousand."""
    held = 0
    for seed in range(20):
        answer = responses.overspent(firm(best_share(), seed=seed), draws=200, seed=seed)
        held += answer.low <= 0 <= answer.high
    assert held > 14


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"levels": (0, 10)}, "3 levels of spending are needed"),
        ({"each": 30}, "Each level needs 100 cases"),
    ],
)
def test_trials_that_show_no_curve(spoil, reason):
    answer = responses.overspent(firm(0.5, **spoil), draws=20, seed=1)
    assert isinstance(answer, NotTestable)
    assert reason in answer.reason


def test_spending_that_brings_nothing():
    rng = np.random.default_rng(5)
    rows = pd.DataFrame({"spend": np.repeat([0.0, 5.0, 10.0], 2000), "came": rng.random(6000) < 0.3})
    assert "did not bring more" in responses.curve(rows["spend"], rows["came"]).reason


def test_what_is_missing_is_named():
    bare = SimpleNamespace(has=lambda name: False)
    assert "Response curves are needed" in responses.overspent(bare, draws=2, seed=1).reason
    books = firm(0.5)
    only_trials = SimpleNamespace(has=lambda name: name == "experiments", table=books.table)
    assert "Finances with acquisition_spend" in responses.overspent(only_trials, draws=2, seed=1).reason
