"""Reference answers of the program plspm for tests/golden/test_path_models.py, on the European mobile phone survey.

It is no part of this project's environment (GPL). Run in this folder, in an environment of its own:

    pip install plspm==0.5.7 "pandas<3"
    python plspm_paths.py > plspm_paths.csv

`Scale.NUM` standardises each item by its own spread; the program's `scaled=True` alone takes one spread for all.
"""

import pandas as pd
import plspm.config as c
from plspm.mode import Mode
from plspm.plspm import Plspm
from plspm.scale import Scale
from plspm.scheme import Scheme

answers = pd.read_csv("../../data/raw/mobile.csv")
blocks = {
    "image": "IMAG",
    "expectation": "CUEX",
    "quality": "PERQ",
    "value": "PERV",
    "satisfaction": "CUSA",
    "complaint_handling": "CUSCO",
    "loyalty": "CUSL",
}
effects = {
    "image": ["expectation", "satisfaction", "loyalty"],
    "expectation": ["quality", "value", "satisfaction"],
    "quality": ["value", "satisfaction"],
    "value": ["satisfaction"],
    "satisfaction": ["complaint_handling", "loyalty"],
    "complaint_handling": ["loyalty"],
}

print("mode,scheme,quantity,first,second,value")
for mode in (Mode.A, Mode.B):
    for scheme in (Scheme.CENTROID, Scheme.FACTORIAL, Scheme.PATH):
        paths = c.Structure()
        for cause, into in effects.items():
            paths.add_path([cause], into)
        config = c.Config(paths.path(), scaled=True, default_scale=Scale.NUM)
        for name, start in blocks.items():
            config.add_lv_with_columns_named(name, mode, answers, start)
        fit = Plspm(answers, config, scheme, iterations=1000, tolerance=1e-12)
        rows = [("loading", item, "", row["loading"]) for item, row in fit.outer_model().iterrows()]
        rows += [("explained", name, "", row["r_squared"]) for name, row in fit.inner_summary().iterrows()]
        for _, row in fit.effects().iterrows():
            rows += [(kind, row["from"], row["to"], row[kind]) for kind in ("direct", "indirect", "total")]
        for row in rows:
            print(mode.name, scheme.name.lower(), *row[:3], f"{row[3]:.9f}", sep=",")
