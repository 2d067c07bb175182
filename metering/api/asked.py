"""What a query string asks for: empty where it says nothing, 400 where it cannot be read."""

from datetime import datetime
from uuid import UUID

from rest_framework.exceptions import ValidationError

from metering.ingest.parser import Invalid, read_time


def moment(written: str | None, field: str) -> datetime | None:
    if not written:
        return None
    try:
        return read_time(written)
    except Invalid as error:
        raise ValidationError({field: error.reason}) from None


def text(written: str | None, field: str) -> str:
    if written and "\x00" in written:
        raise ValidationError({field: "must not contain a NUL character"})
    return written or ""


def identifier(written: str | None, field: str) -> UUID | None:
    try:
        return UUID(written) if written else None
    except ValueError:
        raise ValidationError({field: "must be an id"}) from None
