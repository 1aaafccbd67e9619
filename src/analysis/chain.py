"""From staff to profit: what actions, content staff and engaged customers do to branches (S13, S17, G02, tips)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures, staggered, within
from analysis.customers import YEAR
from analysis.estimates import NORMAL, Answer, Estimate, NotTestable, gated, in_brief, need, needed, told
from analysis.exhibits import Figure, Table, Text, instead, say
from analysis.scales import Answers
from analysis.trials import rows_of
from analysis.words import count, interval, listing, plural, quantity

if TYPE_CHECKING:
    from analysis.studies import Study

Frame = pd.DataFrame | NotTestable
FEWEST = 5  # branches that started an action, and others beside them
ROUNDS = 3  # of a survey, or periods, at least
SAME, ALL, AT_ONCE = "same customers", "whoever answered", "all branches at once, same customers"
ALONE, EITHER_SIDE = "against their own line before it", 8  # and rounds that such a line needs
ROUNDS_TO_SETTLE = 8  # of fitting a line and the likeness of neighbours in turn
LATER, NOW, BETWEEN = "staff a period before", "staff in the same period", "between branches"
TURNED = "turned round, staff last"
# Advice of the articles that a business may roll out: how many tips, what they say, where the claims are tested.
TIPS: Mapping[str, tuple[int, str, str]] = {
    "listen and act": (4, "ask regularly, read what is written, mend what is named, say what was mended", "S13"),
    "staff": (4, "choose, train, free and reward those who serve", "S17"),
    "personal": (4, "know the customer, greet by name, offer what fits, give attention after the sale", "S11, P15"),
    "clear prices": (1, "say beforehand what it costs", "V01"),
    "speed": (1, "answer and deliver quickly", "S09, V07"),
    "product": (2, "keep the quality up, and keep renewing what is offered", "S08"),
    "when things go wrong": (2, "take goods back without trouble, and let complaints be made easily", "I05, L04"),
    "channels": (5, "be found where customers are, and alike everywhere", "L14"),
    "programme": (1, "reward those who come back", "P01"),
}


# --- What is seen of branches: a row a branch, a column a round or period, named by the day on which it begins --------


@gated
def answered(found: Answers, construct: str = "satisfaction", *, same: bool) -> Any:
    """Mean answers of branches by round of the survey (or quarter), in standard deviations of single answers.

    Args:
        found: the questionnaires; each needs a branch (unit) and a day.
        construct: what was asked.
        same: let only changes within a person count, so that those who left cannot lift the mean. Who answered once
            is then left out, and each branch is known up to a constant.
    """
    needed(found.lacks(construct) or found)
    lacking = [name for name in ("unit", "answered_at", *["customer_id"] * same) if name not in found.who]
    need(not lacking, f"The survey has no column {listing(lacking, 'or')}, so its answers have no branch and day.")
    score = found.score(found.constructs[construct])
    need(score.std() > 0, f"All who answered gave the same {construct}.")
    rows = found.who.assign(score=(score - score.mean()) / score.std()).dropna(subset=["score", "unit", "answered_at"])
    quarter = rows["answered_at"].dt.to_period("Q").astype(str)
    rows["round"] = rows["wave"].fillna(quarter) if "wave" in rows else quarter
    rows["round"] = rows["round"].map(rows.groupby("round")["answered_at"].min().dt.normalize())
    if not same:
        return _wide(rows.groupby(["unit", "round"])["score"].mean().unstack())
    rows = rows[rows.groupby(["unit", "customer_id"])["score"].transform("size") > 1]
    need(len(rows), "Nobody answered twice, so no customer can be compared with themselves.")
    rounds = sorted(rows["round"].unique())
    return _wide(pd.DataFrame({unit: _own(each, rounds) for unit, each in rows.groupby("unit")}, rounds).T)


def _own(rows: pd.DataFrame, rounds: list[Any]) -> np.ndarray:
    """Effects of the rounds in one branch, customers' own means taken out; missing where nobody answered."""
    there = pd.get_dummies(rows["round"]).reindex(columns=rounds, fill_value=False).to_numpy(float)
    both = pd.DataFrame(np.column_stack([rows["score"], there]))
    away = (both - both.groupby(rows["customer_id"].to_numpy()).transform("mean")).to_numpy()
    effects = np.linalg.lstsq(away[:, 1:], away[:, 0], rcond=None)[0]
    return np.where(there.any(axis=0), effects, np.nan)


