"""What simulation makes of noisy scores, held against arithmetic."""

import numpy as np
import pytest

from analysis import unreliability
from analysis.unreliability import Noise


def scores(n=400, seed=1):
    return np.random.default_rng(seed).normal(size=(n, 2)) @ np.array([[1.2, 0.5], [0, 1]])


def test_a_straight_line_is_followed_back_to_what_is_known_of_it():
    """The slope on noisy scores, times variance over variance less noise. 200,000 noisy copies: an error below 0.5%."""
    x = scores()[:, :1]
    z = 0.7 * x[:, 0] + np.random.default_rng(2).normal(size=400)
    noise = np.array([[0.3 * x.var()]])
    sums = unreliability.simulated(lambda x: np.column_stack([np.ones_like(x), x]), x, z, noise, 3).sum(axis=0)
    slope = np.linalg.solve(sums[:2, :2], sums[:2, 2])[1]
    assert slope == pytest.approx(np.cov(x[:, 0], z, ddof=0)[0, 1] / (0.7 * x.var()), rel=0.005)


def test_products_of_a_surface_lose_all_of_the_noise_and_nothing_else():
    """Normal noise of variance s adds s to a square, 6 s x² + 3 s² to a fourth power, and its covariance to a product.

    What is reckoned per answer is an average over 500 copies; summed over 400 answers its error is 1% of the largest.
    """
    x = scores()
    p, e = x.T
    noise = Noise((0.8, 0.7), together=0.4).covariance(np.cov(x.T, ddof=0))
    found = unreliability.simulated(unreliability.terms, x, p, noise, 4).mean(axis=0)
    assert found[0, 3] == pytest.approx((p * p).mean() - noise[0, 0], abs=0.02)
    assert found[0, 4] == pytest.approx((p * e).mean() - noise[0, 1], abs=0.02)
    fourth = (p**4 - 6 * noise[0, 0] * p**2 + 3 * noise[0, 0] ** 2).mean()
    assert found[3, 3] == pytest.approx(fourth, rel=0.02)
    assert found[0, 6] == pytest.approx(p.mean(), abs=1e-9)  # the outcome is what was answered


def test_a_seed_decides_all_and_no_noise_leaves_the_products():
    x = scores(50)
    made = [unreliability.simulated(unreliability.terms, x, x[:, 0], np.eye(2) * 0.1, seed) for seed in (1, 1, 2)]
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()
    plain = unreliability.simulated(unreliability.terms, x, x[:, 0], None, 1)
    np.testing.assert_allclose(plain[:, 1, 2], x[:, 0] * x[:, 1])


def test_noise_that_is_known_by_reliability():
    covariance = Noise((0.75, 0.91), together=0.5).covariance(np.array([[4.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_allclose(covariance, [[1.0, 0.15], [0.15, 0.09]])  # deviations 1 and 0.3
    assert Noise((0.5, 0.4)).impossible.reason.startswith("Reliabilities of 0.50 and 0.40 cannot be")
