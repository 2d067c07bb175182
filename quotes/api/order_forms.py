"""Order forms over REST: what was signed."""

from typing import Any

import django_filters
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.fields import DayField, InputSerializer
from monetization.interface.viewsets import (
    PDF_ACTION,
    PDF_RESPONSES,
    ApiViewSet,
    file_response,
)
from monetization.pricing.terms import CHANGE_RULES
from quotes.api.details import quotes_with_latest
from quotes.api.serializers import (
    OrderFormDetailSerializer,
    OrderFormSerializer,
    QuoteSerializer,
)
from quotes.models import OrderForm, Quote
from quotes.services.following import draft_amendment, draft_renewal


class AmendSerializer(InputSerializer):
    """From when the amendment holds, and how the period already begun is treated."""

    effective_on = DayField()
    change_rule = serializers.ChoiceField(
        choices=CHANGE_RULES, required=False, help_text="The contract's own rule by default."
    )
    title = serializers.CharField(max_length=200, required=False, allow_blank=True)


class OrderFormFilters(django_filters.FilterSet):
    customer = django_filters.UUIDFilter(field_name="customer_id")
    quote = django_filters.UUIDFilter(field_name="version__quote_id")
    number = django_filters.CharFilter()


class OrderFormViewSet(mixins.ListModelMixin, ApiViewSet):
    """Signed order forms. They never change."""

    model = OrderForm
    serializer_class = OrderFormSerializer
    filterset_class = OrderFormFilters
    permission_resource = "quotes"

    def rows(self) -> Any:
        return OrderForm.objects.select_related("version", "customer")

    @extend_schema(responses={200: OrderFormDetailSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        return self.show(self.get_object(), OrderFormDetailSerializer)

    @extend_schema(operation_id="order_forms_document", responses=PDF_RESPONSES)
    @action(detail=True, filter_backends=[], **PDF_ACTION)
    def document(self, request: Request, pk: str) -> HttpResponse:
        """Download the signed copy, with its evidence page."""
        form = self.get_object()
        document = form.signed_document or form.document
        return file_response(bytes(document.content), document.filename, document.content_type)

    @extend_schema(
        operation_id="order_forms_amend",
        request=AmendSerializer,
        responses={201: QuoteSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def amend(self, request: Request, pk: str) -> Response:
        """Draft an amendment with what is left of the contract from a day on."""
        quote = draft_amendment(
            order_form_id=self.get_object().id, now=timezone.now(), **self.read(AmendSerializer)
        )
        return self._drafted(quote)

    @extend_schema(operation_id="order_forms_renew", request=None, responses={201: QuoteSerializer})
    @action(detail=True, methods=["post"], filter_backends=[])
    def renew(self, request: Request, pk: str) -> Response:
        """Draft the next term, prices raised as was agreed; a repeat returns the first draft."""
        return self._drafted(draft_renewal(order_form_id=self.get_object().id, now=timezone.now()))

    def _drafted(self, quote: Quote) -> Response:
        row = quotes_with_latest().get(id=quote.id)
        return self.show(row, QuoteSerializer, status.HTTP_201_CREATED)
