"""Double entry. Balanced, append-only and dated in an open month: the database says so."""

import pgtrigger
from django.db import models
from django.db.models import Q

from monetization.events.models import Event
from monetization.tenancy.models import (
    LegalEntity,
    TenantForeignKey,
    TenantModel,
    TenantPart,
    is_number,
)

APPEND_ONLY = pgtrigger.Update | pgtrigger.Delete


class AccountingPeriod(TenantModel):
    """A calendar month of the books. A closed one takes no entries; reopening is audited."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"

    month = models.DateField()  # its first day
    status = models.CharField(max_length=6, choices=Status, default=Status.OPEN)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "month"], name="accounting_period_once"),
            models.CheckConstraint(
                name="accounting_period_starts_a_month", condition=Q(month__day=1)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.status}"


class JournalEntry(TenantModel):
    """A balanced set of postings caused by one event. Append-only."""

    event = TenantForeignKey(Event, related_name="journal_entries", db_index=False)
    rule = models.CharField(max_length=60)  # the posting rule; once per event
    entry_date = models.DateField()
    legal_entity = TenantForeignKey(LegalEntity, related_name="+")
    memo = models.CharField(max_length=300, blank=True)
    reverses = TenantForeignKey("self", null=True, blank=True, related_name="reversals")
    period_of_origin = models.DateField(null=True, blank=True)  # catch-up: the month it belongs to
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "event", "rule"], name="entry_once_per_rule"),
            models.UniqueConstraint(
                fields=["tenant", "reverses"],
                condition=Q(reverses__isnull=False),
                name="entry_reversed_once",
            ),
        ]
        indexes = [models.Index(fields=["tenant", "entry_date"], name="entry_by_date")]
        triggers = [pgtrigger.Protect(name="entry_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.rule} {self.entry_date}"


class Posting(TenantPart):
    """One side of an entry: debits positive, credits negative. Append-only."""

    entry = TenantForeignKey(JournalEntry, related_name="postings", db_index=False)
    account = models.CharField(max_length=40)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    currency = models.CharField(max_length=3)
    # What the amount is about. Plain ids: the ledger lies below the apps that own these rows.
    customer_id = models.UUIDField(null=True)
    invoice_id = models.UUIDField(null=True)
    contract_id = models.UUIDField(null=True)
    item_key = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="posting_is_a_number_not_zero",
                condition=~Q(amount=0) & is_number("amount"),
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "entry"], name="posting_by_entry"),
            models.Index(fields=["tenant", "account", "customer_id"], name="posting_by_customer"),
            models.Index(fields=["tenant", "contract_id", "item_key"], name="posting_by_line"),
            models.Index(fields=["tenant", "invoice_id"], name="posting_by_invoice"),
        ]
        triggers = [pgtrigger.Protect(name="posting_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.currency}"
