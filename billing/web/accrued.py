"""What has accrued by now, as a part of the customer's and of the schedule's page."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from billing.models import BillingSchedule
from billing.services.accrued import (
    AccruedBill,
    accrued_of_customers,
    accrued_of_schedule,
    totals_by_currency,
)
from monetization.customers.models import Customer
from monetization.interface.access import member_required


@require_GET
@member_required("invoices:read")
def of_customer(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """Show what has accrued on every contract of a customer."""
    customer = get_object_or_404(Customer, id=customer_id)
    now = timezone.now()
    bills = accrued_of_customers(customer_ids=[customer.id], now=now)
    return _part(request, bills, several=True)


@require_GET
@member_required("invoices:read")
def of_schedule(request: HttpRequest, schedule_id: UUID) -> HttpResponse:
    """Show what has accrued on one schedule."""
    schedule = get_object_or_404(BillingSchedule, id=schedule_id)
    bills = accrued_of_schedule(schedule_id=schedule.id, now=timezone.now())
    return _part(request, bills, several=False)


def _part(request: HttpRequest, bills: list[AccruedBill], *, several: bool) -> HttpResponse:
    context = {
        "bills": bills,
        "totals": totals_by_currency(bills),
        "several": several,
        "now": timezone.now(),
    }
    return render(request, "billing/_accrued.html", context)
