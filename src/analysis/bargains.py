"""What makes value: what customers get and give, the firm's name, the weakest part, rank among rivals (V01 to V08)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import estimates, figures, hypotheses
from analysis.antecedents import logged_before
from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, columns, gated, need, needed, told
from analysis.exhibits import Figure, Text, instead, say
from analysis.factors import FactorModel, fit_factors, general, parallel, pattern_of
from analysis.hypotheses.rules import SUPPORTED
from analysis.motives import AS_ANSWERED, FREED, gathered, parts, suited
from analysis.regressions import correlations, explained, gains, slopes
from analysis.scales import FEWEST, Answers, Moments, correlation, moments, ratio
from analysis.simpler import gain
from analysis.surfaces import DIFFERENCE, SURFACE, Surface, fit_surface
from analysis.words import listing, plural, spoken

if TYPE_CHECKING:
    from analysis.studies import Study

TRIAD = ["product", "service", "price"]
ITEMS = 6  # quality items at least, and
GROUP = 2  # items at least in each group of them
ONE = 0.90  # a heterotrait-monotrait ratio that may reach it is flagged: the two may be one
GROUPED, SIMULATED = "groups found in half of the customers", "simulated without a weak link"
BEFORE = "value_before"  # value as answered a wave before
RATIO, STRAIGHT = "ratio", "both, straight"


# --- What it looks like ---------------------------------------------------------------------------------------------


@instead("What goes with value cannot be shown. {}")
def companions(found: Answers, *, draws: int, seed: int) -> Figure | Text:
    """How closely each rated side of the firm goes with perceived value."""
    names = suited(found, outcome="value")[0]
    made = needed(found.lacks("value") or gathered(found, ["value", *names], draws=draws, seed=seed))
    need(names, "Nothing else was rated.")
    each = [{"label": spoken(n), **columns(r)} for n, r in correlations(made, "value", names).items()]
    table = pd.DataFrame(each).sort_values("value", ascending=False, key=abs)
    return figures.dots(
        table.drop(columns="note"),
        name="companions",
        title=f"Of all that was rated, {table['label'].iloc[0]} goes most closely with value",
        unit="correlation",
        x_label="Correlation with perceived value",
        reference=0.0,
        reference_label="not at all",
        caption=f"{plural(made.n, 'questionnaire')} that answer all of it; 95% intervals, customers resampled.",
    )


@instead("The sides of quality cannot be shown. {}")
def lines_of_quality(found: Answers) -> Figure | Text:
    """How much each dimension of the quality questions holds, beside unrelated questions of the same number."""
    made = needed(_quality(found, draws=1, seed=0))
    horn = parallel(made, effective=estimates.effective_size(found.weight))
    at = np.arange(1, len(made.names) + 1)
    lines = {"these answers": horn["seen"], "unrelated questions": horn["chance"]}
    many = plural(horn["count"], "dimension")
    return figures.sweep(
        pd.concat([pd.DataFrame({"line": name, "x": at, "y": held}) for name, held in lines.items()]),
        name="lines-of-quality",
        title=f"The quality questions span {many} that chance does not explain",
        x_label="Dimension, largest first",
        x_unit="count",
        y_label="Questions' worth of differences that it holds",
        y_unit="ratio",
        caption=f"{plural(made.n, 'questionnaire')}; of unrelated questions the 95th percentile (parallel analysis).",
    )


@instead("Benefit and sacrifice cannot be weighed. {}")
def shapes(surface: Surface, *, seed: int) -> Figure | Text:
    """How well each way of weighing benefit against sacrifice foretells value."""
    ways = {DIFFERENCE: "benefit less sacrifice", RATIO: "benefit divided by sacrifice"}
    ways |= {STRAIGHT: "each with a weight of its own", SURFACE: "any smooth shape"}
    table = pd.DataFrame(
        [{"label": words, **columns(gain(surface, of=way, over=way, seed=seed))} for way, words in ways.items()]
    )
    best = str(table["label"][int(np.nanargmax(table["value"]))])
    return figures.dots(
        table,
        name="shapes",
        title=f"Value is foretold best by {best}"
        if best != table["label"][3]
        else "A freer shape foretells value best",
        unit="gain",
        x_label="Share of the differences in value that is foretold, out of sample",
        caption=f"{plural(surface.full.n, 'questionnaire')}; fitted to nine tenths and tried on the last, five times "
        "over. Benefit is rated quality; sacrifice is an unfair price and effort, half and half.",
    )


# --- Claims ---------------------------------------------------------------------------------------------------------


@gated
def latent(found: Answers, constructs: Sequence[str], *, refits: int, seed: int) -> Any:
    """Correlations of constructs freed of measurement error: a factor each, fitted anew in every resample."""
    needed(found.lacks(*constructs) or found)
    sizes = [len(found.constructs[name]) for name in constructs]
    need(min(sizes) >= GROUP, "Measurement error can be told only of constructs with two questions or more.")
    items = [item for name in constructs for item in found.constructs[name]]
    made = needed(moments(found.items[items], weight=found.weight, draws=refits, seed=seed))
    fits = _fits(made, pattern_of(sizes))
    needed(fits[0])
    none = np.full((len(sizes), len(sizes)), np.nan)
    between = np.array([fit.covariances[0] if isinstance(fit, FactorModel) else none for fit in fits])
    zero = np.zeros((len(fits), len(sizes)))
    return Moments(tuple(constructs), made.n, zero[0], between[0], zero[1:], between[1:])


def _fits(made: Moments, pattern: np.ndarray) -> list[FactorModel | NotTestable]:
    return [fit_factors(each, pattern, n=[made.n]) for each in (made.covariance, *made.drawn)]


def triad(found: Answers, *, draws: int, refits: int, seed: int) -> dict[str, dict[str, Answer] | NotTestable]:
    """Readings of V01: slopes of value on product, service and price, and what the three explain."""
    names = ["value", *TRIAD]
    made = {
        AS_ANSWERED: found.lacks(*names) or gathered(found, names, draws=draws, seed=seed),
        FREED: latent(found, names, refits=refits, seed=seed),
    }
    return {name: _three(each) for name, each in made.items()}


@gated
def _three(made: Moments | NotTestable) -> Any:
    return slopes(needed(made), "value", TRIAD) | {"together": explained(needed(made), "value", TRIAD)}


@gated
def _quality(found: Answers, *, draws: int, seed: int) -> Any:
    items = list(needed(found.lacks("quality") or found).constructs["quality"])
    few = f"Quality was asked with {plural(len(items), 'question')}; {ITEMS} at least are needed."
    need(len(items) >= ITEMS, few)
    return moments(found.items[items], weight=found.weight, draws=draws, seed=seed)


def sides(found: Answers, *, refits: int, seed: int) -> dict[str, dict[str, Answer] | NotTestable]:
    """Readings of V02: dimensions of the quality items, what they add to one factor's fit, and the general factor.

    A random half of the questionnaires says which items go together (Ward's clusters, as many as there are dimensions,
    or fewer where a cluster would hold one item); the other half is fitted, so that nothing is fitted to itself.
    """
    return {GROUPED: _grouped(found, refits=refits, seed=seed)}


@gated
def _grouped(found: Answers, *, refits: int, seed: int) -> Any:
    half = np.random.default_rng(seed).permutation(len(found.items)) % 2 == 0
    parts = found, found.only(half), found.only(~half)
    whole, first, second = (needed(_quality(part, draws=refits, seed=seed)) for part in parts)
    # A resample of a sample holds twice the noise, as half the respondents would.
    people = estimates.effective_size(found.weight)
    horn, chance = parallel(whole, effective=people), parallel(whole, effective=people / 2)
    seen = np.linalg.eigvalsh(correlation(whole.drawn))[:, ::-1] > chance["chance"]
    counts = np.cumprod(seen, axis=1).sum(axis=1)
    pattern = groups(first.covariance, horn["count"])
    one, many = (_fits(second, shape) for shape in (np.ones((len(pattern), 1), bool), pattern))
    needed(one[0]), needed(many[0])
    fitted = [np.array([getattr(fit, "cfi", np.nan) for fit in fits]) for fits in (one, many)]
    better = fitted[1] - fitted[0]
    above = np.array([general(fit) if isinstance(fit, FactorModel) else np.nan for fit in many])
    readings = {"dimensions": (float(horn["count"]), counts, "count"), "fit": (better[0], better[1:], "fit index")}
    readings["general"] = (above[0], above[1:], "share")
    return {
        name: bootstrapped(Estimate.from_draws, float(value), drawn, unit=unit, n=whole.n)
        for name, (value, drawn, unit) in readings.items()
    }


def groups(covariance: np.ndarray, most: int) -> np.ndarray:
    """Which item belongs to which of `most` groups, shape (items, groups); fewer where one would hold a single item."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    apart = squareform(np.sqrt(1 - np.abs(correlation(covariance)).clip(0, 1)), checks=False)
    tree = linkage(apart, "ward")
    cuts = (fcluster(tree, many, "maxclust") for many in range(max(most, 1), 0, -1))
    label = next(cut for cut in cuts if np.bincount(cut)[1:].min() >= GROUP)
    return label[:, None] == np.unique(label)


