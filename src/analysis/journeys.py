"""What touches customers on their way: contacts, service, care, trust and knowledge (L14, S12, S14, S15, S16, G08)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import drivers, figures, hazards, mediation, within
from analysis.customers import YEAR, purchases
from analysis.estimates import Answer, Estimate, NotTestable, columns, gated, need, needed
from analysis.exhibits import Figure, Table, Text, instead, say, tabulated
from analysis.regressions import slopes
from analysis.retention import MIN_EVENTS
from analysis.scales import FEWEST, Answers, Moments, moments
from analysis.trials import promoted, rows_of
from analysis.words import count, plural

if TYPE_CHECKING:
    from analysis.studies import Study

Frame = pd.DataFrame | NotTestable
BESIDE, MOST = 5, 20_000  # customers set beside each who left; of more who left, some are drawn
KEYS = ["set", "customer", "stayed", "tenure"]
EQUAL, WHOLE = "in equal windows before the day", "over the whole time as a customer"
SAME_DAY, FIRST_DAY = "ratings however fresh", "last rating, as if known on the first day"
TOGETHER, EARLIER, HALO = "in one questionnaire", "care told in an earlier questionnaire", "other feelings held fixed"
CONSIDERED = "rivals considered, turned round"
HELD, PLAIN = "earlier trust and loyalty held fixed", "nothing held fixed"
MOOD = "Both were asked on one page, so a passing mood may colour both."
OTHERS = ("satisfaction", "quality", "price", "emotion")
THIRDS = ("lowest third", "middle third", "highest third")


def _said(found: Answers, *constructs: str) -> pd.DataFrame:
    """Scores with whose they are and when, in the order of time; for use inside a gated function."""
    needed(found.lacks(*constructs) or found)
    need({"customer_id", "answered_at"} <= set(found.who), "The survey does not say who answered when.")
    scores = {name: found.score(found.constructs[name]) for name in constructs}
    rows = found.who[["customer_id", "answered_at"]].assign(**scores, weight=found.weight).dropna()
    return rows.assign(day=rows["answered_at"].dt.normalize()).sort_values(["customer_id", "day"], ignore_index=True)


def touched(study: Study, asked: pd.DataFrame, *, days: int, gap: int) -> pd.DataFrame:
    """Contacts of each row's customer in the days that end `gap` days before the row's day, a column a touchpoint."""
    import ibis

    touched = rows_of(study, "touchpoints", "customer_id", "touched_at", "touchpoint")
    need(touched.count().to_pandas(), "The table touchpoints is empty.")
    first = pd.Timestamp(touched.touched_at.min().to_pandas()).normalize()
    known = asked[asked["day"] - pd.Timedelta(days=days + gap) >= first].reset_index(drop=True)
    rows = ibis.memtable(known[["customer_id", "day"]].rename_axis("row").reset_index())
    both = rows.join(touched, "customer_id")
    ago = both.day.date().delta(both.touched_at.date(), unit="day")
    near = both.filter(ago > gap, ago <= gap + days).group_by("row", "touchpoint")
    counted = near.agg(times=lambda t: t.count())
    wide = counted.order_by("row", "touchpoint").to_pandas().pivot(index="row", columns="touchpoint", values="times")
    return known.join(wide.reindex(known.index).fillna(0.0))


def frames(tables: Mapping[str, Frame]) -> Table | Text:
    """How many rows stand behind each question, or why there are none."""
    rows = [(name, 0, t.reason) if isinstance(t, NotTestable) else (name, len(t), "") for name, t in tables.items()]
    return tabulated("frames", "What stands behind each question", ["table", "rows", "why none"], rows, nothing="None.")


# --- L14: the share of each touchpoint ----------------------------------------------------------------------------


@gated
def matched(study: Study, *, days: int, gap: int, seed: int = 0) -> Any:
    """Everybody who left beside others who were customers on that day, with the contacts of equal windows before it.

    Args:
        study: with touchpoints, and subscriptions that have dates.
        days: length of the window; only who was a customer all that time is in.
        gap: days before the day of leaving that do not count, for a contact there may be the notice itself.
        seed: of the drawing of the others.

    Returns:
        One row a customer and day, sets together: set, customer, stayed (1, or 0 for the one who left), tenure (days),
        and a column a touchpoint with its number of contacts.
    """
    spells = rows_of(study, "subscriptions", "started_at").order_by("customer_id", "started_at").to_pandas()
    begin = pd.to_datetime(spells["started_at"]).to_numpy("datetime64[D]").astype(int)
    end, random = begin + spells["time"].to_numpy(int), np.random.default_rng(seed)
    since = begin + np.maximum(spells["entered"].to_numpy(int), 0) + days + gap
    gone = np.flatnonzero(spells["left"].to_numpy(bool) & (since <= end))
    gone = np.sort(random.choice(gone, min(len(gone), MOST), replace=False))
    # Others are drawn blindly, and the first few who were customers that day are kept.
    tried = random.integers(0, len(spells), (len(gone), 20 * BESIDE))
    there = (since[tried] <= end[gone, None]) & (end[tried] > end[gone, None])
    enough = there.sum(axis=1) >= BESIDE
    need(enough.sum() >= MIN_EVENTS, f"Fewer than {MIN_EVENTS} who left have {BESIDE} others beside them.")
    first = np.argsort(~there, axis=1, kind="stable")[enough, :BESIDE]
    gone, others = gone[enough], np.take_along_axis(tried[enough], first, axis=1)
    place, day = np.column_stack([gone, others]).ravel(), np.repeat(end[gone], 1 + BESIDE)
    rows = pd.DataFrame({"set": np.repeat(np.arange(len(gone)), 1 + BESIDE), "customer": place})
    rows = rows.assign(stayed=np.tile([0.0] + [1.0] * BESIDE, len(gone)), tenure=(day - begin[place]).astype(float))
    asked = rows.assign(customer_id=spells["customer_id"].to_numpy()[place], day=day.astype("datetime64[D]"))
    return _used(touched(study, asked, days=days, gap=gap).drop(columns=["customer_id", "day"]))


@gated
def lifelong(study: Study) -> Any:
    """The naive table in the form of `matched`: every customer in one set, with all contacts ever."""
    spells = rows_of(study, "subscriptions", "started_at").order_by("customer_id", "started_at")
    touched = rows_of(study, "touchpoints", "customer_id", "touchpoint")
    counted = touched.group_by("customer_id", "touchpoint").agg(times=touched.count()).to_pandas()
    wide = counted.pivot(index="customer_id", columns="touchpoint", values="times").sort_index(axis=1)
    rows = spells.to_pandas()
    table = pd.DataFrame({"set": 0, "customer": range(len(rows)), "stayed": 1.0 - rows["left"], "tenure": rows["time"]})
    return _used(table.join(wide.reindex(rows["customer_id"]).fillna(0.0).reset_index(drop=True)))


def _used(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without touchpoints that fewer than `MIN_EVENTS` customers used."""
    places = [name for name in rows.columns if name not in KEYS]
    kept = [name for name in places if rows.loc[rows[name] > 0, "customer"].nunique() >= MIN_EVENTS]
    need(len(kept) > 1, f"Fewer than two touchpoints were used by {MIN_EVENTS} customers in time.")
    return rows[[*KEYS, *kept]]


