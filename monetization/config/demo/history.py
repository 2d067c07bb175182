"""Thirteen months of business, month by month, through the same use cases people use."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import groupby
from operator import itemgetter
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from billing.models import Invoice
from billing.services.collections import open_amount, record_payment
from billing.services.corrections import credit_invoice, void_invoice
from billing.services.issuing import issue_invoices
from billing.services.schedules import activate_schedule, create_schedule
from monetization.config.demo.contracts import Deal
from monetization.config.demo.customers import Company
from monetization.customers.models import Customer
from monetization.customers.services import add_contact, create_customer, map_alias
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity
from quotes.services import create_quote, import_order_form, save_draft
from revrec.selectors import month_end
from revrec.services import close_month


class Payment(NamedTuple):
    """What a customer pays of an invoice."""

    invoice: Invoice
    amount: Decimal
    paid_on: date


_DELAYS = {"prompt": (-6, 2), "slow": (6, 19), "late": (31, 62)}


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=UTC)


def add_customer(
    company: Company, index: int, entities: dict[str, LegalEntity], now: datetime
) -> Customer:
    """Create a customer with its contacts and the alias its usage carries."""
    customer = create_customer(
        name=company.name,
        currency=company.currency,
        legal_entity_id=entities[company.currency].id,
        legal_name=company.legal_name,
        external_id=f"crm-{1000 + index}",
        time_zone=company.time_zone,
        address=company.address,
        country=company.country,
        tax_treatment=company.tax_treatment,
        tax_name=company.tax_name,
        tax_percent=Decimal(company.tax_percent),
        payment_terms_days=company.payment_terms_days,
        now=now,
    )
    add_contact(customer_id=customer.id, name=company.contact, email=company.email)
    if index % 4 == 0:
        add_contact(
            customer_id=customer.id,
            name="Accounts payable",
            email=f"ap@{company.slug}.example",
        )
    map_alias(customer_id=customer.id, alias=company.slug, now=now)
    return customer


def open_quote(customer: Customer, deal: Deal) -> UUID:
    """Begin the quote of a deal; returns its version."""
    quote = create_quote(
        customer_id=customer.id,
        title=deal.title,
        start_on=date.fromisoformat(deal.payload["start_on"]),
        now=noon(deal.signed_on),
    )
    return quote.versions.get().id


def sign_up(tenant_id: UUID, version_id: UUID, company: Company, deal: Deal) -> None:
    """Write a quote, sign it and activate its contract, each when it happens.

    Signatures wait for each other until their transactions end, so one has nothing else in it.
    """
    at = noon(deal.signed_on)
    sold = partial(tenant_context, tenant_id, actor="Ruben Castellanos")
    with sold():
        save_draft(version_id=version_id, payload=deal.payload)
    with sold():
        form = import_order_form(
            version_id=version_id,
            signed_at=at,
            signer_name=company.contact,
            signer_email=company.email,
        )
    with sold():
        schedule = create_schedule(order_form_id=form.id, now=at)
        activate_schedule(schedule_id=schedule.id, now=at)


def issue_month(month: date) -> int:
    """Issue the drafts that a month bills; returns how many."""
    end = month_end(month)
    drafts = Invoice.objects.filter(
        status=Invoice.Status.DRAFT, bill_on__gte=month, bill_on__lt=end
    )
    count = 0
    rows = drafts.exclude(total_amount=0).order_by("bill_on", "id").values_list("bill_on", "id")
    for day, of_day in groupby(rows, key=itemgetter(0)):
        outcomes = issue_invoices(
            invoice_ids=[invoice_id for _, invoice_id in of_day],
            issued_on=day,
            now=noon(day) + timedelta(days=1, hours=18),
        )
        refused = next((one for one in outcomes.values() if isinstance(one, Refusal)), None)
        if refused is not None:
            raise refused
        count += len(outcomes)
    # Delivered at the time by the system these books were moved from.
    Invoice.objects.filter(
        status=Invoice.Status.ISSUED, issued_on__gte=month, issued_on__lt=end
    ).update(sent_at=noon(end - timedelta(days=1)))
    return count


def payments_in(
    month: date, payers: dict[UUID, str], random: Random, until: date | None = None
) -> list[Payment]:
    """Return what customers pay in a month, each in its own manner."""
    end = until or month_end(month)
    unpaid = (
        Invoice.objects.filter(status=Invoice.Status.ISSUED)
        .exclude(payment_status=Invoice.PaymentStatus.PAID)
        .order_by("issued_on", "number")
    )
    paid = []
    for invoice in unpaid:
        manner = payers[invoice.customer_id]
        if manner == "never" or invoice.due_on is None:
            continue
        low, high = _DELAYS[manner]
        spread = int(str(invoice.number)[-3:]) % (high - low + 1)
        paid_on = max(invoice.due_on + timedelta(days=low + spread), invoice.issued_on or month)
        if not month <= paid_on < end:
            continue
        owed = open_amount(invoice)
        amount = owed
        if manner == "late" and random.random() < 0.3:
            amount = Money.rounded(owed / 2, invoice.currency).amount
        if amount > 0:
            paid.append(Payment(invoice, amount, paid_on))
    return paid


def receive(payment: Payment) -> None:
    invoice, amount, paid_on = payment
    record_payment(
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        amount=amount,
        received_on=paid_on,
        reference=f"{paid_on:%y%m%d}-{invoice.number}",
        allocations={invoice.id: amount},
        now=noon(paid_on),
    )


def close_books(month: date) -> None:
    close_month(month=month, now=noon(month_end(month) + timedelta(days=3)))


def correct_some(month: date, now: datetime) -> dict[str, Any]:
    """Void one invoice and credit another, as happens in any month."""
    candidates = Invoice.objects.filter(
        status=Invoice.Status.ISSUED,
        issued_on__gte=month,
        issued_on__lt=month_end(month),
        payment_status=Invoice.PaymentStatus.UNPAID,
    ).order_by("number")
    found = list(candidates[:2])
    if len(found) < 2:
        return {}
    void_invoice(invoice_id=found[0].id, reason="Wrong purchase order number", now=now)
    note = credit_invoice(
        invoice_id=found[1].id,
        reason="Service was not used; agreed with the customer",
        issued_on=now.date(),
        now=now,
    )
    return {"void": found[0].number, "credit_note": note.number}
