"""Arithmetic over event properties: what an event is worth, written by a person, run safely.

Numbers, property names, ``+ - * /``, parentheses, and ``min``, ``max``, ``round``, ``ceil``,
``floor``, ``abs``, ``if(condition, then, else)`` with one comparison. Nothing is evaluated by
Python: there is no attribute, no call of anything else, no loop.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from monetization.kernel.decimals import NotExact, exact_decimal

MAX_LENGTH = 500
MAX_DEPTH = 32
MAX_DIGITS = 400
_TOKEN = re.compile(
    r"\s*(?:([0-9]+(?:\.[0-9]+)?)|([A-Za-z_][A-Za-z0-9_.]*)|(<=|>=|==|!=|[-+*/(),<>]))"
)
_COMPARE: Mapping[str, Callable[[Fraction, Fraction], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


class ExpressionError(ValueError):
    """An expression that cannot be read; the message says where."""


class NoValue(ValueError):
    """The event has no number for the expression; it does not count."""


Node = Callable[[Mapping[str, Any]], Fraction]


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression and the properties it reads."""

    text: str
    names: tuple[str, ...]
    node: Node

    def value(self, data: Mapping[str, Any]) -> Fraction:
        """Return the exact value for an event.

        :raises NoValue: if a property is missing or no number, or a divisor is zero.
        """
        return self.node(data)

    def decimal(self, data: Mapping[str, Any]) -> Decimal | None:
        """Return the value as a decimal at 12 places, half away from zero; None without one."""
        try:
            scaled = self.value(data) * 10**12
        except NoValue:
            return None
        whole = int(abs(scaled) + Fraction(1, 2))
        return Decimal(whole if scaled >= 0 else -whole).scaleb(-12)


def parse(text: str) -> Expression:
    """Read an expression.

    :raises ExpressionError: naming the place, for anything but safe arithmetic.

    >>> parse("(bytes_in + bytes_out) / 1024").decimal({"bytes_in": "1024", "bytes_out": "512"})
    Decimal('1.500000000000')
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"expression: must have at most {MAX_LENGTH} characters")
    parser = _Parser(_tokens(text))
    node = parser.sum(0)
    if parser.peek() is not None:
        raise ExpressionError(f"expression: {parser.peek()!r} is not expected here")
    return Expression(text, tuple(sorted(parser.names)), node)


def _tokens(text: str) -> list[str]:
    tokens, place = [], 0
    stripped = text.rstrip()
    while place < len(stripped):
        match = _TOKEN.match(stripped, place)
        if match is None:
            raise ExpressionError(f"expression: cannot read {stripped[place : place + 10]!r}")
        tokens.append(match.group(match.lastindex or 0))
        place = match.end()
    if not tokens:
        raise ExpressionError("expression: is empty")
    return tokens


class _Parser:
    """Recursive descent over sums, products, signs and atoms."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens, self.place = tokens, 0
        self.names: set[str] = set()

    def peek(self) -> str | None:
        return self.tokens[self.place] if self.place < len(self.tokens) else None

    def take(self, *wanted: str) -> str | None:
        token = self.peek()
        if token is None or (wanted and token not in wanted):
            return None
        self.place += 1
        return token

    def expect(self, wanted: str) -> None:
        if self.take(wanted) is None:
            raise ExpressionError(f"expression: expected {wanted!r}, found {self.peek()!r}")

    def sum(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"expression: nested deeper than {MAX_DEPTH}")
        node = self.product(depth)
        while operator := self.take("+", "-"):
            node = _binary(operator, node, self.product(depth))
        return node

    def product(self, depth: int) -> Node:
        node = self.signed(depth)
        while operator := self.take("*", "/"):
            node = _binary(operator, node, self.signed(depth))
        return node

    def signed(self, depth: int) -> Node:
        negative = False
        while sign := self.take("+", "-"):
            negative ^= sign == "-"
        node = self.atom(depth)
        return (lambda data: -node(data)) if negative else node

    def atom(self, depth: int) -> Node:
        if self.take("("):
            node = self.sum(depth + 1)
            self.expect(")")
            return node
        token = self.take()
        if token is None:
            raise ExpressionError("expression: ends too early")
        if token[0].isdigit():
            number = Fraction(token)
            return lambda data: number
        if not (token[0].isalpha() or token[0] == "_"):
            raise ExpressionError(f"expression: {token!r} is not expected here")
        if self.take("("):
            return self.call(token, depth + 1)
        self.names.add(token)
        return lambda data: _property(token, data)

    def call(self, name: str, depth: int) -> Node:
        if name == "if":
            return self.condition(depth)
        if name not in _FUNCTIONS:
            raise ExpressionError(f"expression: {name!r} is not a function we know")
        arguments = [self.sum(depth)]
        while self.take(","):
            arguments.append(self.sum(depth))
        self.expect(")")
        least, most, function = _FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise ExpressionError(f"expression: {name} takes {least} to {most} values")
        return lambda data: function([argument(data) for argument in arguments])

    def condition(self, depth: int) -> Node:
        left = self.sum(depth)
        operator = self.take(*_COMPARE)
        if operator is None:
            raise ExpressionError("expression: `if` needs a comparison first")
        right = self.sum(depth)
        self.expect(",")
        then = self.sum(depth)
        self.expect(",")
        otherwise = self.sum(depth)
        self.expect(")")
        holds = _COMPARE[operator]
        return lambda data: (then if holds(left(data), right(data)) else otherwise)(data)


def _property(name: str, data: Mapping[str, Any]) -> Fraction:
    try:
        return Fraction(exact_decimal(data.get(name)))
    except NotExact:
        raise NoValue(f"{name}: is missing or not a number") from None


def _binary(operator: str, left: Node, right: Node) -> Node:
    def divide(data: Mapping[str, Any]) -> Fraction:
        divisor = right(data)
        if not divisor:
            raise NoValue("division by zero")
        return _bounded(left(data) / divisor)

    match operator:
        case "+":
            return lambda data: left(data) + right(data)
        case "-":
            return lambda data: left(data) - right(data)
        case "*":
            return lambda data: _bounded(left(data) * right(data))
        case _:
            return divide


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_DIGITS * 4:
        raise NoValue("the value has too many digits")
    return value


def _half_up(value: Fraction) -> Fraction:
    whole = int(abs(value) + Fraction(1, 2))
    return Fraction(whole if value >= 0 else -whole)


_FUNCTIONS: Mapping[str, tuple[int, int, Callable[[list[Fraction]], Fraction]]] = {
    "min": (1, 20, min),
    "max": (1, 20, max),
    "abs": (1, 1, lambda values: abs(values[0])),
    "round": (1, 1, lambda values: _half_up(values[0])),
    "ceil": (1, 1, lambda values: Fraction(-(-values[0] // 1))),
    "floor": (1, 1, lambda values: Fraction(values[0] // 1)),
}
