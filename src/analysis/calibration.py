"""Does the test of a claim tell the truth? Worlds whose truth is known, asked by the very test that a page uses.

    make calibrate                                                    # every claim, resumed where it was stopped
    python -m analysis.calibration S01 E09 --worlds 40 --jobs 1        # to try some out; printed, not kept

A world is true (twice the smallest effect that matters), null (exactly none; on the boundary for a threshold or a
range; just as much as matters for a claim of no effect), reversed, or null with the artefact that fools a naive
reading. A rate fails when its 99% Monte Carlo interval lies wholly outside its bound.

A row rests on the source of its test and its world, and goes stale when that changes. The next run then looks again:
it asks the test about the first `LOOKS` worlds, and where every answer and verdict comes out as it did, to nine digits,
the row is carried over instead of being drawn anew. A change that none of these worlds shows slips through; a row
taken out of the table is drawn in full.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import inspect
import json
import os
import sys
import time
import types
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd

from analysis import findings, hypotheses, worlds
from analysis.calibrated import TABLE, WORLDS, kept
from analysis.estimates import Estimate
from analysis.hypotheses.rules import (
    ASSOCIATION,
    CONTRADICTED,
    SUPPORTED,
    VERDICTS,
    Compound,
    Directional,
)
from analysis.words import spoken

TIMES = {"true": 200, "null": 400, "reversed": 200, "artefact": 400}
FEW, SEED, LOOKS = 100, 6, 5
# Where rates of right verdicts and of wrong positives must lie; and those that the cap on causal words must stop.
RIGHT, WRONG, NEVER = (0.8, 1.0), (0.0, 0.05), (0.0, 0.0)
PRINTED = ["claim", "world", *(word.replace(" ", "_") for word in VERDICTS), "right", "positive", "holds"]
PRINTED += ["covered", "covered_holds", "cpu_seconds"]
KEY = ["claim", "world", "n"]
PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "lifelines", "scikit-learn")


@dataclass(frozen=True)
class Case:
    """How the test of a claim is tried out.

    Attributes:
        claim: a row of the register.
        world: draws what `ask` takes, in the world "true", "null", "reversed" or "artefact".
        ask: the page's own test of what was drawn, with a seed: an estimate, the parts of a compound rule, or
            `NotTestable`.
        size: the sample in words, for instance "2,000 customers".
        rung: that the design reaches.
        artefact: what fools a naive reading of this claim, in words; empty where nothing does.
        removable: the claim's own design must see through it; otherwise the verdict must not say *supported*.
        truth: world to the true value of the estimate, for coverage; without those where none can be stated.
        dear: world and test cost more than 0.1 CPU seconds, so that half as many are drawn.
        few: so dear that a hundred of each must do.
        part: of a compound rule, whose estimate `truth` is about.
        reversible: the claim can be turned round; an effect size or a count, say, has nothing below none.
        edge: in its world of nothing a part lies on its boundary and the others hold, so that more than one verdict is
            right there.
        association: why support is an association and no more, as the claim's page has it (`findings.record`).
    """

    claim: str
    world: Callable[[np.random.Generator, str], Any]
    ask: Callable[[Any, int], findings.Evidence]
    size: str
    rung: str
    artefact: str = ""
    removable: bool = True
    truth: Mapping[str, float] = field(default_factory=dict, hash=False)
    dear: bool = False
    few: bool = False
    part: str = ""
    reversible: bool = True
    edge: bool = False
    association: str | None = None

    @property
    def worlds(self) -> tuple[str, ...]:
        """The worlds in which this claim is tried."""
        there = {"reversed": self.reversible, "artefact": bool(self.artefact)}
        return tuple(world for world in WORLDS if there.get(world, True))

    def times(self, world: str) -> int:
        """How many worlds of a kind a calibration draws."""
        return FEW if self.few else TIMES[world] // (2 if self.dear else 1)

    @property
    def plan(self) -> str:
        """How many of which worlds make its calibration whole, as the table tells it to pages."""
        return ", ".join(f"{world} {self.times(world)}" for world in self.worlds)


# --- One world ----------------------------------------------------------------------------------------------------


def draw(case: Case, world: str, number: int) -> findings.Evidence:
    """What the test says of one world, the same each time it is asked for."""
    random = np.random.default_rng([SEED, zlib.crc32(case.claim.encode()), WORLDS.index(world), number])
    return case.ask(case.world(random, world), int(random.integers(2**31)))


def said(case: Case, found: findings.Evidence) -> str:
    """The verdict on what a test found, in a word."""
    return findings.verdict(case.claim, found, rung=case.rung, association=case.association).word


def right(case: Case, world: str) -> str:
    """The verdict that is right in a world; empty where more than one is.

    A claim with a direction is refuted where there is nothing. On the boundary of a threshold, where most tests are
    silent, only the wrong positives count.
    """
    row = hypotheses.get(case.claim)
    if world == "true":
        return ASSOCIATION if case.association or (row.causal and case.rung < "D") else SUPPORTED
    parts = row.rule.parts.values() if isinstance(row.rule, Compound) else ()
    rules = [part.rule for part in parts if part.speaks != "for"] if parts else [row.rule]
    directed = any(isinstance(rule, Directional) for rule in rules)
    return CONTRADICTED if world == "reversed" or (world == "null" and directed and not case.edge) else ""


def tried(case: Case, world: str, n: int) -> dict[str, Any]:
    """The verdicts of a claim's test in `n` worlds of a kind, and whether their rates are what they should be."""
    words: Counter[str] = Counter()
    held, looks, begun = [], list[str](), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(n):
            found = draw(case, world, number)
            words[said(case, found)] += 1
            looks += [look(case, world, found)] if number < LOOKS else []
            answer = found.get(case.part) if isinstance(found, Mapping) else found
            if world in case.truth and isinstance(answer, Estimate):
                held.append(answer.low <= case.truth[world] <= answer.high)
    told: dict[str, Any] = {"claim": case.claim, "world": world, "artefact": None, "removable": None, "n": n}
    told |= {word.replace(" ", "_"): words[word] for word in VERDICTS} | _rates(case, world, words, n)
    told |= {"intervals": len(held)} | _judged("covered", sum(held), len(held), worlds.COVERED)
    told |= _stated(case, world) | {"seed": SEED, "looks": " ".join(looks)}
    told["cpu_seconds"] = round((time.process_time() - begun) / n, 4)
    known = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return told | {"versions": f"Python {sys.version.split()[0]}, {known}"}


