"""Further questions about who will buy again: single customers, one-time buyers, seasons, even times, traits, money."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy  # its parts load when they are first used

from analysis import buying, foresight, holdout, order_values, regularity
from analysis.estimates import NotTestable, in_brief, need, needed, sample, told
from analysis.exhibits import Table, Text, instead, say
from analysis.lifetimes import chosen
from analysis.prospects import Outlook
from analysis.studies import Study
from analysis.traits import fit_traits
from analysis.words import count, quantity

LIVES, LEVEL = 200, 0.05  # drawn for each customer; of tests
LEAST, SHORTEST = 5, 6  # orders expected in a month that is shown; such months


def singly(outlook: Outlook) -> Text:
    """How wide the limits of a single customer are, and how often the orders that came lay inside them."""
    (name, fit), rows = outlook.lead, sample(outlook.rows)
    weight = rows["weight"].to_numpy()
    ahead = foresight.orders_ahead(fit, rows, outlook.weeks, draws=LIVES, seed=outlook.seed)
    inside = weight @ rows["later"].between(ahead["least"], ahead["most"]) / weight.sum()
    back = ahead[rows["repeats"] > 0].sort_values("value")
    middle = back.iloc[len(back) // 2]
    return say(
        "For each customer {} sets limits between which the orders should lie with a chance of 95% or more, and for {} "
        "of the customers they did. The limits are wide, because chance is: {} to {} orders, where {} are expected.",
        *(name, quantity(inside, "share")),
        *(count(middle["least"]), count(middle["most"]), quantity(middle["value"], "ratio")),
    )


def one_time(outlook: Outlook) -> pd.DataFrame | Text:
    """What each model makes of customers without a repeat order, and what came.

    Returns:
        One row a model and one for what came: model, struck_off (share who by the model have rather left than not),
        came_back (share of these who ordered again; of all in the last row), expected (orders of a customer on the
        hold-out), customers.
    """
    rows = outlook.rows[outlook.rows["repeats"] == 0]
    if rows.empty:
        return say("Every customer had a repeat order, so it does not matter here what a model makes of the others.")
    weight, back = rows["weight"].to_numpy(), rows["later"].to_numpy() > 0
    gone = np.array([weight * (fit.model.alive(rows) < 0.5) for fit in outlook.fits.values()])
    orders = [weight @ fit.model.expected(rows, outlook.weeks) for fit in outlook.fits.values()]
    n, struck = weight.sum(), np.append(gone.sum(axis=1), np.nan)
    table = pd.DataFrame({"model": [*outlook.fits, "what came"], "struck_off": struck / n})
    of = pd.Series(struck).fillna(n).where(lambda count: count > 0)
    table["came_back"] = np.append(gone @ back, weight @ back) / of
    return table.assign(expected=np.append(orders, weight @ rows["later"]) / n, customers=n)


@instead("The log is too short to tell a season.")
def season(outlook: Outlook) -> Text:
    """Whether repeat orders of single months lie further from the model than chance would put them."""
    name, fit = outlook.lead
    table = holdout.tracking(fit, outlook.bought, until=outlook.until)
    days_ago = 7 * (table["week"].max() - table["week"])
    ends = pd.Timestamp(outlook.bought.observed_until) - pd.to_timedelta(days_ago, unit="D")
    weekly = table[["actual", "model"]].diff().fillna(table[["actual", "model"]])
    months = weekly.groupby(pd.DatetimeIndex(ends).to_period("M")).sum()
    months = months[months["model"] >= LEAST].rename(index=lambda month: month.strftime("%B %Y"))
    place, ratio = np.arange(len(months)), months["actual"] / months["model"]
    need(len(months) >= SHORTEST, "")
    # A model that errs more and more is no season: three terms of a slow drift are taken off.
    drift = np.polyval(np.polyfit(place, ratio, 2, w=np.sqrt(months["model"])), place)
    expected = (months["model"] * drift).clip(lower=LEAST)
    share, strange = months["actual"] / expected, ((months["actual"] - expected) ** 2 / expected).sum()
    moved = scipy.special.chdtrc(len(months) - 3, strange) < LEVEL
    return say(
        "By the month, repeat orders lay between {} ({}) and {} ({}) of what {} expected, its slow drift set right; "
        "chance alone would move a month by about {}. {}",
        *(quantity(share.min(), "share"), share.idxmin(), quantity(share.max(), "share"), share.idxmax(), name),
        quantity(float((1 / np.sqrt(expected)).mean()), "share"),
        "Something that no model here knows moves all customers at once: a season, a campaign or prices. Only months "
        "that come round several times could tell a season from the others."
        if moved
        else "There is no sign of a season.",
    )


@instead("Whether customers order at even times cannot be told. {}")
def regular(outlook: Outlook) -> Text:
    """Whether customers order at more even times than by chance, and what a model that knows of it gains."""
    gaps = regularity.gaps(outlook.bought, until=outlook.until)
    even, found = needed(regularity.evenness(gaps)), needed(regularity.fit_regular(outlook.rows, gaps))
    best = max(found, key=lambda k: found[k].log_likelihood)
    gain = in_brief(holdout.gain(found[best], outlook.rows, seed=outlook.seed))
    use = "so no model here needs one" if best == 1 else f"and it removes {gain} of the naive rule's squared error"
    return say(
        "Evenness of the times between orders: {}. 1 is what chance makes; far above it, customers order by a clock of "
        "their own. Of four MBG/NBD models, in which an order is every first, second, third or fourth tick of such a "
        "clock, the {} is the likeliest, {}.",
        *(told(even), ["first", "second", "third", "fourth"][best - 1], use),
    )


def traits(outlook: Outlook, study: Study, covariates: Sequence[str]) -> list[Text | Table]:
    """What customers are known by, on the rates of the likeliest model: a sentence, and a table of the effects."""
    names = chosen(study.table("customers"), covariates) if study.has("customers") else []
    if not (outlook.fits and names):
        none = "Nothing but their orders is known of these customers: no table customers tells of covariates."
        return [say("{}", none if outlook.fits else outlook.told)]
    known, (name, fit) = study.table("customers"), max(outlook.fits.items(), key=lambda each: each[1].log_likelihood)
    rows = buying.summarise(outlook.bought, until=outlook.until, described=known, by=names)
    if isinstance(found := fit_traits(rows, names, type(fit.model)), NotTestable):
        return [say("What is known of the customers could not be used. {}", found.reason)]
    gains = [in_brief(holdout.gain(each, found.rows, seed=outlook.seed)) for each in (found.plain, found.fit)]
    table = found.terms.drop(columns="step").reset_index(drop=True)
    for what, leaving in {"buying": False, "leaving": True}.items():
        table[what] = [in_brief(found.effect(place, leaving=leaving)) for place in table.index]
    sentence = say(
        "What is known of the customers {} (likelihood-ratio test, p {}). The share of the naive rule's squared error "
        "that {} removes is {} without it and {} with it. {}",
        "tells who buys more or leaves sooner"
        if found.p < LEVEL
        else "tells no more of buying and leaving than chance",
        "below 0.001" if found.p < 0.001 else f"= {found.p:.3f}",
        *(name, *gains, " ".join(found.notes)),
    )
    title = "What the rate of buying, and the rate or odds of leaving, are multiplied by"
    return [sentence, Table(name="traits", title=title, rows=table, caption="With 95% intervals.")]


def order_money(outlook: Outlook) -> pd.DataFrame:
    """Money a repeat order, by repeat orders up to the cut: repeats, customers, value, low, high (means over them)."""
    rows = order_values.spend(outlook.bought, until=outlook.until)
    bands = pd.cut(rows["repeats"], [0, 1, 2, 3, 6, np.inf], labels=["1", "2", "3", "4 to 6", "7 or more"])
    each = pd.DataFrame({"customers": 1.0, "value": rows["mean"], "square": rows["mean"] ** 2})
    sums = each.mul(rows["weight"], axis=0).groupby(bands, observed=True).sum()
    table, n = sums.div(sums["customers"], axis=0), sums["customers"]
    half = 1.96 * np.sqrt((table.pop("square") - table["value"] ** 2).clip(lower=0) / (n - 1).clip(lower=1))
    return table.assign(customers=n, low=table["value"] - half, high=table["value"] + half).reset_index()
