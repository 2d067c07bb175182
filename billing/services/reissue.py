"""Withdraw an issued invoice and draft it again in one step."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.models import BillingPeriod, Invoice
from billing.services.assertions import check
from billing.services.calculation import TOTALS, set_totals, sums
from billing.services.corrections import void_invoice
from billing.services.drafts import copy_manual_lines
from billing.services.invoicing import recalculate_invoices
from billing.services.taxing import tax_fields_of
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal


class NotReissued(Refusal):
    """A threshold invoice is not drafted again: its moment has passed."""


@transaction.atomic
def void_and_reissue(*, invoice_id: UUID, reason: str, now: datetime) -> Invoice:
    """Void an invoice nobody has paid and return the draft that takes its place.

    The draft bills the same periods, computed as of now, with the customer's present tax and
    address, and carries the manual lines, memo and purchase order over. It names what it
    replaces.

    :raises NotReissued: for a threshold invoice.
    :raises InvoiceNotIssued: if it is not issued.
    :raises InvoiceIsSettled: if a payment, a credit note or a write-off touches it.
    :raises SecondPersonNeeded: above what one person may withdraw unasked.
    """
    old = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("customer")
        .get(id=invoice_id)
    )
    refuse_reissue(old)
    periods = set(old.periods.values_list("id", flat=True))
    known = _periods_of(old)
    old = void_invoice(invoice_id=old.id, reason=reason, now=now, is_reissued=True)
    customer = old.customer
    draft = Invoice.objects.create(
        customer=customer,
        legal_entity_id=old.legal_entity_id,
        schedule_id=old.schedule_id,
        status=Invoice.Status.DRAFT,
        currency=old.currency,
        bill_on=old.bill_on,
        part=old.part,
        period_start=old.period_start,
        period_end=old.period_end,
        **tax_fields_of(customer, old.legal_entity_id),
        payment_terms_days=old.payment_terms_days,
        purchase_order=old.purchase_order or customer.purchase_order,
        memo=old.memo,
        change_note=old.change_note,
        replaces=old,
        calculated_at=now,
    )
    periods |= _periods_of(old) - known  # a contract that ended early: cut by its end
    BillingPeriod.objects.filter(id__in=periods).update(invoice=draft)
    copy_manual_lines(old, draft, now)
    append_event(
        type="invoice.drafted",
        subject=f"invoice/{draft.id}",
        data={
            "invoice_id": str(draft.id),
            "customer_id": str(draft.customer_id),
            "replaces": old.number,
        },
        occurred_at=now,
    )
    recalculate_invoices(invoice_ids=[draft.id], now=now)
    draft.refresh_from_db()
    subtotal, tax = sums(list(draft.lines.all()), draft.currency)
    set_totals(draft, subtotal.amount, tax.amount)  # manual lines alone change no computed line
    draft.save(update_fields=TOTALS)
    check([draft], now=now)
    return draft


def _periods_of(invoice: Invoice) -> set[UUID]:
    """Return all periods of an invoice's contract; a one-off has none."""
    found = BillingPeriod.objects.filter(schedule_id=invoice.schedule_id)
    return set(found.values_list("id", flat=True))


def refuse_reissue(invoice: Invoice) -> None:
    """Refuse to draft a threshold invoice again.

    :raises NotReissued: for one.
    """
    if invoice.threshold_number is not None:
        raise NotReissued(
            f"{invoice.number} billed usage ahead; void it; its period's invoice bills it then"
        )
