"""From a signed order form to a schedule that is billed."""

from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from billing.domain import lifecycle
from billing.models import BillingPeriod, BillingSchedule, Phase
from billing.selectors.clock import HORIZON
from billing.services.numbering import next_number
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.period import local_day, start_instant
from monetization.pricing.terms import OrderTerms, terms_from_data, terms_hash
from monetization.pricing.timeline import charge_periods
from quotes.models import OrderForm


class TermsDiffer(Refusal):
    """The terms do not have the hash that was signed."""


@transaction.atomic
def create_schedule(*, order_form_id: UUID, now: datetime) -> BillingSchedule:
    """Make the draft billing schedule of a signed order form; a repeat returns the first.

    :raises TermsDiffer: if the stored terms are not those whose hash was signed.
    """
    forms = OrderForm.objects.select_for_update(of=("self",))
    form = forms.select_related("version", "legal_entity").get(id=order_form_id)
    existing = form.schedules.exclude(status=BillingSchedule.Status.CANCELLED).first()
    if existing is not None:
        return existing
    terms = terms_from_data(form.terms)
    if terms_hash(terms) != form.terms_sha256:
        raise TermsDiffer(f"the terms of {form.number} are not the ones that were signed")
    schedule = BillingSchedule.objects.create(
        number=next_number(form.legal_entity, "schedule"),
        customer_id=form.customer_id,
        legal_entity_id=form.legal_entity_id,
        order_form=form,
        title=terms.title,
        currency=terms.currency,
        time_zone=terms.time_zone,
        start_on=terms.start_on,
        end_on=terms.end_on,
        payment_terms_days=terms.payment_terms_days,
        purchase_order=form.version.purchase_order,
        terms=form.terms,
        terms_sha256=form.terms_sha256,
    )
    Phase.objects.bulk_create(
        Phase(
            schedule=schedule,
            position=position,
            key=phase.key,
            name=phase.name,
            kind=phase.kind,
            start_on=phase.start_on,
            end_on=phase.end_on,
        )
        for position, phase in enumerate(terms.phases, start=1)
    )
    _announce(schedule, "schedule.created", now)
    return schedule


@transaction.atomic
def activate_schedule(*, schedule_id: UUID, now: datetime) -> BillingSchedule:
    """Start billing: write the period rows; a contract that starts later waits.

    Past periods of a backdated contract become drafts with the next ``advance_schedule``.

    :raises TransitionRefused: if the schedule is not a draft.
    """
    schedule = BillingSchedule.objects.select_for_update(of=("self",)).get(id=schedule_id)
    starts_later = local_day(now, schedule.time_zone) < schedule.start_on
    action = "wait" if starts_later else "activate"
    schedule.status = lifecycle.next_state(lifecycle.SCHEDULE, schedule.status, action)
    schedule.activated_at = now
    schedule.save(update_fields=["status", "activated_at"])
    extend_periods(schedule, today=local_day(now, schedule.time_zone))
    _announce(schedule, "schedule.activated", now)
    return schedule


@transaction.atomic
def change_status(*, schedule_id: UUID, action: str, now: datetime) -> BillingSchedule:
    """Suspend, resume or cancel a schedule.

    :raises TransitionRefused: if that is not possible now.
    """
    schedule = BillingSchedule.objects.select_for_update(of=("self",)).get(id=schedule_id)
    schedule.status = lifecycle.next_state(lifecycle.SCHEDULE, schedule.status, action)
    schedule.save(update_fields=["status"])
    name = {"suspend": "suspended", "resume": "resumed", "cancel": "cancelled"}[action]
    _announce(schedule, f"schedule.{name}", now)
    return schedule


def extend_periods(schedule: BillingSchedule, *, today: date) -> None:
    """Write the periods of the time ahead, before there is too little of it left."""
    until = schedule.end_on or max(today, schedule.start_on) + HORIZON
    if schedule.periods_until is not None and schedule.periods_until >= until - HORIZON / 2:
        return
    write_periods(schedule, terms_from_data(schedule.terms), until=until)


def write_periods(schedule: BillingSchedule, terms: OrderTerms, *, until: date) -> None:
    """Write the period rows that do not exist yet, once; existing rows are never touched."""
    phases = {phase.key: phase for phase in schedule.phases.all()}
    BillingPeriod.objects.bulk_create(
        (
            BillingPeriod(
                schedule=schedule,
                phase=phases[period.phase_key],
                kind=period.kind,
                item_key=period.item_key,
                service_start=period.service.start,
                service_end=period.service.end,
                full_start=period.full.start,
                full_end=period.full.end,
                starts_at=start_instant(period.service.start, schedule.time_zone),
                ends_at=start_instant(period.service.end, schedule.time_zone),
                bill_on=period.bill_on,
            )
            for period in charge_periods(terms, until=until)
        ),
        ignore_conflicts=True,
        batch_size=1000,
    )
    schedule.periods_until = until
    schedule.save(update_fields=["periods_until"])


def terms_of(schedule: BillingSchedule) -> OrderTerms:
    """Return the signed terms a schedule bills."""
    return terms_from_data(schedule.terms)


def _announce(schedule: BillingSchedule, type: str, now: datetime) -> None:
    append_event(
        type=type,
        subject=f"schedule/{schedule.id}",
        data={"schedule_id": str(schedule.id), "customer_id": str(schedule.customer_id)},
        occurred_at=now,
    )
