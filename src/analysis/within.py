"""Branches or customers against themselves: slopes within units over time, and between units beside them (Mundlak).

What a unit always has, and what a period brings to all of them, cannot be the reason for a slope within: both are taken
out before anything is compared. The slope between units keeps whatever else sets them apart, and stands beside it for
that reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.estimates import Estimate, need

FEWEST_UNITS = 20  # by the register's gate


@dataclass(frozen=True)
class Slope:
    """The slope of an outcome on one cause.

    Attributes:
        value, error: of the slope; units go together.
        units, rows: behind it.
        df: degrees of freedom of the error, which counts units.
    """

    value: float
    error: float
    units: int
    rows: int
    df: int

    def estimate(
        self, unit: str = "slope", *, method: str, as_told: Callable[[float], float] = lambda slope: slope
    ) -> Estimate:
        """The slope as an estimate, turned into another quantity by a rising function where one is given."""
        from scipy.special import stdtrit

        def quantile(p: float) -> float:
            return float(as_told(self.value + stdtrit(self.df, p) * self.error))

        return Estimate(float(as_told(self.value)), unit, self.units, quantile, method)


def lagged(panel: pd.DataFrame, names: Sequence[str], *, unit: str = "unit", period: str = "period") -> pd.DataFrame:
    """The panel with what each unit had one period before, as "NAME before"; missing after a gap.

    Args:
        panel: one row a unit and period.
        names: of the columns to look back on.
        unit, period: names of the columns that hold them. Periods are counted as they occur in the panel.
    """
    number = panel[period].rank(method="dense").astype(int)
    earlier = panel[[unit, *names]].assign(number=number + 1)
    both = panel.assign(number=number).merge(earlier, "left", [unit, "number"], suffixes=("", " before"))
    return both.drop(columns="number")


def in_deviations(panel: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The panel with these columns in standard deviations over all units and periods."""
    return panel.assign(**{name: (panel[name] - panel[name].mean()) / panel[name].std() for name in names})


def slope(
    panel: pd.DataFrame,
    outcome: str,
    cause: str,
    *,
    unit: str = "unit",
    effects: Sequence[str] = ("unit", "period"),
    held: Sequence[str] = (),
) -> Slope:
    """The slope within: the effects, and what is held fixed, are taken out of both sides.

    Args:
        panel: one row a unit and period; rows with a gap are left out.
        outcome, cause, held: names of columns of numbers.
        unit: whose errors go together.
        effects: columns whose groups are each compared with themselves.

    Raises:
        Lack: the cause does not vary within. Use it inside a gated function.
    Source: Frisch & Waugh (1933), Econometrica 1; Liang & Zeger (1986), Biometrika 73.
    """
    known = panel.dropna(subset=[outcome, cause, *held])
    need(known[unit].nunique() > 1, f"Fewer than two {unit}s have {cause} and {outcome}.")
    numbers = known[[outcome, cause, *held]].to_numpy(float)
    spread = numbers[:, 1].std()
    freed = _freed(numbers - numbers.mean(axis=0), [known[name] for name in effects])
    y, x = _beyond(freed[:, :2], freed[:, 2:]).T if held else freed.T
    need(np.ptp(x) > 1e-9 * spread, f"{cause.capitalize()} does not vary beyond what is held fixed.")
    return _solved(x, y, pd.factorize(known[unit])[0], used=1)


def between(panel: pd.DataFrame, outcome: str, cause: str, *, unit: str = "unit", period: str = "period") -> Slope:
    """The slope over the means of units, periods taken out first.

    Raises:
        Lack: fewer than three units, or all have the same mean. Use it inside a gated function.
    Source: Mundlak (1978), Econometrica 46.
    """
    known = panel.dropna(subset=[outcome, cause])
    freed = pd.DataFrame(_freed(known[[outcome, cause]].to_numpy(float), [known[period]]))
    means = freed.groupby(known[unit].to_numpy()).mean()
    need(len(means) > 2, f"Fewer than three {unit}s have {cause} and {outcome}.")
    y, x = (means - means.mean()).to_numpy().T
    need(np.ptp(x) > 1e-9, f"{cause.capitalize()} is the same in all {unit}s.")
    return _solved(x, y, np.arange(len(x)), used=2)


def _freed(numbers: np.ndarray, effects: Sequence[pd.Series]) -> np.ndarray:
    """Columns without what groups share: the first effect by its means, the others by least squares."""
    codes, kinds = pd.factorize(effects[0])
    size = np.bincount(codes)[:, None]

    def own(values: np.ndarray) -> np.ndarray:
        sums = np.column_stack([np.bincount(codes, column, len(kinds)) for column in values.T])
        return values - (sums / size)[codes]

    numbers = own(numbers)
    dummies = [pd.get_dummies(each, drop_first=True).to_numpy(float) for each in effects[1:] if each.nunique() > 1]
    return _beyond(own(numbers), own(np.column_stack(dummies))) if dummies else own(numbers)


def _beyond(numbers: np.ndarray, held: np.ndarray) -> np.ndarray:
    return numbers - held @ np.linalg.lstsq(held, numbers, rcond=None)[0]


def _solved(x: np.ndarray, y: np.ndarray, units: np.ndarray, *, used: int) -> Slope:
    square, n = x @ x, int(units.max()) + 1
    value = x @ y / square
    pulls = np.bincount(units, x * (y - value * x))
    error = np.sqrt(pulls @ pulls * n / (n - used)) / square
    return Slope(float(value), float(error), n, len(x), n - used)
