"""Invoices with their periods and lines, and what recalculations changed."""

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from billing.models.schedules import BillingSchedule, Phase
from metering.models import UsageReading
from monetization.audit.models import audited_in_sets
from monetization.customers.models import Customer
from monetization.documents.models import Document
from monetization.tenancy.models import (
    LegalEntity,
    TenantForeignKey,
    TenantModel,
    TenantPart,
    is_number,
)

# What an issued invoice says never changes; what becomes of it (sent, paid) may.
_FROZEN = (
    "customer_id",
    "legal_entity_id",
    "schedule_id",
    "supplements_id",
    "threshold_number",
    "number",
    "currency",
    "bill_on",
    "part",
    "period_start",
    "period_end",
    "subtotal_amount",
    "tax_amount",
    "total_amount",
    "tax_treatment",
    "tax_name",
    "tax_percent",
    "tax_method",
    "prices_include_tax",
    "issued_on",
    "due_on",
    "content_sha256",
    "purchase_order",
    "memo",
    "tenant_id",
)


def _row(name: str) -> str:
    return ", ".join(f"{name}.{column}" for column in _FROZEN)


def _invoice_frozen() -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name="issued_invoice_frozen",
        when=pgtrigger.Before,
        operation=pgtrigger.Update | pgtrigger.Delete,
        condition=pgtrigger.Condition("OLD.status IN ('issued', 'void')"),
        func=f"""
        IF TG_OP = 'DELETE' THEN
            RAISE EXCEPTION 'an issued invoice is never deleted';
        END IF;
        IF ({_row("NEW")}) IS DISTINCT FROM ({_row("OLD")})
           OR NEW.status NOT IN ('issued', 'void')
           OR (OLD.status = 'void' AND NEW.status <> 'void') THEN
            RAISE EXCEPTION 'an issued invoice never changes; void or credit it';
        END IF;
        RETURN NEW;
        """,
    )


_PLACE = "schedule_id, bill_on, part, threshold_number, previous_amount, status = 'void'"


def _place(row: str) -> str:
    """Return what decides which invoice of a contract a row is before, and which is before it."""
    return ", ".join(f"{row}.{column}" for column in _PLACE.split(", "))


# From when on a contract's invoices may have another one before them. One whose total alone
# changed has the same one as ever: only those after it are looked at.
_MOVED = {
    "insert": "SELECT n.schedule_id, n.bill_on AS since FROM new_rows n",
    "update": f"""
        SELECT e.schedule_id, e.bill_on + CASE WHEN d.is_moved THEN 0 ELSE 1 END AS since
          FROM old_rows o JOIN new_rows n ON n.id = o.id
         CROSS JOIN LATERAL (
           SELECT ({_place("o")}) IS DISTINCT FROM ({_place("n")}) AS is_moved) d
         CROSS JOIN LATERAL (VALUES (o.schedule_id, o.bill_on), (n.schedule_id, n.bill_on))
               AS e (schedule_id, bill_on)
         WHERE d.is_moved OR o.total_amount <> n.total_amount""",  # noqa: S608
    "delete": "SELECT o.schedule_id, o.bill_on AS since FROM old_rows o",
}


def _beside_the_one_before() -> list[pgtrigger.Trigger]:
    """Keep ``previous_amount`` of a contract's invoices, whoever writes what it depends on.

    The invoice before is locked as it is read: what another transaction makes of it is waited for.
    All are read before any is written: a row that the same statement has written already
    cannot be locked, and the one before it would be taken for it.
    """
    return [
        pgtrigger.Trigger(
            name=f"beside_the_one_before_{name}",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=operation,
            referencing=pgtrigger.Referencing(old=old, new=new),
            declare=[("ids", "uuid[]"), ("totals", "numeric[]")],
            func=f"""
            IF NOT EXISTS ({_MOVED[name]}) THEN RETURN NULL; END IF;
            SELECT array_agg(f.id), array_agg(e.total_amount) INTO ids, totals
              FROM (SELECT m.schedule_id, min(m.since) AS since
                      FROM ({_MOVED[name]}) m GROUP BY m.schedule_id) moved
              JOIN billing_invoice f
                ON f.schedule_id = moved.schedule_id AND f.bill_on >= moved.since
               AND f.status <> 'void' AND f.threshold_number IS NULL
              LEFT JOIN LATERAL (
                SELECT b.total_amount FROM billing_invoice b
                 WHERE b.schedule_id = f.schedule_id AND b.bill_on < f.bill_on
                   AND b.status <> 'void' AND b.threshold_number IS NULL
                 ORDER BY b.bill_on DESC, b.part LIMIT 1 FOR SHARE) e ON true;
            IF ids IS NULL THEN RETURN NULL; END IF;
            UPDATE billing_invoice i SET previous_amount = found.before
              FROM unnest(ids, totals) AS found(id, before)
             WHERE i.id = found.id AND i.previous_amount IS DISTINCT FROM found.before;
            RETURN NULL;
            """,  # noqa: S608
        )
        for name, operation, old, new in (
            ("insert", pgtrigger.Insert, None, "new_rows"),
            ("update", pgtrigger.Update, "old_rows", "new_rows"),
            ("delete", pgtrigger.Delete, "old_rows", None),
        )
    ]


