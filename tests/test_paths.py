"""Path models by arithmetic: chains, signs, weights, indices, and every message that turns a model down."""

import numpy as np
import pandas as pd
import pytest

from analysis import paths
from analysis.estimates import Estimate, NotTestable
from analysis.paths import PathModel, fit_paths, satisfaction_index
from analysis.tables import TableError

BLOCKS = {"quality": ["q1", "q2"], "satisfaction": ["s1", "s2"], "loyalty": ["l1"]}
CHAIN = [("quality", "satisfaction"), ("satisfaction", "loyalty")]


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    quality = rng.normal(size=300)
    satisfaction = 0.6 * quality + 0.8 * rng.normal(size=300)
    loyalty = 0.5 * satisfaction + 0.5 * rng.normal(size=300)
    of = {"q": quality, "s": satisfaction}
    items = {f"{name}{k}": score + 0.5 * rng.normal(size=300) for name, score in of.items() for k in (1, 2)}
    table = pd.DataFrame(items | {"l1": loyalty})
    return (6 + 1.4 * table).round().clip(1, 10)


def model(blocks=BLOCKS, links=CHAIN, **more) -> PathModel:
    return PathModel(blocks, links, {item: (1, 10) for items in blocks.values() for item in items}, **more)


class TestIndex:
    @pytest.mark.parametrize(("mean", "index"), [([1, 1, 1], 0), ([10, 10, 10], 100), ([5.5, 5.5, 5.5], 50)])
    def test_runs_from_0_to_100(self, mean, index):
        weight = np.array([0.2, 0.3, 0.5])
        assert satisfaction_index(np.array(mean), weight, np.ones(3), np.full(3, 10)) == pytest.approx(index)

    def test_of_three_equal_weights_is_their_mean_on_the_scale(self):
        """Satisfaction in the mobile survey: (7.988 + 7.128 + 7.316) / 3 = 7.477333; minus 1, over 9."""
        found = satisfaction_index(np.array([7.988, 7.128, 7.316]), np.ones(3), np.ones(3), np.full(3, 10))
        assert found == pytest.approx(71.970370, abs=1e-6)

    def test_of_one_item_is_its_mean_on_the_scale(self, answers):
        fit = fit_paths(model(), answers, draws=50)
        assert fit.index("loyalty").value == pytest.approx(100 * (answers["l1"].mean() - 1) / 9)

    def test_does_not_change_with_the_unit_of_the_answers(self, answers):
        tenfold = PathModel(BLOCKS, CHAIN, dict.fromkeys(answers, (10, 100)))
        found = fit_paths(tenfold, answers * 10, draws=50).index("satisfaction")
        assert found.value == pytest.approx(fit_paths(model(), answers, draws=50).index("satisfaction").value)

    def test_needs_the_ends_of_the_scale(self, answers):
        found = fit_paths(PathModel(BLOCKS, CHAIN, {}), answers, draws=50).index("quality")
        assert isinstance(found, NotTestable)
        assert "ends of the scale" in found.reason

    def test_is_refused_where_an_item_counts_against_it(self, answers):
        turned = answers.assign(q3=11 - answers["q1"])
        blocks = BLOCKS | {"quality": ["q1", "q2", "q3"]}
        fit = fit_paths(model(blocks), turned, draws=50)
        assert "q3 counts against quality" in fit.index("quality").reason
        assert isinstance(fit.priorities("loyalty"), NotTestable)


