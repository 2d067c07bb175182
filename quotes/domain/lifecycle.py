"""What may become of a quote version: one table."""

from monetization.kernel.errors import Refusal


class QuoteTransitionRefused(Refusal):
    """The version is not in a state from which this can be done."""


# action -> (from states, to state)
VERSION = {
    "request": ({"draft"}, "in_approval"),
    "approve": ({"in_approval"}, "approved"),
    "reject": ({"in_approval"}, "draft"),
    "withdraw": ({"in_approval"}, "draft"),
    "reopen": ({"approved"}, "draft"),
    "send": ({"draft", "approved"}, "sent"),
    "view": ({"sent", "viewed"}, "viewed"),
    "sign": ({"sent", "viewed", "partially_signed"}, "partially_signed"),  # others still do
    "accept": ({"sent", "viewed", "partially_signed"}, "accepted"),
    "import": ({"draft"}, "accepted"),  # signed elsewhere
    "decline": ({"sent", "viewed", "partially_signed"}, "declined"),
    "expire": ({"sent", "viewed", "partially_signed"}, "expired"),
    "supersede": (
        {
            "draft",
            "in_approval",
            "approved",
            "sent",
            "viewed",
            "partially_signed",
            "declined",
            "expired",
        },
        "superseded",
    ),
}
OPEN_FOR_SIGNING = ("sent", "viewed", "partially_signed")


def next_state(state: str, action: str) -> str:
    """Return the state an action leads to.

    :raises QuoteTransitionRefused: if the action is not possible from this state.

    >>> next_state("sent", "accept")
    'accepted'
    """
    origins, target = VERSION[action]
    if state not in origins:
        raise QuoteTransitionRefused(f"cannot {action} a version that is {state.replace('_', ' ')}")
    return target
