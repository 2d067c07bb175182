"""Usage that came after its invoice was issued: listed exactly, and routed by a person.

What an issued invoice would say now is computed as drafts are, over usage as it is now. The
difference to what it says, less what was decided before, is what is late.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from billing.domain.manual_lines import ManualEntry
from billing.models import CreditNote, Invoice, InvoiceLine, LateUsageDecision
from billing.services.calculation import compute
from billing.services.corrections import credit_lines
from billing.services.drafts import add_manual_line
from billing.services.invoicing import OPEN_STATES
from metering.selectors.staleness import stale_readings
from monetization.catalog.models import Product
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import JobKind, start_job
from monetization.kernel.decimals import plain
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money, total
from monetization.kernel.period import Period, local_day
from monetization.tenancy.context import current_actor

KIND = "usage.late"
Action = LateUsageDecision.Action


class NothingLate(Refusal):
    """Nothing of the invoice is late any more."""


class NoOpenInvoice(Refusal):
    """The contract has no open invoice that could carry what is late."""


class LateUsageOwed(Refusal):
    """What is owed more is billed, not credited."""


@dataclass(frozen=True, slots=True)
class LateLine:
    """One line of an issued invoice, and what it would be now."""

    key: str
    line: InvoiceLine | None  # None: the invoice has no such line
    description: str
    service: Period
    product_code: str
    quantity_billed: Decimal | None
    quantity_now: Decimal | None
    owed: Money  # net; what more it comes to, less what was decided before
    is_estimated: bool = False  # the invoice billed an estimate


@dataclass(frozen=True, slots=True)
class LateInvoice:
    """An issued invoice with late usage."""

    invoice: Invoice
    lines: tuple[LateLine, ...]

    @property
    def owed(self) -> Money:
        return total((line.owed for line in self.lines), self.invoice.currency)

    @property
    def suggested(self) -> str:
        """Return what our policy would do: bill what is owed, credit what is not."""
        return Action.NEXT_INVOICE if self.owed.amount > 0 else Action.CREDIT_NOTE


def late_invoices(
    *, since: date, until: date, now: datetime, customer_id: UUID | None = None
) -> list[LateInvoice]:
    """Return issued invoices whose usage is not what they billed, earliest first.

    :param since, until: the days they were billed on; the last is excluded.
    :param customer_id: of this customer alone.
    """
    found = InvoiceLine.objects.filter(
        invoice__status=Invoice.Status.ISSUED,
        invoice__schedule__isnull=False,
        invoice__threshold_number__isnull=True,  # the period's invoice bills what comes after
        invoice__bill_on__gte=since,
        invoice__bill_on__lt=until,
        reading__isnull=False,
    )
    if customer_id is not None:
        found = found.filter(invoice__customer_id=customer_id)
    rows = found.values_list("reading_id", "invoice_id")
    places = {reading: invoice for reading, invoice in rows if reading is not None}
    stale = {places[reading] for reading in stale_readings(list(places))}
    stale |= set(
        estimated_invoices().filter(id__in=set(places.values())).values_list("id", flat=True)
    )
    invoices = Invoice.objects.filter(id__in=stale).select_related("schedule", "customer")
    return _late(list(invoices.order_by("bill_on", "number")), now)


CSV_HEADER = (
    "Invoice",
    "Customer",
    "Line",
    "Service start",
    "Service end (exclusive)",
    "Quantity billed",
    "Quantity now",
    "Owed more",
    "Currency",
    "Proposed",
)


def csv_rows(found: Iterable[LateInvoice]) -> list[tuple[Any, ...]]:
    """Return a row of ``CSV_HEADER`` for each line that is late."""
    return [
        (
            late.invoice.number,
            late.invoice.customer.name,
            line.description,
            line.service.start,
            line.service.end,
            line.quantity_billed,
            line.quantity_now,
            line.owed.amount,
            line.owed.currency,
            late.suggested,
        )
        for late in found
        for line in late.lines
    ]


def estimated_invoices() -> QuerySet[Invoice]:
    """Return the issued invoices that billed an estimate."""
    lines = InvoiceLine.objects.filter(is_manual=False, explanation__has_key="estimate")
    return Invoice.objects.filter(status=Invoice.Status.ISSUED, id__in=lines.values("invoice_id"))


def _late(invoices: Sequence[Invoice], now: datetime) -> list[LateInvoice]:
    decided = _decided(invoices)
    issued: dict[UUID, dict[str, InvoiceLine]] = defaultdict(dict)
    for line in InvoiceLine.objects.filter(invoice__in=list(invoices), is_manual=False):
        issued[line.invoice_id][line.key] = line
    found = []
    for computed in compute(invoices, now=now):
        invoice = computed.invoice
        fresh = {line.key: line for line in computed.lines if not line.is_manual}
        lines = [
            late
            for key in {**issued[invoice.id], **fresh}
            if (late := _line(invoice, key, issued[invoice.id].get(key), fresh.get(key), decided))
        ]
        if lines:
            found.append(LateInvoice(invoice, tuple(lines)))
    return found


def _line(
    invoice: Invoice,
    key: str,
    billed: InvoiceLine | None,
    fresh: InvoiceLine | None,
    decided: dict[tuple[UUID, str], Decimal],
) -> LateLine | None:
    shown = billed or fresh
    if shown is None:
        return None
    before = (billed.amount if billed else Decimal(0)) + decided.get((invoice.id, key), Decimal(0))
    owed = (fresh.amount if fresh else Decimal(0)) - before
    if not owed:
        return None
    return LateLine(
        key=key,
        line=billed,
        description=shown.description,
        service=Period(shown.service_start, shown.service_end),
        product_code=shown.product_code,
        quantity_billed=billed.quantity if billed else None,
        quantity_now=fresh.quantity if fresh else None,
        owed=Money(owed, invoice.currency),
        is_estimated=billed is not None and "estimate" in billed.explanation,
    )


def _decided(invoices: Iterable[Invoice]) -> dict[tuple[UUID, str], Decimal]:
    """Add up what was decided, leaving out lines that were taken off again."""
    rows = (
        LateUsageDecision.objects.filter(invoice__in=[invoice.id for invoice in invoices])
        .exclude(Q(action=Action.NEXT_INVOICE) & Q(target_line__isnull=True))
        .values_list("invoice_id", "line_key")
        .annotate(amount=Sum("amount"))
    )
    return {(invoice_id, key): amount for invoice_id, key, amount in rows}


@transaction.atomic
def route_late_usage(
    *, invoice_id: UUID, action: str, reason: str, now: datetime, estimates_only: bool = False
) -> list[LateUsageDecision]:
    """Bill what is late on the contract's next invoice, credit it, or leave it, for good.

    A line on the next invoice keeps its service period and the terms it was billed under.

    :param estimates_only: leave lines alone that billed what was measured then.
    :raises NothingLate: if nothing is late, or somebody was faster.
    :raises NoOpenInvoice: if there is no invoice to put it on.
    :raises LateUsageOwed: if a credit would give less than nothing.
    """
    invoice = (
        Invoice.objects.select_for_update(of=("self",))
        .select_related("schedule", "customer")
        .get(id=invoice_id)
    )
    found = _late([invoice], now) if invoice.status == Invoice.Status.ISSUED else []
    if not found:
        raise NothingLate(f"nothing of {invoice.number or 'the invoice'} is late any more")
    late = found[0]
    if estimates_only:
        lines = [one for one in late.lines if one.is_estimated or not _is_measured(one)]
        if not any(one.is_estimated for one in lines):
            raise NothingLate(f"no estimate on {invoice.number} is to be trued up")
        late = LateInvoice(late.invoice, tuple(lines))
    note: CreditNote | None = None
    targets: dict[str, InvoiceLine] = {}
    if action == Action.CREDIT_NOTE:
        note = _credit(late, reason, now)
    elif action == Action.NEXT_INVOICE:
        targets = _bill(late, now)
    return LateUsageDecision.objects.bulk_create(
        LateUsageDecision(
            invoice=invoice,
            line_key=line.key,
            action=action,
            amount=line.owed.amount,
            quantity_billed=line.quantity_billed,
            quantity_now=line.quantity_now,
            target_line=targets.get(line.key),
            credit_note=note,
            reason=reason.strip()[:300],
            actor=current_actor(),
            decided_at=now,
        )
        for line in late.lines
    )


def _is_measured(line: LateLine) -> bool:
    return line.line is not None and line.line.reading_id is not None


def _credit(late: LateInvoice, reason: str, now: datetime) -> CreditNote:
    amounts = {line.line.id: -line.owed.amount for line in late.lines if line.line is not None}
    if any(line.line is None for line in late.lines) or min(amounts.values()) < 0:
        raise LateUsageOwed(
            f"{late.invoice.number}: a line comes to more than was billed; put it on the next"
            " invoice"
        )
    schedule = late.invoice.schedule
    zone = schedule.time_zone if schedule else "UTC"
    return credit_lines(
        invoice_id=late.invoice.id,
        amounts=amounts,
        reason=reason.strip() or "Usage corrected after the invoice",
        issued_on=local_day(now, zone),
        now=now,
    )


def _bill(late: LateInvoice, now: datetime) -> dict[str, InvoiceLine]:
    target = (
        Invoice.objects.filter(
            schedule=late.invoice.schedule, status__in=OPEN_STATES, threshold_number__isnull=True
        )
        .order_by("bill_on")
        .first()
    )
    if target is None:
        raise NoOpenInvoice(
            f"{late.invoice.number}: the contract has no open invoice; credit it, or charge it on a"
            " supplementary invoice from its page"
        )
    codes = set(
        Product.objects.filter(code__in={line.product_code for line in late.lines}).values_list(
            "code", flat=True
        )
    )
    return {
        line.key: add_manual_line(
            invoice_id=target.id,
            entry=ManualEntry(
                description=_described(line, late.invoice),
                amount=line.owed.amount,
                product_code=line.product_code if line.product_code in codes else "",
                service=line.service,
                note=_quantities(line),
            ),
            now=now,
        )
        for line in late.lines
    }


def _described(line: LateLine, invoice: Invoice) -> str:
    if line.is_estimated:
        name = line.description.removesuffix(" (estimated)")
        return f"{name}, actual usage less the estimate on {invoice.number}"
    return f"{line.description}, late usage of {invoice.number}"


def _quantities(line: LateLine) -> str:
    if line.quantity_billed is None or line.quantity_now is None:
        return ""
    if line.is_estimated:
        return f"{plain(line.quantity_now)} measured, {plain(line.quantity_billed)} estimated"
    return f"{plain(line.quantity_now)} used, {plain(line.quantity_billed)} billed"


@transaction.atomic
def start_routing(*, invoice_ids: Sequence[UUID], action: str, reason: str) -> Job:
    """Route the late usage of many invoices as a job, one item each.

    :raises NothingSelected: without invoices.
    """
    rows = Invoice.objects.filter(id__in=list(invoice_ids)).select_related("customer")
    items = [(str(row.id), f"{row.customer.name[:160]}, {row.number}") for row in rows]
    label = Action(action).label.lower()
    noun = "invoice" if len(items) == 1 else "invoices"
    return start_job(
        kind=KIND,
        title=f"Late usage of {len(items):,} {noun}: {label}",
        items=items,
        params={"action": action, "reason": reason},
    )


def route_item(job: Job, item: JobItem) -> dict[str, str]:
    """Route one invoice of a job."""
    made = route_late_usage(
        invoice_id=UUID(item.key),
        action=job.params["action"],
        reason=job.params["reason"],
        now=timezone.now(),
    )
    return {"amount": plain(sum((one.amount for one in made), Decimal(0)))}


ROUTE = JobKind(KIND, route_item)
