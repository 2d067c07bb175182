"""What goes in and out of the API: exact numbers as text, days, months, references."""

import re
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Model
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import get_attribute

from monetization.kernel.decimals import NotExact, exact_decimal, plain
from monetization.kernel.money import Money, MoneyError, minor_unit
from monetization.kernel.period import time_zones

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)


def amount_text(amount: Decimal, currency: str) -> str:
    """Write an amount with its currency's own decimals: 12.50 USD, 13 JPY."""
    try:
        return str(Money(amount, currency).amount)
    except MoneyError:
        return plain(amount)


@extend_schema_field({"type": "string", "format": "decimal", "example": "1250.00"})
class AmountField(serializers.Field[Any, Any, Any, Any]):
    """An amount of the currency beside it, as a string. Read only."""

    def __init__(self, *, currency: str = "currency", **kwargs: Any) -> None:
        self.currency = currency.split(".")
        super().__init__(read_only=True, **kwargs)

    def get_attribute(self, instance: Any) -> Any:
        amount = super().get_attribute(instance)
        return None if amount is None else (amount, get_attribute(instance, self.currency))

    def to_representation(self, value: Any) -> str:
        amount, currency = value
        return amount_text(amount, currency)


@extend_schema_field({"type": "string", "format": "decimal", "example": "12.5"})
class ExactField(serializers.Field[Any, Any, Any, Any]):
    """An exact number, not negative: a string or a JSON number in, a string out.

    :param whole: digits before the point that fit.
    :param places: digits after it.
    :param above_zero: refuse zero.
    """

    def __init__(
        self,
        *,
        whole: int = 12,
        places: int = 12,
        above_zero: bool = False,
        at_most: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.whole, self.places = whole, places
        self.above_zero, self.at_most = above_zero, at_most
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        try:
            number = exact_decimal(data)
        except NotExact as error:
            raise serializers.ValidationError(str(error)) from None
        if number < 0 or (self.above_zero and not number):
            wanted = "above zero" if self.above_zero else "zero or more"
            raise serializers.ValidationError(f"must be {wanted}")
        if self.at_most is not None and number > self.at_most:
            raise serializers.ValidationError(f"must be at most {self.at_most}")
        if number >= Decimal(10) ** self.whole:
            raise serializers.ValidationError(
                f"must have at most {self.whole} digits before the point"
            )
        if number != number.quantize(Decimal(1).scaleb(-self.places)):
            raise serializers.ValidationError(f"must have at most {self.places} decimal places")
        return number

    def to_representation(self, value: Any) -> str:
        return plain(Decimal(value))


class CurrencyField(serializers.CharField):
    """An ISO 4217 code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 3, "min_length": 3, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        code: str = super().to_internal_value(data)
        try:
            minor_unit(code)
        except MoneyError as error:
            raise serializers.ValidationError(str(error)) from None
        return code


class TimeZoneField(serializers.CharField):
    """An IANA time zone."""

    def to_internal_value(self, data: Any) -> str:
        zone: str = super().to_internal_value(data)
        if zone not in time_zones():
            raise serializers.ValidationError(f"{zone!r} is not an IANA time zone")
        return zone


class DayField(serializers.DateField):
    """A date between 1970 and 2199: later ones are typing errors that never end a schedule."""

    def to_internal_value(self, value: Any) -> date:
        day: date = super().to_internal_value(value)
        if not FIRST_DAY <= day <= LAST_DAY:
            raise serializers.ValidationError(f"must be from {FIRST_DAY} to {LAST_DAY}")
        return day


_MONTH = re.compile(r"(19[7-9][0-9]|2[01][0-9][0-9])-(0[1-9]|1[0-2])", re.ASCII)


def read_month(text: Any) -> date:
    """Return the first day of a month written 2026-01.

    :raises ValidationError: for anything else.
    """
    if not isinstance(text, str) or not _MONTH.fullmatch(text):
        raise serializers.ValidationError("must be a month like 2026-01")
    return date(int(text[:4]), int(text[5:]), 1)


MONTH_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}$",
    "example": "2026-01",
}


@extend_schema_field(MONTH_SCHEMA)
class MonthField(serializers.Field[Any, Any, Any, Any]):
    """A calendar month, written 2026-01; inside, its first day."""

    def to_internal_value(self, data: Any) -> date:
        return read_month(data)

    def to_representation(self, value: date) -> str:
        return f"{value:%Y-%m}"


class ReferenceField(serializers.UUIDField):
    """The id of another row of the tenant. Unknown and somebody else's read the same."""

    def __init__(self, model: type[Model], **kwargs: Any) -> None:
        self.model = model
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> UUID:
        found: UUID = super().to_internal_value(data)
        if not self.model._default_manager.filter(pk=found).exists():
            name = self.model._meta.verbose_name
            raise serializers.ValidationError(f"there is no {name} with this id")
        return found


class InputSerializer(serializers.Serializer[Any]):
    """A body that takes only its own fields: a misspelled one is named, never ignored."""

    def to_internal_value(self, data: Any) -> Any:
        unknown: dict[str, Any] = {}
        if isinstance(data, dict):
            known = {name for name, field in self.fields.items() if not field.read_only}
            unknown = {str(name): ["is not a known field"] for name in data if name not in known}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if isinstance(error.detail, dict) and unknown:
                raise serializers.ValidationError({**error.detail, **unknown}) from None
            raise
        if unknown:
            raise serializers.ValidationError(unknown)
        return value
