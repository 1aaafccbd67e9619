"""What makes value, on worlds whose truth is known: when a claim is true, when nothing is there, when reversed."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis import bargains, hypotheses
from analysis.estimates import NotTestable
from analysis.exhibits import Figure, Text
from analysis.scales import Answers


def asked(constructs, scale=(1, 7), noise=0.3, who=None):
    """Answers from 1 to 7 in which each construct, a column a question, is held with the same small error."""
    rng = np.random.default_rng(1)
    items, named = {}, {}
    for name, held in constructs.items():
        columns = np.atleast_2d(np.asarray(held, float))
        named[name] = tuple(f"{name}_{k}" for k in range(len(columns)))
        for item, column in zip(named[name], columns, strict=True):
            items[item] = np.clip(column + noise * rng.standard_normal(column.shape), *scale)
    table = pd.DataFrame(items)
    who = pd.DataFrame(index=table.index) if who is None else who
    return Answers(table, who, np.ones(len(table)), named, {}, dict.fromkeys(items, scale))


def verdict(hypothesis, evidence):
    return hypotheses.get(hypothesis).rule.judge(evidence).word


def pair(held):
    """The same thing asked twice."""
    return np.stack([held, held])


def people(n=600, seed=2):
    """Four unrelated things that people hold, in points of the scale."""
    return 4 + 0.8 * np.random.default_rng(seed).standard_normal((4, n))


def judged_v01(weights):
    product, service, price, other = people()
    value = 4 + np.array(weights) @ (np.array([product, service, price]) - 4) + 0.5 * (other - 4)
    found = asked(
        {n: pair(h) for n, h in zip(["value", *bargains.TRIAD], [value, product, service, price], strict=True)}
    )
    return {verdict("V01", parts) for parts in bargains.triad(found, draws=199, refits=39, seed=3).values()}


@pytest.mark.parametrize(
    ("weights", "word"),
    [([0.4, 0.4, 0.4], "supported"), ([0.6, 0.6, 0.0], "contradicted"), ([0.6, 0.6, -0.5], "contradicted")],
)
def test_v01_needs_all_three(weights, word):
    assert judged_v01(weights) == {word}


def test_freed_correlations_do_not_suffer_from_noise():
    """Scores of two noisy questions correlate less than what they ask for; factors do not (true value .6)."""
    one, other, *_ = people(3000)
    two = 4 + 0.6 * (one - 4) + 0.8 * (other - 4)
    made = bargains.latent(asked({"a": pair(one), "b": pair(two)}, noise=0.8), ["a", "b"], refits=2, seed=1)
    assert made.covariance[0, 1] == pytest.approx(0.6, abs=0.05)  # two standard errors at 3,000


def judged_v02(general, side):
    both, left, right, _ = people(800)
    sides = [general * (both - 4) + side * (own - 4) for own in (left, right)]
    found = asked({"quality": 4 + np.repeat(sides, 4, axis=0)}, noise=0.5)
    (parts,) = bargains.sides(found, refits=39, seed=4).values()
    return parts, verdict("V02", parts)


def test_v02_finds_two_sides():
    parts, word = judged_v02(general=0.4, side=1.0)
    assert word == "supported"
    assert parts["dimensions"].value == 2


def test_v02_fails_on_one_line():
    parts, word = judged_v02(general=1.0, side=0.0)
    assert word == "contradicted"
    assert parts["dimensions"].value == 1
    assert parts["fit"].value == 0


def test_v02_is_open_where_sides_stand_under_a_strong_common_factor():
    assert judged_v02(general=1.2, side=0.5)[1] in ("inconclusive", "contradicted")


def test_groups_hold_two_items_at_least():
    """Two pairs and an item of its own: three groups would leave that alone."""
    r = np.eye(5)
    r[0, 1] = r[1, 0] = r[2, 3] = r[3, 2] = 0.8
    assert bargains.groups(r, 3).sum(axis=0).min() >= 2


@pytest.mark.parametrize(("effect", "word"), [(0.4, "supported"), (0.0, "contradicted"), (-0.4, "contradicted")])
def test_v03_tells_a_good_name_from_its_halo(effect, word):
    """Where image does nothing it still goes with value, by way of quality."""
    quality, price, own, other = people()
    image = 0.5 * quality + 0.5 * own
    value = 0.5 * quality + 0.3 * price + effect * image + 0.4 * other - 1
    found = asked({"value": value, "quality": quality, "price": price, "image": image}, noise=0.1)
    assert verdict("V03", bargains.good_name(found, draws=199, seed=5)) == word


@pytest.mark.parametrize(("shared", "word"), [(0.8, "supported"), (0.2, "contradicted"), (-0.8, "contradicted")])
def test_v04_tells_close_from_far(shared, word):
    value, other, *_ = people()
    content = 4 + shared * (value - 4) + np.sqrt(1 - shared**2) * (other - 4)
    found = asked({"value": pair(value), "satisfaction": pair(content)})
    assert verdict("V04", bargains.closeness(found, refits=59, seed=6)) == word
    assert ("below 0.90" in bargains.told_apart(found, draws=59, seed=6).text) == (abs(shared) < 0.9)


def test_two_names_for_one_thing_are_flagged():
    value, *_ = people()
    found = asked({"value": pair(value), "satisfaction": pair(value)})
    assert "one thing under two names" in bargains.told_apart(found, draws=59, seed=6).text


def judged_v05(judge):
    rng, mood = np.random.default_rng(7), np.random.default_rng(8).standard_normal(800)
    rated = 4 + 0.6 * mood + 0.8 * rng.standard_normal((4, 800))
    found = asked({"quality": rated, "satisfaction": judge(rated) + 0.3 * rng.standard_normal(800)})
    readings = bargains.weak_link(found, draws=199, seed=9)
    assert bargains.artefact(readings) is None
    return {name: verdict("V05", answer) for name, answer in readings.items()}


def test_v05_finds_a_weak_link_and_not_in_data_without_one():
    words = judged_v05(lambda rated: 0.5 * rated.mean(axis=0) + 0.5 * rated.min(axis=0))
    assert words == {bargains.AS_ANSWERED: "supported", bargains.SIMULATED: "contradicted"}


def test_v05_is_not_fooled_by_noise_where_the_mean_decides():
    assert set(judged_v05(lambda rated: rated.mean(axis=0)).values()) == {"contradicted"}


def test_v05_does_not_take_a_strong_link_for_a_weak_one():
    """At an equal mean, a higher best rating goes with a lower worst one: a gain, but of the opposite claim."""
    words = judged_v05(lambda rated: 0.5 * rated.mean(axis=0) + 0.5 * rated.max(axis=0) - 0.4 * rated.min(axis=0))
    assert words[bargains.AS_ANSWERED] == "contradicted"


def test_v05_is_undecided_where_the_simulated_show_it_too():
    """Where one attribute is all, its weight alone makes the lowest rating tell something."""
    sure = bargains.Estimate.normal(0.05, 0.001, unit="gain", n=100)
    assert "without a weak link" in bargains.artefact({bargains.SIMULATED: sure})
    assert bargains.artefact({bargains.SIMULATED: NotTestable("no")}) is None


@pytest.mark.parametrize(
    ("weigh", "word"),
    [(lambda get, give: 4 + (get - give) / 2, "supported"), (lambda get, give: 1 + 1.5 * get / give, "contradicted")],
    ids=["difference", "ratio"],
)
def test_v06_tells_less_from_divided(weigh, word):
    rng = np.random.default_rng(10)
    get, give = rng.uniform(1, 7, 600), rng.uniform(1, 7, 600)
    found = asked({"quality": get, "price": 8 - give, "effort": give, "value": weigh(get, give)}, noise=0.2)
    surface = bargains.weighing(found)
    assert verdict("V06", bargains.difference_over_ratio(surface, seed=11)) == word
    assert isinstance(bargains.shapes(surface, seed=11), Figure)


def firm(slope, n=900, seed=12):
    """Two questionnaires a customer, each two days after an event; the firm's log and the answers."""
    rng = np.random.default_rng(seed)
    days = pd.Timestamp("2025-03-01") + pd.to_timedelta(np.repeat([0, 90], n), unit="D")
    who = pd.DataFrame({"customer_id": np.tile([f"c{k}" for k in range(n)], 2), "answered_at": days})
    wait, severity = rng.standard_normal((2, 2 * n))
    taste = np.tile(rng.standard_normal(n), 2)
    value = 4 + 0.8 * (slope * wait - 0.3 * severity + 0.5 * taste + 0.7 * rng.standard_normal(2 * n))
    log = who.drop(columns="answered_at").assign(measured_at=days - pd.Timedelta(days=2), wait=wait, severity=severity)
    later = log.assign(measured_at=days + pd.Timedelta(days=1), wait=-wait)  # after the answer, so of no account
    rows = SimpleNamespace(to_pandas=lambda: pd.concat([log, later]))
    lab = SimpleNamespace(has=lambda name: name == "operations", table=lambda name: SimpleNamespace(rows=rows))
    return lab, asked({"value": pair(value)}, who=who)


