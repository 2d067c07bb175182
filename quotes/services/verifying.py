"""Check everything that was signed, byte by byte, and name what was changed."""

import hashlib
from collections.abc import Iterator

from monetization.documents.models import Document
from monetization.events.models import Event
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import terms_from_data, terms_hash
from quotes.domain.evidence import GENESIS, evidence_hash
from quotes.models import OrderForm, QuoteVersion, SignatureEvidence, Signer
from quotes.services.evidence import facts_of
from quotes.services.order_forms import facts_of_signing, order_form_number


def verify_signatures() -> tuple[int, list[str]]:
    """Check the bound tenant's signatures.

    The chain shows a row that was changed, put in, moved or taken out of its middle; the order
    forms, the signers and the stream know the last ones.

    :returns: how many things were compared, and every difference in words.
    """
    rows = list(
        SignatureEvidence.objects.select_related("version__quote").order_by("sequence", "id")
    )
    found = [*_chain(rows), *_witnesses(rows)]
    count = len(rows)
    for check in (_versions, _order_forms):
        compared, differing = check(rows)
        count += compared
        found += differing
    return count, found


def _said(row: SignatureEvidence) -> str:
    version = row.version
    return f"evidence {row.sequence} ({row.email}, {version.quote.number} v{version.number})"


def _chain(rows: list[SignatureEvidence]) -> Iterator[str]:
    previous, expected = GENESIS, 1
    for row in rows:
        while expected < row.sequence:
            yield f"evidence {expected} is missing"
            expected += 1
        if evidence_hash(facts_of(row), row.previous_sha256) != row.sha256:
            yield f"{_said(row)}: what it says was changed"
        if row.previous_sha256 != previous and row.sequence == expected:
            yield f"{_said(row)}: does not follow the one before it"
        previous, expected = row.sha256, row.sequence + 1


def _witnesses(rows: list[SignatureEvidence]) -> Iterator[str]:
    """Compare with who knows of signatures beside the chain: signers and the stream."""
    signed = {(row.version_id, row.position) for row in rows}
    for signer in Signer.objects.filter(status=Signer.Status.SIGNED).select_related(
        "version__quote"
    ):
        if (signer.version_id, signer.position) not in signed:
            version = signer.version
            yield (
                f"{version.quote.number} v{version.number}: {signer.email} signed, "
                "but the evidence is missing"
            )
    hashes = {row.sha256 for row in rows}
    for event in Event.objects.filter(type="quote.signed").iterator(chunk_size=500):
        if event.data["evidence_sha256"] not in hashes:
            yield (
                f"{event.data['by']} signed on {event.occurred_at:%d %B %Y}, but no evidence has "
                f"the fingerprint {event.data['evidence_sha256'][:16]}"
            )


def _versions(rows: list[SignatureEvidence]) -> tuple[int, list[str]]:
    """Compare the documents and terms that were sent with their fingerprints and the evidence."""
    found, count = [], 0
    sent = QuoteVersion.objects.filter(document__isnull=False).select_related("quote")
    for version in sent.iterator(chunk_size=200):
        count += 1
        name = f"{version.quote.number} v{version.number}"
        found += _document(version.document_id, version.document_sha256, f"{name}: the document")
        if not _has_hash(version.terms, version.terms_sha256):
            found.append(f"{name}: the terms were changed")
    for row in rows:
        version = row.version
        if row.document_sha256 != version.document_sha256:
            found.append(f"{_said(row)}: it is about another document")
        if row.terms_sha256 != version.terms_sha256:
            found.append(f"{_said(row)}: it is about other terms")
    return count, found


def _order_forms(rows: list[SignatureEvidence]) -> tuple[int, list[str]]:
    signed: dict[object, list[SignatureEvidence]] = {}
    for row in rows:
        signed.setdefault(row.version_id, []).append(row)
    found, count = [], 0
    forms = OrderForm.objects.select_related("version__quote")
    for form in forms.iterator(chunk_size=200):
        count += 1
        found += _document(form.document_id, form.document_sha256, f"{form.number}: the document")
        if form.signed_document_id:
            expected = form.signed_document_sha256
            found += _document(form.signed_document_id, expected, f"{form.number}: the signed copy")
        if not _has_hash(form.terms, form.terms_sha256):
            found.append(f"{form.number}: the terms were changed")
        if form.terms_sha256 != form.version.terms_sha256:
            found.append(f"{form.number}: its terms are not those of its version")
        if form.document_sha256 != form.version.document_sha256:
            found.append(f"{form.number}: its document is not that of its version")
        if form.number != order_form_number(form.version):
            found.append(f"{form.number}: is {order_form_number(form.version)}")
        found += _signers(form, signed.get(form.version_id, []))
    return count, found


def _signers(form: OrderForm, rows: list[SignatureEvidence]) -> Iterator[str]:
    """Compare what an order form repeats of its signatures with the evidence of them."""
    if not form.evidence_sha256:
        return  # older than the chain
    if not rows or max(rows, key=lambda row: row.sequence).sha256 != form.evidence_sha256:
        yield f"{form.number}: its last signature is missing or was changed"
        return
    for name, value in facts_of_signing(rows).items():
        if getattr(form, name) != value:
            yield f"{form.number}: {name} is not what the evidence says"


def _document(document_id: object, expected: str, name: str) -> list[str]:
    """Hash a stored file; one at a time, so that memory holds one.

    :param expected: empty where an older order form did not keep it: then the file's own.
    """
    stored = Document.objects.filter(id=document_id).first()
    if stored is None:
        return [f"{name} is missing"]
    digest = hashlib.sha256(bytes(stored.content)).hexdigest()
    if digest != (expected or stored.sha256):
        return [f"{name} was changed"]
    return [] if digest == stored.sha256 else [f"{name} has another fingerprint on its row"]


def _has_hash(data: object, expected: str) -> bool:
    try:
        return terms_hash(terms_from_data(data)) == expected
    except (PriceError, KeyError, TypeError, ValueError):
        return False
