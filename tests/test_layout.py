"""The picture of the project stays true: imports go one way, and the project speaks of itself alone."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/analysis"

# In the order data flow; a package counts as one place.
FLOW = [
    "words", "disclosure", "languages", "estimates", "tables", "engines", "formats", "lakes", "sources", "readings",
    "checks", "datasets", "timetable", "settings", "segments", "mistakes", "studies", "leaks", "customers", "cohorts",
    "clocks", "lifetimes",
    "spending", "repeaters", "retention", "hazards", "reasons", "milestones", "durations", "periods", "renewal",
    "buying", "habits", "fits", "order_values", "holdout", "silence", "customer_value", "regularity", "traits",
    "foresight", "value", "steadiness", "responses", "staggered", "thresholds", "within", "synthetic", "trials",
    "economics", "worth", "worlds", "laws", "scales", "factors", "regressions", "rates", "afterwards", "choices",
    "planted", "indicators", "unreliability", "surfaces", "simpler", "tolerance", "drivers", "paths", "necessity",
    "mixtures", "hypotheses",
    "calibrated", "exhibits", "sensitivity", "mediation", "guides", "findings", "calibration", "strokes", "figures",
    "maps", "specifications", "scores", "prospects", "promoters", "payoff", "gaps", "motives", "allegiance",
    "attachment", "antecedents", "gauges", "forgiveness", "recommending", "journeys", "chain", "membership",
    "rewarding", "promoting", "personal", "bargains", "buyers", "equity", "whatif", "profiles", "stays", "sorting",
    "pooling", "cases", "boards", "truthfulness", "news", "proposals", "state", "ledger", "notices", "notebooks",
    "keys", "kernels", "worker", "runs", "cluster", "welcome", "progress", "publishing", "pages", "provenance",
    "making", "report", "onefile", "schedule", "exports", "housekeeping", "operating", "cli",
]  # fmt: skip


def imported(path):
    """The modules of this package that a file imports at run time, wherever in the file it does so."""
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        for name in names:
            if name == "analysis" and isinstance(node, ast.ImportFrom):
                yield from (alias.name for alias in node.names)
            elif name.startswith("analysis."):
                yield name.split(".")[1]


def files_of(module):
    return sorted((SOURCE / module).glob("*.py")) if (SOURCE / module).is_dir() else [SOURCE / f"{module}.py"]


def test_every_module_has_its_place_in_the_flow():
    there = {p.stem for p in SOURCE.glob("*.py")} | {p.parent.name for p in SOURCE.glob("*/__init__.py")}
    assert there - {"__init__"} == set(FLOW)


@pytest.mark.parametrize("module", FLOW)
def test_data_flow_one_way(module):
    """A module may import only modules that stand before it in FLOW."""
    before = set(FLOW[: FLOW.index(module) + 1])
    backwards = {name for path in files_of(module) for name in imported(path)} - before
    assert not backwards, f"{module} reaches back to {sorted(backwards)}"


def test_importing_the_package_stays_cheap():
    """Heavy libraries load where they are used: importing what a notebook starts with must not load them."""
    heavy = "lifelines statsmodels seaborn matplotlib ibis duckdb nbconvert papermill scipy.stats"
    code = f"import sys, analysis.boards; print([m for m in '{heavy}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


def texts():
    for path in tracked():
        if path.suffix not in {".csv", ".parquet", ".png"} and "raw" not in path.parts:
            yield path, path.read_text("utf-8", errors="ignore")


def test_no_path_of_a_machine_and_no_address_in_the_lock():
    seen = 0
    for path, text in texts():
        seen += 1
        found = re.search(r"(^|[^A-Za-z0-9_.])/(home|root|mnt|work|tmp)/", text)
        assert not found or path.name == Path(__file__).name, f"{path.name}: {found and found.group()}"
    assert seen > 50
    assert "://" not in (ROOT / "requirements.lock").read_text("utf-8")


HEADINGS = [
    "What is asked",
    "Who is in the table",
    "What it looks like",
    "The test",
    "What else could explain it",
    "What we conclude",
]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), ids=lambda p: p.stem)
class TestNotebook:
    def test_has_the_six_headings_and_more_text_than_code(self, path):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        text = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        assert [line[3:] for t in text for line in t.splitlines() if line.startswith("## ")] == HEADINGS
        assert text[0].startswith("# ")
        assert text[0].splitlines()[0].endswith("?")
        assert 15 <= len(cells) <= 35
        assert sum(len(t.split()) for t in text) >= sum(len(c.split()) for c in code)

    def test_asks_calls_shows_and_says_and_nothing_else(self, path):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] != "code":
                continue
            tree = ast.parse("".join(cell["source"]))
            defined = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Lambda)]
            assert not defined, "code that is defined belongs into src/analysis"
            assert "warnings" not in "".join(cell["source"])

    def test_is_committed_clean(self, path):
        notebook = json.loads(path.read_text("utf-8"))
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
        assert notebook["metadata"]["language_info"]["name"] == "python"
        assert all(c.get("id") for c in notebook["cells"])
        outputs = [c for c in notebook["cells"] if c.get("outputs") or c.get("execution_count")]
        assert not outputs
