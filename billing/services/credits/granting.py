"""Give credits, sell them, withdraw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.domain.manual_lines import ManualEntry
from billing.models import (
    BillingSchedule,
    CreditGrant,
    CreditSale,
    CreditTopUp,
    CreditTransaction,
    Invoice,
    InvoiceLine,
)
from billing.selectors.credits import balances_of
from billing.services.calculation import forget_marks, settle_stored
from billing.services.credits.covering import cover_overdrafts
from billing.services.credits.journal import Move, lock_grants, write_moves
from billing.services.credits.planning import PREPAID
from billing.services.drafts import create_one_off
from metering.models import Meter
from monetization.catalog.models import Price, Product
from monetization.customers.models import Customer
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import ZERO, Money, MoneyError, minor_unit
from monetization.kernel.period import local_day

MOST = Decimal(10) ** 15
_Kind = CreditTransaction.Kind


class CreditsInvalid(Refusal):
    """Credits cannot be what was written."""


class GrantEnded(Refusal):
    """A grant that expired or was voided cannot be voided again."""


class GrantWasSold(Refusal):
    """Credits a customer paid for are taken back with their invoice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditWords:
    """What every kind of credits says: whose, in which units, what they may pay."""

    customer_id: UUID
    name: str
    amount: Decimal
    kind: str = "money"
    currency: str = ""  # the customer's by default
    meter_id: UUID | None = None
    unit_code: str = ""
    schedule_id: UUID | None = None
    priority: int = 50
    products: Sequence[str] = ()
    prices: Sequence[str] = ()
    taxed_at: str = "use"
    allows_overdraft: bool = False


