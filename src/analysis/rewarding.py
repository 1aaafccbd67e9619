"""Who should be rewarded? The same reward for all (P09), and a better one for the best (P10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures, maps, thresholds
from analysis.checks import Step
from analysis.customers import DECIMALS, YEAR, Purchases
from analysis.estimates import Answer, Estimate, NotTestable, columns, gated, in_brief, need, needed, part
from analysis.exhibits import Figure, Text, instead, say
from analysis.hazards import cox
from analysis.lifetimes import CUSTOMER, SPELL, in_bands, recount, several
from analysis.retention import MIN_EVENTS
from analysis.trials import rows_of
from analysis.words import count, listing, plural, quantity

if TYPE_CHECKING:
    from analysis.studies import Study

NEAR = "members near the threshold"
DISTANCES = {NEAR: 1.0, "within half that distance": 0.5, "within twice that distance": 2.0}
MEMBERS, THROUGHOUT = "members alone", "beside customers outside throughout"
OUTSIDERS = "against other members, and these against customers outside"
THIRDS = ("top third", "middle third", "bottom third")
OUTCOMES = {"profit": "profit", "margin": "margin, before costs", "cost": "cost of serving and rewards"}
SHARES = {"third": 1 / 3, "quarter": 1 / 4, "half": 1 / 2}
BINS = 8  # on either side of the threshold
PLACES = (0.2, 0.35, 0.5, 0.65, 0.8)  # shares of those below, and of those above, at which no tier begins


def _sums(rows: Any, day: str, value: Any, spans: pd.DataFrame) -> np.ndarray:
    """Each span's sum over the rows of its customer whose day lies from `begin` to before `end`, in the engine."""
    import ibis

    spans = spans[["customer_id", "begin", "end"]].reset_index(drop=True).rename_axis("span").reset_index()
    both = rows.mutate(worth=value).inner_join(ibis.memtable(spans), "customer_id")
    inside = both.filter(
        both[day].cast("date") >= both.begin.cast("date"), both[day].cast("date") < both.end.cast("date")
    )
    sums = inside.group_by("span").agg(worth=inside.worth.sum().round(DECIMALS)).to_pandas()
    return sums.set_index("span")["worth"].reindex(spans["span"], fill_value=0.0).to_numpy(float)


def _profits(study: Study, bought: Purchases, spans: pd.DataFrame, *, costed: bool) -> pd.DataFrame:
    """Margin, cost (of serving, marketing and rewards, as far as they are known) and profit of each span."""
    need(bought.measure == "margin", "The orders have no margin on every row, so nobody's profit is known. Bring it.")
    margin, cost = _sums(bought.rows, "ordered_on", bought.rows.value, spans), np.zeros(len(spans))
    if costed or study.has("costs"):
        table = rows_of(study, "costs", "serving_cost")
        named = [name for name in ("serving_cost", "marketing_cost") if name in table.columns]
        cost = cost + _sums(table, "period", sum(table[name].fill_null(0) for name in named), spans)
    rewards = study.table("memberships").rows
    if {"reward_at", "reward_value"} <= {*rewards.columns}:
        given = rewards.select("customer_id", "reward_at", "reward_value").distinct()
        cost = cost + _sums(given, "reward_at", given.reward_value.fill_null(0), spans)
    return pd.DataFrame({"margin": margin, "cost": cost, "profit": margin - cost})


