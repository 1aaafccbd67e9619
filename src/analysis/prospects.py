"""Who will buy again? Buying models beside a naive rule on a hold-out, and whether counting orders is enough (R07).

A log is cut on a day. Models learn from what came before it and are shown only with what they gain on what came
after. Every table stands on groups of customers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first used

from analysis import buying, figures, foresight, holdout, order_values
from analysis.customers import Purchases
from analysis.estimates import NORMAL, Answer, Estimate, NotTestable, bootstrapped, columns, in_brief, resampled
from analysis.exhibits import Figure, Table, Text, say
from analysis.fits import Fit, around, fit_buying
from analysis.retention import MIN_EVENTS
from analysis.scores import named, offer
from analysis.words import count

FAMILIES: dict[str, Any] = {each.NAME: each for each in (buying.BGNBD, buying.MBGNBD, buying.ParetoNBD)}
FEWEST, SHORTEST, FOLDS = 100, 0.25, 10  # customers; share of the log held out; parts of the cross-validation
NEEDED = f"Needed: {FEWEST} customers, {MIN_EVENTS} back on the hold-out, {SHORTEST:.0%} of the log held out. Here:"
COUNT, FULLER = "count of orders", "count, recency and time"
SILENCE = {"to 4": 4, "4 to 13": 13, "13 to 26": 26, "over 26": np.inf}  # weeks
STILL = 1e-9  # of a mean and one: less than that no search goes on for
LEAST = 1e-4  # a dispersion or a forecast below it counts as this: its logarithm would carry the whole loss


@dataclass(frozen=True)
class Outlook:
    """What was known on a day, the models fitted to it, and their gains over the naive rule; the first model leads."""

    bought: Purchases
    until: date
    share: float
    weeks: float
    rows: pd.DataFrame
    fits: Mapping[str, Fit]
    gains: Mapping[str, Answer]
    seed: int = 0

    @property
    def lead(self) -> tuple[str, Fit]:
        """The model that is shown, after its name."""
        return next(iter(self.fits.items()))

    @property
    def told(self) -> str:
        """What each model gains, or why the leading one cannot be shown."""
        lead, each = next(iter(self.gains.values())), [f"{name} {in_brief(gain)}" for name, gain in self.gains.items()]
        gained = f"Share of the naive rule's squared error on the hold-out that each model removes: {'; '.join(each)}."
        return lead.reason if isinstance(lead, NotTestable) else gained


def look_ahead(bought: Purchases, *, families: Sequence[str], share: float, draws: int, seed: int) -> Outlook:
    """Cut a log, fit the models to its first part, and measure their gains on the rest.

    Args:
        bought: the orders.
        families: keys of `FAMILIES`; the first leads.
        share: of the log's days that is held out, 0 to 1, to the nearest week, and at least one.
        draws, seed: of the resamples of customers.

    Returns:
        With the models that could be fitted; the gains of the others say why they could not.
    """
    until = holdout.cut(bought, share=share)
    rows = buying.summarise(bought, until=until)
    gains: dict[str, Any] = {name: fit_buying(rows, FAMILIES[name]) for name in families}
    fits = {name: fit for name, fit in gains.items() if isinstance(fit, Fit)}
    gains |= {name: holdout.gain(fit, rows, draws=draws, seed=seed) for name, fit in fits.items()}
    return Outlook(bought, until, share, (bought.observed_until - until).days / buying.WEEK, rows, fits, gains, seed)


# --- Is the count of orders enough? -----------------------------------------------------------------------------


def race(outlook: Outlook, *, draws: int, seed: int) -> dict[str, Answer]:
    """How much better than by their count of orders alone customers are foretold who were not used to fit.

    Each customer falls into one of ten parts and is foretold by negative binomial models of the other nine, with the
    dispersion of the count-only model. Gains are in deviance, over that of one mean for all. In the other readings
    the forecast of a buying model replaces the covariates; its level and slope are fitted to the other parts too.

    Returns:
        Readings of R07 by `FULLER` and each buying model, and under `COUNT` what the count explains; in unit gain.
    """
    rows, weight = outlook.rows, outlook.rows["weight"].to_numpy(int)
    people, back = int(weight.sum()), int(weight @ (rows["later"] > 0))
    if people < FEWEST or back < MIN_EVENTS or outlook.share < SHORTEST:
        return dict.fromkeys([FULLER, COUNT], NotTestable(f"{NEEDED} {people:,}, {back:,} and {outlook.share:.0%}."))
    designs, later = _designs(outlook), rows["later"].to_numpy(float)
    plain = _means(later, designs[COUNT], weight, 0.0, (later + np.average(later, weights=weight)) / 2)
    dispersion = max(weight @ ((later - plain) ** 2 - plain) / (weight @ plain**2), LEAST)
    parts = np.random.default_rng(seed).multinomial(weight, np.full(FOLDS, 1 / FOLDS))
    lost = pd.DataFrame({name: _lost(later, design, dispersion, parts, plain) for name, design in designs.items()})
    lost["weight"] = parts[parts > 0]
    sums, answers = resampled(lost, partial(holdout.added, seed=seed), draws=draws).T, {}
    for place, name in list(enumerate(designs))[1:]:
        gains = (sums[int(place > 1)] - sums[place]) / sums[0]
        answers[name] = bootstrapped(_gain, float(gains[0]), gains[1:], unit="gain", n=people, events=back)
    return answers


def _gain(value: float, draws: np.ndarray, **told: Any) -> Estimate:
    """A gain whose ends are even on the scale of its root, where it is above twice the spread of its resamples.

    It grows with the square of what is known, and its spread with what is known, so that small gains look surer than
    they are; resamples of losses alone do not tell. What is added is the second term of that square.
    """
    found, spread = Estimate.from_spread(value, draws, **told), float(np.nanstd(draws, ddof=1))
    bend = spread**2 / (4 * max(value, 2 * spread) or 1)
    return replace(found, quantile=lambda p: found.quantile(p) + NORMAL.inv_cdf(p) ** 2 * bend)


def enough(bought: Purchases, *, share: float, seed: int, draws: int = 199) -> Answer:
    """The headline of `race` for another cut or another way of counting, without any buying model."""
    return race(look_ahead(bought, families=(), share=share, draws=draws, seed=seed), draws=draws, seed=seed)[FULLER]


def _designs(outlook: Outlook) -> dict[str, np.ndarray]:
    rows, ahead, mean = outlook.rows, outlook.weeks, np.ones(len(outlook.rows))
    orders, silence = np.log1p(rows["repeats"]), np.log1p(rows["observed"] - rows["last"])
    by = {"mean": [mean], COUNT: [mean, orders, orders**2]}
    by[FULLER] = [*by[COUNT], silence, np.log1p(rows["observed"])]
    by |= {name: [mean, np.log(fit.model.expected(rows, ahead).clip(LEAST))] for name, fit in outlook.fits.items()}
    # The same span without what is said twice, such as the age of customers who all came on one day.
    return {name: scipy.linalg.orth(np.column_stack(found)) for name, found in by.items()}


def _lost(later: np.ndarray, design: np.ndarray, dispersion: float, parts: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Deviance of each history in each part where it occurs, foretold by the customers of the other parts."""
    weight = parts.sum(axis=1)
    whole = _means(later, design, weight, dispersion, start)
    mean = np.column_stack([_means(later, design, weight - part, dispersion, whole) for part in parts.T])[parts > 0]
    came = np.repeat(later, (parts > 0).sum(axis=1))
    shape = came + 1 / dispersion
    return 2 * (scipy.special.xlogy(came, came / mean) - shape * np.log(shape / (mean + 1 / dispersion)))


