"""What promotions leave behind: sales while they run, buying and leaving afterwards, and what their customers bring.

Claims P05 to P08. What customers did under a promotion is compared with what those did whom the lot held out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures, synthetic, trials
from analysis.buying import WEEK
from analysis.customer_value import Terms, appraise
from analysis.customers import DECIMALS, Purchases, purchases
from analysis.estimates import NORMAL, Answer, Estimate, NotTestable, columns, gated, need, needed, told
from analysis.exhibits import Figure, Table, Text, instead, say
from analysis.hazards import cox
from analysis.indicators import mean_score
from analysis.prospects import FAMILIES
from analysis.retention import MIN_EVENTS
from analysis.words import count, plural, quantity

if TYPE_CHECKING:
    from analysis.studies import Study

SHARPER, PLAIN = "adjusted for what was known before", "as counted"
ALL, NEW, OLD, FULL = "all customers", "new customers", "established customers", "orders at full price"
SEEN, FORETOLD = "as seen, followed equally long", "as foretold by a model of buying"
FEW = "branches that had it, beside a mixture of others"
ARMS = {True: "got it", False: "held out"}
otherwise = partial(trials.otherwise, money="during_worth")
PRONE = ((200, 0.8, 0.9), (800, 0.1, 0.5))  # a toy in which a promotion draws those who seldom buy
NO_AFTERWARDS = (
    "What is on record ends with the promotion: nothing says what anybody did later. Bring orders of at least as long "
    "after it, with the customers whom the lot held out."
)


# --- while it runs, and afterwards (P05, P06) ---------------------------------------------------------------------


@gated
def orders_of(study: Study, **policy: str) -> Any:
    """The orders of a study under a policy of `customers.purchases`, or that there are none."""
    need(study.has("orders"), "The study has no orders table.")
    return purchases(study.table("orders"), **policy)


@gated
def exposed(
    study: Study,
    bought: Purchases | NotTestable,
    *,
    days: int,
    outcome: str = "",
    before: Sequence[str] = (),
    **trial: str,
) -> Any:
    """Who got a promotion or was held out, with what they bought around it (see `trials.around`).

    Where no promotions are on record, the units of an experiment with an outcome of their own as during_worth.

    Args:
        study: whose promotions, or experiments, are asked.
        bought: its orders.
        days: watched before and after.
        outcome: column of the experiments with what a unit spent while the promotion ran.
        before: columns of the experiments known before the lot; numbers.
        trial: arm and control, see `trials.arms`.
    """
    if study.has("promotions"):
        return trials.around(trials.promoted(study), needed(bought), days=days)
    need(outcome, "The study has no promotions table, and no outcome of its experiments is named.")
    people = needed(trials.arms(study, known=outcome, **trial))
    trials.rows_of(study, "experiments", *before)
    numbers = {name: people[name].cast("float64") for name in before}
    table = people.select("arm", "treated", during_worth=people[outcome].cast("float64"), **numbers)
    table = table.order_by(table.columns).to_pandas()
    return table.assign(customer=np.arange(len(table)))


def sold_more(table: pd.DataFrame | NotTestable) -> dict[str, Answer]:
    """Readings of P05: mean spending during the promotion over that of those held out; each arm, if several."""
    if isinstance(table, NotTestable):
        return {SHARPER: table}
    each = sorted(table.loc[table["treated"], "arm"].unique()) if "arm" in table else []
    parts = {SHARPER: table} | {
        name: table[(table["arm"] == name) | ~table["treated"]] for name in each if len(each) > 1
    }
    readings: dict[str, Answer] = {name: otherwise(part) for name, part in parts.items()}
    return readings | {PLAIN: otherwise(table, past=trials.LEFT_OUT)}


@gated
def few_had_it(study: Study, bought: Purchases | NotTestable, *, action: str, branch: str, days: int) -> Any:
    """A reading of P05 where a few branches had a promotion: sales of their customers, beside a mixture of others.

    Args:
        study: whose rollouts name the branches that had it, all from one day on.
        bought: its orders.
        action: the promotion, as the rollouts call it.
        branch: column of the customers with the branch of each.
        days: how long it ran; sales before it are counted in periods as long.
    """
    import ibis

    need(action, "No promotion of a few branches is named (campaign: an action of the table rollouts).")
    log, dates = needed(bought), trials.rows_of(study, "rollouts", "action").to_pandas()
    day = dates[dates["action"] == action].groupby("unit")["started_at"].min().dt.normalize()
    need(
        day.nunique() == 1,
        f'"{action}" began on {plural(day.nunique(), "day")}; it must have begun on one day wherever it ran.',
    )
    people = trials.rows_of(study, "customers", branch)
    home = people.select("customer_id", unit=people[branch].cast("string")).filter(lambda t: t.unit.notnull())
    rows, start = log.rows.join(home, "customer_id"), day.iloc[0]
    age = rows.ordered_on.delta(ibis.literal(start.date()), unit="day")
    sums = rows.group_by("unit", period=(age / days).floor().cast("int64")).agg(spent=rows.value.sum().round(DECIMALS))
    seen = (pd.Timestamp(log.observed_until) - start).days + 1
    need(seen >= days, f"The orders end {plural(seen, 'day')} after the promotion began, and it ran for {days}.")
    before = int((start - pd.Timestamp(log.rows.ordered_on.min().to_pandas())).days // days)
    wide = sums.to_pandas().pivot(index="unit", columns="period", values="spent").sort_index()
    outcome = wide.reindex(columns=range(-before, 1)).fillna(0.0).to_numpy(float)
    return synthetic.beside(outcome, wide.index.isin(day.index.astype(str)), before=before)


def left_behind(table: pd.DataFrame | NotTestable, *, established: int = 365) -> dict[str, Answer]:
    """Readings of P06: share who order again after the promotion, minus that of those held out.

    Args:
        table: from `exposed`; with full (orders at full price afterwards), they are a reading.
        established: days since the first order from which on a customer is no longer new.
    """
    if isinstance(table, NotTestable) or "after" not in table:
        return {ALL: table if isinstance(table, NotTestable) else NotTestable(NO_AFTERWARDS)}
    old = table["age"] >= established
    readings = {name: again(table[part]) for name, part in ((ALL, old | True), (NEW, ~old), (OLD, old))}
    return readings | {FULL: _full_price(table)}


@gated
def again(tables: Any, *, days: int = 0, past: str = trials.USED) -> Any:
    """P06 for one table, or for that of so many days: share who order again, minus that of those held out."""
    rows = needed(tables[days] if days else tables)
    need("after" in rows, NO_AFTERWARDS)
    known = trials.known_before(rows) if past == trials.USED else None
    return trials.difference(rows["after"] > 0, rows["treated"], before=known, cases=rows["customer"])


@gated
def _full_price(table: pd.DataFrame) -> Any:
    """Share of the orders afterwards at full price: a ratio of sums, so its straight part is compared."""
    need("full" in table, "Orders at full price cannot be told: the orders have no column discount.")
    lot = table["treated"].to_numpy()
    sums = table.groupby("treated")[["full", "after"]].sum()
    need(sums["after"].min() >= MIN_EVENTS, f"Either arm needs {MIN_EVENTS} orders after the promotion.")
    need((sums["full"] < sums["after"]).any(), "Nothing was sold at a discount after the promotion, to either arm.")
    share = (sums["full"] / sums["after"]).reindex(lot).to_numpy()
    each = table.groupby("treated")["after"].mean().reindex(lot).to_numpy()
    straight = share + (table["full"] - share * table["after"]) / each
    return trials.difference(straight, lot, cases=table["customer"])


def at_full_price(study: Study, bought: Purchases, table: pd.DataFrame | NotTestable, *, days: int) -> Any:
    """The table of `exposed` with full, the orders of a day without any discount; as it is where none is on record."""
    if isinstance(table, NotTestable) or "after" not in table or not study.table("orders").has("discount"):
        return table
    rows = study.table("orders").rows
    cut = rows.filter(rows.discount > 0).select("customer_id", ordered_on=rows.ordered_at.date()).distinct()
    whole = bought.rows.anti_join(cut, ["customer_id", "ordered_on"])
    return table.assign(full=trials.around(trials.promoted(study), bought, days=days, rows=whole)["after"].to_numpy())


@instead("{}")
def course(
    table: pd.DataFrame,
    *,
    currency: str | None,
    min_cell: int,
    what: str = "spending",
    names: Mapping[bool, str] = ARMS,
) -> Figure | Text:
    """Mean spending, or `what` the money is, before, during and after the treatment, of either arm."""
    spans = [span for span in ("before", "during", "after") if table.get(f"{span}_worth", pd.Series(0.0)).any()]
    leading = "during" if "during" in spans else "after"
    means = table.groupby("treated")[f"{leading}_worth"].mean()
    apart = quantity(means[True] / means[False] - 1, "growth")
    return arms_drawn(
        [(span, got, mean_score(part[f"{span}_worth"], "money")) for span in spans for got, part in sides(table)],
        names,
        name=what,
        title=f"{leading.capitalize()} it, {what} of the two groups lies {apart} apart",
        unit="money",
        x_label=f"Mean {what} a customer{f', {currency}' if currency else ''}",
        caption=f"{plural(len(table), 'case')}. 95% intervals.",
        min_cell=min_cell,
    )


def sides(table: pd.DataFrame) -> list[tuple[bool, pd.DataFrame]]:
    """The treated, then the held out."""
    return [(got, table[table["treated"] == got]) for got in (True, False)]


def arms_drawn(
    rows: Iterable[tuple[str, bool, Answer]], names: Mapping[bool, str] = ARMS, **telling: Any
) -> Figure | Text:
    """Estimates of either arm, section by section."""
    lines = [
        {"section": span, "label": names[got], **columns(each), "n": getattr(each, "n", 0)} for span, got, each in rows
    ]
    return figures.dots(pd.DataFrame(lines).drop(columns="note"), **telling)


def alike(table: pd.DataFrame | NotTestable, names: Mapping[bool, str] = ARMS) -> tuple[Table | Text, str]:
    """Whether the two arms were alike before the lot was drawn, and the rung that this leaves."""
    if isinstance(table, NotTestable):
        return say("{}", table.reason), "D"
    if set(table) <= trials.AFTERWARDS:
        return say("Nothing is on record of the time before the lot, so its fairness cannot be shown."), "D"
    rows, rung = trials.balance(table)
    than = "no more than a lot makes them" if rung == "D" else "more than any lot makes them"
    n, people, got = len(table), table["customer"].nunique(), int(table["treated"].sum())
    arms = f"{count(got)} {names[True]}, {count(n - got)} {names[False]}"
    told = Table(
        name="alike",
        title=f"Before it, the two groups differed {than}",
        rows=rows,
        units=dict.fromkeys(["treated", "held_out", "apart"], "ratio"),
        headings={"label": "mean of", "treated": names[True], "held_out": names[False], "apart": "apart, in SD"},
        caption=f"{plural(n, 'case')} of {plural(people, 'customer')}: {arms}. SD: standard deviations.",
    )
    return told, rung


@instead("{}")
def checked(table: pd.DataFrame) -> Text:
    """The whole time, stocks included."""
    need("after" in table, NO_AFTERWARDS)
    return say(
        "From the start of the promotion to the end of the time watched, those who got it spent {} times what those "
        "held out spent; 1 would mean that all was borrowed from later.",
        told(trials.ratio(table["during_worth"] + table["after_worth"], table["treated"], cases=table["customer"])),
    )


@gated
def ordered_before(table: pd.DataFrame | NotTestable) -> Any:
    """The comparison of `again` in the days before the promotion, where it must find nothing."""
    rows = needed(table)
    need("after" in rows, NO_AFTERWARDS)
    return trials.difference(rows["before"] > 0, rows["treated"], cases=rows["customer"])


# --- the trap of the naive comparison -----------------------------------------------------------------------------


def selected(prone: Sequence[tuple[int, float, float]] = PRONE) -> dict[bool, float]:
    """Mean chance to buy again after a purchase under a promotion (True) and a usual one, where nobody ever changes.

    Args:
        prone: customers, their chance to buy at any time, and their chance to buy under a promotion.
    Source: after Neslin & Shoemaker (1989), Journal of Marketing Research 26.
    """
    n, usual, lured = np.array(prone, float).T
    return {got: float(n * chance @ usual / (n @ chance)) for got, chance in ((True, lured), (False, usual))}


def naive(table: pd.DataFrame | NotTestable) -> Table:
    """Share who order again: in a toy, of those who bought while the promotion ran, and of all whom the lot chose."""
    rows = [{"counted": "a toy: buyers who never change", **{ARMS[got]: share for got, share in selected().items()}}]
    if not isinstance(table, NotTestable) and "after" in table:
        drawn = {"here: buyers while it ran": table[table["during"] > 0], "here: all whom the lot chose": table}
        rows += [
            {"counted": who, **{ARMS[got]: (part["after"] > 0).mean() for got, part in sides(some)}, "n": len(some)}
            for who, some in drawn.items()
        ]
    return Table(
        name="order-again",
        title="Share who order again afterwards, counted so as to mislead and rightly",
        rows=pd.DataFrame(rows),
        units=dict.fromkeys(ARMS.values(), "share"),
    )


# --- leaving at the end (P07) -------------------------------------------------------------------------------------


@gated
def staying(study: Study, people: Any, *, days: int) -> Any:
    """Units of a trial from its start on, counted: promotion, treated, ran, time (days), left, n.

    Nobody is watched for two promotions at once: the next lot ends the watch.

    Args:
        study: whose subscriptions are asked.
        people: from `trials.promoted` or `trials.arms`.
        days: watched after the end.
    """
    import ibis

    people = trials.dated(needed(people))
    need(study.has("subscriptions"), "The study has no subscriptions table, so nobody is known to leave.")
    need(study.table("subscriptions").has("started_at"), "The subscriptions have no dates.")
    following = people.start.lead().over(ibis.window(group_by="customer_id", order_by="start"))
    people = people.mutate(free=following.delta(people.start, unit="day").fill_null(2**30))
    both = people.inner_join(study.table("subscriptions").rows, "customer_id")
    age = both.start.delta(both.started_at.cast("date"), unit="day")
    here = both.mutate(age=age, watched=ibis.least(both.length + 1 + days, both.free))
    here = here.filter(here.age >= here.entered, here["time"] > here.age, here.age >= 0)
    stayed = (here["time"] - here.age).cast("int64")
    keys = {"promotion": here.promotion, "treated": here.treated, "ran": here.length + 1}
    ends = {"time": ibis.least(stayed, here.watched), "left": here.left & (stayed <= here.watched)}
    table = here.select(**keys, **ends)
    return table.group_by(table.columns).agg(n=table.count()).order_by(table.columns).to_pandas()


@gated
def leaving(table: pd.DataFrame | NotTestable) -> Any:
    """P07: hazard of leaving after the promotion's end, of those who had it over those held out, in the same weeks.

    Everybody was still there when the lot was drawn, so before it the two hazards are both nil. The clock starts at
    the end, and each promotion has its own course of leaving.
    """
    rows = needed(table)
    rows = rows[rows["time"] > rows["ran"]]
    gone = rows["n"].where(rows["left"], 0).groupby(rows["treated"]).sum().reindex([False, True], fill_value=0)
    need(gone.min() >= MIN_EVENTS, f"Either arm needs {MIN_EVENTS} who left after the end; one has {gone.min()}.")
    spells = rows.assign(time=1.0 * rows["time"] - rows["ran"], entered=0.0, weight=rows["n"])
    spells["had"] = rows["treated"].map(ARMS)
    model = needed(cox(spells, covariates=["had"], strata=["promotion"] if rows["promotion"].nunique() > 1 else []))
    (row,) = model.table.to_dict("records")
    way = 1 if row["term"].startswith(ARMS[True]) else -1
    said: dict[str, Any] = {"unit": "hazard ratio", "n": int(rows["n"].sum()), "events": int(gone.sum())}
    return Estimate.log_normal(float(np.exp(way * row["coefficient"])), row["error"], method="Cox", **said)


@instead("{}")
def rates(table: pd.DataFrame, *, days: int, min_cell: int) -> Figure | Text:
    """How many leave in thirty days, while the promotion ran and in three spans after its end, of either arm."""
    since, cuts = table["time"] - table["ran"], np.linspace(0, days, 4).round().astype(int)
    spans = {"while it ran": (-table["ran"], 0)} | {f"day {a + 1} to {b} after": (a, b) for a, b in pairwise(cuts)}
    rows = []
    for name, (begin, end) in spans.items():
        here = table.assign(gone=table["left"] & (since <= end), watched=since.clip(upper=end) - begin)[since > begin]
        if here["gone"].any():
            rows += [(name, got, _rate(part)) for got, part in sides(here)]
    need(rows, "Nobody left while they were watched.")
    return arms_drawn(
        rows,
        name="leaving",
        title="How many leave around the end of the promotion, beside those held out",
        unit="share",
        x_label="Leavers in 30 days, of those still there",
        caption=f"{plural(int(table['n'].sum()), 'case')}, of whom {count(table.loc[table['left'], 'n'].sum())} left. "
        "95% intervals.",
        min_cell=min_cell,
    )


def _rate(part: pd.DataFrame) -> Estimate:
    events, watched = part.loc[part["gone"], "n"].sum(), (part["n"] * part["watched"]).sum()
    return Estimate.log_normal(30 * events / watched, max(events, 1) ** -0.5, unit="share", n=int(part["n"].sum()))


# --- what customers won by promotion bring (P08) ------------------------------------------------------------------


@gated
def won(study: Study, bought: Purchases | NotTestable, *, days: int, margin: float) -> Any:
    """Customers followed for so many days since they were won: channel, promoted, cost and brought (money).

    Args:
        study: whose customers are asked. Who got an `acquisition_discount` was won by promotion.
        bought: its orders.
        days: of equal follow-up.
        margin: share of revenue that is kept, where the orders do not hold their own margins.
    """
    import ibis

    people = trials.rows_of(study, "customers", "acquired_at", "channel", "acquisition_cost", "acquisition_discount")
    log: Purchases = needed(bought)
    orders = log.rows.select("customer_id", "ordered_on", "value")
    cost = people.acquisition_cost.fill_null(0) + people.acquisition_discount.fill_null(0)
    people = people.select(
        "customer_id", "channel", start=people.acquired_at.date(), cost=cost,
        promoted=people.acquisition_discount.fill_null(0) > 0,
    )  # fmt: skip
    followed = ibis.literal(log.observed_until).delta(people.start, unit="day") >= days
    seen = people.filter(people.start.notnull(), followed)
    both = seen.left_join(orders, "customer_id")
    here = both.ordered_on.delta(both.start, unit="day").between(0, days)
    brought = both.value.sum(where=here).fill_null(0.0).round(DECIMALS)
    table = both.group_by(seen.columns).agg(brought=brought).drop("customer_id", "start")
    rows = table.order_by(table.columns).to_pandas()
    need(rows["promoted"].any(), "No customer on record was won by a discount (acquisition_discount above zero).")
    return rows.assign(brought=(1.0 if log.measure == "margin" else margin) * rows["brought"])


@gated
def worth_less(table: pd.DataFrame | NotTestable) -> Any:
    """P08 as seen: what customers won by promotion brought, less what winning them cost, on average."""
    rows = needed(table)
    rows = rows[rows["promoted"]]
    need(len(rows) >= trials.FEWEST, f"{trials.FEWEST} customers won by promotion must be followed; {len(rows)} are.")
    return mean_score(rows["brought"] - rows["cost"], "money")


@gated
def foretold(study: Study, bought: Any, table: Any, *, days: int, family: str, margin: float) -> Any:
    """P08 by a model: first order and expected later ones of customers won by promotion, less what winning them cost.

    Args:
        study, bought, days, margin: see `won`.
        table: from `won`; what winning them cost.
        family: a key of `prospects.FAMILIES`, fitted to the customers won by promotion alone.
    """
    rows, log = needed(table), needed(bought)
    people = trials.rows_of(study, "customers", "acquisition_discount")
    won_cheaply = log.of(people.filter(people.acquisition_discount > 0))
    mine = won_cheaply.rows
    kept = 1.0 if log.measure == "margin" else margin
    model = needed(appraise(won_cheaply, FAMILIES[family], Terms(days / WEEK, margin=kept)))
    later, opening = needed(model.newcomer), mine.filter(mine.ordered_on == mine.first_on)
    worth = opening.group_by("customer_id").agg(worth=opening.value.sum().round(DECIMALS)).worth
    first = kept * worth.to_pandas().sort_values()
    cost = rows.loc[rows["promoted"], "cost"]
    error = (later.high - later.low) / (2 * NORMAL.inv_cdf(0.975))
    total = first.mean() + later.value - cost.mean()
    spread = np.sqrt(error**2 + first.sem() ** 2 + cost.sem() ** 2)
    return Estimate.normal(total, spread, unit="money", n=len(first), method=f"{family}, errors of its parameters")


@instead("{}")
def by_channel(table: pd.DataFrame, *, currency: str | None, days: int) -> Table | Text:
    """What customers of each way of winning brought and cost, and how dear winning them could have been."""
    each = table.assign(left_over=table["brought"] - table["cost"]).groupby(["channel", "promoted"])
    rows = each[["brought", "cost", "left_over"]].mean().assign(n=each.size()).reset_index()
    return Table(
        name="channels",
        title=f"What customers brought within {plural(days, 'day')}, and what winning them cost",
        rows=rows,
        units=dict.fromkeys(["brought", "cost", "left_over"], "money"),
        headings={"channel": "won by", "promoted": "with a discount", "left_over": "left over", "n": "customers"},
        currency=currency,
        caption="Means a customer. The cost holds the discount and whatever else was spent on winning.",
    )
