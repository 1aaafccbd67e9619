"""The p-value of a rule, and what survives when many claims are counted together."""

import math

import pytest

from analysis.estimates import Estimate, NotTestable
from analysis.hypotheses.multiplicity import SMALLEST, smallest_error, survivors
from analysis.hypotheses.rules import Directional, Identity, NoEffect, Part, Threshold, all_of, at_least


def normal(value, se):
    return Estimate.normal(value, se, unit="points", n=100)


def test_a_directional_p_is_the_two_sided_one():
    # z = 2.5 has a two-sided p of .012419 (any table of the normal law).
    assert smallest_error(Directional(at_least=0.1), normal(0.25, 0.1)) == pytest.approx(0.012419, abs=1e-6)
    assert smallest_error(Directional(at_least=-0.1), normal(-0.25, 0.1)) == pytest.approx(0.012419, abs=1e-6)


def test_short_of_the_smallest_effect_no_error_would_do():
    assert smallest_error(Directional(at_least=0.3), normal(0.25, 0.01)) == 1.0


def test_no_effect_is_one_sided_and_both_sides_count():
    # (.2 - .05) / .1 = 1.5 on the nearer side: one-sided p .066807.
    assert smallest_error(NoEffect(within=0.2), normal(0.05, 0.1)) == pytest.approx(0.066807, abs=1e-6)


def test_a_threshold_counts_from_the_threshold():
    assert smallest_error(Threshold(at_least=0.5), normal(0.7, 0.1)) == pytest.approx(0.045500, abs=1e-6)  # z = 2


def test_what_is_beyond_telling_apart_and_what_has_no_error():
    assert smallest_error(Directional(at_least=0.1), normal(5, 0.1)) == pytest.approx(SMALLEST, rel=1e-6)
    assert smallest_error(Identity(), Estimate.exact(0, unit="violations", n=4)) is None
    assert smallest_error(Directional(at_least=0.1), NotTestable("no table")) is None


def test_parts_all_together_and_some_of_them():
    part = Part(Directional(at_least=0.1), "points")
    evidence = {"a": normal(0.25, 0.1), "b": normal(0.3, 0.1), "c": NotTestable("not asked")}
    assert smallest_error(all_of(a=part, b=part, c=part), evidence) is None
    assert smallest_error(all_of(a=part, b=part), evidence | {}) == pytest.approx(0.012419, abs=1e-6)
    # z = 3 has p .002700: first step times 3.
    assert smallest_error(at_least(1, a=part, b=part, c=part), evidence) == pytest.approx(0.0081, abs=1e-5)
    # The second step is .012419 times 2, and steps never fall.
    assert smallest_error(at_least(2, a=part, b=part, c=part), evidence) == pytest.approx(0.024838, abs=1e-5)


def test_the_adjusted_ones_by_hand():
    # Sorted .01 .02 .03 .5: times 4/1, 4/2, 4/3, 4/4 is .04 .04 .04 .5.
    assert survivors([0.03, 0.5, 0.01, 0.02]) == pytest.approx([0.04, 0.5, 0.04, 0.04])
    assert survivors([]) == []
    assert not math.isnan(sum(survivors([1.0, 1.0])))
