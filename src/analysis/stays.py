"""How long customers stay, as exhibits: every one of them can also say why there is nothing to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import durations, figures, hazards, lifetimes, milestones, periods, reasons, renewal, retention
from analysis.estimates import Answer, Estimate, NotTestable, need, needed, told
from analysis.exhibits import Figure, Table, Text, instead, say
from analysis.words import count, listing, plural, quantity, spoken, with_interval

if TYPE_CHECKING:
    from analysis.checks import CheckedTable

FROM_TO = {"low": "from", "high": "to"}
AS_COHORT = " if the table is read as a cohort,"
UNTESTED = "No ratio was estimated, so none can be tested."


def size(spells: pd.DataFrame, *, unit: str) -> str:
    """Whom a page stands on, as a sentence: customers, leavers, the longest stay, and who was seen only later."""
    late = int(spells.loc[spells["entered"] > 0, "weight"].sum())
    seen_late = (
        f" {plural(late, 'of them', 'of them')} came under observation later and count from then on." if late else ""
    )
    longest = retention.follow_up(spells, at_least=1)
    return (
        f"{plural(lifetimes.customers(spells), 'contract')}, of which {count(lifetimes.leavers(spells))} "
        f"ended. The longest was seen for {_age(longest, unit)}.{seen_late}"
    )


def several(spells: pd.DataFrame) -> Text:
    """How many customers have several contracts, and what takes these together; nothing to mind where nobody has."""
    if lifetimes.CUSTOMER not in spells:
        return say("No customer has more than one contract in this table, so each stands for itself.")
    theirs = spells[spells[lifetimes.CUSTOMER] > 0]
    return say(
        "Customers with several contracts: {}, who hold {} of them. The bands of curves, the mean stays, the hazard "
        "ratios and whatever is resampled keep a customer's contracts together. The tests, the shares by reason, the "
        "ratios of stays, the billing periods, the never-leavers and the exponent of risk take each contract for "
        "itself, so their intervals may be too narrow.",
        theirs[lifetimes.CUSTOMER].nunique(),
        lifetimes.customers(theirs),
    )


def _age(value: float, unit: str) -> str:
    return f"{value:,.4g} {unit}{'' if value == 1 else 's'}"


@instead("There is no curve to draw: {}")
def survival(spells: pd.DataFrame, *, unit: str, by: str | None = None, min_cell: int = 5) -> Figure | Text:
    """Kaplan–Meier curves with the customers at risk below, of all customers or by group."""
    curves = retention.survival_curve(spells, unit=unit, by=by)
    shown = curves[curves["at_risk"] >= min_cell]
    need(shown["time"].max() > 0, f"at no age were {min_cell} customers under observation.")
    return figures.survival(
        curves,
        name="survival" if by is None else "survival-by-group",
        title=_title(shown, unit),
        caption=f"{size(spells, unit=unit)} Kaplan–Meier with 95% log–log intervals.",
        min_cell=min_cell,
    )


def _title(curves: pd.DataFrame, unit: str) -> str:
    """The finding, read where at least fifty of each group that has so many are still at risk."""
    enough = curves[curves["at_risk"] >= retention.MIN_AT_RISK]
    curves = curves if enough.empty else enough
    at = float(curves.groupby("group", sort=False)["time"].max().min())
    left = curves[curves["time"] <= at].groupby("group", sort=False)["survival"].last().sort_values()
    if len(left) > 1:
        low, high = (quantity(share, "share") for share in left.iloc[[0, -1]])
        return f"After {_age(at, unit)}, {high} were left of {left.index[-1]}, {low} of {left.index[0]}"
    half = retention.medians(curves)["median"].iloc[0]
    if np.isfinite(half):
        return f"Half of the customers had left after {_age(half, unit)}"
    return f"After {_age(at, unit)}, {quantity(left.iloc[0], 'share')} were still customers"


@instead("{}")
def medians(spells: pd.DataFrame, *, unit: str, by: str | None, min_cell: int = 5) -> Table:
    """The age by which half have left, by group."""
    curves = retention.survival_curve(spells, unit=unit, by=by)
    curves = curves[curves["at_risk"] >= min_cell]
    need(len(curves), f"There is no group of {min_cell} customers whose median could be shown.")
    return Table(
        name="medians",
        title="By when half of them had left",
        rows=retention.medians(curves).replace(np.inf, np.nan),
        units=dict.fromkeys(["median", "low", "high"], f"{unit}s"),
        headings=FROM_TO,
        caption="From and to are the ends of the 95% interval. A dash: more than half are still customers.",
    )


@instead("Nobody was followed for a whole year, so there is no yearly rate.")
def years(spells: pd.DataFrame, *, unit: str, min_cell: int = 5) -> Table:
    """Retention in each year of a customer's life."""
    rows = retention.yearly_retention(spells, unit=unit)
    need(len(rows), "")
    return Table(
        name="years",
        title="Retention in each year of a customer's life",
        rows=rows.astype({"year": str}),
        units={"retention": "share", "survival": "share"},
        headings={
            "retention": "stayed, of those who began the year",
            "survival": "stayed, of all who ever began",
            "at_risk": "customers watched to its end",
            "observed": f"at least {retention.MIN_AT_RISK} of them",
        },
        caption="A year is 365.25 days or twelve months.",
        size_column="at_risk",
        min_cell=min_cell,
    )


