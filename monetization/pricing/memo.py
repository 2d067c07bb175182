"""Remember what was computed from an immutable value, by the value's identity."""

from collections.abc import Callable
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")
_MOST = 4096  # values remembered; then it starts again


def by_identity(function: Callable[[Argument], Result]) -> Callable[[Argument], Result]:
    """Compute a pure function of one immutable argument once per object.

    A price is rated thousands of times in a run; hashing its tiers would take longer than
    rating them. The argument is kept with the result, so that its identity stays its own.
    """
    known: dict[int, tuple[Argument, Result]] = {}

    def remembered(argument: Argument) -> Result:
        entry = known.get(id(argument))
        if entry is not None:
            return entry[1]
        if len(known) >= _MOST:
            known.clear()
        result = function(argument)
        known[id(argument)] = (argument, result)
        return result

    return remembered
