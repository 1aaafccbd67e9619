"""Fitting a model of buying by maximum likelihood, and how sure the data make us of it.

Every fit, gradient and resample works on distinct rows with weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first used

from analysis.buying import recounted
from analysis.estimates import Estimate, NotTestable
from analysis.retention import MIN_EVENTS, resamples
from analysis.words import plural

# A parameter a million times its start, or a millionth of it, stands for infinity or nothing.
LIMIT = math.log(1e6)
STEP = 1e-6
# A search begins on so many rows; so many are added up at once.
SAMPLE, PIECE = 700, 8192


@dataclass(frozen=True)
class Fit:
    """A fitted model and how sure the data make us of it.

    Attributes:
        model: at the highest likelihood.
        log_likelihood: there.
        covariance: of the logarithms of the parameters, from the curvature; 0 for one that is given or rests.
        customers: behind the fit.
        unit: of time.
        resting: parameters that ran to the end of their range and stand for infinity or nothing: customers do not
            differ in what they describe, or nobody does it.
    """

    model: Any
    log_likelihood: float
    covariance: np.ndarray
    customers: int
    unit: str
    resting: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """One row a parameter: parameter, value, error (standard), low, high (95%, symmetric on the log scale)."""
        value, error = np.array(astuple(self.model)), np.minimum(np.sqrt(np.diag(self.covariance)), LIMIT)
        low, high = value * np.exp(-1.96 * error), value * np.exp(1.96 * error)
        names = [field.name for field in fields(self.model)]
        return pd.DataFrame({"parameter": names, "value": value, "error": value * error, "low": low, "high": high})

    def errors(self, of: Callable[[Any], Any]) -> tuple[np.ndarray, np.ndarray]:
        """A quantity of the model with its standard error: the parameters' errors carried on (delta method).

        What customers do by chance when the parameters are known is not in it.

        Args:
            of: the quantity, a number or one number a history: `lambda model: model.expected(rows, 52)`.
        """
        slopes = _slopes(lambda logs: np.asarray(of(type(self.model)(*np.exp(logs)))), np.log(astuple(self.model)))
        variance = np.einsum("i...,ij,j...->...", slopes, self.covariance, slopes)
        return np.asarray(of(self.model)), np.sqrt(np.maximum(variance, 0))

    def influence(self, *columns: np.ndarray) -> np.ndarray:
        """How far one more customer like each row moves the logarithms of the parameters; shape (parameters, rows)."""
        return self.covariance @ (np.array(self.model.parts(*columns)[2]) * np.array(astuple(self.model))[:, None])

    def moved(self, by: np.ndarray) -> Any:
        """The model with the logarithms of its parameters moved."""
        return type(self.model)(*(np.array(astuple(self.model)) * np.exp(by)))

    def drawn(self, draws: int, random: np.random.Generator) -> np.ndarray:
        """Parameters as unsure as the data leave them, shape (draws, parameters), from the curvature."""
        moves = random.standard_normal((draws, len(self.covariance))) @ spread(self.covariance).T
        return np.exp(np.log(astuple(self.model)) + np.clip(moves, -LIMIT, LIMIT))

    def estimate(self, of: Callable[[Any], float], *, unit: str) -> Estimate:
        """A positive quantity of the model, such as all orders expected, as an estimate."""
        value, error = (float(part) for part in self.errors(of))
        return Estimate.log_normal(value, error / value, unit=unit, n=self.customers, method="curvature, on logs")


def _slopes(of: Callable[[np.ndarray], np.ndarray], logs: np.ndarray) -> np.ndarray:
    here = of(logs)
    return np.array([(of(logs + move) - here) / STEP for move in np.eye(len(logs)) * STEP])


def around(value: np.ndarray, error: np.ndarray) -> dict[str, np.ndarray]:
    """Positive quantities with their standard errors as columns: value, low, high (95%, symmetric on logs)."""
    times = np.exp(1.96 * np.divide(error, value, out=np.zeros_like(value), where=value > 0))
    return {"value": value, "low": value / times, "high": value * times}


def fit_buying(rows: pd.DataFrame, family: Any, *, min_repeaters: int = MIN_EVENTS) -> Fit | NotTestable:
    """Fit a model to distinct histories by maximum likelihood.

    Args:
        rows: as `summarise` makes them.
        family: BGNBD, MBGNBD, ParetoNBD or BGBB.
        min_repeaters: customers with a repeat order, below which nothing is said.

    Returns:
        The fit, or why the histories do not determine the model.

    Raises:
        TableError: a history that cannot be.
    """
    table = recounted(rows, family.TERMS)
    columns = x, _, end, *_ = family.columns(table)
    weight = table["weight"].to_numpy(float)
    repeaters = int(weight @ (x > 0))
    if repeaters < max(1, min_repeaters):
        return NotTestable(f"{plural(repeaters, 'customer')} bought again; at least {min_repeaters} are needed.")
    start = np.log((weight @ end) / (weight @ x)) * np.array(family.TIMED)
    return maximise(family, start, np.eye(len(start)), columns, weight, table.attrs["unit"])


def likelihood(family: Any, columns: Sequence[np.ndarray], weight: np.ndarray) -> Callable[[np.ndarray], tuple]:
    """The mean log-likelihood and its slopes, as a function of the logarithms of the parameters."""
    share = weight / weight.sum()
    # By pieces that BLAS adds up without its threads, which would cost many times the work.
    parts = [slice(start, start + PIECE) for start in range(0, len(share), PIECE)]

    def at(logs: np.ndarray) -> tuple[float, np.ndarray]:
        found, _, slopes = family(*np.exp(logs)).parts(*columns)
        value, *mean = (sum(share[part] @ column[part] for part in parts) for column in (found, *slopes))
        return float(value), np.array(mean) * np.exp(logs)

    return at


def maximise(
    family: Any, start: np.ndarray, basis: np.ndarray, columns: Sequence[np.ndarray], weight: np.ndarray, unit: str
) -> Fit | NotTestable:
    """Climb from a start (logarithms of the parameters) along the columns of a basis; a row of zeros stays put."""
    logs, directions, n, names = start, basis, weight.sum(), [field.name for field in fields(family)]
    # The allocator then keeps what columns leave; else each is fetched from the system anew, at thrice the cost.
    np.empty(2_000_000)
    # First on a few rows, then from there on all, along directions in which the likelihood falls alike.
    for step in (len(weight) // SAMPLE + 1, 1):
        at = likelihood(family, [column[::step] for column in columns], weight[::step])
        logs = _climb(at, logs, directions)
        resting = np.abs(logs - start) >= LIMIT
        free = np.flatnonzero(basis.any(axis=1) & ~resting)
        curvature, covariance = _curvature(at, logs)[np.ix_(free, free)], np.zeros(basis.shape)
        flat = len(weight) <= len(names) or np.linalg.eigvalsh(curvature).min(initial=len(free)) <= 1e-9
        if flat or (step > 1 and resting.any()):
            logs, directions = start, basis
            continue
        covariance[np.ix_(free, free)] = np.linalg.inv(curvature) / n
        directions = spread(covariance * n)
    if flat:
        return NotTestable("Customers are too few or too much alike: very different models fit them equally well.")
    model = family(*(float(value) for value in np.exp(logs)))
    stuck = tuple(name for name, rests in zip(names, resting, strict=True) if rests)
    return Fit(model, float(n * at(logs)[0]), covariance, int(n), unit, stuck)


def _curvature(at: Callable[[np.ndarray], tuple], logs: np.ndarray) -> np.ndarray:
    found = -_slopes(lambda place: at(place)[1], logs)
    return (found + found.T) / 2


def spread(covariance: np.ndarray) -> np.ndarray:
    """Independent moves, one a column, that together vary as a covariance says."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0))


