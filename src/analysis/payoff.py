"""Does satisfaction pay? Spending, coming back and worth after the answer, the past held fixed (S01-S03, S06, S18)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures
from analysis.afterwards import Afterwards
from analysis.drivers import thirds
from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, columns, gated, in_brief, need, needed
from analysis.exhibits import Figure, Text, instead, say
from analysis.exhibits import Table as Shown
from analysis.regressions import COLLINEAR, correlations
from analysis.retention import MIN_EVENTS
from analysis.scales import FEWEST, Answers, moments, reliability, resampled
from analysis.words import interval, listing, plural, quantity

if TYPE_CHECKING:
    from analysis.studies import Study

HELD, PLAIN = "the past held fixed", "as it comes"
PARTS, WITHIN, FREED = "in two parts", "within persons", "freed of measurement error"
SOME, MUCH = "buying at all", "spending of those who buy"
CURVED = "beside a curve"
AFTER, BEFORE = "spending after the answer", "spending before the answer"
THIRDS = ("least satisfied third", "third between", "most satisfied third")
OUTCOMES = {"loyalty": "loyalty", "repeat": "orders", "word_of_mouth": "referrals", "success": "profit of units"}
FEWEST_UNITS, FEWEST_AWAY = 20, 5  # units, by the register's gate; customers of a level who did not buy again
SAME = 0.02  # least size of a direction among the columns of the past, beside the largest
UNSURE = 0.1  # share of what the past does not tell of satisfaction that must be measured, not noise

Table = pd.DataFrame | NotTestable


@gated
def answered(later: Afterwards | NotTestable, of: str = "satisfaction") -> Any:
    """One row a questionnaire with a score of satisfaction, or of another construct, or why there are too few.

    Returns:
        The columns of `Afterwards.did`, and score, the same under the construct's name in standard deviations, level
        (whole points of the scale, tenths of a wide one), customer, asked (when), wave and weight.
    """
    around: Afterwards = needed(later)
    found = around.answers
    needed(found.lacks(of) or found)
    items = found.constructs[of]
    known: dict[str, Any] = {"score": found.score(items), "customer": found.who["customer_id"]}
    known |= {"wave": found.who.get("wave", ""), "asked": found.who.get("answered_at")}
    table = around.did.assign(**known, weight=found.weight).dropna(subset="score").reset_index(drop=True)
    people, buyers = (rows["customer"].nunique() for rows in (table, table[table["after"] > 0]))
    need(people >= FEWEST, f"{plural(people, 'customer')} paired with what they did, and {FEWEST} are needed.")
    need(np.ptp(table["score"]) > 0, f"All who answered are alike in {of}.")
    need(buyers >= MIN_EVENTS, f"Fewer than {MIN_EVENTS} customers did anything after they had answered.")
    low, high = found.scale[items[0]] or (table["score"].min(), table["score"].max())
    step = max(1.0, (high - low) / 10)
    level = low + step * np.floor((table["score"] - low) / step + 0.5)
    away = table["score"] - np.average(table["score"], weights=table["weight"])
    content = away / np.sqrt(np.average(away**2, weights=table["weight"]))
    return table.assign(**{of: content}, level=level)


def of(test: Callable[..., Any]) -> Callable[..., Any]:
    """A test of tables from `answered`, asked of `Afterwards` under the same names."""
    return lambda **asked: test(
        **{n: answered(one) if isinstance(one, Afterwards) else one for n, one in asked.items()}
    )


def _past(table: pd.DataFrame) -> np.ndarray:
    """A constant, the waves, and earlier orders and spending, bent so that heavy buyers need not lie on a line."""
    from scipy.linalg import orth

    worth = table["before_worth"].clip(lower=0)
    often, much = np.log1p(table["before"]), np.log1p(worth / (worth.mean() or 1.0))
    waves = pd.get_dummies(table["wave"], drop_first=True, dtype=float)
    known = np.column_stack([waves, often, often**2, much, much**2, table["before"] == 0])
    if not np.ptp(known, axis=0).any():
        return np.ones((len(table), 1))
    known = known[:, np.ptp(known, axis=0) > 0]
    away = (known - known.mean(axis=0)) / known.std(axis=0)
    # Columns that say nearly the same count once: what is left between them would single out one customer.
    return np.column_stack([np.ones(len(table)), orth(away, rcond=SAME) * np.sqrt(len(table))])


def _fitted(y: np.ndarray, x: np.ndarray, weight: np.ndarray, *, chance: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a log-linear mean (or of a logistic chance), and how far each row moves them."""
    from statsmodels.api import GLM, families

    fit = GLM(y, x, family=families.Binomial() if chance else families.Poisson(), var_weights=weight).fit()
    mean = fit.fittedvalues
    spread = weight * mean * (1 - mean if chance else 1)
    pull = x * (weight * (y - mean))[:, None]
    return fit.params, pull @ np.linalg.pinv((x * spread[:, None]).T @ x, hermitian=True)


