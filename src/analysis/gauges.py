"""One index or many gauges: how good the scales are, the satisfaction index with its paths, and what indicators share.

Claims I03 (by `economics.correlations`), I05, I06, I07 and I08.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from analysis import figures, maps, scales
from analysis.afterwards import Afterwards
from analysis.customers import DECIMALS, purchases
from analysis.drivers import quadrants
from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, gated, in_brief, need, needed, told
from analysis.exhibits import Figure, Table, Text, instead, say
from analysis.factors import Equal, fit_factors, parallel, pattern_of
from analysis.hazards import CoxModel, cox
from analysis.lifetimes import lifetimes
from analysis.milestones import AFTER, split
from analysis.motives import gathered, priority_map
from analysis.paths import ECSI, PathFit, PathModel, Scheme, fit_paths
from analysis.regressions import correlations, weighed_for_chance
from analysis.scales import FEWEST, LEVELS, Answers, correlation, moments
from analysis.tables import TableError
from analysis.words import MISSING, listing, plural, quantity, spoken, with_interval

if TYPE_CHECKING:
    from analysis.studies import Study

OF_INDEX = tuple(dict.fromkeys(name for path in ECSI for name in path))
SAME = 0.90  # a heterotrait-monotrait ratio that may reach it tells of one construct
SHOWN = 8  # pairs in the figure
FEWEST_GAUGES, FEWEST_ITEMS = 4, 3  # for asking whether they are one
SAID = ("satisfaction", "recommend", "feedback")
ALL, ASKED_ALL = "all indicators", "without feedback"
# Where the diagram shows each construct: columns from the left, rows from below.
PLACES = {
    "image": (2, 5), "expectation": (1.25, 4), "quality": (0, 3), "value": (0, 2), "satisfaction": (1.25, 1),
    "complaint_handling": (0, 0), "loyalty": (2, 0),
}  # fmt: skip
ALONE, WHOLE = "satisfaction alone", "all scales of the index"
COMPLAINED, FROM_THEN = "complained", "from the first complaint on"


# --- How good the scales are ----------------------------------------------------------------------------------------


def examined(found: Answers, *, most: int) -> list[str]:
    """Constructs of the index, then others of several items, as long as no two share an item; `most` at most."""
    several = [name for name, own in found.constructs.items() if len(own) > 1 and name not in LEVELS]
    chosen: dict[str, set[str]] = {}
    for name in dict.fromkeys([*OF_INDEX, *several]):
        own = set(found.constructs.get(name, ()))
        if own and not any(own & others for others in chosen.values()):
            chosen[name] = own
    return list(chosen)[:most]


def _intervals(table: pd.DataFrame, what: str, unit: str) -> list[str]:
    ends = table[[what, f"{what} low", f"{what} high"]].itertuples(index=False)
    return [with_interval(value, low, high, unit) if low == low else MISSING for value, low, high in ends]


def quality(found: Answers, names: Sequence[str], *, draws: int, seed: int) -> Table:
    """Reliability of each scale with intervals, and how many answers stand at its very top."""
    table = scales.quality_table(found, names, draws=draws, seed=seed)
    rows = pd.DataFrame({"scale": table["construct"].map(spoken), "items": table["items"]})
    for what in ("omega", "alpha", "variance extracted"):
        rows[what] = _intervals(table, what, "correlation")
    return Table(
        name="scales",
        title="How good the scales are",
        rows=rows.assign(top=table["at_the_top"]),
        units={"top": "share"},
        headings={"top": "answers at the very top"},
        caption="Omega and alpha: the share of a score that is not noise, by two ways of reckoning; .70 is the usual "
        "demand. Variance extracted: how much of its items its common core explains; .50 is usual. Intervals of 95%; "
        "a scale of one item has none.",
    )


@instead("There are no two scales here that could be one.")
def distinct(found: Answers, names: Sequence[str], *, draws: int, seed: int) -> Figure | Text:
    """Which scales may be one: the closest pairs with their intervals."""
    table = scales.distinctness(found, names, draws=draws, seed=seed)
    need(table["value"].notna().any(), "")
    table = table.assign(label=(table.pop("first") + " and " + table.pop("second")).map(spoken))
    table, one = table.sort_values("value", ascending=False), int((table["high"] >= SAME).sum())
    return figures.dots(
        table.head(SHOWN),
        name="distinctness",
        title=f"{plural(len(table), 'pair')} of scales, {one or 'none'} of which may be one and the same"
        + f", first of all {table['label'].iloc[0]}" * bool(one),
        unit="correlation",
        x_label="How alike two scales are, measurement error taken out (HTMT)",
        reference=SAME,
        reference_label="from here on they may be one",
        caption=f"The {min(SHOWN, len(table))} most alike; 95% intervals. A pair may be one where its interval reaches "
        "the line.",
    )


@instead("Whether one factor is enough cannot be told. {}")
def dimensions(found: Answers, names: Sequence[str], *, draws: int, seed: int) -> Text:
    """One factor against one for each scale, and how many stand out from chance, in sentences."""
    several = [name for name in names if len(found.constructs[name]) > 1]
    items = [item for name in several for item in found.constructs[name]]
    made = needed(moments(found.items[items], weight=found.weight, draws=1))
    need(len(several) > 1, "One scale is not two.")
    sizes, seen = [len(found.constructs[name]) for name in several], parallel(made, draws=draws, seed=seed)
    each = [fit_factors(made.covariance, pattern_of(by), n=[made.n]) for by in (sizes, [sum(sizes)])]
    fits = [fit.reason if isinstance(fit, NotTestable) else quantity(fit.cfi, "fit index") for fit in each]
    return say(
        "With a factor for each of the {} scales, the model fits {} items to a degree of {} (comparative fit index, 1 "
        "is perfect, .95 good); with one factor for all: {}. {} out from what unrelated items would show by chance. "
        "(Footnote: a single component holds {} of all variance. That is Harman's old check for a common method; it "
        "detects little, so nothing is built on it.)",
        len(several), sum(sizes), *fits, plural(seen["count"], "dimension stands", "dimensions stand"),
        quantity(seen["seen"][0] / sum(sizes), "share"),
    )  # fmt: skip


@instead("What the way of asking adds to all correlations is not known: read them as upper bounds. {}")
def shared_method(found: Answers, names: Sequence[str], *, marker: str, draws: int, seed: int) -> Table:
    """Correlations with satisfaction, as answered and less what a marker shares with it (Lindell & Whitney 2001)."""
    none = "The parameter marker takes a construct that has nothing to do with satisfaction, and none was named."
    need(marker, none)
    others = [name for name in names if name not in ("satisfaction", marker)]
    named = ["satisfaction", marker, *others]
    made = needed(found.lacks(*named) or gathered(found, named, draws=draws, seed=seed))
    r = correlation(np.concatenate([made.covariance[None], made.drawn]))[:, 0]
    base, rows = np.clip(r[:, 1:2], 0, None), {"scale": list(map(spoken, others))}
    for way, of in {"as answered": r, "less the marker": (r - base) / (1 - base)}.items():
        each = [bootstrapped(Estimate.from_draws, one[0], one[1:], unit="correlation", n=made.n) for one in of.T[2:]]
        rows[way] = [in_brief(answer) for answer in each]
    return Table(
        name="common-method",
        title="Correlation with satisfaction, with and without what the way of asking may add",
        rows=pd.DataFrame(rows),
        caption=f"Marker: {spoken(marker)}, whose correlation with satisfaction is "
        f"{quantity(r[0, 1], 'correlation')}; one below zero takes nothing off. 95% intervals.",
    )


# --- The index ------------------------------------------------------------------------------------------------------


@gated
def fitted(found: Answers, *, scheme: Scheme, draws: int, seed: int) -> Any:
    """The path model of the European index on the constructs that the survey has."""
    links = [path for path in ECSI if set(path) <= set(found.constructs)]
    others = spoken(listing([name for name in OF_INDEX if name != "satisfaction"], "or"))
    linked = any("satisfaction" in path for path in links)
    need(linked, f"An index takes satisfaction and one at least of {others}.")
    blocks = {name: found.constructs[name] for name in OF_INDEX if any(name in path for path in links)}
    try:
        model = PathModel(blocks, links, found.scale, scheme=scheme)
    except TableError as error:
        return NotTestable(str(error))
    return fit_paths(model, found.items, weight=found.weight, draws=draws, seed=seed)


def effects(fit: PathFit, target: str) -> Figure | Text:
    """What acts on a construct: in all, directly, and by way of others."""
    found, outcome = fit.effects().query("effect == @target"), spoken(target)
    parts = []
    for kind, way in {"total": "in all", "direct": "directly", "indirect": "by way of others"}.items():
        renamed = {kind: "value", f"{kind} low": "low", f"{kind} high": "high"}
        part = found.rename(columns=renamed)[["cause", *renamed.values()]].assign(section=way)
        parts.append(part[part["value"] != 0])
    rows = pd.concat(parts).assign(label=lambda t: t.pop("cause").map(spoken))
    return figures.dots(
        rows,
        name=f"effects-on-{outcome.replace(' ', '-')}",
        title=f"{rows.sort_values('value')['label'].iloc[-1].capitalize()} goes most with {outcome}, all ways together",
        unit="slope",
        x_label=f"Standard deviations of {outcome} for one of the cause",
        reference=0.0,
        caption=f"The direct causes explain {told(fit.explained(target))} of the differences in {outcome}. The arrows "
        "are assumed, not shown. 95% intervals.",
    )


def diagram(fit: PathFit) -> Figure:
    """The constructs with their index and what explains them, and the arrows between them with their coefficients."""
    boxes, reached = [], {effect for _, effect in fit.model.paths}
    for name in fit.model.blocks:
        index, share = fit.index(name), fit.explained(name)
        notes = [f"index {quantity(index.value, 'count')}"] if isinstance(index, Estimate) else []
        notes += [f"R² {share.value:.0%}"] if name in reached and isinstance(share, Estimate) else []
        x, y = PLACES[name]
        boxes.append({"name": spoken(name), "x": x, "y": y, "note": "\n".join(notes)})
    placed = pd.DataFrame(boxes).assign(y=lambda t: t["y"].rank(method="dense"))  # empty rows close up
    direct = fit.effects().rename(columns={"direct": "value", "direct low": "low", "direct high": "high"})
    there = [pair in fit.model.paths for pair in zip(direct["cause"], direct["effect"], strict=True)]
    paths = direct.loc[there, ["cause", "effect", "value", "low", "high"]].sort_values("value", ascending=False)
    strongest = paths.iloc[0].map(spoken)
    known = plural(int(((paths["low"] > 0) | (paths["high"] < 0)).sum()), "arrow")
    return maps.arrows(
        placed,
        paths.assign(cause=paths["cause"].map(spoken), effect=paths["effect"].map(spoken)),
        name="paths",
        title=f"{known} of {len(paths)} can be told from nothing; the strongest goes from {strongest['cause']} to "
        f"{strongest['effect']}",
        x_label="Standard deviations of the one for one of the other, the other causes held fixed",
        caption=f"{plural(fit.n, 'complete questionnaire')}; 95% intervals. Dashed: the interval holds zero. Index: 0 "
        "to 100. R²: share of the differences between customers that the arrows into a box explain. The arrows are "
        "assumed, not shown.",
    )


@instead("There is no map of priorities. {}")
def priorities(fit: PathFit, target: str = "satisfaction") -> Figure:
    """Where each construct stands by importance for the target and by its own index."""
    names, *both = needed(fit.priorities(target))
    need(len(names) > 1, "One construct has no other beside it.")
    return priority_map(
        quadrants(list(map(spoken, names)), *both, n=fit.n),
        x_label="Index of the construct, 0 to 100",
        x_unit="score points",
        y_label=f"Importance: points of {spoken(target)} that go with one point of the construct, in all",
        y_unit="ratio",
        note="",
    )


def answer(found: Answers, fit: PathFit, *, seed: int) -> Text:
    """The index with its interval, and how far it and the paths move with the scheme of weighing."""
    fits = [fitted(found, scheme=scheme, draws=1, seed=seed) for scheme in get_args(Scheme)]
    known = [each for each in fits if isinstance(each, PathFit)]
    values = [each.index("satisfaction") for each in known]
    return say(
        "The satisfaction index is {} of 100, from {}. Between the three usual schemes of weighing (centroid, "
        "factorial, path) it moves by {} points, and no path by more than {}.",
        told(fit.index("satisfaction")),
        plural(fit.n, "complete questionnaire"),
        quantity(np.ptp([each.value for each in values if isinstance(each, Estimate)] or [np.nan]), "score points"),
        quantity(np.ptp([each.direct[0] for each in known], axis=0).max(), "slope"),
    )


# --- Claims ---------------------------------------------------------------------------------------------------------


def warned(lab: Study, *, complaint: str, ways: str = "") -> dict[str, Answer]:
    """Readings of I05: leaving after a complaint over leaving without one, also apart by the ways to complain.

    Args:
        lab: the study.
        complaint: kind of contact that counts.
        ways: covariate of the contracts by which ways to complain differ; empty for none.
    """
    import ibis

    if missing := [name for name in ("contacts", "subscriptions") if not lab.has(name)]:
        return {FROM_THEN: NotTestable(f"The study has no {listing(missing, 'or')} table.")}
    contacts, contracts = lab.table("contacts").rows, lab.table("subscriptions")
    if not contracts.has("started_at"):
        return {FROM_THEN: NotTestable("The contracts have no dates, so nobody knows what came before the complaint.")}
    contacts = contacts.filter(contacts.kind == complaint)
    events = contacts.select("customer_id", at=contacts.contacted_at.date(), state=ibis.literal(AFTER))
    parts = {FROM_THEN: contracts}
    for word in sorted(contracts.rows[ways].execute().dropna().unique()) if ways else ():
        parts[f"{ways} {word}"] = replace(contracts, rows=contracts.rows.filter(contracts.rows[ways] == word))
    return {
        name: _after_over_before(
            cox(lifetimes(split(part, events, name=COMPLAINED), by=[COMPLAINED]), covariates=[COMPLAINED])
        )
        for name, part in parts.items()
    }


@gated
def _after_over_before(fit: CoxModel | NotTestable) -> Any:
    return needed(fit).ratio(COMPLAINED, of=AFTER)


@gated
def trustworthy(lab: Study, found: Answers, *, draws: int, seed: int, **orders: str) -> Any:
    """Parts of I06: how reliable satisfaction is, and how far weighing for who answers moves its mean.

    Args:
        lab: the study, for its orders.
        found: all questionnaires.
        draws, seed: of the resamples of customers.
        orders: `returns` and `order` as of `customers.purchases`.
    """
    needed(found.lacks("satisfaction") or found)
    sure: Answer = NotTestable(f"Satisfaction was asked with fewer than {FEWEST_ITEMS} items.")
    if len(found.constructs["satisfaction"]) >= FEWEST_ITEMS:
        sure = scales.reliability(found.latest(), "satisfaction", draws=draws, seed=seed)["omega"]
    sure = replace(sure, unit="share") if isinstance(sure, Estimate) else sure
    return {"reliability": sure, "response": _weighed_for_response(lab, found, draws, seed, orders)}


@gated
def _weighed_for_response(lab: Study, found: Answers, draws: int, seed: int, orders: Mapping[str, str]) -> Any:
    """Mean satisfaction at the first wave, weighted by how rarely such customers answer, minus as it is."""
    who = found.who.reindex(columns=["customer_id", "answered_at", "wave"]).dropna()
    seen = len(who) and lab.has("orders")
    need(seen, "Who stays silent is seen from orders before a wave of which customer and day are known.")
    first = who["wave"] == who.sort_values("answered_at")["wave"].iloc[0]
    once = found.only(first.reindex(found.who.index, fill_value=False)).latest()
    day, bought = once.who["answered_at"].min(), purchases(lab.table("orders"), **orders).rows
    before = bought.filter(bought.ordered_on < day.date()).group_by("customer_id")
    past = before.agg(times=bought.opens.sum(), spent=bought.value.sum().round(DECIMALS), last=bought.ordered_on.max())
    past = past.order_by("customer_id").to_pandas()  # the same resamples each time
    said = pd.DataFrame({"satisfaction": once.score(once.constructs["satisfaction"]), "weight": once.weight})
    past = past.merge(said.set_index(once.who["customer_id"]), how="left", left_on="customer_id", right_index=True)
    answered = past["satisfaction"].notna().to_numpy()
    weight, silent = past["weight"].fillna(1.0).to_numpy(), (day - pd.to_datetime(past["last"])).dt.days
    known = np.log1p(np.column_stack([past["times"], past["spent"].astype(float).clip(0), silent]))
    ways = weighed_for_chance(known, answered), np.ones(len(past))
    to, plain = (needed(moments(past[["satisfaction"]], weight=weight * way, draws=draws, seed=seed)) for way in ways)
    spread = float(np.sqrt(plain.covariance[0, 0]))
    gap, drawn = ((a - b)[..., 0] / spread for a, b in ((to.mean, plain.mean), (to.drawn_means, plain.drawn_means)))
    return bootstrapped(Estimate.from_draws, float(gap), drawn, unit="sd", n=plain.n)


@instead("Too few customers answered twice to tell agreement over time.")
def agreement(found: Answers, *, draws: int, seed: int) -> Text:
    """How far customers who answered in the last two waves agree with themselves, in a sentence."""
    if "satisfaction" not in found.constructs or not {"customer_id", "wave"} <= set(found.who):
        return say("Nobody is known to have answered twice, so agreement over time cannot be told.")
    scores = found.who[["customer_id", "wave"]].assign(score=found.score(found.constructs["satisfaction"]))
    made = needed(moments(scores.pivot_table("score", "customer_id", "wave").iloc[:, -2:], draws=draws, seed=seed))
    need(len(made.names) > 1, "")
    return say(
        "{} customers answered in waves {} and {}; their satisfaction then and later correlates {}. Where "
        "experiences differ from time to time it is low, even if every answer is exact.",
        made.n,
        *made.names,
        told(correlations(made, made.names[0], made.names[1:])[made.names[1]]),
    )


@gated
def comparable(found: Answers, names: Sequence[str], *, refits: int, seed: int) -> Any:
    """Parts of I07: what the comparative fit loses when all groups share loadings, and then intercepts too.

    Args:
        found: one questionnaire a customer; groups are units of `FEWEST` complete ones or more.
        names: constructs of the measurement model, a factor each.
        refits: resamples within the groups; the model is fitted three times in each.
        seed: of the resamples.
    """
    needed(found.lacks(*names) or found)
    items = [item for name in names for item in found.constructs[name]]
    few = f"{listing(list(names)).capitalize()} was asked with {plural(len(items), 'item')}"
    need(len(items) >= FEWEST_ITEMS, f"{few}; {FEWEST_ITEMS} are needed.")
    nameless = "The survey has no column unit, which tells the firm or branch that each answer is about."
    need("unit" in found.who, nameless)
    unit = found.who["unit"].where(found.items[items].notna().all(axis=1).to_numpy())
    sizes = unit.value_counts()
    each = [found.only(unit == group) for group in sorted(sizes.index[sizes >= FEWEST])]
    need(len(each) > 1, f"{plural(len(each), 'group')} of {FEWEST} complete answers or more; two are needed.")
    of = [
        needed(moments(group.items[items], weight=group.weight, draws=refits, seed=seed + k))
        for k, group in enumerate(each)
    ]
    shapes, n = pattern_of([len(found.constructs[name]) for name in names]), [group.n for group in of]
    covariances = np.stack([np.concatenate([group.covariance[None], group.drawn]) for group in of], axis=1)
    means = np.stack([np.vstack([group.mean, group.drawn_means]) for group in of], axis=1)
    steps: tuple[Equal, ...] = get_args(Equal)
    fits = [
        [getattr(fit_factors(one, shapes, n=n, means=mean, equal=step), "cfi", np.nan) for step in steps]
        for one, mean in zip(covariances, means, strict=True)
    ]
    losses = -np.diff(fits, axis=1)
    need(not np.isnan(losses[0]).any(), "No common measurement model was found that fits these groups.")
    return {
        part: bootstrapped(Estimate.from_spread, float(lost[0]), lost[1:], unit="fit index", n=sum(n))
        for part, lost in zip(("loadings", "intercepts"), losses.T, strict=True)
    }


def gauges(once: Answers, did: Mapping[str, Afterwards | NotTestable]) -> pd.DataFrame:
    """The indicators of the same customers, more always being better.

    Args:
        once: one questionnaire a customer.
        did: "orders", "referrals" and "contacts" around these questionnaires (see `afterwards.in_study`); counted as
            logarithms, and complaints turned round.
    """
    who = once.who.get("customer_id", pd.Series(range(len(once.items))))
    said = {name: once.score(once.constructs[name]) for name in SAID if name in once.constructs}
    table = pd.DataFrame(said).set_axis(who, axis=0)
    for name, around in did.items():
        if isinstance(around, Afterwards):
            times = np.log1p(around.did["before"].to_numpy(float) + around.did["after"].to_numpy(float))
            table[name] = pd.Series(-times if name == "contacts" else times, around.answers.who["customer_id"])
    return table


def one_thing(table: pd.DataFrame, *, refits: int, seed: int) -> dict[str, dict[str, Answer] | NotTestable]:
    """Readings of I08 over a table of `gauges`: fit and share of one factor, and how many dimensions there are.

    Where one factor fits, omega is the hierarchical one; where it does not, the rule refuses by its other parts.
    """
    each = {ALL: table} | ({ASKED_ALL: table.drop(columns="feedback")} if "feedback" in table else {})
    return {name: _one_factor(of, refits, seed) for name, of in each.items()}


@gated
def _one_factor(table: pd.DataFrame, refits: int, seed: int) -> Any:
    known = listing([*map(str, table.columns)]) or "nothing"
    enough = table.shape[1] >= FEWEST_GAUGES
    need(enough, f"Known of the same customers: {known}; {FEWEST_GAUGES} indicators are needed.")
    made = needed(moments(table, draws=refits, seed=seed))
    stack = np.concatenate([made.covariance[None], made.drawn])
    shape, by_chance = pattern_of([table.shape[1]]), parallel(made, seed=seed)["chance"]
    beyond = np.linalg.eigvalsh(correlation(stack))[:, ::-1] > by_chance
    many = np.argmin(np.column_stack([beyond, np.zeros(len(stack))]), axis=1).astype(float)
    fits = np.array([getattr(fit_factors(one, shape, n=[made.n]), "cfi", np.nan) for one in stack])
    need(fits[0] == fits[0], "No model with one factor was found for these indicators.")
    found = {
        "fit": (fits, "fit index"),
        "general": (scales.omega(correlation(stack)), "share"),
        "dimensions": (many, "count"),
    }
    return {
        part: bootstrapped(Estimate.from_draws, float(values[0]), values[1:], unit=unit, n=made.n)
        for part, (values, unit) in found.items()
    }
