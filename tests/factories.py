"""Test data the system could have made. Functions call use cases where one exists."""

from typing import Any

from monetization.kernel.ids import uuid7
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import LegalEntity, Tenant


def make_tenant(name: str = "Northwind Software", **fields: Any) -> Tenant:
    """A tenant with one default legal entity."""
    slug = fields.pop("slug", f"{name.lower().replace(' ', '-')}-{uuid7().hex[-6:]}")
    tenant = Tenant.objects.create(name=name, slug=slug, **fields)
    with tenant_context(tenant.id, actor="test"):
        LegalEntity.objects.create(name=f"{name}, Inc.", code="NW", is_default=True)
    return tenant


def make_member(tenant: Tenant, role: str = "owner", email: str | None = None) -> Any:
    """A user with a role in the tenant; the password is "correct horse"."""
    from monetization.users.models import Membership, User

    user = User.objects.create_user(
        email or f"{role}-{uuid7().hex[-6:]}@example.com", "correct horse", name=role.title()
    )
    Membership.objects.create(user=user, tenant=tenant, role=role)
    return user


def make_api_key(tenant: Tenant, *scopes: str) -> str:
    """A key with the given scopes; returns the secret."""
    from monetization.users.models import ApiKey

    _, secret = ApiKey.objects.create_key(name="test", tenant=tenant, scopes=list(scopes))
    return str(secret)
