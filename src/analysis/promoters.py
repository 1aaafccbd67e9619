"""Is the net promoter score enough? Indicators side by side, and what each foretells (I01, I02, I04)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis import figures, indicators
from analysis.afterwards import Afterwards
from analysis.customers import YEAR
from analysis.estimates import Answer, Estimate, NotTestable, columns, gated, in_brief, need, needed, told
from analysis.exhibits import Figure, Table, Text, instead, say
from analysis.regressions import correlations, gains, weighed_for_chance
from analysis.retention import MIN_EVENTS
from analysis.scales import FEWEST, Answers, moments
from analysis.words import count, listing, plural, quantity

SATISFACTION, CLASSES, ANSWER, PAST = "mean satisfaction", "promoter classes", "answer from 0 to 10", "past behaviour"


@gated
def classes(found: Answers) -> Any:
    """Promoters, passives and detractors by the construct `recommend` (see `indicators.promoter_classes`)."""
    needed(found.lacks("recommend") or found)
    asked = found.score(found.constructs["recommend"])
    return indicators.promoter_classes(asked, found.ends("recommend"))


@gated
def score(found: Answers) -> Any:
    """The net promoter score of these questionnaires."""
    return indicators.net_promoter_score(needed(classes(found)), found.weight)


def side_by_side(found: Answers, complaints: Afterwards | NotTestable) -> Table:
    """Every indicator that the survey allows, with its interval, or why it has none.

    Args:
        found: one questionnaire a customer.
        complaints: what the same customers complained about, or why that is not known.
    """
    known: dict[str, Answer] = {"net promoter score": score(found)}
    for construct, name in (("satisfaction", "satisfied"), ("effort", "effort")):
        if construct in found.constructs:
            asked, (low, high) = found.score(found.constructs[construct]), found.ends(construct)
            if construct == "satisfaction":
                top = "satisfied customers (two highest answers)"
                known[top] = indicators.satisfied(asked, (low, high), found.weight)
            known[f"mean {name.replace('satisfied', 'satisfaction')}, {low:g} to {high:g}"] = indicators.mean_score(
                asked, "ratio", found.weight
            )
    if isinstance(complaints, Afterwards):
        ever = int((complaints.did["before"] > 0).sum())
        known[f"complained within {complaints.days} days"] = Estimate.proportion(ever, len(complaints.did))
    rows = [
        {"indicator": name, "value": in_brief(answer), "n": getattr(answer, "n", 0), "note": columns(answer)["note"]}
        for name, answer in known.items()
    ]
    return Table(
        name="indicators",
        title="The same customers, by each indicator",
        rows=pd.DataFrame(rows).pipe(lambda t: t if t["note"].any() else t.drop(columns="note")),
        headings={"value": "value (95% interval)", "n": "answers"},
        caption="Effort is how much trouble it was, so less is better." if "effort" in found.constructs else "",
    )


@instead("{}")
def waves(found: Answers, *, min_cell: int) -> Figure | Text:
    """The net promoter score wave by wave."""
    each, several = needed(classes(found)), "wave" in found.who and found.who["wave"].nunique() > 1
    need(several, "The survey was taken once, so there is no course to draw.")
    table = indicators.over_time(each, found.who["wave"], found.weight).rename(columns={"wave": "label"})
    need(table["value"].notna().any(), f"No wave has {FEWEST} answers.")
    moves = table.dropna(subset="change")
    real = moves[(moves["change low"] > 0) | (moves["change high"] < 0)]
    title = (
        "No change from wave to wave is larger than chance explains"
        if real.empty
        else f"The score moved by more than chance into {plural(len(real), 'wave')}: {listing(list(real['label']))}"
    )
    return figures.dots(
        table.assign(label="wave " + table["label"].astype(str)),
        name="score-by-wave",
        title=title,
        unit="points",
        x_label="Promoters less detractors",
        caption=f"95% intervals on {plural(int(table['n'].sum()), 'questionnaire')}. Waves are compared as separate "
        "samples; where the same people answer, the true error of a change is smaller.",
        min_cell=min_cell,
    )


@instead("There is no net promoter score here. {}")
def what_it_shows(found: Answers, *, points: float) -> Text:
    """The smallest change that samples of this size show, and the sample that a stated change needs, in a sentence.

    Args:
        found: the questionnaires.
        points: a change that one would not want to miss, as a share (.05 is five points).
    """
    answer = needed(score(found))
    return say(
        "The score is {}. Two samples of {} would show a change of {} or more four times in five; a change of {} needs "
        "{} answers each time.",
        told(answer),
        count(answer.n),
        quantity(indicators.smallest_change(answer), "points"),
        quantity(points, "points"),
        count(indicators.needed_for(points, answer)),
    )


# --- Claims -------------------------------------------------------------------------------------------------------


def better_than_satisfaction(later: Afterwards, *, draws: int, seed: int) -> dict[str, dict[str, Answer] | NotTestable]:
    """Readings of I04: parts validity and superiority, by promoter classes and by the answer itself.

    Staying is having ordered within the days after the questionnaire.
    """
    return {name: _beaten(later, name, draws=draws, seed=seed) for name in (CLASSES, ANSWER)}


@gated
def _beaten(later: Afterwards, name: str, *, draws: int, seed: int) -> Any:
    found, stayed = later.answers, (later.did["after"] > 0).to_numpy(float)
    needed(found.lacks("recommend", "satisfaction") or found)
    table, several = _compared(found, needed(classes(found))), len(found.constructs["satisfaction"]) > 1
    need(several, "Satisfaction was asked with one item, and several are needed to hold the score against.")
    enough = min(stayed.sum(), (1 - stayed).sum()) >= MIN_EVENTS
    need(enough, f"Fewer than {MIN_EVENTS} customers stayed, or left, after they had answered.")
    known = table.notna().all(axis=1).to_numpy()
    made = needed(moments(table[[SATISFACTION, name]], weight=found.weight, draws=draws, seed=seed))
    designs = {which: table.loc[known, [which]].to_numpy() for which in (SATISFACTION, name)}
    gained = gains(stayed[known], designs, weight=found.weight[known], chance=True, draws=draws, seed=seed)
    return {"validity": correlations(made, SATISFACTION, [name])[name], "superiority": gained[name]}


def _compared(found: Answers, each: Any) -> pd.DataFrame:
    asked, content = (found.score(found.constructs[name]) for name in ("recommend", "satisfaction"))
    return pd.DataFrame({SATISFACTION: content, CLASSES: each, ANSWER: asked})


@instead("Nothing can be foretold. {}")
def foretold(later: Afterwards, *, draws: int, seed: int) -> Figure | Text:
    """What each indicator, past behaviour, and both together foretell of staying."""
    found, each = later.answers, needed(classes(later.answers))
    need(not found.lacks("satisfaction"), "Satisfaction was not asked.")
    table = _compared(found, each).assign(**{PAST: np.log1p(later.did["before"].to_numpy())})
    known = table.notna().all(axis=1).to_numpy()
    stayed, weight = (later.did["after"] > 0).to_numpy(float)[known], found.weight[known]
    columns_of = {name: [name] for name in (CLASSES, ANSWER, SATISFACTION, PAST)}
    columns_of |= {f"{PAST} and {name}": [PAST, name] for name in (CLASSES, SATISFACTION)}
    rows: list[dict[str, Any]] = []
    for name, chosen in columns_of.items():
        design = {name: table.loc[known, chosen].to_numpy()}
        answer = needed(gains(stayed, design, weight=weight, chance=True, draws=draws, seed=seed)[name])
        rows.append({"label": name, **columns(answer), "n": answer.n})
    best = max(rows[:4], key=lambda row: row["value"])
    return figures.dots(
        pd.DataFrame(rows).drop(columns="note"),
        name="foretold",
        title=f"Of the four alone, {best['label']} foretells best who orders again",
        unit="gain",
        x_label="Share of the uncertainty about who orders again that is taken away, out of sample",
        reference=0.0,
        reference_label="no better than one chance for all",
        caption=f"{count(len(stayed))} questionnaires, {count(stayed.sum())} followed by an order within {later.days} "
        f"days. Logistic models fitted to nine tenths and tried on the last, five times over; past behaviour is the "
        f"number of orders in the {later.days} days before.",
    )


def mirrored(found: Answers, *, draws: int, seed: int) -> dict[str, Answer]:
    """Readings of I01: feedback against stated satisfaction, weighted for who writes, and as it comes."""
    if missing := found.lacks("feedback", "satisfaction"):
        return {"weighted for who writes": missing, "as it comes": missing}
    table = pd.DataFrame({name: found.score(found.constructs[name]) for name in ("feedback", "satisfaction")})
    asked = table["satisfaction"].notna()
    content = table["satisfaction"][asked].to_numpy() - table["satisfaction"].mean()
    weight = found.weight.copy()
    # Bent, so that both ends may write more.
    bent = np.column_stack([content, content**2])
    weight[asked.to_numpy()] *= weighed_for_chance(bent, table["feedback"].notna()[asked].to_numpy())
    made = {
        "weighted for who writes": moments(table, weight=weight, draws=draws, seed=seed),
        "as it comes": moments(table, weight=found.weight, draws=draws, seed=seed),
    }
    return {name: _tied(each, "satisfaction", "feedback") for name, each in made.items()}


@gated
def _tied(made: Any, one: str, other: str) -> Any:
    return correlations(needed(made), one, [other])[other]


def signs_of_loyalty(
    later: Afterwards | NotTestable, praise: Afterwards | NotTestable, *, draws: int, seed: int
) -> dict[str, Answer]:
    """Parts of I02: rank correlation of stated satisfaction with orders a year, tenure and referrals a year.

    Args:
        later: orders around each questionnaire, or why there are none.
        praise: the same of referrals.
        draws, seed: of the resamples of customers.
    """
    parts = {"repeat": (later, "rate"), "tenure": (later, "age"), "praise": (praise, "rate")}
    return {part: _ranked(*source, draws=draws, seed=seed) for part, source in parts.items()}


@gated
def _ranked(found: Afterwards | NotTestable, what: str, *, draws: int, seed: int) -> Any:
    around: Afterwards = needed(found)
    answers, did = needed(around.answers.lacks("satisfaction") or around.answers), around.did
    rate = (did["before"] + did["after"]) * YEAR / (2 * around.days)
    table = pd.DataFrame({"satisfaction": answers.score(answers.constructs["satisfaction"])})
    table[what] = did["age"] if what == "age" else rate
    # Ranks among the complete rows: the correlation of ranks is Spearman's.
    weight = answers.weight[table.notna().all(axis=1)]
    return _tied(moments(table.dropna().rank(), weight=weight, draws=draws, seed=seed), "satisfaction", what)
