"""Businesses about which nothing can be said: every notebook ends with a page, and no verdict is invented."""

import pytest
from books import entries_of, page_of, says_nan

from analysis import cli, runs
from analysis.notebooks import catalogue
from analysis.studies import load

TABLES = """
[study.{name}]
title = "{name}"
[study.{name}.tables.orders]
source = "{name}-orders.csv"
columns = {{ customer_id = "who", ordered_at = "day", amount = "total" }}
[study.{name}.tables.subscriptions]
source = "{name}-contracts.csv"
columns = {{ customer_id = "who", started_at = "from", ended_at = "to" }}
observed_until = 2025-12-31
[study.{name}.tables.surveys]
source = "{name}-answers.csv"
columns = {{ customer_id = "who", answered_at = "day" }}
scale = [1, 7]
[study.{name}.constructs]
satisfaction = ["s1", "s2", "s3"]
quality = ["q1", "q2", "q3"]
[[study.{name}.pairs]]
dimension = "service"
expectation = ["e"]
desired = ["d"]
adequate = ["a"]
predicted = ["w"]
perception = ["p"]
"""
ANSWERS = "who,day,s1,s2,s3,q1,q2,q3,e,d,a,w,p"

# name: (order lines, contract lines)
STUDIES = {
    "handful": ([f"{n},2025-01-{1 + n:02d},5" for n in range(6)], [f"{n},2025-01-{1 + n:02d}," for n in range(6)]),
    "faithful": (
        [f"{n},2025-01-{1 + n % 28:02d},5" for n in range(80)],
        [f"{n},2025-01-{1 + n % 28:02d}," for n in range(80)],
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What pages show of six customers, and of eighty, who all bought once, for the same, never left, answer alike.

    (study, notebook): bundles. The pages run in this process, where a warning is an error.
    """
    folder = tmp_path_factory.mktemp("degenerate")
    for name, (orders, contracts) in STUDIES.items():
        (folder / f"{name}-orders.csv").write_text("\n".join(["who,day,total", *orders]) + "\n")
        (folder / f"{name}-contracts.csv").write_text("\n".join(["who,from,to", *contracts]) + "\n")
        answers = [f"{line.split(',')[0]},2025-06-01{',5' * 11}" for line in orders]
        (folder / f"{name}-answers.csv").write_text("\n".join([ANSWERS, *answers]) + "\n")
    (folder / "studies.toml").write_text("".join(TABLES.format(name=name) for name in STUDIES))
    known, books = load(folder / "studies.toml"), catalogue().values()
    assert all(not known[name].check().problems for name in STUDIES)
    due = [(name, book) for name in STUDIES for book in books if not (runs.lacks(known[name], book) or book.listed)]
    assert len(due) >= 30
    return {(name, book.name): page_of(book, name, folder) for name, book in due}


@pytest.fixture(scope="module")
def findings(told):
    """All entries of all pages."""
    return entries_of(told.values())


@pytest.mark.parametrize("study", STUDIES)
def test_nothing_is_decided_where_nothing_can_be_seen(findings, study):
    words = {(e["hypothesis"], e["reading"]): e["verdict"] for e in findings if e["study"] == study}
    assert {hypothesis for hypothesis, _ in words} >= {"R01", "R02", "R05", "R06", "R07", "R09", "R10"}
    assert set(words.values()) == {"not testable"}, words


def test_one_customer_alone_is_no_study(tmp_path, capsys):
    (tmp_path / "lone-orders.csv").write_text("who,day,total\na,2025-01-01,175.74\n")
    (tmp_path / "lone-contracts.csv").write_text("who,from,to\na,2025-01-01,\n")
    (tmp_path / "studies.toml").write_text(TABLES.format(name="lone"))
    command = ["report", "--studies", str(tmp_path / "studies.toml"), "--out", str(tmp_path / "site")]
    assert cli.main(command) == 1
    assert "lone: orders holds 1 customer." in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_each_says_what_is_missing(findings):
    assert len(findings) > 12
    assert [e["hypothesis"] for e in findings if len(e["reason"]) < 20] == []


def test_no_page_shows_a_number_that_is_none(told):
    assert [where for where, page in told.items() if says_nan(page)] == []
