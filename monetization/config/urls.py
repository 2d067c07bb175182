"""Mounts every app's api/ and web/. An app that has no ``urls`` module yet is left out."""

from importlib.util import find_spec

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularSwaggerSplitView,
)

from integrations.web.payment_page import page as payment_page
from monetization.interface.problems import problem_response

_API = (
    "metering",  # first: what machines call most is found at once
    "monetization.users",
    "monetization.customers",
    "monetization.catalog",
    "monetization.events",
    "monetization.jobs",
    "monetization.mail",
    "monetization.webhooks",
    "monetization.ledger",
    "quotes",
    "billing",
    "alerts",
    "crm",
    "revrec",
    "integrations",
)
_WEB = {
    "": (
        "monetization.config",
        "monetization.users",
        "monetization.mail",
        "monetization.webhooks",
        "monetization.jobs",
        "monetization.documents",
    ),
    "customers/": ("monetization.customers",),
    "catalog/": ("monetization.catalog",),
    "quotes/": ("quotes",),
    "usage/": ("metering",),
    "billing/": ("billing",),
    "alerts/": ("alerts",),
    "crm/": ("crm",),
    "revenue/": ("revrec",),
    "integrations/": ("integrations",),
}


def _present(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package is not there
        return False


def no_such_resource(request: HttpRequest) -> HttpResponse:
    """Answer an address of the API that does not exist as the API answers everything."""
    return problem_response(404, "not_found", "No such resource.")


urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("sign/", include("quotes.web.public_urls")),  # the signer's pages, outside sign-in
    path("compat/", include("metering.api.compat.urls")),  # the ingest calls of other vendors
    path("sign/", include("integrations.web.public_urls")),
    path("pay/<str:token>", payment_page, name="pay"),  # what customers owe, outside sign-in
    path("callbacks/", include("integrations.web.callback_urls")),
    path("admin/", admin.site.urls),
    path("api/v1/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
]
urlpatterns += [
    path("api/v1/", include(f"{app}.api.urls")) for app in _API if _present(f"{app}.api.urls")
]
urlpatterns += [
    path(prefix, include(f"{app}.web.urls"))
    for prefix, apps in _WEB.items()
    for app in apps
    if _present(f"{app}.web.urls")
]
urlpatterns.append(re_path(r"^api/", no_such_resource))
