"""Does satisfaction follow from what was expected? Levels, gaps, surfaces, zones (S04, S05, E05, E06, E07, E09)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis import (
    disclosure,
    drivers,
    estimates,
    factors,
    figures,
    hypotheses,
    maps,
    scales,
    simpler,
    surfaces,
    tolerance,
)
from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, columns, gated, in_brief, need, needed, told
from analysis.exhibits import Figure, Table, Text, instead, say
from analysis.hypotheses.rules import CONTRADICTED
from analysis.indicators import mean_score
from analysis.regressions import gains
from analysis.scales import LEVELS, Answers, moments
from analysis.surfaces import DIFFERENCE, PLANES, SURFACE, Surface
from analysis.words import count, listing, plural, quantity

FORESEEN = ("desired", "adequate", "predicted")
ALL = "all in all"  # the one dimension of a survey that pairs no items
BOTH_SIDES = 0.10  # share of answers on either side of expectation, where a claim speaks of both
NAMES = {"perception": "perceived", "expectation": "expected"}
HELD = ("expected", "adequate", "desired", "predicted")  # against what is perceived
WORDED = {
    "perception, straight": "What was found, along a straight line",
    "perception": "What was found, along a curve",
    "both, straight": "Found and expected, each with a weight of its own",
    DIFFERENCE: "The gap: found less expected",
    "ratio": "Found divided by expected",
    "absolute difference": "The size of the mismatch, whichever way it goes",
    "squared difference": "The size of the mismatch, large ones counting more",
    "rising ridge": "The level of both, and the size of the mismatch",
    PLANES: "One rule below expectation, another above",
    SURFACE: "Any smooth surface over the two",
}
NOTHING = "There is nothing to compare. {}"
BLURRED = "Noise in the answers would hide a true zone just so, and how large it is cannot be told. {}"
APART = "Expectation and quality were asked with different questions, so equal weights of the two mean little."

Readings = dict[str, Answer] | NotTestable


# --- What was asked -----------------------------------------------------------------------------------------------


def compared(found: Answers) -> Answers:
    """The survey with perception beside expectation also where no `pairs` say so.

    Where perception was not asked, rated `quality` stands in for it, and a note says so.
    """
    asked, stands = found.constructs, "perception" if "perception" in found.constructs else "quality"
    if not {"expectation", stands} <= set(asked) or any("expectation" in each for each in found.dimensions.values()):
        return found
    levels = {"expectation": asked["expectation"], "perception": asked[stands]}
    note = "No perception was asked beside expectation, so rated quality stands in for it."
    notes = found.notes + ((note,) if stands == "quality" else ())
    return replace(found, constructs={**asked, **levels}, dimensions={**found.dimensions, ALL: levels}, notes=notes)


def stands_in(found: Answers) -> bool:
    """Whether rated quality stands in for perception."""
    return "quality" in found.constructs and found.constructs["quality"] == found.constructs.get("perception")


def matched(found: Answers, *levels: str, beside: tuple[str, ...] = ()) -> Answers | NotTestable:
    """The survey with `perception` and these levels over the dimensions that ask for all of them.

    Args:
        found: the survey.
        levels: of `scales.LEVELS`.
        beside: further constructs that must be there.
    """
    sides = (*levels, "perception")
    chosen = [each for each in found.dimensions.values() if set(sides) <= set(each)]
    if missing := found.lacks(*sides, *beside):
        return missing
    over = {level: tuple(item for each in chosen for item in each[level]) for level in sides}
    if len(ends := {found.scale[item] for items in over.values() for item in items}) != 1 or None in ends:
        return NotTestable(f"No dimension asks for {listing(list(sides))} together, on one stated answer scale.")
    return replace(found, constructs={**found.constructs, **over})


# --- Levels and gaps ----------------------------------------------------------------------------------------------


def levels(found: Answers, *, items: bool = False) -> pd.DataFrame:
    """Mean levels of service and the gaps between them.

    Args:
        found: one questionnaire a customer.
        items: single items too, below their dimension.

    Returns:
        One row a dimension (or item): label; value, low, high, n of perceived service; and for each of `HELD` that was
        asked its mean under its own name, and under "less LEVEL" perceived less that level, as an answer.
    """
    asked = []
    for name, each in found.dimensions.items():
        asked.append((name, each))
        if items and name != ALL and len(each["perception"]) > 1:
            pairs = enumerate(zip(*each.values(), strict=True), 1)
            asked += [(f"{name}: {n}", {of: (b,) for of, b in zip(each, pair, strict=True)}) for n, pair in pairs]
    rows = []
    for name, each in asked:
        scores = {NAMES.get(level, level): found.score(each[level]) for level in LEVELS if level in each}
        means = {level: mean_score(score, "ratio", found.weight) for level, score in scores.items()}
        row = {"label": name, **columns(means["perceived"]), "n": getattr(means["perceived"], "n", 0)}
        for level in set(scores) & set(HELD):
            row[level] = columns(means[level])["value"]
            row[f"less {level}"] = mean_score(scores["perceived"] - scores[level], "ratio", found.weight)
        rows.append(row)
    return pd.DataFrame(rows)


@instead(NOTHING)
def level_table(found: Answers, *, min_cell: int) -> Table:
    """Each level of each dimension and item, with the gap from it to what was perceived."""
    rows = [
        {"dimension: item": row["label"], "against": level, "gap": gap["value"], "from": gap["low"], "to": gap["high"]}
        | {"level": row[level], "perceived": row["value"], "answers": row["n"]}
        for row in levels(found, items=True).to_dict("records")
        for level in HELD
        if pd.notna(row.get(level))
        for gap in [columns(row[f"less {level}"])]
    ]
    need(rows, "")
    title = "What customers hold against the service, what they find, and the gap from one to the other"
    return Table(name="levels", title=title, rows=pd.DataFrame(rows), size_column="answers", min_cell=min_cell)


@instead(NOTHING)
def zone_chart(found: Answers, *, min_cell: int) -> Figure | Text:
    """Where perceived service lies between the levels, dimension by dimension; the title counts."""
    rows = levels(found)
    need(len(rows), getattr(matched(found, "expectation"), "reason", ""))
    said = []
    for level in HELD[:3]:
        if gaps := [gap for gap in rows.get(f"less {level}", []) if isinstance(gap, Estimate)]:
            more = f" and more in {sum(gap.low > 0 for gap in gaps)}" if level == "expected" else ""
            said.append(f"less than {level} in {sum(gap.high < 0 for gap in gaps)}{more} of {len(gaps)}")
    return maps.zones(
        rows[["label", "value", "low", "high", "n", *(level for level in HELD if level in rows)]],
        name="zones",
        title=f"Customers find {listing(said)} {'dimensions' if len(rows) > 1 else 'dimension'} of service",
        x_label="Mean answer",
        caption=f"{plural(int(rows['n'].max()), 'questionnaire')}, 95% intervals; counted are gaps beyond chance.",
        min_cell=min_cell,
    )


def _scored(found: Answers) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series, np.ndarray]:
    """What was perceived, and the gap to what was expected (or desired), by dimension; satisfaction; weight.

    One row a questionnaire in which all dimensions have a score, and satisfaction if it was asked.
    """
    chosen = {name: each for name, each in found.dimensions.items() if {"expectation", "desired"} & set(each)}
    perceived, against = pd.DataFrame(index=found.items.index), pd.DataFrame(index=found.items.index)
    for name, each in chosen.items():
        perceived[name] = found.score(each["perception"])
        against[name] = found.score(each.get("expectation") or each["desired"])
    satisfaction, gap = found.score(found.constructs.get("satisfaction", ())), perceived - against
    whole = gap.notna().all(axis=1) & (satisfaction.notna() | ("satisfaction" not in found.constructs)) & bool(chosen)
    return perceived[whole], gap[whole], satisfaction[whole], found.weight[whole]


@instead(NOTHING)
def score_table(found: Answers, *, draws: int, seed: int) -> Table:
    """SERVPERF (perception) and SERVQUAL (the gap) by dimension and overall, and what each dimension weighs.

    Source: Parasuraman, Zeithaml & Berry (1988), Journal of Retailing 64; Cronin & Taylor (1992), Journal of
    Marketing 56. Weights are Shapley shares of what the dimensions explain of satisfaction.
    """
    perceived, gap, satisfaction, weight = _scored(found)
    need(len(perceived) >= disclosure.smallest(), "")
    shares: Any = moments(perceived.assign(satisfaction=satisfaction), weight=weight, draws=draws, seed=seed)
    if isinstance(shares, scales.Moments):
        shares = drivers.importance(shares, outcome="satisfaction", drivers=[*perceived])
    known, sides = isinstance(shares, drivers.Importance), {"SERVPERF: perceived": perceived, "SERVQUAL: gap": gap}
    by = dict(zip(map(str, gap), np.eye(len(gap.columns)), strict=True))
    if len(by) > 1:
        by["all, weighing alike"] = np.full(len(by), 1 / len(by))
        by |= {"all, by their weights": shares.shares[0]} if known else {}
    rows = pd.DataFrame({"dimension": list(by)})
    for side, table in sides.items():
        scores = [pd.Series(table.to_numpy() @ part) for part in by.values()]
        rows[side] = [in_brief(mean_score(score, "ratio", weight)) for score in scores]
    if known:
        rows["weight"] = [in_brief(shares.share(name)) if name in gap else "–" for name in by]
    told_why = "95% intervals." if known else f"95% intervals. Without weights: {shares.reason}"
    return Table(
        name="scores",
        title="SERVPERF scores what is perceived, SERVQUAL the gap to what is expected",
        rows=rows,
        caption=f"{plural(len(gap), 'questionnaire')}, {told_why}",
    )


@instead("What foretells satisfaction is not compared. {}")
def foretold(found: Answers, *, draws: int, seed: int) -> Figure | Text:
    """How well perception, the gap, and both together foretell satisfaction, out of sample."""
    perceived, gap, satisfaction, weight = _scored(found)
    rated = min(len(perceived), satisfaction.count())
    need(rated >= scales.FEWEST, f"Fewer than {scales.FEWEST} rated all of it.")
    mean, apart = (each.mean(axis=1).to_numpy()[:, None] for each in (perceived, gap))
    tried = {"the gap (SERVQUAL)": apart, "perception (SERVPERF)": mean, "perception and gap": np.hstack([mean, apart])}
    if len(gap.columns) > 1:
        tried |= {"the gap, by dimension": gap.to_numpy(), "perception, by dimension": perceived.to_numpy()}
    compare = partial(gains, satisfaction.to_numpy(), weight=weight, draws=draws, seed=seed)
    alone = {name: compare({name: each})[name] for name, each in tried.items()}
    lead = needed(compare(dict(list(tried.items())[:2]))["perception (SERVPERF)"])
    better = "better than" if lead.low > 0 else "worse than" if lead.high < 0 else "about as well as"
    return figures.dots(
        pd.DataFrame([{"label": name, **columns(answer)} for name, answer in alone.items()]),
        name="gap-or-perception",
        title=f"Perception alone foretells satisfaction {better} the gap",
        unit="share",
        x_label="Share of the variance of satisfaction that is foretold, out of sample",
        caption=f"{count(len(perceived))} questionnaires; models fitted to nine tenths and tried on the last, five "
        f"times over. What perception foretells beyond the gap, one score each: {told(lead)} of the variance.",
    )


# --- The surface --------------------------------------------------------------------------------------------------


def met(found: Answers, outcome: str = "satisfaction", *, sides: float = 0.0) -> Surface | NotTestable:
    """The surface of an outcome over expectation and perception, over the dimensions that ask for both."""
    chosen = matched(found, "expectation", beside=(outcome,))
    if isinstance(chosen, NotTestable):
        return chosen
    table, scale = chosen.table([outcome, "expectation", "perception"]), chosen.ends("expectation")
    asked: dict[str, Any] = {"expectation": "expectation", "perception": "perception", "weight": "weight"}
    return surfaces.fit_surface(table, outcome=outcome, scale=scale, sides=sides, **asked)


@instead("There is no map. {}")
def surface_map(surface: Surface, *, min_cell: int) -> Figure | Text:
    """Satisfaction over what was found and expected; the title says what moves it."""
    slopes = surface.straight
    found, expected = (
        "rises with" if each.low > 0 else "falls with" if each.high < 0 else "does not clearly change with"
        for each in (slopes["perception"], slopes["expectation"])
    )
    return maps.surface(
        surface.grid(),
        surface.pairs(),
        name="surface",
        title=f"Satisfaction {found} what customers find, and {expected} what they expect",
        x_label="perceived service",
        y_label="expected service",
        z_label="Satisfaction",
        unit="ratio",
        caption=f"{plural(surface.full.n, 'questionnaire')}. Slopes, in standard deviations, the other held equal: "
        f"{told(slopes['perception'])} on what was found, {told(slopes['expectation'])} on what was expected.",
        min_cell=min_cell,
    )


@instead("Without a surface there are no special cases of it.")
def special_cases(surface: Surface, *, seed: int) -> Table:
    """The surface and the simpler explanations that it holds, in words."""
    tried = simpler.compare(surface, seed=seed)
    rows = pd.DataFrame({"explanation": tried["model"].map(WORDED), "explained": tried["r_squared"]})
    rows["foretold"] = tried["gain"] + np.where(tried.index > 0, tried["gain"][0], 0)
    rows["behind the best"] = tried["aic"]
    rows["enough"] = ["–" if np.isnan(p) else "no" if p < 0.05 else "yes" for p in tried["p"]]
    return Table(
        name="special-cases",
        title="Is the gap enough? Simpler and freer explanations of satisfaction",
        rows=rows,
        units={"explained": "share", "foretold": "share"},
    )


@instead("Whether expectations matter cannot be told from this survey. {}")
def conclusion(surface: Surface) -> Text:
    """What experience and expectation do to satisfaction, and what falling short and exceeding do."""
    slopes, shares, sides = surface.straight, surfaces.discrepancies(surface), surfaces.asymmetry(surface)
    low, high = getattr(sides["asymmetry"], "low", 0), getattr(sides["asymmetry"], "high", 0)
    shown = slopes["perception"], slopes["expectation"], shares["missed"], shares["exceeded"]
    return say(
        "Among customers who expected the same, finding one standard deviation more changes satisfaction by {} of its "
        "own; among those who found the same, expecting one more changes it by {}. By more than half a standard "
        "deviation {} found less than they expected, {} more. With the level of both answers together held equal, one "
        "standard deviation further below expectation changes satisfaction by {} and one further above by {}: a "
        "shortfall costs {} than a surplus brings (difference {}).",
        *map(told, (*shown, sides["missed"], sides["exceeded"])),
        "more" if low > 0 else "less" if high < 0 else "neither clearly more nor clearly less",
        told(sides["asymmetry"]),
    )


# --- Claims -------------------------------------------------------------------------------------------------------


@gated
def _reliability(found: Answers, *sides: str, draws: int, seed: int) -> Any:
    """Omega of the items of each side together."""
    return [needed(scales.reliability(found, side, draws=draws, seed=seed)["omega"]).value for side in sides]


@gated
def _freed(found: Answers, surface: Surface, *, draws: int, seed: int, simulate: bool = False) -> Any:
    """The surface without the noise in both scores."""
    sides = ("perception", "expectation")
    known = needed(_reliability(needed(matched(found, "expectation")), *sides, draws=draws, seed=seed))
    both: dict[str, Any] = {"simulate": simulate, "draws": draws, "seed": seed}
    return surfaces.corrected(surface, **dict(zip(sides, known, strict=True)), **both)


def _expectation(surface: Surface | NotTestable) -> Answer:
    return surface if isinstance(surface, NotTestable) else surface.straight["expectation"]


@instead("How far noise in the answers flattens the map cannot be told. {}")
def both_ways(found: Answers, surface: Surface, *, draws: int, seed: int) -> Text:
    """How far the map's slope and bend from falling short to exceeding move as noise is taken out in either way."""
    freed = (needed(_freed(found, surface, draws=draws, seed=seed, simulate=way)) for way in (False, True))
    along = [way.along for way in (surface, *freed)]
    return say(
        "Noise in both answers flattens the map. From falling short of expectation to exceeding it, the slope of "
        "satisfaction is {} as answered, {} with the noise taken out by calibration, the way that verdicts use, and {} "
        "with it taken out by simulation; the bend is {}, {} and {} (95% intervals).",
        *(in_brief(each[name]) for name in ("a3", "a4") for each in along),
    )


