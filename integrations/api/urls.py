from django.urls import path
from rest_framework.routers import SimpleRouter

from integrations.api import views

router = SimpleRouter(trailing_slash=False)
router.register("integrations/pushes", views.PushViewSet, basename="push")

urlpatterns = [
    path("integrations/connections", views.ConnectionsView.as_view(), name="connections"),
    *router.urls,
]
