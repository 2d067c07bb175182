"""Remarks on invoices, for colleagues. They stay; a correction is a new one in their place."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing.models import Invoice, InvoiceComment
from monetization.kernel.errors import Refusal
from monetization.mail.services import queue_mail
from monetization.tenancy.context import current_actor
from monetization.users.services import members_who_may

LONGEST = 4000
_MENTION = re.compile(r"(?<![\w@])@([\w.+-]+(?:@[\w.-]+)?)")


class CommentEmpty(Refusal):
    """A comment says something."""


class CommentNotYours(Refusal):
    """A comment is corrected by who wrote it."""


class CommentReplaced(Refusal):
    """The comment was corrected meanwhile."""


@transaction.atomic
def add_comment(*, invoice_id: UUID, text: str, now: datetime) -> InvoiceComment:
    """Write a remark on an invoice, whatever its status.

    :raises CommentEmpty: without text.
    """
    invoice = Invoice.objects.select_related("customer").get(id=invoice_id)
    comment: InvoiceComment = InvoiceComment.objects.create(
        invoice=invoice, author=current_actor(), text=_text(text), at=now
    )
    _tell_mentioned(invoice, comment, set(), now)
    return comment


@transaction.atomic
def correct_comment(
    *, invoice_id: UUID, comment_id: UUID, text: str, now: datetime
) -> InvoiceComment:
    """Put another text in the place of one's own remark; the old one stays in its history.

    :raises CommentNotYours: if somebody else wrote it.
    :raises CommentReplaced: if it was corrected before.
    :raises CommentEmpty: without text.
    """
    Invoice.objects.select_for_update(of=("self",)).get(id=invoice_id)
    old = InvoiceComment.objects.get(id=comment_id, invoice=invoice_id)
    if old.author != current_actor():
        raise CommentNotYours(f"{old.author} wrote it; answer with a comment of your own")
    if old.replaced_by.exists():
        raise CommentReplaced("this comment was corrected meanwhile; correct the newer one")
    if old.text == _text(text):
        return old
    comment: InvoiceComment = InvoiceComment.objects.create(
        invoice=old.invoice, author=old.author, text=_text(text), at=now, replaces=old
    )
    _tell_mentioned(old.invoice, comment, mentioned_in(old.text), now)
    return comment


def mentioned_in(text: str) -> set[str]:
    """Return the members a remark names: ``@`` and their address, or what is before its ``@``.

    A short name that fits two members names both; nobody else who reads an address is told.
    """
    wanted = {name.lower().rstrip(".,;:!?") for name in _MENTION.findall(text)}
    if not wanted:
        return set()
    found = members_who_may("invoices:read")
    return {each for each in found if {each.lower(), each.lower().partition("@")[0]} & wanted}


def _tell_mentioned(
    invoice: Invoice, comment: InvoiceComment, before: set[str], now: datetime
) -> None:
    """Mail those a remark names, once each; who was named before its correction knows already."""
    what = invoice.number or f"the draft of {invoice.bill_on:%-d %b %Y}"
    for address in sorted(mentioned_in(comment.text) - before - {comment.author}):
        queue_mail(
            dedupe_key=f"invoice-comment/{comment.id}/{address}",
            to=address,
            subject=f"{comment.author} mentions you on {what} for {invoice.customer.name}",
            text=(
                f"{comment.author} writes about {what} for {invoice.customer.name}:\n\n"
                f"{comment.text}\n\n{settings.PUBLIC_BASE_URL}/billing/invoices/{invoice.id}/#comments\n"
            ),
            subject_ref=f"invoice/{invoice.id}",
            now=now,
        )


@dataclass(frozen=True, slots=True)
class Thread:
    """A comment as it reads now, and its earlier texts, the newest first."""

    comment: InvoiceComment
    earlier: tuple[InvoiceComment, ...]


def threads_of(invoice: Invoice) -> list[Thread]:
    """Return an invoice's comments, oldest first, each with its history."""
    rows = list(invoice.comments.order_by("at", "id"))
    by_id: dict[UUID | None, InvoiceComment] = {row.id: row for row in rows}
    replaced = {row.replaces_id for row in rows if row.replaces_id}
    threads = []
    for row in rows:
        if row.id in replaced:
            continue
        earlier = []
        older = by_id.get(row.replaces_id)
        while older is not None:
            earlier.append(older)
            older = by_id.get(older.replaces_id)
        threads.append(Thread(row, tuple(earlier)))
    return sorted(threads, key=lambda each: (each.earlier or (each.comment,))[-1].at)


def _text(text: str) -> str:
    text = text.strip()
    if not text:
        raise CommentEmpty("text: write something")
    return text[:LONGEST]
