"""Who leaves sooner: several covariates at once, by proportional hazards, with the test of their assumption."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import erfc

from analysis.estimates import NORMAL, Estimate, NotTestable, need, sample
from analysis.lifetimes import CUSTOMER, SPELL, customers, in_words, leavers, measured, recount
from analysis.retention import MIN_EVENTS, risk_table
from analysis.words import listing, plural

LEAVERS_A_TERM = 10
MOST_ROWS = 100_000  # given to lifelines; of more customers a sample is taken
LEVEL = 0.05


@dataclass(frozen=True)
class CoxModel:
    """Proportional hazards: how much likelier a customer is to leave at any age, other covariates equal.

    Attributes:
        table: one row a term: covariate, term (a word against the commonest one, or one standard deviation more), step
            (that standard deviation; 1 for words), coefficient and error (log hazard a step), hazard_ratio, low, high
            (95%), p.
        design: what it was fitted to.
        log_likelihood: partial, with Efron's ties.
        customers: behind the fit.
        leavers: behind the fit.
        strata: covariates whose groups have a baseline of their own.
        notes: what was left out, as sentences.
    """

    table: pd.DataFrame
    design: Design = field(repr=False)
    log_likelihood: float
    customers: int
    leavers: int
    strata: tuple[str, ...]
    notes: tuple[str, ...]

    @cached_property
    def assumption(self) -> pd.DataFrame:
        """One row a covariate: covariate, statistic, df, p (of a ratio that changes with age), holds (p is at least
        0.05 divided by the number of covariates)."""
        return _assumption(self.design, self.table["coefficient"].to_numpy())

    @cached_property
    def concordance(self) -> float:
        """When somebody left, how often they had a higher predicted hazard than another who stayed."""
        return _concordance(self.design, self.table["coefficient"].to_numpy())

    @property
    def offenders(self) -> list[str]:
        """Covariates whose hazard ratio changes with age, the clearest first."""
        failed = self.assumption[~self.assumption["holds"]]
        return list(failed.sort_values(["p", "statistic"], ascending=[True, False])["covariate"])

    def ratio(
        self, covariate: str, *, of: str = "", per_unit: bool = False, n: int | None = None, method: str = "Cox"
    ) -> Estimate:
        """The hazard ratio of a covariate that has a single term.

        Args:
            covariate: its name.
            of: the word whose ratio over the other is meant; empty for the term as it stands.
            per_unit: for one unit more of a quantity, not for one standard deviation.
            n: customers; None for those behind the fit.
            method: for the reader.

        Raises:
            Lack: all are alike in it. Use it inside a gated function.
        """
        own = self.table[self.table["covariate"] == covariate].to_dict("records")
        need(len(own) == 1, "All are alike in what is to be compared, or it follows from what is held equal.")
        way, step = -1 if of and not own[0]["term"].startswith(of) else 1, own[0]["step"] if per_unit else 1.0
        value, error = np.exp(way * own[0]["coefficient"] / step), own[0]["error"] / step
        told: dict[str, Any] = {"unit": "hazard ratio", "n": n or self.customers, "events": self.leavers}
        return Estimate.log_normal(float(value), float(error), method=method, **told)


@dataclass(frozen=True)
class Design:
    """Distinct rows with a number for every term.

    Attributes:
        rows: time, left, entered, weight, a column for each term and one for each stratum.
        terms: one row a term, by its column: covariate, term (its words), step.
        strata: covariates whose groups have a baseline of their own.
        notes: what was left out, as sentences.
    """

    rows: pd.DataFrame
    terms: pd.DataFrame
    strata: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """The terms' columns in `rows`."""
        return list(self.terms.index)

    def by_stratum(self) -> Iterator[pd.DataFrame]:
        """The rows of each stratum; all where there are none."""
        if not self.strata:
            return iter([self.rows])
        return (rows for _, rows in self.rows.groupby(_stratum_columns(self.strata)))

    def told(self, coefficient: Any, error: Any, *, ratio: str) -> pd.DataFrame:
        """The terms with their coefficients, standard errors, ratios under that name, 95% intervals and p."""
        slope, spread = np.asarray(coefficient, float), np.asarray(error, float)
        reach = NORMAL.inv_cdf(0.975) * spread
        ends = {ratio: np.exp(slope), "low": np.exp(slope - reach), "high": np.exp(slope + reach)}
        p = erfc(np.abs(slope / spread) / np.sqrt(2))
        return self.terms.reset_index(drop=True).assign(coefficient=slope, error=spread, **ends, p=p)

    def refusal(self, min_events: int = MIN_EVENTS) -> str:
        """Why no model can be fitted to these rows; empty where one can."""
        left, needed = leavers(self.rows), max(min_events, LEAVERS_A_TERM * len(self.terms))
        if not len(self.terms):
            return " ".join(["There is no covariate by which customers could be compared.", *self.notes])
        if left < needed:
            return f"{plural(left, 'customer')} left; a model of {len(self.terms)} terms needs {needed}."
        if self.rows.loc[self.rows["left"], "time"].min() >= self.rows["time"].max():
            return "Nobody was seen to stay longer than a customer who left, so there is no order to explain."
        return ""


