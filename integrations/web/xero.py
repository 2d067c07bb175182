"""Xero: is it connected, where do amounts go, and what is owed to it."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import selectors, services
from integrations.dropbox_sign import connecting
from integrations.stripe import connecting as stripe
from integrations.web.forms import (
    AccountsForm,
    ConnectForm,
    DropboxSignForm,
    EarlierForm,
    StripeForm,
)
from integrations.xero.mapping import Accounts
from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest

RECENT = 8


@require_safe
@member_required("integrations:read")
def index(request: TenantRequest) -> HttpResponse:
    """Show what is connected and how it is doing."""
    return index_page(request)


def index_page(request: TenantRequest, status: int = 200, **forms: Any) -> HttpResponse:
    """Render the page of all providers; a form given by name keeps what was typed into it."""
    connection = selectors.xero_connection()
    chosen = Accounts.from_data(connection.settings) if connection else Accounts()
    context = {
        "connection": connection,
        "is_connected": connection is not None and connection.is_connected,
        "simulated": services.uses_simulator(),
        "counts": selectors.push_counts(),
        "recent": selectors.pushes()[:RECENT],
        "connect_form": forms.get("connect") or ConnectForm(simulated=services.uses_simulator()),
        "accounts_form": forms.get("accounts") or AccountsForm.of(chosen),
        "earlier_form": forms.get("earlier") or EarlierForm(),
        "may_write": request.principal.may("integrations:write"),
        "now": timezone.now(),
        "paying": stripe.connection(),
        "paying_simulated": stripe.uses_simulator(),
        "paying_address": stripe.webhook_address(),
        "paying_counts": selectors.payment_counts(),
        "paying_form": forms.get("stripe") or StripeForm(simulated=stripe.uses_simulator()),
        "signing": connecting.connection(),
        "signing_simulated": connecting.uses_simulator(),
        "signing_address": connecting.callback_address(),
        "signing_counts": selectors.signature_counts(),
        "signing_form": forms.get("dropbox_sign")
        or DropboxSignForm(simulated=connecting.uses_simulator()),
    }
    return render(request, "integrations/index.html", context, status=status)


@require_POST
@member_required("integrations:read", write="integrations:write")
def connect(request: TenantRequest) -> HttpResponse:
    """Connect Xero, or renew its credentials."""
    form = ConnectForm(request.POST, simulated=services.uses_simulator())
    if form.is_valid():
        try:
            services.connect_xero(now=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(
                request,
                "Xero is connected. Its organisation is asked for within seconds; invoices issued"
                " from now on are pushed.",
                reverse("integrations:index"),
            )
    return index_page(request, status=422, connect=form)


@require_POST
@member_required("integrations:read", write="integrations:write")
def disconnect(request: TenantRequest) -> HttpResponse:
    """Forget the credentials."""
    to = reverse("integrations:index")
    try:
        services.disconnect_xero()
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, "Xero is disconnected; what is pending waits.", to)


@require_POST
@member_required("integrations:read", write="integrations:write")
def accounts(request: TenantRequest) -> HttpResponse:
    """Say where amounts go in the chart of accounts."""
    form = AccountsForm(request.POST)
    if form.is_valid():
        try:
            services.change_xero_accounts(**form.values())
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(
                request,
                "Saved; used from the next attempt on.",
                reverse("integrations:index"),
            )
    return index_page(request, status=422, accounts=form)


@require_POST
@member_required("integrations:read", write="integrations:write")
def earlier(request: TenantRequest) -> HttpResponse:
    """Owe Xero what was issued before it was connected."""
    form = EarlierForm(request.POST)
    if not form.is_valid():
        return index_page(request, status=422, earlier=form)
    to = reverse("integrations:index")
    try:
        count = services.enqueue_issued_invoices(
            issued_from=form.cleaned_data["issued_from"], now=timezone.now()
        )
    except Refusal as refusal:
        return refused(request, refusal, to)
    says = f"{count} invoice{' is' if count == 1 else 's are'} pushed within the next minutes."
    return done(request, says if count else "Every one of them is in the sync log already.", to)
