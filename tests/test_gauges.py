"""Scales, index and the claims I05 to I08 on worlds whose truth is known: true, nothing there, reversed."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import gauges, hypotheses, scales, studies
from analysis.estimates import Estimate, NotTestable
from analysis.exhibits import Figure, Text
from analysis.paths import PathFit
from analysis.scales import Answers


def asked(columns, constructs=None, unit=None):
    items = pd.DataFrame(columns)
    constructs = constructs or {name: (name,) for name in items}
    who = pd.DataFrame({"unit": unit} if unit is not None else None, index=items.index)
    return Answers(items, who, np.ones(len(items)), constructs, {}, dict.fromkeys(items, (1, 7)))


def verdict(hypothesis, evidence):
    return hypotheses.get(hypothesis).rule.judge(evidence).word


def study(tmp_path, tables):
    """A study whose tables are data frames; the items of satisfaction are s1, s2, s3."""
    lines = ['[study.shop]\ntitle = "A shop"\n[study.shop.tables]']
    settings = {"surveys": ", scale = [1, 7]", "subscriptions": ", observed_until = 2022-12-31"}
    for name, rows in tables.items():
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
        lines.append(f'{name} = {{ source = "{name}.csv"{settings.get(name, "")} }}')
    if "surveys" in tables:
        lines.append('[study.shop.constructs]\nsatisfaction = ["s1", "s2", "s3"]')
    (tmp_path / "studies.toml").write_text("\n".join(lines))
    return studies.open_study("shop", tmp_path / "studies.toml")


# --- Scales and index -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mobile(bundled):
    return scales.answers(bundled["mobile"])


@pytest.fixture(scope="module")
def fit(mobile):
    return gauges.fitted(mobile, scheme="centroid", draws=200, seed=1)


def said(exhibit):
    return exhibit._repr_mimebundle_()[0]["text/plain"]


def test_constructs_of_the_index_come_first_and_no_item_comes_twice():
    constructs = {"trust": ("q1", "q2"), "speed": ("r1", "r2"), "quality": ("q1", "q2", "q3"), "satisfaction": ("s",)}
    found = asked({item: [1.0, 2.0] for item in ("q1", "q2", "q3", "r1", "r2", "s")}, constructs)
    assert gauges.examined(found, most=9) == ["quality", "satisfaction", "speed"]
    assert gauges.examined(found, most=2) == ["quality", "satisfaction"]


def test_mobile_as_a_whole(mobile, fit):
    names = gauges.examined(mobile, most=9)
    table = gauges.quality(mobile, names, draws=50, seed=1)
    assert list(table.rows["scale"])[5] == "complaint handling"
    assert table.rows["omega"][5] == "–"
    figure = gauges.distinct(mobile, names, draws=50, seed=1)
    assert isinstance(figure, Figure)
    assert "first of all satisfaction and loyalty" in figure.title
    assert "each of the 6 scales" in said(gauges.dimensions(mobile, names, draws=50, seed=1))
    assert isinstance(gauges.effects(fit, "satisfaction"), Figure)
    found = gauges.priorities(fit)
    assert isinstance(found, Figure)
    # Value has the lowest index of all and does least for satisfaction, in every resample.
    assert found.data.set_index("attribute").loc["value", ["quadrant", "chance"]].tolist() == ["low priority", 1]
    drawn = gauges.diagram(fit)
    assert len(drawn.data) == 12
    assert "satisfaction: index 73 R² 68%" in drawn.alt
    assert "image: index 74;" in drawn.alt  # nothing acts on it, so nothing explains it
    # The coefficients themselves are held against print in golden/test_path_models.py.
    row = drawn.data.set_index(["cause", "effect"]).loc[("quality", "satisfaction")]
    assert row["value"] == pytest.approx(fit.effect("quality", "satisfaction", "direct").value)
    # plspm's loadings of the three items (tests/golden/plspm_paths.csv, nine digits) are their correlations with the
    # score, so its weights follow from the correlations of the items; then means on 1 to 10, reckoned by hand.
    items = mobile.items[["CUSA1", "CUSA2", "CUSA3"]]
    weight = np.linalg.solve(items.corr(), [0.799025896, 0.846210707, 0.851886142]) / items.std()
    by_hand = 100 * (weight * (items.mean() - 1)).sum() / (9 * weight.sum())
    assert fit.index("satisfaction").value == pytest.approx(by_hand, abs=1e-5)
    assert "The satisfaction index is 72.5" in said(gauges.answer(mobile, fit, seed=1))


def test_an_index_takes_a_neighbour():
    rng = np.random.default_rng(1)
    alone = asked({"satisfaction": rng.normal(4, 1, 200)})
    refused = gauges.fitted(alone, scheme="centroid", draws=10, seed=1)
    assert isinstance(refused, NotTestable)
    assert "one at least of image, expectation" in refused.reason
    two = asked({"satisfaction": rng.normal(4, 1, 200), "quality": rng.normal(4, 1, 200)})
    fit = gauges.fitted(two, scheme="centroid", draws=50, seed=1)
    assert isinstance(fit, PathFit)
    assert "no other beside it" in said(gauges.priorities(fit))


def test_a_marker_takes_off_what_the_way_of_asking_adds():
    """Two traits that are unrelated, and one habit of answering in all: they correlate .5, and 0 without the habit."""
    rng = np.random.default_rng(2)
    habit = rng.standard_normal(4000)
    found = asked({name: habit + rng.standard_normal(4000) for name in ("satisfaction", "value", "shoe_size")})
    table = gauges.shared_method(found, ["satisfaction", "value"], marker="shoe_size", draws=100, seed=1)
    assert table.rows["as answered"][0].startswith("0.5")
    low, high = (float(end) for end in table.rows["less the marker"][0].split("(")[1].rstrip(")").split(" to "))
    assert low < 0 < high
    for marker in ("", "weather"):
        assert isinstance(gauges.shared_method(found, ["satisfaction", "value"], marker=marker, draws=9, seed=1), Text)


# --- I05 ------------------------------------------------------------------------------------------------------------


def complaining(tmp_path, ratio, customers=1500):
    """Contracts of which a third a year ends, and `ratio` times as many after a complaint; easy and hard ways alike."""
    rng = np.random.default_rng(3)
    complaint, calm = rng.exponential(400, customers), rng.exponential(1000, customers)
    life = np.where(calm < complaint, calm, complaint + rng.exponential(1000 / ratio, customers))
    who, begin = np.arange(customers), np.datetime64("2020-01-01")
    ends = begin + np.ceil(life).astype("timedelta64[D]")
    gone, told = ends <= np.datetime64("2022-12-31"), complaint < life
    contracts = pd.DataFrame({"customer_id": who, "started_at": begin, "ended_at": np.where(gone, ends, None)})
    days = begin + np.floor(complaint).astype("timedelta64[D]")
    contacts = pd.DataFrame({"customer_id": who, "contacted_at": days, "kind": "complaint"})[told]
    calls = contacts.assign(kind="question", contacted_at=begin)
    return study(tmp_path, {"subscriptions": contracts, "contacts": pd.concat([contacts, calls])})


@pytest.mark.parametrize(("ratio", "word"), [(3.0, "supported"), (0.5, "contradicted")])
def test_i05_tells_whether_complaints_warn(tmp_path, ratio, word):
    (answer,) = gauges.warned(complaining(tmp_path, ratio), complaint="complaint").values()
    assert verdict("I05", answer) == word
    # The truth lies in the interval, whichever state is the commoner one.
    assert answer.low < ratio < answer.high


def test_i05_is_not_flattered_by_those_who_stay_long_enough_to_complain(tmp_path):
    (answer,) = gauges.warned(complaining(tmp_path, 1.0), complaint="complaint").values()
    assert answer.low < 1 < answer.high
    assert verdict("I05", answer) != "supported"


def test_i05_says_what_is_missing(bundled):
    (answer,) = gauges.warned(bundled["mobile"], complaint="complaint").values()
    assert "no contacts or subscriptions table" in answer.reason


# --- I06 ------------------------------------------------------------------------------------------------------------


def surveyed(tmp_path, *, noise=0.5, pull=0.0, mood=0.0, customers=1200):
    """Customers with some orders; those with many answer more (`pull`) and are more content (`mood`)."""
    rng = np.random.default_rng(4)
    heavy = rng.random(customers) < 0.5
    times = np.where(heavy, 12, 1)
    who = np.repeat(np.arange(customers), times)
    days = np.datetime64("2024-01-01") + rng.integers(0, 300, len(who))
    orders = pd.DataFrame({"customer_id": who, "ordered_at": days, "amount": 20.0})
    answers = rng.random(customers) < np.where(heavy, 0.5 + pull, 0.5 - pull)
    feeling = rng.standard_normal(customers) + np.where(heavy, mood, -mood)
    items = {f"s{k}": np.clip(4 + feeling + noise * rng.standard_normal(customers), 1, 7) for k in (1, 2, 3)}
    surveys = pd.DataFrame({"customer_id": np.arange(customers), "answered_at": "2024-12-01", "wave": "1", **items})
    return study(tmp_path, {"orders": orders, "surveys": surveys[answers]})


@pytest.mark.parametrize(
    ("world", "word"),
    [({}, "supported"), ({"noise": 3.0}, "contradicted"), ({"pull": 0.4, "mood": 1.0}, "contradicted")],
)
def test_i06_wants_a_reliable_score_that_does_not_hang_on_who_answers(tmp_path, world, word):
    lab = surveyed(tmp_path, **world)
    parts = gauges.trustworthy(lab, scales.answers(lab), draws=300, seed=1)
    assert verdict("I06", parts) == word
    if "mood" in world:
        # Answers: nine tenths heavy buyers at +1, one tenth others at -1, so .8 where the truth is 0, in spreads of
        # sqrt(1.08 + .36) = 1.2. Three standard errors of a mean of 600 answers are .12.
        assert parts["response"].value == pytest.approx(-0.8 / 1.2, abs=0.12)


def test_agreement_over_waves_is_a_correlation_of_the_same_customers(mobile):
    """Two answers that share half of their variance, 300 customers in both waves: .5, standard error .04."""
    rng = np.random.default_rng(7)
    mood = rng.standard_normal(300)
    found = asked({"satisfaction": np.concatenate([mood + rng.standard_normal(300) for _ in range(2)])})
    who = pd.DataFrame({"customer_id": np.tile(np.arange(300), 2), "wave": np.repeat(["1", "2"], 300)})
    sentence = said(gauges.agreement(replace(found, who=who), draws=100, seed=1))
    assert sentence.startswith("300 customers answered in waves 1 and 2")
    assert float(sentence.split("correlates ")[1][:4]) == pytest.approx(0.5, abs=0.12)
    assert "Nobody is known" in said(gauges.agreement(mobile, draws=9, seed=1))
    assert "Too few" in said(gauges.agreement(replace(found, who=who.assign(wave="1")), draws=9, seed=1))


def test_i06_names_what_it_lacks(bundled, mobile):
    parts = gauges.trustworthy(bundled["mobile"], mobile, draws=50, seed=1)
    assert isinstance(parts["reliability"], Estimate)
    assert "before a wave" in parts["response"].reason


# --- I07 ------------------------------------------------------------------------------------------------------------


def two_firms(loading=0.8, shift=0.0, each=1200):
    """Four items in two firms; in the second, one item works differently."""
    rng = np.random.default_rng(5)
    feeling, second = rng.standard_normal(2 * each), np.repeat([0, 1], each)
    items = {f"s{k}": 0.8 * feeling + 0.6 * rng.standard_normal(2 * each) for k in range(4)}
    items["s3"] += second * ((loading - 0.8) * feeling + shift)
    return asked(items, {"satisfaction": tuple(items)}, unit=np.where(second, "north", "south"))


@pytest.mark.parametrize(
    ("world", "word"), [({}, "supported"), ({"shift": 0.8}, "contradicted"), ({"loading": 0.1}, "contradicted")]
)
def test_i07_tells_whether_firms_can_be_compared(world, word):
    parts = gauges.comparable(two_firms(**world), ["satisfaction"], refits=40, seed=1)
    assert verdict("I07", parts) == word


def test_i07_refuses_one_firm_small_firms_and_few_items():
    few = two_firms(each=60)
    assert "0 groups of 100" in gauges.comparable(few, ["satisfaction"], refits=9, seed=1).reason
    short = asked({"s": [1.0, 2.0]}, {"satisfaction": ("s",)}, unit=["a", "b"])
    assert "with 1 item; 3" in gauges.comparable(short, ["satisfaction"], refits=9, seed=1).reason


# --- I08 ------------------------------------------------------------------------------------------------------------


def indicators(said=0.9, done=0.9, common=True, n=1000):
    rng = np.random.default_rng(6)
    mood = rng.standard_normal(n)
    habit = mood if common else rng.standard_normal(n)
    parts = {"satisfaction": (said, mood), "recommend": (said, mood), "feedback": (said, mood)}
    parts |= {"orders": (done, habit), "referrals": (done, habit), "contacts": (done, habit)}
    return pd.DataFrame({k: a * f + np.sqrt(1 - a * a) * rng.standard_normal(n) for k, (a, f) in parts.items()})


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ({}, {"supported"}),
        ({"common": False}, {"contradicted"}),
        ({"said": 0.0, "done": 0.0}, {"inconclusive"}),
    ],
)
def test_i08_tells_one_thing_from_two_and_from_none(world, words):
    readings = gauges.one_thing(indicators(**world), refits=40, seed=1)
    assert {verdict("I08", parts) for parts in readings.values()} == words


def test_i08_turns_complaints_round_and_says_what_it_lacks(mobile):
    table = gauges.gauges(mobile, {"orders": NotTestable("There are no orders.")})
    assert list(table) == ["satisfaction"]
    reading = gauges.one_thing(table, refits=9, seed=1)[gauges.ALL]
    assert reading.reason == "Known of the same customers: satisfaction; 4 indicators are needed."


def test_the_simulated_firm(bundled):
    """Complaints fall and referrals rise with satisfaction in its truth, so all must point the same way."""
    from analysis.afterwards import in_study

    once = scales.answers(bundled["service"]).latest()
    did = {name: in_study(bundled["service"], once, name, days=180) for name in ("referrals", "contacts")}
    table = gauges.gauges(once, did)
    assert (table.corr()["satisfaction"][["recommend", "referrals", "contacts"]] > 0).all()
    assert (table["contacts"].dropna() <= 0).all()