def _stratum_columns(strata: Sequence[str]) -> list[str]:
    return [f"stratum {name}" for name in strata]


def cox(
    lifetimes: pd.DataFrame, *, covariates: Sequence[str], strata: Sequence[str] = (), min_events: int = MIN_EVENTS
) -> CoxModel | NotTestable:
    """Fit proportional hazards by lifelines and test the assumption.

    Args:
        lifetimes: distinct rows with the covariates.
        covariates: words, or quantities (a step is one standard deviation).
        strata: covariates that get a baseline of their own instead of a ratio; quantities in quarters.
        min_events: leavers that a word must have, or it is merged into "other"; 10 for each term are needed in all.
    """
    drawn, notes = _drawn(lifetimes)
    design = designed(drawn, covariates, strata=strata, min_events=min_events, notes=notes)
    if reason := design.refusal(min_events):
        return NotTestable(reason)
    try:
        fitted = _fit(design)
    except ValueError as problem:
        return NotTestable(f"The model has no finite answer: {problem}")
    found, variance = fitted.params_[design.columns].to_numpy(), fitted.variance_matrix_.to_numpy()
    notes = list(design.notes)
    if CUSTOMER in design.rows:
        variance, several = _by_customer(design, found, variance), len({*design.rows[CUSTOMER]} - {0})
        notes.append(f"Errors by customer (sandwich), because {plural(several, 'customer')} had several spells.")
    return CoxModel(
        table=design.told(found, np.sqrt(np.diag(variance)), ratio="hazard_ratio"),
        design=design,
        log_likelihood=float(fitted.log_likelihood_),
        customers=customers(design.rows),
        leavers=leavers(design.rows),
        strata=design.strata,
        notes=tuple(notes),
    )


def stratified(
    lifetimes: pd.DataFrame, model: CoxModel | NotTestable, *, covariates: Sequence[str], most: int = 2
) -> CoxModel | NotTestable:
    """The model again with its clearest offenders against the assumption as strata.

    Args:
        lifetimes: distinct rows with the covariates.
        model: as `cox` fitted it to these covariates.
        covariates: of the model.
        most: how many offenders become strata.
    """
    if isinstance(model, NotTestable):
        return model
    if not model.offenders:
        return NotTestable("The assumption was not refuted for any covariate, so none needs a baseline of its own.")
    if len(model.assumption) <= len(model.offenders[:most]):
        return NotTestable("No other covariate is left to compare; the restricted means answer instead.")
    return cox(lifetimes, covariates=covariates, strata=model.offenders[:most])


def _drawn(lifetimes: pd.DataFrame) -> tuple[pd.DataFrame, Sequence[str]]:
    """The rows, or a sample of the customers where lifelines would get more rows than it takes in good time."""
    everyone, singly = customers(lifetimes), leavers(lifetimes) + int((~lifetimes["left"]).sum())
    if singly <= MOST_ROWS:
        return lifetimes, ()
    return sample(lifetimes, MOST_ROWS), [f"Fitted to {MOST_ROWS:,} of {everyone:,} spells, drawn at random."]


def designed(
    lifetimes: pd.DataFrame,
    covariates: Sequence[str],
    *,
    strata: Sequence[str] = (),
    min_events: int = MIN_EVENTS,
    notes: Sequence[str] = (),
) -> Design:
    """Distinct rows as a model reads them; arguments as of `cox`, and notes to begin with."""
    covariates = [name for name in covariates if name not in strata]
    quantities = [name for name in covariates if measured(lifetimes[name])]
    rows = lifetimes[lifetimes[quantities].notna().all(axis=1)]
    missing, notes = customers(lifetimes) - customers(rows), list(notes)
    if missing:
        notes.append(f"{plural(missing, 'customer')} without a value of {listing(quantities, 'or')}: left out.")
    numbers, terms = [], []
    for name in covariates:
        found = _terms(rows, name, min_events)
        numbers += [values for _, _, values in found]
        terms += [(name, term, step) for term, step, _ in found]
    kept = _independent(numbers, rows["weight"].to_numpy(float))
    if redundant := sorted(set(covariates) - {terms[place][0] for place in kept}):
        notes.append(f"The same for all customers, or told by other covariates, so left out: {listing(redundant)}.")
    names = [f"term {place}" for place in kept]
    table = pd.DataFrame([terms[place] for place in kept], names, ["covariate", "term", "step"])
    data = rows[[name for name in rows if name in (*SPELL, CUSTOMER, "weight")]].assign(
        **{name: numbers[place] for name, place in zip(names, kept, strict=True)},
        **{f"stratum {name}": in_words(rows, name, min_events=min_events) for name in strata},
    )
    data = recount(data, [str(column) for column in data if column != "weight"])
    return Design(data, table, tuple(strata), tuple(notes))