_WRITTEN = "SELECT n.invoice_id FROM new_rows n"
_REPLACED = "SELECT o.invoice_id FROM old_rows o"


# A contract that ends early loses its periods past the end; what was void before lets go of them.
_ONLY_LET_GO = """
                IF NOT EXISTS (
                    SELECT FROM old_rows o FULL JOIN new_rows n ON n.id = o.id
                      JOIN billing_invoice i ON i.id IN (o.invoice_id, n.invoice_id)
                       AND i.status IN ('issued', 'void')
                     WHERE i.status = 'issued' OR n.billing_period_id IS NOT NULL
                        OR to_jsonb(n) - 'billing_period_id'
                           IS DISTINCT FROM to_jsonb(o) - 'billing_period_id') THEN
                    RETURN NULL;
                END IF;"""


def _lines_frozen() -> list[pgtrigger.Trigger]:
    """Refuse every change of lines of issued invoices, with one look per statement."""
    return [
        pgtrigger.Trigger(
            name=f"issued_lines_frozen_{name}",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=operation,
            referencing=pgtrigger.Referencing(old=old, new=new),
            func=f"""
            IF EXISTS (SELECT FROM billing_invoice i
                        WHERE i.id IN ({found})
                          AND i.status IN ('issued', 'void')) THEN{unless}
                RAISE EXCEPTION 'the lines of an issued invoice never change';
            END IF;
            RETURN NULL;
            """,
        )
        for name, operation, old, new, found, unless in (
            ("insert", pgtrigger.Insert, None, "new_rows", _WRITTEN, ""),
            (
                "update", pgtrigger.Update, "old_rows", "new_rows",
                f"{_WRITTEN} UNION {_REPLACED}", _ONLY_LET_GO,
            ),
            ("delete", pgtrigger.Delete, "old_rows", None, _REPLACED, ""),
        )
    ]  # fmt: skip


