"""Quotes as the API shows and takes them."""

import base64
from datetime import date
from typing import Any

from rest_framework import serializers

from monetization.catalog.models import Price
from monetization.customers.models import Customer
from monetization.interface.fields import (
    AmountField,
    CurrencyField,
    DayField,
    ExactField,
    InputSerializer,
    ReferenceField,
    TimeZoneField,
)
from monetization.interface.price_fields import ChargeModelField, ModifiersField
from monetization.pricing.proration import METHODS
from monetization.tenancy.models import LegalEntity, tenant_today
from quotes.models import QuoteLine, QuotePhase, QuoteTemplate, QuoteVersion, Signer

MAX_MONTHS = 240
_OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}
_TEXT: dict[str, Any] = {"required": False, "allow_blank": True}


class QuoteLineSerializer(InputSerializer):
    """One product at one price. What the list price says may be left out."""

    product = serializers.SlugField(source="product.code", max_length=60, help_text="Its code.")
    item_key = serializers.RegexField(
        r"\A[^:\s][^:]*\Z",
        max_length=100,
        required=False,
        help_text="Ties the same line together across phases; the product's code by default.",
    )
    price_version = serializers.UUIDField(
        source="price_version_id", help_text="The list price it starts from.", **_OPTIONAL
    )
    description = serializers.CharField(max_length=300, **_TEXT)
    model = ChargeModelField(required=False, help_text="The agreed price, if not the list price.")
    modifiers = ModifiersField(
        required=False, help_text="Beside the price; those of the list price by default."
    )
    quantity = ExactField(help_text="Of fixed and seat lines.", **_OPTIONAL)
    expected_quantity = ExactField(help_text="Assumed usage per billing period.", **_OPTIONAL)
    meter_key = serializers.CharField(max_length=60, **_TEXT)
    frequency = serializers.ChoiceField(choices=Price.Frequency.choices, required=False)
    timing = serializers.ChoiceField(choices=Price.Timing.choices, required=False)
    proration = serializers.ChoiceField(choices=METHODS, required=False)
    discount_percent = ExactField(places=6, at_most=100, required=False)
    term_discount_mode = serializers.ChoiceField(
        choices=QuoteLine.TermDiscount.choices,
        required=False,
        help_text="automatic: what the catalog's rules give a term of this length.",
    )
    term_discount_percent = ExactField(
        places=6, at_most=100, required=False, help_text="Read with the mode own or kept."
    )
    term_discount_label = serializers.CharField(max_length=120, **_TEXT)
    is_optional = serializers.BooleanField(
        required=False, help_text="The customer chooses it on the signing page."
    )
    is_chosen = serializers.BooleanField(
        required=False, help_text="An optional item that is in the offer as it stands."
    )
    choice_group = serializers.CharField(
        max_length=60, help_text="Items of the same are alternatives: one is chosen.", **_TEXT
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the line as the builder's payload spells it."""
        line = {**attrs, "product": attrs["product"]["code"]}
        line["price_version"] = line.pop("price_version_id", None)
        if line["price_version"] is None and "model" not in line:
            raise serializers.ValidationError(
                {"model": "is needed where no price_version is given"}
            )
        return line


class QuotePhaseSerializer(InputSerializer):
    """A stretch with the same prices; each begins where the one before ends."""

    name = serializers.CharField(max_length=80, **_TEXT)
    kind = serializers.ChoiceField(choices=QuotePhase.Kind.choices, required=False)
    months = serializers.IntegerField(
        min_value=1, max_value=MAX_MONTHS, help_text="Null: open-ended, last phase.", **_OPTIONAL
    )
    minimum_amount = ExactField(whole=15, places=4, help_text="Committed usage.", **_OPTIONAL)
    minimum_frequency = serializers.ChoiceField(
        choices=[choice for choice in Price.Frequency.choices if choice[0] != "one_time"], **_TEXT
    )
    discount_percent = ExactField(places=6, at_most=100, required=False)
    discount_label = serializers.CharField(max_length=120, **_TEXT)
    lines = QuoteLineSerializer(many=True, required=False, max_length=100)  # type: ignore[call-arg]


class FurtherSignerSerializer(InputSerializer):
    """Who signs after the first signer; the seller's side counter-signs."""

    name = serializers.CharField(max_length=200)
    email = serializers.EmailField(max_length=254)
    side = serializers.ChoiceField(choices=Signer.Side.choices, required=False)


class QuoteDraftSerializer(InputSerializer):
    """A draft's state. Fields left out stay; ``phases`` replaces all phases."""

    title = serializers.CharField(max_length=200, required=False)
    legal_entity = ReferenceField(
        LegalEntity, required=False, help_text="Who sells; the customer's by default."
    )
    currency = CurrencyField(
        required=False,
        help_text="The customer's by default. Changed without phases, every line takes its list "
        "price in it.",
    )
    start_on = DayField(required=False)
    expires_on = DayField(required=False, help_text="The last day it can be signed.")
    time_zone = TimeZoneField(max_length=63, required=False)
    anchor_day = serializers.IntegerField(min_value=1, max_value=31, required=False)
    payment_terms_days = serializers.IntegerField(min_value=0, max_value=365, required=False)
    auto_renew = serializers.BooleanField(required=False)
    purchase_order = serializers.CharField(max_length=60, **_TEXT)
    introduction = serializers.CharField(max_length=20_000, **_TEXT)
    special_terms = serializers.CharField(max_length=20_000, **_TEXT)
    signer_name = serializers.CharField(max_length=200, **_TEXT)
    signer_email = serializers.EmailField(max_length=254, **_TEXT)
    further_signers = FurtherSignerSerializer(many=True, required=False, max_length=10)  # type: ignore[call-arg]
    asks_email_code = serializers.BooleanField(required=False)
    renewal_months = serializers.IntegerField(min_value=1, max_value=120, required=False)
    renewal_uplift_percent = ExactField(places=6, at_most=100, required=False)
    renewal_notice_days = serializers.IntegerField(min_value=0, max_value=365, required=False)
    phases = QuotePhaseSerializer(many=True, required=False, max_length=24)  # type: ignore[call-arg]

    def validate_phases(self, phases: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if sum(phase.get("months") or 0 for phase in phases) > MAX_MONTHS:
            raise serializers.ValidationError(f"may span at most {MAX_MONTHS} months together")
        return phases


class QuoteCreateSerializer(QuoteDraftSerializer):
    """A new quote; its draft may be given with it."""

    customer = ReferenceField(Customer)
    title = serializers.CharField(max_length=200)
    start_on = DayField()
    external_id = serializers.CharField(
        max_length=200, help_text="Your CRM's opportunity.", **_TEXT
    )
    template = ReferenceField(
        QuoteTemplate, required=False, help_text="What it starts from; the rest is laid over it."
    )


class QuoteCopySerializer(InputSerializer):
    """A quote that offers the same; what is left out is taken over."""

    customer = ReferenceField(Customer, required=False)
    title = serializers.CharField(max_length=200, required=False)
    start_on = DayField(required=False)


class QuoteSerializer(serializers.Serializer[Any]):
    """A quote in a list, with its latest version's state."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    title = serializers.CharField()
    customer = serializers.UUIDField(source="customer_id")
    customer_name = serializers.CharField(source="customer.name")
    external_id = serializers.CharField()
    owner = serializers.CharField(source="owner_label")
    status = serializers.ChoiceField(
        source="latest_status", choices=QuoteVersion.Status.choices, allow_null=True
    )
    version = serializers.IntegerField(source="latest_number", allow_null=True)
    created_at = serializers.DateTimeField()


class QuoteVersionSerializer(serializers.Serializer[Any]):
    """One iteration: what the builder holds and what became of it."""

    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=QuoteVersion.Status.choices)
    legal_entity = serializers.UUIDField(source="legal_entity_id")
    currency = serializers.CharField()
    time_zone = serializers.CharField()
    start_on = serializers.DateField()
    anchor_day = serializers.IntegerField()
    payment_terms_days = serializers.IntegerField()
    auto_renew = serializers.BooleanField()
    expires_on = serializers.DateField()
    purchase_order = serializers.CharField()
    introduction = serializers.CharField()
    special_terms = serializers.CharField()
    signer_name = serializers.CharField()
    signer_email = serializers.CharField()
    signature_method = serializers.CharField()
    further_signers = serializers.ListField(child=serializers.DictField())
    asks_email_code = serializers.BooleanField()
    renewal_months = serializers.IntegerField()
    renewal_uplift_percent = ExactField()
    renewal_notice_days = serializers.IntegerField()
    total_contract_value = AmountField(allow_null=True)
    annual_contract_value = AmountField(allow_null=True)
    terms_sha256 = serializers.CharField(help_text="What a signature covers; once sent.")
    document_sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)


class EstimateAmountSerializer(serializers.Serializer[Any]):
    of = serializers.CharField(help_text="A phase's key, a contract year or a billing date.")
    amount = serializers.CharField()


class EstimateLineSerializer(serializers.Serializer[Any]):
    """A future invoice line under the assumed usage."""

    key = serializers.CharField()
    item_key = serializers.CharField()
    phase = serializers.CharField(source="phase_key")
    kind = serializers.CharField()
    description = serializers.CharField(source="label")
    service_start = serializers.DateField(source="service.start")
    service_end = serializers.DateField(source="service.end", help_text="Exclusive.")
    bill_on = serializers.DateField()
    quantity = ExactField(allow_null=True)
    unit_price = ExactField(allow_null=True)
    amount = AmountField(source="amount.amount", currency="amount.currency")


class EstimateSerializer(serializers.Serializer[Any]):
    """The whole term priced, by the functions that will bill it."""

    currency = serializers.CharField()
    total = serializers.CharField(help_text="With the assumed usage.")
    total_contract_value = serializers.CharField(help_text="Committed: without assumed usage.")
    annual_contract_value = serializers.CharField()
    annual_recurring_revenue = serializers.CharField(
        help_text="Committed by twelve months like the last phase, without what is billed once."
    )
    below_list_percent = ExactField(
        allow_null=True, help_text="Over the term; negative above list; null without a list."
    )
    margin_percent = ExactField(
        allow_null=True, help_text="Null where a product's cost is not known."
    )
    by_phase = EstimateAmountSerializer(many=True)
    by_year = EstimateAmountSerializer(many=True)
    by_bill_date = EstimateAmountSerializer(many=True)
    lines = EstimateLineSerializer(many=True)


class VersionDetailSerializer(QuoteVersionSerializer):
    """A version with its phases, terms and estimate."""

    phases = QuotePhaseSerializer(many=True)
    terms = serializers.DictField(
        allow_null=True, help_text="The terms as signed and billed; null while incomplete."
    )
    estimate = EstimateSerializer(allow_null=True)
    incomplete = serializers.CharField(
        allow_null=True, help_text="What keeps a draft from having terms."
    )
    missing = serializers.ListField(
        child=serializers.CharField(),
        help_text="What a draft lacks before it can be sent, approvals too.",
    )


class QuoteDetailSerializer(QuoteSerializer):
    """A quote with its latest version."""

    latest = VersionDetailSerializer()


class QuoteSentSerializer(QuoteDetailSerializer):
    """The quote, and the address at which its signer signs. It is a secret."""

    signing_url = serializers.CharField(
        help_text="Empty where a signature service invites the signer itself."
    )


class SendSerializer(InputSerializer):
    """How the order form is to be signed; our own page unless told otherwise."""

    signature_method = serializers.CharField(
        max_length=30, required=False, help_text="link, dropbox_sign or dropbox_sign_embedded."
    )


class SignedElsewhereSerializer(InputSerializer):
    """A contract signed outside. Without a document its terms are the document."""

    signed_on = DayField()
    signer_name = serializers.CharField(max_length=200)
    signer_email = serializers.EmailField(max_length=254)
    document = serializers.CharField(required=False, help_text="The signed PDF, in base64.")

    def validate_signed_on(self, day: date) -> date:
        if day > tenant_today():
            raise serializers.ValidationError("lies in the future; record it once it is signed")
        return day

    def validate_document(self, text: str) -> bytes:
        try:
            content = base64.b64decode(text, validate=True)
        except ValueError:
            raise serializers.ValidationError("must be base64") from None
        if not content.startswith(b"%PDF-"):
            raise serializers.ValidationError("must be a PDF")
        return content


class OrderFormSerializer(serializers.Serializer[Any]):
    """A signed document in a list."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    quote = serializers.UUIDField(source="version.quote_id")
    version = serializers.IntegerField(source="version.number")
    customer = serializers.UUIDField(source="customer_id")
    customer_name = serializers.CharField(source="customer.name")
    signer_name = serializers.CharField()
    signer_email = serializers.CharField()
    signed_at = serializers.DateTimeField()


class OrderFormDetailSerializer(OrderFormSerializer):
    """A signed document: its frozen terms and the evidence of the signature."""

    terms = serializers.DictField()
    terms_sha256 = serializers.CharField()
    document_sha256 = serializers.CharField(help_text="Of the document the signer was shown.")
    signer_title = serializers.CharField()
    consent_text = serializers.CharField()
    ip_address = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()
