"""Do customers grow attached, or do the unattached leave? The behaviour behind claim G05, as readings and exhibits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis import figures, scales, within
from analysis.estimates import Answer, NotTestable, columns, gated, need, needed, told
from analysis.exhibits import Figure, Text, instead, say
from analysis.lifetimes import groups_of
from analysis.renewal import FEWEST_RENEWALS, deepening, yearly_counts
from analysis.studies import Study
from analysis.words import count

ATTACHMENT = NotTestable(
    "Attachment itself is asked of people: it takes a survey that asks the same customers about their bond three times."
)
WAVES = 3  # answers of each customer, by the register's gate


@gated
def encounters(lab: Study) -> Any:
    """The bond of customers who told it at least three times, with how many orders each had placed until then.

    Returns:
        customer_id, answered_at, bond, orders; or why there are none.
    """
    need(lab.has("surveys"), ATTACHMENT.reason)
    found = scales.answers(lab)
    needed(found.lacks("bond"))
    need({"customer_id", "answered_at"} <= {*found.who} and lab.has("orders"), ATTACHMENT.reason)
    who = found.who[["customer_id", "answered_at"]].assign(bond=found.score(found.constructs["bond"])).dropna()
    who = who[who.groupby("customer_id")["bond"].transform("size") >= WAVES]
    seen = who["customer_id"].nunique()
    few = f"{count(seen)} customers told their bond at {WAVES} times or more, and {scales.FEWEST} are needed."
    need(seen >= scales.FEWEST, few)
    orders = lab.table("orders").rows
    log = orders.filter(orders.customer_id.isin(who["customer_id"].unique()))
    log = log.select("customer_id", "ordered_at").to_pandas().sort_values("ordered_at")
    log["orders"] = log.groupby("customer_id").cumcount() + 1.0
    days = who.sort_values("answered_at").astype({"answered_at": log["ordered_at"].dtype})
    both = pd.merge_asof(days, log, left_on="answered_at", right_on="ordered_at", by="customer_id")
    return both.drop(columns="ordered_at").fillna({"orders": 0.0})


@gated
def attachment(rows: pd.DataFrame | NotTestable) -> Any:
    """The first part of G05: each customer against themselves, and against all who were asked in the same quarter.

    Args:
        rows: from `encounters`.
    """
    table = within.in_deviations(needed(rows), ["bond"])
    table = table.assign(quarter=table["answered_at"].dt.to_period("Q").astype(str))
    found = within.slope(table, "bond", "orders", unit="customer_id", effects=("customer_id", "quarter"))
    return found.estimate("sd", method="within customers")


def changes(spells: pd.DataFrame, *, by: str | None, unit: str) -> dict[str, Answer]:
    """Whether customers change as they stay, by reading.

    Years are the periods; where fewer than four were watched, the table's own unit is, unless it is a day.

    Args:
        spells: distinct rows, with the column `by`.
        by: tells groups apart; None for one group of all.
        unit: of time.

    Returns:
        First one exponent for all, each group with its own spread of risks; where there are several groups, then each
        by itself, and all as if they were one.
    """
    groups = {f"{by}: {name}" if by else name: _counts(rows, unit) for name, rows in groups_of(spells, by)}
    found = {"all, each group with its own risks" if len(groups) > 1 else "all": deepening([*groups.values()])}
    if len(groups) > 1:
        found |= {name: deepening([counts]) for name, counts in groups.items()}
        found["all as if they were one group"] = deepening([_counts(spells, unit)])
    return found


def _counts(spells: pd.DataFrame, unit: str) -> pd.DataFrame:
    years = yearly_counts(spells, unit=unit)
    return years if len(years) >= FEWEST_RENEWALS or unit == "day" else yearly_counts(spells, unit="year")


def readings(found: Mapping[str, Answer], bond: Answer = ATTACHMENT) -> dict[str, dict[str, Answer]]:
    """Readings of G05 by name: attachment, which contracts cannot show, and behaviour, the exponent of time."""
    return {name: {"attachment": bond, "behaviour": exponent} for name, exponent in found.items()}


@instead("{}")
def told_changes(found: Mapping[str, Answer]) -> Text:
    """What the first reading says, as a sentence."""
    one = needed(next(iter(found.values())))
    finding = "Whether a customer's own risk of leaving changes as they stay cannot be told"
    if one.low > 1:
        finding = "A customer's own risk of leaving rises as they stay, and where the rate rises too, sorting lifts it"
    elif one.high < 1:
        finding = "A customer's own risk of leaving falls as they stay: more than sorting lifts the rate"
    return say("{}. The exponent of time is {}.", finding, told(one))


@instead("There is no exponent to draw.")
def exponents(found: Mapping[str, Answer]) -> Figure | Text:
    """The exponent of time in every reading."""
    one, title = needed(next(iter(found.values()))), told_changes(found).text.split(". ")[0]
    rows = [{"label": name} | columns(exponent) for name, exponent in found.items()]
    return figures.dots(
        pd.DataFrame(rows).assign(note=lambda t: np.where(t["value"].isna(), "cannot be told", "")),
        name="exponents",
        title=title,
        unit="elasticity",
        x_label="Exponent of time: below 1 a customer's own risk falls, above 1 it rises",
        reference=1.0,
        reference_label="nobody changes",
        caption=f"{count(one.n)} contracts at their first renewal, {count(one.events or 0)} ended. "
        f"Beta-discrete-Weibull model, 95% intervals by {one.method} (first row).",
    )
