"""When customers are told that a contract renews. Pure."""

from collections.abc import Collection
from datetime import date, timedelta

# days before the last day on which it can be ended
NOTICES = {"first": 30, "last": 7}


def notice_due(decide_by: date, today: date, sent: Collection[str]) -> str | None:
    """Return the notice that is due and was not sent; the later one stands for the earlier.

    Nothing is due once the contract cannot be ended any more.

    >>> notice_due(date(2027, 3, 31), date(2027, 3, 1), [])
    'first'
    >>> notice_due(date(2027, 3, 31), date(2027, 3, 1), ["first"])
    >>> notice_due(date(2027, 3, 31), date(2027, 3, 30), [])
    'last'
    """
    if today > decide_by:
        return None
    due = [kind for kind, days in NOTICES.items() if today >= decide_by - timedelta(days=days)]
    if not due or due[-1] in sent:
        return None
    return due[-1]
