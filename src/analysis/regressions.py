"""Slopes and gains over survey scores: standardised regressions on moments, and what a model adds out of sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped
from analysis.scales import Moments, correlation, resampled

FOLDS, REPEATS = 10, 5  # of the cross-validation
LARGEST = 20  # times as much as others that somebody may count, weighted for who answers
COLLINEAR = 0.999  # share of a driver that the others explain, above which nobody can part them


def cleaned(found: Moments, reliabilities: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Correlations freed of measurement error, of the data and of each resample."""
    share = np.sqrt([reliabilities.get(name, 1.0) for name in found.names])
    freed = np.outer(share, share)
    np.fill_diagonal(freed, 1)
    return correlation(found.covariance) / freed, correlation(found.drawn) / freed


def slopes(
    found: Moments, outcome: str, drivers: Sequence[str], *, reliabilities: Mapping[str, float] | None = None
) -> dict[str, Answer]:
    """Standardised slopes of an outcome on drivers, the others held fixed, with bootstrap intervals.

    Args:
        found: moments that hold the outcome and the drivers.
        outcome, drivers: names of columns.
        reliabilities: share of a score's variance that is not noise, by name; the slopes are then those of the true
            scores (correction for attenuation; Fuller 1987, Measurement Error Models).

    Returns:
        An answer a driver in unit slope; not testable where drivers cannot be told apart.
    """
    at, y = [found.names.index(name) for name in drivers], found.names.index(outcome)
    value, drawn = cleaned(found, reliabilities or {})

    def of(r: np.ndarray) -> np.ndarray:
        return np.linalg.solve(r[..., np.asarray(at)[:, None], at], r[..., at, y][..., None])[..., 0]

    between = value[np.asarray(at)[:, None], at]
    if np.linalg.eigvalsh(between).min() <= 0 or (1 - 1 / np.diag(np.linalg.inv(between))).max() > COLLINEAR:
        reason = NotTestable("The drivers say the same thing, so their shares cannot be told apart.")
        return dict.fromkeys(drivers, reason)
    ends, estimates = of(drawn), of(value)
    return {
        name: bootstrapped(Estimate.from_draws, float(estimates[i]), ends[:, i], unit="slope", n=found.n)
        for i, name in enumerate(drivers)
    }


def explained(found: Moments, outcome: str, drivers: Sequence[str]) -> Answer:
    """Share of an outcome's variance that drivers explain together."""
    at, y = [found.names.index(name) for name in drivers], found.names.index(outcome)

    def of(r: np.ndarray) -> np.ndarray:
        to = r[..., at, y]
        return (to * np.linalg.solve(r[..., np.asarray(at)[:, None], at], to[..., None])[..., 0]).sum(axis=-1)

    value, drawn = correlation(found.covariance), correlation(found.drawn)
    return bootstrapped(Estimate.from_draws, float(of(value)), of(drawn), unit="share", n=found.n)


def correlations(found: Moments, outcome: str, others: Sequence[str]) -> dict[str, Answer]:
    """Correlation of an outcome with each of the others, with bootstrap intervals."""
    y = found.names.index(outcome)
    value, drawn = correlation(found.covariance), correlation(found.drawn)
    return {
        name: bootstrapped(Estimate.from_draws, float(value[y, at]), drawn[:, y, at], unit="correlation", n=found.n)
        for name in others
        for at in [found.names.index(name)]
    }


# --- Out of sample ------------------------------------------------------------------------------------------------


def gains(
    outcome: np.ndarray,
    designs: Mapping[str, np.ndarray],
    *,
    weight: np.ndarray | None = None,
    chance: bool = False,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Answer]:
    """How much better each model foretells respondents it was not fitted to than the first model does.

    Every respondent is foretold by models of the nine other tenths, five times over with other tenths; the loss of
    each is then resampled, the models staying as they are.

    Args:
        outcome: one number a respondent, or 0 and 1 with `chance`.
        designs: columns of each model by name, without the constant; the first is what the others are compared with.
        weight: of each respondent.
        chance: model the chance of a 1 (logistic) and count deviance; else count squared errors.
        draws, seed: of the resamples, and of the tenths.

    Returns:
        For each further model the share of the loss of a mere mean that it takes away, less what the first takes
        away, in unit gain. Under the first model's name, what it takes away by itself.
    Source: Stone (1974), Journal of the Royal Statistical Society B 36.
    """
    if np.ptp(outcome) == 0:
        return dict.fromkeys(designs, NotTestable("All outcomes are the same, so there is nothing to foretell."))
    weighing, rng = np.ones(len(outcome)) if weight is None else weight, np.random.default_rng(seed)
    columns = {"mean": np.ones((len(outcome), 1))}
    columns |= {name: np.column_stack([np.ones(len(outcome)), design]) for name, design in designs.items()}
    lost = np.zeros((len(columns), len(outcome)))
    for _ in range(REPEATS):
        part = rng.permutation(len(outcome)) % FOLDS
        for held in range(FOLDS):
            out = part == held
            for place, design in enumerate(columns.values()):
                told = _foretold(design[~out], outcome[~out], weighing[~out], design[out], chance)
                lost[place, out] += _loss(outcome[out], told, chance)
    blocks = [counts * weighing @ lost.T for counts in resampled(len(outcome), draws, rng)]
    drawn, value = np.concatenate(blocks), lost @ weighing
    saved, saved_drawn = 1 - value[1:] / value[0], 1 - drawn[:, 1:] / drawn[:, :1]
    tell: dict[str, Any] = {"unit": "gain", "n": len(outcome)}
    answers = {}
    for i, name in enumerate(designs):
        base, base_drawn = (saved[0], saved_drawn[:, 0]) if i else (0.0, 0.0)
        answers[name] = bootstrapped(
            Estimate.from_draws, float(saved[i] - base), saved_drawn[:, i] - base_drawn, **tell
        )
    return answers


def _foretold(x: np.ndarray, y: np.ndarray, weight: np.ndarray, new: np.ndarray, chance: bool) -> np.ndarray:
    """Least squares, or a logistic fit by repeated least squares with a grain of shrinkage against separation."""
    if not chance:
        root = np.sqrt(weight)
        return new @ np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
    slope, grain = np.zeros(x.shape[1]), 1e-6 * np.eye(x.shape[1]) * weight.sum()
    grain[0, 0] = 0
    scale = np.maximum(np.abs(x).max(axis=0), 1e-12)
    x, new = x / scale, new / scale
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ slope, -30, 30)))
        pull = x.T @ (weight * (y - p)) - grain @ slope
        step = np.linalg.solve((x * (weight * p * (1 - p))[:, None]).T @ x + grain + 1e-12 * np.eye(len(slope)), pull)
        slope = slope + step
        if np.abs(step).max() < 1e-8:
            break
    return 1 / (1 + np.exp(-np.clip(new @ slope, -30, 30)))


def weighed_for_chance(known: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """Weights by how rarely such people answer: one over the chance, at most `LARGEST`; ones where all do, or nobody.

    Args:
        known: columns of what is known of everybody.
        answered: who did.
    """
    if answered.all() or not answered.any():
        return np.ones(len(answered))
    x = np.column_stack([np.ones(len(known)), known])
    return 1 / np.maximum(_foretold(x, answered.astype(float), np.ones(len(x)), x, chance=True), 1 / LARGEST)


def _loss(y: np.ndarray, told: np.ndarray, chance: bool) -> np.ndarray:
    if not chance:
        return (y - told) ** 2
    sure = np.clip(told, 1e-9, 1 - 1e-9)
    return -2 * (y * np.log(sure) + (1 - y) * np.log(1 - sure))
