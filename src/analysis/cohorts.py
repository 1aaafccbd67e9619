"""Customers by when they first ordered: how many come back at each age, and whether newer ones do so more.

A cohort is everybody whose first order fell into one calendar week, month or quarter. Age counts such periods, 0 being
the one of the first order. Only periods that ended before the last day seen count; the running one is marked. What
leaves the engine are counts and sums over a cohort, never a customer.

Cohorts of contracts, from the day a subscription started, would need the same tables and are not made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache, reduce
from operator import or_
from typing import Any

import numpy as np
import pandas as pd

from analysis.customers import DAY, DECIMALS, Purchases, ordered
from analysis.engines import any_bit, keep
from analysis.estimates import NORMAL, NotTestable
from analysis.tables import SettingsError
from analysis.words import count, listing, plural

# For each grain its length in days, its name in pandas, and how one of its periods is called.
GRAINS = {"week": (7, "W-SUN", "%Y-%m-%d"), "month": (30.4375, "M", "%b %Y"), "quarter": (91.3125, "Q", "Q%q %Y")}
DEFINITIONS = N_DAY, WINDOW, LATER = "n-day", "window", "on-or-after"
COUNTED = CUSTOMERS, GROSS, NET_REVENUE = "customers", "gross revenue", "net revenue"
SEEN, RUNNING, NOT_YET = "seen", "running", "not yet"
FEWEST, FEWEST_COHORTS, LEVEL = 30, 3, 0.95  # active customers in a compared cohort; compared cohorts; of intervals
EXACT = "decimal(38, 12)"  # in which the engine adds up money and products of money
FIRST = -1  # stands for the span of a cohort's first period
AT_FIRST = pd.DataFrame({"span": [FIRST], "age": [0], "to_age": [0]})
BITS = 62  # of a whole number, that no engine takes for a sign


# --- counted in the engine ------------------------------------------------------------------------------------------


def _ordinal(day: date, grain: str) -> int:
    """The running number of a day's period in pandas."""
    return pd.Period(day, GRAINS[grain][1]).ordinal


