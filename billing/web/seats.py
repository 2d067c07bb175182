"""What people fill in about seats."""

from typing import Any

from django import forms

from billing.models import BillingSchedule
from billing.services.seats import seat_lines
from monetization.interface.forms import DayField, ExactNumberField, PageForm
from monetization.pricing.terms import terms_from_data


class SeatForm(PageForm):
    """The number of seats of a line from a day on."""

    item_key = forms.ChoiceField(label="Line")
    effective_on = DayField(
        label="From",
    )
    balance = ExactNumberField(label="Seats", help_text="How many there are then.")

    def __init__(self, *args: Any, schedule: BillingSchedule, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lines = seat_lines(terms_from_data(schedule.terms))
        self.names = {key: item.description or item.product_name for key, item in lines}
        field: Any = self.fields["item_key"]
        field.choices = list(self.names.items())
