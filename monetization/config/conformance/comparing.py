"""Whether what the engine says is what a case expects."""

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.kernel.money import Money
from monetization.pricing.quantities import round_units

_ROUNDED = re.compile(r"(?P<name>.+?)(?P<up>_ceil)?_(?P<places>\d+)dp")


def differences(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Return what differs, in words; empty if everything expected is there and equal."""
    found = []
    for name, wanted in expected.items():
        match = _ROUNDED.fullmatch(name)
        plain_name = match["name"] if match else name
        if plain_name not in actual:
            found.append(f"{name}: the engine gives none")
            continue
        rounding = ("up" if match["up"] else "half_up", int(match["places"])) if match else None
        found.extend(_compare(name, actual[plain_name], wanted, rounding))
    return found


def _compare(path: str, actual: Any, wanted: Any, rounding: tuple[str, int] | None) -> list[str]:
    if isinstance(wanted, Mapping):
        return _compare_mappings(path, actual, wanted, rounding)
    if isinstance(wanted, (list, tuple)):
        if not isinstance(actual, (list, tuple)) or len(actual) != len(wanted):
            return [f"{path}: {_text(actual)} instead of {_text(wanted)}"]
        return [
            difference
            for place, (one, other) in enumerate(zip(actual, wanted, strict=True))
            for difference in _compare(f"{path}[{place}]", one, other, rounding)
        ]
    return (
        [] if _equal(actual, wanted, rounding) else [f"{path}: {_text(actual)} instead of {wanted}"]
    )


def _compare_mappings(
    path: str, actual: Any, wanted: Mapping[str, Any], rounding: tuple[str, int] | None
) -> list[str]:
    if not isinstance(actual, Mapping):
        return [f"{path}: {_text(actual)} instead of {_text(wanted)}"]
    found = [
        f"{path}.{name}: {_text(value)} is not expected"
        for name, value in actual.items()
        if name not in wanted and _number(value) != 0
    ]
    for name, value in wanted.items():
        if name not in actual and _number(value) != 0:
            found.append(f"{path}.{name}: the engine gives none instead of {_text(value)}")
        elif name in actual:
            found.extend(_compare(f"{path}.{name}", actual[name], value, rounding))
    return found


def _equal(actual: Any, wanted: Any, rounding: tuple[str, int] | None) -> bool:
    if isinstance(wanted, bool) or isinstance(actual, bool) or wanted is None:
        return actual is wanted
    one, other = _number(actual), _number(wanted)
    if one is None or other is None:
        return str(actual) == str(wanted)
    if rounding is not None:
        one = Fraction(round_units(one, *rounding))
    return one == other


def _number(value: Any) -> Fraction | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, Money):
        return Fraction(value.amount)
    if isinstance(value, (Decimal, Fraction, int)):
        return Fraction(value)
    try:
        return Fraction(str(value).replace("-0/", "0/"))
    except (ValueError, ZeroDivisionError):
        return None


def _text(value: Any) -> str:
    if isinstance(value, Money):
        return str(value.amount)
    if isinstance(value, Fraction):
        return f"{value} ({float(value):.6f})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_text(part)}" for name, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)