def _error(moved: np.ndarray, who: pd.Series) -> float:
    """Standard error of what the rows move, those of one customer together."""
    sums = pd.Series(moved).groupby(who.to_numpy()).sum()
    return float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)))


# --- S01: spending ------------------------------------------------------------------------------------------------


@gated
def spending(table: Table, found: Answers, how: str = HELD, *, draws: int, seed: int) -> Any:
    """A reading of S01: the ratio of mean later spending for one standard deviation more satisfaction.

    Args:
        table: from `answered`, every questionnaire of a customer; errors go together within customers.
        found: the answers, for the reliability of satisfaction.
        how: HELD, PLAIN (nothing held fixed), PARTS (a share times an amount; SOME and MUCH are its two halves), WITHIN
            (customers against themselves, their means held fixed) or FREED.
        draws, seed: of the resamples behind the reliability.
    """
    rows: pd.DataFrame = needed(table)
    need(rows["after_worth"].sum() > 0, "The orders after the answers have no amounts.")
    content, past, weight = rows[["satisfaction"]].to_numpy(), _past(rows), rows["weight"].to_numpy()
    root = np.sqrt(weight)[:, None]
    left = np.mean((root * content - root * past @ np.linalg.lstsq(root * past, root * content, rcond=None)[0]) ** 2)
    need(left > 1 - COLLINEAR, "Satisfaction follows from what was bought before, so the two cannot be told apart.")
    drivers = {PLAIN: [content, np.ones_like(content)]}.get(how, [content, past])
    if how == WITHIN:
        own = rows.groupby("customer")["satisfaction"]
        again, person = int((own.size() > 1).sum()), own.transform("mean").to_numpy()[:, None]
        need(again >= FEWEST, f"{plural(again, 'customer')} answered more than once, and {FEWEST} are needed.")
        drivers = [content - person, person, past]
    spent, bought = rows["after_worth"].clip(lower=0).to_numpy(), (rows["after"] > 0).to_numpy(float)
    halves = {SOME: (bought, weight), MUCH: (spent / spent.max(), weight * bought)}
    asked = halves.values() if how == PARTS else [halves.get(how, (spent / spent.max(), weight))]
    fits = [_fitted(y, np.column_stack(drivers), weighing) for y, weighing in asked]
    slope, moved = sum(fit[0][0] for fit in fits), np.sum([fit[1][:, 0] for fit in fits], axis=0)
    error = _error(moved, rows["customer"])
    if how == FREED:  # regression calibration: the slope on what is held, for one standard deviation of that
        alpha = needed(reliability(found.latest(), "satisfaction", draws=draws, seed=seed)["alpha"])
        true = alpha.value - (1 - left)
        need(true > UNSURE * left, "Satisfaction was measured too unreliably to correct for it.")
        doubt = (1 / true - 0.5 / alpha.value) * (alpha.high - alpha.low) / (2 * 1.96)
        factor = np.sqrt(alpha.value) * left / true
        slope, error = factor * slope, factor * np.hypot(error, slope * doubt)
    return Estimate.log_normal(float(np.exp(slope)), float(error), unit="ratio", n=len(rows), method="log-linear mean")


# --- S02 and S06: coming back -------------------------------------------------------------------------------------


def _shares(table: pd.DataFrame, kinds: Any, settings: Any, *, held: bool, over: Any = 1.0) -> Any:
    """Shares that would buy again if everybody were of one kind, their past as it is; and how rows move each.

    Args:
        table: from `answered`, one questionnaire a customer.
        kinds: columns that tell what kind each row is.
        settings: the same columns, a line for each kind to set everybody to.
        held: hold the past fixed.
        over: weight of the rows to take the mean of.
    """
    past, weight = _past(table) if held else np.ones((len(table), 1)), table["weight"].to_numpy()
    bought = (table["after"] > 0).to_numpy(float)
    need((bought == 0).sum() >= MIN_EVENTS, f"Fewer than {MIN_EVENTS} customers stayed away after they had answered.")
    slope, moved = _fitted(bought, np.column_stack([kinds, past]), weight, chance=True)
    among, found = weight * over / np.sum(weight * over), []
    for setting in settings:
        x = np.column_stack([np.broadcast_to(setting, kinds.shape), past])
        chance = 1 / (1 + np.exp(-x @ slope))
        moves = among * (chance - among @ chance) + moved @ (x.T @ (among * chance * (1 - chance)))
        found.append((float(among @ chance), moves))
    return found


