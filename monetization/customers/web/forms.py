"""What people fill in about a customer. Forms validate; services save."""

from decimal import Decimal
from typing import Any

from django import forms

from monetization.customers.models import Customer
from monetization.interface.forms import (
    CurrencyField,
    ExactNumberField,
    PageForm,
    TimeZoneField,
    countries,
)
from monetization.tenancy.models import LegalEntity


class CustomerFilterForm(PageForm):
    """The filters of the list; what does not validate is left out."""

    q = forms.CharField(required=False, max_length=200, label="Search")
    currency = forms.CharField(required=False, max_length=3)
    country = forms.CharField(required=False, max_length=2)
    archived = forms.CharField(required=False, max_length=3)
    sort = forms.CharField(required=False, max_length=20)

    def chosen(self) -> dict[str, str]:
        self.is_valid()
        found = {name: self.cleaned_data.get(name, "") for name in self.fields}
        return {"search": found.pop("q"), **found}


def _country_choices() -> list[tuple[str, str]]:
    return [("", "Choose a country"), *countries().items()]


class CustomerForm(PageForm):
    """A customer's details."""

    name = forms.CharField(max_length=200, help_text="How your company speaks of them.")
    legal_name = forms.CharField(
        max_length=200, required=False, help_text="As documents name them, if it differs."
    )
    external_id = forms.CharField(
        max_length=200, required=False, label="CRM id", help_text="The id your CRM knows them by."
    )
    legal_entity: Any = forms.ModelChoiceField(
        queryset=None, label="Sold by", empty_label=None, help_text="Your company on the paper."
    )
    address = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    country = forms.ChoiceField(choices=_country_choices, required=False)
    time_zone = TimeZoneField(
        initial="UTC", help_text="Their billing periods start at midnight here."
    )
    currency = CurrencyField(help_text="For new quotes; signed contracts keep theirs.")
    payment_terms_days = forms.IntegerField(
        min_value=0, max_value=365, initial=30, label="Payment terms, days"
    )
    purchase_order = forms.CharField(max_length=60, required=False)
    tax_treatment = forms.ChoiceField(choices=Customer.TaxTreatment.choices)
    tax_id = forms.CharField(max_length=40, required=False, label="Tax id")
    tax_name = forms.CharField(
        max_length=40, required=False, label="Tax name", help_text="VAT, Sales tax, GST …"
    )
    tax_percent = ExactNumberField(
        places=6, at_most=Decimal(100), required=False, label="Tax rate, percent"
    )
    notes = forms.CharField(
        max_length=10_000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        entities = LegalEntity.objects.order_by("-is_default", "name")
        self.fields["legal_entity"].queryset = entities  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        taxable = data.get("tax_treatment") == Customer.TaxTreatment.TAXABLE
        percent = data.get("tax_percent") or Decimal(0)
        if not taxable and percent and "tax_treatment" in data:
            self.add_error("tax_percent", "Only a taxable customer has a rate; leave it empty.")
        if taxable and percent and not data.get("tax_name"):
            self.add_error("tax_name", "Name the tax, as the invoice should: VAT, Sales tax …")
        data["tax_percent"] = percent
        return data


class ContactForm(PageForm):
    """Somebody who receives documents."""

    name = forms.CharField(max_length=200)
    email = forms.EmailField(max_length=254)
    is_primary = forms.BooleanField(
        required=False, label="Primary contact", help_text="Documents are addressed to them."
    )


class AliasForm(PageForm):
    """A name that usage events carry, for ever or for a stretch of time."""

    alias = forms.CharField(
        max_length=200,
        strip=False,
        label="Name in usage events",
        help_text="Exactly as your systems send it; capitals matter.",
    )
    valid_from = forms.DateTimeField(
        required=False,
        label="From",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Empty: always.",
    )
    valid_until = forms.DateTimeField(
        required=False,
        label="Until",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Not included. Empty: for ever.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        start, end = data.get("valid_from"), data.get("valid_until")
        if start and end and start >= end:
            self.add_error("valid_until", "Must be after the beginning.")
        return data
