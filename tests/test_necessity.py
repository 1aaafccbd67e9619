"""Ceilings by arithmetic, and the area they leave empty beyond what correlation alone does."""

import numpy as np
import pandas as pd
import pytest

from analysis.estimates import NotTestable
from analysis.necessity import Necessity, ceiling, necessity

# Highest outcome 0 at condition 0, 2 from 2 on, 4 from 4 on.
STAIRS = np.array([0, 1, 2, 3, 4, 4, 4, 2]), np.array([0, 0, 2, 1, 4, 0, 4, 0])


class TestCeiling:
    def test_stairs(self):
        """Of 4 by 4, empty are 2 by 4 left of 2 and 2 by 2 between 2 and 4: 12 of 16."""
        found = ceiling(*STAIRS)
        assert found.effect_size == pytest.approx(12 / 16)
        assert found.accuracy == 1
        assert found.peers.to_numpy().tolist() == [[0, 0, 1], [2, 2, 1], [4, 4, 2]]

    def test_straight_line(self):
        """The corners lie on the diagonal: half of the area, and nobody above it."""
        found = ceiling(*STAIRS, kind="CR-FDH")
        assert found.effect_size == pytest.approx(1 / 2)
        assert found.accuracy == 1

    def test_a_straight_line_may_leave_cases_above_it(self):
        """Corners (0, 0), (1, 2), (2, 3): slope 1.5, start 1/6; (1, 2) lies above 10/6, and the line leaves at y = 3.

        Empty: a triangle 17/9 wide and 17/6 high, of 2 by 3.
        """
        found = ceiling(np.array([0, 1, 2]), np.array([0, 2, 3]), kind="CR-FDH")
        assert found.effect_size == pytest.approx(17 / 9 * 17 / 6 / 2 / 6)
        assert found.accuracy == pytest.approx(2 / 3)

    def test_no_empty_corner(self):
        for kind in ("CE-FDH", "CR-FDH"):
            assert ceiling(np.array([0, 1, 2]), np.array([5, 1, 0]), kind=kind).effect_size == 0

    def test_bottlenecks(self):
        steps, line = (ceiling(*STAIRS, kind=kind).bottlenecks(4) for kind in ("CE-FDH", "CR-FDH"))
        assert steps["outcome"].tolist() == [0, 0.25, 0.5, 0.75, 1]
        assert steps["needed"].tolist() == pytest.approx([np.nan, 0.5, 0.5, 1, 1], nan_ok=True)
        assert line["needed"].fillna(0).tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=1e-12)

    def test_a_line_may_stay_below_the_highest_outcome(self):
        """Through (0, 0), (3, 1), (4, 4) the line is .8077 x - .2179, which at 4 is 3.01: nothing allows the top."""
        x, y = np.array([0, 3, 4]), np.array([0, 1, 4])
        assert ceiling(x, y, kind="CR-FDH").bottlenecks(1)["needed"][1] == np.inf


def columns(n, seed, outcome):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=n)
    return pd.Series(x, name="x"), pd.Series(outcome(x, rng), name="y")


class TestNecessity:
    def test_an_additive_world_is_not_necessity(self):
        """Correlated columns leave a corner emptier than shuffled ones do, and no emptier than correlation makes it."""
        found = necessity(*columns(250, 3, lambda x, rng: x + 0.3 * rng.normal(size=len(x))), draws=300)
        assert isinstance(found, Necessity)
        assert found.p_permutation < 0.05
        assert found.p_additive > 0.05
        assert found.excess.low < 0 < found.excess.high

    @pytest.mark.parametrize("kind", ["CE-FDH", "CR-FDH"])
    def test_a_planted_ceiling_is_found(self, kind):
        """The outcome is uniform below .3 + x: the corner above that line, .245 of the square, is surely empty."""
        found = necessity(
            *columns(300, 5, lambda x, rng: np.minimum(rng.uniform(size=len(x)), 0.3 + x)), kind=kind, draws=300
        )
        assert found.ceiling.effect_size == pytest.approx(0.245, abs=0.05)
        assert found.excess.low > 0
        assert found.excess.value > 0.10
        assert found.p_additive < 0.05
        assert found.excess.value == pytest.approx(found.ceiling.effect_size - found.expected)

    def test_intervals_hold_each_other(self):
        found = necessity(*columns(60, 1, lambda x, rng: rng.uniform(size=len(x)) * x), draws=200).excess
        ends = [found.quantile(p) for p in (0.005, 0.025, 0.05, 0.5, 0.95, 0.975, 0.995)]
        assert ends == sorted(ends)

    def test_columns_that_rise_together_exactly(self):
        """No additive model correlates more than perfectly: the model is the data, and nothing is left over."""
        x = pd.Series(np.arange(30.0), name="x")
        found = necessity(x, x.rename("y"), draws=50)
        assert found.excess.value == pytest.approx(0)
        assert found.p_additive == 1

    def test_each_corner_is_left_out_in_turn(self):
        """Without the lone case at (0, 9) the corner is empty above 2 until 8."""
        x = pd.Series([0.0] * 10 + [8.0] * 10 + [0.0], name="x")
        y = pd.Series([0.0, 2.0] * 5 + [9.0, 1.0] * 5 + [9.0], name="y")
        found = necessity(x, y, draws=50)
        assert found.ceiling.effect_size == 0
        assert found.outliers[["condition", "outcome", "cases"]].to_numpy().tolist() == [[0, 9, 1]]
        assert found.outliers["effect_size"].tolist() == pytest.approx([7 / 9])

    def test_rows_with_a_gap_are_left_out(self):
        x, y = columns(40, 1, lambda x, rng: rng.uniform(size=len(x)))
        x[:5] = np.nan
        assert necessity(x, y, draws=20).excess.n == 35

    def test_too_few_or_constant(self):
        x, y = columns(30, 1, lambda x, rng: rng.uniform(size=len(x)))
        assert necessity(x[:19], y[:19]) == NotTestable("19 cases with x and y: at least 20 are needed.")
        assert necessity(x * 0, y) == NotTestable("30 cases with x and y: all the same in x.")
        assert necessity(x * np.nan, y).reason.startswith("0 cases with x and y")
