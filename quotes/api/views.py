"""Quotes over REST: draft, send, revise, and read what was agreed."""

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import django_filters
from django.db import transaction
from django.http import Http404, HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.documents.models import Document
from monetization.interface.viewsets import (
    PDF_ACTION,
    PDF_RESPONSES,
    file_response,
)
from quotes import services
from quotes.api import details
from quotes.api.changes import ChangesActions
from quotes.api.serializers import (
    OrderFormDetailSerializer,
    QuoteCopySerializer,
    QuoteCreateSerializer,
    QuoteDetailSerializer,
    QuoteDraftSerializer,
    QuoteSentSerializer,
    QuoteSerializer,
    QuoteVersionSerializer,
    SendSerializer,
    SignedElsewhereSerializer,
    VersionDetailSerializer,
)
from quotes.models import Quote, QuoteVersion
from quotes.ports import OWN_LINK
from quotes.services.following import clone_quote
from quotes.services.templates import create_from_template
from quotes.services.undoing import redo_draft, undo_draft

_NUMBER = OpenApiParameter("number", OpenApiTypes.INT, OpenApiParameter.PATH)
_VERSION = r"versions/(?P<number>[0-9]{1,6})"


class QuoteFilters(django_filters.FilterSet):
    search = django_filters.CharFilter(field_name="title", lookup_expr="icontains")
    number = django_filters.CharFilter()
    customer = django_filters.UUIDFilter(field_name="customer_id")
    external_id = django_filters.CharFilter()
    status = django_filters.MultipleChoiceFilter(
        field_name="latest_status", choices=QuoteVersion.Status.choices
    )


