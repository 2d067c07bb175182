"""Invoices ahead of the end of a period, whenever a contract's usage has accrued to an amount.

What was billed by then is the watermark of each usage line: what it came to when the last
threshold invoice was made. The next one is made once the lines have grown by the amount again;
it bills what they come to by then less what stands billed of them. Fees, minimums, percentages
of other lines and the rest of the usage are on the invoice of the period.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from billing.domain.tax import TAX_INCLUDED, tax_lines
from billing.models import BillingSchedule, Invoice, InvoiceLine
from billing.selectors.claimed import PROGRESS, ClaimedLine, claimed_of_schedules
from billing.services.accrued import AccruedBill, accrued_of_schedules
from billing.services.assertions import check
from billing.services.calculation import set_totals, settle_stored, sums
from billing.services.calculation.outcomes import EXACT
from billing.services.invoicing import recalculate_invoices
from billing.services.taxing import Rates, share_tax, tax_fields_of
from metering.models import UsageReading
from monetization.events.services import append_event
from monetization.kernel.decimals import plain
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money, MoneyError, total
from monetization.kernel.period import local_day
from monetization.pricing.estimate import Claimed, price_progress
from monetization.pricing.terms import terms_from_data

LARGEST = Decimal(10) ** 12


class ThresholdInvalid(Refusal):
    """A contract cannot be billed at this amount."""


@dataclass(slots=True)
class _Growing:
    """A usage line of a period that runs, with what was claimed of it."""

    line: InvoiceLine
    amount: Money
    claimed: list[ClaimedLine] = field(default_factory=list)

    @property
    def standing(self) -> list[Claimed]:
        return [one.claimed for one in self.claimed if not one.is_void and one.claimed.stands]

    @property
    def watermark(self) -> Money:
        """What the line came to when it was billed last; a void invoice passed it too."""
        last = self.claimed[-1].cumulative if self.claimed else Decimal(0)
        return Money(last, self.amount.currency)

    @property
    def due(self) -> Money:
        stands = (one.stands for one in self.standing)
        return self.amount - total(stands, self.amount.currency)


@transaction.atomic
def set_threshold(*, schedule_id: UUID, amount: Decimal | None, now: datetime) -> BillingSchedule:
    """Say how much usage may accrue before it is billed; None: it waits for its period's end.

    :param amount: net, of the contract's currency.
    :raises ThresholdInvalid: for an amount that is not above zero, or a contract without usage.
    """
    schedule: BillingSchedule = BillingSchedule.objects.select_for_update(of=("self",)).get(
        id=schedule_id
    )
    if amount is not None:
        _refuse_invalid(schedule, amount)
    if schedule.threshold_amount == amount:
        return schedule
    schedule.threshold_amount = amount
    schedule.save(update_fields=["threshold_amount"])
    append_event(
        type="schedule.threshold_changed",
        subject=f"schedule/{schedule.id}",
        data={
            "schedule_id": str(schedule.id),
            "amount": "" if amount is None else str(Money(amount, schedule.currency).amount),
        },
        occurred_at=now,
    )
    return schedule


def _refuse_invalid(schedule: BillingSchedule, amount: Decimal) -> None:
    if schedule.status in (BillingSchedule.Status.COMPLETED, BillingSchedule.Status.CANCELLED):
        raise ThresholdInvalid(f"threshold_amount: {schedule.number} bills nothing any more")
    if not amount.is_finite() or not 0 < amount < LARGEST:
        raise ThresholdInvalid("threshold_amount: must be above zero")
    try:
        Money(amount, schedule.currency)
    except MoneyError:
        raise ThresholdInvalid(
            f"threshold_amount: has more decimals than {schedule.currency}"
        ) from None
    terms = terms_from_data(schedule.terms)
    if not any(item.kind == "usage" for phase in terms.phases for item in phase.items):
        raise ThresholdInvalid(
            f"threshold_amount: {schedule.number} has no usage; there is nothing to bill ahead"
        )


@transaction.atomic
def due_thresholds(*, now: datetime) -> list[UUID]:
    """Return the contracts whose usage has reached their threshold; one computation for all."""
    schedules = {
        row.id: row
        for row in BillingSchedule.objects.filter(
            status=BillingSchedule.Status.ACTIVE, threshold_amount__isnull=False
        )
    }
    if not schedules:
        return []
    bills: dict[UUID, list[AccruedBill]] = defaultdict(list)
    for bill in accrued_of_schedules(schedule_ids=list(schedules), now=now):
        bills[bill.schedule.id].append(bill)
    claimed = claimed_of_schedules(schedules)
    return [
        schedule_id
        for schedule_id, schedule in schedules.items()
        if _reached(schedule, _growing(bills[schedule_id], claimed[schedule_id]))
    ]


@transaction.atomic
def bill_threshold(*, schedule_id: UUID, now: datetime) -> Invoice | None:
    """Draft the invoice of a threshold that is reached; None if it is not, or was before.

    The contract is locked while its usage is measured, so that two clocks make one invoice; its
    place among the contract's threshold invoices is unique besides.
    """
    schedule = (
        BillingSchedule.objects.select_for_update(of=("self",))
        .select_related("customer")
        .get(id=schedule_id)
    )
    if schedule.status != BillingSchedule.Status.ACTIVE or schedule.threshold_amount is None:
        return None
    bills = accrued_of_schedules(schedule_ids=[schedule.id], now=now)
    growing = _growing(bills, claimed_of_schedules([schedule.id])[schedule.id])
    if not _reached(schedule, growing):
        return None
    invoice = _open(schedule, growing, now)
    _write_lines(invoice, growing, now)
    append_event(
        type="invoice.threshold_reached",
        subject=f"invoice/{invoice.id}",
        data={
            "invoice_id": str(invoice.id),
            "schedule_id": str(schedule.id),
            "customer_id": str(schedule.customer_id),
            "threshold": str(schedule.threshold_amount.normalize()),
            "subtotal": str(invoice.subtotal_amount),
            "currency": invoice.currency,
        },
        occurred_at=now,
    )
    touched = [bill.invoice_id for bill in bills if bill.invoice_id is not None]
    recalculate_invoices(invoice_ids=touched, now=now)
    return invoice


def _growing(bills: Sequence[AccruedBill], claimed: Sequence[ClaimedLine]) -> list[_Growing]:
    """Return the usage lines of periods that run, each with what was claimed of it."""
    found = {
        row.line.key: _Growing(row.line, row.amount)
        for bill in bills
        if bill.status == Invoice.Status.IN_PROGRESS
        for row in bill.lines
        if row.line.kind == "item" and row.line.reading is not None and row.has_begun
    }
    for one in claimed:
        if one.key in found:
            found[one.key].claimed.append(one)
    return list(found.values())


def _reached(schedule: BillingSchedule, growing: Sequence[_Growing]) -> bool:
    if schedule.threshold_amount is None:
        return False
    currency = schedule.currency
    grown = total((one.amount - one.watermark for one in growing), currency)
    due = total((one.due for one in growing), currency)
    return grown.amount >= schedule.threshold_amount and due.amount > 0


def _open(schedule: BillingSchedule, growing: Sequence[_Growing], now: datetime) -> Invoice:
    customer = schedule.customer
    last = schedule.invoices.aggregate(last=Max("threshold_number"))["last"]
    today = local_day(now, schedule.time_zone)
    start = min(one.line.service_start for one in growing)
    invoice: Invoice = Invoice.objects.create(
        schedule=schedule,
        threshold_number=(last or 0) + 1,
        customer=customer,
        legal_entity_id=schedule.legal_entity_id,
        status=Invoice.Status.DRAFT,
        currency=schedule.currency,
        bill_on=today,
        period_start=start,
        period_end=max(today, start) + timedelta(days=1),
        **tax_fields_of(customer, schedule.legal_entity_id),
        payment_terms_days=schedule.payment_terms_days,
        purchase_order=schedule.purchase_order or customer.purchase_order,
        calculated_at=now,
    )
    return invoice


def _write_lines(invoice: Invoice, growing: Sequence[_Growing], now: datetime) -> None:
    due = [one for one in growing if one.due]
    UsageReading.objects.bulk_create(_readings(due, now))
    rates, inclusive = Rates.load([invoice.customer_id]), invoice.prices_include_tax
    label = f"Used until {now.astimezone(UTC):%d %b %Y %H:%M} UTC"
    lines = []
    for position, one in enumerate(due, start=1):
        whole = one.line
        priced = price_progress(whole.explanation, label=label, claimed=one.standing)
        service_end = max(invoice.period_end, whole.service_start + timedelta(days=1))
        rate = rates.of(invoice, whole.product_code, service_end)
        taxed = tax_lines(
            [("", priced.amount, rate.percent)], currency=invoice.currency, inclusive=inclusive
        )[""]
        inside = {TAX_INCLUDED: plain(rate.percent)} if inclusive else {}
        lines.append(
            InvoiceLine(
                invoice=invoice,
                key=whole.key,
                position=position,
                kind=PROGRESS,
                item_key=whole.item_key,
                product_code=whole.product_code,
                description=whole.description,
                service_start=whole.service_start,
                service_end=service_end,
                exact_amount=priced.exact.quantize(EXACT),
                amount=taxed.net.amount,
                tax_percent=rate.percent,
                tax_amount=taxed.tax.amount,
                tax_name=rate.name,
                tax_treatment=rate.treatment,
                explanation={**priced.explanation, **inside},
                price_version_id=whole.price_version_id,
                reading=whole.reading,
                is_flagged=whole.is_flagged,
                note=label,
            )
        )
    if invoice.tax_method == "per_category":
        share_tax(invoice, lines)
    InvoiceLine.objects.bulk_create(lines)
    subtotal, tax = sums(lines, invoice.currency)
    set_totals(invoice, subtotal.amount, tax.amount)
    invoice.save(update_fields=["subtotal_amount", "tax_amount", "total_amount"])
    assert invoice.schedule is not None  # noqa: S101 - made for one
    settle_stored(invoice, zone=invoice.schedule.time_zone)
    check([invoice], now=now)


def _readings(growing: Sequence[_Growing], now: datetime) -> list[UsageReading]:
    """Return what was measured, each reading once, to be kept with the lines."""
    found = {}
    for one in growing:
        reading = one.line.reading
        assert reading is not None  # noqa: S101 - selected so
        reading.taken_at = now
        found[reading.id] = reading
    return list(found.values())
