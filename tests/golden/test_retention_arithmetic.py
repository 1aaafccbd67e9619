"""Golden numbers of the retention arithmetic: a constant yearly rate, for ever.

Every number is the closed form worked by hand or by an independent script from r and i alone. The margin multiples
and elasticities are those of the tables in Gupta & Lehmann (2003) and Gupta, Lehmann & Stuart (2004), to the digits
given; the growths under three readings of "5%" follow from them.
"""

import numpy as np
import pytest

from analysis import value
from analysis.renewal import LONG

# Half a unit in the fourth printed decimal.
PRINTED = 5e-5
DISCOUNTS = (0.10, 0.12, 0.14, 0.16)

MARGIN_MULTIPLES = {
    0.6: (1.2000, 1.1538, 1.1111, 1.0714),
    0.7: (1.7500, 1.6667, 1.5909, 1.5217),
    0.8: (2.6667, 2.5000, 2.3529, 2.2222),
    0.9: (4.5000, 4.0909, 3.7500, 3.4615),
}

ELASTICITIES = {
    0.6: (2.2000, 2.1538, 2.1111, 2.0714),
    0.7: (2.7500, 2.6667, 2.5909, 2.5217),
    0.8: (3.6667, 3.5000, 3.3529, 3.2222),
    0.9: (5.5000, 5.0909, 4.7500, 4.4615),
    0.95: (7.3333, 6.5882, 6.0000, 5.5238),
}

# (i, r): growth in per cent, convention A then B, each as plus 5 points, times 1.05, churn times 0.95.
READINGS = {
    (0.00, 0.75): ((33.33, 23.53, 7.02), (25.00, 17.65, 5.26)),
    (0.00, 0.80): ((41.67, 31.25, 6.58), (33.33, 25.00, 5.26)),
    (0.00, 0.90): ((111.11, 90.91, 5.85), (100.00, 81.82, 5.26)),
    (0.10, 0.70): ((22.45, 15.07, 6.12), (14.29, 9.59, 3.90)),
    (0.10, 0.80): ((27.50, 21.15, 4.74), (20.00, 15.38, 3.45)),
    (0.10, 0.90): ((40.74, 35.48, 3.13), (33.33, 29.03, 2.56)),
    (0.12, 0.80): ((25.93, 20.00, 4.52), (18.52, 14.29, 3.23)),
}

BASELINES = {0.25: 0.75000, 0.35: 0.80714, 0.85: 0.89118, 0.95: 0.89737, 1.00: 0.90000}


@pytest.mark.parametrize("retention", MARGIN_MULTIPLES)
def test_margin_multiples(retention):
    rates = np.full(LONG, retention)
    computed = [value.customer_years(rates, convention="A", discount_rate=i) for i in DISCOUNTS]
    assert computed == pytest.approx(MARGIN_MULTIPLES[retention], abs=PRINTED)


@pytest.mark.parametrize("retention", ELASTICITIES)
def test_retention_elasticities(retention):
    rates = np.full(LONG, retention)
    computed = [value.duration(rates, convention="A", discount_rate=i) for i in DISCOUNTS]
    assert computed == pytest.approx(ELASTICITIES[retention], abs=PRINTED)


@pytest.mark.parametrize("case", READINGS)
def test_three_readings_of_five_per_cent_in_closed_form(case):
    discount_rate, retention = case
    names = value.readings(0.05)
    changes = [value.improve(np.array([retention]), name, change=0.05)[0] - retention for name in names]
    computed = [100 * value.constant_growth(retention, c, discount_rate=discount_rate) for c in changes]
    # Half a unit in the second printed decimal.
    assert computed == pytest.approx(READINGS[case][1], abs=5e-3)


@pytest.mark.parametrize("case", READINGS)
@pytest.mark.parametrize("convention", ["A", "B"])
def test_a_long_curve_of_one_rate_gives_the_same_growths(case, convention):
    discount_rate, retention = case
    rates = np.full(LONG, retention)
    before = value.customer_years(rates, convention=convention, discount_rate=discount_rate)
    after = [
        value.customer_years(
            value.improve(rates, name, change=0.05), convention=convention, discount_rate=discount_rate
        )
        for name in value.readings(0.05)
    ]
    # Half a unit in the second printed decimal; 0.95 to the power of 400 adds nothing to that.
    assert 100 * (np.array(after) / before - 1) == pytest.approx(READINGS[case]["AB".index(convention)], abs=5e-3)


@pytest.mark.parametrize("growth", BASELINES)
def test_baseline_that_five_points_need_for_a_growth(growth):
    # Half a unit in the fifth printed decimal.
    assert value.baseline_needed(growth, change=0.05, discount_rate=0.0) == pytest.approx(BASELINES[growth], abs=5e-6)


def test_at_ten_per_cent_discount_no_baseline_up_to_ninety_gives_more_than_a_third():
    growths = value.constant_growth(np.linspace(0.5, 0.90, 81), 0.05, discount_rate=0.10)
    assert growths.max() == growths[-1] == pytest.approx(1 / 3)  # 0.05 / 0.15


def test_at_ten_per_cent_discount_and_ninety_five_the_growth_is_50():
    assert value.constant_growth(0.95, 0.05, discount_rate=0.10) == pytest.approx(0.5)


def test_halving_defection_from_ten_to_five_per_cent_doubles_a_customers_years():
    # Ten years become twenty: the whole of the claim's upper end, in the head. 0.95 to the power of 400 is 1e-9.
    years = [value.customer_years(np.full(LONG, retention), convention="B") for retention in (0.90, 0.95)]
    assert years == pytest.approx([10, 20], abs=1e-6)
