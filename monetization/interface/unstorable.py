"""Text no database row can hold: a request with a NUL in it is answered in words, not with a 500.

Forms refuse it at its field. What a view reads without one reaches Postgres, which refuses it.
"""

from collections.abc import Callable, Iterator

from django.db import DataError, transaction
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


class UnstorableText:
    """Answer 400 naming the fields when what a request carries cannot be stored."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Anything else stays what it is: a fault of ours."""
        fields = sorted(set(_with_nul(request))) if isinstance(error, DataError) else []
        if not fields:
            return None
        if transaction.get_connection().in_atomic_block:
            transaction.set_rollback(True)
        # Without the request: its page would ask the database, which answers nothing any more.
        page = render_to_string("400.html", {"unreadable": ", ".join(fields)})
        return HttpResponse(page, status=400)


def _with_nul(request: HttpRequest) -> Iterator[str]:
    for data in (request.GET, request.POST):
        for name, texts in data.lists():
            if any("\x00" in str(text) for text in (name, *texts)):
                yield name.replace("\x00", "")
