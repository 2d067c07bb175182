"""The billing periods of a contract that ends before its term: up to the end, and no further."""

from datetime import date
from uuid import UUID

from billing.models import BillingPeriod, BillingSchedule, Invoice, InvoiceLine
from billing.services.invoicing import OPEN_STATES
from monetization.kernel.period import start_instant
from monetization.pricing.terms import terms_from_data, terms_until
from monetization.pricing.timeline import charge_periods


def drop_periods(schedule: BillingSchedule, end: date) -> list[UUID]:
    """Delete the periods past the end that nobody was billed for; return their invoices."""
    over = BillingPeriod.objects.filter(schedule=schedule, service_end__gt=end).exclude(
        invoice__status=Invoice.Status.ISSUED
    )
    touched = [pk for pk in over.values_list("invoice_id", flat=True).distinct() if pk]
    InvoiceLine.objects.filter(
        billing_period__in=over, invoice__status__in=OPEN_STATES, is_manual=False
    ).delete()
    InvoiceLine.objects.filter(billing_period__in=over, invoice__status=Invoice.Status.VOID).update(
        billing_period=None
    )
    over.delete()
    return touched


def cut_periods(schedule: BillingSchedule, end: date) -> None:
    """Write the last periods as they are cut by the end; issued ones stay as they were billed."""
    phases = {phase.key: phase for phase in schedule.phases.all()}
    BillingPeriod.objects.bulk_create(
        (
            BillingPeriod(
                schedule=schedule,
                phase=phases[period.phase_key],
                kind=period.kind,
                item_key=period.item_key,
                service_start=period.service.start,
                service_end=period.service.end,
                full_start=period.full.start,
                full_end=period.full.end,
                starts_at=start_instant(period.service.start, schedule.time_zone),
                ends_at=start_instant(period.service.end, schedule.time_zone),
                bill_on=period.bill_on,
            )
            for period in charge_periods(terms_until(terms_from_data(schedule.terms), end))
        ),
        ignore_conflicts=True,
    )
    schedule.periods_until = end
    schedule.save(update_fields=["periods_until"])
