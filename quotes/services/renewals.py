"""Contracts that renew by themselves: told in time, ended on demand, renewed once.

A contract whose signed terms say that it renews goes on for the agreed months at the agreed
uplift, unless either side ends it by its last day of notice. The customer is told a month and a
week before that day, each time with a link to end it.
"""

import hashlib
from datetime import date, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from monetization.documents.services import letterhead, render_pdf, store_document
from monetization.events.models import Event
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.pricing.estimate import estimate
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import terms_from_data, terms_hash
from monetization.tenancy.context import current_actor
from quotes.domain import lifecycle
from quotes.domain.renewals import NOTICES, notice_due
from quotes.models import (
    ContractRenewal,
    OrderForm,
    Quote,
    QuoteVersion,
    RenewalNotice,
    SignatureEvidence,
    Signer,
)
from quotes.selectors import terms_to_sign
from quotes.services.common import announce, freeze, in_words, locked_draft
from quotes.services.evidence import append_evidence
from quotes.services.following import draft_renewal
from quotes.services.links import make_token
from quotes.services.order_forms import make_order_form

UPCOMING, RENEWED, ENDED = ContractRenewal.Status


class RenewalDecided(Refusal):
    """The contract was renewed or ended already, or its last day of notice is over."""


class RenewalLinkInvalid(Refusal):
    """The link is unknown. Always the same words."""

    def __init__(self) -> None:
        super().__init__("This link is not valid any more. Ask the sender for a new one.")


@transaction.atomic
def plan_renewals(*, today: date) -> int:
    """Write down every contract in force that renews by itself; return how many are new."""
    amended = Quote.objects.filter(
        amends=OuterRef("pk"), kind=Quote.Kind.AMENDMENT, versions__status="accepted"
    )
    forms = OrderForm.objects.filter(
        ~Exists(ContractRenewal.objects.filter(order_form=OuterRef("pk"))),
        ~Exists(amended),
        terms__auto_renew=True,
        terms__end_on__gt=today.isoformat(),
    ).select_related("version")
    return sum(plan_renewal(form) is not None for form in forms)


def plan_renewal(form: OrderForm) -> ContractRenewal | None:
    """Return the renewal of a contract, written down if it is new; None if it has none."""
    terms = terms_from_data(form.terms)
    if not terms.auto_renew or terms.end_on is None:
        return None
    version = form.version
    renewal, _ = ContractRenewal.objects.get_or_create(
        order_form=form,
        defaults={
            "ends_on": terms.end_on,
            "decide_by": terms.end_on - timedelta(days=version.renewal_notice_days),
            "months": version.renewal_months,
            "uplift_percent": version.renewal_uplift_percent,
        },
    )
    return renewal


@transaction.atomic
def send_notices(*, today: date, now: datetime) -> int:
    """Tell customers whose contracts renew soon; each notice once. Returns how many mails."""
    soon = today + timedelta(days=max(NOTICES.values()))
    rows = (
        ContractRenewal.objects.select_for_update(of=("self",))
        .filter(status=UPCOMING, decide_by__gte=today, decide_by__lte=soon)
        .select_related("order_form__version__quote", "order_form__legal_entity")
        .prefetch_related("notices")
    )
    count = 0
    for renewal in rows:
        sent = {notice.kind for notice in renewal.notices.all()}
        kind = notice_due(renewal.decide_by, today, sent)
        if kind is not None:
            _notify(renewal, kind, now)
            count += 1
    return count


def _notify(renewal: ContractRenewal, kind: str, now: datetime) -> None:
    form = renewal.order_form
    quote = form.version.quote
    token = make_token()
    notice = RenewalNotice.objects.create(
        renewal=renewal,
        kind=kind,
        sent_to=form.signer_email,
        token_sha256=hashlib.sha256(token.encode()).hexdigest(),
        sent_at=now,
    )
    prices = (
        f"at prices {renewal.uplift_percent.normalize():f}% higher"
        if renewal.uplift_percent
        else "at the same prices"
    )
    seller = form.legal_entity.name
    queue_mail(
        dedupe_key=f"contract-renewal/{renewal.id}/{notice.kind}",
        to=form.signer_email,
        subject=f"{seller}: {quote.title} renews on {in_words(renewal.ends_on)}",
        text=(
            f"Dear {form.signer_name},\n\n"
            f"{quote.title} ({form.number}) renews on {in_words(renewal.ends_on)} for "
            f"{renewal.months} months, {prices}, as agreed in the order form.\n\n"
            "If you want that, there is nothing to do. If not, say so until "
            f"{in_words(renewal.decide_by)} here:\n"
            f"{settings.PUBLIC_BASE_URL}/sign/renewal/{token}\n"
        ),
        subject_ref=f"quote/{quote.id}",
        now=now,
    )
    _announce(renewal, "renewal.notified", now)


