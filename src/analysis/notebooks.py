"""The catalogue of notebooks: which there are, which tables they need, and which parameters they take.

A parameters cell holds lines of the form `name: type = literal  # meaning` and nothing else, so that it can be read
without running it, and so that a default never depends on another parameter.
"""

from __future__ import annotations

import ast
import io
import json
import sys
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from analysis.sources import SECRET
from analysis.tables import SettingsError, nearest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
FINDINGS = "findings"  # what the last notebooks need: the findings of the others

KINDS = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "None": "none",
    "date": "a date such as 2025-12-31",
}  # fmt: skip


def _iso(text: str) -> str:
    return date.fromisoformat(text).isoformat()


# The types a parameter can be declared with. A date is text for the notebook, so that its cell imports nothing.
TYPES: dict[str, Any] = {
    "str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict, "None": None,
    "date": Annotated[str, AfterValidator(_iso)],
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell."""

    name: str
    kind: str
    default: Any
    meaning: str

    @property
    def kinds(self) -> list[str]:
        """The declared types, any of which will do."""
        return self.kind.split(" | ")

    def convert(self, value: Any, *, where: str) -> Any:
        """The value in the declared type; a date becomes text in ISO form.

        Raises:
            SettingsError: it is of another type, or holds what is no finite number or no valid text.
        """
        from pydantic import TypeAdapter

        given = value.isoformat() if type(value) is date and "date" in self.kinds else value
        try:
            converted = TypeAdapter(eval(self.kind, {"__builtins__": {}}, TYPES)).validate_python(given, strict=True)
            json.dumps(converted, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, TypeError) as error:
            kinds = " or ".join(KINDS.get(kind, kind.replace("[", " of ").rstrip("]")) for kind in self.kinds)
            finite = ", finite" if "JSON" in str(error) else ""
            raise SettingsError(f"{where}: {self.name} must be {kinds}{finite}, not {value!r:.200}.") from None
        return converted

    def parse(self, text: str, *, where: str) -> Any:
        """The value written on a command line: text as it is where text or a date is declared, else JSON."""
        none = text.lower() == "none" and "None" in self.kinds
        if {"str", "date"} & set(self.kinds):
            return self.convert(None if none else text, where=where)
        try:
            value = json.loads({"none": "null", "true": "true", "false": "false"}.get(text.lower(), text))
        except ValueError:
            value = text
        return self.convert(value, where=where)


@dataclass(frozen=True)
class Notebook:
    """A notebook that can be run: name, question, tables it needs, parameters, whether it scores, how many code
    cells, and whether it runs only where a study lists it.
    """

    name: str
    path: Path
    question: str
    needs: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    scores: bool = False
    cells: int = 0
    listed: bool = False

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

    def values(self, given: Mapping[str, Any], *, where: str, written: bool = False) -> dict[str, Any]:
        """What is given for the parameters, in their declared types.

        Args:
            given: parameter name to value.
            where: begins each message.
            written: the values are text from a command line.

        Raises:
            SettingsError: parameters are unknown or of another type; the message lists them all.
        """
        values, problems = {}, []
        for name, value in given.items():
            try:
                parameter = self.parameter(name, where=where)
                values[name] = (parameter.parse if written else parameter.convert)(value, where=where)
            except SettingsError as problem:
                problems.append(str(problem))
        if problems:
            raise SettingsError("\n".join(problems))
        return values


def read_notebook(path: Path) -> Notebook:
    """What a notebook says about itself, without running it.

    Raises:
        SettingsError: no parameters cell, or something in it that is not a literal with a type.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        tagged = [c for c in content["cells"] if "parameters" in c.get("metadata", {}).get("tags", [])]
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"{path.name} is not a notebook that can be read.") from None
    if len(tagged) != 1:
        raise SettingsError(f"{path.name}: one cell must be tagged parameters, {len(tagged)} are.")
    lines = (line for c in content["cells"] for line in _source(c).splitlines())
    title = next((line.removeprefix("# ") for line in lines if line.startswith("# ")), path.stem)
    about = content["metadata"].get("loyalty", {})
    parameters = {p.name: p for p in _parameters(_source(tagged[0]), path.name)}
    cells = sum(c["cell_type"] == "code" for c in content["cells"])
    return Notebook(
        path.stem,
        path,
        title,
        tuple(about.get("needs", [])),
        parameters,
        bool(about.get("scores")),
        cells,
        bool(about.get("listed")),
    )


def _source(cell: Mapping[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _parameters(source: str, file: str) -> list[Parameter]:
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    try:
        lines = ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        raise SettingsError(f"{file}: the parameters cell cannot be read: {error}.") from None
    found: dict[str, Parameter] = {}
    for line in lines:
        if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name) or line.value is None:
            raise SettingsError(f"{file}: the parameters cell may only hold lines like `n: int = 100  # meaning`.")
        name = line.target.id
        if name in found or SECRET.search(name):
            why = "stands twice" if name in found else "is named like a secret, and reports print parameters"
            raise SettingsError(f"{file}: the parameter {name} {why}.")
        try:
            default = ast.literal_eval(line.value)
        except ValueError:
            raise SettingsError(
                f"{file}: the default of {name} is not a literal; parameters cannot be computed."
            ) from None
        meaning = comments.get(line.end_lineno or line.lineno, "")
        found[name] = Parameter(name, _kind(line.annotation, file), default, meaning)
        found[name].convert(default, where=file)
    return list(found.values())


def _kind(annotation: ast.expr, file: str) -> str:
    """The declared type as text: names from TYPES alone, for it is evaluated. Quotes spare a notebook the import."""
    quoted = isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
    kind = str(annotation.value) if isinstance(annotation, ast.Constant) and quoted else ast.unparse(annotation)
    shapes = (ast.Expression, ast.Name, ast.Load, ast.Subscript, ast.BinOp, ast.BitOr, ast.Constant, ast.Tuple)
    nodes = list(ast.walk(ast.parse(kind, mode="eval")))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    if names - set(TYPES) or not all(isinstance(node, shapes) for node in nodes):
        raise SettingsError(f"{file}: a parameter is declared as {kind!r}. Types are: {', '.join(TYPES)}.")
    return kind


def catalogue() -> Mapping[str, Notebook]:
    """All notebooks by name, in the order of their numbers."""
    return _read_all(FOLDER)


@cache
def _read_all(folder: Path) -> Mapping[str, Notebook]:
    _refuse_shadows(folder)
    return {path.stem: read_notebook(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}


def _refuse_shadows(folder: Path) -> None:
    """A kernel looks for modules beside its notebook first: `html.py` there would break the kernel itself.

    Raises:
        SettingsError: a file or folder is named like a module that is installed.
    """
    beside = [path for path in folder.glob("*") if path.suffix == ".py" or (path / "__init__.py").exists()]
    for path in beside:
        known = None if path.stem in sys.stdlib_module_names else find_spec(path.stem)
        if path.stem in sys.stdlib_module_names or (
            known and known.origin and not known.origin.startswith(str(folder))
        ):
            raise SettingsError(f"{path.name} beside the notebooks hides a module of the same name. Rename it.")
