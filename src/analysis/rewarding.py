"""Who should be rewarded? The same reward for all (P09), and a better one for the best (P10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures, thresholds
from analysis.checks import Step
from analysis.customers import DECIMALS, YEAR, Purchases
from analysis.estimates import Answer, Estimate, NotTestable, columns, gated, in_brief, need, needed
from analysis.exhibits import Figure, Table, Text, say
from analysis.hazards import cox
from analysis.lifetimes import CUSTOMER, SPELL, in_bands, recount
from analysis.retention import MIN_EVENTS
from analysis.trials import rows_of
from analysis.words import count, listing, plural

if TYPE_CHECKING:
    from analysis.studies import Study

NEAR = "members near the threshold"
FACTORS = {NEAR: 1.0, "within half that distance": 0.5, "within twice that distance": 2.0}
MEMBERS, THROUGHOUT = "members alone", "beside customers outside throughout"
OUTSIDERS = "against other members, and these against customers outside"
THIRDS = TOP, MIDDLE, BOTTOM = "top third", "middle third", "bottom third"
OUTCOMES = {"profit": "profit", "margin": "margin, before costs", "cost": "cost of serving and rewards"}
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
    held = given.dropna(subset=["tier", "tier_at", "running_value"]).drop_duplicates(["customer_id", "tier_at"])
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
    rules = {
        "rows read from memberships": given,
        "a tier, its day and the value that decided are known; each decision once": held,
        f"the tier is {order[place - 1]} or {order[place]}": two,
        "the year after the decision was watched to its end": spans,
    }
    sizes = [len(kept) for kept in rules.values()]
    steps = tuple(map(Step, rules, sizes, -np.diff([sizes[0], *sizes])))
    return Line(rows, at, order[place], order[place - 1], steps)


def _jump(rows: pd.DataFrame, outcome: str = "profit", **how: Any) -> thresholds.Jump | NotTestable:
    whose, (x, y) = rows["customer"].to_numpy(), rows[["x", outcome]].to_numpy(float).T
    made: thresholds.Jump | NotTestable = thresholds.jump(x, y, cases=whose, **how)
    return made


@gated
def rewarded(rows: pd.DataFrame, *, outcome: str = "profit", factor: float = 1.0) -> Any:
    """P10: the outcome just above the threshold over just below it; no answer where members crowd just above it.

    Args:
        rows: as of `Line`.
        outcome: a key of `OUTCOMES`.
        factor: times the bandwidth that the data ask for.
    """
    crowd = thresholds.crowding(rows["x"].to_numpy(float))
    need(
        isinstance(crowd, NotTestable) or crowd.low <= 1 <= crowd.high,
        f"Just above the threshold stand {in_brief(crowd)} times as many as just below it, so members place "
        "themselves, and the two sides are not of one kind. Decide the tier by a value that members do not see.",
    )
    return needed(needed(_jump(rows, outcome, factor=factor)).ratio)


def best_rewarded(line: Line | NotTestable) -> dict[str, Answer]:
    """Readings of P10, by how near to the threshold members count."""
    if isinstance(line, NotTestable):
        return dict.fromkeys(FACTORS, line)
    return {name: rewarded(line.rows, factor=factor) for name, factor in FACTORS.items()}


def at_the_threshold(line: Line | NotTestable, *, currency: str | None) -> Figure | Text:
    """Mean profit along the value that decides, with the two lines."""
    made = line if isinstance(line, NotTestable) else _jump(line.rows)
    if isinstance(line, NotTestable) or isinstance(made, NotTestable):
        return say("There is no threshold to look at. {}", getattr(made, "reason", ""))
    near = line.rows[line.rows["x"].abs() < made.bandwidth]
    bins = near.groupby(np.floor(near["x"] * BINS / made.bandwidth))
    each = bins.agg(x=("x", "mean"), value=("profit", "mean"), error=("profit", "sem"), n=("x", "size"))
    return figures.jump(
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


def what_jumps(line: Line | NotTestable, *, currency: str | None) -> Table | Text:
    """Profit, margin and cost: what all members of the two tiers show, and what happens at the threshold."""
    if isinstance(line, NotTestable):
        return say("Nothing can be compared. {}", line.reason)
    rows = []
    for name, words in OUTCOMES.items():
        means, made = line.rows.groupby("above")[name].mean(), _jump(line.rows, name)
        said = in_brief(made if isinstance(made, NotTestable) else made.ratio)
        rows.append((words, means[False], means[True], means[True] / means[False], said))
    heads = ["in_the_year_after", f"all_{line.lower}", f"all_{line.upper}", "ratio", "at_the_threshold"]
    return Table(
        name="what-jumps",
        title=f"{line.upper.capitalize()} over {line.lower}: all members, and those at the threshold",
        rows=pd.DataFrame(rows, columns=heads),
        units=dict.fromkeys(heads[1:3], "money"),
        currency=currency,
        caption="Means a member and year; ratios of means, at the threshold with 95% intervals.",
    )


def elsewhere(line: Line | NotTestable) -> Figure | Text:
    """The same comparison where no tier begins."""
    if isinstance(line, NotTestable):
        return say("No other threshold can be tried. {}", line.reason)
    x, y = line.rows[["x", "profit"]].to_numpy(float).T
    placed = thresholds.placebos(x, y, cases=line.rows["customer"].to_numpy(), shares=PLACES).to_numpy()
    known = [(at, answer) for at, answer in placed if isinstance(answer, Estimate)]
    odd = sum(not answer.low <= 1 <= answer.high for _, answer in known)
    tried = [(0.0, rewarded(line.rows)), *known]
    rows = [{"label": f"at {line.at + at:,.4g}", **columns(answer)} for at, answer in tried]
    return figures.dots(
        pd.DataFrame(rows).assign(section=[f"{line.upper} begins", *["no tier begins"] * len(known)]),
        name="other-thresholds",
        title=f"Of {plural(len(known), 'place')} where no tier begins, {count(odd) if odd else 'none'} shows a jump",
        unit="hazard ratio",
        x_label="Profit just above over just below",
        reference=1.0,
        reference_label="no jump",
        caption="95% intervals; one place in twenty shows a jump by chance alone.",
    )


def crowded(line: Line | NotTestable) -> Text:
    """Where the threshold is, and whether members push themselves over it, in a sentence."""
    if isinstance(line, NotTestable):
        return say("{}", line.reason)
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
        since: the day from which all members got the same reward, as "2024-01-31"; "" where none is stated.
        days: followed after either day; the earlier one lies as many before the later.
        past: days before either day by whose profit customers are ranked.
        hindsight: rank by the profit of the whole time instead, which nobody should.

    Returns:
        One row a customer and day: customer (a number), after (whether it is the later day), member, third, time
        (weeks), left, entered (0), age (years a customer), profit and later (a year, before and after the day).
    """
    need(
        since,
        "Nobody said from when all members got the same reward. State the day as parameter uniform_since; where "
        "rewards always differed, there is nothing to test.",
    )
    spells = rows_of(study, "subscriptions", "started_at").to_pandas()
    spells["begun"] = pd.to_datetime(spells["started_at"])
    spells["gone"] = spells["begun"] + pd.to_timedelta(spells["time"], unit="D")
    joined = rows_of(study, "memberships", "joined_at").to_pandas().groupby("customer_id")["joined_at"].min()
    spells["joined"] = pd.to_datetime(joined.reindex(spells["customer_id"])).to_numpy()
    first, until = (pd.Timestamp(day) for day in (bought.rows.ordered_on.min().to_pandas(), bought.observed_until))
    change, length, back = pd.Timestamp(since), pd.Timedelta(days=days), pd.Timedelta(days=past)
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
    third = np.select([rank > 2 / 3, rank > 1 / 3], [TOP, MIDDLE], BOTTOM)
    return rows.assign(third=third, customer=pd.factorize(rows.pop("customer_id"))[0])


