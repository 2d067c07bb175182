"""Bind each request to the tenant of its session or API key."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from monetization.interface.problems import (
    DATABASE_AWAY,
    problem_response,
    unavailable_response,
)
from monetization.tenancy.context import tenant_context
from monetization.users.models import ApiKey, Membership
from monetization.users.permissions import Principal, permissions_of

SESSION_TENANT = "tenant_id"
USE_NOTED_EVERY = timedelta(minutes=1)
_SCHEMES = ("bearer ", "api-key ")
_IN_UTC = ("/api/",)  # instants of the API are UTC, whoever asks
# Pages whose address says which tenant they belong to, and dialects that write their own
# errors: who is signed in does not matter.
_BIND_THEMSELVES = ("/sign/", "/pay/", "/compat/", "/callbacks/")


class TenantMiddleware:
    """Find out who acts, then run the view inside that tenant's transaction.

    A request with neither session nor key runs unbound: tenant data refuses to be read.
    An answer of 500 or more rolls the transaction back, whoever turned the exception into it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(_BIND_THEMSELVES):
            request.principal = None  # type: ignore[attr-defined]
            return self.get_response(request)
        key = _presented_key(request)
        try:
            return self._bound(request, key)
        except DATABASE_AWAY as error:
            if key is None:
                raise
            return unavailable_response(error)

    def _bound(self, request: HttpRequest, key: str | None) -> HttpResponse:
        if key is not None:
            principal = principal_of_key(key)
            if principal is None:
                return problem_response(
                    401, "invalid_api_key", "The API key is unknown, expired or revoked."
                )
        else:
            principal = _principal_of_session(request)
        request.principal = principal  # type: ignore[attr-defined]
        if principal is None:
            return self.get_response(request)
        with (
            timezone.override(ZoneInfo(principal.time_zone)),
            tenant_context(principal.tenant_id, actor=principal.label),
        ):
            response = self.get_response(request)
            if response.status_code >= 500:
                transaction.set_rollback(True)
            return response


def _presented_key(request: HttpRequest) -> str | None:
    header = request.headers.get("Authorization", "")
    for scheme in _SCHEMES:
        if header.lower().startswith(scheme):
            return header[len(scheme) :].strip()
    return None


_KEY = (
    "SELECT id, hashed_key, tenant_id, name, scopes, revoked, expiry_date, last_used_at"
    " FROM users_apikey WHERE prefix = %s AND NOT revoked"
)


def principal_of_key(key: str) -> Principal | None:
    """Return whom a key lets in; None if it is unknown, expired or revoked.

    Every request of a machine begins here, so it asks without the ORM, which takes longer to
    write the question than Postgres to answer it.
    """
    if not key.isascii() or "\x00" in key:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_KEY, [key.partition(".")[0]])
        row = cursor.fetchone()
    if row is None or not ApiKey.objects.key_generator.verify(key, row[1]):
        return None
    return principal_of(
        ApiKey(
            id=row[0],
            tenant_id=row[2],
            name=row[3],
            scopes=row[4],
            revoked=row[5],
            expiry_date=row[6],
            last_used_at=row[7],
        )
    )


def principal_of(api_key: ApiKey) -> Principal | None:
    """Return whom a key lets in; None if it has expired or was revoked."""
    if api_key.has_expired or api_key.revoked:
        return None
    _note_use(api_key)
    return Principal(
        tenant_id=api_key.tenant_id,
        label=f"API key {api_key.name}",
        permissions=frozenset(api_key.scopes),
        api_key_id=api_key.pk,
    )


def _note_use(api_key: ApiKey) -> None:
    """Write when a key was last used, at most once a minute: its row must not become hot.

    Runs before the request's transaction, so that no lock is held while the view works.
    """
    now = timezone.now()
    before = now - USE_NOTED_EVERY
    if api_key.last_used_at is None or api_key.last_used_at < before:
        ApiKey.objects.filter(
            Q(last_used_at__isnull=True) | Q(last_used_at__lt=before), pk=api_key.pk
        ).update(last_used_at=now)


def _principal_of_session(request: HttpRequest) -> Principal | None:
    user = request.user
    if not user.is_authenticated:
        return None
    memberships = (
        Membership.objects.filter(user=user).select_related("tenant").order_by("created_at")
    )
    chosen = request.session.get(SESSION_TENANT)
    membership = memberships.filter(tenant_id=UUID(chosen)).first() if chosen else None
    membership = membership or memberships.first()
    if membership is None:
        return None
    return Principal(
        tenant_id=membership.tenant_id,
        label=user.email,
        permissions=permissions_of(membership.role),
        role=membership.role,
        time_zone="UTC" if request.path_info.startswith(_IN_UTC) else membership.tenant.time_zone,
        user_id=user.pk,
    )
