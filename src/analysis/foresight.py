"""Orders still to come, customer by customer and in total, with what is unsure about them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimates import Estimate, sample
from analysis.fits import Fit, around
from analysis.retention import BLOCK

ENDS = [0.025, 0.975]


def orders_ahead(fit: Fit, rows: pd.DataFrame, t: float, *, draws: int = 1000, seed: int) -> pd.DataFrame:
    """Orders in the next t of one customer with each history.

    Args:
        fit: of a buying model.
        rows: histories.
        t: in the fit's unit of time.
        draws: lives of each customer, every one with parameters of its own.
        seed: of the random numbers.

    Returns:
        One row a history: value, the orders expected; low and high, its 95% interval, which carries the uncertainty of
        the parameters and nothing else; least and most, between which the orders that will be placed lie with a chance
        of at least 95%: that carries the parameters and what a customer does by chance; any, the chance of at least
        one order; variance of the orders by chance alone.
    """
    expected, error = fit.errors(lambda model: model.expected(rows, t))
    random, size = np.random.default_rng(seed), max(1, BLOCK // draws)
    models, found = [type(fit.model)(*line) for line in fit.drawn(draws, random)], []
    for start in range(0, len(rows), size):
        some = rows.iloc[start : start + size]
        lives = np.array([model.drawn(some, t, random) for model in models])
        least, most = np.quantile(lives, ENDS, axis=0, method="inverted_cdf")
        found.append(np.array([least, most, lives.var(axis=0)]))
    least, most, variance = np.concatenate(found, axis=1)
    columns = {**around(expected, error), "least": least, "most": most, "any": 1 - fit.model.silent(rows, t)}
    return pd.DataFrame({**columns, "variance": np.maximum(variance - error**2, 0)}, index=rows.index)


def all_ahead(fit: Fit, rows: pd.DataFrame, t: float, *, draws: int = 200, seed: int) -> Estimate:
    """Orders of all these customers in the next t; the interval carries the parameters and chance."""
    weight, some = rows["weight"].to_numpy(float), sample(rows)
    each = orders_ahead(fit, some, t, draws=draws, seed=seed)["variance"]
    by_chance = weight.sum() * np.average(each, weights=some["weight"])
    value, error = (float(part) for part in fit.errors(lambda model: weight @ model.expected(rows, t)))
    spread = float(np.sqrt(error**2 + by_chance)) / value
    return Estimate.log_normal(value, spread, unit="count", n=fit.customers, method="curvature and chance, on logs")
