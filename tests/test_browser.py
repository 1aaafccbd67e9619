"""The pages in headless Chromium: nothing runs, nothing is fetched, nothing overflows, everything can be read."""

import os
import shutil
from dataclasses import replace
from importlib import import_module

import nbformat.v4 as nbf
import pandas as pd
import pytest
from test_exhibits import entry
from test_pages import CLAIMS, CONTEXT, CORPUS, HOSTILE, RUN, STUDIES, Findings, code, display, figure, notebook, of

from analysis import pages
from analysis.exhibits import Table, say

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = bool(os.environ.get("LOYALTY_REQUIRE_BROWSER"))  # then a missing Chromium is a failure
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not REQUIRED, reason="no Chromium here; on Debian: apt-get install chromium"
)

QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES = {"desktop": 1280, "phone": 390}
KINDS = ["page", "public", "failure", "index", "how-to-read", "glossary"]

# Elements with text of their own whose contrast with what lies behind them is below what small type needs (4.5).
FAINT = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = rgb => { const f = rgb.slice(0, 3).map(linear);
    return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  return [...document.body.querySelectorAll('*')].filter(e => own(e) && e.checkVisibility()).map(e => {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    return [(a + .05) / (b + .05), e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 40)]; })
    .filter(([contrast]) => contrast < 4.5); }"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A page, an index and a failure that hold the worst that data can hold."""
    folder = tmp_path_factory.mktemp("site")
    wide = Table("wide", HOSTILE, pd.DataFrame({f"{name} {HOSTILE}"[:60]: CORPUS for name in "abcdefgh"}))
    story = notebook(
        nbf.new_markdown_cell("# Q\n\nWhy a manager would ask.\n\n## What is asked\n\n" + "\n\n".join(CORPUS)),
        code("x = 1  # " + "y" * 200, wide, say("{}", HOSTILE), figure(title=HOSTILE, caption=HOSTILE)),
        code("f", Findings(entry(), entry(reading=HOSTILE, headline=False), entry(hypothesis="X1", claim=HOSTILE))),
        code("o", outputs=[display(html=HOSTILE), display(markdown=HOSTILE), display(plain="z" * 300)]),
        code("s", outputs=[nbf.new_output("stream", name=name, text=HOSTILE) for name in ("stdout", "stderr")]),
    )
    context = replace(CONTEXT, simulated=True, caveats=(HOSTILE, "w" * 200), provenance={"Digest": "0" * 200})
    failed = RUN | {"state": "failed", "message": HOSTILE, "failure_page": "24_do.failed.html"}
    entries = [of("grocer", "supported"), of("world", "contradicted", reason=HOSTILE)]
    written = {
        "page": pages.render_page(story, context)[0],
        "failure": pages.render_failure(context, HOSTILE, cell=3),
        "public": pages.render_page(story, replace(context, audience="public", executed_href=None))[0],
        "index": pages.render_index(
            entries, CLAIMS, [RUN, failed], studies=STUDIES, owner="O", contact="o@shop.example"
        ),
    }
    rows = pd.DataFrame({f"{name} column of some length": [1000.5] * 14 for name in "abcdef"})
    tables = notebook(code("t", Table("s", "Short", rows.head(3)), Table("l", "Long", rows)))
    written["tables"] = pages.render_page(tables, CONTEXT)[0]
    guides = pages.render_guides(pages.top_level("en", owner="O", contact="o@shop.example"))
    written |= {name.removesuffix(".html"): text for name, text in guides.items()}
    for name, text in written.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser():
    playwright = import_module("playwright.sync_api") if REQUIRED else pytest.importorskip("playwright.sync_api")
    assert CHROMIUM, "LOYALTY_REQUIRE_BROWSER is set, and there is no Chromium; on Debian: apt-get install chromium"
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, site):
    """Open a page of the site; what it asks for, says and pops up is collected on the way."""
    opened = []

    def opener(name, *, width=1280, colours="light", folder=site, script=True):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=colours, offline=True, java_script_enabled=script
        )
        opened.append(context)
        page = context.new_page()
        page.heard = []
        page.on("request", lambda request: page.heard.append(request.url))
        page.on("console", lambda message: page.heard.append(message.text))
        page.on("dialog", lambda dialog: (page.heard.append("a dialog"), dialog.dismiss()))
        page.goto((folder / f"{name}.html").as_uri())
        page.heard = [text for text in page.heard if not text.startswith("data:image/png")]
        return page

    yield opener
    for context in opened:
        context.close()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_a_page_is_still_silent_and_fits(visit, name, size):
    page = visit(name, width=SIZES[size])
    title = page.title()
    page.wait_for_timeout(100)
    assert page.heard == [page.url]  # itself and nothing else: no request, no dialog, no complaint
    assert page.title() == title
    assert page.evaluate("document.querySelectorAll('script, iframe, form').length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_all_type_stands_out_from_what_is_behind_it(visit, name, colours):
    page = visit(name, colours=colours)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate(FAINT) == []


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_no_violation(visit, name, colours, size):
    """All rules of axe-core, best practices included, with everything unfolded."""
    axe = import_module("axe_playwright_python.sync_playwright").Axe()
    page = visit(name, colours=colours, width=SIZES[size])
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = axe.run(page).response
    assert [(v["id"], [node["target"] for node in v["nodes"]][:3]) for v in found["violations"]] == []
    assert len(found["passes"]) > 15


def test_on_a_phone_a_short_wide_table_is_a_list_of_cards_and_a_long_one_keeps_its_first_column(visit):
    page = visit("tables", width=390)
    short, long = page.query_selector_all(".scroll")
    assert short.evaluate("e => e.scrollWidth - e.clientWidth") == 0
    cell = "e => [getComputedStyle(e).display, getComputedStyle(e, '::before').content]"
    assert short.eval_on_selector("td", cell) == ["grid", '"B column of some length"']
    assert long.evaluate("e => e.scrollWidth > e.clientWidth")
    long.evaluate("e => e.scrollTo(200, 0)")
    assert long.eval_on_selector("tbody th", "e => e.getBoundingClientRect().left") == pytest.approx(20, abs=1)
    said = "e => getComputedStyle(e, '::after').content"
    assert "Slide sideways" in long.eval_on_selector("caption span", said)
    assert visit("tables").query_selector(".scroll").eval_on_selector("td", cell)[0] == "table-cell"


def test_dark_pages_are_dark(visit):
    light, dark = (
        visit("page", colours=colours).evaluate("getComputedStyle(document.body).backgroundColor")
        for colours in ("light", "dark")
    )
    assert light != dark


def test_a_phone_gets_the_drawing_made_for_phones(visit):
    drawn = [
        visit("page", width=w).evaluate("document.querySelector('picture img').currentSrc") for w in SIZES.values()
    ]
    assert drawn[0] != drawn[1]


def test_the_keyboard_reaches_the_content_and_wide_tables(visit):
    page = visit("page", width=390)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    wide = (
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
        ".map(e => [e.tabIndex, e.getAttribute('role'), Boolean(e.getAttribute('aria-label'))])"
    )
    assert page.query_selector("table.readings")
    assert not page.evaluate(wide)  # other readings stand below one another on a phone
    regions = visit("tables", width=390).evaluate(wide)
    assert regions
    assert all(region == [0, "group", True] for region in regions)


def test_on_paper_the_code_is_gone_and_no_table_is_cut(visit):
    page = visit("page")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 900})  # the width of A4 between its margins
    assert not page.is_visible("details.code")
    assert page.evaluate("getComputedStyle(document.querySelector('figure.picture')).breakInside") == "avoid"
    assert page.evaluate("document.documentElement.scrollWidth") <= 680


# Words of a table's head that stand on more than one line.
BROKEN = """() => [...document.querySelectorAll('thead th')]
  .filter(th => getComputedStyle(th.closest('thead')).position !== 'absolute')
  .flatMap(th => [...th.textContent.matchAll(/\\S+/g)]
  .filter(word => { const range = document.createRange(); const start = word.index;
    range.setStart(th.firstChild, start); range.setEnd(th.firstChild, start + word[0].length);
    return new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1; }).map(word => word[0]))"""


@pytest.mark.parametrize("size", SIZES)
def test_every_page_of_a_report_reads_without_script_and_network(visit, small_site, size):
    names = [str(path.relative_to(small_site).with_suffix("")) for path in sorted(small_site.rglob("*.html"))]
    assert len(names) > 5
    for name in names:
        page = visit(name, width=SIZES[size], folder=small_site, script=False)
        assert page.heard == [page.url], name
        assert page.title()
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size], name
        assert page.evaluate(BROKEN) == [], name
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 680, "height": 900})
        assert page.evaluate(BROKEN) == [], name