class Invoice(TenantModel):
    """A claim on a customer in one currency. Frozen once issued; corrected by other documents.

    ``in_progress`` while a billed period is still open, ``draft`` once it is over and under
    review, ``issued`` when numbered and posted, or ``void``. Sent and paid are facts beside it.
    """

    class Status(models.TextChoices):
        IN_PROGRESS = "in_progress", "In progress"
        DRAFT = "draft", "Draft"
        ISSUED = "issued", "Issued"
        VOID = "void", "Void"

    class PaymentStatus(models.TextChoices):
        UNPAID = "unpaid", "Unpaid"
        PARTIALLY_PAID = "partially_paid", "Partially paid"
        PAID = "paid", "Paid"
        UNCOLLECTIBLE = "uncollectible", "Uncollectible"

    customer = TenantForeignKey(Customer, related_name="invoices", db_index=False)
    legal_entity = TenantForeignKey(LegalEntity, related_name="+", db_index=False)  # a few have all
    schedule = TenantForeignKey(BillingSchedule, null=True, blank=True, related_name="invoices")
    # Its place among the contract's threshold invoices; null: it bills whole periods.
    threshold_number = models.PositiveIntegerField(null=True, blank=True)
    status = models.CharField(max_length=11, choices=Status, default=Status.IN_PROGRESS)
    number = models.CharField(max_length=40, blank=True)  # at issue; gapless per entity and series
    currency = models.CharField(max_length=3)  # ISO 4217; every amount below is in it
    bill_on = models.DateField()  # when the contract says it is billed
    part = models.PositiveSmallIntegerField(default=0, db_default=0)  # of a split; 0 is the rest
    period_start = models.DateField()  # earliest service day on it
    period_end = models.DateField()  # exclusive
    subtotal_amount = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    tax_amount = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    total_amount = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    # The total of the contract's invoice before, of the first part if it was split; by triggers.
    previous_amount = models.DecimalField(
        max_digits=19, decimal_places=4, null=True, blank=True, editable=False
    )
    paid_amount = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    credited_amount = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    written_off_amount = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    prepaid_amount = models.DecimalField(max_digits=19, decimal_places=4, default=0)  # by credits
    payment_status = models.CharField(
        max_length=14, choices=PaymentStatus, default=PaymentStatus.UNPAID
    )
    tax_treatment = models.CharField(max_length=14, default="taxable")
    tax_name = models.CharField(max_length=40, blank=True)
    tax_percent = models.DecimalField(max_digits=9, decimal_places=6, default=0)
    tax_method = models.CharField(max_length=12, default="per_line", db_default="per_line")
    prices_include_tax = models.BooleanField(default=False, db_default=False)
    payment_terms_days = models.PositiveSmallIntegerField(default=30)
    purchase_order = models.CharField(max_length=60, blank=True)
    memo = models.TextField(blank=True)  # printed on it
    change_note = models.CharField(max_length=500, blank=True)  # why it changed; for colleagues
    failing_assertions = models.PositiveSmallIntegerField(default=0)  # not waived
    calculated_at = models.DateTimeField(null=True, blank=True)
    issued_on = models.DateField(null=True, blank=True)
    due_on = models.DateField(null=True, blank=True)
    document = TenantForeignKey(Document, null=True, blank=True, related_name="+", db_index=False)
    content_sha256 = models.CharField(max_length=64, blank=True)  # of the frozen content
    sent_at = models.DateTimeField(null=True, blank=True)
    viewed_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.CharField(max_length=300, blank=True)
    write_off_reason = models.CharField(max_length=300, blank=True)
    replaces = TenantForeignKey(
        "self", null=True, blank=True, related_name="replacements", db_index=False
    )
    # An issued invoice this one charges more for; that one stays as it is.
    supplements = TenantForeignKey(
        "self", null=True, blank=True, related_name="supplementary", db_index=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="invoice_period_not_empty", condition=Q(period_start__lt=F("period_end"))
            ),
            models.CheckConstraint(
                name="invoice_total_is_subtotal_plus_tax",
                condition=Q(total_amount=F("subtotal_amount") + F("tax_amount")),
            ),
            models.CheckConstraint(
                name="invoice_numbered_when_issued",
                condition=Q(status__in=["in_progress", "draft"], number="")
                | (Q(status__in=["issued", "void"]) & ~Q(number="") & Q(issued_on__isnull=False)),
            ),
            models.CheckConstraint(
                name="invoice_prepaid_not_negative", condition=Q(prepaid_amount__gte=0)
            ),
            models.UniqueConstraint(
                fields=["tenant", "legal_entity", "number"],
                condition=~Q(number=""),
                name="invoice_number_once_per_entity",
            ),
            models.UniqueConstraint(
                fields=["tenant", "schedule", "bill_on", "part"],
                condition=Q(schedule__isnull=False, threshold_number__isnull=True)
                & ~Q(status="void"),
                name="invoice_once_per_schedule_and_date",
            ),
            models.UniqueConstraint(
                fields=["tenant", "schedule", "threshold_number"],
                condition=Q(threshold_number__isnull=False),
                name="invoice_once_per_threshold",  # void ones too: a threshold is passed once
            ),
            models.CheckConstraint(
                name="invoice_supplement_bills_no_periods",
                condition=Q(supplements__isnull=True) | Q(schedule__isnull=True),
            ),
            models.CheckConstraint(
                name="invoice_threshold_has_schedule",
                condition=Q(threshold_number__isnull=True) | Q(schedule__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "bill_on", "status"], name="invoice_by_date"),
            models.Index(fields=["tenant", "customer", "bill_on"], name="invoice_by_customer"),
            models.Index(fields=["tenant", "currency", "bill_on"], name="invoice_by_currency"),
            models.Index(
                "tenant",
                F("total_amount") - Coalesce(F("previous_amount"), Decimal(0)),
                "id",
                name="invoice_by_change",
            ),
            models.Index(
                fields=["tenant", "bill_on"],
                condition=Q(failing_assertions__gt=0),
                name="invoice_failing",
            ),
            # Most have none of these, and every recalculation writes all indexes of its rows.
            *(
                models.Index(
                    fields=[name],
                    condition=Q((f"{name}__isnull", False)),
                    name=f"invoice_by_{name}",
                )
                for name in ("document", "replaces", "supplements")
            ),
        ]
        triggers = [
            _invoice_frozen(),
            *audited_in_sets(derived=["previous_amount"]),
            *_beside_the_one_before(),
        ]

    def __str__(self) -> str:
        return f"{self.number or self.status} ({self.id})"