# --- Groups -----------------------------------------------------------------------------------------------------


@instead("No mean stay can be told. {}")
def mean(answer: Estimate, *, unit: str, until: float, limit: str | None = None) -> Text:
    """The restricted mean of all customers in a sentence; with a limit, as what it would be of a cohort."""
    return say("Of the first {},{} customers stayed {}.", _age(until, unit), AS_COHORT if limit else "", told(answer))


@instead("No mean stay can be told. {}")
def means(spells: pd.DataFrame, *, unit: str, by: str | None, until: float, min_cell: int = 5) -> Figure | Text:
    """Restricted means by group, with their intervals."""
    rows = retention.mean_by_group(spells, by=by, until=until, unit=unit)
    known = rows.dropna(subset="value")
    need(len(known), rows["note"].iloc[0])
    best = known.sort_values("value").iloc[-1]
    stay = quantity(best["value"], f"{unit}s")
    return figures.dots(
        rows.assign(note=np.where(rows["value"].isna(), "cannot be told", "")),
        name="mean-stay",
        title=f"Of the first {_age(until, unit)}, {best['label']} stayed {stay} on average",
        unit=f"{unit}s",
        x_label=f"Mean stay within the first {_age(until, unit)}",
        caption=f"{size(spells, unit=unit)} Area under the Kaplan–Meier curve; 95% intervals by Greenwood's sum.",
        min_cell=min_cell,
    )


@instead("There is one group only, so no difference to show.")
def differences(spells: pd.DataFrame, *, unit: str, by: str | None, until: float) -> Table:
    """How much longer each group stays than the largest one."""
    rows = retention.mean_differences(spells, by=by, until=until, unit=unit)
    need(len(rows), "")
    return Table(
        name="differences",
        title=f"Difference in mean stay within the first {_age(until, unit)}",
        rows=rows if rows["note"].any() else rows.drop(columns="note"),
        units=dict.fromkeys(["value", "low", "high"], f"{unit}s"),
        headings={"label": "groups", "n": "customers", "value": "difference"} | FROM_TO,
        caption="From and to are the ends of the 95% interval of each difference by itself.",
    )


@instead("The groups are not compared. {}")
def compared(spells: pd.DataFrame, *, by: str | None) -> Text:
    """The log-rank test in a sentence."""
    found = needed(retention.log_rank(spells, by=by))
    return say(
        "Log-rank test that the groups leave alike at every age: chi-squared {}, {}, p {}.",
        f"{found.statistic:,.2f}",
        plural(found.df, "degree of freedom", "degrees of freedom"),
        _p(found.p),
    )


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


