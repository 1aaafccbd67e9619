"""The whole shape of a stay: which law of time fits, what makes stays longer, and how many customers never leave."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from analysis.estimates import NORMAL, Estimate, NotTestable
from analysis.hazards import designed
from analysis.lifetimes import customers, leavers, ungrouped
from analysis.retention import MIN_EVENTS, follow_up, risk_table, too_few

FAMILIES = {"Weibull": "lambda_", "log-normal": "mu_", "log-logistic": "alpha_"}  # and what covariates stretch
PLATEAU = 0.1  # departures in the last quarter over those in the quickest one, at most
STILL_TO_COME = 0.05  # of those who leave at all, the share that may still be there when the watching ends
BOUNDARY = 2.706  # of a likelihood ratio at 5% where the share may lie on its boundary: half of chi-squared


@dataclass(frozen=True)
class AcceleratedModel:
    """Accelerated failure time: by how much a covariate stretches every stay, others equal.

    Attributes:
        table: one row a term: covariate, term, step (see `hazards.CoxModel`), coefficient and error (log of time),
            time_ratio, low, high (95%), p; of the family with the least AIC.
        fits: one row a family, the best first: family, log_likelihood, aic.
        leavers: behind the fit.
        notes: what was left out, as sentences.
    """

    table: pd.DataFrame
    fits: pd.DataFrame
    leavers: int
    notes: tuple[str, ...]


def accelerated(
    lifetimes: pd.DataFrame, *, covariates: Sequence[str], min_events: int = MIN_EVENTS
) -> AcceleratedModel | NotTestable:
    """Fit the three families by lifelines and keep the one with the least AIC.

    Customers may enter late. Stays of no time at all say nothing while they last, and count as half a unit when the
    customer left.

    Args:
        lifetimes: distinct rows with the covariates.
        covariates, min_events: as of `hazards.cox`.
    """
    design = designed(_positive(lifetimes), covariates, min_events=min_events)
    if reason := design.refusal(min_events):
        return NotTestable(reason)
    rows = design.rows[["time", "left", "entered", "weight", *design.columns]]
    known = {name: fit for name in FAMILIES if (fit := _fitted(rows, name)) is not None}
    if not known:
        return NotTestable("No law of time could be fitted to these stays.")
    fits = pd.DataFrame([(name, fit.log_likelihood_, fit.AIC_) for name, fit in known.items()])
    fits = fits.set_axis(["family", "log_likelihood", "aic"], axis=1).sort_values("aic", ignore_index=True)
    best = str(fits["family"].iloc[0])
    found = known[best].summary.loc[FAMILIES[best]].loc[design.columns]
    table = design.told(found["coef"], found["se(coef)"], ratio="time_ratio")
    return AcceleratedModel(table, fits, leavers(design.rows), design.notes)


def _positive(lifetimes: pd.DataFrame) -> pd.DataFrame:
    """Rows without stays of no time, which laws of time do not know."""
    rows = lifetimes[(lifetimes["time"] > 0) | lifetimes["left"]]
    return rows.assign(time=rows["time"].where(rows["time"] > 0, 0.5))


def _fitted(rows: pd.DataFrame, family: str) -> Any | None:
    """The fit of lifelines, or None where its likelihood has no maximum."""
    import lifelines
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    fitter = getattr(lifelines, f"{family.title().replace('-', '')}AFTFitter")()
    try:
        with warnings.catch_warnings():
            # On its way an optimiser may look at places where the likelihood overflows; where it ends is checked.
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.simplefilter("error", ConvergenceWarning)
            found = fitter.fit(rows, "time", "left", weights_col="weight", entry_col="entered")
    except (ConvergenceError, ConvergenceWarning, ValueError, np.linalg.LinAlgError):
        return None
    return found if np.isfinite(found.summary[["coef", "se(coef)"]]).all(axis=None) else None


# --- Those who never leave ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NeverLeavers:
    """A population of which a part never leaves, and the others leave after a Weibull law of time.

    Attributes:
        share: of customers who never leave.
        scale, shape: of the others' stays: the share exp(-(t / scale) ** shape) of them stays beyond t.
        median: the age by which half of the others have left.
        still_to_come: the share of the others who are still there at the last age with 50 customers at risk.
        log_likelihood: of the counted rows.
    """

    share: Estimate
    scale: float
    shape: float
    median: float
    still_to_come: float
    log_likelihood: float


def never_leavers(lifetimes: pd.DataFrame, *, unit: str) -> NeverLeavers | NotTestable:
    """The share of customers who never leave (mixture cure model), where the curve was followed to a plateau.

    Without a plateau nobody can tell who leaves late from who never leaves. So the answer is refused unless the
    chance of leaving in the last quarter of the ages observed is at most a tenth of that in the quickest quarter, at
    most 1 in 20 of those who leave at all are still there by the model, and a model without such customers fits
    clearly worse. Ours, because lifelines takes whole periods as exact times, which misses the share by points, and
    its fit to intervals stops at a share of zero.

    Args:
        lifetimes: distinct rows.
        unit: of time.

    Source: Farewell (1982), Biometrics 38; on following long enough, Maller & Zhou (1992), Biometrika 79.
    """
    from scipy.optimize import minimize
    from statsmodels.tools.numdiff import approx_hess

    rows = ungrouped(lifetimes)
    if (left := leavers(rows)) < MIN_EVENTS:
        return NotTestable(too_few(left, "the share of those who never leave"))
    late, quickest = _last_quarter(rows)
    if not quickest:
        return NotTestable("Nobody left at an age at which fifty customers were at risk.")
    if late > PLATEAU * quickest:
        return NotTestable(
            f"In the last quarter of the {follow_up(rows):,.4g} {unit}s observed the chance of leaving is still "
            f"{late / quickest:.0%} of what it is in the quickest quarter; at most {PLATEAU:.0%} is asked for, because "
            "before the curve is level who leaves late cannot be told from who never leaves."
        )
    loss, n = _likelihood(rows), customers(rows)
    guess = [0.0, math.log(rows.loc[rows["left"], "time"].mean() + 1), 0.0]
    mixed = minimize(loss, guess, options={"gtol": 1e-7})
    plain = minimize(lambda law: loss(np.append(-np.inf, law)), guess[1:])
    centre, (scale, shape) = mixed.x[0], np.exp(mixed.x[1:]).tolist()
    variance = np.linalg.pinv(n * approx_hess(mixed.x, loss))[0, 0]
    if 2 * n * (plain.fun - mixed.fun) < BOUNDARY or not variance > 0:
        return NotTestable("A law by which everybody leaves in the end describes these stays as well.")
    if (to_come := math.exp(-((follow_up(rows) / scale) ** shape))) > STILL_TO_COME:
        return NotTestable(
            f"By the model {to_come:.0%} of those who leave at all are still there at the end, too many to be told "
            f"from those who never leave (at most {STILL_TO_COME:.0%} is asked for)."
        )

    def quantile(p: float) -> float:
        return float(expit(centre + NORMAL.inv_cdf(p) * math.sqrt(variance)))

    share = Estimate(float(expit(centre)), "share", n, quantile, "mixture cure model, normal on log odds", left)
    return NeverLeavers(share, scale, shape, scale * math.log(2) ** (1 / shape), to_come, -n * mixed.fun)


def _last_quarter(rows: pd.DataFrame) -> tuple[float, float]:
    """Cumulative hazard over the last quarter of the ages with 50 at risk, and over the quickest quarter."""
    table = risk_table(rows)
    hazard = np.append(0.0, np.cumsum(table.events / np.maximum(table.at_risk, 1)))
    ends = np.linspace(0, follow_up(rows), 5)
    quarters = np.diff(hazard[np.searchsorted(table.times, ends, side="right")])
    return float(quarters[-1]), float(quarters.max())


def _likelihood(rows: pd.DataFrame) -> Callable[[np.ndarray], float]:
    """Mean negative log-likelihood, given log odds of never leaving, log scale and log shape.

    Who left in the seventh month left between six and seven: taken as seven, short stays would seem too rare.
    """
    left, weight, entered = (rows[name].to_numpy() for name in ("left", "weight", "entered"))
    end = np.where(left, np.maximum(np.ceil(rows["time"]), 1), rows["time"])
    begin = np.maximum(end - 1, entered)

    def loss(law: np.ndarray) -> float:
        never, (scale, shape) = expit(law[0]), np.exp(law[1:])
        with np.errstate(over="ignore"):
            stay = [never + (1 - never) * np.exp(-((age / scale) ** shape)) for age in (begin, end, entered)]
        seen = np.where(left, stay[0] - stay[1], stay[1])
        return float(-weight @ (np.log(np.maximum(seen, 1e-300)) - np.log(stay[2])) / weight.sum())

    return loss
