"""What every page's frame needs: the navigation, who is here, and where the build is."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from monetization.tenancy.models import Tenant


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry of the left rail."""

    label: str
    url: str
    icon: str  # a template of components/icons
    prefixes: tuple[str, ...]  # current when the path starts with one of them


_NAV = (
    ("Home", "home", "home"),
    ("Customers", "customers:list", "users"),
    ("Quotes", "quotes:list", "quote"),
    ("Schedules", "billing:schedule-list", "calendar"),
    ("Usage", "metering:usage", "activity"),
    ("Alerts", "alerts:list", "bell"),
    ("Invoices", "billing:invoice-list", "invoice"),
    ("Credits", "billing:credit-list", "payment"),
    ("Payments", "billing:payment-list", "payment"),
    ("Revenue", "revrec:waterfall", "chart"),
    ("Catalog", "catalog:product-list", "tag"),
    ("Integrations", "integrations:index", "plug"),
    ("Settings", "settings:index", "settings"),
)
# Pages that stand elsewhere by address, and where people look for them.
_ALSO = {
    "customers:list": ("/billing/customers/", "/alerts/customers/"),
    "quotes:list": ("/crm/opportunities/",),
    "metering:usage": ("/billing/late-usage/", "/billing/usage-events/"),
    "billing:invoice-list": (
        "/billing/credit-notes/",
        "/billing/assertions/",
        "/billing/reminders/",
    ),
    "settings:index": (
        "/billing/settings/",
        "/events/",
        "/outbox/",
        "/webhooks/",
    ),
}


@lru_cache(maxsize=1)
def _navigation() -> tuple[NavItem, ...]:
    items = []
    for label, name, icon in _NAV:
        try:
            url = reverse(name)
        except NoReverseMatch:
            continue
        items.append(NavItem(label, url, icon, (url, *_ALSO.get(name, ()))))
    return tuple(items)


@lru_cache(maxsize=1)
def _has_build() -> bool:
    return (settings.STATIC_DIST / ".vite" / "manifest.json").exists()


def shell(request: HttpRequest) -> dict[str, Any]:
    """Give templates ``nav``, ``tenant``, ``principal`` and ``has_build``."""
    principal = getattr(request, "principal", None)
    context: dict[str, Any] = {"principal": principal, "has_build": _has_build()}
    if principal is not None:
        context["nav"] = [
            (
                item,
                request.path == item.url
                or (item.url != "/" and request.path.startswith(item.prefixes)),
            )
            for item in _navigation()
        ]
        context["tenant"] = Tenant.objects.get(id=principal.tenant_id)
    return context