@pytest.mark.parametrize(("slope", "word"), [(-0.4, "supported"), (0.0, "contradicted"), (0.4, "contradicted")])
def test_v07_reads_the_log_before_the_answer(slope, word):
    answer = bargains.waiting(*firm(slope), ["wait"], ["severity"], days=30)
    assert verdict("V07", answer) == word
    assert answer.n == 1800


def test_v07_says_what_is_missing():
    lab, found = firm(0.0)
    for faults, days, reason in ((["colour"], 30, "colour"), (["wait"], 1, "0 answers")):
        assert reason in bargains.waiting(lab, found, faults, days=days).reason
    nobody = Answers(
        found.items, pd.DataFrame(index=found.items.index), found.weight, found.constructs, {}, found.scale
    )
    assert "customer_id and answered_at" in bargains.waiting(lab, nobody, ["wait"], days=30).reason


@pytest.mark.parametrize(
    ("level", "rank", "word"),
    [(0.0, -1.0, "supported"), (1.0, 0.0, "contradicted"), (0.5, 1.0, "contradicted")],
    ids=["rank", "level", "reversed"],
)
def test_v08_tells_rank_from_level(level, rank, word):
    """Rank goes with level, so where level alone decides, rank must not look as if it did."""
    content, north, south, other = people()
    ahead = (north > content) + 0.0 + (south > content)
    share = 4 + level * (content - 4) + rank * ahead + 0.8 * (other - 4)
    found = asked(
        {"satisfaction": content, "rival_north": north, "rival_south": south, "wallet_share": share}, noise=0.0
    )
    assert verdict("V08", bargains.ahead(found, draws=199, seed=13)) == word


