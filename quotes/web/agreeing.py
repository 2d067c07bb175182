"""How a quote is agreed: who signs in which order, renewal; comments; reminders."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from monetization.interface.access import member_required
from monetization.interface.forms import ExactNumberField, PageForm
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.pricing.prices import PriceError
from quotes import services
from quotes.models import QuoteVersion, Signer
from quotes.services.comments import add_comment
from quotes.web.found import latest_or_404

EMPTY_ROWS = 2


class AgreeingForm(PageForm):
    """Who signs first, how the mailbox is proven, and how the contract goes on."""

    signer_name = forms.CharField(max_length=200, required=False, label="First signer")
    signer_email = forms.EmailField(max_length=254, required=False, label="Their e-mail address")
    asks_email_code = forms.BooleanField(
        required=False, label="Ask every signer for a code sent to their mailbox"
    )
    auto_renew = forms.BooleanField(required=False, label="Renews by itself unless ended")
    renewal_months = forms.IntegerField(min_value=1, max_value=120, label="Renews for, months")
    renewal_uplift_percent = ExactNumberField(
        whole=3, places=6, required=False, label="Prices rise at renewal, %"
    )
    renewal_notice_days = forms.IntegerField(
        min_value=0, max_value=365, label="Can be ended until, days before"
    )


class SignerForm(PageForm):
    """One further signer; a row left empty is none."""

    name = forms.CharField(max_length=200, required=False)
    email = forms.EmailField(max_length=254, required=False)
    side = forms.ChoiceField(choices=Signer.Side.choices)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if bool(data.get("name")) != bool(data.get("email")) and not self.errors:
            self.add_error("email", "Give both the name and the e-mail address.")
        return data


SignerRows = forms.formset_factory(SignerForm, extra=EMPTY_ROWS, max_num=10, absolute_max=12)


@member_required("quotes:write")
def agreeing(request: HttpRequest, quote_id: UUID) -> HttpResponse:
    """Say who signs in which order, and how the contract renews."""
    version = latest_or_404(quote_id)
    here = reverse("quotes:detail", args=[quote_id])
    if version.status != QuoteVersion.Status.DRAFT:
        return redirect(here)
    initial = {name: getattr(version, name) for name in AgreeingForm.base_fields}
    data = request.POST if request.method == "POST" else None
    form = AgreeingForm(data, initial=initial)
    rows = SignerRows(data, initial=version.further_signers, prefix="signers")
    if request.method == "POST" and form.is_valid() and rows.is_valid():
        people = [row for row in rows.cleaned_data if row.get("name")]
        payload = {**form.cleaned_data, "further_signers": people}
        try:
            services.save_draft(version_id=version.id, payload=payload)
        except (Refusal, PriceError) as error:
            form.refuse(error)
        else:
            return done(request, "Saved.", here)
    context = {"form": form, "rows": rows, "version": version, "quote": version.quote}
    status = 422 if form.errors or any(rows.errors) else 200
    return render(request, "quotes/agreeing.html", context, status=status)


@require_POST
@member_required("quotes:write")
def comment(request: HttpRequest, quote_id: UUID) -> HttpResponse:
    """Write a comment, for colleagues or also for the customer."""
    latest_or_404(quote_id)
    here = reverse("quotes:detail", args=[quote_id]) + "#comments"
    is_shared = request.POST.get("to") == "customer"
    try:
        add_comment(
            quote_id=quote_id,
            text=request.POST.get("text", ""),
            is_shared=is_shared,
            now=timezone.now(),
        )
    except Refusal as refusal:
        return refused(request, refusal, here)
    return done(request, "Written to the customer." if is_shared else "Noted.", here)


@require_POST
@member_required("quotes:write")
def remind(request: HttpRequest, quote_id: UUID, signer_id: UUID) -> HttpResponse:
    """Mail whose turn it is once more."""
    signer = get_object_or_404(Signer, id=signer_id, version__quote_id=quote_id)
    here = reverse("quotes:detail", args=[quote_id])
    try:
        services.remind_signer(signer_id=signer.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, here)
    return done(request, f"{signer.email} is reminded by mail.", here)


@require_POST
@member_required("quotes:write")
def reassign(request: HttpRequest, quote_id: UUID, signer_id: UUID) -> HttpResponse:
    """Let somebody else sign instead."""
    signer = get_object_or_404(Signer, id=signer_id, version__quote_id=quote_id)
    here = reverse("quotes:detail", args=[quote_id])
    try:
        services.reassign_signer(
            signer_id=signer.id,
            name=request.POST.get("name", ""),
            email=request.POST.get("email", "")[:254],
            now=timezone.now(),
        )
    except Refusal as refusal:
        return refused(request, refusal, here)
    return done(request, f"{request.POST.get('name', '')} signs instead.", here)
