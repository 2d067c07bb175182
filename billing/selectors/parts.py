"""Read which drafts are parts of one that was split, and what can be taken back."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from billing.models import DraftChange, Invoice, InvoiceLine

CREDIT = "credit"  # the kind of a line by which credits reduce the taxable base


def first_parts(customer_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Return the first part, the earliest made, of every invoice that was split or split off.

    Issued ones are among them: they keep the place of those that are still open.
    """
    rows = DraftChange.objects.filter(
        Q(target__customer__in=list(customer_ids)),
        kind=DraftChange.Kind.SPLIT,
        undone_at__isnull=True,
        origin__isnull=False,
    )
    above: dict[UUID, UUID] = {}

    def top(invoice_id: UUID) -> UUID:
        while invoice_id in above:
            invoice_id = above[invoice_id]
        return invoice_id

    pairs = list(rows.order_by("at", "id").values_list("origin_id", "target_id"))
    for origin, target in pairs:
        first, other = sorted((top(origin), top(target)))
        if first != other:
            above[other] = first
    return {part: top(part) for pair in pairs for part in pair}


def open_parts(invoice: Invoice) -> list[Invoice]:
    """Return the open drafts an open draft is one of, by their age; itself if it is whole."""
    firsts = first_parts([invoice.customer_id])
    first = firsts.get(invoice.id)
    ids = [part for part, of in firsts.items() if of == first] if first else [invoice.id]
    rows = Invoice.objects.filter(
        id__in=ids, status__in=(Invoice.Status.IN_PROGRESS, Invoice.Status.DRAFT)
    )
    return list(rows.order_by("id"))


def own_lines(invoice: Invoice) -> list[InvoiceLine]:
    """Return the lines of a draft without those by which credits reduce others."""
    return list(invoice.lines.exclude(kind=CREDIT).order_by("position", "key"))


def changes_of(invoice: Invoice) -> list[DraftChange]:
    """Return what was split off an open draft or merged into it and can be undone."""
    rows = DraftChange.objects.filter(undone_at__isnull=True, target__isnull=False)
    given = rows.filter(kind=DraftChange.Kind.SPLIT, origin=invoice) | rows.filter(target=invoice)
    return list(given.select_related("target", "origin").order_by("-at"))