class BillingPeriod(TenantPart):
    """One line of the terms over one stretch of service: written once, never recomputed."""

    class Kind(models.TextChoices):
        ITEM = "item", "Line"
        MINIMUM = "minimum", "Minimum"

    schedule = TenantForeignKey(
        BillingSchedule, on_delete=models.CASCADE, related_name="periods", db_index=False
    )
    phase = TenantForeignKey(Phase, on_delete=models.CASCADE, related_name="periods")
    kind = models.CharField(max_length=7, choices=Kind, default=Kind.ITEM)
    item_key = models.CharField(max_length=100)
    service_start = models.DateField()
    service_end = models.DateField()  # exclusive
    full_start = models.DateField()  # the full period the service is part of
    full_end = models.DateField()
    starts_at = models.DateTimeField()  # the same in UTC, by the contract's zone
    ends_at = models.DateTimeField()
    bill_on = models.DateField()
    invoice = TenantForeignKey(
        Invoice,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="periods",
        db_index=False,
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "schedule", "phase", "kind", "item_key", "service_start"],
                name="billing_period_once",
            ),
            models.CheckConstraint(
                name="billing_period_not_empty", condition=Q(service_start__lt=F("service_end"))
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "schedule", "bill_on"], name="billing_period_due"),
            models.Index(fields=["tenant", "invoice"], name="billing_period_by_invoice"),
        ]

    def __str__(self) -> str:
        return f"{self.item_key} {self.service_start}"


class InvoiceLine(TenantPart):
    """One rounded amount of an invoice, with everything needed to compute it again."""

    invoice = TenantForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="lines", db_index=False
    )
    key = models.CharField(max_length=160)  # stable across recalculations: item:service_start
    position = models.PositiveIntegerField()
    # item, minimum, manual; credit and prepaid where credits pay or are sold; on a threshold
    # invoice progress, and where that is taken off billed
    kind = models.CharField(max_length=8, default="item")
    item_key = models.CharField(max_length=100, blank=True)
    product_code = models.CharField(max_length=60, blank=True)
    description = models.CharField(max_length=300)
    service_start = models.DateField()
    service_end = models.DateField()  # exclusive
    quantity = models.DecimalField(max_digits=60, decimal_places=12, null=True)
    unit_price = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    exact_amount = models.DecimalField(max_digits=60, decimal_places=30)  # before rounding
    amount = models.DecimalField(max_digits=19, decimal_places=4)  # rounded once
    tax_percent = models.DecimalField(max_digits=9, decimal_places=6, default=0)
    tax_amount = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    tax_name = models.CharField(max_length=40, blank=True, default="", db_default="")
    tax_treatment = models.CharField(  # empty: the invoice's own
        max_length=14, blank=True, default="", db_default=""
    )
    explanation = models.JSONField(default=dict)  # steps of monetization.pricing; re-rates
    price_version_id = models.UUIDField(null=True)
    reading = TenantForeignKey(
        UsageReading, null=True, blank=True, related_name="lines", db_index=False
    )
    billing_period = TenantForeignKey(
        BillingPeriod,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="lines",
        db_index=False,
    )
    # written by a person; recalculation leaves it
    is_manual = models.BooleanField(default=False, db_default=False)
    edited_by = models.CharField(max_length=200, blank=True, default="", db_default="")
    edited_at = models.DateTimeField(null=True, blank=True)
    is_flagged = models.BooleanField(default=False)  # e.g. clamped at zero
    note = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "invoice", "key"], name="invoice_line_key_once"
            ),
            models.CheckConstraint(
                name="invoice_line_amounts_are_numbers",
                condition=is_number("amount", "exact_amount", "tax_amount"),
            ),
        ]
        indexes = [
            models.Index(
                fields=[name],
                condition=Q((f"{name}__isnull", False)),
                name=f"invoice_line_by_{name}",
            )
            for name in ("reading", "billing_period")
        ]
        triggers = _lines_frozen()

    def __str__(self) -> str:
        return self.key


class Recalculation(TenantPart):
    """What a recalculation changed on an in-progress or draft invoice, and why. Append-only."""

    invoice = TenantForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="recalculations", db_index=False
    )
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    total_before = models.DecimalField(max_digits=19, decimal_places=4)
    total_after = models.DecimalField(max_digits=19, decimal_places=4)
    changes = models.JSONField()  # [{key, description, before, after, cause}]

    class Meta:
        indexes = [models.Index(fields=["tenant", "invoice", "-at"], name="recalculation_by_time")]

    def __str__(self) -> str:
        return f"{self.invoice_id} at {self.at}"
