"""CRM records as they go out, in the columns they come in with."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, Prefetch, QuerySet, Subquery

from crm.domain.columns import cell_out, header_of
from monetization.customers.models import (
    BillingContact,
    ContactReference,
    Customer,
    CustomerReference,
    ExternalReference,
)
from monetization.interface.fields import amount_text
from monetization.kernel.decimals import plain
from monetization.kernel.money import ZERO, Money
from monetization.pricing.codec import price_to_data
from monetization.pricing.estimate import estimate
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import OrderTerms
from monetization.pricing.terms.model import OVERAGE_SUFFIX
from quotes.models import (
    Opportunity,
    OpportunityReference,
    OrderForm,
    Quote,
    QuoteReference,
    QuoteVersion,
)
from quotes.selectors import terms_of

REFERENCES: dict[str, type[ExternalReference]] = {
    "accounts": CustomerReference,
    "contacts": ContactReference,
    "opportunities": OpportunityReference,
    "quotes": QuoteReference,
}


def _named(kind: type[ExternalReference], source: str, row: str = "pk") -> Subquery:
    """Annotate rows with what a system calls them."""
    rows: Any = kind._default_manager
    return Subquery(rows.filter(source=source, object_id=OuterRef(row)).values("external_id")[:1])


def accounts(source: str) -> QuerySet[Customer]:
    rows: QuerySet[Customer] = Customer.objects.annotate(named=_named(CustomerReference, source))
    return rows.order_by("created_at", "id")


def contacts(source: str) -> QuerySet[BillingContact]:
    rows: QuerySet[BillingContact] = BillingContact.objects.annotate(
        named=_named(ContactReference, source),
        account_named=_named(CustomerReference, source, "customer_id"),
    )
    return rows.order_by("customer_id", "id")


def opportunities(source: str = "") -> QuerySet[Opportunity]:
    rows: QuerySet[Opportunity] = Opportunity.objects.select_related("customer").annotate(
        named=_named(OpportunityReference, source),
        account_named=_named(CustomerReference, source, "customer_id"),
    )
    return rows.order_by("id")


def quotes(source: str) -> QuerySet[Quote]:
    latest = QuoteVersion.objects.select_related("legal_entity").order_by("-number")
    rows: QuerySet[Quote] = Quote.objects.annotate(
        named=_named(QuoteReference, source),
        account_named=_named(CustomerReference, source, "customer_id"),
        opportunity_named=_named(OpportunityReference, source, "opportunity_id"),
        signed_at=Subquery(
            OrderForm.objects.filter(version__quote=OuterRef("pk")).values("signed_at")[:1]
        ),
    ).prefetch_related(Prefetch("versions", latest, to_attr="latest_first"))
    return rows.order_by("number")


def opportunity_list(*, search: str = "", outcome: str = "") -> QuerySet[Opportunity]:
    """Return opportunities as people read them, those that close soonest first."""
    rows: QuerySet[Opportunity] = Opportunity.objects.select_related("customer").prefetch_related(
        "references", "quotes"
    )
    if search:
        rows = rows.filter(name__icontains=search) | rows.filter(customer__name__icontains=search)
    if outcome:
        rows = rows.filter(outcome=outcome)
    return rows.order_by(F("close_on").asc(nulls_last=True), "id")


def export_rows(kind: str, source: str) -> Iterator[list[str]]:
    """Yield the rows of a file that ``header_of(kind)`` heads, as text that is safe to open."""
    names = header_of(kind)
    if kind == "quote_lines":
        for line in quote_lines(source):
            yield [_text(line[name]) for name in names]
        return
    rows, cells = _EXPORTS[kind]
    for row in rows(source).iterator(chunk_size=500):
        found = {"external_id": row.named, "id": row.pk, **cells(row)}
        yield [_text(found[name]) for name in names]


def quote_lines(source: str) -> Iterator[dict[str, Any]]:
    """Yield what the latest version of each quote is made of, a row per line and phase.

    ``amount`` is what the customer commits to over the phase, with no usage at all; minimums have
    rows of their own. A quote's rows add up to its total contract value, open-ended ones over
    their first year. A draft that is not complete has no rows yet.
    """
    rows: Any = quotes(source)
    for quote in rows.iterator(chunk_size=100):
        version = quote.latest_first[0]
        version.quote = quote
        try:
            terms = terms_of(version)
        except PriceError:
            continue
        about = {
            "quote": quote.named,
            "number": quote.number,
            "version": version.number,
            "status": version.status,
            "currency": version.currency,
        }
        for position, row in enumerate(_lines_of(terms), start=1):
            yield {**about, "position": position, **row}


def _lines_of(terms: OrderTerms) -> Iterator[dict[str, Any]]:
    """Yield the lines of an order form by phase, each with what is committed for it."""
    unused = {item.key: ZERO for phase in terms.phases for item in phase.items}
    amounts: dict[tuple[str, str], Money] = {}
    labels: dict[tuple[str, str], str] = {}
    for line in estimate(terms, unused).lines:
        place = (line.phase_key, line.item_key.removesuffix(OVERAGE_SUFFIX))
        amounts[place] = amounts.get(place, Money.zero(terms.currency)) + line.amount
        labels.setdefault(place, line.label)
    for phase in terms.phases:
        about = {"phase": phase.name, "start_on": phase.start_on, "end_on": phase.end_on}
        for item in phase.items:
            amount = amounts.pop((phase.key, item.key), Money.zero(terms.currency))
            yield {
                **about,
                "item": item.key,
                "product": item.product_code,
                "name": item.product_name,
                "kind": item.kind,
                "model": price_to_data(item.model)["model"],
                "quantity": None if item.kind == "usage" else item.quantity,
                "frequency": item.frequency.value,
                "timing": item.timing,
                "amount": amount_text(amount.amount, terms.currency),
            }
    names = {phase.key: phase for phase in terms.phases}
    for (phase_key, item_key), amount in amounts.items():  # minimums
        own = names.get(phase_key)
        yield {
            **dict.fromkeys(("product", "model", "quantity", "frequency", "timing"), ""),
            "phase": own.name if own else "",
            "start_on": own.start_on if own else terms.start_on,
            "end_on": own.end_on if own else terms.end_on,
            "item": item_key,
            "name": labels[phase_key, item_key],
            "kind": "minimum",
            "amount": amount_text(amount.amount, terms.currency),
        }


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return plain(value)
    return cell_out(str(value))


def _account(row: Any) -> dict[str, Any]:
    names = header_of("accounts")[2:]
    return {name: getattr(row, name) for name in names}


def _contact(row: Any) -> dict[str, Any]:
    return {
        "account": row.account_named,
        "name": row.name,
        "email": row.email,
        "is_primary": row.is_primary,
    }


def _opportunity(row: Any) -> dict[str, Any]:
    names = ("name", "stage", "amount", "currency", "close_on", "outcome")
    found = {name: getattr(row, name) for name in names}
    return {**found, "account": row.account_named, "owner": row.owner_label}


def _quote(row: Any) -> dict[str, Any]:
    version = row.latest_first[0]
    return {
        "number": row.number,
        "account": row.account_named,
        "opportunity": row.opportunity_named,
        "title": row.title,
        "start_on": version.start_on,
        "legal_entity": version.legal_entity.code,
        "expires_on": version.expires_on,
        "purchase_order": version.purchase_order,
        "template": "",
        "status": version.status,
        "version": version.number,
        "currency": version.currency,
        "total_contract_value": _amount(version.total_contract_value, version.currency),
        "annual_contract_value": _amount(version.annual_contract_value, version.currency),
        "signed_on": row.signed_at and row.signed_at.date(),
    }


def _amount(value: Decimal | None, currency: str) -> str:
    return "" if value is None else amount_text(value, currency)


_EXPORTS: dict[str, tuple[Any, Any]] = {
    "accounts": (accounts, _account),
    "contacts": (contacts, _contact),
    "opportunities": (opportunities, _opportunity),
    "quotes": (quotes, _quote),
}


def systems() -> list[str]:
    """Return the systems whose ids are known, for choosing one to hand a file out to."""
    found: set[str] = set()
    for kind in REFERENCES.values():
        rows: Any = kind._default_manager
        found.update(rows.values_list("source", flat=True).distinct())
    return sorted(found)


def quotes_of(opportunity_id: UUID) -> list[QuoteVersion]:
    """Return the latest versions of an opportunity's quotes, newest quote first."""
    rows = QuoteVersion.objects.filter(quote__opportunity_id=opportunity_id)
    latest = rows.select_related("quote").order_by("quote_id", "-number").distinct("quote_id")
    return sorted(latest, key=lambda row: row.quote.number, reverse=True)