def _terms(rows: pd.DataFrame, name: str, min_events: int) -> list[tuple[str, float, np.ndarray]]:
    """The terms of a covariate: label, step, and one number a row."""
    weight = rows["weight"].to_numpy(float)
    if measured(rows[name]):
        values = rows[name].to_numpy(float)
        centred = values - np.average(values, weights=weight) if len(values) else values
        step = float(np.sqrt(np.average(centred**2, weights=weight))) if len(values) else 0.0
        return [(f"{step:,.3g} more", step, centred / step)] if step > 0 else []
    words = in_words(rows, name, min_events=min_events)
    sizes = rows["weight"].groupby(words).sum().sort_values(ascending=False, kind="stable")
    return [
        (f"{word} against {sizes.index[0]}", 1.0, (words == word).to_numpy(float))
        for word in sorted(map(str, sizes.index[1:]))
    ]


def _independent(numbers: list[np.ndarray], weight: np.ndarray) -> list[int]:
    """Places of the terms that do not follow from those before them."""
    if not numbers:
        return []
    columns = np.column_stack([np.ones(len(weight)), *numbers]) * np.sqrt(weight)[:, None]
    rest = np.abs(np.diag(np.linalg.qr(columns / np.linalg.norm(columns, axis=0), mode="r")))
    return [place for place in range(len(numbers)) if place + 1 < len(rest) and rest[place + 1] > 1e-7]


def _leavers_alone(rows: pd.DataFrame) -> pd.DataFrame:
    """Leavers one by one, so that Efron's ties are counted as they are; the others stay counted."""
    gone = rows[rows["left"]]
    alone = gone.loc[gone.index.repeat(gone["weight"])].assign(weight=1)
    return pd.concat([alone, rows[~rows["left"]]], ignore_index=True)


def _fit(design: Design) -> Any:
    """lifelines' fit.

    Raises:
        ValueError: the likelihood has no maximum, with lifelines' first sentence as the reason.
    """
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    rows = _leavers_alone(design.rows)
    late = (rows["entered"] > 0).any()
    # Who was watched from the start is at risk at age 0 too, so enters before it.
    rows = rows.assign(entered=rows["entered"].where(rows["entered"] > 0, -1.0))
    strata = _stratum_columns(design.strata)
    rows = rows[["time", "left", "weight", *(["entered"] if late else []), *strata, *design.columns]]
    entry = {"entry_col": "entered"} if late else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            return CoxPHFitter().fit(rows, "time", "left", weights_col="weight", strata=strata or None, **entry)
    except (ConvergenceError, ConvergenceWarning) as problem:
        raise ValueError(" ".join(str(problem).split()).split(". ")[0] + ".") from problem


def _assumption(design: Design, coefficients: np.ndarray) -> pd.DataFrame:
    """Score test of coefficients that change as the pooled curve falls, a covariate at a time.

    lifelines' test ignores late entry, and R's survival gave up its approximation; this is R's present one.

    Source: Grambsch & Therneau (1994), Biometrika 81; cox.zph of survival 3.
    """
    from scipy.stats import chi2

    parts = [_by_age(rows, design.columns, coefficients) for rows in design.by_stratum() if rows["left"].any()]
    pooled = risk_table(design.rows)
    ages, scores, spreads = (np.concatenate([part[place] for part in parts]) for place in range(3))
    # Age as the share that has left before it, so that a few late leavers do not decide.
    when = 1 - pooled.survival_at(np.nextafter(ages, -1))
    drift = when @ scores
    plain, mixed, square = (np.tensordot(when**power, spreads, 1) for power in (0, 1, 2))
    variance = square - mixed @ np.linalg.pinv(plain) @ mixed
    rows = []
    for name, places in design.terms.reset_index(drop=True).groupby("covariate", sort=False).groups.items():
        mine = np.asarray(places)
        statistic = float(drift[mine] @ np.linalg.pinv(variance[np.ix_(mine, mine)]) @ drift[mine])
        rows.append((name, statistic, len(mine), float(chi2.sf(statistic, len(mine)))))
    table = pd.DataFrame(rows, columns=["covariate", "statistic", "df", "p"])
    return table.assign(holds=table["p"] >= LEVEL / len(table))


