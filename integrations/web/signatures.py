"""Dropbox Sign: connect it, follow what is signed there, and try again."""

import json
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import selectors
from integrations.dropbox_sign import connecting, mapping, services
from integrations.models import SignatureRequest
from integrations.web import xero
from integrations.web.forms import DropboxSignForm, SignatureFilterForm
from monetization.documents.models import Document
from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.interface.viewsets import file_response
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest
from quotes.models import QuoteVersion

PER_PAGE = 50
LATEST = 4


@require_POST
@member_required("integrations:read", write="integrations:write")
def connect(request: TenantRequest) -> HttpResponse:
    """Connect Dropbox Sign, or renew its key."""
    form = DropboxSignForm(request.POST, simulated=connecting.uses_simulator())
    if form.is_valid():
        try:
            connecting.connect(now=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            services.ring()
            return done(
                request,
                "Dropbox Sign is connected. Its account is asked for within seconds; quotes can"
                " be sent through it now.",
                reverse("integrations:index"),
            )
    return xero.index_page(request, status=422, dropbox_sign=form)


@require_POST
@member_required("integrations:read", write="integrations:write")
def disconnect(request: TenantRequest) -> HttpResponse:
    """Forget the key."""
    to = reverse("integrations:index")
    try:
        connecting.disconnect()
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, "Dropbox Sign is disconnected; what waits there is not followed.", to)


@require_safe
@member_required("integrations:read")
def listing(request: TenantRequest) -> HttpResponse:
    """List what was sent to be signed, newest first."""
    form = SignatureFilterForm(request.GET)
    form.is_valid()
    rows = selectors.signature_requests(
        state=form.cleaned_data.get("state", ""), search=form.cleaned_data.get("q", "")
    )
    context = {"form": form, "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))}
    return render(request, "integrations/signatures.html", context)


@require_safe
@member_required("integrations:read")
def detail(request: TenantRequest, request_id: UUID) -> HttpResponse:
    """Show one request: where it stands, everything that was said, and the evidence."""
    found = get_object_or_404(selectors.signature_requests(), id=request_id)
    context = {
        **_shown(request, found),
        "log": found.log_entries.order_by("-id")[:200],
        "callbacks": [
            (one, mapping.EVENTS.get(one.event_type, one.event_type))
            for one in selectors.callbacks_of(found)[:200]
        ],
        "evidence": json.dumps(found.evidence, indent=2) if found.evidence else "",
    }
    return render(request, "integrations/signature.html", context)


@require_safe
@member_required("quotes:read")
def of_version(request: TenantRequest, version_id: UUID) -> HttpResponse:
    """Show on its quote where a version stands at Dropbox Sign."""
    version = get_object_or_404(QuoteVersion, id=version_id)
    found = selectors.signature_requests().filter(version=version).first()
    if found is None:
        return render(request, "integrations/_signature_card.html", {})
    context = {**_shown(request, found), "log": found.log_entries.order_by("-id")[:LATEST]}
    return render(request, "integrations/_signature_card.html", context)


def _shown(request: TenantRequest, found: SignatureRequest) -> dict[str, Any]:
    may = request.principal.may
    waits = found.state in ("sent", "viewed", "partly_signed") and found.wanted == "open"
    return {
        "found": found,
        "may_write": may("quotes:write"),
        "may_open": may("integrations:read"),
        "may_read": may("quotes:read"),
        "can_retry": found.state not in ("complete", "canceled", "declined", "expired"),
        "can_remind": waits and not found.is_embedded,
    }


@require_POST
@member_required("quotes:read", write="quotes:write")
def retry(request: TenantRequest, request_id: UUID) -> HttpResponse:
    """Look again now, or send anew what failed."""
    return _ask(request, request_id, services.retry, "Dropbox Sign is asked again within seconds.")


@require_POST
@member_required("quotes:read", write="quotes:write")
def remind(request: TenantRequest, request_id: UUID) -> HttpResponse:
    """Have the signer reminded by Dropbox Sign."""
    return _ask(request, request_id, services.want_reminder, "The signer is reminded by mail.")


def _ask(request: TenantRequest, request_id: UUID, ask: Any, says: str) -> HttpResponse:
    found = get_object_or_404(selectors.signature_requests(), id=request_id)
    to = reverse("quotes:detail", args=[found.version.quote_id])
    if "/integrations/signatures/" in request.headers.get("Referer", ""):
        to = reverse("integrations:signature", args=[found.id])
    try:
        ask(request_id=found.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, says, to)


@require_safe
@member_required("quotes:read")
def signed_file(request: TenantRequest, request_id: UUID) -> HttpResponse:
    """Download the signed PDF with its audit trail, byte for byte as Dropbox Sign gave it."""
    found = get_object_or_404(SignatureRequest, id=request_id)
    document: Document | None = found.signed_document
    if document is None:
        raise Http404
    return file_response(bytes(document.content), document.filename, document.content_type)
