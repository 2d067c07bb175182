"""What the small forms of dialogs send."""

from datetime import date

from django.http import HttpRequest

from monetization.interface.fields import FIRST_DAY, LAST_DAY
from monetization.kernel.errors import Refusal


class FieldMissing(Refusal):
    """A form was sent without something it needs."""


class FieldTooLong(Refusal):
    """A field of a form has more than is kept."""


def read_day(request: HttpRequest, field: str) -> date:
    """Read a date of a form.

    :raises FieldMissing: naming the field.
    """
    try:
        day = date.fromisoformat(request.POST.get(field, ""))
    except ValueError:
        raise FieldMissing(f"{field}: give a date like 2026-01-31") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise FieldMissing(f"{field}: must be from {FIRST_DAY} to {LAST_DAY}")
    return day


def read_reason(request: HttpRequest) -> str:
    """Read why somebody does something.

    :raises FieldMissing: without a reason.
    """
    reason = read_text(request, "reason", 300)
    if not reason:
        raise FieldMissing("reason: say why; it is kept")
    return reason


def read_text(request: HttpRequest, field: str, length: int) -> str:
    """Read what was typed, all of it.

    :raises FieldTooLong: rather than keep a part and lose the rest.
    """
    text = request.POST.get(field, "").replace("\x00", "").strip()
    if len(text) > length:
        raise FieldTooLong(f"{field}: write at most {length:,} characters")
    return text
