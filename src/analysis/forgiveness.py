"""What happens after something went wrong: slow replies, bonds that hold, experience that forgives (S09, L03, L04)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures
from analysis.afterwards import Watched, answers_until, calendar, in_turn, stays, step
from analysis.customers import YEAR
from analysis.drivers import thirds
from analysis.estimates import Answer, Estimate, NotTestable, columns, gated, need, needed
from analysis.exhibits import Figure, Text, instead
from analysis.hazards import cox
from analysis.lifetimes import several
from analysis.rates import chance, difference, mean
from analysis.retention import MIN_EVENTS
from analysis.words import count, listing, plural, quantity

if TYPE_CHECKING:
    from analysis.studies import Study

HELD, PLAIN, QUEUED = "at equal severity", "as it comes", "by the queue that was there"
FREE, SMALL, SERIOUS, ASIDE = "no failure", "small failure", "serious failure", "other"
BESIDE, AFTER_ONLY, UNCOMPARED = "satisfaction held as well", "after a failure only", "without failure-free customers"
DROP = "fall in satisfaction, same customers"
FIFTHS = 5
MOVED = 3.2  # standard errors by which the queue must move replies; F of 10 (Staiger & Stock 1997)
SHARP = 1.15  # upper over lower end of an interval that finds a ratio of 1.10 four times in five
THIRDS = ("lowest third", "highest third")


def _contacts(lab: Study, *columns: str) -> pd.DataFrame:
    """Contacts of a study that has these columns: customer_id, day and them."""
    need(lab.has("contacts"), "The study has no contacts table.")
    lacking = [name for name in columns if not lab.table("contacts").has(name)]
    need(not lacking, f"The table contacts has no column {listing(lacking, 'or')}. Bring it.")
    also = [name for name in ("recovery_rating", "queue") if lab.table("contacts").has(name)]
    rows = lab.table("contacts").rows.order_by("contacted_at", "customer_id").to_pandas()
    return rows[["customer_id", *columns, *also]].assign(day=pd.to_datetime(rows["contacted_at"]))


# --- Replies --------------------------------------------------------------------------------------------------------


@gated
def replies(lab: Study, *, days: int) -> Any:
    """Contacts from the reply on: whether the customer left within so many days of it.

    Returns:
        `Watched`, a row a contact that was answered while the customer was still there: time (days after the reply, at
        most `days`), left, entered (0), weight (1), customer (see `hazards.cox`), severity (a word), doublings (the
        minutes as a power of two), tenure (years), ago (days since the customer's contact before it; NaN for the first)
        and recovery_rating and queue where the table has them.
    """
    rows = _contacts(lab, "severity", "first_reply_minutes")
    rows["ago"] = (rows["day"] - rows.groupby("customer_id")["day"].shift()).dt.days
    known = rows["severity"].notna() & (rows["first_reply_minutes"] > 0)
    need(known.any(), "No contact has a severity and the minutes until the first reply. Bring both.")
    steps, rows = [step("contacts with a severity and a time to the first reply", known)], rows[known]
    replied = rows["day"] + pd.to_timedelta(rows["first_reply_minutes"], unit="min")
    after = needed(stays(lab, rows["customer_id"], replied))
    there = after["time"].notna()
    steps.append(step("still a customer when the reply came", there))
    rows, after = rows[there], after[there]
    return Watched(
        rows.assign(
            time=after["time"].clip(upper=days),
            left=after["left"] & (after["time"] <= days),
            entered=0.0,
            weight=1,
            customer=several(rows["customer_id"]),
            severity=rows["severity"].map("{:g}".format),
            doublings=np.log2(rows["first_reply_minutes"]),
            tenure=after["tenure"],
        ).reset_index(drop=True),
        tuple(steps),
    )


def hazard_ratio(rows: pd.DataFrame, cause: str, held: Sequence[str]) -> Estimate:
    """By what factor leaving is likelier at any moment for one unit more of a cause."""
    names = [cause, *held]
    lifetimes = rows[[name for name in ("time", "left", "entered", "weight", "customer", *names) if name in rows]]
    model = needed(cox(lifetimes, covariates=names))
    n = int(rows["answer"].nunique()) if "answer" in rows else len(rows)  # an answer may be cut into several rows
    return needed(model.ratio(cause, per_unit=True, n=n))


@gated
def slow(watched: Watched | NotTestable, *, held: bool = True) -> Any:
    """A reading of S09: the hazard ratio of leaving after the reply for a doubling of the minutes to it."""
    rows = needed(watched).rows
    need(rows["left"].sum() >= MIN_EVENTS, f"Fewer than {MIN_EVENTS} customers left in the days after a reply.")
    return hazard_ratio(rows, "doublings", ["severity"] if held else [])


@gated
def by_queue(watched: Watched | NotTestable) -> Any:
    """A reading of S09 by what nobody chose: how many were waiting when the contact came.

    A long queue makes replies slow and, at equal severity, does nothing else to the customer. So the factor by which
    leaving goes up with a queue twice as long, on logs, over the doublings of minutes that the queue costs, is what
    a doubling does. Without harm from hidden severity, and with a wider interval.

    Source: Wald (1940), Annals of Mathematical Statistics 11; for hazards, Tchetgen Tchetgen and others (2015),
        Epidemiology 26.
    """
    rows: pd.DataFrame = needed(watched).rows
    known = rows[rows.get("queue", pd.Series(np.nan, rows.index)) >= 0]
    need(len(known), "Nobody wrote down how many were waiting when a contact came (column queue of contacts).")
    need(known["left"].sum() >= MIN_EVENTS, f"Fewer than {MIN_EVENTS} customers left in the days after a reply.")
    known = known.assign(queue=np.log2(1 + known["queue"]))
    costs = needed(difference(known.assign(customer=known["customer_id"]), "doublings", "queue", held=["severity"]))
    error = (costs.high - costs.low) / 3.92
    need(costs.value > MOVED * error, "The queue moved the time to the reply too little to tell anything by it.")
    harm = hazard_ratio(known, "queue", ["severity"])
    both = np.log([harm.value, harm.low, harm.high])
    value = both[0] / costs.value
    spread = np.hypot((both[2] - both[1]) / 3.92, value * error) / costs.value
    tell: dict[str, Any] = {"unit": "hazard ratio", "n": len(known), "events": harm.events}
    return Estimate.log_normal(float(np.exp(value)), float(spread), method="queue as instrument, Cox", **tell)


def leading(readings: dict[str, Answer]) -> str:
    """By the queue where it can tell the smallest effect from none; else at equal severity."""
    told = readings[QUEUED]
    return QUEUED if isinstance(told, Estimate) and told.high / told.low < SHARP else HELD


@gated
def backwards(watched: Watched | NotTestable, *, days: int) -> Any:
    """The table of `replies` in the days before each contact: whether the customer had been in touch then.

    No reply can change what came before the contact, so `slow` must find nothing in it.
    """
    rows: pd.DataFrame = needed(watched).rows
    span = np.fmin(rows["tenure"] * YEAR, days)
    rows = rows.assign(left=rows["ago"] <= span, time=np.fmin(rows["ago"], span))
    return Watched(rows[rows["time"] > 0], ())


@gated
def bend(watched: Watched | NotTestable) -> Any:
    """By what factor each doubling adds more, or less, than the one before it: 1 is a straight line in doublings."""
    rows = needed(watched).rows
    away = rows["doublings"] - rows["doublings"].mean()
    return hazard_ratio(rows.assign(bend=away**2), "bend", ["doublings", "severity"])


@instead("{}")
def by_speed(watched: Watched, *, days: int) -> Figure | Text:
    """Who leaves by how fast the reply came, every fifth with the same mixture of severities."""
    rows = watched.rows
    mixture = rows["severity"].value_counts(normalize=True)
    fifth, shown = pd.qcut(rows["doublings"].rank(method="first"), FIFTHS, labels=False), []
    for _, own in rows.groupby(fifth):
        alike = (mixture / own["severity"].value_counts(normalize=True)).reindex(own["severity"]).to_numpy()
        value, variance = chance(own, days, alike)
        answer = Estimate.normal(value, np.sqrt(variance), unit="share", n=len(own))
        minutes = count(2 ** own["doublings"].median())
        shown.append({"label": f"after about {minutes} minutes", **columns(answer), "n": len(own)})
    table = pd.DataFrame(shown).drop(columns="note").assign(low=lambda t: t["low"].clip(lower=0))
    first, last = (quantity(share, "share") for share in table["value"].iloc[[0, -1]])
    return figures.dots(
        table,
        name="leaving-by-reply",
        title=f"After the slowest replies {last} leave, after the fastest {first}",
        unit="share",
        x_label=f"Customers who leave within {days} days of the first reply",
        caption=f"{plural(len(rows), 'contact')} in fifths by the time to the first reply, each fifth weighted to the "
        "same mixture of severities; 95% intervals.",
    )


@gated
def beside_it(watched: Watched | NotTestable, what: str) -> Any:
    """What else goes with a doubling of the minutes to the reply, in standard deviations, at equal severity.

    Args:
        watched: from `replies`.
        what: "recovery_rating", which slow replies may lower; or "tenure" as a customer, which was there before any
            reply, so that it shows whether slow replies went to other kinds of customers.
    """
    rows = needed(watched).rows
    rows = rows.dropna(subset=what) if what in rows else rows[:0]
    need(len(rows) >= MIN_EVENTS and np.ptp(rows[what]) > 0, "Nobody rated how the contact was settled.")
    rows = rows.assign(customer=rows["customer_id"], **{what: rows[what] / rows[what].std()})
    return difference(rows, what, "doublings", held=["severity"], unit="sd")


# --- Failures after an answer ---------------------------------------------------------------------------------------


def cut(asked: pd.DataFrame, failures: pd.DataFrame, *, days: int) -> pd.DataFrame:
    """Cut the time after each answer where a failure begins and ceases to count.

    Args:
        asked: answer (a number), customer_id, day, until (days on one calendar) and left (at `until`), and what was
            said; the spans of one customer do not overlap.
        failures: customer_id, day and grade (its severity as a number), kind (SMALL, SERIOUS or ASIDE).
        days: how long a failure counts. Where several count, the worst does; time in which one counts that came
            before the answer, or on its day, is left out, for the answer already carries it. So is ASIDE.

    Returns:
        One row a piece: the columns of `asked`, entered and time (days after the answer), left, state (FREE, SMALL or
        SERIOUS) and grade (0 where there was no failure).
    """
    order = [FREE, SMALL, SERIOUS, ASIDE]
    spans = asked[["answer", "customer_id", "day", "until"]].merge(failures, on="customer_id", suffixes=("", "_failed"))
    spans = spans.rename(columns={"day_failed": "begins"}).assign(ends=lambda t: t["begins"] + days)
    spans = spans[(spans["begins"] < spans["until"]) & (spans["ends"] > spans["day"])]
    late = (spans["begins"] <= spans["day"]).to_numpy()
    spans["rank"] = np.where(late, len(order) - 1, spans["kind"].map(order.index))
    inside = [spans["begins"].clip(lower=spans["day"]), spans["ends"].clip(upper=spans["until"])]
    edges = [asked[["answer", edge]].set_axis(["answer", "at"], axis=1) for edge in ("day", "until")]
    edges += [pd.DataFrame({"answer": spans["answer"], "at": at}) for at in inside]
    pieces = pd.concat(edges).drop_duplicates().sort_values(["answer", "at"])
    pieces["to"] = pieces.groupby("answer")["at"].shift(-1)
    pieces = pieces.dropna().reset_index(drop=True)
    over = pieces.reset_index(names="piece").merge(spans[["answer", "begins", "ends", "rank", "grade"]], on="answer")
    over = over[(over["begins"] <= over["at"]) & (over["at"] < over["ends"])]
    worst = over.sort_values(["rank", "grade"]).drop_duplicates("piece", keep="last").set_index("piece")
    rank = worst["rank"].reindex(pieces.index, fill_value=0).astype(int)
    rows = pieces.assign(
        state=np.array(order, dtype=object)[rank], grade=worst["grade"].reindex(pieces.index).fillna(0)
    )
    rows = rows.merge(asked, on="answer")
    rows["left"] &= rows["to"] == rows["until"]
    rows = rows.assign(entered=rows["at"] - rows["day"], time=rows["to"] - rows["day"], weight=1)
    return rows[rows["state"] != ASIDE].reset_index(drop=True)


def _failures(lab: Study, small: float, serious: float, kinds: str) -> pd.DataFrame:
    """Failures for `cut`, by day on one calendar; arguments as of `failures_after`."""
    failures, wanted = _contacts(lab, "kind", "severity"), [kind.strip() for kind in kinds.split(",")]
    failures = failures[failures["severity"].notna() & (failures["kind"].isin(wanted) | (not kinds))]
    grade = failures["severity"].astype(float)
    kind = np.select([grade >= serious, grade <= small], [SERIOUS, SMALL], ASIDE)
    return failures.assign(day=calendar(failures["day"]), grade=grade, kind=kind)


@gated
def failures_after(
    lab: Study,
    found: Any,
    said: str,
    *,
    days: int,
    reach: int,
    small: float,
    serious: float,
    kinds: str = "",
) -> Any:
    """The time after each answer, cut where something went wrong.

    Args:
        lab, found, reach: see `afterwards.answers_until`.
        said: construct whose score must be there; satisfaction must be too, where it was asked.
        days: how long a failure counts.
        small, serious: severity up to which a failure is small, and from which on it is serious; between is set aside.
        kinds: kinds of contact that tell of a failure, with commas between; empty for every kind.

    Returns:
        `Watched` with the rows of `cut`.
    """
    both = dict.fromkeys([said, *({"satisfaction"} & {*getattr(found, "constructs", ())})])
    since = needed(answers_until(lab, found, *both, reach=reach))
    rows = cut(since.rows, _failures(lab, small, serious, kinds), days=days)
    followed = since.rows["answer"].isin(rows.loc[rows["state"] != FREE, "answer"])
    none = f"No failure came within {reach} days after an answer: ask what is felt before something goes wrong."
    need(followed.any(), none)
    return Watched(rows, (*since.steps, step("of these, followed by a failure that can be read", followed)))


def _beside(watched: Watched | NotTestable, state: str) -> pd.DataFrame:
    """The pieces without a failure and those after one of this kind, if enough left in both."""
    rows: pd.DataFrame = needed(watched).rows
    rows = rows[rows["state"].isin([FREE, state])]
    gone = rows.groupby("state")["left"].sum()
    for one, what in ((state, f"after a {state}"), (FREE, "without a failure to compare them with")):
        there = f"{plural(int(gone.get(one, 0)), 'customer')} left {what}"
        need(gone.get(one, 0) >= MIN_EVENTS, f"{there}, and {MIN_EVENTS} are needed.")
    return rows


@gated
def buffered(watched: Watched | NotTestable, how: str = HELD, *, state: str = SERIOUS, said: str = "bond") -> Any:
    """A reading of L03: by what factor a standard deviation more of what was said before changes a failure's harm.

    Args:
        watched: from `failures_after`.
        how: HELD (the severity of the failure), BESIDE (and satisfaction with what it changes), or AFTER_ONLY (naive:
            customers after a failure, without those who had none).
        state: kind of failure.
        said: construct.
    """
    rows = _beside(watched, state)
    if how == AFTER_ONLY:
        return hazard_ratio(rows[rows["state"] == state], said, ["grade"])
    failed = (rows["state"] == state).astype(float)
    rows = rows.assign(failed=failed, changed=failed * rows[said])
    held = ["failed", said, "grade"]
    if how == BESIDE:
        need("satisfaction" in rows and said != "satisfaction", "Satisfaction was not asked beside it.")
        rows, held = rows.assign(content=failed * rows["satisfaction"]), [*held, "satisfaction", "content"]
    return hazard_ratio(rows, "changed", held)


def _outer(rows: pd.DataFrame, said: str) -> np.ndarray:
    """How far each piece belongs to the lowest, and to the highest third of the answers."""
    once = rows.drop_duplicates("answer").set_index("answer")[said]
    outer = pd.DataFrame(thirds(once.to_numpy(), np.ones(len(once))), once.index)
    return outer.loc[rows["answer"]].to_numpy()


@gated
def falls(watched: Watched | NotTestable, *, state: str = SMALL, said: str = "satisfaction", days: int) -> Any:
    """Who leaves within so many days, by third of what was said before, without a failure and after one.

    Returns:
        One row a third and state: third, state, value, variance, n (answers).
    """
    rows = _beside(watched, state)
    shown = []
    for third, weight in zip(THIRDS, _outer(rows, said).T, strict=True):
        for one in (FREE, state):
            own = (rows["state"] == one) & (weight > 0)
            need((weight * rows["left"])[own].sum() > 0, f"Nobody of the {third} left: {one}.")
            value, variance = chance(rows[own], days, weight[own])
            n = rows.loc[own, "answer"].nunique()
            shown.append({"third": third, "state": one, "value": value, "variance": variance, "n": n})
    return pd.DataFrame(shown)


@gated
def drops(
    lab: Study, found: Any, *, days: int, small: float, serious: float, kinds: str = "", said: str = "satisfaction"
) -> Any:
    """How far customers' answers fell until their next one, where nothing went wrong in between and where it did.

    Args:
        lab, kinds, small, serious: see `failures_after`.
        found: the questionnaires.
        days: a failure counts where it came in so many days before the later answer. Pairs with one earlier on, or in
            as many days before the first answer, are left out.
        said: the construct.

    Returns:
        One row a pair of answers: who, before (score), fell (share of the length of the scale), state (FREE, SMALL or
        SERIOUS) and weight.
    """
    answers = needed(found)
    needed(answers.lacks(said) or answers)
    low, high = answers.ends(said)
    scores = pd.DataFrame({said: answers.score(answers.constructs[said])})
    pairs = needed(in_turn(answers, scores)).rename_axis("pair").reset_index()
    pairs["first"] = calendar(answers.who.loc[pairs["pair"], "answered_at"]).to_numpy()
    pairs["last"] = pairs["first"] + (pairs["months"] * YEAR / 12).round()
    failures = _failures(lab, small, serious, kinds).rename(columns={"customer_id": "who"})
    both = pairs[["pair", "who", "first", "last"]].merge(failures, on="who")
    both = both[(both["day"] > both["first"] - days) & (both["day"] <= both["last"])]
    both.loc[both["day"] <= both["last"] - days, "kind"] = ASIDE
    order = [FREE, SMALL, SERIOUS, ASIDE]
    worst = both["kind"].map(order.index).groupby(both["pair"]).max().reindex(pairs["pair"], fill_value=0).to_numpy()
    fell = (pairs[said] - pairs[f"later {said}"]) / (high - low)
    table = pairs[["who", "weight"]].assign(before=pairs[said], fell=fell, state=np.array(order, dtype=object)[worst])
    return table[table["state"] != ASIDE].reset_index(drop=True)


@gated
def fell(pairs: pd.DataFrame | NotTestable, *, state: str = SMALL) -> Any:
    """Mean fall by third of the earlier answer, without a failure and after one: a table for `forgiven`.

    Whoever had answered high falls anyway, and whoever had answered low rises, since part of any answer is chance; the
    pairs without a failure show how far.
    """
    rows: pd.DataFrame = needed(pairs)
    rows = rows[rows["state"].isin([FREE, state])]
    shown = []
    for third, belongs in zip(THIRDS, thirds(rows["before"].to_numpy(), rows["weight"].to_numpy()).T, strict=True):
        for one in (FREE, state):
            own, weight = rows["state"] == one, belongs * rows["weight"]
            own &= weight > 0
            few = f"{plural(int(own.sum()), 'pair')} of answers in the {third} with {one} in between"
            need(own.sum() >= MIN_EVENTS, f"{few}; {MIN_EVENTS} are needed.")
            told = mean((rows["fell"] * weight)[own], rows.loc[own, "who"], years=weight[own], unit="points")
            variance = ((told.high - told.low) / 3.92) ** 2
            shown.append({"third": third, "state": one, "value": told.value, "variance": variance, "n": own.sum()})
    return pd.DataFrame(shown)


@gated
def forgiven(table: pd.DataFrame | NotTestable, *, compared: bool = True, told: str = "rates of leaving") -> Any:
    """A reading of L04: how much less a failure costs those who had rated high; with `said` as bond, L03 by addition.

    Args:
        table: from `falls`, or `fell`.
        told: what was compared.
        compared: take off what like customers without a failure lose anyway.
    """
    cells = needed(table)
    sign = np.where(cells["third"] == THIRDS[0], 1, -1) * np.where(cells["state"] == FREE, -1 if compared else 0, 1)
    error = float(np.sqrt((sign**2 * cells["variance"]).sum()))
    value, n = float((sign * cells["value"]).sum()), int(cells.groupby("third")["n"].max().sum())
    return Estimate.normal(value, error, unit="points", n=n, method=told)


@instead("{}")
def drawn(table: pd.DataFrame, *, days: int, name: str, said: str) -> Figure | Text:
    """A figure of `falls`."""
    ends = 1.96 * np.sqrt(table["variance"])
    shown = table.assign(section=table["third"].map(f"{said}: {{}}".format), label=table["state"])
    shown = shown.assign(low=(shown["value"] - ends).clip(lower=0), high=shown["value"] + ends)
    harm = table.groupby("third", sort=False)["value"].diff().dropna().to_numpy()
    low, high = (quantity(one, "points") for one in harm)
    return figures.dots(
        shown[["section", "label", "value", "low", "high", "n"]],
        name=name,
        title=f"A failure moves leaving by {low} among the {THIRDS[0]} by {said}, by {high} among the {THIRDS[1]}",
        unit="share",
        x_label=f"Customers who leave within {days} days",
        caption=f"{said.capitalize()} as answered before anything went wrong, in thirds of the answers, of which "
        f"{count(table['n'].min())} to {count(table['n'].max())} stand behind each dot; 95% intervals.",
    )