def _apart(table: pd.DataFrame, more: Any, less: Any) -> Estimate:
    error = _error(more[1] - less[1], table["customer"])
    return Estimate.normal(more[0] - less[0], error, unit="points", n=len(table), method="logistic, standardised")


def _levels(table: pd.DataFrame) -> dict[str, list[float]]:
    """Levels of satisfaction from below, each joined to the next until enough of them bought again."""
    groups: list[list[float]] = [[]]
    for level in np.unique(table["level"]):
        groups[-1].append(level)
        bought = table.loc[table["level"].isin(groups[-1]), "after"] > 0
        if bought.sum() >= MIN_EVENTS and (~bought).sum() >= FEWEST_AWAY:
            groups.append([])
    rest = groups.pop()
    groups = groups or [[]]
    groups[-1] += rest
    return {f"{group[0]:g}" + f"–{group[-1]:g}" * (len(group) > 1): group for group in groups}


@gated
def by_level(table: Table, *, held: bool = True) -> Any:
    """Who buys again at each level of satisfaction, one questionnaire a customer.

    Returns:
        Two tables. Levels, joined where fewer than `MIN_EVENTS` bought: level, n, score (mean), share, low, high,
        straight and rising (a logistic line, and the best curve that never falls). Steps from each to the next: label,
        value, low, high, the intervals adjusted for the number of steps.
    """
    rows: pd.DataFrame = needed(table)
    levels = _levels(rows)
    need(len(levels) > 1, f"No two levels of satisfaction have {MIN_EVENTS} customers each who bought again.")
    from scipy.optimize import isotonic_regression

    kinds = np.column_stack([rows["level"].isin(group) for group in levels.values()]).astype(float)
    n, names, nobody = kinds.sum(axis=0), list(levels), (0.0, 0.0)
    score = kinds.T @ rows["score"] / n
    found = _shares(rows, kinds[:, 1:], np.eye(len(n))[:, 1:], held=held)
    each = [_apart(rows, share, nobody) for share in found]
    value = np.array([answer.value for answer in each])
    steps = []
    for place in range(1, len(n)):
        step = _apart(rows, found[place], found[place - 1])
        low, high = step.interval(1 - 0.05 / (len(n) - 1))
        steps.append({"label": f"{names[place - 1]} to {names[place]}", "value": step.value, "low": low, "high": high})
    straight = [share for share, _ in _shares(rows, rows[["score"]].to_numpy(), score[:, None], held=held)]
    rising = isotonic_regression(value, weights=n).x
    ends = {"low": [answer.low for answer in each], "high": [answer.high for answer in each]}
    shown = {"level": names, "n": n, "score": score, "share": value, **ends, "straight": straight, "rising": rising}
    return pd.DataFrame(shown), pd.DataFrame(steps)


@gated
def coming_back(table: Table, *, held: bool = True) -> Any:
    """A reading of S02, from one questionnaire a customer: the gap between the outer thirds, and reversals."""
    rows: pd.DataFrame = needed(table)
    steps = needed(by_level(rows, held=held))[1]
    turned = Estimate.exact(float((steps["high"] < 0).sum()), unit="count", n=len(steps))
    return {"gap": needed(outer_gap(rows, held=held)), "reversals": turned}


@gated
def outer_gap(table: Table, *, held: bool = True) -> Any:
    """Share who did it again, the highest third by the score minus the lowest, from one questionnaire a customer."""
    rows: pd.DataFrame = needed(table)
    need(rows["score"].nunique() > 2, "There are fewer than three different answers, so there are no thirds.")
    outer = thirds(rows["score"].to_numpy(), rows["weight"].to_numpy())
    fewest = outer[rows["after"] > 0].sum(axis=0).min()
    need(fewest >= MIN_EVENTS, f"Fewer than {MIN_EVENTS} of the highest, or of the lowest third did it again.")
    low, high = _shares(rows, outer, np.eye(2), held=held)
    return _apart(rows, high, low)


