"""The tenant this transaction belongs to: one binding, enforced twice.

Postgres enforces it with row-level security on every tenant table; Python enforces
it again in ``TenantManager`` so that forgetting to bind fails loudly instead of
returning no rows. Who acts is bound beside it, so that the audit trail knows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from django.db import connection, transaction

SYSTEM_ACTOR = "system"

_bound_tenant: ContextVar[UUID | None] = ContextVar("bound_tenant", default=None)
_bound_actor: ContextVar[str] = ContextVar("bound_actor", default=SYSTEM_ACTOR)


class TenantNotBound(RuntimeError):
    """Tenant data was touched outside ``tenant_context``."""


class TenantAlreadyBound(RuntimeError):
    """A second tenant was bound inside the transaction of the first."""


@contextmanager
def tenant_context(tenant_id: UUID, *, actor: str | None = None) -> Iterator[None]:
    """Open a transaction that can see and write the rows of one tenant only.

    The setting is transaction-local, so it cannot survive the transaction and is
    safe behind a transaction-pooling PgBouncer.

    :param actor: who acts, as people read it ("maya@northwind.example", "API key ci");
        the actor already bound, else "system", when not given.
    :raises TenantAlreadyBound: if another tenant is bound; tenants never nest.
    """
    if _bound_tenant.get() not in (None, tenant_id):
        raise TenantAlreadyBound(f"{_bound_tenant.get()} is bound, cannot bind {tenant_id}")
    tenant_token = _bound_tenant.set(tenant_id)
    actor_token = _bound_actor.set(actor if actor is not None else _bound_actor.get())
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('app.tenant_id', %s, true),"
                    " set_config('app.actor', %s, true),"
                    " set_config('jit', 'off', true)",  # compiling takes longer than it saves
                    [str(tenant_id), _bound_actor.get()],
                )
            yield
    finally:
        _bound_actor.reset(actor_token)
        _bound_tenant.reset(tenant_token)


def current_tenant_id() -> UUID:
    """Return the bound tenant.

    :raises TenantNotBound: outside ``tenant_context``.
    """
    tenant_id = _bound_tenant.get()
    if tenant_id is None:
        raise TenantNotBound("open tenant_context() before touching tenant data")
    return tenant_id


def tenant_is_bound() -> bool:
    return _bound_tenant.get() is not None


def current_actor() -> str:
    return _bound_actor.get()
