"""What winning, keeping and serving customers costs, what it does to revenue, and whether books close (R03 to R15).

Every question asks for its own tables. Where one is missing, the answer names what to bring: nothing here stops a
page. Inside, a gate raises; `gated` turns that into an answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first used

from analysis import steadiness, within
from analysis.customers import YEAR, Purchases
from analysis.estimates import NORMAL, Answer, Estimate, NotTestable, bootstrapped, columns, gated, need, needed
from analysis.responses import overspent
from analysis.retention import MIN_EVENTS, PER_YEAR
from analysis.studies import Study
from analysis.trials import arms, around, difference, happened, promoted, rows_of
from analysis.words import listing, plural

FEWEST_CUSTOMERS, FEWEST_NEWCOMERS = 100, 5  # on each side, or seen again; newcomers in a period that is read
FEWEST_PERIODS, FEWEST_UNITS, FEWEST_UNIT_PERIODS = 24, 20, 8  # of the finances; of branches; of each of these

WITHIN, CALENDAR_LEFT_IN = "same customer, against newcomers of the period", "same customer, calendar left in"
ACROSS, OVER_TIME = "across branches", "within branches over time"
PAIRS = (("satisfaction", "retention"), ("retention", "profit"), ("satisfaction", "profit"))


def _periods(study: Study, *names: str) -> pd.DataFrame:
    """The periods of the finances that have all of these columns, in order."""
    rows = rows_of(study, "finances", "period", *names).select("period", *names).to_pandas()
    return rows.dropna().sort_values("period", ignore_index=True)


def readings(
    study: Study, bought: Purchases, *, saved: Answer, gained: Answer, people: pd.DataFrame, **drawing: Any
) -> dict[str, dict[str, Any]]:
    """Every claim of this module with its readings, the headline first: an answer, or what is to be brought.

    Args:
        study: whose tables are asked.
        bought: its orders.
        saved: customers kept by the effort, from `kept_customers`.
        gained: customers won by the effort, from `trial`; else those that the finances count.
        people: from `steadiness.three_periods`.
        drawing: draws and seed of the resamples.
    """
    money, hours = (cost_ratio(study, saved, gained, what=what) for what in ("spend", "hours"))
    return {
        "R03": {"money": money},
        "R04": {"money": money, "hours worked": hours},
        "R08": tenure_slopes(cost_panel(study, bought)),
        "R11": {"net of acquisition": churn_slope(study), "all revenue": churn_slope(study, net=False)},
        "R12": balances(study),
        "R13": {ACROSS: correlations(study, **drawing), OVER_TIME: correlations(study, over_time=True, **drawing)},
        "R14": {"the split as it is": overspent(study, **drawing)},
        "R15": steadiness.compare(people, **drawing),
    }


# --- winning against keeping (R03, R04) ---------------------------------------------------------------------------


@gated
def trial(study: Study, outcome: str) -> Estimate:
    """Customers moved by an effort: the uplift of a yes/no column of the experiments, times those treated.

    Treated is every arm but the one that `control_arm` names, else "control". Rows without the outcome belong to
    another trial.
    """
    rows = needed(arms(study, known=outcome))
    return moved(rows.select("treated", happened=happened(rows[outcome])).to_pandas(), f"Column {outcome}")


@gated
def held_out(study: Study, bought: Purchases, *, within: int) -> Estimate:
    """Customers who ordered within so many days because of a promotion of the kind "retention".

    A customer counts with the first such promotion they got or were held out of, and only if followed for that long.
    """
    watched = needed(around(promoted(study, "retention"), bought, days=within, from_start=True))
    first = watched.sort_values("start", kind="stable").drop_duplicates("customer")
    return moved(first.assign(happened=first["after"] > 0), "Promotions")


def kept_customers(study: Study, bought: Purchases, *, outcome: str, within: int) -> Answer:
    """Customers kept by the effort: by a `trial` of that outcome, else by promotions with people `held_out`."""
    if isinstance(tried := trial(study, outcome), NotTestable) and study.has("promotions"):
        return held_out(study, bought, within=within)
    return tried


def moved(people: pd.DataFrame, what: str) -> Estimate:
    """Customers moved among those treated; people as treated and happened (true or false), told as `what`."""
    by = people.groupby("treated")["happened"].agg(["size", "sum"])
    least = min(by["sum"].min(), (by["size"] - by["sum"]).min()) if len(by) == 2 else 0
    need(least >= MIN_EVENTS, f"{what}: each arm needs {MIN_EVENTS} cases of either outcome; there are {least}.")
    share, reached = needed(difference(people["happened"], people["treated"])), int(people["treated"].sum())
    error = reached * (share.high - share.low) / (2 * NORMAL.inv_cdf(0.975))
    return Estimate.normal(reached * share.value, error, unit="count", n=share.n, events=int(by["sum"].sum()))


def cost_limits(saved: Answer, gained: Answer) -> dict[str, str | None]:
    """What `findings.record` has to know about the trials: why nothing, or only an association, can be decided."""
    nothing = [e for e in (saved, gained) if isinstance(e, Estimate) and e.low <= 0 <= e.high]
    average = "What a customer won costs is an average: without a hold-out, some would have come by themselves."
    return {
        "limit": "An effort may have moved nobody, and then one more customer has no price." if nothing else None,
        "association": average if isinstance(gained, NotTestable) else None,
    }


@gated
def cost_ratio(study: Study, saved: Answer, gained: Answer, *, what: str = "spend") -> Estimate:
    """What one more customer won costs, over what one customer costs who stayed because of the effort.

    Money, or hours where `what` is "hours", of the last year of the finances; those treated in the trials are taken
    as all whom the efforts of that year reached. Without a trial of winning, the customers won are those counted.
    """
    books = _periods(study, f"acquisition_{what}", f"retention_{what}", "n_new")
    years = pd.to_datetime(books.pop("period")).dt.year
    winning, keeping, counted = books[years == years.max()].sum()
    won = gained if isinstance(gained, Estimate) else Estimate.exact(counted, unit="count", n=int(counted))
    need(min(winning, keeping, won.value) > 0, "The last year has no spending on both, or nobody was won in it.")
    return fieller(needed(saved), won, scale=winning / keeping)


def fieller(top: Estimate, below: Estimate, *, scale: float = 1.0) -> Estimate:
    """The ratio of two independent normal estimates, times `scale`; without ends where the lower one may be zero.

    Source: Fieller (1954), Journal of the Royal Statistical Society B 16(2).
    """
    a, b = top.value, below.value
    a_error, b_error = ((e.high - e.value) / NORMAL.inv_cdf(0.975) for e in (top, below))

    def quantile(p: float) -> float:
        z = NORMAL.inv_cdf(p)
        room = b**2 - (z * b_error) ** 2
        if room <= 0:
            return math.copysign(math.inf, z)
        return scale * (a * b + z * math.sqrt((a * b_error) ** 2 + room * a_error**2)) / room

    return Estimate(scale * a / b, "ratio", top.n, quantile, "Fieller", top.events)


# --- cost per order as tenure grows (R08) -------------------------------------------------------------------------


@gated
def cost_panel(study: Study, bought: Purchases) -> pd.DataFrame:
    """One row a customer and period in which they ordered and cost something.

    Returns:
        customer (a number), period, tenure (years from the first order to the start of the period; 0 or less for
        newcomers) and log_cost (of serving and marketing, per order). Periods that the orders do not cover to their
        end are left out.
    """
    import ibis

    costs = rows_of(study, "costs", "customer_id", "period", "serving_cost", "marketing_cost")
    starts = pd.Series(sorted(pd.to_datetime(costs.period.name("at").as_table().distinct().to_pandas()["at"])))
    need(len(starts) > 1, "The table costs has one period only. Bring two or more.")
    ends = starts.shift(-1).fillna(starts.iloc[-1] + starts.diff().iloc[-1])
    spans = pd.DataFrame({"period": starts.dt.date, "end": ends.dt.date})
    spans = spans[ends <= pd.Timestamp(bought.observed_until) + pd.Timedelta(days=1)]
    need(len(spans), "The orders cover none of the periods of the table costs.")
    orders, span = bought.rows.filter(bought.rows.opens == 1), ibis.memtable(spans)
    placed = orders.join(span, [orders.ordered_on >= span.period, orders.ordered_on < span.end])
    days = placed.age - placed.ordered_on.delta(placed.period, unit="day")
    ordered = placed.group_by("customer_id", "period").agg(orders=placed.count(), tenure=days.min() / YEAR)
    cost = costs.serving_cost.fill_null(0) + costs.marketing_cost.fill_null(0)
    both = ordered.join(costs.select("customer_id", cost=cost, period=costs.period.date()), ["customer_id", "period"])
    priced = both.filter(both.cost > 0).mutate(log_cost=(both.cost / both.orders).ln())
    rows = priced.order_by("customer_id", "period").select("customer_id", "period", "tenure", "log_cost").to_pandas()
    return rows.assign(customer=pd.factorize(rows.pop("customer_id"))[0])


def tenure_slopes(panel: pd.DataFrame | NotTestable) -> dict[str, Answer]:
    """Relative change of cost per order for one more year of tenure, the calendar held fixed, and left in.

    Tenure and the calendar run at one speed within a customer, so no regression tells them apart. The calendar is
    therefore read off newcomers, who are all equally new: `WITHIN` follows a customer's cost over that of newcomers
    in the same period.

    Args:
        panel: from `cost_panel`.
    """
    return {WITHIN: _against_newcomers(panel), CALENDAR_LEFT_IN: cost_slope(panel, by="customer")}


@gated
def cost_slope(panel: pd.DataFrame | NotTestable, *, by: str) -> Estimate:
    """Relative change of cost per order for a year of tenure, compared within customers or within periods (`by`).

    Within periods, old customers are compared with new ones. That is no test: the costly may have left.
    """
    found = within.slope(_seen_again(needed(panel)), "log_cost", "tenure", unit="customer", effects=[by])
    return found.estimate("growth", as_told=math.expm1, method="clustered by customer")


def _seen_again(panel: pd.DataFrame) -> pd.DataFrame:
    rows = panel[panel.groupby("customer")["period"].transform("size") >= 2]
    n, fewest = rows["customer"].nunique(), FEWEST_CUSTOMERS
    need(n >= fewest, f"{fewest} customers are needed with costs and orders in two periods; there are {n}.")
    return rows


@gated
def _against_newcomers(panel: pd.DataFrame | NotTestable) -> Estimate:
    new = needed(panel).query("tenure <= 0")
    index = new.groupby("period")["log_cost"].agg(["mean", "size"]).query("size >= @FEWEST_NEWCOMERS")
    rows = _seen_again(needed(panel).query("period in @index.index"))
    net = rows["log_cost"] - rows["period"].map(index["mean"])
    away = rows["tenure"] - rows.groupby("customer")["tenure"].transform("mean")
    spread = (away**2).sum()
    slope = (away * net).sum() / spread
    # The newcomers' mean has an error too: each of them carries the weight of those measured against it.
    own = (away * (net - slope * away)).groupby(rows["customer"]).sum()
    borrowed = away.groupby(rows["period"]).sum() / index["size"]
    lent = (new["log_cost"] - new["period"].map(index["mean"])) * new["period"].map(borrowed)
    scores = own.sub(lent.groupby(new["customer"]).sum(), fill_value=0)
    told = "clustered by customer, newcomers' error included"
    return _growth(slope, math.sqrt((scores**2).sum()) / spread, n=rows["customer"].nunique(), method=told)


def _growth(slope: float, se: float, *, n: int, method: str, df: float = 1e9) -> Estimate:
    """The slope of a logarithm as a relative change, with t quantiles where degrees of freedom are few."""
    from scipy.special import stdtrit

    return Estimate(math.expm1(slope), "growth", n, lambda p: math.expm1(slope + stdtrit(df, p) * se), method)


# --- churn, revenue and the base (R11, R12) ------------------------------------------------------------------


@gated
def churn_slope(study: Study, *, net: bool = True) -> Estimate:
    """Relative change of the next period's revenue for one point more churn in this one.

    Revenue is net of the spending on new customers, or all of it. Held fixed: this period's revenue, customers won
    over customers at the start, and a trend, because two series that drift go together anyhow. Errors may go together
    from period to period: their long-run variance is that of a few slow waves in what each period, left out, adds to
    the slope, with t quantiles for so few.

    Source: Lazarus, Lewis, Stock & Watson (2018), Journal of Business & Economic Statistics 36 (equal-weighted
    cosines); MacKinnon & White (1985), Journal of Econometrics 29 (each period left out).
    """
    books = _periods(study, "revenue", "acquisition_spend", "n_new", "n_lost", "n_active")
    need(len(books) >= FEWEST_PERIODS, f"{FEWEST_PERIODS} periods are needed; the finances hold {len(books)}.")
    start, money = books["n_active"].shift(), books["revenue"] - (books["acquisition_spend"] if net else 0)
    need(min(money.min(), start.min()) > 0, "A period has no customers, or no revenue beyond what new ones cost.")
    rows = pd.DataFrame({"churn": 100 * books["n_lost"] / start, "joined": 100 * books["n_new"] / start})
    rows = rows.assign(before=np.log(money), trend=range(len(books)), after=pd.Series(np.log(money)).shift(-1)).dropna()
    need(not np.allclose(rows["churn"], rows["churn"].mean()), "Churn is the same in all periods.")
    after, held = rows.pop("after").to_numpy(), np.column_stack([np.ones(len(rows)), rows])
    weights = np.linalg.pinv(held)
    alone = 1 - np.einsum("ij,ji->i", held, weights)
    need(alone.min() > 1e-6, "A single period differs from all others, so there is no telling what churn does.")
    influence = weights[1] * (after - held @ (weights @ after)) / alone
    waves = int(0.41 * len(rows) ** (2 / 3))
    error = math.sqrt(len(rows) * (scipy.fft.dct(influence, norm="ortho")[1 : waves + 1] ** 2).mean())
    return _growth(weights[1] @ after, error, n=len(rows), method=f"errors by {plural(waves, 'slow wave')}", df=waves)


@gated
def forecast_error(study: Study) -> Estimate:
    """By how much the number of customers is usually missed when foretold from the period before (median share).

    Foretold: the last count, less the last churn rate, plus the last number of customers won.
    """
    books = _periods(study, "n_new", "n_lost", "n_active")
    stock = books["n_active"].where(books["n_active"] > 0)
    missed = ((stock * (1 - books["n_lost"] / stock.shift()) + books["n_new"]).shift() / stock - 1).abs().dropna()
    need(len(missed), "The finances hold fewer than three periods in a row, so nothing can be foretold.")
    return Estimate.exact(missed.median(), unit="share", n=len(missed))


# --- satisfaction, retention and profit of branches (R13) ---------------------------------------------------------


@gated
def correlations(study: Study, *, over_time: bool = False, draws: int = 1000, seed: int = 0) -> dict[str, Answer]:
    """The three rank correlations over branches: part -> answer. Whole branches are resampled.

    Across branches, ranks are taken inside each period, so that a trend or season that all share plays no part. Over
    time, each branch is compared with itself: its deviations from its own mean and from the mean of the period.
    """
    columns = "unit, period, satisfaction, retention and profit"
    need(study.has("units"), f"The study has no units table. Bring one with {columns}.")
    return {"_".join(pair): _correlation(study, list(pair), over_time, draws, seed) for pair in PAIRS}


@gated
def _correlation(study: Study, pair: list[str], over_time: bool, draws: int, seed: int) -> Answer:
    known = rows_of(study, "units", "unit", "period", *pair).to_pandas().dropna(subset=pair)
    fewest = FEWEST_UNIT_PERIODS if over_time else 1
    known = known[known.groupby("unit")["period"].transform("size") >= fewest]
    wide = known.pivot(index="unit", columns="period", values=pair)
    there = f"{len(wide)} branches have {listing(pair)} in {plural(fewest, 'period')}"
    need(len(wide) >= FEWEST_UNITS, f"{there}; {FEWEST_UNITS} are needed.")
    one, other = (wide[name].to_numpy("float64") for name in pair)
    value, random = _agreement(one, other, over_time), np.random.default_rng(seed)
    need(math.isfinite(value), f"{listing(pair).capitalize()} do not both vary.")
    picks = random.integers(0, len(wide), (draws, len(wide)))
    drawn = np.array([_agreement(one[pick], other[pick], over_time) for pick in picks])
    told = {"unit": "correlation", "n": len(wide), "method": "percentile bootstrap over branches"}
    return bootstrapped(Estimate.from_draws, value, drawn, **told)


def _agreement(one: np.ndarray, other: np.ndarray, over_time: bool) -> float:
    """Rank correlation of two tables with a row a branch and a column a period, missing in the same places."""
    ranks = []
    for values in map(pd.DataFrame, (one, other)):
        if over_time:
            values = values.sub(values.mean(axis=1), axis=0)
            values = pd.DataFrame((values - values.mean()).to_numpy().reshape(-1, 1))
        if np.isfinite(values.to_numpy()).all():  # where nothing is missing, much quicker
            placed = scipy.stats.rankdata(values.to_numpy(), axis=0)
            ranks.append(((placed - placed.mean(axis=0)) / len(placed)).ravel())
            continue
        placed = values.rank()
        ranks.append(((placed - placed.mean()) / placed.count()).to_numpy().ravel())
    a, b = (part[np.isfinite(ranks[0])] for part in ranks)
    size = math.sqrt((a @ a) * (b @ b))
    return float(a @ b) / size if size else math.nan


@gated
def panel_growth(study: Study, *, change: float) -> Estimate:
    """Relative change of a branch's profit in the period after its retention was higher by `change` (R01, R02).

    Each branch is compared with itself, and each period with the average of all branches in it (fixed effects of
    both); errors by branch. Retention that follows profit, or moves with something else, is not told apart.

    Args:
        study: its table units holds unit, period, retention and profit.
        change: of the retention rate, as a share.
    """
    rows = rows_of(study, "units", "unit", "period", "retention", "profit").to_pandas()
    known = within.lagged(rows, ["retention"]).dropna(subset=["retention before", "profit"])
    known = known[known.groupby("unit")["period"].transform("size") >= 2]
    n = known["unit"].nunique()
    told = f"{plural(n, 'branch', 'branches')} have profit in two periods after one with retention"
    need(n >= FEWEST_UNITS, f"{told}; {FEWEST_UNITS} are needed.")
    mean = float(known["profit"].mean())
    need(mean > 0, "The branches make no profit on average, so no growth can be told.")
    told = "fixed effects of branch and period, errors by branch"
    found = within.slope(known, "profit", "retention before")
    return found.estimate("growth", as_told=lambda slope: slope * change / mean, method=told)


# --- for tables ---------------------------------------------------------------------------------------------------


def answer_table(answers: Mapping[str, Any]) -> pd.DataFrame:
    """Answers, and the parts of compound ones, one a row.

    Returns:
        section (the part, else empty), label (the reading), value, low, high (missing where not testable), note (why).
    """
    parts = {name: answer if isinstance(answer, Mapping) else {"": answer} for name, answer in answers.items()}
    each = [(part, name, answer) for name, some in parts.items() for part, answer in some.items()]
    return pd.DataFrame([{"section": part, "label": name} | columns(answer) for part, name, answer in each])


# --- Do the books close? ----------------------------------------------------------------------------------------


def balances(study: Study) -> dict[str, Answer]:
    """Count the periods in which customers at the start + joined - lost is not customers at the end (R10).

    Where contracts are dated, they tell the stock on the first day of each period and the finances the flow between:
    two sources. The finances alone count all three; a table of spells alone closes by construction, which is no
    evidence.

    Returns:
        The number of violations among the periods that have one before them, by reading, the stronger one first.
    """
    readings: dict[str, Answer] = {}
    if study.has("subscriptions") and study.table("subscriptions").has("started_at"):
        readings["contracts against the finances"] = _balance(study, ("n_new", "n_lost"), _stock_of_contracts)
    return readings | {"customer counts of the finances": stock_flow(study)}


def stock_flow(study: Study) -> Answer:
    """Count the violations among the customer counts of the finances; see `balances`."""
    return _balance(study, ("n_new", "n_lost", "n_active"), lambda study, books: books["n_active"].to_numpy(float))


def _balance(study: Study, counts: tuple[str, ...], stock: Callable[[Study, pd.DataFrame], np.ndarray]) -> Answer:
    needed = ("period", *counts)
    if not study.has("finances") or not study.table("finances").has(*needed):
        return NotTestable(
            "True by definition: with one source, retained and lost customers are complements by the way they are "
            f"counted. A finances table with {listing(list(counts))} would let the books be checked."
        )
    books = study.table("finances").rows.select(*needed).order_by("period").execute().dropna()
    if len(books) < 2:
        return NotTestable(f"Fewer than two periods have {listing(list(counts))}, so no balance can be struck.")
    step = books["period"].diff()
    if (missing := step > 1.5 * step.min()).any():
        row = books["period"][missing].index[0]
        return NotTestable(
            f"finances: a period, or a count of it, is missing before row {row + 1} in the order of time "
            f"({books['period'][row]:%Y-%m-%d}). Customers at its end are unknown, so no balance follows: add the row."
        )
    gap = np.diff(stock(study, books)) - (books["n_new"] - books["n_lost"]).to_numpy(float)[1:]
    watched = np.isfinite(gap)
    if not watched.any():
        return NotTestable("No period of the finances lies within the time that the contracts were watched.")
    violations = int((np.abs(gap[watched]) > 0.5).sum())
    return Estimate.exact(float(violations), unit="violations", n=int(watched.sum()))


def _stock_of_contracts(study: Study, books: pd.DataFrame) -> np.ndarray:
    """Customers at the end of each period: on the first day of the next one; unknown where nobody watched.

    A contract counts up to and with the day on which it ends.
    """
    table, first = study.table("subscriptions"), books["period"]
    following = first.shift(-1).fillna(first.iloc[-1] + pd.offsets.DateOffset(months=_months(first)))
    age = [table.rows.started_at.delta(day.date(), unit="day") * -1 for day in following]
    held = [((spell >= 1) & ~(table.rows.left & (table.rows.time < spell))).sum() for spell in age]
    counted = table.rows.aggregate(**{f"n{place}": of for place, of in enumerate(held)}).to_pandas().iloc[0]
    since, until = (
        pd.Timestamp(day) for day in (table.rows.started_at.min().to_pyarrow().as_py(), table.facts["observed_until"])
    )
    watched = ((following - pd.Timedelta(days=1)).between(since, until)).to_numpy()
    return np.where(watched, counted.fillna(0).to_numpy(float), np.nan)


def _months(first: pd.Series) -> int:
    """Calendar months from one period to the next, to extend the list of their first days by one."""
    return max(1, round(float(first.diff().dt.days.median()) * 12 / PER_YEAR["day"]))
