"""What is connected to the outside, and one row per thing handed over."""

import pgtrigger
from django.db import models
from django.db.models import Q
from encrypted_fields.fields import EncryptedTextField

from billing.models import Invoice, Payment
from monetization.audit.models import audited
from monetization.documents.models import Document
from monetization.tenancy.models import TenantForeignKey, TenantModel
from quotes.models import QuoteVersion


class Provider(models.TextChoices):
    XERO = "xero", "Xero"
    DROPBOX_SIGN = "dropbox_sign", "Dropbox Sign"
    STRIPE = "stripe", "Stripe"


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


class SignatureRequest(TenantModel):
    """An order form at a signature service: what we want of it, and what the service last said.

    ``state`` is only ever taken from the service's own answer, never from a callback's body.
    ``due_at`` is when the worker looks next; null when there is nothing left to do, or when a
    person must act (``needs_attention``).
    """

    class Wanted(models.TextChoices):
        OPEN = "open", "To be signed"
        CANCELED = "canceled", "To be canceled"

    class State(models.TextChoices):
        NEW = "new", "Being sent"
        SENT = "sent", "Waits for its signer"
        VIEWED = "viewed", "Opened by its signer"
        PARTLY_SIGNED = "partly_signed", "Partly signed"
        SIGNED = "signed", "Signed, file awaited"
        COMPLETE = "complete", "Signed"
        DECLINED = "declined", "Declined"
        EXPIRED = "expired", "Expired"
        CANCELED = "canceled", "Canceled"
        FAILED = "failed", "Failed there"
        GONE = "gone", "No longer there"

    provider = models.CharField(max_length=20, choices=Provider, default=Provider.DROPBOX_SIGN)
    version = TenantForeignKey(QuoteVersion, related_name="+", db_index=False)
    label = models.CharField(max_length=200)  # the quote's number, version and title
    is_embedded = models.BooleanField(default=False)
    is_test = models.BooleanField(default=False)  # not legally binding
    wanted = models.CharField(max_length=8, choices=Wanted, default=Wanted.OPEN)
    state = models.CharField(max_length=13, choices=State, default=State.NEW)
    external_id = models.CharField(max_length=80, blank=True)
    signatures = models.JSONField(default=list)  # mapping.Signature of each signer, as answered
    signed_document = TenantForeignKey(Document, null=True, blank=True, related_name="+")
    evidence = models.JSONField(default=dict)  # the service's last answer when it was complete
    needs_attention = models.BooleanField(default=False)
    last_error = models.TextField(blank=True)
    strays = models.JSONField(default=list)  # ids said to be ours that are not external_id
    wants_reminder = models.BooleanField(default=False)
    was_asked_for = models.BooleanField(default=False)  # a create may have arrived there
    attempts = models.PositiveIntegerField(default=0)  # without a usable answer, in a row
    claims = models.PositiveIntegerField(default=0)  # ever; the fence of a lease
    due_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "version"], name="signature_request_once"),
            models.UniqueConstraint(
                fields=["tenant", "provider", "external_id"],
                condition=~Q(external_id=""),
                name="signature_request_external_once",
            ),
            models.CheckConstraint(
                name="signature_request_complete_has_its_file",
                condition=~Q(state="complete") | Q(signed_document__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "due_at"],
                condition=Q(due_at__isnull=False),
                name="signature_request_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.state}"

    @property
    def is_over(self) -> bool:
        return self.state in ("complete", "declined", "expired", "canceled", "failed", "gone")


class SignatureLogEntry(TenantModel):
    """What was said between us and the service about one request. Append-only."""

    class Kind(models.TextChoices):
        CALL = "call", "We asked"
        CALLBACK = "callback", "They called"
        STATE = "state", "State"
        PROBLEM = "problem", "Problem"

    request = TenantForeignKey(
        SignatureRequest,
        on_delete=models.CASCADE,
        related_name="log_entries",
        db_index=False,
    )
    kind = models.CharField(max_length=8, choices=Kind)
    text = models.CharField(max_length=500)
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["tenant", "request"], name="signature_log_by_request")]
        triggers = [pgtrigger.Protect(name="signature_log_kept", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return self.text


class InboundWebhook(TenantModel):
    """A callback as it arrived, once. It says that something may be new, nothing more."""

    class Outcome(models.TextChoices):
        NOTED = "noted", "The request is looked up"
        TEST = "test", "A test"
        NOT_OURS = "not_ours", "About nothing of ours"

    provider = models.CharField(max_length=20, choices=Provider)
    dedupe_key = models.CharField(max_length=64)
    event_type = models.CharField(max_length=60)
    event_time = models.DateTimeField()
    external_id = models.CharField(max_length=80, blank=True)
    payload = models.JSONField()
    outcome = models.CharField(max_length=8, choices=Outcome)
    times = models.PositiveIntegerField(default=1)  # how often it was delivered
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "provider", "dedupe_key"], name="inbound_webhook_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_type}"


class OnlinePayment(TenantModel):
    """A payment page, a payment or a payout at a payment service, and what became of it here.

    ``state`` is only ever taken from the service's own answer, never from a webhook's body.
    ``due_at`` is when the worker looks next; null when there is nothing left to do, or when a
    person must act (``needs_attention``).
    """

    class Kind(models.TextChoices):
        CHECKOUT = "checkout", "Payment page"
        PAYMENT = "payment", "Payment"
        PAYOUT = "payout", "Payout"

    provider = models.CharField(max_length=20, choices=Provider, default=Provider.STRIPE)
    kind = models.CharField(max_length=8, choices=Kind)
    external_id = models.CharField(max_length=80)
    state = models.CharField(max_length=30, default="new")  # in the service's words
    invoice = TenantForeignKey(
        Invoice, null=True, blank=True, related_name="online_payments", db_index=False
    )
    payment = TenantForeignKey(Payment, null=True, blank=True, related_name="online_payments")
    currency = models.CharField(max_length=3, blank=True)
    amount = models.DecimalField(max_digits=19, decimal_places=4, null=True, blank=True)
    fee_amount = models.DecimalField(max_digits=19, decimal_places=4, null=True, blank=True)
    fee_currency = models.CharField(max_length=3, blank=True)
    is_posted = models.BooleanField(default=False)  # a payout that is in the ledger
    refunds_wanted = models.JSONField(default=list)  # [{key, units}]: asked for, not yet sent
    # Of the latest dispute of a payment, in the service's words; empty: nobody disputes it.
    dispute_status = models.CharField(max_length=30, blank=True, default="", db_default="")
    dispute_reason = models.CharField(max_length=60, blank=True, default="", db_default="")
    dispute_answer_by = models.DateTimeField(null=True, blank=True)
    url = models.TextField(blank=True)  # of an open payment page
    response = models.JSONField(default=dict)  # the last answer
    needs_attention = models.BooleanField(default=False)
    last_error = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)  # without a usable answer, in a row
    claims = models.PositiveIntegerField(default=0)  # ever; the fence of a lease
    due_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "provider", "external_id"], name="online_payment_external_once"
            ),
            models.UniqueConstraint(
                fields=["tenant", "payment"],
                condition=Q(payment__isnull=False),
                name="online_payment_recorded_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "due_at"],
                condition=Q(due_at__isnull=False),
                name="online_payment_due",
            ),
            models.Index(fields=["tenant", "invoice"], name="online_payment_by_invoice"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.external_id} {self.state}"
