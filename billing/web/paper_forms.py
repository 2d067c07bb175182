"""What people fill in about documents: look, numbers, electronic form, mail texts."""

from typing import Any

from django import forms

from billing.domain.electronic_addresses import SCHEMES
from billing.domain.mail_texts import MAX_BODY
from billing.models import DocumentRecipient
from billing.services.templates import ENTITY_FIELDS, RECIPIENT_FIELDS, SERIES, TEMPLATE_FIELDS
from monetization.documents.models import DocumentTemplate
from monetization.documents.stationery import DATE_STYLES, NUMBER_FORMATS, PAGE_SIZES
from monetization.documents.words import LANGUAGES
from monetization.interface.forms import PageForm

_SCHEMES = [("", "None"), *((code, f"{code}, {name}") for code, name in SCHEMES.items())]


def _text(length: int, label: str = "", help_text: str = "", *, rows: int = 0) -> forms.CharField:
    field = forms.CharField(
        max_length=length, required=False, label=label or None, help_text=help_text
    )
    if rows:
        field.widget = forms.Textarea(attrs={"rows": rows, "maxlength": length})
    return field


def _choice(choices: Any, label: str, help_text: str = "") -> forms.ChoiceField:
    listed = list(choices.items()) if isinstance(choices, dict) else choices
    return forms.ChoiceField(choices=listed, label=label, help_text=help_text)


class TemplateForm(PageForm):
    """How a legal entity's documents look and what goes with them."""

    logo = forms.FileField(
        required=False,
        label="Logo",
        help_text="PNG or JPEG, at most 500 kB.",
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg"}),
    )
    accent_color = forms.CharField(
        max_length=7,
        label="Accent color",
        widget=forms.TextInput(attrs={"type": "color"}),
        help_text="Headings and rules. Keep it dark enough to read.",
    )
    language = _choice(LANGUAGES, "Language", "A customer may have its own.")
    number_format = _choice(NUMBER_FORMATS, "Numbers")
    date_style = _choice(DATE_STYLES, "Dates")
    page_size = _choice(PAGE_SIZES, "Paper")
    bank_details = _text(
        2000, "Bank details", "Where customers pay, as you would write it.", rows=3
    )
    iban = _text(34, "IBAN", "For electronic invoices; printed too.")
    bic = _text(11, "BIC")
    footer = _text(2000, "Footer", "At the foot of every document.", rows=2)
    invoice_prefix = _text(20, "Invoice prefix")
    invoice_digits = forms.IntegerField(min_value=3, max_value=10, label="Digits")
    credit_note_prefix = _text(20, "Credit note prefix")
    credit_note_digits = forms.IntegerField(min_value=3, max_value=10, label="Digits")
    usage_appendix = _choice(
        DocumentTemplate.Appendix.choices, "Usage detail", "Long detail always goes into a file."
    )
    electronic_format = _choice(
        DocumentTemplate.Electronic.choices, "Electronic invoice", "Sent with the PDF."
    )
    street = _text(200, "Street")
    postal_code = _text(20, "Postal code")
    city = _text(100, "Town")
    endpoint_scheme = _choice(_SCHEMES, "Address scheme")
    endpoint_id = _text(100, "Electronic address")
    registration_scheme = _text(4, "Register", "ISO 6523, e.g. 0106 for the Dutch KvK.")
    registration_id = _text(60, "Registration number")
    contact_name = _text(100, "Contact")
    contact_phone = _text(40, "Telephone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["endpoint_scheme"].required = False

    def section(self, *names: str) -> list[Any]:
        return [self[name] for name in names]

    @property
    def look(self) -> list[Any]:
        return self.section("language", "number_format", "date_style", "page_size")

    @property
    def seller(self) -> list[Any]:
        return self.section(
            "street", "postal_code", "city", "endpoint_scheme", "endpoint_id",
            "registration_scheme", "registration_id", "contact_name", "contact_phone",
        )  # fmt: skip

    def values(self) -> dict[str, str]:
        names = (*TEMPLATE_FIELDS, *ENTITY_FIELDS)
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}

    def numbering(self) -> dict[str, tuple[str, int]]:
        data = self.cleaned_data
        return {
            series: (data[f"{series}_prefix"].strip(), data[f"{series}_digits"])
            for series in SERIES
        }


class MailTextForm(PageForm):
    """A subject and a body with merge fields."""

    subject = forms.CharField(max_length=200)
    body = forms.CharField(
        max_length=MAX_BODY,
        label="Text",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 14}),
    )


class RecipientForm(PageForm):
    """What a customer's documents need beyond its profile."""

    language = _choice([("", "As the legal entity"), *LANGUAGES.items()], "Language")
    buyer_reference = _text(100, "Their reference", "BT-10: Leitweg-ID, cost centre, department.")
    street = _text(200, "Street", "Empty: the first line of the address.")
    postal_code = _text(20, "Postal code")
    city = _text(100, "Town")
    endpoint_scheme = _choice(_SCHEMES, "Address scheme")
    endpoint_id = _text(100, "Electronic address")
    tax_category = _choice(DocumentRecipient.Category.choices, "Tax category where none is charged")
    exemption_reason = _text(200, "Reason of an exemption", "Printed into the electronic invoice.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("language", "endpoint_scheme", "tax_category"):
            self.fields[name].required = False

    def values(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in RECIPIENT_FIELDS}
