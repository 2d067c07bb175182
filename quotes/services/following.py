"""Quotes that follow a signed contract, or another quote: amendments, renewals, copies."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from monetization.kernel.errors import Refusal
from monetization.kernel.period import Frequency as Rhythm
from monetization.kernel.period import add_months, billing_periods
from monetization.pricing.terms import CHANGE_RULES, OrderTerms, terms_from_data
from quotes.domain.uplift import risen_model
from quotes.models import OrderForm, Quote, QuoteLine, QuotePhase, QuoteVersion
from quotes.services.commitments import settle_term_discounts
from quotes.services.common import announce
from quotes.services.drafting import copy_row, create_quote, keep_value

_CARRIED = (
    "currency",
    "time_zone",
    "anchor_day",
    "payment_terms_days",
    "auto_renew",
    "purchase_order",
    "signer_name",
    "signer_email",
    "further_signers",
    "asks_email_code",
    "renewal_months",
    "renewal_uplift_percent",
    "renewal_notice_days",
)

_COPIED = (
    "currency",
    "anchor_day",
    "introduction",
    "special_terms",
    "auto_renew",
    "renewal_months",
    "renewal_uplift_percent",
    "renewal_notice_days",
)


class ContractCannotFollow(Refusal):
    """The contract cannot be amended or renewed like this; the message names the field."""


@transaction.atomic
def draft_amendment(
    *,
    order_form_id: UUID,
    effective_on: date,
    now: datetime,
    change_rule: str = "",
    title: str = "",
) -> Quote:
    """Draft a quote that takes a contract's place from a day on, with what is left of its terms.

    Whatever is changed in it then is the amendment: lines added, removed or swapped, other
    quantities and prices, more months. Until it is signed the contract goes on unchanged.

    :param change_rule: ``now_prorated``, ``now_full_reset`` (new periods begin that day) or
        ``at_period_end`` (it holds from the next month of the contract on); by default the
        contract's own rule.
    :raises ContractCannotFollow: naming the field.
    """
    form = OrderForm.objects.select_related("version__quote").get(id=order_form_id)
    terms = _terms(form)
    rule = change_rule or (terms.changes.upgrade if terms.changes else "now_prorated")
    if rule not in CHANGE_RULES:
        raise ContractCannotFollow(f"change_rule: must be one of {', '.join(CHANGE_RULES)}")
    if Quote.objects.filter(
        amends=form, kind=Quote.Kind.AMENDMENT, versions__status="accepted"
    ).exists():
        raise ContractCannotFollow(f"order_form: {form.number} was amended; amend what followed it")
    day = effective_on
    if rule == "at_period_end" and day >= terms.start_on:
        day = _period_end(terms, day)
    if day <= terms.start_on or (terms.end_on is not None and day >= terms.end_on):
        raise ContractCannotFollow(
            f"effective_on: must be within the contract, after {terms.start_on}"
        )
    quote, version = _follow(
        form, Quote.Kind.AMENDMENT, day, now, title or f"{terms.title}, amendment"
    )
    version.change_rule = rule
    version.anchor_day = day.day if rule == "now_full_reset" else version.anchor_day
    first = next(
        number
        for number, phase in enumerate(terms.phases)
        if phase.end_on is None or phase.end_on > day
    )
    version.counted_from = terms.phases[first].start_on
    version.save()
    begun = version.counted_from < day
    _copy_phases(form.version, version, skip=first, begun=begun, signed=True)
    keep_value(version)
    return quote


def _period_end(terms: OrderTerms, day: date) -> date:
    """Return the first day of the contract's month after the one a day is in."""
    horizon = add_months(day, 2, anchor_day=terms.anchor_day) + timedelta(days=31)
    spans = billing_periods(
        terms.start_on,
        horizon,
        Rhythm.MONTHLY,
        anchor_day=terms.anchor_day,
        anchor_on=terms.start_on,
    )
    return next(span.service.end for span in spans if span.service.end > day)


