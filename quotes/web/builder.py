"""The quote builder: terms on the left, the customer's document on the right."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from monetization.users.decorators import member_required
from quotes.web.found import latest_or_404


@member_required("quotes:write")
def edit(request: HttpRequest, quote_id: UUID) -> HttpResponse:
    latest_or_404(quote_id)
    return redirect("quotes:detail", quote_id)
