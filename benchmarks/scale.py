"""The whole study `cdnow`, or `telco`, on tables of growing size: what each page takes, and how that grows.

    .venv/bin/python benchmarks/scale.py 100_000 1_000_000
    .venv/bin/python benchmarks/scale.py --contracts 100_000 1_000_000

Customers join over two years, are seen for one to three, live as a Pareto/NBD and spend as a gamma-gamma model has it,
with ten order lines each on average; the log is one Parquet file with the columns of CDNOW. `loyalty report` makes
every page two at a time. Seconds and memory are what its own log says of each run: the kernel with all it started.
Contracts are those of Telco drawn with replacement, each with a price a little of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import worlds
from analysis.buying import WEEK, ParetoNBD
from analysis.order_values import GammaGamma

UNTIL = date(2025, 12, 29)
REPORT = """
[report]
cell_timeout = "1h"
report_timeout = "2h"
memory_limit = "8GB"
"""
ORDERS = """
[study.scale]
title = "Customers who live as a buying model says"
currency = "USD"

[study.scale.tables.orders]
source = "orders.parquet"
columns = { customer_id = "customer_id", ordered_at = "date", amount = "dollar_value" }
observed_until = 2025-12-29
"""
CONTRACTS = """
[study.scale]
title = "Customers of a telephone company, many times over"
currency = "USD"

[study.scale.tables.subscriptions]
source = "contracts.parquet"
columns = { customer_id = "row", tenure = "tenure", churned = "churn", price = "monthly_charges" }
tenure_unit = "month"
covariates = ["contract", "internet_service", "payment_method", "senior_citizen", "partner"]
"""
MEASURES = {"seconds": "wall s", "cpu_seconds": "CPU s", "peak_mib": "peak MiB"}


def write_contracts(folder: Path, customers: int) -> int:
    """Draws the contracts; returns how many."""
    known, random = pd.read_csv(Path(__file__).parents[1] / "data/raw/telco.csv"), np.random.default_rng(20261122)
    table = known.sample(customers, replace=True, random_state=random, ignore_index=True)
    table["monthly_charges"] = (table["monthly_charges"] * random.uniform(0.98, 1.02, customers)).round(2)
    table.to_parquet(folder / "contracts.parquet", index=False)
    return customers


def write_log(folder: Path, customers: int) -> int:
    """Draws the log, ordered by day; returns its lines."""
    random = np.random.default_rng(20261122)
    observed = random.integers(52 * WEEK, 156 * WEEK, customers) / WEEK
    log = worlds.orders(random, ParetoNBD(0.55, 3.6, 0.5, 20.0), observed)
    log["dollar_value"] = worlds.amounts(random, GammaGamma(6.25, 3.74, 15.44), log).round(2)
    table = worlds.order_log(log, observed, until=UNTIL).rename(columns={"ordered_at": "date"})
    table = table.sort_values("date", kind="stable", ignore_index=True)
    names = pd.array([f"{number:07d}" for number in range(1, customers + 1)], dtype="string[pyarrow]")
    table["customer_id"] = names[table["customer_id"].to_numpy() - 1]
    table["number_of_cds"] = 1 + random.poisson(table["dollar_value"] / 15)
    table["date"] = table["date"].astype("date32[pyarrow]")
    table.to_parquet(folder / "orders.parquet", index=False)
    return len(table)


def measured(folder: Path, *options: str) -> tuple[float, dict[str, dict[str, float]]]:
    """Seconds of the whole report, and of each page what the report's log says."""
    places = ["--studies", "studies.toml", "--out", "site", "--state", "state", "--jobs", "2", *options]
    began = time.perf_counter()
    made = subprocess.run([Path(sys.executable).parent / "loyalty", "report", *places], cwd=folder, check=False)
    seconds = time.perf_counter() - began
    lines = [json.loads(line) for line in (folder / "state/logs/runs.jsonl").read_text("utf-8").splitlines()]
    failed = [line["slug"] for line in lines if line["verdict"] != "ok"]
    if failed or made.returncode:
        sys.exit(f"The report ended with {made.returncode}; these pages failed: {failed}.")
    return seconds, {line["slug"]: {name: line[name] for name in MEASURES} for line in lines}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("customers", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--contracts", action="store_true", help="contracts in place of orders")
    parser.add_argument("--folder", type=Path, help="keep the logs and the sites there")
    options = parser.parse_args()
    sizes, found = options.customers, []
    study, write = (CONTRACTS, write_contracts) if options.contracts else (ORDERS, write_log)
    with tempfile.TemporaryDirectory() as scratch:
        for customers in sizes:
            folder = (options.folder or Path(scratch)) / str(customers)
            folder.mkdir(parents=True)
            (folder / "studies.toml").write_text(REPORT + study, "utf-8")
            began = time.perf_counter()
            lines = write(folder, customers)
            print(f"{customers:,} customers, {lines:,} rows, drawn in {time.perf_counter() - began:.1f} s", flush=True)
            whole, pages = measured(folder)
            print(f"the whole report: {whole:.1f} s; load {os.getloadavg()[0]:.1f}", flush=True)
            found.append(pages)
    heads = [f"{unit}, {size:,}" for size in sizes for unit in MEASURES.values()]
    print(f"\n| page | {' | '.join(heads)} | exponent of CPU |\n|{'---|' * (len(heads) + 2)}")
    for page in sorted(found[-1]):
        numbers = [f"{pages[page][name]:,.0f}" for pages in found for name in MEASURES]
        grown = math.log(found[-1][page]["cpu_seconds"] / found[0][page]["cpu_seconds"])
        power = f"{grown / math.log(sizes[-1] / sizes[0]):.2f}" if len(sizes) > 1 else ""
        print(f"| {page} | {' | '.join(numbers)} | {power} |")


if __name__ == "__main__":
    main()