def _within_sets(rows: pd.DataFrame) -> pd.DataFrame:
    """Contacts and staying as they differ within sets, a line in tenure taken out (not of the naive single set)."""
    known = rows.drop(columns=["set", "customer"])
    away = known - known.groupby(rows["set"]).transform("mean")
    tenure = away.pop("tenure").to_numpy()
    if rows["set"].nunique() == 1 or not tenure.any():
        return away
    return away - np.outer(tenure, tenure @ away.to_numpy() / (tenure @ tenure))


@gated
def touchpoint_shares(rows: Frame, *, draws: int, seed: int) -> Any:
    """Parts of L14: how unequal the shares are, and the second largest, beyond what permutations give.

    Staying is dealt out anew within sets. For `two_or_more` wholly, so that no touchpoint has a share; for `unequal`
    what is left beside a line in the number of all contacts, so that a contact counts the same wherever it was.

    Source: Freedman & Lane (1983), Journal of Business & Economic Statistics 1.
    """
    table: pd.DataFrame = needed(rows)
    sets, n = table["set"].nunique(), table["customer"].nunique()
    need(sets >= MIN_EVENTS, f"Fewer than {MIN_EVENTS} customers left.")
    known, random = _within_sets(table), np.random.default_rng(seed)
    y, x = known["stayed"].to_numpy(), known.drop(columns="stayed")
    total = x.sum(axis=1).to_numpy()
    alike = total * (total @ y / (total @ total))

    def shuffled(left: np.ndarray) -> np.ndarray:
        return random.permuted(left.reshape(sets, -1), axis=1).ravel()

    outcomes = chain([y], (shuffled(y) for _ in range(draws)), (alike + shuffled(y - alike) for _ in range(draws)))
    parts = _parts(x, outcomes)
    share = parts / parts[0].sum()
    single = [
        _beyond(own, drawn, n, parts=x.shape[1]) for own, drawn in zip(share[0], share[1 : 1 + draws].T, strict=True)
    ]

    def second(values: Iterable[float]) -> float:
        return sorted(values)[-2]

    value, told = second(each.value for each in single), single[0].method
    two = Estimate(value, "points", n, lambda p: second(each.quantile(p) for each in single), told)
    return {"unequal": _beyond(np.ptp(share[0]), np.ptp(share[1 + draws :], axis=1), n), "two_or_more": two}


