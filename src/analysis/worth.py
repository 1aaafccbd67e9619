"""The page on what five per cent is worth: its readings, tables and sentences, made from the answers of `value`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.customers import purchases
from analysis.estimates import Answer, Estimate, NotTestable, columns, in_brief
from analysis.lifetimes import ALL, cohort_limit, lifetimes
from analysis.renewal import RenewalModel, RetentionCurve, fit_renewals, retention_curve, yearly_counts
from analysis.silence import order_curves
from analysis.value import (
    CAP,
    CONTRIBUTION,
    Case,
    annual_revenue,
    baseline_needed,
    break_even_spend,
    constant_growth,
    cost_multiplier,
    curves_by,
    departures_avoided,
    growth,
    improve,
    readings,
    still_to_come,
)
from analysis.words import MISSING, count, listing, plural, quantity

if TYPE_CHECKING:
    from analysis.checks import Step
    from analysis.customers import Purchases
    from analysis.hypotheses.rules import SimpleRule
    from analysis.studies import Study

# The change that the claims speak of.
CLAIMED = 0.05
# Columns of a table for `figures.sweep`, and the growth at which its lines end.
LINES = ["line", "x", "y", "low", "high"]
HIGHEST = 1.5
REPEATS = "repeat orders alone"


# --- what the sums stand on --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Basis:
    """What the sums of the page stand on.

    Attributes:
        steps: rows kept and dropped by each rule.
        noun: what is kept from year to year, customers or repeat orders.
        lead: name of the curve.
        curve: yearly retention, which decides the headline.
        others: that of each segment of contracts; or that of the other buying models, and without first orders.
        told: how many customers there are, how far retention was seen, and what else to know; sentences.
        limit: why these data cannot carry a verdict; None when they can.
        annual_revenue: of one customer, in the study's currency; None while unknown.
    """

    steps: tuple[Step, ...]
    noun: str
    lead: str
    curve: RetentionCurve | NotTestable
    others: Mapping[str, RetentionCurve | NotTestable]
    told: tuple[str, str, str]
    limit: str | None
    annual_revenue: float | None


def basis(lab: Study, *, by: str, returns: str, order: str, stated: float | None, draws: int, seed: int) -> Basis:
    """Contracts, in which departures are seen, where the study has them; else orders.

    Args:
        lab: the study.
        by: covariate that tells segments of contracts apart; empty takes the first, and none gives no segments.
        returns, order: as in `customers.purchases`.
        stated: yearly revenue of one customer; None takes what the table says: the price of contracts, or repeat
            orders of a customer's first year times the mean order.
        draws: resamples of the customers.
        seed: of the random numbers.
    """
    if not lab.has("subscriptions"):
        bought = purchases(lab.table("orders"), returns=returns, order=order)
        return _on_orders(bought, stated, draws=draws, seed=seed)
    table, note = lab.table("subscriptions"), ""
    spells, unit, limit = lifetimes(table), table.facts["unit"], cohort_limit(table)
    curve = retention_curve(spells, unit=unit, draws=draws, seed=seed)
    segments = curves_by(table, by, draws=draws, seed=seed, min_cell=lab.min_cell)
    size, span = told_curve(curve)
    span += f" What to mind: {limit}" if limit else " Each customer was followed from a known age: a true cohort."
    if isinstance(model := fit_renewals(yearly_counts(spells, unit=unit)), RenewalModel) and model.alpha <= 1:
        note = (
            f"In the renewal model a stay has no expected end (its alpha is {model.alpha:.3f}, and up to 1 too many "
            "hardly ever leave), so what is foretold is told discounted, or up to a horizon."
        )
    told, revenue = (size, span, note), annual_revenue(table, stated=stated)
    return Basis(table.steps, "customers", ALL, curve, segments, told, limit, revenue)


def _on_orders(bought: Purchases, revenue: float | None, *, draws: int, seed: int) -> Basis:
    curves, gains = order_curves(bought, draws=draws, seed=seed)
    lead, curve = next(iter(curves.items()))
    others = {name: of for name, of in curves.items() if name != lead}
    if isinstance(curve, RetentionCurve) and curve.first is not None:
        others[REPEATS] = replace(curve, first=None)
        if revenue is None and bought.measure == "revenue":
            rows = bought.rows.aggregate(mean=bought.rows.value.sum() / bought.rows.opens.sum()).to_pandas()
            revenue = float(rows["mean"].iloc[0] / curve.first[0])
    told = (*told_curve(curve), " ".join([*bought.notes, gains]))
    return Basis(bought.steps, "repeat orders", lead, curve, others, told, None, revenue)


# --- what is judged ----------------------------------------------------------------------------------------------


def claim_limit(base: Basis, rule: SimpleRule, growths: Iterable[Answer], *, change: float) -> str | None:
    """Why a verdict on the claim cannot go beyond inconclusive here; None when it can.

    Args:
        base: what the sums stand on.
        rule: of the claim.
        growths: the headline along each curve of the basis.
        change: that the run asks about.
    """
    if not np.isclose(change, CLAIMED):
        return f"The claim speaks of {100 * CLAIMED:g}%, and this run asks about {100 * change:g}%."
    words = [rule.judge(answer).word for answer in growths if isinstance(answer, Estimate)]
    if base.lead == ALL or (len(words) > 2 and len(set(words)) == 1):
        return base.limit
    said = f"their verdicts are {listing(words)}" if len(words) > 2 else "only one has anything to say"
    return f"Who has left is inferred from silence, which buying models read in their own ways: {said}."


def claim_readings(
    answers: Mapping[Case, Answer], segments: Mapping[str, Answer], *, change: float, horizon_years: int
) -> dict[str, Answer]:
    """What is judged, by name and the headline first: growth to the horizon in convention B.

    Every reading with every outcome; the headline over the observed years, without end and in convention A; and the
    headline in each segment.
    """
    points, to = readings(change)[0], f"{horizon_years} years"
    headline = f"{points}, {CONTRIBUTION}"
    judged = {headline: answers[Case(points, CONTRIBUTION, "B", to)]}
    for case, answer in answers.items():
        if case.convention == "B" and case.horizon == to:
            judged[f"{case.reading}, {case.outcome}"] = answer
        elif case[:3] == (points, CONTRIBUTION, "B"):
            judged[f"{headline}, {case.horizon}"] = answer
        elif case == Case(points, CONTRIBUTION, "A", to):
            judged[f"{headline}, first margin after a year"] = answer
    return judged | {f"{headline}, {segment}": answer for segment, answer in segments.items()}


def by_reading(answers: Mapping[Case, Answer], outcome: str, *, horizon_years: int) -> dict[str, Answer]:
    """One outcome under each reading, to the horizon, in convention B."""
    wanted = (outcome, "B", f"{horizon_years} years")
    return {case.reading: answer for case, answer in answers.items() if case[1:] == wanted}


# --- tables ------------------------------------------------------------------------------------------------------


def _drawn(rows: Iterable[dict[str, object]]) -> pd.DataFrame:
    """Rows with the columns of an answer, their note short enough for a figure."""
    table = pd.DataFrame(rows)
    return table.assign(note=np.where(table["value"].isna(), "not testable here", ""))


def case_table(answers: Mapping[Case, Answer]) -> pd.DataFrame:
    """One row a reading, outcome and timing (convention) with an answer, one column a horizon: growth, in words."""
    told = [in_brief(answer) if isinstance(answer, Estimate) else MISSING for answer in answers.values()]
    table = pd.DataFrame(list(answers)).rename(columns={"convention": "timing"}).assign(told=told)
    rows = ["reading", "outcome", "timing"]
    wide = table.pivot_table(index=rows, columns="horizon", values="told", aggfunc="first", sort=False)
    some = (wide != MISSING).any(axis=1)
    return (wide[some] if some.any() else wide).rename_axis(columns=None).reset_index()


def reasons(answers: Mapping[Case, Answer]) -> str:
    """Why some cases have no answer, each reason once."""
    return " ".join(dict.fromkeys(answer.reason for answer in answers.values() if isinstance(answer, NotTestable)))


def range_table(answers: Mapping[Case, Answer], *, horizon_years: int) -> pd.DataFrame:
    """Growth to the horizon in convention B: section (the reading), label (outcome), value, low, high (95%), note.

    Outcomes without an answer are left out, unless there is none at all.
    """
    table = _drawn(
        {"section": case.reading, "label": case.outcome} | columns(answer)
        for case, answer in answers.items()
        if (case.convention, case.horizon) == ("B", f"{horizon_years} years")
    )
    return table.dropna(subset="value") if table["value"].notna().any() else table


def answer_table(answers: Mapping[str, Answer]) -> pd.DataFrame:
    """One row an answer: label, value, low, high (95%), note where there is no number."""
    return _drawn({"label": key} | columns(answer) for key, answer in answers.items())


def reading_table(
    curve: RetentionCurve | NotTestable, *, change: float, years: int, annual_margin: float | None
) -> pd.DataFrame:
    """What each reading asks for and what it may cost.

    Returns:
        One row a reading: reading, departures_avoided, capped_years (both shares, of the years whose rate decides: all
        but the last), break_even (share of the margin of each customer-year), low, high (95%), break_even_amount
        (money; missing while the margin is unknown).
    """
    deciding = None if isinstance(curve, NotTestable) or years < 2 else curve.rates[: years - 1]
    rows = []
    for reading in readings(change):
        avoided = departures_avoided(curve, reading, change=change, years=years)
        spend = columns(break_even_spend(curve, reading, change=change, years=years))
        capped = np.nan if deciding is None else np.mean(improve(deciding, reading, change=change) >= CAP)
        rows.append((reading, columns(avoided)["value"], capped, spend["value"], spend["low"], spend["high"]))
    names = ["reading", "departures_avoided", "capped_years", "break_even", "low", "high"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(break_even_amount=table["break_even"] * (np.nan if annual_margin is None else annual_margin))


def retention_table(curve: RetentionCurve | NotTestable, *, years: int) -> pd.DataFrame:
    """Yearly retention for drawing: line ("observed", "projected"), x (year), y, low, high (95%)."""
    if isinstance(curve, NotTestable):
        return pd.DataFrame(columns=LINES, dtype=float)  # so that numbers stay numbers beside other lines
    span, seen = curve.until(years), curve.observed_years
    low, high = np.nanquantile(span.draws, [0.025, 0.975], axis=0)
    table = pd.DataFrame({"x": np.arange(1, years + 1), "y": span.rates, "low": low, "high": high})
    # The projected line starts at the last observed year, so that the two meet.
    parts = {"observed": table[:seen], "projected": table[max(seen - 1, 0) :] if seen < years else table[:0]}
    return pd.concat([rows.assign(line=line) for line, rows in parts.items()], ignore_index=True)[LINES]


def retention_lines(base: Basis, *, years: int) -> pd.DataFrame:
    """`retention_table` of contracts, or a line a buying model."""
    if base.lead == ALL:
        return retention_table(base.curve, years=years)
    curves = {base.lead: base.curve} | {name: of for name, of in base.others.items() if name != REPEATS}
    return pd.concat([retention_table(of, years=years).assign(line=name) for name, of in curves.items()])


def still_table(curve: RetentionCurve | NotTestable, *, years: int, discount_rate: float) -> pd.DataFrame:
    """What is still to come of a customer in each year of their life, for drawing: line, x (year), y, low, high."""
    ages = range(1, years + 1)
    return _line({age: still_to_come(curve, year=age, discount_rate=discount_rate) for age in ages}, "still to come")


def _line(answers: Mapping[int, Answer], name: str) -> pd.DataFrame:
    known = {x: answer for x, answer in answers.items() if isinstance(answer, Estimate)}
    return pd.DataFrame([(name, x, each.value, each.low, each.high) for x, each in known.items()], columns=LINES)


def told_still(still: pd.DataFrame) -> str:
    """The first and the last of `still_table`, in words."""
    if still.empty:
        return "Nothing can be told of what is still to come"
    first, last = (quantity(value, "years") for value in still["y"].iloc[[0, -1]])
    return f"Still to come from a new customer: {first} of margin; from one in year {len(still)}: {last}"


def sweep_horizon(curve: RetentionCurve | NotTestable, *, change: float, longest: int) -> pd.DataFrame:
    """Growth of the yearly contribution against the years that count: line (reading), x (years), y, low, high."""
    ends = range(1, longest + 1)
    each = [
        _line({years: growth(curve, reading, change=change, years=years) for years in ends}, reading)
        for reading in readings(change)
    ]
    return pd.concat(each, ignore_index=True)


def sweep_baseline(*, change: float, discount_rates: Iterable[float]) -> pd.DataFrame:
    """Growth of a customer's value against the rate one starts from, each rate constant for ever.

    Returns:
        line (discount rate in words), x (starting rate from one half up, in half points), y (growth).
    """
    grid = np.round(np.arange(0.5, CAP - change, 0.005), 3)
    rows = [
        (f"{100 * rate:g}% discount", start, growth)
        for rate in sorted(set(discount_rates))
        for start, growth in zip(grid, np.asarray(constant_growth(grid, change, discount_rate=rate)), strict=True)
    ]
    return pd.DataFrame(rows, columns=LINES[:3]).query("y <= @HIGHEST")


def sweep_costs(answers: Mapping[str, Answer]) -> pd.DataFrame:
    """Growth after costs that stay as they are, against the share they take of what they are paid from.

    Args:
        answers: growth before these costs, by reading.

    Returns:
        line (reading), x (share, in hundredths), y, low, high.
    """
    shares = np.round(np.arange(0, 0.96, 0.01), 2)
    growths = [
        (reading, share, *(times * end for end in (answer.value, answer.low, answer.high)))
        for reading, answer in answers.items()
        if isinstance(answer, Estimate)
        for share, times in zip(shares, np.asarray(cost_multiplier(shares)), strict=True)
    ]
    return pd.DataFrame(growths, columns=LINES).query("y <= @HIGHEST")


# --- sentences ---------------------------------------------------------------------------------------------------


def in_title(answer: Answer) -> str:
    """An answer without its interval."""
    return "an unknown amount" if isinstance(answer, NotTestable) else quantity(answer.value, answer.unit)


def told_curve(curve: RetentionCurve | NotTestable) -> tuple[str, str]:
    """How many customers a curve stands on and how far it was observed, a sentence each; or why there is none."""
    if isinstance(curve, NotTestable):
        return curve.reason, ""
    size = f"{plural(curve.customers, 'customer')}, of whom {count(curve.events)}"
    if curve.first is not None:
        return f"{size} came again.", "Nobody gives notice here: who has left is inferred from silence."
    return (
        f"{size} were seen to leave.",
        f"Retention was observed for {plural(curve.observed_years, 'whole year')}; later years are foretold.",
    )


def told_share(answer: Answer, claimed: float) -> str:
    """The share that unchanging costs must take for a growth to be reached, in words."""
    if isinstance(answer, NotTestable):
        return "at a share of costs that cannot be told"
    share = 1 - answer.value / claimed
    return f"when costs take {quantity(share, 'share')}" if share > 0 else "without any such costs"


def place(answer: Answer, low: float, high: float) -> str:
    """Where an answer's 95% interval lies against a claimed range, in words."""
    if isinstance(answer, NotTestable):
        return "not to be compared with the claimed range"
    if answer.high < low or answer.low > high:
        return f"{'below' if answer.high < low else 'above'} the claimed range"
    return f"{'inside' if low <= answer.low and answer.high <= high else 'partly inside'} the claimed range"


def told_baseline(claimed: float, *, change: float, discount_rate: float) -> str:
    """The constant rate that a growth needs, in words; `value.baseline_needed`."""
    needed = baseline_needed(claimed, change=change, discount_rate=discount_rate)
    if needed < 0:
        return "any rate at all"
    return quantity(needed, "share") + (", which leaves no room for the change" if needed > 1 - change else "")


def first_year(sweep: pd.DataFrame, reading: str, claimed: float) -> str:
    """From which horizon on a reading reaches a growth, in words, read off `sweep_horizon`."""
    reached = sweep.loc[(sweep["line"] == reading) & (sweep["y"] >= claimed), "x"]
    if reached.empty:
        return "at none of the horizons drawn"
    return f"once {plural(int(reached.min()), 'year')} or more are counted"
