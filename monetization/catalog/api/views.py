"""The catalog over REST: products, prices and their versions."""

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from metering.models import Meter
from monetization.catalog import services
from monetization.catalog.models import Price, PriceVersion, Product
from monetization.interface.fields import (
    CurrencyField,
    ExactField,
    InputSerializer,
    ReferenceField,
)
from monetization.interface.price_fields import ChargeModelField, ModifiersField
from monetization.interface.viewsets import ApiViewSet
from monetization.pricing.proration import METHODS


class ProductSerializer(InputSerializer):
    """Something sold. Usage is recognized as used, the rest straight-line by default."""

    id = serializers.UUIDField(read_only=True)
    code = serializers.SlugField(max_length=60)
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=5000, default="", allow_blank=True)
    kind = serializers.ChoiceField(choices=Product.Kind.choices)
    recognition = serializers.ChoiceField(choices=Product.Recognition.choices, required=False)
    cost_percent = ExactField(
        places=6,
        at_most=999,
        required=False,
        allow_null=True,
        help_text="What it costs to deliver, in percent of its list price; for margins on quotes.",
    )
    tax_category = serializers.SlugField(
        max_length=20, default="standard", help_text="Decides the rate; see tax-rates."
    )
    is_archived = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        recognition = attrs.get("recognition")
        if recognition and (recognition == "usage") != (attrs["kind"] == "usage"):
            raise serializers.ValidationError(
                {"recognition": "usage, and only usage, is recognized as used"}
            )
        return attrs


class ProductPatchSerializer(InputSerializer):
    """What may change of a product; signed contracts are not touched."""

    is_archived = serializers.BooleanField(required=False)
    cost_percent = ExactField(places=6, at_most=999, required=False, allow_null=True)
    tax_category = serializers.SlugField(max_length=20, required=False)


class DraftVersionSerializer(InputSerializer):
    model = ChargeModelField()
    modifiers = ModifiersField(required=False)


class PriceVersionSerializer(serializers.Serializer[Any]):
    """The numbers of a price. Published ones never change."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=PriceVersion.Status.choices)
    model = ChargeModelField()
    modifiers = ModifiersField()
    published_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class PriceSerializer(serializers.Serializer[Any]):
    """How a product is charged in one currency and rhythm."""

    id = serializers.UUIDField()
    product = serializers.UUIDField(source="product_id")
    product_code = serializers.CharField(source="product.code")
    code = serializers.CharField()
    name = serializers.CharField()
    currency = serializers.CharField()
    frequency = serializers.ChoiceField(choices=Price.Frequency.choices)
    timing = serializers.ChoiceField(choices=Price.Timing.choices)
    proration = serializers.ChoiceField(choices=METHODS)
    meter = serializers.UUIDField(source="meter_id", allow_null=True)
    is_archived = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    versions = PriceVersionSerializer(many=True)


class PriceCreateSerializer(InputSerializer):
    """A new price with its first version."""

    product = ReferenceField(Product)
    code = serializers.SlugField(max_length=80)
    name = serializers.CharField(max_length=120)
    currency = CurrencyField()
    frequency = serializers.ChoiceField(choices=Price.Frequency.choices)
    timing = serializers.ChoiceField(
        choices=Price.Timing.choices,
        default=Price.Timing.IN_ADVANCE,
        help_text="Usage is always in arrears.",
    )
    proration = serializers.ChoiceField(choices=METHODS, default="daily")
    meter = ReferenceField(Meter, required=False, help_text="What measures a usage price.")
    model = ChargeModelField()
    modifiers = ModifiersField(required=False, help_text="What the price says beside its model.")
    publish = serializers.BooleanField(default=True, help_text="Else the version stays a draft.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        usage = Product.objects.filter(id=attrs["product"], kind="usage").exists()
        if usage and not attrs.get("meter"):
            raise serializers.ValidationError({"meter": "is needed: a usage price is measured"})
        if usage and attrs["frequency"] == Price.Frequency.ONE_TIME:
            raise serializers.ValidationError({"frequency": "usage is billed per recurring period"})
        return attrs


class ProductFilters(django_filters.FilterSet):
    code = django_filters.CharFilter()
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains")
    kind = django_filters.ChoiceFilter(choices=Product.Kind.choices)
    is_archived = django_filters.BooleanFilter()


class PriceFilters(django_filters.FilterSet):
    code = django_filters.CharFilter()
    product = django_filters.UUIDFilter(field_name="product_id")
    currency = django_filters.CharFilter()
    is_archived = django_filters.BooleanFilter()


class ProductViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Products."""

    model = Product
    serializer_class = ProductSerializer
    filterset_class = ProductFilters
    permission_resource = "catalog"

    @extend_schema(request=ProductSerializer, responses={201: ProductSerializer})
    def create(self, request: Request) -> Response:
        product = services.create_product(**self.read(ProductSerializer))
        return self.show(product, ProductSerializer, status.HTTP_201_CREATED)

    @extend_schema(request=ProductPatchSerializer, responses={200: ProductSerializer})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Take a product off sale or put it back; say what it costs and how it is taxed."""
        product = self.get_object()
        body = self.read(ProductPatchSerializer)
        if "is_archived" in body:
            product = services.archive_product(
                product_id=product.id, is_archived=body["is_archived"]
            )
        if "cost_percent" in body:
            product = services.set_product_cost(
                product_id=product.id, cost_percent=body["cost_percent"]
            )
        if "tax_category" in body:
            product = services.set_product_tax(
                product_id=product.id, tax_category=body["tax_category"]
            )
        return self.show(product, ProductSerializer)


class PriceViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Prices and their versions, oldest version first."""

    model = Price
    serializer_class = PriceSerializer
    filterset_class = PriceFilters
    permission_resource = "catalog"

    def rows(self) -> Any:
        return Price.objects.select_related("product").prefetch_related("versions")

    @extend_schema(request=PriceCreateSerializer, responses={201: PriceSerializer})
    def create(self, request: Request) -> Response:
        body = self.read(PriceCreateSerializer)
        price = services.create_price(
            product_id=body.pop("product"),
            meter_id=body.pop("meter", None),
            **body,
            now=timezone.now(),
        )
        return self.show(self.rows().get(id=price.id), PriceSerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="prices_versions_list", responses={200: PriceVersionSerializer(many=True)}
    )
    @action(detail=True, filter_backends=[])
    def versions(self, request: Request, pk: str) -> Response:
        """List a price's versions, latest first."""
        return self.pages(
            PriceVersion.objects.filter(price=self.get_object()), PriceVersionSerializer
        )

    @extend_schema(
        operation_id="prices_versions_create",
        request=DraftVersionSerializer,
        responses={201: PriceVersionSerializer},
    )
    @versions.mapping.post
    def draft_version(self, request: Request, pk: str) -> Response:
        """Write the draft of the next version; a draft already there is replaced."""
        price = self.get_object()
        body = self.read(DraftVersionSerializer)
        version = services.draft_version(price_id=price.id, **body)
        return self.show(version, PriceVersionSerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="prices_publish", request=None, responses={200: PriceVersionSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def publish(self, request: Request, pk: str) -> Response:
        """Publish the draft: from now on it never changes."""
        version = services.publish_version(price_id=self.get_object().id, now=timezone.now())
        return self.show(version, PriceVersionSerializer)
