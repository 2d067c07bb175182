"""Where a customer pays an invoice: the secret in the address is the permission."""

from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from billing.models import Invoice
from billing.services.collections import open_amount
from integrations.errors import Refused, Unavailable
from integrations.models import OnlinePayment
from integrations.stripe import connecting, links, services, work
from monetization.kernel.money import Money
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant
from quotes.web.signing import csrf_checked, gone, is_too_fast, sealed

HOSTED = "https://checkout.stripe.com"


@csrf_exempt
@csrf_checked
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponseBase:
    """Show what is owed; a POST goes on to Stripe's page, which takes the money.

    Stripe is asked for the page outside any transaction.
    """
    if is_too_fast(request):
        return sealed(render(request, "quotes/sign/busy.html", status=429))
    ids = links.read_token(token)
    if ids is None or not Tenant.objects.filter(id=ids[0]).exists():
        return gone(request)
    tenant_id, invoice_id = ids
    with tenant_context(tenant_id, actor="customer"):
        invoice = (
            Invoice.objects.select_related("customer", "legal_entity")
            .filter(id=invoice_id, status=Invoice.Status.ISSUED)
            .first()
        )
        if invoice is None:
            return gone(request)
        connection = connecting.connection()
        context = _context(request, invoice)
        context["takes_cards"] = connection is not None and connection.is_connected
        wants = request.method == "POST" and context["takes_cards"] and context["open"]
        try:
            checkout = (
                services.checkout_for(invoice, page=links.page_of(invoice)) if wants else None
            )
        except Refused as reason:
            checkout, context["error"] = None, str(reason)
    if checkout is not None and connection is not None:
        address = checkout.url or _opened(tenant_id, invoice_id, checkout, connection.credentials)
        if address:
            response = redirect(address)
            response.status_code = 303
            return sealed(response)
        context["error"] = "Paying online does not work right now. Try again in a few minutes."
    shown = render(request, "integrations/pay.html", context, status=409 if wants else 200)
    shown._csp_update = {"form-action": [HOSTED, _origin()]}  # type: ignore[attr-defined]
    return sealed(shown)


def _context(request: HttpRequest, invoice: Invoice) -> dict[str, Any]:
    settled = OnlinePayment.objects.filter(kind="payment", invoice=invoice, payment__isnull=True)
    return {
        "invoice": invoice,
        "entity": invoice.legal_entity,
        "open": max(open_amount(invoice), 0),
        "comes_back": "paid" in request.GET,
        "is_on_its_way": settled.filter(state="processing").exists(),
    }


def _opened(
    tenant_id: Any, invoice_id: Any, checkout: services.Checkout, credentials: str | None
) -> str:
    """Open a page at Stripe and keep it; empty if Stripe does not answer."""
    try:
        gateway = work.open_gateway(credentials)
        made = gateway.open_checkout(checkout.request, idempotency_key=checkout.idempotency_key)
    except (Refused, Unavailable):
        return ""
    with tenant_context(tenant_id, actor="customer"):
        services.keep_checkout(
            invoice_id=invoice_id,
            external_id=str(made["id"]),
            url=str(made["url"]),
            amount=Money(checkout.amount.amount, checkout.amount.currency),
            now=timezone.now(),
        )
    return str(made["url"])


def _origin() -> str:
    parts = urlsplit(connecting.base_url())
    return f"{parts.scheme}://{parts.netloc}"
