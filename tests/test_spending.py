"""Groups, contrasts and their intervals: against arithmetic one can do in the head, and against scipy."""

import math

import numpy as np
import pandas as pd
import pytest
from invented import orders
from scipy import stats

from analysis import repeaters, spending
from analysis.estimates import NotTestable
from analysis.tables import SettingsError

# 60 people order twice for 8 each (first order 8), 40 order once for 20: the median first order is 8, P75 is 20.
SMALL, HEAVY = (8.0, 2, 16.0), (20.0, 1, 20.0)


def people(*kinds, followed_days=100.0):
    """A customer table from (how many, (first amount, orders, revenue)); value is revenue."""
    rows = [kind for many, kind in kinds for _ in range(many)]
    table = pd.DataFrame(rows, columns=["first_amount", "orders", "revenue"], dtype="float64")
    return table.assign(value=table["revenue"], followed_days=followed_days)


def random_people(seed, n=400):
    random = np.random.default_rng(seed)
    first, counts = random.choice(np.arange(5, 60, 2.5), n), random.geometric(0.5, n)
    revenue = np.round(first + (counts - 1) * random.gamma(2, 8, n))
    return pd.DataFrame(
        {"first_amount": first, "orders": counts, "revenue": revenue, "value": revenue, "followed_days": 100}
    ).astype("float64")


def by_the_book(table, share):
    """Ratio and chance as the claim puts them, without any of the short cuts."""
    first = np.quantile(table["first_amount"], [0.5, share], method="inverted_cdf")
    average = (table["revenue"] / table["orders"]).round(6)
    small = table.loc[(table["orders"] >= 2) & (average <= first[0]), "value"]
    heavy = table.loc[(table["orders"] == 1) & (table["first_amount"] >= first[1]), "value"]
    chance = stats.mannwhitneyu(small, heavy).statistic / (len(small) * len(heavy))  # counts ties half
    return small.mean() / heavy.mean(), chance


def test_groups_and_ratio_by_hand():
    found = spending.compare(people((60, SMALL), (40, HEAVY)), draws=200, seed=1)
    assert (found.small_up_to, found.heavy_from) == (8, {"p75": 20, "p90": 20})
    assert found.ratio["p75"].value == pytest.approx(16 / 20)
    assert found.chance["p75"].value == 0
    sizes = found.groups.set_index("group")["customers"]
    assert sizes["small repeaters"] == 60
    assert sizes["heavy one-timers (P75)"] == 40
    assert found.groups["share_of_value"].iloc[1] == pytest.approx(960 / 1760)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.75, 0.90])
def test_a_resample_by_weights_is_the_resample_written_out(seed, share):
    """Cut-offs, ratio and chance from weights equal those of the table with its rows repeated."""
    table = random_people(seed).sort_values("first_amount", kind="stable", ignore_index=True)
    weights = np.random.default_rng(seed).multinomial(len(table), np.full(len(table), 1 / len(table)))
    drawn = spending._Groups(table, [share]).contrasts(weights.astype(float))
    assert tuple(drawn[0]) == pytest.approx(by_the_book(table.loc[table.index.repeat(weights)], share), rel=1e-12)


def test_customers_not_followed_set_the_cut_offs_and_belong_to_no_group():
    unknown = people((100, (50.0, 1, 50.0))).assign(orders=np.nan, revenue=np.nan, value=np.nan)
    found = spending.compare(pd.concat([people((60, SMALL), (40, HEAVY)), unknown]), draws=10, seed=1)
    assert found.heavy_from["p75"] == 50
    assert found.groups["customers"].iloc[0] == 100


def test_intervals_of_specifications_are_those_of_the_bootstrap():
    table = random_people(7, n=4000)
    ratio = spending.compare(table, draws=800, seed=1).ratio["p75"]
    (*_, low, high), *_ = spending._ratios(table, [0.75], draws=199, seed=2)
    # 199 draws leave about 5% of noise on a standard error, 800 another 4% on the ends; thrice their sum of squares.
    assert math.log(high / low) == pytest.approx(math.log(ratio.high / ratio.low), rel=0.2)


DEGENERATE = {
    "one customer": people((1, SMALL)),
    "nobody repeats": people((300, HEAVY), (300, (5.0, 1, 5.0))),
    "everybody repeats": people((300, SMALL)),
    "29 small repeaters": people((29, SMALL), (40, HEAVY)),
    "all amounts alike": people((60, (10.0, 2, 20.0)), (40, (10.0, 1, 10.0))),
    "heavy one-timers who gave everything back": people((60, SMALL), (40, (20.0, 1, 0.0))),
}


