"""What customers of CDNOW are worth, in print and by two other programs.

Print is Fader, Hardie & Lee (2005), "RFM and CLV: Using Iso-Value Curves", Journal of Marketing Research 42(4): all
78 weeks, Pareto/NBD and gamma-gamma, 30% margin, 15% a year, no end; its numbers as quoted in public summaries. It
leaves out ten customers with large spending and does not name them: here the ten who spent most. Its parameters of
the Pareto/NBD are those in the help of the R package BTYD. Orders are days, a day of zero dollars included ("net").

The other programs' answers stand in clv_clvkit.csv and clv_lifetimes.csv, made by clv_peers.py.
"""

import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import customers, studies
from analysis.buying import BGNBD, HISTORY, WEEK, ParetoNBD
from analysis.fits import fit_buying
from analysis.order_values import GammaGamma, counted, fit_spend, ledger

HERE = Path(__file__).parent
WEEKLY = math.log(1.15) / 52


@pytest.fixture(scope="module")
def log():
    return studies.open_study("cdnow", HERE.parents[1] / "studies.toml").table("orders")


def in_weeks(rows):
    return rows.assign(last=rows["last"] / WEEK, observed=rows["observed"] / WEEK)


# --- Print ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def printed(log):
    """The customers in print, and what each is worth."""
    import ibis

    bought = customers.purchases(log, returns="net")
    spent = bought.rows.group_by("customer_id").agg(spent=bought.rows.amount.sum())
    biggest = spent.order_by(ibis.desc("spent")).limit(10)
    rows = in_weeks(counted(ledger(bought).anti_join(biggest, "customer_id")))
    orders = ParetoNBD(0.5629966, 12.5590370, 0.4081095, 10.5148048).discounted(rows, rate=WEEKLY)
    money = fit_spend(rows.query("mean > 0")).model.mean_order(rows["repeats"], rows["mean"])
    return rows.assign(value=0.3 * orders * money)


def test_customers_without_a_repeat_order(printed):
    """12,054 customers worth 4.40 dollars each and 53,000 in all; the gamma-gamma parameters are not in print."""
    zero = printed.query("repeats == 0")
    total = zero["value"] @ zero["weight"]
    assert zero["weight"].sum() == 12_054
    assert total / 12_054 == pytest.approx(4.40, abs=0.05)
    assert total == pytest.approx(53_000, abs=1_000)


def test_the_whole_cohort(printed):
    """23,560 customers, about 47 dollars each, slightly more than 1.1 million: who was left out moves it by 2%."""
    total = printed["value"] @ printed["weight"]
    assert printed["weight"].sum() == 23_560
    assert total / 23_560 == pytest.approx(47, rel=0.02)
    assert total == pytest.approx(1.1e6, rel=0.02)


def test_recency_tells_most_apart(printed):
    """Means of thirds of the repeat buyers by recency 10, 62, 201; by frequency 18, 50, 205; by money 31, 81, 160.

    How print divides equal customers is not said, which matters most for frequency, where a third is tied at one.
    """
    again = printed.query("repeats > 0")
    for column, means, near in (("last", (10, 62, 201), 0.06), ("mean", (31, 81, 160), 0.06)):
        ranked = again.sort_values(column)
        third = np.minimum((ranked["weight"].cumsum() - 1) * 3 // ranked["weight"].sum(), 2)
        sums = (ranked["value"] * ranked["weight"]).groupby(third).sum() / ranked["weight"].groupby(third).sum()
        assert sums.to_numpy() == pytest.approx(means, rel=near)


LIFETIMES = [140.096211, 18.943467, 38.180574, 1003.868107, 28.109683, 167.418216]


def test_the_example_of_the_other_programs_help():
    """Six of the first ten customers of the sample, as printed in the help of Lifetimes.

    That example takes weeks for days: its 12 "months" are of 30 weeks, each discounted at its end by 1%.
    """
    table = pd.read_csv(HERE / "clv_help.csv")
    bought, spent = BGNBD(0.242593, 4.413532, 0.792886, 2.425752), GammaGamma(6.248802, 3.744588, 15.447748)
    ends = [bought.expected(table, 30.0 * month) for month in range(13)]
    orders = sum((ends[month] - ends[month - 1]) / 1.01**month for month in range(1, 13))
    # Its parameters are printed to six decimals.
    assert orders * spent.mean_order(table["repeats"], table["mean"]) == pytest.approx(LIFETIMES, rel=2e-6)


# --- Other programs ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(log):
    sampled = pd.read_csv(HERE / "cdnow_sample.csv", dtype=str)["customer_id"].tolist()
    bought = customers.purchases(replace(log, rows=log.rows.filter(log.rows.customer_id.isin(sampled))), returns="net")
    rows = in_weeks(counted(ledger(bought, until=date(1997, 9, 30))))
    return rows, fit_buying(rows, BGNBD).model, fit_spend(rows.query("mean > 0")).model


@pytest.mark.parametrize(
    ("program", "period", "rate", "periods"), [("clvkit", 1, 0.0025, 52), ("lifetimes", 4.345, 0.01, 12)]
)
def test_what_other_programs_say(sample, program, period, rate, periods):
    """Orders and value of sixty customers and of all; parameters agree to five digits, their optimisers' precision."""
    rows, bought, spent = sample
    answers = pd.read_csv(HERE / f"clv_{program}.csv")
    for table, told in ((answers[:-1], answers[:-1]), (rows, answers[-1:])):
        weight = table.get("weight", pd.Series(1.0, table.index)).to_numpy()
        ends = [bought.expected(table, period * n) for n in range(periods + 1)]
        orders = sum((ends[n] - ends[n - 1]) / (1 + rate) ** n for n in range(1, periods + 1))
        value = orders * spent.mean_order(table["repeats"], table["mean"])
        expected = bought.expected(table, 52)
        if table is rows:
            expected, value = [expected @ weight], [value @ weight]
        assert expected == pytest.approx(told["orders"].to_numpy(), rel=2e-5)
        assert value == pytest.approx(told["value"].to_numpy(), rel=1e-4)


def test_our_own_discounting_differs_by_the_timing_alone(sample):
    """Ours counts each order when it comes and not at the end of its week: half a week of interest."""
    rows, bought, spent = sample
    worth = bought.discounted(rows, rate=math.log(1.0025), until=52.0) * spent.mean_order(rows["repeats"], rows["mean"])
    told = pd.read_csv(HERE / "clv_clvkit.csv")["value"].iloc[-1]
    # Within a week orders come early rather than late, by a little.
    assert worth @ rows["weight"] == pytest.approx(told * 1.0025**0.5, rel=2e-5)


def test_the_histories_are_the_other_programs(sample):
    table = pd.read_csv(HERE / "clv_clvkit.csv")
    rows = sample[0]
    for name in (*HISTORY, "mean"):
        assert rows[name] @ rows["weight"] == pytest.approx(table[name].iloc[-1], rel=1e-7)
