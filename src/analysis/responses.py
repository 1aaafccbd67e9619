"""What one more unit of money would do: response curves from trials at several levels, and the best split (R14)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first used

from analysis.estimates import Answer, Estimate, bootstrapped, gated, need
from analysis.studies import Study
from analysis.words import listing

LEVELS, CASES = 3, 100  # of spending on a side; customers or prospects on each level
SIDES = {"acquisition_spend": "acquired", "retention_spend": "retained"}  # per head in a trial, and what came of it
SPLITS = np.linspace(0.005, 0.995, 397)  # shares of the budget that are tried
NEEDED = (
    "Response curves are needed: experiments with what was spent a head (acquisition_spend, retention_spend) at three "
    "levels or more, and what came of it (acquired, retained: 0 or 1), for either side."
)


class Curve(NamedTuple):
    """A response to spending: the share without any, what more can be reached at most, and how soon.

    `place` holds logit of the floor, logit of the ceiling above it as a share of the rest, and log of the rate;
    `covariance` is that of the three.
    """

    place: np.ndarray
    covariance: np.ndarray

    def at(self, spend: Any, place: np.ndarray | None = None) -> np.ndarray:
        """Share that responds to spending so much a head; a row for each row of `place`."""
        floor, rest, rate = np.moveaxis(np.atleast_2d(self.place if place is None else place)[..., None], 1, 0)
        low = scipy.special.expit(floor)
        return low + (1 - low) * scipy.special.expit(rest) * -np.expm1(-np.exp(rate) * np.asarray(spend, float))


@gated
def curve(spend: pd.Series, responded: pd.Series) -> Curve:
    """Fit floor + reach (1 - e^(-rate spend)) to trials at several levels of spending, by maximum likelihood.

    Without a floor this is the form of Blattberg & Deighton (1996), Harvard Business Review 74(4); a floor lets
    customers come or stay without any spending.

    Returns:
        The curve, or why the trials do not show one.
    """
    levels = responded.groupby(spend).agg(["size", "sum"])
    need(len(levels) >= LEVELS, f"Trials at {LEVELS} levels of spending are needed; there are {len(levels)}.")
    need(levels["size"].min() >= CASES, f"Each level needs {CASES} cases; the smallest has {levels['size'].min()}.")
    money, n, k = levels.index.to_numpy(float), levels["size"].to_numpy(float), levels["sum"].to_numpy(float)
    need(0 < k.sum() < n.sum(), "Everybody responded, or nobody.")
    scale = money.max()
    form = Curve(np.zeros(3), np.zeros((3, 3)))

    def away(place: np.ndarray) -> float:
        p = np.clip(form.at(money / scale, place)[0], 1e-12, 1 - 1e-12)
        return float(-(k * np.log(p) + (n - k) * np.log1p(-p)).sum()) + 1e-3 * float(place @ place)

    starts = [np.array([scipy.special.logit(np.clip(k[0] / n[0], 0.02, 0.98)), 0.0, rate]) for rate in (-1.0, 1.0, 2.5)]
    found = min((scipy.optimize.minimize(away, start, method="BFGS") for start in starts), key=lambda fit: fit.fun)
    step = 1e-5
    p = form.at(money / scale, found.x)[0]
    slopes = np.array([(form.at(money / scale, found.x + step * way)[0] - p) / step for way in np.eye(3)])
    information = (slopes * (n / (p * (1 - p)))) @ slopes.T + 2e-3 * np.eye(3)
    rise = scipy.stats.linregress(money, k / n).slope if len(levels) > 1 else 0.0
    need(rise > 0 and p[-1] - p[0] > 2 * np.sqrt(p[-1] * (1 - p[-1]) / n[-1]), "More spending did not bring more.")
    shift = np.array([0.0, 0.0, np.log(scale)])
    return Curve(found.x - shift, np.linalg.inv(information))


@gated
def overspent(study: Study, *, draws: int, seed: int) -> Answer:
    """Acquisition's share of the budget less the share that would leave the most customers at the period's end.

    Prospects addressed are those whom the curve needs for the customers who were won; customers at the start are
    those to be kept. All are taken to be worth the same, so that most customers is most value.

    Args:
        study: its finances and experiments.
        draws, seed: of the curves, within their errors.
    """
    columns = [*SIDES, "n_new", "n_active"]
    need(study.has("experiments"), NEEDED)
    trials = study.table("experiments").rows
    missing = [name for pair in SIDES.items() for name in pair if name not in trials.columns]
    need(not missing, f"{NEEDED} Missing: {listing(missing)}.")
    need(
        study.has("finances") and study.table("finances").has(*columns), f"Finances with {listing(columns)} are needed."
    )
    tried, curves = trials.select(*SIDES, *SIDES.values()).to_pandas().astype(float), {}
    for spend, came in SIDES.items():
        known = tried[[spend, came]].dropna()
        curves[spend] = curve(known[spend], known[came])
        need(isinstance(curves[spend], Curve), f"{spend}: {getattr(curves[spend], 'reason', '')}")
    books = study.table("finances").rows.select("period", *columns).to_pandas().dropna().sort_values("period")
    need(len(books) >= 2, "Two periods of the finances are needed, the first for the customers at the start.")
    last, start = books.iloc[-1].astype(float, errors="ignore"), float(books["n_active"].iloc[-2])
    win, keep = curves["acquisition_spend"], curves["retention_spend"]
    won, kept, new = float(last["acquisition_spend"]), float(last["retention_spend"]), float(last["n_new"])
    need(min(won, new, start) > 0 and kept >= 0, "Nothing was spent on winning customers, or nobody was won.")
    prospects = _prospects(win, won, new)

    def best(winning: np.ndarray, keeping: np.ndarray) -> np.ndarray:
        budget = won + kept
        left = prospects * win.at(SPLITS * budget / prospects, winning)
        left = left + start * keep.at((1 - SPLITS) * budget / start, keeping)
        return SPLITS[left.argmax(axis=-1)]

    random, share = np.random.default_rng(seed), won / (won + kept)
    drawn = best(*(random.multivariate_normal(each.place, each.covariance, draws) for each in (win, keep)))
    value = float(best(win.place, keep.place)[0])
    return bootstrapped(
        Estimate.from_draws,
        share - value,
        share - drawn,
        unit="points",
        n=len(tried),
        method="curves drawn within their errors",
    )


def _prospects(win: Curve, spent: float, new: float) -> float:
    """How many were addressed: so many that spending evenly on them wins as many as were won."""
    sizes = new * np.geomspace(1.001, 1e4, 4000)
    won = sizes * win.at(spent / sizes)[0]
    need((won >= new).any(), "The trials won so few that the customers who were won cannot come from this spending.")
    return float(sizes[np.argmax(won >= new)])
