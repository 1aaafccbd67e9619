"""Invented order logs, in the engine: a test writes people and days, nothing else."""

from datetime import date

import ibis
import pandas as pd

from analysis.checks import CheckedTable


def orders(rows: list[tuple], *, until: str, columns: str = "customer_id, ordered_at, amount") -> CheckedTable:
    """A checked orders table that holds these rows; `until` is the last day seen."""
    names = [name.strip() for name in columns.split(",")]
    kinds = {"customer_id": "varchar", "ordered_at": "timestamp", "order_id": "varchar", "returned": "boolean"}
    kinds |= {"amount": "double", "margin": "double"}
    engine = ibis.duckdb.connect()
    engine.con.execute(f"CREATE TABLE orders ({', '.join(f'{n} {kinds[n]}' for n in names)})")
    engine.con.register("given", pd.DataFrame(rows, columns=names, dtype=object))
    engine.con.execute("INSERT INTO orders SELECT * FROM given")
    return CheckedTable("orders", engine.table("orders"), (), (), {"observed_until": date.fromisoformat(until)})
