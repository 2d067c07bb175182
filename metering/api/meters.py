"""Meters and their versions over REST."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from metering import services
from metering.models import Meter
from metering.services.meters import DEFINITION
from monetization.interface.idempotency import IdempotentMixin


class MeterDefinitionSerializer(serializers.Serializer[Any]):
    event_type = serializers.RegexField(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    aggregation = serializers.ChoiceField(choices=Meter.Aggregation.choices)
    value_property = serializers.CharField(max_length=100, default="", allow_blank=True)
    expression = serializers.CharField(
        max_length=500,
        default="",
        allow_blank=True,
        help_text="The value, computed from properties, instead of a property.",
    )
    filters = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()), default=dict
    )
    group_by = serializers.ListField(
        child=serializers.CharField(max_length=100),
        default=list,
        help_text="Properties it is told apart by on its page.",
    )
    carries_over = serializers.BooleanField(
        default=False, help_text="A weighted level goes on from before the window."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            return attrs | services.checked_definition(
                **{name: value for name, value in attrs.items() if name in DEFINITION}
            )
        except services.MeterDefinitionInvalid as error:
            raise ValidationError({error.field: error.reason}) from None


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
