"""What is hidden stays hidden: whoever knows the totals, the neighbours and this very program cannot work it out."""

import io
from itertools import combinations_with_replacement, permutations, product

import numpy as np
import pandas as pd
import pytest

from analysis import disclosure, figures
from analysis.disclosure import HIDDEN, few, released, smallest
from analysis.exhibits import EXHIBIT_MIME, Table

LEAST = 3


def table(sizes):
    return pd.DataFrame({"group": [f"g{place}" for place in range(len(sizes))], "customers": list(sizes)})


def shown(sizes):
    return tuple(released(table(sizes), LEAST)["customers"])


def worlds(published, total):
    """All counts that this program would have published like that, of those with that total."""
    places = [place for place, count in enumerate(published) if count == HIDDEN]
    left = total - sum(count for count in published if count != HIDDEN)
    for guess in product(range(1, left + 1), repeat=len(places)):
        if sum(guess) == left:
            world = list(published)
            for place, count in zip(places, guess, strict=True):
                world[place] = count
            if shown(world) == published:
                yield world


ATTACKED = [sizes for n in (3, 4) for sizes in combinations_with_replacement([0, 1, 2, 3, 4, 7, 9], n)]


def test_no_hidden_count_follows_from_the_total_even_for_those_who_know_the_program():
    """Every table of three or four such counts, in which at least one row can stay: 294 of them are attacked."""
    attacked = 0
    for sizes in ATTACKED:
        published = shown(sizes)
        if HIDDEN not in published or all(count in (HIDDEN, 0) for count in published):
            continue
        attacked += 1
        possible = list(worlds(published, sum(sizes)))
        for place, count in enumerate(published):
            if count == HIDDEN:
                answers = {world[place] for world in possible}
                assert len(answers) > 1, (sizes, published)
                assert min(answers) < LEAST <= max(answers), (sizes, published)
    assert attacked > 100


def test_the_order_of_the_rows_changes_nothing():
    for sizes in permutations([1, 4, 7, 9]):
        hidden = {count for count, mark in zip(sizes, shown(sizes), strict=True) if mark == HIDDEN}
        assert hidden == {1, 4}


def test_a_lone_small_group_takes_the_next_larger_one_with_it_and_a_total_does_not_help():
    rows = table([100, 3, 8, 50]).assign(mean=[1.5, 9.0, 2.0, 4.0])
    told = released(rows, 5)
    assert told["customers"].tolist() == [100, HIDDEN, HIDDEN, 50]
    assert told["mean"].isna().tolist() == [False, True, True, False]
    assert told["group"].tolist() == rows["group"].tolist()


def test_two_single_customers_are_not_given_away_by_their_sum():
    """With a total of 22, two hidden rows of a total of 2 could only be 1 and 1."""
    assert shown([20, 1, 1]) == (HIDDEN, HIDDEN, HIDDEN)
    assert shown([20, 1, 1, 9]) == (20, HIDDEN, HIDDEN, HIDDEN)


def test_sections_have_totals_of_their_own():
    rows = pd.DataFrame({"section": ["plan"] * 3 + ["place"] * 3, "label": [*"abcdef"], "n": [60, 37, 3, 4, 90, 6]})
    assert rows.loc[few(rows, 5, by="section"), "label"].tolist() == ["b", "c", "d", "f"]


def test_empty_and_unknown_counts_are_not_small_and_text_goes_with_its_row():
    rows = pd.DataFrame({"group": [*"abc"], "customers": [0, None, 100], "range": ["1 to 2", "2 to 3", "3 to 4"]})
    assert released(rows, 5) is rows
    small = released(rows.assign(customers=[2, 9, 100]), 5)
    assert small["range"].tolist() == [None, None, "3 to 4"]


@pytest.mark.parametrize("column", disclosure.COUNTS)
def test_every_column_that_counts_people_is_seen_without_being_named(column):
    rows = pd.DataFrame({"group": [*"abc"], column: [2, 9, 100], "mean": [7.25, 2.0, 3.0]})
    exhibit = Table("t", "Spend", rows)
    assert exhibit.hidden == 2
    assert "7.25" not in exhibit.html() + exhibit.csv()
    bundle, _ = exhibit._repr_mimebundle_()
    assert "7.25" not in str(bundle)
    assert "Hidden: 2 rows" in bundle[EXHIBIT_MIME]["caption"]


def test_opening_a_study_sets_what_is_small(make_study):
    rows = "who,day,total\n" + "".join(f"c{n},2025-01-0{1 + n % 9},5\n" for n in range(20))
    columns = 'columns = { customer_id = "who", ordered_at = "day", amount = "total" }'
    assert smallest() == 5
    make_study(rows, columns, study="min_cell = 12")
    assert (smallest(), smallest(3)) == (12, 3)
    assert Table("t", "T", table([11, 40, 50])).hidden == 2


def test_one_means_that_nothing_is_hidden():
    assert not few(table([1, 2, 3]), 1).any()


# --- figures and their data ---


def histories(sizes, seed, months=40):
    """Curves of groups whose customers leave or drop out of sight at random, and of all of them together."""
    draw, people = np.random.default_rng(seed), []
    for group, size in enumerate(sizes):
        life, watched = draw.geometric(0.04 * (1 + group), size), draw.integers(1, months, size)
        people += [(f"g{group}", min(pair), pair[0] <= pair[1]) for pair in zip(life, watched, strict=True)]
    people = pd.DataFrame(people, columns=["group", "time", "left"])
    return people, pd.concat([curve(rows, name) for name, rows in people.groupby("group")])


