"""The start page: every question with a link, every study, and no promise that cannot be kept."""

import json
from html import escape
from pathlib import Path

import pytest

from analysis import runs, welcome
from analysis.notebooks import FOLDER, catalogue
from analysis.studies import load
from analysis.tables import SettingsError

STUDIES = Path(__file__).parents[1] / "studies.toml"


def test_every_question_links_to_its_notebook() -> None:
    page = welcome.questions(STUDIES).data
    assert len(catalogue()) > 10
    for name, notebook in catalogue().items():
        assert f'<a href="{name}.ipynb">' in page
        assert (FOLDER / f"{name}.ipynb").is_file()
        assert escape(notebook.question) in page


def test_a_study_is_named_where_its_report_would_run_and_nowhere_else() -> None:
    page = welcome.questions(STUDIES).data
    known = load(STUDIES)
    (row,) = (row for row in page.split("<tr>") if "20_how_long_customers_stay" in row)
    named = {study for study in known if f"{study}," in row or f"{study} " in row or f"{study}<" in row}
    book = catalogue()["20_how_long_customers_stay"]
    assert named == {name for name in known if not runs.lacks(known[name], book)} == {"telco", "renewals", "club"}


def test_every_study_stands_with_its_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("customer_id,ordered_at,amount\n1,2024-01-01,2\n")
    file = tmp_path / "studies.toml"
    file.write_text('[study.x]\ntitle = "<b>X</b>"\n[study.x.tables.orders]\nsource = "a.csv"\n')
    page = welcome.known_studies(file).data
    assert "<code>x</code>" in page
    assert "&lt;b&gt;X&lt;/b&gt;" in page
    assert f"of {len(catalogue())}" in page


def test_without_a_studies_file_the_page_says_where_to_put_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="studies"):
        welcome.questions(tmp_path / "none.toml")


def test_the_start_page_calls_what_is_there_and_holds_no_output() -> None:
    cells = json.loads((FOLDER / "start.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert code == ["from analysis import welcome", "welcome.questions()", "welcome.known_studies()"]
    assert all(not cell["outputs"] for cell in cells if cell["cell_type"] == "code")
