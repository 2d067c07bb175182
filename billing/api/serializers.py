"""Invoices, credit notes and payments as the API shows and takes them."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from billing.api.credit_serializers import InvoiceCreditSerializer
from billing.models import CreditRequest, Invoice
from billing.ports import payment_link
from billing.services.bulk import ACTIONS
from monetization.customers.models import Customer
from monetization.interface.fields import (
    AmountField,
    CurrencyField,
    DayField,
    ExactField,
    InputSerializer,
    MonthField,
    ReferenceField,
)
from monetization.kernel.decimals import NotExact, exact_decimal
from monetization.kernel.money import Money, MoneyError
from monetization.tenancy.models import tenant_today


class SignedField(ExactField):
    """An exact number that may be negative."""

    def to_internal_value(self, data: Any) -> Decimal:
        try:
            number = exact_decimal(data)
        except NotExact as error:
            raise serializers.ValidationError(str(error)) from None
        if number < 0:
            return -super().to_internal_value(-number)
        return super().to_internal_value(data)


class InvoiceSerializer(serializers.Serializer[Any]):
    """A claim on a customer. Frozen once issued; sent and paid are facts beside its status."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Invoice.Status.choices)
    number = serializers.CharField(help_text="Empty until it is issued.")
    customer = serializers.UUIDField(source="customer_id")
    customer_name = serializers.CharField(source="customer.name")
    schedule = serializers.UUIDField(source="schedule_id", allow_null=True)
    currency = serializers.CharField()
    bill_on = serializers.DateField()
    period_start = serializers.DateField()
    period_end = serializers.DateField(help_text="Exclusive.")
    subtotal_amount = AmountField()
    tax_amount = AmountField()
    total_amount = AmountField()
    paid_amount = AmountField()
    credited_amount = AmountField()
    written_off_amount = AmountField()
    prepaid_amount = AmountField(help_text="What credits settle: planned on a draft.")
    failing_assertions = serializers.IntegerField(help_text="Rules it fails that nobody waived.")
    payment_status = serializers.ChoiceField(choices=Invoice.PaymentStatus.choices)
    issued_on = serializers.DateField(allow_null=True)
    due_on = serializers.DateField(allow_null=True)
    threshold_number = serializers.IntegerField(
        allow_null=True, help_text="Of an invoice ahead of its period's end, at a threshold."
    )
    sent_at = serializers.DateTimeField(allow_null=True)
    viewed_at = serializers.DateTimeField(allow_null=True)
    voided_at = serializers.DateTimeField(allow_null=True)
    calculated_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class InvoiceLineSerializer(serializers.Serializer[Any]):
    """One amount, rounded once, with everything needed to compute it again."""

    id = serializers.UUIDField(help_text="Changes when a computed line does; the key stays.")
    key = serializers.CharField(help_text="The same at every recalculation.")
    kind = serializers.CharField()
    item_key = serializers.CharField()
    product_code = serializers.CharField()
    description = serializers.CharField()
    service_start = serializers.DateField()
    service_end = serializers.DateField(help_text="Exclusive.")
    quantity = ExactField(allow_null=True)
    unit_price = ExactField(allow_null=True)
    exact_amount = ExactField(help_text="Before rounding.")
    amount = AmountField(currency="invoice.currency")
    tax_percent = ExactField()
    tax_amount = AmountField(currency="invoice.currency")
    price_version = serializers.UUIDField(source="price_version_id", allow_null=True)
    reading = serializers.UUIDField(source="reading_id", allow_null=True)
    is_manual = serializers.BooleanField()
    edited_by = serializers.CharField(help_text="Who wrote a manual line.")
    edited_at = serializers.DateTimeField(allow_null=True)
    is_flagged = serializers.BooleanField(help_text="E.g. a negative quantity counted as zero.")
    note = serializers.CharField()
    explanation = serializers.DictField(help_text="The inputs and every step of the price.")


class InvoiceDetailSerializer(InvoiceSerializer):
    """An invoice with its lines."""

    tax_treatment = serializers.CharField()
    tax_name = serializers.CharField()
    tax_percent = ExactField()
    payment_terms_days = serializers.IntegerField()
    purchase_order = serializers.CharField()
    memo = serializers.CharField()
    change_note = serializers.CharField(help_text="Why it changed; for colleagues.")
    replaces = serializers.UUIDField(source="replaces_id", allow_null=True)
    supplements = serializers.UUIDField(
        source="supplements_id", allow_null=True, help_text="The invoice it charges more for."
    )
    payment_link = serializers.SerializerMethodField(
        help_text="Where the customer pays online; empty where that is not set up."
    )
    credits_used = InvoiceCreditSerializer(many=True)
    void_reason = serializers.CharField()
    write_off_reason = serializers.CharField()
    content_sha256 = serializers.CharField(help_text="Of what it says; once issued.")
    lines = InvoiceLineSerializer(many=True)

    def get_payment_link(self, invoice: Invoice) -> str:
        return payment_link(invoice)


