"""Make PDFs that are the same every time, fetch nothing, and are kept byte for byte."""

import base64
import hashlib
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.template.loader import render_to_string

from monetization.documents.fonts import variable_font
from monetization.documents.logos import checked_logo
from monetization.documents.models import Document, DocumentTemplate
from monetization.documents.renderer import (
    PDF_A3,
    PDF_UA,
    EmbeddedFile,
    PdfTooLarge,
    PdfUnavailable,
    lay_out,
)
from monetization.documents.stationery import PLAIN, Stationery

__all__ = [
    "PDF_A3",
    "EmbeddedFile",
    "PdfTooLarge",
    "PdfUnavailable",
    "document_html",
    "letterhead",
    "preview_html",
    "put_logo",
    "render_pdf",
    "stationery_of",
    "store_document",
    "template_of",
]


def render_pdf(
    template_name: str,
    context: dict[str, Any],
    *,
    variant: str = PDF_UA,
    files: tuple[EmbeddedFile, ...] = (),
    xmp: str = "",
) -> bytes:
    """Render a print template to a tagged PDF without a time stamp; nothing is ever fetched.

    Only ``data:`` addresses load: a tenant's text or logo can reach neither the network nor
    the disk. A process of its own lays it out, within 20 seconds and 512 MB.

    :param context: its ``paper`` is the stationery; without, documents are plain and English.
    :raises PdfUnavailable: if the machine has no Pango; docs/operations.md says how to get it.
    :raises PdfTooLarge: past the limits.
    """
    return lay_out(document_html(template_name, context), variant=variant, files=files, xmp=xmp)


def document_html(template_name: str, context: dict[str, Any]) -> str:
    """Return the HTML a document is laid out from; whoever lays it out brings the font."""
    return render_to_string(template_name, {"paper": PLAIN, **context})


def preview_html(template_name: str, context: dict[str, Any]) -> str:
    """Return the same for a browser, which needs the font in it."""
    return document_html(template_name, {**context, "print_font": variable_font()})


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


def template_of(legal_entity_id: UUID) -> DocumentTemplate:
    """Return a legal entity's template; one that says nothing where none was saved."""
    found = (
        DocumentTemplate.objects.select_related("logo")
        .filter(legal_entity_id=legal_entity_id)
        .first()
    )
    return found or DocumentTemplate(legal_entity_id=legal_entity_id)


def stationery_of(template: DocumentTemplate, language: str = "") -> Stationery:
    """Return how a template's documents look, in its own or another language."""
    logo = ""
    if template.logo is not None:
        encoded = base64.b64encode(bytes(template.logo.content)).decode()
        logo = f"data:{template.logo.content_type};base64,{encoded}"
    found = Stationery(
        language=template.language,
        number_format=template.number_format,
        date_style=template.date_style,
        accent_color=template.accent_color,
        page_size=template.page_size,
        logo=logo,
    )
    return found.in_language(language)


def letterhead(legal_entity_id: UUID) -> Stationery:
    """Return an entity's look for a document whose words are English, such as an order form."""
    return replace(stationery_of(template_of(legal_entity_id)), language="en")


@transaction.atomic
def put_logo(template: DocumentTemplate, content: bytes | None) -> None:
    """Give a template a logo, or take it away; documents made before keep theirs.

    :raises LogoNotUsable: if it is no PNG or JPEG of at most 500 kB and 4,000 pixels a side.
    """
    if content is None:
        template.logo = None
        return
    logo = checked_logo(content)
    template.logo = store_document(
        filename=f"logo.{logo.extension}", content=logo.content, content_type=logo.content_type
    )