class QuoteViewSet(mixins.ListModelMixin, ChangesActions):
    """Quotes and their versions. Signing is a public page, not part of the API."""

    model = Quote
    serializer_class = QuoteSerializer
    filterset_class = QuoteFilters
    shown_once = ("signing_url",)
    permission_resource = "quotes"

    def rows(self) -> Any:
        return details.quotes_with_latest()

    def _answer(
        self,
        quote: Quote,
        serializer_class: Any = QuoteDetailSerializer,
        status_code: int = status.HTTP_200_OK,
        **extra: Any,
    ) -> Response:
        row = self.rows().get(id=quote.id)
        row.latest = details.VersionDetail(details.latest_of(row))
        for name, value in extra.items():
            setattr(row, name, value)
        return self.show(row, serializer_class, status_code)

    @extend_schema(responses={200: QuoteDetailSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self.get_object())

    @extend_schema(request=QuoteCreateSerializer, responses={201: QuoteDetailSerializer})
    def create(self, request: Request) -> Response:
        payload = self.read(QuoteCreateSerializer)
        template = payload.pop("template", None)
        given = {
            "customer_id": payload.pop("customer"),
            "title": payload.pop("title"),
            "start_on": payload.pop("start_on"),
            "external_id": payload.pop("external_id", ""),
            "now": timezone.now(),
            "legal_entity_id": payload.pop("legal_entity", None),
            "currency": payload.pop("currency", ""),
        }
        with transaction.atomic():
            if template is None:
                quote = services.create_quote(**given)
            else:
                quote = create_from_template(template_id=template, **given)
            if payload:
                self._save(quote, payload)
        return self._answer(quote, status_code=status.HTTP_201_CREATED)

    def _save(self, quote: Quote, payload: dict[str, Any]) -> None:
        version = services.save_draft(version_id=details.latest_of(quote).id, payload=payload)
        details.check_totals(version)

    @extend_schema(
        operation_id="quotes_copy",
        request=QuoteCopySerializer,
        responses={201: QuoteDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def copy(self, request: Request, pk: str) -> Response:
        """Start a quote that offers the same as the latest version, perhaps to somebody else."""
        quote = self.get_object()
        body = self.read(QuoteCopySerializer)
        copied = clone_quote(
            quote_id=quote.id,
            customer_id=body.get("customer", quote.customer_id),
            title=body.get("title", quote.title),
            start_on=body.get("start_on", details.latest_of(quote).start_on),
            now=timezone.now(),
        )
        return self._answer(copied, status_code=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="quotes_draft_update",
        request=QuoteDraftSerializer,
        responses={200: QuoteDetailSerializer},
    )
    @action(detail=True, methods=["put"], filter_backends=[])
    def draft(self, request: Request, pk: str) -> Response:
        """Replace the draft; saving the same again changes nothing. Sent versions refuse."""
        quote = self.get_object()
        payload = self.read(QuoteDraftSerializer)
        with transaction.atomic():
            self._save(quote, payload)
        return self._answer(quote)

    @extend_schema(
        operation_id="quotes_draft_undo", request=None, responses={200: QuoteDetailSerializer}
    )
    @action(detail=True, methods=["post"], url_path="draft/undo", filter_backends=[])
    def draft_undo(self, request: Request, pk: str) -> Response:
        """Put the draft back to the step of editing before."""
        quote = self.get_object()
        undo_draft(version_id=details.latest_of(quote).id, now=timezone.now())
        return self._answer(quote)

    @extend_schema(
        operation_id="quotes_draft_redo", request=None, responses={200: QuoteDetailSerializer}
    )
    @action(detail=True, methods=["post"], url_path="draft/redo", filter_backends=[])
    def draft_redo(self, request: Request, pk: str) -> Response:
        """Do again what was undone last."""
        quote = self.get_object()
        redo_draft(version_id=details.latest_of(quote).id, now=timezone.now())
        return self._answer(quote)

    @extend_schema(
        operation_id="quotes_send", request=SendSerializer, responses={200: QuoteSentSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def send(self, request: Request, pk: str) -> Response:
        """Freeze the draft, store its document and mail its signer a link."""
        quote = self.get_object()
        address = services.send_version(
            version_id=details.latest_of(quote).id,
            now=timezone.now(),
            signature_method=self.read(SendSerializer).get("signature_method", OWN_LINK),
        )
        return self._answer(quote, QuoteSentSerializer, signing_url=address)

    @extend_schema(
        operation_id="quotes_revise", request=None, responses={200: QuoteDetailSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def revise(self, request: Request, pk: str) -> Response:
        """Make the next version from the latest; open links are withdrawn."""
        quote = self.get_object()
        services.revise_quote(quote_id=quote.id, now=timezone.now())
        return self._answer(quote)

    @extend_schema(
        operation_id="quotes_signed_elsewhere",
        request=SignedElsewhereSerializer,
        responses={201: OrderFormDetailSerializer},
    )
    @action(detail=True, methods=["post"], url_path="signed-elsewhere", filter_backends=[])
    def signed_elsewhere(self, request: Request, pk: str) -> Response:
        """Record that the draft's terms were signed outside; billing starts from them."""
        version = details.latest_of(self.get_object())
        body = self.read(SignedElsewhereSerializer)
        day, zone = body.pop("signed_on"), ZoneInfo(version.time_zone)
        form = services.import_order_form(
            version_id=version.id,
            signed_at=datetime.combine(day, time(12), tzinfo=zone),
            content=body.pop("document", None),
            filename=f"{version.quote.number}-v{version.number}-signed.pdf",
            **body,
        )
        return self.show(form, OrderFormDetailSerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="quotes_versions_list", responses={200: QuoteVersionSerializer(many=True)}
    )
    @action(detail=True, filter_backends=[])
    def versions(self, request: Request, pk: str) -> Response:
        """List the iterations, latest first."""
        return self.pages(
            QuoteVersion.objects.filter(quote=self.get_object()), QuoteVersionSerializer
        )

    @extend_schema(
        operation_id="quotes_versions_retrieve",
        parameters=[_NUMBER],
        responses={200: VersionDetailSerializer},
    )
    @action(detail=True, url_path=_VERSION, filter_backends=[])
    def version(self, request: Request, pk: str, number: str) -> Response:
        """Read one iteration with its terms and estimate."""
        found = details.versions_of(self.get_object()).get(number=int(number))
        return self.show(details.VersionDetail(found), VersionDetailSerializer)

    @extend_schema(operation_id="quotes_document", responses=PDF_RESPONSES)
    @action(detail=True, filter_backends=[], **PDF_ACTION)
    def document(self, request: Request, pk: str) -> HttpResponse:
        """Download the document of the latest version that was sent."""
        sent = details.versions_of(self.get_object()).filter(document__isnull=False)
        return _file(sent.order_by("-number").first())

    @extend_schema(
        operation_id="quotes_versions_document", parameters=[_NUMBER], responses=PDF_RESPONSES
    )
    @action(detail=True, url_path=f"{_VERSION}/document", filter_backends=[], **PDF_ACTION)
    def version_document(self, request: Request, pk: str, number: str) -> HttpResponse:
        """Download what one version's signer was shown."""
        return _file(details.versions_of(self.get_object()).get(number=int(number)))


def _file(version: QuoteVersion | None) -> HttpResponse:
    document: Document | None = version.document if version else None
    if document is None:
        raise Http404
    return file_response(bytes(document.content), document.filename, document.content_type)