def _stated(case: Case, world: str) -> dict[str, Any]:
    """What a row says of its case, whatever came out."""
    seems = {"artefact": case.artefact, "removable": case.removable} if world == "artefact" else {}
    return {"size": case.size, "rung": case.rung, "plan": case.plan, "digest": digest(case)} | seems


def _rates(case: Case, world: str, words: Counter[str], n: int) -> dict[str, Any]:
    """Rates of right and of wrong verdicts, each with its interval, and whether they lie where they must."""
    wanted, sure, asked = right(case, world), words[SUPPORTED], dict[str, Any]()
    if wanted:
        asked["right at least 80%"] = _judged("right", words[wanted], n, RIGHT)
    if world == "artefact" and not case.removable:
        asked["never supported"] = _judged("positive", sure, n, NEVER)
    elif world != "true":
        asked["wrongly positive at most 5%"] = _judged("positive", sure + words[ASSOCIATION], n, WRONG)
    rates = _judged("right", 0, 0, RIGHT) | _judged("positive", 0, 0, WRONG)
    for one in asked.values():
        rates |= one
    held = all(one[name] for one in asked.values() for name in one if name.endswith("_holds"))
    return rates | {"bound": "; ".join(asked), "holds": held}


def _judged(name: str, hits: int, n: int, within: tuple[float, float]) -> dict[str, Any]:
    """A rate with its interval and whether it holds; empty where nothing was asked."""
    found: Sequence[Any] = worlds.judged(hits, n, within=within) if n else [np.nan] * 4
    return dict(zip((name, f"{name}_low", f"{name}_high", f"{name}_holds"), found, strict=True))


# --- What a row rests on --------------------------------------------------------------------------------------------


def look(case: Case, world: str, found: findings.Evidence) -> str:
    """A fingerprint of one answer: its ends to nine digits, its verdict, and what is asked of both."""
    row, told = hypotheses.get(case.claim), found if isinstance(found, Mapping) else {"": found}
    ends = {
        part: [f"{end:.9g}" for end in (one.value, *one.interval(), *one.interval(0.9))]
        for part, one in told.items()
        if isinstance(one, Estimate)
    }
    asked = [row.rule.as_dict(), case.removable, case.part, case.truth.get(world), right(case, world)]
    return f"{zlib.crc32(json.dumps([ends, said(case, found), asked], sort_keys=True).encode()):08x}"


