"""Invoices over REST: the month-end desk without a screen."""

from datetime import timedelta
from typing import Any

import django_filters
from django.db.models import Prefetch
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api import serializers as shapes
from billing.api.drafts import DraftActions
from billing.api.explaining import ExplainActions
from billing.api.paper import (
    CSV_ACTION,
    CSV_RESPONSES,
    SYNTAX,
    XML_ACTION,
    XML_RESPONSES,
    chosen,
)
from billing.models import Invoice, InvoiceCredit, InvoiceLine, Recalculation
from billing.selectors.grid import totals
from billing.services.bulk import start_bulk
from billing.services.corrections import (
    credit_invoice,
    credit_lines,
    credit_positions,
    void_invoice,
)
from billing.services.credit_limits import credit_room
from billing.services.delivery import (
    ensure_document,
    ensure_usage_file,
    ensure_xml,
    render_invoice,
    send_invoice,
)
from billing.services.electronic import SYNTAXES
from billing.services.invoicing import OPEN_STATES, issue_invoice, recalculate_invoices
from monetization.interface.filters import MonthFilter
from monetization.interface.viewsets import (
    PDF_ACTION,
    PDF_RESPONSES,
    ApiViewSet,
    file_response,
)
from monetization.jobs.api.serializers import JobSerializer
from monetization.jobs.models import Job
from monetization.tenancy.models import tenant_today


class InvoiceFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Invoice.Status.choices)
    payment_status = django_filters.MultipleChoiceFilter(choices=Invoice.PaymentStatus.choices)
    customer = django_filters.UUIDFilter(field_name="customer_id")
    schedule = django_filters.UUIDFilter(field_name="schedule_id")
    number = django_filters.CharFilter()
    supplements = django_filters.UUIDFilter(field_name="supplements_id")
    currency = django_filters.CharFilter()
    bill_on_from = django_filters.DateFilter(field_name="bill_on", lookup_expr="gte")
    bill_on_to = django_filters.DateFilter(
        field_name="bill_on", lookup_expr="lte", help_text="Inclusive."
    )
    month = MonthFilter(method="by_month", help_text="Of the billing date.")
    service_month = MonthFilter(method="by_service_month", help_text="With service in it.")
    is_failing = django_filters.BooleanFilter(
        method="by_failing", help_text="Drafts that fail an assertion nobody waived."
    )
    is_sent = django_filters.BooleanFilter(field_name="sent_at", lookup_expr="isnull", exclude=True)

    def by_failing(self, rows: Any, name: str, value: bool) -> Any:  # noqa: FBT001
        failing = {"failing_assertions__gt": 0, "status": Invoice.Status.DRAFT}
        return rows.filter(**failing) if value else rows.exclude(**failing)

    def by_month(self, rows: Any, name: str, value: Any) -> Any:
        return rows.filter(bill_on__gte=value, bill_on__lt=_following(value))

    def by_service_month(self, rows: Any, name: str, value: Any) -> Any:
        return rows.filter(period_start__lt=_following(value), period_end__gt=value)


def _following(month: Any) -> Any:
    return (month + timedelta(days=31)).replace(day=1)


# What a bulk action can be done to, when a filter chooses.
_BULK_STATES: dict[str, dict[str, Any]] = {
    "preview": {"status__in": OPEN_STATES},
    "recalculate": {"status__in": OPEN_STATES},
    "approve": {"status": Invoice.Status.DRAFT},
    "issue": {"status": Invoice.Status.DRAFT},
    "send": {"status": Invoice.Status.ISSUED, "sent_at__isnull": True},
}


