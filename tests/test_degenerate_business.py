"""Businesses whose club, promotions, surveys, branches or tiers can tell nothing: each page says why."""

import functools

import numpy as np
import pandas as pd
import pytest
import small_business
from books import entries_of, page_of, says_nan

from analysis.notebooks import catalogue
from analysis.studies import load

LAST = pd.Timestamp("2024-12-31")
FEW = {"draws": 19, "simulated": 3, "halves": 2}  # resamples: nothing here depends on how many
CLUB, PROMOTIONS = ("50_does_the_club_work", "52_who_should_be_rewarded"), ("51_what_promotions_leave_behind",)
TREATED, BRANCHES = ("53_does_personal_treatment_pay",), ("62_from_staff_to_profit",)
SAID = ("40_kinds_of_loyalty", "41_emotion_and_engagement", "60_complaints_and_forgiveness", "61_touchpoints")


def nobody_joined(tables):
    tables["memberships"] = tables["memberships"].iloc[:0]


def everybody_joined(tables):
    people = tables["subscriptions"][["customer_id", "started_at"]].rename(columns={"started_at": "joined_at"})
    tables["memberships"] = people.assign(tier="gold", running_value=100.0, tier_at=people["joined_at"], benefit="all")


def joined_before(tables):
    start = tables["subscriptions"].set_index("customer_id")["started_at"]
    joined = pd.to_datetime(tables["memberships"]["customer_id"].map(start)) - pd.Timedelta(100, "D")
    tables["memberships"] = tables["memberships"].assign(joined_at=joined)


def nobody_held_out(tables):
    tables["promotions"]["assigned"] = True


def one_arm(tables):
    tables["experiments"]["arm"] = "personal service"


def asked_afterwards(tables):
    tables["surveys"]["answered_at"] = LAST


def one_branch(tables):
    for name in ("surveys", "units", "rollouts", "operations"):
        if name in tables:
            tables[name]["unit"] = "the only one"
    tables["customers"]["branch"] = "the only one"
    tables["units"] = tables["units"].drop_duplicates("period")


def far_from_the_threshold(tables):
    gold = tables["memberships"]["tier"] == "gold"
    tables["memberships"]["running_value"] = np.where(gold, 1e6, 0.0)


def all_alike(tables):
    for table in tables.values():
        for column in table.select_dtypes("number"):
            table[column] = table[column].iloc[0] if len(table) else table[column]


def gigantic(tables):
    tables["orders"]["unit_price"] *= 1e10
    tables["orders"]["margin"] *= 1e10
    tables["costs"]["serving_cost"] *= 1e10
    tables["units"]["profit"] *= 1e10


OUTSIDE = "joined after becoming a customer and before the orders end"
ONE = "is in the control arm, asked without. Bring those whom the lot held out."
UNHELD = "customers held out (column assigned). Hold some out by lot."
TWICE = "Ask the same customers again."

# What is done to the tables, the pages that are asked, and of claims that cannot be tested words of the reason.
CASES = {
    "everybody joined at once": (everybody_joined, CLUB, {"P01": "changed with", "P10": "so there is no threshold"}),
    "all joined before they were customers": (
        joined_before, CLUB, {**dict.fromkeys(["P01", "P03", "P04", "P14"], OUTSIDE), "P09": "must have left"}
    ),
    "nobody was held out of a promotion": (nobody_held_out, PROMOTIONS, dict.fromkeys(["P05", "P06", "P07"], UNHELD)),
    "every trial has one arm": (
        one_arm, TREATED, {"P12": ONE, "P13": "name an arm", "P15": "name an arm", "S11": "Name one as arm"}
    ),
    "asked after all was over": (
        asked_afterwards, SAID, {
            "L01": "Choose a shorter window", "L07": "Choose a shorter window", "L09": "Choose a shorter window",
            "L10": "Ask customers while they are customers", "L11": "Choose a shorter window", "L12": TWICE,
            "L13": TWICE, "L08": TWICE, "L03": "ask what is felt before", "L04": "ask what is felt before",
            "S14": "after answering, so ratings foretell nothing", "S15": "so ratings foretell nothing",
        }
    ),
    "one branch": (
        one_branch, (*BRANCHES, CLUB[0]), {"S13": "20 branches", "S17": "20 branches", "G02": "20", "P11": "1 branch"}
    ),
    "nobody near the threshold": (far_from_the_threshold, CLUB[1:], {"P10": "so more must come close to it"}),
    "gigantic amounts": (gigantic, (CLUB[0], *PROMOTIONS), {"P01": "30 are needed", "P07": "Either arm needs 30"}),
    "all alike": (all_alike, SAID[1:], {
        "L02": "all the same", "L07": "All who answered are alike", "L08": "are the same", "G01": "all the same",
        "G04": "are the same", "G07": "are the same", "S14": "The same for all", "S15": "The same for all",
        "S16": "are the same", "S09": "The same for all", "L03": "ask what is felt before", "L04": "ask what is felt",
    }),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the pages of a case show; each case once."""

    def tell(case):
        change, pages, _ = CASES[case]
        # Those who are all alike must be many enough, so that nothing else stands in the way.
        folder, many = tmp_path_factory.mktemp("case"), 450 if case == "all alike" else 300
        tables = small_business.simulated(many)
        change(tables)
        small_business.write(folder, tables, small_business.settings())
        lab, books = load(folder / "studies.toml")["small"], [catalogue()[name] for name in pages]
        assert lab.check().problems == ()
        chosen = lab.parameters | FEW
        given = [{name: chosen[name] for name in chosen.keys() & book.parameters} for book in books]
        return [page_of(book, "small", folder, **each) for book, each in zip(books, given, strict=True)]

    return functools.cache(tell)


@pytest.mark.parametrize("case", CASES)
def test_each_page_ends_with_the_reason_and_no_number_that_is_none(told, case):
    """A page that raises or warns fails here as well: a warning is an error in tests."""
    found = {entry["hypothesis"]: entry for entry in entries_of(told(case)) if entry["headline"]}
    reasons = CASES[case][2]
    assert {claim: found[claim]["verdict"] for claim in reasons} == dict.fromkeys(reasons, "not testable")
    assert [found[claim]["reason"] for claim, words in reasons.items() if words not in found[claim]["reason"]] == []
    assert [says_nan(page) for page in told(case) if says_nan(page)] == []


def test_tables_without_rows_and_amounts_beyond_counting_are_refused_when_they_are_read(tmp_path):
    tables = small_business.simulated()
    nobody_joined(tables)
    tables["finances"]["revenue"] *= 1e12
    small_business.write(tmp_path, tables, small_business.settings())
    told = "\n".join(load(tmp_path / "studies.toml")["small"].check().problems)
    assert "memberships (memberships.parquet) is empty: it has column names but no rows." in told
    assert "revenue is too large. First: row 1" in told
