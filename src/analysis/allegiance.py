"""Kinds of loyalty: who stays and likes it, who is stuck, what a tier tells, and what comes first (L09 to L13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures, maps, rates
from analysis.afterwards import Afterwards, in_turn, stays
from analysis.drivers import importance
from analysis.estimates import Answer, Estimate, NotTestable, columns, effective_size, gated, need, needed
from analysis.exhibits import Figure, Table, Text, instead
from analysis.hazards import cox
from analysis.lifetimes import several
from analysis.mixtures import Kinds, kinds
from analysis.motives import Weighed
from analysis.regressions import areas, slopes
from analysis.retention import MIN_EVENTS
from analysis.scales import FEWEST, Answers, moments
from analysis.trials import rows_of
from analysis.words import count, listing, plural, quantity

if TYPE_CHECKING:
    from analysis.studies import Study

SEVERAL, ONCE = "mean of two answers or more", "one answer or more"
NEXT, FIRST = "each answer until the next", "first answer for good"
FREED = "when the contract ceases to bind"
ADDED, LIKING, BESIDE_POINTS = "beside the tier", "attitude alone", "beside tier and points"
HELD, PLAIN, EARLIER = "usage held fixed", "as it comes", "earlier demands held fixed as well"
EVERY, SOON, ONE = "every pair", "at most a year apart", "one pair a customer"
LATER, SAME_DAY = "loyalty one wave later", "loyalty of the same day"
EXPERIENCE = {"emotion": 1, "effort": -1, "quality": 1}  # and which way each counts
RIVALS = ("price", "habit", "availability", "switching_cost")
NOT_YET = "none yet"

Rows = pd.DataFrame | NotTestable


def scored(found: Answers, names: Iterable[str]) -> pd.DataFrame:
    """Scores of some constructs, row by row."""
    return pd.DataFrame({name: found.score(found.constructs[name]) for name in names})


def alike(table: pd.DataFrame) -> pd.DataFrame:
    """Columns in standard deviations from their means."""
    return (table - table.mean()) / table.std(ddof=0)


# --- L09: kinds -----------------------------------------------------------------------------------------------------


@gated
def measured(around: Afterwards | NotTestable, *, least: int = 2) -> Any:
    """One row a customer: attitude (mean loyalty over answers) and often (log of one and the mean orders before them).

    Args:
        around: orders around every questionnaire; customers for less than its days are left out.
        least: answers that a customer must have given, because the mood of one day makes no kind.
    """
    of: Afterwards = needed(around)
    needed(of.answers.lacks("loyalty") or of)
    table = scored(of.answers, ["loyalty"]).join(of.did).assign(who=of.answers.who["customer_id"]).dropna()
    table = table.groupby("who").agg(
        answers=("loyalty", "size"), attitude=("loyalty", "mean"), orders=("before", "mean"), age=("age", "max")
    )
    table = table[(table["answers"] >= least) & (table["age"] >= of.days)].reset_index(drop=True)
    enough = f"{plural(len(table), 'customer')} answered {plural(least, 'time')} or more, and {FEWEST} are needed."
    need(len(table) >= FEWEST, enough)
    return table.assign(often=np.log1p(table["orders"]))


@gated
def sorted_out(table: Rows, *, draws: int, seed: int, halves: int = 50) -> Any:
    """The groups that customers fall into by attitude and buying (see `mixtures.kinds`)."""
    return kinds(needed(table)[["attitude", "often"]], draws=draws, halves=halves, seed=seed)


@gated
def parts(found: Kinds | NotTestable) -> Any:
    """A reading of L09."""
    return {name: getattr(needed(found), name) for name in ("groups", "stability", "beyond_skew")}


# --- L10: willing and stuck -----------------------------------------------------------------------------------------


@gated
def in_contract(lab: Study, found: Answers) -> Any:
    """Questionnaires that came while a contract ran, each until the customer's next one.

    Returns:
        A row a questionnaire: satisfaction; attitude and switching_cost (points above mid-scale); who; weight; time
        (days to the next answer, the end of the contract or the last day seen) and left (by then); stay and gone (the
        same whatever was answered next); seen (days to the last day seen).
    """
    needed(found.lacks("satisfaction", "loyalty", "switching_cost") or found)
    need({"customer_id", "answered_at"} <= {*found.who}, "The survey has no customer_id or no answered_at.")
    after = needed(stays(lab, found.who["customer_id"], found.who["answered_at"]))
    table = scored(found, ["satisfaction", "loyalty", "switching_cost"]).rename(columns={"loyalty": "attitude"})
    table["attitude"] -= sum(found.ends("loyalty")) / 2
    table["switching_cost"] -= sum(found.ends("switching_cost")) / 2
    day = pd.to_datetime(found.who["answered_at"]).dt.normalize()
    table = table.assign(who=found.who["customer_id"], day=day, weight=found.weight)
    table = table.assign(stay=after["time"], gone=after["left"]).dropna().sort_values(["day", "who"])
    need(len(table), "No answer came while a contract ran. Ask customers while they are customers.")
    until = pd.Timestamp(lab.table("subscriptions").facts["observed_until"])
    following = (table.groupby("who")["day"].shift(-1) - table["day"]).dt.days
    time = np.fmin(table["stay"], following)
    table = table.assign(seen=(until - table["day"]).dt.days, time=time, left=table["gone"] & (time == table["stay"]))
    return table[time > 0].drop(columns="day").reset_index(drop=True)


@gated
def stuck(table: Rows, *, days: int) -> Any:
    """Share of those who answered who are still customers after some days, without liking it, at a cost of leaving.

    The last answer that was followed so long counts; both cut-points are the middle of the scale.
    """
    rows = needed(table)
    rows = rows[rows["seen"] >= days].drop_duplicates("who", keep="last")
    need(len(rows) >= FEWEST, f"{plural(len(rows), 'customer')} watched for {days} days, and {FEWEST} are needed.")
    yes = (rows["stay"] >= days) & (rows["attitude"] < 0) & (rows["switching_cost"] > 0)
    share, size = np.average(yes, weights=rows["weight"]), effective_size(rows["weight"].to_numpy())
    around: Any = Estimate.proportion(share * size, size)  # type: ignore[arg-type]
    return Estimate(float(share), "share", len(rows), around.quantile, "Wilson", int(yes.sum()))


@gated
def leaving(table: Rows, *, how: str = NEXT, product: bool = True) -> Any:
    """The hazard ratio of leaving for one standard deviation more satisfaction; or what switching cost does to it.

    Args:
        table: from `in_contract`.
        how: NEXT, or FIRST: a customer's first answer, as if nothing had changed since.
        product: answer with the factor by which one standard deviation more switching cost moves that ratio.
    """
    rows = needed(table)
    if how == FIRST:
        rows = rows.drop_duplicates("who").assign(time=lambda t: t["stay"], left=lambda t: t["gone"])
    z = alike(rows[["satisfaction", "switching_cost"]])
    causes = z.assign(both=z["satisfaction"] * z["switching_cost"]) if product else z[["satisfaction"]]
    who = several(rows["who"])
    spells = rows[["time", "left"]].assign(entered=0.0, weight=1, customer=who).join(causes)
    model = needed(cox(spells if who.any() else spells.drop(columns="customer"), covariates=[*map(str, causes)]))
    return model.ratio("both" if product else "satisfaction", per_unit=True)


def willing_or_stuck(table: Rows, *, days: int) -> dict[str, dict[str, Answer]]:
    """Readings of L10."""
    share = stuck(table, days=days)
    return {how: {"stuck": share, "dulled": leaving(table, how=how)} for how in (NEXT, FIRST)}


@gated
def bound(lab: Study, found: Answers | NotTestable, *, lock: str, days: int, fresh: int = 365) -> Any:
    """Contracts in the days before they ceased to bind, and in as many days from then on.

    Args:
        lab: the study.
        found: its questionnaires, or why there are none.
        lock: column of the subscriptions with the days from the start for which each binds; 0 where it does not.
        days: watched on either side.
        fresh: days for which an answer counts that came before both.

    Returns:
        One row a contract and side: who, binds (1 or 0), time (days), left, entered (0), weight (1) and satisfaction
        (as last answered before either side; NaN where nobody asked).
    """
    need(lock, "No column of the subscriptions is named that says for how many days a contract binds (lock).")
    rows = rows_of(lab, "subscriptions", "started_at", lock).to_pandas()
    rows = rows[rows[lock] > days].assign(end=lambda t: t[lock].astype(float))
    asked = rows[["customer_id"]].assign(day=pd.to_datetime(rows["started_at"]))
    asked["day"] = (asked["day"] + pd.to_timedelta(rows["end"] - days, unit="D")).astype("datetime64[ns]")
    rows["satisfaction"] = np.nan
    if not isinstance(found, NotTestable) and not found.lacks("satisfaction") and "answered_at" in found.who:
        said = scored(found, ["satisfaction"]).assign(customer_id=found.who["customer_id"])
        said["day"] = pd.to_datetime(found.who["answered_at"]).dt.normalize().astype("datetime64[ns]")
        left, right = asked.reset_index().sort_values("day"), said.dropna().sort_values("day", kind="stable")
        near = pd.merge_asof(left, right, on="day", by="customer_id", tolerance=pd.Timedelta(days=fresh))
        rows["satisfaction"] = near.set_index("index")["satisfaction"]
    sides = []
    for binds in (1, 0):
        begin = rows["end"] - days * binds
        here = rows[(rows["entered"] <= begin) & (rows["time"] >= begin)]
        gone = (here["time"] - begin[here.index]).clip(upper=days - 1) + 1
        left = here["left"] & (here["time"] < begin[here.index] + days)
        known = {"who": here["customer_id"], "binds": binds, "time": gone, "left": left, "entered": 0.0, "weight": 1}
        sides.append(pd.DataFrame(known).assign(satisfaction=here["satisfaction"]))
    few = f"{plural(len(sides[1]), 'contract')} lasted until it ceased to bind, and {FEWEST} are needed."
    need(len(sides[1]) >= FEWEST, few)
    return pd.concat(sides, ignore_index=True)


@gated
def freed(table: Rows, *, days: int) -> Any:
    """A reading of L10 at the day on which contracts cease to bind.

    Stuck is who leaves in the days from then on, beyond the share that left in as many days before: they stayed for
    the contract. Dulled is the hazard ratio of leaving for one standard deviation more satisfaction while the contract
    binds, over that ratio afterwards.
    """
    rows = needed(table)
    (after, error), (before, other) = (rates.chance(rows[rows["binds"] == side], days) for side in (0, 1))
    n, told = int((rows["binds"] == 0).sum()), "before and after a contract ceases to bind"
    share = Estimate.normal(after - before, float(np.sqrt(error + other)), unit="share", n=n, method=told)
    return {"stuck": share, "dulled": _dulled(rows)}


@gated
def _dulled(rows: pd.DataFrame) -> Any:
    rows = rows.dropna(subset="satisfaction")
    gone = rows.groupby("binds")["left"].sum().reindex([0, 1], fill_value=0)
    few = f"{plural(int(gone.min()), 'customer')} who had told their satisfaction left on one side of that day"
    need(gone.min() >= MIN_EVENTS, f"{few}; {MIN_EVENTS} are needed.")
    z = alike(rows[["satisfaction"]])["satisfaction"]
    spells = rows[["time", "left", "entered", "weight"]].assign(satisfaction=z, both=z * rows["binds"])
    spells["customer"] = several(rows["who"])
    spells["side"] = rows["binds"].map({1: "binds", 0: "free"})
    model = needed(cox(spells, covariates=["satisfaction", "both"], strata=["side"]))
    return model.ratio("both", per_unit=True)


# --- L11: what a tier tells -----------------------------------------------------------------------------------------


@gated
def members(lab: Study, around: Afterwards | NotTestable) -> Any:
    """One row a member, at the last questionnaire that was watched: what the programme, the survey and orders say.

    Returns:
        tier (held on that day), points (log of one and the running value), attitude, often (log of one and the orders
        before), and stayed: still under contract `days` later, or, without contracts, ordered within them.
    """
    of: Afterwards = needed(around)
    needed(of.answers.lacks("loyalty") or of)
    need(lab.has("memberships"), "The study has no memberships table.")
    known = lab.table("memberships").rows.to_pandas()
    missing = "tier and tier_at are needed: a tier without its day may have been reached after the answer."
    need({"tier", "tier_at"} <= {*known}, f"The table memberships has not both columns: {missing}")
    who = of.answers.who[["customer_id"]].assign(asked=pd.to_datetime(of.answers.who["answered_at"]))
    held = who.reset_index(names="row").merge(known, on="customer_id")
    held = held[pd.to_datetime(held["joined_at"]) <= held["asked"]]
    reached = pd.to_datetime(held["tier_at"])
    held = held.assign(reached=reached.where(reached <= held["asked"])).sort_values("reached", na_position="first")
    held["tier"] = held["tier"].where(held["reached"].notna(), NOT_YET).fillna(NOT_YET)
    points = held["running_value"].where(held["reached"].notna()) if "running_value" in held else 0.0
    last = held.assign(points=np.log1p(points)).drop_duplicates("row", keep="last").set_index("row")
    need(len(last) >= FEWEST, f"{plural(len(last), 'member')} answered, and {FEWEST} are needed.")
    after = stays(lab, of.answers.who["customer_id"], of.answers.who["answered_at"])
    if isinstance(after, NotTestable):
        stayed = of.did["after"] > 0
    else:
        stayed = (~after["left"] | (after["time"] > of.days)).where(after["time"].notna())
    table = scored(of.answers, ["loyalty"]).set_axis(["attitude"], axis=1).assign(often=np.log1p(of.did["before"]))
    table = table.assign(stayed=stayed, tier=last["tier"], points=last["points"].fillna(0.0))
    return table.dropna().astype({"stayed": float}).reset_index(drop=True)


@gated
def beyond_tier(table: Rows, *, how: str = ADDED, draws: int, seed: int) -> Any:
    """A reading of L11: gain in the area under the curve for staying, by what `how` adds."""
    rows = needed(table)
    few = min(rows["stayed"].sum(), (1 - rows["stayed"]).sum())
    need(few >= MIN_EVENTS, f"Fewer than {MIN_EVENTS} members stayed, or left, within the time after the answer.")
    need(rows["tier"].nunique() > 1, "All members held the same tier when they answered.")
    tier = pd.get_dummies(rows["tier"], drop_first=True, dtype=float)
    base = tier.join(rows["points"]) if how == BESIDE_POINTS else tier
    more = base.join(rows[["attitude"] if how == LIKING else ["attitude", "often"]])
    designs = {"base": base.to_numpy(), "more": more.to_numpy()}
    return areas(rows["stayed"].to_numpy(), designs, draws=draws, seed=seed)["more"]


# --- L12 and L13: what goes along with loyalty ----------------------------------------------------------------------


@gated
def asked_again(asked: Answers, around: Afterwards | NotTestable, *, of: str, control: str = "") -> Any:
    """Questionnaires in turn, with what L12 ("demands") or L13 ("causes") asks for.

    Args:
        asked: every questionnaire.
        around: orders around each, which tell usage, and habit where nobody asked about it; or why there are none.
        of: "demands" or "causes".
        control: a construct that loyalty cannot move, to be asked about beside the demands; empty for none.
    """
    found, usage = asked, {}
    if isinstance(around, Afterwards):
        found, usage = around.answers, {"usage": np.log1p(around.did["before"])}
    if of == "demands":
        names = ["loyalty", "desired", *filter(None, [control])]
        needed(found.lacks(*names) or found)
        return in_turn(found, scored(found, names).assign(**usage))
    habit = {"habit": usage["usage"]} if usage and "habit" not in found.constructs else {}
    names = [name for name in ("loyalty", *EXPERIENCE, *RIVALS) if name not in habit]
    needed(found.lacks(*names) or found)
    table = scored(found, names).assign(**habit)
    experience = sum(way * alike(table[[name]])[name] for name, way in EXPERIENCE.items())
    return in_turn(found, table[["loyalty", *RIVALS]].assign(experience=experience))


@gated
def demands(
    table: Rows, *, how: str = HELD, pairs: str = EVERY, outcome: str = "desired", draws: int = 199, seed: int = 0
) -> Any:
    """A reading of L12: standardised slope of the later desired level, or of something else, on loyalty.

    Args:
        table: from `asked_again`.
        how: HELD, PLAIN or EARLIER.
        pairs: of answers; EVERY, SOON (at most a year apart) or ONE (a customer's last).
        outcome: what is to follow.
        draws, seed: of the resamples of customers.
    """
    rows = needed(table)
    rows = rows[rows["months"] < 12.5] if pairs == SOON else rows
    rows = rows.drop_duplicates("who", keep="last") if pairs == ONE else rows
    need(how == PLAIN or "usage" in rows, "How much customers used what they bought is not known: bring orders.")
    drivers = ["loyalty"] + ["usage"] * (how != PLAIN) + [outcome] * (how == EARLIER)
    asked, weight = rows[[f"later {outcome}", *drivers]], rows["weight"]
    made = needed(moments(asked, weight=weight, cases=rows["who"], draws=draws, seed=seed))
    return slopes(made, f"later {outcome}", drivers)["loyalty"]


@gated
def first_cause(found: Answers, table: Rows, *, how: str = LATER, draws: int, seed: int) -> Any:
    """What falls to experience and to each rival of it, of what all of them explain of loyalty."""
    rows, outcome = needed(table), "later loyalty" if how == LATER else "loyalty"
    names = ["experience", *RIVALS]
    made = needed(moments(rows[[outcome, *names]], weight=rows["weight"], cases=rows["who"], draws=draws, seed=seed))
    return Weighed(found, outcome, made, needed(importance(made, outcome=outcome, drivers=names)))


def lead(of: Weighed | NotTestable) -> Answer:
    """A reading of L13: the share of experience minus the largest share of any rival."""
    return of if isinstance(of, NotTestable) else of.importance.lead("experience")


# --- Exhibits -------------------------------------------------------------------------------------------------------


@instead("There is no map of attitude and buying. {}")
def quarters(rows: pd.DataFrame, found: Answers, *, days: int) -> Figure | Text:
    """Customers by attitude and buying, and the share of them in each quarter."""
    middle, usual = float(np.mean(found.ends("loyalty"))), float(rows["orders"].median())
    likes, buys = rows["attitude"] > middle, rows["orders"] > usual
    names = {"no loyalty": ~likes & ~buys, "latent loyalty": likes & ~buys, "spurious loyalty": ~likes & buys}
    names["true loyalty"] = likes & buys
    shares = {name: quantity(float(which.mean()), "share") for name, which in names.items()}
    step = max(1.0, np.ceil(rows["orders"].quantile(0.95) / 16))
    cells = pd.DataFrame({"x": (rows["attitude"] * 2).round() / 2, "y": (rows["orders"] / step).round() * step})
    return maps.crowd(
        cells.value_counts().reset_index(name="n"),
        name="quarters",
        title=f"{shares['spurious loyalty']} of the customers buy much without liking it",
        x_label="Attitude: mean answer to the questions about loyalty",
        y_label=f"Orders in {days} days, mean over answers",
        cuts=(middle, usual),
        corners=[f"{name}: {share}" for name, share in shares.items()],
        caption=f"{plural(len(rows), 'customer')}, cut at the middle of the scale and at the median of the orders "
        f"({usual:.3g}); the names of the quarters are Dick and Basu's.",
    )


@instead("No groups were looked for. {}")
def groups(of: Kinds, *, days: int) -> Table | Text:
    """The groups of the mixture, in their own units."""
    rows = of.table[["n", "share", "attitude"]].assign(orders=np.expm1(of.table["often"]))
    rows.insert(0, "group", [f"group {place + 1}" for place in rows.index])
    more = (of.fits["bic"] - of.fits["bic"].min()).map("{:,.0f}".format)
    return Table(
        name="groups",
        title=f"The likeliest number of groups above one is {len(rows)}",
        rows=rows,
        units={"share": "share", "attitude": "ratio", "orders": "ratio"},
        headings={"n": "customers", "attitude": "attitude (mean)", "orders": f"orders in {days} days (typical)"},
        caption=f"By how many points the information criterion of 1 to {len(more)} groups lies above the least: "
        f"{listing(list(more))}.",
    )


@instead("Nobody's leaving can be put beside what they said. {}")
def by_cost(rows: pd.DataFrame) -> Figure | Text:
    """What satisfaction does to leaving, by third of the cost of leaving; thirds of equal size, cut before the fit."""
    third = pd.qcut(rows["switching_cost"].rank(method="first"), 3, labels=["lowest", "middle", "highest"])
    each = {f"{name} third by cost": leaving(rows[third == name], product=False) for name in third.cat.categories}
    dots = pd.DataFrame([{"label": name, **columns(answer)} for name, answer in each.items()])
    low, high = (quantity(dots["value"][place], "hazard ratio") for place in (0, 2))
    return figures.dots(
        dots,
        name="by-cost",
        title=f"Where leaving costs least the ratio is {low}, where it costs most {high}",
        unit="hazard ratio",
        x_label="Hazard ratio of leaving for one standard deviation more satisfaction",
        reference=1.0,
        reference_label="satisfaction makes no difference",
        caption=f"{plural(len(rows), 'questionnaire')}, each until the customer's next one. 95% intervals, several "
        "questionnaires of one customer kept together.",
    )


@instead("Nothing can be said of tiers. {}")
def liking_by_tier(of: pd.DataFrame, found: Answers) -> Figure | Text:
    """In each tier, the share who like the firm, and the share who stayed."""
    likes = of["attitude"] > np.mean(found.ends("loyalty"))
    heads = {"attitude above mid-scale": likes, "stayed": of["stayed"] > 0}
    rows = [
        {"section": head, "label": f"tier {tier}", "n": len(own), **columns(Estimate.proportion(own.sum(), len(own)))}
        for head, yes in heads.items()
        for tier, own in yes.groupby(of["tier"])
    ]
    return figures.dots(
        pd.DataFrame(rows),
        name="tiers",
        title="In each tier: who likes us, and who was still there afterwards",
        unit="share",
        x_label="Share of the members of the tier",
        caption=f"{plural(len(of), 'member')}, the tier held on the day of the answer. 95% intervals.",
    )


def leading(readings: Mapping[str, Any]) -> str:
    """The first reading that can be tested, or else the first."""
    return next((name for name, one in readings.items() if not isinstance(one, NotTestable)), next(iter(readings)))


def size(table: Rows, what: str) -> str:
    """How many rows a table has, in words, or why there is none."""
    return table.reason.rstrip(".") if isinstance(table, NotTestable) else f"{count(len(table))} {what}"
