"""Draft, send, sign, decline, revise and import quotes."""

from quotes.services.common import VersionNotDraft
from quotes.services.drafting import create_quote, revise_quote, save_draft
from quotes.services.external import (
    record_external_decline,
    record_external_signature,
    record_external_view,
)
from quotes.services.importing import import_order_form
from quotes.services.sending import (
    DraftIncomplete,
    SignatureMethodUnavailable,
    expire_versions,
    make_token,
    renew_link,
    send_version,
    tenant_of_token,
)
from quotes.services.signing import (
    CONSENT,
    ConsentMissing,
    SigningLinkInvalid,
    decline_version,
    record_view,
    sign_version,
    valid_link,
)

__all__ = [
    "CONSENT",
    "ConsentMissing",
    "DraftIncomplete",
    "SignatureMethodUnavailable",
    "SigningLinkInvalid",
    "VersionNotDraft",
    "create_quote",
    "decline_version",
    "expire_versions",
    "import_order_form",
    "make_token",
    "record_external_decline",
    "record_external_signature",
    "record_external_view",
    "record_view",
    "renew_link",
    "revise_quote",
    "save_draft",
    "send_version",
    "sign_version",
    "tenant_of_token",
    "valid_link",
]