@gated
def disconfirmed(found: Answers, *, draws: int, seed: int) -> Any:
    """Parts of S04: whether expectation adds to experience, in the shape of a difference."""
    surface = needed(met(found, sides=BOTH_SIDES))
    shape = {"mismatch": "a3", "match_slope": "a1", "match_curve": "a2", "mismatch_curve": "a4"}
    return {
        "gain": simpler.gain(surface, of=SURFACE, over="perception", seed=seed),
        "expectation": _expectation(_freed(found, surface, draws=draws, seed=seed)),
        **{part: surface.along[name] for part, name in shape.items()},
    }


@gated
def beaten(found: Answers) -> Any:
    """Parts of S05: for product, service and price both slopes, and both sides of a match."""
    parts: dict[str, Answer] = {}
    for name in ("product", "service", "price"):
        need(name in found.dimensions, f"No pairs of items ask for {name} as expected and as perceived.")
        surface: Any = met(replace(found, dimensions={name: found.dimensions[name]}), sides=BOTH_SIDES)
        need(isinstance(surface, Surface), f"{name.capitalize()}: {getattr(surface, 'reason', '')}")
        ways = surface.straight | surfaces.asymmetry(surface)
        parts |= {f"{name}_{part}": ways[part] for part in ("perception", "expectation", "exceeded", "missed")}
    return parts


