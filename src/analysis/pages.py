"""Pages: turns an executed notebook, a failure, or the whole board into one HTML file that needs nothing else.

A page holds no script and asks for nothing from the network. What a notebook put out reaches the page in four ways
only: as an exhibit or a finding (drawn anew from its parts), as HTML that passed an allow-list, as an image with an
alternative text, or as escaped text. Anything else is left out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, groupby
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from analysis import guides, hypotheses, languages
from analysis.exhibits import EXHIBIT_MIME, FINDING_MIME, TEMPLATES, anchor, templates, visible
from analysis.hypotheses.rules import ASSOCIATION, CONTRADICTED, INCONCLUSIVE, NOT_TESTABLE, SUPPORTED, VERDICTS
from analysis.tables import LoyaltyError

HELD, TOGETHER, DEPENDS, FELL, OPEN, UNTESTED = OUTCOMES = (
    "Held",
    "Went together as claimed, with the cause untested",
    "Held in one study, failed in another",
    "Did not hold",
    "Not settled by these data",
    "Could not be tested on these data",
)
OF_VERDICT = {SUPPORTED: HELD, ASSOCIATION: TOGETHER, INCONCLUSIVE: OPEN, NOT_TESTABLE: UNTESTED}

# What must not be broken into lines: a day at its hyphens, a short interval in brackets. Tags and code are passed over.
WHOLE = re.compile(
    languages.MARKUP.pattern
    + r"|(?P<whole>(?<![\w-])\d{4}-\d\d-\d\d(?![\w-])|\([+-]?\d[^()<]{0,12} to [^()<]{1,18}\))",
    re.DOTALL,
)

STALE = "<!--stale-->"  # stands on both sides of the note that a page is out of date

TAGS = {
    "a", "abbr", "b", "bdi", "blockquote", "br", "caption", "code", "dd", "div", "dl", "dt", "em", "figcaption",
    "h2", "h3", "h4", "h5", "hr", "i", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody",
    "td", "tfoot", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "td": {"colspan", "rowspan", "data-heading"},
    "th": {"colspan", "rowspan", "scope", "data-heading"},
    "*": {"dir", "lang"},
}


class PageError(LoyaltyError):
    """A notebook put out something that cannot be published as it is."""


@dataclass(frozen=True)
class PageContext:
    """What a page says around its notebook.

    Attributes:
        study, study_title: the study's name and title.
        title: the question, which heads the page.
        caveats: what a reader of this study must know.
        simulated: whether the customers were made up by a program.
        siblings: question, link, and whether it is this page, for every page of the study.
        provenance: label -> text, in order.
        audience: "full", or "public" for pages without code.
        index_href, executed_href: links to the index and to the executed notebook; None where there is none.
        data_folder: where the data files of the exhibits go, relative to the page.
        language: of the page, one of `languages.LANGUAGES`.
        narrative: the notebook's text in that language, as `languages.narrative` reads it.
        owner, contact: who answers for the report, and where they are reached: words, an e-mail or an https address.
    """

    study: str
    study_title: str
    title: str
    caveats: tuple[str, ...] = ()
    simulated: bool = False
    siblings: tuple[tuple[str, str, bool], ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    audience: str = "full"
    index_href: str | None = None
    executed_href: str | None = None
    data_folder: str = "data"
    language: str = languages.ENGLISH
    narrative: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    contact: str | None = None

    @property
    def contact_href(self) -> str | None:
        """Where a link to the contact leads; None where it is no address."""
        contact = self.contact or ""
        if re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", contact):
            return f"mailto:{contact}"
        return contact if re.fullmatch(r"https://[^\s\"'<>]+", contact) else None


# --- A page of a notebook -------------------------------------------------------------------------------------------


def render_page(notebook: Any, context: PageContext) -> tuple[str, dict[str, str]]:
    """The page of an executed notebook, and the data files of its exhibits.

    Args:
        notebook: an executed `nbformat` notebook.
        context: what stands around it.

    Returns:
        The HTML, and the text of each data file by its path relative to the page.

    Raises:
        PageError: a cell ended in an error, or a figure has no alternative text.
    """
    files: dict[str, str] = {}
    lead, *sections = _sections(_linked(_blocks(notebook, context, files), context))
    filled = {"lead": lead, "sections": sections, "headlines": _headlines(notebook), "hidden": _hidden(notebook)}
    return fill("page.html.j2", context.language, page=context, **filled), files


def top_level(language: str, *, owner: str | None, contact: str | None) -> PageContext:
    """What stands around the pages of a report that belong to no study: the index and what lies beside it."""
    return PageContext("", "", "", index_href="index.html", language=language, owner=owner, contact=contact)


def render_guides(context: PageContext) -> dict[str, str]:
    """The pages that explain the others, by file name: how to read a verdict, and the glossary.

    Args:
        context: what stands around them; they lie beside the index.
    """
    reading = fill("reading.html.j2", context.language, page=context, examples=list(guides.examples()))
    return {
        guides.READING: reading,
        guides.GLOSSARY: fill("glossary.html.j2", context.language, page=context, terms=guides.terms()),
    }


def render_failure(context: PageContext, message: str, *, cell: int | None = None) -> str:
    """The page that stands in for one that could not be made.

    Args:
        context: of the page that is missing.
        message: what went wrong and what to do about it; may have several lines.
        cell: the number of the cell that failed, where one did.
    """
    return fill("failure.html.j2", context.language, page=context, message=message.splitlines(), cell=cell)


def mark_stale(page: str, *, good: str, since: str, language: str) -> str:
    """The last good page with a note on top that says so, in place of such a note that it had.

    Args:
        page: as it was published.
        good: when it was made, as an ISO time.
        since: when it first could not be made again.
        language: the page's.
    """
    note = (
        '<div class="notice failed" role="note"><p><strong>This page is out of date.</strong> '
        f"It is the last good one, of {good[:10]}; since {since[:10]} it could not be made again.</p></div>"
    )
    note = note if language == languages.ENGLISH else languages.edition(language).page(note)
    clean = re.sub(f"{STALE}.*?{STALE}", "", page, flags=re.DOTALL)
    return clean.replace("</header>", f"</header>{STALE}{note}{STALE}", 1)


def fill(template: str, language: str, **filled: object) -> str:
    """A page made from a template of this package, in a language of `languages.LANGUAGES`."""
    style = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("findings.css", "page.css"))
    page = str(templates().get_template(template).render(style=style, **filled))
    page = page if language == languages.ENGLISH else languages.edition(language).page(page)
    head, main, body = page.partition("<main")
    return head + main + WHOLE.sub(_unbroken, body)


def _unbroken(found: re.Match[str]) -> str:
    return f'<span class="whole">{found[0]}</span>' if found["whole"] else found[0]


def _put_out(notebook: Any, kind: str) -> list[dict[str, Any]]:
    """All that a notebook put out of one kind."""
    outputs = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    return [data[kind] for data in outputs if kind in data]


def _headlines(notebook: Any) -> list[dict[str, Any]]:
    """The findings that open the page."""
    return [entry for found in _put_out(notebook, FINDING_MIME) for entry in found["entries"] if entry["headline"]]


def _hidden(notebook: Any) -> int:
    """How many rows, cells and bins its exhibits hide."""
    return sum(exhibit.get("hidden", 0) for exhibit in _put_out(notebook, EXHIBIT_MIME))


def _linked(blocks: Iterable[_Block], context: PageContext) -> Iterator[_Block]:
    """The blocks, the first use of each term in the text linked to the glossary, where there is one."""
    if context.index_href is None or context.language != languages.ENGLISH:
        yield from blocks
        return
    linker = guides.Linker(context.index_href.removesuffix("index.html"))
    for block in blocks:
        yield block._replace(content=linker.linked(block.content)) if block.kind == "html" else block


class _Block(NamedTuple):
    """A piece of a page: what kind it is and what its template needs; a heading starts a section."""

    kind: str
    content: Any


def _blocks(notebook: Any, context: PageContext, files: dict[str, str]) -> Iterator[_Block]:
    """The pieces of a notebook in reading order; the code of neighbouring cells comes after what they show."""
    for kind, numbered in groupby(enumerate(notebook.cells, 1), key=lambda numbered: numbered[1].cell_type):
        cells = list(numbered)
        if kind == "markdown":
            for _, cell in cells:
                yield from _prose(context.narrative.get(languages.fingerprint(cell.source), cell.source))
        elif kind == "code":
            for number, cell in cells:
                for output in cell.get("outputs", []):
                    yield from _shown(output, number, context.data_folder, files)
            sources = [_highlighted(cell.source) for _, cell in cells if cell.source.strip()]
            if context.audience != "public" and sources:
                yield _Block("code", sources)


def _prose(source: str) -> Iterator[_Block]:
    """Headings of the second level open sections; the title is the page's own and is left out."""
    source = re.sub(r"\A\s*# .*$", "", source, count=1, flags=re.MULTILINE)
    for place, text in enumerate(re.split(r"^## +(.+)$", source, flags=re.MULTILINE)):
        if place % 2:
            yield _Block("heading", text.strip())
        elif text.strip():
            yield _Block("html", _markdown(text))


