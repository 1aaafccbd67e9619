"""Who recommends us, and who buys beyond the usual: the loyal and the engaged (L05, L06, G03, G06, G09)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures, payoff, rates
from analysis.afterwards import Watched, in_study, stays, step
from analysis.customers import YEAR, purchases
from analysis.estimates import Answer, Estimate, NotTestable, columns, gated, in_brief, need, needed
from analysis.exhibits import Figure, Table, Text, instead, say
from analysis.forgiveness import hazard_ratio
from analysis.retention import MIN_EVENTS
from analysis.scales import FEWEST
from analysis.words import count, listing, plural, quantity

if TYPE_CHECKING:
    from analysis.scales import Answers
    from analysis.studies import Study

WORDS, DEEDS = "loyal by what they say", "loyal by what they do"
HELD, PLAIN, DISPERSED = "the past held fixed", "as it comes", "negative binomial"
DOES = {"visits": "touchpoints", "talk": "referrals", "feedback": "contacts", "purchases": "orders"}
NO_MARGIN = "The orders have no margin."
TRACED, NAMED = "by channel or by name", "by name only"


# --- Customers from period to period --------------------------------------------------------------------------------


def _summed(
    rows: Any, when: str, until: pd.Timestamp, days: int, *by: str, who: str = "customer_id", **sums: Any
) -> Any:
    """Sums by customer and period, counted back from the last day observed: period 0 is the last one."""
    import ibis

    ago = ibis.literal(until.date()).delta(rows[when].date(), unit="day").cast("int64") // days
    keys = ["customer_id", "ago", *by]
    made = rows.mutate(customer_id=rows[who], ago=ago).group_by(keys).agg(**sums).to_pandas()
    return made.set_index(keys).sort_index()


@gated
def periods(lab: Study, found: Answers | NotTestable, *, days: int, top: float) -> Any:
    """Customers who ordered in one period, and what they did in the next.

    Args:
        lab: the study.
        found: all its questionnaires, or why there are none.
        days: length of a period; they are counted back from the last day observed, so that all are whole.
        top: share of the customers of a period who count as loyal: those with most orders, or highest stated loyalty.

    Returns:
        `Watched`, a row a customer and period in which they ordered, except the last: customer, start (a word: the
        period), `DEEDS` and `WORDS` (1 loyal, 0 not, NaN where loyalty was not asked), tried (categories bought from so
        far, as a word), lines and new (order lines of the next period, and those in categories never bought from
        before), margin and served (of the next period, as far as known), happened (referrals in it), years (at risk).
    """
    from ibis import _, literal

    need(lab.has("orders"), "The study has no orders table.")
    orders = lab.table("orders")
    until, lines = pd.Timestamp(orders.facts["observed_until"]), orders.rows.filter(_.amount > 0)
    lines = lines.filter(~_.returned.fill_null(False)) if orders.has("returned") else lines
    whole = (until - pd.Timestamp(lines.ordered_at.min().to_pyarrow().as_py())).days // days
    need(whole > 1, f"The orders cover {plural(whole, 'whole period')} of {days} days, and two are needed.")
    sums = {"lines": _.count()} | ({"margin": _.margin.sum()} if orders.has("margin") else {})
    kind = {"category": _.category.fill_null("") if orders.has("category") else literal("")}
    each = _summed(lines.mutate(**kind), "ordered_at", until, days, "category", **sums).reset_index()
    entered = each.groupby(["customer_id", "category"])["ago"].transform("max") == each["ago"]
    each = each.assign(new=each["lines"].where(entered, 0), tried=entered).groupby(["customer_id", "ago"])
    each = each[[*sums, "new", "tried"]].sum()
    often = _summed(lines, "ordered_at", until, days, often=_.ordered_at.date().nunique())
    rows = often.assign(tried=each.pop("tried")[::-1].groupby("customer_id").cumsum()).reset_index()
    rows = rows[rows["ago"].between(1, whole - 1)].reset_index(drop=True)
    later = dict(each.items())
    if lab.has("referrals"):
        sent = lab.table("referrals").rows
        later["happened"] = _summed(sent, "referred_at", until, days, who="referrer_id", n=_.count())["n"]
    if lab.has("costs") and lab.table("costs").has("serving_cost"):
        later["served"] = _summed(lab.table("costs").rows, "period", until, days, n=_.serving_cost.sum())["n"]
    after = pd.MultiIndex.from_arrays([rows["customer_id"], rows["ago"] - 1])
    rows = rows.assign(**{name: known.reindex(after, fill_value=0).to_numpy() for name, known in later.items()})
    stayed = stays(lab, rows["customer_id"], until - pd.to_timedelta(days * rows["ago"], unit="D"))
    rows["years"] = days / YEAR if isinstance(stayed, NotTestable) else stayed["time"].clip(upper=days) / YEAR
    there = rows["years"].notna()
    first = f"customers who ordered in a period of {plural(days, 'day')}, but the last"
    rows[WORDS] = _said(found, rows, until, days)
    rows = rows[there].rename(columns={"customer_id": "customer"}).reset_index(drop=True)
    for name, score in ((DEEDS, rows["often"]), (WORDS, rows[WORDS])):
        least = score.groupby(rows["ago"]).transform("quantile", 1 - top)
        rows[name] = (score >= least).astype(float).where(score.notna())
    rows = rows.assign(start=rows["ago"].astype(str), tried=rows["tried"].astype(str))
    return Watched(rows, (step(first, there | True), step("still customers at its end", there)))


def _said(found: Answers | NotTestable, rows: pd.DataFrame, until: pd.Timestamp, days: int) -> Any:
    """The last loyalty that each customer stated in the period; NaN where there is none."""
    if isinstance(found, NotTestable) or found.lacks("loyalty") or not {"customer_id", "answered_at"} <= {*found.who}:
        return np.nan
    asked = found.who.assign(score=found.score(found.constructs["loyalty"])).sort_values("answered_at", kind="stable")
    ago = (until - asked["answered_at"].dt.normalize()).dt.days // days
    last = asked.groupby([asked["customer_id"], ago.rename("ago")])["score"].last()
    return last.reindex(pd.MultiIndex.from_frame(rows[["customer_id", "ago"]])).to_numpy()


# --- The loyal (L05, L06) -------------------------------------------------------------------------------------------


def told_by(watched: Watched | NotTestable) -> str:
    """How loyalty is told here: by words where enough were asked, else by deeds."""
    said = 0 if isinstance(watched, NotTestable) else int(watched.rows[WORDS].notna().sum())
    return WORDS if said >= FEWEST else DEEDS


def _known(watched: Watched | NotTestable, loyal: str, column: str, missing: str) -> pd.DataFrame:
    rows: pd.DataFrame = needed(watched).rows
    need(column in rows, missing)
    rows = rows.dropna(subset=loyal)
    need(len(rows), "Loyalty was not asked of customers who were then watched for a whole period.")
    return rows


@gated
def referring(watched: Watched | NotTestable, loyal: str = DEEDS, *, dispersed: bool = False) -> Any:
    """A reading of L05: referrals per customer-year of the loyal over those of the others, in the next period.

    Args:
        watched: from `periods`.
        loyal: `DEEDS` or `WORDS`.
        dispersed: by a negative binomial.
    """
    rows = _known(watched, loyal, "happened", "The study has no referrals table.")
    fewest = int(rows.groupby(loyal)["happened"].sum().reindex([0.0, 1.0], fill_value=0).min())
    need(fewest >= MIN_EVENTS, f"{plural(fewest, 'referral')} in the smaller group, and {MIN_EVENTS} are needed.")
    return rates.ratio(rows, loyal, held=["start"], dispersed=dispersed)


@gated
def crossing(watched: Watched | NotTestable, loyal: str = DEEDS, *, lines: int, held: bool = True) -> Any:
    """A reading of L06: who buys in a category new to them, the loyal minus the others, and what that leaves.

    Args:
        watched: from `periods`.
        loyal: `DEEDS` or `WORDS`.
        lines: order lines of the next period that are drawn at random from each customer, so that many orders are no
            more chances; customers with fewer are left out.
        held: compare customers who had tried equally many categories, at equal lines; else as it comes.
    """
    rows = _known(watched, loyal, "new", "")
    need(rows["tried"].nunique() > 1, "The orders have no categories, or one only.")
    entered = rows[rows["new"] > 0]
    fewest = int(entered.groupby(loyal).size().reindex([0.0, 1.0], fill_value=0).min())
    need(fewest >= MIN_EVENTS, f"{plural(fewest, 'customer')} of the smaller group entered a new category.")
    if held:
        rows = rows[rows["lines"] >= lines]
        rows = rows.assign(chance=rates.thinned(lines, rows["lines"], rows["new"]))
        uptake = rates.difference(rows, "chance", loyal, held=["tried", "start"])
    else:
        uptake = rates.difference(rows.assign(chance=(rows["new"] > 0).astype(float)), "chance", loyal)
    paid = rates.mean(entered["margin"], entered["customer"], unit="money") if "margin" in entered else None
    return {"uptake": uptake, "profit": paid or NotTestable(NO_MARGIN)}


# --- The engaged (G03, G06) -----------------------------------------------------------------------------------------


def behaviours(lab: Study, found: Answers | NotTestable, *, days: int, said: str = "engagement") -> dict[str, Any]:
    """What customers did before and after they answered, a table of `payoff.answered` for each of `DOES`."""
    if isinstance(found, NotTestable):
        return dict.fromkeys(DOES, found)
    around = {part: in_study(lab, found, table, days=days, once=False) for part, table in DOES.items()}
    return {part: payoff.answered(each, of=said) for part, each in around.items()}


@gated
def exposed(lab: Study, found: Answers | NotTestable, *, days: int, said: str = "engagement") -> Any:
    """Referrals in the days after an answer, one row an answer, with the time in which there could be some.

    Returns:
        happened, years, earlier (the logarithm of 1 and the referrals before the answer), customer and the score.
    """
    around = in_study(lab, needed(found), "referrals", days=days, once=False)
    rows = needed(payoff.answered(around, of=said))
    stayed = stays(lab, rows["customer"], rows["asked"])
    time = days if isinstance(stayed, NotTestable) else stayed["time"].clip(upper=days)
    rows = rows.assign(happened=rows["after"], years=time / YEAR, earlier=np.log1p(rows["before"]))
    return rows[rows["years"] > 0]


@gated
def praising(rows: pd.DataFrame | NotTestable, how: str = HELD, *, said: str = "engagement") -> Any:
    """A reading of G03: referrals a year for one standard deviation more engagement, over those without it.

    Args:
        rows: from `exposed`.
        how: HELD (earlier referrals), PLAIN, or DISPERSED (as HELD, by a negative binomial).
        said: construct.
    """
    held = [] if how == PLAIN else ["earlier"]
    return rates.ratio(needed(rows), said, held=held, dispersed=how == DISPERSED)


def active(did: Mapping[str, Any], watched: Watched | NotTestable, *, held: bool = True) -> dict[str, Answer]:
    """A reading of G06: what the most engaged third does more often than the least, and how leaving differs.

    Args:
        did: from `behaviours`.
        watched: from `afterwards.answers_until`.
        held: hold earlier behaviour fixed, and for leaving the time as a customer.
    """
    found: dict[str, Answer] = {part: payoff.outer_gap(table, held=held) for part, table in did.items()}
    return found | {"renewal": _renewing(watched, held)}


@gated
def _renewing(watched: Watched | NotTestable, held: bool) -> Any:
    rows = needed(watched).rows
    need(rows["left"].sum() >= MIN_EVENTS, f"Fewer than {MIN_EVENTS} customers left after they had answered.")
    rows = rows.assign(entered=0.0, time=rows["until"] - rows["day"], weight=1)
    return hazard_ratio(rows, "engagement", ["tenure"] if held else [])


# --- Where new customers come from (G09) ----------------------------------------------------------------------------


@gated
def newcomers(lab: Study, *, channel: str, days: int) -> Any:
    """New customers whose source is known, and what they do in the first days.

    Args:
        lab: the study.
        channel: the channel by which customers bring others.
        days: from the first order, in which orders count.

    Returns:
        One row a customer: customer, source (the channel), NAMED and TRACED (whether another customer brought them),
        month (of winning, as a word), and, where followed for long enough, value (money) and again (ordered again).
    """
    need(lab.has("customers"), "The study has no customers table. Bring one with channel and referred_by.")
    table = lab.table("customers")
    lacking = [name for name in ("acquired_at", "channel", "referred_by") if not table.has(name)]
    need(not lacking, f"The table customers has no column {', '.join(lacking)}. Bring it.")
    rows = table.rows.select("customer_id", "acquired_at", "channel", "referred_by").to_pandas()
    rows = rows[rows["acquired_at"].notna() & (rows["channel"].notna() | rows["referred_by"].notna())]
    need(len(rows) >= FEWEST, f"The source is known of {plural(len(rows), 'new customer')}; {FEWEST} are needed.")
    named = rows["referred_by"].notna()
    rows = rows.assign(source=rows["channel"].fillna("unknown"), month=rows["acquired_at"].dt.strftime("%Y-%m"))
    rows = rows.assign(**{NAMED: named, TRACED: named | (rows["channel"] == channel)})
    if lab.has("orders"):
        bought = purchases(lab.table("orders")).rows
        bought = bought.filter(bought.age <= days, bought.followed_days >= days).group_by("customer_id")
        worth = bought.agg(value=lambda t: t.value.sum().round(6), orders=lambda t: t.opens.sum()).to_pandas()
        rows = rows.merge(worth.assign(again=(worth.pop("orders") > 1).astype(float)), "left", "customer_id")
    return rows.rename(columns={"customer_id": "customer"}).sort_values("customer", ignore_index=True)


@gated
def contributed(rows: pd.DataFrame | NotTestable, how: str = TRACED) -> Any:
    """A reading of G09: the share of new customers whom other customers brought."""
    brought = needed(rows)[how]
    return Estimate.proportion(int(brought.sum()), len(brought))


@gated
def premium(rows: pd.DataFrame | NotTestable, what: str) -> Any:
    """How customers brought by others differ, in value or in ordering again, from those won in the same month."""
    need(what in needed(rows), "The study has no orders table.")
    known = needed(rows).dropna(subset=what).assign(brought=lambda t: t[TRACED].astype(float))
    return rates.difference(known, what, "brought", held=["month"], unit="money" if what == "value" else "points")


# --- Exhibits -------------------------------------------------------------------------------------------------------


def recommended(watched: Watched | NotTestable) -> Figure | Text:
    """Referrals a customer-year of the loyal and of the others, by both ways to tell them."""
    if isinstance(watched, NotTestable) or "happened" not in watched.rows:
        return say("{}", getattr(watched, "reason", "The study has no referrals table."))
    shown = []
    for section in (WORDS, DEEDS):
        for loyal, label in ((1.0, "the loyal"), (0.0, "the others")):
            own = watched.rows[watched.rows[section] == loyal]
            answer = rates.mean(own["happened"], own["customer"], years=own["years"], unit="ratio")
            if isinstance(answer, Estimate):
                shown.append({"section": section, "label": label, **columns(answer), "n": answer.n})
    many, few = (quantity(row["value"], "ratio") for row in shown[:2])
    return figures.dots(
        pd.DataFrame(shown).drop(columns="note"),
        name="referrals",
        title=f"{shown[0]['section'].capitalize()}, a customer recommends us {many} times a year, the others {few}",
        unit="ratio",
        x_label="Referrals by a customer in a year",
        caption="Each period follows the one in which loyalty was told; 95% intervals, customers taken whole.",
    )


@instead("{}")
def crossed(watched: Watched, *, lines: int) -> Table | Text:
    """Who enters new categories, as it comes and at equal lines, and what is left of it."""
    rows = []
    for loyal in (WORDS, DEEDS):
        for held, way in ((False, "as it comes"), (True, f"at {lines} order lines each")):
            found = crossing(watched, loyal, lines=lines, held=held)
            uptake = found if isinstance(found, NotTestable) else found["uptake"]
            rows.append({"customers": loyal, "compared": way, "loyal less others": in_brief(uptake)})
    return Table(
        name="new-categories",
        title="Who buys from a category for the first time",
        rows=pd.DataFrame(rows),
        caption="Difference of shares, in points, with 95% intervals.",
    )


@gated
def losing(watched: Watched | NotTestable) -> Any:
    """Share of the customers who entered a new category that left a loss in that period, serving counted if known."""
    rows = needed(watched).rows
    need("margin" in rows, NO_MARGIN)
    entered = rows[rows["new"] > 0]
    lost = entered["margin"] - entered.get("served", 0) < 0
    return Estimate.proportion(int(lost.sum()), len(entered))


def gaps(did: Mapping[str, Any]) -> Figure | Text:
    """What the most engaged third does more often than the least, as it comes and with the past held fixed."""
    shown = [
        {"section": way, "label": part, **columns(payoff.outer_gap(table, held=way == HELD)), "n": len(table)}
        for way in (PLAIN, HELD)
        for part, table in did.items()
        if not isinstance(table, NotTestable)
    ]
    if not shown:
        return say("{}", next(iter(did.values())).reason)
    more = [row["label"] for row in shown if row["section"] == HELD and row["low"] > 0]
    return figures.dots(
        pd.DataFrame(shown),
        name="behaviours",
        title=f"More frequent among the engaged, the past held fixed: {listing(more) or 'nothing for certain'}",
        unit="points",
        x_label="Most engaged third less least engaged third",
        reference=0.0,
        caption=f"{count(shown[0]['n'])} answers; 95% intervals.",
    )


@instead("{}")
def sources(rows: pd.DataFrame) -> Figure | Text:
    """Where new customers come from."""
    sizes = rows["source"].value_counts().items()
    shown = [{"label": name, **columns(Estimate.proportion(n, len(rows))), "n": n} for name, n in sizes]
    return figures.dots(
        pd.DataFrame(shown).drop(columns="note"),
        name="sources",
        title=f"Most new customers come by {shown[0]['label']}",
        unit="share",
        x_label="Share of new customers whose source is known",
        caption=f"{plural(len(rows), 'new customer')}; 95% intervals.",
    )