def explained(found: Answers, *, draws: int, seed: int) -> tuple[dict[str, Readings], dict[str, Readings]]:
    """Readings of E05 and of E06, by what is explained: quality where it was asked beside perception; satisfaction.

    E05: whether it follows perception less expectation and nothing else. E06: what expectation adds to perception.
    """
    equal, more = dict[str, Readings](), dict[str, Readings]()
    beside = "quality" in found.constructs and not stands_in(found)
    for outcome in ("quality", "satisfaction") if beside else ("satisfaction",):
        surface = met(found, outcome)
        if isinstance(surface, NotTestable):
            equal[outcome] = more[outcome] = surface
            continue
        equal[outcome] = {**surface.straight, "lost": simpler.lost(surface)}
        added = simpler.gain(surface, of="both, straight", over="perception, straight", seed=seed)
        more[outcome] = {"gain": added, "expectation": _expectation(_freed(found, surface, draws=draws, seed=seed))}
    return equal, more


@gated
def two_levels(found: Answers, *, draws: int, seed: int) -> Any:
    """Parts of E07: customers whose desired level is not below the adequate one, and how far the two lie apart."""
    table = needed(matched(found, "desired", "adequate")).table(["desired", "adequate"])
    made = needed(moments(table[["desired", "adequate"]], weight=table["weight"].to_numpy(), draws=draws, seed=seed))
    wide, drawn = (
        (mean[..., 0] - mean[..., 1]) / np.sqrt(np.einsum("...ii->...", spread) / 2)
        for mean, spread in ((made.mean, made.covariance), (made.drawn_means, made.drawn))
    )
    return {
        "ordered": exact_share(table["desired"] >= table["adequate"], table["weight"]),
        "width": bootstrapped(Estimate.from_draws, float(wide), drawn, unit="sd", n=made.n),
    }


