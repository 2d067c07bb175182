"""The small changes: one comparison, operator, constant, call or result at a time."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
_CALLS = {
    "min": "max",
    "max": "min",
    "plus": "minus",
    "minus": "plus",
    "add": "less",
    "less": "add",
    "times": "plus",
    "any": "all",
    "all": "any",
    "started": "filled",
    "filled": "started",
}

_NAMED = (ast.FunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Site:
    """A place of a module, and a small change there."""

    module: str  # path from the root
    function: str
    number: int  # in the order of the module's changes
    node: ast.AST
    lines: range  # of the statement it is part of, without the body of a compound one
    before: str
    change: Callable[[], None]

    def changed(self) -> str:
        """Make the change, and say what it is."""
        self.change()
        return f"{self.before} -> {ast.unparse(self.node)}"


def parsed(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text("utf-8"))


def sites(module: str, tree: ast.Module) -> list[Site]:
    """List the changes of a module's functions, in the order of its source."""
    found: list[Site] = []
    for name, statement, node in _nodes(tree, "", None):
        for change in _changes(node):
            lines = range(statement.lineno, _last_line(statement) + 1)
            number = len(found)
            found.append(Site(module, name, number, node, lines, ast.unparse(node), change))
    return found


def _nodes(
    parent: ast.AST, name: str, statement: ast.stmt | None
) -> Iterator[tuple[str, ast.stmt, ast.AST]]:
    """Yield the nodes of functions' bodies, with the function's name and their statement."""
    rows = parent.body if isinstance(parent, _NAMED) else ast.iter_child_nodes(parent)
    for node in rows:  # arguments, decorators and annotations are no code of the function
        inside = node if isinstance(node, ast.stmt) and statement is not None else statement
        if isinstance(node, ast.ClassDef):
            yield from _nodes(node, f"{name}.{node.name}".lstrip("."), None)
        elif isinstance(node, ast.FunctionDef):
            yield from _nodes(node, f"{name}.{node.name}".lstrip("."), node)
        elif inside is not None:
            yield name, inside, node
            yield from _nodes(node, name, inside)


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _last_line(statement: ast.stmt) -> int:
    body: list[ast.stmt] = getattr(statement, "body", [])
    if body:
        return max(statement.lineno, body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def _changes(node: ast.AST) -> Iterator[Callable[[], None]]:
    def put(name: str, value: object) -> Callable[[], None]:
        return lambda: setattr(node, name, value)

    match node:
        case ast.Compare(ops=[first, *rest]) if type(first) in _COMPARISONS:
            yield put("ops", [_COMPARISONS[type(first)](), *rest])
        case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
            yield put("op", _OPERATORS[type(operator)]())
        case ast.BoolOp(op=joined):
            yield put("op", ast.Or() if isinstance(joined, ast.And) else ast.And())
        case ast.Constant(value=bool(flag)):
            yield put("value", not flag)
        case ast.Constant(value=int(number)):
            yield put("value", number + 1)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            yield put("func", ast.Name(_CALLS[name], ast.Load()))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield put("operand", ast.UnaryOp(ast.Not(), operand))
        case ast.IfExp(test=test):
            yield put("test", ast.UnaryOp(ast.Not(), test))
        case ast.Return(value=value) if not _is_none(value):
            yield put("value", ast.Constant(None))
