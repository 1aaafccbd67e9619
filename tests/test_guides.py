"""What explains the pages is true, complete, and linked where it is needed."""

import re
from dataclasses import replace
from itertools import pairwise

import nbformat.v4 as nbf
import pytest
from markupsafe import Markup
from test_pages import CONTEXT, Elements, assert_inert, code, notebook

from analysis import guides, pages
from analysis.hypotheses.rules import VERDICTS
from analysis.words import UNITS

TOP = pages.top_level("en", owner="Maryam", contact="insight@shop.example")


@pytest.fixture(scope="module")
def written():
    return pages.render_guides(TOP)


def test_the_examples_are_one_of_each_verdict_and_judged_by_the_real_rule():
    """The rule of the examples is that of a claim in the register; nobody wrote its answers down."""
    shown = list(guides.examples())
    assert [entry["verdict"] for entry in shown] == list(VERDICTS)
    supported, _, contradicted, inconclusive, _ = shown
    least = guides.RULE.at_least
    assert supported["low"] > 0
    assert supported["estimate"] >= least
    assert contradicted["high"] < least
    assert inconclusive["low"] < 0 < least < inconclusive["high"]


def test_every_verdict_and_rung_is_explained(written):
    page = written["how-to-read.html"]
    text = "".join(Elements(page).text)
    assert all(verdict.capitalize() in text for verdict in VERDICTS)
    assert all(f"Rung {rung}" in text for rung in "ABCD")
    assert page.count('class="strip"') == 4  # of what is not testable there is nothing to draw
    assert "less than 2 percentage points" in text


def test_the_guides_are_pages_like_the_others(written):
    for page in written.values():
        assert_inert(page)
        elements = Elements(page)
        levels = [int(tag[1]) for tag, _ in elements.found if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert all(below - above <= 1 for above, below in pairwise(levels))
        assert "mailto:insight@shop.example" in [a["href"] for a in elements.all("a")]


def test_terms_are_in_order_and_each_form_leads_to_one_meaning():
    names = [term.name.lower() for term in guides.terms()]
    assert names == sorted(names)
    forms = [form for term in guides.terms() for form in term.forms]
    assert len(forms) == len(set(forms)) > 30
    assert len({term.id for term in guides.terms()}) == len(names)
    assert all(term.meaning.endswith(".") and len(term.meaning) > 30 for term in guides.terms())


def test_units_that_need_words_are_in_the_glossary():
    known = " ".join(f"{term.name} {' '.join(term.forms)}".lower() for term in guides.terms())
    assert [unit for unit in ("hazard ratio", "odds ratio", "points") if unit in UNITS and unit not in known] == []


def test_the_first_use_of_a_term_is_a_link_and_code_titles_and_links_are_left_alone():
    source = '<h3>churn</h3><p><code>churn</code> <a href="#x">churn</a> of Churn and churn; cohorts, a cohort</p>'
    linked = guides.Linker("../").linked(Markup(source))
    assert linked.count('class="term"') == 2
    assert '<h3>churn</h3><p><code>churn</code> <a href="#x">churn</a> of <a class="term"' in linked
    assert '<a class="term" href="../glossary.html#churn">Churn</a> and churn;' in linked
    assert '<a class="term" href="../glossary.html#cohort">cohorts</a>, a cohort</p>' in linked


def test_a_page_links_each_term_once_to_a_place_that_is_there(written):
    prose = "\n\n".join(f"On {form}, {form} and {form}." for term in guides.terms() for form in term.forms)
    story = notebook(nbf.new_markdown_cell("# Q\n\n" + prose), code("x"), nbf.new_markdown_cell("## A\n\n" + prose))
    page, _ = pages.render_page(story, CONTEXT)
    places = [a["href"].partition("#") for a in Elements(page).all("a") if a.get("class") == "term"]
    assert {file for file, _, _ in places} == {"../glossary.html"}
    linked = [place for _, _, place in places]
    assert linked
    assert len(linked) == len(set(linked))
    there = {attributes.get("id") for _, attributes in Elements(written["glossary.html"]).found}
    assert set(linked) == {term.id for term in guides.terms() if term.forms} <= there


def test_a_page_alone_has_no_links_to_pages_that_are_not_there():
    story = notebook(nbf.new_markdown_cell("# Q\n\nAll about churn."), code("x"))
    page, _ = pages.render_page(story, replace(CONTEXT, index_href=None))
    assert "glossary.html" not in page
    assert "how-to-read.html" not in page


def test_a_page_says_how_much_of_it_is_hidden():
    import pandas as pd

    from analysis.exhibits import Table

    rows = pd.DataFrame({"group": [*"abc"], "customers": [2, 9, 100]})
    some, _ = pages.render_page(notebook(code("x", Table("t", "T", rows), Table("u", "U", rows))), CONTEXT)
    assert "4 rows, cells or bins of the tables and figures on this page are hidden" in some
    none, _ = pages.render_page(notebook(code("x", Table("t", "T", rows.tail(2)))), CONTEXT)
    assert "Nothing on this page had to be hidden" in none