# --- Covariates at once -----------------------------------------------------------------------------------------


def anew(*shown: Figure | Table | Text, unless: hazards.CoxModel | NotTestable) -> list[Figure | Table | Text]:
    """What is shown, less what only says again why a model, which came first, could not be had."""
    if not isinstance(unless, NotTestable):
        return [*shown]
    return [one for one in shown if not isinstance(one, Text) or not one.text.endswith((unless.reason, UNTESTED))]


@instead("{}")
def ratios(model: hazards.CoxModel, *, name: str = "hazard-ratios") -> Figure | Text:
    """Hazard ratios with their intervals, a section for each covariate."""
    rows, far = _by_covariate(model.table, "hazard_ratio")
    times = quantity(far["value"], "hazard ratio")
    title = f"Others equal, the widest gap is in {far['section']}: {far['term']}, {times} times the chance to leave"
    within = f" Compared within groups of {listing(list(map(spoken, model.strata)))}." if model.strata else ""
    return _ratio_dots(
        rows,
        name=name,
        title=title,
        x_label="Chance of leaving in the next moment, one group over the other",
        caption=f"{plural(model.customers, 'contract')}, {count(model.leavers)} ended. Cox's model with Efron's ties; "
        f"95% intervals. Concordance {model.concordance:.3f}.{within} {' '.join(model.notes)}".strip(),
    )


def _by_covariate(table: pd.DataFrame, ratio: str) -> tuple[pd.DataFrame, pd.Series]:
    """Terms of a model as rows of a figure, a section for each covariate, and the one that is farthest from 1."""
    rows = table.rename(columns={"covariate": "section", ratio: "value"})
    rows["section"] = rows["section"].map(spoken)
    # Yes and no say nothing without their question.
    flag = rows["term"].isin(["yes against no", "no against yes"])
    rows["label"] = rows["term"].where(~flag, rows["section"] + ": " + rows["term"])
    return rows, rows.loc[np.log(rows["value"]).abs().idxmax()]


def _ratio_dots(rows: pd.DataFrame, **telling: Any) -> Figure | Text:
    shown = rows[rows.columns.intersection(["section", "label", "value", "low", "high"])]
    return figures.dots(shown, unit="hazard ratio", reference=1.0, reference_label="no difference", **telling)


@instead(UNTESTED)
def assumption(model: hazards.CoxModel, *, name: str = "assumption") -> Table:
    """Whether each ratio is the same at every age."""
    rows = model.assumption.assign(
        covariate=model.assumption["covariate"].map(spoken),
        statistic=model.assumption["statistic"].map("{:,.2f}".format),
        p=model.assumption["p"].map(_p),
    )
    return Table(
        name=name,
        title="Is the ratio the same at every age?",
        rows=rows,
        headings={"statistic": "chi-squared", "df": "degrees of freedom", "holds": "may be taken as constant"},
        caption="Score test against a ratio that changes with age (Grambsch and Therneau). A ratio may be taken as "
        f"constant while p is at least 0.05 divided by {plural(len(rows), 'covariate')}.",
    )


@instead("No ratio of stays can be told. {}")
def stretched(spells: pd.DataFrame, *, covariates: Sequence[str]) -> Figure | Text:
    """How many times as long stays are, one group against the other, by the law of time that fits best."""
    model = needed(durations.accelerated(spells, covariates=covariates))
    rows, far = _by_covariate(model.table, "time_ratio")
    times = quantity(far["value"], "ratio")
    title = f"Others equal, the widest gap is in {far['section']}: {far['term']}, stays {times} times as long"
    fits = listing([f"{law} {aic:,.1f}" for law, aic in model.fits[["family", "aic"]].to_numpy()])
    return _ratio_dots(
        rows,
        name="time-ratios",
        title=title,
        x_label="Length of a stay, one group over the other",
        caption=f"{plural(model.leavers, 'contract')} ended. Accelerated failure time with 95% intervals. Laws of time "
        f"by AIC, the best first, which is shown: {fits}. {' '.join(model.notes)}".strip(),
    )


