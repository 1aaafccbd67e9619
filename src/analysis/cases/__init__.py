"""Simulated worlds in which each claim is true, empty, reversed or only seems true: a module a topic, named `CASES`.

Every module of this package is gathered by itself; one case a claim.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.calibration import Case

CASES: dict[str, Case] = {
    case.claim: case
    for place in pkgutil.iter_modules(__path__)
    for case in import_module(f"{__name__}.{place.name}").CASES
}
