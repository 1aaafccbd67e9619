"""Surfaces over expectation and experience: resampling, correction, special cases, and what is refused."""

import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from analysis import simpler, surfaces
from analysis.estimates import Estimate, NotTestable
from analysis.hypotheses import REGISTER
from analysis.surfaces import DIFFERENCE, PLANES, SURFACE, Surface
from analysis.tables import TableError
from analysis.worlds import judged

RULES = {name: each.rule for name, each in REGISTER.items()}
ASKED = {"outcome": "z", "expectation": "e", "perception": "p", "scale": (1, 7)}
DIFFER = (0, 0.5, -0.5, 0, 0, 0)
BENT = (0, 0.5, -0.4, -0.12, 0.10, -0.08)


def answers(slopes=BENT, n=500, *, seed=1, reliability=1.0, together=0.4, apart=0.3, noise=0.8):
    """Means of three answers, 1 to 7, with known reliability; true scores have deviation 1, and 1.1 points make one."""
    rng = np.random.default_rng(seed)
    true = rng.multivariate_normal([0, apart], [[1, together], [together, 1]], n)
    said = true + rng.normal(size=(n, 2)) * np.sqrt(1 / reliability - 1)
    p, e = np.clip(np.round((4 + 1.1 * said) * 3) / 3, 1, 7).T
    return pd.DataFrame({"p": p, "e": e, "z": surfaces.terms(*true.T) @ slopes + noise * rng.normal(size=n)})


def single(n, seed=1):
    """Three whole answers from 1 to 7: at most 343 distinct ones, however many customers."""
    rng = np.random.default_rng(seed)
    p, e = np.clip(np.round(4 + rng.multivariate_normal([0, 0.4], [[1.4, 0.5], [0.5, 1.2]], n)), 1, 7).T
    z = np.clip(np.round(4 + 0.5 * (p - 4) - 0.3 * (e - 4) - 0.1 * (p - 4) ** 2 + rng.normal(size=n)), 1, 7)
    return pd.DataFrame({"p": p, "e": e, "z": z})


def fitted(table, **how):
    found = surfaces.fit_surface(table, **ASKED | how)
    assert isinstance(found, Surface)
    return found


def truth(surface, slopes):
    """The slopes of `answers` in the unit of a fit: one deviation of the answers, one of the outcome."""
    return np.array(slopes) * (surface.spread / 1.1) ** np.array([0, 1, 1, 2, 2, 2]) / surface.outcome[1]


def covers(answer, value):
    return answer.low <= value <= answer.high


# --- Resampling -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{}, {"weight": "w"}, {"cluster": "group"}])
def test_resampled_errors_are_those_of_the_sandwich_within_5_per_cent(extra):
    """6,000 draws tell an error to 1%; HC3 and the bootstrap differ by less than 1% at 2,000 answers."""
    rng = np.random.default_rng(5)
    table = single(2000).assign(w=rng.choice([0.5, 1, 2], 2000), group=rng.integers(0, 400, 2000))
    surface = fitted(table, **extra)
    drawn = surfaces.resampled(surface, draws=6000, seed=1).std(axis=0)
    np.testing.assert_allclose(drawn, np.sqrt(np.diag(surface.full.covariance)), rtol=0.05)


def test_cost_of_a_draw_follows_the_distinct_answers_not_the_customers():
    """200,000 answers instead of 2,000: a hundred times the customers, less than five times the seconds."""
    few, many = fitted(single(2000)), fitted(single(200_000))
    assert len(many.cells) <= 343

    def seconds(surface):
        start = time.process_time()
        surfaces.resampled(surface, draws=500, seed=1)
        return time.process_time() - start

    seconds(few)
    assert min(seconds(many) for _ in range(3)) < 5 * max(seconds(few) for _ in range(3))


def test_counted_answers_give_the_fit_of_the_rows():
    """A weight of 2 for everybody changes nothing; a doubled table halves the squared errors, up to HC3's leverages."""
    table = answers()
    once, twice = fitted(table), fitted(pd.concat([table, table]))
    same = fitted(table.assign(w=2.0), weight="w")
    np.testing.assert_allclose(same.full.slopes, once.full.slopes, rtol=1e-9)
    np.testing.assert_allclose(same.full.covariance, once.full.covariance, rtol=1e-9)
    np.testing.assert_allclose(twice.full.slopes, once.full.slopes, rtol=1e-9)
    assert twice.full.n == 1000
    np.testing.assert_allclose(np.diag(twice.full.covariance), np.diag(once.full.covariance) / 2, rtol=0.05)


