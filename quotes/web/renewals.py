"""Renewals on screen, and the customer's page to end a contract with its term."""

from collections.abc import Callable
from functools import wraps
from uuid import UUID

from django import forms
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.pricing.terms import terms_from_data
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import tenant_today
from monetization.users.permissions import TenantRequest
from quotes.models import ContractRenewal
from quotes.services import renewals, tenant_of_token
from quotes.services.common import in_words
from quotes.web.signing import csrf_checked, gone, is_too_fast, sealed

PER_PAGE = 100


class OptOutForm(forms.Form):
    """The customer ends the contract with its term."""

    reason = forms.CharField(
        max_length=1000,
        required=False,
        label="Why? (if you like to say)",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    sure = forms.BooleanField(error_messages={"required": "Tick the box to end the contract."})


@member_required("quotes:read")
def renewal_list(request: TenantRequest) -> HttpResponse:
    """List contracts that renew by themselves, the next to decide first."""
    chosen = request.GET.get("status", "upcoming")
    rows = ContractRenewal.objects.select_related(
        "order_form__customer", "order_form__version__quote", "quote"
    ).prefetch_related("notices")
    if chosen in ContractRenewal.Status.values:
        rows = rows.filter(status=chosen)
    context = {
        "page": Paginator(rows.order_by("decide_by", "id"), PER_PAGE).get_page(
            request.GET.get("page")
        ),
        "chosen": chosen,
        "statuses": ContractRenewal.Status.choices,
        "today": tenant_today(),
        "can_write": request.principal.may("quotes:write"),
    }
    return render(request, "quotes/renewals.html", context)


@require_POST
@member_required("quotes:write")
def end(request: TenantRequest, renewal_id: UUID) -> HttpResponse:
    """Let a contract end with its term."""
    renewal = get_object_or_404(ContractRenewal, id=renewal_id)
    here = reverse("quotes:renewals")
    try:
        renewals.opt_out(
            renewal_id=renewal.id,
            today=tenant_today(),
            reason=request.POST.get("reason", ""),
            now=timezone.now(),
        )
    except Refusal as refusal:
        return refused(request, refusal, here)
    return done(request, f"It ends with its term, on {in_words(renewal.ends_on)}.", here)


@require_POST
@member_required("quotes:write")
def resume(request: TenantRequest, renewal_id: UUID) -> HttpResponse:
    """Let a contract renew after all."""
    renewal = get_object_or_404(ContractRenewal, id=renewal_id)
    here = reverse("quotes:renewals")
    try:
        renewals.opt_in(renewal_id=renewal.id, today=tenant_today(), now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, here)
    return done(request, f"It renews on {in_words(renewal.ends_on)} after all.", here)


def _customers_page(
    view: Callable[[TenantRequest, ContractRenewal], HttpResponse],
) -> Callable[[TenantRequest, str], HttpResponseBase]:
    """Bind the tenant a notice's link belongs to; every link that is none gets the same page."""

    @wraps(view)
    def opened(request: TenantRequest, token: str) -> HttpResponse:
        if is_too_fast(request):
            return sealed(render(request, "quotes/sign/busy.html", status=429))
        tenant_id = tenant_of_token(token)
        if tenant_id is None:
            return gone(request)
        with tenant_context(tenant_id, actor="customer"):
            try:
                renewal = renewals.renewal_of_token(token=token)
            except renewals.RenewalLinkInvalid:
                return gone(request)
            return sealed(view(request, renewal))

    return csrf_exempt(csrf_checked(opened))


@_customers_page
@require_http_methods(["GET", "HEAD", "POST"])
def customers_page(request: TenantRequest, renewal: ContractRenewal) -> HttpResponse:
    """Say what renews and when; only a POST with the box ticked ends it."""
    form = OptOutForm(request.POST if request.method == "POST" else None)
    refusal = ""
    if request.method == "POST" and form.is_valid():
        try:
            renewal = renewals.opt_out(
                renewal_id=renewal.id,
                today=tenant_today(),
                reason=form.cleaned_data["reason"],
                by=f"{renewal.order_form.signer_email} (customer)",
                now=timezone.now(),
            )
        except renewals.RenewalDecided as error:
            refusal = str(error)
    order_form = renewal.order_form
    context = {
        "renewal": renewal,
        "order_form": order_form,
        "quote": order_form.version.quote,
        "terms": terms_from_data(order_form.terms),
        "form": form,
        "refusal": refusal,
        "is_open": renewal.status == "upcoming" and tenant_today() <= renewal.decide_by,
    }
    status = 409 if refusal else 422 if form.errors else 200
    return render(request, "quotes/sign/renewal.html", context, status=status)