# --- the best rewarded best (P10) ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """Members for whom a tier was decided.

    Attributes:
        rows: one row a decision: customer (a number), x (what decided, less the threshold), above (whether they got
            the higher tier), and of the year after: margin, cost, profit.
        at: the threshold.
        upper, lower: the tiers on either side of it.
        steps: rows kept and dropped.
    """

    rows: pd.DataFrame = field(repr=False)
    at: float
    upper: str
    lower: str
    steps: tuple[Step, ...]


@gated
def decided(study: Study, bought: Purchases, *, tier: str = "") -> Any:
    """Decisions on a tier with what came in the year after; customers who left then brought nothing.

    Args:
        study: its memberships and costs.
        bought: its orders, with margins.
        tier: the higher tier of the two; "" takes the highest.
    """
    given = rows_of(study, "memberships", "tier", "tier_at", "running_value").to_pandas()
    by = ["tier_at", "customer_id", "tier", "running_value"]  # time first: a database keeps no order
    held = given.dropna(subset=by).sort_values(by).drop_duplicates(["customer_id", "tier_at"])
    order = [str(name) for name in held.groupby("tier")["running_value"].median().sort_values().index]
    need(len(order) > 1, "All members with a value that decides hold one tier, so there is no threshold.")
    need(not tier or tier in order[1:], f"No tier {tier} stands above another; the tiers are {listing(order)}.")
    place = order.index(tier) if tier else len(order) - 1
    two = held[held["tier"].isin(order[place - 1 : place + 1])]
    spans = two.assign(begin=two["tier_at"].dt.normalize(), end=two["tier_at"].dt.normalize() + pd.DateOffset(years=1))
    spans = spans[spans["end"] <= pd.Timestamp(bought.observed_until) + pd.Timedelta(days=1)]
    need(len(spans), "No decision on a tier was followed by a year of orders.")
    above = (spans["tier"] == order[place]).to_numpy()
    at = needed(thresholds.found(spans["running_value"].to_numpy(float), above))
    rows = _profits(study, bought, spans, costed=True).assign(
        customer=pd.factorize(spans["customer_id"])[0], x=spans["running_value"].to_numpy(float) - at, above=above
    )
    rules = ["decisions with their tier, day and value", f"tier {order[place - 1]} or {order[place]}"]
    sizes = [len(given), len(held), len(two), len(spans)]
    dropped = [before - after for before, after in pairwise(sizes)]
    steps = map(Step, [*rules, "the year after was watched to its end"], sizes[1:], dropped)
    return Line(rows, at, order[place], order[place - 1], tuple(steps))


def _jump(rows: pd.DataFrame, outcome: str = "profit", **how: Any) -> thresholds.Jump | NotTestable:
    whose, (x, y) = rows["customer"].to_numpy(), rows[["x", outcome]].to_numpy(float).T
    made: thresholds.Jump | NotTestable = thresholds.jump(x, y, cases=whose, **how)
    return made


@gated
def rewarded(
    rows: pd.DataFrame | NotTestable, *, distance: float = 1.0, decisions: str = "all", counted_up_to: float = 1.0
) -> Any:
    """P10: profit just above the threshold over just below it; no answer where members crowd just above it.

    Args:
        rows: as of `Line`.
        distance: within which members count, times what the data ask for.
        decisions: "all", or each member's "first".
        counted_up_to: money beyond this quantile does not count, so that a few great buyers decide nothing.
    """
    given: pd.DataFrame = needed(rows)
    given = given if decisions == "all" else given.drop_duplicates("customer")
    crowd = thresholds.crowding(given["x"].to_numpy(float))
    need(
        isinstance(crowd, NotTestable) or crowd.low <= 1 <= crowd.high,
        f"Just above the threshold stand {in_brief(crowd)} times as many as just below it, so members place "
        "themselves, and the two sides are not of one kind. Decide the tier by a value that members do not see.",
    )
    counted = given.assign(profit=np.minimum(given["profit"], given["profit"].quantile(counted_up_to)))
    return needed(needed(_jump(counted, factor=distance)).ratio)


def without_jump(rows: pd.DataFrame | NotTestable, random: np.random.Generator) -> pd.DataFrame | NotTestable:
    """The rows as they could be if the tier changed nothing: drawn anew, the jump taken out."""
    if isinstance(rows, NotTestable) or not isinstance(lift := rewarded(rows), Estimate):
        return rows
    again = rows.sample(len(rows), replace=True, random_state=random)
    return again.assign(profit=again["profit"] / np.where(again["x"] < 0, 1, lift.value))


def best_rewarded(line: Line | NotTestable) -> dict[str, Answer]:
    """Readings of P10, by how near to the threshold members count."""
    if isinstance(line, NotTestable):
        return dict.fromkeys(DISTANCES, line)
    return {name: rewarded(line.rows, distance=distance) for name, distance in DISTANCES.items()}


@instead("There is no threshold to look at. {}")
def at_the_threshold(line: Line, *, currency: str | None) -> Figure | Text:
    """Mean profit along the value that decides, with the two lines."""
    made = needed(_jump(line.rows))
    near = line.rows[line.rows["x"].abs() < made.bandwidth]
    bins = near.groupby(np.floor(near["x"] * BINS / made.bandwidth))
    each = bins.agg(x=("x", "mean"), value=("profit", "mean"), error=("profit", "sem"), n=("x", "size"))
    return maps.jump(
        each.assign(x=each["x"] + line.at, error=1.96 * each["error"]),
        lines=made.lines,
        at=line.at,
        name="profit-at-the-threshold",
        title=f"Profit in the year after, on either side of the line from which members are {line.upper}",
        x_label=f"What members were judged by: {line.lower} below the dashed line, {line.upper} above it",
        y_label=f"Mean profit a member in the year after the decision{f', {currency}' if currency else ''}",
        caption=f"{count(len(near))} decisions within {made.bandwidth:,.3g} of the threshold. Dots: means with 95% "
        "intervals; lines: fitted to either side, the nearer cases the heavier.",
    )


def what_jumps(line: Line | NotTestable, *, currency: str | None) -> list[tuple[str, ...]]:
    """Profit, margin and cost: means of all members below and above, their ratio, and the ratio at the threshold."""
    if isinstance(line, NotTestable):
        return []
    rows, means = [], line.rows.groupby("above")[[*OUTCOMES]].mean()
    for name, words in OUTCOMES.items():
        made, (below, above) = _jump(line.rows, name), means[name]
        said = in_brief(made if isinstance(made, NotTestable) else made.ratio)
        money = (quantity(mean, "money", currency) for mean in (below, above))
        rows.append((words, *money, quantity(above / below, "ratio"), said))
    return rows


@instead("No other threshold can be tried. {}")
def elsewhere(line: Line, *, currency: str | None) -> Figure | Text:
    """The same comparison where no tier begins."""
    made = needed(_jump(line.rows))
    x, y = line.rows[["x", "profit"]].to_numpy(float).T
    placed = thresholds.placebos(x, y, cases=line.rows["customer"].to_numpy(), shares=PLACES)
    odd = sum(not one.low <= 0 <= one.high for one in placed["difference"])
    tried = [(0.0, made.difference), *placed[["at", "difference"]].to_numpy()]
    rows = [{"label": f"at {line.at + at:,.4g}", **columns(answer)} for at, answer in tried]
    return figures.dots(
        pd.DataFrame(rows).assign(section=[f"{line.upper} begins", *["no tier begins"] * len(placed)]),
        name="other-thresholds",
        title=f"Beyond chance, there is a jump at {count(odd)} of {plural(len(placed), 'place')} where no tier begins",
        unit="money",
        x_label=f"Profit in the year after, just above less just below{f', {currency}' if currency else ''}",
        reference=0.0,
        reference_label="no jump",
        caption="95% intervals; one place in twenty shows a jump by chance alone.",
    )


@instead("{}")
def crowded(line: Line) -> Text:
    """Where the threshold is, and whether members push themselves over it, in a sentence."""
    crowd = thresholds.crowding(line.rows["x"].to_numpy(float))
    fair = isinstance(crowd, NotTestable) or crowd.low <= 1 <= crowd.high
    return say(
        "The value that parts {} from {} was found at {}. Just above it stand {} times as many members as just below. "
        "{} that members push themselves over the line.",
        line.upper, line.lower, f"{line.at:,.5g}", in_brief(crowd), "Nothing says" if fair else "So it must be feared",
    )  # fmt: skip


# --- the same for all (P09) ---------------------------------------------------------------------------------------


@gated
def scheme(study: Study, bought: Purchases, *, since: str, days: int, past: int = 365, hindsight: bool = False) -> Any:
    """Customers on the day the scheme changed, and customers on a day before it, each followed as long.

    On either day they are ranked by the profit of the time before it, so that whoever was lucky has the same way to
    fall on both.

    Args:
        study: its memberships and subscriptions, with dates.
        bought: its orders, with margins.
        since: the day from which all members got the same reward, as "2024-01-31"; anything else is no day.
        days: followed after either day; the earlier one lies as many before the later.
        past: days before either day by whose profit customers are ranked.
        hindsight: rank by the profit of the whole time instead, which nobody should.

    Returns:
        One row a customer and day: customer (a number), after (whether it is the later day), member, rank (by profit,
        0 to 1), time (weeks), left, entered (0), age (years), profit and later (a year, before and after the day).
    """
    change: Any = pd.to_datetime(since, errors="coerce")
    need(
        change is not pd.NaT,
        f"From when did all members get the same reward? The parameter uniform_since says {since or 'nothing'}, and "
        'must be a day such as "2024-01-31". Where rewards always differed, there is nothing to test.',
    )
    length, back = pd.Timedelta(days=days), pd.Timedelta(days=past)
    spells = rows_of(study, "subscriptions", "started_at").to_pandas()
    spells["begun"] = pd.to_datetime(spells["started_at"])
    spells["gone"] = spells["begun"] + pd.to_timedelta(spells["time"], unit="D")
    joined = rows_of(study, "memberships", "joined_at").to_pandas().groupby("customer_id")["joined_at"].min()
    spells["joined"] = pd.to_datetime(joined.reindex(spells["customer_id"])).to_numpy()
    first, until = (pd.Timestamp(day) for day in (bought.rows.ordered_on.min().to_pandas(), bought.observed_until))
    early, last = change - length - back, change + length - pd.Timedelta(days=1)
    need(first <= early, f"Orders from {early:%Y-%m-%d} on are needed; the first is of {first:%Y-%m-%d}.")
    need(last <= until, f"Customers must be watched until {last:%Y-%m-%d}, and are until {until:%Y-%m-%d}.")
    parts = []
    for day in (change - length, change):
        here = spells[(spells["begun"] < day) & (spells["gone"] > day)].reset_index(drop=True)
        part = pd.DataFrame({"customer_id": here["customer_id"], "after": day == change, "entered": 0.0})
        part = part.assign(member=here["joined"] <= day, age=(day - here["begun"]).dt.days / YEAR)
        # Whoever joins later is outside the club until then.
        stop = here[["gone"]].assign(end=day + length, joined=here["joined"].where(~part["member"])).min(axis=1)
        part = part.assign(time=(stop - day).dt.days // 7 + 1.0, left=here["left"] & (stop == here["gone"]))
        whole = (first, until + pd.Timedelta(days=1)) if hindsight else (day - back, day)
        for name, (begin, end) in {"profit": whole, "later": (day, day + back)}.items():
            of = part[["customer_id"]].assign(begin=begin, end=end)
            part[name] = _profits(study, bought, of, costed=False)["profit"]
        part["profit"] /= 1 if hindsight else np.minimum(part["age"] * YEAR / past, 1)
        parts.append(part)
    rows = pd.concat(parts, ignore_index=True)
    rank = rows.groupby(["after", "member"])["profit"].rank(pct=True, method="first")
    return rows.assign(rank=rank, customer=pd.factorize(rows.pop("customer_id"))[0])


def all_alike(rows: pd.DataFrame | NotTestable, *, share: str = "third") -> dict[str, Any]:
    """Readings of P09.

    The top is held against the bottom of the club; what changed for the bottom, against what changed for the bottom
    outside it, because the years alone make customers who are still there leave more rarely.

    Args:
        rows: from `scheme`.
        share: of the customers that is the top, and that is the bottom; a key of `SHARES`.
    """
    alone, beside = (alike(rows, share=SHARES[share], beside=how) for how in (False, True))
    parts = {"profitable": part(alone, "profitable"), "unprofitable": part(beside, "unprofitable")}
    return {OUTSIDERS: alone if isinstance(alone, NotTestable) else parts, MEMBERS: alone, THROUGHOUT: beside}


def same_for_all(rows: pd.DataFrame | NotTestable, *, share: str = "third", held: str = OUTSIDERS) -> Any:
    """One reading of P09, by its name."""
    return all_alike(rows, share=share)[held]


@gated
def alike(rows: pd.DataFrame | NotTestable, *, share: float = 1 / 3, beside: bool = False) -> Any:
    """Parts of P09: profitable (top against bottom) and unprofitable, hazard of leaving after over before.

    Args:
        rows: from `scheme`.
        share: of the customers that is the top, and that is the bottom.
        beside: as far as it changed more for members than for customers outside the club.
    """
    given: pd.DataFrame = needed(rows)
    chosen = given.assign(top=given["rank"] > 1 - share)[given["member"] | beside]
    chosen = chosen[chosen["top"] | (chosen["rank"] <= share)]
    flags = ["after", "top", *(["member"] if beside else [])]
    cells = chosen.groupby(flags)["left"].sum()
    least = int(cells.min()) if len(cells) == 2 ** len(flags) else 0
    few = f"In each group {MIN_EVENTS} must have left after either day; in the smallest {count(least)} did."
    need(least >= MIN_EVENTS, few)
    terms = [" and ".join(some) for size in range(1, len(flags) + 1) for some in combinations(flags, size)]
    words = {term: np.where(chosen[term.split(" and ")].all(axis=1), "yes", "no") for term in terms}
    spells = chosen[[*SPELL, "age"]].assign(**words, **{CUSTOMER: several(chosen["customer"])}, weight=1)
    spells["age"] = in_bands(spells, "age")
    made = needed(cox(recount(spells, [*SPELL, "age", *terms]), covariates=terms, strata=["age"]))
    wanted = {"profitable": terms[-1], "unprofitable": "after and member" if beside else "after"}
    how = "Cox, a baseline for each quarter of tenure, errors by customer"
    return {name: made.ratio(term, of="yes", method=how) for name, term in wanted.items()}


def _third(rows: pd.DataFrame) -> pd.Series:
    return pd.cut(1 - rows["rank"], [-1, 1 / 3, 2 / 3, 1], labels=THIRDS, right=False).rename("third")


def who_left(ranked: dict[str, pd.DataFrame | NotTestable]) -> pd.DataFrame:
    """Share of members who left, for each way of ranking them: section, label, value, low, high, n."""
    rows = []
    for how, given in ranked.items():
        if isinstance(given, pd.DataFrame):
            members = given[given["member"]]
            for (third, after), group in members.groupby([_third(members), "after"], observed=True):
                share = Estimate.proportion(int(group["left"].sum()), len(group))
                label = f"{third}, {'same reward for all' if after else 'before'}"
                rows.append({"section": how, "label": label, **columns(share), "n": len(group)})
    return pd.DataFrame(rows, columns=["section", "label", "value", "low", "high", "n"])


def falling(rows: pd.DataFrame | NotTestable, *, currency: str | None) -> list[tuple[Any, ...]]:
    """Members by third: how many, profit a year before and a year after the earlier day, and the change."""
    if isinstance(rows, NotTestable):
        return []
    members = rows[rows["member"] & ~rows["after"]].assign(change=lambda t: t["later"] - t["profit"])
    means = members.groupby(_third(members), observed=True)[["profit", "later", "change"]].mean()
    sizes = _third(members).value_counts()
    return [(t, sizes[t], *(quantity(mean, "money", currency) for mean in row)) for t, *row in means.itertuples()]
