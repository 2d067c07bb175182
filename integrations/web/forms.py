"""What people fill in to connect a provider, to say where amounts go, and to find a push."""

from typing import Any

from django import forms

from integrations.models import Push, SignatureRequest
from integrations.xero.mapping import Accounts
from monetization.catalog.models import Product
from monetization.interface.forms import DayField, PageForm
from monetization.kernel.decimals import NotExact, exact_decimal

_PRODUCT = "product:"


class ConnectForm(PageForm):
    client_id = forms.CharField(label="Client id", max_length=200)
    client_secret = forms.CharField(
        label="Client secret",
        max_length=400,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Of a custom connection, made in Xero's developer portal. Kept encrypted.",
    )

    def __init__(self, *args: Any, simulated: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if simulated:
            for field in self.fields.values():
                field.required = False
            self.fields[
                "client_secret"
            ].help_text = "Xero is simulated on this machine; both may stay empty."


class AccountsForm(PageForm):
    """Where amounts go in Xero's chart of accounts; a product without one goes to sales."""

    sales_account = forms.CharField(
        label="Sales account", max_length=50, help_text="Code of the revenue account."
    )
    tax_type = forms.CharField(
        label="Tax type", max_length=50, help_text="Of lines that carry tax, e.g. OUTPUT2."
    )
    no_tax_type = forms.CharField(label="Tax type without tax", max_length=50)
    tax_types = forms.CharField(
        label="Tax types of single rates",
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One per line: 7 = OUTPUT3, reverse_charge = ECOUTPUTSERVICES, exempt = EXEMPT.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, name in Product.objects.order_by("name").values_list("code", "name"):
            self.fields[f"{_PRODUCT}{code}"] = forms.CharField(
                label=name,
                max_length=50,
                required=False,
                widget=forms.TextInput(attrs={"class": "form-control"}),
            )

    @classmethod
    def of(cls, chosen: Accounts) -> "AccountsForm":
        return cls(
            initial={
                "sales_account": chosen.sales_account,
                "tax_type": chosen.tax_type,
                "no_tax_type": chosen.no_tax_type,
                "tax_types": "\n".join(f"{rate} = {to}" for rate, to in chosen.tax_types.items()),
                **{f"{_PRODUCT}{code}": to for code, to in chosen.product_accounts.items()},
            }
        )

    def clean_tax_types(self) -> dict[str, str]:
        found = {}
        for row in filter(
            str.strip, self.cleaned_data["tax_types"].replace(",", "\n").splitlines()
        ):
            rate, equals, code = (part.strip() for part in row.partition("="))
            rate = rate.rstrip("% ")
            known = rate in ("reverse_charge", "exempt")
            try:
                rate = rate if known else f"{exact_decimal(rate).normalize():f}"
            except NotExact:
                raise forms.ValidationError(
                    f"{row.strip()[:40]}: begin with a rate such as 7, reverse_charge or exempt."
                ) from None
            if not equals or not code or len(code) > 50:
                raise forms.ValidationError(f"{row.strip()[:40]}: write it as 7 = OUTPUT3.")
            found[rate] = code
        return found

    def product_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(_PRODUCT)]

    def values(self) -> dict[str, Any]:
        return {
            "sales_account": self.cleaned_data["sales_account"],
            "tax_type": self.cleaned_data["tax_type"],
            "no_tax_type": self.cleaned_data["no_tax_type"],
            "tax_types": self.cleaned_data["tax_types"],
            "product_accounts": {
                name.removeprefix(_PRODUCT): value
                for name, value in self.cleaned_data.items()
                if name.startswith(_PRODUCT) and value
            },
        }


class StripeForm(PageForm):
    """The key of a Stripe account; may stay empty where Stripe is the simulator."""

    secret_key = forms.CharField(
        max_length=300,
        label="Secret key",
        help_text="From Stripe's dashboard, Developers, API keys; sk_ or restricted rk_.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}, render_value=False),
    )

    def __init__(self, *args: Any, simulated: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if simulated:
            self.fields["secret_key"].required = False
            self.fields["secret_key"].help_text = "Leave it empty for the simulated Stripe."


class EarlierForm(PageForm):
    issued_from = DayField(label="Issued on or after")


class LogFilterForm(PageForm):
    status = forms.ChoiceField(
        label="State", required=False, choices=[("", "Any state"), *Push.Status.choices]
    )
    kind = forms.ChoiceField(
        label="What", required=False, choices=[("", "Everything"), *Push.Kind.choices]
    )
    q = forms.CharField(label="Number or customer", required=False, max_length=200)


class DropboxSignForm(PageForm):
    api_key = forms.CharField(
        label="API key",
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="Of the account that sends. Kept encrypted.",
    )
    client_id = forms.CharField(
        label="Client id", max_length=100, help_text="Of an API app of that account."
    )
    is_test = forms.BooleanField(
        label="Test mode: requests are not legally binding", required=False
    )

    def __init__(self, *args: Any, simulated: bool, **kwargs: Any) -> None:
        super().__init__(*args, auto_id="dropbox_sign_%s", **kwargs)
        if simulated:
            self.fields["api_key"].required = self.fields["client_id"].required = False
            self.fields[
                "client_id"
            ].help_text = "Dropbox Sign is simulated on this machine; both may stay empty."


class SignatureFilterForm(PageForm):
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[
            ("", "Any state"),
            ("attention", "Needs attention"),
            *SignatureRequest.State.choices,
        ],
    )
    q = forms.CharField(label="Quote, title or customer", required=False, max_length=200)
