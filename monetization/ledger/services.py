"""Post entries; open, close and reopen months."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction

from monetization.events.models import Event
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.ledger.accounts import Leg, balanced
from monetization.ledger.models import AccountingPeriod, JournalEntry, Posting
from monetization.tenancy.bulk import insert_rows
from monetization.tenancy.context import current_actor
from monetization.tenancy.joining import joined


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


@joined
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
    return post_entries(
        [NewEntry(event, rule, entry_date, legal_entity_id, legs, memo, reverses, period_of_origin)]
    )[0]


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to post; the fields are those of ``post_entry``."""

    event: Event
    rule: str
    entry_date: date
    legal_entity_id: UUID
    legs: Sequence[Leg]
    memo: str = ""
    reverses: JournalEntry | None = None
    period_of_origin: date | None = None


@joined
def post_entries(wanted: Sequence[NewEntry]) -> list[JournalEntry | None]:
    """Post entries, each as ``post_entry`` does, with a statement per table.

    :returns: in their order; nothing for those whose legs are all zero.
    :raises PeriodClosed: if the month of one is closed; nothing is posted then.
    """
    moving = [(new, legs) for new in wanted if (legs := balanced(new.legs))]
    for day in {month_of(new.entry_date): new.entry_date for new, _ in moving}.values():
        if period_is_closed(day):
            raise PeriodClosed(f"{day:%B %Y} is closed; date the entry in an open month")
    entries = JournalEntry.objects.bulk_create(
        JournalEntry(
            event=new.event,
            rule=new.rule,
            entry_date=new.entry_date,
            legal_entity_id=new.legal_entity_id,
            memo=new.memo,
            reverses=new.reverses,
            period_of_origin=new.period_of_origin,
        )
        for new, _ in moving
    )
    insert_rows(
        [
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
            for entry, (_, legs) in zip(entries, moving, strict=True)
            for leg in legs
        ]
    )
    posted = {id(new): entry for entry, (new, _) in zip(entries, moving, strict=True)}
    return [posted.get(id(new)) for new in wanted]


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
