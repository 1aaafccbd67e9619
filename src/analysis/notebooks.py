"""The catalogue of notebooks: which there are, which tables they need, and which parameters they take.

A parameters cell holds lines of the form `name: type = literal  # meaning` and nothing else, so that it can be read
without running it, and so that a default never depends on another parameter.
"""

from __future__ import annotations

import ast
import io
import json
import math
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from analysis.tables import SettingsError, nearest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
FINDINGS = "findings"  # what the last notebooks need: the findings of the others

KINDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "None": "none"}

# The types a parameter can be declared with.
TYPES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict, "None": None}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell."""

    name: str
    kind: str
    default: Any
    meaning: str

    def convert(self, value: Any, *, where: str) -> Any:
        """The value in the declared type.

        Raises:
            SettingsError: it is of another type, or not a finite number.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            converted = TypeAdapter(eval(self.kind, {"__builtins__": {}}, TYPES)).validate_python(value, strict=True)
        except ValidationError:
            kinds = " or ".join(
                KINDS.get(kind, kind.replace("[", " of ").rstrip("]")) for kind in self.kind.split(" | ")
            )
            raise SettingsError(f"{where}: {self.name} must be {kinds}, not {value!r}.") from None
        if isinstance(converted, float) and not math.isfinite(converted):
            raise SettingsError(f"{where}: {self.name} must be a finite number, not {value!r}.")
        return converted

    def parse(self, text: str, *, where: str) -> Any:
        """The value written on a command line: text as it is where text is declared, else JSON."""
        if self.kind == "str":
            return text
        try:
            value = json.loads({"none": "null", "true": "true", "false": "false"}.get(text.lower(), text))
        except ValueError:
            value = text
        return self.convert(value, where=where)


@dataclass(frozen=True)
class Notebook:
    """A notebook that can be run: its name, its question, the tables it needs, its parameters, if it has scores."""

    name: str
    path: Path
    question: str
    needs: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    scores: bool = False

    @property
    def runs_last(self) -> bool:
        """Whether it reads the findings of the other notebooks."""
        return FINDINGS in self.needs

    def parameter(self, name: str, *, where: str) -> Parameter:
        """The parameter of that name.

        Raises:
            SettingsError: there is none; the message names the nearest.
        """
        if name == "study" or name not in self.parameters:
            names = [n for n in self.parameters if n != "study"]
            hint = (
                f" The nearest is {nearest(name, names)}; all are: {', '.join(names)}." if names else " It takes none."
            )
            raise SettingsError(f"{where}: {self.name} has no parameter {name!r}.{hint}")
        return self.parameters[name]


def read_notebook(path: Path) -> Notebook:
    """What a notebook says about itself, without running it.

    Raises:
        SettingsError: no parameters cell, or something in it that is not a literal with a type.
    """
    content = json.loads(path.read_text("utf-8"))
    tagged = [c for c in content["cells"] if "parameters" in c.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise SettingsError(f"{path.name}: one cell must be tagged parameters, {len(tagged)} are.")
    title = next(
        line.removeprefix("# ") for c in content["cells"] for line in _source(c).splitlines() if line.startswith("# ")
    )
    about = content["metadata"].get("loyalty", {})
    parameters = {p.name: p for p in _parameters(_source(tagged[0]), path.name)}
    return Notebook(path.stem, path, title, tuple(about.get("needs", [])), parameters, bool(about.get("scores")))


def _source(cell: Mapping[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _parameters(source: str, file: str) -> list[Parameter]:
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found = []
    for line in ast.parse(source).body:
        if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name) or line.value is None:
            raise SettingsError(f"{file}: the parameters cell may only hold lines like `n: int = 100  # meaning`.")
        try:
            default = ast.literal_eval(line.value)
        except ValueError:
            raise SettingsError(
                f"{file}: the default of {line.target.id} is not a literal; parameters cannot be computed."
            ) from None
        meaning = comments.get(line.end_lineno or line.lineno, "")
        found.append(Parameter(line.target.id, ast.unparse(line.annotation), default, meaning))
    return found


def catalogue() -> Mapping[str, Notebook]:
    """All notebooks by name, in the order of their numbers."""
    return _read_all(FOLDER)


@cache
def _read_all(folder: Path) -> Mapping[str, Notebook]:
    return {path.stem: read_notebook(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
