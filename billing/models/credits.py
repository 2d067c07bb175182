"""Credits customers hold: grants, the journal of what became of them, how they are made."""

from decimal import Decimal
from typing import Any

import pgtrigger
from django.db import models
from django.db.models import F, Q

from billing.models.documents import CreditNote
from billing.models.invoices import Invoice
from billing.models.schedules import BillingSchedule
from metering.models import Meter
from monetization.audit.models import audited
from monetization.customers.models import Customer
from monetization.events.models import Event
from monetization.kernel.money import ZERO
from monetization.tenancy.models import LegalEntity, TenantForeignKey, TenantModel, is_number

UNITS: dict[str, Any] = {"max_digits": 38, "decimal_places": 12}
MONEY: dict[str, Any] = {"max_digits": 19, "decimal_places": 4}

_ENDS = ("voided_at", "void_reason", "ended_at")
_GRANT_TERMS = (
    "tenant_id", "customer_id", "legal_entity_id", "schedule_id", "name", "kind", "currency",
    "meter_id", "unit_code", "amount", "cost_amount", "priority", "products", "prices",
    "effective_at", "expires_at", "taxed_at", "allows_overdraft", "origin", "plan_id", "plan_on",
    "invoice_id", "line_key", "rolled_from_id", "created_at",
)  # fmt: skip


def _never_changes(name: str, columns: tuple[str, ...], said: str) -> pgtrigger.Trigger:
    new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=pgtrigger.Update | pgtrigger.Delete,
        func=f"""
        IF TG_OP = 'DELETE' OR ({new}) IS DISTINCT FROM ({old}) THEN
            RAISE EXCEPTION '{said}';
        END IF;
        RETURN NEW;
        """,
    )


def _never_below_zero() -> pgtrigger.Trigger:
    """Lock the grant, so that two uses at once are seen one after the other."""
    return pgtrigger.Trigger(
        name="balance_never_below_zero",
        when=pgtrigger.Before,
        operation=pgtrigger.Insert,
        declare=[("overdraft", "boolean"), ("held", "numeric")],
        func="""
        SELECT g.allows_overdraft INTO STRICT overdraft
          FROM billing_creditgrant g WHERE g.id = NEW.grant_id FOR UPDATE;
        IF NEW.units < 0 AND NOT overdraft THEN
            SELECT COALESCE(sum(t.units), 0) INTO held
              FROM billing_credittransaction t WHERE t.grant_id = NEW.grant_id;
            IF held + NEW.units < 0 THEN
                RAISE EXCEPTION 'a credit grant holds %, which is less than %', held, -NEW.units
                    USING ERRCODE = 'check_violation';
            END IF;
        END IF;
        RETURN NEW;
        """,
    )


class CreditTerms(TenantModel):
    """What a grant, a plan and a top-up rule say alike: whose credits, and what they may pay."""

    class Kind(models.TextChoices):
        MONEY = "money", "Money"
        METER = "meter", "Units of a meter"
        UNIT = "unit", "Custom unit"

    class TaxedAt(models.TextChoices):
        USE = "use", "When used: settles the taxed total"
        GRANT = "grant", "When granted: reduces the taxable base"

    customer = TenantForeignKey(Customer, related_name="%(class)ss")
    legal_entity = TenantForeignKey(LegalEntity, related_name="+")
    schedule = TenantForeignKey(
        BillingSchedule, null=True, blank=True, related_name="%(class)ss"
    )  # null: every contract of the customer
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=5, choices=Kind)
    currency = models.CharField(max_length=3)  # of what it settles, and of what it was sold for
    meter = TenantForeignKey(Meter, null=True, blank=True, related_name="+")
    unit_code = models.CharField(max_length=60, blank=True)
    priority = models.PositiveSmallIntegerField(default=50)  # the lowest pays first
    products = models.JSONField(default=list)  # codes; empty: every product
    prices = models.JSONField(default=list)  # ids; empty: every price
    taxed_at = models.CharField(max_length=5, choices=TaxedAt, default=TaxedAt.USE)
    allows_overdraft = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        abstract = True

    @property
    def unit(self) -> str:
        """What amounts are in, as people read it."""
        if self.kind == self.Kind.METER and self.meter is not None:
            return str(self.meter.unit or self.meter.name)
        return self.unit_code if self.kind == self.Kind.UNIT else self.currency


def _kind_fits(name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=name,
        condition=Q(kind="money", meter__isnull=True, unit_code="")
        | Q(kind="meter", meter__isnull=False, unit_code="")
        | (Q(kind="unit", meter__isnull=True) & ~Q(unit_code="")),
    )