def _parts(x: pd.DataFrame, outcomes: Iterable[np.ndarray]) -> np.ndarray:
    """Shapley parts of the variance of several outcomes; shape (outcomes, columns)."""
    values = x.to_numpy()
    each = np.array([np.append(y @ values, y @ y) for y in outcomes])
    whole = np.zeros((len(each), each.shape[1], each.shape[1]))
    whole[:, :-1, :-1], whole[:, -1], whole[:, :, -1] = values.T @ values, each, each
    names, zeros = (*map(str, x.columns), "stayed"), np.zeros_like(each)
    made = Moments(names, len(values), zeros[0], whole[0], zeros[1:], whole[1:])
    return needed(drivers.importance(made, outcome="stayed", drivers=names[:-1])).parts


def _beyond(value: float, drawn: np.ndarray, n: int, *, parts: int = 1) -> Estimate:
    """How far a share lies above those of permutations; its interval turns the permutation test round.

    With several parts, the ends are those of intervals that hold together (Bonferroni).
    """

    def quantile(p: float) -> float:
        tail = p / parts if p < 0.5 else 1 - (1 - p) / parts
        return float(value - np.quantile(drawn, 1 - tail, method="weibull"))

    return Estimate(float(value - drawn.mean()), "points", n, quantile, f"{count(len(drawn))} permutations within sets")


@instead("The touchpoints cannot be set beside each other. {}")
def shares_drawn(tables: Mapping[str, Frame], *, days: int, draws: int, seed: int) -> Figure | Text:
    """Each touchpoint's share in staying: in equal windows, and as a naive table has it."""
    found = []
    for name, rows in tables.items():
        shares = needed(_shares(rows, draws=draws, seed=seed))
        found += [{"section": name, "label": place, **columns(answer)} for place, answer in shares.items()]
    best = max((row for row in found if row["section"] == EQUAL), key=lambda row: row["value"])
    return figures.dots(
        pd.DataFrame(found),
        name="touchpoints",
        title=f"In equal windows the largest share falls to: {best['label']}",
        unit="share",
        x_label="Share in what contacts tell about staying",
        caption="Shares of the explained variance, averaged over all orders of taking touchpoints in (LMG), with 95% "
        f"intervals. Equal windows: {plural(days, 'day')} before somebody left, beside {BESIDE} others on that day.",
    )


@gated
def _shares(rows: Frame, *, draws: int, seed: int) -> Any:
    """Touchpoint, with what its contacts go along with, to its share; whole sets are resampled, or customers."""
    table: pd.DataFrame = needed(rows)
    known = _within_sets(table)
    cases = table["set"] if table["set"].nunique() > 1 else table["customer"]
    made = needed(moments(known, cases=cases, draws=draws, seed=seed))
    shares = needed(drivers.importance(made, outcome="stayed", drivers=list(known.columns[1:])))
    way = {name: "staying" if known[name] @ known["stayed"] > 0 else "leaving" for name in shares.drivers}
    return {f"{name}, with {way[name]}": shares.share(name) for name in shares.drivers}


