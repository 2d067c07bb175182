"""Forms of the desk."""

from datetime import timedelta
from typing import Any

from django import forms

from billing.domain.dunning import StepsInvalid, read_steps
from billing.domain.manual_lines import ManualEntry
from billing.models import InvoiceLine
from monetization.catalog.models import Product
from monetization.customers.models import Customer
from monetization.interface.forms import (
    CurrencyField,
    DayField,
    ExactNumberField,
    PageForm,
    sentence,
)
from monetization.kernel.decimals import plain
from monetization.kernel.period import Period


class SignedNumberField(ExactNumberField):
    """An exact number that may be negative; the true minus of our own pages is one too."""

    def clean(self, value: Any) -> Any:
        text = str(value or "").strip().replace("\N{MINUS SIGN}", "-")
        if not text.startswith("-"):
            return super().clean(text)
        number = super().clean(text[1:])
        return None if number is None else -number


class LineForm(PageForm):
    """A manual line: an amount, or a quantity at a price."""

    description = forms.CharField(max_length=300)
    amount = SignedNumberField(
        whole=14, places=4, required=False, help_text="Net. Or fill in quantity and price."
    )
    quantity = SignedNumberField(whole=12, places=6, required=False)
    unit_price = SignedNumberField(whole=12, places=6, required=False, label="Unit price")
    product = forms.ChoiceField(required=False)
    service_start = DayField(required=False, label="Service from")
    service_last = DayField(
        required=False, label="to", help_text="The invoice's days, if not given."
    )
    note = forms.CharField(max_length=300, required=False, help_text="Printed under the line.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        product: Any = self.fields["product"]
        names = Product.objects.order_by("name").values_list("code", "name")
        product.choices = [("", "None"), *names]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        start, last = data.get("service_start"), data.get("service_last")
        if bool(start) != bool(last):
            self.add_error("service_start" if last else "service_last", "Give both days, or none.")
        elif start and last < start:
            self.add_error("service_last", "Is before the first day.")
        return data

    def entry(self) -> ManualEntry:
        data = self.cleaned_data
        start, last = data["service_start"], data["service_last"]
        return ManualEntry(
            description=data["description"],
            amount=data["amount"],
            quantity=data["quantity"],
            unit_price=data["unit_price"],
            product_code=data["product"],
            service=Period(start, last + timedelta(days=1)) if start and last else None,
            note=data["note"],
        )


def line_initial(line: InvoiceLine) -> dict[str, Any]:
    """Return a manual line as its form shows it."""
    by_price = line.quantity is not None
    return {
        "description": line.description,
        "amount": None if by_price else plain(line.amount),
        "quantity": plain(line.quantity) if line.quantity is not None else None,
        "unit_price": plain(line.unit_price) if line.unit_price is not None else None,
        "product": line.product_code,
        "service_start": line.service_start,
        "service_last": line.service_end - timedelta(days=1),
        "note": line.note,
    }


class OneOffForm(LineForm):
    """An invoice without a contract, begun with its first line; more are added on its page."""

    customer: Any = forms.ModelChoiceField(queryset=None)
    bill_on = DayField(label="Bill on")
    currency = CurrencyField(required=False, help_text="The customer's, if not given.")
    purchase_order = forms.CharField(max_length=60, required=False, label="Purchase order")
    memo = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Printed under the total.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        customer: Any = self.fields["customer"]
        customer.queryset = Customer.objects.filter(is_archived=False).order_by("name")
        self.fields["service_last"].help_text = "The billing day, if not given."


class SupplementaryForm(LineForm):
    """An invoice that charges more for an issued one, begun with its first line."""

    bill_on = DayField(label="Bill on")
    memo = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Printed under the total; the customer reads here why it is charged.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["service_start"].help_text = "The invoice's period, if not given."
        self.fields["service_last"].help_text = "The invoice's period, if not given."


class WordsForm(PageForm):
    """What is printed on a draft, and the note for colleagues."""

    purchase_order = forms.CharField(max_length=60, required=False, label="Purchase order")
    memo = forms.CharField(
        max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Printed under the total.",
    )  # fmt: skip
    change_note = forms.CharField(
        max_length=500, required=False, label="Why it changed",
        widget=forms.Textarea(attrs={"rows": 2}), help_text="For colleagues; not printed.",
    )  # fmt: skip


class DaysField(forms.CharField):
    """Days from the due date, ``-3, 1, 7``; the true minus is one too."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        parts = [p for p in text.replace("\N{MINUS SIGN}", "-").replace(",", " ").split() if p]
        try:
            return read_steps([int(part) for part in parts])
        except (StepsInvalid, ValueError):
            raise forms.ValidationError(
                sentence("write whole days from the due date, such as -3, 1, 7; at most 12, "
                         "from -60 to 365")
            ) from None  # fmt: skip

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(str(day) for day in value) if isinstance(value, (list, tuple)) else value


class ReminderPlanForm(PageForm):
    """When everybody is reminded."""

    is_enabled = forms.BooleanField(required=False, label="Send reminders")
    days = DaysField(
        max_length=120, help_text="From the due date; −3 is three days before it, 7 a week after."
    )


class CustomerBillingForm(PageForm):
    """How one customer is billed where it differs."""

    requires_purchase_order = forms.BooleanField(
        required=False, label="Pays only invoices with a purchase order"
    )
    reminders = forms.ChoiceField(
        choices=[("plan", "As everybody"), ("own", "On days of its own"), ("never", "Never")]
    )
    days = DaysField(max_length=120, required=False, label="Its days")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("reminders") == "own" and "days" in data and not data["days"]:
            self.add_error("days", "Write at least one day, such as 7.")
        return data
