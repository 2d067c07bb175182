"""Customers over REST: whom we bill, who receives documents, which names usage carries."""

from typing import Any

import django_filters
from django.db.models import Q
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.customers import services
from monetization.customers.models import BillingContact, Customer, CustomerAlias
from monetization.interface.fields import (
    CurrencyField,
    ExactField,
    InputSerializer,
    ReferenceField,
    TimeZoneField,
)
from monetization.interface.viewsets import ApiViewSet
from monetization.tenancy.models import LegalEntity

_CONTACT = OpenApiParameter("contact_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
_CONTACT_PATH = r"contacts/(?P<contact_id>[0-9a-fA-F-]{36})"


class ContactSerializer(InputSerializer):
    """Somebody who receives documents. The same address again changes its name."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(max_length=200)
    email = serializers.EmailField(max_length=254)
    is_primary = serializers.BooleanField(default=False)


class ContactPatchSerializer(InputSerializer):
    name = serializers.CharField(max_length=200)
    email = serializers.EmailField(max_length=254)
    is_primary = serializers.BooleanField()


class AliasSerializer(InputSerializer):
    """A name that usage events carry, for ever or from one moment up to another."""

    id = serializers.UUIDField(read_only=True)
    alias = serializers.CharField(max_length=200)
    valid_from = serializers.DateTimeField(
        source="valid.lower", allow_null=True, required=False, help_text="Absent: always."
    )
    valid_until = serializers.DateTimeField(
        source="valid.upper", allow_null=True, required=False, help_text="Exclusive."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        valid = attrs.pop("valid", {})
        start, end = valid.get("lower"), valid.get("upper")
        if start is not None and end is not None and start >= end:
            raise serializers.ValidationError({"valid_until": "must be after valid_from"})
        return {**attrs, "valid_from": start, "valid_until": end}


class CustomerSerializer(serializers.Serializer[Any]):
    """A customer. Terms and tax are defaults for new quotes and invoices."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    legal_name = serializers.CharField()
    external_id = serializers.CharField()
    legal_entity = serializers.UUIDField(source="legal_entity_id")
    currency = serializers.CharField()
    time_zone = serializers.CharField()
    address = serializers.CharField()
    country = serializers.CharField()
    tax_id = serializers.CharField()
    tax_treatment = serializers.ChoiceField(choices=Customer.TaxTreatment.choices)
    tax_name = serializers.CharField()
    tax_percent = ExactField()
    payment_terms_days = serializers.IntegerField()
    purchase_order = serializers.CharField()
    notes = serializers.CharField()
    is_archived = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    contacts = ContactSerializer(many=True)


class CustomerPatchSerializer(InputSerializer):
    """What may change. Documents already issued keep what they say."""

    name = serializers.CharField(max_length=200)
    legal_name = serializers.CharField(max_length=200, allow_blank=True, required=False)
    external_id = serializers.CharField(
        max_length=200, allow_blank=True, required=False, help_text="Your CRM's id; once."
    )
    currency = CurrencyField()
    time_zone = TimeZoneField(max_length=63, required=False, help_text="IANA, e.g. Europe/Paris.")
    address = serializers.CharField(max_length=2000, allow_blank=True, required=False)
    country = serializers.RegexField(
        r"\A[A-Z]{2}\Z", allow_blank=True, required=False, help_text="ISO 3166-1 alpha-2."
    )
    tax_id = serializers.CharField(max_length=40, allow_blank=True, required=False)
    tax_treatment = serializers.ChoiceField(choices=Customer.TaxTreatment.choices, required=False)
    tax_name = serializers.CharField(max_length=40, allow_blank=True, required=False)
    tax_percent = ExactField(places=6, at_most=100, required=False)
    payment_terms_days = serializers.IntegerField(min_value=0, max_value=365, required=False)
    purchase_order = serializers.CharField(max_length=60, allow_blank=True, required=False)
    notes = serializers.CharField(max_length=10_000, allow_blank=True, required=False)
    is_archived = serializers.BooleanField(required=False)


class CustomerCreateSerializer(CustomerPatchSerializer):
    """A new customer, of the main legal entity unless another is named."""

    legal_entity = ReferenceField(LegalEntity, required=False)
    is_archived = None


class CustomerFilters(django_filters.FilterSet):
    search = django_filters.CharFilter(method="by_text", help_text="Part of a name.")
    external_id = django_filters.CharFilter()
    currency = django_filters.CharFilter()
    alias = django_filters.CharFilter(method="by_alias", help_text="Held now or at any time.")
    is_archived = django_filters.BooleanFilter()

    def by_text(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(Q(name__icontains=value) | Q(legal_name__icontains=value))

    def by_alias(self, rows: Any, name: str, value: str) -> Any:
        holders = CustomerAlias.objects.filter(alias=value).values("customer_id")
        return rows.filter(id__in=holders)


class CustomerViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Customers, their contacts and their aliases."""

    model = Customer
    serializer_class = CustomerSerializer
    filterset_class = CustomerFilters
    permission_resource = "customers"

    def rows(self) -> Any:
        return Customer.objects.prefetch_related("contacts")

    def _answer(self, customer: Customer, status_code: int = status.HTTP_200_OK) -> Response:
        return self.show(self.rows().get(id=customer.id), CustomerSerializer, status_code)

    @extend_schema(request=CustomerCreateSerializer, responses={201: CustomerSerializer})
    def create(self, request: Request) -> Response:
        details = self.read(CustomerCreateSerializer)
        details["legal_entity_id"] = details.pop("legal_entity", None)
        customer = services.create_customer(**details, now=timezone.now())
        return self._answer(customer, status.HTTP_201_CREATED)

    @extend_schema(request=CustomerPatchSerializer, responses={200: CustomerSerializer})
    def partial_update(self, request: Request, pk: str) -> Response:
        customer = self.get_object()
        details = self.read(CustomerPatchSerializer, partial=True)
        return self._answer(services.update_customer(customer_id=customer.id, **details))

    @extend_schema(
        operation_id="customers_contacts_list", responses={200: ContactSerializer(many=True)}
    )
    @action(detail=True, filter_backends=[])
    def contacts(self, request: Request, pk: str) -> Response:
        """List who receives documents."""
        rows = BillingContact.objects.filter(customer=self.get_object())
        return self.pages(rows, ContactSerializer)

    @extend_schema(
        operation_id="customers_contacts_create",
        request=ContactSerializer,
        responses={201: ContactSerializer},
    )
    @contacts.mapping.post
    def add_contact(self, request: Request, pk: str) -> Response:
        """Add somebody who receives documents; the first one is the primary."""
        customer = self.get_object()
        contact = services.add_contact(customer_id=customer.id, **self.read(ContactSerializer))
        return self.show(contact, ContactSerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="customers_contacts_update",
        parameters=[_CONTACT],
        request=ContactPatchSerializer,
        responses={200: ContactSerializer},
    )
    @action(detail=True, methods=["patch"], url_path=_CONTACT_PATH, filter_backends=[])
    def contact(self, request: Request, pk: str, contact_id: str) -> Response:
        """Change a contact; the primary one stays until another takes over."""
        known = self._contact(contact_id)
        body = self.read(ContactPatchSerializer, partial=True)
        kept = {name: getattr(known, name) for name in ("name", "email", "is_primary")}
        contact = services.update_contact(contact_id=known.id, **{**kept, **body})
        return self.show(contact, ContactSerializer)

    @extend_schema(
        operation_id="customers_contacts_destroy",
        parameters=[_CONTACT],
        request=None,
        responses={204: None},
    )
    @contact.mapping.delete
    def remove_contact(self, request: Request, pk: str, contact_id: str) -> Response:
        """Stop sending documents to somebody; the oldest other contact becomes the primary."""
        services.remove_contact(contact_id=self._contact(contact_id).id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _contact(self, contact_id: str) -> BillingContact:
        rows = BillingContact.objects.filter(customer=self.get_object())
        found: BillingContact = rows.get(id=contact_id)
        return found

    @extend_schema(
        operation_id="customers_aliases_list", responses={200: AliasSerializer(many=True)}
    )
    @action(detail=True, filter_backends=[])
    def aliases(self, request: Request, pk: str) -> Response:
        """List the names usage knows the customer by."""
        rows = CustomerAlias.objects.filter(customer=self.get_object())
        return self.pages(rows, AliasSerializer)

    @extend_schema(
        operation_id="customers_aliases_create",
        request=AliasSerializer,
        responses={201: AliasSerializer},
    )
    @aliases.mapping.post
    def map_alias(self, request: Request, pk: str) -> Response:
        """Map a name; usage already stored under it is attributed."""
        customer = self.get_object()
        alias = services.map_alias(
            customer_id=customer.id, **self.read(AliasSerializer), now=timezone.now()
        )
        alias.refresh_from_db()  # the range as the database keeps it
        return self.show(alias, AliasSerializer, status.HTTP_201_CREATED)
