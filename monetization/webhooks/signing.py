"""What a receiver checks: who sent a body, and when. Pure."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

HEADER = "Throughline-Signature"
PREFIX = "whsec_"


def new_secret() -> str:
    return f"{PREFIX}{secrets.token_urlsafe(32)}"


def signature(keys: Sequence[str], timestamp: int, body: bytes) -> str:
    """Return the header: the moment, and a signature for each key.

    Signed is ``<timestamp>.<body>`` with HMAC-SHA256, as hexadecimal digits. While a secret is
    being replaced there are two; a receiver accepts either.

    >>> signature(["whsec_test"], 1767225600, b"{}")[:30]
    't=1767225600,v1=4a942ef9477fb7'
    """
    signed = f"{timestamp}.".encode() + body
    parts = [f"v1={hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()}" for key in keys]
    return ",".join([f"t={timestamp}", *parts])
