"""Emotion, bond, trust and engagement: what they add, and what loyalty can do without (L01, L02, L07, L08, G01-G07)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis import figures, maps, motives
from analysis.afterwards import Afterwards, in_turn
from analysis.allegiance import Rows, alike, scored
from analysis.customers import YEAR
from analysis.drivers import importance
from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, columns, gated, need, needed, told
from analysis.exhibits import Figure, Text, instead, say
from analysis.motives import Weighed
from analysis.necessity import Kind, Necessity, necessity
from analysis.regressions import correlations, gains, slopes
from analysis.scales import FEWEST, Answers, moments, reliability, resampled
from analysis.words import listing, plural, quantity, spoken

BLOCKS = {"emotion": "emotion", "satisfaction": "attributes", "value": "value"}  # construct -> part of L01
SOURCES = ("satisfaction", "loyalty", "influence", "excitement")  # of engagement, as it is said
OF_LOYALTY = ("trust", "satisfaction", "value", "image")
PLAIN, PAST = "as it comes", "earlier buying held fixed"
LATER, SAME_DAY, BOUGHT = "loyalty one wave later", "loyalty of the same day", "orders instead of words"
RUNGS = {LATER: "C", SAME_DAY: "B", BOUGHT: "C"}
TOGETHER, PAIRS = "products of two and of three", "products of two"
AS_ANSWERED, FREED = "as answered", "freed of measurement error"
FIXED, FREE = "earlier loyalty held fixed", "as it comes"
MONTHS_TO = 600  # longest half-life told: fifty years
FAINT = 0.1  # share of a perceived lead that must outlast its own noise, or it lasts no time at all


# --- L01 and L07: three blocks ------------------------------------------------------------------------------------


@gated
def over_waves(around: Afterwards | NotTestable, *, least: int) -> Any:
    """One row a customer: the means of emotion, satisfaction and value over waves, and orders around the last of them.

    Args:
        around: orders around every questionnaire.
        least: answers that a customer must have given.

    Returns:
        emotion, satisfaction, value; unsteady (standard deviation of emotion over waves); later buying and
        past (log of one and the orders in the days after and before the last answer); weight.
    """
    of: Afterwards = needed(around)
    needed(of.answers.lacks(*BLOCKS) or of)
    table = scored(of.answers, BLOCKS).join(of.did[["before", "after"]])
    table = table.assign(who=of.answers.who["customer_id"], weight=of.answers.weight)
    table = table.assign(day=of.answers.who["answered_at"]).dropna().sort_values("day", kind="stable")
    by = table.groupby("who")
    last = by[["before", "after", "weight"]].last()
    means = by[list(BLOCKS)].mean().assign(unsteady=by["emotion"].std(ddof=0), answers=by.size())
    found = means.assign(past=np.log1p(last["before"]), weight=last["weight"])
    found["later buying"] = np.log1p(last["after"])
    found = found[found["answers"] >= least].reset_index(drop=True)
    waves = "Ask the same customers at more waves." if least > 1 else "Ask more customers."
    few = f"{plural(len(found), 'customer')} answered {plural(least, 'time')} or more, and {FEWEST} are needed. {waves}"
    need(len(found) >= FEWEST, few)
    return found


@gated
def three_blocks(table: Rows, *, how: str = PLAIN, draws: int, seed: int) -> Any:
    """A reading of L01: what of later buying goes with each block and with no other, as semipartial correlations."""
    rows = needed(table)
    drivers = [*BLOCKS, *(["unsteady"] if np.ptp(rows["unsteady"]) > 0 else []), *["past"] * (how == PAST)]
    made = needed(moments(rows[["later buying", *drivers]], weight=rows["weight"], draws=draws, seed=seed))
    each = slopes(made, "later buying", drivers, alone=True)
    return {part: each[construct] for construct, part in BLOCKS.items()}


def in_ways(around: Any, *, answers: int, past: str, draws: int = 199, seed: int = 0) -> Any:
    """`three_blocks` by how many answers are asked for and what is held fixed."""
    return three_blocks(over_waves(around, least=answers), how=past, draws=draws, seed=seed)


@gated
def alone(table: Rows, *, draws: int, seed: int) -> Any:
    """The naive figure beside L01: the plain correlation of later buying with each block."""
    rows = needed(table)
    made = needed(moments(rows[["later buying", *BLOCKS]], weight=rows["weight"], draws=draws, seed=seed))
    return {part: correlations(made, "later buying", list(BLOCKS))[construct] for construct, part in BLOCKS.items()}


@gated
def shares(found: Answers, table: Rows, *, draws: int, seed: int) -> Any:
    """How what the blocks explain of later buying falls to each of them."""
    rows = needed(table)
    made = needed(moments(rows[["later buying", *BLOCKS]], weight=rows["weight"], draws=draws, seed=seed))
    return Weighed(found, "later buying", made, needed(importance(made, outcome="later buying", drivers=list(BLOCKS))))


@gated
def together(table: Rows, *, how: str = TOGETHER, draws: int, seed: int) -> Any:
    """A reading of L07: out-of-sample gain of products of the blocks over the blocks."""
    rows = needed(table)
    flat = [name for name in BLOCKS if not np.ptp(rows[name])]
    need(not flat, f"All who answered are alike in {listing(flat)}.")
    a, b, c = alike(rows[list(BLOCKS)]).to_numpy().T
    products = [a * b, a * c, b * c, *([a * b * c] if how == TOGETHER else [])]
    designs = {"sum": np.column_stack([a, b, c]), how: np.column_stack([a, b, c, *products])}
    later, weight = rows["later buying"].to_numpy(), rows["weight"].to_numpy()
    return gains(later, designs, weight=weight, draws=draws, seed=seed)[how]


# --- L02 and G01: what is added, and what is indispensable --------------------------------------------------------


@gated
def told_by(found: Answers, names: Sequence[str], how: str, orders: Afterwards | NotTestable) -> Any:
    """Scores of some constructs beside an outcome, one row a customer.

    Args:
        found: every questionnaire.
        names: of the constructs.
        how: LATER (loyalty at the next answer; the last pair of answers counts), SAME_DAY (of the last answer), or
            BOUGHT (log of one and the orders after it).
        orders: around the last answer of each customer.
    """
    if how == BOUGHT:
        of: Afterwards = needed(orders)
        needed(of.answers.lacks(*names) or of)
        return scored(of.answers, names).assign(outcome=np.log1p(of.did["after"])).dropna()
    needed(found.lacks(*names, "loyalty") or found)
    if how == SAME_DAY:
        return scored(found.latest(), [*names, "loyalty"]).rename(columns={"loyalty": "outcome"}).dropna()
    rows = needed(in_turn(found, scored(found, [*names, "loyalty"])))
    rows = rows.assign(outcome=rows["later loyalty"], day=found.who["answered_at"]).sort_values("day", kind="stable")
    return rows.drop_duplicates("who", keep="last").sort_index()


@gated
def indispensable(
    table: Rows, added: str, *, condition: str, of: str, kind: Kind = "CE-FDH", draws: int, seed: int
) -> Any:
    """What a feeling adds to satisfaction in telling the outcome, and whether something can do without something.

    Args:
        table: from `told_by`.
        added: the feeling.
        condition, of: whether `of` can do without `condition`, two columns of the table.
        kind: of ceiling.
        draws, seed: of the resamples.

    Returns:
        The gain (an answer), and `necessity.Necessity` or why there is none.
    """
    rows = needed(table)
    need(len(rows) >= FEWEST, f"{plural(len(rows), 'customer')} with all answers, and {FEWEST} are needed.")
    designs = {"satisfaction": rows[["satisfaction"]].to_numpy(), added: rows[["satisfaction", added]].to_numpy()}
    gain = gains(rows["outcome"].to_numpy(), designs, draws=draws, seed=seed)[added]
    return gain, necessity(rows[condition], rows[of], kind=kind, draws=draws, seed=seed)


@gated
def in_parts(found: tuple[Answer, Necessity | NotTestable] | NotTestable, second: str) -> Any:
    """A reading of L02 (second part "necessary") or of G01 ("entrance")."""
    gain, bound = needed(found)
    return {"adds": gain, second: bound if isinstance(bound, NotTestable) else bound.excess}


# --- L08: a lead over rivals ----------------------------------------------------------------------------------------


@gated
def leads(found: Answers) -> Any:
    """Loyalty, and lead: satisfaction minus that with the best rival, both as shares of the way up their scales."""
    rivals = [name for name in found.constructs if name.startswith("rival_")]
    need(rivals, "The survey rates no rival (a construct named rival_NAME), so nobody's lead can be told. Ask for one.")
    needed(found.lacks("satisfaction", "loyalty") or found)
    ends = {name: found.ends(name) for name in ("satisfaction", *rivals)}
    up = {name: (found.score(found.constructs[name]) - low) / (high - low) for name, (low, high) in ends.items()}
    best = pd.DataFrame({name: up[name] for name in rivals}).max(axis=1)
    return scored(found, ["loyalty"]).assign(lead=up["satisfaction"] - best)


@gated
def what_a_lead_does(found: Answers, lead: Rows, *, how: str = FIXED, draws: int, seed: int) -> Any:
    """A part of L08: slope of the next loyalty on the lead."""
    rows: pd.DataFrame = needed(in_turn(found, needed(lead)))
    drivers = ["lead", *(["loyalty"] if how == FIXED else [])]
    table, weight = rows[["later loyalty", *drivers]], rows["weight"].to_numpy()
    made = moments(table, weight=weight, cases=rows["who"], draws=draws, seed=seed)
    return slopes(needed(made), "later loyalty", drivers)["lead"]


@gated
def lasting(found: Answers, lead: Rows, *, draws: int, seed: int, groups: int = 6) -> Any:
    """How much of a lead is left after some months, and its half-life.

    Two answers of a customer share the lead that both tell of, and not the noise of either. So what they share, over
    pairs further and further apart, falls as the lead does: by a constant share a month, fitted to `groups` of equally
    many pairs. A lead of which less than `FAINT` outlasts the day lasts no time.

    Returns:
        An answer in months, at most `MONTHS_TO`; and a table: months, left (share of the perceived lead), fitted.
    """
    rows = needed(lead)[["lead"]].assign(who=found.who.get("customer_id"), day=found.who.get("answered_at")).dropna()
    thrice = int((rows.groupby("who")["day"].nunique() >= 3).sum())
    few = f"{plural(thrice, 'customer')} told of a lead at three waves, and {FEWEST} are needed. Ask them again."
    need(thrice >= FEWEST, few)
    if "wave" in found.who:
        rows["lead"] -= rows.groupby(found.who["wave"])["lead"].transform("mean")
    rows["lead"] -= rows["lead"].mean()
    pairs = rows.merge(rows, on="who", suffixes=("", " later"))
    apart = (pairs["day later"] - pairs["day"]).dt.days / (YEAR / 12)
    pairs = pairs.assign(months=apart, product=pairs["lead"] * pairs["lead later"])[apart > 0]
    code, people = pd.factorize(rows["who"])
    bins = pd.qcut(pairs["months"], groups, labels=False, duplicates="drop")
    group = np.unique(bins, return_inverse=True)[1]  # where waves are equally far apart some bins are empty
    months = pairs["months"].groupby(group).mean().to_numpy()
    need(len(months) > 1, "All pairs of answers are equally far apart, so no course can be told. Ask at a third wave.")
    place = pd.Index(people).get_indexer(pairs["who"]), group
    sums, counts = np.zeros((2, len(people), len(months)))
    np.add.at(sums, place, pairs["product"])
    np.add.at(counts, place, 1)
    own = np.column_stack([np.bincount(code, rows["lead"] ** 2), np.bincount(code)])

    def course(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        square, n = (weights @ own).T
        left = (weights @ sums) / (weights @ counts) / (square / n)[:, None]
        logs, away = np.log(np.maximum(left, FAINT / 10)), months - months.mean()
        slope = logs @ away / (away @ away)
        return left, slope, logs.mean(axis=1) - slope * months.mean()

    def half(weights: np.ndarray) -> np.ndarray:
        _, slope, start = course(weights)
        falls = -np.log(2) / np.minimum(slope, -np.log(2) / MONTHS_TO)
        return np.where(np.exp(start) < FAINT, 0.0, falls)

    left, slope, start = course(one := np.ones((1, len(people))))
    ends = np.concatenate([half(weights) for weights in resampled(len(people), draws, seed)])
    answer = bootstrapped(Estimate.from_draws, float(half(one)[0]), ends, unit="months", n=len(people))
    return answer, pd.DataFrame({"months": months, "left": left[0], "fitted": np.exp(start + slope * months)})


def durable(found: Answers, lead: Rows, *, draws: int, seed: int) -> dict[str, dict[str, Answer]]:
    """Readings of L08."""
    course = lasting(found, lead, draws=draws, seed=seed)
    kept = course if isinstance(course, NotTestable) else course[0]
    does = {how: what_a_lead_does(found, lead, how=how, draws=draws, seed=seed) for how in (FIXED, FREE)}
    return {how: {"effect": effect, "half_life": kept} for how, effect in does.items()}


# --- G04 and G07: where engagement and loyalty come from --------------------------------------------------------------


@gated
def sources(found: Answers, *, how: str = AS_ANSWERED, draws: int, seed: int) -> Any:
    """A reading of G04, from one questionnaire a customer: slopes of engagement on its four supposed sources."""
    needed(found.lacks("engagement", *SOURCES) or found)
    made = needed(motives.gathered(found, ["engagement", *SOURCES], draws=draws, seed=seed))
    sure = {name: reliability(found, name, draws=2, seed=seed)["omega"] for name in SOURCES if how == FREED}
    known = {name: each.value for name, each in sure.items() if isinstance(each, Estimate)}
    return slopes(made, "engagement", SOURCES, reliabilities=known)


@gated
def of_loyalty(found: Answers, *, how: str = LATER, drivers: Sequence[str] = OF_LOYALTY, draws: int, seed: int) -> Any:
    """What of loyalty falls to trust and to the other drivers."""
    needed(found.lacks(*drivers, "loyalty") or found)
    if how == SAME_DAY:
        return needed(motives.weighed(found.latest(), list(drivers), outcome="loyalty", draws=draws, seed=seed))
    rows = needed(in_turn(found, scored(found, [*drivers, "loyalty"])))
    table, weight = rows[["later loyalty", *drivers]], rows["weight"]
    made = needed(moments(table, weight=weight, cases=rows["who"], draws=draws, seed=seed))
    return Weighed(found, "later loyalty", made, needed(importance(made, outcome="later loyalty", drivers=drivers)))


def trust_first(of: Weighed | NotTestable) -> Answer:
    """A reading of G07: the share of trust minus the largest share of any other driver."""
    return of if isinstance(of, NotTestable) else of.importance.lead("trust")


# --- Exhibits -------------------------------------------------------------------------------------------------------


def beside(readings: Mapping[str, Mapping[str, Answer] | NotTestable], *, name: str, what: str, **telling: Any) -> Any:
    """Parts of several readings as dots, a section each, the naive one first.

    Args:
        readings: section to parts.
        name: of the figure.
        what: the quantity, for the axis; its unit is that of the answers.
        telling: title and caption.
    """
    known = {section: parts for section, parts in readings.items() if not isinstance(parts, NotTestable)}
    if not known:
        return say("{}", next(getattr(parts, "reason", "") for parts in readings.values()))
    rows = [
        {"section": section, "label": spoken(part), **columns(answer)}
        for section, parts in known.items()
        for part, answer in parts.items()
    ]
    unit = next(answer.unit for parts in known.values() for answer in parts.values() if isinstance(answer, Estimate))
    look: dict[str, Any] = {"reference": 0.0, "reference_label": "no link"}
    return figures.dots(pd.DataFrame(rows), name=name, unit=unit, x_label=what, **look, **telling)


@instead("There is no ceiling to draw. {}")
def bounded(table: Any, found: Any, *, condition: str, of: str, named: str, name: str) -> Figure | Text:
    """How high the outcome goes at each level of the condition.

    Args:
        table: from `told_by`.
        found: what `indispensable` gave.
        condition, of: columns of the table.
        named: the outcome in words.
        name: of the figure.
    """
    bound = needed(found[1])
    cells = (table[[condition, of]] * 2).round() / 2
    size, expected = (quantity(each, "effect size") for each in (bound.ceiling.effect_size, bound.expected))
    return maps.crowd(
        cells.set_axis(["x", "y"], axis=1).value_counts().reset_index(name="n"),
        name=name,
        title=f"Empty corner: {size} of the plane, where {expected} would stay empty anyway",
        x_label=f"{spoken(condition).capitalize()} (mean answer)",
        y_label=f"{named[:1].upper()}{named[1:]}",
        ceiling=True,
        caption=f"{plural(len(table), 'customer')}. Steps: the highest level so far, among the dots shown. What would "
        "stay empty anyway comes from simulated data with the same answers and the same correlation.",
    )


@instead("How long a lead lasts cannot be told. {}")
def course(found: tuple[Estimate, pd.DataFrame]) -> Figure | Text:
    """What is left of a lead over rivals as months pass."""
    answer, left = found
    course = {"as seen": left["left"], "fitted": left["fitted"]}
    lines = [pd.DataFrame({"line": line, "x": left["months"], "y": y}) for line, y in course.items()]
    return figures.sweep(
        pd.concat(lines, ignore_index=True),
        name="lead",
        title=f"Half of a lead is lost after {told(answer)}"
        if answer.value < MONTHS_TO
        else "A lead does not wear off while customers are watched",
        x_label="Months between two answers of a customer",
        x_unit="months",
        y_label="Share of a perceived lead that the later answer still tells of",
        y_unit="share",
        caption=f"{plural(answer.n, 'customer')}; pairs of answers in groups of the same size, and a constant fall "
        "fitted to them. What is missing at the left is noise that two answers do not share. Half-lives beyond "
        f"{MONTHS_TO} months are told as {MONTHS_TO}.",
    )


def strongest(parts: Mapping[str, Answer] | NotTestable) -> tuple[str, Answer]:
    """The part with the largest estimate, by name."""
    known = {} if isinstance(parts, NotTestable) else parts
    sure = {name: each for name, each in known.items() if isinstance(each, Estimate)}
    if not sure:
        return "", parts if isinstance(parts, NotTestable) else NotTestable("No part can be tested.")
    best = max(sure, key=lambda name: sure[name].value)
    return best, sure[best]
