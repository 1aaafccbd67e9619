"""Importance of drivers by arithmetic, and how attributes count: thirds, penalties and rewards, Kano, quadrants."""

import numpy as np
import pandas as pd
import pytest

from analysis import drivers
from analysis.drivers import importance, kano, penalty_reward, quadrants, relative_weights, thirds
from analysis.estimates import NotTestable
from analysis.scales import Moments, moments


def known(correlations, names=("a", "b", "y"), n=200) -> Moments:
    """Given correlations in place of answers; the only resample is the sample itself."""
    r = np.array(correlations, float)
    return Moments(tuple(names), n, np.zeros(len(r)), r, np.zeros((1, len(r))), r[None])


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    a, b, c = rng.multivariate_normal(np.zeros(3), 0.5 + 0.5 * np.eye(3), 400).T
    return pd.DataFrame({"a": a, "b": b, "c": c, "y": 0.8 * a + 0.3 * b + rng.normal(size=400)})


class TestImportance:
    def test_unrelated_drivers_have_their_squared_correlations(self):
        found = importance(known([[1, 0, 0.6], [0, 1, 0.3], [0.6, 0.3, 1]]), outcome="y", drivers=["a", "b"])
        assert found.parts[0] == pytest.approx([0.36, 0.09])
        assert found.share("a").value == pytest.approx(0.8)
        assert found.explained().value == pytest.approx(0.45)
        assert found.alone("b").value == pytest.approx(0.3)

    def test_two_related_drivers(self):
        """R squared is (.25 + .16 - 2 * .5 * .4 * .6) / (1 - .36) = .265625; a gets the mean of .25 and R2 - .16."""
        matrix = [[1, 0.6, 0.5], [0.6, 1, 0.4], [0.5, 0.4, 1]]
        found = importance(known(matrix), outcome="y", drivers=["a", "b"])
        assert found.parts[0] == pytest.approx([(0.25 + 0.265625 - 0.16) / 2, (0.16 + 0.265625 - 0.25) / 2])
        assert found.lead("a").value == pytest.approx(0.09 / 0.265625)
        # With two drivers Johnson's weights are the same split.
        assert relative_weights(np.array([matrix]))[0] == pytest.approx(found.parts[0])

    def test_parts_add_up_to_r_squared_whatever_the_way(self, sample):
        found = moments(sample, draws=30)
        slopes = np.linalg.lstsq(np.column_stack([np.ones(400), sample[["a", "b", "c"]]]), sample["y"], rcond=None)
        r_squared = 1 - slopes[1][0] / (400 * sample["y"].var(ddof=0))
        for method in ("shapley", "relative weights"):
            parts = importance(found, outcome="y", drivers=["a", "b", "c"], method=method).parts
            assert parts[0].sum() == pytest.approx(r_squared)
            assert (parts > 0).all()

    def test_sampled_orders_come_near_every_order(self, sample, monkeypatch):
        """A thousand orders of three drivers hold each of the six often; wheels keep places even."""
        found = moments(sample, draws=5)
        exact = importance(found, outcome="y", drivers=["a", "b", "c"])
        monkeypatch.setattr(drivers, "MOST", 2)
        near = importance(found, outcome="y", drivers=["a", "b", "c"])
        assert near.parts == pytest.approx(exact.parts, abs=0.01)
        assert "sampled" in near.method
        assert isinstance(near.alone("a"), NotTestable)

    def test_a_block_is_taken_in_as_a_whole(self, sample):
        """One block against one driver: the two-driver rule with the block's R squared in place of a square."""
        found = importance(moments(sample, draws=5), outcome="y", drivers={"pair": ["b", "c"], "a": ["a"]})
        single = importance(moments(sample, draws=5), outcome="y", drivers=["b", "c"])
        alone, together = single.parts[0].sum(), found.parts[0].sum()
        assert found.parts[0, 0] == pytest.approx((alone + together - sample["a"].corr(sample["y"]) ** 2) / 2)

    def test_a_planted_leader_is_ranked_first(self, sample):
        found = importance(moments(sample, draws=300), outcome="y", drivers=["a", "b", "c"])
        table = found.table()
        assert table["driver"][0] == "a"
        assert table["top_ranked"].sum() == pytest.approx(1)
        assert table["top_ranked"][0] > 0.95
        assert found.lead("a").interval(0.9)[0] > 0
        assert found.share("a", "b", "c").value == pytest.approx(1)
        assert found.beyond_even("a", "b").value == pytest.approx(found.share("a", "b").value - 2 / 3)
        assert found.share("a").low < found.share("a").value < found.share("a").high

    def test_a_driver_without_rivals_leads_by_all(self, sample):
        assert importance(moments(sample, draws=5), outcome="y", drivers=["a"]).lead("a").value == pytest.approx(1)

    def test_a_row_of_weight_two_is_two_rows(self, sample):
        weight = np.repeat([1, 2], 200)
        twice = pd.concat([sample, sample[200:]])
        weighed = importance(moments(sample, weight=weight, draws=2), outcome="y", drivers=["a", "b", "c"])
        repeated = importance(moments(twice, draws=2), outcome="y", drivers=["a", "b", "c"])
        assert weighed.parts[0] == pytest.approx(repeated.parts[0])

    def test_drivers_that_repeat_one_another_are_named(self, sample):
        found = importance(
            moments(sample.assign(d=sample["a"] - sample["b"])), outcome="y", drivers=["a", "b", "c", "d"]
        )
        assert found == NotTestable("Over 400 rows, a, b and d repeat one another; leave one out.")

    def test_fewer_answers_than_drivers(self):
        names = [f"x{k}" for k in range(30)]
        found = importance(known(np.eye(31), [*names, "y"], n=31), outcome="y", drivers=names)
        assert found == NotTestable("31 questionnaires complete cannot tell 30 drivers apart.")

    def test_resamples_in_which_a_driver_is_constant_are_left_out(self, sample):
        """Eight of 400 answer b differently: about one resample in 3,000 is without them; two of 400, one in seven."""
        few, two = (sample.assign(b=np.r_[np.ones(k), np.zeros(400 - k)]) for k in (8, 2))
        found = importance(moments(few, draws=200), outcome="y", drivers=["a", "b"])
        assert found.share("b").low < found.share("b").high
        assert isinstance(importance(moments(two, draws=200), outcome="y", drivers=["a", "b"]).share("b"), NotTestable)


