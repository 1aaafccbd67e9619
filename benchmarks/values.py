"""Values of a million simulated customers, totals with intervals, in CPU seconds of one core and peak memory.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/values.py "Pareto/NBD"

The customers live as a Pareto/NBD and spend as a gamma-gamma model has it, and were followed for half a year to two
years. Simulating them and reading orders from their table are left out of the time, and counting histories is in it.
"""

from __future__ import annotations

import argparse
import resource
import time
from datetime import date

import ibis
import numpy as np

from analysis import customer_value, customers, worlds
from analysis.buying import WEEK, ParetoNBD
from analysis.checks import CheckedTable
from analysis.estimates import told
from analysis.order_values import GammaGamma
from analysis.prospects import FAMILIES

UNTIL = date(2025, 12, 29)


def simulated(n: int) -> customers.Purchases:
    random = np.random.default_rng(20261122)
    observed = random.integers(26 * WEEK, 104 * WEEK, n) / WEEK
    log = worlds.orders(random, ParetoNBD(0.55, 10.6, 0.6, 11.7), observed)
    log["amount"] = worlds.amounts(random, GammaGamma(6.25, 3.74, 15.44), log).round(2)
    table = worlds.order_log(log, observed, until=UNTIL).astype({"customer_id": str})
    checked = CheckedTable("orders", ibis.memtable(table), (), (), {"observed_until": UNTIL})
    return customers.purchases(checked)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("family", nargs="?", default="Pareto/NBD", choices=FAMILIES)
    options.add_argument("--customers", type=int, default=1_000_000)
    given = options.parse_args()
    bought = simulated(given.customers)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.process_time()
    asked = customer_value.terms(horizon_months=24, annual_discount_rate=0.1)
    found = customer_value.appraise(bought, FAMILIES[given.family], asked)
    total, seconds = found.total, time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{given.family}: {found.customers:,} customers, {len(found.rows):,} distinct rows, total {told(total)}")
    print(f"{seconds:.1f} CPU s, peak {peak:,.0f} MB ({before:,.0f} MB after simulating)")


if __name__ == "__main__":
    main()
