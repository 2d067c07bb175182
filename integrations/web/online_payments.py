"""Stripe: connect it, follow what is paid there, send money back, and look again."""

import json
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from billing.services.refunds import refundable
from integrations import selectors
from integrations.models import OnlinePayment
from integrations.stripe import connecting, mapping, services
from integrations.web import xero
from integrations.web.forms import StripeForm
from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.decimals import NotExact, exact_decimal
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest

PER_PAGE = 50
KINDS = dict(OnlinePayment.Kind.choices)


class AmountUnreadable(Refusal):
    """The amount on the form is no number."""


@require_POST
@member_required("integrations:read", write="integrations:write")
def connect(request: TenantRequest) -> HttpResponse:
    """Connect Stripe, or renew its key."""
    form = StripeForm(request.POST, simulated=connecting.uses_simulator())
    if form.is_valid():
        try:
            connecting.connect(now=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            services.ring()
            return done(
                request,
                "Stripe is connected. Its account is asked for within seconds; invoices sent from"
                " now on can be paid online.",
                reverse("integrations:index"),
            )
    return xero.index_page(request, status=422, stripe=form)


@require_POST
@member_required("integrations:read", write="integrations:write")
def disconnect(request: TenantRequest) -> HttpResponse:
    """Forget the key."""
    to = reverse("integrations:index")
    try:
        connecting.disconnect()
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, "Stripe is disconnected; payment links show your bank details.", to)


@require_safe
@member_required("integrations:read")
def listing(request: TenantRequest) -> HttpResponse:
    """List payment pages, payments and payouts, newest first."""
    kind = request.GET.get("kind", "")
    query = request.GET.get("q", "").strip()[:100].replace("\0", "")
    rows = selectors.online_payments(
        kind=kind if kind in KINDS else "",
        attention=kind == "attention",
        search=query,
    ).defer("response")
    context = {
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "kind": kind,
        "kinds": [*KINDS.items(), ("attention", "Needs attention")],
        "q": query,
        "counts": selectors.payment_counts(),
    }
    return render(request, "integrations/online_payments.html", context)


@require_safe
@member_required("integrations:read")
def detail(request: TenantRequest, row_id: UUID) -> HttpResponse:
    """Show one of them: what Stripe says, what was booked, what it called."""
    row = get_object_or_404(selectors.online_payments(), id=row_id)
    context: dict[str, Any] = {
        "row": row,
        "refunds": row.payment.refunds.order_by("id") if row.payment else [],
        "left": refundable(row.payment) if row.payment else 0,
        "events": [
            (each, mapping.EVENTS.get(each.event_type, each.event_type))
            for each in selectors.webhooks_about(row)[:50]
        ],
        "response_json": json.dumps(row.response, indent=2) if row.response else "",
        "may_write": request.principal.may("integrations:write"),
    }
    return render(request, "integrations/online_payment.html", context)


@require_POST
@member_required("integrations:read", write="integrations:write")
def look(request: TenantRequest, row_id: UUID) -> HttpResponse:
    """Ask Stripe anew."""
    row = get_object_or_404(OnlinePayment, id=row_id)
    services.look_again(online_payment_id=row.id, now=timezone.now())
    to = reverse("integrations:online-payment", args=[row.id])
    return done(request, "Stripe is asked again within seconds.", to)


@require_POST
@member_required("integrations:read", write="integrations:write")
def refund(request: TenantRequest, row_id: UUID) -> HttpResponse:
    """Send a payment back, wholly or in part."""
    row = get_object_or_404(OnlinePayment, id=row_id)
    to = reverse("integrations:online-payment", args=[row.id])
    text = request.POST.get("amount", "").strip()
    try:
        services.ask_refund(
            online_payment_id=row.id, amount=_amount(text) if text else None, now=timezone.now()
        )
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, "The money goes back within seconds.", to)


def _amount(text: str) -> Any:
    try:
        return exact_decimal(text)
    except NotExact as problem:
        raise AmountUnreadable(f"amount: {problem}") from None