def test_turning_points_have_intervals_where_the_surface_bends():
    """A dome whose top is known: b3 = b5 = -0.2 and no product term put it at b1/0.4, b2/0.4."""
    table = answers((0, 0.2, -0.2, -0.2, 0.05, -0.2), 4000, noise=0.5)
    surface = fitted(table)
    found, known = (
        surfaces.turning_points(surface, seed=1),
        surfaces.shape(truth(surface, (0, 0.2, -0.2, -0.2, 0.05, -0.2))),
    )
    for name in ("x0", "y0", "p11", "p21"):
        assert covers(found[name], known[name]), name


# --- Correction -----------------------------------------------------------------------------------------------------


def test_correction_finds_the_true_surface_where_the_plain_fit_falls_short():
    """30,000 answers, reliability 0.7: the plain slope is a third too small; rounding and ends of scale leave 3%."""
    plain = fitted(answers(n=30_000, reliability=0.7))
    fixed = surfaces.corrected(plain, perception=0.7, expectation=0.7)
    known = surfaces.shape(truth(plain, BENT))
    assert plain.along["a3"].value < 0.65 * known["a3"]
    assert fixed.along["a3"].value == pytest.approx(known["a3"], rel=0.03)
    assert (
        abs(fixed.along["a4"].value - known["a4"]) < 0.2 * abs(known["a4"]) < abs(plain.along["a4"].value - known["a4"])
    )


def test_correction_covers():
    """60 worlds of 500 answers; 93 to 97% is asked, and its 99% Monte Carlo interval must not lie outside."""
    hits = Counter()
    for seed in range(60):
        plain = fitted(answers(DIFFER, seed=seed, reliability=0.75))
        fixed = surfaces.corrected(plain, perception=0.75, expectation=0.75)
        known = truth(plain, DIFFER)
        hits["perception"] += covers(fixed.straight["perception"], known[1])
        hits["opposite"] += covers(fixed.straight["opposite"], 0)
        hits["a3"] += covers(fixed.along["a3"], 2 * known[1])
    assert [name for name, hit in hits.items() if not judged(hit, 60).holds] == []


@pytest.mark.parametrize("simulate", [False, True])
def test_perfect_scores_need_no_correction(simulate):
    plain = fitted(answers())
    fixed = surfaces.corrected(plain, perception=1, expectation=1, simulate=simulate, draws=2000)
    np.testing.assert_allclose(fixed.full.slopes, plain.full.slopes, atol=1e-10)
    np.testing.assert_allclose(np.diag(fixed.full.covariance), np.diag(plain.full.covariance), rtol=0.12)


@pytest.mark.parametrize("simulate", [False, True])
def test_both_ways_agree_on_straight_slopes(simulate):
    """There both divide by what is left of the scores' covariance; 200,000 noisy copies leave an error of 1%."""
    plain = fitted(answers(reliability=0.8))
    fixed = surfaces.corrected(plain, perception=0.8, expectation=0.7, simulate=simulate)
    p, e, z = (plain.cells[name].to_numpy() for name in "pez")
    seen = np.cov(p, e, ddof=0)
    left = seen - np.diag(np.diag(seen) * (0.2, 0.3))
    slopes = np.linalg.solve(left, [np.cov(side, z, ddof=0)[0, 1] for side in (p, e)])
    np.testing.assert_allclose(fixed.plane.slopes[1:], slopes, atol=1e-9 if not simulate else 0.01)


def test_simulation_asks_nothing_of_the_true_scores():
    """Exponential scores: calibration takes them for normal and bends the surface; simulation does not."""
    rng = np.random.default_rng(4)
    true = rng.exponential(size=(30_000, 2)) - 1
    said = 4 + 1.1 * (true + 0.5 * rng.normal(size=true.shape))  # reliability 0.8
    table = pd.DataFrame(said, columns=["p", "e"]).assign(z=surfaces.terms(*true.T) @ BENT + rng.normal(size=30_000))
    plain = fitted(table, scale=(-32, 40))
    off = {}
    for simulate in (False, True):
        fixed = surfaces.corrected(plain, perception=0.8, expectation=0.8, simulate=simulate, draws=20)
        off[simulate] = np.abs(fixed.full.slopes - truth(plain, BENT))[1:].max()
    assert off[True] < 0.03 < 0.1 < off[False]


