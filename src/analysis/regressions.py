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
    found: Moments,
    outcome: str,
    drivers: Sequence[str],
    *,
    reliabilities: Mapping[str, float] | None = None,
    alone: bool = False,
) -> dict[str, Answer]:
    """Standardised slopes of an outcome on drivers, the others held fixed, with bootstrap intervals.

    Args:
        found: moments that hold the outcome and the drivers.
        outcome, drivers: names of columns.
        reliabilities: share of a score's variance that is not noise, by name; the slopes are then those of the true
            scores (correction for attenuation; Fuller 1987, Measurement Error Models).
        alone: answer with semipartial correlations instead: with what each driver has that the others have not.

    Returns:
        An answer a driver in unit slope, or correlation; not testable where drivers cannot be told apart.
    """
    at, y = [found.names.index(name) for name in drivers], found.names.index(outcome)
    value, drawn = cleaned(found, reliabilities or {})

    def of(r: np.ndarray) -> np.ndarray:
        among = r[..., np.asarray(at)[:, None], at]
        slope = np.linalg.solve(among, r[..., at, y][..., None])[..., 0]
        return slope / np.sqrt(np.einsum("...ii->...i", np.linalg.inv(among))) if alone else slope

    unit = "correlation" if alone else "slope"
    between = value[np.asarray(at)[:, None], at]
    if np.linalg.eigvalsh(between).min() <= 0 or (1 - 1 / np.diag(np.linalg.inv(between))).max() > COLLINEAR:
        reason = NotTestable("The drivers say the same thing, so their shares cannot be told apart.")
        return dict.fromkeys(drivers, reason)
    ends, estimates = of(drawn), of(value)
    return {
        name: bootstrapped(Estimate.from_draws, float(estimates[i]), ends[:, i], unit=unit, n=found.n)
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
    outcome, rng = np.asarray(outcome, float), np.random.default_rng(seed)
    weighing = np.ones(len(outcome)) if weight is None else weight
    lost = _loss(outcome, _out_of_sample(outcome, designs, weighing, chance, rng)[0], chance).sum(axis=0)
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


def areas(
    outcome: np.ndarray, designs: Mapping[str, np.ndarray], *, draws: int = 1000, seed: int = 0
) -> dict[str, Answer]:
    """As `gains` of a 0 or 1, by the area under the curve: how often a 1 gets a higher chance than a 0.

    Returns:
        Under the first model's name its area beyond the half that guessing has; under the others their area beyond the
        first one's, in unit gain.
    Source: Hanley & McNeil (1982), Radiology 143.
    """
    if np.ptp(outcome) == 0:
        return dict.fromkeys(designs, NotTestable("All outcomes are the same, so there is nothing to foretell."))
    rng, one = np.random.default_rng(seed), np.ones(len(outcome))
    told, parts = _out_of_sample(outcome, designs, one, True, rng)
    weights = np.vstack([one, *resampled(len(outcome), draws, rng)])
    # Only pairs foretold by one and the same fit are compared: a tenth with many ones was foretold by a fit with few.
    found = []
    for model in range(1, len(designs) + 1):
        tenths = ((again, parts[again] == held) for again in range(REPEATS) for held in range(FOLDS))
        won, pairs = np.sum([_won(told[a, model, out], outcome[out], weights[:, out]) for a, out in tenths], axis=0)
        found.append(won / pairs)
    more = np.array(found) - np.vstack([np.full(len(weights), 0.5), *[found[0]] * (len(found) - 1)])
    return {
        name: bootstrapped(Estimate.from_draws, float(each[0]), each[1:], unit="gain", n=len(outcome))
        for name, each in zip(designs, more, strict=True)
    }


def _won(score: np.ndarray, outcome: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How often a 1 has a higher score than a 0, ties halved, and how many pairs there are, by line of weights."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    ones, zeros = (np.add.reduceat((weights * kind)[:, order], starts, axis=1) for kind in (outcome, 1 - outcome))
    below = np.cumsum(zeros, axis=1) - zeros / 2
    return np.array([(ones * below).sum(axis=1), ones.sum(axis=1) * zeros.sum(axis=1)])


def _out_of_sample(
    outcome: np.ndarray, designs: Mapping[str, np.ndarray], weight: np.ndarray, chance: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What a mere mean and each model of nine tenths foretell of the last tenth, and which tenth each row was in.

    The shapes are (repeats, 1 + models, rows) and (repeats, rows).
    """
    one = np.ones((len(outcome), 1))
    columns = [one, *(np.column_stack([one, design]) for design in designs.values())]
    told = np.empty((REPEATS, len(columns), len(outcome)))
    parts = np.array([rng.permutation(len(outcome)) % FOLDS for _ in range(REPEATS)])
    for again, held in np.ndindex(REPEATS, FOLDS):
        out = parts[again] == held
        for place, x in enumerate(columns):
            told[again, place, out] = _foretold(x[~out], outcome[~out], weight[~out], x[out], chance)
    return told, parts


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
