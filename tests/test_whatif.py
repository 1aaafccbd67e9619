"""The what-if panel: the arithmetic of page 23 under sliders."""

import numpy as np
import pandas as pd
import pytest

from analysis import hypotheses, value, whatif
from analysis.estimates import NotTestable
from analysis.exhibits import Figure
from analysis.renewal import RetentionCurve, retention_curve
from analysis.whatif import Setting, answer, moved, panel

RULE = hypotheses.get("R01").rule


@pytest.fixture(scope="module")
def curve() -> RetentionCurve:
    """A thousand customers of whom a quarter, then a fifth, then a sixth leave."""
    rows = pd.DataFrame(
        {
            "time": [1.0, 2.0, 3.0, 3.0],
            "left": [True, True, True, False],
            "entered": 0.0,
            "weight": [250, 150, 100, 500],
        }
    )
    made = retention_curve(rows, unit="year", draws=50, seed=1)
    assert isinstance(made, RetentionCurve)
    return made


def test_where_nothing_is_moved_it_is_the_growth_of_the_page(curve: RetentionCurve) -> None:
    page = value.growth(curve, "plus 5 points", change=0.05, years=3, discount_rate=0.1)
    here = answer(curve, Setting(discount_rate=0.1), change=0.05, years=3)
    assert not isinstance(page, NotTestable)
    assert not isinstance(here, NotTestable)
    assert (here.value, here.low, here.high) == (page.value, page.low, page.high)


def test_moved_rates_stay_rates_and_resamples_move_along(curve: RetentionCurve) -> None:
    up, down = moved(curve, 0.5), moved(curve, -1.0)
    assert up.rates.max() == value.CAP
    assert down.rates.max() == 0
    assert np.allclose(moved(curve, 0.01).draws, np.minimum(curve.draws + 0.01, value.CAP))


def test_a_constant_rate_gives_the_growth_by_hand(curve: RetentionCurve) -> None:
    # 0.5 a year for two years, first margin at once: worth 1.5; with 5 points more 1.55: a growth of .05/1.5. An
    # acquisition cost of half a margin leaves 1.0 and 1.05. Exact but for rounding.
    halves = RetentionCurve(**{**vars(curve), "rates": np.full(5, 0.5), "draws": np.full((50, 5), 0.5)})
    free = answer(halves, Setting(discount_rate=0.0), change=0.05, years=2)
    paid = answer(halves, Setting(discount_rate=0.0, margin=0.4, acquisition_cost=0.2), change=0.05, years=2)
    assert free.value == pytest.approx(0.05 / 1.5, abs=1e-12)
    assert paid.value == pytest.approx(0.05 / 1.0, abs=1e-12)


def test_sliding_changes_the_verdict(curve: RetentionCurve) -> None:
    shown = panel(curve, value.Costs(), change=0.05, years=3, discount_rate=0.1, rule=RULE)
    dear = Setting(margin=0.3, discount_rate=0.1, acquisition_cost=0.54)
    assert "contradicted" in str(shown.verdict(shown.start))
    assert "supported" in str(shown.verdict(dear))


def test_costs_above_every_value_are_said(curve: RetentionCurve) -> None:
    shown = panel(curve, value.Costs(), change=0.05, years=3, discount_rate=0.1, rule=RULE)
    assert "not testable" in str(shown.verdict(Setting(margin=0.01, acquisition_cost=3.0)))
    assert "costs exceed" in str(shown.figure(Setting(margin=0.01, acquisition_cost=3.0))).lower()


def test_without_a_curve_the_panel_says_why() -> None:
    shown = panel(NotTestable("Nobody left."), value.Costs(), change=0.05, years=3, discount_rate=0.1, rule=RULE)
    assert "Nobody left." in str(shown.figure(shown.start))


def test_a_report_gets_the_figure_and_a_live_notebook_the_sliders(
    curve: RetentionCurve, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[object] = []
    monkeypatch.setattr("IPython.display.display", lambda *what: shown.extend(what))
    asked = panel(curve, value.Costs(0.4, 600, 200), change=0.05, years=3, discount_rate=0.1, rule=RULE)
    monkeypatch.setenv(whatif.RUNNER, "somewhere")
    asked._ipython_display_()
    monkeypatch.delenv(whatif.RUNNER)
    asked._ipython_display_()
    figure, widget = shown[0], shown[-1]
    assert isinstance(figure, Figure)
    sliders = {one.description: one.value for one in widget.children[:-1]}
    assert sliders == {
        "Retention, moved by": 0.0,
        "Margin, share of revenue": 0.4,
        "Discount rate, a year": 0.1,
        "Winning one, share of a year": pytest.approx(200 / 600),
    }