class CreditPlan(CreditTerms):
    """Credits granted again and again; each step makes one grant."""

    class Every(models.TextChoices):
        WEEKLY = "weekly", "Week"
        MONTHLY = "monthly", "Month"
        QUARTERLY = "quarterly", "Quarter"
        YEARLY = "yearly", "Year"

    amount = models.DecimalField(**UNITS)
    every = models.CharField(max_length=9, choices=Every)
    starts_on = models.DateField()  # the first grant; the others are counted from it
    ends_on = models.DateField(null=True, blank=True)  # exclusive
    resets = models.BooleanField(default=True)  # a grant ends when the next one begins
    roll_over_fraction = models.DecimalField(max_digits=7, decimal_places=6, default=ZERO)
    roll_over_most = models.DecimalField(**UNITS, null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    grants_from = models.DateField(null=True, blank=True)  # steps before it, not made, are left out
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            _kind_fits("credit_plan_kind"),
            models.CheckConstraint(
                name="credit_plan_amount", condition=Q(amount__gt=0) & is_number("amount")
            ),
            models.CheckConstraint(
                name="credit_plan_roll_over",
                condition=Q(roll_over_fraction__gte=0, roll_over_fraction__lte=1),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name

    @property
    def roll_over_percent(self) -> Decimal:
        return (self.roll_over_fraction * 100).normalize()


class CreditGrant(CreditTerms):
    """Credits a customer was given or has bought. Its balance is the sum of its transactions."""

    class Origin(models.TextChoices):
        GIVEN = "given", "Given"
        PLAN = "plan", "Recurring"
        SOLD = "sold", "Sold"
        TOP_UP = "top_up", "Topped up"
        ROLL_OVER = "roll_over", "Rolled over"

    amount = models.DecimalField(**UNITS)
    cost_amount = models.DecimalField(
        **MONEY, default=ZERO
    )  # what all of it was sold for; 0: given
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)  # exclusive; null: never
    origin = models.CharField(max_length=9, choices=Origin, default=Origin.GIVEN)
    plan = TenantForeignKey(CreditPlan, null=True, blank=True, related_name="grants")
    plan_on = models.DateField(null=True, blank=True)  # the step of the plan
    invoice = TenantForeignKey(Invoice, null=True, blank=True, related_name="credit_grants")
    line_key = models.CharField(max_length=160, blank=True)  # of the invoice that sold it
    rolled_from = TenantForeignKey("self", null=True, blank=True, related_name="rolled_into")
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.CharField(max_length=300, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)  # expired, and nothing awaited any more

    class Meta:
        constraints = [
            _kind_fits("credit_grant_kind"),
            models.CheckConstraint(
                name="credit_grant_amount",
                condition=Q(amount__gt=0, cost_amount__gte=0) & is_number("amount", "cost_amount"),
            ),
            models.CheckConstraint(
                name="credit_grant_expires_after_it_begins",
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("effective_at")),
            ),
            models.UniqueConstraint(
                fields=["tenant", "plan", "plan_on"],
                condition=Q(plan__isnull=False) & ~Q(origin="roll_over"),
                name="credit_grant_once_per_step",
            ),
            models.UniqueConstraint(
                fields=["tenant", "invoice", "line_key"],
                condition=Q(invoice__isnull=False),
                name="credit_grant_once_per_line",
            ),
            models.UniqueConstraint(
                fields=["tenant", "rolled_from"],
                condition=Q(rolled_from__isnull=False),
                name="credit_grant_rolled_over_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "expires_at"],
                condition=Q(ended_at__isnull=True),
                name="credit_grant_to_expire",
            ),
        ]
        triggers = [
            _never_changes(
                "grant_terms_frozen", _GRANT_TERMS, "a credit grant never changes; void it"
            ),
            audited(),
        ]

    def __str__(self) -> str:
        return self.name


class CreditTransaction(TenantModel):
    """What became of a grant's units. Append-only; the sum is the balance."""

    class Kind(models.TextChoices):
        GRANTED = "granted", "Granted"
        BURNED = "burned", "Used"
        RETURNED = "returned", "Given back"
        EXPIRED = "expired", "Expired"
        VOIDED = "voided", "Voided"
        ROLLED_OVER = "rolled_over", "Rolled over"
        COVERING = "covering", "Covered overdraft"
        COVERED = "covered", "Overdraft covered"

    grant = TenantForeignKey(CreditGrant, related_name="transactions", db_index=False)
    kind = models.CharField(max_length=11, choices=Kind)
    units = models.DecimalField(**UNITS)  # into the grant positive, out of it negative
    value = models.DecimalField(**MONEY, default=ZERO)  # what it paid of a document; back: negative
    released = models.DecimalField(**MONEY, default=ZERO)  # contract liability released; built: < 0
    invoice = TenantForeignKey(
        Invoice, null=True, blank=True, related_name="credit_transactions", db_index=False
    )
    line_key = models.CharField(max_length=160, blank=True)
    credit_note = TenantForeignKey(
        CreditNote, null=True, blank=True, related_name="credit_transactions"
    )
    returns = TenantForeignKey("self", null=True, blank=True, related_name="returned_by")
    position = models.PositiveIntegerField(default=0)  # order on its document
    event = TenantForeignKey(Event, related_name="+")
    happened_at = models.DateTimeField()
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="credit_transaction_sign",
                condition=Q(kind__in=["granted", "returned", "covered"], units__gt=0)
                | Q(
                    kind__in=["burned", "expired", "voided", "rolled_over", "covering"],
                    units__lt=0,
                ),
            ),
            models.CheckConstraint(
                name="credit_transaction_numbers", condition=is_number("units", "value", "released")
            ),
            models.CheckConstraint(
                name="credit_burn_has_a_line",
                condition=~Q(kind__in=["burned", "returned"])
                | (Q(invoice__isnull=False) & ~Q(line_key="")),
            ),
            models.UniqueConstraint(
                fields=["tenant", "grant"],
                condition=Q(kind="granted"),
                name="credit_granted_once",
            ),
            models.UniqueConstraint(
                fields=["tenant", "invoice", "line_key", "grant"],
                condition=Q(kind="burned"),
                name="credit_burned_once_per_line",
            ),
            models.UniqueConstraint(
                fields=["tenant", "returns", "event"],
                condition=Q(returns__isnull=False),
                name="credit_returned_once_per_event",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "grant"], name="credit_transaction_by_grant"),
            models.Index(fields=["tenant", "invoice"], name="credit_transaction_by_invoice"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="credit_transaction_append_only",
                operation=pgtrigger.Update | pgtrigger.Delete,
            ),
            _never_below_zero(),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.units}"


