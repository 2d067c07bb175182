"""Mail we owe somebody: written with the fact, sent after it, at most once."""

from django.db import models
from django.db.models import Q

from monetization.documents.models import Document
from monetization.tenancy.models import TenantForeignKey, TenantModel


class OutgoingMail(TenantModel):
    """One message of the outbox. ``dedupe_key`` says what it is, so that it exists once.

    ``queued`` is due at ``next_attempt_at``; ``sending`` is with a worker until then; ``sent``
    was taken by the server; ``failed`` was refused too often; ``unknown`` may have arrived or
    not, because nobody heard the server's answer. The last two wait for a person.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        UNKNOWN = "unknown", "Unknown"

    dedupe_key = models.CharField(max_length=200)  # "invoice/<id>/v1"
    to = models.EmailField()
    cc = models.JSONField(default=list)
    subject = models.CharField(max_length=300)
    text = models.TextField()
    html = models.TextField(blank=True)
    attachment = TenantForeignKey(Document, null=True, blank=True, related_name="+")
    subject_ref = models.CharField(max_length=200, blank=True)  # "invoice/<id>"
    status = models.CharField(max_length=7, choices=Status, default=Status.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "dedupe_key"], name="mail_once_per_key")
        ]
        indexes = [
            models.Index(
                fields=["tenant", "next_attempt_at"],
                condition=Q(status__in=["queued", "sending"]),
                name="mail_due",
            ),
            models.Index(fields=["tenant", "subject_ref"], name="mail_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"


class MailAttachment(TenantModel):
    """A further file of a mail, after ``attachment``."""

    mail = TenantForeignKey(
        OutgoingMail, on_delete=models.CASCADE, related_name="more_attachments", db_index=False
    )
    document = TenantForeignKey(Document, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "mail", "position"], name="mail_attachment_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.document_id} of {self.mail_id}"