def _sections(blocks: Iterable[_Block]) -> Iterator[dict[str, Any]]:
    """The blocks before the first heading, then one section a heading."""
    section: dict[str, Any] = {"title": "", "id": "", "blocks": []}
    taken: set[str] = set()
    for block in blocks:
        if block.kind != "heading":
            section["blocks"].append(block)
            continue
        yield section
        section = {"title": block.content, "id": _unique(_slug(block.content), taken), "blocks": []}
        taken.add(section["id"])
    yield section


def _shown(output: Any, number: int, folder: str, files: dict[str, str]) -> Iterator[_Block]:
    """One output of cell `number` as a block, richest form first."""
    if output.output_type == "error":
        raise PageError(f"Cell {number} ended in an error ({output.ename}), so there is no page to publish.")
    if output.output_type == "stream":
        yield _Block("warning" if output.name == "stderr" else "text", _lines(output.text))
        return
    data = output.get("data", {})
    image = next((kind for kind in ("image/png", "image/jpeg") if kind in data), None)
    picture = {"source": f"data:{image};base64,{data[image].strip()}" if image else ""}
    if FINDING_MIME in data:
        yield _Block("findings", data[FINDING_MIME]["entries"])
    elif EXHIBIT_MIME in data:
        yield _worded(_exhibit(data[EXHIBIT_MIME] | picture, folder, files), number)
    elif image:
        alt = output.get("metadata", {}).get(image, {}).get("alt", "")
        yield _worded(_Block("image", picture | {"alt": alt}), number)
    elif "text/html" in data:
        yield _Block("table" if "<table" in data["text/html"] else "html", clean(data["text/html"]))
    elif "text/markdown" in data:
        yield _Block("html", _markdown(data["text/markdown"]))
    elif "text/plain" in data:
        yield _Block("text", _lines(data["text/plain"]))


