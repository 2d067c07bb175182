"""Where the stream is sent to, and what became of each delivery."""

from django.db import models
from django.db.models import Q
from encrypted_fields.fields import EncryptedTextField

from monetization.audit.models import audited
from monetization.events.models import Event
from monetization.tenancy.models import TenantForeignKey, TenantModel


class WebhookEndpoint(TenantModel):
    """An address of the tenant that is told what happens. Secrets are encrypted.

    ``disabled`` is what the receiver or a person switched off: its deliveries wait. ``removed``
    takes nothing any more; its log stays.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        DISABLED = "disabled", "Disabled"
        REMOVED = "removed", "Removed"

    url = models.URLField(max_length=500)
    description = models.CharField(max_length=120, blank=True)
    event_types = models.JSONField(default=list)  # "*", "invoice.*", "invoice.issued"
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)
    disabled_reason = models.CharField(max_length=300, blank=True)
    secret = EncryptedTextField()
    previous_secret = EncryptedTextField(null=True, blank=True)  # signs too while rotating
    previous_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        triggers = [audited()]

    def __str__(self) -> str:
        return self.description or self.url


class EndpointHealth(TenantModel):
    """How an endpoint does; apart from it, because this is no change anybody made."""

    endpoint = TenantForeignKey(WebhookEndpoint, related_name="health", db_index=False)
    failures = models.PositiveIntegerField(default=0)  # in a row
    quiet_until = models.DateTimeField(null=True, blank=True)  # left alone until then

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "endpoint"], name="webhook_health_once")
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id}: {self.failures} failures"


class WebhookDelivery(TenantModel):
    """One event for one endpoint: sent at least once, with its id to tell repeats.

    ``pending`` is due at ``next_attempt_at``; ``failed`` went unaccepted too often and waits
    for a person.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    endpoint = TenantForeignKey(WebhookEndpoint, related_name="deliveries", db_index=False)
    event = TenantForeignKey(Event, related_name="+")
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)  # since a person last asked
    claims = models.PositiveIntegerField(default=0)  # ever; the fence of a lease
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "endpoint", "event"], name="webhook_once_per_event"
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "next_attempt_at"],
                condition=Q(status="pending"),
                name="webhook_due",
            ),
            models.Index(fields=["tenant", "endpoint", "-id"], name="webhook_log"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.endpoint_id} {self.status}"


class WebhookAttempt(TenantModel):
    """One request that was made, and what was answered. Kept for the log."""

    delivery = TenantForeignKey(
        WebhookDelivery,
        on_delete=models.CASCADE,
        related_name="attempts_made",
        db_index=False,
    )
    number = models.PositiveIntegerField()  # the claim it was made under
    attempted_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    response_excerpt = models.TextField(blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "delivery", "number"], name="webhook_attempt_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.response_status or self.error}"
