"""What people type on the quote pages. Forms validate; services save."""

from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from monetization.catalog.models import Price
from monetization.customers.models import Customer
from monetization.interface import forms as interface_forms
from monetization.interface.fields import FIRST_DAY, LAST_DAY
from monetization.kernel.money import currencies_in_use
from monetization.tenancy.models import LegalEntity
from quotes.models import Opportunity, QuoteTemplate, QuoteVersion


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self, **attrs: Any) -> None:
        super().__init__(attrs={"class": "form-control", **attrs}, format="%Y-%m-%d")


class DayField(interface_forms.DayField):
    """A date a contract can have."""

    default_error_messages = {
        "invalid": "must be a date like 2026-01-31",
        "required": "is needed",
        "beyond": f"must be from {FIRST_DAY} to {LAST_DAY}",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=DayInput(), **kwargs)


def text_input(**attrs: str) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "form-control", **attrs})


class FilterForm(forms.Form):
    """The filters of the list; what cannot be read is left out."""

    q = forms.CharField(required=False, max_length=100)
    status = forms.ChoiceField(
        required=False, choices=[("", "Any status"), *QuoteVersion.Status.choices]
    )
    customer = forms.UUIDField(required=False)
    owner = forms.CharField(required=False, max_length=200)
    sort = forms.CharField(required=False, max_length=20)


def currency_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the currencies, those with list prices first."""
    names = currencies_in_use()
    listed = Price.objects.filter(is_archived=False, product__is_archived=False)
    used = sorted(listed.values_list("currency", flat=True).distinct())
    rest = [code for code in names if code not in used]
    return [
        (title, [(code, f"{code} · {names.get(code, code)}") for code in codes])
        for title, codes in (("With list prices", used), ("Without list prices", rest))
        if codes
    ]


class NewQuoteForm(forms.Form):
    customer = forms.ModelChoiceField(
        queryset=Customer.objects.none(),
        empty_label="Choose a customer …",
        widget=forms.Select(attrs={"class": "form-select", "autofocus": True}),
        help_text="Its time zone and payment terms are taken over.",
    )
    title = forms.CharField(
        max_length=200,
        widget=text_input(placeholder="Platform agreement 2027"),
        help_text="What the agreement is called on the order form.",
    )
    start_on = DayField(label="Start date", help_text="The first day of service.")
    template = forms.ModelChoiceField(
        queryset=QuoteTemplate.objects.none(),
        required=False,
        empty_label="An empty quote",
        label="Start from",
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    legal_entity = forms.ModelChoiceField(
        queryset=LegalEntity.objects.none(),
        required=False,
        empty_label="Who usually sells to the customer",
        label="Sold by",
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    currency = forms.ChoiceField(
        required=False, widget=forms.Select(attrs={"class": "form-select"})
    )

    opportunity = forms.ModelChoiceField(
        queryset=Opportunity.objects.none(), required=False, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        opportunities: Any = self.fields["opportunity"]
        opportunities.queryset = Opportunity.objects.all()
        customers: Any = self.fields["customer"]
        customers.queryset = Customer.objects.filter(is_archived=False).order_by("name")
        entities: Any = self.fields["legal_entity"]
        entities.queryset = LegalEntity.objects.order_by("name")
        currencies: Any = self.fields["currency"]
        currencies.choices = [("", "The customer's"), *currency_choices()]
        templates: Any = self.fields["template"]
        templates.queryset = QuoteTemplate.objects.order_by("name")


class SignForm(forms.Form):
    """The signature: who, with what authority, and that they mean it."""

    name = forms.CharField(
        max_length=200,
        label="Your full name",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": "Type your full name."},
    )
    email = forms.EmailField(
        max_length=254,
        label="Your e-mail address",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        error_messages={
            "required": "Type your e-mail address; your signed copy is sent there.",
            "invalid": "This is not an e-mail address. It looks like name@company.com.",
        },
    )
    title = forms.CharField(
        max_length=120,
        required=False,
        label="Your title",
        widget=forms.TextInput(attrs={"autocomplete": "organization-title"}),
    )
    consent = forms.BooleanField(error_messages={"required": "Tick the box to sign."})


class DeclineForm(forms.Form):
    reason = forms.CharField(
        max_length=1000,
        label="Why not?",
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say in a few words why you decline."},
    )


class QuestionForm(forms.Form):
    text = forms.CharField(
        max_length=5000,
        label="Your question",
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Write your question."},
    )


class ReassignForm(forms.Form):
    """Who signs instead."""

    new_name = forms.CharField(
        max_length=200, label="Their full name", error_messages={"required": "Type their name."}
    )
    new_email = forms.EmailField(
        max_length=254,
        label="Their e-mail address",
        error_messages={
            "required": "Type their e-mail address.",
            "invalid": "This is not an e-mail address. It looks like name@company.com.",
        },
    )


class SignedElsewhereForm(forms.Form):
    """A contract signed outside: when, by whom, and the file if there is one."""

    MAX_BYTES = 15 * 1024 * 1024

    signed_on = DayField(label="Signed on")
    signer_name = forms.CharField(
        max_length=200, label="Signed by", widget=text_input(autocomplete="off")
    )
    signer_email = forms.EmailField(
        max_length=254,
        label="Their e-mail address",
        widget=forms.EmailInput(attrs={"class": "form-control"}),
    )
    file = forms.FileField(
        required=False,
        label="Signed document",
        max_length=200,
        widget=forms.FileInput(attrs={"class": "form-control", "accept": ".pdf,.png,.jpg,.jpeg"}),
        help_text="A PDF or a scan, at most 15 MB. Without one, the terms themselves are kept.",
    )

    def clean_signed_on(self) -> date:
        day: date = self.cleaned_data["signed_on"]
        if day > timezone.localdate():
            raise forms.ValidationError("lies in the future; a contract is recorded once signed")
        return day

    def clean_file(self) -> Any:
        upload = self.cleaned_data.get("file")
        if upload is None:
            return None
        if upload.size > self.MAX_BYTES:
            raise forms.ValidationError("is larger than 15 MB; upload a smaller scan")
        head = upload.read(8)
        upload.seek(0)
        for magic, content_type in (
            (b"%PDF-", "application/pdf"),
            (b"\x89PNG", "image/png"),
            (b"\xff\xd8\xff", "image/jpeg"),
        ):
            if head.startswith(magic):
                upload.sniffed_type = content_type
                return upload
        raise forms.ValidationError("is neither a PDF nor a PNG or JPEG image")
