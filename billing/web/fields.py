"""What the small forms of dialogs send."""

from datetime import date

from django.http import HttpRequest

from monetization.kernel.errors import Refusal


class FieldMissing(Refusal):
    """A form was sent without something it needs."""


def read_day(request: HttpRequest, field: str) -> date:
    """Read a date of a form.

    :raises FieldMissing: naming the field.
    """
    try:
        return date.fromisoformat(request.POST.get(field, ""))
    except ValueError:
        raise FieldMissing(f"{field}: give a date like 2026-01-31") from None


def read_reason(request: HttpRequest) -> str:
    """Read why somebody does something.

    :raises FieldMissing: without a reason.
    """
    reason = read_text(request, "reason", 300)
    if not reason:
        raise FieldMissing("reason: say why; it is kept")
    return reason


def read_text(request: HttpRequest, field: str, length: int) -> str:
    return request.POST.get(field, "").replace("\x00", "").strip()[:length]
