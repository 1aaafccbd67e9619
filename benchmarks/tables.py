"""Orders to one row a customer, and to a table of cohorts, beside what others take for the same, in CPU seconds.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/tables.py
    OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/tables.py --sizes 100_000_000 --runs 1 --ways loyalty-lab DuckDB

A log lies in a Parquet file: customer_id, ordered_at, amount, in the order of its days, ten lines a customer over
three years. Everybody starts from that file. One row a customer holds repeat orders, days from the first to the last,
days from the first to the end, and money of a repeat order; a cohort table holds how many customers of each month of
a first order came back in each later month. Ours is what pages ask: the table is checked, then `customers.purchases`
and `order_values.ledger`, or `cohorts.follow`. The checks have a row of their own, for nobody else makes them.

Every turn is a fresh process, the ways taking turns; imports and one small run come first and are left out. For CDNOW
a run on the same file and the same connection comes first. Memory is the highest resident set above what it was
before. The sums of every way are compared. The peers' environments are made on first use, in --envs.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import inspect
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]
THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
DAYS, BEGAN, CHUNK = 1095, "2022-01-01", 2_000_000
COLUMNS = ["customer_id", "ordered_at", "amount"]
OURS, CHECKS = "loyalty-lab", "loyalty-lab, checks"
ORDERS, TABLE, COHORTS = "loyalty-lab, orders", "customers", "cohorts"
# lifetimes reads its own version through pkg_resources, which setuptools no longer has from 81 on.
NEEDS = {
    "lifetimes": ["lifetimes==0.11.3", "setuptools<81", "pandas>=2.3,<3", "pyarrow"],
    "clvkit": ["clvkit==0.2.1", "pandas>=3.0.3", "pyarrow"],
    "pymc-marketing": ["pymc-marketing", "pyarrow"],
}
STUDY = """
[study.log]
title = "A log of orders"
engine = "{}"
[study.log.tables.orders]
source = "{}"
"""


# --- What is compared -------------------------------------------------------------------------------------------


def write_log(path: Path, lines: int) -> None:
    """A log of so many lines; a few customers buy much more often than most."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random, people = np.random.default_rng(20261122), lines // 10
    kinds = {"customer_id": pa.int32(), "ordered_at": pa.timestamp("us"), "amount": pa.float64()}
    with pq.ParquetWriter(path, pa.schema(kinds)) as file:
        for at in range(0, lines, CHUNK):
            row = np.arange(at, min(at + CHUNK, lines))
            values = {
                "customer_id": (people * random.random(len(row)) ** 1.5).astype("int32"),
                "ordered_at": np.datetime64(BEGAN, "us") + (DAYS * row // lines).astype("timedelta64[D]"),
                "amount": np.round(random.gamma(2.0, 20.0, len(row)) + 0.01, 2),
            }
            file.write_table(pa.table(values, schema=file.schema))


def write_cdnow(path: Path) -> None:
    import pandas as pd

    log = pd.read_csv(ROOT / "data/raw/cdnow.csv", parse_dates=["date"])
    log = log.rename(columns={"date": "ordered_at", "dollar_value": "amount"})[COLUMNS]
    log.astype({"ordered_at": "datetime64[us]"}).to_parquet(path, index=False)


def limit(engine) -> None:
    """Keep DuckDB within the memory that was given; what does not fit goes to the disk."""
    if given := os.environ.get("MEMORY"):
        engine.execute(f"SET memory_limit = '{given}'; SET temp_directory = '{tempfile.gettempdir()}'")


def ours(path: Path, what: str, *, engine: str = "duckdb"):
    """What pages ask for, in the steps in which they do."""
    from analysis import cohorts, customers, order_values, studies

    file = path.with_suffix(".toml")
    file.write_text(STUDY.format(engine, path.name))
    lab = studies.load(file)["log"]
    if engine == "duckdb":
        limit(lab._engine.con)
    purchases = inspect.unwrap(customers.purchases)  # not as it was worked out before

    kept = {}

    def checks():
        kept["orders"] = lab.table("orders")

    def bought():
        kept["bought"] = purchases(kept["orders"], returns="net")

    def people():
        return order_values.ledger(kept["bought"])

    def table():
        counted = [cohorts.CUSTOMERS]  # which is what all others count
        return cohorts.follow(kept["bought"], ages=[], grain="month", definitions=["n-day"], counted=counted)

    def sums(found):
        if what == TABLE:
            row = found.aggregate(
                customers=found.count(),
                repeats=found.repeats.sum(),
                last=found["last"].sum(),
                observed=found.observed.sum(),
                money=found["mean"].sum(),
            )
            return row.to_pandas().iloc[0].tolist()
        cells = found[found["active"] > 0]
        return [len(cells), cells["active"].sum(), (cells["active"] * cells["age"]).sum()]

    return [(CHECKS, checks), (ORDERS, bought), (OURS, people if what == TABLE else table)], sums


CUSTOMERS_SQL = """
CREATE OR REPLACE TEMP TABLE people AS
WITH days AS (
    SELECT customer_id, ordered_at::DATE AS day, sum(amount) AS amount FROM '{path}' GROUP BY ALL
), ends AS (SELECT max(day) AS until FROM days), people AS (
    SELECT customer_id, count(*) - 1 AS repeats, min(day) AS first, max(day) AS last,
           sum(amount) AS money, arg_min(amount, day) AS opening
    FROM days GROUP BY customer_id
)
SELECT customer_id, repeats, last - first AS last, until - first AS observed,
       coalesce((money - opening) / nullif(repeats, 0), 0) AS mean
FROM people, ends
"""
# A bit a month; the mask of a customer begins with the month of the first order.
COHORTS_SQL = """
WITH months AS (
    SELECT customer_id, 12 * year(ordered_at) + month(ordered_at) AS month FROM '{path}'
), start AS (SELECT min(month) AS zero FROM months), people AS (
    SELECT customer_id, min(month) AS began, bit_or(1::BIGINT << (month - zero)) AS mask
    FROM months, start GROUP BY customer_id
), sizes AS (
    SELECT began, mask >> (began - zero) AS mask, count(*) AS people FROM people, start GROUP BY ALL
)
SELECT began, age, sum(people)::BIGINT AS active FROM sizes, range(1, 61) AS ages(age)
WHERE (mask >> age) & 1 = 1 GROUP BY ALL
"""


def by_sql(path: Path, what: str):
    import duckdb

    engine = duckdb.connect()
    limit(engine)

    def people():
        engine.execute(CUSTOMERS_SQL.format(path=path))

    def table():
        return engine.execute(COHORTS_SQL.format(path=path)).df()

    def sums(found):
        if found is None:
            asked = "SELECT count(*), sum(repeats), sum(last), sum(observed), sum(mean) FROM people"
            return [float(value) for value in engine.execute(asked).fetchone()]
        return [len(found), found["active"].sum(), (found["active"] * found["age"]).sum()]

    return [("DuckDB SQL", people if what == TABLE else table)], sums


def by_pandas(path: Path, what: str):
    import pandas as pd

    def people():
        log = pd.read_parquet(path, columns=COLUMNS)
        days = log.groupby(["customer_id", "ordered_at"])["amount"].sum().reset_index()
        each = days.groupby("customer_id").agg(
            first=("ordered_at", "min"),
            last=("ordered_at", "max"),
            orders=("amount", "size"),
            money=("amount", "sum"),
            opening=("amount", "first"),
        )
        repeats = each["orders"] - 1
        return pd.DataFrame(
            {
                "frequency": repeats,
                "recency": (each["last"] - each["first"]).dt.days,
                "T": (log["ordered_at"].max() - each["first"]).dt.days,
                "monetary_value": ((each["money"] - each["opening"]) / repeats).fillna(0),
            }
        )

    def table():
        log = pd.read_parquet(path, columns=COLUMNS[:2])
        month = 12 * log["ordered_at"].dt.year + log["ordered_at"].dt.month
        pairs = pd.DataFrame({"customer_id": log["customer_id"], "month": month}).drop_duplicates()
        began = pairs.groupby("customer_id")["month"].transform("min")
        cells = pairs.groupby([began.rename("began"), (pairs["month"] - began).rename("age")]).size()
        return cells[cells.index.get_level_values("age") > 0]

    return [("pandas", people if what == TABLE else table)], frame_sums


def frame_sums(found):
    if "age" in found.index.names:
        return [len(found), found.sum(), (found * found.index.get_level_values("age")).sum()]
    names = ["frequency", "recency", "T", "monetary_value"]
    return [len(found), *(float(found[name].sum()) for name in names)]


def by_lifetimes(path: Path, _: str):
    import pandas as pd
    from lifetimes.utils import summary_data_from_transaction_data

    def people():
        return summary_data_from_transaction_data(
            pd.read_parquet(path, columns=COLUMNS), *COLUMNS[:2], monetary_value_col="amount", freq="D"
        )

    return [("lifetimes", people)], frame_sums


def by_pymc(path: Path, _: str):
    import pandas as pd
    from pymc_marketing.clv.utils import rfm_summary

    def people():
        return rfm_summary(pd.read_parquet(path, columns=COLUMNS), *COLUMNS[:2], monetary_value_col="amount")

    def sums(found):
        return frame_sums(found.rename(columns={"customer_id": "id"}))

    return [("pymc-marketing", people)], sums


def by_clvkit(path: Path, what: str):
    import pandas as pd
    from clvkit import CohortMatrix, CustomerBase

    names = dict(zip(("customer_id_col", "datetime_col", "amount_col"), COLUMNS, strict=True))

    def people():
        return CustomerBase.from_transactions(pd.read_parquet(path, columns=COLUMNS), **names)

    def table():
        return CohortMatrix.from_transactions(pd.read_parquet(path, columns=COLUMNS), **names)

    def sums(found):
        if what == TABLE:
            return frame_sums(found.to_pandas())
        cells = found.to_pandas().iloc[:, 1:].stack()
        cells = cells[cells > 0]
        return [len(cells), cells.sum(), (cells * cells.index.get_level_values(-1)).sum()]

    return [("clvkit", people if what == TABLE else table)], sums


def in_spark(path: Path, what: str):
    """The same on Spark in local mode, its table worked out to the end, which elsewhere waits for a question."""
    steps, sums = ours(path, what, engine="pyspark")

    def last():
        found = steps[-1][1]()
        sums(found)
        return found

    return [*steps[:-1], (OURS, last)], sums


WAYS = {
    "loyalty-lab": ours,
    "Spark": in_spark,
    "DuckDB": by_sql,
    "pandas": by_pandas,
    "lifetimes": by_lifetimes,
    "clvkit": by_clvkit,
    "pymc-marketing": by_pymc,
}
DEFAULT = [name for name in WAYS if name != "Spark"]
BOTH = ["loyalty-lab", "DuckDB", "pandas", "clvkit"]  # that have tables of cohorts too
GOALS = {
    TABLE: {"DuckDB SQL": 1.15, "pandas": 0.65, "lifetimes": 0.35, "clvkit": 0.35, "pymc-marketing": 0.35},
    COHORTS: {"DuckDB SQL": 1.1, "pandas": 0.45},
}


# --- Turns ------------------------------------------------------------------------------------------------------


def family() -> list[int]:
    """This process and all that it started, as Spark's."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parents[int(path.parent.name)] = int(path.read_text().rpartition(") ")[2].split()[1])
    found = [os.getpid()]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def spent() -> float:
    """CPU seconds of all of them so far."""
    started = [Path(f"/proc/{one}/stat").read_text().rpartition(") ")[2].split() for one in family()[1:]]
    return time.process_time() + sum(int(stat[11]) + int(stat[12]) for stat in started) / os.sysconf("SC_CLK_TCK")


def resident(which: str) -> int:
    """Bytes of all of them in memory: now ("VmRSS") or at most since they were last asked to forget ("VmHWM")."""
    lines = [line for one in family() for line in Path(f"/proc/{one}/status").read_text().splitlines()]
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(which))


def measure(name: str, what: str, path: Path, small: Path, *, again: bool) -> None:
    """One turn, in a process of its own: what each step cost, the most memory meanwhile, and the sums of the answer."""
    warnings.simplefilter("ignore")
    steps, sums = WAYS[name](small, what)
    for _, work in steps:
        found = work()
    sums(found)
    steps, sums = WAYS[name](path, what)
    gc.collect()
    floor, told = resident("VmRSS"), {}
    for turn in range(1 + again):
        for step, work in steps[turn and steps[0][0] == CHECKS :]:  # a table is checked once
            for one in family():
                Path(f"/proc/{one}/clear_refs").write_text("5")  # forget the highest so far
            start = spent()
            found = work()
            told[step] = spent() - start, resident("VmHWM") - floor
    print(json.dumps([told, [float(value) for value in sums(found)]]))


def environment(name: str, folder: Path) -> Path:
    """The Python that runs a way; made on first use."""
    if name not in NEEDS:
        return Path(sys.executable)
    python = folder / name / "bin" / "python"
    if not python.exists():
        venv.create(folder / name, with_pip=True)
    if not [*python.parents[1].glob("lib/*/site-packages/pyarrow")]:  # left unfinished
        subprocess.run([python, "-m", "pip", "install", "-q", *NEEDS[name]], check=True)
    return python


def turn(name: str, python: Path, what: str, path: Path, small: Path, again: bool) -> tuple[dict, list[float]]:
    command = [python, __file__, "--one", name, what, path, small, *["again"] * again]
    done = subprocess.run(command, env=os.environ | THREADS, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed on {path.name}:\n{done.stderr}")
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def steps_of(told: dict) -> dict[str, tuple[float, float]]:
    """What each row of the table cost: ours with the orders that it is made from, the checks beside it."""
    if OURS not in told:
        return told
    (made, most), (asked, peak) = told[ORDERS], told[OURS]
    return {OURS: (made + asked, max(most, peak)), CHECKS: told[CHECKS]}


def compare(what: str, title: str, path: Path, small: Path, ways: dict[str, Path], *, runs: int, lines: int) -> float:
    """A table of the ways; returns our CPU seconds."""
    again = title == "CDNOW"
    found: list[dict[str, tuple[float, float]]] = []
    for _ in range(runs):
        turns = {name: turn(name, python, what, path, small, again) for name, python in ways.items()}
        found.append({row: cost for told, _ in turns.values() for row, cost in steps_of(told).items()})
    ours = {row: statistics.median(one[row][0] for one in found) for row in found[0]}
    wanted = next(iter(turns.values()))[1]
    sums = {steps[-1]: turns[name][1] for name, (*steps,) in ((n, [*turns[n][0]]) for n in turns)}
    print(f"\n{TITLES[what]}, {title}, {lines:,} lines, {runs} runs, medians (load {os.getloadavg()[0]:.0f})\n")
    print("| way | CPU s | ours ÷ it (lowest to highest) | goal | MB | bytes a line | sums that differ |")
    print("|---|---|---|---|---|---|---|")
    for row in found[0]:
        ratios = sorted(one[OURS][0] / one[row][0] for one in found)
        ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        peak = statistics.median(one[row][1] for one in found)
        goal = GOALS[what].get(row)
        goal = 1.5 if again and row == "pandas" and what == TABLE else goal
        other = [abs(a - b) for a, b in zip(sums.get(row, wanted), wanted, strict=True)]
        cells = [row, f"{ours[row]:.3f}", "–" if row.startswith(OURS) else ratio, str(goal or "–"), f"{peak / 1e6:.0f}"]
        cells += [f"{peak / lines:.0f}", told_of(other)]
        print("| " + " | ".join(cells) + " |", flush=True)
    return ours[OURS]


def told_of(other: list[float]) -> str:
    """The widest difference of sums, where floats in another order do not explain it."""
    return "none" if max(other) < 0.1 else f"{max(other):,.1f}"


TITLES = {TABLE: "One row a customer", COHORTS: "Cohorts by month"}


def number(text: str) -> int:
    return int(text.replace("_", ""))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--envs", type=Path, default=Path.home() / ".cache/loyalty-lab/benchmarks")
    options.add_argument("--folder", type=Path, help="where the logs are written and left, such as a large disk")
    options.add_argument("--sizes", type=number, nargs="*", default=[1_000_000, 10_000_000], help="lines of the logs")
    options.add_argument("--ways", nargs="*", default=DEFAULT, choices=[*WAYS], metavar="WAY")
    options.add_argument("--tables", nargs="*", default=[TABLE, COHORTS], choices=[TABLE, COHORTS], metavar="TABLE")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--memory", default="", help="that DuckDB may take, as 12GB; else it decides")
    options.add_argument("--one", nargs="*", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.one:
        name, what, path, small, *again = given.one
        return measure(name, what, Path(path), Path(small), again=bool(again))
    os.environ["MEMORY"] = given.memory
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        pythons = {name: environment(name, given.envs) for name in given.ways}
        small, files = folder / "small.parquet", {}
        write_log(small, 2_000)
        for lines in given.sizes:
            files[lines] = folder / f"log-{lines}.parquet"
            if not files[lines].exists():
                write_log(files[lines], lines)
        cdnow = folder / "cdnow.parquet"
        write_cdnow(cdnow)
        for what in given.tables:
            ways = {name: python for name, python in pythons.items() if what == TABLE or name in BOTH}
            if len(given.ways) > 2:
                compare(what, "CDNOW", cdnow, small, ways, runs=given.runs, lines=69_659)
            took = {}
            for lines, path in files.items():
                took[lines] = compare(what, "simulated", path, small, ways, runs=given.runs, lines=lines)
            for (few, fast), (many, slow) in zip(list(took.items()), list(took.items())[1:], strict=False):
                grows = math.log(slow / fast) / math.log(many / few)
                print(f"\nFrom {few:,} to {many:,} lines our CPU seconds grow with the power {grows:.2f}.")
    print(f"\nPython {sys.version.split()[0]}, {time.strftime('%F')}, {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
