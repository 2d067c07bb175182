"""Who must agree before a quote may be sent, and what they decided."""

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from monetization.audit.models import audited
from monetization.tenancy.models import TenantForeignKey, TenantModel
from monetization.users.models import Role
from quotes.models.quotes import QuoteVersion


class ApprovalRule(TenantModel):
    """When a quote needs somebody's agreement. Every condition that is filled in must hold.

    Either everybody of a role may answer, or the people named; one answer is enough. Rules of
    the same step are asked side by side, those of a later step once the earlier ones agreed.
    """

    name = models.CharField(max_length=120)
    step = models.PositiveSmallIntegerField(default=1)  # lower ones are asked first
    approver_role = models.CharField(max_length=10, choices=Role, blank=True)
    approver_emails = ArrayField(models.EmailField(), default=list, blank=True)
    discount_over = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    value_over = models.DecimalField(max_digits=19, decimal_places=4, null=True, blank=True)
    margin_below = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    term_over_months = models.PositiveSmallIntegerField(null=True, blank=True)
    payment_over_days = models.PositiveSmallIntegerField(null=True, blank=True)
    currencies = ArrayField(models.CharField(max_length=3), default=list, blank=True)
    products = ArrayField(models.CharField(max_length=60), default=list, blank=True)  # codes
    has_custom_text = models.BooleanField(default=False)
    overrides_term_discount = models.BooleanField(default=False)
    valid_days = models.PositiveSmallIntegerField(default=30)  # how long an agreement holds
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="approval_rule_name_once"),
            models.CheckConstraint(
                name="approval_rule_names_its_approvers",
                condition=Q(approver_role="", approver_emails__len__gt=0)
                | (~Q(approver_role="") & Q(approver_emails__len=0)),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name


class ApprovalStep(TenantModel):
    """One rule asked for one version: why, of whom, and their answer.

    ``facts_sha256`` covers what the rule looks at, so an agreement holds for later versions
    until that changes.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waits for an earlier step"
        OPEN = "open", "Open"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    version = TenantForeignKey(QuoteVersion, on_delete=models.CASCADE, related_name="approvals")
    rule = TenantForeignKey(ApprovalRule, related_name="steps")
    title = models.CharField(max_length=120)  # the rule's name when it was asked
    step = models.PositiveSmallIntegerField()
    reasons = models.JSONField(default=list)  # sentences
    approver_role = models.CharField(max_length=10, blank=True)
    approver_emails = ArrayField(models.EmailField(), default=list, blank=True)
    facts_sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=9, choices=Status, default=Status.WAITING)
    requested_by = models.CharField(max_length=200)
    requested_at = models.DateTimeField()
    request_comment = models.CharField(max_length=1000, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    comment = models.CharField(max_length=1000, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)  # of the agreement; exclusive

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "version", "rule"],
                condition=Q(status__in=["waiting", "open"]),
                name="approval_asked_once",
            )
        ]
        indexes = [models.Index(fields=["tenant", "status"], name="approval_by_status")]
        triggers = [
            pgtrigger.Trigger(
                name="decision_frozen",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__decided_at__isnull=False),
                func="RAISE EXCEPTION 'a decision on an approval never changes';",
            ),
            audited(),
        ]

    def __str__(self) -> str:
        return self.title


class ApprovalDeputy(TenantModel):
    """Who answers for somebody who is away, from the first to the last day."""

    absent_email = models.EmailField()
    deputy_email = models.EmailField()
    first_day = models.DateField()
    last_day = models.DateField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="approval_deputy_days_in_order", condition=Q(last_day__gte=F("first_day"))
            ),
            models.CheckConstraint(
                name="approval_deputy_is_somebody_else",
                condition=~Q(absent_email=F("deputy_email")),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.deputy_email} for {self.absent_email}"
