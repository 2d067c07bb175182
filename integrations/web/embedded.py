"""Dropbox Sign inside our page: it takes the signature, we show where it stands."""

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from integrations.dropbox_sign import connecting, services, work
from integrations.dropbox_sign.gateway import FileNotReady, Gone
from integrations.errors import Refused, Unavailable
from integrations.models import SignatureRequest
from monetization.tenancy.context import tenant_context
from quotes.services import SigningLinkInvalid, tenant_of_token, valid_link
from quotes.web.signing import (
    ask_code,
    csrf_checked,
    gone,
    has_code,
    is_done,
    is_too_fast,
    sealed,
)

_OPEN = ("sent", "viewed", "partly_signed")


@csrf_exempt
@csrf_checked
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponseBase:
    """Show Dropbox Sign's page in ours; a POST has us look whether it was signed.

    Dropbox Sign is asked for the signer's address outside any transaction.
    """
    if is_too_fast(request):
        return sealed(render(request, "quotes/sign/busy.html", status=429))
    tenant_id = tenant_of_token(token)
    if tenant_id is None:
        return gone(request)
    now = timezone.now()
    with tenant_context(tenant_id, actor="signer"):
        try:
            link = valid_link(token=token, now=now)
        except SigningLinkInvalid:
            return gone(request)
        if link.version.asks_email_code and not has_code(request, link):
            return sealed(ask_code(request, token, link))
        if is_done(link):
            return sealed(redirect("signing:page", token))
        found = SignatureRequest.objects.filter(version_id=link.version_id).first()
        connection = connecting.connection()
        if request.method == "POST":
            services.look_again(version_id=link.version_id, now=now)
            return sealed(redirect("dropbox_sign:embedded", token))
        context: dict[str, Any] = {
            "quote": link.version.quote,
            "version": link.version,
            "request_row": found,
            "back": reverse("signing:page", args=[token]),
            "again": reverse("dropbox_sign:embedded", args=[token]),
        }
    credentials = connection.credentials if connection and connection.is_connected else None
    if found and found.is_embedded and found.state in _OPEN and credentials:
        context |= _address(found, credentials, link.signer.position if link.signer else 1)
    response = sealed(render(request, "integrations/embedded.html", context))
    if context.get("address"):
        parts = urlsplit(context["address"])
        response._csp_update = {  # type: ignore[attr-defined] # read by django-csp
            "frame-src": [f"{parts.scheme}://{parts.netloc}"]
        }
    return response


def _address(found: SignatureRequest, credentials: str, position: int) -> dict[str, str]:
    """Return where this signer signs, or in what words it cannot be had now.

    Never another signer's address: whoever signed and opens their link again sees their own.
    """
    waiting = [one for one in found.signatures if one["status"] == "awaiting_signature"]
    if not waiting:
        return {}
    signer = min(waiting, key=lambda one: one["order"])
    if signer["order"] + 1 != position:
        is_over = signer["order"] + 1 > position
        return {"looking": "yes"} if is_over else {"waits_for": str(signer["name"])}
    gateway = work.open_gateway(credentials)
    try:
        address = gateway.signing_address(signer["id"])
    except (Refused, Gone, FileNotReady):  # signed or declined since we last looked
        return {"looking": "yes"}
    except Unavailable:
        return {"trouble": "Dropbox Sign cannot be reached now. Open this page again in a minute."}
    test = {"skip_domain_verification": "1"} if found.is_test else {}
    asked = urlencode({"client_id": gateway.credentials.client_id, **test})
    return {"address": f"{address}{'&' if '?' in address else '?'}{asked}"}