@pytest.mark.parametrize("simulate", [False, True])
def test_noise_that_goes_together_in_both_scores_is_taken_out_when_stated(simulate):
    """Errors that correlate .6, as of people who always answer high: unstated, they pass for a slope on expectation."""
    rng = np.random.default_rng(6)
    true = rng.normal(size=(20_000, 2))
    said = true + rng.multivariate_normal([0, 0], [[0.25, 0.15], [0.15, 0.25]], 20_000)
    table = pd.DataFrame(4 + said, columns=["p", "e"]).assign(z=0.5 * true[:, 0] + 0.8 * rng.normal(size=20_000))
    plain, asked = fitted(table, scale=(-32, 40)), {"perception": 0.8, "expectation": 0.8, "simulate": simulate}
    blind, told = (surfaces.corrected(plain, **asked, together=together, draws=50) for together in (0.0, 0.6))
    assert blind.straight["expectation"].high < -0.03
    assert abs(told.straight["expectation"].value) < 0.025


@pytest.mark.parametrize("simulate", [False, True])
def test_resamples_of_a_corrected_surface_are_corrected_too(simulate):
    plain = fitted(answers(n=3000, reliability=0.8))
    fixed = surfaces.corrected(plain, perception=0.8, expectation=0.8, simulate=simulate)
    drawn = surfaces.resampled(fixed, draws=400, seed=3)
    error = np.sqrt(np.diag(fixed.full.covariance))
    assert (np.abs(drawn.mean(axis=0) - fixed.full.slopes) < 0.5 * error).all()


def test_reliabilities_that_cannot_be_are_refused():
    surface = fitted(answers(together=0.8))
    for wrong in (0.5, 1.2):
        for simulate in (False, True):
            refused = surfaces.corrected(surface, perception=wrong, expectation=wrong, simulate=simulate)
            assert isinstance(refused, NotTestable)
            assert f"{wrong:.2f} cannot be" in refused.reason


@pytest.mark.parametrize(
    ("together", "share", "kind"), [(0.55, 0.6, Surface), (0.93, 0.55, Surface), (0.97, 0.55, NotTestable)]
)
def test_scores_near_the_end_of_what_can_be_corrected_never_leave_an_interval_without_ends(together, share, kind):
    """The less reliable two scores that agree, the more resamples of them cannot be; these are left out, or all is."""
    table = answers((0, 0.7, 0, 0, 0, 0), 250, reliability=0.6, together=together)
    found = surfaces.corrected(fitted(table), perception=share, expectation=share)
    assert isinstance(found, kind)
    assert kind is NotTestable or np.isfinite(found.straight["expectation"].interval()).all()


def test_a_rare_side_is_a_share_and_never_below_nothing():
    table = answers(n=300, apart=3.0)
    share = surfaces.discrepancies(fitted(table, sides=0.0))["exceeded"]
    assert share.value < 0.01
    assert 0 <= share.low <= share.value < share.high < 0.03


# --- Claims ---------------------------------------------------------------------------------------------------------


def verdicts(table, reliability, seed):
    plain = fitted(table)
    fixed = surfaces.corrected(plain, perception=reliability, expectation=reliability)
    along = plain.along
    shape = {
        "mismatch": along["a3"],
        "match_slope": along["a1"],
        "match_curve": along["a2"],
        "mismatch_curve": along["a4"],
    }
    expected = {"expectation": fixed.straight["expectation"]}
    evidence = {
        "E05": plain.straight | {"lost": simpler.lost(plain)},
        "E06": expected | {"gain": simpler.gain(plain, of="both, straight", over="perception, straight", seed=seed)},
        "S04": expected | shape | {"gain": simpler.gain(plain, of=SURFACE, over="perception", seed=seed)},
    }
    return {name: RULES[name].judge(parts).word for name, parts in evidence.items()}


@pytest.mark.parametrize("together", [0.4, -0.3])
def test_a_difference_score_that_only_looks_good_supports_nothing(together):
    """Experience alone moves the outcome, and both scores are unreliable: their difference still goes with it."""
    words = Counter()
    for seed in range(12):
        table = answers((0, 0.7, 0, 0, 0, 0), seed=seed, reliability=0.7, together=together)
        words.update(f"{name} {word}" for name, word in verdicts(table, 0.7, seed).items())
        gap = np.corrcoef(table["p"] - table["e"], table["z"])[0, 1]
        assert gap > 0.2, "the trap is not set"
    assert not [name for name in words if name.endswith("supported")]
    assert words["E05 contradicted"] == words["S04 contradicted"] == 12


