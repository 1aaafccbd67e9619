"""Paths through something between, on moments whose truth is known to the last digit."""

import numpy as np
import pandas as pd
import pytest

from analysis import mediation, scales
from analysis.estimates import NotTestable
from analysis.scales import Moments


def exact(covariance, names):
    """Moments of endless rows: each resample is the truth itself."""
    matrix = np.asarray(covariance, float)
    again = np.stack([matrix] * 20)
    return Moments(tuple(names), 1000, np.zeros(len(matrix)), matrix, np.zeros((20, len(matrix))), again)


def covariance_of(links):
    """Covariances of x, m, y where y takes something from x, m, and a hidden cause of m and y."""
    to, on, straight, hidden = links
    # In terms of x, hidden, and the noises of m and y, all of variance one.
    m = np.array([to, hidden, 1, 0])
    y = np.array([straight, hidden, 0, 1]) + on * m
    rows = np.array([[1, 0, 0, 0], m, y])
    return rows @ rows.T


def test_paths_of_a_chain():
    """x to m .5, m to y .4, x to y .3, no hidden cause: the indirect path is .2 over the spread of y."""
    found = mediation.paths(exact(covariance_of((0.5, 0.4, 0.3, 0)), "xmy"), "x", "m", "y")
    spread = np.sqrt(0.5**2 + 1), np.sqrt((0.3 + 0.2) ** 2 + 0.4**2 + 1)
    assert found.first.value == pytest.approx(0.5 / spread[0])
    assert found.second.value == pytest.approx(0.4 * spread[0] / spread[1])
    assert found.indirect.value == pytest.approx(0.2 / spread[1])
    assert found.direct.value == pytest.approx(0.3 / spread[1])
    assert found.total.value == pytest.approx(0.5 / spread[1])


@pytest.mark.parametrize("hidden", [0.4, -0.7])
def test_a_hidden_cause_of_known_strength_is_taken_out(hidden):
    """The errors of m and of y (m's share taken out) then go together by hidden² over their spreads."""
    links = (0.5, 0.4, 0.3, abs(hidden))
    matrix = covariance_of(links)
    if hidden < 0:  # it lifts one and lowers the other
        m, y = np.array([0.5, hidden, 1, 0]), np.array([0.3, -hidden, 0, 1]) + 0.4 * np.array([0.5, hidden, 1, 0])
        rows = np.array([[1, 0, 0, 0], m, y])
        matrix = rows @ rows.T
    tie = np.sign(hidden) * hidden**2 / (1 + hidden**2)
    under = mediation.paths(exact(matrix, "xmy"), "x", "m", "y").under(np.array([tie]))
    assert under["value"][0] == pytest.approx(0.2 / np.sqrt(matrix[2, 2]))
    assert under["low"][0] == pytest.approx(under["value"][0])


def test_a_path_made_by_a_hidden_cause_alone():
    """Nothing goes through m; the strength at which the path vanishes is the strength that made it."""
    found = mediation.paths(exact(covariance_of((0.5, 0.0, 0.3, 0.6)), "xmy"), "x", "m", "y")
    assert found.indirect.value > 0.05
    assert found.tie.value == pytest.approx(0.36 / 1.36)
    assert found.under(np.array([0.36 / 1.36]))["value"][0] == pytest.approx(0, abs=1e-12)


def test_what_is_given_is_held_fixed():
    """z makes all three go together; once it is given, the chain is bare. Noise in z leaves some, unless known."""
    rng = np.random.default_rng(1)
    z = rng.standard_normal(100_000)
    x, noisy = z + rng.standard_normal(z.size), z + rng.standard_normal(z.size)
    m = z + rng.standard_normal(z.size)
    y = z + rng.standard_normal(z.size)
    made = scales.moments(pd.DataFrame({"x": x, "m": m, "y": y, "z": z, "noisy": noisy}), draws=20)
    assert mediation.paths(made, "x", "m", "y").indirect.value > 0.1
    assert mediation.paths(made, "x", "m", "y", given=["z"]).indirect.value == pytest.approx(0, abs=0.001)
    assert mediation.paths(made, "x", "m", "y", given=["noisy"]).indirect.value > 0.03
    freed = mediation.paths(made, "x", "m", "y", given=["noisy"], reliabilities={"noisy": 0.5})
    assert freed.indirect.value == pytest.approx(0, abs=0.002)


def test_what_cannot_be_told_apart():
    table = pd.DataFrame(np.random.default_rng(1).standard_normal((200, 3)), columns=list("xmy"))
    made = scales.moments(table.assign(twin=table["x"] + 1e-6 * table["y"]), draws=20)
    assert "same thing" in mediation.paths(made, "x", "m", "y", given=["twin"]).reason
    assert "follows from the cause" in mediation.paths(made, "x", "twin", "y").reason
    assert mediation.paths(NotTestable("nobody answered"), "x", "m", "y") == NotTestable("nobody answered")


def test_the_sentence():
    table = pd.DataFrame(np.random.default_rng(3).standard_normal((2000, 3)), columns=list("xmy"))
    loose = mediation.paths(scales.moments(table, draws=200), "x", "m", "y")
    assert "holds no path already" in mediation.hidden_cause(loose, between="trust", outcome="loyalty").text
    table["m"] += table["x"]
    table["y"] += table["m"]
    firm = mediation.paths(scales.moments(table, draws=200), "x", "m", "y")
    said = mediation.hidden_cause(firm, between="trust", outcome="loyalty").text
    assert "both trust and loyalty" in said
    # Half of the variance of y, once x is out, is m's: a tie of .707, known to .011 here.
    assert firm.tie.value == pytest.approx(np.sqrt(0.5), abs=0.03)
    assert f"{100 * firm.tie.value:.1f}%" in said
    share = float(said.rsplit("With ", 1)[1].split("%")[0]) / 100
    assert 0.6 < share < firm.tie.value
    assert "nobody" in mediation.hidden_cause(NotTestable("nobody answered"), between="a", outcome="b").text
