"""What makes news between two reports, and what does not."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import news
from analysis.news import compare, feed, moved, remembered


def entry(**changed: Any) -> dict[str, Any]:
    plain = {
        "study": "shop", "hypothesis": "R01", "claim": "Loyal customers pay.", "notebook": "23_x", "run": "23_x-two",
        "reading": "headline", "headline": True, "verdict": "inconclusive", "estimate": 0.5, "low": 0.4, "high": 0.6,
        "unit": "share", "parts": None,
    }  # fmt: skip
    return plain | changed


def texts(before: list[dict[str, Any]], after: list[dict[str, Any]], **more: Any) -> list[str]:
    return [item.text for item in compare(before, after, **more)]


def test_the_first_report_and_one_without_change_make_no_news() -> None:
    assert compare([], [entry()]) == []
    assert compare([entry()], [entry()]) == []


def test_a_new_verdict_is_news_with_both_estimates_and_a_link() -> None:
    (item,) = compare([entry()], [entry(verdict="supported", estimate=0.7, low=0.62, high=0.78)])
    assert (item.kind, item.href) == ("verdict", "shop/23_x-two.html")
    assert (
        item.text
        == "Loyal customers pay. Was inconclusive, is supported; from 50.0% (40.0 to 60.0%) to 70.0% (62.0 to 78.0%)."
    )


def test_other_readings_are_counted_with_the_headline() -> None:
    before = [entry(), entry(reading="b", headline=False), entry(reading="c", headline=False)]
    after = [entry(verdict="supported"), entry(reading="b", headline=False, verdict="supported"), before[2]]
    assert texts(before, after)[0].endswith("So does 1 further reading.")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({"estimate": 0.55, "low": 0.45, "high": 0.65}, False),  # inside both intervals
        (
            {"estimate": 0.7, "low": 0.45, "high": 0.95},
            False,
        ),  # outside the old one, which the new one does not exclude
        ({"estimate": 0.7, "low": 0.65, "high": 0.75}, True),
        ({"estimate": None, "low": None, "high": None}, False),
        ({"low": None, "estimate": 0.9}, False),
    ],
)
def test_a_figure_moves_only_beyond_the_noise_of_both(now: dict[str, Any], expected: bool) -> None:
    assert moved(entry(), entry(**now)) is expected


def test_a_compound_finding_moves_with_one_of_its_parts() -> None:
    def parts(b: float) -> list[dict[str, Any]]:
        return [
            {"name": name, "estimate": v, "low": v - 0.1, "high": v + 0.1} for name, v in {"a": 0.0, "b": b}.items()
        ]

    assert moved(entry(parts=parts(0.5)), entry(parts=parts(1.0)))
    assert not moved(entry(parts=parts(0.5)), entry(parts=parts(0.52)))


def test_noise_of_two_independent_samples_is_seldom_news() -> None:
    # By arithmetic 5% of pairs of independent estimates; 0.0046 is three Monte Carlo errors.
    random = np.random.default_rng(7)
    pairs = random.normal(0, 1, (20_000, 2))
    told = [moved(*({"estimate": v, "low": v - 1.96, "high": v + 1.96} for v in pair)) for pair in pairs]
    assert np.mean(told) == pytest.approx(0.05, abs=0.0046)


def test_claims_that_come_and_go_are_told() -> None:
    other = entry(hypothesis="R02", claim="Prices matter.")
    assert texts([entry()], [entry(), other]) == ["Prices matter. This is judged for the first time: inconclusive."]
    assert texts([entry(), other], [entry()]) == ["Prices matter. This is no longer judged."]


def test_a_study_that_is_new_is_no_news_about_the_others() -> None:
    assert compare([entry()], [entry(), entry(study="club")]) == []


def test_data_that_arrived_are_told() -> None:
    tables = (
        {"shop": {"orders": {"rows": 100, "until": "2024-01-31"}}},
        {"shop": {"orders": {"rows": 130, "until": "2024-02-29"}}},
    )
    assert texts([entry()], [entry()], tables=tables) == [
        "orders: 30 more rows (130 now), seen until 2024-02-29 instead of 2024-01-31."
    ]


def test_memory_keeps_the_newest_and_a_report_without_news_adds_none(tmp_path: Path) -> None:
    memory = news.read(tmp_path)
    items = compare([entry()], [entry(verdict="supported")])
    for day in range(1, 61):
        memory = remembered(memory, items, tables={"shop": {}}, at=f"2024-01-{day:02d}")
    assert len(memory["batches"]) == news.KEPT
    assert memory["batches"][0]["at"] == "2024-01-60"
    assert remembered(memory, [], tables={}, at="later") == memory


def test_the_feed_is_well_formed_whatever_the_texts_hold() -> None:
    nasty = "<script>alert(1)</script> & ]]> \u202e"
    items = compare([entry(claim=nasty)], [entry(claim=nasty, verdict="supported")])
    memory = remembered({"tables": {}, "batches": []}, items, tables={}, at="2024-05-01T06:00:00+00:00")
    root = ET.fromstring(feed(memory, titles={"shop": "<b>Shop</b>"}, url="https://example.org/r/"))
    space = {"a": "http://www.w3.org/2005/Atom"}
    assert root.findtext("a:entry/a:title", namespaces=space) == "1 change: <b>Shop</b>"
    content = root.findtext("a:entry/a:content", namespaces=space)
    assert "&lt;script&gt;" in content
    assert root.find("a:entry/a:link", space).get("href") == "https://example.org/r/index.html"