def test_a_true_difference_is_supported_when_answers_suffice():
    words = verdicts(answers(DIFFER, 4000, reliability=0.98), 0.98, 1)
    assert words == dict.fromkeys(("E05", "E06", "S04"), "supported")


def test_what_the_difference_loses_is_estimated_without_the_part_of_chance():
    """Nothing is lost in truth, in the sample some five thousandths; a known loss lies in 93 to 97% of intervals."""
    raw, losses = [], []
    for seed in range(40):
        surface = fitted(answers(DIFFER, seed=seed))
        table = simpler.models(surface)
        lines = (surfaces.fit_of(table[name], surface.cells).explained for name in (SURFACE, DIFFERENCE))
        raw.append(next(lines) - next(lines))
        losses.append(simpler.lost(surface))
    assert np.mean(raw) > 0.004
    assert np.mean([loss.value for loss in losses]) < 0.002
    assert np.mean([loss.interval(0.90)[1] < 0.01 for loss in losses]) > 0.3
    bent = (0, 0.5, -0.5, 0, -0.1, 0)
    known = simpler.lost(fitted(answers(bent, 40_000))).value
    hits = sum(covers(simpler.lost(fitted(answers(bent, seed=seed))), known) for seed in range(60))
    assert judged(hits, 60).holds


# --- Special cases --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "slopes"),
    [
        (DIFFERENCE, DIFFER),
        ("squared difference", (0, 0, 0, -0.3, 0.6, -0.3)),
        ("rising ridge", (0, 0.3, 0.3, -0.3, 0.6, -0.3)),
        ("perception", (0, 0.5, 0, -0.2, 0, 0)),
    ],
)
def test_the_true_special_case_stands_and_the_others_fall(name, slopes):
    table = simpler.compare(fitted(answers(slopes, 1500)), seed=1).set_index("model")
    assert table.loc[name, "p"] > 0.01
    assert table.loc[name, "within"] == SURFACE
    assert table.loc[name, "aic"] < 6
    rest = table.loc[["squared difference", "perception, straight"]].drop(index=name, errors="ignore")
    assert (rest["p"] < 1e-6).all()


def test_the_absolute_difference_is_tested_inside_two_planes():
    table = answers(n=1500)
    table["z"] = -0.5 * (table["p"] - table["e"]).abs() + np.random.default_rng(1).normal(size=1500)
    row = simpler.compare(fitted(table), seed=1).set_index("model").loc["absolute difference"]
    assert (row["within"], row["df"]) == (PLANES, 4)
    assert row["p"] > 0.01


@pytest.mark.parametrize("kind", ["ordered", "binary"])
def test_latent_outcomes_find_their_slopes(kind):
    """A logistic world with known log-odds; a few answers on a scale cut from it."""
    rng = np.random.default_rng(3)
    table = answers(n=3000)
    p, e = (table[name] - 4 for name in "pe")
    latent = 0.8 * p - 0.6 * e - 0.1 * p * p + rng.logistic(size=3000)
    table["z"] = np.digitize(latent, [-1, 0, 1]) if kind == "ordered" else latent > 0
    surface = fitted(table, kind=kind)
    known = np.array([0.8, -0.6, -0.1, 0, 0]) * surface.spread ** np.array([1, 1, 2, 2, 2])
    error = np.sqrt(np.diag(surface.full.covariance))[1:]
    assert (np.abs(surface.full.slopes[1:] - known) < 3 * error).all()
    assert simpler.compare(surface, seed=1).set_index("model").loc[DIFFERENCE, "p"] < 0.001
    assert isinstance(simpler.lost(surface), Estimate)
    assert isinstance(surfaces.turning_points(surface, seed=1)["x0"], Estimate | NotTestable)
    fixed = surfaces.corrected(surface, perception=0.9, expectation=0.9)
    assert fixed.along["a3"].value > surface.along["a3"].value
    assert "Only a mean" in surfaces.corrected(surface, perception=0.9, expectation=0.9, simulate=True).reason
    if kind == "binary":
        assert surface.grid()["value"].between(0, 1).all()


