"""What the month-end desk takes and shows over REST."""

from datetime import timedelta
from typing import Any

from rest_framework import serializers

from billing.api.serializers import SignedField
from billing.domain.assertions import KINDS
from billing.domain.manual_lines import ManualEntry
from billing.models import Invoice
from monetization.customers.models import Customer
from monetization.interface.fields import (
    AmountField,
    CurrencyField,
    DayField,
    InputSerializer,
    ReferenceField,
)
from monetization.kernel.decimals import plain
from monetization.kernel.period import Period
from monetization.tenancy.models import LegalEntity, tenant_today


class ManualLineSerializer(InputSerializer):
    """A line written by hand: an amount, or a quantity at a price."""

    description = serializers.CharField(max_length=300)
    amount = SignedField(whole=14, places=4, required=False, allow_null=True, help_text="Net.")
    quantity = SignedField(whole=12, places=6, required=False, allow_null=True)
    unit_price = SignedField(whole=12, places=6, required=False, allow_null=True)
    product_code = serializers.CharField(max_length=60, required=False, allow_blank=True)
    service_start = DayField(required=False, help_text="The invoice's days by default.")
    service_end = DayField(required=False, help_text="Exclusive.")
    note = serializers.CharField(max_length=300, required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        start, end = attrs.get("service_start"), attrs.get("service_end")
        if (start is None) != (end is None):
            missing = "service_end" if end is None else "service_start"
            raise serializers.ValidationError({missing: "give both days, or none"})
        if start and end and end <= start:
            raise serializers.ValidationError({"service_end": "must be after service_start"})
        return attrs


def entry_from(data: dict[str, Any]) -> ManualEntry:
    """Return a validated body as the service takes it."""
    start, end = data.get("service_start"), data.get("service_end")
    return ManualEntry(
        description=data["description"],
        amount=data.get("amount"),
        quantity=data.get("quantity"),
        unit_price=data.get("unit_price"),
        product_code=data.get("product_code", ""),
        service=Period(start, end) if start and end else None,
        note=data.get("note", ""),
    )


class OneOffSerializer(InputSerializer):
    """An invoice without a contract, for what was delivered."""

    customer = ReferenceField(Customer)
    bill_on = DayField(required=False, help_text="Today by default.")
    currency = CurrencyField(required=False, help_text="The customer's by default.")
    purchase_order = serializers.CharField(max_length=60, required=False, allow_blank=True)
    memo = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    lines = ManualLineSerializer(many=True, allow_empty=False, max_length=500)  # type: ignore[call-arg]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("bill_on", tenant_today())
        return attrs


class SupplementarySerializer(InputSerializer):
    """Charges more for an issued invoice; the lines' service is its period by default."""

    bill_on = DayField(required=False, help_text="Today by default.")
    memo = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    lines = ManualLineSerializer(many=True, allow_empty=False, max_length=500)  # type: ignore[call-arg]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("bill_on", tenant_today())
        return attrs


class InvoiceWordsSerializer(InputSerializer):
    """What people write on an invoice; the note may be written at any time."""

    memo = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    purchase_order = serializers.CharField(max_length=60, required=False, allow_blank=True)
    change_note = serializers.CharField(
        max_length=500, required=False, allow_blank=True, help_text="Why it changed; not printed."
    )


class CommentInputSerializer(InputSerializer):
    text = serializers.CharField(max_length=4000)
    corrects = serializers.UUIDField(required=False, help_text="One's own comment it replaces.")


class CommentSerializer(serializers.Serializer[Any]):
    """A remark for colleagues."""

    id = serializers.UUIDField()
    author = serializers.CharField()
    text = serializers.CharField()
    at = serializers.DateTimeField()
    replaces = serializers.UUIDField(source="replaces_id", allow_null=True)


class FailureSerializer(serializers.Serializer[Any]):
    """A rule a draft fails, and who let it pass."""

    rule = serializers.CharField(source="kind")
    detail = serializers.CharField()
    found_at = serializers.DateTimeField()
    waived_at = serializers.DateTimeField(allow_null=True)
    waived_by = serializers.CharField()
    waive_reason = serializers.CharField()


class SplitSerializer(InputSerializer):
    """Lines that go on a draft of their own."""

    lines = serializers.ListField(child=serializers.UUIDField(), allow_empty=False, max_length=1000)
    purchase_order = serializers.CharField(
        max_length=60, required=False, allow_blank=True, help_text="The same one by default."
    )
    legal_entity = ReferenceField(
        LegalEntity, required=False, help_text="Who invoices it; decides number and tax."
    )


class MergeSerializer(InputSerializer):
    """Drafts that are put onto this one, and let go."""

    invoices = serializers.ListField(
        child=ReferenceField(Invoice), allow_empty=False, max_length=50
    )


class DraftChangeSerializer(serializers.Serializer[Any]):
    """A split or a merge, and whether it was taken back."""

    id = serializers.UUIDField()
    kind = serializers.CharField(help_text="split or merge")
    origin = serializers.UUIDField(source="origin_id", allow_null=True)
    target = serializers.UUIDField(source="target_id", allow_null=True)
    actor = serializers.CharField()
    at = serializers.DateTimeField()
    undone_at = serializers.DateTimeField(allow_null=True)


class WaiveSerializer(InputSerializer):
    reason = serializers.CharField(max_length=300)
    rule = serializers.ChoiceField(
        choices=list(KINDS), required=False, help_text="Every failing one by default."
    )


class WriteOffSerializer(InputSerializer):
    reason = serializers.CharField(max_length=300)
    written_off_on = DayField(required=False, help_text="Today by default.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("written_off_on", tenant_today())
        return attrs


class ReinstateSerializer(InputSerializer):
    reinstated_on = DayField(required=False, help_text="Today by default.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("reinstated_on", tenant_today())
        return attrs


class RuleSerializer(serializers.Serializer[Any]):
    """A test every draft must pass."""

    rule = serializers.CharField(source="kind")
    label = serializers.SerializerMethodField()
    is_enabled = serializers.BooleanField()
    parameters = serializers.DictField(child=serializers.CharField())

    def get_label(self, row: Any) -> str:
        return KINDS[row.kind].label


class RuleInputSerializer(InputSerializer):
    is_enabled = serializers.BooleanField()
    parameters = serializers.DictField(
        child=serializers.CharField(max_length=400, allow_blank=True), required=False
    )


class DaysField(serializers.ListField):
    """Days from the due date, negative before it."""

    def __init__(self, **kwargs: Any) -> None:
        child = serializers.IntegerField(min_value=-60, max_value=365)
        super().__init__(**{"child": child, "max_length": 12, **kwargs})


class ReminderPlanSerializer(InputSerializer):
    """When unpaid invoices are reminded of."""

    is_enabled = serializers.BooleanField()
    days = DaysField()


class CustomerBillingSerializer(InputSerializer):
    """How one customer is billed where it differs."""

    requires_purchase_order = serializers.BooleanField(default=False)
    reminder_days = DaysField(
        allow_null=True, default=None, help_text="Null: the company's days; empty: never."
    )


class ReminderSerializer(serializers.Serializer[Any]):
    """A reminder that was queued."""

    days = serializers.IntegerField(help_text="From the due date.")
    at = serializers.DateTimeField()
    to = serializers.EmailField(source="mail.to")


class ApplySerializer(InputSerializer):
    ids = serializers.ListField(
        child=ReferenceField(Invoice),
        required=False,
        allow_empty=False,
        max_length=1000,
        help_text="Every invoice that would change by default.",
    )


class AgingSerializer(serializers.Serializer[Any]):
    """Open receivables of one currency by how late they are."""

    currency = serializers.CharField()
    current = AmountField(help_text="Not due yet.")
    to_30 = AmountField(help_text="1 to 30 days late.")
    to_60 = AmountField(help_text="31 to 60 days late.")
    over_60 = AmountField()
    total = AmountField()


class StatementQuerySerializer(InputSerializer):
    currency = CurrencyField(required=False, help_text="The customer's by default.")
    since = DayField(required=False, help_text="The first of three months before by default.")
    until = DayField(required=False, help_text="Inclusive; today by default.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.setdefault("until", tenant_today())
        default = (attrs["until"].replace(day=1) - timedelta(days=62)).replace(day=1)
        attrs.setdefault("since", default)
        if attrs["since"] > attrs["until"]:
            raise serializers.ValidationError({"since": "must not be after until"})
        return attrs


class StatementEntrySerializer(serializers.Serializer[Any]):
    """One line of an account; charges positive, settlements negative."""

    day = serializers.DateField()
    kind = serializers.CharField()
    text = serializers.CharField()
    amount = serializers.SerializerMethodField()
    balance = serializers.SerializerMethodField()
    invoice = serializers.UUIDField(source="invoice_id", allow_null=True)

    def get_amount(self, row: Any) -> str:
        return f"{row.amount:f}"

    def get_balance(self, row: Any) -> str:
        return f"{row.balance:f}"


class HeldCreditsSerializer(serializers.Serializer[Any]):
    """A grant and what is left of it, in its own unit."""

    grant = serializers.UUIDField(source="grant.id")
    name = serializers.CharField(source="grant.name")
    unit = serializers.CharField(source="grant.unit")
    units = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField(source="grant.expires_at", allow_null=True)

    def get_units(self, row: Any) -> str:
        return plain(row.units)


class StatementSerializer(serializers.Serializer[Any]):
    """A customer's account in one currency over some days."""

    currency = serializers.CharField()
    since = serializers.DateField()
    until = serializers.DateField()
    opening = AmountField()
    closing = AmountField()
    entries = StatementEntrySerializer(many=True)
    held = HeldCreditsSerializer(
        many=True, help_text="Credits at the end of the last day; no part of the balance."
    )