class InvoiceViewSet(DraftActions, ExplainActions, mixins.ListModelMixin, ApiViewSet):
    """Invoices: calculated, reviewed, issued, sent, corrected."""

    model = Invoice
    serializer_class = shapes.InvoiceSerializer
    filterset_class = InvoiceFilters
    permission_resource = "invoices"

    def rows(self) -> Any:
        return Invoice.objects.select_related("customer")

    def _detail(self, invoice_id: Any) -> Invoice:
        lines = InvoiceLine.objects.order_by("position", "key")
        credits = InvoiceCredit.objects.select_related("grant").order_by("position")
        parts = (Prefetch("lines", lines), Prefetch("credits_used", credits))
        found: Invoice = self.rows().prefetch_related(*parts).get(id=invoice_id)
        return found

    def _answer(self, invoice: Invoice) -> Response:
        return self.show(self._detail(invoice.id), shapes.InvoiceDetailSerializer)

    @extend_schema(responses={200: shapes.InvoiceDetailSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self.get_object())

    @extend_schema(
        operation_id="invoices_recalculate",
        request=None,
        responses={200: shapes.RecalculatedSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def recalculate(self, request: Request, pk: str) -> Response:
        """Compute what an open invoice should say; doing it twice changes nothing more."""
        invoice = self.get_object()
        found = recalculate_invoices(invoice_ids=[invoice.id], now=timezone.now())
        detail = self._detail(invoice.id)
        detail.changes = [  # type: ignore[attr-defined]
            line
            for change in found
            if change.invoice_id == invoice.id  # other parts of a split have their own
            for line in change.changes
        ]
        return self.show(detail, shapes.RecalculatedSerializer)

    @extend_schema(
        operation_id="invoices_recalculations_list",
        responses={200: shapes.RecalculationSerializer(many=True)},
    )
    @action(detail=True, filter_backends=[])
    def recalculations(self, request: Request, pk: str) -> Response:
        """List what recalculations changed, last first."""
        rows = Recalculation.objects.filter(invoice=self.get_object())
        return self.pages(rows.select_related("invoice"), shapes.RecalculationSerializer)

    @extend_schema(
        operation_id="invoices_issue",
        request=shapes.IssueSerializer,
        responses={200: shapes.InvoiceDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def issue(self, request: Request, pk: str) -> Response:
        """Give a draft its number, freeze it and post it to the ledger."""
        invoice = self.get_object()
        body = self.read(shapes.IssueSerializer)
        body.setdefault("issued_on", tenant_today())
        return self._answer(issue_invoice(invoice_id=invoice.id, **body, now=timezone.now()))

    @extend_schema(
        operation_id="invoices_send",
        request=None,
        responses={200: shapes.InvoiceDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def send(self, request: Request, pk: str) -> Response:
        """Mail an issued invoice to the customer's contacts; once, however often it is asked."""
        return self._answer(send_invoice(invoice_id=self.get_object().id, now=timezone.now()))

    @extend_schema(
        operation_id="invoices_void",
        request=shapes.ReasonSerializer,
        responses={200: shapes.InvoiceDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def void(self, request: Request, pk: str) -> Response:
        """Withdraw an issued invoice nobody has paid; its number stays used."""
        invoice = self.get_object()
        body = self.read(shapes.ReasonSerializer)
        return self._answer(void_invoice(invoice_id=invoice.id, **body, now=timezone.now()))

    @extend_schema(
        operation_id="invoices_credit",
        request=shapes.CreditSerializer,
        responses={201: shapes.CreditNoteDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def credit(self, request: Request, pk: str) -> Response:
        """Credit the lines named, or everything on an invoice that was not credited before."""
        invoice = self.get_object()
        body = self.read(shapes.CreditSerializer)
        body.setdefault("issued_on", tenant_today())
        lines = body.pop("lines", None)
        if lines is None:
            note = credit_invoice(invoice_id=invoice.id, **body, now=timezone.now())
        else:
            amounts = {line["line"]: line["amount"] for line in lines}
            note = credit_lines(invoice_id=invoice.id, amounts=amounts, **body, now=timezone.now())
        return self.show(note, shapes.CreditNoteDetailSerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="invoices_creditable",
        request=None,
        responses={200: shapes.CreditableSerializer},
    )
    @action(detail=True, filter_backends=[])
    def creditable(self, request: Request, pk: str) -> Response:
        """Show what is left to credit, by line, and how much of it one person may credit alone."""
        invoice = self.get_object()
        is_issued = invoice.status == Invoice.Status.ISSUED
        room = credit_room(invoice, now=timezone.now())
        found = {
            "currency": invoice.currency,
            "alone": None if room is None else str(room.left.amount),
            "lines": credit_positions(invoice) if is_issued else [],
        }
        return self.show(found, shapes.CreditableSerializer)

    @extend_schema(
        operation_id="invoices_summary", responses={200: shapes.InvoiceTotalSerializer(many=True)}
    )
    @action(detail=False, pagination_class=None)
    def summary(self, request: Request) -> Response:
        """Add up the invoices a filter finds, by currency."""
        rows = totals(self.filter_queryset(self.get_queryset()), is_compared=False)
        return Response({"results": shapes.InvoiceTotalSerializer(rows, many=True).data})

    @extend_schema(operation_id="invoices_pdf", responses=PDF_RESPONSES)
    @action(detail=True, filter_backends=[], **PDF_ACTION)
    def pdf(self, request: Request, pk: str) -> HttpResponse:
        """Download the invoice; a draft is laid out as it is now, an issued one is kept."""
        invoice = Invoice.objects.select_related("customer", "legal_entity", "document").get(
            id=self.get_object().id
        )
        if not invoice.number:
            return file_response(render_invoice(invoice), "draft.pdf")
        document = ensure_document(invoice)
        return file_response(bytes(document.content), document.filename)

    @extend_schema(operation_id="invoices_xml", parameters=[SYNTAX], responses=XML_RESPONSES)
    @action(detail=True, filter_backends=[], **XML_ACTION)
    def xml(self, request: Request, pk: str) -> HttpResponse:
        """Download an issued invoice as machines read it (EN 16931); refuses what is incomplete."""
        invoice = self.get_object()
        syntax = chosen(request, "syntax", SYNTAXES, "ubl")
        document = ensure_xml(invoice, syntax).document
        return file_response(bytes(document.content), document.filename, document.content_type)

    @extend_schema(operation_id="invoices_usage", responses=CSV_RESPONSES)
    @action(detail=True, filter_backends=[], **CSV_ACTION)
    def usage(self, request: Request, pk: str) -> HttpResponse:
        """Download the usage an issued invoice bills, by day."""
        document = ensure_usage_file(self.get_object()).document
        return file_response(bytes(document.content), document.filename, document.content_type)

    @extend_schema(
        operation_id="invoices_bulk", request=shapes.BulkSerializer, responses={202: JobSerializer}
    )
    @action(detail=False, methods=["post"], filter_backends=[])
    def bulk(self, request: Request) -> Response:
        """Preview, recalculate, issue or send many invoices as a job; watch it under /jobs.

        A draft that fails an assertion is not issued until it is waived: its item fails.
        """
        body = self.read(shapes.BulkSerializer)
        ids = body.get("ids")
        if ids is None:
            ids = self._chosen(body["action"], body["filter"])
        job: Job = start_bulk(
            action=body["action"], invoice_ids=ids, issued_on=body.get("issued_on")
        )
        return self.show(job, JobSerializer, status.HTTP_202_ACCEPTED)

    def _chosen(self, action_name: str, wanted: dict[str, Any]) -> Any:
        data = {
            name: [*value]
            if isinstance(value, set)
            else f"{value:%Y-%m}"
            if name in ("month", "service_month")
            else str(value)
            for name, value in wanted.items()
        }
        rows = self.model.objects.filter(**_BULK_STATES[action_name])
        return InvoiceFilters(data=data, queryset=rows).qs.values_list("id", flat=True)