def all_alike(rows: pd.DataFrame | NotTestable) -> dict[str, Any]:
    """Readings of P09.

    The top third is held against the bottom third of the club; what changed for the bottom third, against what changed
    for the bottom third outside it, because the years alone make customers who are still there leave more rarely.

    Args:
        rows: from `scheme`.
    """
    alone, beside = alike(rows), alike(rows, beside=True)
    parts = {"profitable": part_of(alone, "profitable"), "unprofitable": part_of(beside, "unprofitable")}
    head = alone if isinstance(alone, NotTestable) else parts
    return {OUTSIDERS: head, MEMBERS: alone, THROUGHOUT: beside}


@gated
def alike(rows: pd.DataFrame | NotTestable, *, beside: bool = False) -> Any:
    """Parts of P09: profitable (top third against bottom third) and unprofitable, hazard of leaving after over before.

    Args:
        rows: from `scheme`.
        beside: as far as it changed more for members than for customers outside the club.
    """
    given: pd.DataFrame = needed(rows)
    chosen = given[(given["third"] != MIDDLE) & (given["member"] | beside)].assign(top=lambda t: t["third"] == TOP)
    flags = ["after", "top", *(["member"] if beside else [])]
    cells = chosen.groupby(flags)["left"].sum()
    least = int(cells.min()) if len(cells) == 2 ** len(flags) else 0
    few = f"In each group {MIN_EVENTS} must have left after either day; in the smallest {count(least)} did."
    need(least >= MIN_EVENTS, few)
    terms = [" and ".join(some) for size in range(1, len(flags) + 1) for some in combinations(flags, size)]
    words = {term: np.where(chosen[term.split(" and ")].all(axis=1), "yes", "no") for term in terms}
    several = (chosen["customer"] + 1).where(chosen["customer"].duplicated(keep=False), 0)
    spells = chosen[[*SPELL, "age"]].assign(**words, **{CUSTOMER: several}, weight=1)
    spells["age"] = in_bands(spells, "age")
    made = needed(cox(recount(spells, [*SPELL, "age", *terms]), covariates=terms, strata=["age"]))
    wanted = {"profitable": terms[-1], "unprofitable": "after and member" if beside else "after"}
    tell: dict[str, Any] = {"unit": "hazard ratio", "n": made.customers, "events": made.leavers}
    tell["method"] = "Cox, a baseline for each quarter of tenure, errors by customer"
    table, parts = made.table.set_index("covariate"), {}
    for part, row in ((part, table.loc[term]) for part, term in wanted.items()):
        sign = 1 if row["term"].startswith("yes") else -1  # the commoner word is what others are held against
        parts[part] = Estimate.log_normal(float(np.exp(sign * row["coefficient"])), float(row["error"]), **tell)
    return parts


