"""How documents look, what mails say and what customers need, over REST."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import renderers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api import paper_serializers as shapes
from billing.api.desk import DeskView
from billing.domain.mail_texts import KINDS
from billing.services import samples
from billing.services.electronic import SYNTAXES
from billing.services.mail_texts import set_mail_text, text_of
from billing.services.paper import recipient_of
from billing.services.templates import change_documents, change_logo, change_recipient
from monetization.documents.models import DocumentTemplate
from monetization.documents.services import render_pdf, template_of
from monetization.interface.viewsets import (
    PDF_ACTION,
    PDF_RESPONSES,
    ApiViewSet,
    file_response,
)
from monetization.tenancy.models import LegalEntity


class XmlRenderer(renderers.JSONRenderer):
    """Lets a client ask for ``application/xml``; a problem is JSON all the same."""

    media_type = "application/xml"
    format = "xml"


class CsvRenderer(renderers.JSONRenderer):
    """Lets a client ask for ``text/csv``; a problem is JSON all the same."""

    media_type = "text/csv"
    format = "csv"


XML_ACTION: dict[str, Any] = {"renderer_classes": [renderers.JSONRenderer, XmlRenderer]}
XML_RESPONSES: dict[Any, Any] = {
    (200, "application/xml"): OpenApiResponse(OpenApiTypes.BINARY, description="The document.")
}
CSV_ACTION: dict[str, Any] = {"renderer_classes": [renderers.JSONRenderer, CsvRenderer]}
CSV_RESPONSES: dict[Any, Any] = {
    (200, "text/csv"): OpenApiResponse(OpenApiTypes.BINARY, description="A row per line and day.")
}
SYNTAX = OpenApiParameter(
    "syntax", enum=list(SYNTAXES), description="ubl, the default, or cii as in Factur-X."
)
SAMPLE = OpenApiParameter("kind", enum=list(samples.KINDS), description="By default an invoice.")


def chosen(request: Request, name: str, known: Any, default: str) -> str:
    """Return a query parameter that is one of some words.

    :raises Http404: for another word.
    """
    value = request.query_params.get(name, default)
    if value not in known:
        raise Http404
    return value


class DocumentTemplateViewSet(ApiViewSet):
    """How each legal entity's documents look; the key is the legal entity's id."""

    model = LegalEntity
    serializer_class = shapes.TemplateSerializer
    permission_resource = "settings"
    filter_backends = []

    def _answer(self, entity: LegalEntity) -> Response:
        template = template_of(entity.id)
        template.legal_entity = entity
        return self.show(template, shapes.TemplateSerializer)

    @extend_schema(responses={200: shapes.TemplateSerializer(many=True)})
    def list(self, request: Request) -> Response:
        """List the templates of all legal entities."""
        entities = {row.id: row for row in LegalEntity.objects.order_by("code")}
        saved = {row.legal_entity_id: row for row in DocumentTemplate.objects.all()}
        rows = []
        for entity in entities.values():
            row = saved.get(entity.id) or DocumentTemplate()
            row.legal_entity = entity
            rows.append(row)
        return Response({"results": shapes.TemplateSerializer(rows, many=True).data})

    @extend_schema(responses={200: shapes.TemplateSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        """Show a legal entity's template; as documents look by default if none was saved."""
        return self._answer(self.get_object())

    @extend_schema(
        request=shapes.TemplateInputSerializer, responses={200: shapes.TemplateSerializer}
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change how the next documents look; those made before keep how they look."""
        entity = self.get_object()
        body = self.read(shapes.TemplateInputSerializer)
        change_documents(
            legal_entity_id=entity.id,
            values=shapes.TemplateInputSerializer.values(body),
            numbering=shapes.TemplateInputSerializer.numbering(body),
            now=timezone.now(),
        )
        return self._answer(self.get_object())

    @extend_schema(
        operation_id="document_templates_logo",
        request=shapes.LogoSerializer,
        responses={200: shapes.TemplateSerializer},
    )
    @action(detail=True, methods=["put"])
    def logo(self, request: Request, pk: str) -> Response:
        """Set or take away the logo."""
        entity = self.get_object()
        content = self.read(shapes.LogoSerializer)["content"]
        change_logo(legal_entity_id=entity.id, content=content, now=timezone.now())
        return self._answer(entity)

    @extend_schema(
        operation_id="document_templates_sample", parameters=[SAMPLE], responses=PDF_RESPONSES
    )
    @action(detail=True, **PDF_ACTION)
    def sample(self, request: Request, pk: str) -> HttpResponse:
        """Download a made-up document by the template."""
        entity = self.get_object()
        kind = chosen(request, "kind", samples.KINDS, "invoice")
        content = render_pdf(*samples.sample(kind, entity, template_of(entity.id)))
        return file_response(content, f"sample-{kind}.pdf")

    @extend_schema(
        operation_id="document_templates_mail_texts",
        responses={200: shapes.MailTextSerializer(many=True)},
    )
    @action(detail=True, url_path="mail-texts")
    def mail_texts(self, request: Request, pk: str) -> Response:
        """List what the entity's mails say, kind by kind."""
        entity = self.get_object()
        rows = [_mail_text(entity.id, kind) for kind in KINDS]
        return Response({"results": shapes.MailTextSerializer(rows, many=True).data})

    @extend_schema(
        operation_id="document_templates_mail_text_set",
        request=shapes.MailTextInputSerializer,
        responses={200: shapes.MailTextSerializer},
    )
    @action(detail=True, methods=["put"], url_path=r"mail-texts/(?P<kind>[a-z_]+)")
    def mail_text(self, request: Request, pk: str, kind: str) -> Response:
        """Say one kind of mail in the company's words, with merge fields."""
        entity = self.get_object()
        if kind not in KINDS:
            raise Http404
        body = self.read(shapes.MailTextInputSerializer)
        set_mail_text(legal_entity_id=entity.id, kind=kind, **body)
        return Response(shapes.MailTextSerializer(_mail_text(entity.id, kind)).data)


def _mail_text(entity_id: UUID, kind: str) -> dict[str, Any]:
    subject, body, is_own = text_of(entity_id, kind, template_of(entity_id).language)
    return {
        "kind": kind,
        "subject": subject,
        "body": body,
        "is_own": is_own,
        "fields_known": sorted(KINDS[kind].fields),
    }


class CustomerDocumentsView(DeskView):
    """What one customer's documents need."""

    serializer_class = shapes.RecipientSerializer

    @extend_schema(operation_id="customers_documents_get")
    def get(self, request: Request, pk: str) -> Response:
        """Show language, reference and electronic address; by default nothing."""
        return Response(shapes.RecipientSerializer(recipient_of(self.get_object())).data)

    @extend_schema(operation_id="customers_documents_change")
    def patch(self, request: Request, pk: str) -> Response:
        """Change what the customer's documents need."""
        customer = self.get_object()
        body = self.body(shapes.RecipientSerializer)
        row = change_recipient(
            customer_id=customer.id, values=shapes.RecipientSerializer.changes(body)
        )
        return Response(shapes.RecipientSerializer(row).data)
