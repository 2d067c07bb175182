"""Charge models as JSON-safe data and back; strict, so that nothing is silently misread."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_never

from monetization.kernel.decimals import NotExact, exact_decimal, plain
from monetization.pricing.prices import (
    ChargeModel,
    Flat,
    Graduated,
    Package,
    PerUnit,
    PriceError,
    StairStep,
    Tier,
    Volume,
)

MODEL_NAMES = ("flat", "per_unit", "graduated", "volume", "stair_step", "package")


def price_to_data(model: ChargeModel) -> dict[str, Any]:
    """Write a charge model with every number as a plain decimal string."""
    match model:
        case Flat(amount):
            return {"model": "flat", "amount": plain(amount)}
        case PerUnit(unit_price):
            return {"model": "per_unit", "unit_price": plain(unit_price)}
        case Graduated(tiers, at_zero):
            return _tiered("graduated", tiers, at_zero)
        case Volume(tiers, at_zero):
            return _tiered("volume", tiers, at_zero)
        case StairStep(tiers, at_zero):
            return _tiered("stair_step", tiers, at_zero)
        case Package(size, package_price, free_units, at_least_one):
            return {
                "model": "package",
                "size": plain(size),
                "package_price": plain(package_price),
                "free_units": plain(free_units),
                "at_least_one": at_least_one,
            }
        case _:
            assert_never(model)


def _tiered(name: str, tiers: tuple[Tier, ...], at_zero: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "model": name,
        "tiers": [
            {
                "up_to": None if tier.up_to is None else plain(tier.up_to),
                "unit_price": plain(tier.unit_price),
                "flat_fee": plain(tier.flat_fee),
            }
            for tier in tiers
        ],
        "flat_fee_at_zero": at_zero,
    }


def price_from_data(data: Any, path: str = "") -> ChargeModel:
    """Read a charge model.

    :param path: put before the field in messages, e.g. ``"phases[0].items[2].model"``.
    :raises PriceError: naming the field, for unknown or missing keys and bad numbers.

    >>> price_from_data({"model": "per_unit", "unit_price": "0.25"})
    PerUnit(unit_price=Decimal('0.25'))
    """
    reader = Reader(data, path)
    name = reader.text("model")
    try:
        match name:
            case "flat":
                model: ChargeModel = Flat(reader.number("amount"))
            case "per_unit":
                model = PerUnit(reader.number("unit_price"))
            case "graduated":
                model = Graduated(
                    _read_tiers(reader), reader.flag("flat_fee_at_zero", default=True)
                )
            case "volume":
                model = Volume(_read_tiers(reader), reader.flag("flat_fee_at_zero", default=True))
            case "stair_step":
                model = StairStep(
                    _read_tiers(reader), reader.flag("flat_fee_at_zero", default=True)
                )
            case "package":
                model = Package(
                    reader.number("size"),
                    reader.number("package_price"),
                    reader.number("free_units", "0"),
                    reader.flag("at_least_one", default=False),
                )
            case _:
                raise PriceError(f"model: must be one of {', '.join(MODEL_NAMES)}")
    except PriceError as error:
        message = str(error)
        raise PriceError(
            message if not path or message.startswith(path) else f"{path}.{message}"
        ) from None
    reader.done()
    return model


def _read_tiers(reader: "Reader") -> tuple[Tier, ...]:
    rows = reader.rows("tiers")
    tiers = []
    for row in rows:
        tiers.append(
            Tier(
                row.optional_number("up_to"),
                row.number("unit_price", "0"),
                row.number("flat_fee", "0"),
            )
        )
        row.done()
    return tuple(tiers)


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