def exact_share(yes: pd.Series, weight: pd.Series) -> Estimate:
    """A share with the exact binomial interval; weights count as the number of equal ones that tell as much.

    Source: Clopper & Pearson (1934), Biometrika 26; Korn & Graubard (1998), Survey Methodology 24, for weights.
    """
    from scipy.special import betaincinv

    share, n = float(np.average(yes, weights=weight)), estimates.effective_size(weight.to_numpy(float))

    def quantile(p: float) -> float:
        ends = (share * n, n - share * n + 1) if p < 0.5 else (share * n + 1, n - share * n)
        return float(betaincinv(*ends, p)) if min(ends) > 0 else float(p >= 0.5)

    return Estimate(share, "share", len(yes), quantile, "exact binomial", int(yes.sum()))


@instead("Whether the levels are three things in customers' minds cannot be told. {}")
def three_factors(found: Answers) -> Text:
    """Whether desired, adequate and predicted service are three things in customers' minds, or one."""
    chosen = needed(matched(found, *FORESEEN))
    names = [chosen.constructs[side] for side in FORESEEN]
    made = needed(moments(chosen.items[[item for each in names for item in each]], weight=chosen.weight, draws=1))
    sizes = [len(each) for each in names], [len(made.names)]
    fits = [needed(factors.fit_factors(made.covariance, factors.pattern_of(of), n=[made.n])) for of in sizes]
    return say(
        "Taken as three things, the levels fit the answers with an index of {}, taken as one with {} (1 is perfect, "
        "0.95 is called good). The three correlate {} (desired and adequate), {} (desired and predicted) and {} "
        "(adequate and predicted).",
        *(quantity(fit.cfi, "fit index") for fit in fits),
        *(quantity(float(r), "correlation") for r in fits[0].covariances[0][np.triu_indices(3, 1)]),
    )


