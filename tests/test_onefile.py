"""A whole study in one file: nothing missing, nothing that leads out of it, no code unless asked for."""

import json
import re
import shlex
from dataclasses import replace
from importlib import import_module

import nbformat.v4 as nbf
import pandas as pd
import pytest
from conftest import ROOT
from test_browser import SIZES, browser, visit  # noqa: F401  (fixtures)
from test_browser import pytestmark as needs_chromium
from test_exhibits import entry
from test_hostile import ALL
from test_pages import CONTEXT, RUN, Elements, Findings, code, figure, notebook, of

from analysis import cli, onefile, pages
from analysis.exhibits import Table, say
from analysis.tables import LoyaltyError

SETTINGS = 'columns = { customer_id = "who", ordered_at = "day", amount = "total" }'


@pytest.fixture
def study(make_study):
    rows = "who,day,total\n" + "".join(f"c{n},2025-01-0{1 + n % 9},5\n" for n in range(20))
    return make_study(rows, SETTINGS, study='owner = "Maryam"\ncontact = "insight@shop.example"')


@pytest.fixture
def site(study):
    """A published site with two pages of the study and one of another."""
    folder = study.folder / "site"
    rows = pd.DataFrame({"group": ["a", ALL], "customers": [90, 60], "mean": [1.0, 2.0], "more": [1.0, 2.0]})
    story = notebook(
        nbf.new_markdown_cell(
            "# Q\n\nWhy churn matters.\n\n## What is asked\n\nSee [below](#the-test).\n\n## The test"
        ),
        code("secret_of_the_code = 1", Table("t", "Spend", rows), figure(), say("{}", ALL)),
        code("f", Findings(entry(), entry(reading="net", headline=False))),
    )
    runs = []
    for name, slug in (("shop", "24_do"), ("shop", "20_how"), ("other", "24_do")):
        context = replace(CONTEXT, study=name, executed_href=f"{slug}.ipynb", data_folder=f"{slug}-data")
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / f"{slug}.html").write_text(pages.render_page(story, context)[0], "utf-8")
        runs.append(RUN | {"study": name, "slug": slug, "href": f"{name}/{slug}.html", "title": f"{name} {slug}?"})
    runs.append(RUN | {"study": "shop", "slug": "30_no", "title": "never made?", "good_since": None, "state": "failed"})
    found = [of("shop", "supported"), of("other", "contradicted")]
    (folder / "runs.json").write_text(json.dumps(runs), "utf-8")
    (folder / "findings.json").write_text(json.dumps(found), "utf-8")
    return folder


def test_one_file_holds_the_board_every_page_and_what_explains_them(study, site):
    size = onefile.export(study, site=site, to=site / "shop.html")
    page = (site / "shop.html").read_text("utf-8")
    assert size == len(page.encode())
    elements = Elements(page)
    articles = [a["id"] for a in elements.all("article") if "bound" in a.get("class", "")]
    assert articles == ["board", "24_do", "20_how", "how-to-read", "glossary"]
    assert len(elements.all("main")) == 1
    assert [image for image in elements.all("img") if not image["src"].startswith("data:image/png")] == []
    assert "other 24_do?" not in page
    assert "Maryam, insight@shop.example" in page


def test_every_link_leads_to_a_place_in_the_file_and_every_place_has_one_name(study, site):
    onefile.export(study, site=site, to=site / "shop.html")
    elements = Elements((site / "shop.html").read_text("utf-8"))
    places = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(places) == len(set(places))
    links = [a["href"] for a in elements.all("a")]
    assert [link for link in links if link[0] != "#" or link[1:] not in places] == []
    assert {"#24_do--finding-R05", "#24_do--the-test", "#glossary--churn", "#how-to-read"} <= set(links)
    assert "download" not in {name for _, attributes in elements.found for name in attributes}


def test_the_code_is_left_out_unless_it_is_asked_for(study, site):
    onefile.export(study, site=site, to=site / "shop.html")
    public = (site / "shop.html").read_text("utf-8")
    assert "secret_of_the_code" not in public
    assert "ipynb" not in public
    onefile.export(study, site=site, to=site / "shop.html", audience="full")
    full = (site / "shop.html").read_text("utf-8")
    assert "secret_of_the_code" in full
    assert "open" not in {name for tag, a in Elements(full).found if tag == "details" for name in a}


def test_the_same_site_gives_the_same_file(study, site):
    for name in ("a.html", "b.html"):
        onefile.export(study, site=site, to=site / name)
    assert (site / "a.html").read_bytes() == (site / "b.html").read_bytes()


def test_nothing_to_export_and_a_wrong_name_are_said(study, site):
    with pytest.raises(LoyaltyError, match=r"holds no page of shop yet\. Make them with: loyalty report shop"):
        onefile.export(study, site=study.folder, to=site / "shop.html")
    with pytest.raises(LoyaltyError, match=r"give a name that ends in \.html"):
        onefile.export(study, site=site, to=site / "shop.pdf")


def test_the_command_tells_the_size(study, site, capsys):
    to = site / "shop.html"
    asked = ["export", "shop", "--studies", str(study.folder / "studies.toml"), "--out", str(site), "--to", str(to)]
    assert cli.main(asked) == 0
    assert re.fullmatch(r".*shop\.html: 0\.\d MB, opens without a network\n", capsys.readouterr().out)


def test_the_commands_of_the_guide_are_commands():
    guide = (ROOT / "docs/sharing.md").read_text("utf-8")
    lines = [line for line in guide.splitlines() if line.startswith("loyalty ")]
    assert len(lines) == 1
    for line in lines:
        assert cli._parser().parse_args(shlex.split(line)[1:])


@needs_chromium
@pytest.mark.parametrize("size", SIZES)
def test_it_opens_without_a_network_and_axe_finds_no_violation(visit, study, site, size):  # noqa: F811
    onefile.export(study, site=site, to=site / "shop.html")
    page = visit("shop", folder=site, width=SIZES[size], colours="dark" if size == "phone" else "light")
    assert page.heard == [page.url]
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]
    found = import_module("axe_playwright_python.sync_playwright").Axe().run(page).response
    assert [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in found["violations"]] == []
