"""What a quote would earn, as a part of its page and of the builder."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from monetization.interface.access import member_required
from monetization.pricing.prices import PriceError
from quotes.models import QuoteVersion
from quotes.selectors import terms_of
from revrec import selectors
from revrec.domain.preview import revenue_preview


@require_safe
@member_required("quotes:read")
def quote_revenue(request: HttpRequest, version_id: UUID) -> HttpResponse:
    """Answer with what a version would bill and earn by month, and what an amendment changes."""
    version: Any = get_object_or_404(
        QuoteVersion.objects.select_related("quote__amends"), id=version_id
    )
    context: dict[str, Any] = {"version": version}
    try:
        terms = terms_of(version)
        context |= {"terms": terms, "months": revenue_preview(terms)}
        schedule = selectors.amended_schedule(version)
        if schedule is not None:
            context["effect"] = selectors.effect_of(schedule, terms)
    except (PriceError, ValueError) as error:
        context["incomplete"] = str(error)
    return render(request, "revrec/_quote_revenue.html", context)