def _climb(at: Callable[[np.ndarray], tuple], start: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """L-BFGS along the columns of the basis, on logs, which keep the parameters above 0."""

    def downhill(z: np.ndarray) -> tuple[float, np.ndarray]:
        move = basis @ z
        value, slopes = at(start + np.clip(move, -LIMIT, LIMIT))
        return -value, -(slopes * (np.abs(move) < LIMIT)) @ basis

    exact = {"ftol": 1e-14, "gtol": 1e-7}
    found = scipy.optimize.minimize(downhill, np.zeros(len(start)), jac=True, method="L-BFGS-B", options=exact)
    return start + np.clip(basis @ found.x, -LIMIT, LIMIT)


def bootstrap(fit: Fit, rows: pd.DataFrame, *, draws: int = 1000, seed: int) -> np.ndarray:
    """The parameters fitted anew in resamples of the customers; each search begins at the fit.

    Args:
        fit: of a buying model.
        rows: the histories it was fitted to.
        draws: number of resamples.
        seed: of the random numbers.

    Returns:
        Shape (draws, parameters); `type(fit.model)(*line)` is the model of a draw.
    """
    family, centre = type(fit.model), np.log(astuple(fit.model))
    table = recounted(rows, family.TERMS)
    columns, basis = family.columns(table), spread(fit.covariance * fit.customers)
    blocks = resamples(table, draws=draws, seed=seed)
    return np.exp([_climb(likelihood(family, columns, weight), centre, basis) for block in blocks for weight in block])
