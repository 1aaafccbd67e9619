"""Reference answers of two other programs for tests/golden/test_lifetime_value.py, on the published sample of CDNOW.

Neither shares an environment with this project. Run in this folder, each program in an environment of its own, with
the file that holds its answers as the last word:

    python clv_peers.py clvkit clv_clvkit.csv           made with clvkit 0.2.1
    python clv_peers.py lifetimes clv_lifetimes.csv     made with lifetimes 0.11.3

One row for every fortieth customer and one, the last, for all: repeats, last, observed (weeks), mean (money a repeat
order), orders (expected in 52 weeks) and value (52 weeks, each week's money discounted at its end by 0.25%; lifetimes
cannot count weeks, its value is that of 12 months of 4.345 weeks, each discounted at its end by 1%).
"""

import sys

import pandas as pd

program, place = sys.argv[1:]
log = pd.read_csv("../../data/raw/cdnow.csv", dtype={"customer_id": str})
log = log[log["customer_id"].isin(pd.read_csv("cdnow_sample.csv", dtype=str)["customer_id"])]
log["date"] = pd.to_datetime(log["date"], format="%Y%m%d")
log = log[log["date"] <= "1997-09-30"]

days = log.groupby(["customer_id", "date"], as_index=False)["dollar_value"].sum()
first = days.groupby("customer_id")["date"].min()
later = days[days["date"] > days["customer_id"].map(first)]
table = pd.DataFrame({"repeats": later.groupby("customer_id").size()}, index=first.index).fillna(0)
table["last"] = (days.groupby("customer_id")["date"].max() - first).dt.days / 7
table["observed"] = (pd.Timestamp("1997-09-30") - first).dt.days / 7
table["mean"] = later.groupby("customer_id")["dollar_value"].mean()
table = table.fillna(0)

if program == "clvkit":
    import clvkit

    told = {"customer_id_col": "customer_id", "datetime_col": "date", "amount_col": "amount"}
    spent = days.rename(columns={"dollar_value": "amount"})
    base = clvkit.CustomerBase.from_transactions(
        spent, time_unit="W", collapse="D", observation_period_end="1997-09-30", **told
    )
    found = clvkit.CLV().fit(base).predict(horizon=52, discount_rate=0.0025).to_pandas()
    table["orders"], table["value"] = found["expected_purchases"], found["clv"]
else:
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    columns = [table[name] for name in ("repeats", "last", "observed")]
    bought = BetaGeoFitter().fit(*columns)
    again = table[table["mean"] > 0]
    spent = GammaGammaFitter().fit(again["repeats"], again["mean"])
    table["orders"] = bought.predict(52, *columns)
    table["value"] = spent.customer_lifetime_value(
        bought, *columns, table["mean"], time=12, discount_rate=0.01, freq="W"
    )

chosen = table.iloc[::40]
chosen.loc["all"] = table.sum()
chosen.to_csv(place, index=False, float_format="%.8g")
