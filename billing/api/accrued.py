"""What has accrued and is not billed yet, live."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.models import BillingSchedule, Invoice
from billing.services.accrued import (
    accrued_of_customers,
    accrued_of_schedule,
    totals_by_currency,
)
from monetization.customers.models import Customer
from monetization.interface.fields import AmountField, ExactField

OPEN = [(status, status.label) for status in (Invoice.Status.IN_PROGRESS, Invoice.Status.DRAFT)]


class AccruedLineSerializer(serializers.Serializer[Any]):
    """One line as the invoice would have it now."""

    key = serializers.CharField(source="line.key", help_text="The same on the invoice.")
    item_key = serializers.CharField(source="line.item_key")
    product_code = serializers.CharField(source="line.product_code")
    description = serializers.CharField(source="line.description")
    service_start = serializers.DateField(source="line.service_start")
    service_end = serializers.DateField(source="line.service_end", help_text="Exclusive.")
    quantity = ExactField(source="line.quantity", allow_null=True)
    unit_price = ExactField(source="line.unit_price", allow_null=True)
    amount = AmountField(source="amount.amount", currency="amount.currency")
    tax_amount = AmountField(source="tax.amount", currency="tax.currency")
    has_begun = serializers.BooleanField(help_text="False: billed in advance, service to come.")
    is_flagged = serializers.BooleanField(source="line.is_flagged")


class AccruedBillSerializer(serializers.Serializer[Any]):
    """A coming invoice of a schedule as it would be now."""

    schedule = serializers.UUIDField(source="schedule.id")
    schedule_number = serializers.CharField(source="schedule.number")
    invoice = serializers.UUIDField(source="invoice_id", allow_null=True)
    status = serializers.ChoiceField(choices=OPEN)
    bill_on = serializers.DateField()
    period_start = serializers.DateField()
    period_end = serializers.DateField(help_text="Exclusive.")
    currency = serializers.CharField(source="schedule.currency")
    accrued_amount = AmountField(
        source="accrued.amount",
        currency="accrued.currency",
        help_text="Net, of service that has begun.",
    )
    to_come_amount = AmountField(
        source="to_come.amount",
        currency="to_come.currency",
        help_text="Net, billed in advance for service to come.",
    )
    tax_amount = AmountField(source="tax.amount", currency="tax.currency")
    total_amount = AmountField(source="total.amount", currency="total.currency")
    lines = AccruedLineSerializer(many=True)


class AccruedTotalSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField(source="running.currency")
    running_amount = AmountField(
        source="running.amount", currency="running.currency", help_text="In periods that run."
    )
    under_review_amount = AmountField(
        source="under_review.amount",
        currency="under_review.currency",
        help_text="In drafts whose period is over.",
    )


class AccruedSerializer(serializers.Serializer[Any]):
    """What has accrued by now. Nothing here is stored or claimed."""

    as_of = serializers.DateTimeField()
    totals = AccruedTotalSerializer(many=True)
    bills = AccruedBillSerializer(many=True)


class CustomerAccruedView(APIView):
    """What a customer owes by now for periods that are not billed yet."""

    permission_resource = "invoices"

    @extend_schema(operation_id="customers_accrued", responses={200: AccruedSerializer})
    def get(self, request: Request, pk: UUID) -> Response:
        """Price the usage of this moment. Exact: the coming invoices, not an estimate."""
        now = timezone.now()
        customer = Customer.objects.get(id=pk)
        bills = accrued_of_customers(customer_ids=[customer.id], now=now)
        return Response(_answer(bills, now))


class ScheduleAccruedView(APIView):
    """What a schedule would bill if its running periods ended now."""

    permission_resource = "invoices"

    @extend_schema(operation_id="schedules_accrued", responses={200: AccruedSerializer})
    def get(self, request: Request, pk: UUID) -> Response:
        """Price the usage of this moment. Exact: the coming invoices, not an estimate."""
        now = timezone.now()
        schedule = BillingSchedule.objects.get(id=pk)
        return Response(_answer(accrued_of_schedule(schedule_id=schedule.id, now=now), now))


def _answer(bills: Any, now: Any) -> Any:
    found = {"as_of": now, "totals": totals_by_currency(bills), "bills": bills}
    return AccruedSerializer(found).data
