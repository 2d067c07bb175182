"""Webhooks over REST: endpoints, their secrets, the log, and sending again."""

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.viewsets import ApiViewSet
from monetization.webhooks import services
from monetization.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint


class EndpointSerializer(serializers.Serializer[Any]):
    """An endpoint. Its secret has a call of its own."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    description = serializers.CharField()
    event_types = serializers.ListField(child=serializers.CharField())
    status = serializers.ChoiceField(choices=WebhookEndpoint.Status.choices)
    disabled_reason = serializers.CharField()
    created_at = serializers.DateTimeField()


class EndpointInput(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=500)
    description = serializers.CharField(max_length=120, required=False, allow_blank=True)
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=100),
        max_length=200,
        help_text="Names as in docs/webhooks.md; invoice.* and * stand for many.",
    )


class EndpointChange(EndpointInput):
    is_on = serializers.BooleanField(required=False, help_text="Switches it on or off.")


class SecretSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField()
    previous_secret = serializers.CharField(allow_null=True)
    previous_until = serializers.DateTimeField(allow_null=True)


class AttemptSerializer(serializers.ModelSerializer[WebhookAttempt]):
    class Meta:
        model = WebhookAttempt
        fields = (
            "number",
            "attempted_at",
            "duration_ms",
            "response_status",
            "response_excerpt",
            "error",
        )


class DeliverySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    endpoint = serializers.UUIDField(source="endpoint_id")
    event = serializers.UUIDField(source="event_id")
    event_type = serializers.CharField(source="event.type")
    status = serializers.ChoiceField(choices=WebhookDelivery.Status.choices)
    attempts = serializers.IntegerField(help_text="Since somebody last asked for it.")
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class DeliveryDetailSerializer(DeliverySerializer):
    """With what is sent, and every attempt."""

    body = serializers.SerializerMethodField()
    attempts_made = AttemptSerializer(many=True)

    def get_body(self, delivery: WebhookDelivery) -> dict[str, Any]:
        return services.event_body(delivery.event)


class RedeliveredSerializer(serializers.Serializer[Any]):
    redelivered = serializers.IntegerField()


class EndpointViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Webhook endpoints."""

    model = WebhookEndpoint
    serializer_class = EndpointSerializer
    permission_resource = "webhooks"
    action_permissions = {"secret": "webhooks:write"}

    def rows(self) -> Any:
        return WebhookEndpoint.objects.exclude(status=WebhookEndpoint.Status.REMOVED)

    @extend_schema(
        operation_id="webhook_endpoints_create",
        request=EndpointInput,
        responses={201: EndpointSerializer},
    )
    def create(self, request: Request) -> Response:
        """Set up an endpoint. Its secret is read with a call of its own."""
        made = services.create_endpoint(**self.read(EndpointInput))
        return self.show(made, EndpointSerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="webhook_endpoints_partial_update",
        request=EndpointChange,
        responses={200: EndpointSerializer},
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change an endpoint, or switch it on or off."""
        endpoint, given = self.get_object(), self.read(EndpointChange, partial=True)
        is_on = given.pop("is_on", None)
        if given:
            known = {
                "url": endpoint.url,
                "description": endpoint.description,
                "event_types": endpoint.event_types,
            }
            endpoint = services.change_endpoint(endpoint_id=endpoint.id, **(known | given))
        if is_on is not None:
            endpoint = services.switch_endpoint(
                endpoint_id=endpoint.id, on=is_on, now=timezone.now()
            )
        return self.show(endpoint, EndpointSerializer)

    @extend_schema(operation_id="webhook_endpoints_destroy", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove an endpoint; its log stays."""
        services.remove_endpoint(endpoint_id=self.get_object().id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="webhook_endpoints_secret", responses={200: SecretSerializer})
    @action(detail=True, methods=["get"], filter_backends=[], pagination_class=None)
    def secret(self, request: Request, pk: str) -> Response:
        """Read the secret that signs, and the one it replaced while that still signs too."""
        response = self.show(self.get_object(), SecretSerializer)
        response["Cache-Control"] = "no-store"
        return response

    @extend_schema(
        operation_id="webhook_endpoints_rotate_secret",
        request=None,
        responses={200: EndpointSerializer},
    )
    @action(detail=True, methods=["post"], url_path="rotate-secret", filter_backends=[])
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """Replace the secret; for 24 hours both sign."""
        endpoint = services.rotate_secret(endpoint_id=self.get_object().id, now=timezone.now())
        return self.show(endpoint, EndpointSerializer)

    @extend_schema(
        operation_id="webhook_endpoints_test", request=None, responses={201: DeliverySerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def test(self, request: Request, pk: str) -> Response:
        """Send a ``webhook.tested`` event to this endpoint alone."""
        made = services.test_endpoint(endpoint_id=self.get_object().id, now=timezone.now())
        return self.show(made, DeliverySerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="webhook_endpoints_redeliver_failed",
        request=None,
        responses={200: RedeliveredSerializer},
    )
    @action(detail=True, methods=["post"], url_path="redeliver-failed", filter_backends=[])
    def redeliver_failed(self, request: Request, pk: str) -> Response:
        """Make every failed delivery due again."""
        count = services.redeliver_failed(endpoint_id=self.get_object().id, now=timezone.now())
        return Response({"redelivered": count})


class DeliveryFilters(django_filters.FilterSet):
    endpoint = django_filters.UUIDFilter(field_name="endpoint_id")
    status = django_filters.MultipleChoiceFilter(choices=WebhookDelivery.Status.choices)
    event_type = django_filters.CharFilter(field_name="event__type")


class DeliveryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Webhook deliveries: one for each event and endpoint, newest first."""

    model = WebhookDelivery
    filterset_class = DeliveryFilters
    permission_resource = "webhooks"

    def get_serializer_class(self) -> type[DeliverySerializer]:
        return DeliverySerializer if self.action == "list" else DeliveryDetailSerializer

    def rows(self) -> Any:
        return WebhookDelivery.objects.select_related("event")

    @extend_schema(
        operation_id="webhook_deliveries_redeliver",
        request=None,
        responses={200: DeliveryDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def redeliver(self, request: Request, pk: str) -> Response:
        """Send it once more, delivered or not."""
        row = services.redeliver(delivery_id=self.get_object().id, now=timezone.now())
        return self.show(row, DeliveryDetailSerializer)
