"""Strength of a hidden cause: the printed examples, and the algebra of the regressions themselves."""

import numpy as np
import pytest
import statsmodels.api as sm

from analysis import sensitivity
from analysis.estimates import Estimate, NotTestable


def test_e_values_as_printed():
    """VanderWeele & Ding (2017): breast-feeding and respiratory death, 3.9 (1.8 to 8.7) gives 7.26 and 3.0; leukaemia
    .80 (.71 to .91) gives 1.81 and 1.43. Two printed decimals."""
    assert sensitivity.e_value(3.9) == pytest.approx(7.26, abs=0.005)
    assert sensitivity.e_value(1.8) == pytest.approx(3.0, abs=0.005)
    assert sensitivity.e_value(0.80) == pytest.approx(1.81, abs=0.005)
    assert sensitivity.e_value(0.91) == pytest.approx(1.43, abs=0.005)
    assert sensitivity.e_value(1.0) == 1.0


def test_common_events():
    """VanderWeele & Ding (2017): a common odds ratio counts by its root; a hazard ratio by a formula."""
    assert sensitivity.risk_ratio(4.0, "odds ratio", common=True) == 2.0
    assert sensitivity.risk_ratio(4.0, "odds ratio", common=False) == 4.0
    expected = (1 - 0.5 ** np.sqrt(1.5)) / (1 - 0.5 ** np.sqrt(1 / 1.5))
    assert sensitivity.risk_ratio(1.5, "hazard ratio", common=True) == pytest.approx(expected)
    assert 1 < expected < 1.5


def test_robustness_as_printed():
    """Cinelli & Hazlett (2020), Darfur: t 4.18 on 783 degrees gives 13.9% and, for the interval, 7.6%."""
    assert sensitivity.robustness(4.18, 783) == pytest.approx(0.139, abs=0.0005)
    assert sensitivity.robustness(4.18, 783, level=0.95) == pytest.approx(0.076, abs=0.0005)
    assert sensitivity.robustness(1.0, 783, level=0.95) == 0.0


def test_a_hidden_cause_of_just_that_strength_does_take_it_away():
    """A column that explains that share of what is left of both, in the same direction, leaves a slope of nothing."""
    rng, n = np.random.default_rng(1), 500
    x = rng.standard_normal(n)
    y = 0.3 * x + rng.standard_normal(n)
    fit = sm.OLS(y, sm.add_constant(x)).fit()
    share = sensitivity.robustness(fit.tvalues[1], fit.df_resid)
    # Built from what is left of x and of y given x, and a third direction.
    base = np.column_stack([np.ones(n), x, y, rng.standard_normal(n)])
    unit = np.linalg.qr(base)[0][:, 1:]
    unit *= np.sign((unit * base[:, 1:]).sum(axis=0))
    along_x, along_y = np.sqrt(share), np.sqrt(share * (1 - share))
    hidden = unit @ [along_x, along_y, np.sqrt(1 - share - share * (1 - share))]
    assert sm.OLS(y, sm.add_constant(np.column_stack([x, hidden]))).fit().params[1] == pytest.approx(0, abs=1e-9)


def test_the_sentences():
    ratio = Estimate.log_normal(1.5, 0.1, unit="hazard ratio", n=1000, events=50)
    said = sensitivity.hidden_cause(ratio, cause="joining", outcome="leaving").text
    assert "change the chance of joining and the chance of leaving by a factor of 2.37" in said
    assert "A factor of 1.77" in said  # of the nearer end, 1.233
    common = Estimate.log_normal(1.5, 0.1, unit="hazard ratio", n=1000, events=500)
    assert sensitivity.needed(common)[0] < sensitivity.needed(ratio)[0]
    slope = Estimate.normal(4.18, 1.0, unit="slope", n=785)
    said = sensitivity.hidden_cause(slope, cause="violence", outcome="attitude").text
    assert "explains 13.9%" in said
    assert "7.6% of each would do" in said
    open_ = Estimate.normal(0.5, 1.0, unit="points", n=785)
    assert "holds no effect" in sensitivity.hidden_cause(open_, cause="a", outcome="b").text
    assert (
        "holds no effect"
        in sensitivity.hidden_cause(Estimate.log_normal(1.1, 0.1, unit="ratio", n=99), cause="a", outcome="b").text
    )
    assert "nobody" in sensitivity.hidden_cause(NotTestable("nobody left"), cause="a", outcome="b").text


def test_what_cannot_be_moved_and_moves_raises_doubt():
    still, moved = (Estimate.normal(value, 0.1, unit="slope", n=50) for value in (0.05, 0.5))
    asked = {"what": "the weather", "cause": "a discount"}
    assert "finds nothing there" in sensitivity.untouched(still, **asked).text
    assert "is no effect" in sensitivity.untouched(moved, **asked).text
    ratio = Estimate.log_normal(1.05, 0.1, unit="ratio", n=50)  # of ratios, nothing is 1
    assert "finds nothing there" in sensitivity.untouched(ratio, **asked).text
    assert "Bring it." in sensitivity.untouched(NotTestable("Bring it."), **asked).text
