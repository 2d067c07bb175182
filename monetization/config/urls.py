"""Mounts every app's api/ and web/. An app that has no ``urls`` module yet is left out."""

from importlib.util import find_spec

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

_API = (
    "monetization.users",
    "monetization.customers",
    "monetization.catalog",
    "monetization.events",
    "monetization.jobs",
    "monetization.mail",
    "monetization.ledger",
    "metering",
    "quotes",
    "billing",
    "revrec",
    "integrations",
)
_WEB = {
    "": (
        "monetization.config",
        "monetization.users",
        "monetization.mail",
        "monetization.jobs",
        "monetization.documents",
    ),
    "customers/": ("monetization.customers",),
    "catalog/": ("monetization.catalog",),
    "quotes/": ("quotes",),
    "usage/": ("metering",),
    "billing/": ("billing",),
    "revenue/": ("revrec",),
    "integrations/": ("integrations",),
}


def _present(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package is not there
        return False


urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("sign/", include("quotes.web.public_urls")),  # the signer's pages, outside sign-in
    path("admin/", admin.site.urls),
    path("api/v1/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    path("api/redoc/", SpectacularRedocView.as_view(url_name="api-schema"), name="api-redoc"),
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
if settings.DEBUG or settings.MONETIZATION_DEMO:
    urlpatterns.append(
        path("design/", TemplateView.as_view(template_name="design.html"), name="design")
    )
