"""Retention read from silence: the curve of a buying model, and what it is asked for."""

from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest
from invented import orders

from analysis import customers, silence
from analysis.buying import BGNBD, ParetoNBD, summarise
from analysis.estimates import NotTestable
from analysis.fits import fit_buying
from analysis.renewal import RetentionCurve

START, END = date(2023, 1, 2), date(2024, 12, 30)
YEAR = 365.25 / 7


@cache
def shop(kind, people=300):
    """Customers who leave unseen at rates of their own ("leaving"), stay on at an even pace ("even"), or came once."""
    rng, days, rows = np.random.default_rng(5), (END - START).days, []
    for person in range(people):
        stop, pace = rng.exponential(1 / rng.gamma(0.8, 1 / 300)), rng.gamma(1.2, 1 / 40)
        later = {
            "leaving": np.flatnonzero(rng.random(int(min(stop, days))) < pace),
            "even": np.arange(0, days, 7 + person % 30),
            "once": [],
        }[kind]
        rows += [(f"p{person}", START + timedelta(int(day)), 10.0) for day in {0, *later}]
    return customers.purchases(orders(rows, until=str(END)))


def test_a_curve_is_the_thinning_of_the_models_orders():
    rows = summarise(shop("leaving"))
    found = silence.order_curve(rows, ParetoNBD, years=12, draws=40, seed=1)
    model = fit_buying(rows, ParetoNBD).model
    # Expected orders of year k are r / alpha times the integral of (beta / (beta + t))^s over it.
    ends = (model.beta + YEAR * np.arange(14)) ** (1 - model.s)
    in_year = model.r / model.alpha * model.beta**model.s * np.diff(ends) / (1 - model.s)
    assert found.rates == pytest.approx(in_year[1:] / in_year[:-1], rel=1e-6)
    assert found.first[0] == pytest.approx(1 / in_year[0], rel=1e-6)
    assert found.observed_years == 0
    assert (found.draws.shape, found.first.shape) == ((40, 12), (41,))
    assert found.customers == 300
    # In the world itself customers leave at rates of Gamma(0.8), a mean stay of 300 / 0.8 days: the same integral.
    world = np.diff((300 + 365.25 * np.arange(3)) ** 0.2)
    low, high = np.quantile(found.draws[:, 0], [0.025, 0.975])
    assert low < world[1] / world[0] < high


def test_a_log_of_less_than_a_year_has_no_yearly_rate():
    rows = summarise(shop("leaving"), until=START + timedelta(days=360))
    assert "less than a year" in silence.order_curve(rows, ParetoNBD, draws=3, seed=1).reason


def test_models_that_foretell_a_hold_out_have_a_curve():
    curves, told = silence.order_curves(shop("leaving"), draws=30, seed=1)
    assert list(curves) == ["Pareto/NBD", "BG/NBD", "MBG/NBD"]
    assert all(isinstance(curve, RetentionCurve) for curve in curves.values())
    assert told.startswith("Share of a naive rule's squared error that each removes on the second half of the log: Par")


def test_a_model_that_gains_nothing_is_not_asked():
    """Everybody goes on at an even pace, which the naive rule knows exactly."""
    curves, _ = silence.order_curves(shop("even", 60), draws=30, seed=1)
    assert {type(curve) for curve in curves.values()} == {NotTestable}
    assert "no better than a rule by which all go on" in curves["Pareto/NBD"].reason


def test_where_nobody_comes_again_nothing_is_foretold():
    curves, told = silence.order_curves(shop("once"), draws=30, seed=1)
    assert {curve.reason for curve in curves.values()} == {"0 customers bought again; at least 30 are needed."}
    assert "not testable here" in told
    assert isinstance(silence.order_curve(summarise(shop("once")), BGNBD, draws=3, seed=1), NotTestable)
