"""Pages need nothing but themselves, show data as text, and reach every reader."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import nbformat.v4 as nbf
import pandas as pd
import pytest
from test_exhibits import entry

from analysis import hypotheses, pages
from analysis.exhibits import FINDING_MIME, Figure, Table, say
from analysis.pages import PageContext, PageError

# Each has run as script in some notebook page: as a category name, a printed line, a cell of a table, a parameter.
CORPUS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "<a href='javascript:alert(1)'>x</a>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action='https://example.org'><input name=q></form>",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "<math><mtext></table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></mtext></math>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u0000",
]  # fmt: skip
HOSTILE = " ".join(CORPUS)


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the page's text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def assert_inert(page):
    """No script, no handler, no frame or form, nothing fetched."""
    for tag, attributes in Elements(page).found:
        assert tag not in {
            "script",
            "iframe",
            "object",
            "embed",
            "form",
            "input",
            "base",
            "link",
            "math",
            "audio",
            "video",
        }
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "srcset"):
                assert value.startswith("data:image/"), (tag, value[:60])
            if name == "href":
                assert not value.lower().startswith(("javascript:", "data:", "vbscript:")), (tag, value[:60])
        if tag == "meta":
            assert attributes.get("http-equiv") in (None, "Content-Security-Policy")


def draw(figure, phone):
    figure.subplots().plot([0, 1])


def figure(**given):
    usual = {"name": "line", "title": "It rises", "alt": "A line.", "data": pd.DataFrame({"x": [1]}), "draw": draw}
    return Figure(**(usual | given | {"heights": (1, 0.6)}))


class Findings:
    def __init__(self, *entries):
        self.entries = list(entries)

    def _repr_mimebundle_(self):
        return {FINDING_MIME: {"entries": self.entries}, "text/html": "<p>unused</p>"}, {}


def code(source, *shown, outputs=()):
    cell = nbf.new_code_cell(source, execution_count=1)
    for one in shown:
        data, metadata = one._repr_mimebundle_()
        cell.outputs.append(nbf.new_output("display_data", data=data, metadata=metadata))
    cell.outputs.extend(outputs)
    return cell


def display(metadata=None, **data):
    names = {"html": "text/html", "markdown": "text/markdown", "plain": "text/plain", "png": "image/png"}
    return nbf.new_output("display_data", data={names[k]: v for k, v in data.items()}, metadata=metadata or {})


def notebook(*cells):
    return nbf.new_notebook(cells=list(cells))


CONTEXT = PageContext(
    study="grocer",
    study_title="Corner grocer",
    title="Do regulars spend more?",
    caveats=("Only one branch.",),
    siblings=(("What do the data hold?", "10_what.html", False), ("Do regulars spend more?", "24_do.html", True)),
    provenance={"Data as of": "orders 2025-12-31", "Made again by": "loyalty run 24_do --study grocer"},
    index_href="../index.html",
    executed_href="24_do.ipynb",
    data_folder="24_do-data",
)


@pytest.fixture(scope="module")
def sample():
    return notebook(
        nbf.new_markdown_cell("# Do regulars spend more?\n\nWhy a manager *would* ask."),
        code("study: str = 'grocer'  # a study"),
        nbf.new_markdown_cell("## What is asked\n\nWho brings in more?"),
        nbf.new_markdown_cell("## Who is in the table"),
        code("show(table)", Table("groups", "Two groups", pd.DataFrame({"group": ["a"], "customers": [9]}))),
        nbf.new_markdown_cell("## What it looks like"),
        code("show(figure)", figure(caption="n = 1"), figure(title="Again")),
        code("say('...')", say("{} customers.", 9)),
        nbf.new_markdown_cell("## The test"),
        nbf.new_markdown_cell("## What else could explain it"),
        nbf.new_markdown_cell("## What we conclude"),
        code("record(...)", Findings(entry(), entry(reading="net", headline=False, verdict="inconclusive"))),
    )


@pytest.fixture(scope="module")
def rendered(sample):
    return pages.render_page(sample, CONTEXT)


# --- a page ---


def test_a_page_needs_nothing_else(rendered):
    page, _ = rendered
    assert_inert(page)
    (policy,) = [m["content"] for m in Elements(page).all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_a_page_has_one_title_landmarks_a_language_and_a_way_past_the_navigation(rendered):
    elements = Elements(rendered[0])
    assert len(elements.all("h1")) == len(elements.all("main")) == 1
    assert elements.all("html")[0]["lang"] == "en"
    assert elements.all("a")[0] == {"class": "skip", "href": "#content"}
    levels = [int(tag[1]) for tag, _ in elements.found if re.fullmatch("h[1-6]", tag)]
    assert all(below - above <= 1 for above, below in pairwise(levels)), levels


def test_the_answer_comes_before_the_story_and_links_to_how_it_was_judged(rendered):
    page, _ = rendered
    assert page.index('id="what-came-out"') < page.index('id="what-is-asked"')
    assert '<a href="#finding-R05">' in page
    assert page.count('id="finding-R05"') == 1


def test_every_link_within_a_page_has_its_place_and_every_place_one_name(rendered):
    elements = Elements(rendered[0])
    places = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(places) == len(set(places))
    assert {a["href"][1:] for a in elements.all("a") if a["href"].startswith("#")} <= set(places)


def test_the_contents_list_the_six_sections(rendered):
    contents = rendered[0].split('class="contents"')[1].split("</nav>")[0]
    titles = ["What is asked", "Who is in the table", "What it looks like", "The test", "What else could explain it",
              "What we conclude"]  # fmt: skip
    assert [t for t in re.findall(r'<a href="#[^"]+">([^<]+)</a>', contents) if t in titles] == titles


def test_each_exhibit_offers_its_data_under_a_name_of_its_own(rendered):
    page, files = rendered
    assert files == {
        "24_do-data/groups.csv": "group,customers\na,9\n",
        "24_do-data/line.csv": "x\n1\n",
        "24_do-data/line-2.csv": "x\n1\n",
    }
    assert {a["href"] for a in Elements(page).all("a") if a["href"].endswith(".csv")} == set(files)


def test_a_figure_has_words_and_a_drawing_for_phones(rendered):
    elements = Elements(rendered[0])
    assert [image["alt"] for image in elements.all("img")] == ["A line.", "A line."]
    assert [source["media"] for source in elements.all("source")] == ["(max-width: 30rem)"] * 2


def test_the_code_is_folded_away_but_there(rendered):
    page, _ = rendered
    assert "<summary>Show the code</summary>" in page
    assert "record" in "".join(Elements(page).text)
    assert not [details for details in Elements(page).all("details") if "open" in details]


def test_a_public_page_holds_no_code(sample):
    from dataclasses import replace

    page, _ = pages.render_page(sample, replace(CONTEXT, audience="public", executed_href=None))
    assert "Show the code" not in page
    assert 'class="highlight' not in page
    assert "record(" not in "".join(Elements(page).text)


def test_the_same_notebook_gives_the_same_bytes(sample, rendered):
    assert pages.render_page(sample, CONTEXT) == rendered


def test_simulated_customers_are_labelled_on_the_page(sample):
    from dataclasses import replace

    assert "Simulated data" in pages.render_page(sample, replace(CONTEXT, simulated=True))[0]
    assert "Simulated data" not in pages.render_page(sample, CONTEXT)[0]


# --- what may come in ---


def test_nothing_hostile_runs_wherever_it_comes_from():
    table = Table("t", HOSTILE, pd.DataFrame({HOSTILE: CORPUS, "n": range(len(CORPUS))}), caption=HOSTILE)
    forged = code("x", Table("u", "x", pd.DataFrame({"a": [1]})))
    forged.outputs[0].data["application/vnd.loyalty.exhibit+json"]["html"] = HOSTILE  # a kernel can send anything
    page, files = pages.render_page(
        notebook(
            nbf.new_markdown_cell("## One\n\n" + "\n\n".join(CORPUS)),
            code(
                HOSTILE, table, say(HOSTILE.replace("{", "{{").replace("}", "}}")), figure(title=HOSTILE, alt=HOSTILE)
            ),
            code(
                "f",
                Findings(entry(claim=HOSTILE, reason=HOSTILE, estimand=HOSTILE, reading=HOSTILE, hypothesis=HOSTILE)),
            ),
            forged,
            code(
                "o",
                outputs=[
                    display(html=HOSTILE),
                    display(markdown=HOSTILE),
                    display(plain=HOSTILE),
                    display(
                        html=f"<table><tr><td style='x' onclick='alert(1)' class='evil'>{HOSTILE}</td></tr></table>"
                    ),
                    nbf.new_output("stream", name="stdout", text=HOSTILE),
                    nbf.new_output("stream", name="stderr", text=HOSTILE),
                ],
            ),
        ),
        PageContext(
            study=HOSTILE,
            study_title=HOSTILE,
            title=HOSTILE,
            caveats=(HOSTILE,),
            simulated=True,
            provenance={HOSTILE: HOSTILE},
            siblings=((HOSTILE, "a.html", True), (HOSTILE, "b.html", False)),
        ),
    )
    assert_inert(page)
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "49" not in re.sub(r"base64,[^\"]+", "", page.split("</style>")[1])  # no template was evaluated
    assert all(re.fullmatch(r"data/[a-z0-9-]+\.csv", name) for name in files)
    # Nothing was lost either: the first entry of the corpus can be read as text.
    assert CORPUS[0] in "".join(Elements(page).text)


@pytest.mark.parametrize(
    "kind", ["application/javascript", "image/svg+xml", "application/vnd.plotly.v1+json", "text/latex"]
)
def test_other_types_are_left_out(kind):
    output = nbf.new_output("display_data", data={kind: "alert(1)"})
    page, _ = pages.render_page(notebook(code("x", outputs=[output])), PageContext("s", "S", "Q?", audience="public"))
    assert "alert(1)" not in page


def test_a_table_of_pandas_keeps_its_cells_and_can_be_scrolled():
    frame = pd.DataFrame({"a": [1.5]}).style.to_html()
    page, _ = pages.render_page(notebook(code("x", outputs=[display(html=frame)])), CONTEXT)
    assert '<div class="scroll plain" role="group" tabindex="0"' in page
    assert "1.500000" in page
    assert "T_" not in page.split("</style>")[1]  # the random ids of the styler are gone


def test_printed_text_keeps_its_lines_and_loses_terminal_colours():
    stream = nbf.new_output("stream", name="stdout", text="one\n\x1b[31mtwo\x1b[0m\n")
    page, _ = pages.render_page(notebook(code("x", outputs=[stream])), CONTEXT)
    assert '<pre class="output" tabindex="0">one\ntwo</pre>' in page


def test_an_image_without_words_is_refused_and_one_with_words_is_shown():
    with pytest.raises(PageError, match="cell 1 has no alternative text"):
        pages.render_page(notebook(code("plt.show()", outputs=[display(png="aaaa")])), CONTEXT)
    said = display(png="aaaa", metadata={"image/png": {"alt": "A line."}})
    assert 'alt="A line."' in pages.render_page(notebook(code("x", outputs=[said])), CONTEXT)[0]


def test_an_error_in_a_cell_gives_no_page():
    failed = nbf.new_output("error", ename="ValueError", evalue="secret", traceback=[])
    with pytest.raises(PageError, match=r"Cell 1 ended in an error \(ValueError\)") as raised:
        pages.render_page(notebook(code("x", outputs=[failed])), CONTEXT)
    assert "secret" not in str(raised.value)


# --- a failure ---


def test_a_failed_page_says_what_failed_where_and_what_to_do():
    page = pages.render_failure(CONTEXT, f"{CORPUS[0]} raised.\nGive fixed_cost.", cell=12)
    assert_inert(page)
    text = "".join(Elements(page).text)
    for part in (
        CONTEXT.title,
        "This page could not be made: cell 12 failed.",
        "Give fixed_cost.",
        "loyalty run 24_do --study grocer",
    ):
        assert part in text
    assert "cell" not in "".join(Elements(pages.render_failure(CONTEXT, "The data were refused.")).text)


# --- the index ---

RUN = {
    "study": "grocer", "notebook": "24_do", "slug": "24_do", "title": "Do regulars spend more?",
    "href": "grocer/24_do.html", "state": "ok", "message": "",
    "good_since": "2026-11-21T10:00:00+00:00", "failure_page": None,
}  # fmt: skip
STUDIES = {
    "grocer": {"title": "Corner grocer", "simulated": False, "caveats": ["Only one branch."]},
    "world": {"title": "A made-up shop", "simulated": True, "caveats": []},
}
CLAIMS = [claim.as_dict() for claim in hypotheses.REGISTER.values()]


def of(study, verdict, **given):
    return entry(study=study, notebook="24_do", run="24_do", verdict=verdict, **given)


def index(*entries, runs=(RUN,), claims=CLAIMS, studies=STUDIES, news=None):
    page = pages.render_index(list(entries), claims, list(runs), studies=studies, news=news)
    assert_inert(page)
    return page


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        (["supported", "inconclusive"], "Held"),
        (["association supported", "supported"], "Held"),
        (["association supported"], "Went together as claimed, with the cause untested"),
        (["supported", "contradicted"], "Held in one study, failed in another"),
        (["contradicted", "not testable"], "Did not hold"),
        (["inconclusive", "not testable"], "Not settled by these data"),
        (["not testable"], "Could not be tested on these data"),
    ],
)
def test_claims_are_grouped_by_what_they_came_to(verdicts, outcome):
    page = index(*(of(study, verdict) for study, verdict in zip(STUDIES, verdicts, strict=False)))
    assert re.findall(r'<h3 class="outcome">([^<]+)</h3>', page) == [outcome]


def test_the_board_gives_claim_study_verdict_estimate_rung_and_link():
    page = index(of("grocer", "contradicted"), of("grocer", "supported", reading="net", headline=False))
    board = page.split('id="verdicts"')[1].split("</section>")[0]
    assert hypotheses.REGISTER["R05"].claim in board.replace("&#39;", "'")
    assert 'href="grocer/24_do.html#finding-R05"' in board
    for part in ("Corner grocer", "Contradicted", "0.94", "95% interval 0.90 to 0.98", "Rung B"):
        assert part in board
    assert re.search(r"<span>ratio</span> <strong>0\.94</strong>", board)  # a bare number would not tell what it is
    shares = index(of("grocer", "contradicted", unit="share", estimate=0.94, low=0.9, high=0.98))
    assert re.search(r'<p class="result"><strong>94.0%</strong>', shares)
    assert "Supported" not in board  # only headlines stand on the board
    assert re.findall(r'<span class="big">(\d)</span>', page) == ["0", "0", "1", "0", "0"]


def test_open_rows_stay_in_sight():
    page = index(of("grocer", "supported"))
    still_open = page.split('id="still-open"')[1]
    assert hypotheses.REGISTER["R05"].claim not in still_open
    assert sum(still_open.count(f'<span class="id">{claim["id"]}</span>') for claim in CLAIMS) == len(CLAIMS) - 1


def test_failed_runs_are_marked_and_keep_their_last_good_page():
    failed = RUN | {"state": "timed out", "message": "Cell 3 took longer than 5m.", "failure_page": "24_do.failed.html"}
    never = failed | {"slug": "20_how", "good_since": None, "failure_page": "20_how.html"}
    refused = failed | {"slug": "", "href": None, "state": "refused", "good_since": None, "failure_page": None}
    page = index(of("grocer", "supported"), runs=(failed, never, refused))
    assert page.count('<li class="failed">') == 3
    assert page.count("Cell 3 took longer than 5m.") == 3
    assert {"grocer/24_do.html", "grocer/24_do.failed.html", "grocer/20_how.html"} <= {
        a.get("href") for a in Elements(page).all("a")
    }
    assert "From an earlier run; the latest one failed." in page


def test_a_change_after_the_first_run_and_made_up_customers_are_marked():
    change = {"what": "smallest effect", "name": "R05", "default": 1.05, "value": 1.01, "after_first_run": True}
    page = index(of("world", "supported", changed=[change]))
    assert "changed after the first run" in page
    assert "Simulated data" in page


def test_an_empty_report_says_so():
    assert "No claim has a verdict yet." in index(runs=(), studies={})


def test_nothing_hostile_runs_on_the_index():
    hostile = of("grocer", "supported", claim=HOSTILE, reason=HOSTILE, hypothesis="X1", reading=HOSTILE)
    page = index(
        hostile,
        runs=(RUN | {"title": HOSTILE, "state": "failed", "message": HOSTILE},),
        studies={"grocer": {"title": HOSTILE, "simulated": True, "caveats": [HOSTILE]}},
    )
    assert CORPUS[0] in "".join(Elements(page).text)


def test_what_changed_is_told_above_the_claims_with_a_link_and_nothing_hostile():
    items = [
        {"kind": "verdict", "study": "grocer", "hypothesis": "R05", "text": HOSTILE, "href": "grocer/24_do.html"},
        {"kind": "data", "study": "grocer", "hypothesis": "", "text": "orders: 3 more rows.", "href": ""},
    ]
    page = index(of("grocer", "supported"), news={"at": "2026-03-01T06:00:00+00:00", "items": items})
    assert page.index("What changed on") < page.index("Claim by claim")
    assert "grocer/24_do.html" in {a.get("href") for a in Elements(page).all("a")}
    assert "orders: 3 more rows." in page


def test_a_day_and_an_interval_are_not_broken_into_lines_and_code_and_links_stay_as_they_are():
    said = "Seen to 2024-01-31, 0.18 (0.10 to 0.26); [here](https://a.test/2024-01-31), `2024-01-31`, A-2024-01-31."
    cells = nbf.new_markdown_cell(said), code("day = '2024-01-31'")
    page, _ = pages.render_page(notebook(*cells), CONTEXT)
    body = page.partition("Seen to")[2].partition("Where this page")[0]
    assert body.startswith(' <span class="whole">2024-01-31</span>, 0.18 <span class="whole">(0.10 to 0.26)</span>;')
    assert body.count('class="whole"') == 2
    assert 'href="https://a.test/2024-01-31"' in body
