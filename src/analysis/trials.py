"""Treatments given by lot: who got which, what they did before and after it, and what it changed.

Everybody counts in the arm that the lot gave, whether or not they took what it offered. What was known before the lot
only sharpens the comparison; it cannot tilt it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.customers import DECIMALS, Purchases
from analysis.estimates import Estimate, gated, need, needed
from analysis.retention import MIN_EVENTS
from analysis.words import listing, plural, spoken

if TYPE_CHECKING:
    from analysis.scales import Answers
    from analysis.studies import Study

CONTROL, FEWEST = "control", 100  # the arm that others are compared with by default; cases that an arm needs
USED, LEFT_OUT = "used", "left out"
NO_LOT = 1e-3  # chance of so unlike arms below which no lot can have been drawn
# Columns that say what came of the lot, or name a unit; all others were known before.
AFTERWARDS = {"customer", "arm", "promotion", "start", "treated", "full", "stayed"}
AFTERWARDS |= {f"{span}{what}" for span in ("during", "after") for what in ("", "_worth")}
LABELS = {"before": "orders before", "before_worth": "spending before", "age": "days since the first order"}
AT_ONCE = -1  # length of a treatment of which nothing but the afterwards counts


def rows_of(study: Study, table: str, *names: str) -> Any:
    """Inside a `gated` function: a table of the study that has these columns, in the engine."""
    need(study.has(table), f"The study has no {table} table. Bring one with {listing(list(names))}.")
    rows = study.table(table).rows
    missing = [name for name in names if name not in rows.columns]
    need(not missing, f"The table {table} has no column {listing(missing, 'or')}. Bring it.")
    return rows


def happened(column: Any) -> Any:
    """A column of a user's own, in the engine, as yes or no, however that is written."""
    return column.cast("string").lower().isin(["1", "1.0", "true", "yes", "y"])


# --- who got what -------------------------------------------------------------------------------------------------


@gated
def arms(study: Study, arm: str = "", *, control: str = "", known: str = "") -> Any:
    """The units of one trial in the table experiments, in the engine, with `treated`; a customer's first lot counts.

    Args:
        study: whose experiments are asked.
        arm: the treated arm; "" takes every arm but the control, where there is one trial only.
        control: the arm that got nothing; "" takes what the column control_arm says, and without one "control".
        known: a column that must not be empty. What is known of one trial only picks that trial.
    """
    import ibis

    rows = rows_of(study, "experiments", "arm", *filter(None, [known]))
    rows = rows.filter(rows.arm.notnull(), *([rows[known].notnull()] if known else []))
    told = rows.control_arm.fill_null(CONTROL) if "control_arm" in rows.columns and not control else None
    rows = rows.mutate(against=ibis.literal(control or CONTROL) if told is None else told)
    pairs = rows.select("arm", "against").distinct().to_pandas()
    known_arms = set(pairs["arm"])
    pairs = pairs[~pairs["arm"].isin(set(pairs["against"])) & (pairs["arm"].isin([arm]) | (not arm))]
    treated = f"Nobody in the table experiments was treated{f' with {arm}' if arm else ''}."
    need(len(pairs), f"{treated} Bring those who were, or name an arm that is there.")
    controls = sorted(set(pairs["against"]))
    several = f"The table experiments holds several trials: {listing(sorted(set(pairs['arm'])))}. Name one as arm."
    need(len(controls) == 1, several)
    held_out = f"Nobody in the table experiments is in the control arm, {controls[0]}."
    need(controls[0] in known_arms, f"{held_out} Bring those whom the lot held out.")
    rows = rows.filter(rows.arm.isin([*pairs["arm"], *controls])).mutate(treated=rows.arm != controls[0])
    if "customer_id" not in rows.columns:
        return rows
    drawn = [name for name in ("assigned_at", "arm") if name in rows.columns]
    order = ibis.row_number().over(ibis.window(group_by="customer_id", order_by=drawn))
    return rows.mutate(again=order).filter(lambda t: (t.again == 0) | t.customer_id.isnull()).drop("again")