def who_left(ranked: dict[str, pd.DataFrame | NotTestable]) -> pd.DataFrame:
    """Share of members who left, for each way of ranking them: section, label, value, low, high, n."""
    rows = []
    for how, given in ranked.items():
        if isinstance(given, pd.DataFrame):
            members = given[given["member"]].assign(third=pd.Categorical(given["third"][given["member"]], THIRDS))
            for (third, after), group in members.groupby(["third", "after"], observed=True):
                share = Estimate.proportion(int(group["left"].sum()), len(group))
                label = f"{third}, {'same reward for all' if after else 'before'}"
                rows.append({"section": how, "label": label, **columns(share), "n": len(group)})
    return pd.DataFrame(rows, columns=["section", "label", "value", "low", "high", "n"])


def falling(rows: pd.DataFrame | NotTestable, *, currency: str | None) -> Table | Text:
    """Profit of members a year before and a year after the earlier day, when nothing had changed yet."""
    if isinstance(rows, NotTestable):
        return say("{}", rows.reason)
    thirds = rows[rows["member"] & ~rows["after"]].groupby("third")
    table = thirds.agg(members=("profit", "size"), before=("profit", "mean"), after=("later", "mean"))
    table = table.reindex(THIRDS).rename_axis("ranked_by_the_year_before").reset_index()
    return Table(
        name="the-best-fall",
        title="Profit a year, before and after a day on which nothing changed",
        rows=table.assign(change=table["after"] - table["before"]),
        units=dict.fromkeys(["before", "after", "change"], "money"),
        currency=currency,
        size_column="members",
    )


def part_of(reading: Any, part: str) -> Answer:
    """A part of a reading; the lack of the whole is the lack of each part."""
    return reading if isinstance(reading, NotTestable) else reading[part]
