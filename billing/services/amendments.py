"""A contract ends before its term, because another takes its place or nobody goes on with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from django.db import transaction

from billing.domain.manual_lines import ManualEntry
from billing.models import BillingSchedule, Invoice, InvoiceLine, UnusedTime
from billing.selectors.schedules import charge_period, period_row
from billing.services.drafts import add_manual_line, total_draft
from billing.services.ending import cut_periods, drop_periods
from billing.services.invoicing import OPEN_STATES, advance_schedule, recalculate_invoices
from billing.services.schedules import activate_schedule, create_schedule
from billing.services.taxing import tax_fields_of
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.kernel.period import Period, add_months, local_day
from monetization.pricing.estimate import price_periods
from monetization.pricing.terms import OrderTerms, terms_from_data, terms_until
from monetization.pricing.timeline import ChargePeriod, charge_periods
from quotes.models import OrderForm

RUNNING = ("pending", "active", "suspended")


class ScheduleCannotEnd(Refusal):
    """The contract does not run on that day, or has ended already."""


@dataclass(frozen=True, slots=True)
class Unused:
    """What of an issued line is for days after the end."""

    line: InvoiceLine
    service: Period  # the days not used
    amount: Money  # net; what the days up to the end do not cost


def unused_time(schedule: BillingSchedule, end: date) -> list[Unused]:
    """Return what issued invoices charge for days from an end on, by line.

    The part up to the end is priced as the contract prices it, by day; what was invoiced
    beyond it is unused. What is billed by use has nothing to give back.
    """
    terms = terms_from_data(schedule.terms)
    lines = (
        InvoiceLine.objects.filter(
            invoice__schedule=schedule,
            invoice__status=Invoice.Status.ISSUED,
            billing_period__isnull=False,
            service_end__gt=end,
            kind="item",
            reading__isnull=True,
        )
        .select_related("invoice", "billing_period__phase")
        .order_by("service_start", "item_key")
    )
    found = []
    for line in lines:
        used = _priced_until(terms, line, end)
        unused = Money(line.amount, schedule.currency) - used
        if unused.amount > 0:
            days = Period(max(end, line.service_start), line.service_end)
            found.append(Unused(line, days, unused))
    return found


def _priced_until(terms: OrderTerms, line: InvoiceLine, end: date) -> Money:
    """Return what the days of a line before the end cost: its own part of the invoiced amount."""
    if line.service_start >= end:
        return Money.zero(terms.currency)
    whole = charge_period(terms, period_row(line.billing_period))
    [cut] = [
        period
        for period in charge_periods(terms_until(terms, end))
        if _place(period) == _place(whole)
    ] or [whole]
    if cut.service == whole.service:
        return Money(line.amount, terms.currency)
    if not whole.factor:
        return Money.zero(terms.currency)
    part = Money.rounded(Fraction(line.exact_amount) * cut.factor / whole.factor, terms.currency)
    return min(part, Money(line.amount, terms.currency))


def _place(period: ChargePeriod) -> tuple[str, str, str, date]:
    return (period.phase_key, period.kind, period.item_key, period.service.start)


def check_end(schedule: BillingSchedule, end: date) -> date:
    """Return a day a contract can end on.

    :raises ScheduleCannotEnd: if it does not run on that day, or has ended already.
    """
    if schedule.status not in RUNNING or schedule.ended_on is not None:
        raise ScheduleCannotEnd(f"{schedule.number} is {schedule.get_status_display().lower()}")
    if end <= schedule.start_on or (schedule.end_on is not None and end > schedule.end_on):
        raise ScheduleCannotEnd(f"end: must be within the contract, after {schedule.start_on}")
    return end


@transaction.atomic
def end_schedule(
    *, schedule_id: UUID, end: date, now: datetime, ended_by: OrderForm | None = None
) -> list[Unused]:
    """Let a contract bill nothing from a day on; what was issued beyond it is returned.

    Periods that are not issued are cut or fall away, the open invoices they were on with them.

    :param end: exclusive.
    :raises ScheduleCannotEnd: if it does not run on that day.
    """
    schedule = BillingSchedule.objects.select_for_update(of=("self",)).get(id=schedule_id)
    found = unused_time(schedule, check_end(schedule, end))
    touched = drop_periods(schedule, end)
    schedule.ended_on = schedule.end_on = end
    schedule.ended_by = ended_by
    schedule.save(update_fields=["ended_on", "end_on", "ended_by"])
    cut_periods(schedule, end)
    _tidy(schedule, touched)
    append_event(
        type="schedule.ended",
        subject=f"schedule/{schedule.id}",
        data={
            "schedule_id": str(schedule.id),
            "customer_id": str(schedule.customer_id),
            "ended_on": end.isoformat(),
            **({"order_form_id": str(schedule.order_form_id)} if schedule.order_form_id else {}),
        },
        occurred_at=now,
    )
    opened = advance_schedule(schedule_id=schedule.id, now=now)
    rest = schedule.invoices.filter(id__in=touched, status__in=OPEN_STATES)
    for invoice in rest.order_by("id"):
        total_draft(invoice, now)  # lines fell away with their periods
    recalculate_invoices(invoice_ids=[*opened, *rest.values_list("id", flat=True)], now=now)
    return found


def _tidy(schedule: BillingSchedule, touched: Sequence[UUID]) -> None:
    """Delete open invoices that bill nothing any more; end the phases."""
    schedule.invoices.filter(
        id__in=touched, status__in=OPEN_STATES, periods__isnull=True, lines__isnull=True
    ).delete()
    schedule.phases.filter(start_on__gte=schedule.end_on, periods__isnull=True).delete()
    schedule.phases.filter(start_on__lt=schedule.end_on, end_on__gt=schedule.end_on).update(
        end_on=schedule.end_on
    )
    schedule.phases.filter(start_on__lt=schedule.end_on, end_on__isnull=True).update(
        end_on=schedule.end_on
    )


@transaction.atomic
def apply_amendment(*, order_form_id: UUID, now: datetime) -> BillingSchedule | None:
    """Bill by a signed amendment from its first day on; a repeat changes nothing.

    The contract before it ends that day, the amendment's schedule begins, and what was paid
    ahead for days after it is taken off its first invoice, a line each.

    :returns: the new schedule; None if the order form amends nothing that is billed.
    """
    forms = OrderForm.objects.select_for_update(of=("self",)).select_related("version__quote")
    form = forms.get(id=order_form_id)
    quote = form.version.quote
    if quote.kind != "amendment" or quote.amends_id is None:
        return None
    done = form.schedules.exclude(status=BillingSchedule.Status.CANCELLED).first()
    old = BillingSchedule.objects.filter(order_form_id=quote.amends_id, status__in=RUNNING).first()
    if done is not None or old is None or old.ended_on is not None:
        return done
    start = terms_from_data(form.terms).start_on
    unused = end_schedule(schedule_id=old.id, end=start, now=now, ended_by=form)
    schedule = create_schedule(order_form_id=form.id, now=now)
    activate_schedule(schedule_id=schedule.id, now=now)
    touched = advance_schedule(schedule_id=schedule.id, now=now)
    recalculate_invoices(invoice_ids=touched, now=now)
    _give_back(old, schedule, unused, now)
    return schedule


def _give_back(
    old: BillingSchedule, schedule: BillingSchedule, unused: Sequence[Unused], now: datetime
) -> None:
    if not unused:
        return
    invoice = _first_invoice(schedule, now)
    for part in unused:
        line = add_manual_line(
            invoice_id=invoice.id,
            entry=ManualEntry(
                description=(
                    f"Unused time of {part.line.description}, invoiced on "
                    f"{part.line.invoice.number}"
                )[:300],
                amount=-part.amount.amount,
                product_code=part.line.product_code,
                service=part.service,
                note=f"{old.number} ended on {part.service.start:%d %B %Y}",
            ),
            now=now,
        )
        UnusedTime.objects.create(
            schedule=old,
            invoice_line=part.line,
            item_key=part.line.item_key,
            service_start=part.service.start,
            service_end=part.service.end,
            amount=part.amount.amount,
            given_back_line=line.id,
        )


def _first_invoice(schedule: BillingSchedule, now: datetime) -> Invoice:
    """Return the invoice of the first billing date; one that starts later is opened ahead."""
    first: Invoice | None = (
        schedule.invoices.filter(status__in=OPEN_STATES, threshold_number__isnull=True)
        .order_by("bill_on")
        .first()
    )
    if first is not None:
        return first
    periods = schedule.periods.filter(invoice__isnull=True).order_by("bill_on")
    day = periods.values_list("bill_on", flat=True).first() or schedule.start_on
    spans = list(periods.filter(bill_on=day).values_list("service_start", "service_end"))
    customer = schedule.customer
    invoice: Invoice = Invoice.objects.create(
        schedule=schedule,
        bill_on=day,
        customer=customer,
        legal_entity_id=schedule.legal_entity_id,
        status=(
            Invoice.Status.DRAFT
            if day <= local_day(now, schedule.time_zone)
            else Invoice.Status.IN_PROGRESS
        ),
        currency=schedule.currency,
        period_start=min((start for start, _ in spans), default=day),  # in arrears it ends on it
        period_end=max((end for _, end in spans), default=day + timedelta(days=1)),
        **tax_fields_of(customer, schedule.legal_entity_id),
        payment_terms_days=schedule.payment_terms_days,
        purchase_order=schedule.purchase_order or customer.purchase_order,
    )
    periods.filter(bill_on=day).update(invoice=invoice)
    recalculate_invoices(invoice_ids=[invoice.id], now=now)
    return invoice


@dataclass(frozen=True, slots=True)
class AmendmentPreview:
    """What signing an amendment would do, by the functions that do it."""

    unused: list[Unused]
    credit: Money  # zero or less
    first_bill: Money  # the amendment's first invoice before the credit
    first_bill_on: date | None
    remaining_before: Money  # what the contract would still bill from that day, as committed
    remaining_after: Money

    @property
    def net(self) -> Money:
        return self.first_bill + self.credit


def preview_amendment(*, schedule: BillingSchedule, terms: OrderTerms) -> AmendmentPreview:
    """Say what an amendment would credit and charge. Writes nothing.

    :param terms: the amendment's, from its first day on.
    """
    zero = Money.zero(schedule.currency)
    unused = unused_time(schedule, terms.start_on)
    credit = -sum((part.amount for part in unused), start=zero)
    after = _by_day(terms)
    before = _by_day(terms_from_data(schedule.terms), since=terms.start_on)
    first = min(after, default=None)
    return AmendmentPreview(
        unused=unused,
        credit=credit,
        first_bill=after[first] if first else zero,
        first_bill_on=first,
        remaining_before=sum(before.values(), start=zero),
        remaining_after=sum(after.values(), start=zero) + credit,
    )


def _by_day(terms: OrderTerms, since: date | None = None) -> dict[date, Money]:
    """Return what fixed lines bill by date; an open end is looked at a year ahead."""
    horizon = add_months(since or terms.start_on, 12, anchor_day=terms.start_on.day)
    periods = [
        period
        for period in charge_periods(terms, until=horizon)
        if period.kind == "item" and (since is None or period.service.start >= since)
    ]
    sums: dict[date, Money] = {}
    expected: dict[tuple[str, date], Decimal] = {}
    for line in price_periods(terms, periods, expected):
        sums[line.bill_on] = sums.get(line.bill_on, Money.zero(terms.currency)) + line.amount
    return sums
