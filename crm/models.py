"""Files of CRM records that people bring, and the rows of them that were not taken in."""

from django.db import models

from monetization.jobs.models import Job
from monetization.tenancy.models import TenantForeignKey, TenantModel


class CrmImport(TenantModel):
    """A file on its way in. Its content is kept until every row was taken in or refused."""

    class Kind(models.TextChoices):
        ACCOUNTS = "accounts", "Accounts"
        CONTACTS = "contacts", "Contacts"
        OPPORTUNITIES = "opportunities", "Opportunities"
        QUOTES = "quotes", "Quotes"

    kind = models.CharField(max_length=13, choices=Kind)
    source = models.CharField(max_length=40)  # whose ids the file has: "salesforce"
    filename = models.CharField(max_length=200)
    content = models.BinaryField()
    header = models.JSONField(default=list)
    mapping = models.JSONField(default=dict)  # field -> column of the file
    # Null: not started.
    job = TenantForeignKey(Job, null=True, blank=True, related_name="+", db_index=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "job"], name="crm_import_job")]

    def __str__(self) -> str:
        return self.filename


class CrmReject(TenantModel):
    """A row of a file that was not taken in, and why."""

    crm_import = TenantForeignKey(
        CrmImport, on_delete=models.CASCADE, related_name="rejects", db_index=False
    )
    line = models.PositiveIntegerField()  # of the file; the header is 1
    field = models.CharField(max_length=60, blank=True)
    reason = models.TextField()
    cells = models.JSONField(default=list)  # the row as it was

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "crm_import", "line"], name="crm_reject_line_once"
            )
        ]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