def test_v08_needs_a_rival_on_the_same_scale():
    content, share, *_ = people(200)
    found = asked({"satisfaction": content, "wallet_share": share})
    assert "rates no rival" in bargains.ahead(found, draws=9, seed=1).reason


def test_what_was_not_asked_is_named_everywhere():
    content, *_ = people(200)
    found, lab = asked({"colour": content}), SimpleNamespace(has=lambda name: False)
    told = [
        *bargains.triad(found, draws=9, refits=9, seed=1).values(),
        *bargains.sides(found, refits=9, seed=1).values(),
        bargains.good_name(found, draws=9, seed=1),
        bargains.closeness(found, refits=9, seed=1),
        *bargains.weak_link(found, draws=9, seed=1).values(),
        bargains.difference_over_ratio(bargains.weighing(found), seed=1),
        bargains.waiting(lab, found, ["wait"], days=30),
        bargains.ahead(found, draws=9, seed=1),
    ]
    assert all(isinstance(answer, NotTestable) and "no construct" in answer.reason for answer in told)
    assert isinstance(bargains.companions(found, draws=9, seed=1), Text)
    assert isinstance(bargains.lines_of_quality(found), Text)


def test_what_cannot_be_told_is_refused_in_words():
    """Everybody of one opinion, and everybody's questions copies of each other."""
    (one, *_) = people(300)
    still = asked({"quality": np.full((6, 300), 4.0), "satisfaction": np.full(300, 4.0)}, noise=0.0)
    copies = asked({"quality": np.repeat([one], 6, axis=0)}, noise=0.0)
    for found, reason in ((still, "All 300 answers are the same"), (copies, "copies of each other")):
        (answer,) = bargains.sides(found, refits=5, seed=1).values()
        assert reason in answer.reason
    assert all(isinstance(answer, NotTestable) for answer in bargains.weak_link(still, draws=9, seed=1).values())
    lab, found = firm(0.0)
    flat = Answers(found.items * 0 + 4, found.who, found.weight, found.constructs, {}, found.scale)
    assert "the same value" in bargains.waiting(lab, flat, ["wait"], days=30).reason
    assert isinstance(bargains.companions(asked({"value": one}), draws=9, seed=1), Text)


def test_figures():
    value, price, *qualities = people(200)
    found = asked({"value": value, "price": price, "quality": np.repeat(qualities, 3, axis=0)})
    assert isinstance(bargains.companions(found, draws=39, seed=1), Figure)
    assert "2 dimensions" in bargains.lines_of_quality(found).title
