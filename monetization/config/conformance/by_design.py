"""Where we differ on purpose, as rules over cases, each with the decision behind it."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from monetization.config.conformance.registry import number, without_nothing

Case = Mapping[str, Any]
Rule = tuple[str, Callable[[Case], bool], str]


def _has_part_of_a_cent(given: Case) -> bool:
    """Say whether a percentage coupon takes a fraction of the smallest unit off."""
    left = Fraction(number(given["subtotal"])) * 10 ** int(given.get("scale", 2))
    for coupon in given.get("coupons", ()):
        off = Fraction(number(coupon.get("pct"), "0")) * left / 100
        if off.denominator != 1:
            return True
        left -= off
    return False


def _notes(given: Case) -> Any:
    return given.get("credit_notes") or ()


def _has_residue_between(given: Case) -> bool:
    """Say whether months prorated at both ends leave cents that do not divide between them."""
    return "prorat" in str(given.get("method"))


RULES: tuple[Rule, ...] = (
    (
        "proration.billing_cycles",
        lambda given: int(given["billing_cycle_day"]) > 28,
        "period n is the anchor plus n months, clamped to the month's end, never the previous "
        "boundary plus one month (decisions: Time and proration)",
    ),
    (
        "discount.stack",
        _has_part_of_a_cent,
        "rounded once, half away from zero, not cut per coupon (decisions: Rounding)",
    ),
    (
        "revrec.ratable",
        _has_residue_between,
        "what is left goes to the largest remainders, not all to the last month between "
        "(decisions: Rounding)",
    ),
    (
        "revrec.invoice_journal",
        lambda given: any(Fraction(number(note.get("refund"), "0")) for note in _notes(given)),
        "a credit note lowers revenue itself: what was earned of it is caught up, and no contra "
        "account is kept (decisions: Revenue)",
    ),
)


def reason_for(case: Mapping[str, Any]) -> str | None:
    """Return why a case that differs does so on purpose, or None if it should agree."""
    given = without_nothing(case["input"])
    for kind, applies, reason in RULES:
        if case["kind"] == kind and applies(given):
            return reason
    return None
