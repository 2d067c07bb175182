"""What is done after a commit may fail, and then the fact still stands."""

import ast
from pathlib import Path

from tests.architecture.checks import own_modules, tree_of

ROOT = Path(__file__).parents[2]


def test_a_hook_that_fails_is_never_a_partial() -> None:
    """Django names a failed robust hook by its ``__qualname__``; a partial has none, and raises."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in own_modules(ROOT)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") == "on_commit"
        and any(
            isinstance(given, ast.Call) and getattr(given.func, "id", "") == "partial"
            for given in node.args
        )
    ]
    assert found == []
