"""What is done with a quote: send, revise, record a signature given elsewhere."""

from datetime import datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.pricing.prices import PriceError
from quotes import selectors, services
from quotes.models import QuoteVersion
from quotes.ports import OWN_LINK, available_methods
from quotes.services.approvals import ApprovalMissing
from quotes.services.following import clone_quote
from quotes.web.forms import SignedElsewhereForm
from quotes.web.found import latest_or_404

SHOWN_ONCE = "signing-link"


@member_required("quotes:write")
def send(request: HttpRequest, quote_id: UUID) -> HttpResponse:
    """Say what will be sent to whom; a POST freezes the version and mails its link."""
    version = latest_or_404(quote_id)
    here = reverse("quotes:detail", args=[quote_id])
    if version.status not in (QuoteVersion.Status.DRAFT, QuoteVersion.Status.APPROVED):
        return redirect(here)
    if request.method == "POST":
        try:
            address = services.send_version(
                version_id=version.id,
                now=timezone.now(),
                signature_method=request.POST.get("signature_method", OWN_LINK),
            )
        except ApprovalMissing as refusal:
            return refused(request, refusal, f"{here}#approval")
        except Refusal as refusal:
            return refused(request, refusal, reverse("quotes:builder", args=[quote_id]))
        if not address:
            return done(request, f"Sent; {version.signer_email} is invited within seconds.", here)
        return _show_link(request, version, address)
    methods = [
        one for one in available_methods() if one.takes_several or not version.further_signers
    ]
    context = {"version": version, "quote": version.quote, "methods": methods}
    try:
        terms = selectors.terms_of(version)
        context |= {"terms": terms, "totals": selectors.totals_of(terms)}
    except PriceError as error:
        return refused(request, Refusal(str(error)), reverse("quotes:builder", args=[quote_id]))
    return render(request, "quotes/send.html", context)


def _show_link(request: HttpRequest, version: QuoteVersion, address: str) -> HttpResponse:
    """Go to the quote, where the address is shown once; only its hash is stored."""
    request.session[SHOWN_ONCE] = {"version": str(version.id), "address": address}
    here = reverse("quotes:detail", args=[version.quote_id])
    return done(request, "Sent by mail to whoever signs next.", here)


@require_POST
@member_required("quotes:write")
def new_link(request: HttpRequest, quote_id: UUID) -> HttpResponse:
    """Replace a lost link: mail the signer another, and end the one before."""
    version = latest_or_404(quote_id)
    try:
        address = services.renew_link(version_id=version.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, reverse("quotes:detail", args=[quote_id]))
    return _show_link(request, version, address)


@require_POST
@member_required("quotes:write")
def revise(request: HttpRequest, quote_id: UUID) -> HttpResponse:
    """Make the next version and open it in the builder."""
    latest_or_404(quote_id)
    try:
        services.revise_quote(quote_id=quote_id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, reverse("quotes:detail", args=[quote_id]))
    return redirect("quotes:builder", quote_id)


@require_POST
@member_required("quotes:write")
def copy(request: HttpRequest, quote_id: UUID) -> HttpResponse:
    """Start a quote that offers the same, and open it in the builder."""
    version = latest_or_404(quote_id)
    quote = clone_quote(
        quote_id=quote_id,
        customer_id=version.quote.customer_id,
        title=f"{version.quote.title} (copy)"[:200],
        start_on=version.start_on,
        now=timezone.now(),
    )
    return redirect("quotes:builder", quote.id)


@member_required("quotes:write")
def signed_elsewhere(request: HttpRequest, quote_id: UUID) -> HttpResponse:
    """Record that the draft's terms were signed outside, with the signed file."""
    version = latest_or_404(quote_id)
    here = reverse("quotes:detail", args=[quote_id])
    if version.status != QuoteVersion.Status.DRAFT:
        return redirect(here)
    initial = {"signer_name": version.signer_name, "signer_email": version.signer_email}
    form = SignedElsewhereForm(request.POST or None, request.FILES or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            number = _import(version, form)
        except (Refusal, PriceError) as error:
            form.add_error(None, f"The terms are not complete: {error}")
        else:
            return done(request, f"{number} is recorded as signed.", here)
    context = {"form": form, "version": version, "quote": version.quote}
    status = 422 if form.is_bound else 200
    return render(request, "quotes/signed_elsewhere.html", context, status=status)


@transaction.atomic
def _import(version: QuoteVersion, form: SignedElsewhereForm) -> str:
    upload = form.cleaned_data["file"]
    noon = datetime.combine(
        form.cleaned_data["signed_on"], time(12), tzinfo=ZoneInfo(version.time_zone)
    )
    signed = services.import_order_form(
        version_id=version.id,
        signed_at=noon,
        signer_name=form.cleaned_data["signer_name"],
        signer_email=form.cleaned_data["signer_email"],
        content=upload.read() if upload else None,
        filename=upload.name if upload else "",
        content_type=upload.sniffed_type if upload else "",
    )
    return signed.number
