"""Money received and credit notes over REST."""

from typing import Any

import django_filters
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.paper import SYNTAX, XML_ACTION, XML_RESPONSES, chosen
from billing.api.serializers import (
    CreditNoteDetailSerializer,
    CreditNoteSerializer,
    PaymentCreateSerializer,
    PaymentSerializer,
)
from billing.models import CreditNote, Payment
from billing.services.collections import record_payment
from billing.services.delivery import (
    ensure_credit_note_document,
    ensure_xml,
    send_credit_note,
)
from billing.services.electronic import SYNTAXES
from monetization.interface.viewsets import (
    PDF_ACTION,
    PDF_RESPONSES,
    ApiViewSet,
    file_response,
)


class CreditNoteFilters(django_filters.FilterSet):
    customer = django_filters.UUIDFilter(field_name="customer_id")
    invoice = django_filters.UUIDFilter(field_name="invoice_id")
    number = django_filters.CharFilter()
    issued_on_from = django_filters.DateFilter(field_name="issued_on", lookup_expr="gte")
    issued_on_to = django_filters.DateFilter(field_name="issued_on", lookup_expr="lte")


class CreditNoteViewSet(mixins.ListModelMixin, ApiViewSet):
    """Credit notes. Crediting an invoice makes one."""

    model = CreditNote
    serializer_class = CreditNoteSerializer
    filterset_class = CreditNoteFilters
    permission_resource = "invoices"

    def rows(self) -> Any:
        return CreditNote.objects.select_related("customer")

    @extend_schema(responses={200: CreditNoteDetailSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        return self.show(self.get_object(), CreditNoteDetailSerializer)

    @extend_schema(operation_id="credit_notes_pdf", responses=PDF_RESPONSES)
    @action(detail=True, filter_backends=[], **PDF_ACTION)
    def pdf(self, request: Request, pk: str) -> HttpResponse:
        """Download a credit note."""
        document = ensure_credit_note_document(self.get_object())
        return file_response(bytes(document.content), document.filename)

    @extend_schema(operation_id="credit_notes_xml", parameters=[SYNTAX], responses=XML_RESPONSES)
    @action(detail=True, filter_backends=[], **XML_ACTION)
    def xml(self, request: Request, pk: str) -> HttpResponse:
        """Download a credit note as machines read it (EN 16931); refuses what is incomplete."""
        note = self.get_object()
        document = ensure_xml(note, chosen(request, "syntax", SYNTAXES, "ubl")).document
        return file_response(bytes(document.content), document.filename, document.content_type)

    @extend_schema(
        operation_id="credit_notes_send",
        request=None,
        responses={200: CreditNoteDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def send(self, request: Request, pk: str) -> Response:
        """Mail a credit note to the customer's contacts; once, however often it is asked."""
        note = send_credit_note(note_id=self.get_object().id, now=timezone.now())
        return self.show(note, CreditNoteDetailSerializer)


class PaymentFilters(django_filters.FilterSet):
    customer = django_filters.UUIDFilter(field_name="customer_id")
    invoice = django_filters.UUIDFilter(field_name="allocations__invoice_id")
    reference = django_filters.CharFilter()
    received_on_from = django_filters.DateFilter(field_name="received_on", lookup_expr="gte")
    received_on_to = django_filters.DateFilter(field_name="received_on", lookup_expr="lte")


class PaymentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Payments and what they settled."""

    model = Payment
    serializer_class = PaymentSerializer
    filterset_class = PaymentFilters
    permission_resource = "payments"

    def rows(self) -> Any:
        return Payment.objects.prefetch_related("allocations")

    @extend_schema(request=PaymentCreateSerializer, responses={201: PaymentSerializer})
    def create(self, request: Request) -> Response:
        """Record a payment and settle invoices with it."""
        body = self.read(PaymentCreateSerializer)
        parts = body.pop("allocations", None)
        payment = record_payment(
            customer_id=body.pop("customer"),
            **body,
            allocations=None
            if parts is None
            else {part["invoice"]: part["amount"] for part in parts},
            now=timezone.now(),
        )
        return self.show(self.rows().get(id=payment.id), PaymentSerializer, status.HTTP_201_CREATED)