class TestPenaltyReward:
    def test_thirds_share_out_ties(self):
        """Six answers, two to a third: three answered 1, so two thirds of each are low; of the two 2s half is high."""
        found = thirds(np.array([1, 1, 1, 2, 2, 3]), np.ones(6))
        assert found[:, 0] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 0, 0, 0])
        assert found[:, 1] == pytest.approx([0, 0, 0, 1 / 2, 1 / 2, 1])

    def test_thirds_hold_the_same_weight(self):
        rng = np.random.default_rng(0)
        weight = rng.uniform(0.5, 2, 300)
        found = thirds(rng.integers(1, 6, 300), weight)
        assert weight @ found == pytest.approx(weight.sum() / 3)

    def test_finds_what_was_planted(self):
        rng = np.random.default_rng(1)
        seen = {name: rng.integers(1, 10, 1500) for name in ("basic", "performance", "excitement", "nothing")}
        y = np.minimum(seen["basic"], 4) + np.maximum(seen["excitement"], 6) + 0.4 * seen["performance"]
        answers = pd.DataFrame(seen | {"y": y + rng.normal(size=1500)})
        found = penalty_reward(answers, outcome="y", draws=200).set_index("attribute")
        assert list(found.loc[["basic", "performance", "excitement"], "kind"]) == ["basic", "performance", "excitement"]
        assert found.loc["nothing", "kind"] == "unclear"
        assert found.loc["basic", "penalty high"] < 0
        assert found.loc["nothing", "penalty low"] < 0 < found.loc["nothing", "penalty high"]

    def test_two_different_answers_are_not_three_thirds(self):
        answers = pd.DataFrame({"a": [0, 1] * 60, "b": [1, 2, 3] * 40, "y": range(120)})
        found = penalty_reward(answers, outcome="y", draws=5)
        assert found == NotTestable(
            "120 complete rows cannot tell penalties from rewards: fewer than three different answers in a."
        )

    def test_an_outcome_without_spread(self):
        answers = pd.DataFrame({"b": [1, 2, 3] * 40, "y": 1.0})
        assert penalty_reward(answers, outcome="y").reason.endswith("too few, or all of one outcome.")


