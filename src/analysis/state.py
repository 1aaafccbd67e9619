"""The one folder for all that is kept between runs: ledger, cache, logs. Its owner alone can read it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = ".loyalty"
VARIABLE = "LOYALTY_STATE"
OWNER_ONLY = 0o700


@dataclass(frozen=True)
class State:
    """Where the parts of the state lie; a folder is made when it is first asked for.

    Attributes:
        root: the folder that holds everything.
    """

    root: Path

    def folder(self, name: str) -> Path:
        """A folder inside the state, open to its owner alone."""
        for place in (self.root, self.root / name):
            place.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
        return self.root / name

    @property
    def ledger(self) -> Path:
        """The SQLite file of what was due and what became of it."""
        return self.folder("schedule") / "ledger.sqlite"

    @property
    def cache(self) -> Path:
        """Executed notebooks by the key of all that they depend on."""
        return self.folder("cache")

    @property
    def log(self) -> Path:
        """One JSON line a run, and a notice."""
        return self.folder("logs") / "runs.jsonl"

    def write_log(self, **told: Any) -> None:
        """Adds a line to the log, with the time."""
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds")} | told, ensure_ascii=False) + "\n"
        with open(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
            file.write(line.encode())


def at(place: Path | None = None) -> State:
    """The state in a folder: as given, else from LOYALTY_STATE, else `.loyalty` in the current folder."""
    return State((place or Path(os.environ.get(VARIABLE) or FOLDER)).absolute())
