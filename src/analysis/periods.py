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
    many = np.maximum(last - before, 0)
    # What agrees in first and last period is counted before it is spread out.
    rows = lifetimes[[*by, "left", "weight"]].assign(before=before, last=last)[many > 0]
    rows = rows.groupby([*by, "left", "before", "last"], as_index=False)["weight"].sum()
    many = (rows["last"] - rows["before"]).to_numpy()
    place = np.repeat(np.arange(len(rows)), many)
    period = np.arange(len(place)) - np.repeat(np.cumsum(many) - many, many) + rows["before"].to_numpy()[place] + 1
    cells = rows.iloc[place].assign(period=period)
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
    # At an age at which nobody left nothing can be compared, and its rate of zero has no logarithm.
    cells = cells[cells.groupby("period")["left"].transform("sum") > 0]
    numbers = np.column_stack([cells[design.columns].to_numpy(float), _baseline(cells["period"])])
    counts = np.column_stack([cells["left"], cells["at_risk"] - cells["left"]])
    family = sm.families.Binomial(link=getattr(sm.families.links, LINKS[ratio])())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            fit = sm.GLM(counts, numbers, family=family).fit(maxiter=100)
    except (Warning, ValueError, np.linalg.LinAlgError) as problem:
        return NotTestable(f"The regression over periods has no finite answer: {' '.join(str(problem).split())}")
    size = len(design.terms)
    return design.told(fit.params[:size], fit.bse[:size], ratio=ratio)


def _baseline(period: pd.Series) -> np.ndarray:
    """The columns that give ages their rates: one each, or a smooth path where they are too many."""
    if period.nunique() <= MOST_RATES:
        return pd.get_dummies(period).to_numpy(float)
    from patsy import dmatrix

    return np.asarray(dmatrix(f"cr(period, df={BENDS}) - 1", {"period": period.to_numpy(float)}))