@gated
def promoted(study: Study, kind: str = "") -> Any:
    """Customers who got a promotion or were held out of it, in the engine: promotion, start (a day), length, treated.

    Promotions from which nobody was held out are left out, and so are those that nobody got.

    Args:
        study: whose promotions are asked.
        kind: of the promotions; "" takes all.
    """
    rows = rows_of(study, "promotions", "assigned", *(["kind"] if kind else []))
    rows = rows.filter(rows.assigned.notnull(), *([rows.kind.lower() == kind] if kind else []))
    name = rows.promotion_id if "promotion_id" in rows.columns else rows.starts_at
    rows = rows.mutate(promotion=name.cast("string"), start=rows.starts_at.date(), treated=rows.assigned)
    lots = rows.group_by("promotion").agg(some=rows.treated.any(), every=rows.treated.all())
    rows = rows.semi_join(lots.filter(lots.some, ~lots.every), "promotion")
    need(
        rows.count().to_pandas(),
        "No promotion has both customers who got it and customers held out (column assigned). Hold some out by lot.",
    )
    return rows.mutate(length=rows.ends_at.date().delta(rows.start, unit="day"))


def dated(people: Any) -> Any:
    """Inside a `gated` function: units of a trial with start, length (days) and promotion, as `promoted` has them."""
    import ibis

    lacking = [name for name in ("customer_id", "assigned_at") if name not in people.columns]
    if "start" not in people.columns:
        need(not lacking, f"The table experiments has no column {listing(lacking)}. Bring it.")
        people = people.mutate(start=people.assigned_at.date(), length=AT_ONCE, promotion=ibis.literal(""))
    return people


@gated
def around(
    people: Any, bought: Purchases, *, days: int, money: str = "amount", from_start: bool = False, rows: Any = None
) -> Any:
    """What the units of a trial bought before, during and after the treatment.

    Args:
        people: from `promoted`; or from `arms`, where the days after the lot count and there is nothing during it.
        bought: the orders.
        days: watched before the start and after the end; who was not watched so long is left out.
        money: of the orders: "amount", or "value" (margin where known).
        from_start: count afterwards from the start on, the time of the promotion included.
        rows: some of the orders, where not all are to count.

    Returns:
        One row a unit, without names: customer (a number), treated, promotion, start, age (days since the first order;
        0 for those without one); before, during, after (orders) and each with _worth (money).
    """
    import ibis

    people = dated(needed(people))
    people = people.mutate(length=AT_ONCE) if from_start else people
    keys = ["customer_id", "promotion", "start", "length", "treated"]
    seen = people.start.notnull() & (ibis.literal(bought.observed_until).delta(people.start, unit="day") >= days)
    people = people.filter(seen).select(keys).distinct()
    rows = bought.rows if rows is None else rows
    orders = rows.select("customer_id", "ordered_on", "first_on", "opens", worth=rows[money])
    both = people.left_join(orders, "customer_id")
    apart = both.ordered_on.delta(both.start, unit="day")
    spans = {"before": (-days, -1), "during": (0, both.length), "after": (both.length + 1, both.length + days)}
    sums = {}
    for name, ends in spans.items():
        inside = apart.between(*ends)
        sums[name] = both.opens.sum(where=inside).fill_null(0)
        sums[f"{name}_worth"] = both.worth.sum(where=inside).fill_null(0.0).round(DECIMALS)
    age = both.start.delta(both.first_on, unit="day").max().fill_null(0).clip(lower=0)
    table = both.group_by(keys).agg(age=age, **sums).order_by(keys).to_pandas()
    last = pd.to_datetime(table["start"]) + pd.to_timedelta(table.pop("length").astype("int64") + days, unit="D")
    table = table[(last <= pd.Timestamp(bought.observed_until)).to_numpy()]
    need(table["treated"].nunique() == 2, f"Of an arm, nobody was watched for {plural(days, 'day')} afterwards.")
    return table.assign(customer=pd.factorize(table.pop("customer_id"))[0]).reset_index(drop=True)


@gated
def asked(study: Study, found: Answers, construct: str, arm: str = "", *, last: bool = False) -> Any:
    """What the units of a trial answered after the lot was drawn: treated, arm, said, and before (else missing).

    Args:
        study: whose experiments are asked.
        found: its questionnaires.
        construct: what they are asked for.
        arm: see `arms`.
        last: take each customer's last questionnaire, not the first.
    """
    needed(found.lacks(construct))
    need({"customer_id", "answered_at"} <= set(found.who), "The survey does not say who answered when.")
    lots = dated(needed(arms(study, arm))).select("customer_id", "assigned_at", "arm", "against", "treated").to_pandas()
    rows = found.who[["customer_id", "answered_at"]].assign(said=found.score(found.constructs[construct]))
    rows = rows.dropna().merge(lots, on="customer_id").sort_values("answered_at", kind="stable")
    later = rows["answered_at"] > rows["assigned_at"]
    before = rows[~later].groupby("customer_id")["said"].last()
    table = rows[later].drop_duplicates("customer_id", keep="last" if last else "first")
    need(len(table), "Nobody in the trial is known to have answered after the lot was drawn.")
    return table.assign(before=table["customer_id"].map(before)).reset_index(drop=True)