@transaction.atomic
def grant_credits(
    *,
    words: CreditWords,
    now: datetime,
    effective_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> CreditGrant:
    """Give a customer credits for nothing. Credits that are paid for are sold on an invoice.

    :param effective_at: now, by default; :param expires_at: exclusive; never, by default.
    :raises CreditsInvalid: naming the field.
    """
    values = checked(words)
    begins = effective_at or now
    for name, moment in (("effective_at", begins), ("expires_at", expires_at)):
        if moment is not None and not 2000 <= moment.year <= 2200:
            raise CreditsInvalid(f"{name}: must be between 2000 and 2200")
    if expires_at is not None and expires_at <= begins:
        raise CreditsInvalid("expires_at: must be after it begins")
    return make_grant(values, now=now, effective_at=begins, expires_at=expires_at)


def make_grant(values: dict[str, Any], *, now: datetime, **more: Any) -> CreditGrant:
    """Write a grant that costs nothing, its first transaction and its event.

    What was overdrawn before is covered by it at once; by a grant that is sold, or begins
    later, at the next tick of the clock.
    """
    grant: CreditGrant = CreditGrant.objects.create(**values, **more, created_at=now)
    event = append_event(
        type="credits.granted",
        subject=f"customer/{grant.customer_id}",
        data={
            "grant_id": str(grant.id),
            "customer_id": str(grant.customer_id),
            "name": grant.name,
            "amount": format(grant.amount.normalize(), "f"),
            "unit": grant.unit,
        },
        occurred_at=now,
    )
    write_moves({grant.id: grant}, [Move(grant.id, _Kind.GRANTED, grant.amount)], event=event,
                now=now)  # fmt: skip
    forget_marks(customer_id=grant.customer_id)
    cover_overdrafts(customer_id=grant.customer_id, now=now)
    return grant


@transaction.atomic
def void_grant(*, grant_id: UUID, reason: str, now: datetime) -> CreditGrant:
    """Withdraw what is left of credits that were given; what was used stays used.

    :raises GrantEnded: if it was voided or has expired.
    :raises GrantWasSold: if the customer paid for it.
    """
    grants = lock_grants([grant_id])
    if grant_id not in grants:
        raise CreditGrant.DoesNotExist
    grant = grants[grant_id]
    if grant.voided_at is not None or grant.ended_at is not None:
        raise GrantEnded(f"{grant.name} has ended already")
    if grant.cost_amount:
        number = grant.invoice.number if grant.invoice else "its invoice"
        raise GrantWasSold(f"{grant.name} was sold on {number}; credit that invoice instead")
    if not reason.strip():
        raise CreditsInvalid("reason: say why")
    grant.voided_at = grant.ended_at = now
    grant.void_reason = reason.strip()[:300]
    grant.save(update_fields=["voided_at", "void_reason", "ended_at"])
    held = balances_of([grant.id]).get(grant.id, ZERO)
    event = append_event(
        type="credits.voided",
        subject=f"customer/{grant.customer_id}",
        data={"grant_id": str(grant.id), "name": grant.name, "reason": grant.void_reason},
        occurred_at=now,
    )
    if held > 0:
        write_moves(grants, [Move(grant.id, _Kind.VOIDED, -held)], event=event, now=now)
    return grant


@transaction.atomic
def sell_credits(
    *,
    words: CreditWords,
    price: Decimal,
    now: datetime,
    expires_after_days: int | None = None,
    top_up: CreditTopUp | None = None,
) -> Invoice:
    """Draft an invoice that sells credits; they are granted when it is issued.

    :param price: what all of them cost, without tax, in the customer's currency.
    :raises CreditsInvalid: naming the field.
    """
    values = checked(words)
    customer = Customer.objects.get(id=words.customer_id)
    try:
        cost = Money(price, values["currency"])
    except MoneyError:
        raise CreditsInvalid(f"price: more decimals than {values['currency']} has") from None
    if cost.amount <= 0:
        raise CreditsInvalid("price: must be above zero; give credits that cost nothing")
    if expires_after_days is not None and not 1 <= expires_after_days <= 36500:
        raise CreditsInvalid("expires_after_days: must be from 1 to 36500")
    invoice = create_one_off(
        customer_id=customer.id,
        bill_on=local_day(now, customer.time_zone),
        entries=[ManualEntry(description=values["name"], amount=cost.amount)],
        currency=values["currency"],
        now=now,
    )
    line: InvoiceLine = invoice.lines.get()
    line.kind = PREPAID
    line.save(update_fields=["kind"])
    settle_stored(invoice, zone=customer.time_zone)  # credits do not pay for credits
    CreditSale.objects.create(
        **values,
        invoice=invoice,
        line_key=line.key,
        top_up=top_up,
        expires_after_days=expires_after_days,
        created_at=now,
    )
    return invoice


def checked(words: CreditWords) -> dict[str, Any]:
    """Return the columns of what was written.

    :raises CreditsInvalid: naming the field.
    """
    customer = Customer.objects.filter(id=words.customer_id).first()
    if customer is None:
        raise CreditsInvalid("customer: there is no such customer")
    if not words.name.strip():
        raise CreditsInvalid("name: say what they are for")
    if words.kind not in CreditGrant.Kind.values:
        raise CreditsInvalid(f"kind: must be one of {', '.join(CreditGrant.Kind.values)}")
    if words.taxed_at not in CreditGrant.TaxedAt.values:
        raise CreditsInvalid(f"taxed_at: must be one of {', '.join(CreditGrant.TaxedAt.values)}")
    if not 0 <= words.priority <= 1000:
        raise CreditsInvalid("priority: must be from 0 to 1000")
    schedule = BillingSchedule.objects.filter(id=words.schedule_id, customer=customer).first()
    owner = schedule or customer  # a contract may be sold by another company, in another currency
    currency = _currency(words.currency or owner.currency)
    _check_units(words, currency)
    _check_scope(words, customer)
    return {
        "customer_id": customer.id,
        "legal_entity_id": owner.legal_entity_id,
        "schedule_id": words.schedule_id,
        "name": words.name.strip()[:120],
        "amount": words.amount,
        "kind": words.kind,
        "currency": currency,
        "meter_id": words.meter_id if words.kind == CreditGrant.Kind.METER else None,
        "unit_code": words.unit_code.strip() if words.kind == CreditGrant.Kind.UNIT else "",
        "priority": words.priority,
        "products": sorted(set(words.products)),
        "prices": sorted(str(one) for one in set(words.prices)),
        "taxed_at": words.taxed_at,
        "allows_overdraft": words.allows_overdraft,
    }


def _currency(code: str) -> str:
    try:
        minor_unit(code)
    except MoneyError:
        raise CreditsInvalid(f"currency: {code!r} is not an ISO 4217 code") from None
    return code


def _check_units(words: CreditWords, currency: str) -> None:
    if not 0 < words.amount < MOST:
        raise CreditsInvalid("amount: must be above zero and below 10^15")
    if words.amount != words.amount.quantize(Decimal("1e-12")):
        raise CreditsInvalid("amount: has at most 12 decimals")
    if words.kind == CreditGrant.Kind.MONEY:
        try:
            Money(words.amount, currency)
        except MoneyError:
            raise CreditsInvalid(f"amount: more decimals than {currency} has") from None
    if words.kind == CreditGrant.Kind.METER and not Meter.objects.filter(id=words.meter_id):
        raise CreditsInvalid("meter: choose the meter whose units are granted")
    if words.kind == CreditGrant.Kind.UNIT and not 0 < len(words.unit_code.strip()) <= 60:
        raise CreditsInvalid("unit_code: say what the units are called, as prices do")


def _check_scope(words: CreditWords, customer: Customer) -> None:
    known = set(
        Product.objects.filter(code__in=list(words.products)).values_list("code", flat=True)
    )
    for code in words.products:
        if code not in known:
            raise CreditsInvalid(f"products: there is no product {code!r}")
    if words.prices:
        wanted = {str(one) for one in words.prices}
        found = Price.objects.filter(id__in=wanted).values_list("id", flat=True)
        if {str(one) for one in found} != wanted:
            raise CreditsInvalid("prices: there is no such price")
    if words.schedule_id is not None and not BillingSchedule.objects.filter(
        id=words.schedule_id, customer=customer
    ):
        raise CreditsInvalid("schedule: is not a contract of this customer")
