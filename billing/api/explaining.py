"""Why an invoice says what it says, over REST; mixed into the invoices."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import selectors
from billing.api.drafts import LINE
from billing.domain.tax import without_tax
from billing.models import InvoiceLine
from billing.services.credits.planning import CREDIT
from metering.selectors import days_of_reading, events_in_reading, late_events
from monetization.interface.fields import ExactField, amount_text
from monetization.kernel.money import Money
from monetization.pricing.estimate import rerate

PAGE, MOST = 50, 500


class DaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    quantity = ExactField()


class LineExplanationSerializer(serializers.Serializer[Any]):
    """A line with its price's inputs and steps, computed anew, and its usage by day."""

    key = serializers.CharField()
    amount = serializers.CharField()
    computed_again = serializers.CharField(
        allow_null=True, help_text="From the stored inputs; null for lines nothing computes."
    )
    agrees = serializers.BooleanField()
    explanation = serializers.DictField()
    quantity = ExactField(allow_null=True)
    meter = serializers.CharField(allow_null=True)
    measured_at = serializers.DateTimeField(allow_null=True)
    days = DaySerializer(many=True)


class LineEventSerializer(serializers.Serializer[Any]):
    """A usage event behind a line."""

    id = serializers.UUIDField()
    source = serializers.CharField()
    source_event_id = serializers.CharField()
    type = serializers.CharField()
    subject = serializers.CharField(help_text="The alias it named.")
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    data = serializers.DictField()
    change = serializers.CharField(help_text="Of late ones: added or removed since it was billed.")


class LineEventsSerializer(serializers.Serializer[Any]):
    """One page of them, by id."""

    next = serializers.UUIDField(allow_null=True, help_text="Ask with ?after= for the next page.")
    results = LineEventSerializer(many=True)


class CauseSerializer(serializers.Serializer[Any]):
    cause = serializers.CharField()
    amount = serializers.CharField()


class DifferenceSerializer(serializers.Serializer[Any]):
    item_key = serializers.CharField()
    description = serializers.CharField()
    change = serializers.CharField()
    causes = CauseSerializer(many=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    """An invoice against its contract's one before it; the causes add up to the change."""

    previous = serializers.UUIDField(allow_null=True)
    currency = serializers.CharField()
    change = serializers.CharField()
    unexplained = serializers.CharField()
    causes = CauseSerializer(many=True)
    lines = DifferenceSerializer(many=True)
    trend = serializers.ListField(child=serializers.CharField(), help_text="Totals, 13 at most.")


class ExplainActions:
    """Actions on one invoice. The viewset has ``get_object`` and ``_line``."""

    get_object: Any
    _line: Any
    show: Any

    @extend_schema(
        operation_id="invoices_lines_explain", responses={200: LineExplanationSerializer}
    )
    @action(detail=True, url_path=f"{LINE}/explanation", filter_backends=[])
    def explanation(self, request: Request, pk: str, line: str) -> Response:
        """Show how a line was priced, and price it again from what was stored with it."""
        invoice = self.get_object()
        row: InvoiceLine = self._line(invoice, line)
        again = None
        if row.explanation and row.kind != CREDIT:
            again = without_tax(row.explanation, rerate(row.explanation))
        amount = Money(row.amount, invoice.currency)
        reading = row.reading
        zone = invoice.schedule.time_zone if invoice.schedule else "UTC"
        days = days_of_reading(reading, zone=zone) if reading else []
        found = {
            "key": row.key,
            "amount": str(amount.amount),
            "computed_again": None if again is None else str(again.amount),
            "agrees": again is None or again == amount,
            "explanation": row.explanation,
            "quantity": row.quantity,
            "meter": reading.meter.key if reading else None,
            "measured_at": reading.taken_at if reading else None,
            "days": [{"day": day, "quantity": quantity} for day, quantity in days],
        }
        answer: Response = self.show(found, LineExplanationSerializer)
        return answer

    @extend_schema(
        operation_id="invoices_lines_events",
        parameters=[
            OpenApiParameter("after", UUID, description="The last event of the page before."),
            OpenApiParameter("page_size", int, description=f"At most {MOST}."),
            OpenApiParameter("late", bool, description="Those that came or went since instead."),
        ],
        responses={200: LineEventsSerializer},
    )
    @action(detail=True, url_path=f"{LINE}/events", filter_backends=[])
    def events(self, request: Request, pk: str, line: str) -> Response:
        """Page through exactly the usage events a line was measured from."""
        row: InvoiceLine = self._line(self.get_object(), line)
        asked = _Asked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        size, read = asked.validated_data["page_size"], events_in_reading
        if asked.validated_data["late"]:
            read = late_events
        after = asked.validated_data.get("after")
        rows = [] if row.reading is None else read(row.reading, after=after, limit=size)
        found = {"next": rows[-1].id if len(rows) == size else None, "results": rows}
        answer: Response = self.show(found, LineEventsSerializer)
        return answer

    @extend_schema(operation_id="invoices_comparison", responses={200: ComparisonSerializer})
    @action(detail=True, filter_backends=[])
    def comparison(self, request: Request, pk: str) -> Response:
        """Show what changed against the contract's invoice before it, split into causes."""
        invoice = self.get_object()
        compared = selectors.compare([invoice])[invoice.id]
        shown = partial(amount_text, currency=invoice.currency)
        found = {
            "previous": compared.previous_id,
            "currency": invoice.currency,
            "change": shown(sum((each.change for each in compared.found), start=Decimal(0))),
            "unexplained": shown(compared.unexplained(invoice.change_note)),
            "causes": _causes(compared.by_cause.items(), shown),
            "lines": [
                {
                    "item_key": each.item_key,
                    "description": each.description,
                    "change": shown(each.change),
                    "causes": _causes(each.parts, shown),
                }
                for each in compared.found
            ],
            "trend": [shown(total) for total in compared.trend],
        }
        answer: Response = self.show(found, ComparisonSerializer)
        return answer


class _Asked(serializers.Serializer[Any]):
    after = serializers.UUIDField(required=False)
    page_size = serializers.IntegerField(min_value=1, max_value=MOST, default=PAGE)
    late = serializers.BooleanField(default=False)


def _causes(
    found: Iterable[tuple[str, Decimal]], shown: Callable[[Decimal], str]
) -> list[dict[str, str]]:
    return [{"cause": cause, "amount": shown(amount)} for cause, amount in found]
