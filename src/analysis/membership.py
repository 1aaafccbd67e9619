"""Does the club work? Buying and leaving after joining, by lot and by date, and what it teaches (P01-P04, P11, P14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import mediation, milestones, rates, staggered, trials, within
from analysis.afterwards import Afterwards
from analysis.checks import CheckedTable, Step
from analysis.customers import DECIMALS, YEAR, Purchases
from analysis.estimates import Answer, Estimate, NotTestable, gated, in_brief, need, needed
from analysis.exhibits import Text, say
from analysis.hazards import CoxModel
from analysis.regressions import gains
from analysis.retention import MIN_EVENTS
from analysis.scales import FEWEST, Answers, moments
from analysis.staggered import NEVER
from analysis.words import plural

if TYPE_CHECKING:
    from analysis.studies import Study

BY_LOT, DATED = "invited by lot", "beside customers not yet in the club"
STRICT, ALL = "beside customers who stay outside", "who left counts as buying nothing"
PARTS = ("spending", "frequency", "leaving")
SHARP = 1.15  # upper over lower end of an interval that finds an effect of 1.10 four times in five
FEWEST_BY_BENEFIT = 100  # members with a kind of benefit who were seen long enough
MOVED = 3.2  # standard errors by which invitations must move joining; F of 10 (Staiger & Stock 1997)
HELD = ("bond before", "orders before", "orders between")


@dataclass(frozen=True)
class People:
    """Customers and periods of equal length, the last of which ends on the last day seen.

    Attributes:
        spent, orders: customers × periods; NaN before a customer's first whole period, 0 after they left.
        stays: customers × periods, whether still there at the end of a period: under contract, or, where there are no
            contracts, with an order in it.
        first: period in which each joined; `NEVER` where not, negative if before the log.
        known: one row a customer, by their id: start (day), left (period, or `NEVER`), benefit, invited (1, 0, NaN).
        days: length of a period.
        until: last day seen.
        contracts: whether leaving is on record.
        steps: customers kept and dropped.
        early: where in memberships the first member stands who joined before being a customer; 0 for none.
    """

    spent: np.ndarray
    orders: np.ndarray
    stays: np.ndarray
    first: np.ndarray
    known: pd.DataFrame
    days: int
    until: date
    contracts: bool
    steps: tuple[Step, ...] = ()
    early: int = 0

    @property
    def year(self) -> int:
        """Periods in a year."""
        return round(YEAR / self.days)


@gated
def people(lab: Study, bought: Purchases, *, days: int) -> Any:
    """The customers of a study with what they bought in each period of so many days, and when they joined and left."""
    import ibis

    members = trials.rows_of(lab, "memberships", "joined_at").to_pandas()
    until, rows = pd.Timestamp(bought.observed_until), bought.rows
    ago = ibis.literal(bought.observed_until).delta(rows.ordered_on, unit="day") // days
    sums = {"orders": rows.opens.sum(), "spent": rows.value.sum().round(DECIMALS), "day": rows.ordered_on.min()}
    log = rows.group_by("customer_id", ago=ago.cast("int64")).agg(**sums).order_by("customer_id", "ago").to_pandas()
    starts, ends = [log.groupby("customer_id")["day"].min()], pd.Series(dtype="datetime64[ns]")
    who = lab.table("customers").rows if lab.has("customers") else members[:0]
    if "acquired_at" in who.columns:
        starts.append(who.select("customer_id", "acquired_at").to_pandas().set_index("customer_id")["acquired_at"])
    if contracts := lab.has("subscriptions") and lab.table("subscriptions").has("started_at"):
        spells = lab.table("subscriptions").rows.to_pandas().set_index("customer_id")
        starts.append(spells["started_at"])
        end = pd.to_datetime(spells["started_at"]) + pd.to_timedelta(spells["time"], unit="D")
        ends = end.where(spells["left"], pd.Timestamp.max).groupby(level=0).max()
    start = pd.concat([pd.to_datetime(each).dt.normalize() for each in starts]).dropna().groupby(level=0).min()
    periods = int((until - pd.to_datetime(log["day"]).min()).days + 1) // days

    def period(day: pd.Series) -> np.ndarray:
        places = periods - 1 - (until - day.where(day <= until)).dt.days // days
        return places.fillna(NEVER).to_numpy(int)

    joined = members.groupby("customer_id")["joined_at"].min().dt.normalize().reindex(start.index)
    left = period(ends.reindex(start.index)) if contracts else NEVER
    known = pd.DataFrame({"start": start, "left": left, "benefit": None, "invited": np.nan})
    if "benefit" in members:
        known["benefit"] = members.sort_values("joined_at", kind="stable").groupby("customer_id")["benefit"].first()
    if "invited" in who.columns and len(known):
        drawn = who.invited.cast("string").lower().isin(["true", "1", "1.0", "yes", "y"]).ifelse(1.0, 0.0)
        known["invited"] = who.select("customer_id", drawn=drawn).to_pandas().set_index("customer_id")["drawn"]
    log = log[log["ago"] < periods]
    cells = start.index.get_indexer(log["customer_id"]), periods - 1 - log["ago"].to_numpy(int)
    filled = {name: np.zeros((len(start), periods)) for name in ("spent", "orders")}
    for name, table in filled.items():
        table[cells] = log[name]
        table[np.arange(periods) <= period(start)[:, None]] = np.nan
    stays = np.arange(periods) < known["left"].to_numpy()[:, None] if contracts else filled["orders"] > 0
    kept = ~(joined < start).to_numpy()
    early = members["joined_at"].dt.normalize() < members["customer_id"].map(start)
    tables = {name: table[kept] for name, table in {**filled, "stays": stays, "first": period(joined)}.items()}
    steps = (Step("customers who had not joined before they were customers", kept.sum(), (~kept).sum()),)
    place = 0 if kept.all() else int(early.argmax()) + 1
    before = f"; row {place} of memberships is the first that tells of joining before" if place else ""
    nobody = f"Nobody joined after becoming a customer and before the orders end{before}."
    need(
        (tables["first"] < NEVER).any(), f"{nobody} Check joined_at and when customers were won, or bring later orders."
    )
    told: dict[str, Any] = {"days": days, "until": bought.observed_until, "contracts": contracts, "steps": steps}
    return People(**tables, known=known[kept], **told, early=place)


# --- P01: buying and leaving after joining -------------------------------------------------------------------------


def buying(found: People, what: str = "spending", *, leavers: bool = False, back: int = 0, **choices: Any) -> Any:
    """The course of spending (or orders: "frequency") around joining, or why it cannot be told.

    Args:
        found: from `people`.
        what: "spending" or "frequency".
        leavers: count who left as buying nothing; else only who stays through the comparison is in it.
        back: date each joining back by so many periods and see nothing from the true one on (placebo).
        choices: of `staggered.course`, such as periods before and after.
    """
    outcome = found.spent if what == "spending" else found.orders
    if found.contracts and not leavers:
        outcome = np.where(found.stays, outcome, np.nan)
    if back:
        outcome = np.where(np.arange(outcome.shape[1]) >= found.first[:, None], np.nan, outcome)
    first = np.where(found.first < NEVER, found.first - back, NEVER)
    around = {
        "before": found.year,
        "after": found.year,
        "there": found.stays,
        "alike": found.known["invited"].fillna(-1),
    }
    return staggered.course(outcome, first, **around | choices)


@gated
def after_joining(course: Any, *, beyond: int = 1) -> Estimate:
    """What came over what would have come, over the periods that lie more than so many after that of joining."""
    told: staggered.Course = needed(course)
    return told.ratio([event for event in told.events if event > beyond])


@gated
def by_lot(found: People, what: str) -> Estimate:
    """What joining changed for those who joined because they were invited by lot: a part of P01.

    Invitations move time from outside the club into it, and buying or leaving with it. What moved in over what moved
    out, each for the time moved, is the rate of such members over their own rate without the club.

    Source: Imbens & Rubin (1997), Review of Economic Studies 64 (means of those whom a lot moves, either way).
    """
    lot = found.known["invited"].to_numpy(float)
    known, time, left = np.isfinite(lot), np.arange(found.spent.shape[1]), found.known["left"].to_numpy()[:, None]
    n = np.array([(lot == 0).sum(), (lot == 1).sum()])
    need(n.min() >= trials.FEWEST, f"{plural(int(n.min()), 'customer')} known to be invited, or left out, by lot.")
    need(found.contracts or what != "leaving", "Without contracts nobody knows who left, so a lot cannot tell.")
    there = np.isfinite(found.spent) & (time <= left)
    outcome = {"spending": found.spent, "frequency": found.orders, "leaving": time == left}[what]
    member, arm = time > found.first[:, None], (lot[known] == 1).astype(int)
    states = [there & member, there & ~member]
    each = np.array([np.sum(table, axis=1, where=state)[known] for table in (outcome, there) for state in states])
    means = np.array([each[:, arm == side].mean(axis=1) for side in (0, 1)])
    moved, pulls = means[1] - means[0], (2 * arm - 1) * (each - means[arm].T) / n[arm]
    strong = moved[2] > MOVED * np.sqrt((pulls[2] ** 2).sum()) and moved[0] > 0 > max(moved[1], moved[3])
    need(strong, "The invitations moved too few customers to tell what joining does.")
    error = float(np.sqrt(((np.array([1, -1, -1, 1]) @ (pulls / moved[:, None])) ** 2).sum()))
    told: dict[str, Any] = {"unit": "hazard ratio" if what == "leaving" else "ratio", "n": int(known.sum())}
    return Estimate.log_normal(float(moved[0] * moved[3] / moved[1] / moved[2]), error, method="the lot moved", **told)


def lot_rung(found: People | NotTestable) -> str:
    """The rung of `by_lot`: "D", or "C" where those invited came at other times, or began otherwise, than the rest."""
    if isinstance(found, NotTestable) or not (known := np.isfinite(found.known["invited"].to_numpy(float))).any():
        return "C"
    orders, rows = found.orders[known], found.known[known]
    early = orders[np.arange(len(rows)), np.isfinite(orders).argmax(axis=1)]
    table = {"treated": rows["invited"] == 1, "came": rows["start"].astype("int64"), "orders": early}
    return trials.balance(pd.DataFrame(table))[1]


def quiet(bought: Purchases, *, times: float) -> CheckedTable:
    """Spells without contracts: from the first order to a silence so many times as long as the customer's usual wait.

    Watched from the third order on, which tells a usual wait; the silence counts on the day it became too long.
    """
    import ibis

    rows = bought.rows.filter(bought.rows.opens == 1)
    life = ibis.window(group_by="customer_id", order_by="age")
    placed = {"number": ibis.row_number().over(life), "next_age": rows.age.lead().over(life)}
    each = rows.select("customer_id", "first_on", "followed_days", "age", **placed).filter(lambda t: t.number >= 2)
    each = each.mutate(
        patient=each.age + times * each.age / each.number, seen=each.next_age.fill_null(each.followed_days)
    )
    over = each.seen > each.patient
    spells = each.group_by("customer_id").agg(
        started_at=each.first_on.min(),
        entered=each.age.min().cast("float64"),
        left=over.any(),
        time=each.patient.min(where=over).fill_null(each.followed_days.max().cast("float64")).ceil(),
    )
    return CheckedTable("subscriptions", spells, (), (), {"unit": "day", "observed_until": bought.observed_until})


def leaving(lab: Study, bought: Purchases, *, times: float) -> dict[str, Answer]:
    """Hazard ratio of leaving of members over the others: as the naive flag, and counted from the day of joining."""
    import ibis

    contracts = lab.has("subscriptions") and lab.table("subscriptions").has("started_at")
    joined = lab.table("memberships").rows
    events = joined.select("customer_id", at=joined.joined_at.date(), state=ibis.literal(milestones.AFTER))
    spells = lab.table("subscriptions") if contracts else quiet(bought, times=times)
    models = milestones.hazard(spells, events, name=milestones.JOINED, min_cell=lab.min_cell)
    return {how: hazard_ratio(model) for how, model in models.items()}


@gated
def hazard_ratio(model: CoxModel | NotTestable) -> Estimate:
    """Of having joined, out of a Cox model."""
    return needed(model).ratio(milestones.JOINED, method="Cox, joining as a change in time")


@gated
def naive(found: People | NotTestable, what: str) -> Estimate:
    """Members over the others in the last year, of all who are still there: what reports on clubs usually show."""
    rows: People = needed(found)
    outcome = (rows.spent if what == "spending" else rows.orders)[:, -rows.year :]
    there = np.isfinite(outcome).all(axis=1) & (rows.stays[:, -1] if rows.contracts else True)
    return trials.ratio(outcome[there].sum(axis=1), (rows.first < NEVER)[there])


def dated(found: People, left: Answer, **choices: Any) -> dict[str, Answer]:
    """Parts of P01 by date of joining; arguments as of `club`, and choices of `buying`."""
    return {what: after_joining(buying(found, what, **choices)) for what in PARTS[:2]} | {"leaving": left}


def club(found: People | NotTestable, left: Answer) -> dict[str, Any]:
    """Readings of P01, by lot only where invitations are known.

    Args:
        found: from `people`.
        left: hazard ratio of leaving, from the day of joining.
    """
    if isinstance(found, NotTestable):
        return {DATED: found}
    ways: dict[str, dict[str, Any]] = {DATED: {}, STRICT: {"others": staggered.NOT_YET}, ALL: {"leavers": True}}
    readings = {name: dated(found, left, **how) for name, how in ways.items() if found.contracts or name != ALL}
    if found.known["invited"].notna().any():
        readings[BY_LOT] = {what: by_lot(found, what) for what in PARTS}
    return readings


def headline(readings: Mapping[str, Any]) -> str:
    """By lot, where the lot tells about twice the smallest effect from none; else by date."""
    each = readings.get(BY_LOT, {"": None}).values()
    return BY_LOT if all(isinstance(one, Estimate) and one.high / one.low < SHARP for one in each) else DATED


def the_lot(found: People | NotTestable, readings: Mapping[str, Any], *, drawn: bool) -> Text:
    """What the lot said, where the study drew one; else how to draw one.

    Args:
        found: from `people`.
        readings: from `club`.
        drawn: whether the study says that its invitations were drawn by lot.
    """
    if isinstance(found, NotTestable) or not drawn or BY_LOT not in readings:
        return say(
            "Invite half of those who could join, by lot, and remember whom. The more the invitation moves people to "
            "join, the fewer are needed."
        )
    known, told = found.known["invited"].dropna(), [in_brief(readings[BY_LOT][part]) for part in PARTS]
    leads = "It leads above." if headline(readings) == BY_LOT else "That is too vague to lead above."
    return say(
        "This was done here: of {} customers, {} were invited by lot and the others were not. By the lot alone, those "
        "who joined because of it spent {} times what they would have spent, ordered {} times as often, and left at {} "
        "times the rate. {}",
        len(known),
        int((known == 1).sum()),
        *told,
        leads,
    )


# --- P04: the second year; P02: the bond; P03: what the club teaches ----------------------------------------------


@gated
def second_year(found: People | NotTestable, *, long_term: str, short_term: str, **choices: Any) -> Any:
    """Parts of P04: spending in months 12 to 24 after joining over what it would have been, by kind of benefit.

    Args:
        found: from `people`.
        long_term, short_term: the words for such benefits in the table memberships.
        choices: of `buying`.
    """
    rows: People = needed(found)
    grown = _second_year(rows, long_term, **choices)
    if isinstance(grown, Estimate):
        ratio = grown.quantile
        grown = replace(grown, value=grown.value - 1, unit="growth", quantile=lambda p: ratio(p) - 1)
    return {"long_term": grown, "short_term": _second_year(rows, short_term, **choices)}


@gated
def _second_year(found: People, word: str, **choices: Any) -> Estimate:
    mine = (found.known["benefit"] == word).to_numpy()
    need(mine.any(), f"No member is on record with {word} benefits (column benefit of memberships).")
    window: dict[str, Any] = {"aside": found.year // 2, "after": 2 * found.year, "followed": mine}
    later = needed(after_joining(buying(found, **window | choices), beyond=found.year))
    seen = f"{plural(later.n, 'member')} with {word} benefits were seen for two years"
    need(later.n >= FEWEST_BY_BENEFIT, f"{seen}; {FEWEST_BY_BENEFIT} are needed.")
    return later


@gated
def through_bond(around: Afterwards | NotTestable, lab: Study) -> Any:
    """Customers asked twice, first before joining: joining (in between), bond (after), later orders, and `HELD`.

    Args:
        around: every questionnaire of each customer, with the orders in the days before and after it.
        lab: the study.
    """
    watched: Afterwards = needed(around)
    answers = watched.answers
    needed(answers.lacks("bond") or answers)
    joined = trials.rows_of(lab, "memberships", "joined_at").to_pandas().groupby("customer_id")["joined_at"].min()
    bond = answers.score(answers.constructs["bond"])
    rows = watched.did[["before", "after"]].join(answers.who[["customer_id", "answered_at"]]).assign(bond=bond)
    rows = rows.dropna().sort_values(["customer_id", "answered_at"], ignore_index=True)
    rows = rows.join(rows.groupby("customer_id").shift(-1), rsuffix=" later").dropna()
    joined_at = rows["customer_id"].map(joined)
    pairs = rows[~(joined_at <= rows["answered_at"])].drop_duplicates("customer_id", keep="last")
    told = f"{plural(len(pairs), 'customer')} told their bond before joining and again later"
    need(len(pairs) >= FEWEST, f"{told}; {FEWEST} are needed.")
    orders = {"orders before": "before", "orders between": "before later", "later orders": "after later"}
    table = pd.DataFrame({name: np.log1p(pairs[column]) for name, column in orders.items()})
    joining = (joined_at[pairs.index] <= pairs["answered_at later"]).astype(float)
    return table.assign(joining=joining, bond=pairs["bond later"], **{"bond before": pairs["bond"]})


def by_way_of_bond(table: pd.DataFrame | NotTestable, *, held: Sequence[str] = HELD, draws: int, seed: int) -> Any:
    """The paths from joining to later orders, directly and by way of the bond, from `through_bond`."""
    made = table if isinstance(table, NotTestable) else moments(table, draws=draws, seed=seed)
    return mediation.paths(made, "joining", "bond", "later orders", given=held)


@gated
def foretelling(lab: Study, found: People | NotTestable) -> Any:
    """Customers a year before the last day: what the orders tell of them, what only the club knows, what came.

    Returns:
        spent (log of the last year's), member (then), known and club (columns of either kind).
    """
    rows: People = needed(found)
    now = rows.spent.shape[1] - rows.year
    need(now >= rows.year, "The orders cover less than two years: one to know customers by, one to foretell.")
    here = np.isfinite(rows.spent[:, now - rows.year]) & (rows.stays[:, now - 1] if rows.contracts else True)
    spent, orders = (np.nan_to_num(table[here]).clip(min=0) for table in (rows.spent, rows.orders))
    start = rows.known["start"][here]
    past = [table[:, now - span : now].sum(axis=1) for table in (spent, orders) for span in (1, rows.year, now)]
    idle, cut = (
        (orders[:, :now][:, ::-1] > 0).argmax(axis=1),
        pd.Timestamp(rows.until) - pd.Timedelta(days=rows.year * rows.days),
    )
    members = trials.rows_of(lab, "memberships", "joined_at").to_pandas().assign(since=lambda t: t["joined_at"])
    if "tier_at" in members:  # a tier without its day may have been reached later
        levels = members.columns.intersection(["tier", "running_value"])
        members[levels] = members[levels].where(members["tier_at"].notna())
        members["since"] = members["tier_at"].fillna(members["joined_at"])
    held = members[members["since"] <= cut].sort_values("since", kind="stable").groupby("customer_id").last()
    held = held.reindex(start.index)
    words = pd.get_dummies(held[held.columns.intersection(["tier", "benefit"])], dtype=float)
    points = held[held.columns.intersection(["running_value", "reward_value"])].astype(float).clip(lower=0).fillna(0)
    own = words.join(np.log1p(points))
    need(
        own.shape[1], "The table memberships holds no tier, benefit or points, so the club knows no more than the till."
    )
    return {
        "spent": np.log1p(spent[:, now:].sum(axis=1)),
        "member": rows.first[here] < now,
        "known": np.column_stack([*np.log1p(past), idle, (cut - start).dt.days]),
        "club": own.assign(since=np.log1p((cut - held["joined_at"]).dt.days.fillna(0))).to_numpy(),
    }


@gated
def taught(table: Any, *, draws: int, seed: int) -> Any:
    """The gain of P03 among members; and how well the same plain facts foretell "members" and "others"."""
    rows = needed(table)
    known, inside = rows["known"], rows["member"]
    few = int(min(inside.sum(), (~inside).sum()))
    need(few >= FEWEST, f"{plural(few, 'customer')} in the club, or outside it; {FEWEST} are needed of each.")
    among = {"members": known[inside], "gain": np.column_stack([known, rows["club"]])[inside]}
    outside = gains(rows["spent"][~inside], {"others": known[~inside]}, draws=draws, seed=seed)
    return gains(rows["spent"][inside], among, draws=draws, seed=seed) | outside


# --- P11: branches; P14: generosity --------------------------------------------------------------------------------


@gated
def branches(lab: Study) -> Any:
    """One row a branch and period: unit, period, members_share, the same one period before, retention."""
    names = ["unit", "period", "members_share", "retention"]
    rows = trials.rows_of(lab, "units", *names).select(names).order_by("unit", "period").to_pandas()
    return within.lagged(rows, ["members_share"])


@gated
def share_and_retention(panel: pd.DataFrame | NotTestable, how: str = "before") -> Estimate:
    """Points of a branch's retention for ten points more of its customers in the club.

    Args:
        panel: from `branches`.
        how: within branches, by the share of the period "before" or of the same ("now"); or "between" branches.
    """
    rows: pd.DataFrame = needed(panel)
    units, periods = rows["unit"].nunique(), rows["period"].nunique()
    need(units >= within.FEWEST_UNITS, f"{plural(units, 'branch', 'branches')}; {within.FEWEST_UNITS} are needed.")
    need(periods >= 3, f"{plural(periods, 'period')}; three are needed.")
    cause = "members_share before" if how == "before" else "members_share"
    compared = within.between if how == "between" else within.slope
    slope = compared(rows, "retention", cause)
    return slope.estimate("points", method="errors by branch", as_told=lambda share: share / 10)


@gated
def generous(found: Answers, members: pd.DataFrame, people: People | NotTestable) -> Any:
    """The last answer of each customer: member (then), customer; value, knowledge, time (as one), standardised."""
    needed(found.lacks("value", "knowledge") or found)
    last, rows = found.latest(), needed(people)
    need({"customer_id", "answered_at"} <= set(last.who), "The survey does not say who answered when.")
    ends = (
        members
        if "left_at" in members
        else members.assign(left_at=pd.Series(index=members.index, dtype="datetime64[ns]"))
    )
    span = ends.groupby("customer_id").agg(joined=("joined_at", "min"), left=("left_at", "max"))
    span, when = span.reindex(last.who["customer_id"]).reset_index(drop=True), last.who["answered_at"]
    table = pd.DataFrame({name: last.score(last.constructs[name]) for name in ("value", "knowledge")})
    table["time"] = (when - last.who["customer_id"].map(rows.known["start"])).dt.days
    member = ((span["joined"] <= when) & ~(span["left"] <= when)).astype(float)
    return ((table - table.mean()) / table.std()).assign(member=member, customer=last.who["customer_id"]).dropna()


@gated
def kept_by_generosity(table: pd.DataFrame | NotTestable, *, held: bool = True) -> Estimate:
    """Points more active members for one standard deviation more generosity, among the aware (one above the mean).

    Args:
        table: from `generous`.
        held: hold the time as a customer fixed: who is served well stays, and who stays has longer to join.
    """
    rows: pd.DataFrame = needed(table)
    few = int(min(rows["member"].sum(), (1 - rows["member"]).sum()))
    told = f"{plural(len(rows), 'answer')}, of them {few} in the smaller group"
    need(len(rows) >= FEWEST and few >= MIN_EVENTS, f"{told}; {FEWEST} and {MIN_EVENTS} are needed.")
    rows = rows.assign(aware=rows["knowledge"] - 1, squared=rows["time"] ** 2)  # no more awareness than the aware have
    rows["both"] = rows["value"] * rows["aware"]
    past = ["time", "squared"] if held else []
    return needed(rates.difference(rows, "member", "value", held=["aware", "both", *past]))


# --- for the page --------------------------------------------------------------------------------------------------


def lines(found: People, course: staggered.Course) -> pd.DataFrame:
    """What came around joining, and what would have come: line, x (months), y."""
    table = course.table().assign(x=course.events * found.days * 12 / YEAR)
    drawn = {"those who joined": table["came"], "had they not joined": table["otherwise"]}
    return pd.concat([pd.DataFrame({"line": name, "x": table["x"], "y": y}) for name, y in drawn.items()])
