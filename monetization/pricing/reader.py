"""Reads JSON objects field by field, strictly, and says where it is when it refuses."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from monetization.kernel.decimals import NotExact, exact_decimal
from monetization.pricing.prices import PriceError


class Reader:
    """Reads one JSON object field by field and knows where it is."""

    def __init__(self, data: Any, path: str = "") -> None:
        if not isinstance(data, Mapping):
            raise PriceError(f"{path or 'value'}: must be an object")
        self._data, self.path = data, path
        self._seen: set[str] = set()

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def raw(self, name: str, default: Any = ...) -> Any:
        self._seen.add(name)
        if name not in self._data:
            if default is ...:
                raise PriceError(f"{self.at(name)}: is missing")
            return default
        return self._data[name]

    def text(self, name: str, default: Any = ...) -> str:
        value = self.raw(name, default)
        if not isinstance(value, str):
            raise PriceError(f"{self.at(name)}: must be text")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self.raw(name, None) is None else self.text(name)

    def number(self, name: str, default: Any = ...) -> Decimal:
        try:
            number = exact_decimal(self.raw(name, default))
        except NotExact as error:
            raise PriceError(f"{self.at(name)}: {error}") from None
        if number < 0:
            raise PriceError(f"{self.at(name)}: must not be negative")
        return number

    def optional_number(self, name: str) -> Decimal | None:
        return None if self.raw(name, None) is None else self.number(name)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.raw(name, default)
        if not isinstance(value, bool):
            raise PriceError(f"{self.at(name)}: must be true or false")
        return value

    def integer(self, name: str) -> int:
        value = self.raw(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise PriceError(f"{self.at(name)}: must be a whole number")
        return value

    def rows(self, name: str) -> list["Reader"]:
        value = self.raw(name)
        if not isinstance(value, (list, tuple)):
            raise PriceError(f"{self.at(name)}: must be a list")
        return [Reader(row, f"{self.at(name)}[{i}]") for i, row in enumerate(value)]

    def done(self) -> None:
        """Refuse what nobody read: a misspelled field must not be silently ignored."""
        unknown = sorted(set(self._data) - self._seen)
        if unknown:
            raise PriceError(f"{self.at(unknown[0])}: is not a known field")
