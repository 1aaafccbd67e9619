"""The bundled studies on DuckDB, a PostgreSQL and a Spark: is every finding and every table the same?

    .venv/bin/python benchmarks/engines.py                    # or: make engines-equal
    .venv/bin/python benchmarks/engines.py cdnow telco --engines postgres
    .venv/bin/python benchmarks/engines.py club --engines shuffled      # DuckDB on the same rows in another order

Each study's tables are put into a PostgreSQL that is started here, as tables, and into a folder of Parquet for a Spark
in local mode; in another order than the files have, since a database keeps none. In studies.toml `engine` and `source`
change and what the files' descriptions say is told there; then `loyalty report` runs as anybody would run it: every
notebook, pages and publishing included. Compared are all values of findings.json and all cells of the tables that lie
beside the pages: numbers to 1e-9 of themselves, words as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as text

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from servers import Postgres, cells, differing, numbers  # noqa: E402

from analysis.studies import load  # noqa: E402

WITHIN = 1e-9  # of a number; engines add floats up in orders of their own
# What tells of the run and of the place of the tables rather than of what was found.
APART = re.compile(r"digest|recorded_at|first_run|versions|parameters")
BESIDE = "origins"  # what is written beside a file does not come along into a database


def table(path: Path) -> pa.Table:
    """A bundled file in another order; columns of a CSV as text, because parsing belongs to what is compared."""
    if path.suffix == ".parquet":
        rows = pq.read_table(path)
    else:
        kinds = dict.fromkeys(text.open_csv(path).schema.names, pa.string())
        rows = text.read_csv(path, convert_options=text.ConvertOptions(column_types=kinds, strings_can_be_null=True))
    return rows.take(np.random.default_rng(len(rows)).permutation(len(rows)))


def studies_file(folder: Path, engine: str, place: Callable[[Path], str]) -> Path:
    """The bundled studies with another engine, each file at its place there, and what was told beside the files."""
    bundled = load(ROOT / "studies.toml")

    def opening(head: re.Match[str]) -> str:
        study = bundled[head[1]]
        about = f"simulated = {json.dumps(study.simulated)}\ncaveats = {json.dumps(study.caveats)}"
        return f'{head[0]}\nengine = "{engine}"\n{about}'

    told = re.sub(r"^\[study\.(\w+)\]$", opening, (ROOT / "studies.toml").read_text("utf-8"), flags=re.MULTILINE)
    told = re.sub(r'"(data/raw/[\w.]+)"', lambda found: f'"{place(ROOT / found[1])}"', told)
    path = folder / "studies.toml"
    path.write_text(told, "utf-8")
    return path


def report(file: Path, names: list[str]) -> tuple[Path, float, float]:
    """The site of a whole report, with the seconds that it took on the clock and of the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    places = ["--out", str(file.parent / "site"), "--state", str(file.parent / "state")]
    asked = [str(Path(sys.executable).parent / "loyalty"), "report", *names, "--studies", str(file), *places]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return file.parent / "site", wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def told(site: Path) -> dict[str, dict[str, Any]]:
    """By study and notebook: every value that was found, and every cell of its tables."""
    pages: dict[str, dict[str, Any]] = {}
    for entry in json.loads((site / "findings.json").read_text("utf-8")):
        kept = {name: value for name, value in entry.items() if not APART.search(name)}
        claim = f"{entry['hypothesis']} {entry['reading']}"
        pages.setdefault(f"{entry['study']} {entry['run']}", {}).update(numbers(kept, claim))
    for file in sorted(site.glob("*/*-data/*.csv")):
        if file.stem == BESIDE:
            continue
        page = pages.setdefault(f"{file.parts[-3]} {file.parts[-2].removesuffix('-data')}", {})
        page |= cells(file.stem, file.read_text("utf-8"))
    return pages


def compare(names: list[str], engines: list[str], keep: Path) -> bool:
    """Prints one row a study and engine; returns whether all is the same."""
    with ExitStack() as stack:
        files: dict[str, Path] = {}
        for engine in ["duckdb", *engines]:
            (folder := keep / engine).mkdir(parents=True)
            address, place = engine, str
            if engine == "postgres":
                server = stack.enter_context(Postgres.started())
                address = server.address
                place = lambda path, server=server: server.load(f"crm.{path.stem}", table(path)) or f"crm.{path.stem}"  # noqa: E731
            elif engine in ("pyspark", "shuffled"):
                address = engine.replace("shuffled", "duckdb")

                def place(path: Path, folder: Path = folder) -> str:
                    pq.write_table(table(path), folder / f"{path.stem}.parquet")
                    return f"{path.stem}.parquet"

            files[engine] = studies_file(folder, address, place)
        made = {engine: report(file, names) for engine, file in files.items()}
    here = told(made["duckdb"][0])
    equal = True
    print(f"| engine | seconds | CPU s | pages | values compared | pages that differ |\n|{'---|' * 6}")
    for engine, (site, wall, cpu) in made.items():
        there = told(site)
        apart = {page: differing(here.get(page, {}), there.get(page, {}), within=WITHIN) for page in {**here, **there}}
        apart = {page: values for page, values in apart.items() if values}
        equal = equal and not apart
        print(
            f"| {engine} | {wall:.0f} | {cpu:.0f} | {len(there)} | {sum(map(len, there.values())):,} | {len(apart)} |"
        )
        for page, values in apart.items():
            print(page, len(values), *list(values.items())[:5], sep="\n    ", file=sys.stderr)
    print(f"\nLoad {os.getloadavg()}, {os.cpu_count()} cores.")
    return equal


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="STUDY", help="default: all that are bundled")
    parser.add_argument(
        "--engines", nargs="+", default=["postgres", "pyspark"], choices=["postgres", "pyspark", "shuffled"]
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the three sites in this new folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = options.keep or Path(temporary) / "sites"
        sys.exit(not compare(options.names, options.engines, place))
