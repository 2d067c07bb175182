"""The books as accountants read them: positions, the journal, and whether all of it ties out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import DecimalField, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from billing.models import BillingSchedule, CreditNote, CreditNoteLine, Invoice, InvoiceLine
from monetization.customers.models import Customer
from monetization.ledger.accounts import Account
from monetization.ledger.models import JournalEntry, Posting
from revrec.selectors.by_month import name_of_line, product_names

ZERO = Decimal(0)
_CREDITS = ("credit", "prepaid")  # kinds of lines: credits used before tax, credits sold
_NOTHING = Value(ZERO, output_field=DecimalField())


@dataclass(frozen=True, slots=True)
class ContractPosition:
    """What one contract line is billed ahead (a liability) or earned ahead (an asset)."""

    customer_id: UUID | None
    customer: str
    schedule_id: UUID | None
    schedule: str
    line: str
    currency: str
    liability: Decimal
    asset: Decimal


def contract_positions(
    *, as_of: date | None = None, currency: str = "", customer_id: UUID | None = None
) -> list[ContractPosition]:
    """Return every contract line with a balance, by customer.

    :param as_of: entries dated up to this day, inclusive; all of them when not given.
    """
    postings = Posting.objects.filter(
        account__in=[Account.DEFERRED_REVENUE, Account.UNBILLED_RECEIVABLE]
    )
    if as_of is not None:
        postings = postings.filter(entry__entry_date__lte=as_of)
    if currency:
        postings = postings.filter(currency=currency)
    if customer_id is not None:
        postings = postings.filter(customer_id=customer_id)
    rows = list(
        postings.values("customer_id", "contract_id", "item_key", "currency")
        .annotate(
            liability=_balance_of(Account.DEFERRED_REVENUE),
            asset=_balance_of(Account.UNBILLED_RECEIVABLE),
        )
        .exclude(liability=0, asset=0)
    )
    customers = dict(
        Customer.objects.filter(id__in={row["customer_id"] for row in rows}).values_list(
            "id", "name"
        )
    )
    schedules = dict(
        BillingSchedule.objects.filter(id__in={row["contract_id"] for row in rows}).values_list(
            "id", "number"
        )
    )
    products = product_names()
    return sorted(
        (
            ContractPosition(
                customer_id=row["customer_id"],
                customer=customers.get(row["customer_id"], ""),
                schedule_id=row["contract_id"],
                schedule=schedules.get(row["contract_id"], ""),
                line=products.get((row["contract_id"], row["item_key"]))
                or name_of_line(row["item_key"]),
                currency=row["currency"],
                liability=-row["liability"],
                asset=row["asset"],
            )
            for row in rows
        ),
        key=lambda one: (one.customer.lower(), one.schedule, one.line),
    )


def _balance_of(account: Account) -> Any:
    return Coalesce(Sum("amount", filter=Q(account=account)), _NOTHING)


@dataclass(frozen=True, slots=True)
class TieOut:
    """Two figures that must be the same, and where each comes from."""

    currency: str
    billed: Decimal  # issued invoices less credit notes, without tax and credits, from documents
    recognized: Decimal
    deferred: Decimal
    unbilled: Decimal

    @property
    def explained(self) -> Decimal:
        """Return what the ledger says was billed."""
        return self.recognized + self.deferred - self.unbilled

    @property
    def difference(self) -> Decimal:
        return self.billed - self.explained

    @property
    def holds(self) -> bool:
        return not self.difference


def tie_out() -> list[TieOut]:
    """Compare the documents with the ledger, per currency: all of both, up to now.

    Billed = recognized + deferred - unbilled. The left side adds up documents, the right side
    postings; nothing is derived from one side for the other. Lines that sell or use credits are
    on neither side: what is prepaid is a debt of its own until it is used, and then the line it
    pays for is billed in full.
    """
    issued = Invoice.Status.ISSUED
    documents = Invoice.objects.filter(status=issued).values_list(
        "currency", Sum("subtotal_amount")
    )
    less = (
        CreditNote.objects.values_list("currency", -Sum("subtotal_amount")),
        InvoiceLine.objects.filter(kind__in=_CREDITS, invoice__status=issued).values_list(
            "invoice__currency", -Sum("amount")
        ),
        CreditNoteLine.objects.filter(invoice_line__kind__in=_CREDITS).values_list(
            "credit_note__currency", Sum("amount")
        ),
    )
    billed: dict[str, Decimal] = {}
    for currency, amount in documents.union(*less, all=True):
        billed[currency] = billed.get(currency, ZERO) + amount
    ledger = {
        row["currency"]: row
        for row in Posting.objects.values("currency").annotate(
            revenue=_balance_of(Account.REVENUE),
            deferred=_balance_of(Account.DEFERRED_REVENUE),
            unbilled=_balance_of(Account.UNBILLED_RECEIVABLE),
        )
    }
    none = {"revenue": ZERO, "deferred": ZERO, "unbilled": ZERO}
    return [
        TieOut(
            currency=currency,
            billed=billed.get(currency, ZERO),
            recognized=-ledger.get(currency, none)["revenue"],
            deferred=-ledger.get(currency, none)["deferred"],
            unbilled=ledger.get(currency, none)["unbilled"],
        )
        for currency in sorted({*billed, *ledger})
    ]


def balance(account: Account, *, as_of: date) -> dict[str, Decimal]:
    """Return one account's balance per currency over entries up to a day, debits positive."""
    return {
        row["currency"]: row["total"]
        for row in Posting.objects.filter(account=account, entry__entry_date__lte=as_of)
        .values("currency")
        .annotate(total=Sum("amount"))
    }


