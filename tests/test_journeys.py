"""Contacts, ratings, trust, care and knowledge: by hand on small tables, and in worlds whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from analysis import journeys, planted
from analysis.cases import chain as worlds
from analysis.estimates import NotTestable, gated

DAY = pd.Timestamp("2024-01-01")


def days(*numbers):
    return DAY + pd.to_timedelta(list(numbers), unit="D")


def spells(n=400, seed=1):
    """Customers who come in the first year; half of them leave within the next."""
    random = np.random.default_rng(seed)
    rows = {"customer_id": [f"c{i:03d}" for i in range(n)], "started_at": days(*random.integers(0, 365, n))}
    time = random.integers(100, 600, n).astype(float)
    return pd.DataFrame(rows).assign(time=time, left=random.random(n) < 0.5, entered=0.0)


def contacts(subscriptions, rate=0.03, seed=2):
    """Contacts at three places, while somebody is a customer."""
    random, rows = np.random.default_rng(seed), []
    for row in subscriptions.itertuples():
        for place in ("shop", "site", "call"):
            at = random.integers(0, int(row.time) + 1, random.poisson(rate * row.time))
            rows += [(row.customer_id, row.started_at + pd.Timedelta(days=int(day)), place) for day in at]
    return pd.DataFrame(rows, columns=["customer_id", "touched_at", "touchpoint"])


# --- L14 ----------------------------------------------------------------------------------------------------------


def test_sets_share_a_day_and_windows_are_counted_as_by_hand():
    subs = spells()
    touched = contacts(subs)
    rows = journeys.matched(planted.study(subscriptions=subs, touchpoints=touched), days=30, gap=5)
    end = subs["started_at"] + pd.to_timedelta(subs["time"], unit="D")
    assert rows.groupby("set").size().eq(1 + journeys.BESIDE).all()
    for _, each in list(rows.groupby("set"))[:40]:
        gone, *others = each["customer"]
        day = end[gone]
        assert subs["left"][gone]
        assert all(end[other] > day for other in others)
        assert (each["tenure"] == (day - subs["started_at"][each["customer"]]).dt.days.to_numpy()).all()
        assert each["tenure"].min() >= 35, "everybody was a customer all through the window"
        for row in each.itertuples():
            own = touched[touched["customer_id"] == subs["customer_id"][row.customer]]
            ago = (day - own["touched_at"]).dt.days
            assert row.shop == ((own["touchpoint"] == "shop") & (ago > 5) & (ago <= 35)).sum()


def test_shares_are_those_of_a_regression_in_every_order():
    """With two touchpoints: half of what each explains first, half of what it explains last."""
    rows = worlds.contacts(np.random.default_rng(4), "true").drop(columns=["c", "d", "e"])
    known = journeys._within_sets(rows)
    y, x = known["stayed"].to_numpy(), known[["a", "b"]].to_numpy()

    def explained(*places):
        some = x[:, places]
        left = y - some @ np.linalg.lstsq(some, y, rcond=None)[0]
        return 1 - left @ left / (y @ y)

    both, a, b = explained(0, 1), explained(0), explained(1)
    parts = journeys._parts(known[["a", "b"]], [y])[0]
    assert parts == pytest.approx([(a + both - b) / 2, (b + both - a) / 2], rel=1e-9)


@pytest.mark.parametrize(("world", "there"), [("true", True), ("null", False), ("artefact", False)])
def test_unequal_contacts_are_told_from_equal_ones_and_from_long_journeys(world, there):
    random = np.random.default_rng(5)
    found = [journeys.touchpoint_shares(worlds.contacts(random, world), draws=99, seed=1) for _ in range(5)]
    # In each of five worlds; a false alarm in either of the others comes once in forty.
    assert all((each["unequal"].low >= 0) == there for each in found)
    assert all(each["two_or_more"].low >= 0 for each in found) or not there


def test_the_naive_table_takes_length_of_stay_for_contacts():
    """Contacts come at one rate while somebody is a customer, and do nothing."""
    subs = spells(n=1500)
    subs["left"] = subs["time"] < 500
    lab = planted.study(subscriptions=subs, touchpoints=contacts(subs, rate=0.02))
    naive, fair = journeys._shares(journeys.lifelong(lab), draws=50, seed=1), journeys.matched(lab, days=30, gap=0)
    assert all("with staying" in name for name in naive)
    assert journeys._within_sets(journeys.lifelong(lab)).corr()["stayed"].drop("stayed").min() > 0.3
    assert journeys._within_sets(fair).corr()["stayed"].drop("stayed").abs().max() < 0.05


# --- S14, S15 -----------------------------------------------------------------------------------------------------


def test_a_rating_counts_from_some_days_after_it_was_given_until_the_next():
    rows = pd.DataFrame({"customer_id": list("aaabb"), "started_at": DAY, "time": [300.0] * 3 + [100.0] * 2})
    rows = rows.assign(left=[True] * 5, entered=0.0, age=[10, 100, 290, 20, -5], rating=[1.0, 2.0, 3.0, 4.0, 5.0])
    pieces = journeys.in_force(rows, gap=30)
    # The rating ten days before the end never counts; b answered once before the start, which is not theirs.
    expected = {"time": [130, 300, 100], "left": [False, True, True], "entered": [40, 130, 50], "rating": [1, 2, 4]}
    for name, values in expected.items():
        assert list(pieces[name]) == values
    assert list(journeys.in_force(rows, gap=30, lasts=60)["time"]) == [100, 190, 100]
    assert list(journeys.in_force(rows, gap=30, lasts=60)["left"]) == [False, False, True]
    assert "Nobody was still a customer 400 days" in gated(journeys.in_force)(rows, gap=400).reason


def test_the_hazard_ratio_is_that_of_another_program():
    from statsmodels.duration.hazard_regression import PHReg

    rows = worlds.ratings(np.random.default_rng(6), -0.3, 600)
    found, pieces = journeys.leaving(rows, gap=30), journeys.in_force(rows, gap=30)
    scaled = (pieces["rating"] - pieces["rating"].mean()) / pieces["rating"].std(ddof=0)
    other = PHReg(
        pieces["time"], scaled, status=pieces["left"].astype(int), entry=pieces["entered"], ties="efron"
    ).fit()
    # Both maximise the same likelihood, to their own last step.
    assert np.log(found.value) == pytest.approx(other.params[0], abs=1e-3)
    assert np.log(found.high / found.low) / 3.92 == pytest.approx(other.bse[0], rel=0.01)


def test_ratings_on_the_way_out_are_not_counted():
    """Nothing causes anything, but whoever is about to leave rates low."""
    rows = worlds.ratings(np.random.default_rng(7), 0.0, 2500, fading=1.5)
    fresh, late = (journeys.leaving(rows, gap=gap) for gap in (0, 30))
    assert fresh.high < 0.95
    assert late.low < 1 < late.high
    halves = journeys.leaving(worlds.ratings(np.random.default_rng(8), -0.4, 2500), gap=30, halves=True)
    assert halves.low > 1.2, "the lower half leaves more"


def test_the_last_rating_known_on_the_first_day_lends_stays():
    """Ratings that only rise with time look like a cause of long stays."""
    rows = worlds.ratings(np.random.default_rng(9), 0.0, 2500, growing=1.0)
    assert journeys.leaving(rows, gap=30, known_at_first=True).high < 0.8
    fair = journeys.leaving(rows, gap=30)
    assert fair.low < 1 < fair.high


# --- S12, S16, G08 ------------------------------------------------------------------------------------------------


def asked_thrice(n=150, seed=3):
    """Three questionnaires each, half a year apart, in which loyalty is the number of the round."""
    random = np.random.default_rng(seed)
    who = {"customer_id": np.repeat([f"c{i:03d}" for i in range(n)], 3), "answered_at": np.tile(days(100, 280, 460), n)}
    trust = random.standard_normal(3 * n)
    held = {
        "trust": trust,
        "loyalty": np.tile([1.0, 2.0, 3.0], n),
        "knowledge": np.repeat(random.standard_normal(n), 3),
    }
    return planted.answers(random, held, **who), trust


def test_contacts_come_before_trust_and_trust_before_loyalty():
    found, trust = asked_thrice()
    touched = pd.DataFrame({"customer_id": ["c000"] * 4, "touched_at": days(0, 200, 279, 280), "touchpoint": "site"})
    rows = journeys.ways(planted.study(touchpoints=touched), found, days=90)
    assert len(rows) == 150
    assert (rows["loyalty"] == 3).all()
    assert (rows["loyalty before"] == 1).all()
    assert list(rows["trust"]) == list(trust[1::3])
    # Of the four contacts two lie in the 90 days before the day of the second questionnaire.
    assert rows["contacts"].iloc[0] == pytest.approx(np.sqrt(2))
    assert rows["contacts"].iloc[1:].eq(0).all()


def test_the_mood_of_a_day_is_not_care():
    random = np.random.default_rng(10)
    moody, caring = (journeys.wallet(worlds.caring(random, world), draws=99, seed=1) for world in ("artefact", "true"))
    assert moody[journeys.TOGETHER].low > 0.3
    assert moody[journeys.EARLIER].low < 0 < moody[journeys.EARLIER].high
    assert caring[journeys.EARLIER].low > 0.1
    assert next(iter(caring)) == journeys.EARLIER
    single = planted.answers(random, planted.caused(random, 200, "wallet_share", {"care": 0.3}))
    readings = journeys.wallet(single, draws=99, seed=1)
    assert next(iter(readings)) == journeys.TOGETHER


def shop(n=150, slope=-0.5, seed=11):
    """Order lines of two products: who knows more takes fewer pieces when a product is dearer than usual."""
    found, _ = asked_thrice(n)
    knows = found.score(found.constructs["knowledge"]).to_numpy()[::3]
    random = np.random.default_rng(seed)
    who, product = np.repeat(np.arange(n), 40), random.integers(0, 2, 40 * n)
    dear = 0.2 * random.standard_normal(40 * n)
    wanted = 3 + (slope * knows[who] - 1) * dear + 0.2 * random.standard_normal(40 * n)
    rows = {"customer_id": [f"c{i:03d}" for i in who], "ordered_at": days(*random.integers(0, 700, 40 * n))}
    prices = {"unit_price": np.exp(dear + 2 * product), "quantity": np.exp(wanted), "category": product.astype(str)}
    return found, pd.DataFrame(rows | prices)


def test_prices_bite_harder_where_more_is_known_and_only_what_was_told_before_counts():
    found, orders = shop()
    rows = journeys.priced(planted.study(orders=orders), found)
    assert len(rows) == (orders["ordered_at"] >= days(100)[0]).sum()
    answer = journeys.changed_by_knowledge(rows)
    # In deviations: -0.5 for one more in knowledge, times the spread of prices over that of quantities.
    spread = np.log(orders["quantity"]).std()
    expected = -0.5 * 0.2 / spread * np.std(found.score(found.constructs["knowledge"]))
    assert answer.low < expected < answer.high
    assert answer.high < -0.1


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda lab, found: journeys.matched(lab, days=30, gap=0), "no subscriptions table"),
        (lambda lab, found: journeys.lifelong(lab), "no subscriptions table"),
        (lambda lab, found: journeys.rated(lab, found, "trust"), "no subscriptions table"),
        (lambda lab, found: journeys.rated(lab, found, "quality"), "no construct quality"),
        (lambda lab, found: journeys.ways(lab, found, days=90), "no touchpoints table"),
        (lambda lab, found: journeys.priced(lab, found), "no column unit_price"),
        (lambda lab, found: journeys.advertised(lab, found), "no promotions table"),
    ],
)
def test_what_is_missing_is_named(ask, told):
    found, _ = asked_thrice()
    lab = planted.study(orders=pd.DataFrame({"customer_id": ["c000"], "ordered_at": days(1)}))
    answer = ask(lab, found)
    assert isinstance(answer, NotTestable)
    assert told in answer.reason
    assert isinstance(journeys.touchpoint_shares(answer, draws=9, seed=1), NotTestable)
    assert isinstance(journeys.leaving(answer, gap=30), NotTestable)
    assert "None" not in journeys.frames({"rows": answer})._repr_mimebundle_()[0]["text/plain"]


def test_answers_given_after_leaving_foretell_nothing():
    found, _ = asked_thrice()
    subs = pd.DataFrame({"customer_id": [f"c{i:03d}" for i in range(150)], "started_at": DAY})
    subs = subs.assign(time=90.0, left=True, entered=0.0)
    rows = journeys.rated(planted.study(subscriptions=subs), found, "trust")
    assert "Nobody was still a customer" in journeys.leaving(rows, gap=0).reason
    assert "Nobody was still a customer" in journeys.left_by_third({"trust": rows}, gap=0).text
