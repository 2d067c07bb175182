"""Template filters: what was agreed, in the words of an order form, on pages and on paper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from typing import Any

from django import template

from monetization.interface.templatetags.money import day, money, percent, period, quantity
from monetization.pricing.codec import price_from_data
from monetization.pricing.prices import ChargeModel, PriceError
from monetization.pricing.terms import ItemTerms, OrderTerms, PhaseTerms, TaxTerms
from quotes.domain import tax_words
from quotes.templatetags import price_words, term_words
from quotes.templatetags.price_words import PriceRow

register = template.Library()

_PHASE_KINDS = {"standard": "Standard", "trial": "Trial", "ramp": "Ramp"}
_EVENTS = {
    "quote.created": "Quote created",
    "quote.sent": "Sent for signature",
    "quote.viewed": "Opened by the signer",
    "quote.follows": "Follows a signed contract",
    "quote.signed": "Signed by one of the signers",
    "quote.chosen": "Customer chose optional items",
    "quote.reassigned": "Somebody else signs",
    "quote.asked": "The customer asked",
    "quote.answered": "Written to the customer",
    "quote.approval_requested": "Approval asked for",
    "quote.approval_given": "Approval given",
    "quote.approval_refused": "Approval refused",
    "quote.approval_withdrawn": "Approval request withdrawn",
    "quote.approval_handed_over": "Approval handed over",
    "quote.approved": "Approved by everybody",
    "quote.accepted": "Accepted",
    "quote.declined": "Declined",
    "quote.expired": "Expired without a signature",
    "quote.superseded": "Withdrawn for a new version",
    "order_form.signed": "Order form signed",
}

register.filter("rate", price_words.rate)
register.filter("price_line", price_words.price_line)
register.filter("price_rows", price_words.price_rows)
register.filter("billed", term_words.billed)
register.filter("how_many", term_words.how_many)
register.filter("item_notes", term_words.item_notes)
register.filter("phase_rows", term_words.phase_rows)
register.filter("length_words", term_words.length)
register.filter("tax_words", tax_words.tax_words)
register.filter("month_count", term_words.month_count)


@register.filter
def tax_rows(tax: TaxTerms, currency: str) -> tuple[PriceRow, ...]:
    """Return the taxes that the first invoice charges, as estimated, each with what it is on."""
    of = len(tax.shares) > 1
    return tuple(
        PriceRow(
            f"{'of which ' if tax.is_included else ''}{tax_words.share_words(share, of=of)}"
            " (estimated)",
            money(share.tax, currency),
        )
        for share in tax.charged
    )


@register.filter
def order_rows(terms: OrderTerms) -> tuple[PriceRow, ...]:
    """Return the minimums and caps over the whole order form."""
    names = {item.key: item.product_name for phase in terms.phases for item in phase.items}
    return (
        *(term_words.minimum_row(one, terms.currency, names) for one in terms.minimums),
        *(term_words.cap_row(one, terms.currency, names) for one in terms.caps),
    )


@register.filter
def list_words(data: Any, currency: str) -> str:
    """Say a stored list price in one line; nothing for one that cannot be read."""
    try:
        return price_words.price_line(price_from_data(data), currency)
    except PriceError:
        return ""


@register.filter
def event_words(event_type: str) -> str:
    return _EVENTS.get(event_type, event_type.replace(".", " ").replace("_", " ").capitalize())


@register.filter
def of_phase(amounts: Mapping[str, Any], phase: PhaseTerms) -> Any:
    return amounts.get(phase.key)


@dataclass(frozen=True, slots=True)
class Fact:
    """One side of a change, waiting for the currency its amounts are in."""

    value: Any
    kind: str


@register.filter
def fact(value: Any, kind: str) -> Fact:
    return Fact(value, kind)


@register.filter
def in_currency(side: Fact, currency: str) -> str:
    """Write one side of a change as people read it; a dash where it is not there."""
    value = side.value
    if side.kind == "end":
        return day(value) if value else "open-ended"
    if value is None or value in ("", ()):
        return "–"
    write = _WRITERS.get(side.kind)
    return write(value, currency) if write else str(value)


def _line(item: ItemTerms, currency: str) -> str:
    price = _price(item.model, currency)
    return f"{term_words.how_many(item)} × {price}, {term_words.billed(item).lower()}"


def _price(model: ChargeModel, currency: str) -> str:
    rows = [f"{row.label}: {row.price}" for row in price_words.price_rows(model, currency)]
    return "; ".join([price_words.price_line(model, currency), *rows])


def _phase(phase: PhaseTerms, currency: str) -> str:
    names = ", ".join(item.product_name for item in phase.items) or "no products"
    return f"{term_words.length(phase)}: {names}"


def _other(value: Any, currency: str) -> str:
    """Spell out a rare part of the terms: "units 100, is prorated no"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return quantity(value)
    if isinstance(value, tuple):
        return "; ".join(_other(one, currency) for one in value)
    if is_dataclass(value):
        parts = ((field.name, getattr(value, field.name)) for field in fields(value))
        return ", ".join(
            f"{name.replace('_', ' ')} {_other(part, currency)}"
            for name, part in parts
            if part is not None
        )
    return str(value).replace("_", " ")


_WRITERS: dict[str, Callable[[Any, str], str]] = {
    "money": lambda value, currency: money(value),
    "amount": price_words.rate,
    "day": lambda value, currency: day(value),
    "days": lambda value, currency: f"{value} days" if value else "at once",
    "flag": lambda value, currency: "yes" if value else "no",
    "percent": lambda value, currency: percent(value),
    "quantity": lambda value, currency: quantity(value),
    "price": _price,
    "frequency": lambda value, currency: term_words.FREQUENCIES.get(value, value),
    "timing": lambda value, currency: str(value).replace("_", " "),
    "kind": lambda value, currency: _PHASE_KINDS.get(value, value),
    "period": lambda value, currency: period(*value),
    "phase": _phase,
    "line": _line,
    "other": _other,
}
