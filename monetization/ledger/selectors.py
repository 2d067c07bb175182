"""Balances of the books, by account and by whatever an amount is about."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q, Sum

from monetization.kernel.money import Money
from monetization.ledger.accounts import Account
from monetization.ledger.models import Posting


@dataclass(frozen=True, slots=True)
class TrialBalanceRow:
    """One account in one currency. Debits positive."""

    account: Account
    currency: str
    debit: Decimal
    credit: Decimal
    balance: Decimal


def trial_balance(*, as_of: date | None = None, since: date | None = None) -> list[TrialBalanceRow]:
    """Sum every account per currency over entries dated ``since`` <= day <= ``as_of``."""
    postings = Posting.objects.all()
    if as_of is not None:
        postings = postings.filter(entry__entry_date__lte=as_of)
    if since is not None:
        postings = postings.filter(entry__entry_date__gte=since)
    rows = (
        postings.values("account", "currency")
        .annotate(
            debit=Sum("amount", filter=Q(amount__gt=0), default=Decimal(0)),
            credit=Sum("amount", filter=Q(amount__lt=0), default=Decimal(0)),
            balance=Sum("amount"),
        )
        .order_by("currency", "account")
    )
    order = {account.value: position for position, account in enumerate(Account)}
    return sorted(
        (
            TrialBalanceRow(
                Account(row["account"]),
                row["currency"],
                row["debit"],
                -row["credit"],
                row["balance"],
            )
            for row in rows
        ),
        key=lambda row: (row.currency, order[row.account.value]),
    )


@dataclass(frozen=True, slots=True)
class LinePosition:
    """What one contract line has been billed ahead and earned ahead. Neither is negative."""

    deferred: Money
    unbilled: Money


def line_positions(
    *, contract_ids: Iterable[UUID], currency: str | None = None
) -> dict[tuple[UUID, str], LinePosition]:
    """Return deferred and unbilled balances per (contract, line key)."""
    rows: Any = (
        Posting.objects.filter(
            contract_id__in=list(contract_ids),
            account__in=[Account.DEFERRED_REVENUE, Account.UNBILLED_RECEIVABLE],
        )
        .values("contract_id", "item_key", "currency")
        .annotate(
            deferred=Sum("amount", filter=Q(account=Account.DEFERRED_REVENUE), default=Decimal(0)),
            unbilled=Sum(
                "amount", filter=Q(account=Account.UNBILLED_RECEIVABLE), default=Decimal(0)
            ),
        )
    )
    if currency is not None:
        rows = rows.filter(currency=currency)
    return {
        (row["contract_id"], row["item_key"]): LinePosition(
            deferred=Money(-row["deferred"], row["currency"]),
            unbilled=Money(row["unbilled"], row["currency"]),
        )
        for row in rows
    }


def entries_of_event(event_id: UUID) -> list[Posting]:
    """Return the postings an event caused, in order, with their entries."""
    return list(
        Posting.objects.filter(entry__event_id=event_id).select_related("entry").order_by("id")
    )
