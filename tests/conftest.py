"""Small fixtures that several test files share."""

import os
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import filelock
import pytest

from analysis import cli, disclosure, studies
from analysis.studies import Study

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def usual_min_cell():
    """Whatever a study protects, the next test starts with the default."""
    yield
    disclosure.protect(disclosure.FEWEST)


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Study]:
    """Write a study with one table into a folder of its own, and open it: make_study(text of a CSV, settings)."""

    def make(
        rows: str | bytes, settings: str, *, table: str = "orders", file: str = "rows.csv", study: str = ""
    ) -> Study:
        (tmp_path / file).write_bytes(rows.encode() if isinstance(rows, str) else rows)
        path = tmp_path / "studies.toml"
        path.write_text(
            f'[study.shop]\ntitle = "A shop"\n{study}\n[study.shop.tables.{table}]\nsource = "{file}"\n{settings}\n',
            encoding="utf-8",
        )
        return studies.open_study("shop", path)

    return make


@pytest.fixture(scope="session")
def bundled() -> studies.Studies:
    """The studies that come with the project."""
    return studies.load(ROOT / "studies.toml")


# --- A small invented business whose data are hostile --------------------------------------------------------------

SCRIPT = "<script>document.title='broken'</script>"
PERSIAN = "نسخه ویژه"
LONG = "a plan whose name goes on and on " * 12
RARE = "the plan of only three people"

STUDY = """
[study.small]
title = "A small invented shop & its <contracts>"
currency = "EUR"
[study.small.tables.orders]
source = "orders.csv"
columns = { customer_id = "who", ordered_at = "day", amount = "total" }
[study.small.tables.subscriptions]
source = "contracts.csv"
columns = { customer_id = "who", started_at = "from", ended_at = "to", plan = "plan" }
observed_until = 2025-12-31
covariates = ["plan"]
[study.small.tables.surveys]
source = "answers.csv"
columns = { customer_id = "who", answered_at = "day", wave = "wave", unit = "plan" }
scale = [1, 7]
[study.small.scales]
recommend = [0, 10]
[study.small.constructs]
satisfaction = ["s1", "s2", "-s3"]
recommend = ["r"]
quality = ["q1", "q2", "q3", "q4", "q5", "q6"]
value = ["v1", "v2"]
loyalty = ["l1", "l2"]
[[study.small.pairs]]
dimension = "the <b>counter</b>"
expectation = ["e1"]
desired = ["d1"]
adequate = ["a1"]
predicted = ["w1"]
perception = ["p1"]
"""
ITEMS = ["s1", "s2", "s3", "q1", "q2", "q3", "q4", "q5", "q6", "v1", "v2", "l1", "l2", "e1", "d1", "a1", "w1", "p1"]


def identity(number):
    return f"ZQ-{number:04d}-person"


def invented(folder):
    """300 contracts in five plans, two of them small, 1,500 orders and 280 questionnaires; deterministic."""
    chance, mood = random.Random(7), random.Random(8)
    plans = [SCRIPT, PERSIAN, LONG]
    contracts, orders = ["who,from,to,plan"], ["who,day,total"]
    answers = ["who,day,wave,plan,r," + ",".join(ITEMS)]
    for number in range(300):
        plan = RARE if number < 3 else "small" if number < 75 else plans[number % 3]
        start = date(2022, 1, 1) + timedelta(chance.randrange(700))
        stay = int(chance.expovariate(1 / (300 + 200 * (number % 3))))
        end = start + timedelta(stay)
        contracts.append(f'{identity(number)},{start},{end if end < date(2025, 12, 31) else ""},"{plan}"')
        for _ in range(1 + number % 9):
            day = start + timedelta(chance.randrange(500))
            orders.append(f"{identity(number)},{day},{chance.choice([5, 8.5, 12, 20, 45, 80])}")
        if number % 15:
            likes, asked = mood.gauss(4.5, 1), date(2023, 6, 1) + timedelta(mood.randrange(300))
            given = [min(7, max(1, round(likes + mood.gauss(0, 1)))) for _ in ITEMS]
            wave = "1" if asked < date(2024, 1, 1) else "2"
            answers.append(
                f'{identity(number)},{asked},{wave},"{plan}",{min(10, max(0, round(likes * 1.6)))},{str(given)[1:-1]}'
            )
    (folder / "answers.csv").write_text("\n".join(answers) + "\n", "utf-8")
    (folder / "contracts.csv").write_text("\n".join(contracts) + "\n", "utf-8")
    (folder / "orders.csv").write_text("\n".join(orders) + "\n", "utf-8")
    (folder / "studies.toml").write_text(STUDY, "utf-8")


@pytest.fixture(scope="session")
def small_site(tmp_path_factory):
    """The published site of the small business, made once for all processes that test side by side."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small-business"
    folder.mkdir(exist_ok=True)
    with filelock.FileLock(folder / ".lock"):
        if not (folder / "site").exists():
            invented(folder)
            told = {"--studies": "studies.toml", "--out": "site", "--state": "state"}
            asked = [word for option, name in told.items() for word in (option, str(folder / name))]
            assert cli.main(["report", *asked]) == 0
    return folder / "site"
