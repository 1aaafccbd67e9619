"""Where expectations come from: sources, promises, learning, and what is logged (E01 to E04, E08, E10 to E14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import figures, hypotheses, trials
from analysis.drivers import importance
from analysis.estimates import Answer, Estimate, NotTestable, bootstrapped, columns, gated, in_brief, need, needed
from analysis.exhibits import Figure, Table, Text, instead
from analysis.factors import fit_factors, pattern_of
from analysis.indicators import mean_score
from analysis.regressions import correlations, slopes
from analysis.scales import FEWEST, Answers, correlation, moments, omega, ratio
from analysis.words import interval, listing, plural, spoken

if TYPE_CHECKING:
    from analysis.studies import Study

NEEDS = ("physical", "social", "psychological", "functional")
SOURCES = ("experience_here", "experience_elsewhere", "recommendations", "price", "striving", "needs", "image")
KNOWN = ("knowledge", "curve")
SLOPES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "E08": ("adequate", ("predicted", "desired", "needs")),
    "E11": ("desired", NEEDS),
    **{f"E12 {level}": (level, KNOWN) for level in ("desired", "adequate", "predicted")},
    **{f"E13 {level}": (level, SOURCES) for level in ("predicted", "desired")},
    "E14": ("desired", ("can_be", "should")),
}
FREE, BOUND = "share of the experience, weights left free", "share, weights made to add up to one"
EARLIER, TOGETHER = "asked a wave before", "asked in the same questionnaire"
RUNGS = {EARLIER: "C", TOGETHER: "B"}
NOBODY_TWICE = "Nobody is known to have answered in two waves that follow one another."
AT_LEAST = 20  # members of staff, and days (the register's gate)
SHARPER = 199  # resamples at most, where factor models are fitted to each


# --- Sources of the levels ------------------------------------------------------------------------------------------


@gated
def gathered(found: Answers, key: str, *, draws: int, seed: int) -> Any:
    """Moments of a level (first) and its causes, by a key of `SLOPES`; "curve" is the square of knowledge."""
    level, causes = SLOPES[key]
    asked = [level, *(name for name in causes if name != "curve")]
    needed(found.lacks(*asked) or found)
    table = found.table(asked)
    weight = table.pop("weight").to_numpy()
    if "curve" in causes:
        table["curve"] = (table["knowledge"] - table["knowledge"].mean()) ** 2
    return moments(table, weight=weight, draws=draws, seed=seed)


@gated
def shaped(found: Answers, key: str, *, draws: int, seed: int) -> Any:
    """Standardised slopes of a level on its causes, by a key of `SLOPES`; one questionnaire a customer."""
    each = slopes(needed(gathered(found, key, draws=draws, seed=seed)), *SLOPES[key])
    return each if key != "E14" else {"can_be": each["can_be"], "should_be": each["should"]}


@gated
def single(found: Answers, key: str, cause: str, *, draws: int, seed: int) -> Any:
    """One slope of `shaped`."""
    return needed(shaped(found, key, draws=draws, seed=seed))[cause]


def well_known(found: Answers, *, draws: int, seed: int) -> dict[str, Answer]:
    """Readings of E12: the slope of each level on knowledge, where knowledge is at its mean."""
    return {key[4:]: single(found, key, "knowledge", draws=draws, seed=seed) for key in SLOPES if key[:3] == "E12"}


def sources(found: Answers, *, draws: int, seed: int) -> dict[str, dict[str, Answer] | NotTestable]:
    """Readings of E13; the one in which fewer sources hold comes first, for it is the headline."""
    each = {level: shaped(found, f"E13 {level}", draws=draws, seed=seed) for level in ("predicted", "desired")}
    rule: Any = hypotheses.get("E13").rule

    def held(level: str) -> int:
        of = each[level]
        if isinstance(of, NotTestable):
            return -1
        return len(rule.supported_parts({name: a for name, a in of.items() if isinstance(a, Estimate)}))

    return {level: each[level] for level in sorted(each, key=held)}


@instead("There is nothing to read more strictly.")
def stricter(found: Answers, *, draws: int, seed: int) -> Table:
    """Slopes with Holm's wider intervals, Shapley shares, and how far each cause repeats the others.

    Source: Holm (1979), Scandinavian Journal of Statistics 6: of m slopes the clearest has an interval of 1 - .05/m,
    the next one of 1 - .05/(m - 1), and so on.
    """
    rows = []
    for key in ("E11", "E13 predicted", "E13 desired", "E14"):
        if isinstance(made := gathered(found, key, draws=draws, seed=seed), NotTestable):
            continue
        level, causes = SLOPES[key]
        each = {n: a for n, a in slopes(made, level, causes).items() if isinstance(a, Estimate)}
        share = importance(made, outcome=level, drivers=causes)
        repeats = np.linalg.inv(correlation(made.covariance[1:, 1:]))
        for place, name in enumerate(sorted(each, key=lambda n: -abs(each[n].value) / (each[n].high - each[n].low))):
            rows.append(
                {
                    "cause": f"{key}: {spoken(name)}",
                    "slope (95% interval)": in_brief(each[name]),
                    "by Holm": interval(*each[name].interval(1 - 0.05 / (len(each) - place)), "slope"),
                    "share": in_brief(share if isinstance(share, NotTestable) else share.share(name)),
                    "repeats": repeats[causes.index(name), causes.index(name)],
                }
            )
    need(rows, "")
    return Table(
        name="stricter",
        title="The same slopes, read more strictly",
        rows=pd.DataFrame(rows),
        units={"repeats": "ratio"},
        caption="By Holm: intervals that allow for the number of causes tried at once. Share: of what the causes "
        "of one level explain together (Shapley). Repeats: how many times the variance of a slope grows because the "
        "causes go together (variance inflation); 1 is not at all, 5 is a warning.",
    )


# --- Learning -------------------------------------------------------------------------------------------------------


def pairs(found: Answers) -> pd.DataFrame:
    """Questionnaires of one customer that follow one another, wave by wave where waves are told, else day by day.

    Returns:
        customer_id, before and after (row numbers).
    """
    named, who = ["customer_id", "before", "after"], found.who.reindex(columns=["customer_id", "answered_at", "wave"])
    if "wave" in found.who:
        start = who.groupby("wave")["answered_at" if "answered_at" in found.who else "wave"].min()
        place = who["wave"].map(start.rank(method="first"))
    else:
        place = who.groupby("customer_id")["answered_at"].rank(method="dense")
    each = pd.DataFrame({"customer_id": who["customer_id"], "place": place, "row": np.arange(len(who))})
    each = each.dropna().drop_duplicates(["customer_id", "place"], keep="last")
    joined = each.merge(each.assign(place=each["place"] - 1), on=["customer_id", "place"])
    return joined[["customer_id", "row_x", "row_y"]].set_axis(named, axis=1)


@gated
def earlier(found: Answers, *constructs: str, beside: Mapping[str, str] | None = None) -> Any:
    """Questionnaires whose customers also answered a wave before, some constructs as they were answered then.

    Args:
        found: all questionnaires.
        constructs: to be taken from the wave before; levels of `pairs` in every dimension.
        beside: new name -> construct that is there as answered now and, under the new name, as answered then.
    """
    beside, couples = beside or {}, pairs(found)
    needed(found.lacks(*constructs, *beside.values()) or found)
    need(len(couples), NOBODY_TWICE)
    sides = [found.constructs, *found.dimensions.values()]
    moved = list({item: None for side in sides for name in constructs for item in side.get(name, ())})
    once = {new: tuple(f"{item} before" for item in found.constructs[name]) for new, name in beside.items()}
    whence = [*moved, *(item for name in beside.values() for item in found.constructs[name])]
    whither = [*moved, *(item for each in once.values() for item in each)]
    items = found.items.iloc[couples["after"]].reset_index(drop=True)
    items[whither] = found.items[whence].to_numpy()[couples["before"]]
    return replace(
        found,
        items=items,
        who=found.who.iloc[couples["after"]].reset_index(drop=True),
        weight=found.weight[couples["after"]],
        constructs={**found.constructs, **once},
        scale={**found.scale, **{new: found.scale[old] for new, old in zip(whither, whence, strict=True)}},
    )


def by_wave(
    found: Answers, ask: Callable[..., Any], *constructs: str, beside: Mapping[str, str] | None = None, **asked: Any
) -> dict[str, Any]:
    """Readings of a claim by when its cause was asked; the headline comes first (rungs: `RUNGS`).

    Args:
        found: all questionnaires.
        ask: gives the evidence, from one questionnaire a customer and from `asked`.
        constructs, beside: the causes, as of `earlier`.
        asked: further arguments of `ask`.
    """
    before, readings = earlier(found, *constructs, beside=beside), {}
    if isinstance(before, Answers):
        readings[EARLIER] = ask(before.latest(), **asked)
    readings[TOGETHER] = ask(found.latest(), **asked)
    return dict(sorted(readings.items(), key=lambda reading: isinstance(reading[1], NotTestable)))


@gated
def occasions(found: Answers) -> Any:
    """Expectation, experience and next expectation of the same customer.

    Returns:
        One row a pair of waves: customer_id, row (of the first questionnaire), then "before NAME", "found NAME" and
        "after NAME" for each dimension asked as expected and as found (for each item, where there is one dimension).
    """
    both = [levels for levels in found.dimensions.values() if {"expectation", "perception"} <= set(levels)]
    couples = pairs(found)
    needed(both or found.lacks("expectation", "perception") or found)
    need(both, "Nothing was asked as expected and as found.")
    need(len(couples), NOBODY_TWICE)
    sides = [(levels["expectation"], levels["perception"]) for levels in both]
    if len(sides) == 1:
        sides = [((held,), (met,)) for held, met in zip(*sides[0], strict=False)]
    need(len(sides) > 1, "Expectation was asked with one item, so its error cannot be told from learning.")
    when = (("before", 0, "before"), ("found", 1, "before"), ("after", 0, "after"))
    asked = {
        f"{name} {number}": found.score(side[at]).to_numpy()[couples[row]]
        for name, at, row in when
        for number, side in enumerate(sides)
    }
    return pd.DataFrame({"customer_id": couples["customer_id"], "row": couples["before"], **asked}).dropna()


def updating(
    found: Answers, three: pd.DataFrame | NotTestable, *, experience: str, draws: int, seed: int
) -> dict[str, Answer]:
    """Weights of the earlier expectation and of the experience in the next expectation, freed of measurement error.

    Args:
        found: all questionnaires.
        three: from `occasions`.
        experience: the construct that parts customers with more experience of the firm from those with less.
        draws, seed: of the resamples of customers.

    Returns:
        Weights by what they are, `FREE` and `BOUND` (the readings of E01) among them.
    Source: Fuller (1987), Measurement Error Models; error is what the parts of a score do not share (omega).
    """
    drawn = _weights(three, found.weight, draws=draws, seed=seed)
    if isinstance(drawn, NotTestable) or isinstance(three, NotTestable):
        return dict.fromkeys((FREE, BOUND), drawn)
    if experience in found.constructs:
        known = found.score(found.constructs[experience])[three["row"]].groupby(three["customer_id"].to_numpy())
        much = three["customer_id"].map(known.mean() > known.mean().median())
        old, new = (_weights(three[half], found.weight, draws=draws, seed=seed) for half in (much, ~much))
        if not isinstance(old, NotTestable) and not isinstance(new, NotTestable):
            drawn |= {"share among more experienced customers": old[FREE], "share among the others": new[FREE]}
    return {
        name: bootstrapped(Estimate.from_draws, float(of[0]), of[1:], unit="share", n=len(three))
        for name, of in drawn.items()
    }


@gated
def _weights(three: pd.DataFrame | NotTestable, weight: np.ndarray, *, draws: int, seed: int) -> Any:
    """Each weight in the sample and in its resamples."""
    rows = needed(three)
    parts = rows.drop(columns=["customer_id", "row"])
    made = needed(moments(parts, weight=weight[rows["row"]], cases=rows["customer_id"], draws=draws, seed=seed))
    stack, k = np.concatenate([made.covariance[None], made.drawn]), parts.shape[1] // 3
    mean = np.repeat(np.eye(3), k, axis=0) / k
    whole = mean.T @ stack @ mean
    unsure = np.stack([1 - omega(stack[:, at : at + k, at : at + k]) for at in (0, k)], axis=1)
    noise = unsure * np.einsum("dii->di", whole)[:, :2]
    freed = whole[:, :2, :2] - noise[:, :, None] * np.eye(2)
    told_apart = np.linalg.eigvalsh(freed)[:, 0] > 0
    noisy = "The answers hold so much error that what was expected and found cannot be told from it."
    need(told_apart[0], noisy)
    free = np.linalg.solve(np.where(told_apart[:, None, None], freed, np.eye(2)), whole[:, :2, 2:])[..., 0]
    free[~told_apart] = np.nan
    # Bound weights: the move from one expectation to the next, on how far the experience lay from the first.
    apart = np.array([-1, 1, 0]) @ whole
    moved, surprise = apart[:, 2] - apart[:, 0], apart[:, 1] - apart[:, 0]
    return {
        "earlier expectation": free[:, 0],
        "experience": free[:, 1],
        "both together": free.sum(axis=1),
        FREE: free[:, 1] / free.sum(axis=1),
        BOUND: (moved - noise[:, 0]) / (surprise - noise.sum(axis=1)),
        "the same, with measurement error left in": moved / surprise,
    }


@instead("{}")
def learning_chart(found: Answers, three: pd.DataFrame, *, min_cell: int) -> Figure | Text:
    """Expectation before, experience, and expectation after, of customers who found bad, middling and good service."""
    need(len(three) >= FEWEST, "Too few customers answered in two waves.")
    means = {side: three.filter(regex=f"^{side} ").mean(axis=1) for side in ("before", "found", "after")}
    third = pd.qcut(means["found"].rank(method="first"), 3, labels=False)
    moved = (means["after"] - means["before"]).groupby(third).mean()
    words = {"before": "expected before", "found": "found", "after": "expected next time"}
    rows = [
        {"section": f"{name} third of experiences", "label": words[side], **columns(answer), "n": answer.n}
        for number, name in enumerate(("worst", "middle", "best"))
        for side, scores in means.items()
        for answer in [mean_score(scores[third == number], "ratio", found.weight[three["row"][third == number]])]
        if isinstance(answer, Estimate)
    ]
    return figures.dots(
        pd.DataFrame(rows),
        name="updating",
        title=f"Expectations move by {moved[0]:+.2f} after the worst experiences and by {moved[2]:+.2f} after the best",
        unit="ratio",
        x_label="Mean answer",
        caption=f"{plural(len(three), 'pair')} of questionnaires, parted by what was found. 95% intervals.",
        min_cell=min_cell,
    )


@instead("So no weights can be told.")
def learning_table(of: Mapping[str, Answer]) -> Table:
    """All weights of `updating`."""
    needed(of[FREE])
    rows = pd.DataFrame([{"weight of": name, "value": in_brief(answer)} for name, answer in of.items()])
    return Table(
        name="weights",
        title="What the next expectation is made of",
        rows=rows,
        headings={"value": "value (95% interval)"},
        caption="Where both together are about 100%, the next expectation lies between the two.",
    )


# --- Promises, two kinds of expectation, and what is logged ---------------------------------------------------------


def promised(lab: Study, found: Answers, arm: str = "") -> dict[str, Answer]:
    """Readings of E02: each arm of an experiment against its control arm, in the first answer after the lot was drawn.

    Everybody counts in the arm that the lot gave. `arm` names one of several trials; "" is for a study with one.
    """
    answered = trials.asked(lab, found, "will", arm)
    if isinstance(answered, NotTestable):
        return {"by lot": answered}
    control = answered["against"].iloc[0]
    return {
        f"{arm} against {control}": trials.difference(pair["said"], pair["treated"], in_sd=True, unit="sd")
        for arm in sorted(answered["arm"][answered["treated"]].unique())
        for pair in [answered[answered["arm"].isin([arm, control])]]
    }


@gated
def two_kinds(found: Answers, *, draws: int, seed: int) -> Any:
    """Parts of E03: what two factors gain in fit over one, and the heterotrait-monotrait ratio."""
    needed(found.lacks("should", "will") or found)
    one, two = found.constructs["should"], found.constructs["will"]
    need(min(len(one), len(two)) > 1, "What should be and what will be need two items each.")
    made = needed(moments(found.items[[*one, *two]], weight=found.weight, draws=min(draws, SHARPER), seed=seed))

    def gained(covariance: np.ndarray) -> float:
        sizes = [len(one), len(two)], [len(one) + len(two)]
        apart, alike = (fit_factors(covariance, pattern_of(of), n=[made.n]) for of in sizes)
        return getattr(apart, "cfi", np.nan) - getattr(alike, "cfi", np.nan)

    fit: Answer = NotTestable("One of the two factor models could not be fitted.")
    if np.isfinite(value := gained(made.covariance)):
        drawn = np.array([gained(each) for each in made.drawn])
        fit = bootstrapped(Estimate.from_draws, value, drawn, unit="fit index", n=made.n)
    return {"fit": fit, "distinct": ratio(found, one, two, draws=draws, seed=seed)}


@gated
def logged_before(lab: Study, found: Answers, construct: str, columns: Sequence[str], *, within: int) -> Any:
    """Each questionnaire with the logged event before it.

    Args:
        lab: the study, for its table of operations.
        found: all its questionnaires.
        construct: what they are asked for.
        columns: of the log; an event counts where all of them are known.
        within: days after the event in which the customer must have answered.

    Returns:
        One row a questionnaire: customer_id, day, weight, the score under the construct's name, the columns, and
        served (day of the event) and staff_id as far as that is logged.
    """
    needed(found.lacks(construct) or found)
    need(lab.has("operations"), "The study has no operations table.")
    log = lab.table("operations").rows.to_pandas()
    lacking = [name for name in ("customer_id", "measured_at", *columns) if name not in log]
    need(not lacking, f"The study has no log of operations with {listing(lacking)}.")
    lacking = [name for name in ("customer_id", "answered_at") if name not in found.who]
    need(not lacking, f"Answers cannot be joined to the log without {listing(lacking)}.")
    log = log.assign(**{name: pd.to_numeric(log[name], errors="coerce").astype(float) for name in columns})
    log["served"] = log["day"] = log["measured_at"].dt.normalize().astype("datetime64[s]")
    log = log[["customer_id", "day", "served", *columns, *(name for name in ("staff_id",) if name in log)]]
    asked = found.who[["customer_id"]].assign(weight=found.weight)
    asked["day"] = found.who["answered_at"].dt.normalize().astype("datetime64[s]")
    asked[construct] = found.score(found.constructs[construct])
    asked, log = (side.dropna().sort_values("day", kind="stable") for side in (asked, log))
    return pd.merge_asof(asked, log, on="day", by="customer_id", tolerance=pd.Timedelta(days=within)).dropna()


@gated
def served(lab: Study, found: Answers, *, measure: str, more_is_better: bool, within: int) -> Any:
    """Ratings of quality by `logged_before`, each event once, with performance (more of it is better).

    Args:
        lab, found, within: as there.
        measure: the logged number that says how well it was done; "" takes the first.
        more_is_better: else less is.
    """
    known = lab.table("operations").facts["covariates"] if lab.has("operations") else ()
    measure = measure or next(iter(known), "measure")
    joined = needed(logged_before(lab, found, "quality", [measure], within=within))
    performance = joined[measure] if more_is_better else -joined[measure]
    return joined.assign(performance=performance).drop_duplicates(["customer_id", "served"])


def felt(events: pd.DataFrame | NotTestable, *, draws: int, seed: int) -> dict[str, Answer]:
    """Readings of E04: correlation of rated quality with logged performance, customers drawn with all their ratings."""
    return {way: _felt(events, way == "by rank", draws=draws, seed=seed) for way in ("by rank", "as measured")}


@gated
def _felt(events: pd.DataFrame | NotTestable, ranked: bool, **again: int) -> Any:
    rows: pd.DataFrame = needed(events)
    table = rows[["quality", "performance"]]
    table = table.rank() if ranked else table
    made = needed(moments(table, weight=rows["weight"].to_numpy(), cases=rows["customer_id"], **again))
    return correlations(made, "quality", ["performance"])["performance"]


@gated
def put_up_with(found: Answers, events: pd.DataFrame | NotTestable, *, draws: int, seed: int) -> Any:
    """Parts of E10: shares of staff and of days in the variance of ratings, and what variation does to loyalty."""
    return needed(by_staff_and_day(needed(events))) | {"tolerated": unsteady(found, draws=draws, seed=seed)}


@gated
def unsteady(found: Answers, *, draws: int, seed: int) -> Any:
    """Slope of a customer's last stated loyalty on the variance of the own ratings, their mean held fixed."""
    needed(found.lacks("quality", "loyalty") or found)
    need({"customer_id", "answered_at"} <= set(found.who), "The survey does not say who answered when.")
    scores = {name: found.score(found.constructs[name]) for name in ("quality", "loyalty")}
    asked = found.who.assign(**scores, weight=found.weight).sort_values("answered_at", kind="stable")
    each = asked.groupby("customer_id")
    table = each["quality"].agg(["mean", "var"]).assign(loyalty=each["loyalty"].last())
    made = needed(moments(table, weight=each["weight"].last().to_numpy(), draws=draws, seed=seed))
    return slopes(made, "loyalty", ["mean", "var"])["var"]


