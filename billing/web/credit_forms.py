"""Credits as people write them: granted or sold once, by a plan, or by a top-up."""

from decimal import Decimal
from typing import Any

from django import forms

from billing.models import CreditGrant, CreditPlan, CreditTopUp
from billing.services.credits.granting import CreditWords
from billing.services.credits.recurring import (
    PLAN_CHANGES,
    TOP_UP_CHANGES,
    PlanRhythm,
    Selling,
)
from metering.models import Meter
from monetization.catalog.models import Product
from monetization.customers.models import Customer
from monetization.interface.forms import DayField, ExactNumberField, PageForm
from monetization.kernel.money import ZERO

HUNDRED = Decimal(100)


class TermsForm(PageForm):
    """What all credits say: in which units, what they pay, when their turn comes."""

    name = forms.CharField(max_length=120, help_text="What they are for; printed on invoices.")
    kind = forms.ChoiceField(choices=CreditGrant.Kind.choices)
    amount = ExactNumberField(whole=15, above_zero=True)
    unit_code = forms.CharField(
        max_length=60, required=False, label="Custom unit", help_text="As prices name it."
    )
    meter: Any = forms.ModelChoiceField(queryset=None, required=False)
    products: Any = forms.ModelMultipleChoiceField(
        queryset=None, required=False, to_field_name="code", help_text="None chosen: every product."
    )
    priority = forms.IntegerField(
        min_value=0, max_value=1000, initial=50, help_text="The lowest pays first."
    )
    taxed_at = forms.ChoiceField(choices=CreditGrant.TaxedAt.choices, label="Taxed")
    allows_overdraft = forms.BooleanField(required=False, label="May go below zero")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        meter: Any = self.fields.get("meter")
        products: Any = self.fields["products"]
        if meter is not None:
            meter.queryset = Meter.objects.filter(is_archived=False).order_by("name")
        products.queryset = Product.objects.filter(is_archived=False).order_by("name")

    def words(self, customer: Customer) -> CreditWords:
        data = self.cleaned_data
        return CreditWords(
            customer_id=customer.id,
            name=data["name"],
            amount=data["amount"] or Decimal(1),
            kind=data["kind"],
            meter_id=data["meter"].id if data["meter"] else None,
            unit_code=data["unit_code"],
            priority=data["priority"],
            products=[product.code for product in data["products"]],
            taxed_at=data["taxed_at"],
            allows_overdraft=data["allows_overdraft"],
        )

    def changes(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return what was written of the fields that may be changed."""
        data = {
            **self.cleaned_data,
            "products": [one.code for one in self.cleaned_data["products"]],
        }
        return {name: data[name] for name in names if name in data}


class CreditForm(TermsForm):
    """Credits given or sold once."""

    price = ExactNumberField(
        whole=15,
        places=4,
        above_zero=True,
        required=False,
        label="Sold for",
        help_text="Without tax, for all of them; a draft invoice sells them. Empty: given.",
    )
    effective_on = DayField(required=False, label="From")
    expires_on = DayField(
        required=False, label="Until", help_text="The day itself is not included. Empty: never."
    )


class RuleForm(TermsForm):
    """Credits by themselves. What makes them that plan or rule is asked for only once."""

    fixed: tuple[str, ...] = ()  # not to be changed later

    def __init__(self, *args: Any, is_change: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_change:
            for name in ("kind", "unit_code", "meter", *self.fixed):
                del self.fields[name]


class PlanForm(RuleForm):
    """Credits granted again and again."""

    fixed = ("every", "starts_on")

    every = forms.ChoiceField(choices=CreditPlan.Every.choices, initial="monthly", label="Every")
    starts_on = DayField(label="First grant")
    ends_on = DayField(required=False, label="Last day, not included", help_text="Empty: no end.")
    resets = forms.BooleanField(
        required=False, initial=True, label="What is left ends when the next grant begins"
    )
    roll_over_percent = ExactNumberField(
        required=False,
        places=4,
        at_most=HUNDRED,
        label="Rolls over, %",
        help_text="Of what is left, once, into the next period.",
    )
    roll_over_most = ExactNumberField(
        whole=15,
        above_zero=True,
        required=False,
        label="At most",
        help_text="Units that roll over.",
    )

    def _fraction(self) -> Decimal:
        percent: Decimal = self.cleaned_data["roll_over_percent"] or ZERO
        return percent / HUNDRED

    def rhythm(self) -> PlanRhythm:
        data = self.cleaned_data
        return PlanRhythm(
            every=data["every"],
            starts_on=data["starts_on"],
            ends_on=data["ends_on"],
            resets=data["resets"],
            roll_over_fraction=self._fraction(),
            roll_over_most=data["roll_over_most"],
        )

    def changed(self) -> dict[str, Any]:
        return {**self.changes(PLAN_CHANGES), "roll_over_fraction": self._fraction()}


class TopUpForm(RuleForm):
    """Credits sold by themselves when the balance runs low."""

    threshold = ExactNumberField(
        whole=15, label="Below", help_text="The live balance, usage so far taken off."
    )
    target = ExactNumberField(
        whole=15, required=False, label="Fill up to", help_text="Empty: sell the amount."
    )
    unit_cost = ExactNumberField(above_zero=True, label="Price of one", help_text="Without tax.")
    expires_after_days = forms.IntegerField(
        min_value=1, max_value=36500, required=False, label="Expire after days",
        help_text="From the day they are bought. Empty: never.",
    )  # fmt: skip
    issues_at_once = forms.BooleanField(
        required=False, label="Issue the invoice at once, without review"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount"].required = False
        self.fields["amount"].help_text = "Units sold each time, unless filled up."

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not data.get("amount") and not data.get("target") and "amount" not in self.errors:
            self.add_error("amount", "Say how much is sold, or a target to fill up to.")
        return data

    def selling(self) -> Selling:
        names = ("threshold", "unit_cost", "target", "expires_after_days", "issues_at_once")
        return Selling(**{name: self.cleaned_data[name] for name in names})

    def changed(self) -> dict[str, Any]:
        return self.changes(TOP_UP_CHANGES)


def written(row: CreditPlan | CreditTopUp) -> dict[str, Any]:
    """Return a plan or a rule as its form says it."""
    values = {one.attname: getattr(row, one.attname) for one in row._meta.concrete_fields}
    if isinstance(row, CreditPlan) and row.roll_over_fraction:
        values["roll_over_percent"] = (row.roll_over_fraction * HUNDRED).normalize()
    return values