@instead("{}")
def in_periods(spells: pd.DataFrame, model: hazards.CoxModel, *, covariates: Sequence[str], unit: str) -> Table | Text:
    """Cox's ratios beside those of regressions over billing periods."""
    length, columns = periods.length_of(unit), {"Cox's model": _briefly(model.table, "hazard_ratio")}
    for heading, ratio in {"chance in a period": periods.HAZARD, "odds in a period": periods.ODDS}.items():
        found = periods.fit_periods(spells, covariates=covariates, length=length, ratio=ratio)
        if isinstance(found, NotTestable):
            return say("Billing periods are not compared. {}", found.reason)
        columns[heading] = _briefly(found, ratio)
    period = "a month of 30.4 days" if unit == "day" else f"one {unit}"
    return Table(
        name="periods",
        title="The same ratios where time moves in billing periods",
        rows=_side_by_side(columns),
        caption=f"A period is {period}. Chance: complementary log–log regression; odds: logistic regression; every age "
        "has a rate of its own. In brackets 95% intervals.",
    )


def _briefly(table: pd.DataFrame, ratio: str) -> pd.Series:
    rows = _by_covariate(table, ratio)[0].set_index("label")[["value", "low", "high"]]
    told = [with_interval(value, low, high, "hazard ratio") for value, low, high in rows.to_numpy()]
    return pd.Series(told, rows.index)


