"""What the calibration found, as every page reads it: a table with a row a claim and world."""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd

TABLE = Path(__file__).with_name("calibrated.csv")
WORLDS = ("true", "null", "reversed", "artefact")
HELD = ("holds", "right_holds", "positive_holds", "covered_holds")  # columns of the table that say so
HOLDS, FAILS, MISSING, EXEMPT = "holds", "fails", "not done", "nothing to calibrate"
NOTHING = ("R10", "R12", "R14")  # books that close or do not, and a report on a budget
# What a reader of a verdict should know of its test, where that is a reason for caution.
CAUTIONS = {
    FAILS: "Tried on simulated businesses whose truth is known, this test went wrong more often than it may. Take its "
    "verdict with caution.",
    MISSING: "This test has not been tried on simulated businesses whose truth is known.",
}


def kept() -> pd.DataFrame:
    """The table of the calibration: see `calibration.tried` for its columns; empty when there is none yet."""
    if TABLE.exists():
        # Read as it is written: "true" is a world, and what was not asked is empty.
        words = dict.fromkeys(("world", "removable", "looks", *HELD), str)
        return pd.read_csv(TABLE, keep_default_na=False, na_values=[""], dtype=words)
    return pd.DataFrame(columns=["claim", "world", "n", "plan", "digest", "holds", "covered_holds"])


def passed(rows: pd.DataFrame) -> pd.Series:
    """Whether each row's rates lie where they must, and its intervals too where they were tried."""
    return (rows["holds"] == "True") & (rows["covered_holds"] != "False")


def whole(rows: pd.DataFrame) -> bool:
    """Whether the rows of a claim are all that its plan asks for, each with as many worlds."""
    there = dict(zip(rows["world"], rows["n"], strict=True))
    asked = (each.split() for plan in rows["plan"] for each in plan.split(", "))
    return all(there.get(world, 0) >= int(times) for world, times in asked)


@functools.cache
def _standings() -> dict[str, str]:
    each = {str(claim): rows for claim, rows in kept().groupby("claim")}
    return {claim: HOLDS if passed(rows).all() else FAILS for claim, rows in each.items() if whole(rows)}


def standing(claim: str) -> str:
    """A claim's calibration in a word: `HOLDS`, `FAILS`, `MISSING` (also when some worlds are) or `EXEMPT`."""
    return EXEMPT if claim in NOTHING else _standings().get(claim, MISSING)