class LineChangeSerializer(serializers.Serializer[Any]):
    """One line before and after; null: the line is not there."""

    key = serializers.CharField()
    description = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)
    cause = serializers.CharField(help_text="usage, price, quantity, discount, tax, new, ...")


class RecalculationSerializer(serializers.Serializer[Any]):
    """What one recalculation changed, and why."""

    at = serializers.DateTimeField()
    actor = serializers.CharField()
    total_before = AmountField(currency="invoice.currency")
    total_after = AmountField(currency="invoice.currency")
    changes = LineChangeSerializer(many=True)


class RecalculatedSerializer(InvoiceDetailSerializer):
    """An invoice after its recalculation; no changes: it was right."""

    changes = LineChangeSerializer(many=True)


class IssueSerializer(InputSerializer):
    issued_on = DayField(
        required=False, help_text="Decides the month it is booked in; today by default."
    )
    ignore_grace = serializers.BooleanField(
        default=False, help_text="Issue although late usage may still arrive."
    )


class ReasonSerializer(InputSerializer):
    reason = serializers.CharField(max_length=300)


class LineCreditSerializer(InputSerializer):
    """What is credited of one line, net; its share of the tax goes with it."""

    line = serializers.UUIDField()
    amount = SignedField(whole=15, places=4)


class CreditSerializer(ReasonSerializer):
    issued_on = DayField(required=False, help_text="Today by default.")
    lines = LineCreditSerializer(  # type: ignore[call-arg]
        many=True,
        required=False,
        allow_empty=False,
        max_length=1000,
        help_text="Everything that is left by default.",
    )

    def validate_lines(self, lines: list[Any]) -> list[Any]:
        seen = [line["line"] for line in lines]
        if len(set(seen)) != len(seen):
            raise serializers.ValidationError("a line appears twice")
        return lines


class BulkFilterSerializer(InputSerializer):
    """Which invoices; as the filters of the list."""

    status = serializers.MultipleChoiceField(choices=Invoice.Status.choices, required=False)
    payment_status = serializers.MultipleChoiceField(
        choices=Invoice.PaymentStatus.choices, required=False
    )
    customer = serializers.UUIDField(required=False)
    schedule = serializers.UUIDField(required=False)
    currency = CurrencyField(required=False)
    bill_on_from = DayField(required=False)
    bill_on_to = DayField(required=False)
    month = MonthField(required=False)
    service_month = MonthField(required=False)


class BulkSerializer(InputSerializer):
    """One action on the invoices named, or on those a filter finds that it can be done to."""

    action = serializers.ChoiceField(choices=list(ACTIONS))
    ids = serializers.ListField(
        child=ReferenceField(Invoice), required=False, allow_empty=False, max_length=1000
    )
    filter = BulkFilterSerializer(required=False)
    issued_on = DayField(required=False, help_text="To issue; today by default.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ids" in attrs) == ("filter" in attrs):
            raise serializers.ValidationError({"ids": "give either ids or a filter"})
        if attrs["action"] == "issue":
            attrs.setdefault("issued_on", tenant_today())
        elif "issued_on" in attrs:
            raise serializers.ValidationError({"issued_on": "is only for the action issue"})
        return attrs