def _wide(board: pd.DataFrame) -> pd.DataFrame:
    need(len(board) >= within.FEWEST_UNITS, f"{within.FEWEST_UNITS} branches are needed; there are {len(board)}.")
    there = f"{ROUNDS} rounds or periods are needed; there are {board.shape[1]}."
    need(board.shape[1] >= ROUNDS, there)
    return board.sort_index().sort_index(axis=1)


@gated
def on_file(study: Study, column: str) -> Any:
    """A column of the table units, by branch and period; "churn" is what retention leaves."""
    known = rows_of(study, "units", "unit", "period", "retention" if column == "churn" else column)
    value = 1 - known.retention if column == "churn" else known[column]
    rows = known.select("unit", "period", value=value).to_pandas().dropna()
    rows["period"] = pd.to_datetime(rows["period"])
    return _wide(rows.pivot(index="unit", columns="period", values="value"))


@gated
def complaints(study: Study, found: Answers) -> Any:
    """Complaints and failures by branch and quarter, of customers whose branch the survey tells."""
    import ibis

    need({"customer_id", "unit"} <= set(found.who), "The survey does not tell which branch a customer belongs to.")
    rows = rows_of(study, "contacts", "customer_id", "contacted_at", "kind")
    home = found.who[["customer_id", "unit"]].dropna().drop_duplicates("customer_id", keep="last")
    bad = rows.filter(rows.kind.lower().isin(["complaint", "failure"])).join(ibis.memtable(home), "customer_id")
    counted = bad.group_by("unit", quarter=bad.contacted_at.truncate("Q")).agg(times=bad.count()).to_pandas()
    need(len(counted), "No complaint comes from a customer whose branch is known.")
    counted["quarter"] = pd.to_datetime(counted["quarter"])
    return _wide(counted.pivot(index="unit", columns="quarter", values="times").fillna(0.0).astype(float))


# --- What an action does (S13, the tips) --------------------------------------------------------------------------


@gated
def starts(study: Study) -> Any:
    """When each branch started each action, a row a roll-out: unit, action, started_at."""
    return rows_of(study, "rollouts", "unit", "action", "started_at").to_pandas()


def _first(board: pd.DataFrame, dates: pd.DataFrame, action: str) -> pd.Series:
    """The day on which each branch first started an action; missing where it never did."""
    return dates[dates["action"] == action].groupby("unit")["started_at"].min().reindex(board.index)


def _place(board: pd.DataFrame, dates: pd.DataFrame, action: str) -> np.ndarray:
    """For each branch the first column that begins on the day of a start or after it."""
    first = _first(board, dates, action).to_numpy("datetime64[ns]")
    place = np.searchsorted(board.columns.to_numpy("datetime64[ns]"), first)
    place = np.where(np.isnat(first) | (place >= board.shape[1]), staggered.NEVER, place)
    seen = (place > 0) & (place < staggered.NEVER)
    need(seen.any(), f'No branch started "{action}" within the time that is seen, so there is no before and after.')
    need(len(set(place)) > 1, f'All branches started "{action}" at once, so none is left to compare with.')
    return place


@gated
def _around(values: np.ndarray, place: np.ndarray, **window: Any) -> Any:
    return needed(staggered.course(values, place, **{"aside": 0, "scaled": False, "fewest": FEWEST} | window))


@gated
def followed(board: Frame, dates: Frame, action: str, **window: Any) -> Any:
    """Branches around the start of an action, beside others that had not started (`staggered.Course`).

    Args:
        board: from `answered`, `on_file` or `complaints`.
        dates: from `starts`.
        action: which.
        window: before and after (columns on either side), and what else `staggered.course` takes.
    """
    table = needed(board)
    return needed(_around(table.to_numpy(float), _place(table, needed(dates), action), **window))


