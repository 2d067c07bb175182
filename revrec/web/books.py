"""The trial balance and the journal."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from monetization.events.schemas import PayloadInvalid, event_type
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.ledger.accounts import Account
from monetization.ledger.models import JournalEntry, Posting
from monetization.ledger.selectors import TrialBalanceRow
from monetization.ledger.selectors import trial_balance as balances
from revrec import selectors
from revrec.web.forms import AsOfForm, JournalForm, add_months, rule_label
from revrec.web.views import PER_PAGE, today

ZERO = Decimal(0)
EXPORTED_AT_MOST = 100_000


@require_safe
@member_required("revenue:read")
def trial_balance(request: HttpRequest) -> Any:
    """Every account per currency as of a day; debits and credits must agree."""
    form = AsOfForm(request.GET)
    as_of: date = form.values()["as_of"] or today()
    rows = balances(as_of=as_of)
    if request.GET.get("export") == "csv":
        return csv_response(
            f"trial-balance-{as_of:%Y-%m-%d}.csv",
            ["Account", "Currency", "Debit", "Credit", "Balance"],
            [(row.account.label, row.currency, row.debit, row.credit, row.balance) for row in rows],
        )
    by_currency: dict[str, list[TrialBalanceRow]] = defaultdict(list)
    for row in rows:
        by_currency[row.currency].append(row)
    context = {
        "tab": "trial-balance",
        "form": form,
        "as_of": as_of,
        "currencies": [
            {
                "currency": currency,
                "rows": found,
                "debit": sum((row.debit for row in found), start=ZERO),
                "credit": sum((row.credit for row in found), start=ZERO),
                "balance": sum((row.balance for row in found), start=ZERO),
            }
            for currency, found in by_currency.items()
        ],
    }
    return render(request, "revrec/trial_balance.html", context)


@dataclass(frozen=True, slots=True)
class ShownLeg:
    """One posting in words."""

    account: str
    customer: str
    about: str
    debit: Decimal | None
    credit: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """One journal entry in words, with what caused it and where its document is."""

    entry: JournalEntry
    why: str
    cause: str
    link: str
    link_label: str
    legs: tuple[ShownLeg, ...]


@require_safe
@member_required("revenue:read")
def journal(request: HttpRequest) -> Any:
    """Journal entries with their legs and the event that caused each."""
    first = selectors.first_month_of_books()
    months = selectors.months_between(first, add_months(today(), 1)) if first else []
    form = JournalForm(request.GET, months=list(reversed(months)))
    chosen = form.values()
    start = date.fromisoformat(f"{chosen['month']}-01") if chosen["month"] else None
    entries = selectors.journal(
        start=start,
        end=selectors.month_end(start) if start else None,
        account=chosen["account"] or "",
        rule=chosen["rule"] or "",
        customer_id=chosen["customer"],
        schedule_id=chosen["schedule"],
    )
    if request.GET.get("export") == "csv":
        return _journal_csv(entries)
    page = Paginator(entries, PER_PAGE).get_page(request.GET.get("page"))
    context = {"tab": "journal", "form": form, "page": page, "entries": shown(list(page))}
    return render(request, "revrec/journal.html", context)


def shown(entries: list[JournalEntry]) -> list[ShownEntry]:
    """Put entries into words, in a fixed number of queries."""
    postings: dict[Any, list[Posting]] = defaultdict(list)
    rows = Posting.objects.filter(entry__in=[entry.id for entry in entries]).order_by("id")
    for row in rows:
        postings[row.entry_id].append(row)
    names = selectors.names_of(row for found in postings.values() for row in found)
    return [_shown(entry, postings[entry.id], names) for entry in entries]


def _shown(entry: JournalEntry, postings: list[Posting], names: selectors.Names) -> ShownEntry:
    link, label = _document(postings, names)
    return ShownEntry(
        entry=entry,
        why=rule_label(entry.rule),
        cause=_cause(entry),
        link=link,
        link_label=label,
        legs=tuple(_leg(row, names) for row in sorted(postings, key=lambda row: (row.amount < 0,))),
    )


def _cause(entry: JournalEntry) -> str:
    try:
        return event_type(entry.event.type).description
    except PayloadInvalid:  # a type of an app that is no longer installed
        return str(entry.event.type)


def _document(postings: list[Posting], names: selectors.Names) -> tuple[str, str]:
    """Return the invoice an entry is about, else its contract: address and name."""
    for row in postings:
        if row.invoice_id in names.invoices:
            return _reverse("billing:invoice-detail", row.invoice_id), names.invoices[
                row.invoice_id
            ]
    for row in postings:
        if row.contract_id in names.schedules:
            return _reverse("revrec:contract", row.contract_id), names.schedules[row.contract_id]
    return "", ""


def _reverse(name: str, row_id: Any) -> str:
    try:
        return reverse(name, args=[row_id])
    except NoReverseMatch:
        return ""


def _leg(row: Posting, names: selectors.Names) -> ShownLeg:
    line = ""
    if row.contract_id and row.item_key:
        line = names.products.get((row.contract_id, row.item_key)) or selectors.name_of_line(
            row.item_key
        )
    document = names.invoices.get(row.invoice_id) or names.schedules.get(row.contract_id) or ""
    return ShownLeg(
        account=Account(row.account).label,
        customer=names.customers.get(row.customer_id, ""),
        about=" · ".join(part for part in (document, line) if part),
        debit=row.amount if row.amount > 0 else None,
        credit=-row.amount if row.amount < 0 else None,
        currency=row.currency,
    )


def _journal_csv(entries: Any) -> Any:
    header = [
        "Date",
        "Why",
        "Memo",
        "Belongs to",
        "Account",
        "Debit",
        "Credit",
        "Currency",
        "Customer",
        "About",
    ]
    rows = [
        (
            one.entry.entry_date,
            one.why,
            one.entry.memo,
            f"{one.entry.period_of_origin:%Y-%m}" if one.entry.period_of_origin else "",
            leg.account,
            leg.debit,
            leg.credit,
            leg.currency,
            leg.customer,
            leg.about,
        )
        for one in shown(list(entries[:EXPORTED_AT_MOST]))
        for leg in one.legs
    ]
    return csv_response(f"journal-{today():%Y-%m-%d}.csv", header, rows)