class TestFit:
    def test_a_path_between_single_items_is_their_correlation(self, answers):
        single = {"quality": ["q1"], "loyalty": ["l1"]}
        fit = fit_paths(model(single, [("quality", "loyalty")]), answers, draws=200)
        path, r = fit.effect("quality", "loyalty"), answers["q1"].corr(answers["l1"])
        assert path.value == pytest.approx(r)
        assert fit.explained("loyalty").value == pytest.approx(r**2)
        assert path.low < r < path.high

    def test_effects_along_a_chain_are_products(self, answers):
        fit = fit_paths(model(), answers, draws=50)
        first, second = (fit.effect(cause, effect, "direct").value for cause, effect in CHAIN)
        assert fit.effect("quality", "loyalty", "indirect").value == pytest.approx(first * second)
        assert fit.effect("quality", "loyalty", "direct").value == 0
        assert list(zip(fit.effects()["cause"], fit.effects()["effect"], strict=True)) == [
            ("quality", "satisfaction"),
            ("quality", "loyalty"),
            ("satisfaction", "loyalty"),
        ]

    def test_scores_are_standardised_and_carry_the_paths(self, answers):
        fit = fit_paths(model(), answers, draws=50)
        scores = fit.scores(answers)
        assert scores.mean().to_numpy() == pytest.approx(0, abs=1e-9)
        assert scores.var(ddof=0).to_numpy() == pytest.approx(1)
        r = scores["quality"].corr(scores["satisfaction"])
        assert r == pytest.approx(fit.effect("quality", "satisfaction").value)

    def test_scores_point_where_their_items_point(self, answers):
        """Turning all items of a construct round turns its paths, and leaves its loadings above zero."""
        turned = answers.assign(s1=11 - answers["s1"], s2=11 - answers["s2"])
        plain, other = (fit_paths(model(), table, draws=300) for table in (answers, turned))
        assert other.effect("quality", "satisfaction").value == pytest.approx(
            -plain.effect("quality", "satisfaction").value
        )
        assert (other.measures()["loading"] > 0).all()
        # Were signs left to chance, resamples would lie on both sides of zero.
        assert other.effect("quality", "satisfaction").high < 0

    def test_a_row_of_weight_two_is_two_rows(self, answers):
        weight = np.repeat([1, 2], 150)
        twice = pd.concat([answers, answers[150:]], ignore_index=True)
        weighed, repeated = fit_paths(model(), answers, weight=weight, draws=9), fit_paths(model(), twice, draws=9)
        assert weighed.direct[0] == pytest.approx(repeated.direct[0])
        assert weighed.index("satisfaction").value == pytest.approx(repeated.index("satisfaction").value)

    def test_rows_with_a_gap_are_left_out(self, answers):
        holed = answers.copy()
        holed.loc[:49, "q1"] = np.nan
        assert fit_paths(model(), holed, draws=9).n == 250

    def test_priorities_are_slopes_between_indices(self, answers):
        """Points of the loyalty index for one point of the satisfaction index: an ordinary regression line."""
        fit = fit_paths(model(), answers, draws=50)
        names, importance, performance = fit.priorities("loyalty")
        assert names == ["quality", "satisfaction"]
        weight = (fit.weights[0, 2:4, 1] / answers[["s1", "s2"]].std(ddof=0)).to_numpy()
        index = 100 * ((answers[["s1", "s2"]] - 1) @ (weight / weight.sum())) / 9
        slope = np.polyfit(index, 100 * (answers["l1"] - 1) / 9, 1)[0]
        assert importance[0, 1] == pytest.approx(slope)
        assert performance[0, 1] == pytest.approx(index.mean())
        assert importance.shape == performance.shape == (51, 2)

    def test_a_lone_dissenter_leaves_some_resamples_without_a_solution(self, answers):
        """An item that one respondent answers differently is constant in a third of the resamples: no interval."""
        lone = answers.assign(q2=[1.0] + [10.0] * 299)
        found = fit_paths(model(), lone, draws=200).effect("quality", "satisfaction")
        assert isinstance(found, NotTestable)
        assert "resamples" in found.reason


class TestRefusals:
    @pytest.mark.parametrize(
        ("blocks", "links", "message"),
        [
            (BLOCKS | {"image": ["i1"]}, CHAIN, "no path leads to or from image"),
            (BLOCKS, [*CHAIN, ("price", "loyalty")], "no item asks for price"),
            (BLOCKS | {"loyalty": []}, CHAIN, "no item asks for loyalty"),
            (BLOCKS | {"loyalty": ["s1"]}, CHAIN, "more than one construct claims s1"),
            (BLOCKS, [*CHAIN, ("loyalty", "quality")], "the paths run in a circle"),
        ],
    )
    def test_of_a_model_that_says_nothing(self, blocks, links, message):
        with pytest.raises(TableError, match=message):
            model(blocks, links)

    def test_of_a_constant_item(self, answers):
        found = fit_paths(model(), answers.assign(q2=7.0), draws=9)
        assert found == NotTestable("All 300 answers are the same in q2.")

    def test_of_a_column_without_answers(self, answers):
        found = fit_paths(model(), answers.assign(q2=np.nan), draws=9)
        assert "q2" in found.reason

    def test_of_fewer_answers_than_weights_and_paths(self):
        wide = pd.DataFrame(np.random.default_rng(0).integers(1, 11, (120, 130)).astype(float)).add_prefix("x")
        blocks = {"one": list(wide)[:65], "two": list(wide)[65:]}
        found = fit_paths(model(blocks, [("one", "two")]), wide, draws=9)
        assert found == NotTestable("120 questionnaires complete cannot tell 131 weights and paths.")

    def test_of_items_that_repeat_one_another_where_they_make_up_a_construct(self, answers):
        blocks = BLOCKS | {"quality": ["q1", "q2", "q3"]}
        summed = answers.assign(q3=answers["q1"] + answers["q2"])
        assert isinstance(fit_paths(model(blocks), summed, draws=9).effect("quality", "loyalty"), Estimate)
        found = fit_paths(model(blocks, formative=frozenset({"quality"})), summed, draws=9)
        assert found == NotTestable("Over 300 rows, q1, q2 and q3 of quality repeat one another; leave one out.")

    def test_of_causes_that_repeat_one_another(self, answers):
        blocks = {"one": ["q1"], "two": ["q3"], "loyalty": ["l1"]}
        found = fit_paths(
            model(blocks, [("one", "loyalty"), ("two", "loyalty")]), answers.assign(q3=2 * answers["q1"]), draws=9
        )
        assert found == NotTestable("Over 300 rows, one and two repeat one another as causes of loyalty.")

    def test_of_weights_that_do_not_settle(self, answers, monkeypatch):
        monkeypatch.setattr(paths, "STEPS", 1)
        found = fit_paths(model(), answers, draws=9)
        assert found.reason.startswith("The items' weights had not settled after 1 round,")

    def test_of_constructs_that_have_nothing_to_do_with_one_another(self):
        """A balanced table: both answers occur equally often with each other, so every correlation is exactly zero."""
        balanced = pd.DataFrame({"q": [1.0, 1.0, 2.0, 2.0] * 50, "s": [1.0, 2.0, 1.0, 2.0] * 50})
        found = fit_paths(model({"one": ["q"], "two": ["s"]}, [("one", "two")]), balanced, draws=9)
        assert found.reason.endswith("or do not exist.")
