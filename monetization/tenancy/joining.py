"""Steps of a use case share its transaction."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connection, transaction

P = ParamSpec("P")
R = TypeVar("R")


def joined(step: Callable[P, R]) -> Callable[P, R]:
    """Run a step in the transaction there is; in one of its own if there is none.

    Inside a transaction ``transaction.atomic`` costs two statements, for a savepoint nobody goes
    back to. For steps that refuse before they write: who catches another error of theirs and goes
    on has a savepoint of their own.
    """

    @wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            return step(*args, **kwargs)
        with transaction.atomic():
            return step(*args, **kwargs)

    return run