def tolerated(found: Answers, *, draws: int, seed: int) -> tuple[Readings, Text, str | None]:
    """Parts of E09 without the noise in the scores; the slopes below, inside and above each customer's zone in a
    sentence; and why nothing can be held against a zone, where noise may have blurred it and is not known.
    """
    sides = ("perception", "adequate", "desired")
    chosen = matched(found, "adequate", "desired", beside=("satisfaction",))
    slopes: Readings = chosen if isinstance(chosen, NotTestable) else {}
    known: Any = chosen
    if isinstance(chosen, Answers):
        known = _reliability(chosen, *sides, draws=draws, seed=seed)
        asked: dict[str, Any] = {name: name for name in sides} | {"weight": "weight", "draws": draws, "seed": seed}
        asked |= {"reliability": None if isinstance(known, NotTestable) else tuple(known)}
        table, scale = chosen.table(["satisfaction", *sides]), chosen.ends("adequate")
        slopes = tolerance.zones(table, outcome="satisfaction", scale=scale, **asked)
    if isinstance(slopes, NotTestable):
        return slopes, say("Slopes inside and outside a zone are not known."), None
    sentence = say(
        "One standard deviation of perceived service changes satisfaction by {} below the adequate level, by {} inside "
        "the zone of tolerance and by {} above the desired level, in standard deviations of satisfaction{}.",
        *(told(slopes[place]) for place in ("below", "inside", "above")),
        "" if isinstance(known, NotTestable) else ", with the noise in all three answers taken out",
    )
    parts = {part: slopes[part] for part in ("inside", "outside", "kinks")}
    rule: Any = hypotheses.get("E09").rule
    refuted = rule.judge(parts).word == CONTRADICTED
    return parts, sentence, BLURRED.format(known.reason) if refuted and isinstance(known, NotTestable) else None
