"""Reference answers of the program ncapackage, a port of R's NCA, for tests/golden/test_ceilings.py.

It is no part of this project's environment (GPL, and it needs Python 3.12). Run in this folder, in an environment of
its own, with `pip install ncapackage==1.0.0`:

    python nca_ceilings.py > nca_ceilings.csv

Conditions and outcome are mean answers of the European mobile phone survey. Bottlenecks are in per cent of the ranges,
rounded by the program to one decimal; -1 stands where the condition is not needed.
"""

import pandas as pd
from nca.nca import nca_analysis

answers = pd.read_csv("../../data/raw/mobile.csv")
starts = {"satisfaction": "CUSA", "image": "IMAG", "quality": "PERQ", "loyalty": "CUSL"}
scores = pd.DataFrame({name: answers.filter(regex=f"^{start}").mean(axis=1) for name, start in starts.items()})
kinds, conditions = ["ce_fdh", "cr_fdh"], ["satisfaction", "image", "quality"]
model = nca_analysis(scores, conditions, "loyalty", ceilings=kinds)

print("condition,kind,quantity,value")
for name in conditions:
    for kind in kinds:
        found = model["summaries"][name]["params"][kind]
        label = f"{name},{kind.upper().replace('_', '-')}"
        print(f"{label},effect size,{float(found['Effect size']):.9f}")
        print(f"{label},accuracy,{float(found['c-accuracy']) / 100:.9f}")
        table = model["bottlenecks"][kind]
        for row in range(len(table)):
            needed = str(table[name].iloc[row]).strip()
            print(f"{label},needed {float(table.iloc[row, 0]):.0f},{-1 if needed == 'NN' else float(needed)}")
