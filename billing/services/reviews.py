"""A recalculation as a diff to look at first: computed by a job, applied as it was reviewed."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.models import Invoice
from billing.selectors.parts import first_parts, with_open_parts
from billing.services.calculation import InvoiceChange
from billing.services.invoicing import preview_invoices, recalculate_invoices
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import start_job
from monetization.kernel.errors import Refusal

PREVIEW = "invoices.preview"


class NoSuchReview(Refusal):
    """The job is no review of changes, or is still at work."""


class ReviewOutdated(Refusal):
    """Something else would change now than what was reviewed."""


def as_data(change: InvoiceChange) -> dict[str, Any]:
    """Return a change as a job item keeps it; amounts as text."""
    return {
        "before": str(change.total_before),
        "after": str(change.total_after),
        "causes": ", ".join(sorted({line.cause for line in change.changes})),
        "changes": [
            {
                "key": line.key,
                "description": line.description,
                "before": None if line.before is None else str(line.before),
                "after": None if line.after is None else str(line.after),
                "cause": line.cause,
            }
            for line in change.changes
        ],
    }


def changed_items(job: Job) -> Any:
    """Return the items of a review whose invoices would change."""
    return job.items.filter(status=JobItem.Status.DONE).order_by("position")


@transaction.atomic
def start_apply(*, review_id: UUID, invoice_ids: Iterable[UUID] | None = None) -> Job:
    """Apply what a review found, to the invoices chosen or to all of them, as a job.

    :raises NoSuchReview: if the job is no review, or has not ended.
    :raises NothingSelected: if nothing would change on them.
    """
    review = Job.objects.filter(id=review_id, kind=PREVIEW).first()
    if review is None or not review.is_finished:
        raise NoSuchReview("review: the changes are not computed yet")
    found = changed_items(review)
    if invoice_ids is not None:
        found = found.filter(key__in=[str(each) for each in with_open_parts(invoice_ids)])
    rows = list(found.values_list("key", "label", "lane"))
    items = [(key, label) for key, label, _ in rows]
    noun = "invoice" if len(items) == 1 else "invoices"
    wanted = "\n".join(key for key, _ in items)
    return start_job(
        kind="invoices.apply",
        title=f"Apply reviewed changes to {len(items):,} {noun}",
        items=items,
        params={"review": str(review.id)},
        groups={key: str(lane) for key, _, lane in rows},
        dedupe_key=f"apply/{review.id}/{hashlib.sha256(wanted.encode()).hexdigest()}",
    )


@transaction.atomic
def apply_reviewed(
    *, review_id: UUID, invoice_ids: Sequence[UUID], now: datetime
) -> dict[UUID, InvoiceChange | ReviewOutdated]:
    """Recalculate the invoices on which that changes exactly what was reviewed.

    The parts of a split draft are computed together: one that would change otherwise holds all.

    :returns: what changed, or the refusal where something else would change, for example after
        late usage; invoices nothing changes on any more are left out.
    """
    coming = preview_invoices(invoice_ids=invoice_ids, now=now)
    keys = [str(each.invoice_id) for each in coming]
    reviewed = {
        UUID(item.key): item.result
        for item in JobItem.objects.filter(job=review_id, job__kind=PREVIEW, key__in=keys)
    }
    whole = _wholes([each.invoice_id for each in coming])
    held = {
        whole[each.invoice_id] for each in coming if as_data(each) != reviewed.get(each.invoice_id)
    }
    agreed = [each.invoice_id for each in coming if whole[each.invoice_id] not in held]
    done = {each.invoice_id: each for each in recalculate_invoices(invoice_ids=agreed, now=now)}
    for invoice_id, change in done.items():
        if as_data(change) != reviewed.get(invoice_id):  # since the line above
            raise _outdated()
    return {
        each.invoice_id: done.get(each.invoice_id) or _outdated()
        for each in coming
        if each.invoice_id in done or each.invoice_id not in agreed
    }


def _wholes(invoice_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the first part of each invoice that was split; of others, itself."""
    customers = Invoice.objects.filter(id__in=invoice_ids).values_list("customer_id", flat=True)
    firsts = first_parts(set(customers))
    return {each: firsts.get(each, each) for each in invoice_ids}


def _outdated() -> ReviewOutdated:
    return ReviewOutdated("it would change otherwise now than was reviewed; review it again")


def invoices_of(items: Iterable[JobItem]) -> dict[str, Invoice]:
    """Return the invoices of a page of items by their key."""
    keys = [item.key for item in items]
    rows = Invoice.objects.filter(id__in=keys).select_related("customer")
    return {str(row.id): row for row in rows}
