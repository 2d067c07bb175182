"""Remarks on invoices, for colleagues. They stay; a correction is a new one in their place."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.models import Invoice, InvoiceComment
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import current_actor

LONGEST = 4000


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
    return InvoiceComment.objects.create(
        invoice=Invoice.objects.get(id=invoice_id),
        author=current_actor(),
        text=_text(text),
        at=now,
    )


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
    return InvoiceComment.objects.create(
        invoice=old.invoice, author=old.author, text=_text(text), at=now, replaces=old
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