def _position(day: Any, grain: str) -> Any:
    """The running number of a day's period, as pandas numbers its periods."""
    import ibis

    if grain not in GRAINS:
        raise SettingsError(f'grain is "{grain}"; it must be {listing(list(GRAINS), "or")}.')
    # 1900 began on a Monday, 3,651 weeks before the one from which pandas counts.
    weeks = day.delta(ibis.literal(date(1900, 1, 1)), unit="day") // 7 - 3651
    months = (day.year() - 1970) * 12 + day.month() - 1
    return {"week": weeks, "month": months, "quarter": months // 3}[grain]


@lru_cache(maxsize=8)  # each question about the same customers begins with it
def _lives(bought: Purchases, grain: str) -> Any:
    """One row a life, kept in the engine: position (of the first order), customers, and the periods with an order.

    A bit stands for each period since the first one of the table, in as many columns of whole numbers as it takes.
    """
    import ibis

    # A day with a line of 0 or more is an order without adding up; an invoice may hold lines of several days.
    by_day, lines = bought.order == DAY, bought.lines
    orders = (lines.filter(lines.amount >= 0) if bought.returned else lines) if by_day else ordered(bought)
    position, begins = _position(orders.ordered_on, grain), _ordinal(bought.began, grain)
    lines = orders.select("customer_id", period=(position - begins).cast("int32"))
    one, masks = ibis.literal(1, "int16").cast("int64"), {}
    periods = _ordinal(bought.observed_until, grain) - begins + 1
    for first in range(0, periods, BITS):
        here = lines.period.between(first, first + BITS - 1)
        bit = one << (lines.period - first)
        masks[f"mask_{first}"] = any_bit(here.ifelse(bit, 0) if periods > BITS else bit)
    people = lines.group_by("customer_id").agg(position=lines.period.min() + begins, **masks)
    return keep(people.group_by("position", *masks).agg(customers=people.count()))


def begun(bought: Purchases, *, grain: str = "month") -> pd.DataFrame:
    """The cohorts: who can be followed, and how far.

    Returns:
        One row a cohort: cohort (name), began (first day of its period), position (running number of the period),
        customers (count), lived (complete periods after the first; -1 while the first still runs) and running
        (whether one more has begun).

    Raises:
        SettingsError: an unknown grain.
    """
    lives = _lives(bought, grain)
    table = lives.group_by("position").agg(customers=lives.customers.sum()).order_by("position").to_pandas()
    _, frequency, look = GRAINS[grain]
    periods = [pd.Period(ordinal=at, freq=frequency) for at in table["position"]]
    days = pd.PeriodIndex(periods, freq=frequency).asfreq("D", how="S")
    complete = _ordinal(bought.observed_until + timedelta(days=1), grain) - 1
    table = table.assign(cohort=days.strftime(look), began=days.to_timestamp(), lived=complete - table["position"])
    return table.assign(running=_ordinal(bought.observed_until, grain) > complete)


def of_size(bought: Purchases, *, grain: str, least: int) -> Purchases:
    """The orders without those of cohorts of fewer than `least` customers.

    Such a cohort is left out before anything is counted and not only hidden where it would be shown: else one
    table of a page less another would give it away.
    """
    cohorts = begun(bought, grain=grain)
    if not (few := cohorts.loc[cohorts["customers"] < least, "position"].tolist()):
        return bought
    first = bought.rows.group_by("customer_id").agg(first_on=bought.rows.ordered_on.min())
    return bought.of(first.filter(~_position(first.first_on, grain).isin(few)))


def horizon(cohorts: pd.DataFrame) -> int:
    """The highest age that at least half of the complete cohorts of `begun`, and at least three, have lived through.

    Cohorts of fewer than 30 customers do not count. Where there are fewer than three, it is the age of the youngest.
    """
    lived = cohorts.loc[(cohorts["lived"] >= 0) & (cohorts["customers"] >= FEWEST), "lived"].sort_values()
    return int(lived.iloc[max(0, len(lived) - max(FEWEST_COHORTS, (len(lived) + 1) // 2))]) if len(lived) else 0


def follow(
    bought: Purchases,
    *,
    ages: Sequence[int],
    grain: str,
    definitions: Sequence[str] = DEFINITIONS,
    window: int = 3,
    counted: Sequence[str] = COUNTED,
) -> pd.DataFrame:
    """How much of each cohort came back, under every definition asked for, with an interval in each cell.

    To come back at an age is to order in exactly that period ("n-day"); in at least one of `window` periods from it
    on ("window"); or in it or any later one up to the `horizon` ("on-or-after"), which is the same for all, because
    whoever is watched for longer has more chances to come back.

    Counted are customers; net revenue, all that the cohort brought in, over what it brought in in its first period;
    and gross revenue, where each customer counts in each period for no more than in their first, so that those who
    buy more do not hide those who left. Money of several periods is their mean. Whether returns are taken off is
    decided by `bought`.

    Args:
        bought: the orders.
        ages: in periods, 1 or more; none given takes all that any cohort has begun. "on-or-after" has only those
            below the horizon.
        grain: "week", "month" or "quarter".
        definitions: some of the three.
        window: periods, at least 2.
        counted: some of the three. Money takes an engine much longer than customers.

    Returns:
        One row a cohort, definition, age and counted: cohort (name), began (day), position, customers (the cohort's
        size), active (customers with an order), to_age (the last age looked at), base and kept (what is divided:
        size and active, or money), base_squares, cross and kept_squares (sums of products over customers, for
        errors), state, value, low and high (shares). state is "seen"; "running" (the last period has begun and not
        ended: a value so far, without an interval); or "not yet" (no value). Intervals are at 95%: Jeffreys' for
        customers, the delta method on logarithms for money. Money of fewer than 30 active customers is left blank:
        amounts are too skewed for an interval, and so few could be recognised.

    Raises:
        SettingsError: an unknown grain or definition, an age below 1, or a window of fewer than two periods.

    Source: Brown, Cai & DasGupta (2001), Statistical Science 16; Cochran (1977), Sampling Techniques, 6.3 (ratios).
    """
    if strange := sorted({*definitions} - {*DEFINITIONS}):
        raise SettingsError(f'definition is "{strange[0]}"; it must be {listing(list(DEFINITIONS), "or")}.')
    if window < 2 or min(ages, default=1) < 1:
        raise SettingsError(f"ages is {list(ages)} and window {window}; give ages of 1 or more, a window of 2 or more.")
    cohorts = begun(bought, grain=grain)
    ages = ages or range(1, max(0, cohorts["lived"].max()) + 2)
    until, further = horizon(cohorts), {N_DAY: 0, WINDOW: window - 1}
    spans = pd.MultiIndex.from_product([definitions, sorted({*ages})], names=["definition", "age"]).to_frame(
        index=False
    )
    spans["to_age"] = (spans["age"] + spans["definition"].map(further)).fillna(until).astype("int64")
    spans = spans.query("definition != @LATER or age < @until").reset_index(drop=True).reset_index(names="span")
    cells = cohorts.merge(spans, how="cross")
    cells = cells.merge(_active(bought, cells, grain), how="left")
    if {*counted} != {CUSTOMERS}:
        sums = _sums(bought, pd.concat([AT_FIRST, spans]), grain)
        start = sums.query("span == @FIRST").rename(columns={"net": "start", "net_squares": "start_squares"})
        cells = cells.merge(start[["position", "start", "start_squares"]]).merge(sums, how="left")
    cells = cells.fillna(0.0)
    wait = cells["lived"] - cells["to_age"]
    cells["state"] = np.select([wait >= 0, (wait == -1) & cells["running"]], [SEEN, RUNNING], NOT_YET)
    return _with_intervals(cells, counted)


def _active(bought: Purchases, cells: pd.DataFrame, grain: str) -> pd.DataFrame:
    """Customers of each cohort with an order in each span: position, span, active (count)."""
    import ibis

    lives = _lives(bought, grain)
    wanted = cells[["position", "span"]].copy()
    since = wanted["position"] - _ordinal(bought.began, grain)
    masks = [name for name in lives.columns if name not in ("position", "customers")]
    for number, name in enumerate(masks):
        low, high = (since + cells[age] - number * BITS for age in ("age", "to_age"))
        low, high = low.clip(0, BITS), high.clip(-1, BITS - 1)
        wanted[f"wanted_{name}"] = ((1 << (high - low + 1).clip(lower=0).to_numpy()) - 1) << low.to_numpy()
    both = lives.inner_join(ibis.memtable(wanted), "position")
    there = reduce(or_, ((both[name] & both[f"wanted_{name}"]) != 0 for name in masks))
    came = both.filter(there).group_by("position", "span").agg(active=lambda t: t.customers.sum())
    return came.to_pandas().astype("int64")


def _spending(bought: Purchases, grain: str) -> Any:
    """One row a customer and period with an order or a return, with the cohort and the revenue of its first period."""
    rows = bought.rows
    each = rows.group_by("customer_id", period=_position(rows.ordered_on, grain))
    lives = each.agg(revenue=rows.amount.sum().round(DECIMALS), active=rows.opens.max(), first_on=rows.first_on.min())
    position = _position(lives.first_on, grain)
    lives = lives.select("customer_id", "period", "revenue", "active", position=position, age=lives.period - position)
    # A join costs an engine half of what a window over each customer does.
    first = lives.filter(lives.age == 0).select("customer_id", start="revenue")
    return lives.join(first, "customer_id")


def starts(bought: Purchases, *, grain: str = "month") -> pd.Series:
    """What each cohort brought in in its first period (money), by its position."""
    return _sums(bought, AT_FIRST, grain).set_index("position")["net"]


def _sums(bought: Purchases, spans: pd.DataFrame, grain: str) -> pd.DataFrame:
    """Sums of money and of its products over the customers of each cohort, for each span (span, age, to_age)."""
    import ibis

    periods = [range(first, last + 1) for first, last in zip(spans["age"], spans["to_age"], strict=True)]
    pairs = pd.DataFrame({"span": spans["span"], "share": [1 / len(p) for p in periods], "age": periods}).explode("age")
    at = _spending(bought, grain).join(ibis.memtable(pairs.astype({"age": "int64"})), "age")
    money = {"gross": ibis.least(at.revenue, at.start), "net": at.revenue}
    means = {name: amount.sum().round(DECIMALS) * at.share.max() for name, amount in money.items()}
    if len(pairs) > len(spans):
        one = at.group_by("customer_id", "position", "span").agg(start=at.start.max(), **means)
    else:  # a span is one period, and a period one row
        one = at.mutate(**money)
    terms = {name: one[name] for name in money} | {f"{name}_cross": one[name] * one.start for name in money}
    terms |= {f"{name}_squares": one[name] * one[name] for name in money}
    # As decimals they add up to the same whatever thread comes first.
    sums = {name: term.cast(EXACT).sum() for name, term in terms.items()}
    # Where nobody came back the table is empty, and its sums would not even be numbers.
    found = one.group_by("position", "span").agg(**sums).order_by("position", "span").to_pandas()
    return found.astype(dict.fromkeys(sums, "float64"))


def together(bought: Purchases, *, grain: str) -> pd.DataFrame:
    """How many customers ordered at both of two ages: position (of the cohort), age, other, active (count)."""
    lives = _spending(bought, grain)
    here = lives.filter(lives.active == 1).select("customer_id", "position", "age")
    pairs = here.join(here.select("customer_id", other="age"), "customer_id")
    return (
        pairs.group_by("position", "age", "other")
        .agg(active=pairs.count())
        .order_by("position", "age", "other")
        .to_pandas()
    )


def _with_intervals(cells: pd.DataFrame, counted: Sequence[str] = COUNTED) -> pd.DataFrame:
    """One row for each thing counted, with its value and interval."""
    named = cells[["cohort", "began", "position", "customers", "active", "definition", "age", "to_age", "state"]]
    sources = {CUSTOMERS: ["customers", "active", "customers", "active", "active"]}
    for what, name in ((GROSS, "gross"), (NET_REVENUE, "net")):
        sources[what] = ["start", name, "start_squares", f"{name}_cross", f"{name}_squares"]
    sums = ["base", "kept", "base_squares", "cross", "kept_squares"]
    parts = [
        named.assign(counted=what, **dict(zip(sums, cells[columns].to_numpy().T, strict=True)))
        for what, columns in sources.items()
        if what in counted
    ]
    table = pd.concat(parts, ignore_index=True)
    heads = table["counted"] == CUSTOMERS
    shown = (table["state"] != NOT_YET) & (table["base"] > 0) & (heads | (table["active"] >= FEWEST))
    table["value"] = (table["kept"] / table["base"]).where(shown)
    half = NORMAL.inv_cdf((1 + LEVEL) / 2) * np.sqrt(_variance(table, table["value"])) / table["value"]
    exact = jeffreys(table["active"], table["customers"])
    for end, away, exact_ in zip(("low", "high"), (-half, half), exact, strict=True):
        table[end] = (table["value"] * np.exp(away)).mask(heads, exact_).where(shown & (table["state"] == SEEN))
    return table


def jeffreys(successes: Any, n: Any, *, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Jeffreys' interval for shares; it ends at 0 where there is none, and at 1 where all are.

    Source: Brown, Cai & DasGupta (2001), Statistical Science 16.
    """
    from scipy.stats import beta

    low, high = (beta.ppf(p, successes + 0.5, n - successes + 0.5) for p in ((1 - level) / 2, (1 + level) / 2))
    return np.where(successes == 0, 0.0, low), np.where(successes == n, 1.0, high)


def _variance(cells: pd.DataFrame, rate: Any) -> Any:
    """Of kept over base, a ratio of sums over customers who spread around `rate`."""
    spread = cells["kept_squares"] - 2 * rate * cells["cross"] + rate**2 * cells["base_squares"]
    return spread.clip(lower=0) / cells["base"] ** 2


# --- one curve for all ----------------------------------------------------------------------------------------------


def pooled(cells: pd.DataFrame, *, until: int) -> pd.DataFrame | NotTestable:
    """The share of customers who ordered in each period of age, over the same cohorts at every age.

    Only cohorts that lived through all ages up to `until` count. Where each age is averaged over whichever cohorts
    have reached it, the curve moves when a cohort drops out, though nobody changed.

    Args:
        cells: from `follow`, with the definition "n-day" at all ages up to `until`.
        until: the last age.

    Returns:
        One row an age and line: line ("the same cohorts"; or "whoever got so far", all that reached the age), age,
        customers, active, value, and for the same cohorts low and high, a simultaneous 95% band: the true curve lies
        inside at all ages at once with that confidence or more (Jeffreys at Bonferroni's level, which asks nothing of
        how the ages hang together). Not testable with fewer than three cohorts that lived so long, or fewer than 30
        active customers at some age.

    Source: Dunn (1961), Journal of the American Statistical Association 56 (Bonferroni's intervals).
    """
    seen = cells.query("definition == @N_DAY and counted == @CUSTOMERS and state == @SEEN and age <= @until")
    fixed = seen[seen["position"].isin(seen.loc[seen["age"] == until, "position"])]
    curve, moving = (part.groupby("age")[["customers", "active"]].sum() for part in (fixed, seen))
    if fixed["position"].nunique() < FEWEST_COHORTS or curve["active"].min() < FEWEST:
        return NotTestable(f"Fewer than 3 cohorts lived to age {until}, or fewer than 30 customers were active at one.")
    low, high = jeffreys(curve["active"], curve["customers"], level=1 - (1 - LEVEL) / len(curve))
    curve = curve.assign(line="the same cohorts", value=curve["active"] / curve["customers"], low=low, high=high)
    moving = moving.assign(line="whoever got so far", value=moving["active"] / moving["customers"])
    return pd.concat([curve, moving]).reset_index()


# --- are newer cohorts better? --------------------------------------------------------------------------------------

FOUND = ["compared", "customers", "rate", "change", "low", "high", "p", "alike", "note"]


def trends(cells: pd.DataFrame) -> pd.DataFrame:
    """A straight line through the cohorts at each age, with p-values that allow for the number of ages.

    Each cohort weighs as it has customers. Cohorts scatter around the line for more reasons than which customers they
    hold: a month has its season and its campaigns. So the standard error grows with the scatter that is seen, never
    shrinks below what customers alone make, and is judged by Student's t with two degrees fewer than cohorts.

    Args:
        cells: from `follow`, for one definition and one thing counted.

    Returns:
        One row an age: age, compared (cohorts), customers, rate (of all compared), change, low, high (points for a
        cohort that began one period later), p, alike (p of all cohorts being the same but for which customers they
        hold), note (why it is not testable), adjusted (p by Holm over the ages) and answer: "better" (newer cohorts
        are, at an adjusted p below .05), "worse", "open" or "not testable". Cohorts where fewer than 30 active
        customers would be expected at the common rate are left out: by their size, not by their own result. With
        fewer than three left an age is not testable.

    Source: Knapp & Hartung (2003), Statistics in Medicine 22 (scatter and t, here never below 1); Cochran (1977),
    6.3; Holm (1979), Scandinavian Journal of Statistics 6.
    """
    return _found([({"age": age}, part) for age, part in cells.groupby("age")], ["age"])


def _trend(cells: pd.DataFrame) -> dict[str, float] | NotTestable:
    from scipy.stats import chi2, t

    seen = cells[(cells["state"] == SEEN) & (cells["base"] > 0)]
    used = seen[seen["customers"] * seen["active"].sum() >= FEWEST * seen["customers"].sum()]
    if len(used) < FEWEST_COHORTS:
        return NotTestable(
            f"Only {plural(len(used), 'cohort')} lived so long and are large enough; {FEWEST_COHORTS} are needed."
        )
    n, rates, common = used["customers"], used["kept"] / used["base"], used["kept"].sum() / used["base"].sum()
    variance, free = _variance(used, common), len(used) - 2
    if common <= 0 or not (variance > 0).all():
        return NotTestable("All customers of a cohort did the same, or brought in nothing: there is no spread.")
    away = used["position"] - np.average(used["position"], weights=n)
    lean = n * away / (n @ away**2)
    slope = float(lean @ rates)
    scatter = ((rates - np.average(rates, weights=n) - slope * away) ** 2 / variance).sum() / free
    error = float(np.sqrt(lean**2 @ variance * max(1.0, scatter)))
    half = error * t.ppf((1 + LEVEL) / 2, free)
    uneven = ((rates - np.average(rates, weights=1 / variance)) ** 2 / variance).sum()
    tests = 2 * t.sf(abs(slope) / error, free), chi2.sf(uneven, free + 1)
    return dict(zip(FOUND, (len(used), n.sum(), common, slope, slope - half, slope + half, *tests, ""), strict=True))


def _found(parts: Sequence[tuple[dict[str, Any], pd.DataFrame]], names: list[str]) -> pd.DataFrame:
    """What was asked beside the trend in those cells, Holm's steps over all of them, and what follows."""
    rows = [asked | ({"note": f.reason} if isinstance(f := _trend(part), NotTestable) else f) for asked, part in parts]
    table = pd.DataFrame(rows, columns=[*names, *FOUND]).astype(dict.fromkeys(FOUND[:-1], float))
    order = table["p"].dropna().sort_values()
    table["adjusted"] = (order * np.arange(len(order), 0, -1)).cummax().clip(upper=1)
    sure = table["adjusted"] < 1 - LEVEL
    sides = [table["p"].isna(), sure & (table["change"] > 0), sure]
    return table.assign(answer=np.select(sides, ["not testable", "better", "worse"], "open"))


def told(table: pd.DataFrame) -> str:
    """What `trends` found at which age, as question and answer."""
    ages = table.groupby("answer", sort=False)["age"].agg(lambda ages: [count(age) for age in ages])
    said = [f"At {'age' if len(at) == 1 else 'ages'} {listing(at)}: {answer}." for answer, at in ages.items()]
    return " ".join(["Are newer cohorts better?", *said, *filter(None, table["note"].unique())])


# --- the same question asked in every defensible way ----------------------------------------------------------------

CHOICES = ["definition", "counted", "age", "grain", "cohorts"]


def specifications(bought: Purchases, *, ages: list[int], grain: str, definition: str, window: int) -> pd.DataFrame:
    """The trend under every definition, thing counted, age and grain, with and without the first cohorts.

    The first period of a table holds old customers who only look new, unless the table begins with the business; so
    every trend is reckoned again without the cohorts that began in it. Ages and window, given in periods of `grain`,
    are carried over to another grain where a whole number of its periods comes within 15% of the same time.

    Args:
        bought: the orders.
        ages, grain, definition, window: of the headline, which is asked at the first of the ages.

    Returns:
        One row a specification that can be tested: the five `CHOICES` (text), value, low, high (relative change of
        retention for a cohort that began a month later), compared, customers, rate, p, alike, adjusted and answer as
        in `trends`, but by Holm over all rows, side ("up", "down", or "open" where the plain interval holds 0) and
        headline (true for one row, if it can be tested).
    """
    since, parts = begun(bought, grain=grain)["began"].iloc[:2].max(), []
    for other in GRAINS:
        turned: dict[Any, int] = {there: age for age in reversed(ages) if (there := _carried(age, grain, other))}
        meanings = [meaning for meaning in DEFINITIONS if meaning != WINDOW or _carried(window, grain, other) > 1]
        if not turned:
            continue
        wide = max(2, _carried(window, grain, other))
        cells = follow(bought, ages=[*turned], grain=other, definitions=meanings, window=wide)
        for (meaning, counted, age), part in cells.groupby(CHOICES[:3], sort=False):
            asked = meaning, counted, plural(turned[age], grain), other
            for who, chosen in (("all", part), ("without the first", part[part["began"] >= since])):
                parts.append((dict(zip(CHOICES, (*asked, who), strict=True)), chosen))
    table = _found(parts, CHOICES).dropna(subset="p", ignore_index=True)
    a_month = GRAINS["month"][0] / table["grain"].map(lambda name: GRAINS[name][0]) / table["rate"]
    table[["change", "low", "high"]] = table[["change", "low", "high"]].mul(a_month, axis=0)
    first = [definition, CUSTOMERS, plural(ages[0], grain), grain, "all"]
    side = np.select([table["low"] > 0, table["high"] < 0], ["up", "down"], "open")
    return table.assign(side=side, headline=(table[CHOICES] == first).all(axis=1)).rename(columns={"change": "value"})


def _carried(periods: int, grain: str, other: str) -> int:
    """So many periods of one grain as a whole number of another's; 0 where none comes within 15%."""
    exact = periods * GRAINS[grain][0] / GRAINS[other][0]
    return round(exact) if abs(round(exact) - exact) <= 0.15 * exact else 0


def tally(table: pd.DataFrame) -> str:
    """How the answers of `specifications` fall, as a sentence without its full stop."""
    if table.empty:
        return "No way of asking can be tested on these data"
    sides = table["value"] > 0, table["answer"] == "better", table["answer"] == "worse"
    ahead, better, worse = (count(side.sum()) for side in sides)
    asked = f"Of {plural(len(table), 'way')} of asking, {ahead} put newer cohorts ahead"
    return f"{asked}; beyond chance they are better in {better} and worse in {worse}"


def flips(table: pd.DataFrame) -> str:
    """Which choices in `specifications` turn the sign alone, with both intervals clear of zero, as a sentence."""
    others = {choice: [other for other in CHOICES if other != choice] for choice in CHOICES}
    sides = {choice: table.groupby(rest)["side"].agg(set) for choice, rest in others.items()}
    turning = [f"the {choice}" for choice, seen in sides.items() if any({"up", "down"} <= both for both in seen)]
    one, what = f"{listing(turning, 'or') or 'no choice'}, changed alone,", "turns a clear rise into a clear fall"
    return f"{one} {what}.".capitalize()


def ranking(cells: pd.DataFrame) -> str:
    """Which cohort comes out best under how many of the definitions and things counted, and newest against oldest.

    Args:
        cells: from `follow`, at one age. Ranked are cohorts of 30 customers or more that were followed far enough for
            every definition.
    """
    ready = cells["state"].eq(SEEN) & cells["base"].gt(0) & cells["customers"].ge(FEWEST)
    ranked = cells[ready.groupby(cells["position"]).transform("all")].sort_values("position")
    if ranked["position"].nunique() < 2:
        return "Fewer than two cohorts were followed long enough under every definition, so none comes out best."
    rates = (ranked["kept"] / ranked["base"]).groupby([ranked[name] for name in ("definition", "counted", "cohort")])
    table = rates.first().unstack("cohort")[ranked["cohort"].unique()]
    bests = table.idxmax(axis=1).value_counts()
    named = [f"{cohort} in {count(times)}" for cohort, times in bests.items()]
    (oldest, *_, newest), ahead = table.columns, int((table.iloc[:, -1] > table.iloc[:, 0]).sum())
    flip = "so the definition decides which is ahead" if 0 < ahead < len(table) else "whichever way is chosen"
    return (
        f"Counted in {count(len(table))} ways, the cohort that kept the most is {listing(named)}. The newest, "
        f"{newest}, is ahead of the oldest, {oldest}, in {count(ahead)} of {count(len(table))}, {flip}."
    )
