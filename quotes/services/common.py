"""What the steps of a quote share: its lock and its announcements."""

from datetime import datetime
from uuid import UUID

from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from quotes.models import Quote, QuoteVersion


class VersionNotDraft(Refusal):
    """A sent version never changes; revise the quote to make the next one."""


def locked_draft(version_id: UUID) -> QuoteVersion:
    version: QuoteVersion = (
        QuoteVersion.objects.select_for_update(of=("self",))
        .select_related("quote__customer", "quote__legal_entity")
        .get(id=version_id)
    )
    if version.status != QuoteVersion.Status.DRAFT:
        raise VersionNotDraft(
            f"version {version.number} is {version.status}; revise the quote to change it"
        )
    return version


def announce(quote: Quote, version: QuoteVersion, type: str, now: datetime, **extra: str) -> None:
    append_event(
        type=type,
        subject=f"quote/{quote.id}",
        data={"quote_id": str(quote.id), "version_id": str(version.id), **extra},
        occurred_at=now,
    )
