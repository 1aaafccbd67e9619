"""What if? Sliders in JupyterLab over what the answer to the 5% claim rests on; a still figure where nobody can slide.

The same arithmetic as page 23: every yearly rate of the curve is moved by some points first, then improved as the
claim asks, and the value of a customer is compared before and after, net of what winning them cost.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis import figures, value
from analysis.estimates import Answer, NotTestable, columns, told
from analysis.exhibits import Figure, Text, say
from analysis.hypotheses.rules import Range
from analysis.renewal import RetentionCurve
from analysis.value import CAP, Costs, growth, readings
from analysis.words import quantity, setting

MOVES = np.arange(-20, 11) / 100  # points by which the retention of the data is moved
RUNNER = "LOYALTY_FINDINGS"  # stands in the environment of a notebook that a report runs


@dataclass(frozen=True)
class Setting:
    """Where the sliders stand.

    Attributes:
        moved: points added to every yearly rate before anything else, as a share.
        margin: share of revenue left.
        discount_rate: a year.
        acquisition_cost: to win one customer, as a share of a customer's yearly revenue.
    """

    moved: float = 0.0
    margin: float = 1.0
    discount_rate: float = 0.10
    acquisition_cost: float = 0.0


def moved(curve: RetentionCurve, points: float) -> RetentionCurve:
    """The curve with every yearly rate and resample moved by so many points, within what a rate can be."""
    return replace(curve, rates=_shifted(curve.rates, points), draws=_shifted(curve.draws, points))


def _shifted(rates: np.ndarray, points: float) -> np.ndarray:
    return rates if points == 0 else np.clip(rates + points, 0.0, CAP)


def answer(curve: RetentionCurve | NotTestable, at: Setting, *, change: float, years: int) -> Answer:
    """Growth of a customer's value, net of acquisition cost, from `change` more points of retention."""
    if isinstance(curve, NotTestable):
        return curve
    return growth(
        moved(curve, at.moved),
        readings(change)[0],
        change=change,
        years=years,
        discount_rate=at.discount_rate,
        burden=at.acquisition_cost / at.margin,
    )


@dataclass(frozen=True)
class Panel:
    """Sliders in JupyterLab; in a report, and wherever widgets cannot run, the figure at the starting values.

    Attributes:
        curve: yearly retention, or why there is none.
        start: where the sliders begin.
        rule: of the claim, which judges what the sliders give.
        change, years: as in `value.growth`.
    """

    curve: RetentionCurve | NotTestable
    start: Setting
    rule: Range
    change: float
    years: int

    def table(self, at: Setting) -> pd.DataFrame:
        """Growth along every move of retention that leaves one: x (points), y, low, high, line."""
        answers = {x: answer(self.curve, replace(at, moved=x), change=self.change, years=self.years) for x in MOVES}
        rows = pd.DataFrame([{"x": x, **columns(found)} for x, found in answers.items()])
        return rows.assign(line=readings(self.change)[0]).dropna(subset="value").rename(columns={"value": "y"})

    def figure(self, at: Setting) -> Figure | Text:
        """The growth along every move of retention, at the other sliders' values."""
        rows = self.table(at)
        if rows.empty:
            return say("There is nothing to try out: {}", getattr(self.curve, "reason", "costs exceed every value."))
        low, high = self.rule.low, self.rule.high
        return figures.sweep(
            rows,
            name="what-if",
            title=f"{readings(self.change)[0].capitalize()} bring {self.short(at)}, with the sliders where they stand",
            x_label="points added to every yearly retention rate before the change",
            x_unit="points",
            y_label="Growth of a customer's value, net of winning them",
            y_unit="growth",
            bands=[(low, high, "claimed")],
            mark=at.moved,
            mark_label="here",
            caption=f"Over {self.years} years, margin {setting(at.margin)}, discount "
            f"{setting(at.discount_rate)} a year, winning a customer costs "
            f"{setting(at.acquisition_cost)} of their yearly revenue. Band: 95% interval.",
        )

    def short(self, at: Setting) -> str:
        """The growth at a setting, without its interval."""
        found = answer(self.curve, at, change=self.change, years=self.years)
        return "no growth that can be told" if isinstance(found, NotTestable) else quantity(found.value, "growth")

    def verdict(self, at: Setting) -> Text:
        """What the claim's rule says of this setting; it judges the sliders and is recorded nowhere."""
        found = answer(self.curve, at, change=self.change, years=self.years)
        return say("Growth {}. With these sliders the claim would be {}.", told(found), self.rule.judge(found).word)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.figure(self.start) if RUNNER in os.environ else self.widget())

    def widget(self) -> Any:
        """The sliders with the figure below them, for a live notebook."""
        import ipywidgets
        from IPython.display import display

        wide = {"style": {"description_width": "16em"}, "layout": {"width": "36em"}, "continuous_update": False}
        form = {"readout_format": ".0%", **wide}

        def slider(named: str, start: float, low: float, high: float, step: float = 0.01) -> Any:
            return ipywidgets.FloatSlider(start, min=low, max=max(high, start), step=step, description=named, **form)

        sliders = {
            "moved": slider("Retention, moved by", self.start.moved, MOVES[0], MOVES[-1]),
            "margin": slider("Margin, share of revenue", self.start.margin, 0.01, 1.0),
            "discount_rate": slider("Discount rate, a year", self.start.discount_rate, 0.0, 0.5),
            "acquisition_cost": slider("Winning one, share of a year", self.start.acquisition_cost, 0.0, 3.0, 0.05),
        }

        def show(**at: float) -> None:
            display(self.verdict(Setting(**at)), self.figure(Setting(**at)))

        return ipywidgets.VBox([*sliders.values(), ipywidgets.interactive_output(show, sliders)])


def panel(
    curve: RetentionCurve | NotTestable, costs: Costs, *, change: float, years: int, discount_rate: float, rule: Any
) -> Panel:
    """The panel of a study: sliders begin at what is known of its costs.

    Args:
        curve: yearly retention, or why there is none.
        costs: margin, yearly revenue and acquisition cost; what is unknown begins at all of revenue, and at nothing.
        change, years: as in `value.growth`.
        discount_rate: a year.
        rule: the claim's.
    """
    cost = (costs.acquisition_cost or 0.0) / costs.annual_revenue if costs.annual_revenue else 0.0
    start = Setting(0.0, costs.margin or 1.0, discount_rate, cost)
    value.horizons(curve, horizon_years=years)
    return Panel(curve, start, rule, change, years)