def _means(
    later: np.ndarray, design: np.ndarray, weight: np.ndarray, dispersion: float, mean: np.ndarray
) -> np.ndarray:
    """Means by a negative binomial model with a log link and this dispersion, from means to begin with.

    Scoring with products of the columns alone, because a million histories are fitted dozens of times.

    Source: McCullagh & Nelder (1989), Generalized Linear Models, section 2.5.
    """
    for _ in range(100):
        pull = weight * mean / (1 + dispersion * mean)
        against = design.T @ (pull * (np.log(mean) + later / mean - 1))
        slopes = np.linalg.lstsq((design * pull[:, None]).T @ design, against)[0]
        before, mean = mean, np.exp(design @ slopes)
        if (np.abs(mean - before) <= STILL * (1 + mean)).all():
            break
    return mean


# --- What the models say, and what came -------------------------------------------------------------------------


def shown(make: Callable[..., Any], outlook: Outlook, **telling: Any) -> Figure | Table | Text:
    """A figure or table with what the leading model gains; without such a model, why there is none.

    Args:
        make: `tracking`, or a function of an outlook that returns a text or the rows of a table.
        outlook: from `look_ahead`.
        telling: of the exhibit.
    """
    if isinstance(next(iter(outlook.gains.values())), NotTestable):
        return say("{}", outlook.told)
    if make is tracking:
        return tracking(outlook, caption=outlook.told, **telling)
    made = make(outlook)
    return made if isinstance(made, Text) else Table(rows=made, **{"caption": outlook.told} | telling)


