"""Survey answers as constructs: what counts as answered, what is turned round, and how sure a reliability is."""

import numpy as np
import pandas as pd
import pytest

from analysis import scales
from analysis.estimates import Estimate, NotTestable
from analysis.tables import TableError

SURVEY = """
columns = {{ weight = "w", wave = "wave" }}
scale = [1, 7]
missing = [99]
[study.shop.constructs]
satisfaction = ["q1", "q2", "-q3"]
{more}
"""
ROWS = """wave,w,q1,q2,q3,e1,p1,d1
a,2,5,5,99,4,5,6
a,1,6,,2,4,5,6
a,1,7,7,1,4,5,6
b,0,4,4,4,4,5,6
b,1,,,,,,
b,1,7,,,3,4,5
"""


def survey(make_study, rows=ROWS, more="", settings=SURVEY):
    return scales.answers(make_study(rows, settings.format(more=more), table="surveys"))


def one_factor_sample(n, loadings, seed):
    rng = np.random.default_rng(seed)
    loadings = np.asarray(loadings)
    common, own = rng.standard_normal((n, 1)), rng.standard_normal((n, len(loadings)))
    return pd.DataFrame(common * loadings + own * np.sqrt(1 - loadings**2)).add_prefix("q")


def test_an_item_can_be_turned_round(make_study):
    found = survey(make_study)
    assert list(found.items["-q3"][1:3]) == [6, 7]


def test_a_score_needs_half_of_the_answers(make_study):
    found = survey(make_study)
    scores = found.score(found.constructs["satisfaction"])
    assert list(scores[:3]) == [5, 6, 7]  # the first has two of three answers, the second too
    assert np.isnan(scores[3])  # one of three
    assert found.score(found.constructs["satisfaction"], answered=scales.ALL).notna().sum() == 1


def test_rows_without_answers_or_weight_are_set_aside_and_counted(make_study):
    found = survey(make_study)
    assert len(found.items) == 4
    assert found.notes == (
        "Left out: 1 questionnaire without an answer.",
        "Left out: 1 questionnaire without a weight.",
    )
    assert found.weight == pytest.approx([1.6, 0.8, 0.8, 0.8])  # on average one
    assert list(found.who["wave"]) == ["a", "a", "a", "b"]


@pytest.mark.parametrize("named", ["", "customer_id"])
def test_answers_stand_in_one_order_whatever_order_their_rows_have(make_study, named):
    """A database keeps none, and who is drawn into a resample hangs on the place."""
    head, *rows = ROWS.split()
    settings = SURVEY.replace("{{ ", '{{ customer_id = "customer_id", ') if named else SURVEY
    rows = [f"{number},{row}" for number, row in enumerate(rows)] if named else rows
    text = [f"{named},{head}".strip(","), *rows]
    one = survey(make_study, rows="\n".join(text), settings=settings)
    other = survey(make_study, rows="\n".join([text[0], *text[:0:-1]]), settings=settings)
    pd.testing.assert_frame_equal(one.items, other.items)
    pd.testing.assert_frame_equal(one.who, other.who)
    assert one.weight.tolist() == other.weight.tolist() != other.weight[::-1].tolist()


def test_waves_stand_as_they_began_whatever_they_are_called(make_study):
    rows = "customer_id,answered_at,w,wave,q1,q2,q3\n" + "".join(
        f"{who},2024-0{month}-01,1,{wave},{month},4,4\n"
        for who in ("b", "a")
        for month, wave in ((7, "autumn"), (3, "spring"), (5, "summer"))
    )
    settings = SURVEY.replace("{{ ", '{{ customer_id = "customer_id", answered_at = "answered_at", ')
    found = survey(make_study, rows=rows, settings=settings)
    assert list(found.items["q1"]) == [3, 3, 5, 5, 7, 7]
    assert list(found.who["customer_id"]) == ["a", "b"] * 3


def test_levels_of_pairs_are_constructs(make_study):
    pair = '[[study.shop.pairs]]\ndimension = "care"\nexpectation = ["e1"]\ndesired = ["d1"]\nperception = ["p1"]'
    found = survey(make_study, more=pair)
    assert found.constructs["expectation"] == ("e1",)
    assert found.dimensions == {"care": {"expectation": ("e1",), "desired": ("d1",), "perception": ("p1",)}}
    assert list(found.table(["expectation", "perception"])["perception"]) == [5, 5, 5, 4]


def test_scales_of_different_length_in_one_construct_are_refused(make_study):
    more = 'mixed = ["e1", "p1"]\n[study.shop.scales]\ne1 = [0, 10]'
    with pytest.raises(TableError, match=r"mixed have different scales: e1 \(0.0, 10.0\) and p1 \(1.0, 7.0\)"):
        survey(make_study, more=more)


def test_turning_round_needs_a_scale(make_study):
    with pytest.raises(TableError, match="q3 is to be turned round and has no scale"):
        survey(make_study, settings=SURVEY.replace("scale = [1, 7]\n", ""))


def test_a_survey_without_any_answer_is_refused(make_study):
    with pytest.raises(TableError, match="no questionnaire holds an answer with a weight"):
        survey(make_study, rows="wave,w,q1,q2,q3\na,1,,,\nb,0,1,2,3\n")