def renewal_of_token(*, token: str) -> ContractRenewal:
    """Return the renewal a link of a notice is about.

    :raises RenewalLinkInvalid: for every reason in the same words.
    """
    digest = hashlib.sha256(token.encode()).hexdigest()
    notice = (
        RenewalNotice.objects.filter(token_sha256=digest)
        .select_related("renewal__order_form__version__quote", "renewal__order_form__legal_entity")
        .first()
    )
    if notice is None:
        raise RenewalLinkInvalid
    found: ContractRenewal = notice.renewal
    return found


@transaction.atomic
def opt_out(
    *, renewal_id: UUID, today: date, now: datetime, reason: str = "", by: str = ""
) -> ContractRenewal:
    """Let a contract end with its term; a repeat changes nothing.

    :param by: who decided, by default who acts.
    :raises RenewalDecided: if it was renewed, or its last day of notice is over.
    """
    renewal = _locked(renewal_id)
    if renewal.status == ENDED:
        return renewal
    if renewal.status == RENEWED:
        raise RenewalDecided(f"it was renewed on {in_words(renewal.decided_at)}; end it early")
    if today > renewal.decide_by:
        raise RenewalDecided(f"it could be ended until {in_words(renewal.decide_by)}")
    return _end(renewal, reason, by or current_actor(), now)


@transaction.atomic
def opt_in(*, renewal_id: UUID, today: date, now: datetime) -> ContractRenewal:
    """Let a contract renew after all; a repeat changes nothing. Its signer is told.

    :raises RenewalDecided: if it was renewed or its last day of notice is over, or the contract
        itself ended or was amended.
    """
    renewal = _locked(renewal_id)
    if renewal.status == UPCOMING:
        return renewal
    if renewal.status == RENEWED:
        raise RenewalDecided(f"it was renewed on {in_words(renewal.decided_at)}")
    if today > renewal.decide_by:
        raise RenewalDecided(f"it could be taken back until {in_words(renewal.decide_by)}")
    form = OrderForm.objects.select_related("version__quote", "legal_entity").get(
        id=renewal.order_form_id
    )
    if _is_over(form):
        raise RenewalDecided(f"{form.number} ended before its term or was amended")
    by = renewal.decided_by
    renewal.status, renewal.decided_at = UPCOMING, None
    renewal.reason = renewal.decided_by = ""
    renewal.save()
    _announce(renewal, "renewal.resumed", now)
    seller, quote = form.legal_entity.name, form.version.quote
    queue_mail(
        dedupe_key=f"contract-renewal/{renewal.id}/resumed/{now.isoformat()}",
        to=form.signer_email,
        subject=f"{seller}: {quote.title} renews after all",
        text=(
            f"Dear {form.signer_name},\n\n"
            f"{quote.title} ({form.number}) was not to renew ({by}). That was taken back: it "
            f"renews on {in_words(renewal.ends_on)} for {renewal.months} months.\n\n"
            f"If that is not what you want, write to {seller} until "
            f"{in_words(renewal.decide_by)}, or end it with the link of the notice you got.\n"
        ),
        subject_ref=f"quote/{quote.id}",
        now=now,
    )
    return renewal


def _is_over(form: OrderForm) -> bool:
    """Say whether a contract ended early, or another took its place."""
    ended = Event.objects.filter(type="schedule.ended", data__order_form_id=str(form.id))
    amended = Quote.objects.filter(
        amends=form, kind=Quote.Kind.AMENDMENT, versions__status="accepted"
    )
    return ended.exists() or amended.exists()


