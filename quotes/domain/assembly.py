"""What the builder holds -> the terms that are signed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from monetization.kernel.decimals import NotExact, exact_decimal
from monetization.kernel.period import Frequency, add_months
from monetization.pricing.codec import price_from_data
from monetization.pricing.prices import PerUnit, PriceError
from monetization.pricing.terms import (
    DiscountTerms,
    ItemTerms,
    MinimumTerms,
    OrderTerms,
    PhaseTerms,
    SellerTerms,
)
from monetization.pricing.terms.modifiers import (
    LineTerms,
    modifiers_from_data,
    with_modifiers,
)


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """What the catalog says about a product on a line."""

    code: str
    name: str
    kind: str
    recognition: str
    list_model: Any = None  # data of the list price, if the line was made from one


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A line as the builder holds it."""

    item_key: str
    product: ProductFacts
    model: Any
    frequency: str
    timing: str
    description: str = ""
    quantity: Decimal | None = None
    expected_quantity: Decimal | None = None
    meter_key: str = ""
    proration: str = "daily"
    discount_percent: Decimal = Decimal(0)
    price_version_id: str | None = None
    modifiers: Any = None  # data; monetization.pricing.terms.modifiers
    term_discount_percent: Decimal = Decimal(0)  # for the length of the term
    term_discount_label: str = ""
    is_left_out: bool = False  # optional and not chosen: read like any other, not agreed


@dataclass(frozen=True, slots=True)
class DraftPhase:
    """A phase as the builder holds it."""

    name: str
    kind: str
    months: int | None
    lines: Sequence[DraftLine]
    minimum_amount: Decimal | None = None
    minimum_frequency: str = ""
    discount_percent: Decimal = Decimal(0)
    discount_label: str = ""


@dataclass(frozen=True, slots=True)
class DraftHeader:
    """What holds for the whole contract."""

    title: str
    currency: str
    time_zone: str
    start_on: date
    anchor_day: int
    payment_terms_days: int
    auto_renew: bool
    counted_from: date | None = None  # an amendment begins within a phase that goes on
    seller: SellerTerms | None = None
    purchase_order: str = ""


def assemble(header: DraftHeader, phases: Sequence[DraftPhase]) -> OrderTerms:
    """Build the terms: phases follow one another from the start date, month by month.

    Boundaries are counted from the start date, never from the phase before, so that a start
    on the 31st does not drift. An amendment counts from where its first phase began.

    :raises PriceError: naming the field, e.g. ``phases[1].items[0].model.tiers[0].up_to``.
    """
    built = []
    elapsed = 0
    start = header.start_on
    origin = header.counted_from or start
    if origin > start:
        raise PriceError(f"start_on: must not be before {origin}, when its first phase began")
    for position, phase in enumerate(phases):
        path = f"phases[{position}]"
        end = None
        if phase.months is not None:
            if phase.months < 1:
                raise PriceError(f"{path}.months: must be at least 1")
            elapsed += phase.months
            end = add_months(origin, elapsed, anchor_day=origin.day)
            if end <= start:
                raise PriceError(f"{path}.months: ends on {end}, before it begins")
        built.append(_phase(phase, f"phase-{position + 1}", start, end, path))
        start = end or start
    return OrderTerms(
        title=header.title,
        currency=header.currency,
        time_zone=header.time_zone,
        start_on=header.start_on,
        end_on=built[-1].end_on if built else None,
        anchor_day=header.anchor_day,
        payment_terms_days=header.payment_terms_days,
        auto_renew=header.auto_renew,
        phases=tuple(built),
        seller=header.seller,
        purchase_order=header.purchase_order,
    )


def _phase(phase: DraftPhase, key: str, start: date, end: date | None, path: str) -> PhaseTerms:
    read = [_line(line, f"{path}.items[{position}]") for position, line in enumerate(phase.lines)]
    agreed = [line for line in phase.lines if not line.is_left_out]
    lines = [one for one, line in zip(read, phase.lines, strict=True) if not line.is_left_out]
    discounts = [discount for line in lines for discount in line.discounts]
    discounts += [
        DiscountTerms(
            line.term_discount_percent,
            line.term_discount_label or "Commitment",
            (line.item_key,),
        )
        for line in agreed
        if line.term_discount_percent
    ]
    discounts += [
        DiscountTerms(line.discount_percent, "Discount", (line.item_key,))
        for line in agreed
        if line.discount_percent
    ]
    if phase.discount_percent:
        discounts.append(DiscountTerms(phase.discount_percent, phase.discount_label or "Discount"))
    minimum = None
    if phase.minimum_amount:
        minimum = MinimumTerms(
            phase.minimum_amount,
            _frequency(phase.minimum_frequency or "monthly", f"{path}.minimum_frequency"),
        )
    return PhaseTerms(
        key=key,
        name=phase.name or f"Phase {key.rpartition('-')[2]}",
        kind=phase.kind,
        start_on=start,
        end_on=end,
        items=tuple(line.item for line in lines),
        discounts=tuple(discounts),
        minimum=minimum,
        further_minimums=tuple(line.minimum for line in lines if line.minimum),
        caps=tuple(line.cap for line in lines if line.cap),
    )


def _line(line: DraftLine, path: str) -> LineTerms:
    at = f"{path}.modifiers"
    return with_modifiers(_item(line, path), modifiers_from_data(line.modifiers, at), at)


def _item(line: DraftLine, path: str) -> ItemTerms:
    kind = line.product.kind
    listed = line.product.list_model
    list_unit = None
    if listed is not None:
        model = price_from_data(listed)
        list_unit = model.unit_price if isinstance(model, PerUnit) else None
    return ItemTerms(
        key=line.item_key,
        product_code=line.product.code,
        product_name=line.product.name,
        description=line.description,
        kind=kind,
        model=price_from_data(line.model, f"{path}.model"),
        quantity=Decimal(1) if line.quantity is None else line.quantity,
        meter=line.meter_key or None,
        frequency=_frequency(line.frequency, f"{path}.frequency"),
        timing=line.timing,
        proration=line.proration,
        price_version_id=line.price_version_id,
        list_unit_price=list_unit,
        recognition=line.product.recognition,
        expected_quantity=line.expected_quantity if kind == "usage" else None,
    )


def _frequency(text: str, path: str) -> Frequency:
    try:
        return Frequency(text)
    except ValueError:
        names = ", ".join(frequency.value for frequency in Frequency)
        raise PriceError(f"{path}: must be one of {names}") from None


def number(value: Any, path: str, *, required: bool = False) -> Decimal | None:
    """Read a number of the builder; empty means none.

    :raises PriceError: naming the field.
    """
    if value in (None, ""):
        if required:
            raise PriceError(f"{path}: is needed")
        return None
    try:
        found = exact_decimal(value)
    except NotExact as error:
        raise PriceError(f"{path}: {error}") from None
    if found < 0:
        raise PriceError(f"{path}: must not be negative")
    return found
