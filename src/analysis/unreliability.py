"""A regression on survey scores, freed of the noise in them: by calibration, or by simulation (SIMEX).

Noise in a score flattens its slope, flattens curves more, and rounds off kinks. Both ways need to know how reliable the
scores are. Calibration holds where true scores are normal; simulation asks nothing of them, and answers less precisely.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.estimates import NotTestable
from analysis.words import listing

ADDED = np.array([0, 0.5, 1, 1.5, 2])  # noise added, in times of what is there
BACK = np.array([1, -1, 1]) @ np.linalg.pinv(np.vander(ADDED, 3, increasing=True))  # a quadratic's way back to none
DRAWN, MOST = 200_000, 500  # noisy copies of all answers at each amount, and at most of one


@dataclass(frozen=True)
class Noise:
    """What is known of the noise in some scores, and how to take it out.

    Attributes:
        reliability: of each score: the share of its variance that is no noise.
        together: correlation of the noise in each two scores.
        simulated: by simulation instead of calibration.
    """

    reliability: tuple[float, ...]
    together: float = 0.0
    simulated: bool = False

    def covariance(self, seen: np.ndarray) -> np.ndarray:
        """Of the noise, in scores whose covariance (or a stack of them) is seen."""
        own = np.sqrt(np.einsum("...ii->...i", seen) * (1 - np.array(self.reliability)))
        alike = np.where(np.eye(len(self.reliability)), 1.0, self.together)
        return own[..., :, None] * own[..., None, :] * alike

    @property
    def impossible(self) -> NotTestable:
        """That no true scores could have such noise."""
        said = listing([f"{share:.2f}" for share in self.reliability])
        return NotTestable(f"Reliabilities of {said} cannot be: scores with so much error could not agree as they do.")


def terms(p: Any, e: Any) -> np.ndarray:
    """The columns of a surface: 1, p, e, p², pe, e²."""
    return np.stack([np.ones_like(p), p, e, p * p, p * e, e * e], axis=-1)


def simulated(
    design: Callable[..., np.ndarray], scores: np.ndarray, outcome: np.ndarray, noise: np.ndarray | None, seed: int
) -> np.ndarray:
    """Products of a design's columns and of the outcome, row by row, as on average without noise in the scores.

    More noise is added to the scores, in several amounts and many times over, and the course of the products is
    followed back to none as a quadratic. Those of a second-order surface are quadratics of the amount, so nothing of
    the noise is left; slopes are none, and following them back instead leaves part of it in.

    Args:
        design: the scores, one by one -> columns.
        scores: one row an answer.
        outcome: of each row.
        noise: covariance of what the scores hold already; None leaves the products as they are.
        seed: of the noise.

    Returns:
        Shape (rows, columns + 1, columns + 1), the outcome last.

    Source: Cook & Stefanski (1994), Journal of the American Statistical Association 89; Cheng & Schneeweiss (1998),
        Journal of the Royal Statistical Society B 60, for the products.
    """

    def products(held: np.ndarray) -> np.ndarray:
        columns = np.column_stack([design(*held.T), outcome])
        return columns[:, :, None] * columns[:, None, :]

    if noise is None:
        return products(scores)
    (values, vectors), random = np.linalg.eigh(noise), np.random.default_rng(seed)
    root, pairs = vectors * np.sqrt(values.clip(0)), max(1, min(DRAWN // len(scores), MOST) // 2)
    found = BACK[0] * products(scores)
    for _ in range(pairs):
        more = random.standard_normal(scores.shape) @ root.T
        for amount, part in zip(np.sqrt(ADDED[1:]), BACK[1:], strict=True):
            # A draw and its mirror image: what is odd in the noise falls out.
            found += part / (2 * pairs) * (products(scores + amount * more) + products(scores - amount * more))
    return found


_SIX = np.array([[0, 0], [1, 0], [0, 1], [2, 0], [1, 1], [0, 2]], float)  # points that tell a surface


def calibrated(sums: np.ndarray, noise: Noise) -> np.ndarray:
    """From slopes of a surface on answers to slopes on true scores, given the sums of products of the answers' terms.

    With normal scores and noise the outcome's mean given the answers is a surface too, and this map ties the two.
    Missing where no true scores could have such noise.

    Source: Carroll, Ruppert, Stefanski & Crainiceanu (2006), Measurement Error in Nonlinear Models, chapter 4.
    """
    middle, many = sums[..., 0, 1:3], sums[..., 0, 0, None, None]
    middle = middle[..., None, :] / many
    seen = sums[..., 1:3, 1:3] / many - np.swapaxes(middle, -1, -2) * middle
    true = seen - noise.covariance(seen)
    pull = np.linalg.solve(seen, true)
    left, expected = true - true @ pull, terms(*np.moveaxis(middle + (_SIX - middle) @ pull, -1, 0))
    expected[..., 3:] += np.stack([left[..., 0, 0], left[..., 0, 1], left[..., 1, 1]], axis=-1)[..., None, :]
    possible = (np.linalg.eigvalsh(true)[..., 0] > 1e-9)[..., None, None]
    return np.where(possible, np.linalg.solve(np.where(possible, expected, np.eye(6)), terms(*_SIX.T)), np.nan)