@gated
def stepped(board: Frame, dates: Frame, action: str, **window: Any) -> Any:
    """Parts of S13 around a start: level, the mean change from then on, and slope, the change of the yearly trend.

    Arguments as of `followed`.
    """
    found: staggered.Course = needed(followed(board, dates, action, **window))
    rounds = needed(board).columns
    years = (rounds[-1] - rounds[0]).days / YEAR / (len(rounds) - 1)
    later = found.events >= 0
    moved, pulls = (found.came - found.otherwise)[later], (found.pulls[0] - found.pulls[1])[:, later]
    time = years * (found.events[later] - found.events[later].mean())
    need(len(time) > 1, "A trend needs two rounds after the start.")
    parts = {"level": np.full(len(time), 1 / len(time)), "slope": time / (time @ time)}
    return {name: _weighed(moved, pulls, by) for name, by in parts.items()}


def _weighed(moved: np.ndarray, pulls: np.ndarray, by: np.ndarray) -> Estimate:
    n = len(pulls)
    error = float(np.sqrt(((pulls @ by) ** 2).sum() * n / (n - 1)))
    found = within.Slope(float(moved @ by), error, int(pulls.any(axis=1).sum()), pulls.size, n - 1)
    return found.estimate("sd", method="staggered differences, errors by branch")


@gated
def at_once(board: Frame, dates: Frame, action: str) -> Any:
    """Parts of S13 by one regression over all branches and rounds, the other actions held fixed.

    Every branch counts, also those that started early or late; in return an effect that grows, or differs between
    branches, is mixed up with the course of those that had started before.
    """
    table, days = needed(board), needed(dates)
    rows = table.rename_axis(index="unit", columns="period").stack().rename("outcome").reset_index()
    others = sorted(set(days["action"]) - {action})
    for place, name in enumerate([action, *others]):
        since = (rows["period"] - rows["unit"].map(_first(table, days, name))).dt.days
        rows[f"on {place}"], rows["since"] = (since >= 0).astype(float), since.clip(lower=0).fillna(0.0) / YEAR
        if not place:
            rows["trend"] = rows["since"]
    held = [name for name in rows if name.startswith("on ") and name != "on 0" and rows[name].any()]
    level = within.slope(rows, "outcome", "on 0", held=held)
    slope = within.slope(rows, "outcome", "trend", held=["on 0", *held])
    told = "effects of branch and round, errors by branch"
    return {"level": level.estimate("sd", method=told), "slope": slope.estimate("sd", method=told)}


@gated
def interrupted(board: Frame, dates: Frame, action: str) -> Any:
    """Parts of S13 where all began on one day: the mean of these branches against their own line before it.

    Nobody is left to compare them with, so whatever else came with that day is taken for the action. Rounds resemble
    their neighbours; the errors allow for that, and for how far a short series hides it.

    Source: Wagner and others (2002), Journal of Clinical Pharmacy and Therapeutics 27, for the step and the turn; Prais
        & Winsten (1954), Cowles Commission discussion paper 383; Bayley & Hammersley (1946), Supplement to the Journal
        of the Royal Statistical Society 8, for how many rounds count when they resemble each other.
    """
    table = needed(board)
    first = _first(table, needed(dates), action).dropna()
    need(len(first), f'No branch that was asked about started "{action}".')
    need(first.nunique() == 1, "They began on different days, so the branches that had not begun are the comparison.")
    whole = table.loc[first.index].dropna()
    years = np.asarray((table.columns - first.iloc[0]).days) / YEAR
    later, rounds = (years >= 0).astype(float), len(years)
    sides = int(min(later.sum(), rounds - later.sum()))
    need(len(whole), "No branch that started it was asked in every round, so there is no series.")
    need(sides >= EITHER_SIDE, f"{plural(sides, 'round')} on one side of the start; {EITHER_SIDE} are needed on each.")
    y, since = whole.mean().to_numpy(), later * (years - years[later > 0][0])
    x, tied = np.column_stack([later, since, np.ones(rounds), years]), 0.0
    for _ in range(ROUNDS_TO_SETTLE):
        before = np.eye(rounds) - np.diag(np.full(rounds - 1, tied), -1)
        before[0, 0] = np.sqrt(1 - tied**2)
        slopes = np.linalg.lstsq(before @ x, before @ y, rcond=None)[0]
        left = y - x @ slopes
        # Four numbers are fitted, which takes about so much off the likeness of neighbours that is seen.
        tied = min(max((left[1:] @ left[:-1] / (left @ left) * rounds + 3) / (rounds - 4), 0.0), 0.95)
    spread = np.linalg.inv((before @ x).T @ before @ x) * np.sum((before @ left) ** 2) / (rounds - 4)
    worth = max(int((rounds - 4) * (1 - tied) / (1 + tied)), 1)
    each = [within.Slope(slopes[k], np.sqrt(spread[k, k]), len(whole), rounds, worth) for k in range(2)]
    return {k: e.estimate("sd", method="interrupted series") for k, e in zip(("level", "slope"), each, strict=True)}


