"""Rows of this tenant, or 404: another tenant's are as unknown as ones that never were."""

from uuid import UUID

from django.http import Http404

from quotes import selectors
from quotes.models import QuoteVersion


def latest_or_404(quote_id: UUID) -> QuoteVersion:
    return version_or_404(quote_id, None)


def version_or_404(quote_id: UUID, number: int | None) -> QuoteVersion:
    try:
        return selectors.version_for_reading(quote_id, number)
    except QuoteVersion.DoesNotExist:
        raise Http404 from None