# --- what it changed ----------------------------------------------------------------------------------------------


def _means(outcome: Any, treated: Any, before: pd.DataFrame | None, cases: Any) -> tuple[np.ndarray, np.ndarray]:
    """Adjusted means of the held out and of the treated, and their covariance.

    Each arm gets its own least squares on what was known before, read at the mean of all (Lin 2013, Annals of Applied
    Statistics 7); errors are robust (HC2), include that the mean is estimated, and go by case where units share one.
    """
    y, lot = np.asarray(outcome, float), np.asarray(treated, bool)
    few = min(lot.sum(), (~lot).sum())
    need(few >= FEWEST, f"Either arm needs {FEWEST} cases with a known outcome; the smaller one has {few}.")
    x = np.empty((len(y), 0)) if before is None else before.astype(float).fillna(before.mean()).fillna(0).to_numpy()
    x = (x - x.mean(axis=0)) / np.where(spread := x.std(axis=0), spread, 1)
    design = np.ones((len(y), 1))
    for column in x.T:
        wider = np.column_stack([design, column])
        grams = [wider[arm].T @ wider[arm] / len(y) for arm in (~lot, lot)]
        if min(np.linalg.matrix_rank(gram, tol=1e-9) for gram in grams) == wider.shape[1]:
            design = wider
    means, pulls = np.empty(2), np.empty((2, len(y)))
    for place, arm in enumerate((~lot, lot)):
        inside = design[arm]
        inverse = np.linalg.inv(inside.T @ inside)
        slopes = inverse @ inside.T @ y[arm]
        left = y[arm] - inside @ slopes
        leverage = np.einsum("ij,jk,ik->i", inside, inverse, inside)
        means[place], pulls[place] = slopes[0], design[:, 1:] @ slopes[1:] / len(y)
        pulls[place, arm] += inside @ inverse[0] * left / np.sqrt(np.maximum(1 - leverage, 1 / len(y)))
    if cases is not None:
        case = pd.factorize(np.asarray(cases))[0]
        pulls = np.array([np.bincount(case, pull) for pull in pulls])
    return means, pulls @ pulls.T


@gated
def difference(
    outcome: Any,
    treated: Any,
    *,
    before: pd.DataFrame | None = None,
    cases: Any = None,
    unit: str = "points",
    in_sd: bool = False,
) -> Estimate:
    """Mean of the treated minus mean of the held out.

    Args:
        outcome: one number a unit; 0 and 1 for shares.
        treated: whether the lot gave the treatment.
        before: columns known before the lot.
        cases: whom a unit belongs to, where one customer counts several times.
        unit: of the answer.
        in_sd: in standard deviations of the held out (Glass 1976, Educational Researcher 5; error of Hedges 1981,
            Journal of Educational Statistics 6).
    """
    (base, raised), covariance = _means(outcome, treated, before, cases)
    away, variance = raised - base, np.array([-1, 1]) @ covariance @ np.array([-1, 1])
    if in_sd:
        without = np.asarray(outcome, float)[~np.asarray(treated, bool)]
        spread = without.std(ddof=1)
        need(spread, "All who were held out have the same outcome, so there is no standard deviation to go by.")
        away, variance = away / spread, variance / spread**2 + (away / spread) ** 2 / (2 * (len(without) - 1))
    return Estimate.normal(away, np.sqrt(variance), unit=unit, n=len(np.asarray(treated)), method=_METHOD)


@gated
def ratio(outcome: Any, treated: Any, *, before: pd.DataFrame | None = None, cases: Any = None) -> Estimate:
    """Mean of the treated over mean of the held out; errors on logs by the delta method. As `difference`."""
    y, lot = np.asarray(outcome, float), np.asarray(treated, bool)
    means, covariance = _means(y, lot, before, cases)
    some = min((y[lot] > 0).sum(), (y[~lot] > 0).sum())
    need(some >= MIN_EVENTS, f"Either arm needs {MIN_EVENTS} cases above zero; one has {some}.")
    need(min(means) > 0, "An arm's mean is not above zero, so there is no ratio.")
    pull = np.array([-1, 1]) / means
    return Estimate.log_normal(
        means[1] / means[0], np.sqrt(pull @ covariance @ pull), unit="ratio", n=len(y), method=_METHOD
    )


