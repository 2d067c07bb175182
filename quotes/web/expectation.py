"""What a prospect would be billed for the usage they had: uploaded, shown, taken over."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from monetization.interface.access import member_required
from monetization.interface.forms import PageForm
from monetization.interface.htmx import done
from monetization.kernel.errors import Refusal
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import OrderTerms
from monetization.tenancy.models import tenant_today
from monetization.users.permissions import TenantRequest
from quotes import selectors
from quotes.domain.expectation import expected_bills
from quotes.models import QuoteVersion
from quotes.services import expectation
from quotes.services.expectation import UsageHistoryInvalid
from quotes.web.found import latest_or_404

MAX_BYTES = 1024 * 1024


class HistoryForm(PageForm):
    """Usage by month: a file, or the same lines typed."""

    file = forms.FileField(
        required=False,
        max_length=200,
        label="CSV file",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        help_text="Columns month, meter, quantity; a line a month and meter: 2026-01,calls,120000.",
    )
    lines = forms.CharField(
        required=False,
        max_length=100_000,
        label="or paste it",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )

    text = ""  # what was read, to be posted again

    def content(self) -> bytes:
        """Return what was uploaded, else what was pasted.

        :raises UsageHistoryInvalid: if there is nothing, or too much.
        """
        upload = self.cleaned_data["file"]
        if upload is None:
            if not self.cleaned_data["lines"].strip():
                raise UsageHistoryInvalid("lines: upload a file or paste its lines")
            return str(self.cleaned_data["lines"]).encode()
        if upload.size > MAX_BYTES:
            raise UsageHistoryInvalid("file: is larger than 1 MB")
        content: bytes = upload.read()
        return content


def _history(
    form: HistoryForm, version: QuoteVersion, terms: OrderTerms, *, is_measured: bool
) -> dict[str, list[Decimal]]:
    if is_measured:
        return expectation.measured_history(
            customer_id=version.quote.customer_id, terms=terms, today=tenant_today()
        )
    content = form.content()
    rows = expectation.read_history_file(content)
    form.text = content.decode("utf-8-sig")
    return expectation.history_of(rows, terms)


@member_required("quotes:read", write="quotes:read")
def expected_bill(request: TenantRequest, quote_id: UUID) -> HttpResponse:
    """Show what the latest version would bill for a prospect's usage; take the median over."""
    version = latest_or_404(quote_id)
    may_write = request.principal.may("quotes:write")
    is_draft = version.status == "draft"
    form = HistoryForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {
        "form": form,
        "version": version,
        "quote": version.quote,
        "may_take": is_draft and may_write,
    }
    try:
        terms = selectors.terms_of(version)
        context |= {"meters": expectation.meters_of(terms), "terms": terms}
        if request.method == "POST" and form.is_valid():
            is_measured = "measured" in request.POST
            history = _history(form, version, terms, is_measured=is_measured)
            if request.POST.get("do") == "take" and context["may_take"]:
                expectation.expect_median(version_id=version.id, history=history)
                here = reverse("quotes:builder", args=[quote_id])
                return done(request, "The middle month is the expected usage now.", here)
            context["found"] = expected_bills(terms, history)
            context |= {"is_measured": is_measured, "pasted": form.text}
    except PriceError as error:
        context["incomplete"] = str(error)
    except Refusal as refusal:
        form.refuse(Refusal(str(refusal).replace("usage: ", "lines: ", 1)))
    status = 422 if form.errors else 200
    return render(request, "quotes/expected_bill.html", context, status=status)
