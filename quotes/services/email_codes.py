"""A code by mail: whoever opens the link shows that the signer's mailbox is theirs."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from django.db import transaction

from monetization.mail.services import queue_mail
from quotes.models import SigningLink

VALID = timedelta(minutes=15)
MOST_ATTEMPTS = 5


@transaction.atomic
def send_code(*, link: SigningLink, now: datetime) -> None:
    """Mail a new code of six digits; the one before no longer counts.

    One that was mailed less than a minute ago is not replaced.
    """
    row = SigningLink.objects.select_for_update(of=("self",)).get(id=link.id)
    if row.code_expires_at and now < row.code_expires_at - VALID + timedelta(minutes=1):
        return
    code = f"{secrets.randbelow(10**6):06d}"
    row.code_sha256, row.code_expires_at, row.code_attempts = _digest(row, code), now + VALID, 0
    row.save(update_fields=["code_sha256", "code_expires_at", "code_attempts"])
    queue_mail(
        dedupe_key=f"signing-code/{row.id}/{now.timestamp()}",
        to=row.signer_email,
        subject=f"Your code: {code}",
        text=(
            f"Dear {row.signer_name},\n\n{code} opens {link.version.quote.title}.\n\n"
            "It is valid for 15 minutes. If you did not ask for it, do nothing.\n"
        ),
        subject_ref=f"quote/{link.version.quote_id}",
        now=now,
    )


@transaction.atomic
def is_code_right(*, link: SigningLink, code: str, now: datetime) -> bool:
    """Check a code; five wrong ones, a quarter of an hour or one right answer end it."""
    row = SigningLink.objects.select_for_update(of=("self",)).get(id=link.id)
    if not row.code_sha256 or row.code_expires_at <= now or row.code_attempts >= MOST_ATTEMPTS:
        return False
    is_right = hmac.compare_digest(row.code_sha256, _digest(row, code.strip()))
    row.code_attempts += 1
    if is_right:
        row.code_sha256 = ""
    row.save(update_fields=["code_attempts", "code_sha256"])
    return is_right


def _digest(link: SigningLink, code: str) -> str:
    return hashlib.sha256(f"{link.id}/{code}".encode()).hexdigest()
