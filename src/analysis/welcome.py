"""The start page in JupyterLab: which questions there are, which studies, and which goes with which."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from analysis import studies
from analysis.notebooks import Notebook, catalogue
from analysis.runs import lacks
from analysis.studies import Study
from analysis.words import listing

TOPICS = {"1": "The data", "2": "Staying, buying, value", "3": "Satisfaction and expectation", "9": "All together"}


def questions(path: str | Path | None = None) -> Any:
    """The notebooks as links, by topic, each with the studies whose tables it needs.

    Args:
        path: the studies file; found as `studies.open_study` finds it when not given.

    Raises:
        SettingsError: the studies file is missing or wrong.
    """
    known = list(_known(path))
    rows = (
        (TOPICS.get(name[:1], "More"), _link(name, notebook), listing(_fitting(notebook, known)) or "none yet")
        for name, notebook in catalogue().items()
    )
    return _table(("topic", "question", "studies that can answer it"), rows)


def known_studies(path: str | Path | None = None) -> Any:
    """The studies of the file: name, title, tables, and on how many of the questions they can be put.

    Args:
        path: as in `questions`.

    Raises:
        SettingsError: the studies file is missing or wrong.
    """
    books = catalogue().values()
    rows = (
        (
            f"<code>{escape(study.name)}</code>",
            escape(study.title),
            escape(listing(list(study.settings.tables))),
            f"{sum(not lacks(study, book) for book in books)} of {len(books)}",
        )
        for study in _known(path)
    )
    return _table(("study", "what it is", "tables", "questions it can answer"), rows)


def _known(path: str | Path | None) -> Iterable[Study]:
    return studies.load(studies.find(path)).studies.values()


def _fitting(notebook: Notebook, known: Iterable[Study]) -> list[str]:
    return [study.name for study in known if not lacks(study, notebook)]


def _link(name: str, notebook: Notebook) -> str:
    return f'<a href="{escape(name)}.ipynb">{escape(notebook.question)}</a>'


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Any:
    from IPython.display import HTML

    def row(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f'<{tag} style="text-align:left">{cell}</{tag}>' for cell in cells) + "</tr>"

    return HTML("<table>" + row(heads, "th") + "".join(row(cells, "td") for cells in rows) + "</table>")
