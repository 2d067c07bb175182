"""What people fill in about the company, its members and its keys."""

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms
from django.forms.boundfield import BoundWidget
from django.utils import timezone

from monetization.interface.forms import CurrencyField, DayField, PageForm, TimeZoneField, countries
from monetization.users.models import Role
from monetization.users.permissions import SCOPES


class CompanyForm(PageForm):
    name = forms.CharField(max_length=200)
    time_zone = TimeZoneField(help_text="Your dates, e.g. of issued invoices, are those of here.")
    default_currency = CurrencyField(label="Default currency", help_text="Shown first in reports.")


class EntityForm(PageForm):
    """A legal entity; its code is the prefix of document numbers and never changes."""

    name = forms.CharField(max_length=200, help_text="As documents name it.")
    address = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    country = forms.ChoiceField(choices=lambda: list(countries().items()))
    tax_id = forms.CharField(max_length=40, required=False, label="Tax id")
    email = forms.EmailField(required=False, label="E-mail")
    bank_details = forms.CharField(
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Printed on invoices: where customers pay.",
    )
    footer = forms.CharField(
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="At the foot of every document.",
    )

    def clean(self) -> dict[str, Any]:
        # Browsers send CRLF; the same text must not count as a change.
        return {
            name: value.replace("\r\n", "\n") if isinstance(value, str) else value
            for name, value in (super().clean() or {}).items()
        }


class InviteForm(PageForm):
    email = forms.EmailField(label="E-mail")
    name = forms.CharField(max_length=150, required=False)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.FINANCE)


class RoleForm(PageForm):
    role = forms.ChoiceField(choices=Role.choices)


class KeyForm(PageForm):
    name = forms.CharField(max_length=50, help_text="Which system uses it, e.g. production.")
    scopes = forms.MultipleChoiceField(choices=(), widget=forms.CheckboxSelectMultiple, label="May")
    expires_on = DayField(
        label="Expires on",
        required=False,
        help_text="The last day it works, UTC. Empty: until it is revoked.",
    )

    def __init__(self, *args: Any, granted: frozenset[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]
            (scope, scope_label(scope)) for scope in SCOPES if scope in granted
        ]

    def scope_rows(self) -> list[tuple[str, list[BoundWidget]]]:
        """Return the boxes by what they are about, reading before changing."""
        rows: dict[str, list[BoundWidget]] = {}
        for box in self["scopes"]:
            resource = str(box.data["value"]).partition(":")[0]
            rows.setdefault(resource.replace("-", " ").capitalize(), []).append(box)
        return list(rows.items())

    def clean_expires_on(self) -> date | None:
        day: date | None = self.cleaned_data["expires_on"]
        if day is not None and day < timezone.localdate():
            raise forms.ValidationError("Must be today or later.")
        return day

    def expires_at(self) -> datetime | None:
        day = self.cleaned_data["expires_on"]
        return datetime.combine(day, time(23, 59, 59), tzinfo=UTC) if day else None


def scope_label(scope: str) -> str:
    """Write a permission as people say it: ``usage:write`` is Change usage."""
    resource, _, action = scope.partition(":")
    return f"{'Read' if action == 'read' else 'Change'} {resource.replace('-', ' ')}"
