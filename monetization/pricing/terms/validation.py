"""What terms must satisfy; every refusal names the field."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING

from monetization.kernel.money import MoneyError, minor_unit
from monetization.kernel.period import Frequency, time_zones
from monetization.pricing.prices import (
    Capacity,
    CostPlus,
    Dynamic,
    Matrix,
    Percentage,
    PercentOf,
    PriceError,
    Seat,
    TimeOfUse,
)
from monetization.pricing.proration import METHODS

if TYPE_CHECKING:
    from monetization.pricing.terms.model import (
        CapTerms,
        DiscountTerms,
        ItemTerms,
        MinimumTerms,
        OrderTerms,
        PhaseTerms,
    )

BY_EVENT = (Percentage, Dynamic, CostPlus, Matrix, TimeOfUse, Capacity)


def validate(terms: "OrderTerms") -> None:
    """Check terms as a whole.

    :raises PriceError: naming the field and what it must be.
    """
    from monetization.pricing.terms.model import CHANGE_RULES

    try:
        minor_unit(terms.currency)
    except MoneyError as error:
        raise PriceError(f"currency: {error}") from None
    if terms.time_zone not in time_zones():
        raise PriceError(f"time_zone: {terms.time_zone!r} is not an IANA time zone")
    if not 1 <= terms.anchor_day <= 31:
        raise PriceError("anchor_day: must be from 1 to 31")
    if terms.payment_terms_days < 0:
        raise PriceError("payment_terms_days: must not be negative")
    if not terms.phases:
        raise PriceError("phases: at least one is needed")
    _validate_phases(terms)
    every_key = [item.key for phase in terms.phases for item in phase.items]
    for position, minimum in enumerate(terms.minimums):
        _validate_window(minimum, every_key, f"minimums[{position}]", terms.end_on)
    for position, cap in enumerate(terms.caps):
        _validate_window(cap, every_key, f"caps[{position}]", terms.end_on)
    if terms.changes is not None:
        for name in ("upgrade", "downgrade", "quantity_increase", "quantity_decrease"):
            _one_of(getattr(terms.changes, name), CHANGE_RULES, f"changes.{name}")


def _validate_phases(terms: "OrderTerms") -> None:
    expected: date | None = terms.start_on
    for position, phase in enumerate(terms.phases):
        path = f"phases[{position}]"
        if phase.start_on != expected:
            raise PriceError(f"{path}.start_on: must be {expected}, where the one before ends")
        if phase.end_on is None and position < len(terms.phases) - 1:
            raise PriceError(f"{path}.end_on: only the last phase may be open-ended")
        if phase.end_on is not None and phase.end_on <= phase.start_on:
            raise PriceError(f"{path}.end_on: must be after {phase.start_on}")
        expected = phase.end_on
        _validate_phase(phase, path)
    if expected != terms.end_on:
        raise PriceError(f"end_on: must be {expected}, where the last phase ends")
    if len({phase.key for phase in terms.phases}) != len(terms.phases):
        raise PriceError("phases: every phase needs its own key")


def _validate_phase(phase: "PhaseTerms", path: str) -> None:
    from monetization.pricing.terms.model import PHASE_KINDS

    _one_of(phase.kind, PHASE_KINDS, f"{path}.kind")
    keys = [item.key for item in phase.items]
    for position, item in enumerate(phase.items):
        at = f"{path}.items[{position}]"
        if keys.count(item.key) > 1:
            raise PriceError(f"{at}.key: {item.key!r} appears twice in the phase")
        _validate_item(item, at)
        if isinstance(item.model, PercentOf):
            _validate_scope(item.model.item_keys, keys, f"{at}.model.item_keys")
    for position, discount in enumerate(phase.discounts):
        at = f"{path}.discounts[{position}]"
        _validate_discount(discount, keys, at)
        if discount.free_units is not None and any(
            isinstance(item.model, BY_EVENT)
            for item in phase.items
            if item.key in keys_of(discount)
        ):
            raise PriceError(f"{at}.free_units: needs a price by quantity, not by event")
    if phase.minimum is not None:
        _validate_window(phase.minimum, keys, f"{path}.minimum", phase.end_on)
    for position, minimum in enumerate(phase.further_minimums):
        at = f"{path}.further_minimums[{position}]"
        _validate_window(minimum, keys, at, phase.end_on)
    for position, cap in enumerate(phase.caps):
        _validate_window(cap, keys, f"{path}.caps[{position}]", phase.end_on)


def keys_of(discount: "DiscountTerms") -> tuple[str, ...]:
    """Return the lines a discount names; none if it is for all of them."""
    return discount.item_keys or ()


def _validate_discount(discount: "DiscountTerms", keys: Sequence[str], path: str) -> None:
    if not 0 <= discount.percent <= 100:
        raise PriceError(f"{path}.percent: must be from 0 to 100")
    _validate_scope(discount.item_keys, keys, f"{path}.item_keys")
    given = [discount.amount is not None, discount.free_units is not None, bool(discount.percent)]
    if sum(given) > 1:
        raise PriceError(f"{path}: give a percentage, an amount or free units, not several")
    for name, value in (("amount", discount.amount), ("free_units", discount.free_units)):
        if value is None:
            continue
        if value < 0:
            raise PriceError(f"{path}.{name}: must not be negative")
        if discount.item_keys is None or len(discount.item_keys) != 1:
            raise PriceError(f"{path}.item_keys: {name} needs exactly one line")


def _validate_window(
    rule: "MinimumTerms | CapTerms", keys: Sequence[str], path: str, end_on: date | None
) -> None:
    from monetization.pricing.terms.model import ACCUMULATIONS

    if rule.amount < 0:
        raise PriceError(f"{path}.amount: must not be negative")
    if rule.frequency is Frequency.ONE_TIME:
        raise PriceError(f"{path}.frequency: must be a recurring one")
    _one_of(rule.window, ACCUMULATIONS, f"{path}.window")
    if rule.window == "over_contract" and end_on is None:
        raise PriceError(f"{path}.window: over_contract needs an end date")
    _validate_scope(rule.item_keys, keys, f"{path}.item_keys")
    factor = getattr(rule, "overage_factor", None)
    if factor is not None and factor < 1:
        raise PriceError(f"{path}.overage_factor: must be at least 1")


def _validate_scope(scope: tuple[str, ...] | None, keys: Sequence[str], path: str) -> None:
    for key in scope or ():
        if key not in keys:
            raise PriceError(f"{path}: {key!r} is not a line of the phase")


def _validate_item(item: "ItemTerms", path: str) -> None:
    from monetization.pricing.terms.model import (
        ACCUMULATIONS,
        KINDS,
        OVERAGE_SUFFIX,
        RECOGNITIONS,
        TIMINGS,
    )

    _one_of(item.kind, KINDS, f"{path}.kind")
    _one_of(item.timing, TIMINGS, f"{path}.timing")
    _one_of(item.proration, METHODS, f"{path}.proration")
    _one_of(item.recognition, RECOGNITIONS, f"{path}.recognition")
    _one_of(item.accumulation, ACCUMULATIONS, f"{path}.accumulation")
    if not item.key or ":" in item.key:
        raise PriceError(f"{path}.key: must be a name without a colon")
    if item.key.endswith(OVERAGE_SUFFIX):
        raise PriceError(f"{path}.key: must not end in {OVERAGE_SUFFIX}")
    if item.quantity < 0:
        raise PriceError(f"{path}.quantity: must not be negative")
    if item.kind == "usage":
        if item.timing != "in_arrears":
            raise PriceError(f"{path}.timing: usage is billed in arrears")
        if not item.meter:
            raise PriceError(f"{path}.meter: usage needs a meter")
        if item.frequency is Frequency.ONE_TIME:
            raise PriceError(f"{path}.frequency: usage is billed per recurring period")
    if (item.kind == "usage") != (item.recognition == "usage"):
        raise PriceError(f"{path}.recognition: usage, and only usage, is recognized as used")
    _validate_model(item, path)


def _validate_model(item: "ItemTerms", path: str) -> None:
    """Check that the newer modifiers fit the kind of line and the model."""
    if isinstance(item.model, BY_EVENT) and item.kind != "usage":
        raise PriceError(f"{path}.model: prices events, so the line must be usage")
    if isinstance(item.model, Seat) and item.kind != "seat":
        raise PriceError(f"{path}.model: prices seats, so the line must be seats")
    if isinstance(item.model, PercentOf) and item.kind != "fixed":
        raise PriceError(f"{path}.model: takes its base from other lines, so it must be fixed")
    if item.accumulation != "per_period":
        if item.kind != "usage":
            raise PriceError(f"{path}.accumulation: only usage accumulates")
        if isinstance(item.model, BY_EVENT):
            raise PriceError(f"{path}.accumulation: needs a price by quantity, not by event")
    if item.included is not None and isinstance(item.model, BY_EVENT):
        raise PriceError(f"{path}.included: needs a price by quantity, not by event")
    if item.overage_frequency is not None:
        if not isinstance(item.model, Seat):
            raise PriceError(f"{path}.overage_frequency: needs a seat price")
        if Frequency.ONE_TIME in (item.overage_frequency, item.frequency):
            raise PriceError(f"{path}.overage_frequency: must be a recurring one")
    if item.pricing_unit is not None and item.pricing_unit.rate < 0:
        raise PriceError(f"{path}.pricing_unit.rate: must not be negative")
    if item.included is not None and item.included.units < 0:
        raise PriceError(f"{path}.included.units: must not be negative")


def _one_of(value: str, allowed: Iterable[str], path: str) -> None:
    if value not in allowed:
        raise PriceError(f"{path}: must be one of {', '.join(allowed)}")