def carried(case: Case, world: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """A stale row with the digest of today, where the first worlds are answered as when it was made; else `None`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, before in enumerate(str(row["looks"]).split()):
            if look(case, world, draw(case, world, number)) != before:
                return None
    return {**row, **_stated(case, world)}


@functools.cache
def digest(case: Case) -> str:
    """A fingerprint of what decides a case's rates: its rule, its world, its test, and what those reach of our own."""
    seen: dict[str, str] = {"rule": json.dumps(hypotheses.get(case.claim).rule.as_dict(), sort_keys=True)}
    todo: list[Any] = [case.world, case.ask]
    while todo:
        one = todo.pop()
        if isinstance(one, functools.partial):
            todo += [one.func, *one.args, *one.keywords.values()]
            continue
        if not isinstance(one, types.FunctionType | type) or not one.__module__.startswith("analysis"):
            continue
        one = inspect.unwrap(one) if isinstance(one, types.FunctionType) else one
        if getattr(getattr(one, "__code__", None), "co_filename", "") == "<string>":  # written by a dataclass
            continue
        if (key := f"{one.__module__}.{one.__qualname__}{getattr(one, '__code__', '')}") not in seen:
            seen[key] = inspect.getsource(one)
            todo += _reached(one, seen)
    told = hashlib.sha256("\n".join(sorted(seen.values())).encode())
    return told.hexdigest()[:12]


def _reached(one: Any, seen: dict[str, str]) -> Iterator[Any]:
    """The functions and classes of this package that a function or a class names; plain values are noted as seen."""
    if isinstance(one, type):
        yield from vars(one).values()
        return
    names = set(_names(one.__code__))
    given = [cell.cell_contents for cell in one.__closure__ or ()]
    given += [one.__globals__[name] for name in names if name in one.__globals__]
    modules = [
        value for value in given if isinstance(value, types.ModuleType) and value.__name__.startswith("analysis")
    ]
    given += [vars(module)[name] for module in modules for name in names if name in vars(module)]
    for value in given:
        if isinstance(value, int | float | str | tuple | dict | np.ndarray) and " at 0x" not in repr(value):
            seen[repr(value)] = repr(value)
        yield value


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


# --- All of them ----------------------------------------------------------------------------------------------------


def cases() -> dict[str, Case]:
    """Every case, by claim. They name the pages' tests, which come after this module; so they are asked for by name."""
    return import_module("analysis.cases").CASES


def _tried(claim: str, world: str, n: int, row: Mapping[str, Any] | None) -> dict[str, Any]:
    case = cases()[claim]
    return (carried(case, world, row) if row and row["n"] >= n else None) or tried(case, world, n)


def stale(table: pd.DataFrame) -> list[bool]:
    """Which rows of the table are of a test, a world or a plan that has changed since, or that is no more."""
    known = cases()
    told = zip(table["claim"], table["digest"], table["plan"], strict=True)
    return [claim not in known or (digest(known[claim]), known[claim].plan) != (of, plan) for claim, of, plan in told]


def run(claims: Sequence[str], *, jobs: int, times: int = 0) -> pd.DataFrame:
    """Try claims out, the cheap ones first; without `times` each row goes into the table as soon as it is there.

    What is in the table already stays, and what is stale is carried over where it may be.

    Returns:
        One row a claim and world, those that were there already included unless `times` is given.
    """
    known, table = cases(), kept()
    old = np.array(stale(table), bool)
    counts = {} if times else {tuple(row[:2]): row[2] for row in table.loc[~old, KEY].to_numpy()}
    records: list[Any] = [] if times else table[old].to_dict("records")
    before = {(row["claim"], row["world"]): row for row in records}
    chosen = sorted((known[claim] for claim in claims), key=lambda case: (case.few, case.dear))
    todo = [
        (case.claim, world)
        for case in chosen
        for world in case.worlds
        if counts.get((case.claim, world), 0) < case.times(world) or times
    ]
    rows, begun = [], time.monotonic()
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")  # read as a fresh process begins
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        tasks = {pool.submit(_tried, *one, times or known[one[0]].times(one[1]), before.get(one)): one for one in todo}
        for place, task in enumerate(as_completed(tasks), 1):
            told = f"{place} of {len(todo)}, {time.monotonic() - begun:.0f} s: {' '.join(tasks[task])}"
            if error := task.exception():
                print(f"{told}: {error!r}", file=sys.stderr)
                continue
            rows.append(task.result())
            print(told, file=sys.stderr)
            if not times:
                keep(rows[-1])
    return pd.DataFrame(rows) if times else kept()


def keep(row: Mapping[str, Any]) -> None:
    """Put a row into the table, in the order of the register."""
    table = kept()
    others = table[(table["claim"] != row["claim"]) | (table["world"] != row["world"])]
    order = {claim: place for place, claim in enumerate(hypotheses.REGISTER)}
    whole = pd.DataFrame([*others.to_dict("records"), row])
    places = pd.DataFrame({"claim": whole["claim"].map(order), "world": whole["world"].map(WORLDS.index)})
    whole = whole.loc[places.sort_values(["claim", "world"]).index]
    fresh = TABLE.with_suffix(".new")
    whole.to_csv(fresh, index=False, float_format="%.4f")
    fresh.replace(TABLE)


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("claims", nargs="*", metavar="ID", help="rows of the register; all that have a case without")
    options.add_argument("--worlds", type=int, default=0, help="of each kind, to try out; printed and not kept")
    options.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    given = options.parse_args()
    known = cases()
    if unknown := [claim for claim in given.claims if claim not in known]:
        options.error(f"no case for {unknown[0]}; there are {', '.join(known)}")
    table = run(given.claims or list(known), jobs=given.jobs, times=given.worlds)
    shown = table[table["claim"].isin(given.claims or known)]
    print(shown[PRINTED].rename(columns=spoken).to_string(index=False, na_rep=""))


if __name__ == "__main__":
    main()
