"""Makes small notebooks for tests of the runner, and runs large ones without it."""

import ast
import json
import re
from pathlib import Path

import pytest

from analysis import findings
from analysis.notebooks import read_notebook

PARAMETERS = 'study: str = "tiny"  # a study\nn: int = 1  # a number'


def write_book(folder: Path, name: str, *cells: str, parameters: str = PARAMETERS, needs=()) -> Path:
    """A notebook with a parameters cell and the given code cells."""
    sources = [("markdown", f"# {name}?", []), ("code", parameters, ["parameters"])] + [("code", c, []) for c in cells]
    written = []
    for number, (kind, source, tags) in enumerate(sources):
        cell = {"cell_type": kind, "id": f"c{number}", "metadata": {"tags": tags} if tags else {}, "source": source}
        written.append(cell if kind == "markdown" else cell | {"execution_count": None, "outputs": []})
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
        "loyalty": {"needs": list(needs)},
    }
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps({"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


def make_book(folder: Path, name: str, *cells: str, **more):
    """The same, read into the catalogue's form."""
    return read_notebook(write_book(folder, name, *cells, **more))


def shown(book, **parameters) -> list:
    """What the cells of a notebook show, run in this process: for many pages on few rows, where a kernel costs most."""
    displayed: list = []
    space = {"display": lambda *things: displayed.extend(things)}
    for cell in json.loads(book.path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            code = ast.parse("".join(cell["source"]))
            last = code.body.pop() if isinstance(code.body[-1], ast.Expr) else None
            exec(compile(code, book.name, "exec"), space)
            value = last and eval(compile(ast.Expression(last.value), book.name, "eval"), space)
            displayed += [] if value is None else [value]
        if "parameters" in cell["metadata"].get("tags", []):
            space |= parameters
    return displayed


def page_of(book, study: str, folder: Path, **parameters) -> list[dict]:
    """What a page gets of each thing that a notebook shows about a study of that folder: texts and pictures by type."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOYALTY_STUDIES", str(folder / "studies.toml"))
        patch.setenv("LOYALTY_FINDINGS", str(folder / "no-findings.json"))
        things = shown(book, study=study, **parameters)
    made = [each._repr_mimebundle_() for each in things if hasattr(each, "_repr_mimebundle_")]
    return [each[0] if isinstance(each, tuple) else each for each in made]


def entries_of(pages) -> list[dict]:
    """The findings that pages recorded."""
    return [entry for page in pages for shows in page for entry in shows.get(findings.MIME, {}).get("entries", [])]


def says_nan(page) -> list[str]:
    """Texts of a page that hold a number which is none."""
    texts = [re.sub('base64,[^"]*', "", shows[kind]) for shows in page for kind in shows if kind.startswith("text/")]
    return [text for text in texts if re.search(r"\b(nan|NaN|NaT|inf)\b|\bNone\b(?! \w)", text)]
