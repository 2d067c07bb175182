"""What is connected to the outside, and one row per thing handed over."""

from django.db import models
from django.db.models import Q
from encrypted_fields.fields import EncryptedTextField

from monetization.audit.models import audited
from monetization.tenancy.models import TenantForeignKey, TenantModel


class Provider(models.TextChoices):
    XERO = "xero", "Xero"


class Connection(TenantModel):
    """The tenant's account with a provider. Credentials are encrypted with ``SALT_KEY``.

    Access tokens are not stored: they live half an hour and stay in the worker's memory.
    """

    class Status(models.TextChoices):
        CONNECTED = "connected", "Connected"
        DISCONNECTED = "disconnected", "Disconnected"

    provider = models.CharField(max_length=20, choices=Provider)
    status = models.CharField(max_length=12, choices=Status, default=Status.CONNECTED)
    organisation_id = models.CharField(max_length=60, blank=True)
    organisation_name = models.CharField(max_length=200, blank=True)
    credentials = EncryptedTextField(null=True, blank=True)  # JSON; null once disconnected
    settings = models.JSONField(default=dict)  # xero.mapping.Accounts
    last_error = models.TextField(blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)  # the provider asked us to wait
    connected_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True)  # null until it first answered

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "provider"], name="connection_once")
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.provider} {self.organisation_name or self.status}"

    @property
    def is_connected(self) -> bool:
        return self.status == self.Status.CONNECTED


class Push(TenantModel):
    """One thing of ours that belongs in the provider's books, and what became of it.

    ``pending`` is due at ``next_attempt_at``; ``pushed`` is there, to the cent; ``refused``
    means the provider, or a comparison of figures, said no; ``failed`` means too many attempts
    went unanswered. The last two wait for a person, who retries.
    """

    class Kind(models.TextChoices):
        CONTACT = "contact", "Contact"
        INVOICE = "invoice", "Invoice"

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        PUSHED = "pushed", "Pushed"
        FAILED = "failed", "Failed"
        REFUSED = "refused", "Refused"

    provider = models.CharField(max_length=20, choices=Provider)
    kind = models.CharField(max_length=10, choices=Kind)
    subject_ref = models.CharField(max_length=60)  # "invoice/<id>"
    label = models.CharField(max_length=200)  # the number or the customer's name
    depends_on = TenantForeignKey("self", null=True, blank=True, related_name="dependents")
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    external_id = models.CharField(max_length=60, blank=True)
    idempotency_key = models.CharField(max_length=128, blank=True)  # of the request below
    request = models.JSONField(default=dict)
    response = models.JSONField(default=dict)
    attempts = models.PositiveIntegerField(default=0)  # since a person last asked
    claims = models.PositiveIntegerField(default=0)  # ever; the fence of a lease
    last_error = models.TextField(blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    pushed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "provider", "kind", "subject_ref"], name="push_once"
            ),
            models.CheckConstraint(
                name="push_has_an_id_when_pushed",
                condition=~Q(status="pushed") | (~Q(external_id="") & Q(pushed_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "next_attempt_at"],
                condition=Q(status="pending"),
                name="push_due",
            ),
            models.Index(fields=["tenant", "subject_ref"], name="push_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.kind} {self.label} {self.status}"

    @property
    def can_be_retried(self) -> bool:
        return self.status != self.Status.PUSHED

    @property
    def is_waiting(self) -> bool:
        """An invoice waits until its customer is there."""
        first: Push | None = self.depends_on
        return first is not None and first.status != self.Status.PUSHED

    @property
    def subject_id(self) -> str:
        return str(self.subject_ref).partition("/")[2]
