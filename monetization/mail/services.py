"""Owe a mail with the fact; hand it over afterwards, at most once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.core.mail import EmailMultiAlternatives
from django.db import transaction

from monetization.mail.models import OutgoingMail

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=30)
HANDOVER = timedelta(minutes=10)


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
) -> OutgoingMail:
    """Put one mail into the outbox, in the transaction of what it is about.

    :param dedupe_key: what this mail is ("invoice/<id>/v1"); a repeat returns the first.
    """
    mail, _ = OutgoingMail.objects.get_or_create(
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
    return mail


@transaction.atomic
def claim_mail(*, mail_id: UUID, now: datetime) -> OutgoingMail | None:
    """Take a due mail for one attempt; None if it is not due, or another worker has it.

    The claim is committed before the server is called. If the worker dies in between, the
    mail waits ten minutes and is tried again: it may then arrive twice, never not at all.
    """
    mail = (
        OutgoingMail.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(id=mail_id, status=OutgoingMail.Status.QUEUED, next_attempt_at__lte=now)
        .first()
    )
    if mail is None:
        return None
    mail.attempts += 1
    mail.next_attempt_at = now + HANDOVER
    mail.save(update_fields=["attempts", "next_attempt_at"])
    return mail


def hand_over(mail: OutgoingMail) -> None:
    """Give a mail to the configured server. Called outside any transaction.

    :raises OSError: if the server cannot be reached or refuses (SMTPException is one).
    """
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        to=[mail.to],
        cc=mail.cc,
        headers={"Message-ID": f"<{mail.id}@throughline>"},
    )
    if mail.html:
        message.attach_alternative(mail.html, "text/html")
    if mail.attachment is not None:
        message.attach(
            mail.attachment.filename,
            bytes(mail.attachment.content),
            mail.attachment.content_type,
        )
    message.send()


@transaction.atomic
def record_sent(*, mail_id: UUID, now: datetime) -> None:
    OutgoingMail.objects.filter(id=mail_id).update(
        status=OutgoingMail.Status.SENT, sent_at=now, next_attempt_at=None, last_error=""
    )


@transaction.atomic
def record_failure(*, mail_id: UUID, error: str, now: datetime) -> None:
    """Keep the error and try later, ever more slowly; after eight tries it waits for a person."""
    mail = OutgoingMail.objects.select_for_update(of=("self",)).get(id=mail_id)
    mail.last_error = error[:2000]
    if mail.attempts >= MAX_ATTEMPTS:
        mail.status, mail.next_attempt_at = OutgoingMail.Status.FAILED, None
    else:
        mail.next_attempt_at = now + FIRST_RETRY * 2**mail.attempts
    mail.save(update_fields=["last_error", "status", "next_attempt_at"])


@transaction.atomic
def retry_mail(*, mail_id: UUID, now: datetime) -> None:
    """Make a failed mail due again."""
    OutgoingMail.objects.filter(id=mail_id).exclude(status=OutgoingMail.Status.SENT).update(
        status=OutgoingMail.Status.QUEUED, attempts=0, next_attempt_at=now
    )