def end_renewal_of(*, order_form_id: UUID, reason: str, now: datetime) -> None:
    """Renew nothing after a contract that ended before its term."""
    form = OrderForm.objects.select_related("version").get(id=order_form_id)
    planned = plan_renewal(form)
    if planned is None:
        return
    renewal = _locked(planned.id)
    if renewal.status == UPCOMING:
        _end(renewal, reason, current_actor(), now)


def _end(renewal: ContractRenewal, reason: str, by: str, now: datetime) -> ContractRenewal:
    renewal.status, renewal.decided_at, renewal.problem = ENDED, now, ""
    renewal.reason, renewal.decided_by = reason.strip()[:1000], by[:300]
    renewal.save()
    _announce(renewal, "renewal.opted_out", now)
    return renewal


@transaction.atomic
def renew_contract(*, renewal_id: UUID, today: date, now: datetime) -> ContractRenewal:
    """Make the next term of a contract nobody ended in time. Once; a repeat changes nothing.

    What cannot be renewed by itself keeps the reason and waits for people.
    """
    renewal = _locked(renewal_id)
    if renewal.status != UPCOMING or today <= renewal.decide_by:
        return renewal
    form = OrderForm.objects.select_related("version").get(id=renewal.order_form_id)
    by_hand = Quote.objects.filter(amends=form, kind=Quote.Kind.RENEWAL).first()
    if by_hand is not None and not by_hand.versions.filter(status="accepted").exists():
        renewal.problem = f"{by_hand.number} renews it and is not signed yet"
        renewal.quote = by_hand
        renewal.save(update_fields=["problem", "quote"])
        return renewal
    try:
        with transaction.atomic():
            quote = by_hand or draft_renewal(order_form_id=form.id, now=now)
            if by_hand is None:
                _accept(quote, form, renewal, now)
    except (Refusal, PriceError) as error:
        renewal.problem = str(error)[:300]
        renewal.save(update_fields=["problem"])
        return renewal
    renewal.status, renewal.quote, renewal.decided_at = RENEWED, quote, now
    renewal.problem, renewal.decided_by = "", current_actor()
    renewal.save()
    _announce(renewal, "renewal.renewed", now)
    return renewal


def _accept(quote: Quote, before: OrderForm, renewal: ContractRenewal, now: datetime) -> None:
    """Put the next term in force on the strength of the signature before it."""
    version: QuoteVersion = locked_draft(quote.versions.get().id)
    terms = terms_to_sign(version)
    priced = estimate(terms)
    pdf = render_pdf(
        "documents/order_form.html",
        {
            "version": version,
            "quote": quote,
            "paper": letterhead(version.legal_entity_id),
            "terms": terms,
            "priced": priced,
            "terms_sha256": terms_hash(terms),
        },
    )
    document = store_document(filename=f"{quote.number}-v{version.number}.pdf", content=pdf)
    freeze(version, terms, document)
    version.status = lifecycle.next_state(version.status, "import")
    version.sent_at = version.decided_at = now
    version.save()
    evidence = append_evidence(
        version=version,
        position=1,
        side=Signer.Side.CUSTOMER,
        kind=SignatureEvidence.Kind.ADVANCE,
        name=before.signer_name,
        email=before.signer_email,
        consent_text=(
            f"Agreed in advance in {before.number} (terms {before.terms_sha256}): renewed for "
            f"{renewal.months} months, as nobody ended it by {in_words(renewal.decide_by)}."
        ),
        signed_at=now,
    )
    make_order_form(version, [evidence])
    announce(quote, version, "quote.accepted", now)


def _locked(renewal_id: UUID) -> ContractRenewal:
    found: ContractRenewal = ContractRenewal.objects.select_for_update(of=("self",)).get(
        id=renewal_id
    )
    return found


def _announce(renewal: ContractRenewal, type: str, now: datetime) -> None:
    data = {
        "renewal_id": str(renewal.id),
        "order_form_id": str(renewal.order_form_id),
        "ends_on": renewal.ends_on.isoformat(),
    }
    if renewal.quote_id is not None:
        data["quote_id"] = str(renewal.quote_id)
    if renewal.reason:
        data["reason"] = renewal.reason
    append_event(type=type, subject=f"contract-renewal/{renewal.id}", data=data, occurred_at=now)