# --- S14, S15: ratings, and who leaves afterwards -----------------------------------------------------------------


@gated
def rated(study: Study, found: Answers, construct: str, *, held: Sequence[str] = ()) -> Any:
    """Every rating beside the spell in which it was given.

    Args:
        study: with subscriptions that have dates.
        found: the questionnaires.
        construct: what was rated.
        held: columns of the subscriptions to keep.

    Returns:
        customer_id, started_at, time, left, entered (of the spell), age (days from its start to the rating), rating and
        what is held.
    """
    import ibis

    said = _said(found, construct).drop_duplicates(["customer_id", "day"], keep="last")
    told = ibis.memtable(said[["customer_id", "day"]].assign(rating=said[construct]))
    spells = rows_of(study, "subscriptions", "started_at", *held).join(told, "customer_id")
    rows = spells.select("customer_id", "started_at", *hazards.SPELL, "day", "rating", *held)
    rows = rows.order_by("customer_id", "started_at", "day").to_pandas()
    rows["age"] = (rows.pop("day") - pd.to_datetime(rows["started_at"])).dt.days
    return rows


def in_force(rows: pd.DataFrame, *, gap: int, lasts: float = np.inf) -> pd.DataFrame:
    """Spells cut where a new rating comes into force, `gap` days after it was given; for use inside a gated function.

    A rating just before the end may be part of leaving. To leave out only those would use what came later; so all
    ratings come into force late, and whoever left before does not count for theirs.

    Returns:
        One row a piece: customer, entered, time (days since the start), left, rating, weight (1) and what is held.
    """
    rows = rows[(rows["age"] >= 0) & (rows["age"] + gap >= rows["entered"])]
    rows = rows.sort_values(["customer_id", "started_at", "age"]).assign(entered=rows["age"] + float(gap))
    later = rows.groupby(["customer_id", "started_at"])["entered"].shift(-1).fillna(np.inf)
    end = np.minimum(np.minimum(later, rows["entered"] + lasts), rows["time"])
    rows = rows.assign(left=rows["left"] & (end == rows["time"]), time=end)
    rows = rows[rows["entered"] < rows["time"]]
    need(len(rows), f"Nobody was still a customer {plural(gap, 'day')} after answering, so ratings foretell nothing.")
    rows = rows.assign(customer=pd.factorize(rows["customer_id"])[0] + 1, weight=1)
    return rows.drop(columns=["customer_id", "started_at", "age"]).reset_index(drop=True)


@gated
def leaving(rows: Frame, *, gap: int, lasts: float = np.inf, halves: bool = False, known_at_first: bool = False) -> Any:
    """Hazard ratio of leaving for one standard deviation more of a rating, or of its lower half over its upper half.

    Args:
        rows: from `rated`; what is held there is held fixed here.
        gap, lasts: days after which a rating counts, and for how long it does; at most until the next.
        halves: compare the halves.
        known_at_first: the naive table: the last rating of each customer, as if it had been known on the first day.
    """
    pieces = in_force(needed(rows), gap=gap, lasts=lasts)
    if known_at_first:
        pieces = pieces.drop_duplicates("customer", keep="last").assign(entered=0.0)
    if halves:
        cuts = pieces["rating"] < pieces["rating"].median(), pieces["rating"] <= pieces["rating"].median()
        lower = min(cuts, key=lambda cut: abs(cut.mean() - 0.5))
        pieces = pieces.assign(rating=np.where(lower, "lower half", "upper half"))
    held = [name for name in pieces.columns if name not in (*hazards.SPELL, "customer", "weight", "rating")]
    model = needed(hazards.cox(pieces.drop(columns="customer"), covariates=["rating", *held]))
    people = pieces["customer"].nunique()
    return model.ratio("rating", of="lower" if halves else "", n=people, method="Cox, latest rating")


