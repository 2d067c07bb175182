"""Tax rates and how tax is added up, over REST."""

from decimal import Decimal
from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.desk import DeskView
from billing.models import CustomerTaxRate, TaxRate, TaxSetting
from billing.services import taxing
from monetization.customers.models import Customer
from monetization.interface.fields import DayField, ExactField, InputSerializer, ReferenceField
from monetization.interface.viewsets import ApiViewSet
from monetization.tenancy.models import LegalEntity


class TaxRateSerializer(InputSerializer):
    """What is charged on products of a category for customers of a country."""

    id = serializers.UUIDField(read_only=True)
    legal_entity = ReferenceField(LegalEntity, source="legal_entity_id")
    category = serializers.SlugField(max_length=20, default=taxing.STANDARD)
    country = serializers.CharField(
        max_length=2, default="", allow_blank=True, help_text="Empty: every other country."
    )
    treatment = serializers.ChoiceField(choices=Customer.TaxTreatment.choices, default="taxable")
    name = serializers.CharField(max_length=40, help_text="As the invoice says it: VAT, GST.")
    percent = ExactField(places=6, at_most=100, default=Decimal(0))
    valid_from = DayField(
        default=None,
        allow_null=True,
        help_text="The first tax date it counts on; null: since ever. A day to come is fine.",
    )


class TaxSettingSerializer(InputSerializer):
    """How a legal entity adds tax up, on invoices opened from then on."""

    method = serializers.ChoiceField(choices=TaxSetting.Method.choices)
    prices_include_tax = serializers.BooleanField(
        default=False, help_text="It is taken out of prices, line by line, not added."
    )
    tax_point = serializers.ChoiceField(
        choices=TaxSetting.Point.choices,
        default=TaxSetting.Point.EARLIER,
        help_text="Which day's rate a line has.",
    )


class TaxRateFilters(django_filters.FilterSet):
    legal_entity = django_filters.UUIDFilter(field_name="legal_entity_id")
    category = django_filters.CharFilter()
    country = django_filters.CharFilter()
    on = django_filters.DateFilter(method="in_force", help_text="Those in force on a tax date.")

    def in_force(self, rows: Any, name: str, value: Any) -> Any:
        return taxing.rates_on(rows, value)


class TaxRateViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Tax rates by legal entity, category and country."""

    model = TaxRate
    serializer_class = TaxRateSerializer
    filterset_class = TaxRateFilters
    permission_resource = "settings"

    @extend_schema(request=TaxRateSerializer, responses={201: TaxRateSerializer})
    def create(self, request: Request) -> Response:
        """Set a rate from a day on; the same category, country and day again changes it."""
        body = self.read(TaxRateSerializer)
        row = taxing.set_tax_rate(**body, now=timezone.now())
        return self.show(row, TaxRateSerializer, status.HTTP_201_CREATED)

    @extend_schema(operation_id="tax_rates_remove", request=None, responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take a rate back; the one before it holds on, or the customer's own."""
        taxing.remove_tax_rate(rate_id=self.get_object().id, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class CustomerTaxRateSerializer(InputSerializer):
    """What a customer is charged from a day on, before what is set for the country."""

    id = serializers.UUIDField(read_only=True)
    customer = ReferenceField(Customer, source="customer_id")
    valid_from = DayField(help_text="The first tax date it counts on, past or to come.")
    treatment = serializers.ChoiceField(choices=Customer.TaxTreatment.choices, default="taxable")
    name = serializers.CharField(max_length=40, help_text="As the invoice says it: VAT, GST.")
    percent = ExactField(places=6, at_most=100, default=Decimal(0))


class CustomerTaxRateFilters(django_filters.FilterSet):
    customer = django_filters.UUIDFilter(field_name="customer_id")
    on = django_filters.DateFilter(method="in_force", help_text="Those in force on a tax date.")

    def in_force(self, rows: Any, name: str, value: Any) -> Any:
        return taxing.customer_rates_on(rows, value)


class CustomerTaxRateViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Customers' own taxes from a day on; before it, what the customer says."""

    model = CustomerTaxRate
    serializer_class = CustomerTaxRateSerializer
    filterset_class = CustomerTaxRateFilters
    permission_resource = "customers"

    @extend_schema(request=CustomerTaxRateSerializer, responses={201: CustomerTaxRateSerializer})
    def create(self, request: Request) -> Response:
        """Set a customer's tax from a day on; the same day again changes it."""
        body = self.read(CustomerTaxRateSerializer)
        row = taxing.set_customer_tax(**body, now=timezone.now())
        return self.show(row, CustomerTaxRateSerializer, status.HTTP_201_CREATED)

    @extend_schema(operation_id="customer_tax_rates_remove", request=None, responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take it back; what held before it holds on."""
        taxing.remove_customer_tax(rate_id=self.get_object().id, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class TaxSettingView(DeskView):
    """How one legal entity adds tax up."""

    model: Any = LegalEntity
    permission_resource = "settings"
    serializer_class = TaxSettingSerializer

    @extend_schema(operation_id="tax_settings_get")
    def get(self, request: Request, pk: str) -> Response:
        """Show it; rounded per line and on top of prices by default."""
        row = TaxSetting.objects.filter(legal_entity=self.get_object()).first()
        return Response(TaxSettingSerializer(row or TaxSetting()).data)

    @extend_schema(operation_id="tax_settings_set")
    def put(self, request: Request, pk: str) -> Response:
        """Set it for invoices opened from now on."""
        entity = self.get_object()
        body = self.body(TaxSettingSerializer)
        row = taxing.set_tax_method(legal_entity_id=entity.id, **body, now=timezone.now())
        return Response(TaxSettingSerializer(row).data)
