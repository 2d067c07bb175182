"""Charge models: how a quantity becomes an amount. One dataclass each; a closed union."""

from dataclasses import dataclass
from decimal import Decimal

from monetization.kernel.money import ZERO


class PriceError(ValueError):
    """A price whose numbers do not make sense; the message names the field."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Units above the previous tier's bound, up to and including ``up_to``."""

    up_to: Decimal | None  # units, inclusive; None means no upper bound
    unit_price: Decimal = ZERO  # currency per unit, at most 12 decimal places
    flat_fee: Decimal = ZERO  # currency, charged once if the tier is entered


@dataclass(frozen=True, slots=True)
class Flat:
    """An amount per billing period, whatever the quantity."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Quantity x unit price."""

    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class Graduated:
    """Each slice of the quantity at the price of the tier it falls in."""

    tiers: tuple[Tier, ...]
    flat_fee_at_zero: bool = True  # the first tier's flat fee is due without usage too

    def __post_init__(self) -> None:
        validate_tiers(self.tiers)


@dataclass(frozen=True, slots=True)
class Volume:
    """The whole quantity at the price of the tier it falls in."""

    tiers: tuple[Tier, ...]
    flat_fee_at_zero: bool = True

    def __post_init__(self) -> None:
        validate_tiers(self.tiers)


@dataclass(frozen=True, slots=True)
class StairStep:
    """The flat fee of the tier the quantity falls in, and nothing per unit."""

    tiers: tuple[Tier, ...]
    flat_fee_at_zero: bool = True

    def __post_init__(self) -> None:
        validate_tiers(self.tiers)
        for position, tier in enumerate(self.tiers):
            if tier.unit_price:
                raise PriceError(f"tiers[{position}].unit_price: a stair step has none")


@dataclass(frozen=True, slots=True)
class Package:
    """Started packages of a fixed size."""

    size: Decimal
    package_price: Decimal
    free_units: Decimal = ZERO
    at_least_one: bool = False

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise PriceError("size: must be more than zero")
        if self.free_units < 0:
            raise PriceError("free_units: must not be negative")


ChargeModel = Flat | PerUnit | Graduated | Volume | StairStep | Package


def validate_tiers(tiers: tuple[Tier, ...]) -> None:
    """Check that tiers ascend and that exactly the last one is unbounded.

    :raises PriceError: naming the tier.
    """
    if not tiers:
        raise PriceError("tiers: at least one is needed")
    floor = ZERO
    for position, tier in enumerate(tiers[:-1]):
        if tier.up_to is None:
            raise PriceError(f"tiers[{position}].up_to: only the last tier is unbounded")
        if tier.up_to <= floor:
            raise PriceError(f"tiers[{position}].up_to: must be more than {floor}")
        floor = tier.up_to
    if tiers[-1].up_to is not None:
        raise PriceError(f"tiers[{len(tiers) - 1}].up_to: the last tier must be unbounded")
