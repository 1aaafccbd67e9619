"""The tables a study may bring: what one row of each is, and which columns it has.

The contracts are data, so that checks, messages and documentation all read the same list.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["key", "time", "number", "integer", "money", "flag", "text"]


class LoyaltyError(Exception):
    """Something the user can mend; the message alone says where, what and how."""


class SettingsError(LoyaltyError):
    """The settings (studies.toml or the command line) ask for something that does not exist."""


class TableError(LoyaltyError):
    """A table cannot be used as it is."""


@dataclass(frozen=True)
class Column:
    """A column of a contract, under the name the project uses for it."""

    name: str
    kind: Kind
    required: bool
    meaning: str


@dataclass(frozen=True)
class Table:
    """What a table must and may contain.

    `alternatives` are groups of columns of which exactly one must be given whole.
    `unique` are the columns that together stand in one row only.
    `free` says that a user may add columns of their own (the setting `covariates`).
    """

    name: str
    one_row: str
    columns: tuple[Column, ...]
    alternatives: tuple[tuple[str, ...], ...] = ()
    unique: tuple[str, ...] = ()
    free: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The contract names of all columns, required ones first."""
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is spelt most like `name`, ignoring case ("" when nothing is known)."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.0)
    return by_lower[found[0]] if found else ""


def _required(name: str, kind: Kind, meaning: str) -> Column:
    return Column(name, kind, True, meaning)


def _optional(name: str, kind: Kind, meaning: str) -> Column:
    return Column(name, kind, False, meaning)


def _table(name: str, row: str, *columns: Column, **more: Any) -> Table:
    return Table(name, row, columns, **more)


_CUSTOMER = "who the row is about; any text or number that stays the same for one customer"
_PERIOD = "the first day of the period"

