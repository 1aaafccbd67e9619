"""The worst that data can hold, in a real Chromium: nothing runs, nothing is fetched, nothing looks different."""

from dataclasses import replace

import nbformat.v4 as nbf
import pandas as pd
import pytest
from test_browser import browser, pytestmark, visit  # noqa: F401  (fixtures)
from test_exhibits import entry
from test_pages import CLAIMS, CONTEXT, RUN, Findings, code, display, figure, notebook, of

from analysis import figures, pages
from analysis.exhibits import Table, say

RUN_IT = "document.title='broken';alert(1)"
FAR = "//a.example/"
CORPUS = {
    "script": f"<script>{RUN_IT}</script>",
    "script across elements": f"</td></table></style></title></textarea></noscript><script>{RUN_IT}</script>",
    "broken script": f"<scr<script>ipt>{RUN_IT}</scr</script>ipt>",
    "image handler": f"<img src=x onerror={RUN_IT}>",
    "image from afar": f"<img src={FAR}a.png srcset='{FAR}b.png 2x'>",
    "svg handler": f'"><svg onload={RUN_IT}><animate onbegin={RUN_IT} attributeName=x dur=1s /></svg>',
    "svg script": f"<svg><script>{RUN_IT}</script><foreignObject><iframe src={FAR}></iframe></foreignObject></svg>",
    "svg use": f"<svg><use href='data:image/svg+xml,<svg id=x onload={RUN_IT}>#x'></use></svg>",
    "attribute": f"\" autofocus onfocus={RUN_IT} x=\"' onmouseover='{RUN_IT}",
    "details": f"<details open ontoggle={RUN_IT}><summary>x</summary></details>",
    "link that runs": f"<a href=\"javascript:{RUN_IT}\">x</a><a href=' jAvAsCrIpT&#58;{RUN_IT}'>y</a>",
    "link to data": "<a href='data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=='>x</a>",
    "Markdown link that runs": f"[x](javascript:{RUN_IT}) ![y]({FAR}c.png) [z](data:text/html,{RUN_IT})",
    "frame": f"<iframe srcdoc='<script>parent.{RUN_IT}</script>'></iframe><object data={FAR}></object>",
    "form": f"<form action={FAR}><button formaction=javascript:{RUN_IT}>x</button><input onfocus={RUN_IT}></form>",
    "redirect": f"<meta http-equiv=refresh content='0;url={FAR}'><base href={FAR}><link rel=stylesheet href={FAR}>",
    "style": f"<style>@import '{FAR}e.css';*{{display:none!important;background:url({FAR}f.png)}}</style>",
    "inline style": f"<div style='position:fixed;inset:0;background:red url({FAR}g.png)'>x</div>",
    "end of style": f"</style><style>body{{display:none;content:url({FAR}h.png)}}</style>",
    "expression": "<p style='width:expression(alert(1));behavior:url(x.htc)'>x</p>",
    "mutation": f"<math><mtext></table><mglyph><style><img src=x onerror={RUN_IT}></style></mglyph></mtext></math>",
    "noscript mutation": f"<noscript><p title='</noscript><img src=x onerror={RUN_IT}>'>",
    "template": "{{ 7 * 7 }}{% include 'base.html.j2' %}{{ config }}",
    "formula": "$10 and $20, \\(x^2\\) and $$\\href{javascript:alert(1)}{x}$$",
    "spreadsheet formula": f"=HYPERLINK(\"{FAR}\",\"x\")",
    "bidi": "\u202egnp.exe\u2066\u0000\u2028",
    "file name": f"../../x\"><script>{RUN_IT}</script>.csv",
}  # fmt: skip
ALL = " ".join(CORPUS.values())


def styled():
    """A styled table with the corpus in its cells, columns and index, without and with pandas' own escaping."""
    frame = pd.DataFrame([CORPUS.values()], columns=list(CORPUS.values()), index=[ALL])
    frame.columns.name, frame.index.name = ALL, ALL
    yield frame.style.set_caption(ALL).to_html()
    yield frame.style.format(escape="html").set_table_styles([{"selector": "td", "props": "position:fixed"}]).to_html()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Every slot of every page, filled with the corpus; and the same pages about something harmless."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, worst in (("hostile", ALL), ("harmless", "a plan")):
        for page, text in filled(worst).items():
            (folder / f"{name}-{page}.html").write_text(text, encoding="utf-8")
    return folder


