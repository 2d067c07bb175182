"""Post entries; open, close and reopen months."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction

from monetization.events.models import Event
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.ledger.accounts import Leg, balanced
from monetization.ledger.models import AccountingPeriod, JournalEntry, Posting
from monetization.tenancy.context import current_actor


class PeriodClosed(Refusal):
    """The accounting month of the entry's date is closed."""


class PeriodNotClosed(Refusal):
    """Only a closed accounting month can be reopened."""


class EarlierPeriodOpen(Refusal):
    """Months are closed in order."""


def month_of(day: date) -> date:
    return day.replace(day=1)


def period_is_closed(day: date) -> bool:
    return AccountingPeriod.objects.filter(
        month=month_of(day), status=AccountingPeriod.Status.CLOSED
    ).exists()


def first_open_day(day: date) -> date:
    """Return the day itself, or the first day of the first open month after it."""
    closed = set(
        AccountingPeriod.objects.filter(
            month__gte=month_of(day), status=AccountingPeriod.Status.CLOSED
        ).values_list("month", flat=True)
    )
    if month_of(day) not in closed:
        return day
    month = month_of(day)
    while month in closed:
        month = (month + timedelta(days=31)).replace(day=1)
    return month


@transaction.atomic
def post_entry(
    *,
    event: Event,
    rule: str,
    entry_date: date,
    legal_entity_id: UUID,
    legs: Sequence[Leg],
    memo: str = "",
    reverses: JournalEntry | None = None,
    period_of_origin: date | None = None,
) -> JournalEntry | None:
    """Post one balanced entry for an event; legs of zero drop out, no legs post nothing.

    :param entry_date: in an open accounting month; ``first_open_day`` finds one.
    :raises PeriodClosed: if the month of the date is closed (the database refuses too).
    :raises EntryUnbalanced: if the legs do not balance per currency.
    :raises IntegrityError: if the rule already posted for this event.
    """
    moving = balanced(legs)
    if not moving:
        return None
    if period_is_closed(entry_date):
        raise PeriodClosed(f"{entry_date:%B %Y} is closed; date the entry in an open month")
    entry = JournalEntry.objects.create(
        event=event,
        rule=rule,
        entry_date=entry_date,
        legal_entity_id=legal_entity_id,
        memo=memo,
        reverses=reverses,
        period_of_origin=period_of_origin,
    )
    Posting.objects.bulk_create(
        Posting(
            entry=entry,
            account=leg.account,
            amount=leg.amount.amount,
            currency=leg.amount.currency,
            customer_id=leg.customer_id,
            invoice_id=leg.invoice_id,
            contract_id=leg.contract_id,
            item_key=leg.item_key,
        )
        for leg in moving
    )
    return entry


@transaction.atomic
def close_period(*, month: date, now: datetime) -> AccountingPeriod:
    """Close a month of the books: no entry can be dated in it any more.

    :raises EarlierPeriodOpen: if entries exist in an earlier month that is still open.
    :raises PeriodClosed: if it is closed already.
    """
    first = month_of(month)
    period, _ = AccountingPeriod.objects.select_for_update(of=("self",)).get_or_create(month=first)
    if period.status == AccountingPeriod.Status.CLOSED:
        raise PeriodClosed(f"{first:%B %Y} is already closed")
    earlier = _earliest_open_entry_before(first)
    if earlier is not None:
        raise EarlierPeriodOpen(f"close {earlier:%B %Y} first: it has entries and is still open")
    period.status = AccountingPeriod.Status.CLOSED
    period.closed_at, period.closed_by = now, current_actor()
    period.save(update_fields=["status", "closed_at", "closed_by"])
    append_event(
        type="accounting_period.closed",
        subject=f"accounting-period/{first:%Y-%m}",
        data={"month": f"{first:%Y-%m}"},
        occurred_at=now,
    )
    return period


def _earliest_open_entry_before(first: date) -> date | None:
    closed = set(
        AccountingPeriod.objects.filter(
            status=AccountingPeriod.Status.CLOSED, month__lt=first
        ).values_list("month", flat=True)
    )
    months = JournalEntry.objects.filter(entry_date__lt=first).dates("entry_date", "month")
    return next((month for month in months if month not in closed), None)


@transaction.atomic
def reopen_period(*, month: date, reason: str, now: datetime) -> AccountingPeriod:
    """Reopen a closed month; the reason is kept on the stream.

    :raises PeriodNotClosed: if it is open.
    """
    first = month_of(month)
    period = AccountingPeriod.objects.select_for_update(of=("self",)).filter(month=first).first()
    if period is None or period.status != AccountingPeriod.Status.CLOSED:
        raise PeriodNotClosed(f"{first:%B %Y} is not closed")
    period.status = AccountingPeriod.Status.OPEN
    period.save(update_fields=["status"])
    append_event(
        type="accounting_period.reopened",
        subject=f"accounting-period/{first:%Y-%m}",
        data={"month": f"{first:%Y-%m}", "reason": reason},
        occurred_at=now,
    )
    return period
