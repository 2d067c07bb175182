"""CRM records over REST, each at the address its own system gives it."""

from collections.abc import Callable
from typing import Any

import django_filters
from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

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
    serializer_class: type[Serializer[Any]]
    input_class: type[Serializer[Any]]

    def retrieve(self, request: Request, source: str, external_id: str) -> Response:
        return self._shown(source, external_id, status.HTTP_200_OK)

    def update(self, request: Request, source: str, external_id: str) -> Response:
        check_reference(source, external_id)
        given = {"external_id": external_id, **self.read(self.input_class)}
        taken = save_record(self.kind, source, given, timezone.now())
        is_new = taken.verdict == "created"
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return self._shown(source, external_id, code)

    def _shown(self, source: str, external_id: str, code: int) -> Response:
        reference = selectors.REFERENCES[self.kind]
        found = referred(reference, source, external_id)
        if found is None:
            raise Http404
        row = getattr(selectors, self.kind)(source).get(pk=found.pk)
        row.source, row.external_id = source, external_id
        row.external_ids = external_ids(reference, row.pk)
        if self.kind == "quotes":
            row.latest = row.latest_first[0]
        return self.show(row, self.serializer_class, code)


def _described(reading: str, saving: str) -> Callable[[type[RecordViewSet]], type[RecordViewSet]]:
    """Describe what a kind's two actions do; a save that repeats another changes nothing."""

    def describe(viewset: type[RecordViewSet]) -> type[RecordViewSet]:
        shown = viewset.serializer_class
        return extend_schema_view(
            retrieve=extend_schema(
                operation_id=f"crm_{viewset.kind}_retrieve",
                parameters=PARAMETERS,
                description=reading,
            ),
            update=extend_schema(
                operation_id=f"crm_{viewset.kind}_save",
                parameters=PARAMETERS,
                description=f"{saving}; the same again changes nothing.",
                request=viewset.input_class,
                responses={200: shown, 201: shown},
            ),
        )(viewset)

    return describe


@_described("Read the customer an account is.", "Make or change the customer an account is")
class AccountViewSet(RecordViewSet):
    model = Customer
    kind = "accounts"
    serializer_class = serializers.AccountRecord
    input_class = serializers.AccountInput
    permission_resource = "customers"


@_described("Read a contact.", "Make or change a contact")
class ContactViewSet(RecordViewSet):
    model = BillingContact
    kind = "contacts"
    serializer_class = serializers.ContactRecord
    input_class = serializers.ContactInput
    permission_resource = "customers"


@_described("Read an opportunity and the numbers of its quotes.", "Make or change an opportunity")
class OpportunityRecordViewSet(RecordViewSet):
    model = Opportunity
    kind = "opportunities"
    serializer_class = serializers.OpportunityRecord
    input_class = serializers.OpportunityInput
    permission_resource = "quotes"


@_described("Read a quote by its latest version.", "Make or link a quote, or change its draft")
class QuoteRecordViewSet(RecordViewSet):
    model = Quote
    kind = "quotes"
    serializer_class = serializers.QuoteRecord
    input_class = serializers.QuoteInput
    permission_resource = "quotes"


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
