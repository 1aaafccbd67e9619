"""How much of what a cause does to an outcome goes through something between, and what could feign it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, gated, need, needed, told
from analysis.exhibits import Text, say
from analysis.regressions import COLLINEAR, cleaned
from analysis.scales import Moments
from analysis.words import quantity

STEPS = np.linspace(-0.95, 0.95, 381)  # correlations of a hidden cause that are tried


@dataclass(frozen=True)
class Paths:
    """The ways from a cause to an outcome, in standard deviations of the outcome for one of the cause.

    Attributes:
        first: what the cause does to what lies between; second: what that does to the outcome, the cause held fixed.
        indirect: their product; direct: the rest; total: both together.
        tie: the correlation of what lies between and the outcome, once the cause and what is given are taken out.
            As strong a tie by a hidden common cause of the two leaves nothing of the indirect path.
    """

    first: Answer
    second: Answer
    indirect: Answer
    direct: Answer
    total: Answer
    tie: Answer
    _drawn: Mapping[str, np.ndarray] = field(repr=False)

    def under(self, ties: np.ndarray = STEPS) -> pd.DataFrame:
        """The indirect path if a hidden common cause ties what lies between and the outcome: x (tie), value, low, high.

        Source: Imai, Keele & Yamamoto (2010), Statistical Science 25, theorem 4 for linear models.
        """
        drawn = self._drawn
        left = np.sqrt((1 - drawn["tie"] ** 2)[:, None] / (1 - ties**2))
        paths = (drawn["first"] * drawn["spread"])[:, None] * (drawn["tie"][:, None] - ties * left)
        low, high = np.quantile(paths[1:], (0.025, 0.975), axis=0, method="weibull")
        return pd.DataFrame({"x": ties, "value": paths[0], "low": low, "high": high})


@gated
def paths(
    found: Moments | NotTestable,
    cause: str,
    between: str,
    outcome: str,
    *,
    given: Sequence[str] = (),
    reliabilities: Mapping[str, float] | None = None,
) -> Any:
    """The direct path and the one through something between, by standardised least squares.

    Args:
        found: moments that hold all the columns; their resamples give the intervals.
        cause, between, outcome, given: names of columns; what is given is held fixed in both regressions.
        reliabilities: share of a score's variance that is not noise, by name (see `regressions.slopes`).

    Returns:
        `Paths`, or why not: no moments, or a cause that what is given tells already.
    """
    made: Moments = needed(found)
    at = [made.names.index(name) for name in (cause, *given)]
    to = [made.names.index(name) for name in (between, outcome)]
    value, again = cleaned(made, reliabilities or {})
    r = np.concatenate([value[None], again])
    among, across = r[:, np.asarray(at)[:, None], at], r[:, np.asarray(at)[:, None], to]
    apart = np.linalg.eigvalsh(among[0]).min() > 0 and (1 / np.linalg.inv(among[0])[0, 0]) > 1 - COLLINEAR
    need(apart, "The cause and what is held fixed say the same thing, so their shares cannot be told apart.")
    slopes = np.linalg.solve(among, across)
    left = r[:, np.asarray(to)[:, None], to] - np.swapaxes(across, 1, 2) @ slopes
    need((left[0].diagonal() > 1 - COLLINEAR).all(), "What lies between, or the outcome, follows from the cause alone.")
    first, total, second = slopes[:, 0, 0], slopes[:, 0, 1], left[:, 0, 1] / left[:, 0, 0]
    spread = np.sqrt(left[:, 1, 1] / left[:, 0, 0])
    drawn = {"first": first, "second": second, "indirect": first * second, "direct": total - first * second}
    drawn |= {"total": total, "tie": second / spread}
    answers = {
        name: bootstrapped(
            Estimate.from_draws, float(all_[0]), all_[1:], unit="correlation" if name == "tie" else "slope", n=made.n
        )
        for name, all_ in drawn.items()
    }
    return Paths(**answers, _drawn=drawn | {"spread": spread})


def hidden_cause(found: Paths | NotTestable, *, between: str, outcome: str) -> Text:
    """How strong a hidden common cause of what lies between and of the outcome would have to be, in a sentence."""
    if isinstance(found, NotTestable):
        return say("There is no path that a hidden cause could feign. {}", found.reason)
    tried, value = found.under(), getattr(found.tie, "value", 0.0)
    clear = tried[(tried["low"] > 0) | (tried["high"] < 0)]
    said = say(
        "The path through {} is {}. A hidden cause that makes both {} and {} would take it all away if it explained "
        "{} of what is still unexplained in each.",
        between, told(found.indirect), between, outcome, quantity(abs(value), "share"),
    )  # fmt: skip
    if not ((clear["x"].abs() < 0.003).any()):
        return say("{} The interval holds no path already.", said.text)
    side = tried["x"] * np.sign(value)
    reached = side[(side >= 0) & ~tried.index.isin(clear.index)].min()
    return say("{} With {} of each, the interval would reach no path.", said.text, quantity(reached, "share"))
