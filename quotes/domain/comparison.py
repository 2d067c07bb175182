"""What changed between two versions of a quote, in the order a person reads it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from monetization.kernel.money import Money
from monetization.pricing.terms import DiscountTerms, ItemTerms, OrderTerms, PhaseTerms
from quotes.domain.tax_words import tax_words


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``None`` on a side means it is not there.

    ``kind`` says how the sides are read: text, day, days, flag, percent, quantity, amount,
    price, frequency, timing, kind, period, end, phase, line, money, other.
    """

    where: str  # "Year 2 · Platform"; empty for the whole agreement
    what: str  # "Price"
    kind: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What a version says, beside its terms."""

    terms: OrderTerms
    value: Money  # total contract value
    expires_on: date
    signer: str = ""
    purchase_order: str = ""
    introduction: str = ""
    special_terms: str = ""


@dataclass(slots=True)
class _Changes:
    found: list[Change] = field(default_factory=list)

    def note(self, where: str, what: str, kind: str, before: Any, after: Any) -> None:
        if before != after:
            self.found.append(Change(where, what, kind, before, after))


def compare_versions(before: VersionFacts, after: VersionFacts) -> tuple[Change, ...]:
    """Compare two versions; equal things drop out, so equal versions give nothing.

    Phases are matched by name, then in their order; lines by their key, so that a phase put
    in front of the others does not make every later one look changed.
    """
    changes = _Changes()
    note = changes.note
    old, new = before.terms, after.terms
    note("", "Total contract value", "money", before.value, after.value)
    note("", "Currency", "text", old.currency, new.currency)
    if old.seller and new.seller:  # terms of before they were kept do not say
        note("", "Sold by", "text", old.seller.name, new.seller.name)
    if old.tax and new.tax:
        note("", "Tax", "text", tax_words(old.tax), tax_words(new.tax))
    note("", "Agreement", "text", old.title, new.title)
    note("", "Start", "day", old.start_on, new.start_on)
    note("", "End", "end", old.end_on, new.end_on)
    note("", "Billing day of the month", "text", str(old.anchor_day), str(new.anchor_day))
    note("", "Payment terms", "days", old.payment_terms_days, new.payment_terms_days)
    note("", "Renews by itself", "flag", old.auto_renew, new.auto_renew)
    note("", "Time zone", "text", old.time_zone, new.time_zone)
    note("", "Valid until", "day", before.expires_on, after.expires_on)
    note("", "Signer", "text", before.signer, after.signer)
    note("", "Purchase order", "text", before.purchase_order, after.purchase_order)
    note("", "Introduction", "text", before.introduction, after.introduction)
    note("", "Special terms", "text", before.special_terms, after.special_terms)
    note("", "Minimums over all phases", "other", old.minimums, new.minimums)
    note("", "Caps over all phases", "other", old.caps, new.caps)
    note("", "Changes during a period", "other", old.changes, new.changes)
    for one, other in _pairs(old.phases, new.phases):
        _compare_phase(changes, one, other)
    return tuple(changes.found)


def _pairs(
    before: Sequence[PhaseTerms], after: Sequence[PhaseTerms]
) -> Iterator[tuple[PhaseTerms | None, PhaseTerms | None]]:
    """Match phases by name, the rest in order; pairs come in the order of the new version."""
    left = list(before)
    matched: dict[int, PhaseTerms] = {}
    for index, phase in enumerate(after):
        same = next((one for one in left if one.name == phase.name), None)
        if same is not None:
            matched[index] = same
            left.remove(same)
    for index in range(len(after)):
        if index not in matched and left:
            matched[index] = left.pop(0)
    for index, phase in enumerate(after):
        yield matched.get(index), phase
    for phase in left:
        yield phase, None


def _compare_phase(changes: _Changes, before: PhaseTerms | None, after: PhaseTerms | None) -> None:
    note = changes.note
    if before is None or after is None:
        there = after or before
        note(there.name if there else "", "Phase", "phase", before, after)
        return
    name = after.name
    note(name, "Name", "text", before.name, after.name)
    note(name, "Kind of phase", "kind", before.kind, after.kind)
    note(name, "Period", "period", _span(before), _span(after))
    old, new = before.minimum, after.minimum
    note(name, "Minimum", "amount", old.amount if old else None, new.amount if new else None)
    if old and new:
        note(name, "Minimum per", "frequency", old.frequency.value, new.frequency.value)
        rest = [replace(one, amount=old.amount, frequency=old.frequency) for one in (old, new)]
        note(name, "Conditions of the minimum", "other", *rest)
    note(name, "Further minimums", "other", before.further_minimums, after.further_minimums)
    note(name, "Caps", "other", before.caps, after.caps)
    note(name, "Other discounts", "other", _other_discounts(before), _other_discounts(after))
    one, other = _phase_discount(before), _phase_discount(after)
    note(name, "Discount", "percent", _percent(one), _percent(other))
    if one and other:
        note(name, "Discount is called", "text", one.label, other.label)
    _compare_lines(changes, before, after)


def _compare_lines(changes: _Changes, before: PhaseTerms, after: PhaseTerms) -> None:
    old = {item.key: item for item in before.items}
    new = {item.key: item for item in after.items}
    for key in [*new, *(key for key in old if key not in new)]:
        one, other = old.get(key), new.get(key)
        there = other or one
        where = f"{after.name} · {there.product_name if there else key}"
        if one is None or other is None:
            changes.note(where, "Line", "line", one, other)
            continue
        _compare_line(changes, where, one, other)
        off, now_off = (_line_discounts(phase, key) for phase in (before, after))
        for label in dict.fromkeys([*now_off, *off]):
            what = label if label == "Discount" else f"Discount “{label}”"
            sides = (_percent(off.get(label)), _percent(now_off.get(label)))
            changes.note(where, what, "percent", *sides)


# What only some lines have, and how it is called.
_RARE = {
    "product_name": "Product",
    "meter": "Measured by",
    "proration": "Part periods",
    "recognition": "Recognized",
    "conversion": "Conversion of units",
    "included": "Included",
    "accumulation": "Tiers count",
    "pricing_unit": "Priced in",
    "overage_frequency": "Overage billed",
    "credits": "Credits sold",
}


def _compare_line(changes: _Changes, where: str, before: ItemTerms, after: ItemTerms) -> None:
    note = changes.note
    note(where, "Description", "text", before.description, after.description)
    note(where, "Price", "price", before.model, after.model)
    note(where, "Quantity", "quantity", before.quantity, after.quantity)
    note(
        where,
        "Expected usage",
        "quantity",
        before.expected_quantity,
        after.expected_quantity,
    )
    note(where, "Billed", "frequency", before.frequency.value, after.frequency.value)
    note(where, "Billed", "timing", before.timing, after.timing)
    for name, what in _RARE.items():
        note(where, what, "other", getattr(before, name), getattr(after, name))


def _other_discounts(phase: PhaseTerms) -> tuple[DiscountTerms, ...]:
    """Return the discounts that are neither a percentage on the phase nor on one line."""
    known: list[DiscountTerms | None] = [_phase_discount(phase)]
    for item in phase.items:
        known += _line_discounts(phase, item.key).values()
    return tuple(one for one in phase.discounts if one not in known)


def _span(phase: PhaseTerms) -> tuple[date, date | None]:
    return phase.start_on, phase.end_on


def _phase_discount(phase: PhaseTerms) -> DiscountTerms | None:
    return next((one for one in phase.discounts if one.item_keys is None and one.percent), None)


def _line_discounts(phase: PhaseTerms, key: str) -> dict[str, DiscountTerms]:
    """Return the percentages off one line by what they are called, the first of a name."""
    found: dict[str, DiscountTerms] = {}
    for one in phase.discounts:
        if one.item_keys == (key,) and one.percent:
            found.setdefault(one.label, one)
    return found


def _percent(discount: DiscountTerms | None) -> Decimal | None:
    return discount.percent if discount else None
