"""What the explorer is asked: filters, how events are told apart, and in which days and zone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django import forms

from metering.models import Meter
from metering.selectors import meter_definition
from metering.selectors.spread import CUSTOMER, DAY, HOUR, SOURCE, TYPE, Asked
from metering.web.choosing import CustomerNameField
from metering.web.meter_forms import read_filters
from monetization.interface.forms import DayField, PageForm
from monetization.kernel.period import start_instant, time_zones

DEFAULT_DAYS = 30
MAX_DAYS = 400
MAX_HOURLY_DAYS = 31
HOURLY = 3  # so many days and fewer are told by the hour
PROPERTY = re.compile(r"[^\x00\s].{0,99}")
GROUPS = {"": "Nothing", CUSTOMER: "Customer", SOURCE: "Source", TYPE: "Type"}


class ExplorerForm(PageForm):
    """The filters of the explorer. Days are those of the zone, by default the company's."""

    customer = CustomerNameField(required=False)
    alias = forms.CharField(required=False, max_length=200, strip=False, label="Alias")
    type = forms.CharField(required=False, max_length=100, label="Type")
    source = forms.CharField(required=False, max_length=200, label="Source")
    meter = forms.ModelChoiceField(
        Meter.objects.none(),
        required=False,
        to_field_name="key",
        label="Counted by",
        empty_label="Any or no meter",
    )
    where = forms.CharField(
        required=False,
        max_length=1000,
        label="Where",
        widget=forms.TextInput(attrs={"placeholder": "region: eu-1, us-1; model: small"}),
    )
    group = forms.CharField(
        required=False,
        max_length=100,
        label="Group by",
        widget=forms.TextInput(
            attrs={
                "list": "groups",
                "autocomplete": "off",
                "placeholder": "Customer, source, type or a property",
            }
        ),
    )
    by = forms.ChoiceField(
        required=False, label="Chart by", choices=[("", "Best fit"), (DAY, "Day"), (HOUR, "Hour")]
    )
    zone = forms.CharField(
        required=False,
        max_length=64,
        label="Time zone",
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
    )
    since = DayField(required=False, label="From")
    until = DayField(required=False, label="To")
    show = forms.ChoiceField(
        required=False,
        label="Show",
        choices=[
            ("", "All events"),
            ("unmatched", "Unmatched"),
            ("quarantined", "Quarantined"),
            ("conflicting", "With conflicts"),
        ],
    )
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any] | None, *, zone: str) -> None:
        super().__init__(data)
        self.company_zone = zone
        self.fields["meter"].queryset = Meter.objects.order_by("name")  # type: ignore[attr-defined]
        self.fields["zone"].widget.attrs["placeholder"] = zone

    def clean_zone(self) -> str:
        zone: str = self.cleaned_data["zone"] or self.company_zone
        if zone not in time_zones():
            raise forms.ValidationError("Write a zone such as Europe/Paris.")
        return zone

    def clean_where(self) -> dict[str, list[str]]:
        return read_filters(self.cleaned_data["where"].replace(";", "\n"), "Condition")

    def clean_group(self) -> str:
        """Return what the selectors call it; people write Customer, or a property's name."""
        written: str = self.cleaned_data["group"]
        known = {label.lower(): name for name, label in GROUPS.items() if name}
        if not written or written.lower() in known:
            return known.get(written.lower(), "")
        if not PROPERTY.fullmatch(written):
            raise forms.ValidationError("Write a property, or Customer, Source or Type.")
        return f"data.{written}"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        since, until = data.get("since"), data.get("until")
        for name in ("since", "until"):
            found = data.get(name)
            if found and not date(1990, 1, 1) <= found <= date(2100, 1, 1):
                self.add_error(name, "Choose a day between 1990 and 2100.")
        if since and until and since > until:
            self.add_error("until", "Must not be before the first day.")
        elif since and until and (until - since).days > MAX_DAYS:
            self.add_error("until", f"Choose at most {MAX_DAYS} days.")
        elif since and until and data.get("by") == HOUR and (until - since).days >= MAX_HOURLY_DAYS:
            self.add_error("by", f"Choose at most {MAX_HOURLY_DAYS} days to see hours.")
        return data


@dataclass(frozen=True, slots=True)
class Range:
    """The days looked at, both included."""

    first: date
    last: date

    @property
    def count(self) -> int:
        return (self.last - self.first).days + 1

    def instants(self, zone: str) -> tuple[datetime, datetime]:
        return start_instant(self.first, zone), start_instant(self.last + timedelta(days=1), zone)


@dataclass(frozen=True, slots=True)
class Exploration:
    """A form that was understood.

    :param filters: for the selectors.
    :param has_range: somebody asked for days.
    """

    filters: dict[str, Any]
    days: Range
    has_range: bool
    zone: str
    unit: str
    group_by: str
    meter: Meter | None

    @property
    def is_dated(self) -> bool:
        return "since" in self.filters

    @property
    def measure(self) -> Meter | None:
        """Return the meter whose quantity is told; a weighted one has none of a day."""
        if self.meter is None or meter_definition(self.meter).is_weighted:
            return None
        return self.meter

    @property
    def group_label(self) -> str:
        return GROUPS.get(self.group_by) or self.group_by.removeprefix("data.")

    def asked(self) -> Asked:
        measure = self.measure
        return Asked(
            filters=self.filters,
            meter=meter_definition(measure) if measure else None,
            group_by=self.group_by,
            zone=self.zone,
            unit=self.unit,
        )


def explored(form: ExplorerForm, today: date) -> Exploration:
    """Return what a valid form asks for.

    Unmatched, quarantined and conflicting events are shown whenever they happened, because
    they are looked for to be settled, unless somebody asked for days.
    """
    asked = form.cleaned_data
    days = _range(asked, today)
    meter: Meter | None = asked.get("meter")
    filters: dict[str, Any] = {
        "subject": asked.get("alias") or "",
        "type": asked.get("type") or "",
        "source": asked.get("source") or "",
        "customer_id": getattr(asked.get("customer"), "id", None),
        "data": asked.get("where") or {},
        "meter": meter_definition(meter) if meter else None,
    }
    show, has_range = asked.get("show"), bool(asked.get("since") or asked.get("until"))
    if show:
        filters[show] = True
    if has_range or not show:
        filters["since"], filters["until"] = days.instants(asked["zone"])
    unit = asked.get("by") or (HOUR if days.count <= HOURLY else DAY)
    if days.count > MAX_HOURLY_DAYS:
        unit = DAY
    return Exploration(filters, days, has_range, asked["zone"], unit, asked["group"], meter)


def _range(asked: dict[str, Any], today: date) -> Range:
    since, until = asked.get("since"), asked.get("until")
    if since and until is None:
        return Range(since, max(since, min(today, since + timedelta(days=MAX_DAYS))))
    last = until or today
    return Range(since or last - timedelta(days=DEFAULT_DAYS - 1), last)