class TestKano:
    @pytest.mark.parametrize(
        ("there", "gone", "kind"),
        [
            (1, 5, "performance"),
            (1, 3, "excitement"),
            (3, 5, "basic"),
            (3, 3, "indifferent"),
            (4, 1, "reverse"),
            (1, 1, "unclear"),
            (5, 5, "unclear"),
        ],
    )
    def test_the_usual_table(self, there, gone, kind):
        found = kano(pd.DataFrame({"functional": [there] * 4, "dysfunctional": gone, "weight": 1.0}), draws=5)
        assert found.set_index("reading").loc[kind, "value"] == 1

    def test_shares_and_coefficients_by_hand(self):
        """40 excitement, 30 performance, 20 basic, 10 reverse: better 70 of 90, worse 50 of 90."""
        answers = [(1, 3)] * 40 + [(1, 5)] * 30 + [(3, 5)] * 20 + [(3, 1)] * 10 + [(np.nan, 1)]
        pairs = pd.DataFrame(answers, columns=["functional", "dysfunctional"]).assign(weight=1.0)
        found = kano(pairs, draws=500).set_index("reading")
        assert found.loc[["excitement", "performance", "basic", "reverse"], "value"].tolist() == [0.4, 0.3, 0.2, 0.1]
        assert found.loc["better", "value"] == pytest.approx(70 / 90)
        assert found.loc["worse", "value"] == pytest.approx(-50 / 90)
        # Wilson's interval for 40 of 100.
        assert found.loc["excitement", ["low", "high"]].tolist() == pytest.approx([0.3094, 0.4980], abs=5e-5)
        # Sampling error of 70 of 90: a bootstrap of 500 is near the normal interval, 1.96 * .0438.
        assert found.loc["better", "high"] - found.loc["better", "low"] == pytest.approx(2 * 1.96 * 0.0438, rel=0.15)

    def test_weights_count(self):
        pairs = pd.DataFrame({"functional": [1, 3], "dysfunctional": [3, 3], "weight": [3.0, 1.0]})
        assert kano(pairs, draws=5)["value"][0] == 0.75

    def test_answers_outside_the_scale(self):
        pairs = pd.DataFrame({"functional": [1, 6], "dysfunctional": [3, 3], "weight": 1.0})
        assert kano(pairs) == NotTestable("Of 2 pairs of answers, 1 are not 1, 2, 3, 4 or 5.")


def test_quadrants_count_resamples():
    """Four resamples by hand: attribute b is important in three of them, and performs below the mean in all."""
    importance_of = np.array([[1, 3], [1, 3], [1, 2], [2, 1], [0, 5]], float)
    performance = np.array([[70, 60]] * 5, float)
    found = quadrants(["a", "b"], importance_of, performance, n=50).set_index("attribute")
    assert found.loc["b", "quadrant"] == "concentrate here"
    assert found.loc["b", ["concentrate here", "low priority"]].tolist() == [0.75, 0.25]
    assert found.loc["a", ["possible overkill", "keep up the good work"]].tolist() == [0.75, 0.25]
    assert found.loc["a", ["importance low", "importance high"]].tolist() == [0, 2]  # of 0, 1, 1, 2
