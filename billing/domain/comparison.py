"""One invoice beside the one before it: what changed, by how much, and why. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

_RHYTHM_DAYS = 45  # a line that serves longer than this is not billed every month

LABELS = {
    "usage": "Usage",
    "quantity": "Seats",
    "price": "Price",
    "discount": "Discount",
    "minimum": "Minimum",
    "period": "Part of a period",
    "rhythm": "Billing rhythm",
    "new": "New",
    "ended": "Ended",
    "one_off": "One-off",
    "tax": "Tax",
}


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """What of an invoice line decides why it differs from last time's."""

    item_key: str
    description: str
    service_start: date
    service_end: date  # exclusive
    quantity: Decimal | None
    amount: Decimal
    tax: Decimal
    explanation: Any

    @property
    def days(self) -> int:
        return (self.service_end - self.service_start).days


@dataclass(frozen=True, slots=True)
class Difference:
    """One contract line then and now. ``cause`` is a key of ``LABELS``."""

    item_key: str
    description: str
    before: Decimal
    after: Decimal
    cause: str

    @property
    def change(self) -> Decimal:
        return self.after - self.before

    @property
    def label(self) -> str:
        return LABELS[self.cause]


def differences(
    before: Sequence[ComparedLine], after: Sequence[ComparedLine]
) -> tuple[Difference, ...]:
    """Compare two invoices by contract line, largest change first; equal lines drop out.

    The changes add up to the difference of the totals: tax is a line of its own.
    """
    keys = dict.fromkeys([line.item_key for line in (*after, *before)])
    found = []
    for key in keys:
        old = [line for line in before if line.item_key == key]
        new = [line for line in after if line.item_key == key]
        was, now = _sum(old), _sum(new)
        if was != now:
            shown = (new or old)[0]
            found.append(Difference(key, shown.description, was, now, _cause(old, new)))
    taxed_before = sum((line.tax for line in before), start=Decimal(0))
    taxed_after = sum((line.tax for line in after), start=Decimal(0))
    if taxed_before != taxed_after:
        found.append(Difference("", "Tax", taxed_before, taxed_after, "tax"))
    return tuple(sorted(found, key=lambda each: -abs(each.change)))


def main_cause(found: Sequence[Difference]) -> str:
    """Name the cause that moved most money, tax aside; empty if nothing changed."""
    moved: dict[str, Decimal] = {}
    for each in found:
        moved[each.cause] = moved.get(each.cause, Decimal(0)) + each.change
    if len(moved) > 1:
        moved.pop("tax", None)
    return max(moved, key=lambda cause: abs(moved[cause])) if moved else ""


def _sum(lines: Sequence[ComparedLine]) -> Decimal:
    return sum((line.amount for line in lines), start=Decimal(0))


def _cause(old: Sequence[ComparedLine], new: Sequence[ComparedLine]) -> str:
    if not old or not new:
        only = (old or new)[0]
        if only.explanation.get("kind") == "minimum":
            return "minimum"
        if only.days > _RHYTHM_DAYS:
            return "rhythm"
        if only.days == 1:
            return "one_off"
        return "new" if new else "ended"
    was, now = old[-1].explanation, new[-1].explanation
    if now.get("kind") == "minimum":
        return "minimum"
    if was.get("model") != now.get("model"):
        return "price"
    if was.get("discounts") != now.get("discounts"):
        return "discount"
    if now.get("is_usage"):
        return "usage"
    if len(old) != len(new) or was.get("factor") != now.get("factor"):
        return "period"
    return "quantity" if was.get("quantity") != now.get("quantity") else "price"
