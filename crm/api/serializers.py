"""CRM records as the API takes and shows them."""

from typing import Any

from rest_framework import serializers

from monetization.customers.models import Customer
from monetization.interface.fields import (
    AmountField,
    CurrencyField,
    DayField,
    ExactField,
    InputSerializer,
    TimeZoneField,
)
from quotes.models import Opportunity, QuoteVersion

_TEXT: dict[str, Any] = {"required": False, "allow_blank": True}
_ID_HELP = "The id it has in the same system."


class AccountInput(InputSerializer):
    """An account. What is left out stays; a new one needs a name."""

    name = serializers.CharField(max_length=200, required=False)
    legal_name = serializers.CharField(max_length=200, **_TEXT)
    currency = CurrencyField(required=False, help_text="The company's own by default.")
    country = serializers.RegexField(r"\A[A-Z]{2}\Z", **_TEXT)
    address = serializers.CharField(max_length=2000, **_TEXT)
    time_zone = TimeZoneField(max_length=63, required=False)
    payment_terms_days = serializers.IntegerField(min_value=0, max_value=365, required=False)
    tax_id = serializers.CharField(max_length=40, **_TEXT)
    tax_treatment = serializers.ChoiceField(choices=Customer.TaxTreatment.choices, required=False)
    tax_name = serializers.CharField(max_length=40, **_TEXT)
    tax_percent = ExactField(places=6, at_most=100, required=False)
    purchase_order = serializers.CharField(max_length=60, **_TEXT)


class ContactInput(InputSerializer):
    """A contact of an account. What is left out stays."""

    account = serializers.CharField(max_length=200, required=False, help_text=_ID_HELP)
    name = serializers.CharField(max_length=200, required=False)
    email = serializers.EmailField(max_length=254, required=False)
    is_primary = serializers.BooleanField(required=False)


class OpportunityInput(InputSerializer):
    """An opportunity of an account. What is left out stays; null empties amount and date."""

    account = serializers.CharField(max_length=200, required=False, help_text=_ID_HELP)
    name = serializers.CharField(max_length=200, required=False)
    stage = serializers.CharField(max_length=80, **_TEXT)
    amount = ExactField(whole=15, places=4, required=False, allow_null=True)
    currency = CurrencyField(required=False, help_text="The customer's by default.")
    close_on = DayField(required=False, allow_null=True)
    owner = serializers.CharField(max_length=200, **_TEXT)
    outcome = serializers.ChoiceField(
        choices=Opportunity.Outcome.choices,
        required=False,
        help_text="Passed over once a quote of it was sent: then its quotes say.",
    )


class QuoteInput(InputSerializer):
    """A quote. What is left out stays; what was sent is not changed but refused."""

    number = serializers.CharField(
        max_length=20, required=False, help_text="Of a quote that is here, to link it."
    )
    account = serializers.CharField(max_length=200, required=False, help_text=_ID_HELP)
    opportunity = serializers.CharField(max_length=200, required=False, help_text=_ID_HELP)
    title = serializers.CharField(max_length=200, required=False)
    legal_entity = serializers.CharField(
        max_length=12, required=False, help_text="Its code; who sells to the account by default."
    )
    currency = CurrencyField(required=False, help_text="The account's by default.")
    start_on = DayField(required=False)
    expires_on = DayField(required=False)
    purchase_order = serializers.CharField(max_length=60, **_TEXT)
    template = serializers.CharField(
        max_length=120, required=False, help_text="The name of what a new quote offers."
    )


class _Record(serializers.Serializer[Any]):
    """How a record is called, here and there."""

    source = serializers.CharField()
    external_id = serializers.CharField()
    id = serializers.UUIDField()
    external_ids = serializers.DictField(
        child=serializers.CharField(), help_text="What every system calls it."
    )


class AccountRecord(_Record):
    """An account: a customer."""

    name = serializers.CharField()
    legal_name = serializers.CharField()
    currency = serializers.CharField()
    country = serializers.CharField()
    address = serializers.CharField()
    time_zone = serializers.CharField()
    payment_terms_days = serializers.IntegerField()
    tax_id = serializers.CharField()
    tax_treatment = serializers.ChoiceField(choices=Customer.TaxTreatment.choices)
    tax_name = serializers.CharField()
    tax_percent = ExactField()
    purchase_order = serializers.CharField()


class ContactRecord(_Record):
    """A contact: somebody who receives a customer's documents."""

    account = serializers.CharField(allow_null=True, source="account_named")
    customer = serializers.UUIDField(source="customer_id")
    name = serializers.CharField()
    email = serializers.CharField()
    is_primary = serializers.BooleanField()


class OpportunitySerializer(serializers.Serializer[Any]):
    """An opportunity with its quotes."""

    id = serializers.UUIDField()
    customer = serializers.UUIDField(source="customer_id")
    customer_name = serializers.CharField(source="customer.name")
    name = serializers.CharField()
    stage = serializers.CharField()
    amount = AmountField(allow_null=True)
    currency = serializers.CharField()
    close_on = serializers.DateField(allow_null=True)
    owner = serializers.CharField(source="owner_label")
    outcome = serializers.ChoiceField(choices=Opportunity.Outcome.choices)
    quotes = serializers.ListField(
        child=serializers.CharField(), source="quote_numbers", help_text="Their numbers."
    )
    external_ids = serializers.DictField(child=serializers.CharField())
    created_at = serializers.DateTimeField()


class OpportunityRecord(OpportunitySerializer):
    """An opportunity as one system knows it."""

    source = serializers.CharField()
    external_id = serializers.CharField()
    account = serializers.CharField(allow_null=True, source="account_named")


class QuoteRecord(_Record):
    """A quote by its latest version."""

    number = serializers.CharField()
    customer = serializers.UUIDField(source="customer_id")
    account = serializers.CharField(allow_null=True, source="account_named")
    opportunity = serializers.CharField(allow_null=True, source="opportunity_named")
    title = serializers.CharField()
    version = serializers.IntegerField(source="latest.number")
    status = serializers.ChoiceField(source="latest.status", choices=QuoteVersion.Status.choices)
    start_on = serializers.DateField(source="latest.start_on")
    expires_on = serializers.DateField(source="latest.expires_on")
    legal_entity = serializers.CharField(
        source="latest.legal_entity.code", help_text="Who sells; its code."
    )
    purchase_order = serializers.CharField(source="latest.purchase_order")
    currency = serializers.CharField(source="latest.currency")
    total_contract_value = AmountField(
        source="latest.total_contract_value", currency="latest.currency", allow_null=True
    )
    annual_contract_value = AmountField(
        source="latest.annual_contract_value", currency="latest.currency", allow_null=True
    )
    signed_at = serializers.DateTimeField(allow_null=True)
