"""A contract that renewed by itself is billed without anybody's click."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.models import BillingSchedule
from billing.services.schedules import activate_schedule, create_schedule
from quotes.models import OrderForm, SignatureEvidence


@transaction.atomic
def apply_renewal(*, order_form_id: UUID, now: datetime) -> BillingSchedule | None:
    """Bill a term that was agreed in advance, after one that is billed; a repeat changes nothing.

    :returns: the schedule; None where the renewal was signed anew, or the term before it is
        not billed here or was ended early.
    """
    forms = OrderForm.objects.select_for_update(of=("self",)).select_related("version__quote")
    form = forms.get(id=order_form_id)
    quote = form.version.quote
    if quote.kind != "renewal" or quote.amends_id is None:
        return None
    if not form.version.evidence.filter(kind=SignatureEvidence.Kind.ADVANCE).exists():
        return None
    before = (
        BillingSchedule.objects.filter(order_form_id=quote.amends_id, ended_on__isnull=True)
        .exclude(status__in=[BillingSchedule.Status.CANCELLED, BillingSchedule.Status.DRAFT])
        .exists()
    )
    if not before:
        return None
    schedule = create_schedule(order_form_id=form.id, now=now)
    if schedule.status == BillingSchedule.Status.DRAFT:
        activate_schedule(schedule_id=schedule.id, now=now)
    return schedule
