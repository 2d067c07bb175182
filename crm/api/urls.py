from typing import Any

from django.urls import path
from rest_framework.routers import SimpleRouter

from crm.api import views

router = SimpleRouter(trailing_slash=False)
router.register("opportunities", views.OpportunityViewSet, basename="opportunity")

_ACTIONS: Any = {"get": "retrieve", "put": "update"}
urlpatterns = router.urls + [
    # External ids may hold any character, slashes too.
    path(
        f"crm/{kind}/<str:source>/<path:external_id>", viewset.as_view(_ACTIONS), name=f"crm-{kind}"
    )
    for kind, viewset in (
        ("accounts", views.AccountViewSet),
        ("contacts", views.ContactViewSet),
        ("opportunities", views.OpportunityRecordViewSet),
        ("quotes", views.QuoteRecordViewSet),
    )
]
