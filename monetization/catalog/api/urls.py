from django.urls import path
from rest_framework.routers import SimpleRouter

from monetization.catalog.api import estimating, term_discounts, views

router = SimpleRouter(trailing_slash=False)
router.register("products", views.ProductViewSet, basename="product")
router.register("prices", views.PriceViewSet, basename="price")
router.register("term-discounts", term_discounts.TermDiscountViewSet, basename="term-discount")

urlpatterns = [
    path("pricing/estimate", estimating.EstimateView.as_view(), name="pricing-estimate"),
    *router.urls,
]
