"""Parameters are read without running anything, and refused when they are not what was declared."""

import json

import pytest

from analysis.notebooks import Parameter, catalogue, read_notebook
from analysis.tables import SettingsError


def notebook(tmp_path, source, title="# Why?"):
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": [title]},
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source, "outputs": []},
    ]
    path = tmp_path / "99_why.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {"loyalty": {"needs": ["orders"]}}}))
    return path


def test_a_parameters_cell_is_read_with_types_and_meanings(tmp_path):
    source = 'study: str = "cdnow"  # a study\nrate: float | None = None  # yearly\ncuts: list[float] = [0.75, 0.9]\n'
    book = read_notebook(notebook(tmp_path, source))
    assert (book.name, book.question, book.needs) == ("99_why", "Why?", ("orders",))
    assert [(p.name, p.kind, p.default, p.meaning) for p in book.parameters.values()] == [
        ("study", "str", "cdnow", "a study"),
        ("rate", "float | None", None, "yearly"),
        ("cuts", "list[float]", [0.75, 0.9], ""),
    ]


@pytest.mark.parametrize(
    "line", ["n = 3", "a, b = 1, 2", "n: int = 2 * seed", "n: int = len('abc')", "import os", "n: int"]
)
def test_only_typed_literals_are_parameters(tmp_path, line):
    with pytest.raises(SettingsError, match=r"99_why.ipynb"):
        read_notebook(notebook(tmp_path, f"seed: int = 1\n{line}"))


def test_a_notebook_without_a_parameters_cell_is_refused(tmp_path):
    path = notebook(tmp_path, "n: int = 1")
    path.write_text(path.read_text().replace("parameters", "other"))
    with pytest.raises(SettingsError, match="must be tagged"):
        read_notebook(path)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("str", "007", "007"),
        ("int", "7", 7),
        ("float", "3", 3.0),
        ("float | None", "none", None),
        ("bool", "false", False),
        ("list[float]", "[0.5, 1]", [0.5, 1.0]),
        ("str", "یلدا 'x'; import os", "یلدا 'x'; import os"),
    ],
)
def test_a_value_on_the_command_line_gets_the_declared_type(kind, text, value):
    assert Parameter("p", kind, None, "").parse(text, where="-p") == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "abc"),
        ("int", "2.5"),
        ("bool", "yes please"),
        ("float", "NaN"),
        ("float", "Infinity"),
        ("list[float]", "0.5"),
        ("int", "true"),
    ],
)
def test_a_value_of_another_type_is_refused(kind, text):
    with pytest.raises(SettingsError, match="-p: p must be"):
        Parameter("p", kind, None, "").parse(text, where="-p")


def test_an_unknown_parameter_names_the_nearest(tmp_path):
    book = read_notebook(notebook(tmp_path, 'study: str = "a"\nhorizon_days: int = 3'))
    with pytest.raises(SettingsError, match=r"no parameter 'horizon_day'. The nearest is horizon_days"):
        book.parameter("horizon_day", where="-p")
    with pytest.raises(SettingsError, match="no parameter 'study'"):
        book.parameter("study", where="-p")


def test_the_catalogue_holds_the_projects_notebooks():
    books = catalogue()
    assert {"10_what_the_data_hold", "90_what_we_found"} <= set(books)
    for book in books.values():
        assert next(iter(book.parameters)) == "study"
        assert all(p.meaning for p in book.parameters.values()), f"{book.name}: every parameter says what it means"
        for parameter in book.parameters.values():
            parameter.convert(parameter.default, where=book.name)
