"""What counts as an order, and what comes of it: invented people, answers one can check by eye."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest
from invented import orders

from analysis import cohorts, customers, order_values, studies
from analysis.readings import STORED_ID
from analysis.tables import SettingsError, TableError

WITH_ID = "customer_id, ordered_at, amount, order_id"


def only(table):
    """The one customer of a table, as a dictionary."""
    assert len(table) == 1
    return table.iloc[0].to_dict()


def test_rows_of_one_day_are_one_order():
    log = orders([("ann", "2024-01-01 09:00", 5), ("ann", "2024-01-01 18:00", 7), ("ann", "2024-01-03", 4)],
                 until="2024-01-11")  # fmt: skip
    ann = only(customers.totals(customers.purchases(log)))
    assert ann == {"first_amount": 12, "orders": 2, "revenue": 16, "value": 16, "followed_days": 10}


def test_purchases_leave_out_money_given_back_and_count_it():
    log = orders(
        [
            ("ann", "2024-01-01", 9, False),
            ("ann", "2024-01-02", -9, None),
            ("ann", "2024-01-03", 0, False),
            ("ann", "2024-01-04", 8, True),
        ],
        until="2024-01-11",
        columns="customer_id, ordered_at, amount, returned",
    )
    bought = customers.purchases(log, returns="purchases")
    assert only(customers.totals(bought)) | {"followed_days": 0} == {
        "first_amount": 9, "orders": 1, "revenue": 9, "value": 9, "followed_days": 0}  # fmt: skip
    assert [(step.kept, step.dropped) for step in bought.steps] == [(1, 3)]


def test_net_counts_gifts_and_takes_returns_off_on_their_day():
    log = orders(
        [
            ("ann", "2024-01-01", 0),  # a gift: an order worth nothing
            ("ann", "2024-01-05", 30),
            ("ann", "2024-01-05", -10),  # inside an order: the order is worth 20
            ("ann", "2024-01-20", -5),  # on its own: no order
        ],
        until="2024-02-01",
    )
    bought = customers.purchases(log, returns="net")
    ann = only(customers.totals(bought))
    assert (ann["first_amount"], ann["orders"], ann["revenue"]) == (0, 2, 15)
    assert only(customers.totals(bought, within=10))["revenue"] == 20  # the return of day 19 came later


def test_net_leaves_out_returns_of_what_was_bought_before_the_table_begins():
    log = orders([("ann", "2024-01-01", -50), ("ann", "2024-01-05", 30), ("bob", "2024-01-01", -7)], until="2024-02-01")
    bought = customers.purchases(log, returns="net")
    ann = only(customers.totals(bought))
    assert (ann["orders"], ann["revenue"], ann["followed_days"]) == (1, 30, 27)
    assert [(step.kept, step.dropped) for step in bought.steps] == [(1, 2)]


def test_net_takes_a_sale_marked_returned_as_worth_nothing():
    log = orders([("ann", "2024-01-01", 30, True), ("ann", "2024-01-01", 5, False)], until="2024-02-01",
                 columns="customer_id, ordered_at, amount, returned")  # fmt: skip
    assert only(customers.totals(customers.purchases(log, returns="net")))["first_amount"] == 5


def test_invoices_of_one_day_are_orders_of_their_own():
    log = orders(
        [
            ("ann", "2024-01-01", 4, "i2"),  # the same instant as i1: the smaller number is the first order
            ("ann", "2024-01-01", 3, "i1"),
            ("ann", "2024-01-02", 1, None),  # without an invoice: by day
            ("ann", "2024-01-02", 1, None),
        ],
        until="2024-01-11",
        columns=WITH_ID,
    )
    ann = only(customers.totals(customers.purchases(log, order="order_id")))
    assert (ann["first_amount"], ann["orders"], ann["revenue"]) == (3, 3, 9)
    assert only(customers.totals(customers.purchases(log)))["orders"] == 2


def test_a_credit_note_after_its_invoice_is_no_order():
    log = orders([("ann", "2024-01-01 09:00", 20, "i1"), ("ann", "2024-01-01 10:00", -20, "c1")], until="2024-01-11",
                 columns=WITH_ID)  # fmt: skip
    ann = only(customers.totals(customers.purchases(log, returns="net", order="order_id")))
    assert (ann["first_amount"], ann["orders"], ann["revenue"]) == (20, 1, 0)


def test_equal_follow_up_ends_with_its_last_day_and_says_unknown_otherwise():
    log = orders(
        [("ann", "2024-01-01", 1), ("ann", "2024-01-11", 2), ("ann", "2024-01-12", 4), ("bob", "2024-01-10", 8)],
        until="2024-01-15",
    )
    table = customers.totals(customers.purchases(log), within=10)
    assert table.loc[table["followed_days"] == 14, ["orders", "revenue"]].values.tolist() == [[2, 3]]
    bob = table[table["followed_days"] == 5].iloc[0]
    assert bob["first_amount"] == 8
    assert bob[["orders", "revenue", "value"]].isna().all()  # not seen for ten days: unknown, not zero


def test_half_way_counts_the_first_half_and_what_came_after():
    days = {"2024-01-01": 1, "2024-01-06": 2, "2024-01-07": 4, "2024-01-30": 8}
    log = orders([("ann", day, amount) for day, amount in days.items()], until="2024-03-01")
    ann = only(customers.half_way(customers.purchases(log), within=10))
    assert (ann["orders"], ann["revenue"], ann["value"], ann["later_value"]) == (2, 3, 7, 4)


def test_discounting_touches_value_and_not_who_belongs_where():
    log = orders([("ann", "2023-01-01", 100), ("ann", "2024-01-01", 100)], until="2024-03-01")
    ann = only(customers.totals(customers.purchases(log), annual_discount_rate=0.10))
    assert ann["revenue"] == 200
    assert ann["value"] == pytest.approx(100 + 100 / 1.10 ** (365 / 365.25), abs=1e-6)


@pytest.mark.parametrize(("margin", "measure", "value"), [(3, "margin", 7), (None, "revenue", 30)])
def test_margin_counts_where_every_row_has_one(margin, measure, value):
    log = orders([("ann", "2024-01-01", 20, 4), ("ann", "2024-01-02", 10, margin)], until="2024-03-01",
                 columns="customer_id, ordered_at, amount, margin")  # fmt: skip
    bought = customers.purchases(log)
    assert bought.measure == measure
    assert only(customers.totals(bought))["value"] == value
    assert any("margin is missing on 1 row" in note for note in bought.notes) == (margin is None)


def test_rows_in_any_order_give_the_same_table():
    rows = [(f"c{n % 7}", f"2024-01-{1 + n % 28:02d}", 1 + 0.1 * n) for n in range(60)]
    one, other = (customers.totals(customers.purchases(orders(r, until="2024-03-01"))) for r in (rows, rows[::-1]))
    assert one.equals(other)


def test_the_longest_follow_up_keeps_at_least_half():
    log = orders([("a", "2024-01-01", 1), ("b", "2024-01-05", 1), ("c", "2024-01-09", 1)], until="2024-01-11")
    table = customers.totals(customers.purchases(log))
    assert customers.longest_follow_up(table) == 6
    assert customers.longest_follow_up(table, keep=1) == 2
    assert customers.follow_up_text(table, within=6) == "Followed for 6 days or more: 2 of 3 customers."


def test_nobodys_name_leaves_the_engine():
    log = orders([("4183-MYFRB", "2024-01-01", 1)], until="2024-01-11")
    table = customers.half_way(customers.purchases(log), within=4)
    assert {str(kind) for kind in table.dtypes} == {"float64"}


def test_customers_known_by_a_number_have_the_same_in_every_table():
    log = orders([("ann", "2024-01-01", 1), ("bob", "2024-01-01", 2), ("bob", "2024-01-02", 9)], until="2024-03-01")
    bought = customers.purchases(log)
    short, long = (customers.half_way(bought, within=days, known=True).set_index("customer") for days in (2, 20))
    assert (short["first_amount"] == long.loc[short.index, "first_amount"]).all()
    assert len(short) == 2
    assert "ann" not in short.index


def test_a_table_without_orders_says_what_to_look_at():
    log = orders([("ann", "2024-01-01", -5), ("ann", "2024-01-02", 0)], until="2024-01-11")
    with pytest.raises(TableError, match=r"none of the 2 rows is an order .* Check the column given for amount"):
        customers.purchases(log)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"returns": "gross"}, '"purchases" or "net"'), ({"order": "week"}, '"day" or "order_id"'),
     ({"order": "order_id"}, "no such column")],
)  # fmt: skip
def test_unknown_policies_are_refused(wrong, says):
    with pytest.raises(SettingsError, match=says):
        customers.purchases(orders([("ann", "2024-01-01", 5)], until="2024-01-11"), **wrong)


@pytest.mark.parametrize("days", [0, -5])
def test_a_follow_up_of_no_days_is_refused(days):
    bought = customers.purchases(orders([("ann", "2024-01-01", 5)], until="2024-01-11"))
    with pytest.raises(SettingsError, match=f"follow-up of {days} days is none"):
        customers.totals(bought, within=days)


def shop(seed=7, customers_=30, lines=400):
    """Lines with gifts, returns inside orders and on their own, sales marked returned, and invoices of one instant."""
    random = np.random.default_rng(seed)
    days = pd.to_datetime("2024-01-01") + pd.to_timedelta(random.integers(0, 90, lines), "D")
    log = pd.DataFrame({
        "customer_id": random.integers(1, customers_ + 1, lines),
        "ordered_at": days + pd.to_timedelta(random.choice([9, 9.5], lines), "h"),
        "amount": random.choice([-15.0, -5.0, 0.0, 10.0, 20.25], lines),
        "order_id": random.choice(["i1", "i2", "i3"], lines),
        "returned": random.random(lines) < 0.1,
    })  # fmt: skip
    return log.assign(margin=(log["amount"] * 0.4).round(2))


def opened(log, folder, name):
    """The orders of a study whose only table is this log."""
    log.to_parquet(folder / f"{name}.parquet")
    table = f'[study.a.tables.orders]\nsource = "{name}.parquet"\nobserved_until = 2024-04-01\n'
    (folder / f"{name}.toml").write_text(f'[study.a]\ntitle = "A"\n{table}')
    return studies.load(folder / f"{name}.toml")["a"].table("orders")


@pytest.mark.parametrize("returns", ["purchases", "net"])
@pytest.mark.parametrize("order", ["day", "order_id"])
def test_customers_from_one_pass_are_those_of_their_orders_added_up(tmp_path, returns, order):
    """Arithmetic on the orders in pandas; money has two decimals, so six hold it exactly."""
    bought = customers.purchases(opened(shop(), tmp_path, "log"), returns=returns, order=order)
    until = date(2024, 2, 15)
    rows = bought.rows.to_pandas()
    rows = rows[pd.to_datetime(rows["first_on"]) <= "2024-02-15"].sort_values(["customer_id", "key"])
    past = pd.to_datetime(rows["ordered_on"]) <= "2024-02-15"
    orders = rows[past & (rows["opens"] == 1)].groupby("customer_id")
    first, n = orders["value"].first(), orders.size() - 1
    spent = rows[past].groupby("customer_id")["value"].sum()
    mean = ((spent - first) / n).where(n > 0, 0.0)
    later = rows[~past].groupby("customer_id")["value"].sum().reindex(n.index, fill_value=0.0)
    found = order_values.ledger(bought, until=until).to_pandas().set_index("customer_id").sort_index()
    assert (returns == "net") == bool((rows["opens"] == 0).any())  # only then are there returns on their own
    assert found["repeats"].tolist() == n.tolist()
    for name, wanted in {"first": first, "mean": mean, "later": later}.items():
        assert found[name].to_numpy() == pytest.approx(wanted.to_numpy(), abs=1e-6), name


def test_customers_named_by_numbers_are_those_named_by_text(tmp_path):
    log = shop()
    tables = [opened(log, tmp_path, "numbers"), opened(log.astype({"customer_id": str}), tmp_path, "text")]
    one, other = (customers.purchases(table, returns="net") for table in tables)
    assert [table.has(STORED_ID) for table in tables] == [True, False]
    columns = ["customer_id", "ordered_on", "opens", "amount"]
    rows = [bought.rows.to_pandas()[columns].sort_values(columns, ignore_index=True) for bought in (one, other)]
    pd.testing.assert_frame_equal(*rows)
    ledgers = [order_values.ledger(b).to_pandas().sort_values("customer_id", ignore_index=True) for b in (one, other)]
    pd.testing.assert_frame_equal(*ledgers)
    cells = [cohorts.follow(bought, ages=[], grain="month") for bought in (one, other)]
    pd.testing.assert_frame_equal(*cells)


def test_the_orders_of_some_customers_are_theirs_in_lines_and_rows(tmp_path):
    whole = customers.purchases(opened(shop(), tmp_path, "log"), returns="net")
    some = whole.of(ibis.memtable(pd.DataFrame({"customer_id": ["3", "5"]})))
    assert {*some.rows.customer_id.to_pandas()} == {*order_values.ledger(some).customer_id.to_pandas()} == {"3", "5"}
    assert some.steps == whole.steps
