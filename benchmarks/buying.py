"""BG/NBD fits side by side: this project, lifetimes and clvkit, in CPU seconds of one core.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/buying.py

Every fit runs in a fresh process, in the package's own environment, the packages taking turns. All start from the same
table of one row a customer (repeats, last, observed, in weeks). Our time is given twice: with counting the distinct
rows in pandas, and without, as they come counted from the engine. Standard errors are part of it. Imports and one
small fit beforehand (loading, compiling) are left out for everybody. The log-likelihoods are worked out by one
formula, at the parameters each package found. The peers' environments are made on first use, in --envs.
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
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from tables import NEEDS, THREADS, environment

from analysis import buying, customers, fits, studies

ROOT = Path(__file__).parents[1]
TRUTH = buying.BGNBD(0.243, 4.414, 0.793, 2.426)
FIT = {
    "loyalty-lab": """
from analysis import buying, fits
def fit(table):
    return fits.fit_buying(table.assign(weight=1.0), buying.BGNBD).table["value"]
""",
    "loyalty-lab, rows counted": """
from analysis import buying, fits
def prepare(table):
    return buying.recounted(table.assign(weight=1.0))
def fit(table):
    return fits.fit_buying(table, buying.BGNBD).table["value"]
""",
    "lifetimes": """
from lifetimes import BetaGeoFitter
def fit(table):
    found = BetaGeoFitter().fit(table["repeats"], table["last"], table["observed"])
    return found.params_[["r", "alpha", "a", "b"]]
""",
    "clvkit": """
from clvkit import BGNBD, CustomerBase
def fit(table):
    names = {"repeats": "frequency", "last": "recency", "observed": "T"}
    base = object.__new__(CustomerBase)
    base.to_pandas = lambda: table.rename(columns=names)
    base.time_unit, base.collapse = "W", "D"
    return BGNBD().fit(base).params_[["r", "alpha", "a", "b"]]
""",
}
WORKER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
table = globals().get("prepare", lambda rows: rows)(pd.read_csv(sys.argv[1]))
fit(table.sample(2000, random_state=1))
start = time.process_time()
found = fit(table)
print(json.dumps([time.process_time() - start, [float(value) for value in found]]))
"""


def master() -> pd.DataFrame:
    """CDNOW, all 23,570 customers over 78 weeks."""
    orders = studies.open_study("cdnow", ROOT / "studies.toml").table("orders")
    rows = buying.summarise(customers.purchases(orders, returns="net"))
    return rows.loc[rows.index.repeat(rows["weight"]), buying.HISTORY].sample(frac=1, random_state=1)


def simulated(n: int) -> pd.DataFrame:
    """Customers who live as the BG/NBD says, followed for 66 to 78 weeks and seen by the day."""
    rng = np.random.default_rng(20261121)
    observed = rng.integers(462, 546, n) / 7
    rate, leaving = rng.gamma(TRUTH.r, 1 / TRUTH.alpha, n), rng.beta(TRUTH.a, TRUTH.b, n)
    repeats, last, now, there = np.zeros(n), np.zeros(n), np.zeros(n), np.arange(n)
    while len(there):
        now[there] += rng.exponential(1 / rate[there])
        there = there[now[there] < observed[there]]
        repeats[there], last[there] = repeats[there] + 1, now[there]
        there = there[rng.random(len(there)) > leaving[there]]
    last = np.minimum(np.ceil(last * 7) / 7, observed)
    return pd.DataFrame({"repeats": repeats, "last": last, "observed": observed})


def run(name: str, python: Path, table: Path) -> tuple[float, list[float]]:
    command = [python, "-c", FIT[name] + WORKER, table]
    done = subprocess.run(command, env=os.environ | THREADS, check=True, capture_output=True, text=True)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def compare(title: str, table: pd.DataFrame, names: list[str], *, runs: int, envs: Path) -> None:
    pythons = {name: environment(name, envs) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        table.to_csv(path, index=False)
        found = [{name: run(name, pythons[name], path) for name in names} for _ in range(runs)]
    counted = buying.recounted(table.assign(weight=1.0))
    peers = [name for name in names if name in NEEDS]
    print(f"\n{title}: {len(table):,} customers, {len(counted):,} distinct histories, {runs} runs, medians")
    print(f"| package | CPU s | {' | '.join(f'÷ {peer}' for peer in peers)} | log-likelihood | r | alpha | a | b |")
    print("|---" * (7 + len(peers)) + "|")
    for name in names:
        seconds = statistics.median(one[name][0] for one in found)
        ratios = [statistics.median(one[name][0] / one[peer][0] for one in found) for peer in peers]
        at = found[0][name][1]
        likelihood = buying.BGNBD(*at).log_likelihood(counted)
        cells = [name, f"{seconds:.4f}", *(f"{ratio:.3f}" for ratio in ratios), f"{likelihood:,.4f}"]
        print("| " + " | ".join([*cells, *(f"{value:.4f}" for value in at)]) + " |")


def bootstrap(table: pd.DataFrame, *, draws: int) -> None:
    rows = buying.recounted(table.assign(weight=1.0))
    fit = fits.fit_buying(rows, buying.BGNBD)
    start = time.process_time()
    drawn = fits.bootstrap(fit, rows, draws=draws, seed=1)
    seconds = time.process_time() - start
    print(f"\nBootstrap of the master, {draws:,} refits: {seconds:.2f} CPU s")
    for kind, errors in {"resampled": drawn.std(axis=0), "curvature": fit.table["error"]}.items():
        print(f"- standard errors, {kind}: {', '.join(f'{error:.4f}' for error in errors)}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--envs", type=Path, default=Path.home() / ".cache/loyalty-lab/benchmarks")
    options.add_argument("--customers", type=int, default=1_000_000)
    options.add_argument("--runs", type=int, default=5)
    given = options.parse_args()
    print(f"Python {sys.version.split()[0]}, numpy {version('numpy')}, scipy {version('scipy')}, {time.strftime('%F')}")
    everybody = master()
    compare("CDNOW master", everybody, list(FIT), runs=given.runs, envs=given.envs)
    bootstrap(everybody, draws=1000)
    # clvkit needs minutes here and is left out.
    many = simulated(given.customers)
    compare("Simulated", many, [name for name in FIT if name != "clvkit"], runs=min(given.runs, 3), envs=given.envs)


if __name__ == "__main__":
    main()