def curve(people, name):
    times = np.union1d([0], people["time"])
    at_risk = np.array([(people["time"] >= t).sum() for t in times])
    events = np.array([(people["left"] & (people["time"] == t)).sum() for t in times])
    alive = np.cumprod(1 - events / np.maximum(at_risk, 1))
    counts = {"group": name, "time": times.astype(float), "at_risk": at_risk, "events": events}
    return pd.DataFrame(counts | {"survival": alive, "low": alive, "high": alive, "unit": "month"})


@pytest.mark.parametrize("seed", range(12))
def test_between_two_published_points_of_a_curve_nobody_stands_alone(seed):
    """From the file behind the figure, for every group and pair of neighbours: who left, and who was lost to sight."""
    _, curves = histories([600, 300, 200], seed)
    figure = figures.survival(curves, name="s", title="They leave", min_cell=5)
    told = pd.read_csv(io.StringIO(figure.csv()))
    assert told["time"].nunique() > 3
    for _, rows in told.groupby("group"):
        survival, at_risk = rows["survival"].to_numpy(), rows["at_risk"].to_numpy()
        assert at_risk[at_risk > 0].min() >= 5
        for before, after, events in zip(at_risk[:-1], at_risk[1:], rows["events"].to_numpy()[1:], strict=True):
            assert events == 0 or events >= 5
            assert before - after >= 0
        assert rows["events"].iloc[0] == 0
        assert (np.diff(survival) <= 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_curves_of_groups_and_of_all_together_cannot_be_subtracted(seed):
    """The times at which all groups are published are the same, so no time has a group missing or short of five."""
    people, curves = histories([600, 300, 200], seed)
    told = figures.survival(curves, name="s", title="They leave", min_cell=5).data
    assert told["time"].nunique() > 2
    for time, rows in told.groupby("time"):
        everyone = (people["time"] >= time).groupby(people["group"]).sum()
        assert not everyone.between(1, 4).any()
        assert (
            set(everyone[everyone > 0].index) - set(rows["group"]) == set() or everyone.drop(rows["group"]).min() >= 5
        )


def test_a_group_of_few_leavers_has_no_curve_and_takes_another_along():
    _, curves = histories([300, 120, 80], 1)
    spared = curves["group"].eq("g2")
    curves.loc[spared, "events"] = 0
    curves.loc[curves.index[spared & curves["time"].eq(3)], "events"] = 2
    curves.loc[spared & curves["time"].eq(3), "events"] = 2
    figure = figures.survival(curves, name="s", title="They leave", min_cell=5)
    assert set(figure.data["group"]) == {"g0"}
    assert figure.hidden == 2


def test_numbers_under_a_curve_do_not_differ_by_a_few():
    counts = pd.DataFrame(
        {"group": ["a"] * 4 + ["b"] * 4, "time": [0, 12, 24, 36] * 2, "at_risk": [90, 88, 60, 57, 50, 30, 9, 3]}
    )
    told = disclosure.at_ticks(counts, [0, 12, 24, 36], 5)
    assert told["a"].fillna(-1).tolist() == [90, -1, 60, -1]  # 2 fewer than before; 3 of b hide with a
    assert told["b"].fillna(-1).tolist() == [50, 30, 9, -1]


def triangle(active, sizes):
    rows = [
        (f"c{c}", sizes[c], age, active[c][age] / sizes[c], active[c][age], "seen")
        for c in range(len(sizes))
        for age in range(len(active[0]))
    ]
    cells = pd.DataFrame(rows, columns=["cohort", "customers", "age", "value", "active", "state"])
    return cells.assign(low=cells["value"], high=cells["value"])


def test_a_cell_of_a_cohort_triangle_does_not_follow_from_the_sum_of_its_age():
    sizes, active = [40, 60, 80], [[20, 2, 8], [30, 9, 58], [50, 12, 20]]
    figure = figures.triangle(triangle(active, sizes), name="t", title="Some come back", min_cell=5)
    told = pd.read_csv(io.StringIO(figure.csv())).pivot(index="cohort", columns="age", values="value")
    assert told.isna().sum().tolist() == [0, 2, 2]  # a cell and the one beside it; two of 60 stayed away at age 2
    assert figure.hidden == 4
    assert "Hidden: 4 cells" in figure.caption
    assert "active" not in figure.csv()


def test_a_bin_of_a_few_does_not_follow_from_the_number_of_all():
    bins = pd.DataFrame({"left": [0, 10, 20, 30], "right": [10, 20, 30, 40], "count": [120, 40, 9, 3]})
    figure = figures.distribution(bins, unit="money", x_label="order", marks={}, name="d", title="T", min_cell=5)
    assert figure.data["count"].tolist() == [120, 40, 0, 0]
    assert "Hidden: 2 bins" in figure.caption


def test_estimates_and_lines_on_a_few_are_gone_from_picture_and_file():
    rows = pd.DataFrame(
        {"label": [*"abcd"], "value": [1.25, 2.0, 3.0, 4.0], "low": 1.0, "high": 5.0, "n": [2, 8, 60, 90]}
    )
    dots = figures.dots(rows, unit="ratio", x_label="x", name="d", title="T", min_cell=5)
    assert dots.data["label"].tolist() == ["c", "d"]
    lines = pd.DataFrame(
        {"line": "all", "x": [1.0, 2.0, 3.0], "y": [0.4, 0.3, 0.1], "customers": 40, "active": [16, 12, 4]}
    )
    sweep = figures.sweep(lines, x_label="x", x_unit="count", y_label="y", y_unit="share", name="s", title="T")
    assert sweep.data["x"].tolist() == [1.0, 2.0]
    assert sweep.hidden == 1
