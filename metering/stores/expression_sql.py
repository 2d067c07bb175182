"""Expressions as SQL, from the tree that Python evaluates: the same exact value, or none.

Without a division all is plain numeric, which adds and multiplies exactly. Where something is
divided a value is a pair of numbers, above and below the line, and divided only when it is
rounded; the functions on such pairs (``usage_ratio_…``) come with the migrations.
"""

from collections.abc import Sequence
from functools import lru_cache

from metering.domain.expressions import Node, parse

_OPERATIONS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
_STEPS = {"round": "round({}, 0)", "ceil": "ceil({})", "floor": "floor({})", "abs": "abs({})"}
_RATIO_STEPS = {
    "round": "usage_ratio_round({}, 0)",
    "ceil": "(- usage_ratio_floor(usage_ratio_negative({})))",
    "floor": "usage_ratio_floor({})",
    "abs": "usage_ratio_absolute({})",
}
_WHOLE = frozenset({"round", "ceil", "floor"})  # of a pair they make a plain number
_COMPARE = {"==": "=", "!=": "<>"}


@lru_cache(maxsize=1000)
def expression_sql(text: str) -> str:
    """Return SQL of an expression over events ``e``, at 12 places; null where it has no value.

    It takes no parameters: an expression holds digits, and names of letters and digits, only.
    """
    tree = parse(text).tree
    if _is_ratio(tree):
        return f"usage_value(usage_ratio_round({_sql(tree)}, 12))"
    return f"usage_value(round({_sql(tree)}, 12))"


def _is_ratio(node: Node) -> bool:
    """Say whether SQL of a node is a pair."""
    if node.kind == "/":
        return True
    if node.kind in _WHOLE:
        return False
    parts = node.parts[2:] if node.kind == "if" else node.parts
    return any(map(_is_ratio, parts))


def _as(node: Node, *, ratio: bool) -> str:
    sql = _sql(node)
    return f"ARRAY[{sql}, 1::numeric]" if ratio and not _is_ratio(node) else sql


def _sql(node: Node) -> str:
    ratio = _is_ratio(node)
    match node.kind:
        case "number":
            return f"{node.text}::numeric"
        case "name":
            return f"usage_number(e.data, '{node.text}')"
        case "negative":
            sql = _sql(node.parts[0])
            return f"usage_ratio_negative({sql})" if ratio else f"(- {sql})"
        case "if":
            return _condition(node, ratio=ratio)
        case "min" | "max":
            return _extreme(node.kind, [_as(part, ratio=ratio) for part in node.parts], ratio=ratio)
        case "+" | "-" | "*" | "/":
            left, right = (_as(part, ratio=ratio) for part in node.parts)
            if ratio:
                return f"usage_ratio_{_OPERATIONS[node.kind]}({left}, {right})"
            return f"({left} {node.kind} {right})"
    inner = node.parts[0]
    steps = _RATIO_STEPS if _is_ratio(inner) else _STEPS
    return steps[node.kind].format(_sql(inner))


def _extreme(kind: str, values: Sequence[str], *, ratio: bool) -> str:
    function = f"usage_{'ratio_' if ratio else ''}{'least' if kind == 'min' else 'greatest'}"
    found = values[0]
    for value in values[1:]:
        found = f"{function}({found}, {value})"
    return found


def _condition(node: Node, *, ratio: bool) -> str:
    """Return a case over one condition: where that is null, so is the value."""
    left, right, then, otherwise = node.parts
    apart = _is_ratio(left) or _is_ratio(right)
    compare = _COMPARE.get(node.text, node.text)
    sides = [_as(side, ratio=apart) for side in (left, right)]
    if apart:
        holds = f"(usage_ratio_compare({sides[0]}, {sides[1]}) {compare} 0)"
    else:
        holds = f"({sides[0]} {compare} {sides[1]})"
    values = [_as(part, ratio=ratio) for part in (then, otherwise)]
    return f"(CASE {holds} WHEN true THEN {values[0]} WHEN false THEN {values[1]} END)"
