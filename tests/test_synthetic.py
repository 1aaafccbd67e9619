"""A mixture of other units: by hand, beside another solver, and in worlds without an effect."""

import numpy as np
import pytest
from scipy.optimize import minimize

from analysis import synthetic
from analysis.hypotheses.rules import Directional

RULE = Directional(at_least=1.05, null=1.0)  # of P05


def world(random, *, treated=1, others=30, before=12, effect=0.0):
    """Branches with two currents that each feels in its own way, and noise that lasts a little."""
    units, periods = others + treated, before + 1
    currents = np.cumsum(0.06 * random.standard_normal((2, periods)), axis=1)
    noise = 0.08 * random.standard_normal((units, periods))
    noise[:, 1:] = 0.5 * noise[:, :-1] + np.sqrt(0.75) * noise[:, 1:]
    level = 3 + 0.5 * random.standard_normal((units, 1)) + random.standard_normal((units, 2)) @ currents + noise
    had = np.arange(units) < treated
    level[had, before:] += effect
    return np.exp(level), had


def test_a_mixture_is_found_again():
    others = np.array([[1.0, 2, 3, 5], [4, 1, 2, 2], [0, 7, 1, 1]])
    found = synthetic.weights(0.3 * others[0] + 0.7 * others[2], others)
    assert found == pytest.approx([0.3, 0, 0.7], abs=1e-6)  # rounding of the heavy row


def test_weights_agree_with_another_solver():
    """Where no mixture fits wholly: sequential quadratic programming on the same squares; both stop near the least."""
    random = np.random.default_rng(4)
    target, others = 1 + random.random(10), 1 + random.random((6, 10))
    other = minimize(
        lambda share: np.sum((target - share @ others) ** 2),
        np.full(6, 1 / 6),
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda share: share.sum() - 1},
        options={"ftol": 1e-12},
    )
    assert synthetic.weights(target, others) == pytest.approx(other.x, abs=1e-4)


def test_by_hand():
    """All run alike, so a branch that doubles in the last period has doubled, and nothing strays."""
    outcome = np.outer(np.arange(1.0, 22), [1, 2, 3, 4, 5, 4, 3, 2, 6.0])
    outcome[0, -1] *= 2
    found = synthetic.beside(outcome, np.arange(21) == 0, before=8)
    assert (found.value, found.n) == (pytest.approx(2.0), 1)
    assert found.high - found.low < 1e-6


@pytest.mark.parametrize("treated", [1, 3])
def test_worlds_without_an_effect_and_with_one(treated):
    """At most 5% wrong positives and about 95% coverage; of 120 draws 99% of runs stay within the bounds used here."""
    for effect in (0.0, 0.3):
        answers = [
            synthetic.beside(*world(random, treated=treated, effect=effect), before=12)
            for random in np.random.default_rng(8).spawn(120)
        ]
        held = np.mean([each.low <= np.exp(effect) <= each.high for each in answers])
        assert 0.89 < held <= 1
        found = np.mean([RULE.judge(each).word == "supported" for each in answers])
        assert found > 0.6 if effect else found <= 0.1


def test_what_cannot_be_told_says_why():
    random = np.random.default_rng(1)
    outcome, had = world(random)
    assert "7 periods before it; 8 are needed" in synthetic.beside(outcome[:, 5:], had, before=7).reason
    assert "18 units without it; 19 are needed" in synthetic.beside(outcome[:19], had[:19], before=12).reason
    many = np.arange(31) < 7
    assert "24 units without it; 28 are needed" in synthetic.beside(outcome, many, before=12).reason
    outcome[5] = 0
    assert "nothing in the time" in synthetic.beside(outcome, had, before=12).reason
