"""Three clocks: what no data can tell is not told, what they can is found, and the errors are those of a customer."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.api import GEE, families
from test_cohorts import LOG, shop

from analysis import clocks, cohorts, customers
from analysis.estimates import NotTestable

AGES, STARTS, SIZE = 6, 8, 400


def seen(came):
    """What the engine would count of customers (start, customer, age) who came or not, each age lived through."""
    size = came.shape[1]
    active = came.sum(axis=1)
    at, age = np.indices(active.shape)
    cells = {"position": at, "age": age + 1, "active": active.astype(float)}
    cells = pd.DataFrame({name: values.ravel() for name, values in cells.items()})
    cells = cells.assign(customers=size, state=cohorts.SEEN, counted=cohorts.CUSTOMERS)
    both = np.einsum("sia,sib->sab", came.astype(float), came.astype(float))
    places = (one.ravel() for one in np.indices(both.shape))
    pairs = pd.DataFrame(dict(zip(("position", "age", "other"), places, strict=True))).assign(active=both.ravel())
    return cells, pairs.assign(age=pairs["age"] + 1, other=pairs["other"] + 1)


@pytest.fixture
def world(monkeypatch):
    """Asks the three clocks of customers who came or not."""

    def ask(came):
        cells, pairs = seen(came)
        monkeypatch.setattr(clocks, "follow", lambda *_, **__: cells)
        monkeypatch.setattr(clocks, "together", lambda *_, **__: pairs)
        return clocks.clocks(None, grain="month", until=came.shape[2])

    return ask


def came(random, *, age=0.0, start=0.0, calendar=0.0, odd=0.0, sticky=0.0):
    """Customers who come with a chance that moves steadily with each clock; the third cohort may be `odd`."""
    s, a = np.indices((STARTS, AGES))
    log = np.log(0.2) + age * a + start * s + calendar * (s + a) + odd * (s == 2)
    own = random.gamma(1 / sticky, sticky, (STARTS, SIZE, 1)) if sticky else 1.0
    return random.random((STARTS, SIZE, AGES)) < np.clip(np.exp(log)[:, None, :] * own, 0, 1)


def test_steady_trends_that_make_the_same_dates_cannot_be_told_apart(world):
    """Cohorts that get better by 2% a month, or a calendar that does while customers fade: one answer for both."""
    one = world(came(np.random.default_rng(3), start=0.02))
    other = world(came(np.random.default_rng(3), calendar=0.02, age=-0.02))
    pd.testing.assert_frame_equal(one["trends"], other["trends"])
    found = one["trends"].set_index("assumption")
    assert found.loc["the calendar has no trend of its own", "value"] == pytest.approx(np.expm1(0.02), abs=0.02)


def test_the_line_says_what_each_calendar_would_mean(world):
    """Cohorts +3%, ages -5%, calendar +1%: known are the sums, +4% and -4%; a calendar of +1% gives the +3% back."""
    found = world(came(np.random.default_rng(1), start=0.03, age=-0.05, calendar=0.01))
    line = found["line"]
    at = {name: np.interp(np.expm1(0.01), line["x"], line[name]) for name in ("low", "y", "high")}
    assert at["low"] <= np.expm1(0.03) <= at["high"]
    none = found["trends"]["value"].to_numpy()
    assert np.interp(0, line["x"], line["y"]) == pytest.approx(none[0], abs=1e-4)
    assert none[1] == pytest.approx(np.expm1(0.08), abs=0.03)  # if age did nothing, the calendar fell by 4%
    assert found["bends"]["bends"].tolist() == [AGES - 2, STARTS + AGES - 3, STARTS - 2]


def test_an_odd_cohort_is_a_bend_and_a_steady_trend_is_none(world):
    bent = world(came(np.random.default_rng(2), odd=0.5))["bends"].set_index("clock")["p"]
    assert bent["start of the cohort"] < 0.001
    assert bent[["age", "calendar"]].min() > 0.001
    assert world(came(np.random.default_rng(5), start=0.05, age=-0.03))["bends"]["p"].min() > 0.01


def test_intervals_hold_the_truth_where_customers_keep_to_their_ways(world):
    """Of 100 worlds in which customers differ for good, 95 should hold; Monte Carlo error 2.2 points."""
    random, held = np.random.default_rng(6), 0
    for _ in range(100):
        row = world(came(random, age=-0.03, sticky=1.0))["trends"].iloc[0]
        held += row["low"] <= 0 <= row["high"]
    assert held >= 90


def test_errors_are_those_of_gee():
    """statsmodels' generalised estimating equations, on one row a customer and month, clustered by customer."""
    bought = shop([0.3, 0.4, 0.5, 0.3], customers_=150, ages=4)
    cells = cohorts.follow(bought, ages=[1, 2, 3, 4], grain="month", definitions=["n-day"])
    cells = cells.query("counted == 'customers' and state == 'seen'").reset_index(drop=True)
    bends = clocks._bends(cells["age"].to_numpy())
    found, spread, free = clocks._fitted(bought, cells, bends, "month")
    rows = bought.rows.select("customer_id", "ordered_on").to_pandas()
    rows = rows.assign(month=pd.PeriodIndex(pd.to_datetime(rows["ordered_on"]), freq="M"))
    lives = rows.groupby("customer_id")["month"].agg(["min", set])
    long = lives.reset_index().merge(
        cells.assign(start=pd.PeriodIndex(cells["began"], freq="M")), left_on="min", right_on="start"
    )
    long["y"] = [float(row.start + row.age in row.set) for row in long.itertuples()]
    age, began = (cells[name] - cells[name].mean() for name in ("age", "position"))
    design = pd.DataFrame(np.column_stack([np.ones(len(cells)), age, began, bends])).assign(
        age=cells["age"], position=cells["position"]
    )
    long = long.merge(design, on=["age", "position"]).sort_values("customer_id")
    fit = GEE(long["y"], long[[0, 1, 2, 3, 4]], groups=long["customer_id"], family=families.Poisson()).fit()
    assert found == pytest.approx(fit.params.to_numpy(), rel=1e-6)
    scale = spread[0, 0] / fit.cov_params().iloc[0, 0]
    assert scale >= 1 - 1e-9
    assert spread == pytest.approx(scale * fit.cov_params().to_numpy(), rel=1e-5, abs=1e-9)
    assert free == len(cells) - 5


@pytest.mark.parametrize("log", [LOG, LOG[:1], [("ann", "2024-01-31", 1.0), ("bob", "2024-01-01", 1.0)]])
def test_few_customers_cohorts_or_periods_are_refused(log):
    from invented import orders

    found = clocks.clocks(customers.purchases(orders(log, until="2024-04-30")), grain="month", until=3)
    assert isinstance(found, NotTestable)
    assert "fewer than 3 levels" in found.reason
