"""Does personal treatment pay? Consent, offers from what was bought before, rewards and satisfaction, each by lot.

Claims P12, P13, P15 and S11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import journeys, scales, trials
from analysis.afterwards import in_turn
from analysis.customers import YEAR, Purchases
from analysis.estimates import Answer, Estimate, NotTestable, gated, need, needed, told
from analysis.exhibits import Figure, Table, Text, instead, say
from analysis.indicators import mean_score
from analysis.promoting import PLAIN, SHARPER, arms_drawn, sides, staying
from analysis.words import plural, quantity

if TYPE_CHECKING:
    from analysis.studies import Study

FITTING = "whose past fits, against any"
FIRST, LAST, UNDRAWN = "first answer after the lot", "last answer", "without a lot, beside customers alike"
CONTROL = "what it cannot move"
OVERLAP = 0.05  # chance of personal treatment below which, and above one less which, nobody alike is to be found
TREATED, OFFERS = {True: "personal", False: "usual"}, {True: "from the history", False: "at random"}
otherwise = partial(trials.otherwise, money="after_worth")
UNNAMED = "No trial of {} is on record, or its treated arm is not named ({})."
ALIKE = 0.05  # share by which the costs of two rewards may differ and still count as equal


# --- consent (P12) ------------------------------------------------------------------------------------------------


@gated
def consenting(study: Study, column: str, arm: str = "", control: str = "") -> Any:
    """Who was asked for consent: treated (something was offered in return) and yes, counted.

    Args:
        study: whose experiments are asked.
        column: says who consented: yes and no in any form, or 1 and 0.
        arm, control: see `trials.arms`.
    """
    people = needed(trials.arms(study, arm, control=control, known=column))
    return people.select("treated", yes=trials.happened(people[column])).order_by("treated", "yes").to_pandas()


@gated
def willing(table: pd.DataFrame | NotTestable) -> Any:
    """P12: share who consent among those who were offered something personal in return."""
    asked = needed(table)
    sizes = asked["treated"].value_counts().reindex([True, False], fill_value=0)
    need(sizes.min() >= trials.FEWEST, f"Either arm needs {trials.FEWEST} cases; the smaller one has {sizes.min()}.")
    return Estimate.proportion(int(asked.loc[asked["treated"], "yes"].sum()), int(sizes[True]))


# --- offers (P13) -------------------------------------------------------------------------------------------------


@gated
def offers(study: Study, bought: Purchases | NotTestable, arm: str, *, days: int) -> Any:
    """The table of `trials.around` for a trial of offers; it must be named where there are several trials."""
    need(arm, UNNAMED.format("offers chosen from the purchase history", "offer_arm"))
    return trials.around(trials.arms(study, arm), needed(bought), days=days, money="value")


def offered(table: pd.DataFrame | NotTestable) -> dict[str, Answer]:
    """Readings of P13: mean margin after offers from the purchase history over that after random ones.

    Args:
        table: from `trials.around`.
    """
    if isinstance(table, NotTestable):
        return {SHARPER: table}
    return {SHARPER: otherwise(table), PLAIN: otherwise(table, past=trials.LEFT_OUT)}


@gated
def matched(study: Study, *, past: Sequence[str], fits: Sequence[str], outcome: str, control: str) -> Any:
    """Units of an experiment with several offers: arm, spent, and for each arm whether it fits their past.

    Args:
        study: whose experiments are asked.
        past: columns that say what was bought before.
        fits: the arm that fits each of them. Where several fit a unit, each is as likely; where none does, all are.
        outcome: what a unit spent afterwards.
        control: see `trials.arms`.
    """
    need(
        past and outcome and len(past) == len(fits),
        "The lot did not give several offers, or none is said to fit a customer's past (outcome, past, fits).",
    )
    people = needed(trials.arms(study, control=control, known=outcome))
    trials.rows_of(study, "experiments", *past)
    table = people.filter(people.treated).select("arm", spent=people[outcome].cast("float64"), **{
        arm: people[column].cast("float64") for column, arm in zip(past, fits, strict=True)
    })  # fmt: skip
    return table.order_by(table.columns).to_pandas()


@gated
def fitting(table: pd.DataFrame | NotTestable) -> Any:
    """P13 where each arm is an offer: mean spending if past purchases chose it, over that if a coin did."""
    rows = needed(table)
    fits = rows.drop(columns=["arm", "spent"]).clip(0, 1)
    fits = fits.where(fits.sum(axis=1) > 0, 1.0)
    chance = fits.div(fits.sum(axis=1), axis=0)
    return trials.by_policy(
        rows["spent"], rows["arm"], chance, pd.DataFrame(1 / len(fits.columns), fits.index, fits.columns)
    )


# --- rewards (P15) ------------------------------------------------------------------------------------------------


@gated
def kept(study: Study, bought: Purchases | NotTestable, arm: str, *, days: int) -> Any:
    """Units of a trial of rewards with stayed: still under contract after so many days, else ordered within them.

    Args:
        study: whose experiments, and subscriptions where there are dated ones, are asked.
        bought: its orders, or that there are none.
        arm: see `trials.arms`; it must be named where there are several trials.
        days: who was not watched so long is left out.
    """
    need(arm, UNNAMED.format("personal rewards", "reward_arm"))
    people = needed(trials.arms(study, arm))
    if isinstance(there := staying(study, people, days=days), NotTestable):
        table = needed(trials.around(people, needed(bought), days=days))
        return table.assign(stayed=table["after"] > 0)
    known = there[there["left"] | (there["time"] >= days)]
    need(len(known), f"Nobody was watched for {plural(days, 'day')} after the lot.")
    each = known.loc[known.index.repeat(known["n"]), ["treated", "left"]].reset_index(drop=True)
    return each.assign(stayed=~each.pop("left"))


@gated
def retained(table: pd.DataFrame | NotTestable, costs: Sequence[float]) -> Any:
    """P15: share retained with a personal reward, minus that with a standard one.

    Args:
        table: from `kept`.
        costs: of a personal and of a standard reward. Where they are not equal, a dearer reward may be what is liked.
    """
    rows = needed(table)
    need(len(costs) == 2, "What either reward costs is not known, so a dearer one may do it. State reward_costs.")
    apart = abs(costs[0] - costs[1]) / max(*map(abs, costs), 1e-9)
    need(apart <= ALIKE, f"The rewards cost {costs[0]:g} and {costs[1]:g}: what a dearer reward does is another claim.")
    before = trials.known_before(rows)
    return trials.difference(rows["stayed"].astype(float), rows["treated"], before=before)


# --- satisfaction (S11) -------------------------------------------------------------------------------------------


@gated
def answered(study: Study, arm: str, *, last: bool = False) -> Any:
    """Satisfaction after the lot of personal service (see `trials.asked`); the trial must be named."""
    need(arm, UNNAMED.format("personal treatment", "service_arm"))
    need(study.has("surveys"), "The study has no surveys table.")
    return trials.asked(study, scales.answers(study), "satisfaction", arm, last=last)


def pleased(study: Study, arm: str) -> dict[str, Answer]:
    """Readings of S11: satisfaction with personal treatment minus without, first answer after the lot, and last."""
    return {name: happier(answered(study, arm, last=name == LAST)) for name in (FIRST, LAST)}


@gated
def happier(said: pd.DataFrame | NotTestable) -> Any:
    """Difference of the arms in standard deviations of the control arm, adjusted for the answer before."""
    rows = needed(said)
    return trials.difference(rows["said"], rows["treated"], before=rows[["before"]], in_sd=True, unit="sd")


@gated
def undrawn(study: Study, found: Any, touchpoint: str, *, days: int, control: str = "") -> Any:
    """Customers with and without a personal contact between two answers, where no lot was drawn.

    Args:
        study: whose touchpoints are asked.
        found: its questionnaires.
        touchpoint: the kind of contact that is personal treatment.
        days: before the later answer in which such a contact counts; as many before the first tell how much a customer
            was in touch anyhow.
        control: a construct that such a contact cannot move; empty for none.

    Returns:
        One row a customer (the last pair of answers): treated, said (satisfaction then) and where asked `CONTROL`
        (likewise); before (satisfaction at the first answer) and the control's earlier score, months (between them) and
        a column a touchpoint (contacts before the first answer).
    """
    need(touchpoint, "No kind of contact is named as personal treatment (personal_contact), where no lot was drawn.")
    answers = needed(found)
    asked = {"before": "satisfaction"} | ({"control before": control} if control in answers.constructs else {})
    needed(answers.lacks(*asked.values()) or answers)
    scores = pd.DataFrame({name: answers.score(answers.constructs[said]) for name, said in asked.items()})
    named = {"who": "customer_id", "later before": "said", "later control before": CONTROL}
    pairs = needed(in_turn(answers, scores)).rename(columns=named)
    pairs["day"] = pd.to_datetime(answers.who.loc[pairs.index, "answered_at"]).dt.normalize()
    pairs = pairs[pairs["months"] * YEAR / 12 >= days].sort_values("day").drop_duplicates("customer_id", keep="last")
    known = journeys.touched(study, pairs.drop(columns="weight"), days=days, gap=0)
    last = known["day"] + pd.to_timedelta(known["months"] * YEAR / 12, unit="D").dt.round("D")
    then = journeys.touched(study, known[["customer_id"]].assign(day=last), days=days, gap=0)
    need(touchpoint in then, f"Nobody had a contact of the kind {touchpoint} before an answer.")
    return known.drop(columns=["customer_id", "day"]).assign(treated=(then[touchpoint] > 0).to_numpy())


@gated
def likened(table: pd.DataFrame | NotTestable, *, outcome: str = "said") -> Any:
    """S11 without a lot: outcome with a personal contact minus without, in standard deviations of those without.

    Customers are weighed by the chance of such a contact that their past gave them, and what the past foretells of the
    answer is taken out; either being right is enough. What no column tells stays in.

    Args:
        table: from `undrawn`.
        outcome: "said"; or `CONTROL`, which the contact cannot change.

    Source: Robins, Rotnitzky & Zhao (1994), Journal of the American Statistical Association 89 (augmented inverse
        probability weighting); Crump and others (2009), Biometrika 96, for leaving out who has nobody alike.
    """
    from statsmodels.api import GLM, families

    rows = needed(table)
    need(outcome in rows, "No question is named that such a contact cannot move (control).")
    past = rows.drop(columns=["treated", *({"said", CONTROL} & set(rows))])
    x = np.column_stack([np.ones(len(rows)), np.sqrt(past.loc[:, np.ptp(past, axis=0) > 0])])
    y, had = rows[outcome].to_numpy(), rows["treated"].to_numpy()
    sizes = f"{had.sum()} with a personal contact and {(~had).sum()} without; {trials.FEWEST} are needed of each."
    need(min(had.sum(), (~had).sum()) >= trials.FEWEST, sizes)
    chance = GLM(had.astype(float), x, family=families.Binomial()).fit().fittedvalues
    kept = (chance > OVERLAP) & (chance < 1 - OVERLAP)
    few = f"Of these {kept.sum()} have others alike on both sides"
    need(min((had & kept).sum(), (~had & kept).sum()) >= trials.FEWEST, f"{few}; {trials.FEWEST} are needed on each.")
    x, y, had, chance = x[kept], y[kept], had[kept], chance[kept]
    without, withal = (x @ np.linalg.lstsq(x[arm], y[arm], rcond=None)[0] for arm in (~had, had))
    each = withal - without + had * (y - withal) / chance - ~had * (y - without) / (1 - chance)
    spread = y[~had].std(ddof=1)
    need(spread, "All without such a contact gave the same answer.")
    error = float(each.std(ddof=1) / np.sqrt(len(y)) / spread)
    return Estimate.normal(each.mean() / spread, error, unit="sd", n=len(y), method="weighed by the chance of it")


@instead("{}")
def who_answered(said: pd.DataFrame, study: Study, arm: str) -> Text:
    """Whether as many of either arm answered, in a sentence."""
    people = trials.dated(trials.arms(study, arm)).select("customer_id", "treated").to_pandas()
    there = people["customer_id"].isin(said["customer_id"]).astype(float)
    return say(
        "Of those who were served personally, the share who answered later differs from the share among the others by "
        "{}.",
        told(trials.difference(there, people["treated"])),
    )


# --- what it looks like -------------------------------------------------------------------------------------------


def shares(agreed: pd.DataFrame | NotTestable, stayed: pd.DataFrame | NotTestable, *, min_cell: int) -> Figure | Text:
    """Who consented, and who stayed, in either arm of their trials."""
    tables = {"consented to the use of their data": (agreed, "yes"), "were still customers": (stayed, "stayed")}
    rows = [
        (name, got, Estimate.proportion(int(part[column].sum()), len(part)))
        for name, (table, column) in tables.items()
        if not isinstance(table, NotTestable)
        for got, part in sides(table)
        if len(part)
    ]
    if not rows:
        return say("Nobody was asked for consent by lot, and no rewards were given by lot.")
    gaps = zip(rows[::2], rows[1::2], strict=True)
    more = " and ".join(f"{quantity(a.value - b.value, 'points')} {name}" for (name, _, a), (_, _, b) in gaps)
    return arms_drawn(
        rows,
        TREATED,
        name="shares",
        title=f"With personal treatment, {more}",
        unit="share",
        x_label="Share of each arm",
        caption="95% intervals (Wilson).",
        min_cell=min_cell,
    )


@instead("{}")
def moods(said: pd.DataFrame, *, min_cell: int) -> Figure | Text:
    """Mean satisfaction of either arm, by how long after the lot it was asked."""
    halves = ((said["answered_at"] - said["assigned_at"]).dt.days // 183).clip(upper=3)
    names = ("within half a year", "in the second half-year", "in the third", "later")
    return arms_drawn(
        [
            (names[half], got, mean_score(part["said"], "ratio"))
            for half, rows in said.groupby(halves)
            for got, part in sides(rows)
        ],
        TREATED,
        name="satisfaction",
        title="Satisfaction of the two arms, by the time since the lot was drawn",
        unit="ratio",
        x_label="Mean satisfaction, as answered",
        caption=f"{plural(len(said), 'customer')}, first answer of each after the lot. 95% intervals.",
        min_cell=min_cell,
    )


def sizes(tables: Mapping[str, pd.DataFrame | NotTestable]) -> Table:
    """How many customers each trial has in either arm, or why there is none."""
    lacks = {name: getattr(table, "reason", "") for name, table in tables.items()}
    rows = [(name, 0 if lacks[name] else len(table), lacks[name]) for name, table in tables.items()]  # type: ignore[arg-type]
    named = pd.DataFrame(rows, columns=["trial", "customers", "note"])
    return Table(name="trials", title="The trials of this page", rows=named)


@instead("{}")
def moved_consent(table: pd.DataFrame) -> Text:
    """What the offer changed in the share who consent, in a sentence."""
    return say("The offer changed the share who agree by {}.", told(trials.difference(table["yes"], table["treated"])))


def leading(readings: Mapping[str, Answer]) -> str:
    """The first reading of P13 that has an answer, else the first."""
    return next((name for name, answer in readings.items() if isinstance(answer, Estimate)), next(iter(readings)))
