"""The fields of the builder. Each names itself in its messages; none computes an amount."""

import json
import re
from decimal import Decimal
from typing import Any

from django import forms

from monetization.catalog.models import Price
from monetization.interface import charging
from monetization.interface.charging import Spec
from monetization.kernel.decimals import NotExact, exact_decimal, plain
from monetization.tenancy.models import LegalEntity
from quotes.models import QuoteLine, QuotePhase
from quotes.web.forms import DayField, currency_choices, text_input

_SHORT = {
    "flat": "Flat fee",
    "per_unit": "Per unit",
    "seat": "Seats over time",
    "graduated": "Graduated tiers",
    "volume": "Volume tiers",
    "stair_step": "Stair-step tiers",
    "package": "Packages",
    "percentage": "Percentage of money",
    "graduated_percentage": "Percentage tiers",
    "dynamic": "Money of the events",
    "cost_plus": "Cost plus",
    "matrix": "Matrix by property",
    "time_of_use": "Time of use",
    "capacity": "Capacity",
    "percent_of": "% of other lines",
}
_LABELS = {
    "amount": "Agreed price",
    "unit_price": "Agreed price each",
    "package_price": "Agreed price per package",
    "flat_fee_at_zero": "Flat fee is due without usage",
    "at_least_one": "Bill at least one package a period",
}
AS_IS = "as_is"
OTHER_CURRENCY = re.compile(r".* ([A-Z]{3})")  # an amount of before another one was chosen
_RECURRING = [choice for choice in Price.Frequency.choices if choice[0] != "one_time"]


class ExactField(forms.CharField):
    """A number that is not negative, kept exactly as typed."""

    def __init__(
        self, *, whole: int = 12, places: int = 12, at_most: int | None = None, **kwargs: Any
    ) -> None:
        self.whole, self.places, self.at_most = whole, places, at_most
        attrs = {"inputmode": "decimal", "autocomplete": "off", "class": "form-control n"}
        kwargs.setdefault("error_messages", {"required": "is needed"})
        super().__init__(widget=forms.TextInput(attrs=attrs), max_length=60, **kwargs)

    def clean(self, value: Any) -> Any:
        text: str = super().clean(value)
        if not text:
            return None
        try:
            number = exact_decimal(text)
        except NotExact as error:
            if other := OTHER_CURRENCY.fullmatch(text):
                raise forms.ValidationError(f"is in {other[1]}: agree anew") from None
            hint = "; leave out thousands separators" if "," in text else ""
            raise forms.ValidationError(f"{error}{hint}") from None
        if number < 0:
            raise forms.ValidationError("must not be negative")
        if self.at_most is not None and number > self.at_most:
            raise forms.ValidationError(f"must be from 0 to {self.at_most}")
        if number >= Decimal(10) ** self.whole:
            raise forms.ValidationError(f"must have at most {self.whole} digits before the point")
        if number != number.quantize(Decimal(1).scaleb(-self.places)):
            raise forms.ValidationError(f"must have at most {self.places} decimal places")
        return plain(number)


class WholeField(forms.CharField):
    """A whole number within bounds."""

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        self.low, self.high = low, high
        attrs = {"inputmode": "numeric", "autocomplete": "off", "class": "form-control n"}
        kwargs.setdefault("error_messages", {"required": "is needed"})
        super().__init__(widget=forms.TextInput(attrs=attrs), max_length=9, **kwargs)

    def clean(self, value: Any) -> Any:
        text: str = super().clean(value)
        if not text and not self.required:
            return None
        if not (text.isascii() and text.isdigit()) or not self.low <= int(text) <= self.high:
            raise forms.ValidationError(f"must be a whole number from {self.low} to {self.high}")
        return int(text)


def _select(choices: Any, **kwargs: Any) -> forms.ChoiceField:
    field = forms.ChoiceField(
        choices=choices, widget=forms.Select(attrs={"class": "form-select"}), **kwargs
    )
    field.error_messages["required"] = "is needed"
    field.error_messages["invalid_choice"] = "choose one of the list"
    return field


def _hidden(max_length: int) -> forms.CharField:
    return forms.CharField(required=False, max_length=max_length, widget=forms.HiddenInput())


def _check_box() -> forms.BooleanField:
    return forms.BooleanField(
        required=False, widget=forms.CheckboxInput(attrs={"class": "form-check-input"})
    )