def by_staff_and_day(events: pd.DataFrame) -> dict[str, Answer] | NotTestable:
    """Shares of the variance by what pairs of ratings differ that share a member of staff, a day, or neither.

    Such squared differences need no model of the rest. Errors: leave out each member of staff, and each day, in turn;
    what leaving out single ratings does is in both, and taken off once.

    Source: Koch (1968), Technometrics 10; Cameron, Gelbach & Miller (2011), Journal of Business & Economic Statistics
    29, for errors along two ways.
    """
    groups = [pd.factorize(events[name])[0] for name in ("staff_id", "served") if name in events]
    if len(groups) < 2 or min(group.max(initial=-1) + 1 for group in groups) < AT_LEAST:
        return NotTestable(f"Ratings by at least {AT_LEAST} members of staff on at least {AT_LEAST} days are needed.")
    rating, weight = (events["quality"] - events["quality"].mean()).to_numpy(), events["weight"].to_numpy()
    staff, day = groups
    both = np.unique(staff * (day.max() + 1) + day, return_inverse=True)[1]

    def shares(weight: np.ndarray) -> np.ndarray:
        of = np.empty((4, 2))  # half the squared differences in pairs, and the pairs
        for place, cell in enumerate((np.zeros_like(staff), staff, day, both)):
            once, rated, squared = (np.bincount(cell, weight * rating**power) for power in (0, 1, 2))
            of[place] = once @ squared - rated @ rated, once @ once - weight @ weight
        neither, by_staff, by_day = of[0] - of[1] - of[2] + of[3], of[1] - of[3], of[2] - of[3]
        mean = [apart / number if number > 0 else np.nan for apart, number in (neither, by_staff, by_day)]
        return 1 - np.array(mean[1:]) / mean[0]

    if not np.ptp(rating) or np.isnan(values := shares(weight)).any():
        return NotTestable("No two ratings share a member of staff without the day, or the day without the other.")
    ways = []
    for group in (staff, day, both):
        left_out = np.array([shares(weight * (group != place)) for place in range(group.max() + 1)])
        ways.append((len(left_out) - 1) * left_out.var(axis=0))
    error = np.sqrt(np.maximum(ways[0] + ways[1] - ways[2], np.maximum(ways[0], ways[1])))
    tell: dict[str, Any] = {"unit": "share", "n": len(events), "method": "pairs of ratings, jackknife along two ways"}
    return {name: Estimate.normal(values[i], error[i], **tell) for i, name in enumerate(("staff", "days"))}
