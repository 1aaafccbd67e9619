"""Worlds of satisfaction and of what follows from it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import payoff
from analysis.calibration import Case
from analysis.worlds import after_a_survey

RATIO = np.log(1.05)


def spending(random: np.random.Generator, world: str) -> pd.DataFrame:
    slope = {"true": 2 * RATIO, "reversed": -2 * RATIO}.get(world, 0.0)
    return after_a_survey(random, 8000, slope=slope, through_the_past=0.5 * (world == "artefact"))


CASES: tuple[Case, ...] = (
    Case(
        "S01",
        spending,
        lambda table, seed: payoff.spending(table, None, draws=3, seed=seed),
        size="8,000 customers",
        rung="C",
        artefact="heavy buyers are served better and so are more satisfied, which moves nothing",
        truth={"true": 1.05**2, "null": 1.0, "reversed": 1.05**-2, "artefact": 1.0},
    ),
)
