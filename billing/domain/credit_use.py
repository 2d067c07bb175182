"""What credits pay of an invoice: which grant, how many of its units, what they are worth. Pure.

Order of an invoice: credits that reduce the taxable base, line by line; tax; credits that settle.
Within each, lines in the order they are printed, and for each line grants in burn order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from monetization.kernel.money import ZERO, Money, minor_unit
from monetization.pricing.credits import Grant, burn_key

KINDS = ("money", "meter", "unit")
PLACES = Decimal("1e-12")  # of the units of a grant
WHOLE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Purse:
    """A grant as one invoice finds it.

    :param available: units that neither an issued invoice burned nor an earlier open one plans
        to use.
    :param overdraws: it may go below zero, once no grant holds anything more.
    """

    grant: Grant
    kind: str  # money, meter, unit
    available: Decimal
    overdraws: bool = False

    @property
    def reduces_base(self) -> bool:
        return self.grant.taxed_at == "grant"


@dataclass(frozen=True, slots=True)
class Payable:
    """A line that credits may pay, and which part of it each grant may.

    :param shares: by grant id, the part of the line that was used while the grant was active,
        from 0 to 1; a grant that is not named pays nothing.
    :param quantity: what was measured, for grants in a meter's units.
    :param rate: what one custom unit costs on this line, for grants in that unit.
    :param part: of the invoice, where it was split.
    """

    key: str
    net: Money
    shares: Mapping[str, Fraction]
    quantity: Decimal | None = None
    rate: Decimal | None = None
    part: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a part of an invoice claims without credits; they never pay more of it.

    :param net: the same without tax, where lines below zero leave less of it than the others
        come to; the base is never reduced by more.
    """

    gross: Money
    net: Money | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """What one grant pays of one line. ``value`` is net for a base reduced, else as settled."""

    grant_id: str
    line_key: str
    reduces_base: bool
    units: Decimal
    value: Money


TaxOf = Callable[[str, Money], Money]


@dataclass(slots=True)
class _Rest:
    """What is still to pay of a line, while credits are being used."""

    line: Payable
    net: Money
    quantity: Decimal = field(default=ZERO)

    def __post_init__(self) -> None:
        self.quantity = self.line.quantity or ZERO

    def take(self, value: Money) -> None:
        """Pay a part; the units left to pay are those of what is left of the net."""
        self.net = max(Money.zero(value.currency), self.net - value)
        whole = Fraction(self.line.quantity or ZERO)
        left = whole * Fraction(self.net.amount) / Fraction(self.line.net.amount)
        self.quantity = min(self.quantity, _units(left))


def plan_uses(
    purses: Sequence[Purse],
    lines: Sequence[Payable],
    tax_of: TaxOf,
    most: Money,
    most_net: Money | None = None,
) -> tuple[Use, ...]:
    """Say what credits pay of an invoice; ``most`` and ``most_net`` are its claim."""
    return plan_parts(purses, lines, tax_of, {"": Claim(most, most_net)})


def plan_parts(
    purses: Sequence[Purse],
    lines: Sequence[Payable],
    tax_of: TaxOf,
    claims: Mapping[str, Claim],
) -> tuple[Use, ...]:
    """Say what credits pay of an invoice in parts, line by line as if it were whole.

    What one part's lines get, they get again when it is planned alone with the others' uses kept
    back for them: lines are paid in order, and none takes more than it would have. Overdrafts
    aside, which other grants may then come before.

    :param lines: of all parts, in the order they would be printed on one invoice.
    :param tax_of: the tax on a net amount of a line, by the line's key; of a negative amount it
        is negative.
    :param claims: by part.
    """
    rests = [_Rest(line, line.net) for line in lines if line.net.amount > 0]
    left = {p.grant.id: p.available for p in purses}
    ordered = sorted(purses, key=lambda purse: burn_key(purse.grant))
    reducing = [purse for purse in ordered if purse.reduces_base]
    uses: list[Use] = []
    part_of = {rest.line.key: rest.line.part for rest in rests}
    bases = {part: claim.net for part, claim in claims.items() if claim.net is not None}
    for rest in rests:
        part = rest.line.part
        due = min(rest.net, bases[part]) if part in bases else rest.net
        for use in _pay(rest, reducing, left, due, reduces_base=True):
            if part in bases:
                bases[part] -= use.value
            uses.append(use)
    taxes = {rest.line.key: tax_of(rest.line.key, rest.line.net) for rest in rests}
    claimed = {part: claim.gross for part, claim in claims.items()}
    for use in uses:
        back = tax_of(use.line_key, -use.value)
        taxes[use.line_key] = taxes[use.line_key] + back
        claimed[part_of[use.line_key]] += back - use.value
    settling = [purse for purse in ordered if not purse.reduces_base]
    for rest in rests:
        due = rest.net + taxes[rest.line.key]
        part = rest.line.part
        for use in _pay(rest, settling, left, min(due, claimed[part]), reduces_base=False):
            claimed[part] -= use.value
            uses.append(use)
    return tuple(uses)


