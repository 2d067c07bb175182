"""Credits as JSON: what is sent and what is answered."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.models import CreditGrant, CreditPlan, CreditTransaction
from billing.selectors.credits import STATES
from monetization.interface.fields import AmountField, ExactField


@extend_schema_field({"type": "string", "format": "decimal", "example": "-12.5"})
class SignedUnitsField(serializers.Field[Any, Any, Any, Any]):
    """Units as an exact string; out of a grant they are negative."""

    def to_representation(self, value: Any) -> str:
        return format(value.normalize(), "f")


class _TermsSerializer(serializers.Serializer[Any]):
    customer = serializers.UUIDField(source="customer_id")
    schedule = serializers.UUIDField(
        source="schedule_id", allow_null=True, help_text="Null: every contract of the customer."
    )
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=CreditGrant.Kind.choices)
    currency = serializers.CharField()
    meter = serializers.UUIDField(source="meter_id", allow_null=True)
    unit_code = serializers.CharField()
    priority = serializers.IntegerField(help_text="The lowest pays first.")
    products = serializers.ListField(child=serializers.CharField(), help_text="Empty: every one.")
    prices = serializers.ListField(child=serializers.CharField(), help_text="Empty: every one.")
    taxed_at = serializers.ChoiceField(choices=CreditGrant.TaxedAt.choices)
    allows_overdraft = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class CreditGrantSerializer(serializers.Serializer[Any]):
    """A grant and where it stands. Units, but for what is owed for it."""

    id = serializers.UUIDField(source="grant.id")
    customer = serializers.UUIDField(source="grant.customer_id")
    schedule = serializers.UUIDField(source="grant.schedule_id", allow_null=True)
    name = serializers.CharField(source="grant.name")
    kind = serializers.ChoiceField(source="grant.kind", choices=CreditGrant.Kind.choices)
    currency = serializers.CharField(source="grant.currency")
    meter = serializers.UUIDField(source="grant.meter_id", allow_null=True)
    unit_code = serializers.CharField(source="grant.unit_code")
    amount = SignedUnitsField(source="grant.amount")
    cost_amount = AmountField(
        source="grant.cost_amount",
        currency="grant.currency",
        help_text="What all of it was sold for; 0: given.",
    )
    balance = SignedUnitsField(help_text="After issued invoices.")
    planned = SignedUnitsField(help_text="By open invoices.")
    left = SignedUnitsField(help_text="Balance less planned.")
    burned = SignedUnitsField()
    expired = SignedUnitsField()
    standing = serializers.ChoiceField(source="state", choices=STATES)
    priority = serializers.IntegerField(source="grant.priority")
    products = serializers.ListField(source="grant.products", child=serializers.CharField())
    prices = serializers.ListField(source="grant.prices", child=serializers.CharField())
    taxed_at = serializers.ChoiceField(source="grant.taxed_at", choices=CreditGrant.TaxedAt.choices)
    allows_overdraft = serializers.BooleanField(source="grant.allows_overdraft")
    origin = serializers.ChoiceField(source="grant.origin", choices=CreditGrant.Origin.choices)
    invoice = serializers.UUIDField(
        source="grant.invoice_id", allow_null=True, help_text="That sold it."
    )
    plan = serializers.UUIDField(source="grant.plan_id", allow_null=True)
    effective_at = serializers.DateTimeField(source="grant.effective_at")
    expires_at = serializers.DateTimeField(
        source="grant.expires_at", allow_null=True, help_text="Exclusive."
    )
    voided_at = serializers.DateTimeField(source="grant.voided_at", allow_null=True)
    created_at = serializers.DateTimeField(source="grant.created_at")


class CustomerCreditsSerializer(serializers.Serializer[Any]):
    """A customer's grants, live: ``planned`` counts usage up to now."""

    as_of = serializers.DateTimeField()
    grants = CreditGrantSerializer(many=True)


class CreditTransactionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    grant = serializers.UUIDField(source="grant_id")
    kind = serializers.ChoiceField(choices=CreditTransaction.Kind.choices)
    units = SignedUnitsField()
    value = AmountField(currency="grant.currency", help_text="What it paid; given back: negative.")
    released = AmountField(
        currency="grant.currency", help_text="Contract liability released; built: negative."
    )
    invoice = serializers.UUIDField(source="invoice_id", allow_null=True)
    line_key = serializers.CharField()
    credit_note = serializers.UUIDField(source="credit_note_id", allow_null=True)
    returns = serializers.UUIDField(source="returns_id", allow_null=True)
    happened_at = serializers.DateTimeField()


class InvoiceCreditSerializer(serializers.Serializer[Any]):
    """Which grant pays what of an invoice: planned on a draft, burned once it is issued."""

    grant = serializers.UUIDField(source="grant_id")
    name = serializers.CharField(source="grant.name")
    line_key = serializers.CharField()
    reduces_base = serializers.BooleanField(help_text="False: it settles the taxed total.")
    units = SignedUnitsField()
    value = AmountField(currency="grant.currency")


