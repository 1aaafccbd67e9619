"""A small invented business with every table there is: the laws of club on 300 customers, under hostile names.

Names of plans, arms, branches and all else are markup, formulas, turned text, or very long.
"""

import json
import re
from pathlib import Path

import club
import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
SCRIPT = "<script>document.title='broken'</script>"
PERSIAN = "نسخه ویژه"
LONG = "a plan whose name goes on and on " * 12
RARE = "the plan of only three people"
FORMULA = "=HYPERLINK(\"//a.example/\",\"x\")"  # fmt: skip
TURNED = "\u202egnp.exe\u2066 \U0001f642 $x^2$ {{ 7 * 7 }}"
IMAGE = '"><img src=x onerror=alert(1)>'
WORST = [SCRIPT, PERSIAN, LONG, FORMULA, TURNED, IMAGE]

# Columns whose values are names that somebody chose, by table; a branch is the same branch in every one of them.
LABELS = {
    "customers": ["channel", "branch"],
    "orders": ["category", "channel", "promotion_id"],
    "memberships": ["tier", "benefit"],
    "promotions": ["promotion_id", "kind"],
    "experiments": ["arm", "control_arm"],
    "contacts": ["kind"],
    "surveys": ["unit"],
    "units": ["unit"],
    "rollouts": ["unit", "action"],
    "operations": ["unit", "staff_id"],
    "touchpoints": ["touchpoint"],
    "subscriptions": ["plan"],
}
PEOPLE = ["customer_id", "referrer_id", "referred_id", "referred_by"]
MORE = """
[study.small.parameters]
draws = 99  # resamples: enough for a page, and quick
refits = 9
simulated = 9
halves = 5
by_lot = true
planned = true
uniform_since = "2023-05-01"
action = "ask and mend"
channel = "friend"
long_term = "long-term"
short_term = "short-term"
offer_arm = "offers from history"
reward_arm = "personal reward"
reward_costs = [5.0, 5.0]
service_arm = "personal service"
[[study.small.pairs]]
dimension = "the <b>counter</b>"
expectation = ["e1"]
desired = ["d1"]
adequate = ["a1"]
predicted = ["w1"]
perception = ["p1"]
"""


def identity(number: int) -> str:
    return f"ZQ-{number:04d}-person"


def settings() -> str:
    """What studies.toml says of the bundled club, without its runs and under another name."""
    text = (ROOT / "studies.toml").read_text("utf-8").partition("[study.club]")[2].partition("# Further things")[0]
    text = re.sub(r"\[\[study\.club\.run\]\]\n([^\[].*\n|\n)*", "", "[study.club]" + text)
    text = text.replace("study.club", "study.small").replace("data/raw/club_", "")
    text = re.sub('title = ".*"', 'title = "A small invented shop & its <contracts>"', text, count=1)
    text = text.replace('"subscriptions.parquet",', '"subscriptions.parquet", covariates = ["plan"],')
    return text + MORE


def simulated(customers: int = 300) -> dict[str, pd.DataFrame]:
    """Tables by name; plans are added, one of them held by three people alone."""
    tables = club.simulate(customers=customers, seed=7)
    names = {name: identity(n) for n, name in enumerate(tables["customers"]["customer_id"])}
    for table in tables.values():
        for column in set(PEOPLE) & set(table.columns):
            table[column] = [names.get(name, None if pd.isna(name) else f"ZQ-{name}") for name in table[column]]
    number = np.arange(customers)
    plans = np.where(number % 3 == 0, "basic", np.where(number % 3 == 1, "plus", "family"))
    chance, liked = np.random.default_rng(8), tables["surveys"]["satisfaction_1"].to_numpy()
    for item in ("e1", "d1", "a1", "w1", "p1"):
        tables["surveys"][item] = np.clip(liked + chance.integers(-1, 2, len(liked)), 1, 7)
    tables["subscriptions"]["plan"] = np.where(number < 3, RARE, np.where(number < 75, "small", plans))
    return tables


def hostile(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """Gives everything in the tables that bears a name one of the worst; returns the new names by the old ones."""
    told: dict[str, str] = {}
    for name, table in tables.items():
        for column in [each for each in LABELS.get(name, []) if each in table]:
            for old in pd.unique(table[column].dropna()):
                if old not in (RARE, "small"):
                    told.setdefault(old, f"{WORST[len(told) % len(WORST)]} {old}")
            table[column] = table[column].map(lambda old: told.get(old, old))
    return told


def write(folder: Path, tables: dict[str, pd.DataFrame], text: str, names: dict[str, str] | None = None) -> None:
    """A folder with the tables and a studies file for them, in which the values of parameters bear their new names."""
    for old, new in (names or {}).items():
        text = text.replace(f'= "{old}"', f"= {json.dumps(new, ensure_ascii=False)}")
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "studies.toml").write_text(text, "utf-8")


def invented(folder: Path) -> None:
    """The business in a folder, as hostile as it gets; deterministic."""
    tables = simulated()
    write(folder, tables, settings(), hostile(tables))