_TABLES = (
    _table(
        "orders",
        "an order or an order line",
        _required("customer_id", "key", _CUSTOMER),
        _required("ordered_at", "time", "when it was ordered"),
        _optional("amount", "money", "the money of the whole row; negative for money given back"),
        _optional("unit_price", "money", "the price of one piece; needs quantity"),
        _optional("quantity", "number", "pieces; negative for pieces sent back"),
        _optional("order_id", "key", "the invoice; several rows may share it"),
        _optional("margin", "money", "what is left of the amount after the cost of the goods"),
        _optional("category", "text", "the kind of product"),
        _optional("product_id", "key", "the product"),
        _optional("channel", "text", "where it was bought"),
        _optional("promotion_id", "key", "the promotion it was bought under"),
        _optional("discount", "money", "the money taken off"),
        _optional("returned", "flag", "whether the row is a return or a cancellation"),
        alternatives=(("amount",), ("unit_price", "quantity")),
    ),
    _table(
        "subscriptions",
        "one spell of one customer",
        _required("customer_id", "key", _CUSTOMER),
        _optional("started_at", "time", "when the spell began"),
        _optional("ended_at", "time", "when it ended; empty while the customer stays"),
        _optional("tenure", "number", "how long the spell lasted so far, in tenure_unit; 0 is a value"),
        _optional("churned", "flag", "whether the customer had left at the end of the tenure"),
        _optional("observed_from", "time", "when watching began: a day, or a tenure where tenure is given"),
        _optional("plan", "text", "the kind of contract"),
        _optional("price", "money", "what the customer pays in one tenure_unit"),
        _optional("end_reason", "text", "why the spell ended"),
        alternatives=(("started_at", "ended_at"), ("tenure", "churned")),
        free=True,
    ),
    _table(
        "customers",
        "a customer",
        _required("customer_id", "key", _CUSTOMER),
        _optional("acquired_at", "time", "when the customer was won"),
        _optional("channel", "text", "how the customer was won"),
        _optional("acquisition_cost", "money", "what winning the customer cost"),
        _optional("acquisition_discount", "money", "the discount that won the customer"),
        _optional("referred_by", "key", "the customer who recommended us"),
        _optional("margin", "money", "what the customer leaves in a year after the cost of the goods"),
        unique=("customer_id",),
        free=True,
    ),
    _table(
        "surveys",
        "one answered questionnaire",
        _optional("customer_id", "key", _CUSTOMER),
        _optional("answered_at", "time", "when it was answered"),
        _optional("wave", "text", "the round of the survey"),
        _optional("weight", "number", "how many people the answer stands for"),
        _optional("unit", "key", "the branch, team or firm it is about"),
    ),
    _table(
        "memberships",
        "a programme membership",
        _required("customer_id", "key", _CUSTOMER),
        _required("joined_at", "time", "when the customer joined"),
        _optional("left_at", "time", "when the membership ended; empty while it lasts"),
        _optional("tier", "text", "the level held"),
        _optional("tier_at", "time", "when the level was reached"),
        _optional("running_value", "number", "the points or money that decide the level"),
        _optional("invited", "flag", "whether the customer was invited to join"),
        _optional("reward_at", "time", "when a reward was given"),
        _optional("reward_value", "money", "what the reward was worth"),
        _optional("benefit", "text", "what the membership gives"),
    ),
    _table(
        "promotions",
        "a customer exposed to a promotion, or held out of it",
        _required("customer_id", "key", _CUSTOMER),
        _required("starts_at", "time", "when the promotion began"),
        _required("ends_at", "time", "when it ended"),
        _optional("promotion_id", "key", "which promotion"),
        _optional("assigned", "flag", "whether the customer was to get it (no for the held out)"),
        _optional("depth", "number", "the discount as a share of the price"),
        _optional("kind", "text", "the kind of promotion"),
    ),
    _table(
        "experiments",
        "one unit of a randomised trial",
        _required("arm", "text", "the treatment the unit was given by lot"),
        _optional("customer_id", "key", _CUSTOMER),
        _optional("assigned_at", "time", "when the lot was drawn"),
        _optional("control_arm", "text", "the name of the arm the others are compared with"),
        free=True,
    ),
    _table(
        "contacts",
        "a complaint, a failure or a service contact",
        _required("customer_id", "key", _CUSTOMER),
        _required("contacted_at", "time", "when it happened"),
        _required("kind", "text", "complaint, failure or the kind of contact"),
        _optional("severity", "number", "how bad it was; larger is worse"),
        _optional("first_reply_minutes", "number", "minutes until the first answer"),
        _optional("queue", "number", "how many were waiting when it came"),
        _optional("resolved_at", "time", "when it was settled; empty while it is open"),
        _optional("recovery_rating", "number", "how the customer rated the settlement"),
    ),
    _table(
        "referrals",
        "a referral",
        _required("referrer_id", "key", "the customer who recommended"),
        _required("referred_id", "key", "the customer who came"),
        _required("referred_at", "time", "when"),
    ),
    _table(
        "costs",
        "a customer in a period",
        _required("customer_id", "key", _CUSTOMER),
        _required("period", "time", _PERIOD),
        _optional("serving_cost", "money", "what serving the customer cost"),
        _optional("marketing_cost", "money", "what marketing to the customer cost"),
        _optional("hours", "number", "hours worked for the customer"),
        unique=("customer_id", "period"),
    ),
    _table(
        "finances",
        "a period",
        _required("period", "time", _PERIOD),
        _required("revenue", "money", "all revenue of the period"),
        _optional("variable_cost", "money", "cost that grows with revenue"),
        _optional("fixed_cost", "money", "cost that does not"),
        _optional("acquisition_spend", "money", "money spent on winning customers"),
        _optional("retention_spend", "money", "money spent on keeping customers"),
        _optional("acquisition_hours", "number", "hours spent on winning customers"),
        _optional("retention_hours", "number", "hours spent on keeping customers"),
        _optional("n_new", "integer", "customers won in the period"),
        _optional("n_lost", "integer", "customers lost in the period"),
        _optional("n_active", "integer", "customers at the end of the period"),
        unique=("period",),
    ),
    _table(
        "units",
        "a branch, team or firm in a period",
        _required("unit", "key", "the branch, team or firm"),
        _required("period", "time", _PERIOD),
        _optional("satisfaction", "number", "mean satisfaction of its customers"),
        _optional("retention", "number", "share of its customers who stayed (0 to 1)"),
        _optional("profit", "money", "its profit"),
        _optional("staff_satisfaction", "number", "mean satisfaction of its staff"),
        _optional("members_share", "number", "share of its customers in the programme (0 to 1)"),
        unique=("unit", "period"),
    ),
    _table(
        "rollouts",
        "an action started somewhere",
        _required("unit", "key", "the branch, team or firm"),
        _required("action", "text", "what was started"),
        _required("started_at", "time", "when"),
    ),
    _table(
        "operations",
        "a measured service event",
        _required("measured_at", "time", "when it was measured"),
        _optional("unit", "key", "the branch, team or firm"),
        _optional("staff_id", "key", "who served"),
        _optional("customer_id", "key", _CUSTOMER),
        free=True,
    ),
    _table(
        "touchpoints",
        "a contact on the journey",
        _required("customer_id", "key", _CUSTOMER),
        _required("touched_at", "time", "when"),
        _required("touchpoint", "text", "where: shop, site, call, letter …"),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
