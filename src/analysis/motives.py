"""What drives satisfaction: shares of what is explained, priorities, penalties and rewards, necessity (S07, S08, S10).

The drivers of an outcome are the constructs of a survey that rate the firm; what is left out is told with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures, maps
from analysis.drivers import QUADRANTS, Importance, importance, kano, penalty_reward, quadrants
from analysis.estimates import Answer, NotTestable, gated, need, needed, told
from analysis.exhibits import Figure, Table, Text, instead, say
from analysis.necessity import Kind, Necessity, necessity
from analysis.readings import DYSFUNCTIONAL, FUNCTIONAL
from analysis.regressions import slopes
from analysis.scales import LEVELS, Answers, Moments, moments, reliability
from analysis.words import listing, plural, spoken, with_interval

if TYPE_CHECKING:
    from analysis.studies import Study

OUTCOMES = ("satisfaction", "wallet_share", "recommend", "repurchase", "loyalty", "feedback")
EXPECTED = (*LEVELS, "can_be", "should", "will")
KINDS = ("reliability", "durability", "performance", "conformance")  # of quality
KEYS = ("communication", "empathy", "problem_solving")  # to service, as it is claimed
RARE = 0.05  # share of resamples below which a driver is not called a possible first
AS_ANSWERED, FREED = "as answered", "freed of measurement error"


# --- Who is a driver ------------------------------------------------------------------------------------------------


def parts(found: Answers, whole: str) -> list[str]:
    """Constructs that cover all items of another one without overlap; none where its items are not so shared out."""
    items = found.constructs[whole]
    inside = {name: own for name, own in found.constructs.items() if set(own) < set(items) and name not in LEVELS}
    return list(inside) if sorted(item for own in inside.values() for item in own) == sorted(items) else []


def rated(found: Answers) -> Answers:
    """The answers with what was found of each paired dimension as a construct too, where its name is free."""
    sides = {name: levels.get("perception", ()) for name, levels in found.dimensions.items()}
    free = {name: items for name, items in sides.items() if items and name not in found.constructs}
    return replace(found, constructs={**found.constructs, **free})


def suited(found: Answers, *, outcome: str, drivers: Sequence[str] = ()) -> tuple[list[str], dict[str, str]]:
    """The drivers of an outcome, and why other constructs are none.

    Where constructs share items, the parts stand for a whole that they cover, and else the larger one is taken.

    Args:
        found: the answers.
        outcome: the construct to be explained.
        drivers: constructs to take; none named tries all.
    """
    wanted = [name for name in found.constructs if name in drivers or not drivers]
    why = dict.fromkeys(set(drivers) - set(wanted), "not asked in this survey")
    why |= {name: reason for name in wanted if (reason := _unsuited(found, name, outcome, named=bool(drivers)))}
    taken: dict[str, str] = {}
    for name in sorted((name for name in wanted if name not in why), key=lambda name: -len(found.constructs[name])):
        if others := {taken[item] for item in found.constructs[name] if item in taken}:
            why[name] = f"shares questions with {listing(sorted(others))}"
        else:
            taken |= dict.fromkeys(found.constructs[name], name)
    return [name for name in wanted if name not in why], why


def _unsuited(found: Answers, name: str, outcome: str, *, named: bool) -> str:
    items, covering = found.constructs[name], parts(found, name)
    reasons = {
        "the outcome itself": bool(set(items) & set(found.constructs.get(outcome, ()))),
        "no scale stated": found.scale[items[0]] is None,
        "outcomes as well": not named and name in OUTCOMES,
        "expectations, or all perceptions together": not named and name in EXPECTED,
        "about rivals": not named and name.startswith("rival_"),
        "halves of a question about a feature": name.endswith((FUNCTIONAL, DYSFUNCTIONAL)),
        f"stands in by its parts: {listing(covering)}": not named and bool(covering),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def left_out(why: Mapping[str, str]) -> Text:
    """The constructs that are no drivers here, by the reason."""
    if not why:
        return say("Every construct that was to be tried is taken for a driver.")
    groups = {reason: [name for name in why if why[name] == reason] for reason in dict.fromkeys(why.values())}
    told_why = "; ".join(f"{listing(names)} ({reason})" for reason, names in groups.items())
    return say("Not taken for drivers: {}.", spoken(told_why))


# --- What each counts for -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weighed:
    """Drivers of an outcome with their importance, and the moments (the outcome first) that it comes from."""

    found: Answers
    outcome: str
    made: Moments
    importance: Importance


@gated
def weighed(found: Answers, names: Sequence[str], *, outcome: str, draws: int, seed: int) -> Any:
    """Importance of drivers over the questionnaires that answer all of them."""
    needed(found.lacks(outcome) or found)
    need(len(names) > 1, f"There is {plural(len(names), 'driver')} of {outcome} here, and two at least are compared.")
    made = needed(gathered(found, [outcome, *names], draws=draws, seed=seed))
    return Weighed(found, outcome, made, needed(importance(made, outcome=outcome, drivers=names)))


def gathered(found: Answers, names: Sequence[str], *, draws: int, seed: int) -> Moments | NotTestable:
    """Moments of the scores of some constructs, with resamples of the customers."""
    table = found.table(names)
    return moments(table[list(names)], weight=table["weight"].to_numpy(), draws=draws, seed=seed)


@instead("The shares cannot be told. {}")
def shares(of: Weighed, *, name: str = "importance") -> Figure | Text:
    """Each driver's share of what all of them explain; `name` is the figure's."""
    table = of.importance.table().replace({"driver": {"_": " "}}, regex=True)
    return figures.dots(
        table.rename(columns={"driver": "label"}),
        name=name,
        title=f"Most falls to {table['driver'][0]}, the first in {table['top_ranked'][0]:.0%} of the resamples",
        unit="share",
        x_label=f"Share of the explained differences in {of.outcome}",
        reference=1 / len(table),
        reference_label="if all counted the same",
        caption=f"{plural(of.made.n, 'questionnaire')}; together the drivers explain {told(of.importance.explained())} "
        f"of the differences between customers. Shares: {of.importance.method}; 95% intervals.",
    )


def priorities(of: Weighed) -> Figure:
    """Where each driver stands by importance and rating, and how sure that is."""
    names = list(of.importance.drivers)
    low, high = np.array([of.found.ends(name) for name in names]).T
    rated = (np.vstack([of.made.mean, of.made.drawn_means])[:, 1:] - low) / (high - low)
    less = np.quantile(of.made.drawn[:, 0, 1:], 0.975, axis=0) < 0
    turned = listing([spoken(name) for name, way in zip(names, less, strict=True) if way])
    other_way = f" Rated the other way round, because more of it goes with less {spoken(of.outcome)}: {turned}."
    return priority_map(
        quadrants(list(map(spoken, names)), of.importance.shares, np.where(less, 1 - rated, rated), n=of.made.n),
        x_label="Mean rating, as a share of the way up its scale",
        x_unit="share",
        y_label=f"Importance: share of the explained differences in {spoken(of.outcome)}",
        y_unit="share",
        note=other_way if turned else "",
    )


def priority_map(placed: pd.DataFrame, *, note: str, **axes: Any) -> Figure:
    """The map of importance and rating; the title names what surely, or else perhaps, comes first.

    Args:
        placed: from `drivers.quadrants`.
        note: ends the caption.
        axes: labels and units as of `maps.quarters`.
    """
    first = placed[placed["quadrant"] == QUADRANTS[2]].sort_values("chance", ascending=False)
    sure = listing(list(first["attribute"][first["chance"] >= maps.SURE]))
    perhaps = f"; perhaps {first['attribute'].iloc[0]}" if len(first) else ""
    return maps.quarters(
        placed,
        name="priorities",
        title=f"Important and rated below the others: {sure}"
        if sure
        else f"Nothing is surely both important and rated below the others{perhaps}",
        caption="Lines: the means. Beside each name, in how many of the resamples of the customers it lies in the "
        f"quarter where it lies most often; hollow below {maps.SURE:.0%}. 95% intervals.{note}",
        **axes,
    )


@instead("{}")
def asymmetries(of: Weighed, *, draws: int, seed: int) -> Table:
    """What bad and good ratings of each driver do to the outcome."""
    table = of.found.table(of.made.names)
    weight = table.pop("weight").to_numpy()
    found = needed(penalty_reward(table, outcome=of.outcome, weight=weight, draws=draws, seed=seed))
    rows: dict[str, Any] = {"driver": found["attribute"].map(spoken), "kind": found["kind"]}
    for what in ("penalty", "reward"):
        ends = found[[what, f"{what} low", f"{what} high"]].to_numpy()
        rows[what] = [with_interval(value, low, high, "sd") for value, low, high in ends]
    return Table(
        name="penalties",
        title="What a bad and a good rating does, against a middling one",
        rows=pd.DataFrame(rows),
        caption=f"Standard deviations of {of.outcome} with 95% intervals, the other drivers held fixed; bad and good "
        "are the lowest and the highest third of the answers.",
    )


@instead("What drives the outcome cannot be told. {}")
def answer(of: Weighed) -> Text:
    """Which drivers may be the first, in a sentence."""
    table = of.importance.table()
    first, able = table["driver"][0], list(table["driver"][table["top_ranked"] >= RARE])
    rest = f"These customers are too few to say which is first: {listing(able, 'or')}." if len(able) > 1 else ""
    return say(
        "Together the drivers explain {} of the differences in {}. The largest share falls to {}: {}. {}",
        told(of.importance.explained()),
        spoken(of.outcome),
        spoken(first),
        told(of.importance.share(first)),
        spoken(rest) or "No other comes near.",
    )


@instead("{}")
def features(found: Answers, *, draws: int, seed: int) -> Table:
    """Kano kinds of the features that were asked about with and without them."""
    named = [name.removesuffix(FUNCTIONAL) for name in found.constructs if name.endswith(FUNCTIONAL)]
    rows: list[dict[str, str]] = []
    for name in (name for name in named if name + DYSFUNCTIONAL in found.constructs):
        table = found.table([name + FUNCTIONAL, name + DYSFUNCTIONAL])
        kinds: Any = kano(table.set_axis(["functional", "dysfunctional", "weight"], axis=1), draws=draws, seed=seed)
        need(isinstance(kinds, pd.DataFrame), f"The feature {name} cannot be read. {getattr(kinds, 'reason', '')}")
        read = kinds.set_index("reading")[["value", "low", "high"]]
        kind = str(read["value"][:-2].idxmax())
        rows.append({"feature": spoken(name), "most take it for": kind})
        for heading, which in {"share who do": kind, "better with it": "better", "worse without": "worse"}.items():
            value, low, high = map(float, read.loc[which])
            rows[-1][heading] = with_interval(value, low, high, "share")
    need(rows, "No feature was asked about with it and without it, so nobody's delight or duty can be told apart.")
    return Table(
        name="features",
        title="What customers take each feature for",
        rows=pd.DataFrame(rows),
        caption="Better and worse: the shares, among those who care, whom the feature would please and, with a minus, "
        "whom its absence would displease. 95% intervals.",
    )


# --- Claims ---------------------------------------------------------------------------------------------------------


def ceilings(found: Answers, *, draws: int, seed: int) -> dict[str, Necessity | NotTestable] | NotTestable:
    """How high satisfaction goes at each level of each kind of quality."""
    if lacking := found.lacks("satisfaction", *KINDS):
        return lacking
    table = found.table(["satisfaction", *KINDS])
    return {kind: necessity(table[kind], table["satisfaction"], draws=draws, seed=seed) for kind in KINDS}


def right_again(found: Answers, bounds: Any, *, draws: int, seed: int) -> dict[str, dict[str, Answer] | NotTestable]:
    """Readings of S08: slopes of satisfaction on four kinds of quality, and whether it can do without any.

    Args:
        found: one questionnaire a customer.
        bounds: their `ceilings`.
        draws, seed: of the resamples of customers.
    """
    names = ["satisfaction", *KINDS]
    made = bounds if isinstance(bounds, NotTestable) else gathered(found, names, draws=draws, seed=seed)
    if isinstance(made, NotTestable):
        return {AS_ANSWERED: made, FREED: made}
    without: dict[str, Answer] = {f"{kind}_necessary": _excess(bound) for kind, bound in bounds.items()}
    omegas = {kind: reliability(found, kind, draws=2, seed=seed)["omega"] for kind in KINDS}
    sure = {kind: each.value for kind, each in omegas.items() if not isinstance(each, NotTestable)}
    ways: dict[str, dict[str, float]] = {AS_ANSWERED: {}, FREED: sure}
    each = {name: slopes(made, "satisfaction", KINDS, reliabilities=way) for name, way in ways.items()}
    return {name: {f"{kind}_slope": of[kind] for kind in KINDS} | without for name, of in each.items()}


def _excess(bound: Any) -> Answer:
    return bound if isinstance(bound, NotTestable) else bound.excess


@gated
def keys_of_service(found: Answers, beside: Sequence[str], *, draws: int, seed: int) -> Any:
    """S10: the joint share of the three keys in what rated parts of service explain, less an even share.

    Args:
        found: one questionnaire a customer.
        beside: the other rated parts of service; two at least.
        draws, seed: of the resamples of customers.
    """
    attributes = [*KEYS, *(name for name in beside if name not in KEYS)]
    needed(found.lacks("satisfaction", *attributes) or found)
    others = len(attributes) >= len(KEYS) + 2
    need(others, "Fewer than two other parts of service were named to compare the three with.")
    of: Weighed = needed(weighed(found, attributes, outcome="satisfaction", draws=draws, seed=seed))
    return of.importance.beyond_even(*KEYS)


def over_branches(study: Study, *, draws: int, seed: int) -> dict[str, Necessity | NotTestable]:
    """How high retention goes at each level of satisfaction in the latest period of branches, by kind of ceiling."""
    ways: dict[str, Kind] = {"stepwise ceiling": "CE-FDH", "straight ceiling": "CR-FDH"}
    both = ["satisfaction", "retention"]
    rows = study.table("units").rows.to_pandas() if study.has("units") else pd.DataFrame()
    if lacking := [name for name in both if name not in rows]:
        return dict.fromkeys(ways, NotTestable(f"The study has no units table with {listing(lacking)}."))
    latest = rows.dropna(subset=both).sort_values("period").groupby("unit")[both].last()
    bound = partial(necessity, latest["satisfaction"], latest["retention"], draws=draws, seed=seed)
    return {name: bound(kind=kind) for name, kind in ways.items()}


def indispensable(bounds: Mapping[str, Necessity | NotTestable]) -> dict[str, Answer]:
    """Readings of S07: is satisfaction necessary for retention, `over_branches`?"""
    return {name: _excess(bound) for name, bound in bounds.items()}


def bottlenecks(bounds: Any, *, of: str, title: str, name: str) -> Table | Text | None:
    """What each level of something takes at least of all that is surely needed for it.

    Args:
        bounds: what may be needed, with its ceiling; where nothing is known, the verdict says why, and nothing is here.
        of: what it may be needed for.
        title, name: of the table.
    """
    known = {} if isinstance(bounds, NotTestable) else bounds
    known = {what: bound for what, bound in known.items() if isinstance(bound, Necessity)}
    if not known:
        return None
    sure = {what: bound.ceiling.bottlenecks() for what, bound in known.items() if bound.excess.low > 0}
    if not sure:
        return say("Nothing of this is surely needed for {}, so there are no levels to tell.", spoken(of))

    def share(least: float) -> str:
        return "not needed" if np.isnan(least) else "out of reach" if np.isinf(least) else f"{least:.0%}"

    levels = next(iter(sure.values()))["outcome"].map(share)
    least = {what: cut["needed"].map(share) for what, cut in sure.items()}
    return Table(
        name=name,
        title=title,
        rows=pd.DataFrame({"level": levels, **least})[1:],
        headings={"level": f"{spoken(of).capitalize()}, of its range"},
        caption="All in shares of the way from the lowest to the highest seen. Only what is surely needed has a "
        "column. Single cases draw a ceiling, so these levels are rough.",
    )
