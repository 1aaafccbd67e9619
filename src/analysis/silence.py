"""Retention where nobody says goodbye: how a cohort's orders thin out over the years, as buying models foretell it."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pandas as pd

from analysis.buying import BGNBD, MBGNBD, WEEK, ParetoNBD, summarise
from analysis.customers import YEAR, Purchases
from analysis.estimates import Estimate, NotTestable, resampled, told
from analysis.fits import Fit, bootstrap, fit_buying
from analysis.holdout import cut, gain
from analysis.renewal import LONG, RetentionCurve

# The first leads: in it alone customers leave at their own time, however much they buy.
FAMILIES = (ParetoNBD, BGNBD, MBGNBD)
HELD_OUT = 0.5
# A fit costs many times what counting does; so many resamples place the ends of an interval well enough.
DRAWS = 250
NO_BETTER = (
    "The model foretells the second half of the log no better than a rule by which all go on at their own pace (gain "
    "{}), so it is not asked about years to come."
)


def order_curves(bought: Purchases, *, draws: int, seed: int) -> tuple[dict[str, RetentionCurve | NotTestable], str]:
    """The curve of each buying model that foretells the second half of the log better than everybody's own pace.

    Args:
        bought: the orders.
        draws: resamples of the customers, at most 250 for the curves.
        seed: of the random numbers.

    Returns:
        Model -> its curve or why it has none, the leading model first; and the gains of the models, in a sentence.
    """
    rows, earlier = summarise(bought), summarise(bought, until=cut(bought, share=HELD_OUT))
    few = {"draws": min(draws, DRAWS), "seed": seed}
    gains, curves = {}, {}
    for family in FAMILIES:
        fit = fit_buying(earlier, family)
        gained = fit if isinstance(fit, NotTestable) else gain(fit, earlier, draws=draws, seed=seed)
        refused = NotTestable(NO_BETTER.format(told(gained))) if isinstance(gained, Estimate) else gained
        better = isinstance(gained, Estimate) and gained.low > 0
        gains[family.NAME], curves[family.NAME] = gained, order_curve(rows, family, **few) if better else refused
    each = ", ".join(f"{name} {told(answer)}" for name, answer in gains.items())
    return curves, f"Share of a naive rule's squared error that each removes on the second half of the log: {each}."


def order_curve(
    rows: pd.DataFrame, family: Any, *, years: int = LONG, draws: int, seed: int
) -> RetentionCurve | NotTestable:
    """Expected repeat orders of a new customer's next year as a share of this year's, year by year of their life.

    Nothing of it is observed: silence may be a pause or the end, and the model says which is likelier. First orders
    are won and not kept; they stand beside the curve as `first`.

    Args:
        rows: distinct histories, in weeks.
        family: of the buying model.
        years: how many.
        draws: resamples of the customers, the model fitted anew in each.
        seed: of the random numbers.
    """
    if rows["observed"].max() < YEAR / WEEK:
        return NotTestable("Orders were seen for less than a year, which is too short for a rate by the year.")
    fit = fit_buying(rows, family)
    if isinstance(fit, NotTestable):
        return fit
    ends = np.arange(years + 2) * (YEAR / WEEK)

    def logs(some: pd.DataFrame, draws: int) -> np.ndarray:
        found = fit if some is rows else fit_buying(some, family)
        assert isinstance(found, Fit)
        return np.log([astuple(found.model), *bootstrap(found, some, draws=draws, seed=seed)])

    models = [fit.model, *(family(*line) for line in np.exp(resampled(rows, logs, draws=draws)[1:]))]
    orders = np.diff([model.newcomer(ends) for model in models])
    rates, first = orders[:, 1:] / orders[:, :-1], 1 / orders[:, 0]
    again = int(rows.loc[rows["repeats"] > 0, "weight"].sum())
    return RetentionCurve(rates[0], np.zeros(years, bool), rates[1:], fit.customers, again, first)
