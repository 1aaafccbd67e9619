"""The real notebooks on a small invented business whose data are hostile: what is published stays safe and whole."""

import csv
import json
import re

import pytest
from judging import judge_again
from small_business import LONG, PERSIAN, RARE, identity

from analysis import findings, news, runs
from analysis.hypotheses import REGISTER
from analysis.notebooks import catalogue
from analysis.studies import load


@pytest.fixture(scope="session")
def published(small_site):
    """Every published file with its text."""
    return {str(p.relative_to(small_site)): p.read_text("utf-8") for p in small_site.rglob("*") if p.is_file()}


@pytest.fixture(scope="session")
def due(small_site):
    """The notebooks whose tables the small business has."""
    small = load(small_site.parent / "studies.toml")["small"]
    return {name for name, book in catalogue().items() if not (runs.lacks(small, book) or book.listed)}


def test_every_notebook_ran(published, due):
    ran = {name for name in published if name.startswith("small/") and name.endswith(".html")}
    assert ran == {f"small/{name}.html" for name in due}
    assert len(ran) >= 25


def test_no_customer_can_be_found_in_anything_published(published):
    ids = [identity(n) for n in range(300)]
    assert [(name, i) for name, text in published.items() for i in ids if i in text] == []
    assert [name for name, text in published.items() if "ZQ-" in text] == []


def test_a_group_too_small_to_show_is_not_shown(published):
    assert [name for name, text in published.items() if RARE in text] == []


def test_nothing_in_the_data_becomes_markup(published):
    pages = {name: text for name, text in published.items() if name.endswith(".html")}
    assert pages
    assert [name for name, text in pages.items() if "<script" in text.lower()] == []
    shown = [name for name, text in pages.items() if "&lt;script&gt;" in text]
    assert "small/20_how_long_customers_stay.html" in shown, "the category is shown, as text"


def test_no_warning_stands_on_a_page(published):
    notebooks = {name: json.loads(text) for name, text in published.items() if name.endswith(".ipynb")}
    assert len(notebooks) >= 25
    outputs = [(name, each) for name, book in notebooks.items() for c in book["cells"] for each in c.get("outputs", [])]
    assert [(name, each["text"]) for name, each in outputs if each["output_type"] == "stream"] == []


def test_no_cell_of_the_data_runs_in_a_spreadsheet(published):
    tables = {name: list(csv.reader(text.splitlines())) for name, text in published.items() if name.endswith(".csv")}
    cells = [(name, cell) for name, rows in tables.items() for row in rows for cell in row]
    assert [found for found in cells if re.match(r"[=+@\t\r]|-(?![\d.])", found[1])] == []
    assert [cell for _, cell in cells if "HYPERLINK" in cell], "one has such a name"


def test_a_persian_and_a_long_category_are_shown(published):
    page = published["small/20_how_long_customers_stay.html"]
    assert PERSIAN in page
    assert LONG[:35] in page


def test_every_finding_is_finite_and_can_be_judged_again(published, due):
    entries = json.loads(published["findings.json"], parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    tested = {e["hypothesis"] for e in entries}
    assert tested == {row.id for row in REGISTER.values() if row.notebook in due}
    assert len(tested) >= 60
    for hypothesis in tested:
        assert sum(e["headline"] for e in entries if e["hypothesis"] == hypothesis) == 1
    assert [e["hypothesis"] for e in entries if judge_again(e) != e["verdict"]] == []
    for e in entries:
        assert e["estimate"] is None or e["low"] <= e["estimate"] <= e["high"]


def test_pages_load_nothing_from_elsewhere_and_links_lead_somewhere(published, small_site):
    checked = 0
    for name, text in published.items():
        if not name.endswith(".html"):
            continue
        assert "default-src 'none'" in text
        assert re.findall(r'(?:src|srcset)="(?!data:)([^"]*)"', text) == []
        for target in re.findall(r'href="([^"#]+)(?:#[^"]*)?"', text):
            checked += 1
            assert (small_site / name).parent.joinpath(target).exists(), f"{name}: {target}"
    assert checked > 20


def test_every_picture_has_words_and_every_exhibit_its_data(published):
    pages = [text for name, text in published.items() if name.endswith(".html")]
    pictures = [tag for text in pages for tag in re.findall(r"<img[^>]*>", text)]
    assert len(pictures) > 5
    assert [tag for tag in pictures if not re.search(r'alt="[^"]{15,}"', tag)] == []
    assert len([name for name in published if name.endswith(".csv")]) > 10


def test_no_path_of_this_machine_is_published(published, small_site):
    base = str(small_site.parent.parent)
    assert [name for name, text in published.items() if base in text or "site-packages" in text] == []


def test_findings_of_two_reports_can_be_compared_part_by_part(small_site):
    entries = findings.read(small_site / "findings.json")
    compound = [one for one in entries if one["parts"] and any(p["estimate"] is not None for p in one["parts"])]
    assert compound
    assert news.compare(entries, entries) == []
    far = [
        one
        | {
            "parts": [
                p | {k: p[k] + 1000 for k in ("estimate", "low", "high") if p[k] is not None} for p in one["parts"]
            ]
        }
        if one in compound
        else one
        for one in entries
    ]
    assert {item.hypothesis for item in news.compare(entries, far)} >= {
        one["hypothesis"] for one in compound if one["headline"]
    }
