"""How much of a customer's bills one person may give back alone, by credits and by voids.

Counted together, so that several small ones do not get round what one large one may not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, Sum

from billing.domain.assertions import SECOND_PERSON_CREDITS, read_parameters
from billing.models import AssertionRule, CreditNote, CreditRequest, Invoice
from billing.services.approvals import SecondPersonNeeded
from monetization.customers.models import Customer
from monetization.kernel.money import Money

WINDOW_DAYS = 30  # the credits and voids of a customer that count together
VOIDS = (CreditRequest.Kind.VOID, CreditRequest.Kind.REISSUE)


@dataclass(frozen=True, slots=True)
class CreditRoom:
    """What may still be credited on an invoice without a second person, tax included."""

    invoice_limit: Money
    on_invoice: Money  # credited on it before, by one person alone
    customer_limit: Money | None  # None: only invoices have a limit
    of_customer: Money  # credited or voided of its customer in the last days, by one alone

    @property
    def left(self) -> Money:
        """Return the smaller of what both limits leave; never below zero."""
        zero = Money.zero(self.invoice_limit.currency)
        left = self.invoice_limit - self.on_invoice
        if self.customer_limit is not None:
            rest = self.customer_limit - self.of_customer
            left = rest if rest < left else left
        return zero if left < zero else left

    def exceeded_by(self, gross: Money) -> str:
        """Say in words which limit a credit of this size passes; nothing if it passes none."""
        if self.on_invoice + gross > self.invoice_limit:
            before = f" with the {self.on_invoice} before" if self.on_invoice else ""
            return f"{gross}{before} is above the limit of {self.invoice_limit} an invoice"
        if self.customer_limit is not None and self.of_customer + gross > self.customer_limit:
            before = f" with the {self.of_customer} credited or voided in {WINDOW_DAYS} days"
            return (
                f"{gross}{before if self.of_customer else ''} is above the limit of "
                f"{self.customer_limit} a customer"
            )
        return ""


def credit_room(invoice: Invoice, *, now: datetime) -> CreditRoom | None:
    """Return what one person may still credit or void of an invoice; None: there is no limit.

    What a second person approved is not counted: somebody looked at it. Amounts of the customer
    are those of the invoice's currency, by when they were credited, not by the date they bear.
    """
    rule = AssertionRule.objects.filter(kind=SECOND_PERSON_CREDITS, is_enabled=True).first()
    if rule is None:
        return None
    limits: Mapping[str, Any] = read_parameters(rule.kind, rule.parameters)
    of_customer = limits["customer_limit"]
    alone = CreditNote.objects.filter(requests__isnull=True, currency=invoice.currency)
    recent = alone.filter(
        customer=invoice.customer_id, created_at__gte=now - timedelta(days=WINDOW_DAYS)
    )
    return CreditRoom(
        invoice_limit=_floored(limits["limit"], invoice.currency),
        on_invoice=_sum(alone.filter(invoice=invoice), invoice.currency),
        customer_limit=None if of_customer is None else _floored(of_customer, invoice.currency),
        of_customer=_sum(recent, invoice.currency) + _voided_alone(invoice, now),
    )


def why_second_person(invoice: Invoice, gross: Money, *, now: datetime) -> str:
    """Say why a credit or void of this size needs somebody else; nothing if one is enough.

    Those of one customer wait for each other, so that two at once do not both fit.
    """
    if not AssertionRule.objects.filter(kind=SECOND_PERSON_CREDITS, is_enabled=True).exists():
        return ""
    Customer.objects.select_for_update(of=("self",), no_key=True).get(id=invoice.customer_id)
    room = credit_room(invoice, now=now)
    return "" if room is None else room.exceeded_by(gross)


def refuse_alone(invoice: Invoice, gross: Money, *, now: datetime, is_void: bool = False) -> None:
    """Refuse a credit or void above the company's limits that no second person approved.

    :raises SecondPersonNeeded: saying what is missing.
    """
    why = why_second_person(invoice, gross, now=now)
    if not why:
        return
    approved = invoice.credit_requests.filter(
        status="approved", credit_note__isnull=True, total_amount=gross.amount
    ).exclude(decided_by=F("requested_by"))
    approved = approved.filter(kind__in=VOIDS) if is_void else approved.exclude(kind__in=VOIDS)
    if not approved.exists():
        raise SecondPersonNeeded(f"{why}: ask for it, and somebody else approves it")


def _floored(limit: Decimal, currency: str) -> Money:
    """Return a limit in whole minor units: what is below one cannot be credited."""
    return Money.rounded(limit, currency, rounding=ROUND_FLOOR)


def _voided_alone(invoice: Invoice, now: datetime) -> Money:
    """Return what was voided of an invoice's customer in the last days that nobody approved."""
    approved = CreditRequest.objects.filter(
        invoice=OuterRef("pk"), kind__in=VOIDS, status=CreditRequest.Status.APPROVED
    )
    rows = Invoice.objects.filter(
        ~Exists(approved),
        customer=invoice.customer_id,
        currency=invoice.currency,
        status=Invoice.Status.VOID,
        voided_at__gte=now - timedelta(days=WINDOW_DAYS),
    )
    found = rows.aggregate(sum=Sum("total_amount"))["sum"] or Decimal(0)
    return Money(found, invoice.currency)


def _sum(notes: QuerySet[CreditNote], currency: str) -> Money:
    return Money(notes.aggregate(sum=Sum("total_amount"))["sum"] or Decimal(0), currency)
