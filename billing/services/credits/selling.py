"""Credits that invoices sell: granted when the invoice is issued, taken back with it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from billing.domain import posting_rules
from billing.domain.credit_use import PLACES
from billing.domain.posting_rules import Document
from billing.models import (
    CreditGrant,
    CreditNote,
    CreditSale,
    CreditTransaction,
    Invoice,
    InvoiceLine,
)
from billing.selectors.credits import balances_of
from billing.services.calculation import forget_marks
from billing.services.credits.journal import (
    Move,
    account_of,
    document_of,
    lock_grants,
    write_moves,
)
from billing.services.credits.planning import PREPAID
from monetization.events.models import Event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import ZERO, Money
from monetization.kernel.period import add_months, start_instant
from monetization.ledger.accounts import Leg
from monetization.pricing.terms import terms_from_data

_Kind = CreditTransaction.Kind


class CreditsAlreadyUsed(Refusal):
    """Credits that were used are not taken back."""


def grant_sold(
    invoice: Invoice,
    lines: Sequence[InvoiceLine],
    *,
    event: Event,
    now: datetime,
) -> list[Leg]:
    """Grant what an issued invoice sells, line by line.

    :returns: the claim, and the liability to the customer.
    """
    legs: list[Leg] = []
    document = document_of(invoice)
    sold = [line for line in lines if line.kind == PREPAID and line.amount > 0]
    if not sold:
        return legs
    sales = {row.line_key: row for row in CreditSale.objects.filter(invoice=invoice)}
    for line in sold:
        sale = sales.get(line.key)
        values = _of_sale(sale, now) if sale else _of_contract(invoice, line, now)
        grant = CreditGrant.objects.create(
            customer_id=invoice.customer_id,
            legal_entity_id=invoice.legal_entity_id,
            currency=invoice.currency,
            cost_amount=line.amount,
            invoice=invoice,
            line_key=line.key,
            created_at=now,
            **values,
        )
        legs += posting_rules.credits_sold(
            document, account_of(grant), Money(line.amount, invoice.currency)
        )
        write_moves(
            {grant.id: grant},
            [Move(grant.id, _Kind.GRANTED, grant.amount, invoice_id=invoice.id)],
            event=event,
            now=now,
        )
    CreditSale.objects.filter(invoice=invoice).update(is_open=False)
    forget_marks(customer_id=invoice.customer_id)
    return legs


def _of_sale(sale: CreditSale, now: datetime) -> dict[str, Any]:
    days = sale.expires_after_days
    copied = (
        "schedule_id", "name", "kind", "meter_id", "unit_code", "priority", "products", "prices",
        "taxed_at", "allows_overdraft", "amount",
    )  # fmt: skip
    return {name: getattr(sale, name) for name in copied} | {
        "origin": CreditGrant.Origin.TOP_UP if sale.top_up_id else CreditGrant.Origin.SOLD,
        "effective_at": now,
        "expires_at": now + timedelta(days=days) if days else None,
    }


def _of_contract(invoice: Invoice, line: InvoiceLine, now: datetime) -> dict[str, Any]:
    """Return the grant a contract line sells; it begins with the line's service."""
    schedule, period = invoice.schedule, line.billing_period
    assert schedule is not None  # noqa: S101 - a line of a contract
    assert period is not None  # noqa: S101 - the same
    item = terms_from_data(schedule.terms).phase(period.phase.key).item(line.item_key)
    sold = item.credits
    assert sold is not None  # noqa: S101 - so its kind says
    zone, begins = schedule.time_zone, line.service_start
    expires = None
    if sold.expires_after_months is not None:
        last = add_months(begins, sold.expires_after_months, anchor_day=begins.day)
        expires = start_instant(last, zone)
    amount = line.amount if sold.amount is None else sold.amount * (line.quantity or Decimal(1))
    return {
        "name": (item.description or item.product_name)[:120],
        "kind": CreditGrant.Kind.UNIT if sold.unit_code else CreditGrant.Kind.MONEY,
        "unit_code": sold.unit_code,
        "amount": amount,
        "priority": sold.priority,
        "products": list(sold.products),
        "effective_at": start_instant(begins, zone),
        "expires_at": expires,
        "origin": CreditGrant.Origin.SOLD,
    }


def withdraw_sold(
    invoice: Invoice, document: Document, *, event: Event, now: datetime
) -> list[Leg]:
    """Take back everything an invoice sold, with the invoice.

    :raises CreditsAlreadyUsed: if some of it was used; a credit note takes back the rest.
    """
    grants = _sold_by(invoice)
    held = balances_of(grants)
    for grant in grants.values():
        if held.get(grant.id, ZERO) != grant.amount:
            raise CreditsAlreadyUsed(f"credits of {grant.name} were used; credit the rest")
    legs: list[Leg] = []
    for grant in grants.values():
        legs += _take_back(grant, document, grant.amount, grant.cost_amount, None, event, now)
        grant.voided_at = grant.ended_at = now
        grant.void_reason = f"{invoice.number} is void"
        grant.save(update_fields=["voided_at", "void_reason", "ended_at"])
    return legs


def credit_sold(
    invoice: Invoice,
    document: Document,
    amounts: dict[str, Decimal],
    note: CreditNote,
    *,
    event: Event,
    now: datetime,
) -> list[Leg]:
    """Take back the part of what an invoice sold that a credit note gives the money back for.

    :param amounts: net by the key of the line that sold them.
    :raises CreditsAlreadyUsed: if less is left than that.
    """
    legs: list[Leg] = []
    for grant in _sold_by(invoice).values() if amounts else ():
        back = amounts.get(grant.line_key, ZERO)
        if not back:
            continue
        held = balances_of([grant.id]).get(grant.id, ZERO)
        part = Fraction(grant.amount) * Fraction(back) / Fraction(grant.cost_amount)
        units = grant.amount if back == grant.cost_amount else (part // Fraction(PLACES)) * PLACES
        if units > held:
            raise CreditsAlreadyUsed(
                f"{grant.name} holds {held.normalize():f} {grant.unit}, and {units.normalize():f} "
                "would have to be taken back"
            )
        legs += _take_back(grant, document, units, back, note, event, now)
    return legs


def _sold_by(invoice: Invoice) -> dict[UUID, CreditGrant]:
    ids = CreditGrant.objects.filter(invoice=invoice).values_list("id", flat=True)
    return lock_grants(ids)


def _take_back(
    grant: CreditGrant,
    document: Document,
    units: Decimal,
    amount: Decimal,
    note: CreditNote | None,
    event: Event,
    now: datetime,
) -> list[Leg]:
    move = Move(
        grant.id, _Kind.VOIDED, -units, invoice_id=grant.invoice_id,
        credit_note_id=note.id if note else None,
    )  # fmt: skip
    (row,) = write_moves({grant.id: grant}, [move], event=event, now=now)
    back = Money(amount, grant.currency)
    legs = [*posting_rules.credits_sold(document, account_of(grant), -back)]
    # The liability is rounded once per balance; what the rounding moves is no claim.
    legs += posting_rules.credits_rounded(
        document, account_of(grant), Money(row.released, grant.currency) - back
    )
    return legs
