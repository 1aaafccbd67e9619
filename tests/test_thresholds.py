"""Jumps at a threshold: against rdrobust, against lines drawn by hand, and in worlds whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import erfinv

from analysis import thresholds
from analysis.estimates import NotTestable


def bent(n=1000):
    """A bent line with a step of .5 at nothing; numbers any program draws alike (see the test)."""
    i = np.arange(n)
    x = 2 * ((i * 0.6180339887498949) % 1) - 1
    noise = np.sqrt(2) * erfinv(2 * ((i * 0.7548776662466927) % 1) * 0.999 + 0.001 - 1)
    return x, 2 + x + 0.8 * x**2 + 0.5 * (x >= 0) + 0.5 * noise


def drawn(n, seed, *, step=0.5):
    rng = np.random.default_rng(seed)
    x = rng.normal(-0.3, 1, n)
    return x, 3 + x + 0.3 * x**2 + 0.1 * x**3 + step * (x >= 0) + rng.standard_normal(n) * (1 + 0.3 * np.abs(x))


def test_answers_of_rdrobust():
    """rdrobust 2.1.1: rdrobust(y, x, h=.5, b=.8, kernel="tri", vce="hc2") on the same rows; eight printed digits."""
    made = thresholds.jump(*bent(), fixed=(0.5, 0.8, 0.8))
    below, above = made.lines
    assert above[0] - below[0] == pytest.approx(0.46431904, abs=5e-9)
    assert made.difference.value == pytest.approx(0.45864643, abs=5e-9)
    assert (made.difference.high - made.difference.low) / (2 * 1.959964) == pytest.approx(0.11433457, abs=1e-7)
    assert made.ratio.n == 499


def test_a_parabola_is_followed_to_its_end():
    """No noise: whatever the bandwidth, the jump is exact, for lines with their bend taken out follow parabolas."""
    x, _ = bent()
    y = 3 + 2 * x - x**2 + 0.7 * (x >= 0)
    for width in (0.3, 0.9):
        made = thresholds.jump(x, y, fixed=(width, width, width))
        assert made.difference.value == pytest.approx(0.7, abs=1e-12)
        assert made.ratio.value == pytest.approx(3.7 / 3)


def test_bandwidth_goes_with_the_units():
    x, y = drawn(2000, 1)
    narrow, *wide = thresholds.bandwidth(x, y)
    assert thresholds.bandwidth(1000 * x, 7 * y + 3) == pytest.approx((1000 * narrow, 1000 * wide[0], 1000 * wide[1]))
    # More noise asks for more cases.
    noisy = y + 3 * np.random.default_rng(2).standard_normal(2000)
    assert thresholds.bandwidth(x, noisy)[0] > 1.1 * narrow


@pytest.mark.parametrize("step", [0.0, 0.5])
def test_intervals_hold_the_truth(step):
    """200 worlds: 95% intervals hold the step in 91% to 98.5%, the 99% Monte Carlo interval around 95%."""
    made = [thresholds.jump(*drawn(1500, seed, step=step)).difference for seed in range(200)]
    held = np.mean([one.low <= step <= one.high for one in made])
    assert 0.91 <= held <= 0.985
    assert np.mean([one.value for one in made]) == pytest.approx(step, abs=0.04)  # 4 standard errors of the mean


def test_somebody_with_several_rows_counts_once():
    """Every row three times over: by case the errors stay what they were, but for the leverage of fewer rows."""
    x, y = bent()
    once = thresholds.jump(x, y, fixed=(0.5, 0.8, 0.8)).difference
    thrice = [np.tile(each, 3) for each in (x, y, np.arange(len(x)))]
    again = thresholds.jump(*thrice[:2], cases=thrice[2], fixed=(0.5, 0.8, 0.8)).difference
    assert again.value == pytest.approx(once.value)
    assert again.high - again.low == pytest.approx(once.high - once.low, rel=0.03)


def test_crowding_is_seen_and_chance_is_not():
    """1,000 each: nobody pushes in 100 worlds, at most 11 of them alarm; one in five of those below pushes over."""
    alarms = [thresholds.crowding(np.random.default_rng(seed).normal(-0.3, 1, 1000)) for seed in range(100)]
    assert sum(not one.low <= 1 <= one.high for one in alarms) <= 11
    rng = np.random.default_rng(1)
    x = rng.normal(-0.3, 1, 3000)
    pushed = (x < 0) & (x > -0.3) & (rng.random(3000) < 0.5)
    crowded = thresholds.crowding(np.where(pushed, 0.1 * rng.random(3000), x))
    assert crowded.low > 1.5
    assert "Too few" in thresholds.crowding(np.linspace(-1, 1, 50)).reason


def test_placebos_show_nothing_where_nothing_is():
    x, y = drawn(20_000, 1, step=3.0)
    placed = thresholds.placebos(x, y)
    assert len(placed) == 6
    assert all(one.low <= 1 <= one.high for one in placed["ratio"])
    assert all(one.low <= 0 <= one.high for one in placed["difference"])
    assert (placed["at"] < 0).sum() == 3


def test_the_threshold_is_found():
    value = np.arange(100.0)
    assert thresholds.found(value, value > 60) == 60.5
    assert "same side" in thresholds.found(value, value > 200).reason
    mixed = (value > 60) ^ (value == 10)  # one of a hundred by courtesy
    assert thresholds.found(value, mixed) == 60.5
    lot = np.random.default_rng(1).random(100) < 0.5
    assert "something else decides" in thresholds.found(value, lot).reason


def test_not_testable():
    x, y = bent()
    assert "25 above it. 100 are needed" in thresholds.jump(x - 0.95, y).reason
    far = np.where(x < 0, x - 1, x + 1)
    assert "Nearby are 0 below the threshold and 0 above it" in thresholds.jump(far, y, fixed=(0.5, 1, 1)).reason
    assert isinstance(thresholds.jump(x, y - 10).ratio, NotTestable)
    assert "too few different values" in thresholds.jump(x, np.ones(len(x))).reason
    assert "too few different values" in thresholds.jump(np.round(2 * x) / 2, y).reason
    assert isinstance(pd.DataFrame(thresholds.placebos(x[:50], y[:50])), pd.DataFrame)


def test_large_amounts():
    """Money in the smallest coin of a large business: the same answer, in other units."""
    x, y = drawn(2000, 1)
    plain, large = thresholds.jump(x, y).ratio, thresholds.jump(1e12 * x, 1e15 * y).ratio
    assert large.value == pytest.approx(plain.value, rel=1e-6)
    assert large.high == pytest.approx(plain.high, rel=1e-6)
