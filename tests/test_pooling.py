"""Studies of one claim are pooled with their like, on the scale of their unit, no more surely than chance allows."""

import math

import pytest

from analysis.pooling import pool, pools


def entry(value, low, high, *, claim="R05", unit="ratio", study="a", **others):
    about = {"hypothesis": claim, "claim": "a claim", "unit": unit, "study": study, "headline": True, "n": 50}
    return about | {"estimate": value, "low": low, "high": high} | others


def test_only_headlines_with_an_interval_are_pooled_real_ones_apart_from_simulated_ones():
    entries = [
        entry(1.2, 1.0, 1.44), entry(1.3, 1.1, 1.54), entry(1.0, 0.9, 1.1, headline=False),
        entry(1.5, 1.3, 1.7, simulated=True), entry(None, None, None), entry(1.1, 0.0, 1.2),
        entry(0.2, 0.1, 0.3, claim="R13", unit="correlation"), entry(1.0, 1.0, 1.0),
    ]  # fmt: skip
    (found,) = pools(entries)
    assert [e["estimate"] for e in found.entries] == [1.2, 1.3]


def test_ratios_are_pooled_on_logarithms():
    # Equal errors on logarithms: the mean is the root of the product.
    two = [entry(1.2, 1.2 / 1.1, 1.2 * 1.1), entry(1.5, 1.5 / 1.1, 1.5 * 1.1)]
    assert pool(two).together.value == pytest.approx(math.sqrt(1.2 * 1.5), rel=1e-6)
    assert pool(two).expected is None


def test_studies_that_agree_by_luck_do_not_make_the_mean_surer_than_chance():
    same = [entry(0.2, 0.1, 0.3, claim="R13", unit="correlation")] * 4
    error = 0.1 / 1.959964 / math.sqrt(4)
    assert pool(same).together.high - 0.2 == pytest.approx(3.182446 * error, rel=1e-4)  # t with 3 degrees of freedom
    assert pool(same).apart == 0


def test_a_further_study_may_lie_further_off_than_the_mean():
    far = [entry(v, v - 0.05, v + 0.05, claim="R13", unit="correlation") for v in (0.1, 0.4, 0.7)]
    found = pool(far)
    assert found.expected[0] < found.together.low < 0.4 < found.together.high < found.expected[1]
    assert found.apart > 0.9
