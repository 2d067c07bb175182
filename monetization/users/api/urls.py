from django.urls import URLPattern

from monetization.users.api import schema  # noqa: F401  registers the security schemes

urlpatterns: list[URLPattern] = []
