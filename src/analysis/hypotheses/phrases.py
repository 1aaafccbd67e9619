"""Phrases that many rows of the register share: what fools a naive reading, and what data must have at least."""

from __future__ import annotations

# What fools a naive reading.
SURVIVORS = "groups formed by how things turned out compare survivors with the lost"
IMMORTAL_TIME = "a customer must last long enough to join a group, so its members seem to last longer"
LATE_ENTRY = "customers who left before watching began are missing"
REGRESSION = "extreme values drift back to the average by themselves"
ONE_SOURCE = "cause and effect are read from the same questionnaire"
CEILING = "answers crowd at the end of the scale"
DIFFERENCE_SCORE = "a difference of two scores is unreliable and hides which half does the work"
NON_RESPONSE = "those who answer differ from those who do not"
REVERSED = "the effect may run the other way"
UNITS_NOT_CUSTOMERS = "what holds between branches need not hold between customers"
SORTING = "weak customers leave first, so the rest look better though nobody changed"
SELF_SELECTION = "customers choose the treatment themselves"
COST_SPLIT = "shared costs are divided by convention"
BY_DEFINITION = "partly true by definition"
MANY_TESTS = "many tests at once"

# What the data must have before any verdict; less is "not testable".
EVENTS = "At least 30 events in each group compared; groups with fewer are joined or dropped, and the page says so."
ANSWERS = "At least 100 customers with paired answers."
UNITS = "At least 20 branches, teams or firms."
ARMS = "A control arm, and at least 100 cases in each arm."

# How far an outcome is impossible without a condition, beyond what plain correlation would show (Dul 2016).
NECESSITY = (
    "empty area above the ceiling line, as a share of the possible area, minus its mean in data simulated from an "
    "additive model of equal margins and correlation; the interval is the wider of subsampling and that simulation"
)
