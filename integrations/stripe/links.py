"""Addresses at which customers pay: ids with 128 bits of proof that we wrote them.

Nothing is stored, so an address works as long as its invoice is open and the key is the same.
"""

import base64
import binascii
import hmac
from hashlib import sha256
from uuid import UUID

from django.conf import settings

from billing.models import Invoice
from integrations.stripe import connecting

_LENGTH = 16


def token_of(tenant_id: UUID, invoice_id: UUID) -> str:
    """Return the secret of an invoice's payment page."""
    ids = tenant_id.bytes + invoice_id.bytes
    return base64.urlsafe_b64encode(ids + _proof(ids)).decode().rstrip("=")


def read_token(token: str) -> tuple[UUID, UUID] | None:
    """Return the tenant and the invoice a secret is of; None if we did not write it."""
    try:
        raw = base64.b64decode(f"{token}{'=' * (-len(token) % 4)}", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    ids, proof = raw[:32], raw[32:]
    if len(ids) != 32 or not hmac.compare_digest(proof, _proof(ids)):
        return None
    return UUID(bytes=ids[:16]), UUID(bytes=ids[16:])


def page_of(invoice: Invoice) -> str:
    """Return where an issued invoice is paid online."""
    return f"{settings.PUBLIC_BASE_URL}/pay/{token_of(UUID(str(invoice.tenant_id)), invoice.id)}"


def link_if_connected(invoice: Invoice) -> str:
    """Return the same where the tenant takes payments online; else nothing."""
    return page_of(invoice) if connecting.is_connected() else ""


def _proof(ids: bytes) -> bytes:
    key = f"invoice-payment/{settings.SECRET_KEY}".encode()
    return hmac.new(key, ids, sha256).digest()[:_LENGTH]
