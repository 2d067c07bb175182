"""CRM records over REST, each at the address its own system gives it."""

from typing import Any

import django_filters
from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from crm import selectors
from crm.api import serializers
from crm.services.records import save_record
from monetization.customers.models import BillingContact, Customer
from monetization.customers.references import check_reference, external_ids, referred
from monetization.interface.viewsets import ApiViewSet
from quotes.models import Opportunity, OpportunityReference, Quote

PARAMETERS = [
    OpenApiParameter(
        "source", OpenApiTypes.STR, OpenApiParameter.PATH, description="The system: salesforce."
    ),
    OpenApiParameter(
        "external_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="The id it has there."
    ),
]


class RecordViewSet(ApiViewSet):
    """Records of one kind. Reading one that was never taken in is 404."""

    kind: str

    def _shown(self, source: str, external_id: str, code: int = status.HTTP_200_OK) -> Response:
        reference = selectors.REFERENCES[self.kind]
        found = referred(reference, source, external_id)
        if found is None:
            raise Http404
        row = getattr(selectors, self.kind)(source).get(pk=found.pk)
        row.source, row.external_id = source, external_id
        row.external_ids = external_ids(reference, row.pk)
        if self.kind == "quotes":
            row.latest = row.latest_first[0]
        return self.show(row, self.serializer_class, code)  # type: ignore[arg-type]

    def _saved(self, source: str, external_id: str, input_class: Any) -> Response:
        check_reference(source, external_id)
        given = {"external_id": external_id, **self.read(input_class)}
        taken = save_record(self.kind, source, given, timezone.now())
        is_new = taken.verdict == "created"
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return self._shown(source, external_id, code)


class AccountViewSet(RecordViewSet):
    model = Customer
    kind = "accounts"
    serializer_class = serializers.AccountRecord
    permission_resource = "customers"

    @extend_schema(operation_id="crm_accounts_retrieve", parameters=PARAMETERS)
    def retrieve(self, request: Request, source: str, external_id: str) -> Response:
        """Read the customer an account is."""
        return self._shown(source, external_id)

    @extend_schema(
        operation_id="crm_accounts_save",
        parameters=PARAMETERS,
        request=serializers.AccountInput,
        responses={200: serializers.AccountRecord, 201: serializers.AccountRecord},
    )
    def save(self, request: Request, source: str, external_id: str) -> Response:
        """Make or change the customer an account is; the same again changes nothing."""
        return self._saved(source, external_id, serializers.AccountInput)


class ContactViewSet(RecordViewSet):
    model = BillingContact
    kind = "contacts"
    serializer_class = serializers.ContactRecord
    permission_resource = "customers"

    @extend_schema(operation_id="crm_contacts_retrieve", parameters=PARAMETERS)
    def retrieve(self, request: Request, source: str, external_id: str) -> Response:
        """Read a contact."""
        return self._shown(source, external_id)

    @extend_schema(
        operation_id="crm_contacts_save",
        parameters=PARAMETERS,
        request=serializers.ContactInput,
        responses={200: serializers.ContactRecord, 201: serializers.ContactRecord},
    )
    def save(self, request: Request, source: str, external_id: str) -> Response:
        """Make or change a contact; the same again changes nothing."""
        return self._saved(source, external_id, serializers.ContactInput)


class OpportunityRecordViewSet(RecordViewSet):
    model = Opportunity
    kind = "opportunities"
    serializer_class = serializers.OpportunityRecord
    permission_resource = "quotes"

    @extend_schema(operation_id="crm_opportunities_retrieve", parameters=PARAMETERS)
    def retrieve(self, request: Request, source: str, external_id: str) -> Response:
        """Read an opportunity and the numbers of its quotes."""
        return self._shown(source, external_id)

    @extend_schema(
        operation_id="crm_opportunities_save",
        parameters=PARAMETERS,
        request=serializers.OpportunityInput,
        responses={200: serializers.OpportunityRecord, 201: serializers.OpportunityRecord},
    )
    def save(self, request: Request, source: str, external_id: str) -> Response:
        """Make or change an opportunity; the same again changes nothing."""
        return self._saved(source, external_id, serializers.OpportunityInput)


class QuoteRecordViewSet(RecordViewSet):
    model = Quote
    kind = "quotes"
    serializer_class = serializers.QuoteRecord
    permission_resource = "quotes"

    @extend_schema(operation_id="crm_quotes_retrieve", parameters=PARAMETERS)
    def retrieve(self, request: Request, source: str, external_id: str) -> Response:
        """Read a quote by its latest version."""
        return self._shown(source, external_id)

    @extend_schema(
        operation_id="crm_quotes_save",
        parameters=PARAMETERS,
        request=serializers.QuoteInput,
        responses={200: serializers.QuoteRecord, 201: serializers.QuoteRecord},
    )
    def save(self, request: Request, source: str, external_id: str) -> Response:
        """Make or link a quote, or change its draft; the same again changes nothing."""
        return self._saved(source, external_id, serializers.QuoteInput)


class OpportunityFilters(django_filters.FilterSet):
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains")
    customer = django_filters.UUIDFilter(field_name="customer_id")
    outcome = django_filters.ChoiceFilter(choices=Opportunity.Outcome.choices)
    source = django_filters.CharFilter(field_name="references__source")


class OpportunityViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Opportunities by our own ids; they are written at the address their CRM gives them."""

    model = Opportunity
    serializer_class = serializers.OpportunitySerializer
    filterset_class = OpportunityFilters
    permission_resource = "quotes"

    def rows(self) -> Any:
        return Opportunity.objects.select_related("customer").prefetch_related(
            "references", "quotes"
        )

    def paginate_queryset(self, queryset: Any) -> Any:
        rows = super().paginate_queryset(queryset)
        for row in rows or ():
            row.external_ids = {one.source: one.external_id for one in row.references.all()}
        return rows

    def get_object(self) -> Any:
        row = super().get_object()
        row.external_ids = external_ids(OpportunityReference, row.pk)
        return row
