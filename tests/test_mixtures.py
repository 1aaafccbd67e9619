"""Kinds of customers on crowds whose truth is known: four kinds, one, and one that leans to a side."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import hypotheses, mixtures
from analysis.cases.loyalty import crowd, several
from analysis.estimates import NotTestable


def verdict(evidence):
    return hypotheses.get("L09").rule.judge(evidence).word


@pytest.fixture(scope="module")
def four():
    """Four groups whose centres lie more than five of their standard deviations apart."""
    rng = np.random.default_rng(1)
    kind = rng.choice(4, 500, p=(0.4, 0.3, 0.2, 0.1))
    middle = np.array([[2, 1], [6, 1], [2, 5], [6, 5]])[kind]
    return pd.DataFrame(middle + 0.7 * rng.standard_normal((500, 2)), columns=["attitude", "often"])


def test_groups_are_found_with_their_shares_and_centres(four):
    found = mixtures.kinds(four, draws=2, halves=3, seed=1)
    assert found.fits.sort_values("bic")["groups"].iloc[0] == 4
    assert found.table["share"].to_numpy() == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.05)  # two standard errors
    assert found.table[["attitude", "often"]].to_numpy() == pytest.approx(
        np.array([[2, 1], [6, 1], [2, 5], [6, 5]]), abs=0.2
    )
    assert found.stability.value > 0.95
    assert found.groups.low > 10
    assert found.beyond_skew.low > 0


def test_bic_is_that_of_a_normal_where_there_is_one_group(four):
    """One group: twice the log-likelihood of scipy's normal, less 5 parameters; the floor widens it by a hundredth."""
    found = mixtures.kinds(four, draws=1, halves=1, seed=1)
    z = (four - four.mean()) / four.std(ddof=0)
    normal = stats.multivariate_normal(np.zeros(2), np.cov(z.T, ddof=0))
    expected = 5 * np.log(500) - 2 * normal.logpdf(z).sum()
    assert found.fits["bic"][0] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("world", "words"), [("true", {"supported"}), ("null", {"contradicted", "inconclusive"})])
def test_four_kinds_are_told_from_one(world, words):
    assert verdict(several(crowd(np.random.default_rng(3), world), 3)) in words


def test_a_lopsided_crowd_is_one_kind_though_a_mixture_cuts_it():
    parts = several(crowd(np.random.default_rng(4), "artefact"), 4)
    assert parts["beyond_skew"].low < 0
    assert verdict(parts) != "supported"


def test_the_skewed_rival_has_the_density_it_draws_from():
    """Its log density is that of its draws: the mean over draws is minus the entropy, by two ways of reckoning."""
    margin = np.array([[0.3, -0.2, 0.5, 0.1]])
    grid = np.linspace(-60, 60, 600_001)
    density = np.exp(mixtures._bent(grid[:, None], margin)[1][:, 0])
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-6)
    shape = (margin, np.eye(1))
    drawn = mixtures._drawn(shape, 200_000, np.random.default_rng(5))[:, 0]
    cumulated = np.cumsum(density) * (grid[1] - grid[0])
    for share in (0.1, 0.5, 0.9):
        # The error of a quantile of 200,000 draws is below .01 here.
        assert np.quantile(drawn, share) == pytest.approx(grid[np.searchsorted(cumulated, share)], abs=0.03)
    known = np.log(np.interp(drawn[:5], grid, density))
    assert mixtures._density(drawn[:5, None], shape) == pytest.approx(known, abs=1e-4)


def test_the_fit_of_one_skewed_kind_finds_its_shape():
    true = (np.array([[0.0, 0.0, 0.6, -0.2], [1.0, 0.3, -0.4, 0.2]]), np.array([[1, 0.5], [0.5, 1]]))
    values = mixtures._drawn(true, 4000, np.random.default_rng(6))
    found = mixtures._skewed(values)
    # The fit is at least as likely as the truth, by about half a point a parameter.
    gain = mixtures._density(values, found).sum() - mixtures._density(values, true).sum()
    assert 0 < gain < 20
    assert found[1][0, 1] == pytest.approx(0.5, abs=0.05)


def test_values_stay_within_their_steps():
    steps = mixtures._edges(np.array([1.0, 2.0, 4.0]))
    assert list(steps) == [0.5, 1.5, 3.0, 5.0]
    moved = mixtures._moved(np.array([[1.0], [2.0], [4.0], [9.0]]), [steps], np.random.default_rng(7))[:, 0]
    assert np.all((moved >= [0.5, 1.5, 3, 3]) & (moved <= [1.5, 3, 5, 5]))


def test_too_few_customers_or_one_answer_only():
    rng = np.random.default_rng(8)
    few = pd.DataFrame(rng.standard_normal((60, 2)), columns=["attitude", "often"])
    flat = pd.DataFrame({"attitude": rng.integers(0, 2, 200), "often": rng.standard_normal(200)})
    for table, reason in ((few, "100 are needed"), (flat, "different values in attitude")):
        answer = mixtures.kinds(table, draws=1, halves=2)
        assert isinstance(answer, NotTestable)
        assert reason in answer.reason
