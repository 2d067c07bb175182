"""Arithmetic over event properties: what an event is worth, written by a person, run safely.

Numbers, property names, ``+ - * /``, parentheses, and ``min``, ``max``, ``round``, ``ceil``,
``floor``, ``abs``, ``if(condition, then, else)`` with one comparison. Nothing is evaluated by
Python: there is no attribute, no call of anything else, no loop. Stores say the same in SQL
(``metering/stores/expression_sql.py``), from the same tree.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from metering.domain.numbers import at_twelve_places, counted_number

MAX_LENGTH = 500
MAX_DEPTH = 32
MAX_FACTORS = 40  # of one term: forty numbers of fifty digits are still cheap to multiply
LARGEST = Decimal(10) ** 38  # a value from here on is no value: sums must fit their columns
_TOKEN = re.compile(
    r"\s*(?:([0-9]+(?:\.[0-9]+)?)|([A-Za-z_][A-Za-z0-9_.]*)|(<=|>=|==|!=|[-+*/(),<>]))",
    re.ASCII,
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


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression.

    ``kind`` is ``number``, ``name``, an operator, ``negative``, ``if`` or a function; ``text`` the
    number, the name, or the comparison of an ``if``, whose parts are left, right, then, else.
    """

    kind: str
    parts: tuple["Node", ...] = ()
    text: str = ""
    above: int = 1  # factors of the longest product above, and below, the line of the fraction
    below: int = 0


Evaluate = Callable[[Mapping[str, Any]], Fraction]


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression and the properties it reads."""

    text: str
    names: tuple[str, ...]
    tree: Node
    node: Evaluate = field(repr=False)

    def value(self, data: Mapping[str, Any]) -> Fraction:
        """Return the exact value for an event.

        :raises NoValue: if a property is missing or no number, or a divisor is zero.
        """
        return self.node(data)

    def decimal(self, data: Mapping[str, Any]) -> Decimal | None:
        """Return the value as a decimal at 12 places, half away from zero; None without one."""
        try:
            value = at_twelve_places(self.value(data))
        except NoValue:
            return None
        return value if abs(value) < LARGEST else None


@lru_cache(maxsize=1000)
def parse(text: str) -> Expression:
    """Read an expression.

    :raises ExpressionError: naming the place, for anything but safe arithmetic.

    >>> parse("(bytes_in + bytes_out) / 1024").decimal({"bytes_in": "1024", "bytes_out": "512"})
    Decimal('1.500000000000')
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"expression: must have at most {MAX_LENGTH} characters")
    parser = _Parser(_tokens(text))
    tree = parser.sum(0)
    if parser.peek() is not None:
        raise ExpressionError(f"expression: {parser.peek()!r} is not expected here")
    return Expression(text, tuple(sorted(parser.names)), tree, _evaluator(tree))


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
            node = _node(operator, node, self.product(depth))
        return node

    def product(self, depth: int) -> Node:
        node = self.signed(depth)
        while operator := self.take("*", "/"):
            node = _node(operator, node, self.signed(depth))
        return node

    def signed(self, depth: int) -> Node:
        negative = False
        while sign := self.take("+", "-"):
            negative ^= sign == "-"
        node = self.atom(depth)
        return _node("negative", node) if negative else node

    def atom(self, depth: int) -> Node:
        if self.take("("):
            node = self.sum(depth + 1)
            self.expect(")")
            return node
        token = self.take()
        if token is None:
            raise ExpressionError("expression: ends too early")
        if token[0].isdigit():
            return Node("number", text=token, above=1 + len(token) // 50)
        if not (token[0].isalpha() or token[0] == "_"):
            raise ExpressionError(f"expression: {token!r} is not expected here")
        if self.take("("):
            return self.call(token, depth + 1)
        self.names.add(token)
        return Node("name", text=token)

    def call(self, name: str, depth: int) -> Node:
        if name == "if":
            return self.condition(depth)
        if name not in _FUNCTIONS:
            raise ExpressionError(f"expression: {name!r} is not a function we know")
        arguments = [self.sum(depth)]
        while self.take(","):
            arguments.append(self.sum(depth))
        self.expect(")")
        least, most, _ = _FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise ExpressionError(f"expression: {name} takes {least} to {most} values")
        return _node(name, *arguments)

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
        return _node("if", left, right, then, otherwise, text=operator)


def _node(kind: str, *parts: Node, text: str = "") -> Node:
    """Return a node over others, if its value cannot have too many digits."""
    first, second = parts[0], parts[-1]
    above, below = max(part.above for part in parts), max(part.below for part in parts)
    most = above + below if len(parts) > 1 else above  # to compare fractions, cross-multiply
    match kind:
        case "*":
            above, below = first.above + second.above, first.below + second.below
        case "/":
            above, below = first.above + second.below, first.below + second.above
        case "+" | "-":
            above = max(first.above + second.below, second.above + first.below)
            below = first.below + second.below
    if max(most, above, below) > MAX_FACTORS:
        raise ExpressionError(f"expression: multiplies more than {MAX_FACTORS} values")
    return Node(kind, parts, text, above, below)


def _evaluator(node: Node) -> Evaluate:
    if node.kind == "number":
        number = Fraction(node.text)
        return lambda data: number
    if node.kind == "name":
        return lambda data: _property(node.text, data)
    parts = [_evaluator(part) for part in node.parts]
    if node.kind == "if":
        left, right, then, otherwise = parts
        holds = _COMPARE[node.text]
        return lambda data: (then if holds(left(data), right(data)) else otherwise)(data)
    if node.kind in _FUNCTIONS:
        function = _FUNCTIONS[node.kind][2]
        return lambda data: function([part(data) for part in parts])
    return _arithmetic(node.kind, parts)


def _arithmetic(kind: str, parts: list[Evaluate]) -> Evaluate:
    first, second = parts[0], parts[-1]

    def divide(data: Mapping[str, Any]) -> Fraction:
        upper, divisor = first(data), second(data)
        if not divisor:
            raise NoValue("division by zero")
        return upper / divisor

    match kind:
        case "negative":
            return lambda data: -first(data)
        case "+":
            return lambda data: first(data) + second(data)
        case "-":
            return lambda data: first(data) - second(data)
        case "*":
            return lambda data: first(data) * second(data)
        case _:
            return divide


def _property(name: str, data: Mapping[str, Any]) -> Fraction:
    number = counted_number(data.get(name))
    if number is None:
        raise NoValue(f"{name}: is missing or not a number")
    return Fraction(number)


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