def top_from(table: pd.DataFrame) -> float:
    """The level from which satisfaction counts as the top: the highest, joined downwards until enough bought again.

    Some must have stayed away, too: where all of a few came back, a logistic step has no end and a far too small error.
    """
    levels = np.unique(table["level"])[::-1]
    again = [table.loc[table["level"] >= level, "after"] > 0 for level in levels]
    return float(levels[np.argmax([b.sum() >= MIN_EVENTS and (~b).sum() >= FEWEST_AWAY for b in again])])


@gated
def delight(table: Table, how: str = HELD) -> Any:
    """A reading of S06, from one questionnaire a customer: what the top of the scale adds to a line, or to a curve.

    Args:
        table: from `answered`.
        how: HELD, PLAIN (nothing held fixed) or CURVED (as HELD, the line bent by a square).
    """
    rows: pd.DataFrame = needed(table)
    edge, score = top_from(rows), rows["satisfaction"].to_numpy()
    top, bought = (rows["level"] >= edge).to_numpy(float), rows["after"] > 0
    need(bought[top == 0].sum() >= MIN_EVENTS, f"Fewer than {MIN_EVENTS} below the top of the scale bought again.")
    need(rows.loc[top == 0, "level"].nunique() > 1, "There is one level below the top, and a line needs two.")
    kinds = np.column_stack([top, score, *([score**2] if how == CURVED else [])])
    there = kinds[top == 1].mean(axis=0)
    return _apart(rows, *_shares(rows, kinds, [there, [0, *there[1:]]], held=how != PLAIN, over=top))


# --- S18: worth ---------------------------------------------------------------------------------------------------


@gated
def worth(table: Table, column: str = "after_worth", *, draws: int, seed: int) -> Any:
    """A reading of S18, from one questionnaire a customer: by spending after it or, for comparison, before it."""
    gap = needed(held_by_thirds(table, column, draws=draws, seed=seed))[THIRDS[-1]]
    weight = needed(table)["weight"].to_numpy()
    ranks = needed(moments(needed(table)[["score", column]].rank(), weight=weight, draws=draws, seed=seed))
    return {"share_gap": gap, "rank": correlations(ranks, "score", [column])[column]}


@gated
def held_by_thirds(table: Table, column: str, *, draws: int, seed: int) -> Any:
    """Share of a total that each third by satisfaction holds, less a third of heads; cut anew in resamples."""
    rows: pd.DataFrame = needed(table)
    need(rows[column].sum() > 0, "These orders have no amounts.")
    score, money = rows["score"].to_numpy(), (rows[column] / rows[column].max()).to_numpy()

    def gaps(weight: np.ndarray) -> np.ndarray:
        there = weight > 0
        outer, held = thirds(score[there], weight[there]), (weight * money)[there]
        return np.insert(held @ outer, 1, held @ (1 - outer.sum(axis=1))) / held.sum() - 1 / 3

    weight = rows["weight"].to_numpy()
    drawn = np.transpose([gaps(again * weight) for block in resampled(len(rows), draws, seed) for again in block])
    each = zip(THIRDS, gaps(weight), drawn, strict=True)
    tell: dict[str, Any] = {"unit": "points", "n": len(rows)}
    return {name: bootstrapped(Estimate.from_draws, float(value), ends, **tell) for name, value, ends in each}


# --- S03: four outcomes -------------------------------------------------------------------------------------------


def outcomes(lab: Study, found: Answers, orders: Table, referrals: Table, *, held: bool = True) -> dict[str, Answer]:
    """A reading of S03: standardised slopes of four later outcomes on satisfaction.

    Args:
        lab: the study, for its table of units.
        found: every questionnaire.
        orders, referrals: from `answered`.
        held: hold the earlier value of each outcome fixed.
    """
    did = {"after": "outcome", "before": "earlier", "customer": "who", "wave": "when"}
    tables = {
        "loyalty": _later_loyalty(found),
        "repeat": orders if isinstance(orders, NotTestable) else orders.rename(columns=did),
        "word_of_mouth": referrals if isinstance(referrals, NotTestable) else referrals.rename(columns=did),
        "success": _later_profit(lab),
    }
    return {part: _slope(table, held=held, units=part == "success") for part, table in tables.items()}


