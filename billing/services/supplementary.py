"""Charge more for what an issued invoice billed too little for. That invoice stays as it is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from billing.domain.manual_lines import EntryInvalid, ManualEntry
from billing.models import Invoice
from billing.services.corrections import InvoiceNotIssued
from billing.services.drafts import write_entries
from monetization.kernel.period import Period


@transaction.atomic
def draft_supplementary(
    *,
    invoice_id: UUID,
    entries: Sequence[ManualEntry],
    bill_on: date,
    now: datetime,
    memo: str = "",
) -> Invoice:
    """Draft an invoice that charges more for the period of an issued one and refers to it.

    It has the customer, legal entity, currency, tax, purchase order and terms of payment of the
    original, and lines of its own, whose service is the original's period unless they say
    otherwise. From then on it is a draft as any other: tests, a second person, issue, send, credit.

    :raises InvoiceNotIssued: if the original is not issued; a draft takes a line instead.
    :raises EntryInvalid: naming the line and its field.
    """
    original = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("customer")
        .get(id=invoice_id)
    )
    if original.status != Invoice.Status.ISSUED:
        shown = original.get_status_display().lower()
        raise InvoiceNotIssued(
            f"{original.number or 'the invoice'} is {shown}: only an issued invoice has a"
            " supplementary one; write a line on a draft instead"
        )
    if not entries:
        raise EntryInvalid("lines: an invoice needs a line")
    period = Period(original.period_start, original.period_end)
    services = [entry.service or period for entry in entries]
    invoice = Invoice.objects.create(
        customer=original.customer,
        legal_entity_id=original.legal_entity_id,
        status=Invoice.Status.DRAFT,
        currency=original.currency,
        bill_on=bill_on,
        period_start=min(service.start for service in services),
        period_end=max(service.end for service in services),
        tax_treatment=original.tax_treatment,
        tax_name=original.tax_name,
        tax_percent=original.tax_percent,
        tax_method=original.tax_method,
        prices_include_tax=original.prices_include_tax,
        payment_terms_days=original.payment_terms_days,
        purchase_order=original.purchase_order,
        memo=memo.strip(),
        supplements=original,
        calculated_at=now,
    )
    dated = [
        replace(entry, service=service) for entry, service in zip(entries, services, strict=True)
    ]
    write_entries(invoice, dated, now)
    return invoice
