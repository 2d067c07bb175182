"""Above a limit a credit note or a void is asked for by one person and approved by another."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from billing.models import CreditNote, CreditRequest, Invoice
from billing.services import corrections
from billing.services.credit_limits import why_second_person
from billing.services.reissue import refuse_reissue, void_and_reissue
from monetization.events.services import append_event
from monetization.kernel.decimals import plain
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.mail.services import queue_mail
from monetization.tenancy.context import current_actor
from monetization.tenancy.models import tenant_today
from monetization.users.services import members_who_may

Status, Kind = CreditRequest.Status, CreditRequest.Kind


class CreditAskedBefore(Refusal):
    """A credit or void of this invoice waits already."""


class CreditDecided(Refusal):
    """The request was answered before."""


class NotYoursToApprove(Refusal):
    """Who asks for a credit or a void does not approve it."""


class NotYoursToWithdraw(Refusal):
    """Only who asked takes a request back."""


class CreditChanged(Refusal):
    """What is left of the invoice is not what was asked for any more."""


class AnswerMissing(Refusal):
    """Declining says why."""


@transaction.atomic
def credit_or_ask(
    *,
    invoice_id: UUID,
    amounts: Mapping[UUID, Decimal] | None,
    reason: str,
    issued_on: date,
    now: datetime,
) -> CreditNote | CreditRequest:
    """Credit at once where one person is enough, otherwise ask a second one.

    :param amounts: line id to net amount; None credits everything that is left.
    """
    invoice = corrections.creditable(invoice_id)
    total = corrections.credited_total(corrections.lines_to_credit(invoice, amounts), invoice)
    if why_second_person(invoice, total, now=now):
        return request_credit(
            invoice_id=invoice_id, amounts=amounts, reason=reason, issued_on=issued_on, now=now
        )
    return _credit(invoice_id, amounts, reason, issued_on, now)


def _credit(
    invoice_id: UUID,
    amounts: Mapping[UUID, Decimal] | None,
    reason: str,
    issued_on: date,
    now: datetime,
) -> CreditNote:
    if amounts is None:
        return corrections.credit_invoice(
            invoice_id=invoice_id, reason=reason, issued_on=issued_on, now=now
        )
    return corrections.credit_lines(
        invoice_id=invoice_id, amounts=amounts, reason=reason, issued_on=issued_on, now=now
    )


@transaction.atomic
def request_credit(
    *,
    invoice_id: UUID,
    amounts: Mapping[UUID, Decimal] | None,
    reason: str,
    issued_on: date,
    now: datetime,
) -> CreditRequest:
    """Ask for a credit; everybody else who may credit is told by mail.

    :param amounts: line id to net amount; None asks for everything that is left.
    :raises CreditAskedBefore: if one of the same invoice waits.
    :raises DatedBeforeInvoice: if the note would be older than the invoice.
    """
    invoice = corrections.creditable(invoice_id)
    corrections.refuse_before(invoice, issued_on)
    total = corrections.credited_total(corrections.lines_to_credit(invoice, amounts), invoice)
    if total.amount <= 0:
        raise corrections.NothingToCredit("what is credited must come to more than nothing")
    request = CreditRequest(
        invoice=invoice,
        amounts=None
        if amounts is None
        else {str(line): plain(amount) for line, amount in amounts.items() if amount},
        total_amount=total.amount,
        issued_on=issued_on,
        reason=reason,
    )
    return _asked(request, now)


def _asked(request: CreditRequest, now: datetime) -> CreditRequest:
    """Write a request down and tell everybody else who may answer it."""
    waiting = request.invoice.credit_requests.filter(status=Status.WAITING).first()
    if waiting is not None:
        what = "a credit" if waiting.kind == Kind.CREDIT else "voiding"
        raise CreditAskedBefore(f"{what} of {request.invoice.number} waits; answer it first")
    request.requested_by, request.requested_at = current_actor(), now
    request.save(force_insert=True)
    _announce_credit(request, "credit_request.asked", now)
    for address in members_who_may("invoices:write"):
        if address != request.requested_by:
            _mail_to(request, address, "asked", now)
    return request


@transaction.atomic
def void_or_ask(
    *, invoice_id: UUID, reason: str, now: datetime, is_reissued: bool = False
) -> Invoice | CreditRequest:
    """Void at once where one person is enough, otherwise ask a second one.

    :param is_reissued: it is drafted again at once.
    :returns: the void invoice, or the draft that takes its place, or what waits.
    """
    invoice = corrections.voidable(invoice_id)
    total = Money(invoice.total_amount, invoice.currency)
    if why_second_person(invoice, total, now=now):
        return request_void(invoice_id=invoice_id, reason=reason, is_reissued=is_reissued, now=now)
    return _void(invoice_id, reason, now, is_reissued=is_reissued)


def _void(invoice_id: UUID, reason: str, now: datetime, *, is_reissued: bool) -> Invoice:
    act = void_and_reissue if is_reissued else corrections.void_invoice
    return act(invoice_id=invoice_id, reason=reason, now=now)


@transaction.atomic
def request_void(
    *, invoice_id: UUID, reason: str, now: datetime, is_reissued: bool = False
) -> CreditRequest:
    """Ask for an issued invoice to be voided; everybody else who may void is told by mail.

    :param is_reissued: it is drafted again at once when that is approved.
    :raises CreditAskedBefore: if a credit or void of it waits.
    """
    invoice = corrections.voidable(invoice_id)
    if is_reissued:
        refuse_reissue(invoice)
    if invoice.total_amount <= 0:
        raise corrections.NothingToCredit("it claims nothing; void it without asking")
    request = CreditRequest(
        invoice=invoice,
        kind=Kind.REISSUE if is_reissued else Kind.VOID,
        total_amount=invoice.total_amount,
        issued_on=tenant_today(),
        reason=reason,
    )
    return _asked(request, now)


@transaction.atomic
def approve_credit(*, request_id: UUID, now: datetime) -> CreditRequest:
    """Issue the credit note that was asked for, or void, exactly as it was asked for.

    :raises CreditDecided: if it was answered before.
    :raises NotYoursToApprove: for who asked.
    :raises CreditChanged: if it would not come to what was asked for any more.
    """
    request = _waiting(request_id)
    if request.requested_by == current_actor():
        raise NotYoursToApprove("you asked for it; somebody else approves it")
    if request.kind != Kind.CREDIT:
        return _approve_void(request, now)
    asked = request.amounts
    amounts = None if asked is None else {UUID(line): Decimal(asked[line]) for line in asked}
    invoice = corrections.creditable(request.invoice_id)
    try:
        lines = corrections.lines_to_credit(invoice, amounts)
    except Refusal as refusal:
        raise CreditChanged(f"it cannot be credited as asked any more: {refusal}") from None
    total = corrections.credited_total(lines, invoice)
    if total.amount != request.total_amount:
        raise CreditChanged(
            f"it would come to {total} now; decline it and let it be asked for again"
        )
    _decide(request, Status.APPROVED, "", now)
    _announce_credit(request, "credit_request.approved", now)
    request.credit_note = _credit(invoice.id, amounts, request.reason, request.issued_on, now)
    request.save(update_fields=["credit_note"])
    return request


def _approve_void(request: CreditRequest, now: datetime) -> CreditRequest:
    try:
        corrections.voidable(request.invoice_id)
    except Refusal as refusal:
        raise CreditChanged(f"it cannot be voided any more: {refusal}") from None
    _decide(request, Status.APPROVED, "", now)
    _announce_credit(request, "credit_request.approved", now)
    _void(request.invoice_id, request.reason, now, is_reissued=request.kind == Kind.REISSUE)
    return request


@transaction.atomic
def decline_credit(*, request_id: UUID, answer: str, now: datetime) -> CreditRequest:
    """Say no, and why; nothing is credited or voided.

    :raises CreditDecided: if it was answered before.
    :raises NotYoursToApprove: for who asked.
    :raises AnswerMissing: without a reason.
    """
    request = _waiting(request_id)
    if request.requested_by == current_actor():
        raise NotYoursToApprove("you asked for it; withdraw it instead")
    if not answer.strip():
        raise AnswerMissing("answer: say why not; who asked reads it")
    _decide(request, Status.DECLINED, answer.strip()[:300], now)
    _announce_credit(request, "credit_request.declined", now)
    return request


@transaction.atomic
def withdraw_credit(*, request_id: UUID, now: datetime) -> CreditRequest:
    """Take back what one asked for oneself.

    :raises CreditDecided: if it was answered before.
    :raises NotYoursToWithdraw: for anybody else.
    """
    request = _waiting(request_id)
    if request.requested_by != current_actor():
        raise NotYoursToWithdraw(f"{request.requested_by} asked for it; decline it instead")
    _decide(request, Status.WITHDRAWN, "", now)
    _announce_credit(request, "credit_request.withdrawn", now)
    return request


def _waiting(request_id: UUID) -> CreditRequest:
    request: CreditRequest = CreditRequest.objects.select_for_update(of=("self",)).get(
        id=request_id
    )
    if request.status != Status.WAITING:
        shown = request.get_status_display().lower()
        raise CreditDecided(f"it is {shown} since {request.decided_at:%-d %b %Y}")
    return request


def _decide(request: CreditRequest, status: str, answer: str, now: datetime) -> None:
    request.status, request.answer = status, answer
    request.decided_by, request.decided_at = current_actor(), now
    request.save(update_fields=["status", "answer", "decided_by", "decided_at"])
    if status != Status.WITHDRAWN and "@" in request.requested_by:
        _mail_to(request, request.requested_by, status, now)


def _announce_credit(request: CreditRequest, fact: str, now: datetime) -> None:
    append_event(
        type=fact,
        subject=f"invoice/{request.invoice_id}",
        data={
            "invoice_id": str(request.invoice_id),
            "credit_request_id": str(request.id),
            "total": plain(request.total_amount),
        },
        occurred_at=now,
    )


_SUBJECTS = {
    "asked": "waits for your approval",
    "approved": "is approved",
    "declined": "is declined",
}


_WISHES = {
    Kind.CREDIT.value: "A credit of",
    Kind.VOID.value: "Voiding",
    Kind.REISSUE.value: "Voiding and drafting again",
}


def _mail_to(request: CreditRequest, to: str, what: str, now: datetime) -> None:
    invoice = Invoice.objects.select_related("customer").get(id=request.invoice_id)
    amount = str(Money(request.total_amount, invoice.currency))
    wish = _WISHES[request.kind]
    lines = [
        f"{wish} {amount} {'on' if request.kind == Kind.CREDIT else 'with'} {invoice.number}"
        f" ({invoice.customer.name}) {_SUBJECTS[what]}.",
        f"Reason: {request.reason}",
        f"Asked for by {request.requested_by}." if what == "asked" else f"By {current_actor()}.",
    ]
    if request.answer:
        lines.append(f"Answer: {request.answer}")
    queue_mail(
        dedupe_key=f"credit-request/{request.id}/{what}/{to}",
        to=to,
        subject=f"{wish.removeprefix('A ').capitalize()} {amount} for {invoice.customer.name}"
        f" {_SUBJECTS[what]}",
        text="\n\n".join(lines),
        now=now,
        subject_ref=f"credit-request/{request.id}",
    )
