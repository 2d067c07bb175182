"""Break the pure core on purpose, one small change at a time, and see whether a test notices.

    python -m tests.mutation --sample 60                       the pricing core
    python -m tests.mutation monetization/pricing/rating.py    every mutant of one module

A change nobody notices is printed: read it, and write the test or say why it changes nothing.
Changes are made in memory, in a process of their own each, and only inside functions; no file is
touched and no database is needed.
"""

import argparse
import ast
import gc
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = (
    "monetization/kernel/money.py",
    *(f"monetization/pricing/{name}.py" for name in (
        "accumulation", "arithmetic", "changes", "modifiers", "proration", "quantities",
        "rating", "rating_events", "recurrence", "seats", "timeline",
    )),
    "monetization/pricing/estimate/computing.py",
    "monetization/pricing/estimate/lines.py",
)  # fmt: skip
# Those that decide most come first: most mutants die in the first seconds.
SUITES = (
    (
        "tests/unit/pricing/test_exactness.py",
        "tests/unit/pricing/test_edges.py",
        "tests/unit/pricing/test_documented_examples.py",
        "tests/unit/pricing/test_rhythms_and_zones.py",
        "tests/unit/pricing/test_estimate.py",
        "tests/unit/pricing/test_contract_modifiers.py",
    ),
    (
        "tests/properties/test_pricing_models.py",
        "tests/properties/test_rating.py",
        "tests/properties/test_money.py",
        "tests/properties/test_pricing_time.py",
        "tests/properties/test_contracts.py",
    ),
)
_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider")
TIMEOUT = 300  # seconds; a mutant that never ends is noticed too

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
    "started": "filled",
    "filled": "started",
}


class Site:
    """A place of a module, and a small change there."""

    def __init__(self, module: str, number: int, node: ast.AST, change: Callable[[], None]) -> None:
        self.module, self.number, self.node, self.change = module, number, node, change
        self.before = ast.unparse(node)


def sites(module: str, tree: ast.Module) -> list[Site]:
    """List the changes of a module, in the order of its source."""
    found: list[Site] = []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    seen: set[int] = set()
    for function in functions:
        for node in (node for line in function.body for node in ast.walk(line)):
            if id(node) not in seen:
                seen.add(id(node))
                for change in _changes(node):
                    found.append(Site(module, len(found), node, change))
    return found


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
        case ast.Return(value=value) if value is not None:
            yield put("value", ast.Constant(None))


def is_noticed(module: str, tree: ast.Module) -> bool:
    """Say whether a test fails once the functions of a module run the changed source."""
    child = os.fork()
    if not child:
        signal.alarm(TIMEOUT)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        replace_code(sys.modules[module.removesuffix(".py").replace("/", ".")], tree)
        failed = any(pytest.main([*_OPTIONS, *suite]) for suite in SUITES)
        os._exit(int(failed))
    _, status = os.waitpid(child, 0)
    return status != 0


def replace_code(module: ModuleType, tree: ast.Module) -> None:
    """Give every function of a loaded module the code of another version of its source.

    They keep their identity, so whoever imported one of them runs the new code.
    """
    changed = {
        (code.co_qualname, code.co_firstlineno): code
        for code in _codes(compile(tree, str(module.__file__), "exec"))
    }
    for known in gc.get_objects():
        if isinstance(known, FunctionType) and known.__globals__ is module.__dict__:
            code = known.__code__
            known.__code__ = changed.get((code.co_qualname, code.co_firstlineno), code)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def main() -> int:
    """Run; exit status 1 if 15 % or more of the mutants live."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("modules", nargs="*", default=list(MODULES))
    parser.add_argument("--sample", type=int, help="as many mutants, drawn evenly; default all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    collected = pytest.main([*_OPTIONS, "--collect-only", *(name for s in SUITES for name in s)])
    if collected or is_noticed(options.modules[0], _parsed(options.modules[0])):
        _say("The tests fail without any change; repair them first.")
        return 2
    return _run(options.modules, options.sample, options.seed)


def _parsed(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text("utf-8"))


def _run(modules: list[str], sample: int | None, seed: int) -> int:
    places = [(name, site.number) for name in modules for site in sites(name, _parsed(name))]
    total = len(places)
    if sample is not None and sample < total:
        places = random.Random(seed).sample(places, sample)  # noqa: S311 -- which, not whether
    alive = 0
    for done, (module, number) in enumerate(places, start=1):
        tree = _parsed(module)
        site = sites(module, tree)[number]
        site.change()
        if not is_noticed(module, ast.fix_missing_locations(tree)):
            alive += 1
            line = getattr(site.node, "lineno", 0)
            _say(f"alive: {module}:{line}: {site.before} -> {ast.unparse(site.node)}")
        _say(f"{done} of {len(places)} ({total} in all), {alive} alive")
    return int(alive * 100 >= len(places) * 15)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