@gated
def _added(
    table: pd.DataFrame, outcome: str, base: Sequence[str], more: str, *, draws: int, seed: int, less: bool = False
) -> Any:
    """Gain in out-of-sample R squared when `more` joins `base`, below zero where it speaks for the opposite claim.

    The claim is that `more` raises the outcome, or with `less` that it lowers it; a gain by the other way is a loss.
    """
    need(len(table) >= FEWEST, f"{plural(len(table), 'questionnaire')} complete, and at least {FEWEST} are needed.")
    designs = {"base": table[list(base)].to_numpy(), "more": table[[*base, more]].to_numpy()}
    to, weight = table[outcome].to_numpy(), table["weight"].to_numpy()
    root = np.sqrt(weight)[:, None]
    full = np.column_stack([np.ones(len(table)), designs["more"]])
    slope = np.linalg.lstsq(full * root, to * root[:, 0], rcond=None)[0][-1]
    gained = needed(gains(to, designs, weight=weight, draws=draws, seed=seed)["more"])
    if gained.value < 0 or (slope < 0) == less:
        return gained
    return replace(gained, value=-gained.value, quantile=lambda p: -gained.quantile(1 - p))


@gated
def good_name(found: Answers, *, draws: int, seed: int) -> Any:
    """V03: what image adds to quality and price in foretelling value, `BEFORE` held fixed too where it is there."""
    needed(found.lacks("image", "value", "quality", "price") or found)
    held = ["quality", "price", *(name for name in [BEFORE] if name in found.constructs)]
    return _added(found.table(["value", *held, "image"]), "value", held, "image", draws=draws, seed=seed)


