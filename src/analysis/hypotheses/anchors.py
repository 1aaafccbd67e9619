"""What was published about the size of an effect: for scale beside our own figures, never as a test."""

from __future__ import annotations

from collections.abc import Mapping

# Claim -> what was found, each with its source.
ANCHORS: Mapping[str, tuple[str, ...]] = {
    "R01": (
        "One per cent more retention, as a ratio, went with about 5% more firm value; one per cent more margin with "
        "1%, one per cent less cost of acquisition with .1% (Gupta, Lehmann & Stuart 2004).",
    ),
    "R06": (
        "How long customers stayed correlated with their profit at .45 in a grocer's, .30 in corporate services, .29 "
        "in brokerage and .20 in mail order (Reinartz & Kumar 2002).",
    ),
    "R13": (
        "Satisfaction and firm performance correlate at .101 over 251 correlations of 96 studies, and at .349 under "
        "the best circumstances (Otto and others 2020).",
    ),
    "S02": (
        "Among 100,040 buyers of cars, behaviour rose ever faster with satisfaction and intentions ever slower (Mittal "
        "& Kamakura 2001).",
    ),
    "V01": ("Satisfaction hung more on quality than on price in a national index (Fornell and others 1996).",),
    "L05": ("Referred customers of a bank were worth at least 16% more (Schmitt, Skiera & Van den Bulte 2011).",),
    "L06": (
        "One cross-buying customer in five lost the firm money, and those made up 70% of its losses from customers "
        "(Shah & Kumar 2012).",
    ),
    "L04": (
        "A recovery that delights lifts satisfaction above that of customers without a failure, and repurchase not (de "
        "Matos and others 2007).",
    ),
    "G09": ("Referred customers of a bank stayed longer, and their gap in margin faded (Schmitt and others 2011).",),
    "P06": ("Over 51 studies what a promotion left behind was nil on average (DelVecchio and others 2006).",),
    "P08": ("Customers won with a discount of 35% were worth about half as much in the long run (Lewis 2006).",),
    "I04": (
        "Over 21 firms and 15,500 interviews the net promoter score foretold growth no better than other measures "
        "(Keiningham and others 2007).",
    ),
}
