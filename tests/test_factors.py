"""Factor models on moments with a known answer, and where they must refuse. Comparison with lavaan: golden/."""

import numpy as np
import pandas as pd
import pytest

from analysis import factors, scales
from analysis.estimates import NotTestable

LOADINGS = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.8])
TWO = factors.pattern_of([3, 3])


def implied(between, unique=None):
    loadings = TWO * LOADINGS[:, None]
    return loadings @ between @ loadings.T + np.diag(1 - LOADINGS**2 if unique is None else unique)


@pytest.fixture(scope="module")
def two():
    return implied(np.array([[1, 0.4], [0.4, 1]]))


def test_the_true_model_fits_without_error(two):
    model = factors.fit_factors(two, TWO, n=[500])
    assert model.chi_squared == pytest.approx(0, abs=1e-6)
    assert (model.cfi, model.rmsea) == (1, 0)
    assert np.abs(model.loadings[0].sum(axis=1)) == pytest.approx(LOADINGS, abs=1e-4)
    assert model.covariances[0, 0, 1] == pytest.approx(0.4, abs=1e-4)


def test_units_of_the_items_do_not_matter(two):
    units = np.array([1, 10, 0.01, 5, 2, 100.0])
    again = factors.fit_factors(two * np.outer(units, units) + 0.01 * np.diag(units**2), TWO, n=[500])
    once = factors.fit_factors(two + 0.01 * np.eye(6), TWO, n=[500])
    assert again.loadings == pytest.approx(once.loadings, abs=1e-5)


def test_one_factor_does_not_fit_two(two):
    one, both = (factors.fit_factors(two, pattern, n=[500]) for pattern in (factors.pattern_of([6]), TWO))
    assert one.cfi < both.cfi - 0.01
    assert one.df == both.df + 1


def test_groups_that_differ_in_means_only_share_everything():
    between = np.array([[1, 0.4], [0.4, 1]])
    wider = np.array([[1.5, 0.3], [0.3, 0.7]])
    matrices = np.array([implied(between), implied(wider)])
    means = np.array([np.zeros(6), (TWO * LOADINGS[:, None]) @ [0.5, -0.2]])
    fits = [
        factors.fit_factors(matrices, TWO, n=[300, 200], means=means, equal=e)
        for e in ("form", "loadings", "intercepts")
    ]
    assert [fit.cfi for fit in fits] == pytest.approx([1, 1, 1], abs=1e-6)
    assert [fit.df for fit in fits] == [16, 20, 24]
    assert fits[2].means[1] == pytest.approx([0.5, -0.2], abs=1e-3)
    assert fits[2].covariances[1] == pytest.approx(wider, abs=1e-3)


def test_a_question_that_one_group_reads_otherwise_is_seen():
    matrix = implied(np.array([[1, 0.4], [0.4, 1]]))
    means = np.array([np.zeros(6), [0, 0, 0, 0, 0, 0.6]])
    shared, free = (
        factors.fit_factors(np.array([matrix] * 2), TWO, n=[300, 300], means=means, equal=e)
        for e in ("intercepts", "loadings")
    )
    assert free.cfi - shared.cfi > 0.01


def test_hierarchical_omega_of_three_factors():
    """Three factors correlated .64 have one above them with loadings .8: arithmetic gives the share."""
    loadings = np.kron(np.eye(3), np.full((3, 1), 0.7))
    between = np.full((3, 3), 0.64) + 0.36 * np.eye(3)
    covariance = loadings @ between @ loadings.T + 0.51 * np.eye(9)
    model = factors.fit_factors(covariance, factors.pattern_of([3, 3, 3]), n=[400])
    assert factors.general(model) == pytest.approx((9 * 0.7 * 0.8) ** 2 / covariance.sum(), abs=1e-4)


def test_parallel_analysis_counts_what_stands_out(two):
    rng = np.random.default_rng(1)
    draw = lambda matrix: scales.moments(  # noqa: E731
        pd.DataFrame(rng.multivariate_normal(np.zeros(len(matrix)), matrix, 400)).add_prefix("q"), draws=1
    )
    assert factors.parallel(draw(two))["count"] == 2
    assert factors.parallel(draw(np.full((6, 6), 0.5) + 0.5 * np.eye(6)))["count"] == 1
    assert factors.parallel(draw(np.eye(6)))["count"] == 0


def test_chance_eigenvalues_are_those_of_drawn_rows():
    """The 95th percentile of the largest eigenvalue, by the drawn law and by drawing 150 unrelated rows 400 times."""
    rng = np.random.default_rng(2)
    rows = [np.linalg.eigvalsh(np.corrcoef(rng.standard_normal((150, 8)).T))[-1] for _ in range(400)]
    found = scales.moments(pd.DataFrame(rng.standard_normal((150, 8))).add_prefix("q"), draws=1)
    chance = factors.parallel(found, draws=400, seed=2)["chance"]
    assert chance[0] == pytest.approx(np.quantile(rows, 0.95), abs=0.05)  # each told to about .02


@pytest.mark.parametrize(
    ("matrix", "pattern", "reason"),
    [
        (np.full((3, 3), 0.5) + 0.5 * np.eye(3), factors.pattern_of([2, 1]), "too few for 2 factors"),
        (np.full((4, 4), 1.0) + 1e-9 * np.eye(4), factors.pattern_of([4]), "copies of each other"),
    ],
)
def test_what_cannot_be_fitted_is_said(matrix, pattern, reason):
    found = factors.fit_factors(matrix, pattern, n=[300])
    assert isinstance(found, NotTestable)
    assert reason in found.reason
