"""Write down what proves a signature, chained to the one before."""

from datetime import datetime

from django.db import connection

from monetization.tenancy.context import current_tenant_id
from quotes.domain.evidence import GENESIS, evidence_hash
from quotes.models import QuoteVersion, SignatureEvidence

FACTS = (
    "sequence",
    "kind",
    "version_id",
    "position",
    "side",
    "name",
    "email",
    "title",
    "consent_text",
    "ip_address",
    "user_agent",
    "has_email_code",
    "signed_at",
    "document_sha256",
    "terms_sha256",
)


def facts_of(row: SignatureEvidence) -> dict[str, object]:
    """Return what the hash of a row covers, by name."""
    return {name: getattr(row, name) for name in FACTS}


def append_evidence(
    *,
    version: QuoteVersion,
    position: int,
    side: str,
    name: str,
    email: str,
    consent_text: str,
    signed_at: datetime,
    kind: str = SignatureEvidence.Kind.SIGNED,
    title: str = "",
    ip_address: str | None = None,
    user_agent: str = "",
    has_email_code: bool = False,
) -> SignatureEvidence:
    """Add a signature to the end of the tenant's chain; call it inside the transaction of it."""
    with connection.cursor() as cursor:  # one after the other: each names the one before
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext('signature evidence'), hashtext(%s))",
            [str(current_tenant_id())],
        )
    last = SignatureEvidence.objects.order_by("-sequence").first()
    row = SignatureEvidence(
        sequence=last.sequence + 1 if last else 1,
        kind=kind,
        version=version,
        position=position,
        side=side,
        name=name.strip()[:200],
        email=email,
        title=title.strip()[:120],
        consent_text=consent_text,
        ip_address=ip_address,
        user_agent=user_agent[:500],
        has_email_code=has_email_code,
        signed_at=signed_at,
        document_sha256=version.document_sha256,
        terms_sha256=version.terms_sha256,
        previous_sha256=last.sha256 if last else GENESIS,
    )
    row.sha256 = evidence_hash(facts_of(row), row.previous_sha256)
    row.save(force_insert=True)
    return row