class CreditNoteSerializer(serializers.Serializer[Any]):
    """The correction of an issued invoice."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    invoice = serializers.UUIDField(source="invoice_id")
    customer = serializers.UUIDField(source="customer_id")
    customer_name = serializers.CharField(source="customer.name")
    reason = serializers.CharField()
    currency = serializers.CharField()
    issued_on = serializers.DateField()
    subtotal_amount = AmountField()
    tax_amount = AmountField()
    total_amount = AmountField()
    created_at = serializers.DateTimeField()


class CreditNoteLineSerializer(serializers.Serializer[Any]):
    """What of which invoice line is credited; positive amounts."""

    invoice_line = serializers.CharField(source="invoice_line.key")
    description = serializers.CharField()
    amount = AmountField(currency="credit_note.currency")
    tax_amount = AmountField(currency="credit_note.currency")


class CreditNoteDetailSerializer(CreditNoteSerializer):
    lines = CreditNoteLineSerializer(many=True)


class AllocationSerializer(InputSerializer):
    """Which invoice a payment settles, and by how much."""

    invoice = ReferenceField(Invoice)
    amount = ExactField(whole=15, places=4, above_zero=True)


class PaymentCreateSerializer(InputSerializer):
    """Money received. Without allocations it settles the oldest due invoices first."""

    customer = ReferenceField(Customer)
    currency = CurrencyField()
    amount = ExactField(whole=15, places=4, above_zero=True)
    received_on = DayField()
    reference = serializers.CharField(max_length=200, help_text="The bank's; once per customer.")
    method = serializers.CharField(max_length=40, default="bank transfer")
    allocations = AllocationSerializer(many=True, required=False, max_length=1000)  # type: ignore[call-arg]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        errors: dict[str, Any] = {}
        parts = attrs.get("allocations", [])
        amounts = {"amount": attrs["amount"]} | {
            f"allocations[{index}].amount": part["amount"] for index, part in enumerate(parts)
        }
        for field, amount in amounts.items():
            try:
                Money(amount, attrs["currency"])
            except MoneyError as error:
                errors[field] = str(error)
        invoices = [part["invoice"] for part in parts]
        for index, invoice in enumerate(invoices):
            if invoice in invoices[:index]:
                errors[f"allocations[{index}].invoice"] = "appears twice"
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


class PaymentAllocationSerializer(serializers.Serializer[Any]):
    invoice = serializers.UUIDField(source="invoice_id")
    amount = AmountField(currency="payment.currency")


class PaymentSerializer(serializers.Serializer[Any]):
    """Money received and what it settled; the rest is the customer's credit."""

    id = serializers.UUIDField()
    customer = serializers.UUIDField(source="customer_id")
    currency = serializers.CharField()
    amount = AmountField()
    received_on = serializers.DateField()
    method = serializers.CharField()
    reference = serializers.CharField()
    created_at = serializers.DateTimeField()
    allocations = PaymentAllocationSerializer(many=True)


class InvoiceTotalSerializer(serializers.Serializer[Any]):
    """How many invoices of a currency, and what they come to."""

    currency = serializers.CharField()
    count = serializers.IntegerField()
    total = AmountField()


class CreditPositionSerializer(serializers.Serializer[Any]):
    """A line of an issued invoice, and what is left to credit of it."""

    line = serializers.UUIDField(source="line.id")
    key = serializers.CharField(source="line.key")
    description = serializers.CharField(source="line.description")
    amount = AmountField(source="line.amount", currency="net.currency")
    tax_amount = AmountField(source="line.tax_amount", currency="net.currency")
    amount_left = AmountField(source="net_left.amount", currency="net.currency")
    tax_left = AmountField(source="tax_left.amount", currency="net.currency")


class CreditableSerializer(serializers.Serializer[Any]):
    """What can be credited of an invoice, and how much of it without a second person."""

    currency = serializers.CharField()
    alone = serializers.CharField(
        allow_null=True, help_text="With tax; null where one person may credit everything."
    )
    lines = CreditPositionSerializer(many=True)


class AskedCreditSerializer(serializers.Serializer[Any]):
    """A credit or void somebody asked for, and what became of it."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=CreditRequest.Kind.choices)
    invoice = serializers.UUIDField(source="invoice_id")
    status = serializers.ChoiceField(choices=CreditRequest.Status.choices)
    currency = serializers.CharField(source="invoice.currency")
    total_amount = AmountField(currency="invoice.currency", help_text="With tax.")
    lines = serializers.DictField(
        source="amounts",
        child=serializers.CharField(),
        allow_null=True,
        help_text="Net amount by line; null asks for everything that is left.",
    )
    issued_on = serializers.DateField()
    reason = serializers.CharField()
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField(allow_null=True)
    answer = serializers.CharField(help_text="Why it was declined.")
    credit_note = serializers.UUIDField(source="credit_note_id", allow_null=True)


class AskForCreditSerializer(CreditSerializer):
    """Asks for a credit or a void; somebody else approves it."""

    invoice = ReferenceField(Invoice)
    kind = serializers.ChoiceField(
        choices=CreditRequest.Kind.choices,
        default=CreditRequest.Kind.CREDIT,
        help_text="A void is of the whole invoice, without lines.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse lines and a date beside a void: it has neither."""
        found: dict[str, Any] = super().validate(attrs)
        if found["kind"] != CreditRequest.Kind.CREDIT:
            for name in ("lines", "issued_on"):
                if name in found:
                    raise serializers.ValidationError({name: "only a credit has it; leave it out"})
        return found


class AnswerSerializer(InputSerializer):
    answer = serializers.CharField(max_length=300, help_text="Why not; who asked reads it.")


class UnusedTimeSerializer(serializers.Serializer[Any]):
    """What an issued line charges for days from the contract's end on."""

    invoice = serializers.UUIDField(source="line.invoice_id")
    description = serializers.CharField(source="line.description")
    service_start = serializers.DateField(source="service.start")
    service_end = serializers.DateField(source="service.end", help_text="Exclusive.")
    amount = AmountField(source="amount.amount", currency="amount.currency")
