"""Usage over REST: events in, verdicts out; live quantities; what could not be attributed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering import selectors, services
from metering.domain.events import Outcome
from metering.ingest import door
from metering.ingest.body import read_body
from metering.ingest.limits import limiter
from metering.ingest.parser import Invalid, read_time
from metering.models import Meter
from metering.selectors import history
from monetization.customers.models import Customer
from monetization.interface.idempotency import IdempotentMixin
from monetization.tenancy.context import current_tenant_id


class UsageEventSerializer(serializers.Serializer[Any]):
    """A usage event in CloudEvents terms; numbers may be strings and stay exact."""

    id = serializers.CharField(max_length=200)
    source = serializers.CharField(max_length=200, required=False)
    type = serializers.CharField(max_length=100)
    customer = serializers.CharField(max_length=200, help_text="The customer's alias.")
    time = serializers.CharField(help_text="RFC 3339 with an offset.")
    data = serializers.DictField(required=False)
    supersedes = serializers.CharField(
        required=False, help_text="The id of the event this one takes the place of."
    )
    voids = serializers.CharField(
        required=False, help_text="The id of the event that is taken back."
    )


class VerdictSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    id = serializers.CharField()
    verdict = serializers.ChoiceField(choices=[outcome.value for outcome in Outcome])
    matched = serializers.BooleanField()
    field = serializers.CharField(required=False)
    reason = serializers.CharField(required=False)


class IngestResultSerializer(serializers.Serializer[Any]):
    counts = serializers.DictField(child=serializers.IntegerField())
    events = VerdictSerializer(many=True)


class StoredEventSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    source = serializers.CharField()
    source_event_id = serializers.CharField()
    type = serializers.CharField()
    customer = serializers.CharField(source="subject")
    customer_id = serializers.UUIDField(allow_null=True)
    time = serializers.DateTimeField(source="occurred_at")
    recorded_at = serializers.DateTimeField()
    data = serializers.DictField()
    quarantine = serializers.CharField()
    retired = serializers.BooleanField(source="is_retired")
    retired_by = serializers.UUIDField(allow_null=True)


class StepSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    what = serializers.CharField()
    other = serializers.UUIDField(allow_null=True)
    detail = serializers.CharField()
    actor = serializers.CharField()


class StoredEventWithHistorySerializer(StoredEventSerializer):
    history = StepSerializer(many=True)


class UsageEventsView(APIView):
    """Usage events: append-only, safe to retry."""

    permission_resource = "usage"

    @extend_schema(
        operation_id="usage_events_create",
        request=UsageEventSerializer(many=True),
        responses={200: IngestResultSerializer},
        description=(
            "Takes a JSON array, one object, or NDJSON; gzip is welcome. Every event gets a "
            "verdict; one bad event never fails its batch. Sending a batch again is harmless."
        ),
    )
    def post(self, request: Request) -> HttpResponse:
        tenant_id = current_tenant_id()
        with limiter.place(tenant_id):
            body, ndjson = read_body(request._request)
            read = door.read_batch(body, ndjson=ndjson)
            limiter.spend(tenant_id, len(read))
            verdicts = door.store(read, now=timezone.now())
        return HttpResponse(door.answer(verdicts), content_type="application/json")

    @extend_schema(
        operation_id="usage_events_list",
        parameters=[
            OpenApiParameter(name, str)
            for name in ("customer", "type", "from", "to", "before", "unmatched", "quarantined")
        ],
        responses={200: StoredEventSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        query = request.query_params
        rows = selectors.list_events(
            subject=_text(query.get("customer"), "customer"),
            type=_text(query.get("type"), "type"),
            since=_moment(query.get("from"), "from"),
            until=_moment(query.get("to"), "to"),
            before=_uuid(query.get("before"), "before"),
            unmatched=query.get("unmatched") == "true",
            quarantined=query.get("quarantined") == "true",
        )
        return Response({"results": StoredEventSerializer(rows, many=True).data})


class UsageEventView(APIView):
    """One usage event, and what happened to it."""

    permission_resource = "usage"

    @extend_schema(
        operation_id="usage_events_retrieve", responses={200: StoredEventWithHistorySerializer}
    )
    def get(self, request: Request, event_id: UUID) -> Response:
        event = selectors.find_event(event_id)
        if event is None:
            raise NotFound("No such resource.")
        event_history = history.event_history(
            event.id, source=event.source, source_event_id=event.source_event_id
        )
        data: Any = StoredEventSerializer(event).data
        return Response({**data, "history": StepSerializer(event_history, many=True).data})


def _moment(text: str | None, field: str) -> datetime | None:
    if not text:
        return None
    try:
        return read_time(text)
    except Invalid as error:
        raise ValidationError({field: error.reason}) from None


def _text(text: str | None, field: str) -> str:
    if text and "\x00" in text:
        raise ValidationError({field: "must not contain a NUL character"})
    return text or ""


def _uuid(text: str | None, field: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise ValidationError({field: "must be an id"}) from None


class UsageQuantitySerializer(serializers.Serializer[Any]):
    customer = serializers.UUIDField()
    meter = serializers.CharField()
    quantity = serializers.CharField()
    events = serializers.IntegerField()


class UsageView(APIView):
    """Live usage of a customer: every active meter over a window, exact as of now."""

    permission_resource = "usage"

    @extend_schema(
        operation_id="usage_retrieve",
        parameters=[
            OpenApiParameter("customer", str, required=True, description="The customer's id."),
            OpenApiParameter("from", str, required=True),
            OpenApiParameter("to", str, required=True),
        ],
        responses={200: UsageQuantitySerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        query = request.query_params
        missing = {name: "is missing" for name in ("customer", "from", "to") if not query.get(name)}
        if missing:
            raise ValidationError(missing)
        customer = Customer.objects.get(id=_uuid(query["customer"], "customer"))
        start, end = _moment(query["from"], "from"), _moment(query["to"], "to")
        if start is None or end is None or start >= end:
            raise ValidationError({"to": "must be after from"})
        meters = list(Meter.objects.filter(is_archived=False).order_by("key"))
        found = selectors.read_usage(
            [selectors.ReadingRequest(customer.id, meter.id, start, end) for meter in meters]
        )
        return Response(
            {
                "results": [
                    {
                        "customer": str(customer.id),
                        "meter": meter.key,
                        "quantity": f"{usage.quantity.normalize():f}",
                        "events": usage.event_count,
                    }
                    for meter, usage in zip(meters, found, strict=True)
                ]
            }
        )


class UnmatchedSerializer(serializers.Serializer[Any]):
    alias = serializers.CharField()
    events = serializers.IntegerField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class UnmatchedView(APIView):
    """Aliases that events carry and nobody holds yet."""

    permission_resource = "usage"

    @extend_schema(operation_id="usage_unmatched", responses={200: UnmatchedSerializer(many=True)})
    def get(self, request: Request) -> Response:
        rows = selectors.unmatched_aliases()
        return Response({"results": UnmatchedSerializer(rows, many=True).data})


class MeterDefinitionSerializer(serializers.Serializer[Any]):
    event_type = serializers.RegexField(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    aggregation = serializers.ChoiceField(choices=Meter.Aggregation.choices)
    value_property = serializers.CharField(max_length=100, default="", allow_blank=True)
    filters = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), default=dict
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["aggregation"] != "count" and not attrs["value_property"]:
            raise ValidationError({"value_property": "is needed by every aggregation but count"})
        return attrs


class MeterSerializer(MeterDefinitionSerializer):
    id = serializers.UUIDField(read_only=True)
    key = serializers.SlugField(max_length=60)
    name = serializers.CharField(max_length=120)
    unit = serializers.CharField(max_length=40, default="units")
    version = serializers.IntegerField(read_only=True)


class MeterVersionSerializer(MeterDefinitionSerializer):
    number = serializers.IntegerField(read_only=True)
    status = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    activated_at = serializers.DateTimeField(read_only=True, allow_null=True)
    job_id = serializers.UUIDField(read_only=True, required=False)


class MeterViewSet(
    IdempotentMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]
):
    """Meters: what is counted and how."""

    serializer_class = MeterSerializer
    permission_resource = "catalog"

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Meter._base_manager.none()
        return Meter.objects.filter(is_archived=False)

    def create(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        meter = services.create_meter(**serializer.validated_data, now=timezone.now())
        return Response(self.get_serializer(meter).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        methods=["GET"],
        operation_id="meters_versions_list",
        responses={200: MeterVersionSerializer(many=True)},
    )
    @extend_schema(
        methods=["POST"],
        operation_id="meters_versions_create",
        request=MeterDefinitionSerializer,
        responses={202: MeterVersionSerializer},
        description=(
            "Begins a new definition. Events count in both while a job counts the history again;"
            " then the new one counts alone. Invoices go on being made meanwhile."
        ),
    )
    @action(detail=True, methods=["get", "post"])
    def versions(self, request: Request, pk: str | None = None) -> Response:
        meter = self.get_object()
        if request.method == "GET":
            rows = meter.versions.order_by("number")
            return Response({"results": MeterVersionSerializer(rows, many=True).data})
        serializer = MeterDefinitionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        version, job = services.change_meter(
            meter_id=meter.id, **serializer.validated_data, now=timezone.now()
        )
        data: Any = MeterVersionSerializer(version).data
        return Response({**data, "job_id": str(job.id)}, status=status.HTTP_202_ACCEPTED)
