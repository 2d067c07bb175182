"""The stream of business facts and what each handler has yet to do about them."""

from typing import Any

import pgtrigger
from django.contrib.postgres.functions import TransactionNow
from django.db import models

from monetization.tenancy.models import TenantForeignKey, TenantModel, TenantPart


class XactIdField(models.Field):
    """Postgres ``xid8``: the writing transaction, for reading a stream without gaps."""

    def db_type(self, connection: Any) -> str:
        return "xid8"


class Event(TenantModel):
    """Something that became true. Append-only: corrections are new events."""

    source = models.CharField(max_length=200)
    source_event_id = models.CharField(max_length=200)
    type = models.CharField(max_length=100)  # past tense: invoice.issued
    subject = models.CharField(max_length=200)  # "invoice/<id>"
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=TransactionNow())
    xact_id = XactIdField(db_default=models.Func(function="pg_current_xact_id"), editable=False)
    schema_version = models.PositiveSmallIntegerField(default=1)
    data = models.JSONField(default=dict)
    actor = models.CharField(max_length=200)
    caused_by = TenantForeignKey("self", null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "source", "source_event_id"], name="event_identity"
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "subject", "occurred_at"], name="event_by_subject"),
            models.Index(fields=["tenant", "type", "occurred_at"], name="event_by_type"),
            models.Index(fields=["tenant", "-recorded_at"], name="event_by_time"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="event_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"


class EventDelivery(TenantPart):
    """One event for one handler: delivered once in effect, late or replayed if need be."""

    event = TenantForeignKey(Event, related_name="deliveries", db_index=False)
    handler = models.CharField(max_length=100)
    delivered_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)  # null: a person must look
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "event", "handler"], name="delivery_once_per_handler"
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "next_attempt_at"],
                condition=models.Q(delivered_at__isnull=True),
                name="delivery_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.handler} of {self.event_id}"