def improved(boards: Mapping[str, Frame], dates: Frame, action: str, **window: int) -> dict[str, Any]:
    """Readings of S13, the headline first: parts level and slope."""
    found = {how: stepped(board, dates, action, **window) for how, board in boards.items()}
    return found | {AT_ONCE: at_once(boards[SAME], dates, action), ALONE: interrupted(boards[SAME], dates, action)}


def leading(readings: Mapping[str, Any]) -> str:
    """The same customers beside other branches; where none is left to compare with, the line before."""
    return ALONE if isinstance(readings[SAME], NotTestable) and isinstance(readings[ALONE], dict) else SAME


def stepped_by(frame: tuple[Mapping[str, Frame], Frame, str], *, customers: str, **window: Any) -> Any:
    """`stepped`, with the choices behind it as arguments, of boards, dates and an action."""
    boards, dates, action = frame
    return stepped(boards[customers], dates, action, **window)


def dealt_out(frame: tuple[Mapping[str, Frame], Frame, str], random: np.random.Generator) -> Any:
    """Boards, dates and an action as they could be if the action did nothing: its dates dealt out among branches."""
    boards, dates, action = frame
    table = next((board for board in boards.values() if isinstance(board, pd.DataFrame)), None)
    if table is None or isinstance(dates, NotTestable):
        return frame
    others = dict(zip(table.index, random.permutation(table.index), strict=True))
    return boards, dates[dates["action"] == action].assign(unit=lambda t: t["unit"].map(others)), action


def around_start(boards: Mapping[str, Frame], dates: Frame, action: str, **window: int) -> Figure | Text:
    """Satisfaction before and after the start, over what branches without it would lead one to expect."""
    lines = []
    for how, board in boards.items():
        course = followed(board, dates, action, **window)
        if isinstance(course, NotTestable):
            return say("There is no before and after to draw. {}", course.reason)
        moved, pulls = course.came - course.otherwise, course.pulls[0] - course.pulls[1]
        each = [_weighed(moved, pulls, by) for by in np.eye(len(moved))]
        ends = {"y": [e.value for e in each], "low": [e.low for e in each], "high": [e.high for e in each]}
        lines.append(pd.DataFrame({"line": how, "x": course.events, **ends}))
    return figures.sweep(
        pd.concat(lines),
        name="around-start",
        title=f"Satisfaction of branches around the start of: {action}",
        x_label="Rounds of the survey since the start",
        x_unit="count",
        y_label="Standard deviations above what other branches lead one to expect",
        y_unit="sd",
        mark=0.0,
        mark_label="first round after the start",
        caption=f"{plural(course.changed, 'branch', 'branches')} that started while the survey ran. Before the start "
        "the lines should lie at zero: that is what makes the other branches a fair comparison.",
    )


@gated
def _mixed(everybody: Frame, same: Frame, dates: Frame, action: str, **window: int) -> Any:
    others = needed(everybody) - needed(same).reindex_like(needed(everybody))
    return needed(stepped(others, dates, action, **window))


def panel_churn(boards: Mapping[str, Frame], dates: Frame, action: str, **window: int) -> Text:
    """How much of the change among whoever answered comes of who answers, in a sentence."""
    mixed = _mixed(boards[ALL], boards[SAME], dates, action, **window)
    if isinstance(mixed, NotTestable):
        return say("Whether other people answer after the start cannot be seen. {}", mixed.reason)
    answer = mixed["level"]
    chance = answer.low <= 0 <= answer.high
    return say(
        "Who answers changed the mean by {} after the start of {}, beyond what changed within persons. That {}.",
        told(answer), action, "could be chance" if chance else "is more than chance, so only the same customers count",
    )  # fmt: skip