def _text_area() -> forms.CharField:
    attrs = {"class": "form-control", "rows": 3}
    return forms.CharField(required=False, max_length=20_000, widget=forms.Textarea(attrs=attrs))


class HeaderForm(forms.Form):
    """What holds for the whole agreement."""

    title = forms.CharField(
        max_length=200,
        label="Agreement",
        widget=text_input(),
        error_messages={"required": "is needed"},
    )
    legal_entity = _select((), required=False, label="Sold by")
    currency = _select((), required=False, label="Currency")
    start_on = DayField(label="Start")
    expires_on = DayField(label="Can be signed until")
    anchor_day = WholeField(low=1, high=31, label="Billing day")
    payment_terms_days = WholeField(low=0, high=365, label="Payment days")
    auto_renew = _check_box()
    signer_name = forms.CharField(
        max_length=200, required=False, label="Signer", widget=text_input(autocomplete="off")
    )
    signer_email = forms.EmailField(
        max_length=254,
        required=False,
        label="Signer's e-mail",
        widget=forms.EmailInput(attrs={"class": "form-control", "autocomplete": "off"}),
        error_messages={"invalid": "must be an address like name@company.com"},
    )
    purchase_order = forms.CharField(
        max_length=60, required=False, label="Purchase order", widget=text_input()
    )
    introduction = _text_area()
    special_terms = _text_area()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        entities: Any = self.fields["legal_entity"]
        entities.choices = LegalEntity.objects.order_by("name").values_list("id", "name")
        currencies: Any = self.fields["currency"]
        currencies.choices = currency_choices()

    @property
    def has_one_seller(self) -> bool:
        """Say whether there is nothing to choose."""
        entities: Any = self.fields["legal_entity"]
        return len(entities.choices) < 2


