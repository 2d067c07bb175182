"""Addresses of usage pages with a slash at their end lead to the same without."""

from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.urls import Resolver404, resolve


def without_slash(request: HttpRequest, rest: str) -> HttpResponse:
    """Send the browser to the page whose address it nearly wrote; a form is sent again there."""
    path = request.path_info.rstrip("/")
    try:
        found = resolve(path)
    except Resolver404:
        raise Http404("There is no such page.") from None
    if found.func is without_slash:
        raise Http404("There is no such page.")
    answer = HttpResponsePermanentRedirect(
        quote(path) + (f"?{query}" if (query := request.META.get("QUERY_STRING", "")) else "")
    )
    answer.status_code = 308  # the method stays
    return answer
