"""Which of our rows another system means by its id."""

import re
from typing import Any
from uuid import UUID

from django.db import connection

from monetization.customers.models import ExternalReference
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import current_tenant_id

_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
MAX_ID = 200


class ReferenceInvalid(Refusal):
    """An external id, or the name of its system, cannot be what it is."""


class ReferenceHeld(Refusal):
    """The external id means another row, or the row has another id in that system."""


def check_reference(source: str, external_id: str) -> None:
    """Refuse what cannot name a row of another system.

    :raises ReferenceInvalid: naming the field.
    """
    if not _SOURCE.fullmatch(source):
        raise ReferenceInvalid(
            "source: is the system's name in lower case letters, digits, - and _, like salesforce"
        )
    if not external_id or external_id != external_id.strip():
        raise ReferenceInvalid("external_id: is missing, or has spaces around it")
    if len(external_id) > MAX_ID or not external_id.isprintable():
        raise ReferenceInvalid(f"external_id: has at most {MAX_ID} characters, all printable")


def lock_reference(kind: type[ExternalReference], source: str, external_id: str) -> None:
    """Let one transaction at a time make a row of an external id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))",
            [f"{current_tenant_id()}/{kind.__name__}", f"{source}/{external_id}"],
        )


def referred(kind: type[ExternalReference], source: str, external_id: str) -> Any | None:
    """Return the row an external id means, or None."""
    rows: Any = kind._default_manager.select_related("object")
    found = rows.filter(source=source, external_id=external_id).first()
    return found.object if found else None


def refer(kind: type[ExternalReference], row: Any, source: str, external_id: str) -> bool:
    """Note which id a row has in another system; returns whether that was news.

    :raises ReferenceHeld: if the id means another row, or the row has another id there.
    """
    rows: Any = kind._default_manager
    known = rows.filter(source=source, external_id=external_id).first()
    if known is not None:
        if known.object_id != row.pk:
            raise ReferenceHeld(f"external_id: {external_id!r} of {source} means another row")
        return False
    other = rows.filter(source=source, object_id=row.pk).first()
    if other is not None:
        raise ReferenceHeld(
            f"external_id: {row} is {other.external_id!r} in {source}, not {external_id!r}"
        )
    rows.create(source=source, external_id=external_id, object_id=row.pk)
    return True


def external_ids(kind: type[ExternalReference], row_id: UUID) -> dict[str, str]:
    """Return a row's ids in other systems, by the system's name."""
    rows: Any = kind._default_manager
    return dict(
        rows.filter(object_id=row_id).order_by("source").values_list("source", "external_id")
    )
