"""Usage billed by an estimate: who sets it, and the true-up when the actuals have come."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from billing.models import (
    BillingSchedule,
    CalculationMark,
    Invoice,
    LateUsageDecision,
    UsageEstimate,
)
from billing.services.late_usage import NothingLate, estimated_invoices, route_late_usage
from billing.services.measuring import breakdown_of
from monetization.events.services import append_event
from monetization.kernel.decimals import plain
from monetization.kernel.errors import Refusal
from monetization.pricing.terms import ItemTerms, terms_from_data

LARGEST = Decimal(10) ** 26
TRUED_UP = "Estimate trued up"


class EstimateInvalid(Refusal):
    """A usage line cannot be estimated so; the message names the field."""


@transaction.atomic
def set_estimate(
    *,
    schedule_id: UUID,
    item_key: str,
    basis: str,
    now: datetime,
    quantity: Decimal | None = None,
    is_always: bool = False,
) -> UsageEstimate | None:
    """Say how a contract's usage line is estimated once its period is over; "" ends it.

    Without ``is_always`` only a period in which nothing was measured by then is estimated.

    :param quantity: of a full period, for the basis ``fixed``; part periods take their days' part.
    :raises EstimateInvalid: for a line that is no usage, prices single events or runs on over
        periods, or a quantity that does not fit the basis.
    """
    schedule = BillingSchedule.objects.select_for_update(of=("self",)).get(id=schedule_id)
    kept = UsageEstimate.objects.filter(schedule=schedule, item_key=item_key)
    rule: UsageEstimate | None = None
    if not basis:
        if not kept.delete()[0]:
            return None
    else:
        _refuse_invalid(schedule, item_key, basis, quantity)
        rule, _ = UsageEstimate.objects.update_or_create(
            schedule=schedule,
            item_key=item_key,
            defaults={
                "basis": basis,
                "quantity": quantity,
                "is_always": is_always,
                "set_at": now,
            },
        )
    CalculationMark.objects.filter(invoice__schedule=schedule).delete()
    append_event(
        type="schedule.estimate_changed",
        subject=f"schedule/{schedule.id}",
        data={
            "schedule_id": str(schedule.id),
            "item_key": item_key,
            "basis": basis,
            "quantity": "" if quantity is None else plain(quantity),
        },
        occurred_at=now,
    )
    return rule


def usage_items(schedule: BillingSchedule) -> list[ItemTerms]:
    """Return a contract's usage lines that can be estimated, each once."""
    terms = terms_from_data(schedule.terms)
    found = {
        item.key: item
        for phase in terms.phases
        for item in phase.items
        if item.kind == "usage" and not _why_not(item, terms.time_zone)
    }
    return list(found.values())


def _why_not(item: ItemTerms, zone: str) -> str:
    if breakdown_of(item.model, zone) is not None:
        return "its price looks at single events; only a quantity can be estimated"
    if item.accumulation != "per_period":
        return "its tiers run on over periods; they need what was measured"
    return ""


def _refuse_invalid(
    schedule: BillingSchedule, item_key: str, basis: str, quantity: Decimal | None
) -> None:
    terms = terms_from_data(schedule.terms)
    items = [item for phase in terms.phases for item in phase.items if item.key == item_key]
    if not items or items[0].kind != "usage":
        raise EstimateInvalid(f"item_key: {schedule.number} has no usage line of this name")
    for item in items:
        if reason := _why_not(item, terms.time_zone):
            raise EstimateInvalid(f"item_key: {reason}")
    if basis not in UsageEstimate.Basis.values:
        raise EstimateInvalid(f"basis: must be one of {', '.join(UsageEstimate.Basis.values)}")
    if basis != UsageEstimate.Basis.FIXED and quantity is not None:
        raise EstimateInvalid("quantity: only a fixed estimate has one")
    if basis == UsageEstimate.Basis.FIXED and (
        quantity is None or not quantity.is_finite() or not 0 <= quantity < LARGEST
    ):
        raise EstimateInvalid("quantity: a fixed estimate needs one, not below zero")


def due_true_ups() -> list[UUID]:
    """Return the contracts that billed estimates and have a draft to carry the difference."""
    drafts = Invoice.objects.filter(status=Invoice.Status.DRAFT, schedule__isnull=False)
    found = estimated_invoices().filter(schedule__in=drafts.values("schedule_id"))
    return sorted({row for row in found.values_list("schedule_id", flat=True) if row is not None})


@transaction.atomic
def true_up_estimates(*, schedule_id: UUID, now: datetime) -> list[LateUsageDecision]:
    """Put on a contract's next draft what its estimates differ from what was measured since.

    The difference goes through the price: what the whole period comes to, less what was billed.
    Before the next invoice's period is over nothing is done, so that it carries one line. What
    comes in later is trued up on the draft after it; run again it finds nothing.
    """
    BillingSchedule.objects.select_for_update(of=("self",)).get(id=schedule_id)
    drafts = Invoice.objects.filter(schedule=schedule_id, status=Invoice.Status.DRAFT)
    made: list[LateUsageDecision] = []
    if not drafts.exists():
        return made
    invoices = estimated_invoices().filter(schedule=schedule_id).order_by("bill_on")
    for invoice_id in invoices.values_list("id", flat=True):
        try:
            with transaction.atomic():
                made += route_late_usage(
                    invoice_id=invoice_id,
                    action=LateUsageDecision.Action.NEXT_INVOICE,
                    reason=TRUED_UP,
                    now=now,
                    estimates_only=True,
                )
        except NothingLate:
            continue
    return made
