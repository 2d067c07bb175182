from rest_framework.routers import SimpleRouter

from monetization.customers.api import views

router = SimpleRouter(trailing_slash=False)
router.register("customers", views.CustomerViewSet, basename="customer")

urlpatterns = router.urls
