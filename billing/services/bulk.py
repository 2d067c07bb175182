"""One action on many invoices, as a job that a person can watch, cancel and retry."""

import hashlib
from collections.abc import Iterable
from datetime import date
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from billing.models import Invoice
from billing.selectors.parts import with_open_parts
from billing.services.calculation import surely_current
from monetization.jobs.models import Job
from monetization.jobs.services import start_job

ACTIONS = {
    "preview": "Review changes of",
    "recalculate": "Recalculate",
    "approve": "Approve",
    "issue": "Issue",
    "send": "Send",
}
COMPUTING = ("preview", "recalculate")


@transaction.atomic
def start_bulk(*, action: str, invoice_ids: Iterable[UUID], issued_on: date | None = None) -> Job:
    """Start a job that previews, recalculates, approves, issues or sends invoices, one item each.

    The same action on the same invoices while it runs is the same job, so a double click
    starts one. Invoices nothing has happened to are not computed: they count as done.

    :param issued_on: the invoice date; needed to issue.
    :raises NothingSelected: without invoices.
    """
    # A review shows the parts of a split draft together, as they are computed together.
    chosen = with_open_parts(invoice_ids) if action == "preview" else list(invoice_ids)
    current = surely_current(chosen, now=timezone.now()) if action in COMPUTING else set()
    found = (
        Invoice.objects.filter(id__any=set(chosen) - current)
        .order_by("customer__name", "bill_on", "id")
        .values_list("id", "customer__name", "number", "bill_on", "customer_id")
    )
    items = []
    customers = {}
    for id, customer, number, bill_on, customer_id in found:
        items.append((str(id), f"{customer[:160]}, {number or f'{bill_on:%-d %b %Y}'}"))
        customers[str(id)] = str(customer_id)  # whose credits and contracts they share
    count = len(items) + len(current)
    noun = "invoice" if count == 1 else "invoices"
    wanted = "\n".join([action, str(issued_on), *sorted(map(str, set(chosen)))])
    return start_job(
        kind=f"invoices.{action}",
        title=f"{ACTIONS[action]} {count:,} {noun}",
        items=items,
        params={"issued_on": issued_on.isoformat()} if issued_on else {},
        groups=customers,
        up_to_date=len(current),
        dedupe_key=f"invoices.{action}/{hashlib.sha256(wanted.encode()).hexdigest()}",
    )
