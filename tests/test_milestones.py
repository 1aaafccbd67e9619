"""Spells cut on dated days: by hand, against the truth of a planted programme, and what is refused."""

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from analysis import hazards, lifetimes, milestones
from analysis.checks import CheckedTable
from analysis.estimates import NotTestable
from analysis.tables import TableError

FIRST = date(2024, 1, 1)


def contracts(*rows, **columns) -> CheckedTable:
    """Each row: customer, started (days after FIRST), time, left, entered."""
    table = pd.DataFrame(rows, columns=["customer_id", "started_at", "time", "left", "entered"]).assign(**columns)
    table["started_at"] = [FIRST + timedelta(days=int(day)) for day in table["started_at"]]
    table = table.astype({"time": float, "left": bool, "entered": float})
    return CheckedTable("subscriptions", ibis.memtable(table), (), (), {"unit": "day"})


def events(*rows):
    table = pd.DataFrame(rows, columns=["customer_id", "at", "state"])
    return ibis.memtable(table.assign(at=[FIRST + timedelta(days=int(day)) for day in table["at"]]))


def pieces(table: CheckedTable, name="member") -> list[tuple]:
    rows = table.rows.execute().sort_values(["customer_id", "started_at", "entered"])
    return list(rows[["customer_id", "entered", "time", "left", name]].itertuples(index=False, name=None))


def test_a_spell_is_cut_where_its_state_changes():
    table = contracts(("a", 10, 100, True, 0), ("b", 0, 50, False, 0), ("c", 0, 20, True, 0))
    happened = events(("a", 40, "silver"), ("a", 70, "gold"), ("c", 20, "silver"), ("c", 90, "gold"), ("d", 5, "gold"))
    assert pieces(milestones.split(table, happened, name="member")) == [
        ("a", 0, 30, False, "no"),
        ("a", 30, 60, False, "silver"),
        ("a", 60, 100, True, "gold"),
        ("b", 0, 50, False, "no"),
        ("c", 0, 20, True, "no"),  # what comes on the day of leaving, or after it, changes nothing
    ]


def test_what_came_before_watching_holds_from_its_beginning():
    table = contracts(("a", 10, 100, True, 50))
    happened = events(("a", 5, "silver"), ("a", 30, "gold"))
    assert pieces(milestones.split(table, happened, name="member")) == [("a", 50, 100, True, "gold")]


def test_every_spell_of_a_customer_has_its_own_pieces():
    table = contracts(("a", 0, 10, True, 0), ("a", 20, 30, False, 0))
    assert pieces(milestones.split(table, events(("a", 5, "yes")), name="member")) == [
        ("a", 0, 5, False, "no"),
        ("a", 5, 10, True, "yes"),
        ("a", 0, 30, False, "yes"),
    ]


def test_pieces_together_are_what_the_spells_were():
    rng = np.random.default_rng(5)
    rows = [(f"c{n}", 0, int(rng.integers(1, 60)), bool(rng.random() < 0.6), 0) for n in range(400)]
    table = contracts(*rows)
    happened = events(*[(f"c{n}", int(rng.integers(0, 60)), "yes") for n in range(0, 400, 2)])
    whole = lifetimes.lifetimes(table)
    cut = lifetimes.lifetimes(milestones.split(table, happened, name="member"), by=["member"])
    assert lifetimes.leavers(cut) == lifetimes.leavers(whole)
    lived = [(rows["weight"] * (rows["time"] - rows["entered"])).sum() for rows in (whole, cut)]
    assert lived[0] == lived[1]


def programme(effect, customers=3000, seed=1) -> tuple[CheckedTable, object]:
    """Customers of whom some join if they stay long enough; from that day their hazard is multiplied by `effect`."""
    rng = np.random.default_rng(seed)
    life, joins = rng.exponential(200, customers), rng.exponential(300, customers)
    life = np.where(life > joins, joins + (life - joins) / effect, life)
    watched = rng.integers(100, 600, customers)
    time, left, join = np.ceil(np.minimum(life, watched)), life <= watched, np.ceil(joins)
    rows = [(f"c{n}", 0, time[n], left[n], 0) for n in range(customers)]
    return contracts(*rows), events(*[(f"c{n}", join[n], "yes") for n in range(customers) if join[n] < time[n]])