def test_each_customer_counts_once(make_study):
    rows = "customer_id,answered_at,w,wave,q1,q2,q3\n" + "".join(
        f"{who},2024-0{month}-01,1,{month},{month},4,4\n" for month in (3, 1, 2) for who in ("a", "b")
    )
    settings = SURVEY.replace("{{ ", '{{ customer_id = "customer_id", answered_at = "answered_at", ')
    found = survey(make_study, rows=rows, settings=settings).latest()
    assert list(found.who["customer_id"]) == ["a", "b"]
    assert list(found.items["q1"]) == [3, 3]
    assert found.notes == ("Of 6 questionnaires the last of each of 2 customers is used.",)
    assert found.latest() is found


# --- Moments ----------------------------------------------------------------------------------------------------


def test_moments_are_numpys():
    table = one_factor_sample(300, [0.8, 0.6, 0.4], 1)
    found = scales.moments(table, draws=2)
    assert found.covariance == pytest.approx(np.cov(table.T, bias=True), abs=1e-12)
    assert found.mean == pytest.approx(table.mean().to_numpy(), abs=1e-12)


def test_weights_are_rows_that_come_again():
    table, times = one_factor_sample(200, [0.8, 0.6, 0.4], 2), np.random.default_rng(2).integers(1, 4, 200)
    weighed = scales.moments(table, weight=times, draws=2)
    repeated = scales.moments(table.loc[table.index.repeat(times)], draws=2)
    assert weighed.covariance == pytest.approx(repeated.covariance, abs=1e-12)
    assert weighed.mean == pytest.approx(repeated.mean, abs=1e-12)


def test_resamples_spread_as_theory_says():
    """The standard error of a correlation r of normal values is (1 - r²)/√n; 2,000 draws tell it to 2% or so."""
    table = one_factor_sample(1000, [0.9, 0.8], 3)
    found = scales.moments(table, draws=2000, seed=3)
    r = scales.correlation(found.covariance)[0, 1]
    assert scales.correlation(found.drawn)[:, 0, 1].std() == pytest.approx((1 - r**2) / np.sqrt(1000), rel=0.12)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda t: t.assign(q1=3.0), "All 300 answers are the same in q1."),
        (
            lambda t: t.assign(q1=np.nan),
            "at least 100 are needed. Too few answers in: q1.",
        ),
        (lambda t: t.head(99), "99 questionnaires complete"),
    ],
)
def test_moments_that_cannot_be_told(spoil, reason):
    found = scales.moments(spoil(one_factor_sample(300, [0.8, 0.6, 0.4], 4)), draws=2)
    assert isinstance(found, NotTestable)
    assert reason in found.reason


# --- Reliability ------------------------------------------------------------------------------------------------


def test_omega_and_variance_extracted_of_a_known_factor():
    loadings = np.array([0.9, 0.8, 0.7, 0.5])
    covariance = np.outer(loadings, loadings) + np.diag(1 - loadings**2)
    assert scales.one_factor(covariance)[0] == pytest.approx(loadings, abs=1e-5)
    total = loadings.sum() ** 2
    assert scales.omega(covariance) == pytest.approx(total / (total + (1 - loadings**2).sum()), abs=1e-6)
    assert scales.variance_extracted(covariance) == pytest.approx((loadings**2).mean(), abs=1e-6)
    assert scales.alpha(covariance) < scales.omega(covariance)  # alpha takes all loadings for equal


def test_one_construct_under_two_names_has_a_ratio_of_one():
    covariance = np.full((6, 6), 0.5) + 0.5 * np.eye(6)
    assert scales.heterotrait(covariance, [0, 1, 2], [3, 4, 5]) == pytest.approx(1.0)


def test_a_ratio_of_two_factors_is_their_correlation():
    loadings = np.kron(np.eye(2), np.full((3, 1), 0.8))
    covariance = loadings @ np.array([[1, 0.3], [0.3, 1]]) @ loadings.T + 0.36 * np.eye(6)
    assert scales.heterotrait(covariance, [0, 1, 2], [3, 4, 5]) == pytest.approx(0.3)


def test_mobile_reliability_as_another_program_has_it(bundled):
    """Standardised alphas that psych in R and pingouin agree on, to four digits."""
    found = scales.answers(bundled["mobile"])
    expected = {"image": 0.7228, "expectation": 0.4519, "quality": 0.8770, "satisfaction": 0.7792}
    for construct, alpha in expected.items():
        answer = scales.reliability(found, construct, draws=200)["alpha"]
        assert isinstance(answer, Estimate)
        assert answer.value == pytest.approx(alpha, abs=5e-5)
        assert answer.low < answer.value < answer.high


def test_a_single_item_has_no_reliability(bundled):
    found = scales.answers(bundled["mobile"])
    answers = scales.reliability(found, "complaint_handling", draws=10)
    assert all(isinstance(answer, NotTestable) and "one item" in answer.reason for answer in answers.values())


def test_tables_of_quality_and_distinctness(bundled):
    found = scales.answers(bundled["mobile"])
    table = scales.quality_table(found, ["quality", "complaint_handling"], draws=50)
    assert list(table["items"]) == [7, 1]
    assert table["at_the_top"].between(0, 1).all()
    assert table["note"].tolist()[0] == ""
    pairs = scales.distinctness(found, ["image", "quality", "satisfaction"], draws=50)
    assert len(pairs) == 3
    assert (pairs["low"] < pairs["value"]).all()
    assert pairs.set_index(["first", "second"]).loc[("quality", "satisfaction"), "value"] > 0.9
