"""Put a quote's answer together: rows, terms and estimate."""

from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery
from django.utils import timezone

from monetization.interface.fields import amount_text
from monetization.pricing.estimate import estimate
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import terms_to_data
from quotes import selectors, services
from quotes.domain.totals import QuoteTotals
from quotes.models import Quote, QuoteLine, QuotePhase, QuoteVersion

MAX_AMOUNT = 10**15


def quotes_with_latest() -> QuerySet[Any]:
    """Return quotes with the number and status of their latest version."""
    latest = QuoteVersion.objects.filter(quote=OuterRef("pk")).order_by("-number")
    rows: QuerySet[Any] = Quote.objects.select_related("customer").annotate(
        latest_number=Subquery(latest.values("number")[:1]),
        latest_status=Subquery(latest.values("status")[:1]),
    )
    return rows


def versions_of(quote: Quote) -> QuerySet[Any]:
    """Return a quote's versions with what their details need."""
    lines = QuoteLine.objects.order_by("position").select_related("product")
    phases = QuotePhase.objects.order_by("position").prefetch_related(Prefetch("lines", lines))
    rows: QuerySet[Any] = (
        QuoteVersion.objects.filter(quote=quote)
        .select_related("quote", "document")
        .prefetch_related(Prefetch("phases", phases))
    )
    return rows


def latest_of(quote: Quote) -> QuoteVersion:
    found: QuoteVersion = versions_of(quote).order_by("-number")[:1].get()
    return found


class VersionDetail:
    """A version, its phases in order, and its terms and estimate if it has them."""

    def __init__(self, version: QuoteVersion) -> None:
        self._version = version
        self.terms: dict[str, Any] | None = None
        self.estimate: dict[str, Any] | None = None
        self.incomplete: str | None = None
        self.missing: list[str] = []
        self.phases = list(version.phases.all())
        try:
            terms = selectors.terms_of(version)
            self.terms = terms_to_data(terms)
            self.estimate = estimate_data(selectors.totals_of(terms))
        except PriceError as error:
            self.incomplete = str(as_builder_says(error))
        else:
            if version.status in (QuoteVersion.Status.DRAFT, QuoteVersion.Status.APPROVED):
                needed = services.needed_before_sending(version, terms, timezone.now())
                self.missing = [one.what for one in needed]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._version, name)


def as_builder_says(error: PriceError) -> PriceError:
    """Name a field of the terms as the draft's payload calls it."""
    return PriceError(str(error).replace("].items[", "].lines["))


def check_totals(version: QuoteVersion) -> None:
    """Price a draft once, so that what cannot be priced is never stored.

    :raises PriceError: naming the field.
    """
    try:
        priced = estimate(selectors.terms_of_draft(version))
    except PriceError as error:
        raise as_builder_says(error) from None
    amounts = [priced.total, priced.total_contract_value, *(line.amount for line in priced.lines)]
    if any(amount.amount >= MAX_AMOUNT for amount in amounts):
        raise PriceError("phases: an amount has more than 15 digits before the point")


def estimate_data(totals: QuoteTotals) -> dict[str, Any]:
    """Write what a version is worth with every amount as text."""
    priced = totals.priced

    def sums(pairs: Any) -> list[dict[str, str]]:
        return [
            {"of": str(of), "amount": amount_text(money.amount, money.currency)}
            for of, money in pairs
        ]

    return {
        "currency": priced.currency,
        "total": str(priced.total.amount),
        "total_contract_value": str(priced.total_contract_value.amount),
        "annual_contract_value": str(priced.annual_contract_value.amount),
        "annual_recurring_revenue": str(totals.recurring.amount),
        "below_list_percent": totals.below_list,
        "margin_percent": totals.margin,
        "by_phase": sums(priced.by_phase.items()),
        "by_year": sums(enumerate(priced.by_year, start=1)),
        "by_bill_date": sums(priced.by_bill_date.items()),
        "lines": priced.lines,
    }