def _side_by_side(columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    return pd.DataFrame(columns).fillna("").rename_axis("group").reset_index()


# --- Reasons, changes, and those who never leave ----------------------------------------------------------------


def why(
    contracts: CheckedTable, *, covariates: Sequence[str], until: float, min_cell: int = 5
) -> list[Figure | Table | Text]:
    """The share that leaves for each reason, beside the naive one, and who is likelier to leave for which."""
    known = [reasons.REASON] if contracts.has(reasons.REASON) else []
    names = list(dict.fromkeys([*covariates, *known]))
    unit, spells = contracts.facts["unit"], lifetimes.lifetimes(contracts, by=names, min_cell=min_cell)
    curves = reasons.incidence(spells, min_cell=min_cell)
    if isinstance(curves, NotTestable):
        return [say("Reasons for leaving are not told apart. {}", curves.reason)]
    lines = curves[curves["at_risk"] >= min_cell].rename(columns={"reason": "line", "time": "x", "share": "y"})
    then = curves[curves["time"] <= until].groupby("reason", observed=True, sort=False).last().reset_index()
    share, by = quantity(then["share"].iloc[0], "share"), _age(until, unit)
    drawn = figures.sweep(
        lines[["line", "x", "y", "low", "high"]].astype({"line": str}),
        name="reasons",
        title=f"Within {by}, {share} had left for the commonest reason: {then['reason'].iloc[0]}",
        x_label=f"{unit.capitalize()}s since becoming a customer",
        x_unit="count",
        y_label="Share of all who began that has left for the reason",
        y_unit="share",
        caption=f"{size(spells, unit=unit)} Aalen–Johansen estimates with 95% log–log intervals.",
    )
    apart = Table(
        name="reasons-apart",
        title=f"Left within {by}, reason by reason",
        rows=then[["reason", "leavers", "share", "low", "high", "naive"]],
        units=dict.fromkeys(["share", "low", "high", "naive"], "share"),
        headings={"share": "left for it", "naive": "by its curve alone"} | FROM_TO,
        caption="The curve of one reason alone treats who left for another as if they could still leave for this one. "
        "As a share of customers it is too high where others came first; it tells what would be if there were no "
        "others.",
        size_column="leavers",
        min_cell=min_cell,
    )
    models = reasons.by_reason(spells, covariates=covariates, min_cell=min_cell)
    fitted = {f"reason: {reason}": m for reason, m in models.items() if isinstance(m, hazards.CoxModel)}
    if not fitted:
        return [drawn, apart]
    rows = _side_by_side({heading: _briefly(model.table, "hazard_ratio") for heading, model in fitted.items()})
    notes = dict.fromkeys(["95% intervals.", *(note for model in fitted.values() for note in model.notes)])
    caption = f"Hazard ratios for each reason with enough leavers, by Cox's model; {' '.join(notes)}"
    who = Table(name="by-reason", title="Who is likelier to leave for what", rows=rows, caption=caption)
    return [drawn, apart, who]


@instead("Members are not compared with others. {}")
def joined(models: Mapping[str, hazards.CoxModel | NotTestable]) -> Figure | Text:
    """Joining a programme and leaving: counted from the day of joining, and as if known on the first day."""
    if not models:
        return say("Whether members stay longer is not asked: it takes memberships, and subscriptions with dates.")
    rows = []
    for how, model in models.items():
        term, notes = needed(model).table.iloc[0], needed(model).notes
        value, low, high = term["hazard_ratio"], term["low"], term["high"]
        # A model takes the commoner state as its base; here it is always those who have not joined.
        ends = (1 / value, 1 / high, 1 / low) if term["term"].startswith(milestones.BEFORE) else (value, low, high)
        rows.append((how, *ends))
    flag, dated = (quantity(row[1], "hazard ratio") for row in rows)
    title = f"From the day they joined, members were {dated} times as likely to leave as those who had not joined"
    return _ratio_dots(
        pd.DataFrame(rows, columns=["label", "value", "low", "high"]),
        name="joined",
        title=title,
        x_label="Chance of leaving in the next moment, members over others",
        caption=f"Cox's model; 95% intervals. The {flag} is wrong and shown for its error: it lends members the days "
        "they had to stay in order to join (immortal time). The other cuts each contract on the day of joining. "
        f"{' '.join(notes)}".strip(),
    )


@instead("How many customers never leave cannot be told. {}")
def never(spells: pd.DataFrame, *, unit: str) -> Text:
    """How many never leave, in a sentence, or why that cannot be told."""
    cure = needed(durations.never_leavers(spells, unit=unit))
    return say(
        "Customers who never leave: {}. Of the others half had left by {}, and {} are still to come (a mixture of "
        "customers who stay for good and customers who leave after a Weibull law of time).",
        *(told(cure.share), _age(cure.median, unit), quantity(cure.still_to_come, "share")),
    )


# --- Rates and renewal ------------------------------------------------------------------------------------------


@instead("The rate cannot be put to the test. {}")
def rate_readings(readings: Mapping[str, Answer], *, low: float, high: float) -> Figure | Text:
    """The stay that a constant rate promises, over the stay that was seen."""
    first, estimate = next((name, needed(answer)) for name, answer in readings.items())
    known = [(name, e) for name, e in readings.items() if isinstance(e, Estimate)]
    rows = [{"label": name, "value": e.value, "low": e.low, "high": e.high, "n": e.n} for name, e in known]
    ratio, ended = quantity(estimate.value, "ratio"), count(estimate.events or 0)
    return figures.dots(
        pd.DataFrame(rows),
        name="rate-and-stay",
        title=f"For {first}, the average rate promises {ratio} times the stay that was seen",
        unit="ratio",
        x_label="Stay at a constant rate over the observed mean stay",
        reference=1.0,
        reference_label="the rate tells the truth",
        bands=[(low, high, "close enough")],
        caption=f"{plural(estimate.n, 'contract')}, {ended} ended; {estimate.method}, 95% intervals.",
    )


@instead("The rate cannot be put to the test. {}")
def by_horizon(spells: pd.DataFrame, *, unit: str, low: float, high: float, limit: str | None = None) -> Text:
    """Where the stay that the rate promises is too long, and where too short, by how far one looks.

    Args:
        spells: distinct rows.
        unit: of time.
        low, high: the ratios between which a promise counts as kept.
        limit: why the table is no cohort, if it is none.
    """
    needed(retention.tenure_from_rate(spells, unit=unit, seed=0, draws=1))
    seen = retention.stay_ratios(spells, unit=unit, parts=(0.5, 1))
    years = 2 * len(renewal.yearly_counts(spells, unit=unit))
    later = renewal.stay_ratio_beyond(spells, unit=unit, years=years)
    parts = [f"over the first {_age(age, unit)} {quantity(ratio, 'ratio')} times" for age, ratio in seen.items()]
    if isinstance(later, NotTestable):
        beyond, later = later.reason, float("nan")
    else:
        beyond = f"To {plural(years, 'year')}, foretold by the renewal model, it is {quantity(later, 'ratio')} times."
    outcomes = {
        "too long a stay within the time observed": max(seen.values()) > high,
        "too short a stay within the time observed": min(seen.values()) < low,
        "too long a stay beyond it": later > high,
        "too short a stay for those who remain": later < low,
    }
    return say(
        "The rate promises, as a multiple of the stay that was seen, {}. {} So{} it promises {}.",
        listing(parts),
        beyond,
        AS_COHORT if limit else "",
        listing([phrase for phrase, true in outcomes.items() if true]) or "about the stay that was seen",
    )


@instead("There are no yearly rates to explain. {}")
def renewals(spells: pd.DataFrame, *, unit: str) -> Figure | Text:
    """Yearly retention as seen, beside a population of customers who differ but never change."""
    counts = renewal.yearly_counts(spells, unit=unit)
    model = needed(renewal.fit_renewals(counts))
    seen = (1 - counts["lost"] / counts["at_risk"]).to_numpy()
    lines = {
        "observed": seen,
        "customers who differ": model.retention(counts["year"].to_numpy()),
        "one rate for all": 1 - counts["lost"].sum() / counts["at_risk"].sum(),
    }
    drawn = [pd.DataFrame({"line": name, "x": counts["year"].astype(float), "y": y}) for name, y in lines.items()]
    return figures.sweep(
        pd.concat(drawn, ignore_index=True),
        name="renewals",
        title=_path(seen),
        x_label="year of the customer's life",
        x_unit="count",
        y_label="Share of those who began the year that ended it as customers",
        y_unit="share",
        caption=f"{size(spells, unit=unit)} Customers who differ: shifted-beta-geometric, "
        f"alpha {model.alpha:.3f}, beta {model.beta:.3f}; each customer keeps one chance of leaving for life. "
        f"{_fit(renewal.goodness(model, counts))}",
    )


def _path(rates: np.ndarray) -> str:
    """Where yearly rates began and ended, and where they turned in between."""
    moved = f"From year 1 to year {len(rates)}, yearly retention went from {rates[0]:.1%} to {rates[-1]:.1%}"
    turns = sorted({int(rates.argmin()), int(rates.argmax())} - {0, len(rates) - 1})
    return moved + (
        f", by way of {listing([f'{rates[turn]:.1%} in year {turn + 1}' for turn in turns])}" if turns else ""
    )


def _fit(fit: renewal.Fit | None) -> str:
    if fit is None:
        return "Two years always fit, so they do not test the model."
    chance = "no more than chance explains"
    if fit.p < renewal.MISFIT:
        chance = "more than chance explains, so the model does not describe these years"
    return (
        f"Observed and fitted part most in year {fit.year}, {fit.observed:.1%} observed and {fit.fitted:.1%} fitted; "
        f"over all years they part by {chance} (chi-squared {fit.statistic:,.1f}, "
        f"{plural(fit.df, 'degree of freedom', 'degrees of freedom')}, p {_p(fit.p)})."
    )
