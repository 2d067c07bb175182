"""Read quotes: the terms of a draft, lists, numbers."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from monetization.catalog.models import PriceVersion, Product
from monetization.events.models import Event
from monetization.kernel.period import add_months
from monetization.pricing.codec import price_from_data
from monetization.pricing.estimate import estimate, first_invoice
from monetization.pricing.terms import OrderTerms, SellerTerms, terms_from_data
from quotes.domain.approvals import QuoteFacts
from quotes.domain.assembly import DraftHeader, DraftLine, DraftPhase, ProductFacts, assemble
from quotes.domain.comparison import VersionFacts
from quotes.domain.totals import QuoteTotals, list_price_ids, quote_totals
from quotes.models import OrderForm, QuoteComment, QuoteLine, QuotePhase, QuoteVersion
from quotes.ports import estimated_tax


def terms_of(version: QuoteVersion) -> OrderTerms:
    """Return a version's terms: the frozen ones once sent, else the draft's.

    :raises PriceError: naming the field, if a draft is not complete.
    """
    return terms_from_data(version.terms) if version.terms else terms_to_sign(version)


def terms_to_sign(version: QuoteVersion) -> OrderTerms:
    """Assemble the terms of a draft as they would be signed: with the tax it is known to have.

    :raises PriceError: naming the field.
    """
    terms = terms_of_draft(version)
    return replace(terms, tax=estimated_tax(version, terms, first_invoice(terms)))


def terms_of_draft(version: QuoteVersion, *, chosen: Collection[str] | None = None) -> OrderTerms:
    """Assemble the terms of what the builder holds, without what tax is known of.

    :param chosen: keys of the optional items to take in, by default those chosen as it stands.
    :raises PriceError: naming the field.
    """
    seller = version.legal_entity
    return assemble(
        DraftHeader(
            title=version.quote.title,
            currency=version.currency,
            time_zone=version.time_zone,
            start_on=version.start_on,
            anchor_day=version.anchor_day,
            payment_terms_days=version.payment_terms_days,
            auto_renew=version.auto_renew,
            counted_from=version.counted_from,
            seller=SellerTerms(seller.code, seller.name, seller.country, seller.tax_id),
            purchase_order=version.purchase_order,
        ),
        [
            DraftPhase(
                name=phase.name,
                kind=phase.kind,
                months=phase.months,
                lines=[_line(line, chosen) for line in phase.lines.all()],
                minimum_amount=phase.minimum_amount,
                minimum_frequency=phase.minimum_frequency,
                discount_percent=phase.discount_percent,
                discount_label=phase.discount_label,
            )
            for phase in phases_of(version)
        ],
    )


def phases_of(version: QuoteVersion) -> list[QuotePhase]:
    """Return a version's phases with their lines, both in their order, and what these name."""
    lines = QuoteLine.objects.select_related("product", "price_version").order_by("position")
    phases = QuotePhase.objects.filter(version=version).order_by("position")
    return list(phases.prefetch_related(Prefetch("lines", queryset=lines)))


def _line(line: QuoteLine, chosen: Collection[str] | None) -> DraftLine:
    is_chosen = line.is_chosen if chosen is None else line.item_key in chosen
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
        modifiers=line.modifiers,
        is_left_out=line.is_optional and not is_chosen,
        term_discount_percent=line.term_discount_percent,
        term_discount_label=line.term_discount_label,
    )


def optional_groups(version: QuoteVersion) -> dict[str, str]:
    """Return the optional items of a version in their order, each with its alternatives' name."""
    rows = QuoteLine.objects.filter(phase__version=version, is_optional=True)
    found: dict[str, str] = {}
    for key, group in rows.order_by("phase__position", "position").values_list(
        "item_key", "choice_group"
    ):
        found.setdefault(key, group)
    return found


def possible_choices(version: QuoteVersion) -> list[set[str]]:
    """Return choices the customer may make: each option alone, all together, every alternative."""
    groups = optional_groups(version)
    free = {key for key, group in groups.items() if not group}
    rivals: dict[str, list[str]] = {}
    for key, group in groups.items():
        if group:
            rivals.setdefault(group, []).append(key)
    firsts = {keys[0] for keys in rivals.values()}
    most = max((len(keys) for keys in rivals.values()), default=1)
    picks = [{keys[min(n, len(keys) - 1)] for keys in rivals.values()} for n in range(most)]
    return [firsts, *({key} | firsts for key in free), *(free | pick for pick in picks), *picks]


