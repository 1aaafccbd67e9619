"""What a report costs whose one entry stands for many studies, and what each further study adds, in CPU seconds.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/variants.py

One file holds the orders of 200 shops, and `for = { shop = […] }` makes a study of each of them, with one light
notebook. `loyalty report` is run from nothing on 1, on 20 and on 200 of them, two notebooks at a time, publishing
included; then again with all results at hand and no site, which puts the pages and their index together alone; and
once more with nothing changed. What a further study costs is the difference of two reports over that of their studies.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from reports import ours, timed

SHOPS, CUSTOMERS, LINES = 200, 60, 400
NOTEBOOK = "10_what_the_data_hold"
STUDIES = """
[study.shops]
title = "Shops"
for = {{ shop = {shops} }}
currency = "EUR"

[study.shops.tables.orders]
source = "orders.parquet"
columns = {{ customer_id = "customer_id", ordered_at = "ordered_at", amount = "amount" }}

[[study.shops.run]]
notebook = "{notebook}"
"""


def write_orders(file: Path) -> None:
    """Two years of 200 shops."""
    random, n = np.random.default_rng(20261122), SHOPS * LINES
    shop = np.repeat(np.arange(SHOPS), LINES)
    customers = shop * CUSTOMERS + random.integers(0, CUSTOMERS, n)
    days = np.datetime64("2023-01-01", "us") + random.integers(0, 730, n).astype("timedelta64[D]")
    columns = {"shop": [f"s{number:03d}" for number in shop], "customer_id": customers, "ordered_at": days}
    pd.DataFrame(columns | {"amount": random.gamma(2, 20, n).round(2) + 0.01}).to_parquet(file, index=False)


def measure(folder: Path, shops: int) -> dict[str, tuple[float, float]]:
    """Seconds and CPU seconds of the report on so many shops: from nothing, without the site, and as it is."""
    folder.mkdir()
    names = [f"s{number:03d}" for number in range(shops)]
    (folder / "studies.toml").write_text(STUDIES.format(shops=json.dumps(names), notebook=NOTEBOOK))
    shutil.copy(folder.parent / "orders.parquet", folder)
    took = {"from nothing": timed(ours, folder, folder / "studies.toml")}
    kept = [json.loads(line) for line in (folder / "state/logs/runs.jsonl").read_text().splitlines()]
    assert len(kept) == shops, kept
    if shops >= 40:
        for name, runs in {"the 20 from the 21st": kept[20:40], "the last 20": kept[-20:]}.items():
            print(f"Notebooks of {name}: {statistics.median(run['cpu_seconds'] for run in runs):.2f} CPU s each.")
    (folder / "site").unlink()
    shutil.rmtree(folder / ".site.builds")
    took["pages and index alone"] = timed(ours, folder, folder / "studies.toml")
    took["nothing changed"] = timed(ours, folder, folder / "studies.toml")
    return took


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sizes", type=int, nargs="*", default=[1, 20, 200], help="shops, up to 200")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_orders(folder / "orders.parquet")
        found = {}
        for shops in given.sizes:
            found[shops] = measure(folder / str(shops), shops)
            print(shops, found[shops], f"load {os.getloadavg()[0]:.0f}", flush=True)
    print("\n| studies | what | seconds | CPU s | CPU s a further study | ÷ the first |\n|---|---|---|---|---|---|")
    first = found[given.sizes[0]]
    for few, shops in zip([0, *given.sizes], given.sizes, strict=False):
        for what, (wall, cpu) in found[shops].items():
            further = (cpu - found[few][what][1]) / (shops - few) if few else cpu
            share = further / first["from nothing"][1]
            print(f"| {shops} | {what} | {wall:.1f} | {cpu:.2f} | {further:.3f} | {share:.3f} |")
    print(f"\n{time.strftime('%F')}, load {os.getloadavg()[0]:.0f}, {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
