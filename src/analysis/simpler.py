"""Simpler and freer explanations beside a surface: what each foretells, and what a difference alone loses."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.estimates import NORMAL, Answer, Estimate, NotTestable, columns
from analysis.regressions import gains
from analysis.surfaces import DIFFERENCE, PLANES, SURFACE, Fit, Surface, fit_of


def models(surface: Surface) -> dict[str, np.ndarray]:
    """Name -> design of the surface and its special cases; the ratio only where the scale begins above 0."""
    p, e = surface.cells[["p", "e"]].to_numpy().T
    gap, short, middle = p - e, (p < e).astype(float), sum(surface.scale) / 2 / surface.spread
    found = {
        "perception": [p, p * p],
        "perception, straight": [p],
        "both, straight": [p, e],
        DIFFERENCE: [gap],
        "squared difference": [gap**2],
        "rising ridge": [p + e, gap**2],
        SURFACE: [p, e, p * p, p * e, e * e],
        "absolute difference": [np.abs(gap)],
        PLANES: [p, e, short, short * p, short * e],
    } | ({"ratio": [(p + middle) / (e + middle)]} if surface.scale[0] > 0 else {})
    return {name: np.column_stack([np.ones_like(p), *terms]) for name, terms in found.items()}


def gains_of(cells: pd.DataFrame, designs: Mapping[str, np.ndarray], kind: str, seed: int) -> dict[str, Answer]:
    """R squared (or share of the deviance) on answers left out, of the first design, and what each other one adds."""
    if kind == "ordered":
        return dict.fromkeys(designs, NotTestable("Forecasts of an ordered outcome are not compared."))
    many = cells["weight"].to_numpy()
    outcome, each = (np.repeat(cells[name].to_numpy(float), many) for name in ("z", "each"))
    told = {name: np.repeat(x[:, 1:], many, axis=0) for name, x in designs.items()}
    return gains(outcome, told, weight=each, chance=kind == "binary", seed=seed)


def gain(surface: Surface, *, of: str, over: str, seed: int) -> Answer:
    """How much better one of `models` foretells the outcome of answers left out than another: gain in R squared."""
    designs = models(surface)
    if missing := {of, over} - set(designs):
        return NotTestable(f"The {missing.pop()} needs a scale that begins above 0.")
    return gains_of(surface.cells, {over: designs[over], of: designs[of]}, surface.kind, seed)[of]


def lost(surface: Surface) -> Estimate:
    """R squared (share of the deviance) that the surface loses when it is forced to be the signed difference alone.

    What is lost by chance is taken off. A loss cannot be below 0, so its interval is that of a noncentral chi-squared.
    Source: Sankaran (1963), Biometrika 50, for the square root that makes it normal.
    """
    designs = models(surface)
    free, forced = (fit_of(designs[name], surface.cells, surface.kind) for name in (SURFACE, DIFFERENCE))
    assert isinstance(free, Fit)  # or there were no surface
    assert isinstance(forced, Fit)
    wald, df = _forced(free, designs[SURFACE], designs[DIFFERENCE])
    each, half = (free.explained - forced.explained) / wald, (df - 1) / 2
    root = math.sqrt(max(wald - half, 0))

    def quantile(p: float) -> float:
        return each * max(max(root + NORMAL.inv_cdf(p), 0) ** 2 - half, 0)

    return Estimate(each * max(wald - df, 0), "gain", free.n, quantile, "noncentral chi-squared, robust errors")


def _forced(fit: Fit, wide: np.ndarray, narrow: np.ndarray) -> tuple[float, int]:
    """Wald's chi-squared and degrees of freedom for what makes a design of another; 0 and 0 if nothing does."""
    within = np.linalg.lstsq(wide, narrow)[0]
    if wide.shape == narrow.shape or not np.allclose(wide @ within, narrow):
        return 0.0, 0
    held = fit.moved(np.linalg.svd(within)[0][:, narrow.shape[1] :].T)
    return float(held.slopes @ np.linalg.solve(held.covariance, held.slopes)), len(held.slopes)


def compare(surface: Surface, *, seed: int) -> pd.DataFrame:
    """The surface and its special cases side by side.

    Returns:
        One row a model that these answers can tell: model, slopes (how many), r_squared (or share of the deviance), aic
        (difference from the best), gain with low and high (R squared on answers left out, beyond that of the first
        model, whose own stands there), and for a special case within (of which model), f, df and p: whether what it
        forces can be (Wald, robust).
    """
    from scipy.special import fdtrc

    tried = {name: (x, fit_of(x, surface.cells, surface.kind)) for name, x in models(surface).items()}
    fits = {name: (x, fit) for name, (x, fit) in tried.items() if isinstance(fit, Fit)}
    added = gains_of(surface.cells, {name: x for name, (x, _) in fits.items()}, surface.kind, seed)
    rows, best = [], min(fit.aic for _, fit in fits.values())
    for name, (x, fit) in fits.items():
        row = {"model": name, "slopes": len(fit.slopes) - 1, "r_squared": fit.explained, "aic": fit.aic - best}
        row |= {"gain" if part == "value" else part: columns(added[name])[part] for part in ("value", "low", "high")}
        for wider in [wider for wider in (PLANES, SURFACE) if wider in fits]:
            wald, df = _forced(fits[wider][1], fits[wider][0], x)
            if df:
                row |= {"within": wider, "f": wald / df, "df": df, "p": fdtrc(df, fits[wider][1].df, wald / df)}
        rows.append(row)
    return pd.DataFrame(rows)
