"""The order of a long view, settled once for as long as somebody scrolls through it."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any
from uuid import UUID

MOST = 16  # orders a process keeps; of 100,000 rows each takes 1.6 MB
SECONDS = 120
BYTES = 16  # of an id

_kept: OrderedDict[tuple[Any, ...], tuple[float, bytes]] = OrderedDict()
_lock = Lock()


def stretch_of(
    key: tuple[Any, ...], order_of: Callable[[], bytes], start: int, stop: int
) -> Sequence[UUID]:
    """Return a stretch of ids in their order, which is read once and kept for a while.

    Sorting a long view for every stretch of it would take longer than all else; and rows would
    move under the reader when others change them.

    :param order_of: reads the ids, ``BYTES`` each.
    :param key: says whose order it is, of which view, since when.
    """
    with _lock:
        until, order = _kept.pop(key, (0.0, b""))
    if time.monotonic() >= until:
        until, order = time.monotonic() + SECONDS, order_of()
    with _lock:
        _kept[key] = (until, order)
        while len(_kept) > MOST:
            _kept.popitem(last=False)
    return [
        UUID(bytes=order[place : place + BYTES])
        for place in range(start * BYTES, min(stop * BYTES, len(order)), BYTES)
    ]
