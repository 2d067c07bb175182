"""Settings under /settings/ and the activity stream under /events/."""

from django.urls import include, path

urlpatterns = [
    path("settings/", include("monetization.users.web.settings_urls")),
    path("events/", include("monetization.users.web.activity_urls")),
]
