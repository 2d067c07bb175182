"""Make PDFs that are the same every time, fetch nothing, and are kept byte for byte."""

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from monetization.documents.models import Document
from monetization.kernel.errors import Refusal


class PdfUnavailable(Refusal):
    """Pango, which lays out the PDF, is not installed on this machine."""


def render_pdf(template_name: str, context: dict[str, Any]) -> bytes:
    """Render a print template to a tagged PDF without a time stamp; nothing is ever fetched.

    Only ``data:`` addresses load: a tenant's text or logo can reach neither the network nor
    the disk.

    :raises PdfUnavailable: if the machine has no Pango; docs/operations.md says how to get it.
    """
    html = render_to_string(template_name, {**context, "print_font": _font_data_uri()})
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except OSError as error:
        raise PdfUnavailable(
            "PDFs need the Pango library, which this machine lacks; "
            "docs/operations.md says how to install it"
        ) from error
    # The identifier comes from the content, so that the same document is the same bytes.
    identifier = hashlib.sha256(html.encode()).digest()[:16]
    pdf: bytes = HTML(string=html, url_fetcher=URLFetcher(allowed_protocols={"data"})).write_pdf(
        pdf_identifier=identifier, pdf_tags=True
    )
    return pdf


@lru_cache(maxsize=1)
def _font_data_uri() -> str:
    """Return the build's Inter as a ``data:`` address, or nothing where there is no build."""
    fonts = sorted(Path(settings.STATIC_DIST).glob("**/print-inter*.woff2"))
    if not fonts:
        return ""
    return "data:font/woff2;base64," + base64.b64encode(fonts[0].read_bytes()).decode()


@transaction.atomic
def store_document(
    *, filename: str, content: bytes, content_type: str = "application/pdf"
) -> Document:
    """Keep a file for good; its SHA-256 identifies it."""
    return Document.objects.create(
        filename=filename,
        content=content,
        content_type=content_type,
        sha256=hashlib.sha256(content).hexdigest(),
    )
