"""Usage that came after its invoice was issued, over REST: listed, exported, routed as a job."""

from datetime import date
from typing import Any

from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import renderers, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.desk import DeskView
from billing.api.paper import CSV_RESPONSES, CsvRenderer
from billing.models import Invoice, LateUsageDecision
from billing.services.late_usage import (
    CSV_HEADER,
    LateInvoice,
    csv_rows,
    late_invoices,
    start_routing,
)
from monetization.customers.models import Customer
from monetization.interface.exports import csv_response
from monetization.interface.fields import (
    AmountField,
    DayField,
    InputSerializer,
    MonthField,
    ReferenceField,
)
from monetization.jobs.api.serializers import JobSerializer
from monetization.jobs.services import NothingSelected
from monetization.kernel.decimals import plain
from monetization.kernel.period import add_months
from monetization.tenancy.models import tenant_today

MONTHS_SHOWN = 3
MOST_DAYS = 400
MOST = 500
Action = LateUsageDecision.Action


class LateFilterSerializer(InputSerializer):
    """Which issued invoices are looked at: those billed in the last three months by default."""

    month = MonthField(required=False, help_text="Of the billing date.")
    since = DayField(required=False, help_text="The first billing day.")
    until = DayField(required=False, help_text=f"Excluded; at most {MOST_DAYS} days later.")
    customer = ReferenceField(Customer, required=False)
    proposed = serializers.ChoiceField(
        choices=[Action.NEXT_INVOICE.value, Action.CREDIT_NOTE.value],
        required=False,
        help_text="Those that are owed more, or those that were billed too much.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        month, since, until = attrs.get("month"), attrs.get("since"), attrs.get("until")
        if month is not None and (since or until):
            raise serializers.ValidationError({"month": "give a month, or since and until"})
        if (since is None) != (until is None):
            raise serializers.ValidationError({"until" if since else "since": "is missing"})
        if since and until and not 0 < (until - since).days <= MOST_DAYS:
            raise serializers.ValidationError(
                {"until": f"must be after since, by at most {MOST_DAYS} days"}
            )
        return attrs


class LateLineSerializer(serializers.Serializer[Any]):
    """A line of the invoice, and what it would be now."""

    key = serializers.CharField()
    description = serializers.CharField()
    service_start = serializers.DateField(source="service.start")
    service_end = serializers.DateField(source="service.end", help_text="Excluded.")
    quantity_billed = serializers.SerializerMethodField()
    quantity_now = serializers.SerializerMethodField()
    owed = AmountField(source="owed.amount", currency="owed.currency")
    is_estimated = serializers.BooleanField(help_text="The invoice billed an estimate.")

    def get_quantity_billed(self, line: Any) -> str | None:
        return None if line.quantity_billed is None else plain(line.quantity_billed)

    def get_quantity_now(self, line: Any) -> str | None:
        return None if line.quantity_now is None else plain(line.quantity_now)


class LateInvoiceSerializer(serializers.Serializer[Any]):
    """An issued invoice whose usage is not what it billed."""

    id = serializers.UUIDField(source="invoice.id")
    number = serializers.CharField(source="invoice.number")
    customer = serializers.UUIDField(source="invoice.customer_id")
    customer_name = serializers.CharField(source="invoice.customer.name")
    bill_on = serializers.DateField(source="invoice.bill_on")
    currency = serializers.CharField(source="invoice.currency")
    owed = AmountField(
        source="owed.amount",
        currency="owed.currency",
        help_text="Net, what more it comes to than was billed or decided; negative: to credit.",
    )
    proposed = serializers.ChoiceField(
        source="suggested", choices=[Action.NEXT_INVOICE.value, Action.CREDIT_NOTE.value]
    )
    lines = LateLineSerializer(many=True)


class LateUsageSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="Of all that fit; results are the first of them.")
    results = LateInvoiceSerializer(many=True)


class RouteLateSerializer(InputSerializer):
    """What becomes of the late usage of the invoices named, or of those a filter finds."""

    action = serializers.ChoiceField(choices=Action.values)
    reason = serializers.CharField(max_length=300)
    ids = serializers.ListField(
        child=ReferenceField(Invoice), required=False, allow_empty=False, max_length=MOST
    )
    filter = LateFilterSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in attrs) == ("filter" in attrs):
            raise serializers.ValidationError({"ids": "give either ids or a filter"})
        return attrs


def _found(asked: dict[str, Any]) -> list[LateInvoice]:
    since, until = _days(asked)
    found = late_invoices(
        since=since, until=until, now=timezone.now(), customer_id=asked.get("customer")
    )
    proposed = asked.get("proposed")
    return [one for one in found if proposed in (None, one.suggested)]


def _days(asked: dict[str, Any]) -> tuple[date, date]:
    """Return the billing days looked at; the last is excluded."""
    if "since" in asked:
        return asked["since"], asked["until"]
    month = asked.get("month")
    if month is not None:
        return month, add_months(month, 1, anchor_day=1)
    first = tenant_today().replace(day=1)
    return (
        add_months(first, 1 - MONTHS_SHOWN, anchor_day=1),
        add_months(first, 1, anchor_day=1),
    )


class LateUsageView(DeskView):
    """Issued invoices whose usage is no longer what they billed."""

    serializer_class = LateUsageSerializer

    @extend_schema(operation_id="late_usage_list", parameters=[LateFilterSerializer])
    def get(self, request: Request) -> Response:
        """List what is late, computed now, earliest billed first; the first 500 invoices."""
        found = _found(self.body(LateFilterSerializer, request.query_params.dict()))
        return Response(LateUsageSerializer({"count": len(found), "results": found[:MOST]}).data)


class LateUsageExportView(DeskView):
    """The same as a file."""

    serializer_class = LateUsageSerializer
    renderer_classes = (renderers.JSONRenderer, CsvRenderer)

    @extend_schema(
        operation_id="late_usage_export",
        parameters=[LateFilterSerializer],
        responses=CSV_RESPONSES,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Download all that is late as CSV, a row for each invoice line."""
        found = _found(self.body(LateFilterSerializer, request.query_params.dict()))
        return csv_response("late-usage.csv", CSV_HEADER, csv_rows(found))


class LateUsageRouteView(DeskView):
    """Where it goes."""

    serializer_class = JobSerializer

    @extend_schema(
        operation_id="late_usage_route",
        request=RouteLateSerializer,
        responses={202: JobSerializer},
    )
    def post(self, request: Request) -> Response:
        """Bill late usage on the next invoice, credit it, or leave it for good, as a job.

        An invoice of which nothing is late any more fails its item; so does a credit of what
        is owed more.
        """
        body = self.body(RouteLateSerializer)
        ids = body.get("ids")
        if ids is None:
            ids = [one.invoice.id for one in _found(body["filter"])]
            if not ids:
                raise NothingSelected("nothing that fits is late")
        job = start_routing(invoice_ids=ids, action=body["action"], reason=body["reason"])
        return Response(JobSerializer(job).data, status=status.HTTP_202_ACCEPTED)
