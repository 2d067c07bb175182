"""Read quotes: the terms of a draft, lists, numbers."""

from monetization.pricing.terms import OrderTerms, terms_from_data
from quotes.domain.assembly import DraftHeader, DraftLine, DraftPhase, ProductFacts, assemble
from quotes.models import QuoteLine, QuoteVersion


def terms_of(version: QuoteVersion) -> OrderTerms:
    """Return a version's terms: the frozen ones once sent, else the draft's.

    :raises PriceError: naming the field, if a draft is not complete.
    """
    return terms_from_data(version.terms) if version.terms else terms_of_draft(version)


def terms_of_draft(version: QuoteVersion) -> OrderTerms:
    """Assemble the terms of what the builder holds.

    :raises PriceError: naming the field.
    """
    phases = version.phases.order_by("position").prefetch_related(
        "lines__product", "lines__price_version"
    )
    return assemble(
        DraftHeader(
            title=version.quote.title,
            currency=version.currency,
            time_zone=version.time_zone,
            start_on=version.start_on,
            anchor_day=version.anchor_day,
            payment_terms_days=version.payment_terms_days,
            auto_renew=version.auto_renew,
        ),
        [
            DraftPhase(
                name=phase.name,
                kind=phase.kind,
                months=phase.months,
                lines=[
                    _line(line) for line in sorted(phase.lines.all(), key=lambda li: li.position)
                ],
                minimum_amount=phase.minimum_amount,
                minimum_frequency=phase.minimum_frequency,
                discount_percent=phase.discount_percent,
                discount_label=phase.discount_label,
            )
            for phase in phases
        ],
    )


def _line(line: QuoteLine) -> DraftLine:
    return DraftLine(
        item_key=line.item_key,
        product=ProductFacts(
            code=line.product.code,
            name=line.product.name,
            kind=line.product.kind,
            recognition=line.product.recognition,
            list_model=line.price_version.model if line.price_version else None,
        ),
        model=line.model,
        frequency=line.frequency,
        timing=line.timing,
        description=line.description,
        quantity=line.quantity,
        expected_quantity=line.expected_quantity,
        meter_key=line.meter_key,
        proration=line.proration,
        discount_percent=line.discount_percent,
        price_version_id=str(line.price_version_id) if line.price_version_id else None,
    )
