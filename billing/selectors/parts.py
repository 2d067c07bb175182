"""Read which drafts are parts of one that was split, and what can be taken back."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from billing.models import DraftChange, Invoice, InvoiceLine
from monetization.tenancy.bulk import bulk_cursor

CREDIT = "credit"  # the kind of a line by which credits reduce the taxable base

# Nothing of what was never split is looked at a second time: the walk begins at the splits.
_OPEN_PARTS = """
WITH RECURSIVE pairs AS NOT MATERIALIZED (
  SELECT origin_id, target_id FROM billing_draftchange
   WHERE tenant_id = current_tenant_id() AND kind = 'split' AND undone_at IS NULL
     AND origin_id IS NOT NULL AND target_id IS NOT NULL),
kin (id) AS (
  SELECT id FROM (SELECT target_id AS id FROM pairs WHERE target_id = ANY(%b)
                  UNION ALL SELECT origin_id FROM pairs WHERE origin_id = ANY(%b)) named
  UNION
  SELECT beside.id FROM kin CROSS JOIN LATERAL (
    SELECT origin_id AS id FROM pairs WHERE target_id = kin.id
    UNION ALL SELECT target_id FROM pairs WHERE origin_id = kin.id) beside)
SELECT i.id FROM kin JOIN billing_invoice i ON i.id = kin.id
 WHERE i.status IN ('in_progress', 'draft') AND i.id <> ALL(%b) ORDER BY i.id
"""


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


def with_open_parts(invoice_ids: Iterable[UUID]) -> list[UUID]:
    """Return invoices in their order, then the open parts of those that were split.

    One statement however many there are.
    """
    named = list(invoice_ids)
    if not named:
        return []
    with bulk_cursor() as cursor:
        cursor.execute(_OPEN_PARTS, [named, named, named])
        return [*named, *(row[0] for row in cursor)]


def locked_with_parts(invoice_ids: Iterable[UUID]) -> dict[UUID, Invoice]:
    """Lock invoices and their open parts, in the one order there is, and return them.

    What is done to a part computes the others too, so they are locked before anything is done.

    :raises Invoice.DoesNotExist: if one that was named is gone.
    """
    named = set(invoice_ids)
    rows = Invoice.objects.select_for_update(of=("self",)).select_related("customer", "schedule")
    found = {row.id: row for row in rows.filter(id__in=with_open_parts(named)).order_by("id")}
    if not named <= found.keys():
        raise Invoice.DoesNotExist("there is no such invoice")
    return found


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
