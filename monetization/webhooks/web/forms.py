"""What people fill in about an endpoint."""

from typing import Any

from django import forms

from monetization.events.schemas import event_types
from monetization.interface.forms import PageForm
from monetization.webhooks.models import WebhookDelivery


def type_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what can be chosen, one group for each kind of thing."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for kind in event_types():
        family = kind.name.partition(".")[0]
        if family != "webhook":
            groups.setdefault(family, []).append((kind.name, f"{kind.name} – {kind.description}"))
    found = [("Everything", [("*", "Every event, those of later versions too")])]
    for family, items in groups.items():
        title = family.replace("_", " ").capitalize()
        every = (f"{family}.*", f"Everything about {title.lower()}")
        found.append((title, [every, *items] if len(items) > 1 else items))
    return found


class EndpointForm(PageForm):
    url = forms.CharField(
        label="Address", max_length=500, help_text="https, and reachable from the internet."
    )
    description = forms.CharField(
        max_length=120, required=False, help_text="Which system it is, e.g. data warehouse."
    )
    event_types = forms.MultipleChoiceField(
        label="Tell it about", choices=type_choices, widget=forms.SelectMultiple(attrs={"size": 12})
    )


class LogForm(PageForm):
    status = forms.ChoiceField(
        label="State", required=False, choices=[("", "Any state"), *WebhookDelivery.Status.choices]
    )
    type = forms.CharField(label="Event type", required=False, max_length=100)

    def narrow(self, rows: Any) -> Any:
        """Return the deliveries that fit."""
        self.is_valid()
        if self.cleaned_data.get("status"):
            rows = rows.filter(status=self.cleaned_data["status"])
        if self.cleaned_data.get("type"):
            rows = rows.filter(event__type__startswith=self.cleaned_data["type"])
        return rows
