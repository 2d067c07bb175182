"""Filters of the API's lists."""

from datetime import date
from typing import Any

import django_filters
from django import forms
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError

from monetization.interface.fields import MONTH_SCHEMA, read_month


class MonthFormField(forms.CharField):
    """A month written 2026-01; inside, its first day."""

    def clean(self, value: Any) -> date | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return read_month(text)
        except ValidationError:
            raise forms.ValidationError("must be a month like 2026-01") from None


@extend_schema_field(MONTH_SCHEMA)
class MonthFilter(django_filters.CharFilter):
    """Compare with the first day of a month."""

    field_class = MonthFormField