@pytest.mark.parametrize("effect", [1.0, 0.6])
def test_a_planted_effect_is_found_and_the_flag_shows_immortal_time(effect):
    found = milestones.hazard(*programme(effect), name="member")
    dated, flag = (found[how].table.iloc[0] for how in (milestones.DATED, milestones.FLAG))
    assert dated["term"] == flag["term"] == "yes against no"
    assert dated["low"] < effect < dated["high"]
    assert flag["high"] < effect - 0.1


def test_a_column_that_knows_what_comes_later_is_refused():
    table, joined = programme(1.0, 300)
    ever = joined.execute()["customer_id"]
    rows = table.rows.execute()
    rows = rows.assign(card=np.where(rows["customer_id"].isin(ever), "has card", "none"), plan=rows.index % 2)
    told = CheckedTable("subscriptions", ibis.memtable(rows), (), (), {"unit": "day"})
    milestones.hazard(told, joined, name="member", covariates=["plan"])
    with pytest.raises(TableError, match=r"card says on the first day .* Take it out of covariates: the dated events"):
        milestones.hazard(told, joined, name="member", covariates=["plan", "card"])


def test_membership_from_the_first_day_is_no_knowledge_of_later():
    table = contracts(*[(f"c{n}", 0, 10 + n % 50, n % 3 > 0, 0) for n in range(200)])
    rows = table.rows.execute().assign(card=["yes" if n % 2 else "no" for n in range(200)])
    told = CheckedTable("subscriptions", ibis.memtable(rows), (), (), {"unit": "day"})
    joined = events(*[(f"c{n}", 0, "yes") for n in range(1, 200, 2)])
    found = milestones.hazard(told, joined, name="member", covariates=["card"])
    assert isinstance(found[milestones.FLAG], hazards.CoxModel)


def test_nobody_joined_is_said():
    table = contracts(*[(f"c{n}", 0, 10 + n % 50, True, 0) for n in range(200)])
    found = milestones.hazard(table, events(("stranger", 5, "yes")), name="member")
    assert all(isinstance(model, NotTestable) for model in found.values())


def test_tables_that_cannot_be_cut_are_refused():
    dated = contracts(("a", 0, 10, True, 0))
    undated = CheckedTable("subscriptions", dated.rows.drop("started_at"), (), (), {"unit": "month"})
    with pytest.raises(TableError, match="instead of tenure"):
        milestones.split(undated, events(("a", 1, "yes")), name="member")
    with pytest.raises(TableError, match="a column left already"):
        milestones.split(dated, events(("a", 1, "yes")), name="left")


CONTRACTS = "who,from,to\n" + "".join(
    f"c{n},2024-01-01,{date(2024, 1, 1) + timedelta(days=20 + n % 300)}\n" for n in range(300)
)


def test_a_study_without_memberships_is_not_asked(make_study):
    columns = '{ customer_id = "who", started_at = "from", ended_at = "to" }'
    lab = make_study(CONTRACTS, f"columns = {columns}\nobserved_until = 2025-06-30", table="subscriptions")
    assert milestones.joining(lab) == {}


def test_joining_reads_the_memberships_of_a_study(make_study, tmp_path):
    joined = [f"c{n},{date(2024, 1, 1) + timedelta(days=5 + n % 40)}" for n in range(0, 300, 3)]
    (tmp_path / "members.csv").write_text("\n".join(["who,day", *joined]))
    lab = make_study(
        CONTRACTS,
        'columns = { customer_id = "who", started_at = "from", ended_at = "to" }\nobserved_until = 2025-06-30\n'
        '[study.shop.tables.memberships]\nsource = "members.csv"\ncolumns = { customer_id = "who", joined_at = "day" }',
        table="subscriptions",
    )
    found = milestones.joining(lab)
    assert set(found) == {milestones.FLAG, milestones.DATED}
    assert all(list(model.table["covariate"]) == [milestones.JOINED] for model in found.values())
