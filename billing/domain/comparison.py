"""One invoice beside the one before it: what changed, by how much, and why. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from billing.domain.assertions import RHYTHM_DAYS
from billing.domain.tax import without_tax
from monetization.kernel.money import Money
from monetization.pricing.estimate import rerate

LABELS = {
    "usage": "Usage",
    "late": "Late usage",
    "quantity": "Seats",
    "price": "Price",
    "tier": "Tier",
    "phase": "Phase or ramp",
    "discount": "Discount",
    "minimum": "Minimum",
    "credit": "Credits",
    "billed": "Billed before",
    "fx": "Exchange rate",
    "period": "Part of a period",
    "rhythm": "Billing rhythm",
    "new": "New",
    "ended": "Ended",
    "one_off": "One-off",
    "manual": "Manual",
    "tax": "Tax",
}


# What the contract agreed beforehand explains itself; so does tax, which follows the lines.
EXPECTED = frozenset(
    {"phase", "minimum", "period", "rhythm", "one_off", "new", "ended", "credit", "billed", "tax"}
)


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """What of an invoice line decides why it differs from last time's."""

    item_key: str
    description: str
    service_start: date
    service_end: date  # exclusive
    quantity: Decimal | None
    amount: Decimal
    tax: Decimal
    explanation: Any
    phase: str = ""  # key of the contract's phase
    is_manual: bool = False

    @property
    def days(self) -> int:
        return (self.service_end - self.service_start).days


@dataclass(frozen=True, slots=True)
class Difference:
    """One contract line then and now. Causes are keys of ``LABELS``.

    ``parts`` are the causes with what each moved; they add up to the change.
    """

    item_key: str
    description: str
    before: Decimal
    after: Decimal
    cause: str  # what moved most
    parts: tuple[tuple[str, Decimal], ...] = ()

    @property
    def change(self) -> Decimal:
        return self.after - self.before

    @property
    def labelled(self) -> tuple[tuple[str, Decimal], ...]:
        """Return the parts with their causes as people read them."""
        return tuple((LABELS[cause], amount) for cause, amount in self.parts)

    @property
    def label(self) -> str:
        return LABELS[self.cause]


def differences(
    before: Sequence[ComparedLine],
    after: Sequence[ComparedLine],
    currency: str = "",
    *,
    taxes: tuple[Decimal, Decimal] | None = None,
) -> tuple[Difference, ...]:
    """Compare two invoices by contract line, largest change first; equal lines drop out.

    The changes add up to the difference of the totals: tax is a line of its own.

    :param currency: of both; needed to split a change that has several causes.
    :param taxes: of all lines before and after, where those of equal contract lines are left out.
    """
    keys = dict.fromkeys([line.item_key for line in (*after, *before)])
    found = []
    for key in keys:
        old = [line for line in before if line.item_key == key]
        new = [line for line in after if line.item_key == key]
        was, now = _sum(old), _sum(new)
        if was != now:
            shown = (new or old)[0]
            parts = _parts(old, new, now - was, currency)
            cause = max(parts, key=lambda part: abs(part[1]))[0]
            found.append(Difference(key, shown.description, was, now, cause, parts))
    taxed_before, taxed_after = taxes or (
        sum((line.tax for line in lines), start=Decimal(0)) for lines in (before, after)
    )
    if taxed_before != taxed_after:
        parts = (("tax", taxed_after - taxed_before),)
        found.append(Difference("", "Tax", taxed_before, taxed_after, "tax", parts))
    return tuple(sorted(found, key=lambda each: -abs(each.change)))


def by_cause(found: Iterable[Difference]) -> dict[str, Decimal]:
    """Sum what each cause moved, in the order of ``LABELS``; the sums add up to the change."""
    moved: dict[str, Decimal] = {}
    for each in found:
        for cause, amount in each.parts:
            moved[cause] = moved.get(cause, Decimal(0)) + amount
    return {cause: moved[cause] for cause in LABELS if moved.get(cause)}


def main_cause(found: Sequence[Difference]) -> str:
    """Name the cause that moved most money, tax aside; empty if nothing changed."""
    moved = by_cause(found)
    if len(moved) > 1:
        moved.pop("tax", None)
    return max(moved, key=lambda cause: abs(moved[cause])) if moved else ""


def unexplained(moved: Mapping[str, Decimal], note: str = "") -> Decimal:
    """Return how much moved that neither the contract nor a note explains, whatever its sign.

    Ups and downs do not cancel out: half the seats and twice the usage are worth a look.
    """
    if note:
        return Decimal(0)
    return sum(
        (abs(amount) for cause, amount in moved.items() if cause not in EXPECTED),
        start=Decimal(0),
    )


def _sum(lines: Sequence[ComparedLine]) -> Decimal:
    return sum((line.amount for line in lines), start=Decimal(0))


_KINDS = ("minimum", "credit", "late", "billed")  # of lines that are their own cause