class InvoiceCredit(TenantModel):
    """Which grant pays what of an invoice: planned while it is open, what it burned once issued."""

    invoice = TenantForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="credits_used", db_index=False
    )
    grant = TenantForeignKey(CreditGrant, related_name="planned_on", db_index=False)
    line_key = models.CharField(max_length=160)  # the line that is paid
    position = models.PositiveIntegerField()  # order of burning
    reduces_base = models.BooleanField()
    units = models.DecimalField(**UNITS)
    value = models.DecimalField(**MONEY)

    label = ""  # of the line that is paid, where it is shown

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "invoice", "grant", "line_key"], name="invoice_credit_once"
            ),
            models.CheckConstraint(
                name="invoice_credit_pays_something", condition=Q(units__gte=0, value__gt=0)
            ),
        ]
        indexes = [models.Index(fields=["tenant", "grant"], name="invoice_credit_by_grant")]
        triggers = [
            pgtrigger.Trigger(
                name="issued_credits_frozen",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                func="""
                IF EXISTS (SELECT FROM billing_invoice i
                            WHERE i.id = (CASE WHEN TG_OP = 'INSERT' THEN NEW.invoice_id
                                               ELSE OLD.invoice_id END)
                              AND i.status IN ('issued', 'void')) THEN
                    RAISE EXCEPTION 'what credits paid of an issued invoice never changes';
                END IF;
                IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
                RETURN NEW;
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.value} of {self.line_key}"


class CreditTopUp(CreditTerms):
    """Credits sold by themselves when what a customer holds falls below a threshold."""

    threshold = models.DecimalField(**UNITS)  # below it, credits are sold
    amount = models.DecimalField(**UNITS, null=True, blank=True)  # units sold; null: fill up
    target = models.DecimalField(**UNITS, null=True, blank=True)  # fill up to it
    unit_cost = models.DecimalField(max_digits=24, decimal_places=12)  # currency per unit
    expires_after_days = models.PositiveIntegerField(null=True, blank=True)
    issues_at_once = models.BooleanField(default=False)
    paused_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            _kind_fits("credit_top_up_kind"),
            models.CheckConstraint(
                name="credit_top_up_sells_something",
                condition=Q(threshold__gte=0, unit_cost__gt=0)
                & is_number("threshold", "unit_cost")
                & (
                    Q(amount__gt=0, target__isnull=True)
                    | Q(amount__isnull=True, target__gt=F("threshold"))
                ),
            ),
        ]
        triggers = [audited()]

    def __str__(self) -> str:
        return self.name


class CreditSale(CreditTerms):
    """Credits a line of a one-off invoice sells: granted when it is issued, once."""

    invoice = TenantForeignKey(
        Invoice, on_delete=models.CASCADE, related_name="credit_sales", db_index=False
    )
    line_key = models.CharField(max_length=160)
    top_up = TenantForeignKey(CreditTopUp, null=True, blank=True, related_name="sales")
    amount = models.DecimalField(**UNITS)
    expires_after_days = models.PositiveIntegerField(null=True, blank=True)
    is_open = models.BooleanField(default=True)  # until its invoice is issued or discarded

    class Meta:
        constraints = [
            _kind_fits("credit_sale_kind"),
            models.UniqueConstraint(
                fields=["tenant", "invoice", "line_key"], name="credit_sale_once_per_line"
            ),
            models.UniqueConstraint(
                fields=["tenant", "top_up"],
                condition=Q(is_open=True),
                name="credit_top_up_one_at_a_time",
            ),
            models.CheckConstraint(
                name="credit_sale_amount", condition=Q(amount__gt=0) & is_number("amount")
            ),
        ]

    def __str__(self) -> str:
        return self.name