_METHOD = "adjusted for what was known before, robust errors"


@gated
def by_policy(outcome: Any, arm: Any, chosen: pd.DataFrame, rival: pd.DataFrame) -> Estimate:
    """Mean outcome if a rule gave out the arms, over the mean if a rival rule did, from arms drawn by lot.

    Units count as much as the rule would have them in the arm that they drew, over the share that drew it.

    Args:
        outcome: one number a unit.
        arm: what the lot gave.
        chosen, rival: a row a unit and a column an arm: chance that the rule gives it.
    Source: Horvitz & Thompson (1952), Journal of the American Statistical Association 47; Hájek (1971) for weights
        that add up to one.
    """
    y, drawn = np.asarray(outcome, float), pd.Series(np.asarray(arm))
    share = drawn.map(drawn.value_counts(normalize=True)).to_numpy()
    means, pulls = [], []
    for rule in (rival, chosen):
        weight = sum(np.where(drawn == name, rule[name], 0) for name in rule) / share
        need((y[weight > 0] > 0).sum() >= MIN_EVENTS, f"A rule needs {MIN_EVENTS} cases above zero that obeyed it.")
        means.append(weight @ y / weight.sum())
        pulls.append(weight * (y - means[-1]) / weight.sum() / means[-1])
    error = float(np.sqrt(((pulls[1] - pulls[0]) ** 2).sum()))
    return Estimate.log_normal(means[1] / means[0], error, unit="ratio", n=len(y), method="weighted by assignment")


@gated
def otherwise(table: Any, *, money: str, past: str = USED, counted_up_to: float = 1.0) -> Any:
    """A ratio of mean money under other choices.

    Args:
        table: from `around`, or with its columns.
        money: the column that is compared.
        past: whether what was known before the lot is `USED` or `LEFT_OUT`.
        counted_up_to: share of the units above whose money more of it does not count.
    """
    rows = needed(table)
    spent = rows[money].clip(upper=rows[money].quantile(counted_up_to)) if counted_up_to < 1 else rows[money]
    return ratio(spent, rows["treated"], before=known_before(rows) if past == USED else None, cases=rows["customer"])


def dealt_anew(table: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """The table as another lot would have made it had the treatment done nothing."""
    each = table.groupby(table["promotion"] if "promotion" in table else np.zeros(len(table)))["treated"]
    return table.assign(treated=each.transform(random.permutation))


# --- whether it was a lot -----------------------------------------------------------------------------------------


def balance(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Whether the arms were alike before the treatment.

    Args:
        table: with treated; see `known_before`.

    Returns:
        label, treated, held out (means) and apart (difference in standard deviations); and the rung that the design
        reaches: "D", or "C" where arms so unlike cannot come from a lot.
    """
    from scipy.special import chdtrc

    lot, x = table["treated"].to_numpy(bool), table[[name for name in table if name not in AFTERWARDS]].astype(float)
    x = x.fillna(x.mean())
    means = x.groupby(lot).mean()
    away, spread = (means.loc[True] - means.loc[False]).to_numpy(), x.std().to_numpy()
    covariance = x.cov().to_numpy() * (1 / lot.sum() + 1 / (~lot).sum())
    distance = away @ np.linalg.pinv(covariance) @ away
    rows = pd.DataFrame(
        {"label": [LABELS.get(name, spoken(name)) for name in map(str, x)], "treated": means.loc[True].to_numpy()}
    )
    rows = rows.assign(held_out=means.loc[False].to_numpy(), apart=away / np.where(spread, spread, 1))
    return rows, "D" if chdtrc(np.linalg.matrix_rank(covariance), distance) >= NO_LOT else "C"


def known_before(table: pd.DataFrame) -> pd.DataFrame:
    """What was known of each unit before the lot, on a log scale where never negative, and which promotion it was.

    Args:
        table: from `around`, or one whose further columns were known before.
    """
    x = table[[name for name in table if name not in AFTERWARDS]].astype(float)
    which = pd.get_dummies(table["promotion"], drop_first=True) if "promotion" in table else pd.DataFrame()
    return pd.DataFrame({name: x[name] if x[name].min() < 0 else np.log1p(x[name]) for name in x}, x.index).join(which)
