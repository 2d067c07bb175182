from django.urls import path
from rest_framework.routers import SimpleRouter

from metering.api import views
from metering.api.meters import MeterViewSet
from metering.api.usage import UsageView

router = SimpleRouter(trailing_slash=False)
router.register("meters", MeterViewSet, basename="meter")

urlpatterns = [
    path("usage-events", views.UsageEventsView.as_view(), name="usage-events"),
    path("usage-events/unmatched", views.UnmatchedView.as_view(), name="usage-unmatched"),
    path("usage-events/<uuid:event_id>", views.UsageEventView.as_view(), name="usage-event"),
    path("usage", UsageView.as_view(), name="usage"),
    *router.urls,
]
