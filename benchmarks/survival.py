"""Survival curves, proportional hazards and accelerated failure times beside lifelines on raw rows, in CPU seconds.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/survival.py

Curves: durations in whole days lie in a Parquet file. We count the distinct rows in the engine and draw the curve
from those; the peer is lifelines on the rows themselves, once with reading the file and once on arrays
that are already there. Models: the same rows and terms go into ours and into lifelines' own; we begin with distinct
rows, lifelines with terms already made. Every turn is a fresh process, the ways taking turns; imports and one small
run come first and are left out. The answers are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter, LogLogisticAFTFitter, LogNormalAFTFitter, WeibullAFTFitter
from lifelines.statistics import proportional_hazard_test

from analysis import durations, hazards, lifetimes, retention, studies
from analysis.checks import CheckedTable

ROOT = Path(__file__).parents[1]
THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
Timed = tuple[float, dict[str, Any]]


# --- What is compared -------------------------------------------------------------------------------------------


def spells(n: int) -> pd.DataFrame:
    """Durations of whole days, up to 1,400, of which about half end in leaving."""
    rng = np.random.default_rng(20261122)
    stay, seen = np.ceil(400 * rng.weibull(0.8, n)), rng.integers(1, 1400, n)
    return pd.DataFrame({"time": np.minimum(stay, seen).astype(float), "left": stay <= seen, "entered": 0.0})


def telco() -> pd.DataFrame:
    """The bundled contracts, one row each, with the words of their covariates."""
    table = studies.open_study("telco", ROOT / "studies.toml").table("subscriptions")
    rows = lifetimes.lifetimes(table, by=table.facts["covariates"])
    return rows.loc[rows.index.repeat(rows.pop("weight"))].reset_index(drop=True)


def simulated(n: int) -> pd.DataFrame:
    """Contracts whose five covariates of three words each double or halve the hazard."""
    rng, words = np.random.default_rng(3), np.array(["a", "b", "c"])
    kinds = rng.integers(0, 3, (n, 5))
    rows = spells(n)
    stay = np.ceil(400 * rng.weibull(0.8, n) * np.exp(-(kinds - 1) @ np.array([0.7, -0.7, 0.3, -0.3, 0.0])))
    seen = rng.integers(1, 1400, n)
    rows = rows.assign(time=np.minimum(stay, seen).astype(float), left=stay <= seen)
    return rows.assign(**{f"covariate_{place}": words[kinds[:, place]] for place in range(5)})


def subscriptions(path: Path) -> CheckedTable:
    rows = ibis.duckdb.connect(threads=1).read_parquet(path)
    return CheckedTable(
        "subscriptions", rows, (), (), {"unit": "day", "late": False}
    )  # as checked without observed_from


def terms_of(rows: pd.DataFrame) -> pd.DataFrame:
    """A column for each word of a covariate but its commonest, in the order in which `hazards` has them."""
    parts = [pd.get_dummies(rows[name], prefix=name, dtype=float).sort_index(axis=1) for name in covariates(rows)]
    return rows[["time", "left"]].join([part.drop(columns=part.sum().idxmax()) for part in parts])


def covariates(rows: pd.DataFrame) -> list[str]:
    return [name for name in rows.columns if name not in ("time", "left", "entered")]


def curve(path: Path) -> Callable[[], dict[str, Any]]:
    table = subscriptions(path)

    def work() -> dict[str, Any]:
        found = retention.survival_curve(lifetimes.lifetimes(table), unit="day")
        return found[["time", "survival", "low", "high"]].to_dict("list")

    return work


def raw_curve(path: Path, *, reading: bool) -> Callable[[], dict[str, Any]]:
    held = None if reading else pd.read_parquet(path)

    def work() -> dict[str, Any]:
        rows = pd.read_parquet(path, columns=["time", "left"]) if held is None else held
        fitted = KaplanMeierFitter().fit(rows["time"], rows["left"])
        ends = fitted.confidence_interval_.to_numpy().T
        survival = fitted.survival_function_.iloc[:, 0]
        return {"time": [*survival.index], "survival": [*survival], "low": [*ends[0]], "high": [*ends[1]]}

    return work


def model(path: Path, fit: Callable[..., Any]) -> Callable[[], dict[str, Any]]:
    rows = pd.read_parquet(path)
    counted = lifetimes.recount(rows.assign(weight=1), [*rows.columns])

    def work() -> dict[str, Any]:
        return fit(counted, covariates=covariates(rows)).table[["coefficient", "error"]].to_dict("list")

    return work


def raw_cox(path: Path, *, tests: bool) -> Callable[[], dict[str, Any]]:
    rows = terms_of(pd.read_parquet(path))

    def work() -> dict[str, Any]:
        fitted = CoxPHFitter().fit(rows, "time", "left")
        if tests:
            proportional_hazard_test(fitted, rows, time_transform="km")
            _ = fitted.concordance_index_
        return {"coefficient": [*fitted.params_], "error": [*fitted.standard_errors_]}

    return work


def raw_times(path: Path) -> Callable[[], dict[str, Any]]:
    rows = terms_of(pd.read_parquet(path))
    rows = rows[(rows["time"] > 0) | rows["left"]].replace({"time": {0.0: 0.5}})

    def work() -> dict[str, Any]:
        fits = [f().fit(rows, "time", "left") for f in (WeibullAFTFitter, LogNormalAFTFitter, LogLogisticAFTFitter)]
        best = min(fits, key=lambda fit: fit.AIC_)
        found = best.summary.loc[best._primary_parameter_name].loc[rows.columns[2:]]
        return {"coefficient": [*found["coef"]], "error": [*found["se(coef)"]]}

    return work


CURVES = {
    "loyalty-lab, counted in the engine": curve,
    "lifelines, raw rows, file read": lambda path: raw_curve(path, reading=True),
    "lifelines, raw rows, arrays there": lambda path: raw_curve(path, reading=False),
}
COX = {
    "loyalty-lab, fit, test and concordance": lambda path: model(path, hazards.cox),
    "lifelines, with its test and concordance": lambda path: raw_cox(path, tests=True),
    "lifelines, fit alone": lambda path: raw_cox(path, tests=False),
}
TIMES = {
    "loyalty-lab, three laws of time": lambda path: model(path, durations.accelerated),
    "lifelines, three laws of time": raw_times,
}


# --- Turns ------------------------------------------------------------------------------------------------------


def measure(name: str, path: Path, small: Path) -> None:
    """One turn, in a process of its own: what it cost, and the answer."""
    warnings.simplefilter("ignore")
    make = (CURVES | COX | TIMES)[name]
    make(small)()
    work = make(path)
    start = time.process_time()
    found = work()
    print(json.dumps([time.process_time() - start, found]))


def turn(name: str, path: Path, small: Path) -> Timed:
    command = [sys.executable, __file__, "--one", name, path, small]
    done = subprocess.run(command, env=os.environ | THREADS, check=True, capture_output=True, text=True)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def compare(title: str, rows: pd.DataFrame, ways: dict[str, Any], *, runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder) / "rows.parquet", Path(folder) / "small.parquet"
        rows.to_parquet(path)
        rows.sample(2000, random_state=1).to_parquet(small)
        found = [{name: turn(name, path, small) for name in ways} for _ in range(runs)]
    ours, *peers = ways
    print(f"\n{title}, {runs} runs, medians\n")
    print("| way | CPU s | ours ÷ it (lowest to highest) | widest difference from ours |\n|---|---|---|---|")
    for name in ways:
        seconds = statistics.median(one[name][0] for one in found)
        ratios = sorted(one[ours][0] / one[name][0] for one in found)
        ratio = f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})" if name in peers else "–"
        print(f"| {name} | {seconds:.4f} | {ratio} | {apart(found[0][ours][1], found[0][name][1]):.1e} |")


def apart(ours: dict[str, Any], other: dict[str, Any]) -> float:
    """The widest difference in any number, at the times that both have (ours are all distinct times)."""
    mine, theirs = pd.DataFrame(ours), pd.DataFrame(other)
    if "time" in mine:
        mine, theirs = mine.set_index("time"), theirs.set_index("time").loc[mine["time"]]
    return float(np.abs(mine.to_numpy() - theirs.to_numpy()).max())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=7)
    options.add_argument("--sizes", type=int, nargs="*", default=[1_000_000, 10_000_000])
    options.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        return measure(given.one[0], Path(given.one[1]), Path(given.one[2]))
    packages = ("numpy", "pandas", "lifelines", "duckdb")
    print(f"Python {sys.version.split()[0]}", *(f"{name} {version(name)}" for name in packages), time.strftime("%F"))
    for n in given.sizes:
        compare(f"Kaplan–Meier: {n:,} durations", spells(n), CURVES, runs=given.runs)
    for title, rows in {"telco": telco(), "simulated": simulated(100_000)}.items():
        # The test of lifelines did not end within a minute on 100,000 rows, so its fit alone is the peer there.
        ways = {name: way for name, way in COX.items() if title == "telco" or "its test" not in name}
        compare(f"Cox: {title}, {len(rows):,} contracts", rows, ways, runs=given.runs)
        compare(f"Accelerated failure time: {title}, {len(rows):,} contracts", rows, TIMES, runs=given.runs)


if __name__ == "__main__":
    main()
