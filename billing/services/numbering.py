"""Document numbers without gaps."""

from uuid import UUID

from billing.models import DocumentSequence
from monetization.tenancy.models import LegalEntity

_PREFIX = {"invoice": "INV", "credit_note": "CN", "schedule": "SCH"}


def next_number(legal_entity: LegalEntity, series: str) -> str:
    """Take the next number of a series; the row stays locked until the transaction ends.

    A locked counter, not a database sequence: tax law in many countries (for example article
    226(2) of the EU VAT Directive) asks for sequential numbers, and sequences leave gaps on
    rollback. Take it last in the transaction: everybody else waits.
    """
    sequence = _locked(legal_entity.id, series)
    number, sequence.next_number = sequence.next_number, sequence.next_number + 1
    sequence.save(update_fields=["next_number"])
    return f"{legal_entity.code}-{_PREFIX[series]}-{number:06d}"


def _locked(legal_entity_id: UUID, series: str) -> DocumentSequence:
    DocumentSequence.objects.get_or_create(legal_entity_id=legal_entity_id, series=series)
    return DocumentSequence.objects.select_for_update(of=("self",)).get(
        legal_entity_id=legal_entity_id, series=series
    )