@gated
def closeness(found: Answers, *, refits: int, seed: int) -> Any:
    """V04: the correlation of the factors of value and of satisfaction."""
    made = needed(latent(found, ["value", "satisfaction"], refits=refits, seed=seed))
    return correlations(made, "value", ["satisfaction"])["satisfaction"]


@instead("Whether value and satisfaction are two things cannot be told. {}")
def told_apart(found: Answers, *, draws: int, seed: int) -> Text:
    """Whether value and satisfaction are two things at all."""
    needed(found.lacks("value", "satisfaction") or found)
    both = (found.constructs[name] for name in ("value", "satisfaction"))
    each = needed(ratio(found, *both, draws=draws, seed=seed))
    one = "It may reach 0.90, so the questions may ask for one thing under two names."
    two = "It stays below 0.90: the two are different things that may go together."
    said = "Heterotrait-monotrait ratio, near one for one and the same: {}. {}"
    return say(said, told(each), one if each.high >= ONE else two)


def weak_link(found: Answers, *, draws: int, seed: int) -> dict[str, Answer]:
    """Readings of V05: what the lowest rating adds to the mean of all, in the answers and where no link is weak.

    Attributes are the constructs that share out the items of quality, else its items. The simulated customers gave the
    same ratings; their satisfaction adds these up, each with its weight, and what that leaves open is dealt out anew.
    """
    if missing := found.lacks("satisfaction", "quality"):
        return {AS_ANSWERED: missing, SIMULATED: missing}
    named = [found.constructs[name] for name in parts(found, "quality")]
    asked = named or [(item,) for item in found.constructs["quality"]]
    rated = pd.concat([found.score(own) for own in asked], axis=1)
    table = pd.DataFrame({"mean": rated.mean(axis=1), "lowest": rated.min(axis=1), "weight": found.weight})
    table["judged"] = found.score(found.constructs["satisfaction"])
    whole = (rated.notna().all(axis=1) & table["judged"].notna()).to_numpy()
    if len(asked) < 3 or whole.sum() < FEWEST:
        seen = f"{plural(len(asked), 'rated attribute')} and {plural(int(whole.sum()), 'questionnaire')} complete"
        few = NotTestable(f"{seen}; a weak link needs three attributes, and {FEWEST} who rate them all.")
        return {AS_ANSWERED: few, SIMULATED: few}
    table, design = table[whole], np.column_stack([np.ones(whole.sum()), rated[whole]])
    added = design @ np.linalg.lstsq(design, table["judged"], rcond=None)[0]
    dealt = np.random.default_rng(seed).permutation(table["judged"] - added)
    simulated = table.assign(judged=np.clip(added + dealt, table["judged"].min(), table["judged"].max()))
    return {
        name: _added(one, "judged", ["mean"], "lowest", draws=draws, seed=seed)
        for name, one in {AS_ANSWERED: table, SIMULATED: simulated}.items()
    }


