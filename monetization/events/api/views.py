"""The stream over REST: every fact, newest first."""

from typing import Any

import django_filters
from rest_framework import mixins, serializers

from monetization.events.models import Event
from monetization.interface.viewsets import ApiViewSet


class EventSerializer(serializers.Serializer[Any]):
    """One fact. It never changes; a correction is another fact."""

    id = serializers.UUIDField()
    type = serializers.CharField(help_text="Past tense, e.g. invoice.issued.")
    subject = serializers.CharField(help_text="What it is about, e.g. invoice/<id>.")
    occurred_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
    source = serializers.CharField()
    source_event_id = serializers.CharField()
    schema_version = serializers.IntegerField()
    data = serializers.DictField()
    actor = serializers.CharField()
    caused_by = serializers.UUIDField(source="caused_by_id", allow_null=True)


class EventFilters(django_filters.FilterSet):
    type = django_filters.CharFilter()
    subject = django_filters.CharFilter()
    actor = django_filters.CharFilter()
    occurred_from = django_filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="gte")
    occurred_to = django_filters.IsoDateTimeFilter(
        field_name="occurred_at", lookup_expr="lt", help_text="Exclusive."
    )


class EventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """The stream of business facts. Usage events have their own resource."""

    model = Event
    serializer_class = EventSerializer
    filterset_class = EventFilters
    permission_resource = "events"
