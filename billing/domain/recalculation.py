"""Lines as they are against lines as they should be: what changes, and why. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple


class LineState(NamedTuple):
    """What decides whether a line changed."""

    description: str
    amount: Decimal
    tax: Decimal
    quantity: Decimal | None
    model: Any  # the charge model's data; None for minimums
    discounts: Any
    explanation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LineChange:
    """One line before and after; ``None`` means the line is not there."""

    key: str
    description: str
    before: Decimal | None
    after: Decimal | None
    cause: str


def changed_lines(
    *, before: Mapping[str, LineState], after: Mapping[str, LineState]
) -> tuple[LineChange, ...]:
    """Compare a draft with its recalculation by line key, in key order; equal lines drop out."""
    changes = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        shown = new or old
        changes.append(
            LineChange(
                key,
                shown.description if shown else "",
                old.amount if old else None,
                new.amount if new else None,
                cause_of(old, new),
            )
        )
    return tuple(changes)


def cause_of(old: LineState | None, new: LineState | None) -> str:
    """Name the first reason, in the order the line is computed, why two lines differ."""
    shown = new or old
    if shown is not None and shown.explanation.get("kind") == "billed":
        return "billed"
    if shown is not None and shown.explanation.get("kind") == "credit":
        return "credit"
    if old is None:
        return "new"
    if new is None:
        return "ended"
    if old.model != new.model:
        return "price"
    if old.quantity != new.quantity:
        return "usage" if new.explanation.get("is_usage") else "quantity"
    if old.discounts != new.discounts:
        return "discount"
    if old.explanation.get("factor") != new.explanation.get("factor"):
        return "period"
    if old.amount != new.amount:
        return "minimum" if new.explanation.get("kind") == "minimum" else "price"
    if old.tax != new.tax:
        return "tax"
    return "details"