@pytest.mark.parametrize("table", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_what_cannot_be_compared_says_why(table):
    found = spending.compare(table, draws=10, seed=1)
    for answer in (*found.ratio.values(), *found.chance.values()):
        assert isinstance(answer, NotTestable)


def log_of_many():
    """40 people who order twice for 8, 40 who order once for 20, invoices numbered, half of the heavy ones refunded."""
    rows = [(f"s{n}", f"2024-01-{1 + day:02d}", 8, f"s{n}-{day}") for n in range(40) for day in (0, 9)]
    rows += [(f"h{n}", "2024-01-01", 20, f"h{n}") for n in range(40)]
    rows += [(f"h{n}", "2024-01-15", -20, f"c{n}") for n in range(20)]
    return orders(rows, until="2024-03-01", columns="customer_id, ordered_at, amount, order_id")


def test_every_reading_of_both_claims_is_there_and_named():
    found = spending.small_against_heavy(log_of_many(), within=30, draws=20, seed=1)
    assert next(iter(found)) == spending.HEADLINE
    net = found["net of returns"]
    assert net.ratio["p75"].value == pytest.approx(16 / 10)  # half of the heavy orders came back
    assert found[spending.HEADLINE].ratio["p75"].value == pytest.approx(16 / 20)
    assert found[spending.HALF_WAY].ratio["p75"].value == pytest.approx(16 / 20)
    assert found["an order is an invoice"].ratio["p75"].value == pytest.approx(16 / 20)
    later = repeaters.later_readings(log_of_many(), within=30, draws=20, seed=1)
    assert set(later[spending.HEADLINE]) == {"share_gap", "rate"}


def test_specifications_cross_all_choices_and_say_what_turns_the_answer():
    table = spending.specifications(log_of_many(), cut_offs=[0.75, 0.9], horizons=[0, 20], within=30)
    assert len(table) == 2 * 3 * 2 * 2  # cut-offs, follow-ups, policies, meanings of an order
    assert table["headline"].sum() == 1
    assert set(table.loc[table["returns"] == "net of returns", "answer"]) == {"more"}
    assert set(table.loc[table["returns"] == "purchases only", "answer"]) == {"less"}
    answers = "of 24 ways of asking, small repeaters bring in more in 12 and less in 12; 0 leave it open"
    assert spending.tally(table) == f"From P75 up, as the claim has it: {answers}"
    assert spending.looser(table) == ""
    turned = "one choice alone, all others held, takes the answer from less to more: the returns in 100% of cases."
    assert spending.flips(table) == f"From P75 up, {turned}"
    assert spending.varied(table) == ["cut-off", "follow-up", "returns", "order"]


def test_the_ways_of_the_claim_pair_both_cut_offs_and_put_the_headline_first():
    told = {"within": 30, "returns": "purchases", "order": "day"}
    table = spending.specifications(log_of_many(), cut_offs=[0.75, 0.9], horizons=[0, 20], **told)
    ways = spending.ways(table, **told)
    assert {choice: options[0] for choice, options in ways.items()} == {
        "follow-up": "30 days", "returns": "purchases only", "order": "an order is a day"}  # fmt: skip
    assert set(ways["follow-up"]) == {"30 days", "20 days", "all seen"}
    both = spending.at_both(table, **{choice: options[0] for choice, options in ways.items()})
    headline = table[table["headline"]].iloc[0]
    assert list(both) == ["p75", "p90"]
    # The table holds the ends of the same normal on the logarithm, so they come back.
    assert [both["p75"].value, both["p75"].low, both["p75"].high] == pytest.approx(
        [headline["value"], headline["low"], headline["high"]], rel=1e-9)  # fmt: skip
    lone = spending.at_both(table[table["cut-off"] == "P75"], **{"follow-up": "30 days"})
    assert isinstance(lone["p90"], NotTestable)


def test_cut_offs_below_the_claims_own_are_told_apart():
    ways = [("P60", "more"), ("P60", "less"), ("P75", "less"), ("P75", "open"), ("P90", "less"), ("P90", "less")]
    table = pd.DataFrame(ways, columns=["cut-off", "answer"]).assign(
        claimed=lambda t: t["cut-off"] != "P60", order="an order is a day", returns="purchases only"
    )
    table["follow-up"] = ["90 days", "all seen"] * 3
    assert "of 4 ways of asking, small repeaters bring in more in 0 and less in 3; 1" in spending.tally(table)
    assert spending.looser(table).startswith("Below P75 heavy is looser than the claim has it: of 2 ways of asking")
    assert spending.flips(table) == (
        "From P75 up, no single choice turns a less into a more. With the looser cut-offs too, one choice alone, all "
        "others held, takes the answer from less to more: the cut-off in 50% and the follow-up in 33% of cases."
    )


def test_specifications_without_enough_customers_are_none():
    log = orders([("ann", "2024-01-01", 5)], until="2024-02-01")
    table = spending.specifications(log, cut_offs=[0.75], horizons=[0], within=10)
    assert table.empty
    assert spending.tally(table).endswith("no way of asking has enough customers in both groups")
    assert spending.flips(table) == "From P75 up, no single choice turns a less into a more."


def test_a_cut_off_in_per_cent_is_refused():
    with pytest.raises(SettingsError, match=r"cut_offs holds 75; .* between 0 and 1"):
        spending.specifications(log_of_many(), cut_offs=[75], horizons=[0], within=10)


def test_gini_of_equals_and_of_one_owner():
    assert spending.gini(np.full(10, 7.0)) == pytest.approx(0)
    assert spending.gini(np.array([0.0] * 9 + [5.0])) == pytest.approx(0.9)  # 1 - 1/n
    assert math.isnan(spending.gini(np.zeros(3)))


def test_concentration_steps_over_at_least_the_smallest_group():
    curve = spending.concentration(np.arange(1.0, 21.0), min_cell=5)
    assert curve["customers"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curve["total"].iloc[1] == pytest.approx((16 + 17 + 18 + 19 + 20) / 210)


def test_bins_hold_everybody_they_reach():
    bins = spending.first_order_bins(people((60, SMALL), (40, HEAVY)), bins=4, show=1)
    assert bins["count"].tolist() == [0, 60, 0, 40]
    assert spending.first_order_bins(people((3, (0.0, 1, 0.0))), bins=2)["count"].sum() == 3
