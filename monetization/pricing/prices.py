"""Charge models: how a quantity becomes an amount. One dataclass each; a closed union."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from monetization.kernel.money import ZERO

SEAT_MODES = ("prorate_increments", "prorate_all", "peak", "period_start")
MINUTES_OF_WEEK = 7 * 24 * 60


class PriceError(ValueError):
    """A price whose numbers do not make sense; the message names the field."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Units above the previous tier's bound, up to and including ``up_to``."""

    up_to: Decimal | None  # units, inclusive; None means no upper bound
    unit_price: Decimal = ZERO  # currency per unit (or per block), at most 12 decimal places
    flat_fee: Decimal = ZERO  # currency, charged once if the tier is entered
    block_size: Decimal | None = None  # units are sold in started blocks of this size


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
    whole_only: bool = False  # a started package is free until it is full

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise PriceError("size: must be more than zero")
        if self.free_units < 0:
            raise PriceError("free_units: must not be negative")


@dataclass(frozen=True, slots=True)
class Percentage:
    """A percentage of the money each event carries, plus a fee per event.

    The first events are free until ``free_events`` or ``free_amount`` is used up, whichever
    ends first; an event that crosses the free amount pays for the part beyond it.
    """

    percent: Decimal  # 0 to 100 and more
    fixed_fee: Decimal = ZERO  # currency per charged event
    free_events: int | None = None
    free_amount: Decimal | None = None
    minimum: Decimal | None = None  # currency per charged event, on percentage and fee together
    maximum: Decimal | None = None

    def __post_init__(self) -> None:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise PriceError("maximum: must not be less than the minimum")


@dataclass(frozen=True, slots=True)
class PercentTier:
    """The part of an amount above the previous tier's bound, up to and including ``up_to``."""

    up_to: Decimal | None
    percent: Decimal
    flat_fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class GraduatedPercentage:
    """Each slice of an amount of money at the percentage of the tier it falls in."""

    tiers: tuple[PercentTier, ...]
    flat_fee_at_zero: bool = True

    def __post_init__(self) -> None:
        validate_tiers(self.tiers)


@dataclass(frozen=True, slots=True)
class Dynamic:
    """The money the events carry, times a multiplier."""

    multiplier: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class CostPlus:
    """The cost the events carry, with a percentage on top."""

    markup_percent: Decimal


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A unit price for events whose properties all have one of the values named."""

    match: tuple[tuple[str, tuple[str, ...]], ...]  # dimension -> values; unnamed ones are free
    unit_price: Decimal

    def __post_init__(self) -> None:
        object.__setattr__(self, "match", tuple(sorted(self.match)))  # one spelling, one hash


@dataclass(frozen=True, slots=True)
class Matrix:
    """A unit price by event dimensions. The first cell that matches decides."""

    cells: tuple[MatrixCell, ...]
    default_unit_price: Decimal  # for events that match no cell
    group_by: tuple[str, ...] = ()  # one charge per value; never changes the amount

    def __post_init__(self) -> None:
        for position, cell in enumerate(self.cells):
            if not cell.match:
                raise PriceError(f"cells[{position}].match: names no dimension")
            if not all(values for _, values in cell.match):
                raise PriceError(f"cells[{position}].match: every dimension needs a value")


@dataclass(frozen=True, slots=True)
class PercentOf:
    """A percentage of other lines of the same document."""

    percent: Decimal
    item_keys: tuple[str, ...] | None = None  # None: every line that is not a percentage itself


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes of the local week, half-open; 0 is Monday 00:00, 10,080 the end of Sunday."""

    start_minute: int
    end_minute: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class TimeOfUse:
    """A unit price by the local minute of the week in which the event happened."""

    windows: tuple[Window, ...]
    default_unit_price: Decimal  # outside every window

    def __post_init__(self) -> None:
        ends_at = 0
        for position, window in enumerate(self.windows):
            at = f"windows[{position}]"
            if not 0 <= window.start_minute < window.end_minute <= MINUTES_OF_WEEK:
                raise PriceError(f"{at}.end_minute: must be after its start, within one week")
            if window.start_minute < ends_at:
                raise PriceError(f"{at}.start_minute: overlaps the window before it")
            ends_at = window.end_minute


@dataclass(frozen=True, slots=True)
class CapacityTier:
    """A flat price for usage within every limit."""

    price: Decimal
    limits: tuple[tuple[str, Decimal | None], ...]  # unit -> inclusive limit; None: unlimited

    def __post_init__(self) -> None:
        by_unit = sorted(self.limits, key=lambda pair: pair[0])
        object.__setattr__(self, "limits", tuple(by_unit))  # one spelling, one hash


@dataclass(frozen=True, slots=True)
class Capacity:
    """One flat price: the first tier whose limits hold for every unit, else the last."""

    tiers: tuple[CapacityTier, ...]
    dimension: str = "unit"  # the event property that says which unit a quantity is of

    def __post_init__(self) -> None:
        if not self.tiers:
            raise PriceError("tiers: at least one is needed")


@dataclass(frozen=True, slots=True)
class Seat:
    """A price per seat on a balance over time.

    ``prorate_increments``: added seats are charged for the days left, removed ones wait for
    the next period. ``prorate_all``: removed seats stop being charged on their day.
    ``peak``: the highest balance at full price. ``period_start``: the opening balance.
    """

    price: "PerUnit | Graduated | Volume"
    mode: str = "prorate_increments"
    contracted_minimum: Decimal = ZERO  # seats charged even if fewer are held

    def __post_init__(self) -> None:
        if self.mode not in SEAT_MODES:
            raise PriceError(f"mode: must be one of {', '.join(SEAT_MODES)}")


ChargeModel = (
    Flat
    | PerUnit
    | Graduated
    | Volume
    | StairStep
    | Package
    | Percentage
    | GraduatedPercentage
    | Dynamic
    | CostPlus
    | Matrix
    | PercentOf
    | TimeOfUse
    | Capacity
    | Seat
)


def validate_tiers(tiers: "Sequence[Tier | PercentTier]") -> None:
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
    for position, tier in enumerate(tiers):
        if isinstance(tier, Tier) and tier.block_size is not None and tier.block_size <= 0:
            raise PriceError(f"tiers[{position}].block_size: must be more than zero")
    if tiers[-1].up_to is not None:
        raise PriceError(f"tiers[{len(tiers) - 1}].up_to: the last tier must be unbounded")