@transaction.atomic
def draft_renewal(*, order_form_id: UUID, now: datetime) -> Quote:
    """Draft the contract's next term: its last phase again, prices raised as was agreed.

    A repeat returns the first draft: a contract is renewed once.

    :raises ContractCannotFollow: if the contract has no end.
    """
    form = OrderForm.objects.select_for_update(of=("self",)).get(id=order_form_id)
    existing: Quote | None = Quote.objects.filter(amends=form, kind=Quote.Kind.RENEWAL).first()
    if existing is not None:
        return existing
    terms = _terms(form)
    if terms.end_on is None:
        raise ContractCannotFollow(f"order_form: {form.number} has no end, so it goes on by itself")
    quote, version = _follow(
        form, Quote.Kind.RENEWAL, terms.end_on, now, f"{terms.title}, renewal"[:200]
    )
    last = form.version.phases.order_by("-position").first()
    _copy_phases(form.version, version, skip=last.position - 1, begun=True, signed=True)
    phase = version.phases.get()
    phase.months, phase.kind, phase.name = version.renewal_months, "standard", "Renewed term"
    phase.save()
    uplift: Decimal = version.renewal_uplift_percent
    for line in QuoteLine.objects.filter(phase=phase):
        line.model = risen_model(line.model, uplift, version.currency)
        line.save(update_fields=["model"])
    keep_value(version)
    return quote


@transaction.atomic
def clone_quote(
    *, quote_id: UUID, customer_id: UUID, title: str, start_on: date, now: datetime
) -> Quote:
    """Start a quote from what another offers, for the same or another customer."""
    source = QuoteVersion.objects.select_related("quote").filter(quote_id=quote_id).latest("number")
    quote = create_quote(customer_id=customer_id, title=title, start_on=start_on, now=now)
    version = quote.versions.get()
    for name in _COPIED:
        setattr(version, name, getattr(source, name))
    if source.quote.customer_id == customer_id:
        version.legal_entity_id = source.legal_entity_id
    version.save()
    version.phases.all().delete()
    _copy_phases(source, version)
    settle_term_discounts(version)
    keep_value(version)
    return quote


def _terms(form: OrderForm) -> OrderTerms:
    """Return what was signed, if there is a draft it can be drafted anew from."""
    terms = terms_from_data(form.terms)
    if form.version.phases.count() != len(terms.phases):
        raise ContractCannotFollow(f"order_form: {form.number} has no draft to start from")
    return terms


def _follow(
    form: OrderForm, kind: str, start_on: date, now: datetime, title: str
) -> tuple[Quote, QuoteVersion]:
    before = form.version
    quote = create_quote(
        customer_id=form.customer_id, title=title[:200], start_on=start_on, now=now
    )
    quote.kind, quote.amends = kind, form
    quote.save()
    version = quote.versions.get()
    for name in _CARRIED:
        setattr(version, name, getattr(before, name))
    version.legal_entity_id = form.legal_entity_id
    version.save()
    version.phases.all().delete()
    announce(quote, version, "quote.follows", now, order_form_id=str(form.id), kind=kind)
    return quote, version


def _copy_phases(
    source: QuoteVersion,
    target: QuoteVersion,
    *,
    skip: int = 0,
    begun: bool = False,
    signed: bool = False,
) -> None:
    """Copy phases with their lines.

    :param begun: the first one copied has begun: what is billed once was billed.
    :param signed: what was optional is agreed if it was chosen, and gone if not.
    """
    for number, phase in enumerate(source.phases.order_by("position")[skip:]):
        lines: list[Any] = list(phase.lines.order_by("position"))
        if begun and number == 0:
            lines = [line for line in lines if line.frequency != "one_time"]
        if signed:
            lines = [line for line in lines if line.is_chosen or not line.is_optional]
        agreed: dict[str, Any] = {}
        if signed:
            agreed = {
                "is_optional": False,
                "is_chosen": False,
                "choice_group": "",
                "term_discount_mode": QuoteLine.TermDiscount.KEPT,  # whatever the rest is long
            }
        copied: QuotePhase = copy_row(phase, version=target, position=number + 1)
        for line in lines:
            copy_row(line, phase=copied, **agreed)
