"""Order forms over REST: what was signed."""

from typing import Any

import django_filters
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.viewsets import (
    PDF_ACTION,
    PDF_RESPONSES,
    ApiViewSet,
    file_response,
)
from quotes.api.serializers import OrderFormDetailSerializer, OrderFormSerializer
from quotes.models import OrderForm


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
