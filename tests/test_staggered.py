"""Staggered differences: by hand, against two-way fixed effects where they are right, and with peaks that fool."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis import staggered
from analysis.estimates import NotTestable
from analysis.staggered import NEVER


def two_groups(units=40, effect=1.0, trend=0.5, seed=1):
    """Half change in period 2 of four; all move by the same trend."""
    random = np.random.default_rng(seed)
    first = np.where(np.arange(2 * units) < units, 2, NEVER)
    own, noise = random.normal(5, 1, 2 * units), random.normal(0, 1, (2 * units, 4))
    changed = first[:, None] <= np.arange(4)
    return own[:, None] + trend * np.arange(4) + effect * changed + noise, first


class TestByHand:
    def test_the_difference_of_two_differences(self):
        outcome, first = two_groups()
        found = staggered.course(outcome, first, before=1, after=1, aside=0, scaled=False)
        one, other = outcome[first == 2], outcome[first > 2]
        by_hand = (one[:, 3] - one[:, 1]).mean() - (other[:, 3] - other[:, 1]).mean()
        assert found.difference([1]).value == pytest.approx(by_hand, abs=1e-12)

    def test_the_ratio_of_two_ratios(self):
        outcome, first = two_groups()
        outcome = np.exp(outcome / 5)
        found = staggered.course(outcome, first, before=1, after=1, aside=0)
        one, other = (outcome[who].mean(axis=0) for who in (first == 2, first > 2))
        assert found.ratio([1]).value == pytest.approx((one[3] / one[1]) / (other[3] / other[1]), rel=1e-12)

    def test_groups_are_weighed_by_those_who_changed(self):
        # 30 change in period 1 (+1), 90 in period 2 (+3); the others stay as they are: (30 * 1 + 90 * 3) / 120 = 2.5.
        first = np.repeat([1, 2, NEVER], [30, 90, 40])
        outcome = np.zeros((160, 4)) + np.where(first == 1, 1, 3)[:, None] * (first[:, None] <= np.arange(4)) + 10
        found = staggered.course(outcome, first, before=1, after=1, aside=0, scaled=False, others=staggered.NEVERS)
        assert found.difference([0, 1]).value == pytest.approx(2.5, abs=1e-12)
        assert found.changed == 120

    def test_others_who_change_later_are_allowed_for(self):
        # Every change doubles, and in its own period half of that is there. Of 80 others at period 1, half change right
        # after it, so in the end they look 1.5 times as high as they would have been.
        first = np.repeat([1, 2, NEVER], [40, 40, 40])
        since = np.arange(4) - first[:, None]
        outcome = 1 + 1.0 * (since > 0) + 0.5 * (since == 0)
        found = staggered.course(outcome, first, before=1, after=2, aside=0)
        assert found.later.tolist() == pytest.approx([0, 0, 0.25, 0.5])
        assert found.ratio([2]).value == pytest.approx(2.0, rel=1e-12)


class TestSecondProgram:
    def test_two_way_fixed_effects_where_all_change_at_once(self):
        """Estimate and error of statsmodels, clustered by unit, on two periods; there both designs are one."""
        from statsmodels.api import OLS

        outcome, first = two_groups()
        found = staggered.course(outcome, first, before=1, after=1, aside=0, scaled=False).difference([1])
        two = outcome[:, [1, 3]]
        units = len(two)
        late, unit = np.tile([0, 1], units), np.repeat(np.arange(units), 2)
        x = np.column_stack([pd.get_dummies(unit), late, late * np.repeat(first == 2, 2)]).astype(float)
        fit = OLS(two.ravel(), x).fit(cov_type="cluster", cov_kwds={"groups": unit, "use_correction": False})
        assert found.value == pytest.approx(fit.params[-1], abs=1e-10)
        # Ours is corrected for the number of units, theirs is asked not to be.
        error = (found.high - found.value) / 1.959964
        assert error * math.sqrt((units - 1) / units) == pytest.approx(fit.bse[-1], rel=1e-6)

    def test_error_agrees_with_resampled_units(self):
        outcome, first = world(np.random.default_rng(5), units=800)
        found = staggered.course(outcome, first, before=4, after=4).ratio([2, 3, 4])
        random, draws = np.random.default_rng(6), []
        for _ in range(150):
            who = random.integers(0, len(first), len(first))
            draws.append(math.log(staggered.course(outcome[who], first[who], before=4, after=4).ratio([2, 3, 4]).value))
        error = math.log(found.high / found.value) / 1.959964
        # 150 resamples know an error to about 6%; the tolerance is three times that.
        assert error == pytest.approx(np.std(draws), rel=0.18)


def world(random, *, units=2000, periods=16, effect=0.0, peaks=1.0):
    """Orders of customers whose moods pass, and who change (once) when the mood is high."""
    taste, mood = 0.4 * random.standard_normal(units), np.zeros(units)
    first, rates = np.full(units, NEVER), []
    for period in range(-10, periods):
        mood = 0.5 * mood + 0.4 * random.standard_normal(units)
        rates.append(taste + 0.8 * mood)
        joins = (first == NEVER) & (random.random(units) < 1 / (1 + np.exp(3.2 - peaks * 2 * mood)))
        first[joins & (period >= 2)] = period
    since = first[:, None] < np.arange(periods)
    return random.poisson(3 * np.exp(np.array(rates[10:]).T + effect * since)).astype(float), first


class TestPeaks:
    """People join when their buying is high. That alone must not look like an effect of joining."""

    @pytest.fixture(scope="class")
    @staticmethod
    def answers():
        return {
            others: [
                staggered.course(*world(np.random.default_rng(seed)), before=4, after=4, others=others).ratio([2, 3, 4])
                for seed in range(12)
            ]
            for others in (staggered.OPEN, staggered.NOT_YET)
        }

    def test_symmetric_windows_leave_no_trace(self, answers):
        logs = [math.log(answer.value) for answer in answers[staggered.OPEN]]
        assert abs(np.mean(logs)) < 3 * np.std(logs) / math.sqrt(len(logs)) + 0.005

    def test_others_who_never_had_a_peak_make_it_look_good(self, answers):
        assert np.mean([math.log(answer.value) for answer in answers[staggered.NOT_YET]]) > 0.03

    def test_an_effect_is_found(self):
        found = staggered.course(*world(np.random.default_rng(3), effect=0.2), before=4, after=4).ratio([2, 3, 4])
        assert found.low < math.exp(0.2) < found.high
        assert found.low > 1


class TestRefuses:
    def test_nobody_changed(self):
        outcome, _ = two_groups()
        found = staggered.course(outcome, np.full(len(outcome), NEVER), before=1, after=1)
        assert isinstance(found, NotTestable)
        assert "0 units changed" in found.reason

    def test_no_others(self):
        outcome, _ = two_groups()
        found = staggered.course(outcome, np.full(len(outcome), 2), before=1, after=1)
        assert isinstance(found, NotTestable)

    def test_others_who_never_bought(self):
        outcome, first = two_groups()
        found = staggered.course(np.where(first[:, None] < 9, outcome, 0), first, before=1, after=1, aside=0)
        assert "zero in all of the past" in found.reason
