"""One claim, several studies: what they say together, and what the next study may expect."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.estimates import NORMAL, Estimate

Entry = Mapping[str, Any]
RATIOS = ("ratio", "hazard ratio", "odds ratio")  # pooled on logarithms
FEWEST_TO_FORETELL = 3


@dataclass(frozen=True)
class Pool:
    """Several studies of one claim, as draws from all the studies there could be.

    Attributes:
        claim, text, unit: as the register has them.
        entries: the headline findings, one a study.
        together: the mean effect over studies.
        expected: where the true effect of a further study lies with 95% (low, high); None with fewer than three.
        apart: I squared, the share of the spread between estimates that is not chance.
    """

    claim: str
    text: str
    unit: str
    entries: tuple[Entry, ...]
    together: Estimate
    expected: tuple[float, float] | None
    apart: float


def pools(entries: Iterable[Entry]) -> list[Pool]:
    """Every claim that two studies or more answered with an estimate, real ones apart from simulated ones.

    Args:
        entries: of findings.json. Only headlines with a 95% interval count.
    """
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in entries:
        if entry["headline"] and _usable(entry):
            key = entry["hypothesis"], entry["unit"], entry.get("estimate_of"), bool(entry.get("simulated"))
            groups.setdefault(key, []).append(entry)
    return [pool(found) for found in groups.values() if len(found) > 1]


def _usable(entry: Entry) -> bool:
    ends = [entry[name] for name in ("estimate", "low", "high")]
    if None in ends or ends[1] >= ends[2]:
        return False
    return entry["unit"] not in RATIOS or min(ends) > 0


def pool(entries: list[Entry]) -> Pool:
    """Random effects: weights by chance and by the spread between studies, errors by Hartung, Knapp, Sidik and Jonkman.

    Source: Paule & Mandel (1982), Journal of Research of the National Bureau of Standards 87; IntHout, Ioannidis &
        Borm (2014), BMC Medical Research Methodology 14; Higgins, Thompson & Spiegelhalter (2009), Journal of the
        Royal Statistical Society A 172 (what a further study may expect).
    """
    from scipy.stats import t
    from statsmodels.stats.meta_analysis import combine_effects

    first, size = entries[0], len(entries)
    on_logs = first["unit"] in RATIOS
    scale = np.log if on_logs else np.asarray
    value, low, high = (scale([entry[name] for entry in entries]) for name in ("estimate", "low", "high"))
    variance = ((high - low) / (2 * NORMAL.inv_cdf(0.975))) ** 2
    with np.errstate(divide="ignore"):  # studies that agree to the last digit
        found = combine_effects(value, variance, method_re="iterated", use_t=True, atol=1e-10, maxiter=500)
    mean, between = float(found.mean_effect_re), max(0.0, float(found.tau2))
    # Studies that agree better than chance allows must not make the mean surer than chance does.
    error = max(float(found.sd_eff_w_re_hksj), float(found.sd_eff_w_re))
    back = math.exp if on_logs else float
    told = {"unit": first["unit"], "n": sum(entry["n"] or 0 for entry in entries)}
    together = Estimate(
        back(mean), quantile=lambda p: back(mean + t.ppf(p, size - 1) * error), method="random effects", **told
    )
    expected = None
    if size >= FEWEST_TO_FORETELL:
        reach = t.ppf(0.975, size - 2) * math.sqrt(between + error**2)
        expected = back(mean - reach), back(mean + reach)
    apart = max(0.0, float(found.i2))
    return Pool(first["hypothesis"], first["claim"], first["unit"], tuple(entries), together, expected, apart)