def _exhibit(exhibit: dict[str, Any], folder: str, files: dict[str, str]) -> _Block:
    """An exhibit drawn anew from its parts; its data become a file beside the page."""
    if exhibit["kind"] == "text":
        return _Block("sentence", exhibit)
    href = f"{folder}/{_unique(_slug(exhibit['name']), {Path(file).stem for file in files})}.csv"
    files[href] = exhibit["csv"]
    if exhibit["kind"] == "table":
        return _Block("exhibit-table", exhibit | {"href": href, "html": clean(exhibit["html"])})
    return _Block("figure", exhibit | {"href": href})


def _worded(block: _Block, number: int) -> _Block:
    """The block, unless it is a picture that some readers would get nothing from."""
    if block.kind in ("figure", "image") and not block.content["alt"].strip():
        raise PageError(
            f"The figure in cell {number} has no alternative text, so some readers would get nothing. Make it "
            "with analysis.figures, or give metadata with an alt to display()."
        )
    return block


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "part"


def _unique(slug: str, taken: Container[str]) -> str:
    """The slug, with a number behind it where it is already taken."""
    names = chain([slug], (f"{slug}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


def clean(fragment: str) -> Markup:
    """HTML with everything taken out that is not on the allow-list: scripts, styles, forms, images, handlers."""
    import nh3

    return _reached(
        nh3.clean(
            _visible_lines(fragment),
            tags=TAGS,
            attributes=ATTRIBUTES,
            clean_content_tags={"script", "style", "template", "iframe", "object", "svg", "math"},
            allowed_classes={cell: {"number", "short", "told", "long"} for cell in ("td", "th")},
            url_schemes={"http", "https", "mailto"},
        )
    )


def _reached(fragment: str) -> Markup:
    """Blocks that scroll sideways, made reachable with the keyboard."""
    return Markup(fragment.replace("<pre>", '<pre tabindex="0">'))


def _markdown(source: str) -> Markup:
    from nbconvert.filters import markdown2html

    return clean(re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html(source)))


def _highlighted(source: str) -> Markup:
    from nbconvert.filters import Highlight2HTML

    return _reached(Highlight2HTML(pygments_lexer="python")(_visible_lines(source)))


def _lines(text: str) -> Markup:
    """Printed text, escaped, without the colours of a terminal."""
    return Markup(html.escape(_visible_lines(re.sub(r"\x1b\[[0-9;]*m", "", text))))


def _visible_lines(text: str) -> str:
    """`visible`, which keeps the lines of a longer text apart."""
    return "\n".join(map(visible, text.expandtabs().splitlines()))


# --- The index ------------------------------------------------------------------------------------------------------


def render_index(
    entries: Sequence[Mapping[str, Any]],
    claims: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
    *,
    studies: Mapping[str, Mapping[str, Any]],
    language: str = languages.ENGLISH,
    owner: str | None = None,
    contact: str | None = None,
    news: Mapping[str, Any] | None = None,
) -> str:
    """The page that opens a report: which claims held, claim by claim and study by study.

    Args:
        entries: as in findings.json.
        claims: as `loyalty claims --json` prints them.
        runs: one row a page: study, notebook, slug, title, href, state ("ok" or what went wrong), message,
            good_since (when the page at href was made; None without one), failure_page (beside it, or None).
        studies: name -> title, simulated, caveats.
        language: of the page, one of `languages.LANGUAGES`.
        owner, contact: as of `PageContext`.
        news: the latest report that changed something: at, items as `news.Item`; None before any did.
    """
    pages = {(run["study"], run["slug"]): run for run in runs}
    headlines = [_row(entry, pages, studies) for entry in entries if entry["headline"]]
    rows_of: dict[str, list[dict[str, Any]]] = {}
    for row in headlines:
        rows_of.setdefault(row["hypothesis"], []).append(row)
    known = {claim["id"]: claim["claim"] for claim in claims}
    board: dict[str, list[dict[str, Any]]] = {outcome: [] for outcome in OUTCOMES}
    for name in dict.fromkeys([*known, *rows_of]):
        if rows := rows_of.get(name):
            board[_outcome(rows)].append({"id": name, "claim": known.get(name, rows[0]["claim"]), "rows": rows})
    still_open = [claim for claim in claims if claim["id"] not in rows_of]
    unwritten = [claim for claim in still_open if claim["status"] != "tested"]
    return fill(
        "index.html.j2",
        language,
        page=top_level(language, owner=owner, contact=contact),
        board=[(outcome, found) for outcome, found in board.items() if found],
        tally={verdict: sum(row["verdict"] == verdict for row in headlines) for verdict in VERDICTS},
        families=hypotheses.FAMILIES,
        studies=[(study, [run for run in runs if run["study"] == name]) for name, study in studies.items()],
        written=[claim for claim in still_open if claim["status"] == "tested"],
        unwritten=[(family, list(rows)) for family, rows in groupby(unwritten, key=lambda claim: claim["id"][:1])],
        claims=len(claims),
        judged=len({row["study"] for row in headlines}),
        changed=news and (news["at"][:10], [(studies.get(i["study"], {}).get("title", ""), i) for i in news["items"]]),
        simulated=sum(bool(row["simulated"]) for row in headlines),
    )


def _row(
    entry: Mapping[str, Any], pages: Mapping[Any, Mapping[str, Any]], studies: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """A finding as the board shows it: with the title of its study, and a link to the page that reached it."""
    page = pages.get((entry["study"], entry.get("run", entry["notebook"])), {})
    study = studies.get(entry["study"], {})
    return {
        **entry,
        "study_title": study.get("title", entry["study"]),
        "simulated": study.get("simulated", False),
        "href": f"{page['href']}#{anchor(entry)}" if page.get("good_since") else None,
        "earlier": page.get("state", "ok") != "ok",
        "late_change": any(change.get("after_first_run") for change in entry.get("changed") or []),
    }


def _outcome(rows: Sequence[Mapping[str, Any]]) -> str:
    """What a claim came to over all studies; a study that could not decide does not outvote one that could."""
    verdicts = {row["verdict"] for row in rows}
    if CONTRADICTED in verdicts:
        return DEPENDS if verdicts & {SUPPORTED, ASSOCIATION} else FELL
    return next(OF_VERDICT[verdict] for verdict in VERDICTS if verdict in verdicts)
