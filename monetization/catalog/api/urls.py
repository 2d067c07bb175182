from django.urls import path
from rest_framework.routers import SimpleRouter

from monetization.catalog.api import estimating, views

router = SimpleRouter(trailing_slash=False)
router.register("products", views.ProductViewSet, basename="product")
router.register("prices", views.PriceViewSet, basename="price")

urlpatterns = [
    path("pricing/estimate", estimating.EstimateView.as_view(), name="pricing-estimate"),
    *router.urls,
]