def artefact(readings: Mapping[str, Answer]) -> str | None:
    """Why V05 cannot be decided: the gain shows where no link is weak; None where it does not."""
    rule: Any = hypotheses.get("V05").rule
    shown = rule.judge(readings[SIMULATED]).word == SUPPORTED
    return "Customers simulated without a weak link show the same gain." if shown else None


@gated
def weighing(found: Answers) -> Any:
    """Value over benefit (quality) and sacrifice (an unfair price and effort, half and half), on quality's scale."""
    needed(found.lacks("value", "quality", "price", "effort") or found)
    table = found.table(["value", "quality", "price", "effort"])
    low, high = found.ends("quality")
    for name in ("price", "effort"):
        least, most = found.ends(name)
        table[name] = (table[name] - least) / (most - least)
    table["sacrifice"] = low + (high - low) * (1 - table["price"] + table["effort"]) / 2
    asked: dict[str, Any] = {"outcome": "value", "perception": "quality", "expectation": "sacrifice"}
    return fit_surface(table, **asked, sides=0, scale=(low, high), weight="weight")


def difference_over_ratio(surface: Surface | NotTestable, *, seed: int) -> Answer:
    """V06: how much better the difference foretells value than the ratio."""
    return surface if isinstance(surface, NotTestable) else gain(surface, of=DIFFERENCE, over=RATIO, seed=seed)


def subtracted(found: Answers, *, seed: int) -> Answer:
    """V06, from the answers."""
    return difference_over_ratio(weighing(found), seed=seed)


@gated
def waiting(study: Study, found: Answers, faults: Sequence[str], held: Sequence[str] = (), *, days: int) -> Any:
    """V07: slope of value on the delays and faults logged last before the answer, customers' answers being alike.

    Args:
        study: its table operations holds the log.
        found: all questionnaires; those of one customer may hang together.
        faults: columns of the log that are bad when high; their sum counts, each in standard deviations.
        held: columns held fixed, such as severity and what was done about it.
        days: between event and answer at most.
    """
    from statsmodels.api import GEE
    from statsmodels.genmod.cov_struct import Exchangeable, Independence

    names = [*faults, *held]
    both = needed(logged_before(study, found, "value", names, within=days))
    few = f"{plural(len(both), 'answer')} follow an event with numbers for {listing(names)}"
    need(len(both) >= FEWEST, f"{few}, and at least {FEWEST} are needed.")
    spread = both[["value", *names]].std()
    still = [name for name in ("value", *names) if not spread[name] > 0]
    need(not still, f"Those who answered after an event all have the same {listing(still)}.")
    scaled = (both[["value", *names]] - both[["value", *names]].mean()) / spread
    together = scaled[list(faults)].sum(axis=1)
    design = np.column_stack([np.ones(len(both)), together / together.std(), scaled[list(held)]])
    groups = pd.factorize(both["customer_id"])[0]
    alike = Exchangeable() if groups.max() + 1 < len(both) else Independence()
    fit = GEE(scaled["value"], design, groups, cov_struct=alike, weights=both["weight"]).fit()
    slope, error = np.asarray(fit.params)[1], np.asarray(fit.bse)[1]
    return Estimate.normal(float(slope), float(error), unit="slope", n=len(both), method="customers as groups")


@gated
def ahead(found: Answers, *, draws: int, seed: int) -> Any:
    """V08: what our rank among the brands that a customer rates adds to satisfaction in foretelling share of wallet."""
    needed(found.lacks("satisfaction", "wallet_share") or found)
    rivals = [name for name in found.constructs if name.startswith("rival_")]
    need(rivals, "The survey rates no rival: no construct is named rival_ and a name.")
    other = [name for name in rivals if found.ends(name) != found.ends("satisfaction")]
    need(not other, f"{listing(other)} has another scale than satisfaction, so no rank can be told.")
    ours = found.score(found.constructs["satisfaction"])
    theirs = pd.DataFrame({name: found.score(found.constructs[name]) for name in rivals})
    above = theirs.gt(ours, axis=0) + 0.5 * theirs.eq(ours, axis=0)
    table = pd.DataFrame({"level": ours, "brands": theirs.notna().sum(axis=1), "rank": above.sum(axis=1)})
    table = table.assign(share=found.score(found.constructs["wallet_share"]), weight=found.weight)
    rated = table[(table["brands"] > 0) & table.notna().all(axis=1)]
    return _added(rated, "share", ["level", "brands"], "rank", draws=draws, seed=seed, less=True)
