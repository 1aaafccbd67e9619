"""How long reports take: ten with warm kernels beside plain papermill and nbconvert, and one with nothing changed.

    .venv/bin/python benchmarks/reports.py --turns 3

Ten runs of bundled notebooks, two at a time on the same cores, the ways taking turns. Ours is all of `loyalty report`
on them: checks, kernels, findings, pages, publishing. The other way is what one would do without it: for each run
`papermill` with a fresh kernel and then `nbconvert --to html`, as commands.

`--equal` instead runs every bundled notebook on every study both ways and compares what came out byte for byte.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from analysis import kernels, making, runs, studies
from analysis.runs import Job, Runner

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
TEN = {
    "cdnow": ["10_what_the_data_hold"],
    "telco": ["10_what_the_data_hold", "20_how_long_customers_stay"],
    "renewals": ["10_what_the_data_hold", "20_how_long_customers_stay", "23_what_five_percent_is_worth"],
    "mobile": ["10_what_the_data_hold", "33_one_index_or_many"],
    "reputation": ["10_what_the_data_hold", "33_one_index_or_many"],
}
WORKERS = 2


def studies_file(folder: Path) -> Path:
    """The bundled studies with the ten runs alone."""
    text = (ROOT / "studies.toml").read_text("utf-8").replace('"data/raw', f'"{ROOT}/data/raw')
    text = text.split("[study.service]")[0]
    for study, notebooks in TEN.items():
        text += "".join(f'\n[[study.{study}.run]]\nnotebook = "{name}"\n' for name in notebooks)
    (folder / "studies.toml").write_text(text, "utf-8")
    return folder / "studies.toml"


def ours(folder: Path, file: Path, *options: str) -> None:
    """A whole report by `loyalty report`, into a folder of its own."""
    places = ["--out", str(folder / "site"), "--state", str(folder / "state"), "--jobs", str(WORKERS)]
    asked = [str(BIN / "loyalty"), "report", "--studies", str(file), *places, *options]
    subprocess.run(asked, check=True, capture_output=True, cwd=ROOT)


def plain(folder: Path, file: Path) -> None:
    """The same runs by the commands papermill and nbconvert."""
    environment = {**os.environ, **runs.KERNEL, "LOYALTY_STUDIES": str(file)}

    def one(run: tuple[str, str]) -> None:
        study, name = run
        executed = folder / f"{study}-{name}.ipynb"
        source = str(ROOT / f"notebooks/{name}.ipynb")
        steps = [
            ["papermill", source, str(executed), "-p", "study", study, "--cwd", str(ROOT / "notebooks")],
            ["jupyter-nbconvert", "--to", "html", str(executed)],
        ]
        for command, *arguments in steps:
            subprocess.run([str(BIN / command), *arguments], check=True, capture_output=True, env=environment)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, [(study, name) for study, names in TEN.items() for name in names]))


def timed(do, *arguments) -> tuple[float, float]:
    """Seconds on the clock and of the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    do(*arguments)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(turns: int) -> None:
    ways: dict[str, list[tuple[float, float]]] = {"papermill and nbconvert": [], "loyalty report": []}
    with tempfile.TemporaryDirectory() as temporary:
        file = studies_file(Path(temporary))
        for turn in range(turns):
            folder = Path(temporary) / str(turn)
            folder.mkdir()
            ways["papermill and nbconvert"].append(timed(plain, folder, file))
            ways["loyalty report"].append(timed(ours, folder, file))
            kept = (json.loads(line) for line in (folder / "state/logs/runs.jsonl").read_text().splitlines())
            kernels_used = [line["kernel"] for line in kept]
            print(turn, {way: took[-1] for way, took in ways.items()}, kernels_used, os.getloadavg(), flush=True)
        ours(folder, file)
        idle = [timed(ours, folder, file) for _ in range(5)]
    print("\n| way | seconds | CPU s | ÷ papermill and nbconvert (lowest to highest) |\n|---|---|---|---|")
    for way, took in ways.items():
        shares = [a[0] / b[0] for a, b in zip(took, ways["papermill and nbconvert"], strict=True)]
        wall, cpu = (statistics.median(one) for one in zip(*took, strict=True))
        told = f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"
        print(f"| {way} | {wall:.1f} | {cpu:.1f} | {told} |")
    wall, cpu = (statistics.median(one) for one in zip(*idle, strict=True))
    print(f"| loyalty report, nothing changed | {wall:.2f} | {cpu:.2f} | |")
    print(f"\nLoad {os.getloadavg()}, {os.cpu_count()} cores.")


def executed(jobs: list[Job], *, fresh: bool, folder: Path) -> dict[str, str]:
    """What each run's notebook holds after it was executed in one of the two ways."""
    os.environ[kernels.FRESH] = "yes" if fresh else ""
    environment = {"LOYALTY_STUDIES": str(ROOT / "studies.toml"), "LOYALTY_FINDINGS": str(folder / "findings.json")}
    told = {}
    with Runner(workers=WORKERS, folder=folder, environment=environment, told=lambda *_: None) as runner:
        for outcome in runner.run(jobs):
            assert outcome.verdict == runs.OK, outcome
            assert outcome.executed
            assert outcome.kernel == ("fresh" if fresh else "warm"), outcome.kernel
            told[f"{outcome.job.study} {outcome.job.slug}"] = making.as_text(making.read(outcome.executed))
    return told


def equal(names: list[str]) -> None:
    """Compares all bundled runs, warm and fresh; exits with 1 when any differs."""
    file = studies.load(ROOT / "studies.toml")
    jobs = [job for name in names or file for job in runs.plan(file[name])]
    with tempfile.TemporaryDirectory() as folder:
        warm = executed(jobs, fresh=False, folder=Path(folder))
        fresh = executed(jobs, fresh=True, folder=Path(folder))
    differing = [run for run in warm if warm[run] != fresh[run]]
    print(f"{len(warm) - len(differing)} of {len(warm)} runs give the same bytes in a warm and in a fresh kernel.")
    print(*differing, sep="\n")
    sys.exit(bool(differing))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--equal", nargs="*", metavar="STUDY", help="compare warm and fresh kernels instead")
    options = parser.parse_args()
    compare(options.turns) if options.equal is None else equal(options.equal)