def latest_versions() -> QuerySet[Any]:
    """Return the latest version of every quote, with its quote and customer."""
    newer = QuoteVersion.objects.filter(quote=OuterRef("quote"), number__gt=OuterRef("number"))
    rows: QuerySet[Any] = QuoteVersion.objects.filter(~Exists(newer)).select_related(
        "quote__customer"
    )
    return rows


def version_for_reading(quote_id: UUID, number: int | None = None) -> QuoteVersion:
    """Return a version of a quote, by default the latest, with what its document shows.

    :raises QuoteVersion.DoesNotExist: if there is none, or it is another tenant's.
    """
    versions = QuoteVersion.objects.filter(quote_id=quote_id).select_related(
        "quote__opportunity", "quote__customer", "legal_entity"
    )
    if number is not None:
        versions = versions.filter(number=number)
    found: QuoteVersion = versions.order_by("-number")[:1].get()
    return found


def totals_of(terms: OrderTerms) -> QuoteTotals:
    """Price terms and compare them with their list prices and with what their products cost."""
    rows = PriceVersion.objects.filter(id__in=list_price_ids(terms)).values_list("id", "model")
    costs = Product.objects.filter(cost_percent__isnull=False).values_list("code", "cost_percent")
    listed = {str(id): price_from_data(model) for id, model in rows}
    return quote_totals(terms, listed, dict(costs))


def facts_of(version: QuoteVersion, terms: OrderTerms) -> QuoteFacts:
    """Return what approval rules look at: of what the customer may choose, the furthest."""
    offers = [terms]
    if optional_groups(version):
        offers += [terms_of_draft(version, chosen=one) for one in possible_choices(version)]
    totals = [totals_of(one) for one in offers]
    discounts = [one.below_list for one in totals if one.below_list is not None]
    margins = [one.margin for one in totals]
    known = [margin for margin in margins if margin is not None]
    texts = (version.introduction.strip(), version.special_terms.strip())
    return QuoteFacts(
        value=max(one.priced.total_contract_value for one in totals),
        discount=max(discounts, default=None),
        margin=min(known) if len(known) == len(margins) else None,
        months=months_of(terms),
        payment_days=terms.payment_terms_days,
        products=tuple(
            sorted({i.product_code for one in offers for p in one.phases for i in p.items})
        ),
        custom_text="\n\n".join(text for text in texts if text),
    )


def months_of(terms: OrderTerms) -> int | None:
    """Return the term in months, one begun counted whole; None if open-ended."""
    if terms.end_on is None:
        return None
    months = 0
    while add_months(terms.start_on, months, anchor_day=terms.start_on.day) < terms.end_on:
        months += 1
    return months


def committed_months(version: QuoteVersion) -> int | None:
    """Return the months of a draft's phases, trials left out; None if open-ended."""
    phases = list(version.phases.exclude(kind="trial").values_list("months", flat=True))
    known = [months for months in phases if months is not None]
    return sum(known) if known and len(known) == len(phases) else None


def sellable_prices(currency: str) -> list[PriceVersion]:
    """Return the newest published version of every price in a currency, by product."""
    rows = (
        PriceVersion.objects.filter(
            status=PriceVersion.Status.PUBLISHED,
            price__currency=currency,
            price__is_archived=False,
            price__product__is_archived=False,
        )
        .select_related("price__product", "price__meter")
        .order_by("price_id", "-number")
        .distinct("price_id")
    )
    return sorted(rows, key=lambda row: (row.price.product.name, row.price.name))


def history_of(quote_id: UUID) -> list[Event]:
    """Return what happened to a quote and its signed order forms, newest first."""
    forms = OrderForm.objects.filter(version__quote_id=quote_id).values_list("id", flat=True)
    subjects = [f"quote/{quote_id}", *(f"order-form/{form_id}" for form_id in forms)]
    return list(Event.objects.filter(subject__in=subjects).order_by("-occurred_at", "-recorded_at"))


def shared_comments(quote_id: UUID) -> list[QuoteComment]:
    """Return what the customer reads and wrote about a quote, oldest first."""
    return list(QuoteComment.objects.filter(quote_id=quote_id, is_shared=True).order_by("id"))


def version_facts(version: QuoteVersion) -> VersionFacts:
    """Return what a version says, to be compared with another.

    :raises PriceError: if a draft has no complete terms.
    """
    terms = terms_of(version)
    return VersionFacts(
        terms=terms,
        value=estimate(terms).total_contract_value,
        expires_on=version.expires_on,
        signer=f"{version.signer_name} <{version.signer_email}>" if version.signer_email else "",
        purchase_order=version.purchase_order,
        introduction=version.introduction,
        special_terms=version.special_terms,
    )
