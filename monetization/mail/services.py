"""Owe a mail with the fact; hand it over afterwards, at most once."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPServerDisconnected
from uuid import UUID

from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction

from monetization.documents.models import Document
from monetization.mail.models import MailAttachment, OutgoingMail

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=30)
HANDOVER = timedelta(minutes=10)  # longer than a hand-over with its timeouts can take


class OutcomeUnknown(Exception):
    """The line broke while the server may have been taking the mail."""


@transaction.atomic
def queue_mail(
    *,
    dedupe_key: str,
    to: str,
    subject: str,
    text: str,
    now: datetime,
    html: str = "",
    attachment_id: UUID | None = None,
    subject_ref: str = "",
    cc: Sequence[str] = (),
    more_attachment_ids: Sequence[UUID] = (),
) -> OutgoingMail:
    """Put one mail into the outbox, in the transaction of what it is about.

    :param dedupe_key: what this mail is ("invoice/<id>/v1"); a repeat returns the first.
    """
    mail, is_new = OutgoingMail.objects.get_or_create(
        dedupe_key=dedupe_key,
        defaults={
            "to": to,
            "cc": list(cc),
            "subject": " ".join(subject.split()),
            "text": text,
            "html": html,
            "attachment_id": attachment_id,
            "subject_ref": subject_ref,
            "next_attempt_at": now,
        },
    )
    if is_new:
        MailAttachment.objects.bulk_create(
            MailAttachment(mail=mail, document_id=document_id, position=position)
            for position, document_id in enumerate(more_attachment_ids, start=1)
        )
    return mail


@transaction.atomic
def claim_mail(*, mail_id: UUID, now: datetime) -> OutgoingMail | None:
    """Take a due mail for one attempt; None if it is not due, or another worker has it.

    The claim is committed before the server is called. A worker that dies after it leaves a
    mail that is ``sending``; nobody sends it again, see ``expire_claims``.
    """
    mail: OutgoingMail | None = (
        OutgoingMail.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(id=mail_id, status=OutgoingMail.Status.QUEUED, next_attempt_at__lte=now)
        .first()
    )
    if mail is None:
        return None
    mail.status = OutgoingMail.Status.SENDING
    mail.attempts += 1
    mail.next_attempt_at = now + HANDOVER
    mail.save(update_fields=["status", "attempts", "next_attempt_at"])
    return mail


@transaction.atomic
def expire_claims(*, now: datetime) -> int:
    """Say of mails whose worker never came back that nobody knows; returns how many.

    The server may have taken them, so they are not sent again by themselves: a person decides.
    """
    return int(
        OutgoingMail.objects.filter(
            status=OutgoingMail.Status.SENDING, next_attempt_at__lte=now
        ).update(
            status=OutgoingMail.Status.UNKNOWN,
            next_attempt_at=None,
            last_error="The worker stopped while handing it over.",
        )
    )


def files_of(mail: OutgoingMail) -> list[Document]:
    """Return a mail's files in order, loaded."""
    more = mail.more_attachments.select_related("document").order_by("position")
    first = [] if mail.attachment is None else [mail.attachment]
    return [*first, *(each.document for each in more)]


def hand_over(mail: OutgoingMail, files: Sequence[Document]) -> None:
    """Give a mail to the configured server. Called outside any transaction.

    :raises OutcomeUnknown: if the line broke while the server may have been taking it.
    :raises Exception: any other; the mail was not taken.
    """
    connection = get_connection()
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        to=[mail.to],
        cc=mail.cc,
        headers={"Message-ID": f"<{mail.id}@throughline>"},
        connection=connection,
    )
    if mail.html:
        message.attach_alternative(mail.html, "text/html")
    for file in files:
        message.attach(file.filename, bytes(file.content), file.content_type)
    connection.open()  # what fails here was never on its way
    try:
        message.send()
    except OSError as error:
        # Any SMTPException but a lost line is the server's answer, and the answer is no.
        if isinstance(error, SMTPException) and not isinstance(error, SMTPServerDisconnected):
            raise
        raise OutcomeUnknown(f"the connection broke while sending: {error}") from error
    finally:
        with suppress(OSError):  # a bad farewell does not unsend it
            connection.close()


@transaction.atomic
def record_sent(*, mail_id: UUID, now: datetime) -> None:
    """Write down that the server took it. True whoever finds out, so no fence."""
    OutgoingMail.objects.filter(id=mail_id).update(
        status=OutgoingMail.Status.SENT, sent_at=now, next_attempt_at=None, last_error=""
    )


@transaction.atomic
def record_failure(*, claim: OutgoingMail, error: str, now: datetime) -> None:
    """Keep the error and try later, ever more slowly; after eight tries it waits for a person.

    :param claim: what ``claim_mail`` returned; a claim that ran out changes nothing.
    """
    mail = _still_held(claim)
    if mail is None:
        return
    mail.last_error = error[:2000]
    if mail.attempts >= MAX_ATTEMPTS:
        mail.status, mail.next_attempt_at = OutgoingMail.Status.FAILED, None
    else:
        mail.status = OutgoingMail.Status.QUEUED
        mail.next_attempt_at = now + FIRST_RETRY * 2**mail.attempts
    mail.save(update_fields=["last_error", "status", "next_attempt_at"])


@transaction.atomic
def record_unknown(*, claim: OutgoingMail, error: str) -> None:
    """Leave a mail that may have arrived to a person."""
    mail = _still_held(claim)
    if mail is None:
        return
    mail.last_error, mail.next_attempt_at = error[:2000], None
    mail.status = OutgoingMail.Status.UNKNOWN
    mail.save(update_fields=["last_error", "status", "next_attempt_at"])


def _still_held(claim: OutgoingMail) -> OutgoingMail | None:
    """Return the mail if this claim is still the one; its lease tells claims apart."""
    mail: OutgoingMail | None = (
        OutgoingMail.objects.select_for_update(of=("self",))
        .filter(
            id=claim.id,
            status=OutgoingMail.Status.SENDING,
            next_attempt_at=claim.next_attempt_at,
        )
        .first()
    )
    return mail


@transaction.atomic
def retry_mail(*, mail_id: UUID, now: datetime) -> bool:
    """Make a mail due again now, counting its attempts anew; a person decided so.

    :returns: False, and nothing changes, if it was sent or is with a worker.
    """
    changed = (
        OutgoingMail.objects.filter(id=mail_id)
        .exclude(status__in=[OutgoingMail.Status.SENT, OutgoingMail.Status.SENDING])
        .update(status=OutgoingMail.Status.QUEUED, attempts=0, next_attempt_at=now)
    )
    return bool(changed)


@transaction.atomic
def retry_failed_mail(*, now: datetime) -> int:
    """Make every failed mail due again; returns how many. Unknown ones are decided one by one."""
    return int(
        OutgoingMail.objects.filter(status=OutgoingMail.Status.FAILED).update(
            status=OutgoingMail.Status.QUEUED, attempts=0, next_attempt_at=now
        )
    )


@transaction.atomic
def confirm_arrival(*, mail_id: UUID, now: datetime) -> bool:
    """Settle a mail of unknown outcome: the recipient has it. False for any other mail."""
    changed = OutgoingMail.objects.filter(id=mail_id, status=OutgoingMail.Status.UNKNOWN).update(
        status=OutgoingMail.Status.SENT, sent_at=now, next_attempt_at=None, last_error=""
    )
    return bool(changed)
