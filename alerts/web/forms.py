"""What people fill in about a rule."""

import re
from typing import Any

from django import forms

from alerts.models import AlertRule
from alerts.services.rules import RuleTerms
from metering.models import Meter
from monetization.customers.models import Customer
from monetization.interface.forms import CurrencyField, ExactNumberField, PageForm

MONEY, COMMITTED, USAGE, INCLUDED = "spend", "commitment", "usage", "included"
# What is watched, in one choice: a metric, and what its threshold is.
WATCHED = {
    MONEY: ("spend", "amount"),
    COMMITTED: ("spend", "percent"),
    USAGE: ("usage", "amount"),
    INCLUDED: ("usage", "percent"),
}
CREDITS, CREDITS_LEFT = "credits", "credits-left"
WATCHED |= {CREDITS: ("credits", "amount"), CREDITS_LEFT: ("credits", "percent")}
CHOICES = (
    (MONEY, "Accrued amount, in currency"),
    (COMMITTED, "Spend, in percent of the commitment"),
    (USAGE, "Usage of a meter, in its unit"),
    (INCLUDED, "Usage of a meter, in percent of what is included"),
    (CREDITS, "Credits left, in their unit"),
    (CREDITS_LEFT, "Credits left, in percent of what was granted"),
)


def _meters() -> list[tuple[str, str]]:
    rows = Meter.objects.filter(is_archived=False).order_by("name")
    return [("", "–"), *((str(row.id), f"{row.name}, {row.unit}") for row in rows)]


class RuleForm(PageForm):
    name = forms.CharField(
        max_length=120, help_text="The subject of the mail, e.g. 80 % of the commitment reached."
    )
    watched = forms.ChoiceField(label="Watch", choices=CHOICES)
    meter = forms.ChoiceField(choices=_meters, required=False, help_text="Where usage is watched.")
    currency = CurrencyField(
        required=False, help_text="Where an amount is watched: contracts in it."
    )
    credit_unit = forms.CharField(
        label="Unit of credits",
        required=False,
        max_length=60,
        help_text="Such as AI credits, or a currency. Empty: each unit on its own.",
    )
    direction = forms.ChoiceField(label="Alert when it is", choices=AlertRule.Direction.choices)
    threshold = ExactNumberField(help_text="In currency, units or percent.")
    customer = forms.CharField(
        max_length=200,
        required=False,
        help_text="The exact name of one customer. Empty: each customer on its own.",
        widget=forms.TextInput(attrs={"list": "customers", "autocomplete": "off"}),
    )
    emails = forms.CharField(
        label="E-mail to",
        required=False,
        max_length=2000,
        help_text="Addresses, separated by commas. Webhooks get alert.triggered in any case.",
    )
    is_active = forms.BooleanField(label="Active", required=False, initial=True)

    def __init__(self, *args: Any, with_money: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not with_money:
            choices = [choice for choice in CHOICES if WATCHED[choice[0]][0] == "usage"]
            self.fields["watched"].choices = choices  # type: ignore[attr-defined]

    def clean_customer(self) -> Customer | None:
        name = self.cleaned_data["customer"].strip()
        if not name:
            return None
        found = list(Customer.objects.filter(name=name, is_archived=False)[:2])
        if len(found) != 1:
            raise forms.ValidationError(
                "Several customers have this name; rename one."
                if found
                else "No customer has this name."
            )
        return found[0]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        watched = values.get("watched")
        if watched in (USAGE, INCLUDED) and not values.get("meter"):
            self.add_error("meter", "Choose the meter whose usage is watched.")
        if watched == MONEY and not values.get("currency") and "currency" not in self.errors:
            self.add_error("currency", "Write the currency of the amount.")
        return values

    def terms(self) -> RuleTerms:
        """Return what was filled in; call it when the form is valid."""
        values = self.cleaned_data
        metric, basis = WATCHED[values["watched"]]
        customer = values["customer"]
        return RuleTerms(
            name=values["name"],
            metric=metric,
            basis=basis,
            meter_id=values["meter"] or None,
            currency=values["currency"],
            credit_unit=values["credit_unit"],
            direction=values["direction"],
            threshold=values["threshold"],
            customer_id=customer.id if customer else None,
            emails=re.split(r"[,;\s]+", values["emails"]),
            is_active=values["is_active"],
        )


def initial_of(rule: AlertRule) -> dict[str, Any]:
    """Return a rule as the form shows it."""
    asked = (rule.metric, rule.basis)
    return {
        "name": rule.name,
        "watched": next(key for key, pair in WATCHED.items() if pair == asked),
        "meter": str(rule.meter_id or ""),
        "currency": rule.currency,
        "credit_unit": rule.credit_unit,
        "direction": rule.direction,
        "threshold": rule.threshold,
        "customer": rule.customer.name if rule.customer else "",
        "emails": ", ".join(rule.emails),
        "is_active": rule.is_active,
    }
