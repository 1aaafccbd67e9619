"""Makes small notebooks for tests of the runner."""

import json
from pathlib import Path

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
