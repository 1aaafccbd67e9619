"""What the calibration found, as every page reads it: a table with a row a claim and world."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

TABLE = Path(__file__).with_name("calibrated.csv")
WORLDS = ("true", "null", "reversed", "artefact")


def kept() -> pd.DataFrame:
    """The table of the calibration: see `calibration.tried` for its columns; empty when there is none yet."""
    if TABLE.exists():
        return pd.read_csv(TABLE, keep_default_na=False, na_values=[""])
    return pd.DataFrame(columns=["claim", "world", "n", "digest"])
