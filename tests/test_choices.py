"""Surveys prepared otherwise: what each choice changes and leaves, and dealing out anew breaks links and no more."""

import numpy as np
import pandas as pd
import pytest

from analysis import afterwards, choices, regressions, scales, studies
from analysis.afterwards import Afterwards
from analysis.choices import asking, dealing, grid, prepared
from analysis.estimates import NotTestable
from analysis.scales import Answers

NAN = np.nan


def survey():
    """Ann answers twice, the later row first; Bob leaves a gap. By hand: means 2.5, 4.5 and 1 of what is there."""
    items = pd.DataFrame({"a": [2.0, 4.0, 1.0], "b": [3.0, 5.0, NAN], "c": [10.0, 5.0, 0.0]})
    who = pd.DataFrame(
        {
            "customer_id": ["ann", "ann", "bob"],
            "answered_at": pd.to_datetime(["2024-06-01", "2024-01-01", "2024-01-01"]),
        }
    )
    constructs = {"satisfaction": ("a", "b"), "share": ("c",)}
    return Answers(
        items, who, np.ones(3), constructs, {"all": {"perception": ("a", "b")}}, {"a": (1, 5), "b": (1, 5), "c": None}
    )


def satisfaction(found):
    return found.score(found.constructs["satisfaction"]).tolist()


def test_each_choice_changes_what_it_says():
    assert satisfaction(prepared(survey())) == [2.5, 4.5, 1.0]
    assert satisfaction(prepared(survey(), answer=choices.LAST)) == [2.5, 1.0]
    assert satisfaction(prepared(survey(), answer=choices.FIRST)) == [4.5, 1.0]
    single = prepared(survey(), score=choices.SINGLE)
    assert satisfaction(single) == [2.0, 4.0, 1.0]
    assert single.dimensions == {"all": {"perception": ("a",)}}
    assert satisfaction(prepared(survey(), gaps=choices.WHOLE)) == pytest.approx([2.5, 4.5, NAN], nan_ok=True)
    # a: ranks 2, 3 and 1 of three over a scale from 1 to 5; c has no scale and goes from 0 to 1.
    ranked = prepared(survey(), scale=choices.RANKS).items
    assert ranked["a"].tolist() == pytest.approx([1 + 4 * 2 / 3, 5, 1 + 4 / 3])
    assert ranked["c"].tolist() == pytest.approx([1, 2 / 3, 1 / 3])


def test_only_choices_that_matter_are_offered():
    assert list(grid(survey(), *choices.WAYS, days=(1, 2))) == ["days", "answer", "score", "gaps", "scale"]
    plain = Answers(
        pd.DataFrame({"a": [1.0, NAN]}), pd.DataFrame(index=range(2)), np.ones(2), {"s": ("a",)}, {}, {"a": None}
    )
    assert list(grid(plain, *choices.WAYS)) == ["scale"]


def test_a_test_is_asked_with_every_kind_of_choice():
    said = {"mean": 1, "rank": 2}
    ask = asking(
        lambda lab, found, *, by, seed: {**said, "rows": (lab, len(found.items), by, seed)},
        "lab",
        seed=7,
        called={"counted": "by"},
    )
    assert ask(survey(), answer=choices.LAST, counted="day", reading="rows") == ("lab", 2, "day", 7)
    assert ask(survey(), by="day", reading="rank") == 2
    other = asking(lambda *, later, found: ("no", len(later.answers.items), satisfaction(found)), at=2, pick="span")
    later = Afterwards(survey(), pd.DataFrame({"after": [1, 2, 3]}), 30, ())
    frames = {"30 days": {"later": later, "found": survey()}, "60 days": NotTestable("Too short.")}
    assert other(frames, span="30 days", score=choices.SINGLE) == [2.0, 4.0, 1.0]
    assert other(frames, span="60 days") == NotTestable("Too short.")


def test_dealing_breaks_the_link_and_keeps_the_causes_together():
    rng = np.random.default_rng(2)
    n = 3000
    cause = rng.standard_normal((n, 1)) + 0.3 * rng.standard_normal((n, 2))
    items = pd.DataFrame(np.column_stack([cause, cause[:, 0]]), columns=["a", "b", "y"])
    who = pd.DataFrame({"customer_id": np.arange(n)})
    found = Answers(items, who, np.ones(n), {"cause": ("a", "b"), "outcome": ("y",)}, {}, dict.fromkeys("aby"))
    part = found.only(np.arange(n) % 10 > 0)
    dealt = dealing("cause", "not asked")({"all": found, "most": part}, np.random.default_rng(3))
    everybody = dealt["all"].items
    assert sorted(everybody["a"]) == sorted(items["a"])
    assert everybody["a"].corr(everybody["b"]) == pytest.approx(items["a"].corr(items["b"]), abs=1e-9)
    assert abs(everybody["a"].corr(everybody["y"])) < 4 / np.sqrt(n)
    assert everybody["y"].equals(items["y"])
    # A customer in both gets the same answers in both unless the neighbour is one of the tenth left out.
    same = everybody["a"].to_numpy()[np.arange(n) % 10 > 0] == dealt["most"].items["a"].to_numpy()
    assert same.mean() == pytest.approx(0.9, abs=0.03)
    made = scales.moments(everybody, draws=50, seed=1)
    slope = regressions.slopes(made, "y", ["a"])["a"]
    assert slope.low < 0 < slope.high


def test_dated_back_counts_the_days_before(tmp_path):
    """By hand: ann answers on 10 March; dated back by 30 days that is 9 February, with 1 order before and 3 after."""
    (tmp_path / "studies.toml").write_text(
        '[study.shop]\ntitle = "A shop"\n[study.shop.tables]\nsurveys = { source = "surveys.csv", scale = [1, 5] }\n'
        'orders = { source = "orders.csv", observed_until = 2024-03-20 }\n'
        '[study.shop.constructs]\nsatisfaction = ["q"]\n'
    )
    (tmp_path / "surveys.csv").write_text("customer_id,answered_at,q\nann,2024-03-10,5\n")
    days = ["2024-01-01", "2024-01-20", "2024-02-10", "2024-03-01", "2024-03-10", "2024-03-11"]
    (tmp_path / "orders.csv").write_text("customer_id,ordered_at,amount\n" + "".join(f"ann,{day},10\n" for day in days))
    shop = studies.open_study("shop", tmp_path / "studies.toml")
    asked = scales.answers(shop)
    back = choices.dated_back(shop, asked, days=30, returns="purchases", order="day")
    assert back.did[["before", "after", "after_worth"]].to_numpy().tolist() == [[1, 3, 30]]
    # As it came, ten days of the later window are not on record.
    assert isinstance(afterwards.in_study(shop, asked, "orders", days=30), NotTestable)
    assert "shorter" in choices.dated_back(shop, asked, days=60, returns="purchases", order="day").reason