def left_by_third(ratings: Mapping[str, Frame], *, gap: int) -> Figure | Text:
    """How many left a year, by thirds of each rating."""
    found, lost, cut = [], [], gated(lambda rows: in_force(needed(rows), gap=gap))
    for name, pieces in ((name, cut(rows)) for name, rows in ratings.items()):
        if isinstance(pieces, NotTestable):
            lost.append(f"{name}: {pieces.reason}")
            continue
        third = np.digitize(pieces["rating"].rank(pct=True), [1 / 3, 2 / 3])
        for place in range(3):
            rows = pieces[third == place]
            if (gone := int(rows["left"].sum())) >= MIN_EVENTS:
                value = gone * YEAR / (rows["time"] - rows["entered"]).sum()
                answer = Estimate.log_normal(value, gone**-0.5, unit="share", n=gone)
                found.append({"section": name, "label": THIRDS[place], **columns(answer), "n": gone})
    if not found:
        return say("Too few left after answering to compare them. {}", " ".join(lost))
    return figures.dots(
        pd.DataFrame(found),
        name="left-by-third",
        title="Who left, by what they had said before",
        unit="share",
        x_label="Leavers a year of watching, over customers",
        caption="Each customer counts with the latest rating in force. 95% Poisson intervals of the number who left.",
    )


# --- S12: by way of trust -----------------------------------------------------------------------------------------


@gated
def ways(study: Study, found: Answers, *, days: int) -> Any:
    """Three questionnaires of a customer in a row: contacts before the second, trust in it, loyalty in the third.

    Returns:
        customer_id, weight, contacts (the root of their number in the `days` before the second), trust, loyalty (of the
        third), trust before and loyalty before (of the first).
    """
    rows = _said(found, "trust", "loyalty")
    own = rows.groupby("customer_id")
    before = own[["trust", "loyalty"]].shift().add_suffix(" before")
    later = own["loyalty"].shift(-1)
    three = rows.assign(**before, loyalty=later).dropna()
    people = three["customer_id"].nunique()
    need(people >= FEWEST, f"{plural(people, 'customer')} answered three times; {FEWEST} are needed.")
    known = touched(study, three, days=days, gap=0)
    contacts = np.sqrt(known.drop(columns=three.columns).sum(axis=1))
    return known[[*before, "trust", "loyalty", "customer_id", "weight"]].assign(contacts=contacts)


@gated
def through_trust(rows: Frame, *, held: bool = True, draws: int, seed: int) -> Any:
    """The paths from contacts to later loyalty, earlier trust and loyalty held fixed or not (`mediation.Paths`)."""
    table: pd.DataFrame = needed(rows)
    given = ["trust before", "loyalty before"] if held else []
    known, cases = table[["contacts", "trust", "loyalty", *given]], table["customer_id"]
    made = moments(known, weight=table["weight"].to_numpy(), cases=cases, draws=draws, seed=seed)
    return needed(mediation.paths(made, "contacts", "trust", "loyalty", given=given))


# --- S16: share of the wallet -------------------------------------------------------------------------------------


def wallet(found: Answers, *, outcome: str = "wallet_share", draws: int, seed: int) -> dict[str, Answer]:
    """Readings of S16, the headline first: standardised slope of the share of the wallet (or other outcome) on care."""
    asked = {name: found.score(items) for name, items in found.constructs.items()}
    table = pd.DataFrame(asked).assign(cases=found.who.get("customer_id", pd.Series(range(len(found.who)))))
    order = found.who.sort_values("answered_at").index if "answered_at" in found.who else table.index
    others = [name for name in OTHERS if name in asked]

    @gated
    def ask(outcome: str, *given: str, past: bool = False, sign: int = 1) -> Any:
        needed(found.lacks("care", outcome))
        rows = table.loc[order].assign(**{outcome: lambda t: sign * t[outcome]})
        if past:
            rows = rows.assign(care=rows.groupby("cases")["care"].shift())
        known = rows[[outcome, "care", *given]]
        made = moments(known, weight=found.weight[order], cases=rows["cases"], draws=draws, seed=seed)
        return slopes(needed(made), outcome, ["care", *given])["care"]

    answers = {EARLIER: ask(outcome, past=True), TOGETHER: ask(outcome)}
    if isinstance(answers[EARLIER], NotTestable):
        answers = dict(reversed(answers.items()))
    answers[HALO] = ask(outcome, *others)
    return answers | ({CONSIDERED: ask("considered", sign=-1)} if "considered" in asked else {})