def tracking(outlook: Outlook, *, min_cell: int, **telling: Any) -> Figure | Text:
    """Repeat orders of all customers week by week, as they came and as they were foretold."""
    lead, fit = outlook.lead
    names = {"week": "x", "actual": "what came", "model": lead, "naive": "naive rule"}
    table = holdout.tracking(fit, outlook.bought, until=outlook.until).rename(columns=names)
    came, model, naive = (count(end) for end in table.iloc[-1, 1:])
    telling["title"] = f"{came} repeat orders had come at the end; {lead} foretold {model}, the naive rule {naive}"
    lines = table[table["what came"] >= min_cell].melt("x", var_name="line", value_name="y").dropna()
    return figures.sweep(lines, mark=float(table["x"].iloc[-1]) - outlook.weeks, **telling)


def by_frequency(outlook: Outlook) -> pd.DataFrame:
    """Orders a customer on the hold-out by repeat orders before it, as `holdout.forecasts`; 7 stands for more too."""
    return holdout.forecasts(outlook.lead[1], outlook.rows)


def in_total(outlook: Outlook) -> pd.DataFrame:
    """All orders on the hold-out: what came, what each model expects, the naive rule; who, value, low, high."""
    rows, weight = outlook.rows, outlook.rows["weight"].to_numpy(float)
    lines: list[dict[str, Any]] = [{"who": "what came", "value": weight @ rows["later"]}]
    for name, fit in outlook.fits.items():
        lines.append({"who": name, **columns(foresight.all_ahead(fit, rows, outlook.weeks, seed=outlook.seed))})
    lines.append({"who": "naive rule", "value": weight @ holdout.own_pace(rows, outlook.weeks)})
    return pd.DataFrame(lines, columns=["who", "value", "low", "high"])


def alive(outlook: Outlook) -> pd.DataFrame:
    """Chance that customers still are some, by history and model; repeats, weeks_of_silence, customers, the models."""
    return _by_history(outlook.rows, {name: fit.model.alive(outlook.rows) for name, fit in outlook.fits.items()})


def silent(outlook: Outlook) -> pd.DataFrame:
    """Chance of no order on the hold-out, as `alive`, and had_none: the share of customers who had none."""
    chances = {name: fit.model.silent(outlook.rows, outlook.weeks) for name, fit in outlook.fits.items()}
    return _by_history(outlook.rows, {**chances, "had_none": outlook.rows["later"] == 0})


def by_frequency_and_silence(rows: pd.DataFrame) -> list[pd.Series]:
    """The group of each history: repeats (0 to 3 or more), and weeks_of_silence since the last order."""
    repeats = rows["repeats"].clip(upper=3).map({0: "0", 1: "1", 2: "2", 3: "3 or more"}).rename("repeats")
    silence = pd.cut(rows["observed"] - rows["last"], [-1, *SILENCE.values()], labels=list(SILENCE))
    return [repeats, silence.rename("weeks_of_silence")]


def _by_history(rows: pd.DataFrame, chances: Mapping[str, Any]) -> pd.DataFrame:
    each = pd.DataFrame({"customers": 1.0, **chances}).mul(rows["weight"], axis=0)
    sums = each.groupby(by_frequency_and_silence(rows), observed=True).sum()
    return sums.div(sums["customers"], axis=0).assign(customers=sums["customers"]).reset_index()


def parameters(outlook: Outlook) -> pd.DataFrame:
    """Every model's parameters with standard errors and 95% intervals, as `Fit.table`."""
    return pd.concat({name: fit.table for name, fit in outlook.fits.items()}, names=["model"]).reset_index("model")


def spending(outlook: Outlook) -> Answer:
    """What the spending an order is multiplied by for every doubling of a customer's repeat orders."""
    fit = order_values.fit_spend(order_values.spend(outlook.bought, until=outlook.until), by_frequency=True)
    return fit if isinstance(fit, NotTestable) else fit.estimate(lambda model: model.per_doubling, unit="ratio")


def scores(outlook: Outlook) -> Text:
    """Offer what the leading model says of each customer: presence, and orders in as many weeks as were held out.

    Fitted to the whole log, because scores are to act on from its last day.
    """
    people, lead = order_values.ledger(outlook.bought), next(iter(outlook.gains))
    keys = buying.recounted(order_values.counted(people))
    rows = keys.assign(last=keys["last"] / buying.WEEK, observed=keys["observed"] / buying.WEEK)
    fit = fit_buying(rows, FAMILIES[lead])
    told: dict[str, object] = {"model": lead, "as_of": str(outlook.bought.observed_until), "weeks": outlook.weeks}
    if isinstance(fit, NotTestable):
        return offer(people, fit, keys=buying.HISTORY, **told)
    orders = around(*fit.errors(lambda model: model.expected(rows, outlook.weeks)))
    columns = {"alive": fit.model.alive(rows), **named("orders", orders)}
    return offer(people, keys[buying.HISTORY].assign(**columns), keys=buying.HISTORY, **told)
