"""Integrations over REST: what is connected, what was handed over, and another try."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations import selectors, services
from integrations.models import Connection, Provider, Push
from monetization.interface.idempotency import IdempotentMixin


class ConnectionSerializer(serializers.Serializer[Any]):
    """Credentials are never shown."""

    id = serializers.UUIDField()
    provider = serializers.ChoiceField(choices=Provider.choices)
    status = serializers.ChoiceField(choices=Connection.Status.choices)
    organisation_id = serializers.CharField()
    organisation_name = serializers.CharField()
    settings = serializers.DictField()
    last_error = serializers.CharField()
    paused_until = serializers.DateTimeField(allow_null=True)
    connected_at = serializers.DateTimeField()
    checked_at = serializers.DateTimeField(allow_null=True)


class ConnectionsView(APIView):
    """The tenant's accounts with providers."""

    permission_resource = "integrations"

    @extend_schema(
        operation_id="connections_list", responses={200: ConnectionSerializer(many=True)}
    )
    def get(self, request: Request) -> Response:
        rows = selectors.connections()
        return Response({"results": ConnectionSerializer(rows, many=True).data})


class PushSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    provider = serializers.ChoiceField(choices=Provider.choices)
    kind = serializers.ChoiceField(choices=Push.Kind.choices)
    subject_ref = serializers.CharField(help_text="What was handed over: invoice/<id>.")
    label = serializers.CharField()
    status = serializers.ChoiceField(choices=Push.Status.choices)
    external_id = serializers.CharField(help_text="Its id over there.")
    depends_on = serializers.UUIDField(source="depends_on_id", allow_null=True)
    attempts = serializers.IntegerField()
    last_error = serializers.CharField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    pushed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class PushDetailSerializer(PushSerializer):
    """With what was sent, and what came back."""

    idempotency_key = serializers.CharField()
    request = serializers.DictField()
    response = serializers.DictField()


class PushViewSet(
    IdempotentMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]
):
    """Pushes: one row per thing handed to a provider, newest first."""

    permission_resource = "integrations"
    filter_backends = ()

    def get_serializer_class(self) -> type[PushSerializer]:
        return PushSerializer if self.action == "list" else PushDetailSerializer

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Push._base_manager.none()
        query = self.request.query_params
        return selectors.pushes(
            status=one_of(query.get("status", ""), "status", Push.Status.values),
            kind=one_of(query.get("kind", ""), "kind", Push.Kind.values),
        )

    @extend_schema(
        parameters=[
            OpenApiParameter("status", str, enum=Push.Status.values),
            OpenApiParameter("kind", str, enum=Push.Kind.values),
        ]
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(request=None, responses={200: PushDetailSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Make it due again now. The worker takes it within seconds."""
        push = services.retry_push(push_id=self.get_object().id, now=timezone.now())
        return Response(PushDetailSerializer(push).data)


def one_of(value: str, field: str, allowed: list[str]) -> str:
    """Return a filter's value if it is one of those allowed, or empty."""
    if value and value not in allowed:
        raise ValidationError({field: f"must be one of {', '.join(allowed)}"})
    return value
