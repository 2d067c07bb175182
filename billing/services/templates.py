"""Set how a legal entity's documents look, what goes with them, and how a customer's differ."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.domain.electronic_addresses import SCHEMES, right_iban, wrong_endpoint
from billing.models import DocumentRecipient
from billing.services.numbering import sequence_of, set_numbering
from billing.services.paper import recipient_of
from monetization.customers.models import Customer
from monetization.documents.models import DocumentTemplate
from monetization.documents.services import put_logo, template_of
from monetization.documents.stationery import DATE_STYLES, NUMBER_FORMATS, PAGE_SIZES
from monetization.documents.words import LANGUAGES
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import LegalEntity
from monetization.users.services import change_legal_entity

SERIES = ("invoice", "credit_note")
TEMPLATE_FIELDS = (
    "accent_color", "language", "number_format", "date_style", "page_size", "usage_appendix",
    "electronic_format", "street", "postal_code", "city", "endpoint_scheme", "endpoint_id",
    "registration_scheme", "registration_id", "contact_name", "contact_phone", "iban", "bic",
)  # fmt: skip
ENTITY_FIELDS = ("bank_details", "footer")
RECIPIENT_FIELDS = (
    "language", "street", "postal_code", "city", "endpoint_scheme", "endpoint_id",
    "buyer_reference", "tax_category", "exemption_reason",
)  # fmt: skip
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?")
_ICD = re.compile(r"[0-9]{4}")


class TemplateInvalid(Refusal):
    """A field cannot be what it is; the message names it."""


@transaction.atomic
def change_documents(
    *,
    legal_entity_id: UUID,
    values: Mapping[str, str],
    now: datetime,
    numbering: Mapping[str, tuple[str, int]] | None = None,
) -> DocumentTemplate:
    """Change what a legal entity's next documents look like; what is left out stays.

    Documents that were made before keep how they look.

    :param values: fields of ``TEMPLATE_FIELDS`` and ``ENTITY_FIELDS``.
    :param numbering: by series, the prefix and the least digits.
    :raises TemplateInvalid: naming the field.
    :raises NumberingInvalid: naming the field.
    """
    entity: LegalEntity = LegalEntity.objects.select_for_update(of=("self",)).get(
        id=legal_entity_id
    )
    template = template_of(entity.id)
    changed = []
    for name in TEMPLATE_FIELDS:
        value = _tidy(name, values[name]) if name in values else getattr(template, name)
        if value != getattr(template, name):
            setattr(template, name, value)
            changed.append(name)
    check_template(template)
    template.save()
    words = {name: _lines(values[name]) for name in ENTITY_FIELDS if name in values}
    if words:
        change_legal_entity(entity_id=entity.id, now=now, **words)
    for series, (prefix, digits) in (numbering or {}).items():
        before = sequence_of(entity.id, series)
        if (before.prefix, before.digits) != (prefix, digits):
            set_numbering(legal_entity_id=entity.id, series=series, prefix=prefix, digits=digits)
            changed.append(f"{series} numbers")
    _record_change(entity, changed, now)
    return template


@transaction.atomic
def change_logo(*, legal_entity_id: UUID, content: bytes | None, now: datetime) -> DocumentTemplate:
    """Give a legal entity's documents a logo, or none.

    :raises LogoNotUsable: if it is no PNG or JPEG of a sane size.
    """
    entity = LegalEntity.objects.select_for_update(of=("self",)).get(id=legal_entity_id)
    template = template_of(entity.id)
    if content is None and template.logo is None:
        return template
    put_logo(template, content)
    template.save()
    _record_change(entity, ["logo"], now)
    return template


def check_template(template: DocumentTemplate) -> None:
    """Check a template, saved or tried out.

    :raises TemplateInvalid: naming the field.
    """
    for name, known in (
        ("language", LANGUAGES),
        ("number_format", NUMBER_FORMATS),
        ("date_style", DATE_STYLES),
        ("page_size", PAGE_SIZES),
        ("usage_appendix", DocumentTemplate.Appendix.values),
        ("electronic_format", DocumentTemplate.Electronic.values),
    ):
        if getattr(template, name) not in known:
            raise TemplateInvalid(f"{name}: must be one of {', '.join(known)}")
    _check(template, "accent_color", _COLOR.fullmatch, "write a color as #1a2b3c")
    _check(template, "iban", right_iban, "the check digits of the IBAN are wrong")
    _check(template, "bic", _BIC.fullmatch, "a BIC has 8 or 11 letters and digits")
    _check(template, "registration_scheme", _ICD.fullmatch, "an ISO 6523 code has four digits")
    _check_endpoint(template)
    _check_lengths(template, TEMPLATE_FIELDS)


def _check(row: Any, name: str, is_right: Callable[[str], Any], words: str) -> None:
    value = getattr(row, name)
    if value and not is_right(value):
        raise TemplateInvalid(f"{name}: {words}")


def _check_endpoint(row: DocumentTemplate | DocumentRecipient) -> None:
    if bool(row.endpoint_scheme) != bool(row.endpoint_id):
        empty = "endpoint_id" if row.endpoint_scheme else "endpoint_scheme"
        raise TemplateInvalid(f"{empty}: an electronic address needs its scheme, and both or none")
    if row.endpoint_scheme and row.endpoint_scheme not in SCHEMES:
        raise TemplateInvalid(f"endpoint_scheme: must be one of {', '.join(SCHEMES)}")
    wrong = wrong_endpoint(row.endpoint_scheme, row.endpoint_id) if row.endpoint_id else ""
    if wrong:
        raise TemplateInvalid(f"endpoint_id: {wrong}")


def _check_lengths(row: DocumentTemplate | DocumentRecipient, names: tuple[str, ...]) -> None:
    for name in names:
        field: Any = row._meta.get_field(name)
        if len(getattr(row, name)) > field.max_length:
            raise TemplateInvalid(f"{name}: must have at most {field.max_length} characters")


def _tidy(name: str, value: str) -> str:
    value = " ".join(value.replace("\x00", "").split())
    if name in ("iban", "bic"):
        return value.replace(" ", "").upper()
    return value.lower() if name == "accent_color" else value


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def _record_change(entity: LegalEntity, changed: list[str], now: datetime) -> None:
    if changed:
        append_event(
            type="legal_entity.changed",
            subject=f"legal-entity/{entity.id}",
            data={
                "name": entity.name,
                "changed": f"documents: {', '.join(n.replace('_', ' ') for n in changed)}",
            },
            occurred_at=now,
        )


@transaction.atomic
def change_recipient(*, customer_id: UUID, values: Mapping[str, str]) -> DocumentRecipient:
    """Change what a customer's documents need beyond its profile; what is left out stays.

    :param values: fields of ``RECIPIENT_FIELDS``.
    :raises TemplateInvalid: naming the field.
    """
    customer = Customer.objects.select_for_update(of=("self",)).get(id=customer_id)
    recipient = recipient_of(customer)
    for name in RECIPIENT_FIELDS:
        if name in values:
            setattr(recipient, name, _tidy(name, values[name]))
    if recipient.language and recipient.language not in LANGUAGES:
        raise TemplateInvalid(f"language: must be one of {', '.join(LANGUAGES)}, or empty")
    if recipient.tax_category not in DocumentRecipient.Category.values:
        known = ", ".join(filter(None, DocumentRecipient.Category.values))
        raise TemplateInvalid(f"tax_category: must be one of {known}, or empty")
    _check_endpoint(recipient)
    _check_lengths(recipient, RECIPIENT_FIELDS)
    recipient.save()
    return recipient
