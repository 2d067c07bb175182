"""The chain that ties every signature to the one before it. Pure."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

GENESIS = "0" * 64  # stands before the first


def evidence_hash(facts: Mapping[str, object], previous_sha256: str) -> str:
    """Return the SHA-256 over a signature's facts and the hash of the one before.

    Facts are written the same way every time: names in order, instants in UTC.
    """
    text = json.dumps(
        {**facts, "previous_sha256": previous_sha256},
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
        default=_text,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value)
