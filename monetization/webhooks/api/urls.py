from rest_framework.routers import SimpleRouter

from monetization.webhooks.api import views

router = SimpleRouter(trailing_slash=False)
router.register("webhook-endpoints", views.EndpointViewSet, basename="webhook-endpoint")
router.register("webhook-deliveries", views.DeliveryViewSet, basename="webhook-delivery")

urlpatterns = router.urls
