"""Answers for pages: the whole page or its part, and refusals in words."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from monetization.kernel.errors import Refusal


def alert(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Answer a refused htmx action: 409, shown in the alert area whatever was the target."""
    response = render(request, "_alert.html", {"message": str(refusal)}, status=409)
    response["HX-Retarget"] = "#alerts"
    response["HX-Reswap"] = "innerHTML"
    return response


def page_or_partial(
    request: HttpRequest, full: str, partial: str, context: dict[str, Any]
) -> HttpResponse:
    """Render the part for htmx and the whole page for everybody else."""
    is_htmx = bool(getattr(request, "htmx", False)) and not request.headers.get("HX-Boosted")
    return render(request, partial if is_htmx else full, context)


def done(request: HttpRequest, message: str, to: str) -> HttpResponse:
    """Say what happened and go there."""
    messages.success(request, message)
    return redirect(to)


def refused(request: HttpRequest, refusal: Refusal, to: str) -> HttpResponse:
    """Say why nothing happened and go back."""
    messages.error(request, str(refusal))
    return redirect(to)
