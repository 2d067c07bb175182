"""The one way from a dialect to the store: our raw events in, a verdict for each out."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import timezone

from metering import services
from metering.domain.events import Outcome, UsageEvent, Verdict
from metering.ingest.parser import Invalid, read_events
from monetization.interface.problems import Unprocessable

MAX_BATCH = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KNOWN = (Outcome.DUPLICATE, Outcome.CONFLICT)  # the identity was used before

Raw = Mapping[str, Any] | Invalid


def take(raw: Sequence[Raw], *, source: str) -> list[Verdict]:
    """Record a vendor's events in our terms; good ones are stored beside bad ones.

    :param source: the source of events that name none, "stripe"; ids are unique within it.
    """
    if len(raw) > MAX_BATCH:
        raise Unprocessable(f"a batch has at most {MAX_BATCH} events; this has {len(raw)}")
    read = read_events(list(raw), default_source=source)
    good = [item for item in read if isinstance(item, UsageEvent)]
    found = iter(services.record_usage_events(good, now=timezone.now()) if good else ())
    return [_at(index, next(found)) if isinstance(item, UsageEvent) else item
            for index, item in enumerate(read)]  # fmt: skip


def _at(index: int, verdict: Verdict) -> Verdict:
    return Verdict(
        index, verdict.id, verdict.outcome, verdict.field, verdict.reason, verdict.is_matched
    )


def objects(value: Any, what: str) -> list[dict[str, Any]]:
    """Return a list of objects.

    :raises Unprocessable: if it is something else, or empty.
    """
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Unprocessable(f"{what} must be a list of objects")
    if not value:
        raise Unprocessable(f"{what} is empty")
    return value


def present(**fields: Any) -> dict[str, Any]:
    """Return the fields that were given: a vendor's null is our absence."""
    return {name: value for name, value in fields.items() if value is not None}


def unix_time(value: Any, field: str = "timestamp") -> str:
    """Turn seconds since 1970, as a number or as text, into RFC 3339.

    :raises Invalid: if they are no moment.
    """
    try:
        seconds = Decimal(str(value)) if not isinstance(value, bool) else None
        if seconds is None or not seconds.is_finite() or abs(seconds) > 10**11:
            raise Invalid(field, "must be seconds since 1970")
        return rfc3339(EPOCH + timedelta(microseconds=int(seconds * 10**6)))
    except (InvalidOperation, OverflowError):
        raise Invalid(field, "must be seconds since 1970") from None


def rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def now_text() -> str:
    """Return this moment for an event that does not say when it happened."""
    return rfc3339(timezone.now())


def vendor_field(field: str, names: Mapping[str, str], data: str = "properties.{}") -> str:
    """Return what the vendor calls one of our fields: ``data.n`` is ``properties.n`` there."""
    if field.startswith("data."):
        return data.format(field.removeprefix("data."))
    return names.get(field, field)