# --- G08: knowledge, prices and adverts ---------------------------------------------------------------------------


def _knowing(found: Answers, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of customers and days with what the customer had last said to know by then, in standard deviations."""
    said = _said(found, "knowledge")[["customer_id", "day", "knowledge"]]
    left, right = (each.astype({"day": "datetime64[ns]"}).sort_values("day", kind="stable") for each in (rows, said))
    both = pd.merge_asof(left, right, on="day", by="customer_id").dropna()
    people = both["customer_id"].nunique()
    need(people >= FEWEST, f"{plural(people, 'customer')} told what they know before that; {FEWEST} are needed.")
    return within.in_deviations(both, ["knowledge"])


@gated
def priced(study: Study, found: Answers) -> Any:
    """Order lines of those who had told what they know: price and quantity (logs) and knowledge, in deviations.

    Returns:
        customer_id, product (the category, where known), quarter, price, quantity, knowledge and price × knowledge.
    """
    import ibis

    lines = rows_of(study, "orders", "unit_price", "quantity").filter(lambda t: (t.unit_price > 0) & (t.quantity > 0))
    lines = lines.semi_join(ibis.memtable(_said(found, "knowledge")[["customer_id"]].drop_duplicates()), "customer_id")
    product = lines.category if "category" in lines.columns else ibis.literal("all")
    logs = {"price": lines.unit_price.ln(), "quantity": lines.quantity.cast("float64").ln()}
    rows = lines.select("customer_id", day=lines.ordered_at.date(), product=product.fill_null("unknown"), **logs)
    rows = rows.order_by("customer_id", "day", "product", "price", "quantity").to_pandas()
    rows = _knowing(found, rows.assign(day=pd.to_datetime(rows["day"])))
    rows["price"] -= rows.groupby("product")["price"].transform("mean")
    rows = within.in_deviations(rows, ["price", "quantity"])
    return rows.assign(quarter=rows["day"].dt.to_period("Q").astype(str), both=rows["price"] * rows["knowledge"])


@gated
def advertised(study: Study, found: Answers) -> Any:
    """Promotions given by lot to those who had told what they know: customer_id, promotion, treated, orders, both."""
    people = needed(promoted(study)).select("customer_id", "promotion", "treated", "start", "length")
    rows_of(study, "orders", "customer_id", "ordered_at")
    bought = purchases(study.table("orders"))
    orders = bought.rows.filter(bought.rows.opens == 1).select("customer_id", "ordered_on")
    joined = people.left_join(orders, "customer_id")
    during = joined.ordered_on.delta(joined.start, unit="day").between(0, joined.length)
    counted = joined.group_by("customer_id", "promotion", "treated", "start").agg(orders=during.sum().fill_null(0))
    rows = counted.order_by("customer_id", "promotion").to_pandas()
    rows["day"] = pd.to_datetime(rows.pop("start"))
    rows = within.in_deviations(_knowing(found, rows.astype({"treated": float})), ["treated", "orders"])
    return rows.assign(both=rows["treated"] * rows["knowledge"])


@gated
def changed_by_knowledge(rows: Frame, *, plain: bool = False) -> Any:
    """How one standard deviation more knowledge changes the slope of purchases on prices, or on adverts.

    Args:
        rows: from `priced` or `advertised`.
        plain: leave customers and products as they are; they differ in more than knowledge.
    """
    table: pd.DataFrame = needed(rows)
    if "price" not in table:
        found = within.slope(
            table, "orders", "both", unit="customer_id", effects=["promotion"], held=["treated", "knowledge"]
        )
        return found.estimate(method="promotions by lot, errors by customer")
    effects = ["quarter"] if plain else ["customer_id", "product", "quarter"]
    found = within.slope(table, "quantity", "both", unit="customer_id", effects=effects, held=["price", "knowledge"])
    return found.estimate(method="effects of customer, product and quarter, errors by customer")
