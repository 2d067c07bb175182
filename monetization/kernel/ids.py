"""Time-ordered identifiers."""

import os
import threading
import time
from struct import Struct
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """Return a UUID of version 7: milliseconds first, so that new keys sit together in an index.

    Strictly increasing within a process: ids made in the same millisecond count up.
    Source: RFC 9562, sections 5.7 and 6.2 (method 1: the 12 bits after the time count).
    """
    global _last
    with _lock:
        stamp = max((time.time_ns() // 1_000_000) << 12, _last + 1)
        _last = stamp
    milliseconds, counter = stamp >> 12, stamp & 0xFFF
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | tail)


def uuid7_block(count: int) -> list[bytes]:
    """Return so many ids of ``uuid7`` as 16 bytes each, in order; for rows written in bulk."""
    global _last
    with _lock:
        first = max((time.time_ns() // 1_000_000) << 12, _last + 1)
        _last = first + count - 1
    tails = int.from_bytes(os.urandom(8 * count), "big")
    tails &= int.from_bytes(b"\x3f\xff\xff\xff\xff\xff\xff\xff" * count, "big")
    tails |= int.from_bytes(b"\x80\x00\x00\x00\x00\x00\x00\x00" * count, "big")
    right = tails.to_bytes(8 * count, "big")
    left = Struct(f">{count}Q").pack(
        *[((n >> 12) << 16) | 0x7000 | (n & 0xFFF) for n in range(first, first + count)]
    )
    return [left[at : at + 8] + right[at : at + 8] for at in range(0, 8 * count, 8)]


def uuid7s(count: int) -> list[UUID]:
    """Return so many ids of ``uuid7``, in order, at half the cost."""
    return [UUID(bytes=each) for each in uuid7_block(count)]