@gated
def tried(board: Frame, dates: Frame, action: str, *, draws: int, seed: int, **window: Any) -> Any:
    """What an action changed, and the chance of as much if its dates were dealt out anew among the branches.

    Args:
        board, dates, action, window: see `followed`; where `scaled`, the change is a ratio, else a difference.
        draws, seed: of the dealing.

    Source: Fisher (1935), The Design of Experiments: a test by the lot itself, which few branches cannot mislead.
    """
    values, random = needed(board).to_numpy(float), np.random.default_rng(seed)
    place = _place(needed(board), needed(dates), action)

    @gated
    def ask(place: np.ndarray) -> Any:
        course, later = needed(_around(values, place, **window)), range(window["after"] + 1)
        return course.ratio(later) if window.get("scaled") else course.difference(later, unit="sd")

    found = [needed(ask(place)), *(ask(random.permutation(place)) for _ in range(draws))]
    ends = np.array([[e.low, e.value, e.high] for e in found if isinstance(e, Estimate)])
    low, value, high = (np.log(ends) if window.get("scaled") else ends).T
    need(len(ends) > 1 and (high > low).all(), "The outcome hardly varies, so no chance can be told. Bring more of it.")
    score = value / (high - low)
    # Few dealings tell the spread of the scores, and so chances smaller than one in their number.
    return found[0], 2 * NORMAL.cdf(-abs(score[0]) / np.sqrt(np.mean(score[1:] ** 2)))


def tips_shown(
    outcomes: Mapping[str, tuple[Frame, Mapping[str, Any]]], dates: Frame, *, draws: int, seed: int
) -> Table | Text:
    """Each distinct action on each outcome, clearest first, with chances corrected for how many were tried.

    Args:
        outcomes: name to a board and its window (see `tried`).
        dates: from `starts`.
        draws, seed: of the dealing.
    """
    from statsmodels.stats.multitest import multipletests

    rows, lost = [], []
    for action in [] if isinstance(dates, NotTestable) else sorted(dates["action"].unique()):
        for outcome, (board, window) in outcomes.items():
            found = tried(board, dates, action, draws=draws, seed=seed, **window)
            if isinstance(found, NotTestable):
                lost.append(f"{outcome}, {action}: {found.reason}")
            else:
                rows.append((outcome, action, in_brief(found[0]), found[1]))
    rows = sorted(rows, key=lambda row: row[-1])
    both = [multipletests([row[-1] for row in rows], method=how)[1] for how in ("holm", "fdr_bh")] if rows else []
    chances = zip(*([row[-1] for row in rows], *both), strict=True)
    told = [[f"{p:.4f}" if p >= 1e-4 else "<0.0001" for p in each] for each in chances]
    shown = [(*row[:-1], *each) for row, each in zip(rows, told, strict=True)]
    if not shown:
        return say("No action can be tried. {}", " ".join(lost) or getattr(dates, "reason", "The table is empty."))
    heads = ["outcome", "action", "change", "chance", "Holm", "Benjamini and Hochberg"]
    return Table(
        name="tips",
        title=f"What each action changed, {count(len(shown))} tests",
        rows=pd.DataFrame(shown, columns=heads),
        caption=f"Chance of as much either way, by the spread of {count(draws)} dealings of the dates among branches. "
        + " ".join(lost),
    )


# --- Staff and customers (S17) ------------------------------------------------------------------------------------


@gated
def staffed(study: Study) -> Any:
    """Branches by period, in standard deviations: satisfaction, staff_satisfaction, and both one period before."""
    names = ["satisfaction", "staff_satisfaction"]
    rows = rows_of(study, "units", "unit", "period", *names).select("unit", "period", *names).to_pandas().dropna()
    units, periods = rows["unit"].nunique(), rows["period"].nunique()
    fewest = within.FEWEST_UNITS
    need(units >= fewest, f"{fewest} branches are needed; {units} have satisfaction of customers and staff.")
    need(periods >= ROUNDS, f"{ROUNDS} periods are needed; the branches have {periods}.")
    return within.lagged(within.in_deviations(rows, names), names)


