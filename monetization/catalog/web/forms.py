"""What people fill in about products and prices."""

from typing import Any

from django import forms
from django.utils.text import slugify

from metering.models import Meter
from monetization.catalog.models import Price, Product
from monetization.interface.forms import CurrencyField, ExactNumberField, PageForm

PRORATION = (
    ("daily", "By days"),
    ("exact", "To the second"),
    ("thirty_day_month", "Months of 30 days"),
    ("none", "Never: the whole price"),
)


class ProductFilterForm(PageForm):
    """The filters of the list; what does not validate is left out."""

    q = forms.CharField(required=False, max_length=120)
    kind = forms.ChoiceField(required=False, choices=[("", "All"), *Product.Kind.choices])
    currency = forms.CharField(required=False, max_length=3)
    archived = forms.CharField(required=False, max_length=3)

    def chosen(self) -> dict[str, str]:
        self.is_valid()
        found = {name: self.cleaned_data.get(name, "") for name in self.fields}
        return {"search": found.pop("q"), **found}


def cost_field() -> forms.DecimalField:
    return forms.DecimalField(
        required=False,
        min_value=0,
        max_value=999,
        max_digits=9,
        decimal_places=6,
        label="Cost in % of list",
        help_text="What it costs to deliver; quotes show their margin where it is known.",
    )


def tax_field() -> forms.SlugField:
    return forms.SlugField(
        required=False,
        max_length=20,
        label="Tax category",
        help_text="Decides the rate, with the seller and the customer's country. Empty: standard.",
    )


class ProductCostForm(PageForm):
    """What a product costs to deliver, and how it is taxed."""

    cost_percent = cost_field()
    tax_category = tax_field()


class ProductForm(PageForm):
    """A product."""

    name = forms.CharField(max_length=120)
    code = forms.SlugField(
        max_length=60, required=False, help_text="How the API names it. Empty: from the name."
    )
    kind = forms.ChoiceField(choices=Product.Kind.choices, label="What is charged")
    recognition = forms.ChoiceField(
        choices=[("", "As usual for its kind"), *Product.Recognition.choices],
        required=False,
        label="Revenue is recognized",
        help_text="Usage always as used; fees and seats by day unless you choose otherwise.",
    )
    cost_percent = cost_field()
    tax_category = tax_field()
    description = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        _fill_code(self, data, 60)
        kind, recognition = data.get("kind"), data.get("recognition")
        if kind == "usage" and recognition not in ("", None, "usage"):
            self.add_error("recognition", "Usage is recognized as used.")
        if kind != "usage" and recognition == "usage":
            self.add_error("recognition", "Only usage is recognized as used.")
        return data


def _fill_code(form: forms.Form, data: dict[str, Any], length: int) -> None:
    if not data.get("code") and data.get("name"):
        data["code"] = slugify(data["name"])[:length].strip("-")
        if not data["code"]:
            form.add_error("code", "Write a code of letters, digits and hyphens.")


class PriceForm(PageForm):
    """A price of a product, without its numbers."""

    name = forms.CharField(max_length=120)
    code = forms.SlugField(
        max_length=80, required=False, help_text="How the API names it. Empty: from the name."
    )
    currency = CurrencyField()
    frequency = forms.ChoiceField(choices=Price.Frequency.choices, label="Billed")
    timing = forms.ChoiceField(choices=Price.Timing.choices, label="When")
    proration = forms.ChoiceField(choices=PRORATION, label="Part of a period")
    meter: Any = forms.ModelChoiceField(
        queryset=None, required=False, empty_label="Choose a meter", help_text="What measures it."
    )

    def __init__(self, *args: Any, product: Product, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.product = product
        self.fields["frequency"].initial = "monthly"
        if product.kind == Product.Kind.USAGE:
            del self.fields["timing"]  # usage is always billed in arrears
            meters = Meter.objects.filter(is_archived=False).order_by("name")
            self.fields["meter"].queryset = meters  # type: ignore[attr-defined]
            self.fields["meter"].required = True
        else:
            del self.fields["meter"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        _fill_code(self, data, 80)
        return data


class CalculatorForm(PageForm):
    """A quantity to price, and how far to draw."""

    quantity = ExactNumberField(whole=15, required=False, label="Quantity")
    up_to = ExactNumberField(whole=15, required=False, above_zero=True, label="Draw up to")
