"""The bootstrap of a response surface, on distinct answers and on rows, in CPU milliseconds of one core a draw.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/surfaces.py

Two answers and an outcome on a scale of seven make at most 343 distinct rows, however many customers. The peers draw
rows and fit each draw: statsmodels by formula and by arrays, and numpy's least squares. Our time is of 1,000 draws
without fitting the surface (of which counting the answers is a part); that stands in a column of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

from analysis import surfaces

SIZES = {2_000: 20, 30_000: 10, 1_000_000: 2}  # answers: draws of the peers, which need seconds each at a million
DRAWS, TURNS = 1000, 5
FORMULA = "z ~ p + e + I(p**2) + I(p*e) + I(e**2)"


def survey(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    p, e = np.clip(np.round(4 + rng.multivariate_normal([0, 0.4], [[1.4, 0.5], [0.5, 1.2]], n)), 1, 7).T
    z = np.clip(np.round(4 + 0.5 * (p - 4) - 0.3 * (e - 4) - 0.1 * (p - 4) ** 2 + rng.normal(size=n)), 1, 7)
    return pd.DataFrame({"p": p, "e": e, "z": z})


def milliseconds(work: Callable[[], object], draws: int, turns: int = TURNS) -> float:
    taken = []
    for _ in range(turns):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return 1000 * float(np.median(taken)) / draws


def loops(table: pd.DataFrame, draws: int) -> dict[str, Callable[[], object]]:
    """Each peer's loop over resampled rows."""
    rng = np.random.default_rng(2)
    terms, z = surfaces.terms(table["p"].to_numpy(), table["e"].to_numpy()), table["z"].to_numpy()

    def each(fit: Callable[[np.ndarray], object]) -> Callable[[], object]:
        return lambda: [fit(rng.integers(0, len(table), len(table))) for _ in range(draws)]

    return {
        "statsmodels, formula": each(lambda rows: smf.ols(FORMULA, table.iloc[rows]).fit().params),
        "statsmodels, arrays": each(lambda rows: sm.OLS(z[rows], terms[rows]).fit().params),
        "numpy least squares": each(lambda rows: np.linalg.lstsq(terms[rows], z[rows])[0]),
    }


def main() -> None:
    asked = {"outcome": "z", "expectation": "e", "perception": "p", "scale": (1, 7)}
    print("| answers | distinct | way | ms a draw | ÷ statsmodels, formula | fitting once, ms | SE ÷ sandwich |")
    print("|---|---|---|---|---|---|---|")
    for n, draws in SIZES.items():
        table = survey(n)
        surface = surfaces.fit_surface(table, **asked)
        drawn = surfaces.resampled(surface, draws=6000, seed=1).std(axis=0)
        ratio = drawn / np.sqrt(np.diag(surface.full.covariance))
        ours = milliseconds(lambda surface=surface: surfaces.resampled(surface, draws=DRAWS, seed=1), DRAWS)
        once = milliseconds(lambda table=table: surfaces.fit_surface(table, **asked), 1)
        peers = {name: milliseconds(work, draws, 3) for name, work in loops(table, draws).items()}
        slowest = peers["statsmodels, formula"]
        spread = f"{ratio.min():.3f} to {ratio.max():.3f}"
        cells = f"| {n:,} | {len(surface.cells)} |"
        print(f"{cells} ours | {ours:.4f} | {ours / slowest:.5f} | {once:.1f} | {spread} |", flush=True)
        for name, taken in peers.items():
            print(f"{cells} {name} | {taken:.2f} | {taken / slowest:.3f} | | |", flush=True)


if __name__ == "__main__":
    main()