def journal(
    *,
    start: date | None = None,
    end: date | None = None,
    account: str = "",
    rule: str = "",
    customer_id: UUID | None = None,
    schedule_id: UUID | None = None,
) -> QuerySet[JournalEntry]:
    """Return entries dated in [start, end), newest first, that touch what is asked for."""
    entries = JournalEntry.objects.select_related("event", "legal_entity")
    if start is not None:
        entries = entries.filter(entry_date__gte=start)
    if end is not None:
        entries = entries.filter(entry_date__lt=end)
    if rule:
        entries = entries.filter(Q(rule=rule) | Q(rule__startswith=f"{rule}:"))
    postings = Posting.objects.all()
    touched = {
        name: value
        for name, value in (
            ("account", account),
            ("customer_id", customer_id),
            ("contract_id", schedule_id),
        )
        if value
    }
    if touched:
        entries = entries.filter(id__in=postings.filter(**touched).values("entry_id"))
    return entries.order_by("-entry_date", "-id")


@dataclass(frozen=True, slots=True)
class Names:
    """Words for the ids that postings carry."""

    customers: dict[UUID | None, str]
    invoices: dict[UUID | None, str]
    schedules: dict[UUID | None, str]
    products: dict[tuple[UUID, str], str]


def names_of(postings: Iterable[Posting]) -> Names:
    """Look up what postings are about, in a fixed number of queries."""
    rows = list(postings)
    schedules = {row.contract_id for row in rows if row.contract_id}
    return Names(
        customers=dict(
            Customer.objects.filter(id__in={row.customer_id for row in rows}).values_list(
                "id", "name"
            )
        ),
        invoices=dict(
            Invoice.objects.filter(id__in={row.invoice_id for row in rows}).values_list(
                "id", "number"
            )
        ),
        schedules=dict(
            BillingSchedule.objects.filter(id__in=schedules).values_list("id", "number")
        ),
        products=product_names(),
    )


def rules_in_use() -> list[str]:
    """Return the posting rules with entries, without what they were applied to."""
    found = JournalEntry.objects.order_by().values_list("rule", flat=True).distinct()
    return sorted({str(rule).partition(":")[0] for rule in found})


def customers_in_books() -> QuerySet[Customer]:
    """Return the customers that postings name."""
    return Customer.objects.filter(
        id__in=Posting.objects.filter(customer_id__isnull=False).values("customer_id")
    ).order_by("name")


def positions_total(rows: Iterable[ContractPosition]) -> list[dict[str, Any]]:
    """Add positions up per currency; amounts of different currencies never add up."""
    sums: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = sums.setdefault(
            row.currency, {"currency": row.currency, "liability": ZERO, "asset": ZERO}
        )
        entry["liability"] += row.liability
        entry["asset"] += row.asset
    return [sums[currency] for currency in sorted(sums)]
