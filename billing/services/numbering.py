"""Document numbers without gaps."""

import re
from uuid import UUID

from django.db import transaction

from billing.models import DocumentSequence
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import LegalEntity

_PREFIX_ALLOWED = re.compile(r"[A-Za-z0-9/._-]{0,19}[A-Za-z/._-]")
_PREFIX = {"invoice": "INV", "credit_note": "CN", "schedule": "SCH"}


class NumberingInvalid(Refusal):
    """A series cannot be written that way; the message names the field."""


def next_number(legal_entity: LegalEntity, series: str) -> str:
    """Take the next number of a series; the row stays locked until the transaction ends.

    A locked counter, not a database sequence: tax law in many countries (for example article
    226(2) of the EU VAT Directive) asks for sequential numbers, and sequences leave gaps on
    rollback. Take it last in the transaction: everybody else waits.
    """
    return next_numbers(legal_entity, series, 1)[0]


def next_numbers(legal_entity: LegalEntity, series: str, count: int) -> list[str]:
    """Take several numbers that follow each other, as ``next_number`` takes one."""
    sequence = _locked(legal_entity.id, series)
    first, sequence.next_number = sequence.next_number, sequence.next_number + count
    sequence.save(update_fields=["next_number"])
    return [written(legal_entity, sequence, number) for number in range(first, first + count)]


def written(legal_entity: LegalEntity, sequence: DocumentSequence, number: int) -> str:
    """Write a number of a series as its documents show it."""
    prefix = sequence.prefix or f"{legal_entity.code}-{_PREFIX[sequence.series]}-"
    return f"{prefix}{number:0{sequence.digits}d}"


def sequence_of(legal_entity_id: UUID, series: str) -> DocumentSequence:
    """Return a series as it stands; one that has not begun where no number was taken."""
    found: DocumentSequence | None = DocumentSequence.objects.filter(
        legal_entity_id=legal_entity_id, series=series
    ).first()
    return found or DocumentSequence(legal_entity_id=legal_entity_id, series=series)


@transaction.atomic
def set_numbering(
    *, legal_entity_id: UUID, series: str, prefix: str, digits: int
) -> DocumentSequence:
    """Change how the next numbers of a series are written; counting goes on.

    A prefix ends with something other than a digit, so that where the number begins is
    certain and no two numbers are ever written alike.

    :param prefix: empty for the entity's code and the kind, ``DE-INV-``.
    :raises NumberingInvalid: naming the field.
    """
    if prefix and not _PREFIX_ALLOWED.fullmatch(prefix):
        raise NumberingInvalid(
            f"{series}_prefix: letters, digits, - / . and _, at most 20, and no digit at its end"
        )
    if not 3 <= digits <= 10:
        raise NumberingInvalid(f"{series}_digits: must be between 3 and 10")
    taken = DocumentSequence.objects.filter(legal_entity_id=legal_entity_id, prefix=prefix)
    if prefix and taken.exclude(series=series).exists():
        raise NumberingInvalid(f"{series}_prefix: another series begins with {prefix} too")
    sequence = _locked(legal_entity_id, series)
    sequence.prefix, sequence.digits = prefix, digits
    sequence.save(update_fields=["prefix", "digits"])
    return sequence


def _locked(legal_entity_id: UUID, series: str) -> DocumentSequence:
    locked = DocumentSequence.objects.select_for_update(of=("self",)).filter(
        legal_entity_id=legal_entity_id, series=series
    )
    found: DocumentSequence | None = locked.first()
    if found is None:  # somebody else may begin the series now
        DocumentSequence.objects.get_or_create(legal_entity_id=legal_entity_id, series=series)
        found = locked.get()
    return found
