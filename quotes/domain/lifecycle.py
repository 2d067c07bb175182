"""What may become of a quote version: one table."""

from monetization.kernel.errors import Refusal


class QuoteTransitionRefused(Refusal):
    """The version is not in a state from which this can be done."""


# action -> (from states, to state)
VERSION = {
    "send": ({"draft"}, "sent"),
    "view": ({"sent", "viewed"}, "viewed"),
    "accept": ({"sent", "viewed"}, "accepted"),
    "import": ({"draft"}, "accepted"),  # signed elsewhere
    "decline": ({"sent", "viewed"}, "declined"),
    "expire": ({"sent", "viewed"}, "expired"),
    "supersede": ({"draft", "sent", "viewed", "declined", "expired"}, "superseded"),
}


def next_state(state: str, action: str) -> str:
    """Return the state an action leads to.

    :raises QuoteTransitionRefused: if the action is not possible from this state.

    >>> next_state("sent", "accept")
    'accepted'
    """
    origins, target = VERSION[action]
    if state not in origins:
        raise QuoteTransitionRefused(f"cannot {action} a version that is {state}")
    return target