def _by_age(rows: pd.DataFrame, columns: list[str], coefficients: np.ndarray) -> tuple[np.ndarray, ...]:
    """Ages at which somebody left (Efron's ties), with the score and its variance there; then for `_by_customer` what
    that age adds to the hazard of all at risk and of those who left, each beside its sum of the terms' means, and
    these means.
    """
    numbers, weight = rows[columns].to_numpy(float), rows["weight"].to_numpy(float)
    hazard, plain, size = weight * np.exp(numbers @ coefficients), risk_table(rows), len(columns)
    blocks = [np.vstack([hazard, numbers.T * hazard]), *(numbers.T * (hazard * numbers[:, k]) for k in range(size))]
    tables = [risk_table(rows, block) for block in blocks]
    at_risk, events = (np.vstack([getattr(table, part) for table in tables]) for part in ("at_risk", "events"))
    seen, ages = risk_table(rows, numbers.T * weight).events, np.flatnonzero(plain.events)
    scores, spreads, felt, own, means = [], [], [], [], []
    for age in ages:
        tied = int(plain.events[age])
        gone = np.arange(tied) / tied
        left = at_risk[:, age, None] - events[:, age, None] * gone
        mean = left[1 : 1 + size] / left[0]
        scores.append(seen[:, age] - mean.sum(1))
        spreads.append((left[1 + size :] / left[0]).sum(1).reshape(size, size) - mean @ mean.T)
        step = np.vstack([np.ones(tied), mean]) / left[0]
        felt.append(step.sum(1))
        own.append(step @ (1 - gone))
        means.append(mean.mean(1))
    return plain.times[ages], *map(np.array, (scores, spreads, felt, own, means))


def _by_customer(design: Design, coefficients: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """The variance where the spells of a customer go together (sandwich).

    Ours, because lifelines' knows neither ties nor late entry and takes a weight for a customer of that weight.

    Source: Lin & Wei (1989), Journal of the American Statistical Association 84; Therneau & Grambsch (2000), Modeling
    Survival Data, chapter 7.
    """
    middle, together = np.zeros_like(variance), []
    for rows in design.by_stratum():
        if rows["left"].any():
            pulls = _pulls(rows, design.columns, coefficients) * rows[["weight"]].to_numpy()
            single = (rows[CUSTOMER] == 0).to_numpy()
            middle += (pulls / rows[["weight"]].to_numpy())[single].T @ pulls[single]
            together.append(pd.DataFrame(pulls[~single], rows.loc[~single, CUSTOMER]))
    sums = pd.concat(together).groupby(level=0).sum().to_numpy()
    return variance @ (middle + sums.T @ sums) @ variance


def _pulls(rows: pd.DataFrame, columns: list[str], coefficients: np.ndarray) -> np.ndarray:
    """How one spell of each row pulls the coefficients: its score residuals."""
    ages, _, _, felt, own, means = _by_age(rows, columns, coefficients)
    numbers, left = rows[columns].to_numpy(float), rows["left"].to_numpy(bool)
    end, begin = (np.searchsorted(ages, rows[name], side="right") for name in ("time", "entered"))
    past = np.vstack([np.zeros(1 + len(columns)), felt.cumsum(axis=0)])
    hazard = past[end] - past[np.where(rows["entered"] > 0, begin, 0)]
    hazard[left] += (own - felt)[end[left] - 1]
    pulls = -np.exp(numbers @ coefficients)[:, None] * (numbers * hazard[:, :1] - hazard[:, 1:])
    pulls[left] += numbers[left] - means[end[left] - 1]
    return pulls


def _concordance(design: Design, coefficients: np.ndarray) -> float:
    """Over all who are at risk when somebody leaves, but those who leave at the same age; strata do not count."""
    rows = design.rows
    time, left, entered, weight = (rows[name].to_numpy() for name in (*SPELL, "weight"))
    scores, place = np.unique(rows[design.columns].to_numpy(float) @ coefficients, return_inverse=True)
    agree, pairs = 0.0, 0.0
    for age in np.unique(time[left]):
        stayed = ((time > age) | ((time == age) & ~left)) & ((entered < age) | (entered == 0))
        went = left & (time == age)
        others = np.bincount(place[stayed], weight[stayed], len(scores))
        gone = np.bincount(place[went], weight[went], len(scores))
        agree += float(gone @ (np.cumsum(others) - others / 2))
        pairs += float(gone.sum() * others.sum())
    return float(agree / pairs) if pairs else 0.5
