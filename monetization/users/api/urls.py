from rest_framework.routers import SimpleRouter

from monetization.users.api import schema, views  # noqa: F401  schema describes signing in

router = SimpleRouter(trailing_slash=False)
router.register("api-keys", views.ApiKeyViewSet, basename="api-key")

urlpatterns = router.urls