def _cause(old: Sequence[ComparedLine], new: Sequence[ComparedLine]) -> str:
    if not old or not new:
        only = (old or new)[0]
        if only.is_manual:
            return "manual"
        if only.explanation.get("kind") in _KINDS:
            return str(only.explanation["kind"])
        if only.days > RHYTHM_DAYS:
            return "rhythm"
        if only.days == 1:
            return "one_off"
        return "new" if new else "ended"
    was, now = old[-1].explanation, new[-1].explanation
    if now.get("kind") in _KINDS:
        return str(now["kind"])
    if new[-1].is_manual:
        return "manual"
    if was.get("model") != now.get("model"):
        return "price"
    if was.get("discounts") != now.get("discounts"):
        return "discount"
    if now.get("is_usage"):
        return "usage"
    if len(old) != len(new) or was.get("factor") != now.get("factor"):
        return "period"
    return "quantity" if was.get("quantity") != now.get("quantity") else "price"


def _parts(
    old: Sequence[ComparedLine], new: Sequence[ComparedLine], change: Decimal, currency: str
) -> tuple[tuple[str, Decimal], ...]:
    """Split the change of one contract line by cause, exactly."""
    cause = _cause(old, new)
    if len(old) == len(new) == 1 and currency:
        was, now = old[0].explanation, new[0].explanation
        if was.get("kind") == now.get("kind") == "item" and _same_rhythm(old[0], new[0]):
            return _steps(old[0], new[0], currency)
    if cause == "period" and {line.phase for line in old} != {line.phase for line in new}:
        cause = "phase"
    return ((cause, change),)


def _same_rhythm(old: ComparedLine, new: ComparedLine) -> bool:
    return (old.days > RHYTHM_DAYS) == (new.days > RHYTHM_DAYS)


_UNITS = ("quantity", "measured", "parts", "balances")
_SPAN = ("factor", "service", "full")
# What steps stand for, and what comes of them.
_DECIDED = frozenset(
    (*_UNITS, *_SPAN, "before", "included", "model", "conversion", "pricing_unit", "discounts",
     "caps", "steps", "exact", "amount")
)  # fmt: skip


def _steps(old: ComparedLine, new: ComparedLine, currency: str) -> tuple[tuple[str, Decimal], ...]:
    """Turn the inputs of the old line into those of the new one by one, and price every step.

    The last step takes what no named input explains, so that the parts add up to the change.
    """
    was, now = old.explanation, new.explanation
    is_usage, is_next_phase = bool(now.get("is_usage")), old.phase != new.phase
    agreed = "phase" if is_next_phase else ""
    has_balances = "balances" in was or "balances" in now  # by date: they go with the service
    units = (*_UNITS, *_SPAN) if has_balances else _UNITS
    inputs: tuple[tuple[tuple[str, ...], str], ...] = (
        (units, "usage" if is_usage else agreed or "quantity"),
        (("before",), "tier"),
        (_SPAN, "period"),
        (("included",), agreed or "discount"),
        (("model", "conversion"), agreed or "price"),
        (("pricing_unit",), agreed or "fx"),
        (("discounts",), agreed or "discount"),
        (("caps",), agreed or "minimum"),
    )
    differing = {name for name in {*was, *now} if was.get(name) != now.get(name)}
    steps = [(names, cause) for names, cause in inputs if not differing.isdisjoint(names)]
    if has_balances or "factor" not in differing:
        # Either went with the units, or other days of the same part of a period price nothing.
        steps = [step for step in steps if step[0] is not _SPAN]
    moved: dict[str, Decimal] = {}
    mixed, amount = dict(was), old.amount
    for number, (names, cause) in enumerate(steps, start=1):
        mixed = {name: value for name, value in mixed.items() if name not in names}
        mixed |= {name: now[name] for name in names if name in now}
        # Where all that decides an amount is among the steps, the last of them gives the new one.
        is_known = number == len(steps) and differing <= _DECIDED
        after = new.amount if is_known else _priced(mixed, currency)
        if after is None:
            break
        step = after - amount
        if names is units and is_usage:
            volume = _at_old_average(old, new, currency, step)
            moved["tier"], step = step - volume, volume
        moved[cause] = moved.get(cause, Decimal(0)) + step
        amount = after
    rest = new.amount - amount
    if rest:
        moved[agreed or "price"] = moved.get(agreed or "price", Decimal(0)) + rest
    return tuple((cause, moved[cause]) for cause in LABELS if moved.get(cause))


def _priced(explanation: Mapping[str, Any], currency: str) -> Decimal | None:
    """Price mixed inputs; nothing where they do not fit together."""
    try:
        priced = rerate({**explanation, "currency": currency})
        return without_tax(explanation, priced).amount
    except (ValueError, KeyError, TypeError, ArithmeticError):
        return None


def _at_old_average(old: ComparedLine, new: ComparedLine, currency: str, step: Decimal) -> Decimal:
    """Return what the additional units cost at the average price of the units before.

    From nothing there is no average, and no tier to leave: all of the step is volume.
    """
    if not old.quantity or new.quantity is None:
        return step
    share = Fraction(new.quantity - old.quantity) / Fraction(old.quantity)
    return Money.rounded(Fraction(old.amount) * share, currency).amount