def test_a_ratio_beats_a_difference_where_it_is_true_and_needs_a_scale_without_zero():
    table = answers(n=800)
    table["z"] = table["p"] / table["e"] + 0.3 * np.random.default_rng(1).normal(size=800)
    assert simpler.gain(fitted(table), of=DIFFERENCE, over="ratio", seed=1).high < 0
    nought = simpler.gain(fitted(table, scale=(0, 7)), of=DIFFERENCE, over="ratio", seed=1)
    assert "begins above 0" in nought.reason


def test_asymmetry_and_sides():
    table = answers(n=3000, together=0.0, apart=0.0)
    gap = (table["p"] - table["e"]).to_numpy()
    table["z"] = 0.2 * np.maximum(gap, 0) - 0.6 * np.maximum(-gap, 0) + np.random.default_rng(1).normal(size=3000)
    surface = fitted(table)
    unit = surface.spread / surface.outcome[1]
    found = surfaces.asymmetry(surface)
    for name, value in {"exceeded": 0.2, "missed": -0.6, "asymmetry": 0.4}.items():
        assert covers(found[name], value * unit), name
    assert surface.along["a4"].high < 0
    sides = surfaces.discrepancies(surface)
    assert sum(side.value for side in sides.values()) == pytest.approx(1)
    assert sides["exceeded"].value == pytest.approx((gap > surface.spread / 2).mean())


def test_grid_and_pairs_are_in_points_of_the_scale():
    surface = fitted(answers((0, 0.5, 0, 0, 0, 0), 4000))
    grid = surface.grid(13).set_index(["perception", "expectation"])["value"]
    assert grid[7, 4] - grid[1, 4] == pytest.approx(6 * 0.5 / 1.1, rel=0.1)
    pairs = surface.pairs()
    assert pairs["n"].sum() == 4000
    assert pairs["perception"].between(1, 7).all()


# --- Bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"p": 4.0}, "Everybody's perception is 4: what does not vary"),
        ({"e": 7.0}, "Everybody's expectation is 7: what does not vary"),
        ({"z": 1.0}, "Everybody's outcome is 1: what does not vary"),
        ({"e": 1.0 + (np.arange(300) == 5), "p": 6.0 - (np.arange(300) == 7)}, "below expectation in 0.0% of the"),
    ],
)  # fmt: skip
def test_gates(change, said):
    refused = surfaces.fit_surface(answers(n=300).assign(**change), **ASKED)
    assert isinstance(refused, NotTestable)
    assert said in refused.reason


def test_too_few_answers_and_too_few_for_the_parameters():
    refused = surfaces.fit_surface(answers(n=99), **ASKED)
    assert refused.reason == "99 customers gave answers that count; at least 100 are needed."
    refused = surfaces.fit_surface(answers(n=5), **ASKED, at_least=1)
    assert refused.reason == "The answers differ too little to tell 6 numbers from them."
    two = answers(n=300).assign(p=np.arange(300) % 2 + 3.0)
    assert surfaces.fit_surface(two, **ASKED, sides=0).reason == refused.reason


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("p", 9, "column 'p': 1 row of 300 outside 1 to 7. First: row 8."),
        ("e", 0.5, "column 'e': 1 row of 300 outside 1 to 7. First: row 8."),
        ("z", np.nan, "column 'z': 1 row of 300 without a number. First: row 8."),
        ("p", np.inf, "column 'p': 1 row of 300 without a number. First: row 8."),
        ("e", "often", "column 'e': 1 row of 300 without a number. First: row 8."),
        ("w", -1, "column 'w': 1 row of 300 not above 0"),
        ("group", None, "column 'group': 1 row of 300 without a group. First: row 8."),
    ],
)
def test_wrong_answers_are_named_by_column_and_row(column, value, said):
    table = answers(n=300).assign(w=1.0, group=np.arange(300) % 30).astype(object)
    table.loc[7, column] = value
    with pytest.raises(TableError) as refused:
        surfaces.fit_surface(table, **ASKED, weight="w", cluster="group")
    assert said in str(refused.value)


def test_latent_outcomes_that_cannot_be_fitted():
    table = answers(n=300)
    assert (
        "has 300 different values; an ordered one may have 11"
        in surfaces.fit_surface(table, **ASKED, kind="ordered").reason
    )
    assert "a yes or no has two" in surfaces.fit_surface(table, **ASKED, kind="binary").reason
    parted = table.assign(z=table["p"] > 4)
    assert "foretold without fail" in surfaces.fit_surface(parted, **ASKED, kind="binary").reason
