"""Some prices over one whole billing period, for given usage: what a calculator shows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.money import ZERO
from monetization.kernel.period import Frequency, Period, add_months
from monetization.pricing.estimate.items import Measured, SeatBalances
from monetization.pricing.estimate.lines import PricedLine
from monetization.pricing.estimate.periods import price_periods
from monetization.pricing.prices import ChargeModel, Flat, PercentOf, PriceError, Seat
from monetization.pricing.seats import BalanceChange
from monetization.pricing.terms import ItemTerms, OrderTerms, PhaseTerms
from monetization.pricing.terms.modifiers import (
    MODIFIER_NAMES,
    NONE,
    PriceModifiers,
    with_modifiers,
)
from monetization.pricing.timeline import MINIMUM_KEY, ChargePeriod
from monetization.pricing.usage import Usage

_START = date(2025, 3, 1)  # the second month, the one that is priced, has thirty days
_END = date(2035, 3, 1)
_PHASE = "sample"


@dataclass(frozen=True, slots=True)
class SeatDays:
    """Seats held at the start of the period, and the number from a day of it on (1 is first)."""

    opening: Decimal
    changes: tuple[tuple[int, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class PriceUse:
    """A price, and what was used of it in the period."""

    key: str
    model: ChargeModel
    modifiers: PriceModifiers = NONE
    used: Decimal | Usage | SeatDays = Decimal(1)
    before: Decimal = ZERO  # used earlier in the window, where tiers run on
    frequency: Frequency = Frequency.MONTHLY
    kind: str = ""  # fixed, seat or usage; by the model where it is not said


def price_once(
    uses: Sequence[PriceUse], currency: str, time_zone: str = "UTC"
) -> tuple[PricedLine, ...]:
    """Price one whole period of some prices together, by the functions that bill.

    :returns: one line per use, in order, then what their minimums per period add.
    :raises PriceError: naming the field, e.g. ``items[1].modifiers.included``.
    """
    terms = _terms(uses, currency, time_zone)
    item_periods = [_period(use.key, use.frequency) for use in uses]
    quantities: dict[tuple[str, date], Measured] = {}
    for use, period in zip(uses, item_periods, strict=True):
        if use.before:
            quantities[use.key, _START] = use.before
        quantities[use.key, period.service.start] = _measured(use.used, period.service.start)
    minimums = [
        _period(
            MINIMUM_KEY if number == 1 else f"{MINIMUM_KEY}-{number}", rule.frequency, "minimum"
        )
        for number, rule in enumerate(terms.phases[0].further_minimums, start=1)
        if rule.window == "per_period"
    ]
    return price_periods(terms, [*item_periods, *minimums], quantities)


def check_price(
    model: ChargeModel, modifiers: PriceModifiers, *, kind: str, frequency: Frequency
) -> None:
    """Check that a price can be billed: its model fits the product, its modifiers the model.

    Which other lines a percentage is of, only a contract knows.

    :raises PriceError: naming the field, e.g. ``modifiers.included``.
    """
    if isinstance(model, PercentOf):
        model = PercentOf(model.percent)
    use = PriceUse("price", model, modifiers, frequency=frequency, kind=kind)
    try:
        _terms([use], "USD", "UTC")
    except PriceError as error:
        raise PriceError(str(error).removeprefix("items[0].")) from None


def _terms(uses: Sequence[PriceUse], currency: str, time_zone: str) -> OrderTerms:
    lines = [
        with_modifiers(_item(use), use.modifiers, f"items[{position}].modifiers")
        for position, use in enumerate(uses)
    ]
    owners = [at for at, line in enumerate(lines) for _ in line.discounts]
    minimums = [at for at, line in enumerate(lines) if line.minimum]
    caps = [at for at, line in enumerate(lines) if line.cap]
    phase = PhaseTerms(
        key=_PHASE,
        name="Sample",
        kind="standard",
        start_on=_START,
        end_on=_END,
        items=tuple(line.item for line in lines),
        discounts=tuple(discount for line in lines for discount in line.discounts),
        further_minimums=tuple(line.minimum for line in lines if line.minimum),
        caps=tuple(line.cap for line in lines if line.cap),
    )
    try:
        return OrderTerms(
            title="Sample",
            currency=currency,
            time_zone=time_zone,
            start_on=_START,
            end_on=_END,
            anchor_day=1,
            payment_terms_days=0,
            phases=(phase,),
        )
    except PriceError as error:
        raise PriceError(_own_path(str(error), owners, minimums, caps)) from None


def _own_path(
    message: str, owners: Sequence[int], minimums: Sequence[int], caps: Sequence[int]
) -> str:
    """Turn a path of the terms into the path of the price that is at fault.

    >>> _own_path("phases[0].items[1].included: no", [], [], [])
    'items[1].modifiers.included: no'
    >>> _own_path("phases[0].discounts[2].free_units: no", [0, 1, 1], [], [])
    'items[1].modifiers.discounts[1].free_units: no'
    """
    path, colon, reason = message.partition(": ")
    found = re.fullmatch(r"phases\[0\]\.(\w+)\[(\d+)\](.*)", path)
    if not colon or found is None:
        return message
    group, number, rest = found[1], int(found[2]), found[3]
    match group:
        case "items":
            own = any(rest.startswith(f".{name}") for name in MODIFIER_NAMES)
            return f"items[{number}]{'.modifiers' if own else ''}{rest}: {reason}"
        case "discounts":
            place = number - owners.index(owners[number])
            return f"items[{owners[number]}].modifiers.discounts[{place}]{rest}: {reason}"
        case "further_minimums":
            return f"items[{minimums[number]}].modifiers.minimum{rest}: {reason}"
        case _:
            return f"items[{caps[number]}].modifiers.cap{rest}: {reason}"


def _item(use: PriceUse) -> ItemTerms:
    kind = use.kind or _kind_of(use.model)
    is_usage = kind == "usage"
    return ItemTerms(
        key=use.key,
        product_code=use.key,
        product_name=use.key,
        kind=kind,
        model=use.model,
        frequency=use.frequency,
        timing="in_arrears" if is_usage else "in_advance",
        quantity=use.used if isinstance(use.used, Decimal) and not is_usage else Decimal(1),
        meter="sample" if is_usage else None,
        recognition="usage" if is_usage else "straight_line",
    )


def _kind_of(model: ChargeModel) -> str:
    if isinstance(model, Flat | PercentOf):
        return "fixed"
    return "seat" if isinstance(model, Seat) else "usage"


def _period(key: str, frequency: Frequency, kind: str = "item") -> ChargePeriod:
    """Return the second whole period of a line, so that something can come before it."""
    if frequency is Frequency.ONE_TIME:
        full = Period(_START, _START + timedelta(days=1))
    elif frequency is Frequency.WEEKLY:
        full = Period(_START + timedelta(days=7), _START + timedelta(days=14))
    else:
        start = add_months(_START, frequency.months, anchor_day=1)
        full = Period(start, add_months(start, frequency.months, anchor_day=1))
    return ChargePeriod(_PHASE, key, kind, full, full, full.end, Fraction(1))


def _measured(used: Decimal | Usage | SeatDays, start: date) -> Measured:
    if not isinstance(used, SeatDays):
        return used
    return SeatBalances(
        used.opening,
        tuple(
            BalanceChange(start + timedelta(days=day - 1), balance) for day, balance in used.changes
        ),
    )
