"""The whole shape of a stay: which law of time fits, what makes stays longer, and how many customers never leave."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from analysis.estimates import NORMAL, Estimate, NotTestable
from analysis.hazards import designed
from analysis.lifetimes import customers, leavers, ungrouped
from analysis.retention import MIN_EVENTS, follow_up, risk_table, too_few
from analysis.words import quantity

# lifelines' fitter and its parameter that covariates stretch.
FAMILIES = {
    "Weibull": ("WeibullAFTFitter", "lambda_"),
    "log-normal": ("LogNormalAFTFitter", "mu_"),
    "log-logistic": ("LogLogisticAFTFitter", "alpha_"),
}
PLATEAU = 0.1  # departures in the last quarter over those in the quickest one, at most
STILL_TO_COME = 0.05  # of those who leave at all, the share that may still be there when the watching ends
BOUNDARY = (
    2.706  # a likelihood ratio above it has p below 0.05 where the share lies on the boundary: half of chi-squared
)


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
    fitted = {name: _fitted(partial(_accelerated, rows, name)) for name in FAMILIES}
    known = {name: fit for name, fit in fitted.items() if fit is not None}
    if not known:
        return NotTestable("No law of time could be fitted to these stays.")
    fits = pd.DataFrame([(name, fit.log_likelihood_, fit.AIC_) for name, fit in known.items()])
    fits = fits.set_axis(["family", "log_likelihood", "aic"], axis=1).sort_values("aic", ignore_index=True)
    best = str(fits["family"].iloc[0])
    found = known[best].summary.loc[FAMILIES[best][1]].loc[design.columns]
    table = design.told(found["coef"], found["se(coef)"], ratio="time_ratio")
    return AcceleratedModel(table, fits, leavers(design.rows), design.notes)


def _accelerated(rows: pd.DataFrame, family: str) -> Any:
    import lifelines

    fitter = getattr(lifelines, FAMILIES[family][0])()
    return fitter.fit(rows, "time", "left", weights_col="weight", entry_col="entered")


def _positive(lifetimes: pd.DataFrame) -> pd.DataFrame:
    """Rows without stays of no time, which laws of time do not know."""
    rows = lifetimes[(lifetimes["time"] > 0) | lifetimes["left"]]
    return rows.assign(time=rows["time"].where(rows["time"] > 0, 0.5))


def _fitted(fit: Callable[[], Any]) -> Any | None:
    """What a fit of lifelines gives, or None where its likelihood has no maximum."""
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    try:
        with warnings.catch_warnings():
            # On its way an optimiser may look at places where the likelihood overflows; where it ends is checked.
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.simplefilter("error", ConvergenceWarning)
            found = fit()
            settled = np.isfinite(found.summary[["coef", "se(coef)"]]).all(axis=None)
    except (ConvergenceError, ConvergenceWarning, ValueError, np.linalg.LinAlgError):
        return None
    return found if settled else None


# --- Those who never leave ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NeverLeavers:
    """A population of which a part never leaves, and the others leave after a Weibull law of time.

    Attributes:
        share: of customers who never leave.
        scale, shape: of the others' stays: the share S(t) = exp(-(t / scale) ** shape) of them stays beyond t.
        log_likelihood: of the counted rows.
        until: the last age with 50 customers at risk.
    """

    share: Estimate
    scale: float
    shape: float
    log_likelihood: float
    until: float

    @property
    def still_to_come(self) -> float:
        """Of those who leave at all, the share that is still there at `until`."""
        return math.exp(-((self.until / self.scale) ** self.shape))

    @property
    def median(self) -> float:
        """The age by which half of those who leave at all have left."""
        return self.scale * math.log(2) ** (1 / self.shape)


def never_leavers(lifetimes: pd.DataFrame, *, unit: str) -> NeverLeavers | NotTestable:
    """The share of customers who never leave (mixture cure model), where the curve was followed to a plateau.

    Without a plateau nobody can tell who leaves late from who never leaves. So the answer is refused unless the
    chance of leaving in the last quarter of the ages observed is at most a tenth of that in the quickest quarter, at
    most 1 in 20 of those who leave at all are still there by the model, and a model without such customers fits
    clearly worse.

    Args:
        lifetimes: distinct rows.
        unit: of time.

    Source: Farewell (1982), Biometrics 38; on following long enough, Maller & Zhou (1992), Biometrika 79.
    """
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
    found, plain = _fitted(partial(_alone, rows, mixture=True)), _fitted(partial(_alone, rows))
    if found is None or plain is None or 2 * (found.log_likelihood_ - plain.log_likelihood_) < BOUNDARY:
        return NotTestable("A law by which everybody leaves in the end describes these stays as well.")
    share, error = found.cured_fraction_, float(found.summary.loc["cured_fraction_", "se(coef)"])
    centre, spread = math.log(share / (1 - share)), error / (share * (1 - share))
    estimate = Estimate(
        float(share), "share", customers(rows), lambda p: float(expit(centre + NORMAL.inv_cdf(p) * spread)),
        "mixture cure model, normal on log odds", left,
    )  # fmt: skip
    cure = NeverLeavers(estimate, found.lambda_, found.rho_, float(found.log_likelihood_), follow_up(rows))
    if cure.still_to_come > STILL_TO_COME:
        return NotTestable(
            f"By the model {quantity(cure.still_to_come, 'share')} of those who leave at all are still there when the "
            f"watching ends, too many to be told from those who never leave (at most {STILL_TO_COME:.0%} is asked for)."
        )
    return cure


def _last_quarter(rows: pd.DataFrame) -> tuple[float, float]:
    """Cumulative hazard over the last quarter of the ages with 50 at risk, and over the quickest quarter."""
    table = risk_table(rows)
    hazard = np.append(0.0, np.cumsum(table.events / np.maximum(table.at_risk, 1)))
    ends = np.linspace(0, follow_up(rows), 5)
    quarters = np.diff(hazard[np.searchsorted(table.times, ends, side="right")])
    return float(quarters[-1]), float(quarters.max())


def _alone(rows: pd.DataFrame, *, mixture: bool = False) -> Any:
    """A Weibull law without covariates, of all customers or of those who leave at all."""
    from lifelines import MixtureCureFitter, WeibullFitter

    rows, fitter = _positive(rows), MixtureCureFitter(WeibullFitter()) if mixture else WeibullFitter()
    return fitter.fit(rows["time"], rows["left"], weights=rows["weight"], entry=rows["entered"])
