"""What to do next about an invoice that is due soon, or late. Pure."""

from collections.abc import Collection, Sequence
from datetime import date

from monetization.kernel.errors import Refusal

EARLIEST, LATEST, MOST_STEPS = -60, 365, 12


class StepsInvalid(Refusal):
    """The days of a reminder plan make no sense; the message names the field."""


def read_steps(days: Sequence[int]) -> tuple[int, ...]:
    """Return the steps of a plan in order, each once.

    :param days: from the due date, negative before it.
    :raises StepsInvalid: for a day that nobody reminds at, or too many of them.

    >>> read_steps([14, -3, 14])
    (-3, 14)
    """
    for day in days:
        if isinstance(day, bool) or not isinstance(day, int) or not EARLIEST <= day <= LATEST:
            raise StepsInvalid(
                f"days: must be whole days from {EARLIEST} (before it is due) to {LATEST}"
            )
    steps = tuple(sorted(set(days)))
    if len(steps) > MOST_STEPS:
        raise StepsInvalid(f"days: at most {MOST_STEPS} reminders")
    return steps


def due_step(
    steps: Sequence[int], *, due_on: date, today: date, sent: Collection[int]
) -> int | None:
    """Return the reminder that is due now: the latest step reached, unless it or a later one went.

    Steps that were missed, because the plan is new or nothing ran, are not made up for: nobody
    gets three reminders on one day.

    >>> due_step((-3, 7, 14), due_on=date(2026, 3, 1), today=date(2026, 3, 9), sent=[-3])
    7
    """
    reached = [step for step in steps if (today - due_on).days >= step]
    if not reached:
        return None
    latest = max(reached)
    return None if any(step >= latest for step in sent) else latest