@gated
def _later_loyalty(found: Answers) -> Any:
    needed(found.lacks("satisfaction", "loyalty") or found)
    lacking = [name for name in ("customer_id", "answered_at") if name not in found.who]
    need(not lacking, f"The survey has no {listing(lacking)}, so no later answer can be found.")
    scores = {name: found.score(found.constructs[name]) for name in ("satisfaction", "loyalty")}
    table = found.who.assign(**scores, weight=found.weight).sort_values("answered_at", kind="stable")
    table = table.rename(columns={"loyalty": "earlier", "customer_id": "who"})
    following = table.groupby("who")[["earlier", "answered_at"]].shift(-1)
    table = table.assign(outcome=following["earlier"], when=table.get("wave", ""))
    return table[following["answered_at"] > table["answered_at"]]


@gated
def _later_profit(lab: Study) -> Any:
    rows = lab.table("units").rows.to_pandas() if lab.has("units") else pd.DataFrame()
    lacking = [name for name in ("satisfaction", "profit") if name not in rows]
    need(not lacking, f"The study has no units table with {listing(lacking)}.")
    rows = rows.sort_values("period", kind="stable").assign(weight=1.0)
    rows = rows.rename(columns={"profit": "earlier", "unit": "who", "period": "when"})
    return rows.assign(outcome=rows.groupby("who")["earlier"].shift(-1))


@gated
def _slope(table: Table, *, held: bool, units: bool) -> Any:
    """Slope of an outcome on satisfaction, each as deviation from the mean of its time; errors by customer or unit."""
    from scipy.stats import t
    from statsmodels.api import WLS

    names = ["outcome", "satisfaction", "earlier"]
    rows: pd.DataFrame = needed(table).dropna(subset=names)
    people, fewest = rows["who"].nunique(), FEWEST_UNITS if units else FEWEST
    whose = plural(people, "unit" if units else "customer")
    need(people >= fewest, f"{whose} with satisfaction and a later outcome, and {fewest} are needed.")
    away = rows[names] - rows.groupby("when")[names].transform("mean")
    spread = away.std()
    moving = spread[spread > 1e-9 * rows[names].abs().max()].index
    need({"outcome", "satisfaction"} <= set(moving), "Satisfaction or the outcome is the same for all.")
    drivers = ["satisfaction", *(["earlier"] if held and "earlier" in moving else [])]
    by_whom = {"groups": pd.factorize(rows["who"])[0]}
    model = WLS(away["outcome"] / spread["outcome"], away[drivers] / spread[drivers], weights=rows["weight"])
    fit = model.fit(cov_type="cluster", cov_kwds=by_whom)
    error = fit.bse["satisfaction"] * t.ppf(0.975, people - 1) / 1.96  # few units: wider by Student's distribution
    return Estimate.normal(float(fit.params["satisfaction"]), float(error), unit="slope", n=len(rows))


# --- What the answer cannot have moved -------------------------------------------------------------------------------


def untouched(watched: Mapping[str, Table], found: Answers, *, draws: int, seed: int) -> Shown:
    """The tests of S01, S02 and S06 on what followed the answers, and on what these cannot have moved.

    Args:
        watched: from `answered`: what was done, in words, to a table; the first is what the claims are about.
        found: the answers.
        draws, seed: as of `spending`.
    """
    tests: dict[str, tuple[Callable[[Table], Answer], float]] = {
        "S01: spending, as a multiple": (partial(spending, found=found, draws=draws, seed=seed), 1.0),
        "S02: share who buy, outer thirds": (outer_gap, 0.0),
        "S06: share who buy, step at the top": (delight, 0.0),
    }
    said = {test: [ask(table) for table in watched.values()] for test, (ask, _) in tests.items()}
    others = [(test, one) for test, answers in said.items() for one in answers[1:] if isinstance(one, Estimate)]
    ends = [(test, *one.interval(1 - 0.05 / len(others))) for test, one in others]
    moved = [test[:3] for test, low, high in ends if not low <= tests[test][1] <= high]
    rows = [{"test": test, **dict(zip(watched, map(in_brief, answers), strict=True))} for test, answers in said.items()]
    return Shown(
        name="untouched",
        title=f"What the answer cannot have moved goes with it all the same: {listing(moved)}"
        if moved
        else "What the answer cannot have moved does not go with it",
        rows=pd.DataFrame(rows),
        caption="95% intervals, the past of each window held fixed. The title allows for the number of tests.",
    )


# --- Figures ------------------------------------------------------------------------------------------------------


