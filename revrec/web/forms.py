"""Filters of the revenue pages, and the reason for reopening a month."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from django import forms
from django.http import QueryDict

from monetization.interface.forms import DayField, PageForm
from monetization.ledger.accounts import Account
from revrec import selectors

Choices = list[tuple[str, str]]


def month_choices(months: Iterable[date]) -> Choices:
    return [(f"{month:%Y-%m}", f"{month:%b %Y}") for month in months]


def add_months(month: date, count: int) -> date:
    """Move a first of a month by some months, back for a negative count."""
    index = month.year * 12 + month.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


class FilterForm(PageForm):
    """Filters of a page: what the address does not say, or says wrongly, gets the default."""

    def values(self) -> dict[str, Any]:
        """Return every field's value, the initial one where none is valid."""
        self.is_valid()
        found = {
            name: self.get_initial_for_field(field, name) for name, field in self.fields.items()
        }
        found.update(
            {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
        )
        return found


class RangeForm(FilterForm):
    """Some months from one on."""

    start = forms.ChoiceField(label="From")
    count = forms.TypedChoiceField(
        label="Months",
        coerce=int,
        choices=[(str(n), f"{n} months") for n in (3, 6, 12, 18, 24)],
    )

    def __init__(
        self,
        data: QueryDict,
        *,
        months: Sequence[date],
        start: date,
        count: int = 12,
        initial: dict[str, Any] | None = None,
    ) -> None:
        filled = data.copy()
        filled.setdefault("start", f"{start:%Y-%m}")
        filled.setdefault("count", str(count))
        for name, value in (initial or {}).items():
            filled.setdefault(name, value)
        super().__init__(
            filled,
            initial={"start": f"{start:%Y-%m}", "count": count, **(initial or {})},
        )
        self.fields["start"].choices = month_choices(months)  # type: ignore[attr-defined]

    def months(self) -> tuple[date, date]:
        """Return the range as [start, end)."""
        chosen = self.values()
        start = date.fromisoformat(f"{chosen['start']}-01")
        return start, add_months(start, int(chosen["count"]))


class WaterfallForm(RangeForm):
    currency = forms.ChoiceField(label="Currency")
    by = forms.ChoiceField(label="By", choices=[("product", "Product"), ("customer", "Customer")])

    def __init__(self, data: QueryDict, *, currencies: Sequence[str], **kwargs: Any) -> None:
        super().__init__(data, initial={"currency": currencies[0], "by": "product"}, **kwargs)
        self.fields["currency"].choices = [  # type: ignore[attr-defined]
            (code, code) for code in currencies
        ]


class PositionsForm(FilterForm):
    currency = forms.ChoiceField(label="Currency", required=False)
    customer = forms.UUIDField(label="Customer", required=False)
    as_of = DayField(label="As of", required=False)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.fields["currency"].choices = [  # type: ignore[attr-defined]
            ("", "All currencies"),
            *((code, code) for code in selectors.revenue_currencies()),
        ]
        self.fields["customer"].widget = customer_select()


class AsOfForm(FilterForm):
    as_of = DayField(label="As of", required=False)


class JournalForm(FilterForm):
    month = forms.ChoiceField(label="Month", required=False)
    account = forms.ChoiceField(
        label="Account",
        required=False,
        choices=[("", "All accounts"), *((account.value, account.label) for account in Account)],
    )
    rule = forms.ChoiceField(label="Why", required=False)
    customer = forms.UUIDField(label="Customer", required=False)
    schedule = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: QueryDict, *, months: Sequence[date]) -> None:
        super().__init__(data)
        self.fields["month"].choices = [  # type: ignore[attr-defined]
            ("", "All months"),
            *month_choices(months),
        ]
        self.fields["rule"].choices = [  # type: ignore[attr-defined]
            ("", "All reasons"),
            *((rule, rule_label(rule)) for rule in selectors.rules_in_use()),
        ]
        self.fields["customer"].widget = customer_select()


def customer_select() -> forms.Select:
    return forms.Select(
        attrs={"class": "form-select"},
        choices=[
            ("", "All customers"),
            *((str(one.id), one.name) for one in selectors.customers_in_books()),
        ],
    )


def rule_label(rule: str) -> str:
    """Write a posting rule as people say it: ``invoice_issued`` is Invoice issued."""
    return rule.partition(":")[0].replace("_", " ").capitalize()


class ReopenForm(PageForm):
    reason = forms.CharField(
        label="Reason",
        max_length=300,
        help_text="Auditors read it. Say what has to be corrected, and who asked for it.",
    )
