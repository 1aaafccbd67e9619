"""What customers are, and how they buy: covariates on the rates of buying and leaving."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, make_dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first used

from analysis.buying import BuyingModel, Parts
from analysis.estimates import Estimate, NotTestable
from analysis.fits import Fit, fit_buying
from analysis.hazards import designed
from analysis.lifetimes import worded
from analysis.retention import MIN_EVENTS


class Described(BuyingModel):
    """A model whose rates differ by what is known of a customer; beside its own parameters it has a factor a term.

    A step up in a term multiplies alpha by 1 / factor, that is, the rate of buying by the factor; and so with
    leaving: its rate in the Pareto/NBD, the odds of leaving after an order by two factors (of a and 1 / b) in the
    BG/NBD.

    Source: Fader & Hardie (2007), "Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models".
    """

    PLAIN: ClassVar[Any]
    # The parameter that each factor moves, the sign, and the place of the term.
    FACTORS: ClassVar[Sequence[tuple[str, int, int]]]

    def at(self, *terms: np.ndarray) -> BuyingModel:
        """See `BuyingModel`."""
        own = {field.name: getattr(self, field.name) for field in fields(self.PLAIN)}
        for name, sign, k in self.FACTORS:
            own[name] = own[name] * getattr(self, f"{name}_{k}") ** (sign * terms[k])
        return self.PLAIN(**own)

    def parts(self, x: np.ndarray, last: np.ndarray, end: np.ndarray, *terms: np.ndarray) -> Parts:
        """See `BuyingModel`."""
        model = self.at(*terms)
        value, odds, slopes = model.parts(x, last, end)
        logs = {name: slope * own for (name, own), slope in zip(vars(model).items(), slopes, strict=True)}
        moved = [sign * logs[name] * terms[k] / getattr(self, f"{name}_{k}") for name, sign, k in self.FACTORS]
        return value, odds, [slope / getattr(self, name) for name, slope in logs.items()] + moved

    def _if_there(self, *_: Any, **__: Any) -> Any:
        raise TypeError("ask the model of customers with their covariates: at(...)")

    _drawn = _if_there


@cache
def described(family: Any, terms: tuple[str, ...]) -> Any:
    """The family with a factor for every parameter that covariates move and every term, a column of the rows."""
    factors = [(name, sign, k) for name, sign in family.MOVED.items() for k in range(len(terms))]
    names = [field.name for field in fields(family)] + [f"{name}_{k}" for name, _, k in factors]
    laws = {"PLAIN": family, "FACTORS": factors, "TERMS": terms, "TIMED": family.TIMED + (0,) * len(factors)}
    laws["NAME"] = f"{family.NAME} with covariates"
    columns = [(name, float) for name in names]
    return make_dataclass(f"Described{family.__name__}", columns, bases=(Described,), frozen=True, namespace=laws)


@dataclass(frozen=True)
class Traits:
    """A model with covariates beside the same one without.

    Attributes:
        plain: without covariates, fitted to the same customers.
        fit: with them.
        rows: the distinct histories with a column for each term.
        terms: one row a term, by its column: covariate, term (its words), step.
        p: of the likelihood-ratio test that no covariate tells anything.
        notes: what was left out, as sentences.
    """

    plain: Fit
    fit: Fit
    rows: pd.DataFrame
    terms: pd.DataFrame
    p: float
    notes: tuple[str, ...]

    def effect(self, place: int, *, leaving: bool = False) -> Estimate:
        """What a term, counted from 0, multiplies the rate of buying by; or the rate or odds of leaving."""
        moved = [f"{name}_{place}" for name in self.plain.model.MOVED if (name == "alpha") != leaving]
        return self.fit.estimate(lambda model: math.prod(getattr(model, name) for name in moved), unit="ratio")


def fit_traits(rows: pd.DataFrame, covariates: Sequence[str], family: Any) -> Traits | NotTestable:
    """Fit a model whose rates of buying and of leaving differ by covariates.

    Args:
        rows: as `buying.summarise(..., by=covariates)` makes them. Words are held against the commonest one, those of
            fewer than 30 customers being "other"; a step of a quantity is one standard deviation.
        covariates: known when the customer was won, and the same for ever.
        family: BGNBD, MBGNBD or ParetoNBD.

    Returns:
        The fit, or why there is none.
    """
    # Each row is a spell of its own there, so that it can be found again.
    spells = worded(rows, covariates, min_cell=MIN_EVENTS).assign(time=np.arange(len(rows)), left=True, entered=0.0)
    design = designed(spells, covariates, min_events=0)
    if not design.columns:
        return NotTestable(" ".join(["There is no covariate by which customers could be compared.", *design.notes]))
    table = rows.iloc[design.rows["time"]].reset_index(drop=True).drop(columns=[*covariates])
    table = table.assign(**{name: design.rows[name].to_numpy(float) for name in design.columns})
    table.attrs = dict(rows.attrs)
    if isinstance(plain := fit_buying(table, family), NotTestable):
        return plain
    if isinstance(fit := fit_buying(table, described(family, tuple(design.columns))), NotTestable):
        return fit
    more = max(2 * (fit.log_likelihood - plain.log_likelihood), 0)
    p = float(scipy.special.chdtrc(len(family.MOVED) * len(design.columns), more))
    return Traits(plain, fit, table, design.terms, p, design.notes)
