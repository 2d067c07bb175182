"""API keys: made once, shown once, revoked for good."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction

from monetization.kernel.errors import Refusal
from monetization.tenancy.context import current_actor, current_tenant_id
from monetization.users.models import ApiKey
from monetization.users.permissions import SCOPES


class ScopeNotHeld(Refusal):
    """A key may do no more than the person who makes it."""


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
