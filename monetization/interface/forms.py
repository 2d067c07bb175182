"""What forms of pages share: exact numbers, currencies, countries, zones, refusals at fields."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel import Locale
from django import forms

from monetization.interface.fields import FIRST_DAY, LAST_DAY
from monetization.kernel.decimals import NotExact, exact_decimal, plain
from monetization.kernel.money import MoneyError, minor_unit
from monetization.kernel.period import time_zones

_NOT_COUNTRIES = frozenset(
    ("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ")
)
CURRENCIES = (
    "USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK",
    "HUF", "RON", "ISK", "TRY", "ILS", "AED", "SAR", "QAR", "KWD", "BHD", "OMR", "INR", "SGD",
    "HKD", "CNY", "TWD", "KRW", "THB", "MYR", "IDR", "PHP", "VND", "ZAR", "NGN", "KES", "EGP",
    "MAD", "BRL", "MXN", "ARS", "CLP", "COP", "PEN", "UYU",
)  # fmt: skip


class PageForm(forms.Form):
    """A form of a page: it validates and does not save; its fields wear the theme."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            dress(field.widget)

    def refuse(self, error: Exception) -> None:
        """Show a refusal at the field it names ("field: reason"), else above the form."""
        name, colon, reason = str(error).partition(": ")
        if colon and name in self.fields:
            self.add_error(name, sentence(reason))
        else:
            self.add_error(None, sentence(str(error)))


def dress(widget: forms.Widget) -> None:
    kind = getattr(widget, "input_type", "")
    if kind in ("hidden", "radio"):
        return
    css = {"select": "form-select", "checkbox": "form-check-input"}.get(kind, "form-control")
    widget.attrs["class"] = f"{widget.attrs.get('class', '')} {css}".strip()


def sentence(text: str) -> str:
    """Write a rule's words as a sentence: capital letter, full stop."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}"


class ExactNumberField(forms.CharField):
    """An exact number, not negative; any other spelling than 1250.5 is refused, not guessed."""

    def __init__(
        self,
        *,
        whole: int = 12,
        places: int = 12,
        at_most: Decimal | None = None,
        above_zero: bool = False,
        **kwargs: Any,
    ) -> None:
        self.whole, self.places = whole, places
        self.at_most, self.above_zero = at_most, above_zero
        super().__init__(**kwargs)
        self.widget.attrs.setdefault("inputmode", "decimal")
        self.widget.attrs.setdefault("autocomplete", "off")

    def prepare_value(self, value: Any) -> Any:
        return plain(value) if isinstance(value, Decimal) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            number = exact_decimal(text)
        except NotExact as error:
            raise forms.ValidationError(sentence(str(error))) from None
        if number < 0 or (self.above_zero and not number):
            raise forms.ValidationError(
                f"Must be {'above zero' if self.above_zero else 'zero or more'}."
            )
        if self.at_most is not None and number > self.at_most:
            raise forms.ValidationError(f"Must be at most {plain(self.at_most)}.")
        if number >= Decimal(10) ** self.whole:
            raise forms.ValidationError(f"Must have at most {self.whole} digits before the point.")
        if number != number.quantize(Decimal(1).scaleb(-self.places)):
            raise forms.ValidationError(f"Must have at most {self.places} decimal places.")
        return number


class DayField(forms.DateField):
    """A date between 1970 and 2199, as in the API: others are typing errors."""

    default_error_messages = {
        "invalid": "Write a date like 2026-01-31.",
        "beyond": f"Must be from {FIRST_DAY} to {LAST_DAY}.",
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.DateInput(attrs={"type": "date"}))
        super().__init__(**kwargs)

    def clean(self, value: Any) -> date | None:
        day: date | None = super().clean(value)
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            raise forms.ValidationError(self.error_messages["beyond"])
        return day


class CurrencyField(forms.CharField):
    """An ISO 4217 code; the page offers the usual ones in ``<datalist id="currencies">``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 3, "label": "Currency", **kwargs})
        self.widget.attrs |= {"list": "currencies", "autocomplete": "off"}

    def clean(self, value: Any) -> Any:
        code = super().clean(value).upper()
        if code:
            try:
                minor_unit(code)
            except MoneyError:
                raise forms.ValidationError("Write an ISO 4217 code such as USD or EUR.") from None
        return code


class TimeZoneField(forms.CharField):
    """An IANA time zone; the page offers all of them in ``<datalist id="time-zones">``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 63, "label": "Time zone", **kwargs})
        self.widget.attrs |= {"list": "time-zones", "autocomplete": "off"}

    def clean(self, value: Any) -> Any:
        zone = super().clean(value)
        if zone and zone not in time_zones():
            raise forms.ValidationError("Choose a zone of the list, such as Europe/Paris.")
        return zone


@lru_cache(maxsize=1)
def zone_names() -> tuple[str, ...]:
    """Return the time zones people choose from, in order."""
    return tuple(sorted(zone for zone in time_zones() if "/" in zone or zone == "UTC"))


@lru_cache(maxsize=1)
def countries() -> Mapping[str, str]:
    """Return ISO 3166-1 codes with their English names, by name."""
    names = {
        code: name
        for code, name in Locale("en").territories.items()
        if len(code) == 2 and code.isalpha() and code not in _NOT_COUNTRIES
    }
    return dict(sorted(names.items(), key=lambda item: item[1]))
