"""API keys over REST. People manage keys; a key never makes another."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.fields import InputSerializer
from monetization.interface.pagination import CursorPages
from monetization.interface.viewsets import ApiViewSet
from monetization.tenancy.context import current_tenant_id
from monetization.users import services
from monetization.users.models import ApiKey
from monetization.users.permissions import SCOPES


class KeyPages(CursorPages):
    ordering = ("-created", "-prefix")  # keys have random ids


class ApiKeySerializer(serializers.Serializer[Any]):
    """A key, known by its prefix; its secret is not kept."""

    prefix = serializers.CharField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry_date", allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    is_revoked = serializers.BooleanField(source="revoked")


class ApiKeySecretSerializer(ApiKeySerializer):
    """A key just made: the only time its secret is shown."""

    secret = serializers.CharField()


class ApiKeyCreateSerializer(InputSerializer):
    name = serializers.CharField(max_length=50)
    scopes = serializers.MultipleChoiceField(choices=SCOPES, allow_empty=False)
    expires_at = serializers.DateTimeField(required=False)

    def validate_expires_at(self, value: Any) -> Any:
        if value <= timezone.now():
            raise serializers.ValidationError("must be in the future")
        return value


class ApiKeyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """API keys of the company, for members who may manage them."""

    model = ApiKey
    serializer_class = ApiKeySerializer
    pagination_class = KeyPages
    lookup_field = "prefix"
    shown_once = ("secret",)
    action_permissions = dict.fromkeys(("list", "retrieve", "create", "revoke"), "api-keys:write")

    def rows(self) -> Any:
        return ApiKey.objects.filter(tenant_id=current_tenant_id())

    @extend_schema(request=ApiKeyCreateSerializer, responses={201: ApiKeySecretSerializer})
    def create(self, request: Request) -> Response:
        """Make a key. Keep the secret: it is shown once."""
        body = self.read(ApiKeyCreateSerializer)
        key, secret = services.create_api_key(
            **body,
            granted=request._request.principal.permissions,  # type: ignore[attr-defined]
        )
        key.secret = secret  # type: ignore[attr-defined]
        return self.show(key, ApiKeySecretSerializer, status.HTTP_201_CREATED)

    @extend_schema(operation_id="api_keys_revoke", request=None, responses={200: ApiKeySerializer})
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, prefix: str) -> Response:
        """Revoke a key for good; calls with it are refused from now on."""
        key = services.revoke_api_key(prefix=self.get_object().prefix)
        return self.show(key, ApiKeySerializer)
