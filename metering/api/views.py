"""Usage over REST: events in, verdicts out; live quantities; what could not be attributed."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering import selectors
from metering.api.asked import identifier, moment, text
from metering.domain.events import Outcome
from metering.ingest import door
from metering.ingest.body import read_body
from metering.ingest.limits import limiter
from metering.selectors import history
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
            del body  # it may be ten megabytes, and what follows as much
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
            subject=text(query.get("customer"), "customer"),
            type=text(query.get("type"), "type"),
            since=moment(query.get("from"), "from"),
            until=moment(query.get("to"), "to"),
            before=identifier(query.get("before"), "before"),
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
