"""Leaving in billing periods: who is there at a period's start, and who of them leaves in it.

Where contracts end only on billing days, ties are no accident and time moves in steps. A regression for yes or no
over customers' periods then asks the same as Cox's model, without its assumption of continuous time.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.estimates import NotTestable
from analysis.hazards import designed
from analysis.retention import PER_YEAR

HAZARD, ODDS = "hazard_ratio", "odds_ratio"
LINKS = {HAZARD: "CLogLog", ODDS: "Logit"}
# Where a period has so many ages that each cannot have a rate of its own, their path is a cubic spline.
MOST_RATES, BENDS = 120, 6
MOST_CELLS = 5_000_000
LARGEST = 100.0  # a standard error beyond it, of a logarithm, means that the likelihood has no top


def length_of(unit: str) -> float:
    """A billing period in the table's unit: a month where days are counted, else one unit."""
    return PER_YEAR["day"] / 12 if unit == "day" else 1.0


def person_periods(lifetimes: pd.DataFrame, *, by: Sequence[str], length: float = 1.0) -> pd.DataFrame:
    """Customers at the start of each period of their life who were watched to its end or left in it.

    Args:
        lifetimes: distinct rows.
        by: columns to keep.
        length: of a period, in the unit of the table.

    Returns:
        One row a period (1 is the first) and combination: period, `by`, at_risk, left.
    """
    # A little less than a period is a period: dates become fractions of months.
    time, entered = ((lifetimes[name] / length).round(9) for name in ("time", "entered"))
    last = np.where(lifetimes["left"], np.maximum(np.ceil(time), 1), np.floor(time)).astype(int)
    before = np.ceil(entered).to_numpy(int)
    # What agrees in first and last period is counted before it is spread out.
    rows = lifetimes[[*by, "left", "weight"]].assign(before=before, last=last)[last > before]
    rows = rows.groupby([*by, "left", "before", "last"], as_index=False)["weight"].sum()
    cells = rows.loc[rows.index.repeat(rows["last"] - rows["before"])]
    cells["period"] = cells["before"] + cells.groupby(level=0).cumcount() + 1
    cells["gone"] = cells["weight"].where(cells["left"] & (cells["period"] == cells["last"]), 0)
    sums = cells.groupby(["period", *by])[["weight", "gone"]].sum().reset_index()
    return sums.rename(columns={"weight": "at_risk", "gone": "left"})


def fit_periods(
    lifetimes: pd.DataFrame, *, covariates: Sequence[str], length: float = 1.0, ratio: str = HAZARD
) -> pd.DataFrame | NotTestable:
    """Regression of leaving in a period on the covariates, each age with a rate of its own, by statsmodels.

    Args:
        lifetimes: distinct rows with the covariates.
        covariates: as of `hazards.cox`.
        length: of a period, in the unit of the table.
        ratio: "hazard_ratio" (cloglog link: comparable with Cox's model) or "odds_ratio" (logit).

    Returns:
        One row a term: covariate, term, step (see `hazards.CoxModel`), coefficient, error, the ratio, low, high, p.

    Source: Prentice & Gloeckler (1978), Biometrics 34; Allison (1982), Sociological Methodology 13.
    """
    import statsmodels.api as sm

    design = designed(lifetimes, covariates)
    if reason := design.refusal():
        return NotTestable(reason)
    if (many := (design.rows["time"] - design.rows["entered"]).sum() / length) > MOST_CELLS:
        return NotTestable(f"Over {many:,.0f} rows of periods are too many: give quantities as words for ranges.")
    cells = person_periods(design.rows, by=design.columns, length=length)
    # Ages at which nobody left, or everybody, compare nobody, and their rates of their own would be infinite.
    total = cells.groupby("period")[["left", "at_risk"]].transform("sum")
    cells = cells[(total["left"] > 0) & (total["left"] < total["at_risk"])]
    if cells.empty:
        return NotTestable("In every period either nobody left or all, so there is nothing to compare.")
    numbers = np.column_stack([cells[design.columns].to_numpy(float), _baseline(cells["period"])])
    counts = np.column_stack([cells["left"], cells["at_risk"] - cells["left"]])
    family = sm.families.Binomial(link=getattr(sm.families.links, LINKS[ratio])())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of overflow on the way, and of separation; where the fit ends is checked
        fit = sm.GLM(counts, numbers, family=family).fit(maxiter=100)
    if not fit.converged or not np.isfinite([fit.params, fit.bse]).all() or fit.bse.max() > LARGEST:
        return NotTestable("The regression over periods has no finite answer: a covariate tells who leaves when.")
    size = len(design.terms)
    return design.told(fit.params[:size], fit.bse[:size], ratio=ratio)


def _baseline(period: pd.Series) -> np.ndarray:
    """The columns that give ages their rates: one each, or a smooth path where they are too many."""
    if period.nunique() <= MOST_RATES:
        return pd.get_dummies(period).to_numpy(float)
    from patsy import dmatrix

    return np.asarray(dmatrix(f"cr(period, df={BENDS}) - 1", {"period": period.to_numpy(float)}))