class _Words(serializers.Serializer[Any]):
    customer = serializers.UUIDField(source="customer_id")
    name = serializers.CharField(max_length=120)
    amount = ExactField(whole=15, above_zero=True, help_text="Currency or units.")
    kind = serializers.ChoiceField(choices=CreditGrant.Kind.choices, required=False)
    currency = serializers.CharField(
        max_length=3, required=False, help_text="The customer's by default."
    )
    meter = serializers.UUIDField(source="meter_id", required=False, allow_null=True)
    unit_code = serializers.CharField(max_length=60, required=False, allow_blank=True)
    schedule = serializers.UUIDField(source="schedule_id", required=False, allow_null=True)
    priority = serializers.IntegerField(min_value=0, max_value=1000, required=False)
    products = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=100, required=False
    )
    prices = serializers.ListField(child=serializers.UUIDField(), max_length=100, required=False)
    taxed_at = serializers.ChoiceField(choices=CreditGrant.TaxedAt.choices, required=False)
    allows_overdraft = serializers.BooleanField(required=False)


class CreditGrantInput(_Words):
    effective_at = serializers.DateTimeField(required=False, allow_null=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Exclusive.")


class VoidGrantInput(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300)


class CreditSaleInput(_Words):
    price = ExactField(places=4, above_zero=True, help_text="For all of them, without tax.")
    expires_after_days = serializers.IntegerField(
        min_value=1, max_value=36500, required=False, allow_null=True
    )


class _TermsChange(serializers.Serializer[Any]):
    """What may be changed of credits by themselves; what is not sent stays."""

    name = serializers.CharField(max_length=120, required=False)
    amount = ExactField(whole=15, above_zero=True, required=False)
    priority = serializers.IntegerField(min_value=0, max_value=1000, required=False)
    products = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=100, required=False
    )
    prices = serializers.ListField(child=serializers.UUIDField(), max_length=100, required=False)
    taxed_at = serializers.ChoiceField(choices=CreditGrant.TaxedAt.choices, required=False)
    allows_overdraft = serializers.BooleanField(required=False)


class CreditPlanChange(_TermsChange):
    ends_on = serializers.DateField(required=False, allow_null=True, help_text="Exclusive.")
    resets = serializers.BooleanField(required=False)
    roll_over_fraction = ExactField(required=False, at_most=1)
    roll_over_most = ExactField(whole=15, required=False, allow_null=True)


class CreditTopUpChange(_TermsChange):
    threshold = ExactField(whole=15, required=False)
    unit_cost = ExactField(above_zero=True, required=False)
    target = ExactField(whole=15, required=False, allow_null=True, help_text="Null: the amount.")
    expires_after_days = serializers.IntegerField(
        min_value=1, max_value=36500, required=False, allow_null=True
    )
    issues_at_once = serializers.BooleanField(required=False)


class CreditPlanInput(_Words):
    every = serializers.ChoiceField(choices=CreditPlan.Every.choices)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(required=False, allow_null=True, help_text="Exclusive.")
    resets = serializers.BooleanField(
        required=False, help_text="Each grant ends when the next one begins."
    )
    roll_over_fraction = ExactField(required=False, at_most=1)
    roll_over_most = ExactField(whole=15, required=False, allow_null=True)


class CreditPlanSerializer(_TermsSerializer):
    id = serializers.UUIDField()
    amount = SignedUnitsField()
    every = serializers.ChoiceField(choices=CreditPlan.Every.choices)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)
    resets = serializers.BooleanField()
    roll_over_fraction = SignedUnitsField()
    roll_over_most = SignedUnitsField(allow_null=True)
    paused_at = serializers.DateTimeField(allow_null=True)
    stopped_at = serializers.DateTimeField(allow_null=True)


class CreditTopUpInput(_Words):
    threshold = ExactField(whole=15, help_text="Below it, credits are sold.")
    unit_cost = ExactField(above_zero=True, help_text="Currency per unit.")
    target = ExactField(
        whole=15, required=False, allow_null=True, help_text="Fill up to it, not by the amount."
    )
    expires_after_days = serializers.IntegerField(
        min_value=1, max_value=36500, required=False, allow_null=True
    )
    issues_at_once = serializers.BooleanField(required=False)


class CreditTopUpSerializer(_TermsSerializer):
    id = serializers.UUIDField()
    threshold = SignedUnitsField()
    amount = SignedUnitsField(allow_null=True)
    target = SignedUnitsField(allow_null=True)
    unit_cost = SignedUnitsField()
    expires_after_days = serializers.IntegerField(allow_null=True)
    issues_at_once = serializers.BooleanField()
    paused_at = serializers.DateTimeField(allow_null=True)
    stopped_at = serializers.DateTimeField(allow_null=True)
