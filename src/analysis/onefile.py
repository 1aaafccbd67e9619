"""A study in one file that can be mailed: its board, all its pages and what explains them, without a network."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from markupsafe import Markup

from analysis import findings, hypotheses, pages
from analysis.publishing import write
from analysis.studies import Study
from analysis.tables import LoyaltyError

BOARD = "board"
MAIN = re.compile(r'<main id="content" class="(\w+)">(.*)</main>', re.DOTALL)
LINK = re.compile(
    r'<a (?P<more>[^>]*?)href="(?P<file>[^"#:]*)(?:#(?P<place>[^"]*))?"(?P<rest>[^>]*)>(?P<text>.*?)</a>', re.DOTALL
)
PLACE = re.compile(r'\b(id|aria-labelledby)="([^"]*)"')
CODE = re.compile(r'<details class="code">.*?</details>', re.DOTALL)
# What a single page needs to be found by, and many in one file would only repeat.
APART = re.compile(r'<nav class="contents".*?</nav>|(?<=<section) aria-labelledby="[^"]*"|<!--.*?-->', re.DOTALL)


def export(study: Study, *, site: Path, to: Path, audience: str = "public") -> int:
    """Write the published pages of a study as one HTML file; returns its size in bytes.

    Args:
        study: the study.
        site: where its report was published.
        to: the file; one that is there is replaced.
        audience: "public" leaves the code out, "full" has it folded.

    Raises:
        LoyaltyError: no page of the study was published there, or the file's name does not end in .html.
    """
    if to.suffix != ".html":
        raise LoyaltyError(f"{to.name} would be opened as something else; give a name that ends in .html.")
    listed = json.loads((site / "runs.json").read_text("utf-8")) if (site / "runs.json").exists() else []
    runs = [run for run in listed if run["study"] == study.name and run["good_since"]]
    if not runs:
        raise LoyaltyError(f"{site} holds no page of {study.name} yet. Make them with: loyalty report {study.name}")
    articles = list(_articles(study, runs, site, audience))
    contents = [(run["title"], run["slug"]) for run in runs]
    page = pages.fill("onefile.html.j2", study.language, study=study, articles=articles, contents=contents)
    write(to, page)
    return to.stat().st_size


def _articles(study: Study, runs: list[dict[str, str]], site: Path, audience: str) -> Iterator[Markup]:
    """The board of the study alone, its pages, and the pages that explain them."""
    about = {study.name: {"title": study.title, "simulated": study.simulated, "caveats": study.caveats}}
    entries = [entry for entry in findings.read(site / "findings.json") if entry["study"] == study.name]
    claims = [claim.as_dict() for claim in hypotheses.REGISTER.values()]
    board = pages.render_index(entries, claims, runs, studies=about, language=study.language)
    top = pages.top_level(study.language, owner=None, contact=None)
    files = {BOARD: board, **{run["slug"]: (site / run["href"]).read_text("utf-8") for run in runs}}
    files |= {name.removesuffix(".html"): text for name, text in pages.render_guides(top).items()}
    for name, text in files.items():
        yield _article(name, text if audience == "full" else CODE.sub("", text), files)


def _article(name: str, page: str, known: Collection[str]) -> Markup:
    """The content of a page, its places and links those of the one file."""
    found = MAIN.search(page)
    assert found, f"{name} has no content"
    text = PLACE.sub(rf'\1="{name}--\2"', APART.sub("", found[2]))
    text = LINK.sub(lambda link: _within(link, name, known), text)
    text = text.replace("<aside", "<div").replace("</aside>", "</div>")
    return Markup(f'<article id="{name}" class="bound {found[1]}">{text}</article>')


def _within(link: re.Match[str], here: str, known: Collection[str]) -> str:
    """A link to a place in the one file; a link to a file that does not come along leaves its words or nothing."""
    target = here if not link["file"] else BOARD if link["file"].endswith("index.html") else Path(link["file"]).stem
    if "download" in link["rest"]:
        return ""
    if target not in known:
        return link["text"]
    place = f"{target}--{link['place']}" if link["place"] else target
    return f'<a {link["more"]}href="#{place}"{link["rest"]}>{link["text"]}</a>'
