"""The form of a meter: what it counts, said by a person."""

from typing import Any

from django import forms
from django.utils.text import slugify

from metering.models import Meter, MeterVersion
from metering.services import MeterDefinitionInvalid, checked_definition
from metering.services.meters import DEFINITION
from monetization.interface.forms import PageForm, sentence


def read_filters(text: str, part: str = "Line") -> dict[str, list[str]]:
    """Read ``property: value, value``, one a line.

    :raises ValidationError: naming the line, or what else it is called.
    """
    found: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, written = line.partition(":")
        values = [value.strip() for value in written.split(",") if value.strip()]
        if not colon or not name.strip() or not values:
            raise forms.ValidationError(f"{part} {number}: write property: value, value.")
        if name.strip() in found:
            raise forms.ValidationError(f"{part} {number}: {name.strip()} is there twice.")
        found[name.strip()] = values
    return found


class DefinitionForm(PageForm):
    """What a meter counts."""

    event_type = forms.RegexField(
        r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z",
        max_length=100,
        label="Events of type",
        error_messages={"invalid": "Write a type such as api.called."},
        widget=forms.TextInput(attrs={"list": "event-types", "autocomplete": "off"}),
    )
    aggregation = forms.ChoiceField(choices=Meter.Aggregation.choices, label="Counted as")
    value_property = forms.CharField(
        max_length=100,
        required=False,
        label="Property with the value",
        help_text="Which property of the event is added up. Not for a count of events.",
    )
    expression = forms.CharField(
        max_length=500,
        required=False,
        label="Or computed from properties",
        widget=forms.TextInput(attrs={"placeholder": "(bytes_in + bytes_out) / 1024"}),
        help_text="With + - * / and min, max, round, ceil, floor, abs, if(a > b, x, y). Exact.",
    )
    filters = forms.CharField(
        max_length=4000,
        required=False,
        label="Only events where",
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "region: eu-1, us-1"}),
        help_text="One property a line with the values that count. All lines must match.",
    )
    group_by = forms.CharField(
        max_length=600,
        required=False,
        label="Told apart by",
        widget=forms.TextInput(attrs={"placeholder": "region, model"}),
        help_text="Properties, with commas. Pages and the API show the quantity of each group.",
    )
    carries_over = forms.BooleanField(
        required=False,
        label="The level goes on from one period to the next",
        help_text="For a level weighted by time or days. Off: every period begins at zero.",
    )

    def clean_filters(self) -> dict[str, list[str]]:
        return read_filters(self.cleaned_data["filters"])

    def clean_group_by(self) -> list[str]:
        return [name.strip() for name in self.cleaned_data["group_by"].split(",") if name.strip()]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("aggregation") == Meter.Aggregation.COUNT:
            data["value_property"] = ""
        if not self.errors:
            try:
                data |= checked_definition(**{name: data[name] for name in DEFINITION})
            except MeterDefinitionInvalid as error:
                self.add_error(error.field, sentence(error.reason))
        return data

    @classmethod
    def initial_of(cls, of: Meter | MeterVersion) -> dict[str, Any]:
        """Return a definition as the form shows it."""
        written = [f"{name}: {', '.join(map(str, kept))}" for name, kept in of.filters.items()]
        return {
            **{name: getattr(of, name) for name in DEFINITION},
            "filters": "\n".join(written),
            "group_by": ", ".join(of.group_by),
        }


class MeterForm(DefinitionForm):
    """A new meter."""

    name = forms.CharField(max_length=120)
    key = forms.SlugField(
        max_length=60,
        required=False,
        help_text="How prices and the API name it. Empty: from the name.",
    )
    unit = forms.CharField(
        max_length=40, initial="units", help_text="Plural, as invoices say it: calls, GB, seats."
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if not data.get("key") and data.get("name") and "key" not in self.errors:
            data["key"] = slugify(data["name"])[:60].strip("-")
            if not data["key"]:
                self.add_error("key", "Write a key of letters, digits and hyphens.")
        return data
