"""What the month-end desk keeps: rules and their findings, comments, billing habits, reminders."""

import pgtrigger
from django.db import models
from django.db.models import Q

from billing.models.invoices import Invoice
from monetization.audit.models import audited
from monetization.customers.models import Customer
from monetization.mail.models import OutgoingMail
from monetization.tenancy.models import TenantForeignKey, TenantModel, TenantPart, is_number


class AssertionRule(TenantModel):
    """A test every draft must pass; ``kind`` is a key of ``billing.domain.assertions.KINDS``."""

    kind = models.CharField(max_length=30)
    is_enabled = models.BooleanField(default=True)
    parameters = models.JSONField(default=dict)  # text, as people typed it

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "kind"], name="assertion_rule_once")
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.kind


class AssertionFailure(TenantModel):
    """A draft fails a rule. A waiver covers what was found then; another finding needs another."""

    invoice = TenantForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="failures", db_index=False
    )
    kind = models.CharField(max_length=30)
    detail = models.CharField(max_length=500)  # what was found, in words
    found_at = models.DateTimeField()
    waived_at = models.DateTimeField(null=True, blank=True)
    waived_by = models.CharField(max_length=200, blank=True)
    waive_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "invoice", "kind"], name="assertion_failure_once"
            ),
            models.CheckConstraint(
                name="assertion_waived_with_reason",
                condition=Q(waived_at__isnull=True) | ~Q(waive_reason=""),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


class CalculationMark(TenantPart):
    """What an open invoice was last computed and tested from, as a hash.

    While the hash and the readings are the same, so is the invoice: nothing is computed again.
    The rest says when that need not even be asked: nothing was noted since in
    ``billing_inputchange``, nor in the usage of its months. Transactions are Postgres' numbers.
    """

    invoice = TenantForeignKey(Invoice, on_delete=models.CASCADE, related_name="+", db_index=False)
    mark = models.CharField(max_length=32)  # "": it has none; once touched, it is computed
    company = models.CharField(max_length=32, default="", db_default="")  # of what all depend on
    seen = models.TextField(default="1:1:", db_default="1:1:")  # the snapshot it was read after
    seen_from = models.BigIntegerField(default=0, db_default=0)  # which sees all before this one
    kept_by = models.BigIntegerField(null=True)  # the transaction that kept it
    kept_change = models.BigIntegerField(null=True)  # the last change of its own by then
    kept_at = models.DateTimeField(null=True)
    next_start = models.DateTimeField(null=True)  # when its next period begins
    usage_from = models.DateTimeField(null=True)  # the first of what its readings measure
    usage_until = models.DateTimeField(null=True)
    is_summed = models.BooleanField(default=False, db_default=False)  # all of it from roll-ups

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "invoice"], name="calculation_mark_once")
        ]

    def __str__(self) -> str:
        return self.mark


class InvoiceComparison(TenantPart):
    """How far a draft moved against the invoice before it without a reason that is known.

    Written when the draft is tested, so that a view can be sorted by it.
    """

    invoice = TenantForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="comparisons", db_index=False
    )
    unexplained_amount = models.DecimalField(max_digits=19, decimal_places=4)  # never negative

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "invoice"], name="invoice_comparison_once"),
            models.CheckConstraint(
                name="unexplained_amount_is_a_size",
                condition=Q(unexplained_amount__gte=0) & is_number("unexplained_amount"),
            ),
        ]

    def __str__(self) -> str:
        return str(self.unexplained_amount)


class InvoiceApproval(TenantModel):
    """A person looked at a draft as it is. Gone as soon as the draft changes."""

    invoice = TenantForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="approvals", db_index=False
    )
    total_amount = models.DecimalField(max_digits=19, decimal_places=4)  # what was looked at
    approved_by = models.CharField(max_length=200)
    approved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "invoice"], name="invoice_approval_once")
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"{self.total_amount} by {self.approved_by}"


class InvoiceComment(TenantModel):
    """A remark for colleagues. Never edited: a correction replaces the one before it."""

    invoice = TenantForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="comments", db_index=False
    )
    author = models.CharField(max_length=200)
    text = models.TextField()
    at = models.DateTimeField()
    replaces = TenantForeignKey("self", null=True, blank=True, related_name="replaced_by")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "replaces"],
                condition=Q(replaces__isnull=False),
                name="comment_replaced_once",
            )
        ]
        indexes = [models.Index(fields=["tenant", "invoice", "at"], name="comment_by_invoice")]
        triggers = [pgtrigger.Protect(name="comments_stay", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return self.text[:60]


class CustomerBilling(TenantModel):
    """How one customer is billed where it differs from the rest."""

    customer = TenantForeignKey(
        Customer, on_delete=models.CASCADE, related_name="billing_habits", db_index=False
    )
    requires_purchase_order = models.BooleanField(default=False)
    reminder_days = models.JSONField(null=True, blank=True)  # null: the company's; []: never

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "customer"], name="customer_billing_once")
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"billing of {self.customer_id}"


class ReminderPlan(TenantModel):
    """When unpaid invoices are reminded of: days from the due date, negative before it."""

    is_enabled = models.BooleanField(default=False)
    days = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="reminder_plan_once")]
        triggers = [audited()]

    def __str__(self) -> str:
        return f"reminders at {self.days}"


class Reminder(TenantModel):
    """A reminder that was sent; each step of a plan at most once per invoice."""

    invoice = TenantForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="reminders", db_index=False
    )
    days = models.SmallIntegerField()  # the step: days from the due date
    mail = TenantForeignKey(OutgoingMail, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "invoice", "days"], name="reminder_once")
        ]

    def __str__(self) -> str:
        return f"{self.invoice_id} at {self.days}"
