"""Signature requests over REST: where order forms stand at Dropbox Sign, and another try."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import selectors
from integrations.api.views import one_of
from integrations.dropbox_sign import services
from integrations.models import SignatureLogEntry, SignatureRequest
from monetization.interface.idempotency import IdempotentMixin


class SignatureSerializer(serializers.Serializer[Any]):
    """One signer's part, as Dropbox Sign answered."""

    name = serializers.CharField()
    email = serializers.CharField()
    order = serializers.IntegerField()
    status = serializers.CharField(help_text="Its own word: awaiting_signature, signed, ...")
    signed_at = serializers.IntegerField(allow_null=True, help_text="Unix seconds.")
    viewed_at = serializers.IntegerField(allow_null=True, help_text="Unix seconds.")
    decline_reason = serializers.CharField()


class SignatureRequestSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    provider = serializers.CharField()
    label = serializers.CharField()
    quote = serializers.UUIDField(source="version.quote_id")
    version = serializers.IntegerField(source="version.number")
    state = serializers.ChoiceField(choices=SignatureRequest.State.choices)
    is_embedded = serializers.BooleanField()
    is_test = serializers.BooleanField(help_text="Not legally binding.")
    external_id = serializers.CharField(help_text="Its id over there.")
    needs_attention = serializers.BooleanField()
    last_error = serializers.CharField()
    signatures = SignatureSerializer(many=True)
    created_at = serializers.DateTimeField()
    checked_at = serializers.DateTimeField(allow_null=True)


class SignatureLogSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=SignatureLogEntry.Kind.choices)
    text = serializers.CharField()
    occurred_at = serializers.DateTimeField()


class SignatureRequestDetailSerializer(SignatureRequestSerializer):
    """With everything that was said, oldest first, and the evidence once it is signed."""

    log = serializers.SerializerMethodField()
    evidence = serializers.DictField()

    @extend_schema(responses=SignatureLogSerializer(many=True))
    def get_log(self, row: SignatureRequest) -> list[dict[str, Any]]:
        rows = row.log_entries.order_by("id")[:500]
        return list(SignatureLogSerializer(rows, many=True).data)


class SignatureRequestViewSet(
    IdempotentMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Any]
):
    """Order forms at Dropbox Sign, newest first. ``POST /quotes/{id}/send`` makes them."""

    permission_resource = "integrations"
    filter_backends = ()

    def get_serializer_class(self) -> type[SignatureRequestSerializer]:
        if self.action == "list":
            return SignatureRequestSerializer
        return SignatureRequestDetailSerializer

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return SignatureRequest._base_manager.none()
        state = self.request.query_params.get("state", "")
        return selectors.signature_requests(
            state=one_of(state, "state", SignatureRequest.State.values)
        )

    @extend_schema(parameters=[OpenApiParameter("state", str, enum=SignatureRequest.State.values)])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(request=None, responses={200: SignatureRequestDetailSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Ask Dropbox Sign again now; what failed there is sent anew."""
        services.retry(request_id=self.get_object().id, now=timezone.now())
        return Response(SignatureRequestDetailSerializer(self.get_object()).data)

    @extend_schema(request=None, responses={200: SignatureRequestDetailSerializer})
    @action(detail=True, methods=["post"])
    def remind(self, request: Request, pk: str) -> Response:
        """Have Dropbox Sign remind the signer whose turn it is, at most once an hour."""
        services.want_reminder(request_id=self.get_object().id, now=timezone.now())
        return Response(SignatureRequestDetailSerializer(self.get_object()).data)
