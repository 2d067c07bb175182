"""What may become of schedules and invoices: one table each."""

from monetization.kernel.errors import Refusal


class TransitionRefused(Refusal):
    """The document is not in a state from which this can be done."""


# action -> (from states, to state)
SCHEDULE = {
    "activate": ({"draft"}, "active"),
    "wait": ({"draft"}, "pending"),
    "begin": ({"pending"}, "active"),
    "suspend": ({"active"}, "suspended"),
    "resume": ({"suspended"}, "active"),
    "complete": ({"active", "suspended"}, "completed"),
    "reopen": ({"completed"}, "active"),  # an invoice was voided; its periods are billed again
    "cancel": ({"draft", "pending", "active", "suspended"}, "cancelled"),
}
INVOICE = {
    "close_period": ({"in_progress"}, "draft"),
    "issue": ({"draft"}, "issued"),
    "void": ({"issued"}, "void"),
}


def next_state(table: dict[str, tuple[set[str], str]], state: str, action: str) -> str:
    """Return the state an action leads to.

    :raises TransitionRefused: if the action is not possible from this state.

    >>> next_state(INVOICE, "draft", "issue")
    'issued'
    """
    origins, target = table[action]
    if state not in origins:
        wanted = " or ".join(sorted(origins)).replace("_", " ")
        raise TransitionRefused(
            f"cannot {action.replace('_', ' ')}: it is {state.replace('_', ' ')}, not {wanted}"
        )
    return target
