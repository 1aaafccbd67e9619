"""What importing the package costs beside `import pandas`, in CPU seconds of one core.

    OPENBLAS_NUM_THREADS=1 .venv/bin/python benchmarks/imports.py

Every import is timed in a fresh process, the statements taking turns, less what an empty process costs. The lines
with which each notebook begins are read from the notebooks. Compiled files are there: the first round is thrown away.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PANDAS = "import pandas"


def first_lines(notebook: Path) -> str:
    """All import statements of a notebook."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    lines = [line.strip() for cell in cells if cell["cell_type"] == "code" for line in cell["source"]]
    return "\n".join(line for line in lines if line.startswith(("import ", "from ")))


def cost(statement: str) -> float:
    """CPU seconds, user and system, of a process that only runs these lines."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], env=os.environ | THREADS, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=15)
    runs = options.parse_args().runs
    ways = {PANDAS: PANDAS, "import analysis": "import analysis", "from analysis import studies": ""}
    ways["from analysis import studies"] = f"{PANDAS}\nfrom analysis import studies"
    ways |= {f"notebook {path.stem[:2]}": first_lines(path) for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))}
    turns = [{name: cost(lines) for name, lines in {"": "pass", **ways}.items()} for _ in range(runs + 1)][1:]
    print(f"Python {sys.version.split()[0]}, pandas {version('pandas')}, {runs} runs, medians, {time.strftime('%F')}\n")
    print("| what is imported | CPU s | ÷ pandas |\n|---|---|---|")
    for name in ways:
        own = [turn[name] - turn[""] for turn in turns]
        ratio = statistics.median((turn[name] - turn[""]) / (turn[PANDAS] - turn[""]) for turn in turns)
        print(f"| {name} | {statistics.median(own):.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