def _dots(sections: Mapping[str, Mapping[str, Answer]], reference_label: str, **telling: Any) -> Figure | Text:
    rows = [
        {"section": section, "label": label, **columns(answer)}
        for section, answers in sections.items()
        for label, answer in answers.items()
    ]
    return figures.dots(pd.DataFrame(rows), reference_label=reference_label, **telling)


@instead("Spending cannot be held against satisfaction here. {}")
def spending_figure(readings: Mapping[str, Answer], *, days: int) -> Figure | Text:
    """Ratios of spending by every reading, the naive one first."""
    held = needed(readings[HELD])
    return _dots(
        {"": readings},
        "no difference",
        name="spending",
        title=f"More satisfied by one standard deviation: {quantity(held.value - 1, 'growth')} spending afterwards",
        unit="ratio",
        reference=1.0,
        x_label="Later spending with one standard deviation more satisfaction, as a multiple",
        caption=f"{plural(held.n, 'questionnaire')}, spending in the {days} days after each; 95% intervals that allow "
        "for several answers of one customer.",
    )


@instead("There is no curve to draw. {}")
def level_figure(found: tuple[pd.DataFrame, pd.DataFrame], *, days: int) -> Figure | Text:
    """The share who buy again over satisfaction: level by level, as a straight line, and never falling."""
    levels, steps = found
    lines = [
        pd.DataFrame(
            {"line": name, "x": levels["score"], "y": levels[column], **dict.fromkeys(["low", "high"], np.nan)}
        )
        for name, column in (("as found", "share"), ("never falling", "rising"), ("straight", "straight"))
    ]
    lines[0][["low", "high"]] = levels[["low", "high"]]
    most = steps.to_dict("records")[int(np.argmax(steps["value"]))]
    up, down = int((steps["low"] > 0).sum()), int((steps["high"] < 0).sum())
    sure = f"{plural(up, 'step')} up and {plural(down, 'step')} down are" if up + down else "no step is"
    return figures.sweep(
        pd.concat(lines, ignore_index=True),
        name="coming-back",
        title=f"From level to level, {sure} larger than chance explains",
        x_label="Satisfaction, mean of each level",
        x_unit="ratio",
        y_label=f"Share who buy again within {days} days, earlier buying held fixed",
        y_unit="share",
        caption=f"{plural(int(levels['n'].sum()), 'questionnaire')}; levels {listing(list(levels['level']))}, joined "
        f"where fewer than {MIN_EVENTS} bought again. Band: 95% intervals level by level. The largest step is from "
        f"{most['label']}: {quantity(most['value'], 'points')} ({interval(most['low'], most['high'], 'points')}, "
        f"adjusted for {plural(len(steps), 'step')}).",
    )


@instead("There are no sums to share out. {}")
def worth_figure(gaps: Mapping[str, Mapping[str, Answer] | NotTestable]) -> Figure | Text:
    """How much more each third by satisfaction holds than its heads, of later and of earlier spending."""
    top: Any = needed(gaps[AFTER])[THIRDS[-1]]
    return _dots(
        {name: each for name, each in gaps.items() if not isinstance(each, NotTestable)},
        "as much as its heads",
        name="worth",
        title=f"Most satisfied third: {quantity(top.value, 'points')} of later spending against its share of heads",
        unit="points",
        reference=0.0,
        x_label="Share of spending, less share of customers",
        caption=f"{plural(top.n, 'customer')}, resampled; 95% intervals. People with the same answer, where a "
        "border falls between them, belong to both thirds in part.",
    )


def outcome_figure(readings: Mapping[str, Mapping[str, Answer]]) -> Figure | Text:
    """The four slopes, with their earlier value held fixed and without."""
    known = {part: answer for part, answer in readings[HELD].items() if isinstance(answer, Estimate)}
    if not known:
        return say("None of the four outcomes can be held against satisfaction here.")
    sure = [OUTCOMES[part] for part, answer in known.items() if answer.low > 0]
    return _dots(
        {name: {OUTCOMES[part]: answer for part, answer in parts.items()} for name, parts in readings.items()},
        "no link",
        name="outcomes",
        title=f"With satisfaction goes more of: {listing(sure)}" if sure else "Nothing surely goes with satisfaction",
        unit="slope",
        reference=0.0,
        x_label="Standard deviations more of it later, for one more of satisfaction",
        caption="Each outcome is later than the satisfaction it is held against. 95% intervals that allow for several "
        "answers of one customer, and several periods of one unit.",
    )