def filled(worst):
    rows = pd.DataFrame({worst: [worst, "b"], "customers": [40, 60], "value": [1.0, 2.0]})
    dots = pd.DataFrame({"label": [worst, "b"], "value": [1.0, 2.0], "low": [0.5, 1.0], "high": [2.0, 3.0]})
    groups = pd.DataFrame(
        {"group": worst, "time": [0.0, 1.0, 2.0], "survival": [1.0, 0.7, 0.4], "at_risk": [90, 60, 30]}
    )
    groups = groups.assign(low=groups["survival"], high=groups["survival"], events=[0, 30, 30], unit="month")
    said = {"title": worst, "caption": worst}
    story = notebook(
        nbf.new_markdown_cell(f"# Q\n\nWhy.\n\n{worst}\n\n## What is asked\n\n{worst}\n\n```\n{worst}\n```"),
        code(f"x = '''{worst}'''", Table("t", rows=rows, **said), say("{}", worst), figure(alt=worst, **said)),
        code("d", figures.dots(dots, unit="ratio", x_label="Value", name="d", **said)),
        code("s", figures.survival(groups, name="s", **said)),
        code("f", Findings(entry(claim=worst, reason=worst), entry(reading=worst, headline=False))),
        code("o", outputs=[display(html=html) for html in (*styled(), worst)] if worst == ALL else []),
        code("m", outputs=[display(markdown=worst), display(plain=worst)]),
        code("v", outputs=[nbf.new_output("display_data", data={"image/svg+xml": worst, "text/plain": worst})]),
        code("p", outputs=[nbf.new_output("stream", name=name, text=worst) for name in ("stdout", "stderr")]),
    )
    context = replace(CONTEXT, title=worst, study_title=worst, caveats=(worst,), owner=worst, contact=worst)
    context = replace(context, siblings=((worst, "x.html", False), (worst, "y.html", True)), provenance={worst: worst})
    studies = {"grocer": {"title": worst, "simulated": True, "caveats": [worst]}}
    runs = [RUN | {"title": worst}, RUN | {"state": "failed", "message": worst, "stale_since": None}]
    return {
        "page": pages.render_page(story, context)[0],
        "public": pages.render_page(story, replace(context, audience="public", executed_href=None))[0],
        "failure": pages.render_failure(context, worst, cell=3),
        "index": pages.render_index([of("grocer", "supported", reason=worst)], CLAIMS, runs, studies=studies),
    }


LOOK = """() => [...document.querySelectorAll('body, main, main > header, h1, .masthead')].map(e => {
  const s = getComputedStyle(e); return [e.tagName, s.display, s.position, s.backgroundColor, s.color]; })"""


@pytest.mark.parametrize("name", ["page", "public", "failure", "index"])
def test_nothing_in_the_data_runs_fetches_or_changes_the_look(visit, site, name):  # noqa: F811
    page = visit(f"hostile-{name}", folder=site)
    title = page.title()
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_timeout(150)
    assert page.heard == [page.url]  # no request, no dialog, nothing in the console, not even a complaint of the policy
    assert page.title() == title != "broken"
    there = "script, iframe, object, embed, form, input, link, base, math, svg script, main style, [style*=fixed]"
    assert page.evaluate(f"document.querySelectorAll({there!r}).length") == 0
    anchors = "[...document.querySelectorAll('[href], [src], [srcset]')]"
    links = page.evaluate(f"{anchors}.map(e => e.href || e.src || e.srcset)")
    assert [link for link in links if not link.startswith(("file:", "data:image/png", "http", "mailto:"))] == []
    handlers = (
        "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on'))"
    )
    assert page.evaluate(f"{handlers}.length") == 0
    assert page.evaluate(LOOK) == visit(f"harmless-{name}", folder=site).evaluate(LOOK)


def test_what_the_data_hold_is_shown_as_text(visit, site):  # noqa: F811
    shown = visit("hostile-page", folder=site).inner_text("main")
    for text in (
        "<script>",
        "$10 and $20, \\(x^2\\)",
        "{{ 7 * 7 }}",
        "javascript:document.title",
        "\\u202egnp.exe\\u2066\\u0000",
    ):
        assert text in shown, text
    assert not {"\u202e", "\u0000", "\u2028"} & set(shown)


def test_a_contact_becomes_a_link_only_where_it_is_an_address():
    contacts = ["insight@shop.example", "https://shop.example/ask?x=1", "javascript:alert(1)", "Room 4, call 12", None]
    found = [replace(CONTEXT, contact=contact).contact_href for contact in contacts]
    assert found == ["mailto:insight@shop.example", "https://shop.example/ask?x=1", None, None, None]


def test_the_policy_allows_nothing_but_the_page_itself(site):
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    pages_written = sorted(site.glob("*.html"))
    assert len(pages_written) == 8
    for file in pages_written:
        head, _, body = file.read_text("utf-8").partition("</head>")
        assert head.count(f'<meta http-equiv="Content-Security-Policy" content="{policy}">') == 1
        assert "<meta" not in body
        assert head.index("Content-Security-Policy") < head.index("<style>")
