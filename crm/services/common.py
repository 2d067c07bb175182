"""What records of every kind share: how they are found, and what became of them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from monetization.customers.models import Customer, CustomerReference, ExternalReference
from monetization.customers.references import check_reference, lock_reference, refer, referred
from monetization.kernel.errors import Refusal


class CrmRecordInvalid(Refusal):
    """A CRM record cannot be taken in; the message names the field."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A record that was taken in: the row of ours, and created, updated or unchanged."""

    row: Any
    verdict: str


@dataclass(frozen=True, slots=True)
class Name:
    """How a record is called: by the system it comes from, or by our id where it has none."""

    source: str
    external_id: str = ""
    id: str = ""

    @property
    def reference(self) -> tuple[str, str] | None:
        return (self.source, self.external_id) if self.external_id else None


def find(kind: type[ExternalReference], name: Name) -> Any | None:
    """Lock a record's name and return the row of ours it means; None for a new one.

    :raises CrmRecordInvalid: for an id of ours that is not there.
    :raises ReferenceInvalid: if the external id cannot be one.
    """
    if name.external_id:
        check_reference(name.source, name.external_id)
        lock_reference(kind, name.source, name.external_id)
        found = referred(kind, name.source, name.external_id)
        if found is not None:
            if name.id and str(found.pk) != name.id:
                raise CrmRecordInvalid(
                    f"id: {name.external_id!r} of {name.source} means {found}, not this row of ours"
                )
            return found
    if not name.id:
        return None
    model: Any = kind.object.field.related_model  # type: ignore[attr-defined] # of subclasses
    try:
        row = model._default_manager.filter(pk=UUID(name.id)).first()
    except ValueError:
        row = None
    if row is None:
        raise CrmRecordInvalid("id: there is nothing of ours with this id; leave it out if new")
    return row


def note(kind: type[ExternalReference], row: Any, name: Name) -> bool:
    """Note what the other system calls a row; returns whether that was news."""
    return bool(name.external_id) and refer(kind, row, name.source, name.external_id)


def account_of(source: str, external_id: str) -> Customer:
    """Return the customer an account id means.

    :raises CrmRecordInvalid: if no account was taken in under it.
    """
    found: Customer | None = referred(CustomerReference, source, external_id)
    if found is None:
        raise CrmRecordInvalid(
            f"account: no account of {source} has the id {external_id!r}; take accounts in first"
        )
    return found


def needed(given: dict[str, Any], *names: str) -> None:
    """Refuse a new record without a field it needs."""
    for name in names:
        if given.get(name) in (None, ""):
            raise CrmRecordInvalid(f"{name}: is needed for a new record")


def changes(row: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return what differs from the row; nothing where a blank stands for "as it is"."""
    return {
        name: value
        for name, value in given.items()
        if value is not None and getattr(row, name) != value
    }
