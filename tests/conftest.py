"""Small fixtures that several test files share."""

import os
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest
from small_business import invented

from analysis import cli, disclosure, studies
from analysis.studies import Study

ROOT = Path(__file__).parents[1]
# Half a minute of a processor and more each, most of it in kernels. Begun first, they do not end last and alone.
LONG = ["small_study", "report", "calibration", "docs", "degenerate_business", "crash_matrix", "keys", "operating"]
LONG += ["kernels", "runs", "browser", "degenerate_studies", "engines"]


def pytest_collection_modifyitems(items):
    """Puts the long files first, in each process alike."""
    place = {f"test_{name}": number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture(autouse=True)
def usual_min_cell():
    """Whatever a study protects, the next test starts with the default."""
    yield
    disclosure.protect(disclosure.FEWEST)


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Study]:
    """Write a study with one table into a folder of its own, and open it: make_study(text of a CSV, settings)."""

    def make(
        rows: str | bytes, settings: str, *, table: str = "orders", file: str = "rows.csv", study: str = ""
    ) -> Study:
        (tmp_path / file).write_bytes(rows.encode() if isinstance(rows, str) else rows)
        path = tmp_path / "studies.toml"
        path.write_text(
            f'[study.shop]\ntitle = "A shop"\n{study}\n[study.shop.tables.{table}]\nsource = "{file}"\n{settings}\n',
            encoding="utf-8",
        )
        return studies.open_study("shop", path)

    return make


@pytest.fixture(scope="session")
def bundled() -> studies.Studies:
    """The studies that come with the project."""
    return studies.load(ROOT / "studies.toml")


@pytest.fixture(scope="session")
def small_site(tmp_path_factory):
    """The published site of the small business, made once for all processes that test side by side."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small-business"
    folder.mkdir(exist_ok=True)
    with filelock.FileLock(folder / ".lock"):
        if not (folder / "site").exists():
            invented(folder)
            told = {"--studies": "studies.toml", "--out": "site", "--state": "state"}
            asked = [word for option, name in told.items() for word in (option, str(folder / name))]
            assert cli.main(["report", *asked]) == 0
    return folder / "site"