def _pay(
    rest: _Rest,
    purses: Sequence[Purse],
    left: dict[str, Decimal],
    due: Money,
    *,
    reduces_base: bool,
) -> list[Use]:
    """Pay a line from grants in order; money pays what is due, units what is left of the net."""
    uses: list[Use] = []
    deep = [purse for purse in purses if purse.overdraws]
    for purse, is_deep in [*((one, False) for one in purses), *((one, True) for one in deep)]:
        share = rest.line.shares.get(purse.grant.id, Fraction(0))
        available = None if is_deep else left[purse.grant.id]
        if share <= 0 or due.amount <= 0 or (available is not None and available <= 0):
            continue
        units, value = _PAYS[purse.kind](rest, share, available, due)
        if value.amount <= 0:
            continue
        uses.append(Use(purse.grant.id, rest.line.key, reduces_base, units, value))
        left[purse.grant.id] -= units
        due = due - value
        rest.take(value)
    return _merged(uses)


def _merged(uses: Sequence[Use]) -> list[Use]:
    """Make one use of what a grant held and of what it was overdrawn by."""
    found: dict[str, Use] = {}
    for use in uses:
        first = found.get(use.grant_id)
        found[use.grant_id] = (
            use
            if first is None
            else replace(first, units=first.units + use.units, value=first.value + use.value)
        )
    return list(found.values())


Paid = tuple[Decimal, Money]


def _money(rest: _Rest, share: Fraction, available: Decimal | None, due: Money) -> Paid:
    most = due if share >= WHOLE else min(due, _part(rest.line.net, share))
    if available is not None:
        most = min(most, _down(Fraction(available), due.currency))
    return most.amount, most


def _meter(rest: _Rest, share: Fraction, available: Decimal | None, due: Money) -> Paid:
    """Pay with units of a meter at the line's own average: its net over what was measured."""
    quantity = rest.line.quantity or ZERO
    if quantity <= 0 or rest.quantity <= 0:
        return ZERO, due - due
    usable = min(rest.quantity, _units(Fraction(quantity) * share))
    units = usable if available is None else min(usable, available)
    owed = min(rest.net, due)
    if units == rest.quantity:
        value = owed
    else:
        value = min(owed, _part(rest.line.net, Fraction(units) / Fraction(quantity)))
    return units, value


def _unit(rest: _Rest, share: Fraction, available: Decimal | None, due: Money) -> Paid:
    """Pay with custom units at what the price says one of them costs."""
    rate = rest.line.rate or ZERO
    owed = min(rest.net, due)
    if share < WHOLE:
        owed = min(owed, _part(rest.line.net, share))
    if rate <= 0:
        return ZERO, due - due
    needed = _units(Fraction(owed.amount) / Fraction(rate))
    if available is None or needed <= available:
        return needed, owed
    value = min(owed, _down(Fraction(available) * Fraction(rate), due.currency))
    return available, value


_PAYS = {"money": _money, "meter": _meter, "unit": _unit}


def _part(amount: Money, share: Fraction) -> Money:
    return Money.rounded(Fraction(amount.amount) * share, amount.currency)


def _down(amount: Fraction, currency: str) -> Money:
    unit = minor_unit(currency)
    return Money((amount // Fraction(unit)) * unit, currency)


def _units(amount: Fraction) -> Decimal:
    """Cut to the places units have, so that a grant is never charged more than was used."""
    return (amount // Fraction(PLACES)) * PLACES


def returned_units(units: Decimal, value: Decimal, before: Decimal, back: Decimal) -> Decimal:
    """Return the units that go back with a part of what they paid; the last part takes the rest.

    :param before: what went back earlier; :param back: what goes back now; all of ``value``.

    >>> returned_units(Decimal(30), Decimal(10), Decimal(0), Decimal(4))
    Decimal('12.000000000000')
    """
    return _given(units, value, before + back) - _given(units, value, before)


def _given(units: Decimal, value: Decimal, back: Decimal) -> Decimal:
    if back >= value:
        return units
    return _units(Fraction(units) * Fraction(back) / Fraction(value))


def liability(cost: Money, amount: Decimal, balance: Decimal) -> Money:
    """Return what a grant's balance still stands for in the books, at what it was sold for.

    Releases are differences of this, so that whatever the order of uses and returns, the
    liability is a function of the balance alone and ends at exactly nothing.

    >>> liability(Money(Decimal("80.00"), "USD"), Decimal(100), Decimal(25)).amount
    Decimal('20.00')
    """
    return Money.rounded(
        Fraction(cost.amount) * Fraction(balance) / Fraction(amount), cost.currency
    )


def average_shares(used: Decimal, of: Decimal) -> Fraction:
    """Return the part of what was measured that fell into a grant's time, within 0 and 1."""
    if of <= 0 or used <= 0:
        return Fraction(0)
    return min(WHOLE, Fraction(used) / Fraction(of))
