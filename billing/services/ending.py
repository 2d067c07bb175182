"""The billing periods of a contract that ends before its term: up to the end, and no further."""

from datetime import date
from uuid import UUID

from billing.models import BillingPeriod, BillingSchedule, Invoice, InvoiceLine
from billing.services.invoicing import OPEN_STATES
from billing.services.schedules import write_periods
from monetization.pricing.terms import terms_from_data, terms_until


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
    write_periods(schedule, terms_until(terms_from_data(schedule.terms), end), until=end)
