"""Expectation against experience: a surface over both instead of their difference (S04, S05, E05, E06, V06).

The outcome is Z = b0 + b1 P + b2 E + b3 P² + b4 PE + b5 E², P what was perceived and E what was expected. Both are
centred at the middle of their answer scale and divided by one common standard deviation, Z by its own, and these are
taken as known: slopes read as standard deviations of the outcome. A difference P - E is the special case b1 = -b2 with
no curve, which is thus tested instead of assumed.

Answers that agree in everything are counted and fitted once, so a million of them cost little more than a thousand.

Sources: Edwards & Parry (1993), Academy of Management Journal 36; Edwards (2002), in Drasgow & Schmitt, Measuring and
Analyzing Behavior in Organizations; Shanock and others (2010), Journal of Business and Psychology 25.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NotRequired, TypedDict, Unpack

import numpy as np
import pandas as pd

from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, gated, need, needed
from analysis.lifetimes import recount
from analysis.retention import resamples
from analysis.tables import TableError
from analysis.unreliability import Noise, calibrated, simulated, terms
from analysis.words import count, plural

FEWEST, LEVELS = 100, 11  # answers in all; different answers of an ordered outcome
MATCHED = 0.5  # standard deviations by which experience and expectation may differ and still agree
NAMES = {"p": "perception", "e": "expectation", "z": "outcome", "a": "adequate level", "d": "desired level"}

# a1 to a5: slope and curve where experience equals expectation, the same where it replaces it, and the ridge's turn.
ALONG = np.array(
    [[0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [0, 1, -1, 0, 0, 0], [0, 0, 0, 1, -1, 1], [0, 0, 0, 1, 0, -1]]
)

SURFACE, PLANES, DIFFERENCE = "full surface", "two planes", "signed difference"


class Settings(TypedDict):
    """How answers are read: ends of the answer scale; columns of survey weights, and of groups whose answers hang
    together (errors and resamples are then by group); answers below which nothing is said.
    """

    scale: tuple[float, float]
    weight: NotRequired[str | None]
    cluster: NotRequired[str | None]
    at_least: NotRequired[int]


# --- Answers --------------------------------------------------------------------------------------------------------


@gated
def distinct(table: pd.DataFrame, scores: Mapping[str, str], **settings: Unpack[Settings]) -> Any:
    """Distinct answers: a column a score, each (survey weight, 1 on average), weight (answers) and, if any, cluster."""
    (low, high), weight, cluster = settings["scale"], settings.get("weight"), settings.get("cluster")
    rows = pd.DataFrame({name: _numbers(table, column) for name, column in scores.items()})
    for name in rows.columns.drop("z"):
        _refuse(~rows[name].between(low, high), scores[name], f"outside {low:g} to {high:g}")
    rows["each"] = _numbers(table, weight) if weight else 1.0
    _refuse(rows["each"] <= 0, str(weight), "not above 0, as a survey weight must be")
    if cluster:
        _refuse(table[cluster].isna(), cluster, "without a group")
        rows["cluster"] = pd.factorize(table[cluster])[0]
    if {"a", "d"} <= set(scores):
        rows = rows[rows["a"] <= rows["d"]]  # the others have no zone
    rows["each"] /= rows["each"].mean()
    least = settings.get("at_least", FEWEST)
    few = f"{plural(len(rows), 'customer')} gave answers that count; at least {least} are needed."
    need(len(rows) >= least, few)
    for name in scores:
        said = f"Everybody's {NAMES[name]} is {rows[name].iloc[0]:g}"
        need(rows[name].nunique() > 1, f"{said}: what does not vary explains nothing and cannot be explained.")
    return recount(rows.assign(weight=1), rows.columns.tolist())


def _numbers(table: pd.DataFrame, column: str) -> np.ndarray:
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(float)
    _refuse(pd.Series(~np.isfinite(values)), column, "without a number")
    return values


def _refuse(wrong: pd.Series, column: str, what: str) -> None:
    if wrong.any():
        said = f"answers, column {column!r}: {plural(int(wrong.sum()), 'row')} of {count(len(wrong))} {what}. "
        raise TableError(f"{said}First: row {int(np.argmax(wrong)) + 1}. Correct them, or leave them out and say so.")


def share_of(cells: pd.DataFrame) -> np.ndarray:
    """What the answers of each cell weigh together."""
    return (cells["each"] * cells["weight"]).to_numpy(float)


# --- Fits -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """Slopes with their robust covariance (HC3, or by clusters).

    Attributes:
        slopes, covariance: one a column of the design.
        explained: share of the variance (of the deviance, for a latent outcome) that the fit accounts for.
        aic: Akaike's criterion, up to a constant that all models of one outcome share.
        n, df: answers, and degrees of freedom of the errors.
    """

    slopes: np.ndarray
    covariance: np.ndarray
    explained: float
    aic: float
    n: int
    df: int

    def mix(self, weights: Sequence[float] | np.ndarray, unit: str = "slope") -> Estimate:
        """A sum of slopes, each times its weight."""
        from scipy.special import stdtrit

        value, error = float(np.dot(weights, self.slopes)), math.sqrt(weights @ self.covariance @ np.array(weights))
        return Estimate(value, unit, self.n, lambda p: value + float(stdtrit(self.df, p)) * error, "robust errors")

    def moved(self, by: np.ndarray) -> Fit:
        """The fit whose slopes are a linear map of these."""
        return replace(self, slopes=by @ self.slopes, covariance=by @ self.covariance @ by.T)

    def freed(self, drawn: np.ndarray, noise: Noise) -> Fit | NotTestable:
        """The fit with slopes freed of noise, the first ones drawn, and their spread in resamples, the others."""
        possible = np.isfinite(drawn).all(axis=1)
        if not possible[0]:
            return noise.impossible
        if possible.mean() < 0.95:
            return NotTestable("Scores with so much error leave no interval: many resamples of them could not be.")
        return replace(self, slopes=drawn[0], covariance=np.cov(drawn[1:][possible[1:]].T))


def fit_of(x: np.ndarray, cells: pd.DataFrame, kind: str = "mean") -> Fit | NotTestable:
    """The outcome in the cells (of a kind as `fit_surface` has it) on the columns of x."""
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return NotTestable(f"The answers differ too little to tell {x.shape[1]} numbers from them.")
    return _least_squares(x, cells) if kind == "mean" else _proportional_odds(x, cells)


def _least_squares(x: np.ndarray, cells: pd.DataFrame) -> Fit:
    share, each, z = share_of(cells), cells["each"].to_numpy(), cells["z"].to_numpy(float)
    bread = np.linalg.inv((x.T * share) @ x)
    slopes = bread @ ((x.T * share) @ z)
    missed, leverage = z - x @ slopes, each * np.einsum("ci,ij,cj->c", x, bread, x)
    total = float(share @ (z - np.average(z, weights=share)) ** 2)
    explained = 1 - float(share @ missed**2) / total if total else 0.0
    if "cluster" not in cells:
        missed = missed / np.maximum(1 - leverage, 1e-9)  # HC3; a leverage of 1 goes with nothing missed
    aic = cells["weight"].sum() * math.log(max(1 - explained, 1e-300)) + 2 * len(slopes)
    return _robust(slopes, bread, x * (each * missed)[:, None], cells, (explained, aic))


def _robust(
    slopes: np.ndarray, bread: np.ndarray, scores: np.ndarray, cells: pd.DataFrame, quality: tuple[float, float]
) -> Fit:
    """The sandwich over answers; clusters are added up first and get the usual factor for being few."""
    weight, n = cells["weight"].to_numpy(float), int(cells["weight"].sum())
    df, factor = n - len(slopes), 1.0
    if "cluster" in cells:
        scores = _summed(scores, cells)
        weight, df, factor = np.ones(len(scores)), len(scores) - 1, len(scores) / (len(scores) - 1) * (n - 1) / df
    return Fit(slopes, factor * bread @ (scores.T * weight) @ scores @ bread, *quality, n, df)


def _summed(values: np.ndarray, cells: pd.DataFrame) -> np.ndarray:
    """Sums over the answers of each cluster."""
    return pd.DataFrame(values * cells[["weight"]].to_numpy()).groupby(cells["cluster"].to_numpy()).sum().to_numpy()


def _proportional_odds(x: np.ndarray, cells: pd.DataFrame) -> Fit | NotTestable:
    """Cumulative logit by Newton's method; of two levels it is logistic regression. The middle cut gives b0."""
    levels, level = np.unique(cells["z"], return_inverse=True)
    cuts, step, share = len(levels) - 1, np.eye(len(levels))[level], share_of(cells)
    if cuts >= LEVELS:
        return NotTestable(f"The outcome has {cuts + 1} different values; an ordered one may have {LEVELS}.")
    sides = np.hstack([step[:, :-1], -x[:, 1:]]), np.hstack([step[:, 1:], -x[:, 1:]])

    def at(place: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        upper, lower = (1 / (1 + np.exp(-np.clip(side @ place, -700, 700))) for side in sides)
        ends = np.where(level == cuts, 1.0, upper), np.where(level == 0, 0.0, lower)
        chance = np.maximum(ends[0] - ends[1], 1e-300)
        turns = [sign * end * (1 - end) / chance for sign, end in zip((1, -1), ends, strict=True)]
        scores = sum(side * turn[:, None] for side, turn in zip(sides, turns, strict=True))
        bends = [turn * (1 - 2 * end) * share for turn, end in zip(turns, ends, strict=True)]
        curve = sum((side.T * bend) @ side for side, bend in zip(sides, bends, strict=True))
        return float(share @ np.log(chance)), scores, (scores.T * share) @ scores - curve

    reached = np.bincount(level, share).cumsum()[:-1] / share.sum()
    place = np.append(np.log(reached / (1 - reached)), np.zeros(x.shape[1] - 1))
    empty = value = at(place)[0]
    for _ in range(50):
        _, scores, curve = at(place)
        move = np.linalg.solve(curve, scores.T @ share)
        while at(place + move)[0] < value - 1e-9 * abs(value):
            move = move / 2
        place, value = place + move, at(place + move)[0]
        if np.abs(place).max() > 30:
            break
        if np.abs(move).max() < 1e-9:
            quality = 1 - value / empty, 2 * len(place) - 2 * value
            fit = _robust(place, np.linalg.inv(curve), scores * cells[["each"]].to_numpy(), cells, quality)
            kept = np.eye(len(place))[[(cuts - 1) // 2, *range(cuts, len(place))]]
            return fit.moved(kept * np.where(np.arange(x.shape[1]) == 0, -1, 1)[:, None])
    return NotTestable("Some answers can be foretold without fail, so the slopes have no end.")


# --- The surface ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Surface:
    """A fitted surface.

    Attributes:
        cells: distinct answers, p, e and (unless latent) z as in the module's formula.
        kind: mean, ordered or binary; slopes of the last two are log-odds of a higher answer.
        scale, spread: ends of the answer scale of perception and expectation, one standard deviation in its points.
        outcome: mean and standard deviation of the outcome in its own points (0 and 1 for a latent one).
        full, plane: fits of b0 to b5, and of b0 to b2 without curves, from which claims about slopes are read.
        noise: in perception and expectation, corrected for; None where nothing was.
    """

    cells: pd.DataFrame
    kind: str
    scale: tuple[float, float]
    spread: float
    outcome: tuple[float, float]
    full: Fit
    plane: Fit
    noise: Noise | None = None

    @property
    def along(self) -> dict[str, Estimate]:
        """a1 and a2 (slope and curve where experience equals expectation), a3 and a4 (where it replaces it), a5."""
        return {f"a{place}": self.full.mix(weights) for place, weights in enumerate(ALONG, 1)}

    @property
    def straight(self) -> dict[str, Estimate]:
        """Slopes on perception and on expectation, the other held fixed, and their sum (0 if equal and opposite)."""
        ways = {"perception": [0, 1, 0], "expectation": [0, 0, 1], "opposite": [0, 1, 1]}
        return {name: self.plane.mix(weights) for name, weights in ways.items()}

    def grid(self, steps: int = 91) -> pd.DataFrame:
        """The fitted outcome over the scale: perception, expectation, value (points, a share, or log-odds)."""
        axis = np.linspace(*self.scale, steps)
        p, e = (side.ravel() for side in np.meshgrid(axis, axis))
        value = terms(*(np.stack([p, e]) - sum(self.scale) / 2) / self.spread) @ self.full.slopes
        value = 1 / (1 + np.exp(-value)) if self.kind == "binary" else self.outcome[0] + self.outcome[1] * value
        return pd.DataFrame({"perception": p, "expectation": e, "value": value})

    def pairs(self) -> pd.DataFrame:
        """The pairs that were answered: perception, expectation (points of the scale), n (answers)."""
        found = self.cells.groupby(["p", "e"], as_index=False)["weight"].sum()
        points = (found[["p", "e"]] * self.spread + sum(self.scale) / 2).round(6)
        return points.set_axis(["perception", "expectation"], axis=1).assign(n=found["weight"])


@gated
def fit_surface(
    table: pd.DataFrame,
    *,
    outcome: str,
    expectation: str,
    perception: str,
    kind: str = "mean",
    sides: float = 0.10,
    **settings: Unpack[Settings],
) -> Any:
    """Fit the surface of an outcome over perception and expectation.

    Args:
        table: one row an answer; no answer may be missing.
        outcome, expectation, perception: columns with the scores, the last two on the same scale.
        kind: "mean" (least squares), "ordered" (proportional odds, at most 11 answers) or "binary" (logistic).
        sides: share of the answers needed on either side of expectation; 0 where no claim about both is made.
        settings: scale of perception and expectation, weight, cluster, at_least.

    Returns:
        The surface, or why there is none.

    Raises:
        TableError: an answer is missing, no number or outside the scale.
    """
    cells = needed(distinct(table, {"p": perception, "e": expectation, "z": outcome}, **settings))
    different = cells["z"].nunique()
    need(kind != "binary" or different < 3, f"The outcome has {different} different values; a yes or no has two.")
    share = share_of(cells)
    for told, side in {"above": cells["p"] > cells["e"], "below": cells["p"] < cells["e"]}.items():
        held = np.average(side, weights=share)
        said = f"Perception lies {told} expectation in {held:.1%} of the answers"
        need(held >= sides, f"{said}; to tell what either side does, {sides:.0%} must lie on each.")
    spread, scale = math.sqrt(np.mean([spread_of(cells[name], share)[1] ** 2 for name in "pe"])), settings["scale"]
    outcome_points = spread_of(cells["z"], share) if kind == "mean" else (0.0, 1.0)
    cells = cells.assign(**{name: (cells[name] - sum(scale) / 2) / spread for name in "pe"})
    cells["z"] = (cells["z"] - outcome_points[0]) / outcome_points[1]
    x = terms(*cells[["p", "e"]].to_numpy().T)
    full, plane = needed(fit_of(x, cells, kind)), needed(fit_of(x[:, :3], cells, kind))
    return Surface(cells, kind, scale, spread, outcome_points, full, plane)


def spread_of(values: pd.Series, share: np.ndarray) -> tuple[float, float]:
    """Weighted mean and standard deviation."""
    middle = np.average(values, weights=share)
    return float(middle), math.sqrt(np.average((values - middle) ** 2, weights=share))


def discrepancies(surface: Surface) -> dict[str, Estimate]:
    """Shares of answers above expectation, below it, and about equal to it (within half a standard deviation)."""
    gap, one = surface.cells["p"] - surface.cells["e"], np.ones((len(surface.cells), 1))
    sides = {"exceeded": gap > MATCHED, "missed": gap < -MATCHED, "matched": gap.abs() <= MATCHED}
    found = {}
    for name, side in sides.items():
        fit = _least_squares(one, surface.cells.assign(z=side.astype(float)))
        share, n = float(fit.slopes[0]), float(fit.n)
        if 0 < share < 1:
            n = share * (1 - share) / float(fit.covariance[0, 0])  # equal answers that would tell as much
        found[name] = replace(Estimate.proportion(round(share * n), round(n)), value=share, n=fit.n, events=None)
    return found


def asymmetry(surface: Surface) -> dict[str, Answer]:
    """Slopes on the surplus over and the shortfall below expectation, at an equal level of the two taken together.

    Returns:
        exceeded, missed, and asymmetry: how much more a shortfall takes away than a surplus adds. The curvature a4 of
        the surface is the primary reading: this kink gives experience and expectation equal weights.
    """
    p, e = (surface.cells[name].to_numpy() for name in "pe")
    x = np.column_stack([np.ones_like(p), p + e, np.maximum(p - e, 0), np.maximum(e - p, 0)])
    fit = fit_of(x, surface.cells, surface.kind)
    ways = {"exceeded": [0, 0, 1, 0], "missed": [0, 0, 0, 1], "asymmetry": [0, 0, -1, -1]}
    return {name: fit if isinstance(fit, NotTestable) else fit.mix(weights) for name, weights in ways.items()}


# --- Resampling -----------------------------------------------------------------------------------------------------


def shape(slopes: Any) -> dict[str, np.ndarray]:
    """a1 to a5, the stationary point (x0, y0) and the principal axes (slopes p11, p21; intercepts p10, p20).

    Args:
        slopes: b0 to b5 on the last axis.
    """
    _, p, e, pp, pe, ee = np.moveaxis(np.asarray(slopes, float), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        bend, turn = 4 * pp * ee - pe**2, np.hypot(pp - ee, pe)
        x0, y0 = (e * pe - 2 * p * ee) / bend, (p * pe - 2 * e * pp) / bend
        first, second = (ee - pp + turn) / pe, (ee - pp - turn) / pe
        points = {"x0": x0, "y0": y0, "p11": first, "p10": y0 - first * x0, "p21": second, "p20": y0 - second * x0}
    return {f"a{place}": np.asarray(slopes) @ weights for place, weights in enumerate(ALONG, 1)} | points


def sums_of(products: np.ndarray, cells: pd.DataFrame, *, draws: int, seed: int) -> np.ndarray:
    """Sums of products of the answers, and then of resamples of them (or of the clusters)."""
    shape, counted = products.shape[1:], cells
    products = products.reshape(len(cells), -1) * cells[["each"]].to_numpy()
    whole = cells["weight"].to_numpy() @ products
    if "cluster" in cells:
        products = _summed(products, cells)
        counted = pd.DataFrame({"weight": np.ones(len(products), int)})
    drawn = [block @ products for block in resamples(counted, draws=draws, seed=seed)]
    return np.concatenate([whole[None], *drawn]).reshape(-1, *shape)


def solve(sums: np.ndarray) -> np.ndarray:
    """Slopes from sums of products, many at once; missing where they cannot be had."""
    left, right = sums[..., :-1, :-1], sums[..., :-1, -1:]
    size = np.linalg.eigvalsh(left)
    dull = (size[..., 0] <= 1e-14 * size[..., -1])[..., None, None]
    return np.where(dull, np.nan, np.linalg.solve(np.where(dull, np.eye(left.shape[-1]), left), right))[..., 0]


def resampled(surface: Surface, *, draws: int = 1000, seed: int) -> np.ndarray:
    """b0 to b5 in resamples of the answers, shape (draws, 6); of a latent outcome, from their normal law."""
    if surface.kind != "mean":
        law = surface.full.slopes, surface.full.covariance
        return np.random.default_rng(seed).multivariate_normal(*law, size=draws)
    return _drawn(surface, draws=draws, seed=seed)[0][1:]


def _drawn(surface: Surface, *, draws: int, seed: int) -> list[np.ndarray]:
    """Slopes with and without curves, freed of noise; of the answers, and then of resamples."""
    scores, noise, flat = surface.cells[["p", "e"]].to_numpy(), surface.noise, [0, 1, 2, 6]
    seen = np.cov(scores.T, aweights=share_of(surface.cells), ddof=0)
    errors = noise.covariance(seen) if noise and noise.simulated else None
    products = simulated(terms, scores, surface.cells["z"].to_numpy(float), errors, seed)
    sums = sums_of(products, surface.cells, draws=draws, seed=seed)
    found = [solve(sums), solve(sums[:, flat][:, :, flat])]
    if noise and not noise.simulated:
        back = calibrated(sums, noise)
        found = [np.einsum("dij,dj->di", back[:, : each.shape[1], : each.shape[1]], each) for each in found]
    return found


def turning_points(surface: Surface, *, draws: int = 1000, seed: int) -> dict[str, Answer]:
    """Stationary point and principal axes with bootstrap intervals, in standard deviations from mid-scale.

    They are ratios: where the surface hardly bends, their intervals are as wide as they should be.
    """
    value, drawn = shape(surface.full.slopes), shape(resampled(surface, draws=draws, seed=seed))
    return {
        name: bootstrapped(Estimate.from_draws, float(value[name]), drawn[name], unit="slope", n=surface.full.n)
        for name in ("x0", "y0", "p11", "p10", "p21", "p20")
    }


# --- Unreliable scores ----------------------------------------------------------------------------------------------


@gated
def corrected(
    surface: Surface,
    *,
    perception: float,
    expectation: float,
    together: float = 0.0,
    simulate: bool = False,
    draws: int = 199,
    seed: int = 0,
) -> Any:
    """The surface over true scores, where the answers measure them with known reliability.

    Slopes stay for one standard deviation of the answers.

    Args:
        surface: fitted to the answers as they are.
        perception, expectation: reliability of either score: the share of its variance that is no error.
        together: correlation of the two errors.
        simulate: by simulation instead of calibration (see `unreliability`); for a mean alone.
        draws, seed: of the resamples behind the errors, in which calibration is reckoned anew (of a latent outcome it
            is taken as known).
    """
    noise, fits = Noise((perception, expectation), together, simulate), (surface.full, surface.plane)
    if max(noise.reliability) > 1:
        return noise.impossible
    surface = replace(surface, noise=noise)
    if surface.kind != "mean":
        need(not simulate, "Only a mean can be freed of noise by simulation.")
        v = terms(*surface.cells[["p", "e"]].to_numpy().T)
        back = calibrated((v.T * share_of(surface.cells)) @ v, noise)
        full, plane = (fit.moved(back[: len(fit.slopes), : len(fit.slopes)]) for fit in fits)
        return replace(surface, full=full, plane=plane) if np.isfinite(back).all() else noise.impossible
    drawn = _drawn(surface, draws=draws, seed=seed)
    full, plane = (needed(fit.freed(each, noise)) for fit, each in zip(fits, drawn, strict=True))
    return replace(surface, full=full, plane=plane)
