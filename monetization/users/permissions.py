"""Who may do what: one table, for people by role and for API keys by scope."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from monetization.users.models import Role

# permission -> roles. Owners may do everything; auditors read everything.
_READERS = {Role.FINANCE, Role.REVOPS, Role.ENGINEER}
_TABLE: dict[str, set[Role]] = {
    "customers:read": _READERS,
    "customers:write": {Role.FINANCE, Role.REVOPS},
    "catalog:read": _READERS,
    "catalog:write": {Role.FINANCE, Role.REVOPS},
    "quotes:read": {Role.FINANCE, Role.REVOPS},
    "quotes:write": {Role.REVOPS},
    "approvals:read": {Role.FINANCE, Role.REVOPS},
    "approvals:write": {Role.FINANCE, Role.REVOPS},  # to answer what one is asked
    "approval-rules:read": {Role.FINANCE, Role.REVOPS},
    "approval-rules:write": {Role.FINANCE},
    "schedules:read": {Role.FINANCE, Role.REVOPS},
    "schedules:write": {Role.FINANCE, Role.REVOPS},
    "usage:read": _READERS,
    "usage:write": {Role.FINANCE, Role.ENGINEER},
    "invoices:read": {Role.FINANCE, Role.REVOPS},
    "invoices:write": {Role.FINANCE},
    "payments:read": {Role.FINANCE},
    "payments:write": {Role.FINANCE},
    "revenue:read": {Role.FINANCE},
    "revenue:write": {Role.FINANCE},
    "integrations:read": {Role.FINANCE, Role.ENGINEER},
    "integrations:write": {Role.FINANCE, Role.ENGINEER},
    "jobs:read": _READERS,
    "jobs:write": {Role.FINANCE, Role.REVOPS, Role.ENGINEER},
    "events:read": {Role.FINANCE, Role.ENGINEER},
    "mail:read": {Role.FINANCE, Role.REVOPS},
    "mail:write": {Role.FINANCE, Role.REVOPS},
    "alerts:read": _READERS,
    "alerts:write": _READERS,
    "webhooks:read": {Role.FINANCE, Role.ENGINEER},
    "webhooks:write": {Role.ENGINEER},
    "settings:read": _READERS,
    "settings:write": set(),
    "members:write": set(),
    "api-keys:write": {Role.ENGINEER},
}

PERMISSIONS = tuple(_TABLE)
# What a key may be given. Members and keys are managed by people only.
SCOPES = tuple(name for name in _TABLE if name not in ("members:write", "api-keys:write"))


def permissions_of(role: str) -> frozenset[str]:
    """Return everything a role may do."""
    if role == Role.OWNER:
        return frozenset(_TABLE)
    if role == Role.AUDITOR:
        return frozenset(name for name in _TABLE if name.endswith(":read"))
    return frozenset(name for name, roles in _TABLE.items() if role in roles)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts in this request: a member or an API key of one tenant."""

    tenant_id: UUID
    label: str  # "maya@northwind.example" or "API key ci"
    permissions: frozenset[str]
    role: str = ""
    user_id: UUID | None = None
    api_key_id: str | None = None
    time_zone: str = "UTC"  # of what people are shown

    @property
    def identity(self) -> str:
        """Who it is whatever they are called: two keys may have the same name."""
        return f"key {self.api_key_id}" if self.api_key_id else f"user {self.user_id}"

    def may(self, permission: str) -> bool:
        return permission in self.permissions


class TenantRequest(HttpRequest):
    """What a page behind ``member_required`` is given: a request of a member of one tenant."""

    principal: Principal


class HasPermission(BasePermission):
    """Ask the view which permission its action needs.

    A view names ``permission_resource = "invoices"`` (read for safe methods, write for the
    others) and may override single actions in ``action_permissions``. A view that names
    nothing is closed.
    """

    message = "Your role or API key does not allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        principal: Principal | None = getattr(request._request, "principal", None)
        needed = required_permission(request.method or "GET", view)
        return principal is not None and needed is not None and principal.may(needed)


def required_permission(method: str, view: Any) -> str | None:
    """Return the permission a view's current action needs; None when it names none."""
    by_action: dict[str, str] = getattr(view, "action_permissions", {})
    action = getattr(view, "action", None)
    if action in by_action:
        return by_action[action]
    resource = getattr(view, "permission_resource", None)
    if resource is None:
        return None
    return f"{resource}:{'read' if method in ('GET', 'HEAD', 'OPTIONS') else 'write'}"
