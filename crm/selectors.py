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
from quotes.models import (
    Opportunity,
    OpportunityReference,
    OrderForm,
    Quote,
    QuoteReference,
    QuoteVersion,
)

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
    latest = QuoteVersion.objects.order_by("-number")
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
    rows, cells = _EXPORTS[kind]
    names = header_of(kind)
    for row in rows(source).iterator(chunk_size=500):
        found = {"external_id": row.named, "id": row.pk, **cells(row)}
        yield [_text(found[name]) for name in names]


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
