from rest_framework.routers import SimpleRouter

from alerts.api import views

router = SimpleRouter(trailing_slash=False)
router.register("alert-rules", views.RuleViewSet, basename="alert-rule")
router.register("alerts", views.AlertViewSet, basename="alert")

urlpatterns = router.urls
