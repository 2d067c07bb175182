"""Events x price -> charges: the models that look at more than a quantity. Exact."""

from collections.abc import Mapping
from decimal import Decimal

from monetization.kernel.money import ZERO
from monetization.pricing.arithmetic import exact_sum, plus, times
from monetization.pricing.prices import (
    Capacity,
    ChargeModel,
    Matrix,
    MatrixCell,
    Percentage,
    TimeOfUse,
    Window,
)
from monetization.pricing.rating import Charge, rate, rate_capacity, rate_percentage
from monetization.pricing.usage import Usage, UsagePart

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
NO_GROUP = "(none)"


def rate_usage(model: ChargeModel, usage: Usage) -> tuple[Charge, ...]:
    """Rate usage under any charge model, event by event where the model asks for it.

    The order of the events matters only where the first ones are free.

    :raises ValueError: if the quantity is negative; corrections are clamped by the caller.
    """
    if not usage.parts:
        return rate(model, usage.quantity)
    match model:
        case Percentage():
            return rate_percentage([part.quantity for part in usage.parts], model)
        case Matrix():
            return _rate_matrix(usage.parts, model)
        case TimeOfUse():
            return _rate_time_of_use(usage.parts, model)
        case Capacity():
            used: dict[str, Decimal] = {}
            for part in usage.parts:
                unit = part.properties.get(model.dimension, "")
                used[unit] = plus(used.get(unit, ZERO), part.quantity)
            return rate_capacity(used, model)
        case _:
            return rate(model, usage.quantity)


def usage_amount(model: ChargeModel, usage: Usage) -> Decimal:
    """Return the exact amount of usage under a charge model."""
    return exact_sum(charge.amount for charge in rate_usage(model, usage))


def compacted(model: ChargeModel, usage: Usage) -> Usage:
    """Add up the events that price alike, so that an explanation stays short.

    Percentages keep every event, because fees and bounds are per event.
    """
    if isinstance(model, Percentage):
        return usage
    names: frozenset[str] = frozenset()
    windows: tuple[Window, ...] = ()
    match model:
        case Matrix(cells, _, group_by):
            names = frozenset(name for cell in cells for name, _ in cell.match) | {*group_by}
        case Capacity():
            names = frozenset({model.dimension})
        case TimeOfUse():
            windows = model.windows
    sums: dict[tuple[tuple[tuple[str, str], ...], int | None], Decimal] = {}
    for part in usage.parts:
        known = tuple(sorted((n, v) for n, v in part.properties.items() if n in names))
        place = known, _window_start(windows, part.minute)
        sums[place] = plus(sums.get(place, ZERO), part.quantity)
    return Usage.of(
        UsagePart(quantity, dict(known), minute) for (known, minute), quantity in sums.items()
    )


def _window_start(windows: tuple[Window, ...], minute: int | None) -> int | None:
    """Return the first minute of the window an event falls in; None outside every one."""
    window = _window_of(windows, minute)
    return None if window is None else windows[window].start_minute


def _window_of(windows: tuple[Window, ...], minute: int | None) -> int | None:
    for number, window in enumerate(windows):
        if minute is not None and window.start_minute <= minute < window.end_minute:
            return number
    return None


def matching_cell(model: Matrix, properties: Mapping[str, str]) -> MatrixCell | None:
    """Return the first cell whose every dimension has one of its values; None: the default."""
    for cell in model.cells:
        if all(properties.get(name) in values for name, values in cell.match):
            return cell
    return None


def _rate_matrix(parts: tuple[UsagePart, ...], model: Matrix) -> tuple[Charge, ...]:
    """Sum the quantity per cell and group; events of the default cell are not grouped."""
    sums: dict[tuple[int, str], Decimal] = {}
    for part in parts:
        cell = matching_cell(model, part.properties)
        place = (len(model.cells), "")
        if cell is not None:
            place = (model.cells.index(cell), _group_of(part, model.group_by))
        sums[place] = plus(sums.get(place, ZERO), part.quantity)
    charges = []
    for (number, group), quantity in sorted(sums.items()):
        if number == len(model.cells):
            key, label, unit_price = "default", "Other", model.default_unit_price
        else:
            cell = model.cells[number]
            values = ", ".join("/".join(allowed) for _, allowed in cell.match)
            key = f"cell-{number + 1}" + (f":{group}" if group else "")
            label, unit_price = f"{values}, {group}" if group else values, cell.unit_price
        charges.append(Charge(key, label, quantity, unit_price, times(quantity, unit_price)))
    return tuple(charges)


def _group_of(part: UsagePart, names: tuple[str, ...]) -> str:
    return ", ".join(part.properties.get(name) or NO_GROUP for name in names)


def _rate_time_of_use(parts: tuple[UsagePart, ...], model: TimeOfUse) -> tuple[Charge, ...]:
    sums: dict[int, Decimal] = {}
    for part in parts:
        window_number = _window_of(model.windows, part.minute)
        place = len(model.windows) if window_number is None else window_number
        sums[place] = plus(sums.get(place, ZERO), part.quantity)
    charges = []
    for number, quantity in sorted(sums.items()):
        if number == len(model.windows):
            key, label, unit_price = "default", "Any other time", model.default_unit_price
        else:
            window = model.windows[number]
            key, unit_price = f"window-{number + 1}", window.unit_price
            label = f"{_clock(window.start_minute)} to {_clock(window.end_minute, is_end=True)}"
        charges.append(Charge(key, label, quantity, unit_price, times(quantity, unit_price)))
    return tuple(charges)


def _clock(minute: int, *, is_end: bool = False) -> str:
    day, rest = divmod(minute, 1440)
    if is_end and rest == 0:
        day, rest = day - 1, 1440  # a window that ends at midnight ends at 24:00 of its day
    return f"{WEEKDAYS[day]} {rest // 60:02d}:{rest % 60:02d}"
