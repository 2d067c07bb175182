"""Prices in and out of the API: charge models, modifiers. Errors name the field inside them."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from monetization.interface.price_schema import CHARGE_MODEL, MODIFIERS
from monetization.pricing.codec import price_from_data, price_to_data
from monetization.pricing.prices import PriceError
from monetization.pricing.terms.modifiers import modifiers_from_data, modifiers_to_data

MAX_DIGITS = 15
# Fields that hold names, however long.
_WORDS = frozenset(
    {
        *("model", "mode", "match", "group_by", "item_keys", "dimension", "code", "label"),
        *("operation", "rounding", "accumulation", "window", "overage_frequency"),
    }
)


@extend_schema_field(CHARGE_MODEL)
class ChargeModelField(serializers.Field[Any, Any, Any, Any]):
    """A charge model as data."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        return _read(lambda: price_to_data(price_from_data(data)))

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(MODIFIERS)
class ModifiersField(serializers.Field[Any, Any, Any, Any]):
    """What a price says beside its charge model, as data."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        return _read(lambda: modifiers_to_data(modifiers_from_data(data, "")))

    def to_representation(self, value: Any) -> Any:
        return value


def _read(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        data = read()
        check_size(data, "")
        return data
    except PriceError as error:
        raise serializers.ValidationError(_detail_of(error)) from None


def _detail_of(error: PriceError) -> Any:
    """Return a refusal of a price as the detail of its field; a bare one stays a sentence."""
    field, colon, message = str(error).partition(": ")
    if not colon:
        return str(error)
    return message if field == "value" else {field: message}


def check_size(value: Any, path: str) -> None:
    """Refuse numbers that no amount could hold: more than 15 digits before the point."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name not in _WORDS:
                check_size(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            check_size(part, f"{path}[{index}]")
    elif isinstance(value, str) and len(value.partition(".")[0]) > MAX_DIGITS:
        raise PriceError(f"{path}: must have at most {MAX_DIGITS} digits before the point")
