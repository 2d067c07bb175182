"""Draft, approve, send, sign, decline, revise and import quotes."""

from quotes.services.common import VersionNotDraft
from quotes.services.drafting import create_quote, revise_quote, save_draft
from quotes.services.external import (
    ExternalSignature,
    record_external_decline,
    record_external_progress,
    record_external_signature,
)
from quotes.services.importing import import_order_form
from quotes.services.links import (
    SignatureMethodUnavailable,
    SignerNotAsked,
    SigningLinkInvalid,
    make_token,
    reassign_signer,
    remind_signer,
    remind_signers,
    renew_link,
    tenant_of_token,
    valid_link,
)
from quotes.services.sending import (
    DraftIncomplete,
    Missing,
    expire_versions,
    missing_before_sending,
    needed_before_sending,
    send_version,
)
from quotes.services.signing import (
    CONSENT,
    ConsentMissing,
    consent_of,
    decline_version,
    record_view,
    sign_version,
)

__all__ = [
    "CONSENT",
    "ConsentMissing",
    "DraftIncomplete",
    "ExternalSignature",
    "Missing",
    "SignatureMethodUnavailable",
    "SignerNotAsked",
    "SigningLinkInvalid",
    "VersionNotDraft",
    "consent_of",
    "create_quote",
    "decline_version",
    "expire_versions",
    "import_order_form",
    "make_token",
    "missing_before_sending",
    "needed_before_sending",
    "reassign_signer",
    "record_external_decline",
    "record_external_progress",
    "record_external_signature",
    "record_view",
    "remind_signer",
    "remind_signers",
    "renew_link",
    "revise_quote",
    "save_draft",
    "send_version",
    "sign_version",
    "tenant_of_token",
    "valid_link",
]
