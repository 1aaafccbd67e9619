"""Worlds of satisfaction and of what follows from it (S01 to S03, S06 to S08, S10, S18)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis import motives, payoff
from analysis.calibration import Case
from analysis.planted import TIMES, answers, caused, study
from analysis.scales import Answers
from analysis.worlds import after_a_survey

DRAWS, RATIO = 199, math.log(1.05)
SERVED = "those who have bought much are served better, which makes nobody buy"
ASKED: Any = None  # answers that only a reading beside the headline takes


def spending(random: np.random.Generator, world: str) -> pd.DataFrame:
    return after_a_survey(random, 8000, slope=RATIO * TIMES[world], through_the_past=0.5 * (world == "artefact"))


def returning(random: np.random.Generator, world: str, *, n: int, top: bool) -> pd.DataFrame:
    """Nineteen in twenty buy again; along a line two points more between outer thirds, or two more at the top alone."""
    table = after_a_survey(random, n, through_the_past=0.5 * (world == "artefact"))
    kind = table["level"] == 7 if top else table["satisfaction"] / 2.15
    chance = 0.94 + 0.02 * TIMES[world] * kind + 0.03 * (world == "artefact") * (np.log1p(table["before"]) - 1)
    return table.assign(after=(random.random(n) < chance).astype(int))


def four(random: np.random.Generator, world: str) -> dict[str, Any]:
    """Loyalty, orders, referrals and branches' profit after satisfaction; the artefact: they come before it."""

    def drawn(size: int) -> dict[str, np.ndarray]:
        earlier, own = random.standard_normal((2, size))
        content = 0.5 * earlier + math.sqrt(0.75) * own if world == "artefact" else own
        slope = 0.1 * TIMES[world]
        later = slope * content + 0.3 * earlier + math.sqrt(0.91 - slope**2) * random.standard_normal(size)
        return {"earlier": earlier, "satisfaction": content, "outcome": later}

    n, periods = 1000, 9
    said, units = drawn(n), []
    who = np.tile(np.arange(n), 2)
    waves = np.repeat([1, 2], n)
    held = {"satisfaction": np.tile(said["satisfaction"], 2), "loyalty": np.append(said["earlier"], said["outcome"])}
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(180 * waves, unit="D")
    profit = random.standard_normal(60)
    for year in range(periods):
        now = drawn(60)
        content = now["satisfaction"] + (0.5 * profit if world == "artefact" else 0.0)
        row = {"unit": np.arange(60), "period": pd.Timestamp(2010 + year, 1, 1), "profit": profit}
        units.append(pd.DataFrame(row).assign(satisfaction=content))
        profit = 0.1 * TIMES[world] * content + 0.3 * profit + 0.93 * random.standard_normal(60)
    did = [pd.DataFrame(drawn(n)).rename(columns={"earlier": "before", "outcome": "after"}) for _ in range(2)]
    orders, praise = (rows.assign(customer=np.arange(n), wave="1", weight=1.0) for rows in did)
    found = answers(random, held, customer_id=who, answered_at=when, wave=waves.astype(str))
    return {"lab": study(units=pd.concat(units)), "found": found, "orders": orders, "referrals": praise}


def needed(random: np.random.Generator, world: str) -> Any:
    """Sixty branches; the artefact: satisfaction and retention go together closely, and no branch is bound by it."""
    content = random.random(60)
    own = random.random(60)
    kept = {
        "true": np.minimum(content, own),
        "null": own,
        "artefact": 0.7 * content + 0.3 * random.normal(0.5, 0.3, 60),
    }[world]
    rows = {"unit": np.arange(60), "period": pd.Timestamp("2024-01-01"), "satisfaction": content, "retention": kept}
    return study(units=pd.DataFrame(rows))


def kinds(random: np.random.Generator, world: str) -> Answers:
    """All four kinds of quality add, and satisfaction never gets far above the worst; the artefact: a common halo."""
    slopes = dict.fromkeys(motives.KINDS, 0.1 * TIMES[world])
    held = caused(random, 500, "satisfaction", slopes, method=0.4 * (world == "artefact"))
    if world == "true":
        worst = np.min([held[kind] for kind in motives.KINDS], axis=0)
        held["satisfaction"] = worst - random.exponential(0.3, 500)
    return answers(random, held)


def indispensable(lab: Any, seed: int) -> Any:
    return motives.indispensable(motives.over_branches(lab, draws=DRAWS, seed=seed))["stepwise ceiling"]


def right_again(found: Answers, seed: int) -> Any:
    bounds = motives.ceilings(found, draws=DRAWS, seed=seed)
    return motives.right_again(found, bounds, draws=DRAWS, seed=seed)[motives.AS_ANSWERED]


def service(random: np.random.Generator, world: str) -> Answers:
    """Five parts of service; twice five points more, or less, than an even share fall to three of them."""
    share = {"true": 0.7, "reversed": 0.5}.get(world, 0.6)
    weights = [share / 3] * 3 + [(1 - share) / 2] * 2
    names = [*motives.KEYS, "courtesy", "opening_hours"]
    even, shared = world == "artefact", 0.6 * (world == "artefact")
    slopes = dict(zip(names, np.sqrt([0.95 * weight for weight in weights]) * (0.5 if even else 1), strict=True))
    return answers(random, caused(random, 1000, "satisfaction", slopes, shared=shared))


def worth(random: np.random.Generator, world: str) -> pd.DataFrame:
    return after_a_survey(random, 3000, slope=0.14 * TIMES[world], luck=0.8 * (world == "artefact"), usual=4.0)


def by_ratio(times: float) -> float:
    return math.exp(RATIO * times)


CASES = (
    Case("S01", spending, lambda table, seed: payoff.spending(table, ASKED, draws=3, seed=seed), "8,000 customers", "C",
         artefact=SERVED, truth={"true": by_ratio(2), "null": 1.0, "reversed": by_ratio(-2), "artefact": 1.0}),
    Case("S02", partial(returning, n=10_000, top=False), lambda table, seed: payoff.coming_back(table),
         "10,000 customers", "C", artefact=SERVED, dear=True, part="gap", truth={"null": 0.0}),
    Case("S03", four, lambda drawn, seed: payoff.outcomes(**drawn), "1,000 customers, 60 branches over nine years", "C",
         artefact="more loyalty, orders, praise and profit come first, and satisfaction follows them",
         part="repeat", truth={"null": 0.0}),
    Case("S06", partial(returning, n=20_000, top=True), lambda table, seed: payoff.delight(table), "20,000 customers",
         "C", artefact=SERVED, dear=True, truth={"null": 0.0}),
    Case("S07", needed, indispensable, "60 branches", "C",
         artefact="the two go together closely, and neither binds the other", few=True, reversible=False),
    Case("S08", kinds, right_again, "500 answers", "C", artefact="a halo over all that is rated", removable=False,
         few=True),
    Case("S10", service,
         lambda found, seed: motives.keys_of_service(found, ["courtesy", "opening_hours"], draws=DRAWS, seed=seed),
         "1,000 answers", "B", artefact="a halo over all parts of service, which count alike"),
    Case("S18", worth, lambda table, seed: payoff.worth(table, draws=DRAWS, seed=seed), "3,000 customers", "C",
         artefact="a good spell of buying makes content, and does not come again", part="rank", truth={"null": 0.0}),
)  # fmt: skip
