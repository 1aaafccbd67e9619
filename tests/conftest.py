"""Small fixtures that several test files share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import studies
from analysis.studies import Study

ROOT = Path(__file__).parents[1]


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
