"""Form fields made from what a charge model asks for."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms

from monetization.interface.charging import Spec
from monetization.interface.forms import ExactNumberField, PageForm, dress
from monetization.kernel.decimals import plain

MAX_TEXT = 300


class WholeNumberField(forms.CharField):
    """A whole number, not negative."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=9, **kwargs)
        self.widget.attrs |= {"inputmode": "numeric", "autocomplete": "off"}

    def clean(self, value: Any) -> Any:
        text = super().clean(value).strip()
        if text and not re.fullmatch(r"[0-9]+", text, re.ASCII):
            raise forms.ValidationError("Must be a whole number.")
        return text or None


def field_for(spec: Spec) -> forms.Field:
    """Return the form field of a thing to fill in."""
    common: dict[str, Any] = {
        "label": spec.label,
        "required": spec.is_required,
        "help_text": spec.help,
        "initial": spec.initial,
    }
    match spec.kind:
        case "flag":
            return forms.BooleanField(**{**common, "required": False, "initial": None})
        case "choice":
            return forms.ChoiceField(choices=spec.choices, **{**common, "required": False})
        case "count":
            return WholeNumberField(**common)
        case "text" | "time":
            length = 5 if spec.kind == "time" else MAX_TEXT
            field = forms.CharField(max_length=length, **common)
            field.widget.attrs["autocomplete"] = "off"
            if spec.kind == "time":
                field.widget.attrs["placeholder"] = "08:30"
            return field
        case _:
            whole = 15 if spec.is_units else 12
            return ExactNumberField(whole=whole, above_zero=spec.above_zero, **common)


class SpecForm(PageForm):
    """A form with the fields of a list."""

    def __init__(
        self, data: Any = None, *, specs: Sequence[Spec], initial: Any = None, **kwargs: Any
    ) -> None:
        flags = {spec.name for spec in specs if spec.kind == "flag"}
        start = {k: bool(v) if k in flags else v for k, v in (initial or {}).items()}
        super().__init__(data, initial=start, **kwargs)
        for spec in specs:
            self.fields[spec.name] = field_for(spec)
            dress(self.fields[spec.name].widget)


class RowForm(SpecForm):
    """One tier, cell, window or discount."""


def read_values(form: forms.Form) -> dict[str, Any]:
    """Return what was filled in: numbers as plain text, nothing as None."""
    found: dict[str, Any] = {}
    for name, value in form.cleaned_data.items():
        if isinstance(value, Decimal):
            found[name] = plain(value)
        else:
            found[name] = value if isinstance(value, bool) else value or None
    return found
