"""Are loyal customers steadier? By hand on a few people, and in invented worlds whose truth is known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from invented import orders

from analysis import customers, findings, steadiness
from analysis.estimates import NotTestable


def people(loyal, others):
    """Customers from (how many, before, following, later)."""
    rows = [(flag, *money) for flag, kinds in ((True, loyal), (False, others)) for n, *money in kinds for _ in range(n)]
    table = pd.DataFrame(rows, columns=["loyal", "before", "following", "later"])
    return table.astype(dict.fromkeys(["before", "following", "later"], float))


def verdict(table, **more):
    found = steadiness.compare(table, **{"draws": 199, "seed": 1, **more})
    shop = SimpleNamespace(name="shop", title="a shop", currency=None, smallest_effects={}, simulated=True)
    told = {"headline": steadiness.SAME_MONEY, "design": "invented", "rung": "C"}
    return findings.record("R15", study=shop, readings=found, **told).headline


def test_three_periods_by_hand():
    """Days 1 to 10, 11 to 20 and 21 to 30 of June; ann is loyal by her two orders in the first ten."""
    log = [
        ("ann", "2024-06-01", 5.0),
        ("ann", "2024-06-10", 6.0),
        ("ann", "2024-06-11", 7.0),
        ("ann", "2024-06-30", 8.0),
    ]
    log += [("bob", "2024-06-03", 20.0), ("bob", "2024-06-20", 1.0), ("eve", "2024-06-15", 9.0)]
    bought = customers.purchases(orders(log, until="2024-06-30"))
    assert steadiness.period_length(bought) == 10
    table = steadiness.three_periods(bought, days=10)
    assert table.to_numpy().tolist() == [[False, 20, 1, 0], [True, 11, 7, 8]], "eve did not buy in the first period"
    assert not steadiness.three_periods(bought, days=10, loyal_orders=3)["loyal"].any()


def test_a_period_is_at_most_a_year_unless_asked():
    log = [("ann", "2015-01-01", 1.0), ("ann", "2024-06-30", 1.0)]
    bought = customers.purchases(orders(log, until="2024-06-30"))
    assert steadiness.period_length(bought) == 365
    assert steadiness.period_length(bought, wanted=400) == 400


def test_ratios_by_hand():
    """Loyal: half bring 6, half 10 (mean 8, spread 2). Others: half 0, half 4 (mean 2, spread 2)."""
    table = people([(100, 9, 6, 3), (100, 9, 10, 9)], [(300, 9, 0, 0), (300, 9, 4, 0)])
    found = steadiness.compare(table, draws=50)
    value = {name: parts["steadiness"].value for name, parts in found.items()}
    assert value[steadiness.ALL_OTHERS] == pytest.approx(0.25 / 1.0)
    assert value[steadiness.SAME_MONEY] == pytest.approx(0.25), "all had spent the same before"
    # Four others bring what one loyal customer brings, and four together vary half as much: 1/4 over 1/2.
    assert value[steadiness.SAME_TOTAL] == pytest.approx(0.5)
    assert found[steadiness.SAME_MONEY]["guarantee"].value == pytest.approx((300 + 900) / (600 + 1000))


def test_others_are_weighted_to_what_the_loyal_had_spent():
    """Among those who spent 10 the others vary as the loyal do; those who spent 1 do not and must not count."""
    table = people(
        [(100, 10, 6, 6), (100, 10, 10, 10)], [(200, 10, 3, 3), (200, 10, 5, 5), (500, 1, 0, 0), (20, 1, 90, 90)]
    )
    found = steadiness.compare(table, draws=20)
    assert found[steadiness.SAME_MONEY]["steadiness"].value == pytest.approx(1.0)
    assert found[steadiness.ALL_OTHERS]["steadiness"].value < 0.3


def test_few_customers_or_no_money_say_so():
    few = steadiness.compare(people([(99, 9, 1, 1)], [(500, 9, 1, 1)]))
    assert "there are 99 loyal customers and 500 others" in few[steadiness.SAME_MONEY].reason
    for table in (people([(200, 9, 0, 0)], [(200, 9, 0, 0)]), people([(200, 9, 5, 5)], [(200, 9, 5, 5)])):
        assert isinstance(steadiness.compare(table, draws=9)[steadiness.SAME_MONEY], NotTestable)
        assert {type(told) for told in steadiness.every_reading(table, draws=9).values()} == {NotTestable}


def world(rng, *, loyal_noise, comes_again=1.0, n=1000):
    """Two kinds of customers with the same mean and steadiness of their own; the flag is theirs from before."""
    loyal = np.arange(2 * n) < n
    shape = np.where(loyal, 1 / loyal_noise**2, 1.0)
    table = pd.DataFrame({"loyal": loyal, "before": rng.gamma(2, 10, 2 * n)})
    following, later = (rng.gamma(shape, 20 / shape) for _ in range(2))
    return table.assign(following=following, later=later * comes_again)


@pytest.mark.parametrize(("noise", "again", "word"), [
    (0.8, 1.0, "supported"), (1.0, 1.0, "contradicted"), (1.2, 1.0, "contradicted"), (0.8, 0.6, "contradicted"),
])  # fmt: skip
def test_steadiness_in_worlds_with_a_known_answer(noise, again, word):
    """True, null, reversed, and steady customers who bring only six tenths again."""
    rng = np.random.default_rng(21)
    n = 9000 if noise == again else 1000  # to tell 1 from 0.95 at the level of two parts takes a standard error of 1.7%
    words = [verdict(world(rng, loyal_noise=noise, comes_again=again, n=n))["verdict"] for _ in range(10)]
    assert words.count(word) >= 8


def test_a_flag_from_the_same_period_makes_identical_customers_look_loyal():
    """All are alike: each places Poisson(1.5) orders a period. Who placed many is chance, and does not last."""
    rng, n = np.random.default_rng(22), 6000
    counts = rng.poisson(1.5, (n, 3))
    money = [[float(rng.gamma(2, 10, c).sum()) for c in row] for row in counts]
    table = pd.DataFrame(money, columns=["before", "following", "later"]).assign(loyal=counts[:, 0] >= 2)
    table = table[counts[:, 0] > 0].reset_index(drop=True)
    groups = steadiness.group_table(table).set_index("group")
    assert groups.loc["loyal", "before"] > 2 * groups.loc["others", "before"], "the artefact is there"
    assert groups.loc["loyal", "variation_before"] < 0.9 * groups.loc["others", "variation_before"]
    entry = verdict(table)
    steady = next(part for part in entry["parts"] if part["name"] == "steadiness")
    assert steady["verdict"] == "contradicted"
    assert entry["verdict"] != "supported"
    naive = table.assign(following=table["before"], later=table["following"])
    assert steadiness.compare(naive, draws=9)[steadiness.ALL_OTHERS]["steadiness"].high < 0.95
    assert steadiness.compare(naive, draws=9)[steadiness.ALL_OTHERS]["guarantee"].high < 0.9, "and they seem to fade"


def test_intervals_of_a_ratio_hold_the_truth():
    """95% of 150 worlds, less thrice the chance of a count: 88% or more."""
    rng = np.random.default_rng(23)
    found = [steadiness.compare(world(rng, loyal_noise=0.8, n=300), draws=199) for _ in range(150)]
    held = [
        parts["steadiness"].low <= 0.8 <= parts["steadiness"].high
        for parts in (f[steadiness.SAME_MONEY] for f in found)
    ]
    assert np.mean(held) >= 0.88


def test_groups_by_hand():
    table = people([(100, 9, 6, 3), (100, 9, 10, 9)], [(300, 9, 0, 0), (300, 9, 4, 2)])
    groups = steadiness.group_table(table).set_index("group")
    shown = groups.loc["loyal", ["customers", "before", "following", "later", "variation"]].tolist()
    assert shown == pytest.approx([200, 9, 8, 6, 0.25])
    # They missed by 3 and by 1, of 3 and of 9.
    assert groups.loc["loyal", "forecast_error"] == pytest.approx(4 / 12)
    assert groups.loc["others", "variation"] == pytest.approx(1.0)