class PhaseForm(forms.Form):
    """A stretch with the same prices."""

    name = forms.CharField(
        max_length=80, label="Phase", widget=text_input(), error_messages={"required": "is needed"}
    )
    kind = _select(QuotePhase.Kind.choices, label="Kind")
    months = WholeField(low=1, high=240, required=False, label="Months")
    minimum_amount = ExactField(whole=15, places=4, required=False, label="Minimum usage")
    minimum_frequency = _select([("", "–"), *_RECURRING], required=False, label="Minimum per")
    discount_percent = ExactField(places=6, at_most=100, required=False, label="Discount %")
    discount_label = forms.CharField(
        max_length=120, required=False, label="Discount is called", widget=text_input()
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("minimum_amount") and not cleaned.get("minimum_frequency"):
            cleaned["minimum_frequency"] = "monthly"
        return cleaned


def spec_field(spec: Spec) -> forms.Field:
    """Return the field of a thing a price asks for."""
    label = _LABELS.get(spec.name, spec.label)
    common: dict[str, Any] = {"required": spec.is_required, "label": label, "help_text": spec.help}
    match spec.kind:
        case "flag":
            box = _check_box()
            box.label = label
            return box
        case "choice":
            return _select(spec.choices, **{**common, "required": False})
        case "count":
            return WholeField(low=0, high=999_999_999, **common)
        case "text" | "time":
            placeholder = "08:30" if spec.kind == "time" else ""
            widget = text_input(autocomplete="off", placeholder=placeholder)
            return forms.CharField(
                max_length=5 if spec.kind == "time" else 300,
                widget=widget,
                error_messages={"required": "is needed"},
                **common,
            )
        case _:
            return ExactField(whole=15, **common)


CHOICES = (
    ("", "Part of the offer"),
    ("offered", "Optional, not chosen"),
    ("chosen", "Optional, chosen"),
)


class LineForm(forms.Form):
    """A product at an agreed price; it has the fields its kind and charge model need."""

    product = _hidden(60)
    price_version = _hidden(36)
    item_key = _hidden(100)
    meter_key = _hidden(60)
    proration = _hidden(16)
    raw = _hidden(20_000)
    shown = _hidden(40)
    description = forms.CharField(max_length=300, required=False, widget=text_input())
    model = _select((), label="Charge model")
    quantity = ExactField(label="Quantity")
    expected_quantity = ExactField(required=False, label="Expected usage")
    frequency = _select(Price.Frequency.choices, label="Billed")
    timing = _select(Price.Timing.choices, label="When")
    discount_percent = ExactField(places=6, at_most=100, required=False, label="Discount %")
    term_discount_mode = _select(
        QuoteLine.TermDiscount.choices, required=False, label="Commitment discount"
    )
    term_discount_percent = ExactField(
        places=6, at_most=100, required=False, label="Own or kept, %"
    )
    term_discount_label = forms.CharField(
        max_length=120, required=False, label="It is called", widget=text_input()
    )
    choice = _select(CHOICES, required=False, label="In the offer")
    choice_group = forms.CharField(
        max_length=60, required=False, label="Alternatives called", widget=text_input()
    )

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        names = charging.LINE_NAMES
        self.typed = {name: self.data.get(self.add_prefix(name), "") for name in names}
        self.chosen = (self.data.get(self.add_prefix("model")) or "").strip()
        if kind == "usage":
            del self.fields["quantity"], self.fields["timing"]
            frequency: Any = self.fields["frequency"]
            frequency.choices = _RECURRING
        else:
            del self.fields["expected_quantity"]
            if self.chosen in ("flat", "percent_of"):
                del self.fields["quantity"]
        model: Any = self.fields["model"]
        model.choices = [(name, _SHORT[name]) for name, _ in charging.models_for(kind)]
        if self.chosen == AS_IS:
            model.choices = [(AS_IS, "As in the price list"), *model.choices]
        self.own = charging.fields_of(self.chosen, self.typed)
        self.beside = charging.modifier_fields(self.chosen, kind)
        for spec in (*self.own, *self.beside):
            self.fields[spec.name] = spec_field(spec)

    @property
    def columns(self) -> tuple[Spec, ...]:
        """Return the columns of the rows the charge model has."""
        return charging.columns_of(self.chosen, self.typed)

    @property
    def layout(self) -> str:
        return charging.layout_of(self.chosen, self.typed)

    def _bound(self, specs: tuple[Spec, ...], *, flags: bool) -> list[forms.BoundField]:
        return [self[spec.name] for spec in specs if (spec.kind == "flag") == flags]

    @property
    def own_fields(self) -> list[forms.BoundField]:
        return self._bound(self.own, flags=False)

    @property
    def own_flags(self) -> list[forms.BoundField]:
        return self._bound(self.own, flags=True)

    @property
    def beside_groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the fields beside the charge model by the group they stand in."""
        groups = charging.modifier_groups(self.chosen, self.kind)
        return [(title, [self[one.name] for one in specs]) for title, specs in groups]

    @property
    def says_more(self) -> bool:
        """Return whether anything beside the charge model is said, or wrong."""
        usual = ("", "none", "per_period")
        names = [spec.name for spec in self.beside]
        said = {name: self.data.get(self.add_prefix(name)) for name in ("choice", "choice_group")}
        if self.data.get(self.add_prefix("term_discount_mode")) == QuoteLine.TermDiscount.OWN:
            return True
        if any(said.values()):
            return True
        return any(self.typed[name] not in usual or name in self.errors for name in names)

    def read(self) -> dict[str, Any]:
        """Return what was filled in about the price; nothing as None."""
        return read_row(self)

    def clean_raw(self) -> Any:
        """Read the price that is kept as it is; only this page writes it."""
        text = self.cleaned_data["raw"]
        if self.chosen != AS_IS:
            return None
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise forms.ValidationError("cannot be read; choose a charge model") from None


def read_row(form: forms.Form) -> dict[str, Any]:
    """Return what a form holds: numbers as plain text, flags as booleans, nothing as None."""
    return {
        name: value if isinstance(value, bool) else str(value) if value not in (None, "") else None
        for name, value in form.cleaned_data.items()
        if name != "raw"
    }


class RowForm(forms.Form):
    """A tier, a cell, a window or a discount: one row of a line."""

    def __init__(self, *args: Any, columns: tuple[Spec, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for spec in columns:
            self.fields[spec.name] = spec_field(spec)


class RampForm(forms.Form):
    """Turn one phase into years that rise."""

    prefix = "ramp"

    phase = WholeField(low=1, high=99, label="Phase")
    years = WholeField(low=2, high=10, label="Years")
    price_percent = ExactField(whole=4, places=6, required=False, label="Prices rise, % a year")
    quantity_percent = ExactField(
        whole=4, places=6, required=False, label="Quantities rise, % a year"
    )
