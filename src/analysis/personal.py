"""Does personal treatment pay? Consent, offers from what was bought before, rewards and satisfaction, each by lot.

Claims P12, P13, P15 and S11.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis import scales, trials
from analysis.customers import Purchases
from analysis.estimates import Answer, Estimate, NotTestable, gated, need, needed, told
from analysis.exhibits import Figure, Table, Text, instead, say
from analysis.indicators import mean_score
from analysis.promoting import PLAIN, SHARPER, arms_drawn, sides, staying
from analysis.words import plural, quantity

if TYPE_CHECKING:
    from analysis.studies import Study

FITTING = "whose past fits, against any"
FIRST, LAST = "first answer after the lot", "last answer"
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
    need(study.has("surveys"), "The study has no table surveys.")
    return trials.asked(study, scales.answers(study), "satisfaction", arm, last=last)


def pleased(study: Study, arm: str) -> dict[str, Answer]:
    """Readings of S11: satisfaction with personal treatment minus without, first answer after the lot, and last."""
    return {name: happier(answered(study, arm, last=name == LAST)) for name in (FIRST, LAST)}


@gated
def happier(said: pd.DataFrame | NotTestable) -> Any:
    """Difference of the arms in standard deviations of the control arm, adjusted for the answer before."""
    rows = needed(said)
    return trials.difference(rows["said"], rows["treated"], before=rows[["before"]], in_sd=True, unit="sd")


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
