"""Show a stored file, byte for byte."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import condition, require_safe

from monetization.documents.models import Document
from monetization.interface.access import member_required

SHOWN_IN_THE_BROWSER = frozenset({"application/pdf"})


def _etag(request: HttpRequest, document_id: UUID) -> str | None:
    sha256 = Document.objects.filter(id=document_id).values_list("sha256", flat=True).first()
    return f'"{sha256}"' if sha256 else None


@require_safe
@member_required("customers:read")  # every role has it: documents are for any member
@condition(etag_func=_etag)
def document_download(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """Answer with a document; a PDF opens in the browser, everything else is saved."""
    document: Any = get_object_or_404(Document, id=document_id)
    inline = document.content_type in SHOWN_IN_THE_BROWSER
    response = HttpResponse(bytes(document.content), content_type=document.content_type)
    disposition = content_disposition_header(as_attachment=not inline, filename=document.filename)
    response["Content-Disposition"] = disposition or "inline"
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    return response
