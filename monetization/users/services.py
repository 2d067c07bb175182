"""API keys, members and the company itself."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import current_actor, current_tenant_id
from monetization.tenancy.models import LegalEntity, Tenant
from monetization.users.models import ApiKey, Membership, Role, User
from monetization.users.permissions import SCOPES, permissions_of


class ScopeNotHeld(Refusal):
    """A key may do no more than the person who makes it."""


def members_who_may(permission: str) -> list[str]:
    """Return the addresses of the active members whose role has a permission."""
    roles = [role for role in Role.values if permission in permissions_of(role)]
    rows = Membership.objects.filter(
        tenant_id=current_tenant_id(), role__in=roles, user__is_active=True
    ).order_by("user__email")
    return list(rows.values_list("user__email", flat=True))


@transaction.atomic
def create_api_key(
    *,
    name: str,
    scopes: Collection[str],
    granted: Collection[str],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key of the bound tenant; the secret is returned once and stored hashed.

    :param scopes: what the key may do, out of ``SCOPES``.
    :param granted: what the person who makes it may do.
    :raises ScopeNotHeld: for a scope the person does not have, or that no key has.
    """
    beyond = sorted(set(scopes) - set(granted) & set(SCOPES))
    if beyond:
        raise ScopeNotHeld(f"you cannot give what you do not have: {', '.join(beyond)}")
    key: Any
    key, secret = ApiKey.objects.create_key(
        name=name,
        tenant_id=current_tenant_id(),
        scopes=sorted(set(scopes)),
        created_by=current_actor(),
        expiry_date=expires_at,
    )
    return key, str(secret)


@transaction.atomic
def revoke_api_key(*, prefix: str) -> ApiKey:
    """Revoke a key of the bound tenant for good; revoking it again changes nothing."""
    key: ApiKey = ApiKey.objects.select_for_update().get(
        prefix=prefix, tenant_id=current_tenant_id()
    )
    key.revoked = True
    key.save()
    return key


# --- Members --------------------------------------------------------------------------------


class AlreadyMember(Refusal):
    """The person is a member of this company already."""


class LastOwner(Refusal):
    """A company always has an owner."""


class HasPassword(Refusal):
    """Only somebody without a password needs another invitation."""


@transaction.atomic
def invite_member(*, email: str, name: str, role: str, now: datetime) -> Membership:
    """Make a person a member of the bound tenant; who is new gets a user without a password.

    The invitation is mailed by whoever subscribed to ``member.invited``; it carries the link
    with which the person sets a password.

    :raises AlreadyMember: if the address has a membership here.
    """
    address = email.strip().lower()
    user = User.objects.filter(email=address).first()
    if user is None:
        user = User.objects.create_user(address, None, name=name.strip())
    tenant_id = current_tenant_id()
    membership, created = Membership.objects.get_or_create(
        user=user, tenant_id=tenant_id, defaults={"role": role}
    )
    if not created:
        raise AlreadyMember(f"email: {address} is a member already")
    _tell("member.invited", membership, now)
    return membership


@transaction.atomic
def invite_again(*, membership_id: UUID, now: datetime) -> Membership:
    """Mail another invitation; the links of earlier ones keep working until they expire.

    :raises HasPassword: if the person can sign in already.
    """
    membership = _member(membership_id)
    if membership.user.has_usable_password():
        raise HasPassword(f"{membership.user} has a password; no invitation is needed")
    _tell("member.invited", membership, now)
    return membership


@transaction.atomic
def change_role(*, membership_id: UUID, role: str, now: datetime) -> Membership:
    """Give a member another role; the same one again changes nothing.

    :raises LastOwner: if nobody would be left to own the company.
    """
    membership = _member(membership_id)
    if membership.role == role:
        return membership
    _keep_an_owner(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    _tell("member.role_changed", membership, now)
    return membership


@transaction.atomic
def remove_member(*, membership_id: UUID, now: datetime) -> str:
    """End a membership; the person keeps those of other companies. Returns their name.

    :raises LastOwner: if nobody would be left to own the company.
    """
    membership = _member(membership_id)
    _keep_an_owner(membership)
    _tell("member.removed", membership, now)
    membership.delete()
    return str(membership.user)


def _member(membership_id: UUID) -> Membership:
    """Return a membership of the bound tenant, locked. Memberships are a global table."""
    return (
        Membership.objects.select_for_update(of=("self",))
        .select_related("user")
        .get(id=membership_id, tenant_id=current_tenant_id())
    )


def _keep_an_owner(membership: Membership) -> None:
    """Refuse to lose the last owner. All owners are locked, so two cannot leave at once."""
    owners = list(
        Membership.objects.select_for_update(of=("self",))
        .filter(tenant_id=membership.tenant_id, role=Role.OWNER)
        .order_by("id")
    )
    if [owner.id for owner in owners] == [membership.id]:
        raise LastOwner(f"{membership.user} is the only owner; make somebody else an owner first")


def _tell(event_type: str, membership: Membership, now: datetime) -> None:
    append_event(
        type=event_type,
        subject=f"user/{membership.user_id}",
        data={
            "user_id": str(membership.user_id),
            "email": membership.user.email,
            "role": membership.role,
        },
        occurred_at=now,
    )


# --- The company ----------------------------------------------------------------------------


@transaction.atomic
def change_company(*, now: datetime, **values: str) -> Tenant:
    """Change the tenant's own details; what changed is on the stream.

    :param values: fields of ``Tenant``: name, time_zone, default_currency.
    """
    tenant = Tenant.objects.select_for_update().get(id=current_tenant_id())
    changed = _apply(tenant, values)
    if changed:
        append_event(
            type="company.changed",
            subject="company",
            data={"changed": ", ".join(changed)},
            occurred_at=now,
        )
    return tenant


@transaction.atomic
def change_legal_entity(*, entity_id: UUID, now: datetime, **values: str) -> LegalEntity:
    """Change what a legal entity's next documents say; issued ones stay as they are."""
    entity: LegalEntity = LegalEntity.objects.select_for_update(of=("self",)).get(id=entity_id)
    changed = _apply(entity, values)
    if changed:
        append_event(
            type="legal_entity.changed",
            subject=f"legal-entity/{entity.id}",
            data={"name": entity.name, "changed": ", ".join(changed)},
            occurred_at=now,
        )
    return entity


def _apply(row: Tenant | LegalEntity, values: dict[str, str]) -> list[str]:
    """Write what differs and return it in words: "address from A to B"."""
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    said = [
        f"{name.replace('_', ' ')} from {getattr(row, name) or 'empty'} to {value or 'empty'}"
        for name, value in values.items()
        if name in changed
    ]
    for name in changed:
        setattr(row, name, values[name])
    if changed:
        row.save(update_fields=changed)
    return said
