"""Live usage over REST: of every meter, or of one by groups."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering import selectors
from metering.api.asked import identifier, moment, text
from metering.models import Meter
from metering.selectors.meters import MAX_GROUPS, by_group
from metering.services.meters import MAX_GROUPINGS
from monetization.customers.models import Customer
from monetization.kernel.decimals import plain
from monetization.kernel.period import time_zones


class UsageQuantitySerializer(serializers.Serializer[Any]):
    customer = serializers.UUIDField()
    meter = serializers.CharField()
    quantity = serializers.CharField()
    events = serializers.IntegerField()
    group = serializers.DictField(
        child=serializers.CharField(allow_null=True),
        required=False,
        help_text="With `group_by`: the properties and their values; null where there is none.",
    )


class UsageView(APIView):
    """Live usage of a customer: active meters over a window, exact as of now."""

    permission_resource = "usage"

    @extend_schema(
        operation_id="usage_retrieve",
        parameters=[
            OpenApiParameter("customer", str, required=True, description="The customer's id."),
            OpenApiParameter("from", str, required=True),
            OpenApiParameter("to", str, required=True),
            OpenApiParameter("meter", str, description="The key of one meter."),
            OpenApiParameter(
                "group_by",
                str,
                description=(
                    "Properties, with commas: the meter's quantity per combination of their"
                    f" values, at most {MAX_GROUPS:,}. Needs `meter`."
                ),
            ),
            OpenApiParameter(
                "time_zone",
                str,
                description="Whose days a level weighted by days counts; the customer's else.",
            ),
        ],
        responses={200: UsageQuantitySerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        query = request.query_params
        missing = {name: "is missing" for name in ("customer", "from", "to") if not query.get(name)}
        if missing:
            raise ValidationError(missing)
        customer = Customer.objects.get(id=identifier(query["customer"], "customer"))
        start, end = moment(query["from"], "from"), moment(query["to"], "to")
        if start is None or end is None or start >= end:
            raise ValidationError({"to": "must be after from"})
        zone = query.get("time_zone") or customer.time_zone
        if zone not in time_zones():
            raise ValidationError({"time_zone": "must be a name such as Europe/Paris"})
        meters = _meters(text(query.get("meter"), "meter"))
        names = _names(query.get("group_by"), meters if query.get("meter") else [])
        rows: list[tuple[Meter, Decimal, int, dict[str, Any] | None]]
        if names:
            groups = by_group(
                selectors.meter_definition(meters[0]),
                names,
                start=start,
                end=end,
                customer_id=customer.id,
                zone=zone,
            )
            rows = [
                (meters[0], one.quantity, one.events, dict(zip(names, one.group, strict=True)))
                for one in groups
            ]
        else:
            found = selectors.read_usage(
                [
                    selectors.ReadingRequest(customer.id, meter.id, start, end, zone)
                    for meter in meters
                ]
            )
            rows = [
                (meter, usage.quantity, usage.event_count, None)
                for meter, usage in zip(meters, found, strict=True)
            ]
        return Response({"results": [_row(customer, *row) for row in rows]})


def _row(
    customer: Customer, meter: Meter, quantity: Decimal, events: int, group: dict[str, Any] | None
) -> dict[str, Any]:
    row = {
        "customer": str(customer.id),
        "meter": meter.key,
        "quantity": plain(quantity),
        "events": events,
    }
    return row if group is None else {**row, "group": group}


def _meters(key: str) -> list[Meter]:
    meters = Meter.objects.filter(is_archived=False).order_by("key")
    if not key:
        return list(meters)
    found = list(meters.filter(key=key))
    if not found:
        raise ValidationError({"meter": "there is no active meter with this key"})
    return found


def _names(written: str | None, meters: list[Meter]) -> list[str]:
    """Return the properties to group by.

    :raises ValidationError: without a meter, or for too many.
    """
    names = [name.strip() for name in text(written, "group_by").split(",") if name.strip()]
    if names and not meters:
        raise ValidationError({"group_by": "needs a meter"})
    if len(names) > MAX_GROUPINGS or len(set(names)) != len(names):
        raise ValidationError({"group_by": f"at most {MAX_GROUPINGS} properties, each once"})
    return names