def mirrored(panel: Frame) -> dict[str, Answer]:
    """Readings of S17, the headline first: slopes of customers' satisfaction on that of staff."""
    customers, staff = "satisfaction", "staff_satisfaction"

    @gated
    def ask(outcome: str, cause: str, *held: str) -> Any:
        found = within.slope(needed(panel), outcome, cause, held=held)
        return found.estimate(method="effects of branch and period, errors by branch")

    @gated
    def across() -> Any:
        return within.between(needed(panel), customers, staff).estimate(method="means of branches")

    return {
        LATER: ask(customers, f"{staff} before", f"{customers} before"),
        NOW: ask(customers, staff),
        BETWEEN: across(),
        TURNED: ask(staff, f"{customers} before", f"{staff} before"),
    }


# --- Engagement and growth (G02) ----------------------------------------------------------------------------------


@gated
def growing(study: Study, found: Answers) -> Any:
    """Branches by round of the survey: engagement then, profit until the next round, and growth from there on.

    Returns:
        unit, period, engagement (standard deviations of answers), profit (mean of its periods), growth (of the profit
        after the next round over that before it, as a share of the branch's mean profit).
    """
    engaged, profit = needed(answered(found, "engagement", same=False)), needed(on_file(study, "profit"))
    rounds = engaged.columns.to_numpy("datetime64[ns]")
    place = np.searchsorted(rounds, profit.columns.to_numpy("datetime64[ns]"), side="right") - 1
    spans = profit.T.groupby(place).mean().T.reindex(columns=range(len(rounds))).reindex(engaged.index)
    mean = spans.mean(axis=1)
    need((mean > 0).any(), "The branches make no profit on average, so no growth can be told.")
    growth = spans.shift(-1, axis=1).sub(spans).div(mean.where(mean > 0), axis=0)
    frames = {"engagement": engaged, "profit": spans, "growth": growth}
    named = {name: each.set_axis(rounds, axis=1).stack(future_stack=True) for name, each in frames.items()}
    panel = pd.DataFrame(named).rename_axis(["unit", "period"]).reset_index()
    n = panel.dropna()["unit"].nunique()
    need(n >= within.FEWEST_UNITS, f"{within.FEWEST_UNITS} branches are needed; {n} have engagement and later profit.")
    return panel


def _top_third(panel: pd.DataFrame) -> pd.DataFrame:
    """Branches of the top third by engagement, and whether profit grew from the first half of the time to the last."""
    late = panel["period"] > panel["period"].median()
    profit = panel.assign(late=late).pivot_table(index="unit", columns="late", values="profit")
    engaged = panel.groupby("unit")["engagement"].mean().reindex(profit.dropna().index)
    return pd.DataFrame({"grew": profit[True] > profit[False]}).loc[engaged.index[engaged.rank(pct=True) > 2 / 3]]


@gated
def certain(panel: Frame, *, between: bool = False) -> Any:
    """Parts of G02: growth after engagement, and the branches that were engaged and did not grow."""
    rows = within.in_deviations(needed(panel).dropna(subset=["engagement"]), ["engagement", "growth"])
    ask = within.between if between else within.slope
    growth = ask(rows, "growth", "engagement").estimate(method="errors by branch")
    top = _top_third(rows)
    need(len(top), "No branch has profit in both halves of the time.")
    return {"growth": growth, "exceptions": Estimate.exact(int((~top["grew"]).sum()), unit="count", n=len(top))}


@instead("There is nothing to count. {}")
def exceptions_told(panel: pd.DataFrame) -> Text:
    """How many engaged branches did not grow, with the exact limits of their share."""
    from scipy.special import betaincinv

    grew = _top_third(panel)["grew"]
    k, n = int((~grew).sum()), len(grew)
    low, high = (betaincinv(k, n - k + 1, 0.025) if k else 0.0), (betaincinv(k + 1, n - k, 0.975) if k < n else 1.0)
    return say(
        "Of {} in the top third by engagement, {} made no more profit in the last half of the time than in the first: "
        "{} (exact 95% interval {}).",
        plural(n, "branch", "branches"), count(k), quantity(k / n, "share"), interval(low, high, "share"),
    )  # fmt: skip
