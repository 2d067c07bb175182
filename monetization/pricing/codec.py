"""Charge models as JSON-safe data and back; strict, so that nothing is silently misread."""

from typing import Any

import orjson

from monetization.kernel.decimals import plain
from monetization.pricing.codec_events import EVENT_MODEL_NAMES, event_model_from, event_model_to
from monetization.pricing.prices import (
    ChargeModel,
    Flat,
    Graduated,
    Package,
    PerUnit,
    PriceError,
    Seat,
    StairStep,
    Tier,
    Volume,
)
from monetization.pricing.reader import Reader

MODEL_NAMES = (
    "flat",
    "per_unit",
    "graduated",
    "volume",
    "stair_step",
    "package",
    "seat",
    *EVENT_MODEL_NAMES,
)


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
            data = {
                "model": "package",
                "size": plain(size),
                "package_price": plain(package_price),
                "free_units": plain(free_units),
                "at_least_one": at_least_one,
            }
            return {**data, "whole_only": True} if model.whole_only else data
        case Seat(price, mode, contracted_minimum):
            return {
                "model": "seat",
                "price": price_to_data(price),
                "mode": mode,
                "contracted_minimum": plain(contracted_minimum),
            }
        case _:
            return event_model_to(model)


def _tiered(name: str, tiers: tuple[Tier, ...], at_zero: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "model": name,
        "tiers": [_tier_to_data(tier) for tier in tiers],
        "flat_fee_at_zero": at_zero,
    }


def _tier_to_data(tier: Tier) -> dict[str, Any]:
    data = {
        "up_to": None if tier.up_to is None else plain(tier.up_to),
        "unit_price": plain(tier.unit_price),
        "flat_fee": plain(tier.flat_fee),
    }
    # Left out where it is not used: signed terms keep the data, and the hash, they had.
    return data if tier.block_size is None else {**data, "block_size": plain(tier.block_size)}


def price_from_data(data: Any, path: str = "") -> ChargeModel:
    """Read a charge model; the same data gives the same object.

    :param path: put before the field in messages, e.g. ``"phases[0].items[2].model"``.
    :raises PriceError: naming the field, for unknown or missing keys and bad numbers.

    >>> price_from_data({"model": "per_unit", "unit_price": "0.25"})
    PerUnit(unit_price=Decimal('0.25'))
    """
    spelling = _spelling(data)
    known = _read.get(spelling) if spelling else None
    if known is None:
        known = _read_price(data, path)
        if spelling:
            if len(_read) >= _MOST:
                _read.clear()
            _read[spelling] = known
    return known


# Contracts that were sold the same price share it, and what is prepared to rate it.
_read: dict[bytes, ChargeModel] = {}
_MOST = 4096


def _spelling(data: Any) -> bytes | None:
    try:
        return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return None


def _read_price(data: Any, path: str) -> ChargeModel:
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
                    reader.flag("whole_only", default=False),
                )
            case "seat":
                model = _read_seat(reader)
            case _:
                read = event_model_from(name, reader)
                if read is None:
                    raise PriceError(f"model: must be one of {', '.join(MODEL_NAMES)}")
                model = read
    except PriceError as error:
        message = str(error)
        raise PriceError(
            message if not path or message.startswith(path) else f"{path}.{message}"
        ) from None
    reader.done()
    return model


def _read_seat(reader: Reader) -> Seat:
    price = price_from_data(reader.raw("price"), reader.at("price"))
    if not isinstance(price, PerUnit | Graduated | Volume):
        raise PriceError("price: must be per_unit, graduated or volume")
    return Seat(
        price,
        reader.text("mode", "prorate_increments"),
        reader.number("contracted_minimum", "0"),
    )


def _read_tiers(reader: Reader) -> tuple[Tier, ...]:
    tiers = []
    for row in reader.rows("tiers"):
        tiers.append(
            Tier(
                row.optional_number("up_to"),
                row.number("unit_price", "0"),
                row.number("flat_fee", "0"),
                row.optional_number("block_size"),
            )
        )
        row.done()
    return tuple(tiers)


__all__ = ["MODEL_NAMES", "Reader", "price_from_data", "price_to_data"]
