"""Disputed payments: money a payer's bank takes back, and perhaps gives back when it is over.

Withdrawn money goes the way of a refund, so that its invoice is owed again; reinstated money is
a payment of its own that settles the invoice again. What a lost dispute leaves unpaid is
credited, written off or asked for by a person.
"""

from collections.abc import Callable
from datetime import date, datetime

from billing.models import Invoice, Payment
from billing.services.collections import record_payment
from billing.services.refunds import record_payment_fee, record_refund
from integrations.models import OnlinePayment
from integrations.stripe.mapping import DisputeFacts
from monetization.ledger.services import first_open_day

METHOD = "dispute won, by Stripe"
TO_ANSWER = ("needs_response", "warning_needs_response")
OPEN = (*TO_ANSWER, "under_review", "warning_under_review")


def record_dispute(
    row: OnlinePayment, facts: DisputeFacts, *, day_of: Callable[[datetime], date], now: datetime
) -> None:
    """Book what a dispute moved, each move once, and note where it stands."""
    row.dispute_status, row.dispute_reason = facts.status[:30], facts.reason[:60]
    row.dispute_answer_by = facts.answer_by if facts.status in TO_ANSWER else None
    payment = row.payment
    if payment is None or not facts.withdrawn:
        return
    day = day_of(facts.at)
    if not payment.refunds.filter(reference=facts.id).exists():
        record_refund(
            payment_id=payment.id,
            amount=facts.amount.amount,
            refunded_on=first_open_day(day),
            reference=facts.id,
            now=now,
        )
        if facts.fee:
            record_payment_fee(
                payment_id=payment.id,
                fee=facts.fee.amount,
                currency=facts.fee.currency,
                charged_on=day,
                reference=facts.id,
                now=now,
            )
    if facts.reinstated:
        _record_won(payment, row.invoice_id, facts, day_of(now), now)


def _record_won(
    payment: Payment, invoice_id: object, facts: DisputeFacts, day: date, now: datetime
) -> None:
    invoice = Invoice.objects.get(id=invoice_id)
    reference = f"{facts.id} won"
    if Payment.objects.filter(customer=payment.customer_id, reference=reference).exists():
        return
    record_payment(
        customer_id=payment.customer_id,
        currency=payment.currency,
        amount=facts.amount.amount,
        received_on=first_open_day(day),
        reference=reference,
        method=METHOD,
        only_invoice=invoice.id,
        now=now,
    )


def disputes_of(invoice: Invoice) -> list[str]:
    """Say which payments of an invoice are disputed, and where that stands."""
    rows = OnlinePayment.objects.filter(invoice=invoice).exclude(dispute_status="")
    found = []
    for row in rows.order_by("created_at"):
        words = row.dispute_status.replace("_", " ")
        until = ""
        if row.dispute_answer_by:
            until = f", answer it at Stripe by {row.dispute_answer_by:%-d %b %Y}"
        reason = f" ({row.dispute_reason.replace('_', ' ')})" if row.dispute_reason else ""
        found.append(f"The payment {row.external_id} is disputed{reason}: {words}{until}")
    return found
